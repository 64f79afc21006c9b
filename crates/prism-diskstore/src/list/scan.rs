//! Which lists there are.

use prism_plugin::keyvalue::{Pages, Range};
use prism_plugin::list::ListScan;
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use crate::layout::Ends;
use crate::scan::Scan;
use crate::store::DiskStore;

impl ListScan for DiskStore {
    fn scan_lists(&self, _: &Context, range: Range) -> Pages<(Key, u64)> {
        Scan::<Ends>::new(self, range, |key, _| key.len()).pages(|key, ends| (key, ends.len()))
    }

    async fn count_lists(&self, _: &Context, namespace: Namespace, prefix: String) -> Result<u64, Error> {
        self.count_stored::<Ends>(&namespace, &prefix).await
    }
}

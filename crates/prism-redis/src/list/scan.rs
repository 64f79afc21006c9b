//! Which lists there are.

use futures_util::future::FutureExt as _;
use prism_plugin::keyvalue::{Pages, Range};
use prism_plugin::list::ListScan;
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use crate::names::Kind;
use crate::scan::Scan;
use crate::store::RedisStore;

impl ListScan for RedisStore {
    fn scan_lists(&self, context: &Context, range: Range) -> Pages<(Key, u64)> {
        Scan::pages(&self.shared, context, Kind::List, &range, |scan| scan.next_lists().boxed())
    }

    async fn count_lists(
        &self,
        context: &Context,
        namespace: Namespace,
        prefix: String,
    ) -> Result<u64, Error> {
        Scan::count(&self.shared, context, Kind::List, &Range::new(namespace, prefix)).await
    }
}

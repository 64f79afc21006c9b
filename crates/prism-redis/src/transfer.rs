//! Copies of keys and lists: a list is replaced by a script, in one step, and read in pages as large as a message.

use bytes::Bytes;
use prism_plugin::list::{List as _, ListRange as _, Values};
use prism_plugin::transfer::{IfExists, Transfer};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use crate::answer::number;
use crate::command::Effect;
use crate::lane::Lane;
use crate::list::range::PageMax;
use crate::route::run;
use crate::script::REPLACE_LIST;
use crate::store::RedisStore;

/// A page is what a message takes, so that a list which fits into one is read at one moment; and no more values than a server reads without
/// holding up others.
const PAGE_MAX: PageMax = (16 * 1024, 3 * 1024 * 1024);

impl Transfer for RedisStore {
    fn list_values(&self, context: &Context, namespace: Namespace, list_key: Key) -> Values {
        self.pages(context, (&namespace, &list_key), (0, -1), PAGE_MAX)
    }

    async fn put_list(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        values: Vec<Bytes>,
        if_exists: IfExists,
    ) -> Result<bool, Error> {
        let keeps = if_exists == IfExists::Keep;
        if values.is_empty() {
            if keeps {
                return Ok(self.length(context, namespace, list_key).await? == 0);
            }
            return self.clear(context, namespace, list_key).await.map(|_| true);
        }
        let command = self.on_list(&REPLACE_LIST, &namespace, &list_key, Effect::Write);
        let mut command =
            values.iter().fold(command.arg(u8::from(keeps)), |command, value| command.value(value));
        command.lane = Lane::Bulk;
        Ok(number(&run(&self.shared, context, &command).await?)? > 0)
    }
}

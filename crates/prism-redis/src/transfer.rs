//! Copies of keys and lists: a list is replaced by a script, in one step, and read in pages as large as a message.

use bytes::Bytes;
use prism_plugin::list::{List as _, ListRange as _, Values};
use prism_plugin::transfer::{IfExists, Transfer};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error, ErrorReason};

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

/// The most values of a list that is stored: Redis before 7.0 takes a command of 1,048,576 arguments at most.
const VALUES_MAX: usize = 1_000_000;

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
        if values.len() > VALUES_MAX {
            return Err(too_many(values.len()));
        }
        let command = self.on_list(&REPLACE_LIST, &namespace, &list_key, Effect::Write);
        let mut command =
            values.iter().fold(command.arg(u8::from(keeps)), |command, value| command.value(value));
        command.lane = Lane::Bulk;
        Ok(number(&run(&self.shared, context, &command).await?)? > 0)
    }
}

/// MEMORY_LIMIT.
fn too_many(values: usize) -> Error {
    let why = format!(
        "the list has {values} values; Redis stores at most {VALUES_MAX} in one step: leave it out, and push its values instead"
    );
    Error::new(ErrorReason::MemoryLimit, why)
        .with("field", "item.list_part.values")
        .with("limit", VALUES_MAX.to_string())
        .with("size", values.to_string())
}

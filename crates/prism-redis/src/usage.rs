//! What the store holds. Redis counts keys for all namespaces together, so those of one are not known; its memory is, as
//! the last probe found it.

use prism_plugin::types::Namespace;
use prism_plugin::usage::{Usage, Used};
use prism_plugin::{Context, Error};

use crate::store::RedisStore;

impl Usage for RedisStore {
    async fn usage(&self, _: &Context, _: Namespace) -> Result<Used, Error> {
        let found = self.found();
        Ok(Used {
            keys: None,
            lists: None,
            backend_bytes: found.as_ref().and_then(|found| found.memory_bytes),
            backend_bytes_max: found.as_ref().and_then(|found| found.memory_bytes_max),
        })
    }
}

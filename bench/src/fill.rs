//! Stores many keys in a memstore.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use prism_client::Client;

use crate::call::{VALUE_BYTES, key, value};

/// Concurrent calls.
const IN_FLIGHT: usize = 512;

/// Stores [`VALUE_BYTES`] under each of the keys numbered `numbers`. `ttl_seconds` is called when a key is sent.
pub(crate) async fn fill(
    address: &str,
    prefix: &str,
    numbers: impl IntoIterator<Item = usize>,
    ttl_seconds: impl Fn() -> Option<i64>,
) -> anyhow::Result<()> {
    let keyvalue = Client::builder(address).connections(4).build()?.keyvalue();
    let value = value(VALUE_BYTES);
    stream::iter(numbers)
        .map(|number| {
            let set = keyvalue.set(key(prefix, number), value.clone());
            match ttl_seconds() {
                Some(seconds) => set.ttl_seconds(seconds).into_future(),
                None => set.into_future(),
            }
        })
        .buffer_unordered(IN_FLIGHT)
        .map_ok(drop)
        .try_collect::<()>()
        .await?;
    Ok(())
}

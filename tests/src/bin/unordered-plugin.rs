//! A plugin that promises nothing: its keys, which nobody can change, have no order.

use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use clap::Parser;
use futures_util::stream;
use prism_plugin::app::{self, App};
use prism_plugin::keyvalue::{KeyValue, Pages, Range};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Capabilities, Context, Error, ErrorReason, Plugin};
use prism_runtime::args::{self, ServerArgs};
use prism_runtime::process;

const NAME: &str = "unordered-plugin";

/// The keys in the order in which a scan returns them; each is its own value.
const KEYS: [&str; 5] = ["z", "a:2", "m", "b:1", "a:1"];

/// Serves a few keys in no order.
#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    server: ServerArgs,
}

struct Unordered;

fn found(range: &Range) -> impl Iterator<Item = Key> {
    let keys = KEYS.into_iter().filter(|key| key.starts_with(&range.prefix));
    keys.take(range.limit.unwrap_or(usize::MAX)).map(|key| Key::stored(key.to_owned()))
}

fn refused<T>() -> Result<T, Error> {
    Err(Error::new(ErrorReason::ReadOnly, "these keys cannot be changed"))
}

impl KeyValue for Unordered {
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn set(&self, _: &Context, _: Namespace, _: Key, _: Bytes, _: Option<Ttl>) -> Result<(), Error> {
        refused()
    }

    async fn get(&self, _: &Context, _: Namespace, key: Key) -> Result<Option<Bytes>, Error> {
        let value = KEYS.into_iter().find(|known| *known == &*key);
        Ok(value.map(|value| Bytes::from_static(value.as_bytes())))
    }

    async fn delete(&self, _: &Context, _: Namespace, _: Key) -> Result<bool, Error> {
        refused()
    }

    async fn exists(&self, _: &Context, _: Namespace, key: Key) -> Result<bool, Error> {
        Ok(KEYS.contains(&&*key))
    }

    fn scan(&self, _: &Context, range: Range) -> Pages<(Key, Bytes)> {
        let page = found(&range).map(|key| (key.clone(), Bytes::copy_from_slice(key.as_bytes()))).collect();
        Box::pin(stream::iter([Ok(page)]))
    }

    fn scan_keys(&self, _: &Context, range: Range) -> Pages<Key> {
        Box::pin(stream::iter([Ok(found(&range).collect())]))
    }

    async fn count(&self, _: &Context, _: Namespace, prefix: String) -> Result<u64, Error> {
        Ok(KEYS.into_iter().filter(|key| key.starts_with(&prefix)).count() as u64)
    }
}

fn main() -> ExitCode {
    let args = args::parse::<Args>(NAME, &[]);
    let plugin = Plugin::new(Unordered.capabilities()).keyvalue(Arc::new(Unordered));
    let app =
        App { name: NAME, args: &args.server, listen: "127.0.0.1:0", plugin, registry: Default::default() };
    process::report(NAME, process::block_on(app::run(app, std::future::pending())))
}

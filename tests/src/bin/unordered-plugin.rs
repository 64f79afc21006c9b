//! A plugin that promises nothing: its keys, which nobody can change, have no order.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use clap::Parser;
use futures_util::stream;
use prism_plugin::app::{self, App, CallerArgs};
use prism_plugin::keyvalue::{KeyValue, Page, Pages, Range, Start, resume_invalid};
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
    /// Scans in pages of this many keys, and can continue behind each.
    #[arg(long, value_name = "KEYS")]
    page: Option<usize>,

    /// Says of so many keys that it has deleted them, and refuses then.
    #[arg(long, value_name = "KEYS", default_value_t = 0)]
    deletes: usize,

    #[command(flatten)]
    callers: CallerArgs,

    #[command(flatten)]
    server: ServerArgs,
}

struct Unordered {
    page: Option<usize>,
    /// How many keys it still says that it has deleted.
    deletes: AtomicUsize,
}

impl Unordered {
    /// Each key by its place in the order of the scan, which is the position in front of it.
    fn pages(&self, range: &Range) -> Result<Vec<Page<Key>>, Error> {
        let first = match &range.start {
            Start::Resume(position) => position.first().copied().map(usize::from),
            Start::Beginning | Start::After(_) => Some(0),
        };
        let first = first.ok_or_else(|| resume_invalid("is not a position of this backend"))?;
        let keys = KEYS.into_iter().enumerate().skip(first);
        let keys = keys.filter(|(_, key)| key.starts_with(&range.prefix));
        let found: Vec<_> = keys.take(range.limit.unwrap_or(usize::MAX)).collect();
        let page = |found: &[(usize, &str)]| Page {
            items: found.iter().map(|(_, key)| Key::stored((*key).to_owned())).collect(),
            ttls_left: Vec::new(),
            resume: found
                .last()
                .and_then(|(at, _)| u8::try_from(at + 1).ok())
                .map(|at| Bytes::from(vec![at])),
        };
        Ok(found.chunks(self.page.unwrap_or(KEYS.len())).map(page).collect())
    }
}

/// The pages as a scan returns them.
fn stream<T: Send + 'static>(pages: Result<Vec<Page<T>>, Error>) -> Pages<T> {
    match pages {
        Ok(pages) => Box::pin(stream::iter(pages.into_iter().map(Ok))),
        Err(error) => Box::pin(stream::iter([Err(error)])),
    }
}

fn refused<T>() -> Result<T, Error> {
    Err(Error::new(ErrorReason::ReadOnly, "these keys cannot be changed"))
}

impl KeyValue for Unordered {
    fn capabilities(&self) -> Capabilities {
        Capabilities { resumable: self.page.is_some(), ..Capabilities::default() }
    }

    async fn set(&self, _: &Context, _: Namespace, _: Key, _: Bytes, _: Option<Ttl>) -> Result<(), Error> {
        refused()
    }

    async fn get(&self, _: &Context, _: Namespace, key: Key) -> Result<Option<Bytes>, Error> {
        let value = KEYS.into_iter().find(|known| *known == &*key);
        Ok(value.map(|value| Bytes::from_static(value.as_bytes())))
    }

    async fn delete(&self, _: &Context, _: Namespace, _: Key) -> Result<bool, Error> {
        let left =
            self.deletes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_ok() { Ok(true) } else { refused() }
    }

    async fn exists(&self, _: &Context, _: Namespace, key: Key) -> Result<bool, Error> {
        Ok(KEYS.contains(&&*key))
    }

    fn scan(&self, _: &Context, range: Range) -> Pages<(Key, Bytes)> {
        let with_value = |key: Key| (key.clone(), Bytes::copy_from_slice(key.as_bytes()));
        let with_values = |Page { items, ttls_left, resume }: Page<Key>| Page {
            items: items.into_iter().map(with_value).collect(),
            ttls_left,
            resume,
        };
        stream(self.pages(&range).map(|pages| pages.into_iter().map(with_values).collect()))
    }

    fn scan_keys(&self, _: &Context, range: Range) -> Pages<Key> {
        stream(self.pages(&range))
    }

    async fn count(&self, _: &Context, _: Namespace, prefix: String) -> Result<u64, Error> {
        Ok(KEYS.into_iter().filter(|key| key.starts_with(&prefix)).count() as u64)
    }
}

fn main() -> ExitCode {
    let args = args::parse::<Args>(NAME, &[]);
    let unordered = Unordered { page: args.page, deletes: args.deletes.into() };
    let plugin = Plugin::new(unordered.capabilities()).keyvalue(Arc::new(unordered));
    let app = App {
        name: NAME,
        args: &args.server,
        callers: &args.callers,
        listen: "127.0.0.1:0",
        plugin,
        registry: Default::default(),
    };
    process::report(NAME, process::block_on(app::run(app, std::future::pending())))
}

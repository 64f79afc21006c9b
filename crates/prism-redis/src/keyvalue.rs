//! The KeyValue pattern.

use std::future::Future;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{self, StreamExt as _};
use prism_plugin::keyvalue::{KeyValue, Page, Pages, Range, Start, resume_invalid};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Capabilities, Context, Error};

use crate::answer::{number, okay, value};
use crate::fault::Fault;
use crate::names::Kind;
use crate::position::Position;
use crate::route::{Command, Effect, Progress, run, within};
use crate::scan::{Found, Scan};
use crate::store::RedisStore;

impl KeyValue for RedisStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            ordered: false,
            scan_exactly_once: false,
            exact_count: false,
            linearizable: self.is_linearizable(),
            in_memory: self.is_in_memory(),
            resumable: true,
            evicts: self.may_evict(),
            durability: self.durability(),
            idempotent_retries: false,
        }
    }

    async fn set(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        value: Bytes,
        ttl: Option<Ttl>,
    ) -> Result<(), Error> {
        let mut command = self.on_value("SET", &namespace, &key, Effect::Write).value(&value);
        if let Some(ttl) = ttl {
            // At most 100 years, in milliseconds.
            command.command.arg("PX").arg(u64::try_from(ttl.as_duration().as_millis()).unwrap_or(u64::MAX));
        }
        Ok(okay(&run(&self.shared, context, command).await?)?)
    }

    async fn get(&self, context: &Context, namespace: Namespace, key: Key) -> Result<Option<Bytes>, Error> {
        let command = self.on_value("GET", &namespace, &key, Effect::Read);
        Ok(value(run(&self.shared, context, command).await?)?)
    }

    async fn delete(&self, context: &Context, namespace: Namespace, key: Key) -> Result<bool, Error> {
        let command = self.on_value("DEL", &namespace, &key, Effect::Write);
        Ok(number(&run(&self.shared, context, command).await?)? > 0)
    }

    async fn exists(&self, context: &Context, namespace: Namespace, key: Key) -> Result<bool, Error> {
        let command = self.on_value("EXISTS", &namespace, &key, Effect::Read);
        Ok(number(&run(&self.shared, context, command).await?)? > 0)
    }

    fn identity(&self) -> &str {
        &self.shared.identity
    }

    fn scan(&self, context: &Context, range: Range) -> Pages<(Key, Bytes)> {
        self.pages(context, range, |scan| scan.next_values().boxed())
    }

    fn scan_keys(&self, context: &Context, range: Range) -> Pages<Key> {
        self.pages(context, range, |scan| scan.next_keys().boxed())
    }

    async fn count(&self, context: &Context, namespace: Namespace, prefix: String) -> Result<u64, Error> {
        let mut scan = Scan::new(&self.shared, &namespace, &prefix, None, Position::default());
        let mut count = 0;
        while let Some(page) = in_time(context, scan.next_keys()).await? {
            count += page.items.len() as u64;
        }
        Ok(count)
    }
}

/// Reads the next page of a scan; `None` at the end.
type NextPage<T> = for<'a> fn(&'a mut Scan) -> BoxFuture<'a, Result<Option<Found<T>>, Fault>>;

impl RedisStore {
    fn on_value(&self, name: &str, namespace: &Namespace, key: &Key, effect: Effect) -> Command {
        Command::new(name, self.shared.names.key(Kind::Value, namespace, key), effect)
    }

    /// The pages of a scan. After an error there are none.
    fn pages<T: Send + 'static>(&self, context: &Context, range: Range, next: NextPage<T>) -> Pages<T> {
        let position = match range.start {
            // After a key: never asked for, since the store is not ordered.
            Start::Beginning | Start::After(_) => Some(Position::default()),
            Start::Resume(bytes) => Position::decode(bytes),
        };
        let Some(position) = position else {
            let error = resume_invalid("holds no position of this backend, or one of another version");
            return stream::once(async { Err(error) }).boxed();
        };
        let scan = Scan::new(&self.shared, &range.namespace, &range.prefix, range.limit, position);
        let context = context.clone();
        stream::unfold(Some(scan), move |state| {
            let context = context.clone();
            async move {
                let mut scan = state?;
                match in_time(&context, next(&mut scan)).await {
                    Ok(Some(Found { items, position })) => {
                        Some((Ok(Page { resume: Some(position.encode()), ..items.into() }), Some(scan)))
                    }
                    Ok(None) => None,
                    Err(error) => Some((Err(error), None)),
                }
            }
        })
        .boxed()
    }
}

/// Works on a page until the call's deadline. Without one, a page may take as long as it takes to find a key, and each
/// step of it has its own limit.
async fn in_time<T>(context: &Context, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Error> {
    match context.deadline() {
        Some(_) => within(context, &Progress::default(), work).await,
        None => work.await.map_err(Error::from),
    }
}

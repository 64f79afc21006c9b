//! The KeyValue pattern: values by key, and scans. The other interfaces have a file each.

mod batch;
mod cas;
mod counter;
mod ttl;

use bytes::Bytes;
use futures_util::future::FutureExt as _;
use prism_plugin::keyvalue::{KeyValue, KeyValueBatch as _, Pages, Range, ValueAndTtl};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Capabilities, Context, Error};

use crate::answer::{number, okay, value, value_and_ttl};
use crate::command::{Command, Effect};
use crate::names::Kind;
use crate::route::run;
use crate::scan::Scan;
use crate::script::{GET_WITH_TTL, ON_STRING, Script};
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
            // Until that is known, the first call with a key finds it out.
            idempotent_retries: self.keeps_answers().unwrap_or(true),
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
        let command = self.set_command(&namespace, &key, &value, ttl);
        Ok(okay(&run(&self.shared, context, &command).await?)?)
    }

    async fn get(&self, context: &Context, namespace: Namespace, key: Key) -> Result<Option<Bytes>, Error> {
        let command = self.on_value("GET", &namespace, &key, Effect::Read);
        Ok(value(run(&self.shared, context, &command).await?)?)
    }

    fn reads_ttl(&self) -> bool {
        true
    }

    async fn get_with_ttl(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
    ) -> Result<Option<ValueAndTtl>, Error> {
        let command = self.value_script(&GET_WITH_TTL, &namespace, &key, Effect::Read);
        Ok(value_and_ttl(run(&self.shared, context, &command).await?)?)
    }

    async fn delete(&self, context: &Context, namespace: Namespace, key: Key) -> Result<bool, Error> {
        let command = self.on_any_type("DEL", &namespace, &key, Effect::Write);
        Ok(number(&run(&self.shared, context, &command).await?)? > 0)
    }

    async fn delete_found(
        &self,
        context: &Context,
        namespace: Namespace,
        keys: Vec<Key>,
    ) -> Result<u64, Error> {
        let results = self.delete_each(context, namespace, keys).await;
        results.into_iter().try_fold(0, |deleted, result| Ok(deleted + u64::from(result?)))
    }

    async fn exists(&self, context: &Context, namespace: Namespace, key: Key) -> Result<bool, Error> {
        let command = self.on_any_type("EXISTS", &namespace, &key, Effect::Read);
        Ok(number(&run(&self.shared, context, &command).await?)? > 0)
    }

    fn identity(&self) -> &str {
        &self.shared.identity
    }

    fn scan(&self, context: &Context, range: Range) -> Pages<(Key, Bytes)> {
        Scan::pages(&self.shared, context, Kind::Value, &range, |scan| scan.next_values().boxed())
    }

    fn scan_keys(&self, context: &Context, range: Range) -> Pages<Key> {
        Scan::pages(&self.shared, context, Kind::Value, &range, |scan| scan.next_keys().boxed())
    }

    async fn count(&self, context: &Context, namespace: Namespace, prefix: String) -> Result<u64, Error> {
        Scan::count(&self.shared, context, Kind::Value, &Range::new(namespace, prefix)).await
    }
}

impl RedisStore {
    /// A command that acts on nothing but strings.
    fn on_value(&self, name: &str, namespace: &Namespace, key: &Key, effect: Effect) -> Command {
        Command::new(name, self.shared.names.key(Kind::Value, namespace, key), effect)
    }

    /// A command that would act on any type. Where others write the keys, too, it must not.
    fn on_any_type(&self, name: &str, namespace: &Namespace, key: &Key, effect: Effect) -> Command {
        match self.shared.names.are_shared() {
            false => self.on_value(name, namespace, key, effect),
            true => self.value_script(&ON_STRING, namespace, key, effect).arg(name),
        }
    }

    fn value_script(
        &self,
        script: &'static Script,
        namespace: &Namespace,
        key: &Key,
        effect: Effect,
    ) -> Command {
        Command::script(script, self.shared.names.key(Kind::Value, namespace, key), effect)
    }

    fn set_command(&self, namespace: &Namespace, key: &Key, value: &[u8], ttl: Option<Ttl>) -> Command {
        let command = self.on_any_type("SET", namespace, key, Effect::Write).value(value);
        match ttl {
            None => command,
            Some(ttl) => command.arg("PX").arg(millis(ttl)),
        }
    }
}

/// A time to live as Redis takes it: at most 100 years, in milliseconds.
fn millis(ttl: Ttl) -> u64 {
    u64::try_from(ttl.as_duration().as_millis()).unwrap_or(u64::MAX)
}

/// The same for a script: empty for none.
fn millis_or_empty(ttl: Option<Ttl>) -> String {
    ttl.map_or_else(String::new, |ttl| millis(ttl).to_string())
}

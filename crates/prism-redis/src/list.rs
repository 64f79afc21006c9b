//! The List pattern: pushes and pops. The other interfaces have a file each.

mod batch;
mod blocking;
mod indexing;
pub(crate) mod range;
mod scan;

use bytes::Bytes;
use prism_plugin::list::{End, List};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use crate::answer::{number, value};
use crate::command::{Command, Effect};
use crate::names::Kind;
use crate::route::run;
use crate::script::Script;
use crate::store::RedisStore;

impl List for RedisStore {
    async fn push(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        value: Bytes,
    ) -> Result<u64, Error> {
        let command = self.on_list(push_at(end), &namespace, &list_key, Effect::Write).value(&value);
        Ok(number(&run(&self.shared, context, &command).await?)?)
    }

    async fn pop(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
    ) -> Result<Option<Bytes>, Error> {
        let command = self.on_list(pop_at(end), &namespace, &list_key, Effect::Write);
        Ok(value(run(&self.shared, context, &command).await?)?)
    }

    async fn length(&self, context: &Context, namespace: Namespace, list_key: Key) -> Result<u64, Error> {
        let command = self.on_list("LLEN", &namespace, &list_key, Effect::Read);
        Ok(number(&run(&self.shared, context, &command).await?)?)
    }
}

impl RedisStore {
    fn list_name(&self, namespace: &Namespace, list_key: &Key) -> String {
        self.shared.names.key(Kind::List, namespace, list_key)
    }

    fn on_list(&self, name: &str, namespace: &Namespace, list_key: &Key, effect: Effect) -> Command {
        Command::new(name, self.list_name(namespace, list_key), effect)
    }

    pub(crate) fn list_script(
        &self,
        script: &'static Script,
        namespace: &Namespace,
        list_key: &Key,
        effect: Effect,
    ) -> Command {
        Command::script(script, self.list_name(namespace, list_key), effect)
    }
}

fn push_at(end: End) -> &'static str {
    match end {
        End::Left => "LPUSH",
        End::Right => "RPUSH",
    }
}

fn pop_at(end: End) -> &'static str {
    match end {
        End::Left => "LPOP",
        End::Right => "RPOP",
    }
}

//! The List pattern.

use bytes::Bytes;
use prism_plugin::list::{End, List};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use crate::answer::{number, value};
use crate::names::Kind;
use crate::route::{Command, Effect, run};
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
        let name = match end {
            End::Left => "LPUSH",
            End::Right => "RPUSH",
        };
        let command = self.on_list(name, &namespace, &list_key, Effect::Write).value(&value);
        Ok(number(&run(&self.shared, context, command).await?)?)
    }

    async fn pop(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
    ) -> Result<Option<Bytes>, Error> {
        let name = match end {
            End::Left => "LPOP",
            End::Right => "RPOP",
        };
        let command = self.on_list(name, &namespace, &list_key, Effect::Write);
        Ok(value(run(&self.shared, context, command).await?)?)
    }

    async fn length(&self, context: &Context, namespace: Namespace, list_key: Key) -> Result<u64, Error> {
        let command = self.on_list("LLEN", &namespace, &list_key, Effect::Read);
        Ok(number(&run(&self.shared, context, command).await?)?)
    }
}

impl RedisStore {
    fn on_list(&self, name: &str, namespace: &Namespace, list_key: &Key, effect: Effect) -> Command {
        Command::new(name, self.shared.names.key(Kind::List, namespace, list_key), effect)
    }
}

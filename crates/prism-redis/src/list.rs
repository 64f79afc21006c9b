//! The List pattern: pushes and pops. The other interfaces have a file each.

mod batch;
mod blocking;
mod indexing;
mod range;
mod reserve;
mod scan;

use bytes::Bytes;
use prism_plugin::list::{End, List};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use crate::answer::{number, value};
use crate::command::{Command, Effect};
use crate::names::Kind;
use crate::route::run;
use crate::script::{ON_LIST, POP, Script};
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
        let command = self.on_list(&ON_LIST, &namespace, &list_key, Effect::Write);
        let command = command.arg(push_at(end)).value(&value);
        Ok(number(&run(&self.shared, context, &command).await?)?)
    }

    async fn pop(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
    ) -> Result<Option<Bytes>, Error> {
        let command = self.on_list(&POP, &namespace, &list_key, Effect::Write).arg(pop_at(end));
        Ok(value(run(&self.shared, context, &command).await?)?)
    }

    async fn length(&self, context: &Context, namespace: Namespace, list_key: Key) -> Result<u64, Error> {
        let command = self.on_list(&ON_LIST, &namespace, &list_key, Effect::Read).arg("LLEN");
        Ok(number(&run(&self.shared, context, &command).await?)?)
    }
}

impl RedisStore {
    pub(crate) fn list_name(&self, namespace: &Namespace, list_key: &Key) -> String {
        self.shared.names.key(Kind::List, namespace, list_key)
    }

    /// A script on a list, which first returns the values of leases that have ended.
    pub(crate) fn on_list(
        &self,
        script: &'static Script,
        namespace: &Namespace,
        list_key: &Key,
        effect: Effect,
    ) -> Command {
        let keys = self.shared.companions.of_list(self.list_name(namespace, list_key));
        Command::script_on(script, keys, effect)
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

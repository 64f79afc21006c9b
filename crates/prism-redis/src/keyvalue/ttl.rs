//! Times to live.

use std::time::Duration;

use prism_plugin::keyvalue::KeyValueTtl;
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Context, Error};

use super::millis;
use crate::answer::{number, ttl_left};
use crate::command::Effect;
use crate::resp::Value;
use crate::route::run;
use crate::script::PERSIST;
use crate::store::RedisStore;

impl KeyValueTtl for RedisStore {
    async fn ttl_left(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
    ) -> Result<Option<Option<Duration>>, Error> {
        let command = self.on_any_type("PTTL", &namespace, &key, Effect::Read);
        Ok(ttl_left(&run(&self.shared, context, &command).await?)?)
    }

    async fn expire(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        ttl: Ttl,
    ) -> Result<bool, Error> {
        let command = self.on_any_type("PEXPIRE", &namespace, &key, Effect::Write).arg(millis(ttl));
        Ok(number(&run(&self.shared, context, &command).await?)? > 0)
    }

    /// `PERSIST` answers the same for a key without a time to live and for a missing one, so this is a script.
    async fn persist(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
    ) -> Result<Option<bool>, Error> {
        let command = self.value_script(&PERSIST, &namespace, &key, Effect::Write);
        match run(&self.shared, context, &command).await? {
            Value::Int(-1) => Ok(None),
            answer => Ok(Some(number(&answer)? > 0)),
        }
    }
}

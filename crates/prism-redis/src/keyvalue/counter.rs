//! Counters: `INCRBY`, which reads numbers as strictly as Increment must, and a script where a missing key needs more.

use prism_plugin::keyvalue::{KeyValueCounter, counter_overflow, incremented, not_a_number};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Context, Error};

use super::millis_or_empty;
use crate::answer::text;
use crate::command::Effect;
use crate::fault::Fault;
use crate::resp::Value;
use crate::route::attempt;
use crate::script::INCREMENT;
use crate::store::RedisStore;

impl KeyValueCounter for RedisStore {
    async fn increment(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        delta: i64,
        initial: i64,
        ttl: Option<Ttl>,
    ) -> Result<i64, Error> {
        // What is recorded must be text: a script reads the answer of INCRBY as one of Lua's numbers, which hold 53 bits.
        let is_plain = initial == 0 && ttl.is_none() && context.attempt().is_none();
        let command = if is_plain {
            self.on_value("INCRBY", &namespace, &key, Effect::Write).arg(delta)
        } else {
            let created =
                incremented(None, delta, initial).map_or_else(|_| String::new(), |sum| sum.to_string());
            let command = self.value_script(&INCREMENT, &namespace, &key, Effect::Write);
            command.arg(delta).arg(created).arg(millis_or_empty(ttl))
        };
        match attempt(&self.shared, context, &command).await? {
            Ok(Value::Int(sum)) => Ok(sum),
            Ok(answer) => {
                let sum = text(&answer).and_then(|sum| sum.parse().ok());
                Ok(sum.ok_or(Fault::Unexpected)?)
            }
            Err(fault) if fault.says("is not an integer") => Err(not_a_number()),
            Err(fault) if fault.says("would overflow") => Err(counter_overflow()),
            Err(fault) => Err(fault.into()),
        }
    }
}

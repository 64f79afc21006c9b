//! Single values within lists.

use bytes::Bytes;
use prism_plugin::list::ListIndexing;
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use crate::answer::{number, okay, value};
use crate::command::Effect;
use crate::route::{attempt, run};
use crate::script::{ON_LIST, REMOVE, SET_AT};
use crate::store::RedisStore;

impl ListIndexing for RedisStore {
    async fn get_at(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        index: i64,
    ) -> Result<Option<Bytes>, Error> {
        let Some(index) = countable(index) else { return Ok(None) };
        let command = self.on_list(&ON_LIST, &namespace, &list_key, Effect::Read);
        let command = command.arg("LINDEX").arg(index);
        Ok(value(run(&self.shared, context, &command).await?)?)
    }

    async fn set_at(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        index: i64,
        value: Bytes,
    ) -> Result<bool, Error> {
        let Some(index) = countable(index) else { return Ok(false) };
        let command = self.on_list(&SET_AT, &namespace, &list_key, Effect::Write).arg(index).value(&value);
        match attempt(&self.shared, context, &command).await? {
            Ok(answer) => Ok(okay(&answer).map(|()| true)?),
            Err(fault) if fault.says("index out of range") || fault.says("no such key") => Ok(false),
            Err(fault) => Err(fault.into()),
        }
    }

    async fn remove(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        value: Bytes,
        count: i64,
    ) -> Result<u64, Error> {
        // The server turns it around, which the least number does not survive.
        let count = count.max(-i64::MAX);
        let command = self.on_list(&REMOVE, &namespace, &list_key, Effect::Write).arg(count).value(&value);
        Ok(number(&run(&self.shared, context, &command).await?)?)
    }
}

/// An index that every server understands. Valkey cuts others to 32 bits, so that the largest one would be the last value;
/// longer lists are not to be expected, and none of their values is taken for another.
fn countable(index: i64) -> Option<i32> {
    i32::try_from(index).ok()
}

//! Batches of values.

use bytes::Bytes;
use prism_plugin::list::{End, Filling, List as _, ListBatch, Pushed};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use super::{pop_at, push_at};
use crate::answer::{number, parts, values};
use crate::command::{Command, Effect};
use crate::lane::Lane;
use crate::route::run;
use crate::script::{ON_LIST, POP_MANY, PUSH_TRIMMED};
use crate::store::RedisStore;

impl ListBatch for RedisStore {
    async fn push_many(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        values: Vec<Bytes>,
        max_len: Option<u64>,
    ) -> Result<Pushed, Error> {
        if values.is_empty() {
            let new_length = self.length(context, namespace, list_key).await?;
            return Ok(Pushed { new_length, trimmed: 0 });
        }
        let with = |command: Command| {
            let mut command = values.iter().fold(command, |command, value| command.value(value));
            command.lane = Lane::of(command.bytes());
            command
        };
        let Some(max_len) = max_len else {
            let command =
                with(self.on_list(&ON_LIST, &namespace, &list_key, Effect::Write).arg(push_at(end)));
            let new_length = number(&run(&self.shared, context, &command).await?)?;
            return Ok(Pushed { new_length, trimmed: 0 });
        };
        let command = self.on_list(&PUSH_TRIMMED, &namespace, &list_key, Effect::Write);
        let command = with(command.arg(push_at(end)).arg(max_len));
        let [new_length, trimmed] = parts(run(&self.shared, context, &command).await?)?;
        Ok(Pushed { new_length: number(&new_length)?, trimmed: number(&trimmed)? })
    }

    /// `LPOP` with a count knows no limit in bytes, so more than one value takes a script.
    async fn pop_many(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        end: End,
        count: usize,
    ) -> Result<Vec<Bytes>, Error> {
        if count == 1 {
            return Ok(self.pop(context, namespace, list_key, end).await?.into_iter().collect());
        }
        let mut command = self.on_list(&POP_MANY, &namespace, &list_key, Effect::Write);
        // The answer may be as large as a message.
        command.lane = Lane::Bulk;
        let command = command.arg(pop_at(end)).arg(count).arg(Filling::BYTES_MAX);
        let command = command.arg(Filling::VALUE_OVERHEAD_BYTES);
        Ok(values(run(&self.shared, context, &command).await?)?)
    }
}

//! The values of the keys that a scan has found.

use std::sync::Arc;

use bytes::Bytes;
use prism_plugin::types::Key;
use redis::Cmd;

use super::{COUNT_MAX, PAGE_BYTES, Scan};
use crate::answer::{array, number, value};
use crate::connection::Connection;
use crate::fault::Fault;
use crate::route::{Command, Effect, Progress, follow, primary};
use crate::worker::Lane;

impl Scan {
    /// The connection on which values are read: that of the server whose keys are pending.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, Fault> {
        if let Some(connection) = self.pass.as_ref().and_then(|walk| walk.connection.clone())
            && !connection.is_closed()
        {
            return Ok(connection);
        }
        let first = self.pending.front().map_or(&[][..], |(redis_key, _)| redis_key);
        let node = primary(&self.shared, first).await?;
        node.link(Lane::Bulk).connection().await
    }

    /// Takes the next pending keys whose values fit into a page together: at least one.
    pub(super) async fn next_batch(&mut self, connection: &Connection) -> Result<Vec<(Vec<u8>, Key)>, Fault> {
        let candidates = self.pending.len().min(self.left).min(COUNT_MAX);
        let mut sizes = redis::pipe();
        for (redis_key, _) in self.pending.iter().take(candidates) {
            sizes.cmd("STRLEN").arg(redis_key);
        }
        let (mut bytes, mut number_of_keys) = (0, 0);
        for size in connection.send_all(&sizes).await? {
            // A key that is gone, or went elsewhere, has no value to make room for.
            bytes += number(&size).unwrap_or(0);
            if bytes > PAGE_BYTES && number_of_keys > 0 {
                break;
            }
            number_of_keys += 1;
        }
        Ok(self.pending.drain(..number_of_keys.min(candidates)).collect())
    }

    /// The values of keys; `None` for one that is gone or has another type.
    pub(super) async fn values(
        &self,
        connection: &Connection,
        keys: &[(Vec<u8>, Key)],
    ) -> Result<Vec<Option<Bytes>>, Fault> {
        if !connection.is_of_cluster() {
            let mut question = Cmd::with_capacity(keys.len() + 1, 0);
            question.arg("MGET");
            keys.iter().for_each(|(redis_key, _)| _ = question.arg(redis_key));
            let values = array(Fault::of(connection.send(&question).await?)?)?;
            return values.into_iter().map(value).collect();
        }
        let mut questions = redis::pipe();
        keys.iter().for_each(|(redis_key, _)| _ = questions.cmd("GET").arg(redis_key));
        let mut values = Vec::with_capacity(keys.len());
        for (answer, (redis_key, _)) in connection.send_all(&questions).await?.into_iter().zip(keys) {
            values.push(match Fault::of(answer) {
                Ok(answer) => value(answer)?,
                Err(Fault::Refused(refusal)) if refusal.code() == "WRONGTYPE" => None,
                Err(Fault::Refused(refusal)) if matches!(refusal.code(), "MOVED" | "ASK") => {
                    self.value_elsewhere(redis_key).await?
                }
                Err(fault) => return Err(fault),
            });
        }
        Ok(values)
    }

    /// The value of a key that has gone to another server: its slot may count as done already.
    async fn value_elsewhere(&self, redis_key: &[u8]) -> Result<Option<Bytes>, Fault> {
        let Ok(key) = String::from_utf8(redis_key.to_vec()) else { return Ok(None) };
        let question = Command::new("GET", key, Effect::Read);
        match follow(&self.shared, &question, &Progress::default()).await {
            Ok(answer) => value(answer),
            Err(Fault::Refused(refusal)) if refusal.code() == "WRONGTYPE" => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

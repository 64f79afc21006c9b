//! What is read about the keys that a scan has found, page by page: values, times to live, lengths.

use std::sync::Arc;

use bytes::Bytes;
use prism_plugin::keyvalue::ValueAndTtl;
use prism_plugin::types::Key;

use super::{COUNT_MAX, Found, Keys, PAGE_BYTES, Scan, in_time};
use crate::answer::{array, number, ttl_left, value, value_and_ttl};
use crate::command::{Command, Effect};
use crate::connection::Connection;
use crate::each::send_together;
use crate::fault::Fault;
use crate::lane::Lane;
use crate::progress::Progress;
use crate::resp::{Cmd, Value, cmd};
use crate::route::{follow, primary};
use crate::script::GET_WITH_TTL;

impl Scan {
    /// The next keys; `None` at the end.
    pub(crate) async fn next_keys(&mut self) -> Result<Option<Found<Key>>, Fault> {
        while self.fill().await? {
            let keys = self.next_page_of_keys();
            if !self.with_ttl {
                return Ok(Some(self.found(keys.into_iter().map(|(_, key)| (key, None)))));
            }
            let connection = self.connection().await?;
            let question = |redis_key| Command::new("PTTL", redis_key, Effect::Read);
            let answers = in_time(self.ask_each(&connection, &keys, question)).await?;
            let mut items = Vec::with_capacity(keys.len());
            for ((_, key), answer) in keys.into_iter().zip(answers) {
                // None for a key that is gone.
                let left = answer.map(|answer| ttl_left(&answer)).transpose()?.flatten();
                items.extend(left.map(|left| (key, left)));
            }
            if !items.is_empty() {
                return Ok(Some(self.found(items)));
            }
        }
        Ok(None)
    }

    /// The next keys with their values; `None` at the end.
    pub(crate) async fn next_values(&mut self) -> Result<Option<Found<(Key, Bytes)>>, Fault> {
        while self.fill().await? {
            let connection = self.connection().await?;
            let keys = in_time(self.next_page_of_values(&connection)).await?;
            let values = in_time(self.values(&connection, &keys)).await?;
            let read = keys.into_iter().zip(values);
            let items: Vec<_> =
                read.filter_map(|((_, key), read)| read.map(|(value, left)| ((key, value), left))).collect();
            if !items.is_empty() {
                return Ok(Some(self.found(items)));
            }
        }
        Ok(None)
    }

    /// The next lists with their lengths; `None` at the end.
    pub(crate) async fn next_lists(&mut self) -> Result<Option<Found<(Key, u64)>>, Fault> {
        while self.fill().await? {
            let keys = self.next_page_of_keys();
            let connection = self.connection().await?;
            let question = |redis_key| Command::new("LLEN", redis_key, Effect::Read);
            let answers = in_time(self.ask_each(&connection, &keys, question)).await?;
            let mut items = Vec::with_capacity(keys.len());
            for ((_, key), answer) in keys.into_iter().zip(answers) {
                let length = answer.map_or(Ok(0), |answer| number(&answer))?;
                items.extend((length > 0).then_some(((key, length), None)));
            }
            if !items.is_empty() {
                return Ok(Some(self.found(items)));
            }
        }
        Ok(None)
    }

    /// A page of these items, each with what it has left to live.
    fn found<T>(&mut self, items: impl IntoIterator<Item = (T, Option<std::time::Duration>)>) -> Found<T> {
        let (items, ttls_left): (Vec<_>, Vec<_>) = items.into_iter().unzip();
        self.left -= items.len();
        let ttls_left = if self.with_ttl { ttls_left } else { Vec::new() };
        Found { items, ttls_left, position: self.position() }
    }

    /// The connection on which more is read: that of the server whose keys are pending.
    async fn connection(&self) -> Result<Arc<Connection>, Fault> {
        if let Some(connection) = self.pass.as_ref().and_then(|walk| walk.connection.clone())
            && !connection.is_closed()
        {
            return Ok(connection);
        }
        let first = self.pending.front().map_or(&[][..], |(redis_key, _)| redis_key);
        let node = primary(&self.shared, first).await?;
        node.link(Lane::Bulk).connection().await
    }

    /// Takes the next pending keys, up to the one that fills a page.
    fn next_page_of_keys(&mut self) -> Keys {
        let candidates = self.pending.len().min(self.left);
        let sizes = self.pending.iter().take(candidates).map(|(_, key)| key.len());
        let taken = match self.page_bytes {
            None => candidates,
            Some(page_bytes) => until_full(sizes, page_bytes, usize::MAX),
        };
        self.taken(taken)
    }

    /// Takes the next pending keys whose values fit into a page together: at least one.
    async fn next_page_of_values(&mut self, connection: &Connection) -> Result<Keys, Fault> {
        let candidates = self.pending.len().min(self.left).min(COUNT_MAX);
        let keys = self.pending.iter().take(candidates);
        let questions: Vec<Cmd> = keys.map(|(redis_key, _)| cmd("STRLEN").arg(redis_key)).collect();
        let answers = connection.send_all(&questions).await?;
        let sizes = answers.iter().zip(&self.pending).map(|(size, (_, key))| {
            // A key that is gone, or went elsewhere, has no value to make room for.
            usize::try_from(number(size).unwrap_or(0)).unwrap_or(usize::MAX).saturating_add(key.len())
        });
        let taken = until_full(sizes, self.page_bytes.unwrap_or(PAGE_BYTES), PAGE_BYTES);
        Ok(self.taken(taken.min(candidates)))
    }

    /// The values of keys, with what they have left to live if that was asked for; `None` for one that is gone or has
    /// another type.
    async fn values(&self, connection: &Connection, keys: &Keys) -> Result<Vec<Option<ValueAndTtl>>, Fault> {
        if self.with_ttl {
            let question = |redis_key| Command::script(&GET_WITH_TTL, redis_key, Effect::Read);
            let answers = self.ask_each(connection, keys, question).await?;
            return answers.into_iter().map(|answer| value_and_ttl(answer.unwrap_or(Value::Nil))).collect();
        }
        let answers = if connection.is_of_cluster() {
            let question = |redis_key| Command::new("GET", redis_key, Effect::Read);
            let answers = self.ask_each(connection, keys, question).await?;
            answers.into_iter().map(|answer| answer.unwrap_or(Value::Nil)).collect()
        } else {
            let question = keys.iter().fold(cmd("MGET"), |question, (redis_key, _)| question.arg(redis_key));
            array(Fault::of(connection.send(&question).await?)?)?
        };
        answers.into_iter().map(|answer| Ok(value(answer)?.map(|value| (value, None)))).collect()
    }

    /// Sends a question about each key; `None` for one that has another type by now.
    async fn ask_each(
        &self,
        connection: &Connection,
        keys: &Keys,
        question: impl Fn(String) -> Command,
    ) -> Result<Vec<Option<Value>>, Fault> {
        // What a scan keeps has a name of the application's, which is text.
        let text = |redis_key: &Bytes| String::from_utf8_lossy(redis_key).into_owned();
        let questions: Vec<_> = keys.iter().map(|(redis_key, _)| question(text(redis_key))).collect();
        let sent = send_together(connection, &questions.iter().collect::<Vec<_>>()).await?;
        let mut answers = Vec::with_capacity(keys.len());
        for (answer, question) in sent.into_iter().zip(&questions) {
            let answer = match answer {
                // It has gone to another server, and its slot may count as done already.
                Err(Fault::Refused(refusal)) if matches!(refusal.code(), "MOVED" | "ASK") => {
                    follow(&self.shared, question, &Progress::default()).await
                }
                answer => answer,
            };
            answers.push(match answer {
                Ok(answer) => Some(answer),
                Err(fault) if fault.code() == Some("WRONGTYPE") => None,
                Err(fault) => return Err(fault),
            });
        }
        Ok(answers)
    }
}

/// How many of the first items fill a page: up to the one that reaches `full`, and none that goes over `max` unless it is
/// the first.
fn until_full(sizes: impl Iterator<Item = usize>, full: usize, max: usize) -> usize {
    let (mut bytes, mut taken) = (0_usize, 0);
    for size in sizes {
        bytes = bytes.saturating_add(size);
        if bytes > max && taken > 0 {
            break;
        }
        taken += 1;
        if bytes >= full {
            break;
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_with_what_fills_it() {
        let taken = |sizes: &[usize], full| until_full(sizes.iter().copied(), full, 100);
        assert_eq!(taken(&[10, 10, 10], 100), 3);
        assert_eq!(taken(&[10, 10, 10], 11), 2);
        assert_eq!(taken(&[10, 10, 10], 1), 1);
        assert_eq!(taken(&[200, 1], 100), 1);
        assert_eq!(taken(&[60, 60, 1], 100), 1, "the second goes over the maximum");
        assert_eq!(taken(&[], 1), 0);
    }
}

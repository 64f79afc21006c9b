//! Batches: in parts of bounded size, each of which travels together.

use bytes::Bytes;
use prism_plugin::keyvalue::{KeyValueBatch, ValueAndTtl};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Context, Error, ErrorReason};

use crate::answer::{number, okay, value, value_and_ttl};
use crate::command::{Command, Effect};
use crate::each::run_each;
use crate::fault::Fault;
use crate::resp::Value;
use crate::script::GET_WITH_TTL;
use crate::store::RedisStore;

/// How much a part holds: values that are read lie here once, values that are sent up to three times, so that a batch stays far
/// below 8 MiB.
const PART_BYTES: u64 = 1024 * 1024;

/// How many items travel together: enough to hide the round trip, and little enough to hold up nobody.
const PART_ITEMS: usize = 256;

impl KeyValueBatch for RedisStore {
    /// Asks for the sizes first, so that what is read fits.
    async fn get_first(
        &self,
        context: &Context,
        namespace: &Namespace,
        keys: &[Key],
        with_ttl: bool,
    ) -> Vec<Result<Option<ValueAndTtl>, Error>> {
        let mut keys = &keys[..keys.len().min(PART_ITEMS)];
        if keys.len() > 1 {
            let question = |key| self.on_value("STRLEN", namespace, key, Effect::Read);
            let sizes: Vec<_> = keys.iter().map(question).collect();
            let sizes = run_each(&self.shared, context, &sizes).await;
            keys = &keys[..first_part(sizes.iter().map(value_bytes))];
        }
        let question = |key| match with_ttl {
            true => self.value_script(&GET_WITH_TTL, namespace, key, Effect::Read),
            false => self.on_value("GET", namespace, key, Effect::Read),
        };
        let questions: Vec<_> = keys.iter().map(question).collect();
        let read = |answer: Value| match with_ttl {
            true => value_and_ttl(answer),
            false => Ok(value(answer)?.map(|value| (value, None))),
        };
        parsed(run_each(&self.shared, context, &questions).await, read).collect()
    }

    async fn set_each(
        &self,
        context: &Context,
        namespace: Namespace,
        items: Vec<(Key, Bytes, Option<Ttl>)>,
    ) -> Vec<Result<(), Error>> {
        let mut results = Vec::with_capacity(items.len());
        let mut left = &items[..];
        while !left.is_empty() {
            let sizes = left.iter().take(PART_ITEMS).map(|(_, value, _)| value.len() as u64);
            let (part, rest) = left.split_at(first_part(sizes));
            let write = |(key, value, ttl): &(Key, Bytes, _)| self.set_command(&namespace, key, value, *ttl);
            let writes: Vec<Command> = part.iter().map(write).collect();
            results.extend(parsed(run_each(&self.shared, context, &writes).await, |answer| okay(&answer)));
            left = rest;
        }
        results
    }

    async fn delete_each(
        &self,
        context: &Context,
        namespace: Namespace,
        keys: Vec<Key>,
    ) -> Vec<Result<bool, Error>> {
        let mut results = Vec::with_capacity(keys.len());
        for part in keys.chunks(PART_ITEMS) {
            let write = |key| self.on_any_type("DEL", &namespace, key, Effect::Write);
            let writes: Vec<_> = part.iter().map(write).collect();
            let found = |answer| Ok(number(&answer)? > 0);
            results.extend(parsed(run_each(&self.shared, context, &writes).await, found));
        }
        results
    }
}

/// How large a value is; as large as may be if that is not known, so that it is read alone.
fn value_bytes(size: &Result<Value, Error>) -> u64 {
    match size {
        Ok(size) => number(size).unwrap_or(u64::MAX),
        // It is no string, and not read either.
        Err(error) if error.reason == ErrorReason::WrongType => 0,
        Err(_) => u64::MAX,
    }
}

/// How many of the first items make a part: at least one.
fn first_part(sizes: impl Iterator<Item = u64>) -> usize {
    let mut bytes = 0_u64;
    let fits = |(place, size): &(usize, u64)| {
        bytes = bytes.saturating_add(*size);
        *place == 0 || bytes <= PART_BYTES
    };
    sizes.enumerate().take_while(fits).count()
}

/// The results of answers.
fn parsed<T>(
    answers: Vec<Result<Value, Error>>,
    parse: impl Fn(Value) -> Result<T, Fault>,
) -> impl Iterator<Item = Result<T, Error>> {
    answers.into_iter().map(move |answer| parse(answer?).map_err(Error::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_bounded_and_never_empty() {
        let part = |sizes: &[u64]| first_part(sizes.iter().copied());
        assert_eq!(part(&[u64::MAX, 1]), 1);
        assert_eq!(part(&[1, PART_BYTES, 1]), 1);
        assert_eq!(part(&[1, PART_BYTES - 1, 1]), 2);
        assert_eq!(part(&[0; 3]), 3);
    }
}

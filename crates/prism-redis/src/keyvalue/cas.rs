//! Conditional writes: one command where that says all, and a script where it does not.

use bytes::Bytes;
use prism_plugin::keyvalue::{Condition, Conditional, KeyValueCas};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Applied, Context, Error, ErrorReason};

use super::{millis, millis_or_empty};
use crate::answer::{number, parts, value};
use crate::command::{Command, Effect};
use crate::fault::Fault;
use crate::greeting::Version;
use crate::names::Kind;
use crate::resp::{Value, cmd};
use crate::retries::recalled;
use crate::route::run;
use crate::script::{DELETE_IF, NOT_APPLIED, SET_IF};
use crate::store::RedisStore;

/// The condition for which Valkey has commands of its own, 16 times as fast as a script, and since when.
const EQUALS: &str = "equals";
const SET_IFEQ_SINCE: Version = (8, 1);
const DELIFEQ_SINCE: Version = (9, 0);

/// How often a value may change between its hash and the write that depends on it. Each time, another writer has succeeded.
const ROUNDS_MAX: usize = 100;

impl KeyValueCas for RedisStore {
    async fn set_if(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        (value, ttl): (Bytes, Option<Ttl>),
        condition: Condition,
        return_current: bool,
    ) -> Result<Conditional, Error> {
        let plain = match condition {
            Condition::Absent => Some("NX"),
            Condition::Present => Some("XX"),
            _ => None,
        };
        if let Some(flag) = plain.filter(|_| !return_current && !self.shared.names.are_shared()) {
            let command = self.set_command(&namespace, &key, &value, ttl).arg(flag);
            return self.conditional(context, &command).await;
        }
        let write = |test: &Test<'_>, current: Current| {
            let command = self.value_script(&SET_IF, &namespace, &key, Effect::Write);
            let command = command.arg(test.name).value(test.operand).value(&value);
            let command = command.arg(millis_or_empty(ttl)).arg(current as u8);
            if current != Current::Unwanted || test.name != EQUALS {
                return command;
            }
            let native = cmd("SET").arg(&command.key).arg(&value[..]).arg("IFEQ").arg(test.operand);
            let native = ttl.into_iter().fold(native, |native, ttl| native.arg("PX").arg(millis(ttl)));
            command.or_on_valkey(SET_IFEQ_SINCE, native)
        };
        self.conditionally(context, (&namespace, &key), &condition, return_current, write).await
    }

    async fn delete_if(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        condition: Condition,
        return_current: bool,
    ) -> Result<Conditional, Error> {
        let write = |test: &Test<'_>, current: Current| {
            let command = self.value_script(&DELETE_IF, &namespace, &key, Effect::Write);
            let command = command.arg(test.name).value(test.operand).arg(current as u8);
            if current != Current::Unwanted || test.name != EQUALS {
                return command;
            }
            let native = cmd("DELIFEQ").arg(&command.key).arg(test.operand);
            command.or_on_valkey(DELIFEQ_SINCE, native)
        };
        self.conditionally(context, (&namespace, &key), &condition, return_current, write).await
    }

    async fn get_and_set(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
        new: Bytes,
        ttl: Option<Ttl>,
    ) -> Result<Option<Bytes>, Error> {
        let mut command = self.on_value("SET", &namespace, &key, Effect::Write).value(&new).arg("GET");
        if let Some(ttl) = ttl {
            command = command.arg("PX").arg(millis(ttl));
        }
        Ok(value(run(&self.shared, context, &command).await?)?)
    }

    async fn get_and_delete(
        &self,
        context: &Context,
        namespace: Namespace,
        key: Key,
    ) -> Result<Option<Bytes>, Error> {
        let command = self.on_value("GETDEL", &namespace, &key, Effect::Write);
        Ok(value(run(&self.shared, context, &command).await?)?)
    }
}

/// Whether the value that stood is returned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Current {
    Unwanted = 0,
    Wanted = 1,
    /// It is, and the write is tried again where the condition does not hold.
    Hashed = 2,
}

/// A condition as a script checks it.
struct Test<'a> {
    name: &'static str,
    operand: &'a [u8],
}

impl<'a> Test<'a> {
    /// `None` for a hash, which no server computes.
    fn of(condition: &'a Condition) -> Option<Self> {
        let (name, operand) = match condition {
            Condition::Absent => ("absent", &b""[..]),
            Condition::Present => ("present", &b""[..]),
            Condition::Equals(value) => (EQUALS, &value[..]),
            Condition::Differs(value) => ("differs", &value[..]),
            Condition::EqualsSha256(_) => return None,
        };
        Some(Self { name, operand })
    }
}

impl RedisStore {
    /// Writes what `write` makes of a condition. A hash is compared here, and the write depends on the value that it belongs to:
    /// again while that changes.
    async fn conditionally(
        &self,
        context: &Context,
        (namespace, key): (&Namespace, &Key),
        condition: &Condition,
        return_current: bool,
        write: impl Fn(&Test<'_>, Current) -> Command,
    ) -> Result<Conditional, Error> {
        if let Some(test) = Test::of(condition) {
            let current = if return_current { Current::Wanted } else { Current::Unwanted };
            return self.conditional(context, &write(&test, current)).await;
        }
        let redis_key = self.shared.names.key(Kind::Value, namespace, key);
        if let Some(answer) = recalled(&self.shared, context, &redis_key).await? {
            let ended = conditional(answer)?;
            return Ok(Conditional { current: ended.current.filter(|_| return_current), ..ended });
        }
        let question = self.on_value("GET", namespace, key, Effect::Read);
        let mut current = value(run(&self.shared, context, &question).await?)?;
        for _ in 0..ROUNDS_MAX {
            let Some(hashed) = current.as_ref().filter(|current| condition.holds(Some(current))) else {
                return self.not_applied(context, redis_key, current.filter(|_| return_current)).await;
            };
            let test = Test { name: EQUALS, operand: hashed };
            let ended = self.conditional(context, &write(&test, Current::Hashed)).await?;
            if ended.applied {
                return Ok(Conditional { current: ended.current.filter(|_| return_current), ..ended });
            }
            current = ended.current;
        }
        let why = "the value kept changing between its hash and the write; nothing was applied, retry later";
        Err(Error::unavailable(ErrorReason::BackendUnreachable, Applied::No, why))
    }

    /// Runs a conditional write: a script, or a command that does not return what stood.
    async fn conditional(&self, context: &Context, command: &Command) -> Result<Conditional, Error> {
        Ok(conditional(run(&self.shared, context, command).await?)?)
    }

    /// The answer to a write whose condition was found not to hold, which a call under an idempotency key records.
    async fn not_applied(
        &self,
        context: &Context,
        redis_key: String,
        current: Option<Bytes>,
    ) -> Result<Conditional, Error> {
        if context.attempt().is_none() {
            return Ok(Conditional { applied: false, current });
        }
        let command =
            Command::script(&NOT_APPLIED, redis_key, Effect::Write).arg(u8::from(current.is_some()));
        self.conditional(context, &command.value(current.as_deref().unwrap_or_default())).await
    }
}

/// The answer of a script, or of a command that does not return what stood.
fn conditional(answer: Value) -> Result<Conditional, Fault> {
    if matches!(answer, Value::Array(_)) {
        let [applied, current] = parts(answer)?;
        return Ok(Conditional { applied: number(&applied)? > 0, current: value(current)? });
    }
    let applied = match answer {
        Value::Okay => true,
        Value::Nil => false,
        removed => number(&removed)? > 0,
    };
    Ok(Conditional { applied, current: None })
}

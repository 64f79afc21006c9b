//! Values under leases.
//!
//! ```text
//!            reserve             ack
//!  (in list) ───────▶ reserved ───────▶ (gone)
//!      ▲                 │
//!      │                 │ release, or the lease ends, or its waiter has gone
//!      │                 ├───────────────────────▶ back at its end of the list
//!      │                 │ the same, delivered too often
//!      └─────────────────┴───────────────────────▶ in the dead letter list
//! ```
//!
//! A lease lies beside its list, with its values, and each of these is one script: see `scripts/leases.lua`. Leases are kept in the time of
//! the server that has them.

use std::time::Duration;

use bytes::Bytes;
use prism_plugin::list::{Filling, ListReserve, Reservation, Reserved, ReservedValue};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error, ErrorReason};
use ring::rand::{SecureRandom as _, SystemRandom};

use super::blocking::{nothing, something, wait_for};
use super::pop_at;
use crate::answer::{array, is_again, number, parts, value, values};
use crate::command::{Command, Effect};
use crate::config::Mode;
use crate::fault::Fault;
use crate::lane::Lane;
use crate::leases::{announce, millis};
use crate::names::slot;
use crate::resp::Value;
use crate::retries::recalled;
use crate::route::run;
use crate::script::{ACK, EXTEND, RELEASE, RESERVE};
use crate::store::RedisStore;

/// The size of a lease's token: random, so that nobody can guess another's.
const TOKEN_BYTES: usize = 16;

impl ListReserve for RedisStore {
    async fn reserve(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        reservation: Reservation,
    ) -> Result<Option<Reserved>, Error> {
        let command = self.reserving(&namespace, &list_key, &reservation)?;
        announce(&self.shared, context, &command.key, reservation.lease).await?;
        let reserved = if reservation.wait.is_zero() {
            self.reserve_now(context, &command).await?
        } else {
            wait_for(&self.shared, context, command, reservation.end, reservation.wait).await?
        };
        Ok(reserved.map(read).transpose()?)
    }

    async fn ack(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        lease: Bytes,
    ) -> Result<Option<u64>, Error> {
        let command = self.on_list(&ACK, &namespace, &list_key, Effect::Write).arg(&lease[..]);
        Ok(count(&run(&self.shared, context, &command).await?)?)
    }

    async fn extend(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        lease: Bytes,
        duration: Duration,
    ) -> Result<bool, Error> {
        let command = self.on_list(&EXTEND, &namespace, &list_key, Effect::Write).arg(&lease[..]);
        let command = command.arg(millis(duration));
        announce(&self.shared, context, &command.key, duration).await?;
        Ok(number(&run(&self.shared, context, &command).await?)? > 0)
    }

    async fn release(
        &self,
        context: &Context,
        namespace: Namespace,
        list_key: Key,
        lease: Bytes,
    ) -> Result<Option<u64>, Error> {
        let command = self.on_list(&RELEASE, &namespace, &list_key, Effect::Write).arg(&lease[..]);
        Ok(count(&run(&self.shared, context, &command).await?)?)
    }
}

impl RedisStore {
    /// The script that reserves values.
    fn reserving(
        &self,
        namespace: &Namespace,
        list_key: &Key,
        reservation: &Reservation,
    ) -> Result<Command, Error> {
        let Reservation { end, count, lease, deliveries, .. } = reservation;
        let mut keys = self.shared.companions.of_list(self.list_name(namespace, list_key)).to_vec();
        let mut max = String::new();
        if let Some(limit) = deliveries {
            let dead_letter = self.list_name(namespace, &limit.dead_letter);
            if self.shared.settings.mode == Mode::Cluster
                && slot(dead_letter.as_bytes()) != slot(keys[0].as_bytes())
            {
                return Err(cross_slot());
            }
            keys.push(dead_letter);
            max = limit.max.to_string();
        }
        let mut token = [0; TOKEN_BYTES];
        SystemRandom::new().fill(&mut token).map_err(|_| {
            Error::new(ErrorReason::Internal, "the system has no random numbers to name a lease with")
        })?;
        let mut command = Command::script_on(&RESERVE, keys, Effect::Write);
        // The answer may be as large as a message.
        command.lane = Lane::Bulk;
        let command = command.arg(pop_at(*end)).arg(*count).arg(Filling::BYTES_MAX);
        Ok(command.arg(Filling::VALUE_OVERHEAD_BYTES).arg(&token[..]).arg(millis(*lease)).arg(max))
    }

    /// Reserves what is there. If the call is given up meanwhile, its lease ends by itself.
    async fn reserve_now(&self, context: &Context, command: &Command) -> Result<Option<Value>, Error> {
        if self.shared.waiters.wait_for(&command.key) {
            // Nobody is served before those who wait already.
            return match recalled(&self.shared, context, &command.key).await? {
                Some(answer) => Ok(something(answer)),
                None => nothing(&self.shared, context, command.key.clone()).await,
            };
        }
        loop {
            match run(&self.shared, context, command).await? {
                Value::Nil => return nothing(&self.shared, context, command.key.clone()).await,
                again if is_again(&again) => {}
                reserved => return Ok(something(reserved)),
            }
        }
    }
}

/// Values under a lease, as the script returns them.
fn read(answer: Value) -> Result<Reserved, Fault> {
    let [token, taken, deliveries] = parts(answer)?;
    let lease = value(token)?.ok_or(Fault::Unexpected)?;
    let counted = values(taken)?.into_iter().zip(array(deliveries)?).map(|(value, deliveries)| {
        let deliveries = u32::try_from(number(&deliveries)?).unwrap_or(u32::MAX);
        Ok(ReservedValue { value, deliveries })
    });
    Ok(Reserved { lease, values: counted.collect::<Result<_, Fault>>()? })
}

/// How many values a lease had; `None` if there is no such lease.
fn count(answer: &Value) -> Result<Option<u64>, Fault> {
    if *answer == Value::Nil { Ok(None) } else { number(answer).map(Some) }
}

fn cross_slot() -> Error {
    let why = "dead_letter_list_key is in another slot of the cluster than list_key, and no value can move there in one step; give both the \
               same part in braces, such as {jobs}:todo and {jobs}:dead";
    Error::new(ErrorReason::CrossSlot, why).with("field", "dead_letter_list_key")
}

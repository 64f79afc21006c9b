//! What the store is asked to do, and what it must hold afterwards. Each task works on keys and a list of its own, one call
//! after the other, so that what a task has done is known up to the one call that was in flight.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use prism_diskstore::DiskStore;
use prism_plugin::keyvalue::KeyValueCounter as _;
use prism_plugin::list::{
    End, List as _, ListBatch as _, ListIndexing as _, ListRange as _, ListReserve as _, Pushed, Reservation,
    Reserved, indices,
};
use prism_plugin::retries::{Attempt, IdempotencyKey};
use prism_plugin::types::{Key, Namespace, Ttl};
use prism_plugin::{Context, Error, KeyValue as _};

/// Keys of a task.
const KEYS: u32 = 6;

/// Longer than any run, and than its states are looked at.
const LEASE: Duration = Duration::from_secs(12 * 60 * 60);

/// A workload: the same numbers make the same calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) seed: u64,
    pub(crate) tasks: u32,
    /// Calls of each task.
    pub(crate) calls: u32,
    /// The largest value.
    pub(crate) value_bytes: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Call {
    Set(u32, Bytes, bool),
    Delete(u32),
    Push(End, Bytes),
    Pop(End),
    Increment(i64),
    /// Values that share a batch, and how long the list is at most afterwards.
    PushMany(End, Vec<Bytes>, u64),
    /// The values that stay.
    Trim(i64, i64),
    /// The values that are equal to one at an index of the list, which is but one.
    Remove(i64),
    /// At most this many values.
    Reserve(End, usize),
    /// Acknowledges what the call of this number has reserved, or releases it.
    Settle(u32, bool),
}

/// What a task's keys and list hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) keys: BTreeMap<String, Bytes>,
    pub(crate) list: VecDeque<Bytes>,
    /// Values under leases, in the order in which they left their end of the list, by the number of the call.
    leases: BTreeMap<u32, (End, Vec<Bytes>)>,
}

/// The same as it is found: leases are known by their number of values, which are back in the list. Those whose name nobody knows
/// are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) keys: BTreeMap<String, Bytes>,
    list: VecDeque<Bytes>,
    leases: BTreeMap<u32, u64>,
}

pub(crate) fn namespace() -> Namespace {
    Namespace::new("crash".to_owned()).unwrap()
}

pub(crate) fn key(task: u32, number: u32) -> Key {
    Key::stored(format!("task-{task}/key-{number}"))
}

fn counter(task: u32) -> Key {
    Key::stored(format!("task-{task}/counter"))
}

fn count(value: &Bytes) -> i64 {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

pub(crate) fn list(task: u32) -> Key {
    Key::stored(format!("task-{task}/list"))
}

impl Workload {
    /// The calls of a task, in order.
    pub(crate) fn calls(self, task: u32) -> Vec<Call> {
        let mut rng = Rng::with_seed(self.seed ^ u64::from(task) << 32);
        let end = |rng: &mut Rng| if rng.bool() { End::Left } else { End::Right };
        let mut reserved = VecDeque::new();
        (0..self.calls)
            .map(|number| match rng.u32(..16) {
                0..5 => Call::Set(rng.u32(..KEYS), self.value(task, number, &mut rng), rng.bool()),
                5 => Call::Delete(rng.u32(..KEYS)),
                6..9 => Call::Push(end(&mut rng), self.value(task, number, &mut rng)),
                9 => Call::Pop(end(&mut rng)),
                10 => Call::Increment(rng.i64(-9..=9)),
                11 => {
                    let values = (0..3).map(|place| {
                        let value = self.value(task, number, &mut rng);
                        [format!("{place} ").as_bytes(), &value].concat().into()
                    });
                    let values = values.collect();
                    Call::PushMany(end(&mut rng), values, rng.u64(2..9))
                }
                12 => Call::Trim(rng.i64(..2), rng.i64(-2..0)),
                13 => Call::Remove(rng.i64(-3..3)),
                14 => {
                    reserved.push_back(number);
                    Call::Reserve(end(&mut rng), rng.usize(1..4))
                }
                _ => match reserved.pop_front() {
                    Some(number) => Call::Settle(number, rng.bool()),
                    None => Call::Pop(end(&mut rng)),
                },
            })
            .collect()
    }

    /// A value that no other call has.
    fn value(self, task: u32, number: u32, rng: &mut Rng) -> Bytes {
        let mut value = format!("task {task} call {number} ").into_bytes();
        let bytes = rng.usize(..=self.value_bytes);
        value.extend(std::iter::repeat_with(|| rng.u8(b'a'..=b'z')).take(bytes));
        value.into()
    }

    /// What a task holds after each number of calls, from 0 to all.
    pub(crate) fn held(self, task: u32) -> Vec<Held> {
        let mut held = Held::default();
        let mut after = vec![held.clone()];
        for (number, call) in (0..).zip(self.calls(task)) {
            held.apply(task, number, call);
            after.push(held.clone());
        }
        after
    }
}

impl Held {
    fn index(&self, index: i64) -> Option<usize> {
        let len = self.list.len() as i64;
        usize::try_from(if index < 0 { index + len } else { index })
            .ok()
            .filter(|index| *index < self.list.len())
    }

    fn apply(&mut self, task: u32, number: u32, call: Call) {
        match call {
            Call::Set(name, value, _) => drop(self.keys.insert(key(task, name).to_string(), value)),
            Call::Delete(name) => drop(self.keys.remove(&*key(task, name))),
            Call::Push(End::Left, value) => self.list.push_front(value),
            Call::Push(End::Right, value) => self.list.push_back(value),
            Call::Pop(End::Left) => drop(self.list.pop_front()),
            Call::Pop(End::Right) => drop(self.list.pop_back()),
            Call::Increment(delta) => {
                let key = counter(task).into_string();
                let sum = self.keys.get(&key).map_or(0, count) + delta;
                self.keys.insert(key, sum.to_string().into());
            }
            Call::PushMany(end, values, max_len) => {
                for value in values {
                    self.apply(task, number, Call::Push(end, value));
                }
                while self.list.len() as u64 > max_len {
                    let end = if end == End::Left { End::Right } else { End::Left };
                    self.apply(task, number, Call::Pop(end));
                }
            }
            Call::Trim(start, stop) => {
                let kept = indices(start, stop, self.list.len() as u64);
                let kept = kept.start as usize..kept.end as usize;
                self.list = self.list.range(kept).cloned().collect();
            }
            Call::Remove(index) => {
                if let Some(index) = self.index(index) {
                    self.list.remove(index);
                }
            }
            Call::Reserve(end, count) => {
                let pop = || if end == End::Left { self.list.pop_front() } else { self.list.pop_back() };
                let values: Vec<_> = std::iter::from_fn(pop).take(count).collect();
                if !values.is_empty() {
                    self.leases.insert(number, (end, values));
                }
            }
            Call::Settle(reserved, is_done) => {
                if let Some((end, values)) = self.leases.remove(&reserved)
                    && !is_done
                {
                    self.give_back(end, values);
                }
            }
        }
    }

    fn give_back(&mut self, end: End, values: Vec<Bytes>) {
        for value in values.into_iter().rev() {
            if end == End::Left { self.list.push_front(value) } else { self.list.push_back(value) }
        }
    }

    /// How it is found, if the lease of the call with the number `unknown` was made and not acknowledged.
    pub(crate) fn found(&self, unknown: Option<u32>) -> Found {
        let mut held = self.clone();
        let mut leases = BTreeMap::new();
        unknown.and_then(|number| held.leases.remove(&number));
        while let Some((number, (end, values))) = held.leases.pop_last() {
            leases.insert(number, values.len() as u64);
            held.give_back(end, values);
        }
        Found { keys: held.keys, list: held.list, leases }
    }
}

/// The call of a task with this number, as its repetition finds it.
pub(crate) fn attempt(task: u32, number: u32) -> Attempt {
    let key = IdempotencyKey { client: task.into(), seq: number.into(), acked: 0 };
    Attempt::new(key, None, "crash".to_owned(), "/crash.Crash/Call", [0; 32])
}

/// The context of a call whose answer is recorded if it has a number; what it is does not matter.
fn repeated<T: 'static>(task: u32, number: Option<u32>) -> Context {
    let Some(number) = number else { return Context::default() };
    let attempt = attempt(task, number);
    attempt.answers(|_: &T| Some(()));
    Context::default().attempting(Arc::new(attempt))
}

impl Call {
    /// Whether it may write nothing, and then has no answer on record.
    pub(crate) fn may_write_nothing(&self) -> bool {
        matches!(self, Self::Remove(_) | Self::Settle(..))
    }

    /// Makes the call, under an idempotency key if it has a number. `leases` are those of the calls before, by their number. Returns the
    /// name of the lease that it has made.
    pub(crate) async fn make(
        self,
        store: &DiskStore,
        task: u32,
        number: Option<u32>,
        leases: &BTreeMap<u32, Bytes>,
    ) -> Result<Option<Bytes>, Error> {
        let namespace = namespace();
        let made = match self {
            Self::Reserve(end, count) => {
                let context = repeated::<Option<Reserved>>(task, number);
                let wait = Duration::ZERO;
                let reservation = Reservation { end, count, lease: LEASE, wait, deliveries: None };
                let reserved = store.reserve(&context, namespace, list(task), reservation).await;
                return reserved.map(|reserved| reserved.map(|reserved| reserved.lease));
            }
            Self::Settle(reserved, is_done) => {
                let Some(lease) = leases.get(&reserved).cloned() else { return Ok(None) };
                let context = repeated::<Option<u64>>(task, number);
                match is_done {
                    true => store.ack(&context, namespace, list(task), lease).await.map(drop),
                    false => store.release(&context, namespace, list(task), lease).await.map(drop),
                }
            }
            Self::Set(name, value, expires) => {
                let ttl = expires.then(|| Ttl::from_secs(1_000_000).unwrap());
                store.set(&repeated::<()>(task, number), namespace, key(task, name), value, ttl).await
            }
            Self::Delete(name) => {
                let context = repeated::<bool>(task, number);
                store.delete(&context, namespace, key(task, name)).await.map(drop)
            }
            Self::Push(end, value) => {
                store.push(&repeated::<u64>(task, number), namespace, list(task), end, value).await.map(drop)
            }
            Self::Pop(end) => {
                let context = repeated::<Option<Bytes>>(task, number);
                store.pop(&context, namespace, list(task), end).await.map(drop)
            }
            Self::Increment(delta) => {
                let context = repeated::<i64>(task, number);
                store.increment(&context, namespace, counter(task), delta, 0, None).await.map(drop)
            }
            Self::PushMany(end, values, max_len) => {
                let context = repeated::<Pushed>(task, number);
                store.push_many(&context, namespace, list(task), end, values, Some(max_len)).await.map(drop)
            }
            Self::Trim(start, stop) => {
                let context = repeated::<u64>(task, number);
                store.trim(&context, namespace, list(task), start, stop).await.map(drop)
            }
            Self::Remove(index) => {
                let context = repeated::<u64>(task, number);
                match store.get_at(&context, namespace.clone(), list(task), index).await? {
                    Some(value) => store.remove(&context, namespace, list(task), value, 0).await.map(drop),
                    None => Ok(()),
                }
            }
        };
        made.map(|()| None)
    }
}

/// What a store holds of a task that has made these leases. Ends them and empties the list.
pub(crate) async fn holds(
    store: &DiskStore,
    task: u32,
    leases: &BTreeMap<u32, Bytes>,
) -> Result<Found, Error> {
    let context = Context::default();
    let mut found = Found::default();
    for number in 0..KEYS {
        let key = key(task, number);
        if let Some(value) = store.get(&context, namespace(), key.clone()).await? {
            found.keys.insert(key.into_string(), value);
        }
    }
    if let Some(value) = store.get(&context, namespace(), counter(task)).await? {
        found.keys.insert(counter(task).into_string(), value);
    }
    // The last one first: its values were behind those of the others.
    for (number, lease) in leases.iter().rev() {
        if let Some(count) = store.release(&context, namespace(), list(task), lease.clone()).await? {
            found.leases.insert(*number, count);
        }
    }
    while let Some(value) = store.pop(&context, namespace(), list(task), End::Left).await? {
        found.list.push_back(value);
    }
    Ok(found)
}

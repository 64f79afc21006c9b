//! The answers to calls under idempotency keys: one state per client, with its records.
//!
//! ```text
//!            keep                2 minutes, or ACKED              10 minutes
//!  unknown ───────▶ recorded ─────────────────────────▶ forgotten ──────────▶ unknown
//! ```
//!
//! Of what is forgotten only the number is left, below which everything is: a repetition is refused then, because it would be applied
//! again. A client repeats a call for 60 s, so nobody asks for what is unknown again.
//!
//! Nothing is stored before the write that it answers, and nothing is awaited between the two, so that no other call sees one
//! without the other.

use std::collections::{BTreeMap, HashMap};
use std::mem::size_of;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use prism_grpc::attempt::Attempt;
use prism_grpc::identity::Identity;
use prism_plugin::retries::{IDEMPOTENCY_BYTES_MAX, IDEMPOTENCY_RECORD_LIFE, IDEMPOTENCY_RECORDS_MAX};
use tokio::sync::Notify;

use crate::clock::Time;
use crate::memory::{Memory, allocation_bytes};

/// How long it is remembered that a client's records are forgotten.
const FORGOTTEN_LIFE: Duration = Duration::from_secs(10 * 60);

/// What a client takes: itself in a map two thirds full, its name, and a slot in the tree of what is due.
const CLIENT_BYTES: u64 = 400;

/// What a record takes besides its answer: its slot in a tree, two thirds full.
pub(crate) const RECORD_BYTES: u64 = (size_of::<(u64, Record)>() as u64) * 3 / 2;

/// A client by caller, namespace and its own number.
type Name = (Option<Identity>, String, u128);

/// The records of a store.
#[derive(Default)]
pub(crate) struct Answers {
    /// How many clients there are.
    count: AtomicUsize,
    clients: Mutex<Clients>,
    pub(crate) told: Notify,
}

#[derive(Default)]
struct Clients {
    by_name: HashMap<Arc<Name>, Client>,
    /// When something of a client is to be forgotten, with the client's number. Each has one entry.
    due: BTreeMap<(Time, u64), Arc<Name>>,
    entered: u64,
}

struct Client {
    number: u64,
    records: BTreeMap<u64, Record>,
    /// The bytes of their answers.
    bytes: u64,
    /// Calls with lower numbers that have no record are forgotten.
    forgotten: u64,
    due: Time,
    /// When its last record was written.
    last: Time,
}

struct Record {
    written: Time,
    digest: [u8; 32],
    answer: Box<[u8]>,
}

/// Why a call cannot be acted on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Reused,
    Forgotten,
    TooMany,
}

impl Record {
    fn charged_bytes(&self) -> u64 {
        RECORD_BYTES + allocation_bytes(self.answer.len())
    }
}

impl Client {
    /// Forgets the records that are over.
    fn forget_old(&mut self, memory: &Memory, now: Time) {
        let Self { records, bytes, forgotten, .. } = self;
        records.retain(|seq, record| {
            let is_over = record.written.plus(IDEMPOTENCY_RECORD_LIFE) <= now;
            if is_over {
                memory.release(record.charged_bytes());
                *bytes -= record.answer.len() as u64;
                *forgotten = (*forgotten).max(seq.saturating_add(1));
            }
            !is_over
        });
    }

    /// Forgets the records with numbers below `acked`.
    fn forget_acked(&mut self, memory: &Memory, acked: u64) {
        self.forgotten = self.forgotten.max(acked);
        while let Some(first) = self.records.first_entry().filter(|first| *first.key() < acked) {
            let record = first.remove();
            memory.release(record.charged_bytes());
            self.bytes -= record.answer.len() as u64;
        }
    }

    /// When something is to be forgotten next.
    fn next_due(&self) -> Time {
        let oldest = self.records.values().map(|record| record.written).min();
        oldest.map_or(self.last.plus(FORGOTTEN_LIFE), |oldest| oldest.plus(IDEMPOTENCY_RECORD_LIFE))
    }
}

impl Answers {
    fn lock(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer on record for a call; `None` if it is to be acted on.
    pub(crate) fn recall(
        &self,
        attempt: &Attempt,
        now: Time,
        memory: &Memory,
    ) -> Result<Option<Bytes>, Refusal> {
        let mut clients = self.lock();
        let key = attempt.key;
        let Some(client) = clients.by_name.get_mut(&name(attempt)) else { return Ok(None) };
        client.forget_acked(memory, key.acked);
        if client.due <= now {
            client.forget_old(memory, now);
        }
        match client.records.get(&key.seq) {
            Some(record) if record.digest != attempt.digest => Err(Refusal::Reused),
            Some(record) => Ok(Some(Bytes::copy_from_slice(&record.answer))),
            None if key.seq < client.forgotten => Err(Refusal::Forgotten),
            None if client.records.len() >= IDEMPOTENCY_RECORDS_MAX
                || client.bytes >= IDEMPOTENCY_BYTES_MAX as u64 =>
            {
                Err(Refusal::TooMany)
            }
            None => Ok(None),
        }
    }

    /// Keeps the answer to a call, even if the store is full: it has been acted on.
    pub(crate) fn keep(&self, attempt: &Attempt, answer: &[u8], now: Time, memory: &Memory) {
        let memory = memory.beyond_limit();
        let charge = |bytes| {
            if let Ok(room) = memory.reserve(bytes) {
                room.keep();
            }
        };
        let record = Record { written: now, digest: attempt.digest, answer: answer.into() };
        charge(record.charged_bytes());
        let mut clients = self.lock();
        let Clients { by_name, due, entered } = &mut *clients;
        let name = Arc::new(name(attempt));
        let client = by_name.entry(Arc::clone(&name)).or_insert_with(|| {
            charge(client_bytes(&name));
            *entered += 1;
            let forgotten = attempt.key.acked;
            Client { number: *entered, records: BTreeMap::new(), bytes: 0, forgotten, due: now, last: now }
        });
        client.last = now;
        client.bytes += answer.len() as u64;
        let was_empty = client.records.is_empty();
        let replaced = client.records.insert(attempt.key.seq, record);
        debug_assert!(replaced.is_none(), "a call that has a record was acted on");
        if was_empty {
            due.remove(&(client.due, client.number));
            client.due = client.next_due();
            due.insert((client.due, client.number), name);
        }
        self.count.store(by_name.len(), Relaxed);
        drop(clients);
        self.told.notify_one();
    }

    /// Whether there is anything to forget sooner or later.
    pub(crate) fn are_there(&self) -> bool {
        self.count.load(Relaxed) > 0
    }

    /// Forgets what is old, for at most `max` clients; returns whether there may be more.
    pub(crate) fn forget(&self, now: Time, memory: &Memory, max: usize) -> bool {
        let mut clients = self.lock();
        let Clients { by_name, due, .. } = &mut *clients;
        let mut left = max;
        while left > 0 && due.first_key_value().is_some_and(|((at, _), _)| *at <= now) {
            left -= 1;
            let Some(((_, number), name)) = due.pop_first() else { break };
            let Some(client) = by_name.get_mut(&name) else { continue };
            client.forget_old(memory, now);
            client.due = client.next_due();
            if client.due > now {
                due.insert((client.due, number), name);
            } else {
                by_name.remove(&name);
                memory.release(client_bytes(&name));
            }
        }
        self.count.store(by_name.len(), Relaxed);
        left == 0
    }
}

fn name(attempt: &Attempt) -> Name {
    (attempt.caller.clone(), attempt.namespace.clone(), attempt.key.client)
}

fn client_bytes((caller, namespace, _): &Name) -> u64 {
    let caller = caller.as_ref().map_or(0, |caller| caller.name().len());
    CLIENT_BYTES + allocation_bytes(caller) + allocation_bytes(namespace.len())
}

#[cfg(test)]
mod tests {
    use prism_plugin::retries::IdempotencyKey;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn attempt(client: u128, seq: u64, acked: u64) -> Attempt {
        let key = IdempotencyKey { client, seq, acked };
        Attempt::new(key, None, "default".to_owned(), "/a.B/C", [7; 32])
    }

    struct Store {
        answers: Answers,
        memory: Memory,
        now: Time,
    }

    impl Store {
        fn new() -> Self {
            Self { answers: Answers::default(), memory: Memory::new(Some(1 << 20)), now: Time::START }
        }

        fn recall(&self, attempt: &Attempt) -> Result<Option<Bytes>, Refusal> {
            self.answers.recall(attempt, self.now, &self.memory)
        }

        fn keep(&self, attempt: &Attempt, answer: &[u8]) {
            self.answers.keep(attempt, answer, self.now, &self.memory);
        }

        fn pass(&mut self, duration: Duration) {
            self.now = self.now.plus(duration);
        }

        fn forget(&self) {
            while self.answers.forget(self.now, &self.memory, 1) {}
        }
    }

    #[test]
    fn a_record_answers_its_own_repetitions() {
        let store = Store::new();
        assert_eq!(store.recall(&attempt(1, 5, 0)), Ok(None));
        store.keep(&attempt(1, 5, 0), b"five");
        assert_eq!(store.recall(&attempt(1, 5, 0)), Ok(Some(Bytes::from_static(b"five"))));
        let mut other = attempt(1, 5, 0);
        other.digest = [8; 32];
        assert_eq!(store.recall(&other), Err(Refusal::Reused));
        for other in [attempt(2, 5, 0), attempt(1, 6, 0), attempt(1, 4, 0)] {
            assert_eq!(store.recall(&other), Ok(None), "{other:?}");
        }
        let mut elsewhere = attempt(1, 5, 0);
        elsewhere.namespace = "other".to_owned();
        assert_eq!(store.recall(&elsewhere), Ok(None));
    }

    #[test]
    fn a_record_lives_two_minutes_and_its_end_is_remembered() {
        for sweeps in [false, true] {
            let mut store = Store::new();
            store.keep(&attempt(1, 5, 0), b"five");
            store.pass(60 * SECOND);
            store.keep(&attempt(1, 7, 0), b"seven");
            store.pass(60 * SECOND - Duration::from_nanos(1));
            assert!(store.recall(&attempt(1, 5, 0)).unwrap().is_some());
            store.pass(Duration::from_nanos(1));
            if sweeps {
                store.forget();
            }
            assert_eq!(store.recall(&attempt(1, 5, 0)), Err(Refusal::Forgotten));
            assert_eq!(store.recall(&attempt(1, 4, 0)), Err(Refusal::Forgotten), "it may have been applied");
            assert_eq!(store.recall(&attempt(1, 6, 0)), Ok(None));
            assert!(store.recall(&attempt(1, 7, 0)).unwrap().is_some());
            store.pass(120 * SECOND);
            store.forget();
            assert_eq!(store.recall(&attempt(1, 7, 0)), Err(Refusal::Forgotten));
            store.pass(FORGOTTEN_LIFE);
            store.forget();
            assert_eq!((store.memory.used(), store.answers.are_there()), (0, false));
        }
    }

    #[test]
    fn what_the_client_has_acknowledged_is_freed() {
        let store = Store::new();
        for seq in 0..10 {
            store.keep(&attempt(1, seq, 0), &[0; 1000]);
        }
        let used = store.memory.used();
        assert!(used >= 10_000);
        assert_eq!(store.recall(&attempt(1, 10, 9)), Ok(None));
        assert!(store.memory.used() < used / 5);
        assert_eq!(store.recall(&attempt(1, 8, 0)), Err(Refusal::Forgotten));
        assert!(store.recall(&attempt(1, 9, 0)).unwrap().is_some());
    }

    #[test]
    fn a_client_has_so_many_records_and_no_more() {
        let store = Store::new();
        for seq in 0..IDEMPOTENCY_RECORDS_MAX as u64 {
            assert_eq!(store.recall(&attempt(1, seq, 0)), Ok(None));
            store.keep(&attempt(1, seq, 0), b"");
        }
        let next = IDEMPOTENCY_RECORDS_MAX as u64;
        assert_eq!(store.recall(&attempt(1, next, 0)), Err(Refusal::TooMany));
        assert!(store.recall(&attempt(1, 0, 0)).unwrap().is_some(), "nothing is evicted");
        assert_eq!(store.recall(&attempt(2, next, 0)), Ok(None));
        assert_eq!(store.recall(&attempt(1, next, 1)), Ok(None));
        let store = Store::new();
        let large = vec![0; IDEMPOTENCY_BYTES_MAX / 4];
        (0..4).for_each(|seq| store.keep(&attempt(1, seq, 0), &large));
        assert_eq!(store.recall(&attempt(1, 4, 0)), Err(Refusal::TooMany));
        assert_eq!(store.recall(&attempt(1, 4, 1)), Ok(None));
    }

    #[test]
    fn a_client_that_rests_is_forgotten_only_when_its_last_record_is_old() {
        let mut store = Store::new();
        store.keep(&attempt(1, 0, 0), b"0");
        store.pass(119 * SECOND);
        store.keep(&attempt(1, 1, 0), b"1");
        // All is acknowledged.
        assert_eq!(store.recall(&attempt(1, 2, 2)), Ok(None));
        store.pass(SECOND);
        store.forget();
        assert_eq!(store.recall(&attempt(1, 1, 0)), Err(Refusal::Forgotten));
        store.pass(FORGOTTEN_LIFE);
        store.forget();
        assert_eq!(store.memory.used(), 0);
    }
}

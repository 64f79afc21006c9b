//! The answers to calls under idempotency keys, as steps of a batch.
//!
//! ```text
//!            record               2 minutes, or ACKED              10 minutes
//!  unknown ──────────▶ recorded ─────────────────────▶ forgotten ────────────▶ unknown
//!     ▲                    │
//!     └── forget ──────────┘  the value of a pop returns, since its waiter has gone
//! ```
//!
//! An answer is recorded in the step of the write that it answers. Of what is forgotten only the number is left, below which
//! everything is: a repetition is refused then, because it would be applied again. A client repeats a call for 60 s, so nobody
//! asks for what is unknown again.

use bytes::Bytes;
use prism_plugin::Error;
use prism_plugin::retries::{Attempt, reused, too_many, window_passed};

use crate::layout;
use crate::layout::retries::{Answered, Call, Client, answer, answer_of};
use crate::txn::{Txn, decoded};

impl Txn<'_> {
    /// The answer on record for a call; `None` if it is to be acted on.
    pub(crate) fn recall(&mut self, call: &Call) -> Result<Option<Bytes>, Error> {
        let Some(mut client) = self.client(&call.client)? else { return Ok(None) };
        match self.answered(&call.key())? {
            Some(found) if found.deadline() <= self.now => Err(window_passed()),
            Some(found) if found.digest != call.digest => Err(reused()),
            Some(found) => Ok(Some(found.answer)),
            None if call.seq < client.forgotten => Err(window_passed()),
            None if client.is_full() => {
                self.forget_acked(&call.client, &mut client, call.acked)?;
                if client.is_full() {
                    return Err(too_many());
                }
                self.put(call.client.clone(), client.encode());
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Records the answer to a call, if it has one.
    pub(crate) fn record_answer<R: 'static>(&mut self, attempt: &Attempt, result: &R) -> Result<(), Error> {
        let Some(answer) = attempt.answer(result) else { return Ok(()) };
        let call = Call::of(attempt);
        let mut client = match self.client(&call.client)? {
            Some(client) => client,
            None => {
                let client = Client::new(self.now);
                self.put(layout::expiry(client.due, &call.client), Bytes::new());
                client
            }
        };
        self.forget_acked(&call.client, &mut client, call.acked)?;
        let key = call.key();
        if let Some(replaced) = self.answered(&key)? {
            self.remove_answer(key.clone(), &replaced, &mut client);
        }
        client.last = client.last.max(self.now);
        client.records += 1;
        client.bytes += answer.len() as u64;
        let answered = Answered { written: self.now, digest: call.digest, answer };
        self.put(layout::expiry(answered.deadline(), &key), Bytes::new());
        self.put(key, answered.encode());
        self.put(call.client, client.encode());
        Ok(())
    }

    /// Removes the answer to a call that was undone: a repetition is acted on.
    pub(crate) fn forget_answer(&mut self, call: &Call) -> Result<(), Error> {
        let key = call.key();
        if let (Some(found), Some(mut client)) = (self.answered(&key)?, self.client(&call.client)?) {
            self.remove_answer(key, &found, &mut client);
            self.put(call.client.clone(), client.encode());
        }
        Ok(())
    }

    /// Frees an answer for which the index has this deadline.
    pub(crate) fn expire_answer(&mut self, deadline: u64, key: &[u8]) -> Result<(), Error> {
        let found = self.answered(key)?.filter(|found| found.deadline() == deadline);
        let (Some(found), Some((of, seq))) = (found, answer_of(key)) else {
            self.remove(layout::expiry(deadline, key));
            return Ok(());
        };
        let mut client = self.client(&of)?.unwrap_or_else(|| Client::new(self.now));
        self.remove_answer(key.to_vec(), &found, &mut client);
        client.forgotten = client.forgotten.max(seq.saturating_add(1));
        self.put(of, client.encode());
        Ok(())
    }

    /// Frees a client for which the index has this deadline, unless it has made calls since.
    pub(crate) fn expire_client(&mut self, deadline: u64, key: &[u8]) -> Result<(), Error> {
        self.remove(layout::expiry(deadline, key));
        let Some(client) = self.client(key)?.filter(|client| client.due == deadline) else { return Ok(()) };
        if client.records == 0 && client.deadline() <= self.now {
            self.remove(key.to_vec());
            return Ok(());
        }
        let due = client.deadline().max(self.now.saturating_add(1));
        self.put(layout::expiry(due, key), Bytes::new());
        self.put(key.to_vec(), Client { due, ..client }.encode());
        Ok(())
    }

    /// Forgets the answers with numbers below `acked`.
    fn forget_acked(&mut self, of: &[u8], client: &mut Client, acked: u64) -> Result<(), Error> {
        if acked <= client.forgotten {
            return Ok(());
        }
        if client.records > 0 {
            let (from, to) = (answer(of, client.forgotten), answer(of, acked));
            for key in self.committed(&from, &to)? {
                if let Some(found) = self.answered(&key)? {
                    self.remove_answer(key, &found, client);
                }
            }
        }
        client.forgotten = acked;
        Ok(())
    }

    fn remove_answer(&mut self, key: Vec<u8>, found: &Answered, client: &mut Client) {
        client.records = client.records.saturating_sub(1);
        client.bytes = client.bytes.saturating_sub(found.answer.len() as u64);
        self.remove(layout::expiry(found.deadline(), &key));
        self.remove(key);
    }

    fn client(&mut self, key: &[u8]) -> Result<Option<Client>, Error> {
        let encoded = self.get(key)?;
        encoded.map(|encoded| decoded(Client::decode(&encoded), "what is known about a client")).transpose()
    }

    fn answered(&mut self, key: &[u8]) -> Result<Option<Answered>, Error> {
        let encoded = self.get(key)?;
        encoded.map(|encoded| decoded(Answered::decode(encoded), "an answer on record")).transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prism_plugin::ErrorReason::{self, IdempotencyKeyReused, IdempotencyLimit, IdempotencyWindowPassed};
    use prism_plugin::retries::{IDEMPOTENCY_BYTES_MAX, IDEMPOTENCY_RECORDS_MAX, IdempotencyKey};

    use super::*;
    use crate::cache::Cache;
    use crate::engine::{Batch, Engine, Flush, Opener as _};
    use crate::expiry::sweep;
    use crate::lsm::Lsm;
    use crate::verify::{Report, everything};
    use crate::waiters::Waiters;

    const SECOND: u64 = 1000;

    /// An engine, and the time.
    struct Store {
        _folder: tempfile::TempDir,
        engine: Box<dyn Engine>,
        batches: u64,
        now: u64,
    }

    fn attempt(client: u128, seq: u64, acked: u64) -> Arc<Attempt> {
        let key = IdempotencyKey { client, seq, acked };
        let attempt = Attempt::new(key, None, "default".to_owned(), "/a.B/C", [7; 32]);
        attempt.answers(|answer: &Bytes| Some(answer.clone()));
        Arc::new(attempt)
    }

    impl Store {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let engine = Lsm::new(8 << 20).create(&folder.path().join("data")).unwrap();
            Self { _folder: folder, engine, batches: 0, now: 1_000_000 }
        }

        /// Runs a step, and commits it if it does not fail.
        fn step<R>(&mut self, step: impl FnOnce(&mut Txn<'_>) -> Result<R, Error>) -> Result<R, ErrorReason> {
            let (cache, waiters) = (Cache::new(0), Waiters::default());
            let mut txn = Txn::new(&*self.engine, &cache, &waiters, self.now);
            let result = txn.step(step).map_err(|error| error.reason)?;
            let changes = txn.into_changes();
            if !changes.is_empty() {
                self.batches += 1;
                self.engine
                    .commit(&Batch { number: self.batches, synced: 0, changes }, Flush::Later)
                    .unwrap();
            }
            Ok(result)
        }

        fn recall(&mut self, attempt: &Attempt) -> Result<Option<Bytes>, ErrorReason> {
            self.step(|txn| txn.recall(&Call::of(attempt)))
        }

        fn record(&mut self, attempt: &Attempt, answer: &[u8]) {
            let answer = Bytes::copy_from_slice(answer);
            self.step(|txn| txn.record_answer(attempt, &answer)).unwrap();
        }

        /// Frees what is old by now, and verifies what is left.
        fn sweep(&mut self) -> Report {
            let (cache, waiters) = (Cache::new(0), Waiters::default());
            loop {
                let mut txn = Txn::new(&*self.engine, &cache, &waiters, self.now);
                let swept = sweep(&mut txn).unwrap();
                assert_eq!(swept.freed, 0, "no key has expired");
                self.batches += 1;
                let batch = Batch { number: self.batches, synced: 0, changes: txn.into_changes() };
                self.engine.commit(&batch, Flush::Later).unwrap();
                if !swept.more {
                    return everything(&*self.engine.view()).unwrap();
                }
            }
        }

        fn clients(&mut self) -> usize {
            self.step(|txn| txn.committed(b"C", b"D")).unwrap().len()
        }
    }

    #[test]
    fn a_record_answers_its_own_repetitions() {
        let mut store = Store::new();
        assert_eq!(store.recall(&attempt(1, 5, 0)), Ok(None));
        store.record(&attempt(1, 5, 0), b"five");
        let encoded = attempt(1, 5, 0).answer(&Bytes::from_static(b"five"));
        assert_eq!(store.recall(&attempt(1, 5, 0)), Ok(encoded));
        let key = IdempotencyKey { client: 1, seq: 5, acked: 0 };
        let other = Attempt::new(key, None, "default".to_owned(), "/a.B/D", [8; 32]);
        assert_eq!(store.recall(&other), Err(IdempotencyKeyReused));
        let elsewhere = Attempt::new(key, None, "other".to_owned(), "/a.B/C", [7; 32]);
        for other in [&elsewhere, &*attempt(2, 5, 0), &*attempt(1, 6, 0), &*attempt(1, 4, 0)] {
            assert_eq!(store.recall(other), Ok(None), "{other:?}");
        }
    }

    #[test]
    fn a_record_lives_two_minutes_and_its_end_is_remembered() {
        for sweeps in [false, true] {
            let mut store = Store::new();
            store.record(&attempt(1, 5, 0), b"five");
            store.now += 60 * SECOND;
            store.record(&attempt(1, 7, 0), b"seven");
            store.now += 60 * SECOND - 1;
            assert_eq!(store.sweep().answers, 2);
            assert!(store.recall(&attempt(1, 5, 0)).unwrap().is_some());
            store.now += 1;
            if sweeps {
                assert_eq!(store.sweep().answers, 1);
                assert_eq!(
                    store.recall(&attempt(1, 4, 0)),
                    Err(IdempotencyWindowPassed),
                    "it may be applied"
                );
            }
            assert_eq!(store.recall(&attempt(1, 5, 0)), Err(IdempotencyWindowPassed));
            assert_eq!(store.recall(&attempt(1, 6, 0)), Ok(None));
            assert!(store.recall(&attempt(1, 7, 0)).unwrap().is_some());
            store.now += 540 * SECOND - 1;
            assert_eq!((store.sweep().answers, store.clients()), (0, 1));
            assert_eq!(store.recall(&attempt(1, 7, 0)), Err(IdempotencyWindowPassed));
            store.now += 61 * SECOND;
            assert_eq!((store.sweep(), store.clients()), (Report::default(), 0));
        }
    }

    #[test]
    fn what_the_client_has_acknowledged_is_freed() {
        let mut store = Store::new();
        (0..10).for_each(|seq| store.record(&attempt(1, seq, 0), b"v"));
        store.record(&attempt(1, 10, 9), b"v");
        assert_eq!(store.sweep().answers, 2);
        assert_eq!(store.recall(&attempt(1, 8, 0)), Err(IdempotencyWindowPassed));
        assert!(store.recall(&attempt(1, 9, 0)).unwrap().is_some());
    }

    #[test]
    fn a_client_has_so_many_records_and_no_more() {
        let mut store = Store::new();
        let max = IDEMPOTENCY_RECORDS_MAX as u64;
        let fill = |txn: &mut Txn<'_>| {
            (0..max).try_for_each(|seq| txn.record_answer(&attempt(1, seq, 0), &Bytes::new()))
        };
        store.step(fill).unwrap();
        assert_eq!(store.recall(&attempt(1, max, 0)), Err(IdempotencyLimit));
        assert!(store.recall(&attempt(1, 0, 0)).unwrap().is_some(), "nothing is evicted");
        assert_eq!(store.recall(&attempt(2, max, 0)), Ok(None));
        assert_eq!(store.recall(&attempt(1, max, 1)), Ok(None));
        assert_eq!(store.sweep().answers, max - 1);
        let mut store = Store::new();
        let large = vec![0; IDEMPOTENCY_BYTES_MAX / 4];
        (0..4).for_each(|seq| store.record(&attempt(1, seq, 0), &large));
        assert_eq!(store.recall(&attempt(1, 4, 0)), Err(IdempotencyLimit));
        assert_eq!(store.recall(&attempt(1, 4, 1)), Ok(None));
    }

    #[test]
    fn an_undone_call_has_no_record_and_is_not_forgotten() {
        let mut store = Store::new();
        store.record(&attempt(1, 5, 0), b"five");
        store.step(|txn| txn.forget_answer(&Call::of(&attempt(1, 5, 0)))).unwrap();
        assert_eq!((store.recall(&attempt(1, 5, 0)), store.sweep().answers), (Ok(None), 0));
        let failed: Result<(), _> = store.step(|txn| {
            txn.record_answer(&attempt(1, 6, 0), &Bytes::new())?;
            Err(too_many())
        });
        assert_eq!((failed, store.recall(&attempt(1, 6, 0))), (Err(IdempotencyLimit), Ok(None)));
    }
}

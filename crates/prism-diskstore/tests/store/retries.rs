//! Calls that are repeated under an idempotency key, as the kit makes them: recall, act.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use prism_diskstore::DiskStore;
use prism_diskstore::config::{Durability, Live};
use prism_diskstore::engine::{After, Batch, Engine, Fault, Figures, Flush, Opener, View};
use prism_diskstore::lsm::Lsm;
use prism_plugin::list::{End, List as _, ListBlocking as _};
use prism_plugin::retries::{Attempt, IdempotencyKey, IdempotentRetries as _};
use prism_plugin::{Context, Durability as Promised, ErrorReason, KeyValue as _};

use crate::support::{key, namespace, open, pop, push, set, settings};

const WAIT: Duration = Duration::from_secs(60);

/// A call whose answer is the number or value that the backend returns.
fn attempt<T: answers::Answer>(seq: u64) -> Attempt {
    let key = IdempotencyKey { client: 1, seq, acked: 0 };
    let attempt = Attempt::new(key, None, "test".to_owned(), "/a.B/C", [0; 32]);
    T::answers(&attempt);
    attempt
}

mod answers {
    use super::{Attempt, Bytes};

    /// What a backend returns, as an answer.
    pub(crate) trait Answer {
        fn answers(attempt: &Attempt);
    }

    impl Answer for u64 {
        fn answers(attempt: &Attempt) {
            attempt.answers(|number: &u64| Some(*number));
        }
    }

    impl Answer for Option<Bytes> {
        fn answers(attempt: &Attempt) {
            attempt.answers(|value: &Self| Some(value.clone().unwrap_or_default()));
        }
    }
}

fn repeated<T: answers::Answer>(seq: u64) -> Context {
    Context::default().attempting(Arc::new(attempt::<T>(seq)))
}

async fn keyed_push(store: &DiskStore, seq: u64, value: &'static str) {
    let (context, value) = (repeated::<u64>(seq), Bytes::from_static(value.as_bytes()));
    store.push(&context, namespace(), key("l"), End::Right, value).await.unwrap();
}

async fn is_on_record(store: &DiskStore, seq: u64) -> bool {
    store.recall(&attempt::<u64>(seq)).await.unwrap().is_some()
}

#[tokio::test]
async fn answers_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    keyed_push(&store, 7, "a").await;
    let answer = store.recall(&attempt::<u64>(7)).await.unwrap().unwrap();
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.recall(&attempt::<u64>(7)).await.unwrap().unwrap(), answer);
    let key = IdempotencyKey { client: 1, seq: 7, acked: 0 };
    let other = Attempt::new(key, None, "test".to_owned(), "/a.B/D", [1; 32]);
    assert_eq!(store.recall(&other).await.unwrap_err().reason, ErrorReason::IdempotencyKeyReused);
    assert!(!is_on_record(&store, 8).await);
    assert_eq!(store.verify().unwrap().answers, 1);
}

#[tokio::test]
async fn a_call_that_fails_leaves_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    set(&store, "k", "no number", None).await.unwrap();
    let attempt = Arc::new(attempt::<u64>(1));
    let context = Context::default().attempting(Arc::clone(&attempt));
    let increment = prism_plugin::keyvalue::KeyValueCounter::increment;
    increment(&store, &context, namespace(), key("k"), 1, 0, None).await.unwrap_err();
    assert!(!is_on_record(&store, 1).await);
}

#[tokio::test]
async fn a_pop_that_waited_is_answered_again_and_so_is_one_that_got_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let wait = |seq, wait| {
        let store = store.clone();
        let context = repeated::<Option<Bytes>>(seq);
        async move { store.blocking_pop(&context, namespace(), key("l"), End::Left, wait).await.unwrap() }
    };
    let mut waiter = Box::pin(wait(1, WAIT));
    assert!(futures_util::poll!(waiter.as_mut()).is_pending());
    push(&store, "l", End::Left, "v").await;
    assert_eq!(waiter.await.unwrap(), "v");
    assert_eq!(wait(2, Duration::ZERO).await, None);
    for (seq, answer) in [(1, "v"), (2, "")] {
        let found = store.recall(&attempt::<Option<Bytes>>(seq)).await.unwrap().unwrap();
        let encoded = attempt::<Option<Bytes>>(seq).answer(&Some(Bytes::from(answer))).unwrap();
        assert_eq!(found, encoded);
    }
    assert_eq!(store.verify().unwrap().list_values, 0);
}

/// Whoever repeats a call that has ended must not be told of a value which went back to its list.
#[tokio::test]
async fn a_value_that_returns_takes_its_answer_along() {
    for is_committed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let gate = Gate::default();
        let store = DiskStore::open_with(&settings(folder.path()), Arc::new(gate.clone())).unwrap();
        let context = repeated::<Option<Bytes>>(1);
        let mut waiter = Box::pin(store.blocking_pop(&context, namespace(), key("l"), End::Left, WAIT));
        assert!(futures_util::poll!(waiter.as_mut()).is_pending());
        // Its entering is committed, which changes nothing on disk.
        push(&store, "other", End::Left, "v").await;
        gate.is_closed.store(!is_committed, SeqCst);
        let mut pushed = Box::pin(push(&store, "l", End::Left, "v"));
        if is_committed {
            assert_eq!(pushed.as_mut().await, 1);
        } else {
            assert!(futures_util::poll!(pushed.as_mut()).is_pending());
            while gate.waiting.load(SeqCst) == 0 {
                std::thread::yield_now();
            }
        }
        drop(waiter);
        let repetition = attempt::<Option<Bytes>>(1);
        let mut recalled = Box::pin(store.recall(&repetition));
        let polled = futures_util::poll!(recalled.as_mut());
        gate.is_closed.store(false, SeqCst);
        let recalled = match polled {
            Poll::Ready(recalled) => recalled,
            Poll::Pending => recalled.await,
        };
        assert_eq!(recalled.unwrap(), None);
        assert_eq!(pop(&store, "l", End::Left).await.unwrap(), "v");
        let report = store.verify().unwrap();
        assert_eq!((report.answers, report.list_values), (0, 1));
    }
}

/// An engine that commits nothing while it is closed.
#[derive(Clone, Default)]
struct Gate {
    is_closed: Arc<AtomicBool>,
    /// Commits that have met it closed.
    waiting: Arc<AtomicU64>,
}

struct Gated {
    gate: Gate,
    engine: Box<dyn Engine>,
}

impl Opener for Gate {
    fn create(&self, folder: &Path) -> Result<Box<dyn Engine>, Fault> {
        let engine = Lsm::new(8 << 20).create(folder)?;
        Ok(Box::new(Gated { gate: self.clone(), engine }))
    }

    fn open(&self, folder: &Path, after: After) -> Result<Box<dyn Engine>, Fault> {
        let engine = Lsm::new(8 << 20).open(folder, after)?;
        Ok(Box::new(Gated { gate: self.clone(), engine }))
    }
}

impl Engine for Gated {
    fn view(&self) -> Box<dyn View> {
        self.engine.view()
    }

    fn commit(&self, batch: &Batch, flush: Flush) -> Result<(), Fault> {
        if self.gate.is_closed.load(SeqCst) {
            self.gate.waiting.fetch_add(1, SeqCst);
            while self.gate.is_closed.load(SeqCst) {
                std::thread::yield_now();
            }
        }
        self.engine.commit(batch, flush)
    }

    fn sync(&self) -> Result<(), Fault> {
        self.engine.sync()
    }

    fn figures(&self) -> Figures {
        self.engine.figures()
    }
}

#[tokio::test]
async fn below_the_floor_pops_are_answered_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    keyed_push(&store, 1, "v").await;
    drop(store);
    let mut settings = settings(folder.path());
    let disk = rustix::fs::statvfs(folder.path()).unwrap();
    settings.live.min_free = disk.f_blocks * disk.f_frsize;
    let store = DiskStore::open(&settings).unwrap();
    assert!(is_on_record(&store, 1).await);
    assert!(!is_on_record(&store, 2).await, "a recall writes nothing");
    let context = repeated::<Option<Bytes>>(2);
    assert_eq!(store.pop(&context, namespace(), key("l"), End::Left).await.unwrap().unwrap(), "v");
    assert!(is_on_record(&store, 2).await);
    let refused = store.push(&repeated::<u64>(3), namespace(), key("l"), End::Left, "v".into()).await;
    assert_eq!(refused.unwrap_err().reason, ErrorReason::DiskFull);
    assert!(!is_on_record(&store, 3).await);
}

#[test]
fn the_durability_is_what_the_settings_say() {
    for (durability, promised) in [
        (Durability::EveryWrite, Some(Promised::EveryWrite)),
        (Durability::Periodic, Some(Promised::Periodic { period: Duration::from_secs(1) })),
        (Durability::Never, None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(folder.path());
        settings.live = Live { durability, ..settings.live };
        let capabilities = DiskStore::open(&settings).unwrap().capabilities();
        assert_eq!((capabilities.durability, capabilities.idempotent_retries), (promised, true));
    }
}

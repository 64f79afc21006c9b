//! Worker threads, each with its own single-threaded runtime, and the acceptor that hands every connection to the
//! worker that has the fewest.
//!
//! `SO_REUSEPORT` would spread connections by hash instead, and put gRPC's few long-lived ones on one worker.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use prism_net::listen::{Listener, Socket};
use prism_net::stream::Stream;

use crate::connection::{self, Handler};
use crate::connections::{Connections, Entry};
use crate::peer::PeerAddress;
use crate::shared::Shared;

/// How long the acceptor pauses when the system refuses, for example because file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often a worker signals that it is running.
const BEAT: Duration = Duration::from_secs(1);

/// How many beats without a call before a worker rests: not after each pause between two calls.
const REST_AFTER: u32 = 5;

/// The running workers.
#[derive(Debug)]
pub struct Workers {
    workers: Vec<Worker>,
    shared: Arc<Shared>,
    pulse: Pulse,
    kill: CancellationToken,
}

#[derive(Debug)]
struct Worker {
    connections: mpsc::UnboundedSender<Connection>,
    open: Arc<AtomicUsize>,
    ended: oneshot::Receiver<()>,
}

/// A connection on its way to a worker. The queue needs no limit of its own: each connection has a slot in the table.
#[derive(Debug)]
struct Connection {
    socket: Socket,
    entry: Entry,
}

/// When each worker last had a turn.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<[AtomicU64]>);

impl Pulse {
    fn new(workers: usize) -> Self {
        let now = Self::now();
        Self((0..workers).map(|_| AtomicU64::new(now)).collect())
    }

    /// Milliseconds of a clock that all threads share and that no test pauses.
    fn now() -> u64 {
        static EPOCH: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
        u64::try_from(EPOCH.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// How many workers have not had a turn for `limit`.
    #[must_use]
    pub fn stalled(&self, limit: Duration) -> usize {
        self.stalled_at(Self::now(), limit)
    }

    fn stalled_at(&self, now: u64, limit: Duration) -> usize {
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        self.0.iter().filter(|beat| now.saturating_sub(beat.load(Ordering::Relaxed)) > limit).count()
    }

    fn beat(&self, worker: usize) {
        self.0[worker].store(Self::now(), Ordering::Relaxed);
    }
}

impl Workers {
    /// Starts `count` workers. `make_handler` runs once on each, within its runtime; `rest` runs each time the process
    /// has had no call for some seconds.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start<H: Handler>(
        count: usize,
        shared: &Arc<Shared>,
        rest: fn(),
        make_handler: impl Fn() -> H + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let kill = CancellationToken::new();
        let make_handler = Arc::new(make_handler);
        let pulse = Pulse::new(count);
        let start = |index: usize| {
            let (connections, queue) = mpsc::unbounded_channel();
            let (ending, ended) = oneshot::channel();
            let open = Arc::new(AtomicUsize::new(0));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (make_handler, shared) = (Arc::clone(&make_handler), Arc::clone(shared));
            let (open_here, kill, pulse) = (Arc::clone(&open), kill.clone(), pulse.clone());
            let work = move || {
                let work = async {
                    tokio::spawn(keep_a_timer_armed(pulse, index, Arc::clone(&shared), rest));
                    work(queue, Arc::new(make_handler()), shared, open_here).await;
                };
                runtime.block_on(kill.run_until_cancelled_owned(work));
                runtime.shutdown_background();
                let _ = ending.send(());
            };
            thread::Builder::new().name(format!("worker-{index}")).spawn(work)?;
            Ok(Worker { connections, open, ended })
        };
        let workers = (0..count).map(start).collect::<io::Result<_>>()?;
        Ok(Self { workers, shared: Arc::clone(shared), pulse, kill })
    }

    /// Accepts connections, at most `connections_max` at once, until dropped.
    pub async fn accept(&self, listener: &Listener, connections_max: usize) {
        let connections = Connections::new(connections_max, Arc::clone(&self.shared.counters));
        loop {
            match listener.accept().await {
                Ok(socket) => {
                    let address = socket.peer_address().map_or(PeerAddress::Unix, PeerAddress::Tcp);
                    match connections.enter(self.shared.peer(address)).await {
                        Some(entry) => self.hand_over(Connection { socket, entry }),
                        None => {
                            self.shared.counters.connections_refused_total.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection; pausing");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn hand_over(&self, connection: Connection) {
        let worker = self.workers.iter().min_by_key(|worker| worker.open.load(Ordering::Relaxed));
        if let Some(worker) = worker {
            worker.open.fetch_add(1, Ordering::Relaxed);
            if worker.connections.send(connection).is_err() {
                tracing::error!("a worker thread has ended; its connections are refused");
            }
        }
    }

    /// When each worker last had a turn.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Waits for every connection to end, at most `limit`, then cuts off the rest. Returns how many were cut off.
    pub async fn stop(self, limit: Duration) -> usize {
        let mut ended = Vec::new();
        let mut open = Vec::new();
        for worker in self.workers {
            drop(worker.connections);
            ended.push(worker.ended);
            open.push(worker.open);
        }
        let all_ended = async {
            for worker in &mut ended {
                let _ = worker.await;
            }
        };
        if tokio::time::timeout(limit, all_ended).await.is_ok() {
            return 0;
        }
        let cut_off = open.iter().map(|open| open.load(Ordering::Relaxed)).sum();
        self.kill.cancel();
        cut_off
    }
}

/// With no timer armed, tokio wakes its driver through an eventfd for each call's deadline: a system call and another
/// turn of its loop. With a timer armed already, a later deadline costs neither.
async fn keep_a_timer_armed(pulse: Pulse, worker: usize, shared: Arc<Shared>, rest: fn()) {
    let mut timer = tokio::time::interval(BEAT);
    let mut quiet = Quiet::default();
    loop {
        timer.tick().await;
        pulse.beat(worker);
        if quiet.lasts(shared.counters.calls_total.load(Ordering::Relaxed)) {
            rest();
        }
    }
}

/// How many beats have passed without a call.
#[derive(Debug, Default)]
struct Quiet {
    calls_total: u64,
    beats: u32,
}

impl Quiet {
    /// Whether it is [`REST_AFTER`] beats now, for the first time since the last call.
    fn lasts(&mut self, calls_total: u64) -> bool {
        if calls_total == self.calls_total {
            self.beats = self.beats.saturating_add(1);
        } else {
            *self = Self { calls_total, beats: 0 };
        }
        self.beats == REST_AFTER
    }
}

async fn work<H: Handler>(
    mut queue: mpsc::UnboundedReceiver<Connection>,
    handler: Arc<H>,
    shared: Arc<Shared>,
    open: Arc<AtomicUsize>,
) {
    let connections = TaskTracker::new();
    while let Some(Connection { socket, entry }) = queue.recv().await {
        let held = Open { entry, shared: Arc::clone(&shared), open: Arc::clone(&open) };
        held.shared.counters.connections.fetch_add(1, Ordering::Relaxed);
        held.shared.counters.connections_total.fetch_add(1, Ordering::Relaxed);
        connections.spawn(serve(socket, Arc::clone(&handler), held));
    }
    connections.close();
    connections.wait().await;
}

async fn serve<H: Handler>(socket: Socket, handler: Arc<H>, held: Open) {
    let shared = Arc::clone(&held.shared);
    let peer = Arc::clone(&held.entry.peer);
    match (socket.into_stream(), &shared.tls) {
        (Ok(stream), Some(_)) => connection::serve_tls(stream, peer, handler, shared).await,
        (Ok(Stream::Tcp(stream)), None) => connection::serve(stream, peer, handler, shared).await,
        (Ok(Stream::Unix(stream)), None) => connection::serve(stream, peer, handler, shared).await,
        (Ok(Stream::Tls(stream)), None) => connection::serve(stream, peer, handler, shared).await,
        (Err(error), _) => tracing::debug!(%error, "a connection was lost before it was served"),
    }
    drop(held);
}

/// Counts a connection while it is open.
struct Open {
    entry: Entry,
    shared: Arc<Shared>,
    open: Arc<AtomicUsize>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.shared.counters.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_rests_once_after_some_beats_without_a_call() {
        let mut quiet = Quiet::default();
        let mut rests = |calls: &[u64]| calls.iter().filter(|&&calls| quiet.lasts(calls)).count();
        assert_eq!(rests(&[1, 1, 1, 1, 1]), 0);
        assert_eq!(rests(&[1, 1, 1]), 1);
        assert_eq!(rests(&[2, 3, 3, 3, 3]), 0);
        assert_eq!(rests(&[3, 3]), 1);
    }

    #[test]
    fn a_worker_without_a_turn_is_stalled_until_it_has_one() {
        let pulse = Pulse(Arc::from([AtomicU64::new(0), AtomicU64::new(0)]));
        let limit = Duration::from_secs(10);
        assert_eq!(pulse.stalled_at(10_000, limit), 0);
        assert_eq!(pulse.stalled_at(10_001, limit), 2);
        pulse.0[1].store(10_000, Ordering::Relaxed);
        assert_eq!(pulse.stalled_at(20_000, limit), 1);
    }
}

//! A thread of a load: its own runtime, connections and streams.

use std::io;
use std::sync::{Arc, Mutex};

use http::Request;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::call::head;
use super::figures::Figures;
use super::kind::Kind;
use super::link::Link;
use super::message::Encoded;
use super::pace::{Pace, Schedule};
use super::plan::Plan;
use super::stream::{Load, Stream, locked};
use super::window::Window;
use crate::tls::Server;

/// All threads of a load, connected and waiting for its start.
#[derive(Debug)]
pub(super) struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    figures: Arc<Mutex<Figures>>,
    start: Option<oneshot::Sender<Arc<Window>>>,
    connected: Option<oneshot::Receiver<io::Result<()>>>,
    ended: Option<oneshot::Receiver<io::Result<()>>>,
}

/// The input of a thread.
struct Share {
    load: Load,
    server: Server,
    /// The number of its connections.
    connections: usize,
    streams: usize,
    rate: Option<f64>,
    /// Its number among the threads.
    number: usize,
    threads: usize,
}

impl Workers {
    /// Starts the threads and waits until all are connected.
    pub(super) async fn start(plan: &Plan) -> io::Result<Self> {
        let encoded: Vec<_> =
            plan.mix.kinds().iter().map(|kind| Encoded::new(&plan.content, *kind)).collect();
        let workers = (0..plan.threads).map(|number| Worker::start(plan, number, &encoded));
        let mut workers = Self(workers.collect::<io::Result<_>>()?);
        for worker in &mut workers.0 {
            told(worker.connected.take()).await?;
        }
        Ok(workers)
    }

    /// Starts sending.
    pub(super) fn begin(&mut self, window: &Arc<Window>) {
        for start in self.0.iter_mut().filter_map(|worker| worker.start.take()) {
            // A failed worker is reported at the end.
            let _ = start.send(Arc::clone(window));
        }
    }

    /// Waits until every stream has ended.
    ///
    /// # Cancel safety
    /// The future may be dropped and the method called again.
    pub(super) async fn ended(&mut self) -> io::Result<()> {
        for worker in &mut self.0 {
            if let Some(ended) = &mut worker.ended {
                let result = ended.await;
                worker.ended = None;
                result.map_err(io::Error::other)??;
            }
        }
        Ok(())
    }

    /// The number of calls measured so far.
    pub(super) fn requests(&self) -> u64 {
        self.0.iter().map(|worker| locked(&worker.figures).requests()).sum()
    }

    /// The results of all threads.
    pub(super) fn figures(&self, plan: &Plan) -> io::Result<Figures> {
        let mut sum = Figures::new(plan.mix.kinds().len()).map_err(io::Error::other)?;
        for worker in &self.0 {
            sum.add(&locked(&worker.figures));
        }
        Ok(sum)
    }
}

impl Worker {
    fn start(plan: &Plan, number: usize, encoded: &[Encoded]) -> io::Result<Self> {
        let server = &plan.server;
        let origin = format!("{}://{}", server.scheme(), server.address.authority());
        let head = |kind: &Kind| head(*kind, &origin, plan.timeout, plan.authorization.as_ref());
        let heads: Result<Vec<Request<()>>, _> = plan.mix.kinds().iter().map(head).collect();
        let figures = Figures::new(plan.mix.kinds().len()).map_err(io::Error::other)?;
        let figures = Arc::new(Mutex::new(figures));
        let share = Share {
            load: Load {
                mix: plan.mix.clone(),
                heads: heads.map_err(io::Error::other)?,
                messages: encoded.iter().map(Encoded::handle).collect(),
                timeout: plan.timeout,
                keys_may_be_missing: plan.keys_may_be_missing(),
                figures: Arc::clone(&figures),
            },
            server: server.clone(),
            connections: (number..plan.connections).step_by(plan.threads).count(),
            streams: plan.streams,
            rate: plan.rate,
            number,
            threads: plan.threads,
        };
        let (connected, is_connected) = oneshot::channel();
        let (start, started) = oneshot::channel();
        let (ended, has_ended) = oneshot::channel();
        std::thread::Builder::new().name(format!("bench-{number}")).spawn(move || {
            // If the load was abandoned, nobody waits for this.
            let _ = ended.send(share.run(connected, started));
        })?;
        Ok(Self { figures, start: Some(start), connected: Some(is_connected), ended: Some(has_ended) })
    }
}

impl Share {
    fn run(
        self,
        connected: oneshot::Sender<io::Result<()>>,
        started: oneshot::Receiver<Arc<Window>>,
    ) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut links = Vec::with_capacity(self.connections);
            for _ in 0..self.connections {
                match Link::connect(self.server.clone(), self.streams, self.load.timeout).await {
                    Ok(link) => links.push(Arc::new(link)),
                    Err(error) => {
                        let _ = connected.send(Err(error));
                        return Ok(());
                    }
                }
            }
            let _ = connected.send(Ok(()));
            match started.await {
                Ok(window) => self.send(&links, &window).await,
                Err(_) => Ok(()),
            }
        })
    }

    async fn send(self, links: &[Arc<Link>], window: &Arc<Window>) -> io::Result<()> {
        let schedule = self.rate.map(|rate| Arc::new(Schedule::new(window, rate, self.number, self.threads)));
        let pace = match &schedule {
            Some(schedule) => Pace::Open(Arc::clone(schedule)),
            None => Pace::Closed(Arc::clone(window)),
        };
        let load = Arc::new(self.load);
        let mut streams = JoinSet::new();
        for link in links {
            for _ in 0..self.streams {
                let stream = Stream::new(Arc::clone(&load), Arc::clone(link), pace.clone()).await;
                streams.spawn(stream.run());
            }
        }
        if let Some(schedule) = schedule {
            schedule.run(streams.len()).await?;
        }
        while let Some(ended) = streams.join_next().await {
            ended.map_err(io::Error::other)?;
        }
        Ok(())
    }
}

/// A thread's message; an error if it ended without one.
async fn told(word: Option<oneshot::Receiver<io::Result<()>>>) -> io::Result<()> {
    match word {
        Some(word) => word.await.map_err(io::Error::other)?,
        None => Ok(()),
    }
}

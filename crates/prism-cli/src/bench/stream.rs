//! One stream of a load: makes one call after another, each in its turn.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

use http::Request;
use tokio::time::{Sleep, sleep};
use tonic::Code;

use super::call::call;
use super::figures::{Figures, Outcome};
use super::kind::Kind;
use super::link::{Link, Place, REDIAL_AFTER};
use super::message::Messages;
use super::mix::Mix;
use super::pace::{Next, Pace, Turn};

/// What the streams of one worker share.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) mix: Mix,
    /// One for each kind of the mix.
    pub(super) heads: Vec<Request<()>>,
    pub(super) messages: Vec<Messages>,
    pub(super) timeout: Duration,
    pub(super) keys_may_be_missing: bool,
    pub(super) figures: Arc<Mutex<Figures>>,
}

/// One stream.
pub(super) struct Stream {
    load: Arc<Load>,
    link: Arc<Link>,
    place: Place,
    pace: Pace,
    random: fastrand::Rng,
    /// Ends a call that has timed out. One timer serves all calls: postponing it costs less than a new one.
    timer: Pin<Box<Sleep>>,
}

/// A completed call.
struct Made {
    bytes: usize,
    outcome: Outcome,
}

impl Stream {
    pub(super) async fn new(load: Arc<Load>, link: Arc<Link>, pace: Pace) -> Self {
        let place = link.place().await;
        let timer = Box::pin(sleep(load.timeout));
        Self { load, link, place, pace, random: fastrand::Rng::new(), timer }
    }

    pub(super) async fn run(mut self) {
        let mut now = Instant::now();
        loop {
            match self.pace.next(now).await {
                Next::End => return,
                Next::GiveUp { late, is_measured: true } => locked(&self.load.figures).give_up(late),
                Next::GiveUp { .. } => {}
                Next::Send(turn) => now = self.take(turn).await,
            }
        }
    }

    /// Makes a call; returns when it ended.
    async fn take(&mut self, turn: Turn) -> Instant {
        let index = self.load.mix.draw(&mut self.random);
        let made = self.make(index, turn).await;
        let mut ended = Instant::now();
        let (bytes, outcome) = made
            .as_ref()
            .map_or_else(|| (0, Outcome::Failed(Code::Unavailable)), |made| (made.bytes, made.outcome));
        if turn.is_measured {
            locked(&self.load.figures).record(index, turn, ended, outcome, bytes);
        }
        if made.is_none() && matches!(self.pace, Pace::Closed(_)) {
            // The next connection attempt is not due earlier.
            sleep(REDIAL_AFTER).await;
            ended = Instant::now();
        }
        ended
    }

    /// `None` if there is no connection.
    async fn make(&mut self, index: usize, turn: Turn) -> Option<Made> {
        if poll_fn(|cx| self.place.send.poll_ready(cx)).await.is_err() {
            self.place = self.link.replace(&self.place).await.ok()?;
        }
        let message = self.load.messages[index].draw(&mut self.random);
        let sent = message.len();
        let deadline = turn.due + turn.late + self.load.timeout;
        self.timer.as_mut().reset(deadline.into());
        let called = pin!(call(&mut self.place.send, self.load.heads[index].clone(), message));
        let answer = timely(self.timer.as_mut(), called).await.unwrap_or(Err(Code::DeadlineExceeded));
        let needs_its_key = matches!(self.load.mix.kinds()[index], Kind::Get | Kind::Expire);
        Some(match answer {
            Ok(received) => Made { bytes: sent + received, outcome: Outcome::Answered },
            Err(Code::NotFound) if needs_its_key && self.load.keys_may_be_missing => {
                Made { bytes: sent, outcome: Outcome::NotFound }
            }
            Err(code) => Made { bytes: sent, outcome: Outcome::Failed(code) },
        })
    }
}

/// The result of `work`, or `None` if the timer fires first.
async fn timely<T>(mut timer: Pin<&mut Sleep>, mut work: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => timer.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// No caller's code runs under the lock, so a panic cannot leave the figures inconsistent.
pub(super) fn locked(figures: &Mutex<Figures>) -> std::sync::MutexGuard<'_, Figures> {
    figures.lock().unwrap_or_else(PoisonError::into_inner)
}

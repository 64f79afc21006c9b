//! Opening streams, at a client.

use std::task::{Context, Poll, Waker};

use http::Request;

use crate::error::Error;
use crate::frame::STREAM_MAX;
use crate::head::Head;
use crate::state::{Role, State};
use crate::stream::Key;

const NO_NUMBERS: &str = "the connection has no stream numbers left";

impl State {
    /// Makes a request.
    ///
    /// # Errors
    /// The connection takes no further streams.
    pub(crate) fn request(&mut self, request: Request<()>, end: bool) -> Result<Key, Error> {
        self.check_open()?;
        // Held by the response and by the body.
        let key = self.insert(0, 2);
        self.unopened.push(key, &self.streams);
        self.open_more();
        let sent = self.send_head(key, Head::Request(Box::new(request)), end);
        if let Err(error) = sent {
            self.streams[key].handles = 0;
            self.fail_stream(key, error.clone());
            return Err(error);
        }
        Ok(key)
    }

    fn check_open(&self) -> Result<(), Error> {
        match self.error.as_ref().or(self.goaway.as_ref()) {
            Some(error) => Err(error.clone()),
            None if self.next_id > STREAM_MAX => Err(Error::misuse(NO_NUMBERS)),
            None => Ok(()),
        }
    }

    /// Waits until the peer accepts another stream.
    pub(crate) fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.check_open()?;
        if self.open < self.peer_streams_max && self.unopened.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if !self.openers.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.openers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Opens streams that wait for it.
    pub(crate) fn open_more(&mut self) {
        if self.role == Role::Server || self.error.is_some() {
            return;
        }
        while self.open < self.peer_streams_max && self.next_id <= STREAM_MAX {
            let Some(key) = self.unopened.pop(&self.streams) else { return self.wake_openers() };
            let stream = &mut self.streams[key];
            if stream.error.is_some() {
                continue;
            }
            stream.id = self.next_id;
            stream.send_window = self.peer_window;
            stream.is_counted = true;
            self.by_id.insert(self.next_id, key);
            self.next_id += 2;
            self.open += 1;
            self.reschedule(key);
            self.fill();
        }
        if self.next_id > STREAM_MAX {
            self.refuse_unopened();
        }
    }

    /// Ends the streams that no number is left for.
    fn refuse_unopened(&mut self) {
        let mut unopened = std::mem::take(&mut self.unopened);
        while let Some(key) = unopened.pop(&self.streams) {
            if self.streams[key].error.is_none() {
                self.fail_stream(key, Error::misuse(NO_NUMBERS));
            }
        }
        self.wake_openers();
    }

    pub(crate) fn wake_openers(&mut self) {
        self.openers.drain(..).for_each(Waker::wake);
    }
}

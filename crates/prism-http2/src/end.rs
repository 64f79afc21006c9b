//! The ends of streams, and of the connection.

use rustc_hash::FxHashMap;
use slab::Slab;

use crate::error::{By, Error};
use crate::frame::{self, STREAM_MAX};
use crate::reason::Reason;
use crate::state::{LEAVING_PING, Phase, Role, State};
use crate::stream::{Key, Wants};

/// Room for more streams is returned once there is none.
const KEPT_STREAMS: usize = 128;

impl State {
    /// Resets a stream, unless it has ended.
    pub(crate) fn reset(&mut self, key: Key, reason: Reason) {
        let stream = &mut self.streams[key];
        if stream.is_closed() {
            return;
        }
        let unread = stream.received.clear();
        if stream.trailers.take().is_some() || unread > 0 {
            // What was thrown away must not look like the end.
            stream.has_received_end = false;
        }
        let (id, is_known) = (stream.id, stream.is_known);
        if is_known {
            let reason = u32::from(reason).to_be_bytes();
            // A client has as many as it has made requests: they are no replies.
            match self.role {
                Role::Server => self.reply(frame::RST_STREAM, 0, id, &reason),
                Role::Client => self.put(frame::RST_STREAM, 0, id, &reason),
            }
        }
        self.return_credit(unread);
        self.fail_stream(key, Error::reset(reason, By::Us));
    }

    /// Ends a stream with an error. What has arrived whole can still be read.
    pub(crate) fn fail_stream(&mut self, key: Key, error: Error) {
        let stream = &mut self.streams[key];
        stream.error = Some(error);
        stream.queue.clear();
        stream.queued = 0;
        stream.wants = Wants::Nothing;
        self.claimed -= std::mem::take(&mut stream.claimed);
        stream.wake_receiver();
        stream.wake_sender();
        self.close(key);
        self.pass_room_on();
    }

    /// A stream has ended: it no longer counts, and is kept only for its handles.
    pub(crate) fn close(&mut self, key: Key) {
        let stream = &mut self.streams[key];
        if std::mem::take(&mut stream.is_counted) {
            self.by_id.remove(&stream.id);
            self.open -= 1;
        }
        if stream.handles == 0 {
            self.remove(key);
        }
        self.open_more();
    }

    fn remove(&mut self, key: Key) {
        let removed = self.streams.remove(key);
        self.claimed -= removed.claimed;
        if self.streams.is_empty() && self.streams.capacity() > KEPT_STREAMS {
            // A burst is over.
            (self.streams, self.by_id) = (Slab::new(), FxHashMap::default());
        }
        // The connection may have waited for it.
        if self.streams.is_empty()
            && (self.phase != Phase::Open || self.goaway.is_some() || self.openers_held == 0)
        {
            self.notify();
        }
    }

    /// A handle is gone. `reads`: it was the one that reads.
    pub(crate) fn release(&mut self, key: Key, reads: bool) {
        let stream = &mut self.streams[key];
        stream.handles -= 1;
        if reads {
            stream.is_ignored = true;
            (stream.head, stream.trailers) = (None, None);
            let unread = stream.received.clear();
            self.return_credit(unread);
        } else {
            (stream.wants, stream.sender) = (Wants::Nothing, None);
        }
        let stream = &self.streams[key];
        if stream.handles > 0 {
            // If it has been offered room, that is another's now.
            return self.pass_room_on();
        }
        if stream.is_closed() {
            self.remove(key);
        } else if !stream.has_end {
            self.reset(key, Reason::CANCEL);
        } else if stream.has_sent_end || self.role == Role::Client {
            self.reset(key, self.unneeded());
        }
        self.pass_room_on();
    }

    /// The connection has ended, and with it all streams.
    pub(crate) fn fail(&mut self, error: &Error) {
        if self.error.is_some() {
            return;
        }
        self.error = Some(error.clone());
        self.unopened.clear();
        for (key, _) in std::mem::take(&mut self.requests) {
            self.streams[key].handles = 0;
            if self.streams[key].is_closed() {
                self.remove(key);
            }
        }
        let keys: Vec<Key> = self.streams.iter().map(|(key, _)| key).collect();
        for key in keys {
            if !self.streams[key].is_closed() {
                self.fail_stream(key, error.clone());
            }
        }
        self.wake_openers();
    }

    /// Ends the connection for a reason of this side's.
    pub(crate) fn abort(&mut self, error: &Error) {
        if self.phase != Phase::Closing {
            self.send_go_away(self.last_accepted_id, error.reason().unwrap_or(Reason::INTERNAL_ERROR), "");
            self.phase = Phase::Closing;
        }
        self.fail(error);
        self.notify();
    }

    /// Asks the peer to open no more streams, and accepts those that it opens before it has seen that.
    pub(crate) fn announce_leaving(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Announced;
            self.send_go_away(STREAM_MAX, Reason::NO_ERROR, "");
            self.reply(frame::PING, 0, 0, &LEAVING_PING);
        }
    }
}

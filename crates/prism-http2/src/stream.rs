//! One stream.
//!
//! ```text
//! each direction:   open ──END_STREAM──▶ ended          both ended, or reset: closed
//! its place:        (id 0) waits to be opened ──▶ open ──closed──▶ kept while it is held or has something to send
//! ```

use std::collections::VecDeque;
use std::task::Waker;

use http::{HeaderMap, Response};
use slab::Slab;

use crate::error::Error;
use crate::head::Head;
use crate::payload::Payload;
use crate::received::Received;

/// A stream's index among those of its connection. It is not used again while anybody holds the stream.
pub(crate) type Key = usize;

/// Streams that wait, in order. One that has ended is passed over.
#[derive(Debug, Default)]
pub(crate) struct WaitList(VecDeque<(Key, u64)>);

impl WaitList {
    pub(crate) fn push(&mut self, key: Key, streams: &Slab<Stream>) {
        self.0.push_back((key, streams[key].serial));
        // Most have ended.
        if self.0.len() > 2 * streams.len() + 64 {
            self.0.retain(|waiting| is_there(*waiting, streams));
        }
    }

    pub(crate) fn pop(&mut self, streams: &Slab<Stream>) -> Option<Key> {
        while let Some(waiting) = self.0.pop_front() {
            if is_there(waiting, streams) {
                return Some(waiting.0);
            }
        }
        None
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Whether it is still the same stream.
fn is_there((key, serial): (Key, u64), streams: &Slab<Stream>) -> bool {
    streams.get(key).is_some_and(|stream| stream.serial == serial)
}

/// What waits to be sent.
#[derive(Debug)]
pub(crate) enum Item {
    /// Headers, and whether they end the stream.
    Head(Head, bool),
    /// Data, and whether they end the stream.
    Data(Payload, bool),
}

/// What a sender that wants to hand over more waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wants {
    #[default]
    Nothing,
    /// The stream's window, or its queue to become shorter.
    OwnRoom,
    /// The connection's window.
    SharedRoom,
}

/// One stream.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// Tells it from others that have had its index.
    pub(crate) serial: u64,
    /// 0 until it is opened.
    pub(crate) id: u32,
    /// How many handles there are.
    pub(crate) handles: u8,
    /// Whether the peer knows of it: its first HEADERS have been received or encoded.
    pub(crate) is_known: bool,
    /// Whether it counts towards the limit of its connection.
    pub(crate) is_counted: bool,
    /// Why it was reset, or lost with its connection.
    pub(crate) error: Option<Error>,

    /// The head of the response, at a client.
    pub(crate) head: Option<Box<Response<()>>>,
    pub(crate) received: Received,
    pub(crate) trailers: Option<Box<HeaderMap>>,
    /// END_STREAM has arrived.
    pub(crate) has_received_end: bool,
    /// Nobody reads what arrives.
    pub(crate) is_ignored: bool,
    /// A client's: the head of the response has arrived.
    pub(crate) has_received_head: bool,
    /// What the peer may send.
    pub(crate) receive_window: i64,
    /// What has been read and is not in the peer's window yet.
    pub(crate) credit: u32,
    /// How much of the body is left, if its head says so.
    pub(crate) body_left: Option<u64>,
    /// Who waits for something to arrive.
    pub(crate) receiver: Option<Waker>,

    /// What may be sent.
    pub(crate) send_window: i64,
    pub(crate) queue: VecDeque<Item>,
    /// The bytes of data in the queue, and as many of them as the stream's own window allows.
    pub(crate) queued: usize,
    pub(crate) claimed: usize,
    /// Whether it waits for the socket, or for the connection's window. One whose own window is used up waits for neither.
    pub(crate) is_scheduled: bool,
    /// The end was handed over.
    pub(crate) has_end: bool,
    /// The end is on its way.
    pub(crate) has_sent_end: bool,
    /// Whose window the sender waits for, if it does.
    pub(crate) wants: Wants,
    /// Whether it is among those that wait for the connection's.
    pub(crate) is_waiting_for_room: bool,
    /// Who waits for room, or for a reset.
    pub(crate) sender: Option<Waker>,
}

impl Stream {
    /// Whether both directions have ended, or the stream was reset.
    pub(crate) fn is_closed(&self) -> bool {
        self.error.is_some() || (self.has_sent_end && self.has_received_end)
    }

    pub(crate) fn wake_receiver(&mut self) {
        if let Some(waker) = self.receiver.take() {
            waker.wake();
        }
    }

    pub(crate) fn wake_sender(&mut self) {
        if let Some(waker) = self.sender.take() {
            waker.wake();
        }
    }

    /// Whether everything that the peer sends has been read.
    pub(crate) fn is_read(&self) -> bool {
        self.received.is_empty() && self.trailers.is_none() && self.has_received_end
    }
}

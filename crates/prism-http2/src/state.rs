//! One connection: its streams and windows.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use http::Request;
use rustc_hash::FxHashMap;
use slab::Slab;

use crate::error::Error;
use crate::frame::{self, HEAD_BYTES};
use crate::head::Block;
use crate::hpack::{Decoder, Encoder};
use crate::output::Output;
use crate::reason::Reason;
use crate::settings::{Config, DEFAULT_WINDOW};
use crate::stream::{Key, Stream, WaitList};

/// Beyond this, what is handed over waits in its stream: so the streams take turns, and a client that reads nothing keeps its calls in
/// flight.
pub(crate) const OUTPUT_BYTES_MAX: usize = 128 * 1024;

/// Beyond so many bytes of replies that the peer has not read, nothing is read from it.
const REPLY_BYTES_MAX: usize = 16 * 1024;

/// The data of the PING behind the first GOAWAY: once it is acknowledged, the peer has seen that.
pub(crate) const LEAVING_PING: [u8; 8] = *b"leaving.";

/// A connection as its streams see it.
pub(crate) struct Shared(Mutex<State>);

impl fmt::Debug for Shared {
    /// Nothing: a connection has tokens and users' bytes in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(state: State) -> Self {
        Self(Mutex::new(state))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which side this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

/// How far the end of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// A GOAWAY was sent that excludes no stream; the next one follows the acknowledgement of the PING behind it.
    Announced,
    /// The last GOAWAY was sent: no further stream is accepted.
    Leaving,
    /// Nothing but what is in the output is sent.
    Closing,
}

/// A connection.
pub(crate) struct State {
    pub(crate) role: Role,
    pub(crate) config: Config,
    pub(crate) phase: Phase,
    pub(crate) streams: Slab<Stream>,
    pub(crate) by_id: FxHashMap<u32, Key>,
    /// How many streams there have been.
    pub(crate) streams_total: u64,
    /// How many streams count towards the limit.
    pub(crate) open: usize,
    /// The highest number of a stream that the peer has opened, and of one that was not ignored.
    pub(crate) last_peer_id: u32,
    pub(crate) last_accepted_id: u32,
    /// How many streams the peer has reset whose answers were complete, but not sent.
    pub(crate) resets_before_sent: u32,
    pub(crate) next_id: u32,
    /// A server's: requests that have arrived.
    pub(crate) requests: VecDeque<(Key, Request<()>)>,
    /// A client's: streams that wait to be opened.
    pub(crate) unopened: WaitList,
    /// A client's: who waits for a stream to be opened.
    pub(crate) openers: Vec<Waker>,
    /// A client's: how many can open a stream.
    pub(crate) openers_held: usize,

    pub(crate) decoder: Decoder,
    pub(crate) receive_window: i64,
    pub(crate) credit: u32,
    pub(crate) has_settings: bool,
    /// Headers that have arrived in part.
    pub(crate) block: Option<Block>,
    /// Why the peer accepts no further streams.
    pub(crate) goaway: Option<Error>,

    pub(crate) encoder: Encoder,
    pub(crate) output: Output,
    /// The replies in the output: where each ends, counted from the connection's first byte, and its length. And the sum.
    replies: VecDeque<(u64, usize)>,
    reply_bytes: usize,
    /// How many bytes have been written.
    pub(crate) written: u64,
    pub(crate) send_window: i64,
    pub(crate) peer_window: i64,
    pub(crate) peer_frame_bytes_max: usize,
    pub(crate) peer_streams_max: usize,
    pub(crate) for_output: WaitList,
    pub(crate) for_window: WaitList,
    /// Whether the output is being filled: what comes to wait meanwhile has its turn.
    pub(crate) is_filling: bool,
    /// What all streams claim of the connection's window.
    pub(crate) claimed: usize,
    /// Streams whose senders wait for the connection's window.
    pub(crate) for_room: WaitList,

    /// The task that drives the connection, and whether it knows that there is something to do.
    pub(crate) driver: Option<Waker>,
    pub(crate) is_notified: bool,
    /// Why the connection has ended.
    pub(crate) error: Option<Error>,
}

impl State {
    pub(crate) fn new(role: Role, config: Config) -> Self {
        let config = config.clamped();
        let mut output = Output::default();
        output.append(|to| {
            if role == Role::Client {
                to.extend_from_slice(frame::PREFACE);
            }
            config.write(role == Role::Client, to);
        });
        Self {
            role,
            config,
            phase: Phase::Open,
            streams: Slab::new(),
            by_id: FxHashMap::default(),
            streams_total: 0,
            open: 0,
            last_peer_id: 0,
            last_accepted_id: 0,
            resets_before_sent: 0,
            next_id: 1,
            requests: VecDeque::new(),
            unopened: WaitList::default(),
            openers: Vec::new(),
            openers_held: 0,
            decoder: Decoder::default(),
            receive_window: config.connection_window_bytes.into(),
            credit: 0,
            has_settings: false,
            block: None,
            goaway: None,
            encoder: Encoder::default(),
            output,
            replies: VecDeque::new(),
            reply_bytes: 0,
            written: 0,
            send_window: DEFAULT_WINDOW.into(),
            peer_window: DEFAULT_WINDOW.into(),
            peer_frame_bytes_max: frame::DEFAULT_BYTES_MAX,
            peer_streams_max: config.initial_streams_max,
            for_output: WaitList::default(),
            for_window: WaitList::default(),
            is_filling: false,
            claimed: 0,
            for_room: WaitList::default(),
            driver: None,
            is_notified: false,
            error: None,
        }
    }

    /// A new stream, held by `handles` handles.
    pub(crate) fn insert(&mut self, id: u32, handles: u8) -> Key {
        self.streams_total += 1;
        let stream = Stream {
            serial: self.streams_total,
            id,
            handles,
            receive_window: self.config.stream_window_bytes.into(),
            send_window: self.peer_window,
            ..Stream::default()
        };
        let key = self.streams.insert(stream);
        if id != 0 {
            self.by_id.insert(id, key);
            self.streams[key].is_known = true;
            self.streams[key].is_counted = true;
            self.open += 1;
        }
        key
    }

    /// Lets the connection's task know that there is something to write.
    pub(crate) fn notify(&mut self) {
        if !self.is_notified {
            self.is_notified = true;
            if let Some(driver) = &self.driver {
                driver.wake_by_ref();
            }
        }
    }

    /// Whether the peer leaves too many replies unread for anything more to be read from it.
    pub(crate) fn is_flooded(&self) -> bool {
        self.reply_bytes > REPLY_BYTES_MAX
    }

    /// Removes from the output what has been written.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.output.advance(bytes);
        self.written += bytes as u64;
        while let Some((end, len)) = self.replies.front()
            && *end <= self.written
        {
            self.reply_bytes -= len;
            self.replies.pop_front();
        }
        self.fill();
    }

    /// A frame that no stream queues, as a reply to one of the peer's.
    pub(crate) fn reply(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        let len = HEAD_BYTES + payload.len();
        self.put(kind, flags, id, payload);
        self.replies.push_back((self.written + self.output.len() as u64, len));
        self.reply_bytes += len;
    }

    /// A frame that no stream queues.
    pub(crate) fn put(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        self.output.extend(&frame::Head::new(kind, flags, id, payload.len()).bytes());
        self.output.extend(payload);
        self.notify();
    }

    pub(crate) fn send_go_away(&mut self, last: u32, reason: Reason, debug: &str) {
        let payload = [&last.to_be_bytes()[..], &u32::from(reason).to_be_bytes(), debug.as_bytes()].concat();
        self.reply(frame::GOAWAY, 0, 0, &payload);
    }

    /// Returns to the peer what has been taken from the connection's window, by halves of it.
    pub(crate) fn return_credit(&mut self, bytes: usize) {
        self.credit += bytes as u32;
        if self.credit >= self.config.connection_window_bytes / 2 {
            let credit = std::mem::take(&mut self.credit);
            self.receive_window += i64::from(credit);
            self.send_window_update(0, credit);
        }
    }

    /// The same for the window of a stream.
    pub(crate) fn return_stream_credit(&mut self, key: Key, bytes: usize) {
        let stream = &mut self.streams[key];
        stream.credit += bytes as u32;
        if stream.credit >= self.config.stream_window_bytes / 2
            && !stream.has_received_end
            && !stream.is_closed()
        {
            let credit = std::mem::take(&mut stream.credit);
            stream.receive_window += i64::from(credit);
            let id = stream.id;
            self.send_window_update(id, credit);
        }
    }

    fn send_window_update(&mut self, id: u32, bytes: u32) {
        if self.phase == Phase::Closing {
            return;
        }
        self.put(frame::WINDOW_UPDATE, 0, id, &bytes.to_be_bytes());
    }
}

/// Records who waits.
pub(crate) fn set_waker(waker: &mut Option<Waker>, cx: &Context<'_>) {
    if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        *waker = Some(cx.waker().clone());
    }
}

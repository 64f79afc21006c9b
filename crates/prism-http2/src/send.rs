//! What is sent.
//!
//! What is handed over goes into the output at once if nothing of its stream waits, the windows have room, and the output is below
//! [`OUTPUT_BYTES_MAX`]. Otherwise it waits in the stream's queue, and the stream in one of two queues: for the output, or for the
//! connection's window. A stream whose own window is used up is in neither, and enters one with its next WINDOW_UPDATE.

use std::task::{Context, Poll};

use crate::error::Error;
use crate::frame::{self, HEAD_BYTES};
use crate::head::Head;
use crate::hpack::Encoder;
use crate::payload::Payload;
use crate::reason::Reason;
use crate::state::{OUTPUT_BYTES_MAX, Role, State, set_waker};
use crate::stream::{Item, Key, Wants};

impl State {
    /// Sends headers, or queues them. `end`: nothing follows.
    ///
    /// # Errors
    /// The stream was reset or lost, or has ended.
    pub(crate) fn send_head(&mut self, key: Key, head: Head, end: bool) -> Result<(), Error> {
        self.check_sender(key)?;
        self.end_if(key, end);
        if self.goes_at_once(key) {
            self.encode_head(key, &head, end);
        } else {
            self.enqueue(key, Item::Head(head, end));
        }
        self.pass_room_on();
        self.notify();
        Ok(())
    }

    /// Sends data, or queues them. `end`: nothing follows.
    ///
    /// # Errors
    /// The stream was reset or lost, or has ended.
    pub(crate) fn send_data(&mut self, key: Key, payload: Payload, end: bool) -> Result<(), Error> {
        self.check_sender(key)?;
        self.end_if(key, end);
        let stream = &self.streams[key];
        let len = payload.len() as i64;
        // A long one goes frame by frame, in turn with others, as far as the output has room.
        let fits = len == 0
            || (len <= stream.send_window
                && len <= self.send_window
                && self.output.len() + payload.len() <= OUTPUT_BYTES_MAX);
        if fits && self.goes_at_once(key) {
            self.encode_data(key, payload, end);
        } else {
            self.enqueue(key, Item::Data(payload, end));
        }
        // What is left of the room is for the next.
        self.pass_room_on();
        self.notify();
        Ok(())
    }

    /// What follows the end needs no room.
    fn end_if(&mut self, key: Key, end: bool) {
        let stream = &mut self.streams[key];
        stream.has_end = end;
        if end {
            stream.wants = Wants::Nothing;
        }
    }

    fn check_sender(&self, key: Key) -> Result<(), Error> {
        let stream = &self.streams[key];
        match &stream.error {
            Some(error) => Err(error.clone()),
            None if stream.has_end => Err(Error::misuse("the stream has been ended already")),
            None => Ok(()),
        }
    }

    fn goes_at_once(&self, key: Key) -> bool {
        let stream = &self.streams[key];
        stream.queue.is_empty() && stream.id != 0 && self.output.len() < OUTPUT_BYTES_MAX
    }

    fn enqueue(&mut self, key: Key, item: Item) {
        let stream = &mut self.streams[key];
        if let Item::Data(payload, _) = &item {
            stream.queued += payload.len();
        }
        stream.queue.push_back(item);
        self.reschedule(key);
        self.fill();
    }

    /// How many bytes a stream may hand over that can be sent now, or wait for nothing but the socket.
    pub(crate) fn room(&self, key: Key) -> usize {
        self.own_room(key).min(self.shared_room())
    }

    fn own_room(&self, key: Key) -> usize {
        let stream = &self.streams[key];
        let window = usize::try_from(stream.send_window).unwrap_or(0);
        window.min(self.config.send_buffer_bytes_max).saturating_sub(stream.queued)
    }

    fn shared_room(&self) -> usize {
        usize::try_from(self.send_window).unwrap_or(0).saturating_sub(self.claimed)
    }

    /// Waits for [room](Self::room).
    pub(crate) fn poll_room(&mut self, key: Key, cx: &mut Context<'_>) -> Poll<Result<usize, Error>> {
        self.check_sender(key)?;
        let (own, shared) = (self.own_room(key), self.shared_room());
        let stream = &mut self.streams[key];
        if own > 0 && shared > 0 {
            stream.wants = Wants::Nothing;
            return Poll::Ready(Ok(own.min(shared)));
        }
        set_waker(&mut stream.sender, cx);
        if own == 0 {
            stream.wants = Wants::OwnRoom;
            // It may have been offered what is left of the connection's.
            self.pass_room_on();
        } else {
            stream.wants = Wants::SharedRoom;
            if !stream.is_waiting_for_room {
                stream.is_waiting_for_room = true;
                self.for_room.push(key, &self.streams);
            }
        }
        Poll::Pending
    }

    /// Wakes the next one that waits for the connection's window, if any of that is left. It takes its part, and passes the rest on.
    pub(crate) fn pass_room_on(&mut self) {
        while self.shared_room() > 0
            && let Some(key) = self.for_room.pop(&self.streams)
        {
            let stream = &mut self.streams[key];
            stream.is_waiting_for_room = false;
            if stream.wants == Wants::SharedRoom {
                stream.wants = Wants::Nothing;
                return stream.wake_sender();
            }
        }
    }

    fn wake_if_room(&mut self, key: Key) {
        if self.streams[key].wants == Wants::OwnRoom && self.own_room(key) > 0 {
            self.streams[key].wants = Wants::Nothing;
            self.streams[key].wake_sender();
        }
    }

    /// Puts a stream where it waits, after its queue or its window has changed.
    pub(crate) fn reschedule(&mut self, key: Key) {
        let stream = &mut self.streams[key];
        // One that is not open yet cannot send, whatever its window.
        let window = if stream.id == 0 { 0 } else { usize::try_from(stream.send_window).unwrap_or(0) };
        let claimed = stream.queued.min(window);
        self.claimed = self.claimed + claimed - stream.claimed;
        stream.claimed = claimed;
        if !stream.is_scheduled && stream.id != 0 {
            let needs_window = match stream.queue.front() {
                None => return self.wake_if_room(key),
                Some(Item::Data(payload, _)) => !payload.is_empty(),
                Some(Item::Head(..)) => false,
            };
            if !needs_window || (claimed > 0 && self.send_window > 0) {
                stream.is_scheduled = true;
                self.for_output.push(key, &self.streams);
            } else if claimed > 0 {
                stream.is_scheduled = true;
                self.for_window.push(key, &self.streams);
            }
        }
        self.wake_if_room(key);
    }

    /// Moves into the output what waits for it, a frame of each stream in turn.
    pub(crate) fn fill(&mut self) {
        if self.is_filling {
            return;
        }
        self.is_filling = true;
        while self.output.len() < OUTPUT_BYTES_MAX {
            let next = match self.for_output.pop(&self.streams) {
                None if self.send_window > 0 => self.for_window.pop(&self.streams),
                next => next,
            };
            let Some(key) = next else { break };
            self.streams[key].is_scheduled = false;
            self.encode_next(key);
        }
        self.is_filling = false;
    }

    /// Encodes a stream's next frame, as far as the windows allow.
    fn encode_next(&mut self, key: Key) {
        let stream = &mut self.streams[key];
        match stream.queue.pop_front() {
            None => return,
            Some(Item::Head(head, end)) => self.encode_head(key, &head, end),
            Some(Item::Data(mut payload, end)) => {
                let window = usize::try_from(stream.send_window.min(self.send_window)).unwrap_or(0);
                let len = payload.len().min(window).min(self.peer_frame_bytes_max);
                if len == payload.len() {
                    stream.queued -= len;
                    self.encode_data(key, payload, end);
                } else {
                    let first = payload.split_to(len);
                    stream.queued -= len;
                    stream.queue.push_front(Item::Data(payload, end));
                    if len > 0 {
                        self.encode_data(key, first, false);
                    }
                }
            }
        }
        // The end may have removed it.
        if self.streams.get(key).is_some_and(|stream| stream.error.is_none()) {
            self.reschedule(key);
        }
    }

    fn encode_head(&mut self, key: Key, head: &Head, end: bool) {
        let stream = &mut self.streams[key];
        stream.is_known = true;
        let id = stream.id;
        let (encoder, len_max) = (&mut self.encoder, self.peer_frame_bytes_max);
        self.output.append(|to| encode_block(id, end, head, encoder, len_max, to));
        if end {
            self.sent_end(key);
        }
    }

    fn encode_data(&mut self, key: Key, mut payload: Payload, end: bool) {
        let stream = &mut self.streams[key];
        stream.send_window -= payload.len() as i64;
        self.send_window -= payload.len() as i64;
        loop {
            let frame = payload.split_to(payload.len().min(self.peer_frame_bytes_max));
            let flags = if end && payload.is_empty() { frame::END_STREAM } else { 0 };
            self.output.extend(&frame::Head::new(frame::DATA, flags, stream.id, frame.len()).bytes());
            self.output.push(frame);
            if payload.is_empty() {
                break;
            }
        }
        if end {
            self.sent_end(key);
        }
    }

    fn sent_end(&mut self, key: Key) {
        let stream = &mut self.streams[key];
        stream.has_sent_end = true;
        if stream.has_received_end {
            self.close(key);
        } else if stream.handles == 0 {
            // Nobody reads what the peer still sends.
            self.reset(key, self.unneeded());
        }
    }

    /// With what a stream is reset that this side is done with. A server that has answered says so.
    pub(crate) fn unneeded(&self) -> Reason {
        if self.role == Role::Server { Reason::NO_ERROR } else { Reason::CANCEL }
    }
}

/// Encodes headers as one frame, or as several if they are longer than the peer accepts.
fn encode_block(id: u32, end: bool, head: &Head, encoder: &mut Encoder, len_max: usize, to: &mut Vec<u8>) {
    let begin = to.len();
    to.extend_from_slice(&[0; HEAD_BYTES]);
    head.encode(encoder, to);
    let end_stream = if end { frame::END_STREAM } else { 0 };
    let block = begin + HEAD_BYTES;
    let len = to.len() - block;
    if len <= len_max {
        let head = frame::Head::new(frame::HEADERS, frame::END_HEADERS | end_stream, id, len);
        to[begin..block].copy_from_slice(&head.bytes());
        return;
    }
    let bytes = to.split_off(block);
    to.truncate(begin);
    let pieces = bytes.chunks(len_max);
    let last = pieces.len() - 1;
    for (index, piece) in pieces.enumerate() {
        let end_headers = if index == last { frame::END_HEADERS } else { 0 };
        let (kind, flags) = match index {
            0 => (frame::HEADERS, end_stream),
            _ => (frame::CONTINUATION, end_headers),
        };
        to.extend_from_slice(&frame::Head::new(kind, flags, id, piece.len()).bytes());
        to.extend_from_slice(piece);
    }
}

//! What each arriving frame does to its connection (RFC 9113, sections 5 and 6). An error ends the connection; what concerns one stream
//! resets that.

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::error::{By, Error};
use crate::frame::{self, Head, WINDOW_MAX};
use crate::head::{Block, Fault, Fields, content_length};
use crate::reason::Reason;
use crate::settings::Changes;
use crate::state::{LEAVING_PING, Phase, Role, State};
use crate::stream::Key;

/// A block of headers may be so many times as long as the list of headers may be: then it is still decoded, and its stream refused.
const BLOCK_FACTOR: usize = 4;

/// Longer frames are not sent, whatever the peer accepts: they would take too long a turn.
const FRAME_BYTES_MAX: usize = 64 * 1024;

/// How much of what a GOAWAY says is kept.
const DEBUG_BYTES_MAX: usize = 256;

/// The bytes of a DATA frame.
pub(crate) enum Data<'a> {
    /// To be copied.
    Lent(&'a [u8]),
    Owned(Bytes),
}

fn broken(reason: Reason, what: &str) -> Error {
    Error::go_away(reason, By::Us, what)
}

fn protocol(what: &str) -> Error {
    broken(Reason::PROTOCOL_ERROR, what)
}

impl State {
    /// Takes note of a frame.
    ///
    /// # Errors
    /// The peer has broken a rule; the connection has to end.
    pub(crate) fn receive(&mut self, head: Head, payload: &[u8]) -> Result<(), Error> {
        self.check_order(head)?;
        match head.kind {
            frame::DATA => self.receive_data(head, Data::Lent(payload)),
            frame::HEADERS => self.receive_headers(head, payload),
            frame::CONTINUATION => self.receive_continuation(head, payload),
            frame::PRIORITY if payload.len() != 5 => {
                Err(broken(Reason::FRAME_SIZE_ERROR, "PRIORITY of a wrong length"))
            }
            frame::PRIORITY if head.stream == 0 => Err(protocol("PRIORITY without a stream")),
            frame::RST_STREAM => self.receive_reset(head, payload),
            frame::SETTINGS => self.receive_settings(head, payload),
            frame::PUSH_PROMISE => Err(protocol("PUSH_PROMISE, which is disabled")),
            frame::PING => self.receive_ping(head, payload),
            frame::GOAWAY => self.receive_go_away(head, payload),
            frame::WINDOW_UPDATE => self.receive_window_update(head, payload),
            // Priorities, and frames of extensions.
            _ => Ok(()),
        }
    }

    /// A DATA frame whose bytes need not be copied.
    pub(crate) fn receive_owned(&mut self, head: Head, payload: Bytes) -> Result<(), Error> {
        self.check_order(head)?;
        self.receive_data(head, Data::Owned(payload))
    }

    fn check_order(&self, head: Head) -> Result<(), Error> {
        if !self.has_settings && (head.kind != frame::SETTINGS || head.has(frame::ACK)) {
            return Err(protocol("the first frame is not SETTINGS"));
        }
        match &self.block {
            Some(block) if head.kind != frame::CONTINUATION || head.stream != block.id => {
                Err(protocol("a frame within a block of headers"))
            }
            _ => Ok(()),
        }
    }

    /// Whether nobody has opened a stream of this number yet.
    fn is_idle(&self, id: u32) -> bool {
        let is_clients = id % 2 == 1;
        match self.role {
            Role::Server => !is_clients || id > self.last_peer_id,
            Role::Client => !is_clients || id >= self.next_id,
        }
    }

    /// The stream of a frame; `None` if it has ended.
    fn stream(&self, id: u32) -> Result<Option<Key>, Error> {
        match self.by_id.get(&id) {
            Some(key) => Ok(Some(*key)),
            None if self.is_idle(id) => Err(protocol("a frame for a stream that was not opened")),
            None => Ok(None),
        }
    }

    fn receive_data(&mut self, head: Head, mut payload: Data<'_>) -> Result<(), Error> {
        // All of the payload counts, padding included.
        if head.len as i64 > self.receive_window {
            return Err(broken(Reason::FLOW_CONTROL_ERROR, "more than the connection's window"));
        }
        self.receive_window -= head.len as i64;
        unpad(head, &mut payload)?;
        let Some(key) = self.stream(head.stream)? else {
            self.return_credit(head.len);
            return Ok(());
        };
        let len = payload.len();
        let stream = &mut self.streams[key];
        let fault = if stream.has_received_end {
            Some(Reason::STREAM_CLOSED)
        } else if head.len as i64 > stream.receive_window {
            Some(Reason::FLOW_CONTROL_ERROR)
        } else if (self.role == Role::Client && !stream.has_received_head)
            || stream.body_left.is_some_and(|left| left < len as u64)
        {
            Some(Reason::PROTOCOL_ERROR)
        } else {
            None
        };
        if let Some(reason) = fault {
            self.return_credit(head.len);
            self.reset(key, reason);
            return Ok(());
        }
        stream.receive_window -= head.len as i64;
        if let Some(left) = &mut stream.body_left {
            *left -= len as u64;
        }
        let padding = head.len - len;
        if stream.is_ignored {
            self.return_credit(head.len);
        } else {
            if len > 0 {
                match payload {
                    Data::Lent(bytes) => stream.received.copy(bytes),
                    Data::Owned(bytes) => stream.received.push(bytes),
                }
                stream.wake_receiver();
            }
            if padding > 0 {
                self.return_credit(padding);
                self.return_stream_credit(key, padding);
            }
        }
        if head.has(frame::END_STREAM) {
            self.receive_end(key);
        }
        Ok(())
    }

    /// The peer sends no more on a stream.
    fn receive_end(&mut self, key: Key) {
        let stream = &mut self.streams[key];
        if stream.body_left.is_some_and(|left| left > 0) {
            return self.reset(key, Reason::PROTOCOL_ERROR);
        }
        stream.has_received_end = true;
        stream.wake_receiver();
        if stream.has_sent_end {
            self.close(key);
        }
    }

    fn receive_headers(&mut self, head: Head, payload: &[u8]) -> Result<(), Error> {
        let mut data = Data::Lent(payload);
        unpad(head, &mut data)?;
        let Data::Lent(mut payload) = data else { return Ok(()) };
        if head.has(frame::PRIORITIZED) {
            payload = payload
                .get(5..)
                .ok_or_else(|| broken(Reason::FRAME_SIZE_ERROR, "HEADERS without its priority"))?;
        }
        if head.stream == 0 {
            return Err(protocol("HEADERS without a stream"));
        }
        let end_stream = head.has(frame::END_STREAM);
        if head.has(frame::END_HEADERS) {
            return self.receive_block(head.stream, end_stream, payload);
        }
        self.block =
            Some(Block { id: head.stream, end_stream, bytes: payload.to_vec(), received: payload.len() });
        Ok(())
    }

    fn receive_continuation(&mut self, head: Head, payload: &[u8]) -> Result<(), Error> {
        let Some(mut block) = self.block.take() else { return Err(protocol("CONTINUATION without HEADERS")) };
        block.received += frame::HEAD_BYTES + payload.len();
        if block.received > BLOCK_FACTOR * self.config.headers_bytes_max as usize {
            return Err(broken(Reason::ENHANCE_YOUR_CALM, "a block of headers without end"));
        }
        block.bytes.extend_from_slice(payload);
        if head.has(frame::END_HEADERS) {
            return self.receive_block(block.id, block.end_stream, &block.bytes);
        }
        self.block = Some(block);
        Ok(())
    }

    /// Headers are there as a whole.
    fn receive_block(&mut self, id: u32, end_stream: bool, block: &[u8]) -> Result<(), Error> {
        let bytes_max = self.config.headers_bytes_max as usize;
        // Decoded in any case: the table has to stay in step.
        let fields = Fields::decode(block, &mut self.decoder, bytes_max)
            .map_err(|_| broken(Reason::COMPRESSION_ERROR, "a block of headers that cannot be decoded"))?;
        if self.role == Role::Server && id % 2 == 1 && id > self.last_peer_id {
            self.last_peer_id = id;
            self.receive_request(id, end_stream, fields);
            return Ok(());
        }
        let Some(key) = self.stream(id)? else { return Ok(()) };
        let stream = &mut self.streams[key];
        if stream.has_received_end {
            self.reset(key, Reason::STREAM_CLOSED);
            return Ok(());
        }
        let received = if self.role == Role::Client && !stream.has_received_head {
            self.receive_response(key, end_stream, fields)
        } else if end_stream {
            self.receive_trailers(key, fields)
        } else {
            Err(Fault::Malformed)
        };
        if received.is_err() {
            self.reset(key, Reason::PROTOCOL_ERROR);
        }
        Ok(())
    }

    fn receive_request(&mut self, id: u32, end_stream: bool, fields: Fields) {
        if matches!(self.phase, Phase::Leaving | Phase::Closing) {
            // The GOAWAY has told the client that nothing is done for it.
            return;
        }
        self.last_accepted_id = id;
        if self.open >= self.config.streams_max as usize {
            return self.refuse(id, Reason::REFUSED_STREAM);
        }
        let request = fields.into_request().and_then(|request| {
            let body_left = content_length(request.headers())?;
            if end_stream && body_left.is_some_and(|left| left > 0) {
                Err(Fault::Malformed)
            } else {
                Ok((request, body_left))
            }
        });
        let (request, body_left) = match request {
            Ok(request) => request,
            Err(Fault::Malformed) => return self.refuse(id, Reason::PROTOCOL_ERROR),
            Err(Fault::TooLarge) => return self.answer_too_large(id, end_stream),
        };
        // Held by its body and by its response.
        let key = self.insert(id, 2);
        self.streams[key].has_received_end = end_stream;
        self.streams[key].body_left = body_left;
        self.requests.push_back((key, request));
    }

    fn refuse(&mut self, id: u32, reason: Reason) {
        self.reply(frame::RST_STREAM, 0, id, &u32::from(reason).to_be_bytes());
    }

    /// Answers 431: the list of headers is too large.
    fn answer_too_large(&mut self, id: u32, end_stream: bool) {
        let mut head = Response::new(());
        *head.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let mut block = Vec::new();
        crate::head::Head::Response(head).encode(&mut self.encoder, &mut block);
        self.reply(frame::HEADERS, frame::END_HEADERS | frame::END_STREAM, id, &block);
        if !end_stream {
            self.refuse(id, Reason::NO_ERROR);
        }
    }

    fn receive_response(&mut self, key: Key, end_stream: bool, fields: Fields) -> Result<(), Fault> {
        let response = fields.into_response()?;
        if response.status().is_informational() {
            return if end_stream { Err(Fault::Malformed) } else { Ok(()) };
        }
        let body_left = content_length(response.headers())?;
        let stream = &mut self.streams[key];
        stream.has_received_head = true;
        // A response without a body may say how long it would be.
        stream.body_left = if end_stream { None } else { body_left };
        if !stream.is_ignored {
            stream.head = Some(Box::new(response));
        }
        stream.wake_receiver();
        if end_stream {
            self.receive_end(key);
        }
        Ok(())
    }

    fn receive_trailers(&mut self, key: Key, fields: Fields) -> Result<(), Fault> {
        let trailers = fields.into_trailers()?;
        let stream = &mut self.streams[key];
        stream.trailers = (!stream.is_ignored).then(|| Box::new(trailers));
        self.receive_end(key);
        Ok(())
    }

    fn receive_reset(&mut self, head: Head, payload: &[u8]) -> Result<(), Error> {
        let code = four(payload, "RST_STREAM of a wrong length")?;
        if let Some(key) = self.stream(head.stream)? {
            let stream = &self.streams[key];
            if stream.has_end && !stream.has_sent_end {
                self.resets_before_sent += 1;
            }
            self.fail_stream(key, Error::reset(code.into(), By::Peer));
        }
        Ok(())
    }

    fn receive_settings(&mut self, head: Head, payload: &[u8]) -> Result<(), Error> {
        if head.stream != 0 {
            return Err(protocol("SETTINGS of a stream"));
        }
        if head.has(frame::ACK) {
            return if payload.is_empty() {
                Ok(())
            } else {
                Err(broken(Reason::FRAME_SIZE_ERROR, "an acknowledgement of SETTINGS that is not empty"))
            };
        }
        let changes = Changes::parse(payload, self.role == Role::Client)?;
        if let Some(bytes) = changes.table_bytes {
            self.encoder.set_bytes_max(bytes);
        }
        if let Some(bytes) = changes.frame_bytes_max {
            self.peer_frame_bytes_max = bytes.min(FRAME_BYTES_MAX);
        }
        if let Some(window) = changes.window {
            self.change_peer_window(window)?;
        }
        match changes.streams_max {
            Some(streams) => self.peer_streams_max = streams,
            // Without it there is no limit.
            None if !self.has_settings => self.peer_streams_max = usize::MAX,
            None => {}
        }
        self.has_settings = true;
        self.reply(frame::SETTINGS, frame::ACK, 0, &[]);
        self.open_more();
        Ok(())
    }

    fn change_peer_window(&mut self, window: i64) -> Result<(), Error> {
        let more = window - self.peer_window;
        self.peer_window = window;
        if more == 0 {
            return Ok(());
        }
        let keys: Vec<Key> = self.by_id.values().copied().collect();
        for key in keys {
            let stream = &mut self.streams[key];
            stream.send_window += more;
            if stream.send_window > WINDOW_MAX {
                return Err(broken(Reason::FLOW_CONTROL_ERROR, "a stream's window has grown too large"));
            }
            self.reschedule(key);
        }
        self.fill();
        self.pass_room_on();
        Ok(())
    }

    fn receive_ping(&mut self, head: Head, payload: &[u8]) -> Result<(), Error> {
        if payload.len() != 8 {
            return Err(broken(Reason::FRAME_SIZE_ERROR, "PING of a wrong length"));
        }
        if head.stream != 0 {
            return Err(protocol("PING of a stream"));
        }
        if !head.has(frame::ACK) {
            self.reply(frame::PING, frame::ACK, 0, payload);
        } else if self.phase == Phase::Announced && payload == LEAVING_PING {
            self.phase = Phase::Leaving;
            self.send_go_away(self.last_accepted_id, Reason::NO_ERROR, "");
        }
        Ok(())
    }

    fn receive_go_away(&mut self, head: Head, payload: &[u8]) -> Result<(), Error> {
        let Some(([last @ .., _, _, _, _], debug)) = payload.split_first_chunk::<8>() else {
            return Err(broken(Reason::FRAME_SIZE_ERROR, "GOAWAY of a wrong length"));
        };
        if head.stream != 0 {
            return Err(protocol("GOAWAY of a stream"));
        }
        let last = u32::from_be_bytes(*last) & frame::STREAM_MAX;
        let code = four(&payload[4..8], "GOAWAY of a wrong length")?;
        let debug = String::from_utf8_lossy(&debug[..debug.len().min(DEBUG_BYTES_MAX)]);
        let error = Error::go_away(code.into(), By::Peer, &*debug);
        self.goaway = Some(error.clone());
        if self.role == Role::Client {
            let excluded: Vec<Key> = self
                .streams
                .iter()
                .filter(|(_, stream)| (stream.id == 0 || stream.id > last) && !stream.is_closed())
                .map(|(key, _)| key)
                .collect();
            self.unopened.clear();
            excluded.into_iter().for_each(|key| self.fail_stream(key, error.clone()));
            self.wake_openers();
        }
        Ok(())
    }

    fn receive_window_update(&mut self, head: Head, payload: &[u8]) -> Result<(), Error> {
        let more = i64::from(four(payload, "WINDOW_UPDATE of a wrong length")? & frame::STREAM_MAX);
        if head.stream == 0 {
            if more == 0 {
                return Err(protocol("a WINDOW_UPDATE of nothing"));
            }
            self.send_window += more;
            if self.send_window > WINDOW_MAX {
                return Err(broken(
                    Reason::FLOW_CONTROL_ERROR,
                    "the connection's window has grown too large",
                ));
            }
            self.fill();
            self.pass_room_on();
            return Ok(());
        }
        let Some(key) = self.stream(head.stream)? else { return Ok(()) };
        let stream = &mut self.streams[key];
        stream.send_window += more;
        if more == 0 {
            self.reset(key, Reason::PROTOCOL_ERROR);
        } else if stream.send_window > WINDOW_MAX {
            self.reset(key, Reason::FLOW_CONTROL_ERROR);
        } else {
            self.reschedule(key);
            self.fill();
        }
        Ok(())
    }
}

impl Data<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Lent(bytes) => bytes.len(),
            Self::Owned(bytes) => bytes.len(),
        }
    }

    fn first(&self) -> Option<u8> {
        match self {
            Self::Lent(bytes) => bytes.first().copied(),
            Self::Owned(bytes) => bytes.first().copied(),
        }
    }

    fn keep(&mut self, from: usize, to: usize) {
        match self {
            Self::Lent(bytes) => *bytes = &bytes[from..to],
            Self::Owned(bytes) => *bytes = bytes.slice(from..to),
        }
    }
}

/// Removes the padding of DATA or HEADERS.
fn unpad(head: Head, payload: &mut Data<'_>) -> Result<(), Error> {
    if !head.has(frame::PADDED) {
        return Ok(());
    }
    let padding = usize::from(payload.first().ok_or_else(|| protocol("padding without its length"))?);
    let end = payload.len().checked_sub(padding).filter(|end| *end >= 1);
    payload.keep(1, end.ok_or_else(|| protocol("more padding than there is of the frame"))?);
    Ok(())
}

fn four(payload: &[u8], what: &str) -> Result<u32, Error> {
    payload.try_into().map(u32::from_be_bytes).map_err(|_| broken(Reason::FRAME_SIZE_ERROR, what))
}

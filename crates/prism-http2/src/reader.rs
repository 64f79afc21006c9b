//! From bytes to frames.
//!
//! Frames that have arrived whole are handled where they are, in the thread's buffer. What is kept of others: their beginning, or, of a
//! long DATA frame, the buffer that becomes its payload, into which the rest is read directly.

use std::mem;

use bytes::{BufMut as _, BytesMut};

use crate::error::{By, Error};
use crate::frame::{self, HEAD_BYTES, Head};
use crate::reason::Reason;
use crate::state::State;

/// From this length on, a DATA frame that has not arrived whole gets a buffer of its own.
const LONG_BYTES: usize = 4 * 1024;

/// A buffer that has grown larger is returned once it is empty.
const KEPT_BYTES: usize = 1024;

/// What has arrived of an incomplete frame.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    part: Vec<u8>,
    long: Option<Long>,
}

/// A long DATA frame, and the payload as far as it has arrived.
#[derive(Debug)]
struct Long {
    head: Head,
    payload: BytesMut,
}

impl Reader {
    /// The buffer into which to read directly, and how many bytes it lacks.
    pub(crate) fn direct(&mut self) -> Option<(&mut BytesMut, usize)> {
        let long = self.long.as_mut()?;
        let missing = long.head.len - long.payload.len();
        Some((&mut long.payload, missing))
    }

    /// Handles what was read directly.
    ///
    /// # Errors
    /// The peer has broken a rule.
    pub(crate) fn directly_read(&mut self, state: &mut State) -> Result<(), Error> {
        match self.long.take_if(|long| long.payload.len() == long.head.len) {
            Some(long) => state.receive_owned(long.head, long.payload.freeze()),
            None => Ok(()),
        }
    }

    /// Handles what was read into the thread's buffer.
    ///
    /// # Errors
    /// The peer has broken a rule.
    pub(crate) fn read(&mut self, mut bytes: &[u8], state: &mut State) -> Result<(), Error> {
        while !bytes.is_empty() {
            if let Some(long) = &mut self.long {
                let missing = long.head.len - long.payload.len();
                long.payload.put_slice(take(&mut bytes, missing));
                self.directly_read(state)?;
            } else if self.part.is_empty() {
                bytes = self.read_whole(bytes, state)?;
            } else {
                self.complete(&mut bytes, state)?;
            }
        }
        Ok(())
    }

    /// Handles the first frame, or keeps what there is of it. Returns what follows.
    fn read_whole<'a>(&mut self, bytes: &'a [u8], state: &mut State) -> Result<&'a [u8], Error> {
        let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() else {
            self.part.extend_from_slice(bytes);
            return Ok(&[]);
        };
        let head = parse(*head, state)?;
        if let Some((payload, rest)) = rest.split_at_checked(head.len) {
            state.receive(head, payload)?;
            return Ok(rest);
        }
        if is_long(head) {
            self.begin_long(head, rest);
        } else {
            self.part.extend_from_slice(bytes);
        }
        Ok(&[])
    }

    /// Adds to the frame that has arrived in part.
    fn complete(&mut self, bytes: &mut &[u8], state: &mut State) -> Result<(), Error> {
        if self.part.len() < HEAD_BYTES {
            let missing = HEAD_BYTES - self.part.len();
            self.part.extend_from_slice(take(bytes, missing));
        }
        let Some((head, payload)) = self.part.split_first_chunk::<HEAD_BYTES>() else { return Ok(()) };
        let head = parse(*head, state)?;
        let missing = head.len - payload.len();
        if missing > 0 && is_long(head) {
            let part = mem::take(&mut self.part);
            self.begin_long(head, &part[HEAD_BYTES..]);
            return Ok(());
        }
        self.part.extend_from_slice(take(bytes, missing));
        if self.part.len() == HEAD_BYTES + head.len {
            let mut part = mem::take(&mut self.part);
            state.receive(head, &part[HEAD_BYTES..])?;
            if part.capacity() <= KEPT_BYTES {
                part.clear();
                self.part = part;
            }
        }
        Ok(())
    }

    fn begin_long(&mut self, head: Head, begin: &[u8]) {
        let mut payload = BytesMut::with_capacity(head.len);
        payload.put_slice(begin);
        self.long = Some(Long { head, payload });
    }
}

fn is_long(head: Head) -> bool {
    head.kind == frame::DATA && head.len >= LONG_BYTES
}

fn parse(head: [u8; HEAD_BYTES], state: &State) -> Result<Head, Error> {
    let head = Head::parse(head);
    if head.len > state.config.frame_bytes_max as usize {
        return Err(Error::go_away(Reason::FRAME_SIZE_ERROR, By::Us, "a frame that is too large"));
    }
    Ok(head)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count.min(bytes.len()));
    *bytes = rest;
    taken
}

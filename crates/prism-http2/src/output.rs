//! What has been encoded and not been written yet.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem;

use crate::payload::Payload;

/// A longer payload is written from where it is; to copy a shorter one is cheaper than another piece in a system call.
const COPIED_BYTES_MAX: usize = 2 * 1024;

/// The same for a socket that takes one piece at a time, as TLS does: it copies everything anyway, and makes a record of each piece.
const COPIED_BYTES_MAX_UNVECTORED: usize = 16 * 1024;

/// A buffer that has grown larger is returned once it is empty.
const KEPT_BYTES: usize = 4 * 1024;

/// How many pieces are written at once.
pub(crate) const PIECES_MAX: usize = 32;

/// Encoded frames, in order.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pieces: VecDeque<Piece>,
    /// What follows the pieces.
    tail: Vec<u8>,
    /// How much of the first piece, or of the tail if there is none, has been written.
    written: usize,
    len: usize,
    /// Whether the socket takes one piece at a time.
    pub(crate) is_unvectored: bool,
}

#[derive(Debug)]
enum Piece {
    Encoded(Vec<u8>),
    Payload(Payload),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Encoded(bytes) => bytes,
            Self::Payload(payload) => payload.bytes(),
        }
    }
}

impl Output {
    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Lets `encode` append.
    pub(crate) fn append(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        let before = self.tail.len();
        encode(&mut self.tail);
        self.len += self.tail.len() - before;
    }

    pub(crate) fn push(&mut self, payload: Payload) {
        let copied_max = if self.is_unvectored { COPIED_BYTES_MAX_UNVECTORED } else { COPIED_BYTES_MAX };
        if payload.len() <= copied_max {
            return self.extend(payload.bytes());
        }
        self.len += payload.len();
        if !self.tail.is_empty() {
            self.pieces.push_back(Piece::Encoded(mem::take(&mut self.tail)));
        }
        self.pieces.push_back(Piece::Payload(payload));
    }

    /// The next bytes, in one piece.
    pub(crate) fn first(&self) -> &[u8] {
        let first = self.pieces.front().map_or(self.tail.as_slice(), Piece::bytes);
        &first[self.written..]
    }

    /// Whether [`first`](Self::first) is everything.
    pub(crate) fn is_one(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The next bytes, in several pieces.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; PIECES_MAX]) -> usize {
        let pieces = self.pieces.iter().map(Piece::bytes).chain([self.tail.as_slice()]);
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            *slice = IoSlice::new(if count == 0 { &piece[self.written..] } else { piece });
            count += 1;
        }
        count
    }

    /// Removes what has been written.
    pub(crate) fn advance(&mut self, bytes: usize) {
        self.len -= bytes;
        self.written += bytes;
        while let Some(piece) = self.pieces.front() {
            let len = piece.bytes().len();
            if self.written < len {
                return;
            }
            self.written -= len;
            self.pieces.pop_front();
        }
        if self.written == self.tail.len() {
            self.written = 0;
            self.tail.clear();
            if self.tail.capacity() > KEPT_BYTES {
                self.tail = Vec::new();
            }
        } else if self.written >= KEPT_BYTES.max(self.tail.len() / 2) {
            // It may never become empty.
            self.tail.drain(..self.written);
            self.written = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn an_output_that_is_never_empty_returns_what_was_written() {
        let mut output = Output::default();
        output.extend(&[0; 1000]);
        for _ in 0..10_000 {
            output.extend(&[1; 1000]);
            output.advance(1000);
        }
        assert!(output.len() == 1000 && output.tail.capacity() <= 16 * 1024, "{}", output.tail.capacity());
    }

    #[test]
    fn whatever_is_put_in_comes_out_in_order() {
        let mut random = fastrand::Rng::with_seed(3);
        let (mut output, mut put, mut got) = (Output::default(), Vec::new(), Vec::new());
        for _ in 0..20_000 {
            let bytes = vec![random.u8(..); random.usize(..50)];
            match random.usize(..4) {
                0 => output.extend(&bytes),
                1 if random.usize(..20) == 0 => {
                    let long = vec![random.u8(..); COPIED_BYTES_MAX + 1];
                    put.extend_from_slice(&long);
                    output.push(Bytes::from(long).into());
                    continue;
                }
                1 => output.push(Bytes::copy_from_slice(&bytes).into()),
                _ => {
                    let taken = {
                        let mut slices = [IoSlice::new(&[]); PIECES_MAX];
                        let count = output.slices(&mut slices);
                        assert_eq!(output.first(), &*slices[0]);
                        assert_eq!(output.is_one(), count == 1);
                        let all: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
                        all[..random.usize(..=all.len())].to_vec()
                    };
                    output.advance(taken.len());
                    got.extend(taken);
                    continue;
                }
            }
            put.extend_from_slice(&bytes);
            assert_eq!(output.len(), put.len() - got.len());
        }
        output.advance(output.len());
        assert!(output.is_empty() && put.starts_with(&got) && got.len() > 100_000);
    }
}

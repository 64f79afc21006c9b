//! What has arrived on a stream and not been read yet.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Pieces that arrive behind an unread one are gathered up to this size, so that many small ones take no more memory than their bytes.
const GATHERED_BYTES: usize = 4 * 1024;

/// Pieces of a body, in order. Most bodies are one.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// Empty if there is none.
    first: Bytes,
    more: VecDeque<Bytes>,
    gathered: BytesMut,
}

impl Received {
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.gathered.is_empty() && self.more.is_empty()
    }

    /// Appends bytes that are copied.
    pub(crate) fn copy(&mut self, bytes: &[u8]) {
        if self.is_empty() {
            self.first = Bytes::copy_from_slice(bytes);
        } else if bytes.len() >= GATHERED_BYTES {
            self.push(Bytes::copy_from_slice(bytes));
        } else {
            self.gathered.extend_from_slice(bytes);
            if self.gathered.len() >= GATHERED_BYTES {
                self.seal();
            }
        }
    }

    /// Appends bytes as they are.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if self.is_empty() {
            self.first = bytes;
        } else if bytes.len() < GATHERED_BYTES {
            self.copy(&bytes);
        } else {
            self.seal();
            self.more.push_back(bytes);
        }
    }

    fn seal(&mut self) {
        if !self.gathered.is_empty() {
            self.more.push_back(self.gathered.split().freeze());
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        if !self.first.is_empty() {
            return Some(std::mem::take(&mut self.first));
        }
        if let Some(piece) = self.more.pop_front() {
            return Some(piece);
        }
        (!self.gathered.is_empty()).then(|| self.gathered.split().freeze())
    }

    /// Drops everything, and returns how many bytes it was.
    pub(crate) fn clear(&mut self) -> usize {
        let more: usize = self.more.iter().map(Bytes::len).sum();
        let bytes = self.first.len() + more + self.gathered.len();
        *self = Self::default();
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_read_in_order_and_small_ones_are_gathered() {
        let mut received = Received::default();
        let all: Vec<u8> = (0..50_000_u32).map(|at| at as u8).collect();
        let mut left = all.as_slice();
        let mut random = fastrand::Rng::with_seed(1);
        while !left.is_empty() {
            let large = random.usize(..50) == 0;
            let len = random.usize(1..=if large { 9000 } else { 20 }).min(left.len());
            let (piece, rest) = left.split_at(len);
            if random.bool() {
                received.copy(piece)
            } else {
                received.push(Bytes::copy_from_slice(piece))
            }
            left = rest;
        }
        let mut pieces = Vec::new();
        while let Some(piece) = received.pop() {
            pieces.push(piece);
        }
        assert!(received.is_empty() && pieces.len() < 60, "{}", pieces.len());
        assert_eq!(pieces.concat(), all);
    }

    #[test]
    fn what_is_dropped_is_counted() {
        let mut received = Received::default();
        received.copy(&[1; 10]);
        received.copy(&[2; 20]);
        received.push(Bytes::from(vec![3; 5000]));
        assert_eq!((received.clear(), received.is_empty()), (5030, true));
    }
}

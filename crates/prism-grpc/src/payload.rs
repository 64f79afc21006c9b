//! What is handed to HTTP/2 to be sent: bytes, and the charge for them until they have left.

use bytes::{Buf, Bytes};

use crate::shares::Charge;

/// Bytes of an answer. h2 drops them once they are written, and with them the [`Charge`].
#[derive(Debug, Default)]
pub struct Payload {
    bytes: Bytes,
    /// Boxed, since few are charged and all are handed on.
    _charge: Option<Box<Charge>>,
}

impl Payload {
    /// Bytes that are paid for.
    #[must_use]
    pub fn charged(bytes: Bytes, charge: Charge) -> Self {
        Self { bytes, _charge: Some(Box::new(charge)) }
    }

    /// The end of a body: no bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Bytes that are nobody's share: a request on its way to a backend, whose message is charged already.
    #[must_use]
    pub fn free(bytes: Bytes) -> Self {
        Self { bytes, _charge: None }
    }
}

impl Buf for Payload {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

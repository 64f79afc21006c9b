//! What HTTP/2 is given to send: bytes, and the charge for them until they have been written.

use bytes::{Buf, Bytes};

use crate::shares::Charge;

/// Bytes of a response. h2 drops them once they are written, and with them the [`Charge`].
#[derive(Debug, Default)]
pub struct Payload {
    bytes: Bytes,
    /// Boxed, because all are passed on and few are charged.
    _charge: Option<Box<Charge>>,
}

impl Payload {
    /// Bytes with their charge.
    #[must_use]
    pub fn charged(bytes: Bytes, charge: Charge) -> Self {
        Self { bytes, _charge: Some(Box::new(charge)) }
    }

    /// The end of a body: no bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Bytes that no share pays for: a request on its way to a backend, whose message is already charged.
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

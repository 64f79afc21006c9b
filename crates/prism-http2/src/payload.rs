//! Bytes to be sent.

use std::fmt;

use bytes::Bytes;

/// Bytes of a body, and what is held until they have been written: the charge for them, for example.
#[derive(Default)]
pub struct Payload {
    bytes: Bytes,
    held: Option<Box<dyn Send + Sync>>,
}

impl Payload {
    /// Bytes, and what is dropped once they have been written, or never will be.
    pub fn holding(bytes: Bytes, held: impl Send + Sync + 'static) -> Self {
        Self { bytes, held: Some(Box::new(held)) }
    }

    /// No bytes: for the end of a body.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The first bytes; with the last ones goes what is held.
    pub(crate) fn split_to(&mut self, bytes: usize) -> Self {
        let first = self.bytes.split_to(bytes);
        Self { bytes: first, held: if self.bytes.is_empty() { self.held.take() } else { None } }
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, held: None }
    }
}

impl fmt::Debug for Payload {
    /// Not the bytes: they are a user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").field("len", &self.len()).finish_non_exhaustive()
    }
}

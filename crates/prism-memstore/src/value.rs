//! A value of a list as stored, with the number of its deliveries once it has been reserved.
//!
//! A value that has never been reserved is nothing but its bytes, and the count of others has an allocation of its own: so that
//! plain lists pay nothing for it.

use std::mem::size_of;
use std::ops::Deref;

use crate::memory::allocation_bytes;

/// A value, which is its bytes.
pub(crate) enum Value {
    Plain(Box<[u8]>),
    Delivered(Box<Delivered>),
}

pub(crate) struct Delivered {
    deliveries: u32,
    bytes: Box<[u8]>,
}

impl Value {
    /// A value that has been delivered a number of times.
    pub(crate) fn delivered(bytes: Box<[u8]>, deliveries: u32) -> Self {
        match deliveries {
            0 => Self::Plain(bytes),
            _ => Self::Delivered(Box::new(Delivered { deliveries, bytes })),
        }
    }

    pub(crate) fn deliveries(&self) -> u32 {
        match self {
            Self::Plain(_) => 0,
            Self::Delivered(delivered) => delivered.deliveries,
        }
    }

    pub(crate) fn into_bytes(self) -> Box<[u8]> {
        match self {
            Self::Plain(bytes) => bytes,
            Self::Delivered(delivered) => delivered.bytes,
        }
    }

    /// What it takes besides its slot.
    pub(crate) fn charged_bytes(&self) -> u64 {
        let count = match self {
            Self::Plain(_) => 0,
            Self::Delivered(_) => allocation_bytes(size_of::<Delivered>()),
        };
        allocation_bytes(self.len()) + count
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Plain(bytes) => bytes,
            Self::Delivered(delivered) => &delivered.bytes,
        }
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Plain(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_value_takes_no_more_for_being_able_to_be_counted() {
        assert_eq!(size_of::<Value>(), size_of::<Box<[u8]>>());
        assert_eq!(Value::from(&[0; 100][..]).charged_bytes(), allocation_bytes(100));
    }

    #[test]
    fn a_count_of_deliveries_is_kept_and_charged() {
        for (deliveries, charged) in [(0, 16), (1, 48), (u32::MAX, 48)] {
            let value = Value::delivered(b"value"[..].into(), deliveries);
            assert_eq!((value.deliveries(), value.charged_bytes()), (deliveries, charged));
            assert_eq!(*value, b"value"[..]);
            assert_eq!(*value.into_bytes(), b"value"[..]);
        }
    }
}

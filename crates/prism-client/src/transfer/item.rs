//! What is copied: a key, or a part of a list.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use prism_proto::interfaces::transfer::{self as wire, KeyItem, ListPart, item::Kind};

use crate::answer::{millis, unsigned};

/// A key, or a part of a list.
#[derive(Clone, PartialEq, Eq)]
pub enum Item {
    /// A key and its value.
    Key {
        /// The key.
        key: String,
        /// The value.
        value: Bytes,
        /// The time that it has left to live; `None` if it does not expire.
        ttl_left: Option<Duration>,
    },
    /// A list, or a part of one: a long list comes in parts, in order.
    ListPart {
        /// The list's key.
        list_key: String,
        /// From left to right.
        values: Vec<Bytes>,
        /// The number of the part, from 0.
        part: u64,
        /// Whether it is the list's last part.
        last: bool,
    },
}

impl Item {
    /// A list that is short enough for one part.
    pub fn list(list_key: impl Into<String>, values: Vec<Bytes>) -> Self {
        Self::ListPart { list_key: list_key.into(), values, part: 0, last: true }
    }

    /// Whether it is a part of a list that has more of them.
    #[must_use]
    pub fn is_continued(&self) -> bool {
        matches!(self, Self::ListPart { last: false, .. })
    }

    /// `None` if it is of a kind that this client does not know.
    pub(super) fn of(item: Option<wire::Item>) -> Option<Self> {
        Some(match item?.kind? {
            Kind::Key(KeyItem { key, value, ttl_millis_left }) => {
                Self::Key { key, value, ttl_left: ttl_millis_left.map(millis) }
            }
            Kind::ListPart(ListPart { list_key, values, part, last }) => {
                Self::ListPart { list_key, values, part: unsigned(part), last }
            }
        })
    }

    /// As it is sent: a time to live in milliseconds, with fractions rounded up.
    pub(super) fn into_wire(self) -> wire::Item {
        let signed = |number: u128| i64::try_from(number).unwrap_or(i64::MAX);
        let kind = match self {
            Self::Key { key, value, ttl_left } => {
                let ttl_millis_left = ttl_left.map(|left| signed(left.as_micros().div_ceil(1000)));
                Kind::Key(KeyItem { key, value, ttl_millis_left })
            }
            Self::ListPart { list_key, values, part, last } => {
                Kind::ListPart(ListPart { list_key, values, part: signed(part.into()), last })
            }
        };
        wire::Item { kind: Some(kind) }
    }
}

/// Shows neither keys nor values.
impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { ttl_left, .. } => {
                f.debug_struct("Key").field("ttl_left", ttl_left).finish_non_exhaustive()
            }
            Self::ListPart { values, part, last, .. } => f
                .debug_struct("ListPart")
                .field("values", &values.len())
                .field("part", part)
                .field("last", last)
                .finish_non_exhaustive(),
        }
    }
}

/// An item, and when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The item.
    pub item: Item,
    /// When it was read, in milliseconds since 1970-01-01 UTC; 0 if that is not known.
    pub taken_at_unix_millis: i64,
}

/// An item of which nobody knows when it was read.
impl From<Item> for Exported {
    fn from(item: Item) -> Self {
        Self { item, taken_at_unix_millis: 0 }
    }
}

//! Batches. What is written item by item, as the kit does it, could not be written faster together.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use prism_plugin::keyvalue::{KeyValueBatch, ValueAndTtl};
use prism_plugin::types::{Key, Namespace};
use prism_plugin::{Context, Error};

use crate::entry::{Entry, SHARED_VALUE_BYTES_MIN};
use crate::store::MemStore;

/// How much is read at a time: others get their turn, and little is held.
const PART_ITEMS: usize = 256;
const PART_BYTES: usize = 1024 * 1024;

impl KeyValueBatch for MemStore {
    async fn get_first(
        &self,
        _: &Context,
        namespace: &Namespace,
        keys: &[Key],
        _: bool,
    ) -> Vec<Result<Option<ValueAndTtl>, Error>> {
        let part = &keys[..keys.len().min(PART_ITEMS)];
        let now = self.shared.clock.now();
        let (mut small, mut values, mut bytes) = (BytesMut::new(), Vec::with_capacity(part.len()), 0);
        let is_read = self.shared.keys.read(namespace, |keys| {
            for key in part {
                let read = |entry: &Entry| {
                    entry.is_live(now).then(|| (Read::of(entry, &mut small), entry.left(now)))
                };
                let found = keys.read(key, read).flatten();
                bytes += found.as_ref().map_or(0, |(value, _)| value.len());
                values.push(found);
                if bytes >= PART_BYTES {
                    break;
                }
            }
        });
        if is_read.is_none() {
            values.resize_with(part.len(), || None);
        }
        let small = small.freeze();
        let value = |(read, left): (Read, _)| match read {
            Read::Small(range) => (small.slice(range), left),
            Read::Shared(value) => (value, left),
        };
        values.into_iter().map(|found| Ok(found.map(value))).collect()
    }
}

/// A value: a part of the buffer of all small ones, because an allocation for each would cost more than the rest of its lookup, or the
/// entry's.
enum Read {
    Small(Range<usize>),
    Shared(Bytes),
}

impl Read {
    fn of(entry: &Entry, small: &mut BytesMut) -> Self {
        if entry.value_len() >= SHARED_VALUE_BYTES_MIN {
            return Self::Shared(entry.to_value());
        }
        let from = small.len();
        small.extend_from_slice(entry.value());
        Self::Small(from..small.len())
    }

    fn len(&self) -> usize {
        match self {
            Self::Small(range) => range.len(),
            Self::Shared(value) => value.len(),
        }
    }
}

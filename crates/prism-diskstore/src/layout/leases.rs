//! Keys and records of values under leases, and of values that came back from one.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use prism_plugin::list::{DeliveryLimit, End, Reserved, ReservedValue};
use prism_plugin::types::{Key, Namespace};

use super::{DELIVERIES, LEASE, name, parts, placed};

/// The key of the number of the last lease that was made.
pub(crate) const LAST: &[u8] = b"G";

/// Values that one call has reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    /// When it ends, in milliseconds since 1970.
    pub(crate) until: u64,
    /// What nobody can guess, so that nobody can name another's lease.
    pub(crate) check: u64,
    pub(crate) end: End,
    pub(crate) deliveries: Option<DeliveryLimit>,
    /// How often they have been delivered, and the values, in the order in which they were popped. At least one.
    pub(crate) values: Vec<(u32, Bytes)>,
}

impl Lease {
    pub(crate) fn encode(&self) -> Bytes {
        let bytes = self.values.iter().map(|(_, value)| 8 + value.len()).sum::<usize>();
        let mut encoded = BytesMut::with_capacity(32 + bytes);
        encoded.put_u64(self.until);
        encoded.put_u64(self.check);
        encoded.put_u8(u8::from(self.end == End::Right));
        let (max, dead_letter) = match &self.deliveries {
            None => (0, &[][..]),
            Some(limit) => (limit.max, limit.dead_letter.as_bytes()),
        };
        encoded.put_u32(max);
        // At most 4,096 bytes, and 4 MiB: the contract's limits.
        encoded.put_u16(u16::try_from(dead_letter.len()).unwrap_or(u16::MAX));
        encoded.put_slice(dead_letter);
        for (deliveries, value) in &self.values {
            encoded.put_u32(*deliveries);
            encoded.put_u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
            encoded.put_slice(value);
        }
        encoded.freeze()
    }

    pub(crate) fn decode(mut encoded: Bytes) -> Option<Self> {
        let (until, check) = (encoded.try_get_u64().ok()?, encoded.try_get_u64().ok()?);
        let end = match encoded.try_get_u8().ok()? {
            0 => End::Left,
            1 => End::Right,
            _ => return None,
        };
        let max = encoded.try_get_u32().ok()?;
        let bytes = encoded.try_get_u16().ok()?;
        let dead_letter = take(&mut encoded, bytes.into())?;
        let deliveries = if max == 0 {
            None
        } else {
            let dead_letter = Key::stored(String::from_utf8(dead_letter.into()).ok()?);
            Some(DeliveryLimit { max, dead_letter })
        };
        let mut values = Vec::new();
        while !encoded.is_empty() {
            let (deliveries, bytes) = (encoded.try_get_u32().ok()?, encoded.try_get_u32().ok()?);
            values.push((deliveries, take(&mut encoded, bytes as usize)?));
        }
        (!values.is_empty()).then_some(Self { until, check, end, deliveries, values })
    }

    /// What the caller is given.
    pub(crate) fn reserved(&self, number: u64) -> Reserved {
        let value = |(deliveries, value): &(u32, Bytes)| ReservedValue {
            value: value.clone(),
            deliveries: *deliveries,
        };
        let values = self.values.iter().map(value).collect();
        Reserved { lease: [number.to_be_bytes(), self.check.to_be_bytes()].concat().into(), values }
    }

    /// Takes those values that have been delivered as often as they may be, and names the list for them.
    pub(crate) fn take_dead(&mut self) -> Option<(Key, Vec<Bytes>)> {
        let limit = self.deliveries.as_ref()?;
        let dead = self.values.extract_if(.., |(deliveries, _)| *deliveries >= limit.max);
        let dead: Vec<_> = dead.map(|(_, value)| value).collect();
        (!dead.is_empty()).then(|| (limit.dead_letter.clone(), dead))
    }
}

fn take(encoded: &mut Bytes, bytes: usize) -> Option<Bytes> {
    (bytes <= encoded.len()).then(|| encoded.split_to(bytes))
}

/// The number and the check in the name of a lease.
pub(crate) fn named(token: &[u8]) -> Option<(u64, u64)> {
    super::numbers(Some(token))
}

/// When an encoded lease ends.
pub(crate) fn until(encoded: &[u8]) -> u64 {
    encoded.first_chunk().map_or(0, |until| u64::from_be_bytes(*until))
}

pub(crate) fn is_lease(key: &[u8]) -> bool {
    key.first() == Some(&LEASE)
}

pub(crate) fn lease(namespace: &str, list: &[u8], number: u64) -> Vec<u8> {
    within(LEASE, namespace, list, number)
}

/// The list and the number in the key of a lease.
pub(crate) fn lease_of(key: &[u8]) -> Option<((Namespace, Key), u64)> {
    let (namespace, rest) = parts(key)?;
    let (list, number) = placed(rest)?;
    let list = Key::stored(std::str::from_utf8(list).ok()?.to_owned());
    Some(((Namespace::new(namespace.to_owned()).ok()?, list), number.cast_unsigned() ^ 1 << 63))
}

/// What is before all leases of a list, and what is behind them.
pub(crate) fn leases(namespace: &str, list: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut behind = lease(namespace, list, u64::MAX);
    behind.push(0);
    (lease(namespace, list, 0), behind)
}

/// The key of how often the value at a position has been delivered.
pub(crate) fn deliveries(namespace: &str, list: &[u8], position: i64) -> Vec<u8> {
    within(DELIVERIES, namespace, list, position.cast_unsigned() ^ 1 << 63)
}

fn within(tag: u8, namespace: &str, list: &[u8], number: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + namespace.len() + 2 + list.len() + 8);
    name(&mut key, tag, namespace);
    key.put_u16(u16::try_from(list.len()).unwrap_or(u16::MAX));
    key.put_slice(list);
    key.put_u64(number);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let limit = DeliveryLimit { max: 3, dead_letter: Key::stored("dead".to_owned()) };
        for (end, deliveries) in [(End::Left, None), (End::Right, Some(limit))] {
            let values = vec![(1, Bytes::new()), (7, Bytes::from_static(b"value"))];
            let lease = Lease { until: 5, check: 6, end, deliveries, values };
            assert_eq!(Lease::decode(lease.encode()), Some(lease.clone()));
            let encoded = lease.encode();
            assert_eq!(until(&encoded), 5);
            assert_eq!(Lease::decode(encoded.slice(..encoded.len() - 1)), None);
            assert_eq!(named(&lease.reserved(9).lease), Some((9, 6)));
        }
        let (place, number) = lease_of(&lease("orders", b"list", 7)).unwrap();
        assert_eq!((&*place.0, place.1.as_bytes(), number), ("orders", &b"list"[..], 7));
        assert_eq!(named(b"no lease"), None);
    }

    /// Stores of this format are on disks.
    #[test]
    fn the_layout_is_pinned() {
        assert_eq!(lease("a", b"k", 1), b"Q\x01a\0\x01k\0\0\0\0\0\0\0\x01");
        assert_eq!(deliveries("a", b"k", 0), b"D\x01a\0\x01k\x80\0\0\0\0\0\0\0");
        let values = vec![(2, Bytes::from_static(b"v"))];
        let lease = Lease { until: 1, check: 3, end: End::Right, deliveries: None, values };
        let encoded = b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x03\x01\0\0\0\0\0\0\0\0\0\x02\0\0\0\x01v";
        assert_eq!(lease.encode(), &encoded[..]);
    }
}

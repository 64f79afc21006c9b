//! The messages of a load, framed for gRPC and, unless there are too many, built once before it starts.
//!
//! All messages of one kind have the same length, because their keys do. So they are stored in one table, and a message
//! is a slice of it: no allocation, no encoding. Each worker has its own handle to the table, so that threads do not
//! share a reference counter.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use prism_grpc::message::PREFIX_BYTES;
use prism_proto::interfaces::keyvalue::{
    Condition,
    condition::{Present, Test},
};
use prost::encoding::{WireType, encode_key, encode_varint};

use super::keys::Keys;
use super::kind::Kind;

/// The largest table: 64 MiB, so that those of all kinds stay about a gigabyte.
const TABLE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What all messages of a load have in common.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) namespace: String,
    pub(super) keys: Keys,
    pub(super) value: Bytes,
    pub(super) ttl_seconds: Option<i64>,
    pub(super) limit: i32,
}

/// What Expire lets a key live unless there is a time to live.
const EXPIRE_SECONDS: i64 = 3600;

/// The messages of one kind of call.
#[derive(Clone, Debug)]
pub(super) struct Encoded {
    content: Arc<Content>,
    kind: Kind,
    /// All messages, one after the other.
    table: Option<Arc<[u8]>>,
}

/// One worker's handle to the messages of one kind.
#[derive(Debug)]
pub(super) struct Messages {
    encoded: Encoded,
    table: Option<Bytes>,
    message_bytes: usize,
    rows: u64,
}

/// One framed message, in one or two pieces.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) head: Bytes,
    /// The rest; empty if the head is the whole message.
    pub(super) value: Bytes,
}

impl Encoded {
    pub(super) fn new(content: &Arc<Content>, kind: Kind) -> Self {
        let mut encoded = Self { content: Arc::clone(content), kind, table: None };
        let rows = encoded.rows();
        let first = encoded.build(0);
        let bytes = usize::try_from(rows).ok().and_then(|rows| rows.checked_mul(first.len()));
        if let Some(bytes) = bytes.filter(|bytes| *bytes <= TABLE_BYTES_MAX) {
            let mut table = Vec::with_capacity(bytes);
            for row in 0..rows {
                let message = encoded.build(row);
                table.extend_from_slice(&message.head);
                table.extend_from_slice(&message.value);
            }
            encoded.table = Some(table.into());
        }
        encoded
    }

    /// A handle for one worker.
    pub(super) fn handle(&self) -> Messages {
        Messages {
            table: self.table.clone().map(Bytes::from_owner),
            message_bytes: self.build(0).len(),
            rows: self.rows(),
            encoded: self.clone(),
        }
    }

    fn rows(&self) -> u64 {
        if self.kind.is_of_prefix() { 1 } else { self.content.keys.count }
    }

    /// Encodes a message. Every request has its namespace in field 1 and its key, keys, list key or prefix in field 2; those
    /// that store have the value in field 3, which comes last.
    fn build(&self, row: u64) -> Message {
        let content = &*self.content;
        let value = if self.kind.stores() { content.value.clone() } else { Bytes::new() };
        let keys = self.keys(row);
        // 64 bytes are more than all other tags and numbers need, and 4 more than those of a key.
        let keys_len = keys.len() * (content.keys.len() + 4);
        let mut head = BytesMut::with_capacity(64 + content.namespace.len() + keys_len);
        head.put_bytes(0, PREFIX_BYTES);
        put_text(&mut head, 1, &content.namespace);
        for key in keys {
            put_text(&mut head, 2, &key);
        }
        self.put_options(&mut head);
        if self.kind.stores() {
            put_length(&mut head, 3, value.len());
        }
        let len = head.len() - PREFIX_BYTES + value.len();
        let len = u32::try_from(len).expect("the plan refuses values that no message holds");
        head[1..PREFIX_BYTES].copy_from_slice(&len.to_be_bytes());
        Message { head: head.freeze(), value }
    }

    /// What a message names: the prefix, or keys from one of them on.
    fn keys(&self, row: u64) -> impl ExactSizeIterator<Item = String> {
        let keys = &self.content.keys;
        let count = match (self.kind, u32::try_from(self.content.limit)) {
            (Kind::BatchGet, Ok(limit)) => limit.min(u32::try_from(keys.count).unwrap_or(u32::MAX)),
            _ => 1,
        };
        (0..count).map(move |behind| match self.kind.is_of_prefix() {
            true => keys.prefix.clone(),
            false => keys.name((row + u64::from(behind)) % keys.count),
        })
    }

    /// Encodes the fields that are the same in every message of a kind.
    fn put_options(&self, head: &mut BytesMut) {
        let Content { ttl_seconds, limit, .. } = &*self.content;
        let number = |number: i64| u64::try_from(number).unwrap_or(0);
        match (self.kind, ttl_seconds) {
            (Kind::Scan | Kind::ScanKeys, _) => put_number(head, 3, number((*limit).into())),
            (Kind::Set, Some(seconds)) => put_number(head, 4, number(*seconds)),
            (Kind::SetIf, _) => {
                if let Some(seconds) = ttl_seconds {
                    put_number(head, 4, number(seconds * 1000));
                }
                let condition = Condition { test: Some(Test::Present(Present {})) };
                prost::encoding::message::encode(5, &condition, head);
            }
            // By one.
            (Kind::Increment, _) => {
                put_number(head, 3, 1);
                if let Some(seconds) = ttl_seconds {
                    put_number(head, 5, number(seconds * 1000));
                }
            }
            (Kind::Expire, _) => {
                put_number(head, 3, number(ttl_seconds.unwrap_or(EXPIRE_SECONDS) * 1000));
            }
            _ => {}
        }
    }
}

fn put_text(out: &mut BytesMut, field: u32, text: &str) {
    put_length(out, field, text.len());
    out.put_slice(text.as_bytes());
}

fn put_number(out: &mut BytesMut, field: u32, number: u64) {
    encode_key(field, WireType::Varint, out);
    encode_varint(number, out);
}

/// Writes the prefix of bytes and strings.
fn put_length(out: &mut BytesMut, field: u32, len: usize) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(len as u64, out);
}

impl Messages {
    /// A message for a random key, uniformly distributed.
    pub(super) fn draw(&self, random: &mut fastrand::Rng) -> Message {
        let row = if self.rows == 1 { 0 } else { random.u64(..self.rows) };
        match &self.table {
            Some(table) => {
                // The table's length fits, so this offset does.
                let begin = row as usize * self.message_bytes;
                Message { head: table.slice(begin..begin + self.message_bytes), value: Bytes::new() }
            }
            None => self.encoded.build(row),
        }
    }
}

impl Message {
    pub(super) fn len(&self) -> usize {
        self.head.len() + self.value.len()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prism_proto::interfaces::keyvalue::{
        BatchGetRequest, CountRequest, ExpireRequest, GetRequest, IncrementRequest, ScanRequest,
        SetIfRequest, SetRequest,
    };
    use prism_proto::interfaces::list::PushLeftRequest;

    use super::*;

    fn content(count: u64, value_bytes: usize) -> Arc<Content> {
        Arc::new(Content {
            namespace: "orders".to_owned(),
            keys: Keys { prefix: "p:".to_owned(), digits: 9, count },
            value: vec![7; value_bytes].into(),
            ttl_seconds: Some(300),
            limit: 200,
        })
    }

    /// Draws a message and decodes it, complete and framed.
    fn drawn<M: prost::Message + Default>(encoded: &Encoded) -> M {
        let message = encoded.handle().draw(&mut fastrand::Rng::with_seed(1));
        let bytes = [message.head, message.value].concat();
        assert_eq!(bytes[..5], [&[0][..], &(bytes.len() as u32 - 5).to_be_bytes()].concat());
        M::decode(&bytes[5..]).unwrap()
    }

    #[test]
    fn messages_decode_as_what_they_are() {
        let content = content(1, 300);
        let (namespace, key) = ("orders".to_owned(), "p:000000000".to_owned());
        let get: GetRequest = drawn(&Encoded::new(&content, Kind::Get));
        assert_eq!((&get.namespace, &get.key), (&namespace, &key));
        let set: SetRequest = drawn(&Encoded::new(&content, Kind::Set));
        assert_eq!((&set.namespace, &set.key, set.ttl_seconds), (&namespace, &key, Some(300)));
        assert_eq!(set.value, vec![7; 300]);
        let push: PushLeftRequest = drawn(&Encoded::new(&content, Kind::PushLeft));
        assert_eq!((&push.namespace, &push.list_key, push.value.len()), (&namespace, &key, 300));
        let scan: ScanRequest = drawn(&Encoded::new(&content, Kind::Scan));
        assert_eq!((&scan.namespace, scan.prefix.as_str(), scan.limit), (&namespace, "p:", 200));
        let count: CountRequest = drawn(&Encoded::new(&content, Kind::Count));
        assert_eq!(count.prefix, "p:");
        let set: SetIfRequest = drawn(&Encoded::new(&content, Kind::SetIf));
        assert_eq!((&set.namespace, &set.key, set.value.len()), (&namespace, &key, 300));
        assert_eq!(set.condition.unwrap().test, Some(Test::Present(Present {})));
        assert_eq!((set.ttl_millis, set.return_current), (Some(300_000), false));
        let increment: IncrementRequest = drawn(&Encoded::new(&content, Kind::Increment));
        assert_eq!((&increment.key, increment.delta, increment.ttl_millis), (&key, 1, Some(300_000)));
        let expire: ExpireRequest = drawn(&Encoded::new(&content, Kind::Expire));
        assert_eq!((&expire.key, expire.ttl_millis), (&key, 300_000));
    }

    #[test]
    fn a_batch_has_as_many_different_keys_as_the_limit_or_all() {
        for (count, expected) in [(1, 1), (150, 150), (1000, 200)] {
            let content = content(count, 100);
            let batch: BatchGetRequest = drawn(&Encoded::new(&content, Kind::BatchGet));
            let keys: BTreeSet<_> = batch.keys.iter().collect();
            assert_eq!((batch.keys.len(), keys.len()), (expected, expected));
            assert!(keys.iter().all(|key| key.starts_with("p:000000") && key.len() == 11));
        }
    }

    #[test]
    fn too_large_a_table_is_not_made() {
        let content = content(1_000_000, 100);
        let set = Encoded::new(&content, Kind::Set);
        assert!(set.table.is_none());
        assert_eq!(drawn::<SetRequest>(&set).value.len(), 100);
        let get = Encoded::new(&content, Kind::Get);
        assert_eq!(get.table.as_ref().unwrap().len(), get.build(0).len() * 1_000_000);
        assert!(drawn::<GetRequest>(&get).key.starts_with("p:000"));
    }
}

//! Keys and records of calls under idempotency keys.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use prism_grpc::identity::Source;
use prism_plugin::retries::{
    Attempt, IDEMPOTENCY_BYTES_MAX, IDEMPOTENCY_RECORD_LIFE, IDEMPOTENCY_RECORDS_MAX,
};

use super::{ANSWER, CLIENT, name};
use crate::clock;

/// How long after its last record a client is known, in milliseconds.
const CLIENT_LIFE: u64 = 10 * 60 * 1000;

/// A call under an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// The key of the engine of its client's state.
    pub(crate) client: Vec<u8>,
    pub(crate) seq: u64,
    /// The client repeats no call with a lower number.
    pub(crate) acked: u64,
    pub(crate) digest: [u8; 32],
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    /// Milliseconds since 1970.
    pub(crate) written: u64,
    /// Of the request.
    pub(crate) digest: [u8; 32],
    pub(crate) answer: Bytes,
}

/// What is known about a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// Calls with lower numbers that have no record are forgotten.
    pub(crate) forgotten: u64,
    /// How many records it has, and the bytes of their answers.
    pub(crate) records: u32,
    pub(crate) bytes: u64,
    /// When its last record was written.
    pub(crate) last: u64,
    /// When the index of what expires has it.
    pub(crate) due: u64,
}

impl Call {
    pub(crate) fn of(attempt: &Attempt) -> Self {
        let (source, caller) = match &attempt.caller {
            None => (0, ""),
            Some(caller) => (source(caller.source), caller.name()),
        };
        let mut client = Vec::with_capacity(2 + attempt.namespace.len() + 19 + caller.len());
        name(&mut client, CLIENT, &attempt.namespace);
        client.put_u128(attempt.key.client);
        client.put_u8(source);
        client.put_u16(u16::try_from(caller.len()).unwrap_or(u16::MAX));
        client.put_slice(caller.as_bytes());
        Self { client, seq: attempt.key.seq, acked: attempt.key.acked, digest: attempt.digest }
    }

    /// The key of the engine of its answer.
    pub(crate) fn key(&self) -> Vec<u8> {
        answer(&self.client, self.seq)
    }
}

fn source(source: Source) -> u8 {
    match source {
        Source::Token => 1,
        Source::Certificate => 2,
        Source::Jwt => 3,
    }
}

/// The key of an answer, by the key of its client.
pub(crate) fn answer(client: &[u8], seq: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(client.len() + 8);
    key.put_u8(ANSWER);
    key.put_slice(client.get(1..).unwrap_or_default());
    key.put_u64(seq);
    key
}

/// The key of its client, and the number, in the key of an answer.
pub(crate) fn answer_of(key: &[u8]) -> Option<(Vec<u8>, u64)> {
    let (client, seq) = key.strip_prefix(&[ANSWER])?.split_last_chunk()?;
    Some(([&[CLIENT], client].concat(), u64::from_be_bytes(*seq)))
}

/// Whether a key is that of a client.
pub(crate) fn is_client(key: &[u8]) -> bool {
    key.first() == Some(&CLIENT)
}

impl Answered {
    pub(crate) fn encode(&self) -> Bytes {
        let mut encoded = BytesMut::with_capacity(40 + self.answer.len());
        encoded.put_u64(self.written);
        encoded.put_slice(&self.digest);
        encoded.put_slice(&self.answer);
        encoded.freeze()
    }

    pub(crate) fn decode(mut encoded: Bytes) -> Option<Self> {
        let written = encoded.try_get_u64().ok()?;
        let digest = *encoded.first_chunk()?;
        Some(Self { written, digest, answer: encoded.split_off(32) })
    }

    /// When it is forgotten.
    pub(crate) fn deadline(&self) -> u64 {
        clock::deadline(self.written, IDEMPOTENCY_RECORD_LIFE)
    }
}

impl Client {
    /// One whose first call is recorded now.
    pub(crate) fn new(now: u64) -> Self {
        let due = now.saturating_add(CLIENT_LIFE);
        Self { forgotten: 0, records: 0, bytes: 0, last: now, due }
    }

    pub(crate) fn encode(self) -> Bytes {
        let mut encoded = BytesMut::with_capacity(36);
        encoded.put_u64(self.forgotten);
        encoded.put_u32(self.records);
        for number in [self.bytes, self.last, self.due] {
            encoded.put_u64(number);
        }
        encoded.freeze()
    }

    pub(crate) fn decode(mut encoded: &[u8]) -> Option<Self> {
        let client = Self {
            forgotten: encoded.try_get_u64().ok()?,
            records: encoded.try_get_u32().ok()?,
            bytes: encoded.try_get_u64().ok()?,
            last: encoded.try_get_u64().ok()?,
            due: encoded.try_get_u64().ok()?,
        };
        encoded.is_empty().then_some(client)
    }

    /// When nothing need be known about it any more, if it makes no further calls.
    pub(crate) fn deadline(&self) -> u64 {
        self.last.saturating_add(CLIENT_LIFE)
    }

    /// Whether it has as many records as may be.
    pub(crate) fn is_full(&self) -> bool {
        self.records as usize >= IDEMPOTENCY_RECORDS_MAX || self.bytes >= IDEMPOTENCY_BYTES_MAX as u64
    }
}

#[cfg(test)]
mod tests {
    use prism_grpc::identity::Identity;
    use prism_plugin::retries::IdempotencyKey;

    use super::*;
    use crate::layout::parts;

    fn call(caller: Option<Identity>) -> Call {
        let key = IdempotencyKey { client: 1, seq: 2, acked: 0 };
        Call::of(&Attempt::new(key, caller, "a".to_owned(), "/a.B/C", [7; 32]))
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let answered = Answered { written: 3, digest: [7; 32], answer: Bytes::from_static(b"answer") };
        assert_eq!(Answered::decode(answered.encode()), Some(answered.clone()));
        assert_eq!(Answered::decode(answered.encode().slice(..39)), None);
        let client = Client { forgotten: 1, records: 2, bytes: 3, last: 4, due: 5 };
        assert_eq!(Client::decode(&client.encode()), Some(client));
        assert_eq!(Client::decode(&client.encode()[1..]), None);
        let call = call(None);
        assert_eq!(answer_of(&call.key()), Some((call.client.clone(), 2)));
        assert_eq!(parts(&call.key()).unwrap().0, "a");
    }

    #[test]
    fn a_name_from_another_source_is_another_client() {
        let callers = [None, Some(Source::Token), Some(Source::Certificate), Some(Source::Jwt)];
        let callers = callers.map(|source| source.map(|source| Identity::new(source, "x").unwrap()));
        let clients: std::collections::BTreeSet<_> =
            callers.into_iter().map(|caller| call(caller).client).collect();
        assert_eq!(clients.len(), 4);
    }

    /// Stores of this format are on disks.
    #[test]
    fn the_layout_is_pinned() {
        let caller = Identity::new(Source::Jwt, "me");
        let number = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let client = [b"C\x01a", &number[..], b"\x03\0\x02me"].concat();
        assert_eq!(call(caller).client, client);
        let key = [b"R\x01a", &number[..], b"\0\0\0", &[0, 0, 0, 0, 0, 0, 0, 2]].concat();
        assert_eq!(call(None).key(), key);
        assert_eq!(Client::new(1).encode()[20..], *b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\x09\x27\xC1");
    }
}

//! Where a scan stands, as bytes for whoever resumes it.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use ring::digest::{SHA256, digest};

use crate::slots::SlotSet;

/// The version of the format; another one is not understood.
const VERSION: u8 = 2;

/// How many ranges of slots are written at most. Those that are left out are scanned again: a key may repeat.
const RANGES_MAX: usize = 200;

/// How many bytes of keys are written at most. If there are more, the keys are looked for again.
const PENDING_BYTES_MAX: usize = 6000;

/// How many hashes of keys are written at most. Those that are left out may repeat.
const RETURNED_MAX: usize = PENDING_BYTES_MAX / size_of::<Hash>();

/// The beginning of a key's SHA-256.
pub(crate) type Hash = [u8; 8];

/// Where a scan stands. Nothing before it is missed by a scan that continues from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// The slots whose keys have all been seen.
    pub(crate) done: SlotSet,
    /// The server that is being walked.
    pub(crate) pass: Option<Pass>,
    /// Redis keys that were found before the cursor and not sent yet.
    pub(crate) pending: Vec<Vec<u8>>,
    /// Those that were found with them and have been sent, if the pending ones are too many to be written.
    pub(crate) returned: Vec<Hash>,
}

/// Whether so many Redis keys can be written.
pub(crate) fn fits<'a>(pending: impl Iterator<Item = &'a [u8]>) -> bool {
    pending.map(|redis_key| redis_key.len() + 2).sum::<usize>() <= PENDING_BYTES_MAX
}

/// The hash by which a Redis key that was sent is recognized.
pub(crate) fn hash(redis_key: &[u8]) -> Hash {
    let mut hash = Hash::default();
    let length = hash.len();
    hash.copy_from_slice(&digest(&SHA256, redis_key).as_ref()[..length]);
    hash
}

/// The walk through one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    /// The server's address.
    pub(crate) address: String,
    /// The run of the server in which the cursor means anything; `None` if unknown.
    pub(crate) run_id: Option<String>,
    /// The configuration epoch of the node when the walk began.
    pub(crate) epoch: u64,
    /// The slots that count as done if the node has them still when the walk ends.
    pub(crate) slots: SlotSet,
    /// Where `SCAN` continues.
    pub(crate) cursor: u64,
    /// Where the step began that found the pending keys.
    pub(crate) found_at: u64,
    /// Whether everything has been walked, so that there is nothing to continue.
    pub(crate) is_over: bool,
}

impl Position {
    /// The position as bytes: below the 8,174 that fit into a token.
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(256);
        bytes.put_u8(VERSION);
        put_slots(&mut bytes, &self.done);
        let fits = fits(self.pending.iter().map(Vec::as_slice));
        bytes.put_u8(u8::from(self.pass.is_some()));
        if let Some(pass) = &self.pass {
            put_text(&mut bytes, pass.address.as_bytes());
            put_text(&mut bytes, pass.run_id.as_deref().unwrap_or_default().as_bytes());
            bytes.put_u64(pass.epoch);
            put_slots(&mut bytes, &pass.slots);
            // Without its pending keys, the step that found them has to be taken again.
            bytes.put_u64(if fits { pass.cursor } else { pass.found_at });
            bytes.put_u8(u8::from(fits && pass.is_over));
        }
        let kept = if fits { 0 } else { self.returned.len().min(RETURNED_MAX) };
        let returned = &self.returned[self.returned.len() - kept..];
        bytes.put_u16(u16::try_from(returned.len()).unwrap_or(0));
        returned.iter().for_each(|hash| bytes.put_slice(hash));
        if fits {
            self.pending.iter().for_each(|key| put_text(&mut bytes, key));
        }
        bytes.freeze()
    }

    /// Reads what [`Position::encode`] wrote; `None` if it is anything else.
    pub(crate) fn decode(mut bytes: Bytes) -> Option<Self> {
        if bytes.try_get_u8().ok()? != VERSION {
            return None;
        }
        let done = take_slots(&mut bytes)?;
        let pass = match bytes.try_get_u8().ok()? {
            0 => None,
            1 => Some(take_pass(&mut bytes)?),
            _ => return None,
        };
        let mut returned = Vec::new();
        for _ in 0..bytes.try_get_u16().ok()? {
            let mut hash = Hash::default();
            bytes.try_copy_to_slice(&mut hash).ok()?;
            returned.push(hash);
        }
        let mut pending = Vec::new();
        while bytes.has_remaining() {
            pending.push(take_text(&mut bytes)?);
        }
        Some(Self { done, pass, pending, returned })
    }
}

fn take_pass(bytes: &mut Bytes) -> Option<Pass> {
    let address = String::from_utf8(take_text(bytes)?).ok()?;
    let run_id = Some(String::from_utf8(take_text(bytes)?).ok()?).filter(|id| !id.is_empty());
    let (epoch, slots) = (bytes.try_get_u64().ok()?, take_slots(bytes)?);
    let cursor = bytes.try_get_u64().ok()?;
    let is_over = bytes.try_get_u8().ok()? != 0;
    Some(Pass { address, run_id, epoch, slots, cursor, found_at: cursor, is_over })
}

fn put_text(bytes: &mut BytesMut, text: &[u8]) {
    // Keys and addresses are far below the limit of a length in two bytes.
    bytes.put_u16(u16::try_from(text.len()).unwrap_or(0));
    bytes.put_slice(text);
}

fn take_text(bytes: &mut Bytes) -> Option<Vec<u8>> {
    let length = usize::from(bytes.try_get_u16().ok()?);
    (bytes.remaining() >= length).then(|| bytes.split_to(length).to_vec())
}

/// The largest ranges, as many as fit.
fn put_slots(bytes: &mut BytesMut, slots: &SlotSet) {
    let mut ranges = slots.ranges();
    ranges.sort_by_key(|range| range.start().abs_diff(*range.end()));
    let kept = &ranges[ranges.len().saturating_sub(RANGES_MAX)..];
    bytes.put_u8(u8::try_from(kept.len()).unwrap_or(u8::MAX));
    for range in kept {
        bytes.put_u16(*range.start());
        bytes.put_u16(*range.end());
    }
}

fn take_slots(bytes: &mut Bytes) -> Option<SlotSet> {
    let mut slots = SlotSet::default();
    for _ in 0..bytes.try_get_u8().ok()? {
        let (first, last) = (bytes.try_get_u16().ok()?, bytes.try_get_u16().ok()?);
        if first > last {
            return None;
        }
        slots.insert(first..=last);
    }
    Some(slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> Position {
        let (mut done, mut slots) = (SlotSet::default(), SlotSet::default());
        done.insert(0..=5460);
        slots.insert(5461..=9999);
        slots.insert(10_001..=10_922);
        let run_id = Some("0123456789abcdef0123456789abcdef01234567".to_owned());
        let pass = Some(Pass {
            address: "10.0.0.1:7000".to_owned(),
            run_id,
            epoch: 7,
            slots,
            cursor: u64::MAX - 1,
            found_at: u64::MAX - 1,
            is_over: true,
        });
        Position { done, pass, pending: vec![b"kv:a:b".to_vec(), b"\xff".to_vec()], returned: Vec::new() }
    }

    #[test]
    fn a_position_comes_back_as_it_was() {
        for position in [Position::default(), position(), Position { pass: None, ..position() }] {
            assert_eq!(Position::decode(position.encode()).unwrap(), position);
        }
    }

    #[test]
    fn bytes_that_are_no_position_are_refused() {
        let bytes = position().encode();
        for length in 0..bytes.len() {
            if let Some(cut) = Position::decode(bytes.slice(..length)) {
                assert!(cut.pending.len() < 2, "{length}");
            }
        }
        assert_eq!(Position::decode(Bytes::from_static(b"\x01\0\0")), None);
        assert_eq!(Position::decode(Bytes::from_static(b"\x02\0\x02")), None);
        assert_eq!(Position::decode(Bytes::from_static(b"\x02\x01\0\x02\0\x01\0")), None);
    }

    #[test]
    fn what_does_not_fit_is_scanned_again() {
        let mut scattered = SlotSet::default();
        (0..8192).for_each(|slot| scattered.insert(slot * 2..=slot * 2));
        let pass = position().pass.map(|pass| Pass { found_at: 17, slots: scattered.clone(), ..pass });
        let pending = vec![vec![b'k'; 4096]; 2];
        let returned = vec![hash(b"k"); 2000];
        let large = Position { done: scattered.clone(), pass, pending, returned };
        let bytes = large.encode();
        assert!(bytes.len() <= 8174, "{}", bytes.len());
        let back = Position::decode(bytes).unwrap();
        let back_pass = back.pass.unwrap();
        assert_eq!((back_pass.cursor, back_pass.is_over), (17, false), "the keys are found again");
        assert_eq!((back.pending.len(), back.returned.len()), (0, RETURNED_MAX));
        assert!(back.done.without(&scattered).is_empty());
    }
}

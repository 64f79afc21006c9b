//! Lists that arrive in parts. Their values wait in memory for the last part, within a limit for each list and one for all imports into
//! a backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use prism_proto::interfaces::transfer::ListPart;
use prism_proto::limits::{IMPORT_LIST_BYTES_MAX, IMPORT_VALUE_OVERHEAD_BYTES};

use crate::error::{Error, ErrorReason};
use crate::types::Key;
use crate::validate::{self, malformed};

/// How much all imports into a backend hold of lists that are incomplete: two of the largest.
const SHARE_BYTES_MAX: usize = 2 * IMPORT_LIST_BYTES_MAX;

/// What all imports into a backend hold.
#[derive(Debug, Default)]
pub(super) struct Share {
    used: AtomicUsize,
}

/// Room in the share, which is returned when it is dropped.
#[derive(Debug)]
pub(super) struct Room {
    share: Arc<Share>,
    bytes: usize,
}

impl Room {
    fn grow(&mut self, bytes: usize) -> Result<(), Error> {
        let size = self.bytes + bytes;
        if size > IMPORT_LIST_BYTES_MAX {
            let why = format!(
                "the list takes more than {IMPORT_LIST_BYTES_MAX} bytes, which is the limit for a list that is imported in parts \
                 (each value counts {IMPORT_VALUE_OVERHEAD_BYTES} bytes more than it has): leave it out, and push its values instead"
            );
            return Err(full(why, IMPORT_LIST_BYTES_MAX, size));
        }
        let grown = |used: usize| Some(used + bytes).filter(|used| *used <= SHARE_BYTES_MAX);
        self.share.used.fetch_update(Relaxed, Relaxed, grown).map_err(|used| {
            let why = "other imports hold as much of incomplete lists as this backend takes: import again when they have ended";
            full(why.to_owned(), SHARE_BYTES_MAX, used + bytes)
        })?;
        self.bytes = size;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.share.used.fetch_sub(self.bytes, Relaxed);
    }
}

fn full(why: String, limit: usize, size: usize) -> Error {
    Error::new(ErrorReason::MemoryLimit, why)
        .with("field", "item.list_part.values")
        .with("limit", limit.to_string())
        .with("size", size.to_string())
}

/// The list that is incomplete, if there is one.
#[derive(Debug)]
pub(super) struct Parts {
    share: Arc<Share>,
    list: Option<Whole>,
}

/// A list with all its values, once its last part has arrived.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) list_key: Key,
    pub(super) values: Vec<Bytes>,
    /// In how many parts it has arrived.
    pub(super) parts: i64,
    /// To be dropped once the values are stored.
    pub(super) room: Room,
}

impl Parts {
    pub(super) fn new(share: &Arc<Share>) -> Self {
        Self { share: Arc::clone(share), list: None }
    }

    /// The list that lacks its last part.
    pub(super) fn incomplete(&self) -> Option<&Whole> {
        self.list.as_ref()
    }

    /// Forgets the incomplete list, and returns how many of its parts have arrived.
    pub(super) fn forget(&mut self) -> i64 {
        self.list.take().map_or(0, |list| list.parts)
    }

    /// Adds a part, and returns the list once it is the last one. A part 0 begins a list, whatever came before has been
    /// [forgotten](Self::forget).
    pub(super) fn add(&mut self, part: ListPart) -> Result<Option<Whole>, Error> {
        let ListPart { list_key, values, part: number, last } = part;
        let list_key = Key::new("item.list_part.list_key", list_key)?;
        let values = values.into_iter().map(validate::value).collect::<Result<Vec<_>, _>>()?;
        let mut list = match self.list.take() {
            None if number == 0 => {
                let room = Room { share: Arc::clone(&self.share), bytes: 0 };
                Whole { list_key, values: Vec::new(), parts: 0, room }
            }
            Some(list) if list.list_key == list_key && list.parts == number => list,
            before => return Err(out_of_order(number, before.filter(|list| list.list_key == list_key))),
        };
        if !last || number > 0 {
            let overhead = IMPORT_VALUE_OVERHEAD_BYTES * values.len();
            list.room.grow(values.iter().map(Bytes::len).sum::<usize>() + overhead)?;
        }
        if list.values.is_empty() {
            list.values = values;
        } else {
            list.values.extend(values);
        }
        list.parts += 1;
        if last {
            return Ok(Some(list));
        }
        self.list = Some(list);
        Ok(None)
    }
}

fn out_of_order(number: i64, before: Option<Whole>) -> Error {
    let expected = match before {
        Some(list) => format!("this one has to be part {}", list.parts),
        None => "a list begins with part 0".to_owned(),
    };
    malformed(
        "item.list_part.part",
        format!("the parts of a list arrive in order: {expected}, and is {number}"),
    )
}

#[cfg(test)]
mod tests {
    use prism_proto::limits::VALUE_BYTES_MAX;

    use super::*;

    fn part(list_key: &str, value_bytes: usize, part: i64, last: bool) -> ListPart {
        let values = vec![Bytes::from(vec![0; value_bytes])];
        ListPart { list_key: list_key.to_owned(), values, part, last }
    }

    fn reason(added: Result<Option<Whole>, Error>) -> ErrorReason {
        added.unwrap_err().reason
    }

    #[test]
    fn a_list_is_whole_with_its_last_part_and_its_room_is_returned() {
        let share = Arc::<Share>::default();
        let mut parts = Parts::new(&share);
        assert!(parts.add(part("l", 10, 0, false)).unwrap().is_none());
        assert!(parts.add(part("l", 10, 1, false)).unwrap().is_none());
        let whole = parts.add(part("l", 10, 2, true)).unwrap().unwrap();
        assert_eq!((whole.values.len(), whole.parts), (3, 3));
        assert_eq!(share.used.load(Relaxed), 3 * (10 + IMPORT_VALUE_OVERHEAD_BYTES));
        drop(whole);
        assert_eq!(share.used.load(Relaxed), 0);
        assert!(parts.add(part("l", 10, 0, true)).unwrap().is_some(), "one part alone is a list, too");
    }

    #[test]
    fn parts_out_of_order_are_refused() {
        let begun = || {
            let mut parts = Parts::new(&Arc::default());
            assert!(parts.add(part("l", 1, 0, false)).unwrap().is_none());
            parts
        };
        for (mut parts, wrong) in [
            (Parts::new(&Arc::default()), part("l", 1, 1, true)),
            (Parts::new(&Arc::default()), part("l", 1, -1, true)),
            (begun(), part("l", 1, 2, true)),
            (begun(), part("m", 1, 1, true)),
        ] {
            assert_eq!(reason(parts.add(wrong)), ErrorReason::MalformedRequest);
        }
        let mut parts = begun();
        assert_eq!(parts.forget(), 1);
        assert!(parts.add(part("m", 1, 0, true)).unwrap().is_some());
    }

    #[test]
    fn what_is_held_of_a_list_and_of_all_is_bounded() {
        const HALF: usize = IMPORT_LIST_BYTES_MAX / 2 - IMPORT_VALUE_OVERHEAD_BYTES;
        // Shares of one buffer, so that the test takes no memory.
        let buffer = Bytes::from(vec![0; VALUE_BYTES_MAX]);
        let count = HALF / (buffer.len() + IMPORT_VALUE_OVERHEAD_BYTES);
        let half = |number| ListPart {
            list_key: "l".to_owned(),
            values: vec![buffer.clone(); count],
            part: number,
            last: false,
        };
        let share = Arc::<Share>::default();
        let mut imports: Vec<_> = (0..3).map(|_| Parts::new(&share)).collect();
        for import in &mut imports[..2] {
            assert!(import.add(half(0)).is_ok() && import.add(half(1)).is_ok());
        }
        let error = imports[0].add(half(2)).unwrap_err();
        assert_eq!(error.reason, ErrorReason::MemoryLimit);
        assert_eq!(error.fact("limit"), Some(&*IMPORT_LIST_BYTES_MAX.to_string()));
        assert!(imports[2].add(half(0)).is_ok(), "the list that was refused is forgotten");
        assert!(imports[2].add(half(1)).is_ok());
        let mut fourth = Parts::new(&share);
        let error = fourth.add(half(0)).unwrap_err();
        assert_eq!(error.fact("limit"), Some(&*SHARE_BYTES_MAX.to_string()));
    }
}

//! Where an export is: the position behind which a token lets it continue. Keys come first, then lists.
//!
//! ```text
//! keys:  | 0 | position of the scan of keys …
//! lists: | 1 | length of name | name … | position of the scan of lists …
//!              2 bytes
//! ```
//!
//! Lists are found a page at a time, and one of them may take long. So where lists come in the order of their names, a position
//! among them is that in front of a page, and the name of the last list of the page that has been sent: empty if there is none.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use crate::keyvalue::Start;

const KEYS: u8 = 0;
const LISTS: u8 = 1;

/// A position within an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Among the keys.
    Keys(Start),
    /// Among the lists.
    Lists {
        /// Where the scan of lists begins.
        from: Start,
        /// The last of its first lists that are to be left out.
        done: Option<String>,
    },
}

/// The bytes for a position behind keys.
pub(super) fn behind_keys(position: &[u8]) -> Bytes {
    [&[KEYS], position].concat().into()
}

/// The bytes for a position behind lists: a scan that continues at `position`, or at the beginning if it is empty, without the lists up to
/// `done`.
pub(super) fn behind_lists(position: &[u8], done: &str) -> Bytes {
    let mut bytes = BytesMut::with_capacity(3 + done.len() + position.len());
    bytes.put_u8(LISTS);
    // At most 4,096 bytes: the contract's limit.
    bytes.put_u16(done.len() as u16);
    bytes.put_slice(done.as_bytes());
    bytes.put_slice(position);
    bytes.freeze()
}

/// `None` if these are not the bytes of a position.
pub(super) fn parse(mut bytes: Bytes) -> Option<Place> {
    match bytes.try_get_u8().ok()? {
        KEYS => Some(Place::Keys(Start::Resume(bytes))),
        LISTS => {
            let len = usize::from(bytes.try_get_u16().ok()?);
            if bytes.len() < len {
                return None;
            }
            let done = String::from_utf8(bytes.split_to(len).to_vec()).ok()?;
            let from = if bytes.is_empty() { Start::Beginning } else { Start::Resume(bytes) };
            Some(Place::Lists { from, done: Some(done).filter(|done| !done.is_empty()) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens are kept outside the process.
    #[test]
    fn the_layout_is_pinned_and_read_as_it_is_written() {
        let resume = |position: &'static [u8]| Start::Resume(Bytes::from_static(position));
        let lists = |from, done: Option<&str>| Place::Lists { from, done: done.map(str::to_owned) };
        for (written, bytes, place) in [
            (behind_keys(b"k"), &b"\0k"[..], Place::Keys(resume(b"k"))),
            (behind_lists(b"p", ""), b"\x01\0\0p", lists(resume(b"p"), None)),
            (behind_lists(b"p", "l"), b"\x01\0\x01lp", lists(resume(b"p"), Some("l"))),
            (behind_lists(b"", "l"), b"\x01\0\x01l", lists(Start::Beginning, Some("l"))),
        ] {
            assert_eq!((&written[..], parse(written.clone())), (bytes, Some(place)));
        }
        for wrong in [&b""[..], b"\x02", b"\x01", b"\x01\0", b"\x01\0\x02l", b"\x01\0\x01\xFF"] {
            assert_eq!(parse(Bytes::from_static(wrong)), None, "{wrong:?}");
        }
    }
}

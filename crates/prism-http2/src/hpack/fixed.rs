//! The static table (RFC 7541, appendix A).

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use super::field::{Field, Name};

/// The names and values, from index 1.
pub(super) const ENTRIES: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// The entry with an index from 1 to 61, and the length of its name and value.
pub(super) fn get(index: usize) -> Option<(&'static Field, usize)> {
    static FIELDS: LazyLock<Vec<(Field, usize)>> = LazyLock::new(|| {
        let parsed = |(name, value): &(&str, &str)| {
            (Name::parse(name.as_bytes()).with(value.as_bytes()), name.len() + value.len())
        };
        ENTRIES.iter().map(parsed).collect()
    });
    FIELDS.get(index.checked_sub(1)?).map(|(field, len)| (field, *len))
}

/// The length of the name of an entry.
pub(super) fn name_len(index: usize) -> usize {
    ENTRIES[index - 1].0.len()
}

/// The first index of a name.
pub(super) fn index_of(name: &str) -> Option<usize> {
    static INDEXES: LazyLock<FxHashMap<&str, usize>> =
        LazyLock::new(|| ENTRIES.iter().enumerate().rev().map(|(at, (name, _))| (*name, at + 1)).collect());
    INDEXES.get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_where_the_rfc_has_them() {
        for (index, name, value) in
            [(1, ":authority", ""), (8, ":status", "200"), (16, "accept-encoding", "gzip, deflate")]
        {
            assert_eq!(ENTRIES[index - 1], (name, value));
        }
        assert_eq!(ENTRIES[60], ("www-authenticate", ""));
        assert_eq!((index_of(":status"), index_of("via"), index_of("te")), (Some(8), Some(60), None));
        assert!(
            (1..=61)
                .all(|index| *get(index).unwrap().0 != Field::Malformed || ENTRIES[index - 1].1.is_empty())
        );
        assert!(get(0).is_none() && get(62).is_none());
    }
}

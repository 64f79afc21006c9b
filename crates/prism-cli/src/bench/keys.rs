//! The keys of a load: a prefix, then a number with leading zeros.

use std::fmt::Write as _;

/// `count` keys of the same length.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) prefix: String,
    /// How many digits follow the prefix.
    pub(super) digits: usize,
    pub(super) count: u64,
}

impl Keys {
    /// A prefix that no other data and no other run has.
    pub(super) fn fresh_prefix() -> String {
        format!("bench:{:08x}:", fastrand::u32(..))
    }

    /// How many digits `count` keys need.
    pub(super) fn digits_needed(count: u64) -> usize {
        count.saturating_sub(1).checked_ilog10().unwrap_or(0) as usize + 1
    }

    /// The length of each key.
    pub(super) fn len(&self) -> usize {
        self.prefix.len() + self.digits
    }

    pub(super) fn name(&self, number: u64) -> String {
        let mut name = String::with_capacity(self.len());
        name.push_str(&self.prefix);
        // Writing to a `String` cannot fail.
        let _ = write!(name, "{number:0digits$}", digits = self.digits);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_same_length() {
        let keys = Keys { prefix: "p:".to_owned(), digits: 3, count: 1000 };
        assert_eq!((keys.name(0), keys.name(999)), ("p:000".to_owned(), "p:999".to_owned()));
        assert_eq!(keys.name(999).len(), keys.len());
    }

    #[test]
    fn the_last_key_fits_its_digits() {
        for (count, digits) in [(1, 1), (10, 1), (11, 2), (1000, 3), (1001, 4)] {
            assert_eq!(Keys::digits_needed(count), digits, "{count}");
        }
    }
}

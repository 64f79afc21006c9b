//! The names of Redis keys, and the patterns that find them.

use crc::{CRC_16_XMODEM, Crc, Table};
use prism_plugin::types::{Key, Namespace};

use crate::config::{Layout, Settings};

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One value.
    Value,
    /// A list.
    List,
}

/// How Redis keys are made.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
    layout: Layout,
}

impl Names {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { prefix: settings.key_prefix.clone(), layout: settings.layout }
    }

    /// Whether a key may hold a value of any type, because others write it too.
    pub(crate) fn are_shared(&self) -> bool {
        self.layout == Layout::Raw
    }

    /// The Redis key of a key or list.
    pub(crate) fn key(&self, kind: Kind, namespace: &Namespace, key: &str) -> String {
        let mut name = self.beginning(kind, namespace);
        name.push_str(key);
        name
    }

    /// What the Redis keys of a namespace begin with.
    pub(crate) fn beginning(&self, kind: Kind, namespace: &Namespace) -> String {
        match self.layout {
            Layout::Raw => self.prefix.clone(),
            Layout::Prism => {
                let kind = match kind {
                    Kind::Value => "kv:",
                    Kind::List => "li:",
                };
                [&self.prefix, kind, namespace, ":"].concat()
            }
        }
    }

    /// A key that nobody has, for checks whether reading is possible.
    pub(crate) fn nobodys(&self) -> String {
        [&self.prefix, "prism:nobody"].concat()
    }

    /// What the Redis keys begin with that are not keys of applications.
    pub(crate) fn internal(&self) -> String {
        [&self.prefix, "prism:"].concat()
    }
}

/// The pattern of `SCAN` that matches every key which begins with `beginning`.
pub(crate) fn pattern(beginning: &str) -> String {
    let mut pattern = String::with_capacity(beginning.len() + 1);
    for sign in beginning.chars() {
        if matches!(sign, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(sign);
    }
    pattern.push('*');
    pattern
}

/// The key of an application from a Redis key; `None` if it is none that the interface could name.
pub(crate) fn application_key(redis_key: &[u8], beginning: &str) -> Option<Key> {
    let key = redis_key.strip_prefix(beginning.as_bytes())?;
    let key = String::from_utf8(key.to_vec()).ok()?;
    Key::new("key", key).ok()
}

/// The number of slots of a cluster.
pub(crate) const SLOTS: u16 = 16_384;

const CRC: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_XMODEM);

/// The slot of a Redis key: that of what stands in its first braces, if anything does.
pub(crate) fn slot(redis_key: &[u8]) -> u16 {
    let tag = redis_key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let behind = &redis_key[open + 1..];
        let length = behind.iter().position(|byte| *byte == b'}')?;
        (length > 0).then(|| &behind[..length])
    });
    CRC.checksum(tag.unwrap_or(redis_key)) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(slot(b"123456789"), 0x31c3);
        assert_eq!(slot(b"foo"), 12182);
        assert_eq!(slot(b"{user1000}.following"), slot(b"user1000"));
        assert_eq!(slot(b"foo{}{bar}"), CRC.checksum(b"foo{}{bar}") % SLOTS, "empty braces do not count");
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
        assert_eq!(slot(b"foo{bar}{zap}"), slot(b"bar"));
        assert_eq!(slot(b"foo{bar"), CRC.checksum(b"foo{bar") % SLOTS);
    }

    #[test]
    fn patterns_match_nothing_but_what_they_begin_with() {
        assert_eq!(pattern("kv:a-b:x"), "kv:a-b:x*");
        assert_eq!(pattern("*?[^a]\\"), r"\*\?\[^a\]\\*");
        assert_eq!(pattern(""), "*");
    }

    #[test]
    fn keys_come_back_as_they_were() {
        for layout in [Layout::Prism, Layout::Raw] {
            let names = Names { prefix: "shop:".to_owned(), layout };
            let namespace = Namespace::new("orders".to_owned()).unwrap();
            let redis_key = names.key(Kind::Value, &namespace, "kv:1");
            let beginning = names.beginning(Kind::Value, &namespace);
            assert_eq!(&*application_key(redis_key.as_bytes(), &beginning).unwrap(), "kv:1");
            assert_eq!(application_key(b"other:1", &beginning), None);
            assert_eq!(application_key(beginning.as_bytes(), &beginning), None, "an empty key is none");
            let torn = [beginning.as_bytes(), b"\xff"].concat();
            assert_eq!(application_key(&torn, &beginning), None);
        }
    }
}

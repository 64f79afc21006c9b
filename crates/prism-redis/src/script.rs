//! Scripts, each one atomic step on one key, for what no single command does.
//!
//! They read before they write, and their first write is the one that a full server refuses, so that a script that fails has
//! changed nothing.

use std::fmt::Write as _;
use std::sync::LazyLock;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// A script and the hash under which a server knows it.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) source: &'static str,
    pub(crate) hash: String,
}

impl Script {
    fn new(source: &'static str) -> Self {
        let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, source.as_bytes());
        let mut hash = String::with_capacity(40);
        for byte in digest.as_ref() {
            let _ = write!(hash, "{byte:02x}");
        }
        Self { source, hash }
    }
}

macro_rules! scripts {
    ($($name:ident: $file:literal, $what:literal;)*) => {$(
        #[doc = $what]
        pub(crate) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(include_str!(concat!("scripts/", $file))));
    )*};
}

scripts! {
    GET_WITH_TTL: "get_with_ttl.lua", "A value and what it has left to live.";
    ON_STRING: "on_string.lua", "A command that by itself would act on any type.";
    PERSIST: "persist.lua", "Removes a time to live.";
    SET_IF: "set_if.lua", "Stores a value if a condition holds.";
    DELETE_IF: "delete_if.lua", "Removes a key if a condition holds.";
    INCREMENT: "increment.lua", "Adds to a counter that may have to be created.";
    RANGE: "range.lua", "A page of a list.";
    TRIM: "trim.lua", "Cuts a list, and counts what is left.";
    CLEAR: "clear.lua", "Removes a list, and counts what it had.";
    PUSH_TRIMMED: "push_trimmed.lua", "Pushes values, and trims the other end.";
    POP_MANY: "pop_many.lua", "Pops as many values as fit into a message.";
    REPLACE_LIST: "replace_list.lua", "Gives a list its values, and no others.";
    PUT_BACK: "put_back.lua", "Returns a popped value.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_that_of_the_source() {
        assert_eq!(Script::new("return 1").hash, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
        assert!(RANGE.source.starts_with("-- "));
    }
}

//! The calls that make up a load: their names, their methods and the content of their messages.

use std::fmt;

use prism_proto::rpc::{Rpc as _, keyvalue, list};

/// One kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Get,
    Set,
    Exists,
    Delete,
    SetIf,
    Increment,
    Expire,
    BatchGet,
    Count,
    Scan,
    ScanKeys,
    PushLeft,
    PushRight,
    PopLeft,
    PopRight,
    Length,
}

impl Kind {
    pub(super) const ALL: [Self; 16] = [
        Self::Get,
        Self::Set,
        Self::Exists,
        Self::Delete,
        Self::SetIf,
        Self::Increment,
        Self::Expire,
        Self::BatchGet,
        Self::Count,
        Self::Scan,
        Self::ScanKeys,
        Self::PushLeft,
        Self::PushRight,
        Self::PopLeft,
        Self::PopRight,
        Self::Length,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Exists => "exists",
            Self::Delete => "delete",
            Self::SetIf => "set-if",
            Self::Increment => "increment",
            Self::Expire => "expire",
            Self::BatchGet => "batch-get",
            Self::Count => "count",
            Self::Scan => "scan",
            Self::ScanKeys => "scan-keys",
            Self::PushLeft => "push-left",
            Self::PushRight => "push-right",
            Self::PopLeft => "pop-left",
            Self::PopRight => "pop-right",
            Self::Length => "length",
        }
    }

    /// The path of the method.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Get => keyvalue::Get::PATH,
            Self::Set => keyvalue::Set::PATH,
            Self::Exists => keyvalue::Exists::PATH,
            Self::Delete => keyvalue::Delete::PATH,
            Self::SetIf => keyvalue::SetIf::PATH,
            Self::Increment => keyvalue::Increment::PATH,
            Self::Expire => keyvalue::Expire::PATH,
            Self::BatchGet => keyvalue::BatchGet::PATH,
            Self::Count => keyvalue::Count::PATH,
            Self::Scan => keyvalue::Scan::PATH,
            Self::ScanKeys => keyvalue::ScanKeys::PATH,
            Self::PushLeft => list::PushLeft::PATH,
            Self::PushRight => list::PushRight::PATH,
            Self::PopLeft => list::PopLeft::PATH,
            Self::PopRight => list::PopRight::PATH,
            Self::Length => list::Length::PATH,
        }
    }

    /// Whether it works on lists, whose keys are separate from those of values.
    pub(super) fn is_of_lists(self) -> bool {
        matches!(self, Self::PushLeft | Self::PushRight | Self::PopLeft | Self::PopRight | Self::Length)
    }

    /// Whether it adds a value, which its message contains.
    pub(super) fn stores(self) -> bool {
        matches!(self, Self::Set | Self::SetIf | Self::PushLeft | Self::PushRight)
    }

    /// Whether it may store a key that is not there.
    pub(super) fn creates(self) -> bool {
        self.stores() && self != Self::SetIf || self == Self::Increment
    }

    /// Whether it concerns all keys with the prefix rather than some that it names.
    pub(super) fn is_of_prefix(self) -> bool {
        matches!(self, Self::Count) || self.has_limit()
    }

    /// Whether its message contains the maximum number of keys to return.
    pub(super) fn has_limit(self) -> bool {
        matches!(self, Self::Scan | Self::ScanKeys)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use prism_proto::methods::KNOWN;

    use super::*;

    #[test]
    fn every_kind_is_a_method_of_the_contract() {
        for kind in Kind::ALL {
            let method = KNOWN.get(kind.path()).unwrap_or_else(|| panic!("{kind} is not a method"));
            assert_eq!(method.server_streaming, kind.has_limit() || kind == Kind::BatchGet, "{kind}");
            let (_, method) = kind.path().rsplit_once('/').unwrap();
            assert_eq!(method.to_lowercase(), kind.name().replace('-', ""));
        }
    }
}

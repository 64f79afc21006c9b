//! One header field, parsed: an entry of a table is parsed once, and cloned by each call that refers to it.

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, HeaderValue, Method, StatusCode};

/// What an entry of a dynamic table counts beside its name and value (RFC 7541, section 4.1); in a list of headers as well.
pub(super) const ENTRY_BYTES: usize = 32;

/// A header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Method(Method),
    Scheme(Scheme),
    /// `None` if it is empty.
    Authority(Option<Authority>),
    Path(PathAndQuery),
    Status(StatusCode),
    Header(HeaderName, HeaderValue),
    /// What HTTP/2 does not allow: a name with upper-case letters, a value with a line break, an unknown pseudo-header.
    Malformed,
}

/// The scheme of a request. Others are taken for http.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// The name of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Method,
    Scheme,
    Authority,
    Path,
    Status,
    Header(HeaderName),
    Malformed,
}

impl Name {
    pub(crate) fn parse(name: &[u8]) -> Self {
        match name {
            b":method" => Self::Method,
            b":scheme" => Self::Scheme,
            b":authority" => Self::Authority,
            b":path" => Self::Path,
            b":status" => Self::Status,
            // Refuses upper-case letters.
            _ => HeaderName::from_lowercase(name).map_or(Self::Malformed, Self::Header),
        }
    }

    pub(crate) fn with(&self, value: &[u8]) -> Field {
        self.parsed(value).unwrap_or(Field::Malformed)
    }

    fn parsed(&self, value: &[u8]) -> Option<Field> {
        Some(match self {
            Self::Method => Field::Method(Method::from_bytes(value).ok()?),
            // Nothing depends on it.
            Self::Scheme if value.is_empty() => return None,
            Self::Scheme => Field::Scheme(if value == b"https" { Scheme::Https } else { Scheme::Http }),
            Self::Authority if value.is_empty() => Field::Authority(None),
            Self::Authority => {
                Field::Authority(Some(Authority::from_maybe_shared(Bytes::copy_from_slice(value)).ok()?))
            }
            Self::Path if value.is_empty() => return None,
            Self::Path => Field::Path(PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(value)).ok()?),
            Self::Status => Field::Status(StatusCode::from_bytes(value).ok()?),
            Self::Header(name) => Field::Header(name.clone(), HeaderValue::from_bytes(value).ok()?),
            Self::Malformed => return None,
        })
    }
}

impl Field {
    pub(crate) fn name(&self) -> Name {
        match self {
            Self::Method(_) => Name::Method,
            Self::Scheme(_) => Name::Scheme,
            Self::Authority(_) => Name::Authority,
            Self::Path(_) => Name::Path,
            Self::Status(_) => Name::Status,
            Self::Header(name, _) => Name::Header(name.clone()),
            Self::Malformed => Name::Malformed,
        }
    }
}

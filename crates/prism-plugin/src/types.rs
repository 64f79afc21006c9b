//! Checked arguments: a value of these types has passed the contract's rules, so no backend checks it again. The
//! adapters create them from requests.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use prism_proto::limits;

use crate::error::Error;
use crate::validate;

/// A namespace name: 1 to 64 of `a-z 0-9 -`, starting with a letter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace(String);

impl Namespace {
    /// Checks a name; an empty one means `default`.
    ///
    /// # Errors
    /// NAMESPACE_INVALID.
    pub fn new(name: String) -> Result<Self, Error> {
        match name.as_str() {
            "" => Ok(Self(limits::NAMESPACE_DEFAULT.to_owned())),
            valid if limits::is_namespace(valid) => Ok(Self(name)),
            invalid => Err(validate::namespace_invalid(invalid)),
        }
    }
}

/// A key or list key: 1 to 4,096 bytes of UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// Checks a key from the request's field `field`.
    ///
    /// # Errors
    /// KEY_INVALID, naming the field, the limit and the size.
    pub fn new(field: &'static str, key: String) -> Result<Self, Error> {
        match key.len() {
            1..=limits::KEY_BYTES_MAX => Ok(Self(key)),
            size => Err(validate::key_invalid(field, 1, size)),
        }
    }

    /// A key from the backend's own storage, which contains only checked keys.
    #[must_use]
    pub fn stored(key: String) -> Self {
        Self(key)
    }

    /// The key's text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

macro_rules! text {
    ($($name:ident),*) => {$(
        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
text!(Namespace, Key);

/// A time to live: 1 millisecond to 100 years, in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ttl(Duration);

impl Ttl {
    /// Checks a number of seconds from the field `ttl_seconds`.
    ///
    /// # Errors
    /// TTL_INVALID, naming the limits and the value.
    pub fn from_secs(seconds: i64) -> Result<Self, Error> {
        Self::checked(u64::try_from(seconds).map(Duration::from_secs).ok())
            .ok_or_else(|| validate::ttl_invalid("ttl_seconds", limits::TTL_MAX.as_secs().into(), seconds))
    }

    /// Checks a number of milliseconds from the field `ttl_millis`.
    ///
    /// # Errors
    /// TTL_INVALID, naming the limits and the value.
    pub fn from_millis(millis: i64) -> Result<Self, Error> {
        Self::checked(u64::try_from(millis).map(Duration::from_millis).ok())
            .ok_or_else(|| validate::ttl_invalid("ttl_millis", limits::TTL_MAX.as_millis(), millis))
    }

    /// Checks a number of milliseconds from the field `ttl_millis_left`.
    ///
    /// # Errors
    /// TTL_INVALID, naming the limits and the value.
    pub fn from_millis_left(millis: i64) -> Result<Self, Error> {
        Self::checked(u64::try_from(millis).map(Duration::from_millis).ok())
            .ok_or_else(|| validate::ttl_invalid("ttl_millis_left", limits::TTL_MAX.as_millis(), millis))
    }

    /// Checks the time to live of a request that may give it in seconds or in milliseconds.
    ///
    /// # Errors
    /// TTL_INVALID, also if both are given.
    pub fn of(seconds: Option<i64>, millis: Option<i64>) -> Result<Option<Self>, Error> {
        match (seconds, millis) {
            (Some(_), Some(_)) => Err(validate::two_ttls()),
            (Some(seconds), None) => Self::from_secs(seconds).map(Some),
            (None, millis) => millis.map(Self::from_millis).transpose(),
        }
    }

    fn checked(ttl: Option<Duration>) -> Option<Self> {
        ttl.filter(|ttl| !ttl.is_zero() && *ttl <= limits::TTL_MAX).map(Self)
    }

    /// The time from now until the key expires.
    #[must_use]
    pub fn as_duration(self) -> Duration {
        self.0
    }
}

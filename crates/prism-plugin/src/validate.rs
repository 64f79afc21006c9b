//! The contract's rules for the fields of a request, and the one message for each refusal: the field, what was found,
//! and the limit. A message never contains a key or a value.

use bytes::Bytes;
use prism_proto::limits;

use crate::error::{Error, ErrorReason};

pub(crate) fn namespace_invalid(name: &str) -> Error {
    let found = match name.len() {
        size if size > limits::NAMESPACE_BYTES_MAX => format!("is {size} bytes long"),
        _ => "has invalid characters".to_owned(),
    };
    Error::new(
        ErrorReason::NamespaceInvalid,
        format!(
            "namespace {found}; a namespace is 1 to {} characters of a-z, 0-9 and -, starting with a letter \
             (empty means {})",
            limits::NAMESPACE_BYTES_MAX,
            limits::NAMESPACE_DEFAULT
        ),
    )
    .with("field", "namespace")
    .with("limit", limits::NAMESPACE_BYTES_MAX.to_string())
    .with("size", name.len().to_string())
}

pub(crate) fn key_invalid(field: &'static str, size_min: usize, size: usize) -> Error {
    Error::new(
        ErrorReason::KeyInvalid,
        format!("{field} is {size} bytes long; it must be {size_min} to {} bytes", limits::KEY_BYTES_MAX),
    )
    .with("field", field)
    .with("limit", limits::KEY_BYTES_MAX.to_string())
    .with("size", size.to_string())
}

pub(crate) fn ttl_invalid(seconds: i64) -> Error {
    let limit = limits::TTL_MAX.as_secs();
    Error::new(
        ErrorReason::TtlInvalid,
        format!("ttl_seconds is {seconds}; it must be 1 to {limit} (100 years), or absent for no expiry"),
    )
    .with("field", "ttl_seconds")
    .with("limit", limit.to_string())
    .with("size", seconds.to_string())
}

/// RESUME_INVALID. `found` says what is wrong with the field `resume`, such as "is not a position of this backend".
#[must_use]
pub fn resume_invalid(found: &str) -> Error {
    Error::new(ErrorReason::ResumeInvalid, format!("resume {found}; start the scan over without it"))
        .with("field", "resume")
}

/// A prefix is 0 to 4,096 bytes.
pub(crate) fn prefix(prefix: String) -> Result<String, Error> {
    match prefix.len() {
        0..=limits::KEY_BYTES_MAX => Ok(prefix),
        size => Err(key_invalid("prefix", 0, size)),
    }
}

/// A value is 0 to 4 MiB − 16 KiB.
pub(crate) fn value(value: Bytes) -> Result<Bytes, Error> {
    match value.len() {
        0..=limits::VALUE_BYTES_MAX => Ok(value),
        size => Err(Error::new(
            ErrorReason::ValueTooLarge,
            format!("value is {size} bytes long; the limit is {} bytes", limits::VALUE_BYTES_MAX),
        )
        .with("field", "value")
        .with("limit", limits::VALUE_BYTES_MAX.to_string())
        .with("size", size.to_string())),
    }
}

/// A limit of 0 means all.
pub(crate) fn limit(limit: i32) -> Result<Option<usize>, Error> {
    match usize::try_from(limit) {
        Ok(0) => Ok(None),
        Ok(limit) => Ok(Some(limit)),
        Err(_) => Err(Error::new(
            ErrorReason::LimitInvalid,
            format!("limit is {limit}; it must be 0 (all) or a positive number of keys"),
        )
        .with("field", "limit")
        .with("limit", "0")
        .with("size", limit.to_string())),
    }
}

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

pub(crate) fn ttl_invalid(field: &'static str, limit: u128, given: i64) -> Error {
    Error::new(
        ErrorReason::TtlInvalid,
        format!("{field} is {given}; it must be 1 to {limit} (100 years), or absent for no expiry"),
    )
    .with("field", field)
    .with("limit", limit.to_string())
    .with("size", given.to_string())
}

pub(crate) fn two_ttls() -> Error {
    let why = "ttl_seconds and ttl_millis cannot be given together; leave one out";
    Error::new(ErrorReason::TtlInvalid, why).with("field", "ttl_millis")
}

/// RESUME_INVALID. `found` says what is wrong with the field `resume`, such as "is not a position of this backend".
#[must_use]
pub fn resume_invalid(found: &str) -> Error {
    Error::new(ErrorReason::ResumeInvalid, format!("resume {found}; start the scan over without it"))
        .with("field", "resume")
}

/// MALFORMED_REQUEST: a message within a stream that is out of place.
pub(crate) fn malformed(field: &'static str, why: String) -> Error {
    Error::new(ErrorReason::MalformedRequest, why).with("field", field)
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
        Err(_) => Err(out_of_range(ErrorReason::LimitInvalid, "limit", limit.into(), "0 (all) or more")
            .with("limit", "0")),
    }
}

/// The size of a page; 0 means the backend's own.
pub(crate) fn page_bytes(bytes: i32) -> Result<Option<usize>, Error> {
    match usize::try_from(bytes) {
        Ok(0) => Ok(None),
        Ok(bytes) => Ok(Some(bytes)),
        Err(_) => {
            let range = "0 (the backend's own) or more";
            Err(out_of_range(ErrorReason::LimitInvalid, "page_bytes", bytes.into(), range).with("limit", "0"))
        }
    }
}

/// The error of a number that is out of its range; `range` says what is expected.
pub(crate) fn out_of_range(reason: ErrorReason, field: &'static str, given: i64, range: &str) -> Error {
    Error::new(reason, format!("{field} is {given}; it must be {range}"))
        .with("field", field)
        .with("size", given.to_string())
}

/// A number of at least 1.
pub(crate) fn positive(field: &'static str, given: i64) -> Result<u64, Error> {
    u64::try_from(given)
        .ok()
        .filter(|given| *given > 0)
        .ok_or_else(|| out_of_range(ErrorReason::LimitInvalid, field, given, "at least 1").with("limit", "1"))
}

/// A batch has at most 1,000 items.
pub(crate) fn batch(field: &'static str, size: usize) -> Result<(), Error> {
    match size {
        0..=limits::BATCH_ITEMS_MAX => Ok(()),
        size => {
            let limit = limits::BATCH_ITEMS_MAX;
            let why = format!("{field} has {size} items; a batch has at most {limit}: send several");
            Err(Error::new(ErrorReason::BatchTooLarge, why)
                .with("field", field)
                .with("limit", limit.to_string())
                .with("size", size.to_string()))
        }
    }
}

//! The error of a backend. The status code, `ErrorInfo` and `RetryInfo` follow from the reason: see
//! [`prism_proto::error`].

pub use prism_proto::error::{Applied, Error, ErrorReason};

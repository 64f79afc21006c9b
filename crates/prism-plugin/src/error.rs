//! What a backend fails with. The status code, `ErrorInfo` and `RetryInfo` follow from the reason: see
//! [`prism_proto::error`].

pub use prism_proto::error::{Applied, Error, ErrorReason};

//! The head of a gRPC call: what makes a request one, its deadline, and the headers that Prism reads.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode, request};
use prism_proto::error::APPLIED;
use prism_proto::{Applied, Error, ErrorReason};

/// The header that carries a call's deadline.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The header that names the compression of a call's messages.
pub const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// The header that carries a call's status and ends its response.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The header of W3C Trace Context, <https://www.w3.org/TR/trace-context/>: `00-TRACE_ID-SPAN_ID-FLAGS`.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The header that carries a call's idempotency key: the call may be repeated under it.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The maximum number of digits of a `grpc-timeout`.
const DIGITS_MAX: usize = 8;

/// The response to a request that is not gRPC at all; `None` if it is gRPC.
#[must_use]
pub fn refusal(head: &request::Parts) -> Option<Response<()>> {
    let (status, header, value) = if head.method != Method::POST {
        (StatusCode::METHOD_NOT_ALLOWED, http::header::ALLOW, "POST")
    } else if !is_grpc(&head.headers) {
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, http::header::ACCEPT, "application/grpc")
    } else {
        return None;
    };
    let mut response = Response::new(());
    *response.status_mut() = status;
    response.headers_mut().insert(header, HeaderValue::from_static(value));
    Some(response)
}

/// Whether a head is gRPC's: its content type is `application/grpc`, possibly with a format (`+proto`) or parameters.
#[must_use]
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let rest = headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// The timeout of a call, from its `grpc-timeout`: up to eight digits and a unit.
///
/// # Errors
/// MALFORMED_REQUEST if the header is malformed.
pub fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Error> {
    let Some(value) = headers.get(GRPC_TIMEOUT) else { return Ok(None) };
    parse_timeout(value.as_bytes()).map(Some).ok_or_else(|| {
        Error::new(
            ErrorReason::MalformedRequest,
            "grpc-timeout is malformed; expected 1 to 8 digits and one of H M S m u n",
        )
        .with("field", "grpc-timeout")
    })
}

fn parse_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(number * 60 * 60)),
        b'M' => Some(Duration::from_secs(number * 60)),
        b'S' => Some(Duration::from_secs(number)),
        b'm' => Some(Duration::from_millis(number)),
        b'u' => Some(Duration::from_micros(number)),
        b'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// Formats a `grpc-timeout`, rounded up by at most 1 %. A client's timeout is a round number; if the rest of it is one,
/// too, HPACK sends one byte instead of a header that is new with each call.
#[must_use]
pub fn timeout_value(timeout: Duration) -> HeaderValue {
    const UNITS: [(u64, u8); 5] = [
        (3_600_000_000_000, b'H'),
        (60_000_000_000, b'M'),
        (1_000_000_000, b'S'),
        (1_000_000, b'm'),
        (1_000, b'u'),
    ];
    let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    // The largest unit in which it has three digits, which are precise enough: rounded up, 99 units and more are 100. A
    // number never has more than eight: the largest unit is an hour, and each unit is at most 1,000 of the next.
    let (unit, name) = UNITS.into_iter().find(|(unit, _)| nanos > 99 * unit).unwrap_or((1, b'n'));
    let mut number = nanos.div_ceil(unit);
    // Formatted by hand: `format!` takes 1 % of a call through the proxy.
    let mut text = [b'0'; DIGITS_MAX + 1];
    let mut begin = DIGITS_MAX;
    text[begin] = name;
    while number > 0 || begin == DIGITS_MAX {
        begin -= 1;
        text[begin] += (number % 10) as u8;
        number /= 10;
    }
    HeaderValue::from_bytes(&text[begin..]).expect("digits and a letter are a header value")
}

/// The trailers of a call that has succeeded.
pub(crate) fn success() -> HeaderMap {
    HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))])
}

/// The error of a call whose deadline has passed. `acting`: somebody had begun to act on it.
#[must_use]
pub fn deadline_exceeded(acting: bool) -> Error {
    let (told, applied) = if acting {
        ("the deadline passed before the response; a write may still have been applied", Applied::Maybe)
    } else {
        ("the deadline passed before the call was acted on; nothing was applied", Applied::No)
    };
    Error::new(ErrorReason::DeadlineExceeded, told).with(APPLIED, applied.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_in_every_unit() {
        let read = |text: &str| parse_timeout(text.as_bytes());
        assert_eq!(read("1H"), Some(Duration::from_secs(3600)));
        assert_eq!(read("2M"), Some(Duration::from_secs(120)));
        assert_eq!(read("99999999S"), Some(Duration::from_secs(99_999_999)));
        assert_eq!(read("1500m"), Some(Duration::from_millis(1500)));
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        assert_eq!(read("0n"), Some(Duration::ZERO));
        for wrong in ["", "S", "1", "1s", "-1S", "123456789S", "1.5S", " 1S"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_written_timeout_reads_back_and_is_never_shorter() {
        for timeout in [0, 1, 99_999_999, 100_000_000, 1_234_567_890_123, u64::MAX].map(Duration::from_nanos)
        {
            let read = parse_timeout(timeout_value(timeout).as_bytes()).unwrap();
            assert!(
                read >= timeout && read.as_secs_f64() <= timeout.as_secs_f64() * 1.01,
                "{timeout:?} {read:?}"
            );
        }
    }

    #[test]
    fn only_grpc_content_types_pass() {
        let passes = |text| is_grpc(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(text))]));
        assert!(
            passes("application/grpc") && passes("application/grpc+proto") && passes("application/grpc;v=1")
        );
        assert!(
            !passes("application/grpc-web")
                && !passes("application/json")
                && !passes("")
                && !is_grpc(&HeaderMap::new())
        );
    }
}

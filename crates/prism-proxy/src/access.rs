//! The access log: a line for each call if asked for, and for a slow one always.
//!
//! A line says which namespace and method, how it ended, how long it took and how many bytes it moved. Keys and values
//! are not in it.

use std::time::Duration;

use clap::Args;
use http::header::HeaderValue;
use http::request;
use prism_grpc::head::TRACEPARENT;
use prism_grpc::pump::Sent;
use prism_grpc::span::Span;
use prism_proto::error::code_name;
use tonic::Code;

/// Which calls are logged.
#[derive(Args, Clone, Debug)]
pub struct AccessLog {
    /// Log a line for each call.
    #[arg(long)]
    pub access_log: bool,

    /// Log calls that take this long or longer, whatever --access-log says: a time such as 500ms, or "off".
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub slow: Slow,
}

/// From when on a call is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// None is.
    Off,
    /// When it takes this long.
    From(Duration),
}

impl std::str::FromStr for Slow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let time = humantime::parse_duration(text);
        time.map(Self::From)
            .map_err(|error| format!("{error}; expected a number and a unit, such as 500ms, or \"off\""))
    }
}

impl AccessLog {
    /// Logs a call that has ended, if it is one to be logged. Without a namespace it ended before that was known.
    pub(crate) fn note(
        &self,
        head: &request::Parts,
        span: Option<&dyn Span>,
        namespace: Option<&str>,
        took: Duration,
        request_bytes: u64,
        sent: Sent,
    ) {
        let slow = matches!(self.slow, Slow::From(limit) if took >= limit);
        if !slow && !self.access_log {
            return;
        }
        let method = head.uri.path().trim_start_matches('/');
        let code = code_name(sent.code.unwrap_or(Code::Cancelled));
        let told = || head.headers.get(TRACEPARENT).and_then(trace_id).map(str::to_owned);
        let trace_id = span.map(|span| format!("{:032x}", span.trace_id())).or_else(told);
        let took_ms = took.as_secs_f64() * 1000.0;
        let response_bytes = sent.bytes;
        if slow {
            tracing::warn!(
                namespace,
                method,
                code,
                took_ms,
                request_bytes,
                response_bytes,
                trace_id,
                "slow call"
            );
        } else {
            tracing::info!(namespace, method, code, took_ms, request_bytes, response_bytes, trace_id, "call");
        }
    }
}

/// The trace that a call belongs to, if its header is one.
fn trace_id(traceparent: &HeaderValue) -> Option<&str> {
    let mut parts = traceparent.to_str().ok()?.split('-');
    let (_version, id) = (parts.next()?, parts.next()?);
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read_from_its_header() {
        let id = |text| trace_id(&HeaderValue::from_static(text)).map(str::to_owned);
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(id("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").as_deref(), Some(trace));
        for wrong in ["", "00", "00-short-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e473\"-1-01"] {
            assert_eq!(id(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_limit_is_a_time_or_off() {
        assert_eq!("off".parse(), Ok(Slow::Off));
        assert_eq!("250ms".parse(), Ok(Slow::From(Duration::from_millis(250))));
        assert!("250".parse::<Slow>().unwrap_err().contains("500ms"));
    }
}

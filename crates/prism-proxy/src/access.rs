//! The access log: a line for each call if enabled, and always for a slow one.
//!
//! A line has the namespace, the method, the caller, the status, the duration and the number of bytes, but no keys or values.

use std::time::Duration;

use clap::Args;
use prism_grpc::Context;
use prism_grpc::pump::Sent;
use prism_proto::error::code_name;
use tonic::Code;

/// Which calls are logged.
#[derive(Args, Clone, Debug)]
pub struct AccessLog {
    /// Log every call.
    #[arg(long)]
    pub access_log: bool,

    /// Log calls that take at least this long, with or without --access-log: a time such as 500ms, or "off".
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub slow: Slow,
}

/// From which duration on a call is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// Never.
    Off,
    /// From this duration on.
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
    /// Logs a call that has ended, if it is to be logged. A call without a namespace ended before that was known.
    pub(crate) fn note(
        &self,
        context: &Context,
        namespace: Option<&str>,
        took: Duration,
        request_bytes: u64,
        sent: Sent,
    ) {
        let slow = matches!(self.slow, Slow::From(limit) if took >= limit);
        if !slow && !self.access_log {
            return;
        }
        let method = context.head().uri.path().trim_start_matches('/');
        let code = code_name(sent.code.unwrap_or(Code::Cancelled));
        let caller = context.identity().map(tracing::field::display);
        let trace_id = context.trace_id().map(|trace_id| format!("{trace_id:032x}"));
        let took_ms = millis(took);
        let response_bytes = sent.bytes;
        if slow {
            tracing::warn!(
                namespace,
                method,
                caller,
                code,
                took_ms,
                request_bytes,
                response_bytes,
                trace_id,
                "slow call"
            );
        } else {
            tracing::info!(
                namespace,
                method,
                caller,
                code,
                took_ms,
                request_bytes,
                response_bytes,
                trace_id,
                "call"
            );
        }
    }
}

/// A time in milliseconds, to the microsecond.
#[expect(clippy::cast_precision_loss, reason = "a call of centuries needs no precision below a second")]
fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_to_the_microsecond() {
        assert_eq!(millis(Duration::from_nanos(1_999_867_366)).to_string(), "1999.867");
        assert_eq!(millis(Duration::from_nanos(999)).to_string(), "0");
        assert_eq!(millis(Duration::from_secs(5)).to_string(), "5000");
    }

    #[test]
    fn a_limit_is_a_time_or_off() {
        assert_eq!("off".parse(), Ok(Slow::Off));
        assert_eq!("250ms".parse(), Ok(Slow::From(Duration::from_millis(250))));
        assert!("250".parse::<Slow>().unwrap_err().contains("500ms"));
    }
}

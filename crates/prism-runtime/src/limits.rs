//! The flags that limit what a server may use at once, and how much of it one connection may use.

use std::num::NonZeroUsize;
use std::str::FromStr;

use clap::Args;
use prism_grpc::limits::Limits;

/// Flags of the limits. A share that is not given is derived from its global limit.
#[derive(Args, Clone, Debug)]
pub struct LimitArgs {
    /// Maximum calls in flight in this process; further calls fail with RESOURCE_EXHAUSTED. Health checks do not count.
    #[arg(long, value_name = "N", default_value = "32000")]
    pub in_flight_max: NonZeroUsize,

    /// Maximum calls in flight on one connection [default: 1/32 of --in-flight-max, at least 16].
    #[arg(long, value_name = "N")]
    pub connection_in_flight_max: Option<NonZeroUsize>,

    /// Maximum concurrent streams of health's Watch and of reflection on one connection; further streams fail with RESOURCE_EXHAUSTED.
    #[arg(long, value_name = "N", default_value = "4")]
    pub connection_watches_max: NonZeroUsize,

    /// Maximum bytes of requests, in this process, that are being received or are not complete yet; a call that exceeds it
    /// fails with RESOURCE_EXHAUSTED.
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    pub request_bytes_max: Size,

    /// The same for one connection [default: 1/8 of --request-bytes-max, at least 8MiB].
    #[arg(long, value_name = "SIZE")]
    pub connection_request_bytes_max: Option<Size>,

    /// Maximum bytes of responses, in this process, that clients have not read yet; beyond it, calls fail with
    /// RESOURCE_EXHAUSTED.
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    pub answer_bytes_max: Size,

    /// The same for one connection [default: 1/8 of --answer-bytes-max, at least 8MiB].
    #[arg(long, value_name = "SIZE")]
    pub connection_answer_bytes_max: Option<Size>,

    /// Maximum number of calls that a client may reset within ten seconds; beyond it, the server closes the connection.
    #[arg(long, value_name = "N", default_value = "10000")]
    pub resets_max: NonZeroUsize,
}

impl LimitArgs {
    /// The limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let in_flight_max = self.in_flight_max.get();
        let (request_bytes_max, answer_bytes_max) = (self.request_bytes_max.0, self.answer_bytes_max.0);
        let calls = self.connection_in_flight_max.map(NonZeroUsize::get);
        let bytes = |share: Option<Size>, whole| {
            share.map_or_else(|| Limits::share_of_bytes(whole), |Size(share)| share.min(whole))
        };
        Limits {
            in_flight_max,
            connection_in_flight_max: calls
                .map_or_else(|| Limits::share_of_calls(in_flight_max), |share| share.min(in_flight_max)),
            connection_watches_max: self.connection_watches_max.get(),
            request_bytes_max,
            connection_request_bytes_max: bytes(self.connection_request_bytes_max, request_bytes_max),
            answer_bytes_max,
            connection_answer_bytes_max: bytes(self.connection_answer_bytes_max, answer_bytes_max),
            resets_max: self.resets_max.get(),
        }
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = match unit.trim_start() {
            "" | "B" => Some(1),
            "KiB" => Some(1 << 10),
            "MiB" => Some(1 << 20),
            "GiB" => Some(1 << 30),
            _ => None,
        };
        let bytes =
            number.parse::<usize>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
        bytes.map(Self).ok_or_else(|| {
            format!("{text:?} is not a size; expected bytes, or a number with KiB, MiB or GiB")
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Sample {
        #[command(flatten)]
        limits: LimitArgs,
    }

    #[test]
    fn without_flags_the_bounds_are_the_defaults() {
        assert_eq!(Sample::parse_from(["sample"]).limits.limits(), Limits::default());
    }

    #[test]
    fn a_share_follows_its_whole_and_is_never_larger() {
        let limits = |words: &[&str]| {
            let words = [&["sample"], words].concat();
            Sample::parse_from(words).limits.limits()
        };
        let calls = |words: &[&str]| limits(words).connection_in_flight_max;
        assert_eq!(calls(&["--in-flight-max", "3200"]), 100);
        assert_eq!(calls(&["--in-flight-max", "100"]), 16);
        assert_eq!(calls(&["--in-flight-max", "2"]), 2);
        assert_eq!(calls(&["--in-flight-max", "100", "--connection-in-flight-max", "1000"]), 100);
        let answers = |words: &[&str]| limits(words).connection_answer_bytes_max;
        assert_eq!(answers(&["--answer-bytes-max", "1GiB"]), 128 << 20);
        assert_eq!(answers(&["--answer-bytes-max", "1MiB"]), 1 << 20);
        assert_eq!(answers(&["--connection-answer-bytes-max", "16MiB"]), 16 << 20);
    }
}

//! The flags of a load, each with its limits.

use std::time::Duration;

use clap::{Args, value_parser};
use prism_proto::limits::{KEY_BYTES_MAX, TTL_MAX, VALUE_BYTES_MAX};

use super::mix::Mix;
use crate::time::{time, time_limit};

/// The longest time accepted: a year.
const TIME_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The highest rate, in requests per second: more than a machine's network can carry.
const RATE_MAX: f64 = 10_000_000.0;

/// The lowest: one per quarter of an hour.
const RATE_MIN: f64 = 0.001;

/// What is called, and on which data.
#[derive(Args, Debug)]
#[command(next_help_heading = "Data")]
pub(super) struct DataArgs {
    /// The calls and their weights: get, set, exists, delete, set-if, increment, expire, batch-get, count, scan,
    /// scan-keys, push-left, push-right, pop-left, pop-right, length; such as get=80,set=20.
    #[arg(long, value_name = "MIX", default_value = "get")]
    pub(super) calls: Mix,

    /// Number of keys; each call picks one at random.
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value = "1000", value_parser = value_parser!(u64).range(1..=1_000_000_000))]
    pub(super) keys: u64,

    /// Length of a key after the prefix.
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value = "16", value_parser = value_parser!(u64).range(1..=KEY_BYTES_MAX as u64))]
    pub(super) key_bytes: u64,

    /// Length of a value, which is random; not with increment, whose values are numbers [default: 100].
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = value_parser!(u64).range(0..=VALUE_BYTES_MAX as u64))]
    pub(super) value_bytes: Option<u64>,

    /// Time to live of a key that is set, in whole seconds, such as 5min [default: forever; of expire: 1h].
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    pub(super) ttl: Option<Duration>,

    /// Maximum number of keys that a scan returns, 0 for all; number of keys of a batch, at most 1,000.
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value = "100", value_parser = value_parser!(i32).range(0..))]
    pub(super) limit: i32,

    /// Prefix of the keys. Existing keys of the same form are overwritten and, without --keep, removed [default: bench:
    /// and a random number].
    #[arg(long, value_name = "TEXT")]
    pub(super) prefix: Option<String>,

    /// Do not store the keys before the load starts.
    #[arg(long)]
    pub(super) no_fill: bool,

    /// Do not remove the keys at the end.
    #[arg(long)]
    pub(super) keep: bool,
}

/// How much is called at once, how fast, and how long.
#[derive(Args, Debug)]
#[command(next_help_heading = "Load")]
pub(super) struct LoadArgs {
    /// Connections to the server.
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value = "4", value_parser = value_parser!(u32).range(1..=4096))]
    pub(super) connections: u32,

    /// Concurrent calls on each connection.
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value = "16", value_parser = value_parser!(u32).range(1..=1024))]
    pub(super) streams: u32,

    /// Threads that share the connections [default: one per core, at most one per connection].
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = value_parser!(u32).range(1..=256))]
    pub(super) threads: Option<u32>,

    /// How long to measure [default: 10s].
    #[arg(long, value_name = "TIME", value_parser = limited_time, conflicts_with = "requests")]
    pub(super) duration: Option<Duration>,

    /// Measure this many requests instead.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = value_parser!(u64).range(1..=1_000_000_000_000))]
    pub(super) requests: Option<u64>,

    /// How long to run the load before measuring; 0s measures from the start.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = warmup)]
    pub(super) warmup: Duration,

    /// Requests per second, due at fixed moments, whether earlier ones are answered or not. Latency counts from when a
    /// request was due [default: each stream sends when its last call has ended].
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = rate)]
    pub(super) rate: Option<f64>,

    /// Timeout of a call.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = limited_time)]
    pub(super) timeout: Duration,
}

fn at_most_a_year(time: Duration) -> Result<Duration, String> {
    if time > TIME_MAX { Err("expected at most 365 days".to_owned()) } else { Ok(time) }
}

fn limited_time(text: &str) -> Result<Duration, String> {
    time_limit(text).and_then(at_most_a_year)
}

fn warmup(text: &str) -> Result<Duration, String> {
    time(text).and_then(at_most_a_year)
}

fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = time_limit(text)?;
    if ttl > TTL_MAX { Err("expected at most 100 years of 365 days".to_owned()) } else { Ok(ttl) }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| (RATE_MIN..=RATE_MAX).contains(rate));
    rate.ok_or_else(|| format!("expected requests per second, a number from {RATE_MIN} to {RATE_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_within_limits() {
        assert_eq!((rate("0.001"), rate("2e3"), rate("10000000")), (Ok(0.001), Ok(2000.0), Ok(1e7)));
        for wrong in ["", "0", "-1", "NaN", "inf", "1e8", "fast"] {
            assert!(rate(wrong).unwrap_err().contains("0.001 to 10000000"), "{wrong}");
        }
    }

    #[test]
    fn times_have_an_end() {
        assert!(limited_time("2years").unwrap_err().contains("365 days"));
        assert!(ttl("101years").unwrap_err().contains("100 years"));
        assert!(limited_time("0s").is_err() && ttl("0s").is_err() && warmup("0s").is_ok());
    }
}

//! The measured quantities.

use serde::{Deserialize, Serialize};

/// A quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figure {
    /// Responses per second.
    RequestsPerSecond,
    /// Latency of half of the requests, at most.
    P50Us,
    /// Latency of 99 % of them, at most.
    P99Us,
    /// Latency of 99.9 % of them, at most.
    P999Us,
    /// CPU time of the contender per request.
    CpuUs,
    /// The share of a core that the contender used, in percent.
    BusyPercent,
    /// CPU time of what is behind the contender, per request.
    BackendCpuUs,
    /// CPU time of the load generator per request.
    LoadCpuUs,
    /// How far the load generator fell behind its schedule, at most.
    LateUs,
    /// Median time of a scan.
    ScanUs,
    /// From the start of the process to its ready line.
    ReadyMs,
    /// A duration.
    Seconds,
    /// The time until resident memory has fallen by half of what the keys took.
    RssFallSeconds,
    /// Resident memory.
    RssMib,
    /// Resident memory at the end.
    RssAfterMib,
    /// Growth of resident memory per key.
    BytesPerKey,
    /// The same per value of lists.
    BytesPerValue,
    /// The same per pop that waits.
    BytesPerWaiter,
    /// Bytes on disk per byte of keys and values that live.
    DiskPerLiveByte,
    /// The store's size on disk.
    DiskMib,
    /// Timers that the store holds.
    Timers,
    /// The share of the machine's CPU time used by unrelated processes. Reported once for all.
    OthersPercent,
}

impl Figure {
    /// The head of its column.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::RequestsPerSecond => "req/s",
            Self::P50Us => "p50 µs",
            Self::P99Us => "p99 µs",
            Self::P999Us => "p99.9 µs",
            Self::CpuUs => "CPU µs/req",
            Self::BusyPercent => "core %",
            Self::BackendCpuUs => "backend CPU µs/req",
            Self::LoadCpuUs => "load CPU µs/req",
            Self::LateUs => "late µs (max)",
            Self::ScanUs => "µs per scan",
            Self::ReadyMs => "ready after ms",
            Self::Seconds => "seconds",
            Self::RssFallSeconds => "until RSS fell by half, s",
            Self::RssMib => "RSS MiB",
            Self::RssAfterMib => "RSS MiB at the end",
            Self::BytesPerKey => "bytes per key",
            Self::BytesPerValue => "bytes per value",
            Self::BytesPerWaiter => "bytes per waiter",
            Self::DiskPerLiveByte => "bytes on disk per live byte",
            Self::DiskMib => "MiB on disk",
            Self::Timers => "timers",
            Self::OthersPercent => "others' CPU %",
        }
    }

    /// Digits behind the point that the measurement supports.
    pub(crate) fn digits(self) -> usize {
        match self {
            Self::OthersPercent | Self::CpuUs | Self::BackendCpuUs | Self::LoadCpuUs | Self::ReadyMs => 1,
            Self::RssMib | Self::RssAfterMib | Self::DiskMib => 1,
            Self::DiskPerLiveByte | Self::Seconds | Self::RssFallSeconds => 2,
            _ => 0,
        }
    }
}

/// A number with commas between its thousands.
pub(crate) fn grouped(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
    let mut out = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    fraction.map_or(out.clone(), |fraction| format!("{out}.{fraction}"))
}

/// A count with commas between its thousands.
pub(crate) fn count(count: usize) -> String {
    grouped(count as f64, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(1_234_567.0, 0), "1,234,567");
        assert_eq!(grouped(123.45, 1), "123.5");
        assert_eq!(grouped(999.0, 0), "999");
    }
}

//! The metrics that every server has, and the registry to which further ones are added.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;
use std::{fmt, fs};

use prism_grpc::shared::Shared;
use prism_net::tls::server::{ServerTls, TlsCounters};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use crate::telemetry::{self, Lost};

/// Collects the workers' counters, and what connections use of what they share.
#[derive(Debug)]
struct SharedCollector(Arc<Shared>);

impl Collector for SharedCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Shared { counters, limits, requests, answers, .. } = &*self.0;
        let count = |count: &AtomicI64| u64::try_from(count.load(Relaxed)).unwrap_or_default();
        let gauges = [
            ("prism_connections", "Open connections", count(&counters.connections)),
            ("prism_calls_in_flight", "Calls in flight", count(&counters.in_flight)),
            ("prism_calls_in_flight_max", "The limit of calls in flight", limits.in_flight_max as u64),
            (
                "prism_request_bytes",
                "Bytes of requests that are not complete, in blocks",
                requests.used() as u64,
            ),
            ("prism_request_bytes_max", "The limit of request bytes", requests.max() as u64),
            (
                "prism_answer_bytes",
                "Bytes of responses that clients have not read, in blocks",
                answers.used() as u64,
            ),
            ("prism_answer_bytes_max", "The limit of response bytes", answers.max() as u64),
        ];
        for (name, help, value) in gauges {
            encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
        }
        let count = |count: &AtomicU64| count.load(Relaxed);
        let totals = [
            (
                "prism_connections_accepted",
                "Connections accepted since the start",
                count(&counters.connections_total),
            ),
            (
                "prism_connections_refused",
                "Connections closed at once because their address had used up its share",
                count(&counters.connections_refused_total),
            ),
            (
                "prism_connections_evicted",
                "Idle connections closed to make room for another",
                count(&counters.evicted_total),
            ),
            (
                "prism_connections_closed_for_resets",
                "Connections closed because their clients reset too many calls",
                count(&counters.resets_closed_total),
            ),
            (
                "prism_connections_closed_for_tls",
                "Connections closed because their clients spoke TLS on a port without it",
                count(&counters.tls_on_plaintext_total),
            ),
            ("prism_calls", "Calls started since the start", count(&counters.calls_total)),
            (
                "prism_calls_refused",
                "Calls refused because too many were in flight, on their connection or in the process",
                count(&counters.calls_refused_total),
            ),
            (
                "prism_request_bytes_refused",
                "Calls refused because the request bytes were used up",
                requests.refused(),
            ),
            (
                "prism_answer_bytes_refused",
                "Calls refused or ended because the response bytes were used up",
                answers.refused(),
            ),
        ];
        encode_totals(&mut encoder, &totals)
    }
}

fn encode_totals(encoder: &mut DescriptorEncoder<'_>, totals: &[(&str, &str, u64)]) -> fmt::Result {
    for (name, help, value) in totals {
        let mut counter = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        counter.encode_counter::<NoLabelSet, _, f64>(value, None)?;
    }
    Ok(())
}

/// Adds what connections share to a registry.
pub(crate) fn register_shared(registry: &mut Registry, shared: &Arc<Shared>) {
    registry.register_collector(Box::new(SharedCollector(Arc::clone(shared))));
}

/// Collects the state of TLS.
#[derive(Debug)]
struct TlsCollector(Arc<ServerTls>);

impl Collector for TlsCollector {
    #[expect(clippy::cast_precision_loss, reason = "a metric is a floating-point number")]
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let not_after = self.0.not_after();
        let left = match not_after.duration_since(SystemTime::now()) {
            Ok(left) => left.as_secs() as f64,
            Err(expired) => -(expired.duration().as_secs() as f64),
        };
        let TlsCounters {
            handshakes_failed_total,
            plaintext_total,
            reloads_total,
            reloads_failed_total,
            stale,
        } = self.0.counters();
        let (name, help) = ("prism_tls_certificate_seconds_left", "Seconds until the certificate expires");
        encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&left)?;
        let (name, help) = ("prism_tls_files_stale", "1 while the changed files cannot be used");
        encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&stale.load(Relaxed))?;
        let totals = [
            ("prism_tls_handshakes_failed", "TLS handshakes that failed", handshakes_failed_total),
            ("prism_tls_plaintext_refused", "Clients refused because they spoke plaintext", plaintext_total),
            ("prism_tls_reloads", "Changes of the files that took effect", reloads_total),
            ("prism_tls_reloads_failed", "Changes of the files that were refused", reloads_failed_total),
        ];
        encode_totals(&mut encoder, &totals.map(|(name, help, count)| (name, help, count.load(Relaxed))))
    }
}

/// Adds the metrics of TLS to a registry.
pub(crate) fn register_tls(registry: &mut Registry, tls: &Arc<ServerTls>) {
    registry.register_collector(Box::new(TlsCollector(Arc::clone(tls))));
}

/// Collects the lost log lines.
#[derive(Debug)]
struct LogCollector;

impl Collector for LogCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Lost { dropped, failed } = telemetry::lost();
        let totals = [
            ("prism_log_lines_dropped", "Log lines lost because their reader was too slow", dropped),
            ("prism_log_lines_failed", "Log lines lost because writing them failed", failed),
        ];
        encode_totals(&mut encoder, &totals)
    }
}

/// Collects what the kernel reports about this process, under the names that Prometheus' own clients use:
/// <https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>.
#[derive(Debug)]
struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // Without /proc these metrics are absent.
        let Some(read) = ProcessFigures::read() else { return Ok(()) };
        let gauges = [
            ("process_resident_memory_bytes", "Resident memory", read.resident_bytes),
            ("process_virtual_memory_bytes", "Virtual memory", read.virtual_bytes),
            ("process_open_fds", "Open file descriptors", read.open_fds),
            ("process_max_fds", "Limit of open file descriptors", read.max_fds),
            ("process_threads", "Threads", read.threads),
        ];
        for (name, help, value) in gauges {
            encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
        }
        let (name, help) = ("process_start_time_seconds", "When the process started, in seconds since 1970");
        encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&read.started_at)?;
        let (name, help) = ("process_cpu_seconds", "CPU time, user and system");
        let mut counter = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        counter.encode_counter::<NoLabelSet, _, f64>(&read.cpu_seconds, None)
    }
}

struct ProcessFigures {
    cpu_seconds: f64,
    started_at: f64,
    resident_bytes: u64,
    virtual_bytes: u64,
    open_fds: u64,
    max_fds: u64,
    threads: u64,
}

impl ProcessFigures {
    #[expect(clippy::cast_precision_loss, reason = "a metric is a floating-point number")]
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let field = |number| stat_field(&stat, number);
        let ticks_per_second = clock_ticks_per_second() as f64;
        let kernel = fs::read_to_string("/proc/stat").ok()?;
        let booted_at = kernel.lines().find_map(|line| line.strip_prefix("btime "))?.parse::<u64>().ok()?;
        // The size of the folder is the number of its entries from Linux 6.2 on; before, it is 0.
        let open_fds = match fs::metadata("/proc/self/fd").ok()?.len() {
            0 => fs::read_dir("/proc/self/fd").ok()?.count() as u64,
            count => count,
        };
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) as f64 / ticks_per_second,
            started_at: booted_at as f64 + field(22)? as f64 / ticks_per_second,
            resident_bytes: field(24)? * page_size() as u64,
            virtual_bytes: field(23)?,
            open_fds,
            max_fds: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
            threads: field(20)?,
        })
    }
}

/// A field of `/proc/self/stat`, by its number in proc_pid_stat(5). The second field, the process's name in brackets, may
/// contain spaces and brackets.
fn stat_field(stat: &str, number: usize) -> Option<u64> {
    let (_, from_third) = stat.rsplit_once(") ")?;
    from_third.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

/// Adds the process's metrics to a registry.
pub(crate) fn register_process(registry: &mut Registry) {
    registry.register_collector(Box::new(ProcessCollector));
    registry.register_collector(Box::new(LogCollector));
}

/// Writes a registry in the OpenMetrics text format.
pub(crate) fn encode(registry: &Arc<Registry>) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_moves_no_field() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 14 15 0 0 20 0 20 0 22 23 24 5\n";
        for number in [14, 15, 20, 22, 23, 24] {
            assert_eq!(stat_field(stat, number), Some(number as u64));
        }
        assert_eq!(stat_field(stat, 99), None);
    }

    #[test]
    fn figures_of_the_process_are_of_this_one() {
        let read = ProcessFigures::read().unwrap();
        assert!(
            (1 << 16..1 << 40).contains(&read.resident_bytes) && read.virtual_bytes >= read.resident_bytes
        );
        assert!(read.threads >= 1 && (3..=read.max_fds).contains(&read.open_fds));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        // The kernel tells when it booted in whole seconds.
        assert!((now - 3600.0..now + 2.0).contains(&read.started_at), "{} at {now}", read.started_at);
    }
}

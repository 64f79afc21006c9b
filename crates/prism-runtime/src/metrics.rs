//! The figures every server has, and the registry that further ones are added to.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prism_grpc::counters::Counters;
use procfs::ProcResult;
use procfs::process::{LimitValue, Process};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

/// Shows what the workers count.
#[derive(Debug)]
struct CountersCollector(Arc<Counters>);

impl Collector for CountersCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counters = &*self.0;
        let gauges = [
            ("prism_connections", "Connections open now", &counters.connections),
            ("prism_calls_in_flight", "Calls under way now", &counters.in_flight),
        ];
        for (name, help, value) in gauges {
            let mut gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            gauge.encode_gauge(&value.load(Ordering::Relaxed))?;
        }
        let totals = [
            (
                "prism_connections_accepted",
                "Connections accepted since the start",
                &counters.connections_total,
            ),
            ("prism_calls", "Calls begun since the start", &counters.calls_total),
            (
                "prism_calls_refused",
                "Calls refused because too many were under way",
                &counters.calls_refused_total,
            ),
        ];
        for (name, help, value) in totals {
            let mut counter = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            counter.encode_counter::<NoLabelSet, _, f64>(&value.load(Ordering::Relaxed), None)?;
        }
        Ok(())
    }
}

/// The counters of a server's workers, which the registry shows from now on.
pub(crate) fn counters(registry: &mut Registry) -> Arc<Counters> {
    let counters = Arc::<Counters>::default();
    registry.register_collector(Box::new(CountersCollector(Arc::clone(&counters))));
    counters
}

/// Shows what the kernel says of this process, under the names that Prometheus' own clients use:
/// <https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>.
#[derive(Debug)]
struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // Without /proc there are no such figures.
        let Ok(read) = ProcessFigures::read() else { return Ok(()) };
        let gauges = [
            ("process_resident_memory_bytes", "Resident memory", read.resident_bytes),
            ("process_virtual_memory_bytes", "Virtual memory", read.virtual_bytes),
            ("process_open_fds", "Open file descriptors", read.open_fds),
            ("process_max_fds", "The most open file descriptors", read.max_fds),
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
    fn read() -> ProcResult<Self> {
        let process = Process::myself()?;
        let stat = process.stat()?;
        let ticks_per_second = procfs::ticks_per_second() as f64;
        let max_fds = match process.limits()?.max_open_files.soft_limit {
            LimitValue::Value(most) => most,
            LimitValue::Unlimited => u64::MAX,
        };
        Ok(Self {
            cpu_seconds: (stat.utime + stat.stime) as f64 / ticks_per_second,
            started_at: procfs::boot_time_secs()? as f64 + stat.starttime as f64 / ticks_per_second,
            resident_bytes: stat.rss * procfs::page_size(),
            virtual_bytes: stat.vsize,
            open_fds: process.fd_count()? as u64,
            max_fds,
            threads: u64::try_from(stat.num_threads).unwrap_or_default(),
        })
    }
}

/// Adds the process's figures to a registry.
pub(crate) fn register_process(registry: &mut Registry) {
    registry.register_collector(Box::new(ProcessCollector));
}

/// Writes a registry in the OpenMetrics text format.
pub(crate) fn encode(registry: &Arc<Registry>) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry)?;
    Ok(text)
}

//! The proxy's metrics of calls, backends and the configuration, read whenever they are collected.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use tokio::sync::watch;

use crate::route::{Backend, RemoteCounts};
use crate::shared::Shared;
use crate::status::{Outcome, Status};
use crate::traffic::{LATENCY_BOUNDS, Totals};
use prism_plugin::driver::{Figure, FigureValue, State};

/// The label for all namespaces beyond the maximum number with labels of their own. No namespace can have this name.
const OTHERS: &str = "_other";

/// One of a backend's counts.
type Count = fn(&RemoteCounts) -> u64;

/// Collects a proxy's metrics.
#[derive(Debug)]
pub(crate) struct ProxyCollector {
    pub(crate) shared: Arc<Shared>,
    pub(crate) status: watch::Receiver<Status>,
}

impl Collector for ProxyCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.calls(&mut encoder)?;
        self.backends(&mut encoder)?;
        let status = self.status.borrow();
        let refused = status.last_attempt.as_ref().is_some_and(|attempt| attempt.outcome == Outcome::Refused);
        let credentials_applied = self.shared.table().credentials_applied();
        let gauges = [
            ("prism_proxy_config_namespaces", "Namespaces in force", status.namespaces as u64),
            (
                "prism_proxy_config_applied",
                "Whether the last attempt to load the file succeeded: 1 or 0",
                u64::from(!refused),
            ),
            (
                "prism_proxy_credentials_applied",
                "Whether the last attempt to read each file of credentials succeeded: 1 or 0",
                u64::from(credentials_applied),
            ),
        ];
        for (name, help, value) in gauges {
            family(&mut encoder, name, help, MetricType::Gauge)?.encode_gauge(&value)?;
        }
        Ok(())
    }
}

impl ProxyCollector {
    fn calls(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut totals: BTreeMap<[String; 2], Totals> = BTreeMap::new();
        let mut in_flight: BTreeMap<String, i64> = BTreeMap::new();
        for route in self.shared.table().routes() {
            let mut shown = None;
            route.traffic.each(|method, figures| {
                let namespace = if figures.is_shown() { &route.settings.name } else { OTHERS };
                totals.entry([namespace.to_owned(), method.to_owned()]).or_default().add(figures);
                shown = shown.max(Some(figures.is_shown()));
            });
            if let Some(shown) = shown {
                let namespace = if shown { &route.settings.name } else { OTHERS };
                *in_flight.entry(namespace.to_owned()).or_default() += route.traffic.in_flight();
            }
        }

        let mut metric =
            family(encoder, "prism_proxy_requests", "Calls that have ended", MetricType::Counter)?;
        for ([namespace, method], totals) in &totals {
            for (code, count) in totals.codes() {
                let labels = [("namespace", namespace.as_str()), ("method", method.as_str()), ("code", code)];
                counter(&mut metric, &labels, count)?;
            }
        }
        let mut metric = family(
            encoder,
            "prism_proxy_request_duration_seconds",
            "Time from a call's headers to the end of its response",
            MetricType::Histogram,
        )?;
        for (labels, totals) in &totals {
            let bounds = LATENCY_BOUNDS.iter().map(std::time::Duration::as_secs_f64).chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(totals.latency).collect();
            let labels = method_labels(labels);
            metric.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                totals.took.as_secs_f64(),
                totals.requests(),
                &buckets,
                None,
            )?;
        }
        let mut metric =
            family(encoder, "prism_proxy_requests_in_flight", "Calls in flight", MetricType::Gauge)?;
        for (namespace, count) in &in_flight {
            let labels = [("namespace", namespace.as_str())];
            ConstGauge::new(*count).encode(metric.encode_family(&labels)?)?;
        }
        let directions = [
            ("prism_proxy_request_bytes", "Bytes of request messages, framing included", true),
            ("prism_proxy_response_bytes", "Bytes of response messages, framing included", false),
        ];
        for (name, help, requests) in directions {
            let mut metric = family(encoder, name, help, MetricType::Counter)?;
            for (labels, totals) in &totals {
                let bytes = if requests { totals.request_bytes } else { totals.response_bytes };
                counter(&mut metric, &method_labels(labels), bytes)?;
            }
        }
        let (name, help) = ("prism_proxy_unrouted_requests", "Calls that ended before they were routed");
        let mut metric = family(encoder, name, help, MetricType::Counter)?;
        for (code, count) in self.shared.unrouted.codes() {
            counter(&mut metric, &[("code", code)], count)?;
        }
        let (name, help) = ("prism_proxy_caller_requests", "Calls of identified callers that have ended");
        let mut metric = family(encoder, name, help, MetricType::Counter)?;
        self.shared
            .callers
            .each(|caller, code, count| counter(&mut metric, &[("caller", caller), ("code", code)], count))
    }

    fn backends(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let table = self.shared.table();
        let labelled = table.backends().map(|(plugin, backend)| (plugin.to_string(), backend));
        let mut backends: Vec<_> = labelled.collect();
        backends.sort_by(|(one, _), (other, _)| one.cmp(other));

        let (name, help) = ("prism_proxy_backend_state", "Whether the backend is in this state: 1 or 0");
        let mut metric = family(encoder, name, help, MetricType::Gauge)?;
        for (label, backend) in &backends {
            let is = match backend.state() {
                State::Idle => "idle",
                State::Ready => "ready",
                State::Unreachable { .. } => "unreachable",
            };
            for state in ["idle", "ready", "unreachable"] {
                let labels = [("backend", label.as_str()), ("state", state)];
                ConstGauge::new(u64::from(state == is)).encode(metric.encode_family(&labels)?)?;
            }
        }
        figures(encoder, &backends)?;
        // What follows is about the proxy's own connections.
        let remotes: Vec<_> = backends
            .into_iter()
            .filter_map(|(label, backend)| match backend {
                Backend::Embedded(_) => None,
                Backend::Remote(remote) => Some((label, remote)),
            })
            .collect();
        let (name, help) = ("prism_proxy_backend_connections", "Open connections to the backend");
        let mut metric = family(encoder, name, help, MetricType::Gauge)?;
        for (backend, remote) in &remotes {
            let labels = [("backend", backend.as_str())];
            ConstGauge::new(remote.counts().open).encode(metric.encode_family(&labels)?)?;
        }
        let (name, help) = ("prism_proxy_backend_connects", "Connection attempts to the backend");
        let mut metric = family(encoder, name, help, MetricType::Counter)?;
        for (backend, remote) in &remotes {
            let counts = remote.counts();
            for (outcome, count) in [("made", counts.connects_made), ("failed", counts.connects_failed)] {
                counter(&mut metric, &[("backend", backend.as_str()), ("outcome", outcome)], count)?;
            }
        }
        let counters: [(&str, &str, Count); 3] = [
            (
                "prism_proxy_retries",
                "Calls retried because the backend had not seen the first attempt",
                |counts| counts.retries,
            ),
            (
                "prism_proxy_backend_slots_waited_for",
                "Unary calls that waited for a slot because their connection or namespace had used up its share",
                |counts| counts.slots_waited_for,
            ),
            (
                "prism_proxy_backend_slots_refused",
                "Streams refused a slot because their connection or namespace had used up its share",
                |counts| counts.slots_refused,
            ),
        ];
        for (name, help, count) in counters {
            let mut metric = family(encoder, name, help, MetricType::Counter)?;
            for (backend, remote) in &remotes {
                counter(&mut metric, &[("backend", backend)], count(&remote.counts()))?;
            }
        }
        Ok(())
    }
}

/// The figures of the backends within this process, under the names that their plugins have, each with its backend.
fn figures(encoder: &mut DescriptorEncoder<'_>, backends: &[(String, &Backend)]) -> fmt::Result {
    let mut found: BTreeMap<&str, Vec<(&str, Figure)>> = BTreeMap::new();
    for (label, backend) in backends {
        let Backend::Embedded(embedded) = backend else { continue };
        for figure in embedded.figures() {
            found.entry(figure.name).or_default().push((label, figure));
        }
    }
    for (name, figures) in found {
        let Some((_, first)) = figures.first() else { continue };
        let kind = match first.value {
            FigureValue::Gauge(_) => MetricType::Gauge,
            FigureValue::Count(_) | FigureValue::Seconds(_) => MetricType::Counter,
        };
        let mut metric = family(encoder, name, first.help, kind)?;
        for (backend, figure) in &figures {
            let labels = [("backend", *backend)];
            let metric = metric.encode_family(&labels)?;
            match figure.value {
                FigureValue::Gauge(value) => ConstGauge::new(value).encode(metric)?,
                FigureValue::Count(count) => ConstCounter::new(count).encode(metric)?,
                FigureValue::Seconds(seconds) => ConstCounter::new(seconds).encode(metric)?,
            }
        }
    }
    Ok(())
}

fn method_labels([namespace, method]: &[String; 2]) -> [(&str, &str); 2] {
    [("namespace", namespace), ("method", method)]
}

fn family<'s>(
    encoder: &'s mut DescriptorEncoder<'_>,
    name: &'s str,
    help: &str,
    kind: MetricType,
) -> Result<MetricEncoder<'s>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, kind)
}

fn counter(metric: &mut MetricEncoder<'_>, labels: &impl EncodeLabelSet, count: u64) -> fmt::Result {
    ConstCounter::new(count).encode(metric.encode_family(labels)?)
}

//! The difference between two responses of a proxy, and the metrics derived from it.

use std::collections::HashMap;
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use super::page::{Namespace, Page};

/// Codes that are not failures of the gateway or the backend: success, missing key, cancelled by the client.
const NO_ERRORS: [&str; 3] = ["OK", "NOT_FOUND", "CANCELLED"];

/// The counters of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    errors: u64,
    latency: Vec<u64>,
}

/// A proxy's previous response.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) at: Instant,
    pub(super) started_at: Value,
    pub(super) counts: HashMap<String, Counts>,
}

/// One point of a series. Latencies are those of calls that ended; `None` if none did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Point {
    pub(crate) requests_per_second: f32,
    pub(crate) errors_per_second: f32,
    pub(crate) p50_seconds: Option<f32>,
    pub(crate) p99_seconds: Option<f32>,
}

/// The difference from the previous responses, over all proxies.
#[derive(Debug, Default)]
pub(super) struct Added {
    /// Whether any proxy responded that had responded before.
    pub(super) is_known: bool,
    /// Whether any proxy is missing: its traffic is unknown.
    pub(super) is_partial: bool,
    bounds: Vec<f64>,
    namespaces: HashMap<String, Sum>,
}

#[derive(Debug, Default)]
struct Sum {
    requests_per_second: f64,
    errors_per_second: f64,
    latency: Vec<u64>,
}

impl Counts {
    pub(crate) fn of(namespace: &Namespace) -> Self {
        let errors = namespace.codes.iter().filter(|(code, _)| !NO_ERRORS.contains(&code.as_str()));
        Self { errors: errors.map(|(_, count)| count).sum(), latency: namespace.latency.clone() }
    }

    /// The difference from `before`; everything if the counters were reset.
    fn since(&self, before: Option<&Self>) -> Self {
        let whole = || self.clone();
        let Some(before) = before.filter(|before| before.latency.len() == self.latency.len()) else {
            return whole();
        };
        let latency = self.latency.iter().zip(&before.latency).map(|(now, then)| now.checked_sub(*then));
        match (latency.collect::<Option<Vec<_>>>(), self.errors.checked_sub(before.errors)) {
            (Some(latency), Some(errors)) => Self { errors, latency },
            _ => whole(),
        }
    }
}

impl Added {
    /// Adds what one proxy has counted since its previous response. Its first response yields nothing.
    pub(super) fn add(&mut self, before: Option<&Before>, page: &Page) {
        let Some(before) = before else {
            self.is_partial = true;
            return;
        };
        if self.bounds.is_empty() {
            self.bounds.clone_from(&page.latency_bounds_seconds);
        }
        self.is_known = true;
        let seconds = Instant::now().duration_since(before.at).as_secs_f64().max(0.001);
        // After a restart of the proxy, everything is new.
        let known = |name: &str| before.counts.get(name).filter(|_| before.started_at == page.started_at);
        for namespace in &page.namespaces {
            let added = Counts::of(namespace).since(known(&namespace.name));
            let requests: u64 = added.latency.iter().sum();
            if requests == 0 {
                continue;
            }
            let sum = self.namespaces.entry(namespace.name.clone()).or_default();
            sum.requests_per_second += requests as f64 / seconds;
            sum.errors_per_second += added.errors as f64 / seconds;
            sum.latency.resize(sum.latency.len().max(added.latency.len()), 0);
            sum.latency.iter_mut().zip(added.latency).for_each(|(sum, added)| *sum += added);
        }
    }

    /// The point of each namespace that had calls.
    pub(super) fn points(&self) -> impl Iterator<Item = (&String, Point)> {
        self.namespaces.iter().map(|(name, sum)| (name, sum.point(&self.bounds)))
    }

    /// The point for all namespaces together.
    pub(super) fn total(&self) -> Point {
        let mut total = Sum::default();
        for sum in self.namespaces.values() {
            total.requests_per_second += sum.requests_per_second;
            total.errors_per_second += sum.errors_per_second;
            total.latency.resize(total.latency.len().max(sum.latency.len()), 0);
            total.latency.iter_mut().zip(&sum.latency).for_each(|(total, sum)| *total += sum);
        }
        total.point(&self.bounds)
    }
}

impl Point {
    /// The point of a period without calls.
    pub(super) const NO_CALLS: Self =
        Self { requests_per_second: 0.0, errors_per_second: 0.0, p50_seconds: None, p99_seconds: None };
}

impl Sum {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "six digits are enough for a chart, and take half the memory"
    )]
    fn point(&self, bounds: &[f64]) -> Point {
        let quantile = |q| quantile(bounds, &self.latency, q).map(|seconds| seconds as f32);
        Point {
            requests_per_second: self.requests_per_second as f32,
            errors_per_second: self.errors_per_second as f32,
            p50_seconds: quantile(0.5),
            p99_seconds: quantile(0.99),
        }
    }
}

/// A quantile of counts by bucket, with an even distribution within each, like Prometheus's `histogram_quantile`; the
/// last bound for values beyond all bounds.
fn quantile(bounds: &[f64], counts: &[u64], q: f64) -> Option<f64> {
    let all: u64 = counts.iter().sum();
    if all == 0 {
        return None;
    }
    let rank = q * all as f64;
    let mut below = 0.0;
    for (bucket, count) in counts.iter().enumerate() {
        let count = *count as f64;
        if below + count >= rank && count > 0.0 {
            let Some(upper) = bounds.get(bucket) else { break };
            let lower = bucket.checked_sub(1).and_then(|before| bounds.get(before)).copied().unwrap_or(0.0);
            return Some(lower + (upper - lower) * (rank - below) / count);
        }
        below += count;
    }
    bounds.last().copied()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn page(started_at: u64, latency: [u64; 3], codes: Value) -> Page {
        serde_json::from_value(json!({
            "started_at": started_at,
            "latency_bounds_seconds": [0.001, 0.01],
            "namespaces": [{"name": "orders", "in_flight": 0, "codes": codes, "latency": latency}],
        }))
        .unwrap()
    }

    fn added(before: Option<&Before>, now: &Page) -> Added {
        let mut added = Added::default();
        added.add(before, now);
        added
    }

    #[test]
    fn a_quantile_is_within_its_bucket() {
        let bounds = [1.0, 2.0, 4.0];
        assert_eq!(quantile(&bounds, &[0, 0, 0, 0], 0.5), None);
        assert_eq!(quantile(&bounds, &[2, 0, 0, 0], 0.5), Some(0.5));
        assert_eq!(quantile(&bounds, &[0, 2, 2, 0], 0.5), Some(2.0));
        assert_eq!(quantile(&bounds, &[0, 0, 4, 0], 0.75), Some(3.5));
        assert_eq!(quantile(&bounds, &[0, 0, 0, 9], 0.5), Some(4.0), "the last bound stands for all beyond");
    }

    #[test]
    fn what_is_no_failure_is_no_error() {
        let before = Before::of(page(1, [0, 0, 0], json!({})));
        let codes = json!({"OK": 5, "NOT_FOUND": 2, "CANCELLED": 1, "UNAVAILABLE": 2});
        let total = added(Some(&before), &page(1, [8, 2, 0], codes)).total();
        let share = total.errors_per_second / total.requests_per_second;
        assert!((share - 0.2).abs() < 1e-6, "{share}");
        assert!(total.p50_seconds.unwrap() < 0.001 && total.p99_seconds.unwrap() > 0.001);
    }

    #[test]
    fn only_what_was_added_counts() {
        let before = Before::of(page(1, [100, 0, 0], json!({"OK": 100})));
        let same = added(Some(&before), &page(1, [100, 0, 0], json!({"OK": 100})));
        assert!(same.is_known && same.points().next().is_none());
        assert_eq!(same.total(), Point::NO_CALLS);
        let anew = Counts::of(&page(2, [7, 0, 0], json!({"OK": 7})).namespaces[0]);
        assert_eq!(anew.since(before.counts.get("orders")), anew, "a counter that fell was reset");
        assert!(!added(None, &page(1, [9, 0, 0], json!({}))).is_known, "the first response yields no rate");
    }

    #[test]
    fn everything_is_new_of_a_proxy_that_started_again() {
        let before = Before::of(page(1, [5, 0, 0], json!({"OK": 5})));
        let again = added(Some(&before), &page(2, [9, 0, 0], json!({"OK": 9})));
        let same = added(Some(&before), &page(1, [9, 0, 0], json!({"OK": 9})));
        assert!(again.total().requests_per_second > same.total().requests_per_second);
    }
}

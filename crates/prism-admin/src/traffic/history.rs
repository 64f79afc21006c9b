//! The points of the last 15 minutes, for all namespaces together and for each.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;

use super::point::{Added, Point};

/// Points that are kept: 15 min / 5 s. A namespace keeps only those with calls, at 32 bytes each in a queue that
/// doubles: 10,000 busy namespaces take 10,000 × 256 × 32 = 82 MB.
pub(crate) const POINTS: usize = 180;

/// The points. A namespace keeps only those with calls; where all proxies responded, the others are zero.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The number of points so far.
    count: u64,
    moments: VecDeque<Moment>,
    namespaces: HashMap<String, VecDeque<(u64, Point)>>,
}

/// The time of a point, and its values for all namespaces together.
#[derive(Debug)]
struct Moment {
    /// In Unix seconds.
    at: u64,
    total: Option<Point>,
    /// The value for a namespace that no proxy mentioned; `None`: a proxy did not respond.
    others: Option<Point>,
}

/// Points as columns; `None` is unknown.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Series {
    requests_per_second: Vec<Option<f32>>,
    errors_per_second: Vec<Option<f32>>,
    p50_seconds: Vec<Option<f32>>,
    p99_seconds: Vec<Option<f32>>,
}

impl History {
    pub(super) fn push(&mut self, at: u64, added: Added) {
        let others = (added.is_known && !added.is_partial).then_some(Point::NO_CALLS);
        let total = Some(added.total()).filter(|total| total.requests_per_second > 0.0).or(others);
        self.moments.push_back(Moment { at, total, others });
        for (name, point) in added.points() {
            self.namespaces.entry(name.clone()).or_default().push_back((self.count, point));
        }
        self.count += 1;
        if self.moments.len() > POINTS {
            self.moments.pop_front();
        }
        let first = self.first();
        self.namespaces.retain(|_, points| {
            while points.front().is_some_and(|(number, _)| *number < first) {
                points.pop_front();
            }
            !points.is_empty()
        });
    }

    /// The number of the oldest point.
    fn first(&self) -> u64 {
        self.count - self.moments.len() as u64
    }

    pub(crate) fn at(&self) -> Vec<u64> {
        self.moments.iter().map(|moment| moment.at).collect()
    }

    pub(crate) fn total(&self) -> Series {
        self.moments.iter().map(|moment| moment.total).collect()
    }

    pub(crate) fn of(&self, namespace: &str) -> Series {
        let mut with_calls = self.namespaces.get(namespace).into_iter().flatten().peekable();
        let points = (self.first()..).zip(&self.moments).map(|(number, moment)| {
            let point = with_calls.next_if(|(with_calls, _)| *with_calls == number).map(|(_, point)| *point);
            point.or(moment.others)
        });
        points.collect()
    }

    /// The newest point: its time, and all namespaces together; `None` before the first.
    pub(crate) fn newest(&self) -> Option<(u64, Option<Point>)> {
        self.moments.back().map(|moment| (moment.at, moment.total))
    }

    /// The newest point of a namespace.
    pub(crate) fn newest_of(&self, namespace: &str) -> Option<Point> {
        let newest = self.moments.back()?;
        let point = self.namespaces.get(namespace).and_then(|points| points.back());
        let point = point.filter(|(number, _)| number + 1 == self.count).map(|(_, point)| *point);
        point.or(newest.others)
    }
}

impl FromIterator<Option<Point>> for Series {
    fn from_iter<I: IntoIterator<Item = Option<Point>>>(points: I) -> Self {
        let mut series = Self::default();
        for point in points {
            series.requests_per_second.push(point.map(|point| point.requests_per_second));
            series.errors_per_second.push(point.map(|point| point.errors_per_second));
            series.p50_seconds.push(point.and_then(|point| point.p50_seconds));
            series.p99_seconds.push(point.and_then(|point| point.p99_seconds));
        }
        series
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::Page;
    use super::super::point::Before;
    use super::*;

    fn added(requests: u64) -> Added {
        let page = |count: u64| -> Page {
            serde_json::from_value(serde_json::json!({
                "started_at": 0, "latency_bounds_seconds": [1.0],
                "namespaces": [{"name": "orders", "in_flight": 0, "codes": {}, "latency": [count, 0]}],
            }))
            .unwrap()
        };
        let mut added = Added::default();
        added.add(Some(&Before::of(page(0))), &page(requests));
        added
    }

    #[test]
    fn silence_is_unknown_and_idleness_zero() {
        let mut history = History::default();
        history.push(1, added(3));
        history.push(2, Added::default());
        history.push(3, added(0));
        let rates = history.of("orders").requests_per_second;
        assert!(rates[0].unwrap() > 0.0);
        assert_eq!(rates[1..], [None, Some(0.0)]);
        assert_eq!(history.of("idle").requests_per_second, [Some(0.0), None, Some(0.0)]);
        assert_eq!(history.at(), [1, 2, 3]);
        assert_eq!(history.newest_of("orders"), Some(Point::NO_CALLS));
        assert_eq!(history.of("orders").p50_seconds[2], None);
    }

    #[test]
    fn what_a_silent_proxy_carries_is_unknown() {
        let mut history = History::default();
        let mut partial = added(3);
        partial.is_partial = true;
        history.push(1, partial);
        assert!(history.newest_of("orders").unwrap().requests_per_second > 0.0, "other proxies report it");
        assert!(history.newest().unwrap().1.is_some());
        assert_eq!((history.newest_of("idle"), history.of("idle").requests_per_second), (None, vec![None]));
        let mut partial = added(0);
        partial.is_partial = true;
        history.push(2, partial);
        assert_eq!((history.newest_of("orders"), history.newest()), (None, Some((2, None))));
    }

    #[test]
    fn a_proxy_that_has_just_been_found_is_unknown() {
        let page = serde_json::from_value(serde_json::json!({
            "started_at": 0, "latency_bounds_seconds": [1.0], "namespaces": [],
        }));
        let mut first = added(0);
        first.add(None, &page.unwrap());
        let mut history = History::default();
        history.push(1, first);
        assert_eq!(history.newest_of("orders"), None);
    }

    #[test]
    fn what_is_older_goes_and_takes_its_namespace_along() {
        let mut history = History::default();
        history.push(0, added(1));
        for at in 1..=POINTS as u64 {
            assert_eq!(history.namespaces.len(), 1, "{at}");
            history.push(at, added(0));
        }
        assert!(history.namespaces.is_empty());
        assert_eq!((history.at().len(), history.at()[0]), (POINTS, 1));
    }
}

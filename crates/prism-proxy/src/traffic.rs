//! Counters of each namespace's calls, by method: their status, duration and bytes.
//!
//! A call counts for its namespace once the table has found it, whatever happens then. The counters survive a change of
//! the namespace's settings.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use prism_grpc::pump::Sent;
use prism_proto::error::code_name;
use rustc_hash::FxHashMap;
use tonic::Code;

mod callers;
pub mod page;

pub(crate) use callers::CallerTraffic;

/// The upper bounds of the latency buckets: the default ones of Prometheus' clients
/// (<https://prometheus.io/docs/practices/histograms/>), and two decades below them.
pub const LATENCY_BOUNDS: [Duration; 16] = [
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// The name of methods that nobody describes, or that exceed the limit.
const OTHER: &str = "other";

/// The maximum number of methods per namespace that are counted by name.
const METHODS_MAX: usize = 64;

/// The most methods, across all namespaces, with labels of their own on the metrics page, some 25 lines each.
const SHOWN_MAX: usize = 1_000;

/// How many have labels of their own.
static SHOWN: AtomicUsize = AtomicUsize::new(0);

/// The counters of one namespace.
#[derive(Debug)]
pub struct Traffic {
    namespace: Box<str>,
    /// Copied when a method is called for the first time.
    methods: ArcSwap<FxHashMap<Box<str>, Arc<Figures>>>,
    in_flight: AtomicI64,
}

/// The counters of one method of a namespace.
#[derive(Debug)]
pub(crate) struct Figures {
    codes: [AtomicU64; 17],
    latency: [AtomicU64; LATENCY_BOUNDS.len() + 1],
    nanos: AtomicU64,
    request_bytes: AtomicU64,
    response_bytes: AtomicU64,
    is_shown: bool,
}

/// The counters of one or several methods at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    codes: [u64; 17],
    /// Calls by bucket; the last is for those beyond all bounds.
    pub(crate) latency: [u64; LATENCY_BOUNDS.len() + 1],
    pub(crate) took: Duration,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
}

/// A call in flight. It is counted when dropped: as cancelled, unless it has been ended.
#[derive(Debug)]
pub struct Ongoing {
    traffic: Arc<Traffic>,
    figures: Arc<Figures>,
    begun: Instant,
    request_bytes: AtomicU64,
    ended: Option<(Duration, Sent)>,
}

impl Traffic {
    /// Starts at zero.
    #[must_use]
    pub fn of(namespace: &str) -> Arc<Self> {
        Arc::new(Self {
            namespace: namespace.into(),
            methods: ArcSwap::default(),
            in_flight: AtomicI64::new(0),
        })
    }

    /// A call that began at `begun`. `method` is its path, if that method is described anywhere.
    pub fn begin(self: &Arc<Self>, method: Option<&str>, begun: Instant) -> Ongoing {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Ongoing {
            traffic: Arc::clone(self),
            figures: self.figures(method.map_or(OTHER, |path| path.trim_start_matches('/'))),
            begun,
            request_bytes: AtomicU64::new(0),
            ended: None,
        }
    }

    fn figures(&self, method: &str) -> Arc<Figures> {
        if let Some(figures) = self.methods.load().get(method) {
            return Arc::clone(figures);
        }
        let made = Arc::new(Figures::new());
        let mut counted = None;
        self.methods.rcu(|methods| {
            let name = if methods.len() < METHODS_MAX { method } else { OTHER };
            let mut methods = FxHashMap::clone(methods);
            counted = Some(Arc::clone(methods.entry(name.into()).or_insert_with(|| Arc::clone(&made))));
            methods
        });
        counted.unwrap_or(made)
    }

    /// Calls in flight.
    pub(crate) fn in_flight(&self) -> i64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Visits the counters of each method, with its name and whether it has labels of its own on the metrics page.
    pub(crate) fn each(&self, mut visit: impl FnMut(&str, &Figures)) {
        for (method, figures) in &**self.methods.load() {
            visit(method, figures);
        }
    }
}

impl Figures {
    fn new() -> Self {
        let zeros = || std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            codes: zeros(),
            latency: std::array::from_fn(|_| AtomicU64::new(0)),
            nanos: AtomicU64::new(0),
            request_bytes: AtomicU64::new(0),
            response_bytes: AtomicU64::new(0),
            is_shown: SHOWN.fetch_add(1, Ordering::Relaxed) < SHOWN_MAX,
        }
    }

    /// Whether the method has labels of its own on the metrics page.
    pub(crate) fn is_shown(&self) -> bool {
        self.is_shown
    }
}

impl Drop for Figures {
    fn drop(&mut self) {
        SHOWN.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Ongoing {
    /// Counts bytes received from the client.
    pub fn received(&self, bytes: u64) {
        self.request_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes received from the client.
    pub fn request_bytes(&self) -> u64 {
        self.request_bytes.load(Ordering::Relaxed)
    }

    /// The call's namespace.
    pub fn namespace(&self) -> &str {
        &self.traffic.namespace
    }

    /// Ends the call: its duration and what was sent of its response.
    pub fn end(mut self, took: Duration, sent: Sent) {
        self.ended = Some((took, sent));
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        let (took, sent) = self.ended.unwrap_or_else(|| (self.begun.elapsed(), Sent::default()));
        let bucket = LATENCY_BOUNDS.partition_point(|bound| *bound < took);
        let code = sent.code.unwrap_or(Code::Cancelled);
        let add = |counter: &AtomicU64, count: u64| counter.fetch_add(count, Ordering::Relaxed);
        add(&self.figures.codes[code as usize], 1);
        add(&self.figures.latency[bucket], 1);
        add(&self.figures.nanos, u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        add(&self.figures.request_bytes, *self.request_bytes.get_mut());
        add(&self.figures.response_bytes, sent.bytes);
        self.traffic.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Totals {
    pub(crate) fn add(&mut self, figures: &Figures) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        for (total, counter) in self.codes.iter_mut().zip(&figures.codes) {
            *total += read(counter);
        }
        for (total, counter) in self.latency.iter_mut().zip(&figures.latency) {
            *total += read(counter);
        }
        self.took += Duration::from_nanos(read(&figures.nanos));
        self.request_bytes += read(&figures.request_bytes);
        self.response_bytes += read(&figures.response_bytes);
    }

    /// The number of calls by status, without zeros.
    pub(crate) fn codes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        by_name(self.codes)
    }

    /// The number of calls that have ended.
    pub(crate) fn requests(&self) -> u64 {
        self.latency.iter().sum()
    }
}

/// Calls that ended before the table found their namespace, by status.
#[derive(Debug, Default)]
pub(crate) struct Unrouted([AtomicU64; 17]);

impl Unrouted {
    pub(crate) fn count(&self, code: Code) {
        self.0[code as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn codes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        by_name(std::array::from_fn(|code| self.0[code].load(Ordering::Relaxed)))
    }
}

fn by_name(codes: [u64; 17]) -> impl Iterator<Item = (&'static str, u64)> {
    let named = (0..).map(|code| code_name(Code::from_i32(code))).zip(codes);
    named.filter(|(_, count)| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(traffic: &Traffic, name: &str) -> Totals {
        let mut totals = Totals::default();
        traffic.each(|method, figures| {
            if method == name {
                totals.add(figures);
            }
        });
        totals
    }

    #[test]
    fn a_call_counts_once_with_its_end() {
        let traffic = Traffic::of("orders");
        let call = traffic.begin(Some("/a.B/Get"), Instant::now());
        call.received(7);
        assert_eq!((traffic.in_flight(), totals(&traffic, "a.B/Get").requests()), (1, 0));
        call.end(Duration::from_millis(3), Sent { bytes: 30, code: Some(Code::NotFound) });
        let counted = totals(&traffic, "a.B/Get");
        assert_eq!(counted.codes().collect::<Vec<_>>(), [("NOT_FOUND", 1)]);
        assert_eq!((counted.requests(), counted.request_bytes, counted.response_bytes), (1, 7, 30));
        assert_eq!(counted.took, Duration::from_millis(3));
        assert_eq!(traffic.in_flight(), 0);
    }

    #[test]
    fn a_call_that_is_given_up_is_cancelled() {
        let traffic = Traffic::of("orders");
        drop(traffic.begin(None, Instant::now()));
        assert_eq!(totals(&traffic, "other").codes().collect::<Vec<_>>(), [("CANCELLED", 1)]);
    }

    #[test]
    fn a_time_on_a_bound_is_within_it() {
        let bucket = |took| LATENCY_BOUNDS.partition_point(|bound| *bound < took);
        assert_eq!(bucket(Duration::ZERO), 0);
        assert_eq!(bucket(LATENCY_BOUNDS[3]), 3);
        assert_eq!(bucket(LATENCY_BOUNDS[15] + Duration::from_nanos(1)), LATENCY_BOUNDS.len());
    }

    #[test]
    fn methods_beyond_the_most_are_counted_together() {
        let traffic = Traffic::of("orders");
        for number in 0..METHODS_MAX + 10 {
            let call = traffic.begin(Some(&format!("/a.B/M{number}")), Instant::now());
            call.end(Duration::ZERO, Sent { bytes: 0, code: Some(Code::Ok) });
        }
        assert_eq!(totals(&traffic, OTHER).requests(), 10);
        assert_eq!(totals(&traffic, "a.B/M0").requests(), 1);
    }
}

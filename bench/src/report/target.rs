//! The targets and their results: each target is a comparison of figures of one run.

use crate::contender::{envoy, etcd, haproxy, prism, redis, typed_forward};
use crate::load::Shape;
use crate::part::memstore::{beside, calls, embedded, memory, ttl};
use crate::part::proxy::{DIRECT, case_id, open_loop, start};
use crate::part::{before, diskstore, growth, python, redis as on_redis, tls, verbs};
use crate::results::{Case, Figure, Results, Spread};

/// The bound of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// A target and its measurement.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) bound: Bound,
    /// The unit of bound and measurement; empty for ratios.
    pub(super) unit: &'static str,
    pub(super) measured: Option<Spread>,
}

impl Target {
    /// Whether the median met it; `None` if it was not measured.
    pub(super) fn is_met(&self) -> Option<bool> {
        let median = self.measured?.median;
        Some(match self.bound {
            Bound::AtMost(most) => median <= most,
            Bound::AtLeast(least) => median >= least,
        })
    }
}

/// All targets, in the order of the page.
pub(super) fn all(results: &[Results]) -> Vec<Target> {
    let measured = Measured(results);
    let mut targets = measured.proxy_cpu();
    targets.extend(measured.proxy());
    targets.extend(measured.tls());
    targets.extend(measured.memstore());
    targets.extend(measured.verbs());
    targets.extend(measured.diskstore());
    targets.extend(measured.redis());
    targets.extend(measured.python());
    targets.extend(measured.growth());
    targets.extend(measured.before());
    targets
}

struct Measured<'a>(&'a [Results]);

impl<'a> Measured<'a> {
    fn case(&self, id: &str) -> Option<&'a Case> {
        self.0.iter().flat_map(|results| &results.cases).find(|case| case.id == id)
    }

    fn figure(&self, id: &str, contender: &str, figure: Figure) -> Option<&'a [f64]> {
        self.case(id)?.figure(contender, figure)
    }

    fn spread(&self, id: &str, contender: &str, figure: Figure) -> Option<Spread> {
        Spread::of(self.figure(id, contender, figure)?.iter().copied())
    }

    /// One contender's figure divided by another's, in one case.
    fn ratio(&self, id: &str, figure: Figure, of: &str, to: &str) -> Option<Spread> {
        Spread::of_ratios(self.figure(id, of, figure)?, self.figure(id, to, figure)?)
    }

    /// Compared with whichever HAProxy, of one or two threads, used less CPU time in the same round.
    fn proxy_cpu(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        for (call, name) in [("get", "Get"), ("set", "Set")] {
            for shape in [Shape::SINGLE, Shape::SHARED, Shape::SPREAD] {
                let cpu = |contender, workers| {
                    self.figure(&case_id(call, shape, workers), contender, Figure::CpuUs)
                };
                let best: Option<Vec<_>> = cpu(haproxy::NAME, 1)
                    .zip(cpu(haproxy::NAME, 2))
                    .map(|(one, two)| one.iter().zip(two).map(|(one, two)| one.min(*two)).collect());
                for workers in [1, 2] {
                    let ours = cpu(prism::PROXY, workers);
                    let measured =
                        ours.zip(best.as_deref()).and_then(|(ours, best)| Spread::of_ratios(ours, best));
                    let plural = if workers == 1 { "" } else { "s" };
                    let name = format!(
                        "CPU per {name} at {shape}, prism-proxy of {workers} worker{plural} / best HAProxy (1 or 2 threads)"
                    );
                    targets.push(Target { name, bound: Bound::AtMost(1.2), unit: "", measured });
                }
            }
        }
        targets
    }

    fn proxy(&self) -> Vec<Target> {
        let throughput = Figure::RequestsPerSecond;
        let shared = |call| case_id(call, Shape::SHARED, 1);
        let open_p99_ms = self.spread(open_loop::ID, prism::PROXY, Figure::P99Us).map(|us| us.scaled(1e-3));
        let ready = self.spread(start::ID, prism::PROXY, Figure::ReadyMs).map(|ms| ms.scaled(1e-3));
        vec![
            at_least(
                "throughput of Get at 4×16, prism-proxy / typed forward",
                3.5,
                self.ratio(&shared("get"), throughput, prism::PROXY, typed_forward::NAME),
            ),
            at_most("p50 of Get added at 1×1, by prism-proxy / by HAProxy", 1.0, self.added("get")),
            at_least(
                "throughput of Gets of 64 KiB at 4×16, prism-proxy / best HAProxy (buffers of 16 or 128 KiB)",
                1.0,
                self.large_values(&shared("get-64k")),
            ),
            Target {
                unit: "ms",
                ..at_most("p99 of Get at half of the maximum rate, 4×16", 5.0, open_p99_ms)
            },
            Target { unit: "s", ..at_most("prism-proxy's start to its ready line", 1.0, ready) },
        ]
    }

    /// Compared with whichever HAProxy forwarded more in the same round.
    fn large_values(&self, id: &str) -> Option<Spread> {
        let throughput = |contender| self.figure(id, contender, Figure::RequestsPerSecond);
        let haproxies = throughput(haproxy::NAME)?.iter().zip(throughput(haproxy::LARGE_BUFFERS)?);
        let best: Vec<_> = haproxies.map(|(one, other)| one.max(*other)).collect();
        Spread::of_ratios(throughput(prism::PROXY)?, &best)
    }

    /// The median that a gateway adds to that of no gateway, prism-proxy's divided by HAProxy's.
    fn added(&self, call: &str) -> Option<Spread> {
        let id = case_id(call, Shape::SINGLE, 1);
        let p50 = |contender| self.figure(&id, contender, Figure::P50Us);
        let direct = p50(DIRECT)?;
        let added =
            |via: &[f64]| -> Vec<f64> { via.iter().zip(direct).map(|(via, direct)| via - direct).collect() };
        Spread::of_ratios(&added(p50(prism::PROXY)?), &added(p50(haproxy::NAME)?))
    }

    /// What TLS and a token add for us, relative to what TLS adds for HAProxy.
    fn tls(&self) -> Vec<Target> {
        let target = |shape: Shape| {
            let ratio = |tls, ours: &str, theirs: &str| {
                let cpu = |contender| self.figure(&tls::case_id("get", shape, tls), contender, Figure::CpuUs);
                let pairs = cpu(ours)?.iter().zip(cpu(theirs)?);
                Some(pairs.map(|(ours, theirs)| ours / theirs).collect::<Vec<_>>())
            };
            let secured = ratio(true, prism::PROXY_TLS, haproxy::TLS);
            let plain = ratio(false, prism::PROXY, haproxy::NAME);
            let both = secured.zip(plain).and_then(|(secured, plain)| Spread::of_ratios(&secured, &plain));
            let name = format!(
                "CPU per Get at {shape} with TLS and a token, prism-proxy / HAProxy, relative to plain text"
            );
            at_most(&name, 1.05, both)
        };
        [Shape::SHARED, Shape::SPREAD].map(target).into()
    }

    fn memstore(&self) -> Vec<Target> {
        let (cpu, throughput) = (Figure::CpuUs, Figure::RequestsPerSecond);
        let store = prism::MEMSTORE;
        let mut targets = vec![at_most(
            "CPU per Get at 64×1, memstore / Redis",
            1.3,
            self.ratio(&calls::case_id("get", Shape::SPREAD), cpu, store, redis::NAME),
        )];
        let memory_ids = memory::TENTHS.map(memory::case_id).into_iter().chain([memory::TTL_ID.to_owned()]);
        for id in memory_ids {
            let title = self.case(&id).map_or("keys that were not measured", |case| &case.title);
            let ratio = self.ratio(&id, Figure::BytesPerKey, store, redis::NAME);
            targets.push(at_most(&format!("bytes per key, memstore / Redis, {title}"), 1.0, ratio));
        }
        let p99 = self.ratio(beside::ID, Figure::P99Us, beside::BESIDE, beside::ALONE);
        targets.push(at_most("p99 of Get beside a Count and a full Scan / without", 3.0, p99));
        for (id, kind) in [(ttl::MANY_KEYS_ID, "many keys"), (ttl::ONE_KEY_ID, "one key")] {
            let ratio = self.ratio(id, throughput, ttl::WITH, ttl::WITHOUT);
            targets.push(at_least(&format!("throughput of Set with TTL / without, {kind}"), 0.8, ratio));
        }
        let timers = self.spread(ttl::REFRESH_ID, store, Figure::Timers);
        targets.push(at_most("timers after refreshing one key", 1.0, timers));
        let rss = |figure| self.figure(ttl::REFRESH_ID, store, figure);
        let rss = rss(Figure::RssAfterMib).zip(rss(Figure::RssMib));
        let rss = rss.and_then(|(after, before)| Spread::of_ratios(after, before));
        targets.push(at_most("RSS after refreshing one key / before", 1.1, rss));
        let embedded = self.ratio(&embedded::case_id("get"), throughput, embedded::EMBEDDED, store);
        targets.push(at_least("throughput of Get, embedded:memstore / memstore alone", 0.8, embedded));
        targets
    }

    fn verbs(&self) -> Vec<Target> {
        let throughput = Figure::RequestsPerSecond;
        let mut targets = Vec::new();
        for call in verbs::rules::CALLS {
            let ratio = self.ratio(&verbs::rules::case_id(call), Figure::CpuUs, prism::MEMSTORE, redis::NAME);
            targets.push(at_most(&format!("CPU per call at 64×1, memstore / Redis, {call}"), 1.3, ratio));
        }
        let (batch, queue, waiters) = (verbs::batch::ID, verbs::queue::KEYS_ID, verbs::waiters::ID);
        for (of, label) in [("", prism::PROXY), (" with the store embedded", embedded::EMBEDDED)] {
            let of =
                format!("throughput of 100 keys at once, BatchGet through prism-proxy{of} / MGET of Redis");
            targets.push(at_least(&of, 0.7, self.ratio(batch, throughput, label, redis::NAME)));
        }
        let python =
            self.ratio(verbs::batch::PYTHON_ID, throughput, verbs::batch::WHEEL, verbs::batch::GRPC_AIO);
        targets.push(at_least(
            "100 keys from Python, get_many of the wheel / 100 Gets of grpc.aio at once",
            10.0,
            python,
        ));
        let keys = self.ratio(queue, throughput, verbs::queue::WITH, verbs::queue::WITHOUT);
        targets.push(at_least(
            "throughput of PushRight and PopLeft, with idempotency keys / without",
            0.85,
            keys,
        ));
        let rss = |figure| self.figure(verbs::queue::MEMORY_ID, verbs::queue::WITH, figure);
        let rss = rss(Figure::RssAfterMib).zip(rss(Figure::RssMib));
        let rss = rss.and_then(|(after, before)| Spread::of_ratios(after, before));
        targets.push(at_most("RSS after all calls under idempotency keys / after a tenth", 1.05, rss));
        let reserve =
            self.ratio(verbs::queue::RESERVE_ID, throughput, verbs::queue::RESERVE, verbs::queue::POP);
        targets.push(at_least("throughput of Reserve and Ack / PopLeft", 0.4, reserve));
        let bytes = self.spread(waiters, verbs::waiters::DELIVERY, Figure::BytesPerWaiter);
        targets.push(Target { unit: "bytes", ..at_most("memory of a pop that waits", 4096.0, bytes) });
        let p99 = self.ratio(waiters, Figure::P99Us, verbs::waiters::DELIVERY, verbs::waiters::GET);
        targets.push(at_most("p99 from push to delivery among 10,000 waiters / of a Get", 2.0, p99));
        targets
    }

    fn diskstore(&self) -> Vec<Target> {
        let (throughput, p99, ours) = (Figure::RequestsPerSecond, Figure::P99Us, prism::DISKSTORE);
        let (every_write, periodic) = (diskstore::durable::EVERY_WRITE_ID, diskstore::durable::PERIODIC_ID);
        let beside = diskstore::large::BESIDE_ID;
        let mut targets = vec![
            at_least(
                "throughput of Set at 64×1, diskstore with every_write / Redis with appendfsync always",
                1.0,
                self.ratio(every_write, throughput, ours, redis::NAME),
            ),
            at_most("p99 of the same", 1.5, self.ratio(every_write, p99, ours, redis::NAME)),
            at_least(
                "throughput of Set at 64×1, diskstore with every_write / Put of etcd",
                3.0,
                self.ratio(every_write, throughput, ours, etcd::NAME),
            ),
            at_least(
                "throughput of Set at 64×1, diskstore with 1s / Redis with appendfsync everysec",
                0.5,
                self.ratio(periodic, throughput, ours, redis::NAME),
            ),
        ];
        for shape in diskstore::reads::SHAPES {
            let ratio = self.ratio(&diskstore::reads::case_id(shape), Figure::CpuUs, ours, prism::MEMSTORE);
            targets.push(at_most(
                &format!("CPU per Get at {shape}, diskstore's cache / memstore"),
                1.5,
                ratio,
            ));
        }
        let lists =
            self.ratio(diskstore::lists::ID, throughput, diskstore::lists::LONG, diskstore::lists::SHORT);
        targets.push(at_least(
            "throughput of PushRight and PopLeft on disk, long list / list of 10",
            0.8,
            lists,
        ));
        let opening = self.spread(diskstore::large::OPENING_ID, ours, Figure::Seconds);
        targets.push(Target {
            unit: "s",
            ..at_most("diskstore's first answer after kill -9, 10 times the keys", 5.0, opening)
        });
        let size = self.spread(diskstore::size::ID, ours, Figure::DiskPerLiveByte);
        targets.push(at_most("bytes on disk per live byte after 10 rounds of overwriting", 2.5, size));
        for (label, what) in [
            (diskstore::large::BESIDE_COMPACTION, "compactions"),
            (diskstore::large::BESIDE_SCAN, "a full Scan"),
        ] {
            let ratio = self.ratio(beside, p99, label, diskstore::large::ALONE);
            targets.push(at_most(&format!("p99 of Get on disk beside {what} / without"), 5.0, ratio));
        }
        targets
    }

    /// A version may cost two percent more than the one before, at most.
    fn before(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        for server in [prism::MEMSTORE, prism::PROXY] {
            for (call, name) in [("get", "Get"), ("set", "Set")] {
                for shape in before::SHAPES {
                    let id = before::case_id(server, call, shape);
                    let ratio = self.ratio(&id, Figure::CpuUs, before::THIS, before::OTHER);
                    targets.push(at_most(
                        &format!("CPU per {name} at {shape}, {server}, this version / before"),
                        1.02,
                        ratio,
                    ));
                }
            }
        }
        for (id, figure, what) in [
            (before::KEYS_ID, Figure::BytesPerKey, "key"),
            (before::VALUES_ID, Figure::BytesPerValue, "value of a list"),
        ] {
            let ratio = self.ratio(id, figure, before::THIS, before::OTHER);
            targets.push(at_most(
                &format!("memory per {what}, memstore, this version / before"),
                1.01,
                ratio,
            ));
        }
        targets
    }

    fn redis(&self) -> Vec<Target> {
        let throughput = Figure::RequestsPerSecond;
        let mut targets = Vec::new();
        for (call, name) in [("get", "Get"), ("set", "Set")] {
            let id = on_redis::case_id(call, Shape::SPREAD);
            let ratio = |to| self.ratio(&id, throughput, on_redis::EMBEDDED, to);
            let of = format!("throughput of {name} at 64×1, proxy with embedded redis");
            targets.push(at_least(&format!("{of} / Redis straight"), 0.8, ratio(redis::NAME)));
            targets.push(at_least(&format!("{of} / Envoy's Redis proxy"), 1.0, ratio(envoy::NAME)));
            targets.push(at_least(&format!("{of} / proxy and prism-redis"), 1.3, ratio(on_redis::PLUGIN)));
            let own = self.figure(&id, on_redis::EMBEDDED, Figure::BackendCpuUs);
            let straight = self.figure(&id, redis::NAME, Figure::CpuUs);
            let cpu = own.zip(straight).and_then(|(own, straight)| Spread::of_ratios(own, straight));
            targets.push(at_most(
                &format!("CPU of Redis per {name} at 64×1, behind a proxy with embedded redis / straight"),
                0.5,
                cpu,
            ));
        }
        targets
    }

    fn python(&self) -> Vec<Target> {
        let throughput = Figure::RequestsPerSecond;
        let mut targets = Vec::new();
        for event_loop in python::LOOPS {
            for (concurrency, least) in [(1, 2.0), (64, 2.5)] {
                let id = python::case_id(event_loop, concurrency);
                let ratio = self.ratio(&id, throughput, python::WHEEL, python::GRPC_AIO);
                let name = format!("requests/s of the wheel / grpc.aio, {concurrency} at once, {event_loop}");
                targets.push(at_least(&name, least, ratio));
            }
            let ratio = self.ratio(
                &python::case_id(event_loop, 64),
                throughput,
                python::WHEEL,
                python::REDIS_ASYNCIO,
            );
            let name = format!(
                "requests/s of the wheel / redis.asyncio straight to Redis, 64 at once, {event_loop}"
            );
            targets.push(at_least(&name, 2.0, ratio));
        }
        targets
    }

    /// Flat within the noise of a shared machine.
    fn growth(&self) -> Vec<Target> {
        const FLAT: f64 = 1.2;
        let cpu = |id: &str, of: &str, to: &str| self.ratio(id, Figure::CpuUs, of, to);
        let (one, many) = (growth::namespaces_label(1), growth::namespaces_label(10_000));
        let [few, most] = growth::CONNECTIONS_COMPARED.map(growth::connections_label);
        let (single, double) = (growth::workers_label(1), growth::workers_label(2));
        let workers_id = format!("{}/{}", growth::WORKERS_ID, Shape::SHARED);
        vec![
            at_most(&format!("CPU per Get, {many} / {one}"), FLAT, cpu(growth::NAMESPACES_ID, &many, &one)),
            at_most(&format!("CPU per Get, {most} / {few}"), FLAT, cpu(growth::CONNECTIONS_ID, &most, &few)),
            at_most(&format!("CPU per Get, {double} / {single}"), FLAT, cpu(&workers_id, &double, &single)),
        ]
    }
}

fn at_most(name: &str, most: f64, measured: Option<Spread>) -> Target {
    Target { name: name.to_owned(), bound: Bound::AtMost(most), unit: "", measured }
}

fn at_least(name: &str, least: f64, measured: Option<Spread>) -> Target {
    Target { name: name.to_owned(), bound: Bound::AtLeast(least), unit: "", measured }
}

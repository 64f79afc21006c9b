//! The proxy on a cluster, beside the proxy on one Redis: the same client, and keys of all slots.

use anyhow::ensure;

use super::EMBEDDED;
use crate::contender::{Contender, Setup, prism, redis};
use crate::contest::progress;
use crate::load::Shape;
use crate::load::prism_bench::PrismBench;
use crate::plan::Plan;
use crate::process::Place;
use crate::results::{Case, Figure, Sample};

/// The proxy on the cluster, in results.
const CLUSTER: &str = "embedded-redis-cluster";

/// How many keys there are.
const KEYS: usize = 10_000;

/// Measures both, in turn.
pub(super) fn run(plan: &Plan, setup: Setup<'_>, single: &Contender) -> anyhow::Result<Vec<Case>> {
    let nodes = redis::start_cluster(setup)?;
    let cluster = prism::proxy_on_cluster(setup, &nodes[0].address)?;
    let shape = Shape::SPREAD;
    let section = "Get and Set of 100 bytes: one Redis, and a cluster of three primaries with a replica each, 10,000 keys";
    let mut cases: Vec<_> = [("get", "Get"), ("set", "Set")]
        .map(|(calls, title)| {
            let id = format!("redis/cluster-{calls}-{shape}");
            (calls, Case::new(section, &format!("{title} {shape}"), &id).against(EMBEDDED))
        })
        .into();
    for round in 0..plan.rounds {
        for (calls, case) in &mut cases {
            let mut contenders = [(EMBEDDED, single), (CLUSTER, &cluster)];
            contenders.rotate_left(round % 2);
            for (label, proxy) in contenders {
                let sample = measure(proxy, calls, plan)?;
                progress(round, plan.rounds, case, label, &sample);
                case.record(label, None, sample);
            }
        }
    }
    Ok(cases.into_iter().map(|(_, case)| case).collect())
}

/// A measurement. The calls that fill the store count towards the proxy's CPU time per call.
fn measure(proxy: &Contender, calls: &'static str, plan: &Plan) -> anyhow::Result<Sample> {
    let load = PrismBench {
        calls,
        shape: Shape::SPREAD,
        rate: None,
        time: plan.time,
        keys: KEYS,
        prefix: None,
        ttl: None,
        place: Place::Anywhere,
    };
    let made = || prism::metric(proxy, "prism_calls_total");
    let (calls_before, cpu_before) = (made()?, proxy.process.cpu()?);
    let sample = load.run(&proxy.address)?.sample();
    let (calls, cpu) =
        (made()?.saturating_sub(calls_before), proxy.process.cpu()?.saturating_sub(cpu_before));
    ensure!(calls > 0, "{} counted no calls", proxy.name);
    Ok(sample.with(Figure::CpuUs, cpu.as_secs_f64() * 1e6 / calls as f64))
}

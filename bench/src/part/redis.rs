//! Redis behind the gateway, compared with Redis alone and behind Envoy's Redis proxy. All processes share the cores,
//! as they do on a machine of a user; with a single Redis, what is in front of it takes its time.

mod cluster;

use anyhow::Context as _;

use crate::call::{Call, VALUE_BYTES, value_text};
use crate::contender::{Contender, Setup, envoy, prism, redis};
use crate::contest::{keeps_alive, progress, resp};
use crate::load::Shape;
use crate::load::h2load::{H2load, Until};
use crate::machine::Machine;
use crate::part::Part;
use crate::plan::Plan;
use crate::process::{Others, Place};
use crate::results::{Case, Figure, Results, Sample, Terms};

/// The proxy with the driver in its own process, in results.
pub(crate) const EMBEDDED: &str = "embedded-redis";
/// The proxy in front of the driver in another process.
pub(crate) const PLUGIN: &str = "proxy-and-prism-redis";

/// The name of a case.
pub(crate) fn case_id(call: &str, shape: Shape) -> String {
    format!("redis/{call}-{shape}")
}

/// Runs the part.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Results> {
    let envoy_binary = envoy::binary(&plan.python)?;
    let mut machine = Machine::describe(&[("redis-server", "--version"), ("h2load", "--version")])?;
    let version = std::process::Command::new(&envoy_binary).arg("--version").output()?;
    let version = String::from_utf8(version.stdout)?;
    let version = version.trim().rsplit("version:").next().unwrap_or_default().trim().to_owned();
    machine.versions.push((envoy::NAME.to_owned(), version));

    let folder = tempfile::tempdir()?;
    let setup = Setup { workers: 1, place: Place::Anywhere, folder: folder.path() };
    let server = redis::start(setup)?;
    let embedded = prism::proxy_on_redis(setup, &server.address)?;
    let plugin = prism::redis(setup, &server.address)?;
    let before_plugin = prism::proxy(setup, &plugin.address)?;
    let envoy = envoy::start(setup, &envoy_binary, &server.address)?;

    let value = value_text(VALUE_BYTES);
    let set = ["SET", "bench", value.as_str()];
    let calls: [(&str, Call, &[&str]); 2] =
        [("get", Call::get(VALUE_BYTES), &["GET", "bench"]), ("set", Call::set(), &set)];
    let mut cases = Vec::new();
    for shape in [Shape::SPREAD, Shape::SINGLE] {
        for (name, call, command) in &calls {
            let title = format!("{} {shape}", if *name == "get" { "Get" } else { "Set" });
            let section = "Get and Set of 100 bytes on Redis, no pipelining by clients";
            let case = Case::new(section, &title, &case_id(name, shape)).against(redis::NAME);
            cases.push((case, shape, call.clone(), *command));
        }
    }
    for round in 0..plan.rounds {
        for (case, shape, call, command) in &mut cases {
            for turn in 0..4 {
                let place = Place::Anywhere;
                let (label, measured) = match (round + turn) % 4 {
                    0 => (EMBEDDED, through_proxy(&embedded, None, &server, call, *shape, plan).await),
                    1 => (redis::NAME, resp::measure(&server, &server, command, *shape, plan.time, place)),
                    2 => (envoy::NAME, resp::measure(&envoy, &server, command, *shape, plan.time, place)),
                    _ => {
                        let plugin = Some(&plugin);
                        (PLUGIN, through_proxy(&before_plugin, plugin, &server, call, *shape, plan).await)
                    }
                };
                let (terms, sample) = measured.with_context(|| format!("{label} was measured"))?;
                progress(round, plan.rounds, case, label, &sample);
                case.record(label, Some(terms), sample);
            }
            case.check_terms()?;
        }
    }
    let mut cases: Vec<_> = cases.into_iter().map(|(case, ..)| case).collect();
    cases.extend(cluster::run(plan, setup, &embedded)?);
    Ok(Results { part: Part::Redis, machine, settings: plan.settings(), cases })
}

/// A measurement of a proxy. Its CPU time includes that of the plugin, if there is one.
async fn through_proxy(
    proxy: &Contender,
    plugin: Option<&Contender>,
    server: &Contender,
    call: &Call,
    shape: Shape,
    plan: &Plan,
) -> anyhow::Result<(Terms, Sample)> {
    call.verify_through(proxy.name, proxy).await?;
    let load = H2load { call: call.clone(), shape, until: Until::Passed(plan.time), place: Place::Anywhere };
    let accepted = || prism::metric(proxy, "prism_connections_accepted_total");
    let calls = || prism::metric(proxy, "prism_calls_total");
    let accepted_before = accepted()?;
    let mut watched = vec![&server.process, &proxy.process];
    watched.extend(plugin.map(|plugin| &plugin.process));
    let others = Others::begin()?;
    let outcome = load.run(proxy, &watched, &calls)?;
    let keep_alive = keeps_alive(accepted()?.saturating_sub(accepted_before), shape, outcome.requests)?;
    let (server_us, own_us) = outcome.cpu_us.split_first().context("both were watched")?;
    let sample = Sample::default()
        .with(Figure::RequestsPerSecond, outcome.requests_per_second)
        .with_latency(&outcome.latency)
        .with(Figure::CpuUs, own_us.iter().sum())
        .with(Figure::BackendCpuUs, *server_us)
        .with(Figure::LoadCpuUs, outcome.load_cpu_us)
        .with(Figure::OthersPercent, others.percent()?);
    Ok((Terms { tls: false, keep_alive, workers: proxy.workers()? }, sample))
}

//! What a request costs as namespaces, connections and workers grow. The goal is a flat line.

use std::path::Path;

use crate::call::{Call, VALUE_BYTES};
use crate::contender::{Contender, Setup, haproxy, prism};
use crate::contest::{self, Contest, Entry};
use crate::load::Shape;
use crate::load::h2load::{H2load, Until};
use crate::machine::Machine;
use crate::part::Part;
use crate::plan::Plan;
use crate::process::Place;
use crate::results::{Case, Results, count as count_text};

/// The names of the cases.
pub(crate) const NAMESPACES_ID: &str = "namespaces/get";
pub(crate) const CONNECTIONS_ID: &str = "connections/get";
pub(crate) const WORKERS_ID: &str = "workers";

/// Namespaces of one proxy.
pub(crate) const NAMESPACES: [usize; 3] = [1, 100, 10_000];
/// Connections of its clients.
pub(crate) const CONNECTIONS: [usize; 4] = [1, 64, 512, 2000];
/// Those with which HAProxy is measured, too.
pub(crate) const CONNECTIONS_COMPARED: [usize; 2] = [64, 2000];
/// Its workers.
pub(crate) const WORKERS: [usize; 2] = [1, 2];

/// Participating programs, and their flag for the version.
const PROGRAMS: [(&str, &str); 2] = [("haproxy", "-v"), ("h2load", "--version")];

/// Runs the part.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Results> {
    let machine = Machine::describe(&PROGRAMS)?;
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let memstore = prism::memstore(plan.backend(1, folder))?;
    let namespaces = NAMESPACES
        .map(|count| prism::proxy_with_namespaces(plan.contender(1, folder), &memstore.address, count))
        .into_iter()
        .collect::<anyhow::Result<Vec<_>>>()?;
    let haproxy = haproxy::start(plan.contender(1, folder), &memstore.address)?;
    let contests = vec![
        namespaces_contest(plan, &namespaces, &memstore),
        connections_contest(plan, &namespaces[0], &haproxy, &memstore),
    ];
    let mut cases = contest::run(contests, plan.rounds).await?;
    cases.extend(workers(plan, folder).await?);
    Ok(Results { part: Part::Growth, machine, settings: plan.settings(), cases })
}

/// Proxies of 1 to many namespaces; all calls go to the last one.
fn namespaces_contest<'a>(plan: &Plan, proxies: &'a [Contender], memstore: &'a Contender) -> Contest<'a> {
    let section = "Growing number of namespaces, one worker";
    let title = format!("Get {}", Shape::SHARED);
    let case = Case::new(section, &title, NAMESPACES_ID).against(&namespaces_label(NAMESPACES[0]));
    let entries = NAMESPACES.iter().zip(proxies).map(|(count, contender)| {
        let namespace = if *count == 1 { "default".to_owned() } else { prism::namespace(count - 1) };
        let call = Call::Get { namespace, key: format!("bench-{count}"), value_bytes: VALUE_BYTES };
        let (until, place) = (Until::Passed(plan.time), plan.rest_place(1));
        let load = H2load { call, shape: Shape::SHARED, until, place };
        Entry { label: namespaces_label(*count), contender, backend: memstore, load }
    });
    Contest { case, entries: entries.collect(), across_workers: false }
}

/// The row of a number of namespaces.
pub(crate) fn namespaces_label(count: usize) -> String {
    if count == 1 { "1 namespace".to_owned() } else { format!("{} namespaces", count_text(count)) }
}

/// One proxy with 1 to many clients, one call at a time each, and HAProxy with some of them.
fn connections_contest<'a>(
    plan: &Plan,
    proxy: &'a Contender,
    haproxy: &'a Contender,
    memstore: &'a Contender,
) -> Contest<'a> {
    let section = "Growing number of connections, one call at a time on each, one worker";
    let case = Case::new(section, "Get", CONNECTIONS_ID).against(&connections_label(CONNECTIONS[0]));
    let entry = |contender, connections: usize, label| {
        let (until, place) = (Until::Passed(plan.time), plan.rest_place(1));
        let shape = Shape { connections, streams: 1 };
        let load = H2load { call: Call::get(VALUE_BYTES), shape, until, place };
        Entry { label, contender, backend: memstore, load }
    };
    let mut entries = Vec::new();
    for connections in CONNECTIONS {
        entries.push(entry(proxy, connections, connections_label(connections)));
        if CONNECTIONS_COMPARED.contains(&connections) {
            entries.push(entry(haproxy, connections, compared_label(connections)));
        }
    }
    Contest { case, entries, across_workers: false }
}

/// The row of a number of connections.
pub(crate) fn connections_label(count: usize) -> String {
    if count == 1 { "1 connection".to_owned() } else { format!("{} connections", count_text(count)) }
}

/// The row of HAProxy with a number of connections.
pub(crate) fn compared_label(count: usize) -> String {
    format!("{}, {}", haproxy::NAME, connections_label(count))
}

/// Proxies of one and two workers, none of them with a dedicated core.
async fn workers(plan: &Plan, folder: &Path) -> anyhow::Result<Vec<Case>> {
    let anywhere = |workers| Setup { workers, place: Place::Anywhere, folder };
    let memstore = prism::memstore(anywhere(WORKERS[1]))?;
    let proxies = WORKERS
        .map(|workers| prism::proxy(anywhere(workers), &memstore.address))
        .into_iter()
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut contests = Vec::new();
    for shape in [Shape::SHARED, Shape::SPREAD] {
        let section = "Growing number of workers, sharing all cores with the store and the load";
        let id = format!("{WORKERS_ID}/{shape}");
        let case = Case::new(section, &format!("Get {shape}"), &id).against(&workers_label(WORKERS[0]));
        let entries = WORKERS.iter().zip(&proxies).map(|(workers, contender)| {
            let until = Until::Passed(plan.time);
            let load = H2load { call: Call::get(VALUE_BYTES), shape, until, place: Place::Anywhere };
            Entry { label: workers_label(*workers), contender, backend: &memstore, load }
        });
        contests.push(Contest { case, entries: entries.collect(), across_workers: true });
    }
    contest::run(contests, plan.rounds).await
}

/// The row of a number of workers.
pub(crate) fn workers_label(count: usize) -> String {
    if count == 1 { "1 worker".to_owned() } else { format!("{count} workers") }
}

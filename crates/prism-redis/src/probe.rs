//! Asking the servers what they are.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::answer::{info_field, map_field, text};
use crate::config::Mode;
use crate::connection::Connection;
use crate::fault::Fault;
use crate::lane::Lane;
use crate::resp::{Value, cmd};
use crate::route::topology;
use crate::shared::Shared;
use crate::state::{Eviction, Found, Persistence};

/// How long a probe may take.
const PROBE_MAX: Duration = Duration::from_secs(6);

/// Connects to each primary and asks it.
///
/// # Errors
/// Why not, in words.
pub(crate) async fn probe(shared: &Arc<Shared>) -> Result<Found, String> {
    let probed = timeout(PROBE_MAX, ask(shared)).await;
    let overdue = || Err(format!("{} did not answer within {PROBE_MAX:?}", shared.settings.servers()));
    probed.unwrap_or_else(|_| overdue())
}

async fn ask(shared: &Arc<Shared>) -> Result<Found, String> {
    let topology = topology(shared).await.map_err(|fault| fault.words())?;
    let mode = match shared.settings.mode {
        Mode::Standalone => "standalone",
        Mode::Sentinel(_) => "sentinel",
        Mode::Cluster => "cluster",
    };
    let mut found: Option<Found> = None;
    for address in topology.primaries() {
        let connection = shared.worker().node(address).link(Lane::Small).connection().await;
        let connection = connection.map_err(|fault| fault.words())?;
        let one = ask_one(&connection, mode).await.map_err(|fault| fault.words())?;
        found = Some(match found {
            None => one,
            Some(first) => together(first, one),
        });
    }
    let found = found.ok_or("no server is configured")?;
    Ok(Found { nodes: topology.primaries().len(), ..found })
}

/// What is known of one server and the others: what can be lost anywhere can be lost.
fn together(first: Found, other: Found) -> Found {
    let sum = |one: Option<u64>, other: Option<u64>| Some(one?.saturating_add(other?));
    let persistence = match (&first.persistence, &other.persistence) {
        (Persistence::None, _) | (_, Persistence::None) => Persistence::None,
        (Persistence::Snapshots, _) | (_, Persistence::Snapshots) => Persistence::Snapshots,
        (Persistence::Log(_), Persistence::Log(_)) => first.persistence.clone(),
    };
    let eviction = |found: &Found| Eviction { policy: found.eviction_policy.clone(), evicts: found.evicts };
    let Eviction { policy: eviction_policy, evicts } = eviction(&first).and(eviction(&other));
    Found {
        persistence,
        eviction_policy,
        evicts,
        memory_bytes: sum(first.memory_bytes, other.memory_bytes),
        memory_bytes_max: sum(first.memory_bytes_max, other.memory_bytes_max),
        ..first
    }
}

async fn ask_one(connection: &Connection, mode: &str) -> Result<Found, Fault> {
    let setting = |name| cmd("CONFIG").arg("GET").arg(name);
    let questions = [cmd("INFO"), setting("save"), setting("appendfsync")];
    let answers = connection.send_all(&questions).await?;
    let [info, save, sync] = answers.as_slice() else { return Err(Fault::Unexpected) };
    // A user that may not read INFO still gets an answer, with what HELLO says.
    let info = text(info).unwrap_or_default();
    let field = |name: &str| info_field(info, name).map(str::to_owned);
    let figure = |name: &str| info_field(info, name).and_then(|figure| figure.parse::<u64>().ok());
    let setting = |answer, name| map_field(answer, name).map(str::to_owned);
    let persistence = match (field("aof_enabled").as_deref(), setting(save, "save").as_deref()) {
        (Some("1"), _) => Persistence::Log(setting(sync, "appendfsync")),
        (_, Some("") | None) => Persistence::None,
        (_, Some(_)) => Persistence::Snapshots,
    };
    let memory_bytes_max = figure("maxmemory").filter(|bytes| *bytes > 0);
    let Eviction { policy: eviction_policy, evicts } = Eviction::read(info);
    let greeting = connection.greeting.clone();
    Ok(Found {
        product: greeting.product,
        version: greeting.version,
        mode: mode.to_owned(),
        role: field("role").unwrap_or(greeting.role),
        evicts,
        eviction_policy,
        persistence,
        replicas: figure("connected_slaves").unwrap_or(0),
        nodes: 1,
        memory_bytes: figure("used_memory"),
        memory_bytes_max,
    })
}

/// Reads a key that nobody has, which meets what a call would meet, and checks that the server is a primary still. Returns what it does
/// when it is full.
pub(crate) async fn read_nobodys_key(shared: &Shared, connection: &Connection) -> Result<Eviction, Fault> {
    let reading = cmd("EXISTS").arg(shared.names.nobodys());
    let questions = [reading, cmd("HELLO"), cmd("INFO").arg("memory")];
    let answers = connection.send_all(&questions).await?;
    let [read, hello, info] = <[Value; 3]>::try_from(answers).map_err(|_| Fault::Unexpected)?;
    match Fault::of(read) {
        // Another node has that key's slot, and this one answers.
        Err(Fault::Refused(refusal)) if refusal.code() == "MOVED" => {}
        Err(fault) => return Err(fault),
        Ok(_) => {}
    }
    match map_field(&hello, "role") {
        Some("master") => Ok(Eviction::read(text(&info).unwrap_or_default())),
        _ => Err(Fault::Unreachable(format!("{} is not a primary any more", connection.node))),
    }
}

//! Finding out who is the primary of what: from sentinels, or from a cluster's nodes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::{sleep, timeout};

use crate::address::NodeAddress;
use crate::answer::text;
use crate::config::Mode;
use crate::fault::Fault;
use crate::lane::Lane;
use crate::resp::{Value, cmd};
use crate::shared::Shared;
use crate::topology::Topology;

/// How long one sentinel or node may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// How many are asked at once, and after which pause one more is.
const ASKED_AT_ONCE: usize = 2;
const PATIENCE: Duration = Duration::from_millis(200);

/// How long after a question the next one may be asked because a call failed.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks for the topology and makes it the one in force.
///
/// # Errors
/// Nobody answered; why not, in words.
pub(crate) async fn discover(shared: &Arc<Shared>) -> Result<Arc<Topology>, Fault> {
    let topology = match &shared.settings.mode {
        Mode::Standalone => {
            let topology = shared.topology.load_full();
            return topology.ok_or_else(|| Fault::Unreachable("no server is configured".to_owned()));
        }
        Mode::Sentinel(name) => {
            let ask = |sentinel| ask_sentinel(shared, name, sentinel);
            first_answer(shuffled(shared.settings.servers.clone()), ask).await?
        }
        Mode::Cluster => {
            let mut nodes =
                shared.topology.load().as_ref().map_or_else(Vec::new, |known| known.primaries().to_vec());
            let seeds = shared.settings.servers.iter().filter(|seed| !nodes.contains(seed)).cloned();
            let seeds = shuffled(seeds.collect());
            nodes = shuffled(nodes);
            nodes.extend(seeds);
            first_answer(nodes, |node| ask_node(shared, node)).await?
        }
    };
    Ok(shared.put_in_force(topology))
}

/// Asks for the topology in the background, unless somebody does already.
pub(crate) fn discover_soon(shared: &Arc<Shared>) {
    if shared.settings.mode == Mode::Standalone || shared.is_discovering.swap(true, Ordering::AcqRel) {
        return;
    }
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let discovering = Discovering(&shared);
        if let Err(fault) = discover(&shared).await {
            tracing::debug!(why = fault.words(), "nobody names the primaries");
        }
        sleep(PAUSE).await;
        drop(discovering);
    });
}

/// Lets others ask again, even if the worker that asks stops.
struct Discovering<'a>(&'a Shared);

impl Drop for Discovering<'_> {
    fn drop(&mut self) {
        self.0.is_discovering.store(false, Ordering::Release);
    }
}

/// The first answer of any that are asked, a few at a time.
async fn first_answer<F>(asked: Vec<NodeAddress>, ask: impl Fn(NodeAddress) -> F) -> Result<Topology, Fault>
where
    F: Future<Output = Result<Topology, String>>,
{
    let mut last = "no server is configured".to_owned();
    let mut left = asked.into_iter();
    let mut questions = FuturesUnordered::new();
    loop {
        while questions.len() < ASKED_AT_ONCE
            && let Some(next) = left.next()
        {
            questions.push(ask(next));
        }
        if questions.is_empty() {
            return Err(Fault::Unreachable(last));
        }
        let more_left = left.len() > 0;
        tokio::select! {
            Some(answer) = questions.next() => match answer {
                Ok(topology) => return Ok(topology),
                Err(why) => last = why,
            },
            () = sleep(PATIENCE), if more_left => questions.extend(left.next().map(&ask)),
        }
    }
}

async fn ask_sentinel(shared: &Shared, name: &str, sentinel: NodeAddress) -> Result<Topology, String> {
    let link = shared.worker().sentinel(&sentinel);
    let question = cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let asked = async { Fault::of(link.connection().await?.send(&question).await?) };
    let answer = timeout(ANSWER_MAX, asked).await;
    let answer = answer.map_err(|_| format!("sentinel {sentinel} does not answer within {ANSWER_MAX:?}"))?;
    match answer {
        Ok(Value::Array(parts)) => match parts.iter().map(text).collect::<Option<Vec<_>>>().as_deref() {
            Some([host, port]) => {
                let port = port.parse().map_err(|_| format!("sentinel {sentinel} names no port"))?;
                Ok(Topology::single(NodeAddress::tcp(host, Some(port))))
            }
            _ => Err(format!("sentinel {sentinel} names no address")),
        },
        Ok(_) => {
            Err(format!("sentinel {sentinel} knows no primary of the name that the option sentinel gives"))
        }
        Err(fault) => Err(format!("sentinel {sentinel}: {}", fault.words())),
    }
}

async fn ask_node(shared: &Shared, address: NodeAddress) -> Result<Topology, String> {
    let node = shared.worker().node(&address);
    let asked = async {
        let connection = node.link(Lane::Small).connection().await?;
        Fault::of(connection.send(&cmd("CLUSTER").arg("SLOTS")).await?)
    };
    let answer = timeout(ANSWER_MAX, asked).await;
    let answer = answer.map_err(|_| format!("{address} does not answer within {ANSWER_MAX:?}"))?;
    let answer = answer.map_err(|fault| fault.words())?;
    Topology::of_slots(&answer, &address).ok_or_else(|| format!("{address} knows nobody who serves slots"))
}

fn shuffled(mut addresses: Vec<NodeAddress>) -> Vec<NodeAddress> {
    fastrand::shuffle(&mut addresses);
    addresses
}

//! Many pops that wait, each for a list of its own: their memory, and how soon a pushed value is delivered, compared with a Get.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use prism_client::End;
use tokio::task::JoinHandle;

use crate::call::{VALUE_BYTES, value};
use crate::contender::{Contender, Setup, prism};
use crate::contest::progress;
use crate::load::histogram;
use crate::plan::Plan;
use crate::process::Place;
use crate::results::{Case, Figure, Sample, count};

/// The name of the case.
pub(crate) const ID: &str = "waiters/delivery";
/// In results.
pub(crate) const DELIVERY: &str = "from push to delivery";
pub(crate) const GET: &str = "Get";

const WAITERS: usize = 10_000;
/// A connection takes 1,000 calls.
const CONNECTIONS: usize = 20;
/// Longer than the measurement.
const WAIT: Duration = Duration::from_secs(120);
const KEY: &str = "bench-waiters";

/// Runs it.
pub(super) async fn run(plan: &Plan, folder: &Path) -> anyhow::Result<Vec<Case>> {
    let store = prism::memstore(Setup { workers: 1, place: Place::Anywhere, folder })?;
    let client = store.client().connections(CONNECTIONS).in_flight_max(2 * WAITERS).build()?;
    let (list, keyvalue) = (client.list(), client.keyvalue());
    let other = store.client().build()?;
    keyvalue.set(KEY, value(VALUE_BYTES)).await?;
    let empty_bytes = store.process.rss_bytes()?;
    let waiters = (0..WAITERS).map(|number| {
        let list = list.clone();
        tokio::spawn(async move {
            let popped = list.blocking_pop(list_key(number), End::Left, WAIT).await?;
            ensure!(popped == Some(value(VALUE_BYTES)), "a pop returned {popped:?}");
            Ok(Instant::now())
        })
    });
    let mut waiters: Vec<JoinHandle<anyhow::Result<Instant>>> = waiters.collect();
    wait_for(&store, WAITERS).await?;
    let grown = store.process.rss_bytes()?.saturating_sub(empty_bytes);

    let section = "Pops that wait for empty lists, straight at the store, one worker";
    let mut case = Case::new(section, &format!("{} waiters", count(WAITERS)), ID).against(GET);
    let per_round = WAITERS / plan.rounds;
    for round in 0..plan.rounds {
        let (mut delivery, mut get) = (histogram()?, histogram()?);
        for number in round * per_round..(round + 1) * per_round {
            let begun = Instant::now();
            other.list().push_right(list_key(number), value(VALUE_BYTES)).await?;
            let waiter = waiters.get_mut(number).context("there is a waiter for each list")?;
            let delivered = waiter.await??;
            delivery.record(us(delivered - begun)?)?;
            let begun = Instant::now();
            other.keyvalue().get(KEY).await?;
            get.record(us(begun.elapsed())?)?;
        }
        for (label, latency) in [(DELIVERY, delivery), (GET, get)] {
            let mut sample = Sample::default().with_latency(&latency);
            if label == DELIVERY {
                sample = sample.with(Figure::BytesPerWaiter, grown as f64 / WAITERS as f64);
            }
            progress(round, plan.rounds, &case, label, &sample);
            case.record(label, None, sample);
        }
    }
    Ok(vec![case])
}

fn list_key(number: usize) -> String {
    format!("waited-{number:08}")
}

fn us(time: Duration) -> anyhow::Result<u64> {
    Ok(u64::try_from(time.as_micros())?)
}

/// Returns once so many calls are in flight.
async fn wait_for(store: &Contender, calls: usize) -> anyhow::Result<()> {
    let begun = Instant::now();
    while prism::metric(store, "prism_calls_in_flight")? < u64::try_from(calls)? {
        ensure!(begun.elapsed() < WAIT / 4, "the store does not have {calls} waiters");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

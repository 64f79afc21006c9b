//! This version compared with another one: Get and Set of store and gateway, and the store's memory.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::call::{Call, VALUE_BYTES, value};
use crate::contender::{Contender, prism};
use crate::contest::{self, Contest, Entry, progress};
use crate::fill::fill;
use crate::load::Shape;
use crate::load::h2load::{H2load, Until};
use crate::machine::Machine;
use crate::part::Part;
use crate::plan::Plan;
use crate::results::{Case, Figure, Results, Sample, count};

/// In results.
pub(crate) const THIS: &str = "this version";
pub(crate) const OTHER: &str = "before";
/// The names of the cases of memory.
pub(crate) const KEYS_ID: &str = "before-memory/keys";
pub(crate) const VALUES_ID: &str = "before-memory/values";

/// The shapes in which calls are compared.
pub(crate) const SHAPES: [Shape; 2] = [Shape::SHARED, Shape::SPREAD];
/// How many values each list gets.
const VALUES_PER_LIST: usize = 1000;
/// Calls in flight while lists are filled.
const IN_FLIGHT: usize = 512;
/// How long allocators may take to return memory and settle.
const SETTLE: Duration = Duration::from_secs(1);

/// The name of a case of calls.
pub(crate) fn case_id(server: &str, call: &str, shape: Shape) -> String {
    format!("before/{server}-{call}-{shape}")
}

/// Runs the part.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Results> {
    let machine = Machine::describe(&[("h2load", "--version")])?;
    let binaries = plan.before.as_deref().context("there is no other version")?;
    let folder = tempfile::tempdir()?;
    let (setup, backend) = (plan.contender(1, folder.path()), plan.backend(1, folder.path()));
    let stores = [prism::memstore(setup)?, prism::memstore_of(binaries, setup)?];
    let behind = prism::memstore(backend)?;
    let proxies = [prism::proxy(setup, &behind.address)?, prism::proxy_of(binaries, setup, &behind.address)?];
    let mut contests = Vec::new();
    for (call, title, request) in [("get", "Get", Call::get(VALUE_BYTES)), ("set", "Set", Call::set())] {
        for shape in SHAPES {
            for contenders in [&stores, &proxies] {
                let server = contenders[0].name;
                let case = Case::new(
                    &format!("{title} of {VALUE_BYTES} bytes, this version and another, one worker each"),
                    &format!("{server} {shape}"),
                    &case_id(server, call, shape),
                );
                let (until, place) = (Until::Passed(plan.time), plan.rest_place(1));
                let load = H2load { call: request.clone(), shape, until, place };
                let is_store = server == prism::MEMSTORE;
                let entries = [THIS, OTHER].into_iter().zip(contenders).map(|(label, contender)| Entry {
                    label: label.to_owned(),
                    contender,
                    backend: if is_store { contender } else { &behind },
                    load: load.clone(),
                });
                contests.push(Contest {
                    case: case.against(OTHER),
                    entries: entries.collect(),
                    across_workers: false,
                });
            }
        }
    }
    let mut cases = contest::run(contests, plan.rounds).await?;
    cases.extend(memory(plan, binaries, folder.path()).await?);
    Ok(Results { part: Part::Before, machine, settings: plan.settings(), cases })
}

async fn memory(plan: &Plan, binaries: &Path, folder: &Path) -> anyhow::Result<[Case; 2]> {
    let section = format!("Memory of the store, this version and another, values of {VALUE_BYTES} bytes");
    let case =
        |what: &str, id| Case::new(&section, &format!("{} {what}", count(plan.keys)), id).against(OTHER);
    let mut cases = [case("keys", KEYS_ID), case("values in lists", VALUES_ID)];
    let setup = plan.contender(1, folder);
    for (place, figure) in [Figure::BytesPerKey, Figure::BytesPerValue].into_iter().enumerate() {
        for label in [THIS, OTHER] {
            let store =
                if label == THIS { prism::memstore(setup)? } else { prism::memstore_of(binaries, setup)? };
            let empty = store.process.rss_bytes()?;
            if figure == Figure::BytesPerKey {
                fill(&store.address, "", 0..plan.keys, || None).await?;
            } else {
                fill_lists(&store, plan.keys).await?;
            }
            tokio::time::sleep(SETTLE).await;
            let grown = store.process.rss_bytes()?.saturating_sub(empty);
            let sample = Sample::default().with(figure, grown as f64 / plan.keys as f64);
            progress(0, 1, &cases[place], label, &sample);
            cases[place].record(label, None, sample);
        }
    }
    Ok(cases)
}

async fn fill_lists(store: &Contender, values: usize) -> anyhow::Result<()> {
    let list = store.client().connections(4).build()?.list();
    stream::iter(0..values)
        .map(|number| {
            list.push_right(format!("list-{}", number / VALUES_PER_LIST), value(VALUE_BYTES)).into_future()
        })
        .buffer_unordered(IN_FLIGHT)
        .map_ok(drop)
        .try_collect::<()>()
        .await?;
    Ok(())
}

//! Closed-loop measurements of contenders in turn: each round measures every contender of every case once, starting
//! with a different contender than the previous round.

pub(crate) mod resp;

use anyhow::{Context as _, ensure};

use crate::contender::{Contender, prism};
use crate::load::Shape;
use crate::load::h2load::H2load;
use crate::process::{Others, Place};
use crate::results::{Case, Figure, Sample, Terms};

/// A case and its participants.
#[derive(Debug)]
pub(crate) struct Contest<'a> {
    pub(crate) case: Case,
    pub(crate) entries: Vec<Entry<'a>>,
    /// Whether the contenders differ in their number of workers.
    pub(crate) across_workers: bool,
}

/// A contender and its load.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) label: String,
    pub(crate) contender: &'a Contender,
    /// The store that serves: the contender itself if there is nothing behind it.
    pub(crate) backend: &'a Contender,
    pub(crate) load: H2load,
}

/// Measures all of them. Fails if a call failed, or if the contenders of a case were on different terms.
pub(crate) async fn run(mut contests: Vec<Contest<'_>>, rounds: usize) -> anyhow::Result<Vec<Case>> {
    for round in 0..rounds {
        for contest in &mut contests {
            let count = contest.entries.len();
            for turn in 0..count {
                let entry = &contest.entries[(round + turn) % count];
                let (terms, sample) =
                    measure(&entry.label, entry.contender, entry.backend, &entry.load).await?;
                progress(round, rounds, &contest.case, &entry.label, &sample);
                let terms = (!contest.across_workers).then_some(terms);
                contest.case.record(&entry.label, terms, sample);
            }
            contest.case.check_terms()?;
        }
    }
    // The first round starts with the first contender, so the rows are in order.
    Ok(contests.into_iter().map(|contest| contest.case).collect())
}

/// Reports that a measurement is done.
pub(crate) fn progress(round: usize, rounds: usize, case: &Case, label: &str, sample: &Sample) {
    let figures = sample.figures.iter().filter(|(figure, _)| !matches!(figure, Figure::LoadCpuUs));
    let figures: Vec<_> =
        figures.map(|(figure, value)| format!("{value:.*} {}", figure.digits(), figure.title())).collect();
    eprintln!("{}/{rounds} {} {label}: {}", round + 1, case.id, figures.join(", "));
}

/// One measurement of a contender, after one call whose response is checked. `backend` is what serves, the contender
/// itself if there is nothing behind it.
pub(crate) async fn measure(
    label: &str,
    contender: &Contender,
    backend: &Contender,
    load: &H2load,
) -> anyhow::Result<(Terms, Sample)> {
    load.call.verify_through(label, contender).await?;
    // What is behind others runs alongside the load; when measured itself, it runs where the others do.
    let moves = contender.place == Place::OtherCores;
    if moves {
        contender.process.move_to(Place::FirstCore)?;
    }
    let measured = measure_in_place(contender, backend, load);
    if moves {
        contender.process.move_to(contender.place)?;
    }
    measured.with_context(|| format!("{label} was measured"))
}

fn measure_in_place(
    contender: &Contender,
    backend: &Contender,
    load: &H2load,
) -> anyhow::Result<(Terms, Sample)> {
    let connections = || prism::metric(backend, "prism_connections_accepted_total");
    let calls = || prism::metric(backend, "prism_calls_total");
    let accepted_before = connections()?;
    let mut watched = vec![&contender.process];
    if !std::ptr::eq(contender, backend) {
        watched.push(&backend.process);
    }
    let others = Others::begin()?;
    let outcome = load.run(contender, &watched, &calls)?;
    let mut sample = Sample::default()
        .with(Figure::RequestsPerSecond, outcome.requests_per_second)
        .with_latency(&outcome.latency)
        .with(Figure::LoadCpuUs, outcome.load_cpu_us)
        .with(Figure::OthersPercent, others.percent()?);
    if let Some(cpu_us) = outcome.cpu_us.first() {
        sample = sample.with(Figure::BusyPercent, cpu_us * outcome.requests_per_second / 1e4);
    }
    for (figure, cpu_us) in [Figure::CpuUs, Figure::BackendCpuUs].into_iter().zip(outcome.cpu_us) {
        sample = sample.with(figure, cpu_us);
    }
    let accepted = connections()?.saturating_sub(accepted_before);
    let keep_alive = keeps_alive(accepted, load.shape, outcome.requests)?;
    // The verification and h2load spoke to it in the same way.
    Ok((Terms { tls: contender.secure.is_some(), keep_alive, workers: contender.workers()? }, sample))
}

/// Whether this ratio of accepted connections to requests means that connections were kept: each side may open one per
/// call in flight, and a few more; without keep-alive, there is one per request.
pub(crate) fn keeps_alive(accepted: u64, shape: Shape, requests: u64) -> anyhow::Result<bool> {
    let in_flight = u64::try_from(shape.in_flight())?;
    ensure!(requests > 4 * in_flight, "only {requests} requests were made: measure for longer");
    Ok(accepted <= 2 * in_flight + requests / 10)
}

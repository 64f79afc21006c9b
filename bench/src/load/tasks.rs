//! The Rust client as a closed loop in this process: for calls that depend on each other's answers.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use hdrhistogram::Histogram;

use super::histogram;
use crate::process::{Others, Process};
use crate::results::{Figure, Sample};

/// Tasks that repeat a step, one after another each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tasks {
    pub(crate) count: usize,
    pub(crate) time: Duration,
}

impl Tasks {
    /// Runs `step` in each task until the time is over; one step is one request of the sample. It is given its task's number.
    pub(crate) async fn run<F, S>(self, server: &Process, step: S) -> anyhow::Result<Sample>
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
        S: Fn(usize) -> F + Clone + Send + 'static,
    {
        let others = Others::begin()?;
        let (cpu, begun) = (server.cpu()?, Instant::now());
        let tasks = (0..self.count).map(|task| {
            let step = step.clone();
            tokio::spawn(async move {
                let mut latency = histogram()?;
                while begun.elapsed() < self.time {
                    let sent = Instant::now();
                    step(task).await?;
                    latency.record(u64::try_from(sent.elapsed().as_micros())?)?;
                }
                anyhow::Ok(latency)
            })
        });
        let mut latency = histogram()?;
        for one in try_join_all(tasks).await? {
            latency.add(one?)?;
        }
        let (cpu, passed) = (server.cpu()?.saturating_sub(cpu), begun.elapsed());
        sample(&latency, cpu, passed)
            .map(|sample| sample.with(Figure::OthersPercent, others.percent().unwrap_or(0.0)))
    }
}

fn sample(latency: &Histogram<u64>, cpu: Duration, passed: Duration) -> anyhow::Result<Sample> {
    let steps = latency.len();
    anyhow::ensure!(steps > 0, "no call was made");
    Ok(Sample::default()
        .with(Figure::RequestsPerSecond, steps as f64 / passed.as_secs_f64())
        .with_latency(latency)
        .with(Figure::CpuUs, cpu.as_secs_f64() * 1e6 / steps as f64))
}

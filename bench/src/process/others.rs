//! The CPU time of everything else on the machine: a measurement alongside a compiler is worth little.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::stat::{self, Stat};

/// CPU times at a moment.
#[derive(Debug)]
pub(crate) struct Others {
    at: Instant,
    busy: Duration,
    own: Duration,
}

impl Others {
    /// Starts measuring.
    pub(crate) fn begin() -> anyhow::Result<Self> {
        Ok(Self { at: Instant::now(), busy: busy()?, own: own()? })
    }

    /// The share of the machine's CPU time since then used by processes that this one did not start, in percent.
    pub(crate) fn percent(&self) -> anyhow::Result<f64> {
        let now = Self::begin()?;
        let (busy, own) = (now.busy.saturating_sub(self.busy), now.own.saturating_sub(self.own));
        let all = self.at.elapsed().as_secs_f64() * super::cores() as f64;
        Ok(100.0 * busy.saturating_sub(own).as_secs_f64() / all)
    }
}

/// CPU time of everything so far, including the time that the hypervisor took.
fn busy() -> anyhow::Result<Duration> {
    stat::duration(busy_ticks(&std::fs::read_to_string("/proc/stat")?).context("/proc/stat has no figures")?)
}

/// user, nice, system, irq, softirq and steal; idle and iowait are in between.
fn busy_ticks(text: &str) -> Option<u64> {
    let figures = text.lines().find_map(|line| line.strip_prefix("cpu "))?.split_whitespace();
    let figures: Vec<u64> = figures.map_while(|figure| figure.parse().ok()).collect();
    let taken = [0, 1, 2, 5, 6, 7].map(|place| figures.get(place).copied());
    taken.into_iter().sum()
}

/// CPU time of this process and all that it started, directly or not, including ended ones.
fn own() -> anyhow::Result<Duration> {
    let mut processes = HashMap::new();
    for (pid, text) in stat::all()? {
        let stat = Stat::parse(&text)?;
        processes.insert(pid, (stat.parent()?, stat.ticks()? + stat.children_ticks()?));
    }
    let own = u64::from(std::process::id());
    let is_own = |mut pid: u64| {
        while pid != own {
            match processes.get(&pid) {
                Some((parent, _)) => pid = *parent,
                None => return false,
            }
        }
        true
    };
    stat::duration(processes.iter().filter(|(pid, _)| is_own(**pid)).map(|(_, (_, ticks))| ticks).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_not_counted() {
        let text = "cpu  10 20 30 4000 500 1 2 3 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        assert_eq!(busy_ticks(text), Some(66));
        assert_eq!(busy_ticks("intr 1\n"), None);
    }
}

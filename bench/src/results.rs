//! What the parts hand to the report: figures by case, contender and round. The page and its plots are made of this
//! alone.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::part::Part;

/// The outcome of one part.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) part: Part,
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    pub(crate) cases: Vec<Case>,
}

/// How the part was run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    /// Whether a contender with one worker had a core of its own.
    pub(crate) pinned: bool,
}

/// Contenders under one load.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Case {
    /// What targets find it by.
    pub(crate) id: String,
    /// The heading that it stands under.
    pub(crate) section: String,
    /// What tells it from the other cases of its section.
    pub(crate) title: String,
    /// The contender that the others are compared with.
    pub(crate) baseline: Option<String>,
    pub(crate) rows: Vec<Row>,
}

/// One contender's figures.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) contender: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) terms: Option<Terms>,
    /// A value for each round.
    pub(crate) figures: BTreeMap<Figure, Vec<f64>>,
    /// Latencies of all rounds where the load was an open loop: upper bound in microseconds, and count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) histogram: Vec<(u64, u64)>,
}

/// The conditions that contenders of one case must share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub(crate) tls: bool,
    pub(crate) keep_alive: bool,
    pub(crate) workers: usize,
}

/// A quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figure {
    /// Answers a second.
    RequestsPerSecond,
    /// Latency that half of the requests stay within.
    P50Us,
    /// Latency that 99 % stay within.
    P99Us,
    /// Latency that 99.9 % stay within.
    P999Us,
    /// CPU time of the contender for each request.
    CpuUs,
    /// CPU time of what stands behind the contender, for each request.
    BackendCpuUs,
    /// CPU time of the load generator for each request.
    LoadCpuUs,
    /// The longest that the load generator was behind its schedule.
    LateUs,
    /// Median time of a scan.
    ScanUs,
    /// From the start of the process to its ready line.
    ReadyMs,
    /// A duration.
    Seconds,
    /// Until resident memory has fallen by half of what the keys took.
    RssFallSeconds,
    /// Resident memory.
    RssMib,
    /// Resident memory at the end.
    RssAfterMib,
    /// Growth of resident memory for each key.
    BytesPerKey,
    /// Timers that the store holds.
    Timers,
}

impl Figure {
    /// The head of its column.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::RequestsPerSecond => "req/s",
            Self::P50Us => "p50 µs",
            Self::P99Us => "p99 µs",
            Self::P999Us => "p99.9 µs",
            Self::CpuUs => "CPU µs/req",
            Self::BackendCpuUs => "backend CPU µs/req",
            Self::LoadCpuUs => "load CPU µs/req",
            Self::LateUs => "late µs (max)",
            Self::ScanUs => "µs per scan",
            Self::ReadyMs => "ready after ms",
            Self::Seconds => "seconds",
            Self::RssFallSeconds => "until RSS fell by half, s",
            Self::RssMib => "RSS MiB",
            Self::RssAfterMib => "RSS MiB at the end",
            Self::BytesPerKey => "bytes per key",
            Self::Timers => "timers",
        }
    }

    /// Digits behind the point that the measurement supports.
    pub(crate) fn digits(self) -> usize {
        match self {
            Self::CpuUs | Self::BackendCpuUs | Self::LoadCpuUs | Self::ReadyMs => 1,
            Self::RssMib | Self::RssAfterMib => 1,
            Self::Seconds | Self::RssFallSeconds => 2,
            _ => 0,
        }
    }
}

/// The figures of one measurement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) figures: BTreeMap<Figure, f64>,
    pub(crate) histogram: Vec<(u64, u64)>,
}

impl Sample {
    /// Adds a figure.
    #[must_use]
    pub(crate) fn with(mut self, figure: Figure, value: f64) -> Self {
        self.figures.insert(figure, value);
        self
    }

    /// Adds the quantiles of latencies in microseconds.
    #[must_use]
    pub(crate) fn with_latency(self, latency: &Histogram<u64>) -> Self {
        self.with(Figure::P50Us, latency.value_at_quantile(0.5) as f64)
            .with(Figure::P99Us, latency.value_at_quantile(0.99) as f64)
            .with(Figure::P999Us, latency.value_at_quantile(0.999) as f64)
    }
}

impl Case {
    /// A case without rows.
    pub(crate) fn new(section: &str, title: &str, id: &str) -> Self {
        let (section, title, id) = (section.to_owned(), title.to_owned(), id.to_owned());
        Self { id, section, title, baseline: None, rows: Vec::new() }
    }

    /// Compares the others with this contender.
    #[must_use]
    pub(crate) fn against(mut self, contender: &str) -> Self {
        self.baseline = Some(contender.to_owned());
        self
    }

    /// Adds one round of one contender.
    pub(crate) fn record(&mut self, contender: &str, terms: Option<Terms>, sample: Sample) {
        let place = self.rows.iter().position(|row| row.contender == contender);
        let place = place.unwrap_or_else(|| {
            self.rows.push(Row {
                contender: contender.to_owned(),
                terms,
                figures: BTreeMap::new(),
                histogram: Vec::new(),
            });
            self.rows.len() - 1
        });
        let row = &mut self.rows[place];
        for (figure, value) in sample.figures {
            row.figures.entry(figure).or_default().push(value);
        }
        let mut counts: BTreeMap<u64, u64> = row.histogram.drain(..).collect();
        for (upper_us, count) in sample.histogram {
            *counts.entry(upper_us).or_default() += count;
        }
        row.histogram = counts.into_iter().collect();
    }

    /// The row of a contender.
    pub(crate) fn row(&self, contender: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.contender == contender)
    }

    /// A figure of a contender, by round.
    pub(crate) fn figure(&self, contender: &str, figure: Figure) -> Option<&[f64]> {
        self.row(contender)?.figures.get(&figure).map(Vec::as_slice)
    }

    /// Fails if the contenders were not measured under the same terms.
    pub(crate) fn check_terms(&self) -> anyhow::Result<()> {
        let mut rows = self.rows.iter().filter_map(|row| Some((&row.contender, row.terms?)));
        let Some((first, terms)) = rows.next() else { return Ok(()) };
        for (other, others) in rows {
            anyhow::ensure!(
                others == terms,
                "{}, {}: {first} and {other} differ in TLS, workers or keep-alive: {terms:?} and {others:?}",
                self.section,
                self.title
            );
        }
        Ok(())
    }
}

/// A median with the range that it comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of some values; `None` without any.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        Some(Self { median, min, max })
    }

    /// In another unit.
    pub(crate) fn scaled(self, by: f64) -> Self {
        Self { median: self.median * by, min: self.min * by, max: self.max * by }
    }

    /// Of the ratios of values of the same round.
    pub(crate) fn of_ratios(of: &[f64], to: &[f64]) -> Option<Self> {
        Self::of(of.iter().zip(to).map(|(of, to)| of / to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_of_the_rounds_own_ratios() {
        let spread = Spread::of_ratios(&[2.0, 6.0, 3.0], &[1.0, 2.0, 3.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of([1.0, 2.0]).unwrap().median, 1.5);
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn rounds_of_one_contender_share_a_row() {
        let mut case = Case::new("section", "title", "id");
        for value in [1.0, 2.0] {
            let histogram = vec![(10, 1), (20, 2)];
            let sample = Sample { histogram, ..Sample::default() }.with(Figure::CpuUs, value);
            case.record("one", None, sample);
        }
        assert_eq!(case.figure("one", Figure::CpuUs), Some([1.0, 2.0].as_slice()));
        assert_eq!(case.row("one").unwrap().histogram, [(10, 2), (20, 4)]);
    }

    #[test]
    fn contenders_on_different_terms_are_refused() {
        let mut case = Case::new("section", "title", "id");
        let terms = Terms { tls: false, keep_alive: true, workers: 1 };
        case.record("one", Some(terms), Sample::default());
        case.record("other", Some(terms), Sample::default());
        case.check_terms().unwrap();
        case.record("third", Some(Terms { workers: 2, ..terms }), Sample::default());
        let message = case.check_terms().unwrap_err().to_string();
        assert!(message.contains("one and third differ"), "{message}");
    }
}

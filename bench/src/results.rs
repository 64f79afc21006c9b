//! The parts' results for the report: figures by case, contender and round. The page and its plots are generated from
//! these alone.

mod figure;
mod spread;

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::part::Part;

pub(crate) use figure::{Figure, count, grouped};
pub(crate) use spread::Spread;

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
    /// Whether a contender with one worker had a dedicated core.
    pub(crate) pinned: bool,
}

/// Contenders under one load.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Case {
    /// Identifies it to targets: the section's name, a slash, and the case's own.
    pub(crate) id: String,
    /// The heading of its section.
    pub(crate) section: String,
    /// Distinguishes it from the other cases of its section.
    pub(crate) title: String,
    /// The contender with which the others are compared.
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
    /// Latencies of all rounds of an open loop: upper bound in microseconds, and count.
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
                terms: None,
                figures: BTreeMap::new(),
                histogram: Vec::new(),
            });
            self.rows.len() - 1
        });
        let row = &mut self.rows[place];
        row.terms = terms;
        for (figure, value) in sample.figures {
            row.figures.entry(figure).or_default().push(value);
        }
        let mut counts: BTreeMap<u64, u64> = row.histogram.drain(..).collect();
        for (upper_us, count) in sample.histogram {
            *counts.entry(upper_us).or_default() += count;
        }
        row.histogram = counts.into_iter().collect();
    }

    /// The name of its section.
    pub(crate) fn name(&self) -> &str {
        self.id.split('/').next().unwrap_or(&self.id)
    }

    /// Whether the load came at fixed moments.
    pub(crate) fn is_open_loop(&self) -> bool {
        self.rows.iter().any(|row| !row.histogram.is_empty())
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

#[cfg(test)]
mod tests {
    use super::*;

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

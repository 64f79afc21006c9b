//! The plots: bars of medians with their range, and curves of latency by percentile.

mod bars;
mod curves;

use std::path::Path;

use plotters::style::RGBColor;

use crate::part::Part;
use crate::results::{Case, Figure, Results, Spread};

/// A written plot.
#[derive(Debug)]
pub(super) struct Plot {
    pub(super) part: Part,
    pub(super) section: String,
    pub(super) title: String,
    /// Its name in the results' folder.
    pub(super) file: String,
}

/// Figures that are drawn as bars, and the names of their files.
const DRAWN: [(Figure, &str); 4] = [
    (Figure::RequestsPerSecond, "throughput"),
    (Figure::CpuUs, "cpu"),
    (Figure::BytesPerKey, "bytes"),
    (Figure::ScanUs, "time"),
];

const SIZE: (u32, u32) = (840, 360);

/// Colours that colour-blind readers can distinguish (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(120, 120, 120),
];

fn colour(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()]
}

/// A group of bars: a case, and each contender's figure.
#[derive(Debug)]
struct Group {
    label: String,
    bars: Vec<(String, Spread)>,
}

/// Draws every section's figures.
pub(super) fn write_all(folder: &Path, all: &[Results]) -> anyhow::Result<Vec<Plot>> {
    let mut plots = Vec::new();
    for results in all {
        let mut sections: Vec<&str> = results.cases.iter().map(|case| case.section.as_str()).collect();
        sections.dedup();
        for section in sections {
            let cases: Vec<_> = results.cases.iter().filter(|case| case.section == section).collect();
            let plot = |kind: &str, title: &str| Plot {
                part: results.part,
                section: section.to_owned(),
                title: format!("{section}: {title}"),
                file: format!("{}-{}-{kind}.svg", results.part.name(), cases[0].name()),
            };
            let open_loop = cases.iter().any(|case| case.is_open_loop());
            for (figure, kind) in DRAWN.into_iter().filter(|_| !open_loop) {
                let groups = groups(&cases, figure);
                if groups.iter().any(|group| group.bars.len() > 1) {
                    let plot = plot(kind, figure.title());
                    bars::draw(&folder.join(&plot.file), &plot.title, &groups)?;
                    plots.push(plot);
                }
            }
            for case in cases.iter().filter(|case| case.is_open_loop()) {
                let plot = plot("latency", &format!("latency, {}", case.title));
                let curves: Vec<_> =
                    case.rows.iter().map(|row| (row.contender.as_str(), row.histogram.as_slice())).collect();
                curves::draw(&folder.join(&plot.file), &plot.title, &curves)?;
                plots.push(plot);
            }
        }
    }
    Ok(plots)
}

fn groups(cases: &[&Case], figure: Figure) -> Vec<Group> {
    let group = |case: &&Case| {
        let bars = case.rows.iter().filter_map(|row| {
            let spread = Spread::of(row.figures.get(&figure)?.iter().copied())?;
            Some((row.contender.clone(), spread))
        });
        Group { label: case.title.clone(), bars: bars.collect() }
    };
    cases.iter().map(group).filter(|group| !group.bars.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plots_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let spread = Spread { median: 2.0, min: 1.0, max: 3.0 };
        let bars = vec![("one".to_owned(), spread), ("two".to_owned(), spread)];
        let path = folder.path().join("bars.svg");
        bars::draw(&path, "bars", &[Group { label: "4×16".to_owned(), bars }]).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("4×16"));
        let path = folder.path().join("curves.svg");
        curves::draw(&path, "curves", &[("one", &[(100, 990), (2000, 10)])]).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("p99"));
    }
}

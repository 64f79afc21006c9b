//! Latency by percentile: the further right, the rarer.

use std::path::Path;

use plotters::coord::combinators::IntoLogRange;
use plotters::prelude::*;

use super::{SIZE, colour};

/// The rarest share that is drawn: p99.99.
const RAREST: f64 = 1e-4;

/// Draws curves of histograms (upper bound in microseconds, count) into an SVG file.
pub(super) fn draw(path: &Path, title: &str, curves: &[(&str, &[(u64, u64)])]) -> anyhow::Result<()> {
    let curves: Vec<_> = curves.iter().map(|(name, counts)| (*name, points(counts))).collect();
    let latencies = || curves.iter().flat_map(|(_, points)| points).map(|(_, ms)| *ms);
    let lowest = latencies().fold(f64::INFINITY, f64::min).clamp(1e-3, 1e6);
    let highest = latencies().fold(lowest, f64::max);

    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 16))
        .margin(8)
        .margin_right(24)
        .x_label_area_size(28)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..-RAREST.log10(), (lowest * 0.8..highest * 1.25).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(5)
        .x_label_formatter(&|x| percentile(*x))
        .y_label_formatter(&|ms| if *ms < 1.0 { format!("{ms:.2} ms") } else { format!("{ms:.0} ms") })
        .label_style(("sans-serif", 13))
        .draw()?;
    for (index, (name, points)) in curves.into_iter().enumerate() {
        let style = colour(index).stroke_width(2);
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .label_font(("sans-serif", 13))
        .draw()?;
    root.present()?;
    Ok(())
}

/// Where each bound is drawn: how many nines of the requests are within it, and milliseconds.
fn points(counts: &[(u64, u64)]) -> Vec<(f64, f64)> {
    let total: u64 = counts.iter().map(|(_, count)| count).sum();
    let mut within = 0;
    let mut points = Vec::new();
    for (us, count) in counts {
        let rarer = (total - within) as f64 / total as f64;
        if rarer < RAREST {
            break;
        }
        points.push((-rarer.log10(), *us as f64 / 1000.0));
        within += count;
    }
    points
}

/// The name of a number of nines.
fn percentile(nines: f64) -> String {
    match nines.round() as u32 {
        0 => "p0".to_owned(),
        1 => "p90".to_owned(),
        2 => "p99".to_owned(),
        more => format!("p99.{}", "9".repeat(more as usize - 2)),
    }
}

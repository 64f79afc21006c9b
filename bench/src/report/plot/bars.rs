//! Grouped bars with whiskers from the lowest to the highest round.

use std::path::Path;

use plotters::prelude::*;

use super::{Group, SIZE, colour};

/// Relative to the highest whisker.
const HEADROOM: f64 = 1.1;
/// The names of contenders are beside the plot.
const LEGEND_WIDTH: u32 = 160;
/// The part of a group's width that bars fill.
const FILL: f64 = 0.84;

/// Draws groups of bars into an SVG file.
pub(super) fn draw(path: &Path, title: &str, groups: &[Group]) -> anyhow::Result<()> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in groups.iter().flat_map(|group| &group.bars) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let highest =
        groups.iter().flat_map(|group| &group.bars).map(|(_, spread)| spread.max).fold(0.0, f64::max);
    let top = if highest > 0.0 { highest * HEADROOM } else { 1.0 };

    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (plot, legend) = root.split_horizontally(SIZE.0 - LEGEND_WIDTH);
    let mut chart = ChartBuilder::on(&plot)
        .caption(title, ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(28)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..groups.len() as f64, 0.0..top)?;
    // Labels are centred in their groups: marks at the halves, and names only for those.
    let label = |x: &f64| {
        let within = (x.fract() - 0.5).abs() < 0.01;
        let group = within.then(|| groups.get(x.floor() as usize)).flatten();
        group.map_or_else(String::new, |group| group.label.clone())
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(2 * groups.len() + 1)
        .x_label_formatter(&label)
        .y_label_formatter(&|y| format!("{y:.0}"))
        .label_style(("sans-serif", 13))
        .draw()?;

    for (index, name) in names.iter().enumerate() {
        let style = colour(index);
        let bars = groups.iter().enumerate().filter_map(|(place, group)| {
            // Bars of contenders that do not take part leave no gap.
            let turn = group.bars.iter().position(|(own, _)| own == name)?;
            let width = FILL / group.bars.len() as f64;
            let left = place as f64 + (1.0 - FILL) / 2.0 + turn as f64 * width;
            Some((left, width, group.bars[turn].1))
        });
        let bars: Vec<_> = bars.collect();
        let shapes = bars.iter().map(|(left, width, spread)| {
            Rectangle::new([(*left, 0.0), (left + width * 0.92, spread.median)], style.filled())
        });
        chart.draw_series(shapes)?;
        chart.draw_series(bars.iter().map(|(left, width, spread)| {
            let middle = left + width * 0.46;
            PathElement::new([(middle, spread.min), (middle, spread.max)], BLACK)
        }))?;
    }
    for (index, name) in names.iter().enumerate() {
        let y = 44 + 20 * index as i32;
        legend.draw(&Rectangle::new([(4, y), (16, y + 10)], colour(index).filled()))?;
        legend.draw(&Text::new(*name, (22, y - 1), ("sans-serif", 13)))?;
    }
    root.present()?;
    Ok(())
}

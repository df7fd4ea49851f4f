//! The plots of a scaling series as figures: SVG, and PNG at twice the size, both axes logarithmic.

use std::io;
use std::path::Path;

use plotters::prelude::RGBColor;

use super::sweep::{COLORS, Figure, OtherAxes, write};
use crate::sweep::scaling::Scaling;
use crate::sweep::scaling_plot::{LogPlot, Look, Tint, plots};
use crate::widgets::plot_numbers::{log_marks, log_words};

/// Of a law or a rule.
const LAW: RGBColor = RGBColor(110, 110, 110);

/// Writes an `.svg` and a `.png` for each plot into a folder.
pub fn export(scaling: &Scaling, folder: &Path) -> io::Result<()> {
    plots(scaling).iter().try_for_each(|plot| write(&figure(plot), folder, plot.name))
}

fn figure(plot: &LogPlot) -> Figure {
    let mut figure = Figure {
        title: plot.title.clone(),
        x_name: format!("{} (both axes logarithmic)", plot.x_name),
        x_words: Box::new(|x| log_words(10_f64.powf(x))),
        other_axes: Some(OtherAxes { marks, y_words: |y| log_words(10_f64.powf(y)) }),
        lines: Vec::new(),
        dashes: Vec::new(),
        bars: Vec::new(),
        dots: Vec::new(),
        places: Vec::new(),
        names: Vec::new(),
    };
    for series in &plot.series {
        let color = match series.tint {
            Tint::Law => LAW,
            Tint::Size(place) => COLORS[place % COLORS.len()],
        };
        let points: Vec<(f64, f64)> =
            series.points.iter().map(|(x, y)| (x.log10(), y.log10())).collect();
        match series.look {
            Look::Marks => figure.dots.extend(points.iter().map(|(x, y)| (color, *x, *y, 4))),
            Look::Line => {
                figure.dots.extend(points.iter().map(|(x, y)| (color, *x, *y, 2)));
                figure.lines.push((color, points, 2));
            }
            Look::Dashes => figure.dashes.push((color, points, 2)),
        }
        let bars = series.bars.iter();
        figure
            .bars
            .extend(bars.map(|(x, low, high)| (color, x.log10(), low.log10(), high.log10())));
        figure.names.push((color, series.name.clone()));
    }
    figure
}

/// Marks of an axis of logarithms.
fn marks(low: f64, high: f64) -> Vec<f64> {
    let marks = log_marks(10_f64.powf(low), 10_f64.powf(high)).into_iter();
    marks.map(f64::log10).collect()
}

//! The plot of a sweep, and that of the learning-rate finder, as a figure: SVG, and PNG at twice the size.

use std::io;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::{
    BitMapBackend, ChartBuilder, Circle, Color as _, DashedLineSeries, DrawingArea, DrawingBackend,
    IntoDrawingArea as _, LineSeries, PathElement, RGBColor, SVGBackend, WHITE,
};
use plotters::style::IntoTextStyle as _;

use super::{font, sheet};
use crate::files;
use crate::sweep::plot::PlotData;
use crate::train::run::rates::RateTrace;

/// Of the SVG, in pixels of 1/96 inch.
const SIZE: (u32, u32) = (640, 420);

/// Pixels of the PNG for one of the SVG.
const PNG_SCALE: u32 = 2;

/// Okabe and Ito's colours, which most people can tell apart.
pub(super) const COLORS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115), RGBColor(204, 121, 167)];
const INK: RGBColor = RGBColor(60, 60, 60);
const GRID: RGBColor = RGBColor(225, 225, 225);

/// What is drawn.
pub(super) struct Figure {
    pub title: String,
    pub x_name: String,
    pub x_words: Box<dyn Fn(f64) -> String>,

    /// Where the y axis is not linear: where its marks and those of the x axis stand, by what the axes span, and
    /// how a y is written.
    pub other_axes: Option<OtherAxes>,
    pub lines: Vec<Curve>,
    pub dashes: Vec<Curve>,

    /// From a lower to a higher value at an x.
    pub bars: Vec<(RGBColor, f64, f64, f64)>,
    pub dots: Vec<(RGBColor, f64, f64, i32)>,

    /// A place with its name.
    pub places: Vec<(f64, String)>,
    pub names: Vec<(RGBColor, String)>,
}

/// Axes whose marks are not at round numbers.
pub(super) struct OtherAxes {
    pub marks: fn(f64, f64) -> Vec<f64>,
    pub y_words: fn(f64) -> String,
}

/// Its colour, its points, its width.
pub(super) type Curve = (RGBColor, Vec<(f64, f64)>, u32);

/// Writes `sweep.svg` and `sweep.png` into a folder.
pub fn export(plot: &PlotData, folder: &Path) -> io::Result<()> {
    write(&of_sweep(plot), folder, "sweep")
}

/// Writes `learning-rate.csv`, `.svg` and `.png` into a folder.
pub fn export_rates(trace: &RateTrace, folder: &Path) -> io::Result<()> {
    files::write_atomic(&folder.join("learning-rate.csv"), trace.csv().as_bytes())?;
    write(&of_rates(trace), folder, "learning-rate")
}

fn of_sweep(plot: &PlotData) -> Figure {
    let (mut lines, mut bars, mut dots, mut names) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (place, series) in plot.series.iter().enumerate() {
        let color = COLORS[place % COLORS.len()];
        lines.push((color, series.points.iter().map(|point| (point.x, point.mean)).collect(), 1));
        for point in &series.points {
            dots.extend(point.singles.iter().map(|y| (color, point.x, *y, 2)));
            bars.extend(point.interval.map(|(low, high)| (color, point.x, low, high)));
            dots.push((color, point.x, point.mean, 4));
        }
        if !series.name.is_empty() {
            names.push((color, series.name.clone()));
        }
    }
    let x_name = plot.x_title();
    let (scale, title) = (plot.scale.clone(), plot.y_name.clone());
    let x_words = Box::new(move |x| scale.words(x));
    Figure {
        title,
        x_name,
        x_words,
        other_axes: None,
        lines,
        dashes: Vec::new(),
        bars,
        dots,
        places: Vec::new(),
        names,
    }
}

fn of_rates(trace: &RateTrace) -> Figure {
    let places = trace.suggestions().into_iter();
    let places = places.map(|(rule, rate)| (rate.log10(), format!("{} {rate:.1e}", rule.name())));
    Figure {
        title: "Loss over learning rate".to_owned(),
        x_name: "learning_rate (logarithmic)".to_owned(),
        x_words: Box::new(|x| format!("{:.0e}", 10_f64.powf(x))),
        other_axes: None,
        dashes: Vec::new(),
        lines: vec![
            (RGBColor(170, 170, 170), trace.drawn(|point| point.loss), 1),
            (COLORS[0], trace.drawn(|point| point.smoothed), 2),
        ],
        bars: Vec::new(),
        dots: Vec::new(),
        places: places.collect(),
        names: vec![
            (RGBColor(130, 130, 130), "each step".to_owned()),
            (COLORS[0], "smoothed".to_owned()),
        ],
    }
}

pub(super) fn write(figure: &Figure, folder: &Path, name: &str) -> io::Result<()> {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
    draw(&area, figure, 1)?;
    drop(area);
    files::write_atomic(&folder.join(format!("{name}.svg")), text.as_bytes())?;
    let (width, height) = (SIZE.0 * PNG_SCALE, SIZE.1 * PNG_SCALE);
    let mut pixels = vec![0; (width * height * 3) as usize];
    let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
    draw(&area, figure, PNG_SCALE)?;
    drop(area);
    files::write_atomic(
        &folder.join(format!("{name}.png")),
        &sheet::png_file(&pixels, width, height)?,
    )
}

fn draw<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    figure: &Figure,
    scale: u32,
) -> io::Result<()> {
    font::use_bundled()?;
    let drawn = area.fill(&WHITE).and_then(|()| {
        draw_figure(area, figure, scale)?;
        area.present()
    });
    drawn.map_err(|err| io::Error::other(err.to_string()))
}

/// The least and the greatest, with some room.
fn span(values: impl Iterator<Item = f64>, share: f64) -> (f64, f64) {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    if low > high {
        return (0.0, 1.0);
    }
    let room = if high > low { (high - low) * share } else { high.abs().max(1.0) * 0.1 };
    (low - room, high + room)
}

fn draw_figure<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    figure: &Figure,
    scale: u32,
) -> Result<(), plotters::drawing::DrawingAreaErrorKind<B::ErrorType>> {
    let points = || {
        let lines = figure.lines.iter().chain(&figure.dashes);
        let points = lines.flat_map(|line| line.1.iter().copied());
        points.chain(figure.dots.iter().map(|dot| (dot.1, dot.2)))
    };
    let ys = points().map(|point| point.1);
    let ys = ys.chain(figure.bars.iter().flat_map(|bar| [bar.2, bar.3]));
    let (low, high) = span(ys, 0.06);
    let (left, right) = span(points().map(|point| point.0), 0.08);
    let unit = scale.cast_signed();
    // Names that do not fit beside each other go on below.
    let right_edge = area.dim_in_pixel().0.cast_signed() - 12 * unit;
    let (mut x, mut y) = (16 * unit, 36 * unit);
    let mut names = Vec::with_capacity(figure.names.len());
    for (color, name) in &figure.names {
        let small = ("sans-serif", 12 * scale).into_text_style(area).color(color);
        let width = area.estimate_text_size(name, &small)?.0.cast_signed();
        if x + width > right_edge && x > 16 * unit {
            (x, y) = (16 * unit, y + 16 * unit);
        }
        names.push((name, small, (x, y)));
        x += width + 18 * unit;
    }
    let (head, below) = area.split_vertically(y + 20 * unit);
    let title = ("sans-serif", 18 * scale).into_text_style(&head).color(&INK);
    head.draw_text(&figure.title, &title, (16 * unit, 10 * unit))?;
    for (name, style, place) in names {
        head.draw_text(name, &style, place)?;
    }
    let mut chart = ChartBuilder::on(&below)
        .margin(12 * scale)
        .margin_top(0)
        .x_label_area_size(44 * scale)
        .y_label_area_size(60 * scale)
        .build_cartesian_2d(left..right, low..high)?;
    // Marks stand where the measurements are: they are few.
    let mut marks: Vec<f64> = figure.dots.iter().map(|dot| dot.1).collect();
    if marks.is_empty() {
        marks = (left.ceil() as i32..=right.floor() as i32).map(f64::from).collect();
    }
    if let Some(other) = &figure.other_axes {
        marks = (other.marks)(left, right);
    }
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(WHITE)
        .disable_x_mesh()
        .axis_style(INK)
        .label_style(("sans-serif", 12 * scale))
        .x_labels(0)
        .y_labels(if figure.other_axes.is_some() { 0 } else { 7 })
        .draw()?;
    if let Some(other) = &figure.other_axes {
        for mark in (other.marks)(low, high) {
            let line = vec![(left, mark), (right, mark)];
            chart.draw_series(std::iter::once(PathElement::new(line, GRID.stroke_width(scale))))?;
            let small = ("sans-serif", 12 * scale).into_text_style(&below).color(&INK);
            let words = (other.y_words)(mark);
            let place = chart.backend_coord(&(left, mark));
            let origin = below.get_pixel_range();
            let (across, down) = (place.0 - origin.0.start, place.1 - origin.1.start);
            let size = below.estimate_text_size(&words, &small)?;
            let across = across - size.0.cast_signed() - 6 * unit;
            below.draw_text(&words, &small, (across, down - size.1.cast_signed() / 2))?;
        }
    }
    for mark in &marks {
        let small = ("sans-serif", 12 * scale).into_text_style(&below).color(&INK);
        let words = (figure.x_words)(*mark);
        let place = chart.backend_coord(&(*mark, low));
        let origin = below.get_pixel_range();
        let (across, down) = (place.0 - origin.0.start, place.1 - origin.1.start);
        let width = below.estimate_text_size(&words, &small)?.0.cast_signed();
        below.draw_text(&words, &small, (across - width / 2, down + 8 * unit))?;
    }
    let small = ("sans-serif", 12 * scale).into_text_style(&below).color(&INK);
    let width = below.estimate_text_size(&figure.x_name, &small)?.0.cast_signed();
    let (whole, height) = below.dim_in_pixel();
    below.draw_text(
        &figure.x_name,
        &small,
        ((whole.cast_signed() - width) / 2, height.cast_signed() - 20 * unit),
    )?;
    for (color, points, width) in &figure.lines {
        chart.draw_series(LineSeries::new(
            points.iter().copied(),
            color.stroke_width(*width * scale),
        ))?;
    }
    for (color, points, width) in &figure.dashes {
        let style = color.stroke_width(*width * scale);
        let dashes = DashedLineSeries::new(points.iter().copied(), 6 * scale, 4 * scale, style);
        chart.draw_series(dashes)?;
    }
    for (color, x, low, high) in &figure.bars {
        let bar = vec![(*x, *low), (*x, *high)];
        chart.draw_series(std::iter::once(PathElement::new(bar, color.stroke_width(2 * scale))))?;
    }
    for (color, x, y, radius) in &figure.dots {
        let dot = Circle::new((*x, *y), radius * unit, color.filled());
        chart.draw_series(std::iter::once(dot))?;
    }
    for (place, (x, words)) in (0_i32..).zip(&figure.places) {
        let color = COLORS[(place as usize + 1) % COLORS.len()];
        let line = vec![(*x, low), (*x, high)];
        chart.draw_series(std::iter::once(PathElement::new(line, color.stroke_width(scale))))?;
        let small = ("sans-serif", 12 * scale).into_text_style(&below).color(&color);
        let at = chart.backend_coord(&(*x, high));
        let origin = below.get_pixel_range();
        let (across, down) = (at.0 - origin.0.start, at.1 - origin.1.start);
        below.draw_text(words, &small, (across + 4 * unit, down + (4 + 16 * place) * unit))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::plot::{PlotPoint, Scale, Series};
    use crate::train::run::rates::RateSearch;

    #[test]
    fn a_sweep_becomes_two_pictures_with_its_values_on_the_axis() {
        let point = |x: f64, mean: f64| PlotPoint {
            x,
            mean,
            interval: Some((mean - 0.1, mean + 0.1)),
            singles: vec![mean - 0.05, mean + 0.05],
        };
        let series = |name: &str, up: f64| Series {
            name: name.to_owned(),
            points: vec![point(-5.0, 0.6 + up), point(-4.0, 0.5 + up)],
        };
        let plot = PlotData {
            x_name: "learning_rate".to_owned(),
            y_name: "Held-out loss".to_owned(),
            scale: Scale::Log,
            series: vec![series("beta 0.1", 0.0), series("beta 0.5", 0.2)],
        };
        let folder = tempfile::tempdir().unwrap();
        export(&plot, folder.path()).unwrap();
        let svg = std::fs::read_to_string(folder.path().join("sweep.svg")).unwrap();
        for words in ["Held-out loss", "learning_rate (logarithmic)", "1e-5", "1e-4", "beta 0.5"] {
            assert!(svg.contains(words), "{words}");
        }
        let dots = svg.lines().filter(|line| line.trim_start().starts_with("<circle")).count();
        assert_eq!(dots, 12, "two seeds and a mean for each of four");
        assert!(folder.path().join("sweep.png").is_file());
    }

    #[test]
    fn a_search_becomes_a_table_and_a_picture_with_its_suggestions() {
        let search = RateSearch { min: 1e-6, max: 1.0, steps: 40 };
        let mut trace = RateTrace::default();
        for step in 0..40 {
            let fall = 1.0 / (1.0 + (-(step as f64 - 20.0) / 2.0).exp());
            trace.add(search.rate(step), 2.0 - fall);
        }
        let folder = tempfile::tempdir().unwrap();
        export_rates(&trace, folder.path()).unwrap();
        let svg = std::fs::read_to_string(folder.path().join("learning-rate.svg")).unwrap();
        assert!(svg.contains("steepest descent") && svg.contains("1e-3"), "{svg}");
        let csv = std::fs::read_to_string(folder.path().join("learning-rate.csv")).unwrap();
        assert_eq!(csv.lines().count(), 41);
        export_rates(&RateTrace::default(), folder.path()).unwrap(); // nothing is drawn, nothing fails
    }
}

//! The curves of a run as a figure for a paper or a slide: SVG, and PNG at twice the size.

use std::io;
use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::prelude::{
    BitMapBackend, ChartBuilder, Circle, Color as _, DrawingArea, DrawingBackend,
    IntoDrawingArea as _, LineSeries, PathElement, RGBColor, SVGBackend, WHITE,
};
use plotters::style::IntoTextStyle as _;

use super::{font, sheet};
use crate::files;
use crate::train::config::Objective;
use crate::train::config::metric::Metric;
use crate::train::config::objective::Lines;
use crate::train::record::history::History;
use crate::train::record::table;

/// Of the SVG, in pixels of 1/96 inch; a plot in each cell.
const CELL: (u32, u32) = (480, 280);
const COLUMNS: usize = 2;

/// Pixels of the PNG for one of the SVG.
const PNG_SCALE: u32 = 2;

/// Okabe and Ito's colours, which most people can tell apart.
const BLUE: RGBColor = RGBColor(0, 114, 178);
const ORANGE: RGBColor = RGBColor(213, 94, 0);
const GREEN: RGBColor = RGBColor(0, 158, 115);
const INK: RGBColor = RGBColor(60, 60, 60);
const GRID: RGBColor = RGBColor(225, 225, 225);

/// A curve: its name, its colour, its points.
type Curve = (&'static str, RGBColor, Vec<(f64, f64)>);

/// One plot of the figure.
struct Cell {
    title: &'static str,
    curves: Vec<Curve>,
}

/// Writes `metrics.csv`, `curves.svg` and `curves.png` into `folder` and returns it.
pub fn export(
    history: &History,
    objective: Objective,
    title: &str,
    folder: &Path,
) -> io::Result<PathBuf> {
    files::folders::make(folder)?;
    files::write_atomic(&folder.join("metrics.csv"), table::csv(history).as_bytes())?;
    let cells = cells(history, objective);
    files::write_atomic(&folder.join("curves.svg"), svg(&cells, title)?.as_bytes())?;
    files::write_atomic(&folder.join("curves.png"), &png(&cells, title)?)?;
    Ok(folder.to_owned())
}

fn cells(history: &History, objective: Objective) -> Vec<Cell> {
    let trained = |metric: Metric| -> Vec<(f64, f64)> {
        let points = history.steps.iter();
        let points = points.filter_map(|step| Some((step.step as f64, step.values.drawn(metric)?)));
        points.filter(|point| point.1.is_finite()).collect()
    };
    let held_out = |metric: Metric| -> Vec<(f64, f64)> {
        let points = history.evaluations.iter();
        points.filter_map(|found| Some((found.step as f64, found.values.drawn(metric)?))).collect()
    };
    let mut cells = Vec::new();
    for plot in objective.facts().plots {
        let Some(title) = plot.in_figure else { continue };
        let mut curves = match plot.lines {
            Lines::TrainedAndHeldOut(metric) => {
                vec![("training", BLUE, trained(metric)), ("held out", ORANGE, held_out(metric))]
            }
            Lines::ChosenAndRejected(chosen, rejected) => {
                vec![("chosen", GREEN, trained(chosen)), ("rejected", ORANGE, trained(rejected))]
            }
            Lines::Alone(metric) => vec![("", BLUE, trained(metric))],
            Lines::Evaluated(metric) => vec![("", BLUE, held_out(metric))],
        };
        curves.retain(|(_, _, points)| !points.is_empty());
        if !curves.is_empty() {
            cells.push(Cell { title, curves });
        }
    }
    cells
}

fn size(cells: &[Cell]) -> (u32, u32) {
    let rows = cells.len().div_ceil(COLUMNS).max(1) as u32;
    (CELL.0 * COLUMNS as u32, CELL.1 * rows + 40)
}

fn svg(cells: &[Cell], title: &str) -> io::Result<String> {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, size(cells)).into_drawing_area();
    draw(&area, cells, title, 1)?;
    drop(area);
    Ok(text)
}

fn png(cells: &[Cell], title: &str) -> io::Result<Vec<u8>> {
    let (width, height) = size(cells);
    let (width, height) = (width * PNG_SCALE, height * PNG_SCALE);
    let mut pixels = vec![0; (width * height * 3) as usize];
    let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
    draw(&area, cells, title, PNG_SCALE)?;
    drop(area);
    sheet::png_file(&pixels, width, height)
}

fn draw<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    cells: &[Cell],
    title: &str,
    scale: u32,
) -> io::Result<()> {
    font::use_bundled()?;
    let drawn = area.fill(&WHITE).and_then(|()| {
        let font = ("sans-serif", 20 * scale);
        let area = area.margin(8 * scale, 0, 0, 0);
        let area = if title.is_empty() { area } else { area.titled(title, font)? };
        let rows = cells.len().div_ceil(COLUMNS).max(1);
        for (place, cell) in area.split_evenly((rows, COLUMNS)).iter().zip(cells) {
            draw_cell(place, cell, scale)?;
        }
        area.present()
    });
    drawn.map_err(|err| io::Error::other(err.to_string()))
}

fn draw_cell<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    cell: &Cell,
    scale: u32,
) -> Result<(), plotters::drawing::DrawingAreaErrorKind<B::ErrorType>> {
    let points = || cell.curves.iter().flat_map(|(_, _, points)| points);
    let last = points().map(|point| point.0).fold(1.0, f64::max);
    let low = points().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let high = points().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    let room = if high > low { (high - low) * 0.06 } else { high.abs().max(1.0) * 0.1 };
    let (head, area) = area.split_vertically(30 * scale);
    draw_head(&head, cell, scale)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(10 * scale)
        .margin_top(0)
        .margin_right(18 * scale)
        .x_label_area_size(28 * scale)
        .y_label_area_size(52 * scale)
        .build_cartesian_2d(0.0..last, (low - room)..(high + room))?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(WHITE)
        .axis_style(INK)
        .label_style(("sans-serif", 12 * scale))
        .x_desc("step")
        .x_label_formatter(&|step| format!("{step:.0}"))
        .y_label_formatter(&|value| tick(*value))
        .x_labels(6)
        .y_labels(6)
        .draw()?;
    for (_, color, points) in &cell.curves {
        chart
            .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(scale + 1)))?;
        // A line of one point, as a run with one evaluation has it, is not seen.
        if points.len() <= FEW_POINTS {
            let dot = |point: &(f64, f64)| Circle::new(*point, 3 * scale, color.filled());
            chart.draw_series(points.iter().map(dot))?;
        }
    }
    Ok(())
}

/// Curves of so many points have them marked.
const FEW_POINTS: usize = 30;

/// The title and, where there are several curves, their names: above the plot, where they cover
/// nothing.
fn draw_head<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    cell: &Cell,
    scale: u32,
) -> Result<(), plotters::drawing::DrawingAreaErrorKind<B::ErrorType>> {
    let unit = scale.cast_signed();
    let title = ("sans-serif", 16 * scale).into_text_style(area).color(&INK);
    area.draw_text(cell.title, &title, (12 * unit, 10 * unit))?;
    if cell.curves.len() < 2 {
        return Ok(());
    }
    let small = ("sans-serif", 12 * scale).into_text_style(area).color(&INK);
    let mut x = area.dim_in_pixel().0.cast_signed() - 18 * unit;
    for (name, color, _) in cell.curves.iter().rev() {
        x -= area.estimate_text_size(name, &small)?.0.cast_signed();
        area.draw_text(name, &small, (x, 12 * unit))?;
        x -= 6 * unit;
        let line = vec![(x - 16 * unit, 18 * unit), (x, 18 * unit)];
        area.draw(&PathElement::new(line, color.stroke_width(scale + 1)))?;
        x -= 28 * unit;
    }
    Ok(())
}

/// Three decimals at most, and no minus before a zero.
fn tick(value: f64) -> String {
    let rounded = format!("{value:.3}");
    let short = rounded.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::record::metrics::{EvalMetrics, StepMetrics};

    fn history(steps: usize) -> History {
        let step = |step: usize| {
            let values = [
                (Metric::Loss, 0.69 / step as f64),
                (Metric::GradNorm, f64::NAN),
                (Metric::RewardsMargins, step as f64),
            ];
            StepMetrics { step, values: values.into(), ..StepMetrics::default() }
        };
        let values = [(Metric::Loss, 0.5)].into();
        let evaluation = EvalMetrics { step: steps, values, ..EvalMetrics::default() };
        History { steps: (1..=steps).map(step).collect(), evaluations: vec![evaluation] }
    }

    #[test]
    fn a_run_becomes_a_table_and_two_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("export");
        export(&history(20), Objective::Dpo, "first-run", &folder).unwrap();
        let svg = std::fs::read_to_string(folder.join("curves.svg")).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for words in ["first-run", "Reward margin", "held out"] {
            assert!(svg.contains(words), "{words}");
        }
        assert!(!svg.contains("Gradient norm"), "a curve without numbers has no plot");
        let file = std::fs::File::open(folder.join("curves.png")).unwrap();
        let mut reader = png::Decoder::new(io::BufReader::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert!(pixels.contains(&255) && pixels.iter().any(|value| *value < 100));
        let table = std::fs::read_to_string(folder.join("metrics.csv")).unwrap();
        assert_eq!(table.lines().count(), 21);
    }

    #[test]
    fn one_evaluation_is_drawn_and_no_legend_covers_it() {
        let folder = tempfile::tempdir().unwrap();
        export(&history(60), Objective::Dpo, "first-run", folder.path()).unwrap();
        let svg = std::fs::read_to_string(folder.path().join("curves.svg")).unwrap();
        let dots = svg.lines().filter(|line| line.trim_start().starts_with("<circle")).count();
        assert_eq!(dots, 1, "60 steps are a line, the held-out loss is a dot");
        assert!(!svg.contains("opacity=\"0.8\""), "no box lies over the curves");
    }

    /// WINDOW B8: the window's own plot begins where not all pairs tie, too.
    #[test]
    fn accuracy_has_no_point_where_all_pairs_tie() {
        let values = |margin, accuracy| {
            [(Metric::RewardsMargins, margin), (Metric::RewardsAccuracies, accuracy)].into()
        };
        let step = |step, margin, accuracy| StepMetrics {
            step,
            values: values(margin, accuracy),
            ..StepMetrics::default()
        };
        let steps = vec![step(1, 0.0, 0.0), step(2, 0.1, 0.5), step(3, -0.1, 0.0)];
        let evaluation = |step, margin, accuracy| EvalMetrics {
            step,
            values: values(margin, accuracy),
            ..EvalMetrics::default()
        };
        let evaluations = vec![evaluation(0, 0.0, 0.0), evaluation(3, 0.2, 1.0)];
        let cells = cells(&History { steps, evaluations }, Objective::Dpo);
        let cell = cells.iter().find(|cell| cell.title == "Reward accuracy").unwrap();
        let points: Vec<_> = cell.curves.iter().map(|(_, _, points)| points.clone()).collect();
        assert_eq!(points, [vec![(2.0, 0.5), (3.0, 0.0)], vec![(3.0, 1.0)]]);
    }

    #[test]
    fn a_run_without_steps_is_an_empty_figure() {
        let folder = tempfile::tempdir().unwrap();
        export(&History::default(), Objective::Sft, "", folder.path()).unwrap();
        assert!(folder.path().join("curves.png").is_file());
    }
}

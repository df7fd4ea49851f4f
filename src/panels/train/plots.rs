//! The plots of a run: every metric over the same steps.

use eframe::egui::{Align, Id, Layout, Ui, Vec2};

use crate::state::series::{Point, Series};
use crate::state::train::Span;
use crate::state::train::curves::Curves;
use crate::state::train::reading::is_coin_toss;
use crate::train::config::metric::{Metric, Written};
use crate::train::config::objective::{self, Lines, Objective};
use crate::widgets::loss_plot::{Course, Curve, LossPlot, Mark};
use crate::widgets::plot_numbers::Numbers;
use crate::widgets::theme::{self, Palette};

/// Which curves are drawn, and how far their steps go.
#[derive(Clone, Copy)]
pub(super) struct Shown<'a> {
    pub curves: &'a Curves,
    pub objective: Objective,

    /// The loss before the first step, where it follows from the settings.
    pub start: Option<f64>,
    pub span: Span,

    /// Where the axis ends even if the run is not there yet.
    pub steps_planned: usize,
}

/// Draws all plots in as many columns as there is room for.
pub(super) fn plots_ui(ui: &mut Ui, shown: Shown<'_>) {
    let p = theme::palette(ui);
    grid_ui(ui, plots(ui, shown, &p));
}

/// Plots over the same steps: the first one wide, the others in as many columns as fit.
pub(super) fn grid_ui(ui: &mut Ui, plots: Vec<LossPlot<'_>>) {
    let em = theme::em(ui);
    let gap = theme::GAP;
    let width = ui.available_width();
    let columns = ((width / (em * 21.0)).floor() as usize).clamp(1, 3);
    let column_width = (width - gap * (columns - 1) as f32) / columns as f32;
    ui.spacing_mut().item_spacing = Vec2::splat(gap);
    let mut plots = plots.into_iter();
    if let Some(loss) = plots.next() {
        LossPlot { height: em * 12.0, ..loss }.show(ui);
    }
    let rest: Vec<_> = plots.collect();
    let mut rest = rest.into_iter().peekable();
    while rest.peek().is_some() {
        ui.horizontal_top(|ui| {
            for plot in rest.by_ref().take(columns) {
                let size = Vec2::new(column_width, 0.0);
                ui.allocate_ui_with_layout(size, Layout::top_down(Align::Min), |ui| {
                    ui.set_width(column_width);
                    plot.show(ui);
                });
            }
        });
    }
}

fn plots<'a>(ui: &Ui, shown: Shown<'a>, p: &Palette) -> Vec<LossPlot<'a>> {
    let Shown { curves, objective, start, span, steps_planned } = shown;
    let curve = |name, series: &'a Series, color, mark| {
        let course = Box::new(move || course(series, span));
        Curve { name, color, mark, course, latest: series.last() }
    };
    let steps = match span {
        Span::Whole => {
            let last = curves.loss().last_x().unwrap_or(1.0);
            0.0..=last.max(steps_planned as f64).max(1.0)
        }
        Span::Recent => recent_steps(curves.loss()),
    };
    // Another group for another span: each remembers its own zoom.
    let group = Id::unique(("train plots", span == Span::Recent));
    let height = theme::em(ui) * 8.0;
    let is_measured = |plot: &&objective::Plot| match plot.lines {
        Lines::Evaluated(metric) => !curves.held_out(metric).is_empty(),
        _ => true,
    };
    let all = objective.facts().plots.iter().filter(is_measured).map(|plot| {
        let objective::Plot { title, explanation, of_coin_toss, lines, across, in_view, .. } =
            *plot;
        let landmarks = curves.landmarks;
        let curves = match lines {
            Lines::TrainedAndHeldOut(metric) => {
                let trained = curves.trained(metric);
                let mut both = vec![curve("training", trained, p.accent, Mark::Plain)];
                let held_out = curves.held_out(metric);
                if !held_out.is_empty() {
                    both.push(curve("held out", held_out, p.rejected, Mark::Squares));
                }
                both
            }
            Lines::ChosenAndRejected(chosen, rejected) => vec![
                curve("chosen", curves.trained(chosen), p.chosen, Mark::Circles),
                curve("rejected", curves.trained(rejected), p.rejected, Mark::Diamonds),
            ],
            Lines::Alone(metric) => vec![curve("", curves.trained(metric), p.info, Mark::Plain)],
            Lines::Evaluated(metric) => {
                vec![curve("", curves.held_out(metric), p.info, Mark::Squares)]
            }
        };
        let is_loss = lines.first() == Metric::Loss;
        let explanation = of_coin_toss.filter(|_| is_coin_toss(start)).unwrap_or(explanation);
        let started = if is_loss { loss_reference(start) } else { None };
        let landmarks = landmarks.filter(|_| is_loss).into_iter().flat_map(|known| known.lines());
        let view = in_view.map(|(low, high)| low..=high);
        LossPlot {
            title,
            explanation,
            curves,
            references: across.or(started).into_iter().chain(landmarks).collect(),
            numbers: numbers(lines.first()),
            in_view: if is_loss { view.or_else(|| loss_view(start)) } else { view },
            steps: steps.clone(),
            group,
            height,
        }
    });
    all.collect()
}

fn course(series: &Series, span: Span) -> Course {
    let ranges: Vec<_> = match span {
        Span::Whole => series.ranges().collect(),
        Span::Recent => Vec::new(),
    };
    let points = match span {
        Span::Whole if ranges.is_empty() => pairs(series.whole()),
        Span::Whole => pairs(series.means()),
        Span::Recent => pairs(series.recent()),
    };
    Course { points, ranges }
}

/// How values of a metric are written.
pub(super) fn numbers(metric: Metric) -> Numbers {
    match metric.facts().written {
        Written::Plain => Numbers::Plain,
        Written::Percent => Numbers::Percent,
        Written::Scientific => Numbers::Scientific,
    }
}

/// The line that a loss is held against: where it began.
pub(super) fn loss_reference(start: Option<f64>) -> Option<(f64, &'static str)> {
    let words = if is_coin_toss(start) { "coin toss" } else { "as at the start" };
    start.map(|start| (start, words))
}

/// Values of a loss that are always in view: from 0 to where it began, unless that is so high
/// that the curve would be a line.
fn loss_view(start: Option<f64>) -> Option<std::ops::RangeInclusive<f64>> {
    match start {
        Some(start) if is_coin_toss(Some(start)) => Some(0.0..=start),
        Some(start) => Some(start..=start),
        None => None,
    }
}

fn recent_steps(series: &Series) -> std::ops::RangeInclusive<f64> {
    let first = series.recent().next().map_or(0.0, |point| point.x);
    let last = series.recent().next_back().map_or(1.0, |point| point.x);
    first..=last.max(first + 1.0)
}

fn pairs(points: impl Iterator<Item = Point>) -> Vec<[f64; 2]> {
    points.map(|point| [point.x, point.y]).collect()
}

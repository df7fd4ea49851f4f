//! The plots of a run: every metric over the same steps.

use eframe::egui::{Align, Id, Layout, Ui, Vec2};

use crate::state::series::{Point, Series};
use crate::state::train::Span;
use crate::state::train::curves::Curves;
use crate::state::train::reading::is_coin_toss;
use crate::train::config::Objective;
use crate::widgets::loss_plot::{Curve, LossPlot, Mark};
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
    let curve = |name, series: &Series, color, mark| {
        let ranges: Vec<_> = match span {
            Span::Whole => series.ranges().collect(),
            Span::Recent => Vec::new(),
        };
        let points = match span {
            Span::Whole if ranges.is_empty() => pairs(series.whole()),
            Span::Whole => pairs(series.means()),
            Span::Recent => pairs(series.recent()),
        };
        Curve { name, color, mark, points, ranges, latest: series.last() }
    };
    let steps = match span {
        Span::Whole => {
            let last = curves.loss.last_x().unwrap_or(1.0);
            0.0..=last.max(steps_planned as f64).max(1.0)
        }
        Span::Recent => recent_steps(&curves.loss),
    };
    // Another group for another span: each remembers its own zoom.
    let group = Id::unique(("train plots", span == Span::Recent));
    let height = theme::em(ui) * 8.0;
    let plot = |title, explanation, curves| LossPlot {
        title,
        explanation,
        curves,
        reference: None,
        numbers: Numbers::Plain,
        in_view: None,
        steps: steps.clone(),
        group,
        height,
    };

    let mut loss = vec![curve("training", &curves.loss, p.accent, Mark::Plain)];
    if !curves.held_out_loss.is_empty() {
        loss.push(curve("held out", &curves.held_out_loss, p.rejected, Mark::Squares));
    }
    let mut all = Vec::new();
    match objective {
        Objective::Dpo => {
            let loss = plot(
                "Loss",
                if is_coin_toss(start) {
                    "What the run makes smaller. 0.693 is a coin toss between chosen and \
                     rejected; held-out pairs are not trained on"
                } else {
                    "What the run makes smaller; held-out pairs are not trained on"
                },
                loss,
            );
            all.push(LossPlot {
                reference: loss_reference(start),
                in_view: loss_view(start),
                ..loss
            });
            let mut margin = vec![curve("training", &curves.margin, p.accent, Mark::Plain)];
            if !curves.held_out_margin.is_empty() {
                let held_out = &curves.held_out_margin;
                margin.push(curve("held out", held_out, p.rejected, Mark::Squares));
            }
            let margin = plot(
                "Reward margin",
                "The reward of the chosen answer less that of the rejected one: how far they have \
                 been moved apart",
                margin,
            );
            all.push(LossPlot { reference: Some((0.0, "zero")), ..margin });
            let rewards = plot(
                "Rewards",
                "beta times how much likelier the answer has become than under the model that the \
                 run began with, in nats",
                vec![
                    curve("chosen", &curves.rewards_chosen, p.chosen, Mark::Circles),
                    curve("rejected", &curves.rewards_rejected, p.rejected, Mark::Diamonds),
                ],
            );
            all.push(LossPlot { reference: Some((0.0, "as at the start")), ..rewards });
            let mut accuracy = vec![curve("training", &curves.accuracy, p.accent, Mark::Plain)];
            if !curves.held_out_accuracy.is_empty() {
                let held_out = &curves.held_out_accuracy;
                accuracy.push(curve("held out", held_out, p.rejected, Mark::Squares));
            }
            let accuracy = plot(
                "Accuracy",
                "Share of the pairs whose chosen answer has the higher reward",
                accuracy,
            );
            all.push(LossPlot {
                numbers: Numbers::Percent,
                in_view: Some(0.0..=1.0),
                reference: Some((0.5, "coin toss")),
                ..accuracy
            });
            all.push(plot(
                "Log-probabilities",
                "How likely the model finds the whole answers, in nats: sums over their tokens, so \
                 long answers are lower",
                vec![
                    curve("chosen", &curves.logps_chosen, p.chosen, Mark::Circles),
                    curve("rejected", &curves.logps_rejected, p.rejected, Mark::Diamonds),
                ],
            ));
        }
        Objective::Sft => {
            all.push(plot(
                "Loss",
                "What the run makes smaller: the mean surprise at each token of the chosen \
                 answers, in nats; held-out answers are not trained on",
                loss,
            ));
            let accuracy = plot(
                "Token accuracy",
                "Share of the answers' tokens that the model would have picked itself",
                vec![curve("training", &curves.token_accuracy, p.accent, Mark::Plain)],
            );
            all.push(LossPlot { numbers: Numbers::Percent, in_view: Some(0.0..=1.0), ..accuracy });
        }
    }
    let rate = plot(
        "Learning rate",
        "How far each step goes, as the schedule says",
        vec![curve("", &curves.learning_rate, p.info, Mark::Plain)],
    );
    all.push(LossPlot { numbers: Numbers::Scientific, in_view: Some(0.0..=0.0), ..rate });
    let norm = plot(
        "Gradient norm",
        "Joint length of all gradients before they are clipped. Spikes are odd pairs; a steady \
         climb is a learning rate that is too high",
        vec![curve("", &curves.grad_norm, p.info, Mark::Plain)],
    );
    all.push(LossPlot { in_view: Some(0.0..=0.0), ..norm });
    let speed = plot(
        "Tokens per second",
        "Tokens of prompts and answers that were trained on, over the time of the step",
        vec![curve("", &curves.tokens_per_sec, p.info, Mark::Plain)],
    );
    all.push(LossPlot { in_view: Some(0.0..=0.0), ..speed });
    all
}

/// The line that a DPO loss is held against: where it began.
pub(super) fn loss_reference(start: Option<f64>) -> Option<(f64, &'static str)> {
    let words = if is_coin_toss(start) { "0.693: coin toss" } else { "as at the start" };
    start.map(|start| (start, words))
}

/// Values of a DPO loss that are always in view: from 0 to where it began, unless that is so high
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

//! Runs laid over each other: what was set differently, and what came of it.

use eframe::egui::{Color32, Grid, Id, Label, RichText, ScrollArea, Ui, Vec2};

use super::plots::{grid_ui, loss_reference};
use crate::state::series::Series;
use crate::state::train::TrainState;
use crate::state::train::compare::{Compared, differences};
use crate::state::train::curves::Curves;
use crate::state::train::reading::loss_at_start;
use crate::state::train::runs::RunView;
use crate::train::config::Objective;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{card_ui, title_row_ui};
use crate::widgets::loss_plot::{Curve, LossPlot, Mark};
use crate::widgets::plot_numbers::Numbers;
use crate::widgets::theme::{self, Palette, icons};

/// Which series a plot shows of every run.
type Pick = fn(&Curves) -> &Series;

/// The plots: title, explanation, series, how numbers are written.
const PLOTS: [(&str, &str, Pick, Numbers); 9] = [
    ("Loss", "Of the steps' own pairs", |curves| &curves.loss, Numbers::Plain),
    (
        "Held-out loss",
        "Of pairs that were not trained on",
        |curves| &curves.held_out_loss,
        Numbers::Plain,
    ),
    (
        "Reward margin",
        "The reward of the chosen answer less that of the rejected one",
        |curves| &curves.margin,
        Numbers::Plain,
    ),
    (
        "Held-out margin",
        "The same for pairs that were not trained on",
        |curves| &curves.held_out_margin,
        Numbers::Plain,
    ),
    (
        "Accuracy",
        "Share of the pairs whose chosen answer has the higher reward",
        |curves| &curves.accuracy,
        Numbers::Percent,
    ),
    (
        "Held-out accuracy",
        "The same for pairs that were not trained on",
        |curves| &curves.held_out_accuracy,
        Numbers::Percent,
    ),
    (
        "Log-probability of chosen",
        "In nats, summed over the answer",
        |curves| &curves.logps_chosen,
        Numbers::Plain,
    ),
    (
        "Log-probability of rejected",
        "In nats, summed over the answer",
        |curves| &curves.logps_rejected,
        Numbers::Plain,
    ),
    (
        "Gradient norm",
        "Joint length of all gradients before they are clipped",
        |curves| &curves.grad_norm,
        Numbers::Plain,
    ),
];

pub(super) fn compare_ui(ui: &mut Ui, train: &mut TrainState) {
    let mut done = false;
    ScrollArea::vertical().id_salt("train_compare").auto_shrink(false).show(ui, |ui| {
        let p = theme::palette(ui);
        let runs: Vec<(&RunView, &Compared)> = train
            .compared
            .iter()
            .filter_map(|compared| {
                Some((train.runs.iter().find(|run| run.id == compared.id)?, compared))
            })
            .collect();
        card_ui(ui, |ui| {
            let title = format!("{} runs compared", runs.len());
            done = title_row_ui(ui, &title, |ui| {
                ui.add(ActionButton::new("Done").icon(icons::CLOSE)).clicked()
            });
            ui.add_space(theme::GAP_SMALL);
            settings_ui(ui, &runs, &p);
        });
        ui.add_space(theme::GAP);
        if runs.iter().any(|(_, compared)| compared.curves.is_none()) {
            ui.label(theme::muted(ui, "Reading the curves…"));
            return;
        }
        let last = runs.iter().map(|(run, _)| run.steps_done).max().unwrap_or(1).max(1);
        let group = Id::unique("compare plots");
        let mut plots = Vec::new();
        for (title, explanation, pick, numbers) in PLOTS {
            // The losses of DPO and SFT measure different things: each has an axis of its own.
            for (title, only) in axes(title, &runs) {
                let of_axis = |run: &RunView| only.is_none_or(|only| run.objective == only);
                let curves: Vec<_> = runs
                    .iter()
                    .enumerate()
                    .filter(|(_, (run, _))| of_axis(run))
                    .filter_map(|(index, (run, compared))| {
                        let series = pick(compared.curves.as_ref()?);
                        (!series.is_empty()).then(|| curve(run.name(), series, index, &p))
                    })
                    .collect();
                if curves.is_empty() {
                    continue;
                }
                plots.push(LossPlot {
                    title,
                    explanation,
                    curves,
                    reference: reference(title, &runs, only),
                    numbers,
                    in_view: (numbers == Numbers::Percent).then_some(0.0..=1.0),
                    steps: 0.0..=last as f64,
                    group,
                    height: theme::em(ui) * 8.0,
                });
            }
        }
        grid_ui(ui, plots);
    });
    if done {
        train.compared.clear();
    }
}

/// One axis, or where runs of both objectives are compared one for each.
fn axes(
    title: &'static str,
    runs: &[(&RunView, &Compared)],
) -> Vec<(&'static str, Option<Objective>)> {
    let has = |objective| runs.iter().any(|(run, _)| run.objective == objective);
    let is_mixed = has(Objective::Dpo) && has(Objective::Sft);
    match title {
        "Loss" if is_mixed => {
            vec![("Loss (DPO)", Some(Objective::Dpo)), ("Loss (SFT)", Some(Objective::Sft))]
        }
        "Held-out loss" if is_mixed => vec![
            ("Held-out loss (DPO)", Some(Objective::Dpo)),
            ("Held-out loss (SFT)", Some(Objective::Sft)),
        ],
        _ => vec![(title, None)],
    }
}

/// The line that losses are held against, where all runs of a plot began at the same.
fn reference(
    title: &str,
    runs: &[(&RunView, &Compared)],
    only: Option<Objective>,
) -> Option<(f64, &'static str)> {
    if !title.contains("oss") {
        return None;
    }
    let runs = runs.iter().filter(|(run, _)| only.is_none_or(|only| run.objective == only));
    let mut starts = runs.map(|(run, _)| loss_at_start(&run.config));
    let first = starts.next()?;
    let all_same = starts.all(|start| start == first);
    loss_reference(first.filter(|_| all_same))
}

/// Runs are told apart by colour and by mark.
fn look(index: usize, p: &Palette) -> (Color32, Mark) {
    match index {
        0 => (p.accent, Mark::Plain),
        1 => (p.rejected, Mark::Diamonds),
        2 => (p.chosen, Mark::Circles),
        _ => (p.info, Mark::Squares),
    }
}

fn curve<'a>(name: &'a str, series: &Series, index: usize, p: &Palette) -> Curve<'a> {
    let (color, mark) = look(index, p);
    let points = series.means().map(|point| [point.x, point.y]).collect();
    Curve { name, color, mark, points, ranges: Vec::new(), latest: series.last() }
}

/// A row for each setting in which they differ, a column for each run.
fn settings_ui(ui: &mut Ui, runs: &[(&RunView, &Compared)], p: &Palette) {
    let views: Vec<&RunView> = runs.iter().map(|(run, _)| *run).collect();
    let found = differences(&views);
    let column = (ui.available_width() / (views.len() + 1) as f32 - theme::GAP_LARGE).max(40.0);
    Grid::new("compare_settings")
        .num_columns(views.len() + 1)
        .spacing(Vec2::new(theme::GAP_LARGE, 4.0))
        .min_col_width(column)
        .max_col_width(column)
        .show(ui, |ui| {
            ui.label(theme::muted(ui, "Set differently"));
            for (index, run) in views.iter().enumerate() {
                let name = theme::strong(ui, run.name()).color(look(index, p).0);
                ui.add(Label::new(name).truncate());
            }
            ui.end_row();
            for difference in &found {
                ui.add(Label::new(theme::muted(ui, &difference.key)).truncate());
                for value in &difference.values {
                    ui.add(Label::new(RichText::new(value)).truncate());
                }
                ui.end_row();
            }
            ui.label(theme::muted(ui, "Outcome"));
            for run in &views {
                ui.add(Label::new(run.numbers()).wrap());
            }
            ui.end_row();
        });
    if found.is_empty() {
        let text = "Nothing: the same settings and the same data";
        ui.add(Label::new(theme::muted(ui, text)).wrap());
    }
}

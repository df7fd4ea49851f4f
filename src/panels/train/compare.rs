//! Runs laid over each other: what was set differently, and what came of it.

use eframe::egui::{Color32, Grid, Id, Label, RichText, ScrollArea, Ui, Vec2};

use super::plots::{grid_ui, loss_reference, numbers};
use crate::state::series::Series;
use crate::state::train::TrainState;
use crate::state::train::compare::{Compared, differences};
use crate::state::train::runs::RunView;
use crate::train::config::Objective;
use crate::train::config::metric::{Compared as Axes, Metric, MetricFacts};
use crate::train::objective::choose::loss_at_start;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{card_ui, title_row_ui};
use crate::widgets::loss_plot::{Course, Curve, LossPlot, Mark};
use crate::widgets::plot_numbers::Numbers;
use crate::widgets::theme::{self, Palette, icons};

/// Whose metric a plot shows of every run.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    Steps,
    HeldOut,
}

/// The plots: which metric, of what, and of the runs of which objective (`None`: of all).
fn plots(runs: &[(&RunView, &Compared)]) -> Vec<(Metric, Of, Option<Objective>)> {
    let has = |objective: &Objective| runs.iter().any(|(run, _)| run.objective == *objective);
    let objectives: Vec<Objective> = Objective::ALL.into_iter().filter(has).collect();
    let mut all = Vec::new();
    for metric in Metric::ALL {
        for of in [Of::Steps, Of::HeldOut] {
            match metric.facts().compared {
                Axes::No => {}
                Axes::ByObjective if objectives.len() > 1 => {
                    all.extend(objectives.iter().map(|one| (*metric, of, Some(*one))));
                }
                Axes::ByObjective | Axes::OnOneAxis => all.push((*metric, of, None)),
            }
        }
    }
    all
}

/// `Held-out loss (SFT)`, and what it is.
fn words(metric: Metric, of: Of, only: Option<Objective>) -> (String, &'static str) {
    let MetricFacts { title, explanation, .. } = *metric.facts();
    let (title, explanation) = match of {
        Of::Steps => (title.to_owned(), explanation),
        Of::HeldOut => {
            let title = format!("Held-out {}", title.to_lowercase());
            (title, "The same of pairs that were not trained on")
        }
    };
    match only {
        Some(objective) => (format!("{title} ({})", objective.facts().name), explanation),
        None => (title, explanation),
    }
}

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
        let titled: Vec<_> = plots(&runs)
            .into_iter()
            .map(|(metric, of, only)| {
                let (title, explanation) = words(metric, of, only);
                (title, explanation, metric, of, only)
            })
            .collect();
        let mut plots = Vec::new();
        for (title, explanation, metric, of, only) in &titled {
            let of_axis = |run: &RunView| only.is_none_or(|only| run.objective == only);
            let curves: Vec<_> = runs
                .iter()
                .enumerate()
                .filter(|(_, (run, _))| of_axis(run))
                .filter_map(|(index, (run, compared))| {
                    let curves = compared.curves.as_ref()?;
                    let series = match of {
                        Of::Steps => curves.trained(*metric),
                        Of::HeldOut => curves.held_out(*metric),
                    };
                    (!series.is_empty()).then(|| curve(run.name(), series, index, &p))
                })
                .collect();
            if curves.is_empty() {
                continue;
            }
            let numbers = numbers(*metric);
            plots.push(LossPlot {
                title,
                explanation,
                curves,
                references: reference(*metric, &runs, *only).into_iter().collect(),
                numbers,
                in_view: (numbers == Numbers::Percent).then_some(0.0..=1.0),
                steps: 0.0..=last as f64,
                group,
                height: theme::em(ui) * 8.0,
            });
        }
        grid_ui(ui, plots);
    });
    if done {
        train.compared.clear();
    }
}

/// The line that losses are held against, where all runs of a plot began at the same.
fn reference(
    metric: Metric,
    runs: &[(&RunView, &Compared)],
    only: Option<Objective>,
) -> Option<(f64, &'static str)> {
    if metric != Metric::Loss {
        return None;
    }
    let runs = runs.iter().filter(|(run, _)| only.is_none_or(|only| run.objective == only));
    let mut starts = runs.map(|(run, _)| loss_at_start(&run.config));
    let first = starts.next()?;
    let all_same = starts.all(|start| start == first);
    loss_reference(first.filter(|_| all_same))
}

/// Runs are told apart by colour and by mark.
fn appearance(index: usize, p: &Palette) -> (Color32, Mark) {
    match index {
        0 => (p.accent, Mark::Plain),
        1 => (p.rejected, Mark::Diamonds),
        2 => (p.chosen, Mark::Circles),
        _ => (p.info, Mark::Squares),
    }
}

fn curve<'a>(name: &'a str, series: &'a Series, index: usize, p: &Palette) -> Curve<'a> {
    let (color, mark) = appearance(index, p);
    let course = Box::new(|| {
        let points = series.means().map(|point| [point.x, point.y]).collect();
        Course { points, ranges: Vec::new() }
    });
    Curve { name, color, mark, course, latest: series.last() }
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
                let name = theme::strong(ui, run.name()).color(appearance(index, p).0);
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

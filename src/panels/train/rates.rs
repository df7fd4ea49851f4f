//! The learning-rate finder: what is searched, the loss over the rate, and the rates that two rules suggest.

use eframe::egui::{DragValue, Label, ScrollArea, Ui};

use super::fields::{number_row_ui, problem_ui, row_ui};
use crate::state::command::{Commands, TrainCommand};
use crate::state::slots::Surroundings;
use crate::state::train::TrainState;
use crate::state::train::rates::{RateSlot, RateState};
use crate::train::run::rates::{RatePoint, RateTrace, Rule};
use crate::widgets::button::ActionButton;
use crate::widgets::card::{card_ui, title_row_ui};
use crate::widgets::plot_numbers::Numbers;
use crate::widgets::range_plot::{Place, PlainLine, RangePlot};
use crate::widgets::slider_row::parse_number;
use crate::widgets::theme::{self, icons};

pub(super) fn rates_ui(
    ui: &mut Ui,
    train: &mut TrainState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let blocked = train.blocked_reason(around.model, around.activities);
    ScrollArea::vertical().id_salt("train_rates").auto_shrink(false).show(ui, |ui| {
        let mut close = false;
        let mut used = None;
        card_ui(ui, |ui| {
            let is_searching = train.rates.is_searching();
            title_row_ui(ui, "Learning-rate finder", |ui| {
                if is_searching {
                    if ui.add(ActionButton::new("Stop").icon(icons::STOP)).clicked() {
                        commands.push(TrainCommand::StopFindingRate);
                    }
                } else {
                    close = ui.add(ActionButton::new("Done").icon(icons::CLOSE)).clicked();
                }
            });
            let words = "The rate grows by the same factor from step to step, on weights that are thrown away. The \
                         settings stay as they are until you use one of the suggested rates.";
            ui.add(Label::new(theme::muted(ui, words)).wrap());
            ui.add_space(theme::GAP_SMALL);
            if is_searching {
                searching_ui(ui, &train.rates);
            } else {
                search_ui(ui, &mut train.rates, blocked.as_deref(), commands);
            }
            if let RateSlot::Found { trace, settings } = &train.rates.slot {
                let is_of_others = **settings != train.form;
                used = found_ui(ui, trace, is_of_others, train.form.learning_rate, commands);
            }
        });
        ui.add_space(theme::GAP);
        if let Some(trace) = train.rates.trace().filter(|trace| trace.points.len() > 1) {
            chart_ui(ui, trace);
        }
        if close {
            train.rates.slot = RateSlot::Closed;
        }
        if let Some(rate) = used {
            train.form.learning_rate = rate;
            if let RateSlot::Found { settings, .. } = &mut train.rates.slot {
                settings.learning_rate = rate; // the search does not depend on it
            }
        }
    });
}

/// What is searched, and the button that begins.
fn search_ui(ui: &mut Ui, rates: &mut RateState, blocked: Option<&str>, commands: &mut Commands) {
    let search = &mut rates.search;
    for (name, hint, value) in [
        ("First rate", "Of the first step", &mut search.min),
        (
            "Last rate",
            "Of the last step. The search ends earlier if the loss explodes",
            &mut search.max,
        ),
    ] {
        row_ui(ui, name, hint, |ui| {
            let field = DragValue::new(value)
                .range(1e-12..=100.0)
                .speed(0.0)
                .custom_formatter(|value, _| format!("{value:e}"))
                .custom_parser(parse_number);
            ui.add(field).accessible_name(name).on_hover_text(hint);
        });
    }
    number_row_ui(
        ui,
        "Steps",
        "More steps take longer and are less noisy",
        &mut search.steps,
        16..=10_000,
    );
    let problem = search.problem();
    if let Some(problem) = &problem {
        problem_ui(ui, problem);
    }
    let reason = problem.as_deref().or(blocked);
    ui.horizontal_wrapped(|ui| {
        let start = ActionButton::primary("Search").icon(icons::PLAY);
        let response = start.add_enabled(ui, reason.is_none());
        let response = match reason {
            Some(reason) => response.on_disabled_hover_text(reason),
            None => response.on_hover_text("Take the settings and the data on the left"),
        };
        if response.clicked() {
            commands.push(TrainCommand::FindRate);
        }
    });
    if let Some(reason) = reason.filter(|_| problem.is_none()) {
        ui.add(Label::new(theme::muted(ui, reason)).wrap());
    }
}

fn searching_ui(ui: &mut Ui, rates: &RateState) {
    let words = match &rates.slot {
        RateSlot::Preparing(what) => format!("{what}…"),
        RateSlot::Searching(trace) => {
            let last = trace.points.last();
            let at = last.map_or_else(String::new, |point| {
                format!(" · rate {} · loss {:.3}", rate_words(point.learning_rate), point.loss)
            });
            format!("Step {} of {}{at}", trace.points.len(), rates.search.steps)
        }
        RateSlot::Closed | RateSlot::Form | RateSlot::Found { .. } => String::new(),
    };
    ui.add(Label::new(words).wrap());
}

/// What was found. A rate that is to go into the form.
fn found_ui(
    ui: &mut Ui,
    trace: &RateTrace,
    is_of_others: bool,
    current: f64,
    commands: &mut Commands,
) -> Option<f64> {
    ui.add_space(theme::GAP);
    ui.add(Label::new(trace.sentence()).wrap());
    if is_of_others {
        let words = "The settings have changed since: search again before you use a rate";
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
    let mut used = None;
    for (rule, learning_rate) in trace.suggestions() {
        let (rule, hint) = match rule {
            Rule::Steepest => (
                "Steepest descent",
                "Where the smoothed loss falls the fastest over the logarithm of the rate, as in PyTorch Lightning",
            ),
            Rule::TenthOfMinimum => {
                ("Minimum / 10", "A tenth of the rate at the lowest smoothed loss, as in fastai")
            }
        };
        ui.horizontal_wrapped(|ui| {
            let words = format!("{rule}: {}", rate_words(learning_rate));
            ui.add(Label::new(words)).on_hover_text(hint);
            let rounded = rounded(learning_rate);
            if rounded == current {
                ui.add(Label::new(theme::muted(ui, "in the settings")));
                return;
            }
            let button = ActionButton::new("Use it").icon(icons::DONE);
            let button =
                ui.add(button).accessible_name(format!("Use {}", rate_words(learning_rate)));
            if button.on_hover_text("Put it into the settings on the left").clicked() {
                used = Some(rounded);
            }
        });
    }
    ui.horizontal_wrapped(|ui| {
        let export = ActionButton::quiet("Export").icon(icons::EXPORT);
        if ui.add(export).on_hover_text("Numbers (CSV) and plot (SVG, PNG)").clicked() {
            commands.push(TrainCommand::ExportRates);
        }
    });
    used
}

/// Two digits say all that such a search knows.
fn rounded(rate: f64) -> f64 {
    format!("{rate:.1e}").parse().unwrap_or(rate)
}

fn rate_words(rate: f64) -> String {
    format!("{rate:.1e}")
}

fn chart_ui(ui: &mut Ui, trace: &RateTrace) {
    let p = theme::palette(ui);
    let points = |value: fn(&RatePoint) -> f64| -> Vec<[f64; 2]> {
        trace.drawn(value).into_iter().map(|(x, y)| [x, y]).collect()
    };
    let places = trace.suggestions().into_iter().map(|(rule, rate)| {
        let words = format!("{} {}", rule.name(), rate_words(rate));
        let color = match rule {
            Rule::Steepest => p.chosen,
            Rule::TenthOfMinimum => p.info,
        };
        Place { x: rate.log10(), words, color }
    });
    let places: Vec<Place> = places.collect();
    let mut spoken = format!("Loss over learning rate, {} steps", trace.points.len());
    for place in &places {
        spoken.push_str(&format!(", {}", place.words));
    }
    let (low, high) = (trace.points.first(), trace.points.last());
    let exponent =
        |point: Option<&RatePoint>| point.map_or(0.0, |point| point.learning_rate.log10());
    let marks = (exponent(low).floor() as i32..=exponent(high).ceil() as i32).map(f64::from);
    RangePlot {
        title: "Loss over learning rate",
        explanation: "The loss of each step, and smoothed. Losses that are far above the first one are left out",
        x_name: "learning_rate (logarithmic)",
        measurements: Vec::new(),
        lines: vec![
            PlainLine {
                name: "each step",
                color: p.muted.gamma_multiply(0.6),
                points: points(|point| point.loss),
                width: 1.0,
            },
            PlainLine { name: "smoothed", color: p.accent, points: points(|point| point.smoothed), width: 2.0 },
        ],
        places,
        numbers: Numbers::Plain,
        marks: marks.collect(),
        x_words: Box::new(|x| format!("1e{:.0}", x.round())),
        spoken,
        height: theme::em(ui) * 18.0,
    }
    .show(ui);
}

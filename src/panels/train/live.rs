//! The right side: the run under way (or just ended), or the run that was picked from the list.

use eframe::egui::{Label, ProgressBar, RichText, ScrollArea, Ui};

use super::answers;
use super::confusion::confusion_ui;
use super::ended::{failed_ui, summary_ui};
use super::measured::measured_ui;
use super::mix::by_file_ui;
use super::plots::{Shown, plots_ui};
use super::texts::trial_ui;
use crate::state::command::{Command, Commands, TrainCommand};
use crate::state::series::RECENT_POINTS;
use crate::state::train::curves::Curves;
use crate::state::train::live::{LiveRun, Phase};
use crate::state::train::reading::reading;
use crate::state::train::samples::SampleBook;
use crate::state::train::{Span, TrainState};
use crate::train::config::Objective;
use crate::train::objective::choose::loss_at_start;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{Tone, card_ui, chip_ui, decoration_ui, title_row_ui};
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme::{self, icons};

/// The run under way, or the one that has just ended.
pub(super) fn live_ui(ui: &mut Ui, train: &mut TrainState, commands: &mut Commands) {
    let TrainState { live: Some(live), runs, span, asks_stop, texts, .. } = train else { return };
    let mut stop_pressed = false;
    ScrollArea::vertical().id_salt("train_live").auto_shrink(false).show(ui, |ui| {
        match &live.phase {
            Phase::Done(summary) => {
                let run = runs.iter().find(|run| run.id == live.id);
                summary_ui(ui, live, summary, run, commands);
            }
            Phase::Failed(reason) => failed_ui(ui, live, reason),
            Phase::Preparing { .. } | Phase::Stepping | Phase::Stopping => {
                stop_pressed = running_ui(ui, live, asks_stop, commands);
            }
        }
        answers::leash_ui(ui, live, commands);
        warnings_ui(ui, &live.warnings);
        if let Some(round) = &live.round {
            answers::answers_ui(ui, round);
        }
        samples_ui(ui, &mut live.samples);
        if matches!(live.phase, Phase::Done(_)) && gives_labels(live.objective) {
            trial_ui(ui, &live.id, &mut texts.trial, commands);
        }
        confusion_ui(ui, live.confusion.as_ref(), live.tested.as_ref());
        by_file_ui(ui, &live.curves);
        if live.steps_done() > 0 {
            let steps_planned = live.steps_planned;
            let (objective, start) = (live.objective, live.loss_at_start);
            curves_ui(ui, Drawn { curves: &live.curves, objective, start, steps_planned }, span);
        } else if live.is_running() {
            waiting_ui(ui, live.objective);
        }
    });
    if stop_pressed {
        train.stopping();
        commands.push(TrainCommand::Stop);
    }
}

/// Whether a run's result can be asked about a text.
fn gives_labels(objective: Objective) -> bool {
    matches!(objective, Objective::Classify | Objective::Regress)
}

/// Before the first step there is nothing to draw: what the wait is for.
fn waiting_ui(ui: &mut Ui, objective: Objective) {
    ui.add_space(theme::GAP);
    let text = match objective.facts().before_the_first_step {
        Some(more) => format!(
            "The curves begin with the first step. Before it, the model is loaded, and {more}."
        ),
        None => "The curves begin with the first step. Before it, the model is loaded.".to_owned(),
    };
    ui.add(Label::new(theme::muted(ui, text)).wrap());
}

/// A run of the list.
pub(super) fn selected_ui(ui: &mut Ui, train: &mut TrainState, commands: &mut Commands) {
    let TrainState { selected: Some(selected), runs, live, span, texts, .. } = train else {
        return;
    };
    let Some(run) = runs.iter().find(|run| run.id == selected.id) else { return };
    let mut back = false;
    ScrollArea::vertical().id_salt("train_selected").auto_shrink(false).show(ui, |ui| {
        card_ui(ui, |ui| {
            title_row_ui(ui, run.name(), |ui| {
                if let Some(live) = live {
                    let words =
                        if live.is_running() { "Back to the run" } else { "Back to the last run" };
                    back = ui.add(ActionButton::new(words)).clicked();
                }
                let try_it = ActionButton::new("Try it").icon(icons::PLAYGROUND);
                let is_of_texts = run.objective.reads_texts();
                if run.usable && !is_of_texts && ui.add(try_it).clicked() {
                    commands.push(TrainCommand::Try(run.id.clone()));
                }
            });
            let numbers = format!("{} · {} · {}", run.status_name(), run.model, run.numbers());
            ui.add(Label::new(theme::muted(ui, numbers)).wrap());
            if let Some(note) = &run.note {
                ui.add(Label::new(note).wrap());
            }
            if !run.objective.reads_texts() {
                measured_ui(ui, run, commands);
            }
        });
        if let Some(round) = &selected.round {
            answers::answers_ui(ui, round);
        }
        samples_ui(ui, &mut selected.samples);
        if run.steps_done > 0 && gives_labels(run.objective) {
            trial_ui(ui, &run.id, &mut texts.trial, commands);
        }
        let said = texts.said_by(&run.id);
        let parts = said.map(|said| (said.confusion.as_ref(), said.tested.as_ref()));
        let (confusion, tested) = parts.unwrap_or_default();
        confusion_ui(ui, confusion, tested);
        match &selected.curves {
            Some(curves) if curves.loss().is_empty() => {
                ui.add_space(theme::GAP);
                ui.label(theme::muted(ui, "This run ended before its first step"));
            }
            Some(curves) => {
                by_file_ui(ui, curves);
                let (objective, start) = (run.objective, loss_at_start(&run.config));
                let steps_planned = run.steps_planned;
                curves_ui(ui, Drawn { curves, objective, start, steps_planned }, span);
            }
            None => {
                ui.add_space(theme::GAP);
                ui.label(theme::muted(ui, "Reading the curves…"));
            }
        }
    });
    if back {
        train.selected = None;
    }
}

/// Headline, bar and Stop. True: Stop was pressed.
fn running_ui(ui: &mut Ui, live: &LiveRun, asks_stop: &mut bool, commands: &mut Commands) -> bool {
    let p = theme::palette(ui);
    let card = card_ui(ui, |ui| {
        let stopping = live.phase == Phase::Stopping;
        let headline = live.headline();
        let stopped = title_row_ui(ui, &headline, |ui| {
            let stop = ActionButton::new("Stop training").icon(icons::STOP);
            let hint = "Finish this step and stop. What was learned is kept and can be tried";
            let stop = ui.add_enabled(!stopping, stop).on_hover_text(hint);
            let stop = stop.on_disabled_hover_text("The step under way is finished first");
            if !stopping {
                pause_ui(ui, live.paused, commands);
            }
            stop.clicked()
        });
        ui.visuals_mut().extreme_bg_color = p.raised_press;
        let fraction = live.fraction().unwrap_or(0.0);
        let bar = ProgressBar::new(fraction).desired_height(6.0).fill(p.accent);
        ui.add(bar).accessible_name(format!("Training: {:.0} %", fraction * 100.0));
        ui.add(Label::new(theme::muted(ui, details(live))).wrap());
        if live.objective.samples() && live.steps_done() > 0 {
            // Always one line: what changes at every moment must not move the slider below.
            let doing = live.doing.as_deref().unwrap_or("Learning from the answers");
            ui.add(Label::new(theme::muted(ui, doing)).truncate());
        }
        let sure = *asks_stop && !stopping && stop_question_ui(ui, asks_stop);
        stopped || sure
    });
    card.inner
}

/// Esc was pressed: whether it was meant. True: it was.
fn stop_question_ui(ui: &mut Ui, asks_stop: &mut bool) -> bool {
    let question = "Stop after this step? What was learned is kept, and the run can be resumed";
    ui.add(Label::new(theme::strong(ui, question)).wrap());
    let row = ui.horizontal_wrapped(|ui| {
        let sure = ui.add(ActionButton::danger("Stop the run").icon(icons::STOP)).clicked();
        let keep = ui.add(ActionButton::new("Keep training")).clicked();
        if sure || keep {
            *asks_stop = false;
        }
        sure
    });
    row.inner
}

/// Rests with everything in memory, for as long as the processor is needed elsewhere.
fn pause_ui(ui: &mut Ui, paused: bool, commands: &mut Commands) {
    let (words, icon, hint, command) = if paused {
        let hint = "Take the next step at once";
        ("Continue", icons::PLAY, hint, Command::Train(TrainCommand::Continue))
    } else {
        let hint =
            "Finish this step and rest: the processor is free, and everything stays in memory";
        ("Pause", icons::PAUSE, hint, Command::Train(TrainCommand::Pause))
    };
    if ui.add(ActionButton::new(words).icon(icon)).on_hover_text(hint).clicked() {
        commands.push(command);
    }
}

/// What the run trains on, what is safe on the disk, and what is done within a step.
fn details(live: &LiveRun) -> String {
    let mut parts = vec![live.objective.facts().name.to_owned(), live.id.clone()];
    if live.train_rows > 0 {
        let (_, many) = live.units;
        parts.push(format!("{} {many} to train on", live.train_rows));
    }
    if live.held_out_rows > 0 {
        parts.push(format!("{} held out", live.held_out_rows));
    }
    if let Some(step) = live.saved_step {
        parts.push(format!("saved at step {step}"));
    }
    parts.extend(live.doing.clone().filter(|_| !live.objective.samples()));
    parts.join(" · ")
}

/// The fixed prompt's answers, before the run and as they changed.
fn samples_ui(ui: &mut Ui, book: &mut SampleBook) {
    let Some(shown) = book.shown().cloned() else { return };
    ui.add_space(theme::GAP);
    card_ui(ui, |ui| {
        let count = book.len();
        let title = match shown.step {
            0 => "Answer before training".to_owned(),
            step => format!("Answer after step {step}"),
        };
        title_row_ui(ui, &title, |ui| {
            let place = book.place_mut();
            let later = ui.add_enabled(*place + 1 < count, ActionButton::new("Later"));
            if later.clicked() {
                *place += 1;
            }
            let earlier = ui.add_enabled(*place > 0, ActionButton::new("Earlier"));
            if earlier.clicked() {
                *place -= 1;
            }
            if count > 1 {
                ui.label(theme::muted(ui, format!("{} of {count}", *place + 1)));
            }
        });
        ui.add(Label::new(theme::muted(ui, &shown.prompt)).wrap());
        ui.add_space(theme::GAP_SMALL);
        ui.add(Label::new(RichText::new(&shown.answer)).wrap());
    });
}

fn warnings_ui(ui: &mut Ui, warnings: &[String]) {
    for warning in warnings {
        ui.horizontal_top(|ui| {
            let p = theme::palette(ui);
            ui.spacing_mut().item_spacing.x = 6.0;
            decoration_ui(ui, theme::icon(ui, icons::PROBLEM).color(p.rejected));
            ui.add(Label::new(warning).wrap());
        });
    }
}

/// Of which run the curves are drawn.
#[derive(Clone, Copy)]
pub(super) struct Drawn<'a> {
    pub curves: &'a Curves,
    pub objective: Objective,

    /// The loss before the first step.
    pub start: Option<f64>,
    pub steps_planned: usize,
}

/// What the curves mean, which steps to show, and the curves.
pub(super) fn curves_ui(ui: &mut Ui, drawn: Drawn<'_>, span: &mut Span) {
    let Drawn { curves, objective, start, steps_planned } = drawn;
    let p = theme::palette(ui);
    ui.add_space(theme::GAP_SMALL);
    let sentence = RichText::new(reading(curves, objective, start)).color(p.strong);
    if curves.loss().len() > RECENT_POINTS {
        span_ui(ui, span);
        ui.add(Label::new(sentence).wrap());
    } else {
        *span = Span::Whole;
        ui.horizontal_top(|ui| {
            decoration_ui(ui, theme::icon(ui, icons::INFO).color(p.accent));
            ui.add(Label::new(sentence).wrap());
        });
    }
    ui.add_space(theme::GAP_SMALL);
    plots_ui(ui, Shown { curves, objective, start, span: *span, steps_planned });
    ui.add_space(theme::GAP);
    let hint = "Drag a plot to look back, pinch or Ctrl + scroll to zoom, double-click to reset";
    ui.add(Label::new(theme::muted(ui, hint).small()).wrap());
}

fn span_ui(ui: &mut Ui, span: &mut Span) {
    let segments = [
        Segment {
            value: Span::Whole,
            words: "Whole run",
            explanation: "Every step since the start, thinned so that no spike is lost",
        },
        Segment {
            value: Span::Recent,
            words: "Latest steps",
            explanation: "The latest 512 steps, each one drawn",
        },
    ];
    segmented_ui(ui, span, &segments);
}

/// A chip that names the objective.
pub(super) fn objective_chip_ui(ui: &mut Ui, objective: Objective) {
    chip_ui(ui, Tone::Neutral, None, objective.facts().name);
}

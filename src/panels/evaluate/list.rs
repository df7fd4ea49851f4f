//! The evaluations of the project, or, while there are none, what the panel is for.

use eframe::egui::{Frame, Label, Margin, Sides, Ui};

use crate::evaluate::results::kept::Kept;
use crate::evaluate::task::{Kind, Task};
use crate::state::command::{Commands, EvaluateCommand, WindowCommand};
use crate::state::evaluate::form::file_name;
use crate::state::evaluate::{EvaluateState, Front};
use crate::state::slots::Surroundings;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{Tone, card_ui, chip_ui};
use crate::widgets::empty_state::EmptyState;
use crate::widgets::format;
use crate::widgets::layout::{heading_ui, inset_ui, scrolled_ui};
use crate::widgets::theme::{self, icons};

const NEW: &str = "New task";
const OPEN: &str = "Open a task file…";
const SAMPLE: &str = "Use the sample abstracts";
const SURVEY: &str = "Use the sample survey";

pub(super) fn list_ui(
    ui: &mut Ui,
    evaluate: &mut EvaluateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let margin = Margin { left: 16, right: 0, top: 16, bottom: 0 };
    Frame::new().inner_margin(margin).show(ui, |ui| {
        if evaluate.kept.is_empty() && evaluate.asking.is_none() {
            empty_ui(ui, evaluate, around, commands);
            return;
        }
        inset_ui(ui, |ui| {
            heading_ui(ui, "Evaluations", |ui| buttons_ui(ui, evaluate, commands));
        });
        scrolled_ui(ui, "evaluations", |ui| {
            running_ui(ui, evaluate);
            let busy = evaluate.asking.is_some();
            for kept in &evaluate.kept {
                ui.push_id(&kept.folder, |ui| kept_ui(ui, kept, busy, commands));
                ui.add_space(theme::GAP);
            }
        });
    });
}

fn empty_ui(
    ui: &mut Ui,
    evaluate: &EvaluateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let sentence = "A model answers about every row of a table: it gives texts the labels of your \
                    codebook, reads fields out of them, writes about them, sits an exam, or judges \
                    which of two answers is better. Of labels you get the exact probability, \
                    beside what people said. It can also answer a survey as different people.";
    let without = format!("{sentence} Load a model before you ask.");
    let (sentence, actions): (&str, &[&str]) = if around.model.answers() {
        (sentence, &[NEW, OPEN, SAMPLE, SURVEY])
    } else {
        (&without, &[NEW, OPEN, SAMPLE, SURVEY, "Go to Models"])
    };
    let title = "A model does the coding";
    let pressed = EmptyState { icon: icons::EVALUATE, title, sentence, actions }.show(ui);
    match pressed {
        Some(0) => commands.push(EvaluateCommand::New),
        Some(1) if evaluate.preparing.is_none() => commands.push(EvaluateCommand::ChooseTask),
        Some(2) if evaluate.preparing.is_none() => commands.push(EvaluateCommand::UseSample),
        Some(3) if evaluate.preparing.is_none() => {
            commands.push(EvaluateCommand::UseSampleSurvey);
        }
        Some(4) => {
            let models = crate::state::prefs::PanelId::Models;
            commands.push(crate::state::command::ViewCommand::ShowPanel(models));
        }
        _ => {}
    }
}

/// From the right.
fn buttons_ui(ui: &mut Ui, evaluate: &EvaluateState, commands: &mut Commands) {
    let idle = evaluate.asking.is_none();
    let why_not = "Rows are being asked about: stop that first";
    let new = ui.add_enabled(idle, ActionButton::primary(NEW).icon(icons::ADD));
    if new.on_disabled_hover_text(why_not).clicked() {
        commands.push(EvaluateCommand::New);
    }
    let open = ui.add_enabled(idle, ActionButton::new(OPEN).icon(icons::FILE));
    if open.on_disabled_hover_text(why_not).clicked() {
        commands.push(EvaluateCommand::ChooseTask);
    }
    if evaluate.kept.len() > 1 {
        let compare = ActionButton::new("Configurations").icon(icons::LOCK);
        let hint = "What each prompt and setting that was tried says, and which one is frozen \
                    before the test part is opened";
        if ui.add(compare).on_hover_text(hint).clicked() {
            commands.push(EvaluateCommand::CompareConfigurations);
        }
    }
}

/// What is being asked about, and a button that shows it.
fn running_ui(ui: &mut Ui, evaluate: &mut EvaluateState) {
    let Some(asking) = &evaluate.asking else { return };
    let sentence = asking.sentence();
    let mut shows = false;
    card_ui(ui, |ui| {
        Sides::new().shrink_left().truncate().show(
            ui,
            |ui| {
                ui.label(theme::strong(ui, "Running"));
                ui.add(Label::new(theme::muted(ui, sentence)).truncate());
            },
            |ui| shows = ui.add(ActionButton::primary("Show the rows")).clicked(),
        );
    });
    ui.add_space(theme::GAP);
    if shows {
        evaluate.front = match evaluate.behind {
            Front::List => Front::Opened,
            behind => behind,
        };
        evaluate.rows_in_front = true;
    }
}

fn kept_ui(ui: &mut Ui, kept: &Kept, busy: bool, commands: &mut Commands) {
    let evaluation = &kept.evaluation;
    card_ui(ui, |ui| {
        let name = match evaluation.task.name.as_str() {
            "" => file_name(&kept.folder),
            name => name.to_owned(),
        };
        Sides::new().shrink_left().truncate().show(
            ui,
            |ui| ui.add(Label::new(theme::title(ui, name)).truncate()),
            |ui| {
                if kept.is_finished() {
                    chip_ui(ui, Tone::Chosen, Some(icons::DONE), "complete");
                } else {
                    chip_ui(ui, Tone::Info, None, "not complete");
                }
            },
        );
        let when = evaluation.started.get(..16).unwrap_or(&evaluation.started).replace('T', " ");
        let words = [
            kind_words(&evaluation.task).to_owned(),
            file_name(&evaluation.task.data),
            evaluation.model.words(),
            format!("{when} UTC"),
        ];
        ui.add(Label::new(theme::muted(ui, words.join(" · "))).wrap());
        let (done, rows) = (format::count(kept.done), format::count(evaluation.rows));
        // Of those that are done some may have had no answer.
        let words = if kept.is_finished() {
            format!("All {rows} rows are done")
        } else {
            format!("{done} of {rows} rows are answered")
        };
        ui.add(Label::new(words).wrap());
        ui.horizontal_wrapped(|ui| {
            let words = if kept.is_finished() { "Show the rows" } else { "Open to resume" };
            let open = ui.add_enabled(!busy, ActionButton::new(words).icon(icons::LOOK));
            let why_not = "Rows are being asked about: stop that first";
            if open.on_disabled_hover_text(why_not).clicked() {
                commands.push(EvaluateCommand::OpenKept(kept.folder.clone()));
            }
            let folder = ActionButton::quiet("Show its folder").icon(icons::FOLDER);
            if ui.add(folder).clicked() {
                commands.push(WindowCommand::Reveal(kept.folder.clone()));
            }
        });
    });
}

/// What a task does, in two words.
pub(super) fn kind_words(task: &Task) -> &'static str {
    match task.kind() {
        Ok(Kind::Code(_)) => "codes texts",
        Ok(Kind::Exam(_)) => "sits an exam",
        Ok(Kind::Judge(_)) => "judges answers",
        Ok(Kind::Rate(_)) => "rates texts",
        Ok(Kind::Extract(_)) => "reads out fields",
        Ok(Kind::Write(_)) => "writes texts",
        Ok(Kind::Ask(_)) => "asks about documents",
        Ok(Kind::Survey(_)) => "answers a survey",
        Ok(Kind::Perplexity(_)) => "scores texts",
        Err(_) => "asks about rows",
    }
}

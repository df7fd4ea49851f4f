//! The rows: how far it is, what the answers add up to, the grid, and the row that is looked at.

use std::borrow::Cow;

use eframe::egui::{Label, Panel, ProgressBar, Sides, Ui};

use super::{confusion, detail, grid};
use crate::data::sheet::form::SheetForm;
use crate::evaluate::results::folder::TABLE;
use crate::state::command::{Commands, EvaluateCommand, WindowCommand};
use crate::state::evaluate::grid::{Filter, Numbers, Order};
use crate::state::evaluate::{EvaluateState, Front, OpenEvaluation};
use crate::state::slots::Surroundings;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{Tone, chip_ui};
use crate::widgets::choice;
use crate::widgets::empty_state::EmptyState;
use crate::widgets::format;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme::{self, icons};

pub(super) fn rows_ui(
    ui: &mut Ui,
    evaluate: &mut EvaluateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    if evaluate.open.is_none() {
        let (title, sentence) = if evaluate.form.table.is_some() {
            (
                "No row is asked about yet",
                "Say what the model is asked, and try five rows. Look at what it says and why, \
                 change the prompt; then ask about all rows.",
            )
        } else {
            (
                "No table is open yet",
                "Choose a table and say what the model is asked. Try five rows, look at \
                 what it says and why, change the prompt; then ask about all rows.",
            )
        };
        EmptyState { icon: icons::EVALUATE, title, sentence, actions: &[] }.show(ui);
        return;
    }
    status_ui(ui, evaluate, around, commands);
    let has_detail = evaluate.open.as_ref().is_some_and(|open| open.selected().is_some());
    let em = theme::em(ui);
    let is_low = ui.available_height() < em * 26.0;
    if has_detail && is_low {
        detail::detail_ui(ui, evaluate, around, commands);
        return;
    }
    if has_detail {
        let height = ui.available_height() * 0.48;
        Panel::bottom("evaluate_detail")
            .exact_size(height)
            .resizable(false)
            .frame(eframe::egui::Frame::NONE)
            .show(ui, |ui| detail::detail_ui(ui, evaluate, around, commands));
    }
    let outdated = evaluate.is_outdated();
    let Some(open) = &mut evaluate.open else { return };
    if outdated {
        let words = "These answers were given before the last change on the left";
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
    // Over a row that is looked at there is little room.
    if !has_detail || ui.available_height() > em * 18.0 {
        numbers_ui(ui, &open.grid.numbers);
        // In a low window the rows need their share first.
        let height = ui.available_height();
        let most = (height * 0.45).min(height - em * 16.0).max(em * 6.0);
        confusion::matrix_ui(ui, open, most);
    }
    tools_ui(ui, open);
    grid::grid_ui(ui, open);
}

/// What is being asked about, or how far it came.
fn status_ui(
    ui: &mut Ui,
    evaluate: &EvaluateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let p = theme::palette(ui);
    if let Some(asking) = &evaluate.asking {
        let what = if asking.is_try { "Trying" } else { "Asking" };
        Sides::new().shrink_left().truncate().show(
            ui,
            |ui| {
                ui.label(theme::strong(ui, what));
                ui.add(Label::new(asking.sentence()).truncate());
            },
            |ui| {
                let stop = ActionButton::new("Stop").icon(icons::STOP);
                let hint = "Stops after this row; what is answered is kept";
                let stop = ui.add_enabled(!asking.stopping, stop).on_hover_text(hint);
                if stop.accessible_name("Stop asking").clicked() {
                    commands.push(EvaluateCommand::Stop);
                }
                if asking.is_try {
                    return;
                }
                if asking.paused {
                    if ui.add(ActionButton::new("Continue").icon(icons::PLAY)).clicked() {
                        commands.push(EvaluateCommand::Continue);
                    }
                } else if ui.add(ActionButton::new("Pause").icon(icons::PAUSE)).clicked() {
                    commands.push(EvaluateCommand::Pause);
                }
            },
        );
        ui.scope(|ui| {
            ui.visuals_mut().extreme_bg_color = p.raised_press;
            let bar = ProgressBar::new(asking.fraction()).desired_height(4.0).fill(p.accent);
            let done = asking.fraction() * 100.0;
            ui.add(bar).accessible_name(format!("Rows answered: {done:.0} %"));
        });
        return;
    }
    let Some(open) = &evaluate.open else { return };
    let (done, all) = (format::count(open.answers.len()), format::count(open.rows()));
    ui.horizontal_wrapped(|ui| {
        let Some(kept) = &open.kept else {
            let words = match open.answers.len() {
                0 => format!("{all} rows, none of them asked about"),
                _ => format!("{done} of {all} rows tried; nothing is kept"),
            };
            ui.add(Label::new(theme::strong(ui, words)).wrap());
            return;
        };
        // Rows that could not be asked are done, and have no answer.
        let answered = open.answers.len().saturating_sub(open.grid.numbers.problems);
        let words = format!("{} of {all} rows answered", format::count(answered));
        ui.add(Label::new(theme::strong(ui, words)).wrap());
        if open.is_finished() {
            let show = ActionButton::quiet("Show results.csv").icon(icons::FOLDER);
            let hint = "The table with the answers beside it, in the file manager";
            if ui.add(show).on_hover_text(hint).clicked() {
                commands.push(WindowCommand::Reveal(kept.folder.join(TABLE)));
            }
            save_ui(ui, commands);
            let report = ActionButton::quiet("Report").icon(icons::VERIFY);
            let hint = "How far the answers can be trusted, and a paragraph for a methods section";
            if ui.add(report).on_hover_text(hint).clicked() {
                commands.push(EvaluateCommand::Report(kept.folder.clone()));
            }
            if open.prepared.task.code.is_some() {
                let by_hand = ActionButton::quiet("Code some by hand…").icon(icons::ANNOTATE);
                let hint = "Sets up a study in Annotate: the texts that the model is least certain of, and \
                            some at random, each with the probability with which it was drawn. With \
                            people's labels the report corrects what the model says of all texts";
                if ui.add(by_hand).on_hover_text(hint).clicked() {
                    commands.push(EvaluateCommand::CodeByHand);
                }
            }
            return;
        }
        if evaluate.rows_in_front || evaluate.front == Front::Opened {
            resume_button_ui(ui, evaluate, around, commands);
        }
        let show = ActionButton::quiet("Show its folder").icon(icons::FOLDER);
        if ui.add(show).clicked() {
            commands.push(WindowCommand::Reveal(kept.folder.clone()));
        }
    });
}

/// The formats in which the table can be saved.
fn save_ui(ui: &mut Ui, commands: &mut Commands) {
    let hint = "The table with the answers beside it: numbers as numbers, what is missing as missing, with the \
                labels that were taken over from studies";
    let menu = ui.menu_button("Save the table…", |ui| {
        for form in SheetForm::ALL {
            let words = format!("{} (.{})", form.words(), form.ending());
            if ui.button(words).clicked() {
                commands.push(EvaluateCommand::ChooseTableFile(form));
            }
        }
    });
    menu.response.on_hover_text(hint);
}

pub(super) fn resume_button_ui(
    ui: &mut Ui,
    evaluate: &EvaluateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let why_not = evaluate.why_not_resume(around.model);
    let resume = ActionButton::new("Resume").icon(icons::PLAY);
    let hint = "Asks about the rows that have no answer yet";
    let resume = resume.add_enabled(ui, why_not.is_none()).on_hover_text(hint);
    if resume.on_disabled_hover_text(why_not.clone().unwrap_or_default()).clicked() {
        commands.push(EvaluateCommand::Resume);
    }
    if evaluate.asking.is_none()
        && let Some(why_not) = why_not
    {
        ui.add(Label::new(theme::muted(ui, why_not)).wrap());
    }
}

/// How often each answer was given, and how far people say the same.
fn numbers_ui(ui: &mut Ui, numbers: &Numbers) {
    const MOST_SHARES: usize = 8;

    if numbers.answered + numbers.problems == 0 {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        for share in numbers.shares.iter().take(MOST_SHARES) {
            let part = share.count as f32 / numbers.answered.max(1) as f32;
            let words = format!("{} {}", short(&share.answer), format::percent(part));
            let chip = chip_ui(ui, Tone::Neutral, None, &words);
            let count = format::count(share.count);
            chip.on_hover_text(format!("{}: {count} answers", share.answer));
        }
        let more = numbers.shares.len().saturating_sub(MOST_SHARES);
        if more > 0 {
            ui.label(theme::muted(ui, format!("and {more} more")));
        }
        for coder in numbers.coders.iter().filter(|coder| coder.both > 0) {
            let part = coder.same as f32 / coder.both as f32;
            let kappa = coder.kappa.map_or(String::new(), |kappa| format!(" · κ {kappa:.2}"));
            let words = format!("as {}: {}{kappa}", short(&coder.name), format::percent(part));
            let chip = chip_ui(ui, Tone::Accent, None, &words);
            let (same, both) = (format::count(coder.same), format::count(coder.both));
            chip.on_hover_text(format!(
                "The model says the same as {} in {same} of {both} rows. κ is Cohen's kappa: \
                 agreement beyond what the shares of the labels would bring by chance",
                coder.name
            ));
        }
        if let Some(perplexity) = numbers.perplexity {
            let chip = chip_ui(ui, Tone::Neutral, None, &format!("perplexity {perplexity:.2}"));
            let tokens = format::count(numbers.tokens);
            chip.on_hover_text(format!("Of {tokens} tokens, every token counting alike"));
        }
        if numbers.disagree > 0 {
            let words = format!("{} with windows that differ", format::count(numbers.disagree));
            chip_ui(ui, Tone::Rejected, None, &words)
                .on_hover_text("Long texts whose windows have different values of a field");
        }
        if numbers.in_orders > 0 {
            let part = numbers.flipped as f32 / numbers.in_orders as f32;
            let words = format!("{} change with the order", format::percent(part));
            let chip = chip_ui(ui, Tone::Info, None, &words);
            chip.on_hover_text("Rows whose answer is not the same in all orders of the options");
        }
        if numbers.problems > 0 {
            let words = format!("{} not asked", format::count(numbers.problems));
            chip_ui(ui, Tone::Problem, Some(icons::PROBLEM), &words)
                .on_hover_text("Their problem stands beside them");
        }
        if numbers.ended_early > 0 {
            let words = format!("{} ended early", format::count(numbers.ended_early));
            chip_ui(ui, Tone::Info, None, &words)
                .on_hover_text("Their answers came to the most tokens that are set");
        }
        if numbers.cut > 0 {
            let words = format!("{} cut", format::count(numbers.cut));
            chip_ui(ui, Tone::Rejected, Some(icons::PROBLEM), &words)
                .on_hover_text("Their texts were shortened at the end to fit into the context");
        }
    });
}

fn short(words: &str) -> Cow<'_, str> {
    choice::short(words, 21)
}

/// The order and the filter.
fn tools_ui(ui: &mut Ui, open: &mut OpenEvaluation) {
    let segment = |value, words, explanation| Segment { value, words, explanation };
    let filter = |value, words, explanation| Segment { value, words, explanation };
    let (last, about_last) = match open.prepared.task.perplexity {
        Some(_) => ("unlikely first", "The highest perplexity first"),
        None => ("uncertain first", "The highest entropy first"),
    };
    ui.horizontal_wrapped(|ui| {
        segmented_ui(
            ui,
            &mut open.grid.order,
            &[
                segment(Order::Row, "by row", "As the table has them"),
                segment(Order::Uncertain, last, about_last),
            ],
        );
        let mut filters = vec![filter(Filter::All, "all", "Every row")];
        if !open.coders.is_empty() {
            filters.push(filter(Filter::Differ, "differ", "Where people and model differ"));
        }
        let about =
            "Rows that could not be asked, texts that were cut, and those whose windows differ";
        filters.push(filter(Filter::Problems, "problems", about));
        segmented_ui(ui, &mut open.grid.filter, &filters);
        let shown = format::count(open.grid.shown().len());
        // As a whole in the next row where this one is full, not wrapped around its end.
        ui.add(Label::new(theme::muted(ui, format!("{shown} rows"))).extend());
        confusion::button_ui(ui, open);
    });
}

//! The menus above the answers: how they are shown, and into which files pairs go; and what is not in a file
//! yet.

use eframe::egui::{Label, Sides, Ui};

use crate::data::counts::VerdictCounts;
use crate::data::pair_forms::PairForm;
use crate::panels::train::fields::check_ui;
use crate::state::annotate::AnnotateState;
use crate::state::command::{AnnotateCommand, Commands};
use crate::widgets::button::ActionButton;
use crate::widgets::card;
use crate::widgets::choice::menu_ui;
use crate::widgets::theme::{self, icons};

/// How answers are shown.
pub(super) fn show_menu_ui(ui: &mut Ui, annotate: &mut AnnotateState) {
    let shown = &mut annotate.shown;
    ui.menu_button("Show…", |ui| {
        shown_ui(ui, (&mut shown.differences, &mut shown.markdown, &mut shown.together));
    });
}

/// The choices of the menu, of two answers wherever they stand beside each other.
pub(crate) fn shown_ui(
    ui: &mut Ui,
    (differences, markdown, together): (&mut bool, &mut bool, &mut bool),
) {
    let hint = "Marks the words that only one of the two answers has";
    check_ui(ui, differences, "Where they differ (D)", hint);
    check_ui(ui, markdown, "Markdown (P)", "Headings, lists and code as they are read");
    let hint = "Where one answer is scrolled, the other one follows";
    check_ui(ui, together, "Scroll both at once (Y)", hint);
}

pub(super) fn export_menu_ui(ui: &mut Ui, counts: &VerdictCounts, commands: &mut Commands) {
    let has_pairs = counts.pairs() > 0;
    let menu = ui.add_enabled_ui(has_pairs, |ui| {
        ui.menu_button("Export…", |ui| {
            menu_ui(ui, |ui| {
                for (words, hint, conversational) in [
                    (
                        "Conversational (messages)…",
                        "TRL's explicit preference format with messages, for models with a chat \
                         template",
                        true,
                    ),
                    (
                        "Plain text (standard)…",
                        "TRL's explicit preference format with plain strings, joined as they stand",
                        false,
                    ),
                ] {
                    if ui.button(words).on_hover_text(hint).clicked() {
                        commands.push(AnnotateCommand::ExportPairs { conversational });
                    }
                }
                ui.separator();
                for form in PairForm::ALL {
                    let hint = "Into the folder exports/pairs of the project";
                    if ui.button(form.words()).on_hover_text(hint).clicked() {
                        commands.push(AnnotateCommand::ExportFor(form));
                    }
                }
            });
        })
        .response
    });
    menu.inner.on_disabled_hover_text("There are no pairs yet");
}

/// What was made is only in memory: said until it is safe.
pub(super) fn unsaved_card_ui(ui: &mut Ui, annotate: &AnnotateState, commands: &mut Commands) {
    let count = annotate.unsaved_count;
    let because = annotate.unsaved_because.as_ref();
    let because = because.map_or_else(String::new, |why| format!(": {why}"));
    let p = theme::palette(ui);
    let frame = card::frame(ui).fill(p.problem_soft);
    frame.show(ui, |ui| {
        let sentence = format!(
            "{count} {} only in memory: the project's file could not be written{because}",
            if count == 1 { "change is" } else { "changes are" }
        );
        Sides::new().shrink_left().show(
            ui,
            |ui| {
                card::decoration_ui(ui, theme::icon(ui, icons::PROBLEM).color(p.problem));
                ui.add(Label::new(theme::strong(ui, sentence)).wrap());
            },
            |ui| {
                if ui.add(ActionButton::primary("Save elsewhere…")).clicked() {
                    commands.push(AnnotateCommand::SaveElsewhere);
                }
            },
        );
    });
}

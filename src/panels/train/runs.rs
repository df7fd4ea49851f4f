//! The runs of the project.

use eframe::egui;
use eframe::egui::{Frame, Label, Margin, RichText, Sense, Stroke, Ui, UiBuilder};

use super::live::objective_chip_ui;
use crate::state::command::{Command, Commands};
use crate::state::train::runs::RunView;
use crate::state::train::{SelectedRun, TrainState};
use crate::train::runs::RunState;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{Tone, chip_ui};
use crate::widgets::theme::{self, icons};

pub(super) fn runs_ui(ui: &mut Ui, train: &mut TrainState, commands: &mut Commands) {
    if train.runs.is_empty() {
        let text = "No runs yet. Each run gets a folder in the project with its settings, its \
                    curves and its adapter, and a line here to try it or go on with it.";
        ui.add(Label::new(theme::muted(ui, text)).wrap());
        return;
    }
    let busy = train.is_running();
    let TrainState { runs, selected, asks_delete, .. } = train;
    for run in runs.iter() {
        let is_selected = selected.as_ref().is_some_and(|selected| selected.id == run.id);
        let clicked = run_ui(ui, run, is_selected, |ui| {
            if asks_delete.as_deref() == Some(&run.id) {
                confirm_ui(ui, run, asks_delete, commands);
            } else {
                buttons_ui(ui, run, busy, asks_delete, commands);
            }
        });
        if clicked && !is_selected {
            *selected = Some(SelectedRun { id: run.id.clone(), curves: None });
            commands.push(Command::ShowRun(run.id.clone()));
        }
    }
}

/// A card of the list. True: it was clicked.
fn run_ui(ui: &mut Ui, run: &RunView, selected: bool, buttons: impl FnOnce(&mut Ui)) -> bool {
    let p = theme::palette(ui);
    let builder = UiBuilder::new().id_salt(&run.id).sense(Sense::click());
    let scope = ui.scope_builder(builder, |ui| {
        let hovered = ui.response().hovered();
        let (fill, line) = match (selected, hovered) {
            (true, _) => (p.accent_soft, p.accent),
            (false, true) => (p.raised, p.outline),
            (false, false) => (p.card, p.line),
        };
        let frame = Frame::new()
            .fill(fill)
            .stroke(Stroke::new(1.0, line))
            .corner_radius(theme::CARD_RADIUS)
            .inner_margin(Margin::symmetric(12, 8));
        frame.show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing.y = 4.0;
            egui::Sides::new().shrink_left().truncate().show(
                ui,
                |ui| {
                    let name = theme::strong(ui, &run.id);
                    ui.add(Label::new(name).truncate().selectable(false));
                },
                |ui| {
                    chip_ui(ui, status_tone(run.status), None, run.status_name());
                    objective_chip_ui(ui, run.objective);
                },
            );
            ui.add(Label::new(theme::muted(ui, &run.model)).truncate().selectable(false));
            ui.add(Label::new(run.numbers()).wrap().selectable(false));
            if let Some(note) = &run.note {
                let note = RichText::new(note).small().color(p.rejected);
                ui.add(Label::new(note).wrap().selectable(false));
            }
            buttons(ui);
        });
    });
    let response = scope.response;
    response.widget_info(|| {
        let name = format!("Run {}: {}, {}", run.id, run.status_name(), run.numbers());
        egui::WidgetInfo::selected(egui::accesskit::Role::ListBoxOption, true, selected, name)
    });
    response.clicked()
}

fn status_tone(status: RunState) -> Tone {
    match status {
        RunState::Running => Tone::Accent,
        RunState::Finished => Tone::Chosen,
        RunState::Stopped => Tone::Info,
        RunState::Interrupted => Tone::Rejected,
        RunState::Failed => Tone::Problem,
    }
}

fn buttons_ui(
    ui: &mut Ui,
    run: &RunView,
    busy: bool,
    asks_delete: &mut Option<String>,
    commands: &mut Commands,
) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = theme::GAP_SMALL;
        // The name of the run tells buttons of the same words apart for a screen reader.
        let named = |response: egui::Response, words: &str| {
            response.accessible_name(format!("{words} {}", run.id))
        };
        if run.usable {
            let button = ui.add(ActionButton::new("Try").icon(icons::PLAYGROUND));
            let hint = "Ask the base model and this adapter the same prompt, side by side";
            if named(button, "Try").on_hover_text(hint).clicked() {
                commands.push(Command::TryRun(run.id.clone()));
            }
        }
        if run.resumable {
            let button = ui.add_enabled(!busy, ActionButton::new("Resume").icon(icons::PLAY));
            let hint = "Go on from the last checkpoint";
            let button = named(button, "Resume").on_hover_text(hint);
            let button =
                button.on_disabled_hover_text("A run is under way: wait for it or stop it");
            if button.clicked() {
                commands.push(Command::ResumeRun(run.id.clone()));
            }
        }
        let button = ui.add(ActionButton::only_icon(icons::FOLDER, "Show the folder"));
        if named(button, "Show the folder of").clicked() {
            commands.push(Command::Reveal(run.folder.clone()));
        }
        let running = run.status == RunState::Running;
        let button = ui.add_enabled(!running, ActionButton::only_icon(icons::DELETE, "Delete…"));
        let button = named(button, "Delete").on_disabled_hover_text("Stop the run first");
        if button.clicked() {
            *asks_delete = Some(run.id.clone());
        }
    });
}

/// Asks in place: no window in the way.
fn confirm_ui(
    ui: &mut Ui,
    run: &RunView,
    asks_delete: &mut Option<String>,
    commands: &mut Commands,
) {
    let p = theme::palette(ui);
    let question = "Delete this run's folder with its adapter and curves? It cannot be undone";
    ui.add(Label::new(RichText::new(question).color(p.problem)).wrap());
    ui.horizontal(|ui| {
        if ui.add(ActionButton::danger("Delete the run").icon(icons::DELETE)).clicked() {
            commands.push(Command::DeleteRun(run.id.clone()));
            *asks_delete = None;
        }
        if ui.add(ActionButton::new("Keep it")).clicked() {
            *asks_delete = None;
        }
    });
}

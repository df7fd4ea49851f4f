//! The runs of the project.

use eframe::egui;
use eframe::egui::accesskit::Role;
use eframe::egui::containers::menu::MenuButton;
use eframe::egui::{
    Button, Frame, Key, Label, Margin, RichText, Sense, Stroke, TextEdit, Ui, UiBuilder, WidgetInfo,
};

use super::away;
use super::elsewhere;
use super::ended::NEXT_ROUND;
use super::fields::check_ui;
use super::live::objective_chip_ui;
use super::sweep;
use crate::state::command::{AdapterForm, Command, Commands, TrainCommand, WindowCommand};
use crate::state::train::compare::MOST_COMPARED;
use crate::state::train::runs::RunView;
use crate::state::train::{RunEdit, TrainState};
use crate::train::record::notes::RunNotes;
use crate::train::record::runs::RunState;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{Tone, chip_ui};
use crate::widgets::theme::{self, icons};

pub(super) fn runs_ui(ui: &mut Ui, train: &mut TrainState, commands: &mut Commands) {
    away::list_ui(ui, train, commands);
    if train.runs.is_empty() {
        sweep::list_ui(ui, train, commands);
        let text = "No runs yet. Each run gets a folder in the project with its settings, its \
                    curves and its adapter, and a line here to try it or to resume it.";
        ui.add(Label::new(theme::muted(ui, text)).wrap());
        elsewhere::results_ui(ui, commands);
        return;
    }
    elsewhere::results_ui(ui, commands);
    sweep::list_ui(ui, train, commands);
    let busy = train.is_running() || train.sweep.is_running();
    // Always there: a line that came with the first tick would push the list from under the mouse.
    if train.runs.len() > 1 {
        let text = match train.compared.len() {
            0 => "Tick two runs to compare them",
            1 => "Tick another run to compare",
            _ => "The ticked runs are compared",
        };
        ui.add(Label::new(theme::muted(ui, text)).truncate());
    }
    let (mut toggled, mut picked) = (None, None);
    let TrainState { runs, selected, compared, editing, asks_delete, .. } = train;
    let room = compared.len() < MOST_COMPARED;
    for run in runs.iter() {
        let is_selected =
            compared.len() < 2 && selected.as_ref().is_some_and(|selected| selected.id == run.id);
        let is_compared = compared.iter().any(|compared| compared.id == run.id);
        let clicked = run_ui(ui, run, is_selected, |ui| {
            if asks_delete.as_deref() == Some(&run.id) {
                confirm_ui(ui, run, asks_delete, commands);
            } else if let Some(edit) = editing.as_mut().filter(|edit| edit.id == run.id) {
                if edit_ui(ui, edit, commands) {
                    *editing = None;
                }
            } else {
                buttons_ui(ui, run, busy, asks_delete, commands);
                more_ui(ui, run, editing, commands, |ui| {
                    let mut on = is_compared;
                    let hint = "Overlay the curves of the ticked runs, and list what was set \
                                differently";
                    let enabled = is_compared || room;
                    let tick =
                        ui.add_enabled_ui(enabled, |ui| check_ui(ui, &mut on, "Compare", hint));
                    let tick = tick.inner.accessible_name(format!("Compare {}", run.id));
                    if tick.on_disabled_hover_text("Four are compared already").changed() {
                        toggled = Some(run.id.clone());
                    }
                });
            }
        });
        if clicked && !is_selected {
            picked = Some(run.id.clone());
            commands.push(TrainCommand::Show(run.id.clone()));
        }
    }
    if let Some(id) = picked {
        train.select(&id);
    }
    if let Some(id) = toggled.filter(|id| train.toggle_compared(id)) {
        commands.push(TrainCommand::Show(id));
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
            (false, true) => (p.canvas, p.outline), // chips stand out from it
            (false, false) => (p.card, p.line),
        };
        let frame = Frame::new()
            .fill(fill)
            .stroke(Stroke::new(theme::HAIRLINE, line))
            .corner_radius(theme::CARD_RADIUS)
            .inner_margin(Margin::symmetric(12, 8));
        frame.show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing.y = 4.0;
            egui::Sides::new().shrink_left().truncate().show(
                ui,
                |ui| {
                    let name = theme::strong(ui, run.name());
                    ui.add(Label::new(name).truncate().selectable(false));
                },
                |ui| {
                    chip_ui(ui, status_tone(run.status), None, run.status_name());
                    objective_chip_ui(ui, run.objective);
                },
            );
            ui.add(Label::new(theme::muted(ui, &run.model)).truncate().selectable(false));
            ui.add(Label::new(run.numbers()).wrap().selectable(false));
            if !run.about.note.is_empty() {
                let note = theme::muted(ui, &run.about.note).italics();
                ui.add(Label::new(note).wrap().selectable(false));
            }
            if let Some(note) = &run.note {
                let note = RichText::new(note).small().color(p.rejected);
                ui.add(Label::new(note).wrap().selectable(false));
            }
            buttons(ui);
        });
    });
    let response = scope.response;
    response.widget_info(|| {
        let name = format!("Run {}: {}, {}", run.name(), run.status_name(), run.numbers());
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
            let button = ui.add(ActionButton::new("Try it").icon(icons::PLAYGROUND));
            let hint = if run.objective.reads_texts() {
                "Let it label a text that you type in"
            } else if run.has_adapter {
                "Ask the base model and this adapter the same prompt, side by side"
            } else {
                "Load the model of this run and ask it something"
            };
            if named(button, "Try it:").on_hover_text(hint).clicked() {
                commands.push(TrainCommand::Try(run.id.clone()));
            }
        }
        if run.resumable {
            let button = ui.add_enabled(!busy, ActionButton::new("Resume").icon(icons::PLAY));
            let hint = "Continue from the last checkpoint";
            let button = named(button, "Resume").on_hover_text(hint);
            let button =
                button.on_disabled_hover_text("A run is under way: wait for it or stop it");
            if button.clicked() {
                commands.push(TrainCommand::Resume(run.id.clone()));
            }
        }
        if run.begins_rounds() {
            let button = ui.add(ActionButton::only_icon(icons::NEXT, "Next round…"));
            if named(button, "Rounds of").on_hover_text(NEXT_ROUND).clicked() {
                commands.push(TrainCommand::ShowRounds(run.id.clone()));
            }
        }
        let button = ui.add(ActionButton::only_icon(icons::FOLDER, "Show the folder"));
        if named(button, "Show the folder of").clicked() {
            commands.push(WindowCommand::Reveal(run.folder.clone()));
        }
        let running = run.status == RunState::Running;
        let button = ui.add_enabled(!running, ActionButton::only_icon(icons::DELETE, "Delete…"));
        let button = named(button, "Delete").on_disabled_hover_text("Stop the run first");
        if button.clicked() {
            *asks_delete = Some(run.id.clone());
        }
    });
}

/// What else can be done with a run, and `tick` before it.
fn more_ui(
    ui: &mut Ui,
    run: &RunView,
    editing: &mut Option<RunEdit>,
    commands: &mut Commands,
    tick: impl FnOnce(&mut Ui),
) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = theme::GAP_SMALL;
        tick(ui);
        let mut action = |icon, words: &str, hint: &str| {
            let button = ui.add(ActionButton::only_icon(icon, hint));
            button.accessible_name(format!("{words} {}", run.id)).clicked()
        };
        if action(icons::EDIT, "Name and note of", "Name and note…") {
            *editing = Some(RunEdit { id: run.id.clone(), notes: run.about.clone() });
        }
        let hint = "Put its settings and its data into the form, to change and start again";
        if action(icons::COPY, "Use the settings of", hint) {
            commands.push(TrainCommand::UseSettings(run.id.clone()));
        }
        export_ui(ui, run, commands);
    });
}

/// What a run can be taken out as.
fn export_ui(ui: &mut Ui, run: &RunView, commands: &mut Commands) {
    // As quiet as the icons beside it.
    let button = Button::new(theme::icon(ui, icons::EXPORT)).frame_when_inactive(false);
    let (button, _) = MenuButton::from_button(button).ui(ui, |ui| {
        let mut entry = |words: &str, hint: &str, is_there: bool, command: Command| {
            let button = ui.add_enabled(is_there, Button::new(words));
            let button = button.on_disabled_hover_text("The run has no adapter");
            if button.on_hover_text(hint).clicked() {
                commands.push(command);
            }
        };
        let id = || run.id.clone();
        let hint = "Into the run's folder";
        entry(
            "Numbers and curves (CSV, SVG, PNG)",
            hint,
            true,
            Command::Train(TrainCommand::Export(id())),
        );
        let hint = "A GGUF file that llama.cpp lays over the model with --lora";
        let command = Command::Train(TrainCommand::ExportAdapter(id(), AdapterForm::Gguf));
        entry("Adapter for llama.cpp (GGUF)…", hint, run.has_adapter, command);
        let hint = "A transformers folder with the adapter worked into the weights";
        let command = Command::Train(TrainCommand::ExportAdapter(id(), AdapterForm::Merged));
        entry("Merged model (transformers)…", hint, run.has_adapter, command);
    });
    let button = button.on_hover_text("Export");
    button.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Export {}", run.id)));
}

/// The name and the note, in place. True: done with it.
fn edit_ui(ui: &mut Ui, edit: &mut RunEdit, commands: &mut Commands) -> bool {
    let width = ui.available_width();
    let RunNotes { title, note } = &mut edit.notes;
    let title = TextEdit::singleline(title).hint_text("Name").desired_width(width);
    let title = ui.add(title).accessible_name("Name of the run");
    let entered = title.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    let note = TextEdit::multiline(note).hint_text("Note").desired_rows(2).desired_width(width);
    ui.add(note).accessible_name("Note on the run");
    let row = ui.horizontal(|ui| {
        let saved = ui.add(ActionButton::new("Save").icon(icons::DONE)).clicked() || entered;
        if saved {
            let notes = RunNotes {
                title: edit.notes.title.trim().to_owned(),
                note: edit.notes.note.trim().to_owned(),
            };
            commands.push(TrainCommand::Note(edit.id.clone(), notes));
        }
        saved | ui.add(ActionButton::quiet("Cancel")).clicked()
    });
    row.inner
}

/// Asks in place: no window in the way.
fn confirm_ui(
    ui: &mut Ui,
    run: &RunView,
    asks_delete: &mut Option<String>,
    commands: &mut Commands,
) {
    let p = theme::palette(ui);
    let question = "Delete this run's folder with its adapter and curves? This cannot be undone";
    ui.add(Label::new(RichText::new(question).color(p.problem)).wrap());
    ui.horizontal(|ui| {
        if ui.add(ActionButton::danger("Delete the run").icon(icons::DELETE)).clicked() {
            commands.push(TrainCommand::Delete(run.id.clone()));
            *asks_delete = None;
        }
        if ui.add(ActionButton::new("Cancel")).clicked() {
            *asks_delete = None;
        }
    });
}

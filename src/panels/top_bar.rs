//! The top bar: the project, the model, the adapter; the palette, the zoom, the theme.

use std::path::Path;

use eframe::egui;
use eframe::egui::{Frame, Label, Margin, Stroke, Ui};

use super::shortcuts;
use crate::llm::generate::AdapterMode;
use crate::state::AppState;
use crate::state::command::{Command, Commands, ProjectCommand, ViewCommand};
use crate::state::prefs::PanelId;
use crate::state::prefs::Theme;
use crate::state::slots::AdapterSlot;
use crate::state::slots::ModelSlot;
use crate::widgets::button::ActionButton;
use crate::widgets::card::decoration_ui;
use crate::widgets::format;
use crate::widgets::switch;
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// Draws the bar.
pub fn top_bar_ui(ui: &mut Ui, state: &mut AppState, commands: &mut Commands) {
    let roomy = ui.available_width() > theme::em(ui) * 72.0;
    let AppState { prefs, model, adapter, project, .. } = state;
    let mut asked_right = Vec::new();
    let height = ui.spacing().interact_size.y + theme::GAP;
    egui::Sides::new().height(height).shrink_left().truncate().show(
        ui,
        |ui| {
            // Each has its share, so that a long name does not push the others out; what one leaves over,
            // the next may take.
            let room = ui.available_width();
            at_most_ui(ui, room * 0.26, |ui| project_ui(ui, project, commands));
            let adapter_room = match adapter {
                AdapterSlot::None => theme::em(ui) * 10.0,
                AdapterSlot::Loading { .. } | AdapterSlot::Ready { .. } => room * 0.3,
            };
            let model_room = ui.available_width() - adapter_room - theme::GAP;
            at_most_ui(ui, model_room, |ui| model_chip_ui(ui, model, roomy, commands));
            let left = ui.available_width();
            at_most_ui(ui, left, |ui| adapter_chip_ui(ui, adapter));
        },
        |ui| {
            let mut ask = |command| asked_right.push(command);
            theme_ui(ui, prefs.theme, &mut ask);
            zoom_ui(ui, prefs.zoom, &mut ask);
            let shortcut = ui.ctx().format_shortcut(&shortcuts::PALETTE);
            let button = ActionButton::quiet("Commands").icon(icons::SEARCH).shortcut(&shortcut);
            let button =
                if roomy { button } else { ActionButton::only_icon(icons::SEARCH, "Commands") };
            if ui.add(button).clicked() {
                ask(Command::View(ViewCommand::TogglePalette));
            }
        },
    );
    for command in asked_right {
        commands.push(command);
    }
}

/// Draws in at most this width.
fn at_most_ui(ui: &mut Ui, width: f32, contents: impl FnOnce(&mut Ui)) {
    ui.scope(|ui| {
        ui.set_max_width(width.max(theme::em(ui) * 4.0));
        contents(ui);
    });
}

fn project_ui(ui: &mut Ui, project: &Path, commands: &mut Commands) {
    let name = match project.file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => "No project".to_owned(),
    };
    let p = theme::palette(ui);
    let content = (theme::icon(ui, icons::FOLDER).color(p.muted), theme::strong(ui, &name));
    let response = ui.add(egui::Button::new(content).frame_when_inactive(false).truncate());
    let response = response
        .on_hover_text(format!("The project: {}\nClick to open another", project.display()));
    if response.accessible_name(format!("Project: {name}")).clicked() {
        commands.push(ProjectCommand::Choose);
    }
}

fn chip_frame(ui: &Ui) -> Frame {
    let p = theme::palette(ui);
    Frame::new()
        .fill(p.canvas)
        .stroke(Stroke::new(theme::HAIRLINE, p.line))
        .corner_radius(theme::CONTROL_RADIUS)
        .inner_margin(Margin::symmetric(10, 2))
}

fn model_chip_ui(ui: &mut Ui, model: &ModelSlot, roomy: bool, commands: &mut Commands) {
    let p = theme::palette(ui);
    let response = chip_frame(ui).show(ui, |ui| {
        ui.horizontal(|ui| match model {
            ModelSlot::Empty => {
                decoration_ui(ui, theme::icon(ui, icons::MODELS).color(p.muted));
                ui.add(Label::new(theme::muted(ui, "No model")).selectable(false));
            }
            ModelSlot::Loading { name } => {
                decoration_ui(ui, theme::icon(ui, icons::MODELS).color(p.muted));
                let words = theme::muted(ui, format!("Loading {name}…"));
                ui.add(Label::new(words).selectable(false).truncate());
            }
            ModelSlot::Remote(probe) => {
                decoration_ui(ui, theme::icon(ui, icons::SERVE).color(p.accent));
                let name = theme::strong(ui, &probe.model);
                ui.add(Label::new(name).selectable(false).truncate());
                if roomy {
                    let words = theme::muted(ui, "on a server");
                    ui.add(Label::new(words).selectable(false).truncate());
                }
            }
            ModelSlot::Ready(card) | ModelSlot::EncoderDecoder(card) => {
                decoration_ui(ui, theme::icon(ui, icons::MODELS).color(p.accent));
                let name = theme::strong(ui, &card.identity.name);
                ui.add(Label::new(name).selectable(false).truncate());
                if roomy {
                    let facts = &card.facts;
                    let kind = if model.ready().is_some() { "" } else { "encoder-decoder · " };
                    let details = format!(
                        "{kind}{} · {} · {} tokens",
                        facts.precision,
                        format::bytes(facts.memory_bytes),
                        format::count(facts.context_length)
                    );
                    ui.add(Label::new(theme::muted(ui, details)).selectable(false).truncate());
                }
            }
        });
    });
    // Under an id of its own: that of the frame cannot have the focus, and would take it away again.
    let frame = response.response;
    let response = ui.interact(frame.rect, frame.id.with("click"), egui::Sense::click());
    let words = match model {
        ModelSlot::Empty => "No model is loaded. Click to choose one".to_owned(),
        ModelSlot::Loading { name } => format!("{name} is being loaded"),
        ModelSlot::Remote(probe) => {
            format!("{}\non the server {}\n{}", probe.model, probe.address, probe.verdict())
        }
        ModelSlot::Ready(card) | ModelSlot::EncoderDecoder(card) => {
            let facts = &card.facts;
            format!(
                "{}\n{} {}, {} parameters\n{} of memory, {} tokens of context",
                card.identity.name,
                facts.architecture,
                facts.precision,
                format::parameters(facts.parameter_count),
                format::bytes(facts.memory_bytes),
                format::count(facts.context_length)
            )
        }
    };
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::accesskit::Role::Button, true, format!("Model: {words}"))
    });
    if response.on_hover_text(&words).clicked() {
        commands.push(ViewCommand::ShowPanel(PanelId::Models));
    }
}

fn adapter_chip_ui(ui: &mut Ui, adapter: &mut AdapterSlot) {
    let p = theme::palette(ui);
    let chip = chip_frame(ui).show(ui, |ui| {
        ui.horizontal(|ui| match adapter {
            AdapterSlot::None => {
                decoration_ui(ui, theme::icon(ui, icons::ADAPTER).color(p.muted));
                ui.add(Label::new(theme::muted(ui, "No adapter")).selectable(false));
            }
            AdapterSlot::Loading { name } => {
                decoration_ui(ui, theme::icon(ui, icons::ADAPTER).color(p.muted));
                let words = theme::muted(ui, format!("Loading {name}…"));
                ui.add(Label::new(words).selectable(false).truncate());
            }
            AdapterSlot::Ready { card, mode } => {
                decoration_ui(ui, theme::icon(ui, icons::ADAPTER).color(p.accent));
                let mut on = *mode == AdapterMode::On;
                let name = card.name.clone();
                let explanation = "Answer with the adapter laid over the model, or without it";
                if switch::switch_ui(ui, &mut on, &name, explanation).changed() {
                    *mode = if on { AdapterMode::On } else { AdapterMode::Off };
                }
            }
        });
    });
    if matches!(adapter, AdapterSlot::None) {
        chip.response.on_hover_text(
            "An adapter is a small layer of changes on top of the model: what training makes",
        );
    }
}

fn zoom_ui(ui: &mut Ui, zoom: f32, ask: &mut impl FnMut(Command)) {
    ui.spacing_mut().item_spacing.x = 2.0;
    if ui.add(ActionButton::only_icon(icons::ADD, "Zoom in")).clicked() {
        ask(Command::View(ViewCommand::ZoomIn));
    }
    let percent = theme::number(format!("{:.0} %", zoom * 100.0));
    let percent = egui::Button::new(percent).frame_when_inactive(false);
    let response = ui.add(percent).on_hover_text("Back to 100 %");
    if response.accessible_name("Zoom reset").clicked() {
        ask(Command::View(ViewCommand::ZoomReset));
    }
    if ui.add(ActionButton::only_icon(icons::SUBTRACT, "Zoom out")).clicked() {
        ask(Command::View(ViewCommand::ZoomOut));
    }
}

fn theme_ui(ui: &mut Ui, theme: Theme, ask: &mut impl FnMut(Command)) {
    let (icon, next, words) = match theme {
        Theme::Light => (icons::LIGHT, Theme::Dark, "Theme: light. Switch to dark"),
        Theme::Dark => (icons::DARK, Theme::Projector, "Theme: dark. Switch to projector"),
        Theme::Projector => (icons::PROJECTOR, Theme::Light, "Theme: projector. Switch to light"),
    };
    if ui.add(ActionButton::only_icon(icon, words)).clicked() {
        ask(Command::View(ViewCommand::SetTheme(next)));
    }
}

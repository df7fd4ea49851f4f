//! Which column of a file is what, over the panel that wants the file.

use eframe::egui;
use eframe::egui::{ComboBox, Grid, Label, Ui};

use super::preview;
use crate::state::AppState;
use crate::state::command::{Commands, MappingCommand};
use crate::state::mapping::{MappingState, Role, Texts, Wanted};
use crate::widgets::button::ActionButton;
use crate::widgets::card;
use crate::widgets::choice::entry_ui;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme;

/// The question, while it is open.
pub fn mapping_ui(ui: &Ui, state: &mut AppState, commands: &mut Commands) {
    let Some(mapping) = &mut state.mapping else { return };
    let modal = egui::Modal::new(egui::Id::unique("columns")).frame(card::frame(ui));
    let modal = modal.show(ui.ctx(), |ui| {
        let room = ui.ctx().content_rect();
        ui.set_width((theme::em(ui) * 44.0).min(room.width() - 96.0));
        // What is decided stays in the window; what it is about scrolls where the window is low.
        let height = room.height() - theme::em(ui) * 9.0;
        let area = egui::ScrollArea::vertical().max_height(height).auto_shrink([false, true]);
        area.show(ui, |ui| question_ui(ui, mapping));
        ui.add_space(theme::GAP);
        buttons_ui(ui, mapping, commands);
    });
    if modal.should_close() {
        commands.push(MappingCommand::Cancel);
    }
}

fn question_ui(ui: &mut Ui, mapping: &mut MappingState) {
    let name = mapping.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    ui.label(theme::title(ui, format!("Which columns of {name}?")));
    ui.add_space(theme::GAP_SMALL);
    ui.add(Label::new(mapping.reason()).wrap());
    ui.label(theme::muted(ui, format!("Read as {}", mapping.report.words())));
    ui.add_space(theme::GAP_SMALL);
    let area = egui::ScrollArea::horizontal().id_salt("first rows");
    area.show(ui, |ui| preview::rows_ui(ui, &mapping.report));
    ui.add_space(theme::GAP);
    kinds_ui(ui, mapping);
    let grid = Grid::new("roles").num_columns(2).spacing([theme::GAP_LARGE, theme::GAP_SMALL]);
    grid.show(ui, |ui| {
        for role in mapping.roles() {
            ui.label(role.words);
            role_ui(ui, mapping, role);
            ui.end_row();
        }
    });
}

/// What the texts are: a dialogue's turns, or text that goes on.
fn kinds_ui(ui: &mut Ui, mapping: &mut MappingState) {
    let segments: Vec<Segment<'_, Texts>> = mapping
        .kinds()
        .iter()
        .map(|kind| {
            let (words, explanation) = match kind {
                Texts::Turns => (
                    "Turns of a dialogue",
                    "A user asks, an assistant answers: they go through the chat template",
                ),
                Texts::Plain => (
                    "Plain text",
                    "The answer goes on where the prompt ends, without a chat template",
                ),
                Texts::Dialogues => (
                    "Whole dialogues",
                    "One column of lists of messages, each with role and content",
                ),
                Texts::Whole => ("Texts", "One column of texts that are learned as a whole"),
            };
            Segment { value: *kind, words, explanation }
        })
        .collect();
    if segments.is_empty() {
        return;
    }
    segmented_ui(ui, &mut mapping.texts, &segments);
    ui.add_space(theme::GAP_SMALL);
}

fn role_ui(ui: &mut Ui, mapping: &mut MappingState, role: Role) {
    let chosen = mapping.column(role).map(str::to_owned);
    let none = if role.is_optional { "none" } else { "choose…" };
    let combo = ComboBox::from_id_salt(role.name)
        .selected_text(chosen.as_deref().unwrap_or(none))
        .width(theme::em(ui) * 16.0)
        .truncate();
    let mut picked = None;
    let shown = combo.show_ui(ui, |ui| {
        if role.is_optional && ui.selectable_label(chosen.is_none(), none).clicked() {
            picked = Some(None);
        }
        for column in &mapping.report.columns {
            let is_chosen = chosen.as_ref() == Some(column);
            if entry_ui(ui, is_chosen, column).clicked() {
                picked = Some(Some(column.clone()));
            }
        }
    });
    let value = chosen.unwrap_or_else(|| none.to_owned());
    shown.response.widget_info(|| {
        let mut info = egui::WidgetInfo::labeled(egui::accesskit::Role::ComboBox, true, role.words);
        info.current_text_value = Some(value.clone());
        info
    });
    if let Some(column) = picked {
        mapping.set(role, column.as_deref());
    }
}

fn buttons_ui(ui: &mut Ui, mapping: &MappingState, commands: &mut Commands) {
    let obstacle = mapping.obstacle();
    ui.horizontal_wrapped(|ui| {
        let words = match mapping.wanted {
            Wanted::Prompts => "Use these prompts",
            Wanted::Training(_) => "Use these rows",
        };
        let usable = ui.add_enabled(obstacle.is_none(), ActionButton::primary(words));
        let usable = match &obstacle {
            Some(obstacle) => usable.on_disabled_hover_text(obstacle.as_str()),
            None => usable,
        };
        if usable.clicked() {
            commands.push(MappingCommand::Use);
        }
        if ui.add(ActionButton::quiet("Cancel")).clicked() {
            commands.push(MappingCommand::Cancel);
        }
        ui.label(theme::muted(ui, "This is remembered for the file"));
    });
}

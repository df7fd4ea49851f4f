//! The bottom bar: a line for each thing that runs, and the last notice. Visible from every panel.

use eframe::egui;
use eframe::egui::{Label, Ui};

use super::notices;
use super::shortcuts;
use crate::state::AppState;
use crate::state::command::{Commands, ViewCommand};
use crate::state::notice::Severity;
use crate::widgets::button::ActionButton;
use crate::widgets::card::decoration_ui;
use crate::widgets::card::key_ui;
use crate::widgets::progress_row::ProgressRow;
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// Draws the bar.
pub fn bottom_bar_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let most = ui.ctx().content_rect().height() * 0.3;
    let area = egui::ScrollArea::vertical().id_salt("activities").max_height(most);
    let area = area.min_scrolled_height(most); // the bar is as high as this asks to be
    if !state.activities.is_empty() {
        area.auto_shrink([false, true]).show(ui, |ui| activities_ui(ui, state, commands));
    }
    let last = state.notices.last();
    if last.is_none() && !state.activities.is_empty() {
        return;
    }
    egui::Sides::new().height(ui.spacing().interact_size.y + 2.0).shrink_left().truncate().show(
        ui,
        |ui| match last {
            Some(notice) => {
                let (ink, _) = notices::tone(notice.severity).colors(&theme::palette(ui));
                let icon = match notice.severity {
                    Severity::Info => icons::INFO,
                    _ => icons::PROBLEM,
                };
                decoration_ui(ui, theme::icon(ui, icon).color(ink));
                ui.add(Label::new(&notice.summary).truncate());
            }
            None => {
                ui.label(theme::muted(ui, "Ready"));
            }
        },
        |ui| {
            let is_narrow = ui.ctx().content_rect().width() < theme::em(ui) * 50.0;
            if let Some(notice) = last.filter(|notice| notice.place != state.prefs.panel) {
                let words = format!("Show in {}", notice.place.name());
                if ui.add(ActionButton::quiet(&words)).clicked() {
                    commands.push(ViewCommand::ShowPanel(notice.place));
                }
            }
            if is_narrow {
                return;
            }
            ui.label(theme::muted(ui, "keys"));
            // While texts are coded, `?` is the guideline.
            key_ui(ui, if state.is_coding() { "F1" } else { "?" });
            ui.add_space(theme::GAP);
            ui.label(theme::muted(ui, "commands"));
            key_ui(ui, &ui.ctx().format_shortcut(&shortcuts::PALETTE));
        },
    );
}

/// A line for each thing that runs.
fn activities_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    for activity in &state.activities {
        let row = ProgressRow {
            what: &activity.what,
            detail: &activity.detail,
            fraction: activity.fraction,
            stoppable: activity.stop.is_some(),
        };
        if row.show(ui)
            && let Some(stop) = &activity.stop
        {
            commands.push(stop.clone());
        }
    }
}

//! What more than one view of the Playground draws or does.

use eframe::egui;
use eframe::egui::Ui;

use crate::panels::sampling;
use crate::state::command::{Commands, PlaygroundCommand};
use crate::state::playground::PlaygroundState;
use crate::state::prefs::Prefs;
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::theme;

/// Goes on with another token at the place that is looked at.
pub fn fork(playground: &mut PlaygroundState, id: u32, commands: &mut Commands) {
    let is_free = !playground.running && !playground.branches.is_running();
    let Some(position) = playground.position().filter(|_| is_free) else { return };
    if let Some(growth) = playground.plant_fork(position, id) {
        commands.push(PlaygroundCommand::Grow(growth));
    }
}

/// The card of the settings.
pub fn settings_ui(ui: &mut Ui, playground: &mut PlaygroundState, prefs: &mut Prefs) {
    card_ui(ui, |ui| {
        let title = theme::title(ui, "Settings");
        egui::Sides::new().show(ui, |ui| ui.label(title), |ui| reset_ui(ui, prefs));
        sampling::sampling_ui(ui, &mut prefs.sampling);
        ui.separator();
        sampling::limits_ui(ui, playground, prefs);
    });
}

fn reset_ui(ui: &mut Ui, prefs: &mut Prefs) {
    let defaults = Prefs::default();
    let changed =
        prefs.sampling != defaults.sampling || prefs.max_new_tokens != defaults.max_new_tokens;
    let reset = ui.add_enabled(changed, ActionButton::quiet("Reset"));
    if reset.on_hover_text("The settings as they were at the first start").clicked() {
        prefs.sampling = defaults.sampling;
        prefs.max_new_tokens = defaults.max_new_tokens;
    }
}

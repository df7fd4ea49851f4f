//! Named settings, in a menu of the settings' heading.

use eframe::egui::containers::menu::{MenuButton, MenuConfig};
use eframe::egui::{Button, PopupCloseBehavior, TextEdit, Ui};

use crate::llm::generate::sampling::SamplingParams;
use crate::prompts::presets::{Preset, ready};
use crate::state::command::{Commands, PlaygroundCommand};
use crate::state::playground::PlaygroundState;
use crate::state::prefs::Prefs;
use crate::widgets::button::ActionButton;
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// Draws the menu. Its button says which preset the settings are, if they are one.
pub fn presets_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    prefs: &mut Prefs,
    commands: &mut Commands,
) {
    let ready = ready();
    let is_now = |preset: &Preset| preset.sampling == prefs.sampling;
    let all = ready.iter().map(|(preset, _)| preset).chain(&playground.presets);
    let now = all.into_iter().find(|preset| is_now(preset)).map(|preset| preset.name.clone());
    let words = now.as_deref().unwrap_or("Presets");
    let button = Button::new(words).frame_when_inactive(false);
    let stays = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
    let mut chosen: Option<SamplingParams> = None;
    let (response, _) = MenuButton::from_button(button).config(stays).ui(ui, |ui| {
        ui.set_min_width(theme::em(ui) * 14.0);
        for (preset, about) in &ready {
            let is_now = now.as_ref() == Some(&preset.name);
            let entry = ui.add(Button::selectable(is_now, &preset.name)).on_hover_text(*about);
            let entry = entry.accessible_name(format!("Preset {}", preset.name));
            if entry.clicked() {
                chosen = Some(preset.sampling.clone());
            }
        }
        if !playground.presets.is_empty() {
            ui.separator();
        }
        for preset in &playground.presets {
            ui.horizontal(|ui| {
                let is_now = now.as_ref() == Some(&preset.name);
                let entry = ui.add(Button::selectable(is_now, &preset.name));
                if entry.accessible_name(format!("Preset {}", preset.name)).clicked() {
                    chosen = Some(preset.sampling.clone());
                }
                let words = format!("Remove the preset {}", preset.name);
                if ui.add(ActionButton::only_icon(icons::DELETE, &words)).clicked() {
                    commands.push(PlaygroundCommand::RemovePreset(preset.name.clone()));
                }
            });
        }
        ui.separator();
        let field = TextEdit::singleline(&mut playground.preset_name)
            .hint_text(theme::muted(ui, "A name for these settings"))
            .desired_width(theme::em(ui) * 14.0);
        ui.add(field).accessible_name("Name of the preset");
        let has_name = !playground.preset_name.trim().is_empty();
        let keep = ui.add_enabled(has_name, ActionButton::new("Save as a preset"));
        let keep = keep.on_hover_text("In the file presets.toml of the project");
        if keep.on_disabled_hover_text("Write a name first").clicked() {
            commands.push(PlaygroundCommand::KeepPreset);
        }
        if chosen.is_some() {
            ui.close();
        }
    });
    let response = response.on_hover_text("Settings under a name: take them, or save these");
    response.accessible_name("Presets");
    if let Some(chosen) = chosen {
        prefs.sampling = chosen;
    }
}

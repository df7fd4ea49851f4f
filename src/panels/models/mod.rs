//! The Models panel: what is on this computer, what the Hub has, what is being downloaded.

mod detail;
mod downloads;
mod filters;
mod find;
mod fit;
mod installed;
mod remote;
mod result;
mod serving;
mod settings;

use eframe::egui::{Sides, Ui};

use crate::state::command::{Commands, ModelsCommand};
use crate::state::hub::HubState;
use crate::state::hub::ModelsTab;
use crate::state::models::ModelsState;
use crate::state::slots::{ModelSlot, Surroundings};
use crate::widgets::button::ActionButton;
use crate::widgets::layout::{Part, Stacked, inset_ui};
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// So high, in lines of text, is a tab at least.
const LEAST_HEIGHT: f32 = 10.0;

/// The same below the settings of the connection, which take most of a low window: else only what a search asks
/// would be seen, and nothing of what it has found.
const LEAST_BELOW_SETTINGS: f32 = 24.0;

/// Draws the panel.
pub fn models_panel_ui(
    ui: &mut Ui,
    models: &mut ModelsState,
    hub: &mut HubState,
    around: Surroundings<'_>,
    commands: &mut Commands,
) {
    let whole = ui.available_height();
    let has_settings = hub.settings.open && hub.tab != ModelsTab::Installed;
    let lines = if has_settings { LEAST_BELOW_SETTINGS } else { LEAST_HEIGHT };
    let least = whole.min(theme::em(ui) * lines);
    Stacked::new("models", least, whole).show(ui, |ui, part| match (part, hub.tab) {
        (Part::Above, _) => inset_ui(ui, |ui| tabs_ui(ui, models, around.model, hub, commands)),
        (Part::Below, _) => {}
        (Part::Rest, ModelsTab::Installed) => {
            installed::installed_ui(ui, models, around.model, commands);
        }
        (Part::Rest, ModelsTab::Find) => find::find_ui(ui, models, hub, commands),
        (Part::Rest, ModelsTab::Downloads) => downloads::downloads_ui(ui, hub, commands),
    });
}

fn tabs_ui(
    ui: &mut Ui,
    models: &mut ModelsState,
    slot: &ModelSlot,
    hub: &mut HubState,
    commands: &mut Commands,
) {
    let roomy = ui.available_width() > theme::em(ui) * 66.0;
    let installed = match models.found.len() {
        0 => "On this computer".to_owned(),
        count => format!("On this computer ({count})"),
    };
    let downloads = match hub.open_downloads() {
        0 => "Downloads".to_owned(),
        count => format!("Downloads ({count})"),
    };
    let tab = hub.tab;
    let HubState { tab: chosen, settings, .. } = hub;
    Sides::new().shrink_left().show(
        ui,
        |ui| {
            let segment = |value, words, explanation| Segment { value, words, explanation };
            let segments = [
                segment(ModelsTab::Installed, &installed, "The models that can be loaded now"),
                segment(ModelsTab::Find, "Find", "Search the Hugging Face Hub"),
                segment(ModelsTab::Downloads, &downloads, "What is being downloaded"),
            ];
            segmented_ui(ui, chosen, &segments);
        },
        |ui| {
            let button = |icon, words| {
                if roomy {
                    ActionButton::new(words).icon(icon)
                } else {
                    ActionButton::only_icon(icon, words)
                }
            };
            if tab != ModelsTab::Installed {
                let words = "Connection settings";
                let about = "The Hub's address, a proxy, the token, offline mode";
                if ui.add(button(icons::SETTINGS, words)).on_hover_text(about).clicked() {
                    settings.open = !settings.open;
                }
                return;
            }
            let refresh = ActionButton::only_icon(icons::REFRESH, "Look for models again");
            if ui.add_enabled(!models.scanning, refresh).clicked() {
                commands.push(ModelsCommand::Refresh);
            }
            let about = "A transformers folder: config.json, *.safetensors, tokenizer.json";
            if ui.add(button(icons::FOLDER, "Use a folder…")).on_hover_text(about).clicked() {
                commands.push(ModelsCommand::ChooseFolder);
            }
            let about = "A GGUF file, anywhere on this disk";
            if ui.add(button(icons::FILE, "Use a file…")).on_hover_text(about).clicked() {
                commands.push(ModelsCommand::ChooseFile);
            }
            if slot.remote().is_none() && !models.remote.is_asked {
                let about = "A model that vLLM, llama.cpp, Ollama, LM Studio, another Tuning Fork or \
                             any other server with OpenAI's interface runs: it answers in the \
                             Playground, in Annotate and in Evaluate";
                let server = button(icons::SERVE, "A model on a server…");
                if ui.add(server).on_hover_text(about).clicked() {
                    models.remote.is_asked = true;
                }
            }
        },
    );
    ui.add_space(theme::GAP);
    if hub.settings.open && hub.tab != ModelsTab::Installed {
        settings::settings_ui(ui, &mut hub.settings, commands);
        ui.add_space(theme::GAP);
    }
}

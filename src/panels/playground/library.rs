//! The prompts of the project and those that are ready-made: found, opened, kept.

use eframe::egui::{Button, Label, TextEdit, Ui};

use super::prompt::prompt_ui;
use super::shared::{instead_ui, search_ui};
use crate::llm::card::ModelCard;
use crate::prompts::library::Entry;
use crate::state::command::{Commands, PlaygroundCommand};
use crate::state::playground::PlaygroundState;
use crate::state::prefs::Prefs;
use crate::widgets::button::ActionButton;
use crate::widgets::layout::{inset_ui, scrolled_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// Draws the list, or the prompt that is open.
pub fn library_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    prefs: &mut Prefs,
    model: &ModelCard,
    commands: &mut Commands,
) {
    if playground.library.open.is_some() {
        let mut goes_back = false;
        inset_ui(ui, |ui| {
            let back = ActionButton::quiet("All prompts").icon(icons::BACK);
            let is_running = playground.library.is_running();
            let back = ui.add_enabled(!is_running, back);
            goes_back = back.on_disabled_hover_text("The prompt is running").clicked();
        });
        scrolled_ui(ui, "prompt", |ui| prompt_ui(ui, playground, prefs, model, commands));
        if goes_back {
            playground.library.open = None;
            commands.push(PlaygroundCommand::ListPrompts);
        }
        return;
    }
    inset_ui(ui, |ui| search_ui(ui, &mut playground.library.query, "Search the prompts"));
    let mut opened: Option<Entry> = None;
    scrolled_ui(ui, "prompts", |ui| {
        let query = playground.library.query.clone();
        let fitting: Vec<&Entry> =
            playground.library.entries.iter().filter(|entry| entry.fits(&query)).collect();
        if fitting.is_empty() {
            instead_ui(ui, "No prompt has these words");
        }
        for entry in fitting {
            if entry_ui(ui, entry) {
                opened = Some(entry.clone());
            }
        }
        ui.add_space(theme::GAP);
        save_ui(ui, playground, commands);
    });
    if let Some(entry) = opened {
        playground.library.open(&entry);
    }
}

/// True: it was clicked.
fn entry_ui(ui: &mut Ui, entry: &Entry) -> bool {
    let button = Button::new(entry.title()).truncate().frame_when_inactive(false);
    let is_usable = entry.material.is_ok();
    let is_clicked = ui.add_enabled(is_usable, button).on_hover_text(&entry.name).clicked();
    match &entry.material {
        Err(why) => {
            let p = theme::palette(ui);
            let words = format!("prompts/{}.toml cannot be used: {why}", entry.name);
            ui.add(Label::new(eframe::egui::RichText::new(words).small().color(p.problem)).wrap());
        }
        Ok(material) => {
            let kind = match material.steps.len() {
                0 => "prompt".to_owned(),
                1 => "chain with tools".to_owned(),
                count => format!("chain of {count} steps"),
            };
            let whose = if entry.path.is_some() { "of the project" } else { "ready-made" };
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 0.0;
                ui.add_space(ui.spacing().button_padding.x); // under the title
                ui.label(theme::muted(ui, format!("{kind} · {whose}")).small());
            });
        }
    }
    ui.add_space(theme::GAP_SMALL);
    is_clicked
}

/// Saves what is in the prompt's field.
fn save_ui(ui: &mut Ui, playground: &mut PlaygroundState, commands: &mut Commands) {
    let has_prompt = !playground.prompt.trim().is_empty();
    ui.label(theme::strong(ui, "Save the prompt in the field"));
    let words = "As a file of the project, with its settings. Write {name} in it for each part that \
                 changes";
    instead_ui(ui, words);
    ui.horizontal_wrapped(|ui| {
        let field = TextEdit::singleline(&mut playground.library.save_name)
            .hint_text(theme::muted(ui, "A name"))
            .desired_width(theme::em(ui) * 12.0);
        ui.add(field).accessible_name("Name of the prompt");
        let has_name = !playground.library.save_name.trim().is_empty();
        let save = ActionButton::new("Save").add_enabled(ui, has_prompt && has_name);
        let obstacle =
            if has_prompt { "Write a name first" } else { "Write a prompt into the field first" };
        if save.on_disabled_hover_text(obstacle).clicked() {
            commands.push(PlaygroundCommand::SavePrompt);
        }
    });
}

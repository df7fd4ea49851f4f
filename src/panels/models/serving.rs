//! "Serve this model…": other programs ask the model in memory as they ask OpenAI's.

use eframe::egui::{Label, Ui};

use crate::state::command::{Commands, ModelsCommand, WindowCommand};
use crate::state::serving::{OpenServer, ServeStatus, ServeTo, ServingState};
use crate::widgets::button::ActionButton;
use crate::widgets::card::{Tone, chip_ui};
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// Draws it under the loaded model.
pub fn serving_ui(ui: &mut Ui, serving: &mut ServingState, commands: &mut Commands) {
    ui.add_space(theme::GAP_SMALL);
    match &serving.status {
        ServeStatus::On(open) => open_ui(ui, open, commands),
        ServeStatus::Starting => {
            ui.label(theme::muted(ui, "The server is being started"));
        }
        ServeStatus::Off if serving.is_asked => ask_ui(ui, serving, commands),
        ServeStatus::Off => {
            let about = "Other programs can then ask this model as they ask OpenAI's: chats, exact \
                         log-probabilities, vectors, labels";
            let button = ActionButton::new("Serve this model…").icon(icons::SERVE);
            if ui.add(button).on_hover_text(about).clicked() {
                serving.is_asked = true;
            }
        }
    }
}

fn ask_ui(ui: &mut Ui, serving: &mut ServingState, commands: &mut Commands) {
    let words = "Programs that know OpenAI's interface (notebooks, editors, lm-evaluation-harness) can \
                 ask this model: chats, completions with the exact log-probabilities of answers and \
                 prompts, vectors, and the probabilities of labels.";
    ui.add(Label::new(words).wrap());
    ui.add_space(theme::GAP_SMALL);
    let segment = |value, words, explanation| Segment { value, words, explanation };
    let segments = [
        segment(ServeTo::ThisComputer, "This computer", "Programs on this computer, without a key"),
        segment(ServeTo::Network, "The network", "Whoever reaches this computer and has the key"),
    ];
    ui.horizontal_wrapped(|ui| {
        ui.label("Who may ask it");
        segmented_ui(ui, &mut serving.to, &segments);
    });
    let words = match serving.to {
        ServeTo::ThisComputer => {
            "No key is needed. Web pages in a browser are refused. Other computers cannot reach it."
        }
        ServeTo::Network => {
            "A key is made and shown. What is sent is not encrypted: use it in a network that you \
             trust. A firewall may ask whether this program may be reached."
        }
    };
    ui.add(Label::new(theme::muted(ui, words)).wrap());
    ui.add_space(theme::GAP_SMALL);
    ui.horizontal_wrapped(|ui| {
        let start = ActionButton::primary("Start the server").icon(icons::SERVE);
        if ui.add(start).clicked() {
            commands.push(ModelsCommand::Serve);
        }
        if ui.add(ActionButton::new("Cancel")).clicked() {
            serving.is_asked = false;
        }
    });
}

fn open_ui(ui: &mut Ui, open: &OpenServer, commands: &mut Commands) {
    ui.horizontal_wrapped(|ui| {
        chip_ui(ui, Tone::Accent, Some(icons::SERVE), "Served");
        ui.label(open.turnout());
    });
    for address in &open.addresses {
        let about = "The address that a program is given as the base URL";
        value_ui(ui, ("Address", address), about, commands);
    }
    if let Some(key) = &open.key {
        value_ui(ui, ("Key", key), "What a program is given as the API key", commands);
    }
    let named = match open.names.as_slice() {
        [name] => format!("Programs call the model {name}, or give no name."),
        names => format!(
            "Programs call the model {}; the second one answers without the adapter.",
            names.join(" or ")
        ),
    };
    ui.add(Label::new(theme::muted(ui, named)).wrap());
    ui.add_space(theme::GAP_SMALL);
    if ui.add(ActionButton::new("Stop the server").icon(icons::STOP)).clicked() {
        commands.push(ModelsCommand::StopServing);
    }
}

/// Something that is copied into another program.
fn value_ui(ui: &mut Ui, (name, value): (&str, &str), about: &str, commands: &mut Commands) {
    ui.horizontal_wrapped(|ui| {
        ui.label(theme::muted(ui, name));
        ui.add(Label::new(theme::strong(ui, value)).wrap()).on_hover_text(about);
        let copy = ActionButton::only_icon(icons::COPY, "Copy");
        let copy = ui.add(copy).on_hover_text(about);
        if copy.accessible_name(format!("Copy {value}")).clicked() {
            commands.push(WindowCommand::CopyText(value.to_owned()));
        }
    });
}

//! What more than one view of the Playground draws or does.

use eframe::egui;
use eframe::egui::{ComboBox, Label, TextEdit, Ui};

use super::presets::presets_ui;
use crate::llm::card::ModelCard;
use crate::panels::sampling;
use crate::state::command::{Commands, PlaygroundCommand};
use crate::state::playground::{Draft, PlaygroundState};
use crate::state::prefs::{Guessing, Prefs};
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::choice::value_ui;
use crate::widgets::switch;
use crate::widgets::switch::Segment;
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
pub fn settings_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    prefs: &mut Prefs,
    (model, commands): (&ModelCard, &mut Commands),
) {
    card_ui(ui, |ui| {
        let title = theme::title(ui, "Settings");
        egui::Sides::new().show(
            ui,
            |ui| ui.label(title),
            |ui| {
                reset_ui(ui, prefs);
                presets_ui(ui, playground, prefs, commands);
            },
        );
        sampling::sampling_ui(ui, &mut prefs.sampling);
        ui.separator();
        sampling::limits_ui(ui, playground, prefs);
        guessing_ui(ui, &playground.drafts, &mut prefs.guessing, model);
    });
}

/// What guesses the next tokens.
pub fn guessing_ui(ui: &mut Ui, drafts: &[Draft], guessing: &mut Guessing, model: &ModelCard) {
    let mut kind = match guessing {
        Guessing::Off => Kind::Off,
        Guessing::Lookup => Kind::Lookup,
        Guessing::Draft(_) => Kind::Draft,
    };
    let before = kind;
    ui.horizontal_wrapped(|ui| {
        let name = Label::new("Guesses").selectable(false).sense(egui::Sense::hover());
        let about = "Tokens that are guessed and then checked by the model several at a time: the answer \
                     comes faster, and is as likely as without. Guessed tokens are underlined";
        ui.add(name).on_hover_text(about);
        // The segments do not go to the next row by themselves.
        if ui.available_size_before_wrap().x < theme::em(ui) * 16.0 {
            ui.end_row();
        }
        switch::segmented_ui(ui, &mut kind, &KINDS);
    });
    if kind != Kind::Off {
        let words = "Also for repeats, for the model that is served, and for the texts and fields that Evaluate \
                     has written";
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
    if kind != before {
        *guessing = match kind {
            Kind::Off => Guessing::Off,
            Kind::Lookup => Guessing::Lookup,
            Kind::Draft => Guessing::Draft(None),
        };
    }
    let Guessing::Draft(chosen) = guessing else { return };
    let suiting: Vec<&Draft> = drafts.iter().filter(|draft| draft.suits(model)).collect();
    if suiting.is_empty() {
        let words = "No model on this disk can guess for this one. It has to have the same vocabulary and to \
                     be half as large at most: fetch a smaller model of the same family in Models, or use \
                     Lookup";
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        return;
    }
    let is_chosen = |draft: &&&Draft| Some(&draft.path) == chosen.as_ref();
    let name = suiting.iter().find(is_chosen).map_or("Choose one", |draft| draft.name.as_str());
    let width = ui.available_width();
    let combo = ComboBox::from_id_salt("draft model").selected_text(name).width(width).truncate();
    let combo = combo.show_ui(ui, |ui| {
        for draft in &suiting {
            value_ui(ui, chosen, Some(draft.path.clone()), &draft.name);
        }
    });
    combo.response.accessible_name("Draft model").on_hover_text(
        "The smaller model that guesses. It is loaded beside the model with the next answer",
    );
}

/// [`Guessing`] without the model.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Off,
    Lookup,
    Draft,
}

const KINDS: [Segment<'_, Kind>; 3] = [
    Segment {
        value: Kind::Off,
        words: "Off",
        explanation: "The model writes each token by itself",
    },
    Segment {
        value: Kind::Lookup,
        words: "Lookup",
        explanation: "Guess what followed the last tokens where they stood before, in the prompt or in the \
                      answer. Good for texts that repeat the prompt. The answer stays the same",
    },
    Segment {
        value: Kind::Draft,
        words: "Draft model",
        explanation: "A smaller model of the same family guesses. A greedy answer stays the same; other \
                      answers are drawn from the same distribution, by other draws",
    },
];

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

/// A field that a list is searched with.
pub fn search_ui(ui: &mut Ui, query: &mut String, name: &str) {
    let field = TextEdit::singleline(query)
        .hint_text(theme::muted(ui, "Search"))
        .desired_width(f32::INFINITY);
    ui.add(field).accessible_name(name);
    ui.add_space(theme::GAP_SMALL);
}

/// A sentence in place of a list.
pub fn instead_ui(ui: &mut Ui, words: &str) {
    ui.add(Label::new(theme::muted(ui, words)).wrap());
}

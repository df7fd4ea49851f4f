//! Look inside: any text, and what the loaded model makes of it, view by view.

mod attention;
mod compare;
mod field;
mod guess;
mod heading;
mod items;
mod leave_one_out;
mod lens;
mod machine;
mod machine_times;
mod map;
mod map_controls;
mod map_lists;
mod map_parts;
mod mask;
mod mask_fit;
mod mask_sides;
mod meaning;
mod page;
mod pair;
mod pair_set;
mod place;
mod surprise;
mod token_sides;
mod tokens;

use eframe::egui::{Key, Modifiers, Ui};

use self::field::{keep_ui, text_field_ui};
use self::page::Page;
use super::no_model::NoModel;
use super::shortcuts;
use crate::llm::card::ModelCard;
use crate::state::command::{Commands, LookInsideCommand};
use crate::state::look_inside::subject::Form;
use crate::state::look_inside::view::View;
use crate::state::look_inside::{LookInsideState, last_answer};
use crate::state::playground::PlaygroundState;
use crate::state::slots::{ModelSlot, Surroundings};
use crate::widgets::button::ActionButton;
use crate::widgets::card::{Tone, card_ui, chip_ui};
use crate::widgets::layout;
use crate::widgets::layout::scrolled_ui;
use crate::widgets::switch::{Segment, segmented_row_ui, segmented_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// The keys of the panel.
pub const KEYS: [(&str, &str); 6] = [
    ("Ctrl+Page Down  Ctrl+Page Up", "The next view, or the one before"),
    ("Left, Right", "The token before or after; in Fill the mask the word"),
    ("M", "In Fill the mask: hide the word that is looked at, or no more"),
    ("R", "In Fill the mask: tell the next hidden word and its guesses"),
    ("H", "In Fill the mask: hide all of them again"),
    ("Esc", "Leave the field, then the token, then stop what is computed"),
];

/// Something to begin with. Ours.
const EXAMPLE: &str = "The library in the old tower opens at nine. Every morning the librarian \
     climbs the stairs, unlocks the door and turns on the lamps, and every evening she locks it \
     again.";

/// Draws the panel.
pub fn look_inside_panel_ui(
    ui: &mut Ui,
    look: &mut LookInsideState,
    playground: &PlaygroundState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    turn_with_keys(ui, look);
    if look.view == View::Map {
        let height = ui.available_height();
        scrolled_ui(ui, "map of texts", |ui| {
            let page = Page { top: ui.cursor().top(), height };
            views_ui(ui, look);
            // An encoder needs no model in memory.
            map::setup_ui(ui, &mut look.map, around, commands);
            ui.add_space(theme::GAP_SMALL);
            map::map_ui(ui, &mut look.map, page, commands);
        });
        return;
    }
    if look.view == View::Mask {
        look.mask.follow(around.model, around.adapter);
        mask::keys(ui, &mut look.mask);
        if look.is_due() {
            commands.push(LookInsideCommand::Renew);
        }
        let height = ui.available_height();
        scrolled_ui(ui, "fill the mask", |ui| {
            let page = Page { top: ui.cursor().top(), height };
            views_ui(ui, look);
            // Either model is enough: the text stands above both.
            mask::setup_ui(ui, look, around, commands);
            ui.add_space(theme::GAP_SMALL);
            mask::mask_ui(ui, look, around, page, commands);
        });
        look.reveals = false;
        return;
    }
    let model = match around.model {
        ModelSlot::Ready(model) => model,
        slot => {
            no_model_ui(ui, slot, look, commands);
            return;
        }
    };
    look.machine.follow(model);
    if look.view == View::Machine {
        if look.is_due() {
            commands.push(LookInsideCommand::Renew);
        }
        let height = ui.available_height();
        scrolled_ui(ui, "the machine", |ui| {
            let page = Page { top: ui.cursor().top(), height };
            views_ui(ui, look);
            if look.has_view() {
                ui.horizontal_wrapped(|ui| keep_ui(ui, commands));
            }
            machine::machine_ui(ui, &mut look.machine, model, page, commands);
        });
        return;
    }
    if look.view == View::PairSet {
        let height = ui.available_height();
        scrolled_ui(ui, "pair lists", |ui| {
            let page = Page { top: ui.cursor().top(), height };
            views_ui(ui, look);
            if look.has_view() {
                ui.horizontal_wrapped(|ui| keep_ui(ui, commands));
            }
            pair_set::pair_set_ui(ui, &mut look.pair_set, page, commands);
        });
        return;
    }
    step_with_keys(ui, look);
    look.follow(around.model, around.adapter);
    if look.is_due() {
        commands.push(LookInsideCommand::Renew);
    }
    let height = ui.available_height();
    scrolled_ui(ui, "look inside", |ui| {
        let page = Page { top: ui.cursor().top(), height };
        views_ui(ui, look);
        text_ui(ui, look, playground, model, around, commands);
        ui.add_space(theme::GAP_SMALL);
        view_ui(ui, look, model, around, page, commands);
    });
    look.reveals = false;
}

fn no_model_ui(ui: &mut Ui, slot: &ModelSlot, look: &mut LookInsideState, commands: &mut Commands) {
    let about =
        "An encoder, which need not be loaded, lays out the texts of a table by what they mean";
    let map = ActionButton::quiet("Map the texts of a table").icon(icons::LOOK);
    let about_masks =
        "A masked model, which is not loaded into the Playground, guesses hidden words";
    let mask = ActionButton::quiet("Fill the mask").icon(icons::LOOK);
    ui.horizontal_wrapped(|ui| {
        if ui.add(map).on_hover_text(about).clicked() {
            look.view = View::Map;
        }
        if ui.add(mask).on_hover_text(about_masks).clicked() {
            look.view = View::Mask;
        }
    });
    ui.add_space(theme::GAP_SMALL);
    let words = NoModel {
        icon: icons::LOOK,
        title: "Look inside a model",
        sentence: "Here you see how a model reads a text: the pieces that it is split into, what \
                   surprises the model, where it looks. It needs a model first.",
        soon: "It can be looked into in a moment.",
    };
    words.show(ui, slot, commands);
}

/// Ctrl+Page Down and Ctrl+Page Up go from view to view, as they go from tab to tab elsewhere.
fn turn_with_keys(ui: &Ui, look: &mut LookInsideState) {
    if layout::is_covered(ui.ctx()) {
        return;
    }
    let pressed = |key: Key| ui.ctx().input_mut(|input| input.consume_key(Modifiers::COMMAND, key));
    let by = isize::from(pressed(Key::PageDown)) - isize::from(pressed(Key::PageUp));
    let at = View::ALL.iter().position(|view| *view == look.view).unwrap_or_default();
    look.view = View::ALL[at.saturating_add_signed(by).min(View::ALL.len() - 1)];
}

/// Arrows go from token to token, unless somebody writes.
fn step_with_keys(ui: &Ui, look: &mut LookInsideState) {
    if ui.ctx().text_edit_focused() || layout::is_covered(ui.ctx()) {
        return;
    }
    let pressed =
        |key: Key| ui.ctx().input_mut(|input| input.count_and_consume_key(Modifiers::NONE, key));
    let by = pressed(Key::ArrowRight).cast_signed() - pressed(Key::ArrowLeft).cast_signed();
    if by != 0 {
        look.step(by);
    }
}

fn text_ui(
    ui: &mut Ui,
    look: &mut LookInsideState,
    playground: &PlaygroundState,
    model: &ModelCard,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let path = model.source.path();
    card_ui(ui, |ui| {
        text_field_ui(ui, look);
        ui.horizontal_wrapped(|ui| {
            let has_text = !look.text.is_empty();
            if look.is_running() {
                let stop = ActionButton::new("Stop").icon(icons::STOP).shortcut("Esc");
                if ui.add(stop).clicked() {
                    commands.push(LookInsideCommand::Stop);
                }
            } else {
                let shortcut = ui.ctx().format_shortcut(&shortcuts::SEND);
                let button = ActionButton::primary("Look").icon(icons::LOOK).shortcut(&shortcut);
                let button = button.add_enabled(ui, has_text);
                if button.on_disabled_hover_text("Write or paste a text first").clicked() {
                    look.look(around.model, around.adapter);
                }
            }
            let is_taken = look.is_taken(path);
            if is_taken {
                let chip =
                    chip_ui(ui, Tone::Info, None, "The Playground's answer, token for token");
                chip.on_hover_text("Once the text is changed, it is split into tokens anew");
            } else {
                form_ui(ui, look, model);
                let is_there = last_answer(playground).is_some();
                let button = ActionButton::quiet("Use the Playground's last answer");
                let button = button.icon(icons::PLAYGROUND).add_enabled(ui, is_there);
                let button = button.on_disabled_hover_text("Nothing was answered there yet");
                if button.on_hover_text("With its prompt, as the model read and wrote it").clicked()
                {
                    look.take(playground, path);
                    look.look(around.model, around.adapter);
                }
            }
            if !has_text && ui.add(ActionButton::quiet("An example")).clicked() {
                EXAMPLE.clone_into(&mut look.text);
                look.look(around.model, around.adapter);
            }
            if look.has_view() {
                keep_ui(ui, commands);
            }
            if has_text && look.question().is_some() && look.is_outdated(path) {
                let key = ui.ctx().format_shortcut(&shortcuts::SEND);
                ui.label(theme::muted(ui, format!("The text has changed since. Press {key}")));
            }
        });
    });
}

fn form_ui(ui: &mut Ui, look: &mut LookInsideState, model: &ModelCard) {
    if !model.facts.has_chat_template {
        look.form = Form::Text;
        return;
    }
    let segments = [
        Segment {
            value: Form::Text,
            words: "As it stands",
            explanation: "The text alone, with what the tokenizer puts around any text",
        },
        Segment {
            value: Form::Question,
            words: "As a question",
            explanation: "Through the chat template: with the turns that the model is asked in",
        },
    ];
    segmented_ui(ui, &mut look.form, &segments);
}

/// First in every view, so that it stays where it is when somebody goes along the views.
fn views_ui(ui: &mut Ui, look: &mut LookInsideState) {
    let segments = View::ALL.map(|view| Segment {
        value: view,
        words: view.name(),
        explanation: view.question(),
    });
    segmented_row_ui(ui, &mut look.view, &segments, "More views");
}

fn view_ui(
    ui: &mut Ui,
    look: &mut LookInsideState,
    model: &ModelCard,
    around: &Surroundings<'_>,
    page: Page,
    commands: &mut Commands,
) {
    match look.view {
        View::Tokens => tokens::tokens_ui(ui, look, model, page, commands),
        View::Surprise => surprise::surprise_ui(ui, look, page),
        View::Guess => guess::guess_ui(ui, look, page),
        View::Attention => attention::attention_ui(ui, look, model, page),
        View::Lens => lens::lens_ui(ui, look, page),
        View::LeaveOneOut => leave_one_out::leave_one_out_ui(ui, look, page),
        View::Pair => {
            if pair::pair_ui(ui, look, page) {
                look.look(around.model, around.adapter);
            }
        }
        View::Meaning => {
            if meaning::meaning_ui(ui, look, model, page) {
                look.look(around.model, around.adapter);
            }
        }
        View::Compare => compare::compare_ui(ui, look, model, around.adapter, page, commands),
        View::Map | View::Mask | View::Machine | View::PairSet => {} // they have pages of their own
    }
}

//! Fill the mask: a text of which words are hidden, and what a masked model and the loaded one guess there.

use eframe::egui::{ComboBox, DragValue, Key, Modifiers, Ui};

use super::field::{keep_ui, text_field_ui};
use super::heading;
use super::mask_fit::fit_ui;
use super::mask_sides::{all_ui, sides_ui};
use super::page::{Page, scrolled_part};
use crate::panels::shortcuts;
use crate::state::command::{Commands, LookInsideCommand};
use crate::state::look_inside::LookInsideState;
use crate::state::look_inside::guess::Rule;
use crate::state::look_inside::mask::{MaskModel, MaskState, Part};
use crate::state::look_inside::view::View;
use crate::state::slots::Surroundings;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{card_ui, title_row_ui};
use crate::widgets::choice::value_ui;
use crate::widgets::format;
use crate::widgets::layout;
use crate::widgets::scale::Scale;
use crate::widgets::switch::{Segment, segmented_ui, switch_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;
use crate::widgets::token_ribbon::{Chip, Mark, Spaces, TokenRibbon};

/// What stands where a word is hidden, however long it is.
const BLANK: &str = " _____";

/// Something to begin with. Ours.
const EXAMPLE: &str = "The library in the old tower opens at nine. Every [MASK] the librarian climbs the \
     stairs, unlocks the door and turns on the lamps.";

/// Words are reached, hidden and told with keys, unless somebody writes.
pub fn keys(ui: &Ui, mask: &mut MaskState) {
    if ui.ctx().text_edit_focused() || layout::is_covered(ui.ctx()) || mask.part != Part::Masks {
        return;
    }
    let pressed =
        |key: Key| ui.ctx().input_mut(|input| input.count_and_consume_key(Modifiers::NONE, key));
    let by = pressed(Key::ArrowRight).cast_signed() - pressed(Key::ArrowLeft).cast_signed();
    if by != 0 {
        mask.step(by);
    }
    if pressed(Key::M) > 0
        && let Some(word) = mask.selected
    {
        mask.toggle(word);
        mask.selected = Some(word);
    }
    if pressed(Key::R) > 0 {
        mask.reveal_next();
    }
    if pressed(Key::H) > 0 {
        mask.hides = true;
        mask.hide_again();
    }
}

/// The text, the masked model, and the buttons.
pub fn setup_ui(
    ui: &mut Ui,
    look: &mut LookInsideState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    card_ui(ui, |ui| {
        text_field_ui(ui, look);
        ui.horizontal_wrapped(|ui| {
            let has_text = !look.text.trim().is_empty();
            let shortcut = ui.ctx().format_shortcut(&shortcuts::SEND);
            if look.mask.is_running() {
                let stop = ActionButton::new("Stop").icon(icons::STOP).shortcut("Esc");
                if ui.add(stop).clicked() {
                    commands.push(LookInsideCommand::Stop);
                }
            } else {
                let button = ActionButton::primary("Look").icon(icons::LOOK).shortcut(&shortcut);
                let button = button.add_enabled(ui, has_text);
                if button.on_disabled_hover_text("Write or paste a text first").clicked() {
                    look.look(around.model, around.adapter);
                }
            }
            model_ui(ui, &mut look.mask, commands);
            if !has_text && ui.add(ActionButton::quiet("An example")).clicked() {
                EXAMPLE.clone_into(&mut look.text);
                look.look(around.model, around.adapter);
            }
            if look.has_view() {
                keep_ui(ui, commands);
            }
            if has_text && !look.mask.text().is_empty() && look.mask.text() != look.text {
                let words = format!("The text has changed since. Press {shortcut}");
                ui.label(theme::muted(ui, words));
            }
        });
    });
}

/// The masked models of this computer, and the one that stays in memory.
fn model_ui(ui: &mut Ui, mask: &mut MaskState, commands: &mut Commands) {
    if mask.models.is_empty() {
        return; // its side of the page says where to get one
    }
    let words =
        |model: &MaskModel| format!("{} ({})", model.name, format::bytes(model.memory_bytes));
    let shown = mask.model().map_or_else(|| "Choose a masked model".to_owned(), words);
    let mut chosen = mask.model().cloned();
    let combo = ComboBox::from_id_salt("masked model").selected_text(shown).truncate();
    let combo = combo.width(theme::em(ui) * 14.0).show_ui(ui, |ui| {
        for model in &mask.models {
            value_ui(ui, &mut chosen, Some(model.clone()), &words(model));
        }
    });
    let hint = "The model that guesses from both sides, with what it takes in memory beside the loaded one";
    combo.response.accessible_name("masked model").on_hover_text(hint);
    mask.choose(chosen);
    if mask.kept().is_some() {
        let free = ActionButton::quiet("Unload").add_enabled(ui, !mask.is_running());
        let about = "Gives the masked model's memory back. What it guessed stays; the next question loads \
                     it again";
        if free.on_hover_text(about).clicked() {
            commands.push(LookInsideCommand::ForgetMasked);
        }
    }
}

pub fn mask_ui(
    ui: &mut Ui,
    look: &mut LookInsideState,
    around: &Surroundings<'_>,
    page: Page,
    commands: &mut Commands,
) {
    let number = look.number();
    let mask = &mut look.mask;
    card_ui(ui, |ui| {
        let segments = [
            Segment {
                value: Part::Masks,
                words: "Hidden words",
                explanation: "What both models guess where words are hidden",
            },
            Segment {
                value: Part::Fit,
                words: "The whole text",
                explanation: "How well a text fits the masked model (pseudo-log-likelihood), and which of \
                              two texts fits better",
            },
        ];
        title_row_ui(ui, View::Mask.question(), |ui| segmented_ui(ui, &mut mask.part, &segments));
        heading::help_ui(ui, View::Mask);
        if mask.part == Part::Fit {
            fit_ui(ui, mask, commands);
            return;
        }
        if mask.words().is_empty() {
            heading::hint_ui(ui, "Write or paste a text above, and press Look");
            // What is missing is said before a text is written.
            ui.add_space(theme::GAP_SMALL);
            sides_ui(ui, mask, around, page, commands);
            return;
        }
        rule_ui(ui, mask);
        ribbon_ui(ui, mask, number, page);
        sides_ui(ui, mask, around, page, commands);
        all_ui(ui, mask);
    });
}

fn rule_ui(ui: &mut Ui, mask: &mut MaskState) {
    // A switch does not wrap: where it has no room in the row, it begins another one.
    let is_narrow = ui.available_width() < theme::em(ui) * 50.0;
    ui.horizontal_wrapped(|ui| {
        let segment = |value, words, explanation| Segment { value, words, explanation };
        let rules = [
            segment(Rule::Clicked, "Words I click", "A click on a word hides it"),
            segment(Rule::Every, "Every n-th word", "Counted from the beginning of the text"),
            segment(Rule::Random, "At random", "As many, drawn"),
        ];
        let before = (mask.game.rule, mask.game.every, mask.game.seed);
        segmented_ui(ui, &mut mask.game.rule, &rules);
        if mask.game.rule != Rule::Clicked {
            let label = ui.label("one of");
            let number = DragValue::new(&mut mask.game.every).range(2..=50).speed(0.05);
            ui.add(number).labelled_by(label.id);
        }
        if mask.game.rule == Rule::Random {
            let label = ui.label("seed");
            ui.add(DragValue::new(&mut mask.game.seed).speed(0.05)).labelled_by(label.id);
            if ui.add(ActionButton::quiet("Draw again").icon(icons::DICE)).clicked() {
                mask.game.seed = mask.game.seed.wrapping_add(1);
            }
        }
        if before != (mask.game.rule, mask.game.every, mask.game.seed) {
            mask.hide_anew();
        }
        if !is_narrow {
            hiding_ui(ui, mask);
        }
    });
    if is_narrow {
        ui.horizontal_wrapped(|ui| hiding_ui(ui, mask));
    }
    ui.add_space(theme::GAP_SMALL);
}

/// Whether words and guesses are hidden until somebody asks for them.
fn hiding_ui(ui: &mut Ui, mask: &mut MaskState) {
    let about = "For a lecture: words and guesses are told one after the other, with the key R";
    switch_ui(ui, &mut mask.hides, "Hide the guesses", about);
    if mask.hides {
        let chosen = mask.chosen();
        let is_hidden = chosen.iter().any(|word| !mask.is_told(*word));
        let reveal = ActionButton::quiet("Reveal the next").shortcut("R");
        if reveal.add_enabled(ui, is_hidden).clicked() {
            mask.reveal_next();
        }
        let again = ActionButton::quiet("Hide again").shortcut("H");
        if again.add_enabled(ui, mask.game.has_revealed()).clicked() {
            mask.hide_again();
        }
    }
}

/// The text; words that are guessed have a number under them.
fn ribbon_ui(ui: &mut Ui, mask: &mut MaskState, number: u64, page: Page) {
    let scale = Scale::here(ui);
    let chosen = mask.chosen();
    let shown: &MaskState = mask;
    let number_of = |at: usize| {
        let word = shown.pieces()[at].word?;
        chosen.iter().position(|chosen| *chosen == word)
    };
    let is_hidden = |at: usize| {
        let word = shown.pieces()[at].word;
        word.is_some_and(|word| shown.is_chosen(word) && !shown.is_told(word))
    };
    let text = |at: usize| if is_hidden(at) { BLANK } else { shown.pieces()[at].text.as_str() };
    let caption =
        |at: usize| number_of(at).map_or_else(String::new, |number| (number + 1).to_string());
    let chip = |at: usize| match number_of(at) {
        Some(_) if is_hidden(at) => Chip { mark: Mark::Hidden, ..Chip::default() },
        Some(_) => Chip { ground: scale.share(0.25), mark: Mark::Hidden, ..Chip::default() },
        None => Chip::default(),
    };
    let spoken = |at: usize| described(shown, at, number_of(at));
    let front = shown.in_front();
    let selected = shown.selected.or(front);
    let selected =
        shown.pieces().iter().position(|piece| piece.word.is_some() && piece.word == selected);
    let room = (page.height * 0.3).max(theme::em(ui) * 6.0);
    let area = scrolled_part("masked text", room);
    let clicked = area.show(ui, |ui| {
        ui.add_space(4.0); // the frame around a word in the first row
        let ribbon = TokenRibbon {
            name: "masked text",
            count: shown.pieces().len(),
            version: (number << 24) ^ shown.version(),
            selected,
            reveals: false,
            spaces: Spaces::Plain,
            text: &|at| text(at),
            caption: Some(&caption),
            chip: &chip,
            spoken: &spoken,
            hover: &|ui, at| _ = ui.label(theme::number(spoken(at))),
        };
        ribbon.show(ui)
    });
    let word = clicked.inner.and_then(|at| mask.pieces()[at].word);
    if let Some(word) = word {
        mask.click(word);
    }
    ui.add_space(theme::GAP_SMALL);
}

/// `Word 3: door, mask 1`
fn described(mask: &MaskState, at: usize, number: Option<usize>) -> String {
    let piece = &mask.pieces()[at];
    let Some(word) = piece.word else { return format!("Between words: {}", piece.text.trim()) };
    let name = format!("Word {}", word + 1);
    match number {
        Some(number) if !mask.is_told(word) => format!("{name}: hidden, mask {}", number + 1),
        Some(number) => format!("{name}: {}, mask {}", mask.word_text(word), number + 1),
        None => format!("{name}: {}", mask.word_text(word)),
    }
}

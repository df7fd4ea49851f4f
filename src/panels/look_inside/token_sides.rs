//! The same text by several tokenizers, and the same sentence in several languages by each of them.

use eframe::egui::{ComboBox, Grid, Label, ScrollArea, Ui, vec2};

use super::heading;
use super::page::{Page, scrolled_part};
use crate::explore::token_sides::{LanguageCost, TokenizerSide, languages};
use crate::llm::card::ModelCard;
use crate::state::command::{Commands, LookInsideCommand};
use crate::state::look_inside::LookInsideState;
use crate::state::look_inside::beside::{Part, ReadBy};
use crate::widgets::button::ActionButton;
use crate::widgets::choice::entry_ui;
use crate::widgets::format;
use crate::widgets::scale::Scale;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;
use crate::widgets::token_flow::{spoken, visible_whitespace};
use crate::widgets::token_ribbon::{Chip, Mark, Spaces, TokenRibbon};

/// Which others stand beside the loaded model's, and what is shown of them.
pub fn choice_ui(
    ui: &mut Ui,
    look: &mut LookInsideState,
    model: &ModelCard,
    commands: &mut Commands,
) {
    let LookInsideState { beside, on_disk, .. } = look;
    let segments = [
        Segment { value: Part::Text, words: "The text", explanation: "Its pieces" },
        Segment {
            value: Part::Languages,
            words: "Languages",
            explanation: "One sentence in 16 languages: what is short in one is long in another",
        },
    ];
    ui.horizontal_wrapped(|ui| {
        segmented_ui(ui, &mut beside.part, &segments);
        let mut removed = None;
        for (at, chosen) in beside.chosen().iter().enumerate() {
            let words = format!("Take {} away", chosen.name);
            ui.label(theme::strong(ui, &chosen.name));
            if ui.add(ActionButton::only_icon(icons::CLOSE, &words)).clicked() {
                removed = Some(at);
            }
        }
        if let Some(at) = removed {
            beside.remove(at);
        }
        if beside.is_full() {
            return;
        }
        let is_there = |path: &std::path::Path| {
            path == model.source.path() || beside.chosen().iter().any(|known| known.path == path)
        };
        let free: Vec<_> = on_disk.iter().filter(|found| !is_there(&found.path)).collect();
        let mut taken = None;
        let combo = ComboBox::from_id_salt("another tokenizer").selected_text("Beside another…");
        let combo = combo.width(theme::em(ui) * 10.0).show_ui(ui, |ui| {
            for found in free {
                if entry_ui(ui, false, &found.name).clicked() {
                    taken = Some((found.name.clone(), found.path.clone()));
                }
            }
        });
        let hint = "The tokenizer of another model of this disk, beside the loaded model's. Its weights are \
                    not loaded";
        combo.response.accessible_name("Another tokenizer").on_hover_text(hint);
        if let Some((name, path)) = taken {
            beside.add(&name, &path);
        }
        let folder = ActionButton::quiet("A folder…").icon(icons::FOLDER);
        let about = "A folder with a tokenizer.json, with a model or without one";
        if folder.add_enabled(ui, true).on_hover_text(about).clicked() {
            commands.push(LookInsideCommand::ChooseTokenizer);
        }
    });
    ui.add_space(theme::GAP_SMALL);
}

/// All of them, one under the other, or by language.
pub fn sides_ui(ui: &mut Ui, look: &LookInsideState, page: Page) {
    let Some(found) = heading::ready_or_why_ui(ui, &look.beside.view) else { return };
    let area = scrolled_part("tokenizers", page.room(ui, 0.0));
    area.show(ui, |ui| match look.beside.part {
        Part::Text => {
            for (at, read) in found.iter().enumerate() {
                side_ui(ui, at, read, look.number());
            }
        }
        Part::Languages => languages_ui(ui, found),
    });
}

fn side_ui(ui: &mut Ui, at: usize, read: &ReadBy, version: u64) {
    let side = match read {
        Ok(side) => side,
        Err((name, why)) => {
            ui.add(Label::new(theme::strong(ui, name)).wrap());
            ui.add(
                Label::new(theme::muted(ui, format!("It could not read the text: {why}"))).wrap(),
            );
            ui.add_space(theme::GAP);
            return;
        }
    };
    ui.add(Label::new(theme::strong(ui, side_words(side))).wrap());
    let scale = Scale::here(ui);
    let list = &side.view.pieces;
    let name = format!("tokenizer {at}");
    ui.push_id(&name, |ui| {
        let ribbon = TokenRibbon {
            name: &name,
            count: list.len(),
            version,
            selected: None,
            reveals: false,
            spaces: Spaces::Marked,
            text: &|at| &list[at].token,
            caption: None,
            chip: &|at| Chip {
                ground: scale.piece(at),
                level: None,
                mark: if list[at].special { Mark::Special } else { Mark::None },
            },
            spoken: &|at| format!("{}: token {}: {}", side.name, at + 1, spoken(&list[at].token)),
            hover: &|ui, at| {
                let piece = &list[at];
                let words = format!("{} · id {}", visible_whitespace(&piece.token), piece.id);
                ui.label(theme::number(words));
            },
        };
        _ = ribbon.show(ui);
    });
    ui.add_space(theme::GAP);
}

/// `SmolLM2-135M: 42 tokens · 1.33 a word · 0.21 a character · a vocabulary of 49,152`.
fn side_words(side: &TokenizerSide) -> String {
    let TokenizerSide { name, vocab_size, view, .. } = side;
    let mut parts = vec![format::counted(view.pieces.len(), "token", "tokens")];
    if let Some(text) = &view.text {
        parts.extend(text.tokens_a_word.map(|rate| format!("{rate:.2} a word")));
        parts.extend(text.tokens_a_character.map(|rate| format!("{rate:.2} a character")));
    }
    parts.push(format!("a vocabulary of {}", format::count(*vocab_size)));
    format!("{name}: {}", parts.join(" · "))
}

/// A row a language, a column a tokenizer: tokens, a word, and times as many as in English.
fn languages_ui(ui: &mut Ui, found: &[ReadBy]) {
    let words = "The first sentence of the Universal Declaration of Human Rights: how many tokens it is, and how \
                 many times as many as in English. So much more is paid for where tokens are paid for, and so \
                 much less fits into the context.";
    heading::hint_ui(ui, words);
    ui.add_space(theme::GAP_SMALL);
    let sides: Vec<&TokenizerSide> = found.iter().filter_map(|read| read.as_ref().ok()).collect();
    for (name, why) in found.iter().filter_map(|read| read.as_ref().err()) {
        ui.add(Label::new(theme::muted(ui, format!("{name}: {why}"))).wrap());
    }
    // Wider than the page where there are many columns: it scrolls, and the page does not.
    ScrollArea::horizontal().id_salt("languages").show(ui, |ui| {
        Grid::new("languages").striped(true).spacing(vec2(theme::GAP_LARGE, 3.0)).show(ui, |ui| {
            ui.label(theme::strong(ui, "Language"));
            for side in &sides {
                ui.label(theme::strong(ui, &side.name));
            }
            ui.end_row();
            for (row, (language, sentence)) in languages().enumerate() {
                ui.label(language).on_hover_text(sentence);
                for cost in sides.iter().filter_map(|side| side.languages.get(row)) {
                    ui.label(cost_words(cost));
                }
                ui.end_row();
            }
        });
    });
}

/// `34 tokens · 2.6 × English · 2.4 a word`.
fn cost_words(cost: &LanguageCost) -> String {
    let LanguageCost { tokens, tokens_a_word, beside_english, .. } = cost;
    let a_word = tokens_a_word.map(|rate| format!(" · {rate:.1} a word")).unwrap_or_default();
    format!("{tokens} tokens · {beside_english:.1} × English{a_word}")
}

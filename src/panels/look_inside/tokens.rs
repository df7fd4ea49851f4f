//! The pieces that the text is split into, each with its number.

use eframe::egui::{Label, Ui};

use super::heading;
use super::page::{Page, scrolled_part};
use super::token_sides;
use crate::explore::tokens::{Piece, TokenView};
use crate::llm::card::ModelCard;
use crate::state::command::Commands;
use crate::state::look_inside::LookInsideState;
use crate::state::look_inside::view::View;
use crate::widgets::card::titled_card_ui;
use crate::widgets::format;
use crate::widgets::scale::Scale;
use crate::widgets::switch::switch_ui;
use crate::widgets::theme;
use crate::widgets::token_flow::{spoken, visible_whitespace};
use crate::widgets::token_ribbon::{Chip, Mark, Spaces, TokenRibbon};

pub fn tokens_ui(
    ui: &mut Ui,
    look: &mut LookInsideState,
    model: &ModelCard,
    page: Page,
    commands: &mut Commands,
) {
    let (version, selected, reveals) = (look.number(), look.selected, look.reveals);
    let mut has_ids = look.shows_ids;
    let aside = |ui: &mut Ui| {
        let about = "Under each piece its number in the vocabulary";
        switch_ui(ui, &mut has_ids, "Show the ids", about);
    };
    let mut clicked = None;
    titled_card_ui(ui, View::Tokens.question(), aside, |ui| {
        heading::help_ui(ui, View::Tokens);
        if look.tokens.ready().is_some() {
            token_sides::choice_ui(ui, look, model, commands);
        }
        if look.tokens.ready().is_some() && look.beside.is_wanted() {
            token_sides::sides_ui(ui, look, page);
            return;
        }
        let has_ids = look.shows_ids;
        let Some(view) = heading::ready_or_why_ui(ui, &look.tokens) else { return };
        counts_ui(ui, view, model.facts.vocab_size);
        let list = &view.pieces;
        if let Some(piece) = selected.and_then(|at| list.get(at)) {
            let words = described(piece, false);
            ui.add(Label::new(theme::number(words).color(theme::palette(ui).accent)).wrap());
        }
        let room = page.room(ui, 0.0);
        let area = scrolled_part("tokens", room);
        area.show(ui, |ui| {
            let scale = Scale::here(ui);
            let caption = |at: usize| list[at].id.to_string();
            let ribbon = TokenRibbon {
                name: "tokens",
                count: list.len(),
                version,
                selected,
                reveals,
                spaces: Spaces::Marked,
                text: &|at| &list[at].token,
                caption: if has_ids { Some(&caption) } else { None },
                chip: &|at| Chip {
                    ground: scale.piece(at),
                    level: None,
                    mark: if list[at].special { Mark::Special } else { Mark::None },
                },
                spoken: &|at| format!("Token {}: {}", at + 1, described(&list[at], true)),
                hover: &|ui, at| _ = ui.label(theme::number(described(&list[at], false))),
            };
            clicked = ribbon.show(ui);
        });
    });
    look.shows_ids = has_ids;
    look.choose(clicked);
}

/// `␣the · id 284 · 4 bytes: 20 74 68 65`.
fn described(piece: &Piece, is_spoken: bool) -> String {
    let text = if is_spoken { spoken(&piece.token) } else { visible_whitespace(&piece.token) };
    let mut parts = vec![text, format!("id {}", piece.id)];
    if piece.special {
        parts.push("special".to_owned());
    }
    if let Some(bytes) = &piece.bytes {
        let count = match bytes.len() {
            1 => "1 byte".to_owned(),
            count => format!("{count} bytes"),
        };
        let hex: Vec<String> = bytes.iter().take(16).map(|byte| format!("{byte:02X}")).collect();
        let more = if bytes.len() > 16 { " …" } else { "" };
        parts.push(format!("{count}: {}{more}", hex.join(" ")));
    }
    parts.join(" · ")
}

/// `42 tokens, 2 of them special · 30 words · 1.33 tokens a word · 188 characters · 190 bytes`.
fn counts_ui(ui: &mut Ui, view: &TokenView, vocab_size: usize) {
    let count = |value: usize, one: &str, many: &str| {
        if value == 1 { format!("1 {one}") } else { format!("{} {many}", format::count(value)) }
    };
    let all = view.pieces.len();
    let special = view.pieces.iter().filter(|piece| piece.special).count();
    let mut parts = vec![count(all, "token", "tokens")];
    if special > 0 {
        parts[0].push_str(&format!(", {special} special"));
    }
    if let Some(text) = &view.text {
        parts.push(count(text.words, "word", "words"));
        parts.extend(text.tokens_a_word.map(|rate| format!("{rate:.2} tokens a word")));
        parts.push(count(text.characters, "character", "characters"));
        parts.push(count(text.bytes, "byte", "bytes"));
    }
    parts.push(format!("a vocabulary of {}", format::count(vocab_size)));
    ui.add(Label::new(theme::strong(ui, parts.join(" · "))).wrap());
    ui.add_space(theme::GAP_SMALL);
}

//! The pieces that the text is split into, each with its number.

use eframe::egui::{Label, Ui};

use super::heading;
use crate::state::look_inside::LookInsideState;
use crate::state::look_inside::tokens::{Piece, Pieces};
use crate::state::look_inside::view::View;
use crate::widgets::card::titled_card_ui;
use crate::widgets::format;
use crate::widgets::scale::Scale;
use crate::widgets::switch::switch_ui;
use crate::widgets::theme;
use crate::widgets::token_flow::{spoken, visible_whitespace};
use crate::widgets::token_ribbon::{Chip, Mark, Spaces, TokenRibbon};

pub fn tokens_ui(ui: &mut Ui, look: &mut LookInsideState) {
    let (version, selected, reveals) = (look.number(), look.selected, look.reveals);
    let has_ids = look.shows_ids;
    let LookInsideState { tokens, shows_ids, .. } = look;
    let aside = |ui: &mut Ui| {
        let about = "Under each piece its number in the vocabulary";
        switch_ui(ui, shows_ids, "Show the ids", about);
    };
    let mut clicked = None;
    titled_card_ui(ui, View::Tokens.question(), aside, |ui| {
        heading::help_ui(ui, View::Tokens);
        let Some(pieces) = heading::ready_or_why_ui(ui, tokens) else { return };
        counts_ui(ui, pieces);
        let scale = Scale::here(ui);
        let list = &pieces.list;
        let caption = |at: usize| list[at].id.to_string();
        let ribbon = TokenRibbon {
            name: "tokens",
            count: list.len(),
            version,
            selected,
            reveals,
            spaces: Spaces::Marked,
            text: &|at| &list[at].text,
            caption: if has_ids { Some(&caption) } else { None },
            chip: &|at| Chip {
                ground: scale.piece(at),
                level: None,
                mark: if list[at].is_special { Mark::Special } else { Mark::None },
            },
            spoken: &|at| format!("Token {}: {}", at + 1, described(&list[at], true)),
            hover: &|ui, at| _ = ui.label(theme::number(described(&list[at], false))),
        };
        clicked = ribbon.show(ui);
    });
    if let Some(token) = clicked {
        look.selected = (look.selected != Some(token)).then_some(token);
    }
}

/// `␣the · id 284 · 4 bytes`.
fn described(piece: &Piece, is_spoken: bool) -> String {
    let text = if is_spoken { spoken(&piece.text) } else { visible_whitespace(&piece.text) };
    let mut parts = vec![text, format!("id {}", piece.id)];
    match piece.byte_count {
        _ if piece.is_special => parts.push("special".to_owned()),
        Some(1) => parts.push("1 byte".to_owned()),
        Some(count) => parts.push(format!("{count} bytes")),
        None => {}
    }
    parts.join(" · ")
}

/// `42 tokens, 2 of them special · 30 words · 1.33 tokens a word · 188 characters · 190 bytes`.
fn counts_ui(ui: &mut Ui, pieces: &Pieces) {
    let count = format::count;
    let mut parts = Vec::new();
    parts.push(match (pieces.list.len(), pieces.special_count()) {
        (1, 0) => "1 token".to_owned(),
        (all, 0) => format!("{} tokens", count(all)),
        (all, special) => format!("{} tokens, {special} of them special", count(all)),
    });
    parts.push(format!("{} words", count(pieces.words)));
    parts.extend(pieces.tokens_a_word().map(|rate| format!("{rate:.2} tokens a word")));
    parts.push(format!("{} characters", count(pieces.characters)));
    parts.push(format!("{} bytes", count(pieces.bytes)));
    parts.push(format!("a vocabulary of {}", count(pieces.vocabulary)));
    ui.add(Label::new(theme::strong(ui, parts.join(" · "))).wrap());
    ui.add_space(theme::GAP_SMALL);
}

//! One text by several tokenizers, as a figure and as a table.

use super::cells::{cell, header, maybe};
use super::drawing::{COOL, GREEN, INK, MUTED, SMALL, WARM, flow, mixed, pixels, visible};
use super::font;
use super::sheet::{MARGIN, Sheet};
use crate::explore::token_sides::TokenizerSide;
use crate::state::look_inside::beside::Part;

/// Of a column of the languages.
const COLUMN: i32 = 220;

pub(super) fn tokenizers(sheet: &mut Sheet, top: i32, sides: &[TokenizerSide], part: Part) {
    match part {
        Part::Text => text(sheet, top, sides),
        Part::Languages => languages(sheet, top, sides),
    }
}

fn text(sheet: &mut Sheet, top: i32, sides: &[TokenizerSide]) {
    let mut y = top;
    for side in sides {
        let count = side.view.pieces.len();
        let a_word = side.view.text.and_then(|text| text.tokens_a_word);
        let a_word = a_word.map(|rate| format!(", {rate:.2} a word")).unwrap_or_default();
        let words = format!("{}: {count} tokens{a_word}", side.name);
        sheet.text((MARGIN, y), SMALL, INK, &words);
        let chips = side.view.pieces.iter().enumerate().map(|(at, piece)| {
            let ground = mixed([COOL, GREEN, WARM, MUTED][at % 4], 0.2);
            (visible(&piece.token), piece.id.to_string(), ground)
        });
        flow(sheet, y + 22, &chips.collect::<Vec<_>>());
        y = sheet.height + 6;
    }
}

/// A row a language with a bar for each tokenizer: times as many tokens as in English.
fn languages(sheet: &mut Sheet, top: i32, sides: &[TokenizerSide]) {
    let name_width = 110;
    sheet.width = (2 * MARGIN + name_width + COLUMN * pixels(sides.len())).max(sheet.width);
    let most = sides.iter().flat_map(|side| &side.languages).map(|cost| cost.beside_english);
    let most = most.fold(1.0, f64::max);
    for (column, side) in sides.iter().enumerate() {
        let left = MARGIN + name_width + pixels(column) * COLUMN;
        let name = font::shortened(&side.name, SMALL, COLUMN - 12);
        sheet.text((left, top), SMALL, INK, &name);
        for (row, cost) in side.languages.iter().enumerate() {
            let y = top + 24 + pixels(row) * 22;
            if column == 0 {
                sheet.text((MARGIN, y), SMALL, INK, &cost.language);
            }
            let room = f64::from(COLUMN - 120);
            let width = (room * cost.beside_english / most).round() as i32;
            sheet.rect((left, y), (width.max(1), 16), mixed(COOL, 0.5));
            let words = format!("{} ({:.1} times)", cost.tokens, cost.beside_english);
            sheet.text((left + width + 6, y), SMALL, INK, &words);
        }
    }
}

/// A row a token, or a language; of each tokenizer.
pub(super) fn rows(sides: &[TokenizerSide], part: Part) -> Vec<Vec<String>> {
    match part {
        Part::Text => {
            let names = ["tokenizer", "vocabulary", "position", "id", "token", "special"];
            let rows = sides.iter().flat_map(|side| {
                side.view.pieces.iter().enumerate().map(|(at, piece)| {
                    vec![
                        cell(&side.name),
                        side.vocab_size.to_string(),
                        at.to_string(),
                        piece.id.to_string(),
                        cell(&piece.token),
                        piece.special.to_string(),
                    ]
                })
            });
            std::iter::once(header(&names)).chain(rows).collect()
        }
        Part::Languages => {
            let mut names = header(&["tokenizer", "language", "tokens", "tokens_a_word"]);
            names.extend(header(&["tokens_a_character", "beside_english"]));
            let rows = sides.iter().flat_map(|side| {
                side.languages.iter().map(|cost| {
                    vec![
                        cell(&side.name),
                        cost.language.clone(),
                        cost.tokens.to_string(),
                        maybe(cost.tokens_a_word),
                        cost.tokens_a_character.to_string(),
                        cost.beside_english.to_string(),
                    ]
                })
            });
            std::iter::once(names).chain(rows).collect()
        }
    }
}

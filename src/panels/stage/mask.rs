//! Hidden words on the stage: a masked model guesses from both sides, beside it one that writes, from the left.

use eframe::egui::{Align2, Color32, Rect};

use super::bars::{Line, line};
use super::pen::{LARGE, Pen, SMALL, hidden, percent, token};
use super::text::{Chip, flow};
use crate::explore::mask::{Guessed, Side};
use crate::explore::mask_words::{pieces, words};
use crate::lecture::played::FilledView;
use crate::widgets::format;

/// Guesses of each model that have room.
const ROWS: usize = 4;

/// The text with gaps; what was revealed last, with what both models guess, stands below.
pub fn mask(pen: &Pen<'_>, room: Rect, view: &FilledView, revealed: usize) {
    let words = words(&view.text);
    let number_of =
        |word: usize| view.hidden.iter().position(|hidden| *hidden == words[word].characters);
    let chips = pieces(&view.text, &words).into_iter().map(|piece| {
        let number = piece.word.and_then(number_of);
        let is_gap = number.is_some_and(|number| number >= revealed);
        let text = if is_gap { format!(" {}", "_".repeat(6)) } else { piece.text };
        let ground = match number {
            Some(_) if is_gap => pen.p.info_soft,
            Some(_) => pen.p.chosen_soft,
            None => Color32::TRANSPARENT,
        };
        Chip {
            spoken: if is_gap { "a hidden word".to_owned() } else { text.clone() },
            text,
            ground,
            caption: String::new(),
            is_framed: false,
        }
    });
    let (text, foot) = room.split_top_bottom_at_y(room.bottom() - pen.of(300.0));
    flow(pen, text, &chips.collect::<Vec<_>>(), "");
    let Some(word) = revealed.checked_sub(1).and_then(|last| view.hidden.get(last)) else {
        hidden(pen, foot);
        return;
    };
    let (left, right) = foot.split_left_right_at_fraction(0.5);
    let gap = pen.of(20.0);
    side(pen, left.with_max_x(left.right() - gap), "Both sides", &view.both, view.both.at(word));
    side(
        pen,
        right.with_min_x(right.left() + gap),
        "From the left",
        &view.left,
        view.left.at(word),
    );
}

/// What one model guesses at a word.
fn side(pen: &Pen<'_>, room: Rect, name: &str, side: &Side, place: Option<&Guessed>) {
    let title = format!("{name}: {}", side.model);
    let title =
        pen.text_within(room.min, Align2::LEFT_TOP, &title, SMALL, pen.p.strong, room.width());
    let room = room.with_min_y(title.bottom() + pen.of(4.0));
    let token_of = place.and_then(|place| place.tokens.first());
    let (Some(place), Some(first)) = (place, token_of) else {
        pen.paragraph(room, "Nothing stands before it", SMALL, pen.p.muted);
        return;
    };
    let words = match (place.rank(), place.probability) {
        (Some(rank), Some(share)) => {
            format!("The word: {}, number {}", percent(share), format::count(rank))
        }
        (None, Some(share)) => {
            format!("The word: {}, {} tokens", percent(share), place.tokens.len())
        }
        _ => "Nobody knows the word".to_owned(),
    };
    let words =
        pen.text_within(room.min, Align2::LEFT_TOP, &words, SMALL, pen.p.muted, room.width());
    let room = room.with_min_y(words.bottom() + pen.of(6.0));
    let most = first.top.first().map_or(1.0, |guess| guess.probability).max(1e-9);
    let step = room.height() / ROWS as f32;
    let own = first.own.as_ref().map(|own| own.id);
    for (row, guess) in first.top.iter().take(ROWS).enumerate() {
        let top = room.top() + step * row as f32;
        let bar = Line {
            name: token(&guess.token),
            value: percent(guess.probability),
            share: (guess.probability / most) as f32,
            faint: None,
            color: if own == Some(guess.id) { pen.p.chosen } else { pen.p.accent },
            is_struck: false,
        };
        let row = Rect::from_x_y_ranges(room.x_range(), top..=top + step);
        let number = pen.width("< 0.1 %", LARGE) + pen.of(14.0);
        line(pen, row, &bar, [pen.of(190.0), number]);
    }
}

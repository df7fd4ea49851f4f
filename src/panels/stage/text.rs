//! Texts on the stage: their tokens with a colour and a number, hidden words, branches.

use eframe::egui::{Align2, Color32, Rect, pos2, vec2};

use super::pen::{LARGE, Pen, SMALL, hidden, percent, token, token_spoken};
use crate::explore::compare::TextComparison;
use crate::explore::surprise::SurpriseView;
use crate::explore::tokens::TokenView;
use crate::explore::tree::TreeView;
use crate::lecture::played::GuessView;
use crate::widgets::format;

/// A piece of a text.
pub(super) struct Chip {
    pub text: String,
    pub ground: Color32,

    /// A number under it.
    pub caption: String,
    pub is_framed: bool,
    pub spoken: String,
}

/// Sizes that are tried, the largest that fits is taken.
const SIZES: [f32; 4] = [48.0, 42.0, LARGE, SMALL];

pub fn words(pen: &Pen<'_>, room: Rect, words: &str) {
    let lines: Vec<&str> = words.trim().lines().collect();
    let tall = |size: f32| {
        let height = |line: &&str| {
            pen.galley(line, size, pen.p.text, room.width(), 20).size().y + pen.of(size * 0.5)
        };
        lines.iter().map(height).sum::<f32>()
    };
    let size = SIZES.into_iter().find(|size| tall(*size) <= room.height()).unwrap_or(SMALL);
    let mut top = room.top() + ((room.height() - tall(size)) * 0.35).max(0.0);
    for line in lines {
        let place = Rect::from_min_max(pos2(room.left(), top), room.max);
        top += pen.paragraph(place, line, size, pen.p.text) + pen.of(size * 0.5);
    }
}

#[expect(clippy::fn_params_excessive_bools, reason = "a setting, and whether it is revealed")]
pub fn tokens(pen: &Pen<'_>, room: Rect, view: &TokenView, ids: bool, is_hidden: bool) {
    if is_hidden {
        let text: String = view.pieces.iter().map(|piece| piece.token.as_str()).collect();
        pen.paragraph(room, &text, LARGE, pen.p.text);
        return;
    }
    let chips = view.pieces.iter().enumerate().map(|(at, piece)| Chip {
        text: token(&piece.token),
        ground: pen.scale.piece(at),
        caption: if ids { piece.id.to_string() } else { String::new() },
        is_framed: piece.special,
        spoken: format!("Token {}: {}, id {}", at + 1, token_spoken(&piece.token), piece.id),
    });
    let count = format::counted(view.pieces.len(), "token", "tokens");
    let foot = match &view.text {
        Some(text) => {
            let words = format::counted(text.words, "word", "words");
            let characters = format::counted(text.characters, "character", "characters");
            format!("{count} for {words}, {characters}")
        }
        None => count,
    };
    flow(pen, room, &chips.collect::<Vec<_>>(), &foot);
}

pub fn surprise(pen: &Pen<'_>, room: Rect, view: &SurpriseView, is_hidden: bool) {
    let chips = view.tokens.iter().enumerate().map(|(at, text)| {
        let bits = view.surprisal[at].filter(|_| !is_hidden);
        Chip {
            text: token(text),
            ground: pen.scale.surprise(bits.unwrap_or(0.0) as f32),
            caption: bits.map(|bits| format!("{bits:.1}")).unwrap_or_default(),
            is_framed: false,
            spoken: match bits {
                Some(bits) => format!("{}: {bits:.1} bits", token_spoken(text)),
                None => token_spoken(text),
            },
        }
    });
    let foot = match view.perplexity.filter(|_| !is_hidden) {
        Some(perplexity) => {
            format!("{:.1} bits a token: perplexity {perplexity:.1}", perplexity.log2())
        }
        None => String::new(),
    };
    flow(pen, room, &chips.collect::<Vec<_>>(), &foot);
}

pub fn adapter(pen: &Pen<'_>, room: Rect, view: &TextComparison, is_hidden: bool) {
    let chips = view.tokens.iter().enumerate().map(|(at, text)| {
        let bits = view.difference[at].map(|nats| nats / std::f64::consts::LN_2);
        let bits = bits.filter(|_| !is_hidden);
        let caption = bits.map(format::signed).unwrap_or_default();
        Chip {
            text: token(text),
            ground: pen.scale.difference((bits.unwrap_or(0.0) / 3.0) as f32),
            spoken: format!("{}: {caption} bits", token_spoken(text)),
            caption,
            is_framed: false,
        }
    });
    let summary = &view.summary;
    let foot = match (summary.perplexity_a, summary.perplexity_b) {
        (Some(with), Some(without)) if !is_hidden => {
            format!("Perplexity: base {without:.1}, with the adapter {with:.1}")
        }
        _ => String::new(),
    };
    flow(pen, room, &chips.collect::<Vec<_>>(), &foot);
}

/// The text with gaps; what was revealed last, with the model's guesses, stands below.
pub fn guess(pen: &Pen<'_>, room: Rect, view: &GuessView, revealed: usize) {
    let mut chips: Vec<Chip> = Vec::new();
    for (at, text) in view.tokens.iter().enumerate() {
        let word = view.hidden.iter().position(|word| word.tokens.contains(&at));
        let is_gap = word.is_some_and(|word| word >= revealed);
        let is_first = word.is_some_and(|word| view.hidden[word].tokens.start == at);
        if is_gap && !is_first {
            continue;
        }
        let shown = if is_gap { format!(" {}", "_".repeat(6)) } else { text.clone() };
        let ground = match word {
            Some(_) if is_gap => pen.p.info_soft,
            Some(_) => pen.p.chosen_soft,
            None => Color32::TRANSPARENT,
        };
        chips.push(Chip {
            text: shown.clone(),
            ground,
            caption: String::new(),
            is_framed: false,
            spoken: if is_gap { "a hidden word".to_owned() } else { shown },
        });
    }
    let foot_height = pen.of(250.0);
    let (text, foot) = room.split_top_bottom_at_y(room.bottom() - foot_height);
    flow(pen, text, &chips, "");
    let Some(word) = revealed.checked_sub(1).and_then(|last| view.hidden.get(last)) else {
        hidden(pen, foot);
        return;
    };
    let own = view.tokens[word.tokens.clone()].concat();
    let words = format!(
        "The model gave \u{201c}{}\u{201d} {}. It guessed:",
        own.trim(),
        percent(word.probability)
    );
    let rect =
        pen.text_within(foot.min, Align2::LEFT_TOP, &words, SMALL, pen.p.strong, foot.width());
    let most = word.guesses.first().map_or(1.0, |guess| guess.probability).max(1e-9);
    let step = (foot.bottom() - rect.bottom()) / 4.0;
    for (row, guess) in word.guesses.iter().take(4).enumerate() {
        let middle = rect.bottom() + step * (row as f32 + 0.5);
        let line = super::bars::Line {
            name: token(&guess.token),
            value: percent(guess.probability),
            share: (guess.probability / most) as f32,
            faint: None,
            color: if guess.id == view.ids[word.tokens.start] {
                pen.p.chosen
            } else {
                pen.p.accent
            },
            is_struck: false,
        };
        let row = Rect::from_x_y_ranges(foot.x_range(), middle - step / 2.0..=middle + step / 2.0);
        let number = pen.width("< 0.1 %", LARGE) + pen.of(14.0);
        super::bars::line(pen, row, &line, [pen.of(300.0), number]);
    }
}

/// A row a branch.
pub fn tree(pen: &Pen<'_>, room: Rect, prompt: &str, view: &TreeView, is_hidden: bool) {
    let height = pen.paragraph(room, &format!("{prompt} …"), LARGE, pen.p.strong);
    let room = room.with_min_y(room.top() + height + pen.of(16.0));
    if is_hidden {
        hidden(pen, room);
        return;
    }
    let roots: Vec<_> = view.nodes.iter().filter(|node| node.depth == 1).collect();
    let step = (room.height() / roots.len().max(1) as f32).min(pen.of(130.0));
    for (row, root) in roots.iter().enumerate() {
        let top = room.top() + row as f32 * step;
        let mut left = room.left();
        let mut at = Some(*root);
        while let Some(node) = at {
            let text = token(&node.token);
            let share = node.logprob.exp();
            let number = percent(share);
            let width = pen.width(&text, LARGE).max(pen.width(&number, SMALL)) + pen.of(20.0);
            if left + width > room.right() {
                pen.text(pos2(left, top), Align2::LEFT_TOP, "…", LARGE, pen.p.text);
                break;
            }
            let rect = Rect::from_min_size(pos2(left, top), vec2(width, pen.line_height(LARGE)));
            pen.painter.rect_filled(rect, pen.of(6.0), pen.scale.share(share as f32));
            pen.text(rect.center(), Align2::CENTER_CENTER, &text, LARGE, pen.p.text);
            let below = pos2(rect.center().x, rect.bottom());
            pen.text(below, Align2::CENTER_TOP, &number, SMALL, pen.p.muted);
            // The likelier, the wider.
            let next = view.nodes.iter().find(|other| other.parent == Some(node.node));
            if let Some(next) = next {
                let end = pos2(rect.right() + pen.of(28.0), rect.center().y);
                let width = pen.of(2.0 + 8.0 * next.logprob.exp() as f32);
                pen.painter.line_segment([rect.right_center(), end], (width, pen.p.accent));
            }
            left = rect.right() + pen.of(28.0);
            at = next;
        }
    }
}

/// Chips one after the other, as large as there is room for, and a line under them.
pub(super) fn flow(pen: &Pen<'_>, room: Rect, chips: &[Chip], foot: &str) {
    let foot_height = if foot.is_empty() { 0.0 } else { pen.line_height(SMALL) + pen.of(8.0) };
    let text = room.with_max_y(room.bottom() - foot_height);
    let has_captions = chips.iter().any(|chip| !chip.caption.is_empty());
    let fits = |size: f32| placed(pen, text, chips, size, has_captions).len() == chips.len();
    let size = SIZES.into_iter().find(|size| fits(*size)).unwrap_or(SMALL);
    let places = placed(pen, text, chips, size, has_captions);
    for (chip, rect) in chips.iter().zip(&places) {
        let line = rect.with_max_y(rect.top() + pen.line_height(size));
        pen.painter.rect_filled(line, pen.of(4.0), chip.ground);
        if chip.is_framed {
            let stroke = (pen.of(3.0), pen.p.accent);
            pen.painter.rect_stroke(line, pen.of(4.0), stroke, eframe::egui::StrokeKind::Inside);
        }
        let galley = pen.galley(&chip.text, size, pen.p.text, f32::INFINITY, 1);
        let at = Align2::CENTER_CENTER.anchor_size(line.center(), galley.size()).min;
        pen.painter.galley(at, galley, pen.p.text);
        pen.say(line, &chip.spoken);
        if !chip.caption.is_empty() {
            let at = pos2(line.center().x, line.bottom());
            let galley = pen.galley(&chip.caption, SMALL, pen.p.muted, f32::INFINITY, 1);
            let at = Align2::CENTER_TOP.anchor_size(at, galley.size()).min;
            pen.painter.galley(at, galley, pen.p.muted);
        }
    }
    let left = chips.len() - places.len();
    let foot = match left {
        0 => foot.to_owned(),
        left => format!("{left} more tokens have no room on the stage: shorten the text"),
    };
    if !foot.is_empty() {
        let at = pos2(room.left(), room.bottom());
        pen.text_within(at, Align2::LEFT_BOTTOM, &foot, SMALL, pen.p.strong, room.width());
    }
}

/// Where chips go in this size: as many as fit.
fn placed(pen: &Pen<'_>, room: Rect, chips: &[Chip], size: f32, captions: bool) -> Vec<Rect> {
    let caption_height = if captions { pen.line_height(SMALL) } else { 0.0 };
    let height = pen.line_height(size) + caption_height;
    let step = height + pen.of(10.0);
    let gap = pen.of(if captions { 6.0 } else { 1.0 });
    let (mut left, mut top) = (room.left(), room.top());
    let mut places = Vec::with_capacity(chips.len());
    for chip in chips {
        let caption = if chip.caption.is_empty() { 0.0 } else { pen.width(&chip.caption, SMALL) };
        let width = pen.width(&chip.text, size).max(caption) + pen.of(6.0);
        if left + width > room.right() && left > room.left() {
            (left, top) = (room.left(), top + step);
        }
        if top + height > room.bottom() + 0.5 {
            break;
        }
        places.push(Rect::from_min_size(pos2(left, top), vec2(width, height)));
        left += width + gap;
    }
    places
}

//! Models beside each other on the stage: their tokenizers, where they differ on a text, where a pass spends
//! its time.

use eframe::egui::{Align2, Rect, pos2, vec2};

use super::pen::{LARGE, Pen, SMALL, hidden, percent, token, token_spoken};
use super::text::{Chip, flow};
use crate::explore::machine::Kind;
use crate::explore::pair_set::{AnswerEstimate, PLACE, PairSetView};
use crate::explore::pass_times::{PassTimes, Timed};
use crate::explore::two_models::{Found, ModelSide, TwoModels};
use crate::lecture::played::TokenizersView;
use crate::widgets::format;

/// One under the other, each with its count.
pub fn tokenizers(pen: &Pen<'_>, room: Rect, view: &TokenizersView, is_hidden: bool) {
    let step = room.height() / view.sides.len().max(1) as f32;
    for (at, side) in view.sides.iter().enumerate() {
        let top = room.top() + at as f32 * step;
        let place = Rect::from_min_size(pos2(room.left(), top), vec2(room.width(), step));
        let count = side.view.pieces.len();
        let words = if is_hidden {
            side.name.clone()
        } else {
            let a_word = side.view.text.and_then(|text| text.tokens_a_word);
            let a_word = a_word.map(|rate| format!(", {rate:.1} a word")).unwrap_or_default();
            format!("{}: {count} tokens{a_word}", side.name)
        };
        pen.text_within(place.min, Align2::LEFT_TOP, &words, SMALL, pen.p.strong, room.width());
        if is_hidden {
            continue;
        }
        let chips = side.view.pieces.iter().enumerate().map(|(at, piece)| Chip {
            text: token(&piece.token),
            ground: pen.scale.piece(at),
            caption: String::new(),
            is_framed: piece.special,
            spoken: format!("{}, token {}: {}", side.name, at + 1, token_spoken(&piece.token)),
        });
        let below = place.with_min_y(top + pen.line_height(SMALL) + pen.of(4.0));
        let below = below.with_max_y(place.bottom() - pen.of(12.0));
        flow(pen, below, &chips.collect::<Vec<_>>(), "");
    }
}

/// The text with its differences, and under it what the two take.
pub fn two_models(pen: &Pen<'_>, room: Rect, view: &TwoModels, is_hidden: bool) {
    if is_hidden {
        hidden(pen, room);
        return;
    }
    let lines = 4.0;
    let foot = lines * pen.line_height(SMALL) + pen.of(16.0);
    let text = room.with_max_y(room.bottom() - foot);
    let chip = |words: &str, nats: Option<f64>| {
        let bits = nats.map(|nats| nats / std::f64::consts::LN_2);
        let caption = bits.map(format::signed).unwrap_or_default();
        Chip {
            text: token(words),
            ground: pen.scale.difference((bits.unwrap_or(0.0) / 3.0) as f32),
            spoken: format!("{}: {caption} bits", token_spoken(words)),
            caption,
            is_framed: false,
        }
    };
    let (chips, summary): (Vec<Chip>, String) = match &view.found {
        Found::Tokens { text, .. } => {
            let chips = text.tokens.iter().zip(&text.difference);
            let found = &text.summary;
            let words = format!(
                "Same likeliest token {} · of the ten likeliest {} · mean KL {:.3} nats{}",
                percent(found.top_1_agreement),
                percent(found.top_10_agreement),
                found.mean_kl_ab,
                perplexities(found.perplexity_a, found.perplexity_b)
            );
            (chips.map(|(token, nats)| chip(token, *nats)).collect(), words)
        }
        Found::Words(found) => {
            let chips = found.words.iter().map(|word| chip(&word.word, word.difference));
            let found = &found.summary;
            let words = format!(
                "Different vocabularies: compared by words{}",
                perplexities(found.perplexity_a, found.perplexity_b)
            );
            (chips.collect(), words)
        }
    };
    flow(pen, text, &chips, "");
    let mut top = room.bottom() - foot + pen.of(12.0);
    for words in [side_words("First", &view.a), side_words("Second", &view.b), summary] {
        let place = Rect::from_min_max(pos2(room.left(), top), room.max);
        top += pen.paragraph(place, &words, SMALL, pen.p.text);
    }
}

fn perplexities(a: Option<f64>, b: Option<f64>) -> String {
    match (a, b) {
        (Some(a), Some(b)) => format!(" · perplexity {a:.1} and {b:.1}"),
        _ => String::new(),
    }
}

/// `First: SmolLM2-135M, Q4_1, 98 MB, writes 40 tokens a second`.
fn side_words(place: &str, side: &ModelSide) -> String {
    let speed = side.writes_a_second.map(|rate| format!(", writes {rate:.0} tokens a second"));
    let (name, size) = (&side.name, format::bytes(side.memory_bytes));
    format!("{place}: {name}, {}, {size}{}", side.weights, speed.unwrap_or_default())
}

/// Each answer with how much likelier it is after the first word of a pair.
pub fn pair_set(pen: &Pen<'_>, room: Rect, view: &PairSetView, is_hidden: bool) {
    let words = format!(
        "{} of {} · for example: {}",
        format::counted(view.set.pairs.len(), "pair", "pairs"),
        format::counted(view.set.templates.len(), "template", "templates"),
        view.set
            .templates
            .first()
            .zip(view.set.pairs.first())
            .map_or_else(String::new, |(text, pair)| { text.replace(PLACE, &format!("[{pair}]")) })
    );
    let height =
        pen.paragraph(room.with_max_y(room.top() + pen.of(80.0)), &words, SMALL, pen.p.muted);
    let room = room.with_min_y(room.top() + height + pen.of(12.0));
    if is_hidden {
        hidden(pen, room);
        return;
    }
    let bits = |nats: f64| nats / std::f64::consts::LN_2;
    let reach = |answer: &AnswerEstimate| {
        let ends = answer.difference.interval.unwrap_or([answer.difference.mean; 2]);
        ends.into_iter().map(|end| bits(end).abs()).fold(0.1, f64::max)
    };
    let most = view.answers.iter().map(reach).fold(0.1, f64::max);
    let names = view.answers.iter().map(|answer| pen.width(&token(&answer.answer), SMALL));
    let names = names.fold(0.0, f32::max) + pen.of(24.0);
    let numbers = pen.width("+00.0", SMALL) + pen.of(16.0);
    let half = (room.width() - names - numbers) / 2.0;
    let middle = room.left() + names + half;
    let step = (room.height() / view.answers.len().max(1) as f32).min(pen.of(64.0));
    pen.painter.vline(
        middle,
        room.top()..=room.top() + step * view.answers.len() as f32,
        (pen.of(2.0), pen.p.line),
    );
    for (at, answer) in view.answers.iter().enumerate() {
        let y = room.top() + (at as f32 + 0.5) * step;
        let x = |nats: f64| middle + half * (bits(nats) / most) as f32;
        let left = pos2(room.left(), y);
        pen.text(left, Align2::LEFT_CENTER, &token(&answer.answer), SMALL, pen.p.text);
        let mean = answer.difference.mean;
        let ink = if mean < 0.0 { pen.p.rejected } else { pen.p.chosen };
        if let Some([low, high]) = answer.difference.interval {
            pen.painter.hline(x(low)..=x(high), y, (pen.of(4.0), ink));
        }
        pen.painter.circle_filled(pos2(x(mean), y), pen.of(9.0), ink);
        let right = pos2(room.right(), y);
        let words = format::signed(bits(mean));
        pen.text(right, Align2::RIGHT_CENTER, &words, SMALL, pen.p.text);
    }
}

/// Reading at the left, writing at the right: a bar a part.
pub fn times(pen: &Pen<'_>, room: Rect, times: &PassTimes, is_hidden: bool) {
    let half = room.width() / 2.0 - pen.of(16.0);
    let writing = room.with_min_x(room.right() - half);
    let reading = room.with_max_x(room.left() + half);
    let sides = times.reading.iter().map(|timed| (reading, timed, "Reading", "together"));
    for (room, timed, what, how) in
        sides.chain([(writing, &times.writing, "Writing", "one after the other")])
    {
        let words = format!("{what} {} tokens {how}", timed.tokens);
        let height = pen.paragraph(room, &words, SMALL, pen.p.muted);
        let millis = timed.secs_a_token() * 1000.0;
        let at = pos2(room.left(), room.top() + height);
        let words = format!("{millis:.2} ms a token");
        pen.text(at, Align2::LEFT_TOP, &words, LARGE, pen.p.strong);
        let room = room.with_min_y(at.y + pen.line_height(LARGE) + pen.of(8.0));
        if is_hidden {
            hidden(pen, room);
        } else {
            bars(pen, room, timed);
        }
    }
}

fn bars(pen: &Pen<'_>, room: Rect, timed: &Timed) {
    let step = (room.height() / timed.parts.len().max(1) as f32).min(pen.of(64.0));
    let names = pen.width("Sums and norms", SMALL) + pen.of(16.0);
    let numbers = pen.width("100 %", SMALL) + pen.of(16.0);
    let width = (room.width() - names - numbers).max(pen.of(20.0));
    for (at, part) in timed.parts.iter().enumerate() {
        let middle = room.top() + (at as f32 + 0.5) * step;
        let name = name(part.kind);
        pen.text(pos2(room.left(), middle), Align2::LEFT_CENTER, name, SMALL, pen.p.text);
        let bar = Rect::from_min_size(
            pos2(room.left() + names, middle - step * 0.3),
            vec2(width * part.share.clamp(0.0, 1.0) as f32, step * 0.6),
        );
        pen.painter.rect_filled(bar, pen.of(4.0), pen.p.accent);
        let at = pos2(bar.right() + pen.of(10.0), middle);
        pen.text(at, Align2::LEFT_CENTER, &percent(part.share), SMALL, pen.p.text);
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Embedding => "Embedding",
        Kind::Attention => "Attention",
        Kind::Recurrence => "Recurrent",
        Kind::Mlp => "MLP",
        Kind::Experts => "Experts",
        Kind::Head => "Head",
        Kind::Positions | Kind::Norm | Kind::Other => "Sums and norms",
    }
}

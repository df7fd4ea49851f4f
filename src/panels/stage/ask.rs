//! A question to the room: what is asked, how to join, and once it is revealed the counts.

use eframe::egui::{Rect, pos2};

use super::bars::{Line, line};
use super::join;
use super::pen::{LARGE, Pen, SMALL, percent};
use crate::room::ballots::Tally;
use crate::room::question::Kind;
use crate::state::room::OpenRoom;
use crate::widgets::format;

/// The scene's question.
pub struct Ask<'a> {
    pub text: &'a str,
    pub about: &'a str,
    pub kind: &'a Kind,
}

/// `tally`: its counts, where the room has been asked.
pub fn ask(
    pen: &Pen<'_>,
    room: Rect,
    ask: &Ask<'_>,
    open: Option<&OpenRoom>,
    tally: Option<&Tally>,
    is_hidden: bool,
) {
    let room = match open {
        Some(open) if is_hidden => join::beside(pen, room, open),
        _ => room,
    };
    let mut top = room.top();
    let mut write = |words: &str, size: f32, ink, most: f32| {
        if words.trim().is_empty() {
            return;
        }
        let bottom = (top + most).min(room.bottom());
        let place = Rect::from_min_max(pos2(room.left(), top), pos2(room.right(), bottom));
        top += pen.paragraph(place, words, size, ink) + pen.of(16.0);
    };
    let most = room.height();
    write(ask.text, LARGE, pen.p.strong, most * 0.35);
    write(ask.about, SMALL, pen.p.muted, most * if is_hidden { 0.35 } else { 0.2 });
    let left = room.with_min_y(top);
    match (is_hidden, tally) {
        (false, Some(tally)) => counts(pen, left, ask.kind, tally),
        _ => answers(pen, left, ask.kind),
    }
}

/// What can be answered.
fn answers(pen: &Pen<'_>, room: Rect, kind: &Kind) {
    let mut top = room.top();
    let mut write = |words: &str, room: Rect, size: f32| {
        let place = Rect::from_min_max(pos2(room.left(), top), room.max);
        if place.height() > pen.line_height(size) {
            top += pen.paragraph(place, words, size, pen.p.text) + pen.of(10.0);
        }
    };
    match kind {
        Kind::Pair { left, right } => {
            let (one, other) = room.split_left_right_at_fraction(0.5);
            let gap = pen.of(16.0);
            for (words, side) in [
                (left, one.with_max_x(one.right() - gap)),
                (right, other.with_min_x(other.left() + gap)),
            ] {
                pen.painter.rect_stroke(
                    side,
                    pen.of(8.0),
                    (pen.of(2.0), pen.p.line),
                    eframe::egui::StrokeKind::Inside,
                );
                pen.paragraph(side.shrink(pen.of(16.0)), words, SMALL, pen.p.text);
            }
        }
        Kind::Choice { options, other } => {
            let size = if options.len() > 5 { SMALL } else { LARGE };
            for option in options {
                write(&format!("•  {option}"), room, size);
            }
            if *other {
                write("•  another word", room, size);
            }
        }
        Kind::Scale { low, high, low_words, high_words } => {
            let end = |step: &i64, words: &str| match words {
                "" => step.to_string(),
                words => format!("{step}: {words}"),
            };
            write(&format!("{}   …   {}", end(low, low_words), end(high, high_words)), room, LARGE);
        }
        Kind::Words => {}
    }
}

fn counts(pen: &Pen<'_>, room: Rect, kind: &Kind, tally: &Tally) {
    let votes = format::counted(tally.votes, "answer", "answers");
    let foot = match tally.mean {
        Some(mean) => format!("{votes}, mean {mean:.1}"),
        None => votes,
    };
    let rect = pen.text_within(
        pos2(room.left(), room.bottom()),
        eframe::egui::Align2::LEFT_BOTTOM,
        &foot,
        SMALL,
        pen.p.strong,
        room.width(),
    );
    let room = room.with_max_y(rect.top() - pen.of(8.0));
    let most = ((room.height() / pen.of(46.0)) as usize).max(1);
    let name = |label: &str| match (kind, label) {
        (Kind::Pair { left, .. }, "left") => beginning(left),
        (Kind::Pair { right, .. }, "right") => beginning(right),
        (Kind::Pair { .. }, _) => "equally good".to_owned(),
        (_, label) => beginning(label),
    };
    let lines: Vec<Line> = tally
        .bars
        .iter()
        .take(most)
        .map(|bar| {
            let share = bar.votes as f64 / tally.votes.max(1) as f64;
            Line {
                name: name(&bar.label),
                value: format!("{} · {}", bar.votes, percent(share)),
                share: share as f32,
                faint: None,
                color: pen.p.accent,
                is_struck: false,
            }
        })
        .collect();
    let step = (room.height() / lines.len().max(1) as f32).min(pen.of(64.0));
    let widest = lines.iter().map(|of| pen.width(&of.name, LARGE)).fold(0.0, f32::max);
    let names = (widest + pen.of(20.0)).min(room.width() * 0.5);
    let numbers = lines.iter().map(|of| pen.width(&of.value, LARGE)).fold(0.0, f32::max);
    for (at, of) in lines.iter().enumerate() {
        let row = Rect::from_min_max(
            pos2(room.left(), room.top() + at as f32 * step),
            pos2(room.right(), room.top() + (at + 1) as f32 * step),
        );
        line(pen, row, of, [names, numbers + pen.of(14.0)]);
    }
}

/// So much of an answer that it is known again.
fn beginning(text: &str) -> String {
    const MOST: usize = 44;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= MOST {
        return text;
    }
    let kept: String = text.chars().take(MOST - 1).collect();
    format!("{kept}…")
}

/// The room's guesses under the bars of the model, in a line.
pub fn guesses(pen: &Pen<'_>, room: Rect, tally: &Tally) -> Rect {
    let shown: Vec<String> = tally
        .bars
        .iter()
        .filter(|bar| bar.votes > 0)
        .take(8)
        .map(|bar| format!("{} {}", bar.label, bar.votes))
        .collect();
    let words = if shown.is_empty() {
        "The room has not guessed".to_owned()
    } else {
        format!("The room ({} answers): {}", tally.votes, shown.join(" · "))
    };
    let at = pos2(room.left(), room.bottom());
    let align = eframe::egui::Align2::LEFT_BOTTOM;
    let rect = pen.text_within(at, align, &words, SMALL, pen.p.strong, room.width());
    room.with_max_y(rect.top() - pen.of(10.0))
}

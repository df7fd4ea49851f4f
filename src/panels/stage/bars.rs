//! Bars on the stage: what comes next, at several temperatures, after two prompts, without a word.

use eframe::egui::{Align2, Color32, Rect, pos2, vec2};

use super::pen::{LARGE, Pen, SMALL, hidden, percent, token};
use crate::explore::leave_one_out::{LeaveOneOutView, PartLeftOut};
use crate::explore::next_token::NextComparison;
use crate::lecture::next::{NextView, TemperaturesView};
use crate::widgets::format;

/// A bar with its name at the left and its number at its end.
pub struct Line {
    pub name: String,
    pub value: String,

    /// Of the width, 0 to 1.
    pub share: f32,

    /// Another value behind it, lighter.
    pub faint: Option<f32>,
    pub color: Color32,

    /// The name is crossed out.
    pub is_struck: bool,
}

/// Draws a bar over `row`, whose name and whose number have so much room.
pub fn line(pen: &Pen<'_>, row: Rect, line: &Line, [name_width, number_width]: [f32; 2]) {
    let middle = row.center().y;
    let size = if row.height() >= pen.line_height(LARGE) { LARGE } else { SMALL };
    let at = pos2(row.left() + name_width - pen.of(12.0), middle);
    let room = name_width - pen.of(12.0);
    let ink = if line.is_struck { pen.p.muted } else { pen.p.text };
    let name = pen.text_within(at, Align2::RIGHT_CENTER, &line.name, size, ink, room);
    if line.is_struck {
        pen.painter.hline(name.x_range(), middle, (pen.of(3.0), pen.p.rejected));
    }
    let left = row.left() + name_width;
    let room = (row.width() - name_width - number_width).max(1.0);
    let height = (row.height() * 0.7).min(pen.of(52.0));
    let bar = |share: f32| {
        let width = (room * share.clamp(0.0, 1.0)).max(pen.of(3.0));
        Rect::from_min_size(pos2(left, middle - height / 2.0), vec2(width, height))
    };
    let mut end = left;
    let mut fill = |rect: Rect, color: Color32, is_outlined: bool| {
        pen.painter.rect_filled(rect, pen.of(4.0), color);
        if is_outlined {
            let stroke = (pen.of(2.0), pen.p.outline);
            pen.painter.rect_stroke(rect, pen.of(4.0), stroke, eframe::egui::StrokeKind::Inside);
        }
        end = end.max(rect.right());
    };
    // The shorter one in front, so that both are seen.
    let faint_is_behind = line.faint.is_some_and(|faint| faint > line.share);
    if let Some(faint) = line.faint.filter(|_| faint_is_behind) {
        fill(bar(faint), pen.p.accent_soft, true);
    }
    if line.share > 0.0 || line.faint.is_none() {
        fill(bar(line.share), line.color, false);
    }
    if let Some(faint) = line.faint.filter(|_| !faint_is_behind) {
        fill(bar(faint), pen.p.accent_soft, true);
    }
    let at = pos2(end + pen.of(12.0), middle);
    pen.text(at, Align2::LEFT_CENTER, &line.value, size, pen.p.text);
}

/// Lines under each other, as high as there is room for.
fn lines(pen: &Pen<'_>, room: Rect, all: &[Line]) {
    let step = (room.height() / all.len().max(1) as f32).min(pen.of(64.0));
    let widest = all.iter().map(|line| pen.width(&line.name, LARGE)).fold(0.0, f32::max);
    let name_width = (widest + pen.of(20.0)).min(room.width() * 0.4);
    // The same for all: else their lengths could not be compared.
    let numbers = all.iter().map(|line| pen.width(&line.value, LARGE)).fold(0.0, f32::max);
    let number_width = numbers + pen.of(14.0);
    for (at, bar) in all.iter().enumerate() {
        let top = room.top() + at as f32 * step;
        let row = Rect::from_min_size(pos2(room.left(), top), vec2(room.width(), step));
        line(pen, row, bar, [name_width, number_width]);
    }
}

pub fn next(pen: &Pen<'_>, room: Rect, text: &str, view: &NextView, is_hidden: bool) {
    let room = prompt(pen, room, text);
    if is_hidden {
        hidden(pen, room);
        return;
    }
    let most = view.bars.iter().map(|bar| bar.before.max(bar.after)).fold(1e-9, f64::max);
    let is_changed = view.kept_count < view.vocab_size
        || view.bars.iter().any(|bar| (bar.before - bar.after).abs() > 1e-4);
    let bars = view.bars.iter().map(|bar| Line {
        name: token(&bar.token),
        value: match (&bar.removed_by, is_changed) {
            (Some(stage), _) => format!("{} · removed by {stage}", percent(bar.before)),
            (None, true) => format!("{}, then {}", percent(bar.before), percent(bar.after)),
            (None, false) => percent(bar.before),
        },
        share: (if is_changed { bar.after } else { bar.before } / most) as f32,
        faint: is_changed.then_some((bar.before / most) as f32),
        color: pen.p.accent,
        is_struck: bar.removed_by.is_some(),
    });
    let bars: Vec<Line> = bars.collect();
    let foot = if is_changed {
        format!(
            "{} of {} tokens are left, with {} of the probability",
            format::count(view.kept_count),
            format::count(view.vocab_size),
            percent(view.kept_mass)
        )
    } else {
        let all = format::count(view.vocab_size);
        format!("{:.1} bits are open, over all {all} tokens", view.entropy)
    };
    let room = foot_line(pen, room, &foot);
    // Numbers with words need more room than a bar leaves.
    lines(pen, room, &bars);
}

pub fn temperatures(
    pen: &Pen<'_>,
    room: Rect,
    text: &str,
    view: &TemperaturesView,
    is_hidden: bool,
) {
    let room = prompt(pen, room, text);
    if is_hidden {
        hidden(pen, room);
        return;
    }
    let widest =
        view.rows.iter().map(|row| pen.width(&token(&row.token), SMALL)).fold(0.0, f32::max);
    let name_width = (widest + pen.of(20.0)).min(room.width() * 0.3);
    let count = view.temperatures.len().max(1) as f32;
    let column = (room.width() - name_width) / count;
    let head = pen.line_height(SMALL) * 2.0;
    for (at, temperature) in view.temperatures.iter().enumerate() {
        let left = room.left() + name_width + at as f32 * column;
        let words = format!("Temperature {temperature}");
        pen.text(pos2(left, room.top()), Align2::LEFT_TOP, &words, SMALL, pen.p.strong);
        let words = format!("entropy {:.1} bits", view.entropy[at]);
        let below = pos2(left, room.top() + pen.line_height(SMALL));
        pen.text(below, Align2::LEFT_TOP, &words, SMALL, pen.p.muted);
    }
    let rows = room.with_min_y(room.top() + head + pen.of(8.0));
    let step = (rows.height() / view.rows.len().max(1) as f32).min(pen.of(60.0));
    let all = view.rows.iter().flat_map(|row| &row.probabilities);
    let most = all.copied().fold(1e-9, f64::max);
    for (at, row) in view.rows.iter().enumerate() {
        let middle = rows.top() + step * (at as f32 + 0.5);
        let place = pos2(room.left() + name_width - pen.of(12.0), middle);
        let name = token(&row.token);
        pen.text_within(place, Align2::RIGHT_CENTER, &name, SMALL, pen.p.text, name_width);
        for (column_at, share) in row.probabilities.iter().enumerate() {
            let left = room.left() + name_width + column_at as f32 * column;
            let number_width = pen.width("100 %", SMALL) + pen.of(30.0);
            let width = ((column - number_width) * (share / most) as f32).max(pen.of(3.0));
            let height = step * 0.65;
            let bar = Rect::from_min_size(pos2(left, middle - height / 2.0), vec2(width, height));
            pen.painter.rect_filled(bar, pen.of(4.0), pen.p.accent);
            let at = pos2(bar.right() + pen.of(10.0), middle);
            pen.text(at, Align2::LEFT_CENTER, &percent(*share), SMALL, pen.p.text);
        }
    }
}

/// Two prompts: at the left what A makes likelier, at the right B; sorted by the difference.
pub fn pair(
    pen: &Pen<'_>,
    room: Rect,
    prompts: [&String; 2],
    view: &NextComparison,
    is_hidden: bool,
) {
    let half = room.width() / 2.0;
    let inks = [pen.p.rejected, pen.p.chosen];
    let marks = ["Left: ", "Right: "];
    for (side, words) in prompts.into_iter().enumerate() {
        let left = room.left() + side as f32 * half;
        let words = format!("{}{words} …", marks[side]);
        let at = pos2(left, room.top());
        pen.text_within(at, Align2::LEFT_TOP, &words, LARGE, inks[side], half - pen.of(20.0));
    }
    let room = room.with_min_y(room.top() + pen.line_height(LARGE) + pen.of(12.0));
    if is_hidden {
        hidden(pen, room);
        return;
    }
    let foot = format!(
        "Total variation {}; KL {:.2} bits (left from right)",
        percent(view.divergence.total_variation),
        view.divergence.kl_ab / std::f64::consts::LN_2
    );
    let room = foot_line(pen, room, &foot);
    let shown = view.likeliest((room.height() / pen.of(46.0)).floor().max(1.0) as usize);
    let step = (room.height() / shown.len().max(1) as f32).min(pen.of(60.0));
    let names = shown.iter().map(|pair| pen.width(&token(&pair.token), SMALL));
    let name_width = (names.fold(0.0, f32::max) + pen.of(24.0)).min(room.width() * 0.3);
    let most = shown.iter().map(|pair| pair.logprob_a.max(pair.logprob_b).exp());
    let most = most.fold(1e-9, f64::max);
    let number_width = pen.width("100 %", SMALL) + pen.of(16.0);
    let side_room = (room.width() - name_width) / 2.0 - number_width;
    for (at, pair) in shown.iter().enumerate() {
        let middle = room.top() + step * (at as f32 + 0.5);
        let place = pos2(room.center().x, middle);
        let name = token(&pair.token);
        pen.text_within(place, Align2::CENTER_CENTER, &name, SMALL, pen.p.text, name_width);
        let height = step * 0.65;
        for (side, logprob) in [pair.logprob_a, pair.logprob_b].into_iter().enumerate() {
            let share = logprob.exp();
            let width = (side_room * (share / most) as f32).max(pen.of(3.0));
            let sign = if side == 0 { -1.0 } else { 1.0 };
            let begin = room.center().x + sign * name_width / 2.0;
            let end = begin + sign * width;
            let bar = Rect::from_two_pos(
                pos2(begin, middle - height / 2.0),
                pos2(end, middle + height / 2.0),
            );
            pen.painter.rect_filled(bar, pen.of(4.0), inks[side]);
            let align = if side == 0 { Align2::RIGHT_CENTER } else { Align2::LEFT_CENTER };
            let at = pos2(end + sign * pen.of(10.0), middle);
            pen.text(at, align, &percent(share), SMALL, pen.p.text);
        }
    }
}

pub fn leave_one_out(
    pen: &Pen<'_>,
    room: Rect,
    view: &LeaveOneOutView,
    answer: &str,
    is_hidden: bool,
) {
    let prompt: String = view.tokens[..view.answer.start].concat();
    let words = format!("{} \u{2026} {}", prompt.trim(), answer.trim());
    let height =
        pen.paragraph(room.with_max_y(room.top() + pen.of(100.0)), &words, LARGE, pen.p.strong);
    let room = room.with_min_y(room.top() + height + pen.of(12.0));
    if is_hidden {
        hidden(pen, room);
        return;
    }
    let bits = |nats: Option<f64>| nats.unwrap_or(0.0) / std::f64::consts::LN_2;
    let whole = format!("With all words the answer has {}", percent(view.logprob.exp()));
    let rows = ((room.height() - pen.line_height(SMALL)) / pen.line_height(SMALL)).floor();
    let kept = strongest(view, (rows.max(2.0) as usize) - 1);
    let foot = if kept.len() < view.parts.len() {
        format!("{whole}. The {} strongest of {} words", kept.len(), view.parts.len())
    } else {
        whole
    };
    let room = foot_line(pen, room, &foot);
    let most = view.parts.iter().map(|part| bits(part.difference).abs()).fold(1e-9, f64::max);
    let bars = kept.into_iter().map(|part| {
        let bits = bits(part.difference);
        let text: String = view.tokens[part.tokens.clone()].concat();
        Line {
            name: text.trim().to_owned(),
            value: if bits < 0.0 { format!("\u{2212}{:.1}", -bits) } else { format!("{bits:.1}") },
            share: (bits.abs() / most) as f32,
            faint: None,
            color: if bits < 0.0 { pen.p.rejected } else { pen.p.chosen },
            is_struck: false,
        }
    });
    lines(pen, room, &bars.collect::<Vec<_>>());
}

/// The words that the answer hangs on most, in the order of the text.
fn strongest(view: &LeaveOneOutView, most: usize) -> Vec<&PartLeftOut> {
    let mut places = view.by_strength();
    places.truncate(most);
    places.sort_unstable();
    places.into_iter().map(|at| &view.parts[at]).collect()
}

/// The prompt over the bars. What is left.
fn prompt(pen: &Pen<'_>, room: Rect, text: &str) -> Rect {
    let most = room.top() + pen.line_height(LARGE) * 2.2;
    let words = format!("{} …", text.trim_end());
    let height = pen.paragraph(room.with_max_y(most), &words, LARGE, pen.p.strong);
    room.with_min_y(room.top() + height + pen.of(12.0))
}

/// A line at the foot. What is left over it.
fn foot_line(pen: &Pen<'_>, room: Rect, words: &str) -> Rect {
    let at = pos2(room.left(), room.bottom());
    let rect = pen.text_within(at, Align2::LEFT_BOTTOM, words, SMALL, pen.p.strong, room.width());
    room.with_max_y(rect.top() - pen.of(10.0))
}

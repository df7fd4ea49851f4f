//! Pictures on the stage: a map of meanings, and the machine.

use eframe::egui::{Align2, Color32, Rect, pos2, vec2};

use super::pen::{LARGE, Pen, SMALL, hidden, percent};
use crate::lecture::machine::MachineView;
use crate::lecture::played::MapView;
use crate::widgets::format;
use crate::widgets::word_places::{Sizes, is_far, word_places};

/// Items as words where they lie; words that would lie over another are moved off it.
pub fn meaning(pen: &Pen<'_>, room: Rect, view: &MapView, is_hidden: bool) {
    if is_hidden {
        let words = view.items.join(", ");
        let height = pen.paragraph(room, &words, LARGE, pen.p.text);
        hidden(pen, room.with_min_y(room.top() + height));
        return;
    }
    let [one, other] = view.variance_share;
    let foot = format!(
        "Hidden states of layer {}; the two directions hold {} and {} of all differences",
        view.layer,
        percent(one),
        percent(other)
    );
    let at = pos2(room.left(), room.bottom());
    let foot = pen.text_within(at, Align2::LEFT_BOTTOM, &foot, SMALL, pen.p.strong, room.width());
    let room = room.with_max_y(foot.top() - pen.of(12.0));
    pen.painter.rect_stroke(room, 0.0, (pen.of(2.0), pen.p.line), eframe::egui::StrokeKind::Inside);
    let widest = view.items.iter().map(|item| pen.width(item, SMALL)).fold(0.0, f32::max);
    let inside =
        room.shrink2(vec2((widest / 2.0 + pen.of(24.0)).min(room.width() * 0.3), pen.of(44.0)));
    let range = |axis: usize| {
        let values = view.coordinates.iter().map(|place| place[axis]);
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let most = values.fold(f64::NEG_INFINITY, f64::max);
        (least, (most - least).max(1e-9))
    };
    let ranges = [range(0), range(1)];
    let share =
        |place: &[f64; 2], axis: usize| ((place[axis] - ranges[axis].0) / ranges[axis].1) as f32;
    let line = pen.line_height(SMALL);
    let dot_of = |place: &[f64; 2]| {
        pos2(
            inside.left() + share(place, 0) * inside.width(),
            inside.bottom() - share(place, 1) * inside.height(),
        )
    };
    let words: Vec<_> = view
        .items
        .iter()
        .zip(&view.coordinates)
        .map(|(item, place)| (dot_of(place), vec2(pen.width(item, SMALL), line)))
        .collect();
    let sizes = Sizes { line, gap: pen.of(16.0), dot: pen.of(14.0) };
    let places = word_places(room, &words, sizes);
    for ((item, (dot, _)), rect) in view.items.iter().zip(words).zip(places) {
        if is_far(rect, dot, line) {
            pen.painter.line_segment([dot, rect.center()], (pen.of(1.5), pen.p.outline));
            pen.painter.rect_filled(rect, 0.0, pen.p.card);
        }
        pen.painter.circle_filled(dot, pen.of(7.0), pen.p.accent);
        pen.text(rect.center(), Align2::CENTER_CENTER, item, SMALL, pen.p.text);
    }
}

/// The parts from the top to the bottom, with what each of them does.
pub fn machine(pen: &Pen<'_>, room: Rect, view: &MachineView) {
    let words = format!(
        "{} · {} parameters · {} as {}",
        view.name,
        format::parameters(view.parameter_count),
        format::bytes(view.memory_bytes),
        view.precision
    );
    let height =
        pen.paragraph(room.with_max_y(room.top() + pen.of(100.0)), &words, LARGE, pen.p.strong);
    let room = room.with_min_y(room.top() + height + pen.of(14.0));
    let (count, width) = (format::count(view.vocab_size), format::count(view.width));
    let parts: [(&str, String, Color32); 5] = [
        ("Tokenizer", format!("text to numbers, one of {count}"), pen.p.info_soft),
        ("Embedding", format!("each number to a vector of {width} values"), pen.p.accent_soft),
        (
            "Layers",
            format!("{} times: {} heads of attention, then an MLP", view.layer_count, view.heads),
            pen.p.chosen_soft,
        ),
        ("Head", format!("the last vector to {count} scores"), pen.p.rejected_soft),
        ("Sampler", "scores to probabilities, and one token is picked".to_owned(), pen.p.info_soft),
    ];
    let step = room.height() / parts.len() as f32;
    let box_height = step - pen.of(22.0);
    let name_width = pen.width("Embedding", LARGE) + pen.of(60.0);
    for (at, (name, does, ground)) in parts.into_iter().enumerate() {
        let top = room.top() + at as f32 * step;
        let whole = Rect::from_min_size(pos2(room.left(), top), vec2(room.width(), box_height));
        if name == "Layers" {
            // A pile.
            for behind in [12.0, 6.0] {
                let rect = whole.translate(vec2(pen.of(behind), pen.of(behind))).intersect(room);
                pen.painter.rect_filled(rect, pen.of(8.0), ground);
                let stroke = (pen.of(2.0), pen.p.outline);
                pen.painter.rect_stroke(
                    rect,
                    pen.of(8.0),
                    stroke,
                    eframe::egui::StrokeKind::Inside,
                );
            }
        }
        let rect =
            if name == "Layers" { whole.with_max_x(room.right() - pen.of(12.0)) } else { whole };
        pen.painter.rect_filled(rect, pen.of(8.0), ground);
        let stroke = (pen.of(2.0), pen.p.outline);
        pen.painter.rect_stroke(rect, pen.of(8.0), stroke, eframe::egui::StrokeKind::Inside);
        let left = rect.left_center() + vec2(pen.of(24.0), 0.0);
        pen.text(left, Align2::LEFT_CENTER, name, LARGE, pen.p.strong);
        let at_does = pos2(rect.left() + name_width, rect.center().y);
        let does_room = rect.right() - at_does.x - pen.of(16.0);
        pen.text_within(at_does, Align2::LEFT_CENTER, &does, SMALL, pen.p.text, does_room);
        if at + 1 < 5 {
            let from = pos2(room.left() + pen.of(80.0), whole.bottom());
            pen.painter.arrow(from, vec2(0.0, pen.of(20.0)), (pen.of(4.0), pen.p.accent));
        }
    }
}

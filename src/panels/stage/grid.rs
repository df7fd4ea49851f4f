//! Grids on the stage: where a head looks, and what every layer would say.

use eframe::egui::{Align2, Rect, pos2, vec2};

use super::pen::{Pen, SMALL, hidden, percent, token, token_spoken};
use crate::explore::lens::LensView;
use crate::lecture::played::HeadView;

/// A row a token that looks, a column a token that is looked at.
#[expect(clippy::fn_params_excessive_bools, reason = "a setting, and whether it is revealed")]
pub fn attention(pen: &Pen<'_>, room: Rect, view: &HeadView, hide_first: bool, is_hidden: bool) {
    if is_hidden {
        hidden(pen, room);
        return;
    }
    let weights = if hide_first { view.without_first() } else { view.weights.clone() };
    let row_height = pen.line_height(SMALL);
    let head = row_height + pen.of(6.0);
    let most = ((room.height() - head) / row_height).floor().max(1.0) as usize;
    let count = view.tokens.len().min(most);
    let names: Vec<String> = view.tokens.iter().take(count).map(|text| token(text)).collect();
    let widest = names.iter().map(|name| pen.width(name, SMALL)).fold(0.0, f32::max);
    let name_width = (widest + pen.of(16.0)).min(room.width() * 0.25);
    let step = ((room.height() - head) / count.max(1) as f32).min(pen.of(52.0));
    let column = ((room.width() - name_width) / count.max(1) as f32).min(pen.of(120.0));
    let left = room.left() + name_width;
    let title = format!("Layer {}, head {}", view.layer, view.head);
    let title = if count < view.tokens.len() {
        format!("{title}: the first {count} of {} tokens", view.tokens.len())
    } else if hide_first {
        format!("{title}, without the first token")
    } else {
        title
    };
    pen.text_within(room.min, Align2::LEFT_TOP, &title, SMALL, pen.p.strong, room.width());
    let top = room.top() + head;
    for (row, name) in names.iter().enumerate() {
        let middle = top + (row as f32 + 0.5) * step;
        let at = pos2(left - pen.of(10.0), middle);
        pen.text_within(at, Align2::RIGHT_CENTER, name, SMALL, pen.p.text, name_width);
        let best = weights[row].iter().copied().fold(0.0_f32, f32::max);
        for (at, weight) in weights[row].iter().take(count).enumerate() {
            let cell = Rect::from_min_size(
                pos2(left + at as f32 * column, top + row as f32 * step),
                vec2(column - pen.of(2.0), step - pen.of(2.0)),
            );
            pen.painter.rect_filled(cell, pen.of(2.0), pen.scale.share(*weight));
            // The largest share of a row as a number, where there is room for one.
            let number = format!("{:.0}", weight * 100.0);
            let has_room = pen.width("100", SMALL) <= cell.width();
            if *weight == best && best >= 0.05 && has_room {
                pen.text(cell.center(), Align2::CENTER_CENTER, &number, SMALL, pen.p.text);
            } else if row == at {
                // The diagonal: the column of this token.
                pen.painter.rect_stroke(
                    cell,
                    pen.of(2.0),
                    (pen.of(1.0), pen.p.outline),
                    eframe::egui::StrokeKind::Inside,
                );
            }
        }
    }
    // Over the empty half, what the columns are.
    let from = left + column * (count as f32 * 0.5).max(4.0);
    let place = Rect::from_min_max(pos2(from, top), pos2(room.right(), top + step * 4.0));
    if place.width() > pen.of(300.0) && count > 7 {
        let words = "Numbers are percent. The frame at a row's end is the column of its own token.";
        pen.paragraph(place, words, SMALL, pen.p.muted);
    }
}

/// The input at the bottom, what the model says at the top.
pub fn lens(pen: &Pen<'_>, room: Rect, view: &LensView, is_hidden: bool) {
    if is_hidden {
        hidden(pen, room);
        return;
    }
    let row_height = pen.line_height(SMALL) + pen.of(4.0);
    let rows = (room.height() / row_height).floor() as usize;
    let rows = rows.saturating_sub(1).max(2);
    let layers = few_layers(view.top.len(), rows);
    let name_width = pen.width("Layer 30", SMALL) + pen.of(20.0);
    let positions: Vec<usize> = view.positions.clone().collect();
    let column = (room.width() - name_width) / positions.len().max(1) as f32;
    let step = room.height() / (layers.len() + 1) as f32;
    for (row, layer) in layers.iter().rev().enumerate() {
        let middle = room.top() + (row as f32 + 0.5) * step;
        let name = match *layer {
            0 => "Input".to_owned(),
            layer if layer + 1 == view.top.len() => "Output".to_owned(),
            layer => format!("Layer {layer}"),
        };
        pen.text(pos2(room.left(), middle), Align2::LEFT_CENTER, &name, SMALL, pen.p.muted);
        for (at, candidates) in view.top[*layer].iter().enumerate() {
            let Some(best) = candidates.first() else { continue };
            let cell = Rect::from_min_size(
                pos2(room.left() + name_width + at as f32 * column, middle - step / 2.0),
                vec2(column - pen.of(4.0), step - pen.of(4.0)),
            );
            let share = best.probability as f32;
            pen.painter.rect_filled(cell, pen.of(3.0), pen.scale.share(share));
            let number = percent(best.probability);
            let number_width = pen.width(&number, SMALL) + pen.of(16.0);
            let left = cell.left_center() + vec2(pen.of(8.0), 0.0);
            let room = cell.width() - number_width - pen.of(16.0);
            let name = token(&best.token);
            pen.text_within(left, Align2::LEFT_CENTER, &name, SMALL, pen.p.text, room);
            let right = cell.right_center() - vec2(pen.of(8.0), 0.0);
            pen.text(right, Align2::RIGHT_CENTER, &number, SMALL, pen.p.text);
        }
    }
    let middle = room.bottom() - step / 2.0;
    pen.text(pos2(room.left(), middle), Align2::LEFT_CENTER, "After", SMALL, pen.p.strong);
    for (at, position) in positions.iter().enumerate() {
        let left = room.left() + name_width + at as f32 * column + pen.of(8.0);
        let text = view.tokens.get(*position).map(String::as_str).unwrap_or_default();
        let room = column - pen.of(16.0);
        let place = pos2(left, middle);
        pen.text_within(place, Align2::LEFT_CENTER, &token(text), SMALL, pen.p.strong, room);
        pen.say(
            Rect::from_min_size(place, vec2(1.0, 1.0)),
            &format!("after {}", token_spoken(text)),
        );
    }
}

/// As many layers as there are rows, the last ones closer together than the first: the answer
/// appears there. The input and the output are always among them.
fn few_layers(count: usize, rows: usize) -> Vec<usize> {
    if count <= rows || rows < 2 {
        return (0..count).collect();
    }
    let last = count - 1;
    let near = (rows - 1) / 2; // one by one
    let far = rows - near;
    let from = last - near;
    let mut layers: Vec<usize> = (0..far).map(|at| at * from / (far - 1).max(1)).collect();
    layers.extend(from + 1..=last);
    layers.dedup();
    layers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_layers_are_shown_one_by_one() {
        assert_eq!(few_layers(31, 10), [0, 5, 10, 15, 20, 26, 27, 28, 29, 30]);
        assert_eq!(few_layers(5, 10), [0, 1, 2, 3, 4]);
        for rows in 2..40 {
            let layers = few_layers(31, rows);
            assert!(layers.len() <= rows && layers[0] == 0 && *layers.last().unwrap() == 30);
        }
    }
}

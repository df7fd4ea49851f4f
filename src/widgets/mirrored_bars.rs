//! Two distributions over the same names, mirrored: to the left what the one gives a name, to the right
//! what the other does.

use eframe::egui::accesskit::Role;
use eframe::egui::{Align2, Rect, Sense, TextStyle, Ui, WidgetInfo, pos2, vec2};

use super::format;
use super::one_line::one_line;
use super::theme;
use super::token_flow::{spoken, visible_whitespace};

/// A row.
#[derive(Clone, Copy, Debug)]
pub struct MirroredBar<'a> {
    pub text: &'a str,

    /// Probabilities at the left and at the right.
    pub left: f32,
    pub right: f32,
}

const GAP: f32 = 2.0;

/// What a row takes, with the gap under it.
pub fn row_height(ui: &Ui) -> f32 {
    (TextStyle::Monospace.resolve(ui.style()).size * 1.75).round() + GAP
}

/// Draws the rows on one scale, under the names of the two sides.
pub fn mirrored_bars_ui(ui: &mut Ui, bars: &[MirroredBar<'_>], sides: [&str; 2]) {
    let p = theme::palette(ui);
    let inks = [p.rejected, p.chosen];
    let font = TextStyle::Monospace.resolve(ui.style());
    let small = TextStyle::Small.resolve(ui.style());
    let width = ui.available_width();
    let measured =
        |ui: &Ui, text: String| ui.painter().layout_no_wrap(text, font.clone(), p.text).size().x;
    let number = measured(ui, "< 0.1 %".to_owned()) + 6.0;
    let words = bars.iter().map(|bar| measured(ui, visible_whitespace(bar.text)));
    let name = (words.fold(font.size * 4.0, f32::max) + 16.0).min(width * 0.34);
    let room = ((width - name) / 2.0 - number).max(8.0);
    let most = bars.iter().map(|bar| bar.left.max(bar.right)).fold(1e-9_f32, f32::max);
    let height = row_height(ui) - GAP;
    ui.spacing_mut().item_spacing.y = GAP;
    let (head, _) = ui.allocate_exact_size(vec2(width, height), Sense::hover());
    let half = (width - name) / 2.0;
    for (side, words) in sides.into_iter().enumerate() {
        let galley = one_line(ui, words, small.clone(), inks[side], half);
        let left =
            if side == 0 { head.left() + half - galley.size().x } else { head.right() - half };
        let at = pos2(left, head.center().y - galley.size().y / 2.0);
        ui.painter().galley(at, galley, inks[side]);
    }
    for bar in bars {
        let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::hover());
        let said = format!(
            "{}: {} at the left, {} at the right",
            spoken(bar.text),
            format::percent(bar.left),
            format::percent(bar.right)
        );
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &said));
        if !ui.is_rect_visible(rect) {
            continue;
        }
        let middle = rect.center();
        let text = one_line(ui, &visible_whitespace(bar.text), font.clone(), p.text, name - 12.0);
        let at = middle - text.size() / 2.0;
        ui.painter().galley(at, text, p.text);
        for (side, share) in [bar.left, bar.right].into_iter().enumerate() {
            let sign = if side == 0 { -1.0 } else { 1.0 };
            let begin = middle.x + sign * name / 2.0;
            let end = begin + sign * (room * share / most).max(1.0);
            let thick = height * 0.3;
            let bar =
                Rect::from_two_pos(pos2(begin, middle.y - thick), pos2(end, middle.y + thick));
            ui.painter().rect_filled(bar, 2.0, inks[side]);
            let align = if side == 0 { Align2::RIGHT_CENTER } else { Align2::LEFT_CENTER };
            let at = pos2(end + sign * 6.0, middle.y);
            ui.painter().text(at, align, format::percent(share), small.clone(), p.text);
        }
    }
}

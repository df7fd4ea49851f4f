//! Tokens with one probability each, as bars on a common scale: what could have come.

use eframe::egui::accesskit::Role;
use eframe::egui::{Align2, Rect, Sense, TextStyle, Ui, WidgetInfo, pos2, vec2};

use super::format;
use super::one_line::one_line;
use super::theme;
use super::token_flow::{spoken, visible_whitespace};

/// A row.
#[derive(Clone, Copy, Debug)]
pub struct CandidateBar<'a> {
    pub text: &'a str,
    pub probability: f32,

    /// It is the one that stands in the text, or that is followed.
    pub is_marked: bool,
}

/// What a click on a row would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows<'a> {
    Shown,

    /// It does this, in words.
    Clickable(&'a str),
}

const INSET: f32 = 4.0;

/// Draws a row each, as wide as there is room. The row that was clicked.
pub fn candidate_bars_ui(
    ui: &mut Ui,
    bars: &[CandidateBar<'_>],
    marked: &str,
    rows: Rows<'_>,
) -> Option<usize> {
    let p = theme::palette(ui);
    let font = TextStyle::Monospace.resolve(ui.style());
    let width = ui.available_width();
    let measured =
        |ui: &Ui, text: String| ui.painter().layout_no_wrap(text, font.clone(), p.text).size().x;
    let number = measured(ui, "< 0.1 %".to_owned()) + theme::GAP;
    let words = bars.iter().map(|bar| measured(ui, visible_whitespace(bar.text)));
    let widest = words.fold(font.size * 3.0, f32::max) + 2.0 * INSET;
    // The longest token whole, unless the bars would pay too much for it.
    let token = widest.min((width - number) * 0.5);
    let room = (width - token - number - 2.0 * INSET).max(8.0);
    let longest = bars.iter().map(|bar| bar.probability).fold(0.0_f32, f32::max).max(1e-9);
    let height = (font.size * 1.75).round();
    ui.spacing_mut().item_spacing.y = 2.0;
    let mut clicked = None;
    for (index, bar) in bars.iter().enumerate() {
        let sense = if rows == Rows::Shown { Sense::hover() } else { Sense::click() };
        let (rect, response) = ui.allocate_exact_size(vec2(width, height), sense);
        let role = if rows == Rows::Shown { Role::Label } else { Role::Button };
        let share = format::percent(bar.probability);
        let mark = if bar.is_marked { format!(", {marked}") } else { String::new() };
        let name = format!("{}: {share}{mark}", spoken(bar.text));
        response.widget_info(|| WidgetInfo::labeled(role, true, &name));
        if ui.is_rect_visible(rect) {
            let painter = ui.painter();
            let is_pointed_at = rows != Rows::Shown && (response.hovered() || response.has_focus());
            if bar.is_marked || is_pointed_at {
                let ground = if bar.is_marked { p.accent_soft } else { p.raised };
                painter.rect_filled(rect, 4.0, ground);
            }
            let middle = rect.center().y;
            let text = visible_whitespace(bar.text);
            let text = one_line(ui, &text, font.clone(), p.text, token - 2.0 * INSET);
            let top = middle - text.size().y / 2.0;
            painter.galley(pos2(rect.left() + INSET, top), text, p.text);
            let left = rect.left() + token;
            let length = (bar.probability / longest * room).max(1.0);
            let thick = (height * 0.5).round();
            let shape = Rect::from_min_size(pos2(left, middle - thick / 2.0), vec2(length, thick));
            painter.rect_filled(shape, 2.0, p.accent);
            let right = pos2(rect.right() - INSET, middle);
            painter.text(right, Align2::RIGHT_CENTER, share, font.clone(), p.text);
        }
        if response.clicked() {
            clicked = Some(index);
        }
        if let Rows::Clickable(what) = rows {
            response.on_hover_text(what);
        }
    }
    clicked
}

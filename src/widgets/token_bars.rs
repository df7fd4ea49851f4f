//! Tokens with their probability before and after the sampling chain, as pairs of bars.

use eframe::egui::accesskit::Role;
use eframe::egui::{
    Align2, Color32, FontId, Rect, Response, Sense, Stroke, TextStyle, Ui, WidgetInfo, pos2, vec2,
};

use super::format;
use super::one_line::one_line;
use super::theme::{self, Palette};
use super::token_flow::{spoken, visible_whitespace};

/// One token's row.
#[derive(Clone, Copy, Debug)]
pub struct TokenBar<'a> {
    pub text: &'a str,

    /// Probability before and after the chain.
    pub before: f32,
    pub after: f32,

    /// The stage that removed it, if one did.
    pub removed_by: Option<&'a str>,

    /// The repetition penalty made it less likely before the other settings saw it.
    pub penalised: bool,

    /// It was the one that was drawn.
    pub taken: bool,
}

/// Draws a row for each token, likeliest first, on a common scale. Returns the row that was clicked.
///
/// `height`: what there is for all of them; rows take more of it than they need, so that they can be
/// seen from the last row of a lecture hall.
pub fn token_bars_ui(ui: &mut Ui, bars: &[TokenBar<'_>], height: f32) -> Option<usize> {
    let p = theme::palette(ui);
    let font = TextStyle::Monospace.resolve(ui.style());
    let longest = bars.iter().flat_map(|bar| [bar.before, bar.after]).fold(0.0_f32, f32::max);
    let scale = if longest > 0.0 { 1.0 / longest } else { 0.0 };
    let columns = Columns::fit(ui, bars, &font, height);
    legend_ui(ui, &columns, &p);
    ui.spacing_mut().item_spacing.y = GAP_OF_ROWS;
    let mut clicked = None;
    for (index, bar) in bars.iter().enumerate() {
        if row_ui(ui, bar, scale, &columns, &font).clicked() {
            clicked = Some(index);
        }
    }
    clicked
}

const GAP_OF_ROWS: f32 = 2.0;

/// Around a token's text.
const INSET: f32 = 4.0;

/// A bar shorter than this, in letters, says nothing: the numbers before the settings give way.
const LEAST_BAR: f32 = 5.0;

struct Columns {
    token: f32,
    bar: f32,
    number: f32,

    /// Whether both numbers have room; else only the one that the settings leave, and the other
    /// is said on hover.
    both: bool,
    height: f32,
}

impl Columns {
    fn fit(ui: &Ui, bars: &[TokenBar<'_>], font: &FontId, height: f32) -> Self {
        let width = ui.available_width();
        let small = TextStyle::Small.resolve(ui.style());
        let measured = |text: &str, font: &FontId| {
            let text = text.to_owned();
            ui.painter().layout_no_wrap(text, font.clone(), Color32::BLACK).size().x
        };
        let number = measured("< 0.1 %", font).max(measured("settings", &small)) + theme::GAP;
        let words = bars.iter().map(|bar| measured(&visible_whitespace(bar.text), font));
        let wanted = words.fold(font.size * 4.0, f32::max) + 2.0 * INSET;
        let rest = |numbers: f32, token: f32| width - token - numbers * number - theme::GAP;
        let both = rest(2.0, wanted.min(width * 0.3)) >= font.size * LEAST_BAR;
        let numbers = if both { 2.0 } else { 1.0 };
        // The longest token whole, unless the bars would pay too much for it.
        let most = (width - numbers * number - theme::GAP) * 0.6;
        let token = wanted.min(most);
        let bar = rest(numbers, token).max(24.0);
        let rows = bars.len() as f32 + 1.0;
        let least = (font.size * 1.6).round();
        let height = (height / rows - GAP_OF_ROWS).floor().clamp(least, font.size * 2.4);
        Self { token, bar, number, both, height }
    }
}

fn legend_ui(ui: &mut Ui, columns: &Columns, p: &Palette) {
    let width = ui.available_width();
    let font = TextStyle::Small.resolve(ui.style());
    let height = (font.size * 1.6).round();
    let (rect, _) = ui.allocate_exact_size(vec2(width, height), Sense::hover());
    let y = rect.center().y;
    let painter = ui.painter();
    let left = rect.left() + columns.token + theme::GAP;
    painter.text(pos2(rect.left() + INSET, y), Align2::LEFT_CENTER, "token", font.clone(), p.muted);
    let swatch = |x: f32, color| {
        painter.rect_filled(Rect::from_center_size(pos2(x + 5.0, y), vec2(10.0, 6.0)), 2.0, color);
    };
    if columns.bar > font.size * 9.0 {
        swatch(left, p.outline);
        let model = pos2(left + 14.0, y);
        let model = painter.text(model, Align2::LEFT_CENTER, "model", font.clone(), p.muted);
        let second = model.right() + theme::GAP;
        swatch(second, p.accent);
        let settings = pos2(second + 14.0, y);
        painter.text(settings, Align2::LEFT_CENTER, "settings", font.clone(), p.muted);
    }
    if columns.both {
        let numbers = rect.right() - INSET - columns.number;
        painter.text(pos2(numbers, y), Align2::RIGHT_CENTER, "model", font.clone(), p.muted);
    }
    let right = pos2(rect.right() - INSET, y);
    painter.text(right, Align2::RIGHT_CENTER, "settings", font, p.muted);
}

fn row_ui(
    ui: &mut Ui,
    bar: &TokenBar<'_>,
    scale: f32,
    columns: &Columns,
    font: &FontId,
) -> Response {
    let p = theme::palette(ui);
    let width = ui.available_width();
    let (rect, response) = ui.allocate_exact_size(vec2(width, columns.height), Sense::click());
    let removed = bar.removed_by.is_some();
    let spoken = describe(bar, &spoken(bar.text));
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &spoken));
    if ui.is_rect_visible(rect) {
        let painter = ui.painter();
        if bar.taken {
            painter.rect_filled(rect, 4.0, p.accent_soft);
        } else if response.hovered() || response.has_focus() {
            painter.rect_filled(rect, 4.0, p.raised);
        }
        let ink = if removed { p.muted } else { p.text };
        let room = columns.token - 2.0 * INSET;
        let token = one_line(ui, &visible_whitespace(bar.text), font.clone(), ink, room);
        let token_width = token.size().x;
        let token_left = rect.left() + INSET;
        painter.galley(pos2(token_left, rect.center().y - token.size().y / 2.0), token, ink);

        let left = rect.left() + columns.token + theme::GAP;
        let thickness = ((rect.height() - 6.0) / 2.0).floor();
        let length = |probability: f32| (probability * scale * columns.bar).max(1.0);
        let upper =
            Rect::from_min_size(pos2(left, rect.top() + 3.0), vec2(length(bar.before), thickness));
        painter.rect_filled(upper, 1.5, if removed { p.raised_press } else { p.outline });
        if let Some(stage) = bar.removed_by {
            let small = TextStyle::Small.resolve(ui.style());
            let long =
                painter.layout_no_wrap(format!("removed by {stage}"), small.clone(), p.muted);
            let fits = long.size().x <= columns.bar;
            let words = if fits { long } else { one_line(ui, stage, small, p.muted, columns.bar) };
            // Behind the bar, or over its end where there is no room behind it.
            let x = (left + length(bar.before) + theme::GAP)
                .min(left + columns.bar - words.size().x)
                .max(left);
            let at = pos2(x, rect.center().y - words.size().y / 2.0);
            painter.galley(at, words, p.text);
            let y = rect.center().y;
            painter.hline(token_left..=token_left + token_width, y, Stroke::new(1.0, p.muted));
        } else {
            let lower = upper.translate(vec2(0.0, thickness));
            let lower = Rect::from_min_size(lower.min, vec2(length(bar.after), thickness));
            painter.rect_filled(lower, 1.5, p.accent);
        }
        let right = |x: f32, text: String| {
            painter.text(pos2(x, rect.center().y), Align2::RIGHT_CENTER, text, font.clone(), ink);
        };
        let end = rect.right() - INSET;
        if columns.both {
            right(end - columns.number, format::percent(bar.before));
        }
        right(end, if removed { "–".to_owned() } else { format::percent(bar.after) });
    }
    response.on_hover_text(describe(bar, &visible_whitespace(bar.text)))
}

fn describe(bar: &TokenBar<'_>, text: &str) -> String {
    let before = format::percent(bar.before);
    let penalised = ", made less likely by the repetition penalty";
    let penalised = if bar.penalised { penalised } else { "" };
    let taken = if bar.taken { ", taken" } else { "" };
    if let Some(stage) = bar.removed_by {
        format!("{text}: {before} from the model, removed by {stage}{penalised}{taken}")
    } else {
        let after = format::percent(bar.after);
        format!("{text}: {before} from the model, {after} with these settings{penalised}{taken}")
    }
}

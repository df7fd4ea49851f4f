//! Tokens with their probability before and after the sampling chain, as pairs of bars.

use eframe::egui::accesskit::Role;
use eframe::egui::{
    Align2, FontId, Rect, Response, Sense, Stroke, TextStyle, Ui, WidgetInfo, pos2, vec2,
};

use super::format;
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

    /// It was the one that was drawn.
    pub taken: bool,
}

/// Draws a row a token, likeliest first, on a common scale.
pub fn token_bars_ui(ui: &mut Ui, bars: &[TokenBar<'_>]) {
    let p = theme::palette(ui);
    let font = TextStyle::Monospace.resolve(ui.style());
    let longest = bars.iter().flat_map(|bar| [bar.before, bar.after]).fold(0.0_f32, f32::max);
    let scale = if longest > 0.0 { 1.0 / longest } else { 0.0 };
    let columns = Columns::fit(ui, &font);
    legend_ui(ui, &columns, &p);
    ui.spacing_mut().item_spacing.y = 2.0;
    for bar in bars {
        row_ui(ui, bar, scale, &columns, &font);
    }
}

struct Columns {
    token: f32,
    bar: f32,
    number: f32,
    height: f32,
}

impl Columns {
    fn fit(ui: &Ui, font: &FontId) -> Self {
        let width = ui.available_width();
        let number = font.size * 5.0;
        let token = (width * 0.3).clamp(font.size * 5.0, font.size * 9.0);
        let bar = (width - token - 2.0 * number - 2.0 * theme::GAP).max(24.0);
        Self { token, bar, number, height: (font.size * 1.6).round() }
    }
}

fn legend_ui(ui: &mut Ui, columns: &Columns, p: &Palette) {
    let width = ui.available_width();
    let (rect, _) = ui.allocate_exact_size(vec2(width, columns.height), Sense::hover());
    let font = TextStyle::Small.resolve(ui.style());
    let y = rect.center().y;
    let painter = ui.painter();
    let left = rect.left() + columns.token + theme::GAP;
    let numbers = rect.right() - columns.number;
    painter.text(pos2(rect.left(), y), Align2::LEFT_CENTER, "token", font.clone(), p.muted);
    let swatch = |x: f32, color| {
        painter.rect_filled(Rect::from_center_size(pos2(x + 5.0, y), vec2(10.0, 6.0)), 2.0, color);
    };
    if columns.bar > font.size * 7.0 {
        swatch(left, p.outline);
        painter.text(pos2(left + 14.0, y), Align2::LEFT_CENTER, "model", font.clone(), p.muted);
        let second = left + 14.0 + font.size * 3.6;
        swatch(second, p.accent);
        painter.text(
            pos2(second + 14.0, y),
            Align2::LEFT_CENTER,
            "settings",
            font.clone(),
            p.muted,
        );
    }
    painter.text(pos2(numbers, y), Align2::RIGHT_CENTER, "model", font.clone(), p.muted);
    painter.text(pos2(rect.right(), y), Align2::RIGHT_CENTER, "settings", font, p.muted);
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
    let (rect, response) = ui.allocate_exact_size(vec2(width, columns.height), Sense::hover());
    let removed = bar.removed_by.is_some();
    let spoken = describe(bar, &spoken(bar.text));
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &spoken));
    if ui.is_rect_visible(rect) {
        let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
        if bar.taken {
            painter.rect_filled(rect, 4.0, p.accent_soft);
        }
        let ink = if removed { p.muted } else { p.text };
        let shown = visible_whitespace(bar.text);
        let token_rect = Rect::from_min_size(
            rect.min + vec2(4.0, 0.0),
            vec2(columns.token - 4.0, rect.height()),
        );
        let galley = painter.layout_no_wrap(shown, font.clone(), ink);
        let at = pos2(token_rect.left(), rect.center().y - galley.size().y / 2.0);
        painter.with_clip_rect(token_rect.intersect(ui.clip_rect())).galley(at, galley, ink);

        let left = rect.left() + columns.token + theme::GAP;
        let thickness = ((rect.height() - 6.0) / 2.0).floor();
        let length = |probability: f32| (probability * scale * columns.bar).max(1.0);
        let upper =
            Rect::from_min_size(pos2(left, rect.top() + 3.0), vec2(length(bar.before), thickness));
        painter.rect_filled(upper, 1.5, if removed { p.raised_press } else { p.outline });
        if let Some(stage) = bar.removed_by {
            let small = small_font(ui);
            let long = painter.layout_no_wrap(format!("removed by {stage}"), small, p.muted);
            let fits = long.size().x <= columns.bar;
            let short = || painter.layout_no_wrap(stage.to_owned(), small_font(ui), p.muted);
            let words = if fits { long } else { short() };
            // Behind the bar, or over its end where there is no room behind it.
            let x = (left + length(bar.before) + theme::GAP)
                .min(left + columns.bar - words.size().x)
                .max(left);
            let at = pos2(x, rect.center().y - words.size().y / 2.0);
            painter.galley(at, words, p.text);
            let y = rect.center().y;
            let end = token_rect.left() + galley_width(ui, bar, font).min(token_rect.width());
            painter.hline(token_rect.left()..=end, y, Stroke::new(1.0, p.muted));
        } else {
            let lower = upper.translate(vec2(0.0, thickness));
            let lower = Rect::from_min_size(lower.min, vec2(length(bar.after), thickness));
            painter.rect_filled(lower, 1.5, p.accent);
        }
        let numbers = rect.right() - columns.number;
        let after = if removed { "–".to_owned() } else { format::percent(bar.after) };
        let right = |x: f32, text: String| {
            painter.text(pos2(x, rect.center().y), Align2::RIGHT_CENTER, text, font.clone(), ink);
        };
        right(numbers, format::percent(bar.before));
        right(rect.right() - 4.0, after);
    }
    response.on_hover_text(describe(bar, &visible_whitespace(bar.text)))
}

fn small_font(ui: &Ui) -> FontId {
    TextStyle::Small.resolve(ui.style())
}

fn galley_width(ui: &Ui, bar: &TokenBar<'_>, font: &FontId) -> f32 {
    let shown = visible_whitespace(bar.text);
    ui.painter().layout_no_wrap(shown, font.clone(), theme::palette(ui).muted).size().x
}

fn describe(bar: &TokenBar<'_>, text: &str) -> String {
    let before = format::percent(bar.before);
    let taken = if bar.taken { ", taken" } else { "" };
    if let Some(stage) = bar.removed_by {
        format!("{text}: {before} from the model, removed by {stage}{taken}")
    } else {
        let after = format::percent(bar.after);
        format!("{text}: {before} from the model, {after} with these settings{taken}")
    }
}

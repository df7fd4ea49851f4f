//! Exact probabilities beside frequencies: a bar for what is expected, and under it one for what was
//! counted, with its interval.

use eframe::egui::accesskit::Role;
use eframe::egui::{Align2, Rect, Sense, Stroke, TextStyle, Ui, WidgetInfo, pos2, vec2};

use super::format;
use super::one_line::one_line;
use super::theme;
use super::token_flow::{spoken, visible_whitespace};

/// A row.
#[derive(Clone, Copy, Debug)]
pub struct IntervalBar<'a> {
    pub text: &'a str,

    /// The exact probability.
    pub exact: f32,

    /// How often it came, of how many.
    pub count: usize,
    pub of: usize,

    /// Of the share that was counted.
    pub interval: Option<(f64, f64)>,
}

const INSET: f32 = 4.0;

/// Draws the rows on a scale from 0 to 1, and what the two bars are.
pub fn interval_bars_ui(ui: &mut Ui, bars: &[IntervalBar<'_>]) {
    let p = theme::palette(ui);
    let font = TextStyle::Monospace.resolve(ui.style());
    let small = TextStyle::Small.resolve(ui.style());
    let width = ui.available_width();
    let measured =
        |ui: &Ui, text: String| ui.painter().layout_no_wrap(text, font.clone(), p.text).size().x;
    let most = bars.iter().map(|bar| bar.of).max().unwrap_or(0);
    let number = measured(ui, "< 0.1 %".to_owned()).max(measured(ui, format!("{most} of {most}")));
    let number = number + theme::GAP;
    let words = bars.iter().map(|bar| measured(ui, visible_whitespace(bar.text)));
    let token = (words.fold(font.size * 3.0, f32::max) + 2.0 * INSET).min((width - number) * 0.5);
    let room = (width - token - number).max(8.0);
    ui.spacing_mut().item_spacing.y = 2.0;
    let height = (font.size * 2.6).round();
    for bar in bars {
        let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::hover());
        let said = describe(bar, &spoken(bar.text));
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &said));
        if ui.is_rect_visible(rect) {
            let painter = ui.painter();
            let text = visible_whitespace(bar.text);
            let text = one_line(ui, &text, font.clone(), p.text, token - 2.0 * INSET);
            let y = rect.center().y;
            painter.galley(pos2(rect.left() + INSET, y - text.size().y / 2.0), text, p.text);
            let left = rect.left() + token;
            let half = height / 2.0;
            let thick = (half * 0.6).round();
            let at = |share: f64| left + (share.clamp(0.0, 1.0) as f32) * room;
            let line = |middle: f32, share: f64, color| {
                let right = at(share).max(left + 1.0);
                let shape = Rect::from_min_max(
                    pos2(left, middle - thick / 2.0),
                    pos2(right, middle + thick / 2.0),
                );
                painter.rect_filled(shape, 2.0, color);
            };
            let (upper, lower) = (rect.top() + half * 0.55, rect.top() + half * 1.45);
            line(upper, f64::from(bar.exact), p.muted);
            if bar.of > 0 {
                line(lower, bar.count as f64 / bar.of as f64, p.accent);
            }
            if let Some((low, high)) = bar.interval {
                let stroke = Stroke::new(2.0, p.strong);
                painter.hline(at(low)..=at(high), lower, stroke);
                for end in [at(low), at(high)] {
                    painter.vline(end, lower - thick / 2.0..=lower + thick / 2.0, stroke);
                }
            }
            let right = rect.right() - INSET;
            let write = |y: f32, text: String, ink| {
                painter.text(pos2(right, y), Align2::RIGHT_CENTER, text, small.clone(), ink);
            };
            write(upper, format::percent(bar.exact), p.muted);
            if bar.of > 0 {
                write(lower, format!("{} of {}", bar.count, bar.of), p.text);
            }
        }
        response.on_hover_text(describe(bar, &visible_whitespace(bar.text)));
    }
    let words = "Upper bar: exact probability of the first token. Lower bar: how often it came, with \
                 the 95 % interval";
    let words = theme::muted(ui, words).small();
    ui.add(eframe::egui::Label::new(words).wrap());
}

fn describe(bar: &IntervalBar<'_>, text: &str) -> String {
    let exact = format::percent(bar.exact);
    let mut words = format!("{text}: {exact} expected");
    if bar.of > 0 {
        words.push_str(&format!(", {} of {} came", bar.count, bar.of));
    }
    if let Some((low, high)) = bar.interval {
        let (low, high) = (format::percent(low as f32), format::percent(high as f32));
        words.push_str(&format!(", 95 % interval {low} to {high}"));
    }
    words
}

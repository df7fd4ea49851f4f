//! A dot with its interval on a scale that all rows of a list share.

use eframe::egui::accesskit::Role;
use eframe::egui::{Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::theme;

/// A number with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dot {
    pub value: f64,
    pub ends: Option<(f64, f64)>,
}

/// From where to where a list of dots reaches, with a little room at either side.
pub fn scale(dots: impl Iterator<Item = Dot>) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for dot in dots {
        let (from, to) = dot.ends.unwrap_or((dot.value, dot.value));
        low = low.min(from);
        high = high.max(to);
    }
    if low > high {
        return (0.0, 1.0);
    }
    let room = ((high - low) * 0.05).max(0.01);
    (low - room, high + room)
}

/// Draws a row of the plot over the whole width; `said` is what a screen reader says of it.
pub fn dot_ui(ui: &mut Ui, dot: Dot, (low, high): (f64, f64), said: &str) {
    let p = theme::palette(ui);
    let em = theme::em(ui);
    let size = vec2(ui.available_width(), em * 1.4);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::GraphicsSymbol, true, said));
    if ui.is_rect_visible(rect) {
        let radius = em * 0.35;
        let (left, right) = (rect.left() + radius, rect.right() - radius);
        let at = |value: f64| {
            let share = ((value - low) / (high - low).max(f64::MIN_POSITIVE)) as f32;
            left + share.clamp(0.0, 1.0) * (right - left)
        };
        let y = rect.center().y;
        let painter = ui.painter();
        painter.hline(left..=right, y, Stroke::new(theme::HAIRLINE, p.line));
        if let Some((from, to)) = dot.ends {
            let stroke = Stroke::new(2.0, p.accent);
            painter.hline(at(from)..=at(to), y, stroke);
            for end in [at(from), at(to)] {
                painter.vline(end, y - radius..=y + radius, stroke);
            }
        }
        painter.circle_filled(pos2(at(dot.value), y), radius, p.accent);
    }
    response.on_hover_text(said);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_holds_every_interval_and_is_never_empty() {
        let dot = |value, ends| Dot { value, ends };
        let (low, high) = scale([dot(0.5, Some((0.4, 0.7))), dot(0.2, None)].into_iter());
        assert!(low < 0.2 && high > 0.7, "{low} {high}");
        let (low, high) = scale([dot(0.5, None)].into_iter());
        assert!(low < 0.5 && high > 0.5);
        assert_eq!(scale(std::iter::empty()), (0.0, 1.0));
    }
}

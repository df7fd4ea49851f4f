//! Points of two numbers in a frame with its axes. One shape for all points, so that thousands cost as
//! little as ten.

use eframe::egui::accesskit::Role;
use eframe::egui::{
    Align2, Color32, Mesh, Rect, Response, Sense, Shape, Stroke, StrokeKind, TextStyle, Ui,
    WidgetInfo, pos2, vec2,
};

use super::theme;

/// A scatter plot.
#[must_use = "show it with `show`"]
pub struct Scatter<'a> {
    pub points: &'a [[f64; 2]],
    pub axes: [&'a str; 2],

    /// What a screen reader says of it.
    pub said: &'a str,

    /// Words about the point that is pointed at.
    pub hover: &'a dyn Fn(usize) -> String,
}

impl Scatter<'_> {
    pub fn show(self, ui: &mut Ui, size: eframe::egui::Vec2) -> Response {
        let p = theme::palette(ui);
        let small = TextStyle::Small.resolve(ui.style());
        let (whole, response) = ui.allocate_exact_size(size, Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::GraphicsSymbol, true, self.said));
        if !ui.is_rect_visible(whole) {
            return response;
        }
        let foot = small.size * 3.0;
        let side = small.size * 4.2;
        let inner = Rect::from_min_max(
            pos2(whole.left() + side, whole.top() + 6.0),
            pos2(whole.right() - 6.0, whole.bottom() - foot),
        );
        let ranges = [0, 1].map(|axis| range(self.points.iter().map(|point| point[axis])));
        let place = |point: &[f64; 2]| {
            let share = |axis: usize| {
                let (low, high) = ranges[axis];
                ((point[axis] - low) / (high - low)) as f32
            };
            pos2(
                inner.left() + share(0) * inner.width(),
                inner.bottom() - share(1) * inner.height(),
            )
        };
        let painter = ui.painter();
        painter.rect_stroke(inner, 0.0, Stroke::new(1.0, p.outline), StrokeKind::Outside);
        for tick in ticks(ranges[0]) {
            let x = place(&[tick, ranges[1].0]).x;
            painter.vline(x, inner.y_range(), Stroke::new(1.0, p.line));
            let at = pos2(x, inner.bottom() + 3.0);
            painter.text(at, Align2::CENTER_TOP, words(tick), small.clone(), p.muted);
        }
        for tick in ticks(ranges[1]) {
            let y = place(&[ranges[0].0, tick]).y;
            painter.hline(inner.x_range(), y, Stroke::new(1.0, p.line));
            let at = pos2(inner.left() - 4.0, y);
            painter.text(at, Align2::RIGHT_CENTER, words(tick), small.clone(), p.muted);
        }
        let below = pos2(inner.center().x, whole.bottom());
        painter.text(below, Align2::CENTER_BOTTOM, self.axes[0], small.clone(), p.text);
        let beside = pos2(inner.left() + 6.0, inner.top() + 4.0);
        // Few points are drawn large, many small and pale, so that their density is seen.
        let (radius, strength) = match self.points.len() {
            0..=200 => (3.0, 0.8),
            201..=2000 => (2.0, 0.5),
            _ => (1.5, 0.3),
        };
        let ink = p.accent.gamma_multiply(strength);
        let mut mesh = Mesh::default();
        for point in self.points {
            let dot = Rect::from_center_size(place(point), vec2(2.0, 2.0) * radius);
            mesh.add_colored_rect(dot, ink);
        }
        painter.add(Shape::mesh(mesh));
        painter.text(beside, Align2::LEFT_TOP, self.axes[1], small, p.text);
        let Some(at) = response.hover_pos().filter(|at| inner.contains(*at)) else {
            return response;
        };
        let nearest = self
            .points
            .iter()
            .enumerate()
            .map(|(index, point)| (index, place(point).distance_sq(at)));
        let nearest = nearest.min_by(|one, other| one.1.total_cmp(&other.1));
        match nearest.filter(|(_, distance)| *distance < 64.0) {
            Some((index, _)) => {
                let ring = Stroke::new(2.0, p.strong);
                painter.circle(place(&self.points[index]), 5.0, Color32::TRANSPARENT, ring);
                response.on_hover_text_at_pointer((self.hover)(index))
            }
            None => response,
        }
    }
}

/// From the least to the most, with a little room.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.filter(|value| value.is_finite()) {
        (low, high) = (low.min(value), high.max(value));
    }
    if low > high {
        return (0.0, 1.0);
    }
    let room = ((high - low) * 0.05).max(0.01);
    (low - room, high + room)
}

/// Round numbers between both ends.
fn ticks((low, high): (f64, f64)) -> Vec<f64> {
    let step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
    let step = step.into_iter().find(|step| (high - low) / step <= 6.0).unwrap_or(high - low);
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    (first..=last).map(|at| at as f64 * step).collect()
}

fn words(tick: f64) -> String {
    format!("{:.2}", if tick == 0.0 { 0.0 } else { tick }).replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_reaches_over_all_points_and_has_round_numbers() {
        let (low, high) = range([0.2, 0.9, f64::NAN].into_iter());
        assert!(low < 0.2 && high > 0.9);
        let found = ticks((low, high));
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!(words(found[0]), "0.20");
        assert_eq!(words(-0.5), "−0.50");
        assert_eq!(range(std::iter::empty()), (0.0, 1.0));
    }
}

//! Numbers along a text: a bar a token, and lines over them. A click goes to a token.

use eframe::egui::accesskit::Role;
use eframe::egui::{
    Align2, Color32, Pos2, Rect, Response, Sense, Shape, Stroke, TextStyle, Ui, WidgetInfo, pos2,
    vec2,
};

use super::theme;

/// A line over the bars.
#[derive(Clone, Copy, Debug)]
pub struct CurveLine<'a> {
    pub name: &'a str,
    pub color: Color32,
    pub is_dashed: bool,
    pub values: &'a [Option<f64>],
}

/// Bars and lines over the same tokens, on one scale from 0.
#[must_use = "show it with `show`"]
pub struct TokenCurve<'a> {
    pub name: &'a str,

    /// What the bars are.
    pub bars_name: &'a str,
    pub bars_color: Color32,
    pub bars: &'a [Option<f64>],
    pub lines: &'a [CurveLine<'a>],

    /// What stands beside the scale at a value: `4 bits`.
    pub unit: &'a dyn Fn(f64) -> String,
    pub selected: Option<usize>,
    pub height: f32,
}

impl TokenCurve<'_> {
    /// Draws it over the whole width. The token that was clicked.
    pub fn show(self, ui: &mut Ui) -> Option<usize> {
        let p = theme::palette(ui);
        let small = TextStyle::Small.resolve(ui.style());
        self.legend_ui(ui);
        let size = vec2(ui.available_width(), self.height);
        let (rect, response) = ui.allocate_exact_size(size, Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::GraphicsSymbol, true, self.name));
        if !ui.is_rect_visible(rect) || self.bars.is_empty() {
            return None;
        }
        let highest = self.highest();
        let step = mark_step(highest, (rect.height() / (small.size * 2.0)).floor() as usize);
        let marks: Vec<f64> =
            (0..=12).map(|at| f64::from(at) * step).take_while(|mark| *mark <= highest).collect();
        let painter = ui.painter_at(rect);
        let words: Vec<_> = marks
            .iter()
            .map(|mark| painter.layout_no_wrap((self.unit)(*mark), small.clone(), p.muted))
            .collect();
        let gutter = words.iter().map(|words| words.size().x).fold(0.0, f32::max) + theme::GAP;
        let plot = Rect::from_min_max(
            rect.min + vec2(gutter, small.size * 0.6),
            rect.max - vec2(1.0, small.size * 1.6),
        );
        if !plot.is_positive() {
            return None;
        }
        let y = |value: f64| plot.bottom() - (value / highest) as f32 * plot.height();
        for (mark, words) in marks.iter().zip(words) {
            let at = y(*mark);
            painter.hline(plot.x_range(), at, Stroke::new(1.0, p.line));
            let left = plot.left() - theme::GAP_SMALL - words.size().x;
            painter.galley(pos2(left, at - words.size().y / 2.0), words, p.muted);
        }
        let count = self.bars.len();
        let slot = plot.width() / count as f32;
        let x = |token: f32| plot.left() + token * slot;
        if let Some(selected) = self.selected.filter(|at| *at < count) {
            let left = x(selected as f32);
            let band = plot.with_min_x(left).with_max_x(left + slot.max(2.0));
            painter.rect_filled(band, 0.0, p.accent_soft);
        }
        for column in columns(self.bars, plot.width()) {
            let left = x(column.first as f32);
            let width = (slot * column.count as f32 - 1.0).clamp(1.0, slot.max(1.0) * 0.8 + 1.0);
            let bar = Rect::from_min_max(
                pos2(left, y(column.highest)),
                pos2(left + width, plot.bottom()),
            );
            painter.rect_filled(bar, 0.0, self.bars_color);
        }
        for line in self.lines {
            draw_line(&painter, line, plot, &x, &y);
        }
        foot(&painter, plot, count, &small, p.muted);
        self.pointed_at(&response, plot, slot)
    }

    /// The token under a click.
    fn pointed_at(&self, response: &Response, plot: Rect, slot: f32) -> Option<usize> {
        let at = response.interact_pointer_pos().filter(|_| response.clicked())?;
        let token = ((at.x - plot.left()) / slot).floor().max(0.0) as usize;
        Some(token.min(self.bars.len() - 1))
    }

    fn highest(&self) -> f64 {
        let lines = self.lines.iter().flat_map(|line| line.values);
        let values = self.bars.iter().chain(lines).flatten().copied();
        // A scale that jumps with every text cannot be compared: it has a least height.
        values.filter(|value| value.is_finite()).fold(4.0, f64::max) * 1.02
    }

    fn legend_ui(&self, ui: &mut Ui) {
        let em = theme::em(ui);
        ui.horizontal_wrapped(|ui| {
            let bars = (self.bars_name, self.bars_color, None);
            let lines = self.lines.iter().map(|line| (line.name, line.color, Some(line.is_dashed)));
            for (name, color, dashed) in std::iter::once(bars).chain(lines) {
                ui.spacing_mut().item_spacing.x = theme::GAP_SMALL;
                let (rect, _) = ui.allocate_exact_size(vec2(em * 1.4, em), Sense::empty());
                let ends = [rect.left_center(), rect.right_center()];
                let painter = ui.painter();
                match dashed {
                    None => {
                        let bar = Rect::from_center_size(rect.center(), vec2(em * 0.5, em * 0.8));
                        painter.rect_filled(bar, 0.0, color);
                    }
                    Some(false) => _ = painter.line_segment(ends, Stroke::new(2.0, color)),
                    Some(true) => {
                        painter.extend(Shape::dashed_line(
                            &ends,
                            Stroke::new(2.0, color),
                            5.0,
                            4.0,
                        ));
                    }
                }
                ui.label(theme::muted(ui, name).small());
                ui.add_space(theme::GAP);
            }
        });
    }
}

/// The numbers of the first and the last token.
fn foot(
    painter: &eframe::egui::Painter,
    plot: Rect,
    count: usize,
    font: &eframe::egui::FontId,
    ink: Color32,
) {
    let y = plot.bottom() + 2.0;
    painter.text(pos2(plot.left(), y), Align2::LEFT_TOP, "token 1", font.clone(), ink);
    if count > 1 {
        let last = super::format::count(count);
        painter.text(pos2(plot.right(), y), Align2::RIGHT_TOP, last, font.clone(), ink);
    }
}

fn draw_line(
    painter: &eframe::egui::Painter,
    line: &CurveLine<'_>,
    plot: Rect,
    x: &dyn Fn(f32) -> f32,
    y: &dyn Fn(f64) -> f32,
) {
    let stride = (line.values.len() as f32 / plot.width().max(1.0)).ceil().max(1.0) as usize;
    let mut points: Vec<Pos2> = Vec::new();
    for (index, group) in line.values.chunks(stride).enumerate() {
        let known: Vec<f64> =
            group.iter().flatten().copied().filter(|value| value.is_finite()).collect();
        if known.is_empty() {
            continue;
        }
        let mean = known.iter().sum::<f64>() / known.len() as f64;
        let middle = (index * stride) as f32 + group.len() as f32 / 2.0;
        points.push(pos2(x(middle), y(mean)));
    }
    let stroke = Stroke::new(2.0, line.color);
    if line.is_dashed {
        painter.extend(Shape::dashed_line(&points, stroke, 8.0, 5.0));
    } else {
        painter.line(points, stroke);
    }
}

/// Neighbouring tokens that share a column of the screen.
struct Column {
    first: usize,
    count: usize,
    highest: f64,
}

/// No more columns than there is room for; none hides its highest bar.
fn columns(values: &[Option<f64>], width: f32) -> Vec<Column> {
    let stride = (values.len() as f32 / width.max(1.0)).ceil().max(1.0) as usize;
    let column = |(index, group): (usize, &[Option<f64>])| {
        let finite = group.iter().flatten().copied().filter(|value| value.is_finite());
        let highest = finite.fold(0.0, f64::max);
        Column { first: index * stride, count: group.len(), highest }
    };
    values.chunks(stride).enumerate().map(column).collect()
}

/// 1, 2 or 5 times a power of ten, such that at most so many marks reach `highest`.
fn mark_step(highest: f64, most: usize) -> f64 {
    let wanted = highest / most.clamp(2, 8) as f64;
    let power = 10_f64.powf(wanted.log10().floor());
    let steps = [1.0, 2.0, 5.0].map(|multiple| multiple * power);
    steps.into_iter().find(|step| *step >= wanted).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_keeps_its_highest_bars() {
        let mut values = vec![Some(1.0); 4000];
        values[2503] = Some(15.0);
        let columns = columns(&values, 600.0);
        assert!(columns.len() <= 600);
        assert_eq!(columns.iter().map(|column| column.count).sum::<usize>(), 4000);
        let highest = columns.iter().find(|column| column.highest > 14.0).unwrap();
        assert!((highest.first..highest.first + highest.count).contains(&2503));
    }

    #[test]
    fn marks_are_few_and_round() {
        assert_eq!(mark_step(12.0, 4), 5.0);
        assert_eq!(mark_step(16.0, 8), 2.0);
        assert_eq!(mark_step(4.08, 5), 1.0);
    }
}

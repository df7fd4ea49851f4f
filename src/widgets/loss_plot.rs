//! A small plot of curves over steps, with its title, its own legend with the latest values, and
//! a cursor that it shares with the plots beside it.

use std::ops::RangeInclusive;

use eframe::egui;
use eframe::egui::{
    Align, Align2, Color32, Label, Pos2, Rect, Response, RichText, Sense, Shape, Stroke, Ui, Vec2,
};
use egui_plot::{
    Axis, FilledArea, HLine, HoverPosition, Line, LineStyle, MarkerShape, Plot, PlotPoint,
    PlotPoints, Points, Text,
};

use super::plot_card;
use super::plot_numbers::{Numbers, round_marks, whole_step};
use super::theme::{self, Palette};

/// A curve with more points than this is drawn faintly, with its moving average on top.
const CALM_POINTS: usize = 80;

/// How finely a curve of many points is drawn: each point costs triangles in every frame.
#[derive(Clone, Copy, Debug)]
struct Detail {
    /// Points of a moving average, at most. It knows about 15 values; dashes need room.
    average: usize,

    /// Stretches of a band, at most.
    stretches: usize,
}

impl Detail {
    /// For a plot of so many points of the screen.
    fn of(width: f32) -> Self {
        let every = |points: f32, most: f32| (width / points).clamp(24.0, most) as usize;
        Self { average: every(10.0, 64.0), stretches: every(8.0, 96.0) }
    }
}

/// How a curve is told from its neighbours where colours cannot be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A line.
    Plain,

    /// A line with filled circles.
    Circles,

    /// A dashed line with diamonds.
    Diamonds,

    /// A thin line with squares at every point: a few measurements.
    Squares,
}

/// A named curve over steps.
pub struct Curve<'a> {
    pub name: &'a str,
    pub color: Color32,
    pub mark: Mark,

    /// Finds the points. Called only where the plot is in sight.
    pub course: Box<dyn FnOnce() -> Course + 'a>,

    /// The latest value, for the legend.
    pub latest: Option<f64>,
}

/// How a curve goes.
#[derive(Clone, Debug, Default)]
pub struct Course {
    /// `[step, value]`, in order.
    pub points: Vec<[f64; 2]>,

    /// Where there are too many points to draw: `[step, lowest, highest]` of each stretch, drawn
    /// as a band, and `points` are the means over the stretches. Empty otherwise.
    pub ranges: Vec<[f64; 3]>,
}

/// A curve whose points are known.
struct Drawn<'a> {
    name: &'a str,
    color: Color32,
    mark: Mark,
    course: Course,
}

/// A plot of a few curves over the same steps.
#[must_use = "show it with `show`"]
pub struct LossPlot<'a> {
    pub title: &'a str,

    /// What it means, in a sentence, on hover.
    pub explanation: &'a str,
    pub curves: Vec<Curve<'a>>,

    /// A value to compare with, and its name.
    pub references: Vec<(f64, &'a str)>,
    pub numbers: Numbers,

    /// Values that are always in view.
    pub in_view: Option<RangeInclusive<f64>>,

    /// The steps that are always in view.
    pub steps: RangeInclusive<f64>,

    /// Plots of the same group share their steps and their cursor.
    pub group: egui::Id,
    pub height: f32,
}

impl<'a> LossPlot<'a> {
    /// Draws the plot; one that is scrolled out of sight only takes its place, since eight plots
    /// are most of a frame's work. Either way it is the same thing for whoever reads the screen, and so is what
    /// comes after it.
    pub fn show(self, ui: &mut Ui) -> Response {
        let name = self.spoken();
        let id = ui.scope_id().with((self.title, "plot"));
        let asked = Vec2::new(ui.available_width(), self.height);
        let last: Option<(Vec2, f32)> = ui.data(|data| data.get_temp(id));
        let known = last.filter(|(last, _)| *last == asked).map(|(_, height)| height);
        let place = known.map(|height| {
            Rect::from_min_size(ui.next_widget_position(), Vec2::new(asked.x, height))
        });
        let hidden = place.filter(|place| !ui.clip_rect().intersects(*place));
        let rect = ui.scope(|ui| match hidden {
            Some(place) => {
                ui.advance_cursor_after_rect(place);
                place
            }
            None => self.drawn(ui),
        });
        let rect = rect.inner;
        if hidden.is_none() {
            ui.data_mut(|data| data.insert_temp(id, (asked, rect.height())));
        }
        let response = ui.interact(rect, id, Sense::hover());
        response.widget_info(|| {
            egui::WidgetInfo::labeled(egui::accesskit::Role::GraphicsSymbol, true, &name)
        });
        response
    }

    fn drawn(self, ui: &mut Ui) -> Rect {
        let p = theme::palette(ui);
        let shown = plot_card::frame(ui).show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing.y = theme::GAP_SMALL;
            ui.scope(|ui| self.legend_ui(ui, &p));
            self.plot_ui(ui, &p);
        });
        shown.response.rect
    }

    /// What a screen reader says: `Loss: training 0.412, held out 0.455`.
    fn spoken(&self) -> String {
        let values = self.curves.iter().filter_map(|curve| {
            let said = |value| format!("{} {}", curve.name, self.numbers.text(value));
            curve.latest.map(|value| said(value).trim_start().to_owned())
        });
        let values: Vec<_> = values.collect();
        if values.is_empty() {
            format!("{} plot", self.title)
        } else {
            format!("{} plot: {}", self.title, values.join(", "))
        }
    }

    /// The title, and for each curve its line, name and latest value: in one line where there is
    /// room. Never in three, so that plots side by side are equally high.
    fn legend_ui(&self, ui: &mut Ui, p: &Palette) {
        let title = |ui: &mut Ui| {
            let title = Label::new(theme::strong(ui, self.title)).selectable(false).truncate();
            ui.add(title.sense(Sense::hover())).on_hover_text(self.explanation);
        };
        let entries = |ui: &mut Ui| {
            for curve in &self.curves {
                self.entry_ui(ui, p, curve);
            }
        };
        ui.spacing_mut().interact_size.y = theme::em(ui) * 1.3;
        let spacing = Vec2::new(theme::GAP_SMALL, 0.0);
        if ui.available_width() > theme::em(ui) * 32.0 {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing = spacing;
                ui.add_space(theme::GAP_SMALL);
                title(ui);
                ui.add_space(theme::GAP);
                entries(ui);
            });
        } else {
            ui.horizontal(|ui| {
                ui.add_space(theme::GAP_SMALL);
                title(ui);
            });
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing = spacing;
                ui.add_space(theme::GAP_SMALL);
                entries(ui);
            });
        }
    }

    /// A curve of the legend. Where the space is too small for its name, its line stands alone.
    fn entry_ui(&self, ui: &mut Ui, p: &Palette, curve: &Curve<'_>) {
        let em = theme::em(ui);
        // Where there are too many curves, the last ones are told by what is beside the plots.
        if ui.available_width() < em * 5.0 {
            return;
        }
        sample_ui(ui, curve.color, curve.mark);
        let room = ui.available_width();
        let name_width = em * 0.5 * curve.name.chars().count() as f32;
        if !curve.name.is_empty() && room > name_width + em * 4.0 {
            let name = theme::muted(ui, curve.name).small();
            ui.add(Label::new(name).selectable(false).extend());
        }
        if let Some(latest) = curve.latest {
            let text = theme::number(self.numbers.text(latest)).color(p.strong);
            ui.add(Label::new(text).selectable(false).truncate());
        }
        ui.add_space(theme::GAP);
    }

    fn plot_ui(self, ui: &mut Ui, p: &Palette) {
        let numbers = self.numbers;
        let em = egui::TextStyle::Small.resolve(ui.style()).size;
        let x_axis = plot_card::axis(ui, Axis::X)
            .label_spacing(em * 2.5..=em * 3.0)
            .formatter(|mark, _| whole_step(mark.value));
        let y_axis = plot_card::axis(ui, Axis::Y)
            .formatter(move |mark, _| numbers.tick(mark.value, mark.step_size));
        let mut plot = Plot::new(self.title)
            .height(self.height)
            .custom_x_axes(vec![x_axis])
            .custom_y_axes(vec![y_axis])
            // Numbers of steps are wider than high.
            .x_grid_spacer(|input| round_marks(&input, (input.base_step_size * 2.0).max(1.0)))
            .y_grid_spacer(|input| round_marks(&input, input.base_step_size))
            .grid_color(p.line)
            .grid_spacing(em * 2.0..=em * 2.2)
            .cursor_color(p.outline)
            .show_background(false)
            .show_y(false)
            .allow_scroll(false)
            .allow_boxed_zoom(false)
            .allow_axis_zoom_drag(false)
            .allow_zoom([true, false])
            .allow_drag([true, false])
            .set_margin_fraction(Vec2::new(0.02, 0.08))
            .link_axis(self.group, [true, false])
            .link_cursor(self.group, [true, false])
            .include_x(*self.steps.start())
            .include_x(*self.steps.end())
            .label_formatter(move |position| match position {
                HoverPosition::NearDataPoint { plot_name, position, .. }
                    if !plot_name.is_empty() =>
                {
                    let step = position.x.round();
                    Some(format!("{plot_name}\nstep {step:.0}: {}", numbers.text(position.y)))
                }
                _ => None,
            });
        if let Some(range) = &self.in_view {
            plot = plot.include_y(*range.start()).include_y(*range.end());
        }
        let found = |curve: Curve<'a>| {
            let Curve { name, color, mark, course, latest: _ } = curve;
            Drawn { name, color, mark, course: course() }
        };
        let curves: Vec<_> = self.curves.into_iter().map(found).collect();
        let shown = extent(&curves, &self.references, self.in_view.as_ref());
        let references = self.references;
        let steps = self.steps.clone();
        let detail = Detail::of(ui.available_width());
        let p = *p;
        plot.show(ui, move |plot_ui| {
            for (value, name) in references {
                let line = HLine::new(name, value).color(p.muted).width(1.0);
                plot_ui.hline(line.allow_hover(false));
                let (at, mut anchor) = label_place(value, &steps, &curves);
                if is_at_the_top(value, shown) {
                    anchor.0[1] = Align::Min; // below its line: above it there is no room
                }
                let words = RichText::new(format!("{name} {}", numbers.text(value))).small();
                let label = Text::new(name, PlotPoint::new(at, value), words.color(p.muted));
                plot_ui.text(label.anchor(anchor).allow_hover(false));
            }
            for curve in curves {
                draw(plot_ui, curve, detail);
            }
        });
    }
}

/// The lowest and the highest value that is drawn.
fn extent(
    curves: &[Drawn<'_>],
    references: &[(f64, &str)],
    in_view: Option<&RangeInclusive<f64>>,
) -> (f64, f64) {
    let points = curves.iter().flat_map(|curve| curve.course.points.iter().map(|point| point[1]));
    let ranges = curves.iter().flat_map(|curve| &curve.course.ranges);
    let ranges = ranges.flat_map(|range| [range[1], range[2]]);
    let ends = in_view.into_iter().flat_map(|view| [*view.start(), *view.end()]);
    let all = points.chain(ranges).chain(ends).chain(references.iter().map(|known| known.0));
    let all = all.filter(|value| value.is_finite());
    all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// Whether a name above this value would reach over the upper edge of the plot.
fn is_at_the_top(value: f64, (lowest, highest): (f64, f64)) -> bool {
    highest - value < (highest - lowest) * 0.12
}

/// Where the name of a value to compare with stands: on the side where the curves are further from it.
fn label_place(value: f64, steps: &RangeInclusive<f64>, curves: &[Drawn<'_>]) -> (f64, Align2) {
    let nearest = |point: fn(&[[f64; 2]]) -> Option<&[f64; 2]>| {
        let distances =
            curves.iter().filter_map(|curve| Some((point(&curve.course.points)?[1] - value).abs()));
        distances.fold(f64::INFINITY, f64::min)
    };
    if nearest(<[_]>::first) > nearest(<[_]>::last) {
        (*steps.start(), Align2::LEFT_BOTTOM)
    } else {
        (*steps.end(), Align2::RIGHT_BOTTOM)
    }
}

/// A curve of many points is drawn twice: faint and whole, strong and averaged.
fn draw(plot_ui: &mut egui_plot::PlotUi<'_>, curve: Drawn<'_>, detail: Detail) {
    let Drawn { name, color, mark, course: Course { points, ranges } } = curve;
    let strong = if points.len() > CALM_POINTS {
        let average = averaged(&points, detail.average);
        if ranges.is_empty() {
            let faint = Line::new(format!("{name} (each step)"), PlotPoints::from(points));
            let faint = faint.name("").color(color.gamma_multiply(0.3)).width(1.0);
            plot_ui.line(faint.allow_band(false).allow_hover(false));
        } else {
            let ranges = joined(&ranges, detail.stretches);
            let column = |at: usize| -> Vec<f64> { ranges.iter().map(|range| range[at]).collect() };
            let band = FilledArea::new("", &column(0), &column(1), &column(2));
            let band = band.id(format!("{name} (range)")).fill_color(color.gamma_multiply(0.25));
            plot_ui.add(band.allow_hover(false));
        }
        average
    } else {
        points
    };
    let (style, width) = match mark {
        Mark::Plain | Mark::Circles => (LineStyle::Solid, 2.0),
        Mark::Diamonds => (LineStyle::Dashed { length: 18.0 }, 2.0),
        Mark::Squares => (LineStyle::Solid, 1.0),
    };
    if let Some(marked) = marked(mark, &strong) {
        let shape = match mark {
            Mark::Plain | Mark::Circles => MarkerShape::Circle,
            Mark::Diamonds => MarkerShape::Diamond,
            Mark::Squares => MarkerShape::Square,
        };
        let radius = if mark == Mark::Diamonds { 4.5 } else { 3.5 };
        let markers = Points::new(format!("{name} (markers)"), PlotPoints::from(marked));
        let markers = markers.name("").shape(shape).color(color).radius(radius);
        plot_ui.points(markers.allow_hover(false));
    }
    let line = Line::new(name, PlotPoints::from(strong));
    plot_ui.line(line.color(color).style(style).width(width).allow_band(false));
}

/// Neighbouring stretches as one, so that there are few; no spike is lost.
fn joined(ranges: &[[f64; 3]], most: usize) -> Vec<[f64; 3]> {
    let stride = ranges.len().div_ceil(most).max(1);
    let whole = |group: &[[f64; 3]]| {
        group
            .iter()
            .fold(group[0], |[x, low, high], range| [x, low.min(range[1]), high.max(range[2])])
    };
    ranges.chunks(stride).map(whole).collect()
}

/// Where markers go: on eight points, always on the latest; on a plain line only while it is
/// too short to be seen.
fn marked(mark: Mark, points: &[[f64; 2]]) -> Option<Vec<[f64; 2]>> {
    if points.is_empty() || (mark == Mark::Plain && points.len() > 1) {
        return None;
    }
    let most = if mark == Mark::Squares { 60 } else { 8 };
    let stride = points.len().div_ceil(most);
    Some(points.iter().rev().step_by(stride).copied().collect())
}

/// A moving average over a fifteenth of the points to each side, thinned to what can be seen.
fn averaged(points: &[[f64; 2]], most: usize) -> Vec<[f64; 2]> {
    let reach = (points.len() / 30).max(2);
    let mut sums = Vec::with_capacity(points.len() + 1);
    let mut sum = 0.0;
    sums.push(sum);
    for point in points {
        sum += point[1];
        sums.push(sum);
    }
    let stride = points.len().div_ceil(most);
    let last = points.len() - 1;
    let wanted =
        (0..points.len()).step_by(stride).chain((!last.is_multiple_of(stride)).then_some(last));
    let average = wanted.map(|index| {
        // Narrower towards both ends, so that the ends are where the curve is.
        let reach = reach.min(index).min(last - index);
        let (from, to) = (index - reach, index + reach + 1);
        [points[index][0], (sums[to] - sums[from]) / (to - from) as f64]
    });
    average.collect()
}

/// A piece of the curve, for the legend.
fn sample_ui(ui: &mut Ui, color: Color32, mark: Mark) {
    let em = theme::em(ui);
    let (rect, _) = ui.allocate_exact_size(Vec2::new(em * 1.5, em), Sense::empty());
    let ends = [rect.left_center(), rect.right_center()];
    let painter = ui.painter();
    match mark {
        Mark::Plain | Mark::Circles => {
            painter.line_segment(ends, Stroke::new(2.0, color));
        }
        Mark::Diamonds => {
            painter.extend(Shape::dashed_line(&ends, Stroke::new(2.0, color), 5.0, 4.0));
        }
        Mark::Squares => {
            painter.line_segment(ends, Stroke::new(1.0, color));
        }
    }
    let middle = rect.center();
    match mark {
        Mark::Plain => {}
        Mark::Circles => {
            painter.circle_filled(middle, 3.5, color);
        }
        Mark::Diamonds => {
            painter.add(Shape::convex_polygon(diamond(middle, 4.5), color, Stroke::NONE));
        }
        Mark::Squares => {
            painter.rect_filled(Rect::from_center_size(middle, Vec2::splat(6.0)), 0.0, color);
        }
    }
}

fn diamond(middle: Pos2, radius: f32) -> Vec<Pos2> {
    [(0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)]
        .map(|(x, y)| middle + Vec2::new(x, y) * radius)
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_keeps_both_ends_and_a_straight_line() {
        let line: Vec<_> = (0..1000).map(|x| [f64::from(x), f64::from(x) * 0.5]).collect();
        let average = averaged(&line, 64);
        assert!(average.len() <= 65);
        assert_eq!((average[0], average[average.len() - 1]), (line[0], line[999]));
        assert!(average.iter().all(|point| (point[1] - point[0] * 0.5).abs() < 1e-9));
    }

    #[test]
    fn a_name_at_the_upper_edge_stands_below_its_line() {
        let view = 0.0..=0.693;
        let shown = extent(&[], &[(0.693, "coin toss")], Some(&view));
        assert_eq!(shown, (0.0, 0.693));
        assert!(is_at_the_top(0.693, shown) && !is_at_the_top(0.4, shown));
        assert!(!is_at_the_top(0.5, (0.5, 0.5)), "a single value is in the middle");
    }

    #[test]
    fn a_small_plot_is_drawn_more_coarsely() {
        let details = [100.0, 320.0, 2000.0].map(Detail::of);
        assert_eq!(details.map(|detail| detail.average), [24, 32, 64]);
        assert_eq!(details.map(|detail| detail.stretches), [24, 40, 96]);
    }

    #[test]
    fn a_band_of_few_stretches_keeps_every_spike() {
        let mut ranges: Vec<_> = (0..512).map(|x| [f64::from(x), 0.0, 1.0]).collect();
        ranges[301][2] = 9.0;
        ranges[77][1] = -9.0;
        let few = joined(&ranges, 96);
        assert_eq!(few.len(), 86, "six ranges each, as five would make more than 96");
        assert_eq!(few.iter().map(|range| range[2]).fold(0.0, f64::max), 9.0);
        assert_eq!(few.iter().map(|range| range[1]).fold(0.0, f64::min), -9.0);
        assert_eq!(joined(&ranges[..3], 96), ranges[..3]);
    }

    #[test]
    fn the_latest_point_has_a_marker() {
        let line: Vec<_> = (0..50).map(|x| [f64::from(x), 0.0]).collect();
        let marked = marked(Mark::Diamonds, &line).unwrap();
        assert!(marked.len() <= 8);
        assert_eq!(marked[0], [49.0, 0.0]);
        assert!(super::marked(Mark::Plain, &line).is_none());
    }
}

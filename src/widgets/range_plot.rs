//! A plot of a few measurements over any axis: means with their intervals, single measurements, lines, and
//! marked places. Curves over steps: see [`super::loss_plot`].

use eframe::egui;
use eframe::egui::{Color32, Response, RichText, Ui, Vec2};
use egui_plot::{
    Axis, GridMark, HoverPosition, Line, MarkerShape, Plot, PlotPoints, Points, VLine,
};

use super::loss_plot::Mark;
use super::plot_card::{PlotCard, axis};
use super::plot_numbers::{Numbers, round_marks};
use super::theme;

/// One mean with its interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    pub x: f64,
    pub mean: f64,
    pub interval: Option<(f64, f64)>,

    /// What the mean is of.
    pub singles: Vec<f64>,
}

/// Measurements of one kind, joined by a line.
#[derive(Clone, Debug)]
pub struct Measurements {
    pub name: String,
    pub color: Color32,
    pub mark: Mark,
    pub points: Vec<Measured>,
}

/// A line without marks.
#[derive(Clone, Debug)]
pub struct PlainLine<'a> {
    pub name: &'a str,
    pub color: Color32,
    pub points: Vec<[f64; 2]>,
    pub width: f32,
}

/// A place on the axis with its name.
#[derive(Clone, Debug)]
pub struct Place {
    pub x: f64,
    pub words: String,
    pub color: Color32,
}

#[must_use = "show it with `show`"]
pub struct RangePlot<'a> {
    pub title: &'a str,

    /// What it means, in a sentence, on hover.
    pub explanation: &'a str,
    pub x_name: &'a str,
    pub measurements: Vec<Measurements>,
    pub lines: Vec<PlainLine<'a>>,
    pub places: Vec<Place>,
    pub numbers: Numbers,

    /// Where marks stand on the axis. Empty: at round numbers.
    pub marks: Vec<f64>,

    /// An x as it is written.
    pub x_words: Box<dyn Fn(f64) -> String + 'a>,

    /// What a screen reader says.
    pub spoken: String,
    pub height: f32,
}

impl RangePlot<'_> {
    pub fn show(self, ui: &mut Ui) -> Response {
        let Self { title, explanation, .. } = self;
        let spoken = self.spoken.clone();
        let measured = self.measurements.iter().map(|one| (one.name.clone(), one.color));
        // Not beside their lines, where those that are near each other would lie on each other.
        let places = self.places.iter().map(|place| (place.words.clone(), place.color));
        let lines = self.lines.iter().map(|line| (line.name.to_owned(), line.color));
        let names: Vec<(String, Color32)> = measured.chain(places).chain(lines).collect();
        let names = names.iter().map(|(name, color)| (name.as_str(), *color));
        let card = PlotCard { title, explanation, spoken: &spoken };
        card.show(ui, names, |ui| self.plot_ui(ui))
    }

    fn plot_ui(self, ui: &mut Ui) {
        let p = theme::palette(ui);
        let em = egui::TextStyle::Small.resolve(ui.style()).size;
        let Self { x_name, measurements, lines, places, numbers, marks, x_words, .. } = self;
        let x_axis = axis(ui, Axis::X)
            .label(RichText::new(x_name).small().color(p.muted))
            .label_spacing(em * 2.5..=em * 3.0)
            .formatter(|mark, _| x_words(mark.value));
        let y_axis =
            axis(ui, Axis::Y).formatter(move |mark, _| numbers.tick(mark.value, mark.step_size));
        let points = measurements.iter().flat_map(|one| one.points.iter().map(|point| point.x));
        let xs =
            points.chain(lines.iter().flat_map(|line| line.points.iter().map(|point| point[0])));
        let (low, high) =
            xs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        let room = if high > low { (high - low) * 0.06 } else { 0.5 };
        let mut plot = Plot::new(self.title)
            .height(self.height)
            .custom_x_axes(vec![x_axis])
            .custom_y_axes(vec![y_axis])
            .y_grid_spacer(|input| round_marks(&input, input.base_step_size))
            .grid_color(p.line)
            .grid_spacing(em * 2.0..=em * 2.2)
            .cursor_color(p.outline)
            .show_background(false)
            .show_y(false)
            .allow_scroll(false)
            .allow_zoom([false, false])
            .allow_drag([false, false])
            .allow_boxed_zoom(false)
            .allow_axis_zoom_drag(false)
            .set_margin_fraction(Vec2::new(0.02, 0.1))
            .label_formatter(move |position| match position {
                HoverPosition::NearDataPoint { plot_name, position, .. }
                    if !plot_name.is_empty() =>
                {
                    Some(format!("{plot_name}\n{}", numbers.text(position.y)))
                }
                _ => None,
            });
        if low.is_finite() {
            plot = plot.include_x(low - room).include_x(high + room);
        }
        if marks.is_empty() {
            plot = plot.x_grid_spacer(|input| round_marks(&input, input.base_step_size * 2.0));
        } else {
            plot = plot.x_grid_spacer(move |_| {
                marks.iter().map(|value| GridMark { value: *value, step_size: 1.0 }).collect()
            });
        }
        plot.show(ui, move |plot_ui| {
            for Place { x, words, color } in places {
                plot_ui.vline(VLine::new(words, x).color(color).width(1.5).allow_hover(false));
            }
            for line in lines {
                let points = PlotPoints::from(line.points);
                let drawn = Line::new(line.name, points).color(line.color).width(line.width);
                plot_ui.line(drawn.allow_band(false));
            }
            for (number, one) in measurements.into_iter().enumerate() {
                let Measurements { name, color, mark, points } = one;
                let shape = match mark {
                    Mark::Circles => MarkerShape::Circle,
                    Mark::Diamonds => MarkerShape::Diamond,
                    Mark::Squares => MarkerShape::Square,
                    Mark::Plain => MarkerShape::Up,
                };
                let means: Vec<[f64; 2]> =
                    points.iter().map(|point| [point.x, point.mean]).collect();
                let line =
                    Line::new("", PlotPoints::from(means.clone())).id(format!("means {number}"));
                plot_ui.line(
                    line.color(color.gamma_multiply(0.5))
                        .width(1.0)
                        .allow_band(false)
                        .allow_hover(false),
                );
                for (at, point) in points.iter().enumerate() {
                    let singles: Vec<[f64; 2]> =
                        point.singles.iter().map(|y| [point.x, *y]).collect();
                    let dots = Points::new("", PlotPoints::from(singles))
                        .id(format!("singles {number} {at}"));
                    plot_ui.points(
                        dots.color(color.gamma_multiply(0.45)).radius(2.0).allow_hover(false),
                    );
                    if let Some((low, high)) = point.interval {
                        let bar = vec![[point.x, low], [point.x, high]];
                        let bar = Line::new("", PlotPoints::from(bar))
                            .id(format!("interval {number} {at}"));
                        plot_ui
                            .line(bar.color(color).width(2.0).allow_band(false).allow_hover(false));
                    }
                }
                let name = if name.is_empty() { "mean over the seeds".to_owned() } else { name };
                let marks = Points::new(name, PlotPoints::from(means))
                    .shape(shape)
                    .color(color)
                    .radius(4.5);
                plot_ui.points(marks);
            }
        });
    }
}

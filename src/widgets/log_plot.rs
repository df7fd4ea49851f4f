//! A plot whose axes are both logarithmic: marks, lines and dashes of a few series. Measurements over a linear
//! axis: see [`super::range_plot`].

use eframe::egui;
use eframe::egui::{Color32, Response, RichText, Ui, Vec2};
use egui_plot::{
    Axis, GridMark, HoverPosition, Line, LineStyle, MarkerShape, Plot, PlotPoints, Points,
};

use super::loss_plot::Mark;
use super::plot_card::{PlotCard, axis};
use super::plot_numbers::{log_marks, log_words};
use super::theme;

/// So many points of a line have marks.
const FEW: usize = 30;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    Marks(Mark),
    Line,
    Dashes,
}

/// Positive numbers under a name. Not logarithms.
#[derive(Clone, Debug)]
pub struct LogSeries {
    pub name: String,
    pub color: Color32,
    pub drawn: Drawn,
    pub points: Vec<(f64, f64)>,

    /// From a lower to a higher value at an x.
    pub bars: Vec<(f64, f64, f64)>,
}

#[must_use = "show it with `show`"]
pub struct LogPlot<'a> {
    pub title: &'a str,

    /// What it means, in a sentence, on hover.
    pub explanation: &'a str,
    pub x_name: &'a str,
    pub series: Vec<LogSeries>,

    /// What a screen reader says.
    pub spoken: String,
    pub height: f32,
}

impl LogPlot<'_> {
    pub fn show(self, ui: &mut Ui) -> Response {
        let Self { title, explanation, .. } = self;
        let spoken = self.spoken.clone();
        let names: Vec<(String, Color32)> =
            self.series.iter().map(|one| (one.name.clone(), one.color)).collect();
        let names = names.iter().map(|(name, color)| (name.as_str(), *color));
        let card = PlotCard { title, explanation, spoken: &spoken };
        card.show(ui, names, |ui| self.plot_ui(ui))
    }

    fn plot_ui(self, ui: &mut Ui) {
        let p = theme::palette(ui);
        let em = egui::TextStyle::Small.resolve(ui.style()).size;
        let Self { title, x_name, series, height, .. } = self;
        let x_axis = axis(ui, Axis::X)
            .label(RichText::new(x_name).small().color(p.muted))
            .label_spacing(em * 1.5..=em * 2.0)
            .formatter(|mark, _| log_words(10_f64.powf(mark.value)));
        let y_axis = axis(ui, Axis::Y)
            .label_spacing(em * 1.0..=em * 1.2)
            .formatter(|mark, _| log_words(10_f64.powf(mark.value)));
        let spacer = |input: egui_plot::GridInput| -> Vec<GridMark> {
            let (low, high) = input.bounds;
            let marks = log_marks(10_f64.powf(low), 10_f64.powf(high)).into_iter();
            marks.map(|mark| GridMark { value: mark.log10(), step_size: 1.0 }).collect()
        };
        let plot = Plot::new(title)
            .height(height)
            .custom_x_axes(vec![x_axis])
            .custom_y_axes(vec![y_axis])
            .x_grid_spacer(spacer)
            .y_grid_spacer(spacer)
            .grid_color(p.line)
            .grid_spacing(em * 1.0..=em * 1.2)
            .cursor_color(p.outline)
            .show_background(false)
            .allow_scroll(false)
            .allow_zoom([false, false])
            .allow_drag([false, false])
            .allow_boxed_zoom(false)
            .allow_axis_zoom_drag(false)
            .set_margin_fraction(Vec2::new(0.05, 0.1))
            .label_formatter(move |position| match position {
                HoverPosition::NearDataPoint { plot_name, position, .. }
                    if !plot_name.is_empty() =>
                {
                    let (x, y) = (10_f64.powf(position.x), 10_f64.powf(position.y));
                    Some(format!("{plot_name}\n{x_name}: {}\n{y:.4}", log_words(x)))
                }
                _ => None,
            });
        plot.show(ui, move |plot_ui| {
            for (number, one) in series.into_iter().enumerate() {
                let LogSeries { name, color, drawn, points, bars } = one;
                let place = |(x, y): (f64, f64)| [x.log10(), y.log10()];
                let is_there = |(x, y): &(f64, f64)| *x > 0.0 && *y > 0.0;
                let points: Vec<[f64; 2]> =
                    points.into_iter().filter(is_there).map(place).collect();
                for (at, (x, low, high)) in bars.into_iter().enumerate() {
                    let bar = vec![place((x, low)), place((x, high))];
                    let bar = Line::new("", PlotPoints::from(bar)).id(format!("bar {number} {at}"));
                    let bar = bar.color(color).width(2.0);
                    plot_ui.line(bar.allow_band(false).allow_hover(false));
                }
                let (count, points_again) = (points.len(), PlotPoints::from(points.clone()));
                let points = PlotPoints::from(points);
                let id = format!("series {number}");
                match drawn {
                    Drawn::Marks(mark) => {
                        let shape = match mark {
                            Mark::Circles => MarkerShape::Circle,
                            Mark::Diamonds => MarkerShape::Diamond,
                            Mark::Squares => MarkerShape::Square,
                            Mark::Plain => MarkerShape::Up,
                        };
                        let marks = Points::new(name, points).id(id).shape(shape);
                        plot_ui.points(marks.color(color).radius(5.0));
                    }
                    Drawn::Line => {
                        // Few measurements are seen as such, and a single one at all.
                        if count <= FEW {
                            let marks = Points::new("", points_again).id(format!("marks {number}"));
                            plot_ui.points(marks.color(color).radius(2.5).allow_hover(false));
                        }
                        let line = Line::new(name, points).id(id).color(color).width(1.8);
                        plot_ui.line(line.allow_band(false));
                    }
                    Drawn::Dashes => plot_ui.line(
                        Line::new(name, points)
                            .id(id)
                            .color(color)
                            .width(1.5)
                            .style(LineStyle::dashed_loose())
                            .allow_band(false),
                    ),
                }
            }
        });
    }
}

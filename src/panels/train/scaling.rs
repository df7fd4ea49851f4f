//! A scaling series below the queue of its sweep: the law in words, a line for each run, and four plots.

use eframe::egui::{Align, Grid, Label, Layout, ScrollArea, Ui, Vec2};

use crate::state::train::sweep::{count_words, number};
use crate::sweep::scaling::{ScaledRun, Scaling};
use crate::sweep::scaling_plot::{self, Look, Tint};
use crate::widgets::card::{card_ui, title_row_ui};
use crate::widgets::log_plot::{Drawn, LogPlot, LogSeries};
use crate::widgets::loss_plot::Mark;
use crate::widgets::theme::{self, Palette};

pub(super) fn scaling_ui(ui: &mut Ui, scaling: &Scaling) {
    card_ui(ui, |ui| {
        title_row_ui(ui, "Scaling series", |_| ());
        for (place, sentence) in scaling.words().iter().enumerate() {
            // The law stands out, and the rest says how far to trust it.
            let words = if place == 0 { sentence.into() } else { theme::muted(ui, sentence) };
            ui.add(Label::new(words).wrap());
        }
        if !scaling.runs.is_empty() {
            ui.add_space(theme::GAP);
            runs_ui(ui, scaling);
        }
    });
    ui.add_space(theme::GAP);
    plots_ui(ui, scaling);
}

/// A line for each run that is done.
fn runs_ui(ui: &mut Ui, scaling: &Scaling) {
    ScrollArea::horizontal().id_salt("scaling runs").show(ui, |ui| {
        let spacing = Vec2::new(theme::GAP_LARGE, 4.0);
        Grid::new("scaling_runs").num_columns(8).spacing(spacing).show(ui, |ui| {
            let heads = [
                ("Run", "Layers x width x heads"),
                ("N", "Parameters without embeddings, positions and head: the size on the axis"),
                ("All", "All parameters, with embeddings, as Chinchilla's rule counts them"),
                ("Tokens", "That it has learned from, repeats included"),
                (
                    "Per parameter",
                    "Tokens for each of all parameters: about 20 is where compute is spent best by Chinchilla's rule",
                ),
                ("Times read", "How often it has read the text"),
                ("Compute", "Floating-point operations: about 6 x all parameters x tokens"),
                (scaling.loss_name(), "In nats a token"),
                ("Law", "What the law says of this size"),
            ];
            for (head, explanation) in heads {
                ui.label(theme::muted(ui, head)).on_hover_text(explanation);
            }
            ui.end_row();
            for run in &scaling.runs {
                let ScaledRun { label, parameters, all_parameters, tokens, epochs, loss, .. } = run;
                ui.label(label);
                for words in [
                    count_words(*parameters),
                    count_words(*all_parameters),
                    count_words(*tokens),
                    format!("{:.1}", run.tokens_per_parameter),
                    format!("{epochs:.1}"),
                    format!("{:.1e}", run.compute()),
                    number(*loss),
                    scaling
                        .law
                        .as_ref()
                        .map_or_else(|_| String::new(), |law| number(law.at(*parameters as f64))),
                ] {
                    ui.label(theme::number(words));
                }
                ui.end_row();
            }
        });
    });
}

/// The plots, two beside each other where there is room.
fn plots_ui(ui: &mut Ui, scaling: &Scaling) {
    let em = theme::em(ui);
    let p = theme::palette(ui);
    let width = ui.available_width();
    let columns = if width > em * 44.0 { 2 } else { 1 };
    let column_width = (width - theme::GAP * (columns - 1) as f32) / columns as f32;
    let plots = scaling_plot::plots(scaling);
    for row in plots.chunks(columns) {
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = theme::GAP;
            for plot in row {
                let size = Vec2::new(column_width, 0.0);
                ui.allocate_ui_with_layout(size, Layout::top_down(Align::Min), |ui| {
                    ui.set_width(column_width);
                    plot_ui(ui, plot, &p);
                });
            }
        });
        ui.add_space(theme::GAP);
    }
}

fn plot_ui(ui: &mut Ui, plot: &scaling_plot::LogPlot, p: &Palette) {
    let series = plot.series.iter().map(|series| {
        let (color, mark) = match series.tint {
            Tint::Law => (p.muted, Mark::Plain),
            Tint::Size(place) => {
                let looks = [
                    (p.accent, Mark::Circles),
                    (p.rejected, Mark::Diamonds),
                    (p.chosen, Mark::Squares),
                    (p.info, Mark::Plain),
                ];
                looks[place % looks.len()]
            }
        };
        let drawn = match series.look {
            Look::Marks => Drawn::Marks(mark),
            Look::Line => Drawn::Line,
            Look::Dashes => Drawn::Dashes,
        };
        let (name, points, bars) =
            (series.name.clone(), series.points.clone(), series.bars.clone());
        LogSeries { name, color, drawn, points, bars }
    });
    let names: Vec<&str> = plot.series.iter().map(|series| series.name.as_str()).collect();
    LogPlot {
        title: &plot.title,
        explanation: plot.explanation,
        x_name: plot.x_name,
        series: series.collect(),
        spoken: format!("{} plot, both axes logarithmic: {}", plot.title, names.join("; ")),
        height: theme::em(ui) * 14.0,
    }
    .show(ui);
}

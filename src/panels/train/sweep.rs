//! A sweep: the queue with its table and its plot. Its form: see `sweep_form`.

use eframe::egui::{ComboBox, Grid, Label, RichText, ScrollArea, Ui, Vec2};

use super::fields::section_ui;
use super::scaling;
use super::sweep_form;
use crate::state::command::{Commands, TrainCommand};
use crate::state::slots::Surroundings;
use crate::state::train::TrainState;
use crate::state::train::sweep::{
    Front, ShownSweep, UnderWay, count_words, memory_words, number, spread,
};
use crate::sweep::outcome::Which;
use crate::sweep::plot::{PlotData, axes};
use crate::sweep::queue::State;
use crate::sweep::scaling::Scaling;
use crate::sweep::table::{Summary, Table};
use crate::train::config::metric::Metric;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{Tone, card_ui, chip_ui, title_row_ui};
use crate::widgets::choice::entry_ui;
use crate::widgets::format;
use crate::widgets::loss_plot::Mark;
use crate::widgets::plot_numbers::Numbers;
use crate::widgets::range_plot::{Measured, Measurements, RangePlot};
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme::{self, icons};

/// The buttons of the setup form that lead to several runs.
pub(super) fn several_ui(ui: &mut Ui, train: &mut TrainState) {
    section_ui(ui, "Several runs");
    ui.horizontal_wrapped(|ui| {
        let button = ActionButton::new("Sweep…").icon(icons::TUNE);
        let hint = "Run these settings with several values or several seeds, one run after the other, and compare \
                    them in one table";
        if ui.add(button).on_hover_text(hint).clicked() {
            train.sweep.front = Front::Form;
            train.results_in_front = true;
        }
        if train.form.newborn.is_some() {
            let button = ActionButton::new("Scaling series…").icon(icons::TUNE);
            let hint = "New models of three sizes on the same text, one after the other: how the loss falls with size, \
                        tokens and compute, and the power law through it";
            if ui.add(button).on_hover_text(hint).clicked() {
                train.sweep.form.scaling_series();
                train.sweep.front = Front::Form;
                train.results_in_front = true;
            }
        }
        if !train.form.objective.reads_texts() && train.form.newborn.is_none() {
            let button = ActionButton::new("Compare methods…").icon(icons::TUNE);
            let hint = "LoRA, full fine-tuning, soft prompts and others on the same rows and seed, one after the \
                        other: parameters, memory, time and held-out result in one table";
            if ui.add(button).on_hover_text(hint).clicked() {
                train.sweep.form.compare_methods();
                train.sweep.front = Front::Form;
                train.results_in_front = true;
            }
        }
        if train.form.objective.samples() {
            return; // its loss says nothing
        }
        let button = ActionButton::new("Find a learning rate…").icon(icons::LOOK);
        let hint = "A few steps at growing rates on weights that are thrown away: where does the loss fall the \
                    fastest?";
        if ui.add(button).on_hover_text(hint).clicked() {
            train.rates.open();
            train.results_in_front = true;
        }
    });
}

/// What lies over the curves.
pub(super) fn sweep_ui(
    ui: &mut Ui,
    train: &mut TrainState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    ScrollArea::vertical().id_salt("train_sweep").auto_shrink(false).show(ui, |ui| {
        match train.sweep.front {
            Front::Nothing => {}
            Front::Form => sweep_form::form_ui(ui, train, around, commands),
            Front::Queue => queue_ui(ui, train, commands),
        }
    });
}

/// The line that is always in sight while a sweep is under way and something else is in front.
pub(super) fn strip_ui(ui: &mut Ui, train: &mut TrainState) {
    let Some(under_way) = &train.sweep.under_way else { return };
    let words = format!("Sweep: {}", under_way.sentence());
    let mut shows = false;
    ui.horizontal_wrapped(|ui| {
        ui.add(Label::new(words).wrap());
        shows = ui.add(ActionButton::quiet("Show the sweep").icon(icons::TUNE)).clicked();
    });
    ui.add_space(theme::GAP_SMALL);
    if shows {
        train.sweep.front = Front::Queue;
    }
}

fn queue_ui(ui: &mut Ui, train: &mut TrainState, commands: &mut Commands) {
    let sweep = &mut train.sweep;
    let Some(shown) = &mut sweep.shown else { return };
    let under_way = sweep.under_way.as_ref().filter(|under_way| under_way.id == shown.id);
    let others_run =
        sweep.under_way.is_some() || train.live.as_ref().is_some_and(|live| live.is_running());
    let mut close = false;
    card_ui(ui, |ui| {
        title_row_ui(ui, &format!("Sweep {}", shown.id), |ui| {
            close = ui.add(ActionButton::new("Close").icon(icons::CLOSE)).clicked();
        });
        head_ui(ui, shown, under_way, others_run, commands);
        if let Some(table) = &shown.table {
            ui.add_space(theme::GAP);
            rows_ui(ui, table, under_way);
        } else if under_way.is_none() {
            ui.add(Label::new(theme::muted(ui, "Reading the runs…")));
        }
    });
    let ShownSweep { table, against, which, .. } = shown;
    if let Some(table) = table
        && table.summaries.iter().any(|summary| summary.last.is_some())
    {
        let scaling = Scaling::of(table, *which);
        // Of a series with one seed it would say the same as the lines above it.
        if scaling.is_none() || table.summaries.iter().any(|summary| summary.runs > 1) {
            ui.add_space(theme::GAP);
            card_ui(ui, |ui| summary_ui(ui, table));
        }
        ui.add_space(theme::GAP);
        match scaling {
            Some(scaling) => {
                which_ui(ui, which);
                ui.add_space(theme::GAP_SMALL);
                scaling::scaling_ui(ui, &scaling);
            }
            None => chart_ui(ui, table, against, which),
        }
    }
    if close {
        train.sweep.front = Front::Nothing;
    }
}

fn head_ui(
    ui: &mut Ui,
    shown: &ShownSweep,
    under_way: Option<&UnderWay>,
    others_run: bool,
    commands: &mut Commands,
) {
    let table = shown.table.as_ref();
    let left = table.map_or(0, Table::left);
    if let Some(sentence) = under_way.map(UnderWay::sentence).or_else(|| shown.sentence()) {
        ui.add(Label::new(sentence).wrap());
    }
    ui.horizontal_wrapped(|ui| {
        if let Some(under_way) = under_way {
            let stop = ActionButton::new("Stop the sweep").icon(icons::STOP);
            let hint =
                "The run under way keeps what it has learned, and the sweep can be continued";
            let response = stop.add_enabled(ui, !under_way.is_stopping).on_hover_text(hint);
            if response.on_disabled_hover_text("It stops after this step").clicked() {
                commands.push(TrainCommand::StopSweep);
            }
        } else if left > 0 {
            let button = ActionButton::primary("Continue the sweep").icon(icons::PLAY);
            let response = button.add_enabled(ui, !others_run);
            let response =
                response.on_disabled_hover_text("A run is under way: wait for it or stop it");
            if response.clicked() {
                commands.push(TrainCommand::ContinueSweep(shown.folder.clone()));
            }
        }
        if table.is_some_and(|table| table.count(State::Done) > 0) {
            let export = ActionButton::new("Export").icon(icons::EXPORT);
            let hint = "The tables (CSV) and the plot (SVG, PNG) into the folder of the sweep";
            if ui.add(export).on_hover_text(hint).clicked() {
                commands.push(TrainCommand::ExportSweep);
            }
        }
    });
}

fn state_tone(state: State) -> Tone {
    match state {
        State::Waiting => Tone::Info,
        State::Running => Tone::Accent,
        State::Done => Tone::Chosen,
        State::Stopped => Tone::Rejected,
        State::Failed => Tone::Problem,
    }
}

/// A line for each run.
fn rows_ui(ui: &mut Ui, table: &Table, under_way: Option<&UnderWay>) {
    let p = theme::palette(ui);
    ScrollArea::horizontal().id_salt("sweep runs").show(ui, |ui| {
        Grid::new("sweep_runs").num_columns(7).spacing(Vec2::new(theme::GAP_LARGE, 4.0)).show(
            ui,
            |ui| {
                for head in
                    ["Run", "State", table.title.as_str(), "Best", "Parameters", "Time", "Memory"]
                {
                    ui.label(theme::muted(ui, head));
                }
                ui.end_row();
                for (place, row) in table.rows.iter().enumerate() {
                    // A run that is begun is told of sooner than its table.
                    let runs = under_way.is_some_and(|under_way| under_way.run == Some(place));
                    let state = if runs { State::Running } else { row.state };
                    ui.label(&row.label);
                    chip_ui(ui, state_tone(state), None, state.word());
                    let main = row.outcome.as_ref().and_then(|found| found.number(&table.key));
                    let cell =
                        |value: Option<f64>| theme::number(value.map_or_else(String::new, number));
                    ui.label(cell(main.map(|main| main.last)));
                    ui.label(cell(main.and_then(|main| main.best)));
                    ui.label(theme::number(row.parameters.map_or_else(String::new, count_words)));
                    ui.label(
                        row.outcome
                            .as_ref()
                            .map_or_else(String::new, |found| format::duration(found.secs)),
                    );
                    ui.label(row.memory.map_or_else(String::new, memory_words));
                    ui.end_row();
                }
            },
        );
    });
    for row in &table.rows {
        if let Some(problem) = &row.message {
            let words = RichText::new(format!("{}: {problem}", row.label)).small().color(p.problem);
            ui.add(Label::new(words).wrap());
        }
    }
}

/// A line for each configuration, over its seeds.
fn summary_ui(ui: &mut Ui, table: &Table) {
    title_row_ui(ui, "Over the seeds", |_| ());
    let words = "Mean, standard deviation and the 95 % interval of the mean (Student's t). The time is the mean, the \
                 memory the maximum.";
    ui.add(Label::new(theme::muted(ui, words)).wrap());
    ui.add_space(theme::GAP_SMALL);
    let best = table.best();
    ScrollArea::horizontal().id_salt("sweep summary").show(ui, |ui| {
        Grid::new("sweep_summary").num_columns(6).spacing(Vec2::new(theme::GAP_LARGE, 4.0)).show(ui, |ui| {
            for head in ["Configuration", "n", table.title.as_str(), "Best", "Time", "Memory"] {
                ui.label(theme::muted(ui, head));
            }
            ui.end_row();
            for (place, summary) in table.summaries.iter().enumerate() {
                let Summary { label, last, best: lowest, secs, memory, .. } = summary;
                let is_best = best == Some(place) && table.summaries.len() > 1;
                let name = if is_best { theme::strong(ui, label) } else { RichText::new(label) };
                let name = ui.label(name);
                if is_best {
                    name.on_hover_text("The best mean. Intervals that overlap do not tell configurations apart");
                }
                ui.label(last.map_or(0, |found| found.n).to_string());
                ui.label(theme::number(spread(*last)));
                ui.label(theme::number(spread(*lowest)));
                ui.label(secs.map_or_else(String::new, format::duration));
                ui.label(memory.map_or_else(String::new, memory_words));
                ui.end_row();
            }
        });
    });
}

/// Which evaluation of each run is shown.
fn which_ui(ui: &mut Ui, which: &mut Which) {
    let segments = [
        Segment { value: Which::Last, words: "final", explanation: "At the last evaluation" },
        Segment { value: Which::Best, words: "best", explanation: "At the best evaluation" },
    ];
    segmented_ui(ui, which, &segments);
}

fn chart_ui(ui: &mut Ui, table: &Table, against: &mut String, which: &mut Which) {
    let p = theme::palette(ui);
    let data = PlotData::of(table, against, *which);
    ui.horizontal_wrapped(|ui| {
        let axes = axes(table);
        if axes.len() > 1 {
            ui.label("Against");
            let combo = ComboBox::from_id_salt("sweep axis")
                .selected_text(&data.x_name)
                .width(theme::em(ui) * 14.0)
                .truncate()
                .show_ui(ui, |ui| {
                    for axis in axes {
                        if entry_ui(ui, axis == data.x_name, &axis).clicked() {
                            *against = axis;
                        }
                    }
                });
            combo.response.accessible_name("Against");
        }
        which_ui(ui, which);
    });
    let looks = [
        (p.accent, Mark::Circles),
        (p.rejected, Mark::Diamonds),
        (p.chosen, Mark::Squares),
        (p.info, Mark::Plain),
    ];
    let is_percent =
        Metric::by_key(&table.key).map(super::plots::numbers) == Some(Numbers::Percent);
    let spoken: Vec<String> = table
        .summaries
        .iter()
        .filter_map(|summary| Some(format!("{} {}", summary.label, spread(Some(summary.last?)))))
        .collect();
    let spoken = format!("{} plot: {}", data.y_name, spoken.join(", "));
    let mut marks: Vec<f64> =
        data.series.iter().flat_map(|series| series.points.iter().map(|point| point.x)).collect();
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    let measurements = data.series.iter().enumerate().map(|(place, series)| {
        let (color, mark) = looks[place % looks.len()];
        let points = series.points.iter().map(|point| Measured {
            x: point.x,
            mean: point.mean,
            interval: point.interval,
            singles: point.singles.clone(),
        });
        Measurements { name: series.name.clone(), color, mark, points: points.collect() }
    });
    let x_name = data.x_title();
    let scale = data.scale.clone();
    RangePlot {
        title: &data.y_name,
        explanation: "A mark for the mean over the seeds, a bar for its 95 % interval, a dot for each seed",
        x_name: &x_name,
        measurements: measurements.collect(),
        lines: Vec::new(),
        places: Vec::new(),
        numbers: if is_percent { Numbers::Percent } else { Numbers::Plain },
        marks,
        x_words: Box::new(move |x| scale.words(x)),
        spoken,
        height: theme::em(ui) * 16.0,
    }
    .show(ui);
}

/// The sweeps of the project, above its runs.
pub(super) fn list_ui(ui: &mut Ui, train: &TrainState, commands: &mut Commands) {
    if train.sweep.list.is_empty() {
        return;
    }
    let busy = train.is_running() || train.sweep.is_running();
    section_ui(ui, "Sweeps");
    for entry in &train.sweep.list {
        let is_under_way = train.sweep.under_way.as_ref().is_some_and(|known| known.id == entry.id);
        card_ui(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.add(Label::new(theme::strong(ui, &entry.id)).truncate());
            let sentence = match &train.sweep.under_way {
                Some(under_way) if is_under_way => under_way.sentence(),
                _ => entry.sentence(),
            };
            ui.add(Label::new(sentence).wrap());
            ui.horizontal_wrapped(|ui| {
                let show = ui.add(ActionButton::new("Show").icon(icons::LOOK));
                if show.accessible_name(format!("Show sweep {}", entry.id)).clicked() {
                    commands.push(TrainCommand::ShowSweep(entry.folder.clone()));
                }
                if entry.left > 0 && !is_under_way {
                    let button =
                        ActionButton::new("Continue").icon(icons::PLAY).add_enabled(ui, !busy);
                    let button = button.accessible_name(format!("Continue sweep {}", entry.id));
                    let reason = "A run is under way: wait for it or stop it";
                    if button.on_disabled_hover_text(reason).clicked() {
                        commands.push(TrainCommand::ContinueSweep(entry.folder.clone()));
                    }
                }
            });
        });
        ui.add_space(theme::GAP_SMALL);
    }
    section_ui(ui, "Runs");
}

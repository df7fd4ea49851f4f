//! Further files that are mixed with the chosen data, and what was measured of each file.

use eframe::egui::{Grid, Label, Sides, TextStyle, Ui, Vec2};

use super::fields::{Problems, number_ui, small_button_ui};
use crate::state::command::{Commands, TrainCommand};
use crate::state::train::TrainState;
use crate::state::train::curves::Curves;
use crate::train::config::metric::Metric;
use crate::train::config::{Objective, TrainConfig};
use crate::train::record::metrics::SourceMetrics;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{card_ui, title_row_ui};
use crate::widgets::one_line::one_line;
use crate::widgets::theme::{self, icons};

/// A file's name takes this share of the card at most: three columns of numbers stand beside it.
const MOST_OF_NAME: f32 = 0.45;

/// The files with their shares, and the button that adds one.
pub(super) fn mix_ui(
    ui: &mut Ui,
    train: &mut TrainState,
    problems: &Problems,
    commands: &mut Commands,
) {
    let objective = train.form.objective;
    if objective == Objective::Pretrain || objective.reads_texts() {
        return;
    }
    let config = &mut train.form;
    let names = config.source_names();
    let mut removed = None;
    for (number, name) in names.iter().enumerate().skip(1) {
        let source = &mut config.mix[number - 1];
        let path = source.data.display().to_string();
        let before = source.share * 100.0;
        let mut percent = before;
        Sides::new().shrink_left().truncate().show(
            ui,
            |ui| ui.add(Label::new(format!("+ {name}"))).on_hover_text(path),
            |ui| {
                let words = format!("Leave out {name}");
                if ui.add(ActionButton::only_icon(icons::CLOSE, &words)).clicked() {
                    removed = Some(number - 1);
                }
                ui.label(theme::muted(ui, "%"));
                let hint = "How many of a hundred rows that are trained on come from this file. A file with fewer \
                            rows stands in several times";
                let title = format!("Share of {name} in percent");
                number_ui(ui, &title, &mut percent, 0.1..=95.0).on_hover_text(hint);
            },
        );
        if percent != before {
            source.share = percent / 100.0;
        }
    }
    if let Some(number) = removed {
        config.mix.remove(number);
    }
    if !config.mix.is_empty() {
        ui.add(Label::new(theme::muted(ui, shares(config))).wrap());
    }
    problems.show(ui, "mix");
    let hint = "Rows of another file among those of your data, against forgetting: an earlier task's rows, or \
                neutral text. What is held out is measured for each file";
    if small_button_ui(ui, "Mix in another file…", hint) {
        commands.push(TrainCommand::ChooseMix);
    }
}

/// What the data above keeps.
fn shares(config: &TrainConfig) -> String {
    let own = (config.share_of_data() * 100.0).max(0.0);
    let measures = if config.measure_forgetting {
        ""
    } else {
        "; measure_forgetting, under Measuring, shows what the mix does"
    };
    format!("{own:.0} % of the rows are your data's{measures}")
}

/// The loss of each file's held-out rows, or its reward, at the first and at the last evaluation.
pub(super) fn by_file_ui(ui: &mut Ui, curves: &Curves) {
    let [first, last] = &curves.by_file;
    if last.is_empty() {
        return;
    }
    let metric = [Metric::Reward, Metric::Loss]
        .into_iter()
        .find(|metric| last.iter().all(|file| file.values.get(*metric).is_some()));
    let Some(metric) = metric else { return };
    let title = metric.facts().title.to_lowercase();
    ui.add_space(theme::GAP);
    card_ui(ui, |ui| {
        title_row_ui(ui, "Held out, file by file", |_ui| {});
        // A label that is cut by itself has the least width of a cell, whatever room there is.
        let (font, ink) = (TextStyle::Body.resolve(ui.style()), theme::palette(ui).text);
        let room = ui.available_width() * MOST_OF_NAME;
        Grid::new("by_file").num_columns(4).spacing(Vec2::new(24.0, 4.0)).show(ui, |ui| {
            ui.label(theme::muted(ui, "file"));
            ui.label(theme::muted(ui, "rows"));
            ui.label(theme::muted(ui, format!("{title}, first")));
            ui.label(theme::muted(ui, format!("{title}, last")));
            ui.end_row();
            for SourceMetrics { name, pair_count, values } in last {
                let shown = one_line(ui, name, font.clone(), ink, room);
                ui.label(shown).on_hover_text(name);
                ui.label(theme::number(pair_count.to_string()));
                let of = |value: Option<f64>| {
                    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
                };
                let before = first.iter().find(|file| file.name == *name);
                let before = before.and_then(|file| file.values.get(metric));
                ui.label(theme::number(of(before)));
                ui.label(theme::number(of(values.get(metric))));
                ui.end_row();
            }
        });
    });
}

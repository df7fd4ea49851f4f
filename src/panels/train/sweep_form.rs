//! The form of a sweep: values of keys, variations, seeds, and the runs that these add up to.

use eframe::egui::{Grid, Label, ScrollArea, TextEdit, Ui, Vec2};

use super::fields::{check_ui, problem_ui, section_ui};
use crate::state::command::{Commands, TrainCommand};
use crate::state::slots::Surroundings;
use crate::state::train::TrainState;
use crate::state::train::sweep::{Front, count_words, number, sentence};
use crate::state::train::sweep_form::{KeyRow, SweepForm, VariationOf, VariationRow};
use crate::sweep::expand::Planned;
use crate::sweep::keys;
use crate::sweep::methods::METHODS;
use crate::train::config::TrainConfig;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{card_ui, title_row_ui};
use crate::widgets::choice::menu_ui;
use crate::widgets::theme::{self, icons};

pub(super) fn form_ui(
    ui: &mut Ui,
    train: &mut TrainState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let blocked = train.blocked_reason(around.model, around.activities);
    let rows = train.data().map(|data| train.rows_of(data));
    let TrainState { sweep, form: config, estimate, .. } = train;
    let mut close = false;
    card_ui(ui, |ui| {
        title_row_ui(ui, "Sweep", |ui| {
            close = ui.add(ActionButton::new("Close").icon(icons::CLOSE)).clicked();
        });
        let words = "The settings on the left are run once for each variation with each combination of these values \
                     and each seed, one run after the other. What is not listed here stays as it is on the left.";
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        ui.add_space(theme::GAP);
        if config.newborn.is_some() {
            section_ui(ui, "Sizes");
            sizes_ui(ui, &mut sweep.form, config);
        }
        section_ui(ui, "Values");
        keys_ui(ui, &mut sweep.form.rows, config);
        section_ui(ui, "Variations");
        variations_ui(ui, &mut sweep.form, config);
        ui.add_space(theme::GAP);
        ui.horizontal_wrapped(|ui| {
            let label = ui.label("Seeds");
            let field =
                TextEdit::singleline(&mut sweep.form.seeds).desired_width(theme::em(ui) * 9.0);
            let hint = "How many (3: the seed on the left and those after it), or which (1, 2, 3)";
            ui.add(field).labelled_by(label.id).on_hover_text(hint);
            ui.add(Label::new(theme::muted(ui, "how many, or a list")).selectable(false));
        });
        ui.add_space(theme::GAP);
        let planned = sweep.form.planned(config);
        let reason = match &planned {
            Ok(planned) => {
                section_ui(ui, "Runs");
                ui.add(Label::new(sentence(planned, config, (&*estimate, rows))).wrap());
                blocked.clone()
            }
            Err(problem) => {
                problem_ui(ui, problem);
                Some(problem.clone())
            }
        };
        ui.horizontal_wrapped(|ui| {
            let start = ActionButton::primary("Start the sweep").icon(icons::PLAY);
            let response = start.add_enabled(ui, reason.is_none());
            let response = match &reason {
                Some(reason) => response.on_disabled_hover_text(reason),
                None => response,
            };
            if response.clicked() {
                commands.push(TrainCommand::StartSweep);
            }
        });
        if let (Ok(_), Some(reason)) = (&planned, &blocked) {
            ui.add(Label::new(theme::muted(ui, reason)).wrap());
        }
        if let Ok(planned) = &planned {
            planned_ui(ui, planned); // below the button, which a long list would push out of sight
        }
    });
    if close {
        sweep.front = Front::Nothing;
    }
}

/// The sizes of a model that is born, each with what it has.
fn sizes_ui(ui: &mut Ui, form: &mut SweepForm, config: &TrainConfig) {
    let words = "A scaling series: how many sizes (3: the shape on the left and two smaller ones, each about a quarter \
                 of the next), or which, as layers x width x heads. The text, the tokenizer and the number of steps \
                 stay the same. Empty: the shape on the left alone.";
    ui.add(Label::new(theme::muted(ui, words)).wrap());
    ui.horizontal_wrapped(|ui| {
        ui.label("Sizes");
        let field = TextEdit::singleline(&mut form.sizes).hint_text("3, or 1x40x4, 2x56x4");
        ui.add(field.desired_width(theme::em(ui) * 16.0)).accessible_name("Sizes");
    });
    let sizes = form.sizes(config);
    if !sizes.is_empty() {
        let said = sizes.iter().map(|(size, count)| format!("{size}: {}", count_words(*count)));
        let said = said.collect::<Vec<_>>().join(" · ");
        let sentence = format!("Parameters without embeddings: {said}");
        ui.add(Label::new(theme::muted(ui, sentence)).wrap());
    }
}

/// A row for each key: its name, its values.
fn keys_ui(ui: &mut Ui, rows: &mut Vec<KeyRow>, config: &TrainConfig) {
    let em = theme::em(ui);
    let mut removed = None;
    for (place, row) in rows.iter_mut().enumerate() {
        ui.push_id(("sweep key", place), |ui| {
            ui.horizontal_wrapped(|ui| {
                let key =
                    TextEdit::singleline(&mut row.key).hint_text("key").desired_width(em * 13.0);
                ui.add(key).accessible_name(format!("Key {}", place + 1));
                ui.menu_button("…", |ui| {
                    menu_ui(ui, |ui| {
                        for known in keys::known() {
                            if ui.button(&known).clicked() {
                                row.key = known;
                                ui.close();
                            }
                        }
                    });
                })
                .response
                .on_hover_text("Every key of a run file")
                .accessible_name(format!("Choose key {}", place + 1));
                let values = TextEdit::singleline(&mut row.values).hint_text("values, with commas");
                ui.add(values.desired_width(em * 16.0))
                    .accessible_name(format!("Values {}", place + 1));
                offered_ui(ui, row, (place, config));
                let remove = ActionButton::only_icon(icons::CLOSE, "Remove this key");
                if ui.add(remove).accessible_name(format!("Remove key {}", place + 1)).clicked() {
                    removed = Some(place);
                }
            });
        });
    }
    if let Some(place) = removed {
        rows.remove(place);
    }
    if ui.add(ActionButton::quiet("Another key").icon(icons::ADD)).clicked() {
        rows.push(KeyRow::default());
    }
}

/// Values to click: a list of names, or numbers around the one of the settings.
fn offered_ui(ui: &mut Ui, row: &mut KeyRow, (place, config): (usize, &TrainConfig)) {
    let offered = row.offered(config);
    if offered.is_empty() {
        return;
    }
    ui.menu_button("Values…", |ui| {
        menu_ui(ui, |ui| {
            for (value, is_chosen) in offered {
                let mut ticked = is_chosen;
                if check_ui(ui, &mut ticked, &value, "Is tried where it is ticked").changed() {
                    row.toggle(&value);
                }
            }
        });
    })
    .response
    .on_hover_text("Values that this key can have, or numbers around the one on the left")
    .accessible_name(format!("Choose values {}", place + 1));
}

/// A row for each variation: its name, what of it differs.
fn variations_ui(ui: &mut Ui, form: &mut SweepForm, config: &TrainConfig) {
    let em = theme::em(ui);
    let words = "Whole settings under a name. Change the settings on the left and take them, as often as you like, \
                 or choose methods.";
    ui.add(Label::new(theme::muted(ui, words)).wrap());
    let mut removed = None;
    // Where it is narrow, what differs has a line of its own.
    let is_narrow = ui.available_width() < em * 34.0;
    for (place, row) in form.variations.iter_mut().enumerate() {
        ui.push_id(("sweep variation", place), |ui| {
            let differs = row.variation(config).map(|found| found.words()).unwrap_or_default();
            let differs = if differs.is_empty() { "as on the left" } else { differs.as_str() };
            let differs = theme::muted(ui, differs);
            ui.horizontal(|ui| {
                let name = TextEdit::singleline(&mut row.name).hint_text("name");
                ui.add(name.desired_width(em * 11.0))
                    .accessible_name(format!("Name of variation {}", place + 1));
                if matches!(row.of, VariationOf::Method(_)) {
                    let rate = TextEdit::singleline(&mut row.rate).hint_text("learning rate");
                    ui.add(rate.desired_width(em * 7.5))
                        .on_hover_text("A learning rate of its own. Empty: the one on the left")
                        .accessible_name(format!("Learning rate of variation {}", place + 1));
                }
                let remove = ActionButton::only_icon(icons::CLOSE, "Remove this variation");
                let name = format!("Remove variation {}", place + 1);
                if ui.add(remove).accessible_name(name).clicked() {
                    removed = Some(place);
                }
                if !is_narrow {
                    ui.add(Label::new(differs.clone()).truncate());
                }
            });
            if is_narrow {
                ui.add(Label::new(differs).wrap());
            }
        });
    }
    if let Some(place) = removed {
        form.variations.remove(place);
    }
    ui.horizontal_wrapped(|ui| {
        let take = ActionButton::quiet("Take the settings on the left").icon(icons::ADD);
        if ui.add(take).clicked() {
            form.take(config);
        }
        ui.menu_button("Methods…", |ui| {
            menu_ui(ui, |ui| {
                for (name, title, _) in METHODS {
                    let is_it = |row: &VariationRow| row.of == VariationOf::Method(name);
                    let place = form.variations.iter().position(is_it);
                    let mut ticked = place.is_some();
                    if check_ui(ui, &mut ticked, title, "A variation that learns so").changed() {
                        match place {
                            Some(place) => drop(form.variations.remove(place)),
                            None => form.variations.push(VariationRow::method(name)),
                        }
                    }
                }
            });
        });
    });
}

/// Every run, before anything starts. It is the end of the page, which scrolls: an area of its own with a height
/// of its own would hold the wheel, and what of it is beside the window could hardly be reached.
fn planned_ui(ui: &mut Ui, planned: &[Planned]) {
    ScrollArea::horizontal().id_salt("sweep planned").show(ui, |ui| {
        Grid::new("sweep_planned").num_columns(4).spacing(Vec2::new(theme::GAP_LARGE, 2.0)).show(
            ui,
            |ui| {
                for head in ["", "Run", "Learning rate", "Seed"] {
                    ui.label(theme::muted(ui, head));
                }
                ui.end_row();
                for (place, run) in planned.iter().enumerate() {
                    ui.label(theme::number((place + 1).to_string()));
                    ui.label(&run.label);
                    ui.label(theme::number(number(run.config.learning_rate)));
                    ui.label(theme::number(run.seed.to_string()));
                    ui.end_row();
                }
            },
        );
    });
}

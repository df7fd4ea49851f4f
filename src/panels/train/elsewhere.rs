//! A run that this machine is too small for: made into a bundle for another engine, its results
//! taken back.

use eframe::egui::{Label, Ui};

use super::away;
use super::fields::{choice_ui, number_row_ui, row_ui, section_ui};
use crate::elsewhere::{Engine, Preset};
use crate::state::command::{Commands, TrainCommand};
use crate::state::train::TrainState;
use crate::widgets::button::ActionButton;
use crate::widgets::theme::{self, icons};

pub(super) fn bundle_ui(ui: &mut Ui, train: &mut TrainState, commands: &mut Commands) {
    section_ui(ui, "Run elsewhere");
    if train.form.objective.reads_texts() {
        let words = "Classifiers are trained here: TRL has no trainer for encoders";
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        return;
    }
    let form = &mut train.elsewhere;
    let hint = "The program that trains: the bundle has its settings, the data in its format, and \
                scripts that start it";
    let engines = Engine::ALL.map(|engine| (engine.name(), engine));
    row_ui(ui, "Engine", hint, |ui| choice_ui(ui, "Engine", &mut form.engine, &engines, hint));
    let hint = form.preset.words();
    let presets = Preset::ALL.map(|preset| (preset.key(), preset));
    row_ui(ui, "Preset", hint, |ui| choice_ui(ui, "Preset", &mut form.preset, &presets, hint));
    if form.counts_gpus() {
        number_row_ui(ui, "GPUs", "On each machine", &mut form.gpus, 1..=64);
    }
    ui.horizontal_wrapped(|ui| {
        let button = ActionButton::new("Make a bundle…").icon(icons::EXPORT);
        let hint = "A folder with these settings and this data that another machine runs";
        if ui.add(button).on_hover_text(hint).clicked() {
            commands.push(TrainCommand::MakeBundle);
        }
    });
    away::run_on_ui(ui, train, commands);
}

pub(super) fn results_ui(ui: &mut Ui, commands: &mut Commands) {
    ui.horizontal_wrapped(|ui| {
        let button = ActionButton::quiet("Import results…").icon(icons::DOWNLOAD);
        let hint = "A folder that TRL, LLaMA-Factory, Axolotl or Unsloth wrote becomes a run of this \
                    project";
        if ui.add(button).on_hover_text(hint).clicked() {
            commands.push(TrainCommand::TakeResults);
        }
    });
}

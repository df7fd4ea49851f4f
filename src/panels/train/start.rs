//! What will happen, the Start button, and what stands in its way.

use eframe::egui::{Label, RichText, Ui};

use crate::state::command::{Commands, TrainCommand};
use crate::state::slots::Surroundings;
use crate::state::train::TrainState;
use crate::state::train::estimate::EstimateSlot;
use crate::widgets::button::ActionButton;
use crate::widgets::theme::{self, icons};

pub(super) fn start_ui(
    ui: &mut Ui,
    train: &mut TrainState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let p = theme::palette(ui);
    if let Some(plan) = train.plan().filter(|plan| plan.rows > 1) {
        ui.add(Label::new(RichText::new(plan.sentence()).color(p.text)).wrap());
    }
    estimate_ui(ui, &train.estimate);
    let blocked = train.blocked_reason(around.model, around.activities);
    ui.horizontal_wrapped(|ui| {
        let start = ActionButton::primary("Start training").icon(icons::PLAY);
        let response = ui.add_enabled(blocked.is_none(), start);
        let response = if let Some(reason) = &blocked {
            response.on_disabled_hover_text(reason)
        } else {
            let loaded = around.model.ready().map(|card| card.identity.name.as_str());
            let name = if train.form.objective.reads_texts() {
                train.texts.chosen_name()
            } else if train.form.newborn.is_some() {
                Some("a new model")
            } else {
                loaded
            };
            let name = name.unwrap_or("the model");
            response.on_hover_text(format!("Train {name} with these settings"))
        };
        if response.clicked() {
            commands.push(TrainCommand::Start);
        }
        let has_data = train.data().is_some_and(|data| data.rows() > 0);
        // It reads the data as the loaded model would.
        let of_another = train.says_its_own_size();
        if has_data && !of_another && around.model.ready().is_some() {
            let survey = ActionButton::new("Look at the data").icon(icons::LOOK);
            let hint = "What would be cut or left out, what is odd about it, and every row as the \
                        model sees it";
            if ui.add(survey).on_hover_text(hint).clicked() {
                train.results_in_front = true;
                commands.push(TrainCommand::SurveyData);
            }
        }
    });
    if let Some(reason) = &blocked {
        ui.add(Label::new(theme::muted(ui, reason)).wrap());
    }
}

/// Memory and time, and on hover what they are made of.
fn estimate_ui(ui: &mut Ui, estimate: &EstimateSlot) {
    let Some(words) = estimate.sentence() else { return };
    let response = ui.add(Label::new(theme::muted(ui, words)).wrap());
    if let Some(breakdown) = estimate.breakdown() {
        response.on_hover_text(breakdown);
    }
}

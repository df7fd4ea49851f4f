//! The losses of a run: usually one; DPO adds several up, each times its weight.

use eframe::egui::{ComboBox, Ui};

use super::fields::{Problems, number_ui, row_ui, small_button_ui};
use crate::train::config;
use crate::train::config::objective::Setting;
use crate::train::config::{Objective, TrainConfig};
use crate::widgets::button::ActionButton;
use crate::widgets::theme::{self, icons};

const HINT: &str =
    "How a pair's two log-ratios become a loss, by TRL's names. sigmoid is the DPO paper's";

pub(super) fn losses_ui(ui: &mut Ui, config: &mut TrainConfig, problems: &Problems) {
    if !config.objective.has(Setting::LossWeights) {
        row_ui(ui, "loss_type", "How answers become a loss, by TRL's names", |ui| {
            loss_ui(ui, 0, config.objective, &mut config.loss_type);
        });
        problems.show_named(ui, "loss_type");
        return;
    }
    let mut removed = None;
    let count = config.loss_type.len();
    for index in 0..count {
        let (name, hint) = match index {
            0 => ("loss_type", HINT),
            _ => ("plus", "Added to the losses above, times its weight"),
        };
        row_ui(ui, name, hint, |ui| {
            // From the right, as the row is laid out.
            if count > 1 {
                let loss = &config.loss_type[index];
                let words = format!("Without {loss}");
                if ui.add(ActionButton::only_icon(icons::CLOSE, &words)).clicked() {
                    removed = Some(index);
                }
                let weights = &mut config.loss_weights;
                weights.resize(count.max(weights.len()), 1.0);
                let name = format!("Weight of {loss}");
                let hint = "By how much this loss counts (loss_weights)";
                number_ui(ui, &name, &mut weights[index], -1e6..=1e6).on_hover_text(hint);
            }
            loss_ui(ui, index, config.objective, &mut config.loss_type);
        });
    }
    if let Some(index) = removed {
        config.loss_type.remove(index);
        config.loss_weights.remove(index);
        if config.loss_type.len() == 1 {
            config.loss_weights.clear(); // alone, it counts once
        }
    }
    let unused =
        config::LOSS_TYPES.into_iter().rev().find(|name| !is_used(name, &config.loss_type));
    let hint = "Add up several losses with weights of their own: MPO is 0.8 sigmoid, 0.2 bco_pair \
                and 1 sft";
    // On the left: a second click must not fall on what removes the new loss.
    ui.horizontal(|ui| {
        // The last of the list is sft, which is what is added most often.
        if let Some(name) = unused
            && small_button_ui(ui, "Add a loss", hint)
        {
            config.loss_type.push(name.to_owned());
        }
    });
    for field in ["loss_type", "loss_weights"] {
        problems.show_named(ui, field);
    }
}

/// The loss of single tokens.
pub(super) fn token_loss_ui(ui: &mut Ui, config: &mut TrainConfig, problems: &Problems) {
    let hint = "nll: every token alike. dft: each by the probability that the model gives it, so that \
                what it finds impossible teaches it little";
    row_ui(ui, "loss_type", hint, |ui| {
        loss_ui(ui, 0, config.objective, &mut config.loss_type);
    });
    problems.show_named(ui, "loss_type");
}

fn is_used(name: &str, losses: &[String]) -> bool {
    losses.iter().any(|loss| loss == name)
}

fn loss_ui(ui: &mut Ui, index: usize, objective: Objective, losses: &mut [String]) {
    let shown = losses[index].clone();
    let combo = ComboBox::from_id_salt(("loss_type", index))
        .selected_text(&shown)
        .width(theme::em(ui) * 7.5)
        .show_ui(ui, |ui| {
            for name in objective.facts().losses.iter().copied() {
                // The same loss twice is one with another weight.
                if (name == shown || !is_used(name, losses))
                    && ui.selectable_label(shown == name, name).clicked()
                {
                    losses[index] = name.to_owned();
                }
            }
        });
    let name = if index == 0 { "loss_type".to_owned() } else { format!("loss_type {}", index + 1) };
    combo.response.accessible_name(&name).on_hover_text(HINT);
}

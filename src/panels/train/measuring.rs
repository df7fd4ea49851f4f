//! What is measured during a run, when it stops by itself, and the seed.

use eframe::egui::{ComboBox, TextEdit, Ui};

use super::fields::{
    Problems, check_ui, choice_width, number_row_ui, number_ui, row_ui, section_ui,
};
use crate::state::train::form::units_of;
use crate::train::config::TrainConfig;
use crate::train::config::objective::Head;
use crate::widgets::button::ActionButton;
use crate::widgets::slider_row::SliderRow;
use crate::widgets::theme::icons;

pub(super) fn measuring_ui(ui: &mut Ui, config: &mut TrainConfig, problems: &Problems) {
    section_ui(ui, "Measuring");
    SliderRow::new(
        "held-out share",
        "Share of the prompts that is kept from training and only measured with: the honest test \
         of what was learned",
        0.0..=0.5,
    )
    .limits(0.0..=0.9)
    .show(ui, &mut config.held_out_share);
    problems.show(ui, "held_out_share");
    let (_, rows) = units_of(config);
    number_row_ui(
        ui,
        "eval_steps",
        &format!("Measure on the held-out {rows} every so many steps. 0: only at the end"),
        &mut config.eval_steps,
        0..=1_000_000,
    );
    problems.show(ui, "eval_steps");
    if config.objective.reads_texts() {
        return after_ui(ui, config, problems);
    }
    number_row_ui(
        ui,
        "sample_steps",
        "Answer a fixed prompt with the model as it is every so many steps, to read what the \
         curves only count. 0: never",
        &mut config.sample_steps,
        0..=1_000_000,
    );
    if config.sample_steps > 0 {
        let width = ui.available_width();
        let field = TextEdit::singleline(&mut config.sample_prompt)
            .hint_text("sample_prompt: the first held-out prompt")
            .desired_width(width);
        ui.add(field).accessible_name("sample_prompt");
    }
    let hint = "Measure at every evaluation how well the model still predicts neutral text, which has nothing to do \
                with the rows: where its perplexity rises, something is forgotten";
    if config.newborn.is_none() && config.objective.facts().head == Head::Tokens {
        check_ui(ui, &mut config.measure_forgetting, "measure_forgetting", hint);
        problems.show(ui, "measure_forgetting");
    }
    after_ui(ui, config, problems);
}

fn after_ui(ui: &mut Ui, config: &mut TrainConfig, problems: &Problems) {
    early_stopping_ui(ui, config, problems);
    let hint = "The same seed, data and settings give the same adapter";
    row_ui(ui, "seed", hint, |ui| {
        let dice = ActionButton::only_icon(icons::DICE, "Draw another seed");
        if ui.add(dice).clicked() {
            config.seed = another_seed(config.seed);
        }
        number_ui(ui, "seed", &mut config.seed, 0..=999_999).on_hover_text(hint);
    });
}

/// When to stop by itself, and which adapter to keep.
fn early_stopping_ui(ui: &mut Ui, config: &mut TrainConfig, problems: &Problems) {
    number_row_ui(
        ui,
        "early_stopping_patience",
        "End the run once so many evaluations in a row were not the best. 0: never",
        &mut config.early_stopping_patience,
        0..=1000,
    );
    problems.show(ui, "early_stopping_patience");
    if config.early_stopping_patience > 0 {
        number_row_ui(
            ui,
            "early_stopping_threshold",
            "By how much an evaluation must be better than the best one so far to count",
            &mut config.early_stopping_threshold,
            0.0..=1e6,
        );
    }
    let (_, rows) = units_of(config);
    let hint =
        &format!("The metric that names the best checkpoint, measured on the held-out {rows}");
    row_ui(ui, "metric_for_best_model", hint, |ui| {
        let combo = ComboBox::from_id_salt("metric_for_best_model")
            .selected_text(config.metric_for_best_model.as_str())
            .width(choice_width(ui))
            .truncate()
            .show_ui(ui, |ui| {
                for name in config.objective.best_model_metrics() {
                    let metric = &mut config.metric_for_best_model;
                    ui.selectable_value(metric, name.clone(), name);
                }
            });
        combo.response.accessible_name("metric_for_best_model").on_hover_text(hint);
    });
    let hint = "At the end, the run's adapter is that from its best evaluation; otherwise it is \
                the last, and the best is kept beside it";
    check_ui(ui, &mut config.load_best_model_at_end, "load_best_model_at_end", hint);
    problems.show(ui, "load_best_model_at_end");
}

/// The next of a sequence that visits every six-digit seed and seems to be chance.
fn another_seed(seed: u64) -> u64 {
    // A linear congruential generator modulo 10^6. Its period is full since 720 is a multiple of
    // 2, 5 and 4, and 314,159 of neither 2 nor 5 (Hull and Dobell 1962).
    (seed % 1_000_000 * 721 + 314_159) % 1_000_000
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_dice_do_not_repeat_themselves() {
        let mut seen = BTreeSet::new();
        let mut seed = 42;
        for _ in 0..1000 {
            seed = another_seed(seed);
            assert!(seen.insert(seed), "{seed} came twice");
        }
    }
}

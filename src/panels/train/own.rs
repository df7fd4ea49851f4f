//! The settings that not every objective has.

use eframe::egui::Ui;

use super::fields::{Problems, check_ui, choice_ui, number_row_ui, row_ui};
use super::losses;
use crate::train::config::objective::Setting;
use crate::train::config::{
    F_DIVERGENCES, FDivergence, PACKING_STRATEGIES, TRUNCATION_MODES, TrainConfig,
};

/// What changes what is learned, in the section of the objective.
pub(super) fn weights_ui(ui: &mut Ui, config: &mut TrainConfig, problems: &Problems) {
    let mut row = |name: &str, explanation: &str, value: &mut f64, most: f64| {
        number_row_ui(ui, name, explanation, value, 0.0..=most);
        problems.show(ui, name);
    };
    if config.objective.has(Setting::LabelWeights) {
        row(
            "desirable_weight",
            "By how much a good answer counts. With many more bad answers than good ones, more than 1",
            &mut config.desirable_weight,
            1000.0,
        );
        row(
            "undesirable_weight",
            "By how much a bad answer counts",
            &mut config.undesirable_weight,
            1000.0,
        );
    }
    if config.objective.has(Setting::CenterRewards) {
        let mut weight = config.center_rewards_coefficient.unwrap_or(0.0);
        row(
            "center_rewards_coefficient",
            "Holds the mean of a pair's scores near zero; 0.01 is usual. 0: off",
            &mut weight,
            1000.0,
        );
        config.center_rewards_coefficient = (weight != 0.0).then_some(weight);
    }
    if config.objective.has(Setting::Cpo) {
        row(
            "cpo_alpha",
            "By how much imitating the chosen answers counts beside the comparison. 0 with \
             loss_type simpo is SimPO",
            &mut config.cpo_alpha,
            1000.0,
        );
        if config.loss_type.iter().any(|loss| matches!(loss.as_str(), "simpo" | "alphapo")) {
            row(
                "simpo_gamma",
                "SimPO's γ: by how much the chosen answer is to be better",
                &mut config.simpo_gamma,
                1000.0,
            );
            number_row_ui(
                ui,
                "alpha",
                "AlphaPO's α: bends the reward of an answer. 0: SimPO's own reward",
                &mut config.alpha,
                -100.0..=100.0,
            );
            problems.show(ui, "alpha");
        }
    }
}

/// The others, under "Advanced".
pub(super) fn own_ui(ui: &mut Ui, config: &mut TrainConfig, problems: &Problems) {
    if config.objective.has(Setting::TokenLoss) {
        losses::token_loss_ui(ui, config, problems);
    }
    if config.objective.has(Setting::CompletionOnlyLoss) {
        let hint = "Learn the answers and not their prompts. Off: every token is learned";
        check_ui(ui, &mut config.completion_only_loss, "completion_only_loss", hint);
    }
    if config.objective.has(Setting::AssistantOnlyLoss) {
        let hint = "Learn what the assistant says in dialogues and nothing else. The chat template must \
                    mark it with {% generation %}";
        check_ui(ui, &mut config.assistant_only_loss, "assistant_only_loss", hint);
    }
    if config.objective.has(Setting::TruncationMode) && config.packs().is_none() {
        let hint = "Which tokens of a row that is longer than max_length are kept. TRL gives keep_end up \
                    with version 2";
        row_ui(ui, "truncation_mode", hint, |ui| {
            let mode = &mut config.truncation_mode;
            choice_ui(ui, "truncation_mode", mode, &TRUNCATION_MODES, hint);
        });
    }
    if config.objective.has(Setting::Packing) {
        packing_ui(ui, config, problems);
    }
    if config.objective.has(Setting::LabelSmoothing) {
        number_row_ui(
            ui,
            "label_smoothing",
            "Share of the pairs that are taken to be labelled the wrong way round. 0: none",
            &mut config.label_smoothing,
            0.0..=0.5,
        );
        problems.show(ui, "label_smoothing");
    }
    if config.objective.has(Setting::Divergence) {
        divergence_ui(ui, config, problems);
    }
    if config.objective.has(Setting::LdAlpha) {
        let mut weight = config.ld_alpha.unwrap_or(1.0);
        number_row_ui(
            ui,
            "ld_alpha",
            "LD-DPO: how much the tokens of the longer answer count that stand beyond the length of \
             the shorter one. 1: as much as the others; 0: not at all",
            &mut weight,
            0.0..=1.0,
        );
        config.ld_alpha = (weight != 1.0).then_some(weight);
        problems.show(ui, "ld_alpha");
    }
    if config.objective.has(Setting::UseWeighting) {
        let hint = "WPO: a pair counts by how likely the model itself would write its answers, so \
                    that pairs of other models count less";
        check_ui(ui, &mut config.use_weighting, "use_weighting", hint);
        problems.show(ui, "use_weighting");
    }
}

fn packing_ui(ui: &mut Ui, config: &mut TrainConfig, problems: &Problems) {
    let hint = "Put several short rows into one of up to max_length tokens: faster where rows are \
                short. They do not see each other";
    check_ui(ui, &mut config.packing, "packing", hint);
    problems.show(ui, "packing");
    if config.packing {
        let hint = "bfd keeps rows whole and cuts the longest; bfd_split splits those; wrapped joins \
                    everything, and rows see those before them";
        row_ui(ui, "packing_strategy", hint, |ui| {
            let name = "packing_strategy";
            choice_ui(ui, name, &mut config.packing_strategy, &PACKING_STRATEGIES, hint);
        });
        problems.show(ui, "packing_strategy");
    }
}

/// How the distance from the reference is measured.
fn divergence_ui(ui: &mut Ui, config: &mut TrainConfig, problems: &Problems) {
    let hint = "How the distance between the model and the one that it began with is measured \
                (f-DPO). reverse_kl is the DPO paper's";
    row_ui(ui, "f_divergence_type", hint, |ui| {
        let chosen = &mut config.f_divergence_type;
        choice_ui(ui, "f_divergence_type", chosen, &F_DIVERGENCES, hint);
    });
    problems.show(ui, "f_divergence_type");
    if config.f_divergence_type == FDivergence::AlphaDivergence {
        number_row_ui(
            ui,
            "f_alpha_divergence_coef",
            "α of the α-divergence. 1 is reverse_kl",
            &mut config.f_alpha_divergence_coef,
            -100.0..=100.0,
        );
    }
    problems.show(ui, "f_alpha_divergence_coef");
}

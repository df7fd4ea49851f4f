//! GRPO and RLOO: what answers are rewarded for, how they are sampled, and what the loss makes of them.

use eframe::egui::{ComboBox, TextEdit, Ui};

use super::fields::{
    Problems, check_ui, choice_ui, number_row_ui, number_ui, row_ui, section_ui, small_button_ui,
};
use crate::train::config::objective::Setting;
use crate::train::config::rewards::{LENGTH_UNITS, Reward, Rule};
use crate::train::config::{AGGREGATIONS, LEVELS, Objective, PolicyConfig, SCALES, TrainConfig};
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::theme::{self, icons};

/// Rewards and sampling, in a section of their own.
pub(super) fn policy_ui(ui: &mut Ui, config: &mut TrainConfig, problems: &Problems) {
    if !config.objective.has(Setting::Policy) {
        return;
    }
    section_ui(ui, "Rewards");
    rewards_ui(ui, &mut config.rewards);
    problems.show_named(ui, "rewards");
    section_ui(ui, "Sampling");
    sampling_ui(ui, &mut config.policy, problems);
}

/// What the loss makes of the answers, under "Advanced".
pub(super) fn loss_ui(ui: &mut Ui, config: &mut TrainConfig, problems: &Problems) {
    if !config.objective.has(Setting::Policy) {
        return;
    }
    let is_rloo = config.objective == Objective::Rloo;
    let policy = &mut config.policy;
    let hint = "How often the answers of a round are learned from before new ones are sampled";
    number(ui, problems, "num_iterations", hint, &mut policy.num_iterations, 1..=100);
    let hint = "How far a ratio of new to old probability may go before it is clipped";
    number(ui, problems, "epsilon", hint, &mut policy.epsilon, 0.0..=1000.0);
    let mut high = policy.epsilon_high.unwrap_or(policy.epsilon);
    let hint = "The same upwards; DAPO takes 0.28. As epsilon: the same both ways";
    number(ui, problems, "epsilon_high", hint, &mut high, 0.0..=1000.0);
    policy.epsilon_high = (high != policy.epsilon).then_some(high);
    if is_rloo {
        let hint = "The advantages of a round are brought to mean 0 and deviation 1";
        check_ui(ui, &mut policy.normalize_advantages, "normalize_advantages", hint);
    } else {
        let hint = "By what the advantages are divided: the spread of the answers to the same prompt, \
                    of all answers of the round, or nothing (Dr. GRPO)";
        named(ui, "scale_rewards", &mut policy.scale_rewards, &SCALES, hint);
        let hint = "Whether several rewards are added up first, or normalised one by one";
        let name = "multi_objective_aggregation";
        named(ui, name, &mut policy.multi_objective_aggregation, &AGGREGATIONS, hint);
        let hint = "One ratio a token, or one an answer (GSPO)";
        let name = "importance_sampling_level";
        named(ui, name, &mut policy.importance_sampling_level, &LEVELS, hint);
        let hint = "Only this share of the tokens, those with the highest entropy, is learned from. 1: all";
        let name = "top_entropy_quantile";
        number(ui, problems, name, hint, &mut policy.top_entropy_quantile, 0.0..=1.0);
        let hint = "Pays for entropy, so that the model goes on trying different answers. 0: off";
        number(ui, problems, "entropy_coef", hint, &mut policy.entropy_coef, -1000.0..=1000.0);
        let hint = "The KL counts by the ratio of new to old probability, as TRL has it";
        check_ui(ui, &mut policy.use_bias_correction_kl, "use_bias_correction_kl", hint);
    }
    let hint = "Nothing is learned from answers that were cut at max_completion_length";
    check_ui(ui, &mut policy.mask_truncated_completions, "mask_truncated_completions", hint);
    let hint = "The run is stopped where the KL of a step is above this, in nats a token; the last good \
                adapter is kept";
    number(ui, problems, "max_kl", hint, &mut policy.max_kl, 0.001..=1e9);
}

fn sampling_ui(ui: &mut Ui, policy: &mut PolicyConfig, problems: &Problems) {
    let hint = "Answers to each prompt, which are compared with each other. The batch size times the \
                accumulation is how many there are in a round";
    number(ui, problems, "num_generations", hint, &mut policy.num_generations, 2..=256);
    let hint = "The most tokens of an answer: what takes most of the time";
    let name = "max_completion_length";
    number(ui, problems, name, hint, &mut policy.max_completion_length, 1..=100_000);
    let hint = "Below 1 the answers are more alike, above 1 more different: without differences there is \
                nothing to learn from";
    number(ui, problems, "temperature", hint, &mut policy.temperature, 0.01..=100.0);
    let hint = "Only the likeliest tokens that together have this probability. 1: all";
    number(ui, problems, "top_p", hint, &mut policy.top_p, 0.01..=1.0);
    let hint = "Only so many of the likeliest tokens. 0: all";
    number(ui, problems, "top_k", hint, &mut policy.top_k, 0..=100_000);
}

/// A row for a number of `[policy]`, and what is wrong with it.
fn number<Num: eframe::egui::emath::Numeric>(
    ui: &mut Ui,
    problems: &Problems,
    name: &'static str,
    hint: &str,
    value: &mut Num,
    range: std::ops::RangeInclusive<Num>,
) {
    number_row_ui(ui, name, hint, value, range);
    problems.show(ui, &format!("policy.{name}"));
}

/// A row for a name out of a list.
fn named(ui: &mut Ui, name: &str, chosen: &mut String, known: &[&'static str], hint: &str) {
    row_ui(ui, name, hint, |ui| {
        let combo = ComboBox::from_id_salt(name)
            .selected_text(chosen.as_str())
            .width(theme::em(ui) * 9.0)
            .show_ui(ui, |ui| {
                for choice in known {
                    if ui.selectable_label(chosen == choice, *choice).clicked() {
                        (*choice).clone_into(chosen);
                    }
                }
            });
        combo.response.accessible_name(name).on_hover_text(hint);
    });
}

pub(super) fn rewards_ui(ui: &mut Ui, rewards: &mut Vec<Reward>) {
    let mut removed = None;
    for (index, reward) in rewards.iter_mut().enumerate() {
        card_ui(ui, |ui| {
            if reward_ui(ui, index, reward) {
                removed = Some(index);
            }
        });
    }
    if let Some(index) = removed {
        rewards.remove(index);
    }
    ui.horizontal(|ui| {
        let hint =
            "Add up several rules with weights of their own: a right answer, and a short one";
        if small_button_ui(ui, "Add a reward", hint) {
            let unused = Rule::kinds()
                .into_iter()
                .map(|(_, rule)| rule)
                .find(|rule| !rewards.iter().any(|reward| reward.rule.kind() == rule.kind()));
            let rule = unused.unwrap_or_else(|| Rule::kinds()[1].1.clone());
            rewards.push(Reward::of(rule));
        }
    });
}

/// One rule. True: it is to go.
fn reward_ui(ui: &mut Ui, index: usize, reward: &mut Reward) -> bool {
    let mut removed = false;
    let about = reward.rule.explanation();
    row_ui(ui, "rule", about, |ui| {
        // From the right, as the row is laid out.
        let words = format!("Without {}", reward.title());
        removed = ui.add(ActionButton::only_icon(icons::CLOSE, &words)).clicked();
        let name = format!("Weight of {}", reward.title());
        let hint = "By how much this reward counts beside the others (weight)";
        number_ui(ui, &name, &mut reward.weight, -1e6..=1e6).on_hover_text(hint);
        let kind = reward.rule.kind();
        let combo = ComboBox::from_id_salt(("rule", index))
            .selected_text(kind)
            .width(theme::em(ui) * 7.5)
            .show_ui(ui, |ui| {
                for (name, rule) in Rule::kinds() {
                    let about = rule.explanation();
                    let label = ui.selectable_label(kind == name, name).on_hover_text(about);
                    if label.clicked() && kind != name {
                        reward.rule = rule;
                    }
                }
            });
        combo.response.accessible_name(format!("rule {}", index + 1)).on_hover_text(about);
    });
    ui.label(theme::muted(ui, about).small());
    match &mut reward.rule {
        Rule::Length { unit, target, per } => {
            let hint = "What is counted";
            row_ui(ui, "unit", hint, |ui| choice_ui(ui, "unit", unit, &LENGTH_UNITS, hint));
            let mut has_target = target.is_some();
            let hint = "Pay for a length near this one. Off: the longer, the better";
            check_ui(ui, &mut has_target, "a length to aim at", hint);
            if has_target {
                let mut length = target.unwrap_or(30.0);
                number_row_ui(ui, "target", hint, &mut length, 0.0..=1e6);
                *target = Some(length);
            } else {
                *target = None;
            }
            let hint = "So many units are a reward of 1. Below zero, short answers are better";
            number_row_ui(ui, "per", hint, per, -1e6..=1e6);
        }
        Rule::Regex { pattern, whole } => {
            text_ui(ui, "pattern", "A regular expression that the answer must have", pattern);
            check_ui(ui, whole, "whole", "The whole answer must match, not a part of it");
        }
        Rule::ExactMatch { column, ignore_case, contains } => {
            text_ui(ui, "column", "The column of the data that has the right answer", column);
            check_ui(ui, ignore_case, "ignore_case", "Capital and small letters are the same");
            check_ui(ui, contains, "contains", "It is enough that the answer has it in it");
        }
        Rule::Json { schema } => {
            let mut text = schema.clone().unwrap_or_default();
            let hint = "A JSON schema that the answer must fit. Empty: any JSON";
            text_ui(ui, "schema", hint, &mut text);
            *schema = (!text.trim().is_empty()).then_some(text);
        }
        Rule::Model { path, label } => {
            let mut text = path.display().to_string();
            let hint = "The folder of a reward model (a run of this program, or TRL's), or of a classifier";
            text_ui(ui, "path", hint, &mut text);
            *path = text.trim().into();
            let mut text = label.clone().unwrap_or_default();
            let hint = "Of a classifier: the label whose probability is paid";
            text_ui(ui, "label", hint, &mut text);
            *label = (!text.trim().is_empty()).then_some(text);
        }
    }
    removed
}

/// A name on the left, a text field on the right.
fn text_ui(ui: &mut Ui, name: &str, hint: &str, value: &mut String) {
    row_ui(ui, name, hint, |ui| {
        let width = ui.available_width().min(theme::em(ui) * 14.0);
        let field = ui.add(TextEdit::singleline(value).desired_width(width));
        field.accessible_name(name).on_hover_text(hint);
    });
}

//! What cannot be exported to an engine, found before anything is written: the engine would
//! stop at it, or would compute something else.

use super::base::Base;
use super::engine::Engine;
use crate::data::forms::Content;
use crate::data::pair::Text;
use crate::train::config::rewards::Rule;
use crate::train::config::{FDivergence, Method, Objective, TrainConfig, TruncationMode};
use crate::train::rows::Row;

/// The reasons, in words. Empty: it can be exported.
pub(super) fn problems(
    config: &TrainConfig,
    base: &Base,
    rows: &[Row],
    engine: Engine,
) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let name = config.objective.facts().name;
    if matches!(config.objective, Objective::Classify | Objective::Regress | Objective::Mlm) {
        found.push(format!(
            "{name} trains an encoder, for which TRL has no trainer; train it here with `tuning-fork train`"
        ));
        return found;
    }
    if config.objective == Objective::Pretrain {
        found.push(
            "pretraining on windows of a text has no trainer in TRL; take objective = \"sft\" with rows \
             {\"text\": …}, packing = true and packing_strategy = \"wrapped\""
                .to_owned(),
        );
        return found;
    }
    if !matches!(config.method, Method::Lora | Method::Full | Method::Bias) {
        found.push(
            "its method is trained only here: runs with method lora, full or bias can be exported"
                .to_owned(),
        );
    }
    if config.newborn.is_some() {
        found.push(
            "a model with new random weights is made only here: pretrain it first, then name its folder"
                .to_owned(),
        );
    }
    if base.is_gguf {
        found.push(format!(
            "{} is a GGUF file, which PyTorch does not train: name the model that it was made from with \
             --base OWNER/NAME",
            base.name
        ));
    }
    let is_chat = rows.iter().any(|row| {
        let texts = row.understood.content.texts();
        texts.into_iter().any(|text| matches!(text, Text::Messages(_)))
    });
    if is_chat && base.has_chat_template == Some(false) {
        found.push(format!(
            "the rows are conversations, and {} has no chat template: take rows of plain text, or an \
             instruction-tuned model",
            base.name
        ));
    }
    if let Some(adapter) = &config.adapter
        && !adapter.join("adapter_config.json").is_file()
    {
        found.push(format!(
            "the adapter {} is no PEFT folder, and only those can be continued elsewhere",
            adapter.display()
        ));
    }
    if config.method == Method::Lora && config.adapter.is_none() {
        let targets = &config.lora.target_modules;
        let has_head = targets.iter().any(|name| name == "lm_head");
        if has_head
            && !matches!(config.objective, Objective::Cpo | Objective::Orpo | Objective::Reward)
        {
            found.push(format!(
                "TRL 1.16's {name} refuses a LoRA on lm_head: take it out of lora.target_modules, or train \
                 the head as a whole with lora.modules_to_save = [\"lm_head\"]"
            ));
        }
    }
    for reward in &config.rewards {
        if let (Rule::Model { .. }, true) = (&reward.rule, config.objective.samples()) {
            found.push(format!(
                "the reward `{}` is a model on this machine, and only rules are exported: length, regex, \
                 exact_match, json",
                reward.title()
            ));
        }
    }
    match engine {
        Engine::Trl | Engine::HfJobs => {}
        Engine::LlamaFactory => llama_factory(config, rows, &mut found),
        Engine::Axolotl => axolotl(config, rows, &mut found),
    }
    found
}

/// What neither LLaMA-Factory nor Axolotl has a key for.
fn beyond_trl(config: &TrainConfig, engine: &str, found: &mut Vec<String>) {
    let lora = &config.lora;
    let by_layers = lora.layers_to_transform.is_some() || !lora.rank_pattern.0.is_empty();
    if by_layers || !lora.alpha_pattern.0.is_empty() {
        found.push(format!(
            "{engine} has no key for lora.layers_to_transform, rank_pattern or alpha_pattern; --for trl has"
        ));
    }
    if config.method == Method::Bias {
        found.push(format!(
            "{engine} cannot train the biases alone (method = \"bias\"); --for trl can"
        ));
    }
    let is_plain = config.f_divergence_type == FDivergence::ReverseKl
        && config.ld_alpha.is_none()
        && !config.use_weighting;
    if config.objective == Objective::Dpo && !(is_plain && config.loss_type.len() == 1) {
        found.push(format!(
            "{engine} has DPO with one loss and reverse KL, without ld_alpha and use_weighting; --for trl has all"
        ));
    }
    if config.weighs_by_probability() {
        found.push(format!("{engine} has no key for the loss `dft` of SFT; --for trl has"));
    }
    if config.truncates() == TruncationMode::KeepEnd {
        found.push(format!(
            "{engine} cuts the end of rows that are too long; truncation_mode = \"keep_end\" is exported to \
             TRL only"
        ));
    }
    if config.early_stopping_patience > 0 {
        found.push(format!("early_stopping_patience is exported to TRL only, not to {engine}"));
    }
}

fn losses(config: &TrainConfig, known: &[&str], engine: &str, found: &mut Vec<String>) {
    if let Some(other) = config.loss_type.iter().find(|loss| !known.contains(&loss.as_str())) {
        found.push(format!(
            "{engine} has no loss `{other}` for {}; it has {}",
            config.objective.facts().name,
            known.join(", ")
        ));
    }
}

fn llama_factory(config: &TrainConfig, _rows: &[Row], found: &mut Vec<String>) {
    let engine = "LLaMA-Factory";
    beyond_trl(config, engine, found);
    match config.objective {
        Objective::Dpo => losses(config, &["sigmoid", "hinge", "ipo"], engine, found),
        Objective::Kto => losses(config, &["kto"], engine, found),
        Objective::Cpo => {
            losses(config, &["simpo"], engine, found);
            if config.cpo_alpha != 0.0 {
                found.push(
                    "LLaMA-Factory's simpo is without the loss on chosen answers: set cpo_alpha = 0"
                        .to_owned(),
                );
            }
        }
        Objective::Grpo | Objective::Rloo => {
            found.push(format!("{engine} has no {}; --for trl has", config.objective.facts().name));
        }
        _ => {}
    }
}

fn axolotl(config: &TrainConfig, rows: &[Row], found: &mut Vec<String>) {
    let engine = "Axolotl";
    beyond_trl(config, engine, found);
    match config.objective {
        Objective::Dpo => losses(config, &["sigmoid", "ipo"], engine, found),
        Objective::Kto => losses(config, &["kto"], engine, found),
        Objective::Cpo => {
            losses(config, &["simpo"], engine, found);
            if config.cpo_alpha != 0.0 {
                found.push(
                    "Axolotl's simpo is without the loss on chosen answers: set cpo_alpha = 0"
                        .to_owned(),
                );
            }
        }
        Objective::Grpo | Objective::Rloo | Objective::Reward => {
            let name = config.objective.facts().name;
            found.push(format!("{name} is not exported to {engine}; --for trl has it"));
        }
        _ => {}
    }
    let is_plain_pair = rows.iter().any(|row| {
        let plain = |text: &Text| matches!(text, Text::Plain(_));
        match &row.understood.content {
            Content::Preference(pair) => plain(&pair.prompt),
            Content::Completion { prompt, .. } => {
                config.objective == Objective::Kto && plain(prompt)
            }
            Content::Whole(_) => false,
        }
    });
    if is_plain_pair {
        found.push(
            "Axolotl reads pairs and labelled answers as conversations; take rows with messages, or --for trl"
                .to_owned(),
        );
    }
}

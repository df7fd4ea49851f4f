//! Where TRL gets other numbers from the same settings: said before the first step.

use serde_json::Value;

use crate::llm::adapter::lora::Adapter;
use crate::llm::adapter::peft_config::Start;
use crate::llm::model::Model;
use crate::train::config::TrainConfig;
use crate::train::config::objective::{Reference, Setting};

/// The shares of `config.json` that drop parts of a decoder, and what they are where a family's class in
/// transformers has them by itself.
const SHARES: [(&str, &[(&str, f64)]); 8] = [
    ("attn_pdrop", &[("gpt2", 0.1), ("gpt_bigcode", 0.1)]),
    ("embd_pdrop", &[("gpt2", 0.1), ("gpt_bigcode", 0.1)]),
    ("resid_pdrop", &[("gpt2", 0.1), ("gpt_bigcode", 0.1)]),
    ("dropout", &[("opt", 0.1)]),
    ("attention_dropout", &[("seed_oss", 0.1)]),
    ("residual_dropout", &[("seed_oss", 0.1)]),
    ("hidden_dropout", &[]),
    ("embedding_dropout", &[]),
];

/// What there is to know about a run that begins with this adapter.
pub(super) fn notes(model: &Model, config: &TrainConfig, adapter: &Adapter) -> Vec<String> {
    let all = [dropped(model, config), padded(model, config), copied(config, adapter)];
    all.into_iter().flatten().collect()
}

/// transformers drops at random what `config.json` says, wherever a trainer leaves that on.
fn dropped(model: &Model, config: &TrainConfig) -> Option<String> {
    // TRL's preference trainers switch it off.
    let is_off = config.objective.has(Setting::DisableDropout) && config.disable_dropout;
    if is_off {
        return None;
    }
    let shares = shares(&model.card().source.config_json()?);
    if shares.is_empty() {
        return None;
    }
    let told: Vec<String> = shares.iter().map(|(key, share)| format!("{key} = {share}")).collect();
    Some(format!(
        "the model's config.json has {}: TRL would drop these shares of its layers at random while it \
         trains. Here a decoder's own layers drop nothing, so the losses are those of TRL with 0 there",
        told.join(", ")
    ))
}

fn padded(model: &Model, config: &TrainConfig) -> Option<String> {
    let counts = config.objective.samples() && model.config().learned_positions.is_some();
    counts.then(|| {
        "this model has a table of positions: TRL pads shorter prompts in front and counts that, so its \
         log-probabilities of their answers are others. Here every prompt begins at position 0"
            .to_owned()
    })
}

/// TRL's trainers copy an adapter that is continued as the reference, by the names of its tensors.
fn copied(config: &TrainConfig, adapter: &Adapter) -> Option<String> {
    let has_reference = match config.objective.facts().reference {
        Reference::None => false,
        Reference::EachRound => config.beta != 0.0,
        Reference::Measured => true,
    };
    if config.adapter.is_none() || !has_reference {
        return None;
    }
    let reference = "Here the reference is the model as the run begins";
    if adapter.config().start != Start::Plain {
        let note = "the adapter that is continued took a part out of the layers where it began: TRL copies it \
                    as its reference and takes that out twice, so that it trains another model";
        return Some(format!("{note}. {reference}"));
    }
    let is_embedding = |name: &String| name.contains("lora_embedding_A");
    adapter.vars().iter().any(|(name, _)| is_embedding(name)).then(|| {
        let note = "the adapter that is continued changes the embedding: TRL leaves that out where it copies the \
                    adapter as its reference, so its rewards are others";
        format!("{note}. {reference}")
    })
}

/// Shares above zero.
fn shares(keys: &Value) -> Vec<(&'static str, f64)> {
    let family = keys.get("model_type").and_then(Value::as_str).unwrap_or_default();
    let share = |(key, usual): &(&'static str, &[(&str, f64)])| {
        let usual = usual.iter().find(|(of, _)| *of == family).map(|(_, share)| *share);
        let share = keys.get(*key).and_then(Value::as_f64).or(usual)?;
        (share > 0.0).then_some((*key, share))
    };
    SHARES.iter().filter_map(share).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The defaults of transformers 5.23.0.
    #[test]
    fn what_a_class_drops_by_itself_counts_as_if_it_were_written() {
        let found = |keys: Value| -> Vec<String> {
            let told = shares(&keys);
            told.into_iter().map(|(key, share)| format!("{key} {share}")).collect()
        };
        let all = ["attn_pdrop 0.1", "embd_pdrop 0.1", "resid_pdrop 0.1"];
        assert_eq!(found(json!({ "model_type": "gpt2" })), all);
        let keys =
            json!({ "model_type": "gpt2", "attn_pdrop": 0.0, "embd_pdrop": 0, "resid_pdrop": 0.2 });
        assert_eq!(found(keys), ["resid_pdrop 0.2"]);
        assert_eq!(
            found(json!({ "model_type": "opt", "attention_dropout": 0.0 })),
            ["dropout 0.1"]
        );
        assert!(found(json!({ "model_type": "llama", "attention_dropout": 0.0 })).is_empty());
    }
}

//! Where TRL gets other numbers from the same settings: said before the first step.

use serde_json::Value;

use crate::llm::adapter::lora::Adapter;
use crate::llm::adapter::peft_config::Start;
use crate::llm::model::Model;
use crate::train::config::TrainConfig;
use crate::train::config::objective::{Reference, Setting};

/// How a class of transformers keeps a share of what it drops at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// As `torch.nn.Dropout`, which TRL's `disable_dropout` sets to 0.
    Module,

    /// As a number that is handed on, which stays whatever TRL says.
    Number,
}

/// The keys of `config.json` with such shares, and the families whose class in transformers reads them.
const SHARES: [(&str, Kept, &[&str]); 14] = [
    ("attn_pdrop", Kept::Module, &["codegen", "gpt2", "gptj"]),
    ("attn_pdrop", Kept::Number, &["gpt_bigcode"]),
    ("attention_dropout", Kept::Module, &["bloom", "gpt_neo"]),
    ("embd_pdrop", Kept::Module, &["codegen", "gpt2", "gpt_bigcode", "gptj", "phi"]),
    ("embed_dropout", Kept::Module, &["gpt_neo"]),
    ("embedding_dropout", Kept::Number, &["starcoder2"]),
    ("resid_pdrop", Kept::Module, &["codegen", "gpt2", "gpt_bigcode", "gptj", "phi", "phi3"]),
    ("resid_dropout", Kept::Module, &["gpt_neo"]),
    ("residual_dropout", Kept::Number, &["seed_oss", "starcoder2"]),
    ("hidden_dropout", Kept::Module, &["gpt_neox", "stablelm"]),
    ("hidden_dropout", Kept::Number, &["bloom", "falcon"]),
    ("dropout", Kept::Number, &["opt"]),
    ("layerdrop", Kept::Number, &["opt"]),
    // Of every other family but those of `WITHOUT`.
    ("attention_dropout", Kept::Number, &[]),
];

/// Families whose class reads no `attention_dropout`.
const WITHOUT: [&str; 9] = [
    "codegen",
    "ernie4_5",
    "ernie4_5_moe",
    "gpt2",
    "gpt_bigcode",
    "gptj",
    "lfm2",
    "lfm2_moe",
    "mpt",
];

/// What a class has by itself where it is not 0.
const USUAL: [(&str, &str, f64); 9] = [
    ("gpt2", "attn_pdrop", 0.1),
    ("gpt2", "embd_pdrop", 0.1),
    ("gpt2", "resid_pdrop", 0.1),
    ("gpt_bigcode", "attn_pdrop", 0.1),
    ("gpt_bigcode", "embd_pdrop", 0.1),
    ("gpt_bigcode", "resid_pdrop", 0.1),
    ("opt", "dropout", 0.1),
    ("seed_oss", "attention_dropout", 0.1),
    ("seed_oss", "residual_dropout", 0.1),
];

/// What routers or experts read is multiplied by numbers up to this far from 1.
const NOISE: [(&str, &str); 2] =
    [("mixtral", "router_jitter_noise"), ("phimoe", "input_jitter_noise")];

/// What there is to know about a run that begins with this adapter.
pub(super) fn notes(model: &Model, config: &TrainConfig, adapter: &Adapter) -> Vec<String> {
    let all =
        [dropped(model, config), shaken(model), padded(model, config), copied(config, adapter)];
    all.into_iter().flatten().collect()
}

/// transformers drops at random what `config.json` says, wherever a trainer leaves that on.
fn dropped(model: &Model, config: &TrainConfig) -> Option<String> {
    // TRL's preference trainers switch modules off.
    let is_off = config.objective.has(Setting::DisableDropout) && config.disable_dropout;
    let mut shares = shares(&model.card().source.config_json()?);
    shares.retain(|(_, _, kept)| !is_off || *kept == Kept::Number);
    if shares.is_empty() {
        return None;
    }
    let told: Vec<String> =
        shares.iter().map(|(key, share, _)| format!("{key} = {share}")).collect();
    let why = if is_off {
        "disable_dropout = true turns off modules, and transformers keeps these as plain numbers, so that TRL would \
         drop these shares of its layers all the same"
    } else {
        "TRL would drop these shares of its layers"
    };
    Some(format!(
        "the model's config.json has {}: {why} at random while it trains. Here a decoder's own layers drop nothing, \
         so the losses are those of TRL with 0 there",
        told.join(", ")
    ))
}

/// transformers multiplies what a mixture reads by random numbers, whatever a trainer says.
fn shaken(model: &Model) -> Option<String> {
    let json = model.card().source.config_json()?;
    let keys = decoder(&json);
    let family = family(keys);
    let (_, key) = NOISE.iter().find(|(of, _)| *of == family)?;
    let noise = keys.get(*key).and_then(Value::as_f64).filter(|noise| *noise > 0.0)?;
    Some(format!(
        "the model's config.json has {key} = {noise}: while it trains, transformers multiplies what its mixture reads \
         by random numbers up to this far from 1. Here nothing is, so the losses are those of TRL with 0 there"
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

/// The part of a description that is the decoder's.
fn decoder(keys: &Value) -> &Value {
    keys.get("text_config").filter(|text| text.is_object()).unwrap_or(keys)
}

fn family(keys: &Value) -> &str {
    keys.get("model_type").and_then(Value::as_str).unwrap_or_default()
}

/// Shares above zero.
fn shares(keys: &Value) -> Vec<(&'static str, f64, Kept)> {
    let keys = decoder(keys);
    let family = family(keys);
    let is_listed =
        |key: &str| SHARES.iter().any(|(of, _, families)| *of == key && families.contains(&family));
    let share = |(key, kept, families): &(&'static str, Kept, &[&str])| {
        let reads = match families {
            [] => !is_listed(key) && !WITHOUT.contains(&family),
            families => families.contains(&family),
        };
        let usual = USUAL.iter().find(|(of, name, _)| *of == family && name == key);
        let usual = usual.map(|(_, _, share)| *share);
        let share = keys.get(*key).and_then(Value::as_f64).or(usual)?;
        (reads && share > 0.0).then_some((*key, share, *kept))
    };
    SHARES.iter().filter_map(share).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    /// What `tests/reference/make_dropouts.py` found of a key.
    #[derive(Deserialize)]
    struct Measured {
        usual: f64,
        kept: String,
    }

    fn found(keys: &Value) -> Vec<String> {
        let told = shares(keys).into_iter();
        told.map(|(key, share, kept)| format!("{key} {share} {kept:?}")).collect()
    }

    /// transformers 5.23.0 and TRL 1.16.0.
    #[test]
    fn every_share_is_told_as_transformers_keeps_it() {
        let text = include_str!("../../../tests/reference/dropouts.json");
        let all: BTreeMap<String, BTreeMap<String, Measured>> = serde_json::from_str(text).unwrap();
        for (family, keys) in all {
            let noise = keys.keys().find(|key| key.ends_with("jitter_noise"));
            let shaken = NOISE.iter().find(|(of, _)| *of == family).map(|(_, key)| *key);
            assert_eq!(noise.map(String::as_str), shaken, "{family}");
            let usual = keys.iter().filter(|(key, one)| one.usual > 0.0 && Some(*key) != noise);
            let mut by_itself: Vec<String> =
                usual.map(|(key, one)| format!("{key} {} {}", one.usual, kept(one))).collect();
            let mut told = found(&json!({ "model_type": family }));
            by_itself.sort();
            told.sort();
            assert_eq!(told, by_itself, "{family} by itself");
            let all_keys: Vec<&str> = SHARES.iter().map(|(key, ..)| *key).collect();
            for key in all_keys {
                let told = found(&json!({ "model_type": family, key: 0.35 }));
                let is_told = told.iter().find(|told| told.starts_with(&format!("{key} ")));
                let expected = keys.get(key).map(|one| format!("{key} 0.35 {}", kept(one)));
                assert_eq!(is_told, expected.as_ref(), "{family}: {told:?}");
            }
        }
    }

    fn kept(one: &Measured) -> &'static str {
        if one.kept == "module" { "Module" } else { "Number" }
    }

    #[test]
    fn what_is_written_counts_and_a_decoder_may_lie_inside() {
        let keys =
            json!({ "model_type": "gpt2", "attn_pdrop": 0.0, "embd_pdrop": 0, "resid_pdrop": 0.2 });
        assert_eq!(found(&keys), ["resid_pdrop 0.2 Module"]);
        let text = json!({ "model_type": "gemma3_text", "attention_dropout": 0.3 });
        let keys = json!({ "model_type": "gemma3", "text_config": text });
        assert_eq!(found(&keys), ["attention_dropout 0.3 Number"]);
        assert!(found(&json!({ "model_type": "llama", "attention_dropout": 0.0 })).is_empty());
    }
}

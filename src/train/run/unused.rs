//! Settings that a run is started with and does not use: a resumed run keeps its own, a continued adapter too.

use std::collections::BTreeSet;
use std::path::Path;

use super::copies::absolute;
use crate::data::table;
use crate::files;
use crate::jobs::Quiet;
use crate::llm::adapter::lora::Adapter;
use crate::train::config::{LoraConfig, TrainConfig};
use crate::train::record::RunRecord;

/// What the settings that a run is resumed with say otherwise than its own, which count.
pub(super) fn unused_settings(
    asked: &TrainConfig,
    own: &TrainConfig,
    stored: &RunRecord,
    run_dir: &Path,
) -> Option<String> {
    let settings = |config: &TrainConfig| {
        let adapter = config.adapter.as_deref().map(absolute);
        let config = TrainConfig { adapter, ..config.clone() };
        toml::Table::try_from(config).unwrap_or_default()
    };
    let mut differing = differences("", &settings(asked), &settings(own));
    // The data are copies, and the model was found to be the same.
    differing.retain(|(key, _)| !["data", "data_name", "mix", "model"].contains(&key.as_str()));
    let known = stored.sources.iter().skip(1).map(|source| source.data_sha256.clone());
    let known: Vec<Option<String>> =
        std::iter::once(Some(stored.data_sha256.clone())).chain(known).collect();
    let shares = |config: &TrainConfig| -> Vec<f64> {
        config.mix.iter().map(|source| source.share).collect()
    };
    let other_data = shares(asked) != shares(own)
        || asked.sources(&asked.data).iter().zip(known).any(|(source, known)| {
            table::json_lines(source.path, &Quiet)
                .is_ok_and(|bytes| Some(files::sha256_of_bytes(&bytes)) != known)
        });
    let mut parts: Vec<String> = differing.into_iter().map(|(_, words)| words).collect();
    if other_data {
        parts.push(format!("the rows of {} (the run has its own copy)", asked.data.display()));
    }
    (!parts.is_empty()).then(|| {
        format!(
            "a resumed run keeps its own settings, so these are not used: {}. To use them, start a \
             new run with adapter = \"{}\"",
            parts.join(", "),
            run_dir.display()
        )
    })
}

/// The keys whose values differ, each with both: `max_steps = 8 (the run has 3)`.
fn differences(room: &str, asked: &toml::Table, own: &toml::Table) -> Vec<(String, String)> {
    let keys: BTreeSet<&String> = asked.keys().chain(own.keys()).collect();
    let mut found = Vec::new();
    for key in keys {
        let name = format!("{room}{key}");
        match (asked.get(key), own.get(key)) {
            (Some(toml::Value::Table(asked)), Some(toml::Value::Table(own))) => {
                found.extend(differences(&format!("{name}."), asked, own));
            }
            (asked, own) if asked != own => {
                let words = |value: Option<&toml::Value>| {
                    value.map_or_else(|| "none".to_owned(), ToString::to_string)
                };
                let both = format!("{name} = {} (the run has {})", words(asked), words(own));
                found.push((name, both));
            }
            _ => {}
        }
    }
    found
}

/// What the settings say otherwise than the adapter that is continued, which keeps its own.
pub(super) fn unused_lora(config: &TrainConfig, adapter: &Adapter) -> Option<String> {
    config.adapter.as_ref()?;
    let LoraConfig { r, lora_alpha, lora_dropout, target_modules, use_rslora, use_dora, .. } =
        &config.lora;
    let own = adapter.config();
    let card = adapter.card();
    let (mut kept, mut unused) = (Vec::new(), Vec::new());
    let mut compare = |name: &str, asked: String, own: String| {
        if asked != own {
            kept.push(format!("{name} = {own}"));
            unused.push(format!("{name} = {asked}"));
        }
    };
    compare("r", r.to_string(), card.rank.to_string());
    compare("lora_alpha", lora_alpha.to_string(), own.lora_alpha.to_string());
    compare("lora_dropout", lora_dropout.to_string(), own.lora_dropout.to_string());
    compare("use_rslora", use_rslora.to_string(), own.use_rslora.to_string());
    compare("use_dora", use_dora.to_string(), own.use_dora.to_string());
    let sorted = |names: &[String]| {
        let names: BTreeSet<String> = names.iter().map(|name| format!("{name:?}")).collect();
        format!("[{}]", names.into_iter().collect::<Vec<_>>().join(", "))
    };
    compare("target_modules", sorted(target_modules), sorted(&card.target_modules));
    (!kept.is_empty()).then(|| {
        format!(
            "the adapter that is continued keeps its own {}: {} of the settings {} not used",
            kept.join(", "),
            unused.join(", "),
            if unused.len() == 1 { "is" } else { "are" }
        )
    })
}

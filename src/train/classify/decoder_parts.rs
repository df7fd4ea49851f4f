//! What of a decoder gets LoRA when it learns labels, and what its head is told of them.

use crate::encoder::Labels;
use crate::llm::{Adapter, LinearInfo, LoraSpec};
use crate::train::config::ConfigProblem;
use crate::train::error::Error;

/// The layers that PEFT takes where none are named, the first of these that a model has.
const USUAL_TARGETS: [&[&str]; 6] = [
    &["q_proj", "v_proj"],
    &["query_key_value"],
    &["qkv_proj"],
    &["Wqkv"],
    &["c_attn"],
    &["all-linear"],
];

/// The names of the labels go with the head.
pub(super) fn name_outputs(adapter: &mut Adapter, labels: &Labels) -> Result<(), Error> {
    let Some(head) = adapter.score.as_mut() else { return Err(Error::NoScoreHead) };
    let (found, wanted) = (head.label_count(), labels.names.len());
    if found != wanted {
        let message = format!(
            "gives {found} labels, and the rows have {wanted}: take the same labels, or begin a new adapter"
        );
        return Err(Error::Config(vec![ConfigProblem { field: "adapter", message }]));
    }
    head.facts.labels.clone_from(&labels.names);
    head.facts.problem_type = Some(labels.problem.name().to_owned());
    Ok(())
}

/// The layers that LoRA changes where nobody named any.
pub(super) fn with_targets(spec: &LoraSpec, layers: &[LinearInfo]) -> LoraSpec {
    let mut spec = spec.clone();
    if !spec.target_modules.is_empty() {
        return spec;
    }
    let has = |name: &&str| {
        *name == "all-linear"
            || layers.iter().any(|layer| layer.name.ends_with(&format!(".{name}")))
    };
    let usual = USUAL_TARGETS.iter().find(|names| names.iter().all(&has));
    let usual = usual.copied().unwrap_or_default();
    spec.target_modules = usual.iter().map(|name| (*name).to_owned()).collect();
    spec
}

//! Which modules PEFT means: by names, by patterns, by the numbers of layers, and by what a decoder is
//! called inside a larger model.

use std::sync::Arc;

use serde_json::{Value, json};
use tokenizers::utils::SysRegex;

use super::spec::{IN_CLASSES, IN_FILES, as_class, is_path_or_end, whole};

/// The layers that an adapter changes, or leaves alone, as `adapter_config.json` has them.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetModules {
    /// The file does not say: what it has tensors for is meant.
    Unsaid,
    Names(Vec<String>),

    /// A regular expression over whole module paths, or `all-linear`.
    Pattern(String),
}

impl TargetModules {
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Unsaid => Vec::new(),
            Self::Names(names) => names.clone(),
            Self::Pattern(pattern) => vec![pattern.clone()],
        }
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Unsaid => Value::Null,
            Self::Names(names) => json!(names),
            Self::Pattern(pattern) => json!(pattern),
        }
    }

    /// `None`: it is neither a text nor a list of texts.
    pub(super) fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(pattern) => Some(Self::Pattern(pattern.clone())),
            Value::Array(list) => {
                let names = list.iter().map(|name| name.as_str().map(ToOwned::to_owned));
                let mut names = names.collect::<Option<Vec<_>>>()?;
                names.sort(); // PEFT writes a set, in no order
                Some(Self::Names(names))
            }
            _ => None,
        }
    }

    /// By PEFT's rule: a pattern for the whole path, or a list of paths and of last parts.
    pub(super) fn is(&self, module: &str) -> bool {
        match self {
            Self::Unsaid => true,
            Self::Names(names) => names.iter().any(|name| is_path_or_end(module, name)),
            Self::Pattern(pattern) => {
                whole(pattern).is_some_and(|regex| regex.find_iter(module).next().is_some())
            }
        }
    }
}

/// Whether a module is saved whole: PEFT compares ends, and of a module all that is in it counts.
pub(crate) fn is_saved(module: &str, saved: &[String]) -> bool {
    let ends = |path: &str| saved.iter().any(|name| path.ends_with(name.as_str()));
    let parents = module.match_indices('.').map(|(at, _)| &module[..at]);
    ends(module) || parents.into_iter().any(ends)
}

/// Numbers of modules that differ from the adapter's own, in the order of the file: each belongs to
/// the modules whose paths, or their last parts, match its regular expression.
#[derive(Clone, Debug, Default)]
pub struct Patterns(Vec<Pattern>);

/// A key, what it means, and the value of the modules that it fits. There may be one a module, so
/// keys are compiled once.
#[derive(Clone, Debug)]
struct Pattern {
    key: String,
    regex: Arc<SysRegex>,
    value: f64,
}

impl PartialEq for Patterns {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |(a, b): (&Pattern, &Pattern)| a.key == b.key && a.value == b.value;
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(is_same)
    }
}

impl Patterns {
    /// `None`: what is there is no table of numbers, or a key is no regular expression.
    pub(super) fn read(value: Option<&Value>) -> Option<Self> {
        let Some(value) = value else { return Some(Self::default()) };
        let entries = value.as_object()?.iter().map(|(key, value)| {
            let regex = Arc::new(whole_or_last_parts(key)?);
            Some(Pattern { key: key.clone(), regex, value: value.as_f64()? })
        });
        Some(Self(entries.collect::<Option<_>>()?))
    }

    /// Those of a new adapter. `None`: a key is no regular expression.
    pub(crate) fn of_keys(entries: &[(String, f64)]) -> Option<Self> {
        let entries = entries.iter().map(|(key, value)| {
            let regex = Arc::new(whole_or_last_parts(key)?);
            Some(Pattern { key: key.clone(), regex, value: *value })
        });
        Some(Self(entries.collect::<Option<_>>()?))
    }

    /// One number a module, by whole paths.
    pub(crate) fn of_modules<'a>(values: impl Iterator<Item = (&'a str, f64)>) -> Self {
        let entry = |(module, value): (&str, f64)| {
            let key = module.replace('.', r"\.");
            let regex = Arc::new(whole_or_last_parts(&key)?);
            Some(Pattern { key, regex, value })
        };
        Self(values.filter_map(entry).collect())
    }

    /// PEFT's `get_pattern_key`: the first that matches.
    pub(super) fn of(&self, module: &str) -> Option<f64> {
        let fits = |pattern: &&Pattern| pattern.regex.find_iter(module).next().is_some();
        self.0.iter().find(fits).map(|pattern| pattern.value)
    }

    pub(super) fn to_json(&self) -> Value {
        let entry = |pattern: &Pattern| (pattern.key.clone(), whole_or_float(pattern.value));
        Value::Object(self.0.iter().map(entry).collect())
    }
}

/// `None`: it is no regular expression.
fn whole_or_last_parts(key: &str) -> Option<SysRegex> {
    SysRegex::new(&format!(r"\A(?:.*\.)?(?:{key})\z")).ok()
}

/// PEFT writes `lora_alpha` as a whole number where it is one.
pub(super) fn whole_or_float(value: f64) -> Value {
    if value.fract() == 0.0 { json!(value as i64) } else { json!(value) }
}

/// Whether a setting of `adapter_config.json` is off.
pub(super) fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

/// PEFT's path of one of our modules: `decoder` is what stands before the decoder's own path where a
/// model has other parts too.
///
/// `model.layers.0.mlp.up_proj` is `model.language_model.layers.0.mlp.up_proj` in Gemma 3.
pub(crate) fn peft_name(module: &str, decoder: Option<&str>) -> String {
    let module = as_class(module);
    match (decoder, module.strip_prefix("model.")) {
        (Some(decoder), Some(rest)) => format!("{decoder}{rest}"),
        _ => module.into_owned(),
    }
}

/// A module's path as PEFT has it today: before transformers 4.52 a decoder beside a tower was called
/// otherwise.
pub(crate) fn present_name(written: &str) -> String {
    match written.strip_prefix("language_model.model.") {
        Some(rest) => format!("model.language_model.{rest}"),
        None => written.to_owned(),
    }
}

/// Our path of a module of the decoder, whatever PEFT puts before it. `None`: it is of a part that
/// looks at pictures.
pub(crate) fn own_name(module: &str) -> Option<String> {
    if ["vision_tower.", "vision_model.", "multi_modal_projector."]
        .iter()
        .any(|part| module.contains(part))
    {
        return None;
    }
    if let Some(rest) = module.strip_suffix(IN_CLASSES) {
        return own_name(&format!("{rest}{IN_FILES}"));
    }
    // Since transformers 4.52, and before it.
    for nested in ["model.language_model.", "language_model.model."] {
        if let Some(rest) = module.strip_prefix(nested) {
            return Some(format!("model.{rest}"));
        }
    }
    Some(module.strip_prefix("language_model.").unwrap_or(module).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_decoder_are_found_inside_models_with_pictures() {
        let of = |name: &str| own_name(name).unwrap_or_default();
        assert_eq!(of("model.language_model.layers.0.mlp.up_proj"), "model.layers.0.mlp.up_proj");
        assert_eq!(of("language_model.model.layers.0.mlp.up_proj"), "model.layers.0.mlp.up_proj");
        assert_eq!(of("model.layers.0.mlp.up_proj"), "model.layers.0.mlp.up_proj");
        assert_eq!(own_name("model.vision_tower.encoder.layers.0.self_attn.q_proj"), None);
        let gate = "model.layers.0.self_attn.gate_proj";
        assert_eq!(peft_name(gate, None), "model.layers.0.self_attn.g_proj");
        assert_eq!(of(&peft_name(gate, None)), gate);
        let nested = peft_name("model.layers.0.mlp.up_proj", Some("model.language_model."));
        assert_eq!(nested, "model.language_model.layers.0.mlp.up_proj");
    }
}

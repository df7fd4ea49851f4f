//! Whether this program can run a model of the Hub, said before anything is fetched.

use std::path::Path;

use serde_json::Value;

use crate::encoder;
use crate::hub::browse::search::Found;
use crate::llm;
use crate::llm::card::Purpose;
use crate::llm::config::{Config, GGUF_ARCHITECTURES, SUPPORTED, UNPACKED, WITH_MORE_SENSES};
use crate::seq2seq;

/// What can be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runs {
    Yes,

    /// It does, and there is something to know.
    WithNote(String),

    /// It does not continue a text, but is for something else.
    For(Purpose),
    No(String),

    /// The Hub does not say enough; the files will.
    Unknown,
}

impl Runs {
    pub fn obstacle(&self) -> Option<&str> {
        match self {
            Self::No(reason) => Some(reason),
            Self::Yes | Self::WithNote(_) | Self::For(_) | Self::Unknown => None,
        }
    }

    /// What there is to know of one that does.
    pub fn note(&self) -> Option<&str> {
        match self {
            Self::WithNote(note) => Some(note),
            Self::For(purpose) => encoder::about(*purpose),
            Self::Yes | Self::No(_) | Self::Unknown => None,
        }
    }
}

/// From a row of a search alone.
pub fn by_row(row: &Found) -> Runs {
    if !row.has_safetensors && !row.has_gguf {
        let reason = "It has neither safetensors nor GGUF files. Other formats are not read here, \
                      and pickle files never are: opening one can run any program";
        return Runs::No(reason.to_owned());
    }
    if let Some(method) = &row.packing
        && !row.has_gguf
        && !UNPACKED.contains(&method.as_str())
    {
        let reason = format!(
            "Its weights are packed with {method}, which this program does not unpack; look for \
             the original or for a GGUF version"
        );
        return Runs::No(reason);
    }
    let Some(architecture) = &row.architecture else { return Runs::Unknown };
    if is_encoder(row) {
        return Runs::For(Purpose::Encode);
    }
    if is_pair(row) {
        return Runs::For(Purpose::SequenceToSequence);
    }
    if encoder::FAMILIES.contains(&architecture.as_str()) {
        let reason = "It is an encoder in a GGUF file; of those, BERT, DistilBERT, RoBERTa, XLM-RoBERTa \
                      and T5 are computed here: look for the original";
        return Runs::No(reason.to_owned());
    }
    let known = SUPPORTED.contains(&architecture.as_str())
        || WITH_MORE_SENSES.contains(&architecture.as_str())
        || (row.has_gguf && GGUF_ARCHITECTURES.contains(&architecture.as_str()));
    if !known {
        return Runs::No(unknown_architecture(architecture, row.has_code));
    }
    if row.has_code {
        let note = "It brings Python code of its own, which is not run here: it is computed as \
                    its family is";
        return Runs::WithNote(note.to_owned());
    }
    Runs::Yes
}

/// Whether it is an encoder that is computed here: from a GGUF file alone, only what llama.cpp's converter
/// writes as it writes BERT.
pub fn is_encoder(row: &Found) -> bool {
    const AS_GGUF: [&str; 5] = ["bert", "distilbert", "roberta", "xlm-roberta", "t5encoder"];

    row.architecture.as_deref().is_some_and(|kind| {
        (row.has_safetensors && encoder::FAMILIES.contains(&kind))
            || (row.has_gguf && AS_GGUF.contains(&kind))
    })
}

/// Whether it is an encoder-decoder that is computed here.
pub fn is_pair(row: &Found) -> bool {
    row.architecture.as_deref().is_some_and(|kind| {
        (row.has_safetensors && seq2seq::PAIRS.contains(&kind))
            || (row.has_gguf && ["t5", "mt5"].contains(&kind))
    })
}

fn unknown_architecture(architecture: &str, has_code: bool) -> String {
    let encoders = ["camembert", "convbert", "deberta", "flaubert", "mobilebert", "nomic_bert"];
    if encoders.iter().any(|start| architecture.starts_with(start)) {
        return format!(
            "It is an encoder ({architecture}): it turns texts into vectors and does not write. Of \
             encoders, these are computed here: {}",
            encoder::FAMILIES.join(", ")
        );
    }
    let families = SUPPORTED.join(", ");
    let code =
        if has_code { " It brings Python code of its own, which is never run here." } else { "" };
    format!("Its architecture, {architecture}, is not computed here; these are: {families}.{code}")
}

/// What a `config.json` tells about memory, or why the model cannot be run.
pub fn by_config(config: &Value) -> Result<Config, String> {
    // It lies in no folder yet.
    llm::config_from_json(config, Path::new("config.json")).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::hub::protocol::repository::RepoKind;

    fn row(architecture: &str) -> Found {
        Found {
            architecture: Some(architecture.to_owned()),
            has_safetensors: true,
            ..Found::named(RepoKind::Model, "ada/small")
        }
    }

    #[test]
    fn what_cannot_be_run_says_why() {
        assert_eq!(by_row(&row("llama")), Runs::Yes);
        let reason = |row: &Found| by_row(row).obstacle().unwrap().to_owned();
        assert!(reason(&row("deberta")).contains("encoder"));
        let custom = Found { has_code: true, ..row("mamba2") };
        assert!(reason(&custom).contains("mamba2"));
        assert!(reason(&custom).contains("Python code"));
        let packed = Found { packing: Some("bitsandbytes".to_owned()), ..row("llama") };
        assert!(reason(&packed).contains("bitsandbytes"));
        let pickle = Found { has_safetensors: false, ..row("llama") };
        assert!(reason(&pickle).contains("pickle"));
    }

    #[test]
    fn an_encoder_can_be_had_and_says_that_it_does_not_write() {
        let runs = by_row(&row("bert"));
        assert_eq!(runs, Runs::For(Purpose::Encode));
        let note = runs.note().unwrap();
        assert!(note.contains("does not write") && note.contains("tuning-fork embed"), "{note}");
        let pair = by_row(&row("t5"));
        assert_eq!(pair, Runs::For(Purpose::SequenceToSequence));
        assert!(pair.note().unwrap().contains("the Playground shows both sides"));
        let gguf = |kind: &str| Found { has_safetensors: false, has_gguf: true, ..row(kind) };
        for (kind, purpose) in [
            ("bert", Purpose::Encode),
            ("t5encoder", Purpose::Encode),
            ("t5", Purpose::SequenceToSequence),
        ] {
            assert_eq!(by_row(&gguf(kind)), Runs::For(purpose), "{kind}");
        }
        let reason = by_row(&gguf("mpnet")).obstacle().unwrap().to_owned();
        assert!(reason.contains("encoder in a GGUF file"), "{reason}");
        assert!(reason.ends_with("T5 are computed here: look for the original"), "{reason}");
    }

    #[test]
    fn code_that_comes_along_is_a_note_where_the_family_is_known() {
        let phi = Found { has_code: true, ..row("phi3") };
        assert!(matches!(by_row(&phi), Runs::WithNote(_)));
    }

    #[test]
    fn a_gguf_file_names_its_architecture_in_its_own_way() {
        let gguf = Found { has_gguf: true, has_safetensors: false, ..row("gemma3") };
        assert_eq!(by_row(&gguf), Runs::Yes);
        let gguf = Found { has_gguf: true, has_safetensors: false, ..row("gpt-oss") };
        assert_eq!(by_row(&gguf), Runs::Yes);
        let gguf = Found { has_gguf: true, has_safetensors: false, ..row("mamba2") };
        assert!(by_row(&gguf).obstacle().is_some());
    }

    #[test]
    fn a_configuration_is_read_as_a_load_reads_it() {
        let config = by_config(&json!({"model_type": "llama", "num_hidden_layers": 4})).unwrap();
        assert_eq!(config.layer_count(), 4);
        let scaled = json!({"model_type": "llama", "rope_scaling": {"rope_type": "spiral"}});
        assert!(by_config(&scaled).unwrap_err().contains("spiral"));
    }
}

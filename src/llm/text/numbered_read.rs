//! The files of Marian's and M2M100's tokenizers: see `numbered.rs`.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::classes::Class;
use super::folder_files::{FolderError, read_optional};
use super::languages;
use super::numbered::{Numbered, Parts, m2m100_token};
use super::pieces::Pieces;
use super::sentencepiece_file::SentencePiece;

/// The files of such a tokenizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumberedFiles {
    /// SentencePiece's models: of texts, and of answers where that is another.
    pub models: &'static [&'static str],
    pub vocab: &'static str,
}

pub(super) const VOCAB: &str = "vocab.json";
const TARGET_VOCAB: &str = "target_vocab.json";

impl NumberedFiles {
    /// `None`: the class has others.
    pub fn of(class: Class) -> Option<Self> {
        let models: &[&str] = match class {
            Class::Marian => &["source.spm", "target.spm"],
            Class::M2m100 => &["sentencepiece.bpe.model"],
            _ => return None,
        };
        Some(Self { models, vocab: VOCAB })
    }

    /// Those that a folder lacks.
    pub fn missing(self, folder: &Path) -> Vec<&'static str> {
        let all = self.models.iter().copied().chain([self.vocab]);
        all.filter(|name| !folder.join(name).is_file()).collect()
    }
}

/// Reads the files of a folder. `settings`: its `tokenizer_config.json`.
pub(super) fn read(
    folder: &Path,
    class: Class,
    files: NumberedFiles,
    settings: &Map<String, Value>,
    unknown_token: &str,
) -> Result<Numbered, FolderError> {
    let read = |name: &str| {
        let path = folder.join(name);
        let bytes = read_optional(&path)?;
        let missing = || FolderError { path: path.clone(), source: "it is not there".into() };
        Ok::<_, FolderError>((bytes.ok_or_else(missing)?, path.clone()))
    };
    let model = |name: &str| {
        let (bytes, path) = read(name)?;
        let model = SentencePiece::read(&bytes);
        let model = model.map_err(|err| FolderError { path, source: err.into() })?;
        Ok::<_, FolderError>(Pieces::new(&model))
    };
    let vocabulary = |name: &str| {
        let (bytes, path) = read(name)?;
        let found: Result<HashMap<String, u32>, _> = serde_json::from_slice(&bytes);
        found.map_err(|err| FolderError { path, source: err.into() })
    };
    let is_marian = class == Class::Marian;
    let mut ids = vocabulary(files.vocab)?;
    let unknown = *ids.get(unknown_token).ok_or_else(|| {
        let problem =
            format!("it has no number for {unknown_token}, which stands for what it does not know");
        FolderError { path: folder.join(files.vocab), source: problem.into() }
    })?;
    let is_apart = settings.get("separate_vocabs").and_then(Value::as_bool) == Some(true);
    let by_id = |ids: &HashMap<String, u32>| -> HashMap<u32, String> {
        ids.iter().map(|(token, id)| (*id, token.clone())).collect()
    };
    let mut tokens =
        if is_marian && is_apart { by_id(&vocabulary(TARGET_VOCAB)?) } else { by_id(&ids) };
    if class == Class::M2m100 {
        let kind = settings.get("language_codes").and_then(Value::as_str);
        let first = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        for (code, id) in languages::m2m100(kind == Some("wmt21")).zip(first..) {
            let token = m2m100_token(code);
            ids.insert(token.clone(), id);
            tokens.insert(id, token);
        }
    }
    let target = match files.models {
        [_, target] if is_apart => Some(model(target)?),
        _ => None,
    };
    let source = model(files.models[0])?;
    let unknown_token = unknown_token.to_owned();
    let parts = Parts { source, target, ids, tokens, unknown, unknown_token, is_marian };
    Ok(Numbered::new(parts))
}

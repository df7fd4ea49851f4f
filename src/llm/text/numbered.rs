//! Tokenizers of Marian (opus-mt) and M2M100: SentencePiece splits a text into pieces, and `vocab.json` numbers
//! them. Marian has a model for each side of a translation, with numbers of their own if its files say so.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokenizers::Token;

use super::classes::Class;
use super::folder_files::{FolderError, Problem, read_optional};
use super::languages;
use super::pieces::Pieces;
use super::sentencepiece::SentencePiece;

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

/// A vocabulary whose numbers are not SentencePiece's.
#[derive(Clone, Debug)]
pub struct Numbered {
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    /// What splits a text, and what puts an answer together.
    source: Pieces,
    target: Option<Pieces>,
    ids: HashMap<String, u32>,
    tokens: HashMap<u32, String>,
    unknown: u32,
    unknown_token: String,
    is_marian: bool,
}

impl Numbered {
    /// Reads the files of a folder. `settings`: its `tokenizer_config.json`.
    pub(super) fn read(
        folder: &Path,
        class: Class,
        files: NumberedFiles,
        settings: &Map<String, Value>,
        unknown_token: &str,
    ) -> Result<Self, FolderError> {
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
            let problem = format!(
                "it has no number for {unknown_token}, which stands for what it does not know"
            );
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
        Ok(Self { parts: Arc::new(parts) })
    }

    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.parts.ids.get(token).copied()
    }

    /// The token of a number, as an answer has it.
    pub(super) fn token(&self, id: u32) -> Option<String> {
        let known = self.parts.tokens.get(&id).cloned();
        known.or_else(|| {
            // As transformers has it: numbers that the vocabulary lacks are SentencePiece's own.
            let piece = self.parts.is_marian.then(|| self.answers().get(id)).flatten();
            piece.map(str::to_owned)
        })
    }

    pub(super) fn vocabulary(&self) -> &HashMap<String, u32> {
        &self.parts.ids
    }

    pub(super) fn split(&self, text: &str) -> Vec<Token> {
        let Parts { source, unknown, is_marian, .. } = &*self.parts;
        let code = text.starts_with(">>").then(|| text.find("<<")).flatten();
        let code = code.filter(|_| *is_marian).map_or(0, |at| at + 2);
        let language = (code > 0).then(|| (text[..code].to_owned(), 0..code));
        let pieces = source.split(&text[code..]);
        let pieces = pieces.into_iter().map(|(piece, at)| (piece, at.start + code..at.end + code));
        let number = |(piece, at): (String, std::ops::Range<usize>)| {
            let id = self.id(&piece).unwrap_or(*unknown);
            Token::new(id, piece, (at.start, at.end))
        };
        language.into_iter().chain(pieces).map(number).collect()
    }

    fn answers(&self) -> &Pieces {
        self.parts.target.as_ref().unwrap_or(&self.parts.source)
    }

    /// The text of tokens, each with whether it is a special one.
    pub(super) fn text(&self, tokens: impl Iterator<Item = (Option<String>, bool)>) -> String {
        let mut text = String::new();
        let mut pieces: Vec<String> = Vec::new();
        let put = |text: &mut String, pieces: &mut Vec<String>| {
            text.push_str(&self.answers().text(pieces.iter().map(String::as_str)));
            pieces.clear();
        };
        for (token, is_special) in tokens {
            let token = token.unwrap_or_else(|| self.parts.unknown_token.clone());
            if is_special {
                put(&mut text, &mut pieces);
                text.push_str(&token);
                text.push_str(if self.parts.is_marian { " " } else { "" });
            } else {
                pieces.push(token);
            }
        }
        put(&mut text, &mut pieces);
        if self.parts.is_marian {
            text = text.replace('▁', " ");
        }
        // What Python takes for spaces.
        let is_space = |letter: char| letter.is_whitespace() || ('\x1c'..='\x1f').contains(&letter);
        text.trim_matches(is_space).to_owned()
    }

    /// The token of a language, by its code (`de`, `fra`).
    pub(super) fn language_token(&self, code: &str) -> String {
        if self.parts.is_marian { format!(">>{code}<<") } else { m2m100_token(code) }
    }

    /// Whether the language of an answer is said in the text.
    pub(super) fn is_told_in_text(&self) -> bool {
        self.parts.is_marian
    }
}

/// `__de__`
pub(super) fn m2m100_token(code: &str) -> String {
    format!("__{code}__")
}

/// Such a tokenizer cannot be written as a `tokenizer.json`.
pub(super) fn not_as_file() -> Problem {
    "a tokenizer of two files (vocab.json beside SentencePiece's) cannot be written as a tokenizer.json".into()
}

//! A tokenizer as transformers' `AutoTokenizer` puts it together from a folder.
//!
//! What a tokenizer does is spread over `tokenizer.json`, `tokenizer_config.json`,
//! `added_tokens.json` and `special_tokens_map.json`, and over the class that the files name (see
//! `llm::text::classes`). Without a `tokenizer.json` it is made from `vocab.json` and
//! `merges.txt`, from `vocab.txt`, or from a SentencePiece model, as transformers converts them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokenizers::{DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper};

use super::added::{Named, NamedTokens, Spelled};
use super::bpe::{AnyModel, AnyTokenizer};
use super::byte_tokens;
use super::classes::{Class, Files, sentence_piece_decoder, space_to_bar};
use super::folder_files::{FolderError, Problem, read_optional};
use super::frame::check_frame;
use super::gguf_rules::{TEKKEN, byte_level_step};
use super::model_file::{Kind, ModelParts, Pair, TokenizerFile, Vocabulary};
use super::numbered_read;
use super::numbered_read::{NumberedFiles, VOCAB};
use super::oniguruma;
use super::ranked;
use super::ranked::Ranked;
use super::sentencepiece_file::{Role, SentencePiece};
use super::tokenizer_check;
use super::told::Told;

/// What is worth knowing of a tokenizer that was made from `tekken.json`.
const TEKKEN_ALONE: &str = "its tokenizer was made from tekken.json, as transformers makes it without \
    mistral-common: nothing is put before a text, where mistral-common puts <s>. With \"add_bos_token\": true and \
    \"bos_token\": \"<s>\" in a tokenizer_config.json it is put there";

/// A tokenizer as it was put together.
pub(super) struct Assembled {
    pub inner: AnyTokenizer,
    pub named: NamedTokens,

    /// Spaces before punctuation are taken off what is decoded.
    pub cleans_spaces: bool,

    /// `truncation_side`: texts that are too long lose their beginning.
    pub cuts_left: bool,

    /// What a person should know, a sentence each.
    pub warnings: Vec<String>,
}

pub(super) fn assemble(folder: &Path) -> Result<Assembled, FolderError> {
    let file_path = folder.join("tokenizer.json");
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source: Problem| FolderError { path, source }
    };
    let file = read_optional(&file_path)?;
    let is_byte_level = file.as_ref().is_some_and(|bytes| contains(bytes, b"\"ByteLevel\""));
    let file = match file {
        None => None,
        Some(bytes) => {
            tokenizer_check::check(&bytes).map_err(at(&file_path))?;
            Some(TokenizerFile::read(&bytes).map_err(at(&file_path))?)
        }
    };
    let file = match file {
        None => byte_tokens::file(folder)?,
        file => file,
    };
    let told = Told::read(folder, file.as_ref(), is_byte_level)?;
    if let Some(files) = NumberedFiles::of(told.class)
        && (file.is_none() || files.missing(folder).is_empty())
    {
        return told.with_numbers(files);
    }
    match file {
        Some(file) => told.with_file(file).map_err(at(&file_path)),
        None => told.without_file(),
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Classes of transformers that no `tokenizer.json` stands for: they cut words by programs of their languages, or by
/// rules in Python.
const IN_PYTHON: [&str; 12] = [
    "BertJapaneseTokenizer",
    "BertweetTokenizer",
    "BioGptTokenizer",
    "CanineTokenizer",
    "EsmTokenizer",
    "FlaubertTokenizer",
    "FSMTTokenizer",
    "PhobertTokenizer",
    "ProphetNetTokenizer",
    "RoCBertTokenizer",
    "RoFormerTokenizer",
    "XLMTokenizer",
];

impl Told {
    fn with_file(mut self, mut file: TokenizerFile) -> Result<Assembled, Problem> {
        let padding = file.padding.as_ref().and_then(|padding| padding["pad_token"].as_str());
        if let Some(token) = padding
            && !self.is_told("pad_token")
        {
            self.name(Named::text("pad_token", token));
        }
        let class = self.class;
        let in_file = std::mem::take(&mut file.added_tokens);
        let in_file = if class.takes_file() { in_file } else { Vec::new() };
        if !class.takes_file() {
            let unknown = self.named.get("unk_token");
            // The class counts where its own settings do not say.
            file.model.unk_id = self.told_unknown();
            class.set_model(&mut file.model, unknown);
            let charsmap = file.normalizer.as_ref().and_then(precompiled);
            let settings = Value::Object(self.settings.clone());
            let [normalizer, pre_tokenizer, decoder] = class.parts(&settings, charsmap);
            file.normalizer = Some(normalizer);
            file.pre_tokenizer = Some(pre_tokenizer);
            file.decoder = Some(decoder);
        }
        let mut inner = build(file)?;
        let in_file = in_file.iter().filter_map(Spelled::read).map(|token| token.token());
        inner.add_tokens(in_file)?;
        self.finish(inner)
    }

    /// transformers asks `tokenizer.json` nothing but which tokens were added.
    fn with_numbers(self, files: NumberedFiles) -> Result<Assembled, FolderError> {
        let missing = files.missing(&self.folder);
        if !missing.is_empty() {
            let all = [files.models, &[files.vocab]].concat().join(", ");
            let problem = format!(
                "it is not there. The tokenizer of this model is made of {all}: fetch {} from where the \
                 model comes from",
                missing.join(" and ")
            );
            return Err(FolderError { path: self.folder.join(missing[0]), source: problem.into() });
        }
        let unknown = self.named.get("unk_token").unwrap_or("<unk>");
        let model = numbered_read::read(&self.folder, self.class, files, &self.settings, unknown)?;
        let path = self.folder.join(files.vocab);
        let inner = AnyTokenizer::new(AnyModel::Numbered(model));
        self.finish(inner).map_err(|source| FolderError { path, source })
    }

    fn without_file(mut self) -> Result<Assembled, FolderError> {
        if self.class == Class::BertFile {
            self.class = Class::Bert;
        }
        let tekken = self.folder.join("tekken.json");
        if let Some(bytes) = read_optional(&tekken)? {
            let says_begin = self.settings.contains_key("add_bos_token");
            let read = ranked::tekken(&bytes).and_then(|ranked| self.with_ranked(ranked));
            let mut read = read.map_err(|source| FolderError { path: tekken, source })?;
            read.warnings.clear(); // the file itself has Mistral's rule of splitting
            if !says_begin {
                read.warnings.push(TEKKEN_ALONE.to_owned());
            }
            return Ok(read);
        }
        // SentencePiece's file is looked for whatever the class.
        let spm = match self.class.files() {
            Files::SentencePiece(name) => vec!["tokenizer.model", name],
            _ => vec!["tokenizer.model"],
        };
        for name in spm {
            let path = self.folder.join(name);
            if let Some(bytes) = read_optional(&path)? {
                let problem = |source| FolderError { path, source };
                if ranked::is_tiktoken(&bytes) {
                    return self.with_tiktoken(&bytes).map_err(problem);
                }
                return self.with_sentence_piece(&bytes).map_err(problem);
            }
        }
        let tiktoken = self.folder.join("tiktoken.model");
        if let Some(bytes) = read_optional(&tiktoken)? {
            let problem = |source| FolderError { path: tiktoken, source };
            return self.with_tiktoken(&bytes).map_err(problem);
        }
        let path = |name: &str| self.folder.join(name);
        let paths = match self.class.files() {
            Files::VocabAndMerges => vec![path("vocab.json"), path("merges.txt")],
            Files::VocabTxt => vec![path("vocab.txt")],
            Files::SentencePiece(_) | Files::Numbered => Vec::new(),
        };
        if paths.is_empty() || !paths.iter().all(|path| path.is_file()) {
            return Err(self.nothing_to_read());
        }
        let model = slow_model(&paths)?;
        let problem = |source| FolderError { path: paths[0].clone(), source };
        let settings = Value::Object(self.settings.clone());
        let mut file = TokenizerFile::of_model(model);
        self.class.set_model(&mut file.model, self.named.get("unk_token"));
        let [normalizer, pre_tokenizer, decoder] = self.class.parts(&settings, None);
        (file.normalizer, file.pre_tokenizer) = (Some(normalizer), Some(pre_tokenizer));
        file.decoder = Some(decoder);
        let inner = build(file).map_err(problem)?;
        self.finish(inner).map_err(problem)
    }

    /// What is missing, in the folder's own terms.
    fn nothing_to_read(&self) -> FolderError {
        let declared = self.settings.get("tokenizer_class").and_then(Value::as_str);
        if let Some(class) = declared.filter(|class| IN_PYTHON.contains(class)) {
            let problem = format!(
                "there is none, and tokenizer_config.json names {class}, which transformers has in Python alone and \
                 which is not computed here: take a model that comes with a tokenizer.json"
            );
            return FolderError {
                path: self.folder.join("tokenizer.json"),
                source: problem.into(),
            };
        }
        let there = |name: &&str| self.folder.join(name).is_file();
        let found =
            |names: &[&'static str]| -> Vec<&str> { names.iter().copied().filter(there).collect() };
        let missing = match self.class.files() {
            Files::VocabAndMerges => "vocab.json with merges.txt",
            Files::VocabTxt => "vocab.txt",
            Files::SentencePiece(name) => name,
            Files::Numbered => VOCAB,
        };
        let (slow, other) = (
            found(&["vocab.json", "merges.txt", "vocab.txt"]),
            found(&["qwen.tiktoken", "vocab.tiktoken"]),
        );
        let alone = if !slow.is_empty() {
            let slow = slow.join(" and ");
            format!("; {slow} alone cannot be read for this model, not by transformers either")
        } else if !other.is_empty() {
            format!(
                "; {} belongs to code of the model's own, and no class of transformers reads it",
                other.join(" and ")
            )
        } else {
            String::new()
        };
        let problem = format!(
            "there is none, and no {missing} in its place{alone}. Fetch tokenizer.json from where \
             the model comes from, or write it in Python: \
             AutoTokenizer.from_pretrained(…).save_pretrained(…)"
        );
        FolderError { path: self.folder.join("tokenizer.json"), source: problem.into() }
    }

    fn with_tiktoken(self, bytes: &[u8]) -> Result<Assembled, Problem> {
        let extra = self.extra.clone().unwrap_or_default();
        let ranked = ranked::tiktoken(bytes, &self.added, &extra)?;
        self.with_ranked(ranked)
    }

    /// Such a file splits texts by its own rule, whatever the class.
    fn with_ranked(mut self, ranked: Ranked) -> Result<Assembled, Problem> {
        self.class = Class::Plain;
        let mut inner = build(ranked.file)?;
        inner.add_tokens(ranked.special.iter().map(Spelled::token))?;
        self.finish(inner)
    }

    fn with_sentence_piece(mut self, bytes: &[u8]) -> Result<Assembled, Problem> {
        let model = SentencePiece::read(bytes).map_err(|err| -> Problem {
            format!("{err}. Fetch the model's tokenizer.json").into()
        })?;
        let special = model.pieces.iter().filter(|piece| piece.role.is_added());
        let special: Vec<Spelled> = special
            .map(|piece| Spelled::Flags {
                content: piece.text.clone(),
                special: piece.role == Role::Control,
                flags: [None, None, None, Some(false)],
            })
            .collect();
        let own = if model.is_bpe { Kind::Bpe } else { Kind::Unigram };
        let kind = self.class.kind().unwrap_or(own);
        let mut parts = model.model(kind);
        let mut file;
        if self.class.takes_file() {
            self.replace_placeholders(&mut parts);
            for (name, token) in model.named() {
                if !self.is_told(name) {
                    self.named.set(Named::text(name, token));
                }
            }
            parts.byte_fallback = model.byte_fallback;
            if kind == Kind::Unigram {
                parts.unk_id = model.unk_id();
            } else {
                parts.unk_token = Some(model.unknown_piece.clone());
                parts.fuse_unk = true;
            }
            file = TokenizerFile::of_model(parts);
            let steps: Vec<Value> = model.charsmap().into_iter().chain([space_to_bar()]).collect();
            file.normalizer = Some(json!({ "type": "Sequence", "normalizers": steps }));
            file.decoder = Some(if model.byte_fallback {
                sentence_piece_decoder(false)
            } else {
                json!({ "type": "Replace", "pattern": { "String": "▁" }, "content": " " })
            });
        } else {
            self.frame_vocabulary(&mut parts);
            parts.unk_id = model.unk_id();
            self.class.set_model(&mut parts, self.named.get("unk_token"));
            let settings = Value::Object(self.settings.clone());
            let [normalizer, pre_tokenizer, decoder] =
                self.class.parts(&settings, model.charsmap());
            file = TokenizerFile::of_model(parts);
            file.normalizer = Some(normalizer);
            file.pre_tokenizer = Some(pre_tokenizer);
            file.decoder = Some(decoder);
        }
        self.older_extra = Some(special);
        let inner = build(file)?;
        self.finish(inner)
    }

    /// `unk_id` of `tokenizer_config.json`.
    fn told_unknown(&self) -> Option<usize> {
        self.settings.get("unk_id")?.as_u64().map(|id| id as usize)
    }

    /// T5's marks for what is left out of a text: `<extra_id_0>`.
    pub(super) fn extra_ids(&self) -> impl DoubleEndedIterator<Item = String> + use<> {
        let count = self.settings.get("extra_ids").and_then(Value::as_u64).unwrap_or(100);
        (0..count).map(|id| format!("<extra_id_{id}>"))
    }

    fn name_extra_ids(&mut self) {
        let ids = self.extra_ids().map(Spelled::Text);
        let older = self.older_extra.get_or_insert_default();
        if !older.iter().any(|token| token.content().contains("<extra_id_")) {
            older.extend(ids);
        }
    }

    /// Tokens that stand at the place of others, by `added_tokens_decoder`.
    fn replace_placeholders(&self, parts: &mut ModelParts) {
        let Vocabulary::Ids(ids) = &mut parts.vocab else { return };
        for (id, token) in &self.added {
            let content = token.content();
            if ids.iter().any(|(known, _)| known == content) {
                continue;
            }
            if let Some(entry) = ids.iter_mut().find(|(_, known)| u64::from(*known) == *id) {
                entry.0 = content.to_owned();
            }
        }
    }

    /// Adds the tokens that the files name beside those of the vocabulary, and what is put around
    /// a text.
    fn finish(mut self, mut inner: AnyTokenizer) -> Result<Assembled, Problem> {
        self.added.sort_by_key(|(id, _)| *id);
        if self.class == Class::T5 {
            self.name_extra_ids();
        }
        let settings = Value::Object(self.settings.clone());
        let older = self.class.extra(self.older_extra.as_deref(), &settings);
        let older = older.or_else(|| self.older_extra.take());
        let extra = self.extra.take().or(older).unwrap_or_default();
        let known: Vec<String> =
            inner.get_added_tokens_decoder().into_values().map(|token| token.content).collect();
        let added: Vec<&Spelled> = self.added.iter().map(|(_, token)| token).collect();
        let is_new = |token: &Spelled| {
            let content = token.content();
            !known.iter().any(|known| known == content)
                && !added.iter().any(|added| added.content() == content)
        };
        let named: Vec<&Spelled> = self.named.iter().map(|(_, token)| token).collect();
        let new = named.iter().copied().chain(&extra).filter(|token| is_new(token));
        let all = added.iter().copied().chain(new).cloned().map(|token| {
            let is_named = named.iter().any(|named| named.content() == token.content());
            if is_named { token.made_special().token() } else { token.token() }
        });
        let all: Vec<_> = all.collect();
        inner.add_tokens(all)?;
        let warnings = self.split_as_mistral(&mut inner)?.into_iter().collect();
        self.frame(&mut inner)?;
        self.add_specials(&mut inner, &extra)?;
        let is = |key: &str| self.settings.get(key).and_then(Value::as_bool).unwrap_or(false);
        inner.set_encode_special_tokens(is("split_special_tokens"));
        let cleans_spaces = is("clean_up_tokenization_spaces")
            && (!inner.get_model().is_bpe()
                || is("clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output"));
        let cuts_left = self.settings.get("truncation_side").is_some_and(|side| side == "left");
        Ok(Assembled { inner, named: self.named, cleans_spaces, cuts_left, warnings })
    }

    /// `fix_mistral_regex`: Mistral's files of before transformers 5 split text by another rule than
    /// the models were trained with; a folder may ask for the right one.
    /// Where none asks, that is worth a warning.
    fn split_as_mistral(&self, inner: &mut AnyTokenizer) -> Result<Option<String>, Problem> {
        const FAMILIES: [&str; 5] = ["mistral", "mistral3", "voxtral", "ministral", "pixtral"];

        let text = |key: &str| self.config.get(key).and_then(Value::as_str);
        let is_old = text("transformers_version").is_none_or(|version| {
            version.split('.').next().and_then(|part| part.parse().ok()).is_some_and(|n: u32| n < 5)
        });
        let is_mistral = text("model_type").is_none_or(|family| FAMILIES.contains(&family));
        let is_concerned = inner.get_vocab_size(true) > 100_000 && is_old && is_mistral;
        let Some(own) = inner.get_pre_tokenizer().filter(|_| is_concerned) else { return Ok(None) };
        if self.config.is_empty() {
            return Ok(None);
        }
        if self.settings.get("fix_mistral_regex").and_then(Value::as_bool) != Some(true) {
            let warning = "this tokenizer splits text by a rule that Mistral has corrected since; with \
                 \"fix_mistral_regex\": true in tokenizer_config.json it splits as it should";
            return Ok(Some(warning.to_owned()));
        }
        let split = json!({
            "type": "Split",
            "pattern": { "Regex": TEKKEN },
            "behavior": "Isolated",
            "invert": false,
        });
        let own = serde_json::to_value(own)?;
        let mut steps = own["pretokenizers"].as_array().cloned().unwrap_or_default();
        if steps.is_empty() {
            let is_metaspace = own["type"] == "Metaspace";
            steps = vec![split, if is_metaspace { byte_level_step(false) } else { own }];
        } else {
            steps[0] = split;
        }
        let steps = json!({ "type": "Sequence", "pretokenizers": steps });
        let pre_tokenizer: PreTokenizerWrapper = serde_json::from_value(steps)?;
        inner.with_pre_tokenizer(Some(pre_tokenizer));
        Ok(None)
    }

    /// Some classes add their special tokens once more, without flags or as special ones.
    fn add_specials(&self, inner: &mut AnyTokenizer, extra: &[Spelled]) -> Result<(), Problem> {
        let all = self.named.iter().map(|(_, token)| token).chain(extra);
        let all: Vec<_> = match self.class {
            Class::Qwen2 => all.map(|token| Spelled::special(token.content()).token()).collect(),
            Class::Cohere => all.map(|token| token.clone().made_special().token()).collect(),
            _ => return Ok(()),
        };
        inner.add_tokens(all)?;
        Ok(())
    }
}

/// The table of replacements of a normalizer, wherever in it that stands.
fn precompiled(normalizer: &Value) -> Option<Value> {
    let steps = normalizer["normalizers"].as_array().map(Vec::as_slice);
    let steps = steps.unwrap_or_else(|| std::slice::from_ref(normalizer));
    steps.iter().find(|step| step["type"] == "Precompiled").cloned()
}

fn build(file: TokenizerFile) -> Result<AnyTokenizer, Problem> {
    let TokenizerFile { normalizer, pre_tokenizer, post_processor, decoder, model, .. } = file;
    let mut inner = AnyTokenizer::new(model.build()?);
    let some = |part: Option<Value>| -> Result<Option<Value>, Problem> {
        let mut part = part.filter(|part| !part.is_null());
        part.as_mut().map(oniguruma::translate).transpose()?;
        Ok(part)
    };
    if let Some(part) = some(normalizer)? {
        let part: NormalizerWrapper = serde_json::from_value(part)?;
        inner.with_normalizer(Some(part))?;
    }
    if let Some(part) = some(pre_tokenizer)? {
        let part: PreTokenizerWrapper = serde_json::from_value(part)?;
        inner.with_pre_tokenizer(Some(part));
    }
    if let Some(part) = some(post_processor)? {
        check_frame(&part)?;
        let part: PostProcessorWrapper = serde_json::from_value(part)?;
        inner.with_post_processor(Some(part));
    }
    if let Some(part) = some(decoder)? {
        let part: DecoderWrapper = serde_json::from_value(part)?;
        inner.with_decoder(Some(part));
    }
    Ok(inner)
}

/// `vocab.json` with `merges.txt`, or `vocab.txt`.
fn slow_model(paths: &[PathBuf]) -> Result<ModelParts, FolderError> {
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path);
        text.map_err(|err| FolderError { path: path.clone(), source: err.into() })
    };
    let first = read(&paths[0])?;
    let Some(merges_path) = paths.get(1) else {
        let ids = first.lines().map(|line| line.trim_end().to_owned()).zip(0..).collect();
        return Ok(ModelParts { vocab: Vocabulary::Ids(ids), ..ModelParts::default() });
    };
    let problem = |source| FolderError { path: paths[0].clone(), source };
    let vocab: Vocabulary = serde_json::from_str(&first).map_err(|err| problem(err.into()))?;
    let mut merges = Vec::new();
    for (number, line) in read(merges_path)?.lines().enumerate() {
        if line.starts_with("#version") {
            continue;
        }
        merges.push(Pair::of_line(line).ok_or_else(|| FolderError {
            path: merges_path.clone(),
            source: format!("line {} is {line:?}: two tokens were expected", number + 1).into(),
        })?);
    }
    Ok(ModelParts { vocab, merges: Some(merges), ..ModelParts::default() })
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;

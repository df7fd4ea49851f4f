//! An encoder-decoder in memory: what it reads becomes hidden states, to which each written token
//! attends.

use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tuning_fork_kernels::QMatrix;

use crate::encoder;
use crate::encoder::Error;
use crate::encoder::Tokens;
use crate::encoder::families_pairs::{Pair, SHARED, describe, find_words, is_pair};
use crate::encoder::learn::Stored;
use crate::encoder::model::{config_at, config_path, tokenizer_of};
use crate::encoder::network::{Hidden, Network};
use crate::encoder::stack::Cache;
use crate::encoder::store::Store;
use crate::jobs;
use crate::jobs::Progress;
use crate::llm;
use crate::llm::card::{AdapterCard, ModelCard, ModelSource};
use crate::llm::config::config_keys::Keys;
use crate::llm::headers::asked;
use crate::llm::headers::asked::Asked;
use crate::llm::model::identity;
use crate::llm::net::rows;
use crate::llm::net::transformer::LoadEvent;
use crate::llm::text::tokenizer::Tokenizer;

/// A loaded encoder-decoder.
pub struct Seq2Seq {
    /// Where it was loaded from.
    source: PathBuf,
    encoder: Network,
    pub(super) decoder: Network,
    head: QMatrix,
    head_scale: Option<f32>,
    head_bias: Option<Vec<f32>>,
    tokenizer: Option<Arc<Tokenizer>>,
    longest: Option<usize>,

    /// What every answer begins with, and what ends one.
    pub(super) start: u32,
    pub(super) ends: Vec<u32>,

    /// The first token after the start, and the last one that fits, where the files force them.
    pub(super) forced_first: Option<u32>,
    pub(super) forced_last: Option<u32>,

    /// Runs of tokens that the files forbid: the last one does not come behind the others.
    forbidden: Vec<Vec<u32>>,

    /// Whether the log-probabilities of a beam's next token sum to one again after that.
    pub(super) renormalizes: bool,

    /// The token of the language that the tokenizer puts beside a text, and of the one that is meant.
    language: Option<[u32; 2]>,

    /// What stands before a text to say in which language its answer shall be.
    opening_words: Option<String>,
    asked: Vec<Asked>,
}

/// What the encoder has made of a text.
pub struct Memory {
    /// (tokens, width)
    pub states: Vec<f32>,
    pub visible: Option<Vec<bool>>,
}

/// A decoder's pass over given ids.
pub struct Pass {
    /// (tokens, vocabulary)
    pub logits: Vec<f32>,

    /// What each token looked at, of each wanted layer: (heads, tokens, read tokens).
    pub cross_attention: Vec<Vec<f32>>,
}

impl Seq2Seq {
    /// Loads a folder with its tokenizer.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        Self::load_adapted(folder, None)
    }

    /// The same, with what an adapter of PEFT adds worked into the weights.
    pub fn load_adapted(folder: &Path, adapter: Option<&Path>) -> Result<Self, Error> {
        let tokenizer = tokenizer_of(folder)?;
        let mut model = Self::open(folder, adapter)?;
        model.tokenizer = Some(Arc::new(tokenizer));
        Ok(model)
    }

    /// The same with what a person is told of it; hashes the weights.
    pub fn load_with_card(
        source: &ModelSource,
        progress: &dyn Progress<LoadEvent>,
    ) -> Result<(Self, ModelCard), Error> {
        let facts = encoder::inspect(source)?;
        let tokenizer = Arc::new(tokenizer_of(source.path())?);
        let mut model = Self::open(source.path(), None)?;
        let identity = identity(source, progress)?;
        model.tokenizer = Some(Arc::clone(&tokenizer));
        Ok((model, ModelCard { source: source.clone(), identity, facts, tokenizer }))
    }

    /// The same model with what an adapter of PEFT adds worked into its weights: those that the adapter
    /// leaves as they are lie in memory once for both.
    pub fn laid_over(&self, adapter: &Path) -> Result<(Self, AdapterCard), Error> {
        let card = Stored::read(adapter)?.card()?;
        let mut model = Self::open(&self.source, Some(adapter))?;
        model.tokenizer.clone_from(&self.tokenizer);
        Ok((model, card))
    }

    /// Loads a folder whose texts come as token ids.
    pub fn load_without_tokenizer(folder: &Path) -> Result<Self, Error> {
        Self::open(folder, None)
    }

    fn open(folder: &Path, adapter: Option<&Path>) -> Result<Self, Error> {
        let (config, path) = (config_at(folder)?, config_path(folder));
        let keys = Keys::new(&config, &path);
        if !is_pair(&config) {
            let expected = "encoder-decoders that are computed here are t5, mt5, bart, mbart, m2m_100 (NLLB), \
                            marian (opus-mt) and pegasus";
            return Err(keys.refuse("model_type", expected).into());
        }
        let Pair { mut encoder, mut decoder, head_scale, head_bias, start } = describe(&keys)?;
        let place = |source| Error::Weights { folder: folder.to_owned(), source };
        let store = Store::open(folder).map_err(place)?;
        let mut store = store.with_prefix(encoder.prefixes, &encoder.probe());
        if let Some(adapter) = adapter {
            store = store.with_adapter(adapter)?;
            // PEFT changes one of the several names that the vectors of words have, and so not what is computed.
            let words = [SHARED, "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"];
            if words
                .iter()
                .any(|name| store.is_replaced(&store.body(name)) || store.is_replaced(name))
            {
                let problem = "it changes the vectors of words, which encoder and decoder share, and that is \
                               not computed for encoder-decoders; merge it in PEFT (merge_and_unload) and open \
                               the merged folder";
                return Err(llm::Error::adapter(adapter, problem).into());
            }
        }
        find_words(&mut encoder, &store);
        find_words(&mut decoder, &store);
        let encoder = Network::load(encoder, &store).map_err(place)?;
        let decoder = Network::load(decoder, &store).map_err(place)?;
        let (vocabulary, width) = (decoder.description.vocabulary, decoder.width());
        let head = if store.has("lm_head.weight") {
            store.matrix("lm_head.weight", vocabulary, width).map_err(place)?
        } else if decoder.description.words != SHARED && store.has(&store.body(SHARED)) {
            store.matrix(&store.body(SHARED), vocabulary, width).map_err(place)?
        } else {
            decoder.words().clone()
        };
        let head_bias = head_bias.filter(|name| store.has(name));
        let head_bias = head_bias.map(|name| store.values(name, vocabulary)).transpose();
        let generation = Generation::read(folder, &config);
        let Some(start) = generation.id("decoder_start_token_id").or(start) else {
            let expected = "it says with which token every answer begins";
            return Err(keys.refuse("decoder_start_token_id", expected).into());
        };
        Ok(Self {
            source: folder.to_owned(),
            longest: encoder.description.longest,
            encoder,
            decoder,
            head,
            head_scale,
            head_bias: head_bias.map_err(place)?,
            tokenizer: None,
            start,
            ends: generation.ids("eos_token_id"),
            forced_first: generation.id("forced_bos_token_id"),
            forced_last: generation.id("forced_eos_token_id"),
            forbidden: generation.forbidden(),
            renormalizes: generation.get("renormalize_logits").is_some_and(|value| value == true),
            language: None,
            opening_words: None,
            asked: generation.asked(),
        })
    }

    /// What its `generation_config.json`, or without one its `config.json`, asks for beside: nothing of it is
    /// done unless a person asks for it too.
    pub fn asked(&self) -> &[Asked] {
        &self.asked
    }

    pub fn tokenizer(&self) -> Option<&Arc<Tokenizer>> {
        self.tokenizer.as_ref()
    }

    pub fn width(&self) -> usize {
        self.decoder.width()
    }

    pub fn vocabulary(&self) -> usize {
        self.decoder.description.vocabulary
    }

    /// Of the decoder.
    pub fn heads(&self) -> usize {
        self.decoder.description.heads
    }

    /// Layers of the encoder, and of the decoder.
    pub fn layers(&self) -> [usize; 2] {
        [&self.encoder, &self.decoder].map(|half| half.stack.blocks.len())
    }

    /// The most tokens that an answer may have, the start among them.
    pub fn longest_answer(&self) -> Option<usize> {
        self.decoder.description.longest
    }

    /// The most tokens of a text that are read.
    pub fn longest_text(&self) -> Option<usize> {
        self.longest
    }

    /// The tokens that end an answer.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The token that every answer begins with.
    pub fn start(&self) -> u32 {
        self.start
    }

    /// The ids of a text to be read, and whether something was cut off.
    pub fn encode(&self, text: &str) -> Result<(Vec<u32>, bool), Error> {
        let Some(tokenizer) = &self.tokenizer else { return Err(Error::NoTokens) };
        let told = self.opening_words.as_ref().map(|words| format!("{words} {text}"));
        let text = told.as_deref().unwrap_or(text);
        let (mut ids, _, is_cut) = tokenizer.encode_pair(text, None, self.longest)?;
        if let (Some([own, meant]), [first, .., last]) = (self.language, ids.as_mut_slice()) {
            let place = if *first == own { first } else { last };
            *place = meant;
        }
        Ok((ids, is_cut))
    }

    /// The languages of texts and of answers, as the tokenizer calls them (mBART: `de_DE`, NLLB: `deu_Latn`,
    /// M2M100: `de`, Marian's models for several languages: `deu`).
    pub fn set_languages(
        &mut self,
        source: Option<&str>,
        target: Option<&str>,
    ) -> Result<(), Error> {
        if source.or(target).is_none() {
            return Ok(());
        }
        let tokenizer = self.tokenizer.clone().ok_or(Error::NoTokens)?;
        let is_missing = |code: &str, own: String| Error::NoLanguage { code: code.to_owned(), own };
        if let Some(known) = target.and_then(|code| tokenizer.language_in_text(code)) {
            let all = tokenizer.languages_in_texts();
            let Some(one) = all.first() else { return Err(Error::NoLanguages) };
            let code = target.unwrap_or_default();
            self.opening_words = Some(known.ok_or_else(|| is_missing(code, one.clone()))?);
            return if source.is_some() { Err(Error::NoSourceLanguage) } else { Ok(()) };
        }
        // What is put around a text is its end and its language.
        let frame = tokenizer.encode("", true)?;
        let is_language = |id: &u32| !self.ends.contains(id) && Some(*id) != tokenizer.bos();
        let language = frame.into_iter().find(is_language);
        let own = language.ok_or(Error::NoLanguages)?;
        let id = |code: &str| {
            let id = tokenizer.language(code);
            id.ok_or_else(|| is_missing(code, tokenizer.token(own).unwrap_or_default()))
        };
        if let Some(source) = source {
            self.language = Some([own, id(source)?]);
        }
        if let Some(target) = target {
            self.forced_first = Some(id(target)?);
        }
        Ok(())
    }

    /// Reads a text; shows the hidden states on their way.
    pub fn read(
        &self,
        text: Tokens<'_>,
        on_states: &mut (dyn FnMut(&[f32]) + Send),
    ) -> Result<Memory, Error> {
        let found = self.encoder.watch(&[text], &mut |states| {
            on_states(states);
            ControlFlow::Continue(())
        })?;
        let Some(Hidden { states, .. }) = found else { return Err(Error::NoTokens) };
        let visible = text.visible.map(<[bool]>::to_vec);
        Ok(Memory { states: states.to_vec(), visible })
    }

    /// A pass of the decoder over given ids at once; shows the hidden states on their way. `layers`: those
    /// whose attention to the encoder is wanted.
    pub fn follow(
        &self,
        memory: &Memory,
        ids: &[u32],
        layers: Range<usize>,
        on_states: &mut (dyn FnMut(&[f32]) + Send),
    ) -> Result<Pass, Error> {
        self.check(ids, 0)?;
        let run = jobs::in_pool(|| {
            let mut caches = [self.cache(memory)?];
            let hidden = self.decoder.embed(&[Tokens::plain(ids)], &[0])?;
            let all = 0..ids.len();
            let (hidden, maps) = self.decoder.stack.run_after(
                hidden,
                std::slice::from_ref(&all),
                &mut caches,
                &mut |states| {
                    on_states(states);
                    ControlFlow::Continue(())
                },
                layers,
            )?;
            Ok::<_, candle_core::Error>((self.score(&hidden), maps))
        });
        let (logits, maps) = run?;
        // One text: one map a layer.
        Ok(Pass { logits, cross_attention: maps.into_iter().flatten().collect() })
    }

    /// An empty memory of an answer to a text.
    pub(super) fn cache(&self, memory: &Memory) -> candle_core::Result<Cache> {
        self.decoder.stack.cache(&memory.states, memory.visible.as_deref())
    }

    /// The scores after one more token of each answer, (answers, vocabulary).
    pub(super) fn step(&self, ids: &[u32], caches: &mut [Cache]) -> Result<Vec<f32>, Error> {
        for (id, cache) in ids.iter().zip(caches.iter()) {
            self.check(std::slice::from_ref(id), cache.len())?;
        }
        let run = jobs::in_pool(|| {
            let texts: Vec<Tokens<'_>> = ids.chunks(1).map(Tokens::plain).collect();
            let before: Vec<usize> = caches.iter().map(Cache::len).collect();
            let hidden = self.decoder.embed(&texts, &before)?;
            let spans: Vec<Range<usize>> = (0..ids.len()).map(|at| at..at + 1).collect();
            let watch = &mut |_: &[f32]| ControlFlow::Continue(());
            let (hidden, _) = self.decoder.stack.run_after(hidden, &spans, caches, watch, 0..0)?;
            Ok::<_, candle_core::Error>(self.score(&hidden))
        });
        Ok(run?)
    }

    /// Takes away what the files forbid behind these tokens.
    pub(super) fn forbid(&self, scores: &mut [f32], history: &[u32]) {
        for run in &self.forbidden {
            let [before @ .., last] = run.as_slice() else { continue };
            let fits = before.is_empty() || history.len() > before.len();
            if fits
                && history.ends_with(before)
                && let Some(score) = scores.get_mut(*last as usize)
            {
                *score = f32::NEG_INFINITY;
            }
        }
    }

    pub(super) fn check(&self, ids: &[u32], before: usize) -> Result<(), Error> {
        self.decoder.check(Tokens::plain(ids))?;
        match self.longest_answer() {
            Some(longest) if before + ids.len() > longest => {
                Err(Error::TooLong { tokens: before + ids.len(), longest })
            }
            _ => Ok(()),
        }
    }

    /// Hidden rows to scores, (rows, vocabulary).
    pub(super) fn score(&self, hidden: &[f32]) -> Vec<f32> {
        let count = hidden.len() / self.width();
        let mut hidden = hidden.to_vec();
        rows::scale(&mut hidden, self.head_scale);
        let mut scores = vec![0.0; count * self.head.rows()];
        self.head.matmul(&hidden, count, &mut scores);
        if let Some(bias) = &self.head_bias {
            for row in scores.chunks_exact_mut(bias.len()) {
                rows::add_scaled(row, 1.0, bias);
            }
        }
        scores
    }
}

/// What `generation_config.json` says, and where it is silent `config.json`.
struct Generation {
    own: Value,
    config: Value,
}

impl Generation {
    fn read(folder: &Path, config: &Value) -> Self {
        let text = std::fs::read(folder.join("generation_config.json")).unwrap_or_default();
        let own = serde_json::from_slice(&text).unwrap_or_default();
        Self { own, config: config.clone() }
    }

    fn get(&self, key: &str) -> Option<&Value> {
        let of = |json: &'_ Value| json.get(key).is_some_and(|value| !value.is_null());
        // Where there is a file for it, only that file counts, as in transformers.
        if self.own.is_object() {
            return self.own.get(key).filter(|_| of(&self.own));
        }
        self.config.get(key).filter(|_| of(&self.config))
    }

    /// Without what is done here whoever asks: tokens that are forced, and runs of them that are forbidden.
    fn asked(&self) -> Vec<Asked> {
        let told = if self.own.is_object() { &self.own } else { &self.config };
        let mut asked = asked::asked(told);
        asked.retain(|asked| !asked.key.starts_with("forced_") && asked.key != "bad_words_ids");
        asked
    }

    /// `bad_words_ids`. An end cannot be forbidden.
    fn forbidden(&self) -> Vec<Vec<u32>> {
        let runs = self.get("bad_words_ids").and_then(Value::as_array).into_iter().flatten();
        let runs = runs.map(|run| {
            let ids = run.as_array().into_iter().flatten();
            ids.filter_map(|id| u32::try_from(id.as_u64()?).ok()).collect::<Vec<u32>>()
        });
        let ends = self.ids("eos_token_id");
        runs.filter(|run| !matches!(run.as_slice(), [id] if ends.contains(id))).collect()
    }

    fn id(&self, key: &str) -> Option<u32> {
        self.ids(key).first().copied()
    }

    fn ids(&self, key: &str) -> Vec<u32> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let all = value.as_array().map_or_else(|| vec![value], |list| list.iter().collect());
        all.into_iter().filter_map(|id| u32::try_from(id.as_u64()?).ok()).collect()
    }
}

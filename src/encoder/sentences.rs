//! Vectors of texts, as sentence-transformers makes them.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::after::After;
use super::error::Error;
use super::families_pairs::is_pair;
use super::model::{Encoded, EncoderModel, config_at, is_encoder};
use super::network::{Network, Tokens};
use super::pooling::{Pooling, Poolings};
use super::sentence::SentenceConfig;
use crate::jobs::{Progress, Quiet};
use crate::llm;
use crate::llm::card::ModelSource;
use crate::llm::{LoadOptions, Model};

/// A model in memory that makes vectors.
pub struct Encoder {
    body: Body,
    config: SentenceConfig,
}

enum Body {
    Encoder(Box<EncoderModel>),

    /// A decoder's last hidden states, as some embedding models have them.
    Decoder(Arc<Model>),
}

/// What an encoder is, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncoderCard {
    /// Values of a vector.
    pub width: usize,

    /// Tokens of a text that are read; what follows is left out. `None`: all.
    pub most_tokens: Option<usize>,
    pub pooling: Poolings,

    /// Whether vectors are made one unit long.
    pub is_normalized: bool,
}

/// A text as a vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    pub values: Vec<f32>,

    /// With the ones that begin and end a text.
    pub token_count: usize,

    /// Whether the text was longer than what is read.
    pub is_cut: bool,
}

/// Texts done, of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embedded {
    pub done: usize,
    pub total: usize,
}

impl Encoder {
    /// Loads a folder as sentence-transformers keeps it: `config.json`, `tokenizer.json`,
    /// `model.safetensors`, and `modules.json` with `1_Pooling/config.json`. Without the last two
    /// the mean of the tokens is taken, as sentence-transformers does.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let config = SentenceConfig::read(folder)?;
        let folder = &config.network;
        let told = config_at(folder)?;
        let is_other = !is_encoder(&told) && !is_pair(&told);
        let is_decoder = is_other && llm::config_from_json(&told, folder).is_ok();
        let body = if is_decoder {
            let source = ModelSource::Folder(folder.clone());
            let model = Model::load(&source, &LoadOptions::default(), &Quiet)?;
            Body::Decoder(Arc::new(model))
        } else {
            Body::Encoder(Box::new(EncoderModel::load(folder)?))
        };
        let encoder = Self { body, config };
        encoder.vector_width()?;
        Ok(encoder)
    }

    /// A decoder that is in memory already. `None`: it is a GGUF file, beside which nothing says how its
    /// vectors are made.
    pub fn of_decoder(model: Arc<Model>) -> Option<Result<Self, Error>> {
        let ModelSource::Folder(folder) = &model.card().source else { return None };
        let config = SentenceConfig::read(folder);
        Some(config.map(|config| Self { body: Body::Decoder(model), config }))
    }

    /// What the configuration promises and the file lacks, in a sentence.
    pub fn missing_head(&self) -> Option<String> {
        match &self.body {
            Body::Encoder(model) => model.missing_head(),
            Body::Decoder(_) => None,
        }
    }

    /// The folder of the network: the one that was loaded, or one inside it.
    pub(super) fn network(&self) -> &Path {
        &self.config.network
    }

    /// Of a token's vector.
    fn width(&self) -> usize {
        match &self.body {
            Body::Encoder(model) => model.width(),
            Body::Decoder(model) => model.config().width,
        }
    }

    /// Of a text's vector. Fails where a module does not fit the one before it.
    fn vector_width(&self) -> Result<usize, Error> {
        let pooled = self.width() * self.config.pooling.count();
        self.config.after.iter().try_fold(pooled, |width, after| after.width(width))
    }

    /// The most tokens of a text that are read.
    fn most_tokens(&self) -> Option<usize> {
        let positions = match &self.body {
            Body::Encoder(model) => model.positions(),
            Body::Decoder(model) => Some(model.config().context_length),
        };
        [self.config.most_tokens, positions].into_iter().flatten().min()
    }

    /// Another way from tokens to one vector than the folder's.
    #[must_use]
    pub fn pooled(mut self, pooling: Pooling) -> Self {
        self.config.pooling = Poolings::one(pooling);
        self
    }

    /// Whether vectors are made one unit long, whatever the folder says.
    #[must_use]
    pub fn normalized(mut self, is_normalized: bool) -> Self {
        let after = &mut self.config.after;
        while matches!(after.last(), Some(After::Normalize)) {
            after.pop();
        }
        if is_normalized {
            after.push(After::Normalize);
        }
        self
    }

    pub fn card(&self) -> EncoderCard {
        let SentenceConfig { pooling, after, .. } = &self.config;
        EncoderCard {
            width: self.vector_width().unwrap_or_else(|_| self.width()),
            most_tokens: self.most_tokens(),
            pooling: pooling.clone(),
            is_normalized: matches!(after.last(), Some(After::Normalize)),
        }
    }

    /// What sentence-transformers puts before a text of this encoder where no prompt is named.
    pub fn default_prompt(&self) -> Option<&str> {
        self.config.default_prompt.as_deref()
    }

    /// The same before a question, and before a text that may answer it.
    pub fn question_prompt(&self) -> Option<&str> {
        self.config.question_prompt.as_deref()
    }

    pub fn text_prompt(&self) -> Option<&str> {
        self.config.text_prompt.as_deref()
    }

    /// The vectors of texts, in their order. Each is the same whatever stands beside it.
    pub fn embed(
        &self,
        texts: &[String],
        progress: &dyn Progress<Embedded>,
    ) -> Result<Vec<Embedding>, Error> {
        self.embed_after("", texts, progress)
    }

    /// As [`Self::embed`], with a prompt before each text.
    pub fn embed_after(
        &self,
        prompt: &str,
        texts: &[String],
        progress: &dyn Progress<Embedded>,
    ) -> Result<Vec<Embedding>, Error> {
        self.vector_width()?;
        // As sentence-transformers counts it: the prompt by itself, but for a special token that ends it.
        let leaves_out = !self.config.includes_prompt && self.config.pooling.is_over_all();
        let skipped = if prompt.is_empty() || !leaves_out || self.config.messages.is_some() {
            0
        } else {
            let ids = self.encode("", prompt)?.ids;
            let tokenizer = match &self.body {
                Body::Encoder(model) => model.tokenizer()?,
                Body::Decoder(model) => model.tokenizer(),
            };
            let is_ended = ids.last().is_some_and(|id| tokenizer.is_special(*id));
            ids.len() - usize::from(is_ended)
        };
        let mut found = Vec::with_capacity(texts.len());
        // Ids of a few thousand texts at a time: texts of one length are run together.
        for chunk in texts.chunks(CHUNK) {
            progress.check()?;
            let encoded = chunk.iter().map(|text| self.encode(prompt, text));
            let encoded = encoded.collect::<Result<Vec<Encoded>, Error>>()?;
            let lengths: Vec<usize> = encoded.iter().map(|encoded| encoded.ids.len()).collect();
            let before = |done| {
                progress.check()?;
                progress.emit(Embedded { done: found.len() + done, total: texts.len() });
                Ok(())
            };
            let embedded = Network::in_batches(&lengths, before, |batch| {
                let read: Vec<Tokens<'_>> =
                    batch.iter().map(|place| encoded[*place].tokens()).collect();
                let width = self.width();
                let all = self.last_states(&read)?;
                let mut rest = all.as_slice();
                let embeddings = batch.iter().zip(&read).map(|(place, text)| {
                    let states;
                    (states, rest) = rest.split_at(text.ids.len() * width);
                    let pooled = self.config.pooling.pool(states, width, skipped);
                    let after = self.config.after.iter();
                    let values =
                        after.clone().try_fold(pooled, |values, after| after.run(values))?;
                    let Encoded { ids, is_cut, .. } = &encoded[*place];
                    Ok(Embedding { values, token_count: ids.len(), is_cut: *is_cut })
                });
                embeddings.collect::<Result<Vec<_>, Error>>()
            })?;
            found.extend(embedded);
        }
        progress.emit(Embedded { done: found.len(), total: found.len() });
        Ok(found)
    }

    fn encode(&self, prompt: &str, text: &str) -> Result<Encoded, Error> {
        if let (Some(messages), Body::Decoder(model)) = (self.config.messages, &self.body) {
            let said = [("system", prompt), ("user", text)];
            let said = if prompt.is_empty() { &said[1..] } else { &said[..] };
            let read = (&**model.tokenizer(), model.chat());
            let (ids, is_cut) = messages.encode(read, said, self.most_tokens())?;
            return if ids.is_empty() {
                Err(Error::NoTokens)
            } else {
                Ok(Encoded { ids, kinds: None, is_cut })
            };
        }
        let text = &format!("{prompt}{text}");
        let lower = self.config.lowers_case.then(|| text.to_lowercase());
        let text = lower.as_deref().unwrap_or(text);
        match &self.body {
            Body::Encoder(model) => model.encode_up_to(text, None, self.most_tokens()),
            Body::Decoder(model) => {
                let most = self.most_tokens();
                let (ids, _, is_cut) = model.tokenizer().encode_pair(text, None, most)?;
                if ids.is_empty() {
                    return Err(Error::NoTokens);
                }
                Ok(Encoded { ids, kinds: None, is_cut })
            }
        }
    }

    /// The last hidden states of several texts, one after the other: (tokens, width).
    fn last_states(&self, texts: &[Tokens<'_>]) -> Result<Vec<f32>, Error> {
        let model = match &self.body {
            Body::Encoder(model) => return Ok(model.run(texts)?.states.to_vec()),
            Body::Decoder(model) => model,
        };
        let last = model.config().layer_count();
        let mut all = Vec::new();
        for text in texts {
            model.watch(text.ids, &mut model.new_cache(), None, &mut |index, states| {
                if index == last {
                    all.extend_from_slice(states);
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(all)
    }
}

/// Texts whose ids are in memory at a time.
const CHUNK: usize = 2048;

/// How alike two vectors point: 1 the same way, 0 at a right angle, -1 the other way.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths == 0.0 { 0.0 } else { dot(a, b) / lengths }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::Classifier;
    use crate::jobs::Quiet;

    #[derive(serde::Deserialize)]
    struct Expected {
        text: String,
        #[serde(default)]
        prompt: Option<String>,
        tokens: usize,
        vector: Vec<f32>,
    }

    /// The vectors of the texts in the folder's `vectors.json`, held against those there.
    fn as_expected(encoder: &Encoder, folder: &Path, tolerance: f32) -> Vec<Embedding> {
        let expected = std::fs::read(folder.join("vectors.json")).unwrap();
        let expected: Vec<Expected> = serde_json::from_slice(&expected).unwrap();
        let texts: Vec<String> = expected.iter().map(|row| row.text.clone()).collect();
        let found = encoder.embed(&texts, &Quiet).unwrap();
        for (row, found) in expected.iter().zip(&found) {
            let Expected { text, tokens, vector, .. } = row;
            let folder = folder.display();
            assert_eq!(found.token_count, *tokens, "{folder}: {text:?}");
            assert_eq!(found.values.len(), vector.len(), "{folder}: {text:?}");
            for (ours, theirs) in found.values.iter().zip(vector) {
                assert!((ours - theirs).abs() <= tolerance, "{folder}: {text:?}: {ours} {theirs}");
            }
        }
        found
    }

    /// From `tests/reference/make_encoders.py`: transformers' vectors of the same folders.
    #[test]
    fn vectors_are_those_of_transformers() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/encoder");
        for (name, card) in [
            ("mean", (Some(12), Pooling::Mean, true)),
            ("cls", (Some(20), Pooling::Cls, false)),
            ("plain", (Some(24), Pooling::Mean, false)),
            // nomic-bert as transformers saves it, under its makers' settings, and with its class's names.
            ("nomic", (Some(24), Pooling::Mean, true)),
            ("nomic_published", (Some(24), Pooling::Mean, true)),
            ("nomic_class", (Some(24), Pooling::Mean, true)),
        ] {
            let folder = root.join(name);
            let encoder = Encoder::load(&folder).unwrap();
            let EncoderCard { width, most_tokens, pooling, is_normalized } = encoder.card();
            let card = (card.0, Poolings::one(card.1), card.2);
            assert_eq!((width, (most_tokens, pooling, is_normalized)), (16, card));
            let found = as_expected(&encoder, &folder, 1e-5);
            assert!(found.last().unwrap().is_cut && !found[0].is_cut);
        }
    }

    /// From `tests/reference/make_modules.py`: what torch computes of several poolings, Dense, `LayerNorm` and
    /// Normalize, of a network in a folder of its own, and of a decoder that sees in both directions.
    #[test]
    fn what_follows_the_network_is_done_as_the_folder_says() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/encoder");
        for (name, width, most) in [("modules", 10, 12), ("both_ways", 16, 30)] {
            let folder = root.join(name);
            let encoder = Encoder::load(&folder).unwrap();
            let card = encoder.card();
            assert_eq!((card.width, card.most_tokens), (width, Some(most)), "{name}");
            assert!(card.is_normalized, "{name}");
            as_expected(&encoder, &folder, 2e-5);
        }
    }

    /// Of a folder of `make_bodies.py`: its texts after each of its prompts, or its pairs.
    fn as_sentence_transformers(folder: &Path) {
        #[derive(serde::Deserialize)]
        struct Judged {
            pair: (String, String),
            score: f32,
            probability: f32,
        }

        let name = folder.display();
        if let Ok(rows) = std::fs::read(folder.join("scores.json")) {
            let rows: Vec<Judged> = serde_json::from_slice(&rows).unwrap();
            let model = Classifier::load(folder, &Quiet).unwrap();
            let pairs: Vec<_> =
                rows.iter().map(|row| (row.pair.0.clone(), Some(row.pair.1.clone()))).collect();
            let found = model.classify(&pairs, &Quiet).unwrap();
            for (row, found) in rows.iter().zip(found) {
                let scores = (found.scores[0], found.probabilities[0]);
                let off = (scores.0 - row.score).abs().max((scores.1 - row.probability).abs());
                assert!(off <= 2e-5, "{name}: {:?}: {scores:?} {}", row.pair, row.score);
            }
            return;
        }
        let rows = std::fs::read(folder.join("vectors.json")).unwrap();
        let rows: Vec<Expected> = serde_json::from_slice(&rows).unwrap();
        let encoder = Encoder::load(folder).unwrap();
        for Expected { text, prompt, tokens, vector } in rows {
            let prompt = prompt.as_deref().or_else(|| encoder.default_prompt()).unwrap_or_default();
            let texts = std::slice::from_ref(&text);
            let found = encoder.embed_after(prompt, texts, &Quiet).unwrap().remove(0);
            assert_eq!(found.token_count, tokens, "{name}: {prompt:?} {text:?}");
            let off = found.values.iter().zip(&vector).map(|(a, b)| (a - b).abs());
            let off = off.fold(0.0, f32::max);
            assert!(off <= 1e-5, "{name}: {prompt:?} {text:?}: {off}");
        }
    }

    /// From `tests/reference/make_bodies.py`.
    #[test]
    fn vectors_and_scores_are_those_of_sentence_transformers() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/encoder");
        for name in [
            "body_qwen3",
            "body_mistral",
            "body_is_causal",
            "body_message",
            "reranker_qwen3",
            "reranker_one",
        ] {
            as_sentence_transformers(&root.join(name));
        }
    }

    /// `BODIES`: a folder of `make_bodies.py OUT COUNT SEED`.
    #[test]
    #[ignore = "needs folders that are made for it"]
    fn random_bodies_are_those_of_sentence_transformers() {
        let root = std::env::var_os("BODIES").expect("BODIES names a folder");
        let (mut count, mut wrong) = (0, Vec::new());
        for entry in std::fs::read_dir(root).unwrap().flatten() {
            let folder = entry.path();
            let ran = std::panic::catch_unwind(|| as_sentence_transformers(&folder));
            count += 1;
            wrong.extend(ran.is_err().then_some(folder));
        }
        assert!(count > 0 && wrong.is_empty(), "{} of {count}: {wrong:?}", wrong.len());
    }

    #[test]
    fn a_body_without_a_head_is_not_asked_to_write_and_makes_maps() {
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/encoder/body_qwen3");
        let source = ModelSource::Folder(folder.clone());
        let model = Model::load(&source, &LoadOptions::default(), &Quiet).unwrap();
        let said = model.check_writes().expect_err("it is refused").to_string();
        assert!(said.contains("no lm_head.weight") && said.contains("tuning-fork embed"), "{said}");
        let facts = crate::encoder::inspect(&source).unwrap();
        assert_eq!((facts.purpose, facts.unsupported), (llm::card::Purpose::Encode, None));
        assert!(facts.makes_vectors && facts.warnings.is_empty(), "{:?}", facts.warnings);
        let said = Classifier::load(&folder, &Quiet).err().expect("it is refused").to_string();
        assert!(said.contains("score.weight") && said.contains("tuning-fork embed"), "{said}");
        let judge = folder.with_file_name("reranker_qwen3");
        let facts = crate::encoder::inspect(&ModelSource::Folder(judge)).unwrap();
        assert!(facts.purpose == llm::card::Purpose::Generate && !facts.makes_vectors);
    }

    #[test]
    fn a_module_that_does_not_fit_the_one_before_it_is_refused() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/encoder");
        let encoder = Encoder::load(&root.join("modules")).unwrap().pooled(Pooling::Cls);
        let said = encoder.embed(&["a".to_owned()], &Quiet).unwrap_err().to_string();
        assert!(said.contains("2_Dense") && said.contains("32 values"), "{said}");
    }

    #[test]
    fn a_decoder_that_sees_in_both_directions_is_not_asked_to_write() {
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/encoder/both_ways");
        let source = ModelSource::Folder(folder.clone());
        let model = Model::load(&source, &LoadOptions::default(), &Quiet).unwrap();
        let which = llm::Positions::Last;
        let scores = model.logits(&[2, 5, 3], &mut model.new_cache(), None, which);
        let said = scores.expect_err("it is refused").to_string();
        assert!(said.contains("both directions") && said.contains("embed"), "{said}");
        assert!(model.check_trainable().is_err());
        let facts = crate::encoder::inspect(&source).unwrap();
        assert_eq!(facts.purpose, llm::card::Purpose::Encode);
    }

    #[test]
    fn weights_of_other_sizes_are_refused() {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/encoder/plain");
        let folder = tempfile::tempdir().unwrap();
        for name in ["tokenizer.json", "model.safetensors"] {
            std::fs::copy(root.join(name), folder.path().join(name)).unwrap();
        }
        let config = std::fs::read_to_string(root.join("config.json")).unwrap();
        let wider = config.replace("\"hidden_size\": 16", "\"hidden_size\": 32");
        let path = folder.path().join("config.json");
        crate::files::write_atomic(&path, wider.as_bytes()).unwrap();
        let said = Encoder::load(folder.path()).err().expect("it is refused").to_string();
        assert!(said.contains("not those that its configuration asks for"), "{said}");
    }

    #[test]
    fn a_cosine_says_how_alike_two_vectors_point() {
        assert_eq!(cosine(&[3.0, 4.0], &[6.0, 8.0]), 1.0);
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]), 0.0);
        assert_eq!(cosine(&[1.0, 0.0], &[-2.0, 0.0]), -1.0);
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 0.0]), 0.0);
    }
}

//! Labels for texts: by an encoder's head, or by the score head of a decoder.

use std::ops::ControlFlow;
use std::path::Path;

use serde_json::Value;

use super::error::Error;
use super::heads::SequenceHead;
use super::judge::Judge;
use super::labels::Labels;
use super::learn::{Learner, Learns, Top, known_labels};
use super::model::{Encoded, EncoderModel, is_encoder, is_encoder_model, read_config};
use super::network::{Network, Tokens};
use super::promise::{Promise, promise};
use super::store::Store;
use crate::jobs::Progress;
use crate::llm;
use crate::llm::adapter_files::score_head;
use crate::llm::card::ModelSource;
use crate::llm::config::config_keys::Keys;
use crate::llm::net::linear::Linear;
use crate::llm::{Adapter, LoadEvent, LoadOptions, Model};

/// A model that gives labels.
pub struct Classifier {
    body: Body,
    labels: Labels,
}

enum Body {
    Encoder(Box<EncoderModel>),
    Decoder(Box<Model>, ScoreHead),

    /// By what it would answer about a pair.
    Judge(Box<Model>, Box<Judge>),

    /// An encoder with an adapter over it.
    Learned(Box<Learner>),

    /// With an adapter that brings the score head: a reward model that was trained here, or by TRL.
    Adapted(Box<Model>, Box<Adapter>),
}

/// A decoder's head over one token: the rightmost that is not padding.
pub struct ScoreHead {
    score: Linear,
    padding: Option<u32>,
}

/// What a classifier says of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// As the head gives them, one for each label.
    pub scores: Vec<f32>,

    /// Of a regression the scores.
    pub probabilities: Vec<f32>,
    pub token_count: usize,

    /// Whether the text was longer than what is read.
    pub is_cut: bool,
}

/// Texts done, of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classified {
    pub done: usize,
    pub total: usize,
}

impl ScoreHead {
    /// Of a decoder's folder. `None`: its weights have no such head, or one that is for each token.
    pub fn load(folder: &Path, model: &Model) -> Result<Option<Self>, Error> {
        let config = read_config(folder)?;
        if let Promise::Other(_) = promise(&config) {
            return Ok(None);
        }
        let place = |source| Error::Weights { folder: folder.to_owned(), source };
        let store = Store::open(folder).map_err(place)?;
        let Some(labels) = store.row_count("score.weight") else { return Ok(None) };
        let shape = [labels, model.config().width];
        let score = store.linear("score", shape, store.has("score.bias")).map_err(place)?;
        let text = config.get("text_config").and_then(|text| text.get("pad_token_id"));
        let padding = config.get("pad_token_id").or(text);
        let padding = padding.and_then(|id| u32::try_from(id.as_u64()?).ok());
        Ok(Some(Self { score, padding }))
    }

    pub fn label_count(&self) -> usize {
        self.score.weight.rows()
    }

    /// The token that the head reads: the rightmost whose id is not the padding's; the last where the
    /// configuration names no padding.
    pub fn position(&self, ids: &[u32]) -> usize {
        let Some(padding) = self.padding else { return ids.len().saturating_sub(1) };
        ids.iter().rposition(|id| *id != padding).unwrap_or(0)
    }

    /// `state`: the last hidden state of that token.
    pub fn run(&self, state: &[f32]) -> Result<Vec<f32>, Error> {
        Ok(self.score.run(state, 1, None)?.to_vec())
    }
}

impl Classifier {
    pub fn load(folder: &Path, progress: &dyn Progress<LoadEvent>) -> Result<Self, Error> {
        let config = read_config(folder)?;
        if is_encoder(&config) {
            let model = EncoderModel::load(folder)?;
            let (_, labels) = model.sequence_head()?;
            let labels = labels.clone();
            return Ok(Self { body: Body::Encoder(Box::new(model)), labels });
        }
        let lacking = |found: String| Error::NoHead {
            folder: folder.to_owned(),
            wanted: "gives labels",
            found,
        };
        if let Some(judge) = Judge::read(folder)? {
            let source = ModelSource::Folder(judge.network.clone());
            let model = Model::load(&source, &LoadOptions::default(), progress)?;
            let labels = judge.labels.clone();
            return Ok(Self { body: Body::Judge(Box::new(model), Box::new(judge)), labels });
        }
        if let Promise::Other(does) = promise(&config) {
            return Err(lacking(format!("its head {does}, which is not computed here")));
        }
        let source = ModelSource::Folder(folder.to_owned());
        let model = Model::load(&source, &LoadOptions::default(), progress)?;
        let Some(head) = ScoreHead::load(folder, &model)? else {
            let found = if model.check_writes().is_ok() {
                "its weights have no score.weight; it writes text, as `tuning-fork generate` shows. A \
                 reranker that answers yes or no says so in a modules.json with LogitScore, as \
                 sentence-transformers saves it"
            } else {
                "its weights have no score.weight; it makes vectors, as `tuning-fork embed` shows"
            };
            return Err(lacking(found.to_owned()));
        };
        let path = folder.join("config.json");
        let labels = Labels::read(&Keys::new(&config, &path), head.label_count())?;
        Ok(Self { body: Body::Decoder(Box::new(model), head), labels })
    }

    /// A model with an adapter that has a head, as [`Self::load`] reads one that is a folder by itself.
    pub fn load_adapted(
        model: &Path,
        adapter: &Path,
        progress: &dyn Progress<LoadEvent>,
    ) -> Result<Self, Error> {
        if is_encoder_model(model) {
            let labels = known_labels(model, Some(adapter))?.ok_or_else(|| Error::NoHead {
                folder: adapter.to_owned(),
                wanted: "gives labels",
                found: "neither the adapter nor its model has one".to_owned(),
            })?;
            let learns = Learns::Laid(adapter.to_owned());
            let learner = Learner::load(model, Top::Labels(labels.clone()), &learns, 0)?;
            if let Some(made) = learner.made().first() {
                return Err(Error::NoHead {
                    folder: adapter.to_owned(),
                    wanted: "gives labels",
                    found: format!(
                        "{made} is a part of the head, and neither the adapter nor its model has it: it was \
                         not saved (modules_to_save)"
                    ),
                });
            }
            return Ok(Self { body: Body::Learned(Box::new(learner)), labels });
        }
        let source = ModelSource::at(model);
        let decoder = Model::load(&source, &LoadOptions::default(), progress)?;
        let loaded = Adapter::load(adapter, &decoder)?;
        let Some(head) = loaded.score_head() else {
            return Err(Error::NoHead {
                folder: adapter.to_owned(),
                wanted: "gives labels",
                found: "it is an adapter without a score head; `tuning-fork generate` uses it"
                    .to_owned(),
            });
        };
        let labels = match decoder_labels(model, Some(adapter))? {
            Some(labels) if labels.names.len() == head.label_count() => labels,
            _ => Labels::of_head(head),
        };
        Ok(Self { body: Body::Adapted(Box::new(decoder), Box::new(loaded)), labels })
    }

    /// The decoder that it is. `None`: it is an encoder.
    pub fn decoder(&self) -> Option<&Model> {
        match &self.body {
            Body::Encoder(_) | Body::Learned(_) => None,
            Body::Decoder(model, _) | Body::Judge(model, _) | Body::Adapted(model, _) => {
                Some(model)
            }
        }
    }

    /// What the score head of a decoder says of a text that is ids already.
    pub fn scores_of(&self, ids: &[u32]) -> Result<Vec<f32>, Error> {
        match &self.body {
            Body::Encoder(_) | Body::Learned(_) => Err(Error::NoTokens),
            Body::Adapted(model, adapter) => adapted_scores(model, adapter, ids),
            Body::Judge(model, judge) => Ok(vec![judge.score_of(model, ids)?]),
            Body::Decoder(model, head) => {
                head.run(&last_state(model, None, ids, head.position(ids))?)
            }
        }
    }

    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The most tokens of a text that are read.
    pub fn longest(&self) -> Option<usize> {
        match &self.body {
            Body::Encoder(model) => model.longest(),
            Body::Learned(learner) => learner.longest(),
            Body::Decoder(model, _) | Body::Judge(model, _) | Body::Adapted(model, _) => {
                Some(model.config().context_length)
            }
        }
    }

    /// What this makes of texts, or of pairs of them, in their order.
    pub fn classify(
        &self,
        texts: &[(String, Option<String>)],
        progress: &dyn Progress<Classified>,
    ) -> Result<Vec<Verdict>, Error> {
        let scored = match &self.body {
            Body::Encoder(model) => by_encoder(model, texts, progress)?,
            Body::Learned(learner) => by_learner(learner, texts, progress)?,
            Body::Decoder(model, head) => by_decoder(model, texts, progress, |ids| {
                head.run(&last_state(model, None, ids, head.position(ids))?)
            })?,
            Body::Judge(model, judge) => by_judge(model, judge, texts, progress)?,
            Body::Adapted(model, adapter) => {
                by_decoder(model, texts, progress, |ids| adapted_scores(model, adapter, ids))?
            }
        };
        progress.emit(Classified { done: texts.len(), total: texts.len() });
        let verdict = |(scores, token_count, is_cut): (Vec<f32>, usize, bool)| {
            let probabilities = self.labels.probabilities(&scores);
            Verdict { scores, probabilities, token_count, is_cut }
        };
        Ok(scored.into_iter().map(verdict).collect())
    }
}

/// The labels of a decoder (a folder, or a GGUF file, which has none), or of an adapter over it: the
/// adapter's own names, or the model's where it has as many. `None`: neither has a score head.
pub fn decoder_labels(model: &Path, adapter: Option<&Path>) -> Result<Option<Labels>, Error> {
    let config = if model.is_dir() { read_config(model)? } else { Value::Null };
    let path = model.join("config.json");
    let keys = Keys::new(&config, &path);
    if let Some(adapter) = adapter
        && let Some((count, facts)) = score_head::stored(adapter)?
    {
        let is_named = facts.labels.len() == count;
        let of_model =
            || Labels::read(&keys, count).ok().filter(|_| keys.get("id2label").is_some());
        let labels = if is_named { None } else { of_model() };
        return Ok(Some(labels.unwrap_or_else(|| Labels::of_facts(count, &facts))));
    }
    if !model.is_dir() || matches!(promise(&config), Promise::Other(_)) {
        return Ok(None);
    }
    let store =
        Store::open(model).map_err(|source| Error::Weights { folder: model.to_owned(), source })?;
    match store.row_count("score.weight") {
        Some(count) => Ok(Some(Labels::read(&keys, count)?)),
        None => Ok(None),
    }
}

/// Scores, tokens, whether it was cut.
type Scored = (Vec<f32>, usize, bool);

fn by_encoder(
    model: &EncoderModel,
    texts: &[(String, Option<String>)],
    progress: &dyn Progress<Classified>,
) -> Result<Vec<Scored>, Error> {
    let (head, _): &(SequenceHead, Labels) = model.sequence_head()?;
    let encoded = texts.iter().map(|(text, second)| model.encode(text, second.as_deref(), None));
    let encoded = encoded.collect::<Result<Vec<Encoded>, Error>>()?;
    in_batches(&encoded, head.label_count(), progress, |read| {
        let hidden = model.run(read)?;
        Ok(head.run(&hidden.states, &hidden.spans, &vec![None; read.len()])?)
    })
}

/// The same with an adapter over the encoder.
fn by_learner(
    learner: &Learner,
    texts: &[(String, Option<String>)],
    progress: &dyn Progress<Classified>,
) -> Result<Vec<Scored>, Error> {
    let encode = |(text, second): &(String, Option<String>)| {
        learner.encode(text, second.as_deref(), usize::MAX)
    };
    let encoded = texts.iter().map(encode).collect::<Result<Vec<Encoded>, Error>>()?;
    in_batches(&encoded, learner.outputs(), progress, |read| Ok(learner.scores(read, &[])))
}

/// `score`: of texts that go through the layers together, so many scores each.
fn in_batches(
    encoded: &[Encoded],
    count: usize,
    progress: &dyn Progress<Classified>,
    score: impl Fn(&[Tokens<'_>]) -> Result<Vec<f32>, Error> + Sync,
) -> Result<Vec<Scored>, Error> {
    let lengths: Vec<usize> = encoded.iter().map(|encoded| encoded.ids.len()).collect();
    let before = |done| {
        progress.check()?;
        progress.emit(Classified { done, total: encoded.len() });
        Ok(())
    };
    Network::in_batches(&lengths, before, |batch| {
        let read: Vec<Tokens<'_>> = batch.iter().map(|place| encoded[*place].tokens()).collect();
        let scores = score(&read)?;
        let rows = batch.iter().zip(scores.chunks_exact(count));
        let scored = rows.map(|(place, scores)| {
            let Encoded { ids, is_cut, .. } = &encoded[*place];
            (scores.to_vec(), ids.len(), *is_cut)
        });
        Ok(scored.collect())
    })
}

fn by_judge(
    model: &Model,
    judge: &Judge,
    texts: &[(String, Option<String>)],
    progress: &dyn Progress<Classified>,
) -> Result<Vec<Scored>, Error> {
    let mut found = Vec::with_capacity(texts.len());
    for (done, (text, second)) in texts.iter().enumerate() {
        progress.check()?;
        progress.emit(Classified { done, total: texts.len() });
        let (score, tokens, is_cut) = judge.score(model, text, second.as_deref())?;
        found.push((vec![score], tokens, is_cut));
    }
    Ok(found)
}

/// `score`: of a text's ids.
fn by_decoder(
    model: &Model,
    texts: &[(String, Option<String>)],
    progress: &dyn Progress<Classified>,
    score: impl Fn(&[u32]) -> Result<Vec<f32>, Error>,
) -> Result<Vec<Scored>, Error> {
    let mut found = Vec::with_capacity(texts.len());
    for (done, (text, second)) in texts.iter().enumerate() {
        progress.check()?;
        progress.emit(Classified { done, total: texts.len() });
        let most = Some(model.config().context_length);
        let (ids, _, is_cut) = model.tokenizer().encode_pair(text, second.as_deref(), most)?;
        found.push((score(&ids)?, ids.len(), is_cut));
    }
    Ok(found)
}

/// What the score head of an adapter says of a text: a number for each label.
pub fn adapted_scores(model: &Model, adapter: &Adapter, ids: &[u32]) -> Result<Vec<f32>, Error> {
    let Some(head) = adapter.score_head().filter(|_| !ids.is_empty()) else {
        return Err(Error::NoTokens);
    };
    let state = last_state(model, Some(adapter), ids, head.position(ids))?;
    let weight = head.weight.flatten_all().and_then(|weight| weight.to_vec1::<f32>());
    let weight = weight.map_err(llm::Error::from)?;
    let product = |row: &[f32]| -> f64 {
        row.iter().zip(&state).map(|(one, other)| f64::from(*one) * f64::from(*other)).sum()
    };
    Ok(weight.chunks_exact(state.len()).map(|row| product(row) as f32).collect())
}

/// The last hidden state of a decoder at one token.
fn last_state(
    model: &Model,
    adapter: Option<&Adapter>,
    ids: &[u32],
    position: usize,
) -> Result<Vec<f32>, Error> {
    if ids.is_empty() {
        return Err(Error::NoTokens);
    }
    // What stands behind the token changes nothing for it.
    let ids = &ids[..=position];
    let (width, last) = (model.config().width, model.config().layer_count());
    let mut state = Vec::new();
    model.watch(ids, &mut model.new_cache(), adapter, &mut |index, states| {
        if index == last {
            state = states[states.len() - width..].to_vec();
        }
        ControlFlow::Continue(())
    })?;
    Ok(state)
}

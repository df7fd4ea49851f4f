//! Two models on one text, with what each of them takes: token by token where they have one vocabulary,
//! word by word where they have not.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::compare;
use super::compare::{TOP, TextComparison};
use super::compare_words;
use super::compare_words::WordComparison;
use super::error::Error;
use super::next_token;
use super::next_token::NextComparison;
use super::subject::{Looked, Subject};
use crate::jobs::Progress;
use crate::llm::model::Positions;

/// A text under two models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwoModels {
    pub a: ModelSide,
    pub b: ModelSide,
    pub found: Found,
}

/// What was compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Found {
    /// Two models with one vocabulary.
    Tokens {
        text: TextComparison,

        /// What both expect after each token.
        next: Vec<NextComparison>,
    },

    /// Two models with different vocabularies.
    Words(WordComparison),
}

/// One of the two, and what it takes on this computer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSide {
    pub name: String,

    /// How most of its weights are kept in memory: `Q4_1`, `F32`.
    pub weights: String,
    pub has_adapter: bool,

    /// Of its files.
    pub disk_bytes: u64,

    /// Of its weights.
    pub memory_bytes: u64,

    /// Tokens a second in which it read the text, as measured here. `None`: the text has only a few.
    pub reads_a_second: Option<f64>,

    /// Tokens a second one after the other. `None`: there was no room for more after the text.
    pub writes_a_second: Option<f64>,
}

/// So few tokens say nothing of how fast a text is read.
const FEW: usize = 8;

/// Tokens that are run one after the other for a speed, and those before them.
const WRITTEN: usize = 8;
const BEFORE: usize = 64;

/// Compares both on a text. `ids`: as A reads it; where B has another vocabulary, `text` is read by both.
/// Slow: reports tokens, and looks for Stop every hundred or so.
pub fn two_models(
    a: Subject<'_>,
    b: Subject<'_>,
    (ids, text): (&[u32], &str),
    progress: &dyn Progress<Looked>,
) -> Result<TwoModels, Error> {
    let (found, counts, secs) = if compare::same_vocabulary(a.model, b.model) {
        let tokenizer = a.model.tokenizer();
        let keep = |both: &compare::Both<'_>| next_token::compared(both, TOP, tokenizer);
        let read = compare::read_both([a, b], ids, progress, &keep)?;
        let found = Found::Tokens { text: read.comparison, next: read.kept };
        (found, [ids.len(); 2], read.secs)
    } else {
        let (words, counts, secs) = compare_words::on_text_timed(a, b, text, progress)?;
        (Found::Words(words), counts, secs)
    };
    let side = |subject: Subject<'_>, at: usize| -> Result<ModelSide, Error> {
        let reads = (counts[at] >= FEW && secs[at] > 0.0).then(|| counts[at] as f64 / secs[at]);
        ModelSide::of(subject, ids, reads, progress)
    };
    Ok(TwoModels { a: side(a, 0)?, b: side(b, 1)?, found })
}

impl ModelSide {
    /// `ids`: something to run it with. Slow.
    fn of(
        subject: Subject<'_>,
        ids: &[u32],
        reads_a_second: Option<f64>,
        progress: &dyn Progress<Looked>,
    ) -> Result<Self, Error> {
        let card = subject.model.card();
        Ok(Self {
            name: card.identity.name.clone(),
            weights: weights_words(subject)?,
            has_adapter: subject.adapter.is_some(),
            disk_bytes: card.facts.file_bytes,
            memory_bytes: card.facts.memory_bytes,
            reads_a_second,
            writes_a_second: writes_a_second(subject, ids, progress)?,
        })
    }
}

/// The type that most of its weights have in memory.
fn weights_words(subject: Subject<'_>) -> Result<String, Error> {
    let mut bytes = std::collections::BTreeMap::<&str, u64>::new();
    for need in subject.model.tensors()? {
        *bytes.entry(need.kind).or_default() += need.shape.iter().product::<usize>() as u64;
    }
    let most = bytes.into_iter().max_by_key(|(_, bytes)| *bytes);
    Ok(most.map(|(kind, _)| kind.to_owned()).unwrap_or_default())
}

fn writes_a_second(
    subject: Subject<'_>,
    ids: &[u32],
    progress: &dyn Progress<Looked>,
) -> Result<Option<f64>, Error> {
    let Subject { model, adapter } = subject;
    // Of another vocabulary, ids may be none of its own.
    let known = |id: &&u32| (**id as usize) < model.config().vocab_size;
    let ids: Vec<u32> = ids.iter().filter(known).take(BEFORE).copied().collect();
    let room = model.context_with(adapter).saturating_sub(ids.len());
    let Some(last) = ids.last().filter(|_| room > WRITTEN) else { return Ok(None) };
    let mut cache = model.new_answer_cache();
    // One more than are counted: the first one finds nothing prepared.
    model.logits(&ids, &mut cache, adapter, Positions::Last)?;
    model.logits(&[*last], &mut cache, adapter, Positions::Last)?;
    let clock = Instant::now();
    for _ in 1..WRITTEN {
        progress.check()?;
        model.logits(&[*last], &mut cache, adapter, Positions::Last)?;
    }
    let secs = clock.elapsed().as_secs_f64();
    Ok((secs > 0.0).then(|| (WRITTEN - 1) as f64 / secs))
}

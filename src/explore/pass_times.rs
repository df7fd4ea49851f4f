//! Where the time of a pass goes: the parts of the loaded model, measured while it reads and while it
//! writes. What they multiply is counted in `machine`; what that takes depends on the computer.

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::machine::{Kind, Part};
use super::subject::{Looked, Subject};
use crate::jobs::Progress;
use crate::llm::generate::introspect::PassSecs;

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PassTimes {
    /// Reading a text of so many tokens, several at once. `None`: there was none to read.
    pub reading: Option<Timed>,

    /// Writing the tokens after it, one after the other.
    pub writing: Timed,
}

/// The time of some tokens, and of the parts that they went through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    pub tokens: usize,
    pub secs: f64,

    /// In the order of a pass; together they are the whole.
    pub parts: Vec<PartTime>,

    /// Of each layer, in seconds: attention or what stands in its place, and the MLP or the experts.
    pub layers: Vec<[f64; 2]>,
}

impl Timed {
    /// Of one part of the machine, in seconds. `None`: it was not measured by itself.
    pub fn secs_of(&self, part: &Part) -> Option<f64> {
        let whole = |kind| self.parts.iter().find(|it| it.kind == kind).map(|it| it.secs);
        whole(part.kind)?;
        let column = match part.kind {
            Kind::Attention | Kind::Recurrence => 0,
            Kind::Mlp | Kind::Experts => 1,
            Kind::Embedding | Kind::Head => return whole(part.kind),
            Kind::Positions | Kind::Norm | Kind::Other => return None,
        };
        let (first, count) = part.layers?;
        let layers = self.layers.get(first..first + count)?;
        Some(layers.iter().map(|layer| layer[column]).sum())
    }

    /// What a token took.
    pub fn secs_a_token(&self) -> f64 {
        self.secs / self.tokens.max(1) as f64
    }
}

/// A part of all layers together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartTime {
    /// [`Kind::Other`]: what is between the parts, such as sums and the norms after them.
    pub kind: Kind,
    pub secs: f64,

    /// Of the whole.
    pub share: f64,
}

/// Longer texts say nothing more.
pub const MOST_READ: usize = 2048;

/// Tokens that are run together, and looked for Stop between.
const CHUNK: usize = 128;

/// Tokens that are written, after one that finds nothing prepared.
const WRITTEN: usize = 8;

/// Measures a pass over a text of `before` tokens, at most [`MOST_READ`], and over the tokens after it.
///
/// The tokens are spread over the vocabulary: what a layer takes does not depend on which they are, but for
/// experts, of which each token goes to others. Slow: reports tokens.
pub fn pass_times(
    subject: Subject<'_>,
    before: usize,
    progress: &dyn Progress<Looked>,
) -> Result<PassTimes, Error> {
    let Subject { model, adapter } = subject;
    let room = model.context_with(adapter).saturating_sub(WRITTEN + 1);
    let before = before.min(MOST_READ).min(room);
    let total = before + WRITTEN + 1;
    let count = model.config().vocab_size.min(model.tokenizer().vocab_size()).max(1);
    // A large prime: neighbours in the text are none in the vocabulary.
    let id = |at: usize| ((at * 7919 + 1) % count) as u32;
    let ids: Vec<u32> = (0..total).map(id).collect();
    let mut cache = model.new_answer_cache();
    cache.plan(total);
    let mut reading = Sum::default();
    for chunk in ids[..before].chunks(CHUNK) {
        progress.check()?;
        reading.add(chunk.len(), &model.timed_pass(chunk, &mut cache, adapter)?);
        progress.emit(Looked { done: reading.tokens, total });
    }
    let mut writing = Sum::default();
    for (at, id) in ids[before..].iter().enumerate() {
        progress.check()?;
        let secs = model.timed_pass(&[*id], &mut cache, adapter)?;
        if at > 0 {
            writing.add(1, &secs);
        }
        progress.emit(Looked { done: before + at + 1, total });
    }
    let reading = (before > 0).then(|| reading.timed(subject));
    Ok(PassTimes { reading, writing: writing.timed(subject) })
}

/// Several passes.
#[derive(Default)]
struct Sum {
    tokens: usize,
    whole: f64,
    embedding: f64,
    layers: Vec<[f64; 2]>,
    head: f64,
}

impl Sum {
    fn add(&mut self, tokens: usize, pass: &PassSecs) {
        self.tokens += tokens;
        self.whole += pass.whole;
        self.embedding += pass.embedding;
        self.head += pass.head;
        self.layers.resize(pass.layers.len(), [0.0; 2]);
        for (sum, layer) in self.layers.iter_mut().zip(&pass.layers) {
            sum[0] += layer[0];
            sum[1] += layer[1];
        }
    }

    fn timed(self, subject: Subject<'_>) -> Timed {
        let config = subject.model.config();
        let of = |kind: Kind| {
            let layers = config.layers.iter().zip(&self.layers);
            let secs = layers.map(|(layer, [mixing, alone])| match kind {
                Kind::Attention if !layer.recurrent => *mixing,
                Kind::Recurrence if layer.recurrent => *mixing,
                Kind::Experts if layer.experts => *alone,
                Kind::Mlp if !layer.experts => *alone,
                _ => 0.0,
            });
            secs.sum::<f64>()
        };
        let inner = [Kind::Attention, Kind::Recurrence, Kind::Mlp, Kind::Experts];
        let mut all = vec![(Kind::Embedding, self.embedding)];
        all.extend(inner.map(|kind| (kind, of(kind))).into_iter().filter(|(_, secs)| *secs > 0.0));
        all.push((Kind::Head, self.head));
        let known: f64 = all.iter().map(|(_, secs)| secs).sum();
        all.push((Kind::Other, (self.whole - known).max(0.0)));
        let whole = self.whole.max(f64::MIN_POSITIVE);
        let parts =
            all.into_iter().map(|(kind, secs)| PartTime { kind, secs, share: secs / whole });
        Timed { tokens: self.tokens, secs: self.whole, parts: parts.collect(), layers: self.layers }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::jobs::Quiet;
    use crate::llm::card::ModelSource;
    use crate::llm::{LoadOptions, Model};

    #[test]
    fn the_parts_of_a_pass_are_all_of_it() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample_data/tiny_model");
        let model =
            Model::load(&ModelSource::at(&folder), &LoadOptions::default(), &Quiet).unwrap();
        let found = pass_times(Subject::new(&model, None), 40, &Quiet).unwrap();
        let reading = found.reading.unwrap();
        assert_eq!((reading.tokens, found.writing.tokens), (40, WRITTEN));
        for timed in [&reading, &found.writing] {
            let kinds: Vec<Kind> = timed.parts.iter().map(|part| part.kind).collect();
            let expected = [Kind::Embedding, Kind::Attention, Kind::Mlp, Kind::Head, Kind::Other];
            assert_eq!(kinds, expected);
            let share: f64 = timed.parts.iter().map(|part| part.share).sum();
            assert!((share - 1.0).abs() < 1e-9, "{share}");
            assert!(timed.parts.iter().all(|part| part.secs > 0.0), "{timed:?}");
            assert_eq!(timed.layers.len(), model.config().layer_count());
            let mixing: f64 = timed.layers.iter().map(|[mixing, _]| mixing).sum();
            assert!((mixing - timed.parts[1].secs).abs() < 1e-9);
        }
        assert!(pass_times(Subject::new(&model, None), 0, &Quiet).unwrap().reading.is_none());
    }

    #[test]
    fn a_pass_that_is_measured_computes_what_another_one_does() {
        use crate::llm::Positions;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample_data/tiny_model");
        let model =
            Model::load(&ModelSource::at(&folder), &LoadOptions::default(), &Quiet).unwrap();
        let (mut timed, mut plain) = (model.new_cache(), model.new_cache());
        model.timed_pass(&[1, 5, 9, 13], &mut timed, None).unwrap();
        model.logits(&[1, 5, 9, 13], &mut plain, None, Positions::Last).unwrap();
        let after = |cache| {
            let scores = model.logits(&[17], cache, None, Positions::Last).unwrap();
            scores.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        assert_eq!(after(&mut timed), after(&mut plain));
    }
}

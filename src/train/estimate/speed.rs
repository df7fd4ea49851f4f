//! How fast this computer trains a model: measured on a small part of it, in less than two seconds.

use std::time::Instant;

use crate::llm::adapter::learned::Learned;
use crate::llm::adapter::lora::{Adapter, LinearInfo};
use crate::llm::backward::gradients::Gradients;
use crate::llm::cost::pass_cost::{PassCost, PassShape};
use crate::llm::model::{Model, Positions};
use crate::llm::{Init, Keep, LoraSpec, Shapes, SoftInit, SoftSpec, Weights};
use crate::train::config::{Method, TrainConfig};
use crate::train::error::Error;
use crate::train::objective::logprobs;
use crate::train::objective::logprobs::Asked;
use crate::train::rows::batch::Example;
use crate::train::rows::sequence::Sequence;
use crate::train::step::optim::{AdamSettings, AdamW};
use crate::train::step::student::Student;

/// Seconds that one unit of each kind of work takes here.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Speed {
    /// A multiplication of the layers, forth and back.
    pub forward: f64,
    pub backward: f64,

    /// A multiplication of the head, with what follows it.
    pub head: f64,

    /// A value of the adapter in an optimizer step.
    pub optimizer: f64,

    /// A weight that is read to write one token of an answer.
    pub weight: f64,
}

/// Multiplications of the measured pass, forth and back: about a third of a second on a laptop.
const MOST_MACS: u64 = 12_000_000_000;

/// How often the pass is timed, after one that is not.
const TIMED: usize = 3;

/// Values of the layers that are measured; more than caches hold, where the model has more.
const LAYER_VALUES: usize = 24 << 20;

/// Values of the head that is measured.
const HEAD_VALUES: usize = 8 << 20;

/// Predictions that the head is timed with, at most.
const HEAD_ROWS: usize = 256;

/// Tokens of the answer that is written to measure how fast that is.
const WRITTEN: u32 = 8;

/// Measures a pass over `members`, examples that would be run together. `weights` is how the run
/// would keep its weights.
pub fn measure(
    model: &Model,
    config: &TrainConfig,
    weights: Weights,
    members: &[&Example],
) -> Result<Speed, Error> {
    let whole = members.iter().flat_map(|example| example.sequences());
    let whole: Vec<&Sequence> = whole.collect();
    let rows = logprobs::tree(&whole).len();
    let predicted: usize = whole.iter().map(|sequence| sequence.target_count()).sum();
    let size = PartSize::of(model, weights, rows);
    let part = model.part(size.layers, size.tokens, size.weights)?;
    let shapes = Shapes::of(part.config());
    let mut student = student(&part, config)?;
    let has_pair = |linear: &&LinearInfo| student.adapter().pair(&linear.name).is_some();
    let targets: Vec<&LinearInfo> = shapes.linears.iter().filter(has_pair).collect();
    let shape = PassShape {
        config: part.config(),
        shapes: &shapes,
        targets: &targets,
        rank: student.adapter().card().rank,
        own: config.method == Method::Full,
    };
    let sequences = short_enough(members, &shape);
    let sequences: Vec<&Sequence> = sequences.iter().collect();
    let tree = logprobs::tree(&sequences);
    // As many as are computed at once: the head costs each of few more.
    let at_once = logprobs::score_rows(model.config()).min(HEAD_ROWS);
    let predictions = logprobs::made_up(&tree, predicted.clamp(1, at_once));
    let whole_tree = tree.after(&vec![0; student.adapter().virtual_tokens()]);
    let cost =
        PassShape { own: false, ..shape }.cost(&whole_tree, predictions.len(), Keep::Everything);
    let whole = shape.cost(&whole_tree, predictions.len(), Keep::Everything);

    let asked = Asked { aligned: config.weighs_pairs(), ..Asked::default() };
    let mut found = Vec::new();
    for _ in 0..=TIMED {
        let (model, adapter) = (student.model(), student.adapter());
        let (pass, forward) =
            timed(|| model.run_tree(&tree, Some(adapter), None, Keep::Everything));
        let pass = pass?;
        let (scored, head) = timed(|| {
            logprobs::head((model, Some(adapter)), pass.hidden(), &predictions, (1, &asked))
        });
        let (_, slopes) = scored?;
        let mut grad = vec![0.0; pass.hidden().len()];
        grad.iter_mut().zip(slopes.iter().cycle()).for_each(|(grad, slope)| *grad = *slope);
        let mut gradients = Gradients::of(student.learned());
        let (back, backward) = timed(|| pass.backward(&grad, &mut gradients));
        back?;
        let mut optimizer = AdamW::new(student.learned(), AdamSettings::of(config));
        let (stepped, step) = timed(|| {
            gradients.clip(1.0);
            optimizer.step(student.slots(), &gradients, config.learning_rate)?;
            student.settle()
        });
        stepped?;
        found.push([forward, backward, head, step]);
    }
    // The first one warms caches and threads up. Of the others the middle one: whatever else the
    // machine did meanwhile made one of them slower.
    let middle = |kind: usize| {
        let mut times: Vec<f64> = found[1..].iter().map(|times| times[kind]).collect();
        times.sort_by(f64::total_cmp);
        times[TIMED / 2]
    };
    // What of the head is done once more for its own gradient is not timed here.
    let (head_macs, PassCost { forward_macs, backward_macs, .. }) = (cost.head_macs, whole);
    let learned_values: usize = student.learned().iter().map(Learned::len).sum();
    let per = |secs: f64, count: u64| secs / count.max(1) as f64;
    Ok(Speed {
        forward: per(middle(0), forward_macs),
        backward: per(middle(1), backward_macs),
        head: per(middle(2), head_macs),
        optimizer: per(middle(3), learned_values as u64),
        weight: per(token_secs(student.model(), student.adapter())?, shapes.parameter_count()),
    })
}

/// How much of a model is measured.
struct PartSize {
    layers: usize,
    tokens: usize,
    weights: Weights,
}

impl PartSize {
    /// For a pass of so many rows: rather fewer layers than fewer rows, since what is done once a
    /// pass, like widening weights, costs each row more where there are few.
    fn of(model: &Model, weights: Weights, rows: usize) -> Self {
        let config = model.config();
        let layers = model.linear_layers();
        let all: usize = layers.iter().map(|linear| linear.outputs * linear.inputs).sum();
        let one = (all / config.layer_count().max(1)).max(1);
        // Forth and back
        let timed = MOST_MACS as usize / (2 * rows.max(1));
        // Widening a layer that is larger than all this would take longer than it is worth.
        let widened = one <= 4 * LAYER_VALUES;
        Self {
            layers: (LAYER_VALUES / one).min(timed / one).max(1),
            tokens: (HEAD_VALUES / config.width.max(1)).max(256),
            weights: if widened { weights } else { Weights::AsStored },
        }
    }
}

/// As a run would make it; where it names layers that the part does not have, on all of them.
fn student<'a>(part: &'a Model, config: &TrainConfig) -> Result<Student<'a>, Error> {
    let adapter = match (config.method.own(), config.method.soft()) {
        (Some(_), _) => Adapter::empty(part),
        // What it begins as makes no difference.
        (None, Some(kind)) => {
            let spec = SoftSpec { init: SoftInit::Random, ..config.soft_prompt.spec(kind) };
            Adapter::soft_prompt(part, &spec, config.seed)?
        }
        (None, None) => adapter(part, config)?,
    };
    Student::new(part, config.method, adapter)
}

fn adapter(part: &Model, config: &TrainConfig) -> Result<Adapter, Error> {
    // What the start is makes no difference to how long a step takes.
    let spec = LoraSpec { init: Init::Usual, ..config.lora.spec() };
    if let Ok(adapter) = Adapter::init(part, &spec, config.seed) {
        return Ok(adapter);
    }
    let target_modules = vec!["all-linear".to_owned()];
    let spec = LoraSpec { target_modules, layers_to_transform: None, ..spec };
    Ok(Adapter::init(part, &spec, config.seed)?)
}

/// The sequences of the examples with ids that the part has, cut where they would take too long.
fn short_enough(members: &[&Example], shape: &PassShape<'_>) -> Vec<Sequence> {
    let tokens = shape.config.vocab_size as u32;
    let folded = |sequence: &Sequence, length: usize| {
        let ids: Vec<u32> = sequence.ids.iter().take(length).map(|id| id % tokens).collect();
        // At least one token is predicted.
        let completion_start = sequence.completion_start.min(ids.len().saturating_sub(1));
        Sequence::new(ids, completion_start)
    };
    let of = |length: usize| -> Vec<Sequence> {
        let sequences = members.iter().flat_map(|example| example.sequences());
        sequences.map(|sequence| folded(sequence, length)).collect()
    };
    let longest = members.iter().flat_map(|example| example.sequences());
    let mut length = longest.map(|sequence| sequence.ids.len()).max().unwrap_or(1);
    loop {
        let sequences = of(length);
        let cost = {
            let sequences: Vec<&Sequence> = sequences.iter().collect();
            shape.cost(&logprobs::tree(&sequences), 0, Keep::Everything)
        };
        if length <= 32 || cost.forward_macs + cost.backward_macs <= 2 * MOST_MACS {
            return sequences;
        }
        length /= 2;
    }
}

/// What `work` gives, and the seconds that it took.
fn timed<R>(work: impl FnOnce() -> R) -> (R, f64) {
    let started = Instant::now();
    let found = work();
    (found, started.elapsed().as_secs_f64())
}

/// Seconds for a token of an answer.
fn token_secs(part: &Model, adapter: &Adapter) -> Result<f64, Error> {
    let mut cache = part.new_cache();
    part.logits(&[1], &mut cache, Some(adapter), Positions::Last)?;
    let started = Instant::now();
    for id in 0..WRITTEN {
        part.logits(&[id], &mut cache, Some(adapter), Positions::Last)?;
    }
    Ok(started.elapsed().as_secs_f64() / f64::from(WRITTEN))
}

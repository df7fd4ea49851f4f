//! The learning-rate finder on a decoder: a few steps at growing rates on weights that are thrown away. Nothing is
//! written, and nothing of a run changes.

use std::path::Path;

use super::rates::{RateEnd, RateSearch, RateTrace};
use super::request::StartRequest;
use super::setup;
use super::setup::Checked;
use super::training::without_aborting;
use crate::jobs;
use crate::jobs::Progress;
use crate::llm::adapter::lora::Adapter;
use crate::llm::model::Model;
use crate::train::config::metric::{Metric, Values};
use crate::train::config::objective::Reference;
use crate::train::config::{ConfigProblem, TrainConfig};
use crate::train::error::Error;
use crate::train::objective::logprobs::PassSize;
use crate::train::record::metrics::{StepMetrics, TrainEvent};
use crate::train::rows::plan;
use crate::train::step::forward_backward;
use crate::train::step::forward_backward::StepInput;
use crate::train::step::optim::{AdamSettings, AdamW};
use crate::train::step::reference;
use crate::train::step::student::Student;

/// Settings as the search takes them: as many steps as it has, nothing between them.
pub fn settings(config: &TrainConfig, search: &RateSearch) -> Result<TrainConfig, Error> {
    if let Some(message) = search.problem() {
        return Err(Error::Config(vec![ConfigProblem { field: "learning rate finder", message }]));
    }
    if config.objective.samples() {
        let name = config.objective.facts().name;
        let message = format!(
            "reads the loss, and the loss of {name} says nothing of how much was learned: try several rates with \
             a sweep and compare their rewards"
        );
        return Err(Error::Config(vec![ConfigProblem { field: "learning rate finder", message }]));
    }
    Ok(TrainConfig {
        max_steps: Some(search.steps),
        eval_steps: 0,
        sample_steps: 0,
        early_stopping_patience: 0,
        load_best_model_at_end: false,
        ..config.clone()
    })
}

/// Searches. `apart`: a folder that no run has; it is not made. Stopping is a good end.
pub fn find_rate(
    model: &Model,
    config: &TrainConfig,
    search: &RateSearch,
    (apart, cache): (&Path, Option<&Path>),
    progress: &dyn Progress<TrainEvent>,
) -> Result<RateTrace, Error> {
    let config = settings(config, search)?;
    let request = StartRequest { config, run_dir: apart.to_owned(), cache: None };
    let checked = setup::check_start(model, &request, progress)?;
    without_aborting(|| searched(model, checked, search, cache, progress))
}

fn searched(
    model: &Model,
    checked: Checked,
    search: &RateSearch,
    cache: Option<&Path>,
    progress: &dyn Progress<TrainEvent>,
) -> Result<RateTrace, Error> {
    let Checked { config, plan, examples, split, adapter, .. } = checked;
    let check = || progress.check().map_err(|_stopped| Error::Cancelled);
    let has_reference = config.objective.facts().reference == Reference::Measured;
    let reference = if has_reference {
        let bare = Adapter::empty(model);
        let held_to = if config.method.soft().is_some() { &bare } else { &adapter };
        let rows = plan::rows_of(&plan, &split.train, &[]);
        let rows = (examples.as_slice(), rows.as_slice());
        reference::known_or_computed((model, held_to), &config, rows, cache, progress)?
    } else {
        Vec::new()
    };
    let mut student = Student::new(model, config.method, adapter)?;
    let learned = student.learned().to_vec();
    let mut optimizer = AdamW::new(&learned, AdamSettings::of(&config));
    let (train_rows, steps) = (split.train.len(), search.steps);
    progress.emit(TrainEvent::Planned { steps, train_rows, held_out_rows: 0 });
    let mut trace = RateTrace::default();
    for step in 0..search.steps {
        progress.rest();
        let batches = plan.batches_of(step, &split.train);
        let input = StepInput {
            model: student.model(),
            adapter: student.adapter(),
            learned: student.learned(),
            config: &config,
            step,
            examples: &examples,
            reference: &reference,
            pass_rows: PassSize::of(student.model().config()).rows(),
        };
        let outcome = match forward_backward::run(&input, &batches, &check) {
            Err(Error::Cancelled) => {
                trace.ended = Some(RateEnd::Stopped);
                break;
            }
            found => found?,
        };
        let rate = search.rate(step);
        let continues = trace.add(rate, outcome.loss);
        tell(progress, step + 1, rate, outcome.loss);
        if !continues {
            break;
        }
        let mut gradients = outcome.gradients;
        if !gradients.clip(config.max_grad_norm).is_finite() {
            trace.ended = Some(RateEnd::NotFinite);
            break;
        }
        jobs::in_pool(|| optimizer.step(student.slots(), &gradients, rate))?;
        jobs::in_pool(|| student.settle())?;
    }
    Ok(trace)
}

/// Says a step as a run would.
pub(crate) fn tell(progress: &dyn Progress<TrainEvent>, step: usize, rate: f64, loss: f64) {
    let values = Values::from([(Metric::Loss, loss), (Metric::LearningRate, rate)]);
    progress.emit(TrainEvent::Step(StepMetrics { step, values, ..StepMetrics::default() }));
}

//! Rows made ready for a run: read, encoded, cut, split, and surveyed on the way.

use std::path::Path;

use super::batch::{Encoded, Encoder, Example, Learned};
use super::findings;
use super::limit::Limit;
use super::survey::{Finding, Part, Survey, SurveyedRow};
use crate::data::split;
use crate::data::split::Split;
use crate::jobs::{Checks, Progress};
use crate::llm::model::Model;
use crate::train::config::TrainConfig;
use crate::train::error::Error;
use crate::train::record::metrics::TrainEvent;

/// A file as a run trains on it.
#[derive(Clone, Debug, Default)]
pub struct Prepared {
    /// What is trained on or held out, cut, in the order of the file.
    pub examples: Vec<Example>,

    /// Which of them are trained on.
    pub split: Split,

    /// Every row, and what there is to say.
    pub survey: Survey,
}

/// All rows as token ids, and what the person should know about them.
#[derive(Clone, Debug, Default)]
pub struct Examples {
    pub examples: Vec<Example>,
    pub findings: Vec<Finding>,
}

/// Reads a file as a run would, and surveys every row.
pub fn prepared(
    model: &Model,
    config: &TrainConfig,
    data: &Path,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Prepared, Error> {
    let read = super::read(data, &config.columns, config.objective, &Checks(progress))
        .map_err(Error::Data)?;
    if read.rows.is_empty() {
        return Err(Error::NoRows(data.to_owned()));
    }
    let eos = eos_text(model);
    let encoder = encoder(model, config, &eos);
    let limit = Limit::of(model, config);
    let encoded = encoder.encoded(&read.rows, progress)?;
    let kept: Vec<usize> = (0..encoded.len())
        .filter(|index| encoded[*index].left_out(limit.tokens).is_none())
        .collect();
    if kept.is_empty() {
        return Err(Error::NothingLeft {
            rows: encoded.len(),
            why: findings::why_nothing(&encoded, limit),
        });
    }
    let examples: Vec<Example> =
        kept.iter().map(|index| encoded[*index].example.cut(limit.tokens)).collect();
    let split = held_out_split(&examples, config);
    let mut parts = vec![Part::Dropped; encoded.len()];
    for (indices, part) in [(&split.train, Part::Train), (&split.held_out, Part::HeldOut)] {
        for index in indices {
            parts[kept[*index]] = part;
        }
    }
    let context = model.card().facts.context_length;
    let findings = findings::of(&read, &encoded, &parts, (limit, context), (config, model.chat()));
    let rows = encoded.into_iter().zip(parts);
    let rows = rows.map(|(Encoded { example, .. }, part)| SurveyedRow { example, part }).collect();
    let survey = Survey {
        findings,
        rows,
        max_length: limit.tokens,
        train_rows: split.train.len(),
        held_out_rows: split.held_out.len(),
    };
    Ok(Prepared { examples, split, survey })
}

/// What is to know about the data of `config` before a run.
pub fn survey(
    model: &Model,
    config: &TrainConfig,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Survey, Error> {
    let Prepared { survey, .. } = prepared(model, config, &config.data, progress)?;
    Ok(survey)
}

/// The rows of a file as a model sees them.
pub fn examples(
    model: &Model,
    config: &TrainConfig,
    data: &Path,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Examples, Error> {
    let Prepared { examples, survey, .. } = prepared(model, config, data, progress)?;
    Ok(Examples { examples, findings: survey.findings })
}

/// What turns rows into ids, for a run. `eos` is the model's [`eos_text`].
fn encoder<'a>(model: &'a Model, config: &TrainConfig, eos: &'a str) -> Encoder<'a> {
    let learned =
        if config.completion_only_loss { Learned::Completion } else { Learned::Everything };
    Encoder { tokenizer: model.tokenizer(), chat: model.chat(), eos, learned }
}

/// The text of the token that ends an answer; empty where the model has none.
fn eos_text(model: &Model) -> String {
    let tokenizer = model.tokenizer();
    let eos = tokenizer.eos().or_else(|| model.stop_ids().first().copied());
    eos.and_then(|id| tokenizer.token(id)).unwrap_or_default()
}

/// Which examples are trained on and which are held out: the same in every run with the same
/// rows, share and seed.
pub fn held_out_split(examples: &[Example], config: &TrainConfig) -> Split {
    let groups: Vec<&str> = examples.iter().map(|example| example.group.as_str()).collect();
    split::split(&groups, config.held_out_share, config.seed)
}

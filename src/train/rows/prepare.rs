//! Rows made ready for a run: read, encoded, cut, split, and surveyed on the way.

use std::path::Path;

use super::batch::{Borders, Encoded, Encoder, Example, Learned, Sequence};
use super::findings;
use super::limit::Limit;
use super::packing;
use super::prepared::Prepared;
use super::survey::{Finding, Part, Survey, SurveyedRow};
use super::text;
use crate::data::split;
use crate::data::split::Split;
use crate::jobs::{Checks, Progress};
use crate::llm::config::Naming;
use crate::llm::model::Model;
use crate::train::config::{ConfigProblem, Objective, PackingStrategy, TrainConfig};
use crate::train::error::Error;
use crate::train::record::metrics::TrainEvent;

/// All rows as token ids, and what the person should know about them.
#[derive(Clone, Debug, Default)]
pub struct Examples {
    pub examples: Vec<Example>,
    pub split: Split,
    pub findings: Vec<Finding>,
}

/// Reads a file as a run would, and surveys every row.
pub fn prepared(
    model: &Model,
    config: &TrainConfig,
    data: &Path,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Prepared, Error> {
    if config.objective == Objective::Pretrain {
        return text::prepared(model, config, data, progress);
    }
    let read = super::read(data, &config.columns, config.objective, &Checks(progress))
        .map_err(Error::Data)?;
    if read.rows.is_empty() {
        return Err(Error::NoRows(data.to_owned()));
    }
    let eos = eos_text(model);
    let encoder = encoder(model, config, &eos);
    let limit = Limit::of(model, config);
    let encoded = encoder.encoded(&read.rows, progress)?;
    let is_learned = |index: &usize| encoded[*index].left_out(limit.tokens).is_none();
    // Packed are also rows whose prompt fills everything, as in TRL.
    let is_kept = |index: &usize| {
        let ids = &encoded[*index].example.chosen.ids;
        is_learned(index) || (config.packs().is_some() && !ids.is_empty())
    };
    let kept: Vec<usize> = (0..encoded.len()).filter(is_kept).collect();
    if !kept.iter().any(is_learned) {
        return Err(Error::NothingLeft {
            rows: encoded.len(),
            why: findings::why_nothing(&encoded, limit),
        });
    }
    let whole: Vec<&Example> = kept.iter().map(|index| &encoded[*index].example).collect();
    let split = held_out_split(whole.iter().copied(), config);
    let mut parts = vec![Part::Dropped; encoded.len()];
    for (indices, part) in [(&split.train, Part::Train), (&split.held_out, Part::HeldOut)] {
        for index in indices {
            parts[kept[*index]] = part;
        }
    }
    // Virtual tokens stand in the same context.
    let context = model.card().facts.context_length.saturating_sub(config.virtual_tokens());
    let mut findings =
        findings::of(&read, &encoded, &parts, (limit, context), (config, model.chat()));
    let documents = (split.train.len(), split.held_out.len());
    let (examples, split) = if let Some(strategy) = config.packs() {
        check_packing(model, &whole, strategy)?;
        packed(&whole, &split, limit.tokens, strategy)
    } else if compares_neighbours(config) {
        (with_neighbours(&whole, &split, limit.tokens, config), split)
    } else {
        (whole.iter().map(|example| example.cut(limit.tokens)).collect(), split)
    };
    findings.extend(findings::of_labels(&examples, &split, config));
    findings.extend(config.packs().map(|_| findings::of_packing(documents.0, &split, limit)));
    findings.sort_by_key(|finding| finding.concern);
    let rows = encoded.into_iter().zip(parts);
    let rows = rows.map(|(Encoded { example, .. }, part)| SurveyedRow { example, part }).collect();
    let survey = Survey {
        findings,
        rows,
        max_length: limit.tokens,
        train_rows: documents.0,
        held_out_rows: documents.1,
    };
    Ok(Prepared { examples, split, survey, landmarks: None })
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
    let Prepared { examples, split, survey, .. } = prepared(model, config, data, progress)?;
    Ok(Examples { examples, split, findings: survey.findings })
}

/// What turns rows into ids, for a run. `eos` is the model's [`eos_text`].
fn encoder<'a>(model: &'a Model, config: &TrainConfig, eos: &'a str) -> Encoder<'a> {
    let learned =
        if config.completion_only_loss { Learned::Completion } else { Learned::Everything };
    let tokenizer = model.tokenizer();
    let borders = match config.objective {
        Objective::Dpo
        | Objective::Sft
        | Objective::Pretrain
        | Objective::Kto
        | Objective::Classify
        | Objective::Regress
        | Objective::Mlm => Borders::WhereTheyPart,
        Objective::Reward => Borders::Whole,
        Objective::Grpo | Objective::Rloo => Borders::Open,
        Objective::Orpo | Objective::Cpo => Borders::AtLength {
            bos: tokenizer.bos(),
            eos: tokenizer.eos().or_else(|| model.stop_ids().first().copied()),
            measures_prompt: config.objective == Objective::Orpo,
        },
    };
    Encoder { tokenizer, chat: model.chat(), eos, learned, borders }
}

/// Rows in which several answers are learned one after another have no single answer to mark. And
/// transformers' GPT-2 lets packed rows see each other, with positions of their own, which is not
/// computed here.
fn check_packing(model: &Model, rows: &[&Example], strategy: PackingStrategy) -> Result<(), Error> {
    let has_prompts = rows.iter().any(|row| row.chosen.completion_start > 0);
    let is_wrapped = strategy == PackingStrategy::Wrapped;
    let message = if is_wrapped && has_prompts {
        "must be `bfd` or `bfd_split` for rows with prompts that are not learned; `wrapped` is for \
         texts, or for completion_only_loss = false"
    } else if !is_wrapped && model.config().naming == Naming::Gpt2 {
        "must be `wrapped` for GPT-2: transformers lets its packed rows see each other, which is not \
         computed here"
    } else {
        return Ok(());
    };
    let message = message.to_owned();
    Err(Error::Config(vec![ConfigProblem { field: "packing_strategy", message }]))
}

/// What is trained on and what is held out, each packed by itself.
fn packed(
    rows: &[&Example],
    split: &Split,
    limit: usize,
    strategy: PackingStrategy,
) -> (Vec<Example>, Split) {
    let of = |indices: &[usize]| {
        let documents: Vec<Example> = indices.iter().map(|index| rows[*index].clone()).collect();
        packing::packed(&documents, limit, strategy)
    };
    let mut examples = of(&split.train);
    let train = examples.len();
    examples.extend(of(&split.held_out));
    let split = Split { train: (0..train).collect(), held_out: (train..examples.len()).collect() };
    (examples, split)
}

/// Whether a row is measured with the answer of another one.
fn compares_neighbours(config: &TrainConfig) -> bool {
    config.objective == Objective::Kto && config.loss_type.iter().any(|loss| loss == "kto")
}

/// Each row with its prompt and the answer of the row before it, beside it: of the batch's first row,
/// that of its last, as TRL's KTO has them.
fn with_neighbours(
    rows: &[&Example],
    split: &Split,
    limit: usize,
    config: &TrainConfig,
) -> Vec<Example> {
    let mut all: Vec<Example> = rows.iter().map(|row| row.cut(limit)).collect();
    for part in [&split.train, &split.held_out] {
        for batch in part.chunks(config.per_device_train_batch_size.max(1)) {
            let mut before = batch[batch.len() - 1];
            for &index in batch {
                let (own, other) = (&rows[index].chosen, &rows[before].chosen);
                let prompt = own.ids.iter().take(own.completion_start);
                let answer = other.ids.iter().skip(other.completion_start);
                let ids = prompt.chain(answer).take(limit).copied().collect();
                let completion_start = own.completion_start;
                all[index].beside = Some(Sequence { ids, completion_start });
                before = index;
            }
        }
    }
    all
}

/// The text of the token that ends an answer; empty where the model has none.
fn eos_text(model: &Model) -> String {
    let tokenizer = model.tokenizer();
    let eos = tokenizer.eos().or_else(|| model.stop_ids().first().copied());
    eos.and_then(|id| tokenizer.token(id)).unwrap_or_default()
}

/// Which examples are trained on and which are held out: the same in every run with the same
/// rows, share and seed.
pub fn held_out_split<'a>(
    examples: impl IntoIterator<Item = &'a Example>,
    config: &TrainConfig,
) -> Split {
    let examples = examples.into_iter();
    let groups: Vec<&str> = examples.map(|example| example.group.as_str()).collect();
    split::split(&groups, config.held_out_share, config.seed)
}

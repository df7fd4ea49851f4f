//! Rows made ready for a run: read, encoded, cut, split, and surveyed on the way.

use std::path::Path;

use super::assistant;
use super::assistant::Assistant;
use super::batch::{Borders, Encoded, Encoder, Example, Learned};
use super::findings;
use super::limit::Limit;
use super::mix;
use super::mix::{Arranged, Place};
use super::mix_findings;
use super::packing;
use super::prepared::Prepared;
use super::sequence::Sequence;
use super::survey::{Finding, Part, Survey, SurveyedRow};
use super::text;
use super::{Row, Rows};
use crate::data::split;
use crate::data::split::Split;
use crate::jobs::{Checks, Progress};
use crate::llm::model::Model;
use crate::llm::text::chat::ChatTemplate;
use crate::train::config::mix::Source;
use crate::train::config::{Objective, PackingStrategy, TrainConfig};
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
    let eos = eos_text(model);
    // Of a known template without tags, one that has them.
    let marked = model.chat().filter(|_| config.learns_assistant());
    let marked = marked.and_then(assistant::training_template);
    let chat = marked.as_ref().or_else(|| model.chat());
    let encoder = encoder(model, config, (&eos, chat));
    let limit = Limit::of(model, config);
    let mut files = Vec::new();
    for source in config.sources(data) {
        files.push(FileRows::read(source, files.len(), (config, &encoder, limit), progress)?);
    }
    let groups: Vec<Vec<&str>> = files.iter().map(FileRows::groups).collect();
    let arranged = mix::arranged(&groups, config);
    let (whole, split) = in_order(&files, &arranged);
    let parts = parts(&files, &arranged);
    // Virtual tokens stand in the same context.
    let context = model.card().facts.context_length.saturating_sub(config.virtual_tokens());
    let mut findings = findings_of(&files, &parts, (limit, context), (config, chat));
    let ends_turns = encoder.assistant.is_none_or(|known| known.learns_to_stop(encoder.tokenizer));
    findings.extend((!ends_turns).then(findings::never_stops));
    findings.extend(marked.is_some().then(findings::template_replaced));
    let documents = (split.train.len(), split.held_out.len());
    let (examples, split) = if let Some(strategy) = config.packs() {
        findings.extend(packing::kept_apart(model.config().naming, strategy));
        packed(&whole, &split, limit.tokens, strategy)
    } else if config.compares_neighbours() {
        (with_neighbours(&whole, &split, limit, config), split)
    } else {
        (whole.iter().map(|example| example.cut(limit.tokens, limit.mode)).collect(), split)
    };
    findings.extend(findings::of_labels(&examples, &split, config));
    findings.extend(config.packs().map(|_| findings::of_packing(documents.0, &split, limit)));
    let sources = if config.mix.is_empty() { Vec::new() } else { arranged.sources };
    let rows: Vec<&[Row]> = files.iter().map(|file| file.read.rows.as_slice()).collect();
    findings.extend(mix_findings::of(&sources, &rows, config));
    findings.sort_by_key(|finding| finding.concern);
    let encoded = files.into_iter().flat_map(|file| file.encoded);
    let rows = encoded.zip(parts.into_iter().flatten());
    let rows = rows.map(|(Encoded { example, .. }, part)| SurveyedRow { example, part }).collect();
    let survey = Survey {
        findings,
        rows,
        max_length: limit.tokens,
        truncation_mode: limit.mode,
        train_rows: documents.0,
        held_out_rows: documents.1,
    };
    Ok(Prepared { examples, split, survey, landmarks: None, sources })
}

/// The rows of one of a run's files.
struct FileRows {
    read: Rows,
    encoded: Vec<Encoded>,

    /// Those of `encoded` that can be learned from.
    kept: Vec<usize>,
}

impl FileRows {
    /// The file with this number among those of the run.
    fn read(
        source: Source<'_>,
        number: usize,
        (config, encoder, limit): (&TrainConfig, &Encoder<'_>, Limit),
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<Self, Error> {
        let Source { path, columns, .. } = source;
        let read =
            super::read(path, columns, config.objective, &Checks(progress)).map_err(Error::Data)?;
        if read.rows.is_empty() {
            return Err(Error::NoRows(path.to_owned()));
        }
        let mut encoded = encoder.encoded(&read.rows, progress)?;
        encoded.iter_mut().for_each(|encoded| encoded.example.source = number);
        // Of a row that is split, the end is learned too.
        let is_split =
            matches!(config.packs(), Some(PackingStrategy::BfdSplit | PackingStrategy::Wrapped));
        let is_learned = |index: &usize| {
            let row = &encoded[*index];
            row.left_out(limit).is_none()
                || (is_split && row.example.chosen.completion_tokens() > 0)
        };
        // Packed are also rows whose prompt fills everything, as in TRL.
        let is_kept = |index: &usize| {
            let ids = &encoded[*index].example.chosen.ids;
            is_learned(index) || (config.packs().is_some() && !ids.is_empty())
        };
        let kept: Vec<usize> = (0..encoded.len()).filter(is_kept).collect();
        if !kept.iter().any(is_learned) {
            let why = findings::why_nothing(&encoded, limit);
            let rows = encoded.len();
            let why = if number == 0 { why } else { format!("{why} ({})", path.display()) };
            return Err(Error::NothingLeft { rows, why });
        }
        Ok(Self { read, encoded, kept })
    }

    /// What its rows are held out by.
    fn groups(&self) -> Vec<&str> {
        self.kept.iter().map(|index| self.encoded[*index].example.group.as_str()).collect()
    }

    fn example(&self, row: usize) -> &Example {
        &self.encoded[self.kept[row]].example
    }
}

/// All examples of a run: of one file in its order, of several as they are arranged, what is held out at the
/// end.
fn in_order<'a>(files: &'a [FileRows], arranged: &Arranged) -> (Vec<&'a Example>, Split) {
    let Arranged { train, held_out, .. } = arranged;
    if let [file] = files {
        let rows = |places: &[Place]| places.iter().map(|(_, row)| *row).collect();
        let whole = (0..file.kept.len()).map(|row| file.example(row)).collect();
        return (whole, Split { train: rows(train), held_out: rows(held_out) });
    }
    let places = train.iter().chain(held_out);
    let whole: Vec<&Example> = places.map(|(file, row)| files[*file].example(*row)).collect();
    let (train, all) = (train.len(), whole.len());
    (whole, Split { train: (0..train).collect(), held_out: (train..all).collect() })
}

/// What becomes of each row of each file.
fn parts(files: &[FileRows], arranged: &Arranged) -> Vec<Vec<Part>> {
    let mut parts: Vec<Vec<Part>> =
        files.iter().map(|file| vec![Part::Dropped; file.encoded.len()]).collect();
    for (file, parts) in files.iter().zip(&mut parts) {
        file.kept.iter().for_each(|index| parts[*index] = Part::NotDrawn);
    }
    for (places, part) in [(&arranged.train, Part::Train), (&arranged.held_out, Part::HeldOut)] {
        for (file, row) in places {
            parts[*file][files[*file].kept[*row]] = part;
        }
    }
    parts
}

/// What there is to know about the rows of each file; of several, each sentence says of which.
fn findings_of(
    files: &[FileRows],
    parts: &[Vec<Part>],
    limits: (Limit, usize),
    (config, chat): (&TrainConfig, Option<&ChatTemplate>),
) -> Vec<Finding> {
    let mut all: Vec<Finding> = Vec::new();
    let mut before = 0;
    for ((file, parts), name) in files.iter().zip(parts).zip(config.source_names()) {
        let of_file = findings::of(&file.read, &file.encoded, parts, limits, (config, chat));
        for mut finding in of_file {
            if files.len() > 1 {
                finding.sentence = format!("{name}: {}", finding.sentence);
            }
            finding.rows.iter_mut().for_each(|row| *row += before);
            all.push(finding);
        }
        before += file.encoded.len();
    }
    all
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

/// What turns rows into ids, for a run. `eos` is the model's [`eos_text`], `chat` the template that
/// writes its dialogues.
fn encoder<'a>(
    model: &'a Model,
    config: &TrainConfig,
    (eos, chat): (&'a str, Option<&'a ChatTemplate>),
) -> Encoder<'a> {
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
    let assistant = config.learns_assistant().then(|| Assistant::of(chat));
    Encoder { tokenizer, chat, eos, learned, borders, assistant }
}

/// What is trained on and what is held out, each packed by itself, and of what is held out each file.
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
    let of_one_file = |one: &usize, other: &usize| rows[*one].source == rows[*other].source;
    split.held_out.chunk_by(of_one_file).for_each(|file| examples.extend(of(file)));
    let split = Split { train: (0..train).collect(), held_out: (train..examples.len()).collect() };
    (examples, split)
}

/// Each row with its prompt and the answer of the row before it, beside it: of the batch's first row,
/// that of its last, as TRL's KTO has them.
fn with_neighbours(
    rows: &[&Example],
    split: &Split,
    limit: Limit,
    config: &TrainConfig,
) -> Vec<Example> {
    let mut all: Vec<Example> = rows.iter().map(|row| row.cut(limit.tokens, limit.mode)).collect();
    for part in [&split.train, &split.held_out] {
        for batch in part.chunks(config.per_device_train_batch_size.max(1)) {
            let mut before = batch[batch.len() - 1];
            for &index in batch {
                let (own, other) = (&rows[index].chosen, &rows[before].chosen);
                let prompt = own.ids.iter().take(own.completion_start);
                let answer = other.ids.iter().skip(other.completion_start);
                let ids = prompt.chain(answer).take(limit.tokens).copied().collect();
                let completion_start = own.completion_start;
                all[index].beside = Some(Sequence::new(ids, completion_start));
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

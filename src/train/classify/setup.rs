//! Everything before the first step of a run that reads texts: settings checked, rows read and
//! encoded, the parts drawn. Bad input is found here, before anything is written.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::labels::{self, Target, Targets};
use super::loss;
use super::masking::Masking;
use super::rows::{self, Content, TextRow};
use super::split::{self, Parts};
use crate::encoder::Encoded;
use crate::encoder::learn::{self, Learner, Learns, Top};
use crate::encoder::{Labels, Problem};
use crate::jobs::{Cancelled, Checks, Progress};
use crate::llm::LoadEvent;
use crate::llm::card::{ModelIdentity, ModelSource};
use crate::llm::model::identity;
use crate::memory::free_memory;
use crate::train::config::{ConfigProblem, Method, Objective, TrainConfig};
use crate::train::error::Error;
use crate::train::record::metrics::TrainEvent;
use crate::train::record::{self, RunRecord};
use crate::train::rows::plan::Plan;
use crate::train::rows::survey::{Concern, Finding};
use crate::train::run::setup::{check_folder, stored_config};
use crate::train::run::{ResumeRequest, StartRequest};

/// A run that could begin: nothing stands in its way, and nothing is written yet.
pub struct Checked {
    pub config: TrainConfig,
    pub plan: Plan,
    pub findings: Vec<Finding>,

    /// What there is to know about the settings and the model.
    pub notes: Vec<String>,
    pub labels: Option<Labels>,
    pub parts: Parts,
    pub memory: Memory,
    pub(super) learner: Learner,
    pub(super) identity: ModelIdentity,
    pub(super) data: PathBuf,
    pub(super) rows: Rows,

    /// Of a run that is resumed.
    pub(super) stored: Option<RunRecord>,
}

/// What a run takes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub weights: u64,

    /// Gradients and the optimizer's values.
    pub learning: u64,

    /// What a batch keeps for the backward pass.
    pub kept: u64,
}

impl Memory {
    pub fn peak(self) -> u64 {
        self.weights + self.learning + self.kept
    }
}

/// The rows as the run reads them.
pub(super) struct Rows {
    pub examples: Vec<Encoded>,

    /// Of texts with labels.
    pub targets: Vec<Target>,
    pub weights: Vec<f32>,

    /// Of rows that are masked already: places and words.
    pub hidden: Vec<Option<(Vec<usize>, Vec<u32>)>>,
    pub masking: Option<Masking>,
}

/// Everything that a new run is refused for. Slow: reads all rows, and the model.
pub fn check_start(
    folder: &Path,
    request: &StartRequest,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Checked, Error> {
    let StartRequest { config, run_dir, cache: _ } = request;
    check_settings(config)?;
    if run_dir.join(record::RECORD_FILE).exists() {
        return Err(Error::Occupied(run_dir.clone()));
    }
    check_folder(run_dir)?;
    let learns = match (&config.adapter, config.method) {
        (Some(adapter), _) => Learns::Adapter(adapter.clone()),
        (None, Method::Lora) => Learns::Lora(config.lora.spec()),
        (None, Method::Full) => Learns::Everything,
        (None, Method::Head | Method::Bias) => Learns::Head,
    };
    checked(
        folder,
        (config.clone(), config.data.clone()),
        (learns, config.adapter.as_deref()),
        progress,
    )
}

/// The same of a run that is resumed.
pub fn check_resume(
    folder: &Path,
    request: &ResumeRequest,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Checked, Error> {
    let run_dir = &request.run_dir;
    let config = stored_config(run_dir)?;
    check_settings(&config)?;
    check_folder(run_dir)?;
    let stored = RunRecord::read(run_dir)?;
    let is_adapter = config.adapter.is_some() || config.method == Method::Lora;
    let learns = match config.method {
        _ if is_adapter => Learns::Adapter(run_dir.clone()),
        Method::Head => Learns::Head,
        _ => Learns::Everything,
    };
    let adapter = is_adapter.then_some(run_dir.as_path());
    let data = run_dir.join(record::DATA_FILE);
    let mut found = checked(folder, (config, data), (learns, adapter), progress)?;
    if stored.model.sha256 != found.identity.sha256 {
        let (started_with, loaded) = (stored.model.name, found.identity.name);
        return Err(Error::OtherModel { started_with, loaded });
    }
    if stored.steps_done >= found.plan.steps {
        found
            .notes
            .push(format!("all {} steps of this run are done: nothing is left", found.plan.steps));
    }
    found.stored = Some(stored);
    Ok(found)
}

fn check_settings(config: &TrainConfig) -> Result<(), Error> {
    let mut problems = config.problems();
    problems.retain(|problem| problem.field != "model"); // it is here already
    if problems.is_empty() { Ok(()) } else { Err(Error::Config(problems)) }
}

fn checked(
    folder: &Path,
    (config, data): (TrainConfig, PathBuf),
    (learns, adapter): (Learns, Option<&Path>),
    progress: &dyn Progress<TrainEvent>,
) -> Result<Checked, Error> {
    let found = rows::read(&data, &config.columns, config.objective, &Checks(progress))
        .map_err(Error::Data)?;
    let mut findings = left_out(&found);
    let rows = found.rows;
    if rows.is_empty() {
        return Err(Error::NoRows(data));
    }
    let mut notes = Vec::new();
    let known = match config.objective {
        Objective::Mlm => None,
        _ => learn::known_labels(folder, adapter)?,
    };
    let targets = match config.objective {
        Objective::Mlm => None,
        _ => Some(labels::targets(&rows, &config, known.as_ref())?),
    };
    if let (Some(known), Some(found), Some(_)) = (&known, &targets, adapter)
        && known.names != found.labels.names
    {
        let message = format!(
            "are {}, and the adapter that is continued gives {}: take the same labels, or begin a new adapter",
            found.labels.names.join(", "),
            known.names.join(", ")
        );
        return Err(Error::Config(vec![ConfigProblem { field: "label", message }]));
    }
    let top = match &targets {
        Some(targets) => Top::Labels(targets.labels.clone()),
        None => Top::Words,
    };
    let source = ModelSource::Folder(folder.to_owned());
    let identity = identity(&source, &Hashing(progress, Instant::now()))?;
    let mut learner = Learner::load(folder, top, &learns, config.seed)?;
    if config.disable_dropout {
        learner.without_dropout();
    }
    notes.extend(of_head(&learner, known.as_ref()));
    let labels = targets.as_ref().map(|targets| targets.labels.clone());
    let (targets, mut more) = match targets {
        Some(Targets { targets, findings, .. }) => (targets, findings),
        None => (Vec::new(), Vec::new()),
    };
    findings.append(&mut more);
    let (parts, more) = split::parts(&rows, &targets, &config)?;
    findings.extend(more);
    if let Some(labels) = labels.as_ref().filter(|labels| labels.problem != Problem::Regression) {
        findings.extend(split::findings(&parts, &targets, &labels.names));
    }
    let train: Vec<&Target> = parts.train.iter().filter_map(|at| targets.get(*at)).collect();
    let weights = labels.as_ref().map(|labels| labels::weights(&config, labels, &train));
    let weights = weights.transpose()?.unwrap_or_default();
    let rows = encoded(&rows, &learner, &config, (targets, weights), &mut findings)?;
    let plan = Plan::new(&config, parts.train.len());
    if plan.steps == 0 || parts.train.is_empty() {
        return Err(Error::NothingLeft {
            rows: rows.examples.len(),
            why: "no text is left to train on".to_owned(),
        });
    }
    let memory = memory(&learner, &rows, &config);
    if let Some(free) = free_memory().filter(|free| memory.peak() > *free) {
        let changes = vec![
            "a smaller per_device_train_batch_size".to_owned(),
            "a smaller max_length".to_owned(),
            "method = \"lora\"".to_owned(),
        ];
        return Err(Error::Memory { needed: memory.peak(), free, changes });
    }
    findings.sort_by_key(|finding| finding.concern);
    Ok(Checked {
        config,
        plan,
        findings,
        notes,
        labels,
        parts,
        memory,
        learner,
        identity,
        data,
        rows,
        stored: None,
    })
}

fn left_out(found: &rows::TextRows) -> Vec<Finding> {
    let finding = |lines: &[usize], what: &str| Finding {
        concern: Concern::Caution,
        sentence: match lines.len() {
            1 => format!("1 row has no {what} and is left out"),
            count => format!("{count} rows have no {what} and are left out"),
        },
        lines: lines.to_vec(),
        ..Finding::default()
    };
    let parts = [(&found.empty, "text"), (&found.unlabelled, "label")];
    parts
        .iter()
        .filter(|(lines, _)| !lines.is_empty())
        .map(|(lines, what)| finding(lines, what))
        .collect()
}

/// What to know of the head.
fn of_head(learner: &Learner, known: Option<&Labels>) -> Option<String> {
    let Top::Labels(labels) = learner.top() else { return None };
    if learner.made().is_empty() {
        return None;
    }
    let made = learner.made().join(", ");
    Some(match known {
        Some(known) if known.names.len() != labels.names.len() => format!(
            "the model's own head gives {} labels and the rows have {}: a new head ({made}) begins with random numbers",
            known.names.len(),
            labels.names.len()
        ),
        _ => format!(
            "the model has no head for labels yet: a new one ({made}) begins with random numbers"
        ),
    })
}

fn encoded(
    rows: &[TextRow],
    learner: &Learner,
    config: &TrainConfig,
    (targets, weights): (Vec<Target>, Vec<f32>),
    findings: &mut Vec<Finding>,
) -> Result<Rows, Error> {
    let mut all =
        Rows { examples: Vec::new(), targets, weights, hidden: Vec::new(), masking: None };
    let mut cut = Vec::new();
    let most = config.max_length;
    for row in rows {
        let tokenize = |source: Box<dyn std::error::Error + Send + Sync>| Error::Tokenize {
            line: row.line,
            source,
        };
        match &row.content {
            Content::Text { text, second } => {
                let example = learner
                    .encode(text, second.as_deref(), most)
                    .map_err(|err| tokenize(err.into()))?;
                if example.is_cut {
                    cut.push(row.line);
                }
                all.examples.push(example);
                all.hidden.push(None);
            }
            Content::Masked { ids, labels } => {
                let kept = ids.len().min(most).min(learner.longest().unwrap_or(usize::MAX));
                if kept < ids.len() {
                    cut.push(row.line);
                }
                learner.check(&ids[..kept]).map_err(|err| tokenize(err.into()))?;
                let places: Vec<usize> = (0..kept).filter(|at| labels[*at] >= 0).collect();
                let words: Vec<u32> = places.iter().map(|at| labels[*at] as u32).collect();
                learner.check(&words).or_else(|err| {
                    if words.is_empty() { Ok(()) } else { Err(tokenize(err.into())) }
                })?;
                let ids = ids[..kept].to_vec();
                all.examples.push(Encoded { ids, kinds: None, is_cut: kept < labels.len() });
                all.hidden.push(Some((places, words)));
            }
        }
    }
    if !cut.is_empty() {
        let most = learner.longest().map_or(most, |longest| longest.min(most));
        let longest = learner.longest().is_some_and(|longest| longest <= config.max_length);
        let why = if longest { "the model reads no more" } else { "max_length" };
        let sentence = match cut.len() {
            1 => format!("1 text is cut to {most} tokens ({why})"),
            count => format!("{count} texts are cut to {most} tokens ({why})"),
        };
        findings.push(Finding {
            concern: Concern::Caution,
            sentence,
            lines: cut,
            ..Finding::default()
        });
    }
    if config.objective == Objective::Mlm && all.hidden.iter().any(Option::is_none) {
        let masking =
            Masking::new(learner.tokenizer(), learner.vocabulary(), config.mlm_probability);
        all.masking = Some(masking.ok_or(crate::encoder::Error::NoMaskToken)?);
    }
    Ok(all)
}

fn memory(learner: &Learner, rows: &Rows, config: &TrainConfig) -> Memory {
    let (weights, learned) = learner.bytes();
    let longest =
        rows.examples.iter().map(|example| example.ids.len()).max().unwrap_or_default() as u64;
    let tokens = longest * config.per_device_train_batch_size as u64;
    let layer_input = if learned > 0 { learner.bytes_a_token() } else { 0 };
    Memory { weights, learning: 3 * learned, kept: tokens * layer_input }
}

impl Checked {
    /// Says what there is to know: mistakes and cautions as warnings, the rest as it is.
    pub fn tell(&self, progress: &dyn Progress<TrainEvent>) {
        for note in &self.notes {
            progress.emit(TrainEvent::Noted(note.clone()));
        }
        for finding in &self.findings {
            progress.emit(match finding.concern {
                Concern::Problem | Concern::Caution => TrainEvent::Warning(finding.with_lines()),
                Concern::Fact => TrainEvent::Noted(finding.sentence.clone()),
            });
        }
    }

    /// Seconds that a step takes here: one batch is run forth and back, and nothing moves.
    pub fn step_secs(&self) -> f64 {
        let batches = self.plan.batches_of(0, &self.parts.train);
        let Some(batch) = batches.first() else { return 0.0 };
        let started = Instant::now();
        let texts: Vec<_> = batch.iter().map(|at| self.rows.examples[*at].tokens()).collect();
        let mut grads = self.learner.no_grads();
        let places = [0];
        let mut slopes = |scores: &[f32]| match self.labels.as_ref().map(|labels| labels.problem) {
            Some(problem) => {
                let targets: Vec<&Target> =
                    batch.iter().map(|at| &self.rows.targets[*at]).collect();
                loss::of_texts(problem, scores, &targets, &self.rows.weights).slopes
            }
            None => loss::of_words(scores, &[0]).0.slopes,
        };
        self.learner.learn(&texts, &places, None, &mut slopes, &mut grads);
        started.elapsed().as_secs_f64() * batches.len() as f64
    }
}

/// The model's hash on its way, as a run's progress.
struct Hashing<'a>(&'a dyn Progress<TrainEvent>, Instant);

impl Progress<LoadEvent> for Hashing<'_> {
    fn emit(&self, event: LoadEvent) {
        if let LoadEvent::Hashing { done, total } = event {
            let megabytes = |bytes: u64| (bytes >> 20) as usize;
            let counted = (megabytes(done), megabytes(total));
            self.0.emit(TrainEvent::preparing("Reading the model (MB)", counted, self.1));
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }
}

//! Everything before the first step of a run that reads texts: settings checked, rows read and
//! encoded, the parts drawn. Bad input is found here, before anything is written.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::answers::Answered;
use super::labels::{self, Target, Targets};
use super::loss;
use super::masking::Masking;
use super::pair::PairStudent;
use super::rows::{self, Content, TextRow};
use super::split::{self, Parts};
pub use super::student::Memory;
use super::student::{Read, Student};
use super::{answers, open};
use crate::encoder;
use crate::encoder::Encoded;
use crate::encoder::learn::{Learns, Top};
use crate::encoder::{Labels, Problem};
use crate::jobs::{Cancelled, Checks, Progress};
use crate::llm::LoadEvent;
use crate::llm::card::{ModelIdentity, ModelSource, Purpose};
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
    pub(super) student: Box<dyn Student>,
    pub(super) identity: ModelIdentity,
    pub(super) data: PathBuf,
    pub(super) rows: Rows,

    /// Of a run that is resumed.
    pub(super) stored: Option<RunRecord>,
}

/// The rows as the run reads them.
#[derive(Default)]
pub(super) struct Rows {
    pub examples: Vec<Encoded>,

    /// Of texts with labels.
    pub targets: Vec<Target>,
    pub weights: Vec<f32>,

    /// Of rows that are masked already: places and words.
    pub hidden: Vec<Option<(Vec<usize>, Vec<u32>)>>,
    pub masking: Option<Masking>,

    /// Of an encoder-decoder: what is to be written.
    pub answers: Vec<Vec<u32>>,
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
    let adapter = config.adapter.as_deref();
    let begins = Begins { learns: open::learns(config), adapter, is_resumed: false };
    checked(folder, (config.clone(), config.data.clone()), &begins, progress)
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
    let begins = Begins { learns, adapter, is_resumed: true };
    let mut found = checked(folder, (config, data), &begins, progress)?;
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

/// What a run begins with beside its model.
struct Begins<'a> {
    learns: Learns,

    /// The one that is continued, or that of the run that is resumed.
    adapter: Option<&'a Path>,

    /// The values of what learns come from a checkpoint.
    is_resumed: bool,
}

fn checked(
    folder: &Path,
    (config, data): (TrainConfig, PathBuf),
    begins: &Begins<'_>,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Checked, Error> {
    let Begins { learns, adapter, is_resumed } = begins;
    if encoder::folder_purpose(folder) == Some(Purpose::SequenceToSequence) {
        return checked_pair(folder, (config, data), learns, progress);
    }
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
        _ => open::known_labels(folder, *adapter)?,
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
    let source = ModelSource::at(folder);
    let identity = identity(&source, &Hashing(progress, Instant::now()))?;
    let mut student = open::open(folder, top, learns, &config)?;
    if config.disable_dropout {
        student.without_dropout();
    }
    notes.extend(student.notes());
    let labels = targets.as_ref().map(|targets| targets.labels.clone());
    if !is_resumed {
        notes.extend(of_head(&*student, labels.as_ref(), known.as_ref()));
    }
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
    let rows = encoded(&rows, &*student, &config, (targets, weights), &mut findings)?;
    let found = Found { config, notes, findings, labels, parts, student, identity, data, rows };
    found.checked()
}

/// The same of an encoder-decoder, which learns to answer.
fn checked_pair(
    folder: &Path,
    (config, data): (TrainConfig, PathBuf),
    learns: &Learns,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Checked, Error> {
    answers::check_settings(&config)?;
    let source = ModelSource::at(folder);
    let identity = identity(&source, &Hashing(progress, Instant::now()))?;
    let student = PairStudent::open(folder, learns, &config)?;
    let notes = student.notes();
    let found = answers::read(&data, &config, &student, progress)?;
    let Answered { examples, answers, parts, findings } = found;
    let rows = Rows { examples, answers, ..Rows::default() };
    let (student, labels): (Box<dyn Student>, _) = (Box::new(student), None);
    let found = Found { config, notes, findings, labels, parts, student, identity, data, rows };
    found.checked()
}

/// Everything that a run needs, before it is known whether there are steps and memory for it.
struct Found {
    config: TrainConfig,
    notes: Vec<String>,
    findings: Vec<Finding>,
    labels: Option<Labels>,
    parts: Parts,
    student: Box<dyn Student>,
    identity: ModelIdentity,
    data: PathBuf,
    rows: Rows,
}

impl Found {
    fn checked(self) -> Result<Checked, Error> {
        let Self { config, notes, mut findings, labels, parts, student, identity, data, rows } =
            self;
        let plan = Plan::new(&config, parts.train.len());
        if plan.steps == 0 || parts.train.is_empty() {
            return Err(Error::NothingLeft {
                rows: rows.examples.len(),
                why: "no text is left to train on".to_owned(),
            });
        }
        let memory = memory(&*student, &rows, &config);
        if let Some(free) = free_memory().filter(|free| memory.peak() > *free) {
            let mut changes = vec![
                "a smaller per_device_train_batch_size".to_owned(),
                "a smaller max_length".to_owned(),
            ];
            if !student.is_adapter() {
                changes.push("method = \"lora\"".to_owned());
            }
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
            student,
            identity,
            data,
            rows,
            stored: None,
        })
    }
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
fn of_head(
    student: &dyn Student,
    labels: Option<&Labels>,
    known: Option<&Labels>,
) -> Option<String> {
    let labels = labels.filter(|_| !student.made().is_empty())?;
    let made = student.made().join(", ");
    Some(match known {
        Some(known) if known.names.len() != labels.names.len() => format!(
            "the model's own head gives {} labels and the rows have {}: a new head ({made}) begins with random weights",
            known.names.len(),
            labels.names.len()
        ),
        _ => format!(
            "the model has no head for labels yet: a new one ({made}) begins with random weights"
        ),
    })
}

fn encoded(
    rows: &[TextRow],
    student: &dyn Student,
    config: &TrainConfig,
    (targets, weights): (Vec<Target>, Vec<f32>),
    findings: &mut Vec<Finding>,
) -> Result<Rows, Error> {
    let mut all = Rows { targets, weights, ..Rows::default() };
    let mut cut = Vec::new();
    let most = config.max_length;
    for row in rows {
        let tokenize = |source: Box<dyn std::error::Error + Send + Sync>| Error::Tokenize {
            line: row.line,
            source,
        };
        match &row.content {
            Content::Text { text, second } => {
                let example = student
                    .encode(text, second.as_deref(), most)
                    .map_err(|err| tokenize(err.into()))?;
                if example.is_cut {
                    cut.push(row.line);
                }
                all.examples.push(example);
                all.hidden.push(None);
            }
            Content::Masked { ids, labels } => {
                let kept = ids.len().min(most).min(student.longest().unwrap_or(usize::MAX));
                if kept < ids.len() {
                    cut.push(row.line);
                }
                student.check(&ids[..kept]).map_err(|err| tokenize(err.into()))?;
                let places: Vec<usize> = (0..kept).filter(|at| labels[*at] >= 0).collect();
                let words: Vec<u32> = places.iter().map(|at| labels[*at] as u32).collect();
                student.check(&words).or_else(|err| {
                    if words.is_empty() { Ok(()) } else { Err(tokenize(err.into())) }
                })?;
                let ids = ids[..kept].to_vec();
                all.examples.push(Encoded { ids, kinds: None, is_cut: kept < labels.len() });
                all.hidden.push(Some((places, words)));
            }
        }
    }
    if !cut.is_empty() {
        let most = student.longest().map_or(most, |longest| longest.min(most));
        let longest = student.longest().is_some_and(|longest| longest <= config.max_length);
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
            Masking::new(student.tokenizer(), student.vocabulary(), config.mlm_probability);
        all.masking = Some(masking.ok_or(crate::encoder::Error::NoMaskToken)?);
    }
    Ok(all)
}

fn memory(student: &dyn Student, rows: &Rows, config: &TrainConfig) -> Memory {
    let written = |at: usize| rows.answers.get(at).map_or(0, Vec::len);
    let lengths = rows.examples.iter().enumerate().map(|(at, row)| row.ids.len() + written(at));
    let longest = lengths.max().unwrap_or_default() as u64;
    student.memory(longest * config.per_device_train_batch_size as u64)
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
    pub fn step_secs(&mut self) -> Result<f64, Error> {
        let Self { plan, parts, rows, labels, student, .. } = self;
        let batches = plan.batches_of(0, &parts.train);
        let Some(batch) = batches.first() else { return Ok(0.0) };
        let started = Instant::now();
        let texts = batch.iter().map(|at| rows.examples[*at].tokens()).collect();
        let written: Vec<&[u32]> =
            batch.iter().filter_map(|at| rows.answers.get(*at)).map(Vec::as_slice).collect();
        let words = if written.is_empty() { vec![0] } else { written.concat() };
        let read = Read { texts, places: &[0], answers: written };
        let mut slopes = |scores: &[f32]| match labels.as_ref().map(|labels| labels.problem) {
            Some(problem) => {
                let targets: Vec<&Target> = batch.iter().map(|at| &rows.targets[*at]).collect();
                loss::of_texts(problem, scores, &targets, &rows.weights).slopes
            }
            None => loss::of_words(scores, &words).0.slopes,
        };
        student.learn(&read, None, &mut slopes)?;
        student.forget();
        Ok(started.elapsed().as_secs_f64() * batches.len() as f64)
    }
}

/// The model's hash on its way, as a run's progress.
struct Hashing<'a>(&'a dyn Progress<TrainEvent>, Instant);

impl Progress<LoadEvent> for Hashing<'_> {
    fn emit(&self, event: LoadEvent) {
        if let LoadEvent::Hashing { done, total } = event {
            let megabytes = |bytes: u64| (bytes >> 20) as usize;
            let counted = (megabytes(done), megabytes(total));
            self.0.emit(TrainEvent::preparing("Reading the model", counted, "MB", self.1));
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }
}

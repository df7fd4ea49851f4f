//! Makes a round: new prompts, two answers to each, a verdict on them, and the settings of the run that learns from
//! them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::answers::{Answer, ask};
use super::chain;
use super::error::Error;
use super::judge::{By, Compared};
use super::pairs;
use super::record::{
    ANSWERS_FILE, Against, AnswerSettings, AnsweredTwice, NEXT_RUN_FILE, PAIRS_FILE, RoundRecord,
    read_answers,
};
use crate::data::forms::Fields;
use crate::data::forms::mapping::Mapping;
use crate::data::import;
use crate::data::pair::Text;
use crate::data::record::Form;
use crate::data::table;
use crate::files;
use crate::jobs::{Cancelled, Progress, Quiet};
use crate::llm::card::ModelSource;
use crate::llm::{Adapter, LoadOptions, Model};
use crate::train::config::{TrainConfig, run_file};
use crate::train::record::runs::{self, RunEntry};
use crate::train::record::{DATA_FILE, ROUND_FILE};

/// What is asked for.
pub struct Request<'a> {
    /// The run whose model answers.
    pub run_dir: &'a Path,

    /// The folder of the project's rounds, for those that were made before.
    pub rounds: Option<&'a Path>,

    /// Of the new round.
    pub folder: &'a Path,
    pub prompts: &'a Path,
    pub settings: AnswerSettings,
    pub by: By<'a>,

    /// Whether the model that the run began with answers too, to be compared with. A person is not asked that.
    pub against: bool,
}

/// What is said on the way: what is done, and how many prompts have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoundEvent {
    pub what: Doing,
    pub done: usize,
    pub total: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    Answering,
    Judging,
    AnsweringBefore,
    JudgingBefore,
    Measuring,
}

impl Doing {
    pub fn words(self) -> &'static str {
        match self {
            Self::Answering => "Answering the new prompts",
            Self::Judging => "Comparing the answers",
            Self::AnsweringBefore => "The model before answers them too",
            Self::JudgingBefore => "Comparing with the model before",
            Self::Measuring => "Measuring the KL",
        }
    }
}

/// A run's model with what it learned, and with what it began with. `None`: it began with nothing.
pub struct Models {
    pub model: Model,
    pub adapter: Adapter,
    pub before: Option<Adapter>,
}

impl Models {
    pub fn load(source: &ModelSource, run: &RunEntry) -> Result<Self, Error> {
        let model = Model::load(source, &LoadOptions::default(), &Quiet).map_err(Error::Load)?;
        let adapter = Adapter::load(&run.run_dir, &model).map_err(Error::Load)?;
        let before = run.config.adapter.as_deref().map(|folder| Adapter::load(folder, &model));
        let before = before.transpose().map_err(Error::Load)?;
        Ok(Self { model, adapter, before })
    }
}

/// A run that a round can begin from; else why not.
pub fn check(run_dir: &Path) -> Result<RunEntry, Error> {
    let no = |why: &str| Error::NoRound { run: run_dir.to_owned(), why: why.to_owned() };
    let run = runs::entry(run_dir)?;
    if !chain::learns_from_pairs(&run.config) {
        let name = run.config.objective.facts().name;
        return Err(no(&format!("{name} does not learn from pairs of answers, as DPO does")));
    }
    if !run.has_adapter {
        return Err(no(
            "it has no adapter to go on from: it has not ended, or it changed the model itself",
        ));
    }
    Ok(run)
}

/// Makes the round, and its folder. Without a judge the pairs are missing: see [`with_verdicts`].
pub fn make(
    models: &Models,
    request: &Request<'_>,
    progress: &dyn Progress<RoundEvent>,
) -> Result<RoundRecord, Error> {
    let Request { run_dir, rounds, folder, prompts: path, settings, by, against } = request;
    let run = check(run_dir)?;
    if folder.join(ROUND_FILE).exists() || folder.join(ANSWERS_FILE).exists() {
        return Err(Error::Occupied((*folder).to_owned()));
    }
    let row = chain::row_of(run_dir, *rounds)?;
    let place = row.iter().find(|one| one.run.run_dir == run.run_dir);
    let number = place.map_or(2, |one| one.number + 1);
    let New { prompts, columns, used_before } =
        new_prompts(path, settings.most, &chain::used(&row)?)?;
    let Models { model, adapter, before } = models;

    let told = Told { progress, what: Doing::Answering, total: prompts.len() };
    let answered = ask((model, Some(adapter)), &prompts, (settings, 2), &told)?;
    let answers: Vec<[Answer; 2]> =
        answered.into_iter().filter_map(|group| <[Answer; 2]>::try_from(group).ok()).collect();
    let told = Told { what: Doing::Judging, ..told };
    let compared = by.compare(model, (&prompts, &columns), &answers, &told)?;

    let mut record = RoundRecord {
        number,
        of: absolute(run_dir),
        prompts: absolute(path),
        prompts_sha256: table::folder::sha256(path)
            .map_err(|source| Error::Read { path: (*path).to_owned(), source })?,
        settings: settings.clone(),
        used_before,
        asked: prompts.len(),
        judged_by: by.words(model),
        pairs: 0,
        ties: 0,
        mean_words: mean(answers.iter().flatten().map(|answer| answer.words() as f64))
            .unwrap_or(0.0),
        mean_reward: mean(compared.rewards.iter().flatten().filter_map(|reward| *reward)),
        against: None,
    };
    if *against && record.judged_by.is_some() {
        let told = Told { what: Doing::AnsweringBefore, ..told };
        let theirs = ask((model, before.as_ref()), &prompts, (settings, 1), &told)?;
        let theirs: Vec<Answer> = theirs.into_iter().flatten().collect();
        let both = answers.iter().zip(&theirs);
        let both: Vec<[Answer; 2]> =
            both.map(|([own, _], other)| [own.clone(), other.clone()]).collect();
        let told = Told { what: Doing::JudgingBefore, ..told };
        let compared = by.compare(model, (&prompts, &columns), &both, &told)?;
        record.against = Some(counted(&compared, &run, &theirs));
    }

    let twice = prompts.iter().zip(answers).map(|(prompt, [first, second])| AnsweredTwice {
        prompt: prompt.clone(),
        answer_a: first.text,
        answer_b: second.text,
    });
    let twice: Vec<AnsweredTwice> = twice.collect();
    let mut bytes = Vec::new();
    for row in &twice {
        serde_json::to_writer(&mut bytes, row).expect("answers are valid JSON");
        bytes.push(b'\n');
    }
    let answers_file = folder.join(ANSWERS_FILE);
    files::write_atomic(&answers_file, &bytes)
        .map_err(|source| Error::Write { path: answers_file.clone(), source })?;
    if record.judged_by.is_some() {
        let form = form(model);
        // Two answers that are the same words teach nothing, whoever is called better.
        let decided = twice.iter().zip(&compared.better).filter_map(|(row, better)| {
            (row.answer_a != row.answer_b).then_some(())?;
            Some(pairs::pair(row, (*better)?, form))
        });
        let found: Vec<_> = decided.collect();
        (record.pairs, record.ties) = (found.len(), twice.len() - found.len());
        record.write(folder)?;
        if found.is_empty() {
            return Err(no_pairs(&record));
        }
        pairs::write(&found, folder)?;
        write_next(&run, folder)?;
    } else {
        record.write(folder)?;
    }
    Ok(record)
}

/// What people said of a round's answers in Annotate becomes its pairs. `verdicts`: the project's `pairs.jsonl`.
pub fn with_verdicts(folder: &Path, verdicts: &Path) -> Result<RoundRecord, Error> {
    let record = RoundRecord::read(folder)?.ok_or_else(|| Error::NoRound {
        run: folder.to_owned(),
        why: "it holds no round".to_owned(),
    })?;
    let run = check(&record.of)?;
    let answers = read_answers(folder)?;
    let is_chat = |text: &Text| matches!(text, Text::Messages(_));
    // As the run before it was trained: on dialogues, or on plain texts.
    let before = import::pairs(&run.run_dir.join(DATA_FILE)).unwrap_or_default();
    let form = match before.first() {
        Some(pair) if !is_chat(&pair.chosen) => Form::Standard,
        _ => Form::Conversational,
    };
    let (found, ties) = pairs::of_people(&answers, verdicts, form)?;
    let judged_by = Some("people, in Annotate".to_owned());
    let record = RoundRecord { judged_by, pairs: found.len(), ties, ..record };
    if found.is_empty() {
        return Err(Error::NoPairs(
            "none of the answers of this round has a verdict that says which is better: compare them in Annotate \
             first"
                .to_owned(),
        ));
    }
    pairs::write(&found, folder)?;
    write_next(&run, folder)?;
    record.write(folder)?;
    Ok(record)
}

/// The run that learns from a round: the settings of the one before it, which goes on from its adapter. What the
/// policy is held to is then the model with that adapter, as TRL has it.
pub fn next_config(run: &RunEntry, folder: &Path) -> TrainConfig {
    TrainConfig {
        adapter: Some(absolute(&run.run_dir)),
        data: absolute(&folder.join(PAIRS_FILE)),
        data_name: String::new(),
        columns: Mapping::default(),
        ..run.config.clone()
    }
}

fn write_next(run: &RunEntry, folder: &Path) -> Result<(), Error> {
    let path = folder.join(NEXT_RUN_FILE);
    let text = run_file::text(&next_config(run, folder));
    files::write_atomic(&path, text.as_bytes()).map_err(|source| Error::Write { path, source })
}

fn no_pairs(record: &RoundRecord) -> Error {
    let who = record.judged_by.clone().unwrap_or_default();
    Error::NoPairs(format!(
        "{who} told none of the {} pairs of answers apart: draw more different answers (a higher temperature), or \
         judge by something else",
        record.asked
    ))
}

/// How a model's pairs are written.
fn form(model: &Model) -> Form {
    if model.chat().is_some() { Form::Conversational } else { Form::Standard }
}

struct New {
    prompts: Vec<Text>,
    columns: Vec<Fields>,
    used_before: usize,
}

/// The prompts of a file that no run of the row has seen, each once.
fn new_prompts(path: &Path, most: usize, used: &BTreeSet<String>) -> Result<New, Error> {
    let read = import::prompts(path, &Mapping::default(), &Quiet)
        .map_err(|err| Error::Prompts(Box::new(err)))?;
    // A rule may look at other columns of the row; a file of plain lines has none.
    let rows = table::rows(path, &Quiet).map(|table| table.rows).unwrap_or_default();
    let has_rows = rows.len() == read.items.len();
    let (count, mut known) = (read.items.len(), used.clone());
    let mut new = New { prompts: Vec::new(), columns: Vec::new(), used_before: 0 };
    for (place, prompt) in read.items.into_iter().enumerate() {
        let key = chain::key(&prompt);
        if used.contains(&key) {
            new.used_before += 1;
        }
        if key.is_empty() || !known.insert(key) || (most > 0 && new.prompts.len() == most) {
            continue;
        }
        new.prompts.push(prompt);
        new.columns.push(if has_rows { rows[place].fields.clone() } else { Fields::new() });
    }
    if new.prompts.is_empty() {
        return Err(Error::AllUsed { path: path.to_owned(), count });
    }
    Ok(new)
}

fn counted(compared: &Compared, run: &RunEntry, theirs: &[Answer]) -> Against {
    let count = |which: Option<usize>| compared.better.iter().filter(|one| **one == which).count();
    let name = chain::before(run).and_then(|folder| Some(folder.file_name()?.to_owned()));
    Against {
        name: name.map_or_else(
            || "the base model".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        ),
        wins: count(Some(0)),
        losses: count(Some(1)),
        ties: count(None),
        mean_words: mean(theirs.iter().map(|answer| answer.words() as f64)).unwrap_or(0.0),
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Says how many prompts of a part are done.
#[derive(Clone, Copy)]
struct Told<'a> {
    progress: &'a dyn Progress<RoundEvent>,
    what: Doing,
    total: usize,
}

impl Progress<usize> for Told<'_> {
    fn emit(&self, done: usize) {
        self.progress.emit(RoundEvent { what: self.what, done, total: self.total });
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.progress.check()
    }

    fn rest(&self) {
        self.progress.rest();
    }
}

//! `tuning-fork evaluate`: a model answers about every row of a table.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::guesser::GuesserArgs;
use super::load::{LoadedPair, ModelArgs, Precision, load_finder};
use super::out;
use super::progress::Bar;
use super::remote::{KeyArgs, RemoteArgs};
use crate::data::sheet;
use crate::data::sheet::form::SheetForm;
use crate::data::table::Reading;
use crate::evaluate::asking::at_server::{self, AT_ONCE};
use crate::evaluate::asking::error::AskError;
use crate::evaluate::asking::finder::Finder;
use crate::evaluate::asking::merging;
use crate::evaluate::asking::prepared::Prepared;
use crate::evaluate::asking::respondent::Respondent;
use crate::evaluate::asking::run::{self, AskEvent};
use crate::evaluate::results::answered::Answered;
use crate::evaluate::results::evaluation::Evaluation;
use crate::evaluate::results::folder::Folder;
use crate::evaluate::results::frozen;
use crate::evaluate::results::scored::{ALIKE, some_cannot_be_chosen};
use crate::evaluate::results::table;
use crate::evaluate::task::Task;
use crate::files;
use crate::jobs::{Cancelled, Progress};
use crate::llm::card::ModelIdentity;
use crate::llm::generate::guess::KeptGuesser;
use crate::llm::{Adapter, Model};
use crate::remote::client::base_of;
use crate::remote::server::Server;

#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// What is asked of which model about which table
    task: PathBuf,

    /// Where the answers go; without it, a folder named after the task in evaluations/
    #[arg(long)]
    out: Option<PathBuf>,

    /// Go on where an earlier call was stopped
    #[arg(long)]
    resume: bool,

    /// Only so many rows from the beginning
    #[arg(long)]
    rows: Option<usize>,

    /// Another model than the task names, or the address of a server
    #[arg(long)]
    model: Option<String>,

    /// Another adapter than the task names
    #[arg(long)]
    adapter: Option<String>,

    /// Another encoder than the task names: the passages for `[ask]` are chosen by its vectors. A folder,
    /// or a Hub id that is in the cache
    #[arg(long)]
    encoder: Option<String>,

    #[command(flatten)]
    remote: RemoteArgs,

    /// How many rows a model on a server is asked about at once
    #[arg(long, value_name = "COUNT", default_value_t = AT_ONCE as u32, value_parser = clap::value_parser!(u32).range(1..=256))]
    at_once: u32,

    /// Keep the weights as the file stores them, widen them to f32, or round them
    #[arg(long, value_enum, default_value_t = Precision::AsStored)]
    weights: Precision,

    /// Write the table with the answers also to this file, by its ending as CSV, JSON Lines, Parquet or Excel
    /// (.csv, .jsonl, .parquet, .xlsx)
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,

    #[command(flatten)]
    guesser: GuesserArgs,

    /// Print every answer as JSON, a line each
    #[arg(long)]
    json: bool,
}

impl EvaluateArgs {
    /// What the command line says in place of the task's file.
    fn put_into(&self, task: &mut Task) -> anyhow::Result<()> {
        if let Some(rows) = self.rows {
            task.rows = rows;
        }
        let named = match (&self.remote.remote, &self.model) {
            (Some(address), _) => Some(base_of(address)?),
            (None, model) => model.clone(),
        };
        if let Some(model) = named {
            task.model = model;
            // The file's is one of the models of another server.
            task.remote_model = None;
            if task.server().is_some() {
                task.adapter = None; // it is of a model on this computer
            }
        }
        if let Some(adapter) = &self.adapter {
            if let Some(address) = task.server() {
                bail!(
                    "--adapter is for a model on this computer, and {address} is asked: leave it out, or name \
                     the served adapter with --remote-model"
                );
            }
            task.adapter = Some(adapter.clone());
        }
        if let Some(name) = &self.remote.remote_model {
            if task.server().is_none() {
                bail!(
                    "--remote-model names a model of a server, and {} is none: give its address with --remote",
                    task.model
                );
            }
            task.remote_model = Some(name.clone());
        }
        if let Some(encoder) = &self.encoder {
            task.encoder = Some(encoder.clone());
        }
        Ok(())
    }
}

pub fn run(args: &EvaluateArgs) -> anyhow::Result<()> {
    let form = args.table.as_deref().map(SheetForm::of_path).transpose()?;
    let mut task = Task::read(&args.task)?;
    args.put_into(&mut task)?;
    // `reproduce` finds the files from wherever it is called.
    let mut task = task.with_whole_paths();
    if let Some(code) = &mut task.code
        && let Ok(whole) = std::path::absolute(&code.codebook)
    {
        code.codebook = whole;
    }
    let screen = Screen::new(args.json);
    let mut prepared = Prepared::read(&task, &screen)?;
    screen.bar.clear();
    out::note(&format!(
        "{} rows from {}",
        prepared.questions.list.len(),
        prepared.questions.report.words()
    ));
    for note in prepared.questions.report.sentences() {
        out::note(&note);
    }
    if let Some(note) = in_windows(&task) {
        out::note(&note);
    }
    if let Some(labels) = &prepared.questions.labels
        && !prepared.form.asks_each()
        && some_cannot_be_chosen(&task, labels)
    {
        out::note(ALIKE);
    }
    prepared.finder = finder(&task)?;
    let mut asked = Asked::open(&task, args.weights, &args.remote.key)?;
    match &mut asked {
        Asked::Here { model, guesser, .. } => *guesser = args.guesser.kept(model)?,
        Asked::Server(_) if args.guesser.is_on() => {
            bail!(
                "--draft and --lookup are for a model on this computer: leave them out with a server"
            )
        }
        Asked::Pair(_) if args.guesser.is_on() => {
            bail!("--draft and --lookup guess for decoders: leave them out with an encoder-decoder")
        }
        Asked::Pair(_) | Asked::Server(_) => {}
    }
    let prepared = Arc::new(prepared);
    let started = OffsetDateTime::now_utc().format(&Rfc3339)?;
    let evaluation = asked.evaluation(&prepared, &started)?;
    if let Some(way) = evaluation.way {
        out::note(way.note());
    }
    let folder = args.out.clone().unwrap_or_else(|| default_folder(&args.task));
    let (folder, answered) = Folder::begin(&folder, &evaluation, args.resume)?;
    frozen::note_opening(folder.path(), &evaluation, &started)?;
    let before = answered.len();
    if before > 0 {
        out::note(&format!("{before} rows were answered before"));
    }
    let answered = asked.run(&prepared, &folder, answered, args.at_once as usize, &screen);
    screen.bar.clear();
    if let Some(error) = screen.broken.into_inner() {
        return Err(error);
    }
    let answered = answered.with_context(|| {
        format!("what was answered so far is in {}; --resume continues it", folder.path().display())
    })?;
    if let (Some(path), Some(form)) = (&args.table, form) {
        write_table((path, form), &prepared, &prepared.questions.coders, &answered)?;
    }
    let problems = answered.values().filter(|row| row.problem.is_some()).count();
    let cut = answered.values().filter(|row| row.cut.is_some()).count();
    if args.json {
        out::json(&json!({
            "rows": answered.len(),
            "problems": problems,
            "cut": cut,
            "folder": folder.path(),
        }))?;
    } else {
        out::line(&format!(
            "{} answers in {}",
            answered.len() - problems,
            folder.path().display()
        ))?;
    }
    for (count, one, several) in [
        (
            problems,
            "row could not be asked; its problem stands beside it",
            "rows could not be asked; their problem stands beside them",
        ),
        (
            cut,
            "text was cut at its end to fit into the model's context",
            "texts were cut at their end to fit into the model's context",
        ),
    ] {
        match count {
            0 => {}
            1 => out::note(&format!("1 {one}")),
            count => out::note(&format!("{count} {several}")),
        }
    }
    Ok(())
}

/// What is to be known of a schema whose answers are merged from windows.
fn in_windows(task: &Task) -> Option<String> {
    let extract = task.extract.as_ref().filter(|extract| extract.windows)?;
    merging::warning(&extract.form().ok()?)
}

/// The table with the answers beside it, in the format that the file's name says.
pub(super) fn write_table(
    (path, form): (&Path, SheetForm),
    prepared: &Prepared,
    coders: &[String],
    answered: &BTreeMap<u64, Answered>,
) -> anyhow::Result<()> {
    let sheet = table::typed((&prepared.questions, coders), answered);
    files::write_atomic(path, &sheet::bytes(&sheet, form)?)
        .with_context(|| format!("{} could not be written", path.display()))
}

/// What chooses the passages, where the task names an encoder.
pub(super) fn finder(task: &Task) -> anyhow::Result<Option<Arc<Finder>>> {
    task.encoder.as_deref().map(|name| Ok(Arc::new(load_finder(name)?))).transpose()
}

/// Who answers.
#[expect(clippy::large_enum_variant, reason = "there is one")]
pub(super) enum Asked {
    Here { model: Model, adapter: Option<Adapter>, weights: Precision, guesser: KeptGuesser },
    Pair(LoadedPair),
    Server(Server),
}

impl Asked {
    /// `weights`: of a model that is loaded.
    pub(super) fn open(task: &Task, weights: Precision, key: &KeyArgs) -> anyhow::Result<Self> {
        if let Some(address) = task.server() {
            return Ok(Self::Server(key.open(address, task.remote_model.as_deref())?));
        }
        let named = ModelArgs { model: task.model.clone(), adapter: task.adapter.clone(), weights };
        if let Some(pair) = named.load_pair()? {
            return Ok(Self::Pair(pair));
        }
        let (model, adapter) = named.load()?;
        Ok(Self::Here { model, adapter, weights, guesser: KeptGuesser::Nobody })
    }

    /// The model in memory with its identity. `None`: it answers behind a server.
    pub(super) fn here(&self) -> Option<(Respondent<'_>, &ModelIdentity)> {
        match self {
            Self::Here { model, adapter, guesser, .. } => {
                let decoder = decoder(model, adapter.as_ref(), guesser);
                Some((decoder, &model.card().identity))
            }
            Self::Pair(pair) => Some(((&pair.model).into(), &pair.card.identity)),
            Self::Server(_) => None,
        }
    }

    /// What is written down before the first row.
    pub(super) fn evaluation(
        &self,
        prepared: &Prepared,
        started: &str,
    ) -> Result<Evaluation, AskError> {
        match self {
            Self::Here { model, adapter, weights, .. } => {
                Ok(prepared.evaluation(model, adapter.as_ref(), weights.words(), started))
            }
            Self::Pair(LoadedPair { card, adapter, .. }) => {
                Ok(prepared.evaluation_of_pair(card, adapter.as_ref(), started))
            }
            Self::Server(server) => at_server::evaluation(prepared, server, started),
        }
    }

    /// `at_once`: so many rows, of a model on a server.
    pub(super) fn run(
        &self,
        prepared: &Arc<Prepared>,
        folder: &Folder,
        answered: BTreeMap<u64, Answered>,
        at_once: usize,
        progress: &dyn Progress<AskEvent>,
    ) -> Result<BTreeMap<u64, Answered>, AskError> {
        match self {
            Self::Here { model, adapter, guesser, .. } => {
                let decoder = decoder(model, adapter.as_ref(), guesser);
                run::run(decoder, prepared, folder, answered, progress)
            }
            Self::Pair(pair) => run::run(&pair.model, prepared, folder, answered, progress),
            Self::Server(server) => {
                at_server::run(server, prepared, folder, answered, at_once, progress)
            }
        }
    }
}

fn decoder<'a>(
    model: &'a Model,
    adapter: Option<&'a Adapter>,
    guesser: &'a KeptGuesser,
) -> Respondent<'a> {
    Respondent::Decoder { model, adapter, guesser: guesser.exact_for(model) }
}

fn default_folder(task: &Path) -> PathBuf {
    Path::new("evaluations").join(task.file_stem().unwrap_or(task.as_os_str()))
}

/// Answers as a bar, or as JSON Lines.
struct Screen {
    bar: Bar,
    json: bool,
    broken: RefCell<Option<anyhow::Error>>,
}

impl Screen {
    fn new(json: bool) -> Self {
        Self { bar: Bar::new(), json, broken: RefCell::default() }
    }
}

impl Progress<Reading> for Screen {
    fn emit(&self, event: Reading) {
        self.bar.count("Reading", event.rows, event.total.max(event.rows));
    }

    fn check(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

impl Progress<AskEvent> for Screen {
    fn emit(&self, event: AskEvent) {
        let (done, total, row) = match event {
            AskEvent::Answered { done, total, row } => (done, total, row),
            AskEvent::Window { row, done, windows } => {
                let words = format!("Windows of row {row}");
                self.bar.count(&words, done as u64, windows as u64);
                return;
            }
        };
        self.bar.count("Rows", done as u64, total as u64);
        if self.json
            && let Err(error) = out::json(&row)
        {
            self.broken.borrow_mut().get_or_insert(error);
        }
    }

    fn check(&self) -> Result<(), Cancelled> {
        if self.broken.borrow().is_some() { Err(Cancelled) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: EvaluateArgs,
    }

    /// A task whose file names a model of a server, after these arguments.
    fn put(arguments: &[&str]) -> anyhow::Result<Task> {
        let mut task = Task {
            model: "http://localhost:8000/v1".to_owned(),
            remote_model: Some("of the file".to_owned()),
            ..Task::default()
        };
        let line = [&["evaluate", "task.toml"], arguments].concat();
        Line::try_parse_from(line)?.args.put_into(&mut task)?;
        Ok(task)
    }

    #[test]
    fn a_model_that_is_named_takes_the_place_of_the_files_whole() {
        let named = |arguments: &[&str]| {
            let task = put(arguments).unwrap();
            (task.model, task.remote_model)
        };
        let there = "http://localhost:8000/v1".to_owned();
        assert_eq!(named(&[]), (there.clone(), Some("of the file".to_owned())));
        let other = "http://localhost:9000/v1".to_owned();
        assert_eq!(named(&["--model", &other]), (other.clone(), None));
        let short = base_of("localhost:9000").unwrap();
        assert_eq!(named(&["--remote", "localhost:9000"]), (short, None));
        let both = named(&["--model", &other, "--remote-model", "large"]);
        assert_eq!(both, (other, Some("large".to_owned())));
        assert_eq!(named(&["--remote-model", "large"]), (there, Some("large".to_owned())));
        assert_eq!(named(&["--model", "starter"]), ("starter".to_owned(), None));
    }

    #[test]
    fn what_does_not_go_together_is_refused_in_words() {
        let said = |arguments: &[&str]| put(arguments).unwrap_err().to_string();
        let no_server = said(&["--model", "starter", "--remote-model", "large"]);
        assert!(no_server.contains("starter is none: give its address"), "{no_server}");
        let adapter = said(&["--adapter", "folder"]);
        assert!(adapter.contains("localhost:8000/v1 is asked"), "{adapter}");
    }
}

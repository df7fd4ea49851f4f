//! `tuning-fork reproduce`: an evaluation, a training run or the numbers of a study are done again, and what
//! differs is said.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::evaluate::{Asked, finder};
use super::load::Precision;
use super::out;
use super::remote::KeyArgs;
use super::reproduce_run;
use super::reproduce_run::is_run;
use super::reproduce_study;
use crate::evaluate::asking::at_server::AT_ONCE;
use crate::evaluate::asking::prepared::Prepared;
use crate::evaluate::results::folder::Folder;
use crate::evaluate::results::reproduce::{Reproduced, task_of};
use crate::jobs::Quiet;

#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// The evaluation.json of an evaluation, the run.toml of a training run, the agreement.json of a study (what
    /// `annotate agreement --json` prints), or the folder of one of them
    file: PathBuf,

    /// Where the new answers, or the new run, go; without it, a folder beside the first with -again in its name
    #[arg(long)]
    out: Option<PathBuf>,

    /// Another model than it names: where the same files lie now
    #[arg(long)]
    model: Option<String>,

    /// Another encoder than it names: where the same files lie now
    #[arg(long)]
    encoder: Option<String>,

    #[command(flatten)]
    key: KeyArgs,

    /// What differs as JSON; of a run after the lines of its steps
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ReproduceArgs) -> anyhow::Result<()> {
    if let Some(kept) = reproduce_study::of_study(&args.file)? {
        return reproduce_study::run(&kept, args.json);
    }
    let folder = if args.file.is_dir() {
        args.file.clone()
    } else {
        let parent = args.file.parent().map(PathBuf::from);
        parent.context("the file lies in no folder")?
    };
    let again = args.out.clone().unwrap_or_else(|| {
        let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy();
        folder.with_file_name(format!("{name}-again"))
    });
    if is_run(&folder) {
        if args.model.is_some() || args.encoder.is_some() {
            bail!(
                "a run is trained again from the model that its run file names: leave --model and --encoder out"
            );
        }
        return reproduce_run::run(&folder, &again, args.json);
    }
    let (begun, first) = Folder::read(&folder)?;
    let mut task = task_of(&folder, &begun);
    if let Some(model) = &args.model {
        task.model.clone_from(model);
    }
    if let Some(encoder) = &args.encoder {
        task.encoder = Some(encoder.clone());
    }
    let mut prepared = Prepared::read(&task, &Quiet)?;
    prepared.finder = finder(&task)?;
    let prepared = Arc::new(prepared);
    let weights = match task.server() {
        Some(_) => Precision::AsStored, // nothing is loaded
        None => Precision::of_words(&begun.weights)?,
    };
    // Whether a server's model has changed since, nothing says but its answers.
    let asked = Asked::open(&task, weights, &args.key)?;
    let started = OffsetDateTime::now_utc().format(&Rfc3339)?;
    let now = asked.evaluation(&prepared, &started)?;
    let (kept, answered) = Folder::begin(&again, &now, true)?;
    let second = asked.run(&prepared, &kept, answered, AT_ONCE, &Quiet);
    let second = second.with_context(|| {
        format!("what was answered so far is in {}; the same call resumes it", again.display())
    })?;
    let found = Reproduced::of((&begun, &first), (&now, &second));
    if args.json { out::json(&found) } else { out::line(&found.words()) }
}

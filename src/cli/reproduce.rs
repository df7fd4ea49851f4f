//! `tuning-fork reproduce`: an evaluation is done again, and what differs is said.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::load::{ModelArgs, Precision};
use super::out;
use super::remote::KeyArgs;
use crate::evaluate::at_server::{self, AT_ONCE};
use crate::evaluate::reproduce::{Reproduced, task_of};
use crate::evaluate::results::{Answered, Evaluation, Folder};
use crate::evaluate::run::{self, Prepared};
use crate::jobs::Quiet;

#[derive(Debug, Args)]
pub struct ReproduceArgs {
    /// The evaluation.json of an evaluation, or its folder
    file: PathBuf,

    /// Where the new answers go; without it, a folder beside the first with -again in its name
    #[arg(long)]
    out: Option<PathBuf>,

    /// Another model than it names: where the same files lie now
    #[arg(long)]
    model: Option<String>,

    #[command(flatten)]
    key: KeyArgs,

    /// What differs as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ReproduceArgs) -> anyhow::Result<()> {
    let folder = if args.file.is_dir() {
        args.file.clone()
    } else {
        let parent = args.file.parent().map(PathBuf::from);
        parent.context("the file lies in no folder")?
    };
    let (begun, first) = Folder::read(&folder)?;
    let mut task = task_of(&folder, &begun);
    if let Some(model) = &args.model {
        task.model.clone_from(model);
    }
    let prepared = Prepared::read(&task, &Quiet)?;
    if let Some(address) = task.server() {
        return reproduce_at_server(args, (&folder, &begun, &first), prepared, address);
    }
    let weights = Precision::of_words(&begun.weights)?;
    let named = ModelArgs { model: task.model.clone(), adapter: task.adapter.clone(), weights };
    let (model, adapter) = named.load()?;
    let started = OffsetDateTime::now_utc().format(&Rfc3339)?;
    let now = prepared.evaluation(&model, adapter.as_ref(), weights.words(), &started);
    let again = args.out.clone().unwrap_or_else(|| beside(&folder));
    let (kept, answered) = Folder::begin(&again, &now, true)?;
    let second = run::run(&model, adapter.as_ref(), &prepared, &kept, answered, &Quiet);
    let second = second.with_context(|| {
        format!("what was answered so far is in {}; the same call goes on", again.display())
    })?;
    let found = Reproduced::of((&begun, &first), (&now, &second));
    if args.json { out::json(&found) } else { out::line(&found.words()) }
}

/// The same of a model on a server, which may have changed since: nothing says so but its answers.
fn reproduce_at_server(
    args: &ReproduceArgs,
    (folder, begun, first): (&Path, &Evaluation, &BTreeMap<u64, Answered>),
    prepared: Prepared,
    address: &str,
) -> anyhow::Result<()> {
    let server = args.key.open(address, begun.task.remote_model.as_deref())?;
    let started = OffsetDateTime::now_utc().format(&Rfc3339)?;
    let now = at_server::evaluation(&prepared, &server, &started)?;
    let again = args.out.clone().unwrap_or_else(|| beside(folder));
    let (kept, answered) = Folder::begin(&again, &now, true)?;
    let prepared = Arc::new(prepared);
    let second = at_server::run(&server, &prepared, &kept, answered, AT_ONCE, &Quiet);
    let second = second.with_context(|| {
        format!("what was answered so far is in {}; the same call resumes it", again.display())
    })?;
    let found = Reproduced::of((begun, first), (&now, &second));
    if args.json { out::json(&found) } else { out::line(&found.words()) }
}

/// Where the new answers go.
fn beside(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy();
    folder.with_file_name(format!("{name}-again"))
}

//! `tuning-fork report`: how far the answers of an evaluation can be trusted.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::out;
use crate::evaluate::methods;
use crate::evaluate::report::Report;
use crate::evaluate::results::{Evaluation, Folder};
use crate::files;

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The folder of an evaluation
    folder: PathBuf,

    /// Only the paragraph for a methods section
    #[arg(long, conflicts_with = "json")]
    methods: bool,

    /// Also write it as a Markdown file
    #[arg(long)]
    out: Option<PathBuf>,

    /// All numbers as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ReportArgs) -> anyhow::Result<()> {
    let (evaluation, answered) = Folder::read(&args.folder)?;
    let report = Report::of(&evaluation, &answered);
    let missing = evaluation.rows.saturating_sub(answered.len());
    if missing > 0 {
        out::note(&format!(
            "{missing} of {} rows have no answer yet: tuning-fork evaluate … --resume goes on",
            evaluation.rows
        ));
    }
    let markdown = methods::markdown(&evaluation, &report);
    if let Some(path) = &args.out {
        files::write_atomic(path, markdown.as_bytes())
            .with_context(|| format!("{} could not be written", path.display()))?;
    }
    let Evaluation { task, .. } = &evaluation;
    if args.json {
        out::json(&json!({
            "name": task.name,
            "methods": methods::paragraph(&evaluation, &report),
            "evaluation": evaluation,
            "report": report,
        }))
    } else if args.methods {
        out::line(&methods::paragraph(&evaluation, &report))
    } else {
        out::line(&markdown)
    }
}

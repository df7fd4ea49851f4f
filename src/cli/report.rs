//! `tuning-fork report`: how far the answers of an evaluation can be trusted.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::evaluate::write_table;
use super::out;
use crate::data::sheet::form::SheetForm;
use crate::evaluate::asking::prepared::Prepared;
use crate::evaluate::asking::redraw::redraw;
use crate::evaluate::measures::compare::Comparison;
use crate::evaluate::report::Report;
use crate::evaluate::report::documents;
use crate::evaluate::report::page::Page;
use crate::evaluate::results::evaluation::Evaluation;
use crate::evaluate::results::folder::Folder;
use crate::evaluate::results::people;
use crate::evaluate::results::reproduce::task_of;
use crate::files;
use crate::jobs::Quiet;

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The folder of an evaluation
    folder: PathBuf,

    /// Another evaluation of the same rows: what it has over this one, with paired intervals
    #[arg(long, value_name = "FOLDER", conflicts_with = "methods")]
    against: Option<PathBuf>,

    /// First take over the labels that people gave in this study of the same texts, with the probabilities with
    /// which they were drawn
    #[arg(long, value_name = "STUDY")]
    people: Option<PathBuf>,

    /// First decide again which labels apply, of answers about codebooks of which a text can have several: those
    /// with this probability or more. The model is not asked; what comes of it is an evaluation of its own
    /// beside the folder, and that is reported
    #[arg(long, value_name = "PROBABILITY")]
    threshold: Option<f64>,

    /// Only the paragraph for a methods section
    #[arg(long, conflicts_with = "json")]
    methods: bool,

    /// Also write it as a file: Markdown, or by its ending docx or LaTeX (.tex)
    #[arg(long)]
    out: Option<PathBuf>,

    /// Write the table with the answers to this file, by its ending as CSV, JSON Lines, Parquet or Excel
    /// (.csv, .jsonl, .parquet, .xlsx), with the labels of coders that a study brought; no report is printed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["methods", "json", "out", "against"])]
    table: Option<PathBuf>,

    /// All numbers as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ReportArgs) -> anyhow::Result<()> {
    if let Some(study) = &args.people {
        let taken = people::take(&args.folder, study, &Quiet)?;
        out::note(&taken.sentence());
    }
    let mut folder = args.folder.clone();
    if let Some(threshold) = args.threshold {
        let now = OffsetDateTime::now_utc().format(&Rfc3339)?;
        let redrawn = redraw(&folder, threshold, &now, &Quiet)?;
        out::note(&redrawn.sentence());
        folder = redrawn.folder;
    }
    if let Some(path) = &args.table {
        return table(&folder, path);
    }
    if let Some(other) = &args.against {
        return compare(args, (&folder, other));
    }
    let (evaluation, answered) = Folder::read(&folder)?;
    let report = Report::of(&evaluation, &answered);
    let missing = evaluation.rows.saturating_sub(answered.len());
    if missing > 0 {
        out::note(&format!(
            "{missing} of {} rows have no answer yet: tuning-fork evaluate … --resume continues it",
            evaluation.rows
        ));
    }
    let Page { markdown, paragraph, stability } = Page::of(&folder, &evaluation, &report)?;
    write_out(args, &markdown)?;
    let Evaluation { task, .. } = &evaluation;
    if args.json {
        out::json(&json!({
            "name": task.name,
            "methods": paragraph,
            "evaluation": evaluation,
            "report": report,
            "stability": stability,
        }))
    } else if args.methods {
        out::line(&paragraph)
    } else {
        out::line(&markdown)
    }
}

/// The table is read again: only what was asked about then has these answers.
fn table(folder: &Path, path: &Path) -> anyhow::Result<()> {
    let form = SheetForm::of_path(path)?;
    let (evaluation, answered) = Folder::read(folder)?;
    let prepared = Prepared::read(&task_of(folder, &evaluation), &Quiet)?;
    if prepared.data_sha256 != evaluation.data_sha256 {
        bail!("{} was changed since it was asked about", prepared.task.data.display());
    }
    write_table((path, form), &prepared, &evaluation.coders, &answered)?;
    out::line(&format!("{} rows with their answers in {}", answered.len(), path.display()))
}

fn compare(args: &ReportArgs, (folder, other): (&Path, &Path)) -> anyhow::Result<()> {
    let comparison = Comparison::of(&Folder::read(folder)?, &Folder::read(other)?);
    let comparison = comparison.map_err(anyhow::Error::msg)?;
    let markdown = comparison.markdown();
    write_out(args, &markdown)?;
    if args.json { out::json(&json!(comparison)) } else { out::line(&markdown) }
}

fn write_out(args: &ReportArgs, markdown: &str) -> anyhow::Result<()> {
    let Some(path) = &args.out else { return Ok(()) };
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    let bytes = match ending.as_deref() {
        Some("docx") => documents::docx(markdown),
        Some("tex") => documents::latex(markdown).into_bytes(),
        _ => markdown.as_bytes().to_vec(),
    };
    files::write_atomic(path, &bytes)
        .with_context(|| format!("{} could not be written", path.display()))
}

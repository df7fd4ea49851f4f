//! `tuning-fork annotate import` and `merge`

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::shared::{file_name, now, open};
use crate::cli::out;
use crate::data::table::{self, Row};
use crate::files;
use crate::jobs::Quiet;
use crate::study::folder::Folder;
use crate::study::forms::said::{Said, take_in};
use crate::study::forms::{annotated, label_studio, potato, qdpx_read, tables};
use crate::study::item::Columns;
use crate::study::log::Use;
use crate::study::make::{Plans, make};
use crate::study::package::{self, Merged};
use crate::words::counted;

#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The folder of the study; of a colleague's package and of a REFI-QDA file, the folder that may
    /// be made
    folder: PathBuf,

    /// CSV (long or wide), JSON Lines, Label Studio, Argilla, doccano, Prodigy, Potato, REFI-QDA (.qdpx),
    /// or a coding package
    file: PathBuf,

    /// Whose codes these are, where the file does not say it
    #[arg(long, default_value = "")]
    coder: String,

    /// Say as JSON what was taken in
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct MergeArgs {
    /// The folder of the study
    folder: PathBuf,

    /// What colleagues have sent back
    #[arg(required = true)]
    files: Vec<PathBuf>,

    /// Under this name, of one file with one coder
    #[arg(long)]
    name: Option<String>,

    /// Say as JSON what was taken in
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ImportArgs) -> anyhow::Result<()> {
    if !args.folder.exists() && is_qdpx(&args.file) {
        make_of_qdpx(args)?;
    }
    if !args.folder.exists() {
        let folder = package::unpack(package::read(&args.file)?, &args.folder)?;
        if args.json {
            return out::json(&json!({
                "folder": folder.path, "hash": folder.hash(), "items": folder.items.len(),
            }));
        }
        let items = counted(folder.items.len(), "item", "items");
        return out::line(&format!("{items} to be coded in {}", folder.path.display()));
    }
    let mut folder = open(&args.folder, Use::Write)?;
    let said = read(&args.file, &folder, &args.coder)?;
    let merged = take_in(&mut folder, &said)
        .with_context(|| format!("{} was not taken in", args.file.display()))?;
    tell(&merged, args.json)
}

fn is_qdpx(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("qdpx"))
}

/// A study of the texts and the codes of a REFI-QDA file; who gave which is taken in afterwards.
fn make_of_qdpx(args: &ImportArgs) -> anyhow::Result<()> {
    let project = qdpx_read::read(&args.file).map_err(anyhow::Error::msg)?;
    let codebook = project.codebook();
    let name = if project.name.is_empty() { file_name(&args.file) } else { project.name.clone() };
    let plans = Plans {
        name,
        columns: Columns { id: "name".to_owned(), text: "text".to_owned(), ..Columns::default() },
        codebook,
        ..Plans::default()
    };
    let sha256 = files::sha256_of_file(&args.file, |_| Ok(()))
        .with_context(|| format!("{} could not be read", args.file.display()))?;
    let source = file_name(&args.file);
    make(&args.folder, plans, project.rows(), (&source, &sha256), &now()?)?;
    Ok(())
}

/// Codes of a file, whatever form it has.
fn read(path: &Path, folder: &Folder, coder: &str) -> anyhow::Result<Vec<Said>> {
    if is_qdpx(path) {
        let project = qdpx_read::read(path).map_err(anyhow::Error::msg)?;
        return project.said(folder, coder).map_err(anyhow::Error::msg);
    }
    let table = table::rows(path, &Quiet)?;
    for note in table.report.sentences() {
        out::note(&format!("warning: {note}"));
    }
    let is = |ours: fn(&Row) -> bool| table.rows.first().is_some_and(ours);
    let said = if is(label_studio::is_ours) {
        label_studio::read_rows(&table.rows, folder)
    } else if is(potato::is_ours) {
        Ok(potato::read(&table.rows, folder))
    } else if is(annotated::is_ours) {
        annotated::read(&table.rows, folder, coder)
    } else {
        tables::read(&table.rows, folder, coder)
    };
    said.map_err(anyhow::Error::msg)
}

pub fn merge(args: &MergeArgs) -> anyhow::Result<()> {
    let mut folder = open(&args.folder, Use::Write)?;
    if args.name.is_some() && args.files.len() > 1 {
        anyhow::bail!("--name is for one file: merge the others by themselves");
    }
    let mut merged = Vec::new();
    for file in &args.files {
        let package = package::read(file)?;
        let taken = package::merge(&mut folder, &package, args.name.as_deref());
        merged.extend(taken.with_context(|| format!("{} was not merged", file.display()))?);
    }
    tell(&merged, args.json)
}

fn tell(merged: &[Merged], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return out::json(&json!({ "coders": merged }));
    }
    for Merged { coder, added, verdicts } in merged {
        let all = counted(*verdicts, "item is coded", "items are coded");
        out::line(&match added {
            0 => format!("{coder}: nothing new, {all}"),
            _ => format!("{coder}: {} added, {all}", counted(*added, "line", "lines")),
        })?;
    }
    Ok(())
}

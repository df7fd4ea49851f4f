//! Tables that a command is given: read by the one reader, with a mapping of columns.

use std::path::Path;

use clap::Args;

use super::out;
use super::progress::Bar;
use crate::data::forms::Fields;
use crate::data::forms::mapping::Mapping;
use crate::data::table::{self, Place, Report, Table};

#[derive(Debug, Default, Args)]
pub struct TableArgs {
    /// Which columns are meant, where they have names of their own: prompt=question,chosen=better;
    /// may be given several times
    #[arg(long, value_name = "NAME=COLUMN,…")]
    pub columns: Vec<String>,
}

impl TableArgs {
    pub fn mapping(&self) -> anyhow::Result<Mapping> {
        mapping(&self.columns)
    }
}

/// The rows of a file under the names that the person gave their columns.
pub struct Read {
    pub report: Report,
    pub rows: Vec<(Place, Fields)>,
    pub columns: Mapping,
}

/// All that was said with `--columns`.
fn mapping(given: &[String]) -> anyhow::Result<Mapping> {
    Mapping::parse_all(given).map_err(|problem| anyhow::anyhow!("--columns: {problem}"))
}

/// Every row of a file. What it was recognised as, where that is not plain JSON Lines, and what was
/// not taken as it stands are said.
pub fn read(path: &Path, args: &TableArgs) -> anyhow::Result<Read> {
    let columns = args.mapping()?;
    let bar = Bar::new();
    let table = table::rows(path, &bar);
    bar.clear();
    let Table { report, rows } = table?;
    if !report.is_plain_json_lines() {
        out::note(&format!("{} was read as {}", path.display(), report.words()));
    }
    for sentence in report.sentences() {
        out::note(&format!("warning: {sentence}"));
    }
    if let Some(problem) = columns.missing(&report.columns) {
        anyhow::bail!("--columns: {problem}");
    }
    let rows = rows.into_iter().map(|row| (row.place, columns.apply(row.fields)));
    Ok(Read { rows: rows.collect(), report, columns })
}

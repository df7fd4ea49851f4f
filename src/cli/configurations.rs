//! `tuning-fork configurations`: what was tried with each table, and which of it is frozen before the
//! rows that are kept for the end are opened.

use std::path::PathBuf;

use clap::Args;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::out;
use crate::evaluate::measures::figure::WithInterval;
use crate::evaluate::report::configurations::{self, Tried};
use crate::evaluate::results::frozen;

#[derive(Debug, Args)]
pub struct ConfigurationsArgs {
    /// The folder with the evaluations
    #[arg(default_value = "evaluations")]
    folder: PathBuf,

    /// Freezes the configuration of this evaluation: from now on the test part may be opened with it
    #[arg(long, value_name = "FOLDER", conflicts_with = "folder")]
    freeze: Option<PathBuf>,

    /// All numbers as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ConfigurationsArgs) -> anyhow::Result<()> {
    let folder = match &args.freeze {
        None => args.folder.as_path(),
        Some(evaluation) => {
            let now = OffsetDateTime::now_utc().format(&Rfc3339)?;
            let hash = frozen::freeze(evaluation, &now)?;
            out::note(&format!(
                "Frozen: configuration {hash}. Its task with part = \"test\" in [split] opens the \
                 test part"
            ));
            frozen::beside(evaluation)
        }
    };
    let tables = configurations::all(folder)?;
    anyhow::ensure!(
        !tables.is_empty(),
        "{} holds no evaluation: tuning-fork evaluate makes one",
        folder.display()
    );
    if args.json {
        return out::json(&tables);
    }
    for of_table in &tables {
        out::line(&format!(
            "{} (SHA-256 {}): {} configurations",
            of_table.table,
            of_table.data_sha256,
            of_table.count()
        ))?;
        for tried in &of_table.tried {
            out::line(&words(tried))?;
        }
    }
    Ok(())
}

fn words(tried: &Tried) -> String {
    let part = tried.part.map_or("all rows", |part| part.words());
    let standing = tried.standing.map(|words| format!(", {words}")).unwrap_or_default();
    let adapter = if tried.has_adapter { " with an adapter" } else { "" };
    let mut said = format!(
        "  {} {} · {} · {}{adapter} · {part}{standing} · {} of {} rows · {}",
        tried.configuration,
        tried.name,
        tried.started.get(..16).unwrap_or(&tried.started).replace('T', " "),
        tried.model,
        tried.answered,
        tried.rows,
        tried.settings
    );
    if let Some(accuracy) = &tried.accuracy {
        said.push_str(&format!("\n    right: {}", number(accuracy)));
    }
    for (label, share) in &tried.shares {
        said.push_str(&format!("\n    {label}: {}", number(share)));
    }
    said
}

fn number(figure: &WithInterval) -> String {
    match (figure.value.value, figure.low, figure.high) {
        (Some(value), Some(low), Some(high)) => format!("{value:.3} ({low:.3} to {high:.3})"),
        (Some(value), ..) => format!("{value:.3}"),
        (None, ..) => figure.value.because.clone().unwrap_or_default(),
    }
}

//! `tuning-fork import-run`: results of another engine as a run of the project.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use time::OffsetDateTime;

use super::out;
use super::train_screen::Screen;
use crate::elsewhere::{self, ImportOrder, Imported};
use crate::hub::resolve::resolve_model;
use crate::train::record::runs;

#[derive(Debug, Args)]
pub struct ImportRunArgs {
    /// The folder of results, or a bundle with its results in out
    results: PathBuf,

    /// The bundle of these results, if they are not in it
    #[arg(long)]
    bundle: Option<PathBuf>,

    /// The run file, if there is no bundle: results of a run that was set up elsewhere
    #[arg(long = "run", conflicts_with = "bundle")]
    run_file: Option<PathBuf>,

    /// The run's folder; without it, a new one under runs/ in the current folder
    #[arg(long)]
    out: Option<PathBuf>,

    /// Do not evaluate the held-out rows here
    #[arg(long)]
    no_recompute: bool,

    /// Print what was imported as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ImportRunArgs) -> anyhow::Result<()> {
    let ImportRunArgs { results, bundle, run_file, out: run_dir, no_recompute, json } = args;
    let new_dir = || runs::new_imported_dir(Path::new("."), OffsetDateTime::now_utc());
    let run_dir = run_dir.clone().unwrap_or_else(new_dir);
    let order = ImportOrder {
        results: results.clone(),
        bundle: bundle.clone(),
        run_file: run_file.clone(),
        run_dir,
        recomputes: !no_recompute,
    };
    let screen = Screen::new(false);
    let imported = elsewhere::import(&order, &|name| resolve_model(name).ok(), &screen);
    screen.bar.clear();
    let imported = imported?;
    if *json {
        return out::json(&as_json(&imported));
    }
    for note in &imported.notes {
        out::note(&format!("note: {note}"));
    }
    out::note(&format!("{} steps of {}", imported.steps_done, imported.engine));
    for pair in &imported.beside {
        out::note(&format!(
            "{:<28}{:>12.5} in the log {:>12.5} here",
            pair.metric, pair.logged, pair.recomputed
        ));
    }
    if let Some(words) = imported.words() {
        out::note(&words);
    }
    out::line(&imported.run_dir.display().to_string())
}

fn as_json(imported: &Imported) -> serde_json::Value {
    let Imported { run_dir, engine, steps_done, evaluations, beside, notes } = imported;
    json!({
        "run_dir": run_dir,
        "engine": engine,
        "steps_done": steps_done,
        "evaluations": evaluations,
        "held_out": beside,
        "largest_difference": imported.largest().map(elsewhere::recompute::Beside::difference),
        "notes": notes,
    })
}

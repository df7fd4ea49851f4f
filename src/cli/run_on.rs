//! `tuning-fork run-on`: a bundle, started here or on a host and followed.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::out;
use super::train_screen::Screen;
use crate::elsewhere::follow;
use crate::elsewhere::place::{Place, Running, StartOrder};

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub struct RunOnArgs {
    /// `local`, or a host as ssh knows it
    place: String,

    /// The bundle
    bundle: PathBuf,

    /// The folder on the host; without it, tuning-fork/NAME in the home directory there
    #[arg(long)]
    folder: Option<String>,

    /// The Python that has TRL installed; without it, python3 there
    #[arg(long)]
    python: Option<String>,

    /// Do not use SLURM, even where sbatch is available
    #[arg(long)]
    no_slurm: bool,

    /// Only start it: follow it later
    #[arg(long, conflicts_with_all = ["follow", "stop"])]
    detach: bool,

    /// Follow the run that was started before
    #[arg(long, conflicts_with = "stop")]
    follow: bool,

    /// Stop the run that was started before
    #[arg(long)]
    stop: bool,

    /// Print each step's metrics as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &RunOnArgs) -> anyhow::Result<()> {
    let RunOnArgs { place, bundle, folder, python, no_slurm, detach, follow, stop, json } = args;
    let place = Place::named(place)?;
    let running = if *follow || *stop {
        let running = Running::read(bundle)?;
        if running.place != place {
            anyhow::bail!("this bundle runs as {}: name that machine", running.words());
        }
        running
    } else {
        let order = StartOrder {
            bundle: bundle.clone(),
            place,
            folder: folder.clone(),
            python: python.clone(),
            slurm: !no_slurm,
        };
        Running::start(&order)?
    };
    if *stop {
        running.stop()?;
        return out::line(&format!("stopped: {}", running.words()));
    }
    if *detach {
        return if *json {
            out::json(&json!({ "running": running }))
        } else {
            out::line(&format!("started: {}", running.words()))
        };
    }
    out::note(&format!(
        "{}. It continues when this command ends; follow it again with --follow, stop it with --stop",
        running.words()
    ));
    let screen = Screen::new(*json);
    let ended = follow::follow(&running, bundle, &screen);
    screen.bar.clear();
    ended?;
    out::note("done; import its results with: tuning-fork import-run");
    out::line(&bundle.join("out").display().to_string())
}

//! `tuning-fork annotate arena`: ratings of models from comparisons in pairs.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::shared::open;
use crate::cli::out;
use crate::cli::progress::Bar;
use crate::data::battles;
use crate::eval::arena::{ArenaReport, report, report_of_pairs};
use crate::stats::resample::{Bootstrap, RESAMPLES};
use crate::study::arena::comparisons;
use crate::study::folder::STUDY;
use crate::study::log::Use;
use crate::words::counted;

#[derive(Debug, Args)]
pub struct ArenaArgs {
    /// Comparisons: a table with `model_a`, `model_b` and winner, LLM Comparator's JSON, a project's
    /// pairs.jsonl, or the folder of a study of pairs, with the verdicts of all its coders
    #[arg(value_name = "FILE OR STUDY")]
    file: PathBuf,

    /// Resamples of the intervals
    #[arg(long, default_value_t = RESAMPLES)]
    resamples: usize,

    /// The level of the intervals, as 0.95
    #[arg(long, default_value_t = 0.95)]
    level: f64,

    /// The seed of the resamples
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// One JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &ArenaArgs) -> anyhow::Result<()> {
    anyhow::ensure!(
        args.level > 0.0 && args.level < 1.0,
        "the level is {}. Expected: a number between 0 and 1, as 0.95",
        args.level
    );
    anyhow::ensure!(
        (1..=1_000_000).contains(&args.resamples),
        "{} resamples are asked for. Expected: 1 to 1,000,000",
        args.resamples
    );
    let bootstrap = Bootstrap { resamples: args.resamples, level: args.level, seed: args.seed };
    if args.file.join(STUDY).is_file() {
        return of_study(args, bootstrap);
    }
    let bar = Bar::new();
    let read = battles::read(&args.file, &bar)
        .with_context(|| format!("{} cannot be rated", args.file.display()))?;
    bar.clear();
    let report = report(&read.battles, bootstrap);
    for (count, what) in [
        (read.undecided, "no decision"),
        (read.one_model, "a model beside itself, or not the names of two models"),
    ] {
        if count > 0 {
            let rows = counted(count, "row is", "rows are");
            out::note(&format!("{rows} left out, with {what}"));
        }
    }
    if args.json { out::json(&report) } else { show(&report, args.level) }
}

/// A study's: what is said of the file stands beside the ratings.
fn of_study(args: &ArenaArgs, bootstrap: Bootstrap) -> anyhow::Result<()> {
    let folder = open(&args.file, Use::Read)?;
    let found = comparisons(&folder)
        .map_err(|why| anyhow::anyhow!("{} cannot be rated: {why}", args.file.display()))?;
    let report = report_of_pairs(&found.battles.battles, &found.pairs, bootstrap);
    if args.json {
        let mut value = json!(report);
        value["study"] = found.json(&folder.study.name);
        return out::json(&value);
    }
    found.sentences().iter().for_each(|sentence| out::note(sentence));
    show(&report, args.level)
}

fn show(report: &ArenaReport, level: f64) -> anyhow::Result<()> {
    let ArenaReport { battles, ties, models, games, win_rate, position, next, notes } = report;
    let battles = counted(*battles, "comparison", "comparisons");
    let ties = counted(*ties, "tie", "ties");
    out::line(&format!("{battles} of {} models, {ties}\n", models.len()))?;
    let width = models.iter().map(|model| model.name.chars().count()).max().unwrap_or(0).max(5);
    let percent = level * 100.0;
    out::line(&format!(
        "{:>4}  {:<width$}  {:>6}  {percent:.0} % interval    {:>7}  {:>6}",
        "", "Model", "Rating", "Battles", "Won"
    ))?;
    for (at, model) in models.iter().enumerate() {
        let rating = model.rating.map_or_else(|| "-".to_owned(), |rating| format!("{rating:.0}"));
        let interval = match (model.low, model.high) {
            (Some(low), Some(high)) => format!("{low:.0} to {high:.0}"),
            _ => "-".to_owned(),
        };
        let won = model.wins / model.battles.max(1) as f64 * 100.0;
        if at > 0 && models[at - 1].group != model.group {
            out::line("")?;
        }
        out::line(&format!(
            "{:>4}  {:<width$}  {rating:>6}  {interval:<16}  {:>7}  {won:>4.0} %",
            at + 1,
            model.name,
            model.battles
        ))?;
    }
    out::line("\nThe row's model won against the column's (ties half), of so many:")?;
    let numbers: Vec<String> = (1..=models.len()).map(|number| format!("{number:>11}")).collect();
    out::line(&format!("{:>4}  {:<width$}  {}", "", "", numbers.concat()))?;
    for (at, model) in models.iter().enumerate() {
        let cells: String = (0..models.len())
            .map(|other| match win_rate[at][other] {
                Some(share) => {
                    format!("{:>11}", format!("{:.0} % of {}", share * 100.0, games[at][other]))
                }
                None => format!("{:>11}", "·"),
            })
            .collect();
        out::line(&format!("{:>4}  {:<width$}  {cells}", at + 1, model.name))?;
    }
    if let (Some(share), Some(low), Some(high)) = (position.share, position.low, position.high) {
        out::line(&format!(
            "\nThe answer that was first (left) won {} of {} decided comparisons: {:.1} % ({:.1} to \
             {:.1})",
            position.first_won,
            position.decided,
            share * 100.0,
            low * 100.0,
            high * 100.0
        ))?;
    }
    if !next.is_empty() {
        out::line("\nComparisons that would tell the most:")?;
        for pair in next {
            out::line(&format!("  {} and {}: {}", pair.first, pair.second, pair.reason))?;
        }
    }
    for note in notes {
        out::line(&format!("\n{note}"))?;
    }
    Ok(())
}

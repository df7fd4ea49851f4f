//! `tuning-fork bench annotate`: a hundred thousand items and a million verdicts in the window.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::out;
use super::peak::{held_memory, peak_memory, print_peak};
use crate::app::bench_annotate::{AnnotateBenchOptions, keep_given, left, make, run as measure};

#[derive(Debug, Args)]
pub struct AnnotateArgs {
    /// Verdicts on pairs of answers; else codes of texts
    #[arg(long)]
    pairs: bool,

    #[arg(long, default_value_t = 100_000)]
    items: usize,

    /// Verdicts of each item
    #[arg(long, default_value_t = 10)]
    verdicts: usize,

    /// Verdicts to give, one a frame
    #[arg(long, default_value_t = 500)]
    given: usize,

    /// Keep the project here, and use it again: memory is that of opening alone then
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &AnnotateArgs) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let folder = args.folder.clone().unwrap_or_else(|| scratch.path().to_owned());
    let AnnotateArgs { pairs, items, verdicts, given, .. } = *args;
    let options =
        AnnotateBenchOptions { folder: folder.clone(), pairs, items, verdicts, given, held_memory };
    // Before anything is made or measured: opening a large project takes long.
    match left(&folder) {
        Some(0) => return used_up(&folder),
        Some(few) if few < given => anyhow::bail!(
            "{few} items of {} are left without a verdict, and {given} are to be given: name another folder, or \
             take --given {few}",
            folder.display()
        ),
        _ => {}
    }
    make(&options)?;
    let report =
        measure(options).map_err(|err| anyhow::anyhow!("the window could not be opened: {err}"))?;
    if report.kept_bytes == 0 {
        return used_up(&folder);
    }
    keep_given(&folder, report.frames)?;
    let peak = peak_memory();
    if args.json {
        let mut value = json!(report);
        value["peak_bytes"] = json!(peak);
        return out::json(&value);
    }
    out::line(&format!("opened after        {:>8.2} s", report.open_secs))?;
    out::line(&format!("a frame until then  {:>8.2} ms at most", report.open_max_ms))?;
    if pairs {
        out::line(&format!("the answers after   {:>8.2} s", report.queue_secs))?;
    }
    out::line(&format!("verdicts given      {:>8}", report.frames))?;
    out::line(&format!("a frame, median     {:>8.2} ms", report.median_ms))?;
    out::line(&format!("a frame, p99        {:>8.2} ms", report.p99_ms))?;
    out::line(&format!("a frame, maximum    {:>8.2} ms", report.max_ms))?;
    out::line(&format!("a verdict, median   {:>8.2} ms", report.verdict_median_ms))?;
    out::line(&format!("a verdict, p99      {:>8.2} ms", report.verdict_p99_ms))?;
    if let Some(bytes) = report.resident_bytes {
        out::line(&format!("memory then         {:>8} MB", bytes / 1_000_000))?;
    }
    print_peak(peak)
}

fn used_up(folder: &Path) -> anyhow::Result<()> {
    anyhow::bail!(
        "each item of {} has a verdict from an earlier measurement: none can be given. Name another folder",
        folder.display()
    )
}

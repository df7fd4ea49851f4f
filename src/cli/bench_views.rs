//! `tuning-fork bench views`: every view of the lecture on a real model, in the window.

use clap::Args;

use super::out;
use crate::app::bench_views::{ViewsBenchOptions, run as measure};
use crate::hub::resolve::resolve_model;

#[derive(Debug, Args)]
pub struct ViewsArgs {
    #[arg(long, default_value = "starter")]
    model: String,

    /// Of the window, in points
    #[arg(long, num_args = 2, value_names = ["WIDTH", "HEIGHT"], default_values_t = [1280.0, 800.0])]
    size: Vec<f32>,

    /// Frames of each view
    #[arg(long, default_value_t = 200)]
    frames: usize,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ViewsArgs) -> anyhow::Result<()> {
    let model = resolve_model(&args.model)?;
    let size = [args.size[0], args.size[1]];
    let report = measure(ViewsBenchOptions { model, size, frames: args.frames })
        .map_err(|err| anyhow::anyhow!("the window could not be opened: {err}"))?;
    if args.json {
        out::json(&report)?;
    } else {
        out::line(&format!("The window: {} x {} points", report.size[0], report.size[1]))?;
        out::line(
            "view                    tokens    there after  a frame, own: median    p99   with drawing: median    p99",
        )?;
        for view in &report.views {
            out::line(&format!(
                "{:<22} {:>7} {:>11.3} s {:>20.2} ms {:>6.2} {:>20.2} ms {:>6.2}",
                view.view,
                view.tokens,
                view.secs,
                view.own_median_ms,
                view.own_p99_ms,
                view.median_ms,
                view.p99_ms,
            ))?;
        }
    }
    match report.failed {
        Some(problem) => Err(anyhow::anyhow!("{problem}: what comes after it was not measured")),
        None => Ok(()),
    }
}

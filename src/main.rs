//! Reads the arguments, starts logging, opens the window or runs a command.

use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser as _;
use tuning_fork::allocator;
use tuning_fork::app;
use tuning_fork::app::WindowOptions;
use tuning_fork::cli;

fn main() -> ExitCode {
    let process_start = Instant::now();
    calm_candle();
    env_logger::init();
    let args = cli::Args::parse();
    match &args.command {
        Some(command) => {
            if !command.reads_many_rows() {
                allocator::share_freed_memory();
            }
            cli::run(command, process_start)
        }
        None => open_window(args.project),
    }
}

/// Tells candle how many threads to use, unless the person has.
///
/// candle has two pools: rayon's, which does the large products, and one of its own for the rest,
/// whose workers spin while they wait. On two cores the spinning took a quarter of a training
/// step; and where the variables are not set, candle reads the processors from the system at every
/// product, which took another 4 %.
#[expect(unsafe_code, reason = "candle takes its thread counts from the environment only")]
fn calm_candle() {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    for (name, count) in [("RAYON_NUM_THREADS", cores), ("CANDLE_NUM_THREADS", 1)] {
        if std::env::var_os(name).is_none() {
            // SAFETY: the first thing that `main` does; there is no other thread yet.
            unsafe { std::env::set_var(name, count.to_string()) };
        }
    }
}

/// 2: there is nothing to open a window on.
fn open_window(project: Option<PathBuf>) -> ExitCode {
    match app::run_window(WindowOptions { project, downloads: true }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            log::error!("{err}");
            cli::explain_no_window(&err);
            ExitCode::from(2)
        }
    }
}

//! Reads the arguments, starts logging, opens the window or runs a command.

use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use tuning_fork::allocator;
use tuning_fork::app;
use tuning_fork::app::WindowOptions;
use tuning_fork::cli;
use tuning_fork::logging;

fn main() -> ExitCode {
    let process_start = Instant::now();
    calm_candle();
    let args = cli::Args::of_process();
    let log = logging::start(&args.logging());
    if let Err(err) = &log {
        // A program without a log is better than none.
        cli::explain_no_log(err);
    }
    match &args.command {
        Some(command) => {
            if !command.reads_many_rows() {
                allocator::share_freed_memory();
            }
            cli::run(command, process_start)
        }
        None => open_window(args.open),
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
fn open_window(open: Option<PathBuf>) -> ExitCode {
    // It is remembered, and the next start is in another folder.
    let open = open.map(|path| std::path::absolute(&path).unwrap_or(path));
    #[cfg(windows)]
    leave_own_console();
    match app::run_window(WindowOptions { open, downloads: true }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            log::error!("{err}");
            cli::explain_no_window(&err);
            ExitCode::from(2)
        }
    }
}

/// Windows gives a program that is started from the menu a terminal window of its own, since this one
/// is a command, too. Where nobody else is in that terminal, it closes.
#[cfg(windows)]
#[expect(unsafe_code, reason = "calls of Windows that no safe library offers")]
fn leave_own_console() {
    use windows_sys::Win32::System::Console::{FreeConsole, GetConsoleProcessList};
    let mut processes = [0_u32; 2];
    // SAFETY: it writes at most as many numbers as it is told that there is room for.
    let count = unsafe { GetConsoleProcessList(processes.as_mut_ptr(), processes.len() as u32) };
    if count == 1 {
        // SAFETY: it takes nothing; what is written to the terminal from now on goes nowhere.
        unsafe { FreeConsole() };
    }
}

//! Where the log goes: stderr or a file, and the last warnings for a report of a fault.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use env_logger::{Builder, Target, WriteStyle};
use log::{Level, LevelFilter, Log, Metadata, Record};

/// A log longer than that is put aside when the window is opened.
const MOST_BYTES: u64 = 1_000_000;

/// So many warnings and errors are kept for a report.
const MOST_KEPT: usize = 20;

static LAST: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// What is logged, and where.
#[derive(Clone, Debug, Default)]
pub struct Logging {
    /// Of this program's own; what it is built on says warnings. `None`: as `RUST_LOG` says, else
    /// errors alone.
    pub level: Option<LevelFilter>,

    /// `None`: stderr.
    pub file: Option<PathBuf>,
}

/// The log of the window, which has no terminal: `log.txt` beside the program's own data. `None`:
/// this account has no home.
pub fn window_file() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "tuning-fork")?;
    Some(folders.data_local_dir().join("log.txt"))
}

/// A log that has grown long becomes `log.old.txt`; the one before it is gone.
pub fn put_aside(file: &Path) {
    let length = std::fs::metadata(file).map_or(0, |facts| facts.len());
    if length > MOST_BYTES {
        // Where another window holds it (Windows), it keeps growing.
        std::fs::rename(file, file.with_extension("old.txt")).ok();
    }
}

/// Begins to log. Once, at the start of the program.
pub fn start(logging: &Logging) -> io::Result<()> {
    let mut builder = match logging.level {
        None => Builder::from_default_env(),
        Some(level) => {
            let mut builder = Builder::new();
            builder.filter_level(level.min(LevelFilter::Warn));
            builder.filter_module("tuning_fork", level);
            builder
        }
    };
    if let Some(path) = &logging.file {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        builder.target(Target::Pipe(Box::new(file))).write_style(WriteStyle::Never);
    }
    let inner = builder.build();
    log::set_max_level(inner.filter().max(LevelFilter::Warn));
    log::set_boxed_logger(Box::new(Remembering { inner })).map_err(io::Error::other)
}

/// The last warnings and errors, oldest first: `WARN tuning_fork::hub: …`.
pub fn last_warnings() -> Vec<String> {
    LAST.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

/// Keeps the last warnings beside what it passes on.
struct Remembering {
    inner: env_logger::Logger,
}

impl Log for Remembering {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn || self.inner.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if record.level() <= Level::Warn {
            let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
            if last.len() == MOST_KEPT {
                last.pop_front();
            }
            last.push_back(format!("{} {}: {}", record.level(), record.target(), record.args()));
        }
        self.inner.log(record); // asks its own filter
    }

    fn flush(&self) {
        self.inner.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_long_log_is_put_aside_and_a_short_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.txt");
        let write = |bytes: &[u8]| File::create(&file).unwrap().write_all(bytes).unwrap();
        write(b"short");
        put_aside(&file);
        assert!(file.exists());
        write(&vec![b'x'; MOST_BYTES as usize + 1]);
        put_aside(&file);
        assert!(!file.exists());
        assert!(folder.path().join("log.old.txt").exists());
    }

    #[test]
    fn warnings_are_kept_for_a_report_and_what_is_said_besides_is_not() {
        let inner = Builder::new().filter_level(LevelFilter::Off).build();
        let logger = Remembering { inner };
        for (level, words) in [(Level::Warn, "the disk is nearly full"), (Level::Info, "hello")] {
            let mut record = Record::builder();
            record.level(level).target("tuning_fork::hub");
            logger.log(&record.args(format_args!("{words}")).build());
        }
        let last = last_warnings();
        assert!(last.iter().any(|l| l == "WARN tuning_fork::hub: the disk is nearly full"));
        assert!(!last.iter().any(|line| line.contains("hello")), "{last:?}");
    }
}

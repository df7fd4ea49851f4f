//! The one place that writes to stdout and stderr.

use std::io;
use std::io::Write as _;

use serde::Serialize;

/// A line of the result.
pub fn line(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{text}")?;
    Ok(())
}

/// A piece of the result, shown at once.
pub fn piece(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

/// A result for machines: one JSON value, one line.
pub fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    line(&serde_json::to_string(value)?)
}

/// Something worth knowing that is not the result.
pub fn note(text: &str) {
    // Without a stderr there is nobody to tell.
    writeln!(io::stderr(), "{text}").ok();
}

/// A piece of it, shown at once.
pub fn piece_of_note(text: &str) {
    // As above.
    write!(io::stderr(), "{text}").ok();
}

/// What went wrong and why, a line each.
pub fn error(error: &anyhow::Error) {
    let mut said = String::new();
    for (depth, cause) in error.chain().enumerate() {
        let cause = cause.to_string();
        if depth == 0 {
            note(&format!("error: {cause}"));
        } else if !said.contains(&cause) {
            note(&format!("  because {cause}"));
        }
        said.push_str(&cause);
    }
}

pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// 269 MB, 1.3 GB; 1 MB is 1,000,000 bytes.
pub fn bytes(count: u64) -> String {
    match count {
        0..1_000_000 => format!("{} kB", count.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{} MB", count / 1_000_000),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}

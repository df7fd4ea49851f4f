//! Files of prompts and of training data that a person picked.

use std::path::Path;

use crate::data::forms::mapping::Mapping;
use crate::data::table::Reading;
use crate::jobs::Progress;
use crate::state::command::{Command, WindowCommand};
use crate::state::slots::Activity;
use crate::state::train::form::DataFile;
use crate::train::classify;
use crate::train::config::Objective;
use crate::train::rows;
use crate::train::rows::RowsError;
use crate::widgets::format;

/// The line of the bottom bar, while a large file is read.
pub(super) fn activity(at: Reading, name: &str) -> Option<Activity> {
    let Reading { rows, done, total } = at;
    let count = format::count(rows as usize);
    // Bytes, where nobody knows how many rows there will be.
    let read = if rows == done {
        format!("{count} of {} rows", format::count(total as usize))
    } else {
        format!("{count} rows")
    };
    (total > 0).then(|| Activity {
        fraction: Some(done as f32 / total as f32),
        stop: Some(Command::Window(WindowCommand::StopReading)),
        ..Activity::new("Reading", format!("{read} · {name}"))
    })
}

/// Checks every row.
pub fn read_training_file(
    path: &Path,
    columns: Mapping,
    objective: Objective,
    progress: &dyn Progress<Reading>,
) -> Result<DataFile, RowsError> {
    if objective == Objective::Pretrain {
        // Of a text, its characters are counted.
        let texts = rows::text::texts(path)?;
        let rows = texts.iter().map(|text| text.chars().count()).sum();
        return Ok(DataFile { path: path.to_owned(), rows, report: None, columns });
    }
    if objective.reads_texts() {
        let found = classify::rows::read(path, &columns, objective, progress)?;
        let (rows, report) = (found.rows.len(), Some(found.report));
        return Ok(DataFile { path: path.to_owned(), rows, report, columns });
    }
    let rows::Rows { rows, report, .. } = rows::read(path, &columns, objective, progress)?;
    Ok(DataFile { path: path.to_owned(), rows: rows.len(), report: Some(report), columns })
}

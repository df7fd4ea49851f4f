//! What people answered to the items of a questionnaire.

use std::path::Path;

use super::error::Error as VectorsError;
use super::texts::table_rows;
use super::worked::Worked;
use crate::data::table::Row;
use crate::explore::error::Error;
use crate::jobs::Progress;

/// Of each item, in the order of `names`, one a person; `None`: no number. `column`: where the names are
/// from.
pub fn read_answers(
    path: &Path,
    names: &[String],
    column: &str,
    progress: &dyn Progress<Worked>,
) -> Result<Vec<Vec<Option<f64>>>, Error> {
    let table = table_rows(path, progress)?;
    let is_there = |name: &&String| table.report.columns.contains(name);
    let missing: Vec<&String> = names.iter().filter(|name| !is_there(name)).collect();
    if let Some(example) = missing.first() {
        let (missing, count) = (missing.len(), names.len());
        let (example, column) = ((*example).clone(), column.to_owned());
        return Err(VectorsError::NoAnswers { missing, count, example, column }.into());
    }
    let answer = |row: &Row, name: &String| match row.get(name)? {
        serde_json::Value::String(text) => text.trim().parse().ok(),
        value => value.as_f64(),
    };
    let finite = |value: &f64| value.is_finite();
    let of = |name: &String| {
        table.rows.iter().map(|row| answer(row, name).filter(finite)).collect::<Vec<_>>()
    };
    Ok(names.iter().map(of).collect())
}

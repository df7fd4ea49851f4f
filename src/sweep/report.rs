//! A sweep as files and as JSON: its table, and what it says as a scaling series where it is one.

use std::path::Path;

use serde_json::{Value, json};

use super::error::Error;
use super::outcome::Which;
use super::scaling::Scaling;
use super::scaling_words::{CURVES_FILE, SCALING_FILE};
use super::table::{JSON_FILE, SUMMARY_FILE, TABLE_FILE, Table};
use crate::files;

/// The table, with `scaling` where the runs differ in the size of a model that is born.
pub fn json(table: &Table) -> Value {
    let mut found = table.json();
    if let (Some(last), Some(best)) =
        (Scaling::of(table, Which::Last), Scaling::of(table, Which::Best))
    {
        found["scaling"] = json!({ "final": last.json(), "best": best.json() });
    }
    found
}

/// Writes `table.csv`, `summary.csv` and `table.json`; of a scaling series `scaling.csv` and `scaling-curves.csv`.
pub fn write(table: &Table, folder: &Path) -> Result<(), Error> {
    let mut text = serde_json::to_string_pretty(&json(table)).expect("plain values");
    text.push('\n');
    let mut written = vec![
        (TABLE_FILE, table.csv().into_bytes()),
        (SUMMARY_FILE, table.summary_csv().into_bytes()),
        (JSON_FILE, text.into_bytes()),
    ];
    if let Some(scaling) = Scaling::of(table, Which::Last) {
        written.push((SCALING_FILE, scaling.csv().into_bytes()));
        written.push((CURVES_FILE, scaling.curves_csv().into_bytes()));
    }
    for (name, bytes) in written {
        let path = folder.join(name);
        files::write_atomic(&path, &bytes).map_err(|source| Error::Write { path, source })?;
    }
    Ok(())
}

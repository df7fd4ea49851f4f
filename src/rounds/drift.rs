//! Measures how far the policies of a row have moved: each from what the first run was held to, and from what it began
//! with. Kept in the folder of the run.

use std::path::Path;

use super::chain::{self, InRow};
use super::error::Error;
use super::make::{Doing, RoundEvent};
use super::record::RowDrift;
use crate::eval::drift::{DriftSettings, measure};
use crate::eval::preference::Measured;
use crate::jobs::{Cancelled, Progress};
use crate::llm::{Adapter, Model};
use crate::train::record::DATA_FILE;

/// Measures every run of the row that has no numbers yet. How many it were; those that are done are kept whatever
/// comes after. Slow.
pub fn measure_row(
    model: &Model,
    row: &[InRow],
    settings: DriftSettings,
    progress: &dyn Progress<RoundEvent>,
) -> Result<usize, Error> {
    let load = |folder: Option<&Path>| -> Result<Option<Adapter>, Error> {
        folder.map(|folder| Adapter::load(folder, model)).transpose().map_err(Error::Load)
    };
    let first = chain::first_reference(row);
    let first_adapter = load(first)?;
    let mut count = 0;
    for one in row.iter().filter(|one| one.lacks_drift()) {
        let policy = Adapter::load(&one.run.run_dir, model).map_err(Error::Load)?;
        let began = one.run.config.adapter.as_deref();
        let before = if began == first { None } else { load(began)? };
        let mut others = vec![(called(row, first), first_adapter.as_ref())];
        if let Some(before) = &before {
            others.push((called(row, began), Some(before)));
        }
        let data = one.run.run_dir.join(DATA_FILE);
        let rows = (&one.run.config, data.as_path());
        let drift = measure((model, &policy), &others, rows, settings, &Told(progress))?;
        let first = first.map(Path::to_owned);
        RowDrift { first, drift }.write(&one.run.run_dir)?;
        count += 1;
    }
    Ok(count)
}

/// A run of the row by its name, an adapter from elsewhere by that of its folder.
fn called(row: &[InRow], adapter: Option<&Path>) -> String {
    let Some(adapter) = adapter else { return "the base model".to_owned() };
    let run = row.iter().find(|one| adapter.starts_with(&one.run.run_dir));
    match run {
        Some(one) => one.name().to_owned(),
        None => adapter.file_name().unwrap_or(adapter.as_os_str()).to_string_lossy().into_owned(),
    }
}

/// Says how many prompts of a run are done.
struct Told<'a>(&'a dyn Progress<RoundEvent>);

impl Progress<Measured> for Told<'_> {
    fn emit(&self, Measured { done, total }: Measured) {
        self.0.emit(RoundEvent { what: Doing::Measuring, done, total });
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }

    fn rest(&self) {
        self.0.rest();
    }
}

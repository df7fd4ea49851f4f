//! A table that is written: columns of cells that keep their types, as CSV, JSON Lines, Parquet or Excel.

pub mod cells;
pub mod form;
mod parquet;
mod typed;
mod words;
mod xlsx;

use self::cells::Sheet;
use self::form::{SheetError, SheetForm};

/// A table as a file of this format.
pub fn bytes(sheet: &Sheet, form: SheetForm) -> Result<Vec<u8>, SheetError> {
    match form {
        SheetForm::Csv => Ok(words::csv(sheet)),
        SheetForm::JsonLines => Ok(words::json_lines(sheet)),
        SheetForm::Parquet => parquet::bytes(sheet),
        SheetForm::Excel => xlsx::bytes(sheet),
    }
}

#[cfg(test)]
mod tests;

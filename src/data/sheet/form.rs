//! The file formats that a table is written in, and what they cannot hold.

use std::path::Path;

/// The file formats that a table is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SheetForm {
    Csv,
    JsonLines,
    Parquet,
    Excel,
}

/// Why a table cannot be written in a format.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    #[error(
        "{name} does not say how the table is to be written: its name has to end in .csv, .jsonl, .parquet \
         or .xlsx"
    )]
    NoForm { name: String },

    #[error(
        "the table has {count} {what}, and a sheet of Excel holds {most}: save it as CSV, JSON Lines or Parquet"
    )]
    TooLarge { count: usize, what: &'static str, most: usize },

    #[error(
        "row {row} has {count} characters in the column “{column}”, and a cell of Excel holds {most}: save the \
         table as CSV, JSON Lines or Parquet"
    )]
    LongCell { row: usize, column: String, count: usize, most: usize },

    #[error("the table could not be written as Excel")]
    Excel(#[from] rust_xlsxwriter::XlsxError),

    #[error("the table could not be written as Parquet")]
    Parquet(#[from] ::parquet::errors::ParquetError),
}

impl SheetForm {
    pub const ALL: [Self; 4] = [Self::Csv, Self::JsonLines, Self::Parquet, Self::Excel];

    /// How the names of such files end.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
            Self::Excel => "xlsx",
        }
    }

    /// What people call it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::JsonLines => "JSON Lines",
            Self::Parquet => "Parquet",
            Self::Excel => "Excel",
        }
    }

    /// The format that a file's name says.
    pub fn of_path(path: &Path) -> Result<Self, SheetError> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        let is_its = |form: &Self| ending.as_deref() == Some(form.ending());
        let name = || path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Self::ALL.into_iter().find(is_its).ok_or_else(|| SheetError::NoForm { name: name() })
    }
}

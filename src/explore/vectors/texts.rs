//! The texts of a column, with what the other columns say of each.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::error::Error as VectorsError;
use super::worked::{Stage, Worked};
use crate::data::table::{self, ImportError, Reading, Table};
use crate::explore::error::Error;
use crate::jobs::{Cancelled, Progress};

/// Rows of a table that have a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Texts {
    pub texts: Vec<String>,

    /// All columns of the table, the texts' among them.
    pub columns: Vec<String>,

    /// Of each row with a text, what each column says, in their order.
    pub rows: Vec<Vec<String>>,

    /// Where each is in the person's file.
    pub places: Vec<u64>,

    /// Rows without a text, which were left out.
    pub empty: usize,
}

/// All rows of a table.
pub(super) fn table_rows(path: &Path, progress: &dyn Progress<Worked>) -> Result<Table, Error> {
    table::rows(path, &InTable(progress)).map_err(|error| match error {
        ImportError::Stopped { .. } => Error::Cancelled(Cancelled),
        other => Error::Table(other),
    })
}

/// Reads a table. `column`: which one holds the texts; `None`: "text", or the only one.
pub fn read_texts(
    path: &Path,
    column: Option<&str>,
    progress: &dyn Progress<Worked>,
) -> Result<Texts, Error> {
    let table = table_rows(path, progress)?;
    let Table { report, rows } = table;
    let columns = report.columns;
    let column = match (column, columns.as_slice()) {
        (Some(column), _) => column,
        (None, [only]) => only.as_str(),
        (None, _) => "text",
    };
    if !columns.iter().any(|known| known == column) {
        let (wanted, known) = (column.to_owned(), listed(&columns));
        return Err(VectorsError::NoColumn { wanted, known }.into());
    }
    let mut found = Texts { columns: columns.clone(), ..Texts::default() };
    for row in rows {
        let text = row.get(column).map(as_text).unwrap_or_default();
        if text.trim().is_empty() {
            found.empty += 1;
            continue;
        }
        let cell = |name: &String| row.get(name).map(as_text).unwrap_or_default();
        found.rows.push(found.columns.iter().map(cell).collect());
        found.places.push(row.place.number());
        found.texts.push(text);
    }
    if found.texts.is_empty() {
        let (column, known) = (column.to_owned(), listed(&found.columns));
        return Err(VectorsError::NoTexts { column, known }.into());
    }
    Ok(found)
}

impl Texts {
    /// What a column says of each text.
    pub fn column(&self, name: &str) -> Result<Vec<&str>, VectorsError> {
        let place = self.columns.iter().position(|column| column == name);
        let Some(place) = place else {
            let (wanted, known) = (name.to_owned(), listed(&self.columns));
            return Err(VectorsError::NoColumn { wanted, known });
        };
        Ok(self.rows.iter().map(|row| row[place].as_str()).collect())
    }

    /// The labels of a column, and which of them each text has; an empty one is none.
    pub fn labels(&self, name: &str) -> Result<(Vec<String>, Vec<Option<usize>>), VectorsError> {
        let values = self.column(name)?;
        Ok(labels_of(&values))
    }

    /// Some of the rows as a CSV file, with further columns before the table's own. `extra`: a name,
    /// and what it says of every row of the table.
    pub fn csv(&self, places: &[usize], extra: &[(&str, Vec<String>)]) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let names = extra.iter().map(|(name, _)| *name);
        let names = names.chain(self.columns.iter().map(String::as_str));
        let in_memory = "memory takes every line";
        writer.write_record(["row"].into_iter().chain(names)).expect(in_memory);
        for place in places {
            let number = self.places[*place].to_string();
            let own = extra.iter().map(|(_, values)| values[*place].as_str());
            let cells = own.chain(self.rows[*place].iter().map(String::as_str));
            writer.write_record([number.as_str()].into_iter().chain(cells)).expect(in_memory);
        }
        writer.into_inner().expect(in_memory)
    }

    pub fn as_strs(&self) -> Vec<&str> {
        self.texts.iter().map(String::as_str).collect()
    }
}

/// Different values in the order of the alphabet, and which of them each is; an empty one is none.
pub fn labels_of(values: &[&str]) -> (Vec<String>, Vec<Option<usize>>) {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for value in values.iter().map(|value| value.trim()).filter(|value| !value.is_empty()) {
        numbers.insert(value, 0);
    }
    numbers.values_mut().enumerate().for_each(|(number, place)| *place = number);
    let of = values.iter().map(|value| numbers.get(value.trim()).copied()).collect();
    (numbers.into_keys().map(str::to_owned).collect(), of)
}

fn listed(columns: &[String]) -> String {
    let names: Vec<String> = columns.iter().map(|name| format!("\"{name}\"")).collect();
    names.join(", ")
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

struct InTable<'a>(&'a dyn Progress<Worked>);

impl Progress<Reading> for InTable<'_> {
    fn emit(&self, Reading { done, total, .. }: Reading) {
        let (done, total) = (done as usize, total as usize);
        self.0.emit(Worked { stage: Stage::ReadingTable, done, total });
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;
    use crate::jobs::Quiet;

    fn read(text: &str, column: Option<&str>) -> Result<Texts, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        files::write_atomic(&path, text.as_bytes()).unwrap();
        read_texts(&path, column, &Quiet).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_without_a_text_are_left_out_and_counted() {
        let found = read("text,tone\none,a\n,b\n two ,\n", None).unwrap();
        assert_eq!((found.texts.len(), found.empty), (2, 1));
        assert_eq!(found.places, [2, 4]);
        assert_eq!(found.column("tone").unwrap(), ["a", ""]);
        assert_eq!(found.labels("tone").unwrap(), (vec!["a".to_owned()], vec![Some(0), None]));
        assert_eq!(read("abstract\none\n", None).unwrap().texts, ["one"]);
    }

    #[test]
    fn rows_are_written_with_their_place_in_the_file() {
        let found = read("text,tone\none,a\n,b\n\"two, 2\",\n", None).unwrap();
        let cluster = ("cluster", vec!["0".to_owned(), "1".to_owned()]);
        let lines = String::from_utf8(found.csv(&[1, 0], &[cluster])).unwrap();
        assert_eq!(lines, "row,cluster,text,tone\n4,1,\"two, 2\",\n2,0,one,a\n");
    }

    #[test]
    fn a_column_that_is_not_there_and_one_without_texts_are_named() {
        let said = read("id,abstract\n1,one\n", None).unwrap_err();
        assert_eq!(said, "the table has no column \"text\"; it has \"id\", \"abstract\"");
        let said = read("id,abstract\n1,\n2,\n", Some("abstract")).unwrap_err();
        assert!(said.starts_with("no row of the column \"abstract\" has a text"), "{said}");
        let found = read("text,tone\none,a\n", None).unwrap();
        assert!(found.column("mood").unwrap_err().to_string().contains("no column \"mood\""));
    }
}

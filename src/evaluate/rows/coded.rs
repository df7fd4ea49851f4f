//! What people said of a text that gets labels: one a coder, several, or a number on a scale.

use super::several::{have_columns, labels_by_column, labels_in};
use crate::data::cell;
use crate::data::table::{ImportError, Report, Row};
use crate::evaluate::cells::{is_nothing, label_of, listed, words};

/// Who said it where the table has a column for each label.
pub const BY_COLUMN: &str = "the table";

/// Reads the labels of people, row by row.
pub struct Coders<'a> {
    /// The columns, a coder each.
    columns: &'a [String],
    labels: &'a [String],
    manner: Manner,

    /// Cells that say that there is nothing, with their column and place.
    missing: Vec<(String, String, u64)>,
}

/// What a coder says of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    One,
    Several,

    /// Several, where every label has a column of its own with yes or no.
    ByColumn,

    /// A point of the scale whose points are the labels.
    Rating,
}

/// By coder; what a row has is in the one or in the other.
pub type Said = (Vec<Option<usize>>, Vec<Option<Vec<usize>>>);

impl<'a> Coders<'a> {
    pub fn new(columns: &'a [String], labels: &'a [String], manner: Manner) -> Self {
        Self { columns, labels, manner, missing: Vec::new() }
    }

    /// Where no column was named for several labels: finds out whether the table has one for each label.
    pub fn look_for_columns(&mut self, rows: &[&Row], of_table: &[String]) {
        let may_have = self.manner == Manner::Several && self.columns.is_empty();
        if may_have && have_columns(rows, of_table, self.labels) {
            self.manner = Manner::ByColumn;
        }
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        if self.manner == Manner::ByColumn {
            vec![BY_COLUMN.to_owned()]
        } else {
            self.columns.to_vec()
        }
    }

    pub fn said(&mut self, row: &Row, report: &Report) -> Result<Said, ImportError> {
        if self.manner == Manner::ByColumn {
            return Ok((Vec::new(), vec![labels_by_column(row, self.labels)]));
        }
        let coders = self.columns;
        let unknown = |said: &str, coder: &str| {
            let problem = if self.manner == Manner::Rating {
                let (first, last) = (self.labels.first(), self.labels.last());
                let ends = first.zip(last).map(|(first, last)| format!("{first} to {last}"));
                format!("“{said}” is no whole number from {}", ends.unwrap_or_default())
            } else {
                let known = listed(self.labels);
                format!("“{said}” is not a label of the codebook; it has {known}")
            };
            report.error(row.place, Some(coder), problem)
        };
        if self.manner == Manner::Several {
            let of_coder = |coder: &String| {
                labels_in(row.get(coder), self.labels).map_err(|said| unknown(&said, coder))
            };
            let sets = coders.iter().map(of_coder).collect::<Result<_, ImportError>>()?;
            return Ok((Vec::new(), sets));
        }
        let mut one = Vec::with_capacity(coders.len());
        for coder in coders {
            let said = words(row.get(coder));
            let said = said.trim();
            let found = label_of(said, self.labels);
            if found.is_none() && !is_nothing(said) {
                return Err(unknown(said, coder));
            }
            if found.is_none() && !said.is_empty() {
                self.missing.push((coder.clone(), said.to_owned(), row.place.number()));
            }
            one.push(found);
        }
        Ok((one, Vec::new()))
    }

    /// Notes what was taken as nothing, and from where labels are that no column was named for.
    pub fn note(self, report: &mut Report) {
        for (column, said, place) in self.missing {
            let what =
                format!("“{said}” is taken as nothing: no label of the codebook is called so");
            report.note(&what, Some(&column), place);
        }
        if self.manner == Manner::ByColumn {
            let what = "the columns that are called as the labels are taken as what people said: 1 where the label \
                        applies, 0 where it does not";
            report.note(what, None, 1);
        }
    }
}

/// With which probability a row was drawn for people to label.
pub fn inclusion(row: &Row, column: &str, report: &Report) -> Result<Option<f64>, ImportError> {
    let said = words(row.get(column));
    let said = said.trim();
    let share = cell::number(said).filter(|share| *share > 0.0 && *share <= 1.0);
    if share.is_none() && !is_nothing(said) {
        let problem = format!(
            "“{said}” is no probability of having been drawn: a number above 0 and at most 1"
        );
        return Err(report.error(row.place, Some(column), problem));
    }
    Ok(share)
}

//! What people said of a text that gets labels: one a coder, several, or a number on a scale.

use super::cells::{is_nothing, label_of, listed, words};
use super::several::{have_columns, labels_by_column, labels_in};
use crate::data::cell;
use crate::data::codebook::Codebook;
use crate::data::table::{ImportError, Report, Row};

/// Who said it where the table has a column for each label.
pub const BY_COLUMN: &str = "the table";

/// Reads the labels of people, row by row.
pub struct Coders<'a> {
    /// The columns, a coder each.
    columns: &'a [String],
    labels: &'a [String],

    /// A text can have several labels.
    several: bool,

    /// Every label has a column of its own, with yes or no.
    by_column: bool,

    /// The labels are the points of a scale.
    is_rating: bool,

    /// Cells that say that there is nothing, with their column and place.
    missing: Vec<(String, String, u64)>,
}

/// By coder; what a row has is in the one or in the other.
pub type Said = (Vec<Option<usize>>, Vec<Option<Vec<usize>>>);

impl<'a> Coders<'a> {
    pub fn new(
        columns: &'a [String],
        (codebook, labels): (Option<&Codebook>, &'a [String]),
        rows: &[&Row],
        of_table: &[String],
    ) -> Self {
        let several = codebook.is_some_and(|codebook| codebook.several);
        let by_column = several && columns.is_empty() && have_columns(rows, of_table, labels);
        let missing = Vec::new();
        Self { columns, labels, several, by_column, is_rating: false, missing }
    }

    /// The same where the labels are the points of a scale.
    #[must_use]
    pub fn of_ratings(self) -> Self {
        Self { is_rating: true, ..self }
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        if self.by_column { vec![BY_COLUMN.to_owned()] } else { self.columns.to_vec() }
    }

    pub fn said(&mut self, row: &Row, report: &Report) -> Result<Said, ImportError> {
        if self.by_column {
            return Ok((Vec::new(), vec![labels_by_column(row, self.labels)]));
        }
        let coders = self.columns;
        let unknown = |said: &str, coder: &str| {
            let problem = if self.is_rating {
                let (first, last) = (self.labels.first(), self.labels.last());
                let ends = first.zip(last).map(|(first, last)| format!("{first} to {last}"));
                format!("“{said}” is no whole number from {}", ends.unwrap_or_default())
            } else {
                let known = listed(self.labels);
                format!("“{said}” is not a label of the codebook; it has {known}")
            };
            report.error(row.place, Some(coder), problem)
        };
        if self.several {
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
        if self.by_column {
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

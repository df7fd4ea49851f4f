//! What a run takes of each of its files, where it has several.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::words::counted;

/// The rows of one of a run's files.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceRows {
    pub name: String,

    /// As the run file asks for it.
    pub share: f64,

    /// Rows of the file that could be learned from.
    pub rows: usize,

    /// Rows that are trained on, those that stand in several times as often as they do.
    pub train_rows: usize,

    /// Different ones of them.
    pub distinct_rows: usize,
    pub held_out_rows: usize,

    /// Where it was read from, and the hash of the run's copy; of a run that has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_sha256: Option<String>,
}

impl SourceRows {
    /// `neutral: 20 rows to train on (10.0 %), drawn from 60, and 2 held out`
    pub fn words(&self, all: usize) -> String {
        let Self { name, rows, train_rows, distinct_rows, held_out_rows, .. } = self;
        let share = 100.0 * *train_rows as f64 / all.max(1) as f64;
        let train = counted(*train_rows, "row", "rows");
        let how = if train_rows > distinct_rows {
            let again = *train_rows as f64 / (*distinct_rows).max(1) as f64;
            format!(
                ", {} that stand in {again:.1} times each",
                counted(*distinct_rows, "row", "rows")
            )
        } else if distinct_rows + held_out_rows < *rows {
            format!(", drawn from {rows}")
        } else {
            String::new()
        };
        format!("{name}: {train} to train on ({share:.1} %){how}, and {held_out_rows} held out")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_and_what_stands_in_several_times_is_said() {
        let of = |rows, train_rows, distinct_rows| SourceRows {
            name: "neutral".to_owned(),
            rows,
            train_rows,
            distinct_rows,
            held_out_rows: 2,
            ..SourceRows::default()
        };
        let expected = "neutral: 20 rows to train on (10.0 %), drawn from 60, and 2 held out";
        assert_eq!(of(60, 20, 20).words(200), expected);
        let expected = "neutral: 20 rows to train on (10.0 %), 8 rows that stand in 2.5 times each, and 2 held out";
        assert_eq!(of(10, 20, 8).words(200), expected);
        assert_eq!(
            of(22, 20, 20).words(20),
            "neutral: 20 rows to train on (100.0 %), and 2 held out"
        );
    }
}

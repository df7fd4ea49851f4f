//! The survey of the data before it is trained on: what would be dropped or cut, what is wrong with
//! it, and each row as the model sees it. TRL drops and cuts without a word.

use super::batch::Example;
use crate::data::forms::Weight;
use crate::train::config::TruncationMode;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// What is worth knowing, the worst first.
    pub findings: Vec<Finding>,

    /// Every row at its full length, in the order of the file.
    pub rows: Vec<SurveyedRow>,

    /// Tokens that a row keeps at most.
    pub max_length: usize,

    /// Which of its tokens that are.
    pub truncation_mode: TruncationMode,
    pub train_rows: usize,
    pub held_out_rows: usize,
}

/// Something about the data, in plain words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    pub concern: Concern,
    pub sentence: String,

    /// The rows that it is about, as indices into [`Survey::rows`].
    pub rows: Vec<usize>,

    /// Where they stand in their file, from 1; also of rows that were left out before the
    /// survey.
    pub lines: Vec<usize>,
}

impl Finding {
    /// The sentence with its first lines: `2 rows are cut … (lines 4 and 7)`.
    pub fn with_lines(&self) -> String {
        const SHOWN: usize = 5;
        let shown: Vec<String> = self.lines.iter().take(SHOWN).map(usize::to_string).collect();
        let place = match self.lines.len() {
            0 => return self.sentence.clone(),
            1 => format!("line {}", shown[0]),
            count if count <= SHOWN => format!("lines {}", shown.join(", ")),
            _ => format!("lines {}, …", shown.join(", ")),
        };
        format!("{} ({place})", self.sentence)
    }
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// Something will be lost, or is most likely a mistake.
    Problem,

    /// It may mislead the model or the reader of its curves.
    Caution,

    /// Good to know.
    #[default]
    Fact,
}

impl From<Weight> for Concern {
    fn from(weight: Weight) -> Self {
        match weight {
            Weight::Problem => Self::Problem,
            Weight::Caution => Self::Caution,
            Weight::Fact => Self::Fact,
        }
    }
}

/// A row as token ids, before it is cut.
#[derive(Clone, Debug, PartialEq)]
pub struct SurveyedRow {
    pub example: Example,

    /// Trained on, only measured with, or neither.
    pub part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Train,
    HeldOut,

    /// Its file has more rows than its share of a mix.
    NotDrawn,

    /// Its prompt alone fills the length that is kept, or it has no answer.
    Dropped,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_lines_are_shortened() {
        let said = |lines: &[usize]| {
            let sentence = "Cut".to_owned();
            Finding { sentence, lines: lines.to_vec(), ..Finding::default() }.with_lines()
        };
        assert_eq!(said(&[]), "Cut");
        assert_eq!(said(&[4]), "Cut (line 4)");
        assert_eq!(said(&[4, 7]), "Cut (lines 4, 7)");
        assert_eq!(said(&[1, 2, 3, 4, 5, 6, 7]), "Cut (lines 1, 2, 3, 4, 5, …)");
    }
}

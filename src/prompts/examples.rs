//! Zero-, one- and few-shot: rows of a table as examples in a prompt.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::{PromptError, listed};
use super::material::{Choose, Examples};
use super::template::Template;
use crate::data::table::{self, Reading};
use crate::encoder::{Embedding, Encoder, cosine};
use crate::evaluate::rows::ranked::Ranked;
use crate::files::meant::meant;
use crate::jobs::{Checks, Progress};

/// A table whose rows can be examples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExampleTable {
    /// Its file's name.
    pub name: String,
    pub columns: Vec<String>,
    pub rows: Vec<Map<String, Value>>,

    /// Made once: what is asked changes with every letter that is typed, and the rows do not.
    vectors: OnceLock<RowVectors>,
}

/// The vectors of some rows, in a column.
#[derive(Clone, Debug, PartialEq)]
struct RowVectors {
    encoder: String,
    column: String,
    rows: Vec<usize>,
    vectors: Vec<Embedding>,
}

/// Which rows were chosen, and what stands in the prompt for them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    pub table: String,

    /// Rows of the table from 1, in the order of the prompt.
    pub rows: Vec<usize>,

    /// What found the nearest: `BM25`, or the encoder's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared_by: Option<String>,

    /// Rows with the very text that is asked about: they would give the answer away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<usize>,

    /// Each example as it stands in the prompt.
    pub texts: Vec<String>,
    pub separator: String,
}

impl ExampleTable {
    pub fn read(path: &Path, progress: &dyn Progress<Reading>) -> Result<Self, PromptError> {
        let table = table::rows(path, progress)?;
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
        let rows = table.rows.into_iter().map(|row| row.fields).collect();
        Ok(Self { name, columns: table.report.columns, rows, vectors: OnceLock::new() })
    }

    /// A cell as a prompt has it. `None`: it is empty.
    fn cell(&self, row: usize, column: &str) -> Option<String> {
        match self.rows[row].get(column)? {
            Value::Null => None,
            Value::String(text) if text.trim().is_empty() => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    fn no_column(&self, column: &str) -> PromptError {
        let known = || self.columns.iter().map(String::as_str);
        PromptError::NoColumn {
            table: self.name.clone(),
            column: column.to_owned(),
            meant: meant(column, known()).map(str::to_owned),
            known: listed(known()),
        }
    }
}

/// Where the table of a prompt is: beside the prompt's file, in the project or its `datasets`, or
/// where its name says.
pub fn find_table(name: &str, file: Option<&Path>, project: Option<&Path>) -> PathBuf {
    let beside = file.and_then(Path::parent).map(|folder| folder.join(name));
    let in_project = project.map(|folder| folder.join(name));
    let in_datasets = project.map(|folder| folder.join("datasets").join(name));
    let places = [beside, in_project, in_datasets];
    let found = places.into_iter().flatten().find(|path| path.is_file());
    found.unwrap_or_else(|| PathBuf::from(name))
}

/// Chooses the rows. `asked`: the value that the nearest rows are near to. `encoder`: one that makes
/// vectors, with its name; without it words are compared.
pub fn choose(
    examples: &Examples,
    table: &ExampleTable,
    asked: &str,
    encoder: Option<(&Encoder, &str)>,
    check: &dyn Progress<Reading>,
) -> Result<Chosen, PromptError> {
    let template = Template::parse(&examples.template);
    let columns: Vec<&str> = template.names();
    let compared = (examples.choose == Choose::Nearest).then_some(examples.compare.as_str());
    for column in columns.iter().copied().chain(compared) {
        if !table.columns.iter().any(|known| known == column) {
            return Err(table.no_column(column));
        }
    }
    let is_whole = |row: &usize| {
        columns.iter().copied().chain(compared).all(|column| table.cell(*row, column).is_some())
    };
    let whole: Vec<usize> = (0..table.rows.len()).filter(is_whole).collect();
    let mut chosen = Chosen {
        table: table.name.clone(),
        separator: examples.separator.clone(),
        ..Chosen::default()
    };
    let wanted = examples.count;
    let too_few = |rows: usize| PromptError::TooFewRows { table: table.name.clone(), rows, wanted };
    let rows: Vec<usize> = match examples.choose {
        Choose::Hand => by_hand(&examples.rows, table, &is_whole)?,
        Choose::First | Choose::Random if whole.len() < wanted => {
            return Err(too_few(whole.len()));
        }
        Choose::First => whole[..wanted].to_vec(),
        Choose::Random => {
            let mut order = whole;
            order.shuffle(&mut ChaCha20Rng::seed_from_u64(examples.seed));
            order.truncate(wanted);
            order
        }
        Choose::Nearest => {
            let text = |row: usize| table.cell(row, &examples.compare).unwrap_or_default();
            let is_asked = |row: &usize| text(*row).trim() == asked.trim();
            let (same, others): (Vec<usize>, Vec<usize>) =
                whole.iter().copied().partition(is_asked);
            if others.len() < wanted {
                return Err(too_few(others.len()));
            }
            chosen.left_out = same.into_iter().map(|row| row + 1).collect();
            let order: Vec<usize> = match encoder {
                _ if wanted == 0 => Vec::new(),
                Some((encoder, name)) => {
                    chosen.compared_by = Some(name.to_owned());
                    let of = (examples.compare.as_str(), whole.as_slice());
                    let mut order = by_vectors(table, of, asked, (encoder, name), check)?;
                    order.retain(|row| !is_asked(row));
                    order
                }
                None => {
                    chosen.compared_by = Some("BM25".to_owned());
                    let texts: Vec<String> = others.iter().map(|row| text(*row)).collect();
                    let order = Ranked::new(texts.iter().map(String::as_str)).order(asked);
                    order.into_iter().map(|at| others[at]).collect()
                }
            };
            // The nearest stands last, beside what is asked.
            order.into_iter().take(wanted).rev().collect()
        }
    };
    for row in &rows {
        let text = template.fill(&|column| table.cell(*row, column));
        chosen.texts.push(text.map_err(|column| table.no_column(&column))?);
    }
    chosen.rows = rows.into_iter().map(|row| row + 1).collect();
    Ok(chosen)
}

fn by_hand(
    rows: &[usize],
    table: &ExampleTable,
    is_whole: &dyn Fn(&usize) -> bool,
) -> Result<Vec<usize>, PromptError> {
    let place = |row: &usize| {
        let at = row.checked_sub(1).filter(|at| *at < table.rows.len());
        let at = at.ok_or_else(|| PromptError::NoRow {
            table: table.name.clone(),
            row: *row,
            rows: table.rows.len(),
        })?;
        if !is_whole(&at) {
            return Err(PromptError::Unusable(format!(
                "row {row} of {} has an empty cell that the examples need: choose another row",
                table.name
            )));
        }
        Ok(at)
    };
    rows.iter().map(place).collect()
}

/// Rows in the order of their cosine with what is asked, the nearest first.
fn by_vectors(
    table: &ExampleTable,
    (column, rows): (&str, &[usize]),
    asked: &str,
    (encoder, name): (&Encoder, &str),
    check: &dyn Progress<Reading>,
) -> Result<Vec<usize>, PromptError> {
    let prompt = encoder.default_prompt().unwrap_or_default();
    let embed = |texts: &[String]| encoder.embed_after(prompt, texts, &Checks(check));
    let is_of = |of: &&RowVectors| of.encoder == name && of.column == column && of.rows == rows;
    let made;
    let known = if let Some(known) = table.vectors.get().filter(is_of) {
        known
    } else {
        let texts = rows.iter().map(|row| table.cell(*row, column).unwrap_or_default());
        let texts: Vec<String> = texts.collect();
        made = RowVectors {
            encoder: name.to_owned(),
            column: column.to_owned(),
            rows: rows.to_vec(),
            vectors: embed(&texts)?,
        };
        table.vectors.get_or_init(|| made.clone());
        &made
    };
    let asked = embed(&[asked.to_owned()])?;
    let Some(asked) = asked.first() else { return Ok(Vec::new()) };
    let likeness = known.vectors.iter().map(|vector| cosine(&vector.values, &asked.values));
    let mut near: Vec<(usize, f64)> = rows.iter().copied().zip(likeness).collect();
    near.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
    Ok(near.into_iter().map(|(row, _)| row).collect())
}

impl Chosen {
    /// What stands at `{examples}`: an empty line follows where the separator ends with one, so that
    /// what is asked stands as the examples do.
    pub fn block(&self) -> String {
        if self.texts.is_empty() {
            return String::new();
        }
        // The template's own line break closes the last separator.
        let end = self.separator.strip_suffix('\n').unwrap_or(&self.separator);
        format!("{}{end}", self.texts.join(&self.separator))
    }

    /// Fewer of them: the nearest where those were chosen, else the first.
    #[must_use]
    pub fn fewer(&self, count: usize) -> Self {
        let gone = self.texts.len().saturating_sub(count);
        let range = if self.compared_by.is_some() {
            gone..self.texts.len()
        } else {
            0..self.texts.len() - gone
        };
        Self {
            rows: self.rows[range.clone()].to_vec(),
            texts: self.texts[range].to_vec(),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Quiet;

    fn table() -> ExampleTable {
        let row = |text: &str, label: &str| {
            let cells = [("text", text), ("label", label)];
            cells.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
        };
        ExampleTable {
            name: "t.csv".to_owned(),
            columns: vec!["text".to_owned(), "label".to_owned()],
            rows: vec![
                row("taxes rise", "economy"),
                row("goal in the last minute", "sport"),
                row("bank lowers interest", "economy"),
                row("no label", ""),
                row("team wins the cup", "sport"),
            ],
            vectors: OnceLock::new(),
        }
    }

    fn examples(choose: Choose, count: usize) -> Examples {
        Examples {
            table: "t.csv".to_owned(),
            template: "Text: {text}\nLabel: {label}".to_owned(),
            compare: "text".to_owned(),
            choose,
            count,
            ..Examples::default()
        }
    }

    fn rows(examples: &Examples, asked: &str) -> Vec<usize> {
        choose(examples, &table(), asked, None, &Quiet).unwrap().rows
    }

    #[test]
    fn rows_are_chosen_in_every_way_and_never_one_without_its_label() {
        assert_eq!(rows(&examples(Choose::First, 4), ""), [1, 2, 3, 5]);
        let hand = Examples { rows: vec![5, 1], ..examples(Choose::Hand, 0) };
        assert_eq!(rows(&hand, ""), [5, 1]);
        // The nearest stands last.
        assert_eq!(rows(&examples(Choose::Nearest, 2), "the team scored a goal"), [2, 5]);
        let drawn = examples(Choose::Random, 3);
        assert_eq!(rows(&drawn, ""), rows(&drawn, ""), "the same seed draws the same");
        let other = Examples { seed: 5, ..drawn.clone() };
        assert_ne!(rows(&drawn, ""), rows(&other, ""));
    }

    #[test]
    fn the_row_that_is_asked_about_gives_nothing_away() {
        let chosen =
            choose(&examples(Choose::Nearest, 2), &table(), "team wins the cup", None, &Quiet);
        let chosen = chosen.unwrap();
        assert_eq!(chosen.left_out, [5]);
        assert!(!chosen.rows.contains(&5));
        assert_eq!(chosen.compared_by.as_deref(), Some("BM25"));
    }

    #[test]
    fn what_the_table_does_not_have_is_said() {
        let said = |examples: &Examples| {
            choose(examples, &table(), "", None, &Quiet).unwrap_err().to_string()
        };
        let misspelt =
            Examples { template: "{text}: {lable}".to_owned(), ..examples(Choose::First, 1) };
        let expected = "the table t.csv has no column \"lable\" (did you mean \"label\"?); it has \
                        \"text\", \"label\"";
        assert!(said(&misspelt).starts_with(expected), "{}", said(&misspelt));
        assert!(said(&examples(Choose::First, 9)).contains("has 4 rows to choose from"));
        let hand = |row| Examples { rows: vec![row], ..examples(Choose::Hand, 0) };
        assert!(said(&hand(9)).contains("there is no row 9. Choose rows from 1 to 5"));
        assert!(said(&hand(4)).contains("row 4 of t.csv has an empty cell"));
    }

    #[test]
    fn fewer_of_the_nearest_are_the_nearest() {
        let all = choose(&examples(Choose::Nearest, 3), &table(), "taxes and banks", None, &Quiet);
        let all = all.unwrap();
        assert_eq!(all.fewer(1).rows, all.rows[2..]);
        let first = choose(&examples(Choose::First, 3), &table(), "", None, &Quiet).unwrap();
        assert_eq!(first.fewer(1).rows, [1]);
        assert_eq!(first.fewer(1).block(), "Text: taxes rise\nLabel: economy\n");
        assert_eq!(first.fewer(0).block(), "");
    }
}

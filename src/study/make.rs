//! A table becomes a study: its rows are checked, a sample is drawn, and both are written.

use std::path::Path;

use super::design::{FORM, Source, Study, StudyError, Suggestions};
use super::draw::{Sampling, draw};
use super::folder::{self, Folder};
use super::item::{self, Columns, Item, Role};
use super::plan::Order;
use super::variable::Variables;
use crate::data::table::Row;

/// The column of an evaluation's results that says why the model gave a row no label. Such a row mostly has no text
/// and never a probability: it is no item.
pub const PROBLEM: &str = "model_problem";

/// What a person decides about a new study.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plans {
    pub name: String,

    /// See [`Source::evaluation`].
    pub evaluation: String,
    pub columns: Columns,
    pub codebook: Variables,
    pub sampling: Sampling,
    pub seed: u64,
    pub order: Order,
    pub again: f64,
    pub break_after: Option<u32>,
    pub stop_after_items: Option<u32>,
    pub stop_after_minutes: Option<u32>,
    pub suggestions: Suggestions,
}

/// Makes the study in a folder that is not there yet. `table`: its file name and its SHA-256; `now`:
/// RFC 3339 in UTC.
pub fn make(
    path: &Path,
    plans: Plans,
    rows: Vec<Row>,
    table: (&str, &str),
    now: &str,
) -> Result<Folder, StudyError> {
    let unusable = |problem| StudyError::Unusable { path: path.to_owned(), problem };
    if let Some(problem) = plans.codebook.problem() {
        return Err(unusable(format!("the codebook is not complete: {problem}")));
    }
    let mut rows = rows;
    rows.retain(|row| row.get(PROBLEM).is_none_or(|problem| item::cell(problem).trim().is_empty()));
    let items = item::of_rows(rows, &plans.columns, &plans.codebook).map_err(unusable)?;
    make_of(path, plans, items, table, now)
}

/// The same of items that were read already: texts, or pairs of answers ([`super::pairs`]).
pub fn make_of(
    path: &Path,
    plans: Plans,
    items: Vec<Item>,
    table: (&str, &str),
    now: &str,
) -> Result<Folder, StudyError> {
    let Plans {
        name,
        evaluation,
        columns,
        codebook,
        sampling,
        seed,
        order,
        again,
        break_after,
        stop_after_items,
        stop_after_minutes,
        suggestions,
    } = plans;
    let unusable = |problem| StudyError::Unusable { path: path.to_owned(), problem };
    if let Some(problem) = codebook.problem() {
        return Err(unusable(format!("the codebook is not complete: {problem}")));
    }
    let population = items.iter().filter(|item| item.role == Role::Coding).count();
    let items = draw(items, &sampling, seed).map_err(unusable)?;
    // Drawn by how uncertain they are, they come in that order.
    let order = if sampling.has_order() { Order::AsGiven } else { order };
    let study = Study {
        form: FORM,
        name: folder::called(name, path),
        created_at: now.to_owned(),
        program: concat!("tuning-fork ", env!("CARGO_PKG_VERSION")).to_owned(),
        seed,
        order,
        again,
        break_after,
        stop_after_items,
        stop_after_minutes,
        population,
        source: Source {
            file: table.0.to_owned(),
            evaluation,
            sha256: table.1.to_owned(),
            columns,
        },
        sampling,
        suggestions,
        codebook,
        ..Study::default()
    };
    folder::create(path, study, &items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::tone;
    use crate::study::item::tests::row;

    #[test]
    fn a_table_becomes_a_study_with_the_probability_of_each_item() {
        let parent = tempfile::tempdir().unwrap();
        let rows = || -> Vec<Row> {
            let text = |number: u64| serde_json::json!({"text": format!("text {number}")});
            (1..=20).map(|number| row(number, text(number))).collect()
        };
        let plans = Plans {
            name: "Tone".to_owned(),
            columns: Columns { text: "text".to_owned(), ..Columns::default() },
            codebook: tone(),
            sampling: Sampling::Random { count: 5 },
            again: 0.2,
            ..Plans::default()
        };
        let make = |name: &str, plans| {
            make(
                &parent.path().join(name),
                plans,
                rows(),
                ("texts.csv", "00"),
                "2026-11-28T18:00:00Z",
            )
        };
        let folder = make("a", plans.clone()).unwrap();
        assert_eq!((folder.items.len(), folder.study.population), (5, 20));
        assert!(folder.items.iter().all(|item| item.inclusion == Some(0.25)));
        assert_eq!(folder.plan("Ada").len(), 6); // one of five comes again
        let again = make("a", plans.clone()).unwrap_err().to_string();
        assert!(again.contains("there is a study already"), "{again}");
        // One that nobody has named is called after its folder.
        let unnamed = make("of-pairs", Plans { name: " ".to_owned(), ..plans.clone() }).unwrap();
        assert_eq!(unnamed.study.name, "of-pairs");
        let none = Plans { sampling: Sampling::Random { count: 21 }, ..plans };
        let said = make("b", none).unwrap_err().to_string();
        assert!(said.contains("the table has 20"), "{said}");
        assert!(!parent.path().join("b").exists(), "nothing is left of what was not made");
    }
}

//! `agreement_two`, `agreement_many`, `icc`.

use serde_json::{Value, json};

use super::input::{Codes, Node, Problem, Read};
use super::output::Got;
use crate::stats::agreement::intraclass::intraclass;
use crate::stats::agreement::many::{
    Coincidences, Ratings, Scale, fleiss_kappa, gwet_ac1, percent_agreement,
};
use crate::stats::agreement::two::{self, KappaWeights, cohen_kappa};
use crate::stats::cross_table::CrossTable;

/// Two lists of labels of the same items, as a table, and its cells as JSON.
pub fn cross_table(input: &Node<'_>, rows: &str, columns: &str) -> Read<(CrossTable, Value)> {
    let codes = Codes::declared(&input.key("labels")?)?;
    let (row_node, column_node) = (input.key(rows)?, input.key(columns)?);
    let (rows, columns) = (codes.read_or_missing(&row_node)?, codes.read_or_missing(&column_node)?);
    column_node.check_length(columns.len(), rows.len())?;
    let weights = input.weights(rows.len())?;
    let table = CrossTable::new(&rows, &columns, weights.as_deref(), codes.len());
    let cells = match weights {
        Some(_) => json!(table.cells),
        None => json!(table.cells.iter().map(|row| counts(row)).collect::<Vec<_>>()),
    };
    Ok((table, cells))
}

/// Whole numbers as such.
pub fn counts(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| *value as u64).collect()
}

pub fn two(input: &Node<'_>) -> Read<Value> {
    let (table, cells) = cross_table(input, "a", "b")?;
    let mut got = Got::default();
    got.set("n", table.items);
    got.set("confusion", cells);
    got.put("percent_agreement", two::percent_agreement(&table));
    got.put("kappa", cohen_kappa(&table, KappaWeights::Unweighted));
    got.put("kappa_linear", cohen_kappa(&table, KappaWeights::Linear));
    got.put("kappa_quadratic", cohen_kappa(&table, KappaWeights::Quadratic));
    Ok(got.finish())
}

pub fn many(input: &Node<'_>) -> Read<Value> {
    let codes = Codes::declared(&input.key("categories")?)?;
    let mut units: Vec<Vec<Option<usize>>> = Vec::new();
    for unit in input.key("ratings")?.list()? {
        let ratings = codes.read_or_missing(&unit)?;
        unit.check_length(ratings.len(), units.first().map_or(ratings.len(), Vec::len))?;
        units.push(ratings);
    }
    let ratings = Ratings { units, categories: codes.len() };
    let pairs = Coincidences::new(&ratings);
    let mut got = Got::default();
    got.set("n_units", ratings.units.len());
    got.set("n_coders", ratings.coders());
    got.set("n_pairable_units", ratings.pairable());
    got.put("percent_agreement", percent_agreement(&ratings));
    got.set("fleiss_units", ratings.complete());
    got.put("fleiss_kappa", fleiss_kappa(&ratings));
    got.put("alpha_nominal", pairs.alpha(Scale::Nominal));
    got.put("alpha_ordinal", pairs.alpha(Scale::Ordinal));
    if let Some(values) = codes.numeric() {
        got.put("alpha_interval", pairs.alpha(Scale::Interval(&values)));
        got.put("alpha_ratio", pairs.alpha(Scale::Ratio(&values)));
    }
    got.put("gwet_ac1", gwet_ac1(&ratings));
    Ok(got.finish())
}

pub fn icc(input: &Node<'_>) -> Read<Value> {
    let mut complete: Vec<Vec<f64>> = Vec::new();
    let mut coders = None;
    for target in input.key("ratings")?.list()? {
        let ratings = target.numbers_or_missing()?;
        target.check_length(ratings.len(), *coders.get_or_insert(ratings.len()))?;
        complete.extend(ratings.into_iter().collect::<Option<Vec<f64>>>());
    }
    if coders == Some(0) {
        return Err(Problem {
            at: "input.ratings[0]".to_owned(),
            found: "an empty list".to_owned(),
            expected: "a rating a coder".to_owned(),
        });
    }
    let mut got = Got::default();
    got.set("n_targets", complete.len());
    got.set("n_coders", coders.unwrap_or(0));
    let of = intraclass(&complete);
    got.put("icc1", of.icc1);
    got.put("icc2", of.icc2);
    got.put("icc3", of.icc3);
    got.put("icc1k", of.icc1k);
    got.put("icc2k", of.icc2k);
    got.put("icc3k", of.icc3k);
    Ok(got.finish())
}

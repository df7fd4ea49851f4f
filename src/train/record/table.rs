//! A run's numbers as CSV, for a spreadsheet or a plotting script: a row a step, TRL's names as
//! columns, the evaluation that was made after a step in the same row.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::history::History;

/// The table, with a header. Columns that no row has a value for are left out; a value that a row
/// does not have is empty.
pub fn csv(history: &History) -> String {
    let mut rows: BTreeMap<usize, Map<String, Value>> = BTreeMap::new();
    for step in &history.steps {
        rows.entry(step.step).or_default().extend(values(step));
    }
    for evaluation in &history.evaluations {
        let row = rows.entry(evaluation.step).or_default();
        let renamed = |(name, value): (String, Value)| match name.as_str() {
            "pair_count" => ("eval_pair_count".to_owned(), value),
            _ => (name, value),
        };
        let mut measured = values(evaluation);
        measured.remove("sources");
        row.extend(measured.into_iter().map(renamed));
        for source in &evaluation.sources {
            let mut of_one = values(source);
            of_one.remove("name");
            let named = of_one.into_iter().map(renamed);
            row.extend(named.map(|(name, value)| (format!("{name} ({})", source.name), value)));
        }
    }
    let mut columns: Vec<String> = vec!["step".to_owned()];
    for name in rows.values().flat_map(Map::keys) {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    let mut table = csv::Writer::from_writer(Vec::new());
    let lines = std::iter::once(columns.clone()).chain(rows.values().map(|row| {
        columns.iter().map(|name| row.get(name).map_or_else(String::new, text)).collect()
    }));
    for line in lines {
        table.write_record(&line).expect("memory can be written, and lines are equally long");
    }
    let bytes = table.into_inner().expect("memory can be written");
    String::from_utf8(bytes).expect("names and numbers are UTF-8")
}

fn values(metrics: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(metrics) {
        Ok(Value::Object(values)) => values,
        Ok(_) | Err(_) => unreachable!("metrics are a struct of numbers"),
    }
}

/// JSON has no word for a number that is none; it becomes null there and empty here.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::metric::{Metric, Values};
    use crate::train::record::metrics::{EvalMetrics, SourceMetrics, StepMetrics};

    #[test]
    fn a_row_has_its_step_and_the_evaluation_after_it() {
        let step = |step, loss| StepMetrics {
            step,
            values: Values::from([(Metric::Loss, loss), (Metric::RewardsMargins, 0.5)]),
            ..Default::default()
        };
        let history = History {
            steps: vec![step(1, 0.75), step(2, 0.5)],
            evaluations: vec![EvalMetrics {
                step: 2,
                pair_count: 12,
                values: [(Metric::Loss, 0.25), (Metric::RewardsAccuracies, 1.0)].into(),
                sources: vec![SourceMetrics {
                    name: "neutral".to_owned(),
                    pair_count: 3,
                    values: [(Metric::Loss, 3.5)].into(),
                }],
            }],
        };
        let table = csv(&history);
        let mut reader = csv::Reader::from_reader(table.as_bytes());
        let columns = reader.headers().unwrap().clone();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let cell = |row: usize, name: &str| {
            rows[row].get(columns.iter().position(|column| column == name).unwrap()).unwrap()
        };
        assert_eq!(columns.get(0), Some("step"));
        assert_eq!((cell(0, "step"), cell(0, "loss"), cell(0, "eval_loss")), ("1", "0.75", ""));
        assert_eq!((cell(1, "eval_loss"), cell(1, "eval_pair_count")), ("0.25", "12"));
        let of_file =
            ["eval_loss (neutral)", "eval_pair_count (neutral)"].map(|name| cell(1, name));
        assert_eq!(of_file, ["3.5", "3"]);
        assert_eq!(
            (cell(1, "rewards/margins"), cell(1, "eval_rewards/accuracies")),
            ("0.5", "1.0")
        );
    }

    #[test]
    fn no_history_is_only_a_header() {
        assert_eq!(csv(&History::default()), "step\n");
    }
}

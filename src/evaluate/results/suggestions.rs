//! What a model has answered about the items of a study, as suggestions for its coders.

use std::collections::BTreeMap;

use super::answered::Answered;
use super::evaluation::Evaluation;
use crate::evaluate::rows::several::in_a_cell;
use crate::study::folder::Suggestion;
use crate::study::item::cell;
use crate::study::variable::Variable;

/// The answers that the variable can take, each for the item that is called as its row.
pub fn suggestions(
    evaluation: &Evaluation,
    answered: &BTreeMap<u64, Answered>,
    variable: &Variable,
) -> Vec<Suggestion> {
    let labels = evaluation.labels.as_deref().unwrap_or_default();
    let of_row = |answered: &Answered| {
        // A list: a label may have a comma in it.
        let said = match &answered.several {
            Some(several) => in_a_cell(labels, &several.applies),
            None => answered.answer.clone()?,
        };
        let value = variable.parse(&said).ok()??;
        let item = answered.id.as_ref().map_or_else(|| answered.row.to_string(), cell);
        Some(Suggestion { item, values: [(variable.name.clone(), value)].into() })
    };
    answered.values().filter_map(of_row).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::data::codebook::{Class, Codebook};
    use crate::evaluate::rows::several::Several;
    use crate::study::value::Value;
    use crate::study::variable::Variables;

    const LABELS: [&str; 3] = ["war", "trade, tariffs", "health"];

    fn variable(several: bool) -> Variable {
        let class = |label: &str| Class { label: label.to_owned(), ..Class::default() };
        let classes = LABELS.map(class).to_vec();
        let codebook = Codebook { several, classes, ..Codebook::default() };
        Variables::of_codebook(&codebook).variables.remove(0)
    }

    fn evaluation() -> Evaluation {
        Evaluation { labels: Some(LABELS.map(str::to_owned).to_vec()), ..Evaluation::default() }
    }

    #[test]
    fn a_text_is_suggested_all_labels_that_the_model_gave_it() {
        let row = |number: u64, applies: Vec<usize>| {
            let several = Some(Several { applies, ..Several::default() });
            (number, Answered { row: number, several, ..Answered::default() })
        };
        let refused = (4, Answered::refused(4, None, "its text is empty".to_owned()));
        let answered = [row(1, vec![0, 1]), row(2, Vec::new()), row(3, vec![2]), refused].into();
        let found = suggestions(&evaluation(), &answered, &variable(true));
        let said: Vec<(&str, &Value)> = found
            .iter()
            .flat_map(|one| one.values.values().map(|value| (one.item.as_str(), value)))
            .collect();
        let labels =
            |labels: &[&str]| Value::Labels(labels.iter().map(|&label| label.to_owned()).collect());
        let (both, none, one) =
            (labels(&["war", "trade, tariffs"]), labels(&[]), labels(&["health"]));
        assert_eq!(said, [("1", &both), ("2", &none), ("3", &one)]);
    }

    #[test]
    fn an_answer_that_is_no_label_of_the_study_is_left_out() {
        let row = |number: u64, answer: &str| {
            let (id, answer) = (Some(json!(format!("t{number}"))), Some(answer.to_owned()));
            (number, Answered { row: number, id, answer, ..Answered::default() })
        };
        let answered = [row(1, "Trade, tariffs"), row(2, "peace")].into();
        let found = suggestions(&evaluation(), &answered, &variable(false));
        let variable = variable(false);
        let values = [(variable.name, Value::words("trade, tariffs"))].into();
        assert_eq!(found, [Suggestion { item: "t1".to_owned(), values }]);
    }
}

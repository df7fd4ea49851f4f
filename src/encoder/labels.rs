//! What the outputs of a classifier are: their names, and how scores become probabilities.

use serde_json::Value;

use crate::llm;
use crate::llm::adapter::score_head::{ScoreFacts, ScoreHead};
use crate::llm::config::config_keys::Keys;

/// transformers' `problem_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// One label of several: softmax.
    #[serde(rename = "single_label_classification")]
    OneLabel,

    /// Any number of labels: each has a probability of its own.
    #[serde(rename = "multi_label_classification")]
    ManyLabels,

    /// Numbers as they are.
    Regression,
}

impl Problem {
    /// What `config.json` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneLabel => "single_label_classification",
            Self::ManyLabels => "multi_label_classification",
            Self::Regression => "regression",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    /// In the order of the outputs: `LABEL_0` where the file names none, as in transformers.
    pub names: Vec<String>,
    pub problem: Problem,
}

impl Labels {
    /// Of a score head that an adapter brings.
    pub fn of_head(head: &ScoreHead) -> Self {
        Self::of_facts(head.label_count(), &head.facts)
    }

    /// The same of a head of so many outputs.
    pub(crate) fn of_facts(count: usize, facts: &ScoreFacts) -> Self {
        let known = |id: usize| facts.labels.get(id).cloned();
        let names = (0..count).map(|id| known(id).unwrap_or_else(|| format!("LABEL_{id}")));
        let problem = match facts.problem_type.as_deref() {
            Some("multi_label_classification") => Problem::ManyLabels,
            Some("regression") => Problem::Regression,
            None if count == 1 => Problem::Regression,
            _ => Problem::OneLabel,
        };
        Self { names: told_apart(names.collect()), problem }
    }

    /// From `config.json`, for a head of so many outputs.
    pub(crate) fn read(keys: &Keys<'_>, count: usize) -> Result<Self, llm::Error> {
        let named = keys.get("id2label").and_then(Value::as_object);
        let told = named.map(|named| named.len());
        let told = told.or_else(|| Some(keys.get("num_labels")?.as_u64()? as usize));
        if let Some(told) = told.filter(|told| *told != count) {
            let key = if named.is_some() { "id2label" } else { "num_labels" };
            let expected =
                format!("it says {told} labels, and the head in the file has {count} outputs");
            return Err(keys.refuse(key, expected));
        }
        let name = |id: usize| {
            let name = named.and_then(|named| named.get(&id.to_string()));
            match name {
                Some(Value::String(name)) => name.clone(),
                // Numbers, and what else a file may have for names.
                Some(name) if !name.is_null() => name.to_string(),
                _ => format!("LABEL_{id}"),
            }
        };
        let problem = match keys.text("problem_type") {
            Some("multi_label_classification") => Problem::ManyLabels,
            Some("regression") => Problem::Regression,
            None if count == 1 => Problem::Regression,
            None | Some("single_label_classification") => Problem::OneLabel,
            Some(_) => {
                let expected = "single_label_classification, multi_label_classification or \
                                regression was expected";
                return Err(keys.refuse("problem_type", expected));
            }
        };
        Ok(Self { names: told_apart((0..count).map(name).collect()), problem })
    }

    /// Scores as probabilities; of a regression the scores themselves.
    pub fn probabilities(&self, scores: &[f32]) -> Vec<f32> {
        match self.problem {
            Problem::Regression => scores.to_vec(),
            Problem::ManyLabels => {
                scores.iter().map(|score| 1.0 / (1.0 + (-score).exp())).collect()
            }
            Problem::OneLabel => {
                let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let raised: Vec<f64> =
                    scores.iter().map(|score| f64::from(score - largest).exp()).collect();
                let sum: f64 = raised.iter().sum();
                raised.into_iter().map(|value| (value / sum) as f32).collect()
            }
        }
    }
}

/// Names that stand for several outputs get the outputs' numbers, so that each has an answer of its own.
fn told_apart(mut names: Vec<String>) -> Vec<String> {
    let all = names.clone();
    for (id, name) in names.iter_mut().enumerate() {
        if all.iter().filter(|other| *other == name).count() > 1 {
            *name = format!("{name} (LABEL_{id})");
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    #[test]
    fn labels_and_their_kind_are_read_as_transformers_reads_them() {
        let read = |config: Value, count| {
            Labels::read(&Keys::new(&config, Path::new("config.json")), count)
        };
        let one = read(json!({}), 1).unwrap();
        assert_eq!((one.names, one.problem), (vec!["LABEL_0".to_owned()], Problem::Regression));
        let three = read(json!({"id2label": {"0": "a", "1": "b", "2": "c"}}), 3).unwrap();
        assert_eq!((three.names.join(""), three.problem), ("abc".to_owned(), Problem::OneLabel));
        let twice = read(json!({"id2label": {"0": "a", "1": "a", "2": "b"}}), 3).unwrap();
        assert_eq!(twice.names, ["a (LABEL_0)", "a (LABEL_1)", "b"]);
        let numbers =
            read(json!({"id2label": {"0": 1, "1": -1.5, "2": true, "3": null}}), 4).unwrap();
        assert_eq!(numbers.names, ["1", "-1.5", "true", "LABEL_3"]);
        let said = read(json!({"id2label": {"0": "a"}}), 3).unwrap_err().to_string();
        assert!(said.contains("1 labels") && said.contains("3 outputs"), "{said}");
        let many = read(json!({"problem_type": "multi_label_classification"}), 2).unwrap();
        let shares = many.probabilities(&[0.0, 2.0]);
        assert!(shares[0] == 0.5 && (shares[1] - 0.880_797_1).abs() < 1e-6, "{shares:?}");
        let shares = Labels { problem: Problem::OneLabel, ..many }.probabilities(&[1.0, 1.0]);
        assert_eq!(shares, [0.5, 0.5]);
    }
}

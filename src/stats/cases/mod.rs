//! The JSON forms of `tuning-fork stats KIND`: a case's `input` in, `got` out.
//!
//! A case is `{"name": …, "input": {…}}`; what else it has is passed over. Missing is null in an
//! input: the pair, unit or item is left out. A value that does not exist is null in `got`, and
//! `null_because` of the same object says why.

mod agreement;
mod classification;
mod correction;
mod embeddings;
mod input;
mod output;
mod ranking;
mod replacement;
mod survey;
mod text;
mod tokens;

use serde_json::{Value, json};

pub use input::Problem;
use input::{Node, Read, describe};

type Compute = fn(&Node<'_>) -> Read<Value>;

/// Every kind of case by name.
const KINDS: &[(&str, Compute)] = &[
    ("agreement_many", agreement::many),
    ("agreement_two", agreement::two),
    ("alt_test", replacement::alt_test),
    ("bradley_terry", ranking::bradley_terry),
    ("classification", classification::classification),
    ("cluster_scores", embeddings::cluster_scores),
    ("correlation", ranking::correlation),
    ("cosine", embeddings::cosine),
    ("difference_estimator", correction::difference_estimator),
    ("divergence", tokens::divergence),
    ("dsl", correction::dsl),
    ("human_ceiling", replacement::human_ceiling),
    ("icc", agreement::icc),
    ("kmeans", embeddings::kmeans),
    ("logistic", embeddings::logistic),
    ("mcnemar", classification::mcnemar),
    ("mcq", ranking::mcq),
    ("multilabel", classification::multilabel),
    ("next_token", tokens::next_token),
    ("option_orders", survey::option_orders),
    ("paired_bootstrap", classification::paired_bootstrap),
    ("pca", embeddings::pca),
    ("ppi_mean", correction::ppi_mean),
    ("probabilities_binary", classification::probabilities_binary),
    ("probabilities_multiclass", classification::probabilities_multiclass),
    ("rouge", text::rouge),
    ("selective_risk", replacement::selective_risk),
    ("sequence", tokens::sequence),
    ("squad", text::squad),
    ("stems", text::stems),
    ("survey", survey::survey),
    ("translation", text::translation),
    ("variance_ratio", survey::variance_ratio),
    ("wilson", classification::wilson),
];

/// A kind of case: which statistics, and which form.
#[derive(Clone, Copy, Debug)]
pub struct Kind(usize);

impl Kind {
    pub fn named(name: &str) -> Option<Self> {
        KINDS.iter().position(|(known, _)| *known == name).map(Self)
    }

    /// All names, sorted.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|(name, _)| *name)
    }

    pub fn name(self) -> &'static str {
        KINDS[self.0].0
    }

    /// `{"name": …, "got": …}` of a case, or what is wrong with it. `number`: the case's place in
    /// its file, from 1, for one without a name.
    pub fn compute(self, case: &Value, number: usize) -> Result<Value, CaseError> {
        let name = case.get("name").and_then(Value::as_str).map(str::to_owned);
        let fail = |problem| CaseError { case: name.clone(), number, problem };
        let input = match case.get("input") {
            Some(input) if input.is_object() => Node { value: input, at: "input".to_owned() },
            other => {
                return Err(fail(Problem {
                    at: "input".to_owned(),
                    found: match other {
                        None if case.is_object() => "not there".to_owned(),
                        None => format!("not there: the case is {}", describe(case)),
                        Some(value) => describe(value),
                    },
                    expected: "an object".to_owned(),
                }));
            }
        };
        let got = KINDS[self.0].1(&input).map_err(fail)?;
        Ok(json!({ "name": case.get("name").unwrap_or(&Value::Null), "got": got }))
    }
}

/// A case that cannot be computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CaseError {
    pub case: Option<String>,
    pub number: usize,
    pub problem: Problem,
}

impl std::fmt::Display for CaseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.case {
            Some(name) => write!(f, "case {} ({name:?}): {}", self.number, self.problem),
            None => write!(f, "case {}: {}", self.number, self.problem),
        }
    }
}

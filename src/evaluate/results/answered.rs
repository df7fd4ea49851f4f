//! What a model answered about a row.

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::written::Written;
use crate::evaluate::rows::question::Question;
use crate::evaluate::rows::several::Several;
use crate::evaluate::task::perplexity::Likelihood;
use crate::evaluate::task::survey::Surveyed;

/// The answer about one row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// The row's number in the table, from 1.
    pub row: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Value>,

    /// The likeliest option's words; of a judge whose two orders disagree, `tie`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,

    /// Its index among the options; a judge's tie is 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,

    /// Of each option, averaged over the orders; they add up to 1. Of an approximate answer the shares
    /// of the orders in which it was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probabilities: Vec<f64>,

    /// Natural logs of the options' whole probability in the first order, before they were made to
    /// add up to 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<f64>,

    /// In bits.
    #[serde(default)]
    pub entropy: f64,

    /// The likeliest option's probability less that of the second.
    #[serde(default)]
    pub margin: f64,

    /// The probability that the model says one of the options at all, averaged over the orders.
    #[serde(default)]
    pub mass: f64,

    /// Mean probability of each place, where there was more than one order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_place: Vec<f64>,

    /// The share of orders whose answer is the commonest one, where there was more than one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_answer: Option<f64>,

    /// What people said, by coder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub human: Vec<Option<usize>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,

    /// With which probability the row was drawn for people to label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inclusion: Option<f64>,

    /// What the columns of the regression have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covariates: Vec<String>,

    /// Characters of the two answers that were judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lengths: Vec<usize>,

    /// Of an answer that was written, not chosen among options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Written>,

    /// Of a text that was scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scored: Option<Likelihood>,

    /// Of an item of a survey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surveyed: Option<Surveyed>,

    /// Of a text that can have several labels: which it has. Its probabilities are those with which each label
    /// applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub several: Option<Several>,

    /// It was read from what the model of a server wrote: there are no probabilities of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approximate: bool,

    /// Tokens of the row's text that did not fit and were left out at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<usize>,

    /// Why there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Answered {
    /// With every number to twelve digits: what is read back from JSON is then what was written, to
    /// the last bit.
    #[must_use]
    pub fn to_twelve_digits(mut self) -> Self {
        let lists = [&mut self.probabilities, &mut self.logprobs, &mut self.by_place];
        let lists = lists.into_iter().flatten();
        let numbers = [&mut self.entropy, &mut self.margin, &mut self.mass];
        let others = self.same_answer.iter_mut().chain(&mut self.inclusion);
        let others = others.chain(self.scored.iter_mut().map(|scored| &mut scored.logprob));
        for number in lists.chain(numbers).chain(others) {
            *number = to_twelve_digits(*number);
        }
        let ways = self.surveyed.iter_mut().flat_map(|surveyed| {
            let poll = surveyed.poll.people.iter_mut();
            poll.chain(surveyed.ways.values_mut().flat_map(|way| {
                let lists = [&mut way.probabilities, &mut way.in_first_order, &mut way.by_place];
                lists.into_iter().flatten().chain(std::iter::once(&mut way.other))
            }))
        });
        for number in ways {
            *number = to_twelve_digits(*number);
        }
        let each = self.several.iter_mut().flat_map(|several| several.each.iter_mut());
        for number in each.flat_map(|one| {
            let lists = [&mut one.logprobs, &mut one.by_place];
            let numbers = std::iter::once(&mut one.mass).chain(&mut one.same_answer);
            lists.into_iter().flatten().chain(numbers)
        }) {
            *number = to_twelve_digits(*number);
        }
        let excerpts = self.written.iter_mut().filter_map(|written| written.excerpt.as_mut());
        for excerpt in excerpts {
            let scores = excerpt.passages.iter_mut().filter_map(|passage| passage.score.as_mut());
            for score in scores.chain(&mut excerpt.best_left_out) {
                *score = to_twelve_digits(*score);
            }
        }
        if let Some(written) = &mut self.written {
            let windows = written.windows.iter_mut().flat_map(|window| window.fields.values_mut());
            written.fields.values_mut().chain(windows).for_each(round);
        }
        self
    }

    /// As it is kept: with what the table says of the row.
    #[must_use]
    pub fn about(mut self, question: &Question) -> Self {
        self.row = question.row.place.row;
        self.id.clone_from(&question.id);
        self.human.clone_from(&question.human);
        self.group.clone_from(&question.group);
        self.inclusion = question.inclusion;
        self.covariates.clone_from(&question.covariates);
        self.lengths.clone_from(&question.lengths);
        if let Some(several) = &mut self.several {
            several.human.clone_from(&question.human_sets);
        }
        self.to_twelve_digits()
    }

    /// With the words of the option that is the answer.
    #[must_use]
    pub fn in_words_of(mut self, options: &[String]) -> Self {
        if let Some(index) = self.index {
            let option = options.get(index).map(|option| option.trim());
            self.answer = Some(option.unwrap_or("tie").to_owned());
        }
        self
    }

    /// A text with its log-probability.
    pub fn scored(likelihood: Likelihood, cut: Option<usize>) -> Self {
        Self { scored: Some(likelihood), cut, ..Self::default() }
    }

    /// A row without an answer.
    pub fn refused(row: u64, id: Option<Value>, problem: String) -> Self {
        Self { row, id, problem: Some(problem), ..Self::default() }
    }
}

fn to_twelve_digits(number: f64) -> f64 {
    format!("{number:.11e}").parse().unwrap_or(number)
}

fn round(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let rounded = number.as_f64().map(to_twelve_digits).and_then(Number::from_f64);
            if let Some(rounded) = rounded {
                *number = rounded;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(round),
        Value::Object(fields) => fields.values_mut().for_each(round),
        _ => {}
    }
}

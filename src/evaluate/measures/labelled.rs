//! A row that a model has labelled, and maybe people too, and what is estimated from many of them.

use crate::evaluate::task::code::Regress;
use crate::evaluate::task::scale::LabelScale;

/// A row that the model has labelled.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    pub model: usize,
    pub human: Option<usize>,

    /// With which probability it was drawn for people to label, where the table says so.
    pub inclusion: Option<f64>,
    pub group: Option<String>,

    /// Of labels on a scale, the mean of their values by the model's probabilities.
    pub expected: Option<f64>,

    /// What the columns of the regression have.
    pub covariates: Vec<String>,
}

/// What is estimated beside shares.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan<'a> {
    /// Where the labels stand on one: the mean.
    pub scale: Option<&'a LabelScale>,
    pub regress: Option<&'a Regress>,
}

impl Plan<'_> {
    /// What the model says of a row and what people say: of a label 1 where they give it and 0 elsewhere,
    /// of a scale (`None`) the value.
    pub fn outcome(&self, row: &Labelled, label: Option<usize>) -> Option<(f64, Option<f64>)> {
        let is = |said: usize, label: usize| f64::from(u8::from(said == label));
        if let Some(label) = label {
            return Some((is(row.model, label), row.human.map(|said| is(said, label))));
        }
        let values = &self.scale?.values;
        let said = row.human.and_then(|said| values.get(said).copied());
        Some((row.expected?, said))
    }
}

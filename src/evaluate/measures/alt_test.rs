//! Whether a model can stand in for a person.

use serde::Serialize;

use crate::evaluate::task::scale::LabelScale;
use crate::stats::replacement::alternative_annotator::{
    Labels, Score, Settings, Verdict, alternative_annotator,
};

/// The alternative annotator test (Calderon, Reichart and Dror 2025).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AltTest {
    pub epsilon: f64,
    pub items: usize,
    pub winning_rate: Option<f64>,
    pub advantage_probability: Option<f64>,

    /// None: fewer than three people with 30 rows each.
    pub passed: Option<bool>,

    /// Against each person who has enough rows.
    pub people: Vec<AltPerson>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AltPerson {
    pub who: String,
    pub items: usize,

    /// The shares of rows in which the model, and the person, agree with the others at least as well.
    pub model_advantage: f64,
    pub human_advantage: f64,

    /// By Benjamini and Yekutieli.
    pub p_adjusted: f64,

    /// The model can stand in for this person.
    pub replaceable: bool,
}

impl AltTest {
    /// The paper's values for people with some training. On a scale a label counts by how far it is from
    /// those of the others.
    pub fn of(
        names: &[String],
        coders: &[Vec<Option<usize>>],
        model: &[Option<usize>],
        scale: Option<&LabelScale>,
    ) -> Self {
        const EPSILON: f64 = 0.15;

        let number = |label: usize| match scale {
            Some(scale) => scale.values.get(label).copied(),
            None => Some(label as f64),
        };
        let numbers = |labels: &[Option<usize>]| -> Vec<Option<f64>> {
            labels.iter().map(|label| label.and_then(number)).collect()
        };
        let score = if scale.is_some() { Score::NegativeRmse } else { Score::Accuracy };
        let labels = Labels {
            humans: coders.iter().map(|coder| numbers(coder)).collect(),
            model: numbers(model),
        };
        let settings = Settings { epsilon: EPSILON, q: 0.05, score, min_items: 30 };
        let Verdict { items_used, winning_rate, advantage_probability, passed, annotators, .. } =
            alternative_annotator(&labels, settings);
        let people = annotators.into_iter().map(|person| AltPerson {
            who: names.get(person.human).cloned().unwrap_or_default(),
            items: person.items,
            model_advantage: person.model_advantage,
            human_advantage: person.human_advantage,
            p_adjusted: person.p_adjusted,
            replaceable: person.rejected,
        });
        Self {
            epsilon: EPSILON,
            items: items_used,
            winning_rate,
            advantage_probability,
            passed,
            people: people.collect(),
        }
    }
}

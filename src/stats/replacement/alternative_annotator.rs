//! The alternative annotator test (Calderon, Reichart, Dror 2025): may a model replace a person who
//! labels?

use crate::stats::moments::{by_size, mean, variance};
use crate::stats::special::student_at_most;

/// Fewer annotators than this, and the test says nothing.
pub const FEWEST_ANNOTATORS: usize = 3;

/// What a label is worth against the labels of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    /// The share of the others with the same label.
    Accuracy,

    /// Minus the root of the mean squared difference.
    NegativeRmse,
}

/// Labels as numbers: codes for [`Score::Accuracy`], values for [`Score::NegativeRmse`].
#[derive(Clone, Debug)]
pub struct Labels {
    /// A list of items a person.
    pub humans: Vec<Vec<Option<f64>>>,
    pub model: Vec<Option<f64>>,
}

#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// ε: by how much a person may be better. 0.2 for experts, 0.15 for skilled people, 0.1 for a
    /// crowd.
    pub epsilon: f64,

    /// The false discovery rate.
    pub q: f64,
    pub score: Score,

    /// Annotators with fewer items are passed over.
    pub min_items: usize,
}

/// The model against one person.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Which person.
    pub human: usize,
    pub items: usize,

    /// The share of items where the model agrees with the others at least as well.
    pub model_advantage: f64,
    pub human_advantage: f64,

    /// Of the one-sided t-test that the person is better by less than ε.
    pub p: f64,

    /// By Benjamini and Yekutieli (2001).
    pub p_adjusted: f64,

    /// Whether the model can stand in for this person.
    pub rejected: bool,
}

#[derive(Clone, Debug)]
pub struct Verdict {
    /// Items with a label of the model and of two or more people; and the others.
    pub items_used: usize,
    pub items_dropped: usize,

    /// People with too few items: (which, how many).
    pub skipped: Vec<(usize, usize)>,
    pub annotators: Vec<Comparison>,

    /// ω: the share of people whom the model can stand in for.
    pub winning_rate: Option<f64>,

    /// ρ: the mean of the model's advantages.
    pub advantage_probability: Option<f64>,

    /// Whether ω >= 0.5; not said for fewer than three people.
    pub passed: Option<bool>,
}

pub fn alternative_annotator(labels: &Labels, settings: Settings) -> Verdict {
    let used: Vec<usize> = (0..labels.model.len())
        .filter(|item| labels.model[*item].is_some())
        .filter(|item| labels.humans.iter().filter(|human| human[*item].is_some()).count() >= 2)
        .collect();
    let mut skipped = Vec::new();
    let mut annotators = Vec::new();
    for human in 0..labels.humans.len() {
        let wins = wins(labels, human, &used, settings.score);
        if wins.len() < settings.min_items || wins.is_empty() {
            skipped.push((human, wins.len()));
            continue;
        }
        let count = wins.len() as f64;
        let share = |of: fn(&(bool, bool)) -> bool| {
            wins.iter().filter(|win| of(win)).count() as f64 / count
        };
        annotators.push(Comparison {
            human,
            items: wins.len(),
            model_advantage: share(|win| win.0),
            human_advantage: share(|win| win.1),
            p: p_below(&wins, settings.epsilon),
            p_adjusted: f64::NAN,
            rejected: false,
        });
    }
    adjust(&mut annotators, settings.q);
    let tested = annotators.len() as f64;
    let some = |value: f64| (!annotators.is_empty()).then_some(value);
    let rejected = annotators.iter().filter(|annotator| annotator.rejected).count() as f64;
    let advantages: f64 = annotators.iter().map(|annotator| annotator.model_advantage).sum();
    let winning_rate = some(rejected / tested);
    Verdict {
        items_used: used.len(),
        items_dropped: labels.model.len() - used.len(),
        skipped,
        winning_rate,
        advantage_probability: some(advantages / tested),
        passed: winning_rate
            .filter(|_| annotators.len() >= FEWEST_ANNOTATORS)
            .map(|rate| rate >= 0.5),
        annotators,
    }
}

/// For each item of a person: whether the model, and whether the person, agrees with the others at
/// least as well as the other of the two.
fn wins(labels: &Labels, human: usize, used: &[usize], score: Score) -> Vec<(bool, bool)> {
    let mut wins = Vec::new();
    for item in used {
        let (Some(own), Some(model)) = (labels.humans[human][*item], labels.model[*item]) else {
            continue;
        };
        let others: Vec<f64> = (0..labels.humans.len())
            .filter(|other| *other != human)
            .filter_map(|other| labels.humans[other][*item])
            .collect();
        let score = |label: f64| -> f64 {
            let count = others.len() as f64;
            match score {
                Score::Accuracy => others.iter().filter(|other| **other == label).count() as f64,
                Score::NegativeRmse => {
                    let squares = others.iter().map(|other| (label - other).powi(2));
                    -(squares.sum::<f64>() / count).sqrt()
                }
            }
        };
        let (by_model, by_human) = (score(model), score(own));
        wins.push((by_model >= by_human, by_human >= by_model));
    }
    wins
}

/// The p-value of a one-sample t-test that the mean of (person's win - model's win) is below ε.
fn p_below(wins: &[(bool, bool)], epsilon: f64) -> f64 {
    let number = |win: bool| f64::from(u8::from(win));
    let differences: Vec<f64> =
        wins.iter().map(|(model, human)| number(*human) - number(*model)).collect();
    let count = differences.len() as f64;
    let center = mean(&differences).unwrap_or(0.0);
    match variance(&differences) {
        Ok(spread) if spread > 0.0 => {
            student_at_most((center - epsilon) / (spread / count).sqrt(), count - 1.0)
        }
        _ => f64::from(u8::from(center >= epsilon)),
    }
}

/// Benjamini and Yekutieli: p_(k) m (1 + 1/2 + … + 1/m) / k, made monotone from the largest down.
fn adjust(annotators: &mut [Comparison], q: f64) {
    let count = annotators.len();
    let harmonic: f64 = (1..=count).map(|k| 1.0 / k as f64).sum();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| by_size(&annotators[*a].p, &annotators[*b].p));
    let mut smallest = 1.0_f64;
    for (position, annotator) in order.iter().enumerate().rev() {
        let factor = count as f64 * harmonic / (position + 1) as f64;
        smallest = smallest.min(annotators[*annotator].p * factor);
        annotators[*annotator].p_adjusted = smallest;
        annotators[*annotator].rejected = smallest <= q;
    }
}

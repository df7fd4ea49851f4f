//! What is said of labels of which a text can have several: each against people by itself, and the sets as wholes.

use serde::Serialize;

use super::against::{Against, Agreement};
use super::alt_test::AltTest;
use super::calibration::Calibration;
use super::figure::{WithInterval, number, with_ends, with_interval};
use crate::evaluate::results::answered::Answered;
use crate::evaluate::results::evaluation::Evaluation;
use crate::evaluate::rows::several::Several;
use crate::stats::classification::multilabel::set_scores;
use crate::stats::classification::probabilities::{Forecast, auroc};
use crate::stats::resample::Bootstrap;
use crate::words::table::Table;

/// Of a codebook of which a text can have several labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeveralScores {
    /// How many labels a text has by the model's account, and the share of texts that have none.
    pub labels_per_text: WithInterval,
    pub without_label: WithInterval,

    /// The share of decisions about a label that the order of yes and no changed, where both were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<WithInterval>,

    /// The sets against those of each coder.
    pub sets: Vec<SetsAgainst>,
    pub labels: Vec<OfLabel>,
}

/// The area under the ROC curve, with the percentile interval over 1,000 draws of rows (seed 0).
///
/// `rows`: answers about
/// one label; `most`: what most coders say of each, 0 for yes. `None`: nobody said anything, or there are no
/// probabilities.
pub fn auc(rows: &[&Answered], most: &[Option<usize>]) -> Option<WithInterval> {
    let forecast = |(row, said): (&&Answered, &Option<usize>)| {
        let probability = *row.probabilities.first()?;
        Some(Forecast { probability, happened: (*said)? == 0, weight: 1.0 })
    };
    let forecasts: Vec<Forecast> = rows.iter().zip(most).filter_map(forecast).collect();
    let area =
        |drawn: &[usize]| auroc(&drawn.iter().map(|at| forecasts[*at]).collect::<Vec<Forecast>>());
    let interval = Bootstrap::default().interval(forecasts.len(), area);
    (!forecasts.is_empty()).then(|| WithInterval::interval(interval))
}

/// The model's sets of labels against somebody's. Percentile intervals over 1,000 draws of rows (seed 0).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SetsAgainst {
    pub who: String,
    pub items: usize,

    /// The share of rows with the same set, by Wilson.
    pub same: WithInterval,

    /// Mean over the rows of what both have over what either has; 1 where both have nothing.
    pub jaccard: WithInterval,

    /// Of all labels pooled, and the mean over the labels (scikit-learn's, 0 where there is nothing).
    pub micro_f1: WithInterval,
    pub macro_f1: WithInterval,

    /// The share of decisions about a label that are not theirs.
    pub hamming_loss: WithInterval,
}

/// One label, yes or no.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfLabel {
    pub label: String,
    pub people: Vec<Against>,
    pub agreement: Option<Agreement>,
    pub calibration: Option<Calibration>,
    pub alternative_annotator: Option<AltTest>,

    /// How well the probability tells rows that have the label from those that have it not, wherever the line is
    /// drawn: the area under the ROC curve, against what most coders say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auc: Option<WithInterval>,
}

impl SeveralScores {
    /// `rows`: those with an answer; `labels`: what is said of each label by itself.
    pub fn of(evaluation: &Evaluation, rows: &[&Answered], labels: Vec<OfLabel>) -> Self {
        let several: Vec<&Several> = rows.iter().filter_map(|row| row.several.as_ref()).collect();
        let sizes: Vec<f64> = several.iter().map(|one| one.applies.len() as f64).collect();
        let empty = several.iter().filter(|one| one.applies.is_empty()).count();
        let in_orders: Vec<f64> = several
            .iter()
            .flat_map(|one| one.each.iter().filter_map(|label| label.same_answer))
            .collect();
        let flipped = in_orders.iter().filter(|share| **share < 1.0 - 1e-9).count();
        let sets = evaluation.coders.iter().enumerate().map(|(coder, who)| {
            let pairs = several.iter().filter_map(|one| {
                Some((one.human.get(coder)?.as_ref()?.as_slice(), one.applies.as_slice()))
            });
            SetsAgainst::of(who, &pairs.collect::<Vec<_>>(), labels.len())
        });
        let sets = sets.filter(|against| against.items > 0).collect();
        Self {
            labels_per_text: WithInterval::mean(&sizes),
            without_label: WithInterval::share(empty, several.len()),
            changed: (!in_orders.is_empty()).then(|| WithInterval::share(flipped, in_orders.len())),
            sets,
            labels,
        }
    }

    /// For a methods section.
    pub fn sentences(&self) -> Vec<String> {
        let mut said = vec![format!(
            "A row has {} labels in the mean, and none of them in {} of the rows.",
            with_interval(&self.labels_per_text),
            with_interval(&self.without_label)
        )];
        said.extend(self.changed.as_ref().map(|changed| {
            format!(
                "Yes and no were offered in both orders and averaged; the order changed {} of the decisions \
                 about a label.",
                with_interval(changed)
            )
        }));
        for sets in &self.sets {
            said.push(format!(
                "Against {} the model's set of labels is the same in {} of {} rows; the mean Jaccard index is \
                 {}, micro F1 {}, macro F1 {}.",
                sets.who,
                with_interval(&sets.same),
                sets.items,
                with_interval(&sets.jaccard),
                with_interval(&sets.micro_f1),
                with_interval(&sets.macro_f1)
            ));
        }
        said
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        let measures = ["same set", "Jaccard", "micro F1", "macro F1", "wrong decisions"];
        let mut table = Table::default().words(["against"]).numbers(["rows"]).words(measures);
        for sets in &self.sets {
            let SetsAgainst { same, jaccard, micro_f1, macro_f1, hamming_loss, .. } = sets;
            let [same, jaccard, micro, macro_, wrong] =
                [same, jaccard, micro_f1, macro_f1, hamming_loss].map(with_ends);
            table.row(&[&sets.who, &sets.items, &same, &jaccard, &micro, &macro_, &wrong]);
        }
        out.push_str(&table.after("\n## Sets of labels\n\n"));
        let people = self.labels.first().map_or(&[][..], |label| label.people.as_slice());
        for (place, against) in people.iter().enumerate() {
            let table = Table::default().words(["label"]).numbers(["rows", "theirs", "model's"]);
            let mut table = table.words(["kappa"]).numbers(["precision", "recall", "F1"]);
            for label in &self.labels {
                let Some(against) = label.people.get(place) else { continue };
                let Some(yes) = against.labels.first() else { continue };
                table.row(&[
                    &label.label,
                    &against.items,
                    &yes.theirs,
                    &yes.models,
                    &with_ends(&against.kappa),
                    &number(&yes.precision.value),
                    &number(&yes.recall.value),
                    &format!("{:.3}", yes.f1),
                ]);
            }
            let heading = format!("\n## Label by label, against {}\n\n", against.who);
            out.push_str(&table.after(&heading));
        }
        let mut table = Table::default().words([
            "label",
            "pairs that agree",
            "Krippendorff's alpha",
            "alpha with the model",
            "stands in for a person",
        ]);
        for label in &self.labels {
            let Some(agreement) = &label.agreement else { continue };
            let passed = label.alternative_annotator.as_ref().and_then(|test| test.passed);
            let passed = match passed {
                Some(true) => "yes",
                Some(false) => "no",
                None => "too few rows or people",
            };
            let alphas = [&agreement.percent, &agreement.alpha, &agreement.alpha_with_model];
            let [percent, alpha, with_model] = alphas.map(with_ends);
            table.row(&[&label.label, &percent, &alpha, &with_model, &passed]);
        }
        out.push_str(&table.after("\n## People among themselves\n\n"));
        let table = Table::default().words(["label"]).numbers(["rows"]);
        let table = table.words(["area under the curve"]);
        let mut table = table.numbers(["expected calibration error", "Brier"]);
        for label in &self.labels {
            let Some(calibration) = &label.calibration else { continue };
            let (error, brier) = (number(&calibration.ece), number(&calibration.brier));
            let auc = label.auc.as_ref().map(with_ends).unwrap_or_default();
            table.row(&[&label.label, &calibration.items, &auc, &error, &brier]);
        }
        out.push_str(&table.after(
            "\n## Probabilities of the labels\n\nThe area under the ROC curve says how well they tell rows that \
             have a label from those that have it not, wherever the line is drawn: 0.5 is chance, 1 is always. \
             Where it is high and few labels apply, the probabilities are right in their order and too low.\n\n",
        ));
        out
    }
}

impl SetsAgainst {
    /// `pairs`: their labels and the model's.
    fn of(who: &str, pairs: &[(&[usize], &[usize])], labels: usize) -> Self {
        let flags = |places: &[usize]| -> Vec<bool> {
            (0..labels).map(|label| places.contains(&label)).collect()
        };
        let items: Vec<(Vec<bool>, Vec<bool>)> =
            pairs.iter().map(|(theirs, models)| (flags(theirs), flags(models))).collect();
        let same = items.iter().filter(|(theirs, models)| theirs == models).count();
        let mut drawn = Bootstrap::default().intervals(items.len(), |drawn| {
            let drawn: Vec<(Vec<bool>, Vec<bool>)> =
                drawn.iter().map(|at| items[*at].clone()).collect();
            let scores = set_scores(&drawn, labels);
            vec![
                scores.samples_jaccard_both_empty_is_1,
                Ok(scores.micro_f1),
                scores.macro_f1,
                scores.hamming_loss,
            ]
        });
        let mut next = || WithInterval::interval(drawn.remove(0));
        Self {
            who: who.to_owned(),
            items: items.len(),
            same: WithInterval::share(same, items.len()),
            jaccard: next(),
            micro_f1: next(),
            macro_f1: next(),
            hamming_loss: next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_under_the_curve_is_that_of_scikit_learn() {
        let rows: Vec<Answered> = [0.9, 0.4, 0.35, 0.2, 0.35, 0.8]
            .into_iter()
            .map(|yes| Answered { probabilities: vec![yes, 1.0 - yes], ..Answered::default() })
            .collect();
        let rows: Vec<&Answered> = rows.iter().collect();
        let most = [Some(0), Some(1), Some(0), Some(1), Some(1), Some(0)];
        let found = auc(&rows, &most).unwrap().value.value.unwrap();
        assert!((found - 5.0 / 6.0).abs() < 1e-12, "{found}");
        assert_eq!(auc(&rows, &[None; 6]), None);
    }

    #[test]
    fn sets_are_compared_as_scikit_learn_does() {
        let pairs: [(&[usize], &[usize]); 5] =
            [(&[0, 1], &[0]), (&[], &[]), (&[2], &[2]), (&[1], &[0, 1]), (&[0], &[])];
        let found = SetsAgainst::of("x", &pairs, 3);
        let near = |found: &WithInterval, right: f64| {
            assert!((found.value.value.unwrap() - right).abs() < 1e-12, "{found:?}, not {right}");
        };
        // By scikit-learn 1.9.1: jaccard_score(average="samples", zero_division=1), f1_score, hamming_loss.
        near(&found.same, 0.4);
        near(&found.jaccard, 0.6);
        near(&found.micro_f1, 6.0 / 9.0);
        near(&found.macro_f1, 13.0 / 18.0);
        near(&found.hamming_loss, 0.2);
        assert_eq!(found.items, 5);
    }
}

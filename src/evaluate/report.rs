//! How far the answers of an evaluation can be trusted: against people, against chance, against the
//! order in which the options were shown.

use std::collections::BTreeMap;

use serde::Serialize;

use super::accepted::Accepted;
use super::against::{Against, Agreement};
use super::corrected::Correction;
use super::enough::{Enough, enough};
use super::field_scores::FieldScores;
use super::figure::{Figure, WithInterval};
use super::judge_scores::JudgeScores;
use super::labelled::{Labelled, Plan};
use super::perplexity_scores::PerplexityScores;
use super::results::{Answered, Evaluation};
use super::scale::LabelScale;
use super::scale_scores::ScaleScores;
use super::survey_scores::SurveyScores;
use super::task::Kind;
use super::text_scores::TextScores;
use crate::stats::classification::probabilities::{
    ClassForecast, brier_of_classes, calibration_bins, calibration_error, top_label,
};
use crate::stats::moments::mean;
use crate::stats::ranking::multiple_choice;
use crate::stats::replacement::alternative_annotator::{
    Labels, Score, Settings, Verdict, alternative_annotator,
};
use crate::stats::replacement::selective::Checked;

/// Everything that is said of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub rows: usize,

    /// Rows with an answer.
    pub answered: usize,

    /// Rows that could not be asked.
    pub problems: usize,

    /// Rows whose text was shortened.
    pub cut: usize,

    /// How often each label was the answer; of an exam, each option's letter.
    pub shares: Vec<LabelShare>,

    /// Mean over the rows: entropy in bits, the probability that one of the options is said at all.
    pub mean_entropy: Figure,
    pub mean_mass: Figure,
    pub orders: Option<Orders>,

    /// Against each coder, and against what most of them say.
    pub people: Vec<Against>,
    pub agreement: Option<Agreement>,

    /// Of labels that stand on a scale.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<ScaleScores>,
    pub calibration: Option<Calibration>,
    pub alternative_annotator: Option<AltTest>,

    /// What fewer labels of people would have said: of the last of `people`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enough: Vec<Enough>,

    /// Which labels may be taken without a person's look.
    pub accepted: Option<Accepted>,

    /// Shares in all rows from people's labels and the model's together; where some rows have a label
    /// of people and some have none.
    pub correction: Option<Correction>,
    pub exam: Option<ExamScores>,

    /// Of a judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<JudgeScores>,

    /// Of fields that were read out of texts.
    pub fields: Option<FieldScores>,

    /// Of texts that were written.
    pub texts: Option<TextScores>,

    /// Of a survey.
    pub survey: Option<SurveyScores>,

    /// Of texts that were scored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub perplexity: Option<PerplexityScores>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelShare {
    pub label: String,
    pub count: usize,
    pub share: WithInterval,
}

/// What the order of the options changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Orders {
    /// The share of rows whose answer is not the same in all orders.
    pub changed: WithInterval,

    /// Mean, over rows, of the share of orders with the commonest answer.
    pub same_answer: Figure,

    /// Mean probability of each place in the list. Without an effect of the place all are alike.
    pub by_place: Vec<f64>,
}

/// Whether the probabilities are as often right as they say; against what most coders say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    pub items: usize,

    /// Expected calibration error of the likeliest label, ten bins.
    pub ece: Figure,

    /// From 0 to 2.
    pub brier: Figure,

    /// Mean stated probability, share that is right, number of rows.
    pub bins: Vec<(f64, f64, usize)>,
}

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

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExamScores {
    pub items: usize,
    pub accuracy: WithInterval,
    pub map_at_3: Figure,

    /// What choosing at random would be right in.
    pub chance: f64,
    pub by_subject: Vec<(String, WithInterval)>,
}

impl Report {
    pub fn of(evaluation: &Evaluation, answered: &BTreeMap<u64, Answered>) -> Self {
        let with_answer: Vec<&Answered> =
            answered.values().filter(|row| row.problem.is_none()).collect();
        let kind = evaluation.task.kind();
        let is_exam = matches!(kind, Ok(Kind::Exam(_)));
        let labels = evaluation.labels.clone().unwrap_or_else(|| {
            let most = with_answer.iter().map(|row| row.probabilities.len()).max().unwrap_or(0);
            (0..most).map(|index| char::from(b'A' + index.min(25) as u8).to_string()).collect()
        });
        let model: Vec<Option<usize>> = with_answer.iter().map(|row| row.index).collect();
        let coders: Vec<Vec<Option<usize>>> = (0..evaluation.coders.len())
            .map(|coder| {
                with_answer.iter().map(|row| row.human.get(coder).copied().flatten()).collect()
            })
            .collect();
        let most = most_say(&coders, with_answer.len(), labels.len());
        let has_people = coders.iter().flatten().any(Option::is_some);
        let mut people = Vec::new();
        if has_people && !is_exam {
            for (name, said) in evaluation.coders.iter().zip(&coders) {
                people.push(Against::of(name, said, &model, &labels));
            }
            if coders.len() > 1 {
                people.push(Against::of("most coders", &most, &model, &labels));
            }
        }
        let judge_or_code = matches!(kind, Ok(Kind::Code(_) | Kind::Judge(_)));
        let enough = if has_people && judge_or_code {
            enough(if coders.len() > 1 { &most } else { &coders[0] }, &model, labels.len())
        } else {
            Vec::new()
        };
        let several = has_people && coders.len() > 1 && !is_exam;
        let scale = evaluation.scale.as_ref();
        let on_scale = scale.map(|scale| {
            let rows = with_answer.iter();
            let rows: Vec<_> =
                rows.map(|row| (row.index, scale.expected(&row.probabilities))).collect();
            let named = evaluation.coders.iter().map(String::as_str);
            let mut said: Vec<(&str, &[Option<usize>])> =
                named.zip(coders.iter().map(Vec::as_slice)).filter(|_| has_people).collect();
            if several {
                said.push(("most coders", most.as_slice()));
            }
            ScaleScores::of(scale, &rows, &said)
        });
        let regress = match &kind {
            Ok(Kind::Code(code)) => code.regression.as_ref(),
            _ => None,
        };
        let plan = Plan { scale, regress };
        // Of what was only written there are no probabilities.
        let is_approximate = with_answer.iter().any(|row| row.approximate);
        Self {
            rows: answered.len(),
            answered: with_answer.len(),
            problems: answered.len() - with_answer.len(),
            cut: answered.values().filter(|row| row.cut.is_some()).count(),
            shares: shares(&model, &labels),
            mean_entropy: mean_of(&with_answer, |row| row.entropy),
            mean_mass: mean_of(&with_answer, |row| row.mass),
            orders: Orders::of(&with_answer),
            people,
            agreement: several.then(|| Agreement::of(&coders, &model, (labels.len(), scale))),
            scale: on_scale,
            calibration: (has_people && !is_approximate)
                .then(|| Calibration::of(&with_answer, &most))
                .flatten(),
            alternative_annotator: several
                .then(|| AltTest::of(&evaluation.coders, &coders, &model, scale)),
            enough,
            // Of an exam the right answers are known, and a judge's ties are no labels.
            accepted: accepted(&with_answer, &most)
                .filter(|_| !is_approximate && matches!(kind, Ok(Kind::Code(_)))),
            correction: if is_exam {
                None
            } else {
                Correction::of(&labelled(&with_answer, &most, scale), &labels, &plan)
            },
            exam: is_exam.then(|| ExamScores::of(&with_answer)).flatten(),
            judge: matches!(kind, Ok(Kind::Judge(_))).then(|| JudgeScores::of(&with_answer)),
            fields: match &kind {
                Ok(Kind::Extract(extract)) => Some(FieldScores::of(extract, &with_answer)),
                _ => None,
            },
            texts: match &kind {
                Ok(Kind::Write(_) | Kind::Ask(_)) => Some(TextScores::of(&with_answer)),
                _ => None,
            },
            survey: match &kind {
                Ok(Kind::Survey(_)) => Some(SurveyScores::of(&with_answer)),
                _ => None,
            },
            perplexity: matches!(kind, Ok(Kind::Perplexity(_)))
                .then(|| PerplexityScores::of(&with_answer)),
        }
    }
}

fn mean_of(rows: &[&Answered], value: impl Fn(&Answered) -> f64) -> Figure {
    // Of answers that were written nothing was scored.
    let values: Vec<f64> = rows
        .iter()
        .filter(|row| row.written.is_none() && row.scored.is_none() && !row.approximate)
        .map(|row| value(row))
        .collect();
    mean(&values).into()
}

fn shares(model: &[Option<usize>], labels: &[String]) -> Vec<LabelShare> {
    let count = model.iter().flatten().count();
    labels
        .iter()
        .enumerate()
        .map(|(index, label)| {
            let of = model.iter().filter(|answer| **answer == Some(index)).count();
            LabelShare { label: label.clone(), count: of, share: WithInterval::share(of, count) }
        })
        .collect()
}

/// What most coders say of each row; nothing where no label has more than the others.
fn most_say(coders: &[Vec<Option<usize>>], rows: usize, labels: usize) -> Vec<Option<usize>> {
    (0..rows)
        .map(|row| {
            let mut counts = vec![0_usize; labels];
            for said in coders.iter().filter_map(|coder| coder[row]) {
                counts[said] += 1;
            }
            let highest = counts.iter().max().copied().filter(|highest| *highest > 0)?;
            let mut best = counts.iter().enumerate().filter(|(_, count)| **count == highest);
            let first = best.next().map(|(label, _)| label);
            if best.next().is_some() { None } else { first }
        })
        .collect()
}

impl Orders {
    fn of(rows: &[&Answered]) -> Option<Self> {
        let shares: Vec<f64> = rows.iter().filter_map(|row| row.same_answer).collect();
        if shares.is_empty() {
            return None;
        }
        // Less than all orders, by more than rounding.
        let changed = shares.iter().filter(|share| **share < 1.0 - 1e-9).count();
        let places: Vec<&[f64]> = rows
            .iter()
            .filter(|row| row.same_answer.is_some())
            .map(|row| row.by_place.as_slice())
            .collect();
        let width = places.first().map_or(0, |place| place.len());
        let alike = places.iter().all(|place| place.len() == width);
        let by_place = if alike {
            (0..width)
                .map(|place| places.iter().map(|row| row[place]).sum::<f64>() / places.len() as f64)
                .collect()
        } else {
            Vec::new()
        };
        Some(Self {
            changed: WithInterval::share(changed, shares.len()),
            same_answer: mean(&shares).into(),
            by_place,
        })
    }
}

impl Calibration {
    fn of(rows: &[&Answered], most: &[Option<usize>]) -> Option<Self> {
        let forecasts: Vec<ClassForecast> = rows
            .iter()
            .zip(most)
            .filter_map(|(row, class)| {
                let class = (*class)?;
                (class < row.probabilities.len()).then(|| ClassForecast {
                    probabilities: row.probabilities.clone(),
                    class,
                    weight: 1.0,
                })
            })
            .collect();
        if forecasts.is_empty() {
            return None;
        }
        let bins = calibration_bins(&top_label(&forecasts));
        Some(Self {
            items: forecasts.len(),
            ece: calibration_error(&bins).into(),
            brier: brier_of_classes(&forecasts).into(),
            bins: bins.iter().map(|bin| (bin.mean_probability, bin.share, bin.items)).collect(),
        })
    }
}

impl AltTest {
    /// The paper's values for people with some training. On a scale a label counts by how far it is from
    /// those of the others.
    fn of(
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

/// The rows with an answer, for a correction.
fn labelled(
    rows: &[&Answered],
    most: &[Option<usize>],
    scale: Option<&LabelScale>,
) -> Vec<Labelled> {
    // Where people were asked and do not agree there is no label, and it is not one that is missing.
    let is_split = |row: &Answered, human: &Option<usize>| {
        human.is_none() && row.human.iter().any(Option::is_some)
    };
    let rows = rows.iter().zip(most).filter(|(row, human)| !is_split(row, human));
    let rows = rows.filter_map(|(row, human)| {
        Some(Labelled {
            model: row.index?,
            human: *human,
            inclusion: row.inclusion,
            group: row.group.clone(),
            expected: scale.and_then(|scale| scale.expected(&row.probabilities)),
            covariates: row.covariates.clone(),
        })
    });
    rows.collect()
}

/// How sure the model was of labels that people gave too, and whether it was wrong.
fn accepted(rows: &[&Answered], most: &[Option<usize>]) -> Option<Accepted> {
    let sure = |row: &Answered| row.probabilities.iter().copied().fold(0.0, f64::max);
    let checked: Vec<Checked> = rows
        .iter()
        .zip(most)
        .filter_map(|(row, human)| {
            let wrong = row.index? != (*human)?;
            Some(Checked { confidence: sure(row), wrong })
        })
        .collect();
    let all: Vec<f64> = rows.iter().map(|row| sure(row)).collect();
    Accepted::of(&checked, &all)
}

impl ExamScores {
    fn of(rows: &[&Answered]) -> Option<Self> {
        let mut scores = Vec::new();
        let mut chance = 0.0;
        let mut subjects: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for row in rows {
            let Some(right) = row.human.first().copied().flatten() else { continue };
            let guesses = multiple_choice::ranked(&row.probabilities);
            let score = multiple_choice::score(&right, &guesses);
            let is_right = guesses.first() == Some(&right);
            scores.push(score);
            chance += 1.0 / row.probabilities.len() as f64;
            if let Some(subject) = &row.group {
                let entry = subjects.entry(subject.clone()).or_default();
                entry.0 += usize::from(is_right);
                entry.1 += 1;
            }
        }
        if scores.is_empty() {
            return None;
        }
        let right = scores.iter().filter(|score| **score == 1.0).count();
        Some(Self {
            items: scores.len(),
            accuracy: WithInterval::share(right, scores.len()),
            map_at_3: multiple_choice::map_at_3(&scores).into(),
            chance: chance / scores.len() as f64,
            by_subject: subjects
                .into_iter()
                .map(|(subject, (right, count))| (subject, WithInterval::share(right, count)))
                .collect(),
        })
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;

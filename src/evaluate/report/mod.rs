//! How far the answers of an evaluation can be trusted: against people, against chance, against the
//! order in which the options were shown.

pub mod audit;
pub mod configurations;
pub mod documents;
pub mod methods;
pub mod page;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::evaluate::asking::several_answers::of_label;
use crate::evaluate::measures::accepted::Accepted;
use crate::evaluate::measures::against::{Against, Agreement};
use crate::evaluate::measures::alt_test::AltTest;
use crate::evaluate::measures::calibration::Calibration;
use crate::evaluate::measures::corrected::Correction;
use crate::evaluate::measures::enough::{Enough, enough};
use crate::evaluate::measures::field_scores::FieldScores;
use crate::evaluate::measures::figure::{Figure, LabelShare, WithInterval};
use crate::evaluate::measures::judge_scores::JudgeScores;
use crate::evaluate::measures::labelled::{Labelled, Plan};
use crate::evaluate::measures::perplexity_scores::PerplexityScores;
use crate::evaluate::measures::scale_scores::ScaleScores;
use crate::evaluate::measures::several_scores::{OfLabel, SeveralScores, auc};
use crate::evaluate::measures::survey_scores::SurveyScores;
use crate::evaluate::measures::text_scores::TextScores;
use crate::evaluate::results::answered::Answered;
use crate::evaluate::results::evaluation::Evaluation;
use crate::evaluate::task::Kind;
use crate::evaluate::task::scale::LabelScale;
use crate::stats::moments::mean;
use crate::stats::ranking::multiple_choice;
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

    /// Of labels of which a row can have several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub several: Option<SeveralScores>,

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
        let base = Self {
            rows: answered.len(),
            problems: answered.len() - with_answer.len(),
            cut: answered.values().filter(|row| row.cut.is_some()).count(),
            ..Self::of_rows(evaluation, &with_answer)
        };
        if !evaluation.several {
            return base;
        }
        base.with_several(evaluation, &with_answer)
    }

    /// The same of labels of which a row can have several: each by itself, and the sets.
    fn with_several(self, evaluation: &Evaluation, with_answer: &[&Answered]) -> Self {
        let (mut labels, mut shares) = (Vec::new(), Vec::new());
        let mut correction: Option<Correction> = None;
        for (place, label) in evaluation.labels.iter().flatten().enumerate() {
            let (evaluation, rows) = of_label(evaluation, with_answer, place);
            let rows: Vec<&Answered> = rows.iter().collect();
            let more = Self::correction(&evaluation, &rows, std::slice::from_ref(label));
            correction = match (correction, more) {
                (Some(all), Some(more)) => Some(all.and(more)),
                (all, more) => all.or(more),
            };
            let most = most_say(&said_by(&evaluation, &rows), rows.len(), 2);
            let report = Self::of_rows(&evaluation, &rows);
            let count = rows.iter().filter(|row| row.index == Some(0)).count();
            let share = WithInterval::share(count, rows.len());
            shares.push(LabelShare { label: label.clone(), count, share });
            labels.push(OfLabel {
                label: label.clone(),
                people: report.people,
                agreement: report.agreement,
                calibration: report.calibration,
                alternative_annotator: report.alternative_annotator,
                auc: auc(&rows, &most),
            });
        }
        let several = Some(SeveralScores::of(evaluation, with_answer, labels));
        Self { several, shares, correction, accepted: None, orders: None, ..self }
    }

    /// The same of rows that have an answer.
    pub fn of_rows(evaluation: &Evaluation, with_answer: &[&Answered]) -> Self {
        let kind = evaluation.task.kind();
        let is_exam = matches!(kind, Ok(Kind::Exam(_)));
        let labels = evaluation.labels.clone().unwrap_or_else(|| {
            let most = with_answer.iter().map(|row| row.probabilities.len()).max().unwrap_or(0);
            (0..most).map(|index| char::from(b'A' + index.min(25) as u8).to_string()).collect()
        });
        let model: Vec<Option<usize>> = with_answer.iter().map(|row| row.index).collect();
        let coders = said_by(evaluation, with_answer);
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
        let judge_or_code = matches!(kind, Ok(Kind::Code(_) | Kind::Judge(_) | Kind::Rate(_)));
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
            let said: Vec<(&str, &[Option<usize>])> =
                named.zip(coders.iter().map(Vec::as_slice)).filter(|_| has_people).collect();
            let groups = with_answer.iter().map(|row| row.group.as_deref());
            ScaleScores::of(scale, &rows, &groups.collect::<Vec<_>>(), &said)
        });
        // Of what was only written there are no probabilities.
        let is_approximate = with_answer.iter().any(|row| row.approximate);
        Self {
            rows: with_answer.len(),
            answered: with_answer.len(),
            problems: 0,
            cut: 0,
            shares: shares(&model, &labels),
            mean_entropy: mean_of(with_answer, |row| row.entropy),
            mean_mass: mean_of(with_answer, |row| row.mass),
            orders: Orders::of(with_answer),
            people,
            agreement: several.then(|| Agreement::of(&coders, &model, (labels.len(), scale))),
            several: None,
            scale: on_scale,
            calibration: (has_people && !is_approximate)
                .then(|| Calibration::of(with_answer, &most))
                .flatten(),
            alternative_annotator: several
                .then(|| AltTest::of(&evaluation.coders, &coders, &model, scale)),
            enough,
            // Of an exam the right answers are known, and a judge's ties are no labels.
            accepted: accepted(with_answer, &most)
                .filter(|_| !is_approximate && matches!(kind, Ok(Kind::Code(_)))),
            correction: Self::correction(evaluation, with_answer, &labels),
            exam: is_exam.then(|| ExamScores::of(with_answer)).flatten(),
            judge: matches!(kind, Ok(Kind::Judge(_))).then(|| JudgeScores::of(with_answer)),
            fields: match &kind {
                Ok(Kind::Extract(extract)) => Some(FieldScores::of(extract, with_answer)),
                _ => None,
            },
            texts: match &kind {
                Ok(Kind::Write(_) | Kind::Ask(_)) => Some(TextScores::of(with_answer)),
                _ => None,
            },
            survey: match &kind {
                Ok(Kind::Survey(_)) => Some(SurveyScores::of(with_answer)),
                _ => None,
            },
            perplexity: matches!(kind, Ok(Kind::Perplexity(_)))
                .then(|| PerplexityScores::of(with_answer)),
        }
    }

    /// The share of each of these labels in all rows, the first of the answers first. An exam has none.
    pub fn correction(
        evaluation: &Evaluation,
        rows: &[&Answered],
        labels: &[String],
    ) -> Option<Correction> {
        let regress = match evaluation.task.kind() {
            Ok(Kind::Exam(_)) => return None,
            Ok(Kind::Code(code)) => code.regression.as_ref(),
            _ => None,
        };
        let scale = evaluation.scale.as_ref();
        let coders = said_by(evaluation, rows);
        let answers = evaluation.labels.as_ref().map_or(labels.len(), Vec::len);
        let most = most_say(&coders, rows.len(), answers);
        let plan = Plan { scale, regress };
        Correction::of(&labelled(rows, &most, scale), labels, &plan)
    }
}

/// What each coder said, row by row.
fn said_by(evaluation: &Evaluation, rows: &[&Answered]) -> Vec<Vec<Option<usize>>> {
    let of_coder =
        |coder: usize| rows.iter().map(|row| row.human.get(coder).copied().flatten()).collect();
    (0..evaluation.coders.len()).map(of_coder).collect()
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
mod tests;

//! Shares in all rows from the labels of people on some and those of a model on all: people alone, the
//! model as if it were right, and both together, side by side.

use serde::Serialize;

use super::figure::WithInterval;
use super::labelled::{Labelled, Plan};
use super::regression::{Regression, regressions};
use crate::stats::correction::dsl::{self, Fit, Model, Outcome, Row};
use crate::stats::correction::prediction_powered::Samples;
use crate::stats::moments::Estimate;
use crate::stats::undefined::Undefined;

/// Fewer human labels than this make no correction.
pub const FEWEST: usize = 30;

/// What is said of all rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Correction {
    pub human_labels: usize,
    pub rows: usize,

    /// Where the probabilities of being drawn come from: a column, or the assumption that all were
    /// equal.
    pub from_column: bool,
    pub shares: Vec<Corrected>,

    /// Of labels on a scale, the mean of their values: people's labels, the model's expected values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<Corrected>,

    /// The share, or the mean, in a group less that in the first group.
    pub differences: Vec<GroupDifference>,

    /// Of the labels, or of their values, on columns of the table.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regressions: Vec<Regression>,

    /// Why there are none though they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_regression: Option<String>,

    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// The share of a label in all rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Corrected {
    pub label: String,
    pub human_only: WithInterval,
    pub model_only: WithInterval,

    /// Where every row was as likely to be drawn.
    pub ppi: WithInterval,
    pub dsl: WithInterval,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupDifference {
    pub label: String,
    pub group: String,
    pub less: String,
    pub human_only: WithInterval,
    pub model_only: WithInterval,
    pub dsl: WithInterval,
}

impl Correction {
    /// `None`: people have labelled nothing, or everything.
    pub fn of(rows: &[Labelled], labels: &[String], plan: &Plan<'_>) -> Option<Self> {
        let people = rows.iter().filter(|row| row.human.is_some()).count();
        if people == 0 || people == rows.len() {
            return None;
        }
        let from_column = rows.iter().any(|row| row.inclusion.is_some());
        let mut found =
            Self { human_labels: people, rows: rows.len(), from_column, ..Self::default() };
        if people < FEWEST {
            found.because = Some(format!(
                "{people} rows have a label by people, and a correction needs {FEWEST} that were \
                 drawn at random"
            ));
            return Some(found);
        }
        let unknown = |row: &&Labelled| {
            let known = row.inclusion.is_some_and(|share| share > 0.0 && share <= 1.0);
            row.human.is_some() && from_column && !known
        };
        let unknown = rows.iter().filter(unknown).count();
        if unknown > 0 {
            found.because = Some(format!(
                "{unknown} rows that people labelled have no probability of having been drawn, above 0 \
                 and at most 1"
            ));
            return Some(found);
        }
        let equal = people as f64 / rows.len() as f64;
        let inclusion = |row: &Labelled| row.inclusion.unwrap_or(equal);
        let drawn: Vec<f64> =
            rows.iter().filter(|row| row.human.is_some()).map(inclusion).collect();
        let is_equal = drawn.iter().all(|share| (share - drawn[0]).abs() < 1e-12);
        let corrected = |name: &str, label: Option<usize>| {
            let rows = outcomes(rows, (plan, label), &inclusion, |_| vec![1.0]);
            Corrected {
                label: name.to_owned(),
                human_only: coefficient(&dsl::human_only(&rows, Model::Linear), 0),
                model_only: coefficient(&dsl::naive(&rows, Model::Linear), 0),
                ppi: if is_equal {
                    WithInterval::estimate(&ppi(&rows))
                } else {
                    let why = "the rows were not all as likely to be drawn";
                    WithInterval::estimate(&Estimate::undefined(&why.into()))
                },
                dsl: coefficient(&dsl::dsl(&rows, Model::Linear), 0),
            }
        };
        let each = labels.iter().enumerate();
        found.shares = each.map(|(index, label)| corrected(label, Some(index))).collect();
        found.mean = plan.scale.map(|_| corrected(MEAN, None));
        found.differences = differences(rows, labels, plan, &inclusion);
        match regressions(rows, labels, plan, &inclusion) {
            Ok(regressions) => found.regressions = regressions,
            Err(because) => found.no_regression = Some(because),
        }
        Some(found)
    }

    /// These estimates and those of another label.
    #[must_use]
    pub fn and(mut self, more: Self) -> Self {
        self.shares.extend(more.shares);
        self.differences.extend(more.differences);
        self.regressions.extend(more.regressions);
        self.no_regression = self.no_regression.or(more.no_regression);
        self.because = self.because.or(more.because);
        // Where people are split over a label, the row counts for the others.
        self.human_labels = self.human_labels.min(more.human_labels);
        self.rows = self.rows.max(more.rows);
        self
    }
}

/// What the mean of a scale's values is called among the labels.
const MEAN: &str = "mean on the scale";

/// Rows with what [`Plan::outcome`] says of them; `x` from the group.
fn outcomes(
    rows: &[Labelled],
    (plan, label): (&Plan<'_>, Option<usize>),
    inclusion: &dyn Fn(&Labelled) -> f64,
    x: impl Fn(&Labelled) -> Vec<f64>,
) -> Vec<Row> {
    rows.iter()
        .filter_map(|row| {
            let (predicted, said) = plan.outcome(row, label)?;
            let labelled = said.map(|y| (Outcome { y, x: x(row) }, inclusion(row)));
            Some(Row { predicted: Outcome { y: predicted, x: x(row) }, labelled, cluster: None })
        })
        .collect()
}

fn ppi(rows: &[Row]) -> Estimate {
    let mut samples = Samples { people: Vec::new(), model: Vec::new(), model_only: Vec::new() };
    for row in rows {
        match &row.labelled {
            Some((said, _)) => {
                samples.people.push(said.y);
                samples.model.push(row.predicted.y);
            }
            None => samples.model_only.push(row.predicted.y),
        }
    }
    samples.ppi_plus().estimate
}

fn differences(
    rows: &[Labelled],
    labels: &[String],
    plan: &Plan<'_>,
    inclusion: &dyn Fn(&Labelled) -> f64,
) -> Vec<GroupDifference> {
    /// More groups than this are no groups.
    const MOST_GROUPS: usize = 12;

    let mut groups: Vec<&String> = rows.iter().filter_map(|row| row.group.as_ref()).collect();
    groups.sort();
    groups.dedup();
    let Some((first, others)) = groups.split_first().filter(|(_, others)| !others.is_empty())
    else {
        return Vec::new();
    };
    if others.len() >= MOST_GROUPS || rows.iter().any(|row| row.group.is_none()) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let each = labels.iter().map(String::as_str).zip((0..).map(Some));
    for (label, index) in each.chain(plan.scale.map(|_| (MEAN, None))) {
        let rows = outcomes(rows, (plan, index), inclusion, |row| {
            let is = |group: &&String| f64::from(u8::from(row.group.as_ref() == Some(*group)));
            std::iter::once(1.0).chain(others.iter().map(is)).collect()
        });
        let fits = [
            dsl::human_only(&rows, Model::Linear),
            dsl::naive(&rows, Model::Linear),
            dsl::dsl(&rows, Model::Linear),
        ];
        for (place, group) in others.iter().enumerate() {
            let [human_only, model_only, dsl] =
                fits.each_ref().map(|fit| coefficient(fit, place + 1));
            found.push(GroupDifference {
                label: label.to_owned(),
                group: (*group).clone(),
                less: (*first).clone(),
                human_only,
                model_only,
                dsl,
            });
        }
    }
    found
}

fn coefficient(fit: &Result<Fit, Undefined>, place: usize) -> WithInterval {
    WithInterval::estimate(&match fit {
        Ok(fit) => {
            Estimate { estimate: Ok(fit.coefficients[place]), se: Ok(fit.standard_errors[place]) }
        }
        Err(why) => Estimate::undefined(why),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::codebook::Scale;
    use crate::evaluate::task::scale::LabelScale;

    fn labels() -> Vec<String> {
        ["a", "b"].map(str::to_owned).to_vec()
    }

    /// 40 of 140 rows have a human label, which is a in every second; the model says a of all.
    fn rows(inclusion: Option<f64>) -> Vec<Labelled> {
        (0..140)
            .map(|at| Labelled {
                model: 0,
                human: (at < 40).then_some(at % 2),
                inclusion,
                group: Some(if at % 4 < 2 { "x" } else { "y" }.to_owned()),
                expected: Some(1.0),
                covariates: Vec::new(),
            })
            .collect()
    }

    #[test]
    fn all_four_estimates_stand_side_by_side() {
        let found = Correction::of(&rows(None), &labels(), &Plan::default()).unwrap();
        let a = &found.shares[0];
        assert_eq!(a.model_only.value.value, Some(1.0));
        for corrected in [&a.human_only, &a.ppi, &a.dsl] {
            assert!((corrected.value.value.unwrap() - 0.5).abs() < 1e-12, "{corrected:?}");
            assert!(corrected.low.unwrap() < 0.4 && corrected.high.unwrap() > 0.6);
        }
        assert_eq!(found.differences.len(), 2);
        assert!(found.differences[0].dsl.value.value.unwrap().abs() < 1e-12);
    }

    #[test]
    fn a_mean_on_a_scale_is_corrected_as_shares_are() {
        // People give 1 and 5 in turn where the model expects 1 of every row.
        let scale = LabelScale { level: Scale::Interval, values: vec![1.0, 5.0] };
        let plan = Plan { scale: Some(&scale), regress: None };
        let found = Correction::of(&rows(None), &labels(), &plan).unwrap();
        let mean = found.mean.unwrap();
        assert_eq!(mean.model_only.value.value, Some(1.0));
        for corrected in [&mean.human_only, &mean.ppi, &mean.dsl] {
            assert!((corrected.value.value.unwrap() - 3.0).abs() < 1e-12, "{corrected:?}");
        }
        // Two labels and the mean, each in y less that in x.
        assert_eq!(found.differences.len(), 3);
        assert_eq!(found.differences[2].label, MEAN);
    }

    #[test]
    fn unequal_probabilities_weigh_the_human_labels() {
        // People saw all of 40 rows that say b, and a tenth of 100 rows that say a.
        let rows: Vec<Labelled> = (0..140)
            .map(|at| Labelled {
                model: 0,
                human: if at < 40 { Some(1) } else { (at % 10 == 0).then_some(0) },
                inclusion: Some(if at < 40 { 1.0 } else { 0.1 }),
                group: None,
                expected: None,
                covariates: Vec::new(),
            })
            .collect();
        let found = Correction::of(&rows, &labels(), &Plan::default()).unwrap();
        let b = &found.shares[1];
        assert!((b.dsl.value.value.unwrap() - 40.0 / 140.0).abs() < 1e-12, "{b:?}");
        assert!((b.human_only.value.value.unwrap() - 40.0 / 140.0).abs() < 1e-12, "{b:?}");
        assert_eq!(b.ppi.value.value, None);
        assert!(b.ppi.value.because.as_ref().unwrap().contains("as likely"));
    }

    #[test]
    fn what_a_correction_lacks_is_said() {
        let few: Vec<Labelled> = rows(None).into_iter().skip(20).collect();
        let said = Correction::of(&few, &labels(), &Plan::default()).unwrap().because.unwrap();
        assert!(said.contains("20 rows have a label by people"), "{said}");
        let mut odd = rows(Some(0.3));
        odd[0].inclusion = None;
        let said = Correction::of(&odd, &labels(), &Plan::default()).unwrap().because.unwrap();
        assert!(said.contains("1 rows that people labelled have no probability"), "{said}");
        assert_eq!(Correction::of(&rows(None)[40..], &labels(), &Plan::default()), None);
    }
}

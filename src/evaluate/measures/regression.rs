//! Regressions of what was coded on columns of the table: with the labels of people alone, with those of
//! the model as if they were right, and with both (DSL), side by side.

use serde::Serialize;

use super::figure::WithInterval;
use super::labelled::{Labelled, Plan};
use crate::data::cell;
use crate::evaluate::task::code::RegressionModel;
use crate::stats::correction::dsl::{self, Fit, Model, Outcome, Row};
use crate::stats::moments::Estimate;
use crate::stats::undefined::Undefined;

/// A column of words with more of them than this has no groups.
const MOST_GROUPS: usize = 12;

/// One outcome on the columns that the task names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Regression {
    /// A label, which a row has or has not; of a scale its value.
    pub outcome: String,
    pub model: RegressionModel,

    /// Rows that have a value in every column.
    pub rows: usize,
    pub terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Term {
    /// A column of numbers, `column: value` of one of words, or the intercept.
    pub name: String,
    pub human_only: Coefficient,
    pub model_only: Coefficient,
    pub dsl: Coefficient,
}

/// With its standard error, 95 % interval and two-sided p of the normal distribution.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Coefficient {
    #[serde(flatten)]
    pub value: WithInterval,
    pub se: Option<f64>,
    pub p: Option<f64>,
}

/// Every outcome. `inclusion`: with which probability a row was drawn for people to label. Fails with a
/// sentence.
pub fn regressions(
    rows: &[Labelled],
    labels: &[String],
    plan: &Plan<'_>,
    inclusion: &dyn Fn(&Labelled) -> f64,
) -> Result<Vec<Regression>, String> {
    let Some(asked) = plan.regress else { return Ok(Vec::new()) };
    let (names, x) = design(rows, &asked.on)?;
    let model = match asked.model {
        RegressionModel::Linear => Model::Linear,
        RegressionModel::Logit => Model::Logit,
    };
    let outcomes: Vec<(String, Option<usize>)> = if plan.scale.is_some() {
        vec![("value on the scale".to_owned(), None)]
    } else {
        // Of two labels the second is the first's mirror image.
        let count = if labels.len() == 2 { 1 } else { labels.len() };
        labels.iter().take(count).cloned().zip((0..).map(Some)).collect()
    };
    let fitted = outcomes.into_iter().map(|(outcome, label)| {
        let list: Vec<Row> = rows
            .iter()
            .zip(&x)
            .filter_map(|(row, x)| {
                let x = x.clone()?;
                let (predicted, labelled) = plan.outcome(row, label)?;
                let labelled = labelled.map(|y| (Outcome { y, x: x.clone() }, inclusion(row)));
                Some(Row { predicted: Outcome { y: predicted, x }, labelled, cluster: None })
            })
            .collect();
        let fits =
            [dsl::human_only(&list, model), dsl::naive(&list, model), dsl::dsl(&list, model)];
        let terms = names.iter().enumerate().map(|(place, name)| {
            let [human_only, model_only, dsl] =
                fits.each_ref().map(|fit| Coefficient::of(fit, place));
            Term { name: name.clone(), human_only, model_only, dsl }
        });
        Regression { outcome, model: asked.model, rows: list.len(), terms: terms.collect() }
    });
    Ok(fitted.collect())
}

impl Coefficient {
    fn of(fit: &Result<Fit, Undefined>, place: usize) -> Self {
        let estimate = match fit {
            Ok(fit) => Estimate {
                estimate: Ok(fit.coefficients[place]),
                se: Ok(fit.standard_errors[place]),
            },
            Err(why) => Estimate::undefined(why),
        };
        Self {
            value: WithInterval::estimate(&estimate),
            se: estimate.se.ok(),
            p: fit.as_ref().ok().map(|fit| fit.p_two_sided[place]),
        }
    }
}

/// Names of terms, and what each row has for them.
type Design = (Vec<String>, Vec<Option<Vec<f64>>>);

/// The terms of the columns, and their values in each row; `None`: one of its cells is empty. A column of
/// words is one of 0 and 1 for each word but the first.
fn design(rows: &[Labelled], columns: &[String]) -> Result<Design, String> {
    let is_whole = |row: &Labelled| {
        row.covariates.len() == columns.len()
            && row.covariates.iter().all(|cell| !cell.trim().is_empty())
    };
    let mut names = vec!["(intercept)".to_owned()];
    let mut x: Vec<Option<Vec<f64>>> =
        rows.iter().map(|row| is_whole(row).then(|| vec![1.0])).collect();
    for (place, column) in columns.iter().enumerate() {
        let cells = rows.iter().zip(&x).filter(|(_, x)| x.is_some());
        let mut levels: Vec<&str> = cells.map(|(row, _)| row.covariates[place].trim()).collect();
        levels.sort_unstable();
        levels.dedup();
        let Some((first, others)) = levels.split_first().filter(|(_, others)| !others.is_empty())
        else {
            return Err(format!("“{column}” is the same in every row that has all columns"));
        };
        let are_numbers = levels.iter().all(|level| cell::number(level).is_some());
        if !are_numbers && levels.len() > MOST_GROUPS {
            return Err(format!(
                "“{column}” has {} different values which are not all numbers (“{first}”, “{}” and so \
                 on): a column of words may have {MOST_GROUPS}",
                levels.len(),
                others[0]
            ));
        }
        if are_numbers {
            names.push(column.clone());
        } else {
            names.extend(others.iter().map(|level| format!("{column}: {level}")));
        }
        for (row, x) in rows.iter().zip(&mut x) {
            let Some(x) = x else { continue };
            let said = row.covariates[place].trim();
            if are_numbers {
                x.extend(cell::number(said));
            } else {
                x.extend(others.iter().map(|level| f64::from(u8::from(*level == said))));
            }
        }
    }
    Ok((names, x))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::task::code::Regress;

    /// Of people alone, of the model alone, of both with its standard error: an own Newton of the formulas of
    /// Egami et al., whose first two equal statsmodels 0.15.0 (OLS, Logit).
    const LINEAR: [[f64; 4]; 3] = [
        [2.982_315_789, 3.785_540_897, 6.797_889_182, 48.198_183_43],
        [-0.001_263_157_895, -0.001_688_654_354, -0.003_166_226_913, 0.024_041_400_02],
        [-0.049_684_210_53, 0.000_211_081_794_2, -0.049_604_221_64, 0.172_868_515],
    ];
    const LOGIT: [[f64; 4]; 3] = [
        [10.244_641_56, 13.702_146_18, 25.982_004_75, 198.823_032_8],
        [-0.005_210_288_272, -0.007_036_678_281, -0.013_059_547_38, 0.099_174_957_75],
        [-0.203_505_826_2, 0.000_879_893_912_2, -0.203_245_345_8, 0.704_138_334],
    ];

    fn row(at: usize, covariates: [&str; 2]) -> Labelled {
        Labelled {
            model: (at * 7 % 5 > 1).into(),
            human: at.is_multiple_of(2).then(|| (at * 3 % 7 > 2).into()),
            expected: None,
            inclusion: Some(0.5),
            group: None,
            covariates: covariates.map(str::to_owned).to_vec(),
        }
    }

    fn rows() -> Vec<Labelled> {
        let year = |at: usize| (2000 + at % 11).to_string();
        (0..120).map(|at| row(at, [&year(at), if at % 3 == 0 { "east" } else { "west" }])).collect()
    }

    #[test]
    fn labels_are_regressed_on_columns_of_numbers_and_of_words() {
        for (model, right) in [(RegressionModel::Linear, LINEAR), (RegressionModel::Logit, LOGIT)] {
            let regress = Regress { on: vec!["year".to_owned(), "region".to_owned()], model };
            let plan = Plan { scale: None, regress: Some(&regress) };
            let labels = ["no", "yes"].map(str::to_owned);
            let found = regressions(&rows(), &labels, &plan, &|_| 0.5).unwrap();
            assert_eq!((found.len(), found[0].rows, found[0].outcome.as_str()), (1, 120, "no"));
            let terms: Vec<&str> = found[0].terms.iter().map(|term| term.name.as_str()).collect();
            assert_eq!(terms, ["(intercept)", "year", "region: west"]);
            for (term, right) in found[0].terms.iter().zip(right) {
                let near = |found: Option<f64>, right: f64| {
                    let found = found.unwrap();
                    let off = (found - right).abs() / right.abs().max(1.0);
                    assert!(off < 1e-6, "{}: {found}, not {right}", term.name);
                };
                near(term.human_only.value.value.value, right[0]);
                near(term.model_only.value.value.value, right[1]);
                near(term.dsl.value.value.value, right[2]);
                near(term.dsl.se, right[3]);
            }
        }
    }

    #[test]
    fn a_column_that_cannot_be_one_is_named() {
        let plan = |regress| Plan { scale: None, regress: Some(regress) };
        let labels = ["no", "yes"].map(str::to_owned);
        let regress =
            Regress { on: vec!["a".to_owned(), "b".to_owned()], model: RegressionModel::Linear };
        let said =
            |rows: &[Labelled]| regressions(rows, &labels, &plan(&regress), &|_| 0.5).unwrap_err();
        let alike: Vec<Labelled> = (0..40).map(|at| row(at, ["1", &at.to_string()])).collect();
        assert!(said(&alike).contains("“a” is the same in every row"), "{}", said(&alike));
        let many: Vec<Labelled> = (0..40).map(|at| row(at, [&format!("x{at}"), "1"])).collect();
        assert!(said(&many).contains("“a” has 40 different values"), "{}", said(&many));
        // A row without one of the values is left out, and the others stay.
        let mut gap = rows();
        gap[7].covariates[1].clear();
        let found = regressions(&gap, &labels, &plan(&regress), &|_| 0.5).unwrap();
        assert_eq!(found[0].rows, 119);
    }
}

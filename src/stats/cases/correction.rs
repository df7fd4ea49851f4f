//! `ppi_mean`, `difference_estimator`, `dsl`.

use serde_json::{Value, json};

use super::input::{Codes, Node, Problem, Read};
use super::output::{Got, estimate};
use crate::stats::correction::difference::{self, HumanLabel, Item};
use crate::stats::correction::dsl::{self, Fit, Model, Outcome, Row};
use crate::stats::correction::prediction_powered::Samples;
use crate::stats::special::Z95;
use crate::stats::undefined::Undefined;

const INCLUSION: &str = "an inclusion probability above 0 and at most 1";

fn is_inclusion(pi: f64) -> bool {
    pi > 0.0 && pi <= 1.0
}

pub fn ppi_mean(input: &Node<'_>) -> Read<Value> {
    let (y, f) = (input.key("y")?.numbers_or_missing()?, input.key("f_labelled")?);
    let labelled = f.numbers_or_missing()?;
    f.check_length(labelled.len(), y.len())?;
    let (people, model) = y.into_iter().zip(labelled).filter_map(|(y, f)| Some((y?, f?))).unzip();
    let model_only = input.key("f_unlabelled")?.numbers_or_missing()?;
    let samples = Samples { people, model, model_only: model_only.into_iter().flatten().collect() };
    let mut got = Got::default();
    got.set("n", samples.people.len());
    got.set("N", samples.model_only.len());
    got.set("human_only", estimate(&samples.human_only()).finish());
    got.set("model_only", estimate(&samples.naive()).finish());
    let tuned = samples.ppi_plus();
    let mut of_tuned = estimate(&tuned.estimate);
    of_tuned.put("lambda", tuned.lambda);
    got.set("ppi_plus", of_tuned.finish());
    got.set("ppi", estimate(&samples.ppi()).finish());
    got.put_with("ppi_py", samples.ppi_py(), |(lambda, estimate, se)| {
        let (low, high) = (estimate - Z95 * se, estimate + Z95 * se);
        json!({ "lambda": lambda, "estimate": estimate, "low": low, "high": high })
    });
    got.put("rho", samples.correlation());
    got.put("n_effective_large_N", samples.effective_size());
    Ok(got.finish())
}

pub fn difference_estimator(input: &Node<'_>) -> Read<Value> {
    let columns = input.key("columns")?;
    let names = columns.texts()?;
    let place = |name: &str| {
        let found = names.iter().position(|column| column == name);
        found.ok_or_else(|| columns.problem(format!("a column {name:?} among the others")))
    };
    let places = [place("stratum")?, place("f")?, place("y")?, place("pi")?];
    let rows = input.key("items")?.list()?;
    let mut cells: Vec<[Node<'_>; 4]> = Vec::with_capacity(rows.len());
    for row in &rows {
        let list = row.list()?;
        row.check_length(list.len(), names.len())?;
        cells.push(places.map(|place| list[place].clone()));
    }
    // A row without a prediction or a stratum is left out.
    cells.retain(|[stratum, f, ..]| !stratum.value.is_null() && !f.value.is_null());
    let strata: Vec<Value> = cells.iter().map(|row| row[0].value.clone()).collect();
    let strata = Value::from(strata);
    let codes = Codes::occurring(&[&Node { value: &strata, at: "input.items".to_owned() }])?;
    let mut items = Vec::with_capacity(cells.len());
    for [stratum, f, y, pi] in &cells {
        let human = if y.value.is_null() {
            None
        } else {
            let inclusion = pi.number_where(is_inclusion, INCLUSION)?;
            Some(HumanLabel { label: y.number()?, inclusion })
        };
        let stratum = codes.number(stratum.value).unwrap_or(0);
        items.push(Item { stratum, model: f.number()?, human });
    }
    let names: Vec<String> = codes.values.iter().map(|value| plain(value)).collect();
    let mut got = Got::default();
    got.set("N", items.len());
    got.set("n", items.iter().filter(|item| item.human.is_some()).count());
    got.put("model_only", difference::model_only(&items));
    let mut stratified = estimate(&difference::stratified(&items, &names));
    let counts = difference::strata(&items, names.len());
    let strata: Vec<Value> = counts
        .iter()
        .zip(&codes.values)
        .map(|(of, name)| json!([name, of.items, of.labelled]))
        .collect();
    stratified.set("strata", strata);
    got.set("stratified", stratified.finish());
    got.set("horvitz_thompson", estimate(&difference::horvitz_thompson(&items)).finish());
    let human_only = difference::horvitz_thompson_human_only(&items);
    got.set("human_only_horvitz_thompson", estimate(&human_only).finish());
    got.put("human_only_hajek", difference::hajek(&items));
    Ok(got.finish())
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub fn dsl(input: &Node<'_>) -> Read<Value> {
    let model_node = input.key("model")?;
    let model = match model_node.text()? {
        "mean" | "lm" => Model::Linear,
        "logit" => Model::Logit,
        _ => return Err(model_node.problem("\"mean\", \"lm\" or \"logit\"")),
    };
    let y = input.key("y")?.numbers_or_missing()?;
    let as_long = |node: &Node<'_>, found: usize| node.check_length(found, y.len());
    let g_node = input.key("g")?;
    let g = g_node.numbers_or_missing()?;
    as_long(&g_node, g.len())?;
    let pi_node = input.key("pi")?;
    let pi = pi_node.or_missing(INCLUSION, is_inclusion)?;
    as_long(&pi_node, pi.len())?;
    let x = covariates(input, y.len(), model_node.text()? == "mean")?;
    let last = |key: &str| -> Read<Option<Vec<Option<f64>>>> {
        let Some(node) = input.optional(key)? else { return Ok(None) };
        let numbers = node.numbers_or_missing()?;
        as_long(&node, numbers.len())?;
        Ok(Some(numbers))
    };
    let (x_labelled, x_predicted) = (last("x_labelled")?, last("x_predicted")?);
    if x_labelled.is_some() != x_predicted.is_some() {
        let (missing, there) = if x_labelled.is_some() {
            ("x_predicted", "x_labelled")
        } else {
            ("x_labelled", "x_predicted")
        };
        return Err(Problem {
            at: format!("input.{missing}"),
            found: "not there".to_owned(),
            expected: format!("a list beside \"{there}\""),
        });
    }
    let clusters = clusters(input, y.len())?;
    let mut rows = Vec::with_capacity(y.len());
    let mut inclusions = Vec::with_capacity(y.len());
    for i in 0..y.len() {
        let outcome = |y: Option<f64>, last: Option<&Vec<Option<f64>>>| -> Option<Outcome> {
            let mut row = x[i].clone()?;
            if let Some(last) = last {
                row.push(last[i]?);
            }
            Some(Outcome { y: y?, x: row })
        };
        // A row without a prediction or a covariate is left out.
        let Some(predicted) = outcome(g[i], x_predicted.as_ref()) else { continue };
        let original = outcome(y[i], x_labelled.as_ref());
        let labelled = match (original, pi[i]) {
            (Some(original), Some(pi)) => Some((original, pi)),
            (Some(_), None) => {
                return Err(Problem {
                    at: format!("input.pi[{i}]"),
                    found: "missing (null), and the row has a human label".to_owned(),
                    expected: INCLUSION.to_owned(),
                });
            }
            (None, _) => None,
        };
        inclusions.extend(pi[i]);
        rows.push(Row { predicted, labelled, cluster: clusters.as_ref().map(|of| of[i]) });
    }
    let mut got = Got::default();
    got.set("n", rows.len());
    got.set("labelled", rows.iter().filter(|row| row.labelled.is_some()).count());
    got.set("dsl", fit(dsl::dsl(&rows, model)));
    let rescaled = dsl::rescaled(&rows, &inclusions);
    got.set("dsl_r_rescaled_pi", fit(dsl::dsl(&rescaled, model)));
    got.set("naive", fit(dsl::naive(&rows, model)));
    got.set("human_only", fit(dsl::human_only(&rows, model)));
    Ok(got.finish())
}

/// A 1 and the covariates of each row; `None` for a row that lacks one.
fn covariates(input: &Node<'_>, count: usize, only_mean: bool) -> Read<Vec<Option<Vec<f64>>>> {
    let node = if only_mean { None } else { input.optional("x")? };
    let Some(node) = node else { return Ok(vec![Some(vec![1.0]); count]) };
    let lists = node.list()?;
    node.check_length(lists.len(), count)?;
    let mut width = None;
    let mut rows = Vec::with_capacity(count);
    for list in lists {
        if list.value.is_null() {
            rows.push(None);
            continue;
        }
        let numbers = list.numbers_or_missing()?;
        list.check_length(numbers.len(), *width.get_or_insert(numbers.len()))?;
        rows.push(std::iter::once(Some(1.0)).chain(numbers).collect());
    }
    Ok(rows)
}

fn clusters(input: &Node<'_>, count: usize) -> Read<Option<Vec<usize>>> {
    let Some(node) = input.optional("cluster")? else { return Ok(None) };
    let codes = Codes::occurring(&[&node])?;
    let numbers = codes.read(&node)?;
    node.check_length(numbers.len(), count)?;
    Ok(Some(numbers))
}

fn fit(fit: Result<Fit, Undefined>) -> Value {
    let mut got = Got::default();
    got.put_list("coefficients", fit.clone().map(|of| of.coefficients));
    got.put_list("standard_errors", fit.clone().map(|of| of.standard_errors));
    got.put_list("p_two_sided", fit.map(|of| of.p_two_sided));
    got.finish()
}

//! `classification`, `multilabel`, `probabilities`, `wilson`, `mcnemar`, `paired_bootstrap`.

use serde_json::{Value, json};

use super::agreement::cross_table;
use super::input::{Codes, Node, Read};
use super::output::Got;
use crate::stats::classification::confusion::{self, AverageScores};
use crate::stats::classification::multilabel::set_scores;
use crate::stats::classification::probabilities::{
    self as forecasts, Bin, ClassForecast, Forecast,
};
use crate::stats::paired::{self, Discordance};

const PROBABILITY: &str = "a probability from 0 to 1";

pub fn classification(input: &Node<'_>) -> Read<Value> {
    let (table, cells) = cross_table(input, "y_true", "y_pred")?;
    let labels = Codes::declared(&input.key("labels")?)?.values;
    let weighted = input.optional("weights")?.is_some();
    let mut got = Got::default();
    got.set("n", table.items);
    got.set("confusion", cells);
    got.put("accuracy", confusion::accuracy(&table));
    got.put("balanced_accuracy", confusion::balanced_accuracy(&table));
    let mut put = |name: &str, scores: AverageScores| {
        got.put(&format!("{name}_precision"), scores.precision);
        got.put(&format!("{name}_recall"), scores.recall);
        got.put(&format!("{name}_f1"), scores.f1);
    };
    put("macro", confusion::macro_average(&table));
    let micro = confusion::micro_average(&table);
    put(
        "micro",
        AverageScores {
            precision: Ok(micro.precision),
            recall: Ok(micro.recall),
            f1: Ok(micro.f1),
        },
    );
    put("weighted", confusion::weighted_average(&table));
    got.put("macro_f1_declared", confusion::macro_f1_declared(&table));
    let per_class = confusion::per_label(&table).into_iter().zip(labels).map(|(of, label)| {
        let support = if weighted { json!(of.support) } else { json!(of.support as u64) };
        json!({
            "label": label,
            "precision": of.scores.precision,
            "recall": of.scores.recall,
            "f1": of.scores.f1,
            "support": support,
        })
    });
    got.set("per_class", per_class.collect::<Vec<Value>>());
    got.set("mcc", confusion::matthews_correlation(&table));
    Ok(got.finish())
}

pub fn multilabel(input: &Node<'_>) -> Read<Value> {
    let codes = Codes::declared(&input.key("labels")?)?;
    let sets = |key: &str| -> Read<Vec<Option<Vec<bool>>>> {
        let read = |item: Node<'_>| {
            if item.value.is_null() {
                return Ok(None);
            }
            let mut set = vec![false; codes.len()];
            codes.read(&item)?.into_iter().for_each(|label| set[label] = true);
            Ok(Some(set))
        };
        input.key(key)?.list()?.into_iter().map(read).collect()
    };
    let (truth, predicted) = (sets("y_true")?, sets("y_pred")?);
    input.key("y_pred")?.check_length(predicted.len(), truth.len())?;
    let items: Vec<(Vec<bool>, Vec<bool>)> =
        truth.into_iter().zip(predicted).filter_map(|(a, b)| Some((a?, b?))).collect();
    let of = set_scores(&items, codes.len());
    let mut got = Got::default();
    got.set("n", of.items);
    got.put("subset_accuracy", of.subset_accuracy);
    got.put("hamming_loss", of.hamming_loss);
    got.set("micro_f1", of.micro_f1);
    got.set("micro_jaccard", of.micro_jaccard);
    got.put("macro_f1", of.macro_f1);
    got.put("macro_jaccard", of.macro_jaccard);
    got.put("samples_f1", of.samples_f1);
    got.put("samples_jaccard", of.samples_jaccard);
    got.put("samples_jaccard_both_empty_is_1", of.samples_jaccard_both_empty_is_1);
    Ok(got.finish())
}

fn bins_as_json(bins: &[Bin]) -> Value {
    let bin = |bin: &Bin| json!([bin.bin, bin.items, bin.mean_probability, bin.share]);
    bins.iter().map(bin).collect()
}

pub fn probabilities_binary(input: &Node<'_>) -> Read<Value> {
    let (y, p) = (input.key("y")?, input.key("p")?);
    let happened = y.truths_or_missing()?;
    let stated = p.or_missing(PROBABILITY, |p| (0.0..=1.0).contains(&p))?;
    p.check_length(stated.len(), happened.len())?;
    let weights = input.weights(stated.len())?;
    let items: Vec<Forecast> = (0..stated.len())
        .filter_map(|i| {
            let weight = weights.as_ref().map_or(Some(1.0), |weights| weights[i])?;
            Some(Forecast { probability: stated[i]?, happened: happened[i]?, weight })
        })
        .collect();
    let bins = forecasts::calibration_bins(&items);
    let mut got = Got::default();
    got.set("n", items.len());
    got.put("brier", forecasts::brier(&items));
    got.put("log_loss", forecasts::log_loss(&items));
    got.put("ece", forecasts::calibration_error(&bins));
    got.set("ece_bins", bins_as_json(&bins));
    got.put("auroc", forecasts::auroc(&items));
    got.put("average_precision", forecasts::average_precision(&items));
    Ok(got.finish())
}

pub fn probabilities_multiclass(input: &Node<'_>) -> Read<Value> {
    let (y, p) = (input.key("y")?, input.key("p")?);
    let rows = p.list()?;
    let mut classes = None;
    let mut stated: Vec<Option<Vec<f64>>> = Vec::with_capacity(rows.len());
    for row in &rows {
        if row.value.is_null() {
            stated.push(None);
            continue;
        }
        let numbers = row.or_missing(PROBABILITY, |p| (0.0..=1.0).contains(&p))?;
        row.check_length(numbers.len(), *classes.get_or_insert(numbers.len()))?;
        stated.push(numbers.into_iter().collect());
    }
    let classes = classes.unwrap_or(0);
    let expected = format!("the number of a class, from 0 and below {classes}, or null");
    let is_class = |class: f64| class.fract() == 0.0 && (0.0..classes as f64).contains(&class);
    let truth = y.or_missing(&expected, is_class)?;
    p.check_length(stated.len(), truth.len())?;
    let weights = input.weights(stated.len())?;
    let items: Vec<ClassForecast> = stated
        .into_iter()
        .enumerate()
        .filter_map(|(i, probabilities)| {
            let weight = weights.as_ref().map_or(Some(1.0), |weights| weights[i])?;
            Some(ClassForecast { probabilities: probabilities?, class: truth[i]? as usize, weight })
        })
        .collect();
    let top = forecasts::top_label(&items);
    let bins = forecasts::calibration_bins(&top);
    let mut got = Got::default();
    got.set("n", items.len());
    got.set("k", classes);
    got.put("brier", forecasts::brier_of_classes(&items));
    got.put("log_loss", forecasts::log_loss_of_classes(&items));
    got.put("accuracy", forecasts::accuracy(&top));
    got.put("ece_top_label", forecasts::calibration_error(&bins));
    got.set("ece_bins", bins_as_json(&bins));
    got.put("auroc_ovr_macro", forecasts::auroc_one_against_rest(&items));
    Ok(got.finish())
}

pub fn wilson(input: &Node<'_>) -> Read<Value> {
    let count = input.key("n")?.number_where(|n| n >= 0.0, "a number from 0")?;
    let within = |k: f64| (0.0..=count).contains(&k);
    let successes =
        input.key("k")?.number_where(within, &format!("a number from 0 to n = {count}"))?;
    let level = input
        .key("level")?
        .number_where(|level| level > 0.0 && level < 1.0, "a level between 0 and 1, as 0.95")?;
    let share = paired::wilson(successes, count, level);
    let mut got = Got::default();
    got.put("proportion", share.clone().map(|share| share.share));
    got.put("low", share.clone().map(|share| share.low));
    got.put("high", share.map(|share| share.high));
    Ok(got.finish())
}

pub fn mcnemar(input: &Node<'_>) -> Read<Value> {
    let (a, b) = (input.key("a_correct")?, input.key("b_correct")?);
    let (first, second) = (a.truths_or_missing()?, b.truths_or_missing()?);
    b.check_length(second.len(), first.len())?;
    let pairs = first.into_iter().zip(second).filter_map(|(a, b)| Some((a?, b?)));
    let counts = Discordance::new(pairs);
    let Discordance { both, only_a, only_b, neither } = counts;
    Ok(json!({
        "both": both,
        "only_a": only_a,
        "only_b": only_b,
        "neither": neither,
        "p_exact": counts.exact_p(),
    }))
}

pub fn paired_bootstrap(input: &Node<'_>) -> Read<Value> {
    let (a, b) = (input.key("a")?.numbers_or_missing()?, input.key("b")?);
    let second = b.numbers_or_missing()?;
    b.check_length(second.len(), a.len())?;
    let level = input
        .key("level")?
        .number_where(|level| (0.0..=1.0).contains(&level), "a level from 0 to 1, as 0.95")?;
    let resamples = input.key("resamples")?.list()?;
    let resamples: Vec<Vec<usize>> =
        resamples.iter().map(|resample| resample.positions(a.len())).collect::<Read<_>>()?;
    let differences: Vec<Option<f64>> =
        a.into_iter().zip(second).map(|(a, b)| Some(b? - a?)).collect();
    let of = paired::paired_bootstrap(&differences, &resamples, level);
    let mut got = Got::default();
    got.put("difference", of.difference);
    got.put("low", of.low);
    got.put("high", of.high);
    got.put("share_of_resamples_above_zero", of.share_above_zero);
    Ok(got.finish())
}

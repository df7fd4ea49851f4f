//! `alt_test`, `selective_risk`, `human_ceiling`.

use serde_json::{Value, json};

use super::input::{Codes, Node, Read};
use super::output::Got;
use crate::stats::replacement::alternative_annotator::{
    Labels, Score, Settings, alternative_annotator,
};
use crate::stats::replacement::ceiling::{self, Distances, Item};
use crate::stats::replacement::selective::{Checked, certified, sequential_tests, smallest_sample};
use crate::stats::undefined::{Number, ratio};

pub fn alt_test(input: &Node<'_>) -> Read<Value> {
    let score_node = input.key("score")?;
    let score = match score_node.text()? {
        "accuracy" => Score::Accuracy,
        "neg_rmse" => Score::NegativeRmse,
        _ => return Err(score_node.problem("\"accuracy\" or \"neg_rmse\"")),
    };
    let settings = Settings {
        epsilon: input.key("epsilon")?.number()?,
        q: input.key("q")?.number()?,
        score,
        min_items: input.key("min_items")?.count()?,
    };
    let model = input.key("llm")?;
    let humans = input.key("humans")?;
    let names: Vec<&String> = humans.object()?.keys().collect();
    let lists: Vec<Node<'_>> = names.iter().map(|name| humans.key(name)).collect::<Read<_>>()?;
    let everything: Vec<&Node<'_>> = lists.iter().chain([&model]).collect();
    let codes = Codes::occurring(&everything)?;
    let read = |node: &Node<'_>| -> Read<Vec<Option<f64>>> {
        match score {
            Score::NegativeRmse => node.numbers_or_missing(),
            Score::Accuracy => {
                let labels = codes.read_or_missing(node)?;
                Ok(labels.into_iter().map(|label| label.map(|label| label as f64)).collect())
            }
        }
    };
    let labels =
        Labels { model: read(&model)?, humans: lists.iter().map(read).collect::<Read<_>>()? };
    for (list, of) in lists.iter().zip(&labels.humans) {
        list.check_length(of.len(), labels.model.len())?;
    }
    let verdict = alternative_annotator(&labels, settings);
    let mut got = Got::default();
    got.set("items_used", verdict.items_used);
    got.set("items_dropped", verdict.items_dropped);
    let skipped = verdict.skipped.iter().map(|(human, items)| json!([names[*human], items]));
    got.set("skipped", skipped.collect::<Vec<Value>>());
    got.set("enough_annotators", verdict.annotators.len() >= 3);
    let annotators = verdict.annotators.iter().map(|of| {
        json!({
            "name": names[of.human],
            "items": of.items,
            "llm_advantage": of.model_advantage,
            "human_advantage": of.human_advantage,
            "p": of.p,
            "p_adjusted": of.p_adjusted,
            "rejected": of.rejected,
        })
    });
    got.set("annotators", annotators.collect::<Vec<Value>>());
    let none = || "no annotator has enough items".into();
    got.put("winning_rate", verdict.winning_rate.ok_or_else(none));
    got.put("advantage_probability", verdict.advantage_probability.ok_or_else(none));
    let few = if verdict.annotators.is_empty() {
        none()
    } else {
        "fewer than three annotators with enough items".into()
    };
    got.put_with("passed", verdict.passed.ok_or(few), Value::from);
    Ok(got.finish())
}

pub fn selective_risk(input: &Node<'_>) -> Read<Value> {
    let share = |key: &str| {
        input.key(key)?.number_where(|value| (0.0..=1.0).contains(&value), "a number from 0 to 1")
    };
    let (epsilon, delta) = (share("epsilon")?, share("delta")?);
    let confidence = input.key("confidence")?.numbers_or_missing()?;
    let wrong_node = input.key("wrong")?;
    let wrong = wrong_node.truths_or_missing()?;
    wrong_node.check_length(wrong.len(), confidence.len())?;
    let labels: Vec<Checked> = confidence
        .into_iter()
        .zip(wrong)
        .filter_map(|(confidence, wrong)| Some(Checked { confidence: confidence?, wrong: wrong? }))
        .collect();
    let thresholds = input.key("thresholds")?.numbers()?;
    let tests = sequential_tests(&labels, &thresholds, epsilon, delta);
    let threshold = certified(&tests, delta);
    let mut got = Got::default();
    let as_json = tests.iter().map(|test| {
        json!({
            "threshold": test.threshold,
            "n": test.items,
            "errors": test.errors,
            "p": test.p,
            "upper": test.upper,
        })
    });
    got.set("tests", as_json.collect::<Vec<Value>>());
    let reason = if tests.is_empty() {
        "no threshold was given: nothing may be accepted without a human"
    } else {
        "the first threshold's test fails: nothing may be accepted without a human"
    };
    got.put("certified_threshold", threshold.ok_or_else(|| reason.into()));
    let accepted = threshold
        .map_or(0, |threshold| labels.iter().filter(|label| label.confidence >= threshold).count());
    let accepted_share = if accepted == 0 { 0.0 } else { accepted as f64 / labels.len() as f64 };
    got.set("accepted_share", accepted_share);
    let never = || "no number of labels is enough: epsilon or delta is 0".into();
    let smallest = |errors| smallest_sample(errors, epsilon, delta).ok_or_else(never);
    got.put_with("smallest_n_zero_errors", smallest(0), Value::from);
    let by_errors = (0..=3).map(smallest).collect::<Result<Vec<u64>, _>>();
    got.put_with("smallest_n_by_errors", by_errors, Value::from);
    Ok(got.finish())
}

pub fn human_ceiling(input: &Node<'_>) -> Read<Value> {
    let codes = Codes::declared(&input.key("labels")?)?;
    let mut all: Vec<Distances> = Vec::new();
    for item in input.key("items")?.list()? {
        let humans = codes.read_or_missing(&item.key("humans")?)?;
        let model = item.key("model")?;
        let masses = model.masses()?;
        model.check_length(masses.len(), codes.len())?;
        let half = item.key("half")?.positions(humans.len())?;
        // People who gave no label are left out; positions count those who are there.
        let place = |person: &usize| humans[..*person].iter().flatten().count();
        let half = half.iter().filter(|person| humans[**person].is_some()).map(place).collect();
        let humans = humans.iter().flatten().copied().collect();
        all.push(ceiling::distances(&Item { humans, model: masses, half }, codes.len()));
    }
    let mut got = Got::default();
    let row = |of: &Distances| -> Value {
        let cells = [&of.machine, &of.given_halves, &of.all_halves];
        cells.into_iter().map(|cell| cell.clone().map_or(Value::Null, Value::from)).collect()
    };
    got.set("per_item", all.iter().map(row).collect::<Vec<Value>>());
    let missing = all.iter().find_map(|of| {
        [&of.machine, &of.given_halves, &of.all_halves]
            .into_iter()
            .find_map(|cell| cell.clone().err())
    });
    if let Some(reason) = missing {
        got.because("per_item", &reason.to_string());
    }
    let mean = |of: fn(&Distances) -> &Number| -> Number {
        let there: Vec<f64> = all.iter().filter_map(|one| of(one).clone().ok()).collect();
        ratio(there.iter().sum(), there.len() as f64, "no item has this distance")
    };
    let (machine, ceiling) = (mean(|of| &of.machine), mean(|of| &of.all_halves));
    got.put("machine_distance", machine.clone());
    got.put("ceiling_given_halves", mean(|of| &of.given_halves));
    got.put("ceiling_all_halves", ceiling.clone());
    let within = machine.and_then(|machine| Ok(machine <= ceiling?));
    got.put_with("machine_within_ceiling", within, Value::from);
    Ok(got.finish())
}

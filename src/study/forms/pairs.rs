//! Verdicts of a study of pairs as a project's verdicts on pairs are: for every form that those can
//! leave in, and for training.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::data::pair::{Text, Verdict as Judged};
use crate::data::pair_forms::PairForm;
use crate::data::record::{RECORD_VERSION, ShownAnswer, VerdictRecord};
use crate::data::remarks::Remarks;
use crate::study::disagreement;
use crate::study::folder::{Folder, SETTLED_BY};
use crate::study::item::Role;
use crate::study::log::Verdict;
use crate::study::value::Value;
use crate::study::variable::{BOTH_BAD, FIRST, SECOND, TIE};

/// Every coder's verdicts, first looks at what was to be judged.
pub fn all(folder: &Folder) -> Vec<VerdictRecord> {
    let Some(better) = folder.study.codebook.better() else { return Vec::new() };
    let mut records = Vec::new();
    for log in &folder.logs {
        let counting = log.counting().filter(|verdict| verdict.pass == 1);
        for verdict in counting.filter(|verdict| is_coded(folder, verdict.item)) {
            let Some(value) = verdict.value(better) else { continue };
            records.extend(record(folder, verdict, &log.coder, value));
        }
    }
    records
}

/// One verdict a pair, to train on: what was settled, else what most coders say. Where as many say one
/// thing as another, there is none.
pub fn agreed(folder: &Folder) -> Vec<VerdictRecord> {
    let Some(better) = folder.study.codebook.better() else { return Vec::new() };
    let mut records = Vec::new();
    for item in (0..folder.items.len()).filter(|item| is_coded(folder, *item)) {
        let first = folder.logs.iter().find_map(|log| log.verdict(item, 1));
        if let Some((value, _)) = disagreement::settled(folder, item, better) {
            let verdict = folder.settled.verdict(item, 1);
            records.extend(verdict.and_then(|said| record(folder, said, SETTLED_BY, &value)));
            continue;
        }
        let mut votes = BTreeMap::<String, (usize, &Value)>::new();
        for log in &folder.logs {
            let value = log.verdict(item, 1).and_then(|verdict| verdict.value(better));
            if let Some(value) = value.filter(|value| value.is_known()) {
                votes.entry(value.to_cell()).or_insert((0, value)).0 += 1;
            }
        }
        let most = votes.values().map(|(count, _)| *count).max().unwrap_or_default();
        let mut winners = votes.values().filter(|(count, _)| *count == most);
        if let (Some((_, value)), None) = (winners.next(), winners.next()) {
            records.extend(first.and_then(|said| record(folder, said, "majority", value)));
        }
    }
    records
}

/// What goes into a form: to be trained on, one verdict a pair; else every coder's.
pub fn records(folder: &Folder, form: PairForm) -> Vec<VerdictRecord> {
    if form.is_for_training() { agreed(folder) } else { all(folder) }
}

fn is_coded(folder: &Folder, item: usize) -> bool {
    folder.items[item].role == Role::Coding
}

/// A verdict as it stood on the coder's screen.
fn record(folder: &Folder, said: &Verdict, coder: &str, value: &Value) -> Option<VerdictRecord> {
    let item = &folder.items[said.item];
    let answers = item.answers.as_deref()?;
    let left = usize::from(said.left.unwrap_or_default());
    let better = |answer: usize| if answer == left { Judged::Left } else { Judged::Right };
    let verdict = match value {
        Value::Words(words) => match words.as_str() {
            FIRST => better(0),
            SECOND => better(1),
            TIE => Judged::Tie,
            BOTH_BAD => Judged::BothBad,
            _ => return None,
        },
        Value::DontKnow => Judged::Skip,
        _ => return None,
    };
    let study = &folder.study;
    let mut codes = Map::new();
    for (place, value) in said.values.iter() {
        let variable = &study.codebook.variables[usize::from(*place)];
        codes.insert(variable.name.clone(), value.to_json());
    }
    let mut more = Map::new();
    let models = folder.origins.get(&said.item);
    for (key, answer) in [("left_model", left), ("right_model", 1 - left)] {
        if let Some(model) = models.and_then(|models| models[answer].as_ref()) {
            more.insert(key.to_owned(), json!(model));
        }
    }
    more.insert("coder".to_owned(), json!(coder));
    more.insert(
        "study".to_owned(),
        json!({
            "name": study.name, "hash": folder.hash(), "item": item.id, "pass": said.pass,
            "inclusion_probability": item.inclusion, "guideline_version": *said.guideline,
            "codes": codes,
        }),
    );
    let shown = |answer: usize| ShownAnswer {
        text: answers[answer].clone(),
        stop: Some("given".to_owned()),
        ..ShownAnswer::default()
    };
    let prompt = item.prompt.as_deref().cloned().unwrap_or_else(|| Text::Plain(item.text.clone()));
    Some(VerdictRecord {
        version: RECORD_VERSION,
        id: format!("{}/{}/{coder}", &folder.hash()[..8], item.id),
        created_at: said.at.to_string(),
        prompt,
        rendered_prompt: String::new(),
        left: shown(left),
        right: shown(1 - left),
        left_lane: left,
        verdict,
        seconds_taken: (f64::from(said.seconds) * 1000.0).round() / 1000.0,
        guideline: study.codebook.guideline.trim().to_owned(),
        model: Json::Null,
        adapter: None,
        sampling: Json::Null,
        max_new_tokens: 0,
        program: study.program.clone(),
        remarks: Remarks {
            reason: said.reason.as_deref().unwrap_or_default().to_owned(),
            flagged: said.flagged,
            ..Remarks::default()
        },
        more,
    })
}

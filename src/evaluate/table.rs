//! The table that was asked about, with the answers beside it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::judged::{JUDGED, pairs};
use super::manner::Manner;
use super::prompt::letter;
use super::question::Questions;
use super::results::{Answered, SUBMISSION, TABLE};
use super::scale::LabelScale;
use super::several;
use super::task::Task;
use super::written::cell;
use crate::stats::ranking::multiple_choice::ranked;
use crate::study::make::PROBLEM;

/// How the columns with the model's probabilities of labels begin.
pub const OF_MODEL: &str = "model_p_";

/// Every table of the folder, by its name.
pub fn all(
    task: &Task,
    questions: &Questions,
    answered: &BTreeMap<u64, Answered>,
) -> Vec<(&'static str, Vec<u8>)> {
    let mut tables = Vec::new();
    if task.exam.is_some() {
        tables.push((SUBMISSION, submission(questions, answered)));
    }
    if let Some(judge) = &task.judge {
        tables.push((JUDGED, pairs((judge, &task.model), questions, answered)));
    }
    // Whoever finds this one takes the evaluation to be complete.
    tables.push((TABLE, csv(questions, answered)));
    tables
}

/// The three likeliest options of each row by their letters. A row that could not be asked has none.
fn submission(questions: &Questions, answered: &BTreeMap<u64, Answered>) -> Vec<u8> {
    const GUESSES: usize = 3;

    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut write = |fields: [&str; 2]| {
        writer.write_record(fields).expect("memory can be written, and all rows are as wide");
    };
    write(["id", "prediction"]);
    for question in &questions.list {
        let row = question.row.place.row;
        let Some(answer) = answered.get(&row) else { continue };
        let guesses = ranked(&answer.probabilities)
            .into_iter()
            .take(GUESSES)
            .map(|option| letter(option).to_string());
        let id = question.id.as_ref().map_or_else(|| row.to_string(), |id| in_a_cell(Some(id)));
        write([&id, &guesses.collect::<Vec<String>>().join(" ")]);
    }
    writer.into_inner().expect("memory can be written")
}

/// The table with the answers beside it, as CSV.
fn csv(questions: &Questions, answered: &BTreeMap<u64, Answered>) -> Vec<u8> {
    let columns = &questions.report.columns;
    let width = questions.list.iter().map(|question| question.options.len()).max().unwrap_or(0);
    let has_orders = answered.values().any(|row| row.same_answer.is_some());
    let mut header: Vec<String> = columns.clone();
    let is_written = answered.values().any(|row| row.written.is_some());
    if is_written {
        return written(questions, answered);
    }
    // Of a survey also who answered, and the distributions that were read in other ways.
    let ways: std::collections::BTreeSet<Manner> = answered
        .values()
        .filter_map(|row| row.surveyed.as_ref())
        .flat_map(|surveyed| surveyed.ways.keys().copied())
        .collect();
    if !ways.is_empty() {
        header.extend(["persona", "persona_group"].map(str::to_owned));
    }
    header.push("model_answer".to_owned());
    for index in 0..width {
        // Where every row has the same options a column is named by its own.
        let labels = questions.labels.as_ref();
        let name = labels
            .and_then(|labels| labels.get(index))
            .cloned()
            .unwrap_or_else(|| letter(index).to_string());
        header.push(format!("{OF_MODEL}{name}"));
    }
    let scale = questions.codebook.as_ref().and_then(LabelScale::of);
    if scale.is_some() {
        header.push("model_expected".to_owned());
    }
    header.extend(["model_entropy_bits", "model_margin", "model_mass"].map(str::to_owned));
    if has_orders {
        header.push("model_same_answer".to_owned());
    }
    let name = |way: &Manner| way.words().replace(", ", "_").replace(' ', "_");
    for way in &ways {
        header.extend((0..width).map(|index| format!("{}_p_{}", name(way), letter(index))));
        header.push(format!("{}_other", name(way)));
    }
    // Answers of a server that gives no probabilities of them.
    let is_approximate = answered.values().any(|row| row.approximate);
    if is_approximate {
        header.push("model_approximate".to_owned());
    }
    header.extend(["model_cut_tokens", PROBLEM].map(str::to_owned));
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut write = |fields: Vec<String>| {
        writer.write_record(fields).expect("memory can be written, and all rows are as wide");
    };
    write(header);
    for question in &questions.list {
        let Some(answer) = answered.get(&question.row.place.row) else { continue };
        let mut fields: Vec<String> =
            columns.iter().map(|column| in_a_cell(question.row.fields.get(column))).collect();
        if !ways.is_empty() {
            fields.push(question.part("persona").unwrap_or_default().into_owned());
            fields.push(question.group.clone().unwrap_or_default());
        }
        fields.push(match &answer.several {
            Some(one) => several::in_a_cell(&question.options, &one.applies),
            None => answer.answer.clone().unwrap_or_default(),
        });
        let is_there = answer.problem.is_none() && !answer.approximate;
        let number = |value: f64| if is_there { value.to_string() } else { String::new() };
        for index in 0..width {
            fields.push(answer.probabilities.get(index).map(f64::to_string).unwrap_or_default());
        }
        if let Some(scale) = &scale {
            let expected = scale.expected(&answer.probabilities);
            fields.push(expected.map(|value| value.to_string()).unwrap_or_default());
        }
        fields.extend([number(answer.entropy), number(answer.margin), number(answer.mass)]);
        if has_orders {
            fields.push(answer.same_answer.map(|share| share.to_string()).unwrap_or_default());
        }
        for way in &ways {
            let found = answer.surveyed.as_ref().and_then(|surveyed| surveyed.ways.get(way));
            for index in 0..width {
                let share = found.and_then(|found| found.probabilities.get(index));
                fields.push(share.map(f64::to_string).unwrap_or_default());
            }
            fields.push(found.map(|found| found.other.to_string()).unwrap_or_default());
        }
        if is_approximate {
            fields.push(if answer.approximate { "yes".to_owned() } else { String::new() });
        }
        fields.push(answer.cut.map(|cut| cut.to_string()).unwrap_or_default());
        fields.push(answer.problem.clone().unwrap_or_default());
        write(fields);
    }
    writer.into_inner().expect("memory can be written")
}

/// Of answers that were written: one column, or one a field and one a quote.
fn written(questions: &Questions, answered: &BTreeMap<u64, Answered>) -> Vec<u8> {
    let columns = questions.report.columns.iter();
    let columns: Vec<&String> =
        columns.filter(|column| questions.repeated.as_ref() != Some(column)).collect();
    let has_passages = questions.list.iter().any(|question| question.excerpt.is_some());
    let mut fields: Vec<&String> = Vec::new();
    let mut quotes: Vec<&String> = Vec::new();
    for written in answered.values().filter_map(|row| row.written.as_ref()) {
        for name in written.fields.keys() {
            if !fields.contains(&name) {
                fields.push(name);
            }
        }
        for name in written.quotes.keys() {
            if !quotes.contains(&name) {
                quotes.push(name);
            }
        }
    }
    let mut header: Vec<String> = columns.iter().map(|column| (*column).clone()).collect();
    if fields.is_empty() {
        header.push("model_answer".to_owned());
    }
    header.extend(fields.iter().map(|name| format!("model_{name}")));
    header.extend(quotes.iter().map(|name| format!("model_{name}_in_text")));
    if has_passages {
        let names = ["model_read_passages", "model_passage_scores", "model_left_out_passages"];
        header.extend(names.map(str::to_owned));
    }
    let last = ["model_tokens", "model_ended_early", "model_cut_tokens", "model_problem"];
    header.extend(last.map(str::to_owned));
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut write = |row: Vec<String>| {
        writer.write_record(row).expect("memory can be written, and all rows are as wide");
    };
    write(header);
    for question in &questions.list {
        let Some(answer) = answered.get(&question.row.place.row) else { continue };
        let written = answer.written.as_ref();
        let mut row: Vec<String> =
            columns.iter().map(|column| in_a_cell(question.row.fields.get(*column))).collect();
        if fields.is_empty() {
            row.push(answer.answer.clone().unwrap_or_default());
        }
        for name in &fields {
            let value = written.and_then(|written| written.fields.get(*name));
            row.push(value.map(cell).unwrap_or_default());
        }
        for name in &quotes {
            let found = written.and_then(|written| written.quotes.get(*name));
            row.push(found.map(bool::to_string).unwrap_or_default());
        }
        if has_passages {
            let excerpt = written.and_then(|written| written.excerpt.as_ref());
            let numbers = excerpt.map(|excerpt| {
                let numbers = excerpt.passages.iter().map(|passage| passage.number.to_string());
                numbers.collect::<Vec<String>>().join("; ")
            });
            row.push(numbers.unwrap_or_default());
            let scores = excerpt.map(|excerpt| {
                let scores = excerpt.passages.iter().filter_map(|passage| passage.score);
                scores.map(|score| format!("{score:.4}")).collect::<Vec<String>>().join("; ")
            });
            row.push(scores.unwrap_or_default());
            row.push(excerpt.map(|excerpt| excerpt.left_out.to_string()).unwrap_or_default());
        }
        row.push(written.map(|written| written.tokens.to_string()).unwrap_or_default());
        row.push(written.map(|written| written.ended_early.to_string()).unwrap_or_default());
        row.push(answer.cut.map(|cut| cut.to_string()).unwrap_or_default());
        row.push(answer.problem.clone().unwrap_or_default());
        write(row);
    }
    writer.into_inner().expect("memory can be written")
}

fn in_a_cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

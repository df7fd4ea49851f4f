//! The table that was asked about, with the answers beside it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::question::Questions;
use super::results::Answered;

/// The table with the answers beside it, as CSV.
pub fn csv(questions: &Questions, answered: &BTreeMap<u64, Answered>) -> Vec<u8> {
    let columns = &questions.report.columns;
    let width = questions.list.iter().map(|question| question.options.len()).max().unwrap_or(0);
    let several = answered.values().any(|row| row.same_answer.is_some());
    let mut header: Vec<String> = columns.clone();
    header.push("model_answer".to_owned());
    for index in 0..width {
        // Where every row has the same options a column is named by its own.
        let letter = || char::from(b'A' + u8::try_from(index).unwrap_or(25)).to_string();
        let labels = questions.labels.as_ref();
        let name = labels.and_then(|labels| labels.get(index)).cloned().unwrap_or_else(letter);
        header.push(format!("model_p_{name}"));
    }
    header.extend(["model_entropy_bits", "model_margin", "model_mass"].map(str::to_owned));
    if several {
        header.push("model_same_answer".to_owned());
    }
    header.extend(["model_cut_tokens", "model_problem"].map(str::to_owned));
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let mut write = |fields: Vec<String>| {
        writer.write_record(fields).expect("memory can be written, and all rows are as wide");
    };
    write(header);
    for question in &questions.list {
        let Some(answer) = answered.get(&question.row.place.row) else { continue };
        let mut fields: Vec<String> =
            columns.iter().map(|column| in_a_cell(question.row.fields.get(column))).collect();
        fields.push(answer.answer.clone().unwrap_or_default());
        let is_there = answer.problem.is_none();
        let number = |value: f64| if is_there { value.to_string() } else { String::new() };
        for index in 0..width {
            fields.push(answer.probabilities.get(index).map(f64::to_string).unwrap_or_default());
        }
        fields.extend([number(answer.entropy), number(answer.margin), number(answer.mass)]);
        if several {
            fields.push(answer.same_answer.map(|share| share.to_string()).unwrap_or_default());
        }
        fields.push(answer.cut.map(|cut| cut.to_string()).unwrap_or_default());
        fields.push(answer.problem.clone().unwrap_or_default());
        write(fields);
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

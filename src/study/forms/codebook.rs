//! A study's codebook as files of its own: JSON and TOML (ours, and Evaluate's with the field names of
//! Halterman and Keith), CSV with a row a label; Markdown: see [`super::codebook_markdown`].

use std::path::Path;

use super::codebook_markdown;
use crate::data::codebook::{Class, Codebook};
use crate::data::codebook_studio;
use crate::data::table::{self, Row};
use crate::files;
use crate::study::item::cell;
use crate::study::variable::{Kind, Variable, Variables, kind_of, kind_word};

/// The columns of the table.
pub const COLUMNS: [&str; 13] = [
    "variable",
    "kind",
    "question",
    "optional",
    "must_decide",
    "low",
    "high",
    "label",
    "definition",
    "clarification",
    "negative_clarification",
    "positive_examples",
    "negative_examples",
];

pub fn to_json(variables: &Variables) -> Vec<u8> {
    serde_json::to_vec_pretty(variables).expect("texts and numbers are valid JSON")
}

/// A row a label; a variable without labels has one row. Lists of examples are JSON.
pub fn to_csv(variables: &Variables) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut write = |row: Vec<String>| {
        writer.write_record(row).expect("memory can be written, and all rows are as wide");
    };
    write(COLUMNS.map(str::to_owned).to_vec());
    for variable in &variables.variables {
        let Variable { name, kind, question, optional, must_decide, low, high, classes } = variable;
        let number = |value: &Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let list = |list: &Vec<String>| {
            if list.is_empty() {
                String::new()
            } else {
                serde_json::to_string(list).expect("texts are valid JSON")
            }
        };
        let none = [Class::default()];
        for class in if classes.is_empty() { &none[..] } else { classes } {
            write(vec![
                name.clone(),
                kind_word(*kind).to_owned(),
                question.clone(),
                optional.to_string(),
                must_decide.to_string(),
                number(low),
                number(high),
                class.label.clone(),
                class.definition.clone(),
                class.clarification.clone(),
                class.negative_clarification.clone(),
                list(&class.positive_examples),
                list(&class.negative_examples),
            ]);
        }
    }
    writer.into_inner().expect("memory can be written")
}

/// Reads a codebook of any form; a table comes as its rows. The error is a sentence.
pub fn read(path: &Path) -> Result<Variables, String> {
    let text = table::whole_text(path).map_err(|err| {
        let source = std::error::Error::source(&err).map(|source| format!(": {source}"));
        format!("{err}{}", source.unwrap_or_default())
    })?;
    let text = text.as_str();
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let said = |problem: String| format!("the codebook {}: {problem}", path.display());
    let mut variables = match ending.as_str() {
        "md" | "markdown" => codebook_markdown::read(text).map_err(said)?,
        "json" if !text.contains("\"variables\"") => match of_studio(text).map_err(said)? {
            Some(variables) => variables,
            None => of_evaluate(path)?,
        },
        "json" => serde_json::from_str(text)
            .map_err(|err| said(files::mistake_in_json(text.as_bytes(), &err)))?,
        _ if !text.contains("[[variables") => of_evaluate(path)?,
        _ => toml::from_str(text).map_err(|err| {
            let (line, problem) = files::mistake_in_toml(text, &err);
            said(format!("line {line}: {problem}"))
        })?,
    };
    if variables.guideline_version.is_empty() {
        variables.guideline_version = "1".to_owned();
    }
    match variables.problem() {
        None => Ok(variables),
        Some(problem) => Err(said(problem)),
    }
}

/// Of `CodeBook Studio`. `None`: it is none of its files.
fn of_studio(text: &str) -> Result<Option<Variables>, String> {
    let Ok(value) = serde_json::from_str(text) else { return Ok(None) };
    if !codebook_studio::is_one(&value) {
        return Ok(None);
    }
    let study = codebook_studio::to_study(&value)?;
    serde_json::from_value(study).map(Some).map_err(|err| files::without_position(&err))
}

fn of_evaluate(path: &Path) -> Result<Variables, String> {
    let mut codebook = Codebook::read(path).map_err(|err| {
        let source = std::error::Error::source(&err).map(|source| format!(": {source}"));
        format!("{err}{}", source.unwrap_or_default())
    })?;
    if codebook.name.trim().is_empty() {
        codebook.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    }
    Ok(Variables::of_codebook(&codebook))
}

/// Reads the rows of a table with a row a label. The error is a sentence.
pub fn of_rows(rows: &[Row]) -> Result<Variables, String> {
    let mut found = Variables { guideline_version: "1".to_owned(), ..Variables::default() };
    for row in rows {
        let said = |name: &str| row.get(name).map(cell).unwrap_or_default().trim().to_owned();
        let number = row.place.number();
        let list = |name: &str| -> Vec<String> {
            let text = said(name);
            match serde_json::from_str(&text) {
                Ok(list) => list,
                Err(_) if text.is_empty() => Vec::new(),
                Err(_) => text.split('|').map(|part| part.trim().to_owned()).collect(),
            }
        };
        // A table of labels alone is one variable.
        let name = match said("variable") {
            name if name.is_empty() => "code".to_owned(),
            name => name,
        };
        let kind = match said("kind") {
            word if word.is_empty() => Kind::Choice,
            word => kind_of(&word).ok_or_else(|| {
                let kinds = Kind::ALL.map(kind_word).join(", ");
                format!("row {number} has the kind “{word}”; {kinds} are expected")
            })?,
        };
        let yes = |name: &str| matches!(said(name).to_lowercase().as_str(), "true" | "1" | "yes");
        if found.named(&name).is_none() {
            found.variables.push(Variable {
                name: name.clone(),
                kind,
                question: said("question"),
                optional: yes("optional"),
                must_decide: yes("must_decide"),
                low: said("low").parse().ok(),
                high: said("high").parse().ok(),
                classes: Vec::new(),
            });
        }
        let label = said("label");
        if label.is_empty() {
            continue;
        }
        if let Some(variable) = found.variables.iter_mut().find(|variable| variable.name == name) {
            variable.classes.push(Class {
                label,
                definition: said("definition"),
                clarification: said("clarification"),
                negative_clarification: said("negative_clarification"),
                positive_examples: list("positive_examples"),
                negative_examples: list("negative_examples"),
            });
        }
    }
    match found.problem() {
        None => Ok(found),
        Some(problem) => Err(format!("the codebook cannot be used: {problem}")),
    }
}

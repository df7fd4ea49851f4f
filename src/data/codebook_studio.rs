//! The `codebook.json` of `CodeBook Studio` and `CodeBook Lab` (`McLaren`, arXiv 2603.26898), as a codebook of ours.
//!
//! Sections with instructions hold annotations: a drop-down list is one label, a Likert scale has two ends, a text box
//! is free text, and a box that is ticked or not is a label yes or no. What a label means has no field of its own
//! there: it is written into the example, a line each (`good means: It praises.`), and read from there.

use serde_json::map::Entry;
use serde_json::{Map, Value, json};

/// How a section's and an annotation's key begin.
const SECTION: &str = "section_";
const ANNOTATION: &str = "annotation_";

/// What follows a label in a line of an example, and which field of its class that is.
pub const SAID: [(&str, &str); 5] = [
    (" means: ", "definition"),
    (" also: ", "clarification"),
    (" is not: ", "negative_clarification"),
    (", for example: ", "positive_examples"),
    (", but not: ", "negative_examples"),
];

/// Whether it is such a file.
pub fn is_one(value: &Value) -> bool {
    sections(value).iter().any(|section| section["annotations"].is_object())
}

/// The same as Annotate writes a codebook, as far as such a file says it. The error is a sentence.
pub fn to_study(value: &Value) -> Result<Value, String> {
    let mut variables = Vec::new();
    let mut guideline = Vec::new();
    for section in sections(value) {
        let (name, instruction) =
            (said(section, "section_name"), said(section, "section_instruction"));
        let title = if name.is_empty() { String::new() } else { format!("## {name}\n\n") };
        if !instruction.is_empty() {
            guideline.push(format!("{title}{instruction}"));
        }
        for annotation in numbered(&section["annotations"], ANNOTATION) {
            variables.push(variable(annotation, &instruction)?);
        }
    }
    if variables.is_empty() {
        return Err("its sections have no annotations".to_owned());
    }
    Ok(json!({ "guideline": guideline.join("\n\n"), "variables": variables }))
}

/// A section as the form has it, with what is asked in it.
pub fn section(name: &str, instruction: &str, annotations: Vec<Value>) -> Value {
    let numbered = (1..).zip(annotations);
    let annotations: Map<String, Value> =
        numbered.map(|(number, one)| (format!("{ANNOTATION}{number}"), one)).collect();
    json!({
        "section_name": name, "section_instruction": instruction, "annotations": annotations,
    })
}

/// The classes of these labels, as far as every line of `example` says something of one of them. `None`: it is an
/// example as other people write it.
fn classes_of(labels: &[String], example: &str) -> Option<Vec<Value>> {
    let mut classes: Vec<Map<String, Value>> =
        labels.iter().map(|label| Map::from_iter([("label".to_owned(), json!(label))])).collect();
    for line in example.lines().map(str::trim).filter(|line| !line.is_empty()) {
        // “good, but late means: …” begins with “good”, too.
        let about = labels.iter().enumerate().filter_map(|(place, label)| {
            let rest = line.strip_prefix(label.as_str())?;
            let (words, field) = SAID.into_iter().find(|(words, _)| rest.starts_with(words))?;
            Some((place, field, rest[words.len()..].trim()))
        });
        let (place, field, said) = about.max_by_key(|(place, ..)| labels[*place].len())?;
        match classes[place].entry(field) {
            Entry::Vacant(entry) if field.ends_with("_examples") => _ = entry.insert(json!([said])),
            Entry::Vacant(entry) => _ = entry.insert(json!(said)),
            Entry::Occupied(mut entry) => entry.get_mut().as_array_mut()?.push(json!(said)),
        }
    }
    Some(classes.into_iter().map(Value::Object).collect())
}

fn variable(annotation: &Value, instruction: &str) -> Result<Value, String> {
    let name = said(annotation, "name");
    if name.is_empty() {
        return Err("one of its annotations has no name".to_owned());
    }
    let kind = said(annotation, "type").to_lowercase();
    let labels = match kind.as_str() {
        "dropdown" => options(annotation),
        "checkbox" => vec!["yes".to_owned(), "no".to_owned()],
        _ => Vec::new(),
    };
    let example = said(annotation, "example");
    let classes = classes_of(&labels, &example);
    let example = if classes.is_some() { String::new() } else { example };
    let classes =
        classes.unwrap_or_else(|| labels.iter().map(|label| json!({ "label": label })).collect());
    let hints = [said(annotation, "tooltip"), example];
    let question: Vec<String> = hints.into_iter().filter(|hint| !hint.is_empty()).collect();
    let question = if question.is_empty() { instruction.to_owned() } else { question.join("\n") };
    let answer = match kind.as_str() {
        "dropdown" | "checkbox" => json!({ "kind": "choice", "classes": classes }),
        "likert" => {
            let end = |key: &str| number(&annotation[key]);
            let (Some(low), Some(high)) = (end("min_value"), end("max_value")) else {
                return Err(format!("the Likert scale “{name}” has no min_value and max_value"));
            };
            json!({ "kind": "scale", "low": low, "high": high })
        }
        "textbox" | "text" => json!({ "kind": "text", "optional": true }),
        other => {
            return Err(format!(
                "the annotation “{name}” is of the type “{other}”; dropdown, checkbox, likert and textbox are known"
            ));
        }
    };
    let mut variable = Map::new();
    variable.insert("name".to_owned(), name.into());
    variable.insert("question".to_owned(), question.into());
    variable.extend(answer.as_object().cloned().unwrap_or_default());
    Ok(Value::Object(variable))
}

/// A list, or a text with a comma between two of them.
fn options(annotation: &Value) -> Vec<String> {
    match &annotation["options"] {
        Value::Array(list) => list.iter().map(as_words).collect(),
        Value::String(text) => text.split(',').map(|option| option.trim().to_owned()).collect(),
        _ => Vec::new(),
    }
    .into_iter()
    .filter(|option| !option.is_empty())
    .collect()
}

fn sections(value: &Value) -> Vec<&Value> {
    numbered(value, SECTION)
}

/// The values whose keys begin so, in the order of their numbers.
fn numbered<'a>(value: &'a Value, prefix: &str) -> Vec<&'a Value> {
    let Some(fields) = value.as_object() else { return Vec::new() };
    let mut found: Vec<(u64, &Value)> = fields
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix(prefix)?.parse().ok()?, value)))
        .collect();
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, value)| value).collect()
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn said(value: &Value, key: &str) -> String {
    as_words(&value[key])
}

fn as_words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_sections_become_variables_in_their_order() {
        let file = json!({
            "header_column": "id", "text_column": "text",
            "section_2": {"section_name": "More", "section_instruction": "Say how much.", "annotations": {
                "annotation_1": {"name": "strength", "type": "likert", "min_value": 0, "max_value": "4"},
                "annotation_10": {"name": "why", "type": "textbox", "tooltip": "In your words."}}},
            "section_1": {"section_name": "Tone", "section_instruction": "Read to the end.", "annotations": {
                "annotation_2": {"name": "irony", "type": "checkbox", "tooltip": "Is it ironic?"},
                "annotation_1": {"name": "tone", "type": "dropdown", "tooltip": "The tone.",
                    "example": "“Well done” is praise.", "options": ["praise", "blame"]}}}
        });
        assert!(is_one(&file) && !is_one(&json!({"variables": []})));
        let study = to_study(&file).unwrap();
        let names: Vec<&str> = study["variables"]
            .as_array()
            .unwrap()
            .iter()
            .map(|variable| variable["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["tone", "irony", "strength", "why"]);
        assert_eq!(study["variables"][0]["question"], "The tone.\n“Well done” is praise.");
        assert_eq!(study["variables"][1]["classes"][0]["label"], "yes");
        assert_eq!(study["variables"][2]["high"], 4.0);
        assert!(study["guideline"].as_str().unwrap().starts_with("## Tone\n\nRead to the end."));
        let unknown = json!({"section_1": {"annotations": {"annotation_1": {"name": "x", "type": "slider"}}}});
        assert!(to_study(&unknown).unwrap_err().contains("of the type “slider”"));
    }
}

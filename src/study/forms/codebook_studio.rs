//! A study's codebook as `CodeBook Studio` has it (`codebook.json`), and what that form has no place for. Reading:
//! see [`crate::data::codebook_studio`].

use serde_json::{Map, Value as Json, json};

use crate::data::codebook::Class;
use crate::data::codebook_studio::{SAID, section};
use crate::study::variable::{Kind, Variable, Variables};

/// What is written, and what is not, in sentences.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    pub file: Json,
    pub lost: Vec<String>,
}

/// The columns of the table of texts that stands beside it: those of a wide export.
const COLUMNS: [(&str, &str); 2] = [("header_column", "item"), ("text_column", "text")];

/// The error is a sentence: nothing of it can be asked there.
pub fn write(codebook: &Variables) -> Result<Written, String> {
    let Variables { name, guideline_version, guideline, variables } = codebook;
    let mut lost = Vec::new();
    if !name.trim().is_empty() {
        lost.push(format!(
            "The form has no place for the name of the codebook (“{}”)",
            name.trim()
        ));
    }
    if guideline_version != "1" {
        lost.push(format!(
            "The form has no place for the version of the guideline ({guideline_version})"
        ));
    }
    let annotations: Vec<Json> =
        variables.iter().flat_map(|variable| annotations(variable, &mut lost)).collect();
    if annotations.is_empty() {
        return Err("none of its questions can be asked in CodeBook Studio: it asks for labels, points of a scale \
                    and texts"
            .to_owned());
    }
    let (title, instruction) = titled(guideline.trim());
    // A question without words would be read as the instruction of its section.
    let is_apart = !instruction.is_empty() && annotations.iter().any(|one| one["tooltip"] == "");
    let sections = if is_apart {
        vec![section(title, instruction, Vec::new()), section(name.trim(), "", annotations)]
    } else {
        let title = if instruction.is_empty() { name.trim() } else { title };
        vec![section(title, instruction, annotations)]
    };
    let mut file = Map::new();
    for (key, column) in COLUMNS {
        file.insert(key.to_owned(), json!(column));
    }
    for (number, section) in (1..).zip(sections) {
        file.insert(format!("section_{number}"), section);
    }
    Ok(Written { file: Json::Object(file), lost })
}

/// `## Title` and what stands below it.
fn titled(guideline: &str) -> (&str, &str) {
    let parts = guideline.strip_prefix("## ").and_then(|rest| rest.split_once("\n\n"));
    match parts {
        Some((title, rest)) if !title.contains('\n') && !rest.trim().is_empty() => {
            (title.trim(), rest.trim())
        }
        _ => ("", guideline),
    }
}

/// A variable as what is asked there; several labels are a box each.
fn annotations(variable: &Variable, lost: &mut Vec<String>) -> Vec<Json> {
    let Variable { name, kind, question, optional, must_decide, low, high, classes } = variable;
    let mut lose = |said: &str| lost.push(format!("{name} {said}"));
    let example =
        |classes: &[Class]| classes.iter().flat_map(said_of).collect::<Vec<_>>().join("\n");
    let annotation = |name: &str, kind: &str, tooltip: &str, example: &str, more: Json| {
        let mut fields = json!({
            "name": name, "type": kind, "tooltip": tooltip.trim(), "example": example,
        });
        if let (Json::Object(fields), Json::Object(more)) = (&mut fields, more) {
            fields.extend(more);
        }
        fields
    };
    match kind {
        Kind::Spans => {
            lose("marks places in the text, which cannot be asked there: it is left out");
            return Vec::new();
        }
        Kind::Better => {
            lose("compares two answers, which cannot be asked there: it is left out");
            return Vec::new();
        }
        Kind::Choices => {
            lose(
                "takes several labels: each is a box of its own there, and is read as a question of its own",
            );
        }
        Kind::Scale if !classes.is_empty() => {
            lose(
                "has an order of its labels, which the form does not say: they are read as labels",
            );
        }
        Kind::Number => lose("asks for a number: it is a field of text there, and is read as one"),
        Kind::Text if !optional => lose("has to be written, which the form does not say"),
        Kind::Choice | Kind::Scale | Kind::Text => {}
    }
    if *optional && *kind != Kind::Text {
        lose("may be left out, which the form does not say");
    }
    if *must_decide {
        lose("leaves no “don't know”, which the form does not say");
    }
    if classes.iter().any(has_lines) {
        lose("has definitions or examples of several lines: each is one line there");
    }
    let labels: Vec<&str> = classes.iter().map(|class| class.label.trim()).collect();
    match kind {
        Kind::Choice if labels == ["yes", "no"] => {
            vec![annotation(name, "checkbox", question, &example(classes), json!({}))]
        }
        Kind::Scale if classes.is_empty() => {
            let end = |end: &Option<f64>| end.unwrap_or_default() as i64;
            let ends = json!({"min_value": end(low), "max_value": end(high)});
            vec![annotation(name, "likert", question, "", ends)]
        }
        Kind::Choice | Kind::Scale => {
            let options = json!({ "options": labels });
            vec![annotation(name, "dropdown", question, &example(classes), options)]
        }
        Kind::Choices => {
            let a_box = |class: &Class| {
                let label = class.label.trim();
                let tooltip = format!("{} {label}", question.trim());
                // What is said of the label is said of ticking its box.
                let ticked = Class { label: "yes".to_owned(), ..class.clone() };
                annotation(
                    &format!("{name}: {label}"),
                    "checkbox",
                    &tooltip,
                    &example(&[ticked]),
                    json!({}),
                )
            };
            classes.iter().map(a_box).collect()
        }
        Kind::Number | Kind::Text => {
            vec![annotation(name, "textbox", question, "", json!({}))]
        }
        Kind::Spans | Kind::Better => Vec::new(),
    }
}

/// What a class says of its label, as lines of an example.
fn said_of(class: &Class) -> Vec<String> {
    let Class { label, definition, clarification, negative_clarification, .. } = class;
    let [means, also, is_not, example, but_not] = SAID.map(|(words, _)| words);
    let single = [(means, definition), (also, clarification), (is_not, negative_clarification)];
    let examples = class.positive_examples.iter().map(|said| (example, said));
    let others = class.negative_examples.iter().map(|said| (but_not, said));
    let all = single.into_iter().chain(examples).chain(others);
    let line = |(words, said): (&str, &String)| {
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        (!said.is_empty()).then(|| format!("{}{words}{said}", label.trim()))
    };
    all.filter_map(line).collect()
}

fn has_lines(class: &Class) -> bool {
    let Class {
        label: _,
        definition,
        clarification,
        negative_clarification,
        positive_examples,
        negative_examples,
    } = class;
    let words = [definition, clarification, negative_clarification].into_iter();
    words.chain(positive_examples).chain(negative_examples).any(|said| said.trim().contains('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::codebook_studio::{is_one, to_study};

    fn class(label: &str, definition: &str) -> Class {
        Class { label: label.to_owned(), definition: definition.to_owned(), ..Class::default() }
    }

    fn asked(name: &str, kind: Kind, classes: Vec<Class>) -> Variable {
        let question = format!("Which {name}?");
        Variable { name: name.to_owned(), kind, question, classes, ..Variable::default() }
    }

    /// As it is read again.
    fn again(file: &Json) -> Variables {
        assert!(is_one(file));
        let mut read: Variables = serde_json::from_value(to_study(file).unwrap()).unwrap();
        read.guideline_version = "1".to_owned();
        read
    }

    #[test]
    fn a_codebook_that_the_form_holds_is_read_again_as_it_was() {
        let tone = Class {
            clarification: "Irony that praises.".to_owned(),
            negative_clarification: "Thanks at the end.".to_owned(),
            positive_examples: vec!["Well done: all of it.".to_owned(), "Bravo!".to_owned()],
            negative_examples: vec!["They tried.".to_owned()],
            ..class("good", "It praises, says: “fine”.")
        };
        let scale =
            Variable { low: Some(-2.0), high: Some(2.0), ..asked("grade", Kind::Scale, vec![]) };
        let codebook = Variables {
            guideline_version: "1".to_owned(),
            guideline: "## Tone\n\nRead to the end.\n\nThen decide.".to_owned(),
            variables: vec![
                asked(
                    "tone",
                    Kind::Choice,
                    vec![tone, class("good, but late", ""), class("bad", "It blames.")],
                ),
                asked(
                    "irony",
                    Kind::Choice,
                    vec![class("yes", "It means the opposite."), class("no", "")],
                ),
                scale,
                Variable { optional: true, ..asked("why", Kind::Text, vec![]) },
            ],
            ..Variables::default()
        };
        let written = write(&codebook).unwrap();
        assert_eq!(written.lost, Vec::<String>::new());
        assert_eq!(again(&written.file), codebook);
        let section = &written.file["section_1"];
        assert_eq!(section["section_name"], "Tone");
        assert_eq!(section["annotations"]["annotation_2"]["type"], "checkbox");
        assert_eq!(section["annotations"]["annotation_3"]["min_value"], -2);
        // Without a guideline, and where a question has no words.
        let bare = Variables { guideline: String::new(), ..codebook.clone() };
        assert_eq!(again(&write(&bare).unwrap().file), bare);
        let mut silent = codebook;
        silent.variables[0].question.clear();
        let written = write(&silent).unwrap();
        assert_eq!(again(&written.file), silent);
        assert!(written.file["section_2"]["annotations"].is_object());
    }

    #[test]
    fn what_the_form_has_no_place_for_is_said() {
        let lines = class("good", "It praises.\nAlways.");
        let codebook = Variables {
            name: "Everything".to_owned(),
            guideline_version: "3".to_owned(),
            guideline: "Read.".to_owned(),
            variables: vec![
                Variable {
                    must_decide: true,
                    ..asked("tone", Kind::Choice, vec![lines, class("bad", "")])
                },
                asked("topics", Kind::Choices, vec![class("war", "Armies."), class("money", "")]),
                asked("size", Kind::Scale, vec![class("small", ""), class("large", "")]),
                asked("count", Kind::Number, vec![]),
                asked("claims", Kind::Spans, vec![class("claim", "")]),
                asked("note", Kind::Text, vec![]),
            ],
        };
        let written = write(&codebook).unwrap();
        let said = written.lost.join("\n");
        for words in [
            "the name of the codebook (“Everything”)",
            "the version of the guideline (3)",
            "tone leaves no “don't know”",
            "tone has definitions or examples of several lines",
            "topics takes several labels",
            "size has an order",
            "count asks for a number",
            "claims marks places",
            "note has to be written",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert_eq!(written.lost.len(), 9, "{said}");
        let read = again(&written.file);
        let names: Vec<&str> =
            read.variables.iter().map(|variable| variable.name.as_str()).collect();
        assert_eq!(names, ["tone", "topics: war", "topics: money", "size", "count", "note"]);
        assert_eq!(read.variables[0].classes[0].definition, "It praises. Always.");
        assert_eq!(read.variables[1].classes[0].definition, "Armies.", "of its box");
        let pairs = write(&Variables::of_pairs()).unwrap_err();
        assert!(pairs.contains("none of its questions"), "{pairs}");
    }
}

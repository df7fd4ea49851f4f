//! A codebook to read and to print: Markdown that is read back as it was written.
//!
//! `#` the name, `##` a variable, `###` a label; below each, lines `- Field: text`. What stands before
//! the first variable is the guideline.

use crate::data::codebook::Class;
use crate::study::variable::{Variable, Variables, kind_of, kind_word};

const VERSION: &str = "Guideline version";

pub fn write(variables: &Variables) -> String {
    let mut text = format!("# {}\n\n", one_line(&variables.name));
    text.push_str(&format!("- {VERSION}: {}\n\n", one_line(&variables.guideline_version)));
    if !variables.guideline.trim().is_empty() {
        // A heading of the guideline would begin a variable: it is shown as one of the lowest kind.
        for line in variables.guideline.trim().lines() {
            let is_heading = line.starts_with('#') && !line.starts_with("####");
            text.push_str(if is_heading { "###" } else { "" });
            text.push_str(line);
            text.push('\n');
        }
        text.push('\n');
    }
    let field = |text: &mut String, name: &str, said: &str| {
        if !said.trim().is_empty() {
            text.push_str(&format!("- {name}: {}\n", one_line(said)));
        }
    };
    for variable in &variables.variables {
        let Variable { name, kind, question, optional, must_decide, low, high, classes } = variable;
        text.push_str(&format!("## {}\n\n", one_line(name)));
        field(&mut text, "Kind", kind_word(*kind));
        field(&mut text, "Question", question);
        field(&mut text, "From", &low.map(|low| low.to_string()).unwrap_or_default());
        field(&mut text, "To", &high.map(|high| high.to_string()).unwrap_or_default());
        field(&mut text, "May stay empty", if *optional { "yes" } else { "" });
        field(&mut text, "Without “don't know”", if *must_decide { "yes" } else { "" });
        text.push('\n');
        for class in classes {
            text.push_str(&format!("### {}\n\n", one_line(&class.label)));
            field(&mut text, "Definition", &class.definition);
            field(&mut text, "Clarification", &class.clarification);
            field(&mut text, "Not this label", &class.negative_clarification);
            for example in &class.positive_examples {
                field(&mut text, "Example", example);
            }
            for example in &class.negative_examples {
                field(&mut text, "Example that is not of this label", example);
            }
            text.push('\n');
        }
    }
    text
}

/// The guideline and the labels with their meaning, to be read while coding.
pub fn for_coders(variables: &Variables) -> String {
    let mut text = String::new();
    if !variables.guideline.trim().is_empty() {
        text.push_str(&format!("{}\n\n", variables.guideline.trim()));
    }
    for variable in &variables.variables {
        let asked = if variable.question.is_empty() { &variable.name } else { &variable.question };
        text.push_str(&format!("## {}\n\n", one_line(asked)));
        for class in &variable.classes {
            let (label, definition) = (one_line(&class.label), one_line(&class.definition));
            // The window has no bold type: without a colon a label is the first word of what it means.
            match definition.as_str() {
                "" => text.push_str(&format!("**{label}**\n\n")),
                _ => text.push_str(&format!("**{label}**: {definition}\n\n")),
            }
            for (name, said) in
                [("Also", &class.clarification), ("Not", &class.negative_clarification)]
            {
                if !said.trim().is_empty() {
                    text.push_str(&format!("- {name}: {}\n", one_line(said)));
                }
            }
            for (name, examples) in [
                ("Example", &class.positive_examples),
                ("Not an example", &class.negative_examples),
            ] {
                for example in examples {
                    text.push_str(&format!("- {name}: {}\n", one_line(example)));
                }
            }
            text.push('\n');
        }
    }
    text.push_str(&format!("Version {} of the guideline.\n", variables.guideline_version));
    text
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The error is the end of a sentence that begins with the file.
pub fn read(text: &str) -> Result<Variables, String> {
    let mut found = Variables::default();
    let mut guideline = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let wrong = |problem: String| format!("line {}: {problem}", index + 1);
        if let Some(label) = line.strip_prefix("### ") {
            let Some(variable) = found.variables.last_mut() else {
                return Err(wrong("a label stands before the first variable (##)".to_owned()));
            };
            variable.classes.push(Class { label: label.trim().to_owned(), ..Class::default() });
        } else if let Some(name) = line.strip_prefix("## ") {
            found.variables.push(Variable { name: name.trim().to_owned(), ..Variable::default() });
        } else if let Some(name) = line.strip_prefix("# ")
            && found.name.is_empty()
            && found.variables.is_empty()
        {
            found.name = name.trim().to_owned();
        } else {
            let field = line.strip_prefix("- ").and_then(|rest| rest.split_once(": "));
            let Some(variable) = found.variables.last_mut() else {
                match field {
                    Some((VERSION, version)) => found.guideline_version = version.trim().to_owned(),
                    _ => guideline.push(match line.strip_prefix("###") {
                        Some(heading) if heading.starts_with('#') => heading,
                        _ => line,
                    }),
                }
                continue;
            };
            let Some((name, said)) = field else { continue };
            let said = said.trim().to_owned();
            if let Some(class) = variable.classes.last_mut() {
                match name {
                    "Definition" => class.definition = said,
                    "Clarification" => class.clarification = said,
                    "Not this label" => class.negative_clarification = said,
                    "Example" => class.positive_examples.push(said),
                    "Example that is not of this label" => class.negative_examples.push(said),
                    _ => return Err(wrong(format!("“{name}” is no part of a label"))),
                }
                continue;
            }
            let number = |said: &str| {
                let parsed = said.parse::<f64>().ok();
                parsed.ok_or_else(|| wrong(format!("“{said}” is no number after “{name}”")))
            };
            match name {
                "Kind" => {
                    variable.kind =
                        kind_of(&said).ok_or_else(|| wrong(format!("“{said}” is no kind")))?;
                }
                "Question" => variable.question = said,
                "From" => variable.low = Some(number(&said)?),
                "To" => variable.high = Some(number(&said)?),
                "May stay empty" => variable.optional = said == "yes",
                "Without “don't know”" => variable.must_decide = said == "yes",
                _ => return Err(wrong(format!("“{name}” is no part of a variable"))),
            }
        }
    }
    found.guideline = guideline.join("\n").trim().to_owned();
    Ok(found)
}

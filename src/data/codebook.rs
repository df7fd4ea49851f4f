//! A codebook: the labels that a text can get, and what each of them means.
//!
//! The fields of a class are those of Halterman and Keith, "Codebook LLMs" (Political Analysis 2025,
//! arXiv 2407.10747); a file may use their names (`label_definition`) or the short ones.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files;

/// What a coder, human or not, needs to know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Codebook {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,

    /// What is asked of every text.
    #[serde(alias = "instructions")]
    pub instruction: String,

    /// What an answer has to look like, said after the text; without it, a sentence of ours.
    #[serde(default, alias = "output_reminder", skip_serializing_if = "String::is_empty")]
    pub reminder: String,

    pub classes: Vec<Class>,
}

/// A label and its meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Class {
    pub label: String,

    #[serde(alias = "label_definition", skip_serializing_if = "String::is_empty")]
    pub definition: String,

    /// What also belongs here.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub clarification: String,

    /// What does not belong here, though it looks so.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub negative_clarification: String,

    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub positive_examples: Vec<String>,

    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub negative_examples: Vec<String>,
}

/// Why a codebook cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CodebookError {
    #[error("the codebook {} could not be read", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("line {line} of the codebook {}: {problem}", path.display())]
    Line { path: PathBuf, line: usize, problem: String },

    #[error("the codebook {}: {problem}", path.display())]
    Unusable { path: PathBuf, problem: String },
}

impl Codebook {
    /// Reads a codebook from TOML, or from JSON if its name ends so.
    pub fn read(path: &Path) -> Result<Self, CodebookError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| CodebookError::Read { path: path.to_owned(), source })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let is_json = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
        let parsed = if is_json { from_json(text) } else { from_toml(text) };
        let codebook = parsed.map_err(|(line, problem)| CodebookError::Line {
            path: path.to_owned(),
            line,
            problem,
        })?;
        match codebook.problem() {
            None => Ok(codebook),
            Some(problem) => Err(CodebookError::Unusable { path: path.to_owned(), problem }),
        }
    }

    /// What keeps it from being used, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if self.instruction.trim().is_empty() {
            return Some(
                "it has no `instruction`: a sentence that says what is asked of a text".to_owned(),
            );
        }
        if self.classes.len() < 2 {
            return Some(format!(
                "it has {} of the two classes or more that a choice needs",
                match self.classes.len() {
                    0 => "none",
                    _ => "only one",
                }
            ));
        }
        let mut seen = BTreeSet::new();
        for (index, class) in self.classes.iter().enumerate() {
            let label = class.label.trim();
            if label.is_empty() {
                return Some(format!("its class number {} has no label", index + 1));
            }
            if !seen.insert(label.to_lowercase()) {
                return Some(format!("the label “{label}” stands in it twice"));
            }
        }
        None
    }

    /// As a file has it.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("texts and lists of them are valid TOML")
    }

    pub fn labels(&self) -> Vec<String> {
        self.classes.iter().map(|class| class.label.trim().to_owned()).collect()
    }

    /// All classes with what is said of them, as a prompt has it.
    pub fn words(&self) -> String {
        let classes: Vec<String> = self.classes.iter().map(Class::words).collect();
        classes.join("\n\n")
    }
}

impl Class {
    fn words(&self) -> String {
        let mut lines = vec![format!("Label: {}", self.label.trim())];
        for (name, text) in [
            ("Definition", &self.definition),
            ("Clarification", &self.clarification),
            ("Not this label", &self.negative_clarification),
        ] {
            if !text.trim().is_empty() {
                lines.push(format!("{name}: {}", text.trim()));
            }
        }
        for (name, texts) in [
            ("Examples", &self.positive_examples),
            ("Examples that are not of this label", &self.negative_examples),
        ] {
            if !texts.is_empty() {
                let quoted: Vec<String> =
                    texts.iter().map(|text| format!("“{}”", text.trim())).collect();
                lines.push(format!("{name}: {}", quoted.join("; ")));
            }
        }
        lines.join("\n")
    }
}

fn from_json(text: &str) -> Result<Codebook, (usize, String)> {
    serde_json::from_str(text).map_err(|err| (err.line().max(1), files::without_position(&err)))
}

fn from_toml(text: &str) -> Result<Codebook, (usize, String)> {
    toml::from_str(text).map_err(|err| files::mistake_in_toml(text, &err))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(label: &str) -> Class {
        Class { label: label.to_owned(), ..Class::default() }
    }

    #[test]
    fn halterman_and_keiths_names_are_read_as_well_as_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("codebook.json");
        let text = r#"{"instructions": "Say the tone.", "output_reminder": "One label.",
            "classes": [{"label": "good", "label_definition": "praises"}, {"label": "bad"}]}"#;
        files::write_atomic(&path, text.as_bytes()).unwrap();
        let read = Codebook::read(&path).unwrap();
        assert_eq!(read.labels(), ["good", "bad"]);
        assert_eq!(read.classes[0].definition, "praises");
        assert_eq!(read.reminder, "One label.");
        assert_eq!(read.words(), "Label: good\nDefinition: praises\n\nLabel: bad");
    }

    #[test]
    fn a_codebook_that_leaves_no_choice_is_refused_with_the_reason() {
        let with = |labels: &[&str]| Codebook {
            instruction: "Say the tone.".to_owned(),
            classes: labels.iter().map(|label| class(label)).collect(),
            ..Codebook::default()
        };
        assert_eq!(with(&["a", "b"]).problem(), None);
        for (labels, words) in [
            (&["a"][..], "only one"),
            (&[], "none of the two"),
            (&["Yes", "yes "], "“yes” stands in it twice"),
            (&["a", " "], "class number 2 has no label"),
        ] {
            let said = with(labels).problem().unwrap();
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        let (line, problem) =
            from_toml("instruction = 'a'\n[[classes]]\nlabels = 'b'\n").unwrap_err();
        assert_eq!(line, 3);
        assert!(problem.contains("labels"), "{problem}");
    }
}

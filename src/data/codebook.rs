//! A codebook: the labels that a text can get, and what each of them means.
//!
//! The fields of a class are those of Halterman and Keith, "Codebook LLMs" (Political Analysis 2025,
//! arXiv 2407.10747); a file may use their names (`label_definition`) or the short ones.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::codebook_studio;
use super::literal;
use super::table::{self, ImportError, Row};
use crate::files;
use crate::jobs::Quiet;

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

    /// Whether a text can have several of the labels, or none of them: each is asked about by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub several: bool,

    /// Whether the labels stand on a scale, in their order.
    #[serde(default, skip_serializing_if = "Scale::is_nominal")]
    pub scale: Scale,

    /// What the labels of an interval scale stand for, in their order; without it, the labels are numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<f64>,

    pub classes: Vec<Class>,
}

/// What the order of the labels means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Nothing.
    #[default]
    Nominal,

    /// Each label is more than the one before it; how much more nobody says.
    Ordinal,

    /// Labels are numbers or have one each, and equal distances mean the same.
    Interval,
}

impl Scale {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn is_nominal(&self) -> bool {
        *self == Self::Nominal
    }
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
    /// Reads a codebook: TOML or JSON, also one of a study with a single variable, or a table with a row
    /// a label.
    pub fn read(path: &Path) -> Result<Self, CodebookError> {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let unusable = |problem| CodebookError::Unusable { path: path.to_owned(), problem };
        let parsed = match ending.as_str() {
            "md" | "markdown" => {
                let problem = "Markdown is read by Annotate alone. Export the study's codebook as JSON \
                               (annotate export --as codebook-json), or write it as TOML";
                return Err(unusable(problem.to_owned()));
            }
            "csv" | "tsv" | "xlsx" | "xls" | "ods" | "parquet" | "jsonl" => {
                let table = table::rows(path, &Quiet)
                    .map_err(|err| unusable(format!("it cannot be read: {err}")))?;
                of_rows(&table.rows).map_err(|problem| (1, problem))
            }
            _ => {
                let text = table::whole_text(path).map_err(|err| match err {
                    ImportError::Read { path, source } => CodebookError::Read { path, source },
                    ImportError::Unrecognised { problem, .. } => unusable(problem),
                    other => unusable(other.to_string()),
                })?;
                let is_json = ending == "json" || text.trim_start().starts_with('{');
                if is_json { from_json(&text) } else { from_toml(&text) }
            }
        };
        let codebook = parsed.map_err(|(line, problem)| CodebookError::Line {
            path: path.to_owned(),
            line,
            problem,
        })?;
        match codebook.problem() {
            None => Ok(codebook),
            Some(problem) => Err(unusable(problem)),
        }
    }

    /// What keeps it from being used, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if self.instruction.trim().is_empty() {
            return Some(
                "it has no `instruction`: a sentence that says what is asked of a text".to_owned(),
            );
        }
        match self.classes.len() {
            0 if self.several => return Some("it has no class".to_owned()),
            1 if self.several => {}
            few @ (0 | 1) => {
                return Some(format!(
                    "it has {} of the two classes or more that a choice needs",
                    if few == 0 { "none" } else { "only one" }
                ));
            }
            _ => {}
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
        self.problem_of_scale()
    }

    fn problem_of_scale(&self) -> Option<String> {
        if self.several && self.scale != Scale::Nominal {
            return Some(
                "it has a `scale`, where a text has one label, and several = true: leave one of them out"
                    .to_owned(),
            );
        }
        let (values, classes) = (self.values.len(), self.classes.len());
        if values > 0 && self.scale != Scale::Interval {
            return Some(
                "it has `values`, which belong to scale = \"interval\": say that, or leave them out"
                    .to_owned(),
            );
        }
        if values > 0 && values != classes {
            return Some(format!(
                "it has {values} `values` for {classes} classes: each class needs one"
            ));
        }
        if self.values.iter().any(|value| !value.is_finite()) {
            return Some("one of its `values` is no number".to_owned());
        }
        let is_no_number = |class: &&Class| class.number().is_none();
        let other = self.classes.iter().find(is_no_number)?;
        (self.scale == Scale::Interval && values == 0).then(|| {
            format!(
                "its scale is one of numbers, and the label “{}” is none: say what each label stands \
                 for, as values = [1, 2, 3], or take scale = \"ordinal\"",
                other.label.trim()
            )
        })
    }

    /// The number of each label on its scale: of an ordinal one its place, from 1. `None`: the labels
    /// stand on none.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        match self.scale {
            Scale::Nominal => None,
            Scale::Ordinal => Some((1..=self.classes.len()).map(|place| place as f64).collect()),
            Scale::Interval if !self.values.is_empty() => Some(self.values.clone()),
            Scale::Interval => self.classes.iter().map(Class::number).collect(),
        }
    }

    /// As a file has it.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("texts and lists of them are valid TOML")
    }

    pub fn labels(&self) -> Vec<String> {
        self.classes.iter().map(|class| class.label.trim().to_owned()).collect()
    }

    /// Each class with what is said of it, as a prompt has it.
    pub fn words_of_each(&self) -> Vec<String> {
        self.classes.iter().map(Class::words).collect()
    }

    /// All classes with what is said of them, as a prompt has it.
    pub fn words(&self) -> String {
        self.words_of_each().join("\n\n")
    }
}

impl Class {
    /// The number that its label is.
    fn number(&self) -> Option<f64> {
        self.label.trim().parse().ok().filter(|number: &f64| number.is_finite())
    }

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
    let mistake = |err: serde_json::Error| (err.line().max(1), files::without_position(&err));
    if text.contains("\"variables\"") {
        let value = serde_json::from_str(text).map_err(mistake)?;
        return of_study(&value).map_err(|problem| (1, problem));
    }
    if text.contains("\"annotations\"") {
        let value: Value = serde_json::from_str(text).map_err(mistake)?;
        if codebook_studio::is_one(&value) {
            let study = codebook_studio::to_study(&value);
            return study.and_then(|study| of_study(&study)).map_err(|problem| (1, problem));
        }
    }
    serde_json::from_str(text).map_err(mistake)
}

fn from_toml(text: &str) -> Result<Codebook, (usize, String)> {
    let mistake = |err: toml::de::Error| files::mistake_in_toml(text, &err);
    if text.contains("[[variables") {
        let value = toml::from_str(text).map_err(mistake)?;
        return of_study(&value).map_err(|problem| (1, problem));
    }
    toml::from_str(text).map_err(mistake)
}

/// What is asked where a codebook only has labels.
fn question(variable: &str) -> String {
    match variable {
        "" | "code" | "label" => "Which of the labels fits the text best?".to_owned(),
        name => format!("Which of the labels fits the text best ({name})?"),
    }
}

fn several_variables(names: &[&str]) -> String {
    format!(
        "it has {} variables with labels: {}. A model is asked about one at a time: leave the others out",
        names.len(),
        names.join(", ")
    )
}

/// The codebook of a study, as Annotate exports it: of its variables, the one with labels.
fn of_study(value: &Value) -> Result<Codebook, String> {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().trim().to_owned();
    let variables = value["variables"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_labelled = |variable: &&Value| {
        let is_of_places = variable["kind"] == "spans";
        !is_of_places && variable["classes"].as_array().is_some_and(|list| !list.is_empty())
    };
    let labelled: Vec<&Value> = variables.iter().filter(is_labelled).collect();
    let [only] = labelled.as_slice() else {
        let names: Vec<&str> =
            labelled.iter().map(|variable| variable["name"].as_str().unwrap_or("?")).collect();
        return Err(if names.is_empty() {
            "none of its variables has labels".to_owned()
        } else {
            several_variables(&names)
        });
    };
    let classes = serde_json::from_value(only["classes"].clone());
    let instruction = text(only, "question");
    Ok(Codebook {
        name: text(value, "name"),
        instruction: if instruction.is_empty() {
            question(&text(only, "name"))
        } else {
            instruction
        },
        several: only["kind"] == "choices",
        scale: if only["kind"] == "scale" { Scale::Ordinal } else { Scale::Nominal },
        classes: classes.map_err(|err| files::without_position(&err))?,
        ..Codebook::default()
    })
}

/// A row a label, in the columns that Annotate writes, or in those of anybody's table of codes.
fn of_rows(rows: &[Row]) -> Result<Codebook, String> {
    let said = |row: &Row, names: &[&str]| -> String {
        let named = |(name, _): &(&String, &Value)| {
            names.iter().any(|known| name.to_lowercase().replace(' ', "_") == *known)
        };
        let value =
            row.fields.iter().filter(named).map(|(_, value)| value).find(|it| !it.is_null());
        match value {
            None => String::new(),
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(other) => other.to_string(),
        }
    };
    let list = |row: &Row, name: &str| -> Vec<String> {
        let text = said(row, &[name]);
        match literal::list_or_object(&text).map(serde_json::from_value) {
            Some(Ok(list)) => list,
            _ if text.is_empty() => Vec::new(),
            _ => text.split('|').map(|part| part.trim().to_owned()).collect(),
        }
    };
    let variables: BTreeSet<String> = rows.iter().map(|row| said(row, &["variable"])).collect();
    if variables.len() > 1 {
        return Err(several_variables(&variables.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    let variable = variables.into_iter().next().unwrap_or_default();
    let asked = rows.iter().map(|row| said(row, &["question", "instruction", "instructions"]));
    let asked = asked.into_iter().find(|asked| !asked.is_empty());
    let class = |row: &Row| Class {
        label: said(row, &["label", "code", "category", "class", "name"]),
        definition: said(row, &["definition", "label_definition", "description"]),
        clarification: said(row, &["clarification"]),
        negative_clarification: said(row, &["negative_clarification"]),
        positive_examples: list(row, "positive_examples"),
        negative_examples: list(row, "negative_examples"),
    };
    Ok(Codebook {
        instruction: asked.unwrap_or_else(|| question(&variable)),
        classes: rows.iter().map(class).collect(),
        ..Codebook::default()
    })
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
    fn labels_on_a_scale_stand_for_numbers() {
        let read = |text: &str| from_toml(&format!("instruction = 'a'\n{text}")).unwrap();
        let classes = |labels: &[&str]| {
            let classes = labels.iter().map(|label| format!("[[classes]]\nlabel = '{label}'\n"));
            classes.collect::<Vec<String>>().concat()
        };
        let likert = classes(&["no", "so so", "yes"]);
        assert_eq!(read(&likert).numbers(), None);
        let ordinal = read(&format!("scale = 'ordinal'\n{likert}"));
        assert_eq!((ordinal.problem(), ordinal.numbers()), (None, Some(vec![1.0, 2.0, 3.0])));
        let named = read(&format!("scale = 'interval'\nvalues = [-1, 0, 2.5]\n{likert}"));
        assert_eq!((named.problem(), named.numbers()), (None, Some(vec![-1.0, 0.0, 2.5])));
        let numbers = read(&format!("scale = 'interval'\n{}", classes(&["0", "10", "5"])));
        assert_eq!((numbers.problem(), numbers.numbers()), (None, Some(vec![0.0, 10.0, 5.0])));
        for (text, words) in [
            (format!("scale = 'interval'\n{likert}"), "the label “no” is none"),
            (format!("scale = 'interval'\nvalues = [1, 2]\n{likert}"), "2 `values` for 3 classes"),
            (format!("values = [1, 2, 3]\n{likert}"), "belong to scale = \"interval\""),
        ] {
            let said = read(&text).problem().unwrap();
            assert!(said.contains(words), "{said}");
        }
        // What it had is written again, and a plain codebook as it was.
        assert_eq!(from_toml(&named.to_toml()).unwrap(), named);
        assert!(!read(&likert).to_toml().contains("scale"), "{}", read(&likert).to_toml());
    }

    #[test]
    fn a_text_can_have_several_labels_of_a_codebook() {
        let read =
            |text: &str| from_toml(&format!("instruction = 'a'\nseveral = true\n{text}")).unwrap();
        let one = read("[[classes]]\nlabel = 'war'\n");
        assert_eq!((one.several, one.problem()), (true, None));
        assert_eq!(from_toml(&one.to_toml()).unwrap(), one);
        let scale = read("scale = 'ordinal'\n[[classes]]\nlabel = 'war'\n").problem().unwrap();
        assert!(scale.contains("leave one of them out"), "{scale}");
        let study = r#"{"variables": [{"name": "topic", "kind": "choices", "classes": [{"label": "war"}]}]}"#;
        assert!(from_json(study).unwrap().several);
    }

    #[test]
    fn a_mistake_is_named_with_its_line() {
        let (line, problem) =
            from_toml("instruction = 'a'\n[[classes]]\nlabels = 'b'\n").unwrap_err();
        assert_eq!(line, 3);
        assert!(problem.contains("labels"), "{problem}");
    }

    #[test]
    fn a_codebook_of_a_study_and_a_table_of_labels_are_read_too() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            files::write_atomic(&path, bytes).unwrap();
            path
        };
        let study = r#"{"name": "Tone", "guideline": "Read on.", "variables": [
            {"name": "tone", "kind": "choice", "question": "What is the tone?",
             "classes": [{"label": "good", "definition": "praises"}, {"label": "bad"}]},
            {"name": "note", "kind": "text"}]}"#;
        let read = Codebook::read(&put("study.json", study.as_bytes())).unwrap();
        assert_eq!(
            (read.labels(), read.instruction.as_str()),
            (vec!["good".into(), "bad".into()], "What is the tone?")
        );
        assert_eq!(read.classes[0].definition, "praises");
        // Excel's CSV, in the letters of western Europe.
        let table = b"Code;Description\nlob;sagt, da\xdf es gut sei\ntadel;\n";
        let read = Codebook::read(&put("codes.csv", table)).unwrap();
        assert_eq!(read.labels(), ["lob", "tadel"]);
        assert_eq!(read.classes[0].definition, "sagt, daß es gut sei");
        assert!(read.instruction.ends_with("fits the text best?"), "{}", read.instruction);
        let two = "variable,label\ntone,good\ntone,bad\ntopic,war\n";
        let said = Codebook::read(&put("two.csv", two.as_bytes())).unwrap_err().to_string();
        assert!(said.contains("2 variables with labels: tone, topic"), "{said}");
        let wide: Vec<u8> =
            "\u{feff}instruction = 'Größe?'\n[[classes]]\nlabel = 'a'\n[[classes]]\nlabel = 'b'\n"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect();
        assert_eq!(Codebook::read(&put("wide.toml", &wide)).unwrap().instruction, "Größe?");
    }
}

//! What is asked of every text: the variables of a codebook, and which values they take.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::value::{DONT_KNOW, Span, Value};
use crate::data::cell::{is_missing, number};
use crate::data::codebook::{Class, Codebook};
use crate::data::literal::list_or_object;

/// What an answer looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One of the labels.
    #[default]
    Choice,

    /// Any number of the labels.
    Choices,

    /// A point of an ordered scale (ordinal, Likert).
    Scale,
    Number,
    Text,

    /// Places in the text, each with a label.
    Spans,

    /// Which of the two answers of an item is better. The labels say it of the answers as the study
    /// has them, not of the sides of the screen.
    Better,
}

/// What [`Kind::Better`] says.
pub const FIRST: &str = "first";
pub const SECOND: &str = "second";
pub const TIE: &str = "tie";
pub const BOTH_BAD: &str = "both bad";

impl Kind {
    pub const ALL: [Self; 7] = [
        Self::Choice,
        Self::Choices,
        Self::Scale,
        Self::Number,
        Self::Text,
        Self::Spans,
        Self::Better,
    ];

    /// As a person names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Choice => "one label",
            Self::Choices => "several labels",
            Self::Scale => "scale",
            Self::Number => "number",
            Self::Text => "free text",
            Self::Spans => "places in the text",
            Self::Better => "which answer is better",
        }
    }

    /// Whether an answer is taken from a list of labels.
    pub fn has_labels(self) -> bool {
        matches!(self, Self::Choice | Self::Choices | Self::Scale | Self::Spans | Self::Better)
    }

    /// Whether an answer is one label.
    pub fn is_one_label(self) -> bool {
        matches!(self, Self::Choice | Self::Scale | Self::Better)
    }
}

/// `choice` and so on, as [`Kind`] is written.
pub fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Choice => "choice",
        Kind::Choices => "choices",
        Kind::Scale => "scale",
        Kind::Number => "number",
        Kind::Text => "text",
        Kind::Spans => "spans",
        Kind::Better => "better",
    }
}

/// The kind with this word or this name.
pub fn kind_of(word: &str) -> Option<Kind> {
    let word = word.trim().to_lowercase();
    Kind::ALL.into_iter().find(|kind| kind_word(*kind) == word || kind.name() == word)
}

/// One thing that is asked of every text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Variable {
    /// The name of its column: `tone`.
    pub name: String,
    pub kind: Kind,

    /// What is asked.
    #[serde(alias = "instruction", skip_serializing_if = "String::is_empty")]
    pub question: String,

    /// Whether an item is complete without it.
    #[serde(skip_serializing_if = "is_false")]
    pub optional: bool,

    /// Whether "don't know" is no answer here.
    #[serde(skip_serializing_if = "is_false")]
    pub must_decide: bool,

    /// The least that a number may be, or the first point of a scale of whole numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,

    /// The largest, or the last point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,

    /// The labels with what they mean; of a scale in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<Class>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// The variables of a study, with the guideline that every coder reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Variables {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,

    /// Which state of the guideline coders have read; it is written into every verdict.
    pub guideline_version: String,

    /// Markdown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub guideline: String,
    pub variables: Vec<Variable>,
}

/// So many points a scale of numbers may have.
const MOST_POINTS: f64 = 101.0;

impl Variable {
    /// The labels to choose from; of a scale with ends, its whole numbers.
    pub fn labels(&self) -> Vec<String> {
        if self.classes.is_empty()
            && self.kind == Kind::Scale
            && let (Some(low), Some(high)) = (self.low, self.high)
            && high - low < MOST_POINTS
        {
            return (low as i64..=high as i64).map(|point| point.to_string()).collect();
        }
        if !self.kind.has_labels() {
            return Vec::new();
        }
        if self.kind == Kind::Better && self.classes.is_empty() {
            return [FIRST, SECOND, TIE, BOTH_BAD].map(str::to_owned).to_vec();
        }
        self.classes.iter().map(|class| class.label.trim().to_owned()).collect()
    }

    /// What keeps it from being asked, as the end of a sentence that begins with its name.
    pub fn problem(&self) -> Option<String> {
        if self.kind == Kind::Scale && self.classes.is_empty() {
            return match (self.low, self.high) {
                (Some(low), Some(high)) if low.fract() != 0.0 || high.fract() != 0.0 => {
                    Some("is a scale whose ends are no whole numbers; name its points".to_owned())
                }
                (Some(low), Some(high)) if low >= high || high - low >= MOST_POINTS => {
                    Some(format!("is a scale from {low} to {high}: 2 to 101 points are expected"))
                }
                (Some(_), Some(_)) => None,
                _ => Some(
                    "is a scale without ends: give `low` and `high`, or name its points in order"
                        .to_owned(),
                ),
            };
        }
        if self.kind == Kind::Number
            && let (Some(low), Some(high)) = (self.low, self.high)
            && low >= high
        {
            return Some(format!("is a number from {low} to {high}, which leaves no choice"));
        }
        if !self.kind.has_labels() {
            return None;
        }
        if self.kind == Kind::Better {
            let labels = self.labels();
            let known = [FIRST, SECOND, TIE, BOTH_BAD];
            return if let Some(other) = labels.iter().find(|label| !known.contains(&label.as_str()))
            {
                Some(format!(
                    "says which answer is better, and “{other}” does not: “first”, “second”, “tie” \
                     and “both bad” do"
                ))
            } else if [FIRST, SECOND].iter().all(|side| labels.iter().any(|label| label == side)) {
                None
            } else {
                Some("says which answer is better, and lacks “first” or “second”".to_owned())
            };
        }
        let fewest = if matches!(self.kind, Kind::Choice | Kind::Scale) { 2 } else { 1 };
        if self.classes.len() < fewest {
            return Some(match (self.classes.len(), fewest) {
                (0, _) => "has no labels".to_owned(),
                _ => "has only one of the two labels or more that a choice needs".to_owned(),
            });
        }
        let mut seen = BTreeSet::new();
        for (index, class) in self.classes.iter().enumerate() {
            let label = class.label.trim();
            if label.is_empty() {
                return Some(format!("has a class without a label (number {})", index + 1));
            }
            if label == DONT_KNOW {
                return Some(format!("has the label “{DONT_KNOW}”, which every question has"));
            }
            if !seen.insert(label.to_lowercase()) {
                return Some(format!("has the label “{label}” twice"));
            }
        }
        None
    }

    /// Why `value` is no answer to it, as a sentence. `text`: of the item.
    pub fn refusal(&self, value: &Value, text: &str) -> Option<String> {
        let name = &self.name;
        let is_label = |label: &String| self.labels().contains(label);
        match (self.kind, value) {
            (_, Value::DontKnow) if self.must_decide => {
                Some(format!("“don't know” is no answer to {name}"))
            }
            (_, Value::DontKnow) | (Kind::Text, Value::Words(_)) => None,
            (Kind::Choice | Kind::Scale | Kind::Better, Value::Words(label)) => {
                (!is_label(label)).then(|| format!("“{label}” is no label of {name}"))
            }
            (Kind::Choices, Value::Labels(labels)) => {
                let other = labels.iter().find(|label| !is_label(label));
                other.map(|label| format!("“{label}” is no label of {name}"))
            }
            (Kind::Number, Value::Number(number)) => {
                let below = self.low.filter(|low| number < low);
                let above = self.high.filter(|high| number > high);
                match (below, above) {
                    _ if !number.is_finite() => Some(format!("{name} has to be a number")),
                    (Some(low), _) => {
                        Some(format!("{number} is less than {low}, the least {name}"))
                    }
                    (_, Some(high)) => {
                        Some(format!("{number} is more than {high}, the largest {name}"))
                    }
                    _ => None,
                }
            }
            (Kind::Spans, Value::Labels(labels)) if labels.is_empty() => None,
            (Kind::Spans, Value::Spans(spans)) => {
                let length = text.chars().count();
                spans.iter().find_map(|Span { start, end, label }| {
                    if !is_label(label) {
                        Some(format!("“{label}” is no label of {name}"))
                    } else if start >= end || *end > length {
                        Some(format!(
                            "a place from {start} to {end} is not in a text of {length} characters"
                        ))
                    } else {
                        None
                    }
                })
            }
            (kind, value) => {
                Some(format!("“{}” is no answer to {name}: {}", value.shown(), kind.name()))
            }
        }
    }

    /// What a cell of a table says. `Ok(None)`: it is empty.
    pub fn parse(&self, cell: &str) -> Result<Option<Value>, String> {
        let cell = cell.trim();
        if cell.is_empty() {
            return Ok(None);
        }
        if cell == DONT_KNOW {
            return Ok(Some(Value::DontKnow));
        }
        // A label as the codebook writes it, whatever the case.
        let labels = self.labels();
        let known = |said: &str| {
            let said = said.trim();
            let exact = labels.iter().find(|label| *label == said);
            let same = || labels.iter().find(|label| label.to_lowercase() == said.to_lowercase());
            exact.or_else(same).cloned()
        };
        let unknown = || format!("“{cell}” is no label of {}", self.name);
        // R and pandas write so where there is nothing, and a text or a label may be called so.
        let is_words = self.kind == Kind::Text || known(cell).is_some();
        if is_missing(cell) && !is_words {
            return Ok(None);
        }
        Ok(Some(match self.kind {
            Kind::Text => Value::words(cell),
            Kind::Better => Value::Words(known(better_word(cell)).ok_or_else(unknown)?),
            Kind::Choice | Kind::Scale => {
                // Excel and pandas make 3 into 3.0.
                let whole = cell.strip_suffix(".0").unwrap_or(cell);
                Value::Words(known(cell).or_else(|| known(whole)).ok_or_else(unknown)?)
            }
            Kind::Number => Value::Number(number(cell).ok_or_else(|| {
                format!("“{cell}” is no number (a point stands before the decimals)")
            })?),
            Kind::Choices => {
                let listed = list_or_object(cell);
                let parts: Vec<String> = match listed.map(serde_json::from_value) {
                    Some(Ok(parts)) => parts,
                    _ if known(cell).is_some() => vec![cell.to_owned()],
                    _ => cell.split([';', '|']).map(|part| part.trim().to_owned()).collect(),
                };
                let said: Vec<String> = parts
                    .iter()
                    .map(|part| {
                        known(part).ok_or_else(|| format!("“{part}” is no label of {}", self.name))
                    })
                    .collect::<Result<_, _>>()?;
                // In the order of the codebook: the same choice is then the same value.
                Value::Labels(labels.iter().filter(|label| said.contains(label)).cloned().collect())
            }
            Kind::Spans => {
                let value: Value = serde_json::from_str(cell).map_err(|err| {
                    format!(
                        "“{cell}” is no list of places, [{{\"start\", \"end\", \"label\"}}] ({err})"
                    )
                })?;
                match value {
                    Value::Labels(labels) if labels.is_empty() => Value::Spans(Vec::new()),
                    value => value,
                }
            }
        }))
    }
}

/// As tables of other people say which of two answers is better.
fn better_word(cell: &str) -> &str {
    match cell.to_lowercase().as_str() {
        "a" | "1" | "answer_a" | "response_a" | "model_a" | "left" => FIRST,
        "b" | "2" | "answer_b" | "response_b" | "model_b" | "right" => SECOND,
        "equal" | "same" | "draw" => TIE,
        "both_bad" | "bothbad" | "tie (bothbad)" | "neither" => BOTH_BAD,
        _ => cell,
    }
}

impl Variables {
    /// The question which of two answers is better, and how much, for a study of pairs.
    pub fn of_pairs() -> Self {
        Self {
            name: String::new(),
            guideline_version: "1".to_owned(),
            guideline: String::new(),
            variables: vec![Variable {
                name: "better".to_owned(),
                kind: Kind::Better,
                question: "Which answer is better?".to_owned(),
                ..Variable::default()
            }],
        }
    }

    /// The question which of two answers is better, if there is one.
    pub fn better(&self) -> Option<usize> {
        self.variables.iter().position(|variable| variable.kind == Kind::Better)
    }

    /// What keeps it from being used, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if self.variables.is_empty() {
            return Some("it asks nothing: give it a variable".to_owned());
        }
        let mut seen = BTreeSet::new();
        for (index, variable) in self.variables.iter().enumerate() {
            let name = variable.name.trim();
            if name.is_empty() {
                return Some(format!("its variable number {} has no name", index + 1));
            }
            if !seen.insert(name.to_lowercase()) {
                return Some(format!("the variable “{name}” stands in it twice"));
            }
            if let Some(problem) = variable.problem() {
                return Some(format!("the variable “{name}” {problem}"));
            }
        }
        None
    }

    pub fn named(&self, name: &str) -> Option<(usize, &Variable)> {
        self.variables.iter().enumerate().find(|(_, variable)| variable.name == name)
    }

    /// A codebook of one variable, as Evaluate has it.
    pub fn of_codebook(codebook: &Codebook) -> Self {
        let name = codebook.name.trim();
        let variable = Variable {
            name: column_name(name),
            kind: if codebook.several { Kind::Choices } else { Kind::Choice },
            question: codebook.instruction.trim().to_owned(),
            classes: codebook.classes.clone(),
            ..Variable::default()
        };
        Self {
            name: name.to_owned(),
            guideline_version: "1".to_owned(),
            guideline: String::new(),
            variables: vec![variable],
        }
    }

    /// Whether a text can have several labels of the variable that stands first.
    pub fn first_has_several_labels(&self) -> bool {
        self.variables.first().is_some_and(|variable| variable.kind == Kind::Choices)
    }

    /// A variable with labels as a codebook of Evaluate, which asks a model about it.
    pub fn codebook(&self, variable: usize) -> Option<Codebook> {
        let variable = self.variables.get(variable)?;
        (variable.kind == Kind::Choice).then(|| Codebook {
            name: variable.name.clone(),
            instruction: variable.question.clone(),
            classes: variable.classes.clone(),
            ..Codebook::default()
        })
    }

    /// What differs from another codebook, in words; empty if they ask the same.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for variable in &self.variables {
            let name = &variable.name;
            let Some((_, theirs)) = other.named(name) else {
                found.push(format!("the variable “{name}” is missing there"));
                continue;
            };
            if variable.kind != theirs.kind {
                found.push(format!(
                    "“{name}” is {} here and {} there",
                    variable.kind.name(),
                    theirs.kind.name()
                ));
                continue;
            }
            let (ours, others) = (variable.labels(), theirs.labels());
            for label in ours.iter().filter(|label| !others.contains(label)) {
                found.push(format!("the label “{label}” of “{name}” is missing there"));
            }
            for label in others.iter().filter(|label| !ours.contains(label)) {
                found.push(format!("the label “{label}” of “{name}” is only there"));
            }
            if ours.len() == others.len() && ours != others && found.is_empty() {
                found.push(format!("the labels of “{name}” are in another order there"));
            }
            if found.is_empty() && variable != theirs {
                found.push(format!("“{name}” is explained in other words there"));
            }
        }
        for theirs in other.variables.iter().filter(|theirs| self.named(&theirs.name).is_none()) {
            found.push(format!("the variable “{}” is only there", theirs.name));
        }
        found
    }
}

/// A name that a column can have: `Kind of contribution` is `kind_of_contribution`.
pub fn column_name(name: &str) -> String {
    let mut column = String::new();
    for letter in name.trim().chars() {
        if letter.is_alphanumeric() {
            column.extend(letter.to_lowercase());
        } else if !column.is_empty() && !column.ends_with('_') {
            column.push('_');
        }
    }
    let column = column.trim_end_matches('_');
    if column.is_empty() { "code".to_owned() } else { column.to_owned() }
}

#[cfg(test)]
#[path = "variable_tests.rs"]
mod tests;

//! The two tools that a model may use in a chain: a calculator, and a search in texts of the project.
//! Nothing else is ever done for it, and nothing is executed.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::calculator::{self, Names};
use super::error::PromptError;
use crate::data::table::{self, ImportError, Reading};
use crate::evaluate::rows::passages;
use crate::evaluate::rows::ranked::Ranked;
use crate::jobs::{Cancelled, Progress};

/// Passages that a search gives.
const MOST_FOUND: usize = 3;

/// Words of a passage.
const PASSAGE_WORDS: usize = 80;

/// A longer input is no question.
const MOST_INPUT: usize = 2000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tool {
    /// Exact arithmetic.
    Calculator,

    /// The passages of a folder of texts that fit a question best, by BM25.
    Search,
}

impl Tool {
    pub fn name(self) -> &'static str {
        match self {
            Self::Calculator => "calculator",
            Self::Search => "search",
        }
    }
}

/// What a model asked for, and what it got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolUse {
    pub tool: String,
    pub input: String,

    /// What the model reads as the observation.
    pub output: String,

    /// Whether the output says why there is no result.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

/// Texts that are searched.
pub struct Texts {
    passages: Vec<(String, passages::Passage)>,
    ranked: Ranked,
}

impl Texts {
    /// Every document of a folder, in passages.
    pub fn read(folder: &Path, progress: &dyn Progress<Reading>) -> Result<Self, PromptError> {
        if !folder.is_dir() {
            let name = folder.file_name().unwrap_or(folder.as_os_str());
            return Err(PromptError::NoTexts { name: name.to_string_lossy().into_owned() });
        }
        let table = table::rows(folder, progress).map_err(|source| match source {
            ImportError::Stopped { .. } => PromptError::Cancelled(Cancelled),
            source => PromptError::Texts { path: folder.to_owned(), source },
        })?;
        let of = |row: &table::Row, column: &str| {
            row.get(column).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
        };
        let documents = table.rows.iter().map(|row| (of(row, "file"), of(row, "text")));
        Ok(Self::new(documents))
    }

    /// Documents, each with its name.
    pub fn new(documents: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut all = Vec::new();
        for (name, text) in documents {
            let passages = passages::split(&text, PASSAGE_WORDS);
            all.extend(passages.into_iter().map(|passage| (name.clone(), passage)));
        }
        let ranked = Ranked::new(all.iter().map(|(_, passage)| passage.text.as_str()));
        Self { passages: all, ranked }
    }

    /// The passages that fit best, each with its document and its number there.
    fn search(&self, question: &str) -> Result<String, String> {
        let found = self.ranked.found(question);
        if found.is_empty() {
            return Err(format!("No text has a word of \"{question}\". Search with other words."));
        }
        let lines = found.iter().take(MOST_FOUND).map(|(at, _)| {
            let (name, passage) = &self.passages[*at];
            let text = passage.text.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("[{name}, passage {}] {text}", passage.number)
        });
        Ok(lines.collect::<Vec<_>>().join("\n"))
    }
}

/// What a model has at hand in a step.
pub struct Tools<'a> {
    pub allowed: &'a [Tool],
    pub texts: Option<&'a Texts>,
}

impl Tools<'_> {
    /// Uses a tool by the name that the model wrote. What goes wrong is told to the model.
    pub fn run(&self, name: &str, input: &str) -> ToolUse {
        let found = self.allowed.iter().find(|tool| tool.name().eq_ignore_ascii_case(name));
        let output = match found {
            _ if input.chars().count() > MOST_INPUT => {
                Err(format!("The input is longer than {MOST_INPUT} characters."))
            }
            None => {
                let known: Vec<String> =
                    self.allowed.iter().map(|tool| format!("{}[…]", tool.name())).collect();
                Err(format!("There is no tool \"{name}\". There are: {}.", known.join(", ")))
            }
            Some(Tool::Calculator) => calculator::value(input, &Names::new())
                .map(|value| calculator::words(&value))
                .map_err(|err| format!("Error: {err}.")),
            Some(Tool::Search) => match self.texts {
                Some(texts) => texts.search(input),
                None => Err("There are no texts to search.".to_owned()),
            },
        };
        let (tool, input) = (name.to_owned(), input.to_owned());
        let failed = output.is_err();
        ToolUse { tool, input, output: output.unwrap_or_else(|why| why), failed }
    }
}

/// What a model wrote in a turn of thought and action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// It asks for a tool.
    Action { tool: String, input: String },

    /// It has its answer.
    Answer(String),

    /// Neither.
    Nothing,
}

/// Reads the first action or final answer of a turn, and where in the text it ends.
///
/// In the forms of the `ReAct` paper (Yao et al. 2023) and of its followers: `Action: search[words]`,
/// `Action 2: Calculator(2 + 3)`, `Finish[42]`, `Final answer: 42`.
pub fn read_move(text: &str) -> (Move, usize) {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let end = at + line.trim_end().len();
        let plain = line.trim().trim_start_matches(['*', '#', ' ']).trim();
        if let Some(answer) = after(plain, "final answer") {
            // An answer may have more than one line.
            let rest = &text[at + line.len()..];
            let answer = answer.trim_matches('*').trim();
            let whole = format!("{answer}\n{}", rest.trim_end());
            return (Move::Answer(whole.trim().to_owned()), text.len());
        }
        let called = after(plain, "action").unwrap_or(plain);
        if let Some((tool, input)) = call(called) {
            let is_action = after(plain, "action").is_some();
            if tool.eq_ignore_ascii_case("finish") {
                return (Move::Answer(input), end);
            }
            if is_action {
                return (Move::Action { tool, input }, end);
            }
        }
        at += line.len();
    }
    (Move::Nothing, text.len())
}

/// What follows `word`, a number and a colon at the beginning of a line.
fn after<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let start = line.get(..word.len()).filter(|start| start.eq_ignore_ascii_case(word))?;
    let rest = line[start.len()..].trim_start();
    let rest = rest.trim_start_matches(|letter: char| letter.is_ascii_digit()).trim_start();
    let rest = rest.trim_start_matches('*');
    rest.strip_prefix(':').map(|rest| rest.trim_start_matches('*').trim())
}

/// `name[input]`, `name(input)`, `name: input`.
fn call(text: &str) -> Option<(String, String)> {
    let text = text.trim().trim_matches('`');
    let end = text.find(|letter: char| !(letter.is_alphanumeric() || letter == '_'))?;
    let (name, rest) = text.split_at(end);
    let rest = rest.trim_start();
    let close = match rest.chars().next()? {
        '[' => ']',
        '(' => ')',
        ':' => {
            let input = rest[1..].trim();
            return (!name.is_empty()).then(|| (name.to_owned(), input.to_owned()));
        }
        _ => return None,
    };
    let inside = &rest[1..];
    let inside = inside.rfind(close).map_or(inside, |end| &inside[..end]);
    let inside = inside.trim().trim_matches(['"', '\'']);
    (!name.is_empty()).then(|| (name.to_owned(), inside.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_action_of_a_turn_counts_and_what_follows_it_is_cut() {
        let action = |tool: &str, input: &str| Move::Action {
            tool: tool.to_owned(),
            input: input.to_owned(),
        };
        for (text, expected) in [
            ("I add.\nAction: calculator[2 + 3]\nFinal answer: 6", action("calculator", "2 + 3")),
            ("Action 1: Search[who paid (and why)]", action("Search", "who paid (and why)")),
            ("**Action:** calculator((2+3)*4)", action("calculator", "(2+3)*4")),
            ("Action: search: \"the ministry\"", action("search", "\"the ministry\"")),
            ("Action: calculator[a[1]", action("calculator", "a[1")),
            ("So.\nFinal answer: 42", Move::Answer("42".to_owned())),
            ("FINAL ANSWER: 42\nor so", Move::Answer("42\nor so".to_owned())),
            ("Action 3: Finish[42]", Move::Answer("42".to_owned())),
            ("I do not know. In action (2) …", Move::Nothing),
        ] {
            assert_eq!(read_move(text).0, expected, "{text}");
        }
        let text = "Action: calculator[1]\nObservation: 7";
        assert_eq!(&text[..read_move(text).1], "Action: calculator[1]");
    }

    #[test]
    fn the_tools_say_what_went_wrong_to_the_model() {
        let documents = [
            ("a.txt".to_owned(), "The ministry paid for the study.".to_owned()),
            ("b.txt".to_owned(), "Teachers answered by letter.".to_owned()),
        ];
        let texts = Texts::new(documents);
        let all = [Tool::Calculator, Tool::Search];
        let tools = Tools { allowed: &all, texts: Some(&texts) };
        assert_eq!(tools.run("Calculator", "2 * 21").output, "42");
        let zero = tools.run("calculator", "1 / 0");
        assert_eq!((zero.output.as_str(), zero.failed), ("Error: `1 / 0` divides by zero.", true));
        let found = tools.run("search", "Who paid?").output;
        assert_eq!(found, "[a.txt, passage 1] The ministry paid for the study.");
        assert!(tools.run("search", "xyzzy").failed);
        let other = tools.run("shell", "rm -rf /").output;
        assert_eq!(other, "There is no tool \"shell\". There are: calculator[…], search[…].");
        let only = Tools { allowed: &all[..1], texts: None };
        assert!(only.run("search", "a").output.contains("There are: calculator[…]."));
    }
}

//! The prompts of the project beside the conversation: one is opened, filled, put to use or run.

use std::path::PathBuf;
use std::sync::Arc;

use crate::prompts::examples::{Chosen, ExampleTable};
use crate::prompts::filled::{Filled, Values, missing};
use crate::prompts::fit::Fit;
use crate::prompts::library::Entry;
use crate::prompts::material::{Choose, Manner, Material};
use crate::prompts::record::{Ended, Record, StepRecord};
use crate::prompts::run::RunEvent;
use crate::prompts::tools::ToolUse;

/// What lies beside the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sheet {
    /// The conversations of the project.
    Chats,

    /// Its prompts and chains.
    Prompts,
}

/// The list of prompts, and the one that is open.
#[derive(Debug, Default)]
pub struct LibraryState {
    pub entries: Vec<Entry>,
    pub query: String,
    pub open: Option<OpenPrompt>,

    /// The name under which the prompt in the field is to be kept.
    pub save_name: String,

    /// Counts the prompts that were opened: what is said of an earlier one is not heard.
    number: u64,
}

/// A prompt that is being filled.
#[derive(Debug)]
pub struct OpenPrompt {
    pub number: u64,
    pub entry: Entry,

    /// As its file has it, with what was chosen of its examples here.
    pub material: Material,

    /// In the order of the prompt.
    pub asked: Vec<String>,
    pub values: Values,

    /// Rows by hand, as they are typed: `4, 1, 7`.
    pub rows: String,

    /// Its table of examples, once it was read.
    pub table: Option<Arc<ExampleTable>>,

    /// What was prepared, or why it could not be, and for what.
    pub prepared: Option<(Inputs, Result<Prepared, String>)>,

    /// What is being prepared.
    pub preparing: Option<Inputs>,
    pub run: Option<RunView>,

    /// What stood in the prompt's field before this one was put there.
    pub replaced: Option<String>,
}

/// What decides a filled prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Inputs {
    pub material: Material,
    pub values: Values,
    pub manner: Manner,
}

/// A prompt that is filled and counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    pub filled: Filled,
    pub chosen: Option<Chosen>,
    pub fit: Fit,
}

/// A run as it is seen.
#[derive(Debug, Default)]
pub struct RunView {
    pub steps: Vec<StepView>,
    pub step_count: usize,
    pub is_running: bool,
    pub problem: Option<String>,
    pub ended: Option<Ended>,
    pub answer: Option<String>,

    /// The file that keeps it.
    pub kept: Option<PathBuf>,
}

#[derive(Debug, Default)]
pub struct StepView {
    pub prompt: String,

    /// What is being written, with what tools gave between.
    pub pieces: Vec<Piece>,
    pub done: Option<StepRecord>,
}

/// A piece of a step, in the order in which it came.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    Written(String),
    Used(ToolUse),
}

impl LibraryState {
    /// Opens a prompt, with the values that the one before it had under the same names.
    pub fn open(&mut self, entry: &Entry) {
        let Ok(material) = &entry.material else { return };
        self.number += 1;
        let before = self.open.take().map(|open| open.values).unwrap_or_default();
        let asked = material.asked_for();
        let value = |name: &String| {
            let default = material.variables.get(name).and_then(|it| it.default.clone());
            let known = before.get(name).filter(|value| !value.is_empty()).cloned();
            (name.clone(), known.or(default).unwrap_or_default())
        };
        let rows = material.examples.iter().flat_map(|examples| &examples.rows);
        let rows: Vec<String> = rows.map(usize::to_string).collect();
        self.open = Some(OpenPrompt {
            number: self.number,
            entry: entry.clone(),
            material: material.clone(),
            values: asked.iter().map(value).collect(),
            asked,
            rows: rows.join(", "),
            table: None,
            prepared: None,
            preparing: None,
            run: None,
            replaced: None,
        });
    }

    /// The open prompt, if it is still the one that this is about.
    pub fn of(&mut self, number: u64) -> Option<&mut OpenPrompt> {
        self.open.as_mut().filter(|open| open.number == number)
    }

    /// Another model or adapter is there: it counts other tokens, or has another context.
    pub fn count_again(&mut self) {
        if let Some(open) = &mut self.open {
            (open.prepared, open.preparing) = (None, None);
        }
    }

    pub fn is_running(&self) -> bool {
        self.open.as_ref().and_then(|open| open.run.as_ref()).is_some_and(|run| run.is_running)
    }
}

impl OpenPrompt {
    /// What is missing before it can be used, in a sentence.
    pub fn obstacle(&self) -> Option<String> {
        if let Some(name) = missing(&self.material, &self.asked, &self.values) {
            return Some(format!("Give \"{name}\" a value"));
        }
        let by_hand = self.material.examples.as_ref().filter(|it| it.choose == Choose::Hand);
        if by_hand.is_some() && parse_rows(&self.rows).is_none() {
            return Some("Write rows as numbers between commas: 4, 1, 7".to_owned());
        }
        None
    }

    /// What it would be prepared with. `None`: something is missing.
    pub fn inputs(&self, manner: Manner) -> Option<Inputs> {
        if self.obstacle().is_some() {
            return None;
        }
        let mut material = self.material.clone();
        if let Some(examples) = &mut material.examples
            && examples.choose == Choose::Hand
        {
            examples.rows = parse_rows(&self.rows)?;
        }
        Some(Inputs { material, values: self.values.clone(), manner })
    }

    /// What is known of it as it stands.
    pub fn known(&self, inputs: &Inputs) -> Option<&Result<Prepared, String>> {
        self.prepared.as_ref().filter(|(of, _)| of == inputs).map(|(_, prepared)| prepared)
    }

    pub fn begin_run(&mut self, kept: Option<PathBuf>) {
        let step_count = self.material.all_steps().len();
        self.run = Some(RunView { step_count, is_running: true, kept, ..RunView::default() });
    }

    pub fn on_event(&mut self, event: RunEvent) {
        let Some(run) = &mut self.run else { return };
        match event {
            RunEvent::Began { prompt, .. } => {
                run.steps.push(StepView { prompt, ..StepView::default() });
            }
            RunEvent::Wrote { text, .. } => {
                let Some(step) = run.steps.last_mut() else { return };
                if let Some(Piece::Written(written)) = step.pieces.last_mut() {
                    written.push_str(&text);
                } else {
                    step.pieces.push(Piece::Written(text));
                }
            }
            RunEvent::Used { used, .. } => {
                let Some(step) = run.steps.last_mut() else { return };
                step.pieces.push(Piece::Used(used));
            }
            RunEvent::Ended { step: done } => {
                let Some(step) = run.steps.last_mut() else { return };
                step.done = Some(*done);
            }
        }
    }

    pub fn run_done(&mut self, record: &Record) {
        let Some(run) = &mut self.run else { return };
        run.is_running = false;
        run.ended = Some(record.ended.clone());
        run.answer.clone_from(&record.answer);
    }

    pub fn run_failed(&mut self, problem: String) {
        let Some(run) = &mut self.run else { return };
        run.is_running = false;
        run.problem = Some(problem);
    }
}

/// `4, 1, 7`. `None`: something else than numbers.
fn parse_rows(text: &str) -> Option<Vec<usize>> {
    let parts = text.split(|letter: char| letter == ',' || letter.is_whitespace());
    let rows: Option<Vec<usize>> =
        parts.filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect();
    rows.filter(|rows| !rows.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompts::library::list;

    #[test]
    fn values_of_the_same_name_stay_when_another_prompt_is_opened() {
        let entries = list(None);
        let find = |name: &str| entries.iter().find(|entry| entry.name == name).unwrap();
        let mut library = LibraryState::default();
        library.open(find("chain-of-thought"));
        let open = library.open.as_mut().unwrap();
        assert_eq!(open.obstacle().unwrap(), "Give \"question\" a value");
        open.values.insert("question".to_owned(), "Why?".to_owned());
        assert_eq!(open.obstacle(), None);
        library.open(find("react"));
        assert_eq!(library.open.as_ref().unwrap().values["question"], "Why?");
    }

    #[test]
    fn rows_are_read_as_people_type_them() {
        assert_eq!(parse_rows("4, 1 7"), Some(vec![4, 1, 7]));
        assert_eq!(parse_rows("4-7"), None);
        assert_eq!(parse_rows(" "), None);
    }
}

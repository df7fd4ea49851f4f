//! Runs a prompt or a chain, step after step, and keeps what each step did.
//!
//! Step n draws with the seed plus n - 1, and each further turn of a step with one more, unless the
//! file names a seed: the same run gives the same answers.

use std::path::PathBuf;

use super::calculator::{self, CalculatorError};
use super::check::{DEFAULT_TURNS, Meaning, meaning};
use super::error::PromptError;
use super::examples::Chosen;
use super::filled::{Filled, Values};
use super::material::{Manner, Material, Step};
use super::presets::{self, Preset};
use super::record::{Ended, Record, StepRecord, Turn};
use super::tools::{Move, Texts, Tool, ToolUse, Tools, read_move};
use super::writer::{Listener, Said, Writer};
use crate::jobs::{Checks, Progress};
use crate::llm;
use crate::llm::card::ModelIdentity;
use crate::llm::generate::StopReason;
use crate::llm::text::reasoning;

/// What follows a turn with an action; the model must not write it by itself.
const OBSERVATION: &str = "\nObservation";

/// Everything that decides a run, but the model.
#[derive(Clone, Debug)]
pub struct RunRequest {
    pub name: String,
    pub material: Material,
    pub values: Values,
    pub examples: Option<Chosen>,

    /// What holds where the file says nothing.
    pub manner: Manner,

    /// The project's own.
    pub presets: Vec<Preset>,

    /// The folder that the tool `search` looks in.
    pub texts: Option<PathBuf>,

    /// Where it is kept.
    pub to: Option<PathBuf>,
    pub started_at: String,
    pub model: ModelIdentity,
    pub adapter: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RunEvent {
    /// A step begins: its number from 1, and what is asked.
    Began {
        step: usize,
        prompt: String,
    },

    /// More of what the model writes.
    Wrote {
        step: usize,
        text: String,
    },

    /// A tool was used.
    Used {
        step: usize,
        used: ToolUse,
    },
    Ended {
        step: Box<StepRecord>,
    },
}

/// Runs all steps. An error: what there was by then is kept, with why it ended. Stopping is no error.
pub fn run(
    request: &RunRequest,
    writer: &dyn Writer,
    progress: &dyn Progress<RunEvent>,
) -> Result<Record, PromptError> {
    let mut record = Record {
        program: concat!("tuning-fork ", env!("CARGO_PKG_VERSION")).to_owned(),
        name: request.name.clone(),
        started_at: request.started_at.clone(),
        model: request.model.clone(),
        adapter: request.adapter.clone(),
        values: request.values.clone(),
        examples: request.examples.clone(),
        ended: Ended::Running,
        answer: None,
        steps: Vec::new(),
        prompt: request.material.clone(),
    };
    let keep = |record: &Record| request.to.as_ref().map_or(Ok(()), |path| record.write(path));
    let ran = Running { request, writer, progress }.all(&mut record, &keep);
    record.ended = match &ran {
        Ok(()) => Ended::Complete,
        Err(err) if err.is_stop() => Ended::Stopped,
        Err(err) => Ended::Failed(crate::errors::one_line(err)),
    };
    if record.ended == Ended::Complete {
        record.answer = record.steps.last().map(|step| match &step.result {
            Some(result) => result.clone(),
            None => step.answer.clone(),
        });
    }
    keep(&record)?;
    match ran {
        Err(err) if !err.is_stop() => Err(err),
        _ => Ok(record),
    }
}

struct Running<'a> {
    request: &'a RunRequest,
    writer: &'a dyn Writer,
    progress: &'a dyn Progress<RunEvent>,
}

impl Running<'_> {
    fn all(
        &self,
        record: &mut Record,
        keep: &dyn Fn(&Record) -> Result<(), PromptError>,
    ) -> Result<(), PromptError> {
        let RunRequest { material, texts, .. } = self.request;
        let steps = material.all_steps();
        let searches = steps.iter().any(|step| step.tools.contains(&Tool::Search));
        let texts = match texts {
            Some(folder) if searches => Some(Texts::read(folder, &Checks(self.progress))?),
            None if searches => return Err(PromptError::NoTexts { name: material.texts.clone() }),
            _ => None,
        };
        for (at, step) in steps.iter().enumerate() {
            self.progress.check()?;
            let manner = self.manner(at, step)?;
            let filled = self.fill(step, &steps, record)?;
            let prompt = filled.prompt.clone();
            self.progress.emit(RunEvent::Began { step: at + 1, prompt });
            record.steps.push(StepRecord::new(at + 1, &step.name, &filled, &manner));
            let answered = self.step(step, &filled, record, texts.as_ref());
            if let Some(done) = record.steps.last() {
                self.progress.emit(RunEvent::Ended { step: Box::new(done.clone()) });
            }
            answered?;
            keep(record)?;
        }
        Ok(())
    }

    fn manner(&self, at: usize, step: &Step) -> Result<Manner, PromptError> {
        let RunRequest { material, manner, presets: own, .. } = self.request;
        let preset = |name: &str| presets::find(name, own);
        let all = material.settings.over(manner, &preset)?;
        let base = Manner { seed: all.seed.wrapping_add(at as u64), ..all };
        step.settings.over(&base, &preset)
    }

    fn fill(&self, step: &Step, steps: &[Step], record: &Record) -> Result<Filled, PromptError> {
        let RunRequest { material, values, examples, .. } = self.request;
        let value = |name: &str| match meaning(name, steps) {
            Meaning::Examples => Some(examples.as_ref().map(Chosen::block).unwrap_or_default()),
            Meaning::Answer { step, is_result } => {
                let done = record.steps.get(step)?;
                if is_result { done.result.clone() } else { Some(done.answer.clone()) }
            }
            Meaning::Value => None,
        };
        Filled::new(material, step, values, &value)
    }

    /// Answers the last step of the record.
    fn step(
        &self,
        step: &Step,
        filled: &Filled,
        record: &mut Record,
        texts: Option<&Texts>,
    ) -> Result<(), PromptError> {
        let done = record.steps.last_mut().expect("it was pushed before");
        if !step.tools.is_empty() {
            return self.with_tools(step, filled, done, texts);
        }
        let manner = done.settings.clone();
        let said = self.write(done, filled, &filled.begin, &manner)?;
        let whole = format!("{}{}", filled.begin, said.text);
        reasoning::without(&whole, &said.seen).trim().clone_into(&mut done.answer);
        if said.stop == StopReason::Stopped {
            return Err(PromptError::Cancelled(crate::jobs::Cancelled));
        }
        if step.calculate {
            self.calculate(done)?;
        }
        Ok(())
    }

    /// Asks the model once, and notes the turn.
    fn write(
        &self,
        done: &mut StepRecord,
        filled: &Filled,
        begun: &str,
        manner: &Manner,
    ) -> Result<Said, PromptError> {
        let step = done.number;
        let on_text =
            |text: &str| self.progress.emit(RunEvent::Wrote { step, text: text.to_owned() });
        let listener = Listener { on_text: &on_text, check: &|| self.progress.check() };
        let said = self.writer.write(&filled.asked(), begun, manner, &listener);
        let said = said.map_err(|err| match err {
            PromptError::Model(source @ llm::Error::ContextFull { .. }) => {
                PromptError::StepDoesNotFit { step, source }
            }
            err => err,
        })?;
        done.turns.push(Turn {
            seen: said.seen.clone(),
            prompt_tokens: said.prompt_tokens,
            seed: manner.seed,
            written: said.text.clone(),
            tokens: said.tokens,
            stop: said.stop,
            used: None,
        });
        Ok(said)
    }

    /// Thought, action, observation, until there is a final answer.
    fn with_tools(
        &self,
        step: &Step,
        filled: &Filled,
        done: &mut StepRecord,
        texts: Option<&Texts>,
    ) -> Result<(), PromptError> {
        let tools = Tools { allowed: &step.tools, texts };
        let most = if step.turns == 0 { DEFAULT_TURNS } else { step.turns };
        let mut manner = done.settings.clone();
        manner.stop.push(OBSERVATION.to_owned());
        let mut transcript = filled.begin.clone();
        for _ in 0..most {
            let said = self.write(done, filled, &transcript, &manner)?;
            if said.stop == StopReason::Stopped {
                return Err(PromptError::Cancelled(crate::jobs::Cancelled));
            }
            let (found, end) = read_move(&said.text);
            let used = match found {
                Move::Answer(answer) => {
                    done.answer = answer;
                    return Ok(());
                }
                Move::Action { tool, input } => tools.run(&tool, &input),
                Move::Nothing => ToolUse {
                    tool: String::new(),
                    input: String::new(),
                    output: format!(
                        "No action was found. Write a line `Action: {}[…]`, or a line `Final \
                         answer: …`.",
                        step.tools[0].name()
                    ),
                    failed: true,
                },
            };
            transcript.push_str(said.text[..end].trim_end());
            transcript.push_str(&format!("{OBSERVATION}: {}\nThought:", used.output));
            self.progress.emit(RunEvent::Used { step: done.number, used: used.clone() });
            if let Some(turn) = done.turns.last_mut() {
                turn.used = Some(used);
            }
            manner.seed = manner.seed.wrapping_add(1);
        }
        Err(PromptError::TooManyTurns { step: done.number, turns: most })
    }

    /// Works out the program that the step's answer is.
    fn calculate(&self, done: &mut StepRecord) -> Result<(), PromptError> {
        let step = done.number;
        let lines = calculator::program(&done.answer);
        let mut failed: Option<CalculatorError> = None;
        for line in &lines {
            let (output, is_error) = match &line.value {
                Ok(value) => (calculator::words(value), false),
                Err(err) => (format!("Error: {err}."), true),
            };
            let used = ToolUse {
                tool: Tool::Calculator.name().to_owned(),
                input: line.text.clone(),
                output,
                failed: is_error,
            };
            self.progress.emit(RunEvent::Used { step, used: used.clone() });
            done.lines.push(used);
            if let Err(err) = &line.value {
                failed.get_or_insert_with(|| err.clone());
            }
        }
        if let Some(source) = failed {
            return Err(PromptError::Calculation { step, source });
        }
        let named = lines.iter().rfind(|line| line.name.as_deref() == Some("answer"));
        let last =
            named.or_else(|| lines.last()).ok_or(PromptError::NothingToCalculate { step })?;
        done.result = last.value.as_ref().ok().map(calculator::words);
        Ok(())
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;

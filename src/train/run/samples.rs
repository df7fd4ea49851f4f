//! `samples.jsonl`: a fixed prompt, answered by the model as it is after every so many steps, so
//! that a person can read what the curves only count.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::data::pair::{Message, Text};
use crate::files;
use crate::jobs::{Cancelled, Progress};
use crate::llm;
use crate::llm::adapter::lora::Adapter;
use crate::llm::generate::sampling::SamplingParams;
use crate::llm::generate::{AdapterMode, GenerateEvent, GenerateRequest, Lane, Prompt, generate};
use crate::llm::model::Model;
use crate::train::error::Error;
use crate::train::record::metrics::TrainEvent;
use crate::train::rows::batch::Example;

pub const SAMPLES_FILE: &str = "samples.jsonl";

/// Tokens of an answer: enough for a few sentences, and some seconds on a laptop.
pub(crate) const MAX_NEW_TOKENS: usize = 80;

/// The model's answer after so many steps; 0 is before the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    pub step: usize,
    pub prompt: String,
    pub answer: String,
}

/// What is asked: the words that were set, or else the first held-out prompt (the first of all
/// where none is held out).
pub fn prompt(words: &str, examples: &[Example], held_out: &[usize]) -> Option<Text> {
    if !words.trim().is_empty() {
        return Some(Text::Messages(vec![Message::new("user", words.trim())]));
    }
    let all = held_out.iter().filter_map(|index| examples.get(*index)).chain(examples);
    // A prompt without words cannot be asked.
    let mut asked = all.filter(|example| !example.prompt.words().trim().is_empty());
    asked.next().map(|example| example.prompt.clone())
}

/// Answers greedily, so that only the adapter makes a difference.
pub fn answer(
    model: &Model,
    adapter: &Adapter,
    prompt: &Text,
    step: usize,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Sample, Error> {
    let asked = match (prompt, model.chat()) {
        (Text::Messages(messages), Some(_)) => Prompt::Chat(messages.clone()),
        (text, _) => Prompt::Raw(text.words()),
    };
    let request = GenerateRequest {
        prompt: asked,
        sampling: SamplingParams { greedy: true, ..SamplingParams::default() },
        max_new_tokens: MAX_NEW_TOKENS,
        stop_strings: Vec::new(),
        lanes: vec![Lane { seed: 0, adapter: AdapterMode::On }],
    };
    let answers = generate(model, Some(adapter), &request, &OnlyStop(progress));
    progress.check().map_err(|_stopped| Error::Cancelled)?;
    match answers {
        Ok(answers) => {
            let answer = answers.into_iter().next().map(|answer| answer.text).unwrap_or_default();
            Ok(Sample { step, prompt: prompt.words(), answer })
        }
        // A prompt that cannot be asked is no reason to end a run.
        Err(err @ (llm::Error::ContextFull { .. } | llm::Error::Chat(_))) => {
            Ok(Sample { step, prompt: prompt.words(), answer: format!("({err})") })
        }
        Err(err) => Err(Error::Model(err)),
    }
}

/// Passes a Stop on, and nothing else.
struct OnlyStop<'a>(&'a dyn Progress<TrainEvent>);

impl Progress<GenerateEvent> for OnlyStop<'_> {
    fn emit(&self, _event: GenerateEvent) {}

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }
}

/// What a run has answered so far. A line that a crash has cut short is skipped.
pub fn read(run_dir: &Path) -> Vec<Sample> {
    let text = std::fs::read_to_string(run_dir.join(SAMPLES_FILE)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Takes back what was answered after `step`: a resumed run answers it again.
pub fn truncate(run_dir: &Path, step: usize) -> Result<(), Error> {
    let path = run_dir.join(SAMPLES_FILE);
    let samples = read(run_dir);
    if samples.iter().all(|sample| sample.step <= step) {
        return Ok(());
    }
    let kept: String = samples
        .iter()
        .filter(|sample| sample.step <= step)
        .map(|sample| serde_json::to_string(sample).expect("a sample is plain text"))
        .flat_map(|line| [line, "\n".to_owned()])
        .collect();
    files::write_atomic(&path, kept.as_bytes()).map_err(|source| Error::Write { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::rows::batch::Sequence;

    fn example(words: &str) -> Example {
        Example {
            line: 1,
            prompt: Text::Plain(words.to_owned()),
            group: words.to_owned(),
            chosen: Sequence { ids: vec![1, 2], completion_start: 1 },
            rejected: None,
        }
    }

    #[test]
    fn the_first_held_out_prompt_is_asked_unless_words_were_set() {
        let examples = [example("first"), example("second")];
        let asked = |words: &str, held_out: &[usize]| {
            prompt(words, &examples, held_out).map(|text| text.words())
        };
        assert_eq!(asked("", &[1]).as_deref(), Some("second"));
        assert_eq!(asked(" ", &[]).as_deref(), Some("first"));
        assert_eq!(asked(" My own? ", &[1]).as_deref(), Some("My own?"));
        assert_eq!(prompt("", &[], &[]), None);
        let some = [example(""), example("words")];
        assert_eq!(prompt("", &some, &[0]).unwrap().words(), "words");
    }

    #[test]
    fn samples_after_a_checkpoint_are_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let sample = |step| Sample { step, prompt: "p".to_owned(), answer: "a\nb".to_owned() };
        for step in [0, 10, 20] {
            files::append_json(&folder.path().join(SAMPLES_FILE), &sample(step)).unwrap();
        }
        truncate(folder.path(), 10).unwrap();
        assert_eq!(read(folder.path()), [sample(0), sample(10)]);
        truncate(folder.path(), 10).unwrap();
        assert_eq!(read(&folder.path().join("none")), []);
    }
}

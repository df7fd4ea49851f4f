//! Answers a fixed prompt with the model as it is, so that a person can read what the curves only
//! count. Where the answers are kept: see `record::samples`.

use crate::data::pair::{Message, Text};
use crate::jobs::{Cancelled, Progress};
use crate::llm;
use crate::llm::adapter::lora::Adapter;
use crate::llm::generate::sampling::SamplingParams;
use crate::llm::generate::{AdapterMode, GenerateEvent, GenerateRequest, Lane, Prompt, generate};
use crate::llm::model::Model;
use crate::train::config::{Objective, TrainConfig};
use crate::train::error::Error;
use crate::train::record::metrics::TrainEvent;
use crate::train::record::samples::Sample;
use crate::train::rows::batch::Example;

/// Tokens of an answer: enough for a few sentences, and some seconds on a laptop.
pub(crate) const MAX_NEW_TOKENS: usize = 80;

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

/// Answers greedily, so that only what was learned makes a difference; a text that is continued is drawn
/// with the run's seed.
pub fn answer(
    model: &Model,
    adapter: &Adapter,
    (prompt, config): (&Text, &TrainConfig),
    step: usize,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Sample, Error> {
    let asked = match (prompt, model.chat()) {
        (Text::Messages(messages), Some(_)) if config.objective != Objective::Pretrain => {
            Prompt::Chat(messages.clone())
        }
        (text, _) => Prompt::Raw(text.words()),
    };
    // A model that has just been born repeats itself without end where nothing is drawn.
    let sampling = if config.objective == Objective::Pretrain {
        SamplingParams { temperature: 0.7, ..SamplingParams::default() }
    } else {
        SamplingParams { greedy: true, ..SamplingParams::default() }
    };
    let request = GenerateRequest {
        prompt: asked,
        sampling,
        max_new_tokens: MAX_NEW_TOKENS,
        stop_strings: Vec::new(),
        lanes: vec![Lane { seed: config.seed, adapter: AdapterMode::On }],
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::rows::sequence::Sequence;

    fn example(words: &str) -> Example {
        let chosen = Sequence::new(vec![1, 2], 1);
        Example::of_one(1, Text::Plain(words.to_owned()), words.to_owned(), chosen)
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
}

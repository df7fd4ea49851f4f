//! How likely a model finds each of two answers to a prompt: pairs that it hardly tells apart are those
//! of which it is least certain.

use crate::data::forms::Beside;
use crate::data::pair::{Message, Text};
use crate::jobs::{Cancelled, Progress};
use crate::llm;
use crate::llm::adapter::lora::Adapter;
use crate::llm::generate::score::{self, Scoring};
use crate::llm::model::Model;

/// `done` of `total` pairs are scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scored {
    pub done: usize,
    pub total: usize,
}

/// A prompt with its two answers.
pub struct Compared<'a> {
    pub prompt: &'a Text,
    pub answers: [&'a str; 2],
}

/// The mean log-probability of an answer's tokens given the prompt, of both answers of each pair.
///
/// The mean and not the sum: a longer answer would always be the less likely one. Slow: reports and
/// looks for Stop once a pair. An error comes with the place of its pair.
pub fn mean_logprobs(
    model: &Model,
    adapter: Option<&Adapter>,
    pairs: &[Compared<'_>],
    progress: &dyn Progress<Scored>,
) -> Result<Vec<[f64; 2]>, (usize, llm::Error)> {
    let total = pairs.len();
    let mut found = Vec::with_capacity(total);
    for (done, pair) in pairs.iter().enumerate() {
        progress.emit(Scored { done, total });
        let mut means = [0.0; 2];
        for (mean, answer) in means.iter_mut().zip(pair.answers) {
            *mean = mean_logprob(model, adapter, pair.prompt, answer, &OnlyStop(progress))
                .map_err(|err| (done, err))?;
        }
        found.push(means);
    }
    progress.emit(Scored { done: total, total });
    Ok(found)
}

fn mean_logprob(
    model: &Model,
    adapter: Option<&Adapter>,
    prompt: &Text,
    answer: &str,
    progress: &dyn Progress<Scoring>,
) -> Result<f64, llm::Error> {
    let chat = model.chat();
    // As the model would be asked: in a chat where it knows one, else as a text that goes on.
    let (prompt, answer) = match (chat, prompt) {
        (Some(_), Text::Plain(words)) => {
            (Text::Messages(vec![Message::new("user", words)]), as_turn(answer))
        }
        (Some(_), Text::Messages(_)) => (prompt.clone(), as_turn(answer)),
        (None, _) if answer.starts_with(char::is_whitespace) => {
            (Text::Plain(prompt.words()), Text::Plain(answer.to_owned()))
        }
        (None, _) => (Text::Plain(prompt.words()), Text::Plain(format!(" {answer}"))),
    };
    let encoded =
        score::encode_completion(model.tokenizer(), chat, (&prompt, &answer), &Beside::default())?;
    let logprobs = score::score(model, adapter, &encoded.ids, progress)?;
    let count = logprobs[encoded.start..].iter().flatten().count();
    Ok(encoded.logprob(&logprobs) / count.max(1) as f64)
}

fn as_turn(answer: &str) -> Text {
    Text::Messages(vec![Message::new("assistant", answer)])
}

/// Passes on a stop, and keeps what the parts report to itself.
struct OnlyStop<'a>(&'a dyn Progress<Scored>);

impl Progress<Scoring> for OnlyStop<'_> {
    fn emit(&self, _event: Scoring) {}

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::jobs::Quiet;
    use crate::llm::card::ModelSource;
    use crate::llm::model::LoadOptions;

    #[test]
    fn the_mean_is_that_of_the_tokens_of_the_answer_alone() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample_data/tiny_model");
        let model =
            Model::load(&ModelSource::Folder(folder), &LoadOptions::default(), &Quiet).unwrap();
        let prompt = Text::Plain("What is a DOI?".to_owned());
        let answers = ["A name that stays.", "A name that stays. And more words of it."];
        let pairs = [
            Compared { prompt: &prompt, answers },
            Compared { prompt: &prompt, answers: [answers[0]; 2] },
        ];
        let found = mean_logprobs(&model, None, &pairs, &Quiet).unwrap();
        assert_eq!(found[1][0], found[1][1], "the same answer is as likely as itself");
        assert_eq!(found[0][0], found[1][0]);
        // Against the log-probabilities of the whole text, put together here.
        let chat = model.chat().is_some();
        for (mean, answer) in found[0].into_iter().zip(answers) {
            let (prompt, answer) = if chat {
                let asked = Message::new("user", "What is a DOI?");
                (Text::Messages(vec![asked]), as_turn(answer))
            } else {
                (prompt.clone(), Text::Plain(format!(" {answer}")))
            };
            let encoded = score::encode_completion(
                model.tokenizer(),
                model.chat(),
                (&prompt, &answer),
                &Beside::default(),
            )
            .unwrap();
            let all = score::score(&model, None, &encoded.ids, &Quiet).unwrap();
            let own: Vec<f64> =
                all[encoded.start..].iter().flatten().map(|one| f64::from(*one)).collect();
            let expected = own.iter().sum::<f64>() / own.len() as f64;
            assert!((mean - expected).abs() < 1e-12 && mean < 0.0, "{mean} {expected}");
            assert!(own.len() >= 3, "the answer has tokens of its own");
        }
    }
}

//! Rows as token ids: where the completion starts, what is cut, what is dropped. As TRL 1.16's
//! `DPOTrainer._prepare_dataset` and `SFTTrainer._prepare_dataset` do it.

use std::time::Instant;

use rayon::prelude::*;

use super::{Content, Row};
use crate::data::pair::{Message, PreferencePair, Text};
use crate::jobs::{self, Progress};
use crate::llm::text::chat::ChatTemplate;
use crate::llm::text::tokenizer::Tokenizer;
use crate::train::error::Error;
use crate::train::record::metrics::TrainEvent;

/// A prompt and its completion as token ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    pub ids: Vec<u32>,

    /// The first id that belongs to the completion.
    pub completion_start: usize,
}

impl Sequence {
    /// The ids that are predicted and learned from: the completion, without the very first id of
    /// the sequence, which nothing predicts.
    pub fn targets(&self) -> &[u32] {
        &self.ids[self.completion_start.max(1).min(self.ids.len())..]
    }

    /// Tokens of the completion, as the length-normalised losses count them.
    pub fn completion_tokens(&self) -> usize {
        self.ids.len() - self.completion_start.min(self.ids.len())
    }

    /// Keeps the start (TRL's `keep_start`).
    fn truncate(&mut self, max_length: usize) {
        self.ids.truncate(max_length);
    }
}

/// A row ready to be trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Where the row stands in its file, from 1.
    pub line: usize,

    /// The words of the prompt: rows with the same ones are held out together.
    pub prompt: Text,

    /// What is learned: the chosen answer, or the completion.
    pub chosen: Sequence,

    /// Only for DPO.
    pub rejected: Option<Sequence>,
}

impl Example {
    /// The sequences that are run through the model, chosen first.
    pub fn sequences(&self) -> impl Iterator<Item = &Sequence> {
        std::iter::once(&self.chosen).chain(&self.rejected)
    }

    /// The same, no longer than this.
    pub(crate) fn cut(&self, max_length: usize) -> Self {
        let mut cut = self.clone();
        cut.chosen.truncate(max_length);
        if let Some(rejected) = &mut cut.rejected {
            rejected.truncate(max_length);
        }
        cut
    }

    /// Tokens of all its sequences, as TRL's `num_tokens` counts them.
    pub fn token_count(&self) -> usize {
        self.sequences().map(|sequence| sequence.ids.len()).sum()
    }
}

/// All rows as token ids, and what the person should know about it.
#[derive(Clone, Debug, Default)]
pub struct Examples {
    pub examples: Vec<Example>,
    pub warnings: Vec<String>,
}

/// What turns text into ids.
#[derive(Clone, Copy)]
pub struct Encoder<'a> {
    pub tokenizer: &'a Tokenizer,
    pub chat: Option<&'a ChatTemplate>,

    /// The text of the token that ends an answer: appended to plain answers, as TRL does. A chat
    /// template closes its turns itself.
    pub eos: &'a str,

    /// What is learned of a prompt with its completion.
    pub learned: Learned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    Completion,

    /// The prompt too, as TRL's `completion_only_loss = false`.
    Everything,
}

impl Encoder<'_> {
    /// The rows as examples, in their order.
    pub fn examples(
        &self,
        rows: &[Row],
        max_length: usize,
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<Examples, Error> {
        let mut found = Examples::default();
        let (mut dropped, mut silent) = (Vec::new(), Vec::new());
        let (mut diverging, mut identical) = (Vec::new(), Vec::new());
        for (row, encoded) in rows.iter().zip(self.encoded(rows, progress)?) {
            let left_out = encoded.left_out(max_length);
            let Encoded { example, prompt_tokens } = encoded;
            if example.chosen.completion_start < prompt_tokens {
                diverging.push(row.line);
            }
            if example.rejected.as_ref() == Some(&example.chosen) {
                identical.push(row.line);
            }
            match left_out {
                None => found.examples.push(example.cut(max_length)),
                Some(LeftOut::PromptFills) => dropped.push(row.line),
                Some(LeftOut::NothingToLearn) => silent.push(row.line),
            }
        }
        if found.examples.is_empty() && !rows.is_empty() {
            return Err(Error::AllDropped { rows: rows.len(), max_length });
        }
        for (lines, what) in [
            (
                dropped,
                format!(
                    "left out, because the prompt alone fills max_length ({max_length} tokens)"
                ),
            ),
            (silent, "left out, because they have no answer to learn".to_owned()),
            (
                diverging,
                "where prompt and answer share a token, or the chat template writes the prompt \
                 differently when an answer follows: the answer starts where they differ"
                    .to_owned(),
            ),
            (identical, "whose two answers are the same: nothing is learned from them".to_owned()),
        ] {
            if !lines.is_empty() {
                found.warnings.push(format!("{} {what}", rows_at(&lines)));
            }
        }
        Ok(found)
    }

    /// Each row at its full length, computed on all threads.
    pub(crate) fn encoded(
        &self,
        rows: &[Row],
        progress: &dyn Progress<TrainEvent>,
    ) -> Result<Vec<Encoded>, Error> {
        const AT_ONCE: usize = 256; // Stop waits for so many
        let since = Instant::now();
        let mut all = Vec::with_capacity(rows.len());
        for part in rows.chunks(AT_ONCE) {
            progress.check().map_err(|_stopped| Error::Cancelled)?;
            let count = (all.len(), rows.len());
            progress.emit(TrainEvent::preparing("Reading the rows", count, since));
            let encoded: Vec<Result<Encoded, Error>> =
                jobs::in_pool(|| part.par_iter().map(|row| self.example(row)).collect());
            // Of several bad rows, the first is named.
            for encoded in encoded {
                all.push(encoded?);
            }
        }
        Ok(all)
    }

    fn example(&self, row: &Row) -> Result<Encoded, Error> {
        let Row { line, content } = row;
        Ok(match content {
            Content::Preference(PreferencePair { prompt, chosen, rejected }) => {
                let prompt_ids = self.ids(*line, prompt, None, Ending::Open)?;
                let chosen = self.ids(*line, prompt, Some(chosen), Ending::Closed)?;
                let rejected = self.ids(*line, prompt, Some(rejected), Ending::Closed)?;
                // Both completions start at the same place, as in TRL.
                let completion_start = common_prefix_length(&prompt_ids, &chosen)
                    .min(common_prefix_length(&prompt_ids, &rejected));
                let example = Example {
                    line: *line,
                    prompt: prompt.clone(),
                    chosen: Sequence { ids: chosen, completion_start },
                    rejected: Some(Sequence { ids: rejected, completion_start }),
                };
                Encoded { example, prompt_tokens: prompt_ids.len() }
            }
            Content::Completion { prompt, completion } => {
                let prompt_ids = self.ids(*line, prompt, None, Ending::Open)?;
                let ids = self.ids(*line, prompt, Some(completion), Ending::Closed)?;
                let (completion_start, prompt_tokens) = match self.learned {
                    Learned::Completion => {
                        (common_prefix_length(&prompt_ids, &ids), prompt_ids.len())
                    }
                    Learned::Everything => (0, 0),
                };
                let chosen = Sequence { ids, completion_start };
                let example =
                    Example { line: *line, prompt: prompt.clone(), chosen, rejected: None };
                Encoded { example, prompt_tokens }
            }
            Content::Whole(text) => {
                let ids = self.ids(*line, text, None, Ending::Closed)?;
                let chosen = Sequence { ids, completion_start: 0 };
                let example = Example { line: *line, prompt: text.clone(), chosen, rejected: None };
                Encoded { example, prompt_tokens: 0 }
            }
        })
    }

    fn ids(
        &self,
        line: usize,
        prompt: &Text,
        answer: Option<&Text>,
        ending: Ending,
    ) -> Result<Vec<u32>, Error> {
        let tokenize = |text: &str, add_special| self.tokenizer.encode(text, add_special);
        match prompt {
            Text::Plain(prompt) => {
                let mut text = prompt.clone();
                let last = match answer {
                    Some(Text::Plain(answer)) => answer, // the prompt's end does not count
                    Some(Text::Messages(_)) | None => prompt,
                };
                if let Some(Text::Plain(answer)) = answer {
                    text.push_str(answer);
                }
                if ending == Ending::Closed && !last.ends_with(self.eos) {
                    text.push_str(self.eos);
                }
                let ids = tokenize(&text, true);
                ids.map_err(|source| Error::Tokenize { line, source: source.into() })
            }
            Text::Messages(prompt) => {
                let chat = self.chat.ok_or(Error::NoChatTemplate { line })?;
                let mut messages: Vec<Message> = prompt.clone();
                if let Some(Text::Messages(answer)) = answer {
                    messages.extend_from_slice(answer);
                }
                let text = chat.render(&messages, ending == Ending::Open);
                let text =
                    text.map_err(|source| Error::Tokenize { line, source: source.into() })?;
                let ids = tokenize(&text, false); // the template wrote what goes around it
                ids.map_err(|source| Error::Tokenize { line, source: source.into() })
            }
        }
    }
}

/// A row as token ids, not yet cut.
pub(crate) struct Encoded {
    pub example: Example,

    /// Of the prompt by itself: where an answer starts earlier, the two are not written apart.
    pub prompt_tokens: usize,
}

impl Encoded {
    /// Why nothing of an answer is left to be learned, by TRL's rules: a pair needs a prompt below
    /// `max_length`, a completion a token of its own.
    pub fn left_out(&self, max_length: usize) -> Option<LeftOut> {
        let is_pair = self.example.rejected.is_some();
        self.example.sequences().find_map(|Sequence { ids, completion_start }| {
            if ids.is_empty() {
                Some(LeftOut::NothingToLearn)
            } else if *completion_start >= max_length {
                Some(LeftOut::PromptFills)
            } else {
                (!is_pair && *completion_start >= ids.len()).then_some(LeftOut::NothingToLearn)
            }
        })
    }
}

/// Why a row is not trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeftOut {
    /// The prompt alone has `max_length` tokens or more.
    PromptFills,

    /// No token is an answer's.
    NothingToLearn,
}

#[derive(Clone, Copy, PartialEq)]
enum Ending {
    /// An answer is to follow.
    Open,

    /// The answer is complete.
    Closed,
}

/// TRL's `common_prefix_length`: a completion starts where the tokens of the prompt and those of
/// prompt and answer together part, which is not always where the prompt ends.
fn common_prefix_length(prompt: &[u32], full: &[u32]) -> usize {
    prompt.iter().zip(full).take_while(|(prompt, full)| prompt == full).count()
}

/// `3 rows (lines 4, 7 and 12)`, shortened where they are many.
fn rows_at(lines: &[usize]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = lines.iter().take(SHOWN).map(usize::to_string).collect();
    match lines.len() {
        1 => format!("1 row (line {})", shown[0]),
        count if count <= SHOWN => format!("{count} rows (lines {})", shown.join(", ")),
        count => format!("{count} rows (lines {}, …)", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(ids: &[u32], completion_start: usize) -> Sequence {
        Sequence { ids: ids.to_vec(), completion_start }
    }

    #[test]
    fn the_first_token_of_a_sequence_is_never_a_target() {
        assert_eq!(sequence(&[5, 6, 7], 1).targets(), [6, 7]);
        assert_eq!(sequence(&[5, 6, 7], 0).targets(), [6, 7]);
        assert!(sequence(&[5, 6, 7], 3).targets().is_empty());
        assert!(sequence(&[5, 6], 4).targets().is_empty()); // cut inside the prompt
        assert_eq!(sequence(&[5, 6, 7], 0).completion_tokens(), 3);
    }

    #[test]
    fn a_completion_starts_where_the_tokens_part() {
        assert_eq!(common_prefix_length(&[1, 2, 3], &[1, 2, 3, 4]), 3);
        assert_eq!(common_prefix_length(&[1, 2, 3], &[1, 2, 9, 4]), 2); // merged across the border
        assert_eq!(common_prefix_length(&[1, 2, 3], &[1, 2]), 2);
    }

    #[test]
    fn many_lines_are_shortened() {
        assert_eq!(rows_at(&[4]), "1 row (line 4)");
        assert_eq!(rows_at(&[4, 7]), "2 rows (lines 4, 7)");
        assert_eq!(rows_at(&[1, 2, 3, 4, 5, 6, 7]), "7 rows (lines 1, 2, 3, 4, 5, …)");
    }
}

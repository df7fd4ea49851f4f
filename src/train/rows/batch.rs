//! Rows as token ids: where the completion starts, what is cut, what is dropped. As TRL 1.16's
//! `DPOTrainer._prepare_dataset` and `SFTTrainer._prepare_dataset` do it.

use std::time::Instant;

use rayon::prelude::*;

use super::Row;
use super::assistant::Assistant;
use super::limit::Limit;
use super::sequence::Sequence;
use super::template;
use super::template::as_plain_text;
use crate::data::forms::Beside;
use crate::data::forms::Content;
use crate::data::forms::Fields;
use crate::data::pair::{PreferencePair, Text};
use crate::jobs::{self, Progress};
use crate::llm::text::chat::ChatTemplate;
use crate::llm::text::tokenizer::Tokenizer;
use crate::train::config::TruncationMode;
use crate::train::error::Error;
use crate::train::record::metrics::TrainEvent;

/// A row ready to be trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Where the row stands in its file, from 1.
    pub line: usize,

    /// Which of the run's files that is, from 0.
    pub source: usize,

    /// What was asked, without any of the answers.
    pub prompt: Text,

    /// Rows with the same one are held out together.
    pub group: String,

    /// What is learned: the chosen answer, or the completion.
    pub chosen: Sequence,

    /// Only of a pair.
    pub rejected: Option<Sequence>,

    /// What is measured beside it: of ORPO the prompt of the chosen answer, of KTO the prompt with the
    /// answer of another row.
    pub beside: Option<Sequence>,

    /// Further rows that are packed with this one.
    pub packed: Vec<Sequence>,

    /// Whether the answer is a good one, for KTO.
    pub is_good: Option<bool>,

    /// By how much the chosen answer is to be better, for reward models.
    pub margin: Option<f64>,

    /// The columns of its row, for rules that look at one of them.
    pub columns: Fields,
}

impl Example {
    /// A row with one answer, or one text.
    pub fn of_one(line: usize, prompt: Text, group: String, chosen: Sequence) -> Self {
        Self {
            line,
            source: 0,
            prompt,
            group,
            chosen,
            rejected: None,
            beside: None,
            packed: Vec::new(),
            is_good: None,
            margin: None,
            columns: Fields::new(),
        }
    }

    /// The sequences that are run through the model, chosen first.
    pub fn sequences(&self) -> impl Iterator<Item = &Sequence> {
        std::iter::once(&self.chosen).chain(&self.rejected).chain(&self.beside).chain(&self.packed)
    }

    /// Learned tokens of a row that has no pair, with those of all that are packed with it.
    pub fn learned_tokens(&self) -> usize {
        std::iter::once(&self.chosen).chain(&self.packed).map(Sequence::target_count).sum()
    }

    /// The same, no longer than this.
    pub(crate) fn cut(&self, max_length: usize, mode: TruncationMode) -> Self {
        let mut cut = self.clone();
        let others = cut.rejected.iter_mut().chain(&mut cut.beside);
        for sequence in others.chain([&mut cut.chosen]) {
            if sequence.ids.len() > max_length {
                *sequence = sequence.part(mode.places(sequence.ids.len(), max_length));
            }
        }
        cut
    }

    /// Tokens of all its answers, as TRL's `num_tokens` counts them.
    pub fn token_count(&self) -> usize {
        let answers = std::iter::once(&self.chosen).chain(&self.rejected).chain(&self.packed);
        answers.map(|sequence| sequence.ids.len()).sum()
    }
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

    /// Where the answers of a pair begin, and what stands around them.
    pub borders: Borders,

    /// Learned is what an assistant says, and of that only what is learned anyway: TRL's
    /// `assistant_only_loss`.
    pub assistant: Option<Assistant<'a>>,
}

/// Where the answers of a pair begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Borders {
    /// Where their tokens and those of the prompt part: TRL's DPO.
    WhereTheyPart,

    /// There is none yet: the prompt is all there is, and answers will be sampled.
    Open,

    /// Nowhere: prompt and answer are read as one text, which is left out where it is too long.
    Whole,

    /// After as many tokens as the prompt has, with these tokens around prompt and answer: TRL's CPO and
    /// ORPO.
    AtLength { bos: Option<u32>, eos: Option<u32>, measures_prompt: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    Completion,

    /// The prompt too, as TRL's `completion_only_loss = false`.
    Everything,
}

impl Encoder<'_> {
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
            progress.emit(TrainEvent::preparing("Reading the rows", count, "rows", since));
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
        let understood = &row.understood;
        let by = By { line: row.line, beside: &understood.beside };
        let asked = &understood.asked;
        let plain = (self.chat.is_none() && understood.from_columns)
            .then(|| (plainly(&understood.content), as_one_text(asked)));
        let (content, asked) = match &plain {
            Some((content, asked)) => (content, asked),
            None => (&understood.content, asked),
        };
        let example = |chosen, rejected| Example {
            rejected,
            is_good: understood.label,
            margin: understood.margin,
            columns: understood.columns.clone(),
            ..Example::of_one(row.line, asked.clone(), understood.group.clone(), chosen)
        };
        Ok(match content {
            Content::Preference(pair) if matches!(self.borders, Borders::AtLength { .. }) => {
                let (chosen, rejected, prompt_tokens) = self.at_length(by, pair)?;
                let beside = match self.borders {
                    Borders::AtLength { measures_prompt: true, .. } => {
                        let ids = chosen.ids[..chosen.completion_start].to_vec();
                        (ids.len() > 1).then(|| Sequence::whole(ids))
                    }
                    _ => None,
                };
                let example = Example { beside, ..example(chosen, Some(rejected)) };
                Encoded { example, prompt_tokens, read: What::Answers }
            }
            Content::Preference(PreferencePair { prompt, chosen, rejected }) => {
                let prompt_ids = self.ids(by, prompt, None, Ending::Open)?;
                let chosen = self.ids(by, prompt, Some(chosen), Ending::Closed)?;
                let rejected = self.ids(by, prompt, Some(rejected), Ending::Closed)?;
                // Both completions start at the same place, as in TRL.
                let completion_start = common_prefix_length(&prompt_ids, &chosen)
                    .min(common_prefix_length(&prompt_ids, &rejected));
                let [chosen, rejected] =
                    [chosen, rejected].map(|ids| Sequence::new(ids, completion_start));
                let example = example(chosen, Some(rejected));
                let is_whole = self.borders == Borders::Whole;
                let read = if is_whole { What::Whole } else { What::Answers };
                Encoded { example, prompt_tokens: prompt_ids.len(), read }
            }
            Content::Completion { prompt, .. } if self.borders == Borders::Open => {
                let ids = self.ids(by, prompt, None, Ending::Open)?;
                let (prompt_tokens, completion_start) = (ids.len(), ids.len());
                let example = example(Sequence::new(ids, completion_start), None);
                Encoded { example, prompt_tokens, read: What::Prompt }
            }
            Content::Completion { prompt, completion } => {
                let prompt_ids = self.ids(by, prompt, None, Ending::Open)?;
                let sequence = self.sequence(by, prompt, Some(completion))?;
                let (completion_start, prompt_tokens) = match self.learned {
                    Learned::Completion => {
                        (common_prefix_length(&prompt_ids, &sequence.ids), prompt_ids.len())
                    }
                    Learned::Everything => (0, 0),
                };
                let example = example(sequence.learned_from(completion_start), None);
                Encoded { example, prompt_tokens, read: What::Answers }
            }
            Content::Whole(text) => {
                let example = example(self.sequence(by, text, None)?, None);
                Encoded { example, prompt_tokens: 0, read: What::Answers }
            }
        })
    }

    /// A text that is learned as a whole, or what an assistant says in it.
    fn sequence(&self, by: By<'_>, text: &Text, answer: Option<&Text>) -> Result<Sequence, Error> {
        match &self.assistant {
            None => Ok(Sequence::whole(self.ids(by, text, answer, Ending::Closed)?)),
            Some(assistant) => {
                assistant.sequence(self.tokenizer, (text, answer), by.beside, by.line)
            }
        }
    }

    fn ids(
        &self,
        by: By<'_>,
        prompt: &Text,
        answer: Option<&Text>,
        ending: Ending,
    ) -> Result<Vec<u32>, Error> {
        let mut text = self.text(by, prompt, answer, ending)?;
        // A template wrote what goes around it.
        let is_plain = matches!(prompt, Text::Plain(_));
        if is_plain && ending == Ending::Closed {
            let is_ended = match answer {
                Some(Text::Plain(answer)) => answer.ends_with(self.eos), // the prompt does not count
                Some(Text::Messages(_)) | None => text.ends_with(self.eos),
            };
            if !is_ended {
                text.push_str(self.eos);
            }
        }
        self.tokens(by.line, &text, is_plain)
    }

    fn tokens(&self, line: usize, text: &str, add_special: bool) -> Result<Vec<u32>, Error> {
        let ids = self.tokenizer.encode(text, add_special);
        ids.map_err(|source| Error::Tokenize { line, source: source.into() })
    }

    /// What is tokenised, without any end-of-sequence token that a template does not write.
    fn text(
        &self,
        By { line, beside }: By<'_>,
        prompt: &Text,
        answer: Option<&Text>,
        ending: Ending,
    ) -> Result<String, Error> {
        match prompt {
            Text::Plain(prompt) => {
                let mut text = prompt.clone();
                if let Some(Text::Plain(answer)) = answer {
                    text.push_str(answer);
                }
                Ok(text)
            }
            Text::Messages(_) => {
                let chat = self.chat.ok_or(Error::NoChatTemplate { line })?;
                let messages = template::messages(prompt, answer, chat);
                let text = chat.render_beside(&messages, ending == Ending::Open, beside);
                text.map_err(|source| Error::Tokenize { line, source: source.into() })
            }
        }
    }

    /// The two answers as TRL's `CPOTrainer.tokenize_row` has them, and how many tokens the prompt has.
    fn at_length(
        &self,
        by: By<'_>,
        pair: &PreferencePair,
    ) -> Result<(Sequence, Sequence, usize), Error> {
        let PreferencePair { prompt, chosen, rejected } = pair;
        let mut prompt_text = self.text(by, prompt, None, Ending::Open)?;
        let texts = [
            self.text(by, prompt, Some(chosen), Ending::Closed)?,
            self.text(by, prompt, Some(rejected), Ending::Closed)?,
        ];
        if let Text::Messages(messages) = prompt {
            // A prompt that ends in the assistant's words is continued, not answered.
            if let Some(last) = messages.last().filter(|last| last.role == "assistant") {
                let text = self.text(by, prompt, None, Ending::Closed)?;
                let words = last.content.trim();
                let end = text.rfind(words).map(|start| start + words.len());
                prompt_text = text[..end.unwrap_or(text.len())].to_owned();
            }
            for text in &texts {
                let both = prompt_text.chars().zip(text.chars());
                let shared = both.take_while(|(one, other)| one == other);
                let bytes: usize = shared.map(|(one, _)| one.len_utf8()).sum();
                prompt_text.truncate(bytes);
            }
        }
        let prompt_ids = self.tokens(by.line, &prompt_text, false)?;
        let answer = |text: &str| -> Result<Sequence, Error> {
            let mut ids = self.tokens(by.line, text, false)?;
            let mut start = prompt_ids.len();
            if ids.get(..start) != Some(prompt_ids.as_slice()) {
                start = start.saturating_sub(1).min(ids.len());
            }
            if let Borders::AtLength { bos, eos, .. } = self.borders {
                if let Some(bos) = bos.filter(|bos| start == 0 || ids.first() != Some(bos)) {
                    ids.insert(0, bos);
                    start += 1;
                }
                if let Some(eos) = eos.filter(|eos| ids.len() == start || ids.last() != Some(eos)) {
                    ids.push(eos);
                }
            }
            Ok(Sequence::new(ids, start))
        };
        let (chosen, rejected) = (answer(&texts[0])?, answer(&texts[1])?);
        let prompt_tokens =
            prompt_ids.len() + chosen.completion_start.saturating_sub(prompt_ids.len());
        Ok((chosen, rejected, prompt_tokens))
    }
}

/// Which row is encoded, and what its template gets beside the messages.
#[derive(Clone, Copy)]
struct By<'a> {
    line: usize,
    beside: &'a Beside,
}

/// Content of columns as plain text, for a model without a chat template.
fn plainly(content: &Content) -> Content {
    let answer = |text: &Text| Text::Plain(text.words());
    match content {
        Content::Preference(PreferencePair { prompt, chosen, rejected }) => {
            Content::Preference(PreferencePair {
                prompt: as_one_text(prompt),
                chosen: answer(chosen),
                rejected: answer(rejected),
            })
        }
        Content::Completion { prompt, completion } => {
            Content::Completion { prompt: as_one_text(prompt), completion: answer(completion) }
        }
        Content::Whole(text) => Content::Whole(text.clone()),
    }
}

fn as_one_text(text: &Text) -> Text {
    match text {
        Text::Plain(_) => text.clone(),
        Text::Messages(messages) => Text::Plain(as_plain_text(messages)),
    }
}

/// A row as token ids, not yet cut.
pub(crate) struct Encoded {
    pub example: Example,

    /// Of the prompt by itself: where an answer starts earlier, the two are not written apart.
    pub prompt_tokens: usize,

    pub read: What,
}

/// What of a row is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Answers behind their prompt, which may be cut.
    Answers,

    /// All of it, and never a part.
    Whole,

    /// The prompt alone: what `max_length` leaves out here is the room of an answer.
    Prompt,
}

impl Encoded {
    /// Why nothing of an answer is left to be learned, by TRL's rules: a pair needs a prompt below
    /// `max_length`, a completion a token of its own.
    pub fn left_out(&self, limit: Limit) -> Option<LeftOut> {
        let max_length = limit.tokens;
        let Example { rejected, is_good, .. } = &self.example;
        let is_pair = rejected.is_some() || is_good.is_some();
        if self.read == What::Prompt {
            let ids = &self.example.chosen.ids;
            return if ids.is_empty() {
                Some(LeftOut::NothingToLearn)
            } else {
                (ids.len() > max_length).then_some(LeftOut::PromptFills)
            };
        }
        if self.read == What::Whole {
            // As TRL's RewardTrainer has it.
            let is_long = self.example.sequences().any(|sequence| sequence.ids.len() > max_length);
            let is_empty = self.example.sequences().any(|sequence| sequence.ids.is_empty());
            return if is_empty {
                Some(LeftOut::NothingToLearn)
            } else {
                is_long.then_some(LeftOut::TooLong)
            };
        }
        let keeps_start = limit.mode == TruncationMode::KeepStart;
        self.example.sequences().find_map(|sequence| {
            if sequence.ids.is_empty() {
                Some(LeftOut::NothingToLearn)
            } else if keeps_start && sequence.completion_start >= max_length {
                Some(LeftOut::PromptFills)
            } else if is_pair {
                None
            } else if sequence.completion_tokens() == 0 {
                Some(LeftOut::NothingToLearn)
            } else {
                let mut kept = limit.places(sequence.ids.len());
                (!kept.any(|place| sequence.is_learned(place))).then_some(LeftOut::PromptFills)
            }
        })
    }
}

/// Why a row is not trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeftOut {
    /// The prompt alone has `max_length` tokens or more, or no answer is among those that are kept.
    PromptFills,

    /// No token is an answer's.
    NothingToLearn,

    /// It is read as a whole, and has more than `max_length` tokens.
    TooLong,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completion_starts_where_the_tokens_part() {
        assert_eq!(common_prefix_length(&[1, 2, 3], &[1, 2, 3, 4]), 3);
        assert_eq!(common_prefix_length(&[1, 2, 3], &[1, 2, 9, 4]), 2); // merged across the border
        assert_eq!(common_prefix_length(&[1, 2, 3], &[1, 2]), 2);
    }
}

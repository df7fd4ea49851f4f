//! The exact log-probabilities of given answers, in as few passes as their beginnings allow; and
//! answers that are written token after token.
//!
//! What all prompts of a task begin with is computed once, what all orders of a row begin with once a
//! row, and the rest of the row together, as a tree of tokens. The pieces are the same whatever
//! was computed before, so that a row's numbers do not depend on the rows beside it, nor on whether
//! the work was interrupted.

use std::ops::Range;
use std::sync::Arc;

use crate::data::pair::Message;
use crate::evaluate::prompt::Presentation;
use crate::jobs::Progress;
use crate::llm::generate::guess::{Drafting, Guesser};
use crate::llm::generate::guessing::{Guesses, Guessing};
use crate::llm::generate::sampling;
use crate::llm::generate::sampling::SamplingParams;
use crate::llm::generate::score;
use crate::llm::net::tree::SortedTree;
use crate::llm::{Adapter, Error, KvCache, Model, Positions};

/// Tokens of a prompt between two questions whether to stop.
const CHUNK: usize = 256;

/// Tokens that go through the layers together fastest, and the fewest for which reading all weights pays: a rest of
/// fewer is run together with a step.
const STEP: usize = 128;
const LEAST: usize = 64;

/// Tokens of different orders that are run together, at most; one order may have more.
const MOST_TOKENS: usize = 768;

/// Scores of them that are in memory together, at most: 64 MB.
const MOST_SCORES: usize = 1 << 24;

/// A prompt and what may follow it, as ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub prompt: Vec<u32>,

    /// In the order of the places; none is empty.
    pub answers: Vec<Vec<u32>>,
}

/// Why a prompt cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unaskable {
    /// No tokens say this answer.
    Unsayable { answer: String },

    /// Prompt and longest answer have so many tokens; of an encoder-decoder, the prompt.
    TooLong { needed: usize, context: usize },

    /// Of an encoder-decoder whose decoder writes no more than `most` tokens.
    NoRoom { needed: usize, most: usize },
}

impl Asked {
    /// The ids of a presentation: a message through the chat template, or, for a model that has
    /// none, a text that ends in `Answer:`. `room`: so many tokens may follow it at the least, in a
    /// `context` of so many.
    pub fn encode(
        model: &Model,
        presentation: &Presentation,
        (room, context): (usize, usize),
    ) -> Result<Result<Self, Unaskable>, Error> {
        let (tokenizer, chat) = (model.tokenizer(), model.chat());
        let (text, lead) = match chat {
            Some(chat) => (chat.render(&[Message::new("user", &presentation.content)], true)?, ""),
            None => (format!("{}\n\nAnswer:", presentation.content), " "),
        };
        // A chat template writes the beginning of a text itself.
        let add_special = chat.is_none();
        let prompt = tokenizer.encode(&text, add_special)?;
        let mut answers = Vec::with_capacity(presentation.answers.len());
        for answer in &presentation.answers {
            let said = format!("{lead}{answer}");
            let whole = tokenizer.encode(&format!("{text}{said}"), add_special)?;
            // Where the border melts into one token, the answer is taken by itself.
            let ids = match whole.strip_prefix(prompt.as_slice()) {
                Some(ids) => ids.to_vec(),
                None => tokenizer.encode(&said, false)?,
            };
            if ids.is_empty() || tokenizer.decode(&ids, false).trim() != answer.trim() {
                return Ok(Err(Unaskable::Unsayable { answer: answer.clone() }));
            }
            answers.push(ids);
        }
        let longest = answers.iter().map(Vec::len).max().unwrap_or(0).max(room);
        let needed = prompt.len() + longest;
        if needed > context {
            return Ok(Err(Unaskable::TooLong { needed, context }));
        }
        Ok(Ok(Self { prompt, answers }))
    }

    fn len(&self) -> usize {
        self.prompt.len() + self.answers.iter().map(Vec::len).max().unwrap_or(0)
    }
}

/// Why a row cannot be asked.
pub fn sentence(unaskable: &Unaskable) -> String {
    match unaskable {
        Unaskable::Unsayable { answer } => {
            format!("the model's tokenizer has no tokens for the answer “{answer}”")
        }
        Unaskable::TooLong { needed, context } => {
            format!("its prompt has {needed} tokens, and the model's context is {context}")
        }
        Unaskable::NoRoom { needed, most } => {
            format!("an answer has {needed} tokens, and the model's decoder writes {most} at most")
        }
    }
}

/// How many ids all of `lists` begin with.
pub fn common<'a>(mut lists: impl Iterator<Item = &'a [u32]>) -> usize {
    let Some(first) = lists.next() else { return 0 };
    lists.fold(first.len(), |count, list| {
        first[..count].iter().zip(list).take_while(|(a, b)| a == b).count()
    })
}

/// Asks one model.
pub struct Scorer<'a> {
    model: &'a Model,
    adapter: Option<&'a Adapter>,
    cache: KvCache,

    /// What the cache begins with.
    held: Vec<u32>,

    /// What guesses the tokens of written answers, and its draft model with what that has read.
    guesser: Guesser<'a>,
    drafting: Option<Drafting<'a>>,
    guesses: Guesses,
}

impl<'a> Scorer<'a> {
    pub fn new(model: &'a Model, adapter: Option<&'a Adapter>) -> Self {
        let cache = model.new_cache();
        let (held, guesser, drafting) = (Vec::new(), Guesser::Nobody, None);
        Self { model, adapter, cache, held, guesser, drafting, guesses: Guesses::default() }
    }

    /// The same, whose answers are written faster: the tokens stay the same.
    #[must_use]
    pub fn with_guesser(self, guesser: Guesser<'a>) -> Self {
        let drafting = match guesser {
            Guesser::Draft(draft, _) => Some(Drafting::new(draft)),
            Guesser::Nobody | Guesser::Lookup(_) => None,
        };
        Self { guesser, drafting, ..self }
    }

    /// How guessing went in all answers that were written.
    pub fn guesses(&self) -> Guesses {
        self.guesses
    }

    /// The longest text that it reads.
    pub fn context(&self) -> usize {
        self.model.context_with(self.adapter)
    }

    /// Natural logs of the probability of every answer after its prompt, the sum over its tokens,
    /// for the presentations of one row. `shared`: what all prompts of the task begin with; a row
    /// that does not is computed alone. Asks whether to stop between passes; `E` is not reported.
    pub fn score<E>(
        &mut self,
        shared: &[u32],
        row: &[Asked],
        progress: &dyn Progress<E>,
    ) -> Result<Vec<Vec<f64>>, Error> {
        let longest = row.iter().map(Asked::len).max().unwrap_or(0);
        let prompts: Vec<&[u32]> = row.iter().map(|asked| asked.prompt.as_slice()).collect();
        let shared = self.begin(shared, &prompts, longest, progress)?;
        let begin = beginning(row).max(shared.len());
        let groups = groups(row, begin, self.model.config().vocab_size);
        let several = groups.len() > 1;
        if several {
            self.read(&row[0].prompt[shared.len()..begin], progress)?;
        }
        let base = if several { begin } else { shared.len() };
        let mut sums = Vec::with_capacity(row.len());
        for group in groups {
            self.cache.truncate(base);
            sums.extend(self.ask(&row[group], base, progress)?);
        }
        Ok(sums)
    }

    /// Natural logs of the probability of each of `ids` from place `first` (at least 1) on, given those
    /// before it. What was read for other rows plays no part.
    pub fn logprobs<E>(
        &self,
        ids: &[u32],
        first: usize,
        progress: &dyn Progress<E>,
    ) -> Result<Vec<f32>, Error> {
        score::score_from((self.model, self.adapter), ids, first, progress)
    }

    /// Answers a prompt token by token. `choose` takes the scores of the next token and says which
    /// one it is; `None`: the answer is complete. At most `most` tokens.
    pub fn write<E>(
        &mut self,
        shared: &[u32],
        prompt: &[u32],
        most: usize,
        choose: &mut dyn FnMut(&[f32]) -> Option<u32>,
        progress: &dyn Progress<E>,
    ) -> Result<Vec<u32>, Error> {
        let longest = prompt.len() + most;
        let shared = self.begin(shared, &[prompt], longest, progress)?;
        let last = prompt.len() - 1;
        self.read(&prompt[shared.len()..last], progress)?;
        let mut scores: Arc<[f32]> = self.run(&prompt[last..])?.into();
        let likeliest = SamplingParams::likeliest();
        let settings = (0, &likeliest);
        let mut guessing = Guessing::new(self.model, self.guesser, self.drafting.take(), settings);
        let mut history = prompt.to_vec();
        while let Some(id) = choose(&scores) {
            guessing.chose(id);
            history.push(id);
            let written = history.len() - prompt.len();
            if written >= most {
                break;
            }
            progress.check()?;
            let (model, room) = ((self.model, self.adapter), most - written);
            scores = guessing.next(model, &mut self.cache, &history, (room, &likeliest))?;
        }
        let Guesses { drafted, accepted, passes } = guessing.tally;
        self.guesses.drafted += drafted;
        self.guesses.accepted += accepted;
        self.guesses.passes += passes;
        self.drafting = guessing.into_drafting();
        Ok(history.split_off(prompt.len()))
    }

    /// Brings the cache to what all prompts of the task begin with, and says what that is: nothing
    /// where one of these prompts begins otherwise.
    fn begin<'s, E>(
        &mut self,
        shared: &'s [u32],
        prompts: &[&[u32]],
        longest: usize,
        progress: &dyn Progress<E>,
    ) -> Result<&'s [u32], Error> {
        let is_shared =
            prompts.iter().all(|prompt| prompt.len() > shared.len() && prompt.starts_with(shared));
        let shared = if is_shared { shared } else { &[] };
        if self.held != shared {
            self.cache = self.model.new_cache();
            self.held.clear();
            self.cache.plan(longest);
            self.read(shared, progress)?;
            self.held = shared.to_vec();
        }
        self.cache.truncate(shared.len());
        self.cache.plan(longest);
        Ok(shared)
    }

    /// Takes ids into the cache without their scores.
    fn read<E>(&mut self, ids: &[u32], progress: &dyn Progress<E>) -> Result<(), Error> {
        for part in ids.chunks(CHUNK) {
            progress.check()?;
            let none = Positions::From(part.len());
            self.model.logits(part, &mut self.cache, self.adapter, none)?;
        }
        Ok(())
    }

    fn run(&mut self, ids: &[u32]) -> Result<Vec<f32>, Error> {
        let scores = self.model.logits(ids, &mut self.cache, self.adapter, Positions::Last)?;
        Ok(scores.flatten_all()?.to_vec1::<f32>()?)
    }

    /// The presentations of a group, as one tree of tokens. The cache holds their first `base` ones.
    fn ask<E>(
        &mut self,
        group: &[Asked],
        base: usize,
        progress: &dyn Progress<E>,
    ) -> Result<Vec<Vec<f64>>, Error> {
        // Steps of what they begin with are read; the rest fills up the tree.
        let read = base + read_before(beginning(group).saturating_sub(base));
        if let Some(first) = group.first() {
            self.read(&first.prompt[base..read], progress)?;
        }
        progress.check()?;
        let sequences: Vec<Vec<u32>> = group
            .iter()
            .flat_map(|asked| asked.answers.iter().map(move |answer| (asked, answer)))
            // The last token of an answer is scored, and nothing after it.
            .map(|(asked, answer)| [&asked.prompt[read..], &answer[..answer.len() - 1]].concat())
            .collect();
        let tree = SortedTree::new(&sequences);
        // After which rows of the tree the tokens of each answer come.
        let mut sequence = 0;
        let mut places: Vec<Vec<&[u32]>> = Vec::with_capacity(group.len());
        for asked in group {
            let before = asked.prompt.len() - read - 1;
            places.push(
                (sequence..).take(asked.answers.len()).map(|it| &tree.rows(it)[before..]).collect(),
            );
            sequence += asked.answers.len();
        }
        let mut rows: Vec<usize> =
            places.iter().flatten().copied().flatten().map(|row| *row as usize).collect();
        rows.sort_unstable();
        rows.dedup();
        let scores = self.model.tree_logits(&tree, &mut self.cache, self.adapter, &rows)?;
        let scores = scores.flatten_all()?.to_vec1::<f32>()?;
        let vocabulary = self.model.config().vocab_size;
        let of_row = |row: u32| {
            let at = rows.binary_search(&(row as usize)).unwrap_or_default(); // all are in it
            &scores[at * vocabulary..(at + 1) * vocabulary]
        };
        let sum = |ids: &[u32], rows: &[u32]| -> f64 {
            let tokens = ids.iter().zip(rows);
            tokens.map(|(id, row)| f64::from(sampling::logprob(of_row(*row), *id))).sum()
        };
        let of_group = group.iter().zip(&places).map(|(asked, places)| {
            asked.answers.iter().zip(places).map(|(ids, rows)| sum(ids, rows)).collect()
        });
        Ok(of_group.collect())
    }
}

/// How many ids all prompts begin with, less the last one of the shortest: its scores are wanted.
fn beginning(row: &[Asked]) -> usize {
    let shortest = row.iter().map(|asked| asked.prompt.len() - 1).min().unwrap_or(0);
    common(row.iter().map(|asked| asked.prompt.as_slice())).min(shortest)
}

/// How many of `count` tokens are read in steps, before the rest is run together with the answers.
fn read_before(count: usize) -> usize {
    count.saturating_sub(LEAST) / STEP * STEP
}

/// Presentations that are run together, which depends on nothing but the row. `begin`: what all of
/// their prompts begin with.
fn groups(row: &[Asked], begin: usize, vocabulary: usize) -> Vec<Range<usize>> {
    let most_scores = (MOST_SCORES / vocabulary).max(1);
    let mut groups: Vec<Range<usize>> = Vec::new();
    let (mut tokens, mut scores) = (0, 0);
    for (index, asked) in row.iter().enumerate() {
        let answers: usize = asked.answers.iter().map(Vec::len).sum();
        let more = asked.prompt.len() - begin + answers;
        match groups.last_mut() {
            Some(group) if tokens + more <= MOST_TOKENS && scores + answers <= most_scores => {
                group.end = index + 1;
            }
            _ => {
                groups.push(index..index + 1);
                (tokens, scores) = (0, 0);
            }
        }
        tokens += more;
        scores += answers;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lists_have_in_common_is_their_beginning() {
        let of = |lists: &[&[u32]]| common(lists.iter().copied());
        assert_eq!(of(&[&[1, 2, 3], &[1, 2, 4], &[1, 2]]), 2);
        assert_eq!(of(&[&[1, 2]]), 2);
        assert_eq!(of(&[&[1], &[2]]), 0);
        assert_eq!(of(&[]), 0);
    }

    #[test]
    fn no_pass_is_of_a_few_tokens_only() {
        for count in 0..1000 {
            let read = read_before(count);
            let rest = count - read;
            assert!(read.is_multiple_of(STEP) && rest < STEP + LEAST, "{count}");
            assert!(read == 0 || rest >= LEAST, "{count}");
        }
    }

    #[test]
    fn orders_are_run_together_as_far_as_there_is_room() {
        let asked = |prompt: usize, answers: usize| Asked {
            prompt: vec![7; prompt],
            answers: vec![vec![1, 2]; answers],
        };
        let row = vec![asked(400, 5); 6];
        let sizes = |row: &[Asked], begin: usize, vocabulary: usize| -> Vec<usize> {
            groups(row, begin, vocabulary).into_iter().map(|group| group.len()).collect()
        };
        assert_eq!(sizes(&row, 340, 50_000), [6], "60 + 10 tokens each");
        assert_eq!(sizes(&row, 100, 50_000), [2, 2, 2], "310 tokens each");
        assert_eq!(sizes(&row, 340, 1 << 20), [1; 6], "10 scores each");
        assert_eq!(sizes(&[asked(5000, 2)], 0, 50_000), [1]);
    }
}

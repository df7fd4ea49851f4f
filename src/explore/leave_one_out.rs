//! Leave one out: which part of the prompt an answer hangs on, by forward passes only.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::predictions::Spread;
use super::subject::{Looked, Subject};
use crate::jobs::Progress;
use crate::llm::KvCache;

/// An answer, with and without each part of what stands before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeaveOneOutView {
    pub ids: Vec<u32>,

    /// Each token as it is shown by itself.
    pub tokens: Vec<String>,

    /// The tokens of the answer, counted from 0, the end not among them.
    pub answer: Range<usize>,

    /// Natural log of the answer's probability: the sum over its tokens.
    pub logprob: f64,
    pub parts: Vec<PartLeftOut>,
}

/// A part of the prompt that was left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartLeftOut {
    /// Its tokens, counted from 0, the end not among them.
    pub tokens: Range<usize>,

    /// Natural log of the answer's probability without it. `None`: nothing is left before the
    /// answer.
    pub logprob: Option<f64>,

    /// What the part adds: `logprob` of the whole - without it. Above 0 where the answer is
    /// likelier with it.
    pub difference: Option<f64>,
}

impl LeaveOneOutView {
    /// Which parts the answer hangs on, the strongest first.
    pub fn by_strength(&self) -> Vec<usize> {
        let strength = |at: &usize| self.parts[*at].difference.unwrap_or(0.0).abs();
        let mut order: Vec<usize> = (0..self.parts.len()).collect();
        order.sort_by(|one, other| strength(other).total_cmp(&strength(one)));
        order
    }
}

/// What is left out at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    Token,

    /// What stands between white space, with the white space before it.
    #[default]
    Word,

    /// Up to a full stop, question or exclamation mark, or the end of a line.
    Sentence,
}

/// The parts of a prompt: of tokens as they are shown by themselves.
pub fn parts(tokens: &[String], unit: Unit) -> Vec<Range<usize>> {
    let begins = |at: usize| {
        let (token, before) = (tokens[at].as_str(), tokens[at - 1].as_str());
        match unit {
            Unit::Token => true,
            Unit::Word => {
                token.starts_with(char::is_whitespace) || before.ends_with(char::is_whitespace)
            }
            Unit::Sentence => {
                let ends =
                    |text: &str| text.trim_end().ends_with(['.', '?', '!', '。', '？', '！']);
                // Closing quotes and brackets belong to the sentence that they close.
                before.contains('\n') || (ends(before) && token.starts_with(char::is_whitespace))
            }
        }
    };
    let mut parts: Vec<Range<usize>> = Vec::new();
    for at in 0..tokens.len() {
        match parts.last_mut() {
            Some(part) if !begins(at) => part.end = at + 1,
            _ => parts.push(at..at + 1),
        }
    }
    parts
}

/// The parts of what stands before `answer` that say something: a part that is nothing but marks, white
/// space or special tokens is never left out by itself, unless single tokens are.
pub fn telling_parts(
    subject: Subject<'_>,
    ids: &[u32],
    answer: usize,
    unit: Unit,
) -> Vec<Range<usize>> {
    let before = &ids[..answer.min(ids.len())];
    let tokens = subject.token_texts(before);
    let tokenizer = subject.model.tokenizer();
    let mut parts = parts(&tokens, unit);
    if unit != Unit::Token {
        parts.retain(|part| {
            tokens[part.clone()].concat().chars().any(char::is_alphanumeric)
                && !before[part.clone()].iter().any(|id| tokenizer.is_special(*id))
        });
    }
    parts
}

/// `answer`: where in `ids` the answer begins; `parts`: what of the prompt is left out, each by
/// itself. Slow: reports parts, and looks for Stop at each.
pub fn leave_one_out(
    subject: Subject<'_>,
    ids: &[u32],
    answer: usize,
    parts: &[Range<usize>],
    progress: &dyn Progress<Looked>,
) -> Result<LeaveOneOutView, Error> {
    subject.check(ids)?;
    if answer == 0 {
        return Err(Error::NothingBefore);
    }
    let outside =
        parts.iter().map(|part| part.end).chain([answer + 1]).find(|end| *end > ids.len());
    if let Some(end) = outside {
        return Err(Error::NoSuchPosition { position: end - 1, count: ids.len() });
    }
    // The passes share the text before what they leave out: from the last part to the first, the
    // cache still holds it.
    let mut cache = subject.model.new_cache();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(parts[*at].start));
    let whole = answer_logprob(subject, &mut cache, ids, answer, &(answer..answer))?;
    let logprob = whole.ok_or(Error::NothingBefore)?;
    let mut found: Vec<PartLeftOut> = parts
        .iter()
        .map(|part| PartLeftOut { tokens: part.clone(), logprob: None, difference: None })
        .collect();
    for (done, at) in order.into_iter().enumerate() {
        progress.check()?;
        let part = &parts[at];
        let cut = part.start.min(answer)..part.end.min(answer);
        let without = answer_logprob(subject, &mut cache, ids, answer, &cut)?;
        found[at].logprob = without;
        found[at].difference = without.map(|without| logprob - without);
        progress.emit(Looked { done: done + 1, total: parts.len() });
    }
    let tokens = subject.token_texts(ids);
    Ok(LeaveOneOutView {
        ids: ids.to_vec(),
        tokens,
        answer: answer..ids.len(),
        logprob,
        parts: found,
    })
}

/// The log-probability of `ids[answer..]` after what stands before it but `cut`. The cache holds the
/// text at least up to where `cut` begins, or nothing.
fn answer_logprob(
    subject: Subject<'_>,
    cache: &mut KvCache,
    ids: &[u32],
    answer: usize,
    cut: &Range<usize>,
) -> Result<Option<f64>, Error> {
    let Subject { model, adapter } = subject;
    // The token before the answer is run, for what it expects next.
    let start = if cut.end == answer { cut.start.checked_sub(1) } else { Some(cut.start) };
    let Some(start) = start else { return Ok(None) };
    let mut start = start.min(cache.len());
    // The answer's last token is not asked what comes next. The whole text is that which the other
    // views read, with that token.
    let length = if cut.is_empty() { ids.len() } else { ids.len() - 1 - cut.len() };
    if !model.config().turns_alike(cache.planned(), length) {
        start = 0;
    }
    cache.truncate(start);
    let rest = [&ids[start..cut.start.max(start)], &ids[cut.end..ids.len() - 1]].concat();
    cache.plan(length);
    let wanted = rest.len() - (ids.len() - answer)..rest.len();
    let states = model.normed_states(&rest, cache, adapter, wanted)?;
    let (width, vocab_size) = (model.config().width, model.config().vocab_size);
    const ROWS: usize = 64;
    let mut sum = 0.0;
    for (chunk, states) in states.chunks(ROWS * width).enumerate() {
        let mut scores = model.scores_of(states, adapter)?;
        for (row, position) in scores.chunks_exact_mut(vocab_size).zip(answer + chunk * ROWS..) {
            let score = row[ids[position] as usize];
            let spread = Spread::of(row).ok_or(Error::NotNumbers { position: position - 1 })?;
            sum += spread.logprob(score);
        }
    }
    Ok(Some(sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_taken_apart_by_tokens_words_and_sentences() {
        let tokens = ["A", " cat", "s", " paw", ".", "\"", " Is", " it", "?", "\n", "Yes"];
        let tokens = tokens.map(str::to_owned);
        assert_eq!(parts(&tokens, Unit::Token).len(), 11);
        let words = parts(&tokens, Unit::Word);
        assert_eq!(words, [0..1, 1..3, 3..6, 6..7, 7..9, 9..10, 10..11]);
        let sentences = parts(&tokens, Unit::Sentence);
        assert_eq!(sentences, [0..9, 9..10, 10..11]);
        assert!(parts(&[], Unit::Word).is_empty());
    }
}

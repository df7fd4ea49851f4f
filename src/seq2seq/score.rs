//! How likely given answers are, exactly: the encoder has read the text once, and the decoder goes over
//! all answers together.

use std::ops::{ControlFlow, Range};

use super::model::{Memory, Seq2Seq};
use crate::encoder::Error;
use crate::encoder::Tokens;
use crate::encoder::stack::Cache;
use crate::jobs;
use crate::llm::generate::sampling::LogSoftmax;
use crate::llm::net::buffers::Buffer;

/// Scores that are in memory together, at most: 64 MB.
const MOST_SCORES: usize = 1 << 24;

impl Seq2Seq {
    /// What stands before every answer and is given, not guessed: the start, and what the tokenizer puts
    /// before a text (BART's `<s>`); where it puts nothing, the token that the files force.
    pub fn opening(&self) -> Result<Vec<u32>, Error> {
        let mut opening = vec![self.start];
        let before = match self.tokenizer() {
            Some(tokenizer) => {
                let (plain, whole) = (tokenizer.encode("a", false)?, tokenizer.encode("a", true)?);
                let at = whole.windows(plain.len().max(1)).position(|part| part == plain);
                whole[..at.unwrap_or_default()].to_vec()
            }
            None => Vec::new(),
        };
        if before.is_empty() {
            opening.extend(self.forced_first);
        }
        opening.extend(before);
        Ok(opening)
    }

    /// The natural log of the probability of each token of each answer, after what was read and the tokens
    /// of that answer before it. Each answer's numbers are the same bits whatever stands beside it.
    pub fn logprobs(&self, memory: &Memory, answers: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, Error> {
        let opening = self.opening()?;
        for answer in answers {
            if answer.is_empty() {
                return Err(Error::NoTokens);
            }
            self.check(&[&opening[..], &answer[..]].concat(), 0)?;
        }
        let mut found: Vec<Vec<f32>> = answers.iter().map(|_| Vec::new()).collect();
        // What all answers begin with goes through the layers once; the last token of an answer is scored,
        // and nothing after it.
        let shared = common(answers);
        let [first, ..] = answers else { return Ok(found) };
        let beginning = [&opening[..], &first[..shared]].concat();
        let mut cache = [self.cache(memory)?];
        let hidden = jobs::in_pool(|| self.decode(&[beginning.as_slice()], &mut cache))?;
        let [cache] = cache;
        let width = self.width();
        // The row of the opening's last token scores the first token of the answers, and so on.
        let before = (opening.len() - 1) * width;
        let rows: Vec<Vec<u32>> =
            (0..=shared).map(|at| answers.iter().map(|it| it[at]).collect()).collect();
        let asked: Vec<&[u32]> = rows.iter().map(Vec::as_slice).collect();
        for scored in jobs::in_pool(|| self.pick(&hidden[before..], &asked)) {
            for (found, logprob) in found.iter_mut().zip(scored) {
                found.push(logprob);
            }
        }
        let fed: Vec<&[u32]> =
            answers.iter().map(|answer| &answer[shared..answer.len() - 1]).collect();
        let longer: Vec<usize> = (0..fed.len()).filter(|place| !fed[*place].is_empty()).collect();
        if longer.is_empty() {
            return Ok(found);
        }
        let texts: Vec<&[u32]> = longer.iter().map(|place| fed[*place]).collect();
        let mut caches: Vec<Cache> = longer.iter().map(|_| cache.clone()).collect();
        let hidden = jobs::in_pool(|| self.decode(&texts, &mut caches))?;
        let asked: Vec<&[u32]> =
            longer.iter().flat_map(|place| answers[*place][shared + 1..].chunks(1)).collect();
        let mut scored = jobs::in_pool(|| self.pick(&hidden, &asked)).into_iter().flatten();
        for place in longer {
            found[place].extend(scored.by_ref().take(fed[place].len()));
        }
        Ok(found)
    }

    /// Several texts through the decoder, each after what its cache holds: the last hidden states of all
    /// their tokens.
    fn decode(&self, texts: &[&[u32]], caches: &mut [Cache]) -> candle_core::Result<Buffer> {
        let read: Vec<Tokens<'_>> = texts.iter().map(|ids| Tokens::plain(ids)).collect();
        let before: Vec<usize> = caches.iter().map(Cache::len).collect();
        let hidden = self.decoder.embed(&read, &before)?;
        let mut end = 0;
        let spans: Vec<Range<usize>> = texts
            .iter()
            .map(|ids| {
                end += ids.len();
                end - ids.len()..end
            })
            .collect();
        let watch = &mut |_: &[f32]| ControlFlow::Continue(());
        let (hidden, _) = self.decoder.stack.run_after(hidden, &spans, caches, watch, 0..0)?;
        Ok(hidden)
    }

    /// Of each row of hidden states the log-probabilities of the tokens that are asked for there.
    fn pick(&self, hidden: &[f32], asked: &[&[u32]]) -> Vec<Vec<f32>> {
        let (width, vocabulary) = (self.width(), self.vocabulary());
        let together = (MOST_SCORES / vocabulary).max(1);
        let mut found = Vec::with_capacity(asked.len());
        for (hidden, asked) in hidden.chunks(together * width).zip(asked.chunks(together)) {
            let scores = self.score(hidden);
            for (scores, ids) in scores.chunks_exact(vocabulary).zip(asked) {
                let logprobs = LogSoftmax::new(scores);
                found.push(ids.iter().map(|id| logprobs.of(*id)).collect());
            }
        }
        found
    }
}

/// How many tokens all answers begin with, less the last one of the shortest.
fn common(answers: &[Vec<u32>]) -> usize {
    let Some((first, others)) = answers.split_first() else { return 0 };
    let shortest = answers.iter().map(Vec::len).min().unwrap_or(1) - 1;
    let same = |at: &usize| others.iter().all(|other| other[*at] == first[*at]);
    (0..shortest).take_while(same).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_share_what_they_begin_with_but_for_a_last_token() {
        assert_eq!(common(&[vec![1, 2, 3], vec![1, 2, 4]]), 2);
        assert_eq!(common(&[vec![1, 2, 3], vec![1, 2]]), 1);
        assert_eq!(common(&[vec![1], vec![1]]), 0);
        assert_eq!(common(&[vec![5, 6]]), 1);
    }
}

//! The raw scores of the positions of an answer, within a budget of memory.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What all kept scores may take, in bytes. At 49,152 tokens of vocabulary: 340 positions.
const BUDGET_BYTES: usize = 64 << 20;

/// How many candidates of a position outlive the budget.
const LIKELIEST_COUNT: usize = 40;

/// A position in an answer. `token` may be one past the last: what would come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub lane: usize,
    pub token: usize,
}

/// The scores of one position.
#[derive(Clone, Debug)]
pub enum Scores {
    /// The whole vocabulary's.
    All(Arc<[f32]>),

    /// The likeliest by id; every other token gets `rest`, chosen such that the sum of all
    /// probabilities stays right.
    Likeliest { top: Vec<(u32, f32)>, rest: f32, vocab_size: usize },
}

impl Scores {
    /// A score for each token of the vocabulary.
    pub fn expand(&self) -> Arc<[f32]> {
        match self {
            Self::All(scores) => Arc::clone(scores),
            Self::Likeliest { top, rest, vocab_size } => {
                let mut scores = vec![*rest; *vocab_size];
                for (id, score) in top {
                    scores[*id as usize] = *score;
                }
                scores.into()
            }
        }
    }

    fn shrunk(&self) -> Self {
        let Self::All(scores) = self else { return self.clone() };
        let mut ids: Vec<u32> = (0..scores.len() as u32).collect();
        let better = |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]);
        let count = LIKELIEST_COUNT.min(ids.len());
        if count < ids.len() {
            ids.select_nth_unstable_by(count, better);
        }
        let (kept, others) = ids.split_at(count);
        let top: Vec<(u32, f32)> = kept.iter().map(|id| (*id, scores[*id as usize])).collect();
        let best = top.iter().fold(f32::NEG_INFINITY, |best, (_, score)| best.max(*score));
        let mass: f64 =
            others.iter().map(|id| f64::from((scores[*id as usize] - best).exp())).sum();
        let mean = mass / others.len().max(1) as f64;
        let rest = if mean > 0.0 { best + mean.ln() as f32 } else { f32::NEG_INFINITY };
        Self::Likeliest { top, rest, vocab_size: scores.len() }
    }

    fn byte_len(&self) -> usize {
        match self {
            Self::All(scores) => scores.len() * size_of::<f32>(),
            Self::Likeliest { top, .. } => top.len() * size_of::<(u32, f32)>(),
        }
    }
}

/// Scores by position; the oldest are cut down to their likeliest when memory runs short.
#[derive(Debug, Default)]
pub struct ScoreStore {
    by_position: BTreeMap<(usize, usize), Scores>,

    /// Positions with all their scores, oldest first.
    whole: std::collections::VecDeque<(usize, usize)>,
    bytes: usize,
}

impl ScoreStore {
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn get(&self, position: Position) -> Option<&Scores> {
        self.by_position.get(&(position.lane, position.token))
    }

    pub fn keep(&mut self, position: Position, logits: Arc<[f32]>) {
        let key = (position.lane, position.token);
        let scores = Scores::All(logits);
        self.bytes += scores.byte_len();
        if let Some(old) = self.by_position.insert(key, scores) {
            self.bytes -= old.byte_len();
            self.whole.retain(|whole| *whole != key);
        }
        self.whole.push_back(key);
        while self.bytes > BUDGET_BYTES && self.whole.len() > 1 {
            let Some(oldest) = self.whole.pop_front() else { break };
            let Some(scores) = self.by_position.get_mut(&oldest) else { continue };
            self.bytes -= scores.byte_len();
            *scores = scores.shrunk();
            self.bytes += scores.byte_len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn softmax(scores: &[f32]) -> Vec<f32> {
        let sum: f32 = scores.iter().map(|score| score.exp()).sum();
        scores.iter().map(|score| score.exp() / sum).collect()
    }

    #[test]
    fn a_shrunk_position_keeps_the_probabilities_of_its_likeliest_tokens() {
        let scores: Vec<f32> = (0..500).map(|id| ((id * 37) % 101) as f32 * 0.05).collect();
        let whole = Scores::All(scores.clone().into());
        let before = softmax(&scores);
        let after = softmax(&whole.shrunk().expand());
        let best = (0..500).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap();
        assert!((before[best] - after[best]).abs() < 1e-5);
    }

    #[test]
    fn the_oldest_scores_go_first_when_memory_runs_short() {
        let mut store = ScoreStore::default();
        let logits: Arc<[f32]> = vec![0.5; 1 << 20].into(); // 4 MB: 16 fit
        for token in 0..20 {
            store.keep(Position { lane: 0, token }, Arc::clone(&logits));
        }
        let whole = |token| matches!(store.get(Position { lane: 0, token }), Some(Scores::All(_)));
        assert!(!whole(0) && !whole(3), "the oldest are cut down");
        assert!(whole(19) && whole(5), "the newest are whole");
        assert!(store.bytes <= BUDGET_BYTES);
    }
}

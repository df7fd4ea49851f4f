//! What is wrong with a set of pairs, before it is trained on. Lengths in tokens are for whoever
//! has a tokenizer.

use std::collections::BTreeMap;
use std::fmt;

use crate::data::pair::{PreferencePair, Text};

/// Something wrong with one pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairProblem {
    /// Of the pair, from 0.
    pub index: usize,
    pub kind: ProblemKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    EmptyPrompt,
    EmptyChosen,
    EmptyRejected,

    /// Chosen and rejected have the same words: there is nothing to prefer.
    Identical,

    /// The same prompt and answers as an earlier pair.
    Duplicate {
        of: usize,
    },

    /// An earlier pair says the opposite.
    Contradiction {
        of: usize,
    },
}

impl PairProblem {
    /// Whether training on the pair makes no sense, rather than little.
    pub fn is_serious(&self) -> bool {
        !matches!(self.kind, ProblemKind::Duplicate { .. })
    }
}

impl fmt::Display for PairProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "pair {}: ", self.index + 1)?;
        match self.kind {
            ProblemKind::EmptyPrompt => write!(out, "the prompt is empty"),
            ProblemKind::EmptyChosen => write!(out, "the chosen answer is empty"),
            ProblemKind::EmptyRejected => write!(out, "the rejected answer is empty"),
            ProblemKind::Identical => write!(out, "chosen and rejected are the same"),
            ProblemKind::Duplicate { of } => write!(out, "it repeats pair {}", of + 1),
            ProblemKind::Contradiction { of } => {
                write!(out, "it says the opposite of pair {}", of + 1)
            }
        }
    }
}

/// Everything that is wrong, in the order of the pairs. Spaces at the ends do not count.
pub fn problems(pairs: &[PreferencePair]) -> Vec<PairProblem> {
    let mut problems = Vec::new();
    let mut seen: BTreeMap<[String; 3], usize> = BTreeMap::new();
    for (index, pair) in pairs.iter().enumerate() {
        let PreferencePair { prompt, chosen, rejected } = pair;
        let [prompt, chosen, rejected] = [prompt, chosen, rejected].map(Text::told_apart);
        let mut add = |kind| problems.push(PairProblem { index, kind });
        for (text, kind) in [
            (&prompt, ProblemKind::EmptyPrompt),
            (&chosen, ProblemKind::EmptyChosen),
            (&rejected, ProblemKind::EmptyRejected),
        ] {
            if text.is_empty() {
                add(kind);
            }
        }
        if chosen == rejected {
            add(ProblemKind::Identical);
        } else if let Some(&of) = seen.get(&[prompt.clone(), rejected.clone(), chosen.clone()]) {
            add(ProblemKind::Contradiction { of });
        }
        let key = [prompt, chosen, rejected];
        if let Some(&of) = seen.get(&key) {
            add(ProblemKind::Duplicate { of });
        } else {
            seen.insert(key, index);
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_found_and_named() {
        let pair = |prompt: &str, chosen: &str, rejected: &str| PreferencePair {
            prompt: Text::Plain(prompt.to_owned()),
            chosen: Text::Plain(chosen.to_owned()),
            rejected: Text::Plain(rejected.to_owned()),
        };
        let pairs = [
            pair("a", "yes", "no"),
            pair(" ", "yes", "no"),
            pair("b", "", "no"),
            pair("b", "yes", "\n"),
            pair("c", "same", " same"),
            pair("a", "yes", "no "),
            pair("a", "no", "yes"),
            pair("a", "yes", "never"),
        ];
        let sentences: Vec<String> = problems(&pairs).iter().map(ToString::to_string).collect();
        assert_eq!(
            sentences,
            [
                "pair 2: the prompt is empty",
                "pair 3: the chosen answer is empty",
                "pair 4: the rejected answer is empty",
                "pair 5: chosen and rejected are the same",
                "pair 6: it repeats pair 1",
                "pair 7: it says the opposite of pair 1",
            ]
        );
        assert_eq!(problems(&pairs[..1]), []);
    }
}

//! Which pairs are trained on and which are measured with. A prompt is never on both sides: a
//! model that has seen the question has not been tested on it.

use std::collections::BTreeMap;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha20Rng;

/// Indices into the pairs that were split, each side in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    pub train: Vec<usize>,
    pub held_out: Vec<usize>,
}

/// Holds out `share` of the prompts (0 to 1, rounded to whole prompts), drawn with `seed`: the
/// same pairs, share and seed give the same split on every machine.
///
/// A share above 0 holds out at least one prompt and leaves at least one to train on, as soon as
/// there are two. `prompts` has one for each row; what makes two the same is
/// [`super::forms::prompt`]'s to say.
pub fn split(prompts: &[&str], share: f64, seed: u64) -> Split {
    let mut by_prompt: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, prompt) in prompts.iter().enumerate() {
        by_prompt.entry(prompt).or_default().push(index);
    }
    let mut groups: Vec<Vec<usize>> = by_prompt.into_values().collect();
    // In the order of the file, so that the draw does not depend on the alphabet.
    groups.sort_by_key(|group| group[0]);
    groups.shuffle(&mut ChaCha20Rng::seed_from_u64(seed));

    let held_out_count = if groups.len() < 2 || share.is_nan() || share <= 0.0 {
        0
    } else {
        let wanted = (groups.len() as f64 * share).round() as usize;
        wanted.clamp(1, groups.len() - 1)
    };
    let sorted = |groups: &[Vec<usize>]| {
        let mut indices = groups.concat();
        indices.sort_unstable();
        indices
    };
    let (held_out, train) = groups.split_at(held_out_count);
    Split { train: sorted(train), held_out: sorted(held_out) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_never_on_both_sides() {
        let prompts = ["a", "b", "a", "c", "b", "d", "a", "e"];
        for seed in 0..50 {
            let split = split(&prompts, 0.4, seed);
            for held_out in &split.held_out {
                for train in &split.train {
                    assert_ne!(prompts[*held_out], prompts[*train], "seed {seed}");
                }
            }
            assert_eq!(split.train.len() + split.held_out.len(), prompts.len());
        }
    }

    #[test]
    fn the_seed_decides_and_nothing_else_does() {
        let names: Vec<String> = (0..60).map(|index| format!("prompt {index}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(split(&names, 0.2, 7), split(&names, 0.2, 7));
        assert_ne!(split(&names, 0.2, 7), split(&names, 0.2, 8));
        assert_eq!(split(&names, 0.2, 7).held_out.len(), 12);
    }

    #[test]
    fn both_sides_have_something_where_they_can() {
        let sizes = |prompts: &[&str], share: f64| {
            let split = split(prompts, share, 1);
            (split.train.len(), split.held_out.len())
        };
        assert_eq!(sizes(&["a", "b"], 0.01), (1, 1)); // rounds to none, but a share was asked for
        assert_eq!(sizes(&["a", "b"], 1.0), (1, 1)); // nothing would be left to train on
        assert_eq!(sizes(&["a", "b"], 0.0), (2, 0)); // nothing asked for
        assert_eq!(sizes(&["a", "b"], f64::NAN), (2, 0)); // not a share
        assert_eq!(sizes(&["a", "a"], 0.5), (2, 0)); // one prompt cannot be on both sides
        assert_eq!(sizes(&[], 0.5), (0, 0));
    }
}

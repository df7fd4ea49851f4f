//! Whether a guessed token becomes a part of the answer: the rule of speculative sampling (Leviathan,
//! Kalman and Matias 2023, "Fast Inference from Transformers via Speculative Decoding", section 2.3).
//!
//! Whoever guesses, the answer's tokens are distributed as if the model had drawn them alone.

use super::sampling::{Kept, Sampler};

/// A token that something small expects next.
#[derive(Clone, Debug)]
pub(super) struct Guess {
    pub id: u32,

    /// What it was drawn from. `None`: it was not drawn, as a copy of the text or the likeliest token is
    /// not.
    pub from: Option<Kept>,
}

/// What the model says of a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,

    /// The answer has this token in its place.
    Instead(u32),
}

/// Judges a guess by what the model leaves to draw from.
///
/// A guess that was drawn from q is accepted with the probability min(1, p / q); else the token is drawn from
/// max(0, p - q), normalised. For a guess that was not drawn, q is 1: the rule then is to draw from p and to
/// compare, so that the answer is the very one that `sampler` gives without guesses.
pub(super) fn judge(
    model: &Kept,
    guess: &Guess,
    sampler: &mut Sampler,
    accepts: &mut Sampler,
) -> Verdict {
    let Some(from) = &guess.from else {
        let id = sampler.draw(model);
        return if id == guess.id { Verdict::Accepted } else { Verdict::Instead(id) };
    };
    let (p, q) = (f64::from(model.of(guess.id)), f64::from(from.of(guess.id)));
    if accepts.uniform() * q < p {
        return Verdict::Accepted;
    }
    let more = |(id, p): (&u32, &f32)| (p - from.of(*id)).max(0.0);
    let left: Vec<f32> = model.ids.iter().zip(&model.probabilities).map(more).collect();
    // Where rounding leaves nothing, p and q are the same.
    let is_empty = left.iter().all(|more| *more == 0.0);
    let left = if is_empty { model.probabilities.clone() } else { left };
    Verdict::Instead(sampler.draw(&Kept { ids: model.ids.clone(), probabilities: left }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(probabilities: &[(u32, f32)]) -> Kept {
        let (ids, probabilities) = probabilities.iter().copied().unzip();
        Kept { ids, probabilities }
    }

    /// How often each of the first tokens came in `count` tries.
    fn counts(p: &Kept, guess: impl Fn(&mut Sampler) -> Guess, count: usize) -> (Vec<f64>, f64) {
        let (mut drafts, mut sampler, mut accepts) =
            (Sampler::of_stream(3, 1), Sampler::new(3), Sampler::of_stream(3, 2));
        let mut seen = vec![0.0; 6];
        let mut accepted = 0.0;
        for _ in 0..count {
            let guess = guess(&mut drafts);
            match judge(p, &guess, &mut sampler, &mut accepts) {
                Verdict::Accepted => {
                    accepted += 1.0;
                    seen[guess.id as usize] += 1.0;
                }
                Verdict::Instead(id) => seen[id as usize] += 1.0,
            }
        }
        (seen, accepted / count as f64)
    }

    /// Pearson's statistic against the probabilities that are above 0.
    fn chi_square(seen: &[f64], p: &Kept) -> f64 {
        let total: f64 = seen.iter().sum();
        let terms = p.ids.iter().zip(&p.probabilities).map(|(id, p)| {
            let expected = f64::from(*p) * total;
            (seen[*id as usize] - expected).powi(2) / expected
        });
        terms.sum()
    }

    // scipy.stats.chi2.isf(0.001, 3) and isf(0.001, 4)
    const MOST: [f64; 2] = [16.266, 18.467];

    #[test]
    fn drawn_guesses_leave_the_distribution_as_it_is() {
        let p = kept(&[(0, 0.5), (1, 0.2), (3, 0.2), (4, 0.1)]);
        let q = kept(&[(0, 0.1), (1, 0.3), (2, 0.3), (3, 0.25), (5, 0.05)]);
        let draw = |drafts: &mut Sampler| Guess { id: drafts.draw(&q), from: Some(q.clone()) };
        let (seen, accepted) = counts(&p, draw, 20_000);
        assert_eq!((seen[2], seen[5]), (0.0, 0.0));
        assert!(chi_square(&seen, &p) < MOST[0], "{seen:?}");
        // Σ min(p, q), Leviathan's equation for the share that is accepted: 0.1 + 0.2 + 0.2
        assert!((accepted - 0.5).abs() < 0.015, "{accepted}");
    }

    #[test]
    fn sure_guesses_leave_even_the_draws_as_they_are() {
        let p = kept(&[(0, 0.05), (1, 0.2), (2, 0.3), (3, 0.25), (4, 0.2)]);
        let (seen, accepted) = counts(&p, |_| Guess { id: 2, from: None }, 20_000);
        assert!(chi_square(&seen, &p) < MOST[1], "{seen:?}");
        assert!((accepted - 0.3).abs() < 0.015, "{accepted}");
        let mut alone = Sampler::new(3);
        let mut expected = vec![0.0; 6];
        (0..20_000).for_each(|_| expected[alone.draw(&p) as usize] += 1.0);
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_guesser_that_knows_the_distribution_is_always_right() {
        let p = kept(&[(0, 0.3), (1, 0.7)]);
        let draw = |drafts: &mut Sampler| Guess { id: drafts.draw(&p), from: Some(p.clone()) };
        assert_eq!(counts(&p, draw, 1000).1, 1.0);
    }
}

//! How many tokens to guess at once, so that guessing pays: with good guesses more, with bad ones none.

/// Chooses the number of guesses before each pass, by how many of the last ones were right and by what
/// guessing costs. Where it does not pay it pauses, each time for longer.
///
/// All costs are in passes of the model with one token.
#[derive(Clone, Debug)]
pub(super) struct HowMany {
    costs: Costs,
    most: usize,

    /// Always so many.
    fixed: Option<usize>,

    /// Of the last guesses that were judged: how many were right, and how many there were. Older ones count
    /// less.
    right: f64,
    judged: f64,

    /// Tokens to write before guesses are tried again, and how many the next pause has.
    waits: usize,
    pause: usize,

    /// Seconds of a pass with one token, as measured, and how often it was.
    one: f64,
    measured: usize,
}

/// What guessing takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Costs {
    /// Another row of a pass.
    pub row: f64,

    /// One guess.
    pub guess: f64,
}

/// A guess that was judged so many guesses ago counts this much to their power.
const FADES: f64 = 0.93;

/// What is expected before anything is known: so many guesses, of which this share was right.
const PRIOR: (f64, f64) = (3.0, 0.7);

const PAUSES: [usize; 2] = [24, 384];

/// Passes with one token that are measured before the first guess.
const FIRST: usize = 2;

impl HowMany {
    pub fn new(costs: Costs, most: usize, fixed: Option<usize>) -> Self {
        let (waits, pause, one, measured) = (0, PAUSES[0], f64::INFINITY, 0);
        Self { costs, most, fixed, right: 0.0, judged: 0.0, waits, pause, one, measured }
    }

    /// No more than this are asked for.
    pub fn most(&self) -> usize {
        self.fixed.unwrap_or(self.most)
    }

    /// The share of guesses that will be right, by the last ones.
    fn share(&self) -> f64 {
        let (weight, share) = PRIOR;
        (self.right + weight * share) / (self.judged + weight)
    }

    /// For the next pass. Asked once before each.
    pub fn next(&mut self) -> usize {
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        if self.waits > 0 {
            self.waits -= 1;
            return 0;
        }
        let best = self.best();
        if best == 0 {
            self.waits = self.pause.saturating_sub(1);
            self.pause = (2 * self.pause).min(PAUSES[1]);
            // What comes then may be of another kind.
            (self.right, self.judged) = (0.0, 0.0);
        }
        best
    }

    /// The number that gives most tokens for what its pass takes.
    fn best(&self) -> usize {
        let share = self.share();
        let (mut best, mut most) = (0, 1.0);
        let (mut reached, mut tokens) = (1.0, 1.0);
        for count in 1..=self.most {
            reached *= share;
            tokens += reached;
            let gain = tokens / (1.0 + count as f64 * (self.costs.row + self.costs.guess));
            if gain > most {
                (best, most) = (count, gain);
            }
        }
        best
    }

    /// What became of the guesses of a pass.
    pub fn learn(&mut self, right: usize, judged: usize) {
        let fades = FADES.powf(judged as f64);
        self.right = self.right * fades + right as f64;
        self.judged = self.judged * fades + judged as f64;
        if right > 0 && self.best() > 0 && self.judged > 2.0 * PRIOR.0 {
            self.pause = PAUSES[0];
        }
    }

    /// Whether passes with one token have been measured yet.
    pub fn is_measured(&self) -> bool {
        self.fixed.is_some() || self.measured >= FIRST
    }

    /// What a pass with `rows` tokens took, in seconds, and the guesses before it.
    pub fn measured(&mut self, rows: usize, pass: f64, guessing: f64) {
        const NEW: f64 = 0.3; // other programs take their turn too: one measurement is not much
        if rows == 1 {
            self.one = if self.is_measured() {
                self.one + NEW * (pass - self.one)
            } else {
                self.one.min(pass) // the first one finds cold caches
            };
            self.measured += 1;
            return;
        }
        if !self.is_measured() {
            return;
        }
        let one = self.one.max(1e-9);
        let more = (rows - 1) as f64;
        let row = ((pass / one - 1.0) / more).clamp(0.01, 1.0);
        let guess = (guessing / one / more).clamp(0.0, 2.0);
        self.costs.row += NEW * (row - self.costs.row);
        self.costs.guess += NEW * (guess - self.costs.guess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAFT: Costs = Costs { row: 0.15, guess: 0.1 };

    /// Tokens for what one pass with one token costs, over a text where `right` says of each place whether a
    /// guess there is right.
    fn gain(costs: Costs, right: impl Fn(usize) -> bool) -> f64 {
        let mut how_many = HowMany::new(costs, 8, None);
        let (mut tokens, mut cost) = (0, 0.0);
        while tokens < 4000 {
            let count = how_many.next();
            let hits = (0..count).take_while(|place| right(tokens + place)).count();
            if count > 0 {
                how_many.learn(hits, (hits + 1).min(count));
            }
            tokens += hits + 1;
            cost += 1.0 + count as f64 * (costs.row + costs.guess);
        }
        tokens as f64 / cost
    }

    #[test]
    fn guessing_pays_where_guesses_are_right_and_costs_nothing_where_they_are_not() {
        let never = gain(DRAFT, |_| false);
        assert!(never > 0.97, "{never}");
        let mostly = gain(DRAFT, |place| place % 10 != 0);
        assert!(mostly > 1.6, "{mostly}");
        let lookup = gain(Costs { row: 0.15, guess: 0.0 }, |place| place % 20 != 0);
        assert!(lookup > 2.5, "{lookup}");
        let sometimes = gain(DRAFT, |place| place % 3 == 0);
        assert!(sometimes > 0.96, "{sometimes}");
        // A table in the middle of a text that cannot be guessed.
        let part = gain(DRAFT, |place| (1000..2000).contains(&place));
        assert!(part > 1.1, "{part}");
    }

    #[test]
    fn what_passes_take_is_measured() {
        let mut how_many = HowMany::new(Costs { row: 0.9, guess: 0.5 }, 8, None);
        assert_eq!(how_many.best(), 0);
        how_many.measured(1, 5.0, 0.0);
        assert!(!how_many.is_measured());
        how_many.measured(1, 1.0, 0.0);
        assert!(how_many.is_measured());
        (0..20).for_each(|_| how_many.measured(5, 1.4, 0.2));
        assert!(how_many.best() > 2, "{how_many:?}");
    }
}

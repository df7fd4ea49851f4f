//! Rotary position embedding: how fast each pair of dimensions turns, and how that is stretched
//! beyond the length that a model was trained for. The rules are transformers'
//! (`modeling_rope_utils.py`).

use std::f64::consts::PI;

/// Rotary position embedding of some layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Radians a position, one for each pair: dimension i turns with dimension i + len.
    /// Dimensions beyond 2 · len are left alone.
    pub frequencies: Vec<f32>,

    /// Cosines and sines are multiplied by this (`YaRN`, `LongRoPE`); 1 elsewhere.
    pub magnitude: f32,
    beyond: Beyond,

    /// Dimension 2i turns with dimension 2i + 1 instead (GPT-J).
    pub neighbours: bool,

    /// Turns the other way.
    turns_back: bool,
    growth: Option<QueryGrowth>,
}

/// Turned queries are multiplied by 1 + `beta` ln(1 + floor(position / `every`)) (Ministral 3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueryGrowth {
    pub beta: f32,
    pub every: usize,
}

/// What changes in a long text.
#[derive(Clone, Debug, PartialEq)]
enum Beyond {
    Nothing,

    /// The base grows with the text once it is longer than `trained`.
    Dynamic {
        theta: f64,
        dims: usize,
        factor: f64,
        trained: usize,
    },

    /// A text longer than `trained` turns by these frequencies, with this magnitude.
    Long {
        frequencies: Vec<f32>,
        magnitude: f32,
        trained: usize,
    },
}

/// How rope is stretched beyond the length that it was trained for.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    None,
    Linear {
        factor: f64,
    },

    /// Neural tangent kernel scaling by the length of the text.
    Dynamic {
        factor: f64,
        original_context: usize,
    },

    /// Gemma 4's: only the first pairs turn.
    Proportional {
        factor: f64,
        turning: usize,
    },

    /// Llama 3's: slow pairs are slowed down.
    Llama3 {
        factor: f64,
        low_freq_factor: f64,
        high_freq_factor: f64,
        original_context: f64,
    },

    /// `YaRN` (arXiv 2309.00071).
    Yarn {
        factor: f64,
        original_context: f64,
        beta_fast: f64,
        beta_slow: f64,
        magnitude: f64,

        /// Whether the range of pairs that are interpolated is rounded to whole pairs.
        truncate: bool,
    },

    /// `LongRoPE` (arXiv 2402.13753): a divisor for each pair, one set for short texts and one for
    /// those longer than `original_context`.
    LongRope {
        short: Vec<f64>,
        long: Vec<f64>,
        original_context: usize,
        magnitude: f64,
    },
}

/// How many pairs turn where `dims` of a head's dimensions are to turn.
pub(crate) fn pair_count(dims: usize) -> usize {
    dims.div_ceil(2)
}

fn plain(theta: f64, dims: usize) -> impl Iterator<Item = f64> {
    (0..pair_count(dims)).map(move |pair| theta.powf(-2.0 * pair as f64 / dims as f64))
}

impl Rope {
    /// `dims` of the head's dimensions turn. `LongRoPE` needs a divisor for each pair.
    pub fn new(theta: f64, dims: usize, scaling: RopeScaling) -> Self {
        let narrow = |frequencies: Vec<f64>| frequencies.into_iter().map(|f| f as f32).collect();
        let own: Vec<f64> = plain(theta, dims).collect();
        let (frequencies, magnitude, beyond): (Vec<f64>, f64, Beyond) = match scaling {
            RopeScaling::None => (own, 1.0, Beyond::Nothing),
            RopeScaling::Linear { factor } => {
                (own.into_iter().map(|f| f / factor).collect(), 1.0, Beyond::Nothing)
            }
            RopeScaling::Proportional { factor, turning } => {
                let scaled = own.into_iter().enumerate();
                let scaled = scaled.map(|(pair, f)| if pair < turning { f / factor } else { 0.0 });
                (scaled.collect(), 1.0, Beyond::Nothing)
            }
            RopeScaling::Dynamic { factor, original_context: trained } => {
                (own, 1.0, Beyond::Dynamic { theta, dims, factor, trained })
            }
            RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => {
                let scaled = own.into_iter().map(|frequency| {
                    let wavelength = 2.0 * PI / frequency;
                    if wavelength > original_context / low_freq_factor {
                        frequency / factor
                    } else if wavelength < original_context / high_freq_factor {
                        frequency
                    } else {
                        let smooth = (original_context / wavelength - low_freq_factor)
                            / (high_freq_factor - low_freq_factor);
                        (1.0 - smooth) * frequency / factor + smooth * frequency
                    }
                });
                (scaled.collect(), 1.0, Beyond::Nothing)
            }
            RopeScaling::Yarn {
                factor,
                original_context,
                beta_fast,
                beta_slow,
                magnitude,
                truncate,
            } => {
                // The pair that makes this many turns within the original context.
                let pair_of = |turns: f64| {
                    dims as f64 * (original_context / (turns * 2.0 * PI)).ln() / (2.0 * theta.ln())
                };
                let (mut low, mut high) = (pair_of(beta_fast), pair_of(beta_slow));
                if truncate {
                    (low, high) = (low.floor(), high.ceil());
                }
                let (low, mut high) = (low.max(0.0), high.min(dims as f64 - 1.0));
                if low == high {
                    high += 0.001; // as transformers does, against a division by zero
                }
                let scaled = own.into_iter().enumerate().map(|(pair, frequency)| {
                    let ramp = ((pair as f64 - low) / (high - low)).clamp(0.0, 1.0);
                    frequency / factor * ramp + frequency * (1.0 - ramp)
                });
                (scaled.collect(), magnitude, Beyond::Nothing)
            }
            RopeScaling::LongRope { short, long, original_context, magnitude } => {
                let divided = |by: &[f64]| own.iter().zip(by).map(|(f, by)| f / by).collect();
                let frequencies = narrow(divided(&long));
                let beyond = Beyond::Long {
                    frequencies,
                    magnitude: magnitude as f32,
                    trained: original_context,
                };
                (divided(&short), magnitude, beyond)
            }
        };
        let (frequencies, magnitude) = (narrow(frequencies), magnitude as f32);
        let (neighbours, turns_back, growth) = (false, false, None);
        Self { frequencies, magnitude, beyond, neighbours, turns_back, growth }
    }

    /// The same, where neighbouring dimensions turn together.
    pub(crate) fn of_neighbours(self) -> Self {
        Self { neighbours: true, ..self }
    }

    /// The same, where queries grow with their position.
    pub(crate) fn with_growth(self, growth: QueryGrowth) -> Self {
        Self { growth: Some(growth), ..self }
    }

    /// As transformers 5 has it for Phi 3.5's mixture: a long text turns as a short one does, and only
    /// the magnitude is another.
    pub(crate) fn of_phimoe(self, short: f32, long: f32, trained: usize) -> Self {
        let frequencies = self.frequencies.clone();
        let beyond = Beyond::Long { frequencies, magnitude: long, trained };
        Self { magnitude: short, beyond, ..self }
    }

    /// `LongRoPE` whose long divisors nobody uses.
    pub(crate) fn always_short(self) -> Self {
        Self { beyond: Beyond::Nothing, ..self }
    }

    /// Turns the other way (nanochat).
    pub(crate) fn turned_back(self) -> Self {
        Self { turns_back: true, ..self }
    }

    /// Divides each pair's speed: what llama.cpp's converter makes of Llama 3's scaling.
    pub(crate) fn divide(&mut self, divisors: &[f32]) {
        for (frequency, divisor) in self.frequencies.iter_mut().zip(divisors) {
            *frequency /= divisor;
        }
    }

    /// Whether both turn alike, but for how their numbers were rounded on the way.
    pub(crate) fn is_nearly(&self, other: &Self) -> bool {
        let near = |one: f32, other: f32| (one - other).abs() <= 1e-6 * one.abs().max(other.abs());
        let all = |one: &[f32], other: &[f32]| {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| near(*one, *other))
        };
        let long = |rope: &Self| match &rope.beyond {
            Beyond::Long { frequencies, magnitude, trained } => {
                Some((frequencies.clone(), *magnitude, *trained))
            }
            _ => None,
        };
        let beyond = match (long(self), long(other)) {
            (Some((one, magnitude, trained)), Some((other, as_large, as_long))) => {
                all(&one, &other) && near(magnitude, as_large) && trained == as_long
            }
            _ => self.beyond == other.beyond,
        };
        beyond
            && self.neighbours == other.neighbours
            && self.turns_back == other.turns_back
            && self.growth == other.growth
            && near(self.magnitude, other.magnitude)
            && all(&self.frequencies, &other.frequencies)
    }

    /// The angles of `count` positions from `start` on, in a text that ends with them.
    pub fn table(&self, start: usize, count: usize) -> RopeTable {
        self.table_within(start, count, start + count)
    }

    /// The same in a text of `length` tokens, which counts where rope depends on that.
    pub fn table_within(&self, start: usize, count: usize, length: usize) -> RopeTable {
        let grown;
        let mut magnitude = self.magnitude;
        let frequencies = match &self.beyond {
            Beyond::Dynamic { theta, dims, factor, trained } if length > *trained => {
                let (dims_f64, stretch) = (*dims as f64, length as f64 / *trained as f64);
                let growth = (factor * stretch - (factor - 1.0)).powf(dims_f64 / (dims_f64 - 2.0));
                grown = plain(theta * growth, *dims).map(|f| f as f32).collect();
                &grown
            }
            Beyond::Long { frequencies, magnitude: longer, trained } if length > *trained => {
                magnitude = *longer;
                frequencies
            }
            _ => &self.frequencies,
        };
        let pairs = frequencies.len();
        let mut cos = Vec::with_capacity(count * pairs);
        let mut sin = Vec::with_capacity(count * pairs);
        let side = if self.turns_back { -magnitude } else { magnitude };
        for position in start..start + count {
            for frequency in frequencies {
                let angle = position as f32 * frequency; // in f32, as transformers does
                cos.push(angle.cos() * magnitude);
                sin.push(angle.sin() * side);
            }
        }
        let growth = self.growth.map(|QueryGrowth { beta, every }| {
            let factor = |position: usize| 1.0 + beta * (1.0 + (position / every) as f32).ln();
            (start..start + count).map(factor).collect()
        });
        let query_scales = growth.unwrap_or_default();
        RopeTable { pairs, neighbours: self.neighbours, cos, sin, query_scales }
    }

    /// See [`super::Config::turns_alike`].
    pub(super) fn turns_alike(&self, one: usize, other: usize) -> bool {
        match self.beyond {
            Beyond::Nothing => true,
            Beyond::Long { trained, .. } => (one > trained) == (other > trained),
            Beyond::Dynamic { trained, .. } => one == other || one.max(other) <= trained,
        }
    }

    /// The longest text whose keys are of no use in a longer one.
    pub fn switches_after(&self) -> Option<usize> {
        match self.beyond {
            Beyond::Long { trained, .. } => Some(trained),
            Beyond::Nothing | Beyond::Dynamic { .. } => None,
        }
    }
}

/// `YaRN`'s magnitude where the file gives none: 0.1 · ln(factor) + 1.
pub(crate) fn yarn_magnitude(factor: f64) -> f64 {
    yarn_magnitude_scaled(factor, 1.0)
}

/// The same with a weight of its own, `mscale` in files.
pub(crate) fn yarn_magnitude_scaled(factor: f64, weight: f64) -> f64 {
    if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 }
}

/// `LongRoPE`'s magnitude where the file gives none.
pub(crate) fn longrope_magnitude(factor: f64, original_context: f64) -> f64 {
    if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / original_context.ln()).sqrt() }
}

/// Cosines and sines, (positions, pairs).
#[derive(Clone, Debug)]
pub struct RopeTable {
    pub pairs: usize,

    /// See [`Rope::neighbours`].
    pub neighbours: bool,
    pub cos: Vec<f32>,
    pub sin: Vec<f32>,

    /// What queries are multiplied by, one for each position; empty where nothing.
    pub query_scales: Vec<f32>,
}

impl RopeTable {
    /// The entries of these positions, which may come several times and in any order.
    #[must_use]
    pub fn at(&self, positions: &[usize]) -> Self {
        let of = |values: &[f32], width: usize| {
            let rows = positions.iter().flat_map(|at| &values[at * width..(at + 1) * width]);
            rows.copied().collect()
        };
        let Self { pairs, neighbours, cos, sin, query_scales } = self;
        Self {
            pairs: *pairs,
            neighbours: *neighbours,
            cos: of(cos, *pairs),
            sin: of(sin, *pairs),
            query_scales: of(query_scales, usize::from(!query_scales.is_empty())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_rope_turns_the_first_pair_by_one_radian_a_position() {
        let rope = Rope::new(10_000.0, 4, RopeScaling::None);
        assert_eq!(rope.frequencies, [1.0, 0.01]);
        let table = rope.table(3, 1);
        assert_eq!(table.cos[0], 3f32.cos());
    }

    #[test]
    fn llama3_scaling_leaves_fast_pairs_and_slows_slow_ones() {
        let scaling = RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_context: 8192.0,
        };
        let plain = Rope::new(500_000.0, 128, RopeScaling::None);
        let scaled = Rope::new(500_000.0, 128, scaling);
        assert_eq!(scaled.frequencies[0], plain.frequencies[0]);
        assert!((scaled.frequencies[63] * 8.0 - plain.frequencies[63]).abs() < 1e-12);
    }

    #[test]
    fn longrope_changes_with_the_length_of_the_text() {
        let scaling = RopeScaling::LongRope {
            short: vec![1.0, 2.0],
            long: vec![4.0, 8.0],
            original_context: 6,
            magnitude: 1.5,
        };
        let rope = Rope::new(10_000.0, 4, scaling);
        assert_eq!(rope.table(5, 1).cos[0], 5f32.cos() * 1.5);
        assert_eq!(rope.table_within(5, 1, 7).cos[0], 1.25f32.cos() * 1.5);
        assert_eq!(rope.switches_after(), Some(6));
    }

    #[test]
    fn dynamic_scaling_begins_where_the_trained_length_ends() {
        let scaling = RopeScaling::Dynamic { factor: 2.0, original_context: 8 };
        let (rope, plain) = (Rope::new(1e4, 8, scaling), Rope::new(1e4, 8, RopeScaling::None));
        assert_eq!(rope.table(0, 8).sin, plain.table(0, 8).sin);
        assert_ne!(rope.table(0, 9).sin[..8], plain.table(0, 9).sin[..8]);
        // What turns the other way does so beyond that length, too.
        let back = rope.clone().turned_back().table(0, 9);
        let other: Vec<f32> = rope.table(0, 9).sin.iter().map(|sin| -sin).collect();
        assert_eq!((&back.sin, &back.cos), (&other, &rope.table(0, 9).cos));
    }
}

//! How the vectors of a text's tokens become one.

/// What sentence-transformers calls a pooling mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The mean of all tokens.
    Mean,

    /// The first token, `[CLS]`; where prompts have no part, the first after the prompt.
    Cls,

    /// The last token.
    Last,

    /// The largest value that any token has at each place.
    Max,

    /// The sum of all tokens over the square root of their number.
    MeanSqrtLen,

    /// A mean in which the n-th token counts n times.
    WeightedMean,
}

/// One way or several, whose vectors stand one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poolings(Vec<Pooling>);

impl Poolings {
    pub fn one(pooling: Pooling) -> Self {
        Self(vec![pooling])
    }

    /// `None`: there is none among them.
    pub fn of(all: Vec<Pooling>) -> Option<Self> {
        (!all.is_empty()).then_some(Self(all))
    }

    pub fn words(&self) -> String {
        let words: Vec<&str> = self.0.iter().map(|pooling| pooling.words()).collect();
        words.join(" beside ")
    }

    /// How many times as long a text's vector is as a token's.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// See [`Pooling::pool`].
    pub(super) fn pool(&self, hidden: &[f32], width: usize, skipped: usize) -> Vec<f32> {
        self.0.iter().flat_map(|pooling| pooling.pool(hidden, width, skipped)).collect()
    }
}

impl Pooling {
    pub fn words(self) -> &'static str {
        match self {
            Self::Mean => "the mean of its tokens",
            Self::Cls => "its first token",
            Self::Last => "its last token",
            Self::Max => "the largest value of its tokens at each place",
            Self::MeanSqrtLen => "the sum of its tokens over the root of their number",
            Self::WeightedMean => "the mean of its tokens, later ones weighted more",
        }
    }

    /// `hidden`: (tokens, width), of which the first `skipped` have no part. Where that is all of them, the vector
    /// is zero, and that of the first token the first one's, as sentence-transformers has it; its largest values
    /// of nothing would be minus infinity.
    pub(super) fn pool(self, hidden: &[f32], width: usize, skipped: usize) -> Vec<f32> {
        let Some(last) = hidden.len().checked_sub(width) else { return vec![0.0; width] };
        let skipped = skipped * width;
        if skipped > last {
            return match self {
                Self::Cls => hidden[..width].to_vec(),
                _ => vec![0.0; width],
            };
        }
        let taken = || hidden.chunks_exact(width).enumerate().skip(skipped / width);
        let sum = |weight: &dyn Fn(usize) -> f64| {
            let mut sums = vec![0.0_f64; width];
            let mut total = 0.0;
            for (at, row) in taken() {
                let weight = weight(at);
                total += weight;
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += weight * f64::from(*value);
                }
            }
            (sums, total)
        };
        let over = |(sums, by): (Vec<f64>, f64)| -> Vec<f32> {
            sums.into_iter().map(|sum| (sum / by) as f32).collect()
        };
        match self {
            Self::Cls => hidden[skipped..skipped + width].to_vec(),
            Self::Last => hidden[last..].to_vec(),
            Self::Max => {
                let mut most = vec![f32::NEG_INFINITY; width];
                for (_, row) in taken() {
                    most.iter_mut().zip(row).for_each(|(most, value)| *most = most.max(*value));
                }
                most
            }
            Self::Mean => over(sum(&|_| 1.0)),
            Self::MeanSqrtLen => {
                let (sums, count) = sum(&|_| 1.0);
                over((sums, count.sqrt()))
            }
            Self::WeightedMean => over(sum(&|at| (at + 1) as f64)),
        }
    }
}

/// Makes a vector one unit long. One without a direction stays as it is.
pub(super) fn normalize(values: &mut [f32]) {
    let length = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 {
        for value in values {
            *value = (f64::from(*value) / length) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_become_one_vector_of_length_one() {
        let hidden = [1.0, 2.0, 5.0, 0.0];
        let pool = |pooling: Pooling, skipped| pooling.pool(&hidden, 2, skipped);
        assert_eq!(pool(Pooling::Mean, 0), [3.0, 1.0]);
        assert_eq!(pool(Pooling::Mean, 1), [5.0, 0.0]);
        // sentence-transformers 6.2: a prompt before a text without a token
        assert_eq!(pool(Pooling::Mean, 2), [0.0, 0.0]);
        assert_eq!(pool(Pooling::Last, 5), [0.0, 0.0]);
        assert_eq!(pool(Pooling::Cls, 2), [1.0, 2.0]);
        assert_eq!(pool(Pooling::Cls, 0), [1.0, 2.0]);
        // sentence-transformers 6.0.1: the first token that is not the prompt's
        assert_eq!(pool(Pooling::Cls, 1), [5.0, 0.0]);
        assert_eq!(pool(Pooling::Last, 0), [5.0, 0.0]);
        assert_eq!(pool(Pooling::Max, 0), [5.0, 2.0]);
        assert_eq!(pool(Pooling::WeightedMean, 0), [11.0 / 3.0, 2.0 / 3.0]);
        assert_eq!(pool(Pooling::MeanSqrtLen, 0)[0], (6.0 / 2.0_f64.sqrt()) as f32);
        let mut values = [3.0, 4.0];
        normalize(&mut values);
        assert_eq!(values, [0.6, 0.8]);
        let mut nothing = [0.0, 0.0];
        normalize(&mut nothing);
        assert_eq!(nothing, [0.0, 0.0]);
    }
}

//! How the vectors of a text's tokens become one.

/// What sentence-transformers calls a pooling mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The mean of all tokens.
    Mean,

    /// The first token, `[CLS]`.
    Cls,
}

impl Pooling {
    pub fn words(self) -> &'static str {
        match self {
            Self::Mean => "the mean of its tokens",
            Self::Cls => "its first token",
        }
    }

    /// `hidden`: a vector for each token; at least one.
    pub(super) fn pool(self, hidden: &[Vec<f32>]) -> Vec<f32> {
        match self {
            Self::Cls => hidden[0].clone(),
            Self::Mean => {
                let count = hidden.len() as f64;
                let mean = |at: usize| {
                    let sum: f64 = hidden.iter().map(|token| f64::from(token[at])).sum();
                    (sum / count) as f32
                };
                (0..hidden[0].len()).map(mean).collect()
            }
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
        let hidden = [vec![1.0, 2.0], vec![5.0, 6.0]];
        assert_eq!(Pooling::Mean.pool(&hidden), [3.0, 4.0]);
        assert_eq!(Pooling::Cls.pool(&hidden), [1.0, 2.0]);
        let mut values = Pooling::Mean.pool(&hidden);
        normalize(&mut values);
        assert_eq!(values, [0.6, 0.8]);
        let mut nothing = [0.0, 0.0];
        normalize(&mut nothing);
        assert_eq!(nothing, [0.0, 0.0]);
    }
}

//! Positions that are computed: sines in the first half of a vector, cosines in the second.

use tuning_fork_kernels::QMatrix;

/// Whose rule it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sines {
    /// M2M100's and NLLB's; the position of this padding is all zeros. Whatever a file has in their place
    /// is not asked, as in transformers.
    AfterPadding(u32),

    /// Pegasus', where the file has none.
    Pegasus,
}

impl Sines {
    /// (rows, width), in the precision in which transformers computes them: the products of M2M100 are
    /// f32, those of Pegasus f64.
    pub fn table(self, rows: usize, width: usize) -> QMatrix {
        let half = width / 2;
        let mut table = vec![0.0_f32; rows * width];
        for (position, row) in table.chunks_exact_mut(width).enumerate() {
            match self {
                Self::AfterPadding(padding) if position == padding as usize => {}
                Self::AfterPadding(_) => {
                    let step = (10_000_f64.ln() / half.saturating_sub(1).max(1) as f64) as f32;
                    for at in 0..half {
                        let angle = position as f32 * (at as f32 * -step).exp();
                        (row[at], row[half + at]) = (angle.sin(), angle.cos());
                    }
                }
                Self::Pegasus => {
                    let cosines = width - half;
                    for at in 0..width {
                        let power = 2.0 * (at / 2) as f64 / width as f64;
                        let angle = position as f64 / 10_000_f64.powf(power);
                        if at % 2 == 0 {
                            row[at / 2] = angle.sin() as f32;
                        } else {
                            row[cosines + at / 2] = angle.cos() as f32;
                        }
                    }
                }
            }
        }
        QMatrix::of_floats(rows, width, table)
            .expect("a table has as many values as its shape says")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_grow_with_the_position_and_shrink_along_the_vector() {
        let table = Sines::AfterPadding(1).table(4, 4).dequantize();
        assert_eq!(table[..8], [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        // sin 2, sin 0.0002, cos 2, cos 0.0002
        let expected = [0.909_297_4, 0.000_2, -0.416_146_84, 1.0];
        assert!(table[8..12].iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{table:?}");
        let table = Sines::Pegasus.table(3, 4).dequantize();
        // sin 2, sin 0.02, cos 2, cos 0.02
        let expected = [0.909_297_4, 0.019_998_67, -0.416_146_84, 0.999_8];
        assert!(table[8..12].iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{table:?}");
    }
}

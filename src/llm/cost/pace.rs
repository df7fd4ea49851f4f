//! How fast this computer multiplies matrices as training does.
//!
//! Measured in a moment, to say how long a run takes of a model that is not here yet. Of a model that is here: see
//! `train::estimate`, which runs a part of it.

use std::time::Instant;

use tuning_fork_kernels::gemm::{Matrix, Result, Target, gemm};

use crate::jobs;

/// Tokens of a pair, and a layer of a model of some hundred million parameters.
const ROWS: usize = 384;
const INPUTS: usize = 768;
const OUTPUTS: usize = 2048;

/// Products that are timed, after one that warms caches and threads up.
const TIMED: usize = 5;

/// Multiplications a second, on all threads: the middle one of a few.
pub fn multiplications_per_sec() -> f64 {
    let values = |count: usize| -> Vec<f32> {
        (0..count).map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.01).collect()
    };
    let (x, weights) = (values(ROWS * INPUTS), values(OUTPUTS * INPUTS));
    let mut out = vec![0.0; ROWS * OUTPUTS];
    let mut secs: Vec<f64> = jobs::in_pool(|| {
        (0..=TIMED)
            .map(|_| {
                let started = Instant::now();
                let weights = Matrix::new(&weights, OUTPUTS, INPUTS).transposed();
                let target = Target::new(&mut out, ROWS, OUTPUTS, Result::Replace);
                gemm(target, &[(Matrix::new(&x, ROWS, INPUTS), weights)]);
                started.elapsed().as_secs_f64()
            })
            .skip(1)
            .collect()
    });
    secs.sort_by(f64::total_cmp);
    (ROWS * INPUTS * OUTPUTS) as f64 / secs[TIMED / 2].max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_computer_multiplies_more_than_a_million_times_a_second() {
        let pace = multiplications_per_sec();
        assert!((1e6..1e15).contains(&pace), "{pace}");
    }
}

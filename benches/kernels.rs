//! How fast the kernels are: `cargo bench --bench kernels [TYPE]...`, such as `Q4_1 Q8_0`.
//!
//! One row of activations (writing) and many (reading a prompt) times each type of weights, in the
//! two shapes of `SmolLM2-135M`'s feed-forward and head. The best of several runs, on all threads.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::hint::black_box;
use std::time::Instant;

use tuning_fork::jobs;
use tuning_fork::llm::kernels::{Bytes, GgmlType, QMatrix, instructions};

/// Outputs, inputs, and rows of activations.
const SHAPES: [(usize, usize, &[usize]); 3] =
    [(1536, 576, &[1, 16, 128, 512]), (49_152, 576, &[1, 16]), (262_144, 640, &[1])];

/// K-quants come in 256 weights.
const WIDE: usize = 768;

/// Multiplications to time, at least, for each figure.
const WORK: usize = 2_000_000_000;

fn main() {
    // cargo passes `--bench`.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    println!("with {}", instructions());
    println!("type   weights      rows   GMAC/s   weights GB/s");
    for kind in GgmlType::ALL {
        if !wanted.is_empty() && !wanted.iter().any(|name| name == kind.name()) {
            continue;
        }
        for (outputs, inputs, counts) in SHAPES {
            let inputs = if inputs.is_multiple_of(kind.block_len()) { inputs } else { WIDE };
            let weights = matrix(kind, outputs, inputs);
            for &count in counts {
                let secs = best_secs(&weights, count);
                println!(
                    "{:6} {outputs:>5}x{inputs:<4} {count:>6} {:>8.1} {:>14.1}",
                    kind.name(),
                    (count * outputs * inputs) as f64 / secs / 1e9,
                    weights.byte_len() as f64 / secs / 1e9,
                );
            }
        }
    }
}

/// Weights of no meaning. Bytes below 0x40 make finite scales in every type.
fn matrix(kind: GgmlType, outputs: usize, inputs: usize) -> QMatrix {
    let len = outputs * inputs / kind.block_len() * kind.block_bytes();
    let bytes: Vec<u8> = (0..len).map(|i| (i * 37 % 61) as u8).collect();
    QMatrix::new(kind, outputs, inputs, Bytes::from(bytes))
        .expect("the length is that of the shape")
}

fn best_secs(weights: &QMatrix, count: usize) -> f64 {
    let x: Vec<f32> =
        (0..count * weights.cols()).map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.013).collect();
    let mut out = vec![0.0; count * weights.rows()];
    let runs = (WORK / (count * weights.rows() * weights.cols())).clamp(5, 500);
    jobs::in_pool(|| {
        let mut best = f64::INFINITY;
        for _ in 0..runs {
            let start = Instant::now();
            weights.matmul(black_box(&x), count, black_box(&mut out));
            best = best.min(start.elapsed().as_secs_f64());
        }
        best
    })
}

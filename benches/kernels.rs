//! How fast the kernels are: `cargo bench --bench kernels [NAME]...`, such as `Q4_1 Q8_0 gemm`.
//!
//! One row of activations (writing) and many (reading a prompt) times each type of weights, in the
//! two shapes of `SmolLM2-135M`'s feed-forward and head; then `gemm`, training's product of f32
//! matrices, in the orientations of a layer's two directions. The best of several runs, on all
//! threads.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::hint::black_box;
use std::time::Instant;

use tuning_fork::jobs;
use tuning_fork_kernels::gemm::{Matrix, Result, Target, gemm};
use tuning_fork_kernels::{Bytes, GgmlType, QMatrix, instructions};

/// Outputs, inputs, and rows of activations.
const SHAPES: [(usize, usize, &[usize]); 3] =
    [(1536, 576, &[1, 16, 128, 512]), (49_152, 576, &[1, 16]), (262_144, 640, &[1])];

/// Rows, shared dimension and columns of f32 products: `SmolLM2-135M`'s feed-forward on the 1,044
/// tokens of four pairs, and its head on the 500 of their answers.
const GEMM_SHAPES: [(usize, usize, usize); 3] =
    [(1044, 576, 1536), (1044, 1536, 576), (500, 576, 49_152)];

/// K-quants come in 256 weights.
const WIDE: usize = 768;

/// Multiplications to time, at least, for each figure.
const WORK: usize = 2_000_000_000;

fn main() {
    // cargo passes `--bench`.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|other| other == name);
    println!("with {}", instructions());
    println!("type   weights      rows   GMAC/s   weights GB/s");
    for kind in GgmlType::ALL {
        if !is_wanted(kind.name()) {
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
    if is_wanted("gemm") {
        println!("f32    product              right side     GMAC/s");
        for (rows, depth, cols) in GEMM_SHAPES {
            for turned in [false, true] {
                let secs = best_gemm_secs((rows, depth, cols), turned);
                let side = if turned { "turned" } else { "as it lies" };
                let shape = format!("{rows}x{depth}x{cols}");
                let rate = (rows * depth * cols) as f64 / secs / 1e9;
                println!("       {shape:20} {side:12} {rate:>8.1}");
            }
        }
    }
}

/// `turned`: the right side lies as (cols, depth), as weights do.
fn best_gemm_secs((rows, depth, cols): (usize, usize, usize), turned: bool) -> f64 {
    let values = |count| (0..count).map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.013).collect();
    let (left, right): (Vec<f32>, Vec<f32>) = (values(rows * depth), values(depth * cols));
    let mut out = vec![0.0; rows * cols];
    let runs = (WORK / (rows * depth * cols)).clamp(5, 500);
    best_of(runs, || {
        let right = black_box(&right);
        let right = if turned {
            Matrix::new(right, cols, depth).transposed()
        } else {
            Matrix::new(right, depth, cols)
        };
        let left = Matrix::new(black_box(&left), rows, depth);
        gemm(Target::new(black_box(&mut out), rows, cols, Result::Replace), &[(left, right)]);
    })
}

/// Weights of no meaning. Bytes below 0x40 make finite scales in every packed type; floats are of
/// one size, for some processors take a hundred times as long for the smallest ones.
fn matrix(kind: GgmlType, outputs: usize, inputs: usize) -> QMatrix {
    let len = outputs * inputs / kind.block_len() * kind.block_bytes();
    let float = |i: usize| ((i * 37 % 61) as f32 - 30.0) * 0.013;
    let floats = 0..outputs * inputs;
    let bytes: Vec<u8> = match kind {
        GgmlType::F32 => floats.flat_map(|i| float(i).to_le_bytes()).collect(),
        GgmlType::BF16 => floats
            .flat_map(|i| {
                let [_, _, low, high] = float(i).to_le_bytes();
                [low, high]
            })
            .collect(),
        _ => (0..len).map(|i| (i * 37 % 61) as u8).collect(),
    };
    QMatrix::new(kind, outputs, inputs, Bytes::from(bytes))
        .expect("the length is that of the shape")
}

fn best_secs(weights: &QMatrix, count: usize) -> f64 {
    let x: Vec<f32> =
        (0..count * weights.cols()).map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.013).collect();
    let mut out = vec![0.0; count * weights.rows()];
    let runs = (WORK / (count * weights.rows() * weights.cols())).clamp(5, 500);
    best_of(runs, || weights.matmul(black_box(&x), count, black_box(&mut out)))
}

fn best_of(runs: usize, mut work: impl FnMut() + Send) -> f64 {
    jobs::in_pool(|| {
        let mut best = f64::INFINITY;
        for _ in 0..runs {
            let start = Instant::now();
            work();
            best = best.min(start.elapsed().as_secs_f64());
        }
        best
    })
}

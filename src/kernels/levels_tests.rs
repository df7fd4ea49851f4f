//! What every level but the portable one has in common: the order of its sums, and so their bits.
//!
//! The order is written down here one number at a time, with sums that round once (`mul_add`). The
//! shapes are drawn by chance: widths that fill no panel, single rows, and nothing at all.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::attend::attend_at;
use super::gemm::{self, Matrix, Target, gemm_at};
use super::matmul::matmul_at;
use super::matrix::tests::{activations, random};
use super::rounding::rounded;
use super::unpack::{Block, unpack_row};
use super::{
    Attention, BLOCK, Blocks, GgmlType, KEY_LANES, KEY_TILE, KeysValues, Level, Numbers, Product,
    QMatrix,
};

/// The levels that promise the same bits.
fn fast() -> impl Iterator<Item = Level> {
    Level::all().filter(|level| *level != Level::Portable)
}

/// An emulator that lacks an instruction would test less without a word: whoever starts the tests
/// there says which level it is for.
#[test]
fn the_level_that_is_asked_for_is_here() {
    if let Ok(name) = std::env::var("TUNING_FORK_LEVEL") {
        assert_eq!(super::instructions().replace(' ', "-"), name);
    }
}

fn below(rng: &mut ChaCha8Rng, end: usize) -> usize {
    rng.next_u32() as usize % end
}

/// Runs of 32 weights one after the other, each half by itself where it has a scale of its own: the
/// integers' sum times both scales, then the offset.
fn packed_in_order(weights: &QMatrix, x: &[f32], m: usize) -> Vec<f32> {
    let (kind, cols) = (weights.kind(), weights.cols());
    let x = rounded(Level::Portable, x, cols);
    let parts = if matches!(kind, GgmlType::Q2K | GgmlType::Q3K | GgmlType::Q6K) { 2 } else { 1 };
    // What the fast kernels leave in the integers and take away by the offset.
    let zero = match kind {
        GgmlType::Q4_0 => 8_i8,
        GgmlType::Q5_0 => 16,
        GgmlType::Q3K => 4,
        GgmlType::Q6K => 32,
        GgmlType::TQ2_0 => 1,
        _ => 0,
    };
    let mut blocks = vec![Block::ZERO; cols / 32];
    let mut out = vec![0.0_f32; m * weights.rows()];
    for row in 0..weights.rows() {
        unpack_row(kind, weights.row_bytes(row), &mut blocks);
        for i in 0..m {
            let sum = &mut out[i * weights.rows() + row];
            for (weights, x) in blocks.iter().zip(x.row(i)) {
                for part in 0..parts {
                    let span = 32 / parts * part..32 / parts * (part + 1);
                    let numbers = x.numbers();
                    let pairs = weights.q[span.clone()].iter().zip(&numbers[span]);
                    let whole: i32 = pairs.map(|(&q, &x)| i32::from(q + zero) * i32::from(x)).sum();
                    let scale = weights.scale[part];
                    *sum = (whole as f32).mul_add(scale * x.scale, *sum);
                    let signed =
                        [GgmlType::Q8_0, GgmlType::IQ4NL, GgmlType::IQ4XS, GgmlType::MXFP4];
                    if !signed.contains(&kind) {
                        let less = scale * -f32::from(zero);
                        let offset = if zero == 0 { weights.offset[part] } else { less };
                        let x_sum = if parts == 1 { x.sum } else { x.half_sums[part] };
                        *sum = offset.mul_add(x_sum, *sum);
                    }
                }
            }
        }
    }
    out
}

/// 256 columns by themselves, then their sum to the sum of those before.
fn dense_in_order(weights: &QMatrix, x: &[f32], m: usize) -> Vec<f32> {
    let cols = weights.cols();
    let dense = weights.dequantize();
    let mut out = vec![0.0_f32; m * weights.rows()];
    for (at, sum) in out.iter_mut().enumerate() {
        let x = &x[at / weights.rows() * cols..][..cols];
        let row = &dense[at % weights.rows() * cols..][..cols];
        for (x, row) in x.chunks(256).zip(row.chunks(256)) {
            *sum += x.iter().zip(row).fold(0.0, |sum, (x, w)| x.mul_add(*w, sum));
        }
    }
    out
}

#[test]
fn every_fast_level_sums_products_in_the_order_written_here() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for kind in GgmlType::ALL {
        for seed in 0..6 {
            let cols = match kind.block_len() {
                1 => below(&mut rng, 600) + 1,
                32 => 32 * (below(&mut rng, 20) + 1),
                block => block * (below(&mut rng, 2) + 1),
            };
            let most = if kind.is_dense() { 110 } else { 20 };
            let (m, rows) = (below(&mut rng, most) + 1, below(&mut rng, 40));
            // One row of activations has a loop of its own.
            for m in [1, m] {
                let weights = random(kind, rows, cols, seed);
                let x = activations(m * cols, seed + 100);
                let expected = if kind.is_dense() {
                    dense_in_order(&weights, &x, m)
                } else {
                    packed_in_order(&weights, &x, m)
                };
                for level in fast() {
                    let mut out = vec![f32::NAN; m * rows];
                    matmul_at(level, &x, m, &mut [Product { weights: &weights, out: &mut out }]);
                    assert_eq!(out, expected, "{kind} {level:?} {m} times {rows} x {cols}");
                }
            }
        }
    }
}

#[test]
fn every_fast_level_sums_f32_products_in_the_order_written_here() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for seed in 0..24 {
        let [rows, cols] = [below(&mut rng, 60), below(&mut rng, 40)];
        let depth = below(&mut rng, 2 * gemm::DEPTH) + 1;
        let (a, b) = (activations(rows * depth, seed), activations(depth * cols, seed + 100));
        let (left, right) = if seed % 2 == 0 {
            (Matrix::new(&a, rows, depth), Matrix::new(&b, cols, depth).transposed())
        } else {
            (Matrix::new(&a, depth, rows).transposed(), Matrix::new(&b, depth, cols))
        };
        let at = |of: &[f32], turned: bool, (rows, cols): (usize, usize), row, col| {
            of[if turned { col * rows + row } else { row * cols + col }]
        };
        let mut expected = vec![9.0_f32; rows * cols];
        for (index, out) in expected.iter_mut().enumerate() {
            let (row, col) = (index / cols, index % cols);
            for start in (0..depth).step_by(gemm::DEPTH) {
                let chain = (start..depth.min(start + gemm::DEPTH)).fold(0.0_f32, |sum, k| {
                    let left = at(&a, seed % 2 == 1, (rows, depth), row, k);
                    let right = at(&b, seed % 2 == 0, (depth, cols), k, col);
                    left.mul_add(right, sum)
                });
                *out = if start == 0 { chain } else { *out + chain };
            }
        }
        for level in fast() {
            let mut out = vec![9.0; rows * cols];
            let target = Target::new(&mut out, rows, cols, gemm::Result::Replace);
            gemm_at(level, target, &[(left, right)]);
            assert_eq!(out, expected, "{level:?} {rows} x {depth} x {cols}");
        }
    }
}

#[test]
fn every_fast_level_attends_with_the_same_bits() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for seed in 0..20 {
        let kv_heads = below(&mut rng, 2) + 1;
        let shape = Attention {
            heads: kv_heads * (below(&mut rng, 4) + 1),
            kv_heads,
            head_dim: below(&mut rng, 100) + 1,
            queries: below(&mut rng, 8) + 1,
            offset: below(&mut rng, 150),
            scale: 0.2,
            window: None,
            softcap: None,
            alibi: None,
        };
        let capacity = (shape.offset + shape.queries).next_multiple_of(KEY_TILE);
        assert_eq!(capacity % KEY_LANES, 0);
        let q = activations(shape.heads * shape.queries * shape.head_dim, seed);
        let kv = activations(2 * kv_heads * capacity * shape.head_dim, seed + 100);
        let halves: Vec<half::f16> = kv.iter().map(|x| half::f16::from_f32(*x)).collect();
        let middle = kv.len() / 2;
        let bytes: Vec<i8> = kv.iter().map(|x| (x * 40.0) as i8).collect();
        let count = kv_heads * capacity * shape.head_dim.div_ceil(BLOCK);
        let scales = &halves[..count];
        let blocks = |numbers, lanes| {
            Numbers::Q8(Blocks { numbers, scales, head_dim: shape.head_dim, lanes })
        };
        for cache in [
            (Numbers::F32(&kv[..middle]), Numbers::F32(&kv[middle..])),
            (Numbers::F16(&halves[..middle]), Numbers::F16(&halves[middle..])),
            (blocks(&bytes[..middle], KEY_LANES), blocks(&bytes[middle..], 1)),
        ] {
            let cache = KeysValues { capacity, keys: cache.0, values: cache.1, sinks: &[] };
            let results: Vec<Vec<u32>> = fast()
                .map(|level| {
                    let mut out = vec![f32::NAN; q.len()];
                    attend_at(level, &shape, &q, &cache, &mut out);
                    out.iter().map(|x| x.to_bits()).collect()
                })
                .collect();
            assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{shape:?}");
        }
    }
}

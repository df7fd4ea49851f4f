//! Products against exact ones, at every level of instructions.

use half::f16;

use super::*;
use crate::bytes::Bytes;
use crate::ggml_type::GgmlType;
use crate::matrix::tests::{activations, odd_cols, random};

/// The exact products, and the norms of each weight row and each row of x, in f64.
fn exact(weights: &QMatrix, x: &[f32], m: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let norm = |row: &[f32]| row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let dense = weights.dequantize();
    let cols = weights.cols();
    let mut out = Vec::new();
    for x in x.chunks_exact(cols).take(m) {
        for w in dense.chunks_exact(cols) {
            out.push(x.iter().zip(w).map(|(&x, &w)| f64::from(x) * f64::from(w)).sum());
        }
    }
    (out, dense.chunks_exact(cols).map(norm).collect(), x.chunks_exact(cols).map(norm).collect())
}

#[test]
fn products_are_within_a_ten_thousandth_of_the_norms() {
    for kind in GgmlType::ALL {
        // Rounding to 16 bits; plain f32 sums are closer still.
        let bound = if kind.is_dense() { 1e-6 } else { 1e-4 };
        for (m, rows) in [(1, 19), (7, 40), (70, 9)] {
            let weights = random(kind, rows, odd_cols(kind), 2);
            let x = activations(m * weights.cols(), 3);
            let (expected, w_norms, x_norms) = exact(&weights, &x, m);
            for level in Level::all() {
                let mut out = vec![f32::NAN; m * rows];
                let product = Product { weights: &weights, out: &mut out };
                matmul_at(level, &x, m, &mut [product]);
                for (i, (&found, expected)) in out.iter().zip(&expected).enumerate() {
                    let error = (f64::from(found) - expected).abs();
                    let norm = w_norms[i % rows] * x_norms[i / rows];
                    assert!(
                        error <= bound * norm,
                        "{kind} {level:?} {m}x{rows} at {i}: {found} for {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_level_computes_the_same_product_of_rounded_activations() {
    for kind in GgmlType::ALL {
        let weights = random(kind, 21, odd_cols(kind), 4);
        let x = activations(6 * weights.cols(), 5);
        let (_, w_norms, x_norms) = exact(&weights, &x, 6);
        let product = |level| {
            let mut out = vec![f32::NAN; 6 * 21];
            matmul_at(level, &x, 6, &mut [Product { weights: &weights, out: &mut out }]);
            out
        };
        let expected = product(Level::Portable);
        for level in Level::all() {
            for (i, (found, expected)) in product(level).iter().zip(&expected).enumerate() {
                let bound = 2e-6 * w_norms[i % 21] * x_norms[i / 21];
                let error = f64::from(found - expected).abs();
                assert!(error <= bound, "{kind} {level:?} at {i}: {found} for {expected}");
            }
        }
    }
}

#[test]
fn extreme_integers_do_not_overflow_the_kernels() {
    // All bits set: the largest unsigned integers, and -1 for Q8_0; 0x80 is its smallest.
    for (kind, fill) in GgmlType::ALL.into_iter().flat_map(|kind| [(kind, 0xff), (kind, 0x80)]) {
        if kind.is_dense() {
            continue;
        }
        let template = random(kind, 8, 512, 6);
        let mut bytes = template.rows_bytes(0..8).to_vec();
        for block in bytes.chunks_exact_mut(kind.block_bytes()) {
            let one = f16::ONE.to_le_bytes();
            block.fill(fill);
            match kind {
                GgmlType::Q2K => {
                    block[80..82].copy_from_slice(&one);
                    block[82..84].copy_from_slice(&one);
                }
                GgmlType::MXFP4 => block[0] = 128,
                GgmlType::Q3K | GgmlType::Q6K | GgmlType::TQ2_0 => {
                    let end = block.len();
                    block[end - 2..].copy_from_slice(&one);
                }
                _ => block[..2].copy_from_slice(&one),
            }
            if matches!(kind, GgmlType::Q4_1 | GgmlType::Q5_1 | GgmlType::Q4K | GgmlType::Q5K) {
                block[2..4].copy_from_slice(&one);
            }
        }
        let weights = QMatrix::new(kind, 8, 512, Bytes::from(bytes)).unwrap();
        for (sign, m) in [(1.0, 1), (-1.0, 1), (1.0, 7), (-1.0, 7)] {
            let x = vec![sign; m * 512]; // rounds to ±32767 exactly
            let (expected, w_norms, x_norms) = exact(&weights, &x, m);
            for level in Level::all() {
                let mut out = vec![f32::NAN; m * 8];
                matmul_at(level, &x, m, &mut [Product { weights: &weights, out: &mut out }]);
                for (i, (&found, expected)) in out.iter().zip(&expected).enumerate() {
                    let error = (f64::from(found) - expected).abs();
                    assert!(
                        error <= 1e-5 * w_norms[i % 8] * x_norms[i / 8],
                        "{kind} {fill:#x} {level:?}: {found} for {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_row_gets_the_same_alone_as_among_others() {
    if Level::best() == Level::Portable {
        return; // there, dense products of many rows go through `gemm`
    }
    for kind in GgmlType::ALL {
        let weights = random(kind, 50, odd_cols(kind), 7);
        let cols = weights.cols();
        let x = activations(131 * cols, 8);
        // Dense weights have loops for some rows, for more of them and for many.
        let counts: &[usize] = if kind.is_dense() { &[6, 24, 48, 67, 131] } else { &[67] };
        for &count in counts {
            let mut together = vec![0.0; count * 50];
            weights.matmul(&x[..count * cols], count, &mut together);
            for row in [0, 5, count - 4, count - 1] {
                let mut alone = vec![0.0; 50];
                weights.matmul(&x[row * cols..][..cols], 1, &mut alone);
                assert_eq!(alone, together[row * 50..][..50], "{kind}, row {row} of {count}");
            }
        }
    }
}

#[test]
fn several_matrices_share_their_activations() {
    // Large enough for more than one task.
    let kinds = [GgmlType::Q4_1, GgmlType::F16, GgmlType::Q8_0];
    let weights = kinds.map(|kind| random(kind, 700, 576, 9));
    let x = activations(3 * 576, 10);
    let mut outs = [(); 3].map(|()| vec![f32::NAN; 3 * 700]);
    let mut products: Vec<Product<'_>> =
        weights.iter().zip(&mut outs).map(|(weights, out)| Product { weights, out }).collect();
    matmul_all(&x, 3, &mut products);
    for (weights, out) in weights.iter().zip(&outs) {
        let mut alone = vec![f32::NAN; 3 * 700];
        weights.matmul(&x, 3, &mut alone);
        assert_eq!(out, &alone, "{}", weights.kind());
    }
}

#[test]
fn a_broken_activation_breaks_its_own_row_only() {
    let weights = random(GgmlType::Q4_0, 8, 64, 11);
    let mut x = activations(3 * 64, 12);
    x[64 + 40] = f32::NAN;
    let mut out = vec![0.0; 3 * 8];
    weights.matmul(&x, 3, &mut out);
    assert!(out[8..16].iter().all(|value| value.is_nan()));
    assert!(out[..8].iter().chain(&out[16..]).all(|value| value.is_finite()));
}

#[test]
fn nothing_in_nothing_out() {
    let weights = random(GgmlType::Q4_0, 8, 64, 13);
    weights.matmul(&[], 0, &mut []);
    let empty = QMatrix::new(GgmlType::Q4_0, 0, 64, Bytes::from(Vec::new())).unwrap();
    empty.matmul(&[0.0; 64], 1, &mut []);
    assert!(empty.dequantize().is_empty());
}

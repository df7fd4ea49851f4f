//! Products of activations and weights: how the work is cut, and which kernel does it.

#![expect(unsafe_code, reason = "kernels that need a processor's instructions")]

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::activations::{ActBlock, Activations};
#[cfg(target_arch = "aarch64")]
use super::arm::{neon, neon_dense};
use super::columns::Columns;
use super::each::each;
#[cfg(target_arch = "x86_64")]
use super::ggml_type::GgmlType;
use super::level::Level;
use super::matrix::QMatrix;
use super::rounding::rounded;
use super::unpack::{self, Block};
#[cfg(target_arch = "x86_64")]
use super::x86::avx2_turned::Turned;
#[cfg(target_arch = "x86_64")]
use super::x86::{avx2, avx2_dense, avx2_few, avx2_turned, avx512, avx512_dense};

/// One product of several with the same activations: see [`matmul_all`].
pub struct Product<'a> {
    pub weights: &'a QMatrix,

    /// (m, rows), row-major.
    pub out: &'a mut [f32],
}

/// Multiplies the rows of `x` (m, cols) with several matrices at once, such as those of q, k and v:
/// each `out` (m, rows) = `x` · weightsᵀ.
///
/// `x` is rounded once and the threads are started once, which counts when m is 1. The numbers are
/// those of [`QMatrix::matmul`].
pub fn matmul_all(x: &[f32], m: usize, products: &mut [Product<'_>]) {
    matmul_at(Level::best(), x, m, products);
}

impl QMatrix {
    /// `out` (m, rows) = `x` (m, cols) · selfᵀ, all row-major f32.
    ///
    /// Packed weights meet `x` rounded to 16 bits in blocks of 32: an output is off by less than 0.01 %
    /// of the norm of its weight row times the norm of its row of `x`. But for the portable level, a
    /// row of the result does not depend on `m`. A value of `x` that is not finite makes its row of `out` NaN.
    pub fn matmul(&self, x: &[f32], m: usize, out: &mut [f32]) {
        matmul_all(x, m, &mut [Product { weights: self, out }]);
    }
}

/// Multiplications that are not worth another thread: about 5 µs of work.
const SERIAL: usize = 1 << 17;

/// The same of dense weights and more than [`FEW`] rows, which come from a cache: about 20 µs.
const DENSE_SERIAL: usize = 1 << 20;

/// Multiplications of a task, at least.
const TASK: usize = 1 << 15;

/// Rows of dense weights in a task, at most, and rows of activations up to which that is not so.
const TOGETHER: usize = 96;
const FEW: usize = 4;

/// Rows in a task are a multiple of this, which the kernels' panels divide.
const PANEL: usize = 16;

pub(super) fn matmul_at(level: Level, x: &[f32], m: usize, products: &mut [Product<'_>]) {
    if m == 0 {
        return;
    }
    let mut work = 0;
    for Product { weights, out } in products.iter() {
        assert_eq!(x.len(), m * weights.cols(), "activations in {m} rows of {}", weights.cols());
        assert_eq!(out.len(), m * weights.rows(), "outputs in {m} rows of {}", weights.rows());
        work += m * weights.rows() * weights.cols();
    }
    let packed = products.iter().find(|product| !product.weights.kind().is_dense());
    let packed = packed.map(|product| rounded(level, x, product.weights.cols()));
    #[cfg(target_arch = "x86_64")]
    let turned = turned(level, x, m, products);
    let input = Input {
        x,
        packed: packed.as_ref(),
        #[cfg(target_arch = "x86_64")]
        turned: turned.as_ref(),
    };

    let threads = rayon::current_num_threads();
    let outputs: usize = products.iter().map(|product| product.weights.rows()).sum();
    // Many tasks to a thread even out what the other programs on the machine do. Kernels for dense
    // weights read all of `x` for the rows that they take up at once: fewer rows would read it again.
    let is_dense = packed.is_none() && m > FEW;
    let (most_tasks, most_rows, serial) = if is_dense {
        (4 * threads, TOGETHER, DENSE_SERIAL)
    } else {
        (8 * threads, usize::MAX, SERIAL)
    };
    let tasks = (work / TASK).clamp(1, most_tasks);
    let rows_per_task = outputs.div_ceil(tasks).next_multiple_of(PANEL).clamp(PANEL, most_rows);

    let mut pieces = Vec::with_capacity(tasks + products.len());
    for Product { weights, out } in products.iter_mut() {
        let weights = *weights;
        let shares = Columns::shares(out, m, rows_per_task);
        pieces.extend(shares.map(|columns| (weights, Mutex::new(columns))));
    }
    each(pieces.len(), work < serial, |index| {
        let (weights, columns) = &pieces[index];
        // Nobody else asks for it: one task, one share.
        let mut columns = columns.lock().unwrap_or_else(PoisonError::into_inner);
        compute(level, weights, input, columns.own(), &mut columns);
    });
}

/// Activations as the products ask for them.
#[derive(Clone, Copy)]
struct Input<'a> {
    x: &'a [f32],

    /// For packed weights.
    packed: Option<&'a Activations>,

    /// For F32 weights and some rows.
    #[cfg(target_arch = "x86_64")]
    turned: Option<&'a Turned>,
}

/// The activations for `avx2_turned`, where a product is one of its.
#[cfg(target_arch = "x86_64")]
fn turned(level: Level, x: &[f32], m: usize, products: &[Product<'_>]) -> Option<Turned> {
    let is_f32 = |product: &Product<'_>| product.weights.kind() == GgmlType::F32;
    let counts = avx2_few::MOST + 1..=avx2_turned::MOST;
    if level != Level::Avx2 || !counts.contains(&m) || x.is_empty() {
        return None;
    }
    // SAFETY: this level is only chosen where the processor has AVX2, FMA and F16C.
    let turn = |_| unsafe { avx2_turned::turned(x, x.len() / m) };
    products.iter().find(|product| is_f32(product)).map(turn)
}

/// One task: the outputs of weight rows `rows` for every row of activations.
fn compute(
    level: Level,
    weights: &QMatrix,
    input: Input<'_>,
    rows: Range<usize>,
    out: &mut Columns<'_>,
) {
    #[cfg(target_arch = "x86_64")]
    if let (Some(turned), Some(weights)) = (input.turned, weights.as_f32()) {
        // SAFETY: they are only turned where the processor has AVX2, FMA and F16C.
        return unsafe { avx2_turned::multiply(weights, turned, rows, out) };
    }
    let Input { x, packed, .. } = input;
    let packed = packed.filter(|_| !weights.kind().is_dense());
    match (level, packed) {
        (Level::Portable, Some(x)) => portable(weights, x, rows, out),
        (Level::Portable, None) => portable_dense(weights, x, rows, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: this level is only chosen where the processor has AVX2, FMA and F16C.
        (Level::Avx2, Some(x)) => unsafe { avx2::packed(weights, x, rows, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: both levels have AVX2, FMA and F16C.
        (Level::Avx2 | Level::Avx512, None) if out.m() <= avx2_few::MOST => unsafe {
            avx2_few::few(weights, x, rows, out);
        },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        (Level::Avx2, None) => unsafe { avx2_dense::dense(weights, x, rows, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: this level is only chosen where the processor has AVX-512 and VNNI.
        (Level::Avx512, Some(x)) => unsafe { avx512::packed(weights, x, rows, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        (Level::Avx512, None) => unsafe { avx512_dense::dense(weights, x, rows, out) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: NEON is part of the architecture.
        (Level::Neon, Some(x)) => unsafe { neon::packed(weights, x, rows, out) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: this level is only chosen where the processor has dot products.
        (Level::NeonDot, Some(x)) => unsafe { neon::packed_dot(weights, x, rows, out) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        (Level::Neon | Level::NeonDot, None) => unsafe {
            neon_dense::dense(weights, x, rows, out);
        },
    }
}

fn portable(weights: &QMatrix, x: &Activations, rows: Range<usize>, out: &mut Columns<'_>) {
    let mut blocks = vec![Block::ZERO; weights.cols() / 32];
    for row in rows {
        unpack::unpack_row(weights.kind(), weights.row_bytes(row), &mut blocks);
        for i in 0..out.m() {
            out.write(i, row, &[portable_dot(&blocks, x.row(i))]);
        }
    }
}

fn portable_dot(weights: &[Block], x: &[ActBlock]) -> f32 {
    let mut total = 0.0;
    for (weights, x) in weights.iter().zip(x) {
        let numbers = x.numbers();
        for half in 0..2 {
            let span = 16 * half..16 * half + 16;
            let products = weights.q[span.clone()].iter().zip(&numbers[span]);
            let sum: i32 = products.map(|(&w, &x)| i32::from(w) * i32::from(x)).sum();
            total += sum as f32 * (weights.scale[half] * x.scale)
                + weights.offset[half] * x.half_sums[half];
        }
    }
    total
}

/// Rows of activations from which `gemm`, which packs both sides, is the faster one.
const GEMM_FROM: usize = 8;

fn portable_dense(weights: &QMatrix, x: &[f32], rows: Range<usize>, out: &mut Columns<'_>) {
    let cols = weights.cols();
    let mut panel = vec![0.0; PANEL * cols];
    let mut result = vec![0.0; out.m() * PANEL];
    for first in rows.clone().step_by(PANEL) {
        let len = PANEL.min(rows.end - first);
        for i in 0..len {
            weights.dequantize_row(first + i, &mut panel[i * cols..][..cols]);
        }
        if out.m() >= GEMM_FROM {
            gemm_f32(out.m(), len, cols, x, &panel, &mut result);
        } else {
            for (i, result) in result.chunks_exact_mut(PANEL).enumerate() {
                for (j, result) in result[..len].iter_mut().enumerate() {
                    *result = lanes_dot(&x[i * cols..][..cols], &panel[j * cols..][..cols]);
                }
            }
        }
        for (i, result) in result.chunks_exact(PANEL).enumerate() {
            out.write(i, first, &result[..len]);
        }
    }
}

/// Eight sums side by side, which the compiler turns into vector instructions.
fn lanes_dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for i in 0..8 {
            lanes[i] += a[i] * b[i];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

/// The first `n` columns of `out` (m, PANEL) = `x` (m, k) · `panel` (n, k)ᵀ, on this thread.
fn gemm_f32(m: usize, n: usize, k: usize, x: &[f32], panel: &[f32], out: &mut [f32]) {
    assert!(x.len() >= m * k && panel.len() >= n * k && out.len() >= m * PANEL && n <= PANEL);
    // SAFETY: the assertion holds every element that the strides reach inside its slice, and `out`
    // is borrowed mutably, so it overlaps neither of the others.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            PANEL.cast_signed(),
            false,
            x.as_ptr(),
            1,
            k.cast_signed(),
            panel.as_ptr(),
            k.cast_signed(),
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
#[path = "matmul_tests.rs"]
mod tests;

//! Packed weights times rounded activations with AVX2: eight weight rows to a register, one a lane.
//!
//! Rows are unpacked and interleaved 256 columns at a time (`avx2_unpack`), so that no sum ever
//! crosses a lane. One row of activations meets them at once; for several, sixteen rows are widened
//! to 16 bits and kept for all of them. Both ways add the same numbers in the same order: a row's
//! result is the same, bit for bit, whatever other rows are computed with it.

#![expect(unsafe_code, reason = "loads and stores registers")]

#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::x86_64::*;
use std::ops::Range;

use super::activations::{ActBlock, Activations, LARGEST, SMALLEST};
use super::avx2_unpack as unpack;
use super::ggml_type::GgmlType;
use super::matmul::Columns;
use super::matrix::QMatrix;

/// Weight rows computed together: one to each f32 lane of a register.
pub(super) const LANES: usize = 8;

/// Most activation rows that share one unpacking; their sums are 12 KiB.
const TILE: usize = 192;

/// Activation rows in registers at once: 12 sums, 2 weights, 1 activation of 16 registers.
const STEP: usize = 6;

/// 256 columns of eight weight rows. Weight of lane l: `scale[l] * q + offset[l]`, q unsigned
/// (`Q8_0`: signed, offset unused). Formats with 32 weights to a scale use the first of each pair.
pub(super) struct Chunk {
    /// For each 32 columns, eight registers of four columns by eight rows.
    pub q: [[__m256i; 8]; 8],
    pub scale: [[__m256; 2]; 8],
    pub offset: [[__m256; 2]; 8],
}

impl Chunk {
    #[target_feature(enable = "avx2")]
    fn zero() -> Self {
        Self {
            q: [[_mm256_setzero_si256(); 8]; 8],
            scale: [[_mm256_setzero_ps(); 2]; 8],
            offset: [[_mm256_setzero_ps(); 2]; 8],
        }
    }
}

/// The same of sixteen rows, as 16-bit numbers in the order of [`ActBlock::pairs`].
struct Panel {
    q: [[[__m256i; 2]; 16]; 8],
    scale: [[[__m256; 2]; 2]; 8],
    offset: [[[__m256; 2]; 2]; 8],
}

/// Eight weight rows, as stored.
struct Packed<'a, const BYTES: usize> {
    rows: [&'a [[u8; BYTES]]; LANES],
}

impl<'a, const BYTES: usize> Packed<'a, BYTES> {
    /// Rows from `first` on. Lanes from `end` on repeat the row before it: what they give is not
    /// written.
    #[inline]
    fn new(weights: &'a QMatrix, first: usize, end: usize) -> Self {
        let last = (first + LANES).min(end) - 1;
        let first = first.min(last);
        let blocks = weights.rows_bytes(first..last + 1).as_chunks::<BYTES>().0;
        let len = blocks.len() / (last + 1 - first);
        Self { rows: std::array::from_fn(|lane| &blocks[len * lane.min(last - first)..][..len]) }
    }

    /// Where eight full rows end.
    #[inline]
    fn end(&self) -> *const u8 {
        let row = self.rows[0].as_flattened();
        row.as_ptr().wrapping_add(LANES * row.len())
    }

    /// Block `index` of each row.
    #[inline]
    fn blocks(&self, index: usize) -> [&'a [u8; BYTES]; LANES] {
        assert!(index < self.rows[0].len(), "a block outside the row");
        // SAFETY: all rows have as many blocks as the first.
        self.rows.map(|row| unsafe { row.get_unchecked(index) })
    }
}

/// Computes the outputs of weight rows `rows` for every row of `x`.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn packed(weights: &QMatrix, x: &Activations, rows: Range<usize>, out: &Columns<'_>) {
    match weights.kind() {
        GgmlType::F32 | GgmlType::F16 | GgmlType::BF16 => {
            unreachable!("dense weights have their own kernel")
        }
        GgmlType::Q4_0 => {
            run::<18, 1, false, 1>(weights, x, rows, out, |b, c, at| unpack::q4_0(b, c, at));
        }
        GgmlType::Q4_1 => {
            run::<20, 1, false, 1>(weights, x, rows, out, |b, c, at| unpack::q4_1(b, c, at));
        }
        GgmlType::Q5_0 => {
            run::<22, 1, false, 1>(weights, x, rows, out, |b, c, at| unpack::q5_0(b, c, at));
        }
        GgmlType::Q5_1 => {
            run::<24, 1, false, 1>(weights, x, rows, out, |b, c, at| unpack::q5_1(b, c, at));
        }
        GgmlType::Q8_0 => {
            run::<34, 1, true, 1>(weights, x, rows, out, |b, c, at| unpack::q8_0(b, c, at));
        }
        GgmlType::Q2K => {
            run::<84, 8, false, 2>(weights, x, rows, out, |b, c, at| unpack::q2k(b, c, at));
        }
        GgmlType::Q3K => {
            run::<110, 8, false, 2>(weights, x, rows, out, |b, c, at| unpack::q3k(b, c, at));
        }
        GgmlType::Q4K => {
            run::<144, 8, false, 1>(weights, x, rows, out, |b, c, at| unpack::q4k(b, c, at));
        }
        GgmlType::Q5K => {
            run::<176, 8, false, 1>(weights, x, rows, out, |b, c, at| unpack::q5k(b, c, at));
        }
        GgmlType::Q6K => {
            run::<210, 8, false, 2>(weights, x, rows, out, |b, c, at| unpack::q6k(b, c, at));
        }
    }
}

/// The loop over rows, columns and activations.
///
/// `BYTES` and `RUNS`: bytes of a block, and how many times 32 weights it holds. `SIGNED`: whether
/// the weights are, and have no offset. `SCALES`: scales to each 32 weights.
#[target_feature(enable = "avx2,fma,f16c")]
fn run<const BYTES: usize, const RUNS: usize, const SIGNED: bool, const SCALES: usize>(
    weights: &QMatrix,
    x: &Activations,
    rows: Range<usize>,
    out: &Columns<'_>,
    unpack: impl Fn([&[u8; BYTES]; LANES], &mut Chunk, usize),
) {
    let blocks = weights.cols() / 32;
    let fill = |chunk: &mut Chunk, packed: &Packed<'_, BYTES>, first_block: usize| {
        for at in (0..8.min(blocks - first_block)).step_by(RUNS) {
            unpack(packed.blocks((first_block + at) / RUNS), chunk, at);
        }
    };
    if out.m() == 1 {
        one::<BYTES, SIGNED, SCALES>(weights, x.row(0), rows, out, fill);
    } else {
        many::<BYTES, SIGNED, SCALES>(weights, x, rows, out, fill);
    }
}

/// The loop for one row of activations. `fill` unpacks eight blocks from the given one on.
#[target_feature(enable = "avx2,fma,f16c")]
fn one<const BYTES: usize, const SIGNED: bool, const SCALES: usize>(
    weights: &QMatrix,
    x: &[ActBlock],
    rows: Range<usize>,
    out: &Columns<'_>,
    fill: impl Fn(&mut Chunk, &Packed<'_, BYTES>, usize),
) {
    let mut chunk = Chunk::zero();
    for first_row in rows.clone().step_by(LANES) {
        let packed = Packed::new(weights, first_row, rows.end);
        let mut sum = _mm256_setzero_ps();
        let mut next = packed.end();
        for (i, x_run) in x.chunks(8).enumerate() {
            let share = LANES * weights.row_len() * x_run.len() / x.len();
            prefetch(next, share);
            next = next.wrapping_add(share);
            fill(&mut chunk, &packed, 8 * i);
            sum = dot_chunk::<SIGNED, SCALES>(&chunk, x_run, sum);
        }
        out.write(0, first_row, &store(sum)[..LANES.min(rows.end - first_row)]);
    }
}

/// Asks for `len` bytes that will be read soon: the processor does not see by itself that eight
/// rows side by side are one stretch of memory.
#[inline]
fn prefetch(start: *const u8, len: usize) {
    for at in (0..len).step_by(64) {
        // SAFETY: a hint; an address outside of any memory is ignored.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at).cast()) };
    }
}

/// The loop for several rows of activations.
#[target_feature(enable = "avx2,fma,f16c")]
fn many<const BYTES: usize, const SIGNED: bool, const SCALES: usize>(
    weights: &QMatrix,
    x: &Activations,
    rows: Range<usize>,
    out: &Columns<'_>,
    fill: impl Fn(&mut Chunk, &Packed<'_, BYTES>, usize),
) {
    let blocks = weights.cols() / 32;
    let zero = _mm256_setzero_ps();
    let mut chunk = Chunk::zero();
    let mut panel = Panel {
        q: [[[_mm256_setzero_si256(); 2]; 16]; 8],
        scale: [[[zero; 2]; 2]; 8],
        offset: [[[zero; 2]; 2]; 8],
    };
    let mut sums = [[zero; 2]; TILE];
    // Tiles of about the same size.
    let tile = out.m().div_ceil(out.m().div_ceil(TILE)).next_multiple_of(STEP);
    for tile_start in (0..out.m()).step_by(tile) {
        let sums = &mut sums[..tile.min(out.m() - tile_start)];
        for first_row in rows.clone().step_by(2 * LANES) {
            let packed = [0, LANES].map(|half| Packed::new(weights, first_row + half, rows.end));
            sums.fill([zero; 2]);
            for first_block in (0..blocks).step_by(8) {
                let chunk_len = 8.min(blocks - first_block);
                for (half, packed) in packed.iter().enumerate() {
                    fill(&mut chunk, packed, first_block);
                    widen::<SIGNED>(&chunk, &mut panel, half, chunk_len);
                }
                let run = first_block..first_block + chunk_len;
                let mut row = tile_start;
                let (steps, rest) = sums.as_chunks_mut::<STEP>();
                for sums in steps {
                    dot_panel::<STEP, SIGNED, SCALES>(&panel, x.rows(row, run.clone()), sums);
                    row += STEP;
                }
                let (pairs, ones) = rest.as_chunks_mut::<2>();
                for sums in pairs {
                    dot_panel::<2, SIGNED, SCALES>(&panel, x.rows(row, run.clone()), sums);
                    row += 2;
                }
                for sums in ones.as_chunks_mut::<1>().0 {
                    dot_panel::<1, SIGNED, SCALES>(&panel, x.rows(row, run.clone()), sums);
                    row += 1;
                }
            }
            let lanes = (2 * LANES).min(rows.end - first_row);
            for (i, sums) in sums.iter().enumerate() {
                for (half, &sum) in sums.iter().enumerate() {
                    let (at, values) = (half * LANES, store(sum));
                    match lanes.saturating_sub(at) {
                        0 => {}
                        LANES.. => out.write(tile_start + i, first_row + at, &values),
                        left => out.write(tile_start + i, first_row + at, &values[..left]),
                    }
                }
            }
        }
    }
}

/// Puts the first `len` runs of a chunk into one half of the panel.
#[target_feature(enable = "avx2")]
#[inline]
fn widen<const SIGNED: bool>(chunk: &Chunk, panel: &mut Panel, half: usize, len: usize) {
    for run in 0..len {
        for j in 0..8 {
            let [even, odd] = pairs::<SIGNED>(chunk.q[run][j]);
            panel.q[run][2 * j][half] = even;
            panel.q[run][2 * j + 1][half] = odd;
        }
        for part in 0..2 {
            panel.scale[run][part][half] = chunk.scale[run][part];
            panel.offset[run][part][half] = chunk.offset[run][part];
        }
    }
}

/// Bytes 0 and 2 of each word as its 16-bit lanes, and bytes 1 and 3.
#[target_feature(enable = "avx2")]
#[inline]
fn pairs<const SIGNED: bool>(bytes: __m256i) -> [__m256i; 2] {
    if SIGNED {
        let even = _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(bytes));
        [even, _mm256_srai_epi16::<8>(bytes)]
    } else {
        let even = _mm256_and_si256(bytes, _mm256_set1_epi16(0xff));
        [even, _mm256_srli_epi16::<8>(bytes)]
    }
}

/// The sum after adding a chunk's products with one row of activations, at most eight blocks.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn dot_chunk<const SIGNED: bool, const SCALES: usize>(
    chunk: &Chunk,
    x: &[ActBlock],
    mut sum: __m256,
) -> __m256 {
    for (run, x) in x.iter().take(8).enumerate() {
        for part in 0..SCALES {
            let mut whole = [_mm256_setzero_si256(); 2];
            for j in 8 / SCALES * part..8 / SCALES * (part + 1) {
                let weights = pairs::<SIGNED>(chunk.q[run][j]);
                for odd in 0..2 {
                    let x = _mm256_set1_epi32(x.pairs[2 * j + odd]);
                    let product = _mm256_madd_epi16(weights[odd], x);
                    whole[odd] = _mm256_add_epi32(whole[odd], product);
                }
            }
            let whole = _mm256_cvtepi32_ps(_mm256_add_epi32(whole[0], whole[1]));
            let scale = _mm256_mul_ps(chunk.scale[run][part], _mm256_set1_ps(x.scale));
            sum = _mm256_fmadd_ps(whole, scale, sum);
            if !SIGNED {
                let x_sum = if SCALES == 1 { x.sum } else { x.half_sums[part] };
                sum = _mm256_fmadd_ps(chunk.offset[run][part], _mm256_set1_ps(x_sum), sum);
            }
        }
    }
    sum
}

/// Adds to `sums` a panel's products with `N` rows of activations, at most eight blocks.
#[target_feature(enable = "avx2,fma")]
fn dot_panel<const N: usize, const SIGNED: bool, const SCALES: usize>(
    panel: &Panel,
    x: [&[ActBlock]; N],
    sums: &mut [[__m256; 2]; N],
) {
    let blocks = x.iter().fold(8, |len, x| len.min(x.len()));
    for run in 0..blocks {
        for part in 0..SCALES {
            let mut whole = [[_mm256_setzero_si256(); 2]; N];
            for k in 16 / SCALES * part..16 / SCALES * (part + 1) {
                let weights = panel.q[run][k];
                for n in 0..N {
                    let x = _mm256_set1_epi32(x[n][run].pairs[k]);
                    for half in 0..2 {
                        let product = _mm256_madd_epi16(weights[half], x);
                        whole[n][half] = _mm256_add_epi32(whole[n][half], product);
                    }
                }
            }
            for n in 0..N {
                let x = &x[n][run];
                let x_scale = _mm256_set1_ps(x.scale);
                let x_sum = _mm256_set1_ps(if SCALES == 1 { x.sum } else { x.half_sums[part] });
                for half in 0..2 {
                    let scale = _mm256_mul_ps(panel.scale[run][part][half], x_scale);
                    let mut sum = sums[n][half];
                    sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole[n][half]), scale, sum);
                    if !SIGNED {
                        sum = _mm256_fmadd_ps(panel.offset[run][part][half], x_sum, sum);
                    }
                    sums[n][half] = sum;
                }
            }
        }
    }
}

/// See `activations::quantize_block`, whose numbers these are.
#[target_feature(enable = "avx2,fma")]
pub(super) fn quantize(x: &[[f32; 32]], blocks: &mut [ActBlock]) {
    let sign = _mm256_set1_ps(-0.0);
    for (x, block) in x.iter().zip(blocks) {
        let x: [__m256; 4] = std::array::from_fn(|i| load(&x.as_chunks::<8>().0[i]));
        let mut largest = _mm256_setzero_ps();
        let mut poison = _mm256_setzero_ps();
        for x in x {
            largest = _mm256_max_ps(largest, _mm256_andnot_ps(sign, x));
            poison = _mm256_fmadd_ps(x, _mm256_setzero_ps(), poison);
        }
        let largest = store(largest).into_iter().fold(0.0, f32::max);
        let poison: f32 = store(poison).into_iter().sum();
        let scale = largest / LARGEST + poison;
        let inverse = _mm256_set1_ps(if largest > SMALLEST { LARGEST / largest } else { 0.0 });
        let [a, b, c, d] = x.map(|x| _mm256_cvtps_epi32(_mm256_mul_ps(x, inverse)));
        let first = sum(_mm256_add_epi32(a, b)) as f32;
        let last = sum(_mm256_add_epi32(c, d)) as f32;
        block.pairs[..8].copy_from_slice(&store_words(paired(a, b)));
        block.pairs[8..].copy_from_slice(&store_words(paired(c, d)));
        block.scale = scale;
        block.sum = scale * (first + last);
        block.half_sums = [scale * first, scale * last];
    }
}

/// Sixteen numbers that fit 16 bits, in the order of [`ActBlock::pairs`].
#[target_feature(enable = "avx2")]
#[inline]
fn paired(a: __m256i, b: __m256i) -> __m256i {
    let (a, b) = (_mm256_castsi256_ps(a), _mm256_castsi256_ps(b));
    // Within 128-bit halves: 0 1 8 9 | 4 5 12 13, and 2 3 10 11 | 6 7 14 15.
    let low = _mm256_castps_si256(_mm256_shuffle_ps::<0x44>(a, b));
    let high = _mm256_castps_si256(_mm256_shuffle_ps::<0xee>(a, b));
    let pairs = _mm256_blend_epi16::<0xaa>(low, _mm256_slli_epi32::<16>(high));
    _mm256_permute4x64_epi64::<0b11_01_10_00>(pairs)
}

#[target_feature(enable = "avx2")]
#[inline]
fn sum(v: __m256i) -> i32 {
    // What is not a number becomes the smallest integer; its block's scale tells.
    store_words(v).into_iter().fold(0, i32::wrapping_add)
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn load(values: &[f32; 8]) -> __m256 {
    // SAFETY: eight values can be read.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn store(v: __m256) -> [f32; 8] {
    let mut values = [0.0; 8];
    // SAFETY: eight values can be written.
    unsafe { _mm256_storeu_ps(values.as_mut_ptr(), v) };
    values
}

#[target_feature(enable = "avx2")]
#[inline]
fn store_words(v: __m256i) -> [i32; 8] {
    let mut words = [0_i32; 8];
    // SAFETY: eight words can be written.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), v) };
    words
}

//! Packed weights times rounded activations with AVX-512 and VNNI: sixteen weight rows at a time.
//!
//! What `avx2` does, in registers twice as wide, and with the sum in the instruction that
//! multiplies. The same numbers are added in the same order: the results are those of `avx2`, bit
//! for bit. A block of weights is read by `avx2_unpack`.
//!
//! Of the two instructions of VNNI the one for pairs of 16 bits: the one for bytes would meet each
//! weight twice, once with the high and once with the low byte of an activation, which is as many
//! instructions and more sums.

#![expect(unsafe_code, reason = "loads and stores registers")]

use std::arch::asm;
#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "names of instructions"))]
use std::arch::x86_64::*;
use std::cell::Cell;
use std::ops::Range;

use super::avx2_registers::{self as avx2, Ahead};
use super::avx2_unpack as unpack;
use crate::activations::{ActBlock, Activations, LARGEST, SMALLEST};
use crate::columns::Columns;
use crate::ggml_type::GgmlType;
use crate::matrix::QMatrix;
use crate::packed_rows::{PackedRows, with_format};

/// Weight rows computed together: one to each f32 lane of a register.
const LANES: usize = 16;

/// Panels of weight rows that meet the same activations.
const PANELS: usize = 2;

/// Panels whose results are written together, half a kilobyte to a row. Where many outputs lie between two rows,
/// each row is in a page of its own and all of them fall into the same few places of the caches: every visit waits
/// for memory.
const GROUP: usize = 8;

/// Most activation rows that share one unpacking; their sums are 24 KiB.
const TILE: usize = 192;

/// Activation rows at once: there is a register for the address of each.
const STEP: usize = 8;

/// What a task writes over and over. To clear it for each would take as long as a good part of a small task.
struct Scratch {
    halves: [avx2::Scales; 2],
    panels: [Panel; PANELS],
    sums: [[__m512; PANELS]; TILE],

    /// Of a group, row by row.
    results: [[[f32; LANES]; GROUP]; TILE],
}

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// As [`avx2::Scales`], of sixteen rows.
struct Scales {
    scale: [[__m512; 2]; 8],
    offset: [[__m512; 2]; 8],
}

impl Scales {
    #[target_feature(enable = "avx512f")]
    fn zero() -> Self {
        let zero = _mm512_setzero_ps();
        Self { scale: [[zero; 2]; 8], offset: [[zero; 2]; 8] }
    }

    /// Takes the first `runs` of two times eight rows.
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    fn join<const SCALES: usize>(&mut self, read: &[avx2::Scales; 2], runs: usize) {
        let [low, high] = read;
        for run in 0..runs {
            for part in 0..SCALES {
                self.scale[run][part] = joined(low.scale[run][part], high.scale[run][part]);
                self.offset[run][part] = joined(low.offset[run][part], high.offset[run][part]);
            }
        }
    }
}

/// 256 columns of sixteen weight rows, a row a lane: for each 32 columns eight registers of bytes
/// 4j and 4j + 2 as 16-bit numbers, each followed by one of bytes 4j + 1 and 4j + 3.
struct Panel {
    q: [[__m512i; 16]; 8],
    scales: Scales,
}

impl Panel {
    /// Takes these blocks of sixteen rows, at most eight.
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    #[inline]
    fn fill<const BYTES: usize, const RUNS: usize, const SIGNED: bool, const SCALES: usize>(
        &mut self,
        rows: &PackedRows<'_, BYTES, LANES>,
        columns: &Range<usize>,
        halves: &mut [avx2::Scales; 2],
        (scales, integers): (
            &impl Fn([&[u8; BYTES]; avx2::LANES], &mut avx2::Scales, usize),
            &impl Fn(&[u8; BYTES], usize) -> __m256i,
        ),
    ) {
        for at in (0..columns.len()).step_by(RUNS) {
            let blocks = rows.blocks((columns.start + at) / RUNS);
            for (half, read) in blocks.as_chunks().0.iter().zip(&mut *halves) {
                scales(*half, read, at);
            }
            for run in 0..RUNS {
                let mut q = [_mm512_setzero_si512(); 8];
                for (pair, q) in q.iter_mut().enumerate() {
                    *q = two_rows(pair, &blocks, run, integers);
                }
                for (j, bytes) in transposed(&q).into_iter().enumerate() {
                    let [even, odd] = pairs::<SIGNED>(bytes);
                    self.q[at + run][2 * j] = even;
                    self.q[at + run][2 * j + 1] = odd;
                }
            }
        }
        self.scales.join::<SCALES>(halves, columns.len());
    }
}

/// Computes the outputs of weight rows `rows` for every row of `x`.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(crate) fn packed(
    weights: &QMatrix,
    x: &Activations,
    rows: Range<usize>,
    out: &mut Columns<'_>,
) {
    macro_rules! format {
        ($name:ident, $bytes:literal, $runs:literal, $signed:literal, $scales:literal) => {
            run::<$bytes, $runs, $signed, $scales>(
                weights,
                x,
                rows,
                out,
                |rows, scales, at| unpack::$name::scales(rows, scales, at),
                |row, run| unpack::$name::integers(row, run),
            )
        };
    }
    with_format!(weights.kind(), format);
}

/// The loop over rows, columns and activations; the parameters are those of `avx2::run`.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn run<const BYTES: usize, const RUNS: usize, const SIGNED: bool, const SCALES: usize>(
    weights: &QMatrix,
    x: &Activations,
    rows: Range<usize>,
    out: &mut Columns<'_>,
    scales: impl Fn([&[u8; BYTES]; avx2::LANES], &mut avx2::Scales, usize),
    integers: impl Fn(&[u8; BYTES], usize) -> __m256i,
) {
    if out.m() == 1 {
        one::<BYTES, RUNS, SIGNED, SCALES>(weights, x.row(0), rows, out, scales, integers);
    } else {
        many::<BYTES, RUNS, SIGNED, SCALES>(weights, x, rows, out, scales, integers);
    }
}

/// The loop for one row of activations: 32 columns of sixteen weight rows at a time, two rows to a
/// register until their products are summed.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn one<const BYTES: usize, const RUNS: usize, const SIGNED: bool, const SCALES: usize>(
    weights: &QMatrix,
    x: &[ActBlock],
    rows: Range<usize>,
    out: &mut Columns<'_>,
    scales: impl Fn([&[u8; BYTES]; avx2::LANES], &mut avx2::Scales, usize),
    integers: impl Fn(&[u8; BYTES], usize) -> __m256i,
) {
    let mut halves = [avx2::Scales::zero(), avx2::Scales::zero()];
    let mut read = Scales::zero();
    let row_len = weights.cols() / 32 / RUNS * BYTES;
    for first_row in rows.clone().step_by(LANES) {
        let packed = PackedRows::<BYTES, LANES>::new(weights, first_row, rows.end);
        let mut sum = _mm512_setzero_ps();
        let mut ahead = Ahead::new(packed.start(), LANES, row_len);
        for (index, x) in x.chunks_exact(RUNS).enumerate() {
            let blocks = packed.blocks(index);
            for (half, read) in blocks.as_chunks().0.iter().zip(&mut halves) {
                scales(*half, read, 0);
            }
            read.join::<SCALES>(&halves, RUNS);
            for (run, x) in x.iter().enumerate() {
                ahead.ask(BYTES / RUNS);
                let [x_even, x_odd] = twice(x);
                let mut products = [_mm512_setzero_si512(); 8];
                for (at, product) in products.iter_mut().enumerate() {
                    let [even, odd] = pairs::<SIGNED>(two_rows(at, &blocks, run, &integers));
                    let even = _mm512_madd_epi16(even, x_even);
                    *product = _mm512_dpwssd_epi32(even, odd, x_odd);
                }
                let halves = half_sums(&products);
                for part in 0..SCALES {
                    let whole = match SCALES {
                        1 => _mm512_add_epi32(halves[0], halves[1]),
                        _ => halves[part],
                    };
                    let x_sum = if SCALES == 1 { x.sum } else { x.half_sums[part] };
                    let (scale, offset) = (read.scale[run][part], read.offset[run][part]);
                    sum = add_run::<SIGNED>(whole, scale, offset, x.scale, x_sum, sum);
                }
            }
        }
        out.write(0, first_row, &store(sum)[..LANES.min(rows.end - first_row)]);
    }
}

/// The loop for several rows of activations.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
fn many<const BYTES: usize, const RUNS: usize, const SIGNED: bool, const SCALES: usize>(
    weights: &QMatrix,
    x: &Activations,
    rows: Range<usize>,
    out: &mut Columns<'_>,
    scales: impl Fn([&[u8; BYTES]; avx2::LANES], &mut avx2::Scales, usize),
    integers: impl Fn(&[u8; BYTES], usize) -> __m256i,
) {
    let blocks = weights.cols() / 32;
    let reads = (&scales, &integers);
    // SAFETY: numbers, all of which may be zero.
    let new = || Box::new(unsafe { std::mem::zeroed::<Scratch>() });
    let mut scratch = SCRATCH.take().unwrap_or_else(new);
    let Scratch { halves, panels, sums, results } = &mut *scratch;
    // Tiles of about the same size.
    let tile = out.m().div_ceil(out.m().div_ceil(TILE)).next_multiple_of(STEP);
    for tile_start in (0..out.m()).step_by(tile) {
        let sums = &mut sums[..tile.min(out.m() - tile_start)];
        for group_start in rows.clone().step_by(GROUP * LANES) {
            let group_end = rows.end.min(group_start + GROUP * LANES);
            for first_row in (group_start..group_end).step_by(PANELS * LANES) {
                let end = group_end.min(first_row + PANELS * LANES);
                let panels = &mut panels[..(end - first_row).div_ceil(LANES)];
                sums.fill([_mm512_setzero_ps(); PANELS]);
                for first_block in (0..blocks).step_by(8) {
                    let run = first_block..blocks.min(first_block + 8);
                    for (panel, first) in panels.iter_mut().zip((first_row..end).step_by(LANES)) {
                        let packed = PackedRows::<BYTES, LANES>::new(weights, first, end);
                        panel.fill::<BYTES, RUNS, SIGNED, SCALES>(&packed, &run, halves, reads);
                    }
                    let mut row = tile_start;
                    let (steps, rest) = sums.as_chunks_mut::<STEP>();
                    for sums in steps {
                        dot::<STEP, SIGNED, SCALES>(panels, x.rows(row, run.clone()), sums);
                        row += STEP;
                    }
                    let (fours, ones) = rest.as_chunks_mut::<4>();
                    for sums in fours {
                        dot::<4, SIGNED, SCALES>(panels, x.rows(row, run.clone()), sums);
                        row += 4;
                    }
                    for sums in ones.as_chunks_mut::<1>().0 {
                        dot::<1, SIGNED, SCALES>(panels, x.rows(row, run.clone()), sums);
                        row += 1;
                    }
                }
                let first = (first_row - group_start) / LANES;
                for (sums, results) in sums.iter().zip(&mut *results) {
                    for (sum, result) in sums.iter().zip(&mut results[first..]) {
                        *result = store(*sum);
                    }
                }
            }
            for (i, results) in results[..sums.len()].iter().enumerate() {
                let results = &results.as_flattened()[..group_end - group_start];
                out.write(tile_start + i, group_start, results);
            }
        }
    }
    SCRATCH.set(Some(scratch));
}

/// Run `run` of two of sixteen rows: rows `at` and `at + 4` of the first eight for `at` below four,
/// then those of the last eight. In that order [`fold`] leaves the rows in theirs.
#[target_feature(enable = "avx512f")]
#[inline]
fn two_rows<const BYTES: usize>(
    at: usize,
    blocks: &[&[u8; BYTES]; LANES],
    run: usize,
    integers: &impl Fn(&[u8; BYTES], usize) -> __m256i,
) -> __m512i {
    let row = at / 4 * 8 + at % 4;
    let low = _mm512_castsi256_si512(integers(blocks[row], run));
    _mm512_inserti64x4::<1>(low, integers(blocks[row + 4], run))
}

/// Of four 128-bit lanes in each of two registers the first and the third, and the others.
#[target_feature(enable = "avx512f")]
#[inline]
fn fold(a: __m512i, b: __m512i) -> [__m512i; 2] {
    [_mm512_shuffle_i64x2::<0x88>(a, b), _mm512_shuffle_i64x2::<0xdd>(a, b)]
}

/// Of sixteen rows of eight words, paired as by [`two_rows`]: the sum of each row's first four and
/// of its last four, a row a lane.
#[target_feature(enable = "avx512f")]
#[inline]
fn half_sums(rows: &[__m512i; 8]) -> [__m512i; 2] {
    // Two words of row i and two of row i + 1, in each 128-bit lane.
    let mut pairs = [_mm512_setzero_si512(); 4];
    for (i, pair) in pairs.iter_mut().enumerate() {
        let (a, b) = (rows[2 * i], rows[2 * i + 1]);
        *pair = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    }
    // One word of each of four rows.
    let mut fours = [_mm512_setzero_si512(); 2];
    for (i, four) in fours.iter_mut().enumerate() {
        let (a, b) = (pairs[2 * i], pairs[2 * i + 1]);
        *four = _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    }
    fold(fours[0], fours[1])
}

/// Eight words of sixteen rows, paired as by [`two_rows`]: register j of the result has word j of
/// every row.
#[target_feature(enable = "avx512f")]
#[inline]
fn transposed(rows: &[__m512i; 8]) -> [__m512i; 8] {
    let mut fours = [_mm512_setzero_si512(); 8];
    for half in 0..2 {
        let [a, b, c, d] =
            [rows[4 * half], rows[4 * half + 1], rows[4 * half + 2], rows[4 * half + 3]];
        let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
        fours[4 * half] = _mm512_unpacklo_epi64(ab_low, cd_low);
        fours[4 * half + 1] = _mm512_unpackhi_epi64(ab_low, cd_low);
        fours[4 * half + 2] = _mm512_unpacklo_epi64(ab_high, cd_high);
        fours[4 * half + 3] = _mm512_unpackhi_epi64(ab_high, cd_high);
    }
    let mut words = [_mm512_setzero_si512(); 8];
    for j in 0..4 {
        [words[j], words[j + 4]] = fold(fours[j], fours[j + 4]);
    }
    words
}

/// Bytes 0 and 2 of each word as its 16-bit lanes, and bytes 1 and 3.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn pairs<const SIGNED: bool>(bytes: __m512i) -> [__m512i; 2] {
    if SIGNED {
        let even = _mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(bytes));
        [even, _mm512_srai_epi16::<8>(bytes)]
    } else {
        let even = _mm512_and_si512(bytes, _mm512_set1_epi16(0xff));
        [even, _mm512_srli_epi16::<8>(bytes)]
    }
}

/// Adds to `sums` the products of one or two panels with `N` rows of activations, at most eight blocks.
#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
fn dot<const N: usize, const SIGNED: bool, const SCALES: usize>(
    panels: &[Panel],
    x: [&[ActBlock]; N],
    sums: &mut [[__m512; PANELS]; N],
) {
    if let Some(both) = panels.first_chunk() {
        dot_panels::<PANELS, N, SIGNED, SCALES>(both, x, sums);
    } else if let [one] = panels {
        dot_panels::<1, N, SIGNED, SCALES>(std::array::from_ref(one), x, sums);
    }
}

/// The same of `P` panels. With two, a processor that starts two products a cycle, each of which takes five, has
/// sixteen to start before one waits for the sum of another, and a value of `x` is read once for both.
#[target_feature(enable = "avx512f,avx512vnni")]
fn dot_panels<const P: usize, const N: usize, const SIGNED: bool, const SCALES: usize>(
    panels: &[Panel; P],
    x: [&[ActBlock]; N],
    sums: &mut [[__m512; PANELS]; N],
) {
    let blocks = x.iter().fold(8, |len, x| len.min(x.len()));
    for run in 0..blocks {
        let x: [&ActBlock; N] = std::array::from_fn(|n| &x[n][run]);
        for part in 0..SCALES {
            let mut whole = [[_mm512_setzero_si512(); P]; N];
            for j in 8 / SCALES * part..8 / SCALES * (part + 1) {
                for odd in 0..2 {
                    let weights: [__m512i; P] =
                        std::array::from_fn(|p| panels[p].q[run][2 * j + odd]);
                    for n in 0..N {
                        let pair = _mm512_set1_epi32(x[n].pairs[odd][j]);
                        for p in 0..P {
                            whole[n][p] = add_products(whole[n][p], weights[p], pair);
                        }
                    }
                }
            }
            for p in 0..P {
                let scales = &panels[p].scales;
                let (scale, offset) = (scales.scale[run][part], scales.offset[run][part]);
                for n in 0..N {
                    let x = x[n];
                    let x_sum = if SCALES == 1 { x.sum } else { x.half_sums[part] };
                    sums[n][p] =
                        add_run::<SIGNED>(whole[n][p], scale, offset, x.scale, x_sum, sums[n][p]);
                }
            }
        }
    }
}

/// `sum` with the products of 16-bit numbers added, two to a lane: those of `weights` with `pair`.
///
/// By its name: LLVM takes `_mm512_dpwssd_epi32` apart into a load, a product and a sum wherever it believes a chain
/// of them to be slow, which depends on all that stands around. In packages, which are optimised as one piece, that
/// cost a seventh of the kernel's speed.
#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
fn add_products(sum: __m512i, weights: __m512i, pair: __m512i) -> __m512i {
    let mut sum = sum;
    // SAFETY: computes with registers alone, by an instruction that these features have.
    unsafe {
        asm!(
            "vpdpwssd {sum}, {weights}, {pair}",
            sum = inout(zmm_reg) sum,
            weights = in(zmm_reg) weights,
            pair = in(zmm_reg) pair,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

/// `sum` after adding the products of a run, or of half of it, whose integer sums are `whole`.
#[target_feature(enable = "avx512f")]
#[inline]
fn add_run<const SIGNED: bool>(
    whole: __m512i,
    scale: __m512,
    offset: __m512,
    x_scale: f32,
    x_sum: f32,
    sum: __m512,
) -> __m512 {
    let scale = _mm512_mul_ps(scale, _mm512_set1_ps(x_scale));
    let sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole), scale, sum);
    if SIGNED { sum } else { _mm512_fmadd_ps(offset, _mm512_set1_ps(x_sum), sum) }
}

/// See `rounding::quantize_block`, whose numbers these are.
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn quantize(x: &[[f32; 32]], blocks: &mut [ActBlock]) {
    // Where the halves of a word of `ActBlock::pairs` come from: of the 16-bit lanes of two
    // registers of words, number n is lane 2n.
    let mut order = [0_u16; 32];
    for (lane, from) in order.iter_mut().enumerate() {
        let (odd, word, second) = (lane / 16, lane % 16 / 2, lane % 2);
        *from = 2 * (4 * word + odd + 2 * second) as u16;
    }
    // SAFETY: 64 bytes can be read.
    let order = unsafe { _mm512_loadu_si512(order.as_ptr().cast()) };
    for (x, block) in x.iter().zip(blocks) {
        let [first, last] = [0, 1].map(|half| load(&x.as_chunks().0[half]));
        let zero = _mm512_setzero_ps();
        let poison = _mm512_fmadd_ps(first, zero, _mm512_mul_ps(last, zero));
        let poison = _mm512_reduce_add_ps(poison);
        let largest = _mm512_max_ps(_mm512_abs_ps(first), _mm512_abs_ps(last));
        let largest = _mm512_reduce_max_ps(largest);
        let scale = largest / LARGEST + poison;
        let inverse = _mm512_set1_ps(if largest > SMALLEST { LARGEST / largest } else { 0.0 });
        let words = [first, last];
        let [first, last] = words.map(|x| _mm512_cvtps_epi32(_mm512_mul_ps(x, inverse)));
        let pairs = _mm512_permutex2var_epi16(first, order, last);
        // SAFETY: 64 bytes can be written.
        unsafe { _mm512_storeu_si512(block.pairs.as_mut_ptr().cast(), pairs) };
        let first = _mm512_reduce_add_epi32(first) as f32;
        let last = _mm512_reduce_add_epi32(last) as f32;
        block.scale = scale;
        block.sum = scale * (first + last);
        block.half_sums = [scale * first, scale * last];
    }
}

/// The numbers of a block with an even index, and with an odd one, for two rows.
#[target_feature(enable = "avx512f")]
#[inline]
fn twice(x: &ActBlock) -> [__m512i; 2] {
    let [even, odd] = &x.pairs;
    // SAFETY: eight words can be read.
    unsafe {
        [
            _mm512_broadcast_i64x4(_mm256_loadu_si256(even.as_ptr().cast())),
            _mm512_broadcast_i64x4(_mm256_loadu_si256(odd.as_ptr().cast())),
        ]
    }
}

#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
pub(crate) fn joined(low: __m256, high: __m256) -> __m512 {
    _mm512_insertf32x8::<1>(_mm512_castps256_ps512(low), high)
}

#[target_feature(enable = "avx512f")]
#[inline]
pub(crate) fn load(values: &[f32; 16]) -> __m512 {
    // SAFETY: sixteen values can be read.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
pub(crate) fn store(v: __m512) -> [f32; 16] {
    let mut values = [0.0; 16];
    // SAFETY: sixteen values can be written.
    unsafe { _mm512_storeu_ps(values.as_mut_ptr(), v) };
    values
}

//! Tests of `attend`: against the definition in f64, and a query alone against many.

use half::f16;

use super::*;
use crate::{Alibi, BLOCK, Blocks};

fn wave(len: usize, step: f32) -> Vec<f32> {
    (0..len).map(|i| (i as f32 * step + 0.3).sin() * 1.5).collect()
}

/// The definition, in f64, one score at a time.
/// `k` and `v` are (`kv_heads`, capacity, `head_dim`).
fn expected(shape: &Attention, q: &[f32], k: &[f32], v: &[f32], sinks: &[f32]) -> Vec<f64> {
    let Attention { heads, kv_heads, head_dim, queries, offset, .. } = *shape;
    let kv_stride = k.len() / kv_heads;
    let mut out = Vec::new();
    for i in 0..queries {
        for head in 0..heads {
            let kv = head / (heads / kv_heads) * kv_stride;
            let q = &q[(i * heads + head) * head_dim..][..head_dim];
            let position = offset + i;
            let seen = (0..=position).filter(|key| shape.window.is_none_or(|w| position - key < w));
            let weights: Vec<(usize, f64)> = seen
                .map(|key| {
                    let k = &k[kv + key * head_dim..][..head_dim];
                    let dot: f64 =
                        q.iter().zip(k).map(|(&q, &k)| f64::from(q) * f64::from(k)).sum();
                    let score = dot * f64::from(shape.scale);
                    let score = shape
                        .softcap
                        .map_or(score, |cap| (score / f64::from(cap)).tanh() * f64::from(cap));
                    // Six heads: four powers of 1/4, then the first and third of 1/2 · 1/√2.
                    let slopes = [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125];
                    let bias = shape.alibi.map_or(0.0, |_| slopes[head] * key as f64);
                    let score = score + bias;
                    (key, score.exp())
                })
                .collect();
            let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
            let sum = sum + sinks.get(head).map_or(0.0, |sink| f64::from(*sink).exp());
            for d in 0..head_dim {
                let value = |key: usize| f64::from(v[kv + key * head_dim + d]);
                out.push(weights.iter().map(|&(key, w)| w / sum * value(key)).sum());
            }
        }
    }
    out
}

fn shape(queries: usize, keys: usize) -> Attention {
    Attention {
        heads: 6,
        kv_heads: 2,
        head_dim: 64,
        queries,
        offset: keys - queries,
        scale: 0.125,
        window: None,
        softcap: None,
        alibi: None,
    }
}

/// Keys and values with room for one tile more than needed.
struct Filled {
    capacity: usize,
    k: Vec<f32>,
    v: Vec<f32>,

    /// `k` with eight positions side by side.
    keys: Vec<f32>,
}

impl Filled {
    fn new(shape: &Attention) -> Self {
        let Attention { kv_heads, head_dim, .. } = *shape;
        let capacity = (shape.offset + shape.queries).next_multiple_of(KEY_TILE) + KEY_TILE;
        let k = wave(kv_heads * capacity * head_dim, 0.317);
        let v = wave(kv_heads * capacity * head_dim, 0.191);
        let mut keys = vec![0.0; k.len()];
        for (i, &value) in k.iter().enumerate() {
            let (position, d) = (i / head_dim, i % head_dim);
            let (block, lane) = (position / KEY_LANES, position % KEY_LANES);
            keys[(block * head_dim + d) * KEY_LANES + lane] = value;
        }
        Self { capacity, k, v, keys }
    }

    fn view(&self) -> KeysValues<'_> {
        let (keys, values) = (Numbers::F32(&self.keys), Numbers::F32(&self.v));
        KeysValues { capacity: self.capacity, keys, values, sinks: &[] }
    }
}

fn check(shape: &Attention) {
    check_with(shape, &[]);
}

/// Rows of `head_dim` numbers as bytes and scales, and what they then are.
fn blocked(x: &mut [f32], head_dim: usize) -> (Vec<i8>, Vec<f16>) {
    let (mut numbers, mut scales) = (Vec::new(), Vec::new());
    for row in x.chunks_exact_mut(head_dim) {
        for block in row.chunks_mut(BLOCK) {
            let most = block.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            let scale = f16::from_f32(most / 127.0);
            scales.push(scale);
            for x in block {
                let number = (*x / scale.to_f32()).round().clamp(-127.0, 127.0);
                numbers.push(number as i8);
                *x = number * scale.to_f32();
            }
        }
    }
    (numbers, scales)
}

fn blocks((numbers, scales, lanes): &(Vec<i8>, Vec<f16>, usize), head_dim: usize) -> Numbers<'_> {
    Numbers::Q8(Blocks { numbers, scales, head_dim, lanes: *lanes })
}

/// Eight positions side by side, of rows of `dim`.
fn side_by_side<T: Copy + Default>(rows: &[T], dim: usize) -> Vec<T> {
    let mut keys = vec![T::default(); rows.len()];
    for (i, &value) in rows.iter().enumerate() {
        let (position, d) = (i / dim, i % dim);
        let (block, lane) = (position / KEY_LANES, position % KEY_LANES);
        keys[(block * dim + d) * KEY_LANES + lane] = value;
    }
    keys
}

fn check_with(shape: &Attention, sinks: &[f32]) {
    let q = wave(shape.heads * shape.queries * shape.head_dim, 0.713);
    let halves = |x: &[f32]| -> Vec<f16> { x.iter().map(|x| f16::from_f32(*x)).collect() };
    for kept in ["f32", "f16", "q8"] {
        let mut filled = Filled::new(shape);
        let (keys, values) = (halves(&filled.keys), halves(&filled.v));
        if kept == "f16" {
            for x in filled.k.iter_mut().chain(&mut filled.v) {
                *x = f16::from_f32(*x).to_f32();
            }
        }
        let head_dim = shape.head_dim;
        let bytes = if kept == "q8" {
            let [(k, k_scales), (v, v_scales)] =
                [&mut filled.k, &mut filled.v].map(|x| blocked(x, head_dim));
            let k_scales = side_by_side(&k_scales, head_dim.div_ceil(BLOCK));
            vec![(side_by_side(&k, head_dim), k_scales, KEY_LANES), (v, v_scales, 1)]
        } else {
            Vec::new()
        };
        let expected = expected(shape, &q, &filled.k, &filled.v, sinks);
        let mut cache = KeysValues { sinks, ..filled.view() };
        if kept == "f16" {
            (cache.keys, cache.values) = (Numbers::F16(&keys), Numbers::F16(&values));
        }
        if let [keys, values] = &bytes[..] {
            (cache.keys, cache.values) = (blocks(keys, head_dim), blocks(values, head_dim));
        }
        for level in Level::all() {
            let mut out = vec![f32::NAN; q.len()];
            attend_at(level, shape, &q, &cache, &mut out);
            for (i, (&found, expected)) in out.iter().zip(&expected).enumerate() {
                let error = (f64::from(found) - expected).abs();
                assert!(error < 2e-5, "{level:?} {kept} {shape:?} {i}: {found} for {expected}");
            }
        }
    }
}

#[test]
fn each_query_sees_the_keys_up_to_its_own() {
    for (queries, keys) in
        [(1, 1), (1, 64), (1, 65), (17, 17), (40, 200), (3, 130), (1, 1100), (70, 600)]
    {
        check(&shape(queries, keys));
    }
}

#[test]
fn heads_of_any_width_and_grouping_are_served() {
    for (heads, kv_heads, head_dim) in [(4, 4, 32), (4, 1, 256), (3, 3, 20), (8, 2, 96)] {
        check(&Attention { heads, kv_heads, head_dim, ..shape(5, 70) });
    }
}

#[test]
fn a_window_hides_what_is_too_far_back() {
    for window in [1, 2, 63, 64, 100, 1000] {
        check(&Attention { window: Some(window), ..shape(20, 150) });
        check(&Attention { window: Some(window), ..shape(1, 700) });
    }
}

#[test]
fn a_soft_cap_bounds_the_scores() {
    check(&Attention { softcap: Some(2.0), scale: 1.0, ..shape(9, 80) });
}

#[test]
fn a_bias_grows_with_the_position_of_the_key() {
    let alibi = Some(Alibi { heads: 6, rounded: false });
    check(&Attention { alibi, ..shape(9, 150) });
    check(&Attention { alibi, ..shape(1, 200) });
}

#[test]
fn a_sink_takes_a_share_and_gives_no_value() {
    let sinks = [0.5, -1.0, 3.0, 0.0, 7.0, -2.0];
    check_with(&shape(20, 150), &sinks);
    check_with(&shape(1, 700), &sinks);
    check_with(&Attention { window: Some(5), ..shape(7, 150) }, &sinks);
}

#[test]
fn a_query_gets_the_same_alone_as_among_others() {
    // Both sides of the border between two parts.
    for at in [3, 21, 29] {
        let all = Attention { window: Some(90), ..shape(30, 530) };
        let q = wave(all.heads * 30 * 64, 0.713);
        let filled = Filled::new(&all);
        let mut together = vec![0.0; q.len()];
        attend(&all, &q, &filled.view(), &mut together);
        let one = Attention { queries: 1, offset: all.offset + at, ..all };
        let place = at * all.heads * 64..(at + 1) * all.heads * 64;
        let mut alone = vec![0.0; place.len()];
        attend(&one, &q[place.clone()], &filled.view(), &mut alone);
        assert_eq!(alone, together[place]);
    }
}

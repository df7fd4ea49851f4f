//! Tests of `cache.rs`.

use super::*;

/// The numbers of one head, (positions, `head_dim`).
fn head_of(numbers: Numbers<'_>, layer: &LayerCache, head: usize, lanes: usize) -> Vec<f32> {
    let dim = layer.head_dim;
    let at = |position: usize, d: usize| {
        let block = head * layer.capacity + position / lanes * lanes;
        block * dim + d * lanes + position % lanes
    };
    let places = (0..layer.len).flat_map(|position| (0..dim).map(move |d| (position, d)));
    let number = |(position, d)| match numbers {
        Numbers::F32(numbers) => numbers[at(position, d)],
        Numbers::F16(numbers) => numbers[at(position, d)].to_f32(),
        Numbers::Q8(_) => unreachable!("read through `rows_from`"),
    };
    places.map(number).collect()
}

fn kinds() -> [KvCache; 2] {
    [CacheNumbers::F32, CacheNumbers::F16].map(|kind| KvCache::new([(2, 2)]).kept_as(kind))
}

fn keys_of(cache: &mut KvCache, head: usize) -> Vec<f32> {
    let layer = cache.layer_mut(0);
    head_of(layer.view().keys, layer, head, KEY_LANES)
}

#[test]
fn a_fork_grows_on_its_own() {
    let mut cache = KvCache::new([(2, 1)]);
    cache.layer_mut(0).append(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0]);
    cache.advance(2);
    let mut fork = cache.clone();
    fork.layer_mut(0).append(&[9.0, 9.0], &[9.0, 9.0]);
    fork.advance(1);
    assert_eq!(keys_of(&mut cache, 1), [2.0, 4.0]);
    assert_eq!(keys_of(&mut fork, 1), [2.0, 4.0, 9.0]);
    fork.truncate(1);
    assert_eq!((fork.len(), keys_of(&mut fork, 1)), (1, vec![2.0]));
    assert_eq!(keys_of(&mut cache, 1), [2.0, 4.0]);
    assert_eq!(cache.len(), 2);
}

#[test]
fn pieces_are_put_back_as_they_were() {
    for empty in kinds() {
        let mut cache = empty;
        let add = |cache: &mut KvCache, value: f32| {
            let start = cache.len();
            let row = [0.0, 0.25, 0.5, 0.75].map(|part| part + value);
            cache.layer_mut(0).append(&row, &row);
            cache.advance(1);
            cache.piece(start)
        };
        let prompt = add(&mut cache, 1.0);
        let one = add(&mut cache, 2.0);
        let after_one = add(&mut cache, 3.0);
        cache.put_back(&[&prompt]);
        assert_eq!(cache.len(), 1);
        let other = add(&mut cache, 9.0);
        assert_eq!(keys_of(&mut cache, 0), [1.0, 1.25, 9.0, 9.25]);
        cache.put_back(&[&prompt, &one, &after_one]);
        assert_eq!(keys_of(&mut cache, 0), [1.0, 1.25, 2.0, 2.25, 3.0, 3.25]);
        assert_eq!(keys_of(&mut cache, 1), [1.5, 1.75, 2.5, 2.75, 3.5, 3.75]);
        cache.put_back(&[&prompt, &other]);
        assert_eq!((cache.len(), other.end()), (2, 2));
        assert_eq!(keys_of(&mut cache, 1), [1.5, 1.75, 9.5, 9.75]);
    }
}

#[test]
fn growing_keeps_every_head_in_its_place() {
    for empty in kinds() {
        let mut cache = empty;
        let mut expected = [const { Vec::<f32>::new() }; 2];
        for position in 0..150 {
            let row = [0.0, 0.25, 0.5, 0.75].map(|part| part + position as f32);
            cache.layer_mut(0).append(&row, &row);
            expected[0].extend(&row[..2]);
            expected[1].extend(&row[2..]);
        }
        for (head, expected) in expected.iter().enumerate() {
            assert_eq!(&keys_of(&mut cache, head), expected);
            let layer = cache.layer_mut(0);
            assert_eq!(&head_of(layer.view().values, layer, head, 1), expected);
        }
    }
}

#[test]
fn sixteen_bits_take_half_the_memory() {
    let bytes = |mut cache: KvCache| {
        cache.layer_mut(0).append(&[1.0; 8], &[1.0; 8]);
        cache.byte_len()
    };
    assert_eq!(bytes(KvCache::new([(2, 4)])), 2 * 2 * 64 * 4 * 4); // one tile of each head
    assert_eq!(bytes(KvCache::new([(2, 4)]).kept_as(CacheNumbers::F16)), 2 * 2 * 64 * 4 * 2);
}

/// Rows of two heads of 40 numbers: a whole block and a part of one.
fn row(position: usize) -> Vec<f32> {
    (0..80).map(|at| ((position * 80 + at) as f32 * 0.37).sin() * (1.0 + at as f32)).collect()
}

#[test]
fn eight_bits_are_off_by_half_a_step_of_their_block() {
    let mut cache = KvCache::new([(2, 40)]).kept_as(CacheNumbers::Q8_0);
    for position in 0..150 {
        let values: Vec<f32> = row(position).iter().map(|value| value * 0.5).collect();
        cache.layer_mut(0).append(&row(position), &values);
        cache.advance(1);
    }
    let layer = cache.layer_mut(0);
    let kept = layer.rows_from(0);
    for (kept, by) in kept.iter().zip([1.0, 0.5]) {
        let wanted: Vec<f32> = (0..150).flat_map(row).map(|value| value * by).collect();
        for (kept, wanted) in kept.chunks_exact(40).zip(wanted.chunks_exact(40)) {
            for (kept, wanted) in kept.chunks(BLOCK).zip(wanted.chunks(BLOCK)) {
                let most = wanted.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
                // Half a step, and what the scale loses as a number of 16 bits.
                let allowed = most / 127.0 * 0.5 + most * 0.0006;
                let off = kept.iter().zip(wanted).map(|(one, other)| (one - other).abs());
                assert!(off.fold(0.0, f32::max) <= allowed);
            }
        }
    }
    // 34 bytes for a block, as in llama.cpp: two heads of 192 positions, of 40 numbers and 2 scales.
    assert_eq!(cache.byte_len(), 2 * 2 * 192 * (40 + 2 * 2));
}

#[test]
fn eight_bits_are_put_back_and_attended_to_as_they_are() {
    let mut cache = KvCache::new([(2, 40)]).kept_as(CacheNumbers::Q8_0);
    for position in 0..70 {
        cache.layer_mut(0).append(&row(position), &row(position + 500));
        cache.advance(1);
    }
    let kept = cache.layer_mut(0).rows_from(0);
    let (first, second) = (cache.piece(0), cache.piece(64));
    cache.truncate(64);
    assert_eq!(cache.layer_mut(0).rows_from(0)[0], kept[0][..64 * 80]);
    let first = Piece { len: 64, ..first };
    cache.put_back(&[&first, &second]);
    assert_eq!(cache.layer_mut(0).rows_from(0), kept);

    // The same numbers in f32 give the same answer.
    let mut wide = KvCache::new([(2, 40)]);
    wide.layer_mut(0).append(&kept[0], &kept[1]);
    let shape = tuning_fork_kernels::Attention {
        heads: 4,
        kv_heads: 2,
        head_dim: 40,
        queries: 3,
        offset: 67,
        scale: 0.01,
        window: None,
        softcap: None,
        alibi: None,
    };
    let queries: Vec<f32> = (0..3 * 160).map(|at| (at as f32 * 0.71).cos()).collect();
    let answer = |cache: &mut KvCache| {
        let mut out = vec![0.0; queries.len()];
        tuning_fork_kernels::attend(&shape, &queries, &cache.layer_mut(0).view(), &mut out);
        out
    };
    assert_eq!(answer(&mut cache), answer(&mut wide));
}

//! What attention knows of how far two tokens are apart, where a family learns that.

use std::ops::Range;

/// T5's and MPNet's bucket of a distance (key minus query).
///
/// Two-sided: keys behind and before the query have buckets of their own; one-sided: what comes after
/// the query counts as distance 0. Short distances have a bucket each, longer ones share.
pub(crate) fn shared_bucket(
    distance: i64,
    is_two_sided: bool,
    buckets: usize,
    farthest: usize,
) -> usize {
    let buckets = if is_two_sided { buckets / 2 } else { buckets };
    let after = if is_two_sided && distance > 0 { buckets } else { 0 };
    let far = if is_two_sided { distance.unsigned_abs() } else { (-distance).max(0) as u64 };
    let exact = buckets / 2;
    if far < exact as u64 {
        return after + far as usize;
    }
    // In f32, as torch computes it: the edges of buckets depend on it.
    let logs = (farthest as f64 / exact as f64).ln() as f32;
    let share = (far as f32 / exact as f32).ln() / logs;
    let more = (share * (buckets - exact) as f32) as usize;
    after + (exact + more).min(buckets - 1)
}

/// DeBERTa's bucket of a distance (query minus key), from `-most` to `most`: up to half of `buckets`
/// exact, beyond that by its logarithm.
pub(crate) fn log_bucket(distance: i64, buckets: usize, most: usize) -> i64 {
    let middle = (buckets / 2).cast_signed() as i64;
    let far = distance.abs();
    if buckets == 0 || far <= middle {
        return distance;
    }
    let share = (far as f32 / middle as f32).ln() / ((most as f32 - 1.0) / middle as f32).ln();
    let more = (share * (middle - 1) as f32).ceil() as i64;
    (more + middle) * distance.signum()
}

/// DeBERTa's learned distances as far as a text needs them.
pub(crate) struct NeededPlaces {
    /// Their rows in the learned table.
    pub rows: Range<usize>,

    /// For each distance from `-reach` to `reach` (query minus key) its row among those.
    pub places: Vec<usize>,
    pub reach: usize,
}

impl NeededPlaces {
    /// Of texts that have no more than so many tokens. The table has 2 · `span` rows.
    pub fn of(longest: usize, span: usize, buckets: usize, most: usize) -> Self {
        let reach = longest.saturating_sub(1);
        let span = span.cast_signed() as i64;
        let row = |distance: i64| {
            let bucket = log_bucket(distance, buckets, most);
            (bucket + span).clamp(0, 2 * span - 1) as usize
        };
        let far = reach.cast_signed() as i64;
        let rows = row(-far)..row(far) + 1;
        let places = (-far..=far).map(|distance| row(distance) - rows.start).collect();
        Self { rows, places, reach }
    }
}

/// What a distance adds to the scores of each head.
pub(crate) struct DistanceTable {
    /// Distances from `-reach` to `reach`.
    reach: i64,

    /// (heads, 2 reach + 1)
    values: Vec<f32>,
}

impl DistanceTable {
    /// `learned`: (buckets, heads).
    pub fn new(learned: &[f32], heads: usize, reach: usize, bucket: impl Fn(i64) -> usize) -> Self {
        let reach = reach.cast_signed() as i64;
        let at = |head: usize, distance: i64| learned[bucket(distance) * heads + head];
        let of_head = |head: usize| (-reach..=reach).map(move |distance| (head, distance));
        let values = (0..heads).flat_map(of_head).map(|(head, distance)| at(head, distance));
        Self { reach, values: values.collect() }
    }

    /// For a query at `query` and the keys from 0 on.
    pub fn row(&self, head: usize, query: usize, keys: usize) -> &[f32] {
        let width = 2 * self.reach as usize + 1;
        let first = self.reach as usize - query;
        &self.values[head * width..][first..first + keys]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From `T5Attention._relative_position_bucket` of transformers 5.23 (32 buckets, distance 128).
    #[test]
    fn distances_share_the_buckets_of_t5() {
        let two = |distance| shared_bucket(distance, true, 32, 128);
        let found: Vec<usize> =
            [-200, -91, -20, -8, -1, 0, 1, 7, 8, 12, 64, 91, 500].map(two).into();
        assert_eq!(found, [15, 15, 10, 8, 1, 0, 17, 23, 24, 25, 30, 31, 31]);
        let one = |distance| shared_bucket(distance, false, 32, 128);
        let found: Vec<usize> = [-200, -113, -40, -16, -1, 0, 5].map(one).into();
        assert_eq!(found, [31, 31, 23, 16, 1, 0, 0]);
    }

    /// From `make_log_bucket_position` of transformers 5.23 (256 buckets, 512 positions).
    #[test]
    fn far_distances_share_the_buckets_of_deberta() {
        let found: Vec<i64> = [-511, -300, -129, -128, -5, 0, 127, 128, 129, 200, 400]
            .map(|d| log_bucket(d, 256, 512))
            .into();
        assert_eq!(found, [-255, -207, -129, -128, -5, 0, 127, 128, 129, 169, 233]);
        assert_eq!(log_bucket(-300, 0, 512), -300);
    }
}

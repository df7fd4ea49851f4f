//! A metric over time, small enough to draw in every frame however long the run is.
//!
//! Two resolutions: the latest points in full, and the whole history thinned so that no spike
//! is lost. Knows nothing about training or plots.

use std::collections::VecDeque;

/// How many of the latest points are kept in full.
pub const RECENT_POINTS: usize = 512;

/// The thinned history has at most this many buckets, each with its lowest and its highest
/// point. That is a bucket a pixel in a plot of half a window.
const MAX_BUCKETS: usize = 512;

/// Where (usually the step) and how much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
}

/// A metric over time. Memory and drawing cost are bounded: 100,000 points take as long as 1,000.
#[derive(Clone, Debug, Default)]
pub struct Series {
    recent: VecDeque<Point>,
    buckets: Vec<Bucket>,

    /// Points in a full bucket: a power of two.
    points_per_bucket: usize,
    len: usize,
    last: Option<Point>,
    not_numbers: usize,
}

/// Consecutive points, of which the lowest and the highest are remembered.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    low: Point,
    high: Point,
    x_sum: f64,
    sum: f64,
    count: usize,
}

impl Series {
    /// Adds a point; `x` never decreases. What is not a finite number is counted, not drawn.
    pub fn push(&mut self, x: f64, y: f64) {
        let point = Point { x, y };
        self.last = Some(point);
        if !y.is_finite() {
            self.not_numbers += 1;
            return;
        }
        self.len += 1;
        if self.recent.len() == RECENT_POINTS {
            self.recent.pop_front();
        }
        self.recent.push_back(point);
        self.thin(point);
    }

    fn thin(&mut self, point: Point) {
        self.points_per_bucket = self.points_per_bucket.max(1);
        match self.buckets.last_mut() {
            Some(bucket) if bucket.count < self.points_per_bucket => bucket.add(point),
            _ => self.buckets.push(Bucket::of(point)),
        }
        if self.buckets.len() > MAX_BUCKETS {
            self.buckets = self.buckets.chunks(2).map(Bucket::joined).collect();
            self.points_per_bucket *= 2;
        }
    }

    /// Forgets the points from `x` on: a run that was resumed from a checkpoint takes those steps
    /// anew.
    pub fn rewind(&mut self, x: f64) {
        if self.last.is_none_or(|point| point.x < x) {
            return;
        }
        let before = self.recent.len();
        while self.recent.back().is_some_and(|point| point.x >= x) {
            self.recent.pop_back();
        }
        let kept = self.len - (before - self.recent.len());
        while self.buckets.last().is_some_and(|bucket| bucket.high.x.max(bucket.low.x) >= x)
            || self.buckets.iter().map(|bucket| bucket.count).sum::<usize>() > kept
        {
            self.buckets.pop();
        }
        // What a stretch held before `x` is among the latest points, or is too old to matter.
        let in_buckets = self.buckets.iter().map(|bucket| bucket.count).sum::<usize>();
        let missing = kept.saturating_sub(in_buckets).min(self.recent.len());
        let again: Vec<Point> =
            self.recent.iter().skip(self.recent.len() - missing).copied().collect();
        for point in again {
            self.thin(point);
        }
        self.len = self.buckets.iter().map(|bucket| bucket.count).sum();
        self.last = self.recent.back().copied();
        self.not_numbers = 0;
    }

    /// Where the latest point is.
    pub fn last_x(&self) -> Option<f64> {
        self.last.map(|point| point.x)
    }

    /// How many points were pushed, without those that are not numbers.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The latest value, whether it is a number or not.
    pub fn last(&self) -> Option<f64> {
        self.last.map(|point| point.y)
    }

    /// How many values were infinite or not a number.
    pub fn not_numbers(&self) -> usize {
        self.not_numbers
    }

    /// The whole history in order, at most about 1,000 points: every point while there are few,
    /// the lowest and the highest of each stretch once there are many, and always the latest.
    pub fn whole(&self) -> impl Iterator<Item = Point> + '_ {
        let newest = self.recent.back().copied();
        let ends = self.buckets.iter().flat_map(|bucket| bucket.ends());
        let drawn_newest =
            self.buckets.last().is_some_and(|bucket| bucket.ends().any(|end| Some(end) == newest));
        ends.chain(newest.filter(|_| !drawn_newest))
    }

    /// The whole history as means over equal stretches, at most 512.
    pub fn means(&self) -> impl Iterator<Item = Point> + '_ {
        self.buckets.iter().map(|bucket| {
            let count = bucket.count as f64;
            Point { x: bucket.x_sum / count, y: bucket.sum / count }
        })
    }

    /// Where the values of each stretch lie: its middle, its lowest and its highest value. Empty
    /// while every point is kept.
    pub fn ranges(&self) -> impl Iterator<Item = [f64; 3]> + '_ {
        let thinned = self.buckets.iter().filter(|_| self.points_per_bucket > 1);
        thinned.map(|bucket| [bucket.x_sum / bucket.count as f64, bucket.low.y, bucket.high.y])
    }

    /// The latest [`RECENT_POINTS`] points, in full.
    pub fn recent(&self) -> impl DoubleEndedIterator<Item = Point> + '_ {
        self.recent.iter().copied()
    }

    /// The mean of the latest `count` points (of all of them where there are fewer).
    pub fn latest_mean(&self, count: usize) -> Option<f64> {
        mean(self.recent.iter().rev().take(count.max(1)).map(|point| (point.y, 1)))
    }

    /// The mean of the first `count` points or a few more: whole buckets.
    pub fn first_mean(&self, count: usize) -> Option<f64> {
        let mut taken = 0;
        let early = self.buckets.iter().take_while(|bucket| {
            let wanted = taken < count.max(1);
            taken += bucket.count;
            wanted
        });
        mean(early.map(|bucket| (bucket.sum, bucket.count)))
    }

    /// The highest point of the whole history.
    pub fn highest(&self) -> Option<Point> {
        self.buckets.iter().map(|bucket| bucket.high).max_by(|a, b| a.y.total_cmp(&b.y))
    }

    /// The lowest point of the whole history.
    pub fn lowest(&self) -> Option<Point> {
        self.buckets.iter().map(|bucket| bucket.low).min_by(|a, b| a.y.total_cmp(&b.y))
    }
}

impl Bucket {
    fn of(point: Point) -> Self {
        Self { low: point, high: point, x_sum: point.x, sum: point.y, count: 1 }
    }

    fn add(&mut self, point: Point) {
        if point.y < self.low.y {
            self.low = point;
        }
        if point.y > self.high.y {
            self.high = point;
        }
        self.x_sum += point.x;
        self.sum += point.y;
        self.count += 1;
    }

    fn joined(pair: &[Self]) -> Self {
        let mut all = pair[0];
        for other in &pair[1..] {
            if other.low.y < all.low.y {
                all.low = other.low;
            }
            if other.high.y > all.high.y {
                all.high = other.high;
            }
            all.x_sum += other.x_sum;
            all.sum += other.sum;
            all.count += other.count;
        }
        all
    }

    /// The one or two points that stand for the bucket, in order.
    fn ends(&self) -> impl Iterator<Item = Point> {
        let (first, second) =
            if self.low.x <= self.high.x { (self.low, self.high) } else { (self.high, self.low) };
        std::iter::once(first).chain((second != first).then_some(second))
    }
}

/// Of `(sum, count)` parts.
fn mean(parts: impl Iterator<Item = (f64, usize)>) -> Option<f64> {
    let (sum, count) = parts.fold((0.0, 0), |(sum, count), part| (sum + part.0, count + part.1));
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: impl IntoIterator<Item = f64>) -> Series {
        let mut series = Series::default();
        for (index, value) in values.into_iter().enumerate() {
            series.push(index as f64, value);
        }
        series
    }

    #[test]
    fn a_short_history_is_kept_point_by_point() {
        let drawn: Vec<_> =
            series([3.0, 1.0, 2.0]).whole().map(|point| (point.x, point.y)).collect();
        assert_eq!(drawn, [(0.0, 3.0), (1.0, 1.0), (2.0, 2.0)]);
    }

    #[test]
    fn a_hundred_thousand_points_are_drawn_as_one_thousand() {
        let long = series((0..100_000).map(|step| f64::from(step).sin()));
        assert_eq!(long.len(), 100_000);
        assert!(long.whole().count() <= 2 * MAX_BUCKETS + 1);
        assert_eq!(long.recent().count(), RECENT_POINTS);
    }

    #[test]
    fn thinning_loses_no_spike_and_keeps_the_order() {
        let spike = |step: i32| match step {
            31_337 => 9.0,
            60_001 => -9.0,
            _ => f64::from(step % 7) / 7.0,
        };
        let long = series((0..100_000).map(spike));
        assert!(long.ranges().any(|[_, _, high]| high == 9.0));
        let drawn: Vec<_> = long.whole().collect();
        assert!(drawn.contains(&Point { x: 31_337.0, y: 9.0 }));
        assert!(drawn.contains(&Point { x: 60_001.0, y: -9.0 }));
        assert!(drawn.windows(2).all(|pair| pair[0].x < pair[1].x));
    }

    #[test]
    fn the_latest_point_is_always_drawn_last() {
        for count in [1, 2, 511, 512, 513, 514, 5000, 70_001] {
            let drawn = series((0..count).map(|step| f64::from(step * 37 % 101))).whole().last();
            assert_eq!(drawn.map(|point| point.x), Some(f64::from(count - 1)), "{count} points");
        }
    }

    #[test]
    fn what_is_not_a_number_is_counted_and_not_drawn() {
        let broken = series([0.5, f64::NAN, f64::INFINITY]);
        assert_eq!((broken.whole().count(), broken.not_numbers()), (1, 2));
        assert!(broken.last().is_some_and(f64::is_infinite));
    }

    #[test]
    fn means_are_taken_from_both_ends() {
        let rising = series((0..10).map(f64::from));
        assert_eq!(rising.first_mean(4), Some(1.5));
        assert_eq!(rising.latest_mean(4), Some(7.5));
        assert_eq!(rising.latest_mean(99), Some(4.5));
        assert_eq!(Series::default().latest_mean(4), None);
        assert_eq!(rising.means().last(), Some(Point { x: 9.0, y: 9.0 }));
        assert_eq!(rising.lowest(), Some(Point { x: 0.0, y: 0.0 }));
        assert_eq!(rising.highest(), Some(Point { x: 9.0, y: 9.0 }));
    }
}

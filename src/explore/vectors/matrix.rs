//! Vectors of one length, one after the other.

use rayon::prelude::*;

use super::error::Error;
use crate::jobs::in_pool;

/// `count` vectors of `width` values, row after row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vectors {
    width: usize,
    values: Vec<f32>,
}

impl Vectors {
    /// # Panics
    /// Where the values are no whole number of rows.
    pub fn new(width: usize, values: Vec<f32>) -> Self {
        assert!(width > 0 && values.len().is_multiple_of(width), "rows of {width} values");
        Self { width, values }
    }

    /// Of rows of one length, all of which are numbers.
    pub fn of(rows: &[Vec<f32>]) -> Result<Self, Error> {
        let width = rows.first().map_or(1, Vec::len).max(1);
        let damaged = rows.iter().position(|row| row.iter().any(|value| !value.is_finite()));
        if let Some(place) = damaged {
            return Err(Error::NotNumbers { place: place + 1 });
        }
        Ok(Self::new(width, rows.concat()))
    }

    pub fn count(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn values(&self) -> &[f32] {
        &self.values
    }

    pub fn row(&self, place: usize) -> &[f32] {
        &self.values[place * self.width..(place + 1) * self.width]
    }

    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.width.max(1))
    }

    /// Some of the rows.
    #[must_use]
    pub fn chosen(&self, places: &[usize]) -> Self {
        let values = places.iter().flat_map(|place| self.row(*place)).copied().collect();
        Self { width: self.width, values }
    }

    /// Each of length 1; zeros stay.
    #[must_use]
    pub fn unit(&self) -> Self {
        let mut values = self.values.clone();
        in_pool(|| {
            values.par_chunks_mut(self.width.max(1)).for_each(|row| {
                let length = square(row).sqrt();
                if length > 0.0 {
                    row.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
                }
            });
        });
        Self { width: self.width, values }
    }

    /// Less the mean of all rows.
    #[must_use]
    pub fn centred(&self) -> Self {
        let mut sums = vec![0.0_f64; self.width];
        for row in self.rows() {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        let count = self.count().max(1) as f64;
        sums.iter_mut().for_each(|sum| *sum /= count);
        let mut values = self.values.clone();
        in_pool(|| {
            values.par_chunks_mut(self.width.max(1)).for_each(|row| {
                for (value, mean) in row.iter_mut().zip(&sums) {
                    *value = (f64::from(*value) - mean) as f32;
                }
            });
        });
        Self { width: self.width, values }
    }

    /// Whether no row differs from the first.
    pub fn are_all_the_same(&self) -> bool {
        self.rows().all(|row| row == self.row(0))
    }

    pub fn to_rows(&self) -> Vec<Vec<f64>> {
        self.rows().map(|row| row.iter().map(|value| f64::from(*value)).collect()).collect()
    }
}

/// |x|²
pub fn square(x: &[f32]) -> f64 {
    x.iter().map(|value| f64::from(*value) * f64::from(*value)).sum()
}

/// |x - y|²
pub fn distance_square(x: &[f32], y: &[f32]) -> f64 {
    let apart = |(x, y): (&f32, &f32)| f64::from(*x) - f64::from(*y);
    x.iter().zip(y).map(apart).map(|by| by * by).sum()
}

/// x·y, summed from the first to the last.
pub fn dot_f64(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// x·y in eight sums, which a processor adds side by side.
pub fn dot(x: &[f32], y: &[f32]) -> f32 {
    let (x_parts, y_parts) = (x.chunks_exact(8), y.chunks_exact(8));
    let rest: f32 = x_parts.remainder().iter().zip(y_parts.remainder()).map(|(x, y)| x * y).sum();
    let mut sums = [0.0_f32; 8];
    for (x, y) in x_parts.zip(y_parts) {
        for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f32>() + rest
}

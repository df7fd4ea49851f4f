//! The map of vectors: two numbers for each.

use serde::Serialize;

use super::components::components;
use super::error::Error;
use super::matrix::Vectors;
use super::umap::{UmapSettings, umap};
use super::worked::Worked;
use crate::jobs::Progress;

/// How vectors are laid out in two dimensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The two directions that hold the most variance.
    #[default]
    Pca,

    /// Who is near to whom.
    Umap,
}

/// A map.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    pub method: Method,

    /// Of each vector.
    pub points: Vec<[f32; 2]>,

    /// The share of the variance that each direction holds; of PCA.
    pub shares: Vec<f64>,
}

impl Map {
    /// The points as two columns of a table.
    pub fn columns(&self) -> [(&'static str, Vec<String>); 2] {
        let along = |axis: usize| self.points.iter().map(|point| point[axis].to_string()).collect();
        [("x", along(0)), ("y", along(1))]
    }
}

/// Slow: see [`umap`].
pub fn map(
    vectors: &Vectors,
    method: Method,
    seed: u64,
    progress: &dyn Progress<Worked>,
) -> Result<Map, Error> {
    if vectors.count() < 2 {
        return Err(Error::TooFew { count: vectors.count(), least: 2 });
    }
    let (flat, shares) = match method {
        Method::Pca => {
            let found = components(vectors, 2, progress)?;
            (found.scores, found.shares)
        }
        Method::Umap => {
            (umap(vectors, UmapSettings { seed, ..UmapSettings::default() }, progress)?, Vec::new())
        }
    };
    let at = |row: &[f32], place: usize| row.get(place).copied().unwrap_or(0.0);
    let points = flat.rows().map(|row| [at(row, 0), at(row, 1)]).collect();
    Ok(Map { method, points, shares })
}

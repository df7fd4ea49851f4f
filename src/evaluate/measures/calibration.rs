//! Whether a model's probabilities are as often right as they say.

use serde::Serialize;

use super::figure::Figure;
use crate::evaluate::results::answered::Answered;
use crate::stats::classification::probabilities::{
    ClassForecast, brier_of_classes, calibration_bins, calibration_error, top_label,
};

/// Whether the probabilities are as often right as they say; against what most coders say.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    pub items: usize,

    /// Expected calibration error of the likeliest label, ten bins.
    pub ece: Figure,

    /// From 0 to 2.
    pub brier: Figure,

    /// Mean stated probability, share that is right, number of rows.
    pub bins: Vec<(f64, f64, usize)>,
}

impl Calibration {
    /// `most`: what most coders say of each row. `None`: nothing that has a probability.
    pub fn of(rows: &[&Answered], most: &[Option<usize>]) -> Option<Self> {
        let forecasts: Vec<ClassForecast> = rows
            .iter()
            .zip(most)
            .filter_map(|(row, class)| {
                let class = (*class)?;
                (class < row.probabilities.len()).then(|| ClassForecast {
                    probabilities: row.probabilities.clone(),
                    class,
                    weight: 1.0,
                })
            })
            .collect();
        if forecasts.is_empty() {
            return None;
        }
        let bins = calibration_bins(&top_label(&forecasts));
        Some(Self {
            items: forecasts.len(),
            ece: calibration_error(&bins).into(),
            brier: brier_of_classes(&forecasts).into(),
            bins: bins.iter().map(|bin| (bin.mean_probability, bin.share, bin.items)).collect(),
        })
    }
}

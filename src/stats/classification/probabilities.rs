//! How good stated probabilities are: Brier score, log loss, calibration, ranking.

use crate::stats::moments::{by_size, sum};
use crate::stats::undefined::{Number, ratio};

const NO_ITEMS: &str = "no item with weight";

/// Probabilities are kept this far from 0 and 1 in a log loss, as scikit-learn does (2^-52).
const CLIP: f64 = f64::EPSILON;

/// How many bins the calibration error uses.
const BINS: usize = 10;

/// A statement that something is so, and whether it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// The stated probability, from 0 to 1.
    pub probability: f64,
    pub happened: bool,
    pub weight: f64,
}

/// A bin of the calibration error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Bin b holds b/10 < p <= (b + 1)/10, and bin 0 also p = 0.
    pub bin: usize,
    pub items: usize,
    pub weight: f64,
    pub mean_probability: f64,

    /// How often it is so.
    pub share: f64,
}

fn weighted_mean(items: impl Iterator<Item = (f64, f64)> + Clone) -> Number {
    let total = sum(items.clone().map(|(weight, _)| weight));
    ratio(sum(items.map(|(weight, value)| weight * value)), total, NO_ITEMS)
}

/// The mean of (p - y)² (Brier 1950); from 0, the best, to 1.
pub fn brier(forecasts: &[Forecast]) -> Number {
    weighted_mean(forecasts.iter().map(|forecast| {
        let error = forecast.probability - f64::from(u8::from(forecast.happened));
        (forecast.weight, error * error)
    }))
}

/// The mean of -ln of the probability of what is so, in nats; probabilities are kept 2^-52 from 0
/// and 1, so that a certain error costs 36.04.
pub fn log_loss(forecasts: &[Forecast]) -> Number {
    weighted_mean(forecasts.iter().map(|forecast| {
        let p = forecast.probability;
        let right = if forecast.happened { p } else { 1.0 - p };
        (forecast.weight, -right.clamp(CLIP, 1.0 - CLIP).ln())
    }))
}

/// The bins with weight, from low to high.
pub fn calibration_bins(forecasts: &[Forecast]) -> Vec<Bin> {
    let mut sums = [(0_usize, 0.0, 0.0, 0.0); BINS];
    for forecast in forecasts {
        // Not ⌈10 p⌉: that product can be rounded over an edge.
        let above = |bin: &usize| forecast.probability > (*bin as f64 + 1.0) / BINS as f64;
        let bin = (0..BINS - 1).take_while(above).count();
        let (items, weight, stated, happened) = &mut sums[bin];
        *items += 1;
        *weight += forecast.weight;
        *stated += forecast.weight * forecast.probability;
        *happened += forecast.weight * f64::from(u8::from(forecast.happened));
    }
    let bins = sums.iter().enumerate().filter(|(_, sums)| sums.1 > 0.0);
    bins.map(|(bin, (items, weight, stated, happened))| Bin {
        bin,
        items: *items,
        weight: *weight,
        mean_probability: stated / weight,
        share: happened / weight,
    })
    .collect()
}

/// The expected calibration error over ten right-closed bins (Guo et al. 2017): Σ share of the
/// weight × |how often - mean p|.
pub fn calibration_error(bins: &[Bin]) -> Number {
    weighted_mean(bins.iter().map(|bin| (bin.weight, (bin.share - bin.mean_probability).abs())))
}

/// Groups of one probability, from the highest down: (weight of what is so, of what is not).
fn groups(forecasts: &[Forecast]) -> Vec<(f64, f64)> {
    let mut sorted: Vec<&Forecast> = forecasts.iter().collect();
    sorted.sort_by(|a, b| by_size(&b.probability, &a.probability));
    let same = |a: &&Forecast, b: &&Forecast| a.probability == b.probability;
    let of = |group: &[&Forecast], happened: bool| -> f64 {
        let those = group.iter().filter(|forecast| forecast.happened == happened);
        those.map(|forecast| forecast.weight).sum()
    };
    sorted.chunk_by(same).map(|group| (of(group, true), of(group, false))).collect()
}

/// The area under the ROC curve: P(p of one that is so > p of one that is not), ties half.
///
/// Undefined where only one of the two occurs.
pub fn auroc(forecasts: &[Forecast]) -> Number {
    let groups = groups(forecasts);
    let positives: f64 = groups.iter().map(|group| group.0).sum();
    let negatives: f64 = groups.iter().map(|group| group.1).sum();
    if positives == 0.0 || negatives == 0.0 {
        return Err("only one class is present".into());
    }
    let mut above = 0.0;
    let area = sum(groups.iter().map(|(positive, negative)| {
        let won = negative * (above + positive / 2.0);
        above += positive;
        won
    }));
    Ok(area / positives / negatives)
}

/// `Σ (R_n - R_{n-1}) P_n` over the distinct thresholds, without interpolation.
///
/// Undefined where nothing is so.
pub fn average_precision(forecasts: &[Forecast]) -> Number {
    let groups = groups(forecasts);
    let positives: f64 = groups.iter().map(|group| group.0).sum();
    if positives == 0.0 {
        return Err("no positive item".into());
    }
    let (mut hits, mut all) = (0.0, 0.0);
    Ok(sum(groups.iter().map(|(positive, negative)| {
        hits += positive;
        all += positive + negative;
        if *positive == 0.0 { 0.0 } else { positive * hits / all }
    })) / positives)
}

/// A distribution over k classes, and the class that is so.
#[derive(Clone, Debug)]
pub struct ClassForecast {
    pub probabilities: Vec<f64>,
    pub class: usize,
    pub weight: f64,
}

/// The mean of `Σ_k (p_k - y_k)²`, from 0 to 2.
pub fn brier_of_classes(forecasts: &[ClassForecast]) -> Number {
    weighted_mean(forecasts.iter().map(|forecast| {
        let errors = forecast.probabilities.iter().enumerate().map(|(k, p)| {
            let error = p - f64::from(u8::from(k == forecast.class));
            error * error
        });
        (forecast.weight, errors.sum())
    }))
}

/// The mean of -ln p of the class that is so, with the same clip as [`log_loss`].
pub fn log_loss_of_classes(forecasts: &[ClassForecast]) -> Number {
    weighted_mean(forecasts.iter().map(|forecast| {
        let right = forecast.probabilities[forecast.class];
        (forecast.weight, -right.clamp(CLIP, 1.0 - CLIP).ln())
    }))
}

/// The likeliest class, the first of several, against whether it is right.
pub fn top_label(forecasts: &[ClassForecast]) -> Vec<Forecast> {
    let top = |forecast: &ClassForecast| {
        let class = first_largest(&forecast.probabilities);
        Forecast {
            probability: forecast.probabilities[class],
            happened: class == forecast.class,
            weight: forecast.weight,
        }
    };
    forecasts.iter().map(top).collect()
}

/// The mean of [`Forecast::happened`].
pub fn accuracy(forecasts: &[Forecast]) -> Number {
    let right = |forecast: &Forecast| f64::from(u8::from(forecast.happened));
    weighted_mean(forecasts.iter().map(|forecast| (forecast.weight, right(forecast))))
}

/// The mean, over classes, of [`auroc`] of one class against the rest.
pub fn auroc_one_against_rest(forecasts: &[ClassForecast]) -> Number {
    let classes = forecasts.first().map_or(0, |forecast| forecast.probabilities.len());
    let mut areas = Vec::with_capacity(classes);
    for class in 0..classes {
        let of_class = |forecast: &ClassForecast| Forecast {
            probability: forecast.probabilities[class],
            happened: forecast.class == class,
            weight: forecast.weight,
        };
        let one: Vec<Forecast> = forecasts.iter().map(of_class).collect();
        if !one.iter().any(|forecast| forecast.happened && forecast.weight > 0.0) {
            return Err("a class has no item".into());
        }
        areas.push(auroc(&one)?);
    }
    ratio(areas.iter().sum(), areas.len() as f64, NO_ITEMS)
}

/// The position of the largest value, the first of several; 0 for an empty list.
pub fn first_largest(values: &[f64]) -> usize {
    let mut best = 0;
    for (position, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = position;
        }
    }
    best
}

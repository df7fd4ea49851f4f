//! How a loss falls with size: a power law, L(N) = (`N_c` / N)^α, and one with a part that remains, L(N) = E + A / N^α.
//!
//! The first as Kaplan et al. (2020) write it, by least squares on the logarithms; the second as Hoffmann et al.
//! (2022), by least squares on the losses. Intervals are Student's, from the slope of the fit and from its Jacobian
//! (as scipy's `linregress` and `curve_fit` have them).

use super::linear::Square;
use super::special::student_upper_quantile;
use super::undefined::Undefined;

/// Fewer leave nothing to check a fit of two numbers with: two points always lie on such a line.
pub const FEWEST: usize = 3;

/// Fewer leave less than two points to check a fit of three numbers with.
pub const FEWEST_WITH_FLOOR: usize = 5;

/// L(N) = (`N_c` / N)^α.
#[derive(Clone, Debug, PartialEq)]
pub struct PowerLaw {
    pub points: usize,
    pub alpha: f64,

    /// 95 %.
    pub alpha_interval: (f64, f64),

    /// ln `N_c`: the number itself may be too large for a float where α is small.
    pub ln_critical: f64,

    /// Standard deviation of ln L about the line, with `points` - 2 degrees of freedom.
    pub residual: f64,
    mean_x: f64,
    spread_x: f64,
}

/// L(N) = E + A / N^α.
#[derive(Clone, Debug, PartialEq)]
pub struct WithFloor {
    pub points: usize,

    /// E: what no size would get below.
    pub floor: f64,
    pub floor_interval: (f64, f64),

    /// ln A.
    pub ln_amplitude: f64,
    pub alpha: f64,
    pub alpha_interval: (f64, f64),

    /// Standard deviation of L about the curve, with `points` - 3 degrees of freedom.
    pub residual: f64,
}

impl PowerLaw {
    pub fn at(&self, size: f64) -> f64 {
        (self.alpha * (self.ln_critical - size.ln())).exp()
    }

    /// Where one more measurement of this size would be, by the law alone: 95 %.
    pub fn prediction(&self, size: f64) -> (f64, f64) {
        let n = self.points as f64;
        let away = (size.ln() - self.mean_x).powi(2) / self.spread_x;
        let half =
            student_upper_quantile(0.025, n - 2.0) * self.residual * (1.0 + 1.0 / n + away).sqrt();
        let middle = self.at(size).ln();
        ((middle - half).exp(), (middle + half).exp())
    }
}

impl WithFloor {
    pub fn at(&self, size: f64) -> f64 {
        self.floor + (self.ln_amplitude - self.alpha * size.ln()).exp()
    }
}

/// The law through sizes and their losses, a point a size.
///
/// Undefined with fewer than three sizes, and where the loss does not fall.
pub fn power_law(points: &[(f64, f64)]) -> Result<PowerLaw, Undefined> {
    check(points, FEWEST)?;
    let n = points.len() as f64;
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let mean_x = logs.iter().map(|point| point.0).sum::<f64>() / n;
    let mean_y = logs.iter().map(|point| point.1).sum::<f64>() / n;
    let spread_x: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let together: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let alpha = -together / spread_x;
    if alpha <= 0.0 {
        return Err("the loss does not fall with size".into());
    }
    let squares: f64 = logs.iter().map(|(x, y)| (y - mean_y + alpha * (x - mean_x)).powi(2)).sum();
    let residual = (squares / (n - 2.0)).sqrt();
    let half = student_upper_quantile(0.025, n - 2.0) * residual / spread_x.sqrt();
    Ok(PowerLaw {
        points: points.len(),
        alpha,
        alpha_interval: (alpha - half, alpha + half),
        ln_critical: mean_x + mean_y / alpha,
        residual,
        mean_x,
        spread_x,
    })
}

/// The law with a part that remains.
///
/// Undefined with fewer than five sizes, where the loss does not fall, and where the losses do not say where it
/// would end.
pub fn with_floor(points: &[(f64, f64)]) -> Result<WithFloor, Undefined> {
    check(points, FEWEST_WITH_FLOOR)?;
    let n = points.len() as f64;
    // Sizes from their middle on, so that A is about as large as the losses.
    let middle = points.iter().map(|point| point.0.ln()).sum::<f64>() / n;
    let centred: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln() - middle, *y)).collect();
    let mut exponent = best_exponent(&centred)?;
    let (mut floor, mut amplitude, _) = given_exponent(&centred, exponent);
    let slopes = |amplitude: f64, exponent: f64, x: f64| {
        let power = (-exponent * x).exp();
        [1.0, power, -amplitude * x * power]
    };
    let squares = |floor: f64, amplitude: f64, exponent: f64| -> f64 {
        let off = |(x, y): &(f64, f64)| y - floor - amplitude * (-exponent * x).exp();
        centred.iter().map(|point| off(point).powi(2)).sum()
    };
    // Gauss and Newton: the search over the exponent has half of its digits.
    for _ in 0..20 {
        let mut side = vec![0.0; 3];
        for (x, y) in &centred {
            let off = y - floor - amplitude * (-exponent * x).exp();
            let row = slopes(amplitude, exponent, *x);
            side.iter_mut().zip(row).for_each(|(sum, slope)| *sum += slope * off);
        }
        let normal = normal(&centred, |x| slopes(amplitude, exponent, x));
        let Ok(change) = normal.solve_one(&side) else { break };
        let next = (floor + change[0], amplitude + change[1], exponent + change[2]);
        let improves = squares(next.0, next.1, next.2) < squares(floor, amplitude, exponent);
        if !improves {
            break;
        }
        (floor, amplitude, exponent) = next;
    }
    if amplitude <= 0.0 {
        return Err("the loss does not fall with size".into());
    }
    if floor < 0.0 {
        return Err("the part that would remain comes out below 0, which no loss can be".into());
    }
    let residual = (squares(floor, amplitude, exponent) / (n - 3.0)).sqrt();
    let inverse = normal(&centred, |x| slopes(amplitude, exponent, x)).inverse()?;
    let quantile = student_upper_quantile(0.025, n - 3.0);
    let around = |value: f64, place: usize| {
        let half = quantile * residual * inverse.get(place, place).max(0.0).sqrt();
        (value - half, value + half)
    };
    Ok(WithFloor {
        points: points.len(),
        floor,
        floor_interval: around(floor, 0),
        ln_amplitude: amplitude.ln() + exponent * middle,
        alpha: exponent,
        alpha_interval: around(exponent, 2),
        residual,
    })
}

fn check(points: &[(f64, f64)], fewest: usize) -> Result<(), Undefined> {
    if points.iter().any(|(x, y)| !(x.is_finite() && y.is_finite() && *x > 0.0 && *y > 0.0)) {
        return Err("sizes and losses must be positive numbers".into());
    }
    let mut sizes: Vec<f64> = points.iter().map(|point| point.0).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    if sizes.len() < fewest {
        return Err(format!("{fewest} sizes are the fewest, and there are {}", sizes.len()).into());
    }
    Ok(())
}

fn normal(points: &[(f64, f64)], slopes: impl Fn(f64) -> [f64; 3]) -> Square {
    let mut normal = Square::zeros(3);
    points.iter().for_each(|(x, _)| normal.add_outer(&slopes(*x), 1.0));
    normal
}

/// The best E and A where α is given, with their sum of squares: a straight line over N^-α.
fn given_exponent(points: &[(f64, f64)], exponent: f64) -> (f64, f64, f64) {
    let n = points.len() as f64;
    let power = |x: f64| (-exponent * x).exp();
    let mean_u = points.iter().map(|(x, _)| power(*x)).sum::<f64>() / n;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / n;
    let spread: f64 = points.iter().map(|(x, _)| (power(*x) - mean_u).powi(2)).sum();
    let together: f64 = points.iter().map(|(x, y)| (power(*x) - mean_u) * (y - mean_y)).sum();
    let amplitude = together / spread;
    let floor = mean_y - amplitude * mean_u;
    let squares = points.iter().map(|(x, y)| (y - floor - amplitude * power(*x)).powi(2)).sum();
    (floor, amplitude, squares)
}

/// The α with the least sum of squares: along a grid first, then between its neighbours (golden section).
fn best_exponent(points: &[(f64, f64)]) -> Result<f64, Undefined> {
    const LOWEST: f64 = 1e-3;
    const HIGHEST: f64 = 10.0;
    const STEPS: usize = 240;
    let of_step = |step: f64| LOWEST * (HIGHEST / LOWEST).powf(step / STEPS as f64);
    let squares = |step: f64| given_exponent(points, of_step(step)).2;
    let best = (0..=STEPS)
        .map(|step| (step, squares(step as f64)))
        .min_by(|one, other| one.1.total_cmp(&other.1));
    let best = best.map_or(0, |(step, _)| step);
    if best == 0 || best == STEPS {
        return Err("the losses do not bend enough to say where they would end".into());
    }
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (best as f64 - 1.0, best as f64 + 1.0);
    for _ in 0..80 {
        let (left, right) = (high - golden * (high - low), low + golden * (high - low));
        if squares(left) < squares(right) {
            high = right;
        } else {
            low = left;
        }
    }
    Ok(of_step(f64::midpoint(low, high)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(got: f64, expected: f64, tolerance: f64) {
        assert!((got - expected).abs() <= tolerance * expected.abs(), "{got} is not {expected}");
    }

    const THREE: [(f64, f64); 3] = [(19_200.0, 1.62), (98_304.0, 1.31), (331_776.0, 1.18)];
    const SIX: [(f64, f64); 6] =
        [(1e4, 2.81), (3e4, 2.27), (1e5, 1.86), (3e5, 1.62), (1e6, 1.43), (3e6, 1.33)];

    #[test]
    fn a_power_law_is_scipys_line_through_the_logarithms() {
        // scipy 1.17.1: stats.linregress(log N, log L), stats.t.ppf(0.975, n - 2)
        let law = power_law(&THREE).unwrap();
        assert_close(law.alpha, 0.112_260_004_873_148_91, 1e-12);
        assert_close(law.alpha_interval.0, -0.045_039_305_286_108_14, 1e-10);
        assert_close(law.alpha_interval.1, 0.269_559_315_032_405_93, 1e-10);
        assert_close(law.ln_critical, 14.082_619_411_721_296, 1e-12);
        assert_close(law.residual, 0.025_033_121_541_001_68, 1e-10);
        // At ten times the largest: exp(mid ± t s sqrt(1 + 1/n + (x - mean)² / Sxx)).
        assert_close(law.at(3_317_760.0), 0.900_642_71, 1e-8);
        let (low, high) = law.prediction(3_317_760.0);
        assert_close(low, 0.455_088_86, 1e-7);
        assert_close(high, 1.782_415_19, 1e-7);
        let law = power_law(&SIX).unwrap();
        assert_close(law.alpha, 0.131_171_902_076_488_9, 1e-12);
        assert_close(law.alpha_interval.0, 0.099_497_310_568_718_12, 1e-10);
    }

    #[test]
    fn a_law_that_ends_is_scipys_curve() {
        // scipy 1.17.1: curve_fit(E + A N^-a), intervals from its covariance and t(0.975; n - 3)
        let law = with_floor(&SIX).unwrap();
        assert_close(law.floor, 1.086_472_002_440_381_1, 1e-7);
        assert_close(law.alpha, 0.346_441_689_736_196_4, 1e-7);
        assert_close(law.floor_interval.0, 1.041_841_442_398_952_4, 1e-6);
        assert_close(law.floor_interval.1, 1.131_102_562_481_809_8, 1e-6);
        assert_close(law.alpha_interval.0, 0.326_053_425_336_323_4, 1e-6);
        assert_close(law.alpha_interval.1, 0.366_829_954_136_069_34, 1e-6);
        assert_close(law.ln_amplitude.exp(), 41.936_634_361_268_33, 1e-6);
        assert_close(law.residual, 0.005_790_304_174_703_643_5, 1e-6);
        for (size, loss) in SIX {
            assert!((law.at(size) - loss).abs() < 0.01, "{size}");
        }
    }

    #[test]
    fn what_was_made_by_a_law_gives_it_back() {
        let sizes = [1e4, 5e4, 2e5, 1e6, 5e6];
        let pure = sizes.map(|size: f64| (size, (3e8 / size).powf(0.08)));
        let law = power_law(&pure).unwrap();
        assert_close(law.alpha, 0.08, 1e-10);
        assert_close(law.ln_critical, 3e8_f64.ln(), 1e-10);
        let floored = sizes.map(|size: f64| (size, 0.9 + 200.0 / size.powf(0.5)));
        let law = with_floor(&floored).unwrap();
        assert_close(law.floor, 0.9, 1e-6);
        assert_close(law.alpha, 0.5, 1e-6);
    }

    #[test]
    fn too_few_sizes_or_losses_that_do_not_fall_have_no_law() {
        let said = power_law(&THREE[..2]).unwrap_err().to_string();
        assert_eq!(said, "3 sizes are the fewest, and there are 2");
        let twice = [THREE[0], THREE[1], THREE[1]];
        assert!(power_law(&twice).unwrap_err().to_string().contains("there are 2"));
        assert!(with_floor(&SIX[..4]).unwrap_err().to_string().contains("5 sizes"));
        let rises = [(1e4, 1.0), (1e5, 1.1), (1e6, 1.3)];
        let said = power_law(&rises).unwrap_err().to_string();
        assert_eq!(said, "the loss does not fall with size");
        assert!(power_law(&[(1e4, f64::NAN), (1e5, 1.0), (1e6, 0.9)]).is_err());
        // A straight line in the logarithm of the size bends nowhere.
        let straight = [1.0_f64, 2.0, 3.0, 4.0, 5.0].map(|x| (10_f64.powf(x), 3.0 - 0.1 * x));
        let said = with_floor(&straight).unwrap_err().to_string();
        assert!(said.contains("do not bend enough") || said.contains("below 0"), "{said}");
    }
}

//! The distributions that tests and intervals need: normal, beta, binomial, Student's t.
//!
//! `libm` has the error function and ln Γ; the rest is written out, so that large counts and small
//! tails keep their digits.

use std::f64::consts::{FRAC_1_SQRT_2, PI, SQRT_2};

/// The normal distribution's 97.5 % quantile.
pub const Z95: f64 = 1.959_963_984_540_054;

/// P(|Z| > |z|) for a standard normal Z.
pub fn normal_two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() * FRAC_1_SQRT_2)
}

/// The z with P(Z > z) = `tail` for a standard normal Z; `tail` in (0, 1).
pub fn normal_upper_quantile(tail: f64) -> f64 {
    if tail > 0.5 {
        return -normal_upper_quantile(1.0 - tail);
    }
    // A start within 0.005 (Abramowitz and Stegun 26.2.23), and Halley's steps from there.
    let t = (-2.0 * tail.ln()).sqrt();
    let mut z = t
        - (2.515517 + t * (0.802853 + t * 0.010328))
            / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
    for _ in 0..4 {
        let density = (-z * z / 2.0).exp() / (2.0 * PI).sqrt();
        let step = (libm::erfc(z / SQRT_2) / 2.0 - tail) / density;
        if !step.is_finite() {
            break;
        }
        z += step / (1.0 - z * step / 2.0);
    }
    z
}

/// ln Γ(n + 1) minus Stirling's formula for it.
fn stirling_error(n: f64) -> f64 {
    if n <= 15.0 {
        let half_ln_two_pi = 0.918_938_533_204_672_8;
        return libm::lgamma(n + 1.0) - (n + 0.5) * n.ln() + n - half_ln_two_pi;
    }
    let square = n * n;
    let series = [1.0 / 1188.0, 1.0 / 1680.0, 1.0 / 1260.0, 1.0 / 360.0, 1.0 / 12.0];
    let first = 691.0 / 360_360.0;
    series.iter().fold(first, |rest, term| term - rest / square) / n
}

/// x ln(x / m) + m - x with `difference` = x - m, also where x is close to m.
fn deviance(x: f64, difference: f64) -> f64 {
    let m = x - difference;
    if difference.abs() >= 0.1 * (x + m) {
        return x * (x / m).ln() - difference;
    }
    let v = difference / (x + m);
    let mut sum = difference * v;
    let mut term = 2.0 * x * v;
    for j in 1..1000 {
        term *= v * v;
        let next = sum + term / f64::from(2 * j + 1);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

/// x^a y^b Γ(a+b+1) / (Γ(a+1) Γ(b+1)) with x + y = 1, by Loader's saddle point expansion (2000).
fn binomial_density(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let n = a + b;
    // a - n x = n y - b: from the smaller of x and y, since the other is rounded.
    let difference = if x <= y { a - n * x } else { n * y - b };
    let exponent = stirling_error(n)
        - stirling_error(a)
        - stirling_error(b)
        - deviance(a, difference)
        - deviance(b, -difference);
    exponent.exp() * (n / (2.0 * PI * a * b)).sqrt()
}

/// The regularised incomplete beta function `I_x(a, b)`, with `y` = 1 - x given so that it keeps its
/// digits; a, b > 0.
pub fn beta_share(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if y <= 0.0 {
        return 1.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_share_below(b, a, y, x);
    }
    beta_share_below(a, b, x, y)
}

/// Where x is below the mean, a continued fraction converges soon.
fn beta_share_below(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if a > 1.0 && b > 1.0 {
        beta_share_of_large(a, b, x, y)
    } else {
        beta_share_by_fraction(a, b, x, y)
    }
}

/// The continued fraction of Didonato and Morris (1992), which keeps its digits where a or b is
/// huge.
fn beta_share_of_large(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let front = binomial_density(a, b, x, y) * a * b / (a + b);
    if front == 0.0 {
        return 0.0;
    }
    let n = a + b;
    let difference = if x <= y { a - n * x } else { n * y - b };
    let whole = |m: f64| {
        m + m * (b - m) * x / (a + 2.0 * m - 1.0)
            + (a + m) * (difference + 1.0 + m * (1.0 + y)) / (a + 2.0 * m + 1.0)
    };
    let part = |m: f64| {
        let below = a + 2.0 * m - 1.0;
        (a + m - 1.0) / below * ((n + m - 1.0) / below) * m * (b - m) * x * x
    };
    let mut fraction = at_least_tiny(whole(0.0));
    let (mut c, mut d) = (fraction, 0.0);
    for m in 1..2_000_000 {
        let m = f64::from(m);
        let (whole, part) = (whole(m), part(m));
        d = 1.0 / at_least_tiny(whole + part * d);
        c = at_least_tiny(whole + part / c);
        fraction *= c * d;
        if (c * d - 1.0).abs() < 1e-16 {
            break;
        }
    }
    (front / fraction).clamp(0.0, 1.0)
}

fn at_least_tiny(value: f64) -> f64 {
    if value.abs() < 1e-300 { 1e-300 } else { value }
}

/// The continued fraction DLMF 8.17.22 by Lentz's method.
fn beta_share_by_fraction(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let front = binomial_density(a, b, x, y) * b / (a + b);
    if front == 0.0 {
        return 0.0;
    }
    let (mut c, mut d) = (1.0, 1.0 / at_least_tiny(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for m in 1..2_000_000 {
        let m = f64::from(m);
        for coefficient in [
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        ] {
            d = 1.0 / at_least_tiny(1.0 + coefficient * d);
            c = at_least_tiny(1.0 + coefficient / c);
            fraction *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-16 {
            break;
        }
    }
    (front * fraction).min(1.0)
}

/// The x at which [`beta_share`] is `share`.
pub fn beta_quantile(share: f64, a: f64, b: f64) -> f64 {
    if share <= 0.0 || share >= 1.0 {
        return share.clamp(0.0, 1.0);
    }
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return high;
        }
        if beta_share(a, b, middle, 1.0 - middle) < share {
            low = middle;
        } else {
            high = middle;
        }
        // Beyond this, the function's own rounding decides.
        if high - low < 1e-15 * high {
            return f64::midpoint(low, high);
        }
    }
}

/// P(Bin(trials, p) <= successes).
pub fn binomial_at_most(successes: u64, trials: u64, p: f64) -> f64 {
    if successes >= trials {
        return 1.0;
    }
    if successes == 0 {
        return (1.0 - p).powf(trials as f64);
    }
    if trials <= 50 {
        return binomial_at_most_summed(successes as u32, trials as u32, p);
    }
    beta_share((trials - successes) as f64, successes as f64 + 1.0, 1.0 - p, p)
}

/// The same term by term: exact where p is 1/2 or another short binary fraction, so that a p-value
/// that is a limit is not rounded beyond it.
fn binomial_at_most_summed(successes: u32, trials: u32, p: f64) -> f64 {
    let (mut ways, mut sum) = (1.0, 0.0);
    for k in 0..=successes {
        sum += ways * p.powi(k.cast_signed()) * (1.0 - p).powi((trials - k).cast_signed());
        ways = ways * f64::from(trials - k) / f64::from(k + 1);
    }
    sum.min(1.0)
}

/// P(T <= t) for Student's t with `degrees` degrees of freedom.
pub fn student_at_most(t: f64, degrees: f64) -> f64 {
    let square = t * t;
    let (x, y) = (degrees / (degrees + square), square / (degrees + square));
    let tail = beta_share(degrees / 2.0, 0.5, x, y) / 2.0;
    if t > 0.0 { 1.0 - tail } else { tail }
}

/// The t with P(T > t) = `tail` for Student's t with `degrees` degrees of freedom; `tail` in (0, 1).
pub fn student_upper_quantile(tail: f64, degrees: f64) -> f64 {
    if tail > 0.5 {
        return -student_upper_quantile(1.0 - tail, degrees);
    }
    let share = beta_quantile(2.0 * tail, degrees / 2.0, 0.5); // degrees / (degrees + t²)
    (degrees * (1.0 - share) / share).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(got: f64, expected: f64) {
        assert!((got / expected - 1.0).abs() < 1e-12, "{got} is not {expected}");
    }

    #[test]
    fn tails_keep_their_digits_where_they_are_tiny_and_where_counts_are_huge() {
        // scipy 1.17.1: norm.sf(30) * 2, norm.isf(1e-12), binom.cdf(400, 1000, 0.5),
        // binom.cdf(499000, 1000000, 0.5), t.cdf(-40, 200), beta.ppf(0.95, 4, 999997)
        assert_close(normal_two_sided(30.0), 9.813427854295816e-198);
        assert_close(normal_upper_quantile(1e-12), 7.034483825301131);
        assert_close(binomial_at_most(400, 1000, 0.5), 1.3642320780329735e-10);
        assert_close(binomial_at_most(499_000, 1_000_000, 0.5), 0.0228041499326948);
        assert_close(student_at_most(-40.0, 200.0), 1.1243698267601098e-97);
        assert_close(beta_quantile(0.95, 4.0, 999_997.0), 7.75363809884006e-06);
    }

    #[test]
    fn quantiles_of_students_t_are_scipys() {
        // scipy 1.17.1: t.isf(tail, degrees)
        for (tail, degrees, expected) in [
            (0.025, 1.0, 12.706204736174705),
            (0.025, 2.0, 4.302652729749464),
            (0.025, 29.0, 2.045229642132704),
            (0.005, 4.0, 4.604094871349993),
            (0.6, 3.0, -0.2766706623326898),
        ] {
            assert_close(student_upper_quantile(tail, degrees), expected);
        }
        let many = student_upper_quantile(0.025, 1e6);
        assert!((many - 1.9599663568141072).abs() < 1e-9, "{many}");
    }

    #[test]
    fn a_limit_is_not_rounded_beyond_itself() {
        assert_eq!(binomial_at_most(0, 2, 0.5), 0.25);
        assert_eq!(binomial_at_most(1, 3, 0.5), 0.5);
        assert!(normal_upper_quantile(0.5).abs() < 1e-15);
        assert!((normal_upper_quantile(0.025) - Z95).abs() < 1e-15);
    }
}

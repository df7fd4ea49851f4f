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

/// x ln(x / m) + m - x, also where x is close to m.
fn deviance(x: f64, m: f64) -> f64 {
    if (x - m).abs() >= 0.1 * (x + m) {
        return x * (x / m).ln() + m - x;
    }
    let v = (x - m) / (x + m);
    let mut sum = (x - m) * v;
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
    let exponent = stirling_error(n)
        - stirling_error(a)
        - stirling_error(b)
        - deviance(a, n * x)
        - deviance(b, n * y);
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
        return 1.0 - beta_share_by_fraction(b, a, y, x);
    }
    beta_share_by_fraction(a, b, x, y)
}

/// The continued fraction DLMF 8.17.22 by Lentz's method.
fn beta_share_by_fraction(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let front = binomial_density(a, b, x, y) * b / (a + b);
    if front == 0.0 {
        return 0.0;
    }
    let tiny = 1e-300;
    let at_least_tiny = |value: f64| if value.abs() < tiny { tiny } else { value };
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
    beta_share((trials - successes) as f64, successes as f64 + 1.0, 1.0 - p, p)
}

/// P(T <= t) for Student's t with `degrees` degrees of freedom.
pub fn student_at_most(t: f64, degrees: f64) -> f64 {
    let square = t * t;
    let (x, y) = (degrees / (degrees + square), square / (degrees + square));
    let tail = beta_share(degrees / 2.0, 0.5, x, y) / 2.0;
    if t > 0.0 { 1.0 - tail } else { tail }
}

//! One number from several repeats, as runs with other seeds give it: mean, standard deviation, and Student's
//! interval of the mean.

use super::special::student_upper_quantile;

/// What repeats add up to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Repeats {
    pub n: usize,
    pub mean: f64,

    /// Of the sample (n - 1). `None`: one repeat has none.
    pub deviation: Option<f64>,

    /// Mean ± t(0.975; n - 1) · s / √n. `None`: one repeat has none.
    pub interval: Option<(f64, f64)>,
}

/// `None`: there is no number. What is not finite is a number that makes all of it not finite.
pub fn repeats(values: &[f64]) -> Option<Repeats> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    if n == 1 {
        return Some(Repeats { n, mean, deviation: None, interval: None });
    }
    let degrees = (n - 1) as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (squares / degrees).sqrt();
    let half = student_upper_quantile(0.025, degrees) * deviation / (n as f64).sqrt();
    Some(Repeats {
        n,
        mean,
        deviation: Some(deviation),
        interval: Some((mean - half, mean + half)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(got: f64, expected: f64) {
        assert!(
            (got - expected).abs() < 1e-12 * expected.abs().max(1.0),
            "{got} is not {expected}"
        );
    }

    #[test]
    fn repeats_have_students_interval() {
        // scipy 1.17.1: stats.t.interval(0.95, n - 1, mean, stats.sem(x)); numpy std(ddof=1)
        type Case<'a> = (&'a [f64], f64, f64, (f64, f64));
        let cases: [Case<'_>; 3] = [
            (&[0.61, 0.64, 0.58], 0.61, 0.030000000000000027, (0.53547586864749, 0.68452413135251)),
            (&[0.693, 0.412], 0.5525, 0.19869700551341982, (-1.232721765432544, 2.337721765432544)),
            (
                &[2.31, 2.28, 2.4, 2.22, 2.35, 2.29, 2.33, 2.3],
                2.31,
                0.05291502622129178,
                (2.2657619310104153, 2.3542380689895848),
            ),
        ];
        for (values, mean, deviation, (low, high)) in cases {
            let found = repeats(values).unwrap();
            assert_eq!(found.n, values.len());
            assert_close(found.mean, mean);
            assert_close(found.deviation.unwrap(), deviation);
            assert_close(found.interval.unwrap().0, low);
            assert_close(found.interval.unwrap().1, high);
        }
    }

    #[test]
    fn one_repeat_has_no_interval_and_none_has_nothing() {
        assert_eq!(repeats(&[]), None);
        let one = repeats(&[0.5]).unwrap();
        assert_eq!((one.n, one.mean, one.deviation, one.interval), (1, 0.5, None, None));
        let same = repeats(&[0.25, 0.25, 0.25]).unwrap();
        assert_eq!((same.deviation, same.interval), (Some(0.0), Some((0.25, 0.25))));
    }
}

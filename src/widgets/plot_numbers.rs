//! Numbers beside a plot: how values are written, and at which of them there are marks.

use egui_plot::{GridInput, GridMark};

/// How values are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Numbers {
    #[default]
    Plain,

    /// A share of 1, as per cent.
    Percent,

    /// `5e-5`.
    Scientific,
}

impl Numbers {
    /// A value as the legend and the cursor show it.
    pub fn text(self, value: f64) -> String {
        match self {
            _ if !value.is_finite() => "not a number".to_owned(),
            Self::Percent => format!("{:.0} %", value * 100.0),
            Self::Scientific => scientific(value),
            Self::Plain => match value.abs() {
                size if size >= 1000.0 => format!("{value:.0}"),
                size if size >= 10.0 => format!("{value:.1}"),
                _ => format!("{value:.3}"),
            },
        }
    }

    /// A value beside the axis, where the next one is `step` away.
    pub fn tick(self, value: f64, step: f64) -> String {
        match self {
            Self::Percent => format!("{:.0} %", value * 100.0),
            Self::Scientific if value == 0.0 => "0".to_owned(),
            Self::Scientific => scientific(value),
            Self::Plain => {
                let decimals = (-step.abs().log10().floor()).clamp(0.0, 6.0) as usize;
                format!("{value:.decimals$}")
            }
        }
    }
}

/// `5e-5`, `1.25e-5`.
fn scientific(value: f64) -> String {
    let text = format!("{value:.2e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    };
    format!("{digits}e{exponent}")
}

/// Steps are whole and not negative: `500`, `20k`.
pub fn whole_step(value: f64) -> String {
    if value < -0.5 || (value - value.round()).abs() > 1e-6 {
        String::new()
    } else if value >= 10_000.0 && value % 1000.0 == 0.0 {
        format!("{:.0}k", value / 1000.0)
    } else {
        format!("{value:.0}")
    }
}

/// Marks at multiples of 1, 2 or 5 times a power of ten, at least `apart` apart.
pub fn round_marks(input: &GridInput, apart: f64) -> Vec<GridMark> {
    let wanted = apart.max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(wanted.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|multiple| multiple * power)
        .into_iter()
        .find(|step| *step >= wanted * 0.999)
        .unwrap_or(10.0 * power);
    let (low, high) = input.bounds;
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    // A plot shows a dozen marks; more means bounds that make no sense.
    if last.saturating_sub(first) > 200 {
        return Vec::new();
    }
    (first..=last).map(|index| GridMark { value: index as f64 * step, step_size: step }).collect()
}

/// Where marks stand on a logarithmic axis from `low` to `high`, both positive.
///
/// At powers of ten where there are enough of them, else at 1, 2 and 5 times those, else closer. At least three as long as `low` is below `high`.
pub fn log_marks(low: f64, high: f64) -> Vec<f64> {
    const ENOUGH: usize = 3;
    const MOST: usize = 8;
    if !(low > 0.0 && high > low && high.is_finite()) {
        return Vec::new();
    }
    let multiples: [&[f64]; 4] =
        [&[1.0], &[1.0, 3.0], &[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 3.0, 4.0, 6.0]];
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    for multiples in multiples {
        let decades = (first..=last)
            .flat_map(|power| multiples.iter().map(move |multiple| multiple * 10_f64.powi(power)));
        let found: Vec<f64> = decades.filter(|mark| (low..=high).contains(mark)).collect();
        if found.len() > MOST {
            let every = found.len().div_ceil(MOST);
            return found.into_iter().step_by(every).collect();
        }
        if found.len() >= ENOUGH {
            return found;
        }
    }
    // Less than an octave: round steps, as on any other axis.
    let power = 10_f64.powf(((high - low) / ENOUGH as f64).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|multiple| multiple * power);
    let count = |step: f64| (high / step).floor() - (low / step).ceil() + 1.0;
    let step = steps.into_iter().rev().find(|step| count(*step) >= ENOUGH as f64).unwrap_or(power);
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last).map(|index| index as f64 * step).collect()
}

/// A value beside a logarithmic axis: `1.2`, `20k`, `5e9`.
pub fn log_words(value: f64) -> String {
    let rounded = |value: f64| {
        let text = format!("{value:.2}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match value {
        value if !(0.01..1e9).contains(&value) => scientific(value),
        value if value >= 1e6 => format!("{}M", rounded(value / 1e6)),
        value if value >= 1e3 => format!("{}k", rounded(value / 1e3)),
        value if value >= 100.0 => format!("{value:.0}"),
        value => rounded(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_a_logarithmic_axis_are_round_however_much_it_spans() {
        let table = [
            (8e3, 7e5, vec![1e4, 3e4, 1e5, 3e5]),
            (1e3, 2e6, vec![1e3, 1e4, 1e5, 1e6]),
            (1.1, 2.6, vec![1.5, 2.0]),
            (1.15, 1.35, vec![1.15, 1.2, 1.25, 1.3, 1.35]),
        ];
        for (low, high, expected) in table {
            let found = log_marks(low, high);
            if expected.len() < 3 {
                assert!(found.len() >= 3, "{low} to {high}: {found:?}");
            } else {
                assert_eq!(found.len(), expected.len(), "{low} to {high}: {found:?}");
                let near = |(one, other): (&f64, &f64)| (one / other - 1.0).abs() < 1e-9;
                assert!(found.iter().zip(&expected).all(near), "{found:?}");
            }
        }
        assert!(log_marks(1e-3, 1e15).len() <= 8);
        assert!(log_marks(0.0, 1.0).is_empty() && log_marks(2.0, 2.0).is_empty());
        let words = [1.15, 331_776.0, 20_000.0, 5e9, 2e6, 250.0, 1e-3].map(log_words);
        assert_eq!(words, ["1.15", "331.78k", "20k", "5e9", "2M", "250", "1e-3"]);
    }

    #[test]
    fn numbers_are_written_for_people() {
        let table = [
            (Numbers::Plain, 0.4567, "0.457"),
            (Numbers::Plain, -123.45, "-123.5"),
            (Numbers::Percent, 0.8333, "83 %"),
            (Numbers::Scientific, 5e-5, "5e-5"),
            (Numbers::Scientific, 1.25e-5, "1.25e-5"),
            (Numbers::Plain, f64::NAN, "not a number"),
        ];
        for (numbers, value, expected) in table {
            assert_eq!(numbers.text(value), expected);
        }
    }

    #[test]
    fn marks_are_round_and_steps_whole() {
        let input = GridInput { bounds: (0.0, 100.0), base_step_size: 13.0 };
        let values: Vec<_> = round_marks(&input, 13.0).iter().map(|mark| mark.value).collect();
        assert_eq!(values, [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        let close = GridInput { bounds: (0.0, 3.0), base_step_size: 0.1 };
        assert_eq!(round_marks(&close, 1.0).len(), 4);
        assert_eq!(whole_step(2.5), "");
        assert_eq!(whole_step(20_000.0), "20k");
    }
}

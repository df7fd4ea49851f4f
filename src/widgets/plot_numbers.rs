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

#[cfg(test)]
mod tests {
    use super::*;

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

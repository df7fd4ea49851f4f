//! Numbers from text and to text, as Python reads and writes them.

use super::failure::{Failure, Kind, Outcome, value_error};
use super::words::{self, is_space};

/// How a number is laid out: the part of Python's format that `%` and `format` share.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layout {
    /// `+` or a space before what is not negative.
    pub sign: Option<char>,
    /// `#`
    pub alternative: bool,
    pub precision: Option<usize>,
}

/// Without a sign: `e`, `f`, `g` and their capitals.
pub fn float_digits(value: f64, letter: char, layout: Layout) -> String {
    let value = value.abs();
    let upper = letter.is_ascii_uppercase();
    let text = if value.is_nan() {
        "nan".to_owned()
    } else if value.is_infinite() {
        "inf".to_owned()
    } else {
        let precision = layout.precision.unwrap_or(6);
        match letter.to_ascii_lowercase() {
            'e' => exponential(value, precision, layout.alternative),
            'g' => general(value, precision.max(1), layout.alternative),
            _ => {
                let mut text = format!("{value:.precision$}");
                if precision == 0 && layout.alternative {
                    text.push('.');
                }
                text
            }
        }
    };
    if upper { text.to_uppercase() } else { text }
}

fn exponential(value: f64, precision: usize, alternative: bool) -> String {
    let text = format!("{value:.precision$e}");
    let (mut digits, exponent) = match text.split_once('e') {
        Some((digits, exponent)) => (digits.to_owned(), exponent.parse::<i32>().unwrap_or(0)),
        None => (text.clone(), 0),
    };
    if precision == 0 && alternative {
        digits.push('.');
    }
    format!("{digits}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs())
}

fn general(value: f64, precision: usize, alternative: bool) -> String {
    let scientific = format!("{value:.*e}", precision - 1);
    let exponent: i32 =
        scientific.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let trimmed = |text: String| {
        if alternative || !text.contains('.') {
            return text;
        }
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let places = i32::try_from(precision).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= places {
        let text = exponential(value, precision - 1, alternative);
        return match text.split_once('e') {
            Some((digits, exponent)) => format!("{}e{exponent}", trimmed(digits.to_owned())),
            None => text,
        };
    }
    let decimals = (places - 1).saturating_sub(exponent).max(0) as usize;
    let mut text = format!("{value:.decimals$}");
    if decimals == 0 && alternative {
        text.push('.');
    }
    trimmed(text)
}

/// Python's `round(value, digits)` for a float.
pub fn round_float(value: f64, digits: i128) -> f64 {
    if !value.is_finite() || digits > 323 {
        return value;
    }
    if digits < -308 {
        return 0.0_f64.copysign(value);
    }
    if digits >= 0 {
        return format!("{value:.*}", digits as usize).parse().unwrap_or(value);
    }
    // To tens, hundreds…: half to even on the exact value.
    let power = 10_f64.powi(-digits as i32);
    let scaled = value / power;
    let mut rounded = scaled.round();
    if (scaled - rounded).abs() == 0.5 {
        rounded = 2.0 * (scaled / 2.0).round();
    }
    rounded * power
}

/// Python's `round(value, digits)` for a whole number.
pub fn round_integer(value: i128, digits: i128) -> i128 {
    if digits >= 0 {
        return value;
    }
    let Some(power) = u32::try_from(-digits).ok().and_then(|digits| 10_i128.checked_pow(digits))
    else {
        return 0;
    };
    let rest = value.rem_euclid(power);
    let down = value - rest;
    let up = match (rest * 2).cmp(&power) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => (down / power) % 2 != 0,
    };
    if up { down + power } else { down }
}

/// Digits with single underscores between them; other scripts' digits become ASCII.
fn plain_digits(text: &str) -> Option<String> {
    let text = text.trim_matches(is_space);
    let mut plain = String::with_capacity(text.len());
    let mut last = None;
    for character in text.chars() {
        if character == '_' {
            if !last.is_some_and(|last: char| last.is_ascii_alphanumeric()) {
                return None;
            }
        } else if last == Some('_') && !decimal(character).is_ascii_alphanumeric() {
            return None;
        }
        let character = decimal(character);
        if character != '_' {
            plain.push(character);
        }
        last = Some(character);
    }
    (last.is_some() && last != Some('_')).then_some(plain)
}

/// A decimal digit of any script as an ASCII one.
pub fn decimal(character: char) -> char {
    use unicode_general_category::{GeneralCategory, get_general_category};
    if character.is_ascii() || get_general_category(character) != GeneralCategory::DecimalNumber {
        return character;
    }
    // Scripts have their ten digits in a row, from zero.
    let code = u32::from(character);
    let zero = (code.saturating_sub(9)..=code).find(|code| {
        char::from_u32(*code)
            .is_some_and(|c| get_general_category(c) == GeneralCategory::DecimalNumber)
    });
    let value = match code {
        // Rows that follow one another.
        0x1d7ce..=0x1d7ff => (code - 0x1d7ce) % 10,
        _ => code - zero.unwrap_or(code),
    };
    char::from_digit(value, 10).unwrap_or(character)
}

/// Python's `int(text, base)`.
pub fn parse_integer(text: &str, base: i128) -> Outcome<i128> {
    let complain = || {
        let mut quoted = String::new();
        words::quote(text, &mut quoted);
        value_error(format!("invalid literal for int() with base {base}: {quoted}"))
    };
    if base != 0 && !(2..=36).contains(&base) {
        return value_error("int() base must be >= 2 and <= 36, or 0");
    }
    let trimmed = text.trim_matches(is_space);
    let (negative, unsigned) = match trimmed.chars().next() {
        Some('-') => (true, &trimmed[1..]),
        Some('+') => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    let lower = unsigned.to_lowercase();
    let prefixes = [("0x", 16), ("0o", 8), ("0b", 2)];
    let prefix = prefixes
        .iter()
        .find(|(prefix, of)| lower.starts_with(prefix) && (base == 0 || base == *of));
    let (mut radix, mut digits) = (base, unsigned);
    if let Some((prefix, of)) = prefix {
        radix = *of;
        digits = &unsigned[prefix.len()..];
        digits = digits.strip_prefix('_').unwrap_or(digits);
    } else if base == 0 {
        radix = 10;
        let zeros = unsigned.chars().all(|c| c == '0' || c == '_');
        if unsigned.starts_with('0') && !zeros {
            return complain();
        }
    }
    if digits.starts_with(is_space) || digits.starts_with(['+', '-']) {
        return complain();
    }
    let Some(plain) = plain_digits(digits) else { return complain() };
    if !plain.chars().all(|digit| digit.is_digit(radix as u32)) {
        return complain();
    }
    match i128::from_str_radix(&plain, radix as u32) {
        Ok(value) => Ok(if negative { -value } else { value }),
        Err(_) => Err(Failure::new(Kind::Unsupported, "a whole number of more than 38 digits")),
    }
}

/// Python's `float(text)`.
pub fn parse_float(text: &str) -> Outcome<f64> {
    let complain = || {
        let mut quoted = String::new();
        words::quote(text, &mut quoted);
        value_error(format!("could not convert string to float: {quoted}"))
    };
    let Some(plain) = plain_digits(text) else { return complain() };
    let lower = plain.to_ascii_lowercase();
    let unsigned = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
    let known = matches!(unsigned, "inf" | "infinity" | "nan")
        || unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if !known {
        return complain();
    }
    // An underscore may only stand between digits.
    let bytes = text.as_bytes();
    let between = |at: usize| {
        let digit = |at: Option<usize>| {
            at.and_then(|at| bytes.get(at))
                .is_some_and(|byte| byte.is_ascii_digit() || *byte >= 0x80)
        };
        digit(at.checked_sub(1)) && digit(Some(at + 1))
    };
    if bytes.iter().enumerate().any(|(at, byte)| *byte == b'_' && !between(at)) {
        return complain();
    }
    lower.parse().or_else(|_| complain())
}

/// What `int(float)` gives.
pub fn truncate(value: f64) -> Outcome<i128> {
    if value.is_nan() {
        return value_error("cannot convert float NaN to integer");
    }
    if value.is_infinite() {
        return Err(Failure::new(Kind::Overflow, "cannot convert float infinity to integer"));
    }
    if value.abs() >= 1e38 {
        return Err(Failure::new(Kind::Unsupported, "a whole number of more than 38 digits"));
    }
    Ok(value.trunc() as i128)
}

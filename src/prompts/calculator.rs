//! A calculator of arithmetic in exact fractions: what a model may be given in place of sums in its
//! head.
//!
//! It knows numbers, + - * / // % ^ and parentheses, and names that were worked out before; it
//! runs nothing.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use num_rational::BigRational;

/// A number as it is kept: a fraction of whole numbers of any length.
pub type Number = BigRational;

/// Names that were worked out before.
pub type Names = BTreeMap<String, Number>;

/// Longer expressions are no arithmetic of a person or a small model.
const MOST_LETTERS: usize = 2000;

/// Parentheses in parentheses.
const DEEPEST: usize = 64;

/// Bits of a numerator or denominator: about 1,200 digits.
const MOST_BITS: u64 = 4096;

/// Decimals of a fraction that has no end.
const DECIMALS: usize = 12;

/// Decimals of one that ends: more than that is shown rounded, with the fraction.
const MOST_DECIMALS: usize = 30;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalculatorError {
    #[error("`{0}` divides by zero")]
    DivisionByZero(String),

    #[error("there is nothing to calculate")]
    Empty,

    #[error(
        "the calculator does not know `{0}`: it knows numbers, + - * / ^, parentheses, and names that \
         were worked out before"
    )]
    UnknownName(String),

    #[error("the calculator does not understand `{found}` in `{whole}`")]
    Unexpected { found: String, whole: String },

    #[error("`{0}` ends too early: a number or a closing parenthesis is missing")]
    EndsEarly(String),

    #[error("a power needs a whole number from -1000 to 1000, and `{0}` has another")]
    Power(String),

    #[error("the result of `{0}` has too many digits")]
    TooLarge(String),

    #[error("the expression is longer than {MOST_LETTERS} characters or nested too deeply")]
    TooLong,
}

/// The value of an expression.
pub fn value(text: &str, names: &Names) -> Result<Number, CalculatorError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(CalculatorError::Empty);
    }
    if text.chars().count() > MOST_LETTERS {
        return Err(CalculatorError::TooLong);
    }
    let letters: Vec<char> = text.chars().collect();
    let mut reader = Reader { letters: &letters, at: 0, depth: 0, whole: text, names };
    let value = reader.sum()?;
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(reader.unexpected()),
    }
}

/// The value in words: `0.3`, or `1/3 (about 0.333333333333)`.
pub fn words(number: &Number) -> String {
    if number.is_integer() {
        return number.numer().to_string();
    }
    let (sign, whole, rest) = parts(number);
    if let Some(digits) = ending_decimals(&rest, number.denom()) {
        return format!("{sign}{whole}.{digits}");
    }
    // One digit more, then rounded half up.
    let scale = BigInt::from(10).pow(DECIMALS as u32);
    let doubled = &rest * &scale * BigInt::from(2) + number.denom();
    let rounded = doubled / (number.denom() * BigInt::from(2));
    let (whole, rounded) = if rounded == scale {
        (whole + BigInt::from(1), BigInt::from(0))
    } else {
        (whole, rounded)
    };
    let decimals = format!("{rounded:0>DECIMALS$}");
    let decimals = decimals.trim_end_matches('0');
    let point = if decimals.is_empty() { "" } else { "." };
    format!("{}/{} (about {sign}{whole}{point}{decimals})", number.numer(), number.denom())
}

/// Sign, whole part and what remains over the denominator.
fn parts(number: &Number) -> (&'static str, BigInt, BigInt) {
    let zero = BigInt::from(0);
    let (sign, numerator) =
        if *number.numer() < zero { ("-", -number.numer()) } else { ("", number.numer().clone()) };
    let whole = &numerator / number.denom();
    let rest = numerator % number.denom();
    (sign, whole, rest)
}

fn ending_decimals(rest: &BigInt, denominator: &BigInt) -> Option<String> {
    let mut digits = String::new();
    let mut rest = rest.clone();
    for _ in 0..MOST_DECIMALS {
        rest *= BigInt::from(10);
        digits.push_str(&(&rest / denominator).to_string());
        rest %= denominator;
        if rest == BigInt::from(0) {
            return Some(digits);
        }
    }
    None
}

struct Reader<'a> {
    letters: &'a [char],
    at: usize,
    depth: usize,
    whole: &'a str,
    names: &'a Names,
}

impl Reader<'_> {
    /// The next letter that is no space.
    fn peek(&mut self) -> Option<char> {
        while self.letters.get(self.at).is_some_and(|letter| letter.is_whitespace()) {
            self.at += 1;
        }
        self.letters.get(self.at).copied()
    }

    /// Takes `sign` if it comes next.
    fn takes(&mut self, sign: &str) -> bool {
        self.peek();
        let count = sign.chars().count();
        let found = self.letters[self.at..].iter().take(count).copied();
        let is_here = found.eq(sign.chars());
        self.at += if is_here { count } else { 0 };
        is_here
    }

    fn unexpected(&mut self) -> CalculatorError {
        let whole = self.whole.to_owned();
        if self.peek().is_none() {
            return CalculatorError::EndsEarly(whole);
        }
        let found = self.letters[self.at..].iter().take(12).collect();
        CalculatorError::Unexpected { found, whole }
    }

    fn small(&self, number: Number) -> Result<Number, CalculatorError> {
        if number.numer().bits() > MOST_BITS || number.denom().bits() > MOST_BITS {
            return Err(CalculatorError::TooLarge(self.whole.to_owned()));
        }
        Ok(number)
    }

    fn sum(&mut self) -> Result<Number, CalculatorError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(CalculatorError::TooLong);
        }
        let mut value = self.product()?;
        loop {
            if self.takes("+") {
                value += self.product()?;
            } else if self.takes("-") || self.takes("−") || self.takes("–") {
                value -= self.product()?;
            } else {
                self.depth -= 1;
                return Ok(value);
            }
            value = self.small(value)?;
        }
    }

    fn product(&mut self) -> Result<Number, CalculatorError> {
        let mut value = self.signed()?;
        loop {
            // Before `*`, of which it is made; a power binds its own base more tightly.
            if self.takes("//") {
                let divisor = self.divisor()?;
                value = (value / divisor).floor();
            } else if self.takes("/") || self.takes("÷") {
                let divisor = self.divisor()?;
                value /= divisor;
            } else if self.takes("*") || self.takes("×") || self.takes("·") {
                value *= self.signed()?;
            } else if self.takes("%") {
                // Of two numbers the remainder, with the sign of the divisor as in Python; after one
                // number, hundredths.
                value = match self.peek() {
                    Some(next) if begins_number(next) => {
                        let divisor = self.divisor()?;
                        let times = (&value / &divisor).floor();
                        value - times * divisor
                    }
                    _ => value / Number::from_integer(BigInt::from(100)),
                };
            } else {
                return Ok(value);
            }
            value = self.small(value)?;
        }
    }

    fn divisor(&mut self) -> Result<Number, CalculatorError> {
        let divisor = self.signed()?;
        if *divisor.numer() == BigInt::from(0) {
            return Err(CalculatorError::DivisionByZero(self.whole.to_owned()));
        }
        Ok(divisor)
    }

    fn signed(&mut self) -> Result<Number, CalculatorError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(CalculatorError::TooLong);
        }
        let value = if self.takes("-") || self.takes("−") || self.takes("–") {
            -self.signed()?
        } else if self.takes("+") {
            self.signed()?
        } else {
            self.power()?
        };
        self.depth -= 1;
        Ok(value)
    }

    fn power(&mut self) -> Result<Number, CalculatorError> {
        let base = self.atom()?;
        if !(self.takes("**") || self.takes("^")) {
            return Ok(base);
        }
        let exponent = self.signed()?;
        let refused = || CalculatorError::Power(self.whole.to_owned());
        let whole =
            if exponent.is_integer() { exponent.to_integer() } else { return Err(refused()) };
        let whole = i32::try_from(&whole).ok().filter(|whole| whole.abs() <= 1000);
        let whole = whole.ok_or_else(refused)?;
        if *base.numer() == BigInt::from(0) && whole < 0 {
            return Err(CalculatorError::DivisionByZero(self.whole.to_owned()));
        }
        let bits = base.numer().bits().max(base.denom().bits());
        if bits * u64::from(whole.unsigned_abs()) > MOST_BITS * 2 {
            return Err(CalculatorError::TooLarge(self.whole.to_owned()));
        }
        self.small(base.pow(whole))
    }

    fn atom(&mut self) -> Result<Number, CalculatorError> {
        match self.peek() {
            Some('(') => {
                self.at += 1;
                let value = self.sum()?;
                if self.takes(")") { Ok(value) } else { Err(self.unexpected()) }
            }
            Some('$' | '€' | '£') => {
                self.at += 1; // amounts as models write them
                self.atom()
            }
            Some(first) if first.is_ascii_digit() || first == '.' => self.number(),
            Some(first) if first.is_alphabetic() || first == '_' => {
                let is_part = |letter: &&char| letter.is_alphanumeric() || **letter == '_';
                let name: String = self.letters[self.at..].iter().take_while(is_part).collect();
                self.at += name.chars().count();
                let known = self.names.get(&name).cloned();
                known.ok_or(CalculatorError::UnknownName(name))
            }
            _ => Err(self.unexpected()),
        }
    }

    /// `1,234.5`: commas between groups of three digits are taken as such.
    fn number(&mut self) -> Result<Number, CalculatorError> {
        let digits = |reader: &mut Self| {
            let start = reader.at;
            while reader.letters.get(reader.at).is_some_and(char::is_ascii_digit) {
                reader.at += 1;
            }
            reader.letters[start..reader.at].iter().collect::<String>()
        };
        let mut whole = digits(self);
        let has_groups = (1..=3).contains(&whole.len());
        loop {
            let group = self.letters.get(self.at + 1..self.at + 4);
            let is_group = self.letters.get(self.at) == Some(&',')
                && group.is_some_and(|group| group.iter().all(char::is_ascii_digit))
                && !self.letters.get(self.at + 4).is_some_and(char::is_ascii_digit);
            if !has_groups || !is_group {
                break;
            }
            whole.extend(group.into_iter().flatten());
            self.at += 4;
        }
        let decimals = if self.letters.get(self.at) == Some(&'.') {
            self.at += 1;
            digits(self)
        } else {
            String::new()
        };
        if whole.is_empty() && decimals.is_empty() {
            return Err(self.unexpected());
        }
        let numerator: BigInt = format!("0{whole}{decimals}").parse().expect("digits are a number");
        let denominator = BigInt::from(10).pow(decimals.len() as u32);
        self.small(Number::new(numerator, denominator))
    }
}

fn begins_number(letter: char) -> bool {
    letter.is_alphanumeric() || "(._".contains(letter)
}

/// A line of a program that was worked out.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// As it was written.
    pub text: String,

    /// The name that it gives its value to.
    pub name: Option<String>,
    pub value: Result<Number, CalculatorError>,
}

/// Works out the lines of arithmetic in a text, one after the other: `price = 3 * 12`, or an
/// expression alone.
///
/// Prose between them, comments after `#` and fences of code are passed over; a
/// line that gives a name a value and cannot be worked out is an error in its place.
pub fn program(text: &str) -> Vec<Line> {
    let mut names = Names::new();
    let mut lines = Vec::new();
    for written in text.lines() {
        let line = written.split('#').next().unwrap_or_default().trim();
        let line = line.trim_start_matches(['-', '*', '•', '>', ' ']).trim_matches('`').trim();
        let line = line.trim_end_matches([';', ',']).trim();
        if line.is_empty() {
            continue;
        }
        let inside = line.strip_prefix("print(").and_then(|inside| inside.strip_suffix(')'));
        let line = inside.or_else(|| line.strip_prefix("return ")).unwrap_or(line);
        let (first, rest) = match line.split_once('=') {
            Some((first, rest)) => (first.trim(), Some(rest.trim())),
            None => (line, None),
        };
        let assigned = rest.filter(|_| super::template::is_name(first) && !first.contains('.'));
        // `3 * 12 = 36`, and `total = 3 * 12 = 36`: the result after the last sign is the model's.
        let expression = assigned.unwrap_or(first).split('=').next().unwrap_or_default();
        let found = value(expression, &names);
        if assigned.is_none() && found.is_err() && !is_sum(expression) {
            continue; // prose
        }
        let name = assigned.map(|_| first.to_owned());
        if let (Some(name), Ok(value)) = (&name, &found) {
            names.insert(name.clone(), value.clone());
        }
        lines.push(Line { text: written.trim().to_owned(), name, value: found });
    }
    lines
}

/// Whether a line can only be meant as arithmetic: it has no letters.
fn is_sum(text: &str) -> bool {
    text.contains(|letter: char| letter.is_ascii_digit())
        && text.contains(['+', '*', '/', '^', '×', '÷'])
        && !text.contains(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(text: &str) -> String {
        match value(text, &Names::new()) {
            Ok(number) => words(&number),
            Err(err) => err.to_string(),
        }
    }

    /// Right values: Python's `fractions.Fraction` of the same expressions.
    #[test]
    fn arithmetic_is_exact() {
        for (text, expected) in [
            ("2 + 3 * 4", "14"),
            ("(2 + 3) * 4", "20"),
            ("0.1 + 0.2", "0.3"),
            ("1/3", "1/3 (about 0.333333333333)"),
            ("-2/3", "-2/3 (about -0.666666666667)"),
            ("1/3 + 1/6", "0.5"),
            ("2^10", "1024"),
            ("-2^2", "-4"),
            ("2^-2", "0.25"),
            ("2**3**2", "512"),
            ("7 // 2", "3"),
            ("-7 // 2", "-4"),
            ("7 % 3", "1"),
            ("-7 % 3", "2"),
            ("250 * 20%", "50"),
            ("1,234,567 + 1", "1234568"),
            ("$3.50 × 2", "7"),
            ("10 − 4 ÷ 2", "8"),
            ("2^200", "1606938044258990275541962092341162602522202993782792835301376"),
            ("999999999999999999 / 1000000000000000000", "0.999999999999999999"),
            ("9999999999999/9999999999998", "9999999999999/9999999999998 (about 1)"),
        ] {
            assert_eq!(says(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_worked_out_is_said() {
        for (text, expected) in [
            ("1 / (2 - 2)", "`1 / (2 - 2)` divides by zero"),
            ("0^-1", "`0^-1` divides by zero"),
            ("5 % 0", "`5 % 0` divides by zero"),
            ("", "there is nothing to calculate"),
            ("2 +", "`2 +` ends too early: a number or a closing parenthesis is missing"),
            ("(2", "`(2` ends too early: a number or a closing parenthesis is missing"),
            ("2 &", "does not understand `&` in `2 &`"),
            ("1 2", "does not understand `2` in `1 2`"),
            ("2^0.5", "a power needs a whole number"),
            ("9^9^9", "a power needs a whole number"),
            ("(9^900)^900", "has too many digits"),
            ("import os", "does not know `import`"),
        ] {
            assert!(says(text).contains(expected), "{text}: {}", says(text));
        }
        assert_eq!(says(&"(".repeat(500)), CalculatorError::TooLong.to_string());
        assert_eq!(says(&"-".repeat(500)), CalculatorError::TooLong.to_string());
    }

    #[test]
    fn a_program_is_worked_out_line_by_line() {
        let text = "Let us see.\n```\nprice = 3 * 12  # each\ntax = price * 7%\ntotal = price + tax = 38.52\n\
                    ```\nSo it is 38.52 in all.\nprint(total)";
        let lines = program(text);
        let said: Vec<String> = lines
            .iter()
            .map(|line| format!("{:?} {}", line.name, words(line.value.as_ref().unwrap())))
            .collect();
        let name = |name: &str, value: &str| format!("Some({name:?}) {value}");
        let expected = [
            name("price", "36"),
            name("tax", "2.52"),
            name("total", "38.52"),
            "None 38.52".to_owned(),
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_line_that_fails_is_an_error_in_its_place() {
        let lines = program("a = 0\nb = 1 / a\nc = b + 1\n4 / 0");
        let errors: Vec<bool> = lines.iter().map(|line| line.value.is_err()).collect();
        assert_eq!(errors, [false, true, true, true]);
    }
}

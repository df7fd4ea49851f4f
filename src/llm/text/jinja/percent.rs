//! Python's `%` on strings.

use super::failure::{Outcome, type_error, value_error};
use super::items::item;
use super::numbers::{self, Layout, float_digits};
use super::value::{LONGEST, Object, Value};
use super::words::{self, escape};

struct Directive {
    left: bool,
    zero: bool,
    layout: Layout,
    width: usize,
}

/// Hands out the values, and knows at the end whether some are left over.
struct Source<'a> {
    values: &'a Value,
    next: usize,
    /// Left over values are no mistake: a dictionary, a list.
    mapping: bool,
}

impl Source<'_> {
    fn next(&mut self) -> Outcome<Value> {
        self.next += 1;
        let value = match self.values.as_tuple() {
            Some(items) => items.get(self.next - 1).cloned(),
            None => (self.next == 1).then(|| self.values.clone()),
        };
        match value {
            Some(value) => Ok(value),
            None => type_error("not enough arguments for format string"),
        }
    }

    fn has_more(&self) -> bool {
        match self.values.as_tuple() {
            Some(items) => self.next < items.len(),
            None => self.next == 0,
        }
    }
}

/// The widest field, and the most digits: 65,535 is what Rust can lay out.
pub const WIDEST: i128 = 50_000;

pub fn format(format: &Value, values: &Value) -> Outcome<Value> {
    let Some(text) = format.as_str() else { return type_error("% needs a string") };
    let safe = matches!(format, Value::Safe(_));
    let mapping = match values {
        Value::List(_) | Value::Dict(_) | Value::Undefined(_) => true,
        Value::Object(object) => matches!(**object, Object::Range { .. }),
        _ => false,
    };
    let mut source = Source { values, next: 0, mapping };
    let mut out = String::new();
    let mut rest: &str = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = one(&rest[at + 1..], &mut source, safe, &mut out)?;
        if out.len() > LONGEST {
            return value_error("the formatted text is too long");
        }
    }
    out.push_str(rest);
    if source.has_more() && !source.mapping {
        return type_error("not all arguments converted during string formatting");
    }
    Ok(Value::text_like(format, out))
}

/// Writes what follows a `%`; gives what follows that.
fn one<'t>(
    text: &'t str,
    source: &mut Source<'_>,
    safe: bool,
    out: &mut String,
) -> Outcome<&'t str> {
    let mut rest = text;
    let mut keyed = None;
    if let Some(inner) = rest.strip_prefix('(') {
        let mut depth = 1;
        let end = inner.char_indices().find(|(_, character)| {
            depth += match character {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        if !source.mapping {
            return type_error("format requires a mapping");
        }
        let Some((end, _)) = end else { return value_error("incomplete format key") };
        keyed = Some(item(source.values, &Value::from(&inner[..end]))?);
        source.next = 1;
        rest = &inner[end + 1..];
    }
    let mut directive = Directive { left: false, zero: false, layout: Layout::default(), width: 0 };
    while let Some(flag) = rest.chars().next().filter(|flag| "-+ #0".contains(*flag)) {
        match flag {
            '-' => directive.left = true,
            '+' => directive.layout.sign = Some('+'),
            ' ' => directive.layout.sign = directive.layout.sign.or(Some(' ')),
            '#' => directive.layout.alternative = true,
            _ => directive.zero = true,
        }
        rest = &rest[1..];
    }
    let number = |rest: &mut &'t str, source: &mut Source<'_>| -> Outcome<i128> {
        if let Some(after) = rest.strip_prefix('*') {
            *rest = after;
            return match source.next()? {
                Value::Int(value) => Ok(value),
                Value::Bool(value) => Ok(i128::from(value)),
                _ => type_error("* wants int"),
            };
        }
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let value = rest[..digits].parse().unwrap_or(if digits == 0 { 0 } else { i128::MAX });
        *rest = &rest[digits..];
        if value > WIDEST { value_error("width too big") } else { Ok(value) }
    };
    let width = number(&mut rest, source)?;
    directive.left |= width < 0;
    directive.width = width.unsigned_abs() as usize;
    if let Some(after) = rest.strip_prefix('.') {
        rest = after;
        directive.layout.precision = Some(number(&mut rest, source)?.max(0) as usize);
    }
    rest = rest.strip_prefix(['h', 'l', 'L']).unwrap_or(rest);
    let Some(letter) = rest.chars().next() else { return value_error("incomplete format") };
    rest = &rest[letter.len_utf8()..];
    if letter == '%' {
        out.push('%');
        return Ok(rest);
    }
    let value = match keyed {
        Some(value) => value,
        None => source.next()?,
    };
    write(&value, letter, &directive, safe, out)?;
    Ok(rest)
}

fn write(
    value: &Value,
    letter: char,
    directive: &Directive,
    safe: bool,
    out: &mut String,
) -> Outcome<()> {
    let layout = directive.layout;
    let (sign, digits, numeric) = match letter {
        's' | 'r' | 'a' => {
            let mut text = match letter {
                's' => words::text(value),
                'r' => words::repr(value),
                _ => ascii(&words::repr(value)),
            };
            if safe {
                let text_value = if letter == 's' { value.clone() } else { Value::from(text) };
                text = words::text(&escape(&text_value));
            }
            if let Some(precision) = layout.precision {
                text = text.chars().take(precision).collect();
            }
            (String::new(), text, false)
        }
        'c' => (String::new(), character(value)?, false),
        'd' | 'i' | 'u' => {
            let whole = match value {
                Value::Float(float) => numbers::truncate(*float)?,
                Value::Undefined(_) => return Err(value.undefined_failure()),
                _ => whole(value, letter, "a real number is required")?,
            };
            let (sign, digits) = integer(whole, 10, layout);
            (sign, digits, true)
        }
        'x' | 'X' | 'o' => {
            let whole = whole(value, letter, "an integer is required")?;
            let radix = if letter == 'o' { 8 } else { 16 };
            let (mut sign, mut digits) = integer(whole, radix, layout);
            if layout.alternative {
                sign.push_str(if letter == 'o' { "0o" } else { "0x" });
            }
            if letter == 'X' {
                digits = digits.to_uppercase();
                sign = sign.to_uppercase();
            }
            (sign, digits, true)
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let float = match value.as_float() {
                Some(float) => float,
                None if value.is_undefined() => return Err(value.undefined_failure()),
                None => {
                    let name = value.type_name();
                    return type_error(format!("must be real number, not {name}"));
                }
            };
            let negative = float.is_sign_negative() && !float.is_nan();
            let sign = if negative { Some('-') } else { layout.sign };
            (sign.into_iter().collect(), float_digits(float, letter, layout), true)
        }
        other => {
            return value_error(format!(
                "unsupported format character '{other}' (0x{:x})",
                u32::from(other)
            ));
        }
    };
    let length = sign.chars().count() + digits.chars().count();
    let fill = directive.width.saturating_sub(length);
    if directive.left {
        out.push_str(&sign);
        out.push_str(&digits);
        out.push_str(&" ".repeat(fill));
    } else if directive.zero && numeric {
        out.push_str(&sign);
        out.push_str(&"0".repeat(fill));
        out.push_str(&digits);
    } else {
        out.push_str(&" ".repeat(fill));
        out.push_str(&sign);
        out.push_str(&digits);
    }
    Ok(())
}

fn whole(value: &Value, letter: char, what: &str) -> Outcome<i128> {
    match value.as_index() {
        Some(whole) => Ok(whole),
        None if value.is_undefined() => Err(value.undefined_failure()),
        None => type_error(format!("%{letter} format: {what}, not {}", value.type_name())),
    }
}

fn integer(value: i128, radix: u32, layout: Layout) -> (String, String) {
    let sign = if value < 0 { Some('-') } else { layout.sign };
    let magnitude = value.unsigned_abs();
    let mut digits = match radix {
        8 => format!("{magnitude:o}"),
        16 => format!("{magnitude:x}"),
        _ => magnitude.to_string(),
    };
    if let Some(precision) = layout.precision {
        digits = format!("{}{digits}", "0".repeat(precision.saturating_sub(digits.len())));
    }
    (sign.into_iter().collect(), digits)
}

fn character(value: &Value) -> Outcome<String> {
    if let Some(text) = value.as_str() {
        let mut characters = text.chars();
        return match (characters.next(), characters.next()) {
            (Some(character), None) => Ok(character.to_string()),
            _ => type_error("%c requires int or char"),
        };
    }
    let Some(code) = value.as_index() else {
        return type_error(format!("%c requires int or char, not {}", value.type_name()));
    };
    match u32::try_from(code).ok().and_then(char::from_u32) {
        Some(character) => Ok(character.to_string()),
        None => value_error("%c arg not in range(0x110000)"),
    }
}

/// Python's `ascii`: what `repr` gives, with everything beyond ASCII escaped.
pub fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            words::write_escape(character, &mut out);
        }
    }
    out
}

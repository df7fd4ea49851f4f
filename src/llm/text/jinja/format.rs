//! Python's `str.format`, with the sandbox's look-ups.

use super::arguments::Values;
use super::failure::{Failure, Kind, Outcome, type_error, value_error};
use super::numbers::{Layout, float_digits};
use super::percent::{WIDEST, ascii};
use super::value::{Interpreter, LONGEST, Value};
use super::words::{self, escape, escape_html};

pub fn format(of: &Value, values: &Values, interpreter: &dyn Interpreter) -> Outcome<Value> {
    let safe = matches!(of, Value::Safe(_));
    let Some(text) = of.as_str() else { return type_error("format needs a string") };
    let mut formatter = Formatter { values, interpreter, automatic: Some(0), safe };
    Ok(Value::text_like(of, formatter.run(text, 2)?))
}

struct Formatter<'a> {
    values: &'a Values,
    interpreter: &'a dyn Interpreter,
    /// The next field without a number; `None` once fields have been numbered by hand.
    automatic: Option<usize>,
    safe: bool,
}

impl Formatter<'_> {
    fn run(&mut self, text: &str, depth: i32) -> Outcome<String> {
        if depth < 0 {
            return value_error("Max string recursion exceeded");
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            out.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                out.push_str(brace);
                rest = after;
                continue;
            }
            if brace == "}" {
                return value_error("Single '}' encountered in format string");
            }
            let (field, after) = field_of(rest)?;
            out.push_str(&self.field(field, depth)?);
            rest = after;
            if out.len() > LONGEST {
                return value_error("the formatted text is too long");
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    fn field(&mut self, field: &str, depth: i32) -> Outcome<String> {
        // Brackets may hold anything.
        let mut in_brackets = false;
        let end = field.char_indices().find(|(_, character)| match character {
            '[' => {
                in_brackets = true;
                false
            }
            ']' => {
                in_brackets = false;
                false
            }
            ':' | '!' => !in_brackets,
            _ => false,
        });
        let (name, rest) = end.map_or((field, ""), |(at, _)| field.split_at(at));
        let (conversion, specification) = if let Some(rest) = rest.strip_prefix('!') {
            let mut characters = rest.chars();
            let Some(conversion) = characters.next() else {
                return value_error("end of string while looking for conversion specifier");
            };
            match characters.as_str() {
                "" => (Some(conversion), ""),
                rest => match rest.strip_prefix(':') {
                    Some(specification) => (Some(conversion), specification),
                    None => return value_error("expected ':' after conversion specifier"),
                },
            }
        } else {
            (None, rest.strip_prefix(':').unwrap_or(""))
        };
        let mut value = self.look_up(name)?;
        value = match conversion {
            None => value,
            Some('s') => Value::from(words::text(&value)),
            Some('r') => Value::from(words::repr(&value)),
            Some('a') => Value::from(ascii(&words::repr(&value))),
            Some(other) => return value_error(format!("Unknown conversion specifier {other}")),
        };
        let specification = self.run(specification, depth - 1)?;
        if !self.safe {
            return one(&value, &specification);
        }
        if matches!(value, Value::Safe(_)) {
            if !specification.is_empty() {
                return value_error("Unsupported format specification for Markup.");
            }
            return Ok(words::text(&escape(&value)));
        }
        Ok(escape_html(&one(&value, &specification)?))
    }

    fn look_up(&mut self, name: &str) -> Outcome<Value> {
        let counted;
        let mut name = name;
        let by_hand = !name.is_empty() && name.chars().all(|c| c.is_ascii_digit());
        match self.automatic {
            Some(next) if name.is_empty() => {
                counted = next.to_string();
                name = &counted;
                self.automatic = Some(next + 1);
            }
            None if name.is_empty() => {
                return value_error(
                    "cannot switch from manual field specification to automatic field numbering",
                );
            }
            Some(next) if by_hand => {
                if next > 0 {
                    return value_error(
                        "cannot switch from manual field specification to automatic field numbering",
                    );
                }
                self.automatic = None;
            }
            _ => {}
        }
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let (first, mut rest) = name.split_at(end);
        let digits = !first.is_empty() && first.chars().all(|c| c.is_ascii_digit());
        let mut value = if digits {
            let index: usize = first.parse().unwrap_or(usize::MAX);
            if let Some(value) = self.values.positional.get(index) {
                value.clone()
            } else {
                let message =
                    format!("Replacement index {index} out of range for positional args tuple");
                return Err(Failure::new(Kind::Lookup, message));
            }
        } else {
            match self.values.named.iter().find(|(name, _)| &**name == first) {
                Some((_, value)) => value.clone(),
                None => return Err(Failure::new(Kind::Lookup, format!("'{first}'"))),
            }
        };
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let (attribute, after) = after.split_at(end);
                if attribute.is_empty() {
                    return value_error("Empty attribute in format string");
                }
                value = self.interpreter.attribute(&value, attribute)?;
                rest = after;
            } else if let Some(after) = rest.strip_prefix('[') {
                let Some((index, after)) = after.split_once(']') else {
                    return value_error("Missing ']' in format string");
                };
                if index.is_empty() {
                    return value_error("Empty attribute in format string");
                }
                let index = match index.parse::<i128>() {
                    Ok(number) if index.chars().all(|c| c.is_ascii_digit()) => Value::Int(number),
                    _ => Value::from(index),
                };
                value = self.interpreter.subscript(&value, &index)?;
                rest = after;
            } else {
                return value_error("Only '.' or '[' may follow ']' in format field specifier");
            }
        }
        Ok(value)
    }
}

/// What stands between braces, and what follows them.
fn field_of(text: &str) -> Outcome<(&str, &str)> {
    let mut depth = 1;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Ok((&text[..at], &text[at + 1..]));
        }
    }
    if text.is_empty() {
        return value_error("Single '{' encountered in format string");
    }
    value_error("expected '}' before end of string")
}

#[derive(Default)]
struct Specification {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternative: bool,
    width: usize,
    group: Option<char>,
    precision: Option<usize>,
    letter: Option<char>,
}

fn parse(text: &str, value: &Value) -> Outcome<Specification> {
    let mut specification = Specification::default();
    let characters: Vec<char> = text.chars().collect();
    let is_align = |at: usize| characters.get(at).is_some_and(|c| "<>=^".contains(*c));
    let mut at = 0;
    if is_align(1) {
        specification.fill = Some(characters[0]);
        specification.align = Some(characters[1]);
        at = 2;
    } else if is_align(0) {
        specification.align = Some(characters[0]);
        at = 1;
    }
    if let Some(sign) = characters.get(at).filter(|sign| "+- ".contains(**sign)) {
        specification.sign = Some(*sign);
        at += 1;
    }
    if characters.get(at) == Some(&'z') {
        return Err(Failure::new(Kind::Unsupported, "the format option z"));
    }
    if characters.get(at) == Some(&'#') {
        specification.alternative = true;
        at += 1;
    }
    if specification.fill.is_none() && characters.get(at) == Some(&'0') {
        specification.fill = Some('0');
        if specification.align.is_none() && !matches!(value, Value::Str(_) | Value::Safe(_)) {
            specification.align = Some('=');
        }
        at += 1;
    }
    let number = |at: &mut usize| -> Outcome<Option<usize>> {
        let start = *at;
        while characters.get(*at).is_some_and(char::is_ascii_digit) {
            *at += 1;
        }
        if start == *at {
            return Ok(None);
        }
        let digits: String = characters[start..*at].iter().collect();
        match digits.parse() {
            Ok(number) if number as i128 <= WIDEST => Ok(Some(number)),
            _ => value_error("Too many decimal digits in format string"),
        }
    };
    specification.width = number(&mut at)?.unwrap_or(0);
    if let Some(group) = characters.get(at).filter(|group| matches!(**group, ',' | '_')) {
        specification.group = Some(*group);
        at += 1;
    }
    if characters.get(at) == Some(&'.') {
        at += 1;
        specification.precision = match number(&mut at)? {
            Some(precision) => Some(precision),
            None => return value_error("Format specifier missing precision"),
        };
    }
    match characters.get(at..).unwrap_or_default() {
        [] => {}
        [letter] => specification.letter = Some(*letter),
        _ => {
            let name = value.type_name();
            return value_error(format!(
                "Invalid format specifier '{text}' for object of type '{name}'"
            ));
        }
    }
    Ok(specification)
}

/// Python's `format(value, specification)`.
fn one(value: &Value, text: &str) -> Outcome<String> {
    if text.is_empty() {
        return Ok(words::text(value));
    }
    match value {
        Value::Str(_) | Value::Safe(_) => {
            let specification = parse(text, value)?;
            string(&words::text(value), &specification)
        }
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
            let specification = parse(text, value)?;
            number(value, &specification)
        }
        _ => {
            let name = value.type_name();
            type_error(format!("unsupported format string passed to {name}.__format__"))
        }
    }
}

fn string(text: &str, specification: &Specification) -> Outcome<String> {
    if let Some(letter) = specification.letter.filter(|letter| *letter != 's') {
        return unknown(letter, "str");
    }
    if specification.sign.is_some() {
        return value_error("Sign not allowed in string format specifier");
    }
    if specification.alternative {
        return value_error("Alternate form (#) not allowed in string format specifier");
    }
    if specification.align == Some('=') {
        return value_error("'=' alignment not allowed in string format specifier");
    }
    if let Some(group) = specification.group {
        return value_error(format!("Cannot specify '{group}' with 's'."));
    }
    let text: String = match specification.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text.to_owned(),
    };
    Ok(aligned("", &text, specification, '<'))
}

fn unknown<T>(letter: char, name: &str) -> Outcome<T> {
    value_error(format!("Unknown format code '{letter}' for object of type '{name}'"))
}

fn number(value: &Value, specification: &Specification) -> Outcome<String> {
    let letter = specification.letter;
    let whole = value.as_index();
    let is_float_letter = letter.is_some_and(|letter| "eEfFgG%".contains(letter));
    let (negative, prefix, digits, fraction) = match whole {
        Some(whole) if !is_float_letter => {
            if specification.precision.is_some() {
                return value_error("Precision not allowed in integer format specifier");
            }
            let magnitude = whole.unsigned_abs();
            let (prefix, digits) = match letter {
                None | Some('d' | 'n') => ("", magnitude.to_string()),
                Some('b') => ("0b", format!("{magnitude:b}")),
                Some('o') => ("0o", format!("{magnitude:o}")),
                Some('x') => ("0x", format!("{magnitude:x}")),
                Some('X') => ("0X", format!("{magnitude:X}")),
                Some('c') => {
                    if specification.sign.is_some() {
                        return value_error("Sign not allowed with integer format specifier 'c'");
                    }
                    let character = u32::try_from(whole).ok().and_then(char::from_u32);
                    return match character {
                        Some(character) => {
                            Ok(aligned("", &character.to_string(), specification, '>'))
                        }
                        None => Err(Failure::new(Kind::Overflow, "%c arg not in range(0x110000)")),
                    };
                }
                Some(other) => return unknown(other, "int"),
            };
            let prefix = if specification.alternative { prefix } else { "" };
            (whole < 0, prefix, digits, String::new())
        }
        _ => {
            let float = value.as_float().unwrap_or(f64::NAN);
            let negative = float.is_sign_negative() && !float.is_nan();
            let layout = Layout {
                sign: None,
                alternative: specification.alternative,
                precision: specification.precision,
            };
            let text = match letter {
                Some('%') => format!("{}%", float_digits(float * 100.0, 'f', layout)),
                Some('n') => float_digits(float, 'g', layout),
                Some(letter) if is_float_letter => float_digits(float, letter, layout),
                Some(other) => return unknown(other, "float"),
                None => match specification.precision {
                    None => words::float(float.abs()),
                    Some(precision) => short(float.abs(), precision, layout),
                },
            };
            let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let (digits, fraction) = text.split_at(split);
            (negative, "", digits.to_owned(), fraction.to_owned())
        }
    };
    let sign = if negative { Some('-') } else { specification.sign.filter(|sign| *sign != '-') };
    let mut start: String = sign.into_iter().collect();
    start.push_str(prefix);
    let mut digits = digits;
    if let Some(group) = specification.group {
        let size = if letter.is_some_and(|letter| "boxX".contains(letter)) {
            if group == ',' {
                return value_error(format!(
                    "Cannot specify ',' with '{}'.",
                    letter.unwrap_or('b')
                ));
            }
            4
        } else {
            3
        };
        let zeros = specification.align == Some('=') && specification.fill == Some('0');
        let wanted = if zeros {
            specification.width.saturating_sub(start.chars().count() + fraction.chars().count())
        } else {
            0
        };
        digits = grouped(&digits, group, size, wanted);
    }
    Ok(aligned(&start, &format!("{digits}{fraction}"), specification, '>'))
}

/// A float with a precision and no letter: like `g`, but with a digit after the point.
fn short(value: f64, precision: usize, layout: Layout) -> String {
    let text = float_digits(value, 'g', layout);
    if !value.is_finite() || text.contains(['.', 'e']) {
        return text;
    }
    // `g` would keep up to `precision` digits before the point; here one has to stay behind it.
    if text.len() >= precision.max(1) && !(precision == 0 && text == "0") {
        let layout = Layout { precision: Some(precision.max(1)), ..layout };
        let exponent =
            float_digits(value, 'e', Layout { precision: Some(precision.max(1) - 1), ..layout });
        let (digits, exponent) = exponent.split_once('e').unwrap_or((&exponent, "+00"));
        let digits = if digits.contains('.') {
            digits.trim_end_matches('0').trim_end_matches('.')
        } else {
            digits
        };
        return format!("{digits}e{exponent}");
    }
    format!("{text}.0")
}

fn grouped(digits: &str, group: char, size: usize, wanted: usize) -> String {
    let mut digits = digits.to_owned();
    loop {
        let mut out = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(size) {
                out.push(group);
            }
            out.push(digit);
        }
        if out.len() >= wanted {
            return out;
        }
        digits.insert(0, '0');
    }
}

fn aligned(start: &str, text: &str, specification: &Specification, usual: char) -> String {
    let fill = specification.fill.unwrap_or(' ');
    let missing = specification.width.saturating_sub(start.chars().count() + text.chars().count());
    let pad = |count: usize| fill.to_string().repeat(count);
    match specification.align.unwrap_or(usual) {
        '<' => format!("{start}{text}{}", pad(missing)),
        '^' => format!("{}{start}{text}{}", pad(missing / 2), pad(missing - missing / 2)),
        '=' => format!("{start}{}{text}", pad(missing)),
        _ => format!("{}{start}{text}", pad(missing)),
    }
}

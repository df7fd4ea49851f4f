//! `pprint` and `wordwrap`: Python's `pprint` and `textwrap`.

use super::comparison::less;
use super::failure::{Outcome, unsupported, value_error};
use super::operators::pairs;
use super::sequences::sort;
use super::strings;
use super::value::{Dict, Key, Value};
use super::words::{is_space, repr};

/// How wide `pprint` writes.
const WIDTH: usize = 80;

/// Python's `pprint.pformat`.
pub fn pretty(value: &Value) -> Outcome<String> {
    let mut out = String::new();
    write(&sorted(value)?, &mut out, 0, 0, 0);
    Ok(out)
}

/// With the keys of all dictionaries in order.
fn sorted(value: &Value) -> Outcome<Value> {
    let all = |items: &[Value]| items.iter().map(sorted).collect::<Outcome<Vec<Value>>>();
    Ok(match value {
        Value::List(items) => Value::list(all(items)?),
        Value::Tuple(items) | Value::Group(items) => Value::tuple(all(items)?),
        Value::Dict(dict) => {
            let pairs =
                sort(pairs(dict), |left, right| match (left.as_tuple(), right.as_tuple()) {
                    (Some(left), Some(right)) => key_less(&left[0], &right[0]),
                    _ => Ok(false),
                })?;
            let mut ordered = Dict::new();
            for pair in pairs {
                if let Some(pair) = pair.as_tuple() {
                    ordered.insert(Key::new(pair[0].clone())?, sorted(&pair[1])?);
                }
            }
            Value::dict(ordered)
        }
        _ => value.clone(),
    })
}

/// Keys that cannot be compared go by the names of their types.
fn key_less(left: &Value, right: &Value) -> Outcome<bool> {
    if let Ok(less) = less(left, right) {
        return Ok(less);
    }
    let (left, right) = (left.type_name(), right.type_name());
    if left == right { unsupported("pprint of keys without an order") } else { Ok(left < right) }
}

fn count(text: &str) -> usize {
    text.chars().count()
}

fn write(value: &Value, out: &mut String, indent: usize, allowance: usize, level: usize) {
    let whole = repr(value);
    if count(&whole) <= WIDTH.saturating_sub(indent + allowance) {
        out.push_str(&whole);
        return;
    }
    let level = level + 1;
    let new_line = |out: &mut String| {
        out.push_str(",\n");
        out.push_str(&" ".repeat(indent + 1));
    };
    match value {
        Value::Str(text) => write_text(text, out, indent, allowance, level),
        Value::Dict(dict) => {
            out.push('{');
            for (index, (key, value)) in dict.iter().enumerate() {
                if index > 0 {
                    new_line(out);
                }
                let key = repr(key.value());
                out.push_str(&key);
                out.push_str(": ");
                let after = if index + 1 == dict.len() { allowance + 1 } else { 1 };
                write(value, out, indent + 1 + count(&key) + 2, after, level);
            }
            out.push('}');
        }
        Value::List(items) | Value::Tuple(items) => {
            let (open, close) = match (value, items.len()) {
                (Value::List(_), _) => ("[", "]"),
                (_, 1) => ("(", ",)"),
                _ => ("(", ")"),
            };
            out.push_str(open);
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    new_line(out);
                }
                let after = if index + 1 == items.len() { allowance + close.len() } else { 1 };
                write(item, out, indent + 1, after, level);
            }
            out.push_str(close);
        }
        _ => out.push_str(&whole),
    }
}

/// A text on several lines, in brackets where it stands alone.
fn write_text(text: &str, out: &mut String, indent: usize, allowance: usize, level: usize) {
    let alone = usize::from(level == 1);
    let (indent, allowance) = (indent + alone, allowance + alone);
    let width = WIDTH.saturating_sub(indent);
    let quoted = |text: &str| repr(&Value::from(text));
    let mut chunks: Vec<String> = Vec::new();
    let lines = strings::lines(text, true);
    for (index, line) in lines.iter().enumerate() {
        let is_last = index + 1 == lines.len();
        let last_width = width.saturating_sub(allowance);
        let whole = quoted(line);
        if count(&whole) <= if is_last { last_width } else { width } {
            chunks.push(whole);
            continue;
        }
        let mut current = String::new();
        let mut rest = line.as_str();
        while !rest.is_empty() {
            // A word and the white space after it.
            let word = rest.find(is_space).unwrap_or(rest.len());
            let space = rest[word..].find(|c| !is_space(c)).map_or(rest.len(), |end| word + end);
            let (part, after) = rest.split_at(space);
            rest = after;
            let wide = if rest.is_empty() && is_last { last_width } else { width };
            let candidate = format!("{current}{part}");
            if count(&quoted(&candidate)) > wide {
                if !current.is_empty() {
                    chunks.push(quoted(&current));
                }
                current = part.to_owned();
            } else {
                current = candidate;
            }
        }
        if !current.is_empty() {
            chunks.push(quoted(&current));
        }
    }
    if let [only] = chunks.as_slice() {
        out.push_str(only);
        return;
    }
    if alone == 1 {
        out.push('(');
    }
    out.push_str(&chunks.join(&format!("\n{}", " ".repeat(indent))));
    if alone == 1 {
        out.push(')');
    }
}

/// How `wordwrap` breaks what does not fit.
#[derive(Clone, Copy, Debug)]
pub struct Wrapping {
    pub width: i128,
    pub break_long_words: bool,
    pub break_on_hyphens: bool,
}

/// Python's `textwrap.wrap` of one line.
pub fn wrap(line: &str, wrapping: Wrapping) -> Outcome<Vec<String>> {
    let Wrapping { width, break_long_words, break_on_hyphens } = wrapping;
    let Some(width) = usize::try_from(width).ok().filter(|width| *width > 0) else {
        return value_error(format!("invalid width {width} (must be > 0)"));
    };
    let characters: Vec<char> = line.chars().collect();
    let mut chunks = chunks(&characters, break_on_hyphens);
    chunks.reverse();
    let is_blank = |chunk: &[char]| chunk.iter().copied().all(is_space);
    let mut lines: Vec<String> = Vec::new();
    while !chunks.is_empty() {
        let mut current: Vec<&[char]> = Vec::new();
        let mut length = 0;
        if !lines.is_empty() && chunks.last().is_some_and(|chunk| is_blank(chunk)) {
            chunks.pop();
        }
        while let Some(chunk) = chunks.pop_if(|chunk| length + chunk.len() <= width) {
            length += chunk.len();
            current.push(chunk);
        }
        if let Some(chunk) = chunks.pop_if(|chunk| chunk.len() > width) {
            let left = width - length;
            if break_long_words {
                let hyphen = chunk[..left].iter().rposition(|c| *c == '-').filter(|at| {
                    break_on_hyphens && *at > 0 && chunk[..*at].iter().any(|c| *c != '-')
                });
                let (taken, rest) = chunk.split_at(hyphen.map_or(left, |at| at + 1));
                current.push(taken);
                chunks.push(rest);
            } else if current.is_empty() {
                current.push(chunk);
            } else {
                chunks.push(chunk);
            }
        }
        current.pop_if(|chunk| is_blank(chunk));
        if !current.is_empty() {
            lines.push(current.concat().into_iter().collect());
        }
    }
    Ok(lines)
}

/// White space, words, and the parts of words with hyphens.
fn chunks(text: &[char], break_on_hyphens: bool) -> Vec<&[char]> {
    let space = |c: char| matches!(c, '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | ' ');
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let letter = |c: char| word(c) && !c.is_numeric();
    let in_word = |c: char| word(c) || "!\"'&.,?".contains(c);
    let at =
        |index: usize, holds: &dyn Fn(char) -> bool| text.get(index).is_some_and(|c| holds(*c));
    let before = |index: usize, back: usize, holds: &dyn Fn(char) -> bool| {
        index.checked_sub(back).is_some_and(|index| at(index, holds))
    };
    let hyphen = |c: char| c == '-';
    // Two hyphens or more, with a word after them.
    let dashes = |index: usize| {
        let count = text[index..].iter().take_while(|c| hyphen(**c)).count();
        (count >= 2 && at(index + count, &word)).then_some(count)
    };
    let mut chunks = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let run = |holds: &dyn Fn(char) -> bool| {
            start + text[start..].iter().take_while(|c| holds(**c)).count()
        };
        let end = if at(start, &space) {
            run(&space)
        } else if !break_on_hyphens {
            run(&|c| !space(c))
        } else if let Some(count) = dashes(start).filter(|_| before(start, 1, &in_word)) {
            start + count
        } else {
            let mut end = start + 1;
            loop {
                if end == text.len() || at(end, &space) {
                    break end;
                }
                let after_letters = before(end, 1, &letter) && before(end, 2, &letter);
                let after_part =
                    before(end, 1, &in_word) && before(end, 2, &hyphen) && before(end, 3, &letter);
                let then_letters = at(end + 1, &letter)
                    && (at(end + 2, &letter) || at(end + 2, &hyphen) && at(end + 3, &letter));
                if at(end, &hyphen) && (after_letters || after_part) && then_letters {
                    break end + 1;
                }
                if before(end, 1, &in_word) && dashes(end).is_some() {
                    break end;
                }
                end += 1;
            }
        };
        chunks.push(&text[start..end]);
        start = end;
    }
    chunks
}

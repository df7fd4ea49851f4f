//! The methods of Python's strings, on plain text.

use unicode_general_category::{GeneralCategory, get_general_category};

use super::words::is_space;

/// From `start` to `stop`, counted in characters and from the end where negative. `None`: `start`
/// lies behind the end.
pub fn window(text: &str, start: Option<i128>, stop: Option<i128>) -> Option<(usize, &str)> {
    let length = text.chars().count() as i128;
    let clamp = |bound: i128| if bound < 0 { (bound + length).max(0) } else { bound };
    let start = start.map_or(0, clamp);
    let stop = stop.map_or(length, clamp).min(length);
    if start > length {
        return None;
    }
    let byte = |at: i128| text.char_indices().nth(at as usize).map_or(text.len(), |(byte, _)| byte);
    if start > stop {
        return None;
    }
    Some((start as usize, &text[byte(start)..byte(stop)]))
}

fn is_letter(character: char) -> bool {
    use GeneralCategory::{
        LowercaseLetter, ModifierLetter, OtherLetter, TitlecaseLetter, UppercaseLetter,
    };
    matches!(
        get_general_category(character),
        LowercaseLetter | ModifierLetter | OtherLetter | TitlecaseLetter | UppercaseLetter
    )
}

fn is_decimal(character: char) -> bool {
    get_general_category(character) == GeneralCategory::DecimalNumber
}

fn is_digit(character: char) -> bool {
    is_decimal(character)
        || matches!(
            character,
            '²' | '³' | '¹' | '\u{1369}'..='\u{1371}' | '\u{19da}' | '⁰' | '⁴'..='⁹' | '₀'..='₉'
                | '①'..='⑨' | '⑴'..='⑼' | '⒈'..='⒐' | '⓪' | '⓵'..='⓽' | '⓿' | '❶'..='❾'
                | '➀'..='➈' | '➊'..='➒' | '\u{1f100}'..='\u{1f10a}'
        )
}

fn is_numeric(character: char) -> bool {
    character.is_numeric()
        || matches!(
            character,
            '一' | '二'
                | '三'
                | '四'
                | '五'
                | '六'
                | '七'
                | '八'
                | '九'
                | '十'
                | '百'
                | '千'
                | '万'
                | '億'
                | '兆'
                | '零'
                | '〇'
                | '两'
                | '廿'
                | '卅'
                | '亿'
        )
}

/// The tests of a string's characters, by the name of the method. `None`: there is none.
pub fn is(text: &str, test: &str) -> Option<bool> {
    let all = |holds: &dyn Fn(char) -> bool| !text.is_empty() && text.chars().all(holds);
    Some(match test {
        "isalnum" => all(&|c| is_letter(c) || is_digit(c) || is_numeric(c)),
        "isalpha" => all(&is_letter),
        "isascii" => text.is_ascii(),
        "isdecimal" => all(&is_decimal),
        "isdigit" => all(&is_digit),
        "isidentifier" => {
            let word = |c: char| c == '_' || c.is_alphanumeric();
            all(&word) && !text.starts_with(char::is_numeric)
        }
        "islower" => cased(text, char::is_lowercase, |c| c.is_uppercase() || is_title(c)),
        "isnumeric" => all(&is_numeric),
        "isprintable" => text.chars().all(super::words::is_printable),
        "isspace" => all(&is_space),
        "istitle" => is_titled(text),
        "isupper" => cased(text, char::is_uppercase, |c| c.is_lowercase() || is_title(c)),
        _ => return None,
    })
}

fn is_title(character: char) -> bool {
    get_general_category(character) == GeneralCategory::TitlecaseLetter
}

fn cased(text: &str, wanted: fn(char) -> bool, other: fn(char) -> bool) -> bool {
    text.chars().any(wanted) && !text.chars().any(other)
}

fn is_titled(text: &str) -> bool {
    let (mut after_cased, mut found) = (false, false);
    for character in text.chars() {
        if character.is_uppercase() || is_title(character) {
            if after_cased {
                return false;
            }
            (after_cased, found) = (true, true);
        } else if character.is_lowercase() {
            if !after_cased {
                return false;
            }
            found = true;
        } else {
            after_cased = false;
        }
    }
    found
}

fn write_title(character: char, out: &mut String) {
    match character {
        'ǆ' | 'Ǆ' => out.push('ǅ'),
        'ǉ' | 'Ǉ' => out.push('ǈ'),
        'ǌ' | 'Ǌ' => out.push('ǋ'),
        'ǳ' | 'Ǳ' => out.push('ǲ'),
        _ if is_title(character) => out.push(character),
        _ => {
            let mut upper = character.to_uppercase();
            out.extend(upper.next());
            out.extend(upper.flat_map(char::to_lowercase));
        }
    }
}

/// A character of `text` in lower case: a sigma at the end of a word has a form of its own.
fn write_lower(text: &str, at: usize, character: char, out: &mut String) {
    if character != 'Σ' {
        out.extend(character.to_lowercase());
        return;
    }
    let is_cased = |c: &char| c.is_lowercase() || c.is_uppercase() || is_title(*c);
    let before = text[..at].chars().rev().find(|c| !is_ignorable(*c));
    let after = text[at + character.len_utf8()..].chars().find(|c| !is_ignorable(*c));
    let is_final = before.as_ref().is_some_and(is_cased) && !after.as_ref().is_some_and(is_cased);
    out.push(if is_final { 'ς' } else { 'σ' });
}

/// What may stand inside a word without being a letter.
fn is_ignorable(character: char) -> bool {
    use GeneralCategory::{EnclosingMark, Format, ModifierLetter, ModifierSymbol, NonspacingMark};
    matches!(character, '\'' | '.' | ':' | '·' | '’' | '‘' | '․' | '‧')
        || matches!(
            get_general_category(character),
            EnclosingMark | Format | ModifierLetter | ModifierSymbol | NonspacingMark
        )
}

pub fn capitalize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        if at == 0 {
            write_title(character, &mut out);
        } else {
            write_lower(text, at, character, &mut out);
        }
    }
    out
}

pub fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut after_cased = false;
    for (at, character) in text.char_indices() {
        if after_cased {
            write_lower(text, at, character, &mut out);
        } else {
            write_title(character, &mut out);
        }
        after_cased = character.is_lowercase() || character.is_uppercase() || is_title(character);
    }
    out
}

pub fn swapcase(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        if character.is_uppercase() {
            write_lower(text, at, character, &mut out);
        } else {
            out.extend(character.to_uppercase());
        }
    }
    out
}

pub fn casefold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            'ı' => out.push(character),
            _ => out.extend(character.to_uppercase().flat_map(char::to_lowercase)),
        }
    }
    out
}

/// Splits at white space, at most `most` times from the left.
pub fn split_space(text: &str, most: Option<usize>) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        if most.is_some_and(|most| parts.len() >= most) {
            parts.push(rest.to_owned());
            break;
        }
        let end = rest.find(is_space).unwrap_or(rest.len());
        parts.push(rest[..end].to_owned());
        rest = rest[end..].trim_start_matches(is_space);
    }
    parts
}

/// As [`split_space`], from the right.
pub fn rsplit_space(text: &str, most: Option<usize>) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text.trim_end_matches(is_space);
    while !rest.is_empty() {
        if most.is_some_and(|most| parts.len() >= most) {
            parts.push(rest.to_owned());
            break;
        }
        let start = rest
            .char_indices()
            .rev()
            .find(|(_, character)| is_space(*character))
            .map_or(0, |(at, character)| at + character.len_utf8());
        parts.push(rest[start..].to_owned());
        rest = rest[..start].trim_end_matches(is_space);
    }
    parts.reverse();
    parts
}

pub fn split(text: &str, separator: &str, most: Option<usize>) -> Vec<String> {
    match most {
        Some(most) => text.splitn(most.saturating_add(1), separator).map(str::to_owned).collect(),
        None => text.split(separator).map(str::to_owned).collect(),
    }
}

pub fn rsplit(text: &str, separator: &str, most: Option<usize>) -> Vec<String> {
    let most = most.map_or(usize::MAX, |most| most.saturating_add(1));
    let mut parts: Vec<String> = text.rsplitn(most, separator).map(str::to_owned).collect();
    parts.reverse();
    parts
}

/// Python knows more ends of lines than `\n`.
pub fn lines(text: &str, keep_ends: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut start = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let is_end = matches!(
            character,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'
                ..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        );
        if !is_end {
            continue;
        }
        let mut end = at + character.len_utf8();
        if character == '\r' && characters.next_if(|(_, next)| *next == '\n').is_some() {
            end += 1;
        }
        lines.push(text[start..if keep_ends { end } else { at }].to_owned());
        start = end;
    }
    if start < text.len() {
        lines.push(text[start..].to_owned());
    }
    lines
}

pub fn center(text: &str, width: usize, fill: char) -> String {
    let missing = width.saturating_sub(text.chars().count());
    let left = missing / 2 + (missing & width & 1);
    let pad = |count: usize| fill.to_string().repeat(count);
    format!("{}{text}{}", pad(left), pad(missing - left))
}

pub fn expand_tabs(text: &str, size: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    for character in text.chars() {
        match character {
            '\t' => {
                let count = if size == 0 { 0 } else { size - column % size };
                out.push_str(&" ".repeat(count));
                column += count;
            }
            '\n' | '\r' => {
                out.push(character);
                column = 0;
            }
            _ => {
                out.push(character);
                column += 1;
            }
        }
    }
    out
}

//! Regular expressions of tokenizers' files, said for the engine that we have.
//!
//! Python's `tokenizers` reads them with Oniguruma (its own syntax, which is Ruby's with a few more), and the crate without C
//! with `fancy-regex`. They write most things alike, and mean other things by some: what a letter of a word is, where
//! a line begins, POSIX classes, `{2,3}+`. What this writes has one meaning for both, since a file may
//! be written again and read in Python. Source: Oniguruma's `doc/RE` and `regparse.c`.

use std::iter::Peekable;
use std::str::Chars;

use serde_json::Value;

use super::oniguruma_names::{LATIN, WORD, boundary};

/// Every rule of a part of a `tokenizer.json`, as [`translated`] says it.
pub(super) fn translate(part: &mut Value) -> Result<(), String> {
    match part {
        Value::Array(parts) => parts.iter_mut().try_for_each(translate),
        Value::Object(parts) => {
            if let Some(Value::String(pattern)) = parts.get_mut("Regex") {
                *pattern = translated(pattern).map_err(|what| {
                    format!(
                        "its rule {pattern:?} has {what}, which the regular expressions of this program do not have"
                    )
                })?;
            }
            parts.values_mut().try_for_each(translate)
        }
        _ => Ok(()),
    }
}

/// `pattern` with Oniguruma's meaning; or what of it `fancy-regex` cannot do.
fn translated(pattern: &str) -> Result<String, String> {
    let mut all = Translator {
        left: pattern.chars().peekable(),
        out: String::new(),
        groups: vec![Group::default()],
        captures: captures(pattern),
        atom: None,
    };
    all.whole()?;
    Ok(all.out)
}

/// How many groups a pattern has that can be referred to by number.
fn captures(pattern: &str) -> usize {
    let (mut count, mut named, mut depth) = (0, 0, 0);
    let mut left = pattern.chars().peekable();
    while let Some(letter) = left.next() {
        match letter {
            '\\' => _ = left.next(),
            '[' => depth += 1,
            ']' if depth > 0 => depth -= 1,
            '(' if depth == 0 => {
                if left.peek() != Some(&'?') {
                    count += 1;
                } else if left.clone().nth(1) == Some('<')
                    && !matches!(left.clone().nth(2), Some('=' | '!'))
                {
                    named += 1;
                }
            }
            _ => {}
        }
    }
    if named > 0 { named } else { count }
}

/// An open group.
#[derive(Clone, Copy, Default)]
struct Group {
    /// Where it begins in what is written.
    start: usize,

    /// `(?i)` goes on to the end of the group that it stands in, over every `|`.
    closers: usize,

    /// `m`: a dot is a newline, too. `x`: spaces and comments are none of it.
    is_dot_all: bool,
    is_spaced: bool,

    /// `i`: of classes and letters, and of no property.
    is_folded: bool,
}

pub(super) struct Translator<'p> {
    pub(super) left: Peekable<Chars<'p>>,
    pub(super) out: String,
    groups: Vec<Group>,
    captures: usize,

    /// What a quantifier would repeat.
    atom: Option<Atom>,
}

#[derive(Clone, Copy)]
struct Atom {
    /// Where in `out` it begins.
    start: usize,
    is_repeated: bool,
}

/// How often, as Oniguruma read it.
enum Often {
    Op(char),
    Interval { low: String, high: Option<String>, is_swapped: bool },
}

impl Translator<'_> {
    fn group(&mut self) -> &mut Group {
        self.groups.last_mut().expect("the pattern itself is one")
    }

    /// An atom begins here.
    fn begin(&mut self) {
        self.atom = Some(Atom { start: self.out.len(), is_repeated: false });
    }

    fn push(&mut self, text: &str) {
        self.begin();
        self.out.push_str(text);
    }

    /// A place, which nothing repeats.
    fn place(&mut self, text: &str) {
        self.atom = None;
        self.out.push_str(text);
    }

    fn literal(&mut self, letter: char) {
        self.begin();
        if r"\.+*?()|[]{}^$".contains(letter) {
            self.out.push('\\');
        }
        self.character_as_written(letter);
    }

    fn whole(&mut self) -> Result<(), String> {
        while let Some(letter) = self.left.next() {
            match letter {
                '\\' => self.escape()?,
                '[' => {
                    self.begin();
                    self.class()?;
                }
                '(' => self.open()?,
                ')' => self.close(),
                '|' => self.place("|"),
                '.' if self.group().is_dot_all => self.push(r"[\s\S]"),
                '.' => self.push("."),
                // A line begins behind every newline but one at the text's end.
                '^' => self.place(r"(?:\A|(?<=\n)(?!\z))"),
                '$' => self.place(r"(?=\n|\z)"),
                '*' | '+' | '?' => self.repeat(&Often::Op(letter)),
                '{' => match self.interval() {
                    Some(often) => self.repeat(&often),
                    None => self.literal('{'),
                },
                '#' if self.group().is_spaced => {
                    while self.left.next_if(|&letter| letter != '\n').is_some() {}
                }
                letter if self.group().is_spaced && letter.is_ascii_whitespace() => {}
                letter => self.literal(letter),
            }
        }
        let closers = self.group().closers;
        self.out.extend(std::iter::repeat_n(')', closers));
        Ok(())
    }

    fn close(&mut self) {
        if self.groups.len() == 1 {
            return self.literal(')');
        }
        let group = self.groups.pop().expect("there are two");
        self.out.extend(std::iter::repeat_n(')', group.closers + 1));
        self.atom = Some(Atom { start: group.start, is_repeated: false });
    }

    fn open(&mut self) -> Result<(), String> {
        let start = self.out.len();
        let mut group = Group { start, closers: 0, ..*self.group() };
        if self.left.next_if_eq(&'?').is_none() {
            self.out.push('(');
            self.groups.push(group);
            self.atom = None;
            return Ok(());
        }
        let next = self.left.next();
        match next {
            Some('#') => {
                while !matches!(self.left.next(), Some(')') | None) {}
                return Ok(());
            }
            Some(mark @ (':' | '=' | '!' | '>')) => {
                self.out.push_str("(?");
                self.out.push(mark);
            }
            Some('<') => {
                self.out.push_str("(?<");
                if let Some(mark) = self.left.next_if(|&mark| mark == '=' || mark == '!') {
                    self.out.push(mark);
                } else {
                    for letter in self.left.by_ref() {
                        self.out.push(letter);
                        if letter == '>' {
                            break;
                        }
                    }
                }
            }
            Some('~') => return Err("(?~…), which is what does not contain something".to_owned()),
            _ => {
                let mut is_on = true;
                let mut letter = next;
                loop {
                    match letter {
                        Some('-') => is_on = false,
                        Some('i') => group.is_folded = is_on,
                        Some('m') => group.is_dot_all = is_on,
                        Some('x') => group.is_spaced = is_on,
                        Some(':' | ')') => break,
                        _ => {
                            let found: String = letter.into_iter().collect();
                            return Err(format!("(?{found}"));
                        }
                    }
                    letter = self.left.next();
                }
                self.out.push_str(if group.is_folded { "(?i:" } else { "(?-i:" });
                if letter == Some(')') {
                    let own = self.group();
                    own.closers += 1;
                    *own = Group { start: own.start, closers: own.closers, ..group };
                    self.atom = None;
                    return Ok(());
                }
            }
        }
        self.groups.push(group);
        self.atom = None;
        Ok(())
    }

    /// `{2,3}` behind its brace; `None` where the brace is only a brace.
    fn interval(&mut self) -> Option<Often> {
        let mut ahead = self.left.clone();
        let number = |ahead: &mut Peekable<Chars<'_>>| {
            let mut found = String::new();
            while let Some(digit) = ahead.next_if(char::is_ascii_digit) {
                found.push(digit);
            }
            found
        };
        let low = number(&mut ahead);
        let high = ahead.next_if_eq(&',').map(|_| number(&mut ahead));
        let is_one = low.is_empty() && high.as_ref().is_none_or(String::is_empty);
        if is_one || ahead.next() != Some('}') {
            return None;
        }
        self.left = ahead;
        let low = if low.is_empty() { "0".to_owned() } else { low };
        let value = |text: &str| text.parse::<u32>().unwrap_or(u32::MAX);
        let is_swapped =
            high.as_ref().is_some_and(|high| !high.is_empty() && value(high) < value(&low));
        Some(match high {
            Some(high) if is_swapped => Often::Interval { low: high, high: Some(low), is_swapped },
            high => Often::Interval { low, high, is_swapped },
        })
    }

    fn repeat(&mut self, often: &Often) {
        // Where there is nothing to repeat, the engine says so.
        let start = self.atom.map_or(self.out.len(), |atom| atom.start);
        if self.atom.is_some_and(|atom| atom.is_repeated) {
            self.out.insert_str(start, "(?:");
            self.out.push(')');
        }
        let mut next = |mark: char| self.left.next_if_eq(&mark).is_some();
        let (text, end) = match often {
            Often::Op(letter) => {
                let end = if next('?') {
                    "?"
                } else if next('+') {
                    "+"
                } else {
                    ""
                };
                (letter.to_string(), end)
            }
            // What is asked for so is never given back.
            Often::Interval { low, high, is_swapped } => {
                let high = high.as_ref().map(|high| format!(",{high}")).unwrap_or_default();
                let end = if *is_swapped {
                    "+"
                } else if !high.is_empty() && next('?') {
                    "?"
                } else {
                    ""
                };
                (format!("{{{low}{high}}}"), end)
            }
        };
        if *end == *"+" && text.starts_with('{') {
            self.out.insert_str(start, "(?>");
            self.out.push_str(&text);
            self.out.push(')');
        } else {
            self.out.push_str(&text);
            self.out.push_str(end);
        }
        self.atom = Some(Atom { start, is_repeated: true });
    }

    fn escape(&mut self) -> Result<(), String> {
        let Some(letter) = self.left.next() else {
            return Err("a backslash at its end".to_owned());
        };
        match letter {
            'w' => self.push(&format!("[{WORD}{LATIN}]")),
            'W' => self.push(&format!("[^{WORD}{LATIN}]")),
            'b' => self.place(&boundary(true)),
            'B' => self.place(&boundary(false)),
            's' | 'S' | 'd' | 'D' => self.push(&format!("\\{letter}")),
            'h' => self.push("[0-9A-Fa-f]"),
            'H' => self.push("[^0-9A-Fa-f]"),
            'A' | 'z' | 'K' => self.place(&format!("\\{letter}")),
            'Z' => self.place(r"(?=\n?\z)"),
            'R' => self.push(r"(?>\r\n|[\n\x0B\x0C\r\x{85}\x{2028}\x{2029}])"),
            'N' => self.push(r"[^\n]"),
            'O' => self.push(r"[\s\S]"),
            'X' | 'y' | 'Y' | 'G' => return Err(format!("\\{letter}")),
            'p' | 'P' if self.left.peek() == Some(&'{') => {
                let text = self.property(letter == 'P', LATIN)?;
                let is_folded = self.group().is_folded;
                self.push(&if is_folded { format!("(?-i:{text})") } else { text });
            }
            'k' | 'g' if self.left.peek() == Some(&'<') => {
                let mut text = format!("\\{letter}");
                for letter in self.left.by_ref() {
                    text.push(letter);
                    if letter == '>' {
                        break;
                    }
                }
                if letter == 'g' {
                    return Err(format!("{text}, which is a group once more"));
                }
                self.push(&text);
            }
            '1'..='9' if self.is_reference(letter) => {
                let mut text = format!("\\{letter}");
                while let Some(digit) = self.left.next_if(char::is_ascii_digit) {
                    text.push(digit);
                }
                // What follows may be a digit.
                self.push(&format!("(?:{text})"));
            }
            letter => {
                let letter = self.character(letter)?;
                self.literal(letter);
            }
        }
        Ok(())
    }

    fn is_reference(&self, first: char) -> bool {
        let digits: String = std::iter::once(first)
            .chain(self.left.clone().take_while(char::is_ascii_digit))
            .collect();
        let number = digits.parse::<usize>().unwrap_or(usize::MAX);
        number <= self.captures || number <= 9
    }

    /// The one character that an escape stands for, behind its first letter.
    pub(super) fn character(&mut self, letter: char) -> Result<char, String> {
        let digits = |left: &mut Peekable<Chars<'_>>, most: usize, radix: u32| {
            let mut found = String::new();
            while found.len() < most
                && let Some(digit) = left.next_if(|digit| digit.is_digit(radix))
            {
                found.push(digit);
            }
            found
        };
        let of = |text: &str, radix: u32| {
            let number = u32::from_str_radix(if text.is_empty() { "0" } else { text }, radix);
            number.ok().and_then(char::from_u32).ok_or_else(|| format!("\\{letter}{text}"))
        };
        Ok(match letter {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\x0C',
            'v' => '\x0B',
            'a' => '\x07',
            'e' => '\x1B',
            'x' if self.left.next_if_eq(&'{').is_some() => {
                let text = digits(&mut self.left, 8, 16);
                if self.left.next() != Some('}') {
                    return Err("\\x{…} of more than one character".to_owned());
                }
                of(&text, 16)?
            }
            'x' => {
                let text = digits(&mut self.left, 2, 16);
                let found = of(&text, 16)?;
                if !found.is_ascii() {
                    return Err(format!("\\x{text}, which is a byte and no character"));
                }
                found
            }
            'u' => of(&digits(&mut self.left, 4, 16), 16)?,
            '0'..='7' => {
                let more = digits(&mut self.left, 2, 8);
                of(&format!("{letter}{more}"), 8)?
            }
            'c' => {
                let next = self.left.next().unwrap_or_default();
                let byte = u8::try_from(next).ok();
                char::from(byte.ok_or_else(|| format!("\\c{next}"))? & 0x1F)
            }
            'C' | 'M' if self.left.peek() == Some(&'-') => return Err(format!("\\{letter}-")),
            letter => letter,
        })
    }

    pub(super) fn character_as_written(&mut self, letter: char) {
        match letter {
            '\n' => self.out.push_str(r"\n"),
            '\r' => self.out.push_str(r"\r"),
            '\t' => self.out.push_str(r"\t"),
            letter => self.out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::text::regex::Regex;

    fn pieces<'t>(pattern: &str, text: &'t str) -> Vec<&'t str> {
        let regex = Regex::new(&translated(pattern).unwrap()).unwrap();
        let (mut found, mut last) = (Vec::new(), 0);
        for (start, end) in regex.find_iter(text) {
            found.extend([&text[last..start], &text[start..end]]);
            last = end;
        }
        found.push(&text[last..]);
        found.retain(|piece| !piece.is_empty());
        found
    }

    /// What `Split(Regex(…), "isolated")` of Python's tokenizers 0.23.3 makes of each text.
    #[test]
    fn a_rule_splits_where_oniguruma_splits() {
        let cases: &[(&str, &str, &[&str])] = &[
            (r"\w+", "می\u{200c}خوا x² a_b", &["می", "\u{200c}", "خوا", " ", "x²", " ", "a_b"]),
            (
                r"\b\w",
                "\u{915}\u{94d}\u{200d}\u{937} a",
                &["\u{915}", "\u{94d}\u{200d}", "\u{937}", " ", "a"],
            ),
            (r"[\w]+", "x²y", &["x", "²", "y"]),
            (r"^ +", " a\n  b\n", &[" ", "a\n", "  ", "b\n"]),
            (r"\s+$", "a \n b", &["a", " ", "\n b"]),
            (r"[[:punct:]]+", "a$b! c", &["a", "$", "b", "!", " c"]),
            (r"\p{Punct}+", "a$b! c", &["a$b", "!", " c"]),
            (r"[[:alpha:]]+", "né1", &["né", "1"]),
            (r"\<\w+\>", "a <tag> b", &["a ", "<tag>", " b"]),
            (r"a{2}+", "aaaab", &["aaaa", "b"]),
            (r"(?m:a.b)", "a\nb", &["a\nb"]),
            (r"a.b", "a\nb", &["a\nb"]),
            (r"[+--z]+", "+-,az", &["+-,", "a", "z"]),
            (r"x(?i)a|b", "xA xB b", &["xA", " ", "xB", " b"]),
            (r"(?i:\p{Lu})+", "aB", &["a", "B"]),
            (r"a{,2}b", "aaab", &["a", "aab"]),
            (r"\h+", "xfaq", &["x", "fa", "q"]),
            (r"\R", "a\r\nb\u{2028}", &["a", "\r\n", "b", "\u{2028}"]),
            (r"[^\p{^L}]+", "a1b", &["a", "1", "b"]),
            (r"\pL", "pLa", &["pL", "a"]),
            (r"x\Z", "x\n", &["x", "\n"]),
            (r"a{3,1}a", "aaaa", &["aaaa"]),
            ("(?x: a  b # c\n)", "ab a b", &["ab", " a b"]),
            (r"[]a]+", "x]a", &["x", "]a"]),
            (r"\p{Alnum}+", "a1_", &["a1", "_"]),
            (r"\u00e9|\x41", "éA", &["é", "A"]),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(pieces(pattern, text), *expected, "{pattern} of {text:?}");
        }
    }

    /// What Llama 3's, GPT-4o's and BLOOM's files have means the same to both, and is left alone.
    #[test]
    fn a_rule_that_both_read_alike_stays_as_it_is() {
        let alike = [
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            r"[^\r\n\p{L}\p{N}]?+\p{L}++|[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\r\n/]*",
            r" ?[^(\s|[.,!?…。，、।۔،])]+",
        ];
        for pattern in alike {
            assert_eq!(translated(pattern).unwrap(), pattern);
        }
    }

    #[test]
    fn what_the_engine_does_not_have_is_named() {
        for (pattern, what) in
            [(r"\X+", r"\X"), (r"\p{InGreek}", "a block"), (r"(?~a)", "(?~"), (r"\xC3", "a byte")]
        {
            let mut part = serde_json::json!({ "pattern": { "Regex": pattern } });
            let error = translate(&mut part).unwrap_err();
            assert!(error.contains(what), "{error}");
        }
        let mut part = serde_json::json!([{ "pattern": { "Regex": "^a" } }, { "String": "^" }]);
        translate(&mut part).unwrap();
        assert_eq!(part[0]["pattern"]["Regex"], r"(?:\A|(?<=\n)(?!\z))a");
        assert_eq!(part[1]["String"], "^");
    }
}

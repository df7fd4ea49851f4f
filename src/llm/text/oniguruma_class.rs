//! Classes and properties of an Oniguruma pattern, said for `fancy-regex`.

use super::oniguruma::Translator;
use super::oniguruma_names::{WORD, posix};

impl Translator<'_> {
    /// `{Lu}` behind `\p`, its braces included. `latin`: what is a letter of a word here, too.
    pub(super) fn property(&mut self, is_turned: bool, latin: &str) -> Result<String, String> {
        self.left.next();
        let is_turned = is_turned ^ self.left.next_if_eq(&'^').is_some();
        let name: String = self.left.by_ref().take_while(|&letter| letter != '}').collect();
        let plain = name
            .chars()
            .filter(|letter| !" _-".contains(*letter))
            .collect::<String>()
            .to_lowercase();
        if plain.starts_with("in")
            && plain.len() > 4
            && !plain.starts_with("inherited")
            && !plain.starts_with("inscription")
        {
            return Err(format!("\\p{{{name}}}, a block of characters"));
        }
        let not = if is_turned { "^" } else { "" };
        match plain.as_str() {
            "word" => return Ok(format!("[{not}{WORD}{latin}]")),
            "punct" => {}
            "cs" | "surrogate" => {
                return Ok(if is_turned { r"[\s\S]" } else { r"[^\s\S]" }.to_owned());
            }
            plain => {
                if let Some(members) = posix(plain) {
                    return Ok(format!("[{not}{members}]"));
                }
            }
        }
        Ok(format!("\\{}{{{name}}}", if is_turned { 'P' } else { 'p' }))
    }

    /// A class behind its bracket.
    pub(super) fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.left.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        if self.left.peek() == Some(&']') && self.left.clone().skip(1).any(|letter| letter == ']') {
            self.left.next();
            self.member(']');
        }
        // Whether a `-` that comes now makes a range of what stands before it.
        let mut can_begin = self.out.ends_with(']');
        while let Some(letter) = self.left.next() {
            match letter {
                ']' => {
                    self.out.push(']');
                    return Ok(());
                }
                '[' => {
                    if let Some(members) = self.posix_bracket() {
                        self.out.push_str(&members);
                    } else {
                        self.class()?;
                    }
                    can_begin = false;
                }
                '&' if self.left.next_if_eq(&'&').is_some() => {
                    self.out.push_str("&&");
                    can_begin = false;
                }
                '-' if can_begin => can_begin = !self.range()?,
                letter => can_begin = self.item(letter)?,
            }
        }
        Err("a [ that is not closed".to_owned())
    }

    /// Behind a `-`; whether that made a range.
    fn range(&mut self) -> Result<bool, String> {
        let is_range = match self.left.peek() {
            None | Some(']' | '[') => false,
            Some('&') => self.left.clone().nth(1) != Some('&'),
            Some('\\') => !matches!(
                self.left.clone().nth(1),
                Some('w' | 'W' | 's' | 'S' | 'd' | 'D' | 'h' | 'H' | 'p' | 'P')
            ),
            Some(_) => true,
        };
        if !is_range {
            self.member('-');
            return Ok(false);
        }
        self.out.push('-');
        let letter = self.left.next().unwrap_or_default();
        self.item(letter)?;
        Ok(true)
    }

    /// A member that begins with `letter`; whether it is one character.
    fn item(&mut self, letter: char) -> Result<bool, String> {
        if letter != '\\' {
            self.member(letter);
            return Ok(true);
        }
        let Some(letter) = self.left.next() else {
            return Err("a backslash at its end".to_owned());
        };
        match letter {
            'w' => self.out.push_str(WORD),
            'W' => self.out.push_str(&format!("[^{WORD}]")),
            's' | 'S' | 'd' | 'D' => self.out.push_str(&format!("\\{letter}")),
            'h' => self.out.push_str("0-9A-Fa-f"),
            'H' => self.out.push_str("[^0-9A-Fa-f]"),
            'p' | 'P' if self.left.peek() == Some(&'{') => {
                let text = self.property(letter == 'P', "")?;
                self.out.push_str(&text);
            }
            'b' => {
                self.member('\x08');
                return Ok(true);
            }
            letter => {
                let letter = self.character(letter)?;
                self.member(letter);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A character of a class. `&&`, `--` and `~~` would be operators.
    fn member(&mut self, letter: char) {
        let is_first = self.out.ends_with('[');
        let is_operator = "&~".contains(letter)
            && (self.out.ends_with(letter) || self.left.peek() == Some(&letter));
        if r"\[]-".contains(letter) || letter == '^' && is_first || is_operator {
            self.out.push('\\');
        }
        self.character_as_written(letter);
    }

    /// `[:alpha:]` behind its first bracket.
    fn posix_bracket(&mut self) -> Option<String> {
        let mut ahead = self.left.clone();
        if ahead.next() != Some(':') {
            return None;
        }
        let is_turned = ahead.next_if_eq(&'^').is_some();
        let mut name = String::new();
        while let Some(letter) = ahead.next_if(char::is_ascii_alphabetic) {
            name.push(letter);
        }
        if ahead.next() != Some(':') || ahead.next() != Some(']') {
            return None;
        }
        let members = posix(&name)?;
        self.left = ahead;
        Some(format!("[{}{members}]", if is_turned { "^" } else { "" }))
    }
}

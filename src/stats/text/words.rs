//! Words and n-grams, cut where Python's string methods cut them.

use std::collections::HashMap;
use std::hash::Hash;

use unicode_general_category::{GeneralCategory, get_general_category};

/// What Python's `str.isspace` says: white space, and the four separators from 0x1C.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Python's `str.split()`.
pub fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space).filter(|word| !word.is_empty())
}

/// Python's `\w` without the underscore: letters and numbers of any script.
pub fn is_letter_or_number(c: char) -> bool {
    use GeneralCategory::{
        DecimalNumber, LetterNumber, LowercaseLetter, ModifierLetter, OtherLetter, OtherNumber,
        TitlecaseLetter, UppercaseLetter,
    };
    matches!(
        get_general_category(c),
        UppercaseLetter
            | LowercaseLetter
            | TitlecaseLetter
            | ModifierLetter
            | OtherLetter
            | DecimalNumber
            | LetterNumber
            | OtherNumber
    )
}

/// How often each run of items occurs.
pub type Counts<'a, T> = HashMap<&'a [T], usize>;

/// Counts runs of `order` items.
pub fn ngrams<T: Eq + Hash>(items: &[T], order: usize) -> Counts<'_, T> {
    let mut counts = HashMap::new();
    for ngram in items.windows(order) {
        *counts.entry(ngram).or_insert(0) += 1;
    }
    counts
}

/// How many n-grams two texts share, each as often as it occurs in both.
pub fn shared<T: Eq + Hash>(a: &Counts<'_, T>, b: &Counts<'_, T>) -> usize {
    a.iter().map(|(ngram, count)| b.get(ngram).map_or(0, |other| *count.min(other))).sum()
}

/// Numbers for words, equal words having equal numbers: comparing them is comparing the words.
#[derive(Debug, Default)]
pub struct Numbering {
    numbers: HashMap<String, u32>,
}

impl Numbering {
    pub fn number(&mut self, word: &str) -> u32 {
        if let Some(number) = self.numbers.get(word) {
            return *number;
        }
        let number = self.numbers.len() as u32;
        self.numbers.insert(word.to_owned(), number);
        number
    }
}

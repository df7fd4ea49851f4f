//! The words of a text by its letters, whatever a tokenizer makes of them, and texts with other words in
//! some places.

use std::ops::Range;

/// How a mask is written, whatever the model's own is called.
pub const MASKS: [&str; 2] = ["[MASK]", "<mask>"];

/// A word, or a mask that was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Of the text, counted from 0, the end not among them.
    pub characters: Range<usize>,
    pub is_mask: bool,
}

/// Letters and digits that stand together, with an apostrophe or a hyphen between them; of Chinese
/// characters each is a word. White space and punctuation belong to none.
pub fn words(text: &str) -> Vec<Word> {
    let letters: Vec<char> = text.chars().collect();
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(letter) = letters.get(at) {
        let start = at;
        let mask = MASKS.iter().find(|mask| is_here(&letters[at..], mask));
        if let Some(mask) = mask {
            at += mask.chars().count();
            words.push(Word { characters: start..at, is_mask: true });
            continue;
        }
        at += 1;
        if !letter.is_alphanumeric() {
            continue;
        }
        while !is_ideograph(*letter) && goes_on(&letters, at) {
            at += 1;
        }
        words.push(Word { characters: start..at, is_mask: false });
    }
    words
}

fn is_here(letters: &[char], mask: &str) -> bool {
    letters.len() >= mask.len() && mask.chars().zip(letters).all(|(one, other)| one == *other)
}

/// Whether the letter at `at` belongs to the word before it.
fn goes_on(letters: &[char], at: usize) -> bool {
    let is_of_word = |at: usize| {
        letters.get(at).is_some_and(|letter| {
            (letter.is_alphanumeric() && !is_ideograph(*letter)) || is_mark(*letter)
        })
    };
    let joins = letters
        .get(at)
        .is_some_and(|letter| matches!(letter, '\'' | '\u{2019}' | '-' | '\u{2010}'));
    is_of_word(at) || (joins && is_of_word(at + 1))
}

/// Accents, and the signs that join letters in Indic scripts: no letters of their own.
fn is_mark(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}' | '\u{200c}' | '\u{200d}')
        || (matches!(letter, '\u{900}'..='\u{dff}') && !matches!(letter, '\u{964}' | '\u{965}'))
}

fn is_ideograph(letter: char) -> bool {
    matches!(
        letter,
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}'
    )
}

/// A word with the space before it, or what stands between words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    pub word: Option<usize>,
}

/// The text, cut before each word's space.
pub fn pieces(text: &str, words: &[Word]) -> Vec<Piece> {
    let letters: Vec<char> = text.chars().collect();
    let of = |characters: Range<usize>| letters[characters].iter().collect::<String>();
    let mut pieces = Vec::new();
    let mut at = 0;
    for (number, Word { characters, .. }) in words.iter().enumerate() {
        let between = of(at..characters.start);
        let bare = between.trim_end();
        if !bare.is_empty() {
            pieces.push(Piece { text: bare.to_owned(), word: None });
        }
        let space = &between[bare.len()..];
        let own = of(characters.clone());
        // A line that begins here is told by its mark.
        if space.contains('\n') {
            pieces.push(Piece { text: space.to_owned(), word: None });
            pieces.push(Piece { text: own, word: Some(number) });
        } else {
            pieces.push(Piece { text: format!("{space}{own}"), word: Some(number) });
        }
        at = characters.end;
    }
    if at < letters.len() {
        pieces.push(Piece { text: of(at..letters.len()), word: None });
    }
    pieces
}

/// Whether a word is one of those that are drawn: of so many words about one. The same seed draws the same
/// words.
pub fn is_drawn(seed: u64, word: usize, every: usize) -> bool {
    // The finaliser of SplitMix64.
    let step = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(word as u64 + 1);
    let mut mixed = seed.wrapping_add(step);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^= mixed >> 31;
    mixed.is_multiple_of(every.max(1) as u64)
}

/// The places of words of a text: each takes the first that is not taken yet. `Err`: the one that the text
/// does not have, or not so often.
pub fn places_of(text: &str, wanted: &[String]) -> Result<Vec<usize>, String> {
    let words = words(text);
    let mut taken: Vec<usize> = Vec::new();
    for wanted in wanted {
        let place = words.iter().enumerate().position(|(at, word)| {
            !word.is_mask && !taken.contains(&at) && text_of(text, &word.characters) == *wanted
        });
        taken.push(place.ok_or_else(|| wanted.clone())?);
    }
    taken.sort_unstable();
    Ok(taken)
}

/// Some characters of a text.
pub fn text_of(text: &str, characters: &Range<usize>) -> String {
    text.chars().skip(characters.start).take(characters.len()).collect()
}

/// A text with other words in some places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spliced {
    pub text: String,

    /// What was replaced, in the text as it was and in this one; in the order of the text.
    changed: Vec<(Range<usize>, Range<usize>)>,
}

impl Spliced {
    /// `changes` are in the order of the text, and none overlaps another.
    pub fn new(text: &str, changes: Vec<(Range<usize>, String)>) -> Self {
        let letters: Vec<char> = text.chars().collect();
        let (mut written, mut count, mut at) = (String::new(), 0, 0);
        let mut changed = Vec::with_capacity(changes.len());
        for (place, word) in changes {
            written.extend(&letters[at..place.start]);
            count += place.start - at;
            let length = word.chars().count();
            changed.push((place.clone(), count..count + length));
            written.push_str(&word);
            count += length;
            at = place.end;
        }
        written.extend(&letters[at..]);
        Self { text: written, changed }
    }

    /// Where a word of the text as it was stands now.
    pub fn place(&self, was: &Range<usize>) -> Range<usize> {
        let before = self.changed.partition_point(|(old, _)| old.end <= was.start);
        if let Some((old, new)) = self.changed.get(before)
            && old.start <= was.start
        {
            return new.clone();
        }
        let shift = |at: usize| match before.checked_sub(1).map(|last| &self.changed[last]) {
            Some((old, new)) => new.end + (at - old.end),
            None => at,
        };
        shift(was.start)..shift(was.end)
    }

    /// Where a place of this text was before; of what was replaced all of it.
    pub fn origin(&self, now: &Range<usize>) -> Range<usize> {
        // Some tokenizers count the space before a mask as part of it.
        let is_it =
            |(_, new): &&(Range<usize>, Range<usize>)| new.start < now.end && now.start < new.end;
        if let Some((old, _)) = self.changed.iter().find(is_it) {
            return old.clone();
        }
        let before = self.changed.partition_point(|(_, new)| new.end <= now.start);
        let shift = |at: usize| match before.checked_sub(1).map(|last| &self.changed[last]) {
            Some((old, new)) => old.end + (at - new.end),
            None => at,
        };
        shift(now.start)..shift(now.end)
    }

    /// What stands before a place of the text as it was.
    pub fn before(&self, was: &Range<usize>) -> String {
        self.text.chars().take(self.place(was).start).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(String, bool)> {
        let words = words(text).into_iter();
        words.map(|word| (text_of(text, &word.characters), word.is_mask)).collect()
    }

    #[test]
    fn words_are_letters_and_masks_are_masks() {
        let plain = |words: &[&str]| -> Vec<(String, bool)> {
            words.iter().map(|word| ((*word).to_owned(), word.contains("ask"))).collect()
        };
        assert_eq!(
            of("“Don't,” she said: well-known [MASK]s cost 3.50 <mask>"),
            [
                plain(&["Don't", "she", "said", "well-known"]),
                vec![("[MASK]".to_owned(), true)],
                plain(&["s", "cost", "3", "50"]),
                vec![("<mask>".to_owned(), true)],
            ]
            .concat()
        );
        assert_eq!(of("図書館は").len(), 4, "each Chinese character, and the kana after them");
        assert_eq!(of("हिन्दी में").len(), 2, "a virama does not cut a word");
        assert!(of(" …- ").is_empty());
    }

    #[test]
    fn a_word_that_stands_twice_is_taken_twice() {
        let wanted =
            |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let text = "the cat saw the dog";
        assert_eq!(places_of(text, &wanted(&["the", "dog", "the"])), Ok(vec![0, 3, 4]));
        assert_eq!(places_of(text, &wanted(&["cat", "cat"])), Err("cat".to_owned()));
    }

    #[test]
    fn a_word_is_found_again_after_others_were_replaced() {
        let text = "a [MASK] bc [MASK]!";
        let spliced =
            Spliced::new(text, vec![(1..8, " xyzzy plugh".to_owned()), (12..18, "q".to_owned())]);
        assert_eq!(spliced.text, "a xyzzy plugh bc q!");
        let place = |was: Range<usize>| text_of(&spliced.text, &spliced.place(&was));
        assert_eq!((place(0..1).as_str(), place(9..11).as_str()), ("a", "bc"));
        assert_eq!((place(2..8).as_str(), place(12..18).as_str()), (" xyzzy plugh", "q"));
        assert_eq!(spliced.origin(&(14..16)), 9..11);
        assert_eq!(spliced.origin(&(17..18)), 12..18);
        assert_eq!(spliced.before(&(12..18)), "a xyzzy plugh bc ");
    }
}

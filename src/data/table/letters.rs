//! Texts in the letters of old Macs and of DOS, which the detector takes for those of Windows: told by the letters'
//! neighbours, since a word has no `Ÿ§` in its middle.

use std::io::{self, Read};

/// Code page 850 from 0x80 on: what DOS and the console of Windows write in the west of Europe.
const DOS: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";

/// A text of DOS.
pub(super) fn dos(bytes: &[u8]) -> String {
    let letters: Vec<char> = DOS.chars().collect();
    let letter = |byte: &u8| {
        let place = usize::from(*byte).checked_sub(0x80);
        place.and_then(|place| letters.get(place)).copied().unwrap_or_else(|| char::from(*byte))
    };
    bytes.iter().map(letter).collect()
}

/// The share of a text's foreign letters and signs that stand where such stand, from -1 to 1. `None`: it has none.
pub(super) fn fitting(text: &str) -> Option<f64> {
    const MOST: usize = 2000;

    let (mut all, mut sum) = (0, 0.0);
    let mut before = ' ';
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if !letter.is_ascii() && letter != '\u{feff}' {
            let after = letters.peek().copied().unwrap_or(' ');
            sum += fits(before, letter, after);
            all += 1;
            if all == MOST {
                break;
            }
        }
        before = letter;
    }
    (all > 0).then(|| sum / f64::from(u16::try_from(all).unwrap_or(u16::MAX)))
}

fn fits(before: char, letter: char, after: char) -> f64 {
    let beside = [before, after];
    let is_latin = |letter: char| letter.is_alphabetic() && u32::from(letter) < 0x250;
    if letter.is_control() {
        return -1.0;
    }
    if letter.is_alphabetic() {
        let ordinal = ['ª', 'º', 'ƒ', 'µ'].contains(&letter);
        let capital_inside = letter.is_uppercase() && before.is_lowercase();
        let of_two_scripts = !is_latin(letter) && beside.iter().any(char::is_ascii_alphabetic);
        return if ordinal || capital_inside || of_two_scripts { -1.0 } else { 1.0 };
    }
    let is_inside = beside.iter().all(|letter| letter.is_alphabetic());
    match letter {
        '’' => 1.0,
        '“' | '”' | '„' | '‘' | '‚' | '–' | '—' | '…' | '•' | '€' | '«' | '»' | '¿' | '¡'
        | '\u{a0}'
            if !is_inside =>
        {
            1.0
        }
        '°' | '§' | '©' | '®' | '™' | '£' | '²' | '³' | '½' | '·' | '×' | '±' if !is_inside => {
            0.5
        }
        _ => -1.0,
    }
}

/// Whether other letters than those that were guessed make sense of a text, and those do not.
pub(super) fn is_better(guessed: &str, other: &str) -> bool {
    const POOR: f64 = 0.2;
    const GOOD: f64 = 0.8;

    fitting(guessed).is_some_and(|share| share < POOR)
        && fitting(other).is_some_and(|share| share > GOOD)
}

/// A text of DOS as UTF-8.
pub(super) struct DosReader<R> {
    input: R,
    text: Vec<u8>,
    at: usize,
}

impl<R> DosReader<R> {
    pub fn new(input: R) -> Self {
        Self { input, text: Vec::new(), at: 0 }
    }
}

impl<R: Read> Read for DosReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.text.len() {
            let mut raw = [0; 1 << 13];
            let count = self.input.read(&mut raw)?;
            self.text = dos(&raw[..count]).into_bytes();
            self.at = 0;
        }
        let count = into.len().min(self.text.len() - self.at);
        into[..count].copy_from_slice(&self.text[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stand_in_words_and_signs_between_them() {
        // "Größe" of a Mac, of DOS and of Windows, read as Windows-1252.
        for (text, is_good) in [
            ("Gr\u{9a}§e", false),
            ("GrŸ§e", false),
            ("Gr\u{201d}áe sch”n", false),
            ("Größe, Übung, “schön” – 5 €", true),
            ("l’été où ça", true),
            ("Привет, как дела", true),
            ("Grьяe", false),
            ("ÄÖÜ ÉCOLE", true),
        ] {
            let share = fitting(text).unwrap();
            assert_eq!(share > 0.5, is_good, "{text}: {share}");
        }
        assert_eq!(fitting("plain"), None);
    }

    #[test]
    fn every_byte_of_dos_has_its_letter() {
        assert_eq!(DOS.chars().count(), 128);
        // Python: bytes([0x81, 0x84, 0x94, 0xe1, 0x8e, 0xff]).decode("cp850")
        assert_eq!(dos(&[b'a', 0x81, 0x84, 0x94, 0xe1, 0x8e, 0xff]), "aüäößÄ\u{a0}");
        let mut text = String::new();
        DosReader::new(&[b'f', 0x81, b'r'][..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "für");
    }
}

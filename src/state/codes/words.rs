//! The words of a text that can be marked as places in it.

/// First character of each word, and the one behind its last.
///
/// Marks around a word are no part of it: whoever marks “(Berlin),” means Berlin. Chinese and Japanese stand
/// without spaces: there each character can be marked.
pub fn words_of(text: &str) -> Vec<(usize, usize)> {
    let letters: Vec<char> = text.chars().collect();
    let mut words = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        if letters[at].is_whitespace() {
            at += 1;
            continue;
        }
        let length = letters[at..].iter().take_while(|letter| !letter.is_whitespace()).count();
        of_chunk(&letters, at, at + length, &mut words);
        at += length;
    }
    words
}

/// What stands between two spaces.
fn of_chunk(letters: &[char], start: usize, end: usize, words: &mut Vec<(usize, usize)>) {
    let part = &letters[start..end];
    let is_word = |letter: &char| !is_mark(*letter);
    let Some(first) = part.iter().position(is_word) else {
        words.push((start, end)); // a dash, or three points
        return;
    };
    let last = part.iter().rposition(is_word).unwrap_or(first);
    let mut from = None;
    let inside = letters.iter().enumerate().take(start + last + 1).skip(start + first);
    for (at, letter) in inside {
        if is_alone(*letter) {
            words.extend(from.take().map(|from| (from, at)));
            words.push((at, at + 1));
        } else if from.is_none() && is_word(letter) {
            from = Some(at);
        }
    }
    words.extend(from.map(|from| (from, start + last + 1)));
}

/// A mark that stands around words.
fn is_mark(letter: char) -> bool {
    const OTHERS: &str = "“”„‟‚‘’‛«»‹›…–—―¿¡·、。，．！？：；（）［］「」『』《》〈〉【】";
    letter.is_ascii_punctuation() || OTHERS.contains(letter)
}

/// A character of a script that is written without spaces.
fn is_alone(letter: char) -> bool {
    matches!(letter, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3134f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<String> {
        let letters: Vec<char> = text.chars().collect();
        words_of(text).into_iter().map(|(from, to)| letters[from..to].iter().collect()).collect()
    }

    #[test]
    fn words_are_marked_without_what_stands_around_them() {
        assert_eq!(words_of(" ä  bc"), [(1, 2), (4, 6)]);
        let text = "“The U.S. e-mail (Berlin),” he said – don't … 3.5 %!";
        let words =
            ["The", "U.S", "e-mail", "Berlin", "he", "said", "–", "don't", "…", "3.5", "%!"];
        assert_eq!(said(text), words);
        assert!(said("  \n").is_empty());
        // An accent of its own character stays with its letter.
        assert_eq!(said("cafe\u{301}, ok"), ["cafe\u{301}", "ok"]);
    }

    #[test]
    fn what_is_written_without_spaces_is_marked_character_by_character() {
        assert_eq!(said("iPhone手机。很好"), ["iPhone", "手", "机", "很", "好"]);
        assert_eq!(said("東京タワー"), ["東", "京", "タ", "ワ", "ー"]);
        assert_eq!(said("서울 시청,"), ["서울", "시청"]);
    }
}

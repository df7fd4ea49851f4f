//! Long texts in windows that overlap, cut at the ends of paragraphs and sentences.

use std::ops::Range;

/// A piece of a text that is not cut, with its tokens.
struct Piece {
    bytes: Range<usize>,
    tokens: usize,
    ends_paragraph: bool,
}

/// The windows of a text, as ranges of its bytes: of at most `most` tokens by `count`, each beginning with
/// about the last `overlap` tokens of the one before. All of them together have the whole text.
///
/// A window ends with a paragraph where one ends in its last third, else with a sentence; only a sentence
/// that is longer than a window is cut, between words where that is possible.
pub fn windows<E>(
    text: &str,
    (most, overlap): (usize, usize),
    count: &dyn Fn(&str) -> Result<usize, E>,
) -> Result<Vec<Range<usize>>, E> {
    let most = most.max(1);
    let mut pieces = Vec::new();
    for bytes in sentences(text) {
        add(text, bytes, most, count, &mut pieces)?;
    }
    let mut found = Vec::new();
    let mut begin = 0;
    while begin < pieces.len() {
        let end = end_of_window(&pieces, begin, most);
        found.push(pieces[begin].bytes.start..pieces[end - 1].bytes.end);
        if end == pieces.len() {
            break;
        }
        begin = begin_of_next(&pieces, begin, end, (most, overlap));
    }
    Ok(found)
}

/// Takes a piece, in parts where it is longer than a window.
fn add<E>(
    text: &str,
    bytes: Range<usize>,
    most: usize,
    count: &dyn Fn(&str) -> Result<usize, E>,
    pieces: &mut Vec<Piece>,
) -> Result<(), E> {
    let words = &text[bytes.clone()];
    let tokens = count(words)?;
    if let Some(middle) = halves(words).filter(|_| tokens > most) {
        let middle = bytes.start + middle;
        add(text, bytes.start..middle, most, count, pieces)?;
        return add(text, middle..bytes.end, most, count, pieces);
    }
    let ends_paragraph = words.ends_with('\n');
    pieces.push(Piece { bytes, tokens, ends_paragraph });
    Ok(())
}

/// Where a text is halved: after the space that is nearest to its middle, or between two letters. `None`: it
/// has one letter.
fn halves(words: &str) -> Option<usize> {
    let middle = words.len() / 2;
    let borders = || words.char_indices().skip(1).map(|(at, _)| at);
    let nearest = |at: &usize| at.abs_diff(middle);
    let after_space = borders().filter(|at| words[..*at].ends_with(char::is_whitespace));
    after_space.min_by_key(nearest).or_else(|| borders().min_by_key(nearest))
}

/// The pieces from `begin` on that fit, one at least.
fn end_of_window(pieces: &[Piece], begin: usize, most: usize) -> usize {
    let mut tokens = 0;
    let (mut end, mut at_paragraph) = (begin, None);
    for (piece, at) in pieces[begin..].iter().zip(begin..) {
        if at > begin && tokens + piece.tokens > most {
            break;
        }
        tokens += piece.tokens;
        end = at + 1;
        if piece.ends_paragraph && tokens * 3 >= most * 2 {
            at_paragraph = Some(end);
        }
    }
    if end == pieces.len() { end } else { at_paragraph.unwrap_or(end) }
}

/// As many pieces back from `end` as overlap, if something new fits behind them.
fn begin_of_next(
    pieces: &[Piece],
    begin: usize,
    end: usize,
    (most, overlap): (usize, usize),
) -> usize {
    let mut next = end;
    let mut tokens = 0;
    while next > begin + 1 {
        tokens += pieces[next - 1].tokens;
        if tokens > overlap || tokens + pieces[end].tokens > most {
            break;
        }
        next -= 1;
    }
    next
}

/// The sentences of a text, each with what stands up to the next one.
fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut begin = 0;
    let mut letters = text.char_indices().peekable();
    let mut may_end = false;
    while let Some((at, letter)) = letters.next() {
        let end = at + letter.len_utf8();
        let next = letters.peek().map(|(_, next)| *next);
        let ends = match letter {
            // Empty lines belong to the paragraph before them.
            '\n' => next.is_none_or(|next| !next.is_whitespace()),
            // Chinese and Japanese put no space behind a sentence.
            '。' | '！' | '？' => {
                next.is_none_or(|next| !is_closing(next) && !next.is_whitespace())
            }
            _ if letter.is_whitespace() => may_end && next.is_none_or(|next| !next.is_whitespace()),
            _ => false,
        };
        may_end = match letter {
            '.' | '!' | '?' | '…' | '。' | '！' | '？' => true,
            _ if is_closing(letter) || letter.is_whitespace() => may_end,
            _ => false,
        };
        if ends {
            found.push(begin..end);
            (begin, may_end) = (end, false);
        }
    }
    if begin < text.len() {
        found.push(begin..text.len());
    }
    found
}

fn is_closing(letter: char) -> bool {
    matches!(letter, '"' | '\'' | ')' | ']' | '”' | '’' | '»' | '」' | '』' | '）')
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Words, which stand for tokens.
    fn of(text: &str, most: usize, overlap: usize) -> Vec<&str> {
        let count = |text: &str| Ok::<usize, Infallible>(text.split_whitespace().count());
        let Ok(found) = windows(text, (most, overlap), &count);
        found.into_iter().map(|bytes| &text[bytes]).collect()
    }

    #[test]
    fn windows_end_with_sentences_and_begin_with_the_last_ones() {
        let text = "One two three. Four five? “Six seven!” Eight nine ten eleven. Twelve.";
        assert_eq!(
            of(text, 7, 2),
            [
                "One two three. Four five? “Six seven!” ",
                "“Six seven!” Eight nine ten eleven. Twelve."
            ]
        );
        assert_eq!(of(text, 7, 0)[1], "Eight nine ten eleven. Twelve.");
        assert_eq!(of(text, 100, 5), [text]);
        assert_eq!(of("", 5, 1), [""; 0]);
    }

    #[test]
    fn a_paragraph_that_ends_in_the_last_third_ends_the_window() {
        let text = "One two. Three four.\n\nFive. Six seven. Eight.";
        assert_eq!(of(text, 5, 0), ["One two. Three four.\n\n", "Five. Six seven. Eight."]);
        // One that ends early does not.
        assert_eq!(
            of("One.\nTwo three four. Five six. Seven.", 6, 0)[0],
            "One.\nTwo three four. Five six. "
        );
    }

    #[test]
    fn a_sentence_that_is_too_long_is_cut_between_words_and_nothing_is_lost() {
        let long = "one two three four ".repeat(13);
        for (text, most, overlap) in
            [(long.as_str(), 7, 3), ("ohneleerzeichen", 1, 0), ("第一句。第二句。\n第三句", 1, 0)]
        {
            let found = of(text, most, overlap);
            let mut covered = 0;
            for window in &found {
                assert!(window.split_whitespace().count() <= most, "{found:?}");
                let at = window.as_ptr() as usize - text.as_ptr() as usize;
                assert!(at <= covered && at + window.len() > covered, "{found:?}");
                covered = at + window.len();
            }
            assert_eq!(covered, text.len());
        }
        assert_eq!(sentences("第一句。第二句。\n第三句").len(), 3);
    }
}

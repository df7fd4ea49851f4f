//! Where two answers differ, word by word.

use std::ops::Range;

/// Longer answers are not compared: it would take longer than a frame.
const MOST_WORDS: usize = 3_000;

/// The places of a text that the other one does not have, as ranges of bytes.
pub type Places = Vec<Range<usize>>;

/// What the left text has and the right one has not, and the other way round, by the longest common
/// sequence of words. `None`: they are too long.
pub fn differences(left: &str, right: &str) -> Option<[Places; 2]> {
    let (one, other) = (words(left), words(right));
    let text = |at: &Range<usize>| &left[at.clone()];
    let other_text = |at: &Range<usize>| &right[at.clone()];
    let same_start = one.iter().zip(&other).take_while(|(a, b)| text(a) == other_text(b)).count();
    let (a, b) = (&one[same_start..], &other[same_start..]);
    let same_end =
        a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| text(a) == other_text(b)).count();
    let (a, b) = (&a[..a.len() - same_end], &b[..b.len() - same_end]);
    if a.len().max(b.len()) > MOST_WORDS {
        return None;
    }
    // longest[i][j]: of a from i on and b from j on.
    let width = b.len() + 1;
    let mut longest = vec![0_u16; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i * width + j] = if text(&a[i]) == other_text(&b[j]) {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut only = [Places::new(), Places::new()];
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && text(&a[i]) == other_text(&b[j]) {
            (i, j) = (i + 1, j + 1);
        } else if j == b.len()
            || (i < a.len() && longest[(i + 1) * width + j] >= longest[i * width + j + 1])
        {
            push(&mut only[0], &a[i], left);
            i += 1;
        } else {
            push(&mut only[1], &b[j], right);
            j += 1;
        }
    }
    Some(only)
}

/// Neighbours, with nothing but space between them, become one place.
fn push(places: &mut Places, word: &Range<usize>, text: &str) {
    if let Some(last) = places.last_mut()
        && text[last.end..word.start].trim().is_empty()
    {
        last.end = word.end;
        return;
    }
    places.push(word.clone());
}

fn words(text: &str) -> Vec<Range<usize>> {
    let start = text.as_ptr() as usize;
    text.split_whitespace()
        .map(|word| {
            let from = word.as_ptr() as usize - start;
            from..from + word.len()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(left: &str, right: &str) -> [Vec<String>; 2] {
        let [one, other] = differences(left, right).unwrap();
        let cut = |text: &str, places: &Places| {
            places.iter().map(|place| text[place.clone()].to_owned()).collect()
        };
        [cut(left, &one), cut(right, &other)]
    }

    #[test]
    fn what_only_one_of_them_has_is_marked() {
        let said =
            shown("A DOI is a name that stays.", "A DOI was a fine name that stays, mostly.");
        assert_eq!(said, [vec!["is", "stays."], vec!["was", "fine", "stays, mostly."]]);
        assert_eq!(shown("same  words", "same words"), [Vec::<String>::new(), Vec::new()]);
        assert_eq!(
            shown("", "Größe ändert"),
            [Vec::<String>::new(), vec!["Größe ändert".to_owned()]]
        );
    }

    #[test]
    fn answers_that_are_too_long_are_not_compared() {
        let [one, other] = ["a ", "b "].map(|word| word.repeat(MOST_WORDS + 1));
        assert!(differences(&one, &other).is_none());
        let long = "same ".repeat(MOST_WORDS * 2);
        assert!(differences(&long, &format!("{long} end")).is_some(), "most of it is the same");
    }
}

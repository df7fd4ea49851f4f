//! T5's span corruption: words of a text are hidden behind sentinels, and the model writes what stood
//! there.

use std::collections::BTreeSet;
use std::ops::Range;

use serde::Serialize;

use super::error::Error;
use crate::encoder::Tokens;
use crate::jobs::Progress;
use crate::llm::text::tokenizer::Tokenizer;
use crate::seq2seq::{Seq2Seq, WriteEvent, WriteRequest};

/// T5 knows so many.
pub const MOST_SPANS: usize = 100;

/// The words of a text, as ranges of bytes.
pub fn words(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, character) in text.char_indices() {
        match (start, character.is_whitespace()) {
            (None, false) => start = Some(at),
            (Some(from), true) => {
                words.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    words.extend(start.map(|from| from..text.len()));
    words
}

/// Hidden words that follow each other are one span.
pub fn spans(hidden: &BTreeSet<usize>) -> Vec<Range<usize>> {
    let mut spans: Vec<Range<usize>> = Vec::new();
    for word in hidden {
        match spans.last_mut() {
            Some(last) if last.end == *word => last.end += 1,
            _ => spans.push(*word..word + 1),
        }
    }
    spans
}

/// Words to hide as T5's pretraining hides tokens: `share` of them, in spans of `length` on the mean,
/// with at least a word between two spans.
pub fn drawn(count: usize, share: f64, length: f64, seed: u64) -> BTreeSet<usize> {
    if count < 2 {
        return BTreeSet::new();
    }
    let wanted = ((count as f64 * share).round() as usize).clamp(1, count - 1);
    let spans = ((wanted as f64 / length.max(1.0)).round() as usize)
        .clamp(1, MOST_SPANS)
        .min(count - wanted + 1)
        .min(wanted);
    let mut state = seed;
    let mut below = |most: usize| {
        // SplitMix64.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % most.max(1) as u64) as usize
    };
    // Hidden words fall to the spans, which have one at least; shown words to the gaps around them, of
    // which the inner ones have one at least.
    let mut lengths = vec![1_usize; spans];
    for _ in 0..wanted - spans {
        lengths[below(spans)] += 1;
    }
    let mut gaps = vec![1_usize; spans + 1];
    (gaps[0], gaps[spans]) = (0, 0);
    for _ in 0..count - wanted - (spans - 1) {
        gaps[below(spans + 1)] += 1;
    }
    let mut hidden = BTreeSet::new();
    let mut at = 0;
    for (gap, length) in gaps.into_iter().zip(lengths) {
        at += gap;
        hidden.extend(at..at + length);
        at += length;
    }
    hidden
}

/// A text with a sentinel in place of each span, and the words that stood there.
pub fn corrupted(text: &str, hidden: &BTreeSet<usize>) -> (String, Vec<String>) {
    let words = words(text);
    let (mut given, mut original, mut at) = (String::new(), Vec::new(), 0);
    for (number, span) in spans(hidden).into_iter().enumerate() {
        let (Some(first), Some(last)) = (words.get(span.start), words.get(span.end - 1)) else {
            break;
        };
        given.push_str(&text[at..first.start]);
        given.push_str(&sentinel(number));
        original.push(text[first.start..last.end].to_owned());
        at = last.end;
    }
    given.push_str(&text[at..]);
    (given, original)
}

fn sentinel(number: usize) -> String {
    format!("<extra_id_{number}>")
}

/// What a model writes for the hidden words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Filled {
    /// What it reads.
    pub given: String,

    /// All that it writes, sentinels among it.
    pub written: String,
    pub spans: Vec<FilledSpan>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FilledSpan {
    pub hidden: String,

    /// `None`: the model has not written this sentinel.
    pub guess: Option<String>,

    /// Whether both are the same, whatever the case.
    pub is_same: bool,
}

pub fn fill(
    model: &Seq2Seq,
    text: &str,
    hidden: &BTreeSet<usize>,
    request: &WriteRequest,
    progress: &dyn Progress<WriteEvent>,
) -> Result<Filled, Error> {
    let (given, originals) = corrupted(text, hidden);
    if originals.is_empty() {
        return Err(Error::NothingHidden);
    }
    if originals.len() > MOST_SPANS {
        return Err(Error::TooManySpans { count: originals.len(), most: MOST_SPANS });
    }
    let tokenizer = model.tokenizer().ok_or(Error::NoSentinels)?;
    // One more: the sentinel after the last guess.
    let sentinels: Vec<Option<u32>> =
        (0..=originals.len()).map(|number| sentinel_id(tokenizer, number)).collect();
    if sentinels[..originals.len()].iter().any(Option::is_none) {
        return Err(Error::NoSentinels);
    }
    let (ids, is_cut) = model.encode(&given)?;
    if is_cut {
        return Err(Error::TextTooLong { read: ids.len() });
    }
    let written =
        model.write_of(&model.read(Tokens::plain(&ids), &mut |_| {})?, request, progress)?;
    let found = originals.into_iter().enumerate().map(|(number, hidden)| {
        let guess = between(&written.ids, &sentinels, number)
            .map(|ids| tokenizer.decode(ids, true).trim().to_owned());
        let is_same =
            guess.as_ref().is_some_and(|guess| guess.to_lowercase() == hidden.to_lowercase());
        FilledSpan { hidden, guess, is_same }
    });
    let spans = found.collect();
    Ok(Filled { given, written: tokenizer.decode(&written.ids, false), spans })
}

/// What stands behind a sentinel, up to the next one.
fn between<'a>(ids: &'a [u32], sentinels: &[Option<u32>], number: usize) -> Option<&'a [u32]> {
    let start = ids.iter().position(|id| Some(*id) == sentinels[number])? + 1;
    let is_sentinel = |id: &u32| sentinels.contains(&Some(*id));
    let end = ids[start..].iter().position(is_sentinel).map_or(ids.len(), |at| start + at);
    Some(&ids[start..end])
}

/// T5 writes its sentinels as they are; mT5's stand behind the mark of a word's beginning.
fn sentinel_id(tokenizer: &Tokenizer, number: usize) -> Option<u32> {
    let name = sentinel(number);
    let own = tokenizer.special_id(&name).or_else(|| tokenizer.special_id(&format!("▁{name}")))?;
    // A piece that the tokenizer would never make of the text is no sentinel.
    let is_made = tokenizer.encode(&name, false).is_ok_and(|ids| ids.contains(&own));
    is_made.then_some(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_words_become_sentinels_and_neighbours_share_one() {
        let text = "Thank you for inviting  me to your party last week .";
        assert_eq!(words(text).len(), 11);
        let hidden = BTreeSet::from([2, 3, 8]);
        let (given, original) = corrupted(text, &hidden);
        assert_eq!(given, "Thank you <extra_id_0>  me to your party <extra_id_1> week .");
        assert_eq!(original, ["for inviting", "last"]);
        assert_eq!(corrupted("a", &BTreeSet::new()), ("a".to_owned(), Vec::new()));
        assert_eq!(corrupted("a b", &BTreeSet::from([7])).1, Vec::<String>::new());
    }

    #[test]
    fn drawn_words_are_the_wanted_share_in_spans_that_do_not_touch() {
        for (count, seed) in [(2, 1), (3, 2), (7, 3), (20, 4), (100, 5), (400, 6)] {
            let hidden = drawn(count, 0.15, 3.0, seed);
            let wanted = ((count as f64 * 0.15).round() as usize).max(1);
            assert_eq!(hidden.len(), wanted, "{count} words");
            assert!(hidden.iter().all(|word| *word < count), "{count} words: {hidden:?}");
            let spans = spans(&hidden);
            assert_eq!(spans.len(), ((wanted as f64 / 3.0).round() as usize).max(1));
            assert_eq!(hidden, drawn(count, 0.15, 3.0, seed), "same seed");
        }
        assert_ne!(drawn(100, 0.15, 3.0, 1), drawn(100, 0.15, 3.0, 2));
        assert_eq!(drawn(1, 0.15, 3.0, 1), BTreeSet::new());
        assert_eq!(drawn(0, 0.15, 3.0, 1), BTreeSet::new());
    }

    #[test]
    fn a_guess_is_what_stands_between_two_sentinels() {
        let sentinels = [Some(90), Some(91), Some(92)];
        assert_eq!(between(&[90, 5, 6, 91, 7, 92, 8], &sentinels, 0), Some([5, 6].as_slice()));
        assert_eq!(between(&[90, 5, 6, 91, 7, 92, 8], &sentinels, 1), Some([7].as_slice()));
        assert_eq!(between(&[90, 5], &sentinels, 1), None);
        assert_eq!(between(&[90, 91], &sentinels, 0), Some([].as_slice()));
    }
}

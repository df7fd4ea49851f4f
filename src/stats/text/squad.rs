//! Exact match and token F1 of short answers, as the script of `SQuAD` (Rajpurkar et al. 2016, 2018).

use std::collections::HashMap;

use super::words::{is_letter_or_number, split};

/// In lower case, without the 32 ASCII punctuation marks, without the words a, an and the, words
/// one space apart.
pub fn normalised(answer: &str) -> String {
    let lower = answer.to_lowercase();
    let plain: String = lower.chars().filter(|c| !c.is_ascii_punctuation()).collect();
    // A word ends where letters and numbers (and the underscore, which is gone) end.
    let mut out = String::with_capacity(plain.len());
    let mut word = String::new();
    for c in plain.chars().map(Some).chain([None]) {
        match c {
            Some(c) if is_letter_or_number(c) => word.push(c),
            end => {
                out.push_str(if matches!(word.as_str(), "a" | "an" | "the") { " " } else { &word });
                word.clear();
                out.extend(end);
            }
        }
    }
    split(&out).collect::<Vec<_>>().join(" ")
}

/// The F1 of the words of two normalised answers; where either has none, 1 if both have none.
pub fn token_f1(prediction: &str, answer: &str) -> f64 {
    let words = |text| split(text).collect::<Vec<&str>>();
    let (predicted, right) = (words(prediction), words(answer));
    if predicted.is_empty() || right.is_empty() {
        return f64::from(u8::from(predicted.is_empty() && right.is_empty()));
    }
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in &right {
        *left.entry(word).or_insert(0) += 1;
    }
    let mut same = 0.0;
    for word in &predicted {
        if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            same += 1.0;
        }
    }
    if same == 0.0 {
        return 0.0;
    }
    let (precision, recall) = (same / predicted.len() as f64, same / right.len() as f64);
    2.0 * precision * recall / (precision + recall)
}

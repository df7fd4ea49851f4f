//! The reasoning of a thinking model, told from its answer: what stands between `<think>` and
//! `</think>`, as `DeepSeek-R1`, Qwen3 and others write it.

use std::ops::Range;

/// How models mark their reasoning.
const MARKS: [(&str, &str); 4] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
];

/// Where the reasoning is in an answer, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reasoning {
    /// Without its marks.
    pub inside: Range<usize>,

    /// Where the answer proper begins. The end: the reasoning has not ended.
    pub answer: usize,
}

/// Finds it. `prompt`: what the model saw; some templates open the reasoning themselves.
pub fn find(text: &str, prompt: &str) -> Option<Reasoning> {
    let lead = text.len() - text.trim_start().len();
    for (open, close) in MARKS {
        let start = if text[lead..].starts_with(open) {
            lead + open.len()
        } else if prompt.trim_end().ends_with(open) || text.contains(close) {
            0
        } else {
            continue;
        };
        let Some(length) = text[start..].find(close) else {
            return Some(Reasoning { inside: start..text.len(), answer: text.len() });
        };
        let end = start + length;
        let after = end + close.len();
        let spaces = text[after..].len() - text[after..].trim_start().len();
        return Some(Reasoning { inside: start..end, answer: after + spaces });
    }
    None
}

/// The answer without its reasoning; where nothing stands after that, all of it.
pub fn without<'a>(text: &'a str, prompt: &str) -> &'a str {
    match find(text, prompt) {
        Some(found) if found.answer < text.len() => &text[found.answer..],
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_is_told_from_the_answer() {
        for (text, prompt, inside, answer) in [
            ("<think>\nWhy?\n</think>\n\nBecause.", "", "\nWhy?\n", "Because."),
            ("Why?</think>Because.", "<|assistant|><think>\n", "Why?", "Because."),
            ("Why?</think>Because.", "", "Why?", "Because."),
            ("<think>Why", "", "Why", ""),
            ("Why", "<think>\n", "Why", ""),
            ("[THINK]Why?[/THINK]So.", "", "Why?", "So."),
        ] {
            let found = find(text, prompt).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(&text[found.inside], inside, "{text}");
            assert_eq!(&text[found.answer..], answer, "{text}");
        }
        assert_eq!(find("A <think> in the middle", ""), None);
        assert_eq!(without("<think>only", ""), "<think>only");
    }
}

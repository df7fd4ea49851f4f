//! The passages of a document that fit a question best, by BM25.

use std::collections::HashSet;

use bm25::Tokenizer as _;
use serde::{Deserialize, Serialize};

use super::ranked::{Ranked, Words};

/// A piece of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Its place in the document, from 1.
    pub number: usize,
    pub text: String,
}

/// What of a document the model reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// In the order of the document.
    pub passages: Vec<Passage>,

    /// How many passages of it the model does not read.
    pub left_out: usize,

    /// The numbers of all passages, the best one first.
    #[serde(skip)]
    ranked: Vec<usize>,
}

/// A document in passages, ready to be asked about.
pub struct Document {
    passages: Vec<Passage>,

    /// The words of each.
    words: Vec<HashSet<String>>,
    engine: Ranked,
}

impl Document {
    /// In passages of about so many words.
    pub fn new(text: &str, words: usize) -> Self {
        let passages = split(text, words);
        let sets =
            passages.iter().map(|passage| Words.tokenize(&passage.text).into_iter().collect());
        let sets = sets.collect();
        let engine = Ranked::new(passages.iter().map(|passage| passage.text.as_str()));
        Self { words: sets, engine, passages }
    }

    /// At most so many passages, those that fit the question best. A text that has no more is whole.
    pub fn excerpt(&self, question: &str, most: usize) -> Excerpt {
        Excerpt::best(&self.passages, self.ranked(question), most)
    }

    /// The question without words that tell passages of this document hardly apart: those of one
    /// letter, and those that half of the passages have, if anything else is left.
    fn telling(&self, question: &str) -> String {
        let asked = Words.tokenize(question);
        let tells = |word: &&String| {
            let count = self.words.iter().filter(|set| set.contains(*word)).count();
            word.chars().count() > 1 && count > 0 && count * 2 < self.words.len()
        };
        let telling: Vec<&str> = asked.iter().filter(tells).map(String::as_str).collect();
        if telling.is_empty() { question.to_owned() } else { telling.join(" ") }
    }

    /// The numbers of the passages, the best one first; those without a word of the question come
    /// last, in their order.
    fn ranked(&self, question: &str) -> Vec<usize> {
        let order = self.engine.order(&self.telling(question));
        order.into_iter().map(|at| self.passages[at].number).collect()
    }
}

impl Excerpt {
    fn best(all: &[Passage], ranked: Vec<usize>, most: usize) -> Self {
        let kept = &ranked[..most.min(ranked.len())];
        let passages = all.iter().filter(|passage| kept.contains(&passage.number)).cloned();
        let passages: Vec<Passage> = passages.collect();
        Self { left_out: all.len() - passages.len(), passages, ranked }
    }

    /// Half as many of them, the best ones. `None`: there is only one.
    pub fn halved(&self) -> Option<Self> {
        let most = self.passages.len() / 2;
        if most == 0 {
            return None;
        }
        let is_here = |number: &usize| self.passages.iter().any(|it| it.number == *number);
        let of_these = self.ranked.iter().copied().filter(is_here).collect();
        let halved = Self::best(&self.passages, of_these, most);
        Some(Self { left_out: self.left_out + halved.left_out, ..halved })
    }

    /// As a prompt has them.
    pub fn words(&self) -> String {
        if self.left_out == 0 {
            let texts: Vec<&str> =
                self.passages.iter().map(|passage| passage.text.as_str()).collect();
            return texts.join("\n\n");
        }
        let numbered = self.passages.iter();
        let numbered: Vec<String> =
            numbered.map(|passage| format!("[{}] {}", passage.number, passage.text)).collect();
        numbered.join("\n\n")
    }
}

/// A text in passages of at most so many words, cut at the ends of paragraphs where that is possible,
/// else at those of sentences.
pub fn split(text: &str, words: usize) -> Vec<Passage> {
    let count = |text: &str| text.split_whitespace().count();
    let mut pieces: Vec<String> = Vec::new();
    for paragraph in text.split('\n').map(str::trim).filter(|paragraph| !paragraph.is_empty()) {
        if count(paragraph) <= words {
            pieces.push(paragraph.to_owned());
            continue;
        }
        let mut piece = String::new();
        for word in paragraph.split_whitespace() {
            let is_full = count(&piece) >= words
                || (count(&piece) * 2 >= words && piece.ends_with(['.', '!', '?', '。']));
            if is_full {
                pieces.push(std::mem::take(&mut piece));
            }
            if !piece.is_empty() {
                piece.push(' ');
            }
            piece.push_str(word);
        }
        pieces.push(piece);
    }
    let mut passages: Vec<String> = Vec::new();
    for piece in pieces {
        match passages.last_mut() {
            Some(last) if count(last) + count(&piece) <= words => {
                last.push('\n');
                last.push_str(&piece);
            }
            _ => passages.push(piece),
        }
    }
    passages.into_iter().zip(1..).map(|(text, number)| Passage { number, text }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "The study took place in Lyon.\n\nWe asked 412 teachers about their work. They \
                        answered by letter.\n\nThe ministry paid for everything.\n\nNobody reported \
                        a conflict of interest.";

    #[test]
    fn the_passages_with_the_words_of_the_question_are_shown_in_the_documents_order() {
        let found =
            Document::new(TEXT, 10).excerpt("Who paid for it? A ministry, or the teachers?", 2);
        let numbers: Vec<usize> = found.passages.iter().map(|passage| passage.number).collect();
        assert_eq!(numbers, [2, 3], "{found:?}");
        assert_eq!(found.left_out, 2);
        assert!(found.words().starts_with("[2] We asked 412 teachers"), "{}", found.words());
        let halved = found.halved().unwrap();
        assert_eq!((halved.passages.len(), halved.left_out), (1, 3));
        assert_eq!(halved.halved(), None);
    }

    #[test]
    fn a_short_document_is_shown_whole_without_numbers() {
        let found = Document::new(TEXT, 100).excerpt("Where?", 5);
        assert_eq!(found.left_out, 0);
        assert_eq!(found.words(), TEXT.replace("\n\n", "\n"));
    }

    #[test]
    fn a_long_paragraph_is_cut_at_sentences_and_no_word_is_lost() {
        let paragraph = "One two three four five six. ".repeat(40);
        let passages = split(&paragraph, 20);
        assert!(passages.len() > 10);
        for passage in &passages {
            assert!(passage.text.split_whitespace().count() <= 20 && passage.text.ends_with('.'));
        }
        let again: Vec<&str> =
            passages.iter().flat_map(|passage| passage.text.split_whitespace()).collect();
        assert_eq!(again, paragraph.split_whitespace().collect::<Vec<_>>());
    }
}

//! The passages of a document that fit a question best: by BM25, or by vectors that `finder` makes.

use std::collections::HashSet;

use bm25::Tokenizer as _;
use serde::{Deserialize, Serialize};

use super::ranked::{Ranked, Words};

/// A piece of a document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Passage {
    /// Its place in the document, from 1.
    pub number: usize,
    pub text: String,

    /// How well it fits the question: what [`Ranking`] says it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
}

/// What the scores of passages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ranking {
    /// Of words that question and passage share.
    Bm25,

    /// Of the vectors of question and passage.
    Cosine,
}

impl Ranking {
    pub fn words(self) -> &'static str {
        match self {
            Self::Bm25 => "BM25",
            Self::Cosine => "cosine",
        }
    }
}

/// What of a document the model reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Excerpt {
    /// In the order of the document.
    pub passages: Vec<Passage>,

    /// How many passages of it the model does not read, and the highest score among them.
    pub left_out: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_left_out: Option<f64>,

    /// What the scores are. `None`: there is one passage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranking: Option<Ranking>,

    /// Passages of the document whose end the encoder did not read, for they are longer than it reads.
    #[serde(skip_serializing_if = "crate::files::is_zero")]
    pub ends_unread: usize,
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
        // Without a word of the question the score is 0.
        let mut scores = vec![0.0; self.passages.len()];
        for (at, score) in self.engine.found(&self.telling(question)) {
            scores[at] = f64::from(score);
        }
        Excerpt::of(self.passages.clone(), &scores, Ranking::Bm25, most)
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
}

impl Excerpt {
    /// At most so many passages of a document, those with the highest scores; where two are as good,
    /// the earlier one.
    pub fn of(mut passages: Vec<Passage>, scores: &[f64], ranking: Ranking, most: usize) -> Self {
        if passages.len() > 1 {
            for (passage, score) in passages.iter_mut().zip(scores) {
                passage.score = Some(*score);
            }
        }
        let ranking = (passages.len() > 1).then_some(ranking);
        Self { passages, ranking, ..Self::default() }.cut_to(most)
    }

    /// Only the best ones of its passages, at most so many.
    fn cut_to(self, most: usize) -> Self {
        let Self { passages, left_out, best_left_out, ranking, ends_unread } = self;
        let score = |passage: &Passage| passage.score.unwrap_or(f64::NEG_INFINITY);
        let mut best: Vec<&Passage> = passages.iter().collect();
        best.sort_by(|one, other| {
            score(other).total_cmp(&score(one)).then(one.number.cmp(&other.number))
        });
        let rest = &best[most.min(best.len())..];
        let dropped: Vec<usize> = rest.iter().map(|passage| passage.number).collect();
        let best_dropped = rest.first().and_then(|passage| passage.score);
        Self {
            passages: passages.iter().filter(|it| !dropped.contains(&it.number)).cloned().collect(),
            left_out: left_out + dropped.len(),
            best_left_out: best_dropped.or(best_left_out),
            ranking,
            ends_unread,
        }
    }

    /// Half as many of them, the best ones. `None`: there is only one.
    pub fn halved(&self) -> Option<Self> {
        let most = self.passages.len() / 2;
        (most > 0).then(|| self.clone().cut_to(most))
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

    /// What of the document was read, and what was not.
    pub fn sentence(&self) -> String {
        let mut said = match self.left_out {
            0 => "The model read the whole document".to_owned(),
            left_out => {
                let others = if left_out == 1 { "other fits" } else { "others fit" };
                let best = self.best_left_out.map(|score| format!(" (at most {score:.3})"));
                format!(
                    "The model read {} of {} passages; {left_out} {others} the question less{}",
                    self.passages.len(),
                    self.passages.len() + left_out,
                    best.unwrap_or_default()
                )
            }
        };
        if self.ends_unread > 0 {
            said.push_str(&format!(
                ". Of {} passages the encoder did not read the end: they are longer than it reads",
                self.ends_unread
            ));
        }
        said
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
    let numbered = passages.into_iter().zip(1..);
    numbered.map(|(text, number)| Passage { number, text, score: None }).collect()
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
        assert_eq!(found.ranking, Some(Ranking::Bm25));
        assert_eq!(found.best_left_out, Some(0.0));
        let sentence =
            "The model read 2 of 4 passages; 2 others fit the question less (at most 0.000)";
        assert_eq!(found.sentence(), sentence);
        assert_eq!(
            halved.best_left_out,
            found
                .passages
                .iter()
                .map(|it| it.score)
                .min_by(|one, other| one.partial_cmp(other).unwrap())
                .unwrap()
        );
    }

    #[test]
    fn the_best_scores_are_kept_and_the_earlier_of_two_that_are_as_good() {
        let found = Excerpt::of(split(TEXT, 10), &[0.2, 0.5, 0.2, 0.1], Ranking::Cosine, 2);
        let kept: Vec<(usize, Option<f64>)> =
            found.passages.iter().map(|passage| (passage.number, passage.score)).collect();
        assert_eq!(kept, [(1, Some(0.2)), (2, Some(0.5))]);
        assert_eq!((found.left_out, found.best_left_out), (2, Some(0.2)));
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<Excerpt>(&text).unwrap(), found);
        // As versions before had it.
        let old = "{\"passages\": [{\"number\": 1, \"text\": \"a\"}], \"left_out\": 2}";
        assert_eq!(serde_json::from_str::<Excerpt>(old).unwrap().left_out, 2);
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

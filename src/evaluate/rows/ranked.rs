//! Texts in the order in which they fit a question, by BM25 (Robertson and Zaragoza 2009).

use bm25::{Document, SearchEngine, SearchEngineBuilder, Tokenizer};

/// Texts that can be asked about.
pub struct Ranked {
    engine: SearchEngine<u32, u32, Words>,
    count: usize,
}

impl Ranked {
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let documents: Vec<Document<u32>> =
            texts.into_iter().zip(0..).map(|(text, at)| Document::new(at, text)).collect();
        let count = documents.len();
        let builder = SearchEngineBuilder::with_tokenizer_and_documents(Words, documents);
        Self { engine: builder.build(), count }
    }

    /// Those that share a word with the question, the best first, with their scores; where two are as
    /// good, the earlier one.
    pub fn found(&self, question: &str) -> Vec<(usize, f32)> {
        let results = self.engine.search(question, self.count);
        let mut found: Vec<(usize, f32)> =
            results.into_iter().map(|it| (it.document.id as usize, it.score)).collect();
        found.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
        found
    }

    /// All of them, those without a word of the question last, in their order.
    pub fn order(&self, question: &str) -> Vec<usize> {
        let mut order: Vec<usize> = self.found(question).into_iter().map(|(at, _)| at).collect();
        let mut is_found = vec![false; self.count];
        for at in &order {
            is_found[*at] = true;
        }
        order.extend((0..self.count).filter(|at| !is_found[*at]));
        order
    }
}

/// Words in lower case; an apostrophe ends one.
pub struct Words;

impl Tokenizer for Words {
    fn tokenize(&self, text: &str) -> Vec<String> {
        let words = text.split(|letter: char| !letter.is_alphanumeric());
        words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shares_rare_words_comes_first_and_the_rest_in_its_order() {
        let texts = ["The cat sat.", "The dog ran.", "A cat and a dog ran.", "Rain."];
        let ranked = Ranked::new(texts);
        assert_eq!(ranked.order("dog"), [1, 2, 0, 3]);
        assert_eq!(ranked.order("nothing of it"), [0, 1, 2, 3]);
        assert_eq!(ranked.found("snow").len(), 0);
    }
}

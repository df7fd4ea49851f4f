//! Vote and reveal: the room guesses the next word before it sees what the model expects.

use std::f64::consts::LN_2;

/// Guesses that can be counted: more fit on no screen.
pub const MOST_GUESSES: usize = 30;

/// What somebody said, and how many said it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guess {
    pub text: String,
    pub votes: u32,
}

/// What the model gives to a guess.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The pieces that the guess was read as.
    pub tokens: Vec<String>,

    /// Natural log of the probability of all of them, one after the other.
    pub logprob: f64,
}

impl Verdict {
    pub fn probability(&self) -> f64 {
        self.logprob.exp()
    }

    /// -log2 of the probability.
    pub fn bits(&self) -> f64 {
        -self.logprob / LN_2
    }
}

/// A vote, from the first guess to the reveal.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the screen")]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VoteState {
    /// The distribution is hidden until it is revealed.
    pub is_on: bool,
    pub is_revealed: bool,
    pub guesses: Vec<Guess>,

    /// The phones of the room are asked too.
    pub asks_phones: bool,

    /// They choose among the likeliest tokens, or type another word.
    pub offers_tokens: bool,

    /// The answers of the phones are among the guesses.
    has_phones: bool,

    /// Counts the votes: an answer to an older one is not taken in.
    round: u64,

    /// What is being typed.
    pub draft: String,

    /// The field wants the cursor.
    pub wants_cursor: bool,

    /// The guesses that were asked about, and what came back.
    verdicts: Vec<(String, Verdict)>,
    asked: Option<Vec<String>>,
}

impl VoteState {
    /// Whether the bars must not be seen now.
    pub fn hides(&self) -> bool {
        self.is_on && !self.is_revealed
    }

    /// Another prompt: everybody guesses anew.
    pub fn start(&mut self) {
        let Self { is_on, offers_tokens, round, .. } = *self;
        *self = Self { is_on, offers_tokens, round: round + 1, ..Self::default() };
    }

    pub fn round(&self) -> u64 {
        self.round
    }

    /// Adds what the phones have answered, once. Where there are too many guesses, the rarest of
    /// theirs are left out.
    pub fn take_phones<'a>(&mut self, answers: impl Iterator<Item = (&'a str, usize)>) {
        if std::mem::replace(&mut self.has_phones, true) {
            return;
        }
        let mut answers: Vec<(&str, usize)> = answers.filter(|(_, votes)| *votes > 0).collect();
        answers.sort_by_key(|(_, votes)| std::cmp::Reverse(*votes));
        for (text, votes) in answers {
            let votes = u32::try_from(votes).unwrap_or(u32::MAX);
            let folded = text.trim().to_lowercase();
            let is_full = self.guesses.len() >= MOST_GUESSES;
            match self.guesses.iter_mut().find(|guess| guess.text.to_lowercase() == folded) {
                Some(guess) => guess.votes = guess.votes.saturating_add(votes),
                None if is_full => {}
                None => self.guesses.push(Guess { text: text.trim().to_owned(), votes }),
            }
        }
    }

    /// Takes the guess in the field, or another vote for one that is there: upper and lower case are
    /// one, and so is a space around it.
    pub fn add(&mut self) {
        let text = self.draft.trim().to_owned();
        self.draft.clear();
        self.wants_cursor = true;
        if text.is_empty() {
            return;
        }
        let folded = text.to_lowercase();
        let is_full = self.guesses.len() >= MOST_GUESSES;
        match self.guesses.iter_mut().find(|guess| guess.text.to_lowercase() == folded) {
            Some(guess) => guess.votes = guess.votes.saturating_add(1),
            None if is_full => {}
            None => self.guesses.push(Guess { text, votes: 1 }),
        }
    }

    pub fn votes(&self) -> u32 {
        self.guesses.iter().map(|guess| guess.votes).sum()
    }

    /// The guesses that the model has to be asked about, once they are revealed. They count as asked
    /// from now on.
    pub fn ask(&mut self) -> Option<Vec<String>> {
        let texts: Vec<String> = self.guesses.iter().map(|guess| guess.text.clone()).collect();
        let is_due = self.is_on && self.is_revealed && !texts.is_empty();
        if !is_due || self.asked.as_ref() == Some(&texts) {
            return None;
        }
        self.asked = Some(texts.clone());
        Some(texts)
    }

    /// Whether [`Self::ask`] would give something.
    pub fn is_due(&self) -> bool {
        let is_asked = self.asked.as_ref().is_some_and(|asked| {
            asked.len() == self.guesses.len()
                && asked.iter().zip(&self.guesses).all(|(text, guess)| *text == guess.text)
        });
        self.is_on && self.is_revealed && !self.guesses.is_empty() && !is_asked
    }

    pub fn answered(&mut self, verdicts: Vec<(String, Verdict)>) {
        self.verdicts = verdicts;
    }

    pub fn verdict(&self, guess: &str) -> Option<&Verdict> {
        self.verdicts.iter().find(|(text, _)| text == guess).map(|(_, verdict)| verdict)
    }

    /// The mean of the guesses' bits, each as often as it was voted for. `None`: not all are known.
    pub fn bits_a_vote(&self) -> Option<f64> {
        let mut bits = 0.0;
        for guess in &self.guesses {
            bits += f64::from(guess.votes) * self.verdict(&guess.text)?.bits();
        }
        let votes = self.votes();
        (votes > 0).then(|| bits / f64::from(votes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voted(texts: &[&str]) -> VoteState {
        let mut vote = VoteState { is_on: true, ..VoteState::default() };
        for text in texts {
            vote.draft = (*text).to_owned();
            vote.add();
        }
        vote
    }

    #[test]
    fn the_same_word_is_one_guess_with_more_votes() {
        let vote = voted(&["Paris", " paris ", "Lyon", ""]);
        assert_eq!(vote.guesses.len(), 2);
        assert_eq!(vote.guesses[0], Guess { text: "Paris".to_owned(), votes: 2 });
        assert_eq!(vote.votes(), 3);
    }

    #[test]
    fn guesses_are_scored_in_bits_once_they_are_revealed() {
        let mut vote = voted(&["Paris", "Paris", "Paris", "Lyon"]);
        assert!(vote.hides() && !vote.is_due() && vote.ask().is_none());
        vote.is_revealed = true;
        assert!(vote.is_due());
        assert_eq!(vote.ask().unwrap(), ["Paris", "Lyon"]);
        assert!(!vote.is_due() && vote.ask().is_none(), "they are asked about once");
        let verdict =
            |probability: f64| Verdict { tokens: vec![String::new()], logprob: probability.ln() };
        vote.answered(vec![
            ("Paris".to_owned(), verdict(0.5)),
            ("Lyon".to_owned(), verdict(0.03125)),
        ]);
        assert!((vote.verdict("Paris").unwrap().bits() - 1.0).abs() < 1e-9);
        // (3 · 1 + 1 · 5) / 4
        assert!((vote.bits_a_vote().unwrap() - 2.0).abs() < 1e-9);
    }

    #[test]
    fn the_answers_of_the_phones_join_those_that_were_typed_in_once() {
        let mut vote = voted(&["Paris", "Lyon"]);
        vote.is_revealed = true;
        for _ in 0..2 {
            vote.take_phones([("a", 0), ("Nice", 1), ("paris", 11)].into_iter());
        }
        let counted: Vec<(&str, u32)> =
            vote.guesses.iter().map(|guess| (guess.text.as_str(), guess.votes)).collect();
        assert_eq!(counted, [("Paris", 12), ("Lyon", 1), ("Nice", 1)]);
        assert!(vote.is_due(), "the model is asked about them");
        let round = vote.round();
        vote.start();
        assert!(vote.round() > round && !vote.asks_phones);
    }

    #[test]
    fn another_prompt_begins_another_vote() {
        let mut vote = voted(&["Paris"]);
        vote.is_revealed = true;
        vote.start();
        assert!(vote.is_on && vote.hides() && vote.guesses.is_empty());
    }
}

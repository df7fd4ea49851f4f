//! The arguments that say what guesses the next tokens of an answer.

use std::sync::Arc;

use clap::Args;

use super::load::load_model;
use crate::llm::generate::guess::{Guesser, KeptGuesser, check_draft};
use crate::llm::generate::guessing::Guesses;
use crate::llm::{Model, Weights};
use crate::words::counted;

#[derive(Debug, Args)]
pub struct GuesserArgs {
    /// Let this smaller model of the same vocabulary guess the next tokens, which the model then checks
    /// several at a time: faster, from the same distribution; a greedy answer stays the same
    #[arg(long, value_name = "MODEL", conflicts_with = "lookup")]
    draft: Option<String>,

    /// Guess what followed the last tokens where they stood before in prompt and answer: faster where a
    /// text repeats itself; the answer stays the same
    #[arg(long)]
    lookup: bool,

    /// Always guess so many tokens at once; without it as many as pay
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=64))]
    num_guesses: Option<u64>,
}

impl GuesserArgs {
    pub fn is_on(&self) -> bool {
        self.lookup || self.draft.is_some()
    }

    /// The model that guesses for this one, if one is named.
    pub fn load_draft(&self, model: &Model) -> anyhow::Result<Option<Model>> {
        let Some(name) = &self.draft else { return Ok(None) };
        let draft = load_model(name, Weights::AsStored)?;
        check_draft(&draft, model)?;
        Ok(Some(draft))
    }

    /// The same, to be kept.
    pub fn kept(&self, model: &Model) -> anyhow::Result<KeptGuesser> {
        let count = self.num_guesses.map(|count| count as usize);
        Ok(match self.load_draft(model)? {
            Some(draft) => KeptGuesser::Draft(Arc::new(draft), count),
            None if self.lookup => KeptGuesser::Lookup(count),
            None => KeptGuesser::Nobody,
        })
    }

    pub fn guesser<'a>(&self, draft: Option<&'a Model>) -> Guesser<'a> {
        let count = self.num_guesses.map(|count| count as usize);
        match draft {
            Some(draft) => Guesser::Draft(draft, count),
            None if self.lookup => Guesser::Lookup(count),
            None => Guesser::Nobody,
        }
    }
}

/// `; 40 of 52 guesses accepted, 31 passes`
pub fn guessed_words(guesses: Guesses) -> String {
    let Guesses { drafted, accepted, passes } = guesses;
    let passes = counted(passes, "pass", "passes");
    format!("; {accepted} of {drafted} guesses accepted, {passes}")
}

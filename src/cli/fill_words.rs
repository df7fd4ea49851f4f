//! `tuning-fork fill` with words to hide: a masked model from both sides, and beside it one that writes,
//! from the left.

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;

use super::explore::table;
use super::explore::table::Table;
use super::load;
use super::out;
use super::progress::Bar;
use crate::explore::mask::{Guessed, MaskedModel, Side, from_left};
use crate::explore::mask_words::{is_drawn, places_of, text_of, words};
use crate::explore::subject::Subject;
use crate::llm::{Model, Weights};

/// Words to hide, and who guesses them too.
#[derive(Debug, Args)]
pub struct HideArgs {
    /// A word of the text to hide; may be given several times, and takes the next place where the word
    /// stands
    #[arg(long, value_name = "WORD")]
    hide: Vec<String>,

    /// Hide every n-th word
    #[arg(long, value_name = "N", conflicts_with = "hide")]
    every: Option<usize>,

    /// Hide words at random, about one of so many
    #[arg(long, value_name = "N", conflicts_with_all = ["hide", "every"])]
    random: Option<usize>,

    /// Which words are drawn: the same seed, the same words, in the window too
    #[arg(long, value_name = "N", default_value_t = 0, requires = "random")]
    seed: u64,

    /// A model that writes, which guesses the same words from what stands before them
    #[arg(long, value_name = "MODEL")]
    beside: Option<String>,
}

impl HideArgs {
    /// Whether words are hidden, or another model guesses too.
    pub fn is_asked(&self) -> bool {
        !self.hide.is_empty()
            || self.every.is_some()
            || self.random.is_some()
            || self.beside.is_some()
    }

    /// The words that are hidden, as characters of the text.
    fn hidden(&self, text: &str) -> anyhow::Result<Vec<std::ops::Range<usize>>> {
        let words = words(text);
        let chosen: Vec<usize> = match (self.every, self.random) {
            (Some(every), _) => {
                (0..words.len()).filter(|at| (at + 1).is_multiple_of(every.max(1))).collect()
            }
            (None, Some(every)) => {
                (0..words.len()).filter(|at| is_drawn(self.seed, *at, every)).collect()
            }
            (None, None) => places_of(text, &self.hide).map_err(|word| {
                anyhow::anyhow!(
                    "{word:?} cannot be hidden: the text has no such word, or not so often. Give words \
                     as they stand in it, without punctuation: {text}"
                )
            })?,
        };
        let chosen = chosen.into_iter().map(|at| words[at].clone());
        let chosen: Vec<_> =
            chosen.filter(|word| !word.is_mask).map(|word| word.characters).collect();
        if chosen.is_empty() && !words.iter().any(|word| word.is_mask) {
            bail!(
                "no word of the text is hidden: hide one with --hide, or write [MASK] in its place: {text}"
            );
        }
        Ok(chosen)
    }
}

/// `top`: so many guesses for each mask.
pub fn run(
    hide: &HideArgs,
    texts: &[String],
    masked: &MaskedModel,
    (top, json): (usize, bool),
) -> anyhow::Result<()> {
    let hidden = texts.iter().map(|text| hide.hidden(text));
    let hidden = hidden.collect::<anyhow::Result<Vec<_>>>()?;
    let beside = hide.beside.as_ref();
    let beside = beside.map(|name| load::load_model(name, Weights::AsStored)).transpose()?;
    let bar = Bar::new();
    for (text, hidden) in texts.iter().zip(&hidden) {
        let both = masked.fill(text, hidden, top, &bar);
        let left = beside
            .as_ref()
            .map(|model: &Model| from_left(Subject::new(model, None), text, hidden, top, &bar));
        bar.clear();
        let place = || format!("the words of {text:?} were not guessed");
        let (both, left) = (both.with_context(place)?, left.transpose().with_context(place)?);
        for side in std::iter::once(&both).chain(&left).filter(|side| side.is_cut) {
            note_cut(side.ids.len());
        }
        if json {
            out::json(&json!({ "text": text, "both_sides": both, "from_left": left }))?;
        } else {
            show(text, &both, left.as_ref())?;
        }
    }
    Ok(())
}

pub fn note_cut(most: usize) {
    out::note(&format!("The text was cut: {most} tokens of it are read"));
}

fn show(text: &str, both: &Side, left: Option<&Side>) -> anyhow::Result<()> {
    out::line(text)?;
    for place in &both.places {
        let word = place.word.clone().unwrap_or_else(|| text_of(text, &place.characters));
        out::line(&format!("  {word}"))?;
        let from_left = left.and_then(|left| left.at(&place.characters));
        let mut table = Table::new(["from", "probability", "rank", "guesses"]);
        let sides = [("both sides", Some(place)), ("the left", from_left)];
        for (name, place) in sides.into_iter().filter_map(|(name, it)| Some((name, it?))) {
            table.push(row(name, place));
        }
        table.print()?;
    }
    Ok(())
}

fn row(name: &str, place: &Guessed) -> Vec<String> {
    let rank = place.tokens.iter().filter_map(|token| token.own.as_ref());
    let rank: Vec<String> = rank.map(|own| own.rank.to_string()).collect();
    let guesses = place.tokens.first().map(|token| token.top.as_slice()).unwrap_or_default();
    let guesses = guesses.iter().take(5);
    let guesses = guesses.map(|it| format!("{} {:.3}", table::token(&it.token), it.probability));
    vec![
        name.to_owned(),
        table::number(place.probability, 6),
        rank.join(", "),
        guesses.collect::<Vec<_>>().join("  "),
    ]
}

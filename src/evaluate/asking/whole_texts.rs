//! Whole texts, however long: they are scored, or fields are read out of their windows.

use std::ops::Range;

use super::error::AskError;
use super::merging::together;
use super::run::Asker;
use super::scoring::{Asked, sentence};
use super::text_scoring::score_text;
use super::windows::windows;
use crate::encoder;
use crate::evaluate::results::answered::Answered;
use crate::evaluate::rows::question::Question;
use crate::evaluate::task::{Kind, TaskError};
use crate::jobs::Progress;

impl Asker<'_> {
    /// Of a text that is scored, how likely it is.
    pub(super) fn measure<E>(
        &mut self,
        question: &Question,
        progress: &dyn Progress<E>,
    ) -> Result<Answered, AskError> {
        let row = question.row.place.row;
        let Kind::Perplexity(settings) = self.prepared.task.kind()? else {
            return Ok(Answered::refused(row, None, "it is no text that is scored".to_owned()));
        };
        let before = self.prepared.form.before_text(question)?;
        let text = question.part("text").unwrap_or_default();
        let scored = score_text(&mut self.answerer, (&before, &text), settings, progress);
        Ok(match scored.map_err(|source| AskError::Model { row, source })? {
            Ok((likelihood, cut)) => Answered::scored(likelihood, cut),
            Err(problem) => Answered::refused(row, None, problem),
        })
    }

    /// The windows of a text that is read in several. `None`: it is read whole.
    pub(super) fn windows(
        &self,
        question: &Question,
    ) -> Result<Option<Vec<Range<usize>>>, AskError> {
        // Words have other tokens where texts are cut; so many more or fewer they may be.
        const SPARE: usize = 16;

        let Kind::Extract(extract) = self.prepared.task.kind()? else { return Ok(None) };
        let Some(text) = question.part("text").filter(|_| extract.windows) else { return Ok(None) };
        let failed = |source| AskError::Model { row: question.row.place.row, source };
        let blank = self.prepared.form.first(&question.with_part("text", ""))?;
        let Ok(Asked { prompt, .. }) =
            self.answerer.encode(&blank, extract.max_tokens).map_err(failed)?
        else {
            return Ok(None); // the prompt alone does not fit, which is said
        };
        let taken = prompt.len() + SPARE + self.answerer.room_beside(extract.max_tokens);
        let fits = self.answerer.context().saturating_sub(taken).max(1);
        let most = if extract.window_tokens == 0 { fits } else { fits.min(extract.window_tokens) };
        let tokenizer = self.answerer.tokenizer();
        let count = |words: &str| -> Result<usize, encoder::Error> {
            Ok(tokenizer.encode(words, false)?.len())
        };
        if count(&text).map_err(failed)? <= most {
            return Ok(None);
        }
        let overlap = extract.overlap.min(most / 2);
        let found = windows(&text, (most, overlap), &count).map_err(failed)?;
        Ok((found.len() > 1).then_some(found))
    }

    /// Reads the windows of a text one after the other, and makes one answer of theirs.
    pub(super) fn read_in_windows<E>(
        &mut self,
        question: &Question,
        windows: &[Range<usize>],
        (progress, read): (&dyn Progress<E>, &mut dyn FnMut(usize, usize)),
    ) -> Result<Answered, AskError> {
        let row = question.row.place.row;
        let text = question.part("text").unwrap_or_default();
        let mut answers = Vec::with_capacity(windows.len());
        for (bytes, at) in windows.iter().zip(0..) {
            read(at, windows.len());
            progress.check()?;
            let part = question.with_part("text", &text[bytes.clone()]);
            answers.push(match self.fit(&part)? {
                Ok(fitted) => self.write(&part, fitted, progress)?,
                Err(unaskable) => Answered::refused(row, None, sentence(&unaskable)),
            });
        }
        let Kind::Extract(extract) = self.prepared.task.kind()? else {
            return Ok(Answered::refused(row, None, "it has no fields".to_owned()));
        };
        let schema = extract.form().map_err(TaskError::Unusable)?;
        Ok(together((&text, windows), answers, &schema, &question.said))
    }
}

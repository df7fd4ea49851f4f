//! Everything that is said of an evaluation, as one text: its report, what else was tried with its
//! table, and how stable its answers are.

use std::path::Path;

use super::Report;
use super::audit;
use super::configurations;
use super::methods;
use crate::evaluate::results::evaluation::Evaluation;
use crate::evaluate::results::frozen::FreezeError;
use crate::evaluate::stability::{Stability, StabilityError};

/// A report with what stands beside it in its folder.
#[derive(Clone, Debug)]
pub struct Page {
    pub markdown: String,

    /// For a methods section.
    pub paragraph: String,
    pub stability: Option<Stability>,
}

#[derive(Debug, thiserror::Error)]
pub enum PageError {
    #[error(transparent)]
    Freeze(#[from] FreezeError),

    #[error(transparent)]
    Stability(#[from] StabilityError),
}

impl Page {
    pub fn of(folder: &Path, evaluation: &Evaluation, report: &Report) -> Result<Self, PageError> {
        let mut markdown = methods::markdown(evaluation, report);
        let mut paragraph = methods::paragraph(evaluation, report);
        if let Some(sentence) = configurations::sentence(folder, evaluation)? {
            markdown.push_str(&format!("\n## Configurations\n\n{sentence}\n"));
            paragraph.push_str(&format!(" {sentence}"));
        }
        let stability = Stability::read(folder)?;
        if let Some(stability) = &stability {
            markdown.push_str(&stability.markdown());
        }
        markdown.push_str(&audit::markdown(evaluation, report));
        Ok(Self { markdown, paragraph, stability })
    }
}

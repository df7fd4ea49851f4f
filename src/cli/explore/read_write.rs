//! The encoder-decoder that is looked at, and the texts that it reads.

use anyhow::{Context as _, bail};

use super::rows::{Content, Row};
use crate::cli::load::ModelArgs;
use crate::cli::out;
use crate::explore::read_write::{Source, pieces};
use crate::hub::resolve;
use crate::llm::generate::sampling::SamplingParams;
use crate::seq2seq::{Seq2Seq, is_pair_model};

/// Loads it, with its adapter where one is named.
pub fn load(args: &ModelArgs) -> anyhow::Result<Seq2Seq> {
    let found = resolve::resolve_with_adapter(&args.model)?;
    if !is_pair_model(&found.model) {
        bail!("{} is no encoder-decoder: this view is for T5, mT5, FLAN-T5, BART", args.model);
    }
    let named = args.adapter.as_deref().map(resolve::resolve_adapter).transpose()?;
    Ok(Seq2Seq::load_adapted(&found.model, named.as_deref().or(found.adapter.as_deref()))?)
}

/// What the encoder reads of each row.
pub fn sources(model: &Seq2Seq, rows: &[Row]) -> anyhow::Result<Vec<Source>> {
    let source = |row: &Row| {
        let source = match &row.content {
            Content::Text(text) => Source::of(model, text).with_context(|| row.place.clone())?,
            Content::Ids(ids) => Source { pieces: pieces(model, ids), is_cut: false },
        };
        if source.is_cut {
            let count = source.pieces.len();
            out::note(&format!("{}: it was cut, {count} tokens of it are read", row.place));
        }
        Ok(source)
    };
    rows.iter().map(source).collect()
}

/// The likeliest token each time, with nothing but the model's own scores.
pub fn greedy() -> SamplingParams {
    SamplingParams { greedy: true, repetition_penalty: 1.0, ..SamplingParams::default() }
}

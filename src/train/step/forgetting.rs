//! What a run forgets: how well the model still predicts text that has nothing to do with its rows.

use crate::data::samples;
use crate::jobs;
use crate::jobs::Progress;
use crate::llm;
use crate::llm::adapter::lora::Adapter;
use crate::llm::model::Model;
use crate::train::error::Error;
use crate::train::objective::tokens::{self, Reading};
use crate::train::record::metrics::TrainEvent;
use crate::train::rows::sequence::Sequence;

/// Tokens of a paragraph that are looked at.
const MOST_TOKENS: usize = 96;

/// The perplexity of the neutral paragraphs, over all of their tokens, as the adapter stands now.
pub fn perplexity(
    model: &Model,
    adapter: &Adapter,
    progress: &dyn Progress<TrainEvent>,
) -> Result<f64, Error> {
    let reading = Reading { temperature: 1.0, learns_entropy: false };
    let most = MOST_TOKENS.min(model.context_with(Some(adapter)));
    let (mut sum, mut count) = (0.0, 0_usize);
    for text in samples::neutral() {
        progress.rest();
        progress.check().map_err(|_stopped| Error::Cancelled)?;
        let ids = model.tokenizer().encode(text, true);
        let mut ids = ids.map_err(|err| Error::Model(llm::Error::Tokenizer(err)))?;
        ids.truncate(most);
        let sequence = Sequence::whole(ids);
        let known = (model, Some(adapter));
        let found = jobs::in_pool(|| tokens::measure(known, &[&sequence], reading))?;
        for token in found.iter().flatten() {
            sum -= token.logp;
            count += 1;
        }
    }
    Ok((sum / count.max(1) as f64).exp())
}

//! What the policy is held to: log-probabilities before the first step, kept from an earlier run or
//! computed.

use std::path::Path;
use std::time::Instant;

use super::passes::{measured, measured_passes};
use super::reference_cache::ReferenceCache;
use crate::jobs::Progress;
use crate::llm::adapter::lora::Adapter;
use crate::llm::model::Model;
use crate::train::config::TrainConfig;
use crate::train::error::Error;
use crate::train::objective::dpo::Reference;
use crate::train::record::metrics::TrainEvent;
use crate::train::rows::batch::Example;

/// An entry for each example, of which those of `rows` are known: kept in `cache` by an earlier run,
/// or computed.
pub fn known_or_computed(
    (model, adapter): (&Model, &Adapter),
    config: &TrainConfig,
    (examples, rows): (&[Example], &[usize]),
    cache: Option<&Path>,
    progress: &dyn Progress<TrainEvent>,
) -> Result<Vec<Reference>, Error> {
    let begun = config.adapter.is_some().then_some(adapter);
    let weight_bytes = model.card().facts.memory_bytes;
    let open = |folder| ReferenceCache::open(folder, (model, weight_bytes), begun, config);
    let cache = cache.map(open).transpose()?;
    let mut all = vec![Reference::UNKNOWN; examples.len()];
    let mut missing = Vec::new();
    for row in rows {
        match cache.as_ref().and_then(|cache| cache.get(&examples[*row])) {
            Some(known) => all[*row] = known,
            None => missing.push(*row),
        }
    }
    let mut keep = |rows: &[usize], found: &[Reference]| {
        for (row, of) in rows.iter().zip(found) {
            all[*row] = *of;
        }
        if let Some(cache) = &cache {
            cache.keep(rows.iter().map(|row| &examples[*row]).zip(found));
        }
    };
    compute((model, adapter), config, (examples, &missing), &mut keep, progress)?;
    Ok(all)
}

/// ln p of the completions of the examples `rows` as the adapter stands now, handed to `keep` a
/// pass at a time: which examples, and what was found of each.
///
/// Called before the first step, this is the reference: a new adapter changes nothing (its B is
/// zero), so the policy is the bare model bit for bit; a continued one is its own reference, as in
/// TRL.
pub fn compute(
    (model, adapter): (&Model, &Adapter),
    config: &TrainConfig,
    (examples, rows): (&[Example], &[usize]),
    keep: &mut dyn FnMut(&[usize], &[Reference]),
    progress: &dyn Progress<TrainEvent>,
) -> Result<(), Error> {
    let (mut done, total, since) = (0, rows.len(), Instant::now());
    for members in measured_passes(examples, rows) {
        progress.rest();
        progress.check().map_err(|_stopped| Error::Cancelled)?;
        let what = "Reference log-probabilities";
        progress.emit(TrainEvent::preparing(what, (done, total), "rows", since));
        let found = measured(model, adapter, config, examples, members)?.into_iter();
        let found = found.map(|stats| {
            let logp = |place: usize| stats.get(place).map_or(0.0, |of| of.logp);
            Reference { chosen: logp(0), rejected: logp(1) }
        });
        keep(members, &found.collect::<Vec<_>>());
        done += members.len();
    }
    Ok(())
}

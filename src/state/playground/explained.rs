//! What the next token could be at the place that is looked at: computed when it is asked for, and kept
//! until the place, the settings or the answer change.

use std::sync::Arc;

use super::candidates::{CANDIDATE_COUNT, CandidateRow, Candidates};
use super::candidates::{PIPELINE_COUNT, PipelineRow, PipelineView};
use super::{Mode, PlaygroundState};
use crate::llm::generate::pipeline::Before;
use crate::llm::generate::sampling::{Distribution, SamplingParams, distribution};
use crate::llm::text::tokenizer::Tokenizer;
use crate::state::scores::{Position, Scores};

impl PlaygroundState {
    /// The rows at [`Self::position`]. Computed anew only when the position, the settings or the
    /// answer changed, so that idle frames do no work and a moving slider runs no model.
    pub fn candidates(
        &mut self,
        params: &SamplingParams,
        tokenizer: &Tokenizer,
    ) -> Option<&Result<Candidates, String>> {
        let position = self.position()?;
        let fresh = self.computed.candidates.as_ref().is_some_and(|(at, with, version, _)| {
            *at == position && with == params && *version == self.version
        });
        if !fresh {
            let scores = self.scores.get(position)?;
            let result = self.compute(position, scores, params, tokenizer);
            self.computed.candidates = Some((position, params.clone(), self.version, result));
        }
        self.computed.candidates.as_ref().map(|(_, _, _, result)| result)
    }

    fn compute(
        &self,
        position: Position,
        scores: &Scores,
        params: &SamplingParams,
        tokenizer: &Tokenizer,
    ) -> Result<Candidates, String> {
        let lane = &self.lanes[position.lane];
        let history = self.history(position);
        let taken = lane.tokens.get(position.token).map(|token| token.id);
        let logits: Arc<[f32]> = scores.expand();
        let found = distribution(&logits, &history, params).map_err(|err| err.to_string())?;
        let penalty_is_on = (params.repetition_penalty - 1.0).abs() > f32::EPSILON;
        let penalised = |id: u32| penalty_is_on && params.penalised(&history).contains(&id);
        let rows = candidate_rows(&found, taken, penalised, tokenizer);
        let approximate = matches!(scores, Scores::Likeliest { .. });
        Ok(Candidates { rows, kept_count: found.kept_count(), approximate })
    }

    /// Goes along the answer; what comes after its last token is a place too.
    pub fn step(&mut self, by: isize) {
        let Some(at) = self.position() else { return };
        let lane = &self.lanes[at.lane];
        let last = lane.tokens.len().saturating_sub(usize::from(!lane.has_next));
        let token = at.token.saturating_add_signed(by).min(last);
        if token != at.token {
            self.selected = Some(Position { lane: at.lane, token });
            self.vote.start();
        }
    }

    /// The prompt and the answer before a position, as the chain sees them.
    pub fn history(&self, position: Position) -> Vec<u32> {
        let mut history = self.rendered.as_ref().map_or_else(Vec::new, |r| r.ids.clone());
        let lane = self.lanes.get(position.lane);
        let tokens = lane.iter().flat_map(|lane| lane.tokens.iter().take(position.token));
        history.extend(tokens.map(|token| token.id));
        history
    }

    /// What stands before [`Self::position`], as the room reads it: the question and the answer so
    /// far.
    pub fn text_before(&self) -> String {
        let Some(position) = self.position() else { return String::new() };
        let lane = self.lanes.get(position.lane);
        let tokens = lane.iter().flat_map(|lane| lane.tokens.iter().take(position.token));
        let answer: String = tokens.map(|token| token.text.as_str()).collect();
        match self.asked_in {
            Mode::Raw => format!("{}{answer}", self.question),
            Mode::Chat if answer.is_empty() => self.question.clone(),
            Mode::Chat => format!("{}\n\n{answer}", self.question),
        }
    }

    /// The pipeline at [`Self::position`]. Computed anew only when the position, the settings or the
    /// answer changed.
    pub fn pipeline(
        &mut self,
        params: &SamplingParams,
        tokenizer: &Tokenizer,
    ) -> Option<&Result<PipelineView, String>> {
        let position = self.position()?;
        let version = self.version;
        let is_fresh =
            self.computed.pipeline.as_ref().is_some_and(|(at, with, of, _)| {
                *at == position && with == params && *of == version
            });
        if !is_fresh {
            let known = self.computed.before.take();
            let known = known.filter(|(at, of, _)| *at == position && *of == version);
            let scores = self.scores.get(position)?;
            let before = match known {
                Some((_, _, before)) => before,
                None => Before::of(scores.expand(), PIPELINE_COUNT).map_err(|err| err.to_string()),
            };
            let approximate = matches!(scores, Scores::Likeliest { .. });
            let view = match &before {
                Ok(before) => self.pipeline_of(before, position, params, tokenizer, approximate),
                Err(problem) => Err(problem.clone()),
            };
            self.computed.before = Some((position, version, before));
            self.computed.pipeline = Some((position, params.clone(), version, view));
        }
        self.computed.pipeline.as_ref().map(|(_, _, _, view)| view)
    }

    fn pipeline_of(
        &self,
        before: &Before,
        position: Position,
        params: &SamplingParams,
        tokenizer: &Tokenizer,
        approximate: bool,
    ) -> Result<PipelineView, String> {
        let lane = &self.lanes[position.lane];
        let taken = lane.tokens.get(position.token).map(|token| token.id);
        let mut ids = before.likeliest.clone();
        let is_missing =
            |id: &u32| !ids.contains(id) && (*id as usize) < before.probabilities.len();
        if let Some(id) = taken.filter(is_missing) {
            ids.push(id);
        }
        let history = self.history(position);
        let pipeline = before.run(&history, params, &ids).map_err(|err| err.to_string())?;
        let rows = ids.into_iter().map(|id| PipelineRow {
            id,
            text: tokenizer.token_text(id),
            taken: taken == Some(id),
        });
        Ok(PipelineView { rows: rows.collect(), pipeline, approximate })
    }
}

/// The likeliest tokens, and the one that was taken where it is not among them.
fn candidate_rows(
    found: &Distribution,
    taken: Option<u32>,
    penalised: impl Fn(u32) -> bool,
    tokenizer: &Tokenizer,
) -> Vec<CandidateRow> {
    let mut likeliest = found.top(CANDIDATE_COUNT);
    if let Some(id) = taken.filter(|id| (*id as usize) < found.before.len())
        && likeliest.iter().all(|candidate| candidate.id != id)
    {
        likeliest.push(found.candidate(id));
    }
    let rows = likeliest.into_iter().map(|candidate| CandidateRow {
        id: candidate.id,
        text: tokenizer.token_text(candidate.id),
        before: candidate.before,
        after: candidate.after,
        removed_by: candidate.removed_by,
        penalised: penalised(candidate.id),
        taken: taken == Some(candidate.id),
    });
    rows.collect()
}

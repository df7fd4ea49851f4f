//! Beam search, as transformers 5 does it.
//!
//! At each step the best continuations of all running answers are taken, twice as many as there are
//! beams; those that end are kept aside by their score over a power of their length.

use std::cmp::Ordering;

use super::model::{Memory, Seq2Seq};
use crate::encoder::Error;
use crate::encoder::stack::Cache;
use crate::jobs::Progress;
use crate::llm::generate::sampling;
use crate::llm::generate::sampling::SamplingParams;

/// When the search ends before nothing can run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EarlyStopping {
    /// Once the best running answer, at its present length, is not above the worst that has ended.
    #[default]
    Heuristic,

    /// Once as many answers have ended as there are beams.
    AsSoonAsFull,

    /// As the heuristic, with the largest length that an answer could have.
    Never,
}

#[derive(Clone, Debug)]
pub struct BeamSettings {
    pub beams: usize,

    /// Sums are divided by the length to this power: above 0 longer answers are favoured.
    pub length_penalty: f64,
    pub early_stopping: EarlyStopping,
    pub max_new_tokens: usize,

    /// Its penalty and its ban of repeated runs count; the rest does not.
    pub sampling: SamplingParams,
}

/// An answer that the search has found.
#[derive(Clone, Debug, PartialEq)]
pub struct Beam {
    /// Without the start; with the token that ends it, where one does.
    pub ids: Vec<u32>,

    /// The sum of its log-probabilities over the power of its length.
    pub score: f32,

    /// Whether it has ended: not so where the search had to stop for want of other answers.
    pub is_finished: bool,
}

/// A step of the search, as it was taken.
#[derive(Clone, Debug, PartialEq)]
pub struct BeamStep {
    /// Of the answers with these tokens: 1 at the first step.
    pub length: usize,

    /// What could have come next, over all running answers, the best first.
    pub candidates: Vec<BeamCandidate>,
}

/// A running answer with one more token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BeamCandidate {
    /// The place that the answer ran in after the step before; 0 at the first step.
    pub beam: usize,
    pub id: u32,

    /// Of this token, after the penalties: a natural log.
    pub logprob: f32,

    /// Of all tokens of the answer up to this one.
    pub sum: f32,
    pub fate: Fate,
}

/// What becomes of a candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// It runs on in this place, counted from 0.
    Runs(usize),

    /// It ends an answer with this score: its sum over the power of its length.
    Ends(f32),
    Dropped,
}

/// What no answer is as bad as.
const WORST: f32 = -1e9;

struct Running {
    ids: Vec<u32>,
    score: f32,
    cache: Cache,
}

/// A running answer and the token that may come next.
#[derive(Clone, Copy)]
struct Candidate {
    beam: usize,
    id: u32,
    logprob: f32,
    score: f32,
    ends: bool,
}

impl Seq2Seq {
    /// The likeliest answers to what was read, the best first. Says every step on the way.
    pub fn search(
        &self,
        memory: &Memory,
        settings: &BeamSettings,
        progress: &dyn Progress<BeamStep>,
    ) -> Result<Vec<Beam>, Error> {
        let BeamSettings { beams, length_penalty, early_stopping, max_new_tokens, .. } = *settings;
        let beams = beams.max(1);
        let cache = self.cache(memory)?;
        let first = |at: usize| Running {
            ids: vec![self.start],
            score: if at == 0 { 0.0 } else { WORST },
            cache: cache.clone(),
        };
        let mut running: Vec<Running> = (0..beams).map(first).collect();
        let none = Beam { ids: Vec::new(), score: WORST, is_finished: false };
        let mut found = vec![none; beams];
        let mut can_improve = true;
        let over = |score: f32, length: usize| score / (length as f64).powf(length_penalty) as f32;
        for length in 1..=max_new_tokens {
            progress.check()?;
            let candidates = self.candidates(&mut running, settings, length)?;
            let is_full = found.iter().all(|beam| beam.is_finished)
                && early_stopping == EarlyStopping::AsSoonAsFull;
            let mut merged = found;
            let mut ending = vec![None; candidates.len()];
            for (place, candidate) in candidates.iter().enumerate() {
                let counts = candidate.ends && place < beams;
                let mut score = over(candidate.score, length);
                for is_out in [is_full, !can_improve, !counts] {
                    score += if is_out { WORST } else { 0.0 };
                }
                ending[place] = (score > WORST / 2.0).then_some(score);
                let mut ids = running[candidate.beam].ids[1..].to_vec();
                ids.push(candidate.id);
                merged.push(Beam { ids, score, is_finished: counts });
            }
            merged.sort_by(|one, other| other.score.total_cmp(&one.score));
            merged.truncate(beams);
            found = merged;
            let may_go_on = candidates.iter().any(|candidate| !candidate.ends);
            let going = going_on(&candidates, beams);
            progress.emit(step(length, &candidates, &going, &ending));
            running = next(&running, &going);
            let reach = match early_stopping {
                EarlyStopping::Never if length_penalty > 0.0 => max_new_tokens,
                _ => length,
            };
            let best = over(running[0].score, reach);
            let worst = found.iter().map(|beam| beam.score).fold(f32::INFINITY, f32::min);
            can_improve &=
                found.iter().any(|beam| best > if beam.is_finished { worst } else { WORST });
            let is_full = found.iter().all(|beam| beam.is_finished)
                && early_stopping == EarlyStopping::AsSoonAsFull;
            if !can_improve || is_full || !may_go_on {
                break;
            }
        }
        Ok(found)
    }

    /// The best continuations of all running answers, the best first.
    fn candidates(
        &self,
        running: &mut [Running],
        settings: &BeamSettings,
        length: usize,
    ) -> Result<Vec<Candidate>, Error> {
        let last: Vec<u32> =
            running.iter().map(|beam| beam.ids.last().copied().unwrap_or(self.start)).collect();
        let mut caches: Vec<Cache> = running.iter().map(|beam| beam.cache.clone()).collect();
        let scores = self.step(&last, &mut caches)?;
        for (beam, cache) in running.iter_mut().zip(caches) {
            beam.cache = cache;
        }
        let forced = self.forced(length, settings.max_new_tokens);
        let is_last = length == settings.max_new_tokens
            || self.longest_answer().is_some_and(|longest| length >= longest);
        let count = running.len() * (1 + self.ends.len()).max(2);
        let better = |one: &Candidate, other: &Candidate| -> Ordering {
            let by_score = other.score.total_cmp(&one.score);
            by_score.then((one.beam, one.id).cmp(&(other.beam, other.id)))
        };
        let mut all: Vec<Candidate> = Vec::new();
        for (at, (beam, scores)) in
            running.iter().zip(scores.chunks_exact(self.vocabulary())).enumerate()
        {
            let mut logprobs = log_softmax(scores);
            sampling::process(&mut logprobs, &beam.ids, &settings.sampling);
            self.forbid(&mut logprobs, &beam.ids);
            if let Some(forced) = forced {
                logprobs.fill(f32::NEG_INFINITY);
                if let Some(score) = logprobs.get_mut(forced as usize) {
                    *score = 0.0;
                }
            }
            if self.renormalizes {
                logprobs = log_softmax(&logprobs);
            }
            let mut own: Vec<Candidate> = (0..)
                .zip(logprobs)
                .map(|(id, logprob)| Candidate {
                    beam: at,
                    id,
                    logprob,
                    score: logprob + beam.score,
                    ends: is_last || self.ends.contains(&id),
                })
                .collect();
            if count < own.len() {
                own.select_nth_unstable_by(count, better);
                own.truncate(count);
            }
            all.extend(own);
        }
        all.sort_by(better);
        all.truncate(count);
        Ok(all)
    }
}

/// Those that run on, with their places among the candidates: the best that have not ended.
fn going_on(candidates: &[Candidate], beams: usize) -> Vec<(usize, Candidate)> {
    let mut going: Vec<(usize, Candidate)> = candidates.iter().copied().enumerate().collect();
    for (_, candidate) in &mut going {
        candidate.score += if candidate.ends { WORST } else { 0.0 };
    }
    going.sort_by(|(_, one), (_, other)| other.score.total_cmp(&one.score));
    going.truncate(beams);
    going
}

fn next(running: &[Running], going: &[(usize, Candidate)]) -> Vec<Running> {
    let go_on = going.iter().map(|(_, Candidate { beam, id, score, .. })| {
        let Running { ids, cache, .. } = &running[*beam];
        let ids = ids.iter().copied().chain([*id]).collect();
        Running { ids, score: *score, cache: cache.clone() }
    });
    go_on.collect()
}

/// What is said of a step. At the first one all beams but one are placeholders, and what they would
/// have continued with is no candidate.
fn step(
    length: usize,
    candidates: &[Candidate],
    going: &[(usize, Candidate)],
    ending: &[Option<f32>],
) -> BeamStep {
    let is_real = |score: f32| score > WORST / 2.0;
    let fate = |at: usize| {
        let runs = going.iter().position(|(place, next)| *place == at && is_real(next.score));
        match (runs, ending[at]) {
            (Some(place), _) => Fate::Runs(place),
            (None, Some(score)) => Fate::Ends(score),
            (None, None) => Fate::Dropped,
        }
    };
    let real = candidates.iter().enumerate().filter(|(_, candidate)| is_real(candidate.score));
    let candidates = real.map(|(at, Candidate { beam, id, logprob, score, .. })| BeamCandidate {
        beam: *beam,
        id: *id,
        logprob: *logprob,
        sum: *score,
        fate: fate(at),
    });
    BeamStep { length, candidates: candidates.collect() }
}

/// Log-probabilities in f32, as torch gives them.
fn log_softmax(scores: &[f32]) -> Vec<f32> {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = scores.iter().map(|score| f64::from(score - most).exp()).sum();
    let shift = sum.ln() as f32;
    scores.iter().map(|score| score - most - shift).collect()
}

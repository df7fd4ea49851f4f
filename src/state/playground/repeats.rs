//! The same prompt many times: a grid of answers, and how often each first token came beside how
//! likely it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::llm::generate::repeats::{RepeatsEvent, RepeatsRequest};
use crate::llm::generate::sampling::distribution;
use crate::llm::generate::{Answer, StopReason};
use crate::llm::text::tokenizer::Tokenizer;
use crate::stats::paired::wilson;
use crate::sweep::commas;

/// First tokens that are shown of each temperature.
const SHOWN: usize = 8;

/// Temperatures that are asked for at once.
pub const MOST_TEMPERATURES: usize = 6;

/// A token that could come first.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstToken {
    pub id: u32,
    pub text: String,

    /// As the settings leave it: exact, over the whole vocabulary.
    pub probability: f32,

    /// In how many of the answers it came first.
    pub count: usize,

    /// The 95 % interval (Wilson) of its share. `None`: no answer is there yet.
    pub interval: Option<(f64, f64)>,
}

/// The answers at one temperature.
#[derive(Clone, Debug, PartialEq)]
pub struct TemperatureRow {
    pub temperature: f32,

    /// One a seed, as far as they are there.
    pub answers: Vec<Option<Answer>>,

    /// After the sampling chain, by id; empty until the prompt is read, or where the settings leave no
    /// token (see [`Self::problem`]).
    after: Vec<f32>,
    pub problem: Option<String>,

    /// The likeliest tokens, and those that came.
    pub first: Vec<FirstToken>,
}

impl TemperatureRow {
    /// Answers that are there.
    pub fn done(&self) -> usize {
        self.answers.iter().flatten().count()
    }

    /// Tokens that are likelier than `least`, and how many of them came.
    pub fn seen(&self, least: f32) -> (usize, usize) {
        let likely = self.after.iter().filter(|share| **share > least).count();
        let came = self.first.iter().filter(|token| token.count > 0 && token.probability > least);
        (came.count(), likely)
    }

    /// Different answers among those that are there.
    pub fn different(&self) -> usize {
        self.answers.iter().flatten().map(|answer| &answer.text).collect::<BTreeSet<_>>().len()
    }
}

/// What was asked, and what has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    pub question: String,
    pub request: RepeatsRequest,
    pub rows: Vec<TemperatureRow>,
    stop_ids: Vec<u32>,
}

/// The view.
#[derive(Debug)]
pub struct RepeatsState {
    /// `0.3, 0.7, 1.2`.
    pub temperatures: String,
    pub count: usize,
    pub max_new_tokens: usize,
    pub first_seed: u64,
    pub grid: Option<Grid>,
    reading: Option<(usize, usize)>,
    is_running: bool,
    number: u64,
}

impl Default for RepeatsState {
    fn default() -> Self {
        Self {
            temperatures: "0.3, 0.7, 1.2".to_owned(),
            count: 10,
            max_new_tokens: 20,
            first_seed: 0,
            grid: None,
            reading: None,
            is_running: false,
            number: 0,
        }
    }
}

/// `0.3; 0.7 1,2` is three temperatures, or what is wrong with them.
pub fn parse_temperatures(text: &str) -> Result<Vec<f32>, String> {
    let mut found = Vec::new();
    if let Some(problem) = two_temperatures(text) {
        return Err(problem);
    }
    // A comma between digits is a decimal point where it is not followed by a space.
    let parts = text.split([';', ' ', '\n']).flat_map(|part| {
        let part = part.trim_matches(',');
        if part.matches(',').count() == 1 && !part.contains('.') {
            vec![part.replace(',', ".")]
        } else {
            part.split(',').map(str::to_owned).collect()
        }
    });
    for part in parts.filter(|part| !part.is_empty()) {
        match part.parse::<f32>() {
            Ok(value) if value > 0.0 && value <= 10.0 => found.push(value),
            _ => return Err(format!("{part} is no temperature: write numbers above 0, up to 10")),
        }
    }
    match found.len() {
        0 => Err("Write at least one temperature, such as 0.7".to_owned()),
        count if count > MOST_TEMPERATURES => {
            Err(format!("{count} temperatures: at most {MOST_TEMPERATURES} fit on the screen"))
        }
        _ => Ok(found),
    }
}

/// `1,2` may be one temperature or two, where both numbers are temperatures: of `0,7` the first is none.
fn two_temperatures(text: &str) -> Option<String> {
    if text.contains(';') {
        return None;
    }
    let is_one = |part: &str| part.parse::<f32>().is_ok_and(|value| value > 0.0 && value <= 10.0);
    let mut parts = text.split_whitespace().map(|part| part.trim_matches(','));
    let typed = parts.find(|part| {
        let numbers: Vec<&str> = part.split(',').collect();
        numbers.len() == 2 && numbers.iter().all(|number| is_one(number))
    })?;
    commas::in_two_ways(typed)
}

impl RepeatsState {
    /// The state, if these are its answers.
    pub fn of(&mut self, number: u64) -> Option<&mut Self> {
        (self.number == number).then_some(self)
    }

    /// A grid is about to be filled. Its number.
    pub fn begin(&mut self, question: String, request: RepeatsRequest) -> u64 {
        let row = |temperature: &f32| TemperatureRow {
            temperature: *temperature,
            answers: vec![None; request.seeds.len()],
            after: Vec::new(),
            problem: None,
            first: Vec::new(),
        };
        let rows = request.temperatures.iter().map(row).collect();
        self.grid = Some(Grid { question, request, rows, stop_ids: Vec::new() });
        self.is_running = true;
        self.reading = None;
        self.number += 1;
        self.number
    }

    pub fn on_event(&mut self, event: RepeatsEvent, tokenizer: &Tokenizer) {
        let Some(grid) = &mut self.grid else { return };
        match event {
            RepeatsEvent::Reading { done, total } => self.reading = Some((done, total)),
            RepeatsEvent::First { ids, logits, stop_ids } => {
                grid.stop_ids = stop_ids;
                for row in &mut grid.rows {
                    let params = grid.request.at(row.temperature);
                    match distribution(&logits, &ids, &params) {
                        Ok(found) => row.after = found.after,
                        Err(error) => row.problem = Some(error.to_string()),
                    }
                    row.count(&grid.stop_ids, tokenizer);
                }
            }
            RepeatsEvent::Answer { temperature, seed, answer } => {
                let Some(row) = grid.rows.get_mut(temperature) else { return };
                if let Some(place) = row.answers.get_mut(seed) {
                    *place = Some(answer);
                }
                row.count(&grid.stop_ids, tokenizer);
            }
        }
    }

    pub fn ended(&mut self) {
        self.is_running = false;
        self.reading = None;
    }

    pub fn is_running(&self) -> bool {
        self.is_running
    }

    /// Answers that are there, of all.
    pub fn progress(&self) -> (usize, usize) {
        let Some(grid) = &self.grid else { return (0, 0) };
        let done = grid.rows.iter().map(TemperatureRow::done).sum();
        (done, grid.rows.iter().map(|row| row.answers.len()).sum())
    }
}

impl TemperatureRow {
    /// Counts anew which tokens came first.
    fn count(&mut self, stop_ids: &[u32], tokenizer: &Tokenizer) {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        for answer in self.answers.iter().flatten() {
            // An answer that ends at once drew a token that ends the turn.
            let end = (answer.stop == StopReason::EndOfTurn).then(|| stop_ids.first()).flatten();
            if let Some(id) = answer.ids.first().or(end) {
                *counts.entry(*id).or_default() += 1;
            }
        }
        let probability = |id: u32| self.after.get(id as usize).copied().unwrap_or(0.0);
        let mut ids: Vec<u32> =
            (0..self.after.len() as u32).filter(|id| probability(*id) > 0.0).collect();
        let better = |a: &u32, b: &u32| probability(*b).total_cmp(&probability(*a)).then(a.cmp(b));
        if ids.len() > SHOWN {
            ids.select_nth_unstable_by(SHOWN, better);
            ids.truncate(SHOWN);
        }
        ids.extend(counts.keys().filter(|id| !ids.contains(id)).copied().collect::<Vec<_>>());
        ids.sort_unstable_by(better);
        let done = self.done();
        let interval = |count: usize| {
            let share = wilson(count as f64, done as f64, 0.95).ok()?;
            Some((share.low, share.high))
        };
        let first = ids.into_iter().map(|id| {
            let count = counts.get(&id).copied().unwrap_or(0);
            FirstToken {
                id,
                text: tokenizer.token_text(id),
                probability: probability(id),
                count,
                interval: interval(count),
            }
        });
        self.first = first.collect();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::llm::generate::guessing::Guesses;
    use crate::llm::generate::sampling::SamplingParams;
    use crate::llm::generate::{AdapterMode, Prompt};

    fn tokenizer() -> Tokenizer {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"));
        Tokenizer::from_file(&path.join("tests/reference/models/llama/tokenizer.json")).unwrap()
    }

    fn request() -> RepeatsRequest {
        RepeatsRequest {
            prompt: Prompt::Raw("a".to_owned()),
            sampling: SamplingParams {
                top_k: 0,
                top_p: 1.0,
                repetition_penalty: 1.0,
                ..SamplingParams::default()
            },
            temperatures: vec![1.0, 2.0],
            seeds: vec![0, 1, 2, 3],
            max_new_tokens: 1,
            stop_strings: Vec::new(),
            adapter: AdapterMode::Off,
        }
    }

    fn answer(id: u32) -> Answer {
        Answer {
            text: id.to_string(),
            ids: vec![id],
            stop: StopReason::Length,
            prompt_secs: 0.0,
            generation_secs: 0.0,
            guesses: Guesses::default(),
        }
    }

    #[test]
    fn frequencies_stand_beside_exact_probabilities_with_wilsons_interval() {
        let tokenizer = tokenizer();
        let mut repeats = RepeatsState::default();
        repeats.begin("a".to_owned(), request());
        // Natural logs of 0.5, 0.25, 0.125 and 0.125.
        let logits = [0.5_f32, 0.25, 0.125, 0.125].map(f32::ln);
        let first = RepeatsEvent::First { ids: vec![9], logits: logits.into(), stop_ids: vec![3] };
        repeats.on_event(first, &tokenizer);
        for (seed, id) in [0, 0, 1].into_iter().enumerate() {
            let event = RepeatsEvent::Answer { temperature: 0, seed, answer: answer(id) };
            repeats.on_event(event, &tokenizer);
        }
        let row = &repeats.grid.as_ref().unwrap().rows[0];
        assert_eq!((row.first[0].id, row.first[0].count), (0, 2));
        assert!((row.first[0].probability - 0.5).abs() < 1e-6);
        // statsmodels: proportion_confint(2, 3, method="wilson")
        let (low, high) = row.first[0].interval.unwrap();
        assert!((low - 0.207_655).abs() < 1e-5 && (high - 0.938_508).abs() < 1e-5, "{low} {high}");
        assert_eq!(row.seen(0.2), (2, 2));
        assert_eq!(row.different(), 2);
        assert_eq!(repeats.progress(), (3, 8));
        // At temperature 2 the square roots of the probabilities count.
        let hot = &repeats.grid.as_ref().unwrap().rows[1];
        let roots = 0.5_f32.sqrt() + 0.5 + 2.0 * 0.125_f32.sqrt();
        assert!((hot.first[0].probability - 0.5_f32.sqrt() / roots).abs() < 1e-6);
        assert_eq!(hot.first[0].interval, None);
    }

    #[test]
    fn an_answer_that_ends_at_once_counts_as_the_token_that_ends_it() {
        let tokenizer = tokenizer();
        let mut repeats = RepeatsState::default();
        repeats.begin("a".to_owned(), request());
        let first =
            RepeatsEvent::First { ids: vec![9], logits: vec![0.0; 4].into(), stop_ids: vec![3] };
        repeats.on_event(first, &tokenizer);
        let empty = Answer { ids: Vec::new(), stop: StopReason::EndOfTurn, ..answer(0) };
        let event = RepeatsEvent::Answer { temperature: 0, seed: 0, answer: empty };
        repeats.on_event(event, &tokenizer);
        let row = &repeats.grid.as_ref().unwrap().rows[0];
        let end = row.first.iter().find(|token| token.id == 3).unwrap();
        assert_eq!(end.count, 1);
    }

    #[test]
    fn temperatures_are_read_as_people_write_them() {
        assert_eq!(parse_temperatures("0.3, 0.7, 1.2"), Ok(vec![0.3, 0.7, 1.2]));
        assert_eq!(parse_temperatures("0,3; 1,2"), Ok(vec![0.3, 1.2]));
        assert_eq!(parse_temperatures("1"), Ok(vec![1.0]));
        for text in ["1,2", "0.7, 1,5"] {
            let said = parse_temperatures(text).unwrap_err();
            assert!(said.contains("for some and the two numbers 1 and"), "{said}");
        }
        assert_eq!(parse_temperatures("0,7"), Ok(vec![0.7]), "0 is no temperature");
        assert_eq!(parse_temperatures("0.7,1.2"), Ok(vec![0.7, 1.2]));
        assert!(parse_temperatures("warm").unwrap_err().contains("warm"));
        assert!(parse_temperatures("0").is_err() && parse_temperatures("").is_err());
        assert!(parse_temperatures("1 1 1 1 1 1 1").unwrap_err().contains("at most 6"));
    }
}

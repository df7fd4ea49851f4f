//! Rows that are being asked about: how far, how fast, how long it will take.

use std::collections::VecDeque;

use crate::state::command::{Command, EvaluateCommand};
use crate::state::slots::Activity;
use crate::words;

/// The speed is that of so many rows.
const WINDOW: usize = 60;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asking {
    /// Only to look at: nothing is kept.
    pub is_try: bool,
    pub done: usize,
    pub total: usize,
    pub paused: bool,

    /// Stop was pressed.
    pub stopping: bool,

    /// Of a row that is read in windows: its number, and how many of how many are read.
    pub window: Option<(u64, usize, usize)>,

    /// When the latest rows were answered, in seconds of any clock that only goes forward.
    answered_at: VecDeque<f64>,
}

impl Asking {
    pub fn new(total: usize, is_try: bool, now_secs: f64) -> Self {
        Self { is_try, total, answered_at: VecDeque::from([now_secs]), ..Self::default() }
    }

    /// So many rows were answered before; the clock starts now.
    pub fn begin(&mut self, done: usize, now_secs: f64) {
        self.done = done;
        self.answered_at = VecDeque::from([now_secs]);
    }

    pub fn on_answer(&mut self, done: usize, total: usize, now_secs: f64) {
        (self.done, self.total) = (done, total);
        self.window = None;
        self.answered_at.push_back(now_secs);
        if self.answered_at.len() > WINDOW {
            self.answered_at.pop_front();
        }
    }

    /// A pause does not count as time that a row took.
    pub fn set_paused(&mut self, paused: bool, now_secs: f64) {
        self.paused = paused;
        if !paused {
            self.answered_at = VecDeque::from([now_secs]);
        }
    }

    pub fn rows_a_minute(&self) -> Option<f64> {
        let (first, last) = (self.answered_at.front()?, self.answered_at.back()?);
        let secs = last - first;
        (secs > 0.0).then(|| (self.answered_at.len() - 1) as f64 / secs * 60.0)
    }

    pub fn secs_left(&self) -> Option<f64> {
        let left = self.total.saturating_sub(self.done) as f64;
        self.rows_a_minute().map(|speed| left / speed * 60.0)
    }

    pub fn fraction(&self) -> f32 {
        self.done as f32 / self.total.max(1) as f32
    }

    /// `120 of 300 rows · 42 rows a minute · 4 min left`.
    pub fn sentence(&self) -> String {
        let mut parts = vec![format!("{} of {} rows", grouped(self.done), grouped(self.total))];
        if let Some((row, done, windows)) = self.window {
            parts.push(format!("row {row}: window {} of {windows}", done + 1));
        }
        if self.stopping {
            parts.push("stopping after this row".to_owned());
        } else if self.paused {
            parts.push("paused".to_owned());
        } else if let (Some(speed), Some(secs)) = (self.rows_a_minute(), self.secs_left()) {
            parts.push(format!("{} rows a minute", grouped(speed.round() as usize)));
            parts.push(format!("{} left", words::duration(secs)));
        }
        parts.join(" · ")
    }

    /// The line of the bottom bar.
    pub fn activity(&self) -> Activity {
        Activity {
            fraction: Some(self.fraction()),
            stop: Some(Command::Evaluate(EvaluateCommand::Stop)),
            ..Activity::new("Evaluating", self.sentence())
        }
    }
}

/// `12,345`.
pub fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_from_the_latest_rows_and_not_from_a_pause() {
        let mut asking = Asking::new(100, false, 0.0);
        assert_eq!(asking.sentence(), "0 of 100 rows");
        for row in 1..=10 {
            asking.on_answer(row, 100, row as f64);
        }
        assert_eq!(asking.sentence(), "10 of 100 rows · 60 rows a minute · 2 min left");
        asking.window = Some((11, 2, 9));
        assert!(asking.sentence().contains("rows · row 11: window 3 of 9 · 60 rows"));
        asking.on_answer(10, 100, 10.0);
        asking.set_paused(true, 10.0);
        assert_eq!(asking.sentence(), "10 of 100 rows · paused");
        asking.set_paused(false, 500.0);
        asking.on_answer(11, 100, 502.0);
        assert_eq!(asking.rows_a_minute(), Some(30.0));
    }
}

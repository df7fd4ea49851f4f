//! Sweeps in the Train panel: the queue under way, and those of the project. The form: see `sweep_form`.

use std::path::{Path, PathBuf};

use super::estimate::EstimateSlot;
use super::form::Plan;
use super::sweep_form::SweepForm;
use crate::stats::repeats::Repeats;
use crate::sweep::expand::Planned;
use crate::sweep::outcome::Which;
use crate::sweep::queue::State;
use crate::sweep::table::Table;
use crate::train::config::TrainConfig;
use crate::words;

/// Everything of sweeps that the panel shows.
#[derive(Clone, Debug, Default)]
pub struct SweepState {
    pub form: SweepForm,
    pub front: Front,

    /// The sweep that is shown: under way, or picked from the list.
    pub shown: Option<ShownSweep>,

    /// The sweep that a task works on.
    pub under_way: Option<UnderWay>,

    /// Those of the project, the newest first.
    pub list: Vec<SweepEntry>,
}

/// What of sweeps lies over the curves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Front {
    #[default]
    Nothing,
    Form,
    Queue,
}

/// A sweep with its table.
#[derive(Clone, Debug)]
pub struct ShownSweep {
    /// The name of its folder.
    pub id: String,
    pub folder: PathBuf,

    /// Until it was read: nothing.
    pub table: Option<Table>,

    /// The key on the plot's axis. Empty: the first.
    pub against: String,
    pub which: Which,
}

/// A sweep that a task works on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnderWay {
    pub id: String,

    /// What is done before the first run, in words.
    pub preparing: Option<String>,
    pub is_stopping: bool,

    /// The run under way, from 0.
    pub run: Option<usize>,
    pub done: usize,
    pub count: usize,
    pub secs_left: Option<f64>,
}

/// A sweep of the project, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepEntry {
    pub id: String,
    pub folder: PathBuf,
    pub count: usize,
    pub done: usize,
    pub failed: usize,
    pub left: usize,
}

/// `6 runs · about 40 min in all`, as far as the run in the form was estimated.
pub fn sentence(
    planned: &[Planned],
    config: &TrainConfig,
    (estimate, rows): (&EstimateSlot, Option<usize>),
) -> String {
    let sentence = words::counted(planned.len(), "run", "runs");
    let (EstimateSlot::Known { estimate, .. }, Some(rows)) = (estimate, rows) else {
        return sentence;
    };
    // A run with more rows to go through takes so much longer.
    let work = |config: &TrainConfig| {
        let plan = Plan::of(config, rows);
        (plan.steps * plan.rows_per_step).max(1) as f64
    };
    let own = work(config);
    let secs: f64 =
        planned.iter().map(|run| estimate.time.total_secs() * work(&run.config) / own).sum();
    format!("{sentence} · {} in all", words::about_duration(secs))
}

impl SweepState {
    pub fn is_open(&self) -> bool {
        self.front != Front::Nothing
    }

    pub fn is_running(&self) -> bool {
        self.under_way.is_some()
    }

    /// A task begins to work on a sweep.
    pub fn begin(&mut self, folder: &Path) {
        let id = name(folder);
        self.under_way = Some(UnderWay {
            id: id.clone(),
            preparing: Some("Counting memory and time".to_owned()),
            ..UnderWay::default()
        });
        self.show(folder);
    }

    /// A sweep comes to the front; its table is read by whoever asks for this.
    pub fn show(&mut self, folder: &Path) {
        let id = name(folder);
        if self.shown.as_ref().is_none_or(|shown| shown.id != id) {
            self.shown = Some(ShownSweep {
                id,
                folder: folder.to_owned(),
                table: None,
                against: String::new(),
                which: Which::Last,
            });
        }
        self.front = Front::Queue;
    }

    /// No task works on a sweep any more. One that was refused before it had a table is gone: its form is in front
    /// again.
    pub fn ended(&mut self, id: &str) {
        self.under_way = None;
        if self.shown.as_ref().is_some_and(|shown| shown.id == id && shown.table.is_none()) {
            self.shown = None;
            if self.front == Front::Queue {
                self.front = Front::Form;
            }
        }
    }

    /// A table has been read, or has changed.
    pub fn standing(&mut self, id: &str, table: Table) {
        if let Some(under_way) = self.under_way.as_mut().filter(|under_way| under_way.id == id) {
            under_way.count = table.rows.len();
            under_way.done = table.rows.len() - table.left();
            under_way.secs_left = table.secs_left();
            under_way.preparing = None;
        }
        if let Some(shown) = self.shown.as_mut().filter(|shown| shown.id == id) {
            shown.table = Some(table);
        }
    }
}

impl ShownSweep {
    /// `5 of 8 runs are done, 3 are left`. `None`: it was not read yet.
    pub fn sentence(&self) -> Option<String> {
        let table = self.table.as_ref()?;
        let entry = SweepEntry {
            id: self.id.clone(),
            folder: self.folder.clone(),
            count: table.rows.len(),
            done: table.count(State::Done),
            failed: table.count(State::Failed),
            left: table.left(),
        };
        Some(entry.sentence())
    }
}

impl UnderWay {
    /// `3 of 8 runs are done · about 12 min left`
    pub fn sentence(&self) -> String {
        if let Some(preparing) = &self.preparing {
            return format!("{preparing}…");
        }
        let Self { done, count, .. } = *self;
        let left = self
            .secs_left
            .filter(|secs| *secs > 0.0)
            .map_or_else(String::new, |secs| format!(" · {} left", words::about_duration(secs)));
        format!("{done} of {} {} done{left}", words::counted(count, "run", "runs"), verb(done))
    }
}

impl SweepEntry {
    /// `5 of 8 runs are done, 3 are left`
    pub fn sentence(&self) -> String {
        let Self { count, done, failed, left, .. } = self;
        let mut sentence =
            format!("{done} of {} {} done", words::counted(*count, "run", "runs"), verb(*done));
        if *failed > 0 {
            sentence.push_str(&format!(", {failed} failed"));
        }
        if *left > 0 {
            sentence.push_str(&format!(", {left} {} left", verb(*left)));
        }
        sentence
    }
}

/// `is`, `are`
pub fn verb(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// A measured number in a table.
pub fn number(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 { format!("{value:.2e}") } else { format!("{value:.4}") }
}

/// `0.6100 ± 0.0300 (0.5355 to 0.6845)`: mean, standard deviation, 95 % interval of the mean.
pub fn spread(found: Option<Repeats>) -> String {
    let Some(Repeats { mean, deviation, interval, .. }) = found else { return String::new() };
    // Beside a mean with four decimals, what is small has as many, as long as they say something.
    let is_plain = mean.abs() >= 1e-3;
    let beside = |value: f64| {
        if is_plain && value.abs() >= 5e-5 { format!("{value:.4}") } else { number(value) }
    };
    let deviation = deviation.map_or_else(String::new, |value| format!(" ± {}", beside(value)));
    let interval = interval
        .map_or_else(String::new, |(low, high)| format!(" ({} to {})", beside(low), beside(high)));
    format!("{}{deviation}{interval}", number(mean))
}

/// `1,234,567`
pub fn count_words(count: u64) -> String {
    words::thousands(count as usize)
}

pub fn memory_words(bytes: u64) -> String {
    words::gigabytes(bytes)
}

/// What a sweep is called: as its folder.
pub fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_that_was_refused_leads_back_to_its_form() {
        let mut sweep = SweepState::default();
        sweep.begin(Path::new("sweeps/one"));
        assert_eq!((sweep.front, sweep.is_running()), (Front::Queue, true));
        sweep.ended("one");
        assert_eq!((sweep.front, sweep.is_running()), (Front::Form, false));
        assert!(sweep.shown.is_none(), "there is no table to wait for");
    }

    #[test]
    fn a_sweep_says_how_it_stands() {
        let entry = SweepEntry {
            id: "one".to_owned(),
            folder: PathBuf::from("sweeps/one"),
            count: 8,
            done: 5,
            failed: 1,
            left: 2,
        };
        assert_eq!(entry.sentence(), "5 of 8 runs are done, 1 failed, 2 are left");
        let under_way =
            UnderWay { done: 1, count: 3, secs_left: Some(640.0), ..UnderWay::default() };
        assert_eq!(under_way.sentence(), "1 of 3 runs is done · about 11 min left");
    }
}

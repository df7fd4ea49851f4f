//! Sweeps in the Train panel: the form with lists of values, the queue under way, and those of the project.

use std::path::{Path, PathBuf};

use toml::Value;

use super::estimate::EstimateSlot;
use super::form::Plan;
use crate::stats::repeats::Repeats;
use crate::sweep::definition::{Definition, Seeds};
use crate::sweep::expand::{Planned, expand};
use crate::sweep::plot::Which;
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

/// What varies, as the person types it.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepForm {
    pub rows: Vec<KeyRow>,

    /// `3`, or `1, 2, 3`.
    pub seeds: String,

    /// What it added up to, and of what.
    checked: Option<(Asked, Result<Vec<Planned>, String>)>,
}

/// What an expansion was made of.
type Asked = (Vec<KeyRow>, String, Box<TrainConfig>);

/// A key with its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRow {
    pub key: String,

    /// `1e-4, 5e-5`
    pub values: String,
}

impl Default for SweepForm {
    fn default() -> Self {
        let row =
            |key: &str, values: &str| KeyRow { key: key.to_owned(), values: values.to_owned() };
        let rows = vec![row("learning_rate", "1e-5, 1e-4, 1e-3")];
        Self { rows, seeds: "3".to_owned(), checked: None }
    }
}

impl SweepForm {
    /// The runs on top of the settings in the form, or what is wrong, in a sentence.
    pub fn planned(&mut self, config: &TrainConfig) -> Result<&[Planned], String> {
        let is_known = self.checked.as_ref().is_some_and(|((rows, seeds, of), _)| {
            *rows == self.rows && *seeds == self.seeds && **of == *config
        });
        if !is_known {
            let asked = (self.rows.clone(), self.seeds.clone(), Box::new(config.clone()));
            self.checked = Some((asked, self.expanded(config)));
        }
        match &self.checked {
            Some((_, found)) => found.as_deref().map_err(Clone::clone),
            None => Err(String::new()),
        }
    }

    fn expanded(&self, config: &TrainConfig) -> Result<Vec<Planned>, String> {
        let mut grid = Vec::new();
        for row in &self.rows {
            let key = row.key.trim();
            if key.is_empty() && row.values.trim().is_empty() {
                continue;
            }
            if key.is_empty() {
                return Err(format!("name the key that has the values {}", row.values.trim()));
            }
            grid.push((key.to_owned(), values(&row.values)));
        }
        let seeds = seeds(&self.seeds)?;
        let filled = filled(config);
        let definition = Definition::with(&filled, grid, seeds)?;
        let planned = expand(&definition).map_err(|err| err.to_string().replace("[grid]: ", ""))?;
        if planned.len() < 2 {
            return Err(
                "this is one run: give a key several values, or take several seeds".to_owned()
            );
        }
        Ok(planned)
    }
}

/// The app fills model and data in: until then they must not stand in the way.
fn filled(config: &TrainConfig) -> TrainConfig {
    let model = if config.model.is_empty() { "starter".to_owned() } else { config.model.clone() };
    let data = if config.data.as_os_str().is_empty() {
        PathBuf::from("data")
    } else {
        config.data.clone()
    };
    TrainConfig { model, data, ..config.clone() }
}

/// `1e-4, 5e-5` as values; what TOML cannot read is a text: `cosine, linear`.
fn values(text: &str) -> Vec<Value> {
    let read = |text: &str| -> Option<Value> {
        let table: toml::Table = format!("v = {text}").parse().ok()?;
        table.get("v").cloned()
    };
    if let Some(Value::Array(list)) = read(&format!("[{text}]")) {
        return list;
    }
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| read(part).unwrap_or_else(|| Value::String(part.to_owned()))).collect()
}

fn seeds(text: &str) -> Result<Seeds, String> {
    let text = text.trim();
    let problem = |part: &str| {
        format!("`{part}` is not a seed: write how many seeds there are (3), or which (1, 2, 3)")
    };
    if text.is_empty() {
        return Ok(Seeds::Own);
    }
    if !text.contains(',') {
        let count: u64 = text.parse().map_err(|_not_a_number| problem(text))?;
        return if count == 0 { Err(problem(text)) } else { Ok(Seeds::Count(count)) };
    }
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let list = parts.map(|part| part.parse().map_err(|_not_a_number| problem(part)));
    let list: Vec<u64> = list.collect::<Result<_, _>>()?;
    if let Some(twice) = list.iter().enumerate().find(|(at, seed)| list[..*at].contains(seed)) {
        return Err(format!("the seed {} is there twice: take one of them out", twice.1));
    }
    Ok(Seeds::List(list))
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
    format!("{sentence} · about {} in all", words::duration(secs))
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
            .map_or_else(String::new, |secs| format!(" · about {} left", words::duration(secs)));
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
    let deviation = deviation.map_or_else(String::new, |value| format!(" ± {}", number(value)));
    let interval = interval
        .map_or_else(String::new, |(low, high)| format!(" ({} to {})", number(low), number(high)));
    format!("{}{deviation}{interval}", number(mean))
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
    use crate::train::config::Objective;

    fn form(rows: &[(&str, &str)], seeds: &str) -> SweepForm {
        let row = |(key, values): &(&str, &str)| KeyRow {
            key: (*key).to_owned(),
            values: (*values).to_owned(),
        };
        let rows = rows.iter().map(row).collect();
        SweepForm { rows, seeds: seeds.to_owned(), checked: None }
    }

    #[test]
    fn lists_that_are_typed_become_runs() {
        let config = TrainConfig::suggested(Objective::Dpo);
        let count =
            |rows: &[(&str, &str)], seeds: &str| form(rows, seeds).planned(&config).unwrap().len();
        assert_eq!(count(&[("learning_rate", "1e-5, 1e-4")], "3"), 6);
        assert_eq!(count(&[("lr_scheduler_type", "cosine, linear")], "7, 8"), 4);
        assert_eq!(count(&[("lora.r", "4, 8,"), ("", "")], "1"), 2);
        assert_eq!(count(&[], "1, 2, 3"), 3);
    }

    #[test]
    fn what_cannot_be_run_is_said_while_it_is_typed() {
        let config = TrainConfig::suggested(Objective::Dpo);
        for (rows, seeds, words) in [
            (&[("learning_rat", "1")][..], "1", "did you mean `learning_rate`?"),
            (&[("beta", "")], "1", "the list of `beta` is empty"),
            (&[("beta", "0.1, 0.1")], "1", "`beta` has 0.1 twice"),
            (&[("beta", "0.1, much")], "1", "beta = \"much\""),
            (&[("beta", "0.1"), ("beta", "0.2")], "1", "`beta` is there twice"),
            (&[("", "0.1")], "1", "name the key"),
            (&[("seed", "1, 2")], "1", "in their own field"),
            (&[("beta", "0.1")], "1", "this is one run"),
            (&[("beta", "0.1")], "two", "`two` is not a seed"),
            (&[("beta", "0.1")], "0", "`0` is not a seed"),
            (&[("beta", "0.1")], "1, 1", "the seed 1 is there twice"),
            (&[("beta", "0.1")], "-1, 2", "`-1` is not a seed"),
        ] {
            let said = form(rows, seeds).planned(&config).unwrap_err();
            assert!(said.contains(words), "{rows:?}: {said}");
        }
    }

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

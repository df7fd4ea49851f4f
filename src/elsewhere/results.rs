//! What a training program left in a folder: the adapter or the model, and its curves. Of TRL,
//! LLaMA-Factory, Axolotl and Unsloth, which all leave what transformers' `Trainer` does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::error::Error;
use crate::train::record::history::History;
use crate::train::record::metrics::{EvalMetrics, StepMetrics};

/// The results of a run.
#[derive(Clone, Debug)]
pub struct Results {
    /// Where the adapter or the model lies.
    pub folder: PathBuf,
    pub learned: Learned,
    pub history: History,
    pub steps_planned: usize,

    /// The step whose weights these are.
    pub weights_of_step: usize,

    /// Who trained, as far as the files tell.
    pub engine: String,

    /// `trained.json` of our `train.py`.
    pub trained: Trained,
    pub notes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// A PEFT folder.
    Adapter,

    /// A transformers folder.
    Model,
}

/// What `train.py` wrote down of the machine that it ran on.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Trained {
    pub base_sha256: Option<String>,
    pub seconds: Option<f64>,
    pub weights_of_step: Option<usize>,
    pub processes: Option<usize>,
    pub per_device_eval_batch_size: Option<usize>,
    pub device: Option<String>,
    pub dtype: Option<String>,
    pub versions: BTreeMap<String, String>,
}

impl Trained {
    /// `TRL 1.16.0 on NVIDIA H200, 8 processes, bfloat16`
    pub fn words(&self) -> Option<String> {
        let trl = self.versions.get("trl")?;
        let mut words = format!("TRL {trl}");
        if let Some(device) = &self.device {
            words.push_str(&format!(" on {device}"));
        }
        if let Some(processes) = self.processes {
            words.push_str(&format!(
                ", {}",
                crate::words::counted(processes, "process", "processes")
            ));
        }
        if let Some(dtype) = &self.dtype {
            words.push_str(&format!(", {dtype}"));
        }
        Some(words)
    }
}

pub(super) const ADAPTER: &str = "adapter_config.json";
const STATE: &str = "trainer_state.json";

/// Looks into a folder, its `out`, and their checkpoints.
pub fn find(given: &Path) -> Result<Results, Error> {
    let rooms: Vec<PathBuf> = [given.to_owned(), given.join("out"), given.join("outputs")]
        .into_iter()
        .filter(|room| room.is_dir())
        .collect();
    let mut places = Vec::new();
    for room in &rooms {
        places.push(room.clone());
        places.extend(checkpoints(room).into_iter().rev());
    }
    let is_whole_run = |place: &PathBuf| place.join("trained.json").is_file();
    let learned = |place: &PathBuf| learned_at(place).map(|learned| (place.clone(), learned));
    // A bundle's own folder may hold the adapter that was continued: the results go first.
    let found = places.iter().filter(|place| is_whole_run(place)).find_map(learned);
    let found = found.or_else(|| places.iter().find_map(learned));
    let Some((folder, learned)) = found else { return Err(nothing(given, &places)) };
    let room = if is_checkpoint(&folder) { folder.parent().unwrap_or(&folder) } else { &folder };
    let trained = read_json(&room.join("trained.json")).unwrap_or_default();
    let trained: Trained = serde_json::from_value(trained).unwrap_or_default();
    let curves = Curves::of(room);
    let mut notes = Vec::new();
    if curves.history.steps.is_empty() {
        notes.push(format!(
            "there are no curves: neither trainer_state.json (also in the highest checkpoint) nor \
             trainer_log.jsonl is in {}",
            room.display()
        ));
    }
    let last = curves.history.steps.last().map_or(0, |step| step.step).max(curves.steps_done);
    Ok(Results {
        engine: engine(room, &folder, &trained),
        weights_of_step: if is_checkpoint(&folder) {
            number(&folder).unwrap_or(last)
        } else {
            let best = curves.best_step.filter(|best| is_of_checkpoint(room, *best));
            trained.weights_of_step.or(best).unwrap_or(last)
        },
        folder,
        learned,
        steps_planned: curves.steps_planned.max(last),
        history: curves.history,
        trained,
        notes,
    })
}

fn learned_at(place: &Path) -> Option<Learned> {
    if place.join(ADAPTER).is_file() && place.join("adapter_model.safetensors").is_file() {
        return Some(Learned::Adapter);
    }
    let has_weights = place.join("model.safetensors").is_file()
        || place.join("model.safetensors.index.json").is_file();
    (place.join("config.json").is_file() && has_weights).then_some(Learned::Model)
}

fn nothing(given: &Path, places: &[PathBuf]) -> Error {
    let pickled = places.iter().find(|place| place.join("adapter_model.bin").is_file());
    match pickled {
        Some(place) => Error::NeedsRun(format!(
            "{} is a pickle, which is not opened here because it can run any program: save the adapter with \
             safetensors (safe_serialization=True)",
            place.join("adapter_model.bin").display()
        )),
        None => Error::NoResults(given.to_owned()),
    }
}

fn is_checkpoint(folder: &Path) -> bool {
    number(folder).is_some()
}

fn number(folder: &Path) -> Option<usize> {
    let name = folder.file_name()?.to_str()?;
    name.strip_prefix("checkpoint-")?.parse().ok()
}

/// Whether the adapter that was saved at the end is that of a checkpoint.
fn is_of_checkpoint(room: &Path, step: usize) -> bool {
    let adapter = |place: &Path| std::fs::read(place.join("adapter_model.safetensors")).ok();
    let saved = adapter(room);
    saved.is_some() && saved == adapter(&room.join(format!("checkpoint-{step}")))
}

/// Lowest first.
fn checkpoints(room: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(room) else { return Vec::new() };
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| is_checkpoint(path)).collect();
    found.sort_by_key(|path| number(path));
    found
}

/// `None`: it is not there, or no JSON.
pub(super) fn read_json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Who trained, as far as the files tell.
fn engine(room: &Path, folder: &Path, trained: &Trained) -> String {
    if let Some(words) = trained.words() {
        return words;
    }
    let adapter = read_json(&folder.join(ADAPTER)).unwrap_or_default();
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap_or_default();
    let name = if room.join("trainer_log.jsonl").is_file() {
        "LLaMA-Factory"
    } else if adapter.to_string().contains("unsloth") {
        "Unsloth"
    } else if readme.contains("axolotl") || room.join("axolotl.yaml").is_file() {
        "Axolotl"
    } else if readme.contains("TRL") || readme.contains("trl") {
        "TRL"
    } else {
        "transformers"
    };
    name.to_owned()
}

/// The log of a run.
#[derive(Default)]
struct Curves {
    history: History,
    steps_planned: usize,
    steps_done: usize,

    /// The step of the best checkpoint, which need not be what was saved at the end.
    best_step: Option<usize>,
}

impl Curves {
    fn of(room: &Path) -> Self {
        let highest = checkpoints(room).pop();
        let states = highest.iter().map(PathBuf::as_path).chain([room]);
        let states = states.filter_map(|place| read_json(&place.join(STATE)));
        // That of the end has an evaluation more than the last checkpoint's.
        let rows = |state: &Value| state["log_history"].as_array().map_or(0, Vec::len);
        let best =
            states.max_by_key(|state| (state["global_step"].as_u64().unwrap_or(0), rows(state)));
        match best {
            Some(state) => Self::of_state(&state, &times(room)),
            None => Self::of_llama_factory(&room.join("trainer_log.jsonl")),
        }
    }

    fn of_state(state: &Value, times: &BTreeMap<usize, f64>) -> Self {
        let count = |key: &str| state[key].as_u64().unwrap_or(0) as usize;
        let rows = state["log_history"].as_array().cloned().unwrap_or_default();
        let runtime = rows.iter().find_map(|row| row["train_runtime"].as_f64());
        let mean = runtime.map_or(0.0, |secs| secs / count("global_step").max(1) as f64);
        let mut history = History::default();
        for row in rows {
            let Value::Object(row) = row else { continue };
            let step = row.get("step").and_then(Value::as_u64).unwrap_or(0) as usize;
            let secs = times.get(&step).copied().unwrap_or(mean);
            add(row, step, secs, &mut history);
        }
        let best = state["best_model_checkpoint"].as_str().and_then(|path| number(Path::new(path)));
        Self {
            history,
            steps_planned: count("max_steps"),
            steps_done: count("global_step"),
            best_step: best,
        }
    }

    /// A line a step, under names of its own.
    fn of_llama_factory(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut curves = Self::default();
        for line in text.lines() {
            let Ok(Value::Object(line)) = serde_json::from_str(line) else { continue };
            let count = |key: &str| line.get(key).and_then(Value::as_u64).unwrap_or(0) as usize;
            let step = count("current_steps");
            curves.steps_planned = curves.steps_planned.max(count("total_steps"));
            curves.steps_done = curves.steps_done.max(step);
            let names = [
                ("loss", "loss"),
                ("eval_loss", "eval_loss"),
                ("lr", "learning_rate"),
                ("epoch", "epoch"),
                ("accuracy", "rewards/accuracies"),
                ("total_tokens", "num_tokens"),
            ];
            let row: Map<String, Value> = names
                .iter()
                .filter_map(|(theirs, ours)| Some(((*ours).to_owned(), line.get(*theirs)?.clone())))
                .collect();
            add(row, step, 0.0, &mut curves.history);
        }
        curves
    }
}

/// How long each step took, as `train.py` wrote it down.
fn times(room: &Path) -> BTreeMap<usize, f64> {
    let text = std::fs::read_to_string(room.join("metrics.jsonl")).unwrap_or_default();
    let rows = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    rows.filter_map(|row| Some((row["step"].as_u64()? as usize, row["step_secs"].as_f64()?)))
        .collect()
}

/// A row of the log as a step or as an evaluation.
fn add(row: Map<String, Value>, step: usize, secs: f64, history: &mut History) {
    match line(row, step, secs, 0) {
        Some(Line::Step(metrics)) => history.steps.push(*metrics),
        Some(Line::Evaluation(metrics)) => history.evaluations.push(*metrics),
        None => {}
    }
}

/// A row of a log of transformers.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    Step(Box<StepMetrics>),
    Evaluation(Box<EvalMetrics>),
}

/// What a row of a log says. `None`: neither a step nor an evaluation.
pub fn line(
    mut row: Map<String, Value>,
    step: usize,
    secs: f64,
    held_out_rows: usize,
) -> Option<Line> {
    row.insert("step".to_owned(), json!(step));
    if row.contains_key("eval_loss") {
        row.insert("pair_count".to_owned(), json!(held_out_rows));
        let metrics = serde_json::from_value(Value::Object(row)).ok()?;
        return Some(Line::Evaluation(Box::new(metrics)));
    }
    row.get("loss")?.as_f64()?;
    // TRL counts tokens with a point, and only some trainers do.
    let tokens = row.get("num_tokens").and_then(Value::as_f64).unwrap_or(0.0);
    row.insert("num_tokens".to_owned(), json!(tokens as u64));
    row.entry("epoch").or_insert_with(|| json!(0.0));
    row.entry("step_secs").or_insert_with(|| json!(secs));
    let metrics = serde_json::from_value(Value::Object(row)).ok()?;
    Some(Line::Step(Box::new(metrics)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;
    use crate::train::config::metric::Metric;

    fn write(folder: &Path, name: &str, text: &str) {
        files::write_atomic(&folder.join(name), text.as_bytes()).unwrap();
    }

    fn state(step: usize, more: &str) -> String {
        let row = r#"{"loss":0.69,"rewards/margins":0.0,"num_tokens":512.0,"epoch":0.5,"step":1}"#;
        format!(r#"{{"global_step":{step},"max_steps":4,"log_history":[{row}{more}]}}"#)
    }

    #[test]
    fn the_curves_are_those_of_the_highest_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        write(&out, "adapter_config.json", r#"{"peft_type":"LORA"}"#);
        write(&out, "adapter_model.safetensors", "");
        write(&out, "checkpoint-2/trainer_state.json", &state(2, ""));
        let more = r#",{"loss":0.5,"epoch":1.0,"step":4},{"eval_loss":0.6,"eval_rewards/accuracies":0.75,"epoch":1.0,"step":4},{"train_runtime":8.0,"epoch":1.0,"step":4}"#;
        write(&out, "checkpoint-10/trainer_state.json", &state(10, more)); // 10 is after 2
        let results = find(folder.path()).unwrap();
        assert_eq!((results.learned, results.steps_planned), (Learned::Adapter, 10));
        assert_eq!((results.engine.as_str(), results.weights_of_step), ("transformers", 10));
        let History { steps, evaluations } = results.history;
        assert_eq!((steps.len(), steps[0].num_tokens, steps[1].loss()), (2, 512, 0.5));
        assert_eq!(steps[0].step_secs, 0.8);
        assert_eq!(evaluations[0].values.get(Metric::RewardsAccuracies), Some(0.75));
    }

    /// transformers writes down its best checkpoint also where it does not take it at the end.
    #[test]
    fn the_weights_are_those_of_the_best_checkpoint_only_where_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let state = r#"{"global_step":4,"max_steps":4,"best_model_checkpoint":"./out/checkpoint-2",
            "log_history":[{"loss":0.69,"epoch":1.0,"step":4}]}"#;
        for (name, text) in [
            ("adapter_config.json", "{}"),
            ("adapter_model.safetensors", "last"),
            ("checkpoint-2/adapter_model.safetensors", "best"),
            ("checkpoint-4/trainer_state.json", state),
        ] {
            write(out, name, text);
        }
        assert_eq!(find(out).unwrap().weights_of_step, 4);
        write(out, "adapter_model.safetensors", "best");
        assert_eq!(find(out).unwrap().weights_of_step, 2);
        write(out, "trained.json", r#"{"weights_of_step": 4}"#);
        assert_eq!(find(out).unwrap().weights_of_step, 4);
    }

    #[test]
    fn the_log_of_llama_factory_has_names_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "adapter_config.json", "{}");
        write(folder.path(), "adapter_model.safetensors", "");
        let log = concat!(
            r#"{"current_steps":5,"total_steps":10,"loss":0.6,"lr":1e-5,"epoch":0.5,"accuracy":0.5,"elapsed_time":"0:00:05"}"#,
            "\n",
            r#"{"current_steps":10,"total_steps":10,"eval_loss":0.4,"epoch":1.0,"elapsed_time":"0:00:10"}"#,
        );
        write(folder.path(), "trainer_log.jsonl", log);
        let results = find(folder.path()).unwrap();
        assert_eq!(results.engine, "LLaMA-Factory");
        let step = &results.history.steps[0];
        assert_eq!((step.step, step.values.get(Metric::LearningRate)), (5, Some(1e-5)));
        assert_eq!(step.values.get(Metric::RewardsAccuracies), Some(0.5));
        assert_eq!(results.history.evaluations[0].loss(), 0.4);
    }

    #[test]
    fn a_folder_without_results_says_what_is_missing_and_a_pickle_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let said = find(folder.path()).unwrap_err().to_string();
        assert!(said.contains("has no results of a run") && said.contains("Has the run ended?"));
        write(folder.path(), "adapter_model.bin", "");
        let said = find(folder.path()).unwrap_err().to_string();
        assert!(said.contains("is a pickle") && said.contains("safetensors"), "{said}");
    }
}

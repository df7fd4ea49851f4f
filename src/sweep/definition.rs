//! `SWEEP.toml`: a run file, and what of it varies. Which runs follow: see `expand`.
//!
//! ```toml
//! run = "RUN.toml"          # or a table [run] with the keys of a run file
//! seeds = 3                 # or a list of seeds
//! sizes = 3                 # of a model from nothing: a scaling series; or ["1x40x4", "2x56x4"]
//!
//! [grid]
//! learning_rate = [1e-4, 5e-5]
//! lora.r = [8, 16]
//!
//! [[variation]]             # in place of a grid, or beside it
//! name = "full"
//! method = "full"
//! ```

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::commas;
use super::error::Error;
use super::keys;
use super::sizes;
use super::sizes::Size;
use crate::files;
use crate::files::meant::meant;
use crate::llm::newborn::Newborn;
use crate::train::config::{TrainConfig, run_file};
use crate::words;

/// What is to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The run file that everything else changes, with its paths as they can be opened from here.
    pub base: Table,

    /// Each key with its values. The seed is not among them.
    pub grid: Vec<(String, Vec<Value>)>,
    pub seeds: Seeds,
    pub variations: Vec<Variation>,
}

/// Which seeds each configuration is run with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Seeds {
    /// The run file's own.
    #[default]
    Own,

    /// So many, from the run file's own on.
    Count(u64),
    List(Vec<u64>),
}

/// Changes with a name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variation {
    pub name: String,
    pub changes: Vec<(String, Value)>,

    /// Keys of the run file that it has not.
    pub without: Vec<String>,
}

/// What all runs of a sweep have in common.
const SHARED: [&str; 3] = ["model", "data", "seed"];

impl Variation {
    /// What of a run differs from another one, beside its model, its data and its seed.
    pub fn between(name: &str, base: &TrainConfig, config: &TrainConfig) -> Self {
        let keys = |config: &TrainConfig| -> Vec<(String, Value)> {
            let mut found = Vec::new();
            flatten("", &table_of(config), &mut found);
            found.retain(|(key, _)| !SHARED.contains(&key.as_str()));
            found
        };
        let (before, after) = (keys(base), keys(config));
        let is_there =
            |all: &[(String, Value)], key: &str| all.iter().any(|(known, _)| known == key);
        let without = before.iter().filter(|(key, _)| !is_there(&after, key));
        let without = without.map(|(key, _)| key.clone()).collect();
        let changes = after.into_iter().filter(|change| !before.contains(change)).collect();
        Self { name: name.to_owned(), changes, without }
    }

    /// The settings with this size of a model that is born, under its name.
    pub fn of_size(size: Size, newborn: &Newborn) -> Self {
        Self { name: size.to_string(), changes: size.changes(newborn), without: Vec::new() }
    }

    /// `learning_rate 1e-4, lora.r 8`. Empty: nothing.
    pub fn words(&self) -> String {
        let changes =
            self.changes.iter().map(|(key, value)| format!("{key} {}", value_words(value)));
        let without = self.without.iter().map(|key| format!("no {key}"));
        changes.chain(without).collect::<Vec<_>>().join(", ")
    }
}

/// A value as a person says it: a text without its quotes.
pub(super) fn value_words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(value_words).collect::<Vec<_>>().join("+"),
        Value::Float(number) => words::number(*number),
        other => other.to_string(),
    }
}

fn table_of(config: &TrainConfig) -> Table {
    run_file::text(config).parse().expect("a run file is written as TOML")
}

/// The keys of the file itself.
const KEYS: [&str; 5] = ["run", "grid", "seeds", "sizes", "variation"];

/// Keys that are paths or names of models, which stand relative to a file.
const PATHS: [&str; 3] = ["model", "data", "adapter"];

/// Reads a sweep file.
pub fn read(path: &Path) -> Result<Definition, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let at = |problem: String| Error::Definition(format!("{}: {problem}", path.display()));
    let table: Table = toml::from_str(&text).map_err(|err| {
        let (line, problem) = files::mistake_in_toml(&text, &err);
        Error::Definition(format!("line {line} of {}: {problem}", path.display()))
    })?;
    let base = base(path, &table, at)?;
    let found = parsed(path, &table, base).map_err(at)?;
    check_commas(&text, &found).map_err(at)?;
    Ok(found)
}

/// `[0,5]` may be meant as one half: what can be told in two ways is asked about, as in the window.
fn check_commas(text: &str, found: &Definition) -> Result<(), String> {
    let config = run_file::parse(&found.base.to_string()).map_err(|(_line, problem)| problem)?;
    for (key, _) in &found.grid {
        if matches!(keys::own(key, &config), Some(Value::Integer(_))) {
            continue;
        }
        if let Some(problem) = commas::written(text, key).and_then(commas::in_two_ways) {
            return Err(format!("[grid]: `{key}`: {problem}"));
        }
    }
    Ok(())
}

impl Definition {
    /// Of a run that is not in a file.
    pub fn of(config: &TrainConfig) -> Self {
        let base = table_of(config);
        Self { base, grid: Vec::new(), seeds: Seeds::Own, variations: Vec::new() }
    }

    /// The same with what a person typed and clicked. What is wrong with it, in a sentence.
    pub fn with(
        config: &TrainConfig,
        grid: Vec<(String, Vec<Value>)>,
        variations: Vec<Variation>,
        seeds: Seeds,
    ) -> Result<Self, String> {
        for (place, variation) in variations.iter().enumerate() {
            let name = &variation.name;
            if name.is_empty() {
                return Err(format!("variation {} has no name: give it one", place + 1));
            }
            if variations[..place].iter().any(|known| known.name == *name) {
                return Err(format!(
                    "two variations are called \"{name}\": give one of them another name"
                ));
            }
        }
        let mut checked: Vec<(String, Vec<Value>)> = Vec::new();
        for (key, values) in grid {
            if key == "seed" {
                return Err("seeds are given in their own field".to_owned());
            }
            if let Some(problem) = keys::problem(&key) {
                return Err(problem);
            }
            if checked.iter().any(|(known, _)| *known == key) {
                return Err(format!("`{key}` is there twice: put all of its values into one list"));
            }
            let values = list_of(&key, Value::Array(values))?;
            checked.push((key, values));
        }
        Ok(Self { grid: checked, seeds, variations, ..Self::of(config) })
    }
}

/// The run file, from beside the sweep file or from within.
fn base(path: &Path, table: &Table, at: impl Fn(String) -> Error) -> Result<Table, Error> {
    let (mut base, from): (Table, PathBuf) = match table.get("run") {
        Some(Value::String(name)) => {
            let file = files::beside(path, Path::new(name));
            run_file::read(&file)?; // its mistakes are told with their lines
            let text = std::fs::read_to_string(&file)
                .map_err(|source| Error::Read { path: file.clone(), source })?;
            (text.parse().map_err(|err: toml::de::Error| at(err.message().to_owned()))?, file)
        }
        Some(Value::Table(run)) => {
            let text = run.to_string();
            run_file::parse(&text).map_err(|(_line, problem)| at(format!("[run]: {problem}")))?;
            (run.clone(), path.to_owned())
        }
        Some(other) => {
            return Err(at(format!(
                "`run` is {other}; expected the path of a run file, or a table"
            )));
        }
        None => {
            let words = "there is no `run`: name a run file (run = \"RUN.toml\"), or write its keys under [run]";
            return Err(at(words.to_owned()));
        }
    };
    for key in PATHS {
        if let Some(value) = base.get_mut(key) {
            resolve(&from, value);
        }
    }
    Ok(base)
}

/// A path that stands in a file, as it can be opened from here.
fn resolve(file: &Path, value: &mut Value) {
    if let Value::String(name) = value {
        *name = files::named_beside(file, name);
    }
}

fn parsed(path: &Path, table: &Table, base: Table) -> Result<Definition, String> {
    if let Some(unknown) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let known = KEYS.join(", ");
        let near = meant(unknown, KEYS)
            .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        return Err(match keys::problem(unknown) {
            None => format!(
                "`{unknown}` stands outside of a table: put it under [grid] with a list of values"
            ),
            Some(_) => format!("`{unknown}` is not a key of a sweep file, which has {known}{near}"),
        });
    }
    let mut seeds = seeds(table.get("seeds"))?;
    let mut grid = Vec::new();
    match table.get("grid") {
        None => {}
        Some(Value::Table(given)) => flatten("", given, &mut grid),
        Some(other) => {
            return Err(format!("`grid` is {other}; expected a table: [grid]"));
        }
    }
    let mut values = Vec::new();
    for (key, value) in grid {
        let mut list = list_of(&key, value).map_err(|problem| format!("[grid]: {problem}"))?;
        if key == "seed" {
            if seeds != Seeds::Own {
                return Err(
                    "the seeds are given twice, as `seeds` and in [grid]: keep one of them"
                        .to_owned(),
                );
            }
            seeds = Seeds::List(list.iter().map(seed).collect::<Result<_, _>>()?);
            continue;
        }
        if let Some(problem) = keys::problem(&key) {
            return Err(format!("[grid]: {problem}"));
        }
        if PATHS.contains(&key.as_str()) {
            list.iter_mut().for_each(|value| resolve(path, value));
        }
        values.push((key, list));
    }
    let mut variations = variations(path, table.get("variation"))?;
    if let Some(given) = table.get("sizes") {
        if !variations.is_empty() {
            return Err(
                "`sizes` and [[variation]] are both there: keep one of them, a size is a variation"
                    .to_owned(),
            );
        }
        variations = of_sizes(given, &base)?;
    }
    Ok(Definition { base, grid: values, seeds, variations })
}

/// The sizes of a scaling series.
fn of_sizes(given: &Value, base: &Table) -> Result<Vec<Variation>, String> {
    let config = run_file::parse(&base.to_string()).map_err(|(_line, problem)| problem)?;
    let Some(newborn) = &config.newborn else {
        return Err("`sizes` is for a model from nothing, and the run file has no [newborn]: pretrain one, or \
                    compare models with [grid] and model = [..]"
            .to_owned());
    };
    let sizes = sizes::of_value(given, newborn)?;
    Ok(sizes.into_iter().map(|size| Variation::of_size(size, newborn)).collect())
}

/// The values of one key.
fn list_of(key: &str, value: Value) -> Result<Vec<Value>, String> {
    let list = match value {
        Value::Array(list) => list,
        other => {
            return Err(format!("`{key}` needs a list of values, as in {key} = [{other}]"));
        }
    };
    if list.is_empty() {
        return Err(format!("the list of `{key}` is empty: give it at least one value"));
    }
    for (place, value) in list.iter().enumerate() {
        if list[..place].iter().any(|before| is_same(before, value)) {
            return Err(format!(
                "`{key}` has {value} twice, and the same run would be done twice: take one of them out"
            ));
        }
    }
    Ok(list)
}

/// `1` and `1.0` are the same number.
fn is_same(one: &Value, other: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    };
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// Tables within tables as keys with dots; a value is what is no table.
fn flatten(prefix: &str, table: &Table, into: &mut Vec<(String, Value)>) {
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) => flatten(&name, inner, into),
            value => into.push((name, value.clone())),
        }
    }
}

fn seed(value: &Value) -> Result<u64, String> {
    let whole = value.as_integer().and_then(|seed| u64::try_from(seed).ok());
    whole.ok_or_else(|| format!("a seed is a whole number from 0 on, and {value} is none"))
}

fn seeds(given: Option<&Value>) -> Result<Seeds, String> {
    match given {
        None => Ok(Seeds::Own),
        Some(Value::Integer(count)) if *count >= 1 => Ok(Seeds::Count(count.unsigned_abs())),
        Some(list @ Value::Array(_)) => {
            let list = list_of("seeds", list.clone())?;
            Ok(Seeds::List(list.iter().map(seed).collect::<Result<_, _>>()?))
        }
        Some(other) => Err(format!(
            "`seeds` is {other}; expected how many (seeds = 3), or a list of them (seeds = [1, 2, 3])"
        )),
    }
}

fn variations(path: &Path, given: Option<&Value>) -> Result<Vec<Variation>, String> {
    let list = match given {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => {
            return Err("variations are written as [[variation]], each with a name".to_owned());
        }
    };
    let mut found: Vec<Variation> = Vec::new();
    for (place, value) in list.iter().enumerate() {
        let Value::Table(table) = value else {
            return Err("variations are written as [[variation]], each with a name".to_owned());
        };
        let name = table.get("name").and_then(Value::as_str).unwrap_or("").trim().to_owned();
        if name.is_empty() {
            return Err(format!(
                "variation {} has no name: give it one, as in name = \"full\"",
                place + 1
            ));
        }
        if found.iter().any(|known| known.name == name) {
            return Err(format!(
                "two variations are called \"{name}\": give one of them another name"
            ));
        }
        let rest: Table = table.iter().filter(|(key, _)| *key != "name").map(own).collect();
        let mut changes = Vec::new();
        flatten("", &rest, &mut changes);
        for (key, value) in &mut changes {
            if key == "seed" {
                return Err(format!(
                    "variation \"{name}\" has a seed: seeds are given for all, as seeds = [1, 2, 3]"
                ));
            }
            if let Some(problem) = keys::problem(key) {
                return Err(format!("variation \"{name}\": {problem}"));
            }
            if PATHS.contains(&key.as_str()) {
                resolve(path, value);
            }
        }
        found.push(Variation { name, changes, without: Vec::new() });
    }
    Ok(found)
}

fn own((key, value): (&String, &Value)) -> (String, Value) {
    (key.clone(), value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defined(text: &str) -> Result<Definition, String> {
        let folder = tempfile::tempdir().unwrap();
        let run = "model = \"starter\"\ndata = \"pairs.jsonl\"\n";
        files::write_atomic(&folder.path().join("RUN.toml"), run.as_bytes()).unwrap();
        let path = folder.path().join("SWEEP.toml");
        files::write_atomic(&path, text.as_bytes()).unwrap();
        read(&path).map_err(|err| err.to_string())
    }

    #[test]
    fn a_grid_has_keys_of_a_run_file_with_lists_of_values() {
        let text = "run = \"RUN.toml\"\nseeds = [1, 2]\n[grid]\nlearning_rate = [1e-4, 5e-5]\nlora.r = [8]\n";
        let found = defined(text).unwrap();
        assert_eq!(found.seeds, Seeds::List(vec![1, 2]));
        let keys: Vec<&str> = found.grid.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["learning_rate", "lora.r"]);
        let seeds = defined("run = \"RUN.toml\"\n[grid]\nseed = [3, 4]\n").unwrap().seeds;
        assert_eq!(seeds, Seeds::List(vec![3, 4]));
        let inline = "[run]\nmodel = \"m\"\n[[variation]]\nname = \"a\"\nbeta = 0.2\n";
        assert_eq!(defined(inline).unwrap().variations.len(), 1);
    }

    #[test]
    fn sizes_are_variations_of_a_model_from_nothing() {
        let run =
            "[run]\nobjective = \"pretrain\"\ndata = \"t.txt\"\n[run.newborn]\nhidden_size = 96\n";
        let found = defined(&format!("sizes = 3\n{run}")).unwrap();
        let names: Vec<&str> = found.variations.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["1x40x4", "2x56x4", "3x96x4"]);
        let listed = defined(&format!("sizes = [\"1x32x2\", \"2x64x4\"]\n{run}")).unwrap();
        assert_eq!(listed.variations[1].changes[1].0, "newborn.hidden_size");
        for (text, words) in [
            (
                format!("sizes = [\"1x30x4\", \"2x64x4\"]\n{run}"),
                "the size 1x30x4: newborn.hidden_size",
            ),
            (format!("sizes = 1.5\n{run}"), "`sizes` is 1.5; expected how many"),
            (format!("sizes = 3\n{run}[[variation]]\nname = \"a\"\n"), "keep one of them"),
            ("run = \"RUN.toml\"\nsizes = 3\n".to_owned(), "the run file has no [newborn]"),
        ] {
            let said = defined(&text).unwrap_err();
            assert!(said.contains(words), "{text}: {said}");
        }
    }

    #[test]
    fn a_variation_is_what_differs_between_two_runs() {
        let base =
            TrainConfig { model: "m".to_owned(), max_steps: Some(60), ..TrainConfig::default() };
        let mut other = TrainConfig { max_steps: None, beta: 0.3, seed: 9, ..base.clone() };
        other.lora.r = 4;
        let found = Variation::between("small", &base, &other);
        assert_eq!(found.words(), "beta 0.3, lora.r 4, no max_steps");
        assert_eq!(Variation::between("same", &base, &base).words(), "");
        let definition = Definition {
            variations: vec![found],
            seeds: Seeds::List(vec![9]),
            ..Definition::of(&base)
        };
        let planned = super::super::expand::expand(&definition).unwrap_err().to_string();
        assert!(planned.contains("data"), "only the data is missing: {planned}");
    }

    #[test]
    fn what_cannot_be_a_key_or_a_value_is_refused_with_its_name() {
        let run = "run = \"RUN.toml\"\n";
        for (text, words) in [
            ("[grid]\nbeta = [1]\n".to_owned(), "there is no `run`"),
            ("run = 3\n".to_owned(), "`run` is 3; expected the path"),
            ("run = \"none.toml\"\n".to_owned(), "none.toml could not be read"),
            (format!("{run}[grid]\nlearning_rat = [1]\n"), "did you mean `learning_rate`?"),
            (format!("{run}[grid]\nr = [1]\n"), "did you mean `lora.r`?"),
            (format!("{run}beta = [1]\n"), "put it under [grid]"),
            (format!("{run}[grit]\nbeta = [1]\n"), "did you mean `grid`?"),
            (format!("{run}[grid]\nbeta = 0.1\n"), "as in beta = [0.1]"),
            (format!("{run}[grid]\nbeta = []\n"), "the list of `beta` is empty"),
            (format!("{run}[grid]\nbeta = [1, 0.5, 1.0]\n"), "`beta` has 1.0 twice"),
            (format!("{run}seeds = 2\n[grid]\nseed = [1]\n"), "the seeds are given twice"),
            (format!("{run}seeds = 0\n"), "expected how many"),
            (format!("{run}seeds = [-1]\n"), "a whole number from 0 on"),
            (format!("{run}seeds = [1, 1]\n"), "`seeds` has 1 twice"),
            (format!("{run}[[variation]]\nbeta = 1\n"), "variation 1 has no name"),
            (format!("{run}[[variation]]\nname = \"a\"\nbeta_ = 1\n"), "did you mean `beta`?"),
            (format!("{run}[[variation]]\nname = \"a\"\nseed = 1\n"), "seeds are given for all"),
            (
                format!("{run}[[variation]]\nname = \"a\"\n[[variation]]\nname = \"a\"\n"),
                "two variations",
            ),
            (format!("{run}[grid\n"), "line 2 of"),
            ("[run]\nmodell = \"m\"\n".to_owned(), "modell"),
        ] {
            let said = defined(&text).unwrap_err();
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}

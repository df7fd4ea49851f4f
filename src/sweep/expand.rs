//! Every run of a sweep, before anything starts: each variation with each combination of the grid, with each seed.
//!
//! A combination that a run would be refused for is refused here, with the key and the value that are wrong.

use std::path::PathBuf;

use serde_json::{Map, Value as Json};
use toml::{Table, Value};

use super::definition::{Definition, Seeds, value_words};
use super::error::Error;
use crate::train::config::{TrainConfig, run_file};

/// So many runs are a sweep; more are a mistake in a list.
const MOST: usize = 1000;

/// A run that is planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// What differs between the runs, in words: `beta 0.2, learning_rate 1e-4, seed 2`.
    pub label: String,

    /// Runs of one configuration differ in their seed alone. From 0.
    pub configuration: usize,
    pub variation: Option<String>,

    /// The keys of the grid with the values of this run.
    pub values: Map<String, Json>,
    pub seed: u64,
    pub config: TrainConfig,
}

impl Planned {
    /// The name of its folder, of which there is one a number: `03-beta-0.2-seed-2`.
    pub fn folder(&self, number: usize) -> PathBuf {
        const LONGEST: usize = 60;
        let letters = self.label.chars().map(|letter| match letter {
            letter if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_') => letter,
            _ => '-',
        });
        let mut name = format!("{:02}-", number + 1);
        for letter in letters.take(LONGEST) {
            if letter != '-' || !name.ends_with('-') {
                name.push(letter);
            }
        }
        PathBuf::from(name.trim_end_matches(['-', '.']))
    }
}

/// Every run, in order: seeds vary the fastest.
pub fn expand(definition: &Definition) -> Result<Vec<Planned>, Error> {
    expanded(definition).map_err(Error::Definition)
}

fn expanded(definition: &Definition) -> Result<Vec<Planned>, String> {
    let Definition { base, grid, seeds, variations } = definition;
    let own = settings(base)?.seed;
    let seeds: Vec<u64> = match seeds {
        Seeds::Own => vec![own],
        Seeds::Count(count) => (0..*count.min(&(MOST as u64 + 1))).map(|more| own + more).collect(),
        Seeds::List(list) => list.clone(),
    };
    let counts = grid.iter().map(|(_, values)| values.len());
    let combinations = counts.fold(1_usize, usize::saturating_mul);
    let count = combinations.saturating_mul(variations.len().max(1)).saturating_mul(seeds.len());
    if count > MOST {
        return Err(format!(
            "these are {count} runs, and {MOST} are the most: take values out of the lists"
        ));
    }
    // Each value by itself first: the sentence then names the one that is wrong.
    for (key, values) in grid {
        for value in values {
            let mut table = base.clone();
            set(&mut table, key, value.clone());
            settings(&table).map_err(|problem| format!("[grid]: {key} = {value}: {problem}"))?;
        }
    }
    let names: Vec<Option<usize>> = match variations.len() {
        0 => vec![None],
        count => (0..count).map(Some).collect(),
    };
    let mut all: Vec<Planned> = Vec::with_capacity(count);
    for variation in names {
        for combination in 0..combinations {
            let mut table = base.clone();
            let mut label = Vec::new();
            let variation = variation.map(|place| &variations[place]);
            if let Some(variation) = variation {
                label.push(variation.name.clone());
                for (key, value) in &variation.changes {
                    set(&mut table, key, value.clone());
                }
                for key in &variation.without {
                    take(&mut table, key);
                }
            }
            let mut values = Map::new();
            for (key, value) in chosen(grid, combination) {
                set(&mut table, key, value.clone());
                label.push(format!("{key} {}", value_words(value)));
                values.insert(key.to_owned(), as_json(value));
            }
            let configuration = all.last().map_or(0, |last| last.configuration + 1);
            for seed in &seeds {
                let mut table = table.clone();
                let whole = i64::try_from(*seed)
                    .map_err(|_large| format!("the seed {seed} is too large"))?;
                set(&mut table, "seed", Value::Integer(whole));
                let mut label = label.clone();
                if seeds.len() > 1 || label.is_empty() {
                    label.push(format!("seed {seed}"));
                }
                let label = label.join(", ");
                let config = settings(&table).map_err(|problem| format!("{label}: {problem}"))?;
                if let Some(problem) = config.problems().first() {
                    return Err(format!("{label}: {} {}", problem.field, problem.message));
                }
                if let Some(same) = all.iter().find(|known| known.config == config) {
                    return Err(format!(
                        "\"{}\" and \"{label}\" are the same run: take one of them out",
                        same.label
                    ));
                }
                let (seed, variation) = (*seed, variation.map(|variation| variation.name.clone()));
                let values = values.clone();
                all.push(Planned { label, configuration, variation, values, seed, config });
            }
        }
    }
    Ok(all)
}

/// The values of a combination: the last key varies the fastest.
fn chosen(grid: &[(String, Vec<Value>)], mut number: usize) -> Vec<(&str, &Value)> {
    let mut found: Vec<(&str, &Value)> = Vec::new();
    for (key, values) in grid.iter().rev() {
        found.push((key, &values[number % values.len()]));
        number /= values.len();
    }
    found.reverse();
    found
}

/// The run that a table describes, as a run file would be read.
fn settings(table: &Table) -> Result<TrainConfig, String> {
    run_file::parse(&table.to_string()).map_err(|(_line, problem)| problem)
}

/// Sets `lora.r` in the table `lora`.
fn set(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((outer, key)) => {
            let inner = table.entry(outer).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                set(inner, key, value);
            }
        }
    }
}

/// Takes out what [`set`] would set.
fn take(table: &mut Table, key: &str) {
    match key.split_once('.') {
        None => {
            table.remove(key);
        }
        Some((outer, key)) => {
            if let Some(Value::Table(inner)) = table.get_mut(outer) {
                take(inner, key);
            }
        }
    }
}

fn as_json(value: &Value) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sweep::definition::Variation;

    fn definition(grid: &str, seeds: Seeds) -> Definition {
        let config = TrainConfig {
            model: "starter".to_owned(),
            data: PathBuf::from("pairs.jsonl"),
            ..TrainConfig::default()
        };
        let table: Table = grid.parse().unwrap();
        let grid = table.into_iter().map(|(key, value)| (key, value.as_array().unwrap().clone()));
        Definition { grid: grid.collect(), seeds, ..Definition::of(&config) }
    }

    fn numbers(count: usize, from: f64) -> String {
        let list: Vec<String> =
            (0..count).map(|at| format!("{:?}", from * (at + 1) as f64)).collect();
        format!("[{}]", list.join(", "))
    }

    /// For many shapes of a grid: as many runs as the product says, none twice, each with its values, seeds the
    /// fastest, folders of their own.
    #[test]
    fn a_grid_has_every_combination_once_whatever_its_shape() {
        for rates in 1..=4 {
            for betas in 0..=3 {
                for seeds in 1..=3_u64 {
                    let mut grid = format!("learning_rate = {}\n", numbers(rates, 1e-5));
                    if betas > 0 {
                        grid += &format!("beta = {}\n", numbers(betas, 0.1));
                    }
                    let all = expand(&definition(&grid, Seeds::Count(seeds))).unwrap();
                    assert_eq!(all.len(), rates * betas.max(1) * seeds as usize);
                    let folders: BTreeSet<_> =
                        all.iter().enumerate().map(|(at, run)| run.folder(at)).collect();
                    assert_eq!(folders.len(), all.len());
                    for (place, run) in all.iter().enumerate() {
                        assert_eq!(run.configuration, place / seeds as usize);
                        assert_eq!(run.seed, 42 + place as u64 % seeds);
                        assert_eq!(run.config.seed, run.seed);
                        assert_eq!(run.values["learning_rate"], run.config.learning_rate);
                        if betas > 0 {
                            assert_eq!(run.values["beta"], run.config.beta);
                        }
                        let same = all.iter().filter(|other| other.config == run.config).count();
                        assert_eq!(same, 1);
                    }
                }
            }
        }
    }

    #[test]
    fn a_run_says_what_is_its_own() {
        let all = expand(&definition(
            "learning_rate = [1e-5, 0.001]\nloss_type = [\"ipo\"]",
            Seeds::Count(2),
        ));
        let all = all.unwrap();
        assert_eq!(all[1].label, "learning_rate 1e-5, loss_type ipo, seed 43");
        assert_eq!(all[1].folder(1), PathBuf::from("02-learning_rate-1e-5-loss_type-ipo-seed-43"));
        assert_eq!(all[2].label, "learning_rate 0.001, loss_type ipo, seed 42");
        let repeats = expand(&definition("", Seeds::List(vec![7, 3]))).unwrap();
        let labels: Vec<&str> = repeats.iter().map(|run| run.label.as_str()).collect();
        assert_eq!(labels, ["seed 7", "seed 3"]);
        assert_eq!(repeats[0].configuration, repeats[1].configuration);
    }

    #[test]
    fn a_variation_changes_what_it_names_and_the_grid_comes_on_top() {
        let mut definition = definition("learning_rate = [1e-5, 1e-4]", Seeds::Own);
        definition.base.insert("beta".to_owned(), Value::Float(0.7));
        let changes = vec![("lora.r".to_owned(), Value::Integer(4))];
        definition.variations = vec![
            Variation { name: "as it is".to_owned(), ..Variation::default() },
            Variation { name: "small".to_owned(), changes, without: vec!["beta".to_owned()] },
        ];
        let all = expand(&definition).unwrap();
        let found: Vec<_> = all.iter().map(|run| (run.label.as_str(), run.config.lora.r)).collect();
        assert_eq!(found[0], ("as it is, learning_rate 1e-5", 8));
        assert_eq!(found[3], ("small, learning_rate 1e-4", 4));
        assert_eq!(all[3].configuration, 3);
        assert_eq!(all[3].config.beta, TrainConfig::default().beta, "the usual one");
    }

    /// What another objective would take by itself is taken where the objective varies.
    #[test]
    fn absent_keys_follow_the_objective_of_each_run() {
        let base = "model = \"m\"\ndata = \"d\"".parse().unwrap();
        let objectives = vec![Value::String("sft".to_owned()), Value::String("dpo".to_owned())];
        let grid = vec![("objective".to_owned(), objectives)];
        let all =
            expand(&Definition { base, grid, seeds: Seeds::Own, variations: Vec::new() }).unwrap();
        assert_eq!((all[0].config.learning_rate, all[1].config.learning_rate), (2e-5, 1e-6));
    }

    #[test]
    fn a_value_that_cannot_be_run_is_named_with_its_key() {
        for (grid, words) in [
            ("learning_rate = [\"much\"]", "[grid]: learning_rate = \"much\": "),
            ("learning_rate = [5.0]", "learning_rate 5: learning_rate must be between"),
            ("max_steps = [10, -7]", "[grid]: max_steps = -7: "),
            ("loss_type = [\"simpo\"]", "`simpo` is not one of"),
            ("max_steps = [10, 10.0]", "max_steps = 10.0"),
        ] {
            let said = expand(&definition(grid, Seeds::Own)).unwrap_err().to_string();
            assert!(said.contains(words), "{grid}: {said}");
        }
        let many = format!("learning_rate = {}\nbeta = {}", numbers(40, 1e-6), numbers(30, 0.1));
        let said = expand(&definition(&many, Seeds::Own)).unwrap_err().to_string();
        assert!(said.starts_with("these are 1200 runs, and 1000 are the most"), "{said}");
        let mut twice = definition("", Seeds::Own);
        let same = |name: &str| Variation { name: name.to_owned(), ..Variation::default() };
        twice.variations = vec![same("a"), same("b")];
        assert!(expand(&twice).unwrap_err().to_string().contains("are the same run"));
    }
}

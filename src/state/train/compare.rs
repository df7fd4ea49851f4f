//! Runs laid over each other: their curves, and the settings that tell them apart.

use serde_json::Value;

use super::curves::Curves;
use super::runs::RunView;

/// More lines than this in one plot cannot be told apart.
pub const MOST_COMPARED: usize = 4;

/// A run that is being compared.
#[derive(Clone, Debug)]
pub struct Compared {
    pub id: String,

    /// `None` until the app has read them.
    pub curves: Option<Curves>,
}

/// A setting in which runs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// As the run file spells it.
    pub key: String,

    /// One for each run.
    pub values: Vec<String>,
}

/// The settings in which the runs differ, in the order of the run file.
pub fn differences(runs: &[&RunView]) -> Vec<Difference> {
    let settings: Vec<Vec<(String, String)>> = runs.iter().map(|run| settings(run)).collect();
    let mut keys: Vec<&String> = Vec::new();
    for (key, _) in settings.iter().flatten() {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let all = keys.into_iter().map(|key| {
        let value = |settings: &Vec<(String, String)>| {
            let found = settings.iter().find(|(name, _)| name == key);
            found.map_or_else(|| "–".to_owned(), |(_, value)| value.clone())
        };
        Difference { key: key.clone(), values: settings.iter().map(value).collect() }
    });
    all.filter(|found| found.values.iter().any(|value| *value != found.values[0])).collect()
}

fn settings(run: &RunView) -> Vec<(String, String)> {
    let mut found = vec![
        ("model".to_owned(), run.model.clone()),
        // Each run has its own copy of the data: what is in it counts, not where it is.
        ("data (SHA-256)".to_owned(), run.data_sha256.chars().take(12).collect()),
    ];
    let config = serde_json::to_value(&run.config).unwrap_or_default();
    flatten("", &config, &mut found);
    found
}

fn flatten(prefix: &str, value: &Value, found: &mut Vec<(String, String)>) {
    let Value::Object(fields) = value else { return };
    for (name, value) in fields {
        match value {
            Value::Object(_) => flatten(&format!("{name}."), value, found),
            _ if prefix.is_empty() && matches!(name.as_str(), "model" | "data") => {}
            _ => found.push((format!("{prefix}{name}"), text(value))),
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::train::tests::run_view;

    #[test]
    fn only_what_differs_is_in_the_table() {
        let one = run_view("one");
        let mut two = run_view("two");
        two.config.beta = 0.3;
        two.config.lora.r = 4;
        two.config.lora.target_modules = vec!["q_proj".to_owned()];
        two.data_sha256 = "abcdef0123456789".to_owned();
        let found = differences(&[&one, &two]);
        let keys: Vec<&str> = found.iter().map(|found| found.key.as_str()).collect();
        assert_eq!(keys, ["data (SHA-256)", "beta", "lora.r", "lora.target_modules"]);
        assert_eq!(found[0].values[1], "abcdef012345");
        assert_eq!(found[1].values, ["0.1", "0.3"]);
        assert_eq!(found[3].values[1], "q_proj");
        assert!(differences(&[&one, &one]).is_empty());
    }
}

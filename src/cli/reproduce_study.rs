//! `tuning-fork reproduce` of a study: the numbers that were kept of its agreement are computed again from its
//! files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde_json::Value;

use super::out;
use crate::study::agreement::agreement;
use crate::study::folder::{Folder, STUDY};
use crate::study::log::Use;

/// Under this name the numbers of a study are looked for in its folder.
const AGREEMENT: &str = "agreement.json";

/// So many differences are listed.
const MOST_LISTED: usize = 10;

/// A kept file with numbers of a study, and the study's folder; `None`: `file` is something else.
pub(super) fn of_study(file: &Path) -> anyhow::Result<Option<(PathBuf, PathBuf)>> {
    let folder = if file.is_dir() { file } else { file.parent().unwrap_or(file) };
    if !folder.join(STUDY).is_file() {
        return Ok(None);
    }
    let is_named = !file.is_dir() && file.file_name().is_none_or(|name| name != STUDY);
    let numbers = if is_named { file.to_owned() } else { folder.join(AGREEMENT) };
    if !numbers.is_file() {
        let (folder, numbers) = (folder.display(), numbers.display());
        bail!(
            "{numbers} is not there: keep the study's numbers first with tuning-fork annotate agreement {folder} \
             --json > {numbers}"
        );
    }
    Ok(Some((numbers, folder.to_owned())))
}

/// What differs between kept numbers and those of today.
#[derive(Debug, Default, Serialize)]
struct Recomputed {
    /// Values that were compared.
    values: usize,

    /// Where one differs: its path, what was kept, what comes out now.
    differences: Vec<(String, Value, Value)>,
}

/// Computes the agreement again, with the seed of then, and says what differs.
pub(super) fn run((numbers, study): &(PathBuf, PathBuf), json: bool) -> anyhow::Result<()> {
    let text = std::fs::read(numbers)
        .with_context(|| format!("{} could not be read", numbers.display()))?;
    let kept: Value = serde_json::from_slice(&text)
        .with_context(|| format!("{} is no JSON", numbers.display()))?;
    let Some(seed) = kept["seed"].as_u64().filter(|_| kept["variables"].is_array()) else {
        bail!(
            "{} has no numbers of a study: it should be what tuning-fork annotate agreement --json prints",
            numbers.display()
        );
    };
    let mut now = serde_json::to_value(agreement(&Folder::open(study, Use::Read)?, seed))?;
    // The list of disagreements is there only where it was asked for.
    if let (Some(now), Some(list)) = (now.as_object_mut(), kept.get("disagreements")) {
        now.insert("disagreements".to_owned(), list.clone());
    }
    let mut found = Recomputed::default();
    compare("", &kept, &now, &mut found);
    if json { out::json(&found) } else { out::line(&words(&found)) }
}

fn compare(path: &str, kept: &Value, now: &Value, found: &mut Recomputed) {
    match (kept, now) {
        (Value::Object(kept), Value::Object(now)) => {
            let new = now.keys().filter(|name| !kept.contains_key(*name));
            for name in kept.keys().chain(new) {
                let null = Value::Null;
                let (kept, now) = (kept.get(name).unwrap_or(&null), now.get(name).unwrap_or(&null));
                compare(&format!("{path}.{name}"), kept, now, found);
            }
        }
        (Value::Array(kept), Value::Array(now)) if kept.len() == now.len() => {
            for (place, (kept, now)) in kept.iter().zip(now).enumerate() {
                // Coders, variables and labels are told by their names.
                let name = ["coder", "variable", "label"].iter().find_map(|key| kept[key].as_str());
                let name = name.map_or_else(|| (place + 1).to_string(), str::to_owned);
                compare(&format!("{path}.{name}"), kept, now, found);
            }
        }
        _ => {
            found.values += 1;
            if kept != now {
                let path = path.trim_start_matches('.').to_owned();
                found.differences.push((path, kept.clone(), now.clone()));
            }
        }
    }
}

fn words(found: &Recomputed) -> String {
    let Recomputed { values, differences } = found;
    if differences.is_empty() {
        return format!("All {values} numbers and names are the same, to the last digit.");
    }
    let shown = |value: &Value| {
        let words = value.to_string();
        if words.chars().count() > 60 { "a list or object".to_owned() } else { words }
    };
    let mut lines = vec![format!("{} of {values} numbers and names differ:", differences.len())];
    for (path, kept, now) in differences.iter().take(MOST_LISTED) {
        lines.push(format!("{path}: {}, now {}", shown(kept), shown(now)));
    }
    if differences.len() > MOST_LISTED {
        lines.push("…".to_owned());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_named_by_its_place() {
        let kept = json!({"seed": 0, "variables": [{"variable": "tone", "alpha": {"value": 0.5}}]});
        let now = json!({"seed": 0, "variables": [{"variable": "tone", "alpha": {"value": 0.75, "low": 0.1}}]});
        let mut found = Recomputed::default();
        compare("", &kept, &kept, &mut found);
        assert_eq!((found.values, found.differences.len()), (3, 0));
        assert!(words(&found).starts_with("All 3 numbers"));
        let mut found = Recomputed::default();
        compare("", &kept, &now, &mut found);
        let said = words(&found);
        assert!(said.starts_with("2 of 4"), "{said}");
        assert!(said.contains("variables.tone.alpha.value: 0.5, now 0.75"), "{said}");
        assert!(said.contains("variables.tone.alpha.low: null, now 0.1"), "{said}");
    }
}

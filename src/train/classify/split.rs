//! Train, validation and test parts: stratified by label; a text, and a group, is never in two of
//! them.

use std::collections::BTreeMap;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha20Rng;

use super::labels::Target;
use super::rows::{Content, Part, TextRow};
use crate::train::config::{ConfigProblem, TrainConfig};
use crate::train::error::Error;
use crate::train::rows::survey::{Concern, Finding};

/// Places of rows, each part in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
    pub test: Vec<usize>,
}

/// What makes two rows the same: their texts.
fn key(content: &Content) -> String {
    match content {
        Content::Text { text, second } => {
            format!("{}\u{0}{}", text.trim(), second.as_deref().unwrap_or_default().trim())
        }
        Content::Masked { ids, .. } => format!("{ids:?}"),
    }
}

/// Rows that belong together: the same text or the same group, also by way of others.
fn units(rows: &[TextRow]) -> Vec<Vec<usize>> {
    let mut parent: Vec<usize> = (0..rows.len()).collect();
    fn root(parent: &mut [usize], mut at: usize) -> usize {
        while parent[at] != at {
            parent[at] = parent[parent[at]];
            at = parent[at];
        }
        at
    }
    let mut seen: BTreeMap<(bool, String), usize> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let keys = [Some((false, key(&row.content))), row.group.clone().map(|group| (true, group))];
        for key in keys.into_iter().flatten() {
            let first = *seen.entry(key).or_insert(at);
            let (one, other) = (root(&mut parent, first), root(&mut parent, at));
            let (low, high) = (one.min(other), one.max(other));
            parent[high] = low;
        }
    }
    let mut found: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for at in 0..rows.len() {
        found.entry(root(&mut parent, at)).or_default().push(at);
    }
    found.into_values().collect()
}

/// Draws the parts, or takes those that the rows name.
pub fn parts(
    rows: &[TextRow],
    targets: &[Target],
    config: &TrainConfig,
) -> Result<(Parts, Vec<Finding>), Error> {
    let units = units(rows);
    if rows.iter().any(|row| row.part.is_some()) {
        return told(rows, &units);
    }
    let mut strata: BTreeMap<Option<usize>, Vec<Vec<usize>>> = BTreeMap::new();
    for unit in units {
        let class = targets.get(unit[0]).and_then(stratum);
        strata.entry(class).or_default().push(unit);
    }
    let mut rng = ChaCha20Rng::seed_from_u64(config.seed);
    let mut parts = Parts::default();
    let (mut owed_test, mut owed_validation) = (0.0, 0.0);
    for units in strata.values_mut() {
        units.shuffle(&mut rng);
        let count = units.len();
        let share = |share: f64, owed: &mut f64, left: usize| {
            let wanted = count as f64 * share + *owed;
            // A label that has three texts is in every part that there is.
            let least = usize::from(share > 0.0 && count >= 3);
            let taken = (wanted.round().max(0.0) as usize).max(least).min(left);
            *owed = (wanted - taken as f64).clamp(-1.0, 1.0);
            taken
        };
        let test = share(config.test_share, &mut owed_test, count.saturating_sub(1));
        let left = count.saturating_sub(test + 1);
        let validation = share(config.held_out_share, &mut owed_validation, left);
        let mut rest = std::mem::take(units).into_iter();
        parts.test.extend(rest.by_ref().take(test).flatten());
        parts.validation.extend(rest.by_ref().take(validation).flatten());
        parts.train.extend(rest.flatten());
    }
    for part in [&mut parts.train, &mut parts.validation, &mut parts.test] {
        part.sort_unstable();
    }
    Ok((parts, Vec::new()))
}

/// What a unit is drawn by: its label, or of several the first that it has.
fn stratum(target: &Target) -> Option<usize> {
    match target {
        Target::Many(values) => values.iter().position(|value| *value > 0.5),
        other => other.class(),
    }
}

/// The parts that the rows name. A text in two parts is taken out of all but training.
fn told(rows: &[TextRow], units: &[Vec<usize>]) -> Result<(Parts, Vec<Finding>), Error> {
    let mut parts = Parts::default();
    let mut moved = Vec::new();
    for unit in units {
        let first = unit.iter().map(|at| rows[*at].part.unwrap_or(Part::Train)).min();
        for at in unit {
            let own = rows[*at].part.unwrap_or(Part::Train);
            if Some(own) != first {
                moved.push(rows[*at].line);
                continue; // measured on what was trained on would be no measurement
            }
            match own {
                Part::Train => parts.train.push(*at),
                Part::Validation => parts.validation.push(*at),
                Part::Test => parts.test.push(*at),
            }
        }
    }
    for part in [&mut parts.train, &mut parts.validation, &mut parts.test] {
        part.sort_unstable();
    }
    if parts.train.is_empty() {
        let message = "the column says train for no row: there is nothing to learn from".to_owned();
        return Err(Error::Config(vec![ConfigProblem { field: "split", message }]));
    }
    let mut findings = Vec::new();
    if !moved.is_empty() {
        findings.push(Finding {
            concern: Concern::Problem,
            sentence: "some texts (or groups) are in two parts by the column split; outside of the first of these parts they are left out".to_owned(),
            lines: moved,
            ..Finding::default()
        });
    }
    Ok((parts, findings))
}

/// What to know of labels that are not in every part.
pub fn findings(parts: &Parts, targets: &[Target], names: &[String]) -> Vec<Finding> {
    let has = |part: &[usize], class: usize| {
        part.iter().any(|at| match &targets[*at] {
            Target::Many(values) => values[class] > 0.5,
            other => other.class() == Some(class),
        })
    };
    let list = |part: &dyn Fn(usize) -> bool| -> Vec<&str> {
        let absent = (0..names.len()).filter(|class| part(*class));
        absent.map(|class| names[class].as_str()).collect()
    };
    let mut found = Vec::new();
    let measured = [parts.validation.as_slice(), parts.test.as_slice()];
    let unlearned =
        list(&|class| !has(&parts.train, class) && measured.iter().any(|part| has(part, class)));
    let mut say = |labels: Vec<&str>, words: &str, concern: Concern| {
        if !labels.is_empty() {
            let shown: Vec<&str> = labels.iter().take(8).copied().collect();
            let more = if labels.len() > 8 { ", …" } else { "" };
            let sentence = format!("{words}: {}{more}", shown.join(", "));
            found.push(Finding { concern, sentence, ..Finding::default() });
        }
    };
    say(
        unlearned,
        "these labels are in no text that is trained on, so they can never be given",
        Concern::Problem,
    );
    for (part, name) in measured.iter().zip(["validation", "test"]) {
        if !part.is_empty() {
            let unmeasured = list(&|class| has(&parts.train, class) && !has(part, class));
            let words = format!(
                "these labels are in no text of the {name} part, so nothing is known of them there"
            );
            say(unmeasured, &words, Concern::Caution);
        }
    }
    found
}

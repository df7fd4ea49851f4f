//! How strongly a run of GRPO or RLOO is held to the model that it began with (beta, the KL leash), where that
//! is changed while it runs.
//!
//! Whoever watches the run writes down what is wished; the run takes it up with its next round, and writes
//! down from which one on: a run that is resumed takes the same values in the same rounds.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files;
use crate::train::error::Error;

/// What is wished.
const WISH_FILE: &str = "beta.json";

/// What was taken up, a line each.
const LEASH_FILE: &str = "leash.jsonl";

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Wish {
    beta: f64,
}

/// From which round on, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Change {
    round: usize,
    beta: f64,
}

/// Asks a run, which may be under way, to take another value.
pub fn wish(run_dir: &Path, beta: f64) -> Result<(), Error> {
    let path = run_dir.join(WISH_FILE);
    let text = serde_json::to_vec(&Wish { beta }).expect("a wish is a number");
    files::write_atomic(&path, &text).map_err(|source| Error::Write { path, source })
}

fn wished(run_dir: &Path) -> Option<f64> {
    let wish: Wish = serde_json::from_slice(&std::fs::read(run_dir.join(WISH_FILE)).ok()?).ok()?;
    (0.0..=100.0).contains(&wish.beta).then_some(wish.beta)
}

/// The value of a round. `usual`: that of the settings.
pub(crate) fn of_round(run_dir: &Path, round: usize, usual: f64) -> Result<f64, Error> {
    let path = run_dir.join(LEASH_FILE);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let changes: Vec<Change> =
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let before = changes.iter().rev().find(|change| change.round <= round);
    let now = before.map_or(usual, |change| change.beta);
    if changes.iter().any(|change| change.round >= round) {
        return Ok(now); // this round was run before
    }
    let wish = wished(run_dir).unwrap_or(now);
    if wish != now {
        files::append_json(&path, &Change { round, beta: wish })
            .map_err(|source| Error::Write { path, source })?;
    }
    Ok(wish)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_taken_up_by_the_next_round_and_again_where_that_is_run_again() {
        let folder = tempfile::tempdir().unwrap();
        let of = |round| of_round(folder.path(), round, 0.05).unwrap();
        assert_eq!((of(0), of(1)), (0.05, 0.05));
        wish(folder.path(), 0.5).unwrap();
        assert_eq!((of(2), of(3)), (0.5, 0.5));
        wish(folder.path(), 0.1).unwrap();
        assert_eq!(of(4), 0.1);
        // Resumed from the checkpoint before round 1.
        assert_eq!([of(1), of(2), of(3), of(4)], [0.05, 0.5, 0.5, 0.1]);
        wish(folder.path(), -3.0).unwrap();
        assert_eq!(of(5), 0.1, "a leash is not below zero");
    }
}

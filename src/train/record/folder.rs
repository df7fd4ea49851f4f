//! The files of a run folder.

// The adapter's own names are PEFT's.
pub const RECORD_FILE: &str = "run.json";
pub const CONFIG_FILE: &str = "run.toml";
pub const DATA_FILE: &str = "data.jsonl";

/// The copy of one of a run's files: `data.jsonl`, `data-2.jsonl`.
pub fn data_file(number: usize) -> String {
    match number {
        0 => DATA_FILE.to_owned(),
        number => format!("data-{}.jsonl", number + 1),
    }
}

/// Which round of answers a run learned from: beside that round's pairs, and copied to the run. See `rounds`.
pub const ROUND_FILE: &str = "round.json";
pub const METRICS_FILE: &str = "metrics.jsonl";
pub const CHECKPOINT_FILE: &str = "resume.safetensors";

/// A model whose own weights have learned, as a transformers folder.
pub const MODEL_FOLDER: &str = "model";

/// The model that a run from nothing began with.
pub const NEWBORN_FOLDER: &str = "newborn";
pub const LOCK_FILE: &str = ".lock";

//! The files of a run folder.

// The adapter's own names are PEFT's.
pub const RECORD_FILE: &str = "run.json";
pub const CONFIG_FILE: &str = "run.toml";
pub const DATA_FILE: &str = "data.jsonl";
pub const METRICS_FILE: &str = "metrics.jsonl";
pub const CHECKPOINT_FILE: &str = "resume.safetensors";

/// A model whose own weights have learned, as a transformers folder.
pub const MODEL_FOLDER: &str = "model";

/// The model that a run from nothing began with.
pub const NEWBORN_FOLDER: &str = "newborn";
pub const LOCK_FILE: &str = ".lock";

//! What a run says and what its folder holds: metrics, samples, its record, notes.

pub mod again;
pub mod confusion;
mod folder;
pub mod history;
pub mod landmarks;
pub mod leash;
pub mod metrics;
pub mod notes;
pub mod round;
mod run_record;
pub mod runs;
pub mod samples;
pub mod sources;
pub mod table;

pub use folder::{
    CHECKPOINT_FILE, CONFIG_FILE, DATA_FILE, LOCK_FILE, METRICS_FILE, MODEL_FOLDER, NEWBORN_FOLDER,
    RECORD_FILE, ROUND_FILE, data_file,
};
pub use run_record::{RunRecord, RunStatus, timestamp};

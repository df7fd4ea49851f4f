//! The jobs under way, one `Option` each.

use super::connection::{
    DetailJob, HeadsJob, PaceJob, QueueJob, SearchJob, SecretJob, SuggestJob, VerifyJob,
};
use super::engine::{
    AdapterExportJob, AdapterJob, EstimateJob, ExportJob, FetchJob, GenerateJob, LoadJob,
    MeasureJob, ReadJob, SaveJob, ScanJob, SurveyJob, TrainJob,
};
use super::host::{Ask, DialogJob};
use super::import::{PromptsJob, Reading, RowsJob};
use crate::eval::preference::Measured;
use crate::hub::keep::Verifying;
use crate::hub::vault::Secret;

/// Who asked for the tokens that are being generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    Playground,
    Annotate,
}

/// Why the files of a run are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFor {
    /// To be shown.
    Showing,

    /// To be gone on with.
    Resuming,
}

/// A question to the keyring.
pub struct Asking {
    /// What to say if it does not serve.
    pub summary: &'static str,

    /// What it is to keep. `None`: it only reads or deletes.
    pub keeping: Option<(Secret, String)>,

    /// What it is to keep would outlive this program by now.
    pub is_safe: bool,
    pub job: SecretJob,
}

/// Everything that runs behind the window.
#[derive(Default)]
pub struct Running {
    pub scan: Option<ScanJob>,
    pub fetch: Option<FetchJob>,
    pub load: Option<LoadJob>,
    pub adapter: Option<AdapterJob>,
    pub generate: Option<(Asker, GenerateJob)>,
    pub train: Option<TrainJob>,
    pub export: Option<ExportJob>,
    pub saving: Vec<SaveJob>,
    pub adapter_export: Option<AdapterExportJob>,

    /// The run that is measured, and how far that is.
    pub measuring: Option<(String, Measured, MeasureJob)>,

    pub estimate: Option<EstimateJob>,
    pub survey: Option<SurveyJob>,

    /// Runs whose files are read, and what for.
    pub reading: Vec<(String, ReadFor, ReadJob)>,
    pub dialog: Option<(Ask, DialogJob)>,

    /// The search under way. A new one takes its place, so that an old answer is never heard.
    pub search: Option<SearchJob>,
    pub suggest: Option<SuggestJob>,
    pub details: Option<DetailJob>,
    pub pace: Option<PaceJob>,

    /// Files that are read, each with its name and how far that is.
    pub prompts: Option<(String, Reading, PromptsJob)>,
    pub rows: Option<(String, Reading, RowsJob)>,

    /// What is hashed, and how far that is.
    pub verify: Option<(String, Option<Verifying>, VerifyJob)>,
    pub heads: Option<HeadsJob>,

    /// The keyring is asked.
    pub secrets: Vec<Asking>,

    /// A search waits for it, since it may keep the way to the Hub.
    pub search_wanted: bool,

    /// The speed is to be measured as soon as nothing else takes the processor.
    pub pace_wanted: bool,

    /// Runs as long as the window does.
    pub queue: Option<QueueJob>,
}

impl Running {
    /// Whether closing the window now would lose work in progress.
    pub fn is_busy(&self) -> bool {
        self.fetch.is_some() || self.train.is_some() || self.adapter_export.is_some()
    }

    /// Whether a job is there that should end before the program does.
    pub fn is_working(&self) -> bool {
        self.is_busy()
            || self.generate.is_some()
            || self.measuring.is_some()
            || !self.saving.is_empty()
            || self.queue.is_some()
            || self.secrets.iter().any(|asking| asking.keeping.is_some() && !asking.is_safe)
    }

    /// Whether something has the processor, so that a speed measured now would be too low.
    pub fn is_computing(&self) -> bool {
        self.is_busy()
            || self.load.is_some()
            || self.generate.is_some()
            || self.measuring.is_some()
            || self.estimate.is_some()
            || self.survey.is_some()
            || self.verify.is_some()
    }

    pub fn stop_generating(&self) {
        if let Some((_, job)) = &self.generate {
            job.cancel();
        }
    }

    pub fn stop_training(&self) {
        if let Some(job) = &self.train {
            job.cancel();
        }
    }

    pub fn stop_fetching(&self) {
        if let Some(job) = &self.fetch {
            job.cancel();
        }
    }

    pub fn stop_measuring(&self) {
        if let Some((_, _, job)) = &self.measuring {
            job.cancel();
        }
    }

    pub fn stop_exporting(&self) {
        if let Some(job) = &self.adapter_export {
            job.cancel();
        }
    }

    pub fn stop_reading(&self) {
        if let Some((_, _, job)) = &self.prompts {
            job.cancel();
        }
        if let Some((_, _, job)) = &self.rows {
            job.cancel();
        }
    }

    pub fn stop_all(&self) {
        self.stop_reading();
        self.stop_exporting();
        self.stop_measuring();
        self.stop_generating();
        self.stop_training();
        self.stop_fetching();
    }

    /// What was fetched is kept; the queue is taken up again at the next start.
    pub fn stop_queue(&self) {
        if let Some(job) = &self.queue {
            job.cancel();
        }
    }
}

/// Takes what `poll` said of a job; a job that ended leaves its place.
pub fn take_ended<J, End>(
    slot: &mut Option<J>,
    poll: impl FnOnce(&mut J) -> Option<End>,
) -> Option<End> {
    let end = poll(slot.as_mut()?)?;
    *slot = None;
    Some(end)
}

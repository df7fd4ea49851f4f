//! A text is given its labels by the classifier of a run.

use std::path::{Path, PathBuf};

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::encoder::{Classifier, Error};
use crate::errors::one_line;
use crate::hub::resolve;
use crate::jobs::{Progress, Quiet};
use crate::state::prefs::PanelId;
use crate::state::train::texts::Answer;

/// Which run is asked about which text.
pub struct LabelText {
    pub id: String,
    pub text: String,
}

/// A run's folder, the model that it began with, and the text.
pub struct ToLabel {
    pub run_dir: PathBuf,
    pub base: PathBuf,
    pub text: String,
}

/// The classifier that a run has left behind.
fn classifier(run_dir: &Path, base: &Path) -> Result<Classifier, Error> {
    if resolve::is_adapter(run_dir) {
        return Classifier::load_adapted(base, run_dir, &Quiet);
    }
    Classifier::load(run_dir, &Quiet)
}

impl Work for LabelText {
    type Request = ToLabel;
    type Event = ();
    type Output = Vec<(String, f32)>;
    type Error = Error;

    const RULES: Rules = Rules::short("Labelling a text");

    fn run(
        ToLabel { run_dir, base, text }: ToLabel,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<Vec<(String, f32)>, Error> {
        let classifier = classifier(&run_dir, &base)?;
        let verdicts = classifier.classify(&[(text, None)], &Quiet)?;
        let shares = verdicts.into_iter().next().map(|verdict| verdict.probabilities);
        Ok(classifier.labels().names.iter().cloned().zip(shares.unwrap_or_default()).collect())
    }
}

impl LabelText {
    fn show(self, labels: Result<Vec<(String, f32)>, String>, app: &mut Workbench) {
        let Self { id, text } = self;
        app.state.train.labelled(Answer { id, text, labels });
    }
}

impl Task<Workbench> for LabelText {
    fn done(self, labels: Vec<(String, f32)>, app: &mut Workbench) {
        self.show(Ok(labels), app);
    }

    fn failed(self, error: Error, app: &mut Workbench) {
        self.show(Err(one_line(&error)), app);
    }

    fn crashed(self, message: &str, app: &mut Workbench) {
        self.show(Err(message.to_owned()), app);
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }
}

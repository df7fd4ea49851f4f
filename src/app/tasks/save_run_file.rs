//! Writes a run file, and its data beside it.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::training_rows::{SaveRunError, TrainingRows};
use crate::app::work::{OnClosing, Rules, Work};
use crate::jobs::Progress;
use crate::state::command::TrainCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::train::config::TrainConfig;

pub struct SaveRunFile;

/// What is saved, and where to.
pub struct RunFile {
    pub config: TrainConfig,
    pub rows: TrainingRows,
    pub path: PathBuf,
}

impl Work for SaveRunFile {
    type Request = RunFile;
    type Event = ();
    type Output = PathBuf;
    type Error = SaveRunError;

    const RULES: Rules = Rules { on_closing: OnClosing::Wait, ..Rules::short("Saving") };

    fn run(
        RunFile { config, rows, path }: RunFile,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<PathBuf, SaveRunError> {
        rows.write_with(&path, config)
    }
}

impl Task<Workbench> for SaveRunFile {
    fn done(self, path: PathBuf, app: &mut Workbench) {
        let summary = format!("Saved. Run it with: tuning-fork train {}", quoted(&path));
        app.state.notices.push(Notice::info(PanelId::Train, summary));
    }

    fn failed(self, error: SaveRunError, app: &mut Workbench) {
        app.state.notices.push(
            Notice::error(PanelId::Train, "The run file could not be saved", &error)
                .hint("Save it on a disk with free space")
                .remedy("Save the run file…", TrainCommand::SaveRunFile),
        );
    }

    fn panel(&self) -> PanelId {
        PanelId::Train
    }
}

/// As a command line takes it: a path with a space is in quotes.
fn quoted(path: &std::path::Path) -> String {
    let path = path.display().to_string();
    if path.contains(char::is_whitespace) { format!("\"{path}\"") } else { path }
}

//! Reads a codebook that was picked.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::data::codebook::{Codebook, CodebookError};
use crate::jobs::Progress;
use crate::state::command::EvaluateCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

pub struct ReadCodebook;

impl Work for ReadCodebook {
    type Request = PathBuf;
    type Event = ();
    type Output = Codebook;
    type Error = CodebookError;

    const RULES: Rules = Rules::short("Reading the codebook");

    fn run(
        path: PathBuf,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<Codebook, CodebookError> {
        let codebook = Codebook::read(&path)?;
        if !codebook.name.trim().is_empty() {
            return Ok(codebook);
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Codebook { name, ..codebook })
    }
}

impl Task<Workbench> for ReadCodebook {
    fn done(self, codebook: Codebook, app: &mut Workbench) {
        app.state.evaluate.form.codebook = codebook;
    }

    fn failed(self, error: CodebookError, app: &mut Workbench) {
        app.state.notices.push(
            Notice::error(PanelId::Evaluate, "This codebook cannot be used", &error)
                .remedy("Choose another…", EvaluateCommand::ChooseCodebook),
        );
    }

    fn panel(&self) -> PanelId {
        PanelId::Evaluate
    }
}

//! Reads a codebook for a new study: TOML, JSON, Markdown, or a table.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::data::table;
use crate::jobs::Progress;
use crate::jobs::Quiet;
use crate::state::command::CodesCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::study::forms::codebook;
use crate::study::variable::Variables;

pub struct ReadStudyCodebook;

/// A sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoCodebook(String);

impl Work for ReadStudyCodebook {
    type Request = PathBuf;
    type Event = ();
    type Output = Variables;
    type Error = NoCodebook;

    const RULES: Rules = Rules::short("Reading the codebook");

    fn run(
        path: PathBuf,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<Variables, NoCodebook> {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let is_text = matches!(ending.as_str(), "toml" | "json" | "md" | "markdown");
        let mut found = if is_text {
            codebook::read(&path).map_err(NoCodebook)?
        } else {
            let table = table::rows(&path, &Quiet).map_err(|err| NoCodebook(err.to_string()))?;
            codebook::of_rows(&table.rows).map_err(NoCodebook)?
        };
        if found.name.trim().is_empty() {
            found.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        }
        Ok(found)
    }
}

impl Task<Workbench> for ReadStudyCodebook {
    fn done(self, codebook: Variables, app: &mut Workbench) {
        app.state.codes.setup.codebook = codebook;
    }

    fn failed(self, error: NoCodebook, app: &mut Workbench) {
        app.state.notices.push(
            Notice::error(PanelId::Annotate, "This codebook cannot be used", &error)
                .remedy("Choose another…", CodesCommand::ChooseCodebook),
        );
    }

    fn panel(&self) -> PanelId {
        PanelId::Annotate
    }
}

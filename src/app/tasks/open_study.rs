//! Opens a study for a coder: one of the project, a new one, the sample, or a colleague's package.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::data::table::{self, ImportError};
use crate::evaluate::results::kept;
use crate::jobs::Progress;
use crate::jobs::Quiet;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::study::design::StudyError;
use crate::study::folder::{self, Folder};
use crate::study::log::Use;
use crate::study::make::{Plans, make};
use crate::study::package;
use crate::study::sample;

pub struct OpenStudy {
    pub coder: String,
}

/// Which one.
pub enum Wanted {
    Kept(PathBuf),

    /// Made of a table. `now`: RFC 3339 in UTC.
    New {
        project: PathBuf,
        table: PathBuf,
        plans: Box<Plans>,
        now: String,
    },

    /// The sample abstracts with the codes of three people.
    Sample {
        project: PathBuf,
        now: String,
    },
    Package {
        project: PathBuf,
        file: PathBuf,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum OpenStudyError {
    #[error(transparent)]
    Study(#[from] StudyError),

    #[error(transparent)]
    Table(#[from] ImportError),

    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: std::io::Error },
}

impl Work for OpenStudy {
    type Request = Wanted;
    type Event = ();
    type Output = Folder;
    type Error = OpenStudyError;

    const RULES: Rules = Rules::short("Opening the study");

    fn run(
        wanted: Wanted,
        _services: &Services,
        _progress: &dyn Progress<()>,
    ) -> Result<Folder, OpenStudyError> {
        Ok(match wanted {
            Wanted::Kept(path) => Folder::open(&path, Use::Write)?,
            Wanted::New { project, table, plans, now } => {
                let sha256 = table::folder::sha256(&table)
                    .map_err(|source| OpenStudyError::Read { path: table.clone(), source })?;
                let rows = table::rows(&table, &Quiet)?.rows;
                let name = table.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let place = folder::new_folder(&project, &plans.name);
                let plans = Plans { evaluation: kept::of_results(&table), ..*plans };
                make(&place, plans, rows, (&name, &sha256), &now)?
            }
            Wanted::Sample { project, now } => sample::make_sample(&project, &now)?,
            Wanted::Package { project, file } => {
                let package = package::read(&file)?;
                let place = folder::new_folder(&project, &package.study.name);
                package::unpack(package, &place)?
            }
        })
    }
}

impl Task<Workbench> for OpenStudy {
    fn ended(&mut self, app: &mut Workbench) {
        app.state.codes.busy = None;
    }

    fn done(self, folder: Folder, app: &mut Workbench) {
        app.study_opened(folder, &self.coder);
    }

    fn failed(self, error: OpenStudyError, app: &mut Workbench) {
        let notice = Notice::error(PanelId::Annotate, "The study could not be opened", &error);
        app.state.notices.push(notice);
    }

    fn panel(&self) -> PanelId {
        PanelId::Annotate
    }
}

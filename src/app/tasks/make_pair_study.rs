//! Makes a study of pairs of answers from a file. Where the pairs that the model hardly tells apart are to
//! come first, it reads all of them before.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{Rules, Work};
use crate::data::joined;
use crate::data::pair::Text;
use crate::data::table::{self, ImportError};
use crate::eval::closest::{Compared, Scored, mean_logprobs};
use crate::jobs::{Progress, Quiet};
use crate::llm;
use crate::llm::generate::AdapterMode;
use crate::state::command::{CodesCommand, Command};
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::Activity;
use crate::study::design::StudyError;
use crate::study::folder::{self, Folder};
use crate::study::item::{Item, Role};
use crate::study::make::{Plans, make_of};
use crate::study::pairs::{LOGPROBS, alike_words, of_candidates};

/// Whoever codes, and how far it is.
pub struct MakePairStudy {
    pub coder: String,
    pub at: Scored,
}

pub struct PairsToStudy {
    pub project: PathBuf,

    /// Or a folder with a file for each model.
    pub file: PathBuf,
    pub plans: Box<Plans>,

    /// Whether the model says how likely the answers are, and with which adapter.
    pub by_model: bool,
    pub adapter: AdapterMode,

    /// RFC 3339 in UTC.
    pub now: String,
}

#[derive(Debug, thiserror::Error)]
pub enum MakePairStudyError {
    #[error(transparent)]
    Study(#[from] StudyError),

    #[error(transparent)]
    File(#[from] ImportError),

    #[error("{} could not be read", path.display())]
    Read { path: PathBuf, source: std::io::Error },

    #[error("the model could not read the pair “{item}”")]
    Model { item: String, source: llm::Error },

    #[error("the model is not there")]
    NoModel(#[source] llm::Error),
}

impl Work for MakePairStudy {
    type Request = PairsToStudy;
    type Event = Scored;
    type Output = (Folder, usize);
    type Error = MakePairStudyError;

    const RULES: Rules =
        Rules { takes_processor: true, gives_way: true, ..Rules::short("Making the study") };

    fn run(
        request: PairsToStudy,
        services: &Services,
        progress: &dyn Progress<Scored>,
    ) -> Result<(Folder, usize), MakePairStudyError> {
        let PairsToStudy { project, file, plans, by_model, adapter, now } = request;
        let read = joined::candidate_rows(&file, &Quiet)?;
        // Of the columns that a model fills there is nothing to be kept.
        let kept = if by_model { Vec::new() } else { plans.sampling.columns() };
        let unusable = |problem| StudyError::Unusable { path: file.clone(), problem };
        let mut found =
            of_candidates(read.items, &plans.columns, &plans.codebook, &kept).map_err(unusable)?;
        if by_model {
            score(&mut found.items, services, adapter, progress)?;
        }
        let sha256 = table::folder::sha256(&file)
            .map_err(|source| MakePairStudyError::Read { path: file.clone(), source })?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let place = folder::new_folder(&project, &plans.name);
        let mut made = make_of(&place, *plans, found.items, (&name, &sha256), &now)?;
        made.set_origins(&found.origins)?;
        Ok((made, found.alike))
    }
}

/// Writes beside each pair how likely the model finds its answers.
fn score(
    items: &mut [Item],
    services: &Services,
    adapter: AdapterMode,
    progress: &dyn Progress<Scored>,
) -> Result<(), MakePairStudyError> {
    let model = services.model().map_err(MakePairStudyError::NoModel)?;
    let adapter = services.adapter_if(adapter);
    let coded: Vec<usize> = (0..items.len()).filter(|at| items[*at].role == Role::Coding).collect();
    let prompts: Vec<Text> = coded
        .iter()
        .map(|at| {
            let plain = || Text::Plain(items[*at].text.clone());
            items[*at].prompt.as_deref().cloned().unwrap_or_else(plain)
        })
        .collect();
    let mut pairs = Vec::with_capacity(coded.len());
    for (at, prompt) in coded.iter().zip(&prompts) {
        if let Some([first, second]) = items[*at].answers.as_deref() {
            pairs.push(Compared { prompt, answers: [first, second] });
        }
    }
    let found = mean_logprobs(&model, adapter.as_deref(), &pairs, progress).map_err(
        |(place, source)| MakePairStudyError::Model {
            item: items[coded[place]].id.clone(),
            source,
        },
    )?;
    for (at, means) in coded.into_iter().zip(found) {
        for (name, mean) in LOGPROBS.into_iter().zip(means) {
            items[at].more.insert(name.to_owned(), mean.into());
        }
    }
    Ok(())
}

impl Task<Workbench> for MakePairStudy {
    fn on_event(&mut self, event: Scored, _app: &mut Workbench) {
        self.at = event;
    }

    fn ended(&mut self, app: &mut Workbench) {
        app.state.codes.busy = None;
    }

    fn done(self, (folder, alike): (Folder, usize), app: &mut Workbench) {
        app.study_opened(folder, &self.coder);
        if alike > 0 {
            app.state.notices.push(Notice::info(PanelId::Annotate, alike_words(alike)));
        }
    }

    fn failed(self, error: MakePairStudyError, app: &mut Workbench) {
        let is_stopped = matches!(
            error,
            MakePairStudyError::Model { source: llm::Error::Cancelled(_), .. }
                | MakePairStudyError::File(ImportError::Stopped { .. })
        );
        if !is_stopped {
            let notice = Notice::error(PanelId::Annotate, "The study could not be made", &error);
            app.state.notices.push(notice);
        }
    }

    fn panel(&self) -> PanelId {
        PanelId::Annotate
    }

    fn activity(&self, _app: &Workbench) -> Option<Activity> {
        let Scored { done, total } = self.at;
        (total > 0).then(|| Activity {
            fraction: Some(done as f32 / total as f32),
            stop: Some(Command::Codes(CodesCommand::StopMaking)),
            ..Activity::new("Reading the pairs", format!("{done} of {total} pairs"))
        })
    }
}

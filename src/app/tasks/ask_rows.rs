//! Asks the loaded model about the rows of a task: about a few, to look at, or about all, whose
//! answers are kept as they come.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::Workbench;
use crate::app::respondent::InMemory;
use crate::app::services::Services;
use crate::app::task::Task;
use crate::app::work::{OnClosing, Rules, Work};
use crate::encoder;
use crate::evaluate::asking::at_server::{self, AT_ONCE};
use crate::evaluate::asking::error::AskError;
use crate::evaluate::asking::finder::Finder;
use crate::evaluate::asking::prepared::Prepared;
use crate::evaluate::asking::run::{self, AskEvent, Asker};
use crate::evaluate::results::answered::Answered;
use crate::evaluate::results::evaluation::Evaluation;
use crate::evaluate::results::folder::{Folder, FolderError};
use crate::evaluate::results::frozen::{self, FreezeError};
use crate::evaluate::results::kept;
use crate::files;
use crate::hub;
use crate::hub::resolve;
use crate::jobs::{Cancelled, Progress};
use crate::llm;
use crate::llm::generate::AdapterMode;
use crate::remote::server::Server;
use crate::state::command::{EvaluateCommand, ProjectCommand, WindowCommand};
use crate::state::evaluate::KeptIn;
use crate::state::evaluate::asking::Asking;
use crate::state::notice::Notice;
use crate::state::prefs::{Guessing, PanelId};
use crate::state::slots::Activity;

/// Why nothing else is opened meanwhile.
pub const STILL_ASKING: &str =
    "Rows are being asked about: stop that before opening another evaluation";

pub struct AskRows {
    pub is_try: bool,
    pub folder: Option<PathBuf>,
}

/// What is asked of which rows.
pub struct RowsToAsk {
    pub prepared: Arc<Prepared>,
    pub rows: Rows,

    /// The model as `--model` understands it, or the server's address.
    pub model: String,

    /// The adapter, if answers are given with it.
    pub adapter: Option<PathBuf>,

    /// RFC 3339, UTC.
    pub started: String,

    /// What guesses the tokens of written answers.
    pub guessing: Guessing,
}

pub enum Rows {
    /// The first ones; nothing is kept.
    Few(usize),

    /// Into a new folder.
    All { folder: PathBuf, project: PathBuf },

    /// Those that have no answer yet.
    Rest { folder: PathBuf },
}

pub enum AskingEvent {
    /// The evaluation is written down, and these answers were there.
    Begun(Box<Evaluation>, BTreeMap<u64, Answered>),

    /// Of a row that is read in windows, `done` of `windows` are read.
    Window {
        row: u64,
        done: usize,
        windows: usize,
    },
    Answered {
        done: usize,
        total: usize,
        row: Box<Answered>,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum AskRowsError {
    #[error("the model could not be used")]
    Model(#[source] llm::Error),

    #[error(transparent)]
    Ask(#[from] AskError),

    #[error("the encoder {name}, which the task names, could not be found")]
    FindEncoder { name: String, source: hub::Error },

    #[error("the encoder {name}, which the task names, could not be loaded")]
    Encoder { name: String, source: encoder::Error },

    #[error(transparent)]
    Freeze(#[from] FreezeError),

    #[error("the codebook could not be saved in the project")]
    Codebook(#[source] io::Error),

    #[error("{} could not be copied to the evaluation", path.display())]
    Copy { path: PathBuf, source: io::Error },
}

impl AskRowsError {
    fn is_stop(&self) -> bool {
        match self {
            Self::Ask(error) => error.is_stop(),
            Self::Model(source) => matches!(source, llm::Error::Cancelled(_)),
            _ => false,
        }
    }

    /// Whether the place is to blame where the answers go.
    fn is_about_folder(&self) -> bool {
        match self {
            Self::Codebook(_)
            | Self::Ask(AskError::Folder(FolderError::Write { .. }))
            | Self::Freeze(
                FreezeError::Write { .. } | FreezeError::Folder(FolderError::Write { .. }),
            ) => true,
            Self::Copy { source, .. } => source.kind() != io::ErrorKind::NotFound,
            _ => false,
        }
    }
}

impl From<FolderError> for AskRowsError {
    fn from(error: FolderError) -> Self {
        Self::Ask(AskError::Folder(error))
    }
}

impl Work for AskRows {
    type Request = RowsToAsk;
    type Event = AskingEvent;
    type Output = ();
    type Error = AskRowsError;

    const RULES: Rules = Rules {
        takes_processor: true,
        gives_way: true,
        on_closing: OnClosing::Wait, // what is answered is kept
        ..Rules::short("The evaluation")
    };

    fn run(
        request: RowsToAsk,
        services: &Services,
        progress: &dyn Progress<AskingEvent>,
    ) -> Result<(), AskRowsError> {
        let request = with_finder(request)?;
        if let Some(server) = services.server() {
            return ask_server(&server, request, progress);
        }
        let RowsToAsk { prepared, rows, model: name, adapter: path, started, guessing } = request;
        let mode = if path.is_some() { AdapterMode::On } else { AdapterMode::Off };
        let mut model = services.respondent(mode).map_err(AskRowsError::Model)?;
        let writes = prepared.task.kind().is_ok_and(|kind| kind.writes());
        // An encoder-decoder writes without guesses.
        if let InMemory::Decoder { model, guesser, .. } = &mut model
            && writes
            && guessing != Guessing::Off
        {
            let kept = services.guesser(&guessing, model, progress);
            *guesser = kept.map_err(AskRowsError::Model)?;
        }
        let folder = match rows {
            Rows::Few(count) => {
                let mut asker = Asker::new(&model, &prepared)?;
                let questions = &prepared.questions.list;
                let total = count.min(questions.len());
                for (index, question) in questions.iter().take(count).enumerate() {
                    progress.check().map_err(AskError::Stopped)?;
                    let row = question.row.place.row;
                    let answer = asker.answer_in_steps(question, progress, &mut |done, windows| {
                        progress.emit(AskingEvent::Window { row, done, windows });
                    });
                    let row = Box::new(answer?);
                    progress.emit(AskingEvent::Answered { done: index + 1, total, row });
                    progress.rest();
                }
                return Ok(());
            }
            Rows::All { ref folder, .. } | Rows::Rest { ref folder } => folder.clone(),
        };
        // As `tuning-fork evaluate` calls it: the window loads models as they are stored.
        let mut evaluation = model.evaluation(&prepared, &started);
        evaluation.task.model = name;
        evaluation.task.adapter = path.map(|path| path.display().to_string());
        let (kept, answered) = begin(&prepared, &rows, &folder, evaluation, progress)?;
        run::run(&model, &prepared, &kept, answered, &Passing(progress))?;
        Ok(())
    }
}

/// With the encoder that chooses passages, where the task names one.
fn with_finder(mut request: RowsToAsk) -> Result<RowsToAsk, AskRowsError> {
    let Some(name) = request.prepared.task.encoder.clone() else { return Ok(request) };
    let folder = resolve::resolve_model(&name)
        .map_err(|source| AskRowsError::FindEncoder { name: name.clone(), source })?;
    let finder = Finder::load(&folder).map_err(|source| AskRowsError::Encoder { name, source })?;
    let mut prepared = Prepared::clone(&request.prepared);
    prepared.finder = Some(Arc::new(finder));
    request.prepared = Arc::new(prepared);
    Ok(request)
}

/// The same of a model behind a server.
fn ask_server(
    server: &Server,
    request: RowsToAsk,
    progress: &dyn Progress<AskingEvent>,
) -> Result<(), AskRowsError> {
    let RowsToAsk { prepared, rows, started, .. } = request;
    let folder = match &rows {
        Rows::Few(count) => {
            let total = (*count).min(prepared.questions.list.len());
            let places: Vec<usize> = (0..total).collect();
            let mut done = 0;
            at_server::ask(server, &prepared, &places, AT_ONCE, progress, &mut |row| {
                done += 1;
                progress.emit(AskingEvent::Answered { done, total, row: Box::new(row) });
                Ok(())
            })?;
            return Ok(());
        }
        Rows::All { folder, .. } | Rows::Rest { folder } => folder.clone(),
    };
    let evaluation = at_server::evaluation(&prepared, server, &started)?;
    let (kept, answered) = begin(&prepared, &rows, &folder, evaluation, progress)?;
    at_server::run(server, &prepared, &kept, answered, AT_ONCE, &Passing(progress))?;
    Ok(())
}

/// Writes the evaluation down, and hands it over with the answers that are there.
fn begin(
    prepared: &Prepared,
    rows: &Rows,
    folder: &Path,
    mut evaluation: Evaluation,
    progress: &dyn Progress<AskingEvent>,
) -> Result<(Folder, BTreeMap<u64, Answered>), AskRowsError> {
    if let Rows::All { project, .. } = rows {
        keep_codebook(prepared, project, folder, &mut evaluation)?;
    }
    if matches!(rows, Rows::All { .. }) {
        // The same without a window: `tuning-fork evaluate task.toml`, from wherever it is called.
        if let Some(text) = evaluation.task.clone().with_whole_paths().to_toml() {
            let path = folder.join(TASK);
            files::write_atomic(&path, text.as_bytes())
                .map_err(|source| AskRowsError::Copy { path, source })?;
        }
    }
    let resume = matches!(rows, Rows::Rest { .. });
    let (kept, answered) = Folder::begin(folder, &evaluation, resume)?;
    frozen::note_opening(folder, &evaluation, &evaluation.started)?;
    progress.emit(AskingEvent::Begun(Box::new(evaluation), answered.clone()));
    Ok((kept, answered))
}

/// Puts the codebook into the project, and a copy beside the answers: what was asked stays known,
/// whatever becomes of the first.
fn keep_codebook(
    prepared: &Prepared,
    project: &Path,
    folder: &Path,
    evaluation: &mut Evaluation,
) -> Result<(), AskRowsError> {
    let (Some(codebook), Some(code)) =
        (&prepared.questions.codebook, evaluation.task.code.as_mut())
    else {
        return Ok(());
    };
    let from_form = code.codebook.as_os_str().is_empty();
    let bytes = if from_form {
        kept::save_codebook(project, codebook).map_err(AskRowsError::Codebook)?;
        codebook.to_toml().into_bytes()
    } else {
        std::fs::read(&code.codebook)
            .map_err(|source| AskRowsError::Copy { path: code.codebook.clone(), source })?
    };
    let ending = code.codebook.extension().unwrap_or_else(|| "toml".as_ref());
    let name = Path::new("codebook").with_extension(ending);
    let path = folder.join(&name);
    files::write_atomic(&path, &bytes).map_err(|source| AskRowsError::Copy { path, source })?;
    code.codebook = name;
    Ok(())
}

/// The task in an evaluation's folder.
pub const TASK: &str = "task.toml";

/// Passes on what the engine says.
struct Passing<'a>(&'a dyn Progress<AskingEvent>);

impl Progress<AskEvent> for Passing<'_> {
    fn emit(&self, event: AskEvent) {
        self.0.emit(match event {
            AskEvent::Answered { done, total, row } => AskingEvent::Answered { done, total, row },
            AskEvent::Window { row, done, windows } => AskingEvent::Window { row, done, windows },
        });
    }

    fn check(&self) -> Result<(), Cancelled> {
        self.0.check()
    }

    fn rest(&self) {
        self.0.rest();
    }
}

impl Task<Workbench> for AskRows {
    fn on_event(&mut self, event: AskingEvent, app: &mut Workbench) {
        let now = app.host.seconds();
        let evaluate = &mut app.state.evaluate;
        match event {
            AskingEvent::Begun(evaluation, answered) => {
                if let Some(asking) = &mut evaluate.asking {
                    asking.begin(answered.len(), now);
                }
                if let (Some(open), Some(folder)) = (&mut evaluate.open, &self.folder) {
                    open.coders.clone_from(&evaluation.coders);
                    open.answers = answered;
                    open.version += 1;
                    let begun = Some(evaluation);
                    open.kept = Some(KeptIn { folder: folder.clone(), begun });
                }
            }
            AskingEvent::Window { row, done, windows } => {
                if let Some(asking) = &mut evaluate.asking {
                    asking.window = Some((row, done, windows));
                }
            }
            AskingEvent::Answered { done, total, row } => {
                evaluate.on_answer(*row, done, total, now);
            }
        }
    }

    fn ended(&mut self, app: &mut Workbench) {
        app.state.evaluate.asking = None;
        app.state.notices.withdraw(PanelId::Evaluate, STILL_ASKING);
        if let Some(open) = &mut app.state.evaluate.open
            && open.answers.is_empty()
            && open.kept.as_ref().is_some_and(|kept| kept.begun.is_none())
        {
            open.kept = None; // it did not come to a folder: there is nothing to resume
        }
        if !self.is_try {
            app.list_evaluations();
        }
    }

    fn done(self, (): (), app: &mut Workbench) {
        let Some(folder) = self.folder else { return };
        let answers = app.state.evaluate.open.as_ref().map(|open| &open.answers);
        let rows = answers.map_or(0, std::collections::BTreeMap::len);
        let mut problems =
            answers.into_iter().flatten().filter_map(|(_, answered)| answered.problem.as_ref());
        let first = problems.next().map(|problem| format!("The first one: {problem}"));
        let refused = usize::from(first.is_some()) + problems.count();
        let notice = match refused {
            0 => {
                let summary = format!("All {rows} rows are answered; results.csv has them");
                Notice::info(PanelId::Evaluate, summary)
            }
            all if all == rows => {
                let summary =
                    format!("None of the {rows} rows could be asked; results.csv says why");
                Notice::problem(PanelId::Evaluate, summary)
            }
            some => {
                let summary = format!(
                    "{} of {rows} rows are answered, the others could not be asked; results.csv has \
                     them and says why",
                    rows - some
                );
                Notice::problem(PanelId::Evaluate, summary)
            }
        };
        let notice = match first {
            Some(first) => notice.hint(first),
            None => notice,
        };
        let results = folder.join(crate::evaluate::results::folder::TABLE);
        let notice = notice.remedy("Show results.csv", WindowCommand::Reveal(results));
        app.state.notices.push(notice);
    }

    fn failed(self, error: AskRowsError, app: &mut Workbench) {
        if error.is_stop() {
            return;
        }
        let is_kept = app.state.evaluate.open.as_ref().is_some_and(|open| open.kept.is_some());
        let told = |summary: &str| Notice::error(PanelId::Evaluate, summary, &error);
        app.state.notices.push(if self.is_try {
            told("The rows could not all be asked")
        } else if is_kept {
            told("The rows could not all be asked")
                .hint("What was answered so far is kept")
                .remedy("Resume", EvaluateCommand::Resume)
        } else if error.is_about_folder() {
            told("No row was asked: the answers could not be kept")
                .hint("Free some space, or open a project in a folder that can be written to")
                .remedy("Open a project…", ProjectCommand::Choose)
        } else {
            told("No row could be asked")
        });
    }

    fn panel(&self) -> PanelId {
        PanelId::Evaluate
    }

    fn activity(&self, app: &Workbench) -> Option<Activity> {
        app.state.evaluate.asking.as_ref().map(Asking::activity)
    }
}

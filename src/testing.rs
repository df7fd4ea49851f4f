//! For tests of the window: an engine and a host that do nothing by themselves. The test decides
//! what they say, and looks at what they were asked.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use time::OffsetDateTime;

use crate::app::connection::Connected;
use crate::app::host::{Ask, Host};
use crate::app::pace::Pace;
use crate::app::services::Services;
use crate::app::tasks::compare_evaluations::CompareEvaluations;
use crate::app::tasks::delete_model::DeleteModel;
use crate::app::tasks::delete_run::DeleteRun;
use crate::app::tasks::dialog::Dialog;
use crate::app::tasks::export_evaluation::ExportEvaluation;
use crate::app::tasks::export_pairs::ExportPairs;
use crate::app::tasks::export_study::ExportStudy;
use crate::app::tasks::flush_verdicts::FlushVerdicts;
use crate::app::tasks::list_chats::ListChats;
use crate::app::tasks::list_evaluations::ListEvaluations;
use crate::app::tasks::list_lectures::ListLectures;
use crate::app::tasks::list_prompts::ListPrompts;
use crate::app::tasks::list_runs::ListRuns;
use crate::app::tasks::list_studies::ListStudies;
use crate::app::tasks::make_pair_study::MakePairStudy;
use crate::app::tasks::measure_agreement::MeasureAgreement;
use crate::app::tasks::open_study::OpenStudy;
use crate::app::tasks::prepare_evaluation::PrepareEvaluation;
use crate::app::tasks::rate_models::RateModels;
use crate::app::tasks::rate_study::RateStudy;
use crate::app::tasks::read_answers::ReadAnswers;
use crate::app::tasks::read_codebook::ReadCodebook;
use crate::app::tasks::read_prompts::ReadPrompts;
use crate::app::tasks::read_study_codebook::ReadStudyCodebook;
use crate::app::tasks::read_study_table::ReadStudyTable;
use crate::app::tasks::read_table::{ReadBeside, ReadRows};
use crate::app::tasks::read_training_file::ReadTrainingFile;
use crate::app::tasks::redraw_labels::RedrawLabels;
use crate::app::tasks::save_chats::SaveChats;
use crate::app::tasks::save_draft::SaveDraft;
use crate::app::tasks::save_run_file::SaveRunFile;
use crate::app::tasks::secret::{AskKeyring, Question};
use crate::app::tasks::take_suggestions::TakeSuggestions;
use crate::app::work::{Engine, Held, Launch, Work};
use crate::hub;
use crate::hub::account::vault::Secret;
use crate::hub::fetch::queue::QueueCommand;
use crate::hub::protocol::repository::RepoKind;
use crate::jobs::Wake;
use crate::remote::error::RemoteError;
use crate::remote::probe::Probe;
use crate::state::hub::HubSettings;

/// What the window has started and asked, and what a test lets happen.
pub struct Script {
    held: Vec<(TypeId, Box<dyn Any>)>,

    pub queue_commands: Vec<QueueCommand>,
    pub connected: Vec<HubSettings>,

    /// What the keyring holds.
    pub secrets: BTreeMap<Secret, String>,

    /// What the next file dialog answers.
    pub picks: Option<PathBuf>,
    pub asked: Vec<Ask>,
    pub revealed: Vec<PathBuf>,
    pub seconds: f64,

    /// Whether the disk is slow: the test says when what was written is flushed.
    pub holds_flushes: bool,

    /// What the window has set.
    pub pace: Arc<Pace>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            held: Vec::new(),
            queue_commands: Vec::new(),
            connected: Vec::new(),
            secrets: BTreeMap::new(),
            picks: None,
            asked: Vec::new(),
            revealed: Vec::new(),
            seconds: 0.0,
            holds_flushes: false,
            pace: Arc::default(),
        }
    }
}

impl Script {
    /// The latest work of this kind that the window has started, unless it was taken already.
    pub fn take<W: Work>(&mut self) -> Option<Held<W>> {
        let at = self.held.iter().rposition(|(kind, _)| *kind == TypeId::of::<W>())?;
        let (_, held) = self.held.remove(at);
        Some(*held.downcast().expect("it was put there under its own kind"))
    }

    /// All work that is held ends, as it does where it is told that the program is being closed.
    pub fn let_go(&mut self) {
        self.held.clear();
    }

    /// The same without taking it.
    pub fn started<W: Work>(&self) -> Option<&Held<W>> {
        let held = self.held.iter().rev().find(|(kind, _)| *kind == TypeId::of::<W>());
        held.and_then(|(_, held)| held.downcast_ref())
    }

    /// The keyring answers the latest question: only now it holds what it was given.
    ///
    /// # Panics
    ///
    /// If it was not asked.
    pub fn keyring_answers(&mut self, answer: Result<(), hub::Error>) {
        let Held { request, feeder } = self.take::<AskKeyring>().expect("the keyring was asked");
        match request {
            _ if answer.is_err() => {}
            Question::Unlock => {}
            Question::Keep(secret, Some(text)) => _ = self.secrets.insert(secret, text),
            Question::Keep(secret, None) => _ = self.secrets.remove(&secret),
        }
        feeder.finish(answer);
    }
}

/// An engine that waits for the test, but for work on files, which it does at once.
#[derive(Clone, Default)]
pub struct FakeEngine(pub Rc<RefCell<Script>>);

/// What is done at once.
fn is_work_on_files(kind: TypeId) -> bool {
    [
        TypeId::of::<CompareEvaluations>(),
        TypeId::of::<DeleteModel>(),
        TypeId::of::<DeleteRun>(),
        TypeId::of::<ExportEvaluation>(),
        TypeId::of::<ExportPairs>(),
        TypeId::of::<ListChats>(),
        TypeId::of::<ListEvaluations>(),
        TypeId::of::<ListLectures>(),
        TypeId::of::<ListPrompts>(),
        TypeId::of::<ListRuns>(),
        TypeId::of::<SaveChats>(),
        TypeId::of::<ListStudies>(),
        TypeId::of::<OpenStudy>(),
        TypeId::of::<MakePairStudy>(),
        TypeId::of::<MeasureAgreement>(),
        TypeId::of::<ReadStudyCodebook>(),
        TypeId::of::<ReadStudyTable>(),
        TypeId::of::<ExportStudy>(),
        TypeId::of::<FlushVerdicts>(),
        TypeId::of::<PrepareEvaluation>(),
        TypeId::of::<RateModels>(),
        TypeId::of::<RateStudy>(),
        TypeId::of::<ReadAnswers>(),
        TypeId::of::<ReadCodebook>(),
        TypeId::of::<ReadPrompts>(),
        TypeId::of::<ReadBeside>(),
        TypeId::of::<ReadRows>(),
        TypeId::of::<ReadTrainingFile>(),
        TypeId::of::<RedrawLabels>(),
        TypeId::of::<SaveDraft>(),
        TypeId::of::<SaveRunFile>(),
        TypeId::of::<TakeSuggestions>(),
    ]
    .contains(&kind)
}

impl Engine for FakeEngine {
    fn start(&mut self, launch: &mut dyn Launch, _wake: Wake) {
        let kind = launch.kind();
        let mut script = self.0.borrow_mut();
        let is_slow = script.holds_flushes && kind == TypeId::of::<FlushVerdicts>();
        if is_work_on_files(kind) && !is_slow {
            launch.run_here(&Services::default());
            return;
        }
        let held = launch.hold();
        script.held.push((kind, held));
        // A dialog answers by itself.
        if let (true, Some(dialog)) = (kind == TypeId::of::<Dialog>(), script.take::<Dialog>()) {
            script.asked.push(dialog.request);
            dialog.feeder.finish(Ok(script.picks.take()));
        }
    }

    fn unload(&mut self) {}

    fn unload_adapter(&mut self) {}

    fn unload_encoder(&mut self) {}

    fn forget_masked(&mut self) {}

    fn forget_second(&mut self) {}

    fn use_server(&mut self, _probe: Arc<Probe>) -> Result<(), RemoteError> {
        Ok(())
    }

    fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.0.borrow().pace)
    }

    fn connect(&mut self, settings: &HubSettings) -> Result<Connected, hub::Error> {
        let mut script = self.0.borrow_mut();
        script.connected.push(settings.clone());
        let from = |secret: Secret| script.secrets.get(&secret).map(|_| "the test".to_owned());
        let (token_from, proxy_from) = (from(Secret::Token), from(Secret::Proxy));
        Ok(Connected { token_from, proxy_from })
    }

    fn is_locked_away(&mut self) -> bool {
        false
    }

    fn send_to_queue(&mut self, command: QueueCommand) {
        self.0.borrow_mut().queue_commands.push(command);
    }

    fn hub_page(&self, kind: RepoKind, repo: &str) -> String {
        let kind = if kind == RepoKind::Dataset { "datasets/" } else { "" };
        format!("https://hub.example/{kind}{repo}")
    }
}

/// A host without a desktop: a fixed date, a clock that the test moves.
pub struct FakeHost {
    pub script: Rc<RefCell<Script>>,
    drawn: u64,
}

impl FakeHost {
    pub fn new(script: &Rc<RefCell<Script>>) -> Self {
        Self { script: Rc::clone(script), drawn: 0 }
    }
}

impl Host for FakeHost {
    fn seconds(&self) -> f64 {
        self.script.borrow().seconds
    }

    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_795_271_520).expect("a valid time")
    }

    fn random(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    fn reveal(&mut self, path: &Path) -> std::io::Result<()> {
        self.script.borrow_mut().revealed.push(path.to_owned());
        Ok(())
    }

    fn memory(&mut self) -> (u64, u64) {
        (8 << 30, 16 << 30)
    }
}

//! The Playground: answers, and the adapter over the model.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::host::Ask;
use crate::app::tasks::answer::Answering;
use crate::app::tasks::load_adapter::LoadAdapter;
use crate::state::AppState;
use crate::state::command::PlaygroundCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::{AdapterSlot, Asker};

impl Workbench {
    pub(super) fn handle_playground(&mut self, command: PlaygroundCommand) {
        match command {
            PlaygroundCommand::Generate => self.generate(),
            PlaygroundCommand::Stop => self.tasks.stop::<Answering>(),
            PlaygroundCommand::ChooseAdapter => self.ask(Ask::AdapterFolder),
            PlaygroundCommand::LoadAdapter(folder) => self.load_adapter(folder, false),
            PlaygroundCommand::UnloadAdapter => {
                self.engine.unload_adapter();
                self.state.adapter = AdapterSlot::None;
            }
        }
    }

    fn generate(&mut self) {
        if self.tasks.has::<Answering>() {
            // Asked again: the answer under way is stopped, and the new one comes after it.
            self.tasks.stop::<Answering>();
            self.waiting_for_answer = Some(Asker::Playground);
            return;
        }
        self.state.notices.clear(PanelId::Playground);
        let AppState { prefs, model, adapter, playground, .. } = &self.state;
        let request = match playground.request(prefs, model.ready(), adapter) {
            Ok(request) => request,
            Err(reason) => {
                self.state.notices.push(Notice::problem(PanelId::Playground, reason));
                return;
            }
        };
        self.state.playground.started(&request);
        self.start(Answering { asker: Asker::Playground }, request);
    }

    /// An answer has ended: whoever waits for the model has it now.
    pub(in crate::app) fn ask_what_waits(&mut self) {
        match self.waiting_for_answer.take() {
            None => {}
            Some(Asker::Playground) => self.generate(),
            Some(Asker::Annotate) => self.answer_prompt(),
        }
    }

    /// The workers still end by themselves; what they say is not heard any more.
    pub(super) fn drop_answers(&mut self) {
        let askers: Vec<Asker> =
            self.tasks.of::<Answering>().map(|answering| answering.asker).collect();
        self.tasks.drop_all::<Answering>();
        for asker in askers {
            match asker {
                Asker::Playground => self.state.playground.finished(),
                Asker::Annotate => self.state.annotate.ended(),
            }
        }
        self.waiting_for_answer = None;
    }

    /// `compare`: base and adapter are asked the same as soon as it is there.
    pub(in crate::app) fn load_adapter(&mut self, folder: PathBuf, compare: bool) {
        if self.tasks.has::<LoadAdapter>() {
            return;
        }
        self.state.notices.clear(PanelId::Playground);
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.state.adapter = AdapterSlot::Loading { name };
        self.start(LoadAdapter { compare }, folder);
    }
}

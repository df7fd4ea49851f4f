//! The Playground: answers, and the adapter over the model.

use std::path::PathBuf;

use crate::app::host::Ask;
use crate::app::tasks::answer::{AnswerRequest, Answering};
use crate::app::tasks::grow_tree::GrowTree;
use crate::app::tasks::load_adapter::LoadAdapter;
use crate::app::tasks::repeat_prompt::RepeatPrompt;
use crate::app::tasks::run_prompt::RunPrompt;
use crate::app::tasks::score_guesses::{GuessesRequest, ScoreGuesses};
use crate::app::{Outward, Workbench};
use crate::explore::growth::Growth;
use crate::state::AppState;
use crate::state::command::PlaygroundCommand;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;
use crate::state::slots::{AdapterSlot, Asker};

impl Workbench {
    pub(super) fn handle_playground(&mut self, command: PlaygroundCommand) {
        match command {
            PlaygroundCommand::Generate => self.generate(),
            PlaygroundCommand::NextToken => self.engine.pace().step(),
            PlaygroundCommand::Stop => self.tasks.stop::<Answering>(),
            PlaygroundCommand::ScoreGuesses => self.score_guesses(),
            PlaygroundCommand::Grow(growth) => self.grow(growth),
            PlaygroundCommand::Repeat => self.repeat_prompt(),
            PlaygroundCommand::StopRepeats => self.tasks.stop::<RepeatPrompt>(),
            PlaygroundCommand::StopGrowing => self.tasks.stop::<GrowTree>(),
            PlaygroundCommand::ListPrompts => self.list_prompts(),
            PlaygroundCommand::RunPrompt => self.run_prompt(),
            PlaygroundCommand::StopPrompt => self.tasks.stop::<RunPrompt>(),
            PlaygroundCommand::SavePrompt => self.save_prompt(),
            PlaygroundCommand::KeepPreset => self.keep_preset(),
            PlaygroundCommand::RemovePreset(name) => self.remove_preset(&name),
            PlaygroundCommand::ReadAndWrite => self.read_and_write(),
            PlaygroundCommand::StopWriting => self.stop_writing(),
            PlaygroundCommand::WatchCrossAttention => self.watch_cross_attention(),
            PlaygroundCommand::ExportChat => self.export_chat(),
            PlaygroundCommand::ChooseAdapter => self.ask(Ask::AdapterFolder),
            PlaygroundCommand::LoadAdapter(folder) => self.load_adapter(folder, false),
            PlaygroundCommand::UnloadAdapter => {
                if self.state.model.encoder_decoder().is_some() {
                    // What is shown of its answers was computed with the adapter.
                    self.drop_writing();
                }
                self.engine.unload_adapter();
                self.state.adapter = AdapterSlot::None;
                self.state.playground.library.count_again();
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
        let request = match playground.request(prefs, model, adapter) {
            Ok(request) => request,
            Err(reason) => {
                self.state.notices.push(Notice::problem(PanelId::Playground, reason));
                return;
            }
        };
        self.state.playground.started(&request);
        let guessing = self.state.prefs.guessing.clone();
        if let Some(card) = self.state.model.ready() {
            let adapter = self.state.adapter.ready().map(|card| card.name.as_str());
            self.state.playground.note_model(&card.identity.name, adapter);
        } else if let Some(probe) = self.state.model.remote() {
            self.state.playground.note_model(&probe.model, None);
        }
        self.start(Answering { asker: Asker::Playground }, AnswerRequest { request, guessing });
    }

    fn grow(&mut self, growth: Growth) {
        if self.tasks.has::<GrowTree>() {
            return;
        }
        self.state.notices.clear(PanelId::Playground);
        let number = self.state.playground.branches.begin(&growth);
        self.outward.push(Outward::Repaint);
        self.start(GrowTree { number }, growth);
    }

    fn repeat_prompt(&mut self) {
        if self.tasks.has::<RepeatPrompt>() {
            return;
        }
        self.state.notices.clear(PanelId::Playground);
        let AppState { prefs, adapter, playground, .. } = &mut self.state;
        match playground.repeats_request(prefs, adapter) {
            Ok(request) => {
                let question = playground.prompt.clone();
                let number = playground.repeats.begin(question, request.clone());
                let guessing = prefs.guessing.clone();
                self.start(RepeatPrompt { number }, (request, guessing));
            }
            Err(reason) => {
                self.state.notices.push(Notice::problem(PanelId::Playground, reason));
            }
        }
    }

    fn score_guesses(&mut self) {
        let playground = &mut self.state.playground;
        let Some(position) = playground.position() else { return };
        let Some(guesses) = playground.vote.ask() else { return };
        let adapter = playground.lanes[position.lane].lane.adapter;
        let ids = playground.history(position);
        self.start_instead(ScoreGuesses, GuessesRequest { ids, adapter, guesses });
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
        self.drop_writing();
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

//! The prompts, presets and conversations of the project.

use std::path::PathBuf;

use crate::app::Workbench;
use crate::app::tasks::list_chats::ListChats;
use crate::app::tasks::list_prompts::ListPrompts;
use crate::app::tasks::prepare_prompt::{PreparePrompt, PrepareRequest};
use crate::app::tasks::run_prompt::RunPrompt;
use crate::app::tasks::save_chats::SaveChats;
use crate::files;
use crate::prompts::error::PromptError;
use crate::prompts::presets::Preset;
use crate::prompts::record::new_path;
use crate::prompts::run::RunRequest;
use crate::prompts::{chats, library, presets};
use crate::state::AppState;
use crate::state::command::WindowCommand;
use crate::state::notice::Notice;
use crate::state::playground::export;
use crate::state::playground::library::Sheet;
use crate::state::prefs::PanelId;

/// Where conversations are exported to.
const EXPORTS: &str = "exports/chats";

impl Workbench {
    /// A project was opened: its prompts, presets and conversations.
    pub(super) fn open_prompts(&mut self) {
        self.state.playground.presets.clear();
        self.list_prompts();
        if let Some(folder) = self.project_folder() {
            self.start_instead(ListChats, folder);
        }
    }

    fn project_folder(&self) -> Option<PathBuf> {
        self.project.as_ref().map(|open| open.folder.clone())
    }

    pub(in crate::app) fn list_prompts(&mut self) {
        let folder = self.project_folder();
        self.start_instead(ListPrompts, folder);
    }

    /// Writes the conversations that have changed. Called once a frame.
    pub(in crate::app) fn keep_chats(&mut self) {
        // One after the other: an older state must not be written over a newer one. And not before
        // it is known what the project has.
        let waits = self.tasks.has::<SaveChats>() || self.tasks.has::<ListChats>();
        if waits || !self.state.playground.has_chats_to_keep() {
            return;
        }
        let Some(folder) = self.project_folder() else { return };
        let due = self.due_chats();
        if !due.is_empty() {
            self.start(SaveChats, (folder, due));
        }
    }

    fn due_chats(&mut self) -> Vec<chats::Chat> {
        let now = self.host.timestamp();
        let host = &mut self.host;
        self.state.playground.take_chats_to_keep(&now, &mut || host.random())
    }

    /// The window closes: what was answered last is written, too.
    pub(in crate::app) fn keep_last_chats(&mut self) {
        let Some(folder) = self.project_folder() else { return };
        if !self.state.playground.has_chats_to_keep() {
            return;
        }
        for chat in self.due_chats() {
            match chats::write(&folder, &chat) {
                Ok(()) => self.state.playground.chats_are_kept(&[chat.id]),
                Err(err) => log::warn!("{}", crate::errors::one_line(&err)),
            }
        }
    }

    /// Fills the open prompt again where something about it has changed. Called once a frame.
    pub(in crate::app) fn prepare_prompt(&mut self) {
        let project = self.project_folder();
        let AppState { prefs, model, playground, .. } = &mut self.state;
        if playground.sheet != Some(Sheet::Prompts) || model.ready().is_none() {
            return;
        }
        let manner = playground.manner(prefs);
        let Some(open) = &mut playground.library.open else { return };
        let Some(inputs) = open.inputs(manner) else { return };
        if open.known(&inputs).is_some() || open.preparing.as_ref() == Some(&inputs) {
            return;
        }
        open.preparing = Some(inputs.clone());
        let request = PrepareRequest {
            inputs: inputs.clone(),
            table: open.table.clone(),
            file: open.entry.path.clone(),
            project,
        };
        let number = open.number;
        self.start_instead(PreparePrompt { number, inputs }, request);
    }

    pub(super) fn run_prompt(&mut self) {
        if self.tasks.has::<RunPrompt>() {
            return;
        }
        let project = self.project_folder();
        let started_at = self.host.timestamp();
        let AppState { prefs, model, adapter, playground, .. } = &mut self.state;
        let Some(card) = model.ready() else { return };
        let manner = playground.manner(prefs);
        let own = playground.presets.clone();
        let Some(open) = &mut playground.library.open else { return };
        let Some(inputs) = open.inputs(manner.clone()) else { return };
        let Some(Ok(prepared)) = open.known(&inputs) else { return };
        let examples = prepared.chosen.clone();
        let to = project.as_ref().map(|project| new_path(project, &open.entry.name));
        let texts = &inputs.material.texts;
        let texts = project.filter(|_| !texts.is_empty()).map(|project| project.join(texts));
        let mode = adapter.mode();
        let request = RunRequest {
            name: open.entry.name.clone(),
            material: inputs.material,
            values: inputs.values,
            examples,
            manner,
            presets: own,
            texts,
            to: to.clone(),
            started_at,
            model: card.identity.clone(),
            adapter: adapter
                .ready()
                .filter(|_| mode == crate::llm::generate::AdapterMode::On)
                .map(|card| card.name.clone()),
        };
        open.begin_run(to);
        let number = open.number;
        self.start(RunPrompt { number }, (request, mode));
    }

    /// Keeps the prompt in the field as a file of the project.
    pub(super) fn save_prompt(&mut self) {
        let sentence = "A prompt needs a project to be kept in";
        let Some(folder) = self.project_for(PanelId::Playground, sentence) else { return };
        let AppState { playground, prefs, .. } = &mut self.state;
        let material = playground.as_material(prefs);
        match library::save(&folder, &material.title, &material) {
            Ok(path) => {
                playground.library.save_name.clear();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let summary = format!("The prompt is saved as prompts/{name}");
                let notice = Notice::info(PanelId::Playground, summary);
                let notice = notice.remedy("Show the file", WindowCommand::Reveal(path));
                self.state.notices.push(notice);
                self.list_prompts();
            }
            Err(err) => self.tell_prompt("The prompt was not saved", &err),
        }
    }

    pub(super) fn keep_preset(&mut self) {
        let sentence = "A preset needs a project to be kept in";
        let Some(folder) = self.project_for(PanelId::Playground, sentence) else { return };
        let AppState { playground, prefs, .. } = &mut self.state;
        let name = playground.preset_name.trim().to_owned();
        let preset = Preset { name, sampling: prefs.sampling.clone() };
        match presets::add(&folder, preset) {
            Ok(all) => {
                playground.presets = all;
                playground.preset_name.clear();
            }
            Err(err) => self.tell_prompt("The preset was not saved", &err),
        }
    }

    pub(super) fn remove_preset(&mut self, name: &str) {
        let Some(folder) = self.project_folder() else { return };
        match presets::remove(&folder, name) {
            Ok(all) => self.state.playground.presets = all,
            Err(err) => self.tell_prompt("The preset was not removed", &err),
        }
    }

    fn tell_prompt(&mut self, summary: &str, err: &PromptError) {
        let notice = Notice::error(PanelId::Playground, summary, err);
        self.state.notices.push(notice);
    }

    /// Writes the conversation in front as Markdown and as JSON messages.
    pub(super) fn export_chat(&mut self) {
        let sentence = "What is exported needs a project to lie in";
        let Some(folder) = self.project_for(PanelId::Playground, sentence) else { return };
        let chat = self.state.playground.conversation();
        let folder = folder.join(EXPORTS);
        let mut names = (1..).map(|number: usize| folder.join(format!("chat-{number}.md")));
        let path = names.find(|path| !path.exists());
        let path = path.expect("there is no end of numbers");
        let written =
            files::write_atomic(&path, export::as_markdown(&chat).as_bytes()).and_then(|()| {
                files::write_atomic(&path.with_extension("json"), export::as_json(&chat).as_bytes())
            });
        match written {
            Ok(()) => {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let summary = format!("The chat is in {EXPORTS} as {name}.md and {name}.json");
                let notice = Notice::info(PanelId::Playground, summary);
                self.state.notices.push(notice.remedy("Show it", WindowCommand::Reveal(path)));
            }
            Err(source) => {
                self.tell_prompt("The chat was not exported", &PromptError::Write { path, source });
            }
        }
    }
}

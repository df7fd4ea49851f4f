//! Lectures: opening them, computing their scenes ahead, the stage.

use std::io;
use std::path::Path;

use crate::app::host::Ask;
use crate::app::tasks::list_lectures::ListLectures;
use crate::app::tasks::open_lecture::OpenLecture;
use crate::app::tasks::play_scene::{PlayScene, SceneRequest};
use crate::app::tasks::save_recording::SaveRecording;
use crate::app::{Outward, Workbench};
use crate::explore::tokens::Piece;
use crate::files;
use crate::hub::resolve;
use crate::lecture::error::FileError;
use crate::lecture::file;
use crate::lecture::place::{FOLDER, Place};
use crate::lecture::samples::TOUR_TOML;
use crate::lecture::scene::{FORMAT, KEPT_AS, Lecture, Scene, View};
use crate::state::AppState;
use crate::state::command::{LecturesCommand, ViewCommand};
use crate::state::lectures::Shown;
use crate::state::lectures::stage::Stage;
use crate::state::look_inside::guess::Rule;
use crate::state::look_inside::subject::Form;
use crate::state::look_inside::versus::Other;
use crate::state::look_inside::view::View as Look;
use crate::state::notice::Notice;
use crate::state::prefs::PanelId;

impl Workbench {
    pub(super) fn handle_lectures(&mut self, command: LecturesCommand) {
        match command {
            LecturesCommand::Refresh => self.list_lectures(),
            LecturesCommand::Open(place) => self.open_lecture(place),
            LecturesCommand::Choose => self.ask(Ask::Lecture),
            LecturesCommand::Start { has_notes } => self.start_lecture(None, has_notes),
            LecturesCommand::StartAt { scene, has_notes } => {
                self.start_lecture(Some(scene), has_notes);
            }
            LecturesCommand::Leave => self.leave_stage(),
            LecturesCommand::Close => self.close_lecture(),
            LecturesCommand::SaveRecording => self.save_recording(),
            LecturesCommand::CopyTour => self.copy_tour(),
            LecturesCommand::KeepView => self.keep_view(),
        }
    }

    pub(in crate::app) fn list_lectures(&mut self) {
        let folder = self.project.as_ref().map(|open| open.folder.clone());
        self.start_instead(ListLectures, folder);
    }

    pub(super) fn open_lecture(&mut self, place: Place) {
        self.state.notices.clear(PanelId::Lectures);
        self.state.apply(ViewCommand::ShowPanel(PanelId::Lectures));
        self.close_lecture();
        self.start_instead(OpenLecture { is_again: false }, place);
    }

    fn start_lecture(&mut self, scene: Option<usize>, has_notes: bool) {
        let Some(front) = &mut self.state.lectures.front else { return };
        if front.obstacle().is_some() {
            return;
        }
        let left = front.left.take().filter(|_| scene.is_some());
        let mut stage = left.unwrap_or_else(|| Stage::new(front.scene_count()));
        stage.go_to(scene.unwrap_or_default());
        stage.has_notes = has_notes;
        front.stage = Some(stage);
        if !has_notes {
            self.outward.push(Outward::FullScreen(true));
        }
        self.outward.push(Outward::Repaint);
    }

    fn leave_stage(&mut self) {
        let Some(front) = &mut self.state.lectures.front else { return };
        let Some(mut stage) = front.stage.take() else { return };
        if !stage.has_notes {
            self.outward.push(Outward::FullScreen(false));
        }
        stage.has_window = false;
        front.left = Some(stage);
        self.outward.push(Outward::Repaint);
    }

    fn close_lecture(&mut self) {
        self.leave_stage();
        self.tasks.drop_all::<PlayScene>();
        self.spare_model.forget();
        self.engine.forget_second();
        self.forget_masked();
        self.state.look_inside.versus.forget();
        self.state.lectures.front = None;
    }

    /// Starts the next scene that has nothing to show yet: a page is turned at once where it was
    /// computed before. Called once a frame.
    pub(in crate::app) fn prepare_lecture(&mut self) {
        let Some(front) = &mut self.state.lectures.front else {
            self.tasks.drop_all::<PlayScene>();
            self.spare_model.forget();
            return;
        };
        let found = self.state.models.found.len();
        if front.opened.missing().next().is_some() && front.seen_models != found {
            front.seen_models = found;
            if front.stage.is_none() {
                let place = front.opened.place.clone();
                self.start_instead(OpenLecture { is_again: true }, place);
            }
            return;
        }
        let Some(at) = front.due() else { return };
        let number = front.number;
        let Some(scene) = front.scene(at).cloned() else { return };
        let model = front.opened.needed(&scene).and_then(|needed| needed.found.clone().ok());
        let adapter = front.opened.adapters.get(at).cloned().flatten();
        let (model, adapter) = match (model, adapter.transpose()) {
            (Some(model), Ok(adapter)) => (model, adapter),
            (_, Err(problem)) => {
                front.results[at] = Shown::Failed(problem);
                return;
            }
            (None, _) => return,
        };
        front.results[at] = Shown::Computing;
        let (spare, place) = (self.spare_model.clone(), front.opened.place.clone());
        let request = SceneRequest { view: scene.view, model, adapter, spare, place };
        self.start(PlayScene { number, at }, request);
    }

    /// Appends the view in front of Look inside to the project's own scenes. What somebody wrote
    /// into the file by hand stays as it is.
    fn keep_view(&mut self) {
        let sentence = "A scene needs a project to lie in";
        let Some(project) = self.project_for(PanelId::LookInside, sentence) else { return };
        let Some(scene) = scene_of(&self.state) else { return };
        let path = project.join(FOLDER).join("my-scenes.toml");
        let place = Place::File(path.clone());
        let text = if path.exists() {
            let known = place.read();
            match known.and_then(|lecture| {
                let found = std::fs::read_to_string(&path);
                let text =
                    found.map_err(|source| FileError::Read { path: path.clone(), source })?;
                Ok(format!("{}\n\n{}", text.trim_end(), file::scene_text(&lecture, scene)))
            }) {
                Ok(text) => text,
                Err(err) => {
                    let summary = "The scene was not added: the file of your scenes cannot be read";
                    self.state.notices.push(Notice::error(PanelId::LookInside, summary, &err));
                    return;
                }
            }
        } else {
            let lecture = Lecture {
                format: FORMAT,
                title: "My scenes".to_owned(),
                about: String::new(),
                minutes: None,
                model: "starter".to_owned(),
                scenes: vec![scene],
            };
            file::text(&lecture)
        };
        let written = files::folders::make(&project.join(FOLDER))
            .and_then(|()| files::write_atomic(&path, text.as_bytes()));
        match written {
            Ok(()) => {
                self.list_lectures();
                let summary = "The view is a scene now: the last one of my-scenes.toml";
                let notice = Notice::info(PanelId::LookInside, summary);
                let notice = notice.remedy("Open my scenes", LecturesCommand::Open(place));
                self.state.notices.push(notice);
            }
            Err(err) => {
                let summary = "The scene could not be written";
                let err = files::not_written(&path, &err);
                let notice = Notice::error(PanelId::LookInside, summary, &err);
                self.state
                    .notices
                    .push(notice.hint("Is the disk full, or the project's folder read-only?"));
            }
        }
    }

    fn save_recording(&mut self) {
        let Some(front) = &self.state.lectures.front else { return };
        let (Some(path), Some(recording)) = (front.opened.place.path(), front.recording()) else {
            return;
        };
        let request = (path.to_owned(), recording);
        self.start_instead(SaveRecording, request);
    }

    /// A file that somebody changed stays as it is: a copy gets another number.
    fn copy_tour(&mut self) {
        let sentence = "A copy of the tour needs a project to lie in";
        let Some(project) = self.project_for(PanelId::Lectures, sentence) else { return };
        let folder = project.join(FOLDER);
        let names = (1..).map(|number| match number {
            1 => "how-a-language-model-writes.toml".to_owned(),
            number => format!("how-a-language-model-writes-{number}.toml"),
        });
        let mut paths = names.map(|name| folder.join(name));
        let path = paths.find(|path| !path.exists()).expect("there is no end of numbers");
        let written: io::Result<()> = files::folders::make(&folder)
            .and_then(|()| files::write_atomic(&path, TOUR_TOML.as_bytes()));
        match written {
            Ok(()) => {
                self.list_lectures();
                self.open_lecture(Place::File(path));
            }
            Err(err) => {
                let summary = "The copy of the tour could not be written";
                let err = files::not_written(&path, &err);
                let notice = Notice::error(PanelId::Lectures, summary, &err);
                self.state
                    .notices
                    .push(notice.hint("Is the disk full, or the project's folder read-only?"));
            }
        }
    }
}

/// The view in front of Look inside as a scene. `None`: nothing is looked at.
fn scene_of(state: &AppState) -> Option<Scene> {
    let AppState { look_inside: look, model, adapter, .. } = state;
    let card = model.ready();
    let text = look.text.clone();
    let every = if look.guess.rule == Rule::Clicked { 5 } else { look.guess.every };
    let view = match look.view {
        Look::Tokens if !look.beside.chosen().is_empty() => {
            // As many as a stage has room for.
            let with = look.beside.chosen().iter().take(3);
            let with = with.map(|chosen| chosen.path.display().to_string()).collect();
            View::Tokenizers { text, with }
        }
        Look::Tokens => {
            View::Tokens { text, chat: look.form == Form::Question, ids: look.shows_ids }
        }
        Look::Surprise => View::Surprise { text },
        Look::Guess => View::Guess { text, hide: Vec::new(), every: every.clamp(2, 100) },
        Look::Mask => {
            let mask = &look.mask;
            let every = if mask.game.rule == Rule::Every { mask.game.every } else { 0 };
            let known = mask.chosen().into_iter().filter(|word| !mask.words()[*word].is_mask);
            let places = known.filter(|_| every == 0).map(|word| word + 1).collect();
            let with = mask.model()?.path.display().to_string();
            let text = mask.text().to_owned();
            View::Mask { text, hide: Vec::new(), places, every, with }
        }
        Look::Attention => View::Attention {
            text,
            layer: look.layer,
            head: look.head,
            hide_first: look.hides_first,
        },
        // As many positions as a stage has room for.
        Look::Lens => View::Lens { text, last: look.lens.last.min(5) },
        Look::Compare => match look.versus.other() {
            Other::Base => View::Adapter { text },
            Other::LoadedAs(weights) => {
                let known = KEPT_AS.iter().find(|(_, known)| known == weights);
                let weights = known.map(|(words, _)| (*words).to_owned()).unwrap_or_default();
                View::TwoModels { text, with: String::new(), weights }
            }
            Other::Model { path, .. } => {
                let with = path.display().to_string();
                View::TwoModels { text, with, weights: String::new() }
            }
        },
        Look::LeaveOneOut => {
            let begins = look.answer();
            let pieces = &look.tokens.ready()?.pieces;
            // A scene is encoded again, and gets what the tokenizer puts around a text once more.
            let own = |part: &[Piece]| -> String {
                let pieces = part.iter().filter(|piece| !piece.special);
                pieces.map(|piece| piece.token.as_str()).collect()
            };
            let (text, answer) = pieces.split_at_checked(begins)?;
            View::LeaveOneOut { text: own(text), answer: own(answer) }
        }
        Look::Pair => View::Pair { text, other: look.pair.asked().to_owned(), top: 8 },
        Look::Machine => View::Machine { times: look.machine.times.ready().is_some() },
        Look::PairSet => {
            let set = look.pair_set.results().first()?.set.clone();
            View::PairSet { templates: set.templates, pairs: set.pairs, answers: set.answers }
        }
        Look::Meaning => {
            let view = look.meaning.view.ready()?;
            let before = look.meaning.before.clone();
            // As many as a stage has room for.
            let items = view.items.iter().take(30).cloned().collect();
            View::Meaning { items, before, layer: Some(view.layer) }
        }
        Look::Map => return None,
    };
    let named = |path: &Path| {
        let is_starter = resolve::resolve_model("starter").is_ok_and(|starter| starter == path);
        if is_starter { "starter".to_owned() } else { path.display().to_string() }
    };
    let model = match card {
        Some(card) => Some(named(card.source.path())),
        // Beside a masked model the lecture's own guesses.
        None if look.view == Look::Mask => None,
        None => return None,
    };
    let adapter = adapter.ready().filter(|_| matches!(view, View::Adapter { .. }));
    Some(Scene {
        title: look.view.question().to_owned(),
        view,
        reveal: false,
        model,
        adapter: adapter.map(|card| card.path.display().to_string()),
        notes: String::new(),
    })
}

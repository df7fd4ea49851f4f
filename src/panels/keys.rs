//! Every action with its words and its key: what the palette lists, what `?` shows, and what the
//! keyboard does.

use eframe::egui;
use eframe::egui::{Key, KeyboardShortcut, Modifiers, Ui};

use super::about;
use super::shortcuts::{OPEN, PALETTE, RAIL, SEND, command, key, panel_shortcut};
use crate::hub::fetch::queue::QueueCommand;
use crate::lecture::place::Place;
use crate::llm::card::ModelSource;
use crate::state::AppState;
use crate::state::about::AboutPage;
use crate::state::codes::{AnnotateView, Front as CodesFront};
use crate::state::command::{
    AnnotateCommand, CodesCommand, Command, Commands, EvaluateCommand, LecturesCommand,
    LookInsideCommand, ModelsCommand, PlaygroundCommand, ProjectCommand, TrainCommand, ViewCommand,
    WindowCommand,
};
use crate::state::evaluate::Front;
use crate::state::hub::ModelsTab;
use crate::state::look_inside::last_answer;
use crate::state::playground::export;
use crate::state::playground::view::PlaygroundView;
use crate::state::prefs::PanelId;
use crate::state::prefs::Theme;
use crate::study::forms::export::Export;
use crate::widgets::card;
use crate::widgets::card::key_ui;
use crate::widgets::theme;

/// Something that the palette offers.
#[derive(Clone, Debug)]
pub struct Action {
    pub words: String,
    pub shortcut: Option<KeyboardShortcut>,

    /// Carried out in order.
    pub commands: Vec<Command>,
}

/// What makes sense now, in the order of the palette.
#[derive(Default)]
struct Actions(Vec<Action>);

impl Actions {
    fn add(&mut self, words: &str, command: impl Into<Command>) {
        self.push(words, None, vec![command.into()]);
    }

    fn with_key(
        &mut self,
        words: &str,
        shortcut: impl Into<Option<KeyboardShortcut>>,
        command: impl Into<Command>,
    ) {
        self.push(words, shortcut.into(), vec![command.into()]);
    }

    fn push(&mut self, words: &str, shortcut: Option<KeyboardShortcut>, commands: Vec<Command>) {
        self.0.push(Action { words: words.to_owned(), shortcut, commands });
    }
}

/// Everything that makes sense now.
pub fn actions(state: &AppState) -> Vec<Action> {
    let mut actions = Actions::default();
    for panel in PanelId::ALL {
        let words = format!("Go to {}", panel.name());
        actions.with_key(&words, panel_shortcut(panel), ViewCommand::ShowPanel(panel));
    }
    playground_actions(state, &mut actions);
    if !state.activities.is_empty() {
        actions.add("Stop what is running", WindowCommand::StopForeground);
        actions.add("Stop everything", WindowCommand::StopAll);
    }
    models_actions(state, &mut actions);
    annotate_actions(state, &mut actions);
    codes_actions(state, &mut actions);
    evaluate_actions(state, &mut actions);
    train_actions(state, &mut actions);
    lectures_actions(state, &mut actions);
    actions.add("Open a project…", ProjectCommand::Choose);
    for (theme, words) in [
        (Theme::Light, "Theme: light"),
        (Theme::Dark, "Theme: dark"),
        (Theme::Projector, "Theme: projector"),
    ] {
        if state.prefs.theme != theme {
            actions.add(words, ViewCommand::SetTheme(theme));
        }
    }
    actions.with_key("Zoom in", command(Key::Plus), ViewCommand::ZoomIn);
    actions.with_key("Zoom out", command(Key::Minus), ViewCommand::ZoomOut);
    actions.with_key("Zoom to 100 %", command(Key::Num0), ViewCommand::ZoomReset);
    actions.with_key("Collapse or expand the sidebar", RAIL, ViewCommand::ToggleRail);
    actions
        .add("About Tuning Fork: version, licences, how to cite", about_page(AboutPage::Program));
    actions.add("Copy report for a bug…", about_page(AboutPage::Report));
    actions.with_key("Show the keys", key(Key::Questionmark), ViewCommand::ToggleKeys);
    actions.0
}

fn about_page(page: AboutPage) -> WindowCommand {
    WindowCommand::ShowAbout(page)
}

fn playground_actions(state: &AppState, actions: &mut Actions) {
    let AppState { playground, model, adapter, .. } = state;
    if playground.obstacle_in(model).is_none() {
        actions.with_key("Send the prompt", SEND, PlaygroundCommand::Generate);
    }
    if playground.has_chat() && !playground.running {
        let commands = vec![ViewCommand::NewChat.into()];
        actions.push("New chat", None, commands);
        let chat = playground.conversation();
        if !chat.is_empty() {
            let copy = WindowCommand::CopyText(export::as_markdown(&chat));
            actions.add("Copy the chat as Markdown", copy);
            let copy = WindowCommand::CopyText(export::as_json(&chat));
            actions.add("Copy the chat as JSON messages", copy);
        }
        if model.answers() {
            let commands = vec![ViewCommand::AskAgain.into(), PlaygroundCommand::Generate.into()];
            actions.push("Answer again", None, commands);
        }
    }
    if model.remote().is_some() {
        actions.add("Leave the model on the server", ModelsCommand::Unload);
    }
    if model.ready().is_some() && last_answer(playground).is_some() {
        actions.add("Look inside the last answer", LookInsideCommand::TakeAnswer);
    }
    if model.in_memory().is_some() {
        actions.add("Load an adapter…", PlaygroundCommand::ChooseAdapter);
        actions.add("Unload the model", ModelsCommand::Unload);
    }
    if model.encoder_decoder().is_some()
        && playground.seq2seq.obstacle(&playground.prompt).is_none()
    {
        actions.with_key(playground.seq2seq.view.start(), SEND, PlaygroundCommand::ReadAndWrite);
    }
    if adapter.ready().is_some() {
        actions.add("Unload the adapter", PlaygroundCommand::UnloadAdapter);
    }
}

fn models_actions(state: &AppState, actions: &mut Actions) {
    if !state.models.has_starter() && state.models.fetch.is_none() {
        actions.add("Get the starter model", ModelsCommand::FetchStarter);
    }
    actions.add("Find a model on the Hub", ViewCommand::ShowModelsTab(ModelsTab::Find));
    actions.add("Show the downloads", ViewCommand::ShowModelsTab(ModelsTab::Downloads));
    if state.hub.totals().active_count > 0 {
        actions.add("Pause all downloads", ModelsCommand::Queue(QueueCommand::PauseAll));
    }
    actions.add("Look for newer versions of the models", ModelsCommand::CheckUpdates);
    actions.with_key("Use a model file…", OPEN, ModelsCommand::ChooseFile);
    actions.add("Use a model folder…", ModelsCommand::ChooseFolder);
    actions.add("Look for models again", ModelsCommand::Refresh);
    for found in &state.models.found {
        if found.obstacle().is_none() && !is_loaded(state, &found.local.path) {
            let source = ModelSource::named(&found.local.path);
            actions.add(&format!("Load {}", found.local.name), ModelsCommand::Load(source));
        }
    }
}

fn annotate_actions(state: &AppState, actions: &mut Actions) {
    actions.add("Use the sample prompts", AnnotateCommand::UseSamplePrompts);
    actions.add("Use prompts from a file…", AnnotateCommand::ChoosePrompts);
    if state.annotate.can_undo() {
        let undo = command(Key::Z);
        actions.with_key("Undo the last verdict", undo, AnnotateCommand::UndoVerdict);
    }
    if state.annotate.can_redo() {
        let redo = KeyboardShortcut::new(Modifiers::COMMAND, Key::Y);
        actions.with_key(
            "Redo the verdict that was taken back",
            redo,
            AnnotateCommand::RedoVerdict,
        );
    }
    actions.add("Compare answers from a file…", AnnotateCommand::ChooseAnswers);
    actions.add("Compare answers of several models…", AnnotateCommand::ChooseAnswersFolder);
    actions.add("Rate a file of comparisons…", AnnotateCommand::ChooseBattles);
    if state.annotate.counts().pairs() > 0 {
        let export = |conversational| AnnotateCommand::ExportPairs { conversational };
        actions.add("Export pairs, plain text", export(false));
        actions.add("Export pairs, conversational", export(true));
    }
}

fn codes_actions(state: &AppState, actions: &mut Actions) {
    let codes = &state.codes;
    if let Some(session) = &codes.session {
        actions.add("How far do the coders agree?", CodesCommand::Agreement);
        if session.folder.is_of_pairs() {
            actions.add("Which models do the verdicts prefer?", CodesCommand::Arena);
        }
        actions.add("Package for a colleague…", CodesCommand::ExportPackage);
        actions.add("Send my codes back…", CodesCommand::ExportCodes);
        actions.add("Merge the codes of a colleague…", CodesCommand::ChooseMerge);
        for form in Export::of(session.folder.is_of_pairs()) {
            let words = format!("Export the study: {}…", form.name());
            actions.add(&words, CodesCommand::Export(form));
        }
        actions.add("Close the study", CodesCommand::Close);
        return;
    }
    actions.add("New study of texts…", CodesCommand::New);
    if codes.view == AnnotateView::Codes && codes.front == CodesFront::Setup {
        let is_ready = codes.setup.obstacle().is_none() && !codes.coder.trim().is_empty();
        if is_ready && codes.busy.is_none() {
            actions.add("Begin to code", CodesCommand::Make);
        }
    }
    actions.add("Open a coding package…", CodesCommand::ChoosePackage);
    if !codes.coder.trim().is_empty() {
        for listed in codes.studies.iter().filter(|listed| listed.problem.is_none()) {
            let words = format!("Code {} as {}", listed.name, codes.coder.trim());
            actions.add(&words, CodesCommand::Open(listed.path.clone()));
        }
    }
}

fn evaluate_actions(state: &AppState, actions: &mut Actions) {
    let AppState { evaluate, model, .. } = state;
    if let Some(asking) = &evaluate.asking {
        if asking.paused {
            actions.add("Continue the evaluation", EvaluateCommand::Continue);
        } else {
            actions.add("Pause the evaluation", EvaluateCommand::Pause);
        }
        actions.add("Stop the evaluation", EvaluateCommand::Stop);
    } else if evaluate.front != Front::List && evaluate.obstacle(model).is_none() {
        actions.add("Try five rows", EvaluateCommand::Try);
    }
    actions.add("Code texts with a model", EvaluateCommand::New);
    actions.add("Open a task file…", EvaluateCommand::ChooseTask);
}

fn lectures_actions(state: &AppState, actions: &mut Actions) {
    if state.lectures.front.as_ref().is_some_and(|front| front.obstacle().is_none()) {
        actions.add("Start the lecture", LecturesCommand::Start { has_notes: false });
        actions.add("Start the lecture, with notes", LecturesCommand::Start { has_notes: true });
    }
    actions.add("Take the guided tour", LecturesCommand::Open(Place::Tour));
    actions.add("Open a lecture…", LecturesCommand::Choose);
}

fn train_actions(state: &AppState, actions: &mut Actions) {
    let AppState { train, model, activities, .. } = state;
    if train.blocked_reason(model, activities).is_none() {
        actions.add("Start training", TrainCommand::Start);
    }
    if train.is_running() {
        let is_paused = train.live.as_ref().is_some_and(|live| live.paused);
        if is_paused {
            actions.add("Continue the training", TrainCommand::Continue);
        } else {
            actions.add("Pause the training", TrainCommand::Pause);
        }
        actions.add("Stop the training", TrainCommand::Stop);
    }
    let front = train.selected.as_ref().map(|selected| &selected.id);
    if let Some(run) = train.runs.iter().find(|run| Some(&run.id) == front && run.has_adapter) {
        let words = format!("Measure what {} changed", run.name());
        actions.add(&words, TrainCommand::Measure(run.id.clone()));
    }
    let has_data = train.data().is_some_and(|data| data.rows() > 0);
    if has_data && !train.says_its_own_size() && model.ready().is_some() {
        actions.add("Look at the data", TrainCommand::SurveyData);
    }
    actions.add("Choose training data…", TrainCommand::ChooseData);
    actions.add("Save the run file…", TrainCommand::SaveRunFile);
    actions.add("Open a run file…", TrainCommand::ChooseRunFile);
    actions.add("Make a bundle…", TrainCommand::MakeBundle);
    actions.add("Import results…", TrainCommand::TakeResults);
}

/// A shortcut as the keyboard has it: `Ctrl+K`, `?`.
pub fn shortcut_words(ctx: &egui::Context, shortcut: &KeyboardShortcut) -> String {
    if shortcut.logical_key == Key::Questionmark {
        return "?".to_owned();
    }
    ctx.format_shortcut(shortcut)
}

fn is_loaded(state: &AppState, path: &std::path::Path) -> bool {
    state.model.in_memory().is_some_and(|card| card.source.path() == path)
}

/// Turns key presses into commands, before any field sees them.
pub fn handle(ui: &Ui, state: &mut AppState, commands: &mut Commands) {
    let ctx = ui.ctx();
    let pressed = |shortcut: &KeyboardShortcut| ctx.input_mut(|i| i.consume_shortcut(shortcut));
    if pressed(&PALETTE) {
        commands.push(ViewCommand::TogglePalette);
    }
    // What lies over the panels has the other keys to itself: an open palette, a drop-down (they
    // close on Esc by themselves), the list of keys.
    let is_covered =
        state.prefs.panel == PanelId::Annotate && (state.annotate.lists || state.annotate.sets_up);
    let is_asking = state.window.palette.is_some() || state.mapping.is_some() || is_covered;
    if is_asking || egui::Popup::is_any_open(ctx) {
        return;
    }
    if state.window.about.is_some() {
        if pressed(&key(Key::Escape)) {
            commands.push(ViewCommand::CloseAbout);
        }
        return;
    }
    if state.window.keys_open {
        if pressed(&key(Key::Escape)) || pressed(&key(Key::F1)) || asks_for_keys(ctx) {
            commands.push(ViewCommand::ToggleKeys);
        }
        return;
    }
    if ctx.input(|i| i.key_pressed(Key::Escape)) {
        escape(state, commands);
        ctx.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Escape));
    }
    for panel in PanelId::ALL {
        if panel_shortcut(panel).is_some_and(|shortcut| pressed(&shortcut)) {
            commands.push(ViewCommand::ShowPanel(panel));
        }
    }
    let zooms = [
        (Key::Plus, Command::View(ViewCommand::ZoomIn)),
        (Key::Equals, Command::View(ViewCommand::ZoomIn)),
        (Key::Minus, Command::View(ViewCommand::ZoomOut)),
        (Key::Num0, Command::View(ViewCommand::ZoomReset)),
    ];
    for (zoom_key, zoom) in zooms {
        if pressed(&command(zoom_key)) {
            commands.push(zoom);
        }
    }
    if pressed(&RAIL) {
        commands.push(ViewCommand::ToggleRail);
    }
    if pressed(&OPEN) {
        commands.push(ModelsCommand::ChooseFile);
    }
    if state.prefs.panel == PanelId::Playground && pressed(&SEND) {
        if state.model.encoder_decoder().is_some() {
            if state.playground.seq2seq.obstacle(&state.playground.prompt).is_none() {
                super::playground::seq2seq::shared::start(ui, &mut state.playground, commands);
            }
            return;
        }
        let is_talk =
            state.model.remote().is_some() || state.playground.view == PlaygroundView::Talk;
        if !is_talk {
            state.playground.start_asked = true;
        } else if state.playground.obstacle_in(&state.model).is_none() {
            super::playground::talk::send(ui, &mut state.playground, commands);
        }
    }
    if state.prefs.panel == PanelId::LookInside && pressed(&SEND) {
        state.look_inside.look(&state.model, &state.adapter);
        // From now on arrows go along the tokens.
        ui.memory_mut(egui::Memory::stop_text_input);
    }
    // Wherever the cursor is.
    if pressed(&key(Key::F1)) {
        commands.push(ViewCommand::ToggleKeys);
    }
    if !ctx.text_edit_focused() && asks_for_keys(ctx) {
        let is_coding = state.is_coding();
        match &mut state.codes.session {
            // While texts are coded, `?` is the guideline.
            Some(session) if is_coding => session.guideline_open = !session.guideline_open,
            _ => commands.push(ViewCommand::ToggleKeys),
        }
    }
}

fn asks_for_keys(ctx: &egui::Context) -> bool {
    ctx.input(|i| {
        i.events.iter().any(|event| matches!(event, egui::Event::Text(text) if text == "?"))
            || i.key_pressed(Key::Questionmark)
    })
}

/// Esc closes the topmost thing: a question, a view over the panel; then it leaves a field; then
/// it stops an answer. It never stops a training run: in Train it asks whether to.
fn escape(state: &mut AppState, commands: &mut Commands) {
    // The sheet that shows it stays.
    if state.prefs.panel == PanelId::Playground && state.playground.library.is_running() {
        commands.push(WindowCommand::StopForeground);
        return;
    }
    if state.close_topmost() {
        return;
    }
    // egui takes the cursor out of a field before anybody sees the key.
    if state.window.was_typing {
        return;
    }
    let is_looking = state.prefs.panel == PanelId::LookInside && state.look_inside.is_running();
    let is_growing =
        state.playground.branches.is_running() || state.playground.repeats.is_running();
    let is_writing = state.playground.seq2seq.doing.is_some();
    if state.playground.running
        || is_growing
        || is_writing
        || state.annotate.is_answering()
        || is_looking
    {
        commands.push(WindowCommand::StopForeground);
    } else if state.prefs.panel == PanelId::Train && state.train.is_running() {
        state.train.asks_stop = true;
    }
}

/// The list of keys, while it is open.
pub fn keys_ui(ui: &Ui, state: &AppState, commands: &mut Commands) {
    if !state.window.keys_open {
        return;
    }
    let panel = state.prefs.panel;
    let modal = egui::Modal::new(egui::Id::unique("keys")).frame(card::frame(ui));
    let modal = modal.show(ui.ctx(), |ui| {
        ui.set_width((theme::em(ui) * 30.0).min(ui.ctx().content_rect().width() - 96.0));
        let title = theme::title(ui, format!("Keys in {}", panel.name()));
        ui.label(title);
        ui.add_space(theme::GAP);
        let mut rows: Vec<(String, String)> = Vec::new();
        if let Some(what) = about::sends(panel) {
            rows.push((ui.ctx().format_shortcut(&SEND), what.to_owned()));
        }
        let of_codes = panel == PanelId::Annotate && state.codes.view == AnnotateView::Codes;
        let of_arena = panel == PanelId::Annotate && state.codes.view == AnnotateView::Arena;
        let own = match (of_codes, of_arena) {
            (true, _) => &super::codes::KEYS[..],
            (_, true) => &[],
            _ => about::keys(panel),
        };
        let own = own.iter();
        rows.extend(own.map(|(key, what)| ((*key).to_owned(), (*what).to_owned())));
        rows.push((ui.ctx().format_shortcut(&PALETTE), "All commands".to_owned()));
        for action in actions(state) {
            let shortcut = action.shortcut.map(|shortcut| shortcut_words(ui.ctx(), &shortcut));
            if let Some(shortcut) = shortcut
                && rows.iter().all(|(key, _)| *key != shortcut)
            {
                rows.push((shortcut, action.words));
            }
        }
        let height = (ui.ctx().content_rect().height() - 160.0).max(theme::em(ui) * 4.0);
        // From the first frame as high as it may become: a list that grows is shown from its middle.
        let area = egui::ScrollArea::vertical().max_height(height).min_scrolled_height(height);
        area.auto_shrink([false, true]).show(ui, |ui| {
            let grid = egui::Grid::new("keys grid").num_columns(2);
            grid.spacing([theme::GAP_LARGE, theme::GAP_SMALL]).show(ui, |ui| {
                for (key, what) in rows {
                    key_ui(ui, &key);
                    ui.add(egui::Label::new(what).wrap());
                    ui.end_row();
                }
            });
        });
    });
    if modal.should_close() {
        commands.push(ViewCommand::ToggleKeys);
    }
}

//! Every action with its words and its key: what the palette lists, what `?` shows, and what the
//! keyboard does.

use eframe::egui;
use eframe::egui::{Key, KeyboardShortcut, Ui};

use super::annotate;
use super::shortcuts::{OPEN, PALETTE, RAIL, SEND, command, key, panel_shortcut};
use crate::hub::fetch::queue::QueueCommand;
use crate::llm::card::ModelSource;
use crate::state::command::{
    AnnotateCommand, Command, Commands, ModelsCommand, PlaygroundCommand, ProjectCommand,
    TrainCommand, ViewCommand, WindowCommand,
};
use crate::state::hub::ModelsTab;
use crate::state::prefs::PanelId;
use crate::state::prefs::Theme;
use crate::state::{AppState, Closing};
use crate::widgets::card;
use crate::widgets::card::key_ui;
use crate::widgets::theme;

/// Something that the palette offers.
#[derive(Clone, Debug)]
pub struct Action {
    pub words: String,
    pub shortcut: Option<KeyboardShortcut>,
    pub command: Command,
}

/// Everything that makes sense now.
pub fn actions(state: &AppState) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut add = |words: &str, shortcut: Option<KeyboardShortcut>, command: Command| {
        actions.push(Action { words: words.to_owned(), shortcut, command });
    };
    for panel in PanelId::ALL {
        add(
            &format!("Go to {}", panel.name()),
            panel_shortcut(panel),
            Command::View(ViewCommand::ShowPanel(panel)),
        );
    }
    let model = state.model.ready();
    if state.playground.obstacle(model).is_none() {
        add("Send the prompt", Some(SEND), Command::Playground(PlaygroundCommand::Generate));
    }
    if !state.activities.is_empty() {
        add(
            "Stop what the panel is doing",
            Some(key(Key::Escape)),
            Command::Window(WindowCommand::StopForeground),
        );
        add("Stop everything", None, Command::Window(WindowCommand::StopAll));
    }
    if !state.models.has_starter() && state.models.fetch.is_none() {
        add("Get the starter model", None, Command::Models(ModelsCommand::FetchStarter));
    }
    add(
        "Find a model on the Hub",
        None,
        Command::View(ViewCommand::ShowModelsTab(ModelsTab::Find)),
    );
    add(
        "Show the downloads",
        None,
        Command::View(ViewCommand::ShowModelsTab(ModelsTab::Downloads)),
    );
    if state.hub.totals().active_count > 0 {
        add(
            "Pause all downloads",
            None,
            Command::Models(ModelsCommand::Queue(QueueCommand::PauseAll)),
        );
    }
    add(
        "Look for newer versions of the models",
        None,
        Command::Models(ModelsCommand::CheckUpdates),
    );
    add("Use a model file…", Some(OPEN), Command::Models(ModelsCommand::ChooseFile));
    add("Use a model folder…", None, Command::Models(ModelsCommand::ChooseFolder));
    add("Look for models again", None, Command::Models(ModelsCommand::Refresh));
    for found in &state.models.found {
        if found.obstacle().is_none() && !is_loaded(state, &found.local.path) {
            let source = ModelSource::named(&found.local.path);
            add(
                &format!("Load {}", found.local.name),
                None,
                Command::Models(ModelsCommand::Load(source)),
            );
        }
    }
    if model.is_some() {
        add("Unload the model", None, Command::Models(ModelsCommand::Unload));
        add("Load an adapter…", None, Command::Playground(PlaygroundCommand::ChooseAdapter));
    }
    if state.adapter.ready().is_some() {
        add("Unload the adapter", None, Command::Playground(PlaygroundCommand::UnloadAdapter));
    }
    add("Use the sample prompts", None, Command::Annotate(AnnotateCommand::UseSamplePrompts));
    add("Use prompts from a file…", None, Command::Annotate(AnnotateCommand::ChoosePrompts));
    add("Undo the last verdict", None, Command::Annotate(AnnotateCommand::UndoVerdict));
    add(
        "Export pairs, plain text",
        None,
        Command::Annotate(AnnotateCommand::ExportPairs { conversational: false }),
    );
    add(
        "Export pairs, conversational",
        None,
        Command::Annotate(AnnotateCommand::ExportPairs { conversational: true }),
    );
    add("Start training", None, Command::Train(TrainCommand::Start));
    add("Choose training data…", None, Command::Train(TrainCommand::ChooseData));
    add("Save the run file…", None, Command::Train(TrainCommand::SaveRunFile));
    add("Open a run file…", None, Command::Train(TrainCommand::ChooseRunFile));
    add("Open a project…", None, Command::Project(ProjectCommand::Choose));
    for (theme, words) in [
        (Theme::Light, "Theme: light"),
        (Theme::Dark, "Theme: dark"),
        (Theme::Projector, "Theme: projector"),
    ] {
        if state.prefs.theme != theme {
            add(words, None, Command::View(ViewCommand::SetTheme(theme)));
        }
    }
    add("Zoom in", Some(command(Key::Plus)), Command::View(ViewCommand::ZoomIn));
    add("Zoom out", Some(command(Key::Minus)), Command::View(ViewCommand::ZoomOut));
    add("Zoom to 100 %", Some(command(Key::Num0)), Command::View(ViewCommand::ZoomReset));
    add("Collapse or expand the rail", Some(RAIL), Command::View(ViewCommand::ToggleRail));
    add("Show the keys", Some(key(Key::Questionmark)), Command::View(ViewCommand::ToggleKeys));
    actions
}

fn is_loaded(state: &AppState, path: &std::path::Path) -> bool {
    state.model.ready().is_some_and(|card| card.source.path() == path)
}

/// Turns key presses into commands, before any field sees them.
pub fn handle(ui: &Ui, state: &mut AppState, commands: &mut Commands) {
    let ctx = ui.ctx();
    let pressed = |shortcut: &KeyboardShortcut| ctx.input_mut(|i| i.consume_shortcut(shortcut));
    if pressed(&PALETTE) {
        commands.push(ViewCommand::TogglePalette);
    }
    // An open palette has the other keys to itself.
    if state.window.palette.is_some() {
        return;
    }
    if pressed(&key(Key::Escape)) {
        if state.window.closing == Closing::Asked {
            state.window.closing = Closing::No;
        } else if state.window.keys_open {
            commands.push(ViewCommand::ToggleKeys);
        } else if !state.activities.is_empty() || state.playground.running {
            commands.push(WindowCommand::StopForeground);
        } else if let Some(focused) = ctx.memory(|memory| memory.focused()) {
            // What Esc does to a field when nothing runs.
            ctx.memory_mut(|memory| memory.surrender_focus(focused));
        }
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
        let model = state.model.ready();
        if state.playground.obstacle(model).is_none() {
            super::playground::send(ui, &mut state.playground, commands);
        }
    }
    let typing = ctx.text_edit_focused();
    let asked = |i: &egui::InputState| {
        i.events.iter().any(|event| matches!(event, egui::Event::Text(text) if text == "?"))
            || i.key_pressed(Key::Questionmark)
    };
    if !typing && ctx.input(asked) {
        commands.push(ViewCommand::ToggleKeys);
    }
}

/// The keys of a panel beside those that work everywhere: key, what it does.
fn panel_keys(panel: PanelId) -> &'static [(&'static str, &'static str)] {
    match panel {
        PanelId::Playground => &[("Esc", "Stop the answer")],
        PanelId::Annotate => &annotate::KEYS,
        PanelId::Models | PanelId::Train => &[],
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
        ui.set_width(theme::em(ui) * 30.0);
        let title = theme::title(ui, format!("Keys in {}", panel.name()));
        ui.label(title);
        ui.add_space(theme::GAP);
        let mut rows: Vec<(String, String)> = Vec::new();
        if panel == PanelId::Playground {
            rows.push((ui.ctx().format_shortcut(&SEND), "Send the prompt".to_owned()));
        }
        let own = panel_keys(panel).iter();
        rows.extend(own.map(|(key, what)| ((*key).to_owned(), (*what).to_owned())));
        rows.push((ui.ctx().format_shortcut(&PALETTE), "All commands".to_owned()));
        for action in actions(state) {
            if let Some(shortcut) = action.shortcut
                && action.command != Command::Playground(PlaygroundCommand::Generate)
            {
                rows.push((ui.ctx().format_shortcut(&shortcut), action.words));
            }
        }
        let height = ui.ctx().content_rect().height() - 160.0;
        egui::ScrollArea::vertical().max_height(height).auto_shrink([false, true]).show(ui, |ui| {
            let grid = egui::Grid::new("keys grid").num_columns(2);
            grid.spacing([theme::GAP_LARGE, theme::GAP_SMALL]).show(ui, |ui| {
                for (key, what) in rows {
                    key_ui(ui, &key);
                    ui.label(what);
                    ui.end_row();
                }
            });
        });
    });
    if modal.should_close() {
        commands.push(ViewCommand::ToggleKeys);
    }
}

//! The Lectures panel: which lectures there are, what an opened one needs, and its start.

use eframe::egui::{Label, Ui};

use crate::lecture::place::Place;
use crate::panels::room::room_card_ui;
use crate::state::command::{Commands, LecturesCommand, ModelsCommand, ViewCommand, WindowCommand};
use crate::state::hub::ModelsTab;
use crate::state::lectures::{Front, LecturesState, Listed, Shown};
use crate::state::room::RoomState;
use crate::widgets::button::{ActionButton, Weight};
use crate::widgets::card::{Tone, card_ui, chip_ui};
use crate::widgets::layout::{heading_ui, inset_ui, scrolled_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// The keys of the panel and of the stage.
pub const KEYS: [(&str, &str); 8] = [
    ("Page Down, Space", "On the stage: the next scene"),
    ("Page Up", "On the stage: the scene before"),
    ("R", "On the stage: reveal what is hidden"),
    ("B", "On the stage: make the screen dark, and light again"),
    ("J", "On the stage, where the room is open to phones: how to join"),
    ("Home, End", "On the stage: the first and the last scene"),
    ("F", "With notes: the stage window takes its whole screen"),
    ("Esc", "Leave the stage, then close the lecture"),
];

/// Draws the panel.
pub fn lectures_panel_ui(
    ui: &mut Ui,
    lectures: &mut LecturesState,
    room: &mut RoomState,
    commands: &mut Commands,
) {
    match &lectures.front {
        None => list_ui(ui, &lectures.listed, room, commands),
        Some(front) => front_ui(ui, front, room, commands),
    }
}

fn list_ui(ui: &mut Ui, listed: &[Listed], room: &mut RoomState, commands: &mut Commands) {
    inset_ui(ui, |ui| {
        heading_ui(ui, "Lectures", |ui| {
            let again = ActionButton::only_icon(icons::REFRESH, "Look for lectures again");
            if ui.add(again).clicked() {
                commands.push(LecturesCommand::Refresh);
            }
            let about = "A lecture is a text file (TOML) with a list of scenes";
            let choose = ActionButton::new("Open a lecture…").icon(icons::FILE);
            if ui.add(choose).on_hover_text(about).clicked() {
                commands.push(LecturesCommand::Choose);
            }
        });
    });
    scrolled_ui(ui, "lectures", |ui| {
        let words = "A lecture is a list of scenes: views with their texts and settings, prepared \
                     before, shown on the whole screen, and driven with a presenter remote. Those \
                     in the folder lectures of this project are listed here.";
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        ui.add_space(theme::GAP);
        for listed in listed {
            card_ui(ui, |ui| listed_ui(ui, listed, commands));
            ui.add_space(theme::GAP_LARGE);
        }
        room_card_ui(ui, room, commands);
    });
}

fn listed_ui(ui: &mut Ui, listed: &Listed, commands: &mut Commands) {
    let file = listed.place.path().and_then(|path| path.file_name());
    let file = file.map(|name| name.to_string_lossy().into_owned());
    match &listed.lecture {
        Ok(lecture) => {
            let title = if lecture.title.is_empty() { "Without a title" } else { &lecture.title };
            ui.add(Label::new(theme::title(ui, title)).wrap());
            if !lecture.about.is_empty() {
                ui.add(Label::new(lecture.about.as_str()).wrap());
            }
            let scenes = match lecture.scenes.len() {
                1 => "1 scene".to_owned(),
                count => format!("{count} scenes"),
            };
            let minutes = lecture.minutes.map(|minutes| format!("{minutes} minutes"));
            let place = file.unwrap_or_else(|| "the guided tour of this program".to_owned());
            let parts: Vec<String> =
                [Some(scenes), minutes, Some(place)].into_iter().flatten().collect();
            ui.add(Label::new(theme::muted(ui, parts.join(" · "))).wrap());
            ui.horizontal_wrapped(|ui| {
                let name = format!("Open {title}");
                if ui.add(ActionButton::primary("Open")).accessible_name(&name).clicked() {
                    commands.push(LecturesCommand::Open(listed.place.clone()));
                }
                if listed.place == Place::Tour {
                    let about = "Puts its file into this project: change it in any text editor";
                    let copy = ActionButton::new("Copy it, to change it").icon(icons::COPY);
                    if ui.add(copy).on_hover_text(about).clicked() {
                        commands.push(LecturesCommand::CopyTour);
                    }
                }
            });
        }
        Err(problem) => {
            ui.add(Label::new(theme::title(ui, file.unwrap_or_default())).wrap());
            let ink = theme::palette(ui).problem;
            let words = format!("This file cannot be read as a lecture: {problem}");
            ui.add(Label::new(theme::strong(ui, words).color(ink)).wrap());
            file_ui(ui, &listed.place, commands);
        }
    }
}

fn file_ui(ui: &mut Ui, place: &Place, commands: &mut Commands) {
    if let Some(path) = place.path() {
        let button = ActionButton::quiet("Show the folder").icon(icons::FOLDER);
        if ui.add(button).clicked() {
            commands.push(WindowCommand::Reveal(path.to_owned()));
        }
    }
}

fn front_ui(ui: &mut Ui, front: &Front, room: &mut RoomState, commands: &mut Commands) {
    let lecture = &front.opened.lecture;
    let title = if lecture.title.is_empty() { "Without a title" } else { &lecture.title };
    inset_ui(ui, |ui| {
        heading_ui(ui, title, |ui| {
            if ui.add(ActionButton::new("All lectures").icon(icons::BACK)).clicked() {
                commands.push(LecturesCommand::Close);
            }
        });
    });
    scrolled_ui(ui, "lecture", |ui| {
        card_ui(ui, |ui| {
            needs_ui(ui, front, commands);
            ui.add_space(theme::GAP_SMALL);
            start_ui(ui, front, commands);
        });
        ui.add_space(theme::GAP_LARGE);
        room_card_ui(ui, room, commands);
        ui.add_space(theme::GAP_LARGE);
        card_ui(ui, |ui| scenes_ui(ui, front, commands));
    });
}

/// Which models it needs, and what can be done where one is not here.
fn needs_ui(ui: &mut Ui, front: &Front, commands: &mut Commands) {
    let obstacle = front.obstacle();
    for needed in &front.opened.models {
        match &needed.found {
            Ok(_) => {
                chip_ui(ui, Tone::Chosen, Some(icons::DONE), &format!("{}: here", needed.name));
            }
            Err(problem) => {
                let tone = if obstacle.is_some() { Tone::Problem } else { Tone::Info };
                chip_ui(ui, tone, Some(icons::INFO), &format!("{}: not here", needed.name));
                let words = if obstacle.is_some() {
                    problem.clone()
                } else {
                    "Its scenes are shown from the recording of this lecture.".to_owned()
                };
                ui.add(Label::new(theme::muted(ui, words)).wrap());
                let is_starter = needed.name == "starter";
                let words = if is_starter { "Get the starter model" } else { "Find it on the Hub" };
                if ui.add(ActionButton::new(words).icon(icons::DOWNLOAD)).clicked() {
                    if is_starter {
                        commands.push(ModelsCommand::FetchStarter);
                        commands.push(ViewCommand::ShowModelsTab(ModelsTab::Installed));
                    } else {
                        commands.push(ViewCommand::ShowModelsTab(ModelsTab::Find));
                    }
                }
            }
        }
    }
    let (ready, count) = (front.ready_count(), front.scene_count());
    let words = if ready == count {
        format!("All {count} scenes are ready")
    } else {
        format!("{ready} of {count} scenes are ready; the others are prepared in the background")
    };
    ui.add(Label::new(theme::strong(ui, obstacle.unwrap_or(words))).wrap());
}

fn start_ui(ui: &mut Ui, front: &Front, commands: &mut Commands) {
    let obstacle = front.obstacle();
    let can_start = obstacle.is_none();
    let why = obstacle.unwrap_or_default();
    let left = front.left.as_ref().filter(|left| left.at > 0);
    ui.horizontal_wrapped(|ui| {
        if let Some(left) = left {
            let words = format!("Continue with scene {}", left.at + 1);
            let go_on = ActionButton::primary(&words).icon(icons::PLAY).add_enabled(ui, can_start);
            let about = "Where you left the stage. What was revealed and the clock stay";
            if go_on.on_hover_text(about).on_disabled_hover_text(&why).clicked() {
                let has_notes = left.has_notes;
                commands.push(LecturesCommand::StartAt { scene: left.at, has_notes });
            }
        }
        let about = "The scenes on the whole screen. Page Down and Page Up turn the pages, R \
                     reveals, B makes the screen dark, Esc leaves";
        // One next step: where the lecture was left, if it was.
        let weight = if left.is_some() { Weight::Normal } else { Weight::Primary };
        let start = ActionButton::new("Start").weight(weight).icon(icons::PLAY);
        let start = start.add_enabled(ui, can_start);
        if start.on_hover_text(about).on_disabled_hover_text(&why).clicked() {
            commands.push(LecturesCommand::Start { has_notes: false });
        }
        let about = "This window shows the scene with your notes, the next scene and the clock. The \
                     stage can be a window of its own, for the projector";
        let button = ActionButton::new("Start with notes").icon(icons::PROJECTOR);
        let start = button.add_enabled(ui, can_start);
        if start.on_hover_text(about).on_disabled_hover_text(&why).clicked() {
            commands.push(LecturesCommand::Start { has_notes: true });
        }
        if front.opened.place.path().is_some() {
            let about = "Keeps what every scene shows in a file beside the lecture: it can then be \
                         given on a computer without the model";
            let is_whole = front.ready_count() == front.scene_count();
            let save = ActionButton::new("Save a recording").icon(icons::EXPORT);
            let save = save.add_enabled(ui, is_whole).on_hover_text(about);
            if save.on_disabled_hover_text("Not every scene is ready").clicked() {
                commands.push(LecturesCommand::SaveRecording);
            }
            file_ui(ui, &front.opened.place, commands);
        } else {
            let about = "Puts its file into this project: change it in any text editor";
            let copy = ActionButton::new("Copy it, to change it").icon(icons::COPY);
            if copy.add_enabled(ui, true).on_hover_text(about).clicked() {
                commands.push(LecturesCommand::CopyTour);
            }
        }
    });
}

fn scenes_ui(ui: &mut Ui, front: &Front, commands: &mut Commands) {
    let can_start = front.obstacle().is_none();
    let has_notes = front.left.as_ref().is_some_and(|left| left.has_notes);
    ui.add(Label::new(theme::title(ui, "Scenes")).wrap());
    for (at, (scene, shown)) in front.opened.lecture.scenes.iter().zip(&front.results).enumerate() {
        ui.add_space(theme::GAP_SMALL);
        ui.horizontal(|ui| {
            let name = format!("Start with scene {}", at + 1);
            let start = ui.add_enabled(can_start, ActionButton::only_icon(icons::PLAY, &name));
            if start.clicked() {
                commands.push(LecturesCommand::StartAt { scene: at, has_notes });
            }
            let words = format!("{}. {}", at + 1, scene.title);
            ui.add(Label::new(theme::strong(ui, words)).wrap());
        });
        let state = match shown {
            Shown::Ready { is_recorded: true, .. } => " · recorded",
            Shown::Ready { .. } => "",
            Shown::Waiting => " · is prepared soon",
            Shown::Computing => " · is prepared now",
            Shown::Failed(_) => " · cannot be shown",
        };
        let words = format!("{}{state}", scene.view.words());
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        if let Shown::Failed(problem) = shown {
            let ink = theme::palette(ui).problem;
            ui.add(Label::new(theme::strong(ui, problem.as_str()).color(ink)).wrap());
        }
        if !scene.notes.trim().is_empty() {
            ui.add(Label::new(scene.notes.trim()).wrap());
        }
    }
}

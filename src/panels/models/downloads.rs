//! The downloads: an item a card, with what it waits for or what went wrong.

use std::path::Path;

use eframe::egui;
use eframe::egui::{CollapsingHeader, Label, ProgressBar, Sides, Ui};

use crate::hub::fetch::queue::{FileState, Help, Item, ItemFile, ItemState, QueueCommand};
use crate::hub::protocol::repository::RepoKind;
use crate::state::command::{
    AnnotateCommand, Command, Commands, ModelsCommand, TrainCommand, WindowCommand,
};
use crate::state::hub::{HubState, ModelsTab};
use crate::widgets::button::ActionButton;
use crate::widgets::card::{Tone, card_ui, chip_ui, decoration_ui, title_row_ui};
use crate::widgets::empty_state::EmptyState;
use crate::widgets::format;
use crate::widgets::layout::{inset_ui, scrolled_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// Draws the queue.
pub fn downloads_ui(ui: &mut Ui, hub: &mut HubState, commands: &mut Commands) {
    if hub.downloads.is_empty() {
        let empty = EmptyState {
            icon: icons::DOWNLOAD,
            title: "No downloads",
            sentence: "What you download from the Hub shows up here. Unfinished downloads resume \
                       the next time you open the program.",
            actions: &["Find a model"],
        };
        if empty.show(ui).is_some() {
            hub.tab = ModelsTab::Find;
        }
        return;
    }
    inset_ui(ui, |ui| head_ui(ui, hub, commands));
    scrolled_ui(ui, "downloads", |ui| {
        let last = hub.downloads.len() - 1;
        for (place, item) in hub.downloads.iter().enumerate() {
            ui.push_id(item.id.0, |ui| {
                card_ui(ui, |ui| item_ui(ui, item, place, last, commands));
            });
            ui.add_space(theme::GAP);
        }
    });
}

fn head_ui(ui: &mut Ui, hub: &HubState, commands: &mut Commands) {
    let totals = hub.totals();
    let words = match totals.active_count {
        0 => "Nothing is being downloaded".to_owned(),
        count => {
            let total = (totals.total_bytes > 0).then_some(totals.total_bytes);
            let (done, speed) = (totals.done_bytes, totals.bytes_per_sec);
            let transfer = format::transfer(done, total, speed, totals.secs_left());
            format!("{count} downloading · {transfer}")
        }
    };
    let any = |test: fn(&ItemState) -> bool| hub.downloads.iter().any(|item| test(&item.state));
    Sides::new().shrink_left().truncate().show(
        ui,
        |ui| ui.label(theme::muted(ui, words)),
        |ui| {
            let mut ask = |words: &str, command: QueueCommand| {
                if ui.add(ActionButton::quiet(words)).clicked() {
                    commands.push(ModelsCommand::Queue(command));
                }
            };
            if any(|state| matches!(state, ItemState::Done { .. })) {
                ask("Clear what is done", QueueCommand::ClearDone);
            }
            if any(|state| *state == ItemState::Paused) {
                ask("Resume all", QueueCommand::ResumeAll);
            }
            if totals.active_count > 0 {
                ask("Pause all", QueueCommand::PauseAll);
            }
        },
    );
    ui.add_space(theme::GAP_SMALL);
}

fn item_ui(ui: &mut Ui, item: &Item, place: usize, last: usize, commands: &mut Commands) {
    let name = &item.order.repo;
    title_row_ui(ui, name, |ui| {
        buttons_ui(ui, item, place, last, commands);
        if item.order.kind == RepoKind::Dataset {
            chip_ui(ui, Tone::Neutral, None, "dataset");
        }
    });
    let (icon, words) = state_words(item);
    ui.horizontal_wrapped(|ui| {
        if let Some((tone, icon)) = icon {
            let (ink, _) = tone.colors(&theme::palette(ui));
            decoration_ui(ui, theme::icon(ui, icon).color(ink));
        }
        ui.add(Label::new(words).wrap());
    });
    if let Some(fraction) =
        item.fraction().filter(|_| !matches!(item.state, ItemState::Done { .. }))
    {
        bar_ui(ui, name, fraction, 8.0);
    }
    if let ItemState::Failed(failure) = &item.state {
        help_ui(ui, item, &failure.help, commands);
    }
    if !item.files.is_empty() {
        files_ui(ui, item, commands);
    }
}

fn buttons_ui(ui: &mut Ui, item: &Item, place: usize, last: usize, commands: &mut Commands) {
    let name = &item.order.repo;
    let id = item.id;
    let mut button = |icon, words: &str, enabled: bool, command: QueueCommand| {
        let response = ui.add_enabled(enabled, ActionButton::only_icon(icon, words));
        if response.accessible_name(format!("{words}: {name}")).clicked() {
            commands.push(ModelsCommand::Queue(command));
        }
    };
    if matches!(item.state, ItemState::Done { .. }) {
        button(icons::CLOSE, "Remove from list", true, QueueCommand::Cancel(id));
        return;
    }
    button(icons::DELETE, "Cancel, and delete what came", true, QueueCommand::Cancel(id));
    let down = QueueCommand::Move { id, to: place + 1 };
    button(icons::DOWN, "Later", place < last, down);
    let up = QueueCommand::Move { id, to: place.saturating_sub(1) };
    button(icons::UP, "Sooner", place > 0, up);
    if item.is_active() {
        button(icons::PAUSE, "Pause", true, QueueCommand::Pause(id));
    } else if item.state == ItemState::Paused {
        button(icons::PLAY, "Resume", true, QueueCommand::Resume(id));
    }
}

type Mark = Option<(Tone, theme::MaterialIcon)>;

/// What it is doing, with numbers.
fn state_words(item: &Item) -> (Mark, String) {
    let transfer = || {
        let total = item.total_bytes();
        format::transfer(item.done_bytes(), total, item.bytes_per_sec, item.secs_left())
    };
    match &item.state {
        ItemState::Waiting => (None, "Waits for its turn".to_owned()),
        ItemState::Asking => (None, "Asking the Hub what there is…".to_owned()),
        ItemState::Fetching => {
            let busy = item.files.iter().find_map(|file| match &file.state {
                FileState::Verifying => Some("checking the hash".to_owned()),
                FileState::Elsewhere => {
                    Some("another program fetches it; its result is used".to_owned())
                }
                FileState::Retrying { reason, secs } => {
                    Some(format!("{reason}; tried again in {}", format::duration(*secs)))
                }
                FileState::Waiting | FileState::Fetching | FileState::Done => None,
            });
            let words = busy.map_or_else(transfer, |busy| format!("{} · {busy}", transfer()));
            (None, words)
        }
        ItemState::WaitingForNetwork { reason, secs } => {
            let words = format!(
                "The network is away ({reason}); tried again in {}",
                format::duration(*secs as f64)
            );
            (Some((Tone::Rejected, icons::PROBLEM)), words)
        }
        ItemState::Paused => (None, format!("Paused · {}", transfer())),
        ItemState::Done { .. } => {
            let bytes = item
                .total_bytes()
                .map_or(String::new(), |total| format!(" · {}", format::bytes(total)));
            (Some((Tone::Chosen, icons::DONE)), format!("Whole and verified{bytes}"))
        }
        ItemState::Failed(failure) => {
            (Some((Tone::Problem, icons::PROBLEM)), failure.reason.clone())
        }
    }
}

/// What to do about a failure.
fn help_ui(ui: &mut Ui, item: &Item, help: &Help, commands: &mut Commands) {
    let again = Command::Models(ModelsCommand::Queue(QueueCommand::Resume(item.id)));
    let hint = match help {
        Help::TryAgain => "What came is kept; trying again resumes from there.".to_owned(),
        Help::Access { has_token: true, .. } => {
            "Accept its conditions on its page, with the account of your token, then try again."
                .to_owned()
        }
        Help::Access { has_token: false, .. } => {
            "Accept its conditions on its page and put a token of your account into Connection \
             settings, then try again."
                .to_owned()
        }
        Help::Room { folder, needed, free } => format!(
            "{} are needed and {} are free on the disk of {}. Make room, then try again.",
            format::bytes(*needed),
            format::bytes(*free),
            folder.display()
        ),
        Help::GoOnline => "Switch offline mode off in Connection settings.".to_owned(),
        Help::None => "Trying again would end the same.".to_owned(),
    };
    ui.add(Label::new(hint).wrap());
    ui.horizontal_wrapped(|ui| {
        let name = &item.order.repo;
        if let Help::Access { page, .. } = help {
            let button = ActionButton::new("Open its page").icon(icons::WEB_PAGE);
            if ui.add(button).clicked() {
                commands.push(WindowCommand::OpenPage(page.clone()));
            }
        }
        if *help != Help::None {
            let button = ui.add(ActionButton::new("Try again").icon(icons::REFRESH));
            if button.accessible_name(format!("Try again: {name}")).clicked() {
                commands.push(again);
            }
        }
    });
}

fn files_ui(ui: &mut Ui, item: &Item, commands: &mut Commands) {
    let done = item.files.iter().filter(|file| file.state == FileState::Done).count();
    let words = format!("{done} of {} files", item.files.len());
    let is_done = matches!(item.state, ItemState::Done { .. });
    let open = item.order.kind == RepoKind::Dataset && is_done;
    CollapsingHeader::new(words).id_salt("files").default_open(open).show(ui, |ui| {
        let row_height = theme::em(ui) * 1.5;
        let area = egui::ScrollArea::vertical().max_height(row_height * 8.0);
        let area = area.auto_shrink([false, true]);
        area.show_rows(ui, row_height, item.files.len(), |ui, range| {
            for file in &item.files[range] {
                file_ui(ui, item, file, commands);
            }
        });
    });
}

fn file_ui(ui: &mut Ui, item: &Item, file: &ItemFile, commands: &mut Commands) {
    let path = &file.remote.path;
    Sides::new().shrink_left().truncate().show(
        ui,
        |ui| ui.label(theme::muted(ui, path)),
        |ui| {
            let size = file.remote.size;
            if let ItemState::Done { folder } = &item.state
                && item.order.kind == RepoKind::Dataset
            {
                use_ui(ui, path, &folder.join(path), commands);
            }
            if file.state == FileState::Done {
                ui.label(theme::number(format::bytes(size)));
                return;
            }
            ui.label(theme::number(format::transfer(file.done, Some(size), 0.0, None)));
            if size > 0 {
                let width = theme::em(ui) * 6.0;
                ui.scope(|ui| {
                    ui.set_max_width(width);
                    bar_ui(ui, path, file.done as f32 / size as f32, 4.0);
                });
            }
        },
    );
}

fn bar_ui(ui: &mut Ui, name: &str, fraction: f32, height: f32) {
    let p = theme::palette(ui);
    let bar = ProgressBar::new(fraction.clamp(0.0, 1.0)).desired_height(height).fill(p.accent);
    ui.scope(|ui| {
        ui.visuals_mut().extreme_bg_color = p.raised_press;
        ui.add(bar).accessible_name(format!("{name}: {:.0} %", fraction * 100.0));
    });
}

/// What can be done with a file of a data set, from right to left. `name` is the one on the Hub.
pub fn use_ui(ui: &mut Ui, name: &str, path: &Path, commands: &mut Commands) {
    let ending = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_one_of = |endings: &[&str]| endings.contains(&ending.as_str());
    let path = || path.to_owned();
    for (words, is_for_it, command) in [
        (
            "Use in Annotate",
            is_one_of(&["jsonl", "ndjson", "csv", "tsv", "parquet"]),
            Command::Annotate(AnnotateCommand::UseFile(path())),
        ),
        (
            "Use in Train",
            is_one_of(&["jsonl", "ndjson", "parquet"]),
            Command::Train(TrainCommand::UseFile(path())),
        ),
    ] {
        if is_for_it {
            let button = ui.add(ActionButton::quiet(words));
            if button.accessible_name(format!("{words}: {name}")).clicked() {
                commands.push(command);
            }
        }
    }
}

//! One repository: what it is, whether it runs here, what would be fetched, and its card.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use eframe::egui;
use eframe::egui::{CollapsingHeader, Label, Sides, Ui};

use super::{downloads, fit};
use crate::hub::browse::card::is_safe_link;
use crate::hub::browse::search::Gate;
use crate::hub::fetch::choose::{LeftOut, Variant};
use crate::hub::fetch::queue::{Help, ItemState};
use crate::hub::protocol::repository::RemoteFile;
use crate::hub::protocol::repository::RepoKind;
use crate::llm::card::{ModelSource, Purpose};
use crate::panels::train::fields::{check_ui, radio_ui};
use crate::state::command::{Command, Commands, ModelsCommand, ViewCommand, WindowCommand};
use crate::state::hub::detail::{DetailTab, DetailView, Pick};
use crate::state::hub::runs::Runs;
use crate::state::hub::{HubState, ModelsTab};
use crate::state::models::ModelsState;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{Tone, card_ui, chip_ui, decoration_ui};
use crate::widgets::error_card::{CardAction, ErrorCard};
use crate::widgets::format;
use crate::widgets::layout::{Part, Stacked, inset_ui, scrolled_ui};
use crate::widgets::markdown;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// Draws what is looked at. `alone`: the search is hidden behind it, so there is a button that shows it again.
pub fn detail_ui(
    ui: &mut Ui,
    models: &ModelsState,
    hub: &mut HubState,
    alone: bool,
    commands: &mut Commands,
) {
    let HubState { detail: Some(detail), downloads, query, .. } = hub else { return };
    let state = downloads
        .iter()
        .find(|item| item.order.kind == detail.kind && item.order.repo == detail.id)
        .map(|item| &item.state);
    let mut gguf_wanted = false;
    // Some of the files are seen below the head, or all of it scrolls.
    let whole = ui.available_height();
    let least = whole.min(theme::em(ui) * 8.0);
    Stacked::new("detail", least, whole).show(ui, |ui, part| match part {
        Part::Above => {
            inset_ui(ui, |ui| head_ui(ui, detail, alone, commands));
            if let Some((causes, help)) = &detail.failure {
                inset_ui(ui, |ui| failure_ui(ui, detail, causes, help, commands));
            }
            if detail.listing.is_some() || detail.card.is_some() {
                let segment = |value, words, explanation| Segment { value, words, explanation };
                let tabs = [
                    segment(
                        DetailTab::Files,
                        "Files and fit",
                        "What is fetched, and what it needs",
                    ),
                    segment(DetailTab::Card, "Card", "What its authors say about it"),
                ];
                segmented_ui(ui, &mut detail.tab, &tabs);
                ui.add_space(theme::GAP_SMALL);
            } else if detail.asking {
                ui.label(theme::muted(ui, "Asking the Hub…"));
            }
        }
        Part::Rest => match (detail.tab, &detail.card) {
            (DetailTab::Card, Some(Ok(card))) if !card.is_empty() => {
                markdown::markdown_ui(ui, &detail.id, card, is_safe_link);
            }
            (DetailTab::Card, Some(Ok(_))) => {
                ui.label(theme::muted(ui, "Its card is empty"));
            }
            (DetailTab::Card, Some(Err(reason))) => {
                ui.add(Label::new(theme::muted(ui, reason)).wrap());
            }
            (DetailTab::Card, None) => {
                ui.label(theme::muted(ui, "The card is being loaded…"));
            }
            (DetailTab::Files, _) if detail.listing.is_some() => {
                scrolled_ui(ui, "detail", |ui| {
                    runs_ui(ui, detail);
                    fetch_ui(ui, detail, state, commands);
                    ui.add_space(theme::GAP);
                    if detail.kind == RepoKind::Dataset {
                        data_ui(ui, detail, commands);
                    } else {
                        choice_ui(ui, detail);
                        ui.add_space(theme::GAP);
                        gguf_wanted = fit::fit_ui(ui, detail, models.memory, models.pace);
                    }
                    ui.add_space(theme::GAP);
                    left_out_ui(ui, detail);
                });
            }
            (DetailTab::Files, _) => {}
        },
        Part::Below => {}
    });
    if gguf_wanted {
        let name = detail.id.rsplit('/').next().unwrap_or(&detail.id).to_owned();
        query.kind = RepoKind::Model;
        hub.look_for_gguf(&name);
        commands.push(ModelsCommand::Search);
    }
}

fn head_ui(ui: &mut Ui, detail: &DetailView, alone: bool, commands: &mut Commands) {
    let (owner, name) = detail.id.split_once('/').unwrap_or(("", &detail.id));
    let (back, aside) = egui::Sides::new().shrink_left().truncate().show(
        ui,
        |ui| {
            let back = alone && {
                let back = ActionButton::only_icon(icons::BACK, "Back to the list");
                ui.add(back).clicked()
            };
            ui.label(theme::title(ui, name)).on_hover_text(&detail.id);
            back
        },
        |ui| {
            let close = ActionButton::only_icon(icons::CLOSE, "Close");
            let close = !alone && ui.add(close).clicked();
            let page = ActionButton::only_icon(icons::WEB_PAGE, "Open its page in the browser");
            (close, ui.add(page).clicked())
        },
    );
    let (close, page) = aside;
    if back || close {
        commands.push(ModelsCommand::CloseDetails);
    }
    if page {
        commands.push(ModelsCommand::OpenHubPage(detail.kind, detail.id.clone()));
    }
    if !owner.is_empty() {
        ui.add(Label::new(theme::muted(ui, format!("by {owner}"))).wrap());
    }
    let Some(row) = &detail.row else { return };
    ui.horizontal_wrapped(|ui| {
        match row.gate {
            Gate::Open => {}
            Gate::Automatic => {
                let about = "Its conditions have to be accepted on its page, with an account, \
                             before it can be fetched";
                chip_ui(ui, Tone::Rejected, Some(icons::LOCK), "asks for consent")
                    .on_hover_text(about);
            }
            Gate::Manual => {
                let about = "Access has to be asked for on its page, with an account; somebody \
                             there decides";
                chip_ui(ui, Tone::Rejected, Some(icons::LOCK), "access on request")
                    .on_hover_text(about);
            }
        }
        let mut words = Vec::new();
        if let Some(count) = row.parameters {
            words.push(format!("{} parameters", format::parameters(count.count())));
        }
        words.extend(row.architecture.clone());
        words.push(row.licence.clone().unwrap_or_else(|| "no licence named".to_owned()));
        words.push(format!("{} downloads", format::large(row.downloads)));
        words.push(format!("{} likes", format::large(row.likes)));
        if !row.updated.is_empty() {
            words.push(format!("changed {}", row.updated));
        }
        ui.add(Label::new(theme::muted(ui, words.join(" · "))).wrap());
    });
    ui.add_space(theme::GAP_SMALL);
}

fn failure_ui(
    ui: &mut Ui,
    detail: &DetailView,
    causes: &[String],
    help: &Help,
    commands: &mut Commands,
) {
    let (hint, remedy) = match help {
        Help::Access { has_token: true, .. } => (
            "Accept its conditions on its page with the account of your token, then try again",
            "Open its page",
        ),
        Help::Access { has_token: false, .. } => (
            "Accept its conditions on its page, put a token of your account into Connection \
             settings, then try again",
            "Open its page",
        ),
        Help::GoOnline => ("Offline mode is on: switch it off in Connection settings", "Try again"),
        _ => (
            "Models that are on this computer already can be used. Behind a proxy or with a \
             mirror, see Connection settings",
            "Try again",
        ),
    };
    let why = causes.first().map_or(String::new(), |why| format!(": {why}"));
    let summary = format!("The details of {} could not be loaded{why}", detail.id);
    let card = ErrorCard {
        id: 1,
        tone: Tone::Problem,
        summary: &summary,
        causes,
        hint: Some(hint),
        remedy: Some(remedy),
        can_close: false,
    };
    let again = Command::Models(ModelsCommand::ShowDetails(detail.kind, detail.id.clone()));
    if card.show(ui) == Some(CardAction::Remedy) {
        commands.push(match help {
            Help::Access { page, .. } => Command::Window(WindowCommand::OpenPage(page.clone())),
            _ => again.clone(),
        });
    }
    if matches!(help, Help::Access { .. })
        && ui.add(ActionButton::new("Try again").icon(icons::REFRESH)).clicked()
    {
        commands.push(again);
    }
    ui.add_space(theme::GAP);
}

/// What speaks against it, before anything is fetched.
fn runs_ui(ui: &mut Ui, detail: &DetailView) {
    let runs = detail.runs();
    let note = runs.note().map(str::to_owned);
    let (tone, icon, words) = match runs {
        Runs::Yes => return,
        Runs::No(reason) => {
            (Tone::Problem, icons::PROBLEM, format!("Cannot be run here. {reason}"))
        }
        Runs::WithNote(_) | Runs::For(_) => (Tone::Info, icons::INFO, note.unwrap_or_default()),
        Runs::Unknown => {
            let words = "The Hub does not say what family it is of; its files will tell once they \
                         are here";
            (Tone::Info, icons::INFO, words.to_owned())
        }
    };
    let (ink, ground) = tone.colors(&theme::palette(ui));
    let frame = egui::Frame::new()
        .fill(ground)
        .corner_radius(theme::CONTROL_RADIUS)
        .inner_margin(egui::Margin::symmetric(12, 8));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal_top(|ui| {
            decoration_ui(ui, theme::icon(ui, icon).color(ink));
            ui.add(Label::new(words).wrap());
        });
    });
    ui.add_space(theme::GAP);
}

/// The button that fetches it, and what became of it.
fn fetch_ui(ui: &mut Ui, detail: &DetailView, state: Option<&ItemState>, commands: &mut Commands) {
    let order = detail.order();
    let needed = detail.disk().needed;
    ui.horizontal_wrapped(|ui| {
        if detail.has_all() {
            chip_ui(ui, Tone::Chosen, Some(icons::DONE), "On this computer");
            let is_pair = detail.runs() == Runs::For(Purpose::SequenceToSequence);
            let path = detail.path_here().filter(|_| is_pair || !detail.is_encoder);
            if let Some(path) = path {
                let load = ActionButton::primary("Load it").icon(icons::PLAY);
                let possible = detail.runs().obstacle().is_none();
                if ui.add_enabled(possible, load).clicked() {
                    commands.push(ModelsCommand::Load(ModelSource::named(&path)));
                    commands.push(ViewCommand::ShowModelsTab(ModelsTab::Installed));
                }
            }
            return;
        }
        let is_downloading = state.is_some_and(|state| !matches!(state, ItemState::Done { .. }));
        let words = match needed {
            0 => "Download".to_owned(),
            needed => format!("Download {}", format::bytes(needed)),
        };
        let obstacle = if detail.kind == RepoKind::Model { detail.runs() } else { Runs::Yes };
        let button = ActionButton::primary(&words).icon(icons::DOWNLOAD);
        let possible = order.is_some() && !is_downloading && obstacle.obstacle().is_none();
        let why_not = match (&order, obstacle.obstacle()) {
            (_, Some(_)) => "It could not be run here",
            (None, None) => "Choose a file first",
            (Some(_), None) => "It is being downloaded",
        };
        let response = ui.add_enabled(possible, button).on_disabled_hover_text(why_not);
        if response.accessible_name("Download").clicked()
            && let Some(order) = order
        {
            commands.push(ModelsCommand::Download(order));
        }
        if is_downloading && ui.add(ActionButton::new("Show the download")).clicked() {
            commands.push(ViewCommand::ShowModelsTab(ModelsTab::Downloads));
        }
    });
}

/// Which form of the weights.
fn choice_ui(ui: &mut Ui, detail: &mut DetailView) {
    let DetailView { choices, pick, is_encoder, .. } = detail;
    if choices.folder.is_empty() && choices.variants.is_empty() {
        return;
    }
    card_ui(ui, |ui| {
        ui.label(theme::strong(ui, "What is fetched"));
        if !choices.folder.is_empty() {
            let shards = choices.folder.iter().filter(|f| f.path.ends_with(".safetensors")).count();
            let pieces = if shards > 1 { format!(" in {shards} pieces") } else { String::new() };
            let trained = if *is_encoder { "" } else { " · can be trained" };
            let words =
                format!("safetensors{pieces} · {}{trained}", format::bytes(choices.folder_bytes()));
            let chosen = *pick == Pick::Folder;
            if radio_ui(ui, chosen, &words).clicked() {
                *pick = Pick::Folder;
            }
        }
        for (index, variant) in choices.variants.iter().enumerate() {
            let chosen = *pick == Pick::Variant(index);
            if variant_ui(ui, variant, chosen) {
                *pick = Pick::Variant(index);
            }
        }
    });
}

fn variant_ui(ui: &mut Ui, variant: &Variant, chosen: bool) -> bool {
    let quality = match variant.quality() {
        "" => String::new(),
        quality => format!(" · {quality}"),
    };
    let words = format!("{} · {}{quality}", variant.name, format::bytes(variant.file.size));
    let enabled = variant.obstacle.is_none();
    let radio = ui.add_enabled(enabled, egui::RadioButton::new(chosen, words));
    let radio = radio.on_hover_text(&variant.file.path);
    match &variant.obstacle {
        Some(obstacle) => {
            radio.on_disabled_hover_text(obstacle);
            false
        }
        None => radio.clicked(),
    }
}

/// Which files of a dataset.
fn data_ui(ui: &mut Ui, detail: &mut DetailView, commands: &mut Commands) {
    let here: Vec<Option<PathBuf>> =
        detail.choices.data.iter().map(|file| detail.file_here(file)).collect();
    let Pick::Data(picked) = &mut detail.pick else { return };
    let files = &detail.choices.data;
    card_ui(ui, |ui| {
        ui.label(theme::strong(ui, "What is fetched"));
        if files.is_empty() {
            let words = "It holds no JSON Lines, CSV or Parquet files";
            ui.add(Label::new(theme::muted(ui, words)).wrap());
        }
        let row_height = ui.spacing().interact_size.y;
        let area = egui::ScrollArea::vertical().id_salt("data files").max_height(row_height * 10.0);
        area.auto_shrink([false, true]).show_rows(ui, row_height, files.len(), |ui, range| {
            for index in range {
                let file = &files[index];
                data_file_ui(ui, file, here[index].as_deref(), index, picked, commands);
            }
        });
        let words = "Once downloaded, Annotate reads JSON Lines, CSV or Parquet with a \"prompt\" \
                     column, and Train JSON Lines or Parquet with \"prompt\", \"chosen\" and \
                     \"rejected\".";
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    });
}

/// `here`: where it lies, if it does.
fn data_file_ui(
    ui: &mut Ui,
    file: &RemoteFile,
    here: Option<&Path>,
    index: usize,
    picked: &mut BTreeSet<usize>,
    commands: &mut Commands,
) {
    let words = format!("{} · {}", file.path, format::bytes(file.size));
    Sides::new().shrink_left().truncate().show(
        ui,
        |ui| {
            let mut on = picked.contains(&index);
            if check_ui(ui, &mut on, &words, &words).changed() {
                if on {
                    picked.insert(index);
                } else {
                    picked.remove(&index);
                }
            }
        },
        |ui| {
            if let Some(path) = here {
                downloads::use_ui(ui, &file.path, path, commands);
            }
        },
    );
}

/// The files that stay where they are, with the reason.
fn left_out_ui(ui: &mut Ui, detail: &DetailView) {
    let left_out = &detail.choices.left_out;
    if left_out.is_empty() {
        return;
    }
    let bytes = left_out.iter().fold(0_u64, |sum, (file, _)| sum.saturating_add(file.size));
    let pickles = left_out.iter().filter(|(_, why)| *why == LeftOut::Pickle).count();
    let pickles = match pickles {
        0 => String::new(),
        1 => ", one of them a pickle".to_owned(),
        count => format!(", {count} of them pickles"),
    };
    let files = match left_out.len() {
        1 => "1 file stays".to_owned(),
        count => format!("{} files stay", format::count(count)),
    };
    let words = format!("{files} on the Hub ({}{pickles})", format::bytes(bytes));
    CollapsingHeader::new(words).id_salt("left out").show(ui, |ui| {
        let row_height = theme::em(ui) * 1.5;
        let area = egui::ScrollArea::vertical().id_salt("left out files");
        let area = area.max_height(row_height * 12.0).auto_shrink([false, true]);
        area.show_rows(ui, row_height, left_out.len(), |ui, range| {
            for (file, why) in &left_out[range] {
                let words = format!("{} · {}", file.path, format::bytes(file.size));
                let label = ui.add(Label::new(theme::muted(ui, words)).truncate());
                label.on_hover_text(why.why());
            }
        });
    });
}

//! Find: a field, filters, and what the Hub answered; or, while nothing is asked, models to begin
//! with.

use std::time::Duration;

use eframe::egui;
use eframe::egui::{Key, Label, ScrollArea, TextEdit, Ui};

use super::detail;
use super::filters;
use super::result;
use crate::hub::browse::known::KNOWN;
use crate::hub::browse::search::Query;
use crate::hub::protocol::repository::RepoKind;
use crate::state::command::{Command, Commands, ModelsCommand};
use crate::state::hub::HubState;
use crate::state::hub::results::Phase;
use crate::state::models::Memory;
use crate::state::models::ModelsState;
use crate::widgets::button::ActionButton;
use crate::widgets::card::Tone;
use crate::widgets::error_card::{CardAction, ErrorCard};
use crate::widgets::format;
use crate::widgets::layout::{Part, Stacked, inset_ui, scrolled_ui};
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// Draws the search, and beside it what is looked at; one of them where there is no room for two.
pub fn find_ui(ui: &mut Ui, models: &ModelsState, hub: &mut HubState, commands: &mut Commands) {
    let em = theme::em(ui);
    let side_by_side = ui.available_width() > em * 62.0;
    if hub.detail.is_some() && !side_by_side {
        detail::detail_ui(ui, models, hub, true, commands);
        return;
    }
    if hub.detail.is_none() {
        search_ui(ui, models.memory, hub, commands);
        return;
    }
    let width = ui.available_width();
    egui::Panel::left("found")
        .resizable(false)
        .exact_size(width * 0.45)
        .frame(egui::Frame::NONE)
        .show_separator_line(false)
        .show(ui, |ui| search_ui(ui, models.memory, hub, commands));
    egui::CentralPanel::no_frame().show(ui, |ui| {
        detail::detail_ui(ui, models, hub, false, commands);
    });
}

fn search_ui(ui: &mut Ui, memory: Memory, hub: &mut HubState, commands: &mut Commands) {
    // Two that were found are seen below the question, or all of it scrolls.
    let whole = ui.available_height();
    let least = whole.min(result::row_height(ui) * 2.5);
    Stacked::new("search", least, whole).show(ui, |ui, part| match part {
        Part::Above => inset_ui(ui, |ui| question_ui(ui, hub, commands)),
        Part::Rest if hub.results.asked.is_none() => known_ui(ui, memory, hub, commands),
        Part::Rest if hub.results.found_nothing() => {
            inset_ui(ui, |ui| nothing_ui(ui, hub, commands));
        }
        Part::Rest => rows_ui(ui, memory, hub, commands),
        Part::Below => {}
    });
}

/// The field, the filters, and what went wrong.
fn question_ui(ui: &mut Ui, hub: &mut HubState, commands: &mut Commands) {
    let now = ui.input(|input| input.time);
    field_ui(ui, hub, now, commands);
    if filters::filters_ui(ui, &mut hub.query) {
        hub.edited_at = None;
        commands.push(ModelsCommand::Search);
    }
    if let Some(wait) = hub.ask_in(now) {
        if wait <= 0.0 {
            hub.edited_at = None;
            commands.push(ModelsCommand::Search);
        } else {
            ui.ctx().request_repaint_after(Duration::from_secs_f64(wait));
        }
    }
    ui.add_space(theme::GAP_SMALL);
    if let Phase::Failed(causes) = &hub.results.phase
        && failure_ui(ui, causes)
    {
        let again = if hub.results.rows.is_empty() {
            Command::Models(ModelsCommand::Search)
        } else {
            Command::Models(ModelsCommand::SearchMore)
        };
        commands.push(again);
    }
}

fn field_ui(ui: &mut Ui, hub: &mut HubState, now: f64, commands: &mut Commands) {
    let Query { kind, words, .. } = &mut hub.query;
    let hint = match kind {
        RepoKind::Model => "A name, a word, or owner/name",
        RepoKind::Dataset => "A name, a word, or owner/name of a dataset",
    };
    let row = ui.horizontal_wrapped(|ui| {
        let segment = |value, words, explanation| Segment { value, words, explanation };
        let kinds = [
            segment(RepoKind::Model, "Models", "Models that write text"),
            segment(RepoKind::Dataset, "Datasets", "Prompts and preference pairs"),
        ];
        let switched = segmented_ui(ui, kind, &kinds);
        let field = TextEdit::singleline(words)
            .hint_text(hint)
            .char_limit(200)
            .desired_width(ui.available_width())
            .margin(egui::Margin::symmetric(10, 4));
        (ui.add(field).accessible_name("Search the Hub"), switched)
    });
    let (field, switched) = row.inner;
    if std::mem::take(&mut hub.wants_cursor) {
        field.request_focus();
    }
    if switched {
        hub.results.clear();
        hub.detail = None;
    }
    let entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    if switched || entered {
        hub.edited_at = None;
        commands.push(ModelsCommand::Search);
    } else if field.changed() {
        hub.edited(now);
    }
}

/// True: try again.
fn failure_ui(ui: &mut Ui, causes: &[String]) -> bool {
    let why = causes.first().map_or(String::new(), |why| format!(": {why}"));
    let summary = format!("The Hub could not be searched{why}");
    let card = ErrorCard {
        id: 0,
        tone: Tone::Problem,
        summary: &summary,
        causes,
        hint: Some(
            "Models that are on this computer already can be used. Behind a proxy or with a \
             mirror, see Connection settings",
        ),
        remedy: Some("Try again"),
        can_close: false,
    };
    let action = card.show(ui);
    ui.add_space(theme::GAP);
    action == Some(CardAction::Remedy)
}

fn rows_ui(ui: &mut Ui, memory: Memory, hub: &mut HubState, commands: &mut Commands) {
    let HubState { results, detail, .. } = hub;
    let is_old = results.phase == Phase::Asking;
    let words = match (&results.phase, results.rows.len()) {
        (Phase::Asking, 0) => "Asking the Hub…".to_owned(),
        (Phase::Asking, _) => "Asking the Hub… these are the answers before it".to_owned(),
        (Phase::AskingMore, count) => format!("{} found; more are coming", format::count(count)),
        (_, count) if results.next.is_some() => format!("{} found so far", format::count(count)),
        // A search that failed has found nothing out, not nothing.
        (Phase::Failed(_), 0) => String::new(),
        (_, count) => format!("{} found", format::count(count)),
    };
    if !words.is_empty() {
        ui.add(Label::new(theme::muted(ui, words)).truncate());
    }
    let row_height = result::row_height(ui);
    let open = detail.as_ref().map(|detail| detail.id.as_str());
    let mut last_shown = 0;
    // What an older question found is not to be scrolled on from.
    let margin = egui::Margin { left: 0, right: 16, top: 0, bottom: 16 };
    let area = ScrollArea::vertical().id_salt("results").auto_shrink(false).content_margin(margin);
    area.show_rows(ui, row_height, results.rows.len(), |ui, range| {
        last_shown = range.end;
        for row in &results.rows[range] {
            let selected = open == Some(row.id.as_str());
            if result::row_ui(ui, row, memory, selected) {
                commands.push(ModelsCommand::ShowDetails(row.kind, row.id.clone()));
            }
        }
    });
    if !is_old && results.wants_more(last_shown) {
        commands.push(ModelsCommand::SearchMore);
    }
}

/// Nothing has the words: perhaps they were meant for something near.
fn nothing_ui(ui: &mut Ui, hub: &HubState, commands: &mut Commands) {
    let results = &hub.results;
    ui.add_space(theme::GAP_LARGE);
    ui.label(theme::title(ui, "Nothing was found"));
    if !results.near.is_empty() {
        ui.label("Did you mean one of these?");
        let kind = hub.query.kind;
        for id in &results.near {
            if ui.add(ActionButton::new(id).icon(icons::SEARCH)).clicked() {
                commands.push(ModelsCommand::ShowDetails(kind, id.clone()));
            }
        }
    } else if results.seeking_near {
        ui.label(theme::muted(ui, "Looking for names that are near…"));
    } else {
        let words = "No name on the Hub is near these words either. Fewer words or fewer filters \
                     find more";
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
}

fn known_ui(ui: &mut Ui, memory: Memory, hub: &HubState, commands: &mut Commands) {
    if hub.query.kind == RepoKind::Dataset {
        ui.add_space(theme::GAP_LARGE);
        let words = "Type what the dataset is about. Annotate reads JSON Lines, CSV or Parquet \
                     with a \"prompt\" column; Train reads JSON Lines or Parquet with \"prompt\", \
                     \"chosen\" and \"rejected\".";
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        return;
    }
    scrolled_ui(ui, "known models", |ui| {
        ui.add_space(theme::GAP_SMALL);
        ui.label(theme::title(ui, "Good to begin with"));
        let words = "All of these give the same results as in transformers. This list needs no \
                     network; search above for the rest of the Hub.";
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        ui.add_space(theme::GAP_SMALL);
        ui.spacing_mut().item_spacing.y = theme::GAP_SMALL;
        let open = hub.detail.as_ref().map(|detail| detail.id.as_str());
        for known in &KNOWN {
            if result::known_row_ui(ui, known, memory, open == Some(known.repo)) {
                commands.push(ModelsCommand::ShowDetails(RepoKind::Model, known.repo.to_owned()));
            }
        }
    });
}

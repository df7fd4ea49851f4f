//! A text and the questions about it.

use std::path::Path;

use eframe::egui::{self, CentralPanel, Frame, Label, Margin, Panel, ScrollArea, Ui};

use super::phones::phones_ui;
use super::suggesting::Suggesting;
use super::{head, items, keys, pair, questions, text};
use crate::panels::train::fields::check_ui;
use crate::state::codes::CodesState;
use crate::state::codes::item_list::{ItemList, Which};
use crate::state::codes::session::{InSight, Session, Told};
use crate::state::command::{CodesCommand, Commands, EvaluateCommand, ViewCommand};
use crate::state::prefs::PanelId;
use crate::state::room::RoomState;
use crate::study::value::Value;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{self, Tone, chip_ui};
use crate::widgets::empty_state::EmptyState;
use crate::widgets::format;
use crate::widgets::layout::{Part, Stacked};
use crate::widgets::markdown::markdown_ui;
use crate::widgets::theme::{self, icons};

/// What can be done once all is coded.
const AGREEMENT: &str = "Agreement";
const SEND_BACK: &str = "My codes, to send back…";

/// Narrower than this, in em, questions stand below the text.
const NARROW: f32 = 48.0;

pub(super) fn coding_ui(
    ui: &mut Ui,
    codes: &mut CodesState,
    suggesting: &Suggesting,
    room: &RoomState,
    commands: &mut Commands,
) {
    let CodesState { busy, session, goes_on, .. } = codes;
    let busy = *busy;
    let Some(session) = session else { return };
    let sitting = session.sitting_over(ui.input(|input| input.time));
    if sitting.is_none() {
        keys::take_keys(ui, session, *goes_on, commands);
    }
    guideline_ui(ui, session);
    items::items_ui(ui, session, commands);
    let head = |ui: &mut Ui, session: &mut Session, commands: &mut Commands| {
        head::head_ui(ui, session, suggesting, commands);
        if let Some(busy) = busy {
            ui.label(theme::muted(ui, busy));
        }
    };
    if session.slot().is_none() || sitting.is_some() {
        head(ui, session, commands);
        match sitting {
            Some(sitting) if session.slot().is_some() => sitting_over_ui(ui, sitting, commands),
            _ => all_coded_ui(ui, session, suggesting, commands),
        }
        return;
    }
    let whole = ui.available_height();
    let of_pairs = session.answers().is_some();
    let is_narrow = ui.available_width() < theme::em(ui) * NARROW;
    let least = match (of_pairs, is_narrow) {
        (true, _) => pair::least_height(ui),
        (false, true) => theme::em(ui) * 20.0,
        (false, false) => theme::em(ui) * 12.0,
    };
    let stacked = Stacked::new("coding", least, least.max(whole * 0.6));
    stacked.show(ui, |ui, part| match part {
        Part::Above => {
            head(ui, session, commands);
            ui.add_space(theme::GAP_SMALL);
        }
        Part::Rest if of_pairs => pair::pair_ui(ui, session, ui.available_height()),
        Part::Rest => text_and_questions_ui(ui, session, is_narrow),
        Part::Below => {
            ui.add_space(theme::GAP_SMALL);
            if of_pairs {
                asked_of_pair_ui(ui, session, room, whole, commands);
            } else {
                phones_ui(ui, session, room, commands);
            }
            buttons_ui(ui, session, goes_on, commands);
        }
    });
}

/// A text beside its questions, or above them.
fn text_and_questions_ui(ui: &mut Ui, session: &mut Session, is_narrow: bool) {
    let em = theme::em(ui);
    let questions = |ui: &mut Ui, session: &mut Session| {
        ScrollArea::vertical().id_salt("questions").auto_shrink(false).show(ui, |ui| {
            questions_ui(ui, session);
        });
    };
    if is_narrow {
        // One below the other: the text keeps nearly half.
        let most = ui.available_height() * 0.45;
        text::text_ui(ui, session, most);
        ui.add_space(theme::GAP_SMALL);
        questions(ui, session);
        return;
    }
    let width = (ui.available_width() * 0.42).clamp(em * 20.0, em * 34.0);
    Panel::right("questions")
        .resizable(false)
        .exact_size(width)
        .show_separator_line(false)
        .frame(Frame::new().inner_margin(Margin { left: 12, ..Margin::ZERO }))
        .show(ui, |ui| questions(ui, session));
    CentralPanel::no_frame().show(ui, |ui| {
        let height = ui.available_height();
        text::text_ui(ui, session, height);
    });
}

/// What is asked about the two answers, in a panel of this height.
fn asked_of_pair_ui(
    ui: &mut Ui,
    session: &mut Session,
    room: &RoomState,
    whole: f32,
    commands: &mut Commands,
) {
    let em = theme::em(ui);
    let is_low = whole < em * 34.0;
    if let Some(told) = session.told.clone() {
        told_ui(ui, session, &told);
    }
    phones_ui(ui, session, room, commands);
    for place in pair::of_better(session) {
        pair::better_ui(ui, session, place, is_low, commands);
    }
    let others = pair::others(session);
    if !others.is_empty() {
        let most = (whole * 0.35).max(em * 5.0);
        let area = ScrollArea::vertical().id_salt("other questions").max_height(most);
        area.show(ui, |ui| {
            for place in others {
                ui.push_id(("question", place), |ui| {
                    questions::question_ui(ui, session, place);
                });
            }
        });
    }
}

/// The sitting has lasted as long as the study lets it.
fn sitting_over_ui(ui: &mut Ui, (items, minutes): (usize, f64), commands: &mut Commands) {
    let items = if items == 1 { "1 verdict".to_owned() } else { format!("{items} verdicts") };
    let sentence = format!(
        "You gave {items} in {}. The study ends a sitting here, so that tiredness does not decide. \
         Take a break; everything is kept.",
        format::duration((minutes * 60.0).round())
    );
    let empty = EmptyState {
        icon: icons::DONE,
        title: "Enough for one sitting",
        sentence: &sentence,
        actions: &["Close the study", "Begin another sitting"],
    };
    match empty.show(ui) {
        Some(0) => commands.push(CodesCommand::Close),
        Some(_) => commands.push(CodesCommand::SitAgain),
        None => {}
    }
}

fn questions_ui(ui: &mut Ui, session: &mut Session) {
    if let Some(told) = session.told.clone() {
        told_ui(ui, session, &told);
    }
    let suggested = session.suggestion();
    if !suggested.is_empty() && session.told.is_none() {
        ui.horizontal_wrapped(|ui| {
            for (name, value) in &suggested {
                let words = format!("The model suggests for {name}: {}", value.shown());
                chip_ui(ui, Tone::Info, None, &words);
            }
        });
    }
    questions::questions_ui(ui, session);
}

/// What is right, or what a model says, after the verdict.
fn told_ui(ui: &mut Ui, session: &mut Session, told: &Told) {
    let p = theme::palette(ui);
    let frame = card::frame(ui).fill(p.info_soft);
    let drawn = frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        match told {
            Told::Training(rows) => {
                for (name, said, right) in rows {
                    let is_right = said.as_ref() == Some(right);
                    let shown = |value: &Value| session.shown_value(name, value);
                    let words = if is_right {
                        format!("{name}: {} is right", shown(right))
                    } else {
                        let said = said.as_ref();
                        let said = said.map(|said| format!(", and you said {}", shown(said)));
                        format!("{name}: {} is right{}", shown(right), said.unwrap_or_default())
                    };
                    ui.horizontal_top(|ui| {
                        let (icon, ink) = if is_right {
                            (icons::DONE, p.chosen)
                        } else {
                            (icons::PROBLEM, p.rejected)
                        };
                        card::decoration_ui(ui, theme::icon(ui, icon).color(ink));
                        ui.add(Label::new(theme::strong(ui, words)).wrap());
                    });
                }
                if let Some(item) = session.item().filter(|item| !item.feedback.is_empty()) {
                    ui.add(Label::new(&item.feedback).wrap());
                }
                ui.add(Label::new(theme::muted(ui, "This was training. Enter goes on")).wrap());
            }
            Told::Suggestion(rows) => {
                for (name, value) in rows {
                    let value = session.shown_value(name, value);
                    let words = format!("The model says of {name}: {value}");
                    ui.add(Label::new(theme::strong(ui, words)).wrap());
                }
                let words = "Your code is kept. Change it if you want to; Enter goes on";
                ui.add(Label::new(theme::muted(ui, words)).wrap());
            }
        }
    });
    if session.draft.in_sight != Some(InSight::Told) {
        // The last question may be far below it.
        drawn.response.scroll_to_me(None);
        session.draft.in_sight = Some(InSight::Told);
    }
    ui.add_space(theme::GAP_SMALL);
}

fn buttons_ui(ui: &mut Ui, session: &mut Session, goes_on: &mut bool, commands: &mut Commands) {
    let obstacle = if session.told.is_some() { None } else { session.obstacle() };
    ui.horizontal_wrapped(|ui| {
        let back = ActionButton::new("Back").icon(icons::BACK).shortcut("Backspace");
        if back.add_enabled(ui, session.can_go_back()).accessible_name("Back (Backspace)").clicked()
        {
            commands.push(CodesCommand::Back);
        }
        let next = ActionButton::primary("Next").icon(icons::NEXT).shortcut("Enter");
        let next = next.add_enabled(ui, obstacle.is_none()).accessible_name("Next (Enter)");
        if next.on_disabled_hover_text(obstacle.clone().unwrap_or_default()).clicked() {
            commands.push(CodesCommand::Give);
        }
        let list = ActionButton::quiet("List").shortcut("L");
        let hint = "All your items with what you said of them, to go to any of them";
        if ui.add(list).on_hover_text(hint).clicked() {
            session.list = Some(ItemList::of(session, Which::default()));
        }
        let undo = ActionButton::quiet("Undo").shortcut("U");
        let undo = undo.add_enabled(ui, session.coder().can_undo()).accessible_name("Undo (U)");
        if undo.on_disabled_hover_text("There is nothing to undo").clicked() {
            commands.push(CodesCommand::Undo);
        }
        let redo = ActionButton::quiet("Redo").shortcut("Ctrl+Y");
        let redo =
            redo.add_enabled(ui, session.coder().can_redo()).accessible_name("Redo (Ctrl+Y)");
        if redo.on_disabled_hover_text("Nothing was taken back").clicked() {
            commands.push(CodesCommand::Redo);
        }
        let flag = if session.draft.flagged { "Flagged" } else { "Flag" };
        let flag = ActionButton::quiet(flag).shortcut("F");
        let hint = "Marks the item, so that you can discuss it later";
        if ui.add(flag).on_hover_text(hint).clicked() {
            session.draft.flagged = !session.draft.flagged;
        }
        let reason = ActionButton::quiet("Reason").shortcut("R");
        if ui.add(reason).on_hover_text("Why it is coded so, in your words").clicked() {
            session.draft.reason_open = !session.draft.reason_open;
        }
        let last = session.variables().last();
        if session.answers().is_none() && last.is_some_and(|last| last.kind.is_one_label()) {
            let hint = "The key of the last question's label keeps the codes and shows the next item: no \
                        Enter has to follow. U takes it back";
            check_ui(ui, goes_on, "Go on by itself", hint);
        }
    });
    if session.draft.reason_open {
        let field = egui::TextEdit::singleline(&mut session.draft.reason)
            .id_salt("reason")
            .desired_width(f32::INFINITY)
            .hint_text("Why?");
        let field = ui.add(field).accessible_name("Reason");
        if std::mem::take(&mut session.draft.wants_reason) {
            field.request_focus();
        }
    }
    // Of two answers alone, the buttons say what is missing.
    let is_plain = session.answers().is_some() && session.variables().len() == 1;
    if let Some(obstacle) = obstacle.filter(|_| !is_plain) {
        ui.add(Label::new(theme::muted(ui, obstacle)).wrap());
    }
    if session.break_due(ui.input(|input| input.time)) {
        ui.horizontal_wrapped(|ui| {
            let words = "You have coded for a long time. A break keeps the codes good";
            ui.add(Label::new(theme::strong(ui, words)).wrap());
            if ui.add(ActionButton::new("I am back from my break")).clicked() {
                session.working_since = ui.input(|input| input.time);
            }
        });
    }
}

fn all_coded_ui(ui: &mut Ui, session: &Session, suggesting: &Suggesting, commands: &mut Commands) {
    let from = &session.folder.study.source.evaluation;
    let is_it = |folder: &Path| folder.file_name().is_some_and(|name| name == from.as_str());
    let evaluation = suggesting.iter().map(|(_, folder)| folder).find(|folder| is_it(folder));
    let (title, sentence) = if session.folder.is_of_pairs() {
        (
            "Every pair is judged",
            "Look at how far you agree with the others and with yourself, export the pairs, or send \
             your verdicts back to whoever sent you the pairs. Backspace shows the last pair once \
             more.",
        )
    } else {
        (
            "Every text is coded",
            "Look at how far you agree with the others, or send your codes back to whoever sent \
             you the texts. Backspace shows the last text once more.",
        )
    };
    let back = format!(
        "The texts are from the evaluation “{from}”: with your labels its report says how far the model agrees \
         with people, and corrects what it says of all texts. {sentence}"
    );
    let (sentence, actions): (&str, &[&str]) = match evaluation {
        Some(_) => (&back, &["Labels into the evaluation", AGREEMENT, SEND_BACK]),
        None => (sentence, &[AGREEMENT, SEND_BACK]),
    };
    let empty = EmptyState { icon: icons::DONE, title, sentence, actions };
    match (empty.show(ui).map(|place| actions[place]), evaluation) {
        (Some(AGREEMENT), _) => commands.push(CodesCommand::Agreement),
        (Some(SEND_BACK), _) => commands.push(CodesCommand::ExportCodes),
        (Some(_), Some(folder)) => {
            let (folder, study) = (folder.clone(), session.folder.path.clone());
            commands.push(ViewCommand::ShowPanel(PanelId::Evaluate));
            commands.push(EvaluateCommand::TakeLabels { folder, study });
        }
        _ => {}
    }
}

/// The guideline and the labels, over everything else.
fn guideline_ui(ui: &Ui, session: &mut Session) {
    if !session.guideline_open {
        return;
    }
    let codebook = &session.folder.study.codebook;
    let text = crate::study::forms::codebook_markdown::for_coders(codebook);
    let modal = egui::Modal::new(egui::Id::unique("guideline")).frame(card::frame(ui));
    let modal = modal.show(ui.ctx(), |ui| {
        let room = ui.ctx().content_rect();
        ui.set_width((theme::em(ui) * 44.0).min(room.width() - 96.0));
        // Before anything is in it: what follows begins where this puts it.
        ui.set_height((room.height() - 130.0).max(theme::em(ui) * 10.0));
        let mut closes = false;
        egui::Sides::new().show(
            ui,
            |ui| ui.label(theme::title(ui, "Guideline")),
            |ui| {
                closes =
                    ui.add(ActionButton::only_icon(icons::CLOSE, "Close the guideline")).clicked();
            },
        );
        ui.add_space(theme::GAP);
        markdown_ui(ui, "guideline", &text, |_| false);
        closes
    });
    if modal.should_close() || modal.inner {
        session.guideline_open = false;
    }
}

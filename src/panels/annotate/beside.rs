//! What can be said beside the verdict: by how much, by which criteria, why, and what the person would
//! have answered.

use eframe::egui::{Key, Label, TextEdit, Ui};

use super::verdicts::judge;
use crate::data::judging::Criterion;
use crate::data::pair::Verdict;
use crate::data::remarks::{From, Strength};
use crate::state::annotate::draft::{Draft, Field};
use crate::state::annotate::{AnnotateState, Side};
use crate::state::command::{AnnotateCommand, Commands};
use crate::state::slots::Surroundings;
use crate::widgets::button::{ActionButton, Weight};
use crate::widgets::right_to_left::lay_out_field;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme::{self, icons};

/// The keys of the criteria, in their order: the lowest row of letters from C on.
pub(super) const CRITERIA: [(Key, &str); 5] =
    [(Key::C, "C"), (Key::V, "V"), (Key::B, "B"), (Key::N, "N"), (Key::M, "M")];

/// In place of the verdicts: by how much is the answer better?
pub(super) fn strength_ui(
    ui: &mut Ui,
    annotate: &mut AnnotateState,
    side: Verdict,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let name = if side == Verdict::Left { "left" } else { "right" };
    ui.add(Label::new(theme::strong(ui, format!("How much better is the {name} answer?"))).wrap());
    ui.horizontal_wrapped(|ui| {
        for (at, strength) in Strength::ALL.into_iter().enumerate() {
            let key = (at + 1).to_string();
            let button = ActionButton::primary(strength.words()).shortcut(&key);
            let name = format!("{} ({key})", strength.words());
            if ui.add(button).accessible_name(name).clicked() {
                annotate.draft.strength = Some(strength);
                judge(annotate, side, around, commands);
            }
        }
        let other = ActionButton::quiet("Another verdict").shortcut("Esc");
        if ui.add(other).clicked() {
            annotate.draft.side = None;
        }
    });
}

/// The row of buttons: back and forward, the list, the flag, the reason, an answer of one's own, the
/// criteria.
pub(super) fn beside_ui(ui: &mut Ui, annotate: &mut AnnotateState, commands: &mut Commands) {
    ui.horizontal_wrapped(|ui| {
        places_ui(ui, annotate, commands);
        let flagged = annotate.draft.flagged;
        let weight = if flagged { Weight::Primary } else { Weight::Quiet };
        let words = if flagged { "Flagged" } else { "Flag" };
        let flag = ui.add(ActionButton::new(words).weight(weight).shortcut("F"));
        if flag.on_hover_text("Marks the pair, so that you can discuss it later").clicked() {
            annotate.draft.flagged = !flagged;
        }
        let has_reason = !annotate.draft.reason.trim().is_empty();
        let words = if has_reason { "Reason given…" } else { "Reason…" };
        let reason = ui.add(ActionButton::quiet(words).shortcut("R")).accessible_name("Reason (R)");
        if reason.on_hover_text("Why you decide like this, in your own words").clicked() {
            open(&mut annotate.draft, Field::Reason);
        }
        if annotate.ranking().is_none() {
            let has_own = annotate.draft.written.is_some();
            let words = if has_own { "Own answer written…" } else { "Own answer…" };
            let hint = "Edit an answer, or write one: it becomes chosen";
            let own = ui.add_enabled(
                annotate.pair_key().is_some(),
                ActionButton::quiet(words).shortcut("A"),
            );
            let own = own.accessible_name("Own answer (A)").on_hover_text(hint);
            if own.on_disabled_hover_text("The answers are not there yet").clicked() {
                write_own(annotate);
            }
            criteria_ui(ui, annotate);
        }
    });
    match annotate.draft.open {
        Some(Field::Reason) => reason_ui(ui, &mut annotate.draft),
        Some(Field::Written) => written_ui(ui, annotate),
        None => {}
    }
}

fn places_ui(ui: &mut Ui, annotate: &mut AnnotateState, commands: &mut Commands) {
    let back = annotate.neighbour(false);
    let button = ActionButton::only_icon(icons::BACK, "The prompt before (Backspace)");
    if ui.add_enabled(back.is_some(), button).clicked()
        && let Some(position) = back
    {
        commands.push(AnnotateCommand::GoTo(position));
    }
    let next = annotate.neighbour(true);
    let button = ActionButton::only_icon(icons::NEXT, "The next prompt (Page Down)");
    if ui.add_enabled(next.is_some(), button).clicked()
        && let Some(position) = next
    {
        commands.push(AnnotateCommand::GoTo(position));
    }
    let list = ActionButton::quiet("List").shortcut("L");
    if ui.add(list).on_hover_text("All prompts of the queue and their verdicts").clicked() {
        annotate.lists = true;
    }
}

/// Opens a field, or closes it.
pub(super) fn open(draft: &mut Draft, field: Field) {
    draft.open = (draft.open != Some(field)).then_some(field);
}

/// An answer of the person's own, which begins as the left one.
pub(super) fn write_own(annotate: &mut AnnotateState) {
    if annotate.draft.written.is_some() {
        open(&mut annotate.draft, Field::Written);
    } else {
        let text = annotate.answer(Side::Left).text.clone();
        annotate.draft.write_from(From::Left, &text);
    }
}

fn criteria_ui(ui: &mut Ui, annotate: &mut AnnotateState) {
    let AnnotateState { judging, draft, .. } = annotate;
    for (at, (criterion, (_, key))) in judging.criteria.iter().zip(CRITERIA).enumerate() {
        let name = criterion.name.trim();
        let asked = draft.focus.filter(|focus| focus.criterion == at);
        let said = match (asked, draft.ratings.get(name)) {
            (Some(focus), _) => match (criterion.points, focus.left) {
                (None, _) => "1 left · 2 right · 3 equal".to_owned(),
                (Some(most), None) => format!("A: 1 to {most}"),
                (Some(most), Some(left)) => format!("A: {left} · B: 1 to {most}"),
            },
            (None, Some(rating)) => rating.shown(),
            (None, None) => "–".to_owned(),
        };
        let words = format!("{name}: {said}");
        let weight = if asked.is_some() { Weight::Primary } else { Weight::Quiet };
        let button = ui.add(ActionButton::new(&words).weight(weight).shortcut(key));
        if button.on_hover_text(hint(criterion)).clicked() {
            draft.ask(at);
        }
    }
    // For the mouse: what the digits would say.
    let Some(focus) = draft.focus else { return };
    let Some(criterion) = judging.criteria.get(focus.criterion) else { return };
    let most = criterion.points.unwrap_or(3);
    for digit in 1..=most {
        let words = match (criterion.points, digit) {
            (Some(_), digit) => digit.to_string(),
            (None, 1) => "Left".to_owned(),
            (None, 2) => "Right".to_owned(),
            (None, _) => "Equal".to_owned(),
        };
        if ui.add(ActionButton::new(&words)).clicked() {
            draft.digit(digit, &judging.criteria);
        }
    }
}

fn hint(criterion: &Criterion) -> String {
    match criterion.points {
        None => "Which of the two is better by this criterion".to_owned(),
        Some(most) => format!("1 to {most} points for the left answer, then for the right one"),
    }
}

fn reason_ui(ui: &mut Ui, draft: &mut Draft) {
    let field = TextEdit::singleline(&mut draft.reason)
        .desired_width(f32::INFINITY)
        .hint_text("Why you decide like this. Enter closes the field");
    let field = ui.add(field).accessible_name("Reason");
    focus_opened(ui, &field);
    if field.lost_focus() {
        draft.open = None;
    }
}

/// A field has the cursor when it is opened, and is in sight.
fn focus_opened(ui: &Ui, field: &eframe::egui::Response) {
    let id = field.id.with("was open");
    let frame = ui.ctx().cumulative_frame_nr();
    // When it was drawn last, and when it was opened.
    let before: Option<(u64, u64)> = ui.data(|data| data.get_temp(id));
    let opened = match before {
        Some((drawn, opened)) if drawn + 1 >= frame => opened,
        _ => frame,
    };
    ui.data_mut(|data| data.insert_temp(id, (frame, opened)));
    if opened == frame {
        field.request_focus();
    }
    // The panel may find out only now that it has too little room, and scroll from then on.
    if frame < opened + 3 {
        field.scroll_to_me(None);
        ui.ctx().request_repaint();
    }
}

fn written_ui(ui: &mut Ui, annotate: &mut AnnotateState) {
    let Some(mut written) = annotate.draft.written.clone() else { return };
    let mut closes = false;
    ui.horizontal_wrapped(|ui| {
        ui.label(theme::muted(ui, "Begin with"));
        let segments = [
            (From::Left, "Left answer"),
            (From::Right, "Right answer"),
            (From::Nothing, "Nothing"),
        ]
        .map(|(value, words)| Segment { value, words, explanation: "What you write from" });
        if segmented_ui(ui, &mut written.from, &segments) {
            written.text = match written.from {
                From::Left => annotate.answer(Side::Left).text.clone(),
                From::Right => annotate.answer(Side::Right).text.clone(),
                From::Nothing => String::new(),
            };
        }
        closes = ui.add(ActionButton::new("Done").shortcut("Esc")).clicked();
        if ui.add(ActionButton::quiet("Remove")).clicked() {
            (closes, written.text) = (true, String::new());
        }
    });
    let mut layouter = lay_out_field;
    let field = TextEdit::multiline(&mut written.text)
        .layouter(&mut layouter)
        .desired_width(f32::INFINITY)
        .desired_rows(4)
        .hint_text("The answer that you would have liked");
    let area = eframe::egui::ScrollArea::vertical().id_salt("own answer");
    area.max_height(theme::em(ui) * 8.0).show(ui, |ui| {
        let field = ui.add(field).accessible_name("Own answer");
        focus_opened(ui, &field);
    });
    let is_empty = written.text.trim().is_empty();
    annotate.draft.written = (!closes || !is_empty).then_some(written);
    if closes {
        annotate.draft.open = None;
    }
}

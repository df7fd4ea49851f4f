//! The questions about a text, each with its labels and their keys.

use eframe::egui::{Frame, Key, Label, Margin, Modifiers, Sense, Stroke, TextEdit, Ui};

use crate::state::codes::key::{DONT_KNOW, keys_of};
use crate::state::codes::session::{InSight, Session};
use crate::study::value::Value;
use crate::study::variable::{Kind, Variable};
use crate::widgets::button::{ActionButton, Weight};
use crate::widgets::theme;

pub(super) fn questions_ui(ui: &mut Ui, session: &mut Session) {
    for place in 0..session.variables().len() {
        ui.push_id(("question", place), |ui| question_ui(ui, session, place));
        ui.add_space(theme::GAP_SMALL);
    }
}

pub(super) fn question_ui(ui: &mut Ui, session: &mut Session, place: usize) {
    let p = theme::palette(ui);
    let in_front = session.draft.question == place;
    let variable = session.variables()[place].clone();
    let several = session.variables().len() > 1;
    // The question that keys answer has the outline of what has the focus.
    let line = if in_front && several { (2.0, p.accent) } else { (theme::HAIRLINE, p.line) };
    let frame = Frame::new()
        .fill(p.card)
        .stroke(Stroke::new(line.0, line.1))
        .corner_radius(theme::CARD_RADIUS)
        .inner_margin(Margin::same(10));
    let drawn = frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        let asked = if variable.question.is_empty() { &variable.name } else { &variable.question };
        let asked = Label::new(theme::strong(ui, asked)).wrap().sense(Sense::click());
        if ui.add(asked).clicked() {
            session.draft.question = place;
        }
        if variable.kind == Kind::Choices {
            ui.label(theme::muted(ui, "All that fit; Enter with none says that none fits").small());
        }
        match variable.kind {
            Kind::Number | Kind::Text => field_ui(ui, session, place, &variable),
            Kind::Spans => {
                let hint = "Mark words with ← → (Shift for more) or by clicking, then give a label";
                ui.add(Label::new(theme::muted(ui, hint).small()).wrap());
                labels_ui(ui, session, place, &variable, in_front);
            }
            Kind::Choice | Kind::Choices | Kind::Scale | Kind::Better => {
                labels_ui(ui, session, place, &variable, in_front);
            }
        }
        dont_know_ui(ui, session, place, &variable, in_front);
    });
    let (here, in_sight) = (Some(InSight::Question(place)), session.draft.in_sight);
    if in_front && in_sight != here && session.told.is_none() {
        // Whoever answers by keys has no hand at the scroll bar.
        drawn.response.scroll_to_me(None);
        session.draft.in_sight = here;
    } else if !in_front && in_sight == here {
        session.draft.in_sight = None;
    }
}

fn field_ui(ui: &mut Ui, session: &mut Session, place: usize, variable: &Variable) {
    let typed = &mut session.draft.typed[place];
    let field = if variable.kind == Kind::Number {
        TextEdit::singleline(typed).desired_width(theme::em(ui) * 8.0)
    } else {
        TextEdit::multiline(typed).desired_width(f32::INFINITY).desired_rows(2)
    };
    let field = ui.add(field).accessible_name(format!("Answer to {}", variable.name));
    if field.gained_focus() {
        session.draft.question = place;
    }
    if field.changed() && session.draft.values[place] == Some(Value::DontKnow) {
        session.draft.values[place] = None;
    }
    if session.draft.question == place && std::mem::take(&mut session.draft.wants_field) {
        field.request_focus();
    }
    // Out of a field that has no second line to go to.
    let is_one_line = variable.kind == Kind::Number || session.draft.typed[place].is_empty();
    if field.has_focus() && is_one_line {
        let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
        for (key, by) in [(Key::ArrowDown, 1), (Key::ArrowUp, -1)] {
            if pressed(key) {
                field.surrender_focus();
                session.move_question(by);
            }
        }
    }
}

fn labels_ui(
    ui: &mut Ui,
    session: &mut Session,
    place: usize,
    variable: &Variable,
    in_front: bool,
) {
    let labels = variable.labels();
    let keys = keys_of(&labels);
    let is_row = variable.kind == Kind::Scale || variable.kind == Kind::Spans;
    let has_words = variable.classes.iter().any(|class| !class.definition.trim().is_empty());
    let mut draw = |ui: &mut Ui| {
        for (index, (label, key)) in labels.iter().zip(&keys).enumerate() {
            let on = match &session.draft.values[place] {
                Some(Value::Words(chosen)) => chosen == label,
                Some(Value::Labels(chosen)) => chosen.contains(label),
                _ => false,
            };
            let class = variable.classes.get(index);
            let about = class.map(|class| class.definition.trim()).unwrap_or_default();
            let shortcut = key.filter(|_| in_front).map(|key| key.to_uppercase().to_string());
            let mut button = ActionButton::new(label);
            if on {
                button = button.weight(Weight::Primary);
            }
            if let Some(shortcut) = &shortcut {
                button = button.shortcut(shortcut);
            }
            let name = format!("{}: {label}{}", variable.name, if on { ", chosen" } else { "" });
            let button = ui.add(button).accessible_name(name).on_hover_text(about);
            if button.clicked() {
                session.draft.question = place;
                session.choose(label);
            }
            if !is_row && has_words && !about.is_empty() {
                ui.add(Label::new(theme::muted(ui, about).small()).wrap());
            }
        }
    };
    if is_row || !has_words {
        ui.horizontal_wrapped(draw);
    } else {
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 3.0;
            draw(ui);
        });
    }
}

fn dont_know_ui(
    ui: &mut Ui,
    session: &mut Session,
    place: usize,
    variable: &Variable,
    in_front: bool,
) {
    if variable.must_decide {
        return;
    }
    let on = session.draft.values[place] == Some(Value::DontKnow);
    let mut button = ActionButton::quiet("Don't know");
    if on {
        button = button.weight(Weight::Primary);
    }
    // In a field it is a digit.
    let key =
        if session.types_in(place) { format!("Esc {DONT_KNOW}") } else { DONT_KNOW.to_string() };
    if in_front {
        button = button.shortcut(&key);
    }
    let name = format!("{}: don't know{}", variable.name, if on { ", chosen" } else { "" });
    let hint = "An answer of its own, kept apart from no answer";
    if ui.add(button).accessible_name(name).on_hover_text(hint).clicked() {
        session.draft.question = place;
        session.do_not_know();
    }
}

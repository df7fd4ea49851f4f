//! The rows of the setup form: a name with its explanation, a control, and under it what is wrong
//! with its value.

use std::ops::RangeInclusive;

use eframe::egui::emath::Numeric;
use eframe::egui::{
    Align, Button, ComboBox, DragValue, Label, Layout, Response, RichText, Sense, TextStyle,
    TextWrapMode, Ui, Vec2, WidgetText,
};

use crate::train::config::ConfigProblem;
use crate::widgets::card::decoration_ui;
use crate::widgets::slider_row::parser;
use crate::widgets::theme::{self, icons};

/// The problems of the form, by field.
pub struct Problems(pub Vec<ConfigProblem>);

impl Problems {
    /// What is wrong with a field, under its row.
    pub fn show(&self, ui: &mut Ui, field: &str) {
        for problem in self.0.iter().filter(|problem| problem.field == field) {
            problem_ui(ui, &problem.message);
        }
    }

    /// The same with the field's name, where the row does not stand right above.
    pub fn show_named(&self, ui: &mut Ui, field: &str) {
        for problem in self.0.iter().filter(|problem| problem.field == field) {
            problem_ui(ui, &format!("{field}: {}", problem.message));
        }
    }
}

/// A sentence that says what is wrong, with its sign.
pub fn problem_ui(ui: &mut Ui, message: &str) {
    let p = theme::palette(ui);
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = theme::GAP_SMALL;
        decoration_ui(ui, theme::icon(ui, icons::PROBLEM).color(p.problem));
        ui.add(Label::new(RichText::new(message).small().color(p.problem)).wrap());
    });
}

/// The title of a group of rows.
pub fn section_ui(ui: &mut Ui, title: &str) {
    ui.add_space(theme::GAP);
    let text = theme::title(ui, title).size(theme::em(ui) * 1.05);
    ui.add(Label::new(text).selectable(false));
}

/// A name on the left, `control` on the right.
pub fn row_ui<R>(
    ui: &mut Ui,
    name: &str,
    explanation: &str,
    control: impl FnOnce(&mut Ui) -> R,
) -> R {
    let height = ui.spacing().interact_size.y;
    let row = ui.horizontal(|ui| {
        ui.set_min_height(height);
        let label = Label::new(name).selectable(false).sense(Sense::hover());
        ui.add(label).on_hover_text(explanation);
        ui.with_layout(Layout::right_to_left(Align::Center), control).inner
    });
    row.inner
}

/// A name and a number field.
pub fn number_row_ui<Num: Numeric>(
    ui: &mut Ui,
    name: &str,
    explanation: &str,
    value: &mut Num,
    range: RangeInclusive<Num>,
) -> Response {
    row_ui(ui, name, explanation, |ui| number_ui(ui, name, value, range).on_hover_text(explanation))
}

/// A number field of the form's usual width. It says its name to a screen reader.
pub fn number_ui<Num: Numeric>(
    ui: &mut Ui,
    name: &str,
    value: &mut Num,
    range: RangeInclusive<Num>,
) -> Response {
    let size = Vec2::new(theme::em(ui) * 4.6, ui.spacing().interact_size.y);
    let span = range.end().to_f64() - range.start().to_f64();
    let mut field = DragValue::new(value).range(range).custom_parser(parser::<Num>());
    field = if Num::INTEGRAL { field.speed(0.1) } else { field.speed((span / 400.0).min(0.01)) };
    ui.add_sized(size, field).accessible_name(name)
}

/// A list of names of which one is chosen.
pub fn choice_ui<T: Copy + PartialEq>(
    ui: &mut Ui,
    name: &str,
    chosen: &mut T,
    choices: &[(&'static str, T)],
    explanation: &str,
) {
    let shown = choices.iter().find(|(_, known)| known == chosen).map_or("", |(name, _)| *name);
    let combo = ComboBox::from_id_salt(name)
        .selected_text(shown)
        .width(choice_width(ui))
        .truncate()
        .show_ui(ui, |ui| {
            for (name, choice) in choices {
                ui.selectable_value(chosen, *choice, *name);
            }
        });
    combo.response.accessible_name(name).on_hover_text(explanation);
}

/// How wide a list is: no wider than what the name in front of it leaves.
pub fn choice_width(ui: &Ui) -> f32 {
    (theme::em(ui) * 12.0).min(ui.available_width())
}

/// A check box with its explanation.
pub fn check_ui(ui: &mut Ui, on: &mut bool, name: &str, explanation: &str) -> Response {
    // What is drawn within a scope is not moved to the next row by itself.
    let spacing = ui.spacing();
    let (box_width, gap) = (spacing.icon_width + spacing.icon_spacing, spacing.item_spacing.x);
    let text = WidgetText::from(name);
    let text = text.into_galley(ui, Some(TextWrapMode::Extend), f32::INFINITY, TextStyle::Button);
    let has_neighbour = ui.cursor().left() > ui.max_rect().left() + 1.0;
    let room = ui.available_size_before_wrap().x;
    if ui.layout().main_wrap && has_neighbour && room < box_width + text.size().x + gap {
        ui.end_row();
    }
    outlined(ui, |ui| ui.checkbox(on, name)).on_hover_text(explanation)
}

pub fn radio_ui(ui: &mut Ui, on: bool, name: &str) -> Response {
    outlined(ui, |ui| ui.radio(on, name))
}

/// An empty box or circle is only its outline: it must be seen.
fn outlined(ui: &mut Ui, add: impl FnOnce(&mut Ui) -> Response) -> Response {
    let p = theme::palette(ui);
    let scope = ui.scope(|ui| {
        let inactive = &mut ui.visuals_mut().widgets.inactive;
        inactive.bg_stroke.color = p.outline;
        inactive.bg_fill = p.field;
        add(ui)
    });
    scope.inner
}

/// A small button that belongs to a row.
pub fn small_button_ui(ui: &mut Ui, words: &str, explanation: &str) -> bool {
    ui.add(Button::new(RichText::new(words).small())).on_hover_text(explanation).clicked()
}

//! A setting: its name with an explanation on hover, a slider, a number field. One line.

use std::ops::RangeInclusive;

use eframe::egui;
use eframe::egui::emath::Numeric;
use eframe::egui::{DragValue, Label, Response, RichText, Sense, Slider, SliderClamping, Ui, Vec2};

use super::theme;

/// A setting that can be dragged or typed.
#[must_use = "show it with `show`"]
pub struct SliderRow<'a> {
    name: &'a str,
    explanation: &'a str,
    range: RangeInclusive<f64>,

    /// What may be typed, where that is more than the slider spans.
    limits: Option<RangeInclusive<f64>>,
    decimals: usize,
    logarithmic: bool,
    scientific: bool,
    enabled: bool,
    off_at: Option<f64>,
}

impl<'a> SliderRow<'a> {
    /// `explanation`: what it does, in one plain sentence.
    pub fn new(name: &'a str, explanation: &'a str, range: RangeInclusive<f64>) -> Self {
        Self {
            name,
            explanation,
            range,
            limits: None,
            decimals: 2,
            logarithmic: false,
            scientific: false,
            enabled: true,
            off_at: None,
        }
    }

    pub fn limits(self, limits: RangeInclusive<f64>) -> Self {
        Self { limits: Some(limits), ..self }
    }

    pub fn decimals(self, decimals: usize) -> Self {
        Self { decimals, ..self }
    }

    pub fn logarithmic(self) -> Self {
        Self { logarithmic: true, ..self }
    }

    /// Shown as `5e-5`. For learning rates.
    pub fn scientific(self) -> Self {
        Self { scientific: true, logarithmic: true, ..self }
    }

    pub fn enabled(self, enabled: bool) -> Self {
        Self { enabled, ..self }
    }

    /// The value at which the setting does nothing; the name is greyed there.
    pub fn off_at(self, value: f64) -> Self {
        Self { off_at: Some(value), ..self }
    }

    /// Draws it. The response says whether the value changed.
    pub fn show<Num: Numeric>(self, ui: &mut Ui, value: &mut Num) -> Response {
        let p = theme::palette(ui);
        let em = theme::em(ui);
        let row_height = ui.spacing().interact_size.y;
        let is_off = self.off_at.is_some_and(|off| (value.to_f64() - off).abs() < 1e-9);
        let name = RichText::new(self.name).color(if is_off { p.muted } else { p.text });
        let width = ui.available_width();
        let number_width = em * 4.6;
        let gaps = ui.spacing().item_spacing.x * 2.0;
        let needed = {
            let font = egui::TextStyle::Body.resolve(ui.style());
            ui.painter().layout_no_wrap(self.name.to_owned(), font, p.text).size().x
        };
        // In a column, names that fit stand above each other, and so do the sliders.
        let name_width = (width * 0.42).clamp(em * 5.0, em * 11.5).max(needed);
        let slider_width = width - name_width - number_width - gaps;
        let label = |ui: &mut Ui, width: f32| {
            let size = Vec2::new(width, row_height);
            let layout = egui::Layout::left_to_right(egui::Align::Center);
            ui.allocate_ui_with_layout(size, layout, |ui| {
                ui.set_min_width(width);
                let label = Label::new(name).truncate().selectable(false).sense(Sense::hover());
                ui.add(label).on_hover_text(self.explanation);
            });
        };
        let scope = ui.add_enabled_ui(self.enabled, |ui| {
            if slider_width >= em * 4.0 {
                let row = ui.horizontal(|ui| {
                    label(ui, name_width);
                    let slider = self.slider_ui(ui, value, slider_width, is_off);
                    slider.union(self.number_ui(ui, value, Vec2::new(number_width, row_height)))
                });
                return row.inner;
            }
            // No room for all three in a line: the slider goes under its name and its number.
            let row = ui.horizontal(|ui| {
                label(ui, width - number_width - gaps / 2.0);
                self.number_ui(ui, value, Vec2::new(number_width, row_height))
            });
            row.inner.union(self.slider_ui(ui, value, width, is_off))
        });
        scope.inner
    }

    fn slider_ui<Num: Numeric>(
        &self,
        ui: &mut Ui,
        value: &mut Num,
        width: f32,
        is_off: bool,
    ) -> Response {
        let p = theme::palette(ui);
        let em = theme::em(ui);
        let slider = ui.scope(|ui| {
            let visuals = ui.visuals_mut();
            visuals.selection.bg_fill = if is_off { p.outline } else { p.accent };
            visuals.widgets.inactive.bg_fill = p.raised_press;
            visuals.widgets.inactive.fg_stroke.color = p.accent;
            ui.spacing_mut().slider_width = width;
            // The handle takes its size from here.
            ui.spacing_mut().interact_size.y = em * 1.2;
            let slider = Slider::new(value, num_range(&self.range))
                .logarithmic(self.logarithmic)
                .smallest_positive(1e-8)
                .clamping(SliderClamping::Edits)
                .max_decimals(self.decimals)
                .show_value(false);
            ui.add(slider)
        });
        slider.inner.accessible_name(self.name).on_hover_text(self.explanation)
    }

    fn number_ui<Num: Numeric>(&self, ui: &mut Ui, value: &mut Num, size: Vec2) -> Response {
        let limits = self.limits.as_ref().unwrap_or(&self.range);
        let speed = (self.range.end() - self.range.start()) / 400.0;
        let mut number = DragValue::new(value)
            .range(num_range::<Num>(limits))
            .speed(speed)
            .fixed_decimals(self.decimals)
            .custom_parser(parser::<Num>());
        if self.scientific {
            number = number
                .speed(limits.start().max(1e-7))
                .custom_formatter(|value, _| format!("{value:e}"));
        }
        ui.add_sized(size, number).accessible_name(format!("{}, number", self.name))
    }
}

/// A number as people type it: with a point or, as in most of Europe, with a comma.
///
/// `0,7` is 0.7, and so is ` .7`.
pub fn parse_number(text: &str) -> Option<f64> {
    text.trim().replace(',', ".").replace('\u{2212}', "-").parse().ok()
}

/// A whole number as people type it and as the screen writes it: `8,192`, `8.192` and `8 192` are the same.
pub fn parse_whole(text: &str) -> Option<f64> {
    let text = text.trim();
    let is_mark = |letter: char| matches!(letter, ',' | '.' | '\'' | '\u{2019}' | ' ');
    let has_digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = text.split(is_mark);
    let first = groups.next().unwrap_or_default().trim_start_matches(['-', '\u{2212}']);
    let begins = (1..=3).contains(&first.len()) && has_digits(first) && !first.starts_with('0');
    if begins && groups.all(|group| group.len() == 3 && has_digits(group)) {
        return parse_number(&text.replace(is_mark, ""));
    }
    parse_number(text)
}

/// Reads what is typed into the field of such a number.
pub fn parser<Num: Numeric>() -> fn(&str) -> Option<f64> {
    if Num::INTEGRAL { parse_whole } else { parse_number }
}

fn num_range<Num: Numeric>(range: &RangeInclusive<f64>) -> RangeInclusive<Num> {
    Num::from_f64(*range.start())..=Num::from_f64(*range.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_is_a_decimal_point() {
        assert_eq!(parse_number("0,7"), Some(0.7));
        assert_eq!(parse_number(" .7"), Some(0.7));
        assert_eq!(parse_number("5e-5"), Some(5e-5));
        assert_eq!(parse_number("\u{2212}1"), Some(-1.0));
        assert_eq!(parse_number("seven"), None);
    }

    #[test]
    fn a_whole_number_may_have_marks_between_thousands() {
        for typed in ["8,192", "8.192", "8 192", "8\u{2019}192", " 8192 "] {
            assert_eq!(parser::<usize>()(typed), Some(8192.0), "{typed}");
        }
        assert_eq!(parse_whole("1,000,000"), Some(1e6));
        assert_eq!(parse_whole("-1,000"), Some(-1000.0));
        // No thousands: what was typed is rounded, as before.
        assert_eq!((parse_whole("1,5"), parse_whole("0,125")), (Some(1.5), Some(0.125)));
        assert_eq!(parse_whole("seven"), None);
        assert_eq!(parser::<f64>()("1,024"), Some(1.024));
    }
}

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
        let row = ui.horizontal(|ui| {
            ui.add_enabled_ui(self.enabled, |ui| {
                let width = ui.available_width();
                let number_width = em * 4.6;
                let name_width = (width * 0.42).clamp(em * 5.0, em * 11.5);
                let name = RichText::new(self.name).color(if is_off { p.muted } else { p.text });
                let name_size = Vec2::new(name_width, row_height);
                let name_layout = egui::Layout::left_to_right(egui::Align::Center);
                ui.allocate_ui_with_layout(name_size, name_layout, |ui| {
                    ui.set_min_width(name_width);
                    let label = Label::new(name).truncate().selectable(false).sense(Sense::hover());
                    ui.add(label).on_hover_text(self.explanation);
                });
                let gaps = ui.spacing().item_spacing.x * 2.0;
                let slider_width = (width - name_width - number_width - gaps).max(em * 3.0);
                let slider = ui.scope(|ui| {
                    let visuals = ui.visuals_mut();
                    visuals.selection.bg_fill = if is_off { p.outline } else { p.accent };
                    visuals.widgets.inactive.bg_fill = p.raised_press;
                    visuals.widgets.inactive.fg_stroke.color = p.accent;
                    ui.spacing_mut().slider_width = slider_width;
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
                let slider = slider.inner.accessible_name(self.name);
                let slider = slider.on_hover_text(self.explanation);
                let limits = self.limits.as_ref().unwrap_or(&self.range);
                let speed = (self.range.end() - self.range.start()) / 400.0;
                let mut number = DragValue::new(value)
                    .range(num_range::<Num>(limits))
                    .speed(speed)
                    .fixed_decimals(self.decimals);
                if self.scientific {
                    number = number
                        .speed(limits.start().max(1e-7))
                        .custom_formatter(|value, _| format!("{value:e}"));
                }
                let number = ui.add_sized(Vec2::new(number_width, row_height), number);
                let number = number.accessible_name(format!("{}, number", self.name));
                slider.union(number)
            })
        });
        row.inner.inner
    }
}

fn num_range<Num: Numeric>(range: &RangeInclusive<f64>) -> RangeInclusive<Num> {
    Num::from_f64(*range.start())..=Num::from_f64(*range.end())
}

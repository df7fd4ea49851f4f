//! The card that a plot stands in: its title, the names of what is drawn in their colours, the plot; and the words
//! of its axes.

use eframe::egui;
use eframe::egui::{Color32, Frame, Label, Margin, Response, RichText, Sense, Stroke, Ui};
use egui_plot::{Axis, AxisHints};

use super::theme;

#[must_use = "show it with `show`"]
pub struct PlotCard<'a> {
    pub title: &'a str,

    /// What it means, in a sentence, on hover.
    pub explanation: &'a str,

    /// What a screen reader says.
    pub spoken: &'a str,
}

impl PlotCard<'_> {
    /// The card with `plot` in it; `names` stand beside the title, those without words are left out.
    pub fn show<'n>(
        self,
        ui: &mut Ui,
        names: impl IntoIterator<Item = (&'n str, Color32)>,
        plot: impl FnOnce(&mut Ui),
    ) -> Response {
        let shown = frame(ui).show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing.y = theme::GAP_SMALL;
            ui.horizontal_wrapped(|ui| {
                ui.add_space(theme::GAP_SMALL);
                let title = Label::new(theme::strong(ui, self.title)).selectable(false);
                ui.add(title.sense(Sense::hover())).on_hover_text(self.explanation);
                for (name, color) in names.into_iter().filter(|(name, _)| !name.is_empty()) {
                    ui.add(Label::new(RichText::new(name).small().color(color)).selectable(false));
                }
            });
            plot(ui);
        });
        let response = shown.response.interact(Sense::hover());
        response.widget_info(|| {
            egui::WidgetInfo::labeled(egui::accesskit::Role::GraphicsSymbol, true, self.spoken)
        });
        response
    }
}

pub fn frame(ui: &Ui) -> Frame {
    let p = theme::palette(ui);
    Frame::new()
        .fill(p.card)
        .stroke(Stroke::new(theme::HAIRLINE, p.line))
        .corner_radius(theme::CARD_RADIUS)
        .inner_margin(Margin { left: 8, right: 12, top: 8, bottom: 4 })
}

/// An axis whose numbers are small and quiet. The vertical one is as wide in every plot, so that their horizontal
/// ones line up.
pub fn axis<'a>(ui: &Ui, which: Axis) -> AxisHints<'a> {
    let small = egui::TextStyle::Small.resolve(ui.style());
    let width = small.size * 3.6;
    let axis = AxisHints::new(which).tick_label_color(theme::palette(ui).muted);
    let axis = axis.tick_label_font(small);
    if which == Axis::Y { axis.min_thickness(width) } else { axis }
}

//! A cell of a matrix of counts.

use eframe::egui::{Align2, Color32, Response, Sense, TextStyle, Ui, Vec2};

use super::theme;

/// A count on a ground that is the darker, the larger its share of the row. `sense` says whether it can be
/// clicked.
pub fn count_cell_ui(
    ui: &mut Ui,
    (count, share): (usize, f32),
    color: Color32,
    about: &str,
    sense: Sense,
) -> Response {
    let p = theme::palette(ui);
    let em = theme::em(ui);
    let (rect, response) = ui.allocate_exact_size(Vec2::new(em * 5.0, em * 1.8), sense);
    let ground = p.raised.lerp_to_gamma(color, share.sqrt());
    let radius = f32::from(theme::CONTROL_RADIUS);
    ui.painter().rect_filled(rect, radius, ground);
    if response.hovered() && response.sense.senses_click() || response.has_focus() {
        let stroke = eframe::egui::Stroke::new(1.5, p.strong);
        ui.painter().rect_stroke(rect, radius, stroke, eframe::egui::StrokeKind::Inside);
    }
    let font = TextStyle::Body.resolve(ui.style());
    ui.painter().text(rect.center(), Align2::CENTER_CENTER, count.to_string(), font, p.strong);
    let words = format!("{about}: {count} ({:.0} %)", share * 100.0);
    let role = if response.sense.senses_click() {
        eframe::egui::Role::Button
    } else {
        eframe::egui::Role::Label
    };
    response.widget_info(|| eframe::egui::WidgetInfo::labeled(role, true, &words));
    response.on_hover_text(words)
}

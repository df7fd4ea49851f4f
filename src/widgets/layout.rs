//! How a panel is laid out: its heading, and what scrolls in it.

use eframe::egui;
use eframe::egui::{Frame, Margin, Rect, ScrollArea, Ui};

use super::card::named_row_ui;
use super::theme;

/// A column that scrolls when it is higher than the window. Its contents keep clear of the scroll
/// bar and of the window's lower edge.
pub fn scrolled_ui(ui: &mut Ui, name: &str, contents: impl FnOnce(&mut Ui)) {
    let margin = Margin { left: 0, right: 16, top: 0, bottom: 16 };
    let area = ScrollArea::vertical().id_salt(name).auto_shrink(false).content_margin(margin);
    area.show(ui, contents);
}

/// What stands beside or above a [`scrolled_ui`], with the same margin at its right.
pub fn inset_ui<R>(ui: &mut Ui, contents: impl FnOnce(&mut Ui) -> R) -> R {
    let margin = Margin { left: 0, right: 16, top: 0, bottom: 0 };
    Frame::new().inner_margin(margin).show(ui, contents).inner
}

/// A heading with buttons at its right, or under it where there is no room for both.
pub fn heading_ui(ui: &mut Ui, text: &str, aside: impl FnOnce(&mut Ui)) {
    let heading = theme::strong(ui, text).heading();
    named_row_ui(ui, text, (heading, egui::TextStyle::Heading), aside);
    ui.add_space(theme::GAP);
}

/// Draws into exactly this rectangle: what is too wide is cut off, and pushes nothing aside.
pub fn column_ui(ui: &mut Ui, name: &str, rect: Rect, contents: impl FnOnce(&mut Ui)) {
    let builder = egui::UiBuilder::new()
        .id_salt(name)
        .max_rect(rect)
        .layout(egui::Layout::top_down(egui::Align::LEFT));
    let mut column = ui.new_child(builder);
    column.shrink_clip_rect(rect);
    contents(&mut column);
}

/// The name in front of a row of a table: at the left, and cut where it is longer than this.
pub fn row_name_ui(ui: &mut Ui, width: f32, name: &str) {
    let height = ui.text_style_height(&egui::TextStyle::Body);
    let layout = egui::Layout::left_to_right(egui::Align::Center);
    ui.allocate_ui_with_layout(egui::vec2(width, height), layout, |ui| {
        ui.set_min_width(width);
        ui.add(egui::Label::new(name).truncate());
    });
}

/// Whether a menu or a window in front of the panels takes the keys.
pub fn is_covered(ctx: &egui::Context) -> bool {
    egui::Popup::is_any_open(ctx) || ctx.memory(|memory| memory.top_modal_layer().is_some())
}

//! How a view is laid out: what it shows, and beside or under it what there is to say of the token
//! that is looked at.

use eframe::egui;
use eframe::egui::{Align, Layout, Margin, ScrollArea, Ui, vec2};

use crate::widgets::theme;

/// The part of the window that the panel has.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Where its contents begin, wherever they are scrolled to.
    pub top: f32,
    pub height: f32,
}

impl Page {
    /// What is left of the page's height here, less what comes below; never less than a few lines.
    pub fn room(self, ui: &Ui, below: f32) -> f32 {
        let used = ui.cursor().top() - self.top;
        // The card's lower edge and the page's.
        let rest = self.height - used - below - 36.0;
        rest.max(theme::em(ui) * 9.0)
    }

    /// The same for a picture that is read from afar: where little is left, it has its size and the page
    /// scrolls.
    pub fn picture_room(self, ui: &Ui) -> f32 {
        self.room(ui, 0.0).max((theme::em(ui) * 26.0).min(self.height * 0.8))
    }
}

/// Between what scrolls and its bar.
pub const BAR: i8 = 10;

/// A part of a view that scrolls by itself, at most so high.
pub fn scrolled_part(name: &str, height: f32) -> ScrollArea {
    let margin = Margin { right: BAR, ..Margin::ZERO };
    let area = ScrollArea::vertical().id_salt(name).auto_shrink([false, true]);
    area.max_height(height).min_scrolled_height(height).content_margin(margin)
}

/// Draws both beside each other, or the second under the first where there is no room.
pub fn beside_ui<A, B>(
    ui: &mut Ui,
    main: impl FnOnce(&mut Ui) -> A,
    detail: impl FnOnce(&mut Ui) -> B,
) -> (A, B) {
    let em = theme::em(ui);
    let width = ui.available_width();
    if width < em * 50.0 {
        let main = main(ui);
        ui.add_space(theme::GAP);
        return (main, detail(ui));
    }
    let detail_width = (width * 0.34).clamp(em * 20.0, em * 32.0);
    columns_ui(ui, detail_width, main, detail)
}

/// Draws both side by side, each as wide as the other, or the second under the first where there is no room.
pub fn halves_ui<A, B>(
    ui: &mut Ui,
    left: impl FnOnce(&mut Ui) -> A,
    right: impl FnOnce(&mut Ui) -> B,
) -> (A, B) {
    let width = ui.available_width();
    if width < theme::em(ui) * 44.0 {
        let left = left(ui);
        ui.add_space(theme::GAP);
        return (left, right(ui));
    }
    columns_ui(ui, (width - theme::GAP_LARGE) / 2.0, left, right)
}

/// The second has this width, and the first the rest.
fn columns_ui<A, B>(
    ui: &mut Ui,
    detail_width: f32,
    main: impl FnOnce(&mut Ui) -> A,
    detail: impl FnOnce(&mut Ui) -> B,
) -> (A, B) {
    let width = ui.available_width();
    let gap = theme::GAP_LARGE;
    let column = |ui: &mut Ui, width: f32| {
        let builder = egui::UiBuilder::new()
            .max_rect(egui::Rect::from_min_size(ui.cursor().min, vec2(width, f32::INFINITY)))
            .layout(Layout::top_down(Align::LEFT));
        ui.new_child(builder)
    };
    let row = ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = gap;
        let mut left = column(ui, width - detail_width - gap);
        let main = main(&mut left);
        ui.advance_cursor_after_rect(left.min_rect().with_max_x(left.max_rect().right()));
        let mut right = column(ui, detail_width);
        let detail = detail(&mut right);
        ui.advance_cursor_after_rect(right.min_rect());
        (main, detail)
    });
    row.inner
}

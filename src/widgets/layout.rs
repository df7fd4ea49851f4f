//! How a panel is laid out: its heading, and what scrolls in it.

use eframe::egui;
use eframe::egui::{Frame, Id, Margin, Rect, ScrollArea, Ui, UiBuilder, Vec2};

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

/// A part of what is [`Stacked`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// As high as it is.
    Above,

    /// It has what the other two leave.
    Rest,

    /// As high as it is, and at the lower end.
    Below,
}

/// Parts one above the other, of which the middle one has the rest of the height. Where that were too little for
/// it, all of them scroll together.
///
/// What is typed in keeps the cursor from one to the other.
#[derive(Clone, Copy, Debug)]
pub struct Stacked<'a> {
    name: &'a str,

    /// Less than this is too little for the rest.
    least: f32,

    /// How high the rest is while it scrolls.
    scrolled: f32,

    /// Whether the lower end is in sight first while it scrolls: what is typed in is there.
    from_below: bool,
}

/// How high the parts were that have their own height.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Heights {
    above: f32,
    below: f32,
}

impl<'a> Stacked<'a> {
    pub fn new(name: &'a str, least: f32, scrolled: f32) -> Self {
        Self { name, least, scrolled, from_below: false }
    }

    #[must_use]
    pub fn from_below(self) -> Self {
        Self { from_below: true, ..self }
    }

    /// Draws the parts. Not every one of them needs to have something in it.
    pub fn show(self, ui: &mut Ui, mut contents: impl FnMut(&mut Ui, Part)) {
        let id = ui.make_persistent_id(self.name);
        let whole = ui.available_height();
        let known: Heights = ui.data(|data| data.get_temp(id)).unwrap_or_default();
        // Heights are the same in either arrangement, so that neither calls for the other in turn.
        let is_low = |heights: Heights| whole - heights.above - heights.below < self.least;
        let scrolls = is_low(known);
        let mut parts_ui = |ui: &mut Ui| {
            let above = height_of(ui, id.with("above"), |ui| contents(ui, Part::Above));
            let rest = whole - above - known.below;
            let height = if scrolls { self.scrolled } else { rest.max(0.0) };
            let size = egui::vec2(ui.available_width(), height);
            let rest = Rect::from_min_size(ui.cursor().min, size);
            let builder = UiBuilder::new().scope_id(id.with("rest")).max_rect(rest);
            let drawn = ui.scope_builder(builder, |ui| contents(ui, Part::Rest)).response.rect;
            ui.advance_cursor_after_rect(rest.union(drawn));
            let below = height_of(ui, id.with("below"), |ui| contents(ui, Part::Below));
            Heights { above, below }
        };
        let heights = if scrolls {
            let area = ScrollArea::vertical().id_salt(self.name).auto_shrink(false);
            area.stick_to_bottom(self.from_below).show(ui, parts_ui).inner
        } else {
            parts_ui(ui)
        };
        if heights != known {
            ui.data_mut(|data| data.insert_temp(id, heights));
            ui.ctx().request_repaint();
            if is_low(heights) != scrolls || heights.below != known.below {
                ui.ctx().request_discard("a part has found out how high it is");
            }
        }
    }
}

/// How high is what is drawn, with the space before it. Nothing takes no room.
fn height_of(ui: &mut Ui, id: Id, contents: impl FnOnce(&mut Ui)) -> f32 {
    let top = ui.cursor().top();
    let child = UiBuilder::new().scope_id(id).max_rect(ui.available_rect_before_wrap());
    let mut child = ui.new_child(child);
    contents(&mut child);
    let drawn = child.min_rect();
    if drawn.height() > 0.0 {
        ui.advance_cursor_after_rect(drawn);
    }
    ui.cursor().top() - top
}

/// A part of a long form: out of sight it only takes the place that it had when it was drawn last.
///
/// Most of such a form is never in sight, and each of its fields is laid out in every frame. It is drawn all the same while a field has the keyboard, so that Tab goes from one to the next, and where
/// somebody has the screen read out.
pub fn in_sight_ui(ui: &mut Ui, name: impl egui::AsIdSalt, contents: impl FnOnce(&mut Ui)) {
    let id = ui.scope_id().with("in sight").with(name);
    let width = ui.available_width();
    let known: Option<Vec2> = ui.data(|data| data.get_temp(id));
    let size = known.filter(|size| size.x == width);
    let place = size.map(|size| Rect::from_min_size(ui.next_widget_position(), size));
    let is_out_of_sight = place.is_some_and(|place| !ui.clip_rect().intersects(place));
    let is_needed = || {
        ui.memory(|memory| memory.focused().is_some())
            || ui.ctx().has_accesskit_node(egui::accesskit_root_id())
    };
    let hidden = place.filter(|_| is_out_of_sight && !is_needed());
    // A scope either way: what comes after has the same ids.
    let drawn = ui.scope(|ui| match hidden {
        Some(place) => {
            ui.advance_cursor_after_rect(place);
        }
        None => contents(ui),
    });
    if hidden.is_none() {
        let size = Vec2::new(width, drawn.response.rect.height());
        ui.data_mut(|data| data.insert_temp(id, size));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws a form of 40 rows, each a part of its own, and says which of them were laid out.
    fn drawn(ctx: &egui::Context, field: Option<egui::Id>) -> Vec<usize> {
        let mut drawn = Vec::new();
        let screen = Rect::from_min_size(egui::Pos2::ZERO, Vec2::new(200.0, 200.0));
        let input = egui::RawInput { screen_rect: Some(screen), ..Default::default() };
        let output = ctx.run_ui(input, |ui| {
            if let Some(field) = field {
                ui.memory_mut(|memory| memory.request_focus(field));
            }
            ScrollArea::vertical().show(ui, |ui| {
                for row in 0..40 {
                    in_sight_ui(ui, row, |ui| {
                        ui.allocate_space(Vec2::new(100.0, 20.0));
                        drawn.push(row);
                    });
                }
                assert!(ui.min_rect().height() >= 800.0, "what is not drawn keeps its place");
            });
        });
        output.drop_without_applying_deltas();
        drawn
    }

    #[test]
    fn what_is_out_of_sight_is_not_laid_out_again() {
        let ctx = egui::Context::default();
        assert_eq!(drawn(&ctx, None).len(), 40, "how high it is has to be found out");
        let seen = drawn(&ctx, None);
        assert!(seen.contains(&0) && !seen.contains(&30) && seen.len() < 15, "{seen:?}");
    }

    #[test]
    fn with_the_keyboard_or_a_screen_reader_all_of_it_is_there() {
        let ctx = egui::Context::default();
        drawn(&ctx, None);
        assert_eq!(drawn(&ctx, Some(egui::Id::unique("a field"))).len(), 40);
        let ctx = egui::Context::default();
        ctx.enable_accesskit();
        drawn(&ctx, None);
        assert_eq!(drawn(&ctx, None).len(), 40);
    }
}

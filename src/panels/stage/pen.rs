//! What a scene is drawn with: sizes that follow the screen, and texts that are read out too.

use std::sync::Arc;

use eframe::egui::accesskit::Role;
use eframe::egui::text::{LayoutJob, TextWrapping};
use eframe::egui::{
    Align2, Color32, FontFamily, FontId, Galley, Id, Painter, Rect, Sense, Ui, WidgetInfo, pos2,
    vec2,
};

use crate::widgets::scale::Scale;
use crate::widgets::theme::{Look, Palette};
use crate::widgets::token_flow::{spoken, visible_whitespace};

/// The smallest type, at 1280 x 720.
pub const SMALL: f32 = 28.0;

/// What is read first.
pub const LARGE: f32 = 36.0;
const TITLE: f32 = 44.0;

/// Draws on a part of the screen. A unit is a point where that part is 1280 x 720.
pub struct Pen<'a> {
    pub ui: &'a Ui,
    pub painter: Painter,
    pub unit: f32,
    pub p: Palette,
    pub scale: Scale,

    /// Tells the pens of one frame apart.
    name: &'static str,
}

impl<'a> Pen<'a> {
    pub fn new(ui: &'a Ui, screen: Rect, name: &'static str) -> Self {
        let unit = (screen.width() / 1280.0).min(screen.height() / 720.0).max(0.1);
        let painter = ui.painter().with_clip_rect(screen);
        // The look for a lecture hall, whatever the rest of the window has: 7:1 and more.
        let look = Look::Projector;
        Self { ui, painter, unit, p: Palette::of(look), scale: Scale::of(look), name }
    }

    /// So many units in points.
    pub fn of(&self, units: f32) -> f32 {
        units * self.unit
    }

    fn font(&self, size: f32) -> FontId {
        FontId::new(size * self.unit, FontFamily::Proportional)
    }

    pub fn line_height(&self, size: f32) -> f32 {
        size * self.unit * 1.3
    }

    pub fn width(&self, words: &str, size: f32) -> f32 {
        self.galley(words, size, self.p.text, f32::INFINITY, 1).size().x
    }

    /// Laid out in at most so many lines, the last of which ends with `…` where something is left.
    pub fn galley(
        &self,
        words: &str,
        size: f32,
        color: Color32,
        width: f32,
        lines: usize,
    ) -> Arc<Galley> {
        let mut job = LayoutJob::simple(words.to_owned(), self.font(size), color, width.max(1.0));
        job.wrap = TextWrapping { max_rows: lines, ..TextWrapping::wrap_at_width(width.max(1.0)) };
        self.ui.fonts_mut(|fonts| fonts.layout_job(job))
    }

    /// A line of text at a place, and where it went.
    pub fn text(
        &self,
        at: eframe::egui::Pos2,
        align: Align2,
        words: &str,
        size: f32,
        color: Color32,
    ) -> Rect {
        self.text_within(at, align, words, size, color, f32::INFINITY)
    }

    /// The same, no wider than that.
    #[expect(clippy::too_many_arguments, reason = "a place, words, and how they look")]
    pub fn text_within(
        &self,
        at: eframe::egui::Pos2,
        align: Align2,
        words: &str,
        size: f32,
        color: Color32,
        width: f32,
    ) -> Rect {
        let galley = self.galley(words, size, color, width, 1);
        let rect = align.anchor_size(at, galley.size());
        self.painter.galley(rect.min, galley, color);
        self.say(rect, words);
        rect
    }

    /// Wrapped text from a rectangle's upper edge. Its height.
    pub fn paragraph(&self, rect: Rect, words: &str, size: f32, color: Color32) -> f32 {
        let lines = (rect.height() / self.line_height(size)).floor().max(1.0) as usize;
        let galley = self.galley(words, size, color, rect.width(), lines);
        let height = galley.size().y;
        self.painter.galley(rect.min, galley, color);
        self.say(Rect::from_min_size(rect.min, vec2(rect.width(), height)), words);
        height
    }

    /// Has a screen reader, and a test, find words at a place.
    pub fn say(&self, rect: Rect, words: &str) {
        let place = (rect.min.x as i32, rect.min.y as i32, words.len());
        let id = Id::unique((self.name, place, words));
        let response = self.ui.interact(rect, id, Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, words));
    }

    /// The title and the sentence under it. What is left of the screen, within margins.
    pub fn frame(&self, screen: Rect, title: &str, help: &str, page: &str) -> Rect {
        self.painter.rect_filled(screen, 0.0, self.p.card);
        let inside = screen.shrink2(vec2(self.of(48.0), self.of(28.0)));
        let page_width = self.width(page, SMALL) + self.of(24.0);
        let room = inside.width() - page_width;
        let title_top = inside.top();
        let rect =
            self.text_within(inside.min, Align2::LEFT_TOP, title, TITLE, self.p.strong, room);
        let at = pos2(inside.right(), title_top + self.of(10.0));
        self.text(at, Align2::RIGHT_TOP, page, SMALL, self.p.muted);
        let mut top = rect.bottom() + self.of(4.0);
        if !help.is_empty() {
            let room = Rect::from_min_max(pos2(inside.left(), top), inside.max);
            top += self.paragraph(room.with_max_y(top + self.of(80.0)), help, SMALL, self.p.muted);
        }
        let line = top + self.of(10.0);
        self.painter.hline(inside.x_range(), line, (self.of(2.0), self.p.line));
        Rect::from_min_max(pos2(inside.left(), line + self.of(16.0)), inside.max)
    }

    /// The words of what is not there yet, in the middle.
    pub fn waiting(&self, room: Rect, words: &str) {
        let galley = self.galley(words, LARGE, self.p.muted, room.width() * 0.9, 6);
        let rect = Align2::CENTER_CENTER.anchor_size(room.center(), galley.size());
        self.painter.galley(rect.min, galley, self.p.muted);
        self.say(rect, words);
    }
}

/// What stands where something is hidden.
pub fn hidden(pen: &Pen<'_>, room: Rect) {
    let words = "What do you think?";
    pen.text(room.center(), Align2::CENTER_CENTER, words, LARGE * 1.3, pen.p.accent);
}

/// A token as it is drawn: its white space is seen.
pub fn token(text: &str) -> String {
    visible_whitespace(text)
}

/// A token as it is read out.
pub fn token_spoken(text: &str) -> String {
    spoken(text)
}

/// `38 %`, `4.2 %`, `< 0.1 %`: what a room reads at a glance.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 9.95 {
        format!("{percent:.0} %")
    } else if percent >= 0.05 || percent <= 0.0 {
        format!("{percent:.1} %")
    } else {
        "< 0.1 %".to_owned()
    }
}

//! Tokens as running text in rows, each on a ground of its own, with a few words under it where
//! wanted. Only the rows in sight are drawn, so that a long text scrolls as a short one does.

use std::sync::Arc;

use eframe::egui::accesskit::Role;
use eframe::egui::{
    Color32, FontId, Id, Pos2, Rect, Response, Sense, Shape, Stroke, StrokeKind, TextStyle, Ui,
    WidgetInfo, pos2, vec2,
};

use super::one_line::one_line;
use super::theme::{self, Palette, icons};

/// What a token is beside its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    #[default]
    None,

    /// One of the tokenizer's own: a frame.
    Special,

    /// The model could nearly as well have gone another way: a corner.
    Fork,

    /// Its text is not told: a frame in the accent's colour.
    Hidden,
}

/// How a token is drawn.
#[derive(Clone, Debug, Default)]
pub struct Chip {
    pub ground: Color32,

    /// A bar along its foot, as a share of the highest: the ground's number for those who see no
    /// colours.
    pub level: Option<f32>,
    pub mark: Mark,
}

/// How white space is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spaces {
    /// As in a text; line breaks have a mark, and what is nothing but white space.
    Plain,

    /// Every space and tab has a mark.
    Marked,
}

/// Tokens in rows.
#[must_use = "show it with `show`"]
pub struct TokenRibbon<'a> {
    /// Distinguishes ribbons that are shown together.
    pub name: &'a str,
    pub count: usize,

    /// The rows are kept as long as this stays the same.
    pub version: u64,
    pub selected: Option<usize>,

    /// Scroll to the selected one.
    pub reveals: bool,
    pub spaces: Spaces,

    /// One that is empty is passed over.
    pub text: &'a dyn Fn(usize) -> &'a str,

    /// What stands under it, in small type; for all of them or for none.
    pub caption: Option<&'a dyn Fn(usize) -> String>,
    pub chip: &'a dyn Fn(usize) -> Chip,

    /// What it is called for who does not see it.
    pub spoken: &'a dyn Fn(usize) -> String,
    pub hover: &'a dyn Fn(&mut Ui, usize),
}

const GAP: f32 = 2.0;

/// On both sides of a token's text.
const INSET: f32 = 1.0;

/// Under a token's text, for the bar.
const FOOT: f32 = 6.0;

/// Where every token lies, from the ribbon's upper left corner.
struct Rows {
    key: Key,

    /// The first token of each row.
    starts: Vec<usize>,

    /// Left edge and width of each token.
    spans: Vec<(f32, f32)>,
}

#[derive(Clone, Copy, PartialEq)]
struct Key {
    version: u64,
    count: usize,
    width: f32,
    font_size: f32,
    spaces: Spaces,
    has_captions: bool,
}

impl Rows {
    fn of_token(&self, token: usize) -> usize {
        self.starts.partition_point(|start| *start <= token).saturating_sub(1)
    }
}

struct Fonts {
    text: FontId,
    caption: FontId,
}

impl TokenRibbon<'_> {
    /// Draws what is in sight. The token that was clicked.
    pub fn show(self, ui: &mut Ui) -> Option<usize> {
        let p = theme::palette(ui);
        let fonts = Fonts {
            text: TextStyle::Body.resolve(ui.style()),
            caption: TextStyle::Small.resolve(ui.style()),
        };
        let id = ui.scope_id().with((self.name, "rows"));
        let rows = self.rows(ui, id, &fonts);
        let text_height = (fonts.text.size * 1.4).round();
        let foot = FOOT + if self.caption.is_some() { fonts.caption.size * 1.2 } else { 0.0 };
        let row_height = (text_height + foot + 6.0).round();
        let size = vec2(rows.key.width, row_height * rows.starts.len() as f32);
        let (whole, _) = ui.allocate_exact_size(size, Sense::hover());
        let place = |token: usize| {
            let row = rows.of_token(token);
            let (left, width) = rows.spans[token];
            let min = whole.min + vec2(left, row as f32 * row_height);
            Rect::from_min_size(min, vec2(width, text_height + foot))
        };
        if let (true, Some(selected)) = (self.reveals, self.selected.filter(|at| *at < self.count))
        {
            ui.scroll_to_rect(place(selected).expand(row_height), None);
        }
        let seen = ui.clip_rect().intersect(whole);
        if !seen.is_positive() {
            return None;
        }
        let row_at = |y: f32| ((y - whole.top()) / row_height).floor().max(0.0) as usize;
        let (first, last) = (row_at(seen.top()), row_at(seen.bottom()));
        let from = rows.starts.get(first).copied().unwrap_or(self.count);
        let to = rows.starts.get(last + 1).copied().unwrap_or(self.count);
        let mut clicked = None;
        for token in (from..to).filter(|token| !(self.text)(*token).is_empty()) {
            let rect = place(token);
            let response = ui.interact(rect, id.with(token), Sense::click());
            let is_selected = self.selected == Some(token);
            response.widget_info(|| {
                WidgetInfo::selected(Role::Button, true, is_selected, (self.spoken)(token))
            });
            let is_whole_row = rect.width() >= rows.key.width;
            self.draw(ui, (token, rect, is_whole_row), text_height, &fonts, &p);
            outline(ui, rect, &response, is_selected, &p);
            if response.clicked() {
                clicked = Some(token);
            }
            if response.hovered() {
                response.on_hover_ui_at_pointer(|ui| (self.hover)(ui, token));
            }
        }
        clicked
    }

    fn draw(
        &self,
        ui: &Ui,
        (token, rect, is_whole_row): (usize, Rect, bool),
        text_height: f32,
        fonts: &Fonts,
        p: &Palette,
    ) {
        let chip = (self.chip)(token);
        let painter = ui.painter();
        let body = Rect::from_min_size(rect.min, vec2(rect.width(), text_height + FOOT));
        if chip.ground != Color32::TRANSPARENT {
            painter.rect_filled(body, 2.0, chip.ground);
        }
        let text = shown((self.text)(token), self.spaces);
        let ink = if text.trim().is_empty() { p.muted } else { p.text };
        // Cut only what is wider than a row: the widths of letters add up to a text's only nearly.
        let most = if is_whole_row { rect.width() } else { f32::INFINITY };
        let galley = one_line(ui, &text, fonts.text.clone(), ink, most);
        let y = rect.top() + (text_height - galley.size().y) / 2.0;
        painter.galley(pos2(rect.left() + INSET, y), galley, ink);
        if let Some(level) = chip.level.filter(|level| *level > 0.01) {
            let height = (level.clamp(0.0, 1.0) * FOOT).max(1.0);
            let foot = body.with_min_y(body.bottom() - height);
            painter.rect_filled(foot, 0.0, p.rejected);
        }
        match chip.mark {
            Mark::None => {}
            Mark::Special => {
                painter.rect_stroke(body, 2.0, Stroke::new(1.0, p.outline), StrokeKind::Inside);
            }
            Mark::Hidden => {
                painter.rect_stroke(body, 2.0, Stroke::new(1.5, p.accent), StrokeKind::Inside);
            }
            Mark::Fork => _ = painter.add(corner(body.right_top(), 7.0, p.accent)),
        }
        if let Some(caption) = self.caption {
            let words = caption(token);
            let galley = one_line(ui, &words, fonts.caption.clone(), p.muted, most);
            painter.galley(pos2(rect.left() + INSET, body.bottom() + 1.0), galley, p.muted);
        }
    }

    fn rows(&self, ui: &Ui, id: Id, fonts: &Fonts) -> Arc<Rows> {
        let key = Key {
            version: self.version,
            count: self.count,
            width: ui.available_width().max(1.0),
            font_size: fonts.text.size,
            spaces: self.spaces,
            has_captions: self.caption.is_some(),
        };
        let kept: Option<Arc<Rows>> = ui.data(|data| data.get_temp(id));
        if let Some(kept) = kept.filter(|kept| kept.key == key) {
            return kept;
        }
        let mut rows = Rows { key, starts: Vec::new(), spans: Vec::with_capacity(self.count) };
        let (mut x, mut begins) = (0.0, true);
        for token in 0..self.count {
            let text = (self.text)(token);
            let mut width = width_of(ui, &shown(text, self.spaces), &fonts.text);
            if let Some(caption) = self.caption {
                // Captions need room between them; texts carry their own.
                width = width.max(width_of(ui, &caption(token), &fonts.caption) + 4.0);
            }
            let width = if text.is_empty() { 0.0 } else { (width + 2.0 * INSET).min(key.width) };
            if begins || x + width > key.width {
                rows.starts.push(token);
                x = 0.0;
            }
            rows.spans.push((x, width));
            x += width + if text.is_empty() { 0.0 } else { GAP };
            begins = text.contains('\n');
        }
        let rows = Arc::new(rows);
        ui.data_mut(|data| data.insert_temp(id, Arc::clone(&rows)));
        rows
    }
}

/// Around the selected token and the one that is pointed at.
fn outline(ui: &Ui, rect: Rect, response: &Response, is_selected: bool, p: &Palette) {
    let stroke = if is_selected {
        Stroke::new(2.5, p.accent)
    } else if response.hovered() || response.has_focus() {
        Stroke::new(1.5, p.accent)
    } else {
        return;
    };
    ui.painter().rect_stroke(rect.expand(1.0), 3.0, stroke, StrokeKind::Outside);
    if response.hovered() {
        ui.ctx().set_cursor_icon(eframe::egui::CursorIcon::PointingHand);
    }
}

/// A small triangle in an upper right corner.
pub fn corner(at: Pos2, size: f32, ink: Color32) -> Shape {
    let points = vec![at - vec2(size, 0.0), at, at + vec2(0.0, size)];
    Shape::convex_polygon(points, ink, Stroke::NONE)
}

/// A token's text as it is drawn: white space that would not be seen has a mark.
fn shown(text: &str, spaces: Spaces) -> String {
    // What is nothing but white space would not be seen at all.
    let spaces = if text.trim().is_empty() { Spaces::Marked } else { spaces };
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push_str(icons::NEWLINE_MARK.codepoint),
            '\r' => {}
            ' ' if spaces == Spaces::Marked => shown.push_str(icons::SPACE_MARK.codepoint),
            '\t' if spaces == Spaces::Marked => shown.push_str(icons::TAB_MARK.codepoint),
            '\t' => shown.push_str("    "),
            other if other.is_control() => shown.extend(other.escape_unicode()),
            other => shown.push(other),
        }
    }
    shown
}

fn width_of(ui: &Ui, text: &str, font: &FontId) -> f32 {
    ui.fonts_mut(|fonts| text.chars().map(|letter| fonts.glyph_width(font, letter)).sum())
}

//! An answer as running text of which every token can be pointed at and clicked.

use eframe::egui;
use eframe::egui::accesskit::Role;
use eframe::egui::text::{LayoutJob, TextFormat};
use eframe::egui::{Color32, Rect, Response, Sense, Stroke, TextStyle, Ui, WidgetInfo, vec2};

use super::format;
use super::theme::{self, icons};

/// A token as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct FlowToken<'a> {
    pub text: &'a str,

    /// What the model gave it before the sampling chain.
    pub probability: f32,

    /// A thin line stands under it.
    pub is_underlined: bool,
}

/// Running text of tokens.
#[must_use = "show it with `show`"]
pub struct TokenFlow<'a> {
    /// Distinguishes flows that are shown together, and names this one.
    pub name: &'a str,
    pub selected: Option<usize>,

    /// Shade tokens that the model was unsure of.
    pub shaded: bool,

    /// Whether a click on a token is an answer to "what else could it have been?".
    pub clickable: bool,
}

/// How thick the line under a token is.
pub const UNDERLINE: f32 = 1.5;

/// Whitespace as it is shown where it would otherwise be invisible.
pub fn visible_whitespace(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        match character {
            ' ' => shown.push_str(icons::SPACE_MARK.codepoint),
            '\n' => shown.push_str(icons::NEWLINE_MARK.codepoint),
            '\t' => shown.push_str(icons::TAB_MARK.codepoint),
            other if other.is_control() => shown.extend(other.escape_unicode()),
            other => shown.push(other),
        }
    }
    shown
}

/// A token's text as it is read out: whitespace in words.
pub fn spoken(text: &str) -> String {
    let words = text.replace('\n', "↵").replace('\t', "⇥");
    if let Some(rest) = words.strip_prefix(' ') { format!("␣{rest}") } else { words }
}

impl TokenFlow<'_> {
    /// Draws the tokens. The index of the one that was clicked.
    pub fn show(self, ui: &mut Ui, tokens: &[FlowToken<'_>]) -> Option<usize> {
        let p = theme::palette(ui);
        let (job, char_counts) = Self::layout(ui, tokens, ui.available_width());
        let galley = ui.fonts_mut(|fonts| fonts.layout_job(job));
        let (rect, response) = ui.allocate_exact_size(galley.size(), Sense::hover());
        if !self.clickable {
            let words: String = tokens.iter().map(|token| token.text).collect();
            response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &words));
        }
        if !ui.is_rect_visible(rect) {
            return None;
        }
        let segments = token_rects(&galley, &char_counts);
        let mut clicked = None;
        let mut hovered = None;
        let mut named = usize::MAX;
        for (part, (index, segment)) in segments.iter().enumerate() {
            let segment = segment.translate(rect.min.to_vec2());
            if !ui.is_rect_visible(segment) {
                continue;
            }
            let id = ui.scope_id().with((self.name, part, index));
            let sense = if self.clickable { Sense::click() } else { Sense::hover() };
            let response = ui.interact(segment, id, sense);
            if self.clickable && named != *index {
                named = *index;
                self.name_token(&response, *index, &tokens[*index]);
            }
            if response.clicked() {
                clicked = Some(*index);
            }
            if response.hovered() || response.has_focus() {
                hovered = Some(*index);
                let token = &tokens[*index];
                response.on_hover_ui_at_pointer(|ui| {
                    let text = visible_whitespace(token.text);
                    ui.label(theme::number(format!(
                        "{text}   {}",
                        format::percent(token.probability)
                    )));
                    if self.clickable {
                        ui.label(theme::muted(ui, "Click to see what else it could have been"));
                    }
                });
            }
        }
        if self.clickable && hovered.is_some() {
            ui.ctx().set_cursor_icon(egui::CursorIcon::PointingHand);
        }
        if self.shaded {
            for (index, segment) in &segments {
                // What a line was broken at hangs over its end.
                let segment = segment.translate(rect.min.to_vec2()).intersect(rect);
                let ground = p.surprise(tokens[*index].probability);
                if segment.is_positive() && self.selected != Some(*index) {
                    ui.painter().rect_filled(segment, 0.0, ground);
                }
            }
        }
        for (index, segment) in &segments {
            let segment = segment.translate(rect.min.to_vec2()).intersect(rect);
            if tokens[*index].is_underlined && segment.is_positive() {
                let stroke = Stroke::new(UNDERLINE, p.accent);
                // A gap shows where one token ends and the next begins.
                let x = segment.x_range();
                let x = egui::Rangef::new(x.min, (x.max - 1.5).max(x.min));
                ui.painter().hline(x, segment.bottom() - 1.0, stroke);
            }
        }
        let mark = |index: usize, fill: Color32, stroke: Stroke| {
            for (_, segment) in segments.iter().filter(|(of, _)| *of == index) {
                let segment = segment.translate(rect.min.to_vec2());
                ui.painter().rect_filled(segment, 3.0, fill);
                let y = segment.bottom() - 2.0;
                ui.painter().hline(segment.x_range(), y, stroke);
            }
        };
        if let Some(index) = self.selected {
            mark(index, p.accent_soft, Stroke::new(2.5, p.accent));
        }
        if let Some(index) = hovered.filter(|index| Some(*index) != self.selected) {
            mark(index, Color32::TRANSPARENT, Stroke::new(1.5, p.accent));
        }
        ui.painter().galley(rect.min, galley, p.text);
        clicked
    }

    /// How large the tokens are in at most this width.
    pub fn measured(ui: &Ui, tokens: &[FlowToken<'_>], width: f32) -> egui::Vec2 {
        let (job, _) = Self::layout(ui, tokens, width);
        ui.fonts_mut(|fonts| fonts.layout_job(job)).size()
    }

    fn name_token(&self, response: &Response, index: usize, token: &FlowToken<'_>) {
        let name = format!(
            "{} token {}: {}, {}",
            self.name,
            index + 1,
            spoken(token.text),
            format::percent(token.probability)
        );
        response.widget_info(|| {
            WidgetInfo::selected(Role::Button, true, self.selected == Some(index), &name)
        });
    }

    /// The text to lay out, and how many characters each token has in it.
    fn layout(ui: &Ui, tokens: &[FlowToken<'_>], width: f32) -> (LayoutJob, Vec<usize>) {
        let p = theme::palette(ui);
        let font = TextStyle::Body.resolve(ui.style());
        let plain = TextFormat {
            line_height: Some((font.size * 1.55).round()),
            color: p.text,
            ..TextFormat::simple(font, p.text)
        };
        let mut job = LayoutJob::default();
        job.wrap.max_width = width;
        let mut counts = Vec::with_capacity(tokens.len());
        for token in tokens {
            // A line break gets a mark, so that it can be pointed at.
            let shown = if token.text.contains('\n') {
                let mark = format!("{}\n", icons::NEWLINE_MARK.codepoint);
                token.text.replace('\n', &mark)
            } else {
                token.text.replace('\r', "")
            };
            counts.push(shown.chars().count());
            let color = if token.text.trim().is_empty() { p.muted } else { p.text };
            job.append(&shown, 0.0, TextFormat { color, ..plain.clone() });
        }
        (job, counts)
    }
}

/// Where each token lies in the laid-out text: a rectangle a row.
fn token_rects(galley: &egui::Galley, char_counts: &[usize]) -> Vec<(usize, Rect)> {
    let mut segments: Vec<(usize, Rect)> = Vec::new();
    let mut token = 0;
    let mut left_in_token = char_counts.first().copied().unwrap_or(0);
    let mut next_char = |segment: Option<Rect>, segments: &mut Vec<(usize, Rect)>, row: usize| {
        while left_in_token == 0 && token + 1 < char_counts.len() {
            token += 1;
            left_in_token = char_counts[token];
        }
        left_in_token = left_in_token.saturating_sub(1);
        let Some(rect) = segment else { return };
        match segments.last_mut() {
            Some((last, whole)) if *last == token && whole.top() == galley.rows[row].pos.y => {
                *whole = whole.union(rect);
            }
            _ => segments.push((token, rect)),
        }
    };
    for (row_index, row) in galley.rows.iter().enumerate() {
        for glyph in &row.glyphs {
            let min = row.pos + vec2(glyph.pos.x, 0.0);
            let rect = Rect::from_min_size(min, vec2(glyph.advance_width, row.size.y));
            next_char(Some(rect), &mut segments, row_index);
        }
        if row.ends_with_newline {
            next_char(None, &mut segments, row_index);
        }
    }
    segments
}

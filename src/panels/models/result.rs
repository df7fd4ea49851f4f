//! A row of what was found: two lines and a verdict. Painted, not laid out: ten thousand of them
//! scroll.

use eframe::egui;
use eframe::egui::accesskit::Role;
use eframe::egui::{
    CornerRadius, FontId, Pos2, Rect, Sense, Stroke, TextStyle, Ui, WidgetInfo, pos2, vec2,
};

use crate::hub::browse::known::{KnownModel, Schooling};
use crate::hub::browse::search::{Found, Gate, Parameters};
use crate::hub::protocol::repository::RepoKind;
use crate::llm::card::Purpose;
use crate::state::hub::fit::Verdict;
use crate::state::hub::runs::{self, Runs};
use crate::state::models::Memory;
use crate::widgets::card::Tone;
use crate::widgets::format;
use crate::widgets::one_line::one_line;
use crate::widgets::theme;
use crate::widgets::theme::{MaterialIcon, icons};

/// Bits that a parameter takes in a file of the usual kind, `Q4_K_M`.
const USUAL_BITS: f64 = 4.9;

/// The height of a row of the results.
pub fn row_height(ui: &Ui) -> f32 {
    let lines = text_height(ui, &TextStyle::Body) + text_height(ui, &TextStyle::Small);
    (lines + theme::GAP_SMALL + 2.0 * theme::GAP).ceil()
}

fn text_height(ui: &Ui, style: &TextStyle) -> f32 {
    ui.text_style_height(style).ceil()
}

/// Draws a row. True: it was picked.
pub fn row_ui(ui: &mut Ui, row: &Found, memory: Memory, selected: bool) -> bool {
    let runs = if row.kind == RepoKind::Model { runs::by_row(row) } else { Runs::Yes };
    let badge = match &runs {
        Runs::No(_) => Some((Tone::Neutral, "cannot run")),
        Runs::For(Purpose::SequenceToSequence) => Some((Tone::Neutral, "encoder-decoder")),
        Runs::For(_) => Some((Tone::Neutral, "encoder")),
        _ => bytes_of(row).and_then(|bytes| badge(Verdict::of_answering(memory, bytes, bytes))),
    };
    let facts = facts(row);
    let line = Line {
        title: row.name(),
        aside: row.author(),
        facts: &facts,
        about: None,
        badge,
        locked: row.gate != Gate::Open,
        is_muted: runs.obstacle().is_some(),
    };
    let response = line.show(ui, row_height(ui), selected, &row.id);
    let clicked = response.clicked();
    match runs {
        Runs::No(reason) => {
            response.on_hover_text(format!("Cannot be run here. {reason}"));
        }
        runs => {
            if let Some(note) = runs.note() {
                response.on_hover_text(note);
            }
        }
    }
    clicked
}

/// Draws a row of the models to begin with. True: it was picked.
pub fn known_row_ui(ui: &mut Ui, known: &KnownModel, memory: Memory, selected: bool) -> bool {
    let schooling = match known.schooling {
        Schooling::Base => "base",
        Schooling::Instruct => "instruct",
        Schooling::Encoder => "encoder",
    };
    let size = match known.variant {
        Some(variant) => format!("{} as {variant}", format::bytes(known.bytes())),
        None => format::bytes(known.bytes()),
    };
    let facts = format!(
        "{} · {size} · {schooling} · {} · {}",
        format::parameters(known.parameters()),
        known.licence,
        known.needs
    );
    let line = Line {
        title: known.name(),
        aside: known.repo.split_once('/').map_or("", |(owner, _)| owner),
        facts: &facts,
        about: Some(known.good_for),
        badge: badge(Verdict::of_answering(memory, known.bytes(), known.bytes())),
        locked: known.is_gated,
        is_muted: false,
    };
    let height = row_height(ui) + text_height(ui, &TextStyle::Body) + theme::GAP_SMALL;
    line.show(ui, height, selected, known.repo).clicked()
}

fn badge(verdict: Verdict) -> Option<(Tone, &'static str)> {
    match verdict {
        Verdict::Well => Some((Tone::Chosen, "runs well")),
        Verdict::Slow => Some((Tone::Rejected, "fits, slow")),
        Verdict::Tight => Some((Tone::Rejected, "tight")),
        Verdict::TooLarge => Some((Tone::Problem, "too large")),
        Verdict::Unknown => None,
    }
}

/// Its weights' bytes: as stored, or what the usual GGUF file of so many parameters takes.
fn bytes_of(row: &Found) -> Option<u64> {
    if row.kind == RepoKind::Dataset {
        return None;
    }
    let as_gguf = || row.parameters.map(|count| (count.count() as f64 * USUAL_BITS / 8.0) as u64);
    if row.has_safetensors { row.weight_bytes } else { as_gguf() }
}

/// `135 M · 269 MB · apache-2.0 · 1.2 M downloads · 210 likes · 2025-09-22`
fn facts(row: &Found) -> String {
    let mut parts = Vec::new();
    match row.parameters {
        Some(Parameters::Counted(count)) => parts.push(format::parameters(count)),
        Some(Parameters::Named(count)) => parts.push(format!("~{}", format::parameters(count))),
        None => {}
    }
    if let Some(bytes) = bytes_of(row) {
        let about = if row.has_safetensors { "" } else { "~" };
        parts.push(format!("{about}{}", format::bytes(bytes)));
    }
    if row.has_gguf {
        parts.push("GGUF".to_owned());
    }
    parts.extend(row.licence.clone());
    parts.push(format!("{} downloads", format::large(row.downloads)));
    parts.push(format!("{} likes", format::large(row.likes)));
    if !row.updated.is_empty() {
        parts.push(row.updated.clone());
    }
    parts.join(" · ")
}

struct Line<'a> {
    title: &'a str,
    aside: &'a str,
    facts: &'a str,
    about: Option<&'a str>,
    badge: Option<(Tone, &'static str)>,
    locked: bool,
    is_muted: bool,
}

impl Line<'_> {
    fn show(&self, ui: &mut Ui, height: f32, selected: bool, id: &str) -> egui::Response {
        let size = vec2(ui.available_width(), height);
        let (rect, response) = ui.allocate_exact_size(size, Sense::click());
        response.widget_info(|| {
            let badge = self.badge.map_or(String::new(), |(_, words)| format!(" · {words}"));
            let locked = if self.locked { " · asks for consent" } else { "" };
            let about = self.about.map_or(String::new(), |about| format!(" · {about}"));
            let words = format!("{id} · {}{about}{badge}{locked}", self.facts);
            WidgetInfo::selected(Role::ListBoxOption, true, selected, words)
        });
        if ui.is_rect_visible(rect) {
            self.paint(ui, rect, selected, &response);
        }
        response
    }

    fn paint(&self, ui: &Ui, rect: Rect, selected: bool, response: &egui::Response) {
        let p = theme::palette(ui);
        let ground = match (selected, response.hovered()) {
            (true, _) => p.accent_soft,
            (false, true) => p.raised,
            (false, false) => p.card,
        };
        let radius = CornerRadius::same(theme::CONTROL_RADIUS);
        let ring = if response.has_focus() { p.accent } else { p.line };
        let painter = ui.painter();
        painter.rect(rect, radius, ground, Stroke::new(1.0, ring), egui::StrokeKind::Inside);
        let inside = rect.shrink2(vec2(12.0, theme::GAP));
        let mut right = inside.right();
        if let Some((tone, words)) = self.badge {
            right = paint_badge(ui, tone, words, pos2(right, inside.top()));
        }
        let body = TextStyle::Body.resolve(ui.style());
        if self.locked {
            let icon: MaterialIcon = icons::LOCK;
            let font = FontId::new(body.size * 1.1, icon.font_family());
            let lock = painter.text(
                pos2(right, inside.top() + body.size * 0.7),
                egui::Align2::RIGHT_CENTER,
                icon.codepoint,
                font,
                p.muted,
            );
            right = lock.left() - theme::GAP_SMALL;
        }
        let small = TextStyle::Small.resolve(ui.style());
        let ink = if self.is_muted { p.muted } else { p.strong };
        let width = right - inside.left() - theme::GAP;
        let title = one_line(ui, self.title, body.clone(), ink, width);
        let left = width - title.size().x - theme::GAP;
        let (title_width, title_height) = (title.size().x, title.size().y);
        painter.galley(inside.min, title, ink);
        if !self.aside.is_empty() && left > body.size * 3.0 {
            let aside = one_line(ui, self.aside, small.clone(), p.muted, left);
            let drop = title_height - aside.size().y;
            let at = inside.min + vec2(title_width + theme::GAP, drop.max(0.0) / 2.0);
            painter.galley(at, aside, p.muted);
        }
        let mut at = inside.min + vec2(0.0, title_height + theme::GAP_SMALL);
        if let Some(about) = self.about {
            let about = one_line(ui, about, body, p.text, inside.width());
            let height = about.size().y;
            painter.galley(at, about, p.text);
            at.y += height + theme::GAP_SMALL;
        }
        let facts = one_line(ui, self.facts, small, p.muted, inside.width());
        painter.galley(at, facts, p.muted);
    }
}

/// A chip whose right upper corner is at `corner`. Where it begins.
fn paint_badge(ui: &Ui, tone: Tone, words: &str, corner: Pos2) -> f32 {
    let (ink, ground) = tone.colors(&theme::palette(ui));
    let font = TextStyle::Small.resolve(ui.style());
    let galley = one_line(ui, words, font, ink, f32::INFINITY);
    let size = galley.size() + vec2(16.0, 2.0);
    let rect = Rect::from_min_size(pos2(corner.x - size.x, corner.y), size);
    ui.painter().rect_filled(rect, CornerRadius::same(theme::CONTROL_RADIUS), ground);
    ui.painter().galley(rect.min + vec2(8.0, 1.0), galley, ink);
    rect.left() - theme::GAP
}

//! Where the heads of a layer look: all of them in small, one of them as lines or as a map.

use std::ops::Range;

use eframe::egui::accesskit::Role;
use eframe::egui::{
    Color32, Id, Label, Pos2, Rect, Sense, Shape, Stroke, StrokeKind, TextStyle, Ui, WidgetInfo,
    pos2, vec2,
};

use super::heading;
use super::page::{Page, beside_ui, scrolled_part};
use crate::llm::card::ModelCard;
use crate::state::look_inside::LookInsideState;
use crate::state::look_inside::heads::Heads;
use crate::state::look_inside::view::View;
use crate::widgets::card::card_ui;
use crate::widgets::format;
use crate::widgets::one_line::one_line;
use crate::widgets::pixel_map::{PictureKey, square_texture};
use crate::widgets::scale::Scale;
use crate::widgets::slider_row::SliderRow;
use crate::widgets::switch::{Segment, segmented_ui, switch_ui};
use crate::widgets::theme;
use crate::widgets::token_flow::{spoken, visible_whitespace};

/// A line of less than this share is not drawn.
const LEAST_SHARE: f32 = 0.03;

/// One head, as it is shown.
#[derive(Clone, Copy)]
struct Shown<'a> {
    heads: &'a Heads,
    tokens: &'a [&'a str],
    head: usize,
    hides_first: bool,
    selected: Option<usize>,

    /// Changes with the question.
    version: u64,
}

impl Shown<'_> {
    fn row(&self, row: usize) -> &[f32] {
        let time = self.heads.view.time;
        &self.heads.view.head(self.head)[row * time..][..time]
    }

    /// What a token gets, without the first where that is hidden.
    fn share(&self, row: usize, column: usize) -> f32 {
        let weights = self.row(row);
        if !self.hides_first {
            return weights[column];
        }
        let rest: f32 = weights[1..].iter().sum();
        if column == 0 || rest <= 0.0 { 0.0 } else { weights[column] / rest }
    }

    /// The shares of a whole row that are drawn.
    fn lines(&self, row: usize) -> impl Iterator<Item = (usize, f32)> {
        let weights = self.row(row);
        let rest: f32 = if self.hides_first { weights[1..].iter().sum() } else { 1.0 };
        let from = usize::from(self.hides_first);
        let shares = weights.iter().enumerate().take(row + 1).skip(from);
        shares.filter_map(move |(column, weight)| {
            let share = if rest > 0.0 { weight / rest } else { 0.0 };
            (share >= LEAST_SHARE).then_some((column, share))
        })
    }
}

pub fn attention_ui(ui: &mut Ui, look: &mut LookInsideState, model: &ModelCard, page: Page) {
    let (version, selected) = (look.number(), look.selected);
    let token_count = look.token_count();
    let mut clicked = None;
    card_ui(ui, |ui| {
        ui.add(Label::new(theme::title(ui, View::Attention.question())).wrap());
        heading::help_ui(ui, View::Attention);
        controls_ui(ui, look, model.facts.layer_count);
        let LookInsideState { attention, tokens, head, as_lines, hides_first, .. } = look;
        let Some(heads) = heading::ready_or_why_ui(ui, attention) else { return };
        let Some(pieces) = tokens.ready() else { return };
        let time = heads.view.time;
        heading::cut_ui(ui, time, token_count);
        let tokens: Vec<&str> =
            pieces.pieces.iter().take(time).map(|piece| piece.token.as_str()).collect();
        *head = (*head).min(heads.view.heads.saturating_sub(1));
        let shown = Shown {
            heads,
            tokens: &tokens,
            head: *head,
            hides_first: *hides_first,
            selected: selected.filter(|at| *at < time),
            version,
        };
        let as_lines = *as_lines;
        let main = |ui: &mut Ui| {
            head_title_ui(ui, shown);
            let room = page.picture_room(ui);
            if as_lines { lines_ui(ui, shown, room) } else { map_ui(ui, shown, room) }
        };
        let detail = |ui: &mut Ui| heads_ui(ui, shown, page);
        let (token, picked) = beside_ui(ui, main, detail);
        clicked = token;
        if let Some(picked) = picked {
            *head = picked;
        }
    });
    look.choose(clicked);
}

fn controls_ui(ui: &mut Ui, look: &mut LookInsideState, layer_count: usize) {
    let width = ui.available_width().min(theme::em(ui) * 36.0);
    ui.allocate_ui(vec2(width, 0.0), |ui| {
        let last = layer_count.saturating_sub(1);
        look.layer = look.layer.min(last);
        let about = "Counted from 0, as transformers counts them";
        let slider = SliderRow::new("Layer", about, 0.0..=last as f64).decimals(0);
        let before = look.layer;
        slider.show(ui, &mut look.layer);
        if look.layer != before {
            look.layer_changed();
        }
    });
    ui.horizontal_wrapped(|ui| {
        let segments = [
            Segment {
                value: true,
                words: "Lines",
                explanation: "From each token on the left to those that it looks at",
            },
            Segment {
                value: false,
                words: "Map",
                explanation: "A row a token that looks, a column a token that is looked at",
            },
        ];
        segmented_ui(ui, &mut look.as_lines, &segments);
        let about = "Most heads look at the first token when they have nothing to do (the attention \
                     sink). Without it the rest of each row is made to sum to 1 again";
        switch_ui(ui, &mut look.hides_first, "Hide the first token", about);
    });
    ui.add_space(theme::GAP_SMALL);
}

fn head_title_ui(ui: &mut Ui, shown: Shown<'_>) {
    let Shown { heads, head, .. } = shown;
    let label = match heads.label(head) {
        Some((name, share)) => format!(": {name} {}", format::percent(share as f32)),
        None => String::new(),
    };
    let title = format!("Layer {}, head {head}{label}", heads.view.layer);
    ui.add(Label::new(theme::strong(ui, title)).wrap());
}

/// All heads of the layer in small. The one that was clicked.
fn heads_ui(ui: &mut Ui, shown: Shown<'_>, page: Page) -> Option<usize> {
    let Shown { heads, head, hides_first, version, .. } = shown;
    let em = theme::em(ui);
    ui.add(Label::new(theme::strong(ui, format!("All {} heads", heads.view.heads))).wrap());
    let area = scrolled_part("heads", page.picture_room(ui));
    let mut picked = None;
    area.show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(theme::GAP, theme::GAP);
            for index in 0..heads.view.heads {
                let is_selected = index == head;
                let side = em * 5.2;
                let small = TextStyle::Small.resolve(ui.style());
                let size = vec2(side, side + small.size * 2.7);
                let (rect, response) = ui.allocate_exact_size(size, Sense::click());
                let label = heads.label(index);
                let words = match label {
                    Some((name, share)) => {
                        format!("Head {index}, {name} {}", format::percent(share as f32))
                    }
                    None => format!("Head {index}"),
                };
                response
                    .widget_info(|| WidgetInfo::selected(Role::Button, true, is_selected, &words));
                if response.clicked() {
                    picked = Some(index);
                }
                if !ui.is_rect_visible(rect) {
                    continue;
                }
                let p = theme::palette(ui);
                let picture = Rect::from_min_size(rect.min, vec2(side, side));
                let thumb = &heads.thumbs[index][usize::from(hides_first)];
                let key = PictureKey {
                    version: version ^ ((heads.view.layer as u64) << 32),
                    part: index,
                    variant: usize::from(hides_first),
                };
                let id = Id::unique(("head thumb", index));
                let texture = square_texture(ui, id, key, thumb.side, || thumb.weights.clone());
                paint(ui, &texture, picture);
                let stroke = if is_selected {
                    Stroke::new(3.0, p.accent)
                } else if response.hovered() || response.has_focus() {
                    Stroke::new(2.0, p.accent)
                } else {
                    Stroke::new(1.0, p.line)
                };
                ui.painter().rect_stroke(picture, 2.0, stroke, StrokeKind::Inside);
                let at =
                    |line: f32| pos2(rect.left(), picture.bottom() + 3.0 + line * small.size * 1.2);
                let ink = if is_selected { p.accent } else { p.text };
                let name = one_line(ui, &format!("Head {index}"), small.clone(), ink, side);
                ui.painter().galley(at(0.0), name, ink);
                if let Some((name, _)) = label {
                    let name = one_line(ui, name, small.clone(), p.muted, side);
                    ui.painter().galley(at(1.0), name, p.muted);
                }
                response.on_hover_text(words);
            }
        });
    });
    picked
}

fn paint(ui: &Ui, texture: &eframe::egui::TextureHandle, rect: Rect) {
    let whole = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));
    ui.painter().image(texture.id(), rect, whole, Color32::WHITE);
}

/// Tokens twice, beside each other, with lines from those that look to those that are looked at.
fn lines_ui(ui: &mut Ui, shown: Shown<'_>, room: f32) -> Option<usize> {
    let p = theme::palette(ui);
    let time = shown.tokens.len();
    let font = TextStyle::Body.resolve(ui.style());
    let row_height = (font.size * 1.45).round();
    let column = (ui.available_width() * 0.3).min(font.size * 12.0);
    let small = theme::muted(ui, "On the left who looks, on the right what is looked at").small();
    ui.add(Label::new(small).wrap());
    let area = scrolled_part("lines", room);
    let shown_area = area.show(ui, |ui| {
        let size = vec2(ui.available_width(), row_height * time as f32);
        let (whole, _) = ui.allocate_exact_size(size, Sense::hover());
        let seen = ui.clip_rect().intersect(whole);
        if !seen.is_positive() {
            return None;
        }
        let row_at = |y: f32| ((y - whole.top()) / row_height).floor().max(0.0) as usize;
        let rows: Range<usize> =
            row_at(seen.top()).min(time)..(row_at(seen.bottom()) + 1).min(time);
        let middle = |row: usize| whole.top() + (row as f32 + 0.5) * row_height;
        let cell = |row: usize, is_left: bool| {
            let left = if is_left { whole.left() } else { whole.right() - column };
            Rect::from_min_size(
                pos2(left, middle(row) - row_height / 2.0),
                vec2(column, row_height),
            )
        };
        let mut clicked = None;
        let mut pointed = None;
        for row in rows.clone() {
            let id = ui.scope_id().with(("attention row", row));
            let response = ui.interact(cell(row, true), id, Sense::click());
            let name = format!("Token {}: {}", row + 1, spoken(shown.tokens[row]));
            let is_selected = shown.selected == Some(row);
            response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_selected, &name));
            if response.clicked() {
                clicked = Some(row);
            }
            if response.hovered() || response.has_focus() {
                pointed = Some(row);
            }
        }
        let focus = pointed.or(shown.selected);
        let (from, to) = (whole.left() + column + 4.0, whole.right() - column - 4.0);
        let line = |row: usize, at: usize, share: f32, strength: f32| {
            let ink = p.accent.gamma_multiply((0.15 + 0.85 * share) * strength);
            let width = 1.0 + 4.0 * share;
            Shape::line_segment(
                [pos2(from, middle(row)), pos2(to, middle(at))],
                Stroke::new(width, ink),
            )
        };
        let painter = ui.painter();
        match focus {
            Some(row) => {
                painter.extend(shown.lines(row).map(|(at, share)| line(row, at, share, 1.0)));
            }
            // Of those in sight: a whole text's would be a ball of wool.
            None => {
                for row in rows.clone() {
                    painter.extend(shown.lines(row).map(|(at, share)| line(row, at, share, 0.8)));
                }
            }
        }
        let scale = Scale::here(ui);
        for row in rows {
            for is_left in [true, false] {
                let rect = cell(row, is_left);
                let share = focus
                    .filter(|_| !is_left)
                    .map(|focus| if row <= focus { shown.share(focus, row) } else { 0.0 });
                let ground = match share {
                    Some(share) => scale.share(share.sqrt()),
                    None if is_left && focus == Some(row) => p.accent_soft,
                    None => Color32::TRANSPARENT,
                };
                if ground != Color32::TRANSPARENT {
                    painter.rect_filled(rect.shrink2(vec2(0.0, 1.0)), 3.0, ground);
                }
                let mut text = visible_whitespace(shown.tokens[row]);
                if let Some(share) = share.filter(|share| *share >= 0.005) {
                    text = format!("{text}  {}", format::percent(share));
                }
                let galley = one_line(ui, &text, font.clone(), p.text, column - 8.0);
                let x =
                    if is_left { rect.right() - 4.0 - galley.size().x } else { rect.left() + 4.0 };
                painter.galley(pos2(x, rect.center().y - galley.size().y / 2.0), galley, p.text);
            }
        }
        clicked
    });
    shown_area.inner
}

/// A row a token that looks, a column a token that is looked at.
fn map_ui(ui: &mut Ui, shown: Shown<'_>, room: f32) -> Option<usize> {
    let p = theme::palette(ui);
    let time = shown.tokens.len();
    let line = theme::em(ui) * 1.7;
    let side = (room - 2.0 * line).min(ui.available_width()).max(theme::em(ui) * 8.0);
    let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::click());
    let name = format!("Map of head {}", shown.head);
    response.widget_info(|| WidgetInfo::labeled(Role::GraphicsSymbol, true, &name));
    let key = PictureKey {
        version: shown.version ^ ((shown.heads.view.layer as u64) << 32),
        part: shown.head,
        variant: usize::from(shown.hides_first),
    };
    let texture = square_texture(ui, Id::unique("head map"), key, time, || {
        if shown.hides_first {
            shown.heads.view.head_without_first(shown.head)
        } else {
            shown.heads.view.head(shown.head).to_vec()
        }
    });
    paint(ui, &texture, rect);
    ui.painter().rect_stroke(rect, 0.0, Stroke::new(1.0, p.line), StrokeKind::Outside);
    let slot = side / time.max(1) as f32;
    if let Some(selected) = shown.selected {
        let top = rect.top() + selected as f32 * slot;
        let band = Rect::from_min_size(pos2(rect.left(), top), vec2(side, slot.max(2.0)));
        ui.painter().rect_stroke(band, 0.0, Stroke::new(1.5, p.accent), StrokeKind::Outside);
    }
    let place = response.hover_pos().map(|at| {
        let index = |offset: f32| ((offset / slot).max(0.0) as usize).min(time - 1);
        (index(at.y - rect.top()), index(at.x - rect.left()))
    });
    let words = match (place, shown.selected) {
        (Some((row, column)), _) => pair_words(shown, row, column),
        (None, Some(row)) => strongest_words(shown, row),
        (None, None) => "Point at the map, or choose a token with the arrow keys".to_owned(),
    };
    ui.add(Label::new(theme::number(words)).wrap());
    let axes = "Rows look, columns are looked at; colour by the square root of the share";
    ui.add(Label::new(theme::muted(ui, axes).small()).wrap());
    let clicked = response.clicked().then(|| place.map(|(row, _)| row));
    clicked.flatten()
}

/// `12 ␣door looks at 3 ␣tower: 34.2 %`.
fn pair_words(shown: Shown<'_>, row: usize, column: usize) -> String {
    let token = |at: usize| format!("{} {}", at + 1, visible_whitespace(shown.tokens[at]));
    if column > row {
        return format!("{} cannot look at {}, which comes later", token(row), token(column));
    }
    let share = format::percent(shown.share(row, column));
    format!("{} looks at {}: {share}", token(row), token(column))
}

fn strongest_words(shown: Shown<'_>, row: usize) -> String {
    let best =
        (0..=row).max_by(|one, other| shown.share(row, *one).total_cmp(&shown.share(row, *other)));
    best.map(|column| pair_words(shown, row, column)).unwrap_or_default()
}

//! The logit lens: what each layer would say next, were it the last.

use eframe::egui::accesskit::Role;
use eframe::egui::{
    Align2, Label, Rect, Sense, Stroke, StrokeKind, TextStyle, Ui, WidgetInfo, pos2, vec2,
};

use super::heading;
use super::page::{BAR, Page, beside_ui, scrolled_part};
use super::place::bar;
use crate::explore::lens::LensView;
use crate::state::look_inside::LookInsideState;
use crate::state::look_inside::lens::{Lens, WINDOWS};
use crate::state::look_inside::view::View;
use crate::widgets::button::ActionButton;
use crate::widgets::candidate_bars::{CandidateBar, Rows, candidate_bars_ui};
use crate::widgets::card::card_ui;
use crate::widgets::format;
use crate::widgets::one_line::one_line;
use crate::widgets::scale::Scale;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;
use crate::widgets::token_flow::{spoken, visible_whitespace};

/// A cell of the map.
#[derive(Clone, Copy, PartialEq)]
struct Cell {
    layer: usize,
    position: usize,
}

pub fn lens_ui(ui: &mut Ui, look: &mut LookInsideState, page: Page) {
    let selected = look.selected;
    let mut clicked = None;
    let mut follow = None;
    card_ui(ui, |ui| {
        ui.add(Label::new(theme::title(ui, View::Lens.question())).wrap());
        heading::help_ui(ui, View::Lens);
        controls_ui(ui, &mut look.lens);
        let Some(view) = heading::ready_or_why_ui(ui, &look.lens.view) else { return };
        let layer = look.lens.layer;
        let chosen = chosen(view, layer, selected);
        let main = |ui: &mut Ui| map_ui(ui, view, chosen, page);
        let detail = |ui: &mut Ui| cell_ui(ui, view, chosen);
        (clicked, follow) = beside_ui(ui, main, detail);
    });
    if let Some(cell) = clicked {
        look.selected = Some(cell.position);
        look.lens.layer = Some(cell.layer);
    }
    if let Some(id) = follow {
        look.lens.follow = Some(id);
        look.lens.ask_again();
    }
}

/// The cell that is looked at: the one that was chosen, else what the model says after the last
/// token.
fn chosen(view: &LensView, layer: Option<usize>, selected: Option<usize>) -> Cell {
    let last = view.positions.end.saturating_sub(1);
    let position = selected.filter(|at| view.positions.contains(at)).unwrap_or(last);
    let top = view.top.len().saturating_sub(1);
    Cell { layer: layer.unwrap_or(top).min(top), position }
}

fn controls_ui(ui: &mut Ui, lens: &mut Lens) {
    ui.horizontal_wrapped(|ui| {
        let about = "So many tokens from the end of the text; each more costs time";
        let words = WINDOWS.map(|count| format!("Last {count}"));
        let segments: Vec<Segment<'_, usize>> = WINDOWS
            .iter()
            .zip(&words)
            .map(|(count, words)| Segment { value: *count, words, explanation: about })
            .collect();
        if segmented_ui(ui, &mut lens.last, &segments) {
            lens.ask_again();
        }
        if let Some(followed) = lens.view.ready().and_then(|view| view.followed.as_ref()) {
            let words = format!("Stop following {}", visible_whitespace(&followed.token));
            if ui.add(ActionButton::quiet(&words).icon(icons::CLOSE)).clicked() {
                lens.follow = None;
                lens.ask_again();
            }
        }
    });
    ui.add_space(theme::GAP_SMALL);
}

/// Layers by positions, what the model says at the top. The cell that was clicked.
fn map_ui(ui: &mut Ui, view: &LensView, chosen: Cell, page: Page) -> Option<Cell> {
    let p = theme::palette(ui);
    let font = TextStyle::Small.resolve(ui.style());
    let gutter = font.size * 4.6;
    let least = font.size * 4.6;
    let row_height = (font.size * 1.7).round();
    let count = view.positions.len();
    let width = ui.available_width() - f32::from(BAR);
    let columns = (((width - gutter) / least).floor().max(1.0) as usize).min(count);
    // As many columns as have room; the one that is looked at among them.
    let start = view.positions.end - columns;
    let start = if chosen.position < start { chosen.position } else { start };
    let column_width = ((width - gutter) / columns.max(1) as f32).min(font.size * 9.0);
    if columns < count {
        let words = format!(
            "Tokens {} to {} of {}: move with the arrow keys",
            start + 1,
            start + columns,
            view.ids.len()
        );
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
    header_ui(ui, view, start..start + columns, gutter, column_width, chosen);
    let layers = view.top.len();
    let room = page.picture_room(ui);
    ui.spacing_mut().item_spacing.y = 0.0;
    let area = scrolled_part("lens", room);
    let shown = area.show_rows(ui, row_height, layers, |ui, rows| {
        let scale = Scale::here(ui);
        let mut clicked = None;
        for row in rows {
            let layer = layers - 1 - row;
            let size = vec2(width, row_height);
            let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
            let name = layer_name(layer, layers);
            let at = rect.left_center() + vec2(2.0, 0.0);
            ui.painter().text(at, Align2::LEFT_CENTER, name, font.clone(), p.muted);
            for column in 0..columns {
                let cell = Cell { layer, position: start + column };
                let left = rect.left() + gutter + column as f32 * column_width;
                let place = Rect::from_min_size(
                    pos2(left, rect.top()),
                    vec2(column_width - 1.0, row_height - 1.0),
                );
                let id = ui.scope_id().with(("lens cell", cell.layer, cell.position));
                let response = ui.interact(place, id, Sense::click());
                let words = cell_words(view, cell, true);
                let is_chosen = cell == chosen;
                response
                    .widget_info(|| WidgetInfo::selected(Role::Button, true, is_chosen, &words));
                let (share, text) = shown_in(view, cell);
                let painter = ui.painter();
                painter.rect_filled(place, 2.0, scale.share(share));
                let galley = one_line(ui, &text, font.clone(), p.text, column_width - 5.0);
                let top = place.center().y - galley.size().y / 2.0;
                painter.galley(pos2(left + 2.0, top), galley, p.text);
                if is_chosen || response.hovered() || response.has_focus() {
                    let width = if is_chosen { 2.5 } else { 1.5 };
                    let stroke = Stroke::new(width, p.accent);
                    painter.rect_stroke(place, 2.0, stroke, StrokeKind::Inside);
                }
                if response.clicked() {
                    clicked = Some(cell);
                }
                if response.hovered() {
                    response.on_hover_text(cell_words(view, cell, false));
                }
            }
        }
        clicked
    });
    shown.inner
}

/// The tokens of the text above their columns.
fn header_ui(
    ui: &mut Ui,
    view: &LensView,
    positions: std::ops::Range<usize>,
    gutter: f32,
    column_width: f32,
    chosen: Cell,
) {
    let p = theme::palette(ui);
    let font = TextStyle::Small.resolve(ui.style());
    let height = (font.size * 1.7).round();
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let at = rect.left_center() + vec2(2.0, 0.0);
    ui.painter().text(at, Align2::LEFT_CENTER, "after", font.clone(), p.muted);
    for (column, position) in positions.enumerate() {
        let left = rect.left() + gutter + column as f32 * column_width;
        let ink = if position == chosen.position { p.accent } else { p.strong };
        let text = visible_whitespace(&view.tokens[position]);
        let galley = one_line(ui, &text, font.clone(), ink, column_width - 5.0);
        let top = rect.center().y - galley.size().y / 2.0;
        ui.painter().galley(pos2(left + 2.0, top), galley, ink);
    }
}

/// `text`, `layer 3`, `says`: the embedding, a layer, and what comes out.
fn layer_name(layer: usize, layers: usize) -> String {
    match layer {
        0 => "input".to_owned(),
        last if last + 1 == layers => "output".to_owned(),
        layer => format!("layer {layer}"),
    }
}

/// How strongly a cell is coloured, and what stands in it: the likeliest token, or the rank of the
/// one that is followed.
fn shown_in(view: &LensView, cell: Cell) -> (f32, String) {
    let column = cell.position - view.positions.start;
    if let Some(followed) = &view.followed {
        let share = followed.logprobs[cell.layer][column].exp() as f32;
        return (share, format!("#{}", format::count(followed.ranks[cell.layer][column])));
    }
    match view.top[cell.layer][column].first() {
        Some(best) => (best.probability as f32, visible_whitespace(&best.token)),
        None => (0.0, String::new()),
    }
}

fn cell_words(view: &LensView, cell: Cell, is_spoken: bool) -> String {
    let column = cell.position - view.positions.start;
    let show = |text: &str| if is_spoken { spoken(text) } else { visible_whitespace(text) };
    let place = format!(
        "{} after token {} {}",
        layer_name(cell.layer, view.top.len()),
        cell.position + 1,
        show(&view.tokens[cell.position])
    );
    if let Some(followed) = &view.followed {
        let share = format::percent(followed.logprobs[cell.layer][column].exp() as f32);
        let rank = format::count(followed.ranks[cell.layer][column]);
        return format!("{place}: {} has rank {rank}, {share}", show(&followed.token));
    }
    match view.top[cell.layer][column].first() {
        Some(best) => {
            let share = format::percent(best.probability as f32);
            format!("{place}: {} {share}", show(&best.token))
        }
        None => place,
    }
}

/// The cell that is looked at. The token that is to be followed.
fn cell_ui(ui: &mut Ui, view: &LensView, cell: Cell) -> Option<u32> {
    let column = cell.position - view.positions.start;
    let layer = layer_name(cell.layer, view.top.len());
    let token = visible_whitespace(&view.tokens[cell.position]);
    let title = format!("After token {}: {token}", cell.position + 1);
    ui.add(Label::new(theme::title(ui, title)).wrap());
    let entropy = view.entropy[cell.layer][column];
    let words = format!("{layer}: entropy {entropy:.1} bits");
    ui.add(Label::new(theme::muted(ui, words)).wrap());
    let top = &view.top[cell.layer][column];
    let followed = view.followed.as_ref();
    let bars: Vec<CandidateBar<'_>> =
        top.iter().map(|candidate| bar(candidate, followed.map(|it| it.id))).collect();
    let rows = Rows::Clickable("Follow this token through the layers");
    let clicked = candidate_bars_ui(ui, &bars, "followed", rows);
    ui.add_space(theme::GAP_SMALL);
    if let Some(followed) = followed {
        let token = visible_whitespace(&followed.token);
        let rank = format::count(followed.ranks[cell.layer][column]);
        let share = format::percent(followed.logprobs[cell.layer][column].exp() as f32);
        let words = format!("{token} has rank {rank} here, {share}. Each cell has its rank.");
        ui.add(Label::new(theme::strong(ui, words)).wrap());
    } else {
        let words = "Click a token here to follow it through the layers.";
        heading::hint_ui(ui, words);
    }
    clicked.map(|at| top[at].id)
}

//! More than two answers to a prompt, put into an order by dragging them or by their keys.

use eframe::egui::{
    self, Align2, Key, Label, ScrollArea, Sense, Stroke, StrokeKind, TextStyle, Ui, UiBuilder,
};

use super::pressed::pressed;
use crate::panels::shortcuts::DIGITS;
use crate::state::annotate::ranking::Ranking;
use crate::state::annotate::{AnnotateState, STILL_READING};
use crate::state::command::{AnnotateCommand, Commands};
use crate::widgets::button::{ActionButton, Weight};
use crate::widgets::card::{self, Tone, chip_ui};
use crate::widgets::one_line::one_line;
use crate::widgets::theme;

/// Whether a key meant something.
pub(super) fn take_rank_keys(
    ui: &Ui,
    annotate: &mut AnnotateState,
    commands: &mut Commands,
) -> bool {
    for (place, key) in DIGITS.into_iter().enumerate() {
        if pressed(ui, egui::Modifiers::NONE, key) {
            annotate.ranking_mut().press(place);
            return true;
        }
    }
    if pressed(ui, egui::Modifiers::NONE, Key::T) {
        annotate.ranking_mut().tie();
        return true;
    }
    let ranking = annotate.ranking_mut();
    if ranking.is_begun() && pressed(ui, egui::Modifiers::NONE, Key::Backspace) {
        ranking.back();
        return true;
    }
    if ranking.is_begun() && ranking.is_complete() && pressed(ui, egui::Modifiers::NONE, Key::Enter)
    {
        commands.push(AnnotateCommand::KeepRanking);
        return true;
    }
    false
}

/// The least height in which every answer can be read.
pub(super) fn least_height(ui: &Ui, annotate: &AnnotateState) -> f32 {
    let count = annotate.ranking().map_or(1, |(texts, _)| texts.len().max(1));
    let em = theme::em(ui);
    let width = ui.available_width();
    let columns = columns_of(count, width - order_width(width, em) - theme::GAP * 2.0, em);
    count.div_ceil(columns) as f32 * (em * LOWEST + theme::GAP_SMALL)
}

fn order_width(width: f32, em: f32) -> f32 {
    (width * 0.22).clamp(em * 10.0, em * 16.0)
}

/// The answers with their keys, and beside them the order: both can be dragged there.
pub(super) fn ranked_ui(ui: &mut Ui, annotate: &mut AnnotateState, height: f32) {
    let Some((texts, ranking)) = annotate.ranking() else { return };
    let texts: Vec<String> = texts.into_iter().map(str::to_owned).collect();
    let ranking = ranking.clone();
    let em = theme::em(ui);
    let top = ui.cursor().min;
    let width = ui.available_width();
    let order_width = order_width(width, em);
    let columns = columns_of(texts.len(), width - order_width - theme::GAP * 2.0, em);
    // Where there is no room for all of them, the panel scrolls: none lies over another one.
    let rows = texts.len().div_ceil(columns) as f32;
    let height = height.max(rows * (em * LOWEST + theme::GAP_SMALL));
    let area = egui::Rect::from_min_size(top, egui::vec2(width, height));
    let (answers, order) = area.split_left_right_at_x(area.right() - order_width - theme::GAP);
    let order = order.with_min_x(order.left() + theme::GAP);
    let mut asked = None;
    answers_ui(ui, answers, columns, (&texts, &ranking), &mut asked);
    order_ui(ui, order, texts.len(), &ranking, &mut asked);
    ui.advance_cursor_after_rect(area);
    let ranking = annotate.ranking_mut();
    match asked {
        Some(Move::Press(place)) => ranking.press(place),
        Some(Move::Before(place, at)) => ranking.put_before(place, at),
        Some(Move::Beside(place, other)) => ranking.put_beside(place, other),
        Some(Move::Out(place)) => ranking.take_out(place),
        None => {}
    }
}

/// What was done to the order, with answers by their places on the screen.
enum Move {
    Press(usize),

    /// Before what is at this place of the order.
    Before(usize, usize),

    /// As good as another one.
    Beside(usize, usize),
    Out(usize),
}

/// What is dragged: an answer by its place on the screen.
#[derive(Clone, Copy)]
struct Dragged(usize);

/// The lowest card: its button and two lines.
const LOWEST: f32 = 7.0;

/// So many beside each other that each is as high as can be, and none narrower than can be read.
fn columns_of(count: usize, width: f32, em: f32) -> usize {
    let fitting = ((width / (em * 15.0)) as usize).max(1);
    let wanted = if count == 4 { 2 } else { 3 };
    wanted.min(fitting).min(count)
}

fn answers_ui(
    ui: &mut Ui,
    area: egui::Rect,
    columns: usize,
    (texts, ranking): (&[String], &Ranking),
    asked: &mut Option<Move>,
) {
    let rows = texts.len().div_ceil(columns);
    let gap = theme::GAP_SMALL;
    let size = egui::vec2(
        (area.width() - gap * (columns - 1) as f32) / columns as f32,
        (area.height() - gap * (rows - 1) as f32) / rows as f32,
    );
    for (place, text) in texts.iter().enumerate() {
        let (row, column) = (place / columns, place % columns);
        let step = egui::vec2(column as f32 * (size.x + gap), row as f32 * (size.y + gap));
        let cell = egui::Rect::from_min_size(area.min + step, size);
        let builder = UiBuilder::new().max_rect(cell).id_salt(("ranked", place));
        ui.scope_builder(builder, |ui| {
            card::card_ui(ui, |ui| {
                let margin = 34.0; // the frame's, above and below
                ui.set_height((size.y - margin).max(0.0));
                ui.set_width(ui.available_width());
                ui.horizontal(|ui| {
                    grip_ui(ui, place, &format!("Drag answer {}", place + 1));
                    let words = format!("Answer {}", place + 1);
                    let key = (place + 1).to_string();
                    let rank = ranking.rank(place);
                    let weight = if rank.is_some() { Weight::Quiet } else { Weight::Normal };
                    let button = ActionButton::new(&words).weight(weight).shortcut(&key);
                    let button = ui.add_enabled(rank.is_none() || ranking.is_complete(), button);
                    if button.on_hover_text("Give it the next best place").clicked() {
                        *asked = Some(Move::Press(place));
                    }
                    match rank {
                        Some(rank) => {
                            chip_ui(ui, Tone::Accent, None, &format!("Place {rank}"));
                        }
                        None => {
                            ui.label(theme::muted(ui, "no place yet"));
                        }
                    }
                });
                let area = ScrollArea::vertical().id_salt("text").auto_shrink(false);
                let area = area.min_scrolled_height(theme::em(ui) * 2.0);
                area.show(ui, |ui| {
                    ui.set_width(ui.available_width());
                    ui.add(Label::new(text).wrap());
                });
            });
        });
    }
}

/// What an answer is dragged by.
fn grip_ui(ui: &mut Ui, place: usize, name: &str) {
    let side = theme::em(ui) * 1.4;
    let (rect, response) = ui.allocate_exact_size(egui::vec2(side, side), Sense::drag());
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::accesskit::Role::Button, true, name.to_owned())
    });
    let p = theme::palette(ui);
    let ink = if response.hovered() || response.dragged() { p.text } else { p.muted };
    for (x, y) in [(-1.0, -1.0), (1.0, -1.0), (-1.0, 0.0), (1.0, 0.0), (-1.0, 1.0), (1.0, 1.0)] {
        let at = rect.center() + egui::vec2(x * side * 0.14, y * side * 0.24);
        ui.painter().circle_filled(at, side * 0.07, ink);
    }
    let response = response.on_hover_cursor(egui::CursorIcon::Grab);
    response.dnd_set_drag_payload(Dragged(place));
    response.on_hover_text("Drag it to its place in the order");
}

/// The order as a list: the best above, below those that have no place yet.
fn order_ui(
    ui: &mut Ui,
    area: egui::Rect,
    count: usize,
    ranking: &Ranking,
    asked: &mut Option<Move>,
) {
    let p = theme::palette(ui);
    let em = theme::em(ui);
    let order = ranking.order();
    let without: Vec<usize> =
        (0..count).filter(|place| order.iter().all(|(known, _)| known != place)).collect();
    ui.scope_builder(UiBuilder::new().max_rect(area).id_salt("order"), |ui| {
        ui.set_clip_rect(area.intersect(ui.clip_rect()));
        ui.spacing_mut().item_spacing.y = 0.0;
        ui.label(theme::strong(ui, "The best above"));
        let title = ui.min_rect().height();
        // All of them, a line between the two groups and a little air.
        let height = (area.height() - title - em * 3.2) / count as f32;
        let height = height.clamp(em * 1.3, em * 2.2);
        let mut rects = Vec::new();
        for (place, tied) in order {
            let rank = ranking.rank(*place).unwrap_or_default();
            let words = if *tied { format!("= {rank}") } else { format!("{rank}") };
            rects.push(row_ui(ui, *place, &words, height));
        }
        let end = ui.cursor().top();
        let rest = match (order.is_empty(), without.is_empty()) {
            (true, _) => "Drag answers here",
            (false, false) => "No place yet",
            (false, true) => "All have a place",
        };
        let line = ui.add(Label::new(theme::muted(ui, rest).small()).selectable(false));
        for place in &without {
            let rank = ranking.rank(*place).map(|rank| rank.to_string()).unwrap_or_default();
            row_ui(ui, *place, &rank, height);
        }
        let pointer = ui.input(|input| input.pointer.interact_pos());
        let dragged = egui::DragAndDrop::payload::<Dragged>(ui.ctx());
        let (Some(pointer), Some(dragged)) = (pointer, dragged) else { return };
        if !area.contains(pointer) {
            return;
        }
        let (target, drawn) =
            target(pointer.y, dragged.0, order, &rects, (end, line.rect.bottom()));
        match drawn {
            Drawn::Line(y) => {
                ui.painter().hline(area.x_range(), y, Stroke::new(3.0, p.accent));
            }
            Drawn::Around(at) => {
                let stroke = Stroke::new(2.0, p.accent);
                ui.painter().rect_stroke(rects[at], 6.0, stroke, StrokeKind::Inside);
            }
            Drawn::Nothing => {}
        }
        if ui.input(|input| input.pointer.any_released()) {
            *asked = Some(target);
            egui::DragAndDrop::clear_payload(ui.ctx());
        }
    });
}

/// What shows where the answer would go.
enum Drawn {
    Line(f32),

    /// Around what it would be as good as.
    Around(usize),
    Nothing,
}

/// What dropping at this height does: in the middle of another one, it is as good; between two, it comes
/// between; below all, it has no place.
fn target(
    y: f32,
    dragged: usize,
    order: &[(usize, bool)],
    rects: &[egui::Rect],
    (end, without): (f32, f32),
) -> (Move, Drawn) {
    for (at, rect) in rects.iter().enumerate() {
        if y > rect.bottom() {
            continue;
        }
        let share = (y - rect.top()) / rect.height();
        let other = order[at].0;
        return if share < 0.3 {
            (Move::Before(dragged, at), Drawn::Line(rect.top()))
        } else if share > 0.7 {
            (Move::Before(dragged, at + 1), Drawn::Line(rect.bottom()))
        } else {
            (Move::Beside(dragged, other), Drawn::Around(at))
        };
    }
    if y <= without || order.is_empty() {
        (Move::Before(dragged, order.len()), Drawn::Line(end))
    } else {
        (Move::Out(dragged), Drawn::Nothing)
    }
}

/// A row of the order, which can be dragged.
fn row_ui(ui: &mut Ui, place: usize, rank: &str, height: f32) -> egui::Rect {
    let p = theme::palette(ui);
    let size = egui::vec2(ui.available_width(), height);
    let (rect, response) = ui.allocate_exact_size(size, Sense::drag());
    let words = format!("Answer {}", place + 1);
    response.widget_info(|| {
        let name = match rank {
            "" => format!("{words} in the order, no place"),
            rank => format!("{words} in the order, place {rank}"),
        };
        egui::WidgetInfo::labeled(egui::accesskit::Role::Button, true, name)
    });
    let inner = rect.shrink2(egui::vec2(0.0, 1.5));
    let ground = match (response.dragged(), response.hovered()) {
        (true, _) => p.accent_soft,
        (false, true) => p.raised_press,
        (false, false) => p.raised,
    };
    ui.painter().rect_filled(inner, 6.0, ground);
    let font = TextStyle::Body.resolve(ui.style());
    let left = inner.left() + 8.0;
    let rank_width = theme::em(ui) * 2.0;
    let at = egui::pos2(left, inner.center().y);
    ui.painter().text(at, Align2::LEFT_CENTER, rank, font.clone(), p.accent);
    let line = one_line(ui, &words, font, p.text, inner.right() - left - rank_width - 8.0);
    let at = egui::pos2(left + rank_width, inner.center().y - line.size().y / 2.0);
    ui.painter().galley(at, line, p.text);
    let response = response.on_hover_cursor(egui::CursorIcon::Grab);
    response.dnd_set_drag_payload(Dragged(place));
    rect
}

/// In place of the verdicts.
pub(super) fn rank_buttons_ui(ui: &mut Ui, annotate: &mut AnnotateState, commands: &mut Commands) {
    let Some((_, ranking)) = annotate.ranking() else { return };
    let (is_begun, is_complete) = (ranking.is_begun(), ranking.is_complete());
    ui.horizontal_wrapped(|ui| {
        let keep = ActionButton::primary("Keep the order").shortcut("Enter");
        let keep = keep.add_enabled(ui, is_begun && is_complete && !annotate.is_reading);
        let keep = keep.on_hover_text("A verdict for every pair of these answers");
        if keep
            .on_disabled_hover_text(if annotate.is_reading {
                STILL_READING
            } else {
                "Drag the answers into an order, or press their keys, the best one first"
            })
            .clicked()
        {
            commands.push(AnnotateCommand::KeepRanking);
        }
        let tie = ActionButton::new("As good as the one before").shortcut("T");
        if tie.add_enabled(ui, is_begun).accessible_name("As good as the one before (T)").clicked()
        {
            annotate.ranking_mut().tie();
        }
        let back = ActionButton::quiet("One place back").shortcut("Backspace");
        if back.add_enabled(ui, is_begun).accessible_name("One place back (Backspace)").clicked() {
            annotate.ranking_mut().back();
        }
        let pairs = ActionButton::quiet("Compare them two by two");
        if ui.add(pairs).clicked() {
            annotate.ranks = false;
        }
    });
}

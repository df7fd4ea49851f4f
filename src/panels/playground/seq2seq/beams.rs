//! A beam search as a tree: a column a step, the likeliest candidate on top.

use std::collections::BTreeSet;
use std::ops::Range;

use eframe::egui;
use eframe::egui::accesskit::Role;
use eframe::egui::epaint::CubicBezierShape;
use eframe::egui::{
    Color32, CornerRadius, Label, Rect, Response, Sense, Stroke, StrokeKind, TextStyle, Ui,
    WidgetInfo, pos2, vec2,
};

use super::shared::hint_ui;
use crate::explore::beams::{BeamNode, BeamView, NodeFate};
use crate::seq2seq::BeamSettings;
use crate::state::playground::seq2seq::{BeamsState, Doing, Seq2SeqState, Seq2SeqView};
use crate::widgets::card::{card_ui, title_row_ui, titled_card_ui};
use crate::widgets::one_line::one_line;
use crate::widgets::switch::switch_ui;
use crate::widgets::theme;
use crate::widgets::token_flow::{spoken, visible_whitespace};

pub(super) fn beams_ui(ui: &mut Ui, state: &mut Seq2SeqState) {
    let is_searching = state.doing == Some(Doing::Searching);
    let number = state.number();
    let beams = &mut state.beams;
    if beams.tree.nodes.is_empty() {
        let words = if is_searching {
            "The text is read…"
        } else {
            "Write a text and press Search. A greedy answer takes the likeliest token each time; a beam \
             search keeps several answers side by side, and so finds some that begin with a less likely \
             token and are likelier as a whole."
        };
        hint_ui(ui, words);
        return;
    }
    if !beams.tree.answers.is_empty() {
        titled_card_ui(ui, "Answers, the best first", |_| {}, |ui| answers_ui(ui, beams));
        ui.add_space(theme::GAP);
    }
    card_ui(ui, |ui| {
        let hides = &mut beams.hides_dropped;
        title_row_ui(ui, Seq2SeqView::Beams.question(), |ui| {
            let about = "Candidates that no beam ran on with";
            switch_ui(ui, hides, "Hide what was dropped", about);
        });
        if let Some(settings) = &beams.searched {
            hint_ui(ui, &settings_words(settings));
        }
        tree_ui(ui, beams, number);
        node_ui(ui, beams);
    });
}

fn settings_words(settings: &BeamSettings) -> String {
    let BeamSettings { beams, length_penalty, .. } = settings;
    format!(
        "Searched with {beams} beams and length penalty {length_penalty:.2}. Each box is a token that \
         could have come, with the sum of all log-probabilities up to it (natural logs); where an answer \
         ends, its score"
    )
}

/// `−12.340 / 9^1.00`.
fn score_words(sum: f32, count: usize, penalty: f64) -> String {
    format!("{} / {count}^{penalty:.2}", signed(sum))
}

fn signed(value: f32) -> String {
    if value < 0.0 { format!("−{:.3}", -value) } else { format!("{value:.3}") }
}

fn answers_ui(ui: &mut Ui, beams: &mut BeamsState) {
    let penalty = beams.searched.as_ref().map_or(1.0, |settings| settings.length_penalty);
    let shown = beams.chosen.or_else(|| beams.tree.answers.first().map(|answer| answer.node));
    let mut chosen = None;
    for (at, answer) in beams.tree.answers.iter().enumerate() {
        let text = if answer.text.trim().is_empty() { "(an empty answer)" } else { &answer.text };
        let is_shown = shown == Some(answer.node);
        let name = format!("Answer {}: {text}, score {}", at + 1, signed(answer.score));
        let row = ui.horizontal_wrapped(|ui| {
            let button = egui::Button::new(theme::number(signed(answer.score))).selected(is_shown);
            let about = format!(
                "Score: {}\nClick to see its way through the tree",
                score_words(answer.sum, answer.ids.len(), penalty)
            );
            let pressed = ui.add(button).on_hover_text(about).accessible_name(name).clicked();
            ui.label(theme::muted(
                ui,
                format!("= {}", score_words(answer.sum, answer.ids.len(), penalty)),
            ));
            ui.add(Label::new(if is_shown { theme::strong(ui, text) } else { text.into() }).wrap());
            pressed
        });
        if row.inner {
            chosen = Some(answer.node);
        }
    }
    if chosen.is_some() {
        beams.chosen = chosen;
    }
}

/// Sizes of the drawing.
struct Plan {
    cell: egui::Vec2,
    gap: egui::Vec2,
    head: f32,
}

impl Plan {
    fn step(&self) -> f32 {
        self.cell.x + self.gap.x
    }

    /// Where a node lies: by its step, and its row among those that are shown.
    fn rect(&self, origin: egui::Pos2, step: usize, row: usize) -> Rect {
        let x = origin.x + self.step() * (step - 1) as f32;
        let y = origin.y + self.head + (self.cell.y + self.gap.y) * row as f32;
        Rect::from_min_size(pos2(x, y), self.cell)
    }
}

/// The rows of a step's nodes, of those that are shown.
fn rows(view: &BeamView, hides_dropped: bool) -> Vec<Option<usize>> {
    let mut row = 0;
    let mut step = 0;
    let place = |node: &BeamNode| {
        if node.step != step {
            (step, row) = (node.step, 0);
        }
        if hides_dropped && node.fate == NodeFate::Dropped {
            return None;
        }
        row += 1;
        Some(row - 1)
    };
    view.nodes.iter().map(place).collect()
}

fn tree_ui(ui: &mut Ui, beams: &mut BeamsState, number: u64) {
    let em = theme::em(ui);
    let small = TextStyle::Small.resolve(ui.style());
    let body = TextStyle::Body.resolve(ui.style());
    let plan = Plan {
        cell: vec2(em * 9.2, body.size * 1.3 + small.size * 1.35 + 8.0),
        gap: vec2(em * 2.2, theme::GAP_SMALL),
        head: small.size * 1.8,
    };
    let view = &beams.tree;
    let rows = rows(view, beams.hides_dropped);
    let most = rows.iter().flatten().max().map_or(1, |row| row + 1);
    let steps = view.steps();
    let size = vec2(
        plan.step() * steps as f32,
        plan.head + (plan.cell.y + plan.gap.y) * most as f32 + 4.0,
    );
    let path = beams.path();
    let mut clicked = None;
    let area = egui::ScrollArea::horizontal().id_salt(("beams", number)).auto_shrink([false, true]);
    area.show(ui, |ui| {
        let (whole, _) = ui.allocate_exact_size(size, Sense::hover());
        let seen = ui.clip_rect().intersect(whole);
        let columns = columns_in(&plan, whole, seen, steps);
        for step in columns.clone() {
            let x = plan.rect(whole.min, step, 0).left();
            let ink = theme::palette(ui).muted;
            let words = one_line(ui, &format!("Step {step}"), small.clone(), ink, plan.cell.x);
            ui.painter().galley(pos2(x, whole.top()), words, ink);
        }
        // One column more, whose edges begin before what is seen.
        let around = columns.start..columns.end + 1;
        let nodes = view.nodes.iter().enumerate().filter(|(_, node)| around.contains(&node.step));
        let nodes: Vec<(usize, &BeamNode)> = nodes.collect();
        for (at, node) in &nodes {
            let (Some(row), Some(parent)) = (rows[*at], node.parent) else { continue };
            let Some(from_row) = rows[parent] else { continue };
            let from = plan.rect(whole.min, node.step - 1, from_row);
            let to = plan.rect(whole.min, node.step, row);
            edge(ui, from, to, node, path.contains(at));
        }
        for (at, node) in nodes {
            let Some(row) = rows[at] else { continue };
            let rect = plan.rect(whole.min, node.step, row);
            let id = ui.scope_id().with(("beam node", at));
            let response = ui.interact(rect, id, Sense::click());
            let is_on_path = path.contains(&at);
            cell_ui(ui, rect, node, is_on_path, &response);
            if response.clicked() {
                clicked = Some(at);
            }
        }
    });
    if clicked.is_some() {
        beams.chosen = clicked;
    }
}

fn columns_in(plan: &Plan, whole: Rect, seen: Rect, steps: usize) -> Range<usize> {
    let at = |x: f32| ((x - whole.left()) / plan.step()).floor().max(0.0) as usize + 1;
    let first = at(seen.left()).min(steps + 1);
    first..(at(seen.right()) + 1).min(steps + 1)
}

fn edge(ui: &Ui, from: Rect, to: Rect, node: &BeamNode, is_on_path: bool) {
    let p = theme::palette(ui);
    let stroke = match node.fate {
        _ if is_on_path => Stroke::new(3.0, p.accent),
        NodeFate::Dropped => Stroke::new(1.0, p.line),
        NodeFate::Ran { .. } | NodeFate::Ended { .. } => Stroke::new(1.5, p.muted),
    };
    let (start, end) = (from.right_center(), to.left_center());
    let bend = vec2((end.x - start.x) / 2.0, 0.0);
    let points = [start, start + bend, end - bend, end];
    let none = Color32::TRANSPARENT;
    ui.painter().add(CubicBezierShape::from_points_stroke(points, false, none, stroke));
}

fn fate_words(node: &BeamNode) -> String {
    match node.fate {
        NodeFate::Ran { place } => format!("{} · beam {}", signed(node.sum), place + 1),
        NodeFate::Ended { score } => format!("end · score {}", signed(score)),
        NodeFate::Dropped => format!("{} · dropped", signed(node.sum)),
    }
}

fn cell_ui(ui: &Ui, rect: Rect, node: &BeamNode, is_on_path: bool, response: &Response) {
    let told = |token: &str| {
        let (step, rank) = (node.step, node.rank + 1);
        format!("Step {step}, candidate {rank}: {token}, {}", fate_words(node))
    };
    response.widget_info(|| {
        let words = told(&spoken(&node.token));
        WidgetInfo::selected(Role::Button, true, is_on_path, words)
    });
    if !ui.is_rect_visible(rect) {
        return;
    }
    let p = theme::palette(ui);
    let is_dropped = node.fate == NodeFate::Dropped;
    let is_pointed = response.hovered() || response.has_focus();
    let ground = match node.fate {
        _ if is_on_path => p.accent_soft,
        NodeFate::Ended { .. } => p.chosen_soft,
        NodeFate::Ran { .. } => p.raised,
        NodeFate::Dropped => p.card,
    };
    let frame = if is_on_path || is_pointed {
        Stroke::new(2.0, p.accent)
    } else if is_dropped {
        Stroke::new(1.0, p.line)
    } else {
        Stroke::new(1.0, p.outline)
    };
    let radius = CornerRadius::same(theme::CONTROL_RADIUS);
    let painter = ui.painter();
    painter.rect(rect, radius, ground, frame, StrokeKind::Inside);
    let ink = if is_dropped && !is_on_path { p.muted } else { p.text };
    let room = rect.width() - 12.0;
    let body = TextStyle::Body.resolve(ui.style());
    let small = TextStyle::Small.resolve(ui.style());
    let token = one_line(ui, &visible_whitespace(&node.token), body.clone(), ink, room);
    let left = rect.left() + 6.0;
    let token_top = rect.top() + 3.0;
    painter.galley(pos2(left, token_top), token, ink);
    let foot = one_line(ui, &fate_words(node), small, ink, room);
    painter.galley(pos2(left, token_top + body.size * 1.3), foot, ink);
    if response.hovered() {
        let chance = crate::widgets::format::percent(node.logprob.exp());
        let words = told(&visible_whitespace(&node.token));
        response.clone().on_hover_text(format!("{words}\nits own probability here: {chance}"));
    }
}

/// The way to the node that is looked at, and how its score comes about.
fn node_ui(ui: &mut Ui, beams: &BeamsState) {
    let view = &beams.tree;
    let end = beams.chosen.or_else(|| view.answers.first().map(|answer| answer.node));
    let Some((end, node)) = end.and_then(|end| Some((end, view.nodes.get(end)?))) else { return };
    let path: BTreeSet<usize> = view.path(end).into_iter().collect();
    let tokens: String = path.iter().map(|at| view.nodes[*at].token.as_str()).collect();
    let penalty = beams.searched.as_ref().map_or(1.0, |settings| settings.length_penalty);
    let words = match node.fate {
        NodeFate::Ended { score } => format!(
            "{tokens} · score {} = {}",
            signed(score),
            score_words(node.sum, node.step, penalty)
        ),
        NodeFate::Ran { .. } | NodeFate::Dropped => {
            format!("{tokens} · sum {} of {} tokens", signed(node.sum), node.step)
        }
    };
    ui.add(Label::new(theme::number(words)).wrap());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(step: usize, rank: usize, fate: NodeFate) -> BeamNode {
        let token = format!("t{rank}");
        BeamNode { step, rank, parent: None, id: 0, token, logprob: -1.0, sum: -1.0, fate }
    }

    #[test]
    fn rows_close_up_where_the_dropped_are_hidden() {
        let ran = NodeFate::Ran { place: 0 };
        let nodes = vec![
            node(1, 0, ran),
            node(1, 1, NodeFate::Dropped),
            node(1, 2, NodeFate::Ended { score: -0.5 }),
            node(2, 0, ran),
        ];
        let view = BeamView { nodes, answers: Vec::new() };
        assert_eq!(rows(&view, false), [Some(0), Some(1), Some(2), Some(0)]);
        assert_eq!(rows(&view, true), [Some(0), None, Some(1), Some(0)]);
    }
}

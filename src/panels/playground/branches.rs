//! Branches: an answer as a tree. A click on a candidate continues from it.

use std::collections::BTreeSet;

use eframe::egui;
use eframe::egui::{DragValue, Label, Rect, Sense, Ui, vec2};

use super::ask::{PlaygroundStop, Start, ask_ui, below_prompt};
use crate::explore::growth::{Grown, Growth};
use crate::explore::tree::ROOT;
use crate::llm::card::ModelCard;
use crate::llm::generate::AdapterMode;
use crate::state::command::{Commands, PlaygroundCommand};
use crate::state::playground::PlaygroundState;
use crate::state::playground::branches::{Stretch, find};
use crate::state::slots::AdapterSlot;
use crate::widgets::branch_tree::{TreeBox, edge, plan};
use crate::widgets::button::ActionButton;
use crate::widgets::candidate_bars::{CandidateBar, Rows, candidate_bars_ui};
use crate::widgets::card::{card_ui, titled_card_ui};
use crate::widgets::format;
use crate::widgets::layout::{Part, column_ui, inset_ui, scrolled_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;
use crate::widgets::token_flow::{FlowToken, TokenFlow, visible_whitespace};

/// Around the text of a box.
const INSET: f32 = 8.0;

/// Draws the view.
pub fn branches_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    adapter: &AdapterSlot,
    model: &ModelCard,
    commands: &mut Commands,
) {
    playground.branches.follow(model.source.path());
    let start = Start {
        words: if playground.branches.tree.is_some() { "Start a new tree" } else { "Start a tree" },
        about: "Read the prompt. Branches grow from its end",
        stop: PlaygroundStop::Branches,
        is_running: playground.branches.is_running(),
        problem: None,
    };
    below_prompt(ui, "branches").show(ui, |ui, part| match part {
        Part::Above => {
            if ask_ui(ui, playground, model, start, commands) {
                let growth = playground.plant(adapter);
                commands.push(PlaygroundCommand::Grow(growth));
            }
        }
        Part::Rest => view_ui(ui, playground, commands),
        Part::Below => {}
    });
}

/// The tree, and what could come next.
fn view_ui(ui: &mut Ui, playground: &mut PlaygroundState, commands: &mut Commands) {
    let all = ui.available_rect_before_wrap();
    let em = theme::em(ui);
    if playground.branches.tree.is_none() {
        let what = |ui: &mut Ui| {
            let words = match playground.branches.progress() {
                Some((done, total)) => format!("{done} of {total} tokens are read"),
                None if playground.branches.is_running() => "The prompt is read".to_owned(),
                None => {
                    "Write a prompt and press Start a tree. Then click what could come next: each \
                         click is a branch, and every branch can fork again. In Talk and Sampler a \
                         click on another token of an answer leads here."
                        .to_owned()
                }
            };
            ui.add(Label::new(words).wrap());
        };
        inset_ui(ui, |ui| card_ui(ui, what));
        return;
    }
    if all.width() >= em * 56.0 {
        let side = (all.width() * 0.3).clamp(em * 17.0, em * 25.0);
        let (left, right) = all.split_left_right_at_x(all.right() - side);
        column_ui(ui, "tree", left.with_max_x(left.right() - theme::GAP), |ui| {
            tree_card_ui(ui, playground, all.height(), commands);
        });
        column_ui(ui, "tree candidates", right, |ui| {
            scrolled_ui(ui, "tree candidates", |ui| next_ui(ui, playground, commands));
        });
    } else {
        column_ui(ui, "tree", all, |ui| {
            scrolled_ui(ui, "tree", |ui| {
                tree_card_ui(ui, playground, all.height() * 0.6, commands);
                ui.add_space(theme::GAP);
                next_ui(ui, playground, commands);
            });
        });
    }
    ui.advance_cursor_after_rect(all);
}

/// The tree, which scrolls in both directions.
fn tree_card_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    height: f32,
    commands: &mut Commands,
) {
    let top = ui.cursor().top();
    let mut clicked = None;
    card_ui(ui, |ui| {
        let (leaves, tokens) = playground.branches.counts();
        let leaves = format::counted(leaves, "branch", "branches");
        let mut words = format!("{leaves} · {}", format::counted(tokens, "token", "tokens"));
        if let Some(tree) = &playground.branches.tree {
            words.push_str(&format!(" · {} in memory", format::bytes(tree.bytes as u64)));
        }
        if playground.branches.adapter() == AdapterMode::On {
            words.push_str(" · with the adapter");
        }
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        actions_ui(ui, playground, commands);
        let room = (height - (ui.cursor().top() - top) - 40.0).max(theme::em(ui) * 8.0);
        let area = egui::ScrollArea::both().id_salt("branches").max_height(room);
        area.auto_shrink([false, false]).show(ui, |ui| {
            if let Some(tree) = &playground.branches.tree {
                let stretches = playground.branches.stretches();
                let on_path: BTreeSet<usize> =
                    playground.branches.path().iter().map(|node| node.node).collect();
                let prompt = playground.branches.prompt();
                clicked = tree_ui(ui, tree, &stretches, &on_path, prompt);
            }
        });
    });
    if let Some(node) = clicked.filter(|_| !playground.branches.is_running()) {
        commands.push(PlaygroundCommand::Grow(Growth::Look { node }));
    }
}

/// What can be done with the branches: above the tree, where it is in sight whatever could come next.
fn actions_ui(ui: &mut Ui, playground: &mut PlaygroundState, commands: &mut Commands) {
    let is_running = playground.branches.is_running();
    let Some(tree) = &playground.branches.tree else { return };
    let node = tree.node;
    let has_branches = !tree.view.nodes.is_empty();
    let mut growth = None;
    let mut taken = false;
    ui.horizontal_wrapped(|ui| {
        let count = &mut playground.branches.count;
        ui.label("Continue greedily");
        let number = DragValue::new(count).range(1..=200);
        ui.add(number).accessible_name("Tokens for every leaf");
        ui.label("tokens");
        let button = ActionButton::new("On every leaf").icon(icons::PLAY);
        let button = button.add_enabled(ui, !is_running);
        let about = "Each branch continues with its likeliest tokens. Esc stops it";
        if button.on_hover_text(about).clicked() {
            growth = Some(Growth::Continue { node, count: *count });
        }
        let is_branch = node != ROOT && !is_running;
        let take = ActionButton::new("Use as the answer").icon(icons::PLAYGROUND);
        let about = "The branch up to the selected token becomes the answer in Talk; the conversation \
                     continues from it";
        taken = take.add_enabled(ui, is_branch).on_hover_text(about).clicked();
        let delete = ActionButton::danger("Delete from here").icon(icons::DELETE);
        let about = "The selected token and all that comes after it";
        let delete = delete.add_enabled(ui, is_branch && has_branches).on_hover_text(about);
        if delete.clicked() {
            growth = Some(Growth::Delete { node });
        }
    });
    if taken {
        playground.take_branch();
    }
    if let Some(growth) = growth {
        commands.push(PlaygroundCommand::Grow(growth));
    }
}

/// The end of a text, from a word on.
fn end_of(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let end: String = text.chars().skip(count - most).collect();
    format!("…{end}")
}

/// The node that was clicked.
fn tree_ui(
    ui: &mut Ui,
    tree: &Grown,
    stretches: &[Stretch],
    on_path: &BTreeSet<usize>,
    prompt: &str,
) -> Option<usize> {
    let p = theme::palette(ui);
    let em = theme::em(ui);
    let most = em * 17.0;
    let small = egui::TextStyle::Small.resolve(ui.style());
    let line = small.size * 1.4;
    let tokens: Vec<Vec<FlowToken<'_>>> = stretches
        .iter()
        .map(|stretch| {
            let nodes = stretch.nodes.iter().filter_map(|node| find(&tree.view, *node));
            nodes
                .map(|node| FlowToken {
                    text: &node.token,
                    probability: node.logprob.exp() as f32,
                    is_underlined: false,
                })
                .collect()
        })
        .collect();
    let probability = |stretch: &Stretch| {
        let first = stretch.nodes.first().and_then(|node| find(&tree.view, *node));
        first.map_or(0.0, |node| node.logprob.exp() as f32)
    };
    let feet: Vec<String> = stretches
        .iter()
        .map(|stretch| {
            let share = format::percent(probability(stretch));
            let last = stretch.nodes.last().and_then(|node| find(&tree.view, *node));
            let Some(last) = last.filter(|_| stretch.is_leaf) else { return share };
            let end = if last.ends { " · end" } else { "" };
            if last.depth > 1 {
                format!("{share} · path {}{end}", small_percent(last.path_logprob))
            } else {
                format!("{share}{end}")
            }
        })
        .collect();
    let boxes: Vec<TreeBox> = stretches
        .iter()
        .zip(&tokens)
        .zip(&feet)
        .map(|((stretch, tokens), foot)| {
            let text = TokenFlow::measured(ui, tokens, most);
            let foot = ui.painter().layout_no_wrap(foot.clone(), small.clone(), p.muted);
            let width = text.x.max(foot.size().x);
            let size = vec2(width, text.y + line) + vec2(2.0, 1.0) * INSET;
            TreeBox { parent: stretch.parent, size }
        })
        .collect();
    let prompt = end_of(prompt.trim_end(), 90);
    let prompt = ui.painter().layout(prompt, small.clone(), p.muted, em * 9.0);
    let laid = plan(prompt.size() + vec2(2.0, 2.0) * INSET, &boxes, vec2(em * 4.0, em * 0.7));
    let (area, _) = ui.allocate_exact_size(laid.size + vec2(4.0, 4.0), Sense::hover());
    let moved = |rect: Rect| rect.translate(area.min.to_vec2() + vec2(2.0, 2.0));
    let root = moved(laid.root);
    let mut clicked = None;

    for (stretch, rect) in stretches.iter().zip(&laid.boxes) {
        let from = stretch.parent.map_or(root, |parent| moved(laid.boxes[parent]));
        let to = moved(*rect);
        let is_followed = stretch.nodes.first().is_some_and(|node| on_path.contains(node));
        let share = probability(stretch);
        if ui.is_rect_visible(from.union(to)) {
            edge(ui, from, to, share, if is_followed { p.accent } else { p.outline });
        }
    }

    let response = ui.interact(root, ui.scope_id().with("root"), Sense::click());
    let is_selected = tree.node == ROOT;
    response.widget_info(|| {
        let name = "The end of the prompt";
        egui::WidgetInfo::selected(egui::accesskit::Role::Button, true, is_selected, name)
    });
    frame(ui, root, p.raised, is_selected);
    ui.painter().galley(root.min + vec2(INSET, INSET), prompt, p.muted);
    if response.on_hover_text("What could come directly after the prompt").clicked() {
        clicked = Some(ROOT);
    }

    for (index, (stretch, rect)) in stretches.iter().zip(&laid.boxes).enumerate() {
        let rect = moved(*rect);
        if !ui.is_rect_visible(rect) {
            continue;
        }
        let is_followed = stretch.nodes.first().is_some_and(|node| on_path.contains(node));
        frame(ui, rect, p.card, is_followed);
        let builder = egui::UiBuilder::new().id_salt(("stretch", index)).max_rect(
            Rect::from_min_size(rect.min + vec2(INSET, INSET / 2.0), vec2(most, rect.height())),
        );
        let mut inside = ui.new_child(builder);
        let selected = stretch.nodes.iter().position(|node| *node == tree.node);
        let name = format!("Branch {}", index + 1);
        let flow = TokenFlow { name: &name, selected, shaded: false, clickable: true };
        if let Some(place) = flow.show(&mut inside, &tokens[index]) {
            clicked = stretch.nodes.get(place).copied();
        }
        let at = rect.left_bottom() + vec2(INSET, -INSET / 2.0);
        let foot = feet[index].as_str();
        ui.painter().text(at, egui::Align2::LEFT_BOTTOM, foot, small.clone(), p.muted);
    }
    clicked
}

/// `0.0012 %`, where `< 0.1 %` would say nothing of a path.
fn small_percent(logprob: f64) -> String {
    let percent = logprob.exp() * 100.0;
    if percent >= 0.1 {
        return format!("{percent:.1} %");
    }
    if percent >= 0.0001 {
        let decimals = (-percent.log10()).ceil() as usize + 1;
        return format!("{percent:.decimals$} %");
    }
    format!("10^{:.1}", logprob / std::f64::consts::LN_10)
}

fn frame(ui: &Ui, rect: Rect, fill: egui::Color32, is_followed: bool) {
    let p = theme::palette(ui);
    let stroke = if is_followed {
        egui::Stroke::new(2.0, p.accent)
    } else {
        egui::Stroke::new(1.0, p.outline)
    };
    ui.painter().rect(rect, 6.0, fill, stroke, egui::StrokeKind::Inside);
}

/// What could come after the selected token.
fn next_ui(ui: &mut Ui, playground: &PlaygroundState, commands: &mut Commands) {
    let is_running = playground.branches.is_running();
    let Some(tree) = &playground.branches.tree else { return };
    let node = tree.node;
    let mut growth = None;
    let title = match find(&tree.view, node) {
        Some(selected) => format!("After {}", visible_whitespace(&selected.token)),
        None => "After the prompt".to_owned(),
    };
    titled_card_ui(
        ui,
        &title,
        |_| {},
        |ui| {
            if tree.is_at_end {
                ui.label(
                    "Nothing comes after it: the model ends its turn here, or the context is full",
                );
            } else {
                let children: BTreeSet<u32> = tree
                    .view
                    .nodes
                    .iter()
                    .filter(|other| other.parent.unwrap_or(ROOT) == node)
                    .map(|other| other.id)
                    .collect();
                let bars: Vec<CandidateBar<'_>> = tree
                    .candidates
                    .iter()
                    .map(|candidate| CandidateBar {
                        text: &candidate.token,
                        probability: candidate.probability as f32,
                        is_marked: children.contains(&candidate.id),
                    })
                    .collect();
                let words =
                    format!("Entropy {:.2} bits. Click a token to continue with it", tree.entropy);
                ui.add(Label::new(theme::muted(ui, words)).wrap());
                let rows = Rows::Clickable("Continue with this token");
                let clicked = candidate_bars_ui(ui, &bars, "a branch already", rows);
                if let Some(candidate) = clicked.and_then(|index| tree.candidates.get(index)) {
                    growth = Some(Growth::Branch { node, id: candidate.id });
                }
            }
        },
    );
    if let Some(growth) = growth.filter(|_| !is_running) {
        commands.push(PlaygroundCommand::Grow(growth));
    }
}

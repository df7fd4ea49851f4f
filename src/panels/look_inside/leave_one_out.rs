//! What an answer hangs on: each part of the text before it, coloured by how much likelier the answer is
//! with it.

use eframe::egui::accesskit::Role;
use eframe::egui::{Align2, Label, Sense, TextStyle, Ui, WidgetInfo, pos2, vec2};

use super::heading;
use super::page::{Page, beside_ui, scrolled_part};
use crate::explore::leave_one_out::{LeaveOneOutView, PartLeftOut, Unit};
use crate::state::look_inside::LookInsideState;
use crate::state::look_inside::left_out::LeftOut;
use crate::state::look_inside::view::View;
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::format;
use crate::widgets::one_line::one_line;
use crate::widgets::scale::Scale;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme;
use crate::widgets::token_flow::{spoken, visible_whitespace};
use crate::widgets::token_ribbon::{Chip, Mark, Spaces, TokenRibbon};

/// A part that makes the answer so many bits likelier has the strongest colour, unless another one
/// makes more.
const MOST_BITS: f64 = 3.0;

pub fn leave_one_out_ui(ui: &mut Ui, look: &mut LookInsideState, page: Page) {
    let (version, reveals, selected) = (look.number(), look.reveals, look.selected);
    let token_count = look.token_count();
    let answer = look.answer();
    let (mut clicked, mut chosen) = (None, None);
    let mut begin_at = None;
    card_ui(ui, |ui| {
        ui.add(Label::new(theme::title(ui, View::LeaveOneOut.question())).wrap());
        heading::help_ui(ui, View::LeaveOneOut);
        begin_at = controls_ui(ui, &mut look.left_out, selected, answer);
        if look.tokens.ready().is_some() && answer == 0 {
            let words = "Nothing stands before an answer here that could be left out: write at least \
                         two words, the last of which is the answer.";
            heading::hint_ui(ui, words);
            return;
        }
        let Some(view) = heading::ready_or_why_ui(ui, &look.left_out.view) else { return };
        heading::cut_ui(ui, view.ids.len(), token_count);
        let part_of = parts_of_tokens(view);
        let main = |ui: &mut Ui| {
            let area = scrolled_part("leave one out", page.room(ui, 0.0));
            let shown = area.show(ui, |ui| {
                let scale = Scale::here(ui);
                let most = most_bits(view);
                let caption = |at: usize| caption(view, part_of[at], at);
                let chip = |at: usize| {
                    let part = part_of[at].and_then(|part| bits(&view.parts[part]));
                    let mark = if view.answer.contains(&at) { Mark::Hidden } else { Mark::None };
                    let share = part.unwrap_or(0.0) / most;
                    Chip { ground: scale.difference(share as f32), level: None, mark }
                };
                let ribbon = TokenRibbon {
                    name: "leave one out",
                    count: view.ids.len(),
                    version,
                    selected,
                    reveals,
                    spaces: Spaces::Plain,
                    text: &|at| &view.tokens[at],
                    caption: Some(&caption),
                    chip: &chip,
                    spoken: &|at| described(view, part_of[at], at, true),
                    hover: &|ui, at| {
                        let words = described(view, part_of[at], at, false);
                        ui.label(theme::number(words));
                    },
                };
                ribbon.show(ui)
            });
            shown.inner
        };
        let detail = |ui: &mut Ui| {
            let part = selected.and_then(|at| part_of.get(at).copied().flatten());
            answer_ui(ui, view);
            parts_ui(ui, view, part, page)
        };
        (clicked, chosen) = beside_ui(ui, main, detail);
    });
    look.choose(clicked);
    if let Some(token) = chosen {
        look.selected = Some(token);
        look.reveals = true;
    }
    if let Some(token) = begin_at {
        look.left_out.begin_at(token);
    }
}

/// What is left out, and where the answer begins. The token where it is to begin from now on.
fn controls_ui(
    ui: &mut Ui,
    left_out: &mut LeftOut,
    selected: Option<usize>,
    answer: usize,
) -> Option<usize> {
    let mut begin_at = None;
    ui.horizontal_wrapped(|ui| {
        let segment = |value, words, explanation| Segment { value, words, explanation };
        let segments = [
            segment(Unit::Word, "Words", "One word after the other is left out"),
            segment(Unit::Sentence, "Sentences", "One sentence after the other is left out"),
            segment(Unit::Token, "Tokens", "One token after the other is left out, marks too"),
        ];
        if segmented_ui(ui, &mut left_out.unit, &segments) {
            left_out.unit_changed();
        }
        let can = selected.filter(|at| *at > 0 && *at != answer);
        let button = ActionButton::quiet("The answer begins here").add_enabled(ui, can.is_some());
        let why = "Click the token that the answer begins with. Until then it is the text's last word, \
                   or what the Playground answered";
        if button.on_disabled_hover_text(why).clicked() {
            begin_at = can;
        }
    });
    ui.add_space(theme::GAP_SMALL);
    begin_at
}

/// Of each token the part that it is of.
fn parts_of_tokens(view: &LeaveOneOutView) -> Vec<Option<usize>> {
    let mut part_of = vec![None; view.ids.len()];
    for (at, part) in view.parts.iter().enumerate() {
        part_of[part.tokens.clone()].fill(Some(at));
    }
    part_of
}

fn bits(part: &PartLeftOut) -> Option<f64> {
    part.difference.map(|nats| nats / std::f64::consts::LN_2)
}

fn most_bits(view: &LeaveOneOutView) -> f64 {
    view.parts.iter().filter_map(bits).map(f64::abs).fold(MOST_BITS, f64::max)
}

/// Under the first token of a part what it adds.
fn caption(view: &LeaveOneOutView, part: Option<usize>, at: usize) -> String {
    let part = part.map(|part| &view.parts[part]).filter(|part| part.tokens.start == at);
    part.and_then(bits).map(format::signed).unwrap_or_default()
}

fn described(view: &LeaveOneOutView, part: Option<usize>, at: usize, is_spoken: bool) -> String {
    let show = |text: &str| if is_spoken { spoken(text) } else { visible_whitespace(text) };
    if view.answer.contains(&at) {
        return format!("Token {}: {} · of the answer", at + 1, show(&view.tokens[at]));
    }
    match part.map(|part| &view.parts[part]) {
        None => format!("Token {}: {} · always there", at + 1, show(&view.tokens[at])),
        Some(part) => {
            let text = show(&view.tokens[part.tokens.clone()].concat());
            match (part.logprob, bits(part)) {
                (Some(logprob), Some(bits)) => format!(
                    "Without {text}: {} · it adds {} bits",
                    format::percent(logprob.exp() as f32),
                    format::signed(bits)
                ),
                _ => format!("Without {text}: nothing is left before the answer"),
            }
        }
    }
}

/// The answer with its probability after the whole text.
fn answer_ui(ui: &mut Ui, view: &LeaveOneOutView) {
    const SHOWN: usize = 160;

    let text = view.tokens[view.answer.clone()].concat();
    let mut shown: String = text.trim().chars().take(SHOWN).collect();
    if shown.len() < text.trim().len() {
        shown.push('…');
    }
    ui.add(Label::new(theme::title(ui, format!("The answer: {shown}"))).wrap());
    let share = format::percent(view.logprob.exp() as f32);
    let bits = -view.logprob / std::f64::consts::LN_2;
    let words = format!("After the whole text it has {share}: {bits:.1} bits");
    ui.add(Label::new(theme::muted(ui, words)).wrap());
    ui.add_space(theme::GAP_SMALL);
}

/// The parts, those first that the answer hangs on most. The first token of the part that was clicked.
fn parts_ui(
    ui: &mut Ui,
    view: &LeaveOneOutView,
    selected: Option<usize>,
    page: Page,
) -> Option<usize> {
    let words = "Bits that each part adds to it; 1 bit is a factor of two:";
    ui.add(Label::new(theme::muted(ui, words)).wrap());
    let order = view.by_strength();
    let p = theme::palette(ui);
    let font = TextStyle::Monospace.resolve(ui.style());
    let height = (font.size * 1.75).round();
    let most = most_bits(view);
    let mut clicked = None;
    let area = scrolled_part("parts left out", page.room(ui, 0.0));
    ui.spacing_mut().item_spacing.y = 2.0;
    area.show_rows(ui, height, order.len(), |ui, rows| {
        for part in rows.map(|row| order[row]) {
            let found = &view.parts[part];
            let width = ui.available_width();
            let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::click());
            let spoken = described(view, Some(part), found.tokens.start, true);
            let is_selected = selected == Some(part);
            response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_selected, &spoken));
            if is_selected || response.hovered() || response.has_focus() {
                let ground = if is_selected { p.accent_soft } else { p.raised };
                ui.painter().rect_filled(rect, theme::CONTROL_RADIUS, ground);
            }
            let number = bits(found).map_or_else(|| "—".to_owned(), format::signed);
            let number_width = font.size * 3.4;
            let room = width - number_width - 12.0;
            let text_width = room * 0.6;
            let text = visible_whitespace(view.tokens[found.tokens.clone()].concat().trim());
            let galley = one_line(ui, &text, font.clone(), p.text, text_width);
            let top = rect.center().y - galley.size().y / 2.0;
            ui.painter().galley(pos2(rect.left() + 4.0, top), galley, p.text);
            // A bar from the middle: to the right what adds, to the left what takes away.
            let share = (bits(found).unwrap_or(0.0) / most) as f32;
            let half = room * 0.2;
            let middle = rect.left() + 4.0 + text_width + half;
            let (from, to) = (middle.min(middle + share * half), middle.max(middle + share * half));
            let bar = rect.shrink2(vec2(0.0, height * 0.25)).with_min_x(from).with_max_x(to);
            let ink = if share < 0.0 { p.rejected } else { p.chosen };
            ui.painter().rect_filled(bar, 2.0, ink);
            let at = pos2(rect.right() - 4.0, rect.center().y);
            ui.painter().text(at, Align2::RIGHT_CENTER, number, font.clone(), p.text);
            if response.clicked() {
                clicked = Some(found.tokens.start);
            }
            response.on_hover_text(described(view, Some(part), found.tokens.start, false));
        }
    });
    clicked
}

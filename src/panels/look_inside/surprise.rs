//! The text coloured by how surprised the model was at each token, what else could have stood
//! there, and how open it was along the text.

use eframe::egui::{Align2, Label, Rect, Sense, TextStyle, Ui, pos2, vec2};

use super::heading;
use super::page::{Page, beside_ui, scrolled_part};
use super::place::place_ui;
use crate::state::look_inside::LookInsideState;
use crate::state::look_inside::reading::Reading;
use crate::state::look_inside::view::View;
use crate::widgets::card::titled_card_ui;
use crate::widgets::format;
use crate::widgets::scale::{MOST_BITS, Scale};
use crate::widgets::switch::switch_ui;
use crate::widgets::theme;
use crate::widgets::token_curve::{CurveLine, TokenCurve};
use crate::widgets::token_flow::{spoken, visible_whitespace};
use crate::widgets::token_ribbon::{Chip, Mark, Spaces, TokenRibbon, corner};

pub fn surprise_ui(ui: &mut Ui, look: &mut LookInsideState, page: Page) {
    let (version, reveals, selected) = (look.number(), look.reveals, look.selected);
    let token_count = look.token_count();
    let LookInsideState { surprise, shows_bits, .. } = look;
    let has_bits = *shows_bits;
    let aside = |ui: &mut Ui| {
        let about = "Under each token its surprise in bits, as a number";
        switch_ui(ui, shows_bits, "Show the bits", about);
    };
    let mut clicked = None;
    titled_card_ui(ui, View::Surprise.question(), aside, |ui| {
        heading::help_ui(ui, View::Surprise);
        let Some(reading) = heading::ready_or_why_ui(ui, surprise) else { return };
        heading::cut_ui(ui, reading.view.ids.len(), token_count);
        let main = |ui: &mut Ui| {
            numbers_ui(ui, reading);
            legend_ui(ui);
            let curve_height = theme::em(ui) * 8.0;
            let room = page.room(ui, curve_height + theme::em(ui) * 2.5);
            let area = scrolled_part("surprise", room);
            let at = area.show(ui, |ui| {
                let scale = Scale::here(ui);
                let caption = |at: usize| bits(reading.view.surprisal[at]);
                let ribbon = TokenRibbon {
                    name: "surprise",
                    count: reading.view.ids.len(),
                    version,
                    selected,
                    reveals,
                    spaces: Spaces::Plain,
                    text: &|at| &reading.view.tokens[at],
                    caption: if has_bits { Some(&caption) } else { None },
                    chip: &|at| chip(scale, reading, at),
                    spoken: &|at| format!("Token {}: {}", at + 1, described(reading, at, true)),
                    hover: &|ui, at| _ = ui.label(theme::number(described(reading, at, false))),
                };
                ribbon.show(ui)
            });
            let on_curve = curve_ui(ui, reading, selected, curve_height);
            at.inner.or(on_curve)
        };
        let detail = |ui: &mut Ui| match selected {
            Some(token) => place_ui(ui, reading, token),
            None => heading::hint_ui(
                ui,
                "Click a token, or go along the text with the arrow keys, to \
                                          see what else could have stood there.",
            ),
        };
        (clicked, ()) = beside_ui(ui, main, detail);
    });
    look.choose(clicked);
}

fn chip(scale: Scale, reading: &Reading, at: usize) -> Chip {
    let bits = reading.view.surprisal[at].unwrap_or(0.0) as f32;
    let mark = if reading.is_fork[at] { Mark::Fork } else { Mark::None };
    Chip { ground: scale.surprise(bits), level: Some(bits / MOST_BITS), mark }
}

/// `3.2`; nothing for the first token, which nothing stands before.
fn bits(surprisal: Option<f64>) -> String {
    surprisal.map(|bits| format!("{bits:.1}")).unwrap_or_default()
}

/// `␣door · 3.2 bits · 10.9 %`.
fn described(reading: &Reading, at: usize, is_spoken: bool) -> String {
    let text = &reading.view.tokens[at];
    let text = if is_spoken { spoken(text) } else { visible_whitespace(text) };
    match (reading.view.surprisal[at], reading.view.logprobs[at]) {
        (Some(bits), Some(logprob)) => {
            let share = format::percent(logprob.exp() as f32);
            let fork = if reading.is_fork[at] { " · a fork" } else { "" };
            format!("{text} · {bits:.1} bits · {share}{fork}")
        }
        _ => format!("{text} · nothing stands before it"),
    }
}

/// `31 tokens · 3.4 bits a token · perplexity 10.6 · 4 forks`.
fn numbers_ui(ui: &mut Ui, reading: &Reading) {
    let mut parts = vec![format::counted(reading.view.ids.len(), "token", "tokens")];
    if let (Some(bits), Some(perplexity)) = (reading.mean_bits(), reading.view.perplexity) {
        parts.push(format!("{bits:.2} bits a token"));
        parts.push(format!("perplexity {perplexity:.1}"));
    }
    parts.push(match reading.fork_count() {
        1 => "1 fork".to_owned(),
        count => format!("{count} forks"),
    });
    ui.add(Label::new(theme::strong(ui, parts.join(" · "))).wrap());
}

/// The colours with their numbers, and what a fork looks like.
fn legend_ui(ui: &mut Ui) {
    let p = theme::palette(ui);
    let scale = Scale::here(ui);
    let small = TextStyle::Small.resolve(ui.style());
    let height = (small.size * 1.6).round();
    ui.horizontal_wrapped(|ui| {
        for (bits, words) in [
            (0.0, "expected"),
            (2.0, "2 bits: 1 in 4"),
            (5.0, "5 bits: 1 in 32"),
            (8.0, "8 bits: 1 in 256"),
            (12.0, "12 bits and more"),
        ] {
            let galley = ui.painter().layout_no_wrap(words.to_owned(), small.clone(), p.text);
            let size = vec2(galley.size().x + 12.0, height + 6.0);
            let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
            let painter = ui.painter();
            painter.rect_filled(rect, 2.0, scale.surprise(bits));
            let foot = rect.with_min_y(rect.bottom() - bits / MOST_BITS * 6.0);
            painter.rect_filled(foot, 0.0, p.rejected);
            let at = pos2(rect.left() + 6.0, rect.center().y - 3.0 - galley.size().y / 2.0);
            painter.galley(at, galley, p.text);
        }
        let words = "a fork: another token was nearly as likely";
        let galley = ui.painter().layout_no_wrap(words.to_owned(), small.clone(), p.text);
        let size = vec2(galley.size().x + 20.0, height + 6.0);
        let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
        let mark = Rect::from_center_size(pos2(rect.left() + 7.0, rect.center().y), vec2(8.0, 8.0));
        ui.painter().add(corner(mark.right_top(), 8.0, p.accent));
        let at = pos2(rect.left() + 16.0, rect.center().y);
        ui.painter().text(at, Align2::LEFT_CENTER, words, small.clone(), p.text);
    });
    ui.add_space(theme::GAP_SMALL);
}

fn curve_ui(ui: &mut Ui, reading: &Reading, selected: Option<usize>, height: f32) -> Option<usize> {
    let p = theme::palette(ui);
    let lines = [
        CurveLine {
            name: "how open it was before (entropy)",
            color: p.info,
            is_dashed: false,
            values: &reading.entropy_before,
        },
        CurveLine {
            name: "mean surprise so far (log2 of perplexity)",
            color: p.chosen,
            is_dashed: true,
            values: &reading.mean_so_far,
        },
    ];
    let curve = TokenCurve {
        name: "Surprise along the text",
        bars_name: "surprise, in bits",
        bars_color: p.rejected,
        bars: &reading.view.surprisal,
        lines: &lines,
        unit: &|bits| format!("{bits:.0}"),
        selected,
        height,
    };
    curve.show(ui)
}

//! What an adapter changed in how a text is read: token by token, and in a few numbers.

use eframe::egui::{Label, Ui};

use super::heading;
use super::page::{Page, beside_ui, scrolled_part};
use crate::explore::compare::TextComparison;
use crate::state::command::{Commands, PlaygroundCommand};
use crate::state::look_inside::LookInsideState;
use crate::state::look_inside::view::View;
use crate::state::slots::AdapterSlot;
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::format;
use crate::widgets::scale::Scale;
use crate::widgets::theme;
use crate::widgets::theme::icons;
use crate::widgets::token_flow::{spoken, visible_whitespace};
use crate::widgets::token_ribbon::{Chip, Mark, Spaces, TokenRibbon};

/// A difference of so many bits has the strongest colour: 8 times as likely, or an eighth.
const MOST_BITS: f64 = 3.0;

pub fn compare_ui(
    ui: &mut Ui,
    look: &mut LookInsideState,
    adapter: &AdapterSlot,
    page: Page,
    commands: &mut Commands,
) {
    let (version, reveals, selected) = (look.number(), look.reveals, look.selected);
    let token_count = look.token_count();
    let mut clicked = None;
    card_ui(ui, |ui| {
        ui.add(Label::new(theme::title(ui, View::Compare.question())).wrap());
        heading::help_ui(ui, View::Compare);
        if adapter.ready().is_none() {
            heading::hint_ui(ui, "No adapter is loaded. Train one, or load one that you have.");
            let button = ActionButton::new("Load an adapter…").icon(icons::ADAPTER);
            if ui.add(button).clicked() {
                commands.push(PlaygroundCommand::ChooseAdapter);
            }
            return;
        }
        let Some(comparison) = heading::ready_or_why_ui(ui, &look.comparison) else { return };
        heading::cut_ui(ui, comparison.ids.len(), token_count);
        let main = |ui: &mut Ui| {
            legend_ui(ui);
            let room = page.room(ui, 0.0);
            let area = scrolled_part("compare", room);
            let shown = area.show(ui, |ui| {
                let scale = Scale::here(ui);
                let caption =
                    |at: usize| bits(comparison, at).map(format::signed).unwrap_or_default();
                let ribbon = TokenRibbon {
                    name: "compare",
                    count: comparison.ids.len(),
                    version,
                    selected,
                    reveals,
                    spaces: Spaces::Plain,
                    text: &|at| &comparison.tokens[at],
                    caption: Some(&caption),
                    chip: &|at| chip(scale, comparison, at),
                    spoken: &|at| described(comparison, at, true),
                    hover: &|ui, at| _ = ui.label(theme::number(described(comparison, at, false))),
                };
                ribbon.show(ui)
            });
            shown.inner
        };
        let detail = |ui: &mut Ui| {
            summary_ui(ui, comparison);
            if let Some(token) = selected.filter(|at| *at < comparison.ids.len()) {
                ui.add_space(theme::GAP);
                token_ui(ui, comparison, token);
            }
        };
        (clicked, ()) = beside_ui(ui, main, detail);
    });
    look.choose(clicked);
}

/// How much likelier the adapter makes a token, in bits.
fn bits(comparison: &TextComparison, at: usize) -> Option<f64> {
    comparison.difference[at].map(|nats| nats / std::f64::consts::LN_2)
}

fn chip(scale: Scale, comparison: &TextComparison, at: usize) -> Chip {
    let share = bits(comparison, at).unwrap_or(0.0) / MOST_BITS;
    Chip { ground: scale.difference(share as f32), level: None, mark: Mark::None }
}

fn described(comparison: &TextComparison, at: usize, is_spoken: bool) -> String {
    let text = &comparison.tokens[at];
    let text = if is_spoken { spoken(text) } else { visible_whitespace(text) };
    let name = format!("Token {}: {text}", at + 1);
    match (comparison.logprobs_a[at], comparison.logprobs_b[at]) {
        (Some(with), Some(without)) => {
            let share = |logprob: f64| format::percent(logprob.exp() as f32);
            format!("{name} · base {} · adapter {}", share(without), share(with))
        }
        _ => format!("{name} · nothing stands before it"),
    }
}

fn legend_ui(ui: &mut Ui) {
    let words = "Under each token by how many bits the adapter makes it likelier (+, green) or less \
                 likely (\u{2212}, brown) than the base model; one bit is a factor of two.";
    ui.add(Label::new(theme::muted(ui, words)).wrap());
    ui.add_space(theme::GAP_SMALL);
}

fn summary_ui(ui: &mut Ui, comparison: &TextComparison) {
    let summary = &comparison.summary;
    ui.add(Label::new(theme::title(ui, "The whole text")).wrap());
    let percent = |share: f64| format::percent(share as f32);
    let mut rows = Vec::new();
    if let (Some(with), Some(without)) = (summary.perplexity_a, summary.perplexity_b) {
        rows.push(format!("Perplexity: base {without:.2}, adapter {with:.2}"));
    }
    rows.push(format!("Mean KL (adapter from base): {:.4} nats", summary.mean_kl_ab));
    rows.push(format!("Mean total variation: {}", percent(summary.mean_total_variation)));
    rows.push(format!("Same likeliest token: {}", percent(summary.top_1_agreement)));
    rows.push(format!("Shared among the ten likeliest: {}", percent(summary.top_10_agreement)));
    for row in rows {
        ui.add(Label::new(row).wrap());
    }
}

fn token_ui(ui: &mut Ui, comparison: &TextComparison, token: usize) {
    let text = visible_whitespace(&comparison.tokens[token]);
    ui.add(Label::new(theme::title(ui, format!("Token {}: {text}", token + 1))).wrap());
    if let (Some(with), Some(without)) =
        (comparison.logprobs_a[token], comparison.logprobs_b[token])
    {
        let share = |logprob: f64| format::percent(logprob.exp() as f32);
        let words = format!("Base {}, adapter {}", share(without), share(with));
        ui.add(Label::new(theme::strong(ui, words)).wrap());
    }
    let next = &comparison.next[token];
    let same = if next.same_top_1 { "the same token" } else { "different tokens" };
    let words = format!(
        "After it both expect {same} most; KL {:.4} nats, total variation {}",
        next.kl_ab,
        format::percent(next.total_variation as f32)
    );
    ui.add(Label::new(words).wrap());
}

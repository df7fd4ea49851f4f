//! Two models on one text: token by token where they differ, what both expect next, and in a few numbers
//! what that costs.

use eframe::egui::{ComboBox, Label, Ui};

use super::heading;
use super::page::{Page, beside_ui, scrolled_part};
use crate::explore::compare::TextComparison;
use crate::explore::compare_words::WordComparison;
use crate::explore::next_token::{NextComparison, Pair};
use crate::explore::two_models::{Found, ModelSide, TwoModels};
use crate::llm::card::ModelCard;
use crate::state::command::{Commands, LookInsideCommand, PlaygroundCommand};
use crate::state::look_inside::LookInsideState;
use crate::state::look_inside::versus::{KEPT_AS, Other, memory_as};
use crate::state::look_inside::view::View;
use crate::state::slots::AdapterSlot;
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::choice::entry_ui;
use crate::widgets::format;
use crate::widgets::mirrored_bars;
use crate::widgets::mirrored_bars::{MirroredBar, mirrored_bars_ui};
use crate::widgets::scale::Scale;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;
use crate::widgets::token_flow::{spoken, visible_whitespace};
use crate::widgets::token_ribbon::{Chip, Mark, Spaces, TokenRibbon};

/// A difference of so many bits has the strongest colour: 8 times as likely, or an eighth.
const MOST_BITS: f64 = 3.0;

/// Most rows of mirrored bars.
const MOST_BARS: usize = 12;

/// What the two are called beside each other.
type Names<'a> = [&'a str; 2];

pub fn compare_ui(
    ui: &mut Ui,
    look: &mut LookInsideState,
    model: &ModelCard,
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
        choice_ui(ui, look, model, commands);
        let other = look.versus.other().clone();
        if other == Other::Base && adapter.ready().is_none() {
            heading::hint_ui(
                ui,
                "No adapter is loaded. Train one, or load one that you have; or compare with another model.",
            );
            let button = ActionButton::new("Load an adapter…").icon(icons::ADAPTER);
            if ui.add(button).clicked() {
                commands.push(PlaygroundCommand::ChooseAdapter);
            }
            return;
        }
        if !look.versus.is_asked() && look.versus.view.ready().is_none() {
            heading::hint_ui(ui, "Press Compare: the second model is loaded beside the first.");
            return;
        }
        let Some(found) = heading::ready_or_why_ui(ui, &look.versus.view) else { return };
        let names = [other.beside(), other.name()];
        match &found.found {
            Found::Tokens { text, next } => {
                heading::cut_ui(ui, text.ids.len(), token_count);
                let main = |ui: &mut Ui| {
                    legend_ui(ui, names, "token");
                    let bars = mirrored_bars::row_height(ui) * (MOST_BARS as f32 + 1.0);
                    let room = page.room(ui, 0.0);
                    // The text, and under it what comes next.
                    let area = scrolled_part("compare", (room - bars).max(room * 0.4));
                    let shown = area
                        .show(ui, |ui| ribbon_ui(ui, text, names, (version, reveals, selected)));
                    next_ui(ui, text, next, names, selected);
                    shown.inner
                };
                let detail = |ui: &mut Ui| {
                    summary_ui(ui, text, names);
                    sides_ui(ui, found, names);
                    if let Some(token) = selected.filter(|at| *at < text.ids.len()) {
                        ui.add_space(theme::GAP);
                        token_ui(ui, text, names, token);
                    }
                };
                (clicked, ()) = beside_ui(ui, main, detail);
            }
            Found::Words(words) => {
                let main = |ui: &mut Ui| {
                    legend_ui(ui, names, "word");
                    let area = scrolled_part("compare words", page.room(ui, 0.0));
                    area.show(ui, |ui| words_ui(ui, words, names, (version, reveals, selected)))
                        .inner
                };
                let detail = |ui: &mut Ui| {
                    word_summary_ui(ui, words, names);
                    sides_ui(ui, found, names);
                };
                (clicked, ()) = beside_ui(ui, main, detail);
            }
        }
    });
    look.choose(clicked);
}

/// Which second model, what it takes, and the button.
fn choice_ui(ui: &mut Ui, look: &mut LookInsideState, model: &ModelCard, commands: &mut Commands) {
    #[derive(Clone, Copy, PartialEq)]
    enum Kind {
        Base,
        LoadedAs,
        Model,
    }
    let mut other = look.versus.other().clone();
    let before = match &other {
        Other::Base => Kind::Base,
        Other::LoadedAs(_) => Kind::LoadedAs,
        Other::Model { .. } => Kind::Model,
    };
    let mut kind = before;
    let segments = [
        Segment {
            value: Kind::Base,
            words: "Base and adapter",
            explanation: "The model with its adapter, and without it",
        },
        Segment {
            value: Kind::LoadedAs,
            words: "Load as…",
            explanation: "The same file once more, its weights kept in another type: what quantisation costs",
        },
        Segment {
            value: Kind::Model,
            words: "Another model",
            explanation: "A second model of this disk, beside the loaded one",
        },
    ];
    let others = || {
        let is_other = |path: &std::path::Path| path != model.source.path();
        look.on_disk.iter().filter(move |found| found.writes && is_other(&found.path))
    };
    ui.horizontal_wrapped(|ui| {
        segmented_ui(ui, &mut kind, &segments);
        if kind != before {
            other = match kind {
                Kind::Base => Other::Base,
                Kind::LoadedAs => Other::LoadedAs(KEPT_AS[2].0),
                Kind::Model => others().next().map_or(
                    Other::Model { name: String::new(), path: std::path::PathBuf::new() },
                    |found| Other::Model { name: found.name.clone(), path: found.path.clone() },
                ),
            };
        }
        match &mut other {
            Other::Base => {}
            Other::LoadedAs(weights) => {
                let about = |kept| {
                    let bytes = format::bytes(memory_as(&model.facts, kept));
                    format!("About {bytes} beside the loaded model")
                };
                let about = KEPT_AS.map(|(kept, _)| about(kept));
                let kept = KEPT_AS.iter().zip(&about).map(|((value, words), explanation)| {
                    Segment { value: *value, words, explanation }
                });
                segmented_ui(ui, weights, &kept.collect::<Vec<_>>());
            }
            Other::Model { name, path } => {
                let shown = if name.is_empty() { "None on this disk" } else { name.as_str() };
                let combo = ComboBox::from_id_salt("second model").selected_text(shown.to_owned());
                let combo = combo.width(theme::em(ui) * 16.0).truncate().show_ui(ui, |ui| {
                    for found in others() {
                        let words =
                            format!("{} · {}", found.name, format::bytes(found.memory_bytes));
                        if entry_ui(ui, *path == found.path, &words).clicked() {
                            (*name, *path) = (found.name.clone(), found.path.clone());
                        }
                    }
                });
                let hint = "Models of this disk that write. Find more in Models";
                combo.response.accessible_name("Second model").on_hover_text(hint);
            }
        }
    });
    let takes = match &other {
        Other::Base => None,
        Other::LoadedAs(weights) => Some(memory_as(&model.facts, *weights)),
        Other::Model { path, .. } => {
            others().find(|found| found.path == *path).map(|found| found.memory_bytes)
        }
    };
    look.versus.choose(other);
    let Some(takes) = takes else {
        ui.add_space(theme::GAP_SMALL);
        return;
    };
    ui.horizontal_wrapped(|ui| {
        let can = !look.text.is_empty() && !look.versus.view.is_running();
        let button = if look.versus.is_asked() {
            ActionButton::new("Compare again")
        } else {
            ActionButton::primary("Compare")
        };
        let button = button.add_enabled(ui, can);
        let why = "Write a text first, or wait for what is being compared";
        if button.on_disabled_hover_text(why).clicked() {
            look.versus.ask();
        }
        let words = format!(
            "It takes about {} of memory beside the {} of the loaded model",
            format::bytes(takes),
            format::bytes(model.facts.memory_bytes)
        );
        ui.label(theme::muted(ui, words));
        if look.versus.is_asked() && look.versus.view.ready().is_some() {
            let about = "What was compared stays; another text has it loaded again";
            let free = ActionButton::quiet("Free its memory").add_enabled(ui, true);
            if free.on_hover_text(about).clicked() {
                commands.push(LookInsideCommand::ForgetSecond);
            }
        }
    });
    ui.add_space(theme::GAP_SMALL);
}

/// Version, whether the selected one is to be in sight, and which that is.
type Shown = (u64, bool, Option<usize>);

fn ribbon_ui(
    ui: &mut Ui,
    comparison: &TextComparison,
    names: Names<'_>,
    (version, reveals, selected): Shown,
) -> Option<usize> {
    let scale = Scale::here(ui);
    let difference = |at: usize| bits(comparison.difference[at]);
    let caption = |at: usize| difference(at).map(format::signed).unwrap_or_default();
    let ribbon = TokenRibbon {
        name: "compare",
        count: comparison.ids.len(),
        version,
        selected,
        reveals,
        spaces: Spaces::Plain,
        text: &|at| &comparison.tokens[at],
        caption: Some(&caption),
        chip: &|at| chip(scale, difference(at)),
        spoken: &|at| described(comparison, names, at, true),
        hover: &|ui, at| _ = ui.label(theme::number(described(comparison, names, at, false))),
    };
    ribbon.show(ui)
}

fn words_ui(
    ui: &mut Ui,
    found: &WordComparison,
    [a, b]: Names<'_>,
    (version, reveals, selected): Shown,
) -> Option<usize> {
    let scale = Scale::here(ui);
    let difference = |at: usize| bits(found.words[at].difference);
    let caption = |at: usize| difference(at).map(format::signed).unwrap_or_default();
    let spoken = |at: usize| {
        let word = &found.words[at];
        let share = |logprob: Option<f64>| {
            logprob.map_or_else(|| "unknown".to_owned(), |it| format::percent(it.exp() as f32))
        };
        format!(
            "Word {}: {} · {b} {} in {} · {a} {} in {}",
            at + 1,
            word.word,
            share(word.logprob_b),
            format::counted(word.tokens_b, "token", "tokens"),
            share(word.logprob_a),
            format::counted(word.tokens_a, "token", "tokens"),
        )
    };
    let ribbon = TokenRibbon {
        name: "compare words",
        count: found.words.len(),
        version,
        selected,
        reveals,
        spaces: Spaces::Plain,
        text: &|at| &found.words[at].word,
        caption: Some(&caption),
        chip: &|at| chip(scale, difference(at)),
        spoken: &spoken,
        hover: &|ui, at| _ = ui.label(theme::number(spoken(at))),
    };
    ribbon.show(ui)
}

/// What both expect after the token that is looked at, or after the whole text.
fn next_ui(
    ui: &mut Ui,
    text: &TextComparison,
    next: &[NextComparison],
    [a, b]: Names<'_>,
    selected: Option<usize>,
) {
    let at = selected.filter(|at| *at < next.len());
    let Some(view) = next.get(at.unwrap_or_else(|| next.len().saturating_sub(1))) else { return };
    let after = match at {
        Some(at) => format!("after token {}: {}", at + 1, visible_whitespace(&text.tokens[at])),
        None => "after the whole text".to_owned(),
    };
    ui.add_space(theme::GAP_SMALL);
    ui.add(Label::new(theme::strong(ui, format!("What comes next {after}"))).wrap());
    let shown = view.likeliest(MOST_BARS);
    let share = |logprob: f64| logprob.exp() as f32;
    let bar = |pair: &&Pair| (pair.token.clone(), share(pair.logprob_a), share(pair.logprob_b));
    let rows: Vec<_> = shown.iter().map(bar).collect();
    let bars: Vec<MirroredBar<'_>> = rows
        .iter()
        .map(|(text, left, right)| MirroredBar { text, left: *left, right: *right })
        .collect();
    mirrored_bars_ui(ui, &bars, [a, b]);
}

/// How much likelier the first model finds it, in bits.
fn bits(difference: Option<f64>) -> Option<f64> {
    difference.map(|nats| nats / std::f64::consts::LN_2)
}

fn chip(scale: Scale, bits: Option<f64>) -> Chip {
    let share = bits.unwrap_or(0.0) / MOST_BITS;
    Chip { ground: scale.difference(share as f32), level: None, mark: Mark::None }
}

fn described(comparison: &TextComparison, [a, b]: Names<'_>, at: usize, is_spoken: bool) -> String {
    let text = &comparison.tokens[at];
    let text = if is_spoken { spoken(text) } else { visible_whitespace(text) };
    let name = format!("Token {}: {text}", at + 1);
    match (comparison.logprobs_a[at], comparison.logprobs_b[at]) {
        (Some(one), Some(other)) => {
            let share = |logprob: f64| format::percent(logprob.exp() as f32);
            format!("{name} · {b} {} · {a} {}", share(other), share(one))
        }
        _ => format!("{name} · nothing stands before it"),
    }
}

fn legend_ui(ui: &mut Ui, [a, b]: Names<'_>, what: &str) {
    let words = format!(
        "Under each {what} by how many bits {} finds it likelier (+, green) or less likely (\u{2212}, \
         brown) than {}; one bit is a factor of two.",
        with_article(a),
        with_article(b)
    );
    ui.add(Label::new(theme::muted(ui, words)).wrap());
    ui.add_space(theme::GAP_SMALL);
}

/// `the adapter`, `the base model`, `this model`, `Q8_0`.
fn with_article(name: &str) -> String {
    match name {
        "adapter" => "the adapter".to_owned(),
        "base" => "the base model".to_owned(),
        "as loaded" => "the model as it is loaded".to_owned(),
        name => name.to_owned(),
    }
}

fn summary_ui(ui: &mut Ui, comparison: &TextComparison, [a, b]: Names<'_>) {
    let summary = &comparison.summary;
    ui.add(Label::new(theme::title(ui, "The whole text")).wrap());
    let percent = |share: f64| format::percent(share as f32);
    let mut rows = Vec::new();
    if let (Some(one), Some(other)) = (summary.perplexity_a, summary.perplexity_b) {
        rows.push(format!("Perplexity: {b} {other:.2}, {a} {one:.2}"));
    }
    rows.push(format!("Mean KL ({a} from {b}): {:.4} nats", summary.mean_kl_ab));
    rows.push(format!("Mean total variation: {}", percent(summary.mean_total_variation)));
    rows.push(format!("Same likeliest token: {}", percent(summary.top_1_agreement)));
    rows.push(format!("Shared among the ten likeliest: {}", percent(summary.top_10_agreement)));
    for row in rows {
        ui.add(Label::new(row).wrap());
    }
}

fn word_summary_ui(ui: &mut Ui, found: &WordComparison, [a, b]: Names<'_>) {
    let summary = &found.summary;
    let words = "The two models have different vocabularies: they have no tokens in common, and are compared \
                 by the words of the text. The probability of a word is that of all its tokens.";
    heading::hint_ui(ui, words);
    ui.add_space(theme::GAP_SMALL);
    ui.add(Label::new(theme::title(ui, "The whole text")).wrap());
    let mut rows = vec![format::counted(summary.words, "word compared", "words compared")];
    if let (Some(one), Some(other)) = (summary.perplexity_a, summary.perplexity_b) {
        rows.push(format!("Perplexity of a word: {b} {other:.2}, {a} {one:.2}"));
    }
    if let (Some(one), Some(other)) = (summary.bits_a_character_a, summary.bits_a_character_b) {
        rows.push(format!("Bits a character: {b} {other:.3}, {a} {one:.3}"));
    }
    for row in rows {
        ui.add(Label::new(row).wrap());
    }
}

/// What each of the two takes on this computer.
fn sides_ui(ui: &mut Ui, found: &TwoModels, names: Names<'_>) {
    ui.add_space(theme::GAP_SMALL);
    ui.add(Label::new(theme::title(ui, "What they take")).wrap());
    for (side, name) in [&found.a, &found.b].into_iter().zip(names) {
        let kept = if side.has_adapter { " with an adapter" } else { "" };
        let words = format!("{name}: {}, {}{kept}", side.name, side.weights);
        ui.add(Label::new(theme::strong(ui, words)).wrap());
        ui.add(Label::new(takes_words(side)).wrap());
    }
}

/// `98 MB on the disk, 98 MB in memory · reads 210, writes 60 tokens a second here`.
fn takes_words(side: &ModelSide) -> String {
    let size = format!(
        "{} on the disk, {} in memory",
        format::bytes(side.disk_bytes),
        format::bytes(side.memory_bytes)
    );
    let reads = side.reads_a_second.map(|rate| format!("reads {rate:.0}"));
    let writes = side.writes_a_second.map(|rate| format!("writes {rate:.0}"));
    let speeds: Vec<String> = reads.into_iter().chain(writes).collect();
    if speeds.is_empty() {
        return size;
    }
    format!("{size} · {} tokens a second here", speeds.join(", "))
}

fn token_ui(ui: &mut Ui, comparison: &TextComparison, [a, b]: Names<'_>, token: usize) {
    let text = visible_whitespace(&comparison.tokens[token]);
    ui.add(Label::new(theme::title(ui, format!("Token {}: {text}", token + 1))).wrap());
    if let (Some(one), Some(other)) = (comparison.logprobs_a[token], comparison.logprobs_b[token]) {
        let share = |logprob: f64| format::percent(logprob.exp() as f32);
        let words = format!("{} {}, {a} {}", capital(b), share(other), share(one));
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

/// At the beginning of a sentence; a model's own name stays as it is.
fn capital(name: &str) -> String {
    if name == "base" { "Base".to_owned() } else { name.to_owned() }
}

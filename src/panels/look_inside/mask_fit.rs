//! How well a text fits the masked model: each of its tokens is masked by itself. A second text shows which of
//! the two fits better.

use std::f64::consts::LN_2;

use eframe::egui::{Label, TextEdit, Ui};

use super::heading;
use super::mask_sides::no_masked_ui;
use super::page::{beside_ui, scrolled_part};
use crate::explore::fit::{Fit, FitPair, Fitted};
use crate::state::command::{Commands, LookInsideCommand};
use crate::state::look_inside::mask::MaskState;
use crate::widgets::button::ActionButton;
use crate::widgets::format;
use crate::widgets::scale::Scale;
use crate::widgets::theme;
use crate::widgets::theme::icons;
use crate::widgets::token_flow::{spoken, visible_whitespace};
use crate::widgets::token_ribbon::{Chip, Mark, Spaces, TokenRibbon};

/// A difference of so many bits has the strongest colour: 8 times as likely, or an eighth.
const MOST_BITS: f64 = 3.0;

pub fn fit_ui(ui: &mut Ui, mask: &mut MaskState, commands: &mut Commands) {
    if mask.models.is_empty() {
        if let Some(command) = no_masked_ui(ui) {
            commands.push(command);
        }
        return;
    }
    other_ui(ui, mask, commands);
    if mask.fit.is_empty() {
        heading::hint_ui(
            ui,
            "Each token of the text is masked by itself, and the model is asked how likely it is: a run for \
             each token. The sum of their log-probabilities says how well the text fits. With a second text \
             that differs in a word you see which of the two the model finds more natural.",
        );
        return;
    }
    let number = mask.fit_number();
    let Some(fitted) = heading::ready_or_why_ui(ui, &mask.fit) else { return };
    let main = |ui: &mut Ui| texts_ui(ui, fitted, number);
    beside_ui(ui, main, |ui| numbers_ui(ui, fitted));
}

/// The second text, and the button.
fn other_ui(ui: &mut Ui, mask: &mut MaskState, commands: &mut Commands) {
    let field = TextEdit::multiline(&mut mask.other)
        .hint_text("A second text to compare with (optional)")
        .desired_rows(1)
        .desired_width(f32::INFINITY);
    ui.add(field).accessible_name("The second text");
    ui.horizontal_wrapped(|ui| {
        if mask.other.is_empty() && !mask.text().is_empty() {
            let button = ActionButton::quiet("Begin with the text above").icon(icons::COPY);
            if ui.add(button).clicked() {
                mask.other = mask.text().to_owned();
            }
        }
        let request = mask.fit_request();
        let is_due = mask.fit.ready().is_none() || mask.is_fit_outdated();
        let words = if mask.other.trim().is_empty() { "Measure" } else { "Compare" };
        let button =
            if is_due { ActionButton::primary(words) } else { ActionButton::new("Measure again") };
        let button = button.add_enabled(ui, request.is_ok() && !mask.is_running());
        let why = request.err().unwrap_or("Wait for what is being computed");
        if button.on_disabled_hover_text(why).clicked() {
            commands.push(LookInsideCommand::Fit);
        }
        if mask.fit.ready().is_some() && mask.is_fit_outdated() {
            ui.label(theme::muted(ui, "The texts have changed since"));
        }
    });
    ui.add_space(theme::GAP_SMALL);
}

fn texts_ui(ui: &mut Ui, fitted: &Fitted, number: u64) {
    let legend = match fitted {
        Fitted::One(_) => {
            "Under each token its surprise in bits, were it the only one that is masked."
        }
        Fitted::Pair(_) => {
            "Under each token that both texts have by how many bits it is likelier in this text (+, green) \
             than in the other (\u{2212}, brown). Framed tokens are in one text alone."
        }
    };
    ui.add(Label::new(theme::muted(ui, legend)).wrap());
    ui.add_space(theme::GAP_SMALL);
    for (at, fit) in fitted.texts().into_iter().enumerate() {
        let name = ["fit", "fit of the second text"][at.min(1)];
        let room = theme::em(ui) * 14.0;
        let area = scrolled_part(name, room);
        area.show(ui, |ui| ribbon_ui(ui, name, fit, differences(fitted, at).as_deref(), number));
        ui.add_space(theme::GAP);
    }
}

/// Of each token of a text by how many bits it is likelier than in the other text; of one text: `None`.
fn differences(fitted: &Fitted, text: usize) -> Option<Vec<Option<f64>>> {
    let Fitted::Pair(pair) = fitted else { return None };
    let count = [&pair.a, &pair.b][text].ids.len();
    let mut found = vec![None; count];
    for shared in &pair.shared {
        let (place, sign) = if text == 0 { (shared.a, 1.0) } else { (shared.b, -1.0) };
        found[place] = Some(sign * shared.difference / LN_2);
    }
    Some(found)
}

fn ribbon_ui(ui: &mut Ui, name: &str, fit: &Fit, differences: Option<&[Option<f64>]>, number: u64) {
    let scale = Scale::here(ui);
    let bits = |at: usize| fit.logprobs[at].map(|nats| -nats / LN_2);
    let difference = |at: usize| differences.and_then(|all| all[at]);
    let caption = |at: usize| match differences {
        None => bits(at).map(|bits| format!("{bits:.1}")).unwrap_or_default(),
        Some(_) => difference(at).map(format::signed).unwrap_or_default(),
    };
    let chip = |at: usize| match differences {
        None => Chip {
            ground: scale.surprise(bits(at).unwrap_or(0.0) as f32),
            mark: if bits(at).is_none() { Mark::Special } else { Mark::None },
            ..Chip::default()
        },
        Some(_) => Chip {
            ground: scale.difference((difference(at).unwrap_or(0.0) / MOST_BITS) as f32),
            mark: if difference(at).is_none() { Mark::Special } else { Mark::None },
            ..Chip::default()
        },
    };
    let described = |at: usize, text: String| match bits(at) {
        Some(bits) => format!("Token {}: {text}, {bits:.2} bits", at + 1),
        None => format!("Token {}: {text}, not guessed", at + 1),
    };
    let ribbon = TokenRibbon {
        name,
        count: fit.ids.len(),
        version: number,
        selected: None,
        reveals: false,
        spaces: Spaces::Plain,
        text: &|at| &fit.tokens[at],
        caption: Some(&caption),
        chip: &chip,
        spoken: &|at| described(at, spoken(&fit.tokens[at])),
        hover: &|ui, at| {
            _ = ui.label(theme::number(described(at, visible_whitespace(&fit.tokens[at]))));
        },
    };
    ribbon.show(ui);
}

fn numbers_ui(ui: &mut Ui, fitted: &Fitted) {
    let line = |ui: &mut Ui, words: String| _ = ui.add(Label::new(words).wrap());
    match fitted {
        Fitted::One(fit) => {
            ui.add(Label::new(theme::title(ui, "The whole text")).wrap());
            for words in fit_words(fit) {
                line(ui, words);
            }
        }
        Fitted::Pair(pair) => {
            let FitPair { a, b, shared, difference, shared_difference } = pair.as_ref();
            ui.add(Label::new(theme::title(ui, "Which fits better")).wrap());
            let better = match difference.total_cmp(&0.0) {
                std::cmp::Ordering::Greater => "The text above fits better",
                std::cmp::Ordering::Less => "The second text fits better",
                std::cmp::Ordering::Equal => "Both fit equally well",
            };
            ui.add(Label::new(theme::strong(ui, better)).wrap());
            line(ui, format!("Difference: {} nats", nats(*difference, true)));
            let shared = format::counted(shared.len(), "token", "tokens");
            line(
                ui,
                format!(
                    "Over the {shared} that both have: {} nats",
                    nats(*shared_difference, true)
                ),
            );
            for (name, fit) in [("The text above", a), ("The second text", b)] {
                ui.add_space(theme::GAP_SMALL);
                ui.add(Label::new(theme::strong(ui, name)).wrap());
                for words in fit_words(fit) {
                    line(ui, words);
                }
            }
        }
    }
    ui.add_space(theme::GAP_SMALL);
    heading::hint_ui(
        ui,
        "Longer texts have lower sums. A word of several tokens is judged too well: the model sees the rest \
         of it while one of its tokens is masked.",
    );
}

/// `−3.375`; with a plus above 0 where it is a difference.
fn nats(value: f64, is_difference: bool) -> String {
    let plus = if is_difference && value >= 0.0 { "+" } else { "" };
    format!("{plus}{value:.3}").replace('-', "\u{2212}")
}

fn fit_words(fit: &Fit) -> Vec<String> {
    let sum = fit.pseudo_log_likelihood;
    let count = fit.guessed_tokens;
    let mut rows = vec![format!("Pseudo-log-likelihood: {} nats", nats(sum, false))];
    if count > 0 {
        let tokens = format::counted(count, "token", "tokens");
        rows.push(format!("{tokens}, {} nats each", nats(sum / count as f64, false)));
        let perplexity = (-sum / count as f64).exp();
        rows.push(format!("Pseudo-perplexity: {perplexity:.2}"));
    }
    if fit.is_cut {
        rows.push(format!("The first {} tokens of it are read", format::count(fit.ids.len())));
    }
    rows
}

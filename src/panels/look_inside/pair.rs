//! A minimal pair: what comes next after the text and after another prompt, side by side.

use eframe::egui::{Label, TextEdit, Ui};

use super::heading;
use super::page::{Page, beside_ui, scrolled_part};
use crate::explore::next_token::{NextComparison, Pair};
use crate::state::look_inside::LookInsideState;
use crate::state::look_inside::view::View;
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::format;
use crate::widgets::mirrored_bars;
use crate::widgets::mirrored_bars::{MirroredBar, mirrored_bars_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// True: the two prompts are to be compared as they stand in their fields.
pub fn pair_ui(ui: &mut Ui, look: &mut LookInsideState, page: Page) -> bool {
    let mut asked = false;
    card_ui(ui, |ui| {
        ui.add(Label::new(theme::title(ui, View::Pair.question())).wrap());
        heading::help_ui(ui, View::Pair);
        asked = other_ui(ui, look);
        if look.pair.asked().is_empty() {
            if look.pair.other.is_empty() {
                let words =
                    "Write the other prompt here: the same text, with another word in one place.";
                heading::hint_ui(ui, words);
            }
            return;
        }
        let Some(view) = heading::ready_or_why_ui(ui, &look.pair.view) else { return };
        let main = |ui: &mut Ui| {
            let room = page.room(ui, 0.0);
            let area = scrolled_part("minimal pair", room);
            area.show(ui, |ui| {
                // What one side finds likely and the other does not stands at the two ends: all that is
                // shown is in sight.
                let rows = (room / mirrored_bars::row_height(ui)).floor() as usize;
                let shown = view.likeliest(rows.saturating_sub(1).max(2));
                let bar = |pair: &&Pair| {
                    let [left, right] = [pair.logprob_a, pair.logprob_b].map(|it| it.exp() as f32);
                    (pair.token.clone(), left, right)
                };
                let rows: Vec<_> = shown.iter().map(bar).collect();
                let bars: Vec<MirroredBar<'_>> = rows
                    .iter()
                    .map(|(text, left, right)| MirroredBar { text, left: *left, right: *right })
                    .collect();
                mirrored_bars_ui(ui, &bars, ["after the text above", "after the other prompt"]);
            });
        };
        beside_ui(ui, main, |ui| numbers_ui(ui, view));
    });
    asked
}

/// The second prompt's field. True: the prompts are to be compared.
fn other_ui(ui: &mut Ui, look: &mut LookInsideState) -> bool {
    let mut asked = false;
    let field = TextEdit::multiline(&mut look.pair.other)
        .hint_text("The other prompt")
        .desired_rows(1)
        .desired_width(f32::INFINITY);
    ui.add(field).accessible_name("The other prompt");
    let is_empty = look.pair.other.is_empty();
    if is_empty && !look.text.is_empty() {
        let button = ActionButton::quiet("Begin with the text above").icon(icons::COPY);
        if ui.add(button).clicked() {
            look.pair.other.clone_from(&look.text);
        }
    }
    if look.pair.is_outdated() && !is_empty && !look.text.is_empty() {
        asked = ui.add(ActionButton::primary("Compare")).clicked();
    }
    ui.add_space(theme::GAP_SMALL);
    asked
}

fn numbers_ui(ui: &mut Ui, view: &NextComparison) {
    let bits = |nats: f64| {
        let bits = nats / std::f64::consts::LN_2;
        if bits.is_finite() { format!("{bits:.3} bits") } else { "infinite".to_owned() }
    };
    let apart = &view.divergence;
    ui.add(Label::new(theme::title(ui, "How far apart")).wrap());
    let rows = [
        format!("Total variation: {}", format::percent(apart.total_variation as f32)),
        format!("KL, text from other prompt: {}", bits(apart.kl_ab)),
        format!("KL, other prompt from text: {}", bits(apart.kl_ba)),
        format!("Entropy: {:.2} and {:.2} bits", view.entropy_a, view.entropy_b),
        format!(
            "Of the ten likeliest, {} are the same",
            format::count((apart.top_10_overlap * 10.0).round() as usize)
        ),
    ];
    for row in rows {
        ui.add(Label::new(row).wrap());
    }
    ui.add_space(theme::GAP_SMALL);
    let words = "Sorted from what the text makes likelier to what the other prompt does. Total variation \
                 is the share of probability that would have to move to make both the same.";
    heading::hint_ui(ui, words);
}

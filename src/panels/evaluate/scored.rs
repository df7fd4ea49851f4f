//! How the probabilities of labels and options are read: in how many orders, and what of their tokens counts.

use eframe::egui::{ComboBox, Ui};

use crate::evaluate::task::Scoring;
use crate::panels::train::fields::{number_row_ui, row_ui};
use crate::state::evaluate::form::CodeForm;
use crate::widgets::theme;

/// In how many orders the labels, or the options, are listed.
pub(super) fn orders_ui(ui: &mut Ui, form: &mut CodeForm, what: &str) {
    let hint = format!(
        "In how many orders the {what} are listed; the probabilities are averaged over them. Answers that \
         change with the order are counted"
    );
    number_row_ui(ui, &format!("Orders of the {what}"), &hint, &mut form.orders, 1..=5040);
    if form.orders > 1 {
        let hint = "Draws the orders where not all of them are asked";
        number_row_ui(ui, "Seed", hint, &mut form.seed, 0..=1_000_000);
    }
}

/// How the tokens of an answer become its score.
pub(super) fn scored_ui(ui: &mut Ui, score: &mut Scoring) {
    let hint = "How the log-probabilities of a label's tokens become its score";
    row_ui(ui, "Scored by", hint, |ui| {
        let width = (ui.available_width() - 4.0).min(theme::em(ui) * 12.0);
        let combo = ComboBox::from_id_salt("scoring")
            .selected_text(scoring_words(*score).0)
            .width(width)
            .show_ui(ui, |ui| {
                for choice in [Scoring::Sum, Scoring::Mean, Scoring::Prior] {
                    let (words, about) = scoring_words(choice);
                    ui.selectable_value(score, choice, words).on_hover_text(about);
                }
            });
        combo.response.accessible_name("Scored by").on_hover_text(scoring_words(*score).1);
    });
}

/// A way to score, and what it does.
pub(super) fn scoring_words(scoring: Scoring) -> (&'static str, &'static str) {
    match scoring {
        Scoring::Sum => ("sum of tokens", "The probability of the whole label"),
        Scoring::Mean => {
            ("mean of tokens", "The same by token: long labels are not at a disadvantage")
        }
        Scoring::Prior => (
            "sum less that without text",
            "The sum less what it would be without the text: labels that are likely anyway are \
             not at an advantage",
        ),
    }
}

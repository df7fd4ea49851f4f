//! The form of texts that are scored, and how likely one of them is.

use eframe::egui::{Label, Ui};

use super::column::optional_column_ui;
use super::fields::name_ui;
use crate::evaluate::task::perplexity::Likelihood;
use crate::panels::train::fields::{check_ui, number_row_ui, problem_ui, section_ui};
use crate::state::evaluate::form::CodeForm;
use crate::widgets::format;
use crate::widgets::theme;

pub(super) fn perplexity_ui(ui: &mut Ui, form: &mut CodeForm, columns: &[String]) {
    section_ui(ui, "What is scored");
    name_ui(ui, &mut form.name, "how likely the abstracts are");
    let settings = &mut form.perplexity;
    let others: Vec<String> =
        columns.iter().filter(|column| **column != form.text).cloned().collect();
    let hint = "The column with what stands before each text, as a question before its answer. The model \
                reads it, and only the text is scored";
    optional_column_ui(ui, ("Before each text", hint), &others, &mut settings.before);
    if settings.before.is_some() {
        let hint = "What stands before is a message of the user, in the model's chat template, and the text \
                    the beginning of the answer";
        check_ui(ui, &mut settings.chat, "as a chat", hint);
    } else {
        settings.chat = false;
    }
    let hint =
        "A column by which the report has the numbers, as the year or the source of the texts";
    optional_column_ui(ui, ("Report by", hint), &others, &mut settings.by);
    section_ui(ui, "Long texts");
    let hint = "Tokens that are read at once; 0: the model's whole context";
    number_row_ui(ui, "Tokens of a window", hint, &mut settings.window, 0..=1_000_000);
    let hint = "Instead of being read in several windows";
    check_ui(ui, &mut settings.cut, "cut longer texts at their end", hint);
    if settings.cut {
        settings.stride = 0;
    } else {
        let hint = "A window begins so many tokens after the last one, and only what is new in it is scored. The \
                    smaller, the more every token has before it, and the longer it takes; 0: half a window";
        number_row_ui(ui, "Stride", hint, &mut settings.stride, 0..=1_000_000);
    }
    if let Some(problem) = settings.problem() {
        problem_ui(ui, &problem);
    }
}

/// What is known of a text, a line for each kind of number.
pub(super) fn likelihood_ui(ui: &mut Ui, text: &Likelihood, cut: Option<usize>) {
    let words = format!("Perplexity {:.2}", text.perplexity());
    ui.label(theme::strong(ui, words));
    let mut said = vec![
        format!("{} tokens", format::count(text.tokens)),
        format!("log-probability {:.3}", text.logprob),
        format!("{:.3} a token", text.mean()),
    ];
    said.extend(text.bits_per_byte().map(|bits| format!("{bits:.3} bits a byte")));
    said.extend(text.bits_per_character().map(|bits| format!("{bits:.3} bits a character")));
    if text.before > 0 {
        said.push(format!("{} tokens before it were read", format::count(text.before)));
    }
    if text.windows > 1 {
        let window = format::count(text.window);
        said.push(format!("read in {} windows of {window} tokens", format::count(text.windows)));
    }
    if let Some(cut) = cut {
        said.push(format!("{} tokens at its end were cut off", format::count(cut)));
    }
    ui.add(Label::new(theme::muted(ui, said.join(" · "))).wrap());
}

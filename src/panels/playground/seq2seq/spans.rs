//! The game of hidden spans.

use eframe::egui;
use eframe::egui::{Button, DragValue, Grid, Label, RichText, TextEdit, TextStyle, Ui, vec2};

use super::shared::{hint_ui, start_ui};
use crate::explore::spans::words;
use crate::state::command::Commands;
use crate::state::playground::PlaygroundState;
use crate::state::playground::seq2seq::Seq2SeqView;
use crate::state::playground::seq2seq::spans::SpansState;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{Tone, card_ui, chip_ui, titled_card_ui};
use crate::widgets::switch::switch_ui;
use crate::widgets::theme;
use crate::widgets::theme::icons;

pub(super) fn spans_ui(ui: &mut Ui, playground: &mut PlaygroundState, commands: &mut Commands) {
    card_ui(ui, |ui| {
        ui.add(Label::new(theme::title(ui, Seq2SeqView::Spans.question())).wrap());
        hint_ui(
            ui,
            "T5 learned its language by this game: spans of a text are hidden behind <extra_id_0>, \
             <extra_id_1> and so on, and the model writes what stood there.",
        );
        let spans = &mut playground.seq2seq.spans;
        text_ui(ui, spans);
        words_ui(ui, spans);
        start_ui(ui, playground, commands);
    });
    ui.add_space(theme::GAP);
    titled_card_ui(ui, "Guesses", |_| {}, |ui| guesses_ui(ui, &mut playground.seq2seq.spans));
}

fn text_ui(ui: &mut Ui, spans: &mut SpansState) {
    let line = ui.text_style_height(&TextStyle::Body);
    let field = TextEdit::multiline(&mut spans.text)
        .hint_text("Write a text of a few sentences")
        .desired_rows(2)
        .desired_width(f32::INFINITY);
    let area = egui::ScrollArea::vertical().id_salt("span text").max_height(line * 5.0);
    let field = area.show(ui, |ui| ui.add(field).accessible_name("Text")).inner;
    if field.changed() {
        spans.text_changed();
    }
    ui.horizontal_wrapped(|ui| {
        let label = ui.label("Hide");
        let share = DragValue::new(&mut spans.share).range(1..=90).suffix(" %");
        let mut changed = ui.add(share).labelled_by(label.id).changed();
        let label = ui.label("of the words, in spans of about");
        let length = DragValue::new(&mut spans.length).range(1..=10).speed(0.05);
        changed |= ui.add(length).labelled_by(label.id).changed();
        let draw = ActionButton::quiet("Draw again").icon(icons::DICE);
        let about = "T5 was trained with 15 % and spans of 3 tokens on the mean";
        if ui.add(draw).on_hover_text(about).clicked() {
            spans.seed += 1;
            changed = true;
        }
        if changed {
            spans.draw();
        }
    });
}

/// Every word as a button.
fn words_ui(ui: &mut Ui, spans: &mut SpansState) {
    const MOST: usize = 600;
    let p = theme::palette(ui);
    let all = words(&spans.text);
    hint_ui(ui, "Click a word to hide it, or to show it again:");
    let mut clicked = None;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(2.0, 4.0);
        ui.spacing_mut().button_padding = vec2(3.0, 2.0);
        for (at, place) in all.iter().enumerate().take(MOST) {
            let is_hidden = spans.hidden.contains(&at);
            let word = &spans.text[place.clone()];
            let is_first = is_hidden && (at == 0 || !spans.hidden.contains(&(at - 1)));
            let text = if is_first {
                let before = spans.hidden.range(..at).copied().collect();
                let number = crate::explore::spans::spans(&before).len();
                RichText::new(format!("<extra_id_{number}>")).color(p.accent).strong()
            } else if is_hidden {
                RichText::new("…").color(p.accent).strong()
            } else {
                RichText::new(word)
            };
            let button = Button::new(text).small().selected(is_hidden).frame_when_inactive(false);
            let name = if is_hidden {
                format!("Word {}: hidden", at + 1)
            } else {
                format!("Word {}: {word}", at + 1)
            };
            if ui.add(button).accessible_name(name).clicked() {
                clicked = Some(at);
            }
        }
        if all.len() > MOST {
            ui.label(theme::muted(ui, format!("and {} more words", all.len() - MOST)));
        }
    });
    if let Some(word) = clicked {
        spans.toggle(word);
    }
}

/// A row a span: what the room says, what the model writes, what stood there.
fn guesses_ui(ui: &mut Ui, spans: &mut SpansState) {
    if spans.hidden.is_empty() {
        hint_ui(ui, "No word is hidden yet.");
        return;
    }
    let (_, originals) = spans.corrupted();
    let em = theme::em(ui);
    let column = ((ui.available_width() - em * 12.0) / 3.0).clamp(em * 6.0, em * 16.0);
    // In a narrow window it scrolls, and the page does not.
    egui::ScrollArea::horizontal().id_salt("guesses").show(ui, |ui| {
        table_ui(ui, spans, &originals, column);
    });
    ui.add_space(theme::GAP_SMALL);
    let about = "What stood in the text, beside the guesses";
    switch_ui(ui, &mut spans.is_revealed, "Show the hidden words", about);
    if let Some(filled) = &spans.filled {
        hint_ui(ui, &format!("Read: {}", filled.given));
        hint_ui(ui, &format!("Written: {}", filled.written));
    }
}

fn table_ui(ui: &mut Ui, spans: &mut SpansState, originals: &[String], column: f32) {
    Grid::new("guesses").striped(true).spacing(vec2(theme::GAP, theme::GAP_SMALL)).show(ui, |ui| {
        for heading in ["", "The room", "The model", "What stood there"] {
            ui.label(theme::muted(ui, heading));
        }
        ui.end_row();
        for (at, original) in originals.iter().enumerate() {
            ui.label(theme::number(format!("<extra_id_{at}>")));
            if let Some(guess) = spans.guesses.get_mut(at) {
                let field = TextEdit::singleline(guess).desired_width(column);
                let size = vec2(column, ui.spacing().interact_size.y);
                ui.add_sized(size, field)
                    .accessible_name(format!("Guess of the room for span {}", at + 1));
            }
            let span = spans.filled.as_ref().and_then(|filled| filled.spans.get(at));
            let guess = match span.map(|span| span.guess.as_deref()) {
                None => theme::muted(ui, "not asked yet"),
                Some(None) => theme::muted(ui, "(nothing: it did not write this sentinel)"),
                Some(Some("")) => theme::muted(ui, "(nothing)"),
                Some(Some(guess)) => theme::strong(ui, guess),
            };
            ui.scope(|ui| {
                ui.set_max_width(column);
                ui.add(Label::new(guess).wrap());
            });
            ui.horizontal(|ui| {
                if !spans.is_revealed {
                    ui.label(theme::muted(ui, "hidden"));
                    return;
                }
                ui.add(Label::new(theme::strong(ui, original)));
                match span {
                    Some(span) if span.is_same => {
                        chip_ui(ui, Tone::Chosen, Some(icons::DONE), "the model has it");
                    }
                    _ => {}
                }
            });
            ui.end_row();
        }
    });
}

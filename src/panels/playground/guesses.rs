//! The room's guesses beside the model's probabilities.

use eframe::egui;
use eframe::egui::{DragValue, Key, Label, TextEdit, Ui};

use crate::state::command::{Commands, ViewCommand};
use crate::state::playground::PlaygroundState;
use crate::state::playground::vote::VoteState;
use crate::state::prefs::PanelId;
use crate::state::room::{RoomState, Source};
use crate::widgets::button::ActionButton;
use crate::widgets::card::titled_card_ui;
use crate::widgets::format;
use crate::widgets::switch;
use crate::widgets::theme;
use crate::widgets::theme::icons;
use crate::widgets::token_flow::visible_whitespace;

/// Draws the card: the guesses to be typed in, and once all is revealed what each of them is worth.
pub fn guesses_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    room: &RoomState,
    commands: &mut Commands,
) {
    let is_there = playground.position().is_some();
    let vote = &mut playground.vote;
    titled_card_ui(
        ui,
        "The room guesses",
        |_| {},
        |ui| {
            if vote.hides() {
                field_ui(ui, vote);
                if is_there {
                    phones_ui(ui, vote, room, commands);
                }
            }
            let mut removed = None;
            let votes = vote.votes().max(1);
            let is_hidden = vote.hides();
            let verdicts: Vec<_> =
                vote.guesses.iter().map(|guess| vote.verdict(&guess.text).cloned()).collect();
            for (index, (guess, verdict)) in vote.guesses.iter_mut().zip(verdicts).enumerate() {
                ui.horizontal_wrapped(|ui| {
                    ui.add(Label::new(theme::strong(ui, guess.text.as_str())).wrap());
                    if is_hidden {
                        let name = format!("Votes for {}", guess.text);
                        let number = DragValue::new(&mut guess.votes).range(0..=100_000);
                        ui.add(number).accessible_name(name);
                        let more = format!("One more for {}", guess.text);
                        if ui.add(ActionButton::only_icon(icons::ADD, &more)).clicked() {
                            guess.votes = guess.votes.saturating_add(1);
                        }
                        let remove = format!("Remove {}", guess.text);
                        if ui.add(ActionButton::only_icon(icons::CLOSE, &remove)).clicked() {
                            removed = Some(index);
                        }
                    }
                });
                if !is_hidden {
                    let share = guess.votes as f32 / votes as f32;
                    bar_ui(
                        ui,
                        "room",
                        share,
                        false,
                        &format::counted(guess.votes as usize, "vote", "votes"),
                    );
                    match verdict {
                        Some(verdict) => {
                            let pieces: Vec<String> = verdict
                                .tokens
                                .iter()
                                .map(|token| visible_whitespace(token))
                                .collect();
                            let bits = format!("{:.1} bits", verdict.bits());
                            bar_ui(ui, "model", verdict.probability() as f32, true, &bits);
                            if pieces.len() > 1 {
                                let words =
                                    format!("{} tokens: {}", pieces.len(), pieces.join(" · "));
                                ui.add(Label::new(theme::muted(ui, words)).wrap());
                            }
                        }
                        None => {
                            ui.label(theme::muted(ui, "The model is being asked"));
                        }
                    }
                    ui.add_space(theme::GAP_SMALL);
                }
            }
            if let Some(index) = removed {
                vote.guesses.remove(index);
            }
            if vote.guesses.is_empty() {
                let words = if is_hidden { "No guess yet" } else { "Nobody has guessed" };
                ui.label(theme::muted(ui, words));
            }
            // Revealed is where the bars are hidden.
            if !is_hidden {
                if let Some(bits) = vote.bits_a_vote() {
                    let words = format!(
                        "{}, {bits:.1} bits a vote: the fewer, the more the room thinks as the model \
                         does",
                        format::counted(vote.votes() as usize, "vote", "votes")
                    );
                    ui.add(Label::new(words).wrap());
                }
                if ui.add(ActionButton::new("Vote again")).clicked() {
                    vote.start();
                }
            }
        },
    );
}

/// Asking the phones, and how many have answered; what they said is seen with the model's bars.
fn phones_ui(ui: &mut Ui, vote: &mut VoteState, room: &RoomState, commands: &mut Commands) {
    let Some(open) = room.open() else {
        ui.horizontal_wrapped(|ui| {
            let about = "In Lectures, the room can be opened to the phones of the audience";
            let button = ActionButton::quiet("Let phones guess…");
            if ui.add(button).on_hover_text(about).clicked() {
                commands.push(ViewCommand::ShowPanel(PanelId::Lectures));
            }
        });
        return;
    };
    if !vote.asks_phones {
        let about = "The likeliest tokens as buttons, in the order of the alphabet, and a field for \
                     another word. Off: a field alone";
        switch::switch_ui(ui, &mut vote.offers_tokens, "Phones choose among tokens", about);
        if ui.add(ActionButton::primary("Ask the phones")).clicked() {
            vote.asks_phones = true;
        }
        return;
    }
    let words = match open.tally(Source::Guess { round: vote.round() }) {
        Some(_) => open.turnout(),
        None => "The phones are being asked".to_owned(),
    };
    ui.add(Label::new(theme::strong(ui, words)).wrap());
    let words = format!("{} · code {}", open.address, open.code);
    ui.add(Label::new(theme::muted(ui, words)).wrap());
}

fn field_ui(ui: &mut Ui, vote: &mut VoteState) {
    ui.horizontal(|ui| {
        let field = TextEdit::singleline(&mut vote.draft)
            .hint_text("A guess")
            .desired_width((ui.available_width() - theme::em(ui) * 5.0).max(60.0));
        let field = ui.add(field).accessible_name("A guess of the room");
        if std::mem::take(&mut vote.wants_cursor) {
            field.request_focus();
        }
        let is_entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let about = "A guess that is there already gets one vote more";
        if ui.add(ActionButton::new("Add")).on_hover_text(about).clicked() || is_entered {
            vote.add();
        }
    });
}

/// A share as a bar with its number and a note behind it.
fn bar_ui(ui: &mut Ui, name: &str, share: f32, is_model: bool, note: &str) {
    let p = theme::palette(ui);
    let em = theme::em(ui);
    let words = format!("{name} {} · {note}", format::percent(share));
    ui.label(words);
    let (rect, _) =
        ui.allocate_exact_size(egui::vec2(ui.available_width(), em * 0.6), egui::Sense::hover());
    if ui.is_rect_visible(rect) {
        let painter = ui.painter();
        painter.rect_filled(rect, 2.0, p.raised);
        let filled = rect.with_max_x(rect.left() + rect.width() * share.clamp(0.0, 1.0));
        painter.rect_filled(filled, 2.0, if is_model { p.accent } else { p.muted });
    }
}

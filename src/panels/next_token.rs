//! What the next token could have been: the likeliest ones, before and after the chain.

use eframe::egui::{Label, RichText, Ui};

use super::sampling::stage_name;
use crate::llm::card::ModelCard;
use crate::llm::generate::AdapterMode;
use crate::llm::generate::sampling::{SamplingParams, Stage};
use crate::state::playground::PlaygroundState;
use crate::state::playground::candidates::CandidateRow;
use crate::widgets::button::ActionButton;
use crate::widgets::card::titled_card_ui;
use crate::widgets::format;
use crate::widgets::theme;
use crate::widgets::token_bars::TokenBar;
use crate::widgets::token_bars::token_bars_ui;
use crate::widgets::token_flow::visible_whitespace;

/// What was clicked in the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextToken {
    Predict,

    /// A token, to go on from it.
    Candidate(u32),
}

/// Draws the card.
pub fn next_token_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    params: &SamplingParams,
    model: &ModelCard,
) -> Option<NextToken> {
    let obstacle = playground.obstacle(Some(model));
    let mut predict = false;
    let mut candidate = None;
    let aside = |ui: &mut Ui| {
        let button = ui.add_enabled(obstacle.is_none(), ActionButton::new("Predict"));
        let button = match obstacle {
            Some(obstacle) => button.on_disabled_hover_text(obstacle),
            None => button.on_hover_text("Read the prompt and show what could come next"),
        };
        predict = button.clicked();
    };
    titled_card_ui(ui, "Next token", aside, |ui| {
        let Some(position) = playground.position() else {
            let words = "Send a prompt, or press Predict: here are the likeliest next tokens, as \
                         the model gives them and after your settings. Move a slider and watch.";
            ui.add(Label::new(theme::muted(ui, words)).wrap());
            return;
        };
        let lane = &playground.lanes[position.lane];
        let taken = lane.tokens.get(position.token);
        let heading = match taken {
            Some(token) => format!(
                "Token {} of the answer: {}",
                position.token + 1,
                visible_whitespace(&token.text)
            ),
            None if position.token == 0 => "After the prompt".to_owned(),
            None => format!("After all {} tokens", position.token),
        };
        let heading = match lane.lane.adapter {
            AdapterMode::Off if playground.lanes.len() > 1 => format!("Base · {heading}"),
            AdapterMode::On => format!("Adapter · {heading}"),
            AdapterMode::Off => heading,
        };
        let is_selected = playground.selected == Some(position);
        ui.horizontal_wrapped(|ui| {
            ui.add(Label::new(heading).wrap());
            if is_selected && ui.add(ActionButton::quiet("Back to the latest token")).clicked() {
                playground.selected = None;
            }
        });
        if playground.is_outdated() {
            let words = "The prompt has changed since. Press Predict to read the new one";
            let ink = theme::palette(ui).rejected;
            ui.add(Label::new(RichText::new(words).color(ink)).wrap());
        }
        if playground.vote.hides() {
            ui.label("Hidden until the room has voted");
            if ui.add(ActionButton::primary("Reveal")).clicked() {
                playground.vote.is_revealed = true;
            }
            return;
        }
        match playground.candidates(params, &model.tokenizer) {
            None => {}
            Some(Err(problem)) => {
                let p = theme::palette(ui);
                ui.colored_label(p.problem, problem);
            }
            Some(Ok(candidates)) => {
                let survivor = candidates.rows.iter().find(|row| row.after > 0.0);
                let survivor = survivor.map_or(0.0, |row| row.before);
                let bars: Vec<TokenBar<'_>> = candidates
                    .rows
                    .iter()
                    .map(|row| TokenBar {
                        text: &row.text,
                        before: row.before,
                        after: row.after,
                        removed_by: row.removed_by.map(|stage| removed_by(row, stage, survivor)),
                        penalised: row.penalised,
                        taken: row.taken,
                    })
                    .collect();
                // What is left of the card in the window, less its lines above and below.
                let height = ui.clip_rect().height() - theme::em(ui) * 11.0;
                let clicked = token_bars_ui(ui, &bars, height);
                candidate = clicked.map(|index| candidates.rows[index].id);
                let kept = format::count(candidates.kept_count);
                let all = format::count(model.facts.vocab_size);
                let mut words = format!("{kept} of {all} tokens can still be picked");
                if candidates.approximate {
                    words.push_str("; of this position only the 40 likeliest were kept");
                }
                ui.add(Label::new(theme::muted(ui, words)).wrap());
            }
        }
    });
    if predict { Some(NextToken::Predict) } else { candidate.map(NextToken::Candidate) }
}

/// What removed a token, as the chain names it. Greedy decoding keeps the likeliest token after the
/// repetition penalty: one that was likelier than that before it was removed by the penalty.
fn removed_by(row: &CandidateRow, stage: Stage, survivor: f32) -> &'static str {
    match stage {
        Stage::Greedy if row.penalised && row.before > survivor => "repetition penalty",
        stage => stage_name(stage),
    }
}

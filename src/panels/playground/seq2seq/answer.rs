//! The encoder's side and the decoder's side of an answer, apart.

use eframe::egui;
use eframe::egui::{Align, Color32, Layout, Rect, Stroke, Ui, pos2, vec2};

use super::shared::hint_ui;
use crate::explore::read_write::{Piece, Source};
use crate::llm::card::ModelCard;
use crate::llm::generate::StopReason;
use crate::state::playground::seq2seq::{Doing, Seq2SeqState};
use crate::widgets::card::titled_card_ui;
use crate::widgets::format;
use crate::widgets::scale::Scale;
use crate::widgets::theme;
use crate::widgets::token_flow::{spoken, visible_whitespace};
use crate::widgets::token_ribbon::{Chip, Mark, Spaces, TokenRibbon};

pub(super) fn answer_ui(ui: &mut Ui, state: &mut Seq2SeqState, model: &ModelCard) {
    if state.source.is_none() && state.answer.is_empty() && state.doing.is_none() {
        hint_ui(
            ui,
            "Write a text and press “Write an answer”. On the left you see what the encoder reads, on the right \
             what the decoder writes.",
        );
        return;
    }
    let em = theme::em(ui);
    let width = ui.available_width();
    let gap = em * 3.0;
    if width < em * 40.0 {
        encoder_ui(ui, state, model);
        let (rect, _) = ui.allocate_exact_size(vec2(width, gap), egui::Sense::hover());
        arrow(ui, rect.center_top() + vec2(0.0, 4.0), rect.center_bottom() - vec2(0.0, 4.0));
        decoder_ui(ui, state);
        return;
    }
    let side = (width - gap) / 2.0;
    let top = ui.cursor().min;
    let rects: [Rect; 2] = {
        let row = ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = gap;
            let column = |ui: &mut Ui, contents: &mut dyn FnMut(&mut Ui)| {
                let layout = Layout::top_down(Align::LEFT);
                let shown = ui.allocate_ui_with_layout(vec2(side, 0.0), layout, |ui| {
                    ui.set_min_width(side);
                    ui.spacing_mut().item_spacing.x = theme::GAP_SMALL;
                    contents(ui);
                });
                shown.response.rect
            };
            let left = column(ui, &mut |ui| encoder_ui(ui, state, model));
            [left, column(ui, &mut |ui| decoder_ui(ui, state))]
        });
        row.inner
    };
    let height = rects[0].height().min(rects[1].height());
    let middle = top.y + height / 2.0;
    arrow(ui, pos2(rects[0].right() + 6.0, middle), pos2(rects[1].left() - 6.0, middle));
}

/// From one half to the other.
fn arrow(ui: &Ui, from: egui::Pos2, to: egui::Pos2) {
    let ink = theme::palette(ui).accent;
    ui.painter().arrow(from, to - from, Stroke::new(3.0, ink));
}

fn encoder_ui(ui: &mut Ui, state: &Seq2SeqState, model: &ModelCard) {
    titled_card_ui(
        ui,
        "Encoder",
        |_| {},
        |ui| {
            hint_ui(ui, "It reads the whole text at once: every token looks at all the others.");
            ui.add_space(theme::GAP_SMALL);
            let Some(source) = &state.source else {
                hint_ui(ui, "The text is read…");
                return;
            };
            source_ui(ui, "read", source, (state.number(), None));
            let mut words = format!("{} tokens are read", source.pieces.len());
            if source.is_cut {
                words.push_str(&format!(
                    ". The text is longer than the {} that fit: its end is not read",
                    model.facts.context_length
                ));
            }
            hint_ui(ui, &words);
        },
    );
}

/// The tokens that were read. `shares`: how much of each is looked at, for their grounds.
pub(super) fn source_ui(
    ui: &mut Ui,
    name: &str,
    source: &Source,
    (version, shares): (u64, Option<&[f32]>),
) {
    let scale = Scale::here(ui);
    let list = &source.pieces;
    let share = |at: usize| shares.and_then(|shares| shares.get(at)).copied();
    let words = |at: usize, is_spoken: bool| {
        let text = piece_words(&list[at], is_spoken);
        match share(at) {
            Some(share) => format!("{text} · {}", format::percent(share)),
            None => text,
        }
    };
    let ribbon = TokenRibbon {
        name,
        count: list.len(),
        version,
        selected: None,
        reveals: false,
        spaces: Spaces::Marked,
        text: &|at| &list[at].token,
        caption: None,
        chip: &|at| Chip {
            ground: match (shares, share(at)) {
                (None, _) => scale.piece(at),
                (Some(_), Some(share)) => scale.share(share.sqrt()),
                (Some(_), None) => Color32::TRANSPARENT,
            },
            level: share(at),
            mark: Mark::None,
        },
        spoken: &|at| format!("Read token {}: {}", at + 1, words(at, true)),
        hover: &|ui, at| _ = ui.label(theme::number(words(at, false))),
    };
    ribbon.show(ui);
}

/// `␣people · id 237`.
pub(super) fn piece_words(piece: &Piece, is_spoken: bool) -> String {
    let text = if is_spoken { spoken(&piece.token) } else { visible_whitespace(&piece.token) };
    format!("{text} · id {}", piece.id)
}

fn decoder_ui(ui: &mut Ui, state: &mut Seq2SeqState) {
    titled_card_ui(
        ui,
        "Decoder",
        |_| {},
        |ui| {
            hint_ui(
                ui,
                "It writes token by token. Each one looks at those before it, and at all that was read.",
            );
            ui.add_space(theme::GAP_SMALL);
            let running = state.doing == Some(Doing::Answering);
            if state.answer.is_empty() {
                let words =
                    if running { "The first token is computed…" } else { "(an empty answer)" };
                hint_ui(ui, words);
            } else {
                written_ui(ui, state, Caption::Probability);
            }
            hint_ui(ui, &foot(state, running));
        },
    );
}

/// What stands under the tokens of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Caption {
    Probability,
    None,
}

/// The answer, of which each token can be clicked. True: another one was.
pub(super) fn written_ui(ui: &mut Ui, state: &mut Seq2SeqState, caption: Caption) -> bool {
    let scale = Scale::here(ui);
    let list = &state.answer;
    let words = |at: usize, is_spoken: bool| {
        let chance = format::percent(list[at].probability);
        format!("{} · {chance}", piece_words(&list[at].piece, is_spoken))
    };
    let chance = |at: usize| format::percent(list[at].probability);
    let (name, selected) = match caption {
        Caption::Probability => ("written", state.selected),
        Caption::None => ("looking", state.cross.selected),
    };
    let ribbon = TokenRibbon {
        name,
        count: list.len(),
        // It grows with every token.
        version: (state.number() << 20) ^ list.len() as u64,
        selected,
        reveals: false,
        spaces: Spaces::Marked,
        text: &|at| &list[at].piece.token,
        caption: if caption == Caption::Probability { Some(&chance) } else { None },
        chip: &|at| Chip {
            ground: scale.surprise(-list[at].probability.max(1e-6).log2()),
            level: None,
            mark: Mark::None,
        },
        spoken: &|at| format!("Written token {}: {}", at + 1, words(at, true)),
        hover: &|ui, at| _ = ui.label(theme::number(words(at, false))),
    };
    let clicked = ribbon.show(ui);
    let Some(clicked) = clicked else { return false };
    let place = match caption {
        Caption::Probability => &mut state.selected,
        Caption::None => &mut state.cross.selected,
    };
    *place = (*place != Some(clicked)).then_some(clicked);
    true
}

fn foot(state: &Seq2SeqState, running: bool) -> String {
    let count = state.answer.len();
    let tokens = if count == 1 { "1 token".to_owned() } else { format!("{count} tokens") };
    let end = match state.stop {
        _ if running => "writing",
        Some(StopReason::EndOfTurn) => "the model ended the answer",
        Some(StopReason::Length) => "ended at max new tokens",
        Some(StopReason::ContextFull) => "ended: the decoder has no more positions",
        Some(StopReason::Stopped) | None => "stopped",
        Some(_) => "ended",
    };
    format!("{tokens} · {end}. Under each token how likely it was, before the settings")
}

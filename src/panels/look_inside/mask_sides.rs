//! What a masked model guesses from both sides, and beside it what the loaded model guesses from the left;
//! under them all words that are guessed.

use eframe::egui::{Grid, Label, ScrollArea, Ui};

use super::heading;
use super::page::{Page, halves_ui};
use super::place::candidates_ui;
use crate::explore::mask::{Guessed, GuessedToken, Side};
use crate::state::command::{Commands, ViewCommand};
use crate::state::look_inside::mask::MaskState;
use crate::state::look_inside::slot::Slot;
use crate::state::prefs::PanelId;
use crate::state::slots::{ModelSlot, Surroundings};
use crate::widgets::button::ActionButton;
use crate::widgets::format;
use crate::widgets::theme;
use crate::widgets::theme::icons;
use crate::widgets::token_flow::visible_whitespace;

/// Words that are listed.
const MOST_ROWS: usize = 100;

/// Tokens of a word that are shown.
const MOST_TOKENS: usize = 4;

pub fn sides_ui(
    ui: &mut Ui,
    mask: &mut MaskState,
    around: &Surroundings<'_>,
    page: Page,
    commands: &mut Commands,
) {
    let front = mask.in_front();
    if let Some(word) = front {
        title_ui(ui, mask, word);
    } else if !mask.words().is_empty() {
        let words = if mask.selected.is_some() {
            "This word is read. A click on it, or the key M, hides it."
        } else {
            "Click a word to hide it, or write [MASK] in its place."
        };
        heading::hint_ui(ui, words);
        ui.add_space(theme::GAP_SMALL);
    }
    let shown: &MaskState = mask;
    if front.is_none_or(|word| shown.is_told(word)) {
        let mut asked = [None, None];
        let [for_both, for_left] = &mut asked;
        halves_ui(
            ui,
            |ui| *for_both = both_ui(ui, shown, front, page),
            |ui| *for_left = left_ui(ui, shown, front, around.model, page),
        );
        for command in asked.into_iter().flatten() {
            commands.push(command);
        }
        return;
    }
    heading::hint_ui(ui, "Let the room guess. Then tell what both models would say.");
    let reveal = ActionButton::primary("Reveal the word").add_enabled(ui, true);
    if let Some(word) = front.filter(|_| reveal.clicked()) {
        mask.reveal(word);
    }
}

/// `Mask 2 of 5: door`
fn title_ui(ui: &mut Ui, mask: &MaskState, word: usize) {
    let chosen = mask.chosen();
    let number = chosen.iter().position(|it| *it == word).unwrap_or(0) + 1;
    let is_typed = mask.words().get(word).is_some_and(|word| word.is_mask);
    let words = if is_typed {
        "a mask that was typed: nobody knows the word".to_owned()
    } else if mask.is_told(word) {
        mask.word_text(word)
    } else {
        "hidden".to_owned()
    };
    let title = format!("Mask {number} of {}: {words}", chosen.len());
    ui.add(Label::new(theme::title(ui, title)).wrap());
}

/// `From the left: SmolLM2-135M`
fn head_ui(ui: &mut Ui, from: &str, model: Option<&str>) {
    let words = model.map_or_else(|| from.to_owned(), |model| format!("{from}: {model}"));
    ui.add(Label::new(theme::strong(ui, words)).wrap());
}

fn both_ui(ui: &mut Ui, mask: &MaskState, front: Option<usize>, page: Page) -> Option<ViewCommand> {
    head_ui(ui, "From both sides", mask.model().map(|model| model.name.as_str()));
    if mask.models.is_empty() {
        return no_masked_ui(ui);
    }
    if let Some(word) = front {
        side_ui(ui, &mask.both, mask.guesses_at(word)[0], page);
    }
    None
}

/// What a masked model is, and where to get one.
pub fn no_masked_ui(ui: &mut Ui) -> Option<ViewCommand> {
    heading::hint_ui(
        ui,
        "No masked language model is on this computer. It is a model such as BERT, RoBERTa or \
         ModernBERT with the head that guesses words; sentence encoders such as all-MiniLM-L6-v2 have \
         none.",
    );
    let find = ActionButton::new("Find a masked model").icon(icons::SEARCH);
    let about = "Searches the Hub for models that fill masks. A folder that you have can be put among \
                 the models too: see Models";
    let find = find.add_enabled(ui, true).on_hover_text(about);
    find.clicked().then_some(ViewCommand::FindMaskedModels)
}

fn left_ui(
    ui: &mut Ui,
    mask: &MaskState,
    front: Option<usize>,
    model: &ModelSlot,
    page: Page,
) -> Option<ViewCommand> {
    head_ui(ui, "From the left", model.ready().map(|card| card.identity.name.as_str()));
    let missing = match model {
        ModelSlot::Ready(_) => None,
        ModelSlot::Loading { name } => Some(format!("{name} is being loaded.")),
        ModelSlot::EncoderDecoder(card) => Some(format!(
            "{} is an encoder-decoder, and does not go on from the left alone. Load a model such as GPT, \
             Llama or SmolLM.",
            card.identity.name
        )),
        ModelSlot::Remote(probe) => Some(format!(
            "{} answers on a server, which does not send the scores of all tokens. Load a model.",
            probe.model
        )),
        ModelSlot::Empty => Some(
            "No model that writes is loaded. It would guess from what stands before the word."
                .to_owned(),
        ),
    };
    if let Some(missing) = missing {
        heading::hint_ui(ui, &missing);
        let is_loading = matches!(model, ModelSlot::Loading { .. });
        let is_asked = !is_loading && ui.add(ActionButton::new("Choose a model")).clicked();
        return is_asked.then_some(ViewCommand::ShowPanel(PanelId::Models));
    }
    if let Some(word) = front {
        side_ui(ui, &mask.left, mask.guesses_at(word)[1], page);
    }
    None
}

fn side_ui(ui: &mut Ui, slot: &Slot<Side>, place: Option<&Guessed>, page: Page) {
    let Some(side) = heading::ready_or_why_ui(ui, slot) else { return };
    if side.is_cut {
        let words =
            format!("The first {} tokens of the text are read", format::count(side.ids.len()));
        ui.add(Label::new(theme::strong(ui, words)).wrap());
    }
    let Some(place) = place else {
        heading::hint_ui(ui, "The word lies behind what the model reads of the text.");
        return;
    };
    if place.tokens.is_empty() {
        heading::hint_ui(ui, "Nothing stands before it, so that nothing is guessed.");
        return;
    }
    if let Some(words) = own_words(place) {
        ui.add(Label::new(words).wrap());
    }
    let count = place.tokens.len();
    let rows = match count {
        // As many as are in sight, and never fewer than five.
        1 => ((page.room(ui, 0.0) / theme::em(ui) / 1.7) as usize).saturating_sub(1).clamp(5, 10),
        2 => 5,
        _ => 3,
    };
    for (at, token) in place.tokens.iter().take(MOST_TOKENS).enumerate() {
        let open = format!("{:.1} bits are open here", token.entropy);
        let words = if count == 1 { open } else { format!("Token {} of {count}: {open}", at + 1) };
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        let id = token.own.as_ref().map(|own| own.id);
        let top = &token.top[..token.top.len().min(rows)];
        candidates_ui(ui, top, id, "it stands in the text");
    }
    if count > MOST_TOKENS {
        let words = format!("{} more tokens are in the export", count - MOST_TOKENS);
        heading::hint_ui(ui, &words);
    }
}

/// The word that stands in the text: its rank, and its probability.
fn own_words(place: &Guessed) -> Option<String> {
    let share = format::percent(place.probability? as f32);
    if let Some(rank) = place.rank() {
        let rank = format::count(rank);
        return Some(format!("The word has {share}: number {rank} of the whole vocabulary"));
    }
    let part = |token: &GuessedToken| {
        let own = token.own.as_ref()?;
        Some(format!("{} number {}", visible_whitespace(&own.token), format::count(own.rank)))
    };
    let parts: Vec<String> = place.tokens.iter().filter_map(part).collect();
    Some(format!("The word has {share} as {} tokens: {}", parts.len(), parts.join(", ")))
}

/// Every word that is guessed, with what both models gave it.
pub fn all_ui(ui: &mut Ui, mask: &mut MaskState) {
    let chosen = mask.chosen();
    if chosen.len() < 2 || chosen.iter().all(|word| !mask.is_told(*word)) {
        return;
    }
    ui.add_space(theme::GAP);
    ui.add(Label::new(theme::title(ui, "All masks")).wrap());
    for (name, at) in [("From both sides", 0), ("From the left", 1)] {
        let right = chosen.iter().filter(|word| mask.is_told(**word));
        let right = right.filter_map(|word| mask.guesses_at(*word)[at]?.is_right());
        let right: Vec<bool> = right.collect();
        if right.is_empty() {
            continue;
        }
        let count = right.iter().filter(|right| **right).count();
        let words = format!("{name} the first guess is right at {count} of {}", right.len());
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
    ui.add_space(theme::GAP_SMALL);
    let mut clicked = None;
    // A long word must not push the page wider than the window.
    ScrollArea::horizontal().id_salt("all masks").show(ui, |ui| {
        Grid::new("all masks").striped(true).spacing([theme::GAP_LARGE, 4.0]).show(ui, |ui| {
            for words in ["", "Word", "From both sides", "From the left"] {
                ui.label(theme::muted(ui, words));
            }
            ui.end_row();
            for (number, word) in chosen.iter().enumerate().take(MOST_ROWS) {
                let is_told = mask.is_told(*word);
                ui.label(theme::muted(ui, (number + 1).to_string()));
                let name = if is_told { mask.word_text(*word) } else { "hidden".to_owned() };
                let is_front = mask.in_front() == Some(*word);
                if ui.selectable_label(is_front, name).clicked() {
                    clicked = Some(*word);
                }
                for place in mask.guesses_at(*word) {
                    let place = place.filter(|_| is_told);
                    ui.label(place.map(cell_words).unwrap_or_default());
                }
                ui.end_row();
            }
        });
    });
    if chosen.len() > MOST_ROWS {
        let words = format!("{} more are in the export", format::count(chosen.len() - MOST_ROWS));
        heading::hint_ui(ui, &words);
    }
    if let Some(word) = clicked {
        mask.selected = Some(word);
    }
}

/// `12.3 %, number 4`; of a mask that was typed the first guess.
fn cell_words(place: &Guessed) -> String {
    let Some(share) = place.probability else {
        let first = place.tokens.first().and_then(|token| token.top.first());
        return first.map(|first| first.token.trim().to_owned()).unwrap_or_default();
    };
    let share = format::percent(share as f32);
    match place.rank() {
        Some(rank) => format!("{share}, number {}", format::count(rank)),
        None => format!("{share}, {}", format::counted(place.tokens.len(), "token", "tokens")),
    }
}

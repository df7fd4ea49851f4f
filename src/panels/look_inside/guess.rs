//! Hide and guess: words are hidden, a room guesses, and so does the model.

use eframe::egui::{DragValue, Label, Ui};

use super::heading;
use super::page::{Page, beside_ui, scrolled_part};
use super::place::candidates_ui;
use crate::state::look_inside::LookInsideState;
use crate::state::look_inside::guess::{Guess, Rule};
use crate::state::look_inside::reading::Reading;
use crate::state::look_inside::view::View;
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::format;
use crate::widgets::scale::Scale;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;
use crate::widgets::token_flow::{spoken, visible_whitespace};
use crate::widgets::token_ribbon::{Chip, Mark, Spaces, TokenRibbon};

/// What stands where a word is hidden, however long it is.
const BLANK: &str = " _____";

pub fn guess_ui(ui: &mut Ui, look: &mut LookInsideState, page: Page) {
    let (number, reveals, selected) = (look.number(), look.reveals, look.selected);
    let token_count = look.token_count();
    let LookInsideState { surprise, guess, .. } = look;
    let mut clicked = None;
    card_ui(ui, |ui| {
        ui.add(Label::new(theme::title(ui, View::Guess.question())).wrap());
        heading::help_ui(ui, View::Guess);
        let Some(reading) = heading::ready_or_why_ui(ui, surprise) else { return };
        heading::cut_ui(ui, reading.view.ids.len(), token_count);
        if reading.words.is_empty() {
            heading::hint_ui(ui, "There is no word to guess here: write a longer text.");
            return;
        }
        rule_ui(ui, guess, reading);
        let game = &*guess;
        // Both counters are small; what is drawn changes with either.
        let version = (number << 24) ^ game.version();
        let main = |ui: &mut Ui| {
            let room = page.room(ui, 0.0);
            let area = scrolled_part("guess", room);
            let scale = Scale::here(ui);
            let shown = area.show(ui, |ui| {
                let ribbon = TokenRibbon {
                    name: "guess",
                    count: reading.view.ids.len(),
                    version,
                    selected,
                    reveals,
                    spaces: Spaces::Plain,
                    text: &|at| text(reading, game, at),
                    caption: None,
                    chip: &|at| chip(scale, reading, game, at),
                    spoken: &|at| described(reading, game, at, true),
                    hover: &|ui, at| {
                        _ = ui.label(theme::number(described(reading, game, at, false)));
                    },
                };
                ribbon.show(ui)
            });
            shown.inner
        };
        let mut reveal = None;
        let detail = |ui: &mut Ui| {
            let word = selected.and_then(|token| reading.word_of(token));
            match word.filter(|word| game.is_chosen(*word)) {
                Some(word) => {
                    if word_ui(ui, reading, game, word) {
                        reveal = Some(word);
                    }
                }
                None => heading::hint_ui(
                    ui,
                    "Let the room guess. Then click a hidden word to see what the model guesses, \
                     and reveal it. A click on any other word hides that.",
                ),
            }
        };
        (clicked, ()) = beside_ui(ui, main, detail);
        if let Some(word) = reveal {
            guess.reveal(word);
        }
        // A word that is read is hidden by a click; one that is hidden is looked at.
        if let Some(word) = clicked.and_then(|token| reading.word_of(token))
            && !guess.is_chosen(word)
            && guess.rule == Rule::Clicked
        {
            guess.hide(word);
        }
    });
    look.choose(clicked);
}

fn rule_ui(ui: &mut Ui, guess: &mut Guess, reading: &Reading) {
    ui.horizontal_wrapped(|ui| {
        let segment = |value, words, explanation| Segment { value, words, explanation };
        let rules = [
            segment(Rule::Every, "Every n-th word", "Counted from the beginning of the text"),
            segment(Rule::Random, "At random", "As many, drawn"),
            segment(Rule::Clicked, "Words I click", "A click on a word hides it"),
        ];
        if segmented_ui(ui, &mut guess.rule, &rules) {
            guess.hide_again();
        }
        if guess.rule != Rule::Clicked {
            let label = ui.label("one of");
            let number = DragValue::new(&mut guess.every).range(2..=50).speed(0.05);
            if ui.add(number).labelled_by(label.id).changed() {
                guess.hide_again();
            }
        }
        if guess.rule == Rule::Random {
            let draw = ActionButton::quiet("Draw again").icon(icons::DICE);
            if ui.add(draw).clicked() {
                guess.seed += 1;
                guess.hide_again();
            }
        }
        let hidden = (0..reading.words.len()).filter(|word| guess.is_hidden(*word)).count();
        if ActionButton::quiet("Reveal all").add_enabled(ui, hidden > 0).clicked() {
            guess.reveal_all(reading.words.len());
        }
        if ActionButton::quiet("Hide again").add_enabled(ui, guess.has_revealed()).clicked() {
            guess.hide_again();
        }
        // As a whole in the next row where this one is full, not wrapped around its end.
        ui.add(Label::new(theme::muted(ui, score(reading, guess))).extend());
    });
    ui.add_space(theme::GAP_SMALL);
}

/// `6 words hidden · the model's first guess was right at 2 of the 4 revealed`.
fn score(reading: &Reading, guess: &Guess) -> String {
    let (mut hidden, mut revealed, mut right) = (0, 0, 0);
    for (word, tokens) in reading.words.iter().enumerate() {
        if guess.is_hidden(word) {
            hidden += 1;
        } else if guess.is_chosen(word) {
            revealed += 1;
            right += usize::from(tokens.clone().all(|token| is_first(reading, token)));
        }
    }
    let hidden = match hidden {
        1 => "1 word hidden".to_owned(),
        count => format!("{} words hidden", format::count(count)),
    };
    if revealed == 0 {
        return hidden;
    }
    format!("{hidden} · the model's first guess was right at {right} of {revealed}")
}

/// Whether the model expected a token most.
fn is_first(reading: &Reading, token: usize) -> bool {
    let best = reading.view.instead_of(token).and_then(|(candidates, _)| candidates.first());
    best.is_some_and(|best| best.id == reading.view.ids[token])
}

fn hidden_word(reading: &Reading, guess: &Guess, token: usize) -> Option<usize> {
    reading.word_of(token).filter(|word| guess.is_hidden(*word))
}

fn text<'a>(reading: &'a Reading, guess: &Guess, token: usize) -> &'a str {
    match hidden_word(reading, guess, token) {
        Some(word) if reading.words[word].start == token => BLANK,
        Some(_) => "",
        None => &reading.view.tokens[token],
    }
}

fn chip(scale: Scale, reading: &Reading, guess: &Guess, token: usize) -> Chip {
    let Some(word) = reading.word_of(token).filter(|word| guess.is_chosen(*word)) else {
        return Chip::default();
    };
    if guess.is_hidden(word) {
        let is_first = reading.words[word].start == token;
        let mark = if is_first { Mark::Hidden } else { Mark::None };
        return Chip { mark, ..Chip::default() };
    }
    Chip { ground: scale.share(0.25), ..Chip::default() }
}

fn described(reading: &Reading, guess: &Guess, token: usize, is_spoken: bool) -> String {
    if hidden_word(reading, guess, token).is_some() {
        return format!("Token {}: hidden", token + 1);
    }
    let text = &reading.view.tokens[token];
    let text = if is_spoken { spoken(text) } else { visible_whitespace(text) };
    format!("Token {}: {text}", token + 1)
}

/// A word that was chosen: the model's guesses, and after the reveal how likely it was. True: it is
/// to be revealed.
fn word_ui(ui: &mut Ui, reading: &Reading, guess: &Guess, word: usize) -> bool {
    let tokens = reading.words[word].clone();
    let is_hidden = guess.is_hidden(word);
    let text: String = reading.view.tokens[tokens.clone()].concat();
    let title = if is_hidden {
        format!("Word {}: hidden", word + 1)
    } else {
        format!("Word {}: {}", word + 1, visible_whitespace(&text))
    };
    ui.add(Label::new(theme::title(ui, title)).wrap());
    let first = tokens.start;
    let revealed = is_hidden && ui.add(ActionButton::primary("Reveal the word")).clicked();
    if !is_hidden {
        let share = format::percent(reading.probability_of(&tokens) as f32);
        let pieces = match tokens.len() {
            1 => String::new(),
            count => format!(", as {count} tokens one after the other"),
        };
        let words = format!("The model gave it {share}{pieces}");
        ui.add(Label::new(theme::strong(ui, words)).wrap());
    }
    if let Some((candidates, entropy)) = reading.view.instead_of(first) {
        let words = "What the model guesses from all that stands before it";
        ui.add(Label::new(theme::strong(ui, words)).wrap());
        let words = format!("{entropy:.1} bits are open here");
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        let id = (!is_hidden).then(|| reading.view.ids[first]);
        candidates_ui(ui, candidates, id, "the word begins with it");
    }
    revealed
}

//! Two answers, side by side: which is better? Keys 1, 2, 3, 0 and S; Ctrl+Z takes back.

pub mod answers;
pub mod arena;
mod beside;
mod head;
mod list;
pub(super) mod menus;
mod phones;
mod pressed;
mod rank;
mod setup;
mod verdicts;

use eframe::egui::{Key, Label, Modifiers, ScrollArea, Sides, Ui};

use self::answers::answers_ui;
use self::beside::{CRITERIA, beside_ui, open, strength_ui, write_own};
use self::head::{guideline_ui, header_ui, pair_count, prompt_card_ui};
use self::list::{list_ui, verdict_words};
use self::menus::{export_menu_ui, unsaved_card_ui};
use self::phones::phones_ui;
use self::pressed::pressed;
use self::rank::{rank_buttons_ui, ranked_ui, take_rank_keys};
use self::setup::setup_ui;
use self::verdicts::{CHOICES, counts_ui, judge, undo_button_ui, verdict_buttons_ui};
use crate::data::remarks::Strength;
use crate::panels::shortcuts::DIGITS;
use crate::state::annotate::draft::Field;
use crate::state::annotate::given::AnswersOfRound;
use crate::state::annotate::{AnnotateState, Phase, STILL_READING};
use crate::state::command::{AnnotateCommand, Commands, TrainCommand, ViewCommand, WindowCommand};
use crate::state::prefs::PanelId;
use crate::state::slots::Surroundings;
use crate::widgets::button::ActionButton;
use crate::widgets::card;
use crate::widgets::empty_state::EmptyState;
use crate::widgets::layout::{self, Part, Stacked};
use crate::widgets::theme::{self, icons};

const NO_MODEL: &str = "Load a model first";
const ONLY_DECODERS: &str =
    "An encoder-decoder is loaded, and pairs are answered by a decoder: load one";
const GENERATE: &str = "Generate two answers";

/// The keys of the panel, for the list that `?` shows: key, what it does.
pub const KEYS: [(&str, &str); 19] = [
    ("1", "Left is better"),
    ("2", "Right is better"),
    ("3", "Tie"),
    ("0", "Both bad"),
    ("S", "Skip"),
    ("1 2 3", "After a better answer: a little, clearly, much, where that is asked"),
    ("1 2 … T Enter", "Several answers: the best first, as good as the one before, keep the order"),
    ("C V B N M", "Answer a criterion"),
    ("F", "Flag the pair"),
    ("R", "Write a reason"),
    ("A", "Edit an answer, or write one"),
    ("D", "Mark where the answers differ"),
    ("P", "Plain text or Markdown"),
    ("Y", "Scroll both answers at once"),
    ("Backspace  Page Down", "The prompt before, the next prompt"),
    ("L", "The list of prompts"),
    ("G", GENERATE),
    ("U  Ctrl+Z", "Undo the last verdict"),
    ("Ctrl+Shift+Z  Ctrl+Y", "Redo"),
];

/// Lower than this, in lines of text, the buttons of the verdicts share a row.
const LOW: f32 = 40.0;

/// The same where the phones of the room have a row, too.
const LOW_WITH_PHONES: f32 = 46.0;

/// Draws the panel and asks for what was clicked or pressed.
pub fn annotate_panel_ui(
    ui: &mut Ui,
    annotate: &mut AnnotateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    setup_ui(ui, annotate, around, commands);
    list_ui(ui, annotate, commands);
    take_keys(ui, annotate, around, commands);
    if !annotate.has_prompts() {
        unsaved_ui(ui, annotate, commands);
        empty_ui(ui, annotate, commands);
    } else if annotate.prompt().is_none() {
        unsaved_ui(ui, annotate, commands);
        let area = ScrollArea::vertical().id_salt("all judged").auto_shrink(false);
        area.show(ui, |ui| {
            header_ui(ui, annotate, commands);
            all_judged_ui(ui, annotate, commands);
        });
    } else {
        judging_ui(ui, annotate, around, commands);
    }
}

/// The verdicts stay in the window below what they are about, where the answers can be read above them.
fn judging_ui(
    ui: &mut Ui,
    annotate: &mut AnnotateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let whole = ui.available_height();
    let low = if around.room.open().is_some() { LOW_WITH_PHONES } else { LOW };
    let is_low = whole < theme::em(ui) * low;
    let least = if annotate.ranking().is_some() {
        rank::least_height(ui, annotate)
    } else {
        answers::least_height(ui)
    };
    let stacked = Stacked::new("judging", least, least.max(whole * 0.5));
    stacked.show(ui, |ui, part| match part {
        Part::Above => {
            unsaved_ui(ui, annotate, commands);
            header_ui(ui, annotate, commands);
            guideline_ui(ui, annotate, commands);
            prompt_card_ui(ui, annotate, whole * 0.13);
        }
        Part::Rest => {
            let height = ui.available_height();
            if annotate.ranking().is_some() {
                ranked_ui(ui, annotate, height);
            } else {
                answers_ui(ui, annotate, height);
            }
        }
        Part::Below => verdicts_ui(ui, annotate, around, is_low, commands),
    });
}

fn unsaved_ui(ui: &mut Ui, annotate: &AnnotateState, commands: &mut Commands) {
    if annotate.unsaved_count > 0 {
        unsaved_card_ui(ui, annotate, commands);
    }
}

/// What is said of the answers in front.
fn verdicts_ui(
    ui: &mut Ui,
    annotate: &mut AnnotateState,
    around: &Surroundings<'_>,
    is_low: bool,
    commands: &mut Commands,
) {
    if annotate.ranking().is_some() {
        rank_buttons_ui(ui, annotate, commands);
        beside_ui(ui, annotate, commands);
        return;
    }
    next_step_ui(ui, annotate, around, commands);
    phones_ui(ui, annotate, around.room, commands);
    match annotate.draft.side {
        Some(side) => strength_ui(ui, annotate, side, around, commands),
        None => verdict_buttons_ui(ui, annotate, around, is_low, commands),
    }
    beside_ui(ui, annotate, commands);
    // In a low window the answers have that line: the numbers are told where the pairs are counted.
    if !is_low {
        counts_ui(ui, &annotate.counts());
    }
}

/// Keys work unless something is being typed.
fn take_keys(
    ui: &Ui,
    annotate: &mut AnnotateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let is_covered = annotate.lists || annotate.sets_up;
    if is_covered || ui.ctx().text_edit_focused() || layout::is_covered(ui.ctx()) {
        return;
    }
    let plain = |key| pressed(ui, Modifiers::NONE, key);
    let redo = Modifiers::COMMAND | Modifiers::SHIFT;
    if annotate.can_redo() && (pressed(ui, redo, Key::Z) || pressed(ui, Modifiers::COMMAND, Key::Y))
    {
        commands.push(AnnotateCommand::RedoVerdict);
        return;
    }
    if annotate.can_undo() && (pressed(ui, Modifiers::COMMAND, Key::Z) || plain(Key::U)) {
        commands.push(AnnotateCommand::UndoVerdict);
        return;
    }
    if annotate.prompt().is_some() && take_item_keys(ui, annotate, around, commands) {
        return; // one verdict a frame: the next is about other answers
    }
    let neighbour = if plain(Key::Backspace) || plain(Key::PageUp) {
        annotate.neighbour(false)
    } else if plain(Key::PageDown) {
        annotate.neighbour(true)
    } else {
        None
    };
    if let Some(position) = neighbour {
        commands.push(AnnotateCommand::GoTo(position));
    }
    annotate.lists |= annotate.has_prompts() && plain(Key::L);
    annotate.shown.differences ^= plain(Key::D);
    annotate.shown.markdown ^= plain(Key::P);
    annotate.shown.together ^= plain(Key::Y);
    if why_not_generate(annotate, around).is_none() && plain(Key::G) {
        commands.push(AnnotateCommand::AnswerPrompt);
    }
}

/// The keys that say something of what is in front. True: one did.
fn take_item_keys(
    ui: &Ui,
    annotate: &mut AnnotateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) -> bool {
    let plain = |key| pressed(ui, Modifiers::NONE, key);
    // An order has no criteria: they are about two answers.
    let criteria = if annotate.ranking().is_some() { 0 } else { annotate.judging.criteria.len() };
    if annotate.ranking().is_some() {
        if take_rank_keys(ui, annotate, commands) {
            return true;
        }
    } else if annotate.draft.focus.is_some() {
        for (digit, key) in (1..).zip(DIGITS) {
            if plain(key) {
                let AnnotateState { draft, judging, .. } = annotate;
                draft.digit(digit, &judging.criteria);
                return true;
            }
        }
    } else if let Some(side) = annotate.draft.side {
        if let Some(at) = DIGITS[..3].iter().position(|key| plain(*key)) {
            annotate.draft.strength = Some(Strength::ALL[at]);
            judge(annotate, side, around, commands);
            return true;
        }
    } else {
        for choice in &CHOICES {
            if annotate.why_not(choice.verdict).is_none() && plain(choice.key) {
                judge(annotate, choice.verdict, around, commands);
                return true;
            }
        }
        if annotate.pair_key().is_some() && plain(Key::A) {
            write_own(annotate);
            return true;
        }
    }
    for (at, (key, _)) in CRITERIA.iter().enumerate().take(criteria) {
        if plain(*key) {
            annotate.draft.ask(at);
            return true;
        }
    }
    if plain(Key::F) {
        annotate.draft.flagged = !annotate.draft.flagged;
        return true;
    }
    if plain(Key::R) {
        open(&mut annotate.draft, Field::Reason);
        return true;
    }
    false
}

fn why_not_generate(annotate: &AnnotateState, around: &Surroundings<'_>) -> Option<&'static str> {
    match annotate.phase() {
        _ if annotate.prompt().is_none() => Some("There is no prompt left to answer"),
        Phase::Answering => Some("The answers are still being written"),
        Phase::Ready { .. } => Some("The answers are there"),
        Phase::Waiting | Phase::Halted if !around.model.answers() => {
            let is_other = around.model.encoder_decoder().is_some();
            Some(if is_other { ONLY_DECODERS } else { NO_MODEL })
        }
        Phase::Waiting | Phase::Halted => None,
    }
}

fn empty_ui(ui: &mut Ui, annotate: &AnnotateState, commands: &mut Commands) {
    let counts = annotate.counts();
    if counts.all() > 0 {
        Sides::new().shrink_left().show(
            ui,
            |ui| counts_ui(ui, &counts),
            |ui| export_menu_ui(ui, &counts, commands),
        );
    }
    let empty = EmptyState {
        icon: icons::ANNOTATE,
        title: "Which answer is better?",
        sentence: "The model answers each prompt twice, and you pick the better answer. Your \
                   choices become training pairs. Start by choosing prompts.",
        actions: &["Use the sample prompts", "Prompts from a file…", "Answers from a file…"],
    };
    match empty.show(ui) {
        Some(0) => commands.push(AnnotateCommand::UseSamplePrompts),
        Some(1) => commands.push(AnnotateCommand::ChoosePrompts),
        Some(_) => commands.push(AnnotateCommand::ChooseAnswers),
        None => {}
    }
}

fn all_judged_ui(ui: &mut Ui, annotate: &mut AnnotateState, commands: &mut Commands) {
    let counts = annotate.counts();
    counts_ui(ui, &counts);
    let sentence = match counts.pairs() {
        0 => "No verdict makes a pair: ties, prompts with two bad answers and skipped prompts are not \
              trained on. Continue with other prompts."
            .to_owned(),
        pairs => format!(
            "Train on the {} that you made, export them, or continue with other prompts.",
            pair_count(pairs)
        ),
    };
    let round = annotate.round.clone();
    let of_round =
        "These are the answers of a round: the next run learns from what you said of them.";
    let empty = EmptyState {
        icon: icons::DONE,
        title: "Every prompt is judged",
        sentence: if round.is_some() { of_round } else { &sentence },
        actions: match &round {
            Some(_) => &["Take the verdicts into the round"],
            None => &["Go to Train", "Prompts from a file…"],
        },
    };
    match empty.show(ui) {
        Some(_) if round.is_some() => take_into_round(round, commands),
        Some(0) => commands.push(ViewCommand::ShowPanel(PanelId::Train)),
        Some(_) => commands.push(AnnotateCommand::ChoosePrompts),
        None => {}
    }
    ui.vertical_centered(|ui| {
        undo_button_ui(ui, annotate, commands);
        let list = ActionButton::quiet("List").shortcut("L");
        annotate.lists |= ui.add(list).on_hover_text("All prompts and their verdicts").clicked();
    });
}

/// The verdicts become the pairs of the round, and its page comes to the front.
fn take_into_round(round: Option<AnswersOfRound>, commands: &mut Commands) {
    let Some(AnswersOfRound { folder, run }) = round else { return };
    commands.push(ViewCommand::ShowPanel(PanelId::Train));
    commands.push(TrainCommand::ShowRounds(run));
    commands.push(TrainCommand::TakeVerdicts(folder));
}

/// What is being done, or what to do next: one line between the answers and the verdicts.
fn next_step_ui(
    ui: &mut Ui,
    annotate: &mut AnnotateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    ui.horizontal_wrapped(|ui| {
        if annotate.is_reading {
            ui.add(Label::new(theme::muted(ui, STILL_READING)).wrap());
            return;
        }
        if let Some(activity) = annotate.activity() {
            ui.label(activity);
            let stop = ActionButton::new("Stop").icon(icons::STOP).shortcut("Esc");
            if ui.add(stop).on_hover_text("Stops within a token").clicked() {
                commands.push(WindowCommand::StopForeground);
            }
            return;
        }
        if let Phase::Ready { .. } = annotate.phase() {
            let equal = annotate.answers_are_equal();
            let words = match annotate.said_before() {
                Some(record) => format!(
                    "You said: {}. Another verdict takes its place; both stay in the file",
                    verdict_words(record.verdict)
                ),
                None if equal => {
                    "The two answers are the same. A higher temperature makes them differ"
                        .to_owned()
                }
                None => "Which answer is better?".to_owned(),
            };
            ui.add(Label::new(theme::muted(ui, words)).wrap());
            if annotate.shown.differences && annotate.differences().is_none() {
                ui.label(theme::muted(ui, "They are too long to be compared word by word"));
            }
            if annotate.has_cut_answer() {
                let p = theme::palette(ui);
                let words = "An answer is cut at max new tokens: trained on, the model learns to \
                             stop there. Raise it in the Playground and answer again";
                card::decoration_ui(ui, theme::icon(ui, icons::PROBLEM).color(p.rejected));
                ui.add(Label::new(words).wrap());
            }
            if annotate.is_given() {
                return;
            }
            let others = ActionButton::quiet("Two other answers").icon(icons::REFRESH);
            let others = ui
                .add_enabled(around.model.answers(), others)
                .on_hover_text("Throws these two away and generates two with other seeds")
                .on_disabled_hover_text(NO_MODEL);
            if others.clicked() {
                annotate.ask_again();
                commands.push(AnnotateCommand::AnswerPrompt);
            }
            return;
        }
        let reason = why_not_generate(annotate, around);
        let generate = ActionButton::primary(GENERATE).icon(icons::PLAY).shortcut("G");
        let button = ui.add_enabled(reason.is_none(), generate);
        if button.on_disabled_hover_text(reason.unwrap_or_default()).clicked() {
            commands.push(AnnotateCommand::AnswerPrompt);
        }
        if annotate.phase() == Phase::Halted {
            ui.label(theme::muted(ui, "The answers are not complete"));
        }
        if !around.model.answers() {
            ui.label(theme::muted(ui, "No model is loaded"));
            if ui.add(ActionButton::new("Go to Models").icon(icons::MODELS)).clicked() {
                commands.push(ViewCommand::ShowPanel(PanelId::Models));
            }
        }
    });
}

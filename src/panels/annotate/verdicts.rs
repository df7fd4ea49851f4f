//! The buttons that give a verdict, and the verdicts in numbers.

use eframe::egui::{Key, Label, Ui};

use crate::data::counts::VerdictCounts;
use crate::data::pair::Verdict;
use crate::eval::intervals::{self, Interval};
use crate::state::annotate::AnnotateState;
use crate::state::command::{AnnotateCommand, Commands};
use crate::state::slots::Surroundings;
use crate::widgets::button::{ActionButton, Weight};
use crate::widgets::format;
use crate::widgets::theme;

/// The height of the two large buttons, in rows.
const BIG: f32 = 1.5;

/// A verdict's button and its key.
pub struct Choice {
    pub verdict: Verdict,
    pub words: &'static str,

    /// With the key, for people who do not see the button.
    pub name: &'static str,
    pub key: Key,
    pub key_name: &'static str,
    pub hint: &'static str,
}

pub const CHOICES: [Choice; 5] = [
    Choice {
        verdict: Verdict::Left,
        words: "Left is better",
        name: "Left is better (1)",
        key: Key::Num1,
        key_name: "1",
        hint: "The left answer becomes chosen, the right one rejected",
    },
    Choice {
        verdict: Verdict::Right,
        words: "Right is better",
        name: "Right is better (2)",
        key: Key::Num2,
        key_name: "2",
        hint: "The right answer becomes chosen, the left one rejected",
    },
    Choice {
        verdict: Verdict::Tie,
        words: "Tie",
        name: "Tie (3)",
        key: Key::Num3,
        key_name: "3",
        hint: "Both are equally good. Recorded, but not a pair to train on",
    },
    Choice {
        verdict: Verdict::BothBad,
        words: "Both bad",
        name: "Both bad (0)",
        key: Key::Num0,
        key_name: "0",
        hint: "Neither is acceptable. Recorded, but not a pair to train on",
    },
    Choice {
        verdict: Verdict::Skip,
        words: "Skip",
        name: "Skip (S)",
        key: Key::S,
        key_name: "S",
        hint: "Take the next prompt without a judgement",
    },
];

/// Gives a verdict and has the next prompt answered; asks first by how much, where that is wanted.
pub fn judge(
    annotate: &mut AnnotateState,
    verdict: Verdict,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    if annotate.wants_strength(verdict) {
        annotate.draft.side = Some(verdict);
        return;
    }
    commands.push(AnnotateCommand::Judge(verdict));
    if annotate.has_more() && around.model.answers() {
        commands.push(AnnotateCommand::AnswerPrompt);
    }
}

/// The two that make a pair are large, each under its answer; the others are in a row.
pub fn verdict_buttons_ui(
    ui: &mut Ui,
    annotate: &mut AnnotateState,
    around: &Surroundings<'_>,
    is_low: bool,
    commands: &mut Commands,
) {
    if is_low {
        ui.horizontal_wrapped(|ui| {
            for choice in &CHOICES {
                choice_button_ui(ui, choice, annotate, around, commands);
            }
            undo_button_ui(ui, annotate, commands);
        });
        return;
    }
    let (pairs, others) = CHOICES.split_at(2);
    ui.columns(2, |columns| {
        for (ui, choice) in columns.iter_mut().zip(pairs) {
            ui.spacing_mut().interact_size.y *= BIG;
            choice_button_ui(ui, choice, annotate, around, commands);
        }
    });
    ui.horizontal_wrapped(|ui| {
        for choice in others {
            choice_button_ui(ui, choice, annotate, around, commands);
        }
        undo_button_ui(ui, annotate, commands);
    });
}

fn choice_button_ui(
    ui: &mut Ui,
    choice: &Choice,
    annotate: &mut AnnotateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let Choice { verdict, words, name, key_name, hint, .. } = choice;
    let weight = if verdict.is_preference() { Weight::Primary } else { Weight::Normal };
    let why_not = annotate.why_not(*verdict);
    let button = ActionButton::new(words).weight(weight).shortcut(key_name);
    let button = ui
        .add_enabled(why_not.is_none(), button)
        .accessible_name(*name)
        .on_hover_text(*hint)
        .on_disabled_hover_text(why_not.unwrap_or_default());
    if button.clicked() {
        judge(annotate, *verdict, around, commands);
    }
}

pub fn undo_button_ui(ui: &mut Ui, annotate: &AnnotateState, commands: &mut Commands) {
    let button = ui
        .add_enabled(annotate.can_undo(), ActionButton::quiet("Undo").shortcut("Ctrl+Z"))
        .accessible_name("Undo (Ctrl+Z)")
        .on_hover_text("Takes the last verdict back and shows its answers again")
        .on_disabled_hover_text("There is nothing to undo");
    if button.clicked() {
        commands.push(AnnotateCommand::UndoVerdict);
    }
    if annotate.can_redo() {
        let button = ActionButton::quiet("Redo").shortcut("Ctrl+Y");
        let button = ui.add(button).accessible_name("Redo (Ctrl+Y)");
        if button.on_hover_text("Puts back what was taken back").clicked() {
            commands.push(AnnotateCommand::RedoVerdict);
        }
    }
}

/// The project's verdicts in numbers.
pub fn counts_words(counts: &VerdictCounts) -> String {
    let VerdictCounts { left, right, tie, both_bad, skipped, written } = *counts;
    let mut text = format!(
        "{left} left · {right} right · {tie} {} · {both_bad} both bad · {skipped} skipped",
        if tie == 1 { "tie" } else { "ties" }
    );
    if written > 0 {
        text = format!("{text} · {written} of them with your own answer");
    }
    if counts.left_share().is_some() {
        let Interval { value, low, high } = intervals::share(left, left + right);
        let [share, low, high] = [value, low, high].map(|share| format::percent(share as f32));
        text = format!("{text} · left chosen {share} ({low} to {high})");
    }
    text
}

/// See [`counts_words`].
pub fn counts_ui(ui: &mut Ui, counts: &VerdictCounts) {
    let text = counts_words(counts);
    ui.add(Label::new(theme::muted(ui, text)).wrap()).on_hover_text(
        "Which lane is on the left is drawn at random. Where the interval (95 %, Wilson) of the left \
         share leaves a half out, the side decided",
    );
}

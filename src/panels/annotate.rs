//! Two answers, side by side: which is better? Keys 1, 2, 3, 0 and S; Ctrl+Z takes back.

pub mod answers;
pub mod arena;
mod beside;
mod list;
mod menus;
mod phones;
mod pressed;
mod rank;
mod setup;
mod verdicts;

use eframe::egui;
use eframe::egui::{Key, Label, Modifiers, ScrollArea, Sides, TextEdit, Ui};

use self::answers::answers_ui;
use self::beside::{CRITERIA, beside_ui, open, strength_ui, write_own};
use self::list::{list_ui, verdict_words};
use self::menus::{export_menu_ui, show_menu_ui, unsaved_card_ui};
use self::phones::phones_ui;
use self::pressed::pressed;
use self::rank::{rank_buttons_ui, ranked_ui, take_rank_keys};
use self::setup::setup_ui;
use self::verdicts::{CHOICES, counts_ui, judge, undo_button_ui, verdict_buttons_ui};
use crate::data::remarks::Strength;
use crate::panels::preview::preview_ui;
use crate::panels::shortcuts::DIGITS;
use crate::state::annotate::draft::Field;
use crate::state::annotate::{AnnotateState, Phase};
use crate::state::command::{
    AnnotateCommand, CodesCommand, Commands, MappingCommand, ViewCommand, WindowCommand,
};
use crate::state::mapping::Wanted;
use crate::state::prefs::PanelId;
use crate::state::slots::Surroundings;
use crate::widgets::button::ActionButton;
use crate::widgets::card;
use crate::widgets::empty_state::EmptyState;
use crate::widgets::format;
use crate::widgets::layout;
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

/// Lower than this, in lines of text, answers and verdicts have no room beside each other.
const LEAST_LINES: f32 = 19.0;

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
    let is_judging = annotate.has_prompts() && annotate.prompt().is_some();
    if is_judging && ui.available_height() < theme::em(ui) * LEAST_LINES {
        // Nothing has a place of its own: all of it scrolls together.
        ScrollArea::vertical().id_salt("a low panel").auto_shrink(false).show(ui, |ui| {
            unsaved_ui(ui, annotate, commands);
            judged_ui(ui, annotate, theme::em(ui) * 24.0, commands);
            verdicts_ui(ui, annotate, around, true, commands);
            counts_ui(ui, &annotate.counts());
        });
        return;
    }
    unsaved_ui(ui, annotate, commands);
    if !annotate.has_prompts() {
        empty_ui(ui, annotate, commands);
        return;
    }
    if annotate.prompt().is_none() {
        let area = ScrollArea::vertical().id_salt("all judged").auto_shrink(false);
        area.show(ui, |ui| {
            header_ui(ui, annotate, commands);
            all_judged_ui(ui, annotate, commands);
        });
        return;
    }
    // The verdicts stay in the window; where it is low, what they are about scrolls.
    let is_low = ui.available_height() < theme::em(ui) * 34.0;
    let most = ui.available_height() * 0.55;
    egui::Panel::bottom("verdicts")
        .resizable(false)
        .show_separator_line(false)
        .frame(egui::Frame::new().inner_margin(egui::Margin { top: 8, ..egui::Margin::ZERO }))
        .show(ui, |ui| {
            // The panel is as high as this asks to be, so it must not ask for what it has.
            let area = ScrollArea::vertical().id_salt("verdicts").max_height(most);
            area.min_scrolled_height(most)
                .auto_shrink([false, true])
                .show(ui, |ui| verdicts_ui(ui, annotate, around, is_low, commands));
        });
    let height = ui.available_height();
    ScrollArea::vertical().id_salt("what is judged").auto_shrink(false).show(ui, |ui| {
        judged_ui(ui, annotate, height, commands);
        if is_low {
            counts_ui(ui, &annotate.counts());
        }
    });
}

fn unsaved_ui(ui: &mut Ui, annotate: &AnnotateState, commands: &mut Commands) {
    if annotate.unsaved_count > 0 {
        unsaved_card_ui(ui, annotate.unsaved_count, commands);
    }
}

/// What the verdicts are about, in this height if there is room.
fn judged_ui(ui: &mut Ui, annotate: &mut AnnotateState, height: f32, commands: &mut Commands) {
    let least = theme::em(ui) * 9.0;
    let top = ui.cursor().top();
    header_ui(ui, annotate, commands);
    guideline_ui(ui, annotate, commands);
    prompt_card_ui(ui, annotate, height);
    let used = ui.cursor().top() - top;
    if annotate.ranking().is_some() {
        ranked_ui(ui, annotate, (height - used).max(least));
    } else {
        answers_ui(ui, annotate, (height - used).max(least));
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
    let empty = EmptyState {
        icon: icons::DONE,
        title: "Every prompt is judged",
        sentence: &sentence,
        actions: &["Go to Train", "Prompts from a file…"],
    };
    match empty.show(ui) {
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

fn header_ui(ui: &mut Ui, annotate: &mut AnnotateState, commands: &mut Commands) {
    let (judged_count, prompt_count) = annotate.progress();
    let counts = annotate.counts();
    let source = annotate.source().to_owned();
    Sides::new().shrink_left().truncate().show(
        ui,
        |ui| {
            let pairs = pair_count(counts.pairs());
            let progress = format!("{judged_count} of {prompt_count} · {pairs}");
            ui.label(theme::title(ui, progress))
                .on_hover_text("Prompts of this queue with a verdict, and pairs of the project");
            let source = theme::muted(ui, source);
            ui.add(Label::new(source).truncate());
        },
        |ui| {
            export_menu_ui(ui, &counts, commands);
            let hint = "How much better, criteria, base model against adapter";
            annotate.sets_up |= ui.button("Ask…").on_hover_text(hint).clicked();
            show_menu_ui(ui, annotate);
            ui.menu_button("Prompts…", |ui| {
                if ui.button("Use the sample prompts").clicked() {
                    commands.push(AnnotateCommand::UseSamplePrompts);
                }
                if ui.button("Prompts from a file…").clicked() {
                    commands.push(AnnotateCommand::ChoosePrompts);
                }
                let about = "Two or more answers a prompt that are there already: compared without \
                             saying where they come from";
                if ui.button("Answers from a file…").on_hover_text(about).clicked() {
                    commands.push(AnnotateCommand::ChooseAnswers);
                }
                let about = "A folder with a table of answers for each model, joined by their \
                             prompts: compared without saying which model they are of";
                if ui.button("Answers of several models…").on_hover_text(about).clicked() {
                    commands.push(AnnotateCommand::ChooseAnswersFolder);
                }
                let about = "The answers of this file judged by several people: an order and sides that \
                             are drawn, pairs shown again, training, checks, agreement";
                if annotate.is_given()
                    && let Some(report) = annotate.table()
                    && ui.button("A study of these pairs…").on_hover_text(about).clicked()
                {
                    commands.push(CodesCommand::UsePairs(report.path.clone()));
                }
            });
        },
    );
    if let Some(report) = annotate.table()
        && preview_ui(ui, report)
    {
        commands.push(MappingCommand::Change(Wanted::Prompts));
    }
    let share = judged_count as f32 / prompt_count.max(1) as f32;
    let p = theme::palette(ui);
    ui.scope(|ui| {
        ui.visuals_mut().extreme_bg_color = p.raised_press;
        let bar = egui::ProgressBar::new(share).desired_height(4.0).fill(p.accent);
        ui.add(bar).accessible_name(format!("Prompts judged: {:.0} %", share * 100.0));
    });
}

fn guideline_ui(ui: &mut Ui, annotate: &mut AnnotateState, commands: &mut Commands) {
    ui.horizontal(|ui| {
        let label = ui
            .label(theme::muted(ui, "Guideline"))
            .on_hover_text("What you look for. It is written into every verdict");
        let guideline = &mut annotate.judging.guideline;
        let field = TextEdit::singleline(guideline).desired_width(f32::INFINITY);
        if ui.add(field).labelled_by(label.id).lost_focus() {
            commands.push(AnnotateCommand::KeepJudging);
        }
    });
}

fn prompt_card_ui(ui: &mut Ui, annotate: &AnnotateState, height: f32) {
    let words = annotate.prompt().map(crate::data::pair::Text::words).unwrap_or_default();
    card::card_ui(ui, |ui| {
        ui.label(theme::muted(ui, "Prompt"));
        let height = (height * 0.2).max(theme::em(ui) * 3.0);
        ScrollArea::vertical().id_salt("prompt").max_height(height).show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.add(Label::new(theme::title(ui, words)).wrap());
        });
    });
}

/// What is being done, or what to do next: one line between the answers and the verdicts.
fn next_step_ui(
    ui: &mut Ui,
    annotate: &mut AnnotateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    ui.horizontal_wrapped(|ui| {
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

/// `9 pairs`
fn pair_count(count: usize) -> String {
    let unit = if count == 1 { "pair" } else { "pairs" };
    format!("{} {unit}", format::count(count))
}

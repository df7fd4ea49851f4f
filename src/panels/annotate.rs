//! Two answers, side by side: which is better? Keys 1, 2, 3, 0 and S; Ctrl+Z takes back.

mod phones;
mod verdicts;

use eframe::egui;
use eframe::egui::{Align, Key, Label, Layout, Modifiers, ScrollArea, Sides, TextEdit, Ui};

use self::phones::phones_ui;
use self::verdicts::{CHOICES, counts_ui, judge, undo_button_ui, verdict_buttons_ui};
use crate::data::pair_forms::PairForm;
use crate::data::store::VerdictCounts;
use crate::panels::preview::preview_ui;
use crate::state::annotate::{AnnotateState, Phase, Side};
use crate::state::command::{
    AnnotateCommand, Commands, MappingCommand, ViewCommand, WindowCommand,
};
use crate::state::mapping::Wanted;
use crate::state::prefs::PanelId;
use crate::state::slots::Surroundings;
use crate::widgets::button::ActionButton;
use crate::widgets::card;
use crate::widgets::empty_state::EmptyState;
use crate::widgets::format;
use crate::widgets::theme::{self, icons};

const NO_MODEL: &str = "Load a model first";
const GENERATE: &str = "Generate two answers";

/// The keys of the panel, for the list that `?` shows: key, what it does.
pub const KEYS: [(&str, &str); 7] = [
    ("1", "Left is better"),
    ("2", "Right is better"),
    ("3", "Tie"),
    ("0", "Both bad"),
    ("S", "Skip"),
    ("G", GENERATE),
    ("Ctrl+Z", "Undo the last verdict"),
];

/// Draws the panel and asks for what was clicked or pressed.
pub fn annotate_panel_ui(
    ui: &mut Ui,
    annotate: &mut AnnotateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    take_keys(ui, annotate, around, commands);
    if annotate.unsaved_count > 0 {
        unsaved_card_ui(ui, annotate.unsaved_count, commands);
    }
    if !annotate.has_prompts() {
        empty_ui(ui, annotate, commands);
        return;
    }
    if annotate.prompt().is_none() {
        header_ui(ui, annotate, commands);
        all_judged_ui(ui, annotate, commands);
        return;
    }
    // The verdicts stay in the window; where it is low, what they are about scrolls.
    let is_low = ui.available_height() < theme::em(ui) * 34.0;
    egui::Panel::bottom("verdicts")
        .resizable(false)
        .show_separator_line(false)
        .frame(egui::Frame::new().inner_margin(egui::Margin { top: 8, ..egui::Margin::ZERO }))
        .show(ui, |ui| {
            next_step_ui(ui, annotate, around, commands);
            phones_ui(ui, annotate, around.room, commands);
            verdict_buttons_ui(ui, annotate, around, is_low, commands);
            if !is_low {
                counts_ui(ui, &annotate.counts());
            }
        });
    let height = ui.available_height();
    let least = theme::em(ui) * 9.0;
    ScrollArea::vertical().id_salt("what is judged").auto_shrink(false).show(ui, |ui| {
        let top = ui.cursor().top();
        header_ui(ui, annotate, commands);
        guideline_ui(ui, annotate);
        prompt_card_ui(ui, annotate, height);
        let used = ui.cursor().top() - top;
        answers_ui(ui, annotate, (height - used).max(least));
        if is_low {
            counts_ui(ui, &annotate.counts());
        }
    });
}

/// Keys work unless something is being typed.
fn take_keys(
    ui: &Ui,
    annotate: &AnnotateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    if ui.ctx().text_edit_focused() || egui::Popup::is_any_open(ui.ctx()) {
        return;
    }
    if annotate.can_undo() && pressed(ui, Modifiers::COMMAND, Key::Z) {
        commands.push(AnnotateCommand::UndoVerdict);
        return;
    }
    for choice in &CHOICES {
        if annotate.why_not(choice.verdict).is_none() && pressed(ui, Modifiers::NONE, choice.key) {
            judge(annotate, choice.verdict, around, commands);
            return; // one verdict a frame: the next is about other answers
        }
    }
    if why_not_generate(annotate, around).is_none() && pressed(ui, Modifiers::NONE, Key::G) {
        commands.push(AnnotateCommand::AnswerPrompt);
    }
}

/// Whether a key went down. A key that is held down does not count again: it would run through the
/// prompts.
fn pressed(ui: &Ui, wanted: Modifiers, wanted_key: Key) -> bool {
    ui.input_mut(|input| {
        let hit = |event: &egui::Event| {
            matches!(
                event,
                egui::Event::Key { key, pressed: true, repeat: false, modifiers, .. }
                    if *key == wanted_key && modifiers.matches_exact(wanted)
            )
        };
        let count = input.events.len();
        input.events.retain(|event| !hit(event));
        input.events.len() < count
    })
}

fn why_not_generate(annotate: &AnnotateState, around: &Surroundings<'_>) -> Option<&'static str> {
    match annotate.phase() {
        _ if annotate.prompt().is_none() => Some("There is no prompt left to answer"),
        Phase::Answering => Some("The answers are still being written"),
        Phase::Ready { .. } => Some("The answers are there"),
        Phase::Waiting | Phase::Halted if around.model.ready().is_none() => Some(NO_MODEL),
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

fn all_judged_ui(ui: &mut Ui, annotate: &AnnotateState, commands: &mut Commands) {
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
    ui.vertical_centered(|ui| undo_button_ui(ui, annotate, commands));
}

/// What was made is only in memory: said until it is safe.
fn unsaved_card_ui(ui: &mut Ui, count: usize, commands: &mut Commands) {
    let p = theme::palette(ui);
    let frame = card::frame(ui).fill(p.problem_soft);
    frame.show(ui, |ui| {
        let sentence = format!(
            "{count} {} only in memory, because the project cannot be written to",
            if count == 1 { "change is" } else { "changes are" }
        );
        Sides::new().shrink_left().show(
            ui,
            |ui| {
                card::decoration_ui(ui, theme::icon(ui, icons::PROBLEM).color(p.problem));
                ui.add(Label::new(theme::strong(ui, sentence)).wrap());
            },
            |ui| {
                if ui.add(ActionButton::primary("Save elsewhere…")).clicked() {
                    commands.push(AnnotateCommand::SaveElsewhere);
                }
            },
        );
    });
}

fn header_ui(ui: &mut Ui, annotate: &AnnotateState, commands: &mut Commands) {
    let (judged_count, prompt_count) = annotate.progress();
    let counts = annotate.counts();
    Sides::new().shrink_left().truncate().show(
        ui,
        |ui| {
            let pairs = pair_count(counts.pairs());
            let progress = format!("{judged_count} of {prompt_count} · {pairs}");
            ui.label(theme::title(ui, progress))
                .on_hover_text("Prompts of this queue with a verdict, and pairs of the project");
            let source = theme::muted(ui, annotate.source());
            ui.add(Label::new(source).truncate());
        },
        |ui| {
            export_menu_ui(ui, &counts, commands);
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

fn export_menu_ui(ui: &mut Ui, counts: &VerdictCounts, commands: &mut Commands) {
    let has_pairs = counts.pairs() > 0;
    let menu = ui.add_enabled_ui(has_pairs, |ui| {
        ui.menu_button("Export…", |ui| {
            for (words, hint, conversational) in [
                (
                    "Conversational (messages)…",
                    "TRL's explicit preference format with messages, for models with a chat \
                     template",
                    true,
                ),
                (
                    "Plain text (standard)…",
                    "TRL's explicit preference format with plain strings, joined as they stand",
                    false,
                ),
            ] {
                if ui.button(words).on_hover_text(hint).clicked() {
                    commands.push(AnnotateCommand::ExportPairs { conversational });
                }
            }
            ui.separator();
            for form in PairForm::ALL {
                let hint = "Into the folder exports/pairs of the project";
                if ui.button(form.words()).on_hover_text(hint).clicked() {
                    commands.push(AnnotateCommand::ExportFor(form));
                }
            }
        })
        .response
    });
    menu.inner.on_disabled_hover_text("There are no pairs yet");
}

fn guideline_ui(ui: &mut Ui, annotate: &mut AnnotateState) {
    ui.horizontal(|ui| {
        let label = ui
            .label(theme::muted(ui, "Guideline"))
            .on_hover_text("What you look for. It is written into every verdict");
        let field = TextEdit::singleline(&mut annotate.guideline).desired_width(f32::INFINITY);
        ui.add(field).labelled_by(label.id);
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

/// The two answers, in cards of equal size.
fn answers_ui(ui: &mut Ui, annotate: &AnnotateState, height: f32) {
    ui.columns(2, |columns| {
        for (ui, (side, name)) in
            columns.iter_mut().zip([(Side::Left, "Answer A"), (Side::Right, "Answer B")])
        {
            let answer = annotate.answer(side);
            card::card_ui(ui, |ui| {
                let margin = 34.0; // the frame's, above and below
                ui.set_height((height - margin).max(0.0));
                Sides::new().show(
                    ui,
                    |ui| ui.label(theme::title(ui, name)),
                    |ui| {
                        let note = match answer.stop.as_deref() {
                            Some("length") => "cut at max new tokens",
                            Some("context_full") => "cut: the context is full",
                            Some("stopped") => "stopped",
                            _ => return,
                        };
                        ui.label(theme::muted(ui, note));
                    },
                );
                // Another id once it is complete: a reader begins at the top.
                let writing = annotate.is_answering();
                let area = ScrollArea::vertical().id_salt((name, writing)).auto_shrink(false);
                area.stick_to_bottom(writing).show(ui, |ui| {
                    // A column is justified, which tears a text apart.
                    ui.with_layout(Layout::top_down(Align::Min), |ui| {
                        let text = if answer.text.is_empty() {
                            theme::muted(ui, placeholder(annotate.phase(), answer.stop.is_some()))
                        } else {
                            egui::RichText::new(&answer.text)
                        };
                        let line_height = theme::em(ui) * 1.5;
                        ui.add(Label::new(text.line_height(Some(line_height))).wrap());
                    });
                });
            });
        }
    });
}

/// What stands in an answer that has no text.
fn placeholder(phase: Phase, is_done: bool) -> &'static str {
    match phase {
        _ if is_done => "(an empty answer)",
        Phase::Answering => "…",
        Phase::Waiting | Phase::Halted | Phase::Ready { .. } => "No answer yet",
    }
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
            ui.label(theme::muted(
                ui,
                if equal {
                    "The two answers are the same. A higher temperature makes them differ"
                } else {
                    "Which answer is better?"
                },
            ));
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
                .add_enabled(around.model.ready().is_some(), others)
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
        if around.model.ready().is_none() {
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

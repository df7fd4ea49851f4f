//! The Playground of an encoder-decoder: a text that is read, and what is written of it.

mod answer;
mod beams;
mod cross;
mod settings;
pub mod shared;
mod spans;

use eframe::egui;
use eframe::egui::{ComboBox, TextEdit, TextStyle, Ui};

use self::shared::start_ui;
use crate::llm::card::ModelCard;
use crate::state::command::{Commands, PlaygroundCommand};
use crate::state::playground::PlaygroundState;
use crate::state::playground::seq2seq::instructions::{INSTRUCTIONS, Kind};
use crate::state::playground::seq2seq::{Seq2SeqState, Seq2SeqView};
use crate::state::prefs::Prefs;
use crate::state::slots::AdapterSlot;
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::layout::{column_ui, inset_ui, scrolled_ui};
use crate::widgets::right_to_left::lay_out_field;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme::{self, icons};

/// Draws all of it.
pub(super) fn seq2seq_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    prefs: &mut Prefs,
    (model, adapter): (&ModelCard, &AdapterSlot),
    commands: &mut Commands,
) {
    if playground.seq2seq.cross_due().is_some() {
        commands.push(PlaygroundCommand::WatchCrossAttention);
    }
    inset_ui(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            let segments = Seq2SeqView::ALL.map(|view| Segment {
                value: view,
                words: view.name(),
                explanation: view.question(),
            });
            segmented_ui(ui, &mut playground.seq2seq.view, &segments);
            adapter_ui(ui, adapter, playground.seq2seq.doing.is_none(), commands);
        });
    });
    let all = ui.available_rect_before_wrap();
    let em = theme::em(ui);
    if all.width() >= em * 62.0 {
        let side = (all.width() * 0.28).clamp(em * 22.0, em * 28.0);
        let (left, right) = all.split_left_right_at_x(all.right() - side);
        column_ui(ui, "reading and writing", left, |ui| {
            scrolled_ui(ui, "reading and writing", |ui| {
                main_ui(ui, playground, model, commands);
            });
        });
        column_ui(ui, "settings column", right, |ui| {
            scrolled_ui(ui, "settings", |ui| settings::settings_ui(ui, playground, prefs));
        });
    } else {
        column_ui(ui, "reading and writing", all, |ui| {
            scrolled_ui(ui, "reading and writing", |ui| {
                main_ui(ui, playground, model, commands);
                ui.add_space(theme::GAP);
                settings::settings_ui(ui, playground, prefs);
            });
        });
    }
    ui.advance_cursor_after_rect(all);
}

/// Laying an adapter over the model, or taking it off; its switch is in the top bar.
fn adapter_ui(ui: &mut Ui, adapter: &AdapterSlot, is_free: bool, commands: &mut Commands) {
    match adapter {
        AdapterSlot::None => {
            let button = ActionButton::quiet("Load an adapter…").icon(icons::ADAPTER);
            let about = "A PEFT folder: what training an encoder-decoder makes";
            if button.add_enabled(ui, is_free).on_hover_text(about).clicked() {
                commands.push(PlaygroundCommand::ChooseAdapter);
            }
        }
        AdapterSlot::Loading { .. } => {}
        AdapterSlot::Ready { .. } => {
            let button = ActionButton::quiet("Unload the adapter").icon(icons::ADAPTER);
            let about = "The model alone answers again. The switch in the top bar compares both";
            if button.add_enabled(ui, is_free).on_hover_text(about).clicked() {
                commands.push(PlaygroundCommand::UnloadAdapter);
            }
        }
    }
}

fn main_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    model: &ModelCard,
    commands: &mut Commands,
) {
    match playground.seq2seq.view {
        Seq2SeqView::Spans => spans::spans_ui(ui, playground, commands),
        view => {
            ask_ui(ui, playground, commands);
            ui.add_space(theme::GAP);
            let state = &mut playground.seq2seq;
            match view {
                Seq2SeqView::Beams => beams::beams_ui(ui, state),
                Seq2SeqView::CrossAttention => cross::cross_ui(ui, state),
                _ => answer::answer_ui(ui, state, model),
            }
        }
    }
}

/// The text, what is to be done with it, and the button.
fn ask_ui(ui: &mut Ui, playground: &mut PlaygroundState, commands: &mut Commands) {
    card_ui(ui, |ui| {
        instruction_ui(ui, &mut playground.seq2seq);
        let line = ui.text_style_height(&TextStyle::Body);
        let mut layouter = lay_out_field;
        let field = TextEdit::multiline(&mut playground.prompt)
            .layouter(&mut layouter)
            .hint_text("Write the text that the model is to read")
            .desired_rows(2)
            .desired_width(f32::INFINITY);
        let area = egui::ScrollArea::vertical().id_salt("text field").max_height(line * 6.0);
        let field = area.show(ui, |ui| ui.add(field).accessible_name("Text")).inner;
        if playground.seq2seq.doing.is_none() && std::mem::take(&mut playground.wants_cursor) {
            let is_free = ui.memory(|memory| memory.focused().is_none());
            if is_free {
                field.request_focus();
            }
        }
        start_ui(ui, playground, commands);
    });
}

fn instruction_ui(ui: &mut Ui, state: &mut Seq2SeqState) {
    ui.horizontal_wrapped(|ui| {
        let label = ui.label("Instruction");
        let chosen = state.instruction.and_then(|at| INSTRUCTIONS.get(at));
        let name = chosen.map_or("None: the text as it stands", |chosen| chosen.name);
        let combo = ComboBox::from_id_salt("instruction").selected_text(name).truncate();
        let combo = combo.width(theme::em(ui) * 18.0).show_ui(ui, |ui| {
            ui.selectable_value(&mut state.instruction, None, "None: the text as it stands");
            for kind in [Kind::Flan, Kind::T5] {
                ui.separator();
                ui.label(theme::muted(ui, kind.name()));
                let of_kind = INSTRUCTIONS.iter().enumerate();
                for (at, instruction) in of_kind.filter(|(_, one)| one.kind == kind) {
                    ui.selectable_value(&mut state.instruction, Some(at), instruction.name);
                }
            }
        });
        let about = "What stands around the text when the model reads it. The encoder's side shows it \
                     whole";
        combo.response.labelled_by(label.id).on_hover_text(about);
    });
}

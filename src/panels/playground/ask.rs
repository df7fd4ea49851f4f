//! The prompt in one row, for the views that look at what comes after it.

use eframe::egui;
use eframe::egui::{TextEdit, TextStyle, Ui, vec2};

use crate::llm::card::ModelCard;
use crate::panels::shortcuts::SEND;
use crate::state::command::{Commands, PlaygroundCommand};
use crate::state::playground::{Mode, PlaygroundState};
use crate::widgets::button::ActionButton;
use crate::widgets::layout::{Stacked, inset_ui};
use crate::widgets::right_to_left::lay_out_field;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// So high, in lines of text, is what a view shows of a prompt, where the window is.
const LEAST: f32 = 14.0;

/// The button that starts the view's work.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    pub words: &'a str,
    pub about: &'a str,

    /// What runs is stopped by this.
    pub stop: PlaygroundStop,
    pub is_running: bool,

    /// What is wrong with the view's own settings.
    pub problem: Option<&'a str>,
}

/// Which command stops what the view does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaygroundStop {
    Answer,
    Branches,
    Repeats,
}

impl PlaygroundStop {
    fn command(self) -> PlaygroundCommand {
        match self {
            Self::Answer => PlaygroundCommand::Stop,
            Self::Branches => PlaygroundCommand::StopGrowing,
            Self::Repeats => PlaygroundCommand::StopRepeats,
        }
    }
}

/// A view below the prompt: it is seen there, or both scroll.
pub fn below_prompt<'a>(ui: &Ui, name: &'a str) -> Stacked<'a> {
    let whole = ui.available_height();
    Stacked::new(name, whole.min(theme::em(ui) * LEAST), whole)
}

/// Draws the field and its buttons. True: the button was pressed, or Ctrl+Enter.
pub fn ask_ui(
    ui: &mut Ui,
    playground: &mut PlaygroundState,
    model: &ModelCard,
    start: Start<'_>,
    commands: &mut Commands,
) -> bool {
    inset_ui(ui, |ui| {
        let line = ui.text_style_height(&TextStyle::Body);
        let mut layouter = lay_out_field;
        let field = TextEdit::multiline(&mut playground.prompt)
            .layouter(&mut layouter)
            .hint_text("Write a prompt")
            .desired_rows(1)
            .desired_width(f32::INFINITY);
        let area = egui::ScrollArea::vertical().id_salt("prompt line").max_height(line * 3.5);
        area.show(ui, |ui| ui.add(field).accessible_name("Prompt"));
        let is_asked = std::mem::take(&mut playground.start_asked);
        let mut is_pressed = false;
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing = vec2(theme::GAP, theme::GAP_SMALL);
            if start.is_running {
                let stop = ActionButton::new("Stop").icon(icons::STOP).shortcut("Esc");
                if ui.add(stop).clicked() {
                    commands.push(start.stop.command());
                }
            } else {
                let obstacle: Option<&str> = playground.obstacle(Some(model)).or(start.problem);
                let shortcut = ui.ctx().format_shortcut(&SEND);
                let button = ActionButton::primary(start.words).shortcut(&shortcut);
                let button = button.add_enabled(ui, obstacle.is_none());
                let is_asked = is_asked && obstacle.is_none();
                let button = match obstacle {
                    Some(obstacle) => button.on_disabled_hover_text(obstacle),
                    None => button.on_hover_text(start.about),
                };
                is_pressed = button.clicked() || is_asked;
            }
            mode_ui(ui, playground);
        });
        is_pressed
    })
}

/// Whether the prompt is a question or a beginning.
pub fn mode_ui(ui: &mut Ui, playground: &mut PlaygroundState) {
    let segments = [
        Segment {
            value: Mode::Chat,
            words: "Chat",
            explanation: "The prompt goes through the model's chat template, as a question",
        },
        Segment {
            value: Mode::Raw,
            words: "Raw",
            explanation: "The model continues the text as it stands",
        },
    ];
    segmented_ui(ui, &mut playground.mode, &segments);
}

//! What the model sees of a row, and the template that it is made from.

use eframe::egui::{Frame, Label, Margin, ScrollArea, TextEdit, Ui};

use crate::panels::train::fields::{problem_ui, section_ui};
use crate::state::command::{Commands, EvaluateCommand};
use crate::state::evaluate::form::What;
use crate::state::evaluate::{EvaluateState, Rendered};
use crate::state::slots::Surroundings;
use crate::widgets::button::ActionButton;
use crate::widgets::theme::{self, icons};

/// Of the form: the template can be edited.
pub(super) fn prompt_ui(
    ui: &mut Ui,
    evaluate: &mut EvaluateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    section_ui(ui, "Template");
    let usual = evaluate.usual_template();
    let mut text = evaluate.form.prompt.clone().unwrap_or_else(|| usual.clone());
    let field = TextEdit::multiline(&mut text)
        .desired_width(f32::INFINITY)
        .desired_rows(8)
        .font(eframe::egui::TextStyle::Monospace);
    if ui.add(field).accessible_name("Template").changed() {
        evaluate.form.prompt = Some(text).filter(|text| *text != usual);
    }
    let preview = evaluate.preview().cloned();
    let names = match &preview {
        Some(Ok(preview)) => preview.names.join(" "),
        _ => "{instruction}, {text} and every column".to_owned(),
    };
    let words = format!("It may name {names}. A brace that is meant as one is written twice.");
    ui.add(Label::new(theme::muted(ui, words)).wrap());
    if evaluate.form.prompt.is_some() {
        let usual = ActionButton::quiet("Back to the usual template").icon(icons::REFRESH);
        if ui.add(usual).clicked() {
            evaluate.form.prompt = None;
        }
    }
    let preview = match preview {
        Some(Ok(preview)) => preview,
        Some(Err(problem)) => {
            problem_ui(ui, &problem);
            return;
        }
        None => return,
    };
    section_ui(ui, "What the model sees");
    if preview.is_cut {
        let words = "Very long texts are cut here. The model gets them whole";
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
    let rows = evaluate.form.preview_rows();
    ui.horizontal_wrapped(|ui| {
        let row = evaluate.preview_row;
        let back = ActionButton::only_icon(icons::BACK, "The row before");
        if ui.add_enabled(row > 0, back).clicked() {
            evaluate.preview_row -= 1;
        }
        ui.label(format!("Row {}", row + 1));
        let next = ActionButton::only_icon(icons::PLAY, "The next row");
        if ui.add_enabled(row + 1 < rows, next).clicked() {
            evaluate.preview_row += 1;
        }
        if preview.order_count > 1 {
            let words = format!("the first of {} orders", preview.order_count);
            ui.label(theme::muted(ui, words));
        }
    });
    if evaluate.form.what == What::Perplexity {
        scored_ui(ui, &preview.first.content, evaluate.form.perplexity.chat);
        return;
    }
    seen_ui(ui, evaluate, &preview.first.content, around, commands);
    if evaluate.form.what == What::Ask && evaluate.form.encoder.is_some() {
        awaits_passages_ui(ui);
    }
    let answers = preview.first.answers.join(" · ");
    if answers.is_empty() {
        return;
    }
    ui.add(Label::new(theme::muted(ui, format!("Scored after it: {answers}"))).wrap());
}

/// Of a task file or an evaluation: as it was asked.
pub(super) fn opened_ui(
    ui: &mut Ui,
    evaluate: &mut EvaluateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let Some(open) = &evaluate.open else { return };
    section_ui(ui, "Template");
    let template = open.prepared.form.template().to_owned();
    text_ui(ui, "template", &template);
    section_ui(ui, "What the model sees");
    let question = open.selected().or_else(|| open.prepared.questions.list.first());
    let Some(question) = question else { return };
    let row = question.row.place.row;
    let awaits_passages = open.awaits_passages(question);
    let scores = open.prepared.task.perplexity.as_ref().map(|it| it.chat);
    match open.prepared.form.first(&open.as_asked(question)) {
        Ok(first) => {
            ui.label(format!("Row {row}"));
            if let Some(chat) = scores {
                scored_ui(ui, &first.content, chat);
                return;
            }
            seen_ui(ui, evaluate, &first.content, around, commands);
            if awaits_passages {
                awaits_passages_ui(ui);
            }
        }
        Err(problem) => problem_ui(ui, &problem.to_string()),
    }
}

/// A text that is scored, with what stands before it.
pub(super) fn scored_ui(ui: &mut Ui, content: &str, chat: bool) {
    text_ui(ui, "seen", content);
    let words = if chat {
        "What stands before {text} is a message of the user, in the model's chat template; the text is the \
         beginning of the answer, and only it is scored"
    } else {
        "The model reads this as it stands, without its chat template. What stands before {text} is read and \
         not scored"
    };
    ui.add(Label::new(theme::muted(ui, words)).wrap());
}

/// The passages that are shown may be others than those that an encoder will choose.
pub(super) fn awaits_passages_ui(ui: &mut Ui) {
    let words = "These are the passages with the words of the question. The encoder chooses its own when \
                 the row is asked";
    ui.add(Label::new(theme::muted(ui, words)).wrap());
}

/// A prompt with what the loaded model's chat template puts around it, as soon as that is known.
pub(super) fn seen_ui(
    ui: &mut Ui,
    evaluate: &mut EvaluateState,
    content: &str,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let Some(card) = around.model.ready() else {
        text_ui(ui, "seen", content);
        let words = if around.model.remote().is_some() {
            "The server puts the tokens of its chat template around it, which it does not show"
        } else if around.model.encoder_decoder().is_some() {
            "An encoder-decoder has no chat template: its encoder reads this as it stands"
        } else {
            "Once a model is loaded, its chat template's tokens are shown around it"
        };
        ui.add(Label::new(theme::muted(ui, words)).wrap());
        return;
    };
    let sha256 = &card.identity.sha256;
    let known = evaluate.rendered.as_ref();
    let known = known.filter(|known| known.content == content && known.sha256 == *sha256);
    let Some(known) = known else {
        evaluate.rendered =
            Some(Rendered { content: content.to_owned(), sha256: sha256.clone(), text: None });
        commands.push(EvaluateCommand::ShowPrompt(content.to_owned()));
        text_ui(ui, "seen", content);
        return;
    };
    match &known.text {
        None => text_ui(ui, "seen", content),
        Some(Ok(text)) => text_ui(ui, "seen", text),
        Some(Err(problem)) => {
            problem_ui(ui, problem);
            text_ui(ui, "seen", content);
        }
    }
}

/// A text as it stands, in a frame.
fn text_ui(ui: &mut Ui, name: &str, text: &str) {
    let p = theme::palette(ui);
    let frame = Frame::new()
        .fill(p.raised)
        .corner_radius(theme::CONTROL_RADIUS)
        .inner_margin(Margin::symmetric(10, 8));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        let height = theme::em(ui) * 24.0;
        let area = ScrollArea::vertical().id_salt(name).max_height(height);
        area.auto_shrink([false, true]).show(ui, |ui| {
            ui.add(Label::new(theme::number(text)).wrap());
        });
    });
}

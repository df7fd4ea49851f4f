//! The report of an evaluation, as it was written.

use eframe::egui::{Frame, Margin, Ui};

use crate::state::command::{Commands, WindowCommand};
use crate::state::evaluate::EvaluateState;
use crate::widgets::button::ActionButton;
use crate::widgets::markdown::markdown_ui;
use crate::widgets::theme::{self, icons};

pub(super) fn report_ui(ui: &mut Ui, evaluate: &mut EvaluateState, commands: &mut Commands) {
    let Some(page) = &evaluate.report else { return };
    let mut closes = false;
    let margin = Margin { left: 16, right: 0, top: 12, bottom: 0 };
    Frame::new().inner_margin(margin).show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            closes = ui.add(ActionButton::only_icon(icons::BACK, "Close the report")).clicked();
            let copy = ActionButton::new("Copy the methods paragraph").icon(icons::COPY);
            if ui.add(copy).clicked() {
                commands.push(WindowCommand::CopyText(page.paragraph.clone()));
            }
            let show = ActionButton::new("Show the files").icon(icons::FOLDER);
            let hint = "report.md, report.docx for Word, report.tex for LaTeX";
            if ui.add(show).on_hover_text(hint).clicked() {
                commands.push(WindowCommand::Reveal(page.folder.join("report.md")));
            }
        });
        ui.add_space(theme::GAP);
        // It has no links.
        markdown_ui(ui, &page.folder.display().to_string(), &page.markdown, |_| false);
    });
    if closes {
        evaluate.report = None;
    }
}

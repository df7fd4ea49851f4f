//! About Tuning Fork: version, places, how to cite; licences; a report of a fault.

use eframe::egui;
use eframe::egui::{Label, ScrollArea, Ui};

use crate::program;
use crate::program::Citation;
use crate::state::AppState;
use crate::state::about::{AboutPage, AboutState};
use crate::state::command::{Commands, ViewCommand, WindowCommand};
use crate::widgets::button::ActionButton;
use crate::widgets::card;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme;
use crate::widgets::theme::icons;

/// Draws the page, while it is open.
pub fn program_ui(ui: &Ui, state: &mut AppState, commands: &mut Commands) {
    let Some(about) = &mut state.window.about else { return };
    let modal = egui::Modal::new(egui::Id::unique("about")).frame(card::frame(ui));
    let modal = modal.show(ui.ctx(), |ui| {
        ui.set_width((theme::em(ui) * 44.0).min(ui.ctx().content_rect().width() - 96.0));
        let words = format!("Tuning Fork {}", program::VERSION_WITH_COMMIT);
        let is_closed = card::title_row_ui(ui, &words, |ui| {
            ui.add(ActionButton::only_icon(icons::CLOSE, "Close")).clicked()
        });
        if is_closed {
            commands.push(ViewCommand::CloseAbout);
        }
        ui.add_space(theme::GAP);
        let segments = [
            Segment {
                value: AboutPage::Program,
                words: "Program",
                explanation: "Version, how to cite, where things are",
            },
            Segment {
                value: AboutPage::Licences,
                words: "Licences",
                explanation: "What the program is built from",
            },
            Segment {
                value: AboutPage::Report,
                words: "Report a fault",
                explanation: "What to send when something goes wrong",
            },
        ];
        segmented_ui(ui, &mut about.page, &segments);
        ui.add_space(theme::GAP);
        let height = (ui.ctx().content_rect().height() - 220.0).max(theme::em(ui) * 6.0);
        match about.page {
            AboutPage::Program => program_page_ui(ui, about, height, commands),
            AboutPage::Licences => licences_ui(ui, height),
            AboutPage::Report => report_ui(ui, about, height, commands),
        }
    });
    if modal.should_close() {
        commands.push(ViewCommand::CloseAbout);
    }
}

fn area(name: &str, height: f32) -> ScrollArea {
    let area = ScrollArea::vertical().id_salt(name).max_height(height).min_scrolled_height(height);
    area.auto_shrink([false, true])
}

fn program_page_ui(ui: &mut Ui, about: &AboutState, height: f32, commands: &mut Commands) {
    area("about program", height).show(ui, |ui| {
        ui.label("A workbench for open language models. MIT or Apache-2.0, at your choice.");
        if program::commit().is_none() {
            let words = "Built without a commit: the sources are not those of a release";
            ui.label(theme::muted(ui, words));
        }
        ui.add_space(theme::GAP);
        ui.label(theme::title(ui, "How to cite"));
        ui.add(Label::new(Citation::Sentence.to_string()).wrap());
        ui.horizontal_wrapped(|ui| {
            for (words, text) in [
                ("Copy the citation", Citation::Sentence.to_string()),
                ("Copy BibTeX", Citation::BibTex.to_string()),
                ("Copy CITATION.cff", program::CITATION_FILE.to_owned()),
            ] {
                if ui.add(ActionButton::new(words)).clicked() {
                    commands.push(WindowCommand::CopyText(text));
                }
            }
        });
        ui.add_space(theme::GAP_LARGE);
        ui.label(theme::title(ui, "Where things are"));
        for (what, path) in &about.places {
            ui.horizontal_wrapped(|ui| {
                ui.label(theme::strong(ui, *what));
                ui.label(theme::number(path.display().to_string()));
                let words = format!("Show {what} in the file manager");
                if ui.add(ActionButton::only_icon(icons::FOLDER, &words)).clicked() {
                    commands.push(WindowCommand::Reveal(path.clone()));
                }
            });
        }
    });
}

fn licences_ui(ui: &mut Ui, height: f32) {
    let parts = program::parts();
    let words = format!(
        "Tuning Fork is built from {} crates of other authors (on any system), and from what is \
         listed first. Their full texts are in the package: third-party-licences.txt.",
        parts.len()
    );
    ui.add(Label::new(words).wrap());
    ui.add_space(theme::GAP_SMALL);
    let others = program::OTHER_PARTS;
    let row = ui.text_style_height(&egui::TextStyle::Body);
    let height = height - row * 3.0;
    area("about licences", height).show_rows(ui, row, others.len() + parts.len(), |ui, rows| {
        for at in rows {
            let (name, licence) = if let Some((name, licence)) = others.get(at) {
                ((*name).to_owned(), *licence)
            } else {
                let part = &parts[at - others.len()];
                (format!("{} {}", part.name, part.version), part.licence)
            };
            egui::Sides::new().shrink_left().truncate().show(
                ui,
                |ui| ui.label(name),
                |ui| ui.label(theme::muted(ui, licence)),
            );
        }
    });
}

fn report_ui(ui: &mut Ui, about: &AboutState, height: f32, commands: &mut Commands) {
    let words = "Copy this into your message, and write below it what you did. It has no texts, answers \
                 or names of files; read it before you send it.";
    ui.add(Label::new(words).wrap());
    ui.add_space(theme::GAP_SMALL);
    if ui.add(ActionButton::primary("Copy report for a bug").icon(icons::COPY)).clicked() {
        commands.push(WindowCommand::CopyText(about.report.clone()));
    }
    ui.add_space(theme::GAP);
    let height = height - theme::em(ui) * 6.0;
    area("about report", height).show(ui, |ui| {
        ui.add(Label::new(theme::number(about.report.as_str())).wrap());
    });
}

//! The studies of the project, or what the view is for.

use eframe::egui::{Label, ScrollArea, TextEdit, Ui};

use crate::state::codes::{CodesState, Front, Listed};
use crate::state::command::{CodesCommand, Commands, WindowCommand};
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::empty_state::EmptyState;
use crate::widgets::layout::heading_ui;
use crate::widgets::theme::{self, icons};

const NEW: &str = "New study…";
const PACKAGE: &str = "Open a coding package…";
const SAMPLE: &str = "Use the sample abstracts";

pub(super) fn list_ui(ui: &mut Ui, codes: &mut CodesState, commands: &mut Commands) {
    coder_ui(ui, codes);
    ui.add_space(theme::GAP_SMALL);
    if codes.studies.is_empty() {
        empty_ui(ui, codes, commands);
        return;
    }
    heading_ui(ui, "Studies", |ui| {
        if ui.add(ActionButton::primary(NEW).icon(icons::ADD)).clicked() {
            codes.front = Front::Setup;
        }
        let package = ActionButton::new(PACKAGE).icon(icons::FILE);
        if ui.add(package).on_hover_text("A file that a colleague has sent you to code").clicked() {
            commands.push(CodesCommand::ChoosePackage);
        }
    });
    busy_ui(ui, codes);
    let has_coder = !codes.coder.trim().is_empty();
    // The panel keeps a margin at its right already: the cards end where the buttons above them do.
    ScrollArea::vertical().id_salt("studies").auto_shrink(false).show(ui, |ui| {
        for listed in &codes.studies {
            ui.push_id(&listed.path, |ui| listed_ui(ui, listed, has_coder, commands));
            ui.add_space(theme::GAP);
        }
    });
}

/// Who codes.
fn coder_ui(ui: &mut Ui, codes: &mut CodesState) {
    ui.horizontal(|ui| {
        let hint = "Each verdict is kept under this name or number. Colleagues need other names";
        let label = ui.label("You code as").on_hover_text(hint);
        let field = TextEdit::singleline(&mut codes.coder).desired_width(theme::em(ui) * 14.0);
        ui.add(field.hint_text("name or number")).labelled_by(label.id);
    });
}

pub(super) fn busy_ui(ui: &mut Ui, codes: &CodesState) {
    if let Some(busy) = codes.busy {
        ui.label(theme::muted(ui, busy));
    }
}

fn empty_ui(ui: &mut Ui, codes: &mut CodesState, commands: &mut Commands) {
    busy_ui(ui, codes);
    let empty = EmptyState {
        icon: icons::EVALUATE,
        title: "People code texts and compare answers",
        sentence: "A study is a table of texts with a codebook, or a file of answers in pairs. You and \
                   your colleagues judge the same items by keyboard, each with a name, and see how far \
                   you agree. A colleague needs one file, and sends one back. Write your name or number \
                   above to begin.",
        actions: &[NEW, SAMPLE, PACKAGE],
    };
    match empty.show(ui) {
        Some(0) => codes.front = Front::Setup,
        Some(1) => commands.push(CodesCommand::UseSample),
        Some(_) => commands.push(CodesCommand::ChoosePackage),
        None => {}
    }
}

fn listed_ui(ui: &mut Ui, listed: &Listed, has_coder: bool, commands: &mut Commands) {
    let Listed { path, name, items, coders, problem: _ } = listed;
    card_ui(ui, |ui| {
        ui.add(Label::new(theme::title(ui, name)).truncate());
        let who = match coders.as_slice() {
            [] => "nobody has coded yet".to_owned(),
            coders => format!("coded by {}", coders.join(", ")),
        };
        ui.add(Label::new(theme::muted(ui, format!("{items} items · {who}"))).wrap());
        ui.horizontal_wrapped(|ui| {
            let open = ActionButton::primary("Code").icon(icons::PLAY);
            let open = open.add_enabled(ui, has_coder).accessible_name(format!("Code {name}"));
            let why_not = "Write your name or number as a coder first";
            if open.on_disabled_hover_text(why_not).clicked() {
                commands.push(CodesCommand::Open(path.clone()));
            }
            let folder = ActionButton::quiet("Show its folder").icon(icons::FOLDER);
            if ui.add(folder).clicked() {
                commands.push(WindowCommand::Reveal(path.clone()));
            }
        });
    });
}

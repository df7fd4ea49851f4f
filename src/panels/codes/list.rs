//! The studies of the project, or what the view is for.

use eframe::egui::{Label, ScrollArea, TextEdit, Ui};

use crate::state::codes::{CodesState, Front, Listed};
use crate::state::command::{CodesCommand, Commands, WindowCommand};
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::empty_state::EmptyState;
use crate::widgets::format;
use crate::widgets::layout::{Part, Stacked, heading_ui};
use crate::widgets::theme::{self, icons};

const NEW: &str = "New study…";
const PACKAGE: &str = "Open a coding package…";
const SAMPLE: &str = "Use the sample abstracts";

pub(super) fn list_ui(ui: &mut Ui, codes: &mut CodesState, commands: &mut Commands) {
    if codes.studies.is_empty() {
        coder_ui(ui, codes);
        ui.add_space(theme::GAP_SMALL);
        empty_ui(ui, codes, commands);
        return;
    }
    // A study is seen below the heading, or all of it scrolls.
    let whole = ui.available_height();
    let least = whole.min(theme::em(ui) * 12.0);
    Stacked::new("studies", least, whole).show(ui, |ui, part| match part {
        Part::Above => {
            coder_ui(ui, codes);
            ui.add_space(theme::GAP_SMALL);
            new_ui(ui, codes, commands);
            busy_ui(ui, codes);
        }
        Part::Rest => listed_studies_ui(ui, codes, commands),
        Part::Below => {}
    });
}

fn new_ui(ui: &mut Ui, codes: &mut CodesState, commands: &mut Commands) {
    heading_ui(ui, "Studies", |ui| {
        if ui.add(ActionButton::primary(NEW).icon(icons::ADD)).clicked() {
            codes.front = Front::Setup;
        }
        let package = ActionButton::new(PACKAGE).icon(icons::FILE);
        if ui.add(package).on_hover_text("A file that a colleague has sent you to code").clicked() {
            commands.push(CodesCommand::ChoosePackage);
        }
    });
}

fn listed_studies_ui(ui: &mut Ui, codes: &CodesState, commands: &mut Commands) {
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
        let who = who_coded(coders);
        ui.add(
            Label::new(theme::muted(
                ui,
                format!("{} · {who}", format::counted(*items, "item", "items")),
            ))
            .wrap(),
        );
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

/// `coded by Ada, Ben and 31 phones`: people by their names, and a room as a number.
fn who_coded(coders: &[String]) -> String {
    const MOST: usize = 8;
    let is_phone = |name: &&String| {
        name.rsplit_once("-phone-").is_some_and(|(_, number)| number.parse::<u32>().is_ok())
    };
    let (phones, people): (Vec<&String>, Vec<&String>) = coders.iter().partition(is_phone);
    let mut said: Vec<String> = people.iter().take(MOST).map(|name| (*name).clone()).collect();
    if let Some(more @ 1..) = people.len().checked_sub(MOST) {
        said.push(format!("{more} more"));
    }
    match phones.len() {
        0 => {}
        1 => said.push("1 phone".to_owned()),
        count => said.push(format!("{count} phones")),
    }
    match said.split_last() {
        None => "nobody has coded yet".to_owned(),
        Some((only, [])) => format!("coded by {only}"),
        Some((last, others)) => format!("coded by {} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_of_phones_is_a_number_and_not_two_hundred_names() {
        let said = |names: &[&str]| {
            who_coded(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(said(&[]), "nobody has coded yet");
        assert_eq!(said(&["Ada"]), "coded by Ada");
        assert_eq!(
            said(&["Ada", "room-P6WYFC-phone-1", "Ben", "room-P6WYFC-phone-2"]),
            "coded by Ada, Ben and 2 phones"
        );
        assert_eq!(said(&["my-phone-book"]), "coded by my-phone-book");
        let many: Vec<String> = (1..=200).map(|at| format!("room-A-phone-{at}")).collect();
        assert_eq!(who_coded(&many), "coded by 200 phones");
        let many: Vec<String> = (1..=10).map(|at| format!("c{at}")).collect();
        assert_eq!(who_coded(&many), "coded by c1, c2, c3, c4, c5, c6, c7, c8 and 2 more");
    }
}

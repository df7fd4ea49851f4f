//! How far the coders agree, and the items about which they do not, to be settled.

use eframe::egui::{Label, ScrollArea, Sides, TextEdit, Ui};

use crate::panels::annotate::arena;
use crate::state::codes::session::Session;
use crate::state::codes::{AgreementPage, AgreementTab, CodesState, Front, Rated};
use crate::state::command::{CodesCommand, Commands, WindowCommand};
use crate::study::disagreement;
use crate::study::value::Value;
use crate::widgets::button::{ActionButton, Weight};
use crate::widgets::card::{Tone, card_ui, chip_ui, titled_card_ui};
use crate::widgets::empty_state::EmptyState;
use crate::widgets::layout::{Part, Stacked};
use crate::widgets::markdown::markdown_ui;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme::{self, icons};

pub(super) fn agreement_ui(ui: &mut Ui, codes: &mut CodesState, commands: &mut Commands) {
    let mut closes = false;
    let (Some(page), Some(session)) = (&mut codes.agreement, &codes.session) else {
        codes.front = Front::Coding;
        return;
    };
    // What was settled changes the numbers, not the list that it was settled in.
    let is_wanted = match page.tab {
        AgreementTab::Numbers => true,
        AgreementTab::Disagreements => page.markdown.is_empty(),
        AgreementTab::Arena => false,
    };
    if page.is_outdated && is_wanted {
        page.is_outdated = false;
        commands.push(CodesCommand::Agreement);
    }
    if page.tab == AgreementTab::Arena && page.arena == Rated::NotYet {
        commands.push(CodesCommand::Arena);
    }
    // The numbers are seen below the buttons, or all of it scrolls.
    let whole = ui.available_height();
    let least = whole.min(theme::em(ui) * 14.0);
    let busy = codes.busy;
    Stacked::new("agreement", least, whole).show(ui, |ui, part| match part {
        Part::Above => {
            closes = bar_ui(ui, page, session.folder.is_of_pairs(), commands);
            ui.add_space(theme::GAP_SMALL);
        }
        Part::Rest => match page.tab {
            AgreementTab::Numbers => markdown_ui(ui, "agreement", &page.markdown, |_| false),
            AgreementTab::Disagreements => disagreements_ui(ui, page, session, commands),
            AgreementTab::Arena => rated_ui(ui, &page.arena),
        },
        Part::Below => {
            if let Some(busy) = busy {
                ui.label(theme::muted(ui, busy));
            }
        }
    });
    if closes {
        codes.front = Front::Coding;
    }
}

/// The two pages, and what is done with the numbers. True: back to the texts.
fn bar_ui(
    ui: &mut Ui,
    page: &mut AgreementPage,
    is_of_pairs: bool,
    commands: &mut Commands,
) -> bool {
    let mut closes = false;
    ui.horizontal_wrapped(|ui| {
        closes = ui.add(ActionButton::only_icon(icons::BACK, "Back to the texts")).clicked();
        let mut segments = vec![
            Segment {
                value: AgreementTab::Numbers,
                words: "Agreement",
                explanation: "Percent, kappa, alpha, with their intervals",
            },
            Segment {
                value: AgreementTab::Disagreements,
                words: "Disagreements",
                explanation: "Items with different codes, to be settled",
            },
        ];
        if is_of_pairs {
            segments.push(Segment {
                value: AgreementTab::Arena,
                words: "Study arena",
                explanation: "Which models the verdicts of all coders prefer",
            });
        }
        segmented_ui(ui, &mut page.tab, &segments);
        if page.tab != AgreementTab::Arena {
            let copy = ActionButton::new("Copy").icon(icons::COPY);
            if ui.add(copy).on_hover_text("The numbers as Markdown").clicked() {
                commands.push(WindowCommand::CopyText(page.markdown.clone()));
            }
        }
        if ui.add(ActionButton::new("Compute again").icon(icons::REFRESH)).clicked() {
            commands.push(match page.tab {
                AgreementTab::Arena => CodesCommand::Arena,
                AgreementTab::Numbers | AgreementTab::Disagreements => CodesCommand::Agreement,
            });
        }
        if ui.add(ActionButton::new("Merge codes of a colleague…")).clicked() {
            commands.push(CodesCommand::ChooseMerge);
        }
    });
    closes
}

/// The models behind the answers, rated by what every coder said.
fn rated_ui(ui: &mut Ui, arena: &Rated) {
    let (report, about) = match arena {
        Rated::NotYet | Rated::Asked => return, // what is computed is said below
        Rated::Problem(problem) => {
            EmptyState {
                icon: icons::ANNOTATE,
                title: "Which model is preferred?",
                sentence: problem,
                actions: &[],
            }
            .show(ui);
            return;
        }
        Rated::Ready(rated) => (&rated.report, &rated.about),
    };
    ScrollArea::vertical().id_salt("arena of a study").auto_shrink(false).show(ui, |ui| {
        ui.add(Label::new(theme::title(ui, arena::title_of(report))).wrap());
        ui.add(Label::new(theme::muted(ui, about)).wrap());
        ui.add_space(theme::GAP_SMALL);
        arena::report_ui(ui, report);
        ui.add_space(theme::GAP);
        let title = "More comparisons that would tell the most";
        titled_card_ui(ui, title, |_| {}, |ui| arena::next_pairs_ui(ui, report));
    });
}

fn disagreements_ui(
    ui: &mut Ui,
    page: &mut AgreementPage,
    session: &Session,
    commands: &mut Commands,
) {
    let count = page.disagreements.len();
    page.at = page.at.min(count.saturating_sub(1));
    let place = page.disagreements.get(page.at);
    let one = place.map(|place| disagreement::of_item(&session.folder, place.item, place.variable));
    let Some(one) = one else {
        EmptyState {
            icon: icons::DONE,
            title: "No item has different codes",
            sentence: "Either the coders agree on all that two of them have coded, or no item has \
                       codes of two coders yet.",
            actions: &[],
        }
        .show(ui);
        return;
    };
    let settled = page.disagreements.iter().filter(|one| one.is_settled).count();
    let at = page.at;
    let mut move_to = None;
    Sides::new().shrink_left().wrap().show(
        ui,
        |ui| {
            let words = format!("{} of {count} · {settled} settled", at + 1);
            ui.add(Label::new(theme::title(ui, words)).wrap());
        },
        |ui| {
            let next = ui.add_enabled(at + 1 < count, ActionButton::new("Next").icon(icons::NEXT));
            if next.clicked() {
                move_to = Some(at + 1);
            }
            let back = ui.add_enabled(at > 0, ActionButton::new("Back").icon(icons::BACK));
            if back.clicked() {
                move_to = Some(at.saturating_sub(1));
            }
        },
    );
    let Some(item) = session.folder.items.get(one.item) else { return };
    let Some(variable) = session.variables().get(one.variable) else { return };
    ScrollArea::vertical().id_salt("disagreement").auto_shrink(false).show(ui, |ui| {
        card_ui(ui, |ui| {
            ui.label(theme::muted(ui, format!("{} · {}", item.id, variable.name)));
            ui.add(Label::new(item.whole_text()).wrap());
        });
        ui.add_space(theme::GAP);
        ui.horizontal_wrapped(|ui| {
            for (coder, value, reason) in &one.codes {
                let words = format!("{coder}: {}", value.shown());
                let chip = chip_ui(ui, Tone::Neutral, None, &words);
                if !reason.is_empty() {
                    chip.on_hover_text(reason);
                }
            }
        });
        for (coder, _, reason) in one.codes.iter().filter(|(_, _, reason)| !reason.is_empty()) {
            ui.add(Label::new(theme::muted(ui, format!("{coder}: {reason}"))).wrap());
        }
        if let Some((value, reason)) = &one.settled {
            let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            let words = format!("Settled as {}{because}", value.shown());
            ui.add(Label::new(theme::strong(ui, words)).wrap());
        }
        ui.add_space(theme::GAP);
        let label = ui.label("Reason for what it is settled as");
        let field = TextEdit::singleline(&mut page.reason).desired_width(f32::INFINITY);
        ui.add(field).labelled_by(label.id);
        ui.horizontal_wrapped(|ui| {
            ui.label("Settle as");
            for value in choices(&one.codes, &variable.labels(), variable.kind.has_labels()) {
                let words = value.shown();
                let is_it = one.settled.as_ref().is_some_and(|(settled, _)| *settled == value);
                let mut button = ActionButton::new(&words);
                if is_it {
                    button = button.weight(Weight::Primary);
                }
                if ui.add(button).accessible_name(format!("Settle as {words}")).clicked() {
                    commands.push(CodesCommand::Settle {
                        item: one.item,
                        variable: one.variable,
                        value,
                        reason: page.reason.clone(),
                    });
                }
            }
        });
    });
    if let Some(at) = move_to {
        page.at = at;
        page.reason.clear();
    }
}

/// What coders have said, then the other labels.
fn choices(codes: &[(String, Value, String)], labels: &[String], has_labels: bool) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for (_, value, _) in codes.iter().filter(|(_, value, _)| value.is_known()) {
        if !found.contains(value) {
            found.push(value.clone());
        }
    }
    let are_words = codes.iter().any(|(_, value, _)| matches!(value, Value::Words(_)));
    if has_labels && are_words {
        let others = labels.iter().map(|label| Value::words(label));
        let others: Vec<Value> = others.filter(|value| !found.contains(value)).collect();
        found.extend(others);
    }
    found
}

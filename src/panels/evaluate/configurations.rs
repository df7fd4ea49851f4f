//! Every configuration that was tried with a table: what each of them says, on one scale, and which
//! of them is frozen before the test part is opened.

use eframe::egui::{ComboBox, Frame, Label, Margin, Sides, Ui};

use crate::evaluate::measures::figure::WithInterval;
use crate::evaluate::report::configurations::{OfTable, Tried};
use crate::evaluate::task::split::Part;
use crate::state::command::{Commands, EvaluateCommand};
use crate::state::evaluate::EvaluateState;
use crate::widgets::button::ActionButton;
use crate::widgets::card::{Tone, card_ui, chip_ui};
use crate::widgets::choice::value_ui;
use crate::widgets::dot_plot::{Dot, dot_ui, scale};
use crate::widgets::layout::{inset_ui, scrolled_ui};
use crate::widgets::theme::{self, icons};

const RIGHT: &str = "right answers";
const BITS: &str = "bits per byte";

pub(super) fn configurations_ui(
    ui: &mut Ui,
    evaluate: &mut EvaluateState,
    commands: &mut Commands,
) {
    let busy = evaluate.asking.is_some();
    let Some(page) = &mut evaluate.configurations else { return };
    let mut closes = false;
    let margin = Margin { left: 16, right: 0, top: 12, bottom: 0 };
    Frame::new().inner_margin(margin).show(ui, |ui| {
        let Some(of_table) = page.tables.get(page.table) else { return };
        let numbers = numbers(of_table);
        page.number = page.number.min(numbers.len().saturating_sub(1));
        inset_ui(ui, |ui| {
            ui.horizontal_wrapped(|ui| {
                closes = ui.add(ActionButton::only_icon(icons::BACK, "All evaluations")).clicked();
                let names: Vec<&str> =
                    page.tables.iter().map(|of_table| of_table.table.as_str()).collect();
                choice_ui(ui, "Table", &names, &mut page.table);
                let names: Vec<&str> = numbers.iter().map(String::as_str).collect();
                choice_ui(ui, "Number", &names, &mut page.number);
            });
            let count = match of_table.count() {
                1 => "One configuration was".to_owned(),
                count => format!("{count} configurations were"),
            };
            let words = format!(
                "{count} tried. Whoever reads the result wants to know how much it depends on the \
                 one that was chosen.{}",
                what_next(of_table)
            );
            ui.add(Label::new(theme::muted(ui, words)).wrap());
        });
        ui.add_space(theme::GAP_SMALL);
        let Some(number) = numbers.get(page.number) else { return };
        let dots = of_table.tried.iter().filter_map(|tried| dot(figure(tried, number)?));
        let ends = scale(dots);
        scrolled_ui(ui, "configurations", |ui| {
            for tried in &of_table.tried {
                ui.push_id(&tried.folder, |ui| {
                    card_ui(ui, |ui| tried_ui(ui, tried, number, ends, busy, commands));
                });
                ui.add_space(theme::GAP_SMALL);
            }
        });
    });
    if closes {
        evaluate.configurations = None;
    }
}

/// What is to be done about the rows that are kept for the end, where there are some.
fn what_next(of_table: &OfTable) -> &'static str {
    let has = |part| of_table.tried.iter().any(|tried| tried.part == Some(part));
    match (has(Part::Development), has(Part::Test)) {
        (_, true) => " The test part has been opened.",
        (true, false) => " Freeze one before you open the test part.",
        (false, false) => "",
    }
}

fn choice_ui(ui: &mut Ui, name: &str, choices: &[&str], chosen: &mut usize) {
    let combo = ComboBox::from_id_salt(name)
        .selected_text(choices.get(*chosen).copied().unwrap_or_default())
        .width(theme::em(ui) * 12.0)
        .truncate()
        .show_ui(ui, |ui| {
            for (place, words) in choices.iter().enumerate() {
                value_ui(ui, chosen, place, words);
            }
        });
    combo.response.accessible_name(name);
}

/// What can be compared: how many answers are right, and the share of each label.
fn numbers(of_table: &OfTable) -> Vec<String> {
    let mut numbers = Vec::new();
    if of_table.tried.iter().any(|tried| tried.accuracy.is_some()) {
        numbers.push(RIGHT.to_owned());
    }
    if of_table.tried.iter().any(|tried| tried.bits_per_byte.is_some()) {
        numbers.push(BITS.to_owned());
    }
    for (label, _) in of_table.tried.iter().flat_map(|tried| &tried.shares) {
        let words = share_of(label);
        if !numbers.contains(&words) {
            numbers.push(words);
        }
    }
    numbers
}

fn share_of(label: &str) -> String {
    format!("share of {label}")
}

fn figure<'a>(tried: &'a Tried, number: &str) -> Option<&'a WithInterval> {
    if number == RIGHT {
        return tried.accuracy.as_ref();
    }
    if number == BITS {
        return tried.bits_per_byte.as_ref();
    }
    let found = tried.shares.iter().find(|(label, _)| share_of(label) == number);
    found.map(|(_, share)| share)
}

fn dot(figure: &WithInterval) -> Option<Dot> {
    let value = figure.value.value?;
    Some(Dot { value, ends: figure.low.zip(figure.high) })
}

fn tried_ui(
    ui: &mut Ui,
    tried: &Tried,
    number: &str,
    ends: (f64, f64),
    busy: bool,
    commands: &mut Commands,
) {
    Sides::new().shrink_left().truncate().show(
        ui,
        |ui| ui.add(Label::new(theme::strong(ui, tried.name.as_str())).truncate()),
        |ui| {
            if let Some(standing) = tried.standing {
                let tone = if standing == "frozen" { Tone::Chosen } else { Tone::Problem };
                chip_ui(ui, tone, None, standing);
            }
            if let Some(part) = tried.part {
                chip_ui(ui, Tone::Info, None, part.words());
            }
        },
    );
    let adapter = if tried.has_adapter { " with an adapter" } else { "" };
    let about = format!(
        "{} · {}{adapter} · {} of {} rows · {}",
        tried.configuration, tried.model, tried.answered, tried.rows, tried.settings
    );
    ui.add(Label::new(theme::muted(ui, about)).wrap());
    let why_not = match figure(tried, number) {
        None => "It has no such number".to_owned(),
        Some(figure) => figure.value.because.clone().unwrap_or_default(),
    };
    if let Some(dot) = figure(tried, number).and_then(dot) {
        let interval = dot
            .ends
            .map_or(String::new(), |(low, high)| format!(", 95 % interval {low:.3} to {high:.3}"));
        let said = format!("{number}: {:.3}{interval}", dot.value);
        dot_ui(ui, dot, ends, &said);
        ui.add(Label::new(said).wrap());
    } else {
        ui.add(Label::new(theme::muted(ui, why_not)).wrap());
    }
    ui.horizontal_wrapped(|ui| {
        if tried.part == Some(Part::Development) {
            let is_frozen = tried.standing == Some("frozen");
            if is_frozen {
                let open = ActionButton::new("Open the test part").icon(icons::PLAY);
                let hint = "The rows that were kept for the end, asked with this configuration";
                let open = ui.add_enabled(!busy, open).on_hover_text(hint);
                if open.clicked() {
                    commands.push(EvaluateCommand::OpenTestPart(tried.folder.clone()));
                }
            } else {
                let freeze = ActionButton::new("Freeze this one").icon(icons::DONE);
                let hint = "Writes down that this is the configuration for the test part, before \
                            that is opened";
                if ui.add(freeze).on_hover_text(hint).clicked() {
                    commands.push(EvaluateCommand::Freeze(tried.folder.clone()));
                }
            }
        }
        let show = ActionButton::quiet("Show the rows").icon(icons::LOOK);
        if ui.add_enabled(!busy, show).clicked() {
            commands.push(EvaluateCommand::OpenKept(tried.folder.clone()));
        }
    });
}

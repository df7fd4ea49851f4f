//! Lists of minimal pairs: the form, and what models have made of the list, beside each other.

use eframe::egui::{ComboBox, Grid, Label, ScrollArea, TextEdit, Ui, vec2};

use super::heading;
use super::page::{Page, beside_ui, scrolled_part};
use crate::explore::pair_set::{AnswerEstimate, Estimate, PLACE, PairSetView};
use crate::state::command::{Commands, LookInsideCommand, PairSetCommand};
use crate::state::look_inside::pair_set::PairSetState;
use crate::state::look_inside::view::View;
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::choice::entry_ui;
use crate::widgets::dot_plot::{Dot, dot_ui, scale};
use crate::widgets::format;
use crate::widgets::theme;
use crate::widgets::theme::icons;
use crate::widgets::token_flow::visible_whitespace;

pub fn pair_set_ui(ui: &mut Ui, list: &mut PairSetState, page: Page, commands: &mut Commands) {
    card_ui(ui, |ui| {
        ui.add(Label::new(theme::title(ui, View::PairSet.question())).wrap());
        heading::help_ui(ui, View::PairSet);
        file_ui(ui, list, commands);
        ui.add_space(theme::GAP_SMALL);
        let room = page.room(ui, 0.0);
        let results = list.results().to_vec();
        let main = |ui: &mut Ui| {
            let area = scrolled_part("pair list results", room);
            area.show(ui, |ui| results_ui(ui, list, &results));
        };
        let mut form = (list.templates.clone(), list.pairs.clone(), list.answers.clone());
        let detail = |ui: &mut Ui| {
            let area = scrolled_part("pair list form", room);
            area.show(ui, |ui| {
                let hint = format!("The {PLACE} worked as a");
                field_ui(
                    ui,
                    ("Templates", &hint),
                    &mut form.0,
                    "Each line a text, up to where the model goes on",
                );
                field_ui(
                    ui,
                    ("Pairs", "man / woman"),
                    &mut form.1,
                    "Each line two words with a slash between them",
                );
                let about = "Each line what the model could say next. A space is put before each";
                field_ui(ui, ("Answers", "nurse"), &mut form.2, about);
            });
        };
        beside_ui(ui, main, detail);
        (list.templates, list.pairs, list.answers) = form;
    });
}

fn field_ui(ui: &mut Ui, (name, hint): (&str, &str), text: &mut String, about: &str) {
    let label = ui.label(theme::strong(ui, name)).on_hover_text(about);
    let field = TextEdit::multiline(text).hint_text(hint).desired_rows(4);
    ui.add(field.desired_width(f32::INFINITY)).labelled_by(label.id).on_hover_text(about);
    ui.add_space(theme::GAP_SMALL);
}

/// The list's name, the lists of the project, and the buttons.
fn file_ui(ui: &mut Ui, list: &mut PairSetState, commands: &mut Commands) {
    ui.horizontal_wrapped(|ui| {
        let name = ui.label("Name");
        let field = TextEdit::singleline(&mut list.name).hint_text("work");
        ui.add(field.desired_width(theme::em(ui) * 10.0)).labelled_by(name.id);
        let can_save = !list.name.trim().is_empty() && list.set().check().is_ok();
        let save = ActionButton::quiet("Save in the project")
            .icon(icons::EXPORT)
            .add_enabled(ui, can_save);
        let save = save.on_disabled_hover_text("Give it a name, templates and pairs first");
        let about = "As a plain file, in testsets/. What models make of it is kept beside it";
        if save.on_hover_text(about).clicked() {
            commands.push(PairSetCommand::Save);
        }
        let combo = ComboBox::from_id_salt("pair lists").selected_text("Open a list…");
        let combo = combo.width(theme::em(ui) * 8.0).show_ui(ui, |ui| {
            for (name, path) in &list.known {
                if entry_ui(ui, false, name).clicked() {
                    commands.push(PairSetCommand::Open(path.clone()));
                }
            }
            if list.known.is_empty() {
                ui.label(theme::muted(ui, "The project has none yet"));
            }
        });
        let opened = combo.response.accessible_name("Lists of the project");
        if opened.clicked() {
            commands.push(PairSetCommand::Refresh);
        }
        if list.running.is_running() {
            let stop = ActionButton::new("Stop").icon(icons::STOP).shortcut("Esc");
            if ui.add(stop).clicked() {
                commands.push(LookInsideCommand::Stop);
            }
        } else {
            let obstacle = list.obstacle();
            let run = ActionButton::primary("Run on this model").icon(icons::LOOK);
            let run = run.add_enabled(ui, obstacle.is_none());
            if run.on_disabled_hover_text(obstacle.unwrap_or_default()).clicked() {
                commands.push(PairSetCommand::Run);
            }
        }
        if list.templates.is_empty()
            && list.pairs.is_empty()
            && ui.add(ActionButton::quiet("An example")).clicked()
        {
            list.use_example();
        }
    });
}

fn results_ui(ui: &mut Ui, list: &PairSetState, results: &[PairSetView]) {
    if list.running.is_running() {
        heading::ready_or_why_ui(ui, &list.running);
        ui.add_space(theme::GAP_SMALL);
    }
    if results.is_empty() {
        heading::hint_ui(
            ui,
            "Write templates and pairs, and run the list. Load another model and run it again: the results \
             stand beside each other.",
        );
        return;
    }
    let changed = results.first().is_some_and(|newest| newest.set != list.set());
    if changed {
        heading::hint_ui(ui, "The list has changed since it was run.");
    }
    for view in results {
        whole_ui(ui, view);
    }
    let Some(first) = results.first().filter(|first| !first.answers.is_empty()) else { return };
    ui.add_space(theme::GAP_SMALL);
    let words = "How much likelier each answer is after the first word of a pair (right) than after the second \
                 (left), in bits: the mean over all templates and pairs, with its 95 % interval over templates.";
    heading::hint_ui(ui, words);
    let dots = results.iter().flat_map(|view| &view.answers).map(|answer| dot(&answer.difference));
    let range = scale(dots.chain([Dot { value: 0.0, ends: None }]));
    for (at, answer) in first.answers.iter().enumerate() {
        ui.add_space(theme::GAP_SMALL);
        ui.add(Label::new(theme::strong(ui, visible_whitespace(&answer.answer))).wrap());
        let of_same = results.iter().filter(|view| view.set == first.set);
        for view in of_same {
            if let Some(answer) = view.answers.get(at) {
                answer_ui(ui, view, answer, range);
            }
        }
    }
    pairs_ui(ui, first);
}

/// How far apart the predictions are.
fn whole_ui(ui: &mut Ui, view: &PairSetView) {
    let words = format!(
        "{}: {} prompts, total variation {}{}, KL {:.3} bits",
        named(view),
        format::count(2 * view.rows.len()),
        format::percent(view.total_variation.mean as f32),
        view.total_variation
            .interval
            .map(|[low, high]| {
                format!(" ({} to {})", format::percent(low as f32), format::percent(high as f32))
            })
            .unwrap_or_default(),
        view.kl_ab.mean / std::f64::consts::LN_2
    );
    ui.add(Label::new(theme::strong(ui, words)).wrap());
}

fn named(view: &PairSetView) -> String {
    match &view.adapter {
        Some(adapter) => format!("{} with {adapter}", view.model),
        None => view.model.clone(),
    }
}

/// In bits.
fn dot(estimate: &Estimate) -> Dot {
    let bits = |nats: f64| nats / std::f64::consts::LN_2;
    let ends = estimate.interval.map(|[low, high]| (bits(low), bits(high)));
    Dot { value: bits(estimate.mean), ends }
}

fn answer_ui(ui: &mut Ui, view: &PairSetView, answer: &AnswerEstimate, range: (f64, f64)) {
    let found = dot(&answer.difference);
    let ends = found
        .ends
        .map(|(low, high)| format!(" ({} to {})", format::signed(low), format::signed(high)));
    let said = format!(
        "{}: {} bits{} · {} after the first word, {} after the second",
        named(view),
        format::signed(found.value),
        ends.unwrap_or_default(),
        format::percent(answer.probability_a as f32),
        format::percent(answer.probability_b as f32)
    );
    dot_ui(ui, found, range, &said);
    ui.add(Label::new(theme::muted(ui, said)).wrap());
}

/// Which pairs change most.
fn pairs_ui(ui: &mut Ui, view: &PairSetView) {
    let Ok(words) = view.set.check() else { return };
    ui.add_space(theme::GAP);
    ui.add(Label::new(theme::title(ui, "Each pair")).wrap());
    // Wider than its column where templates are long: it must not push the form out of the window.
    ScrollArea::horizontal().id_salt("pairs of the list").show(ui, |ui| {
        Grid::new("pairs of the list").striped(true).spacing(vec2(theme::GAP_LARGE, 3.0)).show(
            ui,
            |ui| {
                for name in [
                    "Pair",
                    "Template",
                    "Total variation",
                    "Likelier after the first",
                    "after the second",
                ] {
                    ui.label(theme::strong(ui, name));
                }
                ui.end_row();
                for row in &view.rows {
                    let [a, b] = words[row.pair];
                    ui.label(format!("{a} / {b}"));
                    ui.label(&view.set.templates[row.template]);
                    ui.label(format::percent(row.divergence.total_variation as f32));
                    for pair in [row.candidates.first(), row.candidates.last()] {
                        let token = pair.map(|pair| visible_whitespace(&pair.token));
                        ui.label(theme::number(token.unwrap_or_default()));
                    }
                    ui.end_row();
                }
            },
        );
    });
}

//! One row: its whole text, the probability of every option, what people said, what the model saw.

use eframe::egui::{
    CollapsingHeader, Frame, Label, Margin, Rect, ScrollArea, Sense, Sides, TextStyle, Ui,
    WidgetInfo, pos2, vec2,
};

use super::grid::{said_by_people, text_of};
use super::perplexity::likelihood_ui;
use super::prompt;
use crate::evaluate::measures::field_scores::is_same;
use crate::evaluate::results::answered::Answered;
use crate::evaluate::results::written::{Written, cell};
use crate::evaluate::rows::passages::Excerpt;
use crate::evaluate::rows::question::Question;
use crate::evaluate::task::scale::LabelScale;
use crate::evaluate::task::survey::Surveyed;
use crate::panels::train::fields::problem_ui;
use crate::state::command::Commands;
use crate::state::evaluate::EvaluateState;
use crate::state::slots::Surroundings;
use crate::widgets::button::ActionButton;
use crate::widgets::format;
use crate::widgets::one_line::one_line;
use crate::widgets::theme::{self, icons};

pub(super) fn detail_ui(
    ui: &mut Ui,
    evaluate: &mut EvaluateState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    let p = theme::palette(ui);
    let frame = Frame::new()
        .fill(p.card)
        .stroke(eframe::egui::Stroke::new(theme::HAIRLINE, p.line))
        .corner_radius(theme::CARD_RADIUS)
        .inner_margin(Margin::symmetric(12, 8));
    ui.add_space(theme::GAP);
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.set_height(ui.available_height());
        let Some(open) = &mut evaluate.open else { return };
        let Some(question) = open.selected().cloned() else { return };
        let row = question.row.place.row;
        let ((), (by, closes)) = Sides::new().shrink_left().truncate().show(
            ui,
            |ui| {
                ui.label(theme::title(ui, format!("Row {row}")));
            },
            |ui| {
                let close = ActionButton::only_icon(icons::CLOSE, "Close the row");
                let closes = ui.add(close).clicked();
                let next = ui.add(ActionButton::only_icon(icons::DOWN, "Next row")).clicked();
                let last = ui.add(ActionButton::only_icon(icons::UP, "Last row")).clicked();
                (isize::from(next) - isize::from(last), closes)
            },
        );
        if by != 0 {
            open.grid.step(&open.prepared.questions, by);
        }
        if closes {
            open.grid.selected = None;
        }
        let answered = open.answers.get(&row).cloned();
        let coders = open.coders.clone();
        let first = open.prepared.form.first(&open.as_asked(&question));
        let scale = open.prepared.questions.codebook.as_ref().and_then(LabelScale::of);
        let awaits_passages = open.awaits_passages(&question);
        let scores = open.prepared.task.perplexity.as_ref().map(|it| it.chat);
        // Another id for each row: a reader begins at the top.
        let area = ScrollArea::vertical().id_salt(("row", row)).auto_shrink(false);
        area.show(ui, |ui| {
            if let Some(answered) = &answered {
                answer_ui(ui, &question, answered, scale.as_ref());
                people_ui(ui, &question, answered, &coders);
            }
            ui.add(Label::new(&*text_of(&question)).wrap());
            for name in ["first", "second"] {
                if let Some(text) = question.part(name) {
                    ui.label(theme::muted(ui, format!("{name} answer")));
                    ui.add(Label::new(&*text).wrap());
                }
            }
            CollapsingHeader::new("What the model saw").id_salt("seen").show(
                ui,
                |ui| match first {
                    Ok(first) if scores.is_some() => {
                        prompt::scored_ui(ui, &first.content, scores == Some(true));
                    }
                    Ok(first) => {
                        prompt::seen_ui(ui, evaluate, &first.content, around, commands);
                        if awaits_passages {
                            prompt::awaits_passages_ui(ui);
                        }
                    }
                    Err(problem) => problem_ui(ui, &problem.to_string()),
                },
            );
        });
    });
}

/// A bar for each option.
fn answer_ui(ui: &mut Ui, question: &Question, answered: &Answered, scale: Option<&LabelScale>) {
    if let Some(problem) = &answered.problem {
        problem_ui(ui, problem);
        return;
    }
    if let Some(text) = &answered.scored {
        likelihood_ui(ui, text, answered.cut);
        return;
    }
    if let Some(written) = &answered.written {
        written_ui(ui, answered, written);
        return;
    }
    if answered.approximate {
        let p = theme::palette(ui);
        let words = "Approximate: the model wrote this answer; the server gives no probabilities of the \
                     options";
        ui.label(theme::strong(ui, answered.answer.as_deref().unwrap_or_default()));
        ui.add(Label::new(eframe::egui::RichText::new(words).color(p.rejected)).wrap());
        if let Some(same) = answered.same_answer {
            let share = format::percent(same as f32);
            ui.label(theme::muted(ui, format!("the same answer in {share} of the orders")));
        }
        return;
    }
    let font = TextStyle::Body.resolve(ui.style());
    let em = theme::em(ui);
    let longest = question.options.iter().map(|option| option.trim().chars().count()).max();
    let most = ui.available_width() * 0.45;
    let name = (longest.unwrap_or(0) as f32 * em * 0.6 + theme::GAP).clamp(em * 3.0, most);
    for (index, option) in question.options.iter().enumerate() {
        let share = answered.probabilities.get(index).copied().unwrap_or(0.0);
        let p = theme::palette(ui);
        let size = vec2(ui.available_width(), (em * 1.6).round());
        let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
        let number = format::percent(share as f32);
        let words = format!("{}: {number}", option.trim());
        let role = eframe::egui::accesskit::Role::Label;
        response.widget_info(|| WidgetInfo::labeled(role, true, &words));
        let applies = answered.several.as_ref().map(|several| several.applies.contains(&index));
        let is_answer = applies.unwrap_or_else(|| answered.index == Some(index));
        let ink = if is_answer { p.strong } else { p.text };
        let label = one_line(ui, option.trim(), font.clone(), ink, name - theme::GAP);
        let digits = eframe::egui::FontId::monospace(font.size * 0.92);
        let number = one_line(ui, &number, digits, ink, em * 5.0);
        let middle = rect.center().y;
        let painter = ui.painter();
        let left = rect.left() + name;
        let room = (rect.right() - left - em * 5.0).max(0.0);
        let height = em * 0.7;
        let bar = |width: f32| {
            Rect::from_min_size(pos2(left, middle - height / 2.0), vec2(width, height))
        };
        painter.rect_filled(bar(room), 2.0, p.raised_press);
        let color = if is_answer { p.accent } else { p.outline };
        painter.rect_filled(bar(room * share as f32), 2.0, color);
        let y = middle - label.size().y / 2.0;
        painter.galley(pos2(rect.left(), y), label, ink);
        let x = rect.right() - number.size().x - 4.0;
        painter.galley(pos2(x, middle - number.size().y / 2.0), number, ink);
        response.on_hover_text(option.trim());
    }
    if let Some(surveyed) = &answered.surveyed {
        ways_ui(ui, question, surveyed);
        return;
    }
    let mut said = Vec::new();
    if answered.answer.as_deref() == Some("tie") && answered.index == Some(question.options.len()) {
        said.push("tie: the two orders disagree".to_owned());
    }
    if let Some(expected) = scale.and_then(|scale| scale.expected(&answered.probabilities)) {
        said.push(format!("expected value {expected:.2}"));
    }
    let of = if answered.several.is_some() { ", mean over the labels" } else { "" };
    said.push(format!("entropy {:.2} bits{of}", answered.entropy));
    let options = if answered.several.is_some() { "yes and no" } else { "the options" };
    let mass = format::percent(answered.mass as f32);
    said.push(format!("{options} are {mass} of what it could say"));
    if let Some(same) = answered.same_answer {
        said.push(format!("the same answer in {} of the orders", format::percent(same as f32)));
    }
    if let Some(cut) = answered.cut {
        said.push(format!("{} tokens at the text's end did not fit", format::count(cut)));
    }
    ui.add(Label::new(theme::muted(ui, said.join(" · "))).wrap());
}

/// The answer to an item of a survey as it was read in every way; the bars are those of the first.
fn ways_ui(ui: &mut Ui, question: &Question, surveyed: &Surveyed) {
    for (manner, found) in &surveyed.ways {
        let shares = question.options.iter().zip(&found.probabilities);
        let mut said: Vec<String> = shares
            .map(|(option, share)| format!("{} {}", option.trim(), format::percent(*share as f32)))
            .collect();
        if found.probabilities.is_empty() {
            said.push("none of the options was said".to_owned());
        }
        said.push(format!("anything else {}", format::percent(found.other as f32)));
        let words = format!("{}: {}", manner.words(), said.join(" · "));
        ui.add(Label::new(theme::muted(ui, words)).wrap());
    }
}

/// A text, or its fields, each beside what a person wrote.
fn written_ui(ui: &mut Ui, answered: &Answered, written: &Written) {
    let p = theme::palette(ui);
    if written.fields.is_empty() {
        let answer = answered.answer.as_deref().unwrap_or_default();
        ui.add(Label::new(theme::strong(ui, answer)).wrap());
        for (name, text) in &written.people {
            ui.label(theme::muted(ui, format!("reference · {name}")));
            ui.add(Label::new(text).wrap());
        }
    }
    for (name, value) in &written.fields {
        let shown = if value.is_null() { "null".to_owned() } else { cell(value) };
        ui.horizontal_wrapped(|ui| {
            ui.label(theme::muted(ui, format!("{name}:")));
            ui.add(Label::new(theme::strong(ui, shown)).wrap());
            // An empty label would send what follows back to the beginning of the line.
            match written.quotes.get(name) {
                Some(true) => _ = ui.label(theme::muted(ui, "these words are in the text")),
                Some(false) => _ = ui.colored_label(p.problem, "these words are not in the text"),
                None => {}
            }
            if written.disagree.contains(name) {
                ui.colored_label(p.rejected, "windows differ");
            }
            if let Some(person) = written.people.get(name) {
                let ink = if is_same(value, person) { p.muted } else { p.rejected };
                ui.colored_label(ink, format!("by hand: {person}"));
            }
        });
    }
    if let Some(excerpt) = &written.excerpt {
        passages_ui(ui, excerpt);
    }
    if !written.windows.is_empty() {
        windows_ui(ui, written);
    }
    let mut said = vec![format!("{} tokens", format::count(written.tokens))];
    if written.ended_early {
        said.push("it came to the end of its room and was ended there".to_owned());
    }
    if let Some(cut) = answered.cut {
        said.push(format!("{} tokens at the text's end did not fit", format::count(cut)));
    }
    ui.add(Label::new(theme::muted(ui, said.join(" · "))).wrap());
}

/// What of a document the answer rests on, with how well each passage fits the question.
fn passages_ui(ui: &mut Ui, excerpt: &Excerpt) {
    ui.add(Label::new(theme::muted(ui, excerpt.sentence())).wrap());
    let title = match excerpt.ranking {
        Some(ranking) => format!("Passages, with their {}", ranking.words()),
        None => "Passages".to_owned(),
    };
    CollapsingHeader::new(title).id_salt("passages").default_open(true).show(ui, |ui| {
        for passage in &excerpt.passages {
            let score = passage.score.map(|score| format!(" · {score:.3}")).unwrap_or_default();
            ui.label(theme::strong(ui, format!("Passage {}{score}", passage.number)));
            ui.add(Label::new(&passage.text).wrap());
        }
    });
}

/// What was read out of each window of a long text, from which the fields were merged.
fn windows_ui(ui: &mut Ui, written: &Written) {
    let p = theme::palette(ui);
    let count = written.windows.len();
    let title = match written.disagree.as_slice() {
        [] => format!("{count} windows, which agree"),
        names => format!("{count} windows, which differ in {}", names.join(", ")),
    };
    let differ = !written.disagree.is_empty();
    CollapsingHeader::new(title).id_salt("windows").default_open(differ).show(ui, |ui| {
        for (window, number) in written.windows.iter().zip(1..) {
            let (from, to) = (format::count(window.from + 1), format::count(window.to));
            let words = format!("Window {number} · characters {from} to {to}");
            ui.label(theme::strong(ui, words));
            if let Some(problem) = &window.problem {
                problem_ui(ui, problem);
            }
            for (name, value) in &window.fields {
                let shown = if value.is_null() { "null".to_owned() } else { cell(value) };
                let is_apart = written.disagree.contains(name) && !value.is_null();
                let ink = if is_apart { p.rejected } else { p.muted };
                let missing = match window.quotes.get(name) {
                    Some(false) => " (these words are not in the window)",
                    _ => "",
                };
                let words = format!("{name}: {shown}{missing}");
                ui.add(Label::new(eframe::egui::RichText::new(words).color(ink)).wrap());
            }
        }
    });
}

fn people_ui(ui: &mut Ui, question: &Question, answered: &Answered, coders: &[String]) {
    let said: Vec<String> = coders
        .iter()
        .zip(said_by_people(question, answered))
        .map(|(coder, (said, _))| format!("{coder}: {said}"))
        .collect();
    if !said.is_empty() {
        ui.add(Label::new(format!("Said by people · {}", said.join(" · "))).wrap());
    }
}

//! The two answers, in cards of equal size: as they are written or as Markdown, with what only one of
//! them has, both scrolled at once.

use std::ops::Range;

use eframe::egui::text::LayoutJob;
use eframe::egui::{Align, Label, Layout, ScrollArea, TextFormat, TextStyle, Ui};

use crate::state::annotate::{AnnotateState, Phase, Side};
use crate::widgets::card;
use crate::widgets::markdown::markdown_ui;
use crate::widgets::theme;

/// Lines of an answer that are read at once, at least.
const LEAST_LINES: f32 = 4.0;

/// The frame's margin, above and below.
const MARGIN: f32 = 34.0;

/// Lines of an answer are apart by so much, in em.
const LINE: f32 = 1.5;

/// So high are answers of which a few lines can be read: a title, and these lines.
pub fn least_height(ui: &Ui) -> f32 {
    let em = theme::em(ui);
    let row = ui.spacing().interact_size.y + ui.spacing().item_spacing.y;
    // In a narrow column what is noted of an answer stands below its title.
    let rows = if ui.available_width() < em * 40.0 { 2.0 } else { 1.0 };
    MARGIN + row * rows + em * LINE * LEAST_LINES + theme::GAP_SMALL
}

pub(super) fn answers_ui(ui: &mut Ui, annotate: &mut AnnotateState, height: f32) {
    let differences = if annotate.shown.differences { annotate.differences() } else { None };
    // Both begin where the other one is; whichever is scrolled decides.
    let shared = annotate.shown.together.then_some(annotate.shown.offset);
    let mut scrolled = None;
    ui.columns(2, |columns| {
        let sides = [(Side::Left, "Left answer"), (Side::Right, "Right answer")];
        for (at, (ui, (side, name))) in columns.iter_mut().zip(sides).enumerate() {
            let places = differences.as_ref().map(|sides| sides[at].as_slice());
            card::card_ui(ui, |ui| {
                ui.set_height((height - MARGIN).max(0.0));
                title_ui(ui, annotate, side, name);
                let answer = annotate.answer(side);
                let is_ready = matches!(annotate.phase(), Phase::Ready { .. });
                if annotate.shown.markdown && is_ready && places.is_none() {
                    markdown_ui(ui, name, &answer.text, |_| false);
                    return;
                }
                // Another id once it is complete: a reader begins at the top.
                let writing = annotate.is_answering();
                let mut area = ScrollArea::vertical()
                    .id_salt((name, writing))
                    .auto_shrink(false)
                    .stick_to_bottom(writing);
                if let Some(offset) = shared {
                    area = area.vertical_scroll_offset(offset);
                }
                let drawn = area.show(ui, |ui| text_ui(ui, annotate, side, places));
                if let Some(offset) = shared {
                    let most = (drawn.content_size.y - drawn.inner_rect.height()).max(0.0);
                    let found = drawn.state.clamped_offset().y;
                    if (found - offset.min(most)).abs() > 0.5 {
                        scrolled = Some(found);
                    }
                }
            });
        }
    });
    if let Some(offset) = scrolled {
        annotate.shown.offset = offset;
    }
}

fn title_ui(ui: &mut Ui, annotate: &AnnotateState, side: Side, name: &str) {
    let note = match annotate.answer(side).stop.as_deref() {
        Some("length") => "cut at max new tokens",
        Some("context_full") => "cut: the context is full",
        Some("stopped") => "stopped",
        _ => "",
    };
    // Under the name where a column is narrow: it must not push the column wider.
    card::title_row_ui(ui, name, |ui| {
        if !note.is_empty() {
            ui.label(theme::muted(ui, note));
        }
    });
}

fn text_ui(ui: &mut Ui, annotate: &AnnotateState, side: Side, places: Option<&[Range<usize>]>) {
    // A column is justified, which tears a text apart.
    ui.with_layout(Layout::top_down(Align::Min), |ui| {
        let answer = annotate.answer(side);
        let line_height = theme::em(ui) * LINE;
        if answer.text.is_empty() {
            let words = placeholder(annotate.phase(), answer.stop.is_some());
            ui.add(Label::new(theme::muted(ui, words).line_height(Some(line_height))).wrap());
            return;
        }
        if let Some(places) = places {
            let job = marked(ui, &answer.text, places, line_height);
            ui.add(Label::new(job).wrap());
        } else {
            let text = eframe::egui::RichText::new(&answer.text);
            ui.add(Label::new(text.line_height(Some(line_height))).wrap());
        }
    });
}

/// The text with what only it has underlined, on a ground of its own.
pub fn marked(ui: &Ui, text: &str, places: &[Range<usize>], line_height: f32) -> LayoutJob {
    let p = theme::palette(ui);
    let plain = TextFormat {
        font_id: TextStyle::Body.resolve(ui.style()),
        color: ui.visuals().text_color(),
        line_height: Some(line_height),
        ..TextFormat::default()
    };
    let own = TextFormat {
        color: p.info,
        background: p.info_soft,
        underline: eframe::egui::Stroke::new(1.0, p.info),
        ..plain.clone()
    };
    let mut job = LayoutJob::default();
    let mut done = 0;
    for place in places {
        job.append(&text[done..place.start], 0.0, plain.clone());
        job.append(&text[place.clone()], 0.0, own.clone());
        done = place.end;
    }
    job.append(&text[done..], 0.0, plain);
    job
}

/// What stands in an answer that has no text.
fn placeholder(phase: Phase, is_done: bool) -> &'static str {
    match phase {
        _ if is_done => "(an empty answer)",
        Phase::Answering => "…",
        Phase::Waiting | Phase::Halted | Phase::Ready { .. } => "No answer yet",
    }
}

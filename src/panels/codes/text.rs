//! The text in front. Where places in it are coded, its words can be marked and labelled places are
//! shown on a ground.

use eframe::egui::text::{LayoutJob, TextFormat};
use eframe::egui::{self, Color32, Key, Label, Modifiers, ScrollArea, Sense, Stroke, Ui, vec2};

use super::role::role_words;
use crate::state::codes::session::Session;
use crate::state::codes::words::words_of;
use crate::study::value::{Span, Value};
use crate::study::variable::Kind;
use crate::widgets::card::{Tone, card_ui, chip_ui};
use crate::widgets::layout;
use crate::widgets::theme;

pub(super) fn text_ui(ui: &mut Ui, session: &mut Session, height: f32) {
    let Some(item) = session.item().cloned() else { return };
    let pass = session.slot().map_or(1, |slot| slot.pass);
    let of_spans = session.variables().iter().position(|variable| variable.kind == Kind::Spans);
    card_ui(ui, |ui| {
        let margin = 34.0; // the frame's, above and below
        ui.set_height((height - margin).max(theme::em(ui) * 4.0));
        if let Some(words) = role_words(item.role) {
            chip_ui(ui, Tone::Info, None, words);
        }
        // Another text begins at its top.
        let area = ScrollArea::vertical().id_salt((&item.id, pass)).auto_shrink(false);
        area.show(ui, |ui| {
            ui.set_width(ui.available_width());
            if !layout::is_covered(ui.ctx()) {
                page_ui(ui);
            }
            match of_spans {
                None => {
                    let line_height = theme::em(ui) * 1.5;
                    let text = egui::RichText::new(&item.text).line_height(Some(line_height));
                    ui.add(Label::new(text.size(theme::em(ui) * 1.05)).wrap());
                }
                Some(place) => marked_text_ui(ui, session, place, &item.text),
            }
        });
    });
}

/// Page Down and Page Up go through a text that is longer than its place.
fn page_ui(ui: &Ui) {
    let page = ui.clip_rect().height() * 0.85; // the last lines stay, to be found again
    for (key, way) in [(Key::PageDown, -1.0), (Key::PageUp, 1.0)] {
        if ui.input_mut(|input| input.consume_key(Modifiers::NONE, key)) {
            ui.scroll_with_delta(vec2(0.0, way * page));
        }
    }
}

fn marked_text_ui(ui: &mut Ui, session: &mut Session, place: usize, text: &str) {
    let spans: Vec<Span> = match &session.draft.values[place] {
        Some(Value::Spans(spans)) => spans.clone(),
        _ => Vec::new(),
    };
    let words = words_of(text);
    let marked = session
        .draft
        .words
        .and_then(|(from, to)| Some((words.get(from.min(to))?.0, words.get(from.max(to))?.1)));
    let job = job(ui, text, &spans, marked);
    let galley = ui.painter().layout_job(job);
    let (rect, response) = ui.allocate_exact_size(galley.size(), Sense::click());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Label, true, text));
    if response.clicked()
        && let Some(pointer) = response.interact_pointer_pos()
    {
        let at = galley.cursor_from_pos(pointer - rect.min).index.0;
        let word = words.iter().position(|(_, end)| at < *end);
        if let Some(word) = word {
            let extends = ui.input(|input| input.modifiers.shift);
            session.draft.words = Some(match session.draft.words {
                Some((from, _)) if extends => (from, word),
                _ => (word, word),
            });
            session.draft.question = place;
        }
    }
    ui.painter().galley(rect.min, galley, theme::palette(ui).text);
    ui.add_space(theme::GAP);
    let letters: Vec<char> = text.chars().collect();
    for span in &spans {
        let said: String = letters[span.start..span.end.min(letters.len())].iter().collect();
        ui.add(Label::new(theme::muted(ui, format!("{}: “{said}”", span.label))).wrap());
    }
}

/// The text with labelled places on a ground and what is marked underlined.
fn job(ui: &Ui, text: &str, spans: &[Span], marked: Option<(usize, usize)>) -> LayoutJob {
    let p = theme::palette(ui);
    let font = egui::FontId::proportional(theme::em(ui) * 1.05);
    let mut job = LayoutJob::default();
    job.wrap.max_width = ui.available_width();
    let letters: Vec<char> = text.chars().collect();
    let mut ends: Vec<usize> = spans.iter().flat_map(|span| [span.start, span.end]).collect();
    ends.extend(marked.iter().flat_map(|(start, end)| [*start, *end]));
    ends.extend([0, letters.len()]);
    ends.retain(|end| *end <= letters.len());
    ends.sort_unstable();
    ends.dedup();
    for part in ends.windows(2) {
        let (start, end) = (part[0], part[1]);
        let is_in = |from: usize, to: usize| from <= start && end <= to;
        let labelled = spans.iter().any(|span| is_in(span.start, span.end));
        let is_marked = marked.is_some_and(|(from, to)| is_in(from, to));
        let format = TextFormat {
            font_id: font.clone(),
            color: p.text,
            line_height: Some(theme::em(ui) * 1.6),
            background: if labelled { p.accent_soft } else { Color32::TRANSPARENT },
            underline: if is_marked { Stroke::new(2.0, p.accent) } else { Stroke::NONE },
            ..TextFormat::default()
        };
        let words: String = letters[start..end].iter().collect();
        job.append(&words, 0.0, format);
    }
    job
}

//! All prompts of the queue with what was said of them, to go to any of them.

use eframe::egui::{self, Align, Button, Layout, RichText, ScrollArea, Ui};

use crate::data::pair::{Text, Verdict};
use crate::state::annotate::{AnnotateState, Mark};
use crate::state::command::{AnnotateCommand, Commands};
use crate::widgets::button::ActionButton;
use crate::widgets::card;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme::{self, icons};

/// Which of them are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Filter {
    #[default]
    All,
    Open,
    Flagged,
}

pub(super) fn list_ui(ui: &Ui, annotate: &mut AnnotateState, commands: &mut Commands) {
    if !annotate.lists {
        return;
    }
    let filter_id = egui::Id::unique("annotate list filter");
    let mut filter: Filter = ui.data(|data| data.get_temp(filter_id)).unwrap_or_default();
    let mut picked = None;
    let mut closes = false;
    let modal = egui::Modal::new(egui::Id::unique("annotate list")).frame(card::frame(ui));
    let modal = modal.show(ui.ctx(), |ui| {
        let screen = ui.ctx().content_rect();
        ui.set_width((theme::em(ui) * 44.0).min(screen.width() - 96.0));
        ui.horizontal_wrapped(|ui| {
            let segments =
                [(Filter::All, "All"), (Filter::Open, "Not judged"), (Filter::Flagged, "Flagged")]
                    .map(|(value, words)| Segment {
                        value,
                        words,
                        explanation: "Which are listed",
                    });
            segmented_ui(ui, &mut filter, &segments);
            closes =
                ui.add(ActionButton::quiet("Close").icon(icons::CLOSE).shortcut("Esc")).clicked();
        });
        ui.add_space(theme::GAP_SMALL);
        let (_, count) = annotate.progress();
        let mark = |at: usize| annotate.listed(at).and_then(|(_, mark)| mark);
        let listed: Vec<usize> = match filter {
            Filter::All => (0..count).collect(),
            Filter::Open => (0..count).filter(|at| mark(*at).is_none()).collect(),
            Filter::Flagged => {
                (0..count).filter(|at| mark(*at).is_some_and(|mark| mark.flagged)).collect()
            }
        };
        if listed.is_empty() {
            ui.label(theme::muted(ui, "There are none"));
            return;
        }
        let height = (screen.height() - 200.0).max(theme::em(ui) * 6.0);
        let row = ui.spacing().interact_size.y;
        let area = ScrollArea::vertical().max_height(height).min_scrolled_height(height);
        let (front, _) = annotate.place();
        area.auto_shrink([false, true]).show_rows(ui, row, listed.len(), |ui, rows| {
            for at in &listed[rows] {
                let Some((prompt, mark)) = annotate.listed(*at) else { continue };
                let words = row_words(*at, prompt, mark);
                let text = RichText::new(words);
                let button = Button::selectable(*at == front, text).truncate();
                let layout = Layout::top_down_justified(Align::LEFT);
                let button = button.min_size(egui::vec2(0.0, row));
                if ui.with_layout(layout, |ui| ui.add(button)).inner.clicked() {
                    picked = Some(*at);
                }
            }
        });
    });
    ui.data_mut(|data| data.insert_temp(filter_id, filter));
    if let Some(position) = picked {
        commands.push(AnnotateCommand::GoTo(position));
    }
    if closes || picked.is_some() || modal.should_close() {
        annotate.lists = false;
    }
}

/// `12 · left is better · flagged · What is a DOI?`
fn row_words(at: usize, prompt: &Text, mark: Option<Mark>) -> String {
    let said = mark.map_or("not judged", |mark| verdict_words(mark.verdict));
    let flagged = if mark.is_some_and(|mark| mark.flagged) { " · flagged" } else { "" };
    let words = prompt.words();
    let start: String = words.chars().take(160).collect();
    let start: Vec<&str> = start.split_whitespace().collect();
    format!("{} · {said}{flagged} · {}", at + 1, start.join(" "))
}

pub(super) fn verdict_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Left => "left is better",
        Verdict::Right => "right is better",
        Verdict::Tie => "tie",
        Verdict::BothBad => "both bad",
        Verdict::Skip => "skipped",
    }
}

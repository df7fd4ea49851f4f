//! The settings of the view in front: those that hold for it, and no others.

use eframe::egui::Ui;

use crate::panels::sampling;
use crate::seq2seq::EarlyStopping;
use crate::state::playground::PlaygroundState;
use crate::state::playground::seq2seq::{BeamsState, Seq2SeqView};
use crate::state::prefs::Prefs;
use crate::widgets::card::card_ui;
use crate::widgets::slider_row::SliderRow;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme;

pub(super) fn settings_ui(ui: &mut Ui, playground: &mut PlaygroundState, prefs: &mut Prefs) {
    card_ui(ui, |ui| {
        ui.label(theme::title(ui, "Settings"));
        if playground.seq2seq.view == Seq2SeqView::Beams {
            beams_ui(ui, &mut playground.seq2seq.beams);
            sampling::penalties_ui(ui, &mut prefs.sampling);
            ui.separator();
            sampling::length_ui(ui, prefs);
            return;
        }
        sampling::sampling_ui(ui, &mut prefs.sampling);
        ui.separator();
        sampling::length_ui(ui, prefs);
        sampling::seed_ui(ui, playground);
        if playground.seq2seq.view == Seq2SeqView::Answer {
            sampling::speed_ui(ui, &mut playground.speed);
        }
    });
}

fn beams_ui(ui: &mut Ui, beams: &mut BeamsState) {
    let about = "How many answers run side by side. At each step the likeliest continuations of all of \
                 them are kept";
    SliderRow::new("Beams", about, 1.0..=10.0)
        .limits(1.0..=64.0)
        .decimals(0)
        .show(ui, &mut beams.beams);
    let about = "A score is the sum of log-probabilities over the length to this power. Sums are \
                 negative: above 0 longer answers are favoured, below 0 shorter ones";
    SliderRow::new("Length penalty", about, -2.0..=3.0)
        .limits(-10.0..=10.0)
        .off_at(0.0)
        .show(ui, &mut beams.length_penalty);
    ui.label("Ends");
    let segment = |value, words, explanation| Segment { value, words, explanation };
    let segments = [
        segment(
            EarlyStopping::Heuristic,
            "usually",
            "When the best running answer, at its length now, is not above the worst that has ended \
             (early_stopping=False)",
        ),
        segment(
            EarlyStopping::AsSoonAsFull,
            "soon",
            "As soon as as many answers have ended as there are beams (early_stopping=True)",
        ),
        segment(
            EarlyStopping::Never,
            "late",
            "Only when no longer answer could be better (early_stopping=\"never\")",
        ),
    ];
    segmented_ui(ui, &mut beams.early_stopping, &segments);
}

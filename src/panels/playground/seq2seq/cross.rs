//! Where the decoder looked in the text that was read, when it wrote each token of the answer.

use std::f32::consts::FRAC_PI_2;

use eframe::egui;
use eframe::egui::accesskit::Role;
use eframe::egui::epaint::TextShape;
use eframe::egui::{
    Color32, Id, Label, Pos2, Rect, Sense, Stroke, StrokeKind, TextStyle, Ui, WidgetInfo, pos2,
    vec2,
};

use super::answer::{Caption, piece_words, source_ui, written_ui};
use super::shared::hint_ui;
use crate::explore::read_write::{CrossView, Source};
use crate::state::playground::seq2seq::{Seq2SeqState, Seq2SeqView};
use crate::widgets::card::card_ui;
use crate::widgets::format;
use crate::widgets::one_line::one_line;
use crate::widgets::pixel_map::{PictureKey, texture};
use crate::widgets::slider_row::SliderRow;
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme;
use crate::widgets::token_flow::visible_whitespace;

pub(super) fn cross_ui(ui: &mut Ui, state: &mut Seq2SeqState) {
    if state.answer.is_empty() {
        hint_ui(
            ui,
            "Write a text and press “Write an answer”. Then every token of the answer shows where the decoder looked \
             in the text when it chose that token.",
        );
        return;
    }
    card_ui(ui, |ui| {
        ui.add(Label::new(theme::title(ui, Seq2SeqView::CrossAttention.question())).wrap());
        hint_ui(
            ui,
            "Each row sums to 100 %. A share says where a head looked, not why the token was chosen.",
        );
        let Some(view) = state.cross.view.clone() else {
            let words = if state.doing.is_some() {
                "It is computed once the answer is written."
            } else if state.cross.is_asked {
                "It is computed…"
            } else {
                "Nothing is computed yet."
            };
            hint_ui(ui, words);
            return;
        };
        controls_ui(ui, state, &view);
        let head = state.cross.head.filter(|head| *head < view.heads);
        let Some(map) = state.cross.map() else { return };
        ui.add(Label::new(theme::strong(ui, "The answer: click a token")).wrap());
        written_ui(ui, state, Caption::None);
        let selected = state.cross.selected.filter(|at| *at < view.answer.len());
        let row = selected.map(|at| &map[at * view.source.len()..][..view.source.len()]);
        ui.add_space(theme::GAP_SMALL);
        let words = if selected.is_some() {
            "What was read: the more it was looked at, the darker"
        } else {
            "What was read"
        };
        ui.add(Label::new(theme::strong(ui, words)).wrap());
        let source = Source { pieces: view.source.clone(), is_cut: false };
        let mixed = (state.number() << 24) ^ (view.layer as u64) << 12;
        source_ui(ui, "looked at", &source, (mixed, row));
        ui.add_space(theme::GAP_SMALL);
        let key = PictureKey {
            version: mixed ^ view.answer.len() as u64,
            part: head.map_or(0, |head| head + 1),
            variant: 0,
        };
        map_ui(ui, state, &view, (&map, key));
    });
}

fn controls_ui(ui: &mut Ui, state: &mut Seq2SeqState, view: &CrossView) {
    let width = ui.available_width().min(theme::em(ui) * 36.0);
    ui.allocate_ui(vec2(width, 0.0), |ui| {
        let last = view.layer_count.saturating_sub(1);
        let mut layer = state.cross.layer.min(last);
        let about = "Of the decoder, counted from 0, as transformers counts them";
        SliderRow::new("Layer", about, 0.0..=last as f64).decimals(0).show(ui, &mut layer);
        state.look_at_layer(layer);
        let mut is_mean = state.cross.head.is_none();
        let segments = [
            Segment {
                value: true,
                words: "All heads",
                explanation: "The mean of the layer's heads",
            },
            Segment {
                value: false,
                words: "One head",
                explanation: "Heads look at different things",
            },
        ];
        if segmented_ui(ui, &mut is_mean, &segments) {
            state.cross.head = (!is_mean).then_some(0);
        }
        if let Some(head) = &mut state.cross.head {
            let last = view.heads.saturating_sub(1);
            *head = (*head).min(last);
            let about = "Counted from 0";
            SliderRow::new("Head", about, 0.0..=last as f64).decimals(0).show(ui, head);
        }
    });
    ui.add_space(theme::GAP_SMALL);
}

/// A row a token of the answer, a column a token that was read.
fn map_ui(
    ui: &mut Ui,
    state: &mut Seq2SeqState,
    view: &CrossView,
    (map, key): (&[f32], PictureKey),
) {
    let em = theme::em(ui);
    let small = TextStyle::Small.resolve(ui.style());
    let p = theme::palette(ui);
    let [columns, rows] = [view.source.len(), view.answer.len()];
    let side = em * 6.5;
    let head = em * 5.0;
    let line = small.size * 1.45;
    let slot =
        ((ui.available_width() - side - 4.0) / columns.max(1) as f32).clamp(line, line * 2.0);
    let size = vec2(side + slot * columns as f32, head + line * rows as f32);
    let most = em * 34.0;
    let area = egui::ScrollArea::both().id_salt("cross map").max_height(most);
    // The page scrolls too: the map is not to be squeezed into what is left of it.
    let area = area.min_scrolled_height(size.y.min(most));
    let mut words = None;
    area.auto_shrink([false, true]).show(ui, |ui| {
        let (whole, response) = ui.allocate_exact_size(size, Sense::click());
        response.widget_info(|| {
            WidgetInfo::labeled(Role::GraphicsSymbol, true, "Map of the cross-attention")
        });
        let rect = Rect::from_min_max(whole.min + vec2(side, head), whole.max);
        let id = Id::unique("cross-attention map");
        let texture = texture(ui, id, key, [columns, rows], || map.to_vec());
        let all = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));
        let painter = ui.painter();
        painter.image(texture.id(), rect, all, Color32::WHITE);
        painter.rect_stroke(rect, 0.0, Stroke::new(1.0, p.line), StrokeKind::Outside);
        let place = response.hover_pos().filter(|at| rect.contains(*at)).map(|at| {
            let offset = at - rect.min;
            let row = ((offset.y / line).max(0.0) as usize).min(rows - 1);
            (row, ((offset.x / slot).max(0.0) as usize).min(columns - 1))
        });
        let focus = place.map(|(row, _)| row).or(state.cross.selected);
        for (at, piece) in view.answer.iter().enumerate() {
            let top = rect.top() + line * at as f32;
            let ink = if focus == Some(at) { p.accent } else { p.text };
            let text = visible_whitespace(&piece.token);
            let galley = one_line(ui, &text, small.clone(), ink, side - 6.0);
            let x = rect.left() - 4.0 - galley.size().x;
            painter.galley(pos2(x, top + (line - galley.size().y) / 2.0), galley, ink);
        }
        for (at, piece) in view.source.iter().enumerate() {
            let is_pointed = place.is_some_and(|(_, column)| column == at);
            let ink = if is_pointed { p.accent } else { p.text };
            let text = visible_whitespace(&piece.token);
            let galley = one_line(ui, &text, small.clone(), ink, head - 6.0);
            // Turned upwards: its left end stands at the foot.
            let x = rect.left() + slot * (at as f32 + 0.5) - galley.size().y / 2.0;
            let shape = TextShape::new(pos2(x, rect.top() - 4.0), galley, ink);
            painter.add(shape.with_angle(-FRAC_PI_2));
        }
        if let Some(row) = focus.filter(|row| *row < rows) {
            let top = rect.top() + line * row as f32;
            let band = Rect::from_min_size(pos2(rect.left(), top), vec2(rect.width(), line));
            painter.rect_stroke(band, 0.0, Stroke::new(1.5, p.accent), StrokeKind::Outside);
        }
        words = place.map(|(row, column)| pair_words(view, map, row, column));
        if response.clicked()
            && let Some((row, _)) = place
        {
            state.cross.selected = (state.cross.selected != Some(row)).then_some(row);
        }
    });
    let words = words
        .or_else(|| {
            let row = state.cross.selected.filter(|row| *row < rows)?;
            let weights = &map[row * columns..][..columns];
            let best =
                (0..columns).max_by(|one, other| weights[*one].total_cmp(&weights[*other]))?;
            Some(format!("Most: {}", pair_words(view, map, row, best)))
        })
        .unwrap_or_else(|| "Point at the map, or click a token of the answer".to_owned());
    ui.add(Label::new(theme::number(words)).wrap());
    hint_ui(
        ui,
        "Rows are tokens of the answer, columns tokens that were read; colour by the square root of the \
         share",
    );
}

/// `3 ␣people · id 237 looks at 12 ␣many · id 84: 34.2 %`.
fn pair_words(view: &CrossView, map: &[f32], row: usize, column: usize) -> String {
    let share = map[row * view.source.len() + column];
    format!(
        "{} {} looks at {} {}: {}",
        row + 1,
        piece_words(&view.answer[row], false),
        column + 1,
        piece_words(&view.source[column], false),
        format::percent(share)
    )
}

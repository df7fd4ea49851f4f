//! Meaning: the words of a list where they lie, and along an axis between two groups of anchors.

use eframe::egui::accesskit::Role;
use eframe::egui::{
    Color32, Id, Label, Pos2, Rect, Sense, Stroke, StrokeKind, TextEdit, TextStyle, Ui, WidgetInfo,
    pos2, vec2,
};

use super::heading;
use super::page::{Page, beside_ui, scrolled_part};
use crate::explore::word_map::{AxisView, WordsView};
use crate::llm::card::ModelCard;
use crate::state::look_inside::LookInsideState;
use crate::state::look_inside::meaning::{FEWEST_ITEMS, MOST_ITEMS, listed};
use crate::state::look_inside::view::View;
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::dot_plot::{self, Dot, dot_ui};
use crate::widgets::format;
use crate::widgets::one_line::one_line;
use crate::widgets::pixel_map::{PictureKey, square_texture};
use crate::widgets::slider_row::SliderRow;
use crate::widgets::theme;
use crate::widgets::word_places::{Sizes, is_far, word_places};

/// Ours, in place of the list.
const EXAMPLE: [&str; 3] = [
    "nurse, engineer, teacher, pilot, cook, judge, dancer, soldier, poet, plumber",
    "woman, girl, mother",
    "man, boy, father",
];

/// True: the list is to be looked at.
pub fn meaning_ui(ui: &mut Ui, look: &mut LookInsideState, model: &ModelCard, page: Page) -> bool {
    let mut asked = false;
    card_ui(ui, |ui| {
        ui.add(Label::new(theme::title(ui, View::Meaning.question())).wrap());
        heading::help_ui(ui, View::Meaning);
        asked = controls_ui(ui, look, model.facts.layer_count);
        let count = listed(&look.text).len();
        if count < FEWEST_ITEMS {
            let words = format!(
                "The list has {}; a map needs {FEWEST_ITEMS}",
                format::counted(count, "item", "items")
            );
            heading::hint_ui(ui, &words);
            return;
        }
        if count > MOST_ITEMS {
            let words = format!(
                "The first {MOST_ITEMS} of {} items. For more, put them into a table: Map of texts",
                format::count(count)
            );
            heading::hint_ui(ui, &words);
        }
        let version = look.meaning.version;
        let Some(view) = heading::ready_or_why_ui(ui, &look.meaning.view) else { return };
        let main = |ui: &mut Ui| map_ui(ui, view, page.picture_room(ui));
        let detail = |ui: &mut Ui| {
            scrolled_part("words beside the map", page.picture_room(ui)).show(ui, |ui| {
                if let Some(axis) = &view.axis {
                    axis_ui(ui, view, axis);
                }
                cosines_ui(ui, view, version);
            });
        };
        beside_ui(ui, main, detail);
    });
    asked
}

/// True: the list is to be looked at.
fn controls_ui(ui: &mut Ui, look: &mut LookInsideState, layer_count: usize) -> bool {
    let example = ActionButton::quiet("Occupations between two groups");
    let asked = look.text.trim().is_empty() && ui.add(example).clicked();
    if asked {
        let [items, from, to] = EXAMPLE.map(str::to_owned);
        (look.text, look.meaning.from, look.meaning.to) = (items, from, to);
    }
    let mut layer = look.meaning.layer(layer_count);
    let width = ui.available_width().min(theme::em(ui) * 36.0);
    ui.allocate_ui(vec2(width, 0.0), |ui| {
        let about = "0 is the embedding, and each number what that layer gives. Two thirds up is where what \
                     words mean shows best";
        let slider = SliderRow::new("Layer", about, 0.0..=layer_count as f64).decimals(0);
        if slider.show(ui, &mut layer).changed() {
            look.meaning.layer = Some(layer);
        }
    });
    let mut left = false;
    ui.horizontal_wrapped(|ui| {
        let em = theme::em(ui);
        let mut field = |ui: &mut Ui, name: &str, hint: &str, width: f32, text: &mut String| {
            ui.label(name);
            let field = TextEdit::singleline(text).desired_width(em * width).hint_text(hint);
            left |= ui.add(field).accessible_name(name).lost_focus();
        };
        let meaning = &mut look.meaning;
        field(ui, "Before each", "nothing", 9.0, &mut meaning.before);
        field(ui, "Axis from", "woman, girl", 11.0, &mut meaning.from);
        field(ui, "to", "man, boy", 11.0, &mut meaning.to);
    });
    // A slider that is dragged asks once it rests; a field once it is left.
    let rests = !ui.input(|input| input.pointer.any_down()) && !ui.ctx().text_edit_focused();
    let request = look.words_request();
    let is_other = request.is_some_and(|request| look.meaning.is_outdated(&request));
    if is_other && (left || rests) && !look.meaning.view.is_empty() {
        look.meaning.begin();
    }
    ui.add_space(theme::GAP_SMALL);
    asked
}

/// Words where they lie.
fn map_ui(ui: &mut Ui, view: &WordsView, room: f32) {
    let p = theme::palette(ui);
    let em = theme::em(ui);
    let font = TextStyle::Body.resolve(ui.style());
    let size = vec2(ui.available_width(), (room - 2.0 * em).max(em * 12.0));
    let (whole, response) = ui.allocate_exact_size(size, Sense::hover());
    response.widget_info(|| {
        WidgetInfo::labeled(Role::GraphicsSymbol, true, format!("Map of {}", view.items.join(", ")))
    });
    if ui.is_rect_visible(whole) {
        let painter = ui.painter_at(whole);
        painter.rect_stroke(whole, 0.0, Stroke::new(1.0, p.line), StrokeKind::Inside);
        let galleys: Vec<_> = view
            .items
            .iter()
            .map(|item| one_line(ui, item, font.clone(), p.text, em * 14.0))
            .collect();
        let widest = galleys.iter().map(|galley| galley.size().x).fold(0.0, f32::max);
        let inside = whole.shrink2(vec2((widest / 2.0 + em).min(size.x * 0.3), em * 2.2));
        let range = |axis: usize| {
            let values = view.coordinates.iter().map(|place| place[axis]);
            let least = values.clone().fold(f64::INFINITY, f64::min);
            (least, (values.fold(f64::NEG_INFINITY, f64::max) - least).max(1e-9))
        };
        let ranges = [range(0), range(1)];
        let dot = |place: &[f64; 2]| {
            let share = |axis: usize| ((place[axis] - ranges[axis].0) / ranges[axis].1) as f32;
            pos2(
                inside.left() + share(0) * inside.width(),
                inside.bottom() - share(1) * inside.height(),
            )
        };
        let words: Vec<(Pos2, _)> = view
            .coordinates
            .iter()
            .zip(&galleys)
            .map(|(place, galley)| (dot(place), galley.size()))
            .collect();
        let line = font.size * 1.3;
        let places = word_places(whole, &words, Sizes { line, gap: em * 0.6, dot: em * 0.6 });
        for ((galley, (dot, _)), place) in galleys.into_iter().zip(words).zip(places) {
            if is_far(place, dot, line) {
                painter.line_segment([dot, place.center()], Stroke::new(1.0, p.outline));
                painter.rect_filled(place, 0.0, p.card);
            }
            painter.circle_filled(dot, em * 0.28, p.accent);
            painter.galley(place.min, galley, p.text);
        }
    }
    let [one, other] = view.variance_share;
    let words = format!(
        "Layer {}; the two directions hold {} and {} of all differences",
        view.layer,
        format::percent(one as f32),
        format::percent(other as f32)
    );
    ui.add(Label::new(theme::muted(ui, words)).wrap());
}

/// Where each item lies between the two groups.
fn axis_ui(ui: &mut Ui, view: &WordsView, axis: &AxisView) {
    ui.add(Label::new(theme::strong(ui, "Between the two groups")).wrap());
    let dots: Vec<Dot> = axis
        .along
        .iter()
        .map(|along| Dot { value: along.position, ends: along.interval })
        .collect();
    let scale = dot_plot::scale(dots.iter().copied());
    let mut order: Vec<usize> = (0..dots.len()).collect();
    order.sort_by(|one, other| dots[*one].value.total_cmp(&dots[*other].value));
    let em = theme::em(ui);
    for at in order {
        let said = match dots[at].ends {
            Some((low, high)) => {
                format!("{}: {:.2} ({low:.2} to {high:.2})", view.items[at], dots[at].value)
            }
            None => format!("{}: {:.2}", view.items[at], dots[at].value),
        };
        ui.horizontal(|ui| {
            let (rect, _) = ui.allocate_exact_size(vec2(em * 7.0, em * 1.4), Sense::hover());
            let font = TextStyle::Body.resolve(ui.style());
            let ink = theme::palette(ui).text;
            let words = one_line(ui, &view.items[at], font, ink, rect.width());
            let y = rect.center().y - words.size().y / 2.0;
            ui.painter().galley(pos2(rect.left(), y), words, ink);
            dot_ui(ui, dots[at], scale, &said);
        });
    }
    let words = format!(
        "-1 is the mean of {}, 1 that of {}. The lines are 95 % intervals over anchors that are drawn anew: \
         how much a place depends on which anchors were chosen.",
        axis.from.join(", "),
        axis.to.join(", ")
    );
    heading::hint_ui(ui, &words);
    ui.add_space(theme::GAP);
}

/// How near each two lie.
fn cosines_ui(ui: &mut Ui, view: &WordsView, version: u64) {
    let p = theme::palette(ui);
    ui.add(Label::new(theme::strong(ui, "Cosine of each two")).wrap());
    let count = view.items.len();
    let side = ui.available_width().min(theme::em(ui) * 18.0);
    let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::hover());
    response
        .widget_info(|| WidgetInfo::labeled(Role::GraphicsSymbol, true, "Matrix of the cosines"));
    let known = view.cosine.iter().flatten().copied().flatten();
    let least = known.fold(1.0_f64, f64::min).min(0.999);
    let shares = || {
        let share = |cosine: &Option<f64>| {
            let share = (cosine.unwrap_or(least) - least) / (1.0 - least);
            share.clamp(0.0, 1.0).powi(2) as f32
        };
        view.cosine.iter().flatten().map(share).collect()
    };
    let key = PictureKey { version, part: 0, variant: 0 };
    let texture = square_texture(ui, Id::unique("cosines of words"), key, count, shares);
    let full = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));
    ui.painter().image(texture.id(), rect, full, Color32::WHITE);
    ui.painter().rect_stroke(rect, 0.0, Stroke::new(1.0, p.outline), StrokeKind::Outside);
    let slot = side / count.max(1) as f32;
    let place = |offset: f32| ((offset / slot).max(0.0) as usize).min(count.saturating_sub(1));
    let pointed =
        response.hover_pos().map(|at| (place(at.y - rect.top()), place(at.x - rect.left())));
    let words = match pointed {
        Some((row, column)) => {
            let cosine =
                view.cosine[row][column].map_or_else(|| "none".to_owned(), |it| format!("{it:.3}"));
            format!("{cosine} · {} · {}", view.items[row], view.items[column])
        }
        None => format!(
            "From {least:.2} (pale) to 1 (dark), in the order of the list. Point at a field"
        ),
    };
    ui.add(Label::new(theme::muted(ui, words)).wrap());
}

//! Choices: on or off, and one of a few.

use eframe::egui;
use eframe::egui::accesskit::Role;
use eframe::egui::containers::menu::MenuButton;
use eframe::egui::{Button, Frame, Margin, Response, Sense, Stroke, Ui, Vec2, WidgetInfo};

use super::icons;
use super::theme;

/// Between two segments, and around them.
const GAP: f32 = 2.0;

/// A switch with its name beside it. The response says whether it was flipped.
pub fn switch_ui(ui: &mut Ui, on: &mut bool, name: &str, explanation: &str) -> Response {
    let p = theme::palette(ui);
    let em = theme::em(ui);
    let row = ui.horizontal(|ui| {
        let size = Vec2::new(em * 2.0, em * 1.15);
        let (rect, mut response) = ui.allocate_exact_size(size, Sense::click());
        let label = egui::Label::new(name).selectable(false).sense(Sense::click());
        let label = ui.add(label).on_hover_text(explanation);
        if response.clicked() || (label.clicked() && ui.is_enabled()) {
            *on = !*on;
            response.mark_changed();
        }
        response.widget_info(|| WidgetInfo::selected(Role::Switch, ui.is_enabled(), *on, name));
        if ui.is_rect_visible(rect) {
            let radius = rect.height() / 2.0;
            let hovered = response.hovered() || label.hovered();
            let track = match (*on, hovered) {
                (true, true) => p.accent_hover,
                (true, false) => p.accent,
                (false, true) => p.muted,
                (false, false) => p.outline,
            };
            let position = ui.ctx().animate_bool_responsive(response.id, *on);
            let x = egui::lerp(rect.left() + radius..=rect.right() - radius, position);
            let painter = ui.painter();
            painter.rect_filled(rect, radius, track);
            let knob = if *on { p.on_accent } else { p.card };
            painter.circle_filled(egui::pos2(x, rect.center().y), radius - 3.0, knob);
            if response.has_focus() {
                let stroke = Stroke::new(2.0, p.strong);
                painter.rect_stroke(rect.expand(2.0), radius, stroke, egui::StrokeKind::Outside);
            }
        }
        response.on_hover_text(explanation)
    });
    row.inner
}

/// One option of a [`segmented_ui`].
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a, T> {
    pub value: T,
    pub words: &'a str,
    pub explanation: &'a str,
}

/// One of a few, side by side. True: another one was picked.
pub fn segmented_ui<T: Copy + PartialEq>(
    ui: &mut Ui,
    value: &mut T,
    segments: &[Segment<'_, T>],
) -> bool {
    let mut changed = false;
    let frame = segments_frame(ui);
    // A frame does not wrap by itself, and one that is too wide pushes all that follows with it.
    let wraps = ui.layout().main_wrap;
    let has_neighbour = ui.cursor().left() > ui.max_rect().left() + 1.0;
    // Before wrapping: `available_width` is that of a whole row.
    let room = ui.available_size_before_wrap().x;
    if wraps && has_neighbour && room < segments_width(ui, segments) {
        ui.end_row();
    }
    frame.show(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            tighten(ui);
            // Read from left to right where a row is filled from its right end, too.
            let from_right = ui.layout().prefer_right_to_left();
            for at in 0..segments.len() {
                let segment = &segments[if from_right { segments.len() - 1 - at } else { at }];
                changed |= segment_ui(ui, value, segment);
            }
        });
    });
    changed
}

/// As [`segmented_ui`] in a single row, however many there are: those that have no room are in a menu at its
/// end, which has the name of the one that is picked, else `more`.
pub fn segmented_row_ui<T: Copy + PartialEq>(
    ui: &mut Ui,
    value: &mut T,
    segments: &[Segment<'_, T>],
    more: &str,
) -> bool {
    let room = ui.available_width();
    if segments_width(ui, segments) <= room {
        return segmented_ui(ui, value, segments);
    }
    let shown = shown_count(ui, segments, more, room);
    let (shown, others) = segments.split_at(shown);
    let p = theme::palette(ui);
    let mut changed = false;
    segments_frame(ui).show(ui, |ui| {
        ui.horizontal(|ui| {
            tighten(ui);
            for segment in shown {
                changed |= segment_ui(ui, value, segment);
            }
            let picked = others.iter().find(|segment| segment.value == *value);
            let (words, ink) = picked.map_or((more, p.muted), |segment| (segment.words, p.strong));
            let icon = theme::icon(ui, icons::MORE).color(ink);
            let mut button =
                Button::selectable(picked.is_some(), (egui::RichText::new(words).color(ink), icon));
            if picked.is_some() {
                button = button.fill(p.card).stroke(Stroke::new(theme::HAIRLINE, p.outline));
            }
            let (button, _) = MenuButton::from_button(button).ui(ui, |ui| {
                for segment in others {
                    let button = Button::selectable(*value == segment.value, segment.words);
                    if ui.add(button).on_hover_text(segment.explanation).clicked() {
                        changed |= *value != segment.value;
                        *value = segment.value;
                        ui.close();
                    }
                }
            });
            let name = picked.map_or_else(|| more.to_owned(), |it| format!("{more}: {}", it.words));
            button.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
        });
    });
    changed
}

/// One of them, to be picked with a click. True: it was.
fn segment_ui<T: Copy + PartialEq>(ui: &mut Ui, value: &mut T, segment: &Segment<'_, T>) -> bool {
    let p = theme::palette(ui);
    let selected = *value == segment.value;
    let ink = if selected { p.strong } else { p.muted };
    let text = egui::RichText::new(segment.words).color(ink);
    let mut button = Button::selectable(selected, text);
    if selected {
        button = button.fill(p.card).stroke(Stroke::new(theme::HAIRLINE, p.outline));
    }
    let is_picked = ui.add(button).on_hover_text(segment.explanation).clicked() && !selected;
    if is_picked {
        *value = segment.value;
    }
    is_picked
}

/// How many of them are in the row beside the menu. The menu is as wide as the longest name in it, so that
/// nothing moves when one of them is picked.
fn shown_count<T>(ui: &Ui, segments: &[Segment<'_, T>], more: &str, room: f32) -> usize {
    let of = |words: &str| words_width(ui, words) + ui.spacing().button_padding.x * 2.0 + GAP;
    let icon = theme::em(ui) * 1.4 + ui.spacing().icon_spacing;
    let menu = |shown: usize| {
        segments[shown..].iter().map(|segment| of(segment.words)).fold(of(more), f32::max) + icon
    };
    let row = |shown: usize| segments[..shown].iter().map(|segment| of(segment.words)).sum::<f32>();
    (0..segments.len())
        .rev()
        .find(|shown| row(*shown) + menu(*shown) + 2.0 * GAP <= room)
        .unwrap_or(0)
}

fn segments_frame(ui: &Ui) -> Frame {
    let p = theme::palette(ui);
    Frame::new().fill(p.raised).corner_radius(theme::CONTROL_RADIUS).inner_margin(Margin::same(2))
}

/// Segments are a little lower than buttons, and stand close to each other.
fn tighten(ui: &mut Ui) {
    ui.spacing_mut().item_spacing = Vec2::splat(GAP);
    let height = ui.spacing().interact_size.y - 4.0;
    ui.spacing_mut().interact_size.y = height;
    ui.spacing_mut().button_padding.y = 2.0;
}

/// How wide the segments are in one row, with their frame.
fn segments_width<T>(ui: &Ui, segments: &[Segment<'_, T>]) -> f32 {
    let padding = ui.spacing().button_padding.x * 2.0 + GAP;
    segments.iter().map(|segment| words_width(ui, segment.words) + padding).sum::<f32>() + 2.0 * GAP
}

fn words_width(ui: &Ui, words: &str) -> f32 {
    let font = egui::TextStyle::Button.resolve(ui.style());
    ui.painter().layout_no_wrap(words.to_owned(), font, ui.visuals().text_color()).size().x
}

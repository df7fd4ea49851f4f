//! What is listed beside the map: nearest texts, or those that were drawn around.

use eframe::egui::{Label, ScrollArea, Sense, TextStyle, Ui};

use crate::state::look_inside::map::{Listed, MapState, Mapped};
use crate::widgets::button::ActionButton;
use crate::widgets::format;
use crate::widgets::icons;
use crate::widgets::point_map::mark_ui;
use crate::widgets::theme;

/// Labels that the legend names.
const NAMED: usize = 24;

/// What the colours and shapes mean.
pub(super) fn legend_ui(ui: &mut Ui, map: &MapState, made: &Mapped) {
    if map.legend.is_empty() {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        for (number, name) in map.legend.iter().take(NAMED).enumerate() {
            mark_ui(ui, Some(number));
            ui.label(name.chars().take(40).collect::<String>());
        }
        if map.legend.len() > NAMED {
            let words = format!("and {} more", map.legend.len() - NAMED);
            ui.label(theme::muted(ui, words));
        }
        let without = made.texts.texts.len() - map.labels.iter().flatten().count();
        if without > 0 {
            mark_ui(ui, None);
            ui.label(theme::muted(ui, format!("none: {}", format::count(without))));
        }
    });
}

/// What is asked for in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Near(usize),
    Save,
    Close,
}

/// The list.
pub(super) fn aside_ui(ui: &mut Ui, map: &MapState, made: &Mapped, height: f32) -> Option<Asked> {
    let (title, rows): (String, Vec<(usize, Option<f64>)>) = match &map.listed {
        Listed::Nothing => {
            let words = "Point at a text to read it. Click it, and the texts that are nearest to it in \
                         meaning are listed here";
            ui.add(Label::new(theme::muted(ui, words)).wrap());
            return None;
        }
        Listed::NearPoint(own, near) => {
            let rows = near.iter().map(|near| (near.item, Some(near.cosine)));
            (format!("Nearest to: {}", made.texts.texts[*own]), rows.collect())
        }
        Listed::NearSentence(sentence, near) => {
            let rows = near.iter().map(|near| (near.item, Some(near.cosine)));
            (format!("Nearest to: {sentence}"), rows.collect())
        }
        Listed::Picked(places) => (
            format!("Drawn around: {} texts", format::count(places.len())),
            places.iter().map(|place| (*place, None)).collect(),
        ),
    };
    let title: String = title.chars().take(160).collect();
    ui.add(Label::new(theme::strong(ui, title)).wrap());
    let mut asked = None;
    ui.horizontal_wrapped(|ui| {
        if let Listed::Picked(places) = &map.listed {
            let about = "The rows with all their columns as a table (CSV), in the project";
            let save = ActionButton::new("Save as a table").icon(icons::EXPORT);
            let save = save.add_enabled(ui, !places.is_empty()).on_hover_text(about);
            if save.on_disabled_hover_text("No point is inside the line").clicked() {
                asked = Some(Asked::Save);
            }
        }
        let close = ActionButton::quiet("Close the list").icon(icons::CLOSE).shortcut("Esc");
        if close.add_enabled(ui, true).clicked() {
            asked = Some(Asked::Close);
        }
    });
    let row = ui.text_style_height(&TextStyle::Body);
    let room = (height - row * 5.0).max(row * 6.0);
    let area = ScrollArea::vertical().id_salt("listed texts").max_height(room);
    area.auto_shrink([false, true]).show_rows(ui, row, rows.len(), |ui, shown| {
        for (place, cosine) in &rows[shown] {
            let text = made.texts.texts[*place].split_whitespace().collect::<Vec<_>>().join(" ");
            let words = match cosine {
                Some(cosine) => format!("{cosine:.3}  {text}"),
                None => text,
            };
            let label = Label::new(words).truncate().selectable(false).sense(Sense::click());
            let response = ui.add(label);
            if response.on_hover_text("Click for the texts that are nearest to it").clicked() {
                asked = Some(Asked::Near(*place));
            }
        }
    });
    asked
}

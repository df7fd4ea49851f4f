//! Names that are not ours among which one is chosen: columns, models, evaluations.
//!
//! A name may be as long as a question of a survey, and there may be hundreds of them: neither takes a list out of
//! the window.

use std::borrow::Cow;

use eframe::egui::{Button, Response, ScrollArea, Ui};

/// So many letters of a name are shown in a list.
const MOST: usize = 60;

/// The share of a window's height that a menu may take.
const MOST_OF_WINDOW: f32 = 0.75;

/// A name in at most so many letters. It is cut in the middle: columns of one survey begin alike, and models of one
/// family, and what they end with tells them apart.
pub fn short(name: &str, most: usize) -> Cow<'_, str> {
    let is_plain = |letter: char| !letter.is_control();
    let count = name.chars().count();
    if count <= most && name.chars().all(is_plain) {
        return Cow::Borrowed(name);
    }
    let line = |letter: char| if is_plain(letter) { letter } else { ' ' };
    if count <= most {
        return Cow::Owned(name.chars().map(line).collect());
    }
    let last = (most - 1) * 2 / 5;
    let first: String = name.chars().take(most - 1 - last).map(line).collect();
    let last: String = name.chars().skip(count - last).map(line).collect();
    Cow::Owned(format!("{}…{}", first.trim_end(), last.trim_start()))
}

/// A name of a list: whole where the pointer rests and for a screen reader.
pub fn entry_ui(ui: &mut Ui, is_chosen: bool, name: &str) -> Response {
    let shown = short(name, MOST);
    let choice = ui.selectable_label(is_chosen, &*shown);
    if shown == name { choice } else { choice.accessible_name(name).on_hover_text(name) }
}

/// The same for a value that is chosen under this name.
pub fn value_ui<T: PartialEq>(ui: &mut Ui, value: &mut T, this: T, name: &str) -> Response {
    let mut choice = entry_ui(ui, *value == this, name);
    if choice.clicked() && *value != this {
        *value = this;
        choice.mark_changed();
    }
    choice
}

/// What stands in a menu; it scrolls where the window is too low for it.
pub fn menu_ui<R>(ui: &mut Ui, contents: impl FnOnce(&mut Ui) -> R) -> R {
    let most = ui.ctx().content_rect().height() * MOST_OF_WINDOW;
    ScrollArea::vertical().max_height(most).show(ui, contents).inner
}

/// The names of a menu, which scrolls where they are many. The place of the one that was clicked.
pub fn menu_of_names_ui<'a>(
    ui: &mut Ui,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<usize> {
    let mut clicked = None;
    menu_ui(ui, |ui| {
        for (place, name) in names.into_iter().enumerate() {
            let shown = short(name, MOST);
            let mut entry = ui.add(Button::new(&*shown));
            if shown != name {
                entry = entry.accessible_name(name).on_hover_text(name);
            }
            if entry.clicked() {
                clicked = Some(place);
            }
        }
    });
    clicked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_its_beginning_and_its_end() {
        assert_eq!(short("year", 24), "year");
        let name = "How far do you agree: scientists can be trusted";
        let other = "How far do you agree: journalists can be trusted";
        assert_eq!(short(name, 24), "How far do you…e trusted");
        assert!(short(name, 24).chars().count() <= 24);
        assert_ne!(short(name, 40), short(other, 40));
        assert_eq!(short("Q1\nThe first", 24), "Q1 The first");
        assert_eq!(short("Ärger über Öl und Äpfel", 8), "Ärger…el");
    }
}

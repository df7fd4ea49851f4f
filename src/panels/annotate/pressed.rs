//! Keys of Annotate.

use eframe::egui;
use eframe::egui::{Key, Modifiers, Ui};

/// Whether a key went down. A key that is held down does not count again: it would run through the
/// prompts.
pub(super) fn pressed(ui: &Ui, wanted: Modifiers, wanted_key: Key) -> bool {
    ui.input_mut(|input| {
        let hit = |event: &egui::Event| {
            matches!(
                event,
                egui::Event::Key { key, pressed: true, repeat: false, modifiers, .. }
                    if *key == wanted_key && modifiers.matches_exact(wanted)
            )
        };
        let count = input.events.len();
        input.events.retain(|event| !hit(event));
        input.events.len() < count
    })
}

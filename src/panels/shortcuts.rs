//! The keys that more than one place names.

use eframe::egui::{Key, KeyboardShortcut, Modifiers};

use crate::state::prefs::PanelId;

pub const PALETTE: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::K);
pub const SEND: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::Enter);
pub const RAIL: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::B);
pub const OPEN: KeyboardShortcut = KeyboardShortcut::new(Modifiers::COMMAND, Key::O);

/// 1 to 9.
pub const DIGITS: [Key; 9] = [
    Key::Num1,
    Key::Num2,
    Key::Num3,
    Key::Num4,
    Key::Num5,
    Key::Num6,
    Key::Num7,
    Key::Num8,
    Key::Num9,
];

/// Ctrl+1, Ctrl+2 and so on, in the order of the rail.
pub fn panel_shortcut(panel: PanelId) -> Option<KeyboardShortcut> {
    let index = PanelId::ALL.iter().position(|other| *other == panel)?;
    Some(KeyboardShortcut::new(Modifiers::COMMAND, *DIGITS.get(index)?))
}

pub const fn key(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

pub const fn command(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

//! The window's own font, so that a figure looks the same on every machine.

use std::io;
use std::sync::OnceLock;

use eframe::egui;
use plotters::style::{FontStyle, IntoFont as _, register_font};

pub const NAME: &str = "sans-serif";

/// Before anything is drawn.
pub fn use_bundled() -> io::Result<()> {
    static FONT: OnceLock<Option<Vec<u8>>> = OnceLock::new(); // plotters keeps a reference
    let font = FONT.get_or_init(|| {
        let fonts = egui::FontDefinitions::default();
        let names = fonts.families.get(&egui::FontFamily::Proportional)?;
        let data = fonts.font_data.get(names.first()?)?;
        Some((*data.font).as_ref().to_vec())
    });
    let font = font.as_ref().ok_or_else(|| io::Error::other("the program has no font"))?;
    register_font(NAME, FontStyle::Normal, font)
        .map_err(|_unreadable| io::Error::other("the program's own font cannot be read"))
}

/// How wide a text is, in pixels.
pub fn width(text: &str, size: u32) -> i32 {
    let measured = (NAME, size).into_font().box_size(text);
    // Without the font nothing is drawn either.
    measured.map_or(0, |(width, _)| width.cast_signed())
}

/// A text that is no wider than that.
pub fn shortened(text: &str, size: u32, room: i32) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    // A letter is at least a pixel wide: more of them need not be measured one by one.
    let mut kept: String = text.chars().take(usize::try_from(room).unwrap_or(0)).collect();
    while kept.pop().is_some() {
        let short = format!("{kept}\u{2026}");
        if width(&short, size) <= room {
            return short;
        }
    }
    String::new()
}

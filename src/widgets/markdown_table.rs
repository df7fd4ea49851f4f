//! A table of a Markdown text whose cells are plain text, as reports have them: numbers stand under each other
//! at the right.
//!
//! Tables with links or emphasis in them are left to the viewer of Markdown.

use eframe::egui::{
    Align, Color32, Frame, Label, Layout, RichText, ScrollArea, Sense, TextStyle, Ui, UiBuilder,
    vec2,
};
use pulldown_cmark::{Alignment, Event, Options, Parser, Tag, TagEnd};

use super::theme;

/// The cells of a table, its head first.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PlainTable {
    rows: Vec<Vec<String>>,

    /// Of each column: it stands at the right.
    is_right: Vec<bool>,
}

impl PlainTable {
    /// `None`: there is more in it than text.
    pub fn of(markdown: &str) -> Option<Self> {
        let mut rows: Vec<Vec<String>> = Vec::new();
        let mut alignments = Vec::new();
        for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::Table(said)) => alignments = said,
                Event::Start(Tag::TableHead | Tag::TableRow) => rows.push(Vec::new()),
                Event::Start(Tag::TableCell) => rows.last_mut()?.push(String::new()),
                Event::Text(words) => rows.last_mut()?.last_mut()?.push_str(&words),
                Event::End(
                    TagEnd::Table | TagEnd::TableHead | TagEnd::TableRow | TagEnd::TableCell,
                ) => {}
                _ => return None,
            }
        }
        let is_right = alignments.iter().enumerate().map(|(column, said)| match said {
            Alignment::Right => true,
            Alignment::None => has_numbers(rows.iter().skip(1).filter_map(|row| row.get(column))),
            Alignment::Left | Alignment::Center => false,
        });
        Some(Self { is_right: is_right.collect(), rows })
    }
}

/// Numbers alone, some of which may be missing.
fn has_numbers<'a>(cells: impl Iterator<Item = &'a String>) -> bool {
    let is_missing = |cell: &str| matches!(cell, "" | "–" | "—" | "-");
    let mut found = false;
    for cell in cells.map(|cell| cell.trim()).filter(|cell| !is_missing(cell)) {
        let plain = cell.trim_end_matches('%').trim_end().replace([',', '\u{2212}'], "");
        if plain.parse::<f64>().is_err() {
            return false;
        }
        found = true;
    }
    found
}

/// Draws it as wide as it is; a wider one than `ui` scrolls.
pub fn plain_table_ui(ui: &mut Ui, table: &PlainTable) {
    let font = TextStyle::Body.resolve(ui.style());
    let em = theme::em(ui);
    let painter = ui.painter();
    let width_of = |cell: &String| {
        painter.layout_no_wrap(cell.clone(), font.clone(), Color32::PLACEHOLDER).size().x.ceil()
    };
    let cells_of = |column| table.rows.iter().filter_map(move |row| row.get(column));
    let columns = 0..table.is_right.len();
    let widths: Vec<f32> =
        columns.map(|column| cells_of(column).map(width_of).fold(0.0, f32::max)).collect();
    Frame::group(ui.style()).show(ui, |ui| {
        ScrollArea::horizontal().id_salt("table").show(ui, |ui| {
            ui.spacing_mut().item_spacing = vec2(em * 1.2, 0.0);
            let p = theme::palette(ui);
            for (place, row) in table.rows.iter().enumerate() {
                let is_head = place == 0;
                let drawn = ui.horizontal(|ui| {
                    for ((cell, width), is_right) in row.iter().zip(&widths).zip(&table.is_right) {
                        let size = vec2(*width, (em * 1.8).round());
                        let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
                        let layout = if *is_right {
                            Layout::right_to_left(Align::Center)
                        } else {
                            Layout::left_to_right(Align::Center)
                        };
                        let builder = UiBuilder::new().max_rect(rect).layout(layout);
                        let words = RichText::new(cell);
                        let words = if is_head { words.color(p.strong) } else { words };
                        ui.new_child(builder).add(Label::new(words).extend());
                    }
                });
                if is_head {
                    let rect = drawn.response.rect;
                    ui.painter().hline(rect.x_range(), rect.bottom(), (1.0, p.line));
                }
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_at_the_right_and_words_at_the_left() {
        let text = "| label | rows | kappa | of 10 | why |\n| --- | ---: | --- | --- | --- |\n\
                    | war | 1,200 | 0.41 | 0.2 (0.1 to 0.3) | |\n| peace | 3 | – | 0.5 | |\n";
        let table = PlainTable::of(text).unwrap();
        assert_eq!(table.rows[0], ["label", "rows", "kappa", "of 10", "why"]);
        assert_eq!(table.rows[2], ["peace", "3", "–", "0.5", ""]);
        assert_eq!(table.is_right, [false, true, true, false, false]);
    }

    #[test]
    fn what_is_more_than_text_is_left_to_the_viewer() {
        assert_eq!(PlainTable::of("| a |\n| --- |\n| [b](c) |\n"), None);
        assert_eq!(PlainTable::of("| a |\n| --- |\n| `b` |\n"), None);
        assert!(PlainTable::of("| a |\n| --- |\n| b |\n").is_some());
    }
}

//! Markdown as it is read: headings, tables, code, links. Pictures are not fetched.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use eframe::egui;
use eframe::egui::{Frame, Id, Label, Margin, OutputCommand, ScrollArea, Ui, vec2};
use egui_commonmark::{CommonMarkCache, CommonMarkViewer};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::button::ActionButton;
use super::markdown_table::{PlainTable, plain_table_ui};
use super::theme::{self, icons};

/// Draws a text in a scroll area of its own, which fills what is left of `ui`. `id` tells texts
/// apart. Links that `is_safe` does not like do nothing.
pub fn markdown_ui(ui: &mut Ui, id: &str, text: &str, is_safe: fn(&str) -> bool) {
    let memory_id = Id::unique("widgets::markdown");
    let memory = ui.data_mut(|data| {
        data.get_temp_mut_or_insert_with(memory_id, || Shared(Arc::default())).clone()
    });
    // A panic while drawing leaves at worst an old layout behind.
    let mut memory = memory.0.lock().unwrap_or_else(PoisonError::into_inner);
    let before = ui.output(|output| output.commands.len());
    let margin = Margin { left: 0, right: 16, top: 0, bottom: 16 };
    let area = ScrollArea::vertical().id_salt(id).auto_shrink(false).content_margin(margin);
    area.show(ui, |ui| blocks_ui(ui, id, text, &mut memory));
    ui.output_mut(|output| {
        let mut place = 0;
        output.commands.retain(|command| {
            place += 1;
            match command {
                OutputCommand::OpenUrl(page) if place > before => is_safe(&page.url),
                _ => true,
            }
        });
    });
}

/// Draws the blocks that are in sight. The others leave the room that they took when they were.
fn blocks_ui(ui: &mut Ui, id: &str, text: &str, memory: &mut Memory) {
    /// Drawn above and below what is in sight, in points: for the next turn of the wheel.
    const AHEAD: f32 = 200.0;

    /// The longest line, in em: about a hundred letters. In longer ones the eye loses its line.
    const MEASURE: f32 = 50.0;

    let width = ui.available_width();
    if memory.id != id || memory.text != text {
        let blocks = blocks(text);
        *memory = Memory { id: id.to_owned(), text: text.to_owned(), blocks, ..Memory::default() };
    }
    if memory.width != width || memory.heights.len() != memory.blocks.len() {
        memory.width = width;
        memory.heights = vec![None; memory.blocks.len()];
    }
    let Memory { cache, text, blocks, heights, .. } = memory;
    let sight = ui.clip_rect().expand(AHEAD);
    for (block, known) in blocks.iter().zip(heights) {
        let top = ui.cursor().top();
        if let Some(height) = *known
            && (top > sight.bottom() || top + height < sight.top())
        {
            ui.allocate_space(vec2(width, height));
            continue;
        }
        let drawn = ui.push_id(block.place.start, |ui| match &block.content {
            Content::Prose => {
                let prose = &text[block.place.clone()];
                ui.set_max_width(width.min(theme::em(ui) * MEASURE));
                CommonMarkViewer::new().show(ui, cache, prose);
            }
            Content::Table(Some(table)) => {
                plain_table_ui(ui, table);
                ui.add_space(theme::GAP);
            }
            // It takes the width that it needs.
            Content::Table(None) => {
                CommonMarkViewer::new().show(ui, cache, &text[block.place.clone()]);
            }
            Content::Code(code) => code_ui(ui, code),
        });
        *known = Some(drawn.response.rect.height());
    }
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Memory>>);

/// What is remembered between frames, of the text that is shown.
#[derive(Default)]
struct Memory {
    cache: CommonMarkCache,
    id: String,
    text: String,

    /// The text, taken apart once.
    blocks: Vec<Block>,
    width: f32,

    /// Of each block, once it was drawn.
    heights: Vec<Option<f32>>,
}

/// Code is drawn here: the viewer's colours and signs are not of our theme and fonts.
fn code_ui(ui: &mut Ui, code: &str) {
    let p = theme::palette(ui);
    let frame = Frame::new()
        .fill(p.raised)
        .corner_radius(theme::CONTROL_RADIUS)
        .inner_margin(Margin::symmetric(12, 8));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        egui::Sides::new().shrink_left().show(
            ui,
            |ui| {
                ScrollArea::horizontal().show(ui, |ui| {
                    ui.add(Label::new(theme::number(code)).extend());
                });
            },
            |ui| {
                if ui.add(ActionButton::only_icon(icons::COPY, "Copy the code")).clicked() {
                    ui.ctx().copy_text(code.to_owned());
                }
            },
        );
    });
    ui.add_space(theme::GAP);
}

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    /// In bytes.
    place: Range<usize>,
    content: Content,
}

#[derive(Debug, PartialEq, Eq)]
enum Content {
    /// Markdown, as it stands.
    Prose,

    /// The same, of a table; with its cells, where they are plain text.
    Table(Option<PlainTable>),

    /// Without its fences and their indentation.
    Code(String),
}

/// Takes a text apart at its blocks of code, its tables and its headings. Quotations and lists stay whole.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let prose = |place: Range<usize>| Block { place, content: Content::Prose };
    let (mut quotations, mut lists) = (0, 0);
    let mut code: Option<String> = None;
    let mut start = 0;
    for (event, place) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::BlockQuote(_)) => quotations += 1,
            Event::End(TagEnd::BlockQuote(_)) => quotations -= 1,
            Event::Start(Tag::List(_)) => lists += 1,
            Event::End(TagEnd::List(_)) => lists -= 1,
            Event::Start(Tag::Heading { .. }) if quotations == 0 && lists == 0 => {
                blocks.push(prose(start..place.start));
                start = place.start;
            }
            Event::Start(Tag::Table(_)) if quotations == 0 && lists == 0 => {
                blocks.push(prose(start..place.start));
                let content = Content::Table(PlainTable::of(&text[place.clone()]));
                blocks.push(Block { place: place.clone(), content });
                start = place.end;
            }
            Event::Start(Tag::CodeBlock(_)) if quotations == 0 => {
                let line = text[..place.start].trim_end_matches([' ', '\t']).len().max(start);
                blocks.push(prose(start..line));
                start = line;
                code = Some(String::new());
            }
            Event::Text(words) => {
                if let Some(code) = &mut code {
                    code.push_str(&words);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                let Some(code) = code.take() else { continue };
                let content = Content::Code(code.trim_end().to_owned());
                blocks.push(Block { place: start..place.end, content });
                start = place.end + usize::from(text[place.end..].starts_with('\n'));
            }
            _ => {}
        }
    }
    blocks.push(prose(start..text.len()));
    blocks.retain(|block| match block.content {
        Content::Prose => !text[block.place.clone()].trim().is_empty(),
        Content::Table(_) | Content::Code(_) => true,
    });
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The blocks as `prose: …` and `code: …`.
    fn told(text: &str) -> Vec<String> {
        let tell = |block: Block| match block.content {
            Content::Prose => format!("prose: {}", &text[block.place]),
            Content::Table(_) => format!("table: {}", &text[block.place]),
            Content::Code(code) => format!("code: {code}"),
        };
        blocks(text).into_iter().map(tell).collect()
    }

    #[test]
    fn code_is_told_from_prose() {
        let text = "one\n```python\nif a:\n    b\n```\ntwo\n1. x\n   ~~~\n   c\n   ```\n   ~~~\n";
        let expected = ["prose: one\n", "code: if a:\n    b", "prose: two\n1. x\n", "code: c\n```"];
        assert_eq!(told(text), expected);
        assert_eq!(told("```\nnever closed"), ["code: never closed"]);
        assert_eq!(told("# A\na\n## B\nb"), ["prose: # A\na\n", "prose: ## B\nb"]);
        assert_eq!(told("\n\n"), [""; 0]);
        let table = "| a |\n|---|\n| b |\n";
        let (above, below) = ("prose: # A\na\n\n", "prose: \nb\n");
        let told_table = format!("table: {table}");
        assert_eq!(told(&format!("# A\na\n\n{table}\nb\n")), [above, &told_table, below]);
        assert_eq!(told("- a\n\n  | b |\n  |---|\n"), ["prose: - a\n\n  | b |\n  |---|\n"]);
        let nested = "````\n```\na\n```\n````\n#b\n\n    c\n> ```\n> d\n> ```\n";
        assert_eq!(
            told(nested),
            ["code: ```\na\n```", "prose: #b\n\n", "code: c", "prose: > ```\n> d\n> ```\n"]
        );
    }
}

//! Markdown as it is read: headings, tables, code, links. Pictures are not fetched.

use std::sync::{Arc, Mutex, PoisonError};

use eframe::egui;
use eframe::egui::{Frame, Id, Label, Margin, OutputCommand, ScrollArea, Ui, vec2};
use egui_commonmark::{CommonMarkCache, CommonMarkViewer};

use super::button::ActionButton;
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
    area.show(ui, |ui| blocks_ui(ui, id, &blocks(text), &mut memory));
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
fn blocks_ui(ui: &mut Ui, id: &str, blocks: &[Block<'_>], memory: &mut Memory) {
    /// Drawn above and below what is in sight, in points: for the next turn of the wheel.
    const AHEAD: f32 = 200.0;

    let width = ui.available_width();
    if (memory.id.as_str(), memory.width, memory.heights.len()) != (id, width, blocks.len()) {
        *memory = Memory { id: id.to_owned(), width, ..Memory::default() };
        memory.heights.resize(blocks.len(), None);
    }
    let sight = ui.clip_rect().expand(AHEAD);
    for (index, block) in blocks.iter().enumerate() {
        let top = ui.cursor().top();
        if let Some(height) = memory.heights[index]
            && (top > sight.bottom() || top + height < sight.top())
        {
            ui.allocate_space(vec2(width, height));
            continue;
        }
        let drawn = ui.push_id(index, |ui| match block {
            Block::Prose(prose) => {
                CommonMarkViewer::new().show(ui, &mut memory.cache, prose);
            }
            Block::Code(code) => code_ui(ui, code),
        });
        memory.heights[index] = Some(drawn.response.rect.height());
    }
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Memory>>);

/// What is remembered between frames, of the text that is shown.
#[derive(Default)]
struct Memory {
    cache: CommonMarkCache,
    id: String,
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

#[derive(Debug, PartialEq, Eq)]
enum Block<'a> {
    Prose(&'a str),

    /// Without its fences and their indentation.
    Code(String),
}

/// Takes a text apart at its fences of code and its headings.
fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut prose_start = 0;
    let mut code: Option<(&str, usize, String)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        let fence = ["```", "~~~"].into_iter().find(|mark| bare.starts_with(mark));
        match (&mut code, fence) {
            (None, Some(mark)) => {
                blocks.push(Block::Prose(&text[prose_start..start]));
                code = Some((mark, indent, String::new()));
            }
            (None, None) if bare.starts_with('#') && indent == 0 => {
                blocks.push(Block::Prose(&text[prose_start..start]));
                prose_start = start;
            }
            (None, None) => {}
            (Some((open, ..)), Some(mark)) if *open == mark => {
                let (_, _, code) = code.take().expect("it was just looked at");
                blocks.push(Block::Code(code.trim_end().to_owned()));
                prose_start = at;
            }
            (Some((_, indent, code)), _) => {
                let spaces = line.bytes().take_while(|byte| *byte == b' ').count();
                code.push_str(&line[spaces.min(*indent)..]);
            }
        }
    }
    match code {
        Some((_, _, code)) => blocks.push(Block::Code(code.trim_end().to_owned())),
        None => blocks.push(Block::Prose(&text[prose_start..])),
    }
    blocks.retain(|block| !matches!(block, Block::Prose(prose) if prose.trim().is_empty()));
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_prose() {
        let text = "one\n```python\nif a:\n    b\n```\ntwo\n1. x\n   ~~~\n   c\n   ```\n   ~~~\n";
        let code = |code: &str| Block::Code(code.to_owned());
        let expected = [
            Block::Prose("one\n"),
            code("if a:\n    b"),
            Block::Prose("two\n1. x\n"),
            code("c\n```"),
        ];
        assert_eq!(blocks(text), expected);
        assert_eq!(blocks("```\nnever closed"), [code("never closed")]);
        let sections = [Block::Prose("# A\na\n"), Block::Prose("## B\nb")];
        assert_eq!(blocks("# A\na\n## B\nb"), sections);
    }
}

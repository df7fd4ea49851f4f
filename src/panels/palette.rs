//! The command palette: type a few letters of what you want, press Enter.

use eframe::egui;
use eframe::egui::{Align2, Key, Modifiers, Sense, TextEdit, Ui, WidgetInfo, vec2};

use super::{keys, typed_paths};
use crate::state::AppState;
use crate::state::command::{Commands, ViewCommand};
use crate::widgets::one_line::one_line;
use crate::widgets::theme;

/// From the window's upper edge.
const TOP: f32 = 72.0;

/// Draws the palette, while it is open.
pub fn palette_ui(ui: &Ui, state: &mut AppState, commands: &mut Commands) {
    if state.window.palette.is_none() {
        return;
    }
    let query = state.window.palette.as_ref().map(|palette| palette.query.clone());
    let actions = keys::actions(state);
    let typed = typed_paths::actions(state, &query.unwrap_or_default());
    let Some(palette) = &mut state.window.palette else { return };
    let ctx = ui.ctx();
    let (up, down, enter) = ctx.input_mut(|i| {
        (
            i.consume_key(Modifiers::NONE, Key::ArrowUp),
            i.consume_key(Modifiers::NONE, Key::ArrowDown),
            i.consume_key(Modifiers::NONE, Key::Enter),
        )
    });
    let mut picked = None;
    let area = egui::Modal::default_area(egui::Id::unique("palette"))
        .anchor(Align2::CENTER_TOP, vec2(0.0, TOP));
    let modal = egui::Modal::new(egui::Id::unique("palette")).area(area).show(ctx, |ui| {
        ui.set_width((theme::em(ui) * 34.0).min(ui.ctx().content_rect().width() - 64.0));
        let field = TextEdit::singleline(&mut palette.query)
            .hint_text("What do you want to do? A path works, too")
            .desired_width(f32::INFINITY)
            .margin(egui::Margin::symmetric(12, 8));
        let field = ui.add(field).accessible_name("Command");
        if !field.has_focus() {
            field.request_focus();
        }
        let is_new = field.changed();
        if is_new {
            palette.row = 0;
        }
        let mut ranked: Vec<(i32, &keys::Action)> = actions
            .iter()
            .filter_map(|action| Some((score(&palette.query, &action.words)?, action)))
            .collect();
        // Stable: equal scores keep the order of the list.
        ranked.sort_by_key(|(score, _)| -score);
        // What is made of the typed words has them whole and its own order, the most likely first.
        let ranked: Vec<&keys::Action> =
            typed.iter().chain(ranked.into_iter().map(|(_, action)| action)).collect();
        let last = ranked.len().saturating_sub(1);
        palette.row = palette.row.min(last);
        if down {
            palette.row = if palette.row == last { 0 } else { palette.row + 1 };
        }
        if up {
            palette.row = if palette.row == 0 { last } else { palette.row - 1 };
        }
        ui.add_space(theme::GAP_SMALL);
        if ranked.is_empty() {
            ui.label(theme::muted(ui, "No matching command"));
        }
        // The same height whatever is found: a list that was two rows high would stay so.
        let row_height = theme::em(ui) + 18.0;
        let room = ui.ctx().content_rect().height() - TOP - 120.0;
        let height = (theme::em(ui) * 22.0).min(room).max(row_height * 2.0);
        let area = egui::ScrollArea::vertical().max_height(height).min_scrolled_height(height);
        area.auto_shrink([false, true]).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for (index, action) in ranked.iter().enumerate() {
                let in_front = index == palette.row;
                let clicked = row_ui(ui, action, in_front, up || down || is_new);
                if clicked || (in_front && enter) {
                    picked = Some(action.commands.clone());
                }
            }
        });
    });
    if let Some(picked) = picked {
        commands.push(ViewCommand::TogglePalette);
        commands.extend(picked);
    } else if modal.should_close() {
        commands.push(ViewCommand::TogglePalette);
    }
}

#[expect(
    clippy::fn_params_excessive_bools,
    reason = "in front and just moved there are independent"
)]
fn row_ui(ui: &mut Ui, action: &keys::Action, in_front: bool, moved: bool) -> bool {
    let p = theme::palette(ui);
    let size = vec2(ui.available_width(), theme::em(ui) + 18.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| {
        WidgetInfo::selected(egui::accesskit::Role::ListBoxOption, true, in_front, &action.words)
    });
    if in_front && moved {
        response.scroll_to_me(None);
    }
    if ui.is_rect_visible(rect) {
        let ground = match (in_front, response.hovered()) {
            (true, _) => p.accent_soft,
            (false, true) => p.raised,
            (false, false) => p.card,
        };
        ui.painter().rect_filled(rect, 6.0, ground);
        let mut right = rect.right() - 12.0;
        if let Some(shortcut) = &action.shortcut {
            let font = egui::TextStyle::Monospace.resolve(ui.style());
            let at = egui::pos2(right, rect.center().y);
            let words = keys::shortcut_words(ui.ctx(), shortcut);
            let drawn = ui.painter().text(at, Align2::RIGHT_CENTER, words, font, p.muted);
            right = drawn.left() - theme::GAP;
        }
        let font = egui::TextStyle::Button.resolve(ui.style());
        let left = rect.left() + 12.0;
        let words = one_line(ui, &action.words, font, p.text, right - left);
        let top = rect.center().y - words.size().y / 2.0;
        ui.painter().galley(egui::pos2(left, top), words, p.text);
    }
    response.clicked()
}

/// How well `words` answer `query`: its letters in order, best at the starts of words and in a
/// row. `None`: a letter is missing.
fn score(query: &str, words: &str) -> Option<i32> {
    let words: Vec<char> = words.to_lowercase().chars().collect();
    let letters = query.to_lowercase();
    let mut letters = letters.chars().filter(|letter| !letter.is_whitespace());
    let worth = |at: usize| if at == 0 || !words[at - 1].is_alphanumeric() { 6 } else { 1 };
    let here = |at: usize, letter: char| (words[at] == letter).then(|| worth(at));
    let length = i32::try_from(words.len()).unwrap_or(i32::MAX);
    // Nothing is asked for: the order of the list.
    let Some(first) = letters.next() else { return Some(0) };
    // best[at]: of all ways to match the letters so far with the last one at `at`.
    let mut best: Vec<Option<i32>> = (0..words.len()).map(|at| here(at, first)).collect();
    for letter in letters {
        let mut next = vec![None; words.len()];
        for at in 1..words.len() {
            let Some(worth) = here(at, letter) else { continue };
            let before = best[..at].iter().flatten().max();
            let apart = before.map(|before| before + worth);
            let in_a_row = best[at - 1].map(|before| before + 8);
            next[at] = apart.max(in_a_row);
        }
        best = next;
    }
    let best = best.into_iter().flatten().max()?;
    Some(best * 100 - length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_letters_find_a_command() {
        let names =
            ["Go to Train", "Go to Playground", "Theme: dark", "Zoom in", "Stop everything"];
        let best = |query: &str| {
            let scored = names.iter().filter_map(|name| Some((score(query, name)?, *name)));
            scored.max_by_key(|(score, _)| *score).map(|(_, name)| name)
        };
        assert_eq!(best("tr"), Some("Go to Train"));
        assert_eq!(best("gp"), Some("Go to Playground"), "starts of words");
        assert_eq!(best("dark"), Some("Theme: dark"));
        assert_eq!(best("zi"), Some("Zoom in"));
        assert_eq!(best("xyz"), None);
    }
}

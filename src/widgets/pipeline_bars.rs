//! Tokens through the steps of a chain: a row a token, a column a step, a bar in each cell. A row keeps
//! its place; what was removed stays, greyed, with what removed it.

use eframe::egui;
use eframe::egui::accesskit::Role;
use eframe::egui::{Align2, FontId, Rect, Sense, Stroke, TextStyle, Ui, WidgetInfo, pos2, vec2};

use super::format;
use super::one_line::one_line;
use super::theme::{self, Palette};
use super::token_flow::{spoken, visible_whitespace};

/// A step. The last one is what is drawn from.
#[derive(Clone, Debug)]
pub struct Column<'a> {
    pub name: &'a str,

    /// Where the name has no room.
    pub short: &'a str,

    /// What it is set to.
    pub value: String,

    /// What is left after it, a number for each of [`PipelineBars::names`].
    pub numbers: [String; 3],
}

/// A token.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    pub text: &'a str,

    /// After each column's step.
    pub probabilities: Vec<f32>,

    /// The column in which it was removed, and by what.
    pub removed: Option<(usize, &'a str)>,

    /// It was the one that was drawn.
    pub taken: bool,
}

/// The whole table. A click on a row is a choice of its token.
#[must_use = "show it with `show`"]
pub struct PipelineBars<'a> {
    pub columns: &'a [Column<'a>],
    pub rows: &'a [Row<'a>],

    /// What the numbers under a column's name are, and what they mean.
    pub names: [&'a str; 3],
    pub about: [&'a str; 3],

    /// What there is for all of it. Rows that do not fit scroll.
    pub height: f32,

    /// Bars by the logarithm, from one in a million to 1.
    pub is_log: bool,
}

/// The shortest bar of a logarithmic scale: a probability of one in a million.
const LOG_FLOOR: f32 = 1e-6;

/// Around a text in its cell.
const INSET: f32 = 6.0;
const GAP_OF_ROWS: f32 = 2.0;

/// Where linear bars end, so that the scale does not follow every move of a slider.
const ENDS: [f32; 7] = [0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0];

/// Sizes of one drawing.
struct Plan {
    font: FontId,
    small: FontId,
    token: f32,
    column: f32,
    row: f32,

    /// A bar's whole length stands for this probability, unless the scale is logarithmic.
    end: f32,
}

impl PipelineBars<'_> {
    /// The row that was clicked.
    pub fn show(self, ui: &mut Ui) -> Option<usize> {
        let plan = self.plan(ui);
        ui.spacing_mut().item_spacing.y = GAP_OF_ROWS;
        self.header_ui(ui, &plan);
        let mut clicked = None;
        let left = self.height - self.header_height(&plan);
        let least = (plan.row + GAP_OF_ROWS) * 5.0;
        let area =
            egui::ScrollArea::vertical().id_salt("pipeline rows").max_height(left.max(least));
        area.auto_shrink([false, true]).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = GAP_OF_ROWS;
            for (index, row) in self.rows.iter().enumerate() {
                if self.row_ui(ui, row, &plan) {
                    clicked = Some(index);
                }
            }
        });
        let scale = if self.is_log {
            "A bar ends at 100 %; each sixth of its length is a factor of ten".to_owned()
        } else {
            format!("A bar ends at {}", format::percent(plan.end))
        };
        ui.label(theme::muted(ui, scale).small());
        clicked
    }

    fn plan(&self, ui: &Ui) -> Plan {
        let font = TextStyle::Monospace.resolve(ui.style());
        let small = TextStyle::Small.resolve(ui.style());
        let ink = ui.visuals().text_color();
        let measured = |text: String, font: &FontId| {
            ui.painter().layout_no_wrap(text, font.clone(), ink).size().x
        };
        let width = ui.available_width();
        let tokens = self.rows.iter().map(|row| measured(visible_whitespace(row.text), &font));
        let names = self.names.iter().map(|name| measured((*name).to_owned(), &small));
        let wanted = tokens.chain(names).fold(0.0_f32, f32::max) + 2.0 * INSET;
        // Whole, unless a token is longer than half of the line.
        let token = wanted.min(width * 0.5);
        let column = (width - token) / self.columns.len().max(1) as f32;
        let shown = self.height - (small.size * 1.4 * 5.0);
        let row = (shown / 13.0 - GAP_OF_ROWS).floor().clamp(font.size * 1.5, font.size * 2.4);
        let longest = self.rows.iter().flat_map(|row| &row.probabilities).copied();
        let longest = longest.fold(0.0_f32, f32::max);
        let end = ENDS.into_iter().find(|end| longest <= *end).unwrap_or(1.0);
        Plan { font, small, token, column, row, end }
    }

    fn header_height(&self, plan: &Plan) -> f32 {
        let has_values = self.columns.iter().any(|column| !column.value.is_empty());
        plan.small.size * 1.4 * if has_values { 5.0 } else { 4.0 } + GAP_OF_ROWS
    }

    fn header_ui(&self, ui: &mut Ui, plan: &Plan) {
        let p = theme::palette(ui);
        let height = self.header_height(plan) - GAP_OF_ROWS;
        let size = vec2(ui.available_width(), height);
        let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
        let line = plan.small.size * 1.4;
        let has_values = self.columns.iter().any(|column| !column.value.is_empty());
        let first = rect.top() + line * if has_values { 2.0 } else { 1.0 };
        for (at, (name, about)) in self.names.iter().zip(self.about).enumerate() {
            let top = first + line * at as f32;
            let place = Rect::from_min_size(pos2(rect.left(), top), vec2(plan.token, line));
            let named = ui.interact(place, ui.scope_id().with(("number", at)), Sense::hover());
            let left = pos2(rect.left() + INSET, place.center().y);
            let font = plan.small.clone();
            ui.painter().text(left, Align2::LEFT_CENTER, *name, font, p.muted);
            named.on_hover_text(about);
        }
        let last = self.columns.len().saturating_sub(1);
        for (at, column) in self.columns.iter().enumerate() {
            let left = rect.left() + plan.token + plan.column * at as f32;
            let cell = Rect::from_min_size(pos2(left, rect.top()), vec2(plan.column, height));
            let said = format!(
                "{}{}{}: {} {}, {} {}, {} {}",
                column.name,
                if column.value.is_empty() { "" } else { " " },
                column.value,
                column.numbers[0],
                self.names[0],
                column.numbers[1],
                self.names[1],
                column.numbers[2],
                self.names[2],
            );
            let response = ui.interact(cell, ui.scope_id().with(("column", at)), Sense::hover());
            response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &said));
            let ink = if at == last && at > 0 { p.accent } else { p.strong };
            let room = plan.column - INSET;
            let full = ui.painter().layout_no_wrap(column.name.to_owned(), plan.small.clone(), ink);
            let name = if full.size().x <= room { column.name } else { column.short };
            let name = one_line(ui, name, plan.small.clone(), ink, room);
            ui.painter().galley(pos2(left, rect.top()), name, ink);
            let value = one_line(ui, &column.value, plan.small.clone(), p.text, room);
            if has_values {
                ui.painter().galley(pos2(left, rect.top() + line), value, p.text);
            }
            for (place, number) in column.numbers.iter().enumerate() {
                let text = one_line(ui, number, plan.small.clone(), p.text, room);
                let top = first + line * place as f32;
                ui.painter().galley(pos2(left, top), text, p.text);
            }
            response.on_hover_text(said);
        }
    }

    /// True: it was clicked.
    fn row_ui(&self, ui: &mut Ui, row: &Row<'_>, plan: &Plan) -> bool {
        let p = theme::palette(ui);
        let size = vec2(ui.available_width(), plan.row);
        let (rect, response) = ui.allocate_exact_size(size, Sense::click());
        let said = self.described(row, &spoken(row.text));
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &said));
        if ui.is_rect_visible(rect) {
            if row.taken {
                ui.painter().rect_filled(rect, 4.0, p.accent_soft);
            } else if response.hovered() || response.has_focus() {
                ui.painter().rect_filled(rect, 4.0, p.raised);
            }
            token_ui(ui, row, rect, plan, &p);
            for at in 0..self.columns.len() {
                let left = rect.left() + plan.token + plan.column * at as f32;
                let cell = Rect::from_min_size(
                    pos2(left, rect.top() + 1.0),
                    vec2(plan.column - INSET, plan.row - 2.0),
                );
                self.cell_ui(ui, row, at, cell, plan);
            }
        }
        let shown = self.described(row, &visible_whitespace(row.text));
        response.on_hover_text(shown).clicked()
    }

    fn cell_ui(&self, ui: &Ui, row: &Row<'_>, at: usize, cell: Rect, plan: &Plan) {
        let p = theme::palette(ui);
        let painter = ui.painter();
        if let Some((column, by)) = row.removed
            && at >= column
        {
            if at == column {
                let words =
                    painter.layout_no_wrap(format!("removed: {by}"), plan.small.clone(), p.muted);
                let fits = words.size().x <= cell.width();
                let words = if fits {
                    words
                } else {
                    one_line(ui, "removed", plan.small.clone(), p.muted, cell.width())
                };
                let top = cell.center().y - words.size().y / 2.0;
                painter.galley(pos2(cell.left(), top), words, p.muted);
            }
            return;
        }
        let probability = row.probabilities.get(at).copied().unwrap_or(0.0);
        let length = (self.share(probability, plan) * cell.width()).max(1.5);
        let bar = Rect::from_min_size(cell.min, vec2(length, cell.height()));
        let is_last = at + 1 == self.columns.len() && at > 0;
        let (fill, inside) = match (row.removed.is_some(), is_last) {
            (true, _) => (p.raised_press, p.text),
            (false, true) => (p.accent, p.on_accent),
            (false, false) => (p.muted, p.card),
        };
        painter.rect_filled(bar, 2.0, fill);
        let outside = if row.removed.is_some() { p.muted } else { p.text };
        let number =
            painter.layout_no_wrap(format::percent(probability), plan.font.clone(), outside);
        let width = number.size().x;
        let y = cell.center().y;
        let text = format::percent(probability);
        // Behind the bar where there is room, else in it.
        if length + 4.0 + width <= cell.width() {
            let at = pos2(cell.left() + length + 4.0, y);
            painter.text(at, Align2::LEFT_CENTER, text, plan.font.clone(), outside);
        } else if width + 4.0 <= length {
            let at = pos2(cell.left() + length - 2.0, y);
            painter.text(at, Align2::RIGHT_CENTER, text, plan.font.clone(), inside);
        } else {
            // Over the bar's end, on a ground of its own.
            let ground = Rect::from_center_size(
                pos2(cell.right() - width / 2.0, y),
                vec2(width + 4.0, cell.height()),
            );
            painter.rect_filled(ground, 2.0, p.card);
            painter.text(ground.center(), Align2::CENTER_CENTER, text, plan.font.clone(), outside);
        }
    }

    /// How much of a whole bar a probability fills.
    fn share(&self, probability: f32, plan: &Plan) -> f32 {
        if self.is_log {
            (1.0 - probability.max(LOG_FLOOR).ln() / LOG_FLOOR.ln()).clamp(0.0, 1.0)
        } else {
            (probability / plan.end).clamp(0.0, 1.0)
        }
    }

    fn described(&self, row: &Row<'_>, text: &str) -> String {
        let mut words = text.to_owned();
        words.push(':');
        for (at, (column, probability)) in self.columns.iter().zip(&row.probabilities).enumerate() {
            if at > 0 {
                words.push(',');
            }
            let name = column.name.to_lowercase();
            match row.removed {
                Some((removed, by)) if at == removed => {
                    words.push_str(&format!(" removed by {by}"));
                    break;
                }
                _ => words.push_str(&format!(" {name} {}", format::percent(*probability))),
            }
        }
        if row.taken {
            words.push_str(", taken");
        }
        words
    }
}

/// The token at the left of a row, struck out where it was removed.
fn token_ui(ui: &Ui, row: &Row<'_>, rect: Rect, plan: &Plan, p: &Palette) {
    let ink = if row.removed.is_some() { p.muted } else { p.text };
    let text = visible_whitespace(row.text);
    let text = one_line(ui, &text, plan.font.clone(), ink, plan.token - 2.0 * INSET);
    let left = rect.left() + INSET;
    let size = text.size();
    let y = rect.center().y;
    ui.painter().galley(pos2(left, y - size.y / 2.0), text, ink);
    if row.removed.is_some() {
        ui.painter().hline(left..=left + size.x, y, Stroke::new(1.0, p.muted));
    }
}

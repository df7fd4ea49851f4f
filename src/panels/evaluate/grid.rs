//! The rows as a grid. Only those in sight are laid out, so that a table of any length scrolls.

use std::borrow::Cow;

use eframe::egui::accesskit::Role;
use eframe::egui::{
    Align, Color32, FontId, Label, Rect, ScrollArea, Sense, TextStyle, Ui, WidgetInfo, pos2, vec2,
};

use crate::evaluate::cells::VERDICTS;
use crate::evaluate::results::answered::Answered;
use crate::evaluate::rows::question::Question;
use crate::evaluate::rows::several::named;
use crate::evaluate::task::Kind;
use crate::state::evaluate::OpenEvaluation;
use crate::state::evaluate::grid::option_name;
use crate::widgets::button::ActionButton;
use crate::widgets::format;
use crate::widgets::one_line::one_line;
use crate::widgets::theme::{self, icons};

/// The width of each column, from the left; 0: there is no room for it.
struct Columns {
    row: f32,
    text: f32,
    answer: f32,
    bar: f32,
    entropy: f32,

    /// Of each coder, and how many of them have room at once.
    coder: f32,
    coders: usize,
}

/// A probability without its bar, in em.
const BARE: f32 = 4.0;

impl Columns {
    /// `longest_label`: in letters. Where there is room for it, no answer and no code is cut. `several`: an answer
    /// is a set of labels.
    fn fit(
        width: f32,
        em: f32,
        coders: usize,
        (longest_row, longest_label): (usize, usize),
        several: bool,
    ) -> Self {
        let row = em * (longest_row as f32 * 0.62 + 1.0);
        let least_answer = em * 8.6; // what is written above it
        let letters = if several { longest_label * 2 + 2 } else { longest_label };
        let answer = em * (letters as f32 * 0.56 + 1.0);
        // "none of them" is a set too.
        let least_coder = em * if several { 7.5 } else { 5.5 };
        let coder = answer.clamp(least_coder, (width * 0.18).max(least_coder));
        let answer = answer.clamp(least_answer, (width * 0.22).max(least_answer));
        let left = |bar: f32, entropy: f32, coders: usize| {
            width - row - answer - bar - entropy - coder * coders as f32
        };
        // One coder is always there, if need be beside the bare number and few words of the text.
        let one = coders.min(1);
        let tight = left(em * 7.5, 0.0, one) < em * 10.0;
        let bar = if tight && one > 0 { em * BARE } else { em * 7.5 };
        let least = if left(bar, 0.0, one) >= em * 10.0 { em * 10.0 } else { em * 4.0 };
        let entropy = if left(bar, em * 4.0, one) >= least { em * 4.0 } else { 0.0 };
        let fits = (one..=coders.min(6)).rev().find(|coders| left(bar, entropy, *coders) >= least);
        let coders = fits.unwrap_or(one);
        let text = left(bar, entropy, coders).max(em * 4.0);
        Self { row, text, answer, bar, entropy, coder, coders }
    }
}

impl Columns {
    /// Answers that are texts take half of the room.
    fn of_texts(width: f32, em: f32, longest_row: usize) -> Self {
        let row = em * (longest_row as f32 * 0.62 + 1.0);
        let half = ((width - row) / 2.0).max(em * 4.0);
        Self { row, text: half, answer: half, bar: 0.0, entropy: 0.0, coder: 0.0, coders: 0 }
    }

    /// Two numbers beside the text.
    fn of_scores(width: f32, em: f32, longest_row: usize) -> Self {
        let row = em * (longest_row as f32 * 0.62 + 1.0);
        let (answer, entropy) = (em * 7.0, em * 5.0);
        let text = (width - row - answer - entropy).max(em * 4.0);
        Self { row, text, answer, bar: 0.0, entropy, coder: 0.0, coders: 0 }
    }
}

pub(super) fn grid_ui(ui: &mut Ui, open: &mut OpenEvaluation) {
    let em = theme::em(ui);
    let questions = &open.prepared.questions;
    let digits = questions.list.last().map_or(1, |last| last.row.place.row.to_string().len());
    let scroll_bar = ui.spacing().scroll.bar_width + 4.0;
    let width = ui.available_width() - scroll_bar;
    let writes = open.prepared.task.kind().is_ok_and(|kind| kind.writes());
    let columns = if open.prepared.task.perplexity.is_some() {
        Columns::of_scores(width, em, digits)
    } else if writes {
        Columns::of_texts(width, em, digits)
    } else {
        let labels = questions.labels.iter().flatten();
        let longest = labels.map(|label| label.trim().chars().count()).max().unwrap_or_default();
        let codebook = questions.codebook.as_ref();
        let several = codebook.is_some_and(|codebook| codebook.several);
        Columns::fit(width, em, open.coders.len(), (digits, longest), several)
    };
    let last_first = open.coders.len().saturating_sub(columns.coders);
    open.grid.first_coder = open.grid.first_coder.min(last_first);
    // In a low window the rows come first; one that is looked at has all coders.
    let has_height = ui.available_height() > em * 8.0;
    if columns.coders > 0 && last_first > 0 && has_height {
        coders_ui(ui, (open.coders.len(), columns.coders), &mut open.grid.first_coder);
    }
    header_ui(ui, &columns, open);
    if open.grid.shown().is_empty() {
        let words = "No row is of this kind";
        ui.label(theme::muted(ui, words));
        return;
    }
    let height = (em * 1.8).round();
    ui.spacing_mut().item_spacing.y = 0.0;
    let area = ScrollArea::vertical().id_salt("evaluate_rows").auto_shrink(false);
    // However little height is left: an area that asks for more than there is cannot be scrolled to its end.
    let mut area = area.min_scrolled_height(height);
    if std::mem::take(&mut open.grid.scrolls_to_selected)
        && let Some(at) = place_of_selected(open)
    {
        // In the middle of what is seen.
        let middle = (ui.available_height() - height) / 2.0;
        area = area.vertical_scroll_offset((at as f32 * height - middle).max(0.0));
    }
    let mut clicked = None;
    area.show_rows(ui, height, open.grid.shown().len(), |ui, range| {
        for place in &open.grid.shown()[range] {
            let question = &questions.list[*place as usize];
            let answered = open.answers.get(&question.row.place.row);
            let selected = open.grid.selected == Some(question.row.place.row);
            let first = open.grid.first_coder;
            if row_ui(ui, &columns, question, (answered, first), (selected, height)) {
                clicked = Some(question.row.place.row);
            }
        }
    });
    if let Some(row) = clicked {
        let again = open.grid.selected == Some(row);
        open.grid.selected = (!again).then_some(row);
    }
}

fn place_of_selected(open: &OpenEvaluation) -> Option<usize> {
    let row = open.grid.selected?;
    let list = &open.prepared.questions.list;
    open.grid.shown().iter().position(|place| list[*place as usize].row.place.row == row)
}

/// Which of the coders have a column, where not all of them have room, and the way to the others.
fn coders_ui(ui: &mut Ui, (all, shown): (usize, usize), first_coder: &mut usize) {
    let first = *first_coder;
    ui.horizontal_wrapped(|ui| {
        let back = ActionButton::only_icon(icons::BACK, "Coders before these");
        if ui.add_enabled(first > 0, back).clicked() {
            *first_coder = first.saturating_sub(shown);
        }
        let next = ActionButton::only_icon(icons::NEXT, "Coders after these");
        if ui.add_enabled(first + shown < all, next).clicked() {
            *first_coder = (first + shown).min(all - shown);
        }
        let words = match shown {
            1 => format!("Coder {} of {all}", first + 1),
            _ => format!("Coders {} to {} of {all}", first + 1, first + shown),
        };
        let hint =
            "There is no room for all of them beside each other; a row that is looked at has all";
        ui.add(Label::new(theme::muted(ui, words)).wrap()).on_hover_text(hint);
    });
}

fn header_ui(ui: &mut Ui, columns: &Columns, open: &OpenEvaluation) {
    let (p, em) = (theme::palette(ui), theme::em(ui));
    let font = TextStyle::Small.resolve(ui.style());
    let size = vec2(ui.available_width(), (font.size * 1.6).round());
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    let mut painter = Cells { ui, rect, x: rect.left(), font, ink: p.muted };
    let task = &open.prepared.task;
    let text = match task.kind() {
        Ok(Kind::Code(code)) => code.text.as_str(),
        Ok(Kind::Exam(exam)) => exam.question.as_str(),
        Ok(Kind::Rate(rate)) => rate.text.as_str(),
        Ok(Kind::Extract(extract)) => extract.text.as_str(),
        Ok(Kind::Write(write)) => write.text.as_str(),
        Ok(Kind::Survey(survey)) => survey.question.as_str(),
        Ok(Kind::Ask(_)) => "question",
        Ok(Kind::Perplexity(perplexity)) => perplexity.text.as_str(),
        Ok(Kind::Judge(_)) | Err(_) => "prompt",
    };
    painter.text("row", columns.row, Align::Max);
    painter.text(text, columns.text, Align::Min);
    let scores = open.prepared.task.perplexity.is_some();
    // The table may have a column of answers too.
    let answer = if scores { "perplexity" } else { "model's answer" };
    painter.text(answer, columns.answer, Align::Min);
    if columns.bar > 0.0 {
        let codebook = open.prepared.questions.codebook.as_ref();
        let several = codebook.is_some_and(|codebook| codebook.several);
        let name = match (columns.bar < em * 7.5, several) {
            (true, _) => "prob.",
            (false, true) => "least certain",
            (false, false) => "probability",
        };
        painter.text(name, columns.bar, Align::Min);
    }
    if columns.entropy > 0.0 {
        painter.text(if scores { "tokens" } else { "entropy" }, columns.entropy, Align::Min);
    }
    for coder in open.coders.iter().skip(open.grid.first_coder).take(columns.coders) {
        painter.text(coder, columns.coder, Align::Min);
    }
}

/// `first_coder`: the first that has a column. True: it was clicked.
fn row_ui(
    ui: &mut Ui,
    columns: &Columns,
    question: &Question,
    (answered, first_coder): (Option<&Answered>, usize),
    (selected, height): (bool, f32),
) -> bool {
    let p = theme::palette(ui);
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::click());
    let row = question.row.place.row;
    let words = spoken(question, answered);
    response.widget_info(|| WidgetInfo::selected(Role::Row, true, selected, &words));
    if !ui.is_rect_visible(rect) {
        return response.clicked();
    }
    let ground = match (selected, response.hovered()) {
        (true, _) => p.accent_soft,
        (false, true) => p.raised,
        (false, false) => Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect, theme::CONTROL_RADIUS, ground);
    if response.has_focus() {
        let stroke = eframe::egui::Stroke::new(2.0, p.accent);
        let kind = eframe::egui::StrokeKind::Inside;
        ui.painter().rect_stroke(rect, theme::CONTROL_RADIUS, stroke, kind);
    }
    let font = TextStyle::Body.resolve(ui.style());
    let mut cells = Cells { ui, rect, x: rect.left(), font, ink: p.muted };
    cells.text(&row.to_string(), columns.row, Align::Max);
    cells.ink = p.text;
    cells.text(&beginning(&text_of(question)), columns.text, Align::Min);
    let Some(answered) = answered else { return response.clicked() };
    if let Some(problem) = &answered.problem {
        cells.ink = p.problem;
        cells.text(problem, columns.answer + columns.bar + columns.entropy, Align::Min);
    } else if let Some(text) = &answered.scored {
        cells.ink = p.strong;
        cells.text(&format!("{:.2}", text.perplexity()), columns.answer, Align::Min);
        cells.ink = p.muted;
        cells.text(&format::count(text.tokens), columns.entropy, Align::Min);
    } else {
        cells.ink = p.strong;
        cells.text(answered.answer.as_deref().unwrap_or_default(), columns.answer, Align::Min);
        if answered.approximate && columns.bar > 0.0 {
            cells.ink = p.rejected;
            cells.text("approximate", columns.bar + columns.entropy, Align::Min);
        } else if columns.bar > 0.0 {
            cells.bar(probability(answered), columns.bar);
        }
        if columns.entropy > 0.0 && !answered.approximate {
            cells.ink = p.muted;
            cells.text(&format!("{:.2}", answered.entropy), columns.entropy, Align::Min);
        }
    }
    let said = said_by_people(question, answered).into_iter();
    for (words, same) in said.skip(first_coder).take(columns.coders) {
        cells.ink = if same == Some(false) { p.rejected } else { p.muted };
        cells.text(&words, columns.coder, Align::Min);
    }
    response.clicked()
}

/// Draws one cell after the other.
struct Cells<'a> {
    ui: &'a Ui,
    rect: Rect,
    x: f32,
    font: FontId,
    ink: Color32,
}

impl Cells<'_> {
    fn text(&mut self, text: &str, width: f32, align: Align) {
        let room = width - theme::GAP;
        let galley = one_line(self.ui, text, self.font.clone(), self.ink, room);
        let x = match align {
            Align::Max => self.x + room - galley.size().x,
            Align::Min | Align::Center => self.x,
        };
        let y = self.rect.center().y - galley.size().y / 2.0;
        self.ui.painter().galley(pos2(x, y), galley, self.ink);
        self.x += width;
    }

    /// A probability as a bar with its number at the right.
    fn bar(&mut self, share: f64, width: f32) {
        let p = theme::palette(self.ui);
        let words = format::percent(share as f32);
        let font = FontId::monospace(self.font.size * 0.92);
        let number = one_line(self.ui, &words, font, p.text, width - theme::GAP);
        let bar = width - number.size().x - theme::GAP * 2.0;
        let middle = self.rect.center().y;
        if bar > 12.0 {
            let height = self.font.size * 0.5;
            let top = pos2(self.x, middle - height / 2.0);
            let whole = Rect::from_min_size(top, vec2(bar, height));
            self.ui.painter().rect_filled(whole, 2.0, p.raised_press);
            let filled = Rect::from_min_size(top, vec2(bar * share as f32, height));
            self.ui.painter().rect_filled(filled, 2.0, p.accent);
        }
        let x = self.x + width - theme::GAP - number.size().x;
        self.ui.painter().galley(pos2(x, middle - number.size().y / 2.0), number, p.text);
        self.x += width;
    }
}

/// Of the answer; of a judge's tie that of the likelier side; of several labels that of the decision that is least
/// certain.
fn probability(answered: &Answered) -> f64 {
    if answered.several.is_some() {
        return f64::midpoint(1.0, answered.margin);
    }
    let of_answer = answered.index.and_then(|index| answered.probabilities.get(index));
    of_answer.copied().unwrap_or_else(|| answered.probabilities.iter().copied().fold(0.0, f64::max))
}

/// What the row is about.
pub(super) fn text_of(question: &Question) -> Cow<'_, str> {
    // An item of a survey is the same for everybody who answers it.
    if let (Some(_), Some(group), Some(asked)) =
        (&question.poll, &question.group, question.part("question"))
    {
        return Cow::Owned(format!("{group}: {asked}"));
    }
    // A document is the same in many rows.
    let names = match question.excerpt {
        Some(_) => ["question", "text", "prompt"],
        None => ["text", "question", "prompt"],
    };
    names.into_iter().find_map(|name| question.part(name)).unwrap_or_default()
}

/// What fits into one line of the widest window.
fn beginning(text: &str) -> String {
    text.chars().take(240).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// What each person said, and whether the model says the same. `None`: they said nothing.
pub(super) fn said_by_people(
    question: &Question,
    answered: &Answered,
) -> Vec<(String, Option<bool>)> {
    if let Some(several) = &answered.several {
        let sets = several.human.iter().map(|said| match said {
            None => ("–".to_owned(), None),
            Some(places) => (named(&question.options, places), Some(*places == several.applies)),
        });
        return sets.collect();
    }
    let labels = answered.human.iter().map(|said| {
        (said_words(question, *said), said.is_some().then_some(*said == answered.index))
    });
    labels.collect()
}

/// What a person said.
fn said_words(question: &Question, said: Option<usize>) -> String {
    let Some(index) = said else { return "–".to_owned() };
    match question.options.get(index) {
        Some(option) => option.trim().to_owned(),
        None if index == 2 => VERDICTS[2].to_owned(),
        None => option_name(index),
    }
}

fn spoken(question: &Question, answered: Option<&Answered>) -> String {
    let text: String = text_of(question).chars().take(60).collect();
    let row = format!("Row {} · {text}", question.row.place.row);
    match answered {
        None => row,
        Some(Answered { problem: Some(problem), .. }) => format!("{row} · {problem}"),
        Some(Answered { scored: Some(text), .. }) => {
            format!("{row} · perplexity {:.2}", text.perplexity())
        }
        Some(answered) if answered.written.is_some() => {
            let answer: String =
                answered.answer.iter().flat_map(|it| it.chars()).take(60).collect();
            format!("{row} · {answer}")
        }
        Some(answered) if answered.approximate => {
            let answer = answered.answer.as_deref().unwrap_or_default();
            format!("{row} · {answer} · approximate")
        }
        Some(answered) => {
            let answer = answered.answer.as_deref().unwrap_or_default();
            let share = format::percent(probability(answered) as f32);
            format!("{row} · {answer} · {share}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_coder_has_a_column_however_little_room_there_is() {
        let em = 14.0;
        for width in (480..1800).step_by(20) {
            let width = width as f32;
            for coders in 0..5 {
                let found = Columns::fit(width, em, coders, (3, 11), false);
                assert_eq!(found.coders == 0, coders == 0, "{coders} in {width}");
                assert!(found.coders <= coders);
                let Columns { row, text, answer, bar, entropy, coder, .. } = found;
                let all = row + text + answer + bar + entropy + coder * found.coders as f32;
                assert!(all <= width + 0.5, "{all} in {width}");
            }
        }
    }
}

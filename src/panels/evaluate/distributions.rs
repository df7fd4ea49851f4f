//! The result of a survey: how the answers to an item are distributed, group by group, beside those of
//! real people.

use eframe::egui::accesskit::Role;
use eframe::egui::{
    Color32, ComboBox, FontId, Grid, Label, Rect, Sense, TextStyle, Ui, WidgetInfo, pos2, vec2,
};

use crate::evaluate::measures::figure::WithInterval;
use crate::evaluate::measures::survey_scores::WayScores;
use crate::evaluate::measures::survey_shares::{ItemShares, Shares};
use crate::state::evaluate::SurveyPage;
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::choice::value_ui;
use crate::widgets::format;
use crate::widgets::layout::scrolled_ui;
use crate::widgets::one_line::one_line;
use crate::widgets::theme::{self, icons};

pub(super) fn distributions_ui(ui: &mut Ui, page: &mut SurveyPage) {
    let items = page.items();
    if items.is_empty() || page.scores.ways.is_empty() {
        ui.add(Label::new("No item of the survey was answered").wrap());
        return;
    }
    page.item = page.item.min(items.len() - 1);
    page.way = page.way.min(page.scores.ways.len() - 1);
    choices_ui(ui, page, &items);
    ui.add_space(theme::GAP_SMALL);
    scrolled_ui(ui, "distributions", |ui| {
        let of_item = page.of_item(&items[page.item]);
        if let Some(first) = of_item.first()
            && !first.question.is_empty()
        {
            ui.add(Label::new(theme::title(ui, first.question.as_str())).wrap());
        }
        legend_ui(ui, of_item.iter().any(|shares| shares.people.is_some()));
        ui.add_space(theme::GAP_SMALL);
        for shares in of_item {
            card_ui(ui, |ui| group_ui(ui, shares, page.way));
            ui.add_space(theme::GAP_SMALL);
        }
        card_ui(ui, |ui| all_items_ui(ui, page));
    });
}

/// Which item, and which way of reading answers from the model.
fn choices_ui(ui: &mut Ui, page: &mut SurveyPage, items: &[String]) {
    ui.horizontal_wrapped(|ui| {
        let last = items.len() - 1;
        let before = ActionButton::only_icon(icons::UP, "Last item");
        if ui.add_enabled(page.item > 0, before).clicked() {
            page.item -= 1;
        }
        let after = ActionButton::only_icon(icons::DOWN, "Next item");
        if ui.add_enabled(page.item < last, after).clicked() {
            page.item += 1;
        }
        let combo = ComboBox::from_id_salt("item").selected_text(items[page.item].as_str());
        let combo = combo.truncate().width(theme::em(ui) * 12.0).show_ui(ui, |ui| {
            for (place, name) in items.iter().enumerate() {
                value_ui(ui, &mut page.item, place, name);
            }
        });
        combo.response.accessible_name("Item");
        let words = |way: &WayScores| way.way.words();
        let combo = ComboBox::from_id_salt("way").selected_text(words(&page.scores.ways[page.way]));
        let combo = combo.truncate().width(theme::em(ui) * 12.0).show_ui(ui, |ui| {
            for (place, way) in page.scores.ways.iter().enumerate() {
                ui.selectable_value(&mut page.way, place, words(way));
            }
        });
        let hint = "How the model's answers were read";
        combo.response.accessible_name("Way of reading the answers").on_hover_text(hint);
    });
}

fn legend_ui(ui: &mut Ui, has_people: bool) {
    let p = theme::palette(ui);
    ui.horizontal_wrapped(|ui| {
        let mut shown = vec![(p.accent, "the model")];
        if has_people {
            shown.insert(0, (p.outline, "real people"));
        }
        for (color, words) in shown {
            let size = theme::em(ui) * 0.8;
            let (rect, _) = ui.allocate_exact_size(vec2(size, size), Sense::hover());
            ui.painter().rect_filled(rect, 2.0, color);
            ui.add(Label::new(theme::muted(ui, words)).selectable(false));
        }
        if !has_people {
            let words = "What real people said of this item is not known";
            ui.add(Label::new(theme::muted(ui, words)).selectable(false));
        }
    });
}

/// A bar for each option, and what refuses an answer apart.
fn group_ui(ui: &mut Ui, shares: &ItemShares, way: usize) {
    if let Some(group) = &shares.group {
        ui.add(Label::new(theme::strong(ui, group.as_str())).wrap());
    }
    let Some(model) = shares.model.get(way) else { return };
    if model.options.is_empty() {
        ui.add(Label::new("The model said none of the options").wrap());
    }
    for (place, option) in shares.options.iter().enumerate() {
        let share = |shares: &Shares| shares.options.get(place).copied();
        let people = shares.people.as_ref().map(|people| share(people).unwrap_or_default());
        bars_ui(ui, option, people, share(model).unwrap_or_default());
    }
    let percent = |share: f64| format::percent(share as f32);
    let mut said = vec![match &shares.people {
        Some(people) => format!(
            "refusals: {} of people, {} of the model's",
            percent(people.refusal),
            percent(model.refusal)
        ),
        None => format!("refusals: {}", percent(model.refusal)),
    }];
    said.push(format!("anything else: {}", percent(model.other)));
    if let Some(variation) = model.total_variation {
        said.push(format!("total variation {variation:.3}"));
    }
    if let Some(likeness) = model.representativeness {
        said.push(format!("representativeness {likeness:.3}"));
    }
    ui.add(Label::new(theme::muted(ui, said.join(" · "))).wrap());
}

/// An option with the share of people above that of the model.
fn bars_ui(ui: &mut Ui, option: &str, people: Option<f64>, model: f64) {
    let p = theme::palette(ui);
    let em = theme::em(ui);
    let (bar, gap) = ((em * 0.66).round(), (em * 0.26).round());
    let lines = if people.is_some() { 2.0 } else { 1.0 };
    let high = bar * lines + gap * (lines - 1.0);
    let height = (high + em * 0.7).max(em * 1.5).round();
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let percent = |share: f64| format::percent(share as f32);
    let words = match people {
        Some(people) => format!("{option}: people {}, model {}", percent(people), percent(model)),
        None => format!("{option}: model {}", percent(model)),
    };
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &words));
    let font = TextStyle::Body.resolve(ui.style());
    let digits = FontId::monospace(font.size * 0.8);
    let name = (rect.width() * 0.34).min(em * 16.0);
    let number = em * 4.2;
    let left = rect.left() + name;
    let room = (rect.width() - name - number).max(0.0);
    let label = one_line(ui, option, font, p.text, name - theme::GAP);
    let middle = rect.center().y;
    let at = pos2(rect.left(), middle - label.size().y / 2.0);
    ui.painter().galley(at, label, p.text);
    let mut top = middle - high / 2.0;
    let shown: [(Option<f64>, Color32, Color32); 2] =
        [(people, p.outline, p.muted), (Some(model), p.accent, p.strong)];
    for (share, color, ink) in shown {
        let Some(share) = share else { continue };
        let whole = Rect::from_min_size(pos2(left, top), vec2(room, bar));
        ui.painter().rect_filled(whole, 2.0, p.raised_press);
        let part = Rect::from_min_size(pos2(left, top), vec2(room * share as f32, bar));
        ui.painter().rect_filled(part, 2.0, color);
        let digits = one_line(ui, &percent(share), digits.clone(), ink, number);
        let at = pos2(rect.right() - digits.size().x, top + (bar - digits.size().y) / 2.0);
        ui.painter().galley(at, digits, ink);
        top += bar + gap;
    }
    response.on_hover_text(words);
}

/// The numbers over all items, of the way that is looked at.
fn all_items_ui(ui: &mut Ui, page: &SurveyPage) {
    let way = &page.scores.ways[page.way];
    ui.add(Label::new(theme::strong(ui, "All items")).wrap());
    let rows: [(&str, &str, &WithInterval); 10] = [
        (
            "Representativeness, one order",
            "1 less the distance on the scale from real people, with the options in the order of the \
             table alone",
            &way.representativeness_first_order,
        ),
        (
            "Representativeness, averaged",
            "The same, averaged over the orders of the options",
            &way.representativeness,
        ),
        (
            "Total variation",
            "The share of answers that would have to move to be distributed as those of people",
            &way.total_variation,
        ),
        (
            "Variance ratio",
            "The variance of the model's answers over that of people: below 1 the model varies too little",
            &way.variance_ratio,
        ),
        (
            "A-bias, one order",
            "What the option that is listed first has beyond an equal share, before averaging",
            &way.first_option,
        ),
        (
            "A-bias, averaged",
            "The same of the same option, averaged over the orders",
            &way.first_option_averaged,
        ),
        (
            "First letter",
            "What the first place in the list has beyond an equal share, whichever option stands there",
            &way.first_place,
        ),
        ("Entropy", "1 where all options are alike, 0 where one has everything", &way.entropy),
        ("Refusals", "The mean share of what refuses an answer", &way.refusal),
        ("Anything else", "The mean share of answers that are none of the options", &way.other),
    ];
    Grid::new("all items").num_columns(3).striped(true).show(ui, |ui| {
        for (name, about, value) in rows {
            ui.label(name).on_hover_text(about);
            let Some(number) = value.value.value else {
                ui.label(theme::muted(ui, "none"));
                ui.end_row();
                continue;
            };
            ui.label(theme::strong(ui, format!("{number:.3}")));
            ui.label(theme::muted(
                ui,
                match (value.low, value.high) {
                    (Some(low), Some(high)) => format!("{low:.3} to {high:.3}"),
                    _ => String::new(),
                },
            ));
            ui.end_row();
        }
    });
    if way.by_group.is_empty() {
        return;
    }
    ui.add_space(theme::GAP_SMALL);
    Grid::new("groups").num_columns(5).striped(true).show(ui, |ui| {
        for name in ["Group", "represent.", "total var.", "var. ratio", "refusals"] {
            ui.label(theme::muted(ui, name));
        }
        ui.end_row();
        let shown = |value: &WithInterval| match value.value.value {
            Some(value) => format!("{value:.3}"),
            None => "none".to_owned(),
        };
        for group in &way.by_group {
            ui.label(group.group.as_str());
            ui.label(shown(&group.representativeness));
            ui.label(shown(&group.total_variation));
            ui.label(shown(&group.variance_ratio));
            ui.label(shown(&group.refusal));
            ui.end_row();
        }
    });
}

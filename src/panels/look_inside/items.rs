//! The items of a questionnaire: constructs, what their meaning says of people's answers, and which items
//! are one too many.

use eframe::egui;
use eframe::egui::accesskit::Role;
use eframe::egui::{
    Color32, ComboBox, Grid, Id, Label, Pos2, Rect, ScrollArea, Sense, Stroke, StrokeKind,
    TextStyle, Ui, WidgetInfo, pos2, vec2,
};

use super::map_controls::{column_ui, progress_ui};
use crate::explore::vectors::constructs::{ConstructView, Predicted};
use crate::explore::vectors::shorter::Shortened;
use crate::state::command::{Commands, MapCommand};
use crate::state::look_inside::items::{ItemForm, ItemsFound};
use crate::state::look_inside::map::{MapState, Mapped};
use crate::widgets::button::ActionButton;
use crate::widgets::choice::value_ui;
use crate::widgets::format;
use crate::widgets::icons;
use crate::widgets::one_line::one_line;
use crate::widgets::pixel_map::{PictureKey, square_texture};
use crate::widgets::scatter::Scatter;
use crate::widgets::slider_row::SliderRow;
use crate::widgets::theme;

/// Items that a list shows at most.
const LISTED: usize = 12;

pub(super) fn items_ui(ui: &mut Ui, map: &mut MapState, made: &Mapped, commands: &mut Commands) {
    let words = "Are items that mean the same also answered the same way? Every text is an item of a \
                 questionnaire, and a column says what it is to measure. With a table of people's answers, \
                 the cosines of items are compared with the correlations of their answers.";
    muted(ui, words);
    form_ui(ui, map, made, commands);
    if map.items.found.is_running() {
        progress_ui(ui, map.at);
    }
    let version = map.items.version;
    let Some(found) = map.items.found.ready().cloned() else { return };
    if found.form != map.items.form {
        muted(ui, "What is below was found with other settings: press Compare the items");
    }
    ui.add_space(theme::GAP_SMALL);
    summary_ui(ui, &found);
    matrix_ui(ui, made, &found, version);
    constructs_ui(ui, made, &found.view);
    if let Some(predicted) = &found.predicted {
        predicted_ui(ui, &found.names, predicted);
    }
    shorter_ui(ui, made, &found.view, &found.shorter);
}

fn muted(ui: &mut Ui, words: &str) {
    ui.add(Label::new(theme::muted(ui, words)).wrap());
}

fn strong(ui: &mut Ui, words: &str) {
    ui.add(Label::new(theme::strong(ui, words)).wrap());
}

fn form_ui(ui: &mut Ui, map: &mut MapState, made: &Mapped, commands: &mut Commands) {
    let obstacle = map.items.obstacle();
    let ItemForm { construct, item, answers, keep } = &mut map.items.form;
    ui.horizontal_wrapped(|ui| {
        ui.label("Constructs");
        column_ui(ui, "column of constructs", &made.texts.columns, construct);
        ui.label("Items are called");
        let shown = item.clone().unwrap_or_else(|| "by their text".to_owned());
        let combo = ComboBox::from_id_salt("column of item names").selected_text(shown).truncate();
        let combo = combo.width(theme::em(ui) * 8.0).show_ui(ui, |ui| {
            ui.selectable_value(item, None, "by their text");
            for column in &made.texts.columns {
                value_ui(ui, item, Some(column.clone()), column);
            }
        });
        let about = "What the columns of the table of answers are called";
        combo.response.accessible_name("column of item names").on_hover_text(about);
        let name = answers.as_ref().and_then(|path| path.file_name());
        let name = name.map(|name| name.to_string_lossy().into_owned());
        let words = name.unwrap_or_else(|| "Add people's answers…".to_owned());
        let about = "A table with a row for each person and a column for each item, such as the answers \
                     to a personality questionnaire";
        let open = ActionButton::new(&words).icon(icons::FILE).add_enabled(ui, true);
        if open.on_hover_text(about).clicked() {
            commands.push(MapCommand::ChooseAnswers);
        }
        if answers.is_some() {
            let close = ActionButton::only_icon(icons::CLOSE, "Without answers");
            if ui.add(close).clicked() {
                *answers = None;
            }
        }
    });
    let about = "When the questionnaire is made shorter, so many items of each construct stay";
    SliderRow::new("Items to keep", about, 1.0..=20.0)
        .limits(1.0..=200.0)
        .decimals(0)
        .show(ui, keep);
    let compare = ActionButton::primary("Compare the items").icon(icons::PLAY);
    let compare = compare.add_enabled(ui, obstacle.is_none());
    if compare.on_disabled_hover_text(obstacle.unwrap_or_default()).clicked() {
        commands.push(MapCommand::CompareItems);
    }
}

fn summary_ui(ui: &mut Ui, found: &ItemsFound) {
    let ConstructView { within, between, right, constructs, items, .. } = &found.view;
    strong(
        ui,
        &format!(
            "Mean cosine of two items: {within:.3} within a construct, {between:.3} between constructs"
        ),
    );
    strong(
        ui,
        &format!(
            "{} of {} items are nearest to their own of {} constructs",
            format::percent(*right as f32),
            items.len(),
            constructs.len()
        ),
    );
}

/// The cosines of all items, ordered by construct.
fn matrix_ui(ui: &mut Ui, made: &Mapped, found: &ItemsFound, version: u64) {
    let view = &found.view;
    let p = theme::palette(ui);
    let em = theme::em(ui);
    let small = TextStyle::Small.resolve(ui.style());
    let count = view.order.len();
    let side_words = em * 8.0;
    let side = (ui.available_width() - side_words).min(em * 34.0).max(em * 8.0);
    ui.add_space(theme::GAP_SMALL);
    strong(ui, "Cosines of items, ordered by construct");
    let (whole, response) = ui.allocate_exact_size(vec2(side_words + side, side), Sense::hover());
    response
        .widget_info(|| WidgetInfo::labeled(Role::GraphicsSymbol, true, "Matrix of the cosines"));
    let rect = Rect::from_min_size(whole.min + vec2(side_words, 0.0), vec2(side, side));
    let all = view.cosine.iter().flatten().copied();
    let least = all.fold(1.0_f64, f64::min).min(0.999);
    // From the least to 1; the colour goes by the square root of what it is given.
    let shares = || {
        let share =
            |cosine: &f64| ((cosine - least) / (1.0 - least)).clamp(0.0, 1.0).powi(2) as f32;
        view.cosine.iter().flatten().map(share).collect()
    };
    let key = PictureKey { version, part: 0, variant: 0 };
    let texture = square_texture(ui, Id::unique("cosines of items"), key, count, shares);
    let painter = ui.painter();
    let full = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));
    painter.image(texture.id(), rect, full, Color32::WHITE);
    painter.rect_stroke(rect, 0.0, Stroke::new(1.0, p.outline), StrokeKind::Outside);
    let slot = side / count.max(1) as f32;
    let mut at = 0;
    for (number, name) in view.constructs.iter().enumerate() {
        let size = view.items.iter().filter(|place| place.own == number).count();
        let (from, to) = (at, at + size);
        at = to;
        let y = |place: usize| rect.top() + slot * place as f32;
        let ink = Stroke::new(1.0, p.strong);
        painter.hline(rect.x_range(), y(to), ink);
        painter.vline(rect.left() + slot * to as f32, rect.y_range(), ink);
        let galley = one_line(ui, name, small.clone(), p.text, side_words - 8.0);
        if slot * size as f32 >= galley.size().y {
            let middle = f32::midpoint(y(from), y(to)) - galley.size().y / 2.0;
            let x = rect.left() - 6.0 - galley.size().x;
            painter.galley(pos2(x, middle), galley, p.text);
        }
    }
    let pointed = response.hover_pos().filter(|at| rect.contains(*at)).map(|at| {
        let place = |offset: f32| ((offset / slot).max(0.0) as usize).min(count - 1);
        (place(at.y - rect.top()), place(at.x - rect.left()))
    });
    let words = match pointed {
        Some((row, column)) => {
            let text = |at: usize| made.texts.texts[view.order[at]].as_str();
            let cosine = view.cosine[row][column];
            format!("{cosine:.3} · {} · {}", text(row), text(column))
        }
        None => {
            format!("From {least:.2} (pale) to 1 (dark). Point at a field to read its two items")
        }
    };
    ui.add(Label::new(theme::muted(ui, words)).truncate());
}

/// How each construct's items lie, and those that lie nearer to another one.
fn constructs_ui(ui: &mut Ui, made: &Mapped, view: &ConstructView) {
    ui.add_space(theme::GAP);
    strong(ui, "Items by the construct whose centre is nearest");
    muted(ui, "An item is left out of its own construct's centre: it cannot vote for itself");
    // Wider than the page where there are many columns: it scrolls, and the page does not.
    ScrollArea::horizontal().id_salt("constructs").show(ui, |ui| {
        Grid::new("constructs").striped(true).spacing(vec2(theme::GAP_LARGE, 2.0)).show(ui, |ui| {
            for heading in ["Construct", "Items", "Nearest to it"] {
                ui.label(theme::muted(ui, heading));
            }
            ui.end_row();
            for (number, name) in view.constructs.iter().enumerate() {
                let own = view.items.iter().filter(|place| place.own == number);
                let right = own.clone().filter(|place| place.nearest == number).count();
                ui.label(name);
                ui.label(theme::number(own.count().to_string()));
                ui.label(theme::number(right.to_string()));
                ui.end_row();
            }
        });
    });
    let stray: Vec<_> = view.items.iter().filter(|place| place.own != place.nearest).collect();
    for place in stray.iter().take(LISTED) {
        let [own, nearest] = [place.own, place.nearest].map(|at| view.constructs[at].as_str());
        let text = &made.texts.texts[place.item];
        ui.add(Label::new(format!("{text} · {own}, nearer to {nearest}")).truncate());
    }
    more_ui(ui, stray.len());
}

fn more_ui(ui: &mut Ui, count: usize) {
    if count > LISTED {
        muted(ui, &format!("{} more are in the export", count - LISTED));
    }
}

fn predicted_ui(ui: &mut Ui, names: &[String], predicted: &Predicted) {
    let Predicted { pairs, r, low, high, r_absolute, fewest_answers } = predicted;
    ui.add_space(theme::GAP);
    strong(ui, "What the texts predict of the answers");
    let known: Vec<_> = pairs.iter().filter_map(|pair| Some((pair, pair.correlation?))).collect();
    let words = match (r, low, high) {
        (Some(r), Some(low), Some(high)) => format!(
            "r = {r:.3} (95 % interval {low:.3} to {high:.3}, over resampled items) of {} pairs of items",
            format::count(known.len())
        ),
        (Some(r), ..) => format!("r = {r:.3} of {} pairs of items", known.len()),
        (None, ..) => "r is not defined: the cosines or the correlations do not vary".to_owned(),
    };
    strong(ui, &words);
    let absolute = r_absolute.map_or_else(String::new, |r| {
        format!(
            " With the absolute correlations, since a reversed item is as near in meaning: r = {r:.3}."
        )
    });
    muted(
        ui,
        &format!(
            "Each pair was answered by {} people at least.{absolute}",
            format::count(*fewest_answers)
        ),
    );
    let points: Vec<[f64; 2]> = known.iter().map(|(pair, r)| [pair.cosine, *r]).collect();
    let size = vec2(ui.available_width().min(theme::em(ui) * 44.0), theme::em(ui) * 22.0);
    let hover = |at: usize| {
        let (pair, r) = known[at];
        let [one, other] = [pair.one, pair.other].map(|item| names[item].as_str());
        format!("{one}\n{other}\ncosine {:.3}, correlation {r:.3}", pair.cosine)
    };
    let scatter = Scatter {
        points: &points,
        axes: ["Cosine of the two texts", "Correlation of the answers"],
        said: "Scatter plot of cosines and correlations",
        hover: &hover,
    };
    scatter.show(ui, size);
}

fn shorter_ui(ui: &mut Ui, made: &Mapped, view: &ConstructView, shorter: &Shortened) {
    ui.add_space(theme::GAP);
    strong(
        ui,
        &format!("A shorter questionnaire: {} of {} items", shorter.kept.len(), view.items.len()),
    );
    muted(
        ui,
        "Of the two items of a construct that are nearest to each other, that one goes which is nearer to \
         the others. Only the texts choose; the answers say what the shorter scale is worth.",
    );
    let has_answers = shorter.scales.iter().any(|scale| scale.answers.is_some());
    let number = |value: Option<f64>| {
        theme::number(value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}")))
    };
    // Seven columns have to fit into a small window with large type.
    // Wider than the page where there are many columns: it scrolls, and the page does not.
    ScrollArea::horizontal().id_salt("scales").show(ui, |ui| {
        Grid::new("scales").striped(true).spacing(vec2(theme::GAP, 2.0)).show(ui, |ui| {
            for heading in ["Construct", "Items", "Kept"] {
                ui.label(theme::muted(ui, heading));
            }
            if has_answers {
                let about = "Cronbach's alpha: how far the items of a scale go together. Reversed items are \
                             turned by the first principal component of the answers";
                ui.label(theme::muted(ui, "Alpha")).on_hover_text(about);
                ui.label(theme::muted(ui, "Alpha, shorter")).on_hover_text(about);
                let about = "Correlation of people's scores on the shorter scale and on the whole. The shorter \
                             one is a part of the whole: it is high by that alone";
                ui.label(theme::muted(ui, "r, whole")).on_hover_text(about);
                ui.label(theme::muted(ui, "People"));
            }
            ui.end_row();
            for scale in &shorter.scales {
                ui.label(&view.constructs[scale.construct]);
                ui.label(theme::number(scale.items.to_string()));
                ui.label(theme::number(scale.kept.to_string()));
                if let Some(answers) = scale.answers {
                    ui.label(number(answers.alpha));
                    ui.label(number(answers.alpha_short));
                    ui.label(number(answers.r));
                    ui.label(theme::number(format::count(answers.people)));
                }
                ui.end_row();
            }
        });
    });
    for dropped in shorter.dropped.iter().take(LISTED) {
        let [goes, like] = [dropped.item, dropped.like].map(|at| made.texts.texts[at].as_str());
        let words = format!("{goes} · goes: {:.3} like “{like}”", dropped.cosine);
        ui.add(Label::new(words).truncate());
    }
    more_ui(ui, shorter.dropped.len());
    let kept: Vec<&str> = shorter.kept.iter().map(|at| made.texts.texts[*at].as_str()).collect();
    egui::CollapsingHeader::new("The items that stay").id_salt("kept items").show(ui, |ui| {
        for text in kept {
            ui.add(Label::new(text).truncate());
        }
    });
}

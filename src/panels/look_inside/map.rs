//! The map of a table's texts: what it is made of, the points, and what is listed beside them.

use eframe::egui;
use eframe::egui::{ComboBox, Id, Key, Label, TextEdit, Ui};

use super::items::items_ui;
use super::map_controls::{column_ui, progress_ui};
use super::map_lists::{Asked, aside_ui, legend_ui};
use super::map_parts::{clusters_ui, probe_ui};
use super::page::{Page, beside_ui};
use crate::explore::vectors::layout::Method;
use crate::state::command::{Commands, LookInsideCommand, MapCommand, ViewCommand};
use crate::state::look_inside::map::{Coloring, Listed, MapModel, MapState, Mapped, Part, Tool};
use crate::state::look_inside::view::View;
use crate::state::prefs::PanelId;
use crate::state::slots::Surroundings;
use crate::widgets::button::ActionButton;
use crate::widgets::card::card_ui;
use crate::widgets::choice::value_ui;
use crate::widgets::format;
use crate::widgets::icons;
use crate::widgets::point_map::{PointMap, Pointed};
use crate::widgets::switch::{Segment, segmented_ui};
use crate::widgets::theme;

/// The table, its column, the model and the method.
pub(super) fn setup_ui(
    ui: &mut Ui,
    map: &mut MapState,
    around: &Surroundings<'_>,
    commands: &mut Commands,
) {
    card_ui(ui, |ui| {
        ui.horizontal_wrapped(|ui| {
            let name = map.table.as_ref().and_then(|path| path.file_name());
            let name = name.map(|name| name.to_string_lossy().into_owned());
            let words = name.unwrap_or_else(|| "Open a table…".to_owned());
            let about = "A table with a text in each row: CSV, Excel, Parquet, JSON Lines and others";
            let open = ActionButton::new(&words).icon(icons::FILE).add_enabled(ui, !map.reading);
            if open.on_hover_text(about).clicked() {
                commands.push(MapCommand::ChooseTable);
            }
            if !map.columns.is_empty() {
                column_ui(ui, "column of texts", &map.columns, &mut map.column);
            }
            model_ui(ui, map, around, commands);
            let segments = [
                Segment {
                    value: Method::Umap,
                    words: "UMAP",
                    explanation: "Texts that are near to each other in meaning stay near. Distances \
                                  between groups mean little",
                },
                Segment {
                    value: Method::Pca,
                    words: "PCA",
                    explanation: "The two directions that hold the most variance. Nothing is \
                                  distorted, but what lies along other directions is not seen",
                },
            ];
            segmented_ui(ui, &mut map.method, &segments);
            make_ui(ui, map, around, commands);
            if map.has_part() {
                let about = "What is seen as a picture (PNG, SVG) and as a table (CSV), in the project";
                let export = ActionButton::quiet("Export").icon(icons::EXPORT);
                if export.add_enabled(ui, true).on_hover_text(about).clicked() {
                    commands.push(LookInsideCommand::Export);
                }
            }
        });
    });
}

fn make_ui(ui: &mut Ui, map: &MapState, around: &Surroundings<'_>, commands: &mut Commands) {
    if map.is_running() && !map.seeking {
        let stop = ActionButton::new("Stop").icon(icons::STOP).shortcut("Esc");
        if stop.add_enabled(ui, true).clicked() {
            commands.push(LookInsideCommand::Stop);
        }
        return;
    }
    let request = map.request(around.model.ready().is_some());
    let is_old = match (&request, map.made.ready()) {
        (Ok(request), Some(made)) => made.request != *request,
        _ => true,
    };
    let button = if is_old {
        ActionButton::primary("Make the map")
    } else {
        ActionButton::new("Make it again")
    };
    let button = button.icon(icons::LOOK).add_enabled(ui, request.is_ok());
    let why = request.err().unwrap_or_default();
    if button.on_disabled_hover_text(why).clicked() {
        commands.push(MapCommand::Make);
    }
}

fn model_ui(ui: &mut Ui, map: &mut MapState, around: &Surroundings<'_>, commands: &mut Commands) {
    let loaded = around.model.ready().map(|card| card.identity.name.clone());
    let words = |model: &MapModel| match (model, &loaded) {
        (MapModel::Encoder { name, .. }, _) => name.clone(),
        (MapModel::Loaded, Some(name)) => format!("{name} (loaded, last layer)"),
        (MapModel::Loaded, None) => "The loaded model (none)".to_owned(),
    };
    let has_encoder = map.models.iter().any(|model| *model != MapModel::Loaded);
    if !has_encoder && loaded.is_none() {
        let find = ActionButton::quiet("Find an encoder").icon(icons::SEARCH);
        let about = "A small model that turns texts into vectors, such as all-MiniLM-L6-v2";
        if find.add_enabled(ui, true).on_hover_text(about).clicked() {
            commands.push(ViewCommand::ShowPanel(PanelId::Models));
        }
        return;
    }
    let shown = map.model.as_ref().map_or_else(|| "Choose a model".to_owned(), words);
    let combo = ComboBox::from_id_salt("model of the map").selected_text(shown).truncate();
    let combo = combo.width(theme::em(ui) * 14.0).show_ui(ui, |ui| {
        for model in &map.models {
            value_ui(ui, &mut map.model, Some(model.clone()), &words(model));
        }
    });
    let hint = "What makes the vectors: an encoder on this disk, or the last layer of the model in \
                memory. Vectors are kept, and a text is computed once";
    combo.response.accessible_name("model of the map").on_hover_text(hint);
}

/// The part in front.
pub(super) fn map_ui(ui: &mut Ui, map: &mut MapState, page: Page, commands: &mut Commands) {
    card_ui(ui, |ui| {
        ui.add(Label::new(theme::title(ui, View::Map.question())).wrap());
        ui.add(Label::new(theme::muted(ui, View::Map.help())).wrap());
        ui.add_space(theme::GAP_SMALL);
        let Some(made) = map.made.ready().cloned() else {
            waiting_ui(ui, map);
            return;
        };
        let segments = [
            Segment { value: Part::Map, words: "Map", explanation: "The texts as points" },
            Segment {
                value: Part::Clusters,
                words: "Clusters",
                explanation: "Groups of texts, named by their words",
            },
            Segment {
                value: Part::Probe,
                words: "Linear probe",
                explanation: "How well a column can be predicted from the vectors alone",
            },
            Segment {
                value: Part::Items,
                words: "Questionnaire",
                explanation: "The texts as items: constructs, what they predict of people's answers, and \
                              which items are one too many",
            },
        ];
        segmented_ui(ui, &mut map.part, &segments);
        ui.add_space(theme::GAP_SMALL);
        match map.part {
            Part::Map => points_ui(ui, map, &made, page, commands),
            Part::Clusters => clusters_ui(ui, map, &made, commands),
            Part::Probe => probe_ui(ui, map, &made, commands),
            Part::Items => items_ui(ui, map, &made, commands),
        }
    });
}

/// What there is while there is no map.
fn waiting_ui(ui: &mut Ui, map: &MapState) {
    if map.made.is_running() {
        progress_ui(ui, map.at);
        return;
    }
    let words = match (&map.table, map.reading) {
        (_, true) => "The table is being read…",
        (None, false) => {
            "Open a table, or drop it onto the window. Then choose the column of texts"
        }
        (Some(_), false) => "Press Make the map",
    };
    ui.add(Label::new(theme::muted(ui, words)).wrap());
}

fn points_ui(ui: &mut Ui, map: &mut MapState, made: &Mapped, page: Page, commands: &mut Commands) {
    tools_ui(ui, map, made);
    search_ui(ui, map, commands);
    let height = page.room(ui, 0.0).max(theme::em(ui) * 16.0);
    let (mut centre, mut zoom) = (map.centre, map.zoom);
    let shown: &MapState = map;
    let (pointed, asked) = beside_ui(
        ui,
        |ui| {
            let pointed = canvas_ui(ui, shown, made, height, (&mut centre, &mut zoom));
            legend_ui(ui, shown, made);
            pointed
        },
        |ui| aside_ui(ui, shown, made, height),
    );
    (map.centre, map.zoom) = (centre, zoom);
    match (asked, pointed.clicked) {
        (Some(Asked::Close), _) => {
            map.close_topmost();
        }
        (Some(Asked::Save), _) => commands.push(MapCommand::SavePicked),
        (Some(Asked::Near(place)), _) | (None, Some(place)) => {
            commands.push(MapCommand::NearPoint(place));
        }
        (None, None) => {}
    }
    if let Some(around) = &pointed.around {
        map.pick(around);
    }
    let hovered = pointed.hovered;
    if let Some(place) = hovered {
        let text = made.texts.texts[place].clone();
        let label = map.labels.get(place).copied().flatten();
        let label = label.and_then(|label| map.legend.get(label).cloned());
        egui::Tooltip::always_open(
            ui.ctx().clone(),
            ui.layer_id(),
            Id::unique("text of a point"),
            egui::PopupAnchor::Pointer,
        )
        .gap(12.0)
        .show(|ui| {
            ui.set_max_width(theme::em(ui) * 26.0);
            ui.add(Label::new(text.chars().take(600).collect::<String>()).wrap());
            if let Some(label) = label {
                ui.add(Label::new(theme::muted(ui, label)).wrap());
            }
        });
    }
}

fn tools_ui(ui: &mut Ui, map: &mut MapState, made: &Mapped) {
    ui.horizontal_wrapped(|ui| {
        let segments = [
            Segment {
                value: Tool::Move,
                words: "Move",
                explanation: "Drag to move the map; Ctrl with the wheel, or a pinch, to enlarge it",
            },
            Segment {
                value: Tool::Lasso,
                words: "Draw around",
                explanation: "Draw a line around points: their texts are listed, and can be saved",
            },
        ];
        segmented_ui(ui, &mut map.tool, &segments);
        let words = match &map.coloring {
            Coloring::None => "No colours".to_owned(),
            Coloring::Column(name) => name.clone(),
            Coloring::Clusters => "Clusters".to_owned(),
        };
        let before = map.coloring.clone();
        let combo = ComboBox::from_id_salt("colours of the map").selected_text(words).truncate();
        let combo = combo.width(theme::em(ui) * 9.0).show_ui(ui, |ui| {
            ui.selectable_value(&mut map.coloring, Coloring::None, "No colours");
            if map.groups.ready().is_some() {
                ui.selectable_value(&mut map.coloring, Coloring::Clusters, "Clusters");
            }
            for name in &made.texts.columns {
                let value = Coloring::Column(name.clone());
                value_ui(ui, &mut map.coloring, value, name);
            }
        });
        let hint = "What gives the points their colours and shapes";
        combo.response.accessible_name("colours of the map").on_hover_text(hint);
        if before != map.coloring {
            map.recolor();
        }
        let all = ActionButton::quiet("Show all").icon(icons::REFRESH);
        if all.add_enabled(ui, true).on_hover_text("The whole map in the picture").clicked() {
            map.see_all();
        }
        let count = format!("{} texts", format::count(made.texts.texts.len()));
        let left = match made.texts.empty {
            0 => String::new(),
            1 => ", 1 row without a text left out".to_owned(),
            empty => format!(", {} rows without a text left out", format::count(empty)),
        };
        let share: f64 = made.map.shares.iter().sum();
        let share = match made.map.method {
            Method::Pca => format!(" · {:.1} % of the variance", 100.0 * share),
            Method::Umap => String::new(),
        };
        ui.label(theme::muted(ui, format!("{count}{left}{share}")));
    });
}

fn search_ui(ui: &mut Ui, map: &mut MapState, commands: &mut Commands) {
    ui.horizontal_wrapped(|ui| {
        let width = (ui.available_width() * 0.6).clamp(theme::em(ui) * 10.0, theme::em(ui) * 34.0);
        let field = TextEdit::singleline(&mut map.sentence)
            .hint_text("Search by meaning: write a sentence")
            .desired_width(width);
        let field = ui.add(field).accessible_name("Sentence to search for");
        let entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let has_words = !map.sentence.trim().is_empty();
        let search = ActionButton::new("Search").icon(icons::SEARCH);
        let search = search.add_enabled(ui, has_words && !map.seeking);
        let search = search.on_disabled_hover_text("Write a sentence first");
        if search.clicked() || (entered && has_words) {
            commands.push(MapCommand::NearSentence);
        }
        if map.seeking {
            ui.label(theme::muted(ui, "Searching…"));
        }
        kept_ui(ui, map, commands);
    });
}

/// The encoder that the next search need not load.
fn kept_ui(ui: &mut Ui, map: &MapState, commands: &mut Commands) {
    let Some((name, size)) = map.kept() else { return };
    let size = size.map_or_else(String::new, |size| format!(" ({})", format::bytes(size)));
    ui.add(Label::new(theme::muted(ui, format!("{name} stays in memory{size}"))).truncate());
    let free = ActionButton::quiet("Unload").add_enabled(ui, !map.seeking);
    let about = "Gives its memory back. The next search by meaning loads it again";
    if free.on_hover_text(about).clicked() {
        commands.push(MapCommand::ForgetEncoder);
    }
}

/// The points, and what is done with them.
fn canvas_ui(
    ui: &mut Ui,
    map: &MapState,
    made: &Mapped,
    height: f32,
    (centre, zoom): (&mut [f32; 2], &mut f32),
) -> Pointed {
    let picked: Vec<usize> = match &map.listed {
        Listed::Nothing => Vec::new(),
        Listed::NearPoint(own, near) => near.iter().map(|near| near.item).chain([*own]).collect(),
        Listed::NearSentence(_, near) => near.iter().map(|near| near.item).collect(),
        Listed::Picked(places) => places.clone(),
    };
    let points = PointMap {
        id: Id::unique("map of texts"),
        points: &made.map.points,
        labels: &map.labels,
        picked: &picked,
        version: map.version,
        height,
        draws_around: map.tool == Tool::Lasso,
        name: "Map of the texts",
    };
    points.show(ui, centre, zoom)
}

//! The map of texts in Look inside.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eframe::egui::accesskit::Role;
use egui_kittest::kittest::Queryable as _;
use tuning_fork::app::services::Services;
use tuning_fork::app::tasks::compare_items::CompareItems;
use tuning_fork::app::tasks::find_near::FindNear;
use tuning_fork::app::tasks::make_map::MakeMap;
use tuning_fork::app::tasks::probe_column::ProbeColumn;
use tuning_fork::app::tasks::read_table::ReadMapTable;
use tuning_fork::app::work::{Held, Work as _};
use tuning_fork::data::table;
use tuning_fork::explore::vectors::groups::{Method, groups};
use tuning_fork::explore::vectors::kmeans::KmeansSettings;
use tuning_fork::explore::vectors::layout;
use tuning_fork::explore::vectors::matrix::Vectors;
use tuning_fork::explore::vectors::neighbours::nearest_to;
use tuning_fork::explore::vectors::probe::{ProbeSettings, Probed, probe_labels};
use tuning_fork::explore::vectors::texts::Texts;
use tuning_fork::explore::vectors::worked::{Stage, Worked};
use tuning_fork::files;
use tuning_fork::jobs::Quiet;
use tuning_fork::state::AppState;
use tuning_fork::state::command::{Command, LookInsideCommand, MapCommand, ViewCommand};
use tuning_fork::state::look_inside::map::{
    Coloring, Listed, MapModel, MapRequest, MapState, Mapped, Part, Tool,
};
use tuning_fork::state::look_inside::slot::Slot;
use tuning_fork::state::look_inside::view::View;
use tuning_fork::state::prefs::PanelId;

use crate::support::{Window, empty_state};
use crate::whole_app::App;

fn request() -> MapRequest {
    MapRequest {
        table: PathBuf::from("/data/headlines.csv"),
        column: "text".to_owned(),
        model: MapModel::Encoder {
            name: "tiny-encoder".to_owned(),
            folder: PathBuf::from("/tiny"),
        },
        method: layout::Method::Pca,
    }
}

/// So many texts in three groups, with their subject in a column.
pub fn mapped(count: usize) -> Mapped {
    let subjects = ["tax", "river", "school"];
    let subject = |at: usize| subjects[at % 3].to_owned();
    let texts: Vec<String> =
        (0..count).map(|at| format!("A headline about the {}, number {at}", subject(at))).collect();
    let value = |at: usize, j: usize| {
        f32::from(u8::from(j == at % 3)) + ((at * 7 + j * 3) as f32).sin() * 0.2
    };
    let values = (0..count).flat_map(|at| (0..4).map(move |j| value(at, j))).collect();
    let vectors = Vectors::new(4, values);
    let rows = texts.iter().enumerate().map(|(at, text)| vec![text.clone(), subject(at)]);
    let rows: Vec<Vec<String>> = rows.collect();
    let texts = Texts {
        rows,
        texts,
        columns: vec!["text".to_owned(), "subject".to_owned()],
        places: (2..count as u64 + 2).collect(),
        empty: 1,
    };
    let map = layout::map(&vectors, layout::Method::Pca, 0, &Quiet).unwrap();
    Mapped { request: request(), units: vectors.unit(), texts, way: None, vectors, map }
}

fn chosen(map: &mut MapState) {
    let MapRequest { table, model, method, .. } = request();
    map.models = vec![model.clone(), MapModel::Loaded];
    map.model = Some(model);
    map.method = method;
    map.set_columns(table, vec!["text".to_owned(), "subject".to_owned()], None);
}

fn at_the_map(mut state: AppState) -> AppState {
    state.prefs.panel = PanelId::LookInside;
    state.look_inside.view = View::Map;
    state
}

/// A map is there.
pub fn made(count: usize) -> AppState {
    let mut state = at_the_map(empty_state());
    chosen(&mut state.look_inside.map);
    state.look_inside.map.made(mapped(count));
    state.look_inside.map.coloring = Coloring::Column("subject".to_owned());
    state.look_inside.map.recolor();
    state
}

/// Clusters were found, and compared with the column.
pub fn grouped() -> AppState {
    let mut state = made(60);
    let map = &mut state.look_inside.map;
    let mapped = map.made.ready().unwrap().clone();
    let method = Method::Kmeans(KmeansSettings { clusters: 3, ..KmeansSettings::default() });
    let found = groups(&mapped.vectors, &mapped.texts.as_strs(), method, &Quiet).unwrap();
    map.against_column = Some("subject".to_owned());
    map.grouped(found);
    map.part = Part::Clusters;
    state
}

/// The column was predicted.
pub fn probed() -> AppState {
    let mut state = made(60);
    let map = &mut state.look_inside.map;
    let mapped = map.made.ready().unwrap().clone();
    let values = mapped.texts.column("subject").unwrap();
    let settings = ProbeSettings::default();
    let found = probe_labels(&mapped.vectors, "subject", &values, settings, &Quiet).unwrap();
    map.probed = Slot::Ready(Probed::Labels(found));
    map.part = Part::Probe;
    state
}

/// The texts nearest to one are listed.
pub fn near_one() -> AppState {
    let mut state = made(60);
    let map = &mut state.look_inside.map;
    let mapped = map.made.ready().unwrap().clone();
    let near = nearest_to(&mapped.units, mapped.units.row(0), 10, Some(0));
    map.listed = Listed::NearPoint(0, near);
    state
}

/// Nothing was chosen yet.
pub fn empty() -> AppState {
    at_the_map(empty_state())
}

fn asked(window: &mut Window) -> Vec<MapCommand> {
    let map = |command: Command| match command {
        Command::LookInside(LookInsideCommand::Map(command)) => Some(command),
        _ => None,
    };
    window.asked().into_iter().filter_map(map).collect()
}

#[test]
fn the_map_needs_no_model_in_memory() {
    let mut state = empty_state();
    state.prefs.panel = PanelId::LookInside;
    let mut window = Window::new(state);
    window.click("Map the texts of a table");
    assert_eq!(window.state().look_inside.view, View::Map);
    assert!(window.sees("Which texts mean the same?") && window.sees("Open a table"));
    window.click("Open a table…");
    assert_eq!(asked(&mut window), [MapCommand::ChooseTable]);
}

#[test]
fn the_map_says_how_many_texts_and_colours_by_a_column() {
    let mut window = Window::new(made(60));
    assert!(window.sees("60 texts, 1 row without a text left out"));
    assert!(window.sees("Map of the texts: 60 points"));
    for name in ["tax", "river", "school"] {
        assert!(window.sees(name), "{name} is in the legend");
    }
    window.click("Make it again");
    assert_eq!(asked(&mut window), [MapCommand::Make]);
}

#[test]
fn a_point_that_is_clicked_asks_for_its_neighbours_and_they_are_listed() {
    let mut window = Window::new(made(60));
    let canvas = window.0.get_by_label("Map of the texts: 60 points").rect();
    // The map's middle is where no text is; one near its edge is found by pointing at it.
    let map = &window.state().look_inside.map;
    let points = map.made.ready().unwrap().map.points.clone();
    let low = [0, 1].map(|axis| points.iter().map(|p| p[axis]).fold(f32::INFINITY, f32::min));
    let high = [0, 1].map(|axis| points.iter().map(|p| p[axis]).fold(f32::NEG_INFINITY, f32::max));
    let span = (high[0] - low[0]).max(high[1] - low[1]);
    let whole = canvas.width().min(canvas.height()) - 24.0;
    let at = |point: [f32; 2]| {
        let by =
            [0, 1].map(|axis| (point[axis] - f32::midpoint(low[axis], high[axis])) / span * whole);
        canvas.center() + eframe::egui::vec2(by[0], -by[1])
    };
    let rightmost = (0..60).max_by(|a, b| points[*a][0].total_cmp(&points[*b][0])).unwrap();
    window.0.hover_at(at(points[rightmost]));
    window.run();
    assert!(window.sees(&format!("number {rightmost}")), "its text is shown");
    window.0.drag_at(at(points[rightmost]));
    window.0.drop_at(at(points[rightmost]));
    window.run();
    assert_eq!(asked(&mut window), [MapCommand::NearPoint(rightmost)]);
    let mut window = Window::new(near_one());
    assert!(window.sees("Nearest to: A headline about the tax, number 0"));
    window.click("Close the list");
    assert_eq!(window.state().look_inside.map.listed, Listed::Nothing);
}

#[test]
fn a_line_around_points_lists_their_texts_and_saves_them() {
    let mut state = made(60);
    state.look_inside.map.tool = Tool::Lasso;
    let mut window = Window::new(state);
    let canvas = window.0.get_by_label("Map of the texts: 60 points").rect();
    let inset = canvas.shrink(3.0);
    window.0.drag_at(inset.left_top());
    for at in [inset.right_top(), inset.right_bottom(), inset.left_bottom()] {
        window.0.hover_at(at);
        window.0.step();
    }
    window.0.drop_at(inset.left_bottom());
    window.run();
    let Listed::Picked(places) = &window.state().look_inside.map.listed else {
        panic!("the texts are listed");
    };
    assert_eq!(places.len(), 60);
    window.click("Save as a table");
    assert_eq!(asked(&mut window), [MapCommand::SavePicked]);
}

#[test]
fn clusters_are_named_and_compared_and_a_column_is_predicted() {
    let mut window = Window::new(grouped());
    assert!(window.sees("V-measure 1.000") && window.sees("adjusted Rand index 1.000"));
    assert!(window.sees("20 texts, 33.3 %"), "{}", window.tree());
    window.click("Find clusters");
    assert_eq!(asked(&mut window), [MapCommand::Group]);
    window.press_unseen("Show them on the map");
    assert_eq!(window.state().look_inside.map.part, Part::Map);
    let mut window = Window::new(probed());
    assert!(window.sees("Accuracy 1.000") && window.sees("Macro F1 1.000"));
    assert!(window.sees("commonest label: accuracy 0.333"));
    window.click("Train and test");
    assert_eq!(asked(&mut window), [MapCommand::Probe]);
}

#[test]
fn a_search_by_meaning_is_asked_with_enter() {
    let mut window = Window::new(made(60));
    let field = window.0.get_by_role_and_label(Role::TextInput, "Sentence to search for");
    field.focus();
    field.type_text("floods");
    window.run();
    window.click("Search");
    assert_eq!(asked(&mut window), [MapCommand::NearSentence]);
}

#[test]
fn the_encoder_stays_in_memory_for_the_next_search_until_it_is_unloaded() {
    let mut app = App::open();
    app.ask(ViewCommand::ShowPanel(PanelId::LookInside).into());
    let look = &mut app.harness.state_mut().state.look_inside;
    look.view = View::Map;
    chosen(&mut look.map);
    look.map.sizes.insert(PathBuf::from("/tiny"), 3_000_000);
    app.run();
    app.click("Make the map");
    let Held { feeder, .. } = app.script.borrow_mut().take::<MakeMap>().expect("a map");
    feeder.finish(Ok(mapped(30)));
    app.run();
    app.sees("tiny-encoder stays in memory");
    app.sees("(3.0 MB)");
    app.click("Unload");
    assert_eq!(app.harness.state().state.look_inside.map.kept, None);
    // A search loads it again.
    app.harness.state_mut().state.look_inside.map.sentence = "taxes".to_owned();
    app.run();
    app.click("Search");
    let held = app.script.borrow_mut().take::<FindNear>().expect("a search");
    held.feeder.finish(Ok(Vec::new()));
    app.run();
    app.sees("tiny-encoder stays in memory");
}

/// The same encoder is handed out until its memory is given back.
#[test]
fn a_search_by_meaning_does_not_load_the_encoder_again() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/encoder/plain");
    let services = Services::default();
    let first = services.encoder(&folder).unwrap();
    assert!(Arc::ptr_eq(&first, &services.encoder(&folder).unwrap()));
    services.forget_encoder();
    let again = services.encoder(&folder).unwrap();
    assert!(!Arc::ptr_eq(&first, &again));
    // Another one takes its place.
    let other = folder.with_file_name("mean");
    services.encoder(&other).unwrap();
    assert!(!Arc::ptr_eq(&again, &services.encoder(&folder).unwrap()));
}

#[test]
fn a_map_is_made_behind_the_window_and_can_be_stopped() {
    let mut app = App::open();
    app.ask(ViewCommand::ShowPanel(PanelId::LookInside).into());
    let look = &mut app.harness.state_mut().state.look_inside;
    look.view = View::Map;
    chosen(&mut look.map);
    app.run();
    app.click("Make the map");
    let Held { request: wanted, feeder } =
        app.script.borrow_mut().take::<MakeMap>().expect("a map is made");
    assert_eq!(wanted, request());
    feeder.emit(Worked { stage: Stage::Embedding, done: 30, total: 60 });
    app.run();
    app.sees("Computing vectors: 30 of 60 texts");
    feeder.finish(Ok(mapped(60)));
    app.run();
    app.sees("Map of the texts: 60 points");
    app.click("Linear probe");
    app.click("Train and test");
    let held = app.script.borrow_mut().take::<ProbeColumn>().expect("a probe is trained");
    app.ask(LookInsideCommand::Stop.into());
    assert!(held.feeder.was_cancelled(), "it is told to stop");
}

#[test]
fn a_table_that_was_picked_is_read_and_one_that_cannot_be_is_told() {
    let mut app = App::open();
    app.ask(ViewCommand::ShowPanel(PanelId::LookInside).into());
    app.click("Map the texts of a table");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("headlines.csv");
    files::write_atomic(&path, b"id,text\n1,Rain in the north\n").unwrap();
    app.script.borrow_mut().picks = Some(path.clone());
    app.ask(MapCommand::ChooseTable.into());
    app.run();
    let held = app.script.borrow_mut().take::<ReadMapTable>().expect("a table is read");
    held.feeder.finish(table::read(&path, &Quiet, &mut |_, _| Ok(())));
    app.run();
    app.sees("headlines.csv");
    app.sees("column of texts");
}

/// 50,000 points: four corners each, laid out once and drawn again as they are. `--nocapture` shows
/// what a frame takes.
#[test]
fn fifty_thousand_points_are_one_mesh() {
    let mut window = Window::new(made(50_000));
    window.run();
    let mut fastest = std::time::Duration::MAX;
    let mut corners = 0;
    for _ in 0..5 {
        let start = std::time::Instant::now();
        window.0.step();
        let shapes = window.0.output().shapes.clone();
        let primitives = window.0.ctx.tessellate(shapes, 1.0);
        fastest = fastest.min(start.elapsed());
        let of = |primitive: &eframe::egui::ClippedPrimitive| match &primitive.primitive {
            eframe::egui::epaint::Primitive::Mesh(mesh) => mesh.vertices.len(),
            eframe::egui::epaint::Primitive::Callback(_) => 0,
        };
        corners = primitives.iter().map(of).max().unwrap_or(0);
    }
    println!("a frame with 50,000 points: {fastest:?}");
    assert!(corners >= 200_000, "{corners}");
}

/// Twelve items of three constructs, with what they are called.
pub fn items() -> AppState {
    let mut state = made(12);
    let map = &mut state.look_inside.map;
    let mut mapped = Mapped::clone(map.made.ready().unwrap());
    for (at, row) in mapped.texts.rows.iter_mut().enumerate() {
        row.push(format!("q{at}"));
    }
    mapped.texts.columns.push("item".to_owned());
    map.made(mapped);
    map.part = Part::Items;
    map.items.form.construct = "subject".to_owned();
    map.items.form.keep = 2;
    state
}

/// What people answer: those who agree with one item agree with the others of its construct.
fn answers(folder: &std::path::Path) -> PathBuf {
    let mut table = (0..12).map(|at| format!("q{at}")).collect::<Vec<_>>().join(",");
    for person in 0..30_u32 {
        let answer = |at: u32| {
            let of_construct = (f64::from(person) * (0.7 + f64::from(at % 3))).sin();
            let noise = (f64::from(person) * 2.3 + f64::from(at)).sin();
            format!("{:.0}", 3.0 + 1.5 * of_construct + 0.5 * noise)
        };
        table.push_str(&format!("\n{}", (0..12).map(answer).collect::<Vec<_>>().join(",")));
    }
    let path = folder.join("answers.csv");
    files::write_atomic(&path, table.as_bytes()).unwrap();
    path
}

/// The items, compared with people's answers.
pub fn compared_items() -> AppState {
    let folder = tempfile::tempdir().unwrap();
    let mut state = items();
    let map = &mut state.look_inside.map;
    map.items.form.answers = Some(answers(folder.path()));
    let request = (map.made.ready().unwrap().clone(), map.items.form.clone());
    let services = tuning_fork::app::services::Services::default();
    map.items.set_found(CompareItems::run(request, &services, &Quiet).unwrap());
    state
}

#[test]
fn items_of_a_questionnaire_are_compared_with_peoples_answers_and_made_fewer() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = items();
    let map = &mut state.look_inside.map;
    assert_eq!(map.items.form.item.as_deref(), Some("item"), "its own column is found");
    map.items.form.answers = Some(answers(folder.path()));
    let mut window = Window::new(state);
    window.click("Compare the items");
    assert_eq!(asked(&mut window), [MapCommand::CompareItems]);
    let map = &mut window.state().look_inside.map;
    let request = (map.made.ready().unwrap().clone(), map.items.form.clone());
    let services = tuning_fork::app::services::Services::default();
    let found = CompareItems::run(request, &services, &Quiet).unwrap();
    assert_eq!(found.shorter.kept.len(), 6);
    let r = found.predicted.as_ref().unwrap().r.unwrap();
    assert!(r > 0.8, "the vectors hold the constructs: {r}");
    map.items.set_found(found);
    window.run();
    for words in [
        "items are nearest to their own of 3 constructs",
        "Matrix of the cosines",
        &format!("r = {r:.3} (95 % interval"),
        "Scatter plot of cosines and correlations",
        "A shorter questionnaire: 6 of 12 items",
        "Alpha, shorter",
    ] {
        assert!(window.sees(words), "{words}: {}", window.tree());
    }
    window.state().look_inside.map.items.form.keep = 3;
    window.run();
    assert!(window.sees("was found with other settings"));
    // A small window and none of the themes makes it fall over.
    window.state().prefs.theme = tuning_fork::state::prefs::Theme::Projector;
    window.0.set_size(eframe::egui::vec2(640.0, 480.0));
    window.run();
}

#[test]
fn answers_without_a_column_for_an_item_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("answers.csv");
    files::write_atomic(&path, b"q0,q1\n1,2\n").unwrap();
    let state = items();
    let map = &state.look_inside.map;
    let mut form = map.items.form.clone();
    form.answers = Some(path);
    let services = tuning_fork::app::services::Services::default();
    let request = (map.made.ready().unwrap().clone(), form);
    let said = CompareItems::run(request, &services, &Quiet).unwrap_err().to_string();
    assert!(said.contains("no column for 10 of 12 items, such as \"q2\""), "{said}");
}

//! Find, choose, fetch: the Models panel's second and third part.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use eframe::egui;
use egui_kittest::kittest::Queryable as _;
use serde_json::json;
use tuning_fork::hub::browse::details::DetailEvent;
use tuning_fork::hub::browse::search::{Found, Gate, Page, Parameters, Query};
use tuning_fork::hub::fetch::queue::{
    Failure, FileState, Help, Item, ItemFile, ItemId, ItemState, Order, QueueCommand,
};
use tuning_fork::hub::protocol::content_hash::ContentHash;
use tuning_fork::hub::protocol::repository::RepoKind;
use tuning_fork::hub::protocol::repository::{RemoteFile, RepoListing};
use tuning_fork::state::AppState;
use tuning_fork::state::command::{AnnotateCommand, Command, ModelsCommand, WindowCommand};
use tuning_fork::state::hub::ModelsTab;
use tuning_fork::state::hub::detail::{DetailTab, DetailView, Pick};
use tuning_fork::state::models::Memory;
use tuning_fork::state::prefs::Theme;

use crate::support::{Window, empty_state};

pub fn finding() -> AppState {
    let mut state = empty_state();
    state.hub.tab = ModelsTab::Find;
    state
}

pub fn row(id: &str, architecture: &str) -> Found {
    Found {
        downloads: 1_200_000,
        likes: 210,
        updated: "2026-09-22".to_owned(),
        licence: Some("apache-2.0".to_owned()),
        architecture: Some(architecture.to_owned()),
        parameters: Some(Parameters::Counted(134_515_008)),
        weight_bytes: Some(269_030_016),
        has_safetensors: true,
        ..Found::named(RepoKind::Model, id)
    }
}

pub fn found(state: &mut AppState, rows: Vec<Found>, next: Option<&str>) {
    let query = Query { words: "small".to_owned(), ..Query::default() };
    state.hub.query = query.clone();
    state.hub.results.ask(query);
    state.hub.results.on_page(Page { rows, next: next.map(str::to_owned) });
}

fn file(path: &str, size: u64) -> RemoteFile {
    let hash = ContentHash::Sha256(format!("{:0>64}", path.len() + size as usize));
    RemoteFile { path: path.to_owned(), size, hash }
}

/// Looks at a repository of which everything has come.
pub fn look_at(state: &mut AppState, kind: RepoKind, row: Option<Found>, files: &[(&str, u64)]) {
    let id = row.as_ref().map_or("ada/small", |row| &row.id).to_owned();
    let memory = state.models.memory;
    let mut detail = DetailView::new(kind, id.clone(), row);
    let files = files.iter().map(|(path, size)| file(path, *size)).collect();
    let listing = RepoListing { kind, repo: id, commit: "1".repeat(40), files };
    let disk_free = Some(100_000_000_000);
    let snapshot = PathBuf::from("snapshot");
    let here = Vec::new();
    detail.on_event(DetailEvent::Files { listing, snapshot, here, disk_free }, memory);
    let config = json!({"model_type": "llama", "num_hidden_layers": 30, "hidden_size": 576,
        "num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 8192});
    detail.on_event(DetailEvent::Config(config), memory);
    let card =
        "# Small\n\nA model. [Its paper](https://example.org)\n\n| a | b |\n|---|---|\n| 1 | 2 |";
    detail.on_event(DetailEvent::Card(Ok(card.to_owned())), memory);
    detail.asking = false;
    state.hub.detail = Some(detail);
}

pub const FOLDER: [(&str, u64); 5] = [
    ("README.md", 2_000),
    ("config.json", 700),
    ("model.safetensors", 269_060_552),
    ("pytorch_model.bin", 269_100_000),
    ("tokenizer.json", 2_100_000),
];

pub const GGUFS: [(&str, u64); 4] = [
    ("small-IQ2_XS.gguf", 1_000_000_000),
    ("small-Q4_K_M.gguf", 5_000_000_000),
    ("small-Q8_0.gguf", 9_000_000_000),
    ("small-F16.gguf", 17_000_000_000),
];

#[test]
fn models_to_begin_with_are_there_without_a_network() {
    let mut window = Window::new(finding());
    assert!(window.sees("Good to begin with"));
    assert!(window.sees("HuggingFaceTB/SmolLM2-135M-Instruct · 135 M · 269 MB"));
    let name = window.name_with("HuggingFaceTB/SmolLM2-135M-Instruct");
    window.click(&name);
    let id = "HuggingFaceTB/SmolLM2-135M-Instruct".to_owned();
    assert_eq!(window.asked(), [Command::Models(ModelsCommand::ShowDetails(RepoKind::Model, id))]);
}

#[test]
fn typing_asks_once_it_rests() {
    let mut window = Window::new(finding());
    let field = |window: &Window| window.0.get_by_label("Search the Hub").rect();
    let at = field(&window).center();
    window.0.hover_at(at);
    window.0.get_by_label("Search the Hub").click();
    window.run();
    for letter in ["s", "m", "o"] {
        window.0.get_by_label("Search the Hub").type_text(letter);
        window.0.step();
        assert_eq!(window.asked(), [], "not while it is typed");
    }
    assert_eq!(window.state().hub.query.words, "smo");
    // Time goes on in the harness with every step.
    for _ in 0..100 {
        window.0.step();
    }
    assert_eq!(window.asked(), [Command::Models(ModelsCommand::Search)]);
}

#[test]
fn a_row_says_what_it_is_and_whether_it_runs() {
    let mut state = finding();
    let gated = Found { gate: Gate::Manual, ..row("meta/gated", "llama") };
    found(&mut state, vec![row("ada/small", "llama"), row("ada/bert", "bert"), gated], None);
    state.hub.results.rows.push(row("ada/mamba", "mamba2"));
    let window = Window::new(state);
    let facts = "135 M · 269 MB · apache-2.0 · 1.2 M downloads · 210 likes · 2026-09-22";
    assert!(window.sees(&format!("ada/small · {facts} · runs well")));
    assert!(window.sees(&format!("ada/bert · {facts} · encoder")));
    assert!(window.sees(&format!("ada/mamba · {facts} · cannot run")));
    assert!(window.sees(&format!("meta/gated · {facts} · runs well · asks for consent")));
    assert!(window.sees("4 found"));
}

#[test]
fn the_next_page_is_asked_for_before_the_end_is_reached() {
    let mut state = finding();
    let rows = (0..20).map(|index| row(&format!("ada/m{index}"), "llama")).collect();
    found(&mut state, rows, Some("next"));
    let mut window = Window::new(state);
    assert!(window.asked().contains(&Command::Models(ModelsCommand::SearchMore)));
}

#[test]
fn ten_thousand_rows_cost_no_more_than_ten() {
    let time_of = |count: usize| {
        let mut state = finding();
        let rows = (0..count).map(|index| row(&format!("ada/m{index}"), "llama")).collect();
        found(&mut state, rows, None);
        let mut window = Window::new(state);
        let mut best = Duration::MAX;
        for step in 0..40 {
            let wheel = egui::Event::MouseWheel {
                unit: egui::MouseWheelUnit::Point,
                delta: egui::vec2(0.0, -500.0 * step as f32),
                phase: egui::TouchPhase::Move,
                source: egui::MouseWheelSource::Wheel,
                modifiers: egui::Modifiers::NONE,
            };
            window.0.hover_at(egui::pos2(640.0, 500.0));
            window.0.event(wheel);
            let start = Instant::now();
            window.0.step();
            best = best.min(start.elapsed());
        }
        best
    };
    let (few, many) = (time_of(20), time_of(10_000));
    println!("{few:?} for 20 rows, {many:?} for 10,000");
    // The best of forty frames each: what other programs take is not counted.
    assert!(many < few * 3 + Duration::from_millis(2), "{few:?} for 20 rows, {many:?} for 10,000");
}

#[test]
fn a_long_card_is_drawn_in_a_fraction_of_a_frame() {
    let section = "## Heading\n\nSome **words** about [a thing](https://a.example).\n\n\
                   | a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nprint(1)\n```\n\n- one\n- two\n\n";
    let mut state = finding();
    look_at(&mut state, RepoKind::Model, Some(row("ada/small", "llama")), &FOLDER);
    let detail = state.hub.detail.as_mut().unwrap();
    detail.card = Some(Ok(section.repeat(300)));
    detail.tab = DetailTab::Card;
    let mut window = Window::new(state);
    let best = (0..30).map(|_| {
        let start = Instant::now();
        window.0.step();
        start.elapsed()
    });
    let best = best.min().unwrap();
    println!("a card of {} kB: {best:?} a frame", section.len() * 300 / 1000);
    assert!(best < Duration::from_millis(16), "{best:?}");
}

#[test]
fn an_old_answer_stays_visible_as_such_while_a_new_one_comes() {
    let mut state = finding();
    found(&mut state, vec![row("ada/small", "llama")], None);
    state.hub.results.ask(Query { words: "other".to_owned(), ..Query::default() });
    let window = Window::new(state);
    assert!(window.sees("these are the answers before it"));
    assert!(window.sees("ada/small"));
}

#[test]
fn a_mistyped_name_leads_to_near_ones() {
    let mut state = finding();
    found(&mut state, Vec::new(), None);
    state.hub.results.near = vec!["ada/small".to_owned()];
    let mut window = Window::new(state);
    assert!(window.sees("Nothing was found"));
    window.click("ada/small");
    let look = Command::Models(ModelsCommand::ShowDetails(RepoKind::Model, "ada/small".to_owned()));
    assert_eq!(window.asked(), [look]);
}

#[test]
fn a_search_that_failed_says_why_and_can_be_repeated() {
    let mut state = finding();
    found(&mut state, Vec::new(), None);
    state.hub.results.on_failure(vec!["huggingface.co could not be reached".to_owned()]);
    let mut window = Window::new(state);
    assert!(window.sees("The Hub could not be searched"));
    window.click("Try again");
    assert_eq!(window.asked(), [Command::Models(ModelsCommand::Search)]);
}

#[test]
fn weights_are_fetched_once_and_pickles_stay_where_they_are() {
    let mut state = finding();
    look_at(&mut state, RepoKind::Model, Some(row("ada/small", "llama")), &FOLDER);
    let mut window = Window::new(state);
    assert!(window.sees("safetensors · 271 MB · can be trained"));
    assert!(window.sees("2 files stay on the Hub (269 MB, one of them a pickle)"));
    assert!(window.sees("runs well"));
    assert!(window.sees("there is room"));
    window.click("Download");
    assert_eq!(
        window.asked(),
        [Command::Models(ModelsCommand::Download(Order::model("ada/small")))]
    );
}

#[test]
fn of_many_gguf_files_one_is_picked_and_the_others_say_what_they_cost() {
    let mut state = finding();
    let row = Found { has_safetensors: false, has_gguf: true, ..row("ada/small", "llama") };
    look_at(&mut state, RepoKind::Model, Some(row), &GGUFS);
    let mut window = Window::new(state);
    assert!(window.sees("Q4_K_M · 5.0 GB · the usual choice: small, and little is lost"));
    let pick = |window: &mut Window| window.state().hub.detail.as_ref().unwrap().pick.clone();
    assert_eq!(pick(&mut window), Pick::Variant(1));
    window.click("F16 · 17 GB · as trained, large");
    assert!(window.sees("too large"));
    window.click("Take Q8_0, 9.0 GB");
    assert_eq!(pick(&mut window), Pick::Variant(2));
    window.click("Context 8192");
    window.click("Download");
    let order = Order::model("ada/small").with_files(vec!["small-Q8_0.gguf".to_owned()]);
    assert_eq!(window.asked(), [Command::Models(ModelsCommand::Download(order))]);
}

#[test]
fn what_cannot_be_run_is_not_fetched_and_says_why() {
    let mut state = finding();
    look_at(&mut state, RepoKind::Model, Some(row("ada/deberta", "deberta")), &FOLDER);
    let mut window = Window::new(state);
    assert!(window.sees("Cannot be run here. It is an encoder (deberta)"));
    window.click("Download");
    assert_eq!(window.asked(), []);
}

#[test]
fn an_encoder_is_fetched_and_not_loaded() {
    let mut state = finding();
    look_at(&mut state, RepoKind::Model, Some(row("ada/bert", "bert")), &FOLDER);
    let mut window = Window::new(state);
    assert!(window.sees("It is an encoder: it turns a text into a vector and does not write"));
    assert!(!window.sees("can be trained") && !window.sees("Memory to train"));
    window.click("Download");
    assert_eq!(
        window.asked(),
        [Command::Models(ModelsCommand::Download(Order::model("ada/bert")))]
    );
    let detail = window.state().hub.detail.as_mut().unwrap();
    let (listing, snapshot) = (detail.listing.clone().unwrap(), PathBuf::from("snapshot"));
    let here = FOLDER.iter().map(|(path, _)| (*path).to_owned()).collect();
    let files = DetailEvent::Files { listing, snapshot, here, disk_free: None };
    detail.on_event(files, Memory::default());
    window.run();
    assert!(window.sees("On this computer") && !window.sees("Load it"));
}

#[test]
fn how_long_a_run_would_take_is_said_before_the_download() {
    let mut state = finding();
    look_at(&mut state, RepoKind::Model, Some(row("ada/small", "llama")), &FOLDER);
    let mut window = Window::new(state);
    assert!(window.sees("Time to train") && window.sees("not known yet"));
    window.state().models.pace = Some(1e11);
    window.run();
    assert!(window.sees("soon done") && window.sees("for 200 pairs"));
    window.state().models.pace = Some(1e8);
    window.run();
    assert!(window.sees("too long: take a smaller model"));
}

#[test]
fn a_gated_model_leads_to_its_page_and_is_tried_again() {
    let mut state = finding();
    let mut detail = DetailView::new(RepoKind::Model, "meta/gated".to_owned(), None);
    let page = "https://hub.example/meta/gated".to_owned();
    let help = Help::Access { page: page.clone(), has_token: false };
    detail.failure = Some((vec!["no access".to_owned()], help));
    detail.asking = false;
    state.hub.detail = Some(detail);
    let mut window = Window::new(state);
    assert!(window.sees("put a token of your account"));
    window.click("Open its page");
    window.click("Try again");
    let again =
        Command::Models(ModelsCommand::ShowDetails(RepoKind::Model, "meta/gated".to_owned()));
    assert_eq!(window.asked(), [Command::Window(WindowCommand::OpenPage(page)), again]);
}

#[test]
fn a_card_is_read_without_leaving_the_window() {
    let mut state = finding();
    look_at(&mut state, RepoKind::Model, Some(row("ada/small", "llama")), &FOLDER);
    let mut window = Window::new(state);
    window.click("Card");
    assert_eq!(window.state().hub.detail.as_ref().unwrap().tab, DetailTab::Card);
    assert!(window.sees("Its paper"));
    assert!(window.sees("A model."));
}

#[test]
fn of_a_dataset_files_are_ticked() {
    let mut state = finding();
    state.hub.query.kind = RepoKind::Dataset;
    let files = [("README.md", 1), ("train.jsonl", 10_000), ("test.csv", 5_000)];
    look_at(&mut state, RepoKind::Dataset, None, &files);
    let mut window = Window::new(state);
    window.click("test.csv · 5.0 kB");
    window.click("Download");
    let order = Order::dataset("ada/small").with_files(vec!["train.jsonl".to_owned()]);
    assert_eq!(window.asked(), [Command::Models(ModelsCommand::Download(order))]);
}

pub fn item(id: u64, repo: &str, state: ItemState) -> Item {
    let file = |path: &str, size, done, state| ItemFile { remote: file(path, size), done, state };
    Item {
        id: ItemId(id),
        order: Order::model(repo),
        state,
        commit: Some("1".repeat(40)),
        files: vec![
            file("config.json", 700, 700, FileState::Done),
            file("model.safetensors", 269_000_000, 100_000_000, FileState::Fetching),
        ],
        bytes_per_sec: 10_000_000.0,
    }
}

pub fn fetching() -> AppState {
    let mut state = empty_state();
    state.hub.tab = ModelsTab::Downloads;
    let page = "https://hub.example/meta/gated".to_owned();
    let failure = Failure {
        reason: "hub.example does not give access to meta/gated".to_owned(),
        help: Help::Access { page, has_token: true },
    };
    state.hub.downloads = vec![
        item(1, "ada/one", ItemState::Fetching),
        item(2, "ada/two", ItemState::Paused),
        item(3, "meta/gated", ItemState::Failed(failure)),
        item(4, "ada/done", ItemState::Done { folder: PathBuf::from("snapshot") }),
    ];
    state
}

#[test]
fn downloads_say_how_far_they_are_and_do_what_they_are_told() {
    let mut window = Window::new(fetching());
    assert!(window.sees("Downloads (3)"));
    assert!(window.sees("100 of 269 MB · 10 MB/s · 17 s left"));
    assert!(window.sees("Paused · 100 of 269 MB"));
    for button in [
        "Pause: ada/one",
        "Later: ada/one",
        "Resume: ada/two",
        "Sooner: ada/two",
        "Cancel, and delete what came: ada/two",
        "Pause all",
        "Clear what is done",
    ] {
        window.click(button);
    }
    let (one, two) = (ItemId(1), ItemId(2));
    let expected = [
        QueueCommand::Pause(one),
        QueueCommand::Move { id: one, to: 1 },
        QueueCommand::Resume(two),
        QueueCommand::Move { id: two, to: 0 },
        QueueCommand::Cancel(two),
        QueueCommand::PauseAll,
        QueueCommand::ClearDone,
    ];
    assert_eq!(
        window.asked(),
        expected.map(|command| Command::Models(ModelsCommand::Queue(command)))
    );
}

#[test]
fn a_download_without_access_says_what_to_accept_and_where() {
    let mut window = Window::new(fetching());
    assert!(window.sees("does not give access to meta/gated"));
    window.click("Open its page");
    window.click("Try again: meta/gated");
    let page =
        Command::Window(WindowCommand::OpenPage("https://hub.example/meta/gated".to_owned()));
    assert_eq!(
        window.asked(),
        [page, Command::Models(ModelsCommand::Queue(QueueCommand::Resume(ItemId(3))))]
    );
}

#[test]
fn prompts_of_a_fetched_dataset_go_to_annotate() {
    let mut state = fetching();
    let mut done = item(5, "ada/prompts", ItemState::Done { folder: PathBuf::from("snapshot") });
    done.order = Order::dataset("ada/prompts");
    done.files =
        vec![ItemFile { remote: file("prompts.jsonl", 100), done: 100, state: FileState::Done }];
    state.hub.downloads = vec![done];
    let mut window = Window::new(state);
    window.click("Use in Annotate: prompts.jsonl");
    let path = PathBuf::from("snapshot").join("prompts.jsonl");
    assert_eq!(window.asked(), [Command::Annotate(AnnotateCommand::UseFile(path))]);
}

#[test]
fn a_token_is_handed_over_and_not_shown() {
    let mut state = finding();
    state.hub.settings.open = true;
    state.hub.settings.token = "hf_secret".to_owned();
    let mut window = Window::new(state);
    assert!(!window.sees("hf_secret"));
    window.click("Save");
    assert_eq!(window.asked(), [Command::Models(ModelsCommand::SaveToken)]);
}

#[test]
fn a_small_projector_window_shows_one_thing_at_a_time_with_a_way_back() {
    let mut state = finding();
    state.prefs.theme = Theme::Projector;
    found(&mut state, vec![row("ada/small", "llama")], None);
    look_at(&mut state, RepoKind::Model, Some(row("ada/small", "llama")), &FOLDER);
    let mut window = Window::sized(state, 1000.0, 640.0);
    assert!(!window.sees("1 found"));
    window.click("Back to the list");
    assert_eq!(window.asked(), [Command::Models(ModelsCommand::CloseDetails)]);
}

#[test]
fn the_parts_of_the_panel_read_out_as_they_look() {
    insta::assert_snapshot!("first_look", Window::new(finding()).tree());
    let mut state = finding();
    found(&mut state, vec![row("ada/small", "llama"), row("ada/bert", "bert")], None);
    look_at(&mut state, RepoKind::Model, Some(row("ada/small", "llama")), &FOLDER);
    insta::assert_snapshot!("found_and_looked_at", Window::new(state).tree());
    insta::assert_snapshot!("downloads", Window::new(fetching()).tree());
}

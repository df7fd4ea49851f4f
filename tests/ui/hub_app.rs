//! The Hub in the whole window: commands become questions, answers become rows, and an answer to
//! an older question becomes nothing.

use std::path::PathBuf;

use egui_kittest::kittest::Queryable as _;
use tuning_fork::app::tasks::check_files::CheckFiles;
use tuning_fork::app::tasks::details::ReadDetails;
use tuning_fork::app::tasks::downloads::ServeQueue;
use tuning_fork::app::tasks::load_model::LoadModel;
use tuning_fork::app::tasks::measure_speed::MeasureSpeed;
use tuning_fork::app::tasks::scan_models::ScanModels;
use tuning_fork::app::tasks::search::Search;
use tuning_fork::app::tasks::secret::AskKeyring;
use tuning_fork::app::tasks::suggest::Suggest;
use tuning_fork::app::tasks::updates::CheckUpdates;
use tuning_fork::app::work::Held;
use tuning_fork::hub;
use tuning_fork::hub::account::vault::Secret;
use tuning_fork::hub::browse::search::{Found, Page};
use tuning_fork::hub::cache::keep::{Damaged, Verified, Verifying};
use tuning_fork::hub::cache::local::{LocalModel, Place};
use tuning_fork::hub::fetch::queue::{Item, ItemId, ItemState, Order, QueueCommand, QueueEvent};
use tuning_fork::hub::protocol::repository::RepoKind;
use tuning_fork::jobs::Cancelled;
use tuning_fork::llm;
use tuning_fork::llm::card::ModelSource;
use tuning_fork::state::command::{AnnotateCommand, Command, ModelsCommand, TrainCommand};
use tuning_fork::state::hub::ModelsTab;
use tuning_fork::state::models::FoundModel;
use tuning_fork::state::prefs::{PanelId, Prefs};

use crate::whole_app::App;

fn page(ids: &[&str]) -> Page {
    let rows = ids.iter().map(|id| Found::named(RepoKind::Model, id)).collect();
    Page { rows, next: None }
}

fn search(app: &mut App, words: &str) {
    app.harness.state_mut().state.hub.tab = ModelsTab::Find;
    app.harness.state_mut().state.hub.query.words = words.to_owned();
    app.ask(Command::Models(ModelsCommand::Search));
}

fn rows(app: &App) -> Vec<String> {
    let rows = &app.harness.state().state.hub.results.rows;
    rows.iter().map(|row| row.id.clone()).collect()
}

#[test]
fn an_answer_to_an_older_question_is_never_shown() {
    let mut app = App::open();
    search(&mut app, "old");
    let Held { request: (query, _), feeder: old } =
        app.script.borrow_mut().take::<Search>().expect("a question");
    assert_eq!(query.words, "old");
    search(&mut app, "new");
    assert!(old.was_cancelled());
    old.finish(Ok(page(&["ada/old"])));
    app.run();
    assert_eq!(rows(&app), Vec::<String>::new());
    let Held { request: (_, _), feeder: new } =
        app.script.borrow_mut().take::<Search>().expect("another question");
    new.finish(Ok(page(&["ada/new"])));
    app.run();
    assert_eq!(rows(&app), ["ada/new"]);
}

#[test]
fn typing_goes_on_while_the_hub_is_silent() {
    let mut app = App::open();
    search(&mut app, "sm");
    let silent = app.script.borrow_mut().take::<Search>().expect("a question").feeder;
    app.harness.get_by_label("Search the Hub").click();
    app.run();
    app.harness.get_by_label("Search the Hub").type_text("ol");
    app.harness.step();
    app.harness.step();
    assert_eq!(app.harness.state().state.hub.query.words, "smol");
    drop(silent);
}

#[test]
fn a_name_that_is_not_found_leads_to_near_ones() {
    let mut app = App::open();
    search(&mut app, "ada/smxll");
    let Held { request: (_, _), feeder } =
        app.script.borrow_mut().take::<Search>().expect("a question");
    feeder.finish(Ok(page(&[])));
    app.run();
    app.sees("Looking for names that are near");
    let Held { request: (_, words), feeder } =
        app.script.borrow_mut().take::<Suggest>().expect("near names");
    assert_eq!(words, "ada/smxll");
    feeder.finish(Ok(vec!["ada/small".to_owned()]));
    app.run();
    app.click("ada/small");
    let script = app.script.borrow();
    let details = script.started::<ReadDetails>().expect("its details are read");
    assert_eq!(details.request, (RepoKind::Model, "ada/small".to_owned()));
}

#[test]
fn a_search_without_a_network_says_so_and_keeps_the_list_to_begin_with() {
    let mut app = App::open();
    search(&mut app, "small");
    let Held { request: (_, _), feeder } =
        app.script.borrow_mut().take::<Search>().expect("a question");
    feeder.finish(Err(hub::Error::Offline));
    app.run();
    app.sees("The Hub could not be searched");
    app.sees("offline mode is on");
    search(&mut app, "");
    app.sees("Good to begin with");
}

fn item(state: ItemState) -> Item {
    Item {
        id: ItemId(1),
        order: Order::model("ada/small"),
        state,
        commit: None,
        files: Vec::new(),
        bytes_per_sec: 0.0,
    }
}

#[test]
fn a_download_goes_to_the_queue_and_its_end_offers_the_model() {
    let mut app = App::open();
    app.ask(Command::Models(ModelsCommand::Download(Order::model("ada/small"))));
    let added = QueueCommand::Add(Order::model("ada/small"));
    assert_eq!(app.script.borrow().queue_commands, [added]);
    let queue =
        app.script.borrow_mut().take::<ServeQueue>().expect("a queue runs from the start").feeder;
    queue.emit(QueueEvent::Changed(vec![item(ItemState::Asking)]));
    app.run();
    app.sees("asking what there is · ada/small");
    app.click("Stop: Downloading");
    assert_eq!(app.script.borrow().queue_commands[1], QueueCommand::PauseAll);
    drop(app.script.borrow_mut().take::<ScanModels>());
    let folder = PathBuf::from("snapshot");
    queue.emit(QueueEvent::Finished(item(ItemState::Done { folder: folder.clone() })));
    app.run();
    assert!(
        app.script.borrow().started::<ScanModels>().is_some(),
        "the list of models is read again"
    );
    app.click("Load it");
    let Held { request: (source, _), feeder: _ } =
        app.script.borrow_mut().take::<LoadModel>().expect("a load");
    assert_eq!(source.path(), folder);
}

#[test]
fn new_settings_are_used_by_what_is_fetched_after_them() {
    let mut app = App::open();
    let queue = app.script.borrow_mut().take::<ServeQueue>().expect("a queue").feeder;
    let form = &mut app.harness.state_mut().state.hub.settings;
    form.draft.endpoint = "https://mirror.example".to_owned();
    app.ask(Command::Models(ModelsCommand::SaveHubSettings));
    assert_eq!(app.script.borrow().connected.len(), 2);
    assert_eq!(app.script.borrow().connected[1].endpoint, "https://mirror.example");
    assert!(queue.was_cancelled());
    queue.finish(Ok(()));
    app.run();
    assert!(
        app.script.borrow().started::<ServeQueue>().is_some(),
        "it goes on with the new address"
    );
}

#[test]
fn a_token_leaves_the_form_as_soon_as_it_is_kept() {
    let mut app = App::open();
    app.harness.state_mut().state.hub.settings.token = " hf_abc ".to_owned();
    app.ask(Command::Models(ModelsCommand::SaveToken));
    let form = &app.harness.state().state.hub.settings;
    assert_eq!((form.token.as_str(), form.is_keyring_asked), ("", true));
    keyring_answers(&mut app, Ok(()));
    assert_eq!(app.script.borrow().secrets[&Secret::Token], "hf_abc");
    let form = &app.harness.state().state.hub.settings;
    assert_eq!((form.token_from.as_deref(), form.is_keyring_asked), (Some("the test"), false));
    app.ask(Command::Models(ModelsCommand::DeleteToken));
    keyring_answers(&mut app, Ok(()));
    assert!(app.script.borrow().secrets.is_empty());
    assert_eq!(app.harness.state().state.hub.settings.token_from, None);
}

fn keyring_answers(app: &mut App, answer: Result<(), hub::Error>) {
    app.script.borrow_mut().keyring_answers(answer);
    app.run();
}

#[test]
fn a_keyring_that_does_not_serve_is_said_and_downloads_go_on() {
    let mut app = App::open();
    let queue = app.script.borrow_mut().take::<ServeQueue>().expect("a queue").feeder;
    app.harness.state_mut().state.hub.settings.token = "hf_abc".to_owned();
    app.ask(Command::Models(ModelsCommand::SaveToken));
    queue.finish(Ok(()));
    app.run();
    assert!(
        app.script.borrow().started::<ServeQueue>().is_none(),
        "not before it is known with which token"
    );
    app.harness.state_mut().state.prefs.panel = PanelId::Models;
    keyring_answers(&mut app, Err(hub::Error::Keyring { reason: "it is locked".to_owned() }));
    app.sees("The token could not be saved");
    assert!(app.script.borrow().started::<ServeQueue>().is_some());
    assert_eq!(app.harness.state().state.hub.settings.token, "hf_abc", "to be tried again");
}

#[test]
fn the_password_of_a_proxy_is_not_in_the_preferences() {
    let mut app = App::open();
    let whole = "http://ada:secret@proxy:3128";
    app.harness.state_mut().state.hub.settings.draft.proxy = whole.to_owned();
    app.ask(Command::Models(ModelsCommand::SaveHubSettings));
    assert_eq!(app.harness.state().state.prefs.hub.proxy, "http://ada@proxy:3128");
    keyring_answers(&mut app, Ok(()));
    assert_eq!(app.script.borrow().secrets[&Secret::Proxy], whole);
    let form = &app.harness.state().state.hub.settings;
    assert_eq!(form.proxy_from.as_deref(), Some("the test"));
    assert_eq!(form.draft.proxy, "http://ada@proxy:3128");
    // Another setting leaves it where it is; another proxy does not get it.
    app.harness.state_mut().state.hub.settings.draft.offline = true;
    app.ask(Command::Models(ModelsCommand::SaveHubSettings));
    assert!(app.script.borrow().started::<AskKeyring>().is_none());
    app.harness.state_mut().state.hub.settings.draft.proxy = "http://other:1".to_owned();
    app.ask(Command::Models(ModelsCommand::SaveHubSettings));
    keyring_answers(&mut app, Ok(()));
    assert!(app.script.borrow().secrets.is_empty());
}

#[test]
fn a_password_of_an_older_version_is_in_the_preferences_until_it_is_kept() {
    let whole = "http://ada:secret@proxy:3128";
    let mut prefs = Prefs::default();
    prefs.hub.proxy = whole.to_owned();
    let mut app = App::open_with(prefs);
    let proxies = |app: &App| {
        let state = &app.harness.state().state;
        (state.prefs.hub.proxy.clone(), state.hub.settings.draft.proxy.clone())
    };
    let bare = "http://ada@proxy:3128".to_owned();
    assert_eq!(proxies(&app), (whole.to_owned(), bare.clone()), "used, and not shown");
    // Another setting is saved meanwhile.
    app.harness.state_mut().state.hub.settings.draft.offline = true;
    app.ask(Command::Models(ModelsCommand::SaveHubSettings));
    assert_eq!(proxies(&app), (whole.to_owned(), bare.clone()));
    keyring_answers(&mut app, Err(hub::Error::Keyring { reason: "the disk is full".to_owned() }));
    assert_eq!(proxies(&app), (whole.to_owned(), bare.clone()), "not lost");

    let mut prefs = Prefs::default();
    prefs.hub.proxy = whole.to_owned();
    let mut app = App::open_with(prefs);
    // It is in a file by now, while the keyring is still asked.
    app.script.borrow().started::<AskKeyring>().expect("it is asked").feeder.emit(());
    app.run();
    assert_eq!(proxies(&app), (bare.clone(), bare));
}

#[test]
fn a_password_that_could_not_be_kept_stands_where_it_was_typed() {
    let mut app = App::open();
    let whole = "http://ada:secret@proxy:3128";
    app.harness.state_mut().state.hub.settings.draft.proxy = whole.to_owned();
    app.ask(Command::Models(ModelsCommand::SaveHubSettings));
    keyring_answers(&mut app, Err(hub::Error::Keyring { reason: "the disk is full".to_owned() }));
    let state = &app.harness.state().state;
    assert_eq!(state.hub.settings.draft.proxy, whole);
    assert_eq!(state.prefs.hub.proxy, "http://ada@proxy:3128");
}

#[test]
fn what_is_typed_while_the_keyring_is_asked_stays() {
    let mut app = App::open();
    app.harness.state_mut().state.hub.settings.token = "hf_abc".to_owned();
    app.ask(Command::Models(ModelsCommand::SaveToken));
    app.harness.state_mut().state.hub.settings.draft.endpoint = "https://mirr".to_owned();
    keyring_answers(&mut app, Ok(()));
    assert_eq!(app.harness.state().state.hub.settings.draft.endpoint, "https://mirr");
}

#[test]
fn a_search_waits_for_the_password_of_the_proxy() {
    let mut app = App::open();
    search(&mut app, "small");
    let Held { request: (_, _), feeder } =
        app.script.borrow_mut().take::<Search>().expect("a question");
    feeder.finish(Ok(page(&["ada/small"])));
    app.run();
    let whole = "http://ada:secret@proxy:3128";
    app.harness.state_mut().state.hub.settings.draft.proxy = whole.to_owned();
    app.ask(Command::Models(ModelsCommand::SaveHubSettings));
    assert!(app.script.borrow().started::<Search>().is_none(), "it would be refused by the proxy");
    keyring_answers(&mut app, Ok(()));
    assert!(app.script.borrow().started::<Search>().is_some());
    let form = &app.harness.state().state.hub.settings;
    assert_eq!(form.proxy_from.as_deref(), Some("the test"), "it goes along");
}

#[test]
fn an_encoder_that_was_fetched_is_not_offered_to_be_loaded() {
    let mut app = App::open();
    let folder = tempfile::tempdir().unwrap();
    let config = br#"{"model_type": "bert"}"#;
    tuning_fork::files::write_atomic(&folder.path().join("config.json"), config).unwrap();
    let queue = app.script.borrow_mut().take::<ServeQueue>().expect("a queue").feeder;
    let done = ItemState::Done { folder: folder.path().to_owned() };
    queue.emit(QueueEvent::Finished(item(done)));
    app.run();
    app.sees("ada/small is here, whole and verified");
    app.sees("it turns a text into a vector and does not write");
    assert!(app.harness.query_by_label("Load it").is_none());
}

#[test]
fn the_speed_is_measured_while_nothing_else_runs() {
    let mut app = App::open();
    let pace = |app: &App| app.harness.state().state.models.pace;
    let source = ModelSource::named(&PathBuf::from("nowhere/model.gguf"));
    app.ask(Command::Models(ModelsCommand::Load(source.clone())));
    app.ask(Command::Models(ModelsCommand::ShowDetails(RepoKind::Model, "ada/small".to_owned())));
    assert!(app.script.borrow().started::<MeasureSpeed>().is_none(), "a model is being loaded");
    let failed = || Err(llm::Error::Cancelled(Cancelled).into());
    let Held { feeder: load, .. } = app.script.borrow_mut().take::<LoadModel>().expect("a load");
    load.finish(failed());
    app.run();
    let disturbed = app.script.borrow_mut().take::<MeasureSpeed>().expect("it is taken up").feeder;
    app.ask(Command::Models(ModelsCommand::Load(source)));
    assert!(disturbed.was_cancelled());
    disturbed.finish(Ok(1e9));
    let Held { feeder: load, .. } = app.script.borrow_mut().take::<LoadModel>().expect("a load");
    load.finish(failed());
    app.run();
    assert_eq!(pace(&app), None, "that was measured beside a load");
    app.script
        .borrow_mut()
        .take::<MeasureSpeed>()
        .expect("it is taken up again")
        .feeder
        .finish(Ok(1e11));
    app.run();
    assert_eq!(pace(&app), Some(1e11));
}

#[test]
fn a_file_of_a_dataset_opens_in_annotate_and_in_train() {
    let mut app = App::open();
    let table = "tests/reference/parquet/pairs.parquet";
    let table = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(table);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.parquet");
    std::fs::copy(&table, &path).unwrap();
    app.ask(Command::Annotate(AnnotateCommand::UseFile(path.clone())));
    app.run();
    app.sees("Why is the sky blue?");
    app.ask(Command::Train(TrainCommand::UseFile(path)));
    app.run();
    let file = app.harness.state().state.train.file.clone().expect("a file");
    assert_eq!((file.path.file_name().unwrap().to_str(), file.rows), (Some("pairs.parquet"), 2));
    let wrong = folder.path().join("wrong.parquet");
    tuning_fork::files::write_atomic(&wrong, b"PAR1 and nothing of a table").unwrap();
    app.ask(Command::Annotate(AnnotateCommand::UseFile(wrong)));
    app.run();
    app.sees("These prompts cannot be used");
}

#[test]
fn a_check_shows_how_far_it_is_and_names_what_is_damaged() {
    let mut app = App::open();
    let (path, repo) = (PathBuf::from("snapshot"), "ada/small".to_owned());
    let place = Place::HubCache { repo: repo.clone(), commit: "1".repeat(40) };
    app.harness.state_mut().state.models.found.push(FoundModel {
        local: LocalModel { name: repo.clone(), path: path.clone(), place, file_bytes: 0 },
        facts: Err(String::new()),
        frees: None,
        has_update: false,
        unused_days: None,
    });
    app.ask(Command::Models(ModelsCommand::Verify(path)));
    let Held { request: asked, feeder } =
        app.script.borrow_mut().take::<CheckFiles>().expect("a check");
    assert_eq!(asked, repo);
    let file = "model.safetensors".to_owned();
    feeder.emit(Verifying { file: file.clone(), done: 50_000_000, total: 100_000_000 });
    app.run();
    app.sees("50 of 100 MB · ada/small");
    let (path, found) = (PathBuf::from("blob"), Some("0".repeat(64)));
    let damaged = Damaged { kind: RepoKind::Model, repo, path, files: vec![file], found };
    feeder.finish(Ok(Verified { file_count: 3, damaged: vec![damaged], ..Verified::default() }));
    app.run();
    app.sees("ada/small is damaged: model.safetensors");
}

#[test]
fn newer_versions_are_only_looked_for_where_there_could_be_some() {
    let mut app = App::open();
    app.ask(Command::Models(ModelsCommand::CheckUpdates));
    assert!(
        app.script.borrow().started::<CheckUpdates>().is_none(),
        "nothing here is from the Hub"
    );
    assert!(!app.harness.state().state.models.checking_updates);
}

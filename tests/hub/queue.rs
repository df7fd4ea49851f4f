//! Several models at a time: order, pause, cancel, and what a next start finds.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use tuning_fork::hub::Error;
use tuning_fork::hub::cache::folder::RepoFolder;
use tuning_fork::hub::fetch::needed;
use tuning_fork::hub::fetch::queue::{
    FileChoice, FileState, Help, Item, ItemId, ItemState, Order, Queue, QueueCommand, QueueEvent,
    QueueOptions, Totals, Until,
};
use tuning_fork::hub::fetch::repo;
use tuning_fork::hub::paths::HubPaths;
use tuning_fork::hub::protocol::client::Client;
use tuning_fork::hub::protocol::repository::RepoKind;
use tuning_fork::jobs::{Cancelled, Progress, Quiet, Recorder};

use crate::server::{COMMIT, Fault, Server};
use crate::support::{
    REPO, assert_no_wrong_file, fetch_order, home, model_with, options, queue_options, start,
};

/// Hears every event, may answer with commands, and stops when it is told to.
struct Listener<F: FnMut(&QueueEvent) -> bool> {
    on_event: RefCell<F>,
    is_over: RefCell<bool>,
    deadline: Instant,
}

impl<F: FnMut(&QueueEvent) -> bool> Listener<F> {
    /// `on_event` says whether that was enough.
    fn new(on_event: F) -> Self {
        let deadline = Instant::now() + Duration::from_secs(20);
        Self { on_event: RefCell::new(on_event), is_over: RefCell::new(false), deadline }
    }
}

impl<F: FnMut(&QueueEvent) -> bool> Progress<QueueEvent> for Listener<F> {
    fn emit(&self, event: QueueEvent) {
        let is_over = (self.on_event.borrow_mut())(&event);
        *self.is_over.borrow_mut() |= is_over;
    }

    fn check(&self) -> Result<(), Cancelled> {
        assert!(Instant::now() < self.deadline, "what was waited for did not come");
        if *self.is_over.borrow() { Err(Cancelled) } else { Ok(()) }
    }
}

fn two_models(server: &Server) {
    server.put("models/ada/second", COMMIT, &model_with(500_000));
    server.put("models/ada/third", COMMIT, &model_with(300_000));
}

/// `Done`, or what an item is instead.
fn states(queue: &Queue) -> Vec<(String, String)> {
    let state = |item: &Item| match &item.state {
        ItemState::Done { .. } => "Done".to_owned(),
        state => format!("{state:?}"),
    };
    queue.items().iter().map(|item| (item.order.repo.clone(), state(item))).collect()
}

fn are(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(repo, state)| ((*repo).to_owned(), (*state).to_owned())).collect()
}

#[test]
fn several_models_come_at_a_time_with_their_bytes_counted() {
    let (server, home) = (start(), home());
    two_models(&server);
    let queue = Queue::in_memory();
    for repo in [REPO, "ada/second", "ada/third"] {
        queue.send(QueueCommand::Add(Order::model(repo)));
    }
    let events = Recorder::default();
    queue.serve(&queue_options(&server, home.path()), Until::Idle, &events).unwrap();
    assert!(states(&queue).iter().all(|(_, state)| state == "Done"), "{:?}", states(&queue));
    let events = events.into_events();
    let finished = |event: &&QueueEvent| matches!(event, QueueEvent::Finished(_));
    assert_eq!(events.iter().filter(finished).count(), 3);
    let mut most_at_once = 0;
    for event in &events {
        let QueueEvent::Changed(items) = event else { continue };
        let under_way =
            |item: &&Item| matches!(item.state, ItemState::Asking | ItemState::Fetching);
        most_at_once = most_at_once.max(items.iter().filter(under_way).count());
        for item in items {
            assert!(item.done_bytes() <= item.total_bytes().unwrap_or(0), "{item:?}");
        }
    }
    assert_eq!(most_at_once, 2);
    let last = queue.items();
    assert!(last.iter().all(|item| item.fraction() == Some(1.0)), "{last:?}");
    assert_eq!(Totals::of(&last), Totals::default(), "nothing is on its way any more");
}

#[test]
fn the_first_in_the_list_is_fetched_first() {
    let (server, home) = (start(), home());
    two_models(&server);
    let queue = Queue::in_memory();
    for repo in [REPO, "ada/second", "ada/third"] {
        queue.send(QueueCommand::Add(Order::model(repo)));
    }
    queue.send(QueueCommand::Move { id: ItemId(2), to: 0 });
    let options = QueueOptions { items_at_once: 1, ..queue_options(&server, home.path()) };
    let events = Recorder::default();
    queue.serve(&options, Until::Idle, &events).unwrap();
    let finished: Vec<String> = events
        .into_events()
        .into_iter()
        .filter_map(|event| match event {
            QueueEvent::Finished(item) => Some(item.order.repo),
            _ => None,
        })
        .collect();
    assert_eq!(finished, ["ada/third", REPO, "ada/second"]);
}

#[test]
fn a_pause_keeps_what_came_and_going_on_fetches_the_rest() {
    let (server, home) = (start(), home());
    server.lock().bytes_per_sec = 1_500_000;
    let queue = Queue::in_memory();
    queue.send(QueueCommand::Add(Order::model(REPO)));
    let mut paused_at = None;
    let listener = Listener::new(|event| {
        let QueueEvent::Changed(items) = event else { return false };
        let item = &items[0];
        if item.state == ItemState::Fetching && item.done_bytes() > 200_000 && paused_at.is_none() {
            assert!(item.bytes_per_sec >= 0.0);
            paused_at = Some(item.done_bytes());
            queue.send(QueueCommand::Pause(item.id));
        }
        item.state == ItemState::Paused
    });
    let options = queue_options(&server, home.path());
    let stopped = queue.serve(&options, Until::Stopped, &listener);
    assert!(matches!(stopped, Err(Error::Cancelled(_))));
    let paused_at = paused_at.unwrap();
    assert_eq!(queue.items()[0].state, ItemState::Paused);
    server.lock().bytes_per_sec = 0;
    server.lock().bodies.clear();
    queue.send(QueueCommand::Resume(ItemId(0)));
    queue.serve(&options, Until::Idle, &Quiet).unwrap();
    assert_eq!(states(&queue), are(&[(REPO, "Done")]));
    let total = queue.items()[0].total_bytes().unwrap();
    let came = server.body_bytes() as u64;
    assert!(came <= total - paused_at, "{came} bytes came of the {} left", total - paused_at);
}

#[test]
fn what_is_cancelled_leaves_nothing_behind() {
    let (server, home) = (start(), home());
    server.lock().bytes_per_sec = 1_500_000;
    let queue = Queue::in_memory();
    queue.send(QueueCommand::Add(Order::model(REPO)));
    let mut is_sent = false;
    let listener = Listener::new(|event| {
        let QueueEvent::Changed(items) = event else { return false };
        if items.first().is_some_and(|item| item.done_bytes() > 200_000) && !is_sent {
            is_sent = true;
            queue.send(QueueCommand::Cancel(ItemId(0)));
        }
        false
    });
    queue.serve(&queue_options(&server, home.path()), Until::Idle, &listener).unwrap();
    assert!(queue.items().is_empty());
    let paths = HubPaths::under(home.path());
    assert_eq!(std::fs::read_dir(&paths.downloads).unwrap().count(), 0);
    assert!(!paths.cache.join("models--ada--small").exists());
}

#[test]
fn a_closed_window_goes_on_where_it_was() {
    let (server, home) = (start(), home());
    two_models(&server);
    server.lock().bytes_per_sec = 1_500_000;
    let paths = HubPaths::under(home.path());
    let queue = Queue::open(&paths.downloads);
    queue.send(QueueCommand::Add(Order::model(REPO)));
    queue.send(QueueCommand::Add(Order::model("ada/second")));
    queue.send(QueueCommand::Pause(ItemId(1)));
    let mut done = 0;
    let listener = Listener::new(|event| {
        let QueueEvent::Changed(items) = event else { return false };
        done = items[0].done_bytes();
        done > 200_000
    });
    let options = queue_options(&server, home.path());
    queue.serve(&options, Until::Stopped, &listener).unwrap_err();
    drop(queue); // the window is closed

    server.lock().bytes_per_sec = 0;
    server.lock().bodies.clear();
    let queue = Queue::open(&paths.downloads);
    let items = queue.items();
    let found: Vec<_> = items.iter().map(|item| (item.order.repo.as_str(), &item.state)).collect();
    assert_eq!(found, [(REPO, &ItemState::Waiting), ("ada/second", &ItemState::Paused)]);
    assert!(items[0].total_bytes().is_some(), "its size is known before the Hub is asked");
    queue.serve(&options, Until::Idle, &Quiet).unwrap();
    assert_eq!(states(&queue), are(&[(REPO, "Done"), ("ada/second", "Paused")]));
    let total = queue.items()[0].total_bytes().unwrap();
    assert!((server.body_bytes() as u64) <= total - done, "what was here came again");
    drop(queue);
    let left: Vec<String> =
        Queue::open(&paths.downloads).items().into_iter().map(|item| item.order.repo).collect();
    assert_eq!(left, ["ada/second"], "what is done is not remembered");
    assert_no_wrong_file(home.path(), "a closed window");
}

#[test]
fn an_absent_network_is_waited_for_and_resume_does_not_wait() {
    let (server, home) = (start(), home());
    server.break_with(&[Fault::HangUp, Fault::HangUp, Fault::HangUp]);
    let queue = Queue::in_memory();
    queue.send(QueueCommand::Add(Order::model(REPO)));
    let mut has_waited = false;
    let listener = Listener::new(|event| {
        let QueueEvent::Changed(items) = event else { return false };
        if let ItemState::WaitingForNetwork { reason, secs } = &items[0].state {
            assert!(reason.contains("could not be reached") && *secs == 5, "{reason} {secs}");
            has_waited = true;
            queue.send(QueueCommand::Resume(ItemId(0)));
        }
        false
    });
    let options = QueueOptions { network_rounds: 3, ..queue_options(&server, home.path()) };
    let started = Instant::now();
    queue.serve(&options, Until::Idle, &listener).unwrap();
    assert!(has_waited);
    assert!(started.elapsed() < Duration::from_secs(4), "Resume means now");
    assert_eq!(states(&queue), are(&[(REPO, "Done")]));
}

#[test]
fn a_failure_says_what_would_help() {
    let gated = "x-error-code: GatedRepo\r\nx-error-message: Ask first\r\n";
    let item = |fault: Fault, order: Order| {
        let (server, home) = (start(), home());
        server.break_api_with(&[fault]);
        let page = format!("{}/ada/small", server.endpoint);
        (fetch_order(&server, home.path(), order).state, page)
    };
    let help = |(state, page): (ItemState, String)| match state {
        ItemState::Failed(failure) => (failure.help, page),
        state => panic!("{state:?}"),
    };
    let (found, page) = help(item(Fault::Status(403, gated), Order::model(REPO)));
    assert_eq!(found, Help::Access { page, has_token: true });
    let unknown = FileChoice::Named(vec!["model.gguf".to_owned()]);
    let order = || Order { files: unknown.clone(), ..Order::model(REPO) };
    assert_eq!(help(item(Fault::None, order())).0, Help::None);
    let ItemState::Failed(failure) = item(Fault::None, order()).0 else { panic!() };
    assert!(failure.reason.starts_with("ada/small has no file \"model.gguf\""), "{failure:?}");
}

#[test]
fn chosen_files_of_a_revision_come_alone() {
    let (server, home) = (start(), home());
    let matching = FileChoice::Matching(vec!["*.md".to_owned(), "token*".to_owned()]);
    let order = Order { revision: COMMIT.to_owned(), files: matching, ..Order::model(REPO) };
    let item = fetch_order(&server, home.path(), order);
    let names: Vec<&str> = item.files.iter().map(|file| file.remote.path.as_str()).collect();
    assert_eq!(names, ["README.md", "tokenizer.json"]);
    assert!(item.files.iter().all(|file| file.state == FileState::Done));
    let folder = RepoFolder::new(&HubPaths::under(home.path()).cache, REPO);
    assert_eq!(folder.main_commit(), None, "a commit moves no branch");
    assert!(folder.snapshot(COMMIT).join("README.md").exists());
}

#[test]
fn a_dataset_comes_the_same_way() {
    let (server, home) = (start(), home());
    let data: Vec<(&str, Vec<u8>)> = vec![
        ("README.md", b"# Data".to_vec()),
        ("data/train.jsonl", b"{\"prompt\":\"a\"}\n".repeat(2000)),
        ("data/test.csv", b"a,b\n1,2\n".to_vec()),
        ("image.png", vec![7; 100]),
    ];
    server.put("datasets/ada/pairs", COMMIT, &data);
    let item = fetch_order(&server, home.path(), Order::dataset("ada/pairs"));
    let ItemState::Done { folder } = &item.state else { panic!("{item:?}") };
    let cache = HubPaths::under(home.path()).cache;
    assert_eq!(*folder, cache.join("datasets--ada--pairs/snapshots").join(COMMIT));
    assert_eq!(std::fs::read(folder.join("data/train.jsonl")).unwrap(), data[1].1);
    assert!(folder.join("data/test.csv").exists() && !folder.join("image.png").exists());
    let folder = RepoFolder::of(&cache, RepoKind::Dataset, "ada/pairs");
    assert_eq!(folder.main_commit().as_deref(), Some(COMMIT));
}

#[test]
fn what_does_not_go_on_the_disk_is_not_begun() {
    let (server, home) = (start(), home());
    let client = Client::new(options(&server.endpoint)).unwrap();
    let listing = client.list(REPO, "main").unwrap();
    let paths = HubPaths::under(home.path());
    let files = needed::choose(&listing, &FileChoice::Needed).unwrap();
    repo::require_room(&paths, listing.revision(), &files, 0).unwrap();
    // What others will still write counts.
    let full = repo::require_room(&paths, listing.revision(), &files, u64::MAX / 2).unwrap_err();
    assert!(full.to_string().contains("not enough room"), "{full}");
    // What is here already needs no room.
    fetch_order(&server, home.path(), Order::model(REPO));
    repo::require_room(&paths, listing.revision(), &files, u64::MAX / 2).unwrap();
}

//! A model, a home folder, and a fetch that does not wait long.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tuning_fork::hub::Error;
use tuning_fork::hub::account::token::Token;
use tuning_fork::hub::fetch::download::Patience;
use tuning_fork::hub::fetch::event::FetchEvent;
use tuning_fork::hub::fetch::queue::{
    Item, ItemState, Order, Queue, QueueCommand, QueueEvent, QueueOptions, Until,
};
use tuning_fork::hub::fetch::repo;
use tuning_fork::hub::paths::HubPaths;
use tuning_fork::hub::protocol::client::Client;
use tuning_fork::hub::protocol::options::{ClientOptions, ProxyChoice};
use tuning_fork::jobs::{Progress, Quiet, Recorder};

use crate::server::{Server, hash_of};

pub const REPO: &str = "ada/small";

/// `count` bytes behind a header like that of safetensors, so that the scan takes it for one.
pub fn weights(count: usize) -> Vec<u8> {
    let header =
        format!("{{\"w\":{{\"dtype\":\"U8\",\"shape\":[{count}],\"data_offsets\":[0,{count}]}}}}");
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend((0..count as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8));
    bytes
}

pub fn files() -> Vec<(&'static str, Vec<u8>)> {
    model_with(900_000)
}

pub fn model_with(weight_bytes: usize) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("README.md", b"# A model".to_vec()),
        ("config.json", b"{\"model_type\":\"llama\"}".to_vec()),
        ("model.safetensors", weights(weight_bytes)),
        ("pytorch_model.bin", vec![1; 20_000]),
        ("tokenizer.json", b"{\"version\":\"1.0\"}".to_vec()),
    ]
}

/// A Hub with one model, whose weights alone meet faults.
pub fn start() -> Server {
    let server = Server::start(REPO, &files());
    server.lock().faults_only_for = "model.safetensors".to_owned();
    server
}

/// A home folder, in memory where the system has such a place: thousands of small files are
/// flushed to it.
pub fn home() -> TempDir {
    let in_memory = Path::new("/dev/shm");
    if in_memory.is_dir() { tempfile::tempdir_in(in_memory) } else { tempfile::tempdir() }.unwrap()
}

pub fn options(endpoint: &str) -> ClientOptions {
    ClientOptions {
        endpoint: endpoint.to_owned(),
        token: Token::parse("hf_secret"),
        proxy: ProxyChoice::None,
        connect_timeout: Duration::from_secs(2),
        response_timeout: Duration::from_millis(400),
        listing_timeout: Duration::from_secs(4),
        ..ClientOptions::default()
    }
}

pub fn patience() -> Patience {
    Patience {
        tries: 3,
        first_pause: Duration::from_millis(5),
        stall: Duration::from_millis(300),
        ..Patience::default()
    }
}

/// One file after the other, as the starter model comes.
pub fn fetch(
    server: &Server,
    home: &Path,
    progress: &dyn Progress<FetchEvent>,
) -> Result<PathBuf, Error> {
    let client = Client::new(options(&server.endpoint)).unwrap();
    repo::fetch(&client, &HubPaths::under(home), REPO, &patience(), progress)
}

pub fn queue_options(server: &Server, home: &Path) -> QueueOptions {
    QueueOptions {
        patience: patience(),
        network_rounds: 0,
        ..QueueOptions::new(HubPaths::under(home), Client::new(options(&server.endpoint)).unwrap())
    }
}

/// Through a queue, until it has nothing to do.
pub fn fetch_order(server: &Server, home: &Path, order: Order) -> Item {
    let queue = Queue::in_memory();
    queue.send(QueueCommand::Add(order));
    let events = Recorder::<QueueEvent>::default();
    queue.serve(&queue_options(server, home), Until::Idle, &events).unwrap();
    let mut items = queue.items();
    assert_eq!(items.len(), 1);
    items.remove(0)
}

/// The snapshot, or what was said.
pub fn fetch_queued(server: &Server, home: &Path) -> Result<PathBuf, String> {
    match fetch_order(server, home, Order::model(REPO)).state {
        ItemState::Done { folder } => Ok(folder),
        ItemState::Failed(failure) => Err(failure.reason),
        state => panic!("an idle queue has an item that is {state:?}"),
    }
}

/// The snapshot has the model's files as the server has them.
pub fn is_whole(server: &Server, snapshot: &Path) -> bool {
    let state = server.lock();
    let (_, files) = &state.repos[&format!("models/{REPO}")];
    ["config.json", "tokenizer.json", "model.safetensors"]
        .iter()
        .all(|name| std::fs::read(snapshot.join(name)).is_ok_and(|bytes| bytes == files[*name]))
}

/// Nothing in the cache is anything but what its name says, and no branch points to a part.
pub fn assert_no_wrong_file(home: &Path, what: &str) {
    let cache = HubPaths::under(home).cache;
    for entry in std::fs::read_dir(&cache).into_iter().flatten().flatten() {
        let folder = entry.path();
        for blob in std::fs::read_dir(folder.join("blobs")).into_iter().flatten().flatten() {
            let name = blob.file_name().into_string().unwrap();
            assert_eq!(hash_of(&std::fs::read(blob.path()).unwrap()), name, "{what}");
        }
        if let Ok(commit) = std::fs::read_to_string(folder.join("refs/main")) {
            let weights = folder.join("snapshots").join(commit).join("model.safetensors");
            assert!(weights.exists(), "{what}: a branch points to a part of a model");
        }
    }
}

/// Once the server is well, so is the download.
pub fn assert_mends(server: &Server, home: &Path, what: &str) {
    server.mend();
    let snapshot = fetch(server, home, &Quiet).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(is_whole(server, &snapshot), "{what}");
    assert_no_wrong_file(home, what);
}

//! A thousand downloads with faults drawn by chance: whatever happens, no wrong file.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use tuning_fork::hub::fetch::download::Patience;
use tuning_fork::hub::fetch::queue::{
    ItemState, Order, Queue, QueueCommand, QueueEvent, QueueOptions, Until,
};
use tuning_fork::hub::paths::HubPaths;
use tuning_fork::hub::protocol::client::Client;
use tuning_fork::hub::protocol::options::ClientOptions;
use tuning_fork::jobs::{Job, Recorder};

use crate::server::{Fault, Server, hash_of};
use crate::support::{REPO, assert_no_wrong_file, home, is_whole, model_with, options};

const RUNS: u64 = 1000;
const THREADS: u64 = 4;

/// Of tiny weights, so that a thousand of them take seconds.
const WEIGHT_BYTES: usize = 30_000;

#[test]
fn a_thousand_downloads_with_random_faults_never_give_a_wrong_file() {
    let threads: Vec<Job<(), (u64, u64), ()>> = (0..THREADS)
        .map(|thread| {
            let wake: tuning_fork::jobs::Wake = Arc::new(|_| {});
            Job::spawn("chaos", wake, move |_| Ok(run_some(thread))).unwrap()
        })
        .collect();
    let (mut whole, mut failed) = (0, 0);
    for thread in threads {
        match thread.wait(|()| {}) {
            tuning_fork::jobs::JobEnd::Done((some_whole, some_failed)) => {
                whole += some_whole;
                failed += some_failed;
            }
            end => panic!("{end:?}"),
        }
    }
    assert_eq!(whole + failed, RUNS);
    // Both ends have to occur, or the faults are not what they seem.
    assert!(whole > RUNS / 10 && failed > RUNS / 10, "{whole} whole, {failed} failed");
}

fn run_some(thread: u64) -> (u64, u64) {
    let server = Server::start(REPO, &model_with(WEIGHT_BYTES));
    let (mut whole, mut failed) = (0, 0);
    for seed in (thread..RUNS).step_by(THREADS as usize) {
        let home = home();
        if run(&server, home.path(), seed) {
            whole += 1;
        } else {
            failed += 1;
        }
    }
    (whole, failed)
}

/// Whether the model arrived in spite of everything.
fn run(server: &Server, home: &Path, seed: u64) -> bool {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let paths = HubPaths::under(home);
    if chance.random_bool(0.2) {
        // What an earlier download left, damaged.
        let digits = hash_of(&model_with(WEIGHT_BYTES)[2].1);
        let part = paths.downloads.join(format!("{digits}.part"));
        let count = chance.random_range(0..WEIGHT_BYTES * 2);
        tuning_fork::files::write_atomic(&part, &vec![7; count]).unwrap();
    }
    let mut draw = |most: usize| -> Vec<Fault> {
        let count = chance.random_range(0..=most);
        (0..count).map(|_| any_fault(&mut chance)).collect()
    };
    server.break_api_with(&draw(1));
    server.break_hub_with(&draw(2));
    server.break_with(&draw(6));
    let client = Client::new(ClientOptions {
        response_timeout: Duration::from_millis(60),
        listing_timeout: Duration::from_millis(500),
        ..options(&server.endpoint)
    });
    let patience = Patience {
        tries: 3,
        first_pause: Duration::from_millis(1),
        longest_asked: Duration::from_millis(20),
        stall: Duration::from_millis(20),
        seed,
        ..Patience::default()
    };
    let options =
        QueueOptions { patience, network_rounds: 0, ..QueueOptions::new(paths, client.unwrap()) };
    let serve = || {
        let queue = Queue::in_memory();
        queue.send(QueueCommand::Add(Order::model(REPO)));
        queue.serve(&options, Until::Idle, &Recorder::<QueueEvent>::default()).unwrap();
        queue.items().remove(0).state
    };
    let what = format!("seed {seed}");
    let is_done = match serve() {
        ItemState::Done { folder } => {
            assert!(is_whole(server, &folder), "{what}");
            true
        }
        ItemState::Failed(failure) => {
            assert!(!failure.reason.is_empty(), "{what}");
            false
        }
        state => panic!("{what}: an idle queue has an item that is {state:?}"),
    };
    assert_no_wrong_file(home, &what);
    server.mend();
    let ItemState::Done { folder } = serve() else { panic!("{what}: the server is well again") };
    assert!(is_whole(server, &folder), "{what}");
    assert_no_wrong_file(home, &what);
    assert_eq!(server.lock().leaked_tokens, 0, "{what}");
    is_done
}

fn any_fault(chance: &mut ChaCha8Rng) -> Fault {
    let count = chance.random_range(0..WEIGHT_BYTES + 100);
    match chance.random_range(0..36) {
        0..=5 => Fault::CutAfter(count),
        6 => Fault::StallAfter(count),
        7 => Fault::WrongByte,
        8 => Fault::TooLong,
        9 => Fault::TooShort,
        10 => Fault::LengthTooLarge,
        11 => Fault::IgnoreRange,
        12 => Fault::WrongRange,
        13 => Fault::WrongTotal,
        14 => Fault::NoContentRange,
        15 => Fault::HalfRange,
        16 => Fault::UnaskedRange,
        17 => Fault::RangeRefused,
        18 => Fault::NewBodyEtag,
        19 => Fault::NoBodyEtag,
        20 => Fault::WeakBodyEtag,
        21 => Fault::NoLength,
        22 => Fault::Chunked(count),
        23 => Fault::Encoded("gzip"),
        24 => Fault::NewHubEtag,
        25 => Fault::NewCommit,
        26 => Fault::NoHubHeaders,
        27 => Fault::Status(503, ""),
        28 => Fault::Status(403, ""),
        29 => Fault::Status(429, "retry-after: 0\r\n"),
        30 => Fault::Html,
        31 => Fault::RedirectLoop,
        32 => Fault::Garbage,
        33 => Fault::HangUp,
        34 => Fault::Silence,
        _ => Fault::None,
    }
}

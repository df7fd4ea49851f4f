//! The program itself, killed and started again, and two copies of it at once.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use tuning_fork::hub::paths::HubPaths;
use tuning_fork::jobs::{self, Quiet};

use crate::server::{COMMIT, Server};
use crate::support::{REPO, assert_no_wrong_file, home, is_whole, model_with};

/// `tuning-fork fetch ada/small`, with everything it keeps under `home`.
fn start_fetch(server: &Server, home: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tuning-fork"));
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "HF_HUB_OFFLINE"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    let folders = ["HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_DATA_HOME"];
    command
        .args(["fetch", REPO])
        .envs(folders.map(|name| (name, home)))
        .env("HF_HUB_CACHE", HubPaths::under(home).cache)
        .env("HF_ENDPOINT", &server.endpoint)
        .env("HF_TOKEN", "hf_secret")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// The exit status and everything that was said.
fn end_of(mut child: Child) -> (bool, String) {
    let is_done = child.wait().unwrap().success();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (is_done, said)
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_mins(1), "{what} did not come");
        jobs::pause::<()>(&Quiet, Duration::from_millis(2)).unwrap();
    }
}

#[test]
fn a_kill_costs_at_most_the_last_megabyte() {
    const KILLS: usize = 20;
    const MEGABYTE: usize = 1_000_000;
    let server = Server::start(REPO, &model_with(20_000_000));
    // Slow enough that what was sent was received, as over a real network.
    server.lock().bytes_per_sec = 12_000_000;
    let home = home();
    let mut chance = ChaCha8Rng::seed_from_u64(7);
    let weights_sent = |server: &Server| -> Vec<(usize, usize)> {
        let bodies = server.lock().bodies.clone();
        let weights = bodies.into_iter().filter(|(path, ..)| path == "model.safetensors");
        weights.map(|(_, start, sent)| (start, sent)).collect()
    };
    for kill in 0..KILLS {
        let bodies_before = weights_sent(&server).len();
        let more = chance.random_range(0..900_000);
        let mut child = start_fetch(&server, home.path());
        wait_until("the download", || {
            let sent = weights_sent(&server);
            sent.len() > bodies_before && sent[bodies_before].1 > more
        });
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        assert_no_wrong_file(home.path(), &format!("kill {kill}"));
    }
    server.lock().bytes_per_sec = 0;
    let (is_done, said) = end_of(start_fetch(&server, home.path()));
    assert!(is_done, "{said}");
    let snapshot =
        HubPaths::under(home.path()).cache.join("models--ada--small/snapshots").join(COMMIT);
    assert!(is_whole(&server, &snapshot));
    let sent = weights_sent(&server);
    assert_eq!(sent.len(), KILLS + 1, "{sent:?}");
    let mut resumed_count = 0;
    for pair in sent.windows(2) {
        let [(start, sent), (next, _)] = pair else { unreachable!("windows of two") };
        let twice = start + sent - next;
        assert!(twice <= MEGABYTE, "{twice} bytes came twice: {sent:?}");
        resumed_count += usize::from(*next > 0);
    }
    assert!(resumed_count > KILLS / 2, "the downloads have to be resumed: {sent:?}");
}

#[test]
fn of_two_copies_one_fetches_a_file_and_the_other_waits_for_it() {
    let server = Server::start(REPO, &model_with(4_000_000));
    server.lock().bytes_per_sec = 4_000_000;
    let home = home();
    let copies = [start_fetch(&server, home.path()), start_fetch(&server, home.path())];
    let ends = copies.map(end_of);
    for (is_done, said) in &ends {
        assert!(is_done, "{said}");
    }
    // Either may be first at a small file; the large one keeps the other waiting for a second.
    let words = "Another program is fetching model.safetensors";
    let waited = ends.iter().filter(|(_, said)| said.contains(words));
    assert_eq!(waited.count(), 1, "{ends:?}");
    let snapshot =
        HubPaths::under(home.path()).cache.join("models--ada--small/snapshots").join(COMMIT);
    assert!(is_whole(&server, &snapshot));
    let mut names: Vec<String> =
        server.lock().bodies.iter().map(|(path, ..)| path.clone()).collect();
    names.sort();
    assert_eq!(names, ["config.json", "model.safetensors", "tokenizer.json"]);
}

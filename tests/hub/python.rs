//! Python's `huggingface_hub` and this program share one cache: each finds what the other fetched
//! and asks nobody for a file's bytes.
//!
//! Needs a Python with `huggingface_hub`: named by `TUNING_FORK_TEST_PYTHON` (as `.ci/run` does),
//! or `python3` where that has it. Without one, these tests say so and check nothing.

use std::path::Path;
use std::process::{Command, Output};

use tuning_fork::hub::cache::folder;
use tuning_fork::hub::fetch::queue::{FileChoice, ItemState, Order};
use tuning_fork::hub::paths::HubPaths;
use tuning_fork::hub::resolve;

use crate::server::{COMMIT, Server};
use crate::support::{
    REPO, assert_no_wrong_file, fetch_order, fetch_queued, home, is_whole, start,
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hub/share_with_python.py");

/// `None`: there is none here, which CI does not allow.
fn python() -> Option<String> {
    let named = std::env::var("TUNING_FORK_TEST_PYTHON").ok();
    let python = named.clone().unwrap_or_else(|| "python3".to_owned());
    let has_it = Command::new(&python)
        .args(["-c", "import huggingface_hub"])
        .output()
        .is_ok_and(|output| output.status.success());
    assert!(has_it || named.is_none(), "{python} (TUNING_FORK_TEST_PYTHON) has no huggingface_hub");
    has_it.then_some(python)
}

/// Runs one task of the script; it fails if Python does.
fn ask_python(python: &str, server: &Server, home: &Path, task: &[&str]) -> String {
    let mut command = Command::new(python);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "HF_HUB_OFFLINE"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    let Output { status, stdout, stderr } = command
        .arg(SCRIPT)
        .args(task)
        .env("HF_ENDPOINT", &server.endpoint)
        .env("HF_HOME", home.join("hf"))
        .env("HF_HUB_CACHE", HubPaths::under(home).cache)
        .env("HF_TOKEN", "hf_secret")
        .env("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        .env("HF_HUB_DISABLE_TELEMETRY", "1")
        .env("HF_HUB_DISABLE_XET", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "{task:?}: {said}{}", String::from_utf8_lossy(&stderr));
    said
}

const NEEDED: [&str; 3] = ["config.json", "model.safetensors", "tokenizer.json"];

#[test]
fn python_finds_what_we_fetched() {
    let Some(python) = python() else {
        eprintln!("skipped: no Python with huggingface_hub here");
        return;
    };
    let (server, home) = (start(), home());
    fetch_queued(&server, home.path()).unwrap();
    let bytes = server.body_bytes();
    let snapshot =
        HubPaths::under(home.path()).cache.join("models--ada--small/snapshots").join(COMMIT);
    // Without the network, each file and the whole.
    let offline = [&["offline-files", REPO][..], &NEEDED].concat();
    let found = ask_python(&python, &server, home.path(), &offline);
    let expected: Vec<String> =
        NEEDED.iter().map(|name| snapshot.join(name).display().to_string()).collect();
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
    let found = ask_python(&python, &server, home.path(), &["offline-snapshot", REPO]);
    assert_eq!(Path::new(found.trim()), snapshot);
    // What is known to be absent is not asked for.
    let absent = ["offline-absent", REPO, "generation_config.json", "adapter_config.json"];
    ask_python(&python, &server, home.path(), &absent);
    // With it, no bytes.
    let online = [&["online-files", REPO][..], &NEEDED].concat();
    ask_python(&python, &server, home.path(), &online);
    assert_eq!(server.body_bytes(), bytes, "{:?}", server.lock().bodies);
    // Python's own inventory sees it whole.
    let inventory = ask_python(&python, &server, home.path(), &["scan"]);
    assert_eq!(inventory.trim(), format!("model {REPO} 1 revision {} files", NEEDED.len()));
}

#[test]
fn python_finds_a_whole_repository_that_we_fetched() {
    let Some(python) = python() else {
        eprintln!("skipped: no Python with huggingface_hub here");
        return;
    };
    let (server, home) = (start(), home());
    let everything = FileChoice::Matching(vec!["*".to_owned()]);
    let item = fetch_order(&server, home.path(), Order { files: everything, ..Order::model(REPO) });
    assert!(matches!(item.state, ItemState::Done { .. }), "{item:?}");
    server.lock().bodies.clear();
    server.lock().requests.clear();
    ask_python(&python, &server, home.path(), &["offline-snapshot", REPO]);
    ask_python(&python, &server, home.path(), &["online-snapshot", REPO]);
    assert!(server.lock().bodies.is_empty());
    let requests = server.lock().requests.join("\n");
    assert!(!requests.contains("/tree/"), "the listing is kept too: {requests}");
}

#[test]
fn we_find_what_python_fetched() {
    let Some(python) = python() else {
        eprintln!("skipped: no Python with huggingface_hub here");
        return;
    };
    let (server, home) = (start(), home());
    let found = ask_python(&python, &server, home.path(), &["online-snapshot", REPO]);
    assert!(server.body_bytes() > 900_000);
    server.lock().bodies.clear();
    let snapshot = fetch_queued(&server, home.path()).unwrap();
    assert_eq!(Path::new(found.trim()), snapshot);
    assert!(is_whole(&server, &snapshot));
    assert!(server.lock().bodies.is_empty(), "{:?}", server.lock().bodies);
    let paths = HubPaths::under(home.path());
    assert_eq!(folder::repos(&paths.cache), [REPO]);
    assert_eq!(resolve::resolve_in(&paths, REPO).unwrap(), snapshot);
    assert_no_wrong_file(home.path(), "what Python fetched");
}

#[test]
fn python_waits_for_nothing_that_we_left_and_we_wait_while_python_fetches() {
    let Some(python) = python() else {
        eprintln!("skipped: no Python with huggingface_hub here");
        return;
    };
    let (server, home) = (start(), home());
    // Python holds the lock of the weights, then puts them there itself and lets go.
    let digits = crate::server::hash_of(&crate::support::weights(900_000));
    let (holder, started) = {
        let (endpoint, home) = (server.endpoint.clone(), home.path().to_owned());
        let marker = home.join("python-has-the-lock");
        let seen = marker.clone();
        let state = std::sync::Arc::clone(&server.state);
        let holder = tuning_fork::jobs::Job::<(), String, ()>::spawn(
            "python",
            std::sync::Arc::new(|_| {}),
            move |_| {
                let server = Server { endpoint, state };
                let marker = marker.display().to_string();
                let task = ["fetch-under-lock", REPO, "model.safetensors", &digits, &marker];
                Ok(ask_python(&python, &server, &home, &task))
            },
        );
        (holder.unwrap(), seen)
    };
    let since = std::time::Instant::now();
    while !started.exists() && since.elapsed().as_secs() < 60 {
        tuning_fork::jobs::pause::<()>(
            &tuning_fork::jobs::Quiet,
            std::time::Duration::from_millis(20),
        )
        .unwrap();
    }
    let snapshot = fetch_queued(&server, home.path()).unwrap();
    holder.wait(|()| {});
    assert!(is_whole(&server, &snapshot));
    let bodies = server.lock().bodies.clone();
    let of_weights = bodies.iter().filter(|(path, ..)| path == "model.safetensors").count();
    assert_eq!(of_weights, 1, "{bodies:?}");
}

//! Downloads against a Hub of our own that misbehaves: every fault ends in a verified file or in a
//! clear error, never in a wrong file.

#![expect(clippy::unwrap_used, reason = "a test fails where it is, and says why it is skipped")]

mod server;

use std::path::Path;
use std::time::{Duration, Instant};

use server::{COMMIT, Fault, Server};
use tuning_fork::hub::Error;
use tuning_fork::hub::client::{Client, ClientOptions};
use tuning_fork::hub::download::Patience;
use tuning_fork::hub::local;
use tuning_fork::hub::paths::HubPaths;
use tuning_fork::hub::repo;
use tuning_fork::hub::starter::{self, FetchEvent, Sources};
use tuning_fork::jobs::{Cancelled, Progress, Quiet, Recorder};

const REPO: &str = "ada/small";

/// A file that begins like safetensors, so that the scan takes it for one.
fn weights() -> Vec<u8> {
    let header = br#"{"w":{"dtype":"U8","shape":[900000],"data_offsets":[0,900000]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header);
    bytes.extend((0..900_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8));
    bytes
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("README.md", b"# A model".to_vec()),
        ("config.json", b"{\"model_type\":\"llama\"}".to_vec()),
        ("model.safetensors", weights()),
        ("pytorch_model.bin", vec![1; 20_000]),
        ("tokenizer.json", b"{\"version\":\"1.0\"}".to_vec()),
    ]
}

fn start() -> Server {
    let server = Server::start(REPO, &files());
    server.state.lock().unwrap().faults_only_for = "model.safetensors".to_owned();
    server
}

fn options(endpoint: &str) -> ClientOptions {
    ClientOptions {
        endpoint: endpoint.to_owned(),
        token: Some("secret".to_owned()),
        proxy_from_env: false,
        connect_timeout: Duration::from_secs(2),
        response_timeout: Duration::from_secs(2),
        ..ClientOptions::default()
    }
}

fn patience() -> Patience {
    Patience {
        tries: 3,
        first_pause: Duration::from_millis(10),
        stall: Duration::from_millis(600),
        ..Patience::default()
    }
}

fn fetch(
    server: &Server,
    home: &Path,
    progress: &dyn Progress<FetchEvent>,
) -> Result<std::path::PathBuf, Error> {
    let client = Client::new(options(&server.endpoint));
    repo::fetch(&client, &HubPaths::under(home), REPO, &patience(), progress)
}

fn is_whole(snapshot: &Path) -> bool {
    let read = |name: &str| std::fs::read(snapshot.join(name)).unwrap_or_default();
    ["config.json", "tokenizer.json", "model.safetensors"]
        .iter()
        .all(|name| files().iter().any(|(file, bytes)| file == name && *bytes == read(name)))
}

/// Nothing in the cache may be anything but what the server has.
fn holds_no_wrong_file(home: &Path) -> bool {
    let blobs = HubPaths::under(home).cache.join("models--ada--small/blobs");
    let Ok(entries) = std::fs::read_dir(blobs) else { return true };
    entries.flatten().all(|entry| {
        let name = entry.file_name().into_string().unwrap();
        server::hash_of(&std::fs::read(entry.path()).unwrap()) == name
    })
}

#[test]
fn a_model_arrives_as_python_would_put_it() {
    let (server, home) = (start(), tempfile::tempdir().unwrap());
    let snapshot = fetch(&server, home.path(), &Quiet).unwrap();
    assert!(is_whole(&snapshot));
    let paths = HubPaths::under(home.path());
    let entry = paths.cache.join("models--ada--small");
    assert_eq!(snapshot, entry.join("snapshots").join(COMMIT));
    assert_eq!(std::fs::read_to_string(entry.join("refs/main")).unwrap(), COMMIT);
    #[cfg(unix)]
    {
        let link = std::fs::read_link(snapshot.join("model.safetensors")).unwrap();
        assert_eq!(link, Path::new("../../blobs").join(server::hash_of(&weights())));
    }
    assert!(!snapshot.join("pytorch_model.bin").exists(), "weights come once");
    assert_eq!(std::fs::read_dir(&paths.downloads).unwrap().count(), 0, "nothing is left over");
    assert_eq!(server.state.lock().unwrap().leaked_tokens, 0);
    assert_eq!(local::resolve_in(&paths, REPO).unwrap(), snapshot);
}

#[test]
fn what_is_here_is_not_fetched_again() {
    let (server, home) = (start(), tempfile::tempdir().unwrap());
    fetch(&server, home.path(), &Quiet).unwrap();
    let before = server.body_bytes();
    fetch(&server, home.path(), &Quiet).unwrap();
    assert_eq!(server.body_bytes(), before);
}

#[test]
fn every_fault_ends_in_the_right_file_or_in_a_clear_error() {
    let size = weights().len();
    // What goes wrong, and what is said if it cannot be mended.
    let cases: [(&[Fault], Option<&str>); 17] = [
        (&[Fault::CutAfter(0), Fault::CutAfter(0)], None),
        (&[Fault::CutAfter(300_000), Fault::CutAfter(1), Fault::CutAfter(250_000)], None),
        (&[Fault::StallAfter(400_000)], None),
        (&[Fault::Drip], None),
        (&[Fault::CutAfter(size - 1)], None),
        (&[Fault::CutAfter(500_000), Fault::IgnoreRange], None),
        (&[Fault::CutAfter(500_000), Fault::WrongRange], None),
        (&[Fault::CutAfter(500_000), Fault::NewBodyEtag], None),
        (&[Fault::Status(503, ""), Fault::Status(429, "retry-after: 0\r\n")], None),
        (&[Fault::CutAfter(500_000), Fault::Status(500, "")], None),
        (&[Fault::WrongByte], Some("arrived damaged")),
        (&[Fault::TooLong], Some("bytes on the server where")),
        (&[Fault::TooShort], Some("bytes on the server where")),
        (&[Fault::NewHubEtag], Some("changed on the server")),
        (&[Fault::NewCommit], Some("changed on the server")),
        (&[Fault::Html], Some("something that is not the Hub's (a web page)")),
        // From the second host: the address that the Hub signed has expired, and it signs another.
        (&[Fault::Status(403, "x-error-message: Request has expired\r\n")], None),
    ];
    for (faults, said) in cases {
        let (server, home) = (start(), tempfile::tempdir().unwrap());
        server.break_with(faults);
        match (fetch(&server, home.path(), &Quiet), said) {
            (Ok(snapshot), None) => assert!(is_whole(&snapshot), "{faults:?}"),
            (Err(error), Some(said)) => {
                let error = error.to_string();
                assert!(error.contains(said), "{faults:?}: {error}");
                let paths = HubPaths::under(home.path());
                assert!(local::scan_in(&paths, &[]).models.is_empty(), "{faults:?}");
                // Once the server is well again, so is the download.
                assert!(is_whole(&fetch(&server, home.path(), &Quiet).unwrap()), "{faults:?}");
            }
            (Ok(_), Some(said)) => panic!("{faults:?} should have failed: {said}"),
            (Err(error), None) => panic!("{faults:?}: {error}"),
        }
        assert!(holds_no_wrong_file(home.path()), "{faults:?}");
    }
}

#[test]
fn a_server_that_cuts_and_refuses_ranges_is_given_up() {
    let (server, home) = (start(), tempfile::tempdir().unwrap());
    let cut_again = [Fault::CutAfter(1000), Fault::IgnoreRange];
    let faults: Vec<Fault> = cut_again.iter().cycle().take(60).cloned().collect();
    server.break_with(&faults);
    // Every second answer is whole, so it ends well here…
    assert!(is_whole(&fetch(&server, home.path(), &Quiet).unwrap()));
    // …and badly where no answer is.
    let (server, home) = (start(), tempfile::tempdir().unwrap());
    server.break_with(&vec![Fault::CutAfter(0); 60]);
    let error = fetch(&server, home.path(), &Quiet).unwrap_err();
    assert!(matches!(error, Error::Cut { .. }), "{error}");
    assert!(server.state.lock().unwrap().requests.len() < 20);
}

#[test]
fn a_redirect_loop_ends() {
    let (server, home) = (start(), tempfile::tempdir().unwrap());
    server.break_with(&[Fault::RedirectLoop]);
    let error = fetch(&server, home.path(), &Quiet).unwrap_err();
    assert!(matches!(error, Error::Redirects { .. }), "{error}");
}

#[test]
fn stopping_keeps_what_came_and_starting_again_resumes() {
    let (server, home) = (start(), tempfile::tempdir().unwrap());
    server.break_with(&[Fault::Drip]);
    // Stops once half of the weights are there.
    struct StopHalfway(std::cell::Cell<u64>);
    impl Progress<FetchEvent> for StopHalfway {
        fn emit(&self, event: FetchEvent) {
            if let FetchEvent::Bytes { done, .. } = event {
                self.0.set(done);
            }
        }
        fn check(&self) -> Result<(), Cancelled> {
            if self.0.get() > 450_000 { Err(Cancelled) } else { Ok(()) }
        }
    }
    let stopped = fetch(&server, home.path(), &StopHalfway(std::cell::Cell::new(0)));
    assert!(matches!(stopped, Err(Error::Cancelled(_))));
    let paths = HubPaths::under(home.path());
    assert!(local::scan_in(&paths, &[]).models.is_empty(), "half a model is none");

    server.state.lock().unwrap().body_bytes = 0;
    let snapshot = fetch(&server, home.path(), &Quiet).unwrap();
    assert!(is_whole(&snapshot));
    assert!(server.body_bytes() < 500_000, "{} bytes came twice", server.body_bytes());
    let requests = server.state.lock().unwrap().requests.join("\n");
    assert!(requests.contains("/cdn/model.safetensors ["), "{requests}");
}

#[test]
fn a_damaged_remainder_is_fetched_anew_once() {
    let (server, home) = (start(), tempfile::tempdir().unwrap());
    let paths = HubPaths::under(home.path());
    let part = paths.downloads.join(format!("{}.part", server::hash_of(&weights())));
    tuning_fork::files::write_atomic(&part, &vec![9; 100_000]).unwrap();
    assert!(is_whole(&fetch(&server, home.path(), &Quiet).unwrap()));
}

#[test]
fn stop_is_noticed_while_nothing_comes() {
    let (server, home) = (start(), tempfile::tempdir().unwrap());
    server.break_with(&[Fault::StallAfter(1000)]);
    let started = Instant::now();
    struct StopAfter(Instant);
    impl Progress<FetchEvent> for StopAfter {
        fn emit(&self, _event: FetchEvent) {}
        fn check(&self) -> Result<(), Cancelled> {
            if Instant::now() > self.0 { Err(Cancelled) } else { Ok(()) }
        }
    }
    let client = Client::new(options(&server.endpoint));
    let patient = Patience { stall: Duration::from_mins(1), ..patience() };
    let stop = StopAfter(started + Duration::from_millis(500));
    let stopped = repo::fetch(&client, &HubPaths::under(home.path()), REPO, &patient, &stop);
    assert!(matches!(stopped, Err(Error::Cancelled(_))));
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[test]
fn what_the_hub_says_is_told_in_a_sentence() {
    let cases = [
        (Fault::Status(401, ""), "does not give access to ada/small"),
        (
            Fault::Status(403, "x-error-code: GatedRepo\r\nx-error-message: Ask first\r\n"),
            "Ask first",
        ),
        (Fault::Status(404, "x-error-code: RepoNotFound\r\n"), "ada/small is not on 127.0.0.1"),
        (Fault::Status(500, ""), "answered 500"),
        (Fault::Html, "something that is not the Hub's (a web page)"),
    ];
    for (fault, said) in cases {
        let (server, home) = (start(), tempfile::tempdir().unwrap());
        server.state.lock().unwrap().api_fault = Some(fault.clone());
        let error = fetch(&server, home.path(), &Quiet).unwrap_err().to_string();
        assert!(error.contains(said), "{fault:?}: {error}");
    }
}

#[test]
fn names_that_would_leave_the_cache_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(REPO, &[("config.json", b"{}".to_vec()), ("../evil", vec![1])]);
    let error = fetch(&server, home.path(), &Quiet).unwrap_err();
    assert!(matches!(error, Error::UnsafeName { .. }), "{error}");
}

#[test]
fn offline_asks_nothing() {
    let server = start();
    let client = Client::new(ClientOptions { offline: true, ..options(&server.endpoint) });
    assert!(matches!(client.list(REPO, "main"), Err(Error::Offline)));
    assert!(server.state.lock().unwrap().requests.is_empty());
}

fn sources(home: &Path, endpoint: &str) -> Sources {
    Sources {
        paths: HubPaths::under(home),
        client: Client::new(options(endpoint)),
        patience: patience(),
        package: starter::package(),
        pythons: vec!["no-such-python"],
    }
}

#[test]
fn when_no_source_serves_each_says_why() {
    let home = tempfile::tempdir().unwrap();
    // A port that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let progress = Recorder::default();
    let started = Instant::now();
    let dead = format!("http://127.0.0.1:{port}");
    let error = starter::fetch_from(&sources(home.path(), &dead), &progress).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(8));
    let Error::AllSourcesFailed { tried } = &error else { panic!("{error}") };
    assert_eq!(tried.len(), 2);
    assert!(tried.iter().all(|(_, reason)| !reason.contains('\n')));
    assert!(tried[0].1.contains("could not be reached"), "{tried:?}");
    let failed = progress.into_events().into_iter();
    let failed = failed.filter(|event| matches!(event, FetchEvent::Failed { .. })).count();
    assert_eq!(failed, 2);
}

#[test]
fn the_starter_comes_from_the_hub_and_is_then_on_this_disk() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(starter::REPO, &files());
    let sources = sources(home.path(), &server.endpoint);
    let fetched = starter::fetch_from(&sources, &Quiet).unwrap();
    assert_eq!(fetched.source, "the Hugging Face Hub");
    let again = starter::fetch_from(&sources, &Quiet).unwrap();
    assert_eq!(again.source, "already on this disk");
    assert_eq!(again.path, fetched.path);
    assert_eq!(local::resolve_in(&sources.paths, "starter").unwrap(), fetched.path);
}

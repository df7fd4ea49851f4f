//! One file after the other: the layout, what is there already, stop and resume, the starter.

use std::path::Path;
use std::time::{Duration, Instant};

use tuning_fork::hub::Error;
use tuning_fork::hub::cache::local;
use tuning_fork::hub::fetch::download::Patience;
use tuning_fork::hub::fetch::event::FetchEvent;
use tuning_fork::hub::fetch::repo;
use tuning_fork::hub::paths::HubPaths;
use tuning_fork::hub::protocol::client::Client;
use tuning_fork::hub::protocol::options::ClientOptions;
use tuning_fork::hub::resolve;
use tuning_fork::hub::starter::{self, Sources};
use tuning_fork::jobs::{Cancelled, Progress, Quiet, Recorder};

use crate::server::{COMMIT, Fault, Server, hash_of};
use crate::support::{REPO, fetch, files, is_whole, options, patience, start, weights};

#[test]
fn a_model_arrives_as_python_would_put_it() {
    let (server, home) = (start(), tempfile::tempdir().unwrap());
    let snapshot = fetch(&server, home.path(), &Quiet).unwrap();
    assert!(is_whole(&server, &snapshot));
    let paths = HubPaths::under(home.path());
    let entry = paths.cache.join("models--ada--small");
    assert_eq!(snapshot, entry.join("snapshots").join(COMMIT));
    assert_eq!(std::fs::read_to_string(entry.join("refs/main")).unwrap(), COMMIT);
    #[cfg(unix)]
    {
        let link = std::fs::read_link(snapshot.join("model.safetensors")).unwrap();
        assert_eq!(link, Path::new("../../blobs").join(hash_of(&weights(900_000))));
    }
    assert!(!snapshot.join("pytorch_model.bin").exists(), "weights come once");
    assert_eq!(std::fs::read_dir(&paths.downloads).unwrap().count(), 0, "nothing is left over");
    assert_eq!(server.lock().leaked_tokens, 0);
    assert_eq!(resolve::resolve_in(&paths, REPO).unwrap(), snapshot);
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
fn a_server_that_never_sends_a_byte_is_given_up() {
    let (server, home) = (start(), tempfile::tempdir().unwrap());
    let cut_again = [Fault::CutAfter(1000), Fault::IgnoreRange];
    let faults: Vec<Fault> = cut_again.iter().cycle().take(60).cloned().collect();
    server.break_with(&faults);
    // Every second answer is whole, so it ends well here…
    assert!(is_whole(&server, &fetch(&server, home.path(), &Quiet).unwrap()));
    // …and badly where no answer is.
    let (server, home) = (start(), tempfile::tempdir().unwrap());
    server.break_with(&vec![Fault::CutAfter(0); 60]);
    let error = fetch(&server, home.path(), &Quiet).unwrap_err();
    assert!(matches!(error, Error::Cut { .. }), "{error}");
    assert!(server.lock().requests.len() < 20);
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

    server.lock().bodies.clear();
    let snapshot = fetch(&server, home.path(), &Quiet).unwrap();
    assert!(is_whole(&server, &snapshot));
    assert!(server.body_bytes() < 500_000, "{} bytes came twice", server.body_bytes());
    let requests = server.lock().requests.join("\n");
    assert!(requests.contains("/model.safetensors ["), "{requests}");
}

#[test]
fn a_damaged_remainder_is_fetched_anew_once() {
    let (server, home) = (start(), tempfile::tempdir().unwrap());
    let paths = HubPaths::under(home.path());
    let part = paths.downloads.join(format!("{}.part", hash_of(&weights(900_000))));
    tuning_fork::files::write_atomic(&part, &vec![9; 100_000]).unwrap();
    assert!(is_whole(&server, &fetch(&server, home.path(), &Quiet).unwrap()));
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
    let client = Client::new(options(&server.endpoint)).unwrap();
    let patient = Patience { stall: Duration::from_mins(1), ..patience() };
    let stop = StopAfter(started + Duration::from_millis(500));
    let stopped = repo::fetch(&client, &HubPaths::under(home.path()), REPO, &patient, &stop);
    assert!(matches!(stopped, Err(Error::Cancelled(_))));
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}

#[test]
fn offline_asks_nothing() {
    let server = start();
    let client = Client::new(ClientOptions { offline: true, ..options(&server.endpoint) }).unwrap();
    assert!(matches!(client.list(REPO, "main"), Err(Error::Offline)));
    assert!(server.lock().requests.is_empty());
}

fn sources(home: &Path, endpoint: &str) -> Sources {
    Sources {
        paths: HubPaths::under(home),
        client: Client::new(options(endpoint)).unwrap(),
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
    assert_eq!(resolve::resolve_in(&sources.paths, "starter").unwrap(), fetched.path);
}

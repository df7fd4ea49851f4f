//! One fault after the other: what it ends in, and what is said.

use tuning_fork::hub::cache::local;
use tuning_fork::hub::paths::HubPaths;

use crate::server::{Fault, LFS_FROM, Server};
use crate::support::{
    REPO, assert_mends, assert_no_wrong_file, fetch_queued, files, home, is_whole, start, weights,
};

/// Where in a download it goes wrong.
#[derive(Clone, Copy, Debug)]
enum At {
    /// The API: the commit, then the listing.
    Api,

    /// The Hub's answer for the weights.
    Hub,

    /// The second host's answer, with the bytes.
    Body,
}

use At::{Api, Body, Hub};

/// `None`: it is mended. Otherwise a part of what is said.
type Outcome = Option<&'static str>;

const MENDED: Outcome = None;

fn cases() -> Vec<(At, Vec<Fault>, Outcome)> {
    let size = weights(900_000).len();
    let cut = || Fault::CutAfter(500_000);
    let always = |fault: Fault| vec![fault; 40];
    let in_turns = |faults: &[Fault]| faults.iter().cycle().take(40).cloned().collect();
    vec![
        // The connection.
        (Body, vec![Fault::CutAfter(0), Fault::CutAfter(0)], MENDED),
        (Body, vec![Fault::CutAfter(300_000), Fault::CutAfter(1), cut()], MENDED),
        (Body, vec![Fault::CutAfter(size - 1)], MENDED),
        (Body, always(Fault::CutAfter(0)), Some("broke after 0 of")),
        (Body, vec![Fault::StallAfter(400_000)], MENDED),
        (Body, vec![Fault::StallAfter(0)], MENDED),
        (Body, vec![Fault::Drip], MENDED),
        (Body, vec![Fault::HangUp, Fault::Silence], MENDED),
        (Body, always(Fault::HangUp), Some("could not be reached")),
        (Body, vec![Fault::Garbage], MENDED),
        (Body, always(Fault::Garbage), Some("could not be reached")),
        (Body, vec![Fault::HugeHeader], MENDED),
        (Hub, vec![Fault::RedirectTo("http://127.0.0.1:9/x")], MENDED),
        // Lengths.
        (Body, vec![Fault::TooLong], Some("bytes on the server where")),
        (Body, vec![Fault::TooShort], Some("bytes on the server where")),
        (Body, vec![Fault::LengthTooLarge], Some("bytes on the server where")),
        (Body, vec![Fault::NoLength], MENDED),
        (Body, vec![Fault::Chunked(usize::MAX)], MENDED),
        (Body, vec![Fault::Chunked(400_000), Fault::Chunked(10)], MENDED),
        // Ranges and versions.
        (Body, vec![cut(), Fault::IgnoreRange], MENDED),
        (Body, vec![cut(), Fault::WrongRange], MENDED),
        (Body, vec![cut(), Fault::WrongTotal], MENDED),
        (Body, vec![cut(), Fault::NoContentRange], MENDED),
        (Body, vec![cut(), Fault::HalfRange, Fault::HalfRange], MENDED),
        (Body, vec![cut(), Fault::RangeRefused], MENDED),
        (Body, vec![Fault::UnaskedRange], MENDED),
        (Body, vec![cut(), Fault::NewBodyEtag], MENDED),
        (Body, vec![Fault::NoBodyEtag, cut()], MENDED),
        (Body, vec![Fault::WeakBodyEtag, cut()], MENDED),
        (Body, in_turns(&[cut(), Fault::RangeRefused]), Some("broke after")),
        // Contents.
        (Body, vec![Fault::WrongByte], Some("arrived damaged: its hash is")),
        (Body, vec![cut(), Fault::WrongByte], MENDED),
        (Body, vec![cut(), Fault::WrongByte, Fault::WrongByte], Some("arrived damaged")),
        (Body, vec![Fault::Html], Some("something that is not the Hub's (a web page)")),
        (Body, vec![Fault::Encoded("br")], Some("compressed as br, which nobody asked for")),
        (Body, vec![Fault::Encoded("gzip")], MENDED),
        (Hub, vec![Fault::NewHubEtag; 9], Some("changed on the server")),
        (Hub, vec![Fault::NewCommit; 9], Some("changed on the server")),
        (Hub, vec![Fault::Html], Some("something that is not the Hub's (a web page)")),
        // Redirects.
        (Hub, always(Fault::RedirectLoop), Some("redirects without end")),
        (Hub, always(Fault::RedirectTo("file:///etc/passwd")), Some("where no file can be")),
        (Hub, always(Fault::RedirectNowhere), Some("where no file can be")),
        (Hub, vec![Fault::ManyHops], MENDED),
        (Hub, vec![Fault::NoHubHeaders], MENDED),
        // Statuses. From the second host, 401 to 410 mean that the signed address has expired.
        (Body, vec![Fault::Status(403, "x-error-message: Request has expired\r\n")], MENDED),
        (Body, vec![Fault::Status(401, ""), cut(), Fault::Status(410, "")], MENDED),
        (Body, always(Fault::Status(403, "")), Some("refuses the address that the Hub gave")),
        (Body, vec![Fault::Status(503, ""), Fault::Status(429, "retry-after: 0\r\n")], MENDED),
        (Body, vec![cut(), Fault::Status(500, "")], MENDED),
        (Hub, vec![Fault::Status(502, "retry-after: Wed, 21 Oct 2015 07:28:00 GMT\r\n")], MENDED),
        (Hub, vec![Fault::Status(429, "ratelimit: \"resolvers\";r=0;t=0\r\n")], MENDED),
        (Hub, vec![Fault::Status(429, "retry-after: 7200\r\n")], Some("answered 429")),
        (Hub, always(Fault::Status(503, "")), Some("answered 503")),
        (Hub, vec![Fault::Status(401, "")], Some("does not give access to model.safetensors")),
        (
            Hub,
            vec![Fault::Status(
                403,
                "x-error-code: GatedRepo\r\nx-error-message: Ask for access first\r\n",
            )],
            Some("Ask for access first"),
        ),
        // Listed, but not there: asked for anew, and then it is said.
        (
            Hub,
            vec![Fault::Status(404, "x-error-code: EntryNotFound\r\n"); 9],
            Some("and then says that it is not there"),
        ),
        (Hub, vec![Fault::Status(407, "")], Some("a proxy on the way asks for a name")),
        (Hub, vec![Fault::Status(451, "")], Some("answered 451")),
        // The API.
        (Api, vec![Fault::Status(401, "")], Some("does not give access to ada/small")),
        (
            Api,
            vec![Fault::Status(403, "x-error-code: GatedRepo\r\nx-error-message: Ask\r\n")],
            Some("does not give access to ada/small: Ask"),
        ),
        (Api, vec![Fault::Status(404, "")], Some("ada/small is not on 127.0.0.1")),
        (
            Api,
            vec![Fault::Status(401, "x-error-code: RepoNotFound\r\n")],
            Some("ada/small is not on 127.0.0.1"),
        ),
        (Api, always(Fault::Status(500, "")), Some("answered 500")),
        (Api, vec![Fault::Status(503, ""), Fault::Status(429, "retry-after: 0\r\n")], MENDED),
        (Api, vec![Fault::None, Fault::HangUp, Fault::None, Fault::CutAfter(50)], MENDED),
        (Api, vec![Fault::Html], Some("something that is not the Hub's (a web page)")),
        (Api, vec![Fault::None, Fault::TooShort], Some("unreadable JSON")),
        (Api, vec![Fault::Json("{}")], Some("unreadable JSON, missing field `sha`")),
        (Api, vec![Fault::Json("{\"sha\":\"main\"}")], Some("a commit that is none")),
        (Api, vec![Fault::Json("{\"sha\":\"../../etc\"}")], Some("a commit that is none")),
        (Api, vec![Fault::None, Fault::Json("{\"error\":\"no\"}")], Some("unreadable JSON")),
        (Api, vec![Fault::None, Fault::Encoded("br")], Some("compressed as br")),
        (Api, vec![Fault::None, Fault::Encoded("gzip")], MENDED),
        (Api, always(Fault::RedirectLoop), Some("redirects without end")),
        (Api, vec![Fault::None, Fault::EndlessListing], Some("a listing of more than 16 MB")),
        (Api, vec![Fault::None, Fault::Json("[]")], Some("holds no weights that this program")),
    ]
}

#[test]
fn every_fault_ends_in_the_right_file_or_in_a_clear_error() {
    let cases = cases();
    assert!(cases.len() >= 40);
    for (at, faults, outcome) in cases {
        let what = format!("{at:?} {:?}", &faults[..faults.len().min(3)]);
        let (server, home) = (start(), home());
        match at {
            Api => server.break_api_with(&faults),
            Hub => server.break_hub_with(&faults),
            Body => server.break_with(&faults),
        }
        match (fetch_queued(&server, home.path()), outcome) {
            (Ok(snapshot), None) => assert!(is_whole(&server, &snapshot), "{what}"),
            (Err(said), Some(expected)) => {
                assert!(said.contains(expected), "{what}: {said}");
                assert!(!said.contains('\n') && !said.contains("hf_secret"), "{what}: {said}");
                let paths = HubPaths::under(home.path());
                assert!(local::scan_in(&paths, &[]).models.is_empty(), "{what}");
            }
            (Ok(_), Some(expected)) => panic!("{what} should have failed: {expected}"),
            (Err(said), None) => panic!("{what}: {said}"),
        }
        assert_no_wrong_file(home.path(), &what);
        assert_eq!(server.lock().leaked_tokens, 0, "{what}");
        let requests = server.lock().requests.len();
        assert!(requests < 60, "{what}: {requests} requests");
        assert_mends(&server, home.path(), &what);
    }
}

/// A row of a listing; `{}` stands for what lies in the listing.
fn row(path: &str, size: &str, oid: &str) -> String {
    format!("{{\"type\":\"file\",\"path\":\"{path}\",\"size\":{size},\"oid\":\"{oid}\"}}")
}

#[test]
fn listings_that_lie_are_refused_and_nothing_is_written_outside() {
    let oid = "a".repeat(40);
    let named = |path: &str| format!("[{}]", row(path, "1", &oid));
    let config = row("config.json", "2", &oid);
    let weights = |size: &str| row("model.safetensors", size, &oid);
    let deep = "[".repeat(100_000);
    let cases: Vec<(Vec<String>, &str)> = vec![
        (vec![named("../evil")], "is not a file name inside a model folder"),
        (vec![named("a/../../evil")], "is not a file name"),
        (vec![named("/etc/cron.d/evil")], "is not a file name"),
        (vec![named("C:/evil")], "is not a file name"),
        (vec![named("..\\\\evil")], "is not a file name"),
        (vec![named("AUX")], "is not a file name"),
        (vec![named("com1.json")], "is not a file name"),
        (vec![named("evil\\u0000.json")], "is not a file name"),
        (vec![named(&"x/".repeat(600))], "is not a file name"),
        (vec![format!("[{}]", row("a", "1", "../../../evil"))], "is not a file name"),
        (vec![format!("[{}]", row("a", "1", &oid[1..]))], "is not a file name"),
        (vec![format!("[{}]", row("a", "-1", &oid))], "unreadable JSON"),
        (vec![format!("[{}]", row("a", "1e99", &oid))], "unreadable JSON"),
        (vec![format!("[{config},{}]", weights("18446744073709551615"))], "not enough room"),
        (vec![format!("[{config},{config},{}]", weights("1"))], "cannot lie beside each other"),
        (vec![deep], "unreadable JSON"),
        (vec!["\u{feff}[]".to_owned()], "unreadable JSON"),
        (vec![String::new()], "unreadable JSON"),
        // A page of nothing that leads to the next, again and again.
        (vec!["[]".to_owned(); 2000], "a listing without end"),
    ];
    for (pages, expected) in cases {
        let what = pages[0].chars().take(80).collect::<String>();
        let (server, home) = (start(), home());
        server.lock().tree = Some(pages);
        let said = fetch_queued(&server, home.path()).unwrap_err();
        assert!(said.contains(expected), "{what}: {said}");
        assert!(!home.path().join("evil").exists(), "{what}");
        let paths = HubPaths::under(home.path());
        assert!(!paths.cache.join("models--ada--small").exists(), "{what}: nothing is written");
        assert_mends(&server, home.path(), &what);
    }
}

#[test]
fn sizes_that_lie_are_noticed() {
    let real = weights(900_000);
    let digits = crate::server::hash_of(&real);
    for size in [1, real.len() - 1, real.len() + 1] {
        let (server, home) = (start(), home());
        let config = row("config.json", "22", &crate::server::hash_of(&files()[1].1));
        let lie = format!(
            "[{config},{{\"type\":\"file\",\"path\":\"model.safetensors\",\"size\":{size},\
             \"oid\":\"{}\",\"lfs\":{{\"oid\":\"{digits}\",\"size\":{size},\"pointerSize\":1}}}}]",
            "a".repeat(40)
        );
        server.lock().tree = Some(vec![lie]);
        let said = fetch_queued(&server, home.path()).unwrap_err();
        assert!(said.contains("bytes on the server where"), "{size}: {said}");
        assert_no_wrong_file(home.path(), "a size that lies");
        assert_mends(&server, home.path(), "a size that lies");
    }
}

#[test]
fn a_listing_in_pages_is_read_to_its_end() {
    let (server, home) = (start(), home());
    server.lock().page_size = 2;
    let snapshot = fetch_queued(&server, home.path()).unwrap();
    assert!(is_whole(&server, &snapshot));
    let requests = server.lock().requests.join("\n");
    assert_eq!(requests.matches("/tree/").count(), 3, "{requests}");
}

#[test]
fn an_empty_file_and_a_strange_name_arrive_too() {
    let mut all = files();
    all.push(("merges.txt", Vec::new()));
    let server = Server::start(REPO, &all);
    let home = home();
    let snapshot = fetch_queued(&server, home.path()).unwrap();
    assert_eq!(std::fs::read(snapshot.join("merges.txt")).unwrap(), b"");
}

#[test]
fn a_file_that_changes_midway_comes_in_its_new_version() {
    let (server, home) = (start(), home());
    let mut all = files();
    server.break_with(&[Fault::StallAfter(400_000)]);
    let new_commit = "f".repeat(40);
    // The branch moves while the first version is on its way, and that version goes away.
    all[2].1 = weights(700_000);
    assert!(all[2].1.len() >= LFS_FROM);
    let state = std::sync::Arc::clone(&server.state);
    let moves = tuning_fork::jobs::Job::<(), (), ()>::spawn(
        "the branch moves",
        std::sync::Arc::new(|_| {}),
        move |progress| {
            while state.lock().unwrap().body_bytes() < 400_000 {
                tuning_fork::jobs::pause(progress, std::time::Duration::from_millis(5)).unwrap();
            }
            let files = all.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone()));
            let repo = (new_commit, files.collect());
            state.lock().unwrap().repos.insert(format!("models/{REPO}"), repo);
            Ok(())
        },
    )
    .unwrap();
    let snapshot = fetch_queued(&server, home.path()).unwrap();
    moves.wait(|()| {});
    assert!(is_whole(&server, &snapshot));
    assert!(snapshot.ends_with("f".repeat(40)));
    assert_no_wrong_file(home.path(), "a branch that moves");
}

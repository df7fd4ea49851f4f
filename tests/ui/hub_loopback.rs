//! The questions that the window asks, put to a server on loopback that answers as the Hub does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tuning_fork::hub::Error;
use tuning_fork::hub::browse::details::{DetailEvent, details};
use tuning_fork::hub::browse::search::{Gate, Query, search, suggest};
use tuning_fork::hub::paths::HubPaths;
use tuning_fork::hub::protocol::client::Client;
use tuning_fork::hub::protocol::options::{ClientOptions, ProxyChoice};
use tuning_fork::hub::protocol::repository::RepoKind;
use tuning_fork::jobs::{Quiet, Recorder};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

struct Server {
    endpoint: String,

    /// Paths with their queries, in order.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    #[expect(clippy::disallowed_methods, reason = "a server needs a thread that is no job")]
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, home) = (Arc::clone(&asked), endpoint.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // The client may go away at any time: that is its business.
                answer(&stream, &home, &log).ok();
            }
        });
        Self { endpoint, asked }
    }

    fn client(&self) -> Client {
        Client::new(ClientOptions {
            endpoint: self.endpoint.clone(),
            proxy: ProxyChoice::None,
            ..ClientOptions::default()
        })
        .unwrap()
    }
}

fn row(id: &str) -> Value {
    json!({"id": id, "downloads": 5, "gated": "auto", "tags": ["safetensors", "license:mit"],
        "config": {"model_type": "llama"}, "safetensors": {"parameters": {"BF16": 1000}, "total": 1000}})
}

fn answer(mut stream: &TcpStream, home: &str, log: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or(Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
    log.lock().unwrap().push(path.clone());
    let mut headers = "content-type: application/json\r\n".to_owned();
    let small = "/api/models/ada/small";
    let body = match path.as_str() {
        path if path.contains("page=2") => {
            headers
                .push_str("link: <https://elsewhere.example/api/models?page=3>; rel=\"next\"\r\n");
            json!([row("ada/three")]).to_string()
        }
        path if path.contains("search=nothing") => "[]".to_owned(),
        path if path.contains("search=html") => {
            headers = "content-type: text/html\r\n".to_owned();
            "<html>Sign in</html>".to_owned()
        }
        path if path.starts_with("/api/models?") => {
            headers.push_str(&format!("link: <{home}/api/models?page=2>; rel=\"next\"\r\n"));
            json!([row("ada/small-model"), row("../bad"), row("ada/two")]).to_string()
        }
        path if path.starts_with(&format!("{small}/revision/")) => {
            json!({"id": "ada/small", "sha": COMMIT}).to_string()
        }
        path if path.starts_with(&format!("{small}/tree/")) => {
            let file = |path: &str, size: u64| json!({"type": "file", "path": path, "size": size, "oid": "a".repeat(40)});
            json!([file("README.md", 40), file("config.json", 20), file("model.safetensors", 9)])
                .to_string()
        }
        path if path.starts_with(&format!("{small}?")) => row("ada/small").to_string(),
        path if path.ends_with("/config.json") => r#"{"model_type":"llama"}"#.to_owned(),
        path if path.ends_with("/README.md") => "---\nlicense: mit\n---\n# Small\n".to_owned(),
        _ => {
            let text = "HTTP/1.1 404 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            return stream.write_all(text.as_bytes());
        }
    };
    let text = format!(
        "HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes())
}

fn words(words: &str) -> Query {
    Query { words: words.to_owned(), ..Query::default() }
}

#[test]
fn pages_follow_the_hubs_link_and_never_leave_it() {
    let server = Server::start();
    let client = server.client();
    let first = search::<()>(&client, &words("small"), None, &Quiet).unwrap();
    let ids: Vec<&str> = first.rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["ada/small-model", "ada/two"], "a name that leaves the folder is no row");
    assert_eq!(first.rows[0].gate, Gate::Automatic);
    let next = first.next.unwrap();
    let second = search::<()>(&client, &words("small"), Some(&next), &Quiet).unwrap();
    let third = format!("{}/api/models?page=3", server.endpoint);
    assert_eq!((second.rows.len(), second.next), (1, Some(third)), "asked of the same server");
    let asked = server.asked.lock().unwrap().clone();
    assert!(asked[0].starts_with("/api/models?search=small&sort=downloads&limit=100&expand="));
    assert_eq!(asked[1], "/api/models?page=2");
    let elsewhere = "https://elsewhere.example/api/models";
    let error = search::<()>(&client, &words("small"), Some(elsewhere), &Quiet).unwrap_err();
    assert!(matches!(error, Error::Redirects { .. }), "{error}");
}

#[test]
fn what_is_not_the_hubs_answer_is_an_error() {
    let server = Server::start();
    let error = search::<()>(&server.client(), &words("html"), None, &Quiet).unwrap_err();
    assert!(matches!(error, Error::NotTheHub { .. }), "{error}");
    let stopped = search(&server.client(), &words("small"), None, &Recorder::<()>::stop_after(0));
    assert!(matches!(stopped, Err(Error::Cancelled(_))));
}

#[test]
fn a_mistyped_name_has_near_ones() {
    let server = Server::start();
    let kind = RepoKind::Model;
    let near = suggest::<()>(&server.client(), kind, "ada/smxll-model", &Quiet).unwrap();
    assert_eq!(near, ["ada/small-model"]);
    let asked = server.asked.lock().unwrap().clone();
    assert!(asked[0].ends_with("&author=ada"), "{asked:?}");
}

#[test]
fn a_repository_is_told_part_by_part() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let paths = HubPaths::under(home.path());
    let progress = Recorder::default();
    details(&server.client(), &paths, RepoKind::Model, "ada/small", &progress).unwrap();
    let [row, files, config, card] = progress.into_events().try_into().unwrap();
    assert!(matches!(row, DetailEvent::Row(row) if row.id == "ada/small"));
    let DetailEvent::Files { listing, here, .. } = files else { panic!("{files:?}") };
    assert_eq!((listing.commit.as_str(), listing.files.len(), here.len()), (COMMIT, 3, 0));
    assert_eq!(config, DetailEvent::Config(json!({"model_type": "llama"})));
    assert_eq!(card, DetailEvent::Card(Ok("# Small".to_owned())));
    let gone = details(&server.client(), &paths, RepoKind::Model, "ada/gone", &Recorder::default());
    assert!(matches!(gone, Err(Error::NotFound { .. })));
}

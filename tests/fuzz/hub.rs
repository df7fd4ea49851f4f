//! Damaged answers of the Hub: a search, a repository's row, its commits and files, its
//! configuration and card end with what can be understood or with an error in words.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use tuning_fork_engine::hub::browse::details::details;
use tuning_fork_engine::hub::browse::search::{Query, search, suggest};
use tuning_fork_engine::hub::paths::HubPaths;
use tuning_fork_engine::hub::protocol::client::Client;
use tuning_fork_engine::hub::protocol::options::{ClientOptions, ProxyChoice};
use tuning_fork_engine::hub::protocol::repository::RepoKind;
use tuning_fork_engine::jobs::{Quiet, Recorder};

use crate::{mutate, number};

const REPO: &str = "ada/small";

/// What is asked for, by a part of its address, and the whole answer.
const ANSWERS: [(&str, &str); 6] = [
    (
        "/revision/",
        r#"{"id":"ada/small","sha":"0123456789abcdef0123456789abcdef01234567","siblings":[],"tags":[]}"#,
    ),
    (
        "/tree/",
        r#"[{"type":"file","oid":"1f9b2c3d4e5f60718293a4b5c6d7e8f901234567","size":120,"path":"config.json"},
        {"type":"directory","oid":"2f9b2c3d4e5f60718293a4b5c6d7e8f901234567","size":0,"path":"onnx"},
        {"type":"file","oid":"3f9b2c3d4e5f60718293a4b5c6d7e8f901234567","size":134,"path":"model.safetensors",
        "lfs":{"oid":"5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef","size":269060552,"pointerSize":134}},
        {"type":"file","oid":"4f9b2c3d4e5f60718293a4b5c6d7e8f901234567","size":900,"path":"README.md"}]"#,
    ),
    (
        "/config.json",
        r#"{"model_type":"llama","hidden_size":576,"quantization_config":{"bits":4}}"#,
    ),
    (
        "/README.md",
        "---\nlicense: mit\n---\n# Small\n[![b](https://i.example/b.svg)](https://ci.example)\n<p>a <b>b</b></p>\n\
         ```python\nx = \"<b>\"\n```\n![p](p.png) `<pad>` <https://example.org> | a | b |\n",
    ),
    (
        "/api/models/",
        r#"{"id":"ada/small","downloads":1234567,"likes":89,"lastModified":"2026-11-02T10:11:12.000Z","gated":"auto",
        "private":false,"pipeline_tag":"text-generation","library_name":"transformers","config":{"model_type":"llama",
        "quantization_config":{"quant_method":"gptq"}},"safetensors":{"parameters":{"BF16":134515008},"total":134515008},
        "gguf":{"total":134515008,"architecture":"llama"},"tags":["safetensors","license:mit","base_model:quantized:ada/base"]}"#,
    ),
    (
        "/api/models?",
        r#"[{"id":"ada/small","downloads":12,"likes":3,"gated":false,"tags":["gguf","license:mit"],"lastModified":"2026-11-02"},
        {"id":"ada/Mixtral-8x7B","safetensors":{"parameters":{"F32":1}},"tags":[]},{"id":"gpt2"}]"#,
    ),
];

/// Which answer is damaged, and what is sent in its place.
type Damage = Arc<Mutex<(usize, Vec<u8>)>>;

/// A Hub on loopback that answers as [`ANSWERS`] say, but for the damage of the case.
#[expect(clippy::disallowed_methods, reason = "a server needs threads that are not jobs")]
fn serve(damage: &Damage) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let damage = Arc::clone(damage);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            answer(&stream, &damage).ok(); // whoever asked has gone
        }
    });
    endpoint
}

fn answer(stream: &TcpStream, damage: &Damage) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let address = request.split(' ').nth(1).unwrap_or_default();
    let which = ANSWERS.iter().position(|(part, _)| address.contains(part));
    let damaged = damage.lock().unwrap().clone();
    let body = match which {
        Some(which) if which == damaged.0 => damaged.1,
        Some(which) => ANSWERS[which].1.as_bytes().to_vec(),
        None => b"{}".to_vec(),
    };
    let mut out = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    out.extend(body);
    (&*stream).write_all(&out)
}

/// Everything that is asked of a repository before it is fetched, as the Models panel asks it.
fn ask(client: &Client, paths: &HubPaths) -> Result<(), String> {
    let words = |err: tuning_fork_engine::hub::Error| err.to_string();
    let all: [Result<(), String>; 4] = [
        search::<()>(client, &Query::default(), None, &Quiet).map(drop).map_err(words),
        suggest::<()>(client, RepoKind::Model, "ada/smal", &Quiet).map(drop).map_err(words),
        details(client, paths, RepoKind::Model, REPO, &Recorder::default()).map_err(words),
        client.list(REPO, "main").map(drop).map_err(words),
    ];
    all.into_iter().collect()
}

#[test]
fn damaged_answers_of_the_hub_are_understood_or_refused() {
    let (count, from) = (number("TUNING_FORK_FUZZ", 600), number("TUNING_FORK_FUZZ_FROM", 0));
    let damage: Damage = Arc::new(Mutex::new((usize::MAX, Vec::new())));
    let options = ClientOptions {
        endpoint: serve(&damage),
        proxy: ProxyChoice::None,
        ..ClientOptions::default()
    };
    let client = Client::new(options).unwrap();
    let home = tempfile::tempdir().unwrap();
    let paths = HubPaths::under(home.path());
    assert_eq!(ask(&client, &paths), Ok(()), "undamaged");

    for case in from..from + count {
        let mut rng = ChaCha8Rng::seed_from_u64(case);
        let which = (case % ANSWERS.len() as u64) as usize;
        let original = ANSWERS[which].1.as_bytes();
        *damage.lock().unwrap() = (which, mutate::json(&mut rng, original));
        let start = Instant::now();
        let asked = catch_unwind(AssertUnwindSafe(|| ask(&client, &paths)));
        let took = start.elapsed();
        let sent = || String::from_utf8_lossy(&damage.lock().unwrap().1).into_owned();
        let part = ANSWERS[which].0;
        match asked {
            Err(panic) => panic!("case {case}, {part}: {panic:?} at {}", sent()),
            Ok(Err(words)) => assert!(!words.is_empty(), "case {case}, {part}: {}", sent()),
            Ok(Ok(())) => {}
        }
        assert!(took < Duration::from_secs(5), "case {case}, {part}: {took:?} for {}", sent());
    }
}

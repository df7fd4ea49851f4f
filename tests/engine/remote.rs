//! A model on a server in place of the loaded one: the same answers where the server is our own, and
//! whatever a server does wrong is said, waited for, or kept out of the numbers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tuning_fork_engine::data::pair::Message;
use tuning_fork_engine::evaluate::asking::at_server;
use tuning_fork_engine::evaluate::asking::error::AskError;
use tuning_fork_engine::evaluate::asking::prepared::Prepared;
use tuning_fork_engine::evaluate::asking::run;
use tuning_fork_engine::evaluate::report::Report;
use tuning_fork_engine::evaluate::report::methods::paragraph;
use tuning_fork_engine::evaluate::results::folder::{Folder, RESULTS, TABLE};
use tuning_fork_engine::evaluate::results::server_way::ServerWay;
use tuning_fork_engine::evaluate::task::perplexity::Perplexity;
use tuning_fork_engine::evaluate::task::{Scoring, Task};
use tuning_fork_engine::jobs::{Cancelled, Progress, Quiet, Recorder};
use tuning_fork_engine::llm::generate::sampling::SamplingParams;
use tuning_fork_engine::llm::generate::{
    AdapterMode, GenerateEvent, GenerateRequest, Lane, Prompt, StopReason, generate,
};
use tuning_fork_engine::llm::{Model, Weights};
use tuning_fork_engine::remote;
use tuning_fork_engine::remote::ability;
use tuning_fork_engine::remote::client::Client;
use tuning_fork_engine::remote::error::RemoteError;
use tuning_fork_engine::remote::probe::{Ability, Probe, probe};
use tuning_fork_engine::remote::server::Server;
use tuning_fork_engine::serve::served::Served;

use crate::evaluations::{self, StopAfter};
use crate::fake_server::{FakeServer, Reply};
use crate::serving::{Open, settings};
use crate::support::{load, reference};

const STARTED: &str = "2026-11-28T00:00:00Z";

fn found(at: std::net::SocketAddr) -> Probe {
    let client = Client::new(&at.to_string(), None, Duration::from_mins(1)).unwrap();
    probe(&client, None).unwrap()
}

/// A server that is known to have some abilities.
fn known(at: std::net::SocketAddr, names: &[&'static str]) -> Server {
    let ability = |name: &&'static str| Ability { name, has: true, detail: String::new() };
    let probe = Probe {
        address: format!("http://{at}/v1"),
        model: "m".to_owned(),
        abilities: names.iter().map(ability).collect(),
        ..Probe::default()
    };
    Server::new(probe.into(), None).unwrap()
}

fn served(model: &Arc<Model>) -> (Open, Server) {
    let open = Open::new(Served::decoder(Arc::clone(model), None, None), settings());
    let server = Server::new(found(open.at).into(), None).unwrap();
    (open, server)
}

fn request(prompt: Prompt) -> GenerateRequest {
    let sampling =
        SamplingParams { greedy: true, repetition_penalty: 1.0, ..SamplingParams::default() };
    let lane = Lane { seed: 3, adapter: AdapterMode::Off };
    let stop_strings = Vec::new();
    GenerateRequest { prompt, sampling, max_new_tokens: 12, stop_strings, lanes: vec![lane] }
}

#[test]
fn a_server_of_ours_streams_what_the_loaded_model_answers() {
    let model = Arc::new(load(&reference("models/llama"), Weights::AsStored));
    let (_open, server) = served(&model);
    let chat = Prompt::Chat(vec![Message::new("user", "Hello there")]);
    for prompt in [chat, Prompt::Raw("The cat sat".to_owned())] {
        let request = request(prompt);
        let (here, there) = (Recorder::default(), Recorder::default());
        let own = generate(&model, None, &request, &here).unwrap().remove(0);
        let told = remote::answer::generate(&server, &request, &there).unwrap().remove(0);
        assert_eq!((&told.text, told.stop), (&own.text, own.stop));
        let own = here.into_events().into_iter().filter_map(|event| match event {
            GenerateEvent::Token { step, .. } => Some(step.logprob),
            _ => None,
        });
        let tokens: Vec<_> = there
            .into_events()
            .into_iter()
            .filter_map(|event| match event {
                GenerateEvent::Told { token, .. } => Some(token),
                _ => None,
            })
            .collect();
        let text: String = tokens.iter().map(|token| token.text.as_str()).collect();
        assert_eq!(text, told.text);
        let logprobs: Vec<f32> = tokens.iter().filter_map(|token| token.logprob).collect();
        for (own, told) in own.zip(&logprobs) {
            assert!((own - told).abs() < 1e-5, "{own} and {told}");
        }
        assert!(tokens[0].top.len() >= 20 && tokens[0].top[0].1 >= tokens[0].top[1].1);
    }
}

fn evaluate(
    server: &Server,
    prepared: &Arc<Prepared>,
    folder: &std::path::Path,
    progress: &dyn Progress<run::AskEvent>,
) -> Result<(), AskError> {
    let evaluation = at_server::evaluation(prepared, server, STARTED)?;
    let (folder, answered) = Folder::begin(folder, &evaluation, true)?;
    at_server::run(server, prepared, &folder, answered, 4, progress).map(drop)
}

#[test]
fn an_evaluation_at_our_server_has_the_numbers_of_the_loaded_model_and_resumes_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let model =
        Arc::new(load(&evaluations::repository("sample_data/tiny_model"), Weights::AsStored));
    let (_open, server) = served(&model);
    for score in [Scoring::Mean, Scoring::Prior] {
        let task = Task { score, ..evaluations::task(folder.path()) };
        let prepared = Arc::new(Prepared::read(&task, &Quiet).unwrap());
        let (here, there) = (folder.path().join("here"), folder.path().join("there"));
        evaluations::ask(&model, &prepared, &here, &Quiet);
        evaluate(&server, &prepared, &there, &Quiet).unwrap();
        let (begun, told) = Folder::read(&there).unwrap();
        assert_eq!(begun.way, Some(ServerWay::Labels));
        assert_eq!(
            (begun.model.sha256.as_str(), begun.task.server()),
            ("", begun.model.server.as_deref())
        );
        let (_, own) = Folder::read(&here).unwrap();
        for (row, own) in own.iter().filter(|(_, own)| own.cut.is_none()) {
            assert_eq!(own.answer, told[row].answer);
            for (one, other) in own.probabilities.iter().zip(&told[row].probabilities) {
                assert!((one - other).abs() < 1e-9, "row {row}: {one} and {other}");
            }
            assert!((own.mass - told[row].mass).abs() < 1e-9 && own.problem == told[row].problem);
        }
        // A text that does not fit: only the loaded model can tell by how much.
        assert!(told[&8].problem.as_ref().unwrap().contains("the server refuses it"));
        let parts = folder.path().join("parts");
        let stopped = evaluate(&server, &prepared, &parts, &StopAfter(3.into()));
        assert!(matches!(stopped, Err(AskError::Stopped(Cancelled))), "{stopped:?}");
        assert!(Folder::read(&parts).unwrap().1.len() < 10);
        evaluate(&server, &prepared, &parts, &Quiet).unwrap();
        for name in [RESULTS, TABLE] {
            let bytes = |folder: &std::path::Path| std::fs::read(folder.join(name)).unwrap();
            assert!(bytes(&parts) == bytes(&there), "{name}");
        }
        let said = paragraph(&begun, &Report::of(&begun, &told));
        assert!(said.contains("no hash of its weights is known"), "{said}");
        for folder in [here, there, parts] {
            std::fs::remove_dir_all(folder).unwrap();
        }
    }
}

#[test]
fn options_after_an_echoed_prompt_have_the_probabilities_of_a_model_without_a_template() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    std::fs::create_dir(&plain).unwrap();
    for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        let path = evaluations::repository("sample_data/tiny_model").join(name);
        std::fs::copy(path, plain.join(name)).unwrap();
    }
    let model = Arc::new(load(&plain, Weights::AsStored));
    assert!(model.chat().is_none());
    let (_open, server) = served(&model);
    let mut probe = (*server.probe).clone();
    probe.abilities.retain(|it| it.name != ability::LABELS);
    let server = Server::new(probe.into(), None).unwrap();
    let prepared = Arc::new(Prepared::read(&evaluations::task(folder.path()), &Quiet).unwrap());
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    evaluations::ask(&model, &prepared, &here, &Quiet);
    evaluate(&server, &prepared, &there, &Quiet).unwrap();
    let (begun, told) = Folder::read(&there).unwrap();
    assert_eq!(begun.way, Some(ServerWay::Echoed));
    let (_, own) = Folder::read(&here).unwrap();
    let mut compared = 0;
    for (row, own) in
        own.iter().filter(|(row, own)| own.cut.is_none() && told[row].problem.is_none())
    {
        for (one, other) in own.probabilities.iter().zip(&told[row].probabilities) {
            assert!((one - other).abs() < 1e-5, "row {row}: {one} and {other}");
            compared += 1;
        }
    }
    assert!(compared >= 3 * 7, "{compared}: {told:?}");
}

fn said(text: &str) -> Reply {
    Reply::Json(json!({
        "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
        "usage": {"completion_tokens": 3},
    }))
}

#[test]
fn a_busy_server_is_asked_again_and_answers_without_probabilities_are_marked() {
    let folder = tempfile::tempdir().unwrap();
    let fake = FakeServer::new(|_, body, before| match before {
        0 => Reply::Refusal(429, "slow down", Some(0)),
        2 => Reply::Refusal(500, "out of luck", None),
        _ if body["messages"][0]["content"].to_string().contains("word 5") => said("no idea"),
        _ => said("**Not at all**, I think."),
    });
    let server = known(fake.at, &[ability::CHAT]);
    let task = Task { score: Scoring::Sum, orders: 2, ..evaluations::task(folder.path()) };
    let prepared = Arc::new(Prepared::read(&task, &Quiet).unwrap());
    let there = folder.path().join("there");
    evaluate(&server, &prepared, &there, &Quiet).unwrap();
    let (begun, told) = Folder::read(&there).unwrap();
    assert_eq!(begun.way, Some(ServerWay::Generated));
    assert!(told[&1].approximate && told[&1].answer.as_deref() == Some("not at all"));
    assert_eq!(told[&1].same_answer, Some(1.0));
    assert!(told[&6].problem.as_ref().unwrap().contains("none of the options: “no idea”"));
    // Two orders of nine rows with a text, and two that were asked once more.
    assert_eq!(fake.count("/chat/completions"), 2 * 9 + 2);
    let table = std::fs::read_to_string(there.join(TABLE)).unwrap();
    assert!(table.lines().next().unwrap().contains("model_approximate"), "{table}");
    assert!(table.lines().nth(1).unwrap().contains(",yes,"), "{table}");
    let report = Report::of(&begun, &told);
    assert!(report.calibration.is_none() && report.accepted.is_none());
    let words = paragraph(&begun, &report);
    assert!(
        words.contains("the answers are approximate") && !words.contains("highest probability")
    );
}

#[test]
fn a_server_that_refuses_for_good_ends_the_evaluation_and_what_was_answered_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let fake = FakeServer::new(|_, _, before| match before {
        0..=3 => said("yes"),
        _ => Reply::Refusal(401, "no key", None),
    });
    let server = known(fake.at, &[ability::CHAT]);
    let task = Task { score: Scoring::Sum, orders: 1, ..evaluations::task(folder.path()) };
    let prepared = Arc::new(Prepared::read(&task, &Quiet).unwrap());
    let there = folder.path().join("there");
    let failed = evaluate(&server, &prepared, &there, &Quiet).unwrap_err();
    let words = tuning_fork_engine::errors::one_line(&failed);
    assert!(words.contains("401: no key. The server wants a key"), "{words}");
    let kept = Folder::read(&there).unwrap().1.len();
    assert!((1..10).contains(&kept), "{kept}");
}

#[test]
fn fields_that_do_not_fit_their_schema_are_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    evaluations::task(folder.path());
    let task = "data = \"rows.csv\"\nrows = 3\n[extract]\ntext = \"text\"\n\
                [[extract.fields]]\nname = \"count\"\ntype = \"integer\"\n";
    let path = folder.path().join("extract.toml");
    tuning_fork_engine::files::write_atomic(&path, task.as_bytes()).unwrap();
    let prepared = Arc::new(Prepared::read(&Task::read(&path).unwrap(), &Quiet).unwrap());
    let fake = FakeServer::new(|_, body, _| {
        assert_eq!(body["response_format"]["type"], "json_schema");
        let asked = body["messages"][0]["content"].to_string();
        if asked.contains("word 1") { said("{\"count\": \"two\"}") } else { said("{\"count\": 2}") }
    });
    let server = known(fake.at, &[ability::CHAT, ability::SCHEMA]);
    evaluate(&server, &prepared, &folder.path().join("there"), &Quiet).unwrap();
    let (begun, told) = Folder::read(&folder.path().join("there")).unwrap();
    assert_eq!(begun.way, Some(ServerWay::Written));
    assert_eq!(told[&1].written.as_ref().unwrap().fields["count"], 2);
    assert!(told[&2].problem.as_ref().unwrap().contains("“count” is \"two\""));
}

#[test]
fn texts_at_our_server_are_as_likely_as_the_loaded_model_finds_them() {
    let folder = tempfile::tempdir().unwrap();
    let model = Arc::new(load(&reference("models/llama"), Weights::AsStored));
    let (_open, server) = served(&model);
    for before in [None, Some("person".to_owned())] {
        let settings = Perplexity { text: "text".to_owned(), before, ..Perplexity::default() };
        let task =
            Task { code: None, perplexity: Some(settings), ..evaluations::task(folder.path()) };
        let prepared = Arc::new(Prepared::read(&task, &Quiet).unwrap());
        let (here, there) = (folder.path().join("here"), folder.path().join("there"));
        evaluations::ask(&model, &prepared, &here, &Quiet);
        evaluate(&server, &prepared, &there, &Quiet).unwrap();
        let ((begun, told), (_, own)) =
            (Folder::read(&there).unwrap(), Folder::read(&here).unwrap());
        assert_eq!(begun.way, Some(ServerWay::Texts));
        let mut compared = 0;
        for (row, own) in &own {
            let Some(own) = own.scored.as_ref().filter(|own| own.windows == 1) else { continue };
            let told = told[row].scored.as_ref().unwrap();
            assert_eq!((own.tokens, own.bytes), (told.tokens, told.bytes), "row {row}");
            assert!((own.logprob - told.logprob).abs() < 1e-4, "row {row}: {own:?} and {told:?}");
            compared += 1;
        }
        assert_eq!(compared, 8, "one text is empty, and one is longer than the context");
        assert!(own[&8].scored.as_ref().unwrap().windows > 5);
        assert!(told[&8].problem.as_ref().unwrap().contains("the server refuses it"));
        let said = paragraph(&begun, &Report::of(&begun, &told));
        assert!(said.contains("The server gave the log-probabilities of the tokens"), "{said}");
        for folder in [here, there] {
            std::fs::remove_dir_all(folder).unwrap();
        }
    }
}

#[test]
fn long_texts_are_read_in_windows_by_a_server_too() {
    let folder = tempfile::tempdir().unwrap();
    let task = "data = \"long.csv\"\n[extract]\ntext = \"text\"\nwindows = true\nwindow_tokens = 12\noverlap = 2\n\
                [[extract.fields]]\nname = \"people\"\ntype = \"integer\"\noptional = true\n";
    let text = "text\n\"Twelve people came to the first one. Nobody spoke of money then. Fourteen came later on.\"\n";
    for (name, text) in [("extract.toml", task), ("long.csv", text)] {
        tuning_fork_engine::files::write_atomic(&folder.path().join(name), text.as_bytes())
            .unwrap();
    }
    let task = Task::read(&folder.path().join("extract.toml")).unwrap();
    let prepared = Arc::new(Prepared::read(&task, &Quiet).unwrap());
    let fake = FakeServer::new(|_, body, _| {
        let asked = body["messages"][0]["content"].to_string();
        let people = [("Twelve", 12), ("Fourteen", 14)];
        let found = people.iter().find(|(word, _)| asked.contains(word));
        said(&json!({"people": found.map(|(_, count)| count)}).to_string())
    });
    let server = known(fake.at, &[ability::CHAT, ability::SCHEMA]);
    evaluate(&server, &prepared, &folder.path().join("there"), &Quiet).unwrap();
    let told = Folder::read(&folder.path().join("there")).unwrap().1;
    let written = told[&1].written.as_ref().unwrap();
    assert_eq!(written.windows.len(), 3, "{written:?}");
    assert_eq!(
        (&written.fields["people"], written.disagree.as_slice()),
        (&json!(12), &["people".to_owned()][..])
    );
    // How much fits is not known of a server.
    let mut unknown = task;
    unknown.extract.as_mut().unwrap().window_tokens = 0;
    let kind = unknown.kind().unwrap();
    let refused = ServerWay::of(&server.probe, &unknown, kind).unwrap_err();
    assert!(refused.contains("`window_tokens`"), "{refused}");
}

fn piece(text: &str) -> Value {
    json!({"choices": [{"delta": {"content": text}}]})
}

#[test]
fn an_answer_that_breaks_off_is_an_error_and_not_half_an_answer() {
    let fake = FakeServer::new(|_, _, before| match before {
        0 => Reply::Refusal(503, "starting", None),
        _ => Reply::Stream(vec![piece("Half an"), piece(" ans")], false),
    });
    let server = known(fake.at, &[ability::CHAT]);
    let recorder = Recorder::default();
    let request = request(Prompt::Chat(vec![Message::new("user", "Hello")]));
    let failed = remote::answer::generate(&server, &request, &recorder).unwrap_err();
    assert!(failed.to_string().contains("broke off"), "{failed}");
    assert_eq!(fake.count("/chat/completions"), 2, "not asked again behind what was shown");
    let shown = recorder.into_events().len();
    assert_eq!(shown, 2);
}

/// Loses interest after a moment.
struct Impatient(Instant);

impl Progress<GenerateEvent> for Impatient {
    fn emit(&self, _: GenerateEvent) {}

    fn check(&self) -> Result<(), Cancelled> {
        if self.0.elapsed() > Duration::from_millis(300) { Err(Cancelled) } else { Ok(()) }
    }
}

#[test]
fn a_silent_server_is_left_at_once_when_a_person_stops() {
    let fake = FakeServer::new(|_, _, _| Reply::Silence);
    let server = known(fake.at, &[ability::CHAT]);
    let request = request(Prompt::Chat(vec![Message::new("user", "Hello")]));
    let clock = Instant::now();
    let answers = remote::answer::generate(&server, &request, &Impatient(clock)).unwrap();
    assert_eq!((answers.len(), answers[0].stop), (1, StopReason::Stopped));
    assert!(clock.elapsed() < Duration::from_secs(5), "{:?}", clock.elapsed());
}

#[test]
fn settings_that_a_server_takes_and_does_not_compute_are_found_out() {
    // It answers the same to one seed, and does nothing with anything else.
    let fake = FakeServer::new(|path, body, _| {
        if path == "/models" {
            return Reply::Json(json!({"data": [{"id": "m"}]}));
        }
        if path != "/chat/completions" || !body["response_format"].is_null() {
            return Reply::Refusal(404, "no such path", None);
        }
        let is_drawn = body["temperature"].as_f64().is_some_and(|value| value > 0.0);
        let seed = if is_drawn { body["seed"].to_string() } else { String::new() };
        said(&format!("one two {seed}"))
    });
    let found = found(fake.at);
    assert!(found.has(ability::CHAT) && found.has(ability::SEED));
    for name in [
        ability::TOP_K,
        ability::MIN_P,
        ability::TYPICAL_P,
        ability::REPETITION_PENALTY,
        ability::NGRAM,
    ] {
        assert!(!found.has(name), "{name}");
    }
    let why = found.abilities.iter().find(|it| it.name == ability::TOP_K).unwrap();
    assert_eq!(why.detail, "top_k = 1 is taken and not computed");
}

#[test]
fn a_request_that_a_server_cannot_take_is_refused_before_it_is_sent() {
    let fake = FakeServer::new(|_, _, _| Reply::Silence);
    let server = known(fake.at, &[ability::CHAT]);
    let raw = request(Prompt::Raw("Once".to_owned()));
    let failed = remote::answer::generate(&server, &raw, &Quiet).unwrap_err();
    assert!(matches!(failed, RemoteError::Lacks(_)), "{failed}");
    assert_eq!(fake.count("/completions"), 0);
}

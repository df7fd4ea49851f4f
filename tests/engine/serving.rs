//! A model behind OpenAI's interface, on loopback: what it answers is what the engine computes, and
//! nothing that a program sends harms it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tuning_fork_engine::data::pair::Message;
use tuning_fork_engine::encoder::Encoder;
use tuning_fork_engine::evaluate::asking::scoring::{Asked, Scorer};
use tuning_fork_engine::evaluate::asking::weighing::weigh;
use tuning_fork_engine::evaluate::prompt::Presentation;
use tuning_fork_engine::jobs::{Job, Quiet};
use tuning_fork_engine::llm::generate::guess::KeptGuesser;
use tuning_fork_engine::llm::generate::sampling::{SamplingParams, logprob};
use tuning_fork_engine::llm::generate::score::score;
use tuning_fork_engine::llm::generate::{
    AdapterMode, Answer, GenerateRequest, Lane, Prompt, generate,
};
use tuning_fork_engine::llm::{Adapter, Model, Positions, Weights};
use tuning_fork_engine::remote::client::Client;
use tuning_fork_engine::remote::probe::{Exactness, probe};
use tuning_fork_engine::serve::key::Key;
use tuning_fork_engine::serve::served::Served;
use tuning_fork_engine::serve::server::{ServeEvent, Settings, serve};
use tuning_fork_engine::web::accept::Patience;
use tuning_fork_engine::web::listen::{ListenError, Place};

use crate::support::{load, reference, values};

/// A server on loopback until this is dropped.
pub struct Open {
    pub at: SocketAddr,
    events: Vec<ServeEvent>,
    wakes: mpsc::Receiver<()>,
    job: Option<Job<ServeEvent, (), ListenError>>,
}

pub fn settings() -> Settings {
    let place = Place { ip: [127, 0, 0, 1].into(), port: Some(0) };
    Settings { place, ..Settings::default() }
}

impl Open {
    pub fn new(served: Served, settings: Settings) -> Self {
        let served = Arc::new(served);
        let (woken, wakes) = mpsc::channel();
        let wake = Arc::new(move |_| {
            woken.send(()).ok();
        });
        let job = Job::spawn("server", wake, move |progress| serve(&served, &settings, progress));
        let mut open = Self {
            at: SocketAddr::from(([127, 0, 0, 1], 0)),
            events: Vec::new(),
            wakes,
            job: Some(job.unwrap()),
        };
        let opened = open.wait_for(|event| matches!(event, ServeEvent::Opened { .. }));
        let ServeEvent::Opened { address } = opened else { unreachable!() };
        open.at = address.trim_start_matches("http://").trim_end_matches("/v1").parse().unwrap();
        open
    }

    fn tiny() -> Self {
        Self::new(Served::decoder(tiny(), None, None), settings())
    }

    /// The first event of a kind, now or soon.
    fn wait_for(&mut self, is_it: impl Fn(&ServeEvent) -> bool) -> ServeEvent {
        let until = Instant::now() + Duration::from_mins(1);
        loop {
            let Self { events, job, .. } = self;
            job.as_mut().unwrap().poll(|event| events.push(event));
            if let Some(at) = self.events.iter().position(&is_it) {
                return self.events.remove(at);
            }
            assert!(Instant::now() < until, "it does not come: {:?}", self.events);
            self.wakes.recv_timeout(Duration::from_millis(100)).ok();
        }
    }

    fn connect(&self) -> TcpStream {
        let tcp = TcpStream::connect(self.at).unwrap();
        tcp.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        tcp
    }

    /// What is answered to `bytes`.
    fn send(&self, bytes: &[u8]) -> (u16, String) {
        let mut tcp = self.connect();
        // It may answer, and close, before all was sent.
        tcp.write_all(bytes).ok();
        answer(&mut tcp)
    }

    fn head(&self, method: &str, path: &str, more: &str, length: usize) -> String {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n{more}\r\n",
            self.at
        )
    }

    fn request(&self, method: &str, path: &str, more: &str, body: &str) -> Vec<u8> {
        format!("{}{body}", self.head(method, path, more, body.len())).into_bytes()
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.send(&self.request("GET", path, "", ""));
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    fn raw(&self, path: &str, body: &str) -> (u16, String) {
        self.send(&self.request("POST", path, "", body))
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let (status, body) = self.raw(path, &body.to_string());
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{body}")))
    }

    #[track_caller]
    fn good(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.post(path, body);
        assert_eq!(status, 200, "{answer}");
        answer
    }

    #[track_caller]
    fn refused(&self, path: &str, body: &Value) -> (u16, String) {
        let (status, answer) = self.post(path, body);
        let message = answer["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(!message.is_empty(), "{answer}");
        (status, message)
    }

    /// The events of a stream, and whether it ended as it should.
    fn stream(&self, path: &str, body: &Value) -> Vec<Value> {
        let (status, body) = self.raw(path, &body.to_string());
        assert_eq!(status, 200, "{body}");
        let mut events: Vec<&str> =
            body.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
        assert_eq!(events.pop(), Some("[DONE]"), "{body}");
        events.into_iter().map(|event| serde_json::from_str(event).unwrap()).collect()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            job.cancel();
            job.wait(drop);
        }
    }
}

/// Status and body of an answer, whose connection is then closed.
fn answer(tcp: &mut TcpStream) -> (u16, String) {
    let mut bytes = Vec::new();
    tcp.read_to_end(&mut bytes).ok();
    let text = String::from_utf8(bytes).unwrap();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return (0, text) };
    let status = head.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    let is_chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    (status, if is_chunked { unchunked(body) } else { body.to_owned() })
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        whole.push_str(&rest[..length]);
        body = rest[length..].strip_prefix("\r\n").unwrap_or_default();
    }
    whole
}

fn tiny() -> Arc<Model> {
    Arc::new(load(&reference("models/llama"), Weights::AsStored))
}

const TEXT: &str = "The cat sat on the mat, and then";

/// As OpenAI's defaults are.
fn plain(temperature: f32) -> SamplingParams {
    SamplingParams {
        temperature,
        top_k: 0,
        top_p: 1.0,
        repetition_penalty: 1.0,
        ..SamplingParams::default()
    }
}

fn generated(model: &Model, prompt: Prompt, temperature: f32, seeds: &[u64]) -> Vec<Answer> {
    let lane = |seed: &u64| Lane { seed: *seed, adapter: AdapterMode::Off };
    let request = GenerateRequest {
        prompt,
        sampling: plain(temperature),
        max_new_tokens: 12,
        stop_strings: Vec::new(),
        lanes: seeds.iter().map(lane).collect(),
    };
    generate(model, None, &request, &Quiet).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn logprobs(value: &Value) -> Vec<Option<f32>> {
    value.as_array().unwrap().iter().map(|value| value.as_f64().map(|it| it as f32)).collect()
}

#[test]
fn a_completion_is_what_generate_gives() {
    let (model, open) = (tiny(), Open::tiny());
    for (temperature, seed) in [(0.0, 0), (1.0, 7)] {
        let expected =
            generated(&model, Prompt::Raw(TEXT.to_owned()), temperature, &[seed, seed + 1]);
        let mut sent = json!({
            "prompt": TEXT, "max_tokens": 12, "temperature": temperature, "seed": seed, "n": 2,
            "return_token_ids": true,
        });
        let said = open.good("/v1/completions", &sent);
        assert_eq!(said["object"], "text_completion");
        for (at, expected) in expected.iter().enumerate() {
            let choice = &said["choices"][at];
            assert_eq!(choice["text"], expected.text.as_str());
            assert_eq!(ids(&choice["token_ids"]), expected.ids);
            assert_eq!(choice["index"], at);
            assert_eq!(choice["finish_reason"], "length");
        }
        assert_eq!(said["usage"]["completion_tokens"], 24);
        // The same as ids, and as a stream.
        let prompt = model.tokenizer().encode(TEXT, true).unwrap();
        assert_eq!(said["usage"]["prompt_tokens"], prompt.len());
        sent["prompt"] = json!(prompt);
        let by_ids = open.good("/v1/completions", &sent);
        assert_eq!(by_ids["choices"], said["choices"]);
        sent["stream"] = true.into();
        let events = open.stream("/v1/completions", &sent);
        for (at, expected) in expected.iter().enumerate() {
            let of_choice = || {
                let choices = events.iter().map(|event| &event["choices"][0]);
                choices.filter(|choice| choice["index"] == at)
            };
            let text: String = of_choice().map(|choice| choice["text"].as_str().unwrap()).collect();
            assert_eq!(text, expected.text);
            assert_eq!(of_choice().next_back().unwrap()["finish_reason"], "length");
        }
    }
}

#[test]
fn an_echo_has_the_prompts_log_probabilities_as_score_computes_them() {
    let (model, open) = (tiny(), Open::tiny());
    let prompts = [TEXT, "Once upon a time", "a"];
    let encoded = prompts.map(|text| model.tokenizer().encode(text, true).unwrap());
    let sent = json!({"prompt": encoded, "echo": true, "logprobs": 3, "max_tokens": 0});
    let said = open.good("/v1/completions", &sent);
    for (at, ids) in encoded.iter().enumerate() {
        let choice = &said["choices"][at];
        let lists = &choice["logprobs"];
        // Equal to the last bit, through JSON.
        let expected = score(&model, None, ids, &Quiet).unwrap();
        assert_eq!(logprobs(&lists["token_logprobs"]), expected);
        assert_eq!(choice["text"], model.tokenizer().decode(ids, false));
        assert_eq!(lists["top_logprobs"][0], Value::Null);
        let tokens = lists["tokens"].as_array().unwrap();
        assert_eq!(tokens.len(), ids.len());
        for (place, top) in lists["top_logprobs"].as_array().unwrap().iter().enumerate().skip(1) {
            let top = top.as_object().unwrap();
            let own = &top[tokens[place].as_str().unwrap()];
            let largest =
                top.values().map(|value| value.as_f64().unwrap()).fold(f64::MIN, f64::max);
            assert!(own.as_f64().unwrap() <= largest);
            assert!((1..=4).contains(&top.len()));
        }
        let offsets = lists["text_offset"].as_array().unwrap();
        let text = choice["text"].as_str().unwrap();
        for (offset, token) in offsets.iter().zip(tokens) {
            let rest: String = text.chars().skip(offset.as_u64().unwrap() as usize).collect();
            assert!(rest.starts_with(token.as_str().unwrap()), "{token} at {offset} of {text}");
        }
    }
    // What harnesses ask for: one token behind the prompt, which is the one that generate draws.
    for temperature in [0.0, 1.0] {
        let one = json!({
            "prompt": encoded[0], "echo": true, "logprobs": 1, "max_tokens": 1, "seed": 1234,
            "temperature": temperature, "return_token_ids": true,
        });
        let said = open.good("/v1/completions", &one);
        let raw = Prompt::Raw(TEXT.to_owned());
        let expected = generated(&model, raw, temperature, &[1234]);
        assert_eq!(ids(&said["choices"][0]["token_ids"]), expected[0].ids[..1]);
        let list = logprobs(&said["choices"][0]["logprobs"]["token_logprobs"]);
        assert_eq!(list.len(), encoded[0].len() + 1);
        assert_eq!(list[..encoded[0].len()], score(&model, None, &encoded[0], &Quiet).unwrap());
    }
    // Tokens that are named come too, however unlikely they are.
    let named = json!({
        "prompt": encoded[0], "max_tokens": 1, "temperature": 0, "logprobs": 1,
        "logprob_token_ids": [300, 7], "return_tokens_as_token_ids": true,
    });
    let said = open.good("/v1/completions", &named);
    let mut cache = model.new_cache();
    let last = model.logits(&encoded[0], &mut cache, None, Positions::Last).unwrap();
    for id in [300, 7] {
        let top = &said["choices"][0]["logprobs"]["top_logprobs"][0];
        let found = top[format!("token_id:{id}")].as_f64().unwrap() as f32;
        assert!((found - logprob(&values(&last), id)).abs() < 1e-5, "{found}");
    }
    // Names by ids tell tokens with the same text apart.
    let by_id = json!({
        "prompt": TEXT, "echo": true, "logprobs": 0, "max_tokens": 0,
        "return_tokens_as_token_ids": true,
    });
    let said = open.good("/v1/completions", &by_id);
    let first = format!("token_id:{}", encoded[0][0]);
    assert_eq!(said["choices"][0]["logprobs"]["tokens"][0], first);
}

#[test]
fn a_chat_goes_through_the_template_and_is_what_generate_gives() {
    let (model, open) = (tiny(), Open::tiny());
    let messages = vec![Message::new("system", "Be short."), Message::new("user", "Hello")];
    let expected = generated(&model, Prompt::Chat(messages.clone()), 1.0, &[3]).remove(0);
    let mut sent = json!({
        "messages": messages, "max_tokens": 12, "seed": 3, "logprobs": true, "top_logprobs": 2,
        "return_token_ids": true,
    });
    let said = open.good("/v1/chat/completions", &sent);
    let choice = &said["choices"][0];
    assert_eq!(said["object"], "chat.completion");
    assert_eq!(choice["message"]["role"], "assistant");
    assert_eq!(choice["message"]["content"], expected.text.as_str());
    assert_eq!(ids(&choice["token_ids"]), expected.ids);
    // How likely each token was, as score computes it after the prompt.
    let text = model.chat().unwrap().render(&messages, true).unwrap();
    let prompt = model.tokenizer().encode(&text, false).unwrap();
    let whole = [&prompt[..], &expected.ids].concat();
    let scored = score(&model, None, &whole, &Quiet).unwrap();
    let content = choice["logprobs"]["content"].as_array().unwrap();
    assert_eq!(content.len(), expected.ids.len());
    for (one, expected) in content.iter().zip(&scored[prompt.len()..]) {
        let found = one["logprob"].as_f64().unwrap() as f32;
        assert!((found - expected.unwrap()).abs() < 1e-5, "{found} and {expected:?}");
        assert_eq!(one["top_logprobs"].as_array().unwrap().len(), 2);
    }
    sent["stream"] = true.into();
    sent["stream_options"] = json!({"include_usage": true});
    let events = open.stream("/v1/chat/completions", &sent);
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    let pieces = events.iter().filter_map(|it| it["choices"][0]["delta"]["content"].as_str());
    assert_eq!(pieces.collect::<String>(), expected.text);
    let last = events.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"], said["usage"]);
    let (status, said) = open.refused("/v1/chat/completions", &json!({"messages": []}));
    assert_eq!((status, said.starts_with("\"messages\" is []")), (400, true), "{said}");
}

#[test]
fn a_stop_string_ends_an_answer_and_is_not_part_of_it() {
    let (model, open) = (tiny(), Open::tiny());
    let whole = generated(&model, Prompt::Raw(TEXT.to_owned()), 0.0, &[0]).remove(0).text;
    let stop: String = whole.chars().skip(4).take(2).collect();
    let sent = json!({"prompt": TEXT, "max_tokens": 12, "temperature": 0, "stop": [stop]});
    let said = open.good("/v1/completions", &sent);
    let choice = &said["choices"][0];
    let expected = &whole[..whole.find(&stop).unwrap()];
    assert_eq!(choice["text"], expected);
    assert_eq!(choice["finish_reason"], "stop");
    let mut streamed = sent;
    streamed["stream"] = true.into();
    let events = open.stream("/v1/completions", &streamed);
    let pieces = events.iter().map(|event| event["choices"][0]["text"].as_str().unwrap());
    assert_eq!(pieces.collect::<String>(), expected);
}

#[test]
fn guesses_change_nothing_in_what_is_served() {
    let draft = Arc::new(load(&reference("models/llama"), Weights::Q4_0));
    let guessers = [
        KeptGuesser::Lookup(Some(4)),
        KeptGuesser::Lookup(None),
        KeptGuesser::Draft(Arc::clone(&draft), Some(3)),
        KeptGuesser::Draft(draft, None),
    ];
    let alone = Open::tiny();
    // The likeliest tokens, with their exact log-probabilities; and drawn ones, which a lookup leaves alone.
    let greedy =
        json!({"prompt": TEXT, "max_tokens": 40, "temperature": 0, "logprobs": 3, "seed": 5});
    let drawn =
        json!({"prompt": TEXT, "max_tokens": 40, "temperature": 0.9, "logprobs": 1, "seed": 5});
    let said = |open: &Open, sent: &Value| open.good("/v1/completions", sent)["choices"].clone();
    for guesser in guessers {
        let is_lookup = matches!(guesser, KeptGuesser::Lookup(_));
        let open = Open::new(Served::decoder(tiny(), None, None).with_guesser(guesser), settings());
        assert_eq!(said(&open, &greedy), said(&alone, &greedy));
        if is_lookup {
            assert_eq!(said(&open, &drawn), said(&alone, &drawn));
        }
    }
}

#[test]
fn an_adapter_is_a_model_of_its_own_beside_its_base() {
    let model = tiny();
    let folder = reference("adapters/llama");
    let adapter = Arc::new(Adapter::load(&folder, &model).unwrap());
    let ids = model.tokenizer().encode(TEXT, true).unwrap();
    let served = Served::decoder(Arc::clone(&model), Some(Arc::clone(&adapter)), None);
    let open = Open::new(served, settings());
    let (_, list) = open.get("/v1/models");
    let names: Vec<&str> =
        list["data"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    let called = adapter.card().name;
    assert_eq!(names, [format!("llama+{called}").as_str(), "llama"]);
    assert_eq!(open.get(&format!("/v1/models/llama+{called}")).0, 200);
    assert_eq!(open.get("/v1/models/other").0, 404);
    for (name, adapter) in [
        (Value::Null, Some(&*adapter)),
        (names[0].into(), Some(&*adapter)),
        (names[1].into(), None),
    ] {
        let sent =
            json!({"model": name, "prompt": ids, "echo": true, "logprobs": 0, "max_tokens": 0});
        let said = open.good("/v1/completions", &sent);
        let expected = score(&model, adapter, &ids, &Quiet).unwrap();
        assert_eq!(logprobs(&said["choices"][0]["logprobs"]["token_logprobs"]), expected, "{name}");
        assert_eq!(said["model"], if adapter.is_some() { names[0] } else { names[1] });
    }
    let (status, said) = open.refused("/v1/completions", &json!({"model": "gpt-4", "prompt": "a"}));
    assert_eq!(status, 404);
    assert!(said.contains(&format!("This server has llama+{called} and llama:")), "{said}");
}

#[test]
fn a_soft_prompt_takes_its_part_of_the_context() {
    let model = tiny();
    let folder = reference("soft/prompt_llama/adapter");
    let adapter = Arc::new(Adapter::load(&folder, &model).unwrap());
    let context = model.config().context_length;
    let room = model.context_with(Some(&*adapter));
    assert!(room < context);
    let open = Open::new(Served::decoder(model, Some(adapter), None), settings());
    let (_, list) = open.get("/v1/models");
    let lengths = list["data"].as_array().unwrap().iter().map(|it| &it["max_model_len"]);
    assert_eq!(lengths.collect::<Vec<_>>(), [&json!(room), &json!(context)]);
    // Of several prompts the last one, before the first is computed.
    let sent = |length: usize| {
        let prompts = [vec![5; 3], vec![5; length]];
        json!({"prompt": prompts, "max_tokens": 0, "echo": true})
    };
    open.good("/v1/completions", &sent(room));
    let (status, said) = open.refused("/v1/completions", &sent(room + 1));
    assert!(status == 400 && said.contains("tokens do not fit"), "{said}");
}

#[test]
fn vectors_are_those_of_embed_as_numbers_and_as_base64() {
    let folder = reference("encoder/mean");
    let encoder = Encoder::load(&folder).unwrap();
    let texts = ["A cat sat.".to_owned(), "Two dogs ran".to_owned()];
    let prompt = encoder.default_prompt().unwrap_or_default().to_owned();
    let expected = encoder.embed_after(&prompt, &texts, &Quiet).unwrap();
    let open = Open::new(Served::encoder(encoder, "mean".to_owned(), None), settings());
    let said = open.good("/v1/embeddings", &json!({"model": "mean", "input": texts}));
    let packed = json!({"input": texts, "encoding_format": "base64"});
    let packed = open.good("/v1/embeddings", &packed);
    for (at, expected) in expected.iter().enumerate() {
        let found: Vec<f32> =
            logprobs(&said["data"][at]["embedding"]).into_iter().map(Option::unwrap).collect();
        assert_eq!(found, expected.values);
        let text = packed["data"][at]["embedding"].as_str().unwrap();
        assert_eq!(text.len(), (expected.values.len() * 4).div_ceil(3) * 4);
        let tokens = said["usage"]["prompt_tokens"].as_u64().unwrap();
        assert!(tokens >= expected.token_count as u64);
    }
    let (status, said) = open.refused("/v1/chat/completions", &json!({"messages": []}));
    assert!(status == 400 && said.contains("makes vectors"), "{said}");
    assert!(open.refused("/v1/embeddings", &json!({"input": [1, 2]})).1.contains("token ids"));
    let other = json!({"input": "a", "dimensions": 7});
    assert!(open.refused("/v1/embeddings", &other).1.contains("\"dimensions\" is 7"));
    // A decoder as `embed` would pool it.
    let folder = reference("models/llama");
    let expected = Encoder::load(&folder).unwrap().embed(&texts[..1], &Quiet).unwrap();
    let open = Open::tiny();
    let said = open.good("/v1/embeddings", &json!({"input": texts[0]}));
    let found = logprobs(&said["data"][0]["embedding"]);
    assert_eq!(found.into_iter().map(Option::unwrap).collect::<Vec<f32>>(), expected[0].values);
}

#[test]
fn labels_are_scored_as_evaluate_scores_them() {
    let (model, open) = (tiny(), Open::tiny());
    let labels = ["yes".to_owned(), "no".to_owned(), "not sure".to_owned()];
    let presentation =
        Presentation { content: TEXT.to_owned(), order: vec![0, 1, 2], answers: labels.to_vec() };
    let asked =
        Asked::encode(&model, &presentation, (0, model.config().context_length)).unwrap().unwrap();
    let scored = Scorer::new(&model, None).score::<()>(&[], &[asked], &Quiet).unwrap();
    let expected = weigh(&[vec![0, 1, 2]], &scored, &scored, false).unwrap();
    let said = open.good("/v1/labels", &json!({"prompt": TEXT, "labels": labels}));
    let found = &said["data"][0];
    for (at, label) in labels.iter().enumerate() {
        let one = &found["labels"][at];
        assert_eq!(one["label"], label.as_str());
        assert_eq!(one["logprob"].as_f64().unwrap(), scored[0][at]);
        assert!((one["probability"].as_f64().unwrap() - expected.probabilities[at]).abs() < 1e-12);
    }
    assert_eq!(found["label"], labels[expected.index.unwrap()].as_str());
    assert!((found["mass"].as_f64().unwrap() - expected.mass).abs() < 1e-12);
    let twice = json!({"prompt": TEXT, "labels": ["a", "a"]});
    assert!(open.refused("/v1/labels", &twice).1.contains("each of them once"));
}

#[test]
fn typed_questions_are_answered_with_exact_probabilities() {
    let (model, open) = (tiny(), Open::tiny());
    let probabilities = |content: &str, answers: &[&str]| {
        let order: Vec<usize> = (0..answers.len()).collect();
        let answers = answers.iter().map(|&answer| answer.to_owned()).collect();
        let asked = Presentation { content: content.to_owned(), order: order.clone(), answers };
        let room = (0, model.config().context_length);
        let asked = Asked::encode(&model, &asked, room).unwrap().unwrap();
        let scored = Scorer::new(&model, None).score::<()>(&[], &[asked], &Quiet).unwrap();
        weigh(&[order], &scored, &scored, false).unwrap().probabilities
    };
    let questions = json!({
        "team": {"type": "choice", "instructions": "Which team?",
                 "criteria": {"billing": "refunds", "tech": ""}},
        "tone": {"type": "score", "instructions": "How angry?", "criteria": ["calm", "angry", "furious"]},
        "leaves": {"type": "noul", "instructions": "Will they leave?"},
    });
    let said = open.good("/v1/systemone", &json!({"state": TEXT, "questions": questions}));
    let close = |found: &Value, expected: f64| {
        let found = found.as_f64().unwrap();
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    };
    let asked = |instructions: &str, options: &str, end: &str| {
        format!("{instructions}\n\nText: {TEXT}\n\nOptions:\n{options}\n\n{end}")
    };
    let in_words = "Answer with one of the options, in its words, and nothing else.";
    let in_numbers = "Answer with the number of one option and nothing else.";

    let team = &said["answers"]["team"];
    let expected = probabilities(
        &asked("Which team?", "- billing: refunds\n- tech", in_words),
        &["billing", "tech"],
    );
    close(&team["probabilities"]["billing"], expected[0]);
    close(&team["probabilities"]["tech"], expected[1]);
    assert_eq!(team["choice"], if expected[0] >= expected[1] { "billing" } else { "tech" });
    let entropy: f64 = expected.iter().map(|p| -p * p.ln()).sum();
    close(&team["confidence"], 1.0 - entropy / 2.0_f64.ln());
    close(&team["answer_confidence"], expected[0].max(expected[1]));

    let tone = &said["answers"]["tone"];
    let levels = asked("How angry?", "- 0: calm\n- 1: angry\n- 2: furious", in_numbers);
    let expected = probabilities(&levels, &["0", "1", "2"]);
    close(&tone["probabilities"]["2"], expected[2]);
    close(&tone["score"], expected[1] + 2.0 * expected[2]);
    assert_eq!(tone["legend"], json!({"0": "calm", "1": "angry", "2": "furious"}));

    let expected =
        probabilities(&asked("Will they leave?", "- no\n- yes", in_words), &["no", "yes"]);
    close(&said["answers"]["leaves"]["noul"], expected[1]);
    assert!(said["usage"]["input_tokens"].as_u64().unwrap() > 0);

    let both = json!({"states": [TEXT, "another"], "questions": questions});
    let batch = open.good("/v1/systemone/batch", &both);
    assert_eq!(batch["results"][0], said);
    assert_eq!(batch["results"].as_array().unwrap().len(), 2);
    let each = (0..2).map(|at| batch["results"][at]["usage"]["input_tokens"].as_u64().unwrap());
    assert_eq!(batch["total_usage"]["input_tokens"], each.sum::<u64>());

    // In both orders, averaged.
    let two = json!({"state": TEXT, "questions": {"team": questions["team"]}, "orders": 2});
    let averaged = &open.good("/v1/systemone", &two)["answers"]["team"]["probabilities"]["tech"];
    let turned = probabilities(
        &asked("Which team?", "- tech\n- billing: refunds", in_words),
        &["tech", "billing"],
    );
    let as_given = team["probabilities"]["tech"].as_f64().unwrap();
    close(averaged, f64::midpoint(as_given, turned[0]));
    let (status, said) =
        open.refused("/v1/systemone", &json!({"state": "a", "questions": {"q": 1}}));
    assert!(status == 400 && said.contains("Question \"q\" is a number"), "{said}");
}

#[test]
fn what_cannot_be_answered_is_refused_in_openais_form_with_a_sentence() {
    let open = Open::tiny();
    let (status, said) = open.raw("/v1/completions", "{\"prompt\": ");
    assert_eq!(status, 400);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["error"]["type"], "invalid_request_error");
    assert!(said["error"]["message"].as_str().unwrap().contains("not valid JSON"));
    let long = vec![5; 513];
    for (sent, words) in [
        (json!({}), "\"prompt\" is missing"),
        (
            json!({"prompt": "a", "sampling_temperature": 0}),
            "Unrecognized request argument supplied: sampling_temperature",
        ),
        (json!({"prompt": [999_999]}), "outside the model's vocabulary of 384"),
        (json!({"prompt": long}), "513 tokens do not fit: the model's context is 512 tokens"),
        (json!({"prompt": "a", "n": 999}), "from 1 to 32"),
        (json!({"prompt": "a", "max_tokens": -1}), "\"max_tokens\" is -1"),
        (json!({"prompt": "a", "suffix": "b"}), "\"suffix\" is not computed"),
        (json!({"prompt": "a", "stream": "yes"}), "\"stream\" is \"yes\""),
        (json!({"prompt": "a", "stream": true, "n": 0}), "\"n\" is 0"),
        (json!([1]), "a JSON object is expected"),
    ] {
        let (status, said) = open.refused("/v1/completions", &sent);
        assert!(said.contains(words), "{sent}: {said}");
        assert_eq!(status, 400, "{sent}: {said}");
    }
    // A long prompt in a stream gets a status too, not a stream.
    let long = json!({"prompt": vec![5; 513], "stream": true});
    assert_eq!(open.post("/v1/completions", &long).0, 400);
    for sent in ["", "null", "\u{feff}{}", &"[".repeat(10_000), "{\"prompt\": \"\\ud800\"}"] {
        assert_eq!(open.raw("/v1/completions", sent).0, 400, "{sent:.20}");
    }
    // An empty text begins with the token that begins texts.
    assert_eq!(open.post("/v1/completions", &json!({"prompt": "", "max_tokens": 2})).0, 200);
    assert_eq!(open.get("/health").1["status"], "ok");
}

#[test]
fn no_other_path_or_method_is_served() {
    let open = Open::tiny();
    for path in [
        "/",
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/v1/models/../../../etc/passwd",
        "/v1/models/..%2f..%2fCargo.toml",
        "/v1/completions/",
        "//etc/passwd",
        "/v1",
        "/.git/config",
    ] {
        let (status, said) = open.get(path);
        assert_eq!(status, 404, "{path}: {said}");
        assert!(said["error"]["message"].is_string(), "{path}: {said}");
    }
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        assert_eq!(open.send(&open.request(method, "/v1/completions", "", "")).0, 405, "{method}");
    }
    assert_eq!(open.send(&open.request("POST", "/v1/models", "", "{}")).0, 405);
    for noise in ["\x16\x03\x01\x02\x00\x01\x00", "GET\r\n\r\n", "\0\0\0\0\r\n\r\n"] {
        let (status, said) = open.send(noise.as_bytes());
        assert!(matches!(status, 0 | 400 | 421 | 505), "{noise:?}: {said}");
    }
}

#[test]
fn pages_of_other_sites_and_other_names_are_not_answered() {
    let open = Open::tiny();
    let good = json!({"prompt": "a", "max_tokens": 1}).to_string();
    let with = |more: &str| open.send(&open.request("POST", "/v1/completions", more, &good)).0;
    assert_eq!(with(""), 200);
    assert_eq!(with("Authorization: Bearer whatever\r\n"), 200, "programs must send something");
    for line in [
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://127.0.0.1\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
    ] {
        assert_eq!(with(line), 403, "{line}");
    }
    assert!(matches!(with("Host: evil.example\r\n"), 400 | 421), "two names");
    let sent = String::from_utf8(open.request("POST", "/v1/completions", "", &good)).unwrap();
    let other = sent.replace(&open.at.to_string(), "evil.example");
    assert_eq!(open.send(other.as_bytes()).0, 421, "a name that was made to lead here");
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let sent = sent.replace("application/json", kind);
        let (status, said) = open.send(sent.as_bytes());
        assert!(status == 415 && said.contains("Content-Type"), "{kind}: {said}");
    }
}

#[test]
fn with_a_key_nobody_is_answered_without_it() {
    let key = Key::random();
    let settings = Settings { key: Some(key.clone()), ..settings() };
    let open = Open::new(Served::decoder(tiny(), None, None), settings);
    let good = json!({"prompt": "a", "max_tokens": 1}).to_string();
    let with = |more: &str| open.send(&open.request("POST", "/v1/completions", more, &good));
    let right = format!("Authorization: Bearer {}\r\n", key.as_str());
    assert_eq!(with(&right).0, 200);
    assert_eq!(with(&format!("{right}Origin: http://page.example\r\n")).0, 200, "it has the key");
    let began = Instant::now();
    for wrong in ["Authorization: Bearer tf-wrong\r\n", "Authorization: Basic abc\r\n"] {
        let (status, said) = with(wrong);
        assert_eq!(status, 401);
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["error"]["code"], "invalid_api_key");
    }
    assert!(began.elapsed() > Duration::from_millis(1500), "a wrong key is answered slowly");
    assert_eq!(with("").0, 401);
    assert_eq!(open.get("/v1/models").0, 401);
    let (status, health) = open.get("/health");
    assert_eq!((status, health), (200, json!({"status": "ok"})), "and nothing of the model");
}

#[test]
fn a_huge_body_is_refused_before_it_is_read() {
    let open = Open::tiny();
    let told = open.head("POST", "/v1/completions", "", 99_999_999_999);
    let began = Instant::now();
    assert_eq!(open.send(told.as_bytes()).0, 413);
    assert!(began.elapsed() < Duration::from_secs(5));
    // In pieces of unknown number.
    let head = open.head("POST", "/v1/completions", "", 0);
    let mut pieces = head.replace("Content-Length: 0", "Transfer-Encoding: chunked").into_bytes();
    for _ in 0..300 {
        pieces.extend_from_slice(b"10000\r\n");
        pieces.extend_from_slice(&vec![b' '; 0x10000]);
        pieces.extend_from_slice(b"\r\n");
    }
    assert!(matches!(open.send(&pieces).0, 413 | 0));
    let flood = "X-Flood: a\r\n".repeat(1000);
    assert_eq!(open.send(&open.request("GET", "/health", &flood, "")).0, 431);
    assert_eq!(open.get("/health").0, 200);
}

#[test]
fn slow_clients_cost_the_others_nothing() {
    let patience = Patience { headers: Duration::from_secs(3), body: Duration::from_millis(1500) };
    let served = Served::decoder(tiny(), None, None);
    let open = Open::new(served, Settings { patience, ..settings() });
    let good = json!({"prompt": "a", "max_tokens": 1}).to_string();
    let whole = open.request("POST", "/v1/completions", "", &good);
    let mut slow: Vec<TcpStream> = Vec::new();
    for number in 0..100 {
        let half = if number % 2 == 0 { &whole[..40] } else { &whole[..whole.len() - 5] };
        let mut tcp = open.connect();
        tcp.write_all(half).unwrap();
        slow.push(tcp);
    }
    let began = Instant::now();
    assert_eq!(open.send(&whole).0, 200);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(answer(&mut slow[1]).0, 408, "what does not come is given up");
    assert!(matches!(answer(&mut slow[0]).0, 408 | 0));
}

/// What takes long: thousands of tokens.
fn long() -> Value {
    json!({"prompt": vec!["a"; 64], "max_tokens": 500, "n": 32, "seed": 1, "logit_bias": {}})
}

#[test]
fn an_answer_that_nobody_waits_for_is_not_computed() {
    let mut open = Open::tiny();
    for streams in [false, true] {
        let mut sent = long();
        sent["stream"] = streams.into();
        let body = sent.to_string();
        let request = open.request("POST", "/v1/completions", "", &body);
        let mut leaves = open.connect();
        leaves.write_all(&request).unwrap();
        open.wait_for(|event| matches!(event, ServeEvent::Begun { .. }));
        // One that waits behind it, and leaves too.
        let mut waits = open.connect();
        waits.write_all(&request).unwrap();
        drop((leaves, waits));
        let done = open.wait_for(|event| matches!(event, ServeEvent::Done(_)));
        let ServeEvent::Done(done) = done else { unreachable!() };
        assert_eq!(done.status, 499);
        assert_eq!(open.post("/v1/completions", &json!({"prompt": "a"})).0, 200);
        open.wait_for(|event| matches!(event, ServeEvent::Done(done) if done.status == 200));
        open.events.clear();
    }
}

#[test]
fn requests_wait_for_each_other_and_too_many_are_sent_away() {
    let served = Served::decoder(tiny(), None, None);
    let mut open = Open::new(served, Settings { most_waiting: 2, ..settings() });
    let body = long().to_string();
    let mut first = open.connect();
    first.write_all(&open.request("POST", "/v1/completions", "", &body)).unwrap();
    open.wait_for(|event| matches!(event, ServeEvent::Begun { .. }));
    let short = |text: &str| {
        let body = json!({"prompt": text, "max_tokens": 0, "echo": true}).to_string();
        open.request("POST", "/v1/completions", "", &body)
    };
    let mut waiting: Vec<TcpStream> = Vec::new();
    for text in ["one", "two"] {
        let mut tcp = open.connect();
        tcp.write_all(&short(text)).unwrap();
        waiting.push(tcp);
    }
    let until = Instant::now() + Duration::from_secs(20);
    while open.get("/health").1["waiting"] != 2 {
        assert!(Instant::now() < until);
    }
    assert_eq!(open.get("/health").1["busy"], true);
    let (status, said) = open.send(&short("three"));
    assert!(status == 429 && said.contains("2 requests wait already"), "{said}");
    drop(first);
    for (mut tcp, text) in waiting.into_iter().zip(["one", "two"]) {
        let (status, said) = answer(&mut tcp);
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((status, &said["choices"][0]["text"]), (200, &json!(text)), "each its own");
    }
}

#[test]
fn whoever_waits_when_the_server_stops_is_told_so() {
    let mut open = Open::tiny();
    let request = open.request("POST", "/v1/completions", "", &long().to_string());
    let mut first = open.connect();
    first.write_all(&request).unwrap();
    open.wait_for(|event| matches!(event, ServeEvent::Begun { .. }));
    let mut second = open.connect();
    second.write_all(&request).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    while open.get("/health").1["waiting"] != 1 {
        assert!(Instant::now() < until);
    }
    drop(open);
    for tcp in [&mut first, &mut second] {
        let (status, said) = answer(tcp);
        assert!(status == 503 && said.contains("is being stopped"), "{status}: {said}");
    }
}

#[test]
fn a_request_that_takes_too_long_is_ended_with_a_sentence() {
    let most_time = Duration::from_millis(200);
    let open = Open::new(Served::decoder(tiny(), None, None), Settings { most_time, ..settings() });
    let (status, said) = open.refused("/v1/completions", &long());
    assert!(status == 504 && said.contains("Ask for fewer tokens"), "{said}");
    // Of a stream, which has begun well, it is the last event.
    let mut sent = long();
    sent["stream"] = true.into();
    let (status, said) = open.raw("/v1/completions", &sent.to_string());
    assert_eq!(status, 200);
    let last = said.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.starts_with("data: {\"error\":{\"message\":\"The answer took longer"), "{last}");
}

#[test]
fn a_probe_finds_our_own_server_exact() {
    let open = Open::tiny();
    let address = open.at.to_string();
    let client = Client::new(&address, None, Duration::from_mins(1)).unwrap();
    let found = probe(&client, None).unwrap();
    assert_eq!(found.lies, Vec::<String>::new());
    assert_eq!((found.exactness, found.model.as_str()), (Exactness::Exact, "llama"));
    let missing: Vec<_> = found.abilities.iter().filter(|ability| !ability.has).collect();
    // Evaluate reads fields with a schema; the server does not take one.
    let names: Vec<&str> = missing.iter().map(|ability| ability.name).collect();
    assert_eq!(names, ["answers that fit a JSON schema"], "{missing:?}");
    assert_eq!((found.chat_top, found.top), (20, 20));
    assert!(probe(&client, Some("other")).unwrap().exactness == Exactness::None);
}

fn whole_request(tcp: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = tcp.read(&mut piece).unwrap();
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8(bytes.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if count == 0 || body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return text;
        }
    }
}

#[test]
fn a_probe_finds_out_a_server_that_lies_about_log_probabilities() {
    // Two tokens with nine tenths each; everything else is refused.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let job: Job<(), (), std::convert::Infallible> =
        Job::spawn("liar", Arc::new(|_| {}), move |progress| {
            for tcp in listener.incoming() {
                if progress.check().is_err() {
                    break;
                }
                let mut tcp = tcp.unwrap();
                let head = whole_request(&mut tcp);
                let (status, body) = if head.starts_with("GET /v1/models") {
                    ("200 OK", json!({"data": [{"id": "liar"}]}))
                } else if head.starts_with("POST /v1/completions") {
                    let top = json!([{" Paris": -0.1, " Lyon": -0.1}]);
                    let logprobs = json!({"token_logprobs": [-0.1], "top_logprobs": top});
                    let choice = json!({"index": 0, "text": " Paris", "logprobs": logprobs});
                    ("200 OK", json!({"choices": [choice]}))
                } else {
                    ("404 Not Found", json!({"error": {"message": "no such path"}}))
                };
                let body = body.to_string();
                let length = body.len();
                write!(
                    tcp,
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                )
                .unwrap();
            }
            Ok(())
        })
        .unwrap();
    let client = Client::new(&at.to_string(), None, Duration::from_secs(20)).unwrap();
    let found = probe(&client, None).unwrap();
    assert_eq!(found.exactness, Exactness::None);
    assert_eq!(found.lies, ["the probabilities of 2 tokens in one place sum to 1.810"]);
    assert!(!found.has("chat") && found.has("completions"));
    assert!(!found.has("log-probabilities of prompts"), "those of the answer are not those");
    job.cancel();
    TcpStream::connect(at).ok();
    job.wait(drop);
}

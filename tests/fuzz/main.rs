//! Damaged files: whatever is done to a model's or an adapter's files, loading them ends with a
//! model or an error, soon, and without more memory than the files and 64 MB. A project's verdicts:
//! `verdicts.rs`; what the Hub answers: `hub.rs`.
//!
//! `cargo test` tries some thousands; `TUNING_FORK_FUZZ=100000 cargo test --release --test fuzz`
//! as many as it says. Case n is the same everywhere; `TUNING_FORK_FUZZ_FROM=n` begins there.

#![expect(clippy::unwrap_used, reason = "a test fails where it is")]

mod counting;
mod hub;
mod mutate;
mod verdicts;

use std::fs::File;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use tuning_fork_engine::data::pair::Message;
use tuning_fork_engine::jobs::Quiet;
use tuning_fork_engine::llm::card::ModelSource;
use tuning_fork_engine::llm::inspect;
use tuning_fork_engine::llm::{Adapter, LoadOptions, Model, Positions, Weights, memory_needed};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const SPARE: usize = 64 << 20;
const LONGEST: Duration = Duration::from_secs(1);

/// A file to damage, and how to load what it belongs to.
struct Target {
    name: String,
    path: PathBuf,
    original: Vec<u8>,
    damage: Damage,
    load: Load,

    /// All files that are loaded together.
    size: usize,
}

#[derive(Clone, Copy)]
enum Damage {
    /// Bytes, mostly those before this one.
    Header(usize),
    Json,
}

enum Load {
    Model(ModelSource),
    Adapter(PathBuf),
}

fn reference(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference").join(path)
}

fn write(path: &Path, bytes: &[u8]) {
    File::create(path).unwrap().write_all(bytes).unwrap();
}

/// What a variable says, or `default`.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// Copies a folder; returns what it weighs.
fn copy(from: &Path, to: &Path) -> usize {
    std::fs::create_dir_all(to).unwrap();
    let mut size = 0;
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() != "expected.safetensors" {
            let bytes = std::fs::read(&path).unwrap();
            size += bytes.len();
            write(&to.join(path.file_name().unwrap()), &bytes);
        }
    }
    size
}

/// Where the tensors of a file begin.
fn header_of(name: &str, bytes: &[u8]) -> usize {
    if name == "model.gguf" {
        return bytes.len() / 2;
    }
    8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
}

/// Every file of every seed, copied to `work`.
fn targets(work: &Path) -> Vec<Target> {
    let seeds = [
        "models/tiny_phi3_longrope",
        "models/tiny_gemma3_nested",
        "models/tiny_smollm3",
        "gguf/tiny_phi3_longrope",
        "gguf/tiny_llama_q4_0",
        "adapters/llama",
    ];
    let mut targets = Vec::new();
    for seed in seeds {
        let folder = work.join(seed);
        let size = copy(&reference(seed), &folder);
        let is_adapter = seed.starts_with("adapters");
        let gguf = folder.join("model.gguf");
        let mut names: Vec<String> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "README.md")
            .collect();
        if !is_adapter && !gguf.is_file() {
            // Two files more that are read where they are there.
            let index = r#"{"metadata":{},"weight_map":{"model.norm.weight":"model.safetensors"}}"#;
            write(&folder.join("model.safetensors.index.json"), index.as_bytes());
            let template =
                "{% for m in messages %}{{ m['role'] + ': ' + m.content|trim }}\n{% endfor %}";
            write(&folder.join("chat_template.jinja"), template.as_bytes());
            names.push("model.safetensors.index.json".to_owned());
            names.push("chat_template.jinja".to_owned());
        }
        names.sort();
        for name in names {
            let path = folder.join(&name);
            let original = std::fs::read(&path).unwrap();
            let damage = match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => Damage::Json,
                Some("jinja") => Damage::Header(original.len()),
                _ => Damage::Header(header_of(&name, &original)),
            };
            let load = match (is_adapter, gguf.is_file()) {
                (true, _) => Load::Adapter(folder.clone()),
                (false, true) => Load::Model(ModelSource::Gguf(gguf.clone())),
                (false, false) => Load::Model(ModelSource::Folder(folder.clone())),
            };
            let name = format!("{seed}/{name}");
            targets.push(Target { name, path, original, damage, load, size });
        }
    }
    targets
}

/// Loads and, where that succeeds, runs. Returns the error, in words.
fn try_to_use(load: &Load, base: &Model) -> Result<(), String> {
    let words = |err: tuning_fork_engine::llm::Error| err.to_string();
    let ids = [3, 200, 17];
    match load {
        Load::Adapter(folder) => {
            let adapter = Adapter::load(folder, base).map_err(words)?;
            let mut cache = base.new_cache();
            base.logits(&ids, &mut cache, Some(&adapter), Positions::Last).map_err(words)?;
        }
        Load::Model(source) => {
            let facts = inspect(source).map_err(words)?;
            let needed = memory_needed(source, Weights::Q8_0);
            assert_eq!(facts.unsupported.is_some(), needed.is_err(), "the two disagree");
            let model = Model::load(source, &LoadOptions::default(), &Quiet).map_err(words)?;
            model.logits(&ids, &mut model.new_cache(), None, Positions::All).map_err(words)?;
            let text = model.tokenizer().encode("Two answers, 3 words: é", true);
            let text = text.map_err(|err| err.to_string())?;
            model.tokenizer().decode(&text, true);
            if let Some(chat) = model.chat() {
                let message = Message::new("user", "hello");
                chat.render(&[message], true).map_err(|err| err.to_string())?;
            }
        }
    }
    Ok(())
}

/// What went wrong in a case, if anything did.
fn run_case(case: u64, target: &Target, base: &Model, said: &Mutex<String>) -> Option<String> {
    let mut rng = ChaCha8Rng::seed_from_u64(case);
    let damaged = match target.damage {
        Damage::Header(len) => mutate::bytes(&mut rng, &target.original, len),
        Damage::Json => mutate::json(&mut rng, &target.original),
    };
    write(&target.path, &damaged);
    let most = target.size + damaged.len() + SPARE;
    let attempt = || {
        let start = Instant::now();
        let work = || catch_unwind(AssertUnwindSafe(|| try_to_use(&target.load, base)));
        let (result, peak) = counting::peak(work);
        (result, peak, start.elapsed())
    };
    let (result, peak, mut time) = attempt();
    if time > LONGEST {
        time = time.min(attempt().2); // another program may have had the processor
    }
    match result {
        Err(_) => Some(format!("panic: {}", said.lock().unwrap())),
        _ if peak > most => Some(format!("{} MB of memory", peak >> 20)),
        _ if time > LONGEST => Some(format!("{} s", time.as_secs_f32())),
        // Every error that is about a file says which.
        Ok(Err(error)) if error.is_empty() => Some("an error without words".to_owned()),
        Ok(_) => None,
    }
}

#[test]
fn damaged_files_are_errors_and_nothing_worse() {
    let (count, from) = (number("TUNING_FORK_FUZZ", 3000), number("TUNING_FORK_FUZZ_FROM", 0));
    let work = tempfile::tempdir().unwrap();
    let targets = targets(work.path());
    let base = ModelSource::Folder(reference("models/llama"));
    let base = Model::load(&base, &LoadOptions::default(), &Quiet).unwrap();
    for target in &targets {
        let used = try_to_use(&target.load, &base);
        assert_eq!(used, Ok(()), "{}: the seed itself", target.name);
    }

    let said = std::sync::Arc::new(Mutex::new(String::new()));
    let listener = std::sync::Arc::clone(&said);
    std::panic::set_hook(Box::new(move |info| *listener.lock().unwrap() = info.to_string()));
    let mut problems = Vec::new();
    for case in from..from + count {
        let target = &targets[(case % targets.len() as u64) as usize];
        if let Some(problem) = run_case(case, target, &base, &said) {
            problems.push(format!("case {case}, {}: {problem}", target.name));
            println!("{}", problems[problems.len() - 1]);
        }
        write(&target.path, &target.original);
        if (case + 1) % 10_000 == 0 {
            println!("{} cases, {} problems", case + 1, problems.len());
        }
    }
    drop(std::panic::take_hook());
    let shown = &problems[..problems.len().min(20)];
    assert!(problems.is_empty(), "{} of {count} cases: {shown:#?}", problems.len());
}

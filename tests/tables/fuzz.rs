//! Damaged tables: whatever is done to a file, reading it ends with rows or an error, soon, and
//! without more memory than the file and 64 MB.
//!
//! `cargo test` tries some thousands; `TUNING_FORK_FUZZ=1000000 cargo test --release --test tables
//! damaged` as many as it says. Case n is the same everywhere; `TUNING_FORK_FUZZ_FROM=n` begins
//! there, and `TUNING_FORK_FUZZ_ONLY=.ods` takes files only that are called so.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use tuning_fork_engine::data::table;
use tuning_fork_engine::jobs::Quiet;

use super::mutate::{self, below};
use super::{counting, reference};

const SPARE: usize = 64 << 20;
const LONGEST: Duration = Duration::from_secs(1);

/// A file to damage.
struct Seed {
    name: String,
    bytes: Vec<u8>,
}

fn seeds() -> Vec<Seed> {
    let mut names: Vec<PathBuf> = std::fs::read_dir(reference("tables"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending != "md"))
        .collect();
    names.sort();
    let seed = |path: PathBuf| Seed {
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
        bytes: std::fs::read(&path).unwrap(),
    };
    names.into_iter().map(seed).collect()
}

/// A file with some of its bytes changed; of one that is packed, now and then bytes inside.
fn damaged(rng: &mut ChaCha8Rng, seed: &Seed) -> Vec<u8> {
    let Seed { name, bytes } = seed;
    #[expect(clippy::case_sensitive_file_extension_comparisons, reason = "our own names")]
    let is_zip = name.ends_with(".xlsx") || name.ends_with(".ods");
    if is_zip {
        if below(rng, 4) > 0
            && let Some(bytes) = inside_zip(rng, bytes)
        {
            return bytes;
        }
    } else if name.ends_with(".parquet") {
        // The footer is where most is said.
        let footer = bytes.len().min(1200);
        if below(rng, 2) == 0 {
            let (rest, footer) = bytes.split_at(bytes.len() - footer);
            return [rest, &mutate::bytes(rng, footer, footer.len())].concat();
        }
    }
    mutate::bytes(rng, bytes, bytes.len())
}

fn inside_zip(rng: &mut ChaCha8Rng, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).ok()?;
    let chosen = below(rng, archive.len());
    let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).ok()?;
        let mut content = Vec::new();
        entry.read_to_end(&mut content).ok()?;
        if index == chosen {
            content = mutate::bytes(rng, &content, content.len());
        }
        out.start_file(entry.name().ok()?, options).ok()?;
        out.write_all(&content).ok()?;
    }
    Some(out.finish().ok()?.into_inner())
}

fn read(path: &Path) -> Result<(), String> {
    let report = table::read(path, &Quiet, &mut |_, _| Ok(()));
    report.map(|_| ()).map_err(|error| error.to_string())
}

/// What went wrong in a case, if anything did.
fn run_case(case: u64, seed: &Seed, path: &Path, said: &Mutex<String>) -> Option<String> {
    let mut rng = ChaCha8Rng::seed_from_u64(case);
    let bytes = damaged(&mut rng, seed);
    File::create(path).unwrap().write_all(&bytes).unwrap();
    let attempt = || {
        let start = Instant::now();
        let (result, peak) = counting::peak(|| catch_unwind(AssertUnwindSafe(|| read(path))));
        (result, peak, start.elapsed())
    };
    let (result, peak, mut time) = attempt();
    if time > LONGEST {
        time = time.min(attempt().2); // another program may have had the processor
    }
    match result {
        Err(_) => Some(format!("panic: {}", said.lock().unwrap())),
        _ if peak > bytes.len() + SPARE => Some(format!("{} MB of memory", peak >> 20)),
        _ if time > LONGEST => Some(format!("{} s", time.as_secs_f32())),
        Ok(Err(error)) if error.is_empty() => Some("an error without words".to_owned()),
        Ok(_) => None,
    }
}

#[test]
fn damaged_tables_are_rows_or_errors_and_nothing_worse() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |value| value.parse().unwrap())
    };
    let (count, from) = (number("TUNING_FORK_FUZZ", 3000), number("TUNING_FORK_FUZZ_FROM", 0));
    let work = tempfile::tempdir().unwrap();
    let only = std::env::var("TUNING_FORK_FUZZ_ONLY").unwrap_or_default();
    let mut seeds = seeds();
    seeds.retain(|seed| seed.name.contains(&only));
    let said = Arc::new(Mutex::new(String::new()));
    let listener = Arc::clone(&said);
    std::panic::set_hook(Box::new(move |info| *listener.lock().unwrap() = info.to_string()));
    let mut problems = Vec::new();
    for case in from..from + count {
        let seed = &seeds[(case % seeds.len() as u64) as usize];
        let path = work.path().join(&seed.name);
        if let Some(problem) = run_case(case, seed, &path, &said) {
            problems.push(format!("case {case}, {}: {problem}", seed.name));
            println!("{}", problems[problems.len() - 1]);
        }
        if (case + 1) % 10_000 == 0 {
            println!("{} cases, {} problems", case + 1, problems.len());
        }
    }
    drop(std::panic::take_hook());
    let shown = &problems[..problems.len().min(20)];
    assert!(problems.is_empty(), "{} of {count} cases: {shown:#?}", problems.len());
}

//! The program is killed at every key of a script, again and again: at most the verdict that was being
//! given is lost, of codes and of pairs. The keys are carried out by a child process with the real
//! logs.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::item::Item;
use super::log::{CoderLog, Known, Use, Verdict};
use super::value::Value;
use super::variable::Variables;
use crate::data::pair::Verdict as PairVerdict;
use crate::data::store::PairStore;
use crate::examples::record;
use crate::examples::{items, tone};

/// Where the child finds the folder.
const FOLDER: &str = "TUNING_FORK_KILLED_IN";

const KEYS: usize = 200;
const ITEMS: usize = 5;

/// A key of the script.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Key {
    /// Says something of an item, also where something was said of it before.
    Say(usize, usize),
    Undo,
    Redo,
}

const LABELS: [&str; 3] = ["good", "bad", "neither"];
const VERDICTS: [PairVerdict; 3] = [PairVerdict::Left, PairVerdict::Right, PairVerdict::Tie];

impl Key {
    fn line(self) -> String {
        match self {
            Self::Say(item, label) => format!("say {item} {label}\n"),
            Self::Undo => "undo\n".to_owned(),
            Self::Redo => "redo\n".to_owned(),
        }
    }

    fn of_line(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        Some(match words.next()? {
            "say" => Self::Say(words.next()?.parse().ok()?, words.next()?.parse().ok()?),
            "undo" => Self::Undo,
            _ => Self::Redo,
        })
    }
}

/// The same keys every time.
fn script() -> Vec<Key> {
    let mut state = 20_261_128_u64;
    let mut draw = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let key = |_| match draw(10) {
        0 | 1 => Key::Undo,
        2 => Key::Redo,
        _ => Key::Say(draw(ITEMS), draw(LABELS.len())),
    };
    (0..KEYS).map(key).collect()
}

/// What is said of each item after these keys, worked out without a log.
fn expected(keys: &[Key]) -> Vec<Option<usize>> {
    let (mut done, mut undone) = (Vec::new(), Vec::new());
    for key in keys {
        match *key {
            Key::Say(item, label) => {
                undone.clear();
                done.push((item, label));
            }
            Key::Undo => undone.extend(done.pop()),
            Key::Redo => done.extend(undone.pop()),
        }
    }
    let last = |item: usize| done.iter().rev().find(|(at, _)| *at == item).map(|(_, said)| *said);
    (0..ITEMS).map(last).collect()
}

/// How many lines these keys write.
fn lines_of(keys: &[Key]) -> usize {
    let (mut done, mut undone, mut lines) = (0_usize, 0_usize, 0);
    for key in keys {
        match key {
            Key::Say(..) => (done, undone, lines) = (done + 1, 0, lines + 1),
            Key::Undo if done > 0 => (done, undone, lines) = (done - 1, undone + 1, lines + 1),
            Key::Redo if undone > 0 => (done, undone, lines) = (done + 1, undone - 1, lines + 1),
            Key::Undo | Key::Redo => {}
        }
    }
    lines
}

/// The whole lines of a file, without the one that says whose it is.
fn lines_in(path: &Path) -> usize {
    let bytes = std::fs::read(path).unwrap_or_default();
    let lines = bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    lines.filter(|line| line.get("coder").is_none()).count()
}

/// Which answer of an item is on the left.
fn side(item: usize) -> u8 {
    (item % 2) as u8
}

struct Bench {
    items: Vec<Item>,
    index: HashMap<String, usize>,
    variables: Variables,
    folder: PathBuf,
}

impl Bench {
    fn new(folder: &Path) -> Self {
        // Two answers each: a line then has its side and its probability, too.
        let mut items = items(ITEMS);
        for item in &mut items {
            item.answers = Some(Box::new([format!("yes {}", item.id), "no".to_owned()]));
        }
        let index = items.iter().map(|item| item.id.clone()).zip(0..).collect();
        Self { items, index, variables: tone(), folder: folder.to_owned() }
    }

    fn known(&self) -> Known<'_> {
        Known { items: &self.items, index: &self.index, variables: &self.variables }
    }

    fn log(&self, usage: Use) -> CoderLog {
        let path = self.folder.join("Ada.jsonl");
        if path.exists() {
            return CoderLog::open(&path, self.known(), "hash", usage).unwrap().0;
        }
        CoderLog::new("Ada", &path, "hash", ITEMS)
    }

    fn pairs_path(&self) -> PathBuf {
        self.folder.join("pairs.jsonl")
    }

    /// What both files say.
    fn found(&self) -> [Vec<Option<usize>>; 2] {
        let log = self.log(Use::Read);
        let label = |item| {
            let verdict = log.verdict(item, 1)?;
            assert_eq!(verdict.left, Some(side(item)), "the side is kept with the verdict");
            let said = verdict.values[0].1.shown();
            LABELS.iter().position(|label| *label == said)
        };
        let (store, _) = PairStore::open(&self.pairs_path()).unwrap();
        let records = store.records().read().unwrap();
        let verdict = |item: usize| {
            let found = records.iter().find(|one| one.prompt.words() == item.to_string())?;
            VERDICTS.iter().position(|verdict| *verdict == found.verdict)
        };
        [(0..ITEMS).map(label).collect(), (0..ITEMS).map(verdict).collect()]
    }
}

/// The child: it carries out what comes in and says when it is done.
#[test]
fn a_child_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let bench = Bench::new(Path::new(&folder));
    let mut log = bench.log(Use::Write);
    let (mut store, _) = PairStore::open(&bench.pairs_path()).unwrap();
    let mut said = std::io::stderr();
    said.write_all(b"done\n").unwrap();
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let Some(key) = Key::of_line(&line.unwrap()) else { continue };
        match key {
            Key::Say(item, label) => {
                let verdict = Verdict {
                    item,
                    pass: 1,
                    values: [(0, Value::words(LABELS[label]))].into(),
                    at: "2026-11-28T18:00:00.000Z".into(),
                    left: Some(side(item)),
                    ..Verdict::default()
                };
                log.append(verdict, bench.known()).unwrap();
                let prompt = item.to_string();
                let id = format!("{}-{number}-{}", std::process::id(), store.history().len());
                let mut new = record(&id, &prompt, VERDICTS[label]);
                let records = store.records().read().unwrap();
                let old = records.into_iter().find(|old| old.prompt.words() == prompt);
                new.remarks.replaces = old.map(|old| old.id);
                store.append(new).unwrap();
            }
            Key::Undo => {
                log.undo("2026-11-28T18:00:00.000Z").unwrap();
                if let Some(last) = store.history().read().unwrap().last() {
                    store.undo(&last.id, "2026-11-28T18:00:00.000Z").unwrap();
                }
            }
            Key::Redo => {
                log.redo("2026-11-28T18:00:00.000Z").unwrap();
                if let Some(last) = store.undone().read().unwrap().last() {
                    store.redo(&last.id, "2026-11-28T18:00:00.000Z").unwrap();
                }
            }
        }
        said.write_all(b"done\n").unwrap();
    }
}

#[test]
fn a_kill_at_any_key_of_two_hundred_costs_at_most_that_key() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new(folder.path());
    let keys = script();
    let mut killed = 0;
    // What each of the two files has taken in: a kill may come between them.
    let mut kept: [Vec<Key>; 2] = [Vec::new(), Vec::new()];
    let mut at = 0;
    while at < keys.len() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "study::kills::a_child_that_is_killed", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut to = child.stdin.take().unwrap();
        let mut from = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let mut wait = |said: &mut String| {
            while !said.ends_with("done\n") {
                assert!(from.read_line(said).unwrap() > 0, "the child ended by itself: {said}");
            }
            said.clear();
        };
        wait(&mut said);
        // One key is carried out; in the middle of the next one the child is killed.
        to.write_all(keys[at].line().as_bytes()).unwrap();
        wait(&mut said);
        kept.iter_mut().for_each(|kept| kept.push(keys[at]));
        let next = keys.get(at + 1);
        if let Some(next) = next {
            to.write_all(next.line().as_bytes()).unwrap();
            let until = Instant::now() + Duration::from_micros((at as u64 * 37) % 900);
            while Instant::now() < until {
                std::hint::spin_loop();
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
        let paths = [bench.folder.join("Ada.jsonl"), bench.pairs_path()];
        for ((kept, found), path) in kept.iter_mut().zip(bench.found()).zip(paths) {
            let lines = lines_in(&path);
            if let Some(next) = next
                && lines > lines_of(kept)
            {
                kept.push(*next);
            }
            assert_eq!(lines, lines_of(kept), "after {} keys", at + 2);
            assert_eq!(found, expected(kept), "after {} keys", at + 2);
        }
        at += 2;
    }
    assert_eq!(killed, KEYS / 2);
}

//! What the parts of the walk-through have in common: the palette, what lies on the disk, tiny models.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::window::{Window, key, type_text};

/// A path in the repository.
pub fn of_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Where the screenshots of each step go.
pub fn screenshots() -> PathBuf {
    std::env::var_os("TUNING_FORK_SCREENSHOTS")
        .map_or_else(|| PathBuf::from("walk-screenshots"), PathBuf::from)
}

/// Opens the window with this home folder.
pub fn open(home: &Path) -> Window {
    Window::open(Path::new(env!("CARGO_BIN_EXE_tuning-fork")), home, &screenshots())
}

/// Where the program keeps a person's project.
pub fn project(home: &Path) -> PathBuf {
    home.join("Documents").join("Tuning Fork")
}

/// Puts a model of the repository among those of the program, under this name.
pub fn put_model(home: &Path, name: &str, folder: &str) {
    copy_folder(&of_repository(folder), &home.join(".local/share/tuning-fork/models").join(name));
}

pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the folder can be read") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("it has a name");
        if name.to_string_lossy().starts_with("expected.") {
            continue; // what the references computed: no part of a model
        }
        let copy = to.join(name);
        if path.is_dir() {
            copy_folder(&path, &copy);
        } else {
            std::fs::copy(&path, &copy).expect("a file can be copied");
        }
    }
}

/// How long each part of the walk-through takes.
pub struct Clock {
    started: Instant,
    part: Instant,
}

impl Clock {
    pub fn start() -> Self {
        Self { started: Instant::now(), part: Instant::now() }
    }

    /// A part has ended.
    pub fn part(&mut self, name: &str) {
        tell(self.part, name);
        self.part = Instant::now();
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        tell(self.started, "in all");
    }
}

fn tell(since: Instant, what: &str) {
    // A walk without anybody who reads is a walk all the same.
    writeln!(std::io::stdout(), "  {:5.1} s  {what}", since.elapsed().as_secs_f64()).ok();
}

/// The lines of a JSON Lines file; none where there is no file yet.
pub fn rows(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect()
}

/// A JSON file; null where there is none yet.
pub fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Waits until `holds`, which looks at the disk.
pub fn wait_for(what: &str, limit_secs: u64, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(limit_secs);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not after {limit_secs} s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether the record of a run says that it came to its end.
pub fn is_finished(run: &Path) -> bool {
    json(&run.join("run.json"))["status"] == "finished"
}

/// The folders in `runs/`, in the order of their names; none where there is no such folder yet.
pub fn runs(project: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(project.join("runs")).into_iter().flatten();
    let mut runs: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    runs.sort();
    runs
}

/// Picks a command in the palette by typing.
pub fn command(window: &mut Window, typed: &str, words: &str) {
    command_below(window, typed, words, 0);
}

/// The same, of a command that stands so many below the first.
pub fn command_below(window: &mut Window, typed: &str, words: &str, below: usize) {
    key("ctrl+k");
    window.ready("Command", 5);
    type_text(typed);
    window.sees(words, 10);
    (0..below).for_each(|_| key("Down"));
    key("Return");
    wait_until_gone(window, "Command");
}

/// Types a path, and clicks what is to be done with it.
pub fn command_on(window: &mut Window, words: &str, path: &Path) {
    let path = path.display().to_string();
    key("ctrl+k");
    window.ready("Command", 5);
    type_text(&path);
    window.click(&format!("{words} {path}"), 10);
    wait_until_gone(window, "Command");
}

/// Waits until nothing has this name any more.
pub fn wait_until_gone(window: &mut Window, name: &str) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while window.controls().iter().any(|control| control.label == name) {
        assert!(Instant::now() < deadline, "{name} stays");
        std::thread::sleep(Duration::from_millis(20));
    }
}

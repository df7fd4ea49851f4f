//! The walk-through: once round the loop on the starter model, in the real window, with mouse and
//! keyboard, from an empty home folder. `tests/walk/run.sh` starts it under Xvfb.

mod read_write;
mod window;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use window::{Window, key, type_text};

/// Verdicts that are given, and steps that are trained.
const PAIRS: usize = 6;
const STEPS: usize = 20;

/// The lines of a JSON Lines file; none where there is no file yet.
fn rows(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect()
}

/// Waits until `holds`, which looks at the disk.
fn wait_for(what: &str, limit_secs: u64, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(limit_secs);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not after {limit_secs} s");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Whether the record of a run says that it came to its end.
fn is_finished(run: &Path) -> bool {
    let record = std::fs::read_to_string(run.join("run.json")).unwrap_or_default();
    let record: Value = serde_json::from_str(&record).unwrap_or_default();
    record["status"] == "finished"
}

/// The folders in `runs/`, in the order of their names.
fn runs(project: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(project.join("runs")).expect("the project has runs");
    let mut runs: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    runs.sort();
    runs
}

/// Where the screenshots of each step go.
fn screenshots() -> PathBuf {
    std::env::var_os("TUNING_FORK_SCREENSHOTS")
        .map_or_else(|| PathBuf::from("walk-screenshots"), PathBuf::from)
}

#[test]
#[ignore = "needs a display: tests/walk/run.sh"]
fn once_round_the_loop() {
    let binary = Path::new(env!("CARGO_BIN_EXE_tuning-fork"));
    let started = Instant::now();
    let home = tempfile::tempdir().expect("a temporary folder");
    let project = home.path().join("Documents").join("Tuning Fork");
    let screenshots = screenshots();
    let mut window = Window::open(binary, home.path(), &screenshots);

    take_the_tour(&mut window);
    get_the_starter_model(&mut window);
    give_a_lecture(&mut window, &project);
    ask_it(&mut window);
    look_inside(&mut window);
    label_pairs(&mut window, &project);
    code_abstracts(&mut window, &project);
    code_by_keyboard(&mut window, home.path(), &project);
    train_on_them(&mut window, &project);
    compare(&mut window);
    window = survive_a_kill(window, || Window::open(binary, home.path(), &screenshots), &project);
    be_born(&mut window, &project);
    window.kill();
    println!("the whole walk took {:.0} s", started.elapsed().as_secs_f64());
}

#[test]
#[ignore = "needs a display: tests/walk/run.sh"]
fn an_encoder_decoder_reads_and_writes() {
    let binary = Path::new(env!("CARGO_BIN_EXE_tuning-fork"));
    let home = tempfile::tempdir().expect("a temporary folder");
    let screenshots = screenshots();
    read_write::read_and_write(binary, home.path(), &screenshots);
}

/// A real browser at the size of a phone votes in a room. Left out where there is none.
#[test]
#[ignore = "needs Chromium: tests/walk/run.sh"]
fn a_phone_votes() {
    let binary = Path::new(env!("CARGO_BIN_EXE_tuning-fork"));
    let screenshots = screenshots();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let is_there = |name: &&str| {
        let asked = std::process::Command::new(name).arg("--version").output();
        asked.is_ok_and(|said| said.status.success())
    };
    let Some(chromium) = names.into_iter().find(is_there) else {
        println!("There is no Chromium on this machine: the step of the room's phone is left out");
        return;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/walk/phone/phone.py");
    let ended = std::process::Command::new("python3")
        .args([script.as_os_str(), binary.as_os_str(), chromium.as_ref(), screenshots.as_os_str()])
        .status()
        .expect("python3 is there");
    assert!(ended.success(), "the phone's vote failed: see above");
}

/// The scenes of the tour.
const SCENES: usize = 15;

/// On the first screen, before anything was downloaded: every scene, with the keys of a remote only.
fn take_the_tour(window: &mut Window) {
    window.click("Take the guided tour", 20);
    window.sees("All 15 scenes are ready", 20);
    window.shot("tour");
    window.click("Start with notes", 5);
    window.sees("Next: What is inside?", 10);
    window.shot("tour-with-notes");
    key("Escape");
    window.click("Start", 10);
    give(window, "tour", Duration::from_secs(2));
    window.click("All lectures", 10);
    key("ctrl+1");
}

/// The same lecture from a file of the project, computed with the model.
fn give_a_lecture(window: &mut Window, project: &Path) {
    key("ctrl+7");
    window.click("Copy it, to change it", 10);
    window.sees("starter: here", 20);
    // The first scene is there at once, whatever is computed behind it.
    window.click("Start", 10);
    window.sees("1 / 15", 5);
    key("Escape");
    window.sees("All 15 scenes are ready", 120);
    window.click("Start", 10);
    give(window, "lecture", Duration::from_millis(1500));
    window.click("Save a recording", 10);
    let file = project.join("lectures").join("how-a-language-model-writes.recording.json");
    wait_for("the recording", 10, || file.is_file());
    let text = std::fs::read_to_string(&file).expect("readable");
    let recording: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(recording["scenes"].as_array().map(Vec::len), Some(SCENES - 2));
    let carried =
        include_str!("../../sample_data/lectures/how-a-language-model-writes.recording.json");
    let carried: Value = serde_json::from_str(carried).expect("it is JSON");
    differ("scenes", &carried["scenes"], &recording["scenes"]);
    window.click("All lectures", 10);
}

/// Fails where the recording that the program carries shows something else than the model does.
fn differ(place: &str, carried: &Value, computed: &Value) {
    match (carried, computed) {
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (at, (one, other)) in one.iter().zip(other).enumerate() {
                differ(&format!("{place}.{at}"), one, other);
            }
        }
        (Value::Object(one), Value::Object(other)) => {
            for (key, value) in one.iter().filter(|(key, _)| *key != "name") {
                differ(&format!("{place}.{key}"), value, &other[key]);
            }
        }
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap_or(0.0), other.as_f64().unwrap_or(0.0));
            let near = (one - other).abs() <= 2e-3 * one.abs().max(1.0);
            assert!(near, "{place}: {one} is carried, {other} computed");
        }
        _ => assert_eq!(carried, computed, "{place}"),
    }
}

/// From the first scene to the last, R in each; a page is turned within `limit`, the walk's own
/// looking among it.
fn give(window: &mut Window, name: &str, limit: Duration) {
    for scene in 1..=SCENES {
        let turned = Instant::now();
        window.sees(&format!("{scene} / {SCENES}"), 10);
        assert!(turned.elapsed() < limit, "scene {scene}: {:?}", turned.elapsed());
        for _ in 0..3 {
            key("r");
        }
        window.shot(&format!("{name}-{scene}"));
        key("Next");
    }
    key("b");
    window.sees("The screen is dark", 5);
    key("b");
    key("Prior");
    window.sees(&format!("{} / {SCENES}", SCENES - 1), 5);
    key("Escape");
    window.sees("Start with notes", 10);
}

fn get_the_starter_model(window: &mut Window) {
    window.sees("Start with SmolLM2-135M-Instruct", 20);
    window.shot("first-start");
    window.click("Get the starter model", 10);
    std::thread::sleep(Duration::from_millis(700));
    window.shot("fetching");
    window.sees("Loaded", 180);
    window.sees("The starter model is here", 5);
    window.shot("model-loaded");
}

fn ask_it(window: &mut Window) {
    key("ctrl+2");
    window.fill("Max new tokens, number", "32");
    key("Return");
    window.fill("Prompt", "What is open data, in one sentence?");
    window.shot("prompt-typed");
    key("ctrl+Return");
    window.sees("tokens/s", 60);
    window.sees("Answer again", 60);
    window.shot("answered");
    // The bars move with the slider, and no model runs.
    window.fill("Temperature, number", "1.5");
    key("Return");
    window.shot("warmer");
    window.fill("Temperature, number", "0.9");
    key("Return");
}

fn look_inside(window: &mut Window) {
    key("ctrl+3");
    window.click("Use the Playground's last answer", 10);
    window.sees("a vocabulary of", 20);
    window.shot("tokens");
    window.click("Surprise", 5);
    window.sees("bits a token", 60);
    key("Right");
    window.shot("surprise");
    window.click("Hide and guess", 5);
    window.sees("words hidden", 20);
    window.shot("hide-and-guess");
    window.click("Attention", 5);
    window.sees("All 9 heads", 60);
    window.shot("attention");
    window.click("Logit lens", 5);
    window.sees(": entropy ", 60);
    window.shot("lens");
}

fn label_pairs(window: &mut Window, project: &Path) {
    let log = project.join("pairs.jsonl");
    key("ctrl+4");
    window.shot("annotate-empty");
    window.click("Use the sample prompts", 10);
    for count in 1..=PAIRS {
        window.ready("Left is better (1)", 90);
        if count == 2 {
            window.shot("two-answers");
        }
        // Keys for most, the mouse for one.
        match count {
            1 => window.click("Left is better (1)", 5),
            _ if count % 2 == 0 => key("2"),
            _ => key("1"),
        }
        wait_for("the verdict on the disk", 10, || rows(&log).len() == count);
    }
    key("ctrl+z");
    wait_for("the undo on the disk", 10, || rows(&log).len() == PAIRS + 1);
    window.ready("Left is better (1)", 90);
    key("1");
    wait_for("the verdict again", 10, || rows(&log).len() == PAIRS + 2);
    key("Escape");
    window.shot("labelled");
    let first = &rows(&log)[0];
    assert_eq!(first["verdict"], "left");
    assert_eq!(first["model"]["sha256"].as_str().map(str::len), Some(64), "{first}");
    assert!(first["rendered_prompt"].as_str().is_some_and(|text| !text.is_empty()), "{first}");
    for key in ["left", "right", "left_lane", "sampling", "seconds_taken", "created_at", "program"]
    {
        assert!(!first[key].is_null(), "a verdict without {key}: {first}");
    }
}

/// The model gives the sample abstracts labels, and a report says how far to trust them.
fn code_abstracts(window: &mut Window, project: &Path) {
    key("ctrl+5");
    window.sees("A model does the coding", 10);
    window.shot("evaluate-empty");
    window.click("Use the sample abstracts", 10);
    window.sees("60 rows, none of them asked about", 20);
    window.click("Try 5 rows", 10);
    window.sees("5 of 60 rows tried", 120);
    window.shot("rows-tried");
    window.click("All rows", 10);
    window.sees("60 of 60 rows answered", 400);
    window.shot("rows-answered");
    window.click("Report", 5);
    let folders = std::fs::read_dir(project.join("evaluations")).expect("they are kept");
    let mut folders = folders.map(|entry| entry.expect("readable").path());
    let folder = folders.find(|path| path.is_dir()).expect("an evaluation");
    wait_for("the report", 10, || folder.join("report.md").exists());
    window.shot("report");
    assert_eq!(rows(&folder.join("results.jsonl")).len(), 60);
    let report = std::fs::read_to_string(folder.join("report.md")).expect("readable");
    for part in ["Krippendorff's alpha", "Cohen's kappa", "SHA-256", "Against most coders"] {
        assert!(report.contains(part), "{part} is missing in {report}");
    }
}

/// What is asked of six sentences, and what each of two coders says: one key an item.
const CODEBOOK: &str = r#"
name = "Mood"
guideline_version = "1"
guideline = "Read the whole sentence."
[[variables]]
name = "mood"
question = "Which mood has the sentence?"
classes = [{ label = "glad" }, { label = "sad" }]
"#;

/// A study from a CSV of texts to the agreement of two coders and an export, without the mouse.
fn code_by_keyboard(window: &mut Window, home: &Path, project: &Path) {
    let texts = ["It rains.", "We won!", "He left.", "What a day!", "She cried.", "They danced."];
    let rows_of_table = texts.iter().enumerate().map(|(at, text)| format!("s{},{text}\n", at + 1));
    let csv = format!("id,text\n{}", rows_of_table.collect::<String>());
    let (table, book, out) =
        (home.join("texts.csv"), home.join("mood.toml"), home.join("codes.csv"));
    tuning_fork::files::write_atomic(&table, csv.as_bytes()).expect("writable");
    tuning_fork::files::write_atomic(&book, CODEBOOK.as_bytes()).expect("writable");
    let path = |path: &Path| path.display().to_string();

    command(window, "code as Ada", "Code as Ada");
    command(window, &path(&table), &format!("Code the texts of {}", path(&table)));
    window.sees("New study", 10);
    command(window, &path(&book), &format!("Use the codebook {}", path(&book)));
    window.shot("keyboard-setup");
    command(window, "begin to code", "Begin to code");
    code_all(window, project, "ada.jsonl", &["1", "2", "1", "2", "1", "2"]);
    command(window, "close the study", "Close the study");
    command(window, "code as Ben", "Code as Ben");
    command(window, "code mood as ben", "Code Mood as Ben");
    code_all(window, project, "ben.jsonl", &["1", "2", "1", "2", "2", "2"]);
    command(window, "how far do the coders", "How far do the coders agree?");
    window.sees("Disagreements", 20);
    window.shot("keyboard-agreement");
    command(window, &path(&out), &format!("Export the codes, a row a code, to {}", path(&out)));
    wait_for("the export", 20, || out.is_file());
    let exported = std::fs::read_to_string(&out).expect("readable");
    // Six keys of each of the two: one item comes twice, and its repeat is a row of its own.
    assert_eq!(exported.lines().count(), 1 + 2 * texts.len(), "{exported}");
    command(window, "close the study", "Close the study");
}

/// Picks a command in the palette by typing.
fn command(window: &mut Window, typed: &str, words: &str) {
    key("ctrl+k");
    window.sees("Command", 5);
    type_text(typed);
    window.sees(words, 10);
    key("Return");
    wait_until_gone(window, "Command");
}

fn wait_until_gone(window: &mut Window, name: &str) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while window.controls().iter().any(|control| control.label == name) {
        assert!(Instant::now() < deadline, "{name} stays");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Gives every item the code of a key, and waits for each on the disk.
fn code_all(window: &mut Window, project: &Path, file: &str, keys: &[&str]) {
    window.sees("Which mood has the sentence?", 20);
    let log = project.join("studies").join("mood").join("codes").join(file);
    let given = || rows(&log).iter().filter(|row| !row["values"].is_null()).count();
    for (at, label) in keys.iter().enumerate() {
        key(label);
        key("Return");
        wait_for("the code on the disk", 10, || given() == at + 1);
    }
    window.shot(&format!("keyboard-{}", file.trim_end_matches(".jsonl")));
}

fn train_on_them(window: &mut Window, project: &Path) {
    key("ctrl+6");
    window.click("This project's pairs", 10);
    window.click("steps", 5);
    window.fill("max_steps", &STEPS.to_string());
    key("Return");
    window.fill("per_device_train_batch_size", "2");
    key("Return");
    window.shot("ready-to-train");
    window.click("Start training", 10);
    window.sees("tep 3 of 20", 240);
    window.shot("training");
    window.sees("Try it", 600);
    window.shot("trained");

    let run = runs(project).pop().expect("a run");
    for file in [
        "adapter_config.json",
        "adapter_model.safetensors",
        "data.jsonl",
        "metrics.jsonl",
        "resume.safetensors",
        "run.json",
        "run.toml",
    ] {
        assert!(run.join(file).is_file(), "{file} is missing in {}", run.display());
    }
    let metrics = rows(&run.join("metrics.jsonl"));
    let steps: Vec<&Value> = metrics.iter().filter(|row| !row["loss"].is_null()).collect();
    assert_eq!(steps.len(), STEPS);
    let loss = |at: usize| steps[at]["loss"].as_f64().expect("a loss is a number");
    assert!((loss(0) - std::f64::consts::LN_2).abs() < 1e-4, "the first loss is ln 2: {}", loss(0));
    assert!(loss(STEPS - 1) < loss(0), "the loss has fallen: {}", loss(STEPS - 1));
    let record: Value = serde_json::from_str(
        &std::fs::read_to_string(run.join("run.json")).expect("the record is there"),
    )
    .expect("the record is JSON");
    assert_eq!(record["status"], "finished");
    assert_eq!(record["data_sha256"].as_str().map(str::len), Some(64), "{record}");
}

fn compare(window: &mut Window) {
    window.click("Try it", 10);
    window.sees("Base", 60);
    window.sees("Adapter", 60);
    window.sees("Answer again", 120);
    window.shot("side-by-side");
}

/// A run is killed in the middle; the project opens again with everything that was made.
fn survive_a_kill(mut window: Window, open: impl Fn() -> Window, project: &Path) -> Window {
    let verdicts = rows(&project.join("pairs.jsonl")).len();
    key("ctrl+6");
    window.click("Start training", 10);
    let run = || runs(project).pop().expect("a run");
    wait_for("the second run", 60, || runs(project).len() == 2);
    wait_for("a checkpoint of it", 180, || run().join("resume.safetensors").is_file());
    window.kill();
    assert_eq!(rows(&project.join("pairs.jsonl")).len(), verdicts);

    let mut window = open();
    window.sees("Tuning Fork", 20);
    key("ctrl+6");
    window.sees("was interrupted", 20);
    window.shot("after-a-kill");
    window.click("Resume", 30);
    window.sees("Try it", 600);
    window.shot("gone-on");
    let metrics = rows(&run().join("metrics.jsonl"));
    assert_eq!(metrics.iter().filter(|row| !row["loss"].is_null()).count(), STEPS);
    window
}

/// Where the form of a run is.
const FORM: (f64, f64) = (400.0, 400.0);

/// Steps of a model from nothing.
const BORN_STEPS: usize = 60;

/// A model from nothing, on the sample stories: its loss begins at ln V and falls.
fn be_born(window: &mut Window, project: &Path) {
    let before = runs(project).len();
    key("ctrl+6");
    window.scroll_to("Pretrain", FORM);
    window.click("Pretrain", 10);
    window.click("Sample stories", 10);
    window.click("2 minutes", 10);
    window.scroll_to("max_steps", FORM);
    window.fill("max_steps", &BORN_STEPS.to_string());
    key("Return");
    window.click("Start training", 10);
    wait_for("a run of the newborn", 60, || runs(project).len() == before + 1);
    wait_for("its last step", 480, || is_finished(&runs(project)[before]));
    window.sees("Try it", 60);
    window.shot("born");
    let run = runs(project).remove(before);
    let metrics = rows(&run.join("metrics.jsonl"));
    let losses: Vec<f64> = metrics.iter().filter_map(|row| row["loss"].as_f64()).collect();
    assert_eq!(losses.len(), BORN_STEPS);
    assert!(
        losses[BORN_STEPS - 1] < losses[0] - 0.5,
        "{} to {}",
        losses[0],
        losses[BORN_STEPS - 1]
    );
    assert!(run.join("model").join("model.safetensors").is_file(), "{}", run.display());
}

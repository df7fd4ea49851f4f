//! The walk-through: once round the loop on the starter model, in the real window, with mouse and
//! keyboard, from an empty home folder. `tests/walk/run.sh` starts it under Xvfb.

mod classifier;
mod elsewhere;
mod evaluation;
mod lecture;
mod meaning;
mod pair_study;
mod policy;
mod read_write;
mod rounds;
mod scaling;
mod steps;
mod window;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use steps::{Clock, command, is_finished, rows, runs, wait_for};
use window::{Window, key};

/// Verdicts that are given, and steps that are trained.
const PAIRS: usize = 6;
const STEPS: usize = 8;

#[test]
#[ignore = "needs a display: tests/walk/run.sh"]
fn once_round_the_loop() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let project = steps::project(home.path());
    let mut clock = Clock::start();
    let mut window = steps::open(home.path());

    lecture::take_the_tour(&mut window);
    clock.part("the tour");
    get_the_starter_model(&mut window);
    clock.part("the starter model");
    lecture::give_a_lecture(&mut window, &project);
    clock.part("a lecture");
    ask_it(&mut window);
    clock.part("an answer");
    look_inside(&mut window);
    clock.part("a look inside");
    label_pairs(&mut window, &project);
    clock.part("pairs");
    evaluation::code_abstracts(&mut window, home.path());
    clock.part("60 abstracts, with a report");
    code_by_keyboard(&mut window, home.path(), &project);
    clock.part("codes by keyboard");
    train_on_them(&mut window, &project);
    clock.part("a run");
    compare(&mut window);
    clock.part("base and adapter");
    window = survive_a_kill(window, || steps::open(home.path()), &project);
    clock.part("a run that is killed");
    be_born(&mut window, &project);
    clock.part("a model that is born");
    window.kill();
}

#[test]
#[ignore = "needs a display: tests/walk/run.sh"]
fn an_encoder_decoder_reads_and_writes() {
    let _clock = Clock::start();
    let home = tempfile::tempdir().expect("a temporary folder");
    read_write::read_and_write(home.path());
}

/// Without anything from the internet, on models of a few hundred kilobytes.
#[test]
#[ignore = "needs a display: tests/walk/run.sh"]
fn encoders_read_headlines_and_a_questionnaire() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut clock = Clock::start();
    steps::put_model(home.path(), "tiny-bert", "tests/reference/encoders/mlm_distilbert");
    steps::put_model(home.path(), "tiny-sentences", "tests/reference/encoder/mean");
    let mut window = steps::open(home.path());
    classifier::classify_headlines(&mut window, home.path());
    clock.part("a classifier of headlines");
    meaning::map_headlines(&mut window);
    clock.part("a map of texts");
    meaning::compare_items(&mut window, home.path());
    clock.part("a questionnaire");
    window.kill();
}

#[test]
#[ignore = "needs a display: tests/walk/run.sh"]
fn a_tiny_model_learns_from_rewards_and_elsewhere() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut clock = Clock::start();
    steps::put_model(home.path(), "tiny-llama", "sample_data/tiny_model");
    let mut window = steps::open(home.path());
    window.click("Load tiny-llama", 20);
    window.sees("Loaded", 20);
    pair_study::judge_pairs_by_keyboard(&mut window, home.path());
    clock.part("a study of pairs");
    policy::hold_the_leash(&mut window, home.path());
    clock.part("GRPO with a moved leash");
    elsewhere::bundle_and_take_back(&mut window, home.path());
    clock.part("a bundle and its results");
    elsewhere::sweep(&mut window, home.path());
    clock.part("a sweep");
    window.kill();
}

#[test]
#[ignore = "needs a display: tests/walk/run.sh"]
fn sizes_in_a_row_and_rounds_of_preferences() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let mut clock = Clock::start();
    steps::put_model(home.path(), "tiny-llama", "sample_data/tiny_model");
    let mut window = steps::open(home.path());
    window.click("Load tiny-llama", 20);
    window.sees("Loaded", 20);
    scaling::three_sizes_in_a_row(&mut window, home.path());
    clock.part("a scaling series");
    rounds::two_rounds(&mut window, home.path());
    clock.part("two rounds of DPO");
    window.kill();
}

/// A real browser at the size of a phone votes in a room. Left out where there is none.
#[test]
#[ignore = "needs Chromium: tests/walk/run.sh"]
fn a_phone_votes() {
    let binary = Path::new(env!("CARGO_BIN_EXE_tuning-fork"));
    let screenshots = steps::screenshots();
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
    window.sees(&format!("tep 3 of {STEPS}"), 240);
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
    window.scroll_to("sample_steps", FORM);
    window.fill("sample_steps", &(BORN_STEPS / 2).to_string());
    key("Return");
    window.click("Start training", 10);
    wait_for("a run of the newborn", 60, || runs(project).len() == before + 1);
    wait_for("its last step", 480, || is_finished(&runs(project)[before]));
    window.sees("Try it", 60);
    window.sees(&format!("Answer after step {BORN_STEPS}"), 20);
    window.shot("born");
    let run = runs(project).remove(before);
    let samples = rows(&run.join("samples.jsonl"));
    let steps: Vec<_> = samples.iter().filter_map(|sample| sample["step"].as_u64()).collect();
    assert_eq!(steps, [0, BORN_STEPS as u64 / 2, BORN_STEPS as u64]);
    // From chance to something else.
    assert_ne!(samples[0]["answer"], samples[2]["answer"]);
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

//! `kill -9` in the middle of a run, again and again, through the real program: what comes out is
//! what an undisturbed run would have given.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tuning_fork::jobs;
use tuning_fork::train::record::history::History;
use tuning_fork::train::record::metrics::{EvalMetrics, StepMetrics};
use tuning_fork::train::record::samples;

const STEPS: usize = 40;
const KILLS: usize = 10;

fn sample_data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample_data").join(name)
}

/// DPO with everything that happens between two steps.
const PREFERENCES: &str = "held_out_share = 0.2\neval_steps = 7\nsample_steps = 20\n\
     load_best_model_at_end = true\nmetric_for_best_model = \"eval_rewards/margins\"\n";

/// GRPO whose rounds are learned from in four steps, so that most kills are in the middle of one.
const REWARDS: &str = "objective = \"grpo\"\nbeta = 0.05\nrewards = [{ rule = \"length\", unit = \"tokens\" }]\n\
     held_out_share = 0.1\neval_steps = 7\nearly_stopping_patience = 30\nload_best_model_at_end = true\n\
     policy = { num_generations = 2, max_completion_length = 6, steps_per_generation = 2, num_iterations = 2 }\n";

fn run_file(folder: &Path, objective: &str) -> PathBuf {
    let path = folder.join("run.toml");
    let (model, data) = (sample_data("tiny_model"), sample_data("pairs.jsonl"));
    let text = format!(
        "model = {:?}\ndata = {:?}\nmax_steps = {STEPS}\nper_device_train_batch_size = 2\nmax_length = 48\n\
         learning_rate = 1e-3\nlr_scheduler_type = \"cosine\"\nsave_steps = 2\n{objective}\
         [lora]\nr = 4\nlora_alpha = 8.0\ntarget_modules = [\"all-linear\"]\n",
        model.display().to_string(),
        data.display().to_string(),
    );
    tuning_fork::files::write_atomic(&path, text.as_bytes()).unwrap();
    path
}

fn train(folder: &Path, objective: &str, run_dir: &Path, resume: bool) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tuning-fork"));
    command.arg("train").arg(run_file(folder, objective)).arg("--out").arg(run_dir).arg("--json");
    if resume {
        command.arg("--resume");
    }
    started(&mut command, folder)
}

/// In a home of its own: what it keeps for later runs is not anybody's.
fn started(command: &mut Command, folder: &Path) -> Child {
    for name in ["HOME", "XDG_DATA_HOME", "USERPROFILE", "APPDATA"] {
        command.env(name, folder);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Draws the next number.
fn draw(drawn: &mut u64) -> u64 {
    *drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *drawn
}

/// Steps as they come. False: the program ended by itself before so many were there.
fn wait_for_steps(child: &mut Child, count: usize) -> bool {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    while seen < count {
        match lines.next() {
            Some(Ok(line)) => seen += usize::from(line.contains("\"grad_norm\"")),
            _ => return false,
        }
    }
    true
}

/// Everything that a run leaves behind, without times.
#[derive(Debug, PartialEq)]
struct Left {
    steps: Vec<StepMetrics>,
    evaluations: Vec<EvalMetrics>,
    samples: Vec<samples::Sample>,
    adapter: Vec<u8>,
}

impl Left {
    fn by(run_dir: &Path) -> Self {
        let History { steps, evaluations } = History::read(run_dir);
        let steps = steps.into_iter().map(|step| StepMetrics { step_secs: 0.0, ..step });
        Self {
            steps: steps.collect(),
            evaluations,
            samples: samples::read(run_dir),
            adapter: std::fs::read(run_dir.join("adapter_model.safetensors")).unwrap(),
        }
    }
}

#[test]
fn a_run_that_is_killed_ten_times_ends_as_if_it_had_not_been() {
    let expected = killed_ten_times(PREFERENCES);
    assert_eq!(expected.samples.len(), 3);
}

#[test]
fn a_run_on_sampled_answers_that_is_killed_ten_times_ends_as_if_it_had_not_been() {
    let expected = killed_ten_times(REWARDS);
    let found: Vec<usize> = expected.evaluations.iter().map(|one| one.step).collect();
    assert_eq!(found, [7, 14, 21, 28, 35, STEPS]);
}

/// What it leaves, which is what an undisturbed run leaves.
fn killed_ten_times(objective: &str) -> Left {
    let folder = tempfile::tempdir().unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let output = train(folder.path(), objective, &whole, false).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = Left::by(&whole);
    assert_eq!(expected.steps.len(), STEPS);

    // Where in a step it ends is up to the clock; after how many steps is drawn.
    let mut drawn = 20_261_122_u64;
    let mut kills = 0;
    while kills < KILLS {
        let number = draw(&mut drawn);
        let (steps, millis) = ((number >> 33) as usize % 4, (number >> 40) % 12);
        let resume = kills > 0;
        let mut child = train(folder.path(), objective, &killed, resume);
        // The first one must leave a checkpoint to go on from.
        let steps = if resume { steps } else { steps.max(1) };
        let under_way = wait_for_steps(&mut child, steps);
        assert!(under_way, "the run ended by itself before it was killed {KILLS} times");
        jobs::pause::<()>(&jobs::Quiet, Duration::from_millis(millis)).unwrap();
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        kills += 1;
    }
    let output = train(folder.path(), objective, &killed, true).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = Left::by(&killed);
    assert_eq!(found.steps, expected.steps);
    assert_eq!(found, expected);
    found
}

/// With an address space that the run does not fit into, there is a message and no crash.
#[cfg(target_os = "linux")]
#[test]
fn a_run_that_does_not_fit_is_refused_with_its_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(run_file(folder.path(), PREFERENCES)).unwrap();
    let run_file = folder.path().join("large.toml");
    // What a batch of everything keeps for adapters of this rank.
    let text = text.replace("r = 4", "r = 1024").replace("size = 2", "size = 48");
    let text = text.replace("max_length = 48", "max_length = 512");
    tuning_fork::files::write_atomic(&run_file, text.as_bytes()).unwrap();
    let run_dir = folder.path().join("run");
    // Without optimisation the program itself takes half of it.
    let limited = "ulimit -v 500000; exec \"$0\" train \"$1\" --out \"$2\"";
    let output = Command::new("sh")
        .args(["-c", limited, env!("CARGO_BIN_EXE_tuning-fork")])
        .args([&run_file, &run_dir])
        .env("HOME", folder.path())
        .env("RAYON_NUM_THREADS", "2") // each thread's stack is address space
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("of memory, and") && said.contains("r = 8"), "{said}");
    assert!(!run_dir.join("run.json").exists(), "nothing was started");
}

const ROWS: usize = 300;

/// Rows of texts and a task that labels them, in their folder.
fn labelling(folder: &Path) -> PathBuf {
    let mut table = String::from("id,text\n");
    for row in 0..ROWS {
        let length = 3 + row * 7 % 11;
        let words: Vec<String> = (0..length).map(|word| format!("w{}", row * word % 97)).collect();
        table.push_str(&format!("r{row},{}\n", words.join(" ")));
    }
    tuning_fork::files::write_atomic(&folder.join("texts.csv"), table.as_bytes()).unwrap();
    let codebook = "name = \"Tone\"\ninstruction = \"Which tone is it?\"\n[[classes]]\nlabel = \"good\"\n[[classes]]\nlabel = \"bad\"\n\
                    [[classes]]\nlabel = \"neither of them\"\n";
    tuning_fork::files::write_atomic(&folder.join("tone.toml"), codebook.as_bytes()).unwrap();
    let task = format!(
        "name = \"Tone\"\nmodel = {:?}\ndata = \"texts.csv\"\nid = \"id\"\norders = 2\n\
         [code]\ntext = \"text\"\ncodebook = \"tone.toml\"\n",
        sample_data("tiny_model").display().to_string()
    );
    let path = folder.join("task.toml");
    tuning_fork::files::write_atomic(&path, task.as_bytes()).unwrap();
    path
}

fn evaluate(folder: &Path, out: &Path, resume: bool, threads: usize) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tuning-fork"));
    command.arg("evaluate").arg(labelling(folder)).arg("--out").arg(out).arg("--json");
    if resume {
        command.arg("--resume");
    }
    command.env("RAYON_NUM_THREADS", threads.to_string());
    started(&mut command, folder)
}

/// Every file of a finished evaluation but the one with its times.
fn answers(out: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = std::fs::read_dir(out)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .filter(|(name, _)| name != "evaluation.json")
        .map(|(name, path)| (name, std::fs::read_to_string(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn an_evaluation_that_is_killed_ten_times_has_the_answers_of_an_undisturbed_one() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let output = evaluate(folder.path(), &whole, false, 1).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = answers(&whole);
    let rows = expected.iter().find(|(name, _)| name == "results.jsonl").unwrap();
    assert_eq!(rows.1.lines().count(), ROWS);

    let mut drawn = 20_261_130_u64;
    for kill in 0..KILLS {
        let number = draw(&mut drawn);
        let (count, micros) = (1 + (number >> 33) as usize % 20, (number >> 40) % 3000);
        let mut child = evaluate(folder.path(), &killed, kill > 0, 2);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let seen = lines.by_ref().take(count).flatten().count();
        assert_eq!(
            seen, count,
            "the evaluation ended by itself before it was killed {KILLS} times"
        );
        jobs::pause::<()>(&jobs::Quiet, Duration::from_micros(micros)).unwrap();
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
    }
    // With two threads where the undisturbed one had one: the same bits.
    let output = evaluate(folder.path(), &killed, true, 2).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(answers(&killed), expected);
}

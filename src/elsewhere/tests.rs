//! Bundles as they are written, what is refused, and results taken back.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::bundle::{self, Made, Order};
use super::engine::Engine;
use super::error::Error;
use super::import::{ImportOrder, Imported, import};
use super::preset::Preset;
use crate::files;
use crate::jobs::Quiet;
use crate::llm::card::ModelSource;
use crate::train::config::mix::MixSource;
use crate::train::config::rewards::{Reward, Rule};
use crate::train::config::{Method, Objective, TrainConfig};
use crate::train::record::history::History;
use crate::train::record::runs::{RunState, entry};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Eight pairs and the tiny model.
struct Room {
    folder: TempDir,
}

impl Room {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pairs = std::fs::read_to_string(root("sample_data/pairs.jsonl")).unwrap();
        let eight: Vec<&str> = pairs.lines().take(8).collect();
        let path = folder.path().join("pairs.jsonl");
        files::write_atomic(&path, format!("{}\n", eight.join("\n")).as_bytes()).unwrap();
        Self { folder }
    }

    fn config(&self, objective: Objective) -> TrainConfig {
        let mut config = TrainConfig {
            model: root("sample_data/tiny_model").display().to_string(),
            data: self.folder.path().join("pairs.jsonl"),
            objective,
            loss_type: objective.usual_loss(),
            per_device_train_batch_size: 4,
            max_steps: Some(4),
            held_out_share: 0.25,
            eval_steps: 2,
            seed: 7,
            ..TrainConfig::default()
        };
        config.lora.target_modules = ["q_proj", "v_proj"].map(str::to_owned).to_vec();
        config
    }

    fn order(&self, config: TrainConfig, engine: Engine, preset: Preset) -> Order {
        Order {
            source: Some(ModelSource::at(Path::new(&config.model))),
            config,
            engine,
            preset,
            gpus: None,
            machines: None,
            base: Some("ada/tiny@1a2b".to_owned()),
            with_model: false,
            given: Vec::new(),
            out: self.folder.path().join(format!("{}-{}", engine.key(), preset.key())),
        }
    }

    fn made(&self, objective: Objective, engine: Engine, preset: Preset) -> Made {
        let order = self.order(self.config(objective), engine, preset);
        bundle::make(&order, &Quiet).unwrap_or_else(|err| panic!("{}: {err}", order.out.display()))
    }

    fn refused(&self, config: TrainConfig, engine: Engine) -> String {
        let order = self.order(config, engine, Preset::OneGpu);
        let said = bundle::make(&order, &Quiet).unwrap_err().to_string();
        assert!(!order.out.exists(), "nothing is written: {said}");
        said
    }
}

fn text(made: &Made, name: &str) -> String {
    std::fs::read_to_string(made.out.join(name)).unwrap()
}

/// Where the tests run must not be in a snapshot.
fn placeless(text: &str) -> String {
    text.replace(&root("").display().to_string(), "/")
}

#[test]
fn the_settings_of_every_objective_are_written_whole() {
    let room = Room::new();
    for objective in [Objective::Sft, Objective::Dpo, Objective::Kto, Objective::Orpo] {
        let made = room.made(objective, Engine::Trl, Preset::OneGpu);
        let yaml = placeless(&text(&made, "config.yaml"));
        insta::assert_snapshot!(objective.facts().key, yaml);
        std::fs::remove_dir_all(&made.out).unwrap();
    }
}

#[test]
fn every_preset_says_how_the_run_is_laid_out() {
    let room = Room::new();
    for preset in Preset::ALL {
        let made = room.made(Objective::Dpo, Engine::Trl, preset);
        let mut all = text(&made, "accelerate.yaml");
        for name in ["deepspeed.json", "run.sh", "slurm.sbatch", "requirements.txt"] {
            if made.files.iter().any(|file| file == name) {
                all.push_str(&format!("--- {name}\n{}", text(&made, name)));
            }
        }
        insta::assert_snapshot!(preset.key(), all);
    }
}

#[test]
fn the_other_engines_get_settings_and_rows_of_their_own() {
    let room = Room::new();
    for (engine, names) in [
        (Engine::LlamaFactory, ["llama_factory.yaml", "data/dataset_info.json"]),
        (Engine::Axolotl, ["axolotl.yaml", "run.sh"]),
        (Engine::HfJobs, ["job.py", "bundle/run.sh"]),
    ] {
        let made = room.made(Objective::Dpo, engine, Preset::Zero2);
        let pieces: Vec<String> =
            names.iter().map(|name| format!("--- {name}\n{}", text(&made, name))).collect();
        let mut all = pieces.concat();
        let rows =
            if engine == Engine::HfJobs { "bundle/data/train.jsonl" } else { "data/train.jsonl" };
        let rows = text(&made, rows);
        let row: Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
        let keys: Vec<&String> = row.as_object().unwrap().keys().collect();
        all.push_str(&format!("--- keys of a row: {keys:?}\n"));
        insta::assert_snapshot!(engine.key(), placeless(&all));
    }
}

#[test]
fn the_manifest_has_the_hashes_and_every_row_is_in_one_part() {
    let room = Room::new();
    let made = room.made(Objective::Dpo, Engine::Trl, Preset::OneGpu);
    assert_eq!((made.train_rows, made.held_out_rows), (6, 2));
    let manifest = super::manifest::Manifest::read(&made.out).unwrap();
    manifest.check_data(&made.out).unwrap();
    // sha256sum sample_data/tiny_model/model.safetensors
    let weights = std::fs::read(root("sample_data/tiny_model/model.safetensors")).unwrap();
    assert_eq!(manifest.base.sha256.as_deref(), Some(&*files::sha256_of_bytes(&weights)));
    assert_eq!((manifest.base.name.as_str(), manifest.held_out.len()), ("ada/tiny", 2));
    for name in ["config.yaml", "data/train.jsonl", "data/test.jsonl", "run.toml", "train.py"] {
        let bytes = std::fs::read(made.out.join(name)).unwrap();
        assert_eq!(manifest.files.get(name), Some(&files::sha256_of_bytes(&bytes)), "{name}");
    }
    files::write_atomic(&made.out.join("data/test.jsonl"), b"{}\n").unwrap();
    let said = manifest.check_data(&made.out).unwrap_err().to_string();
    assert!(said.contains("data/test.jsonl differs") && said.contains("is expected"), "{said}");
}

#[test]
fn what_an_engine_would_stop_at_is_refused_before_anything_is_written() {
    let room = Room::new();
    let dpo = || room.config(Objective::Dpo);
    for (config, engine, words) in [
        (room.config(Objective::Classify), Engine::Trl, "TRL has no trainer"),
        (TrainConfig { held_out_share: 2.0, ..dpo() }, Engine::Trl, "held_out_share must be"),
        (
            TrainConfig { loss_type: vec!["exo_pair".to_owned()], label_smoothing: 1e-3, ..dpo() },
            Engine::LlamaFactory,
            "has no loss `exo_pair`",
        ),
        (TrainConfig { use_weighting: true, ..dpo() }, Engine::Axolotl, "--for trl has all"),
        (TrainConfig { method: Method::Bias, ..dpo() }, Engine::Axolotl, "biases alone"),
        (room.config(Objective::Reward), Engine::Axolotl, "not exported to Axolotl"),
    ] {
        let said = room.refused(config, engine);
        assert!(said.contains(words), "{said}");
        assert!(!said.contains('{'), "in words: {said}");
    }
    let mut head = dpo();
    head.lora.target_modules.push("lm_head".to_owned());
    assert!(room.refused(head, Engine::Trl).contains("refuses a LoRA on lm_head"));
    let model = Reward::of(Rule::Model { path: PathBuf::from("judge"), label: None });
    let grpo = TrainConfig { rewards: vec![model], ..TrainConfig::suggested(Objective::Grpo) };
    let grpo = TrainConfig { model: dpo().model, data: dpo().data, ..grpo };
    assert!(room.refused(grpo, Engine::Trl).contains("only rules are exported"));
    let mut order = room.order(dpo(), Engine::Trl, Preset::OneGpu);
    order.given = vec!["lora_rank=8".to_owned()];
    let said = bundle::make(&order, &Quiet).unwrap_err().to_string();
    assert!(said.contains("`lora_rank` is not a setting of TRL 1.16 for DPO"), "{said}");
    order.given = vec!["bf16=false".to_owned()];
    let made = bundle::make(&order, &Quiet).unwrap();
    assert!(text(&made, "config.yaml").contains("bf16: false\n"));
    assert!(text(&made, "accelerate.yaml").contains("mixed_precision: \"no\"\n"));
    let again = bundle::make(&order, &Quiet).unwrap_err();
    assert!(matches!(again, Error::Occupied(_)), "{again}");
    let mut two = room.order(dpo(), Engine::Trl, Preset::OneGpu);
    two.gpus = Some(2);
    assert!(bundle::make(&two, &Quiet).unwrap_err().to_string().contains("several-gpus"));
}

/// The prompts of a file of rows in a bundle.
fn prompts(made: &Made, name: &str) -> Vec<Value> {
    let rows = text(made, name);
    let row = |line: &str| serde_json::from_str::<Value>(line).unwrap()["prompt"].clone();
    rows.lines().map(row).collect()
}

#[test]
fn a_bundle_of_grpo_holds_out_what_a_run_here_does() {
    let room = Room::new();
    let mut config = TrainConfig {
        held_out_share: 0.25,
        per_device_train_batch_size: 4,
        early_stopping_patience: 2,
        eval_steps: 2,
        ..TrainConfig::suggested(Objective::Grpo)
    };
    config.policy.num_generations = 8;
    config.gradient_accumulation_steps = 2;
    let TrainConfig { model, data, seed, .. } = room.config(Objective::Dpo);
    let config = TrainConfig { model, data, seed, ..config };
    let order = room.order(config.clone(), Engine::Trl, Preset::OneGpu);
    let made = bundle::make(&order, &Quiet).unwrap();
    assert_eq!((made.train_rows, made.held_out_rows), (6, 2));
    let (train, test) = (prompts(&made, "data/train.jsonl"), prompts(&made, "data/test.jsonl"));
    assert_eq!((train.len(), test.len()), (6, 2));
    assert!(test.iter().all(|prompt| !train.contains(prompt)));
    // Those that DPO holds out of the same rows, too.
    let dpo = room.made(Objective::Dpo, Engine::Axolotl, Preset::OneGpu);
    let manifest = |made: &Made| super::manifest::Manifest::read(&made.out).unwrap().held_out;
    assert_eq!(manifest(&made), manifest(&dpo));
    let yaml = text(&made, "config.yaml");
    for line in
        ["dataset_test_split: test", "eval_strategy: steps", "per_device_eval_batch_size: 8"]
    {
        assert!(yaml.contains(line), "{line}: {yaml}");
    }
    assert!(text(&made, "extras.json").contains("early_stopping_patience"));
    assert!(!made.notes.iter().any(|note| note.contains("held out")), "{:?}", made.notes);
}

#[test]
fn a_mix_is_in_the_data_of_a_bundle_as_it_is_trained_on_here() {
    let room = Room::new();
    let folder = room.folder.path();
    let own = folder.join("questions.jsonl");
    let mut rows = String::new();
    for number in 0..16 {
        let prompt = format!("Question {number}?");
        rows.push_str(&format!("{}\n", json!({ "prompt": prompt, "completion": " Yes." })));
    }
    files::write_atomic(&own, rows.as_bytes()).unwrap();
    let neutral = folder.join("neutral.jsonl");
    let texts: Vec<String> =
        (0..9).map(|number| format!("{}\n", json!({ "text": format!("Day {number}.") }))).collect();
    files::write_atomic(&neutral, texts.concat().as_bytes()).unwrap();
    let config = TrainConfig {
        data: own,
        mix: vec![MixSource::of(neutral, 0.2)],
        ..room.config(Objective::Sft)
    };
    let made = bundle::make(&room.order(config.clone(), Engine::Trl, Preset::OneGpu), &Quiet);
    let made = made.unwrap();
    // 4 of the 9 texts go with 16 questions; of both a quarter is held out.
    assert_eq!((made.train_rows, made.held_out_rows), (15, 5));
    let of_texts =
        |name: &str| prompts(&made, name).iter().filter(|prompt| **prompt == json!("")).count();
    assert_eq!((of_texts("data/train.jsonl"), of_texts("data/test.jsonl")), (3, 1));
    assert!(text(&made, "data/train.jsonl").contains(r#""completion":"Day "#));
    assert!(made.notes.iter().any(|note| note.contains("neutral: 3 rows to train on (20.0 %)")));
    let run = bundle::read_run(&made.out).unwrap();
    assert!(run.mix.is_empty(), "its rows are in the data");

    // The pairs are conversations.
    let chat = TrainConfig { mix: config.mix, ..room.config(Objective::Sft) };
    let said = room.refused(chat, Engine::LlamaFactory);
    assert!(said.contains("some of the mixed files are conversations"), "{said}");
}

#[test]
fn settings_that_were_changed_by_hand_are_checked_again() {
    let room = Room::new();
    let made = room.made(Objective::Dpo, Engine::Trl, Preset::OneGpu);
    let manifest = super::manifest::Manifest::read(&made.out).unwrap();
    bundle::check_settings(&made.out, &manifest).unwrap();
    let yaml = format!("{}# mine\nmax_prompt_length: 128\n", text(&made, "config.yaml"));
    files::write_atomic(&made.out.join("config.yaml"), yaml.as_bytes()).unwrap();
    let said = bundle::check_settings(&made.out, &manifest).unwrap_err().to_string();
    assert!(said.contains("`max_prompt_length`"), "{said}");
}

/// What TRL 1.16 left of a bundle of the tiny model: `tests/reference/make_bundle_results.py`.
fn results() -> PathBuf {
    root("tests/reference/bundle")
}

fn taken(room: &Room, results: &Path, bundle: Option<PathBuf>) -> Result<Imported, Error> {
    let order = ImportOrder {
        results: results.to_owned(),
        bundle,
        run_file: None,
        run_dir: room.folder.path().join("runs/one"),
        recomputes: true,
    };
    // As the other machine called it.
    let model = root("sample_data/tiny_model");
    let resolve = |name: &str| (name == "sample_data/tiny_model").then(|| model.clone());
    import(&order, &resolve, &Quiet)
}

/// A copy of a folder that a test may change.
fn copied(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copied(&entry.path(), &target);
        } else {
            bundle::copy(&entry.path(), &target).unwrap();
        }
    }
}

#[test]
fn results_of_trl_become_a_run_whose_held_out_numbers_are_computed_again() {
    let room = Room::new();
    let imported = taken(&room, &results(), None).unwrap();
    assert!(imported.engine.starts_with("TRL 1.16.0 on "), "{}", imported.engine);
    assert!(imported.beside.len() >= 8, "{:?}", imported.beside);
    let largest = imported.largest().unwrap();
    assert!(largest.difference() < 2e-3, "{largest:?}");
    assert!(imported.words().unwrap().contains("agree with the log"));
    let run = entry(&imported.run_dir).unwrap();
    assert_eq!((run.state, run.has_adapter), (RunState::Finished, true));
    assert_eq!((run.record.steps_done, run.record.steps_planned), (4, 4));
    assert_eq!((run.record.train_rows, run.record.held_out_rows), (6, 2));
    assert!(run.notes.note.starts_with("Trained with TRL 1.16.0"), "{}", run.notes.note);
    let History { steps, evaluations } = History::read(&imported.run_dir);
    assert_eq!((steps.len(), evaluations.len()), (4, 2));
    assert!((steps[0].loss() - 2.0_f64.ln()).abs() < 1e-4, "DPO begins at ln 2");
    assert!(steps.iter().all(|step| step.step_secs > 0.0));
    assert_eq!(evaluations[1].pair_count, 2);
    let again = taken(&room, &results(), None).unwrap_err().to_string();
    assert!(again.contains("already holds a run"), "{again}");
}

#[test]
fn results_of_another_base_are_refused_with_both_hashes() {
    let room = Room::new();
    let copy = room.folder.path().join("copy");
    copied(&results(), &copy);
    let trained = copy.join("out/trained.json");
    let text = std::fs::read_to_string(&trained).unwrap();
    let mut json: Value = serde_json::from_str(&text).unwrap();
    let right = json["base_sha256"].as_str().unwrap().to_owned();
    let wrong = "0".repeat(64);
    json["base_sha256"] = Value::from(wrong.as_str());
    files::write_atomic(&trained, json.to_string().as_bytes()).unwrap();
    let said = taken(&room, &copy, None).unwrap_err().to_string();
    assert!(said.contains(&right) && said.contains(&wrong), "{said}");
    // Without that record the adapter's own word counts.
    std::fs::remove_file(&trained).unwrap();
    let config = copy.join("out/adapter_config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("sample_data/tiny_model", "ada/other");
    files::write_atomic(&config, text.as_bytes()).unwrap();
    let said = taken(&room, &copy, None).unwrap_err().to_string();
    assert!(said.contains("the adapter names ada/other"), "{said}");
    assert!(!room.folder.path().join("runs").exists(), "nothing was written");
}

#[test]
fn results_without_a_bundle_say_what_is_missing() {
    let room = Room::new();
    let alone = room.folder.path().join("elsewhere/out");
    copied(&results().join("out"), &alone);
    let said = taken(&room, &alone, None).unwrap_err().to_string();
    assert!(said.contains("--bundle") && said.contains("--run"), "{said}");
    let said = taken(&room, &alone, Some(room.folder.path().to_owned())).unwrap_err().to_string();
    assert!(said.contains("it has no manifest.json"), "{said}");
    let imported = taken(&room, &alone, Some(results())).unwrap();
    assert_eq!(imported.steps_done, 4);
    let damaged = room.folder.path().join("damaged");
    copied(&results(), &damaged);
    files::write_atomic(&damaged.join("manifest.json"), b"{\"made_by\": ").unwrap();
    let said = taken(&room, &damaged, None).unwrap_err().to_string();
    assert!(said.contains("is not the manifest of a bundle"), "{said}");
}

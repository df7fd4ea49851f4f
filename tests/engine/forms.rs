//! Rows of every form of training data as TRL 1.16 prepares them (`tests/reference/forms`), and what
//! a run says of them before its first step.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::{Quiet, Recorder};
use tuning_fork_engine::llm::{Model, Weights};
use tuning_fork_engine::train;
use tuning_fork_engine::train::config::{LoraConfig, Objective, TrainConfig};
use tuning_fork_engine::train::record::metrics::TrainEvent;
use tuning_fork_engine::train::record::{RunRecord, RunStatus};
use tuning_fork_engine::train::rows::prepare;
use tuning_fork_engine::train::rows::survey::Concern;
use tuning_fork_engine::train::run::setup;
use tuning_fork_engine::train::step::sample;
use tuning_fork_engine::train::{ResumeRequest, StartRequest};

use crate::support::{load, reference};

/// The templates that `make_forms.py` sets, by their names there.
const TEMPLATES: [(&str, &str); 3] = [
    (
        "chatml",
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    ),
    (
        "whole",
        "{%- if tools %}{{ '<|im_start|>tools\n' }}{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}{{ '<|im_end|>\n' }}{% endif %}{%- for m in messages %}{{ '<|im_start|>' + m.role }}{% if m.name is defined and m.name %}{{ ' ' + m.name }}{% endif %}{{ '\n' }}{%- if m.reasoning_content is defined and m.reasoning_content and enable_thinking is not false %}{{ '<why>' + m.reasoning_content + '</why>' }}{% endif %}{%- if m.content is string %}{{ m.content }}{% elif m.content %}{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }}{% else %}{{ '<' + part.type + '>' }}{% endif %}{% endfor %}{% endif %}{%- if m.tool_calls %}{% for call in m.tool_calls %}{{ '<call>' + call.function.name + ' ' }}{{ call.function.arguments if call.function.arguments is string else call.function.arguments | tojson }}{{ '</call>' }}{% endfor %}{% endif %}{{- '<|im_end|>\n' }}{% endfor %}{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% if enable_thinking is defined and not enable_thinking %}{{ '<why></why>' }}{% endif %}{% endif %}",
    ),
    (
        "differs",
        "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ ' ' + m['content'] + '<|im_end|>' }}{% else %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: think' }}{% endif %}",
    ),
];

/// A file of rows, and what TRL makes of it.
#[derive(Deserialize)]
struct Case {
    form: String,
    trainer: Trainer,
    template: String,
    settings: Value,
    rows: Vec<Value>,

    /// What TRL says against them.
    error: Option<String>,
    #[serde(default)]
    result: Vec<Kept>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Trainer {
    Sft,
    Dpo,
}

/// A row that TRL keeps.
#[derive(Debug, Deserialize, PartialEq)]
struct Kept {
    row: usize,
    ids: Vec<u32>,
    rejected: Option<Vec<u32>>,
    start: usize,
}

/// A tiny model of `models` with another template.
pub(crate) fn with_template(name: &str, template: &str, folder: &Path) -> Model {
    let from = reference(&format!("models/{name}"));
    for file in ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"] {
        std::fs::copy(from.join(file), folder.join(file)).unwrap();
    }
    files::write_atomic(&folder.join("chat_template.jinja"), template.as_bytes()).unwrap();
    load(folder, Weights::F32)
}

pub(crate) fn write_rows(path: &Path, rows: &[Value]) {
    let text: Vec<String> = rows.iter().map(|row| format!("{row}\n")).collect();
    files::write_atomic(path, text.concat().as_bytes()).unwrap();
}

/// Compares a file of cases; how many rows it had.
fn compare(path: &Path) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let mut models = BTreeMap::new();
    for (name, template) in TEMPLATES {
        let own = folder.path().join(name);
        std::fs::create_dir(&own).unwrap();
        models.insert(name, with_template("llama", template, &own));
    }
    let mut count = 0;
    for row in files::read_jsonl::<Case>(path).unwrap() {
        let case = row.value;
        let what = format!("line {}, {}", row.line, case.form);
        let data = folder.path().join("rows.jsonl");
        write_rows(&data, &case.rows);
        let config = TrainConfig {
            data: data.clone(),
            objective: match case.trainer {
                Trainer::Sft => Objective::Sft,
                Trainer::Dpo => Objective::Dpo,
            },
            max_length: case.settings["max_length"].as_u64().unwrap() as usize,
            completion_only_loss: case.settings["completion_only_loss"] != json!(false),
            ..TrainConfig::default()
        };
        let model = &models[case.template.as_str()];
        let found = prepare::prepared(model, &config, &data, &Quiet);
        count += case.rows.len();
        if let Some(error) = case.error {
            // Where TRL fails we may read more, and not without a word.
            let said = found.map_or(true, |found| {
                let findings = found.survey.findings.iter();
                let mut said = findings.filter(|finding| finding.concern != Concern::Fact);
                said.any(|finding| finding.lines.len() == case.rows.len())
            });
            assert!(said, "{what}: TRL says {error}");
            continue;
        }
        let found = match found {
            Ok(found) => found.examples,
            // Where nothing is left TRL goes on with no rows.
            Err(train::Error::NothingLeft { .. }) => Vec::new(),
            Err(err) => panic!("{what}: {}", tuning_fork_engine::errors::one_line(&err)),
        };
        let found: Vec<Kept> = found
            .into_iter()
            .map(|example| Kept {
                row: example.line - 1,
                start: example.chosen.completion_start,
                ids: example.chosen.ids,
                rejected: example.rejected.map(|sequence| sequence.ids),
            })
            .collect();
        assert_eq!(found, case.result, "{what}: {}", json!(case.rows));
    }
    count
}

#[test]
fn rows_of_every_form_have_trls_ids_and_labels() {
    assert!(compare(&reference("forms/forms.jsonl")) >= 300);
}

#[test]
#[ignore = "TUNING_FORK_FORMS=OUT (of tests/reference/forms/make_forms.py) cargo test --test engine generated_forms -- --ignored"]
fn generated_forms_have_trls_ids_and_labels() {
    let path = std::env::var_os("TUNING_FORK_FORMS").expect("TUNING_FORK_FORMS names a file");
    println!("{} rows", compare(&PathBuf::from(path)));
}

/// A file of rows with the settings of a short run.
struct Given {
    folder: tempfile::TempDir,
    config: TrainConfig,
}

impl Given {
    fn new(objective: Objective, rows: &[Value]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("rows.jsonl");
        write_rows(&data, rows);
        let config = TrainConfig {
            data,
            objective,
            per_device_train_batch_size: 2,
            max_steps: Some(1),
            learning_rate: 1e-3,
            shuffle: false,
            max_length: 128,
            ..TrainConfig::default()
        };
        Self { folder, config }
    }

    fn request(&self) -> StartRequest {
        StartRequest {
            config: self.config.clone(),
            run_dir: self.folder.path().join("run"),
            cache: None,
        }
    }

    fn run(&self, model: &Model) -> (Result<(), String>, Vec<TrainEvent>) {
        self.run_in(model, "run")
    }

    fn run_in(&self, model: &Model, name: &str) -> (Result<(), String>, Vec<TrainEvent>) {
        let events = Recorder::default();
        let request = StartRequest { run_dir: self.folder.path().join(name), ..self.request() };
        let result = train::start(model, &request, &events);
        let result = result.map(drop).map_err(|err| tuning_fork_engine::errors::one_line(&err));
        (result, events.into_events())
    }
}

fn llama() -> Model {
    load(&reference("models/llama"), Weights::F32)
}

fn warnings(events: &[TrainEvent]) -> Vec<&str> {
    let warnings = events.iter().filter_map(|event| match event {
        TrainEvent::Warning(words) => Some(words.as_str()),
        _ => None,
    });
    warnings.collect()
}

#[track_caller]
fn warned(events: &[TrainEvent], words: &str) {
    let found = warnings(events);
    assert!(found.iter().any(|warning| warning.contains(words)), "no {words:?} in {found:#?}");
}

fn dialogue(question: &str, answer: &str) -> Value {
    json!({"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]})
}

#[test]
fn dialogues_with_the_same_question_are_never_on_both_sides() {
    let mut given = Given::new(
        Objective::Sft,
        &[dialogue("Name a tree.", "An oak."), dialogue("Name a tree.", "A fir.")],
    );
    given.config.held_out_share = 0.5;
    let found = prepare::prepared(&llama(), &given.config, &given.config.data, &Quiet).unwrap();
    assert_eq!((found.split.train.len(), found.split.held_out.len()), (2, 0));
}

#[test]
fn the_fixed_prompt_of_a_run_never_contains_its_answer() {
    let given = Given::new(
        Objective::Sft,
        &[dialogue("Name a tree.", "An oak."), dialogue("Name a river.", "The Elbe.")],
    );
    let found = prepare::prepared(&llama(), &given.config, &given.config.data, &Quiet).unwrap();
    let asked = sample::prompt("", &found.examples, &[]).unwrap();
    assert_eq!(asked.words(), "Name a tree.");
}

#[test]
fn what_is_cut_is_said_before_the_first_step() {
    let long = " It is a long answer.".repeat(9);
    let mut given = Given::new(
        Objective::Dpo,
        &[
            json!({"prompt": "Why?", "chosen": format!("{long} Because."), "rejected": format!("{long} No.")}),
            json!({"prompt": "How?", "chosen": " So.", "rejected": format!(" No.{long}")}),
        ],
    );
    given.config.max_length = 48;
    let (result, events) = given.run(&llama());
    result.unwrap();
    warned(&events, "2 rows are cut after 48 tokens");
    warned(&events, "In 1 pair both answers are the same once they are cut after 48 tokens");
    let record = RunRecord::read(&given.request().run_dir).unwrap();
    assert_eq!(record.status, RunStatus::Finished);
}

#[test]
fn a_context_that_is_shorter_than_max_length_is_named_as_the_limit() {
    let long = "word ".repeat(600);
    let mut given =
        Given::new(Objective::Dpo, &[json!({"prompt": long, "chosen": " a", "rejected": " b"})]);
    given.config.max_length = 2048;
    let (result, _) = given.run(&llama());
    let said = result.unwrap_err();
    assert!(said.contains("the model's context (512 tokens; max_length = 2048 is more)"), "{said}");
    assert!(!said.contains("Raise max_length"), "{said}");
    assert!(!given.request().run_dir.exists(), "a refused run leaves nothing behind");
}

#[test]
fn a_run_that_is_refused_leaves_no_folder_and_a_dry_run_is_refused_too() {
    let pairs = [json!({"prompt": "Why?", "chosen": " So.", "rejected": " No."})];
    let of = |change: &dyn Fn(&mut TrainConfig)| {
        let mut given = Given::new(Objective::Dpo, &pairs);
        change(&mut given.config);
        given
    };
    let model = llama();
    for (given, words) in [
        (of(&|config| config.lora.target_modules = vec!["no_proj".to_owned()]), "no_proj"),
        (of(&|config| config.lora.target_modules = vec!["embed_tokens".to_owned()]), ""),
        (
            of(&|config| config.adapter = Some(PathBuf::from("/nowhere/adapter"))),
            "/nowhere/adapter",
        ),
        (of(&|config| config.objective = Objective::Sft), ""),
        (Given::new(Objective::Dpo, &[dialogue("a", "b")]), "learns from pairs"),
        (Given::new(Objective::Dpo, &[json!({"frage": "a"})]), "Rename the columns"),
        (
            Given::new(Objective::Dpo, &[json!({"prompt": "a", "chosen": 3, "rejected": "c"})]),
            "it is a number",
        ),
    ] {
        let checked = setup::check_start(&model, &given.request(), &Quiet);
        let (result, _) = given.run(&model);
        if words.is_empty() {
            // LoRA on the embedding, and the better answer alone: not refused
            assert!(checked.is_ok() && result.is_ok());
            continue;
        }
        let said = result.unwrap_err();
        assert!(said.contains(words), "{words}: {said}");
        let refused =
            tuning_fork_engine::errors::one_line(&checked.err().expect("a dry run is refused"));
        assert_eq!(refused, said);
        assert!(!given.request().run_dir.exists(), "{words}");
    }
}

#[test]
fn settings_that_a_resumed_run_does_not_use_are_named() {
    let pairs: Vec<Value> = ["tree", "river", "bird", "city"]
        .map(|noun| json!({"prompt": format!("Name a {noun}."), "chosen": " An oak.", "rejected": " A stone."}))
        .to_vec();
    let mut given = Given::new(Objective::Dpo, &pairs);
    let model = llama();
    given.run(&model).0.unwrap();
    given.config.max_steps = Some(8);
    given.config.per_device_train_batch_size = 4;
    given.config.learning_rate = 5e-4;
    given.config.lora.r = 4;
    write_rows(&given.config.data, &pairs[..2]);
    let events = Recorder::default();
    let StartRequest { config, run_dir, cache } = given.request();
    let request = ResumeRequest { run_dir, cache, unused: Some(config) };
    train::resume(&model, &request, &events).unwrap();
    let events = events.into_events();
    for words in [
        "max_steps = 8 (the run has 1)",
        "per_device_train_batch_size = 4 (the run has 2)",
        "learning_rate = 0.0005 (the run has 0.001)",
        "lora.r = 4 (the run has 8)",
        "the run has its own copy",
        "all 1 steps of this run are done",
    ] {
        warned(&events, words);
    }
    // With its own settings nothing is said of them.
    let own = tuning_fork_engine::train::config::run_file::read(&request.run_dir.join("run.toml"))
        .unwrap();
    let events = Recorder::default();
    let request = ResumeRequest { unused: Some(own), ..request };
    train::resume(&model, &request, &events).unwrap();
    assert!(!warnings(&events.into_events()).iter().any(|words| words.contains("not used")));
}

#[test]
fn an_adapter_that_is_continued_keeps_its_own_shape_and_says_so() {
    let pairs = [json!({"prompt": "Why?", "chosen": " So.", "rejected": " No."})];
    let first = Given::new(Objective::Dpo, &pairs);
    let model = llama();
    first.run(&model).0.unwrap();
    let mut second = Given::new(Objective::Dpo, &pairs);
    second.config.adapter = Some(first.request().run_dir);
    second.config.lora = LoraConfig {
        lora_alpha: 32.0,
        target_modules: vec!["o_proj".to_owned()],
        ..first.config.lora.clone()
    };
    let (result, events) = second.run(&model);
    result.unwrap();
    warned(&events, "lora_alpha = 8");
    warned(&events, "lora_alpha = 32, target_modules = [\"o_proj\"] of the settings are not used");
}

#[test]
fn early_stopping_without_held_out_rows_is_said_to_do_nothing() {
    let pairs = [json!({"prompt": "Why?", "chosen": " So.", "rejected": " No."})];
    let mut given = Given::new(Objective::Dpo, &pairs);
    given.config.held_out_share = 0.5;
    given.config.eval_steps = 1;
    given.config.early_stopping_patience = 2;
    let (result, events) = given.run(&llama());
    result.unwrap();
    warned(&events, "early_stopping_patience does nothing");
}

#[test]
fn calls_of_tools_are_written_or_said_to_be_lost() {
    let call = json!([{"type": "function", "function": {"name": "weather", "arguments": {"city": "Graz"}}}]);
    let row = json!({"messages": [
        {"role": "user", "content": "Weather in Graz?"},
        {"role": "assistant", "content": "", "tool_calls": call},
        {"role": "tool", "name": "weather", "content": "12 degrees"},
        {"role": "assistant", "content": "It is 12 degrees.", "reasoning_content": "because"},
    ]});
    let given = Given::new(Objective::Sft, &[row]);
    let (result, events) = given.run(&llama()); // its template knows roles and words
    result.unwrap();
    warned(&events, "1 row has `tool_calls`, which the model's chat template does not write");
    warned(&events, "1 row has `reasoning_content`");
    let folder = tempfile::tempdir().unwrap();
    let model = with_template("llama", TEMPLATES[1].1, folder.path());
    let (result, events) = given.run_in(&model, "other");
    result.unwrap();
    assert!(!warnings(&events).iter().any(|words| words.contains("does not write")));
}

#[test]
fn columns_can_be_trained_on_without_a_chat_template() {
    let rows = [json!({"instruction": "Name a tree.", "input": "", "output": "An oak."})];
    let given = Given::new(Objective::Sft, &rows);
    let folder = tempfile::tempdir().unwrap();
    let model = with_template("llama", "", folder.path());
    drop(model);
    std::fs::remove_file(folder.path().join("chat_template.jinja")).unwrap();
    let model = load(folder.path(), Weights::F32);
    let found = prepare::prepared(&model, &given.config, &given.config.data, &Quiet).unwrap();
    let text = model.tokenizer().decode(&found.examples[0].chosen.ids, true);
    assert!(text.contains("### Instruction:\nName a tree.\n\n### Response:\nAn oak."), "{text}");
    let (result, events) = given.run(&model);
    result.unwrap();
    warned(&events, "The model has no chat template");
}

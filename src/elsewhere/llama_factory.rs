//! A run for LLaMA-Factory 0.9.5: its YAML and `dataset_info.json`.

use serde_json::{Map, Value, json};

use super::base::Base;
use super::batches::Batches;
use super::preset::Layout;
use crate::data::forms::Content;
use crate::data::pair::Text;
use crate::llm::{BIASES, Bias};
use crate::train::config::{Dtype, Method, Objective, PackingStrategy, TrainConfig};
use crate::train::rows::Row;

/// `llama_factory.yaml`, and what the person should know.
pub(super) fn settings(
    config: &TrainConfig,
    base: &Base,
    (rows, held_out): (&[Row], usize),
    layout: Layout,
) -> (Map<String, Value>, Vec<String>) {
    let batches = Batches::of(config, layout);
    let mut notes: Vec<String> = batches.note(config, layout).into_iter().collect();
    let mut keys = Map::new();
    let mut put = |key: &str, value: Value| {
        keys.insert(key.to_owned(), value);
    };
    put("model_name_or_path", json!(base.name));
    if let Some(revision) = &base.revision {
        put("model_revision", json!(revision));
    }
    put("trust_remote_code", json!(false));
    let is_text = is_text(rows);
    let stage = match config.objective {
        Objective::Dpo | Objective::Orpo | Objective::Cpo => "dpo",
        Objective::Kto => "kto",
        Objective::Reward => "rm",
        _ if is_text => "pt",
        _ => "sft",
    };
    put("stage", json!(stage));
    put("do_train", json!(true));
    if config.method == Method::Lora {
        let lora = &config.lora;
        put("finetuning_type", json!("lora"));
        put("lora_rank", json!(lora.r));
        put("lora_alpha", json!(lora.lora_alpha.round() as i64));
        put("lora_dropout", json!(lora.lora_dropout));
        let all = lora.target_modules.iter().any(|name| name == "all-linear");
        put(
            "lora_target",
            json!(if all { "all".to_owned() } else { lora.target_modules.join(",") }),
        );
        put("use_rslora", json!(lora.use_rslora));
        put("use_dora", json!(lora.use_dora));
        if !lora.modules_to_save.is_empty() {
            put("additional_target", json!(lora.modules_to_save.join(",")));
        }
        if lora.bias != Bias::None {
            let bias = BIASES.iter().find(|(_, known)| *known == lora.bias);
            let name = bias.map_or("none", |(name, _)| name);
            notes.push(format!(
                "LLaMA-Factory has no key for lora.bias = \"{name}\": biases are not trained there"
            ));
        }
    } else {
        put("finetuning_type", json!("full"));
    }
    if config.adapter.is_some() {
        put("adapter_name_or_path", json!("./adapter"));
    }
    match config.objective {
        Objective::Dpo => {
            put("pref_beta", json!(config.beta));
            put("pref_loss", json!(config.loss_type[0]));
            put("dpo_label_smoothing", json!(config.label_smoothing));
        }
        Objective::Orpo => {
            put("pref_beta", json!(config.beta));
            put("pref_loss", json!("orpo"));
        }
        Objective::Cpo => {
            put("pref_beta", json!(config.beta));
            put("pref_loss", json!("simpo"));
            put("simpo_gamma", json!(config.simpo_gamma));
        }
        Objective::Kto => {
            put("pref_beta", json!(config.beta));
            put("kto_chosen_weight", json!(config.desirable_weight));
            put("kto_rejected_weight", json!(config.undesirable_weight));
        }
        _ => {}
    }
    put("dataset_dir", json!("./data"));
    put("dataset", json!("train"));
    if held_out > 0 {
        put("eval_dataset", json!("test"));
    }
    let (template, is_known) = template(&base.local, &base.architecture);
    put("template", json!(template));
    if !is_known && stage != "pt" {
        notes.push(format!(
            "LLaMA-Factory has chat templates of its own: `{template}` is set; check that it is the model's"
        ));
    }
    put("cutoff_len", json!(config.max_length));
    if stage == "sft" {
        put("train_on_prompt", json!(!config.completion_only_loss));
        put("packing", json!(config.packing));
        put(
            "neat_packing",
            json!(config.packing && config.packing_strategy != PackingStrategy::Wrapped),
        );
    }
    put("per_device_train_batch_size", json!(batches.per_device));
    put("per_device_eval_batch_size", json!(batches.per_device));
    put("gradient_accumulation_steps", json!(batches.accumulation));
    put("learning_rate", json!(config.learning_rate));
    put("lr_scheduler_type", json!(config.lr_scheduler_type.name()));
    if !config.lr_scheduler_kwargs.is_empty() {
        let kwargs = serde_json::to_string(&config.lr_scheduler_kwargs).unwrap_or_default();
        put("lr_scheduler_kwargs", json!(kwargs));
    }
    put("warmup_steps", json!(config.warmup_steps));
    put("weight_decay", json!(config.weight_decay));
    put("adam_beta1", json!(config.adam_beta1));
    put("adam_beta2", json!(config.adam_beta2));
    put("adam_epsilon", json!(config.adam_epsilon));
    put("max_grad_norm", json!(config.max_grad_norm));
    put("num_train_epochs", json!(config.num_train_epochs));
    put("max_steps", config.max_steps.map_or_else(|| json!(-1), |steps| json!(steps)));
    put("seed", json!(config.seed));
    put("disable_shuffling", json!(!config.shuffles()));
    put("bf16", json!(!layout.is_cpu()));
    put("pure_bf16", json!(config.method == Method::Full && config.dtype == Dtype::Bfloat16));
    put("output_dir", json!("./out"));
    put("overwrite_output_dir", json!(true));
    put("logging_steps", json!(1));
    put("save_steps", json!(config.save_steps.max(1)));
    if held_out > 0 && config.eval_steps > 0 {
        put("eval_strategy", json!("steps"));
        put("eval_steps", json!(config.eval_steps));
    }
    put("report_to", json!("none"));
    put("plot_loss", json!(false));
    if layout.zero_stage().is_some() {
        put("deepspeed", json!("./deepspeed.json"));
    }
    (keys, notes)
}

fn is_text(rows: &[Row]) -> bool {
    rows.iter().any(|row| matches!(row.understood.content, Content::Whole(Text::Plain(_))))
}

/// `data/dataset_info.json`.
pub(super) fn dataset_info(config: &TrainConfig, rows: &[Row], held_out: usize) -> Value {
    let mut info = Map::new();
    let files: &[&str] = if held_out > 0 { &["train", "test"] } else { &["train"] };
    for name in files {
        let file = format!("{name}.jsonl");
        let stanza = if is_text(rows) {
            json!({ "file_name": file, "columns": { "prompt": "text" } })
        } else {
            let mut columns = json!({ "messages": "messages" });
            let is_ranked = matches!(
                config.objective,
                Objective::Dpo | Objective::Orpo | Objective::Cpo | Objective::Reward
            );
            if is_ranked {
                columns["chosen"] = json!("chosen");
                columns["rejected"] = json!("rejected");
            }
            if config.objective == Objective::Kto {
                columns["kto_tag"] = json!("kto_tag");
            }
            json!({
                "file_name": file,
                "formatting": "sharegpt",
                "ranking": is_ranked,
                "columns": columns,
                "tags": {
                    "role_tag": "role",
                    "content_tag": "content",
                    "user_tag": "user",
                    "assistant_tag": "assistant",
                    "system_tag": "system",
                },
            })
        };
        info.insert((*name).to_owned(), stanza);
    }
    Value::Object(info)
}

/// Its name for a model's chat template, and whether that is known by the model's name.
fn template(name: &str, architecture: &str) -> (&'static str, bool) {
    let name = name.to_lowercase();
    let by_name = [
        ("llama-2", "llama2"),
        ("llama-3", "llama3"),
        ("mistral", "mistral"),
        ("smollm2", "smollm2"),
        ("qwen3", "qwen3"),
        ("qwen2", "qwen"),
        ("gemma-3", "gemma3"),
        ("gemma-2", "gemma2"),
        ("gemma", "gemma"),
        ("phi-3", "phi"),
    ];
    if let Some((_, template)) = by_name.iter().find(|(part, _)| name.contains(part)) {
        return (template, true);
    }
    let by_architecture = match architecture {
        "qwen3" => "qwen3",
        "qwen2" => "qwen",
        "gemma3_text" | "gemma3" => "gemma3",
        "gemma2" => "gemma2",
        "mistral" => "mistral",
        "phi3" => "phi",
        _ => "default",
    };
    (by_architecture, false)
}

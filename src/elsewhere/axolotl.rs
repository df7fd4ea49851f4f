//! A run for Axolotl 0.19: its YAML.

use serde_json::{Map, Value, json};

use super::base::Base;
use super::batches::Batches;
use super::preset::{Layout, Parts};
use crate::data::forms::Content;
use crate::data::pair::Text;
use crate::train::config::{Method, Objective, TrainConfig};
use crate::train::rows::Row;

/// `axolotl.yaml`, and what the person should know.
pub(super) fn settings(
    config: &TrainConfig,
    base: &Base,
    (rows, held_out): (&[Row], usize),
    layout: Layout,
) -> (Map<String, Value>, Vec<String>) {
    let batches = Batches::of(config, layout);
    let notes: Vec<String> = batches.note(config, layout).into_iter().collect();
    let mut keys = Map::new();
    let mut put = |key: &str, value: Value| {
        keys.insert(key.to_owned(), value);
    };
    put("base_model", json!(base.name));
    if let Some(revision) = &base.revision {
        put("revision_of_model", json!(revision));
    }
    if config.method == Method::Lora {
        let lora = &config.lora;
        put("adapter", json!("lora"));
        put("lora_r", json!(lora.r));
        put("lora_alpha", json!(lora.lora_alpha.round() as i64));
        put("lora_dropout", json!(lora.lora_dropout));
        if lora.target_modules.iter().any(|name| name == "all-linear") {
            put("lora_target_linear", json!(true));
        } else {
            put("lora_target_modules", json!(lora.target_modules));
        }
        put("peft_use_rslora", json!(lora.use_rslora));
        put("peft_use_dora", json!(lora.use_dora));
        if !lora.modules_to_save.is_empty() {
            put("lora_modules_to_save", json!(lora.modules_to_save));
        }
    }
    if config.adapter.is_some() {
        put("lora_model_dir", json!("./adapter"));
    }
    match config.objective {
        Objective::Dpo if config.loss_type[0] == "ipo" => put("rl", json!("ipo")),
        Objective::Dpo => put("rl", json!("dpo")),
        Objective::Orpo => put("rl", json!("orpo")),
        Objective::Kto => put("rl", json!("kto")),
        Objective::Cpo => put("rl", json!("simpo")),
        _ => {}
    }
    match config.objective {
        Objective::Dpo | Objective::Kto => put("rl_beta", json!(config.beta)),
        Objective::Cpo => {
            put("rl_beta", json!(config.beta));
            put("cpo_alpha", json!(0.0));
            put("simpo_gamma", json!(config.simpo_gamma));
        }
        Objective::Orpo => put("orpo_alpha", json!(config.beta)),
        _ => {}
    }
    if config.objective == Objective::Kto {
        put("kto_desirable_weight", json!(config.desirable_weight));
        put("kto_undesirable_weight", json!(config.undesirable_weight));
    }
    put("datasets", json!([dataset(config, rows, "train")]));
    if held_out > 0 {
        put("test_datasets", json!([dataset(config, rows, "test")]));
    } else {
        put("val_set_size", json!(0));
    }
    put("sequence_len", json!(config.max_length));
    put("sample_packing", json!(config.packing));
    put("pad_to_sequence_len", json!(false));
    put("train_on_inputs", json!(!config.completion_only_loss));
    put("micro_batch_size", json!(batches.per_device));
    put("eval_batch_size", json!(batches.per_device));
    put("gradient_accumulation_steps", json!(batches.accumulation));
    match config.max_steps {
        Some(steps) => put("max_steps", json!(steps)),
        None => put("num_epochs", json!(config.num_train_epochs)),
    }
    put("optimizer", json!("adamw_torch_fused"));
    put("learning_rate", json!(config.learning_rate));
    put("lr_scheduler", json!(config.lr_scheduler_type.name()));
    if !config.lr_scheduler_kwargs.is_empty() {
        let kwargs = serde_json::to_value(&config.lr_scheduler_kwargs).unwrap_or_default();
        put("lr_scheduler_kwargs", kwargs);
    }
    if config.warmup_steps >= 1.0 {
        put("warmup_steps", json!(config.warmup_steps as usize));
    } else {
        put("warmup_ratio", json!(config.warmup_steps));
    }
    put("weight_decay", json!(config.weight_decay));
    put("adam_beta1", json!(config.adam_beta1));
    put("adam_beta2", json!(config.adam_beta2));
    put("adam_epsilon", json!(config.adam_epsilon));
    put("max_grad_norm", json!(config.max_grad_norm));
    put("seed", json!(config.seed));
    put("shuffle_merged_datasets", json!(config.shuffles()));
    put("bf16", json!(!layout.is_cpu()));
    put("gradient_checkpointing", json!(!layout.is_cpu()));
    put("logging_steps", json!(1));
    if held_out > 0 && config.eval_steps > 0 {
        put("eval_steps", json!(config.eval_steps));
    }
    put("save_steps", json!(config.save_steps.max(1)));
    put("output_dir", json!("./out"));
    match layout.parts {
        Parts::Zero2 | Parts::Zero3 => put("deepspeed", json!("./deepspeed.json")),
        Parts::Fsdp2 => {
            put("fsdp_version", json!(2));
            let fsdp = json!({
                "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
                "offload_params": false,
                "reshard_after_forward": true,
                "state_dict_type": "FULL_STATE_DICT",
            });
            put("fsdp_config", fsdp);
        }
        Parts::Cpu | Parts::Whole => {}
    }
    (keys, notes)
}

fn dataset(config: &TrainConfig, rows: &[Row], name: &str) -> Value {
    let path = format!("./data/{name}.jsonl");
    let first = rows.first().map(|row| &row.understood.content);
    let chat = json!({
        "path": path,
        "ds_type": "json",
        "type": "chat_template",
        "field_messages": "messages",
    });
    match (config.objective, first) {
        (Objective::Dpo | Objective::Orpo | Objective::Cpo, _) => json!({
            "path": path,
            "ds_type": "json",
            "type": "chat_template.default",
            "field_messages": "messages",
            "field_chosen": "chosen",
            "field_rejected": "rejected",
        }),
        (Objective::Kto, _) => json!({
            "path": path,
            "ds_type": "json",
            "type": "chat_template.default",
            "field_messages": "messages",
            "field_completion": "completion",
            "field_label": "label",
        }),
        (_, Some(Content::Whole(Text::Plain(_)))) => {
            json!({ "path": path, "ds_type": "json", "type": "completion", "field": "text" })
        }
        (_, Some(Content::Completion { completion: Text::Plain(_), .. })) => {
            json!({ "path": path, "ds_type": "json", "type": "input_output" })
        }
        _ => chat,
    }
}

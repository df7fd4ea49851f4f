//! `config.yaml` of TRL 1.16: every key that a run depends on is written, also where it has TRL's
//! default, so that another version with other defaults trains the same. What TRL has no key for
//! goes into `extras.json`, which `train.py` reads.

use serde_json::{Map, Value, json};

use super::base::Base;
use super::batches::Batches;
use super::preset::Layout;
use crate::data::forms::Content;
use crate::llm::{BIASES, INITS, Init, is_pattern};
use crate::train::config::metric::Better;
use crate::train::config::scheduler::SchedulerKwargs;
use crate::train::config::{
    DTYPES, Dtype, F_DIVERGENCES, Method, Objective, PACKING_STRATEGIES, PolicyConfig, TrainConfig,
};
use crate::train::rows::Row;

/// What a run is for TRL.
pub(super) struct Settings {
    pub keys: Map<String, Value>,
    pub extras: Value,

    /// What the person should know.
    pub notes: Vec<String>,
}

/// Keys in their order.
struct Keys(Map<String, Value>);

impl Keys {
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    /// A number or nothing.
    fn maybe(&mut self, key: &str, value: Option<impl Into<Value>>) {
        self.put(key, value.map_or(Value::Null, Into::into));
    }
}

pub(super) fn trl(
    config: &TrainConfig,
    base: &Base,
    (rows, held_out): (&[Row], usize),
    layout: Layout,
) -> Settings {
    let batches = Batches::of(config, layout);
    let mut notes: Vec<String> = batches.note(config, layout).into_iter().collect();
    let mut keys = Keys(Map::new());
    model(config, base, &mut keys);
    data(held_out, &mut keys);
    optimizer(config, batches, layout, &mut keys);
    log_and_save(config, held_out, &mut keys);
    objective(config, rows, &mut keys);
    if config.sample_steps > 0 && !config.objective.samples() {
        notes.push(
            "answers to a fixed prompt (sample_steps) are generated only in runs here".to_owned(),
        );
    }
    if config.rewards.iter().any(|reward| reward.rule.kind() == "regex") {
        notes.push(
            "regex rewards use Python's re there, which does not have all of the syntax that is allowed here"
                .to_owned(),
        );
    }
    let extras = extras(config);
    Settings { keys: keys.0, extras, notes }
}

fn model(config: &TrainConfig, base: &Base, keys: &mut Keys) {
    keys.put("model_name_or_path", base.name.as_str());
    keys.put("model_revision", base.revision.as_deref().unwrap_or("main"));
    let dtype = match config.dtype {
        // A quantised file: its full weights are trained beside.
        Dtype::Auto => "bfloat16",
        other => {
            DTYPES.iter().find(|(_, known)| *known == other).map_or("float32", |(name, _)| name)
        }
    };
    let dtype = if config.method == Method::Lora { dtype } else { "float32" };
    keys.put("dtype", dtype);
    keys.put("trust_remote_code", false);
    let is_new = config.method == Method::Lora && config.adapter.is_none();
    keys.put("use_peft", is_new);
    if !is_new {
        return;
    }
    let lora = &config.lora;
    keys.put("lora_r", lora.r);
    keys.put("lora_alpha", lora.lora_alpha.round() as i64);
    keys.put("lora_dropout", lora.lora_dropout);
    keys.put("lora_target_modules", json!(lora.target_modules));
    let saved = (!lora.modules_to_save.is_empty()).then(|| json!(lora.modules_to_save));
    keys.put("lora_modules_to_save", saved.unwrap_or(Value::Null));
    let is_reward = config.objective == Objective::Reward;
    keys.put("lora_task_type", if is_reward { "SEQ_CLS" } else { "CAUSAL_LM" });
    keys.put("use_rslora", lora.use_rslora);
    keys.put("use_dora", lora.use_dora);
}

fn data(held_out: usize, keys: &mut Keys) {
    keys.put("dataset_name", "./data");
    keys.put("dataset_train_split", "train");
    keys.put("dataset_test_split", if held_out > 0 { "test" } else { "train" });
}

fn optimizer(config: &TrainConfig, batches: Batches, layout: Layout, keys: &mut Keys) {
    keys.put("per_device_train_batch_size", batches.per_device);
    keys.put("per_device_eval_batch_size", batches.evaluated(config, layout));
    keys.put("gradient_accumulation_steps", batches.accumulation);
    keys.put("num_train_epochs", config.num_train_epochs);
    keys.put("max_steps", config.max_steps.map_or_else(|| json!(-1), |steps| json!(steps)));
    keys.put("learning_rate", config.learning_rate);
    keys.put("lr_scheduler_type", config.lr_scheduler_type.name());
    keys.put("lr_scheduler_kwargs", scheduler_kwargs(&config.lr_scheduler_kwargs));
    keys.put("warmup_steps", whole_or_float(config.warmup_steps));
    keys.put("optim", "adamw_torch_fused");
    keys.put("weight_decay", config.weight_decay);
    keys.put("adam_beta1", config.adam_beta1);
    keys.put("adam_beta2", config.adam_beta2);
    keys.put("adam_epsilon", config.adam_epsilon);
    keys.put("max_grad_norm", config.max_grad_norm);
    keys.put("train_sampling_strategy", if config.shuffles() { "random" } else { "sequential" });
    keys.put("dataloader_drop_last", false);
    keys.put("seed", config.seed);
    keys.put("data_seed", config.seed);
    keys.put("bf16", !layout.is_cpu());
    keys.put("fp16", false);
    keys.put("use_cpu", layout.is_cpu());
    keys.put("gradient_checkpointing", !layout.is_cpu());
    keys.put("ddp_find_unused_parameters", false);
}

fn scheduler_kwargs(kwargs: &SchedulerKwargs) -> Value {
    serde_json::to_value(kwargs).unwrap_or_else(|_never| json!({}))
}

/// Steps are a whole number, and a share of them is not.
fn whole_or_float(value: f64) -> Value {
    if value.fract() == 0.0 { json!(value as i64) } else { json!(value) }
}

/// Saved where it is never due: the last step is saved whatever this is.
const NEVER: usize = 1_000_000;

fn log_and_save(config: &TrainConfig, held_out: usize, keys: &mut Keys) {
    keys.put("output_dir", "./out");
    keys.put("report_to", "none");
    keys.put("logging_strategy", "steps");
    keys.put("logging_steps", 1);
    keys.put("logging_first_step", true);
    let evaluates = held_out > 0 && config.eval_steps > 0;
    keys.put("eval_strategy", if evaluates { "steps" } else { "no" });
    keys.maybe("eval_steps", evaluates.then_some(config.eval_steps));
    keys.put("save_strategy", "steps");
    let takes_best = evaluates && config.load_best_model_at_end;
    // transformers saves only where it evaluates, if the best checkpoint is wanted.
    let save = match (config.save_steps, takes_best) {
        (0, false) => NEVER,
        (0, true) => config.eval_steps,
        (steps, false) => steps,
        (steps, true) => steps.min(NEVER).next_multiple_of(config.eval_steps),
    };
    keys.put("save_steps", save);
    keys.put("save_total_limit", 3);
    keys.put("load_best_model_at_end", takes_best);
    keys.put("metric_for_best_model", config.metric_for_best_model.as_str());
    keys.put("greater_is_better", is_better_higher(config));
}

fn is_better_higher(config: &TrainConfig) -> bool {
    let metrics = config.objective.facts().metrics.iter();
    let mut metrics = metrics.filter(|metric| metric.evaluated() == config.metric_for_best_model);
    metrics.any(|metric| metric.facts().better == Some(Better::Higher))
}

fn objective(config: &TrainConfig, rows: &[Row], keys: &mut Keys) {
    let loss = config.loss_type.first().map_or("", String::as_str);
    match config.objective {
        Objective::Sft => {
            keys.put("max_length", config.max_length);
            keys.put("truncation_mode", json!(config.truncation_mode));
            keys.put("packing", config.packing);
            keys.put("packing_strategy", packing(config));
            keys.put("padding_free", false);
            let has_prompts =
                rows.iter().any(|row| matches!(row.understood.content, Content::Completion { .. }));
            keys.maybe("completion_only_loss", has_prompts.then_some(config.completion_only_loss));
            keys.put("assistant_only_loss", config.assistant_only_loss);
            keys.put("shuffle_dataset", false);
            keys.put("loss_type", if config.weighs_by_probability() { "dft" } else { "nll" });
        }
        Objective::Dpo => {
            keys.put("max_length", config.max_length);
            keys.put("truncation_mode", json!(config.truncation_mode));
            keys.put("padding_free", false);
            keys.put("beta", config.beta);
            keys.put("loss_type", json!(config.loss_type));
            let weights = (!config.loss_weights.is_empty()).then(|| json!(config.loss_weights));
            keys.put("loss_weights", weights.unwrap_or(Value::Null));
            keys.put("label_smoothing", config.label_smoothing);
            let known = F_DIVERGENCES.iter().find(|(_, of)| *of == config.f_divergence_type);
            keys.put("f_divergence_type", known.map_or("reverse_kl", |(name, _)| name));
            keys.put("f_alpha_divergence_coef", config.f_alpha_divergence_coef);
            keys.maybe("ld_alpha", config.ld_alpha);
            keys.put("use_weighting", config.use_weighting);
            keys.put("discopop_tau", 0.05);
            keys.put("disable_dropout", config.disable_dropout);
            keys.put("precompute_ref_log_probs", false);
            keys.put("sync_ref_model", false);
        }
        Objective::Kto => {
            keys.put("max_length", config.max_length);
            keys.put("beta", config.beta);
            keys.put("loss_type", loss);
            keys.put("desirable_weight", config.desirable_weight);
            keys.put("undesirable_weight", config.undesirable_weight);
            keys.put("disable_dropout", config.disable_dropout);
            keys.put("precompute_ref_log_probs", false);
            keys.put("sync_ref_model", false);
        }
        Objective::Orpo => {
            keys.put("max_length", config.max_length);
            keys.put("beta", config.beta);
            keys.put("disable_dropout", config.disable_dropout);
        }
        Objective::Cpo => {
            keys.put("max_length", config.max_length);
            keys.put("beta", config.beta);
            keys.put("loss_type", loss);
            keys.put("label_smoothing", config.label_smoothing);
            keys.put("cpo_alpha", config.cpo_alpha);
            keys.put("simpo_gamma", config.simpo_gamma);
            keys.put("alpha", config.alpha);
            keys.put("disable_dropout", config.disable_dropout);
        }
        Objective::Reward => {
            keys.put("max_length", config.max_length);
            keys.maybe("center_rewards_coefficient", config.center_rewards_coefficient);
            keys.put("disable_dropout", config.disable_dropout);
        }
        Objective::Grpo | Objective::Rloo => policy(config, loss, keys),
        Objective::Classify | Objective::Regress | Objective::Mlm | Objective::Pretrain => {}
    }
}

fn packing(config: &TrainConfig) -> &'static str {
    let known = PACKING_STRATEGIES.iter().find(|(_, of)| *of == config.packing_strategy);
    known.map_or("bfd", |(name, _)| name)
}

fn policy(config: &TrainConfig, loss: &str, keys: &mut Keys) {
    let PolicyConfig {
        num_generations,
        max_completion_length,
        temperature,
        top_p,
        top_k,
        min_p,
        repetition_penalty,
        steps_per_generation,
        num_iterations,
        epsilon,
        epsilon_high,
        delta,
        importance_sampling_level,
        scale_rewards,
        multi_objective_aggregation,
        mask_truncated_completions,
        top_entropy_quantile,
        entropy_coef,
        use_bias_correction_kl,
        sapo_temperature_neg,
        sapo_temperature_pos,
        normalize_advantages,
        reward_clip_range,
        max_kl: _, // train.py stops there
    } = &config.policy;
    keys.put("beta", config.beta);
    keys.put("num_generations", *num_generations);
    keys.put("max_completion_length", *max_completion_length);
    keys.put("temperature", *temperature);
    keys.put("top_p", *top_p);
    keys.put("top_k", *top_k);
    keys.maybe("min_p", *min_p);
    keys.put("repetition_penalty", *repetition_penalty);
    keys.maybe("steps_per_generation", *steps_per_generation);
    keys.put("num_iterations", *num_iterations);
    keys.put("epsilon", *epsilon);
    keys.maybe("epsilon_high", *epsilon_high);
    keys.put("mask_truncated_completions", *mask_truncated_completions);
    let weights: Vec<f64> = config.rewards.iter().map(|reward| reward.weight).collect();
    keys.put("reward_weights", json!(weights));
    keys.put("disable_dropout", config.disable_dropout);
    keys.put("shuffle_dataset", config.shuffle);
    keys.put("remove_unused_columns", false);
    keys.put("use_vllm", false);
    if config.objective == Objective::Rloo {
        keys.put("normalize_advantages", *normalize_advantages);
        keys.put("reward_clip_range", reward_clip_range.map_or(Value::Null, |range| json!(range)));
        return;
    }
    keys.put("loss_type", loss);
    keys.maybe("delta", *delta);
    keys.put("importance_sampling_level", importance_sampling_level.as_str());
    keys.put("scale_rewards", scale_rewards.as_str());
    keys.put("multi_objective_aggregation", multi_objective_aggregation.as_str());
    keys.put("top_entropy_quantile", *top_entropy_quantile);
    keys.put("entropy_coef", *entropy_coef);
    keys.put("use_bias_correction_kl", *use_bias_correction_kl);
    keys.put("sapo_temperature_neg", *sapo_temperature_neg);
    keys.put("sapo_temperature_pos", *sapo_temperature_pos);
}

/// The folder of the bundle that has the adapter which is continued.
pub(super) const ADAPTER_FOLDER: &str = "adapter";

fn extras(config: &TrainConfig) -> Value {
    let lora = &config.lora;
    let mut more = Map::new();
    let init = lora.init_lora_weights;
    let name = INITS.iter().find(|(_, known)| *known == init).map_or("true", |(name, _)| name);
    let init = if init == Init::Usual { json!(true) } else { json!(name) };
    more.insert("init_lora_weights".to_owned(), init);
    let bias =
        BIASES.iter().find(|(_, known)| *known == lora.bias).map_or("none", |(name, _)| name);
    more.insert("bias".to_owned(), json!(bias));
    if let Some(layers) = &lora.layers_to_transform {
        more.insert("layers_to_transform".to_owned(), json!(layers));
    }
    if !lora.layers_pattern.is_empty() {
        more.insert("layers_pattern".to_owned(), json!(lora.layers_pattern));
    }
    for (key, table) in
        [("rank_pattern", &lora.rank_pattern), ("alpha_pattern", &lora.alpha_pattern)]
    {
        if !table.0.is_empty() {
            // PEFT makes tensors of so many rows, and takes no float for that.
            let entries = table.0.iter();
            let entries = entries.map(|(name, value)| (name.clone(), whole_or_float(*value)));
            more.insert(key.to_owned(), Value::Object(entries.collect()));
        }
    }
    if lora.lora_alpha.fract() != 0.0 {
        more.insert("lora_alpha".to_owned(), json!(lora.lora_alpha));
    }
    if let [one] = &lora.target_modules[..]
        && is_pattern(one)
    {
        more.insert("target_modules".to_owned(), json!(one));
    }
    let is_lora = config.method == Method::Lora;
    let patience = config.early_stopping_patience;
    let early_stopping = (patience > 0).then(|| {
        json!({
            "early_stopping_patience": patience,
            "early_stopping_threshold": config.early_stopping_threshold,
        })
    });
    let mut all = json!({
        "objective": config.objective.facts().key,
        "lora": if is_lora && config.adapter.is_none() { Value::Object(more) } else { Value::Null },
        "adapter": config.adapter.is_some().then_some(ADAPTER_FOLDER),
        "biases_only": config.method == Method::Bias,
        "early_stopping": early_stopping,
    });
    if config.objective.samples() {
        let rules = config.rewards.iter().map(|reward| {
            let mut rule = serde_json::to_value(reward).unwrap_or_default();
            rule["title"] = json!(reward.title());
            rule
        });
        all["rewards"] = rules.collect();
        all["max_kl"] = json!(config.policy.max_kl);
    }
    all
}

//! Settings of TRL, transformers and PEFT that a run here does not have, and what is done in their place: whoever
//! takes over a configuration is told of each what to do with it.

/// The name, and what is so here.
const OTHERS: [(&str, &str); 46] = [
    ("output_dir", "the run's folder is said by --out, or made by the window"),
    ("overwrite_output_dir", "a folder that holds a run is never overwritten"),
    ("run_name", "a run is named after its folder, and renamed in the window"),
    ("logging_steps", "every step is written into metrics.jsonl"),
    ("logging_strategy", "every step is written into metrics.jsonl"),
    ("logging_first_step", "every step is written into metrics.jsonl"),
    ("logging_dir", "metrics.jsonl lies in the run's folder"),
    ("report_to", "curves are in the window and in metrics.jsonl"),
    (
        "eval_strategy",
        "eval_steps says after how many steps the held-out rows are measured; 0 is at the end",
    ),
    (
        "evaluation_strategy",
        "eval_steps says after how many steps the held-out rows are measured; 0 is at the end",
    ),
    ("eval_on_start", "the held-out rows are measured for the first time after eval_steps steps"),
    (
        "do_eval",
        "eval_steps says after how many steps the held-out rows are measured; 0 is at the end",
    ),
    ("do_train", "a run file always trains"),
    (
        "save_strategy",
        "save_steps says after how many steps a checkpoint is written; 0 is at the end and at Stop",
    ),
    ("save_total_limit", "there is one checkpoint to resume from, and the best one"),
    ("save_only_model", "a checkpoint always has what resuming needs"),
    ("bf16", "what learns is in f32"),
    ("fp16", "what learns is in f32"),
    ("tf32", "what learns is in f32"),
    ("bf16_full_eval", "what learns is in f32"),
    ("use_cpu", "a run computes on the processor"),
    ("no_cuda", "a run computes on the processor"),
    (
        "gradient_checkpointing",
        "the estimate says what the backward pass keeps; a smaller batch needs less",
    ),
    (
        "gradient_checkpointing_kwargs",
        "the estimate says what the backward pass keeps; a smaller batch needs less",
    ),
    ("optim", "the optimizer is AdamW, as adamw_torch computes it"),
    (
        "per_device_eval_batch_size",
        "held-out rows are measured in batches that fit into the memory",
    ),
    ("eval_accumulation_steps", "held-out rows are measured in batches that fit into the memory"),
    ("dataloader_num_workers", "rows are prepared before the first step"),
    ("dataloader_pin_memory", "rows are prepared before the first step"),
    ("dataloader_drop_last", "the last batch of an epoch is smaller"),
    ("dataset_num_proc", "rows are prepared before the first step"),
    ("remove_unused_columns", "columns that are not used are ignored"),
    ("group_by_length", "rows are taken in a drawn order; packing puts short ones together"),
    ("ddp_find_unused_parameters", "a bundle says it: tuning-fork bundle"),
    ("deepspeed", "a bundle says it: tuning-fork bundle --preset zero2"),
    ("fsdp", "a bundle says it: tuning-fork bundle --preset fsdp2"),
    ("use_vllm", "answers are sampled by the program itself"),
    ("push_to_hub", "nothing is sent to the Hub"),
    ("hub_model_id", "nothing is sent to the Hub"),
    ("data_seed", "seed draws the order of the rows, too"),
    ("disable_tqdm", "progress is shown where there is a terminal"),
    ("warmup_ratio", "warmup_steps below 1 is a share of all steps, as in transformers 5"),
    ("max_seq_length", "TRL calls it max_length now, and so do we"),
    ("max_prompt_length", "TRL has it no more: max_length cuts prompt and answer together"),
    ("neftune_noise_alpha", "no noise is added to embeddings"),
    ("use_liger_kernel", "the program has its own kernels"),
];

/// Settings that stand in a table of their own, with its name and theirs in it.
const IN_A_TABLE: [(&str, &str, &str); 22] = [
    ("r", "lora", "r"),
    ("lora_r", "lora", "r"),
    ("lora_alpha", "lora", "lora_alpha"),
    ("lora_dropout", "lora", "lora_dropout"),
    ("lora_target_modules", "lora", "target_modules"),
    ("target_modules", "lora", "target_modules"),
    ("modules_to_save", "lora", "modules_to_save"),
    ("use_rslora", "lora", "use_rslora"),
    ("use_dora", "lora", "use_dora"),
    ("init_lora_weights", "lora", "init_lora_weights"),
    ("num_generations", "policy", "num_generations"),
    ("max_completion_length", "policy", "max_completion_length"),
    ("temperature", "policy", "temperature"),
    ("top_p", "policy", "top_p"),
    ("top_k", "policy", "top_k"),
    ("num_iterations", "policy", "num_iterations"),
    ("steps_per_generation", "policy", "steps_per_generation"),
    ("epsilon", "policy", "epsilon"),
    ("epsilon_high", "policy", "epsilon_high"),
    ("scale_rewards", "policy", "scale_rewards"),
    ("num_virtual_tokens", "soft_prompt", "num_virtual_tokens"),
    ("prompt_tuning_init_text", "soft_prompt", "prompt_tuning_init_text"),
];

/// What is said of such a setting, instead of that it is unknown. `None`: it is none of them.
pub fn said_of(name: &str) -> Option<String> {
    if let Some((_, table, own)) = IN_A_TABLE.iter().find(|(known, ..)| *known == name) {
        return Some(format!(
            "`{name}` stands in a table of its own: [{table}] and under it {own} = …"
        ));
    }
    let (name, instead) = OTHERS.iter().find(|(known, _)| *known == name)?;
    Some(format!("a run here has no `{name}`: {instead}. Leave it out"))
}

/// The name in the message of serde that a field is unknown.
pub fn unknown_in(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("unknown field `")?;
    rest.split('`').next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::run_file::parse;

    #[test]
    fn what_is_said_to_be_elsewhere_is_there_and_the_rest_is_nowhere() {
        for (name, table, own) in IN_A_TABLE {
            assert!(parse(&format!("{name} = 1\n")).is_err(), "{name} is known by itself");
            let problem = parse(&format!("[{table}]\n{own} = 1\n")).err().unwrap_or_default().1;
            assert!(!problem.contains("unknown field"), "[{table}] has no {own}: {problem}");
        }
        for (name, _) in OTHERS {
            let (_, problem) = parse(&format!("{name} = 1\n")).unwrap_err();
            assert!(problem.contains("Leave it out"), "{name}: {problem}");
        }
        // One that nobody has stays unknown, also within a table.
        let (_, problem) = parse("[lora]\noutput_dir = 1\n").unwrap_err();
        assert!(problem.contains("unknown field"), "{problem}");
        let (_, problem) = parse("learning_rat = 1\n").unwrap_err();
        assert!(problem.contains("unknown field"), "{problem}");
    }
}

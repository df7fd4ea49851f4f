//! Runs of TRL that are kept in `tests/reference/traces`, each replayed: what the same means is said in
//! `traces.rs`.

use crate::traces::{assert_all_linear_is_pefts, replay, replay_but};

#[test]
fn dpo_sigmoid_is_that_of_trl() {
    replay("dpo_sigmoid");
}

#[test]
fn dpo_on_plain_text_is_that_of_trl() {
    replay("dpo_plain_text");
}

#[test]
fn dpo_ipo_is_that_of_trl() {
    replay("dpo_ipo");
}

#[test]
fn dpo_with_accumulation_clipping_and_warm_up_is_that_of_trl() {
    replay("dpo_accum_cosine");
}

#[test]
fn dpo_on_qwen3_is_that_of_trl() {
    replay("dpo_qwen3");
}

#[test]
fn dpo_with_the_jensen_shannon_divergence_is_that_of_trl() {
    replay("dpo_js");
}

#[test]
fn dpo_with_an_alpha_divergence_is_that_of_trl() {
    replay("dpo_alpha");
}

#[test]
fn dpo_with_lighter_tails_is_that_of_trl() {
    replay("dpo_ld");
}

#[test]
fn dpo_on_sorted_margins_is_that_of_trl() {
    replay("dpo_aot");
}

#[test]
fn dpo_weighed_by_the_policy_is_that_of_trl() {
    replay("dpo_wpo");
}

#[test]
fn supervised_fine_tuning_is_that_of_trl() {
    replay("sft");
}

#[test]
fn sft_with_each_token_by_its_probability_is_that_of_trl() {
    replay("sft_dft");
}

#[test]
fn odd_pairs_under_odd_settings_are_those_of_trl() {
    replay("odd_dpo");
}

#[test]
fn odd_rows_learned_as_a_whole_are_those_of_trl() {
    replay("odd_sft");
}

#[test]
fn kto_is_that_of_trl() {
    replay("kto");
}

#[test]
fn orpo_is_that_of_trl() {
    replay("orpo");
}

#[test]
fn cpo_is_that_of_trl() {
    replay("cpo");
}

#[test]
fn simpo_is_that_of_trl() {
    replay("cpo_simpo");
}

#[test]
fn packed_rows_are_learned_as_by_trl() {
    replay("sft_packing");
}

// A model with learned positions, which begin anew with each row of a pack.
#[test]
fn packed_rows_are_learned_by_gpt2_as_by_trl() {
    replay("sft_packed_gpt2");
}

#[test]
fn lora_on_every_linear_layer_of_gpt2_is_that_of_trl() {
    replay("lora_all_linear");
}

#[test]
fn lora_on_some_layers_is_that_of_trl() {
    replay("lora_layers");
}

#[test]
fn lora_with_ranks_of_its_own_is_that_of_trl() {
    replay("lora_patterns");
}

#[test]
fn dora_is_that_of_trl() {
    replay("lora_dora");
}

#[test]
fn full_fine_tuning_of_a_tied_model_is_that_of_trl() {
    replay("full_llama");
}

/// Compressed keys and values, norms of each head in one tensor, and keys that are values.
#[test]
fn full_fine_tuning_of_families_with_parts_of_their_own_is_that_of_trl() {
    for name in ["full_sft_minicpm3", "full_dpo_cohere_norms", "full_sft_gemma4_dense"] {
        replay_but(name, 1);
    }
}

#[test]
fn full_fine_tuning_of_an_untied_model_is_that_of_trl() {
    replay("full_mistral");
}

#[test]
fn biases_trained_beside_lora_are_those_of_trl() {
    replay("lora_bias");
}

#[test]
fn lora_on_the_embedding_is_that_of_trl() {
    replay("lora_embed");
}

#[test]
fn lora_on_the_head_is_that_of_transformers() {
    replay("lora_lm_head");
}

#[test]
fn a_whole_head_trained_beside_lora_is_that_of_trl() {
    replay("lora_save_head");
}

#[test]
fn prompt_tuning_from_a_text_is_that_of_trl() {
    replay("prompt_text_init");
}

#[test]
fn prompt_tuning_on_whole_texts_is_that_of_trl() {
    replay("prompt_given_init");
}

#[test]
fn prefix_tuning_is_that_of_trl() {
    replay("prefix");
}

/// GPT-2 counts the first token of a text; what is held out is measured, too.
#[test]
fn prompt_tuning_of_gpt2_is_that_of_trl() {
    replay("soft_prompt_gpt2");
}

#[test]
fn dpo_of_a_soft_prompt_is_that_of_trl() {
    replay("soft_prompt_dpo");
}

#[test]
fn prefix_tuning_of_gemma3_is_that_of_trl() {
    replay("soft_prefix_gemma3");
}

/// Attention and Mamba-2 side by side, with all of Falcon-H1's multipliers.
#[test]
fn falcon_h1_is_trained_as_by_trl() {
    replay("falcon_h1");
    replay("falcon_h1_sft");
}

/// Short convolutions, attention behind a gate for each head, norms on both sides.
#[test]
fn lfm3_is_trained_as_by_trl() {
    replay("lfm3");
    replay("lfm3_sft");
}

/// The gated delta rule, and attention behind a gate for each value; the same with experts. `all-linear` is the
/// layers that PEFT takes.
#[test]
fn qwen3_5_and_its_mixture_are_trained_as_by_trl() {
    // One value of in_proj_a's B has a gradient of 3.7e-8 in float64, and of -3.0e-8 in TRL's f32: Adam takes a
    // whole step the other way there.
    replay_but("qwen3_5", 1);
    // Four values of in_proj_a's B have gradients of 2e-9 to 2e-8 in float64, where the largest has 2e-2: which
    // way Adam's whole step goes there is noise in TRL's f32 and in ours.
    replay_but("qwen3_5_moe", 2);
    assert_all_linear_is_pefts("qwen3_5_moe");
    assert_all_linear_is_pefts("qwen3_5");
}

/// Matrices that are packed by key head, and experts beside a shared one behind a gate.
#[test]
fn qwen3_next_is_trained_as_by_trl() {
    replay("qwen3_next");
}

/// Sinks, windows, yarn, experts with biases whose gates are clamped.
#[test]
fn gpt_oss_is_trained_as_by_trl() {
    replay("gpt_oss");
    assert_all_linear_is_pefts("gpt_oss");
}

/// Keys and values that are compressed, and queries too, with yarn's scale; routers with corrections and groups.
#[test]
fn compressed_keys_and_values_are_trained_as_by_trl() {
    replay("deepseek_v3");
}

/// Several hidden states, layers that look at the keys of another, vectors of each layer, activations of which few
/// are kept.
#[test]
fn gemma_3n_and_4_are_trained_as_by_trl() {
    replay("gemma3n");
    replay("gemma4_e");
}

/// A bias for what is far away, whose heads are no power of two; values that are cut off.
#[test]
fn mpt_is_trained_as_by_trl() {
    replay("mpt_6_heads");
    assert_all_linear_is_pefts("mpt_6_heads");
}

/// Weights of experts that do not add up to 1, norms over all heads; queries, keys and values that are cut off.
#[test]
fn olmoe_is_trained_as_by_trl() {
    replay("olmoe");
    replay("olmoe_clipped");
}

/// With routers that choose as in answers.
#[test]
fn phi_moe_is_trained_as_by_trl() {
    replay("phimoe");
}

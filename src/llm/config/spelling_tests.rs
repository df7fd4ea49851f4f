//! What transformers 5.23 makes of settings that a file leaves out or spells in the older way: found by
//! comparing random models of every family (`tests/reference/make_families.py` makes those that are kept).

use std::path::Path;

use serde_json::{Value, json};

use super::Config;
use super::families::from_json;
use crate::llm::error::Error;

fn read(family: &str, more: &Value) -> Config {
    tried(family, more).unwrap()
}

fn tried(family: &str, more: &Value) -> Result<Config, Error> {
    let mut all = json!({
        "model_type": family, "vocab_size": 64, "hidden_size": 16, "intermediate_size": 20,
        "num_hidden_layers": 5, "num_attention_heads": 2, "num_key_value_heads": 1,
    });
    let more = more.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(more);
    from_json(&all, Path::new("config.json"))
}

#[test]
fn every_second_layer_of_qwen2_moe_has_a_window_up_to_a_number_of_them() {
    let settings = json!({
        "use_sliding_window": true, "sliding_window": 6, "max_window_layers": 3,
    });
    let windows = |family: &str| -> Vec<bool> {
        read(family, &settings).layers.iter().map(|layer| layer.window.is_some()).collect()
    };
    assert_eq!(windows("qwen2_moe"), [true, false, true, false, false]);
    assert_eq!(windows("qwen2"), [false, false, false, true, true]);
}

#[test]
fn a_base_outside_counts_only_where_the_rope_of_a_family_has_none() {
    let outside = json!({ "rope_theta": 1000.0, "rope_scaling": null });
    for family in ["apertus", "ministral3"] {
        assert_eq!(read(family, &outside).ropes, read(family, &json!({})).ropes, "{family}");
    }
    assert_ne!(read("gpt_oss", &outside).ropes, read("gpt_oss", &json!({})).ropes);
}

#[test]
fn rope_of_one_kind_of_layers_looks_for_its_settings_within() {
    let full = |more: &Value| {
        let mut full = json!({
            "rope_type": "yarn", "factor": 4.0, "rope_theta": 1e4,
            "original_max_position_embeddings": 8,
        });
        full.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let sliding = json!({ "rope_type": "default", "rope_theta": 1e4 });
        json!({ "rope_parameters": { "full_attention": full, "sliding_attention": sliding } })
    };
    let plain = read("olmo3", &full(&json!({})));
    assert_eq!(read("olmo3", &full(&json!({ "truncate": false }))).ropes, plain.ropes);
    let mut outside = full(&json!({}));
    outside["original_max_position_embeddings"] = json!(32);
    assert_eq!(read("olmo3", &outside).ropes, plain.ropes);
}

#[test]
fn the_head_of_ernies_mixture_has_the_bias_of_its_other_matrices() {
    assert!(read("ernie4_5_moe", &json!({ "use_bias": true })).head_bias);
    assert!(!read("ernie4_5", &json!({ "use_bias": true })).head_bias);
}

/// Moonlight-16B-A3B's `config.json`, with what it says beside a `DeepSeek` V3's.
#[test]
fn moonlight_is_a_deepseek_v3_without_compressed_queries() {
    let config = read(
        "deepseek_v3",
        &json!({
            "num_key_value_heads": 2, "q_lora_rank": null, "kv_lora_rank": 8, "qk_nope_head_dim": 4,
            "qk_rope_head_dim": 4, "v_head_dim": 4, "n_routed_experts": 64, "n_shared_experts": 2,
            "num_experts_per_tok": 6, "moe_intermediate_size": 8, "n_group": 1, "topk_group": 1,
            "topk_method": "noaux_tc", "scoring_func": "sigmoid", "routed_scaling_factor": 2.446,
            "first_k_dense_replace": 1, "moe_layer_freq": 1, "ep_size": 1, "seq_aux": true,
            "norm_topk_prob": true, "num_nextn_predict_layers": 0, "rope_scaling": null,
            "auto_map": { "AutoModelForCausalLM": "modeling_deepseek.DeepseekV3ForCausalLM" },
        }),
    );
    let experts = config.experts.unwrap();
    assert_eq!((experts.groups, experts.scale, experts.correction), (None, 2.446, true));
    assert_eq!(experts.shared.unwrap().width, 16);
    assert_eq!(config.latent.unwrap().q_rank, None);
    let layers: Vec<bool> = config.layers.iter().map(|layer| layer.experts).collect();
    assert_eq!(layers, [false, true, true, true, true]);
}

/// What transformers reads and computes as if it were otherwise, and what fits no model.
#[test]
fn settings_that_are_not_computed_are_refused_by_their_names() {
    for (family, key, value, said) in [
        ("deepseek_v3", "scoring_func", json!("softmax"), "sigmoid was expected"),
        ("deepseek_v3", "moe_layer_freq", json!(2), "moe_layer_freq = 2"),
        ("deepseek_v3", "n_group", json!(7), "groups of the 256 experts were expected"),
        ("glm4_moe_lite", "mlp_layer_types", json!(["dense"]), "for each of the 5 layers"),
        ("glm4_moe_lite", "partial_rotary_factor", json!(0.5), "1 was expected"),
        ("mpt", "attn_config", json!({ "alibi": false }), "alibi = false; true was expected"),
        ("mpt", "attn_config", json!({ "alibi_bias_max": 16 }), "8 was expected"),
        ("mpt", "attn_config", json!({ "qk_ln": true }), "qk_ln = true"),
        ("mpt", "expansion_ratio", json!(2), "4 was expected"),
        ("codegen", "rotary_dim", json!(4), "a multiple of 4 was expected"),
        ("gpt_bigcode", "add_cross_attention", json!(true), "add_cross_attention = true"),
        ("gemma3n_text", "altup_active_idx", json!(4), "one of the 4 hidden states"),
        ("gemma3n_text", "activation_sparsity_pattern", json!([0.5]), "each of the 5 layers"),
        ("gemma3n_text", "intermediate_size", json!([20, 20]), "each of the 5 layers"),
        ("gemma3n_text", "num_kv_shared_layers", json!(5), "at most 4 was expected"),
    ] {
        let error = tried(family, &json!({ key: value })).unwrap_err().to_string();
        assert!(error.contains(said), "{family}: {error}");
    }
}

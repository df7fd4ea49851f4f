//! What transformers 5.23 makes of settings that a file leaves out or spells in the older way: found by
//! comparing random models of every family (`tests/reference/make_families.py` makes those that are kept).

use std::path::Path;

use serde_json::{Value, json};

use super::Config;
use super::families::from_json;

fn read(family: &str, more: &Value) -> Config {
    let mut all = json!({
        "model_type": family, "vocab_size": 64, "hidden_size": 16, "intermediate_size": 20,
        "num_hidden_layers": 5, "num_attention_heads": 2, "num_key_value_heads": 1,
    });
    let more = more.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(more);
    from_json(&all, Path::new("config.json")).unwrap()
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

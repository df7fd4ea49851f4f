//! What is read and refused of PEFT's settings.

use std::path::Path;

use super::*;

fn config(change: &Value) -> PeftConfig {
    let mut json = json!({ "peft_type": "LORA" });
    for (key, value) in change.as_object().unwrap() {
        json[key] = value.clone();
    }
    PeftConfig::from_json(&json, Path::new("adapter_config.json")).unwrap()
}

const Q0: &str = "model.layers.0.self_attn.q_proj";
const Q1: &str = "model.layers.1.self_attn.q_proj";

/// Each as `check_target_module_exists` of PEFT 0.21.2 answers.
#[test]
fn a_module_is_changed_where_peft_changes_it() {
    for (settings, left_out) in [
        (json!({ "target_modules": ["q_proj"] }), [None, None]),
        (json!({ "target_modules": ["v_proj"] }), [Some("target_modules"); 2]),
        (json!({ "target_modules": r".*\.1\..*" }), [Some("target_modules"), None]),
        (json!({ "target_modules": "All-Linear" }), [None, None]),
        (
            json!({ "target_modules": ["q_proj"], "exclude_modules": ["1.self_attn.q_proj"] }),
            [None, Some("exclude_modules")],
        ),
        (
            json!({ "target_modules": ["q_proj"], "exclude_modules": r".*\.0\..*" }),
            [Some("exclude_modules"), None],
        ),
        (
            json!({ "target_modules": ["q_proj"], "layers_to_transform": [1] }),
            [Some("layers_to_transform"), None],
        ),
        (
            json!({ "target_modules": ["q_proj"], "layers_to_transform": 0,
                    "layers_pattern": "layers" }),
            [None, Some("layers_to_transform")],
        ),
        (
            json!({ "target_modules": ["q_proj"], "layers_to_transform": [0],
                    "layers_pattern": ["blocks"] }),
            [Some("layers_to_transform"); 2], // no such list of layers
        ),
        // a whole path is meant wherever its layer is
        (
            json!({ "target_modules": [Q0], "layers_to_transform": [1] }),
            [None, Some("target_modules")],
        ),
    ] {
        let config = config(&settings);
        assert_eq!([Q0, Q1].map(|module| config.left_out_by(module)), left_out, "{settings}");
    }
}

#[test]
fn a_new_adapter_of_a_decoder_with_a_tower_means_the_decoder_alone() {
    let layers = [Q0, Q1, "model.layers.0.mlp.up_proj"];
    let layers = layers.map(|name| LinearInfo { name: name.to_owned(), outputs: 1, inputs: 1 });
    let spec = |target: &str| LoraSpec {
        r: 1,
        lora_alpha: 1.0,
        lora_dropout: 0.0,
        use_rslora: false,
        target_modules: vec![target.to_owned()],
        ..LoraSpec::default()
    };
    let decoder = Some("model.language_model.");
    for target in ["q_proj", "all-linear", r"model\.layers\.\d\.self_attn.q_proj", Q0] {
        let made = PeftConfig::from_spec(&spec(target), &layers, Naming::Llama, decoder);
        let q0 = "model.language_model.layers.0.self_attn.q_proj";
        let tower = "model.vision_tower.encoder.layers.0.self_attn.q_proj";
        assert_eq!(made.left_out_by(q0), None, "{target}: {:?}", made.target_modules);
        assert_eq!(made.left_out_by(tower), Some("target_modules"), "{target}");
    }
}

#[test]
fn a_start_that_cannot_be_made_again_is_refused_by_its_name() {
    for start in ["loftq", "corda", "pissa_niter_4", "something_new"] {
        let json = json!({ "peft_type": "LORA", "init_lora_weights": start });
        let error = PeftConfig::from_json(&json, Path::new("a.json")).unwrap_err().to_string();
        assert!(error.contains(start), "{error}");
    }
}

//! An adapter for other programs: merged into a folder of its own, and as GGUF. Whether
//! transformers and llama.cpp take them: `tests/reference/check_exports.py`.

use std::path::Path;

use candle_core::Tensor;
use tuning_fork_engine::jobs::{Quiet, Recorder};
use tuning_fork_engine::llm::adapter_files::gguf_lora;
use tuning_fork_engine::llm::adapter_files::merge::merge;
use tuning_fork_engine::llm::files::gguf::GgufFile;
use tuning_fork_engine::llm::{Adapter, Error, LoraSpec, Model, Positions, Weights};

use crate::support;
use crate::support::{assert_close, load, reference};

/// An adapter on every linear layer whose B is not zero.
fn lively(model: &Model, use_rslora: bool) -> Adapter {
    let spec = LoraSpec {
        r: 4,
        lora_alpha: 16.0,
        lora_dropout: 0.0,
        use_rslora,
        target_modules: vec!["all-linear".to_owned()],
        ..LoraSpec::default()
    };
    support::lively(model, &spec)
}

fn logits(model: &Model, adapter: Option<&Adapter>) -> Tensor {
    let ids: Vec<u32> = (0..20).map(|at| (at * 37 + 11) % 380).collect();
    model.logits(&ids, &mut model.new_cache(), adapter, Positions::All).unwrap()
}

#[test]
fn a_merged_folder_answers_as_model_and_adapter_together() {
    let models = ["gemma2", "gemma3", "gpt2", "llama", "mistral", "phi3", "qwen2", "qwen3"];
    for name in models {
        let model = load(&reference("models").join(name), Weights::F32);
        let adapter = lively(&model, false);
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("merged");
        merge(&model, &adapter, &folder, &Quiet).unwrap();
        let merged = load(&folder, Weights::F32);
        let expected = logits(&model, Some(&adapter));
        assert_close(&logits(&merged, None), &expected, 2e-4, name);
        assert!(folder.join("config.json").is_file());
    }
}

/// Every GGUF file whose family can be said in a `config.json`. transformers loads the folders in
/// `check_merged_gguf.py`.
#[test]
fn a_gguf_file_and_an_adapter_become_a_folder_or_the_architecture_is_named() {
    let refused = [
        "falcon_h1",
        "falcon_h1_normed",
        "gemma3n",
        "gemma4_e",
        "gemma4_moe",
        "gpt_oss",
        "granitehybrid",
        "granitehybrid_dense",
        "granitemoe",
        "hunyuan_moe",
        "lfm2",
        "lfm2moe",
        "minicpm3",
        "mistral4",
        "phimoe",
        "qwen35",
        "qwen35moe",
        "qwen3next",
        "ernie4_5_moe",
    ];
    let mut wrong = Vec::new();
    let mut names: Vec<_> = std::fs::read_dir(reference("gguf_families")).unwrap().collect();
    names.sort_by_key(|entry| entry.as_ref().unwrap().file_name());
    for entry in names {
        let home = entry.unwrap().path();
        let name = home.file_name().unwrap().to_string_lossy().into_owned();
        let model = load(&home.join("model.gguf"), Weights::F32);
        let adapter = lively(&model, false);
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("merged");
        let merged = merge(&model, &adapter, &to, &Quiet);
        if let Err(error) = merged {
            let said = error.to_string();
            if !(refused.contains(&name.as_str()) && said.contains("general.architecture")) {
                wrong.push(format!("{name}: {said}"));
            }
            continue;
        }
        if refused.contains(&name.as_str()) {
            wrong.push(format!("{name} is merged"));
        }
        let ids: Vec<u32> = (0..20).map(|at| (at * 37 + 11) % 64).collect();
        let all = |model: &Model, adapter: Option<&Adapter>| {
            model.logits(&ids, &mut model.new_cache(), adapter, Positions::All).unwrap()
        };
        let merged = load(&to, Weights::F32);
        let (found, expected) = (all(&merged, None), all(&model, Some(&adapter)));
        let off = support::distance(&found, &expected);
        let largest =
            support::values(&expected).into_iter().fold(1.0_f32, |most, x| most.max(x.abs()));
        if off.is_nan() || off > 2e-4 * largest {
            wrong.push(format!("{name} is off by {off}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_stopped_merge_leaves_nothing_that_looks_like_a_model() {
    let model = load(&reference("models/llama"), Weights::F32);
    let adapter = lively(&model, false);
    let folder = tempfile::tempdir().unwrap();
    let stopped = merge(&model, &adapter, folder.path(), &Recorder::stop_after(2));
    assert!(matches!(stopped, Err(Error::Cancelled(_))), "{stopped:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    std::fs::copy(reference("models/llama/config.json"), folder.path().join("a.json")).unwrap();
    let occupied = merge(&model, &adapter, folder.path(), &Quiet).unwrap_err();
    assert!(format!("{:?}", causes(&occupied)).contains("not empty"));
}

/// An error and its causes.
fn causes(err: &dyn std::error::Error) -> Vec<String> {
    std::iter::successors(Some(err), |err| err.source()).map(ToString::to_string).collect()
}

fn f32s(file: &GgufFile, name: &str) -> Vec<f32> {
    let bytes = file.tensor_bytes(name).unwrap_or_else(|| panic!("{name} is there"));
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn written(model: &Model, adapter: &Adapter, folder: &Path) -> GgufFile {
    let path = folder.join("adapter.gguf");
    gguf_lora::write(adapter, model.config(), &path).unwrap();
    GgufFile::open(&path).unwrap()
}

#[test]
fn the_gguf_adapter_has_llama_cpps_names_shapes_and_row_order() {
    let model = load(&reference("models/llama"), Weights::F32);
    let adapter = lively(&model, false);
    let folder = tempfile::tempdir().unwrap();
    let file = written(&model, &adapter, folder.path());
    assert_eq!(file.str("general.type"), Some("adapter"));
    assert_eq!(file.str("general.architecture"), Some("llama"));
    assert_eq!(file.str("adapter.type"), Some("lora"));
    assert_eq!(file.f32("adapter.lora.alpha"), Some(16.0));
    assert_eq!(file.tensors().count(), adapter.vars().len());
    let vars = adapter.vars();
    let of = |ending: &str| {
        let found = vars.iter().find(|(name, _)| name.ends_with(ending)).unwrap();
        found.1.as_tensor().flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    // A as it is; rows of the values' B too; rows of the queries' B in llama.cpp's order
    let attention = "layers.0.self_attn";
    assert_eq!(
        f32s(&file, "blk.0.attn_q.weight.lora_a"),
        of(&format!("{attention}.q_proj.lora_A.weight"))
    );
    assert_eq!(
        f32s(&file, "blk.0.attn_v.weight.lora_b"),
        of(&format!("{attention}.v_proj.lora_B.weight"))
    );
    let (stored, ours) = (
        f32s(&file, "blk.0.attn_q.weight.lora_b"),
        of(&format!("{attention}.q_proj.lora_B.weight")),
    );
    let half = model.config().head_dim / 2;
    assert_eq!(stored[..4], ours[..4]); // row 0 stays
    assert_eq!(stored[4..8], ours[half * 4..half * 4 + 4]); // its partner comes next
    let down = file.tensor("blk.0.ffn_down.weight.lora_a").unwrap();
    assert_eq!(down.shape, [4, model.config().mlp_width]);
}

#[test]
fn rslora_is_kept_although_gguf_cannot_say_it() {
    let model = load(&reference("models/llama"), Weights::F32);
    let adapter = lively(&model, true);
    let folder = tempfile::tempdir().unwrap();
    let file = written(&model, &adapter, folder.path());
    let vars = adapter.vars();
    let (_, b) =
        vars.iter().find(|(name, _)| name.ends_with("0.mlp.down_proj.lora_B.weight")).unwrap();
    let ours = b.as_tensor().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let stored = f32s(&file, "blk.0.ffn_down.weight.lora_b");
    // alpha / sqrt(r) instead of alpha / r: twice as much for rank 4
    for (stored, ours) in stored.iter().zip(ours) {
        assert!((stored - 2.0 * ours).abs() < 1e-6);
    }
}

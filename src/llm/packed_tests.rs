//! Folders that other libraries have packed against the weights that they stand for: `make_packed.py`.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};

use super::*;
use crate::jobs::Quiet;

const METHODS: [&str; 7] = ["gptq", "gptq_8", "gptq_order", "gptq_v2", "awq", "fp8", "fp8_rows"];

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference")
}

/// A folder as the Hub has it, with the tokenizer.
fn folder(method: &str, change: impl FnOnce(&mut serde_json::Value)) -> tempfile::TempDir {
    let (to, from) = (tempfile::tempdir().unwrap(), reference().join("packed").join(method));
    let text = std::fs::read_to_string(from.join("config.json")).unwrap();
    let mut config = serde_json::from_str(&text).unwrap();
    change(&mut config);
    files::write_atomic(&to.path().join("config.json"), config.to_string().as_bytes()).unwrap();
    for file in [from.join("model.safetensors"), reference().join("models/llama/tokenizer.json")] {
        std::fs::copy(&file, to.path().join(file.file_name().unwrap())).unwrap();
    }
    to
}

fn load(folder: &Path, weights: Weights) -> Result<Model, Error> {
    Model::load(
        &ModelSource::Folder(folder.to_owned()),
        &LoadOptions { weights, ..LoadOptions::default() },
        &Quiet,
    )
}

#[test]
fn packed_folders_compute_what_their_numbers_stand_for() {
    for method in METHODS {
        let packed = folder(method, |_| {});
        let path = reference().join("packed").join(method).join("expected.safetensors");
        let expected = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        let ids = expected["ids"].to_dtype(DType::U32).unwrap().to_vec1().unwrap();
        let values = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (weights, tolerance) in [
            // Eight-bit floats round once more when they are kept as bfloat16, and whole numbers that are
            // not in runs when they are kept as float16; activations are rounded beside packed ones.
            (Weights::AsStored, 2e-2),
            (Weights::F32, 2e-4),
            (Weights::Q8_0, 0.3),
        ] {
            let model = load(packed.path(), weights).unwrap();
            assert_eq!(model.unused_tensors(), [""; 0], "{method}");
            let mut cache = model.new_cache();
            let logits = model.logits(&ids, &mut cache, None, Positions::All).unwrap();
            let pairs = values(&logits).into_iter().zip(values(&expected["logits"]));
            let furthest = pairs.map(|(ours, right)| (ours - right).abs()).fold(0.0, f32::max);
            assert!(furthest < tolerance, "{method}, {weights:?}: {furthest}");
        }
        let facts = inspect(&ModelSource::Folder(packed.path().to_owned())).unwrap();
        assert!(facts.unsupported.is_none(), "{method}: {facts:?}");
        let counted = 384 * 64 + 2 * 64 * 64 + 2 * 32 * 64 + 3 * 96 * 64 + 3 * 64;
        assert!(facts.parameter_count.abs_diff(counted) < 1200, "{}", facts.parameter_count);
    }
}

#[test]
fn four_bits_in_runs_stay_small() {
    for method in ["gptq", "awq", "gptq_v2"] {
        let packed = folder(method, |_| {});
        let source = ModelSource::Folder(packed.path().to_owned());
        let [small, large] = [Weights::AsStored, Weights::F32]
            .map(|weights| memory_needed(&source, weights).unwrap() - 384 * 64 * 2);
        assert!(5 * small < large, "{method}: {small} and {large}");
    }
}

#[test]
fn packed_weights_cannot_learn_since_they_could_not_be_saved() {
    for method in ["gptq", "awq", "fp8"] {
        let packed = folder(method, |_| {});
        let model = load(packed.path(), Weights::AsStored).unwrap();
        let message = model.check_ownable().unwrap_err().to_string();
        assert!(message.contains("weights that are packed"), "{method}: {message}");
    }
}

#[test]
fn packed_weights_that_cannot_be_read_say_what_is_in_the_way() {
    let refused = |method: &str, key: &str, value: serde_json::Value| {
        let packed = folder(method, |config| config["quantization_config"][key] = value);
        load(packed.path(), Weights::AsStored).err().unwrap().to_string()
    };
    let message = refused("gptq", "checkpoint_format", "marlin".into());
    assert!(message.contains("checkpoint_format is marlin"), "{message}");
    let message = refused("awq", "version", "gemv".into());
    assert!(message.contains("version is gemv"), "{message}");
    let message = refused("awq", "group_size", 64.into());
    assert!(message.contains("qzeros") && message.contains("[1, 8]"), "{message}");
    let message = refused("awq", "quant_method", "bitsandbytes".into());
    assert!(message.contains("bitsandbytes") && message.contains("GGUF"), "{message}");
}

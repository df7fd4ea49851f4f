//! GGUF files of every architecture that llama.cpp knows and we run: what transformers computes of the
//! same weights. Those in `tests/reference/gguf_families` always, made by `make_gguf_families.py`; further
//! ones with `TUNING_FORK_GGUF_FAMILIES=folder cargo test --test engine gguf_families`.

use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::Quiet;
use tuning_fork_engine::llm::card::ModelSource;
use tuning_fork_engine::llm::{LoadOptions, Model, Positions, Weights};

use crate::support::{argmax, distance, load, reference, tensors, values};

const TOLERANCE: f32 = 2e-4;

fn folders(parent: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> =
        entries.filter(|path| path.join("model.gguf").is_file()).collect();
    folders.sort();
    folders
}

/// What is wrong with one file, if anything.
fn wrong(folder: &Path) -> Option<String> {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let expected = tensors(&folder.join("expected.safetensors"));
    let ids = |name: &str| {
        let ids = expected[name].get(0).unwrap().to_dtype(DType::U32).unwrap();
        ids.to_vec1::<u32>().unwrap()
    };
    let (tokens, greedy) = (ids("input_ids"), ids("greedy"));
    let logits = expected["logits"].get(0).unwrap();
    let largest = values(&logits).into_iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    for weights in [Weights::AsStored, Weights::F32] {
        let source = ModelSource::at(&folder.join("model.gguf"));
        let model = match Model::load(
            &source,
            &LoadOptions { weights, ..LoadOptions::default() },
            &Quiet,
        ) {
            Ok(model) => model,
            Err(error) => return Some(format!("{name}: {error}")),
        };
        if !model.unused_tensors().is_empty() {
            return Some(format!("{name}: {:?} are not used", model.unused_tensors()));
        }
        let run =
            |ids: &[u32], cache: &mut _| model.logits(ids, cache, None, Positions::All).unwrap();
        let at_once = run(&tokens, &mut model.new_cache());
        let mut cache = model.new_cache();
        let steps: Vec<Tensor> = tokens.iter().map(|id| run(&[*id], &mut cache)).collect();
        let steps = Tensor::cat(&steps, 0).unwrap();
        // Weights of 16 bits in files without quantisation are multiplied with f32, so it is as exact.
        let tolerance = TOLERANCE * largest.max(1.0);
        for (way, found) in [("at once", at_once), ("by token", steps)] {
            let off = distance(&found, &logits);
            if off.is_nan() || off > tolerance {
                return Some(format!("{name} {way}, {weights:?}: off by {off}"));
            }
        }
        let mut all = tokens[..6].to_vec();
        let mut cache = model.new_cache();
        let mut next = all.clone();
        while all.len() < greedy.len() {
            let scores = model.logits(&next, &mut cache, None, Positions::Last).unwrap();
            next = vec![argmax(&values(&scores))];
            all.extend(&next);
        }
        if all != greedy {
            return Some(format!("{name}, {weights:?}: {all:?} for {greedy:?}"));
        }
    }
    None
}

#[test]
fn gguf_files_compute_what_transformers_computes() {
    let mut all = folders(&reference("gguf_families"));
    assert!(all.len() > 30, "{} files", all.len());
    if let Some(more) = std::env::var_os("TUNING_FORK_GGUF_FAMILIES") {
        all.extend(folders(Path::new(&more)));
    }
    let wrong: Vec<String> = all.iter().filter_map(|folder| wrong(folder)).collect();
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

/// A copy of a file in which one text stands for another of the same length.
fn changed(name: &str, from: &str, to: &str) -> (tempfile::TempDir, PathBuf) {
    assert_eq!(from.len(), to.len());
    let mut bytes =
        std::fs::read(reference("gguf_families").join(name).join("model.gguf")).unwrap();
    let found = bytes.windows(from.len()).position(|window| window == from.as_bytes());
    let at = found.unwrap_or_else(|| panic!("{name} has no {from}"));
    bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    files::write_atomic(&path, &bytes).unwrap();
    (folder, path)
}

fn refused(path: &Path) -> String {
    let error = Model::load(&ModelSource::at(path), &LoadOptions::default(), &Quiet).err();
    error.expect("this file must be refused").to_string()
}

#[test]
fn a_missing_expert_tensor_is_named() {
    for tensor in ["blk.1.ffn_up_exps.weight", "blk.0.ffn_gate_inp.weight"] {
        let (_folder, path) = changed("mixtral", tensor, &tensor.replace("ffn", "xyz"));
        let message = refused(&path);
        assert!(message.contains(tensor), "{message}");
    }
}

#[test]
fn experts_of_another_number_are_named_with_both_shapes() {
    // A key is its name, a type of four bytes (4: a number of 32 bits), and the number.
    let from = reference("gguf_families").join("mixtral/model.gguf");
    let mut bytes = std::fs::read(from).unwrap();
    let key = b"llama.expert_count";
    let at = bytes.windows(key.len()).position(|window| window == key).unwrap() + key.len();
    assert_eq!(bytes[at..at + 8], [4, 0, 0, 0, 4, 0, 0, 0]);
    bytes[at + 4] = 3;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    files::write_atomic(&path, &bytes).unwrap();
    let message = refused(&path);
    assert!(message.contains("ffn_gate_inp") && message.contains("[4, 16]"), "{message}");
    assert!(message.contains("[3, 16]"), "{message}");
}

#[test]
fn an_unknown_architecture_is_named_with_the_nearest_supported_one() {
    let (_folder, path) = changed("lfm2", "lfm2", "lfm9");
    let message = refused(&path);
    assert!(
        message.contains("lfm9") && message.contains("nearest supported one is lfm2"),
        "{message}"
    );
}

/// An adapter's module is the same in a file and in a folder: its rows must be in the same order.
#[test]
fn a_file_has_the_layers_of_its_folder() {
    for (file, folder) in [("gptneox", "gpt_neox"), ("qwen35moe", "qwen3_5_moe"), ("lfm2", "lfm2")]
    {
        let names = |model: &Model| -> Vec<String> {
            model.linear_layers().into_iter().map(|layer| layer.name).collect()
        };
        let file = load(&reference("gguf_families").join(file).join("model.gguf"), Weights::F32);
        let folder = reference("families").join(folder);
        let copy = tempfile::tempdir().unwrap();
        for name in ["config.json", "model.safetensors"] {
            std::fs::copy(folder.join(name), copy.path().join(name)).unwrap();
        }
        let tokenizer = reference("families").join("tokenizer.json");
        std::fs::copy(tokenizer, copy.path().join("tokenizer.json")).unwrap();
        assert_eq!(names(&file), names(&load(copy.path(), Weights::F32)));
    }
}

/// llama.cpp's converter can write queries, keys and values as one tensor, and the gates and ups of experts.
#[test]
fn fused_tensors_are_taken_apart() {
    let all = folders(&reference("gguf_fused"));
    assert!(all.len() >= 4, "{} files", all.len());
    let wrong: Vec<String> = all.iter().filter_map(|folder| wrong(folder)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

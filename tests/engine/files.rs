//! Model files: GGUF against the same model as safetensors, and files that are not what they
//! should be.

use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use serde_json::Value;
use tuning_fork_engine::files;
use tuning_fork_engine::jobs::{Quiet, Recorder};
use tuning_fork_engine::llm::card::ModelSource;
use tuning_fork_engine::llm::inspect;
use tuning_fork_engine::llm::{Error, LoadOptions, Model, Positions, Weights};

use crate::support::{assert_close, load, reference, tensors, values};

/// Writes little GGUF files.
#[derive(Default)]
struct Gguf {
    values: Vec<u8>,
    value_count: u64,
    tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
}

fn text(out: &mut Vec<u8>, value: &str) {
    out.extend((value.len() as u64).to_le_bytes());
    out.extend(value.as_bytes());
}

impl Gguf {
    fn key(&mut self, name: &str, kind: u32) -> &mut Vec<u8> {
        self.value_count += 1;
        text(&mut self.values, name);
        self.values.extend(kind.to_le_bytes());
        &mut self.values
    }

    fn number(&mut self, name: &str, value: u32) {
        self.key(name, 4).extend(value.to_le_bytes());
    }

    fn float(&mut self, name: &str, value: f32) {
        self.key(name, 6).extend(value.to_le_bytes());
    }

    fn string(&mut self, name: &str, value: &str) {
        text(self.key(name, 8), value);
    }

    fn strings(&mut self, name: &str, values: &[String]) {
        let out = self.key(name, 9);
        out.extend(8u32.to_le_bytes());
        out.extend((values.len() as u64).to_le_bytes());
        for value in values {
            text(out, value);
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend(self.value_count.to_le_bytes());
        out.extend(&self.values);
        let mut offset = 0u64;
        for (name, shape, values) in &self.tensors {
            text(&mut out, name);
            out.extend((shape.len() as u32).to_le_bytes());
            shape.iter().rev().for_each(|dim| out.extend((*dim as u64).to_le_bytes()));
            out.extend(0u32.to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += (values.len() as u64 * 4).next_multiple_of(32);
        }
        for (_, _, values) in &self.tensors {
            out.resize(out.len().next_multiple_of(32), 0);
            for value in values {
                out.extend(value.to_le_bytes());
            }
        }
        out
    }
}

/// The tiny Llama as llama.cpp's converter would write it, with the rows of q and k in its order.
fn llama_as_gguf() -> Gguf {
    let folder = reference("models/llama");
    let mut gguf = Gguf::default();
    gguf.string("general.architecture", "llama");
    for (name, value) in [
        ("block_count", 3),
        ("context_length", 512),
        ("embedding_length", 64),
        ("feed_forward_length", 96),
        ("attention.head_count", 4),
        ("attention.head_count_kv", 2),
        ("rope.dimension_count", 16),
    ] {
        gguf.number(&format!("llama.{name}"), value);
    }
    gguf.float("llama.attention.layer_norm_rms_epsilon", 1e-6);
    gguf.float("llama.rope.freq_base", 10_000.0);
    let json = std::fs::read_to_string(folder.join("tokenizer.json")).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    let mut tokens = vec![String::new(); 384];
    for (token, id) in json["model"]["vocab"].as_object().unwrap() {
        tokens[id.as_u64().unwrap() as usize].clone_from(token);
    }
    for (id, token) in tokens.iter_mut().enumerate().filter(|(_, token)| token.is_empty()) {
        *token = format!("unused {id}");
    }
    let merges: Vec<String> =
        json["model"]["merges"].as_array().unwrap().iter().map(merge).collect();
    gguf.string("tokenizer.ggml.model", "gpt2");
    gguf.string("tokenizer.ggml.pre", "gpt-2");
    gguf.strings("tokenizer.ggml.tokens", &tokens);
    gguf.strings("tokenizer.ggml.merges", &merges);
    gguf.number("tokenizer.ggml.eos_token_id", 2);
    let mut weights: Vec<_> = tensors(&folder.join("model.safetensors")).into_iter().collect();
    weights.sort_by(|one, other| one.0.cmp(&other.0));
    for (name, tensor) in weights {
        let heads = if name.contains("q_proj") { 4 } else { 2 };
        let tensor = if name.contains("q_proj") || name.contains("k_proj") {
            interleave(&tensor, heads)
        } else {
            tensor
        };
        gguf.tensors.push((gguf_name(&name), tensor.dims().to_vec(), values(&tensor)));
    }
    gguf
}

fn merge(pair: &Value) -> String {
    match pair {
        Value::String(pair) => pair.clone(),
        pair => format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()),
    }
}

/// llama.cpp's `permute`: rows (head, half, pair) to (head, pair, half).
fn interleave(tensor: &Tensor, heads: usize) -> Tensor {
    let (rows, cols) = tensor.dims2().unwrap();
    let split = tensor.reshape((heads, 2, rows / heads / 2, cols)).unwrap();
    split.transpose(1, 2).unwrap().contiguous().unwrap().reshape((rows, cols)).unwrap()
}

fn gguf_name(name: &str) -> String {
    let name = name.replace("model.layers.", "blk.").replace("model.embed_tokens", "token_embd");
    let name =
        name.replace("model.norm", "output_norm").replace("post_attention_layernorm", "ffn_norm");
    let name =
        name.replace("input_layernorm", "attn_norm").replace("self_attn.o_proj", "attn_output");
    let name = name.replace("self_attn.", "attn_").replace("mlp.", "ffn_");
    name.replace("_proj", "")
}

fn refused(path: &Path) -> String {
    let source = if path.is_dir() {
        ModelSource::Folder(path.to_owned())
    } else {
        ModelSource::Gguf(path.to_owned())
    };
    let error = Model::load(&source, &LoadOptions::default(), &Quiet).err();
    error.expect("this model must be refused").to_string()
}

fn copy_of_llama() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(reference("models/llama")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

fn edit_config(folder: &Path, key: &str, value: Value) {
    let path = folder.join("config.json");
    let mut json: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    json[key] = value;
    files::write_atomic(&path, json.to_string().as_bytes()).unwrap();
}

#[test]
fn a_gguf_file_computes_what_its_safetensors_folder_computes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    files::write_atomic(&path, &llama_as_gguf().into_bytes()).unwrap();
    let expected = tensors(&reference("models/llama/expected.safetensors"));
    let ids = expected["input_ids"].to_dtype(DType::U32).unwrap().to_vec2::<u32>().unwrap();
    let logits = expected["logits"].get(0).unwrap();
    for weights in [Weights::AsStored, Weights::F32] {
        let model = load(&path, weights);
        let found = model.logits(&ids[0], &mut model.new_cache(), None, Positions::All).unwrap();
        assert_close(&found, &logits, 2e-4, &format!("{weights:?}"));
    }
    let facts = inspect(&ModelSource::Gguf(path)).unwrap();
    assert_eq!(
        (facts.precision.as_str(), facts.context_length, facts.vocab_size),
        ("F32", 512, 384)
    );
    assert_eq!(facts.unsupported, None);
}

/// As llama-gguf-split writes them, in `folder`: the metadata in the first, a part of the tensors in each.
fn split_in_three(folder: &Path) -> Vec<PathBuf> {
    let count = llama_as_gguf().tensors.len();
    let part = |number: usize| {
        let mut gguf = if number == 0 { llama_as_gguf() } else { Gguf::default() };
        let tensors = llama_as_gguf().tensors.into_iter().enumerate();
        gguf.tensors =
            tensors.filter(|(at, _)| at * 3 / count == number).map(|(_, it)| it).collect();
        gguf.number("split.no", number as u32);
        gguf.number("split.count", 3);
        gguf.number("split.tensors.count", count as u32);
        let path = folder.join(format!("tiny-{:05}-of-00003.gguf", number + 1));
        files::write_atomic(&path, &gguf.into_bytes()).unwrap();
        path
    };
    (0..3).map(part).collect()
}

/// Before there were kinds of scaling its factor stood alone, and under another key; it is linear where the
/// file does not say.
#[test]
fn a_factor_without_a_kind_scales_rope_evenly() {
    let folder = tempfile::tempdir().unwrap();
    let scores = |key: &str, kind: Option<&str>| {
        let mut gguf = llama_as_gguf();
        gguf.float(key, 4.0);
        kind.iter().for_each(|kind| gguf.string("llama.rope.scaling.type", kind));
        let path = folder.path().join("scaled.gguf");
        files::write_atomic(&path, &gguf.into_bytes()).unwrap();
        let model = load(&path, Weights::AsStored);
        let found = model.logits(&[5, 6, 7, 8], &mut model.new_cache(), None, Positions::Last);
        values(&found.unwrap())
    };
    let linear = scores("llama.rope.scaling.factor", Some("linear"));
    assert_eq!(scores("llama.rope.scaling.factor", None), linear);
    assert_eq!(scores("llama.rope.scale_linear", None), linear);
    assert_ne!(scores("llama.rope.scaling.factor", Some("none")), linear);
}

#[test]
fn a_model_in_several_gguf_files_is_one_model() {
    let folder = tempfile::tempdir().unwrap();
    let parts = split_in_three(folder.path());
    let expected = tensors(&reference("models/llama/expected.safetensors"));
    let ids = expected["input_ids"].to_dtype(DType::U32).unwrap().to_vec2::<u32>().unwrap();
    let model = load(&parts[0], Weights::AsStored);
    let found = model.logits(&ids[0], &mut model.new_cache(), None, Positions::All).unwrap();
    assert_close(&found, &expected["logits"].get(0).unwrap(), 2e-4, "three files");
    let whole = folder.path().join("whole.gguf");
    files::write_atomic(&whole, &llama_as_gguf().into_bytes()).unwrap();
    let facts = |path: &Path| inspect(&ModelSource::Gguf(path.to_owned())).unwrap();
    assert_eq!(facts(&parts[0]).parameter_count, facts(&whole).parameter_count);
    assert_ne!(
        model.card().identity.sha256,
        load(&whole, Weights::AsStored).card().identity.sha256
    );
}

#[test]
fn a_missing_or_a_wrong_part_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let parts = split_in_three(folder.path());
    let second = refused(&parts[1]);
    assert!(second.contains("part 2 of 3; open the first, tiny-00001-of-00003.gguf"), "{second}");
    std::fs::copy(&parts[1], &parts[2]).unwrap();
    let twice = refused(&parts[0]);
    assert!(twice.contains("00003-of-00003") && twice.contains("part 2"), "{twice}");
    std::fs::remove_file(&parts[2]).unwrap();
    let missing = refused(&parts[0]);
    assert!(missing.contains("not beside it: tiny-00003-of-00003.gguf; fetch"), "{missing}");
    let renamed = folder.path().join("mine.gguf");
    std::fs::rename(&parts[0], &renamed).unwrap();
    let renamed = refused(&renamed);
    assert!(renamed.contains("-00001-of-00003.gguf"), "{renamed}");
}

#[test]
fn a_gguf_file_of_another_architecture_is_shown_and_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mamba.gguf");
    let mut gguf = Gguf::default();
    gguf.string("general.architecture", "mamba");
    gguf.number("mamba.block_count", 24);
    gguf.tensors.push(("token_embd.weight".to_owned(), vec![4, 8], vec![0.5; 32]));
    files::write_atomic(&path, &gguf.into_bytes()).unwrap();
    let message = refused(&path);
    assert!(message.contains("mamba") && message.contains("llama"), "{message}");
    let facts = inspect(&ModelSource::Gguf(path)).unwrap();
    assert_eq!((facts.layer_count, facts.parameter_count), (24, 32));
    assert!(facts.unsupported.unwrap().sentence.contains("mamba"));
}

#[test]
fn an_architecture_we_do_not_have_is_named_with_those_we_have() {
    let folder = copy_of_llama();
    edit_config(folder.path(), "model_type", Value::from("rwkv"));
    let message = refused(folder.path());
    assert!(message.contains("rwkv") && message.contains("smollm3"), "{message}");
}

#[test]
fn a_tensor_of_the_wrong_shape_is_named_with_both_shapes() {
    let folder = copy_of_llama();
    edit_config(folder.path(), "intermediate_size", Value::from(128));
    let message = refused(folder.path());
    assert!(message.contains("mlp.gate_proj") && message.contains("[96, 64]"), "{message}");
    assert!(message.contains("[128, 64]") && message.contains("safetensors"), "{message}");
}

/// Python writes numbers into JSON that JSON does not have, and reads them.
#[test]
fn a_configuration_with_infinity_and_nan_is_read() {
    let folder = copy_of_llama();
    for name in ["config.json", "tokenizer_config.json", "generation_config.json"] {
        let path = folder.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let more = "{\"time_step_limit\": [0.0, Infinity], \"a\": -Infinity, \"b\": \"NaN \\\"Infinity\", \"c\": NaN,";
        let text = text.replacen('{', more, 1);
        files::write_atomic(&path, text.as_bytes()).unwrap();
    }
    let model = load(folder.path(), Weights::AsStored);
    assert_eq!(model.config().width, 64);
    let path = folder.path().join("config.json");
    files::write_atomic(&path, b"{\"model_type\": Infinite}").unwrap();
    assert!(refused(folder.path()).contains("line 1, column"), "{}", refused(folder.path()));
}

/// The tensors of the tiny Llama, as `change` has them, with the logits that they give.
fn with_tensors(change: impl Fn(&str, Tensor) -> (String, Tensor)) -> tempfile::TempDir {
    let folder = copy_of_llama();
    let path = folder.path().join("model.safetensors");
    let changed = tensors(&path).into_iter().map(|(name, tensor)| change(&name, tensor));
    candle_core::safetensors::save(&changed.collect(), &path).unwrap();
    folder
}

#[test]
fn numbers_of_64_bits_are_read() {
    let folder =
        with_tensors(|name, tensor| (name.to_owned(), tensor.to_dtype(DType::F64).unwrap()));
    let expected = tensors(&reference("models/llama/expected.safetensors"));
    let ids = expected["input_ids"].to_dtype(DType::U32).unwrap().to_vec2::<u32>().unwrap();
    let model = load(folder.path(), Weights::AsStored);
    let found = model.logits(&ids[0], &mut model.new_cache(), None, Positions::All).unwrap();
    assert_close(&found, &expected["logits"].get(0).unwrap(), 2e-4, "f64");
}

#[test]
fn what_a_program_put_before_the_names_of_tensors_is_named() {
    for (before, said) in [
        ("_orig_mod.", "torch.compile"),
        ("module.", "DistributedDataParallel"),
        ("base_model.model.", "a wrapped model"),
    ] {
        let folder = with_tensors(|name, tensor| (format!("{before}{name}"), tensor));
        let message = refused(folder.path());
        assert!(message.contains(before) && message.contains(said), "{message}");
    }
}

#[test]
fn what_a_generation_config_asks_for_is_known() {
    let folder = copy_of_llama();
    let asked = serde_json::json!({"repetition_penalty": 1.3, "do_sample": true, "top_k": 20, "eos_token_id": 2});
    let path = folder.path().join("generation_config.json");
    files::write_atomic(&path, asked.to_string().as_bytes()).unwrap();
    let model = load(folder.path(), Weights::AsStored);
    let keys: Vec<&str> = model.asked().iter().map(|asked| asked.key).collect();
    assert_eq!(keys, ["repetition_penalty", "top_k"]);
}

// Of `generate` in transformers 5.23 on such folders: where no generation_config.json is, it ends at the token
// of config.json; beside one that names none, whatever else is in it, it writes on.
#[test]
fn an_end_that_only_config_json_names_is_taken_and_said() {
    let folder = copy_of_llama();
    edit_config(folder.path(), "eos_token_id", Value::from(131));
    let generation = folder.path().join("generation_config.json");
    for (told, ends, says) in [
        (None, vec![131], false),
        (Some(r#"{"do_sample": false}"#), vec![131], true),
        (Some(r#"{"_from_model_config": true, "eos_token_id": null}"#), vec![131], true),
        (Some(r#"{"eos_token_id": [7, 2]}"#), vec![7, 2], false),
    ] {
        match told {
            Some(told) => files::write_atomic(&generation, told.as_bytes()).unwrap(),
            None if generation.is_file() => std::fs::remove_file(&generation).unwrap(),
            None => {}
        }
        let model = load(folder.path(), Weights::F32);
        assert_eq!(model.stop_ids(), ends, "{told:?}");
        let warnings = &model.card().facts.warnings;
        let said = warnings.iter().any(|warning| warning.contains("names [131]"));
        assert_eq!(said, says, "{told:?}: {warnings:?}");
    }
}

#[test]
fn a_rope_that_we_do_not_have_is_refused_by_its_name() {
    let folder = copy_of_llama();
    let rope = serde_json::json!({"rope_type": "spiral", "factor": 4.0, "rope_theta": 10000.0});
    edit_config(folder.path(), "rope_parameters", rope);
    assert!(refused(folder.path()).contains("spiral"));
}

#[test]
fn a_weights_file_cut_short_is_called_so() {
    let folder = copy_of_llama();
    let path = folder.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    for len in [0, 4, 100, bytes.len() - 1] {
        files::write_atomic(&path, &bytes[..len]).unwrap();
        let message = refused(folder.path());
        assert!(message.contains("model.safetensors"), "{message}");
    }
}

#[test]
fn a_prompt_beyond_the_context_is_refused_with_both_numbers() {
    let model = load(&reference("models/llama"), Weights::AsStored);
    let mut cache = model.new_cache();
    model.logits(&[5; 500], &mut cache, None, Positions::Last).unwrap();
    let error = model.logits(&[5; 13], &mut cache, None, Positions::Last).err().unwrap();
    assert!(matches!(error, Error::ContextFull { needed: 513, context: 512 }), "{error}");
    assert_eq!(cache.len(), 500);
    model.logits(&[5; 12], &mut cache, None, Positions::Last).unwrap();
    let error = model.logits(&[384], &mut model.new_cache(), None, Positions::Last).err().unwrap();
    assert!(matches!(error, Error::TokenOutOfRange { id: 384, vocab_size: 384 }), "{error}");
}

#[test]
fn a_truncated_cache_goes_on_as_if_the_rest_had_never_been() {
    let model = load(&reference("models/mistral"), Weights::AsStored);
    let mut cache = model.new_cache();
    model.logits(&[3, 40, 77, 120, 9, 300], &mut cache, None, Positions::Last).unwrap();
    cache.truncate(3);
    let again = model.logits(&[51, 6], &mut cache, None, Positions::Last).unwrap();
    let ids = [3, 40, 77, 51, 6];
    let fresh = model.logits(&ids, &mut model.new_cache(), None, Positions::Last).unwrap();
    assert_close(&again, &fresh, 1e-4, "after truncation");
}

#[test]
fn a_load_can_be_stopped() {
    let source = ModelSource::Folder(reference("models/llama"));
    let progress = Recorder::stop_after(1);
    let error = Model::load(&source, &LoadOptions::default(), &progress).err().unwrap();
    assert!(matches!(error, Error::Cancelled(_)), "{error}");
}

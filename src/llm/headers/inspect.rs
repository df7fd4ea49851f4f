//! What a model's headers say: enough to show it, to refuse it with a reason, and to start a load.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::asked;
use super::asked::Asked;
use super::survey::{Needs, survey};
use crate::files;
use crate::llm::card::{ModelFacts, ModelSource, Purpose};
use crate::llm::config::{CacheNumbers, Config, Naming, families, gguf_config};
use crate::llm::error::Error;
use crate::llm::files::gguf::GgufFile;
use crate::llm::files::gguf_tensors::unsupported_types;
use crate::llm::files::safetensors_files::SafetensorsFiles;
use crate::llm::files::weights::{SCORE, TensorSource as _, WeightSource, Weights};
use crate::llm::net::loader;
use crate::llm::text::chat::ChatTemplate;
use crate::llm::text::gguf_ends;
use crate::llm::text::tokenizer::Tokenizer;

/// A model whose headers have been read.
pub(crate) struct Opened {
    pub weights: WeightSource,
    files: Files,
}

enum Files {
    Gguf(Arc<GgufFile>),
    Folder { path: PathBuf, config: Value, generation: Option<Value> },
}

/// The tokenizer and the chat template of a transformers folder.
pub fn folder_text(path: &Path) -> Result<(Tokenizer, Option<ChatTemplate>), Error> {
    let tokenizer = Tokenizer::from_folder(path)?;
    let chat = ChatTemplate::from_folder(path, &tokenizer)?;
    Ok((tokenizer, chat))
}

/// Whether this could be a model that is computed here, by its headers alone. `Err`: why not.
pub fn check(source: &ModelSource) -> Result<(), Error> {
    Opened::open(source)?.config().map(drop)
}

impl Opened {
    pub fn open(source: &ModelSource) -> Result<Self, Error> {
        match source {
            ModelSource::Gguf(path) => {
                if let Some(problem) = other_weights(path) {
                    return Err(Error::not_a_model(path, problem));
                }
                let file = Arc::new(GgufFile::open(path)?);
                if let Some(problem) = other_gguf(&file) {
                    return Err(Error::not_a_model(path, problem));
                }
                let weights = WeightSource::Gguf(Arc::clone(&file));
                Ok(Self { weights, files: Files::Gguf(file) })
            }
            ModelSource::Folder(path) => {
                if let Some(problem) = without_config(path) {
                    return Err(Error::not_a_model(path, problem));
                }
                let config = read_json(&path.join("config.json"))?;
                let generation = path.join("generation_config.json");
                let generation =
                    if generation.is_file() { Some(read_json(&generation)?) } else { None };
                let weights = WeightSource::Safetensors(SafetensorsFiles::open(path)?);
                let files = Files::Folder { path: path.clone(), config, generation };
                Ok(Self { weights, files })
            }
        }
    }

    pub fn config(&self) -> Result<Config, Error> {
        match &self.files {
            Files::Gguf(file) => {
                let config = gguf_config::from_gguf(file)?;
                let types = unsupported_types(file);
                if types.is_empty() {
                    return Ok(config);
                }
                let path = file.path().to_owned();
                Err(Error::TensorTypes { path, types: types.join(", ") })
            }
            Files::Folder { path, config, .. } => {
                families::from_json(config, &path.join("config.json"))
            }
        }
    }

    /// Lets go of what only describes the model, once all of it has been read.
    pub fn forget_headers(&self) {
        match &self.files {
            Files::Gguf(file) => file.forget_headers(),
            Files::Folder { .. } => {}
        }
    }

    /// What a load would take, and from which tensors.
    pub fn survey(&self, config: &Config, weights: Weights) -> Result<Needs, Error> {
        survey(config, &self.weights, weights)
    }

    /// The tokenizer and the chat template, which may be one that is not understood.
    pub fn text(&self) -> Result<(Tokenizer, Option<ChatTemplate>), Error> {
        match &self.files {
            Files::Gguf(file) => {
                let tokenizer = Tokenizer::from_gguf(file)?;
                let chat = ChatTemplate::from_gguf(file, &tokenizer);
                Ok((tokenizer, chat))
            }
            Files::Folder { path, .. } => folder_text(path),
        }
    }

    /// The tokens that end an answer, as transformers' `generate` takes them: from
    /// `generation_config.json`, else from `config.json`.
    pub fn stop_ids(&self) -> Vec<u32> {
        match &self.files {
            Files::Gguf(file) => gguf_ends::stop_ids(file),
            Files::Folder { config, generation, .. } => {
                let of = |json: &Value| json.get("eos_token_id").map(ids).unwrap_or_default();
                let own = generation.as_ref().map(of).unwrap_or_default();
                if own.is_empty() { of(config) } else { own }
            }
        }
    }

    /// An end of answers that transformers 5 does not take: it reads `generation_config.json` alone where
    /// that lies there, and makes one of `config.json` where it does not.
    fn own_end(&self) -> Option<String> {
        let Files::Folder { config, generation: Some(generation), .. } = &self.files else {
            return None;
        };
        let of = |json: &Value| json.get("eos_token_id").map(ids).unwrap_or_default();
        let ends = of(config);
        (of(generation).is_empty() && !ends.is_empty()).then(|| {
            format!(
                "generation_config.json names no token that ends an answer (eos_token_id), and config.json \
                 names {ends:?}: an answer ends there here, while transformers 5 writes on"
            )
        })
    }

    /// Whether `config.json` names a class that writes.
    fn promises_text(&self) -> bool {
        let Files::Folder { config, .. } = &self.files else { return false };
        config["architectures"][0].as_str().is_some_and(|name| name.ends_with("ForCausalLM"))
    }

    /// What `generation_config.json` asks for.
    pub fn asked(&self) -> Vec<Asked> {
        match &self.files {
            Files::Folder { generation: Some(generation), .. } => asked::asked(generation),
            _ => Vec::new(),
        }
    }

    /// What an empty text begins with, as transformers' `generate` begins it: the configuration's
    /// `bos_token_id`, else the tokenizer's.
    pub fn start_id(&self, tokenizer: &Tokenizer) -> Option<u32> {
        let told = match &self.files {
            Files::Gguf(_) => None,
            Files::Folder { config, generation, .. } => {
                let of = |json: &Value| ids(json.get("bos_token_id")?).first().copied();
                generation.as_ref().and_then(of).or_else(|| of(config))
            }
        };
        told.or_else(|| tokenizer.bos())
    }

    /// The token whose vector learns nothing from being read: torch's `padding_idx`, which transformers
    /// gives the embeddings of most families.
    pub fn padding_id(&self, config: &Config) -> Option<u32> {
        let has_none = [
            Naming::Gpt2,
            Naming::GptNeo,
            Naming::GptNeox,
            Naming::GptJ,
            Naming::Bloom,
            Naming::CodeGen,
            Naming::Falcon,
            Naming::GptBigCode,
            Naming::Mpt,
        ];
        if has_none.contains(&config.naming) {
            return None;
        }
        let usual = || match config.architecture.as_str() {
            "gemma" | "gemma2" | "gemma3_text" | "gemma3n_text" | "cohere" | "cohere2"
            | "hunyuan_v1_dense" | "hunyuan_v1_moe" | "ernie4_5" | "ernie4_5_moe" | "falcon_h1"
            | "lfm2" => Some(0),
            "opt" | "olmo" | "olmo2" | "olmo3" | "nanochat" | "seed_oss" => Some(1),
            "helium" | "apertus" => Some(3),
            "phi3" => Some(32_000),
            "lfm3" => Some(124_893),
            "smollm3" => Some(128_004),
            "glm" | "glm4" => Some(151_329),
            _ => None,
        };
        match &self.files {
            Files::Gguf(file) => file.u32("tokenizer.ggml.padding_token_id"),
            Files::Folder { config, .. } => {
                let inner = config.get("text_config").filter(|inner| inner.is_object());
                match inner.unwrap_or(config).get("pad_token_id") {
                    None => usual(),
                    Some(id) => id.as_u64().and_then(|id| u32::try_from(id).ok()),
                }
            }
        }
    }

    pub fn facts(&self) -> ModelFacts {
        let config = self.config();
        let needs = match &config {
            Ok(config) => self.survey(config, Weights::AsStored).map_err(|err| err.unsupported()),
            Err(err) => Err(err.unsupported()),
        };
        let config = config.ok();
        let mut facts = match &self.files {
            Files::Gguf(file) => gguf_facts(file),
            Files::Folder { path, config, .. } => folder_facts(path, config, &self.weights),
        };
        if let Some(config) = config {
            let lacks_head = !loader::has_head(&config, &self.weights);
            if facts.purpose == Purpose::Generate && (config.both_ways || lacks_head) {
                if lacks_head && !facts.makes_vectors && self.promises_text() {
                    facts.warnings.push(
                        "its config.json promises a head that its weights do not have".to_owned(),
                    );
                }
                facts.purpose = Purpose::Encode;
                facts.makes_vectors = true;
            }
            facts.architecture.clone_from(&config.architecture);
            facts.cache_bytes_per_token = config.cache_bytes_per_token(&facts.precision);
            facts.cache_bytes_as = CacheNumbers::ALL.map(|kind| config.cache_bytes_as(kind));
            facts.context_length = config.context_length;
            facts.vocab_size = config.vocab_size;
            facts.layer_count = config.layer_count();
        }
        facts.warnings.extend(self.own_end());
        match needs {
            Ok(needs) => facts.memory_bytes = needs.bytes,
            Err(unsupported) => facts.unsupported = Some(unsupported),
        }
        facts
    }
}

/// What a file is that holds weights and is opened by its folder.
fn other_weights(path: &Path) -> Option<String> {
    let ending = path.extension()?.to_string_lossy().to_lowercase();
    match ending.as_str() {
        "safetensors" => Some(
            "it holds weights alone; open the folder that it lies in, with its config.json"
                .to_owned(),
        ),
        "bin" | "pt" | "pth" | "ckpt" if GgufFile::open(path).is_err() => Some(
            "it is a pickle, which can run code and is not loaded; open a folder with \
             model.safetensors, or a GGUF file"
                .to_owned(),
        ),
        _ => None,
    }
}

/// What a GGUF file is that is no language model. By what llama.cpp's converters write.
fn other_gguf(file: &GgufFile) -> Option<String> {
    if let Some(base) = gguf_lora_base(file) {
        return Some(format!(
            "it is a LoRA adapter for {base}: open that model, and give this file as its adapter"
        ));
    }
    let kind = file.str("general.type");
    if kind == Some("mmproj") || file.str("general.architecture") == Some("clip") {
        return Some(
            "it is the part of a model that looks at pictures (mmproj); the model is the other GGUF \
             file beside it"
                .to_owned(),
        );
    }
    match kind {
        Some("imatrix") => {
            Some("it is an importance matrix for quantising, not a model".to_owned())
        }
        Some("control_vector") => Some("it is a control vector, not a model".to_owned()),
        _ => None,
    }
}

/// The model that a GGUF adapter belongs to, as far as it says. `None`: the file is no adapter.
fn gguf_lora_base(file: &GgufFile) -> Option<String> {
    if file.str("general.type") != Some("adapter") {
        return None;
    }
    let architecture = file.str("general.architecture").unwrap_or("unknown");
    let keys = ["general.base_model.0.repo_url", "general.base_model.0.name"];
    Some(match keys.iter().find_map(|key| file.str(key)) {
        Some(base) => format!("{base} ({architecture})"),
        None => format!("a {architecture} model (the file does not say which)"),
    })
}

/// What a folder is that has no `config.json`.
fn without_config(folder: &Path) -> Option<String> {
    if folder.join("config.json").is_file() {
        return None;
    }
    let adapter = folder.join("adapter_config.json");
    if !adapter.is_file() {
        return Some(
            "it has no config.json, which transformers writes beside the weights".to_owned(),
        );
    }
    let json = read_json(&adapter).unwrap_or_default();
    let base = json.get("base_model_name_or_path").and_then(Value::as_str);
    Some(match base {
        Some(base) => format!(
            "it is an adapter (PEFT) for the model {base}: open that model, and give this folder as \
             its adapter"
        ),
        None => {
            "it is an adapter (PEFT), and does not say for which model: open the model, and give \
                 this folder as its adapter"
                .to_owned()
        }
    })
}

/// One id, or a list of them.
fn ids(value: &Value) -> Vec<u32> {
    let list = value.as_array().map_or_else(|| vec![value], |list| list.iter().collect());
    list.into_iter().filter_map(Value::as_u64).filter_map(|id| u32::try_from(id).ok()).collect()
}

fn read_json(path: &Path) -> Result<Value, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::read(path, source))?;
    files::json_of_python(text.as_bytes())
        .map_err(|err| Error::not_a_model(path, files::mistake_in_json(text.as_bytes(), &err)))
}

/// The type that most weights are stored in.
fn most_used(counts: &BTreeMap<String, u64>) -> String {
    counts
        .iter()
        .max_by_key(|(_, count)| **count)
        .map_or_else(String::new, |(name, _)| name.clone())
}

fn gguf_facts(file: &GgufFile) -> ModelFacts {
    let mut counts = BTreeMap::new();
    let (mut parameter_count, mut memory_bytes) = (0, 0);
    for tensor in file.tensors() {
        *counts.entry(tensor.kind.name()).or_default() += tensor.element_count;
        parameter_count += tensor.element_count;
        memory_bytes += tensor.byte_len().unwrap_or_default() as u64;
    }
    let architecture = file.str("general.architecture").unwrap_or_default().to_owned();
    let number = |name: &str| file.u32(&format!("{architecture}.{name}")).unwrap_or(0) as usize;
    ModelFacts {
        parameter_count,
        precision: most_used(&counts),
        file_bytes: file.file_len(),
        memory_bytes,
        cache_bytes_per_token: 0,
        cache_bytes_as: [0; 3],
        context_length: number("context_length"),
        vocab_size: number("vocab_size"),
        layer_count: number("block_count"),
        has_chat_template: file.str("tokenizer.chat_template").is_some(),
        chat_problem: None,
        warnings: Vec::new(),
        purpose: Purpose::Generate,
        makes_vectors: false,
        unsupported: None,
        architecture,
    }
}

fn folder_facts(path: &Path, config: &Value, weights: &WeightSource) -> ModelFacts {
    let mut counts = BTreeMap::new();
    let (mut parameter_count, mut bytes) = (0, 0);
    if let WeightSource::Safetensors(files) = weights {
        for (dtype, elements, size) in files.summary() {
            *counts.entry(dtype).or_default() += elements;
            parameter_count += elements;
            bytes += size;
        }
    }
    let number = |key: &str| config.get(key).and_then(Value::as_u64).unwrap_or(0) as usize;
    let has_chat_template = path.join("chat_template.jinja").is_file()
        || read_json(&path.join("tokenizer_config.json"))
            .is_ok_and(|json| json.get("chat_template").is_some_and(|value| !value.is_null()));
    ModelFacts {
        architecture: config
            .get("model_type")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        parameter_count,
        precision: most_used(&counts),
        file_bytes: bytes,
        memory_bytes: bytes,
        cache_bytes_per_token: 0,
        cache_bytes_as: [0; 3],
        context_length: number("max_position_embeddings"),
        vocab_size: number("vocab_size"),
        layer_count: number("num_hidden_layers"),
        has_chat_template,
        chat_problem: None,
        warnings: Vec::new(),
        purpose: if gives_labels(config, weights) { Purpose::Classify } else { Purpose::Generate },
        makes_vectors: has_pooling(path),
        unsupported: None,
    }
}

/// Whether sentence-transformers says how the vectors of a text's tokens become one.
fn has_pooling(folder: &Path) -> bool {
    let modules = read_json(&folder.join("modules.json")).unwrap_or_default();
    let mut kinds = modules.as_array().into_iter().flatten().map(|module| &module["type"]);
    kinds.any(|kind| kind.as_str().is_some_and(|kind| kind.ends_with("Pooling")))
}

/// Whether a decoder has a head over one token in the place of the one that writes.
fn gives_labels(config: &Value, weights: &WeightSource) -> bool {
    let architecture = config["architectures"][0].as_str().unwrap_or_default();
    architecture.ends_with("ForSequenceClassification") && weights.has(SCORE)
}

/// Repository and commit of a path inside a Hugging Face cache:
/// `models--org--name/snapshots/<commit>/…`.
pub(crate) fn hub_origin(path: &Path) -> Option<(String, String)> {
    let parts: Vec<String> =
        path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    let at = parts.iter().rposition(|part| part == "snapshots")?;
    let repo = parts.get(at.checked_sub(1)?)?.strip_prefix("models--")?;
    Some((repo.replacen("--", "/", 1), parts.get(at + 1)?.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_the_hub_cache_tells_repository_and_commit() {
        let path =
            Path::new("/c/hub/models--HuggingFaceTB--SmolLM2-135M-Instruct/snapshots/1a2b/x.gguf");
        let (repo, commit) = hub_origin(path).unwrap();
        assert_eq!(
            (repo.as_str(), commit.as_str()),
            ("HuggingFaceTB/SmolLM2-135M-Instruct", "1a2b")
        );
        assert_eq!(hub_origin(Path::new("/models/llama")), None);
    }
}

//! The special tokens of a tokenizer by their names: what transformers' `special_tokens_map` holds
//! once `AutoTokenizer` has put it together from a folder's files.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::folder_files::{FolderError, read_json, read_text};
use super::tokenizer::Tokenizer;
use crate::llm::files::gguf::GgufFile;

/// The names that every tokenizer of transformers has.
const NAMES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// A class of transformers, and the tokens that it brings along where the files name none.
#[derive(Debug)]
struct Class {
    name: &'static str,
    tokens: &'static [(&'static str, &'static str)],
    /// It has no token for padding, whatever `tokenizer.json` says.
    pads_with_nothing: bool,
}

const CLASSES: [Class; 9] = [
    Class {
        name: "GPT2Tokenizer",
        tokens: &[
            ("unk_token", "<|endoftext|>"),
            ("bos_token", "<|endoftext|>"),
            ("eos_token", "<|endoftext|>"),
        ],
        pads_with_nothing: true,
    },
    Class {
        name: "GPTNeoXTokenizer",
        tokens: &[
            ("unk_token", "<|endoftext|>"),
            ("bos_token", "<|endoftext|>"),
            ("eos_token", "<|endoftext|>"),
            ("pad_token", "<|padding|>"),
        ],
        pads_with_nothing: false,
    },
    Class {
        name: "Qwen2Tokenizer",
        tokens: &[
            ("unk_token", "<|endoftext|>"),
            ("eos_token", "<|endoftext|>"),
            ("pad_token", "<|endoftext|>"),
        ],
        pads_with_nothing: false,
    },
    Class {
        name: "Qwen3_5Tokenizer",
        tokens: &[
            ("unk_token", "<|endoftext|>"),
            ("eos_token", "<|endoftext|>"),
            ("pad_token", "<|endoftext|>"),
        ],
        pads_with_nothing: false,
    },
    Class {
        name: "LlamaTokenizer",
        tokens: &[("unk_token", "<unk>"), ("bos_token", "<s>"), ("eos_token", "</s>")],
        pads_with_nothing: false,
    },
    Class {
        name: "CodeLlamaTokenizer",
        tokens: &[
            ("unk_token", "<unk>"),
            ("bos_token", "<s>"),
            ("eos_token", "</s>"),
            ("prefix_token", "▁<PRE>"),
            ("middle_token", "▁<MID>"),
            ("suffix_token", "▁<SUF>"),
            ("eot_token", "▁<EOT>"),
            ("fill_token", "<FILL_ME>"),
        ],
        pads_with_nothing: false,
    },
    Class {
        name: "GemmaTokenizer",
        tokens: &[
            ("unk_token", "<unk>"),
            ("bos_token", "<bos>"),
            ("eos_token", "<eos>"),
            ("pad_token", "<pad>"),
            ("mask_token", "<mask>"),
        ],
        pads_with_nothing: false,
    },
    Class {
        name: "CohereTokenizer",
        tokens: &[
            ("unk_token", "<UNK>"),
            ("bos_token", "<BOS_TOKEN>"),
            ("eos_token", "<|END_OF_TURN_TOKEN|>"),
            ("pad_token", "<PAD>"),
            ("cls_token", "<CLS>"),
            ("sep_token", "<SEP>"),
            ("mask_token", "<MASK_TOKEN>"),
        ],
        pads_with_nothing: false,
    },
    Class {
        name: "T5Tokenizer",
        tokens: &[("eos_token", "</s>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")],
        pads_with_nothing: false,
    },
];

/// The class that transformers has registered for a `model_type`, among those that can be run here.
/// `None`: none.
fn registered(model_type: &str) -> Option<&'static str> {
    Some(match model_type {
        "gpt2" => "GPT2Tokenizer",
        "qwen2" | "qwen3" => "Qwen2Tokenizer",
        "gemma" | "gemma2" | "gemma3" | "gemma3_text" => "GemmaTokenizer",
        "mistral" | "olmo2" | "phi3" => GENERAL,
        _ => return None,
    })
}

/// The class without habits of its own.
const GENERAL: &str = "TokenizersBackend";

/// The models whose registered class is taken although their files name another one.
const WRONG_IN_FILES: [&str; 2] = ["phi3", "qwen2"];

/// The names and texts of a folder's special tokens. `config` is its `tokenizer_config.json`.
pub(super) fn of_folder(folder: &Path, config: &Json) -> Result<Map<String, Json>, FolderError> {
    let mut given = config.as_object().cloned().unwrap_or_default();
    // Names of the tokenizer's own count as `tokenizer_config.json` has them.
    let is_own = |name: &str| name.ends_with("_token") && !NAMES.contains(&name);
    let mut own: Map<String, Json> = given
        .iter()
        .filter(|(name, value)| is_own(name) && value.is_string())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let extra = |given: &Map<String, Json>| {
        given.get("extra_special_tokens").and_then(Json::as_object).cloned().unwrap_or_default()
    };
    own.extend(extra(&given));
    if !given.contains_key("added_tokens_decoder")
        && let Json::Object(map) = read_json(&folder.join("special_tokens_map.json"))?
    {
        given.extend(map);
        own.extend(extra(&given));
    }
    let tokenizer = Steps::read(&folder.join("tokenizer.json"))?;
    let model = read_json(&folder.join("config.json"))?;
    if let Some(class) = class_of(config, &model, &tokenizer) {
        for (name, text) in class.tokens {
            given.entry(*name).or_insert_with(|| Json::from(*text));
        }
        if class.pads_with_nothing {
            given.entry("pad_token").or_insert(Json::Null);
        }
    }
    if let Some(padding) = tokenizer.padding["pad_token"].as_str() {
        given.entry("pad_token").or_insert_with(|| Json::from(padding));
    }
    let named =
        given.into_iter().filter(|(name, _)| NAMES.contains(&name.as_str()) || is_own(name));
    let all = named.chain(own);
    Ok(all.filter_map(|(name, value)| Some((name, Json::from(text(&value)?)))).collect())
}

/// What of a `tokenizer.json` is asked for here; the rest may be large.
#[derive(Debug, Default, Deserialize)]
struct Steps {
    #[serde(default)]
    padding: Json,
    #[serde(default)]
    pre_tokenizer: Json,
    #[serde(default)]
    decoder: Json,
}

impl Steps {
    fn read(path: &Path) -> Result<Self, FolderError> {
        match read_text(path)? {
            Some(text) => serde_json::from_str(&text)
                .map_err(|err| FolderError { path: path.to_owned(), source: err.into() }),
            None => Ok(Self::default()),
        }
    }

    /// Whether the tokenizer works on bytes, as those of GPT-2 and Llama 3 do.
    fn are_byte_level(&self) -> bool {
        let of = |step: &Json| step["type"] == "ByteLevel";
        [&self.pre_tokenizer, &self.decoder].into_iter().any(|step| {
            let inner = step["pretokenizers"].as_array().or_else(|| step["decoders"].as_array());
            of(step) || inner.is_some_and(|steps| steps.iter().any(of))
        })
    }
}

/// A token as a string, or as a map of its flags.
fn text(token: &Json) -> Option<&str> {
    token.as_str().or_else(|| token["content"].as_str())
}

/// The class whose tokens count, by the rules of `AutoTokenizer`. `None`: the one without any.
fn class_of(config: &Json, model: &Json, tokenizer: &Steps) -> Option<&'static Class> {
    let plain = |name: &str| name.strip_suffix("Fast").unwrap_or(name).to_owned();
    let class = |json: &Json| json["tokenizer_class"].as_str().map(plain);
    let model_type = model["model_type"].as_str().unwrap_or_default();
    let wrong_in_files = WRONG_IN_FILES.contains(&model_type);
    let find = |name: &str| CLASSES.iter().find(|class| class.name == name);
    match (class(config).or_else(|| class(model)), registered(model_type)) {
        (Some(name), _)
            if name == "LlamaTokenizer" && !wrong_in_files && tokenizer.are_byte_level() =>
        {
            None
        }
        (Some(name), Some(registered)) if name != registered => match registered {
            GENERAL => None,
            _ if wrong_in_files => find(registered),
            _ => find(&name),
        },
        (Some(name), _) => find(&name),
        (None, Some(registered)) => find(registered),
        (None, None) => None,
    }
}

/// The special tokens that a GGUF file names by their ids.
pub(super) fn of_gguf(file: &GgufFile, tokenizer: &Tokenizer) -> Map<String, Json> {
    let ids = [
        ("bos_token", tokenizer.bos()),
        ("eos_token", tokenizer.eos()),
        ("unk_token", file.u32("tokenizer.ggml.unknown_token_id")),
        ("sep_token", file.u32("tokenizer.ggml.seperator_token_id")),
        ("pad_token", file.u32("tokenizer.ggml.padding_token_id")),
        ("cls_token", file.u32("tokenizer.ggml.cls_token_id")),
        ("mask_token", file.u32("tokenizer.ggml.mask_token_id")),
    ];
    let text = |id: Option<u32>| id.and_then(|id| tokenizer.token(id));
    ids.into_iter().filter_map(|(name, id)| Some((name.to_owned(), text(id)?.into()))).collect()
}

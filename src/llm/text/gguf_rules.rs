//! How text is split into words before byte-level BPE, by the names that llama.cpp gives the rules
//! (`tokenizer.ggml.pre`). The rules are those of the models' own `tokenizer.json` files. A name
//! that is not in the table is an error: a wrong guess gives plausible ids and bad answers.

use serde_json::{Value, json};

/// How text is prepared for byte-level BPE.
pub(super) struct Rules {
    /// Regular expressions: each splits what the ones before it left whole.
    splits: Vec<&'static str>,

    /// Compose characters first: `e` and an accent become `é`.
    pub nfc: bool,

    /// A word that is in the vocabulary is one token, whatever the merges say.
    pub ignore_merges: bool,

    /// Whether a text begins with the BOS token where the file does not say.
    pub add_bos: bool,
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// Words as `cl100k` splits them, digits in groups of up to three.
pub(super) const CL100K: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// As [`CL100K`], but every digit for itself.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// As [`QWEN2`], with line breaks apart from what stands before them.
const SEED: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+";

/// As [`QWEN2`], with accents as parts of words.
const QWEN35: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Mistral's: words are also split where a capital follows a small letter.
pub(super) const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// As [`TEKKEN`], with `'s` and the like as part of the word before them.
const O200K: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// `DeepSeek`'s words, where digits and Chinese and Japanese characters are split off already.
const DEEPSEEK: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;

const CHINESE_OR_JAPANESE: &str = "[一-龥぀-ゟ゠-ヿ]+";
const DIGIT: &str = r"\p{N}";
const UP_TO_THREE_DIGITS: &str = r"\p{N}{1,3}";
const BLOOM: &str = r" ?[^(\s|.,!?…。，、।۔،)]+";

impl Rules {
    /// The table of llama.cpp's names that we know the exact rules of. `None`: we do not.
    pub fn named(pre: &str) -> Option<Self> {
        let plain = |splits: &[&'static str]| Self {
            splits: splits.to_vec(),
            nfc: false,
            ignore_merges: false,
            add_bos: false,
        };
        Some(match pre {
            "default" => plain(&[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"]),
            "gpt-2" | "gpt2" | "phi-2" | "jina-es" | "jina-de" | "jina-v2-es" | "jina-v2-de"
            | "jina-v1-en" | "jina-v2-code" | "roberta-bpe" | "mpt" | "jais" | "gigachat"
            | "a.x-4.0" | "mellum" | "modern-bert" | "exaone4" | "trillion" | "granite-docling" => {
                plain(&[GPT2])
            }
            "olmo" => Self { nfc: true, ..plain(&[GPT2]) },
            "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" | "exaone"
            | "minerva-7b" | "mellum2" => plain(&[DIGIT, GPT2]),
            "falcon" => plain(&[r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"]),
            "llama3" | "llama-v3" | "llama-bpe" | "falcon3" | "falcon-h1" | "pixtral"
            | "midm-2.0" | "lfm2" | "jina-v5-nano" => {
                Self { ignore_merges: true, add_bos: true, ..plain(&[CL100K]) }
            }
            "smaug-bpe" | "dbrx" | "chatglm-bpe" | "glm4" => plain(&[CL100K]),
            "minicpm5" => Self { ignore_merges: true, ..plain(&[UP_TO_THREE_DIGITS, CL100K]) },
            "qwen2" | "deepseek-r1-qwen" | "kormo" | "f2llmv2" | "megrez" => {
                Self { nfc: true, ..plain(&[QWEN2]) }
            }
            "qwen35" => Self { nfc: true, ..plain(&[QWEN35]) },
            "stablelm2" | "hunyuan" | "solar-open" | "grok-2" => plain(&[QWEN2]),
            "seed-coder" => plain(&[SEED]),
            "laguna" => plain(&[r"[^\n]+|[\n]+", QWEN2]),
            "tekken" => Self { ignore_merges: true, add_bos: true, ..plain(&[TEKKEN]) },
            "gpt-4o" | "llama4" | "kanana2" | "talkie" | "minimax-m2" => plain(&[O200K]),
            "deepseek-v3" | "hunyuan-dense" | "joyai-llm" | "hy_v4" => {
                plain(&[UP_TO_THREE_DIGITS, CHINESE_OR_JAPANESE, DEEPSEEK])
            }
            "deepseek-coder" => {
                plain(&["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", DIGIT])
            }
            "bloom" | "poro-chat" | "gpt3-finnish" => plain(&[BLOOM]),
            "viking" => plain(&[BLOOM, DIGIT]),
            _ => return None,
        })
    }

    pub fn pre_tokenizer(&self) -> Value {
        let is_gpt2 = self.splits.last() == Some(&GPT2);
        let own = if is_gpt2 { &self.splits[..self.splits.len() - 1] } else { &self.splits[..] };
        let split = |regex: &&str| {
            json!({
                "type": "Split",
                "pattern": { "Regex": regex },
                "behavior": "Isolated",
                "invert": false,
            })
        };
        let mut steps: Vec<Value> = own.iter().map(split).collect();
        steps.push(byte_level_step(is_gpt2));
        json!({ "type": "Sequence", "pretokenizers": steps })
    }
}

pub(super) fn byte_level_step(use_regex: bool) -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex })
}

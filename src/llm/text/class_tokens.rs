//! The special tokens of transformers' tokenizer classes.

use serde_json::Value;

use super::added::{Named, Spelled};
use super::classes::Class;
use super::languages;
use super::languages::MbartLanguages;

impl Class {
    /// The special tokens that the class knows by name, where the files do not say.
    pub fn defaults(self) -> Vec<Named> {
        let same = |names: &[&str], token: &str| -> Vec<Named> {
            names.iter().map(|name| Named::text(name, token)).collect()
        };
        let one = |name: &str, token: &str| Named::text(name, token);
        match self {
            Self::Plain => Vec::new(),
            Self::Gpt2 => {
                let mut all = same(&["unk_token", "bos_token", "eos_token"], "<|endoftext|>");
                all.push(Named::none("pad_token"));
                all
            }
            Self::Qwen2 | Self::Qwen35 => {
                let mut all = same(&["unk_token", "eos_token", "pad_token"], "<|endoftext|>");
                all.push(Named::none("bos_token"));
                all
            }
            Self::Llama => {
                vec![one("unk_token", "<unk>"), one("bos_token", "<s>"), one("eos_token", "</s>")]
            }
            Self::CodeLlama => vec![
                one("unk_token", "<unk>"),
                one("bos_token", "<s>"),
                one("eos_token", "</s>"),
                one("prefix_token", "▁<PRE>"),
                one("middle_token", "▁<MID>"),
                one("suffix_token", "▁<SUF>"),
                one("eot_token", "▁<EOT>"),
                one("fill_token", "<FILL_ME>"),
            ],
            Self::Gemma => vec![
                one("unk_token", "<unk>"),
                one("bos_token", "<bos>"),
                one("eos_token", "<eos>"),
                one("pad_token", "<pad>"),
                one("mask_token", "<mask>"),
            ],
            Self::NeoX => {
                let mut all = same(&["unk_token", "bos_token", "eos_token"], "<|endoftext|>");
                all.push(one("pad_token", "<|padding|>"));
                all
            }
            Self::Cohere => vec![
                one("unk_token", "<UNK>"),
                one("bos_token", "<BOS_TOKEN>"),
                one("eos_token", "<|END_OF_TURN_TOKEN|>"),
                one("pad_token", "<PAD>"),
                one("cls_token", "<CLS>"),
                one("sep_token", "<SEP>"),
                one("mask_token", "<MASK_TOKEN>"),
            ],
            Self::Bert | Self::BertFile => vec![
                one("unk_token", "[UNK]"),
                one("sep_token", "[SEP]"),
                one("pad_token", "[PAD]"),
                one("cls_token", "[CLS]"),
                one("mask_token", "[MASK]"),
            ],
            Self::Roberta | Self::Mpnet | Self::XlmRoberta => {
                let unknown = if self == Self::Mpnet { "[UNK]" } else { "<unk>" };
                vec![
                    one("bos_token", "<s>"),
                    one("eos_token", "</s>"),
                    one("sep_token", "</s>"),
                    one("cls_token", "<s>"),
                    one("unk_token", unknown),
                    one("pad_token", "<pad>"),
                    one("mask_token", "<mask>"),
                ]
            }
            Self::Camembert => vec![
                one("bos_token", "<s>"),
                one("eos_token", "</s>"),
                one("sep_token", "</s>"),
                one("cls_token", "<s>"),
                one("unk_token", "<unk>"),
                one("pad_token", "<pad>"),
                Named::before_spaces("mask_token", "<mask>"),
            ],
            Self::MBart | Self::MBart50 | Self::Nllb => {
                let mut all = Self::XlmRoberta.defaults();
                all.pop();
                all.push(self.mask("<mask>"));
                if self == Self::MBart50 {
                    all.retain(|named| named.name != "bos_token"); // one of the files counts
                }
                all
            }
            Self::BigBird => vec![
                one("bos_token", "<s>"),
                one("eos_token", "</s>"),
                one("unk_token", "<unk>"),
                one("pad_token", "<pad>"),
                one("cls_token", "[CLS]"),
                one("sep_token", "[SEP]"),
                self.mask("[MASK]"),
            ],
            Self::Pegasus => vec![
                one("pad_token", "<pad>"),
                one("eos_token", "</s>"),
                one("unk_token", "<unk>"),
                one("mask_token", "<mask_2>"),
            ],
            Self::Marian => {
                vec![one("unk_token", "<unk>"), one("eos_token", "</s>"), one("pad_token", "<pad>")]
            }
            Self::M2m100 => vec![
                one("bos_token", "<s>"),
                one("eos_token", "</s>"),
                one("sep_token", "</s>"),
                one("pad_token", "<pad>"),
                one("unk_token", "<unk>"),
            ],
            Self::Albert | Self::DebertaV2 => {
                let is_albert = self == Self::Albert;
                vec![
                    one("bos_token", "[CLS]"),
                    one("eos_token", "[SEP]"),
                    one("sep_token", "[SEP]"),
                    one("cls_token", "[CLS]"),
                    one("unk_token", if is_albert { "<unk>" } else { "[UNK]" }),
                    one("pad_token", if is_albert { "<pad>" } else { "[PAD]" }),
                    one("mask_token", "[MASK]"),
                ]
            }
            Self::T5 => {
                vec![one("eos_token", "</s>"), one("unk_token", "<unk>"), one("pad_token", "<pad>")]
            }
        }
    }

    /// The token that hides a word, as the class takes it where a file gives its text alone.
    pub fn mask(self, token: &str) -> Named {
        let flags = match self {
            Self::Nllb => [None, Some(true), None, Some(true)],
            Self::MBart | Self::MBart50 | Self::BigBird => [None, Some(true), None, None],
            _ => return Named::text("mask_token", token),
        };
        let token = Spelled::Flags { content: token.to_owned(), special: true, flags };
        Named { name: "mask_token".to_owned(), token: Some(token) }
    }

    /// Further special tokens of the class. `older`: those that the files have under the older name.
    /// `None`: only those.
    pub fn extra(self, older: Option<&[Spelled]>, settings: &Value) -> Option<Vec<Spelled>> {
        let texts = |all: &mut dyn Iterator<Item = &'static str>| -> Vec<Spelled> {
            all.map(|code| Spelled::Text(code.to_owned())).collect()
        };
        match self {
            Self::MBart | Self::MBart50 => {
                let count = if self == Self::MBart {
                    MbartLanguages::TwentyFive
                } else {
                    MbartLanguages::Fifty
                };
                let mut all = texts(&mut languages::mbart(count));
                all.extend(older.unwrap_or_default().iter().cloned());
                Some(all)
            }
            Self::Nllb if older.is_none() => Some(texts(&mut languages::nllb())),
            Self::Pegasus => {
                let sentence = settings["mask_token_sent"].as_str().unwrap_or("<mask_1>");
                let is_there =
                    older.unwrap_or_default().iter().any(|token| token.content() == sentence);
                let first = (!is_there).then(|| sentence.to_owned());
                let rest = pegasus_unknown(settings);
                Some(first.into_iter().chain(rest).map(Spelled::Text).collect())
            }
            _ => None,
        }
    }
}

/// Tokens that Pegasus knows and never uses.
pub(super) fn pegasus_unknown(settings: &Value) -> impl Iterator<Item = String> + use<> {
    (2..settings["offset"].as_u64().unwrap_or(103)).map(|at| format!("<unk_{at}>"))
}

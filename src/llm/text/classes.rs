//! transformers' tokenizer classes: what each puts in the place of what a `tokenizer.json` says.
//! Which one `AutoTokenizer` takes for a folder: `class_choice.rs`.
//!
//! As transformers 5.23 has it. A class with its own rules takes tokens, merges and what is put
//! around a text from the file, and everything else from itself; a class that is not in the table
//! takes the file as it is.

use serde_json::{Value, json};

use super::model_file::{Kind, ModelParts, Vocabulary};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// `TokenizersBackend`, also named `PreTrainedTokenizerFast`: the file as it is.
    Plain,
    Gpt2,
    Qwen2,
    Qwen35,
    Llama,
    CodeLlama,
    Gemma,
    NeoX,
    Cohere,
    Bert,

    /// `ConvBertTokenizer`: the file as it is, framed as `BertTokenizer` does it.
    BertFile,
    Roberta,
    Mpnet,
    XlmRoberta,
    Camembert,
    Albert,
    DebertaV2,
    T5,
    MBart,
    MBart50,
    Nllb,
    BigBird,
    Pegasus,

    /// Pieces of two files, numbered by a third: see `numbered.rs`.
    Marian,
    M2m100,
}

/// Where a class keeps its tokens when there is no `tokenizer.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// `vocab.json` and `merges.txt`.
    VocabAndMerges,

    /// `vocab.txt`: a token a line.
    VocabTxt,

    /// A SentencePiece model of this name.
    SentencePiece(&'static str),

    /// SentencePiece's models and a vocabulary with other numbers.
    Numbered,
}

/// What is put around a text that asks for special tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// What the file says; where it says nothing, `add_bos_token` and `add_eos_token`.
    FromFile,

    /// By `add_bos_token` and `add_eos_token`, whatever the file says.
    BosAndEos { bos_unless_told: bool },

    /// `[CLS] text [SEP]`.
    ClsAndSep,

    /// `<s> text </s>`, the tokens that begin and end a text.
    BosText,

    /// `text </s>`.
    TextEos,

    /// `text </s>`, and two texts with one end.
    TextsEos,

    /// The code of a language before a text and `</s>` behind it, or both behind it.
    Language { usual: &'static str, is_behind: bool },
}

/// How Qwen's tokenizers split a text into words.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// As [`QWEN2`], with accents as parts of words.
const QWEN35: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

impl Class {
    /// Whether the file is taken as it is.
    pub fn takes_file(self) -> bool {
        matches!(self, Self::Plain | Self::BertFile | Self::Marian | Self::M2m100)
    }

    pub fn frame(self, settings: &Value) -> Frame {
        match self {
            Self::MBart => Frame::Language { usual: "en_XX", is_behind: true },
            Self::MBart50 => Frame::Language { usual: "en_XX", is_behind: false },
            Self::Nllb => {
                let is_behind = settings["legacy_behaviour"] == true;
                Frame::Language { usual: "eng_Latn", is_behind }
            }
            Self::M2m100 => Frame::Language { usual: "en", is_behind: false },
            Self::Pegasus | Self::Marian => Frame::TextsEos,
            Self::Bert
            | Self::BertFile
            | Self::Roberta
            | Self::Mpnet
            | Self::Albert
            | Self::DebertaV2
            | Self::BigBird => Frame::ClsAndSep,
            Self::XlmRoberta | Self::Camembert => Frame::BosText,
            Self::T5 => Frame::TextEos,
            Self::CodeLlama => Frame::BosAndEos { bos_unless_told: true },
            Self::NeoX => Frame::BosAndEos { bos_unless_told: false },
            _ => Frame::FromFile,
        }
    }

    pub fn files(self) -> Files {
        match self {
            Self::Gpt2 | Self::Qwen2 | Self::NeoX | Self::Cohere | Self::Roberta => {
                Files::VocabAndMerges
            }
            Self::Bert | Self::BertFile | Self::Mpnet => Files::VocabTxt,
            Self::XlmRoberta | Self::Camembert | Self::MBart | Self::MBart50 | Self::Nllb => {
                Files::SentencePiece("sentencepiece.bpe.model")
            }
            Self::Marian | Self::M2m100 => Files::Numbered,
            Self::DebertaV2 => Files::SentencePiece("spm.model"),
            Self::T5 | Self::Albert | Self::BigBird | Self::Pegasus => {
                Files::SentencePiece("spiece.model")
            }
            Self::Plain | Self::Llama | Self::CodeLlama | Self::Gemma | Self::Qwen35 => {
                Files::SentencePiece("tokenizer.model")
            }
        }
    }

    /// The kind of model that the class builds, whatever the file says.
    pub fn kind(self) -> Option<Kind> {
        match self {
            Self::Plain | Self::BertFile | Self::Marian | Self::M2m100 => None,
            Self::Bert | Self::Mpnet => Some(Kind::WordPiece),
            Self::XlmRoberta
            | Self::T5
            | Self::Camembert
            | Self::Albert
            | Self::DebertaV2
            | Self::MBart
            | Self::MBart50
            | Self::BigBird
            | Self::Pegasus => Some(Kind::Unigram),
            _ => Some(Kind::Bpe),
        }
    }

    /// The class's own settings of its model.
    pub fn set_model(self, model: &mut ModelParts, unknown: Option<&str>) {
        let unknown = unknown.map(str::to_owned);
        let ModelParts { vocab, merges, unk_id, .. } = std::mem::take(model);
        let place = |score: Option<f64>| {
            let Vocabulary::Scores(scores) = &vocab else { return None };
            let is_it = |(token, its): &(String, f64)| {
                Some(token) == unknown.as_ref() && score.is_none_or(|score| score == *its)
            };
            scores.iter().position(is_it)
        };
        let place = match self {
            Self::DebertaV2 => place(Some(0.0)).or(unk_id).unwrap_or(1),
            Self::Camembert => place(None).unwrap_or(0),
            Self::Albert => 1,
            Self::BigBird => place(Some(0.0)).unwrap_or(100),
            Self::Pegasus => place(Some(0.0)).unwrap_or(0),
            _ => 0,
        };
        let bare = ModelParts { kind: self.kind(), vocab, merges, ..ModelParts::default() };
        *model = match self {
            Self::Llama => ModelParts { fuse_unk: true, byte_fallback: true, ..bare },
            Self::CodeLlama | Self::Gemma => {
                let unk_token = unknown;
                ModelParts { fuse_unk: true, byte_fallback: true, unk_token, ..bare }
            }
            Self::Bert | Self::Mpnet => ModelParts { unk_token: unknown, merges: None, ..bare },
            Self::XlmRoberta | Self::MBart | Self::MBart50 => {
                ModelParts { unk_id: Some(3), merges: None, ..bare }
            }
            Self::Nllb => ModelParts { fuse_unk: true, unk_token: unknown, ..bare },
            Self::Camembert | Self::Albert | Self::DebertaV2 | Self::BigBird | Self::Pegasus => {
                ModelParts { unk_id: Some(place), merges: None, ..bare }
            }
            Self::T5 => ModelParts { unk_id: Some(2), merges: None, ..bare },
            _ => bare,
        };
    }

    /// The class's own parts in the place of the file's: `normalizer`, `pre_tokenizer`, `decoder`.
    /// `settings`: `tokenizer_config.json`. `charsmap`: SentencePiece's table of replacements.
    pub fn parts(self, settings: &Value, charsmap: Option<Value>) -> [Value; 3] {
        let told = |key: &str| settings[key].as_bool();
        let add_space = told("add_prefix_space");
        let byte_level = |add_prefix_space: bool, use_regex: bool| {
            json!({
                "type": "ByteLevel",
                "add_prefix_space": add_prefix_space,
                "trim_offsets": true,
                "use_regex": use_regex,
            })
        };
        let nfc = json!({ "type": "NFC" });
        let bytes = byte_level(true, true);
        match self {
            Self::Plain | Self::BertFile | Self::Marian | Self::M2m100 => {
                [Value::Null, Value::Null, Value::Null]
            }
            Self::Gpt2 | Self::Roberta => {
                [Value::Null, byte_level(add_space.unwrap_or(false), true), bytes]
            }
            Self::NeoX => [nfc, byte_level(add_space.unwrap_or(false), true), bytes],
            Self::Qwen2 | Self::Qwen35 => {
                let regex = if self == Self::Qwen2 { QWEN2 } else { QWEN35 };
                let split = json!({
                    "type": "Split",
                    "pattern": { "Regex": regex },
                    "behavior": "Isolated",
                    "invert": false,
                });
                let steps = [split, byte_level(add_space.unwrap_or(false), false)];
                [nfc, json!({ "type": "Sequence", "pretokenizers": steps }), bytes]
            }
            Self::Cohere => {
                let digits = json!({ "type": "Digits", "individual_digits": true });
                let steps = [digits, byte_level(add_space.unwrap_or(false), true)];
                [nfc, json!({ "type": "Sequence", "pretokenizers": steps }), bytes]
            }
            Self::Llama | Self::CodeLlama => {
                let add_space = add_space.unwrap_or(true);
                // `legacy`: a space is put before every stretch of text, not only the first.
                let is_legacy = self == Self::Llama && told("legacy").unwrap_or(false);
                let scheme = match (add_space, is_legacy) {
                    (false, _) => "never",
                    (true, true) => "always",
                    (true, false) => "first",
                };
                let strips = add_space || self == Self::CodeLlama;
                [Value::Null, metaspace(scheme, false), sentence_piece_decoder(strips)]
            }
            Self::Gemma => {
                let split = json!({
                    "type": "Split",
                    "pattern": { "String": " " },
                    "behavior": "MergedWithPrevious",
                    "invert": false,
                });
                [space_to_bar(), split, sentence_piece_decoder(false)]
            }
            Self::Bert | Self::Mpnet => {
                let normalizer = json!({
                    "type": "BertNormalizer",
                    "clean_text": true,
                    "handle_chinese_chars": told("tokenize_chinese_chars").unwrap_or(true),
                    "strip_accents": told("strip_accents"),
                    "lowercase": told("do_lower_case").unwrap_or(true),
                });
                let decoder = json!({ "type": "WordPiece", "prefix": "##", "cleanup": true });
                [normalizer, json!({ "type": "BertPreTokenizer" }), decoder]
            }
            Self::DebertaV2 => {
                let replace = json!({
                    "type": "Replace",
                    "pattern": { "Regex": r"\s{2,}|[\n\r\t]" },
                    "content": " ",
                });
                let strip = json!({ "type": "Strip", "strip_left": false, "strip_right": true });
                let lower = told("do_lower_case").unwrap_or(false).then(lowercase);
                let steps: Vec<Value> = lower.into_iter().chain([replace, nfc, strip]).collect();
                let punctuation = json!({ "type": "Punctuation", "behavior": "Isolated" });
                let splits = told("split_by_punct").unwrap_or(false).then_some(punctuation);
                let bar =
                    metaspace(if add_space.unwrap_or(true) { "always" } else { "first" }, true);
                let before: Vec<Value> = splits.into_iter().chain([bar.clone()]).collect();
                [
                    json!({ "type": "Sequence", "normalizers": steps }),
                    json!({ "type": "Sequence", "pretokenizers": before }),
                    bar,
                ]
            }
            Self::Albert => {
                let quote = |from: &str| json!({ "type": "Replace", "pattern": { "String": from }, "content": "\"" });
                let mut steps = vec![quote("``"), quote("''")];
                if !told("keep_accents").unwrap_or(false) {
                    steps.extend([json!({ "type": "NFKD" }), json!({ "type": "StripAccents" })]);
                }
                steps.extend(told("do_lower_case").unwrap_or(true).then(lowercase));
                steps.extend(charsmap);
                let [_, pre_tokenizer, decoder] = Self::XlmRoberta.parts(settings, None);
                [json!({ "type": "Sequence", "normalizers": steps }), pre_tokenizer, decoder]
            }
            Self::MBart50 | Self::Nllb | Self::BigBird | Self::Pegasus => {
                let always = self != Self::BigBird || add_space.unwrap_or(true);
                let bar = metaspace(if always { "always" } else { "never" }, true);
                let replace = |from: &str, to: &str| json!({ "type": "Replace", "pattern": { "Regex": from }, "content": to });
                let steps = match (self, charsmap) {
                    (Self::Nllb, None) => return [Value::Null, bar.clone(), bar],
                    (Self::BigBird, _) => {
                        let strip =
                            json!({ "type": "Strip", "strip_left": false, "strip_right": false });
                        vec![strip, replace(" {2,}", "▁")]
                    }
                    (Self::Pegasus, None) => vec![replace("\\n", " "), replace(" {2,}", " ")],
                    (_, charsmap) => charsmap.into_iter().chain([replace(" {2,}", " ")]).collect(),
                };
                [json!({ "type": "Sequence", "normalizers": steps }), bar.clone(), bar]
            }
            Self::XlmRoberta | Self::T5 | Self::Camembert | Self::MBart => {
                let always = matches!(self, Self::T5 | Self::MBart) || add_space.unwrap_or(true);
                let charsmap = charsmap.filter(|_| self != Self::MBart);
                let bar = metaspace(if always { "always" } else { "never" }, true);
                let steps = [json!({ "type": "WhitespaceSplit" }), bar.clone()];
                let steps = json!({ "type": "Sequence", "pretokenizers": steps });
                [charsmap.unwrap_or(Value::Null), steps, bar]
            }
        }
    }
}

fn lowercase() -> Value {
    json!({ "type": "Lowercase" })
}

fn metaspace(prepend_scheme: &str, split: bool) -> Value {
    json!({
        "type": "Metaspace",
        "replacement": "▁",
        "prepend_scheme": prepend_scheme,
        "split": split,
    })
}

/// A space is written `▁`.
pub(super) fn space_to_bar() -> Value {
    json!({ "type": "Replace", "pattern": { "String": " " }, "content": "▁" })
}

/// `▁` is a space, `<0xE4>` a byte; `strips`: one space at the beginning is taken off.
pub(super) fn sentence_piece_decoder(strips: bool) -> Value {
    let mut steps = vec![
        json!({ "type": "Replace", "pattern": { "String": "▁" }, "content": " " }),
        json!({ "type": "ByteFallback" }),
        json!({ "type": "Fuse" }),
    ];
    if strips {
        steps.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
    }
    json!({ "type": "Sequence", "decoders": steps })
}

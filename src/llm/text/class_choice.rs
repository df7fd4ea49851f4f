//! Which of transformers' tokenizer classes `AutoTokenizer` takes for a folder. What each does:
//! `classes.rs`.

use serde_json::Value;

use super::classes::Class;

/// The class that `AutoTokenizer` takes, by `config.json`, `tokenizer_config.json`, and whether
/// the text of `tokenizer.json` has `"ByteLevel"` in it.
pub(super) fn choose(config: &Value, tokenizer_config: &Value, is_byte_level: bool) -> Class {
    let text = |json: &Value, key: &str| json[key].as_str().unwrap_or_default().to_owned();
    let model_type = text(config, "model_type");
    let mut declared = text(tokenizer_config, "tokenizer_class");
    if declared.is_empty() {
        declared = text(config, "tokenizer_class");
    }
    let own_code = &tokenizer_config["auto_map"];
    let has_own_code = own_code.is_array() || !own_code["AutoTokenizer"].is_null();
    let is_misnamed = MISNAMED.contains(&model_type.as_str());
    let registered = registered(&model_type);
    let bare = declared.strip_suffix("Fast").unwrap_or(&declared);

    if !has_own_code && !declared.is_empty() {
        // Llama 3's files name Llama 2's class, which would split text in another way.
        if bare == "LlamaTokenizer" && is_byte_level && !is_misnamed {
            return Class::Plain;
        }
        match registered {
            Some(Class::Plain) => return Class::Plain,
            Some(class) if is_misnamed => return class,
            _ => {}
        }
    }
    if declared.is_empty() { registered.unwrap_or(Class::Plain) } else { named(&declared) }
}

/// What a `model_type` that transformers knows stands for in its table of tokenizers.
fn registered(model_type: &str) -> Option<Class> {
    Some(match model_type {
        "blip-2"
        | "codegen"
        | "dbrx"
        | "emu3"
        | "gpt2"
        | "gpt_neo"
        | "gptj"
        | "hyperclovax_vision_v2"
        | "instructblip"
        | "instructblipvideo"
        | "jais2"
        | "opt"
        | "phi"
        | "starcoder2" => Class::Gpt2,
        "audioflamingo3" | "colqwen2" | "hunyuan_vl" | "internvl" | "ovis2" | "qwen2"
        | "qwen2_5_omni" | "qwen2_5_vl" | "qwen2_audio" | "qwen2_moe" | "qwen2_vl" | "qwen3"
        | "qwen3_asr" | "qwen3_moe" | "qwen3_next" | "qwen3_omni_moe" | "qwen3_vl"
        | "qwen3_vl_moe" | "vibevoice" | "lighton_ocr" => Class::Qwen2,
        "qwen3_5" | "qwen3_5_moe" | "qwen3_5_moe_text" | "qwen3_5_text" | "qwen4_exp" => {
            Class::Qwen35
        }
        "idefics" | "idefics2" => Class::Llama,
        "code_llama" => Class::CodeLlama,
        "gemma" | "gemma2" | "gemma3" | "gemma3_text" | "gemma3n" | "gemma3n_text"
        | "diffusion_gemma" | "recurrent_gemma" | "shieldgemma2" | "t5gemma" | "zaya" => {
            Class::Gemma
        }
        "falcon_mamba" | "gpt_neox" | "mamba" | "mamba2" | "mpt" | "olmo" | "olmoe" | "rwkv"
        | "xlstm" => Class::NeoX,
        "aya_vision" | "cohere" | "cohere2" => Class::Cohere,
        "align" | "bark" | "bert" | "blip" | "bros" | "chinese_clip" | "convbert"
        | "distilbert" | "electra" | "ernie" | "flava" | "git" | "grounding-dino" | "layoutlm"
        | "megatron-bert" | "mm-grounding-dino" | "mobilebert" | "nezha" | "nomic_bert"
        | "qdqbert" | "realm" | "retribert" | "squeezebert" | "tvp" | "vilt" | "visual_bert"
        | "lxmert" => Class::Bert,
        "bart"
        | "bridgetower"
        | "clap"
        | "data2vec-text"
        | "ibert"
        | "lilt"
        | "longformer"
        | "mega"
        | "mra"
        | "roberta"
        | "roberta-prelayernorm"
        | "led"
        | "mvp" => Class::Roberta,
        "mpnet" => Class::Mpnet,
        "albert" => Class::Albert,
        "camembert" => Class::Camembert,
        "deberta-v2" => Class::DebertaV2,
        "gte" | "jina_embeddings_v3" | "metaclip_2" | "trocr" | "xlm-roberta" | "xmod" => {
            Class::XlmRoberta
        }
        "mbart" => Class::MBart,
        "mbart50" => Class::MBart50,
        "nllb" | "nllb-moe" => Class::Nllb,
        "big_bird" => Class::BigBird,
        "marian" => Class::Marian,
        "m2m_100" => Class::M2m100,
        "pegasus" => Class::Pegasus,
        "mt5" | "musicgen" | "musicgen_melody" | "switch_transformers" | "t5" => Class::T5,
        other if PLAIN.contains(&other) || MISNAMED.contains(&other) => Class::Plain,
        _ => return None,
    })
}

/// Families whose table entry is the plain class: whatever their files name, it is taken.
const PLAIN: [&str; 42] = [
    "aria",
    "beam",
    "bigbird_pegasus",
    "flex_olmo",
    "glm",
    "glm4",
    "glm4_moe",
    "glm4_moe_lite",
    "glm4v",
    "glm4v_moe",
    "got_ocr2",
    "gpt_bigcode",
    "granite",
    "granitemoe",
    "granitemoehybrid",
    "granitemoeshared",
    "kimi_k25",
    "kimi_linear",
    "kosmos-2",
    "mimo_v2_flash",
    "minicpmv4_6",
    "ministral",
    "ministral3",
    "mistral",
    "mistral3",
    "mistral_large4",
    "mixtral",
    "nystromformer",
    "olmo2",
    "olmo3",
    "olmo_hybrid",
    "pegasus_x",
    "persimmon",
    "pix2struct",
    "pixtral",
    "stablelm",
    "umt5",
    "voxtral",
    "voxtral_realtime",
    "xlm-roberta-xl",
    "EvollaModel",
    "canary",
];

/// Families whose files on the Hub name a wrong class: the table's is taken.
const MISNAMED: [&str; 40] = [
    "arctic",
    "chatlm",
    "ernie4_5",
    "ernie4_5_moe",
    "fuyu",
    "h2ovl_chat",
    "hyperclovax",
    "hyperclovax_vlm",
    "hyperclovax_vision_v2",
    "internlm2",
    "internlm3",
    "iquestcoder",
    "jamba",
    "llava",
    "llava_next",
    "minicpm3",
    "minicpmv",
    "minimax_m2",
    "modernbert",
    "modernbert-decoder",
    "molmo",
    "molmo2",
    "nemotron",
    "nvfp4",
    "opencua",
    "openvla",
    "paddleocr_vl",
    "phi3",
    "phi3_v",
    "phimoe",
    "qwen2",
    "qwen3_5",
    "qwen3_5_moe",
    "qwen3_5_moe_text",
    "qwen4_exp",
    "step3_vl",
    "vipllava",
    "cohere_asr",
    "siglip2",
    "smolvlm",
];

/// A class by its name; `Fast` at the end makes no difference. Names of plain classes and unknown
/// names are [`Class::Plain`].
fn named(name: &str) -> Class {
    match name.strip_suffix("Fast").unwrap_or(name) {
        "GPT2Tokenizer" => Class::Gpt2,
        "Qwen2Tokenizer" => Class::Qwen2,
        "Qwen3_5Tokenizer" => Class::Qwen35,
        "LlamaTokenizer" | "Phi3Tokenizer" => Class::Llama,
        "CodeLlamaTokenizer" => Class::CodeLlama,
        "GemmaTokenizer" => Class::Gemma,
        "GPTNeoXTokenizer" => Class::NeoX,
        "CohereTokenizer" => Class::Cohere,
        "BertTokenizer"
        | "DistilBertTokenizer"
        | "ElectraTokenizer"
        | "MobileBertTokenizer"
        | "SqueezeBertTokenizer"
        | "LayoutLMTokenizer"
        | "LxmertTokenizer"
        | "DPRQuestionEncoderTokenizer" => Class::Bert,
        "ConvBertTokenizer" => Class::BertFile,
        "RobertaTokenizer"
        | "BartTokenizer"
        | "LongformerTokenizer"
        | "LEDTokenizer"
        | "MvpTokenizer" => Class::Roberta,
        "MPNetTokenizer" => Class::Mpnet,
        "XLMRobertaTokenizer" => Class::XlmRoberta,
        "AlbertTokenizer" => Class::Albert,
        "CamembertTokenizer" => Class::Camembert,
        "DebertaV2Tokenizer" => Class::DebertaV2,
        "T5Tokenizer" => Class::T5,
        "MBartTokenizer" => Class::MBart,
        "MBart50Tokenizer" => Class::MBart50,
        "NllbTokenizer" => Class::Nllb,
        "BigBirdTokenizer" => Class::BigBird,
        "MarianTokenizer" => Class::Marian,
        "M2M100Tokenizer" => Class::M2m100,
        "PegasusTokenizer" => Class::Pegasus,
        _ => Class::Plain,
    }
}

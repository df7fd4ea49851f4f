//! GGUF files of encoders and encoder-decoders, as llama.cpp's converter writes them: their header as a
//! `config.json` would say it, and their tensors by transformers' names.
//!
//! `bert` is BERT, and what the converter writes like it: `DistilBERT` (no token types), `RoBERTa` and
//! XLM-RoBERTa (positions without the two that these leave out). `t5` and `t5encoder` are T5, FLAN-T5 and
//! mT5. Heads that guess words or give labels are not in such files, or not whole: what they are for is
//! vectors.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::llm;
use crate::llm::files::gguf::GgufFile;

/// llama.cpp's `general.architecture`s that are computed here.
pub const ARCHITECTURES: [&str; 3] = ["bert", "t5", "t5encoder"];

/// Whether a path is that of a GGUF file, by its ending.
pub(crate) fn is_gguf(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf")) && path.is_file()
}

/// Whether an encoder or an encoder-decoder lies in a file.
pub(crate) fn is_known(file: &GgufFile) -> bool {
    file.str("general.architecture").is_some_and(|name| ARCHITECTURES.contains(&name))
}

/// The same as transformers' `config.json` of this model.
pub(crate) fn config(file: &GgufFile) -> Result<Value, llm::Error> {
    let refuse = |problem: String| llm::Error::not_a_model(file.path(), problem);
    let size = |name: &str| {
        file.of_architecture(name).ok_or_else(|| refuse(format!("its header has no {name}")))
    };
    let rows = |name: &str| file.tensor(name).and_then(|tensor| tensor.shape.first().copied());
    let vocabulary = rows("token_embd.weight")
        .ok_or_else(|| refuse("it has no token_embd.weight".to_owned()))?;
    let number = |name: &str| {
        let architecture = file.str("general.architecture").unwrap_or_default();
        file.f32(&format!("{architecture}.{name}"))
    };
    // Written as a decimal: 1e-12 in f32 is another number in f64.
    let eps = |name: &str, usual: f64| number(name).map_or(usual, short);
    let (layers, width) = (size("block_count")?, size("embedding_length")?);
    let (inner, heads) = (size("feed_forward_length")?, size("attention.head_count")?);
    if file.str("general.architecture") == Some("bert") {
        let Some(positions) = rows("position_embd.weight") else {
            return Err(refuse("it has no position_embd.weight".to_owned()));
        };
        let Some(kinds) = rows("token_types.weight") else {
            return Ok(json!({
                "model_type": "distilbert", "architectures": ["DistilBertModel"],
                "vocab_size": vocabulary, "dim": width, "n_layers": layers, "n_heads": heads,
                "hidden_dim": inner, "max_position_embeddings": positions, "activation": "gelu",
            }));
        };
        return Ok(json!({
            "model_type": "bert", "architectures": ["BertModel"],
            "vocab_size": vocabulary, "hidden_size": width, "num_hidden_layers": layers,
            "num_attention_heads": heads, "intermediate_size": inner,
            "max_position_embeddings": positions, "type_vocab_size": kinds, "hidden_act": "gelu",
            "layer_norm_eps": eps("attention.layer_norm_epsilon", 1e-12),
        }));
    }
    for side in ["enc", "dec"] {
        if file.tensor(&format!("{side}.blk.1.attn_rel_b.weight")).is_some() {
            let problem =
                "each of its layers has distances of its own (UMT5), which is not computed here";
            return Err(refuse(problem.to_owned()));
        }
    }
    let has_head = file.tensor("output.weight").is_some();
    let is_gated = file.tensor("enc.blk.0.ffn_gate.weight").is_some();
    let is_half = file.str("general.architecture") == Some("t5encoder");
    let class = if is_half { "T5EncoderModel" } else { "T5ForConditionalGeneration" };
    let start = number("decoder_start_token_id").map_or(0, |id| id as u32);
    Ok(json!({
        "model_type": "t5", "architectures": [class], "vocab_size": vocabulary, "d_model": width,
        "num_layers": layers, "num_heads": heads, "d_ff": inner, "d_kv": size("attention.key_length")?,
        "num_decoder_layers": file.of_architecture("decoder_block_count").unwrap_or(layers),
        "n_positions": file.of_architecture("context_length").unwrap_or(512),
        "feed_forward_proj": if is_gated { "gated-gelu" } else { "relu" },
        "relative_attention_num_buckets": size("attention.relative_buckets_count")?,
        // The converter leaves it out; it is 128 in every T5.
        "relative_attention_max_distance": 128,
        "layer_norm_epsilon": eps("attention.layer_norm_rms_epsilon", 1e-6),
        // A head of its own is that of T5 1.1 and mT5, which do not scale what it reads.
        "tie_word_embeddings": !has_head, "scale_decoder_outputs": !has_head,
        "decoder_start_token_id": start,
        "pad_token_id": file.u32("tokenizer.ggml.padding_token_id").unwrap_or(0),
        "eos_token_id": file.u32("tokenizer.ggml.eos_token_id").unwrap_or(1),
    }))
}

/// The shortest decimal that is this number in f32.
fn short(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| f64::from(number))
}

/// transformers' names of a file's tensors, each with the file's own.
pub(crate) fn names(file: &GgufFile) -> BTreeMap<String, String> {
    let architecture = file.str("general.architecture").unwrap_or_default();
    let is_distilled = file.tensor("token_types.weight").is_none();
    let is_gated = file.tensor("enc.blk.0.ffn_gate.weight").is_some();
    let own = file.tensors().map(|tensor| tensor.name.as_str());
    own.filter_map(|own| {
        let (module, part) = own.rsplit_once('.')?;
        let module = match architecture {
            "bert" => of_bert(module, is_distilled)?,
            _ => of_t5(module, is_gated)?,
        };
        Some((format!("{module}.{part}"), own.to_owned()))
    })
    .collect()
}

fn of_bert(module: &str, is_distilled: bool) -> Option<String> {
    let body = match module {
        "token_embd" => "embeddings.word_embeddings",
        "token_types" => "embeddings.token_type_embeddings",
        "position_embd" => "embeddings.position_embeddings",
        "token_embd_norm" => "embeddings.LayerNorm",
        _ => "",
    };
    if !body.is_empty() {
        return Some(body.to_owned());
    }
    let (layer, part) = module.strip_prefix("blk.")?.split_once('.')?;
    let [bert, distilled] = match part {
        "attn_q" => ["attention.self.query", "attention.q_lin"],
        "attn_k" => ["attention.self.key", "attention.k_lin"],
        "attn_v" => ["attention.self.value", "attention.v_lin"],
        "attn_output" => ["attention.output.dense", "attention.out_lin"],
        "attn_output_norm" => ["attention.output.LayerNorm", "sa_layer_norm"],
        "ffn_up" => ["intermediate.dense", "ffn.lin1"],
        "ffn_down" => ["output.dense", "ffn.lin2"],
        "layer_output_norm" => ["output.LayerNorm", "output_layer_norm"],
        _ => return None,
    };
    Some(if is_distilled {
        format!("transformer.layer.{layer}.{distilled}")
    } else {
        format!("encoder.layer.{layer}.{bert}")
    })
}

fn of_t5(module: &str, is_gated: bool) -> Option<String> {
    match module {
        "token_embd" => return Some("shared".to_owned()),
        "output" => return Some("lm_head".to_owned()),
        "enc.output_norm" => return Some("encoder.final_layer_norm".to_owned()),
        "dec.output_norm" => return Some("decoder.final_layer_norm".to_owned()),
        _ => {}
    }
    let (side, rest) = module.split_once(".blk.")?;
    let (layer, part) = rest.split_once('.')?;
    let (side, feed) = match side {
        "enc" => ("encoder", 1),
        "dec" => ("decoder", 2),
        _ => return None,
    };
    let path = match part {
        "attn_q" => "layer.0.SelfAttention.q".to_owned(),
        "attn_k" => "layer.0.SelfAttention.k".to_owned(),
        "attn_v" => "layer.0.SelfAttention.v".to_owned(),
        "attn_o" => "layer.0.SelfAttention.o".to_owned(),
        "attn_rel_b" => "layer.0.SelfAttention.relative_attention_bias".to_owned(),
        "attn_norm" => "layer.0.layer_norm".to_owned(),
        "cross_attn_q" => "layer.1.EncDecAttention.q".to_owned(),
        "cross_attn_k" => "layer.1.EncDecAttention.k".to_owned(),
        "cross_attn_v" => "layer.1.EncDecAttention.v".to_owned(),
        "cross_attn_o" => "layer.1.EncDecAttention.o".to_owned(),
        "cross_attn_norm" => "layer.1.layer_norm".to_owned(),
        "ffn_norm" => format!("layer.{feed}.layer_norm"),
        "ffn_gate" => format!("layer.{feed}.DenseReluDense.wi_0"),
        "ffn_up" if is_gated => format!("layer.{feed}.DenseReluDense.wi_1"),
        "ffn_up" => format!("layer.{feed}.DenseReluDense.wi"),
        "ffn_down" => format!("layer.{feed}.DenseReluDense.wo"),
        _ => return None,
    };
    Some(format!("{side}.block.{layer}.{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_get_transformers_names() {
        let bert = |module: &str| of_bert(module, false).unwrap();
        assert_eq!(bert("blk.3.attn_output_norm"), "encoder.layer.3.attention.output.LayerNorm");
        assert_eq!(of_bert("blk.0.attn_q", true).unwrap(), "transformer.layer.0.attention.q_lin");
        assert_eq!(of_bert("cls.output", false), None);
        let t5 = |module: &str| of_t5(module, true).unwrap();
        assert_eq!(t5("dec.blk.2.ffn_up"), "decoder.block.2.layer.2.DenseReluDense.wi_1");
        assert_eq!(t5("enc.blk.0.ffn_norm"), "encoder.block.0.layer.1.layer_norm");
        assert_eq!(of_t5("dec.blk.0.cross_attn_rel_b", true), None, "transformers does not use it");
    }

    #[test]
    fn a_number_of_the_header_is_the_decimal_that_was_written() {
        assert_eq!((short(1e-12), short(1e-5), short(1e-6)), (1e-12, 1e-5, 1e-6));
    }
}

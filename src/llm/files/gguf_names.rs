//! What llama.cpp calls the tensors of transformers.

/// Whether llama.cpp's converter reorders the rows of q and k for its interleaved rope.
pub(crate) fn has_interleaved_heads(architecture: &str) -> bool {
    matches!(
        architecture,
        "llama" | "smollm3" | "mistral3" | "granite" | "granitemoe" | "granitehybrid" | "olmo"
    )
}

/// A family of transformers as llama.cpp calls it. `None`: llama.cpp does not run it.
pub(crate) fn gguf_architecture(model_type: &str) -> Option<&str> {
    Some(match model_type {
        "mistral" | "mixtral" => "llama",
        "gemma3_text" => "gemma3",
        "gemma4_text" => "gemma4",
        "gemma3n_text" => "gemma3n",
        "cohere" => "command-r",
        "deepseek_v2" | "deepseek_v3" | "glm4_moe_lite" => "deepseek2",
        "ernie4_5_moe" => "ernie4_5-moe",
        "falcon_h1" => "falcon-h1",
        "glm" => "chatglm",
        "glm4_moe" => "glm4moe",
        "gpt_bigcode" => "starcoder",
        "gpt_neox" => "gptneox",
        "gpt_oss" => "gpt-oss",
        "granitemoehybrid" => "granitehybrid",
        "hunyuan_v1_dense" => "hunyuan-dense",
        "hunyuan_v1_moe" => "hunyuan-moe",
        "lfm2_moe" => "lfm2moe",
        "ministral3" => "mistral3",
        "olmo3" => "olmo2",
        "phi" => "phi2",
        "qwen2_moe" => "qwen2moe",
        "qwen3_moe" => "qwen3moe",
        "qwen3_next" => "qwen3next",
        "qwen3_5_text" => "qwen35",
        "qwen3_5_moe_text" => "qwen35moe",
        "codegen" | "gpt_neo" | "gptj" | "lfm3" | "nanochat" | "opt" => return None,
        same => same,
    })
}

/// What files of several ages call the tensor in a layer that corrects which experts are chosen.
pub(crate) const EXPERT_CORRECTION: [&str; 3] =
    ["exp_probs_b.bias", "exp_probs_b", "exp_probs_b.weight"];

/// The layer that a tensor of transformers belongs to, and its name within it.
pub(super) fn in_layer(name: &str) -> Option<(&str, &str)> {
    let prefixes = ["model.layers.", "transformer.h.", "transformer.blocks.", "gpt_neox.layers."];
    let rest = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix))?;
    rest.split_once('.')
}

/// llama.cpp's name of a tensor that its files hold as transformers does, but for the order of the
/// rows of q and k. `None`: there is none, or what it holds is made of others (`gguf_made`).
pub(crate) fn gguf_name(name: &str, architecture: Option<&str>) -> Option<String> {
    let (module, ending) = name.rsplit_once('.')?;
    if ending == "e_score_correction_bias" {
        return None; // a tensor of its own, not one of the router's module
    }
    let whole = match module {
        "model.embed_tokens"
        | "transformer.wte"
        | "transformer.word_embeddings"
        | "gpt_neox.embed_in" => Some("token_embd"),
        "transformer.wpe" => Some("position_embd"),
        "model.norm"
        | "model.final_layernorm"
        | "transformer.ln_f"
        | "transformer.norm_f"
        | "gpt_neox.final_layer_norm" => Some("output_norm"),
        // LFM2's last norm has this name, though it stands before the head.
        "model.embedding_norm" | "transformer.word_embeddings_layernorm" => Some("token_embd_norm"),
        "lm_head" | "embed_out" => Some("output"),
        "model.embed_tokens_per_layer" => Some("per_layer_token_embd"),
        "model.per_layer_model_projection" => Some("per_layer_model_proj"),
        "model.per_layer_projection_norm" => Some("per_layer_proj_norm"),
        _ => None,
    };
    if let Some(whole) = whole {
        return Some(format!("{whole}.{ending}"));
    }
    let (layer, _) = in_layer(name)?;
    let (_, part) = in_layer(module)?;
    let part = attention(part)
        .or_else(|| feed_forward(part))
        .or_else(|| norm(part, architecture))
        .or_else(|| recurrent(part, architecture))?;
    Some(format!("blk.{layer}.{part}.{ending}"))
}

fn attention(part: &str) -> Option<&'static str> {
    Some(match part {
        "self_attn.q_proj" => "attn_q",
        "self_attn.k_proj" => "attn_k",
        "self_attn.v_proj" => "attn_v",
        "self_attn.qkv_proj" | "attn.c_attn" | "attn.Wqkv" => "attn_qkv",
        "self_attn.o_proj"
        | "self_attn.out_proj"
        | "self_attn.dense"
        | "attn.out_proj"
        | "self_attention.dense"
        | "attention.dense"
        | "attn.c_proj" => "attn_output",
        "self_attn.q_a_proj" => "attn_q_a",
        "self_attn.q_a_layernorm" => "attn_q_a_norm",
        "self_attn.q_b_proj" => "attn_q_b",
        "self_attn.kv_a_proj_with_mqa" => "attn_kv_a_mqa",
        "self_attn.kv_a_layernorm" => "attn_kv_a_norm",
        "self_attn.q_norm" | "self_attn.query_layernorm" | "self_attn.q_layernorm" => "attn_q_norm",
        "self_attn.k_norm" | "self_attn.key_layernorm" | "self_attn.k_layernorm" => "attn_k_norm",
        _ => return None,
    })
}

fn feed_forward(part: &str) -> Option<&'static str> {
    Some(match part {
        "mlp.gate_proj" | "feed_forward.w1" | "feed_forward.gate_proj" => "ffn_gate",
        "mlp.up_proj"
        | "mlp.gate_up_proj"
        | "mlp.c_fc"
        | "mlp.fc1"
        | "ffn.up_proj"
        | "mlp.dense_h_to_4h"
        | "feed_forward.w3"
        | "feed_forward.up_proj" => "ffn_up",
        "mlp.down_proj"
        | "mlp.c_proj"
        | "mlp.fc2"
        | "ffn.down_proj"
        | "mlp.dense_4h_to_h"
        | "feed_forward.w2"
        | "feed_forward.down_proj" => "ffn_down",
        "mlp.gate"
        | "mlp.gate.wg"
        | "mlp.router"
        | "block_sparse_moe.gate"
        | "block_sparse_moe.router.layer"
        | "router.proj"
        | "feed_forward.gate" => "ffn_gate_inp",
        "mlp.shared_expert.gate_proj"
        | "mlp.shared_experts.gate_proj"
        | "mlp.shared_mlp.gate_proj" => "ffn_gate_shexp",
        "mlp.shared_expert.up_proj" | "mlp.shared_experts.up_proj" | "mlp.shared_mlp.up_proj" => {
            "ffn_up_shexp"
        }
        "mlp.shared_expert.down_proj"
        | "mlp.shared_experts.down_proj"
        | "mlp.shared_mlp.down_proj" => "ffn_down_shexp",
        "per_layer_input_gate" => "inp_gate",
        "per_layer_projection" => "proj",
        "altup.modality_router" => "altup_router",
        "altup.prediction_coefs" => "altup_predict_coef",
        "altup.correction_coefs" => "altup_correct_coef",
        "laurel.linear_left" => "laurel_l",
        "laurel.linear_right" => "laurel_r",
        _ => return None,
    })
}

fn norm(part: &str, architecture: Option<&str>) -> Option<&'static str> {
    Some(match part {
        "input_layernorm"
        | "ln_1"
        | "norm_1"
        | "attention_layernorm"
        | "operator_norm"
        | "ln_mlp" => "attn_norm",
        "ln_attn" => "attn_norm_2",
        "pre_feedforward_layernorm" | "ln_2" | "norm_2" | "feedforward_layernorm" | "ffn_norm" => {
            "ffn_norm"
        }
        "post_feedforward_layernorm" | "post_mlp_layernorm" => "post_ffw_norm",
        "post_self_attn_layernorm" => "post_attention_norm",
        // Despite its name, in most families the norm before the MLP.
        "post_attention_layernorm" => match architecture {
            Some(
                "gemma2" | "gemma3" | "gemma3n" | "gemma4" | "glm4moe" | "olmo2" | "exaone4"
                | "gpt-oss" | "seed_oss" | "qwen35" | "qwen35moe" | "qwen3next",
            ) => "post_attention_norm",
            _ => "ffn_norm",
        },
        "post_feedforward_layernorm_1" => "post_ffw_norm_1",
        "pre_feedforward_layernorm_2" => "pre_ffw_norm_2",
        "post_feedforward_layernorm_2" => "post_ffw_norm_2",
        "post_per_layer_input_norm" => "post_norm",
        "altup.router_norm" => "altup_router_norm",
        "laurel.post_laurel_norm" => "laurel_post_norm",
        _ => return None,
    })
}

fn recurrent(part: &str, architecture: Option<&str>) -> Option<&'static str> {
    Some(match part {
        "linear_attn.norm" => "ssm_norm",
        // The others of this layer have their heads in another order, or are made of several.
        "linear_attn.out_proj" if architecture == Some("qwen3next") => "ssm_out",
        "linear_attn.in_proj_ba" => "ssm_ba",
        "mamba.in_proj" => "ssm_in",
        "mamba.out_proj" => "ssm_out",
        "conv.in_proj" => "shortconv.in_proj",
        "conv.out_proj" => "shortconv.out_proj",
        _ => return None,
    })
}

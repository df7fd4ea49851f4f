//! What `config.json` says of a family beside what it says of every decoder, for a model that came from a
//! GGUF file. Whether all of a model is said, `hf_config.rs` finds out by reading it again.

use serde_json::{Value, json};

use crate::llm::config::{
    Activation, Config, ExpertsConfig, LatentConfig, NormPlacement, QkNorm, Routing,
};
use crate::llm::files::gguf::GgufFile;

/// Keys with their values.
pub(super) type Entries = Vec<(&'static str, Value)>;

/// transformers' class of a family whose `config.json` is written here. `None`: not all that is known of the
/// family can be said in what is written.
pub(super) fn class(architecture: &str) -> Option<&'static str> {
    Some(match architecture {
        "apertus" => "ApertusForCausalLM",
        "bloom" => "BloomForCausalLM",
        "cohere" => "CohereForCausalLM",
        "cohere2" => "Cohere2ForCausalLM",
        "deepseek_v2" => "DeepseekV2ForCausalLM",
        "deepseek_v3" => "DeepseekV3ForCausalLM",
        "ernie4_5" => "Ernie4_5ForCausalLM",
        "exaone4" => "Exaone4ForCausalLM",
        "falcon" => "FalconForCausalLM",
        "gemma" => "GemmaForCausalLM",
        "gemma2" => "Gemma2ForCausalLM",
        "gemma3_text" => "Gemma3ForCausalLM",
        "glm" => "GlmForCausalLM",
        "glm4" => "Glm4ForCausalLM",
        "glm4_moe" => "Glm4MoeForCausalLM",
        "gpt2" => "GPT2LMHeadModel",
        "gpt_bigcode" => "GPTBigCodeForCausalLM",
        "gpt_neox" => "GPTNeoXForCausalLM",
        "granite" => "GraniteForCausalLM",
        "hunyuan_v1_dense" => "HunYuanDenseV1ForCausalLM",
        "llama" => "LlamaForCausalLM",
        "ministral3" => "Ministral3ForCausalLM",
        "mistral" => "MistralForCausalLM",
        "mixtral" => "MixtralForCausalLM",
        "mpt" => "MptForCausalLM",
        "olmo" => "OlmoForCausalLM",
        "olmo2" => "Olmo2ForCausalLM",
        "olmo3" => "Olmo3ForCausalLM",
        "olmoe" => "OlmoeForCausalLM",
        "phi" => "PhiForCausalLM",
        "phi3" => "Phi3ForCausalLM",
        "qwen2" => "Qwen2ForCausalLM",
        "qwen2_moe" => "Qwen2MoeForCausalLM",
        "qwen3" => "Qwen3ForCausalLM",
        "qwen3_moe" => "Qwen3MoeForCausalLM",
        "seed_oss" => "SeedOssForCausalLM",
        "smollm3" => "SmolLM3ForCausalLM",
        "stablelm" => "StableLmForCausalLM",
        "starcoder2" => "Starcoder2ForCausalLM",
        _ => return None,
    })
}

/// transformers' name.
fn activation(activation: Activation) -> &'static str {
    match activation {
        Activation::Silu => "silu",
        Activation::Gelu => "gelu",
        Activation::GeluTanh => "gelu_pytorch_tanh",
        Activation::QuickGelu => "quick_gelu",
        Activation::Relu => "relu",
        Activation::ReluSquared => "relu2",
        Activation::Tanh => "tanh",
        Activation::Xielu(_) => "xielu",
    }
}

/// The sizes of a decoder, under the family's own names, and its norms and activation.
pub(super) fn sizes(config: &Config) -> Entries {
    let eps = ("layer_norm_epsilon", json!(config.norm_eps));
    match config.architecture.as_str() {
        "gpt2" | "gpt_bigcode" => vec![
            ("n_embd", json!(config.width)),
            ("n_inner", json!(config.mlp_width)),
            ("n_layer", json!(config.layer_count())),
            ("n_head", json!(config.heads)),
            ("n_positions", json!(config.context_length)),
            ("activation_function", json!(activation(config.activation))),
            eps,
        ],
        "bloom" => vec![
            ("hidden_size", json!(config.width)),
            ("n_layer", json!(config.layer_count())),
            ("n_head", json!(config.heads)),
            ("seq_length", json!(config.context_length)),
            eps,
        ],
        "mpt" => vec![
            ("d_model", json!(config.width)),
            ("n_layers", json!(config.layer_count())),
            ("n_heads", json!(config.heads)),
            ("max_seq_len", json!(config.context_length)),
            eps,
        ],
        "falcon" => vec![
            ("hidden_size", json!(config.width)),
            ("ffn_hidden_size", json!(config.mlp_width)),
            ("num_hidden_layers", json!(config.layer_count())),
            ("num_attention_heads", json!(config.heads)),
            ("num_kv_heads", json!(config.kv_heads)),
            ("max_position_embeddings", json!(config.context_length)),
            ("activation", json!(activation(config.activation))),
            eps,
        ],
        _ => like_llama(config),
    }
}

fn like_llama(config: &Config) -> Entries {
    let architecture = config.architecture.as_str();
    let mut keys = vec![
        ("hidden_size", json!(config.width)),
        ("intermediate_size", json!(config.mlp_width)),
        ("num_hidden_layers", json!(config.layer_count())),
        ("num_attention_heads", json!(config.heads)),
        ("num_key_value_heads", json!(config.kv_heads)),
        ("max_position_embeddings", json!(config.context_length)),
    ];
    let eps = match architecture {
        "cohere" | "cohere2" | "gpt_neox" | "phi" | "stablelm" => "layer_norm_eps",
        "starcoder2" => "norm_epsilon",
        _ => "rms_norm_eps",
    };
    keys.push((eps, json!(config.norm_eps)));
    // Phi 3 has none; with compressed keys it means another length in each family.
    if architecture != "phi3" && config.latent.is_none() {
        keys.push(("head_dim", json!(config.head_dim)));
    }
    let act = match architecture {
        "gemma2" | "gemma3_text" => "hidden_activation",
        _ => "hidden_act",
    };
    keys.push((act, json!(activation(config.activation))));
    keys
}

/// What the family has of its own.
pub(super) fn own(config: &Config, file: &GgufFile) -> Entries {
    let bias = ("attention_bias", json!(config.qkv_bias));
    let use_bias = ("use_bias", json!(config.qkv_bias));
    let window = || config.layers.iter().find_map(|layer| layer.window);
    let window = ("sliding_window", json!(window()));
    let parallel = config.norm_placement != NormPlacement::Before;
    let parallel = ("use_parallel_residual", json!(parallel));
    match config.architecture.as_str() {
        "llama" => vec![bias, ("mlp_bias", json!(config.mlp_bias))],
        "qwen3" | "olmo2" | "apertus" | "hunyuan_v1_dense" => vec![bias],
        "mistral" | "ministral3" | "phi3" => vec![window],
        "smollm3" => {
            let rotated = config.layers.iter().map(|layer| u8::from(layer.rope.is_some()));
            vec![("no_rope_layers", json!(rotated.collect::<Vec<_>>()))]
        }
        "gemma2" | "gemma3_text" => gemma(config, file),
        "granite" => granite(config, file),
        "seed_oss" => vec![
            bias,
            ("attention_out_bias", json!(config.output_bias)),
            ("mlp_bias", json!(config.mlp_bias)),
        ],
        "ernie4_5" => vec![use_bias],
        "starcoder2" => vec![use_bias, window],
        "glm" | "glm4" => vec![bias, ("partial_rotary_factor", part_that_turns(config))],
        "exaone4" => vec![window, layer_types(config)],
        "olmo3" => vec![bias, window, layer_types(config)],
        "cohere" => vec![
            bias,
            ("logit_scale", json!(config.logit_scale)),
            ("use_qk_norm", json!(config.qk_norm != QkNorm::None)),
        ],
        "cohere2" => {
            vec![bias, ("logit_scale", json!(config.logit_scale)), window, layer_types(config)]
        }
        "stablelm" => vec![
            ("use_qkv_bias", json!(config.qkv_bias)),
            parallel,
            ("partial_rotary_factor", part_that_turns(config)),
        ],
        "gpt_neox" => vec![bias, parallel, ("rotary_pct", part_that_turns(config))],
        "phi" => vec![("partial_rotary_factor", part_that_turns(config))],
        "olmo" => vec![bias, ("clip_qkv", json!(config.clip_qkv))],
        "gpt_bigcode" => vec![("multi_query", json!(config.kv_heads == 1))],
        "mpt" => vec![("attn_config", json!({ "alibi": true, "clip_qkv": config.clip_qkv }))],
        "falcon" => falcon(config),
        "mixtral" => {
            let mut keys = chosen(config, "num_local_experts");
            keys.push(window);
            keys
        }
        "olmoe" | "qwen3_moe" => {
            let mut keys = chosen(config, "num_experts");
            keys.push(bias);
            keys
        }
        "qwen2_moe" => {
            let mut keys = chosen(config, "num_experts");
            let shared = config.experts.as_ref().and_then(|experts| experts.shared);
            keys.push(("qkv_bias", json!(config.qkv_bias)));
            keys.push((
                "shared_expert_intermediate_size",
                json!(shared.map(|shared| shared.width)),
            ));
            keys
        }
        "deepseek_v2" | "deepseek_v3" => {
            let mut keys = shared(config);
            keys.extend(latent(config));
            keys
        }
        "glm4_moe" => {
            let mut keys = shared(config);
            keys.extend([
                bias,
                ("partial_rotary_factor", part_that_turns(config)),
                ("use_qk_norm", json!(config.qk_norm != QkNorm::None)),
            ]);
            keys
        }
        _ => Vec::new(),
    }
}

fn layer_types(config: &Config) -> (&'static str, Value) {
    let types = config.layers.iter().map(|layer| match layer.window {
        Some(_) => "sliding_attention",
        None => "full_attention",
    });
    ("layer_types", json!(types.collect::<Vec<_>>()))
}

fn part_that_turns(config: &Config) -> Value {
    let pairs = config.ropes.first().map_or(0, |rope| rope.frequencies.len());
    json!((2 * pairs) as f64 / config.head_dim as f64)
}

fn gemma(config: &Config, file: &GgufFile) -> Entries {
    let mut keys = vec![
        ("query_pre_attn_scalar", json!(pre_attention_scalar(config.layers[0].scale))),
        ("sliding_window", json!(config.layers.iter().find_map(|layer| layer.window))),
        ("attn_logit_softcapping", json!(config.attention_softcap)),
        ("final_logit_softcapping", json!(config.final_softcap)),
        layer_types(config),
    ];
    if config.architecture == "gemma3_text" {
        let local = file.f32("gemma3.rope.freq_base_swa");
        keys.push(("rope_local_base_freq", json!(local.unwrap_or(10_000.0))));
    }
    keys
}

/// Gemma's scores are multiplied by 1/√this, which transformers wants as a whole number.
fn pre_attention_scalar(scale: f32) -> u64 {
    (1.0 / f64::from(scale).powi(2)).round() as u64
}

fn granite(config: &Config, file: &GgufFile) -> Entries {
    // The file has what scores are divided by.
    let divisor = file.f32("granite.logit_scale").filter(|divisor| *divisor != 0.0);
    vec![
        ("attention_bias", json!(config.qkv_bias)),
        ("mlp_bias", json!(config.mlp_bias)),
        ("attention_multiplier", json!(config.layers[0].scale)),
        ("embedding_multiplier", json!(config.embedding_scale.unwrap_or(1.0))),
        ("residual_multiplier", json!(config.residual_scale.unwrap_or(1.0))),
        ("logits_scaling", json!(divisor.unwrap_or(1.0))),
    ]
}

/// 7B has one key head and one norm; the newer ones have several, with two norms or with one.
fn falcon(config: &Config) -> Entries {
    let two_norms = config.norm_placement == NormPlacement::Parallel;
    let newer = two_norms || config.kv_heads > 1;
    vec![
        ("bias", json!(config.qkv_bias)),
        ("alibi", json!(false)),
        ("parallel_attn", json!(true)),
        ("multi_query", json!(true)),
        ("new_decoder_architecture", json!(newer)),
        ("num_ln_in_parallel_attn", json!(newer.then_some(if two_norms { 2 } else { 1 }))),
    ]
}

/// Experts as most families have them.
fn chosen(config: &Config, count_key: &'static str) -> Entries {
    let Some(ExpertsConfig { count, chosen, width, routing, .. }) = &config.experts else {
        return Vec::new();
    };
    vec![
        (count_key, json!(count)),
        ("num_experts_per_tok", json!(chosen)),
        ("moe_intermediate_size", json!(width)),
        ("norm_topk_prob", json!(is_normalised(*routing))),
    ]
}

fn is_normalised(routing: Routing) -> bool {
    match routing {
        Routing::Softmax { normalised } | Routing::Sigmoid { normalised, .. } => normalised,
        Routing::SparseMixer { .. } => false,
    }
}

/// Experts as `DeepSeek` has them.
fn shared(config: &Config) -> Entries {
    let mut keys = chosen(config, "n_routed_experts");
    let Some(experts) = &config.experts else { return keys };
    let shared = experts.shared.map_or(0, |shared| shared.width / experts.width);
    let (groups, kept) = experts.groups.map_or((1, 1), |groups| (groups.count, groups.kept));
    let dense = config.layers.iter().take_while(|layer| !layer.experts).count();
    keys.extend([
        ("n_shared_experts", json!(shared)),
        ("routed_scaling_factor", json!(experts.scale)),
        ("first_k_dense_replace", json!(dense)),
        ("n_group", json!(groups)),
        ("topk_group", json!(kept)),
    ]);
    if config.architecture == "deepseek_v2" {
        let grouped = experts.groups.is_some();
        let method = if grouped { "group_limited_greedy" } else { "greedy" };
        keys.push(("topk_method", json!(method)));
    }
    keys
}

fn latent(config: &Config) -> Entries {
    let Some(LatentConfig { q_rank, kv_rank, turned, still, values, bias }) = config.latent else {
        return Vec::new();
    };
    vec![
        ("q_lora_rank", json!(q_rank)),
        ("kv_lora_rank", json!(kv_rank)),
        ("qk_rope_head_dim", json!(turned)),
        ("qk_nope_head_dim", json!(still)),
        ("v_head_dim", json!(values)),
        ("attention_bias", json!(bias)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// transformers 5 checks types: `Field 'query_pre_attn_scalar' expected int, got float`.
    #[test]
    fn a_whole_number_is_written_as_one() {
        for scalar in [8_u64, 12, 144, 168, 224, 256] {
            let scale = (scalar as f32).powf(-0.5);
            assert_eq!(json!(pre_attention_scalar(scale)).to_string(), scalar.to_string());
        }
    }
}

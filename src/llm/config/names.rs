//! How transformers calls the modules of a decoder.

use super::NormPlacement;

/// Whose names a decoder's modules have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// `model.layers.0.self_attn.q_proj`
    Llama,

    /// `transformer.h.0.attn.c_attn`; weights of linear layers are stored (in, out).
    Gpt2,
    Apertus,
    Bloom,
    CodeGen,
    DeepSeek,
    Ernie,
    Falcon,
    FalconH1,
    Gemma3n,
    Gemma4,
    Glm4,
    GptBigCode,
    GptJ,
    GptNeo,
    GptNeox,
    GptOss,
    GraniteHybrid,
    GraniteMoe,
    Hunyuan,
    Lfm2,
    Lfm3,
    Mixtral,
    Mpt,
    NanoChat,
    Opt,
    Phi,
    QwenHybrid,
    StableLm,
    StarCoder2,
}

/// Paths of modules; those of a layer without what leads to the layer. A module that a family does
/// not have is called as in Llama.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    pub embedding: &'static str,
    pub positions: &'static str,
    pub embedding_norm: &'static str,
    pub project_in: &'static str,
    pub project_out: &'static str,
    pub final_norm: &'static str,
    pub head: &'static str,

    /// What leads to a layer's number.
    pub layers: &'static str,
    pub attention_norm: &'static str,
    pub post_attention_norm: &'static str,
    pub mlp_norm: &'static str,
    pub post_mlp_norm: &'static str,
    pub qkv: &'static str,
    pub q: &'static str,
    pub k: &'static str,
    pub v: &'static str,
    pub q_low: &'static str,
    pub q_low_norm: &'static str,
    pub q_high: &'static str,
    pub kv_low: &'static str,
    pub kv_low_norm: &'static str,
    pub kv_high: &'static str,
    pub q_norm: &'static str,
    pub k_norm: &'static str,
    pub output: &'static str,

    /// Of a recurrent layer: its matrix at last, and what leads to its other parts.
    pub recurrent_output: &'static str,
    pub recurrent: &'static str,
    pub gate: &'static str,
    pub up: &'static str,
    pub gate_up: &'static str,
    pub down: &'static str,
    pub sinks: &'static str,

    /// Gives each head a number that gates what it gives.
    pub head_gate: &'static str,
    pub router: &'static str,
    pub correction: &'static str,

    /// What leads to an expert's number, and its matrices: gate, up, down.
    pub experts: &'static str,

    /// What the router's input and the experts' weights are multiplied by.
    pub router_scale: &'static str,
    pub expert_scales: &'static str,

    /// Norms of an MLP and of the experts that stand beside it: after the one, before and after the
    /// others.
    pub beside_norms: [&'static str; 3],
    pub expert_parts: [&'static str; 3],

    /// The tensors of all experts together: gate and up, down.
    pub packed_experts: [&'static str; 2],
    pub shared_expert: &'static str,
    pub shared_gate: &'static str,
}

const LLAMA: Names = Names {
    embedding: "model.embed_tokens",
    positions: "model.embed_positions",
    embedding_norm: "model.embed_norm",
    project_in: "model.project_in",
    project_out: "model.project_out",
    final_norm: "model.norm",
    head: "lm_head",
    layers: "model.layers",
    attention_norm: "input_layernorm",
    post_attention_norm: "post_attention_layernorm",
    mlp_norm: "post_attention_layernorm",
    post_mlp_norm: "post_feedforward_layernorm",
    qkv: "self_attn.qkv_proj",
    q: "self_attn.q_proj",
    k: "self_attn.k_proj",
    v: "self_attn.v_proj",
    q_low: "self_attn.q_a_proj",
    q_low_norm: "self_attn.q_a_layernorm",
    q_high: "self_attn.q_b_proj",
    kv_low: "self_attn.kv_a_proj_with_mqa",
    kv_low_norm: "self_attn.kv_a_layernorm",
    kv_high: "self_attn.kv_b_proj",
    q_norm: "self_attn.q_norm",
    k_norm: "self_attn.k_norm",
    output: "self_attn.o_proj",
    recurrent_output: "linear_attn.out_proj",
    recurrent: "linear_attn",
    gate: "mlp.gate_proj",
    up: "mlp.up_proj",
    gate_up: "mlp.gate_up_proj",
    down: "mlp.down_proj",
    sinks: "self_attn.sinks",
    head_gate: "self_attn.gate_proj",
    router: "mlp.gate",
    correction: "mlp.expert_bias",
    experts: "mlp.experts",
    router_scale: "router.scale",
    expert_scales: "router.per_expert_scale",
    beside_norms: [
        "post_feedforward_layernorm_1",
        "pre_feedforward_layernorm_2",
        "post_feedforward_layernorm_2",
    ],
    expert_parts: ["gate_proj", "up_proj", "down_proj"],
    packed_experts: ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"],
    shared_expert: "mlp.shared_expert",
    shared_gate: "mlp.shared_expert_gate",
};

/// The names of GPT-2, which its heirs took over for GPT-J.
const GPT2: Names = Names {
    embedding: "transformer.wte",
    positions: "transformer.wpe",
    final_norm: "transformer.ln_f",
    layers: "transformer.h",
    attention_norm: "ln_1",
    mlp_norm: "ln_2",
    qkv: "attn.c_attn",
    output: "attn.c_proj",
    up: "mlp.c_fc",
    down: "mlp.c_proj",
    ..LLAMA
};

/// Megatron's names, which several families took over.
const BLOOM: Names = Names {
    embedding: "transformer.word_embeddings",
    embedding_norm: "transformer.word_embeddings_layernorm",
    final_norm: "transformer.ln_f",
    layers: "transformer.h",
    qkv: "self_attention.query_key_value",
    output: "self_attention.dense",
    up: "mlp.dense_h_to_4h",
    down: "mlp.dense_4h_to_h",
    ..LLAMA
};

const GRANITE_MOE: Names = Names {
    router: "block_sparse_moe.router.layer",
    packed_experts: [
        "block_sparse_moe.input_linear.weight",
        "block_sparse_moe.output_linear.weight",
    ],
    ..LLAMA
};

impl Naming {
    /// Linear layers are stored (in, out), which PEFT calls `fan_in_fan_out`.
    pub(crate) fn is_transposed(self) -> bool {
        self == Self::Gpt2
    }

    /// The same module can have another name where norms are in other places.
    pub(crate) fn names(self, placement: NormPlacement) -> Names {
        match self {
            Self::Llama => Names {
                mlp_norm: match placement {
                    NormPlacement::Around => "pre_feedforward_layernorm",
                    _ => LLAMA.mlp_norm,
                },
                ..LLAMA
            },
            Self::Gpt2 | Self::GptBigCode => GPT2,
            Self::Apertus => Names {
                attention_norm: "attention_layernorm",
                mlp_norm: "feedforward_layernorm",
                ..LLAMA
            },
            Self::DeepSeek => Names {
                shared_expert: "mlp.shared_experts",
                correction: "mlp.gate.e_score_correction_bias",
                ..LLAMA
            },
            Self::Ernie => Names {
                shared_expert: "mlp.shared_experts",
                correction: "mlp.moe_statics.e_score_correction_bias",
                ..LLAMA
            },
            Self::Falcon if placement == NormPlacement::Parallel => {
                Names { attention_norm: "ln_attn", mlp_norm: "ln_mlp", ..BLOOM }
            }
            Self::Bloom | Self::Falcon => BLOOM,
            Self::Gemma3n => Names { mlp_norm: "pre_feedforward_layernorm", ..LLAMA },
            Self::Gemma4 => Names {
                mlp_norm: "pre_feedforward_layernorm",
                router: "router.proj",
                packed_experts: ["experts.gate_up_proj", "experts.down_proj"],
                experts: "experts",
                ..LLAMA
            },
            Self::Glm4 => Names {
                post_attention_norm: "post_self_attn_layernorm",
                post_mlp_norm: "post_mlp_layernorm",
                ..LLAMA
            },
            Self::GptJ => Names {
                q: "attn.q_proj",
                k: "attn.k_proj",
                v: "attn.v_proj",
                output: "attn.out_proj",
                up: "mlp.fc_in",
                down: "mlp.fc_out",
                ..GPT2
            },
            Self::CodeGen => Names {
                qkv: "attn.qkv_proj",
                output: "attn.out_proj",
                up: "mlp.fc_in",
                down: "mlp.fc_out",
                ..GPT2
            },
            Self::Mpt => Names {
                embedding: "transformer.wte",
                final_norm: "transformer.norm_f",
                layers: "transformer.blocks",
                attention_norm: "norm_1",
                mlp_norm: "norm_2",
                qkv: "attn.Wqkv",
                output: "attn.out_proj",
                up: "ffn.up_proj",
                down: "ffn.down_proj",
                ..LLAMA
            },
            Self::GptNeo => Names {
                q: "attn.attention.q_proj",
                k: "attn.attention.k_proj",
                v: "attn.attention.v_proj",
                output: "attn.attention.out_proj",
                ..GPT2
            },
            Self::GptNeox => Names {
                embedding: "gpt_neox.embed_in",
                final_norm: "gpt_neox.final_layer_norm",
                head: "embed_out",
                layers: "gpt_neox.layers",
                qkv: "attention.query_key_value",
                output: "attention.dense",
                ..BLOOM
            },
            Self::GptOss => Names { router: "mlp.router", ..LLAMA },
            Self::GraniteHybrid => Names {
                recurrent: "mamba",
                recurrent_output: "mamba.out_proj",
                gate_up: "shared_mlp.input_linear",
                down: "shared_mlp.output_linear",
                ..GRANITE_MOE
            },
            Self::GraniteMoe => GRANITE_MOE,
            Self::Mixtral => Names {
                router: "block_sparse_moe.gate",
                experts: "block_sparse_moe.experts",
                expert_parts: ["w1", "w3", "w2"],
                ..LLAMA
            },
            Self::FalconH1 => Names {
                final_norm: "model.final_layernorm",
                mlp_norm: "pre_ff_layernorm",
                recurrent: "mamba",
                recurrent_output: "mamba.out_proj",
                gate: "feed_forward.gate_proj",
                up: "feed_forward.up_proj",
                down: "feed_forward.down_proj",
                ..LLAMA
            },
            Self::Hunyuan => Names {
                router: "mlp.gate.wg",
                shared_expert: "mlp.shared_mlp",
                q_norm: "self_attn.query_layernorm",
                k_norm: "self_attn.key_layernorm",
                ..LLAMA
            },
            Self::Lfm2 => Names {
                final_norm: "model.embedding_norm",
                attention_norm: "operator_norm",
                mlp_norm: "ffn_norm",
                q_norm: "self_attn.q_layernorm",
                k_norm: "self_attn.k_layernorm",
                output: "self_attn.out_proj",
                recurrent_output: "conv.out_proj",
                recurrent: "conv",
                gate: "feed_forward.w1",
                up: "feed_forward.w3",
                down: "feed_forward.w2",
                router: "feed_forward.gate",
                correction: "feed_forward.expert_bias",
                experts: "feed_forward.experts",
                expert_parts: ["w1", "w3", "w2"],
                packed_experts: [
                    "feed_forward.experts.gate_up_proj",
                    "feed_forward.experts.down_proj",
                ],
                ..LLAMA
            },
            Self::Lfm3 => Names {
                post_attention_norm: "post_operator_norm",
                post_mlp_norm: "post_ffn_norm",
                q_norm: "self_attn.q_norm",
                k_norm: "self_attn.k_norm",
                output: "self_attn.o_proj",
                ..Self::Lfm2.names(placement)
            },
            Self::QwenHybrid => LLAMA,
            Self::NanoChat => Names { up: "mlp.fc1", down: "mlp.fc2", ..LLAMA },
            Self::Opt => Names {
                embedding: "model.decoder.embed_tokens",
                positions: "model.decoder.embed_positions",
                project_in: "model.decoder.project_in",
                project_out: "model.decoder.project_out",
                final_norm: "model.decoder.final_layer_norm",
                layers: "model.decoder.layers",
                attention_norm: "self_attn_layer_norm",
                post_attention_norm: "self_attn_layer_norm",
                mlp_norm: "final_layer_norm",
                post_mlp_norm: "final_layer_norm",
                output: "self_attn.out_proj",
                up: "fc1",
                down: "fc2",
                ..LLAMA
            },
            Self::Phi => Names {
                final_norm: "model.final_layernorm",
                output: "self_attn.dense",
                up: "mlp.fc1",
                down: "mlp.fc2",
                ..LLAMA
            },
            Self::StableLm => {
                Names { q_norm: "self_attn.q_layernorm", k_norm: "self_attn.k_layernorm", ..LLAMA }
            }
            Self::StarCoder2 => Names { up: "mlp.c_fc", down: "mlp.c_proj", ..LLAMA },
        }
    }
}

//! Architectures of GGUF files with experts or states, from their metadata. Each becomes what
//! `mixtures.rs`, `recurrent.rs` and their neighbours make of the same model's `config.json`.

use super::base::MOST_HEAD_DIMS;
use super::experts::{ExpertGate, ExpertsConfig, Routing, SharedExpertConfig};
use super::gguf_dense::{GRANITE, hunyuan_heads};
use super::gguf_keys::{Asked, Keys};
use super::like_llama::turned_in_neighbours;
use super::mixtures::MOST_EXPERTS;
use super::names::Naming;
use super::recurrent_layers::{BesideAttention, MambaDims, MambaNorm, RecurrentConfig};
use super::rope::Rope;
use super::{Config, MlpKind, NormKind, QkNorm};
use crate::llm::error::Error;
use crate::llm::files::gguf_tensors::EXPERT_CORRECTION;

pub(super) const EXPERTS: Asked<'static> = Asked {
    own: &["expert_count"],
    head_dim: None,
    rotary: None,
    all_heads: false,
    without_rope: false,
};

impl Keys<'_> {
    /// Llama and Mistral, or Mixtral, which llama.cpp calls the same.
    pub(super) fn llama(&self) -> Result<Config, Error> {
        if self.optional_size("expert_count")?.is_none() {
            return self.windowed(self.base("llama", 10_000.0)?);
        }
        let config = self.windowed(self.base_of("mixtral", 10_000.0, EXPERTS)?)?;
        let config = self.with_experts(config, Routing::Softmax { normalised: true })?;
        Ok(Config { naming: Naming::Mixtral, ..config })
    }

    /// The experts that the file tells of, which all layers have but the first ones of some files.
    pub(super) fn with_experts(
        &self,
        mut config: Config,
        routing: Routing,
    ) -> Result<Config, Error> {
        let count = self.size("expert_count")?;
        if count > MOST_EXPERTS {
            let expected = format!("at most {MOST_EXPERTS} was expected");
            return Err(self.refuse("expert_count", &expected));
        }
        let chosen = self.size("expert_used_count")?;
        if chosen > count {
            let expected = format!("at most the {count} experts that there are were expected");
            return Err(self.refuse("expert_used_count", &expected));
        }
        let in_groups = matches!(self.arch, "deepseek2" | "glm4moe" | "mistral4");
        if !in_groups && self.optional_size("expert_group_count")?.is_some_and(|count| count > 1) {
            let expected = "experts that are not in groups were expected";
            return Err(self.refuse("expert_group_count", expected));
        }
        // 1: a softmax, 2: a sigmoid of each, 3: a softmax over those that are chosen.
        let gating = self.optional_size("expert_gating_func")?;
        let as_told = match routing {
            Routing::Sigmoid { .. } => matches!(gating, None | Some(2)),
            _ => matches!(gating, None | Some(1 | 3)),
        };
        if !as_told {
            let expected = "another way from scores to weights was expected of this architecture";
            return Err(self.refuse("expert_gating_func", expected));
        }
        let dense = self.optional_size("leading_dense_block_count")?.unwrap_or(0);
        for (index, layer) in config.layers.iter_mut().enumerate() {
            layer.experts = index >= dense;
        }
        let width = self.optional_size("expert_feed_forward_length")?;
        let width = width.unwrap_or(config.mlp_width);
        let scale = self.positive_or_zero("expert_weights_scale")?.filter(|scale| *scale != 0.0);
        config.experts = Some(ExpertsConfig {
            scale: scale.unwrap_or(1.0),
            ..ExpertsConfig::plain(count, chosen, width, routing)
        });
        Ok(config)
    }

    /// An expert that every token goes through, behind a gate.
    fn with_gated_expert(&self, mut config: Config) -> Result<Config, Error> {
        let width = match self.optional_size("expert_shared_feed_forward_length")? {
            Some(width) => width,
            // Files from before this key: as wide as the tensor is.
            None => self
                .file
                .tensor("blk.0.ffn_up_shexp.weight")
                .and_then(|tensor| tensor.shape.first().copied())
                .ok_or_else(|| {
                    self.refuse("expert_shared_feed_forward_length", "a whole number was expected")
                })?,
        };
        if let Some(experts) = &mut config.experts {
            experts.shared = Some(SharedExpertConfig { width, is_mlp: false, gated: true });
        }
        Ok(config)
    }

    pub(super) fn olmoe(&self) -> Result<Config, Error> {
        let config = self.base_of("olmoe", 10_000.0, EXPERTS)?;
        let config = self.with_experts(config, Routing::Softmax { normalised: false })?;
        Ok(Config { qk_norm: QkNorm::Whole, ..config })
    }

    pub(super) fn qwen2_moe(&self) -> Result<Config, Error> {
        let config = self.base_of("qwen2_moe", 10_000.0, EXPERTS)?;
        let config = self.with_experts(config, Routing::Softmax { normalised: false })?;
        self.with_gated_expert(config)
    }

    pub(super) fn qwen3_moe(&self) -> Result<Config, Error> {
        let config = self.windowed(self.base_of("qwen3_moe", 10_000.0, EXPERTS)?)?;
        let config = self.with_experts(config, Routing::Softmax { normalised: true })?;
        Ok(Config { qk_norm: QkNorm::PerHead, ..config })
    }

    pub(super) fn gpt_oss(&self) -> Result<Config, Error> {
        let config = self.base_of("gpt_oss", 10_000.0, EXPERTS)?;
        let mut config = self.with_experts(config, Routing::Softmax { normalised: true })?;
        config.sinks = true;
        config.naming = Naming::GptOss;
        let window = self.optional_size("attention.sliding_window")?.unwrap_or(128);
        let sliding = self.sliding(config.layer_count(), 2)?;
        for (layer, sliding) in config.layers.iter_mut().zip(sliding) {
            layer.window = sliding.then_some(window);
        }
        if let Some(experts) = &mut config.experts {
            experts.gate = ExpertGate::Clamped { slope: 1.702, limit: 7.0 };
            (experts.router_bias, experts.bias) = (true, true);
        }
        Ok(config)
    }

    pub(super) fn granite_moe(&self) -> Result<Config, Error> {
        let asked = Asked { own: GRANITE, ..Asked::default() };
        let config = self.granite_multipliers(self.base_of("granitemoe", 10_000.0, asked)?)?;
        let config = self.with_experts(config, Routing::Softmax { normalised: true })?;
        if self.optional_size("expert_shared_feed_forward_length")?.is_none() {
            return Ok(Config { naming: Naming::GraniteMoe, ..config });
        }
        // Granite 4 where every layer is attention.
        let config = self.with_shared_mlp(config)?;
        Ok(Config { architecture: "granitemoehybrid".to_owned(), ..config })
    }

    /// Granite 4's MLP beside the experts, or alone.
    fn with_shared_mlp(&self, mut config: Config) -> Result<Config, Error> {
        config.naming = Naming::GraniteHybrid;
        config.mlp = MlpKind::GatedFused;
        if let Some(width) = self.optional_size("expert_shared_feed_forward_length")? {
            config.mlp_width = width;
        }
        let width = config.mlp_width;
        if let Some(experts) = &mut config.experts {
            experts.shared = Some(SharedExpertConfig { width, is_mlp: true, gated: false });
        }
        Ok(config)
    }

    pub(super) fn granite_hybrid(&self) -> Result<Config, Error> {
        let turns = self.file.bool(&self.key("rope.scaling.finetuned")).unwrap_or(true);
        let asked = Asked { own: GRANITE, without_rope: !turns, ..Asked::default() };
        let config = self.base_of("granitemoehybrid", 10_000.0, asked)?;
        let mut config = self.granite_multipliers(config)?;
        if self.optional_size("expert_count")?.is_some() {
            config = self.with_experts(config, Routing::Softmax { normalised: true })?;
        }
        let mut config = self.with_shared_mlp(config)?;
        let first = self.recurrent_by_heads(&mut config)?;
        config.recurrent = Some(RecurrentConfig::Mamba2(MambaDims {
            norm: MambaNorm::AfterGate,
            ..self.mamba2(first)?
        }));
        Ok(config)
    }

    /// A Mamba-2 layer as the first layer that has one, `first`, has it.
    fn mamba2(&self, first: usize) -> Result<MambaDims, Error> {
        let (heads, inner) = (self.size("ssm.time_step_rank")?, self.size("ssm.inner_size")?);
        let groups = self.optional_size("ssm.group_count")?.unwrap_or(1);
        if !inner.is_multiple_of(heads) || !heads.is_multiple_of(groups) {
            let expected = format!("{inner} in all, in groups of equal size, were expected");
            return Err(self.refuse("ssm.time_step_rank", &expected));
        }
        let has = |part: &str| self.has(&format!("blk.{first}.{part}"));
        Ok(MambaDims {
            kernel: self.kernel("ssm.conv_kernel")?,
            heads,
            head_dim: inner / heads,
            state: self.size("ssm.state_size")?,
            groups,
            conv_bias: has("ssm_conv1d.bias"),
            bias: has("ssm_in.bias"),
            output_bias: has("ssm_out.bias"),
            norm: if has("ssm_norm.weight") { MambaNorm::AfterGate } else { MambaNorm::None },
            steps: [0.0, f32::INFINITY],
            scales: None,
        })
    }

    /// Whatever it multiplies by, the converter has multiplied into the weights.
    pub(super) fn falcon_h1(&self) -> Result<Config, Error> {
        let mut config = self.base("falcon_h1", 10_000.0)?;
        config.naming = Naming::FalconH1;
        config.beside_attention =
            Some(BesideAttention { attention: [1.0; 2], recurrent: [1.0; 2] });
        config.recurrent = Some(RecurrentConfig::Mamba2(self.mamba2(0)?));
        Ok(config)
    }

    pub(super) fn ernie_moe(&self) -> Result<Config, Error> {
        let config = turned_in_neighbours(self.base_of("ernie4_5_moe", 10_000.0, EXPERTS)?);
        let mut config = self.with_experts(config, Routing::Softmax { normalised: true })?;
        config.naming = Naming::Ernie;
        let every = self.optional_size("interleave_moe_layer_step")?.unwrap_or(1);
        for (index, layer) in config.layers.iter_mut().enumerate() {
            layer.experts &= (index + 1).is_multiple_of(every);
        }
        let first = config.layers.iter().position(|layer| layer.experts).unwrap_or(0);
        let shared = self.optional_size("expert_shared_feed_forward_length")?;
        let count = self.optional_size("expert_shared_count")?;
        if let Some(experts) = &mut config.experts {
            let mut names = EXPERT_CORRECTION.iter();
            experts.correction = names.any(|name| self.has(&format!("blk.{first}.{name}")));
            let width = shared.or_else(|| count.map(|count| count * experts.width));
            experts.shared =
                width.map(|width| SharedExpertConfig { width, is_mlp: false, gated: false });
        }
        Ok(config)
    }

    pub(super) fn hunyuan_moe(&self) -> Result<Config, Error> {
        let config = hunyuan_heads(self.base_of("hunyuan_v1_moe", 10_000.0, EXPERTS)?);
        let mut config = self.with_experts(config, Routing::Softmax { normalised: true })?;
        let shared = self.optional_size("expert_shared_feed_forward_length")?;
        let width = shared.unwrap_or(config.mlp_width);
        if let Some(experts) = &mut config.experts {
            experts.shared = Some(SharedExpertConfig { width, is_mlp: false, gated: false });
        }
        Ok(config)
    }

    /// The router is transformers': llama.cpp weights the two best by a softmax over all instead.
    pub(super) fn phimoe(&self) -> Result<Config, Error> {
        let config = self.windowed(self.base_of("phimoe", 10_000.0, EXPERTS)?)?;
        let mut config = self.with_experts(config, Routing::SparseMixer { jitter: 0.01 })?;
        if config.experts.as_ref().is_some_and(|experts| experts.chosen != 2) {
            return Err(self.refuse("expert_used_count", "2, as the router has it, was expected"));
        }
        config.norm = NormKind::Layer;
        config.naming = Naming::Mixtral;
        config.head_bias = self.has("output.bias");
        // As in transformers, long texts turn as short ones do.
        config.ropes = config.ropes.into_iter().map(Rope::always_short).collect();
        Ok(config)
    }

    /// Layers without key heads carry a state. Returns the first of them.
    fn recurrent_by_heads(&self, config: &mut Config) -> Result<usize, Error> {
        let heads = self.by_layer("attention.head_count_kv", config.layer_count())?;
        for (layer, heads) in config.layers.iter_mut().zip(heads.unwrap_or_default()) {
            layer.recurrent = heads == 0;
            if layer.recurrent {
                layer.rope = None;
            } else if heads != config.kv_heads {
                let expected = "as many key heads in all layers that have some were expected";
                return Err(self.refuse("attention.head_count_kv", expected));
            }
        }
        Ok(config.layers.iter().position(|layer| layer.recurrent).unwrap_or(0))
    }

    /// Tokens that a convolution sees.
    fn kernel(&self, name: &str) -> Result<usize, Error> {
        match self.size(name)? {
            kernel if kernel <= MOST_HEAD_DIMS => Ok(kernel),
            _ => Err(self.refuse(name, &format!("at most {MOST_HEAD_DIMS} was expected"))),
        }
    }

    pub(super) fn lfm2(&self) -> Result<Config, Error> {
        self.lfm2_of("lfm2", Asked::default())
    }

    fn lfm2_of(&self, name: &str, asked: Asked<'_>) -> Result<Config, Error> {
        let mut config = self.base_of(name, 10_000.0, asked)?;
        config.qk_norm = QkNorm::PerHead;
        config.naming = Naming::Lfm2;
        let first = self.recurrent_by_heads(&mut config)?;
        config.recurrent = Some(RecurrentConfig::ShortConv {
            kernel: self.kernel("shortconv.l_cache")?,
            bias: self.has(&format!("blk.{first}.shortconv.conv.bias")),
        });
        Ok(config)
    }

    pub(super) fn lfm2_moe(&self) -> Result<Config, Error> {
        let config = self.lfm2_of("lfm2_moe", EXPERTS)?;
        let mut config =
            self.with_experts(config, Routing::Sigmoid { normalised: true, little: 1e-6 })?;
        let first = config.layers.iter().position(|layer| layer.experts).unwrap_or(0);
        if let Some(experts) = &mut config.experts {
            let mut names = EXPERT_CORRECTION.iter();
            experts.correction = names.any(|name| self.has(&format!("blk.{first}.{name}")));
        }
        Ok(config)
    }

    /// Qwen's blocks since Qwen3-Next.
    fn qwen_hybrid(&self, name: &str, by_head: bool, asked: Asked<'_>) -> Result<Config, Error> {
        let mut config = self.base_of(name, 10_000_000.0, asked)?;
        config.qk_norm = QkNorm::PerHead;
        config.attention_gate = true;
        config.naming = Naming::QwenHybrid;
        let every = self.optional_size("full_attention_interval")?.unwrap_or(4);
        for (index, layer) in config.layers.iter_mut().enumerate() {
            layer.recurrent = !(index + 1).is_multiple_of(every);
            if layer.recurrent {
                layer.rope = None;
            }
        }
        let (key_heads, value_heads) =
            (self.size("ssm.group_count")?, self.size("ssm.time_step_rank")?);
        let values = self.size("ssm.inner_size")?;
        if !value_heads.is_multiple_of(key_heads) || !values.is_multiple_of(value_heads) {
            let expected = format!("{values} in all, in groups of equal size, were expected");
            return Err(self.refuse("ssm.time_step_rank", &expected));
        }
        config.recurrent = Some(RecurrentConfig::DeltaNet {
            kernel: self.kernel("ssm.conv_kernel")?,
            key_heads,
            value_heads,
            key_dim: self.size("ssm.state_size")?,
            value_dim: values / value_heads,
            by_head,
        });
        Ok(config)
    }

    pub(super) fn qwen35(&self) -> Result<Config, Error> {
        self.qwen_hybrid("qwen3_5_text", false, Asked::default())
    }

    pub(super) fn qwen35_moe(&self) -> Result<Config, Error> {
        let config = self.qwen_hybrid("qwen3_5_moe_text", false, EXPERTS)?;
        let config = self.with_experts(config, Routing::Softmax { normalised: true })?;
        self.with_gated_expert(config)
    }

    pub(super) fn qwen3_next(&self) -> Result<Config, Error> {
        let config = self.qwen_hybrid("qwen3_next", true, EXPERTS)?;
        let config = self.with_experts(config, Routing::Softmax { normalised: true })?;
        self.with_gated_expert(config)
    }
}

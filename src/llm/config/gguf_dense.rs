//! Architectures of GGUF files without experts or states, from their metadata. Each becomes what
//! `families.rs` makes of the same model's `config.json`.

use tuning_fork_kernels::Alibi;

use super::gguf_keys::{Asked, Keys};
use super::like_llama::turned_in_neighbours;
use super::names::Naming;
use super::rope::QueryGrowth;
use super::{Activation, Config, MlpKind, NormKind, NormPlacement, QkNorm, QkvLayout, Xielu};
use crate::llm::error::Error;

/// The four numbers that Granite multiplies by.
pub(super) const GRANITE: &[&str] =
    &["logit_scale", "residual_scale", "embedding_scale", "expert_count"];

/// What Mistral's files say of queries that grow.
const GROWTH: &[&str] = &["attention.temperature_scale", "rope.scaling.yarn_log_multiplier"];

impl Keys<'_> {
    pub(super) fn olmo2(&self) -> Result<Config, Error> {
        let window = self.optional_size("attention.sliding_window")?;
        let name = if window.is_some() { "olmo3" } else { "olmo2" };
        let mut config = self.base(name, 10_000.0)?;
        config.norm_placement = NormPlacement::After;
        config.qk_norm = QkNorm::Whole;
        let Some(window) = window else { return Ok(config) };

        // OLMo 3
        let theta = self.positive("rope.freq_base_swa")?.or(self.positive("rope.freq_base")?);
        self.turning_otherwise_in_windows(config, theta.unwrap_or(10_000.0), window, 4)
    }

    /// Mistral Small 3 and Ministral 3, whose queries grow.
    pub(super) fn mistral3(&self) -> Result<Config, Error> {
        let growth = self.growth()?;
        let name = if growth.is_some() { "ministral3" } else { "mistral" };
        let asked = Asked { own: GROWTH, ..Asked::default() };
        let config = self.windowed(self.base_of(name, 10_000.0, asked)?)?;
        Ok(with_growth(config, growth))
    }

    pub(super) fn growth(&self) -> Result<Option<QueryGrowth>, Error> {
        let Some(beta) = self.positive_or_zero("attention.temperature_scale")? else {
            return Ok(None);
        };
        let every = match self.optional_size("attention.temperature_length")? {
            Some(every) => every,
            None => self.size("rope.scaling.original_context_length")?,
        };
        Ok((beta != 0.0).then_some(QueryGrowth { beta, every }))
    }

    pub(super) fn granite(&self) -> Result<Config, Error> {
        let asked = Asked { own: GRANITE, ..Asked::default() };
        self.granite_multipliers(self.base_of("granite", 10_000.0, asked)?)
    }

    /// Scores of the vocabulary are divided by what other architectures multiply by.
    pub(super) fn granite_multipliers(&self, mut config: Config) -> Result<Config, Error> {
        let unless_one = |value: Option<f32>| value.filter(|value| *value != 0.0 && *value != 1.0);
        config.embedding_scale = unless_one(self.positive_or_zero("embedding_scale")?);
        config.residual_scale = unless_one(self.positive_or_zero("residual_scale")?);
        config.logit_scale = unless_one(self.positive_or_zero("logit_scale")?).map(f32::recip);
        Ok(config)
    }

    pub(super) fn ernie(&self) -> Result<Config, Error> {
        Ok(turned_in_neighbours(self.base("ernie4_5", 10_000.0)?))
    }

    pub(super) fn hunyuan(&self) -> Result<Config, Error> {
        Ok(hunyuan_heads(self.base("hunyuan_v1_dense", 10_000.0)?))
    }

    pub(super) fn glm4(&self) -> Result<Config, Error> {
        let sections = self.list("rope.dimension_sections")?.unwrap_or_default();
        if sections.iter().any(|section| *section != 0) {
            let expected = "GLM-4 without pictures was expected";
            return Err(self.refuse("rope.dimension_sections", expected));
        }
        let config = turned_in_neighbours(self.base("glm4", 10_000.0)?);
        Ok(Config {
            norm_placement: NormPlacement::Around,
            naming: Naming::Glm4,
            mlp: MlpKind::GatedFused,
            ..config
        })
    }

    /// GLM-4 as it was first published, and `ChatGLM` 2 and 3, whose files hold queries, keys and values in
    /// one tensor.
    pub(super) fn glm(&self) -> Result<Config, Error> {
        let config = turned_in_neighbours(self.base("glm", 10_000.0)?);
        Ok(Config { mlp: MlpKind::GatedFused, ..self.in_one_where_stored(config) })
    }

    fn in_one_where_stored(&self, config: Config) -> Config {
        if !self.has("blk.0.attn_qkv.weight") {
            return config;
        }
        let qkv_bias = self.has("blk.0.attn_qkv.bias");
        Config { qkv: QkvLayout::Fused, qkv_bias, ..config }
    }

    /// The first `OLMo`.
    pub(super) fn olmo(&self) -> Result<Config, Error> {
        let asked = Asked { own: &["attention.clamp_kqv"], ..Asked::default() };
        let config = self.base_of("olmo", 10_000.0, asked)?;
        let norm_eps = self.layer_norm_eps()?;
        Ok(Config { norm: NormKind::UnitLayer, norm_eps, clip_qkv: self.clip()?, ..config })
    }

    fn clip(&self) -> Result<Option<f32>, Error> {
        Ok(self.positive_or_zero("attention.clamp_kqv")?.filter(|limit| *limit != 0.0))
    }

    pub(super) fn exaone4(&self) -> Result<Config, Error> {
        let mut config = self.base("exaone4", 10_000.0)?;
        config.norm_placement = NormPlacement::After;
        config.qk_norm = QkNorm::PerHead;
        if let Some(window) = self.optional_size("attention.sliding_window")? {
            self.turning_in_windows(&mut config, window, 4)?;
        }
        Ok(config)
    }

    /// Layers without a window turn nothing.
    fn turning_in_windows(
        &self,
        config: &mut Config,
        window: usize,
        pattern: usize,
    ) -> Result<(), Error> {
        let sliding = self.sliding(config.layer_count(), pattern)?;
        for (layer, sliding) in config.layers.iter_mut().zip(sliding) {
            layer.window = sliding.then_some(window);
            layer.rope = sliding.then_some(0);
        }
        Ok(())
    }

    fn cohere_base(&self, name: &str) -> Result<Config, Error> {
        let asked = Asked { own: &["logit_scale"], ..Asked::default() };
        let config = turned_in_neighbours(self.base_of(name, 10_000.0, asked)?);
        Ok(Config {
            norm: NormKind::LayerWithoutBias,
            norm_eps: self.layer_norm_eps()?,
            norm_placement: NormPlacement::ParallelShared,
            logit_scale: self.positive("logit_scale")?,
            ..config
        })
    }

    /// Command-R; the larger ones have norms of queries and keys.
    pub(super) fn cohere(&self) -> Result<Config, Error> {
        let mut config = self.cohere_base("cohere")?;
        if self.has("blk.0.attn_q_norm.weight") {
            config.qk_norm = QkNorm::EachHeadAtOnce;
        }
        Ok(config)
    }

    pub(super) fn cohere2(&self) -> Result<Config, Error> {
        let mut config = self.cohere_base("cohere2")?;
        let window = self.optional_size("attention.sliding_window")?.unwrap_or(4096);
        self.turning_in_windows(&mut config, window, 4)?;
        Ok(config)
    }

    fn layer_norm_eps(&self) -> Result<f32, Error> {
        Ok(self.positive("attention.layer_norm_epsilon")?.unwrap_or(1e-5))
    }

    pub(super) fn apertus(&self) -> Result<Config, Error> {
        let config = self.base("apertus", 10_000.0)?;
        Ok(Config {
            activation: Activation::Xielu(Xielu::default()),
            qk_norm: QkNorm::PerHead,
            mlp: MlpKind::Plain,
            naming: Naming::Apertus,
            ..config
        })
    }

    /// `LayerNorm` and an MLP without a gate.
    fn older(&self, name: &str, activation: Activation, naming: Naming) -> Result<Config, Error> {
        let config = self.base(name, 10_000.0)?;
        Ok(Config {
            norm: NormKind::Layer,
            norm_eps: self.layer_norm_eps()?,
            mlp: MlpKind::Plain,
            activation,
            naming,
            ..config
        })
    }

    pub(super) fn starcoder2(&self) -> Result<Config, Error> {
        self.windowed(self.older("starcoder2", Activation::GeluTanh, Naming::StarCoder2)?)
    }

    pub(super) fn gpt_neox(&self) -> Result<Config, Error> {
        let config = self.older("gpt_neox", Activation::Gelu, Naming::GptNeox)?;
        let parallel = self.file.bool(&self.key("use_parallel_residual")).unwrap_or(true);
        Ok(Config {
            norm_placement: if parallel { NormPlacement::Parallel } else { NormPlacement::Before },
            qkv: QkvLayout::FusedByHead,
            qkv_bias: self.has("blk.0.attn_qkv.bias"),
            ..config
        })
    }

    pub(super) fn bloom(&self) -> Result<Config, Error> {
        let own = &["attention.max_alibi_bias"];
        let asked = Asked { own, without_rope: true, ..Asked::default() };
        let config = self.base_of("bloom", 10_000.0, asked)?;
        Ok(Config {
            norm: NormKind::Layer,
            norm_eps: self.layer_norm_eps()?,
            mlp: MlpKind::Plain,
            activation: Activation::GeluTanh,
            alibi: Some(Alibi { heads: config.heads, rounded: false }),
            embedding_norm: true,
            qkv: QkvLayout::FusedByHead,
            qkv_bias: self.has("blk.0.attn_qkv.bias"),
            naming: Naming::Bloom,
            ..config
        })
    }

    /// Phi 1 and 2.
    pub(super) fn phi2(&self) -> Result<Config, Error> {
        let config = self.older("phi", Activation::GeluTanh, Naming::Phi)?;
        Ok(Config {
            norm_placement: NormPlacement::ParallelShared,
            head_bias: self.has("output.bias"),
            ..self.in_one_where_stored(config)
        })
    }

    /// The first `StarCoder`.
    pub(super) fn starcoder(&self) -> Result<Config, Error> {
        let asked = Asked { without_rope: true, ..Asked::default() };
        let config = self.base_of("gpt_bigcode", 10_000.0, asked)?;
        Ok(Config {
            learned_positions: Some(0),
            norm: NormKind::Layer,
            norm_eps: self.layer_norm_eps()?,
            mlp: MlpKind::Plain,
            activation: Activation::GeluTanh,
            // With one key head this is all queries, the key, the value, as llama.cpp takes it.
            qkv: if config.kv_heads == 1 { QkvLayout::FusedByHead } else { QkvLayout::Fused },
            qkv_bias: self.has("blk.0.attn_qkv.bias"),
            naming: Naming::GptBigCode,
            ..config
        })
    }

    pub(super) fn mpt(&self) -> Result<Config, Error> {
        const ALIBI: &str = "attention.max_alibi_bias";

        let own = &[ALIBI, "attention.clamp_kqv"];
        let asked = Asked { own, without_rope: true, ..Asked::default() };
        let config = self.base_of("mpt", 10_000.0, asked)?;
        self.refuse_tensor("blk.0.attn_q_norm.weight", "MPT")?;
        let (alibi, learned_positions) = match self.positive_or_zero(ALIBI)? {
            None | Some(0.0) => (None, self.has("position_embd.weight").then_some(0)),
            Some(8.0) => (Some(Alibi { heads: config.heads, rounded: false }), None),
            Some(_) => return Err(self.refuse(ALIBI, "8, or 0 for none, was expected")),
        };
        let has_bias = self.has("blk.0.attn_norm.bias");
        Ok(Config {
            alibi,
            learned_positions,
            clip_qkv: self.clip()?,
            norm: if has_bias { NormKind::Layer } else { NormKind::LayerWithoutBias },
            norm_eps: self.layer_norm_eps()?,
            mlp: MlpKind::Plain,
            activation: Activation::Gelu,
            qkv: QkvLayout::Fused,
            qkv_bias: self.has("blk.0.attn_qkv.bias"),
            naming: Naming::Mpt,
            ..config
        })
    }

    /// Fails where queries and keys have norms that are not computed in this family.
    fn refuse_tensor(&self, tensor: &str, family: &str) -> Result<(), Error> {
        if !self.has(tensor) {
            return Ok(());
        }
        Err(Error::Setting {
            path: self.file.path().to_owned(),
            key: tensor.to_owned(),
            found: Some("a norm".to_owned()),
            expected: format!("only {family} without norms of queries and keys is computed here"),
        })
    }

    pub(super) fn falcon(&self) -> Result<Config, Error> {
        let config = self.older("falcon", Activation::Gelu, Naming::Falcon)?;
        let two = self.has("blk.0.attn_norm_2.weight");
        Ok(Config {
            norm_placement: if two {
                NormPlacement::Parallel
            } else {
                NormPlacement::ParallelShared
            },
            qkv: QkvLayout::FusedByHead,
            qkv_bias: self.has("blk.0.attn_qkv.bias"),
            ..config
        })
    }

    pub(super) fn stablelm(&self) -> Result<Config, Error> {
        self.refuse_tensor("blk.0.attn_q_norm.weight", "StableLM")?;
        let config = self.base("stablelm", 10_000.0)?;
        let parallel = self.file.bool(&self.key("use_parallel_residual")).unwrap_or(false);
        Ok(Config {
            norm: NormKind::Layer,
            norm_eps: self.layer_norm_eps()?,
            norm_placement: if parallel {
                NormPlacement::ParallelShared
            } else {
                NormPlacement::Before
            },
            naming: Naming::StableLm,
            ..config
        })
    }
}

/// Queries and keys are turned before their norms.
pub(super) fn hunyuan_heads(config: Config) -> Config {
    Config { qk_norm: QkNorm::PerHeadTurned, naming: Naming::Hunyuan, ..config }
}

pub(super) fn with_growth(mut config: Config, growth: Option<QueryGrowth>) -> Config {
    if let Some(growth) = growth {
        config.ropes = config.ropes.into_iter().map(|rope| rope.with_growth(growth)).collect();
    }
    config
}

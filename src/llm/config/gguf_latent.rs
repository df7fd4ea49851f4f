//! Architectures of GGUF files with multi-head latent attention or with experts as `DeepSeek` has them,
//! from their metadata. Each becomes what `latent.rs` and `shared_experts.rs` make of the same model's
//! `config.json`.

use super::base::MOST_HEAD_DIMS;
use super::experts::{ExpertGroups, Routing, SharedExpertConfig};
use super::gguf_dense::with_growth;
use super::gguf_keys::{Asked, Keys};
use super::gguf_mixtures::EXPERTS;
use super::like_llama::turned_in_neighbours;
use super::names::Naming;
use super::rope::yarn_magnitude_scaled;
use super::{Config, LatentConfig, QkNorm};
use crate::llm::error::Error;
use crate::llm::files::gguf_tensors::EXPERT_CORRECTION;

impl Keys<'_> {
    /// Multi-head latent attention. `values`: the length of a head's values, where the file does not
    /// say it.
    fn latent(
        &self,
        name: &str,
        own: &[&str],
        values: impl FnOnce(usize, usize) -> usize,
    ) -> Result<Config, Error> {
        let most = |name: &str, size: usize| {
            let expected = format!("at most {MOST_HEAD_DIMS} was expected");
            if size > MOST_HEAD_DIMS { Err(self.refuse(name, &expected)) } else { Ok(size) }
        };
        // Files with compressed keys in the cache tell the heads' own lengths apart.
        let told = |name: &str| match self.optional_size(&format!("{name}_mla"))? {
            Some(size) => Ok(Some(size)),
            None => self.optional_size(name),
        };
        let turned = most("rope.dimension_count", self.size("rope.dimension_count")?)?;
        let keys = most("attention.key_length", told("attention.key_length")?.unwrap_or(0))?;
        let Some(still) = keys.checked_sub(turned).filter(|still| *still > 0) else {
            let expected = format!("more than the {turned} dimensions that turn were expected");
            return Err(self.refuse("attention.key_length", &expected));
        };
        let (width, heads) = (self.size("embedding_length")?, self.size("attention.head_count")?);
        let values = told("attention.value_length")?.unwrap_or_else(|| values(width, heads));
        let latent = LatentConfig {
            q_rank: self.optional_size("attention.q_lora_rank")?,
            kv_rank: self.size("attention.kv_lora_rank")?,
            turned,
            still,
            values: most("attention.value_length", values)?,
            bias: self.has("blk.0.attn_kv_a_mqa.bias"),
        };
        let head_dim = Some(keys.max(latent.values));
        let rotary = Some(turned);
        let asked = Asked { own, head_dim, rotary, all_heads: true, without_rope: false };
        let mut config = self.base_of(name, 10_000.0, asked)?;
        config.qkv_bias = false;
        config.latent = Some(latent);
        let mut scale = (keys as f32).powf(-0.5);
        // `YaRN`'s magnitude goes into the scores as well.
        let is_yarn = self.file.str(&self.key("rope.scaling.type")) == Some("yarn");
        if let (true, Some(weight), Some(factor)) =
            (is_yarn, self.yarn_weight()?, self.positive("rope.scaling.factor")?)
        {
            scale *= yarn_magnitude_scaled(f64::from(factor), weight).powi(2) as f32;
        }
        config.layers.iter_mut().for_each(|layer| layer.scale = scale);
        Ok(config)
    }

    fn latent_mixture(&self, name: &str) -> Result<Config, Error> {
        const OWN: &[&str] =
            &["expert_count", "attention.temperature_scale", "rope.scaling.yarn_log_multiplier"];

        // `DeepSeek` V2 and V3 and what came after them have one name here.
        let corrected = self.corrects_choices()?;
        let sigmoid = match self.optional_size("expert_gating_func")? {
            None => corrected,
            Some(gating) => gating == 2,
        };
        let name = if sigmoid { "deepseek_v3" } else { name };
        let config = turned_in_neighbours(self.latent(name, OWN, |width, heads| width / heads)?);
        let mut config = with_growth(config, self.growth()?);
        config.naming = Naming::DeepSeek;
        if self.optional_size("expert_count")?.is_none() {
            return Ok(config);
        }
        // 3: a softmax over those that are chosen, which sums to 1.
        let normalised = self.file.bool(&self.key("expert_weights_norm")).unwrap_or(false)
            || self.optional_size("expert_gating_func")? == Some(3);
        let routing = if sigmoid {
            Routing::Sigmoid { normalised, little: 1e-20 }
        } else {
            Routing::Softmax { normalised }
        };
        let config = self.with_experts(config, routing)?;
        self.with_shared(config, corrected, if name == "deepseek_v2" { 1 } else { 2 })
    }

    /// Whether the first layer with experts has numbers that correct which of them are chosen.
    fn corrects_choices(&self) -> Result<bool, Error> {
        let first = self.optional_size("leading_dense_block_count")?.unwrap_or(0);
        let mut names = EXPERT_CORRECTION.iter();
        Ok(names.any(|name| self.has(&format!("blk.{first}.{name}"))))
    }

    /// Experts that every token goes through, and groups within which the others are chosen.
    fn with_shared(
        &self,
        mut config: Config,
        corrected: bool,
        by_best: usize,
    ) -> Result<Config, Error> {
        let shared = self.optional_size("expert_shared_count")?.unwrap_or(0);
        let groups = self.optional_size("expert_group_count")?.unwrap_or(1);
        let kept = self.optional_size("expert_group_used_count")?.unwrap_or(groups);
        let Some(experts) = &mut config.experts else { return Ok(config) };
        experts.correction = corrected;
        if shared > 0 {
            let width = shared * experts.width;
            experts.shared = Some(SharedExpertConfig { width, is_mlp: false, gated: false });
        }
        let fits = experts.count.is_multiple_of(groups)
            && kept <= groups
            && experts.chosen <= experts.count / groups * kept;
        if !fits {
            let expected = format!("groups of the {} experts were expected", experts.count);
            return Err(self.refuse("expert_group_count", &expected));
        }
        experts.groups = (kept < groups).then_some(ExpertGroups { count: groups, kept, by_best });
        Ok(config)
    }

    pub(super) fn glm4_moe(&self) -> Result<Config, Error> {
        let mut config = self.base_of("glm4_moe", 10_000.0, EXPERTS)?;
        config.naming = Naming::DeepSeek;
        if self.has("blk.0.attn_q_norm.weight") {
            config.qk_norm = QkNorm::PerHead;
        }
        let normalised = self.file.bool(&self.key("expert_weights_norm")).unwrap_or(false);
        let routing = Routing::Sigmoid { normalised, little: 1e-20 };
        let config = self.with_experts(config, routing)?;
        let corrected = self.corrects_choices()?;
        self.with_shared(config, corrected, 2)
    }

    pub(super) fn deepseek2(&self) -> Result<Config, Error> {
        self.latent_mixture("deepseek_v2")
    }

    pub(super) fn mistral4(&self) -> Result<Config, Error> {
        self.latent_mixture("mistral4")
    }

    /// What it multiplies by, llama.cpp knows by heart.
    pub(super) fn minicpm3(&self) -> Result<Config, Error> {
        let mut config = self.latent("minicpm3", &[], |width, heads| width / heads)?;
        config.embedding_scale = Some(12.0);
        config.residual_scale = Some((1.4 / (config.layer_count() as f64).sqrt()) as f32);
        config.logit_scale = Some(256.0 / config.width as f32);
        Ok(config)
    }
}

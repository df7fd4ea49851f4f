//! The Gemma architectures of GGUF files, from their metadata. Each becomes what `families.rs`,
//! `gemma3n.rs` and `gemma4.rs` make of the same model's `config.json`. The converter adds 1 to the norms that are
//! stored without it.

use super::base::MOST_HEAD_DIMS;
use super::experts::Routing;
use super::gemma3n::{MOST_STATES, gemma3n_parts};
use super::gemma4::share_keys;
use super::gguf_keys::{Asked, Keys};
use super::gguf_mixtures::EXPERTS;
use super::names::Naming;
use super::rope::{Rope, RopeScaling};
use super::{Activation, AltUpConfig, Config, NormPlacement, QkNorm};
use crate::llm::error::Error;

impl Keys<'_> {
    fn gemma(&self, architecture: &str, theta: f32, layers_of_27b: usize) -> Result<Config, Error> {
        let mut config = self.base(architecture, theta)?;
        // The 27B models scale by width / heads instead; the file does not say so.
        if config.layer_count() == layers_of_27b && self.positive("attention.scale")?.is_none() {
            let scale = ((config.width / config.heads) as f32).powf(-0.5);
            config.layers.iter_mut().for_each(|layer| layer.scale = scale);
        }
        Ok(Config {
            norm_placement: NormPlacement::Around,
            activation: Activation::GeluTanh,
            embedding_scale: Some((config.width as f32).sqrt()),
            ..config
        })
    }

    pub(super) fn gemma2(&self) -> Result<Config, Error> {
        let mut config = self.gemma("gemma2", 10_000.0, 46)?;
        config.attention_softcap = Some(self.positive("attn_logit_softcapping")?.unwrap_or(50.0));
        config.final_softcap = Some(self.positive("final_logit_softcapping")?.unwrap_or(30.0));
        let window = self.optional_size("attention.sliding_window")?.unwrap_or(4096);
        for (index, layer) in config.layers.iter_mut().enumerate() {
            layer.window = index.is_multiple_of(2).then_some(window);
        }
        Ok(config)
    }

    pub(super) fn gemma3(&self) -> Result<Config, Error> {
        let mut config = self.gemma("gemma3_text", 1e6, 62)?;
        config.qk_norm = QkNorm::PerHead;
        config.final_softcap = self.positive("final_logit_softcapping")?;
        let theta = self.positive("rope.freq_base_swa")?.unwrap_or(1e4);
        let window = self.optional_size("attention.sliding_window")?.unwrap_or(1024);
        self.turning_otherwise_in_windows(config, theta, window, 6)
    }

    /// Gemma 1.
    pub(super) fn gemma1(&self) -> Result<Config, Error> {
        let config = self.base("gemma", 10_000.0)?;
        Ok(Config {
            activation: Activation::GeluTanh,
            embedding_scale: Some((config.width as f32).sqrt()),
            ..config
        })
    }

    /// The last layers see other layers' keys and values.
    fn share_keys(&self, config: &mut Config, sharing: usize) -> Result<(), Error> {
        if sharing < config.layer_count() && share_keys(config, sharing) {
            return Ok(());
        }
        let expected = "a layer of each kind that has keys and values was expected before them";
        Err(self.refuse("attention.shared_kv_layers", expected))
    }

    pub(super) fn gemma3n(&self) -> Result<Config, Error> {
        // What llama.cpp holds to be fixed.
        const FULL_EVERY: usize = 5;
        const WITH_KEYS: usize = 20;
        const SPARSE: (usize, f32) = (10, 1.644_853_4);

        let mut config = gemma3n_parts(self.base("gemma3n_text", 1e6)?);
        let layers = config.layer_count();
        config.activation = Activation::GeluTanh;
        let softcap = self.positive_or_zero("final_logit_softcapping")?.unwrap_or(30.0);
        config.final_softcap = (softcap != 0.0).then_some(softcap);
        let shape = |tensor: &str, dimension: usize| {
            let tensor = self.file.tensor(tensor).filter(|tensor| tensor.shape.len() == 2)?;
            Some(tensor.shape[dimension]).filter(|size| *size > 0)
        };
        let told = self.optional_size("embedding_length_per_layer_input")?;
        config.per_layer_width = told.or_else(|| shape("blk.0.inp_gate.weight", 0)).or(Some(256));
        let tokens = shape("per_layer_token_embd.weight", 0);
        config.per_layer_tokens = tokens.filter(|tokens| *tokens != config.vocab_size);
        let states = self.optional_size("altup.num_inputs")?.unwrap_or(4);
        let active = self.optional_size("altup.active_idx")?.unwrap_or(0);
        if states > MOST_STATES || active >= states {
            let expected = format!("fewer than the {states} hidden states, of up to {MOST_STATES}");
            return Err(self.refuse("altup.active_idx", &expected));
        }
        config.altup = Some(AltUpConfig {
            states,
            active,
            scaled: true,
            laurel_rank: shape("blk.0.laurel_l.weight", 0).unwrap_or(64),
        });
        let local = self.positive("rope.freq_base_swa")?.unwrap_or(1e4);
        let window = self.optional_size("attention.sliding_window")?.unwrap_or(512);
        config = self.turning_otherwise_in_windows(config, local, window, FULL_EVERY)?;
        let told = self.file.f32s(&self.key("activation_sparsity_scale"));
        if told.as_ref().is_some_and(|told| told.len() != layers) {
            let expected = format!("a number for each of the {layers} layers was expected");
            return Err(self.refuse("activation_sparsity_scale", &expected));
        }
        for (index, layer) in config.layers.iter_mut().enumerate() {
            layer.sparsity = match &told {
                // A share of nothing lies infinitely far below the mean.
                Some(told) => Some(told[index]).filter(|scale| scale.is_finite()),
                None => (index < SPARSE.0).then_some(SPARSE.1),
            };
        }
        let key = self.key("attention.shared_kv_layers");
        let sharing = match self.file.metadata().get(&key) {
            Some(_) => self.optional_size("attention.shared_kv_layers")?.unwrap_or(0),
            None => layers.saturating_sub(WITH_KEYS),
        };
        self.share_keys(&mut config, sharing)?;
        Ok(config)
    }

    pub(super) fn gemma4(&self) -> Result<Config, Error> {
        let layers = self.layer_count()?;
        let long = self.size("attention.key_length")?;
        let head_dim = self.optional_size("attention.key_length_swa")?.unwrap_or(long);
        if long.max(head_dim) > MOST_HEAD_DIMS {
            let expected = format!("at most {MOST_HEAD_DIMS} was expected");
            return Err(self.refuse("attention.key_length", &expected));
        }
        let asked = Asked { head_dim: Some(long), ..EXPERTS };
        let mut config = self.base_of("gemma4_text", 1e6, asked)?;
        config.head_dim = head_dim;
        config.norm_placement = NormPlacement::Around;
        config.naming = Naming::Gemma4;
        config.activation = Activation::GeluTanh;
        config.embedding_scale = Some((config.width as f32).sqrt());
        config.qk_norm = QkNorm::PerHead;
        config.value_norm = true;
        config.layer_scalars = self.has("blk.0.layer_output_scale.weight");
        let softcap = self.positive_or_zero("final_logit_softcapping")?;
        config.final_softcap = softcap.filter(|softcap| *softcap != 0.0);
        config.per_layer_width = self.optional_size("embedding_length_per_layer_input")?;

        let local = f64::from(self.positive("rope.freq_base_swa")?.unwrap_or(1e4));
        let dims = self.optional_size("rope.dimension_count_swa")?.unwrap_or(head_dim);
        if dims.div_ceil(2) * 2 > head_dim {
            let expected = format!("an even number of up to {head_dim} was expected");
            return Err(self.refuse("rope.dimension_count_swa", &expected));
        }
        config.ropes.push(Rope::new(local, dims, RopeScaling::None));
        let window = self.optional_size("attention.sliding_window")?.unwrap_or(512);
        let heads = self.by_layer("attention.head_count_kv", layers)?;
        let heads = heads.unwrap_or_else(|| vec![config.heads; layers]);
        let sliding = self.sliding(layers, 6)?;
        let of_windows = sliding.iter().position(|sliding| *sliding);
        config.kv_heads = heads[of_windows.unwrap_or(0)];
        for (index, layer) in config.layers.iter_mut().enumerate() {
            layer.scale = 1.0;
            layer.rope = Some(usize::from(sliding[index]));
            if heads[index] == 0 || !config.heads.is_multiple_of(heads[index]) {
                let expected = "it must divide the number of heads";
                return Err(self.refuse("attention.head_count_kv", expected));
            }
            if sliding[index] {
                layer.window = Some(window);
            } else {
                layer.own_heads = Some((heads[index], long));
                let values = ["attn_v", "attn_qkv"];
                let has = |part: &str| self.has(&format!("blk.{index}.{part}.weight"));
                layer.values_are_keys = !values.iter().any(|part| has(part));
            }
        }
        let sharing = self.optional_size("attention.shared_kv_layers")?.unwrap_or(0);
        let own = layers.saturating_sub(sharing);
        for layer in &mut config.layers[own..] {
            layer.values_are_keys = false;
        }
        self.share_keys(&mut config, sharing)?;
        if self.optional_size("expert_count")?.is_none() {
            return Ok(config);
        }
        let mut config = self.with_experts(config, Routing::Softmax { normalised: true })?;
        if let Some(experts) = &mut config.experts {
            experts.beside_mlp = true;
        }
        Ok(config)
    }
}

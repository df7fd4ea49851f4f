//! A decoder's description from a GGUF file's metadata, architecture by architecture.

use super::gguf_keys::{Asked, Keys};
use super::names::Naming;
use super::rope::{Rope, RopeScaling};
use super::{Activation, Config, MlpKind, NormKind, QkNorm, QkvLayout};
use crate::llm::error::Error;
use crate::llm::files::gguf::GgufFile;

/// Reads a decoder's description. llama.cpp's converters add 1 to Gemma's norms and leave GPT-2's
/// matrices (out, in), so a GGUF file needs neither `RmsPlusOne` nor a transposition.
///
/// What llama.cpp holds to be fixed in an architecture, and files hence do not say, is as fixed
/// here: every fourth layer of `SmolLM3` without rope, every sixth of Gemma 3 without a window.
pub fn from_gguf(file: &GgufFile) -> Result<Config, Error> {
    let arch = file.str("general.architecture").unwrap_or_default().to_owned();
    let keys = Keys { file, arch: &arch };
    match arch.as_str() {
        "llama" => keys.llama(),
        "qwen2" => keys.windowed(keys.base("qwen2", 10_000.0)?),
        "qwen3" => {
            let config = keys.windowed(keys.base("qwen3", 10_000.0)?)?;
            Ok(Config { qk_norm: QkNorm::PerHead, ..config })
        }
        "phi3" => {
            let config = keys.windowed(keys.base("phi3", 10_000.0)?)?;
            let mlp = MlpKind::GatedFused;
            let qkv = QkvLayout::Fused;
            Ok(Config { qkv, mlp, restarts_when_long: true, ..config })
        }
        "olmo2" => keys.olmo2(),
        "smollm3" => {
            let mut config = keys.windowed(keys.base("smollm3", 10_000.0)?)?;
            for (index, layer) in config.layers.iter_mut().enumerate() {
                layer.rope = (!(index + 1).is_multiple_of(4)).then_some(0);
            }
            Ok(config)
        }
        "gemma" => keys.gemma1(),
        "gemma2" => keys.gemma2(),
        "gemma3" => keys.gemma3(),
        "gemma3n" => keys.gemma3n(),
        "gemma4" => keys.gemma4(),
        "gpt2" => keys.gpt2(),
        "apertus" => keys.apertus(),
        "bloom" => keys.bloom(),
        "chatglm" => keys.glm(),
        "cohere2" => keys.cohere2(),
        "command-r" => keys.cohere(),
        "ernie4_5" => keys.ernie(),
        "ernie4_5-moe" => keys.ernie_moe(),
        "exaone4" => keys.exaone4(),
        "falcon" => keys.falcon(),
        "falcon-h1" => keys.falcon_h1(),
        "glm4" => keys.glm4(),
        "glm4moe" => keys.glm4_moe(),
        "gptneox" => keys.gpt_neox(),
        "granite" => keys.granite(),
        "hunyuan-dense" => keys.hunyuan(),
        "hunyuan-moe" => keys.hunyuan_moe(),
        "mistral3" => keys.mistral3(),
        "mpt" => keys.mpt(),
        "olmo" => keys.olmo(),
        "phi2" => keys.phi2(),
        "seed_oss" => keys.base("seed_oss", 10_000.0),
        "stablelm" => keys.stablelm(),
        "starcoder" => keys.starcoder(),
        "starcoder2" => keys.starcoder2(),
        "deepseek2" => keys.deepseek2(),
        "gpt-oss" => keys.gpt_oss(),
        "granitehybrid" => keys.granite_hybrid(),
        "granitemoe" => keys.granite_moe(),
        "lfm2" => keys.lfm2(),
        "lfm2moe" => keys.lfm2_moe(),
        "minicpm3" => keys.minicpm3(),
        "mistral4" => keys.mistral4(),
        "olmoe" => keys.olmoe(),
        "phimoe" => keys.phimoe(),
        "qwen2moe" => keys.qwen2_moe(),
        "qwen35" => keys.qwen35(),
        "qwen35moe" => keys.qwen35_moe(),
        "qwen3moe" => keys.qwen3_moe(),
        "qwen3next" => keys.qwen3_next(),
        "" => Err(Error::not_a_model(file.path(), "it does not say its architecture")),
        _ => Err(Error::UnsupportedGguf { architecture: arch.clone() }),
    }
}

impl Keys<'_> {
    /// Every layer has the file's window, where it has one.
    pub(super) fn windowed(&self, mut config: Config) -> Result<Config, Error> {
        let window = self.optional_size("attention.sliding_window")?;
        for layer in &mut config.layers {
            layer.window = window;
        }
        Ok(config)
    }

    /// Which layers have a window: one answer for each layer, or every how many-th has none.
    pub(super) fn sliding(&self, layers: usize, pattern: usize) -> Result<Vec<bool>, Error> {
        const KEY: &str = "attention.sliding_window_pattern";

        if let Some(flags) = self.file.bools(&self.key(KEY)).filter(|flags| flags.len() >= layers) {
            return Ok(flags[..layers].to_vec());
        }
        if self.file.array(&self.key(KEY)).is_some() {
            let expected = format!("an answer for each of the {layers} layers was expected");
            return Err(self.refuse(KEY, &expected));
        }
        let pattern = self.optional_size(KEY)?.unwrap_or(pattern);
        Ok((1..=layers).map(|layer| !layer.is_multiple_of(pattern)).collect())
    }

    /// Layers with a window turn from another base, as if nothing were stretched.
    pub(super) fn turning_otherwise_in_windows(
        &self,
        mut config: Config,
        theta: f32,
        window: usize,
        pattern: usize,
    ) -> Result<Config, Error> {
        config.ropes.push(Rope::new(f64::from(theta), config.head_dim, RopeScaling::None));
        let sliding = self.sliding(config.layer_count(), pattern)?;
        for (layer, sliding) in config.layers.iter_mut().zip(sliding) {
            layer.window = sliding.then_some(window);
            layer.rope = Some(usize::from(sliding));
        }
        Ok(config)
    }

    fn gpt2(&self) -> Result<Config, Error> {
        let asked = Asked { without_rope: true, ..Asked::default() };
        let config = self.base_of("gpt2", 10_000.0, asked)?;
        Ok(Config {
            learned_positions: Some(0),
            norm: NormKind::Layer,
            norm_eps: self.positive("attention.layer_norm_epsilon")?.unwrap_or(1e-5),
            activation: Activation::GeluTanh,
            mlp: MlpKind::Plain,
            qkv: QkvLayout::Fused,
            qkv_bias: true,
            output_bias: true,
            mlp_bias: true,
            naming: Naming::Gpt2,
            ..config
        })
    }
}

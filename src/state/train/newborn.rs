//! What a model that is born would take, said while its shape is chosen; and shapes that were tried.

use crate::llm::Shapes;
use crate::llm::newborn::Newborn;
use crate::llm::text::born::TokenKind;
use crate::train::config::TrainConfig;
use crate::train::estimate::{ModelSize, Tokens, memory_for};
use crate::words::{about_duration, gigabytes, thousands};

/// Settings by the time that they take on two cores.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    pub name: &'static str,
    pub explanation: &'static str,
    hidden_size: usize,
    layers: usize,
    heads: usize,
    context: usize,
    batch: usize,
    steps: usize,
}

pub const PRESETS: [Preset; 2] = [
    Preset {
        name: "2 minutes",
        explanation: "A small model that learns to spell and to build simple sentences",
        hidden_size: 96,
        layers: 3,
        heads: 4,
        context: 64,
        batch: 16,
        steps: 600,
    },
    Preset {
        name: "10 minutes",
        explanation: "A larger one that tells stories of the same kind",
        hidden_size: 128,
        layers: 4,
        heads: 4,
        context: 128,
        batch: 16,
        steps: 1000,
    },
];

impl Preset {
    /// The settings with this shape and length. Tokenizer and family stay what was chosen.
    #[must_use]
    pub fn applied(&self, config: &TrainConfig) -> TrainConfig {
        let chosen = config.newborn.clone().unwrap_or_default();
        let newborn = Newborn {
            hidden_size: self.hidden_size,
            num_hidden_layers: self.layers,
            num_attention_heads: self.heads,
            num_key_value_heads: self.heads,
            intermediate_size: 0,
            max_position_embeddings: self.context,
            ..chosen
        };
        TrainConfig {
            newborn: Some(newborn),
            max_length: self.context,
            per_device_train_batch_size: self.batch,
            max_steps: Some(self.steps),
            ..config.clone()
        }
    }
}

/// What a run on a model that is born takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Takes {
    pub parameters: u64,
    pub memory: u64,

    /// Tokens that it learns from: all its steps together.
    pub tokens: u64,

    /// At `MACS_A_SECOND`.
    pub secs: f64,
}

/// Multiplications a second that two cores were measured to do in steps of such models: 0.134 s for a step of
/// the preset of two minutes, whose matrices are small.
const MACS_A_SECOND: f64 = 8e9;

/// `None`: there is no such model, or no text. `characters`: of the text.
pub fn takes(config: &TrainConfig, characters: usize) -> Option<Takes> {
    let newborn = config.newborn.as_ref()?;
    if !newborn.problems().is_empty() {
        return None;
    }
    let vocabulary = match newborn.tokenizer {
        TokenKind::Characters => 60, // of simple prose
        TokenKind::Bytes => 259,
        TokenKind::Bpe => newborn.vocab_size,
    };
    let decoder = newborn.config(vocabulary).ok()?;
    let shapes = Shapes::of(&decoder);
    let size = ModelSize { config: &decoder, shapes: &shapes, weight_bytes: 0 };
    let tokens = Tokens { prompt: 0, answer: config.max_length };
    let memory = memory_for(&size, config, tokens).peak();
    let steps = config.max_steps.unwrap_or_else(|| {
        let window = config.max_length.max(1) * config.per_device_train_batch_size.max(1);
        (config.num_train_epochs * characters as f64 / window as f64).ceil() as usize
    });
    let a_step =
        config.per_device_train_batch_size * config.gradient_accumulation_steps * config.max_length;
    let tokens = (steps * a_step) as u64;
    let parameters = shapes.parameter_count();
    // Forth once and back twice; attention comes on top.
    let attention = decoder.layer_count() * decoder.width * config.max_length;
    let macs = tokens as f64 * 3.0 * (parameters as f64 + attention as f64);
    Some(Takes { parameters, memory, tokens, secs: macs / MACS_A_SECOND })
}

impl Takes {
    /// `0.3 million parameters · 90 MB · about 2 min on two cores · 600,000 tokens`
    pub fn sentence(&self) -> String {
        let Self { parameters, memory, tokens, secs } = *self;
        let parameters = if parameters < 100_000 {
            format!("{} parameters", thousands(parameters as usize))
        } else {
            format!("{:.1} million parameters", parameters as f64 / 1e6)
        };
        format!(
            "{parameters} · {} of memory · {} on two cores · {} tokens in all",
            gigabytes(memory),
            about_duration(secs),
            thousands(tokens as usize)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::Objective;

    #[test]
    fn a_preset_keeps_the_tokenizer_and_takes_about_what_its_name_says() {
        let mut config = TrainConfig::suggested(Objective::Pretrain);
        if let Some(newborn) = &mut config.newborn {
            newborn.tokenizer = TokenKind::Bytes;
        }
        for (preset, minutes) in PRESETS.iter().zip([2.0, 10.0]) {
            let applied = preset.applied(&config);
            let newborn = applied.newborn.as_ref().unwrap();
            assert_eq!(newborn.problems(), []);
            assert_eq!(newborn.tokenizer, TokenKind::Bytes);
            let found = takes(&applied, 300_000).unwrap();
            assert!(found.secs < minutes * 60.0 * 1.5, "{}: {} s", preset.name, found.secs);
            assert!(found.sentence().contains("parameters"));
        }
    }
}

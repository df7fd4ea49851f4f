//! How transformers would say the rope of a GGUF file: the ways in which it could be meant. The converter works
//! out some of transformers' numbers, and writes those down; which way was meant is the one that gives the same
//! rope when it is read again.

use std::f64::consts::PI;

use serde_json::{Value, json};

use crate::llm::config::Config;
use crate::llm::files::gguf::GgufFile;

/// Candidates for `rope_scaling`, the plainest first.
pub(super) fn scalings(config: &Config, file: &GgufFile) -> Vec<Value> {
    let arch = file.str("general.architecture").unwrap_or_default();
    let number = |name: &str| file.f32(&format!("{arch}.{name}")).filter(|number| *number > 0.0);
    let mut found = vec![Value::Null];
    let Some(rope) = config.ropes.first() else { return found };
    let original = file.u64(&format!("{arch}.rope.scaling.original_context_length"));
    let original = original.filter(|original| *original > 0);
    let original = original.unwrap_or(config.context_length as u64);
    if let Some(factor) = number("rope.scaling.factor").or_else(|| number("rope.scale_linear")) {
        found.push(json!({ "rope_type": "linear", "factor": factor }));
        let mut yarn = json!({
            "rope_type": "yarn",
            "factor": factor,
            "original_max_position_embeddings": original,
        });
        for (key, told) in [
            ("beta_fast", "rope.scaling.yarn_beta_fast"),
            ("beta_slow", "rope.scaling.yarn_beta_slow"),
            ("llama_4_scaling_beta", "attention.temperature_scale"),
        ] {
            if let Some(told) = number(told) {
                yarn[key] = json!(told);
            }
        }
        found.push(yarn.clone());
        if let Some(weight) = number("rope.scaling.yarn_log_multiplier") {
            // The converter writes a tenth of it for DeepSeek's.
            let weight = f64::from(weight);
            let weight = if arch == "deepseek2" { weight / f64::from(0.1_f32) } else { weight };
            let mut weighted = yarn.clone();
            (weighted["mscale"], weighted["mscale_all_dim"]) = (json!(weight), json!(weight));
            found.push(weighted);
        }
        yarn["attention_factor"] = json!(rope.magnitude);
        found.push(yarn);
    }
    if let (Some(short), Some(long)) =
        (numbers(file, "rope_factors_short.weight"), numbers(file, "rope_factors_long.weight"))
    {
        // Phi 3 says the original length beside it.
        let mut longrope =
            json!({ "type": "longrope", "short_factor": short, "long_factor": long });
        found.push(longrope.clone());
        longrope["original_max_position_embeddings"] = json!(original);
        found.push(longrope.clone());
        longrope["attention_factor"] = json!(rope.magnitude);
        found.push(longrope);
    }
    let theta = number("rope.freq_base").map_or(10_000.0, f64::from);
    found.extend(numbers(file, "rope_freqs.weight").and_then(|by| llama3(&by, theta)));
    found
}

/// Llama 3's settings, of which the converter leaves what each pair's speed is divided by.
fn llama3(divisors: &[f32], theta: f64) -> Option<Value> {
    let factor = f64::from(divisors.iter().copied().fold(1.0, f32::max));
    let (low, high) = (1.0, 4.0); // as in all models there are
    let of_pair = |(pair, by): (usize, &f32)| {
        let by = f64::from(*by);
        let is_between = by > 1.0 + 1e-4 && by < factor * (1.0 - 1e-4);
        // 1 / by = (1 - s) / factor + s, with s = (original / length - low) / (high - low)
        let smooth = (1.0 / by - 1.0 / factor) / (1.0 - 1.0 / factor);
        let length = 2.0 * PI * theta.powf(pair as f64 / divisors.len() as f64);
        is_between.then(|| (length * (low + (high - low) * smooth)).round())
    };
    let original = divisors.iter().enumerate().find_map(of_pair)?;
    Some(json!({
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": low,
        "high_freq_factor": high,
        "original_max_position_embeddings": original as u64,
    }))
}

/// A vector of f32.
fn numbers(file: &GgufFile, tensor: &str) -> Option<Vec<f32>> {
    file.tensor(tensor).filter(|tensor| tensor.kind.name() == "F32")?;
    let bytes = file.tensor_bytes(tensor)?;
    Some(bytes.as_chunks::<4>().0.iter().map(|raw| f32::from_le_bytes(*raw)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::config::{Rope, RopeScaling};

    /// What the converter makes of Llama 3.1 and 3.2, and back.
    #[test]
    fn llama_3_settings_come_back_from_divisors() {
        for (factor, theta, original) in
            [(8.0, 5e5, 8192.0), (32.0, 5e5, 8192.0), (16.0, 1e6, 4096.0)]
        {
            let scaling = RopeScaling::Llama3 {
                factor,
                low_freq_factor: 1.0,
                high_freq_factor: 4.0,
                original_context: original,
            };
            let plain = Rope::new(theta, 64, RopeScaling::None);
            let scaled = Rope::new(theta, 64, scaling);
            let pairs = plain.frequencies.iter().zip(&scaled.frequencies);
            let divisors: Vec<f32> = pairs.map(|(plain, scaled)| plain / scaled).collect();
            let found = llama3(&divisors, theta).unwrap();
            assert_eq!(found["original_max_position_embeddings"], json!(original as u64));
            assert!((found["factor"].as_f64().unwrap() - factor).abs() < 1e-4, "{found}");
        }
    }
}

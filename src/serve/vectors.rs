//! `/v1/embeddings`: texts become vectors, as `tuning-fork embed` makes them.

use serde_json::{Value, json};

use super::asked::Vectors;
use super::completions::Usage;
use super::error::Refusal;
use super::served::Served;
use super::watch::Watch;
use crate::encoder;
use crate::llm::text::base64::base64;

pub fn whole(
    served: &Served,
    asked: &Vectors,
    watch: &Watch<'_>,
) -> Result<(Value, Usage), Refusal> {
    let encoder = served.vectors(asked.adapter)?;
    let width = encoder.card().width;
    if let Some(dimensions) = asked.dimensions.filter(|dimensions| *dimensions != width) {
        let message = format!(
            "\"dimensions\" is {dimensions}, and the vectors of this model have {width} values. Leave \
             \"dimensions\" out."
        );
        return Err(Refusal::of("dimensions", message));
    }
    let prefix = asked.prefix.as_deref().or_else(|| encoder.default_prompt()).unwrap_or_default();
    let made = match encoder.embed_after(prefix, &asked.texts, watch) {
        Ok(made) => made,
        Err(encoder::Error::Cancelled(_)) => return Err(watch.refusal()),
        Err(error) => return Err(error.into()),
    };
    let prompt = made.iter().map(|one| one.token_count).sum();
    let vector = |values: &[f32]| -> Value {
        if !asked.as_base64 {
            return json!(values);
        }
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        base64(&bytes).into()
    };
    let data = made.iter().enumerate().map(|(at, one)| {
        let mut item =
            json!({"object": "embedding", "index": at, "embedding": vector(&one.values)});
        if one.is_cut {
            // Ours: what does not fit is left out, as `embed` does it, and that is said.
            item["truncated"] = true.into();
        }
        item
    });
    let data: Vec<Value> = data.collect();
    let answer = json!({
        "object": "list",
        "data": data,
        "model": served.name_with(asked.adapter),
        "usage": {"prompt_tokens": prompt, "total_tokens": prompt},
    });
    Ok((answer, Usage { prompt, answer: 0 }))
}

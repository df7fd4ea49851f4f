//! The machine: the parts that every token goes through, in their order, with the shapes, bytes and
//! types of their weights, and how much each of them computes.

use serde::{Deserialize, Serialize};

use super::error::Error;
use crate::llm::Model;
use crate::llm::config::Config;
use crate::llm::headers::survey::TensorNeed;

/// A loaded model as its parts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Machine {
    pub name: String,

    /// transformers' `model_type`.
    pub architecture: String,

    /// Of all parts: what a file has beside the text part (a vision tower) is none of them.
    pub parameters: u64,

    /// What the weights take in memory.
    pub bytes: u64,

    /// What one token takes in the KV cache.
    pub cache_bytes_per_token: u64,
    pub context_length: usize,
    pub vocab_size: usize,

    /// From a token's number to its scores. Layers that are alike and follow each other are a part
    /// once, with how many there are.
    pub parts: Vec<Part>,
}

/// One thing that is computed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    pub kind: Kind,

    /// The layers that have it: from, and how many; counted from 0. `None`: it stands outside of them.
    pub layers: Option<(usize, usize)>,

    /// Its attention sees so many tokens, its own among them. `None`: all that stand before.
    pub window: Option<usize>,

    /// Of the first of those layers.
    pub tensors: Vec<Shape>,

    /// Of all of those layers.
    pub parameters: u64,
    pub bytes: u64,

    /// Multiplications by weights for one token, in all of those layers. What attention multiplies
    /// with each token before it comes on top: see `multiplications_a_token_before`.
    pub multiplications: u64,

    /// In all of those layers, for each token that is attended to: those before it, and itself.
    pub multiplications_a_token_before: u64,
}

/// A tensor, or several of one shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shape {
    /// transformers' name, without what leads to the layer: `self_attn.q_proj.weight`.
    pub name: String,

    /// A matrix is (outputs, inputs).
    pub shape: Vec<usize>,

    /// How many of them there are: experts are alike.
    pub count: usize,

    /// The types of its weights: a file may keep some layers more exactly.
    pub types: Vec<&'static str>,
}

impl Shape {
    /// `self_attn.q_proj.weight 576 × 576 Q4_1`, `mlp.experts.*.up_proj.weight 64 of 512 × 1024 F16`
    pub fn words(&self) -> String {
        let Self { name, shape, count, types } = self;
        let sides = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
        let many = if *count > 1 { format!("{count} of ") } else { String::new() };
        format!("{name} {many}{sides} {}", types.join(", "))
    }

    fn add_type(&mut self, kind: &'static str) {
        if !self.types.contains(&kind) {
            self.types.push(kind);
        }
    }
}

/// What a part does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Embedding,
    Positions,
    Norm,
    Attention,

    /// A state that is carried from token to token, in place of attention.
    Recurrence,
    Mlp,
    Experts,
    Head,

    /// What only this family has.
    Other,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::Positions => "positions",
            Self::Norm => "norm",
            Self::Attention => "attention",
            Self::Recurrence => "recurrence",
            Self::Mlp => "MLP",
            Self::Experts => "experts",
            Self::Head => "head",
            Self::Other => "other",
        }
    }
}

/// A model's parts. Fails where the headers of its files can no longer be read.
pub fn machine(model: &Model) -> Result<Machine, Error> {
    let (card, config) = (model.card(), model.config());
    let tensors = model.tensors()?;
    let facts = &card.facts;
    let parts = parts(config, &tensors);
    Ok(Machine {
        name: card.identity.name.clone(),
        architecture: facts.architecture.clone(),
        parameters: parts.iter().map(|part| part.parameters).sum(),
        bytes: facts.memory_bytes,
        cache_bytes_per_token: facts.cache_bytes_per_token,
        context_length: config.context_length,
        vocab_size: config.vocab_size,
        parts,
    })
}

/// Where a tensor belongs.
struct Place<'a> {
    kind: Kind,
    layer: Option<usize>,
    name: &'a str,
}

fn place<'a>(config: &Config, name: &'a str) -> Place<'a> {
    let (layer, rest) = split_layer(name);
    let Some(layer) = layer else { return Place { kind: outside(name), layer: None, name } };
    let first = rest.split('.').next().unwrap_or(rest);
    let has_experts = config.layers.get(layer).is_some_and(|layer| layer.experts);
    let beside = config.experts.as_ref().is_some_and(|experts| experts.beside_mlp);
    let of_experts = ["expert", "router", "moe", "gate_inp"].iter().any(|it| rest.contains(it));
    let kind = if first.contains("norm") || first.starts_with("ln_") {
        Kind::Norm
    } else if ["linear_attn", "mamba", "conv", "ssm"].iter().any(|it| first.starts_with(it)) {
        Kind::Recurrence
    } else if first.contains("attn") || first.contains("attention") {
        Kind::Attention
    } else if of_experts || (has_experts && !beside && is_mlp(first)) {
        Kind::Experts
    } else if is_mlp(first) {
        Kind::Mlp
    } else {
        Kind::Other
    };
    Place { kind, layer: Some(layer), name: rest }
}

fn is_mlp(first: &str) -> bool {
    let starts = ["fc", "ffn"].iter().any(|it| first.starts_with(it));
    starts || first.contains("mlp") || first.contains("feed_forward")
}

fn outside(name: &str) -> Kind {
    let module = name.strip_suffix(".weight").or_else(|| name.strip_suffix(".bias"));
    let module = module.unwrap_or(name).rsplit('.').next().unwrap_or(name);
    match module {
        "lm_head" | "embed_out" | "output" => Kind::Head,
        "wpe" | "embed_positions" => Kind::Positions,
        "wte" | "embed_tokens" | "embed_in" | "word_embeddings" => Kind::Embedding,
        _ if module.contains("norm") || module.starts_with("ln_") => Kind::Norm,
        _ => Kind::Other,
    }
}

/// `model.layers.3.mlp.up_proj.weight` is of layer 3, and called `mlp.up_proj.weight` there.
fn split_layer(name: &str) -> (Option<usize>, &str) {
    let mut start = 0;
    for part in name.split('.') {
        let end = start + part.len();
        if let (Ok(layer), Some(rest)) = (part.parse(), name.get(end + 1..)) {
            return (Some(layer), rest);
        }
        start = end + 1;
    }
    (None, name)
}

/// A layer's parts, in their order.
#[derive(Default)]
struct Layer {
    parts: Vec<(Kind, Vec<Shape>)>,
    bytes: Vec<u64>,
}

impl Layer {
    fn add(&mut self, kind: Kind, name: &str, need: &TensorNeed) {
        // Norms stand before and after what they serve: each is a part of its own.
        let is_same = |(it, shapes): &(Kind, Vec<Shape>)| {
            *it == kind && (kind != Kind::Norm || same_module(&shapes[0].name, name))
        };
        let at = self.parts.iter().position(is_same).unwrap_or_else(|| {
            self.parts.push((kind, Vec::new()));
            self.bytes.push(0);
            self.parts.len() - 1
        });
        self.bytes[at] += need.bytes;
        let name = every_expert(name);
        let shapes = &mut self.parts[at].1;
        let alike = shapes.iter_mut().find(|it| it.name == name && it.shape == need.shape);
        match alike {
            Some(shape) => {
                shape.count += 1;
                shape.add_type(need.kind);
            }
            None => shapes.push(Shape {
                name,
                shape: need.shape.clone(),
                count: 1,
                types: vec![need.kind],
            }),
        }
    }

    /// Whether both are built alike, whatever types their weights have.
    fn is_like(&self, other: &Self) -> bool {
        let shape = |it: &Shape| (it.name.clone(), it.shape.clone(), it.count);
        let built = |layer: &Self| -> Vec<_> {
            let part = |(kind, shapes): &(Kind, Vec<Shape>)| {
                (*kind, shapes.iter().map(shape).collect::<Vec<_>>())
            };
            layer.parts.iter().map(part).collect()
        };
        built(self) == built(other)
    }
}

/// Whether two tensors are of one module: its weight and its bias.
fn same_module(one: &str, other: &str) -> bool {
    let module = |name: &str| name.rsplit_once('.').map(|(module, _)| module.to_owned());
    module(one) == module(other)
}

/// `mlp.experts.7.up_proj.weight` stands for the same of every expert.
fn every_expert(name: &str) -> String {
    let parts = name.split('.').map(|part| if part.parse::<u32>().is_ok() { "*" } else { part });
    parts.collect::<Vec<_>>().join(".")
}

fn parts(config: &Config, tensors: &[TensorNeed]) -> Vec<Part> {
    let mut layers: Vec<Layer> = Vec::new();
    let mut before = Layer::default();
    let mut after = Layer::default();
    for need in tensors {
        let Place { kind, layer, name } = place(config, &need.name);
        match layer {
            Some(at) => {
                if layers.len() <= at {
                    layers.resize_with(at + 1, Layer::default);
                }
                layers[at].add(kind, name, need);
            }
            // The final norm and the head come after the layers; an embedding's own norm is asked for
            // before any of them.
            None if kind == Kind::Head || (kind == Kind::Norm && !layers.is_empty()) => {
                after.add(kind, name, need);
            }
            None => before.add(kind, name, need),
        }
    }
    let mut all = in_order(config, &before, None);
    let mut start = 0;
    while start < layers.len() {
        let alike = layers[start..].iter().take_while(|layer| layer.is_like(&layers[start]));
        let alike = alike.zip(&config.layers[start.min(config.layers.len())..]);
        // A window changes what a layer sees, not what it is built of.
        let window = config.layers.get(start).map(|layer| layer.window);
        let count = alike.take_while(|(_, layer)| Some(layer.window) == window).count().max(1);
        let group = &layers[start..start + count];
        let mut merged = in_order(config, &group[0], Some((start, count)));
        for layer in &group[1..] {
            add_types(&mut merged, layer);
        }
        all.extend(merged);
        start += count;
    }
    let mut ends = in_order(config, &after, None);
    ends.sort_by_key(|part| part.kind == Kind::Head);
    let is_tied = !ends.iter().any(|part| part.kind == Kind::Head);
    all.extend(ends);
    if is_tied {
        all.extend(tied_head(config, &all));
    }
    all
}

/// The parts of one layer with what the same of its like take and compute together.
fn in_order(config: &Config, layer: &Layer, layers: Option<(usize, usize)>) -> Vec<Part> {
    let count = layers.map_or(1, |(_, count)| count) as u64;
    let mut order: Vec<usize> = (0..layer.parts.len()).collect();
    if layers.is_some() {
        order.sort_by_key(|at| place_in_layer(config, &layer.parts[*at]));
    }
    let parts = order.into_iter().map(|at| {
        let ((kind, shapes), bytes) = (&layer.parts[at], &layer.bytes[at]);
        let values = |shape: &Shape| shape.shape.iter().product::<usize>() * shape.count;
        let parameters: usize = shapes.iter().map(values).sum();
        // Only matrices are multiplied by. Of the embedding a token takes a row.
        let is_looked_up = matches!(kind, Kind::Embedding | Kind::Positions);
        let matrices = shapes.iter().filter(|shape| shape.shape.len() == 2 && !is_looked_up);
        let multiplications: u64 = matrices.map(|shape| chosen(config, shape)).sum();
        let attended = match (kind, layers) {
            (Kind::Attention, Some((start, _))) => attended(config, start),
            _ => 0,
        };
        Part {
            kind: *kind,
            layers,
            window: match kind {
                Kind::Attention => layers.and_then(|(start, _)| config.layers.get(start)?.window),
                _ => None,
            },
            tensors: shapes.clone(),
            parameters: parameters as u64 * count,
            bytes: *bytes,
            multiplications: multiplications * count,
            multiplications_a_token_before: attended * count,
        }
    });
    parts.collect()
}

/// Norms are asked for before all else of a layer: this is where they stand in it.
fn place_in_layer(config: &Config, (kind, shapes): &(Kind, Vec<Shape>)) -> u8 {
    let names = config.naming.names(config.norm_placement);
    let module = shapes[0].name.rsplit_once('.').map_or("", |(module, _)| module);
    match kind {
        Kind::Norm if module == names.attention_norm => 0,
        Kind::Attention | Kind::Recurrence => 1,
        Kind::Norm if module == names.mlp_norm => 3,
        Kind::Norm if module == names.post_attention_norm => 2,
        Kind::Mlp => 4,
        Kind::Experts => 5,
        _ => 6,
    }
}

/// Multiplications of a token by such a matrix: of experts only by those that are chosen.
fn chosen(config: &Config, shape: &Shape) -> u64 {
    let one = shape.shape.iter().product::<usize>() as u64;
    match &config.experts {
        Some(experts) if shape.count == experts.count => one * experts.chosen as u64,
        Some(experts) if shape.count == 2 * experts.count => 2 * one * experts.chosen as u64,
        _ => one * shape.count as u64,
    }
}

/// Multiplications of a layer's attention for a token that is attended to: a score and a share of its
/// value for every head.
fn attended(config: &Config, layer: usize) -> u64 {
    let Some(layer) = config.layers.get(layer) else { return 0 };
    let head_dim = layer.own_heads.map_or(config.head_dim, |(_, head_dim)| head_dim);
    (2 * config.heads * head_dim) as u64
}

/// Types and bytes of another layer that is built alike.
fn add_types(merged: &mut [Part], layer: &Layer) {
    for ((kind, shapes), bytes) in layer.parts.iter().zip(&layer.bytes) {
        let is_it = |part: &&mut Part| part.kind == *kind && part.tensors[0].name == shapes[0].name;
        let Some(part) = merged.iter_mut().find(is_it) else { continue };
        part.bytes += bytes;
        for (mine, other) in part.tensors.iter_mut().zip(shapes) {
            for kind in &other.types {
                mine.add_type(kind);
            }
        }
    }
}

/// The embedding once more, where it is the head too: nothing that takes memory, and much that is
/// computed.
fn tied_head(config: &Config, all: &[Part]) -> Option<Part> {
    let embedding = all.iter().find(|part| part.kind == Kind::Embedding)?;
    let width = config.embedding_width.unwrap_or(config.width);
    Some(Part {
        kind: Kind::Head,
        layers: None,
        window: None,
        tensors: embedding.tensors.clone(),
        parameters: 0,
        bytes: 0,
        multiplications: (config.vocab_size * width) as u64,
        multiplications_a_token_before: 0,
    })
}

impl Machine {
    /// Multiplications by weights for a token, of all parts.
    pub fn multiplications(&self) -> u64 {
        self.parts.iter().map(|part| part.multiplications).sum()
    }

    /// The share of a part in what a token computes when `before` tokens stand before it.
    pub fn share(&self, part: &Part, before: usize) -> f64 {
        let of = |part: &Part| {
            let seen = part.window.map_or(before, |window| before.min(window.saturating_sub(1)));
            // And itself.
            part.multiplications + part.multiplications_a_token_before * (seen as u64 + 1)
        };
        let all: u64 = self.parts.iter().map(of).sum();
        of(part) as f64 / all.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn names_of_families_find_their_layer_and_their_part() {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample_data/tiny_model/config.json");
        let json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let config = crate::llm::config_from_json(&json, &path).unwrap();
        let of = |name| {
            let place = place(&config, name);
            (place.kind, place.layer)
        };
        assert_eq!(of("model.layers.3.self_attn.q_proj.weight"), (Kind::Attention, Some(3)));
        assert_eq!(of("model.layers.3.post_attention_layernorm.weight"), (Kind::Norm, Some(3)));
        assert_eq!(of("transformer.h.0.attn.c_attn.bias"), (Kind::Attention, Some(0)));
        assert_eq!(of("transformer.h.0.ln_1.weight"), (Kind::Norm, Some(0)));
        assert_eq!(of("model.layers.1.mlp.experts.4.up_proj.weight"), (Kind::Experts, Some(1)));
        assert_eq!(of("model.layers.1.mamba.in_proj.weight"), (Kind::Recurrence, Some(1)));
        assert_eq!(of("model.layers.1.linear_attn.norm.weight"), (Kind::Recurrence, Some(1)));
        assert_eq!(of("transformer.wpe.weight"), (Kind::Positions, None));
        assert_eq!(of("model.norm.weight"), (Kind::Norm, None));
        assert_eq!(of("lm_head.weight"), (Kind::Head, None));
        assert_eq!(split_layer("model.layers.12.mlp.up.weight"), (Some(12), "mlp.up.weight"));
        assert_eq!(every_expert("mlp.experts.7.up_proj.weight"), "mlp.experts.*.up_proj.weight");
    }
}

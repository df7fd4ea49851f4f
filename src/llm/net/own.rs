//! A decoder whose weights change: full fine-tuning, and a model that is born.

use std::sync::Arc;

use tuning_fork_kernels::QMatrix;

use super::feed::Feed;
use super::latent::{Latent, LatentQueries};
use super::linear::{Linear, Norm};
use super::ops::RowNorm;
use super::transformer::{Layer, Qkv, Transformer};
use crate::llm::adapter::learned::{Learned, Part};
use crate::llm::adapter::lora::HEAD;
use crate::llm::config::Config;

/// Which of a model's own weights learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    All,

    /// Biases alone (`BitFit`, Ben Zaken et al. 2022).
    Biases,
}

/// A tensor that learns, with its values.
pub(crate) type OwnTensor<'a> = (Learned, &'a mut [f32]);

impl Transformer {
    /// The same weights, of which those that learn are this decoder's alone, in f32.
    pub fn with_own(&self, own: Own) -> Self {
        let kept = |matrix: &QMatrix| match own {
            Own::All => matrix.own_floats(),
            Own::Biases => matrix.clone(),
        };
        let layers = self.layers.iter().map(|layer| {
            let mut layer = layer.as_ref().clone();
            for linear in layer.linears_mut() {
                linear.weight = kept(&linear.weight);
            }
            Arc::new(layer)
        });
        let embedding = kept(&self.embedding);
        let is_tied = self.head.is_shared_with(&self.embedding);
        let head = if is_tied { embedding.clone() } else { kept(&self.head) };
        Self {
            positions: self.positions.as_ref().map(kept),
            embedding_norm: self.embedding_norm.clone(),
            projections: self.projections.clone(),
            per_layer: self.per_layer.clone(),
            streams: self.streams.clone(),
            layers: layers.collect(),
            final_norm: self.final_norm.clone(),
            head,
            head_bias: self.head_bias.clone(),
            embedding,
        }
    }

    /// The tensors that learn, to be changed; afterwards [`Self::settle`] is to be called. A tied head
    /// is there once, as the embedding.
    pub fn own_tensors(&mut self, config: &Config, own: Own) -> Vec<OwnTensor<'_>> {
        let names = config.naming.names(config.norm_placement);
        let is_tied = self.head.is_shared_with(&self.embedding) || self.head.rows() == 0;
        if is_tied {
            self.head = nothing(self.head.cols()); // or the embedding could not be changed
        }
        let mut found = Vec::new();
        table(names.embedding, names.embedding, &mut self.embedding, &mut found);
        if let (true, Some((learned, _))) = (is_tied, found.first_mut()) {
            learned.also = Some(HEAD.to_owned());
        }
        if let Some(positions) = &mut self.positions {
            table(names.positions, names.positions, positions, &mut found);
        }
        norm(self.embedding_norm.as_mut(), &mut found);
        for layer in &mut self.layers {
            of_layer(Arc::make_mut(layer), &mut found);
        }
        norm(self.final_norm.as_mut(), &mut found);
        if !is_tied {
            table(names.head, HEAD, &mut self.head, &mut found);
        }
        if let Some(bias) = &mut self.head_bias {
            let name = format!("{}.bias", names.head);
            found.push((Learned::new(name, HEAD, Part::Bias, vec![bias.len()]), bias));
        }
        found.retain(|(learned, _)| own == Own::All || learned.part == Part::Bias);
        found
    }

    /// What is there twice becomes the same again.
    pub fn settle(&mut self) {
        if self.head.rows() == 0 {
            self.head = self.embedding.clone();
        }
        for layer in &mut self.layers {
            let Layer { attention_norm, mlp_norm, .. } = Arc::make_mut(layer);
            if let (Some(one), Some(other)) = (&attention_norm, mlp_norm)
                && one.name == other.name
            {
                other.clone_from(one);
            }
        }
    }
}

fn nothing(cols: usize) -> QMatrix {
    QMatrix::of_floats(0, cols, Vec::new()).expect("no rows are no values")
}

fn of_layer<'a>(layer: &'a mut Layer, found: &mut Vec<OwnTensor<'a>>) {
    let Layer {
        attention_norm,
        qkv,
        q_norm,
        k_norm,
        output,
        post_attention_norm,
        mlp_norm,
        feed,
        post_mlp_norm,
        ..
    } = layer;
    let is_shared =
        matches!((&attention_norm, &mlp_norm), (Some(one), Some(other)) if one.name == other.name);
    norm(attention_norm.as_mut(), found);
    match qkv {
        Qkv::Separate { q, k, v } => {
            for layer in [q, k, v] {
                linear(layer, found);
            }
        }
        Qkv::Fused { all, .. } => linear(all, found),
        Qkv::KeysAsValues { q, k } => {
            for layer in [q, k] {
                linear(layer, found);
            }
        }
        Qkv::Latent(latent) => of_latent(latent, found),
        // `Config::fixed` refuses what has these.
        Qkv::Queries(_) | Qkv::Gated { .. } | Qkv::Recurrent(_) => {}
    }
    norm(q_norm.as_mut(), found);
    norm(k_norm.as_mut(), found);
    linear(output, found);
    norm(post_attention_norm.as_mut(), found);
    if !is_shared {
        norm(mlp_norm.as_mut(), found);
    }
    if let Feed::Mlp(mlp) = feed {
        for layer in mlp.linears_mut() {
            linear(layer, found);
        }
    }
    norm(post_mlp_norm.as_mut(), found);
}

fn of_latent<'a>(latent: &'a mut Latent, found: &mut Vec<OwnTensor<'a>>) {
    let Latent { queries, kv_low, kv_norm, kv_high, .. } = latent;
    match queries {
        LatentQueries::Whole(q) => linear(q, found),
        LatentQueries::Compressed { low, norm: between, high } => {
            linear(low, found);
            norm(Some(between), found);
            linear(high, found);
        }
    }
    linear(kv_low, found);
    norm(Some(kv_norm), found);
    linear(kv_high, found);
}

fn table<'a>(name: &str, module: &str, matrix: &'a mut QMatrix, found: &mut Vec<OwnTensor<'a>>) {
    let shape = vec![matrix.rows(), matrix.cols()];
    if let Some(values) = matrix.f32_mut() {
        found.push((Learned::new(format!("{name}.weight"), module, Part::Weight, shape), values));
    }
}

fn linear<'a>(layer: &'a mut Linear, found: &mut Vec<OwnTensor<'a>>) {
    let Linear { name, weight, bias } = layer;
    table(name, name, weight, found);
    if let Some(bias) = bias {
        let learned = Learned::new(format!("{name}.bias"), name, Part::Bias, vec![bias.len()]);
        found.push((learned, bias));
    }
}

#[expect(clippy::needless_pass_by_value, reason = "its parts are handed on as they are borrowed")]
fn norm<'a>(norm: Option<&'a mut Norm>, found: &mut Vec<OwnTensor<'a>>) {
    let Some(Norm { name, row, has_bias }) = norm else { return };
    if name.is_empty() {
        return;
    }
    // transformers leaves out every `nn.LayerNorm`, whatever it is called.
    let is_layer_norm = matches!(row, RowNorm::Layer { .. });
    let head_dim = match row {
        RowNorm::LayerOfHeads { head_dim, .. } => Some(*head_dim),
        _ => None,
    };
    let learned = |part: &str, kind: Part, len: usize| {
        let shape = head_dim.map_or_else(|| vec![len], |dim| vec![len / dim, dim]);
        let learned = Learned::new(format!("{name}.{part}"), name, kind, shape);
        let decays = learned.decays && !is_layer_norm;
        Learned { decays, ..learned }
    };
    let (weight, bias) = row.own_mut();
    found.push((learned("weight", Part::Weight, weight.len()), weight));
    if *has_bias {
        found.push((learned("bias", Part::Bias, bias.len()), bias));
    }
}

//! A folder's tensors as a body and a head that learn. A head that the files lack is made, as
//! transformers makes it.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::block::{Block, Gate, Projections};
use super::body::{Body, PlaceTable, Table};
use super::cross::Cross;
use super::dropouts::Dropouts;
use super::head::{Dense, Head, Reading};
use super::layers::{Lin, RowsNorm};
use super::weights::{Id, Weights};
use crate::encoder::description::{Description, Family, FeedGate, MaskedNames, Projection};
use crate::encoder::store::{NormKind, Store};
use crate::llm;
use crate::llm::config::config_keys::Keys;

/// Tensors by the names that transformers has for them in a model with a head, whatever the file has
/// before them.
pub(crate) struct Builder<'a> {
    pub store: &'a Store,
    pub weights: Weights,

    /// `bert.`
    pub prefix: &'static str,
    pub rng: ChaCha20Rng,

    /// transformers' `initializer_range`.
    pub spread: f32,

    /// Modules that the files lack, and that begin with random numbers.
    pub made: Vec<String>,

    /// Where dropout counts the layers of the body that is built from.
    pub first_site: usize,
}

impl<'a> Builder<'a> {
    pub fn new(store: &'a Store, keys: &Keys<'_>, prefix: &'static str, seed: u64) -> Self {
        let spread = keys.get("initializer_range").and_then(serde_json::Value::as_f64);
        Self {
            store,
            weights: Weights::default(),
            prefix,
            rng: ChaCha20Rng::seed_from_u64(seed ^ 0x6865_6164),
            spread: spread.unwrap_or(0.02) as f32,
            made: Vec::new(),
            first_site: 0,
        }
    }

    /// The name of a tensor of the body as it is saved.
    fn own(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A matrix: its name in the file, and its own.
    pub(super) fn matrix(
        &mut self,
        (file, own): (&str, &str),
        shape: [usize; 2],
    ) -> Result<Id, llm::Error> {
        if let Some(id) = self.weights.find(own) {
            return Ok(id);
        }
        let matrix = self.store.matrix(file, shape[0], shape[1])?;
        Ok(self.weights.add_matrix(own, matrix))
    }

    pub(super) fn vector(
        &mut self,
        (file, own): (&str, &str),
        len: usize,
    ) -> Result<Id, llm::Error> {
        if let Some(id) = self.weights.find(own) {
            return Ok(id);
        }
        let values = self.store.values(file, len)?;
        Ok(self.weights.add(own, vec![len], values))
    }

    fn table(&mut self, name: &str, shape: [usize; 2]) -> Result<Table, llm::Error> {
        let (file, own) = (self.store.body(name), self.own(name));
        Ok((self.matrix((&file, &own), shape)?, shape[0]))
    }

    pub(super) fn lin_named(
        &mut self,
        (file, own): (&str, &str),
        [outputs, inputs]: [usize; 2],
        has_bias: bool,
    ) -> Result<Lin, llm::Error> {
        let part = |name: &str, part: &str| format!("{name}.{part}");
        let weight = (part(file, "weight"), part(own, "weight"));
        let weight = self.matrix((&weight.0, &weight.1), [outputs, inputs])?;
        let bias = (part(file, "bias"), part(own, "bias"));
        let bias = has_bias.then(|| self.vector((&bias.0, &bias.1), outputs)).transpose()?;
        Ok(Lin { module: own.to_owned(), weight, bias, inputs, outputs, lora: None })
    }

    fn lin(&mut self, name: &str, shape: [usize; 2], has_bias: bool) -> Result<Lin, llm::Error> {
        let (file, own) = (self.store.body(name), self.own(name));
        self.lin_named((&file, &own), shape, has_bias)
    }

    fn norm_named(
        &mut self,
        (file, own): (&str, &str),
        width: usize,
        (eps, kind): (f64, NormKind),
    ) -> Result<RowsNorm, llm::Error> {
        let is_older = !self.store.has(&format!("{file}.weight")) && self.store.has_norm(file);
        let [weight, bias] = if is_older { ["gamma", "beta"] } else { ["weight", "bias"] };
        let names = (format!("{file}.{weight}"), format!("{own}.weight"));
        let weight = self.vector((&names.0, &names.1), width)?;
        self.weights.mark_norm(weight);
        let (is_rms, has_bias) = match kind {
            NormKind::Rms => (true, false),
            NormKind::Layer { has_bias } => (false, has_bias),
        };
        let names = (format!("{file}.{bias}"), format!("{own}.bias"));
        let bias = has_bias.then(|| self.vector((&names.0, &names.1), width)).transpose()?;
        Ok(RowsNorm { weight, bias, eps: eps as f32, is_rms })
    }

    fn norm(&mut self, name: &str, width: usize, it: &Description) -> Result<RowsNorm, llm::Error> {
        let (file, own) = (self.store.body(name), self.own(name));
        self.norm_named((&file, &own), width, (it.eps, it.norm))
    }

    /// A layer that the files lack: normal numbers, no bias.
    fn make_lin(&mut self, own: &str, [outputs, inputs]: [usize; 2], has_bias: bool) -> Lin {
        self.made.push(own.to_owned());
        let values = (0..outputs * inputs).map(|_| self.normal() * self.spread).collect();
        let weight = self.weights.add(&format!("{own}.weight"), vec![outputs, inputs], values);
        let bias = has_bias
            .then(|| self.weights.add(&format!("{own}.bias"), vec![outputs], vec![0.0; outputs]));
        Lin { module: own.to_owned(), weight, bias, inputs, outputs, lora: None }
    }

    /// Box and Muller.
    pub fn normal(&mut self) -> f32 {
        let (radius, angle) = (1.0 - self.unit(), std::f32::consts::TAU * self.unit());
        (-2.0 * radius.ln()).sqrt() * angle.cos()
    }

    /// 24 bits, [0, 1)
    pub fn unit(&mut self) -> f32 {
        (self.rng.next_u32() >> 8) as f32 / (1 << 24) as f32
    }

    pub fn body(&mut self, it: &Description, keys: &Keys<'_>) -> Result<Body, llm::Error> {
        let words = self.table(it.words, [it.vocabulary, it.embedding_width])?;
        let positions = it.positions.map(|learned| {
            Ok::<_, llm::Error>((
                self.table(learned.name, [learned.rows, it.embedding_width])?,
                learned.first,
            ))
        });
        let positions = positions.transpose()?;
        let kinds = it
            .kinds
            .map(|(name, rows)| self.table(name, [rows, it.embedding_width]))
            .transpose()?;
        let projection = it.projection.map(|Projection { name, has_bias, .. }| {
            self.lin(name, [it.width, it.embedding_width], has_bias)
        });
        let projection = projection.transpose()?;
        let projects_first = it.projection.is_some_and(|projection| projection.is_before_norm);
        let norm_width = if projects_first { it.width } else { it.embedding_width };
        let norm = it.embedding_norm.map(|name| self.norm(name, norm_width, it)).transpose()?;
        let blocks = (0..it.paths.len()).map(|index| self.block(it, index));
        let blocks = blocks.collect::<Result<Vec<Block>, llm::Error>>()?;
        let final_norm = it.final_norm.map(|name| self.norm(name, it.width, it)).transpose()?;
        let distances = it.distances.map(|names| {
            let (id, _) = self.table(names.name, [names.rows, it.heads])?;
            Ok::<_, llm::Error>((id, names.buckets, names.farthest))
        });
        let distances = distances.transpose()?;
        let places = it.places.map(|names| {
            let table = self.table(names.name, [2 * names.span, it.width])?;
            let norm = names.norm.map(|norm| self.norm(norm, it.width, it)).transpose()?;
            Ok::<_, llm::Error>(PlaceTable { table, norm, names })
        });
        let padding = keys.get("pad_token_id").and_then(serde_json::Value::as_u64);
        let padding = match keys.text("model_type").unwrap_or_default() {
            "bart" | "mpnet" | "roberta" | "xlm-roberta" | "camembert" => {
                Some(padding.unwrap_or(1) as u32)
            }
            "modernbert" => Some(padding.unwrap_or(50_283) as u32),
            // transformers' embedding of T5 knows no padding.
            "t5" | "mt5" => None,
            _ => Some(padding.unwrap_or(0) as u32),
        };
        Ok(Body {
            words,
            word_scale: it.word_scale,
            positions,
            kinds,
            norm,
            projection,
            projects_first,
            blocks,
            final_norm,
            order: it.order,
            heads: it.heads,
            head_dim: it.head_dim,
            scale: it.scale as f32,
            width: it.width,
            embedding_width: it.embedding_width,
            distances,
            places: places.transpose()?,
            padding,
            dropouts: Dropouts::read(keys),
            is_causal: it.cross.is_some(),
            first_site: self.first_site,
        })
    }

    fn block(&mut self, it: &Description, index: usize) -> Result<Block, llm::Error> {
        let path = it.paths[index].clone();
        let name = |part: &str| format!("{path}.{part}");
        let (names, attended) = (it.layer, it.heads * it.head_dim);
        let bias = it.has_attention_bias;
        let into = [attended, it.width];
        let qkv = match names.fused {
            Some(fused) => {
                Projections::Fused(self.lin(&name(fused), [3 * attended, it.width], bias)?)
            }
            None => Projections::Apart(Box::new([
                self.lin(&name(names.query), into, bias)?,
                self.lin(&name(names.key), into, bias)?,
                self.lin(&name(names.value), into, bias)?,
            ])),
        };
        let o = self.lin(&name(names.out), [it.width, attended], bias)?;
        let has_norm = index > 0 || !names.first_has_no_norm;
        let attention_norm =
            has_norm.then(|| self.norm(&name(names.attention_norm), it.width, it)).transpose()?;
        let (inner, bias) = ([it.inner, it.width], it.has_feed_bias);
        let (first, gate) = match names.feed_gate {
            FeedGate::None => (self.lin(&name(names.feed), inner, bias)?, Gate::None),
            FeedGate::Own(gate) => {
                let first = self.lin(&name(names.feed), inner, bias)?;
                (first, Gate::Own(self.lin(&name(gate), inner, bias)?))
            }
            FeedGate::Fused => {
                (self.lin(&name(names.feed), [2 * it.inner, it.width], bias)?, Gate::Fused)
            }
        };
        let last = self.lin(&name(names.feed_out), [it.width, it.inner], bias)?;
        let feed_norm = Some(self.norm(&name(names.feed_norm), it.width, it)?);
        let own_places = match it.places.and_then(|places| Some((places.own?, places))) {
            None => [None, None],
            Some(([key, query], places)) => {
                let mut load = |part: &str, wanted: bool| {
                    wanted.then(|| self.lin(&name(part), into, true)).transpose()
                };
                [load(key, places.is_for_queries)?, load(query, places.is_for_keys)?]
            }
        };
        let cross = it.cross.map(|names| {
            let (bias, back) = (it.has_attention_bias, [it.width, attended]);
            Ok::<_, llm::Error>(Cross {
                index: self.first_site + index,
                q: self.lin(&name(names.query), into, bias)?,
                k: self.lin(&name(names.key), into, bias)?,
                v: self.lin(&name(names.value), into, bias)?,
                o: self.lin(&name(names.out), back, bias)?,
                norm: self.norm(&name(names.norm), it.width, it)?,
            })
        });
        let cross = cross.transpose()?;
        Ok(Block {
            index: self.first_site + index,
            qkv,
            o,
            attention_norm,
            cross,
            first,
            gate,
            last,
            feed_norm,
            activation: it.activation,
            window: it.windows.get(index).copied().flatten(),
            turn: it.turns.get(index).copied(),
            own_places,
        })
    }

    /// The head over texts, for so many labels; what the files lack is made.
    pub fn sequence_head(
        &mut self,
        family: &Family,
        labels: usize,
        dropouts: Dropouts,
    ) -> Result<Head, llm::Error> {
        let (it, names) = (&family.body, family.sequence);
        let dense = names.dense.map(|dense| {
            let (file, own) = if dense.is_of_body {
                (self.store.body(dense.name), self.own(dense.name))
            } else {
                (dense.name.to_owned(), dense.name.to_owned())
            };
            let is_there = self.store.has(&format!("{file}.weight"));
            let shape = [it.width; 2];
            let layer = if is_there {
                self.lin_named((&file, &own), shape, dense.has_bias)?
            } else {
                self.make_lin(&own, shape, dense.has_bias)
            };
            let norm = dense.norm.map(|norm| {
                if self.store.has_norm(norm) {
                    return self.norm_named((norm, norm), it.width, (it.eps, it.norm));
                }
                Ok(self.make_norm(norm, it))
            });
            let norm = norm.transpose()?;
            Ok::<_, llm::Error>(Dense { layer, activation: dense.activation, norm })
        });
        let dense = dense.transpose()?;
        let has_out = self.store.row_count(&format!("{}.weight", names.out)) == Some(labels);
        let shape = [labels, it.width];
        let out = if has_out {
            self.lin_named((names.out, names.out), shape, names.has_out_bias)?
        } else {
            self.make_lin(names.out, shape, names.has_out_bias)
        };
        Ok(Head { reads: Reading::OfTexts(names.reads), dense, out, dropouts })
    }

    fn make_norm(&mut self, name: &str, it: &Description) -> RowsNorm {
        self.made.push(name.to_owned());
        let has_bias = it.norm == NormKind::Layer { has_bias: true };
        let weight =
            self.weights.add(&format!("{name}.weight"), vec![it.width], vec![1.0; it.width]);
        self.weights.mark_norm(weight);
        let bias = has_bias.then(|| {
            self.weights.add(&format!("{name}.bias"), vec![it.width], vec![0.0; it.width])
        });
        RowsNorm { weight, bias, eps: it.eps as f32, is_rms: it.norm == NormKind::Rms }
    }

    /// The head that guesses words. `None`: the files have none.
    pub fn masked_head(
        &mut self,
        family: &Family,
        (words, is_tied): (Id, bool),
        dropouts: Dropouts,
    ) -> Result<Option<Head>, llm::Error> {
        let it = &family.body;
        let is_there = |names: &&MaskedNames| {
            self.store.has(&format!("{}.weight", names.dense))
                && self.store.has_norm(names.norm)
                && (is_tied || names.is_always_tied || self.store.has(names.decoder))
        };
        let Some(names) = family.masked.iter().find(is_there).copied() else { return Ok(None) };
        let layer = self.lin_named(
            (names.dense, names.dense),
            [it.embedding_width, it.width],
            names.has_dense_bias,
        )?;
        let kind = match it.norm {
            NormKind::Rms => NormKind::Layer { has_bias: true },
            layer @ NormKind::Layer { .. } => layer,
        };
        let norm =
            self.norm_named((names.norm, names.norm), it.embedding_width, (names.eps, kind))?;
        let shape = [it.vocabulary, it.embedding_width];
        let weight = if names.is_always_tied || !self.store.has(names.decoder) {
            words
        } else {
            let own = self.matrix((names.decoder, names.decoder), shape)?;
            // transformers ties by what it finds: a pair of one value is one.
            let is_one = is_tied && self.weights.values(own) == self.weights.values(words);
            if is_one { self.weights.forget_last(own, words) } else { own }
        };
        let bias = match names.biases.iter().find(|name| self.store.has(name)) {
            // Tied like the matrix, and then saved under the last of its names.
            Some(found) => {
                let own = names.biases.last().filter(|_| is_tied).unwrap_or(found);
                Some(self.vector((found, own), it.vocabulary)?)
            }
            None => None,
        };
        let [outputs, inputs] = shape;
        let module = names.decoder.trim_end_matches(".weight").to_owned();
        let out = Lin { module, weight, bias, inputs, outputs, lora: None };
        let dense = Some(Dense { layer, activation: names.activation, norm: Some(norm) });
        Ok(Some(Head { reads: Reading::Tokens, dense, out, dropouts }))
    }
}

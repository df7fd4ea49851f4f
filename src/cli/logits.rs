//! `tuning-fork logits`: hidden states and logits of given token ids, as a safetensors file.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};

use super::load::{ModelArgs, Precision};
use super::out;
use super::progress::Bar;
use super::rows::{self, TableArgs};
use super::tensor_file::TensorFile;
use crate::data::forms::Fields;
use crate::data::forms::value::{given, kind_of};
use crate::encoder::{EncoderModel, ScoreHead, Scores, Tokens, adapted_scores, is_encoder_model};
use crate::hub::resolve;
use crate::llm::{Adapter, Model, Positions};
use crate::seq2seq::{Seq2Seq, is_pair_model};
use crate::words::counted;

#[derive(Debug, Args)]
pub struct LogitsArgs {
    /// A model of any kind: its folder, a .gguf file, or a Hub id that is in the cache
    #[arg(long)]
    model: String,

    /// An adapter to lay over the model: a PEFT folder, of a decoder also a LoRA as .gguf, or a Hub id in the
    /// cache
    #[arg(long)]
    adapter: Option<String>,

    /// A table (JSON Lines, …) whose rows have "ids", and where they apply `attention_mask`,
    /// `token_type_ids` and `decoder_ids`
    #[arg(long)]
    input: PathBuf,

    /// Where the tensors go: `hidden.LAYER.ROW` (of an encoder-decoder `encoder.hidden…` and
    /// `decoder.hidden…`) and `logits.ROW`
    #[arg(long)]
    output: PathBuf,

    /// Of an encoder-decoder also what the last layer of the decoder looked at:
    /// `cross_attention.ROW`
    #[arg(long)]
    cross_attention: bool,

    /// Print a summary as JSON
    #[arg(long)]
    json: bool,
}

/// A row of the input.
pub struct Row {
    pub ids: Vec<u32>,
    pub visible: Option<Vec<bool>>,
    pub kinds: Option<Vec<u32>>,
    pub decoder_ids: Option<Vec<u32>>,
}

/// Tensors by their names: shape and values.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

pub fn run(args: &LogitsArgs) -> anyhow::Result<()> {
    let rows = read(&args.input)?;
    let folder = resolve::resolve_model(&args.model)?;
    let mut tensors = Tensors::new();
    if is_encoder_model(&folder) {
        of_encoder(args, &folder, &rows, &mut tensors)?;
    } else if is_pair_model(&folder) {
        of_pair(args, &folder, &rows, &mut tensors)?;
    } else {
        of_decoder(args, &folder, &rows, &mut tensors)?;
    }
    let shapes: Vec<(String, Vec<usize>)> =
        tensors.iter().map(|(name, (shape, _))| (name.clone(), shape.clone())).collect();
    let mut file = TensorFile::create(&args.output, &shapes)?;
    for (_, values) in tensors.values() {
        file.append(values)?;
    }
    file.finish()?;
    if args.json {
        return out::json(&json!({
            "rows": rows.len(),
            "tensors": shapes.len(),
            "output": args.output,
        }));
    }
    let (rows, tensors) =
        (counted(rows.len(), "row", "rows"), counted(shapes.len(), "tensor", "tensors"));
    out::note(&format!("{rows}, {tensors}: {}", args.output.display()));
    Ok(())
}

fn of_encoder(
    args: &LogitsArgs,
    folder: &Path,
    rows: &[Row],
    tensors: &mut Tensors,
) -> anyhow::Result<()> {
    let adapter = args.adapter.as_deref().map(resolve::resolve_adapter).transpose()?;
    let model = EncoderModel::open(folder, adapter.as_deref())?;
    if let Some(sentence) = model.missing_head() {
        out::note(&format!("warning: {sentence}"));
    }
    for (number, row) in rows.iter().enumerate() {
        let text =
            Tokens { ids: &row.ids, kinds: row.kinds.as_deref(), visible: row.visible.as_deref() };
        let count = row.ids.len();
        let mut states: Vec<Vec<f32>> = Vec::new();
        let scores = model.look(text, &mut |_, layer| states.push(layer.to_vec()))?;
        for (layer, states) in states.into_iter().enumerate() {
            let shape = vec![count, model.width()];
            tensors.insert(format!("hidden.{layer}.{number}"), (shape, states));
        }
        let scores = match scores {
            Scores::Words(scores) => (vec![count, model.vocabulary()], scores),
            Scores::Labels(scores) => (vec![scores.len()], scores),
            Scores::Nothing => continue,
        };
        tensors.insert(format!("logits.{number}"), scores);
    }
    Ok(())
}

fn of_pair(
    args: &LogitsArgs,
    folder: &Path,
    rows: &[Row],
    tensors: &mut Tensors,
) -> anyhow::Result<()> {
    let mut model = Seq2Seq::load_without_tokenizer(folder)?;
    if let Some(adapter) = args.adapter.as_deref().map(resolve::resolve_adapter).transpose()? {
        (model, _) = model.laid_over(&adapter)?;
    }
    for (number, row) in rows.iter().enumerate() {
        let text = Tokens { ids: &row.ids, kinds: None, visible: row.visible.as_deref() };
        let mut keep = |side: &str, layers: Vec<Vec<f32>>| {
            for (layer, states) in layers.into_iter().enumerate() {
                let shape = vec![states.len() / model.width(), model.width()];
                tensors.insert(format!("{side}.hidden.{layer}.{number}"), (shape, states));
            }
        };
        let mut layers = Vec::new();
        let memory = model.read(text, &mut |states| layers.push(states.to_vec()))?;
        keep("encoder", layers);
        let start = [model.start()];
        let ids = row.decoder_ids.as_deref().unwrap_or(&start);
        let mut layers = Vec::new();
        let last = model.layers()[1].saturating_sub(1);
        let kept = if args.cross_attention { last..last + 1 } else { 0..0 };
        let watch = &mut |states: &[f32]| layers.push(states.to_vec());
        let pass = model.follow(&memory, ids, kept, watch)?;
        keep("decoder", layers);
        let shape = vec![ids.len(), model.vocabulary()];
        tensors.insert(format!("logits.{number}"), (shape, pass.logits));
        if let Some(weights) = pass.cross_attention.into_iter().next() {
            let shape = vec![model.heads(), ids.len(), row.ids.len()];
            tensors.insert(format!("cross_attention.{number}"), (shape, weights));
        }
    }
    Ok(())
}

fn of_decoder(
    args: &LogitsArgs,
    folder: &Path,
    rows: &[Row],
    tensors: &mut Tensors,
) -> anyhow::Result<()> {
    let weights = Precision::AsStored;
    let named = ModelArgs { model: args.model.clone(), adapter: args.adapter.clone(), weights };
    let (model, adapter) = named.load_any()?;
    let head = if folder.is_dir() { ScoreHead::load(folder, &model)? } else { None };
    for (number, row) in rows.iter().enumerate() {
        if row.decoder_ids.is_some() {
            bail!("row {}: a decoder alone has no \"decoder_ids\"", number + 1);
        }
        one_of_decoder((&model, adapter.as_ref()), head.as_ref(), (number, row), tensors)?;
    }
    Ok(())
}

fn one_of_decoder(
    (model, adapter): (&Model, Option<&Adapter>),
    head: Option<&ScoreHead>,
    (number, row): (usize, &Row),
    tensors: &mut Tensors,
) -> anyhow::Result<()> {
    let config = model.config();
    let (width, vocabulary, count) = (config.width, config.vocab_size, row.ids.len());
    // What is hidden is left out; its rows are zeros.
    let is_seen = |at: &usize| row.visible.as_ref().is_none_or(|visible| visible[*at]);
    let places: Vec<usize> = (0..count).filter(is_seen).collect();
    let ids: Vec<u32> = places.iter().map(|place| row.ids[*place]).collect();
    let spread = |values: &[f32], width: usize| {
        let mut all = vec![0.0; count * width];
        for (place, values) in places.iter().zip(values.chunks_exact(width)) {
            all[place * width..(place + 1) * width].copy_from_slice(values);
        }
        all
    };
    let mut states: Vec<Vec<f32>> = Vec::new();
    model.watch(&ids, &mut model.new_cache(), adapter, &mut |_, layer| {
        states.push(spread(layer, width));
        ControlFlow::Continue(())
    })?;
    let scores = if config.both_ways {
        None // it says nothing of what comes next
    } else if let Some(adapter) = adapter.filter(|adapter| adapter.score_head().is_some()) {
        let scores = adapted_scores(model, adapter, &ids)?;
        Some((vec![scores.len()], scores))
    } else if let Some(head) = head {
        let at = head.position(&row.ids);
        let last = states.last().map(|states| &states[at * width..(at + 1) * width]);
        let scores = head.run(last.unwrap_or_default())?;
        Some((vec![scores.len()], scores))
    } else {
        let scores = model.logits(&ids, &mut model.new_cache(), adapter, Positions::All)?;
        let scores = scores.flatten_all()?.to_vec1::<f32>()?;
        Some((vec![count, vocabulary], spread(&scores, vocabulary)))
    };
    for (layer, states) in states.into_iter().enumerate() {
        tensors.insert(format!("hidden.{layer}.{number}"), (vec![count, width], states));
    }
    tensors.extend(scores.map(|scores| (format!("logits.{number}"), scores)));
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<Row>> {
    let bar = Bar::new();
    let rows::Read { report, rows, .. } = rows::read(path, &TableArgs::default())?;
    bar.clear();
    let rows = rows.into_iter().map(|(place, fields)| {
        row(&fields).map_err(|(key, problem)| report.error(place, Some(key), problem).into())
    });
    let rows = rows.collect::<anyhow::Result<Vec<Row>>>()?;
    if rows.is_empty() {
        bail!("{} has no rows", path.display());
    }
    Ok(rows)
}

fn row(fields: &Fields) -> Result<Row, (&'static str, String)> {
    let list = |key: &'static str| -> Result<Option<Vec<u32>>, (&'static str, String)> {
        let Some(value) = given(fields, key) else { return Ok(None) };
        let all = value.as_array().ok_or_else(|| {
            (
                key,
                format!("\"{key}\" must be a list of whole numbers, and it is {}", kind_of(value)),
            )
        })?;
        let number = |value: &Value| {
            value.as_u64().and_then(|number| u32::try_from(number).ok()).ok_or_else(|| {
                (key, format!("\"{key}\" must be whole numbers from 0, and one of them is {value}"))
            })
        };
        Ok(Some(all.iter().map(number).collect::<Result<_, _>>()?))
    };
    let Some(ids) = list("ids")?.filter(|ids| !ids.is_empty()) else {
        return Err(("ids", "it has no \"ids\"".to_owned()));
    };
    let visible = list("attention_mask")?;
    if let Some(mask) = visible.as_ref().filter(|mask| mask.len() != ids.len()) {
        let problem =
            format!("there are {} ids and {} numbers in this mask", ids.len(), mask.len());
        return Err(("attention_mask", problem));
    }
    Ok(Row {
        visible: visible.map(|mask| mask.into_iter().map(|seen| seen != 0).collect()),
        kinds: list("token_type_ids")?,
        decoder_ids: list("decoder_ids")?,
        ids,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(name: &str) -> String {
        format!("{}/tests/reference/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    fn labels(model: &str, adapter: Option<&str>) -> Vec<f32> {
        let args = LogitsArgs {
            model: reference(model),
            adapter: adapter.map(reference),
            input: PathBuf::new(),
            output: PathBuf::new(),
            cross_attention: false,
            json: false,
        };
        let ids = vec![5, 17, 40, 22, 9, 31];
        let row = Row { ids, visible: None, kinds: None, decoder_ids: None };
        let (folder, mut tensors) = (PathBuf::from(&args.model), Tensors::new());
        if is_encoder_model(&folder) {
            of_encoder(&args, &folder, &[row], &mut tensors).unwrap();
        } else {
            of_decoder(&args, &folder, &[row], &mut tensors).unwrap();
        }
        tensors["logits.0"].1.clone()
    }

    /// The numbers are those of transformers and PEFT; of the encoder see `make_encoder_adapters.py`.
    #[test]
    fn the_head_that_an_adapter_brings_gives_the_labels() {
        let decoder = "encoders/cls_llama";
        let trained = Some("encoders/train_score_lora/adapter_final");
        let with = labels(decoder, trained);
        for (found, expected) in [
            (labels(decoder, None), [0.1728, 0.2404, 0.1537]),
            (with, [0.2034, 0.5482, 0.3015]),
            (
                labels("encoders/cls_bert_nli", Some("encoder_adapters/dora_bert")),
                [-1.1635, 0.8191, 0.6907],
            ),
        ] {
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 2e-4, "{found} is not {expected}");
            }
        }
    }
}

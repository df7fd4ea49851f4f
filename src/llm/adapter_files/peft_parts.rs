//! What a module's tensors are, held against the configuration and the model.

use std::path::Path;

use candle_core::{Tensor, Var};
use tuning_fork_kernels::QMatrix;

use super::peft_folder::CONFIG;
use super::peft_tensors::Found;
use crate::llm::adapter::lora::{Dora, HEAD, LoraPair};
use crate::llm::adapter::peft_config::PeftConfig;
use crate::llm::adapter::spec::{Bias, LinearInfo, scale};
use crate::llm::error::Error;
use crate::llm::model::Model;
use crate::llm::net::linear::Linear;
use crate::llm::net::ops::with_f32;
use crate::llm::net::rows::add_scaled;

/// A whole table, which must be as large as the model's.
pub(super) fn table(
    found: &Found,
    whole: &Tensor,
    [rows, cols]: [usize; 2],
    path: &Path,
) -> Result<QMatrix, Error> {
    let Found { written, a, b, .. } = found;
    if a.is_some() || b.is_some() {
        let problem = format!("{written} is there whole and as LoRA");
        return Err(Error::adapter(path, problem));
    }
    if whole.dims() != [rows, cols] {
        let problem = format!(
            "{written}, which is saved whole beside it, has the shape {:?}, and the model's is {:?}: the \
             model's vocabulary was resized for it; merge it in PEFT (merge_and_unload)",
            whole.dims(),
            [rows, cols]
        );
        return Err(Error::adapter(path, problem));
    }
    let matrix = with_f32(whole, |values| Ok(QMatrix::of_floats(rows, cols, values.to_vec())))?;
    matrix.map_err(|err| Error::adapter(path, format!("{written} is damaged: {err}")))
}

/// The model's own table with the vectors of the tokens that were trained (`trainable_token_indices`). As
/// PEFT, which writes what they became, and not by how much they changed.
pub(super) fn with_rows(
    model: &Model,
    module: &str,
    rows: &Tensor,
    config: &PeftConfig,
    path: &Path,
) -> Result<QMatrix, Error> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let is_embedding = module == model.config().embedding_module();
    let ids = config.token_indices.iter().find(|(table, _)| match table {
        None => is_embedding,
        Some(table) => last(table) == last(module),
    });
    let Some((_, ids)) = ids else {
        let problem =
            format!("it has vectors of single tokens of {module}, and {CONFIG} names none");
        return Err(Error::adapter(path, problem));
    };
    let transformer = model.transformer()?;
    let own = if module == HEAD { &transformer.head } else { &transformer.embedding };
    let (count, width) = (own.rows(), own.cols());
    if rows.dims() != [ids.len(), width] {
        let problem = format!(
            "the trained tokens of {module} have the shape {:?}; {:?} was expected, a vector for each of \
             trainable_token_indices",
            rows.dims(),
            [ids.len(), width]
        );
        return Err(Error::adapter(path, problem));
    }
    if let Some(id) = ids.iter().find(|id| **id as usize >= count) {
        let problem = format!(
            "it trained token {id}, and the model has {count}: tokens were added to the model before; open \
             the model that was made so (after resize_token_embeddings and save_pretrained)"
        );
        return Err(Error::adapter(path, problem));
    }
    let mut values = own.dequantize();
    let put = with_f32(rows, |rows| {
        for (id, row) in ids.iter().zip(rows.chunks_exact(width)) {
            values[*id as usize * width..][..width].copy_from_slice(row);
        }
        Ok(QMatrix::of_floats(count, width, std::mem::take(&mut values)))
    })?;
    put.map_err(|err| Error::adapter(path, format!("{module} is damaged: {err}")))
}

/// A score head: as many rows as it has labels.
pub(super) fn score_weight(found: &Found, width: usize, path: &Path) -> Result<Var, Error> {
    let whole = found.whole.as_ref().filter(|_| found.a.is_none() && found.b.is_none());
    let Some(whole) = whole else {
        let problem = "its score head is changed by LoRA; a head that is saved whole \
                       (modules_to_save) was expected";
        return Err(Error::adapter(path, problem));
    };
    match *whole.dims() {
        [labels, inputs] if labels > 0 && inputs == width => Ok(Var::from_tensor(whole)?),
        ref shape => {
            let problem = format!(
                "its score.weight has the shape {shape:?}, and a row of {width} numbers for each label was \
                 expected: it belongs to another model"
            );
            Err(Error::adapter(path, problem))
        }
    }
}

/// Fails where the weight that PEFT wrote beside LoRA is not the model's: the adapter is another model's.
pub(super) fn check_untouched(
    model: &Model,
    module: &str,
    untouched: &Tensor,
    path: &Path,
) -> Result<(), Error> {
    let transformer = model.transformer()?;
    let own = match module {
        HEAD => &transformer.head,
        _ if module == model.config().embedding_module() => &transformer.embedding,
        _ => return Ok(()),
    };
    let is_same = untouched.dims() == [own.rows(), own.cols()]
        && with_f32(untouched, |values| {
            let own = own.dequantize();
            // Saved in 16 bits or packed, a weight is near what it was.
            let near = |(one, other): (&f32, &f32)| (one - other).abs() <= 0.02 + 0.1 * other.abs();
            let near = values.iter().zip(&own).filter(|pair| near(*pair)).count();
            Ok(near * 100 >= 99 * own.len())
        })?;
    if is_same {
        return Ok(());
    }
    let problem = format!(
        "it brings {module} of the model that it was trained on, and that is not this model's: load that \
         model"
    );
    Err(Error::adapter(path, problem))
}

/// A trained bias, in place of a layer's.
pub(super) fn own_bias(
    bias: &Tensor,
    model: &Model,
    module: &str,
    config: Bias,
    path: &Path,
) -> Result<Var, Error> {
    if config == Bias::None {
        let problem = format!("{module} has a trained bias, and {CONFIG} says bias = none");
        return Err(Error::adapter(path, problem));
    }
    let layer = model.transformer()?.linears().find(|layer| layer.name == module);
    let own = layer.and_then(|layer| layer.bias.as_ref());
    if own.is_none_or(|own| bias.dims() != [own.len()]) {
        let problem = format!(
            "{module} has a trained bias of the shape {:?}, and the model's layer {}",
            bias.dims(),
            own.map_or_else(|| "has no bias".to_owned(), |own| format!("has [{}]", own.len()))
        );
        return Err(Error::adapter(path, problem));
    }
    Ok(Var::from_tensor(&bias.contiguous()?)?)
}

/// A module's pair, checked against the configuration and, where the model has it, the layer.
/// `theirs` is PEFT's path of it.
pub(super) fn pair(
    found: &Found,
    config: &PeftConfig,
    theirs: &str,
    layer: Option<&LinearInfo>,
    path: &Path,
) -> Result<LoraPair, Error> {
    let Found { written, magnitude, .. } = found;
    let (a, b) = found.both(path)?;
    let (rank, alpha) = config.rank_and_alpha(theirs);
    let inputs = layer.map_or_else(|| a.dims().last().copied().unwrap_or(0), |layer| layer.inputs);
    let outputs =
        layer.map_or_else(|| b.dims().first().copied().unwrap_or(0), |layer| layer.outputs);
    let expected = ([rank, inputs], [outputs, rank]);
    if a.dims() != expected.0 || b.dims() != expected.1 {
        return Err(found.of_another_shape((a, b), expected, path));
    }
    let scale = scale(alpha, rank, config.use_rslora);
    let (a, b) = (Var::from_tensor(&a.contiguous()?)?, Var::from_tensor(&b.contiguous()?)?);
    let mut pair = LoraPair::plain(a, b, scale);
    pair.dora = match (config.use_dora, magnitude) {
        (false, None) => None,
        (true, Some(magnitude)) if magnitude.elem_count() == outputs => {
            let magnitude = Var::from_tensor(&magnitude.flatten_all()?)?;
            Some(Dora { magnitude, lengths: Vec::new(), factors: Vec::new() })
        }
        (use_dora, magnitude) => {
            let found = match magnitude {
                None => "no lora_magnitude_vector".to_owned(),
                Some(tensor) => format!("a lora_magnitude_vector {:?}", tensor.dims()),
            };
            let problem = format!("use_dora = {use_dora}, and {written} has {found}");
            return Err(Error::adapter(path, problem));
        }
    };
    Ok(pair)
}

/// A layer's bias with that of B, which counts as much as B does. `trained`: the layer's own, where the
/// adapter has one in its place.
pub(super) fn with_bias_of_b(
    shift: &Tensor,
    scale: f64,
    linear: &Linear,
    trained: Option<&Var>,
    path: &Path,
) -> Result<Vec<f32>, Error> {
    let outputs = linear.weight.rows();
    if shift.dims() != [outputs] {
        let problem = format!(
            "{} has a lora_B.bias of the shape {:?}, and [{outputs}] was expected",
            linear.name,
            shift.dims()
        );
        return Err(Error::adapter(path, problem));
    }
    let mut bias = match (trained, &linear.bias) {
        (Some(trained), _) => with_f32(trained.as_tensor(), |bias| Ok(bias.to_vec()))?,
        (None, Some(bias)) => bias.clone(),
        (None, None) => vec![0.0; outputs],
    };
    with_f32(shift, |shift| {
        add_scaled(&mut bias, scale as f32, shift);
        Ok(())
    })?;
    Ok(bias)
}

//! Tensors of transformers that a GGUF file holds in another form: experts all in one, rows or heads in
//! another order, two tensors for one, numbers that the converter worked out.

use tuning_fork_kernels::{Bytes, GgmlType};

use super::gguf::GgufFile;
use super::gguf_names::EXPERT_CORRECTION;
use super::gguf_stored::{as_stored, missing};
use super::raw_tensor::RawTensor;
use crate::llm::error::Error;

/// The tensor that transformers calls `part` in a layer. `whole`: with its bytes in transformers'
/// order, not only its type and shape. `Ok(None)`: no GGUF file has anything of the kind.
pub(super) fn find(
    file: &GgufFile,
    layer: &str,
    part: &str,
    whole: bool,
) -> Result<Option<RawTensor>, Error> {
    let made = Made { file, layer, whole };
    if let Some(of_expert) = part.split_once("experts.").and_then(|(_, rest)| expert(rest)) {
        let (index, part) = of_expert;
        return made.expert(index, part).map(Some);
    }
    let found = match part {
        "mlp.experts.gate_up_proj_bias" => made.both_biases(),
        "mlp.experts.down_proj_bias" => made.stored("ffn_down_exps.bias"),
        // Falcon-H1, whose files have it without an ending.
        "pre_ff_layernorm.weight" => made.first_of(&["ffn_norm.weight", "ffn_norm"]),
        "router.scale" => made.stored("ffn_gate_inp.scale"),
        "router.per_expert_scale" => made.stored("ffn_down_exps.scale"),
        "layer_scalar" => made.stored("layer_output_scale.weight"),
        "altup.correct_output_scale" => made.stored("altup_correct_scale.weight"),
        "self_attn.sinks" => made.stored("attn_sinks.weight"),
        "feed_forward.expert_bias" | "mlp.gate.e_score_correction_bias" => {
            made.first_of(&EXPERT_CORRECTION)
        }
        "mlp.moe_statics.e_score_correction_bias" => made.first_of(&EXPERT_CORRECTION).map(one_row),
        "mlp.shared_expert_gate.weight" => made.one_row("ffn_gate_inp_shexp.weight"),
        "shared_mlp.input_linear.weight" => made.gate_and_up(),
        "shared_mlp.output_linear.weight" => {
            made.first_of(&["ffn_down_shexp.weight", "ffn_down.weight"])
        }
        "attention.query_key_value.weight" | "self_attention.query_key_value.weight" => {
            made.by_key_head("attn_qkv.weight")
        }
        "attention.query_key_value.bias" | "self_attention.query_key_value.bias" => {
            made.by_key_head("attn_qkv.bias")
        }
        "self_attn.kv_b_proj.weight" => made.keys_and_values(),
        "mamba.A_log" => made.log_of_decay(),
        "mamba.dt_bias" => made.stored("ssm_dt.bias"),
        "mamba.D" => made.flat("ssm_d"),
        "mamba.norm.weight" => made.flat("ssm_norm.weight"),
        "mamba.conv1d.weight" => made.convolution("ssm_conv1d.weight"),
        "mamba.conv1d.bias" => made.stored("ssm_conv1d.bias"),
        "conv.conv.weight" => made.convolution("shortconv.conv.weight"),
        "conv.conv.bias" => made.stored("shortconv.conv.bias"),
        "linear_attn.A_log" => made.log_of_decay().and_then(|raw| made.grouped(raw, Part::Heads)),
        "linear_attn.dt_bias" => made.grouped(made.stored("ssm_dt.bias")?, Part::Heads),
        "linear_attn.conv1d.weight" => {
            made.grouped(made.convolution("ssm_conv1d.weight")?, Part::LastValues)
        }
        "linear_attn.in_proj_qkv.weight" => {
            made.grouped(made.stored("attn_qkv.weight")?, Part::LastValues)
        }
        "linear_attn.in_proj_z.weight" => {
            made.grouped(made.stored("attn_gate.weight")?, Part::LastValues)
        }
        "linear_attn.in_proj_b.weight" => {
            made.grouped(made.stored("ssm_beta.weight")?, Part::Heads)
        }
        "linear_attn.in_proj_a.weight" => {
            made.grouped(made.stored("ssm_alpha.weight")?, Part::Heads)
        }
        "linear_attn.out_proj.weight" => made.grouped_columns("ssm_out.weight"),
        "linear_attn.in_proj_qkvz.weight" => made.queries_to_gates(),
        _ => match part.strip_prefix("mlp.act_fn.") {
            Some(number) => made.of_activation(number),
            None => return Ok(None),
        },
    };
    found.map(Some)
}

/// The rows of queries, keys or values in the tensor that holds all three, which llama.cpp's converter makes when it
/// is asked to. `None`: the file has no such tensor, or `stored` is none of the three.
pub(super) fn part_of_fused(file: &GgufFile, stored: &str) -> Option<Result<RawTensor, Error>> {
    let (module, ending) = stored.rsplit_once('.')?;
    let (layer, part) = module.rsplit_once('.')?;
    let which = ["attn_q", "attn_k", "attn_v"].iter().position(|name| *name == part)?;
    let fused = format!("{layer}.attn_qkv.{ending}");
    file.tensor(&fused)?;
    // As many as attention gives.
    let attended = file.tensor(&format!("{layer}.attn_output.weight"))?;
    let queries = attended.shape.last().copied().unwrap_or(0);
    Some(as_stored(file, &fused).and_then(|mut raw| {
        let rows = raw.shape.first().copied().unwrap_or(0);
        let keys = rows.saturating_sub(queries) / 2;
        if keys == 0 || queries + 2 * keys != rows {
            return Err(Made::shape_error(&raw, vec![queries]));
        }
        let first = [0, queries, queries + keys][which];
        raw.take_row_range(first..first + if which == 0 { queries } else { keys })?;
        Ok(raw)
    }))
}

/// A tensor of transformers that belongs to no layer and is one of several in a tensor of the file
/// (Gemma 3n's matrices of states). `None`: there is nothing of the kind.
pub(super) fn one_of_several(file: &GgufFile, name: &str) -> Option<Result<RawTensor, Error>> {
    let (module, index) = name.strip_prefix("model.")?.strip_suffix(".weight")?.rsplit_once('.')?;
    let stored = match module {
        "altup_projections" => "altup_proj.weight",
        "altup_unembed_projections" => "altup_unembd_proj.weight",
        _ => return None,
    };
    let index: usize = index.parse().ok()?;
    let taken = as_stored(file, stored).and_then(|mut raw| {
        let [several, rows, columns] = raw.shape[..] else {
            return Err(Made::shape_error(&raw, vec![index + 1, 0, 0]));
        };
        if index >= several {
            return Err(Made::shape_error(&raw, vec![index + 1, rows, columns]));
        }
        raw.take_expert(index)?;
        Ok(raw)
    });
    Some(taken)
}

/// `3.gate_proj.weight` -> (3, "`ffn_gate`")
fn expert(rest: &str) -> Option<(usize, &'static str)> {
    let (index, part) = rest.split_once('.')?;
    let part = match part.strip_suffix(".weight")? {
        "gate_proj" | "w1" => "ffn_gate",
        "up_proj" | "w3" => "ffn_up",
        "down_proj" | "w2" => "ffn_down",
        _ => return None,
    };
    Some((index.parse().ok()?, part))
}

/// (inputs) -> (1, inputs)
fn one_row(mut raw: RawTensor) -> RawTensor {
    if let [inputs] = raw.shape[..] {
        raw.shape = vec![1, inputs];
    }
    raw
}

/// Which rows of a tensor belong to the value heads.
#[derive(Clone, Copy)]
enum Part {
    /// One row for each.
    Heads,

    /// The last ones, several for each.
    LastValues,
}

/// A layer of a file.
struct Made<'a> {
    file: &'a GgufFile,
    layer: &'a str,
    whole: bool,
}

impl Made<'_> {
    fn name(&self, part: &str) -> String {
        format!("blk.{}.{part}", self.layer)
    }

    fn stored(&self, part: &str) -> Result<RawTensor, Error> {
        as_stored(self.file, &self.name(part))
    }

    /// Files of several ages have several names for it.
    fn first_of(&self, parts: &[&str]) -> Result<RawTensor, Error> {
        let there = parts.iter().find(|part| self.file.tensor(&self.name(part)).is_some());
        self.stored(there.unwrap_or(&parts[0]))
    }

    /// A number of the metadata. 0: it is not there.
    fn size(&self, key: &str) -> usize {
        let size = self.file.of_architecture(key);
        size.and_then(|size| usize::try_from(size).ok()).unwrap_or(0)
    }

    /// Refuses a tensor that cannot be taken apart as it should.
    fn shape_error(raw: &RawTensor, expected: Vec<usize>) -> Error {
        Error::Shape {
            path: raw.path.clone(),
            name: raw.name.clone(),
            found: raw.shape.clone(),
            expected,
        }
    }

    /// One expert's matrix of the tensor of all.
    fn expert(&self, index: usize, part: &str) -> Result<RawTensor, Error> {
        let of_all = |name: &str| self.file.tensor(&self.name(name)).is_some();
        let packed = format!("{part}_exps.weight");
        let both = "ffn_gate_up_exps.weight";
        let single = format!("{part}.{index}.weight");
        if !of_all(&packed) && of_all(&single) {
            return self.stored(&single); // files of Mixtral from before experts were packed
        }
        let in_both = part != "ffn_down" && !of_all(&packed) && of_all(both);
        let mut raw = self.stored(if in_both { both } else { &packed })?;
        let count = self.size("expert_count");
        let [experts, rows, inputs] = raw.shape[..] else {
            return Err(Self::shape_error(&raw, vec![count, 0, 0]));
        };
        if experts != count || index >= experts || (in_both && rows % 2 != 0) {
            return Err(Self::shape_error(&raw, vec![count, rows, inputs]));
        }
        raw.take_expert(index)?;
        if in_both {
            let half = rows / 2;
            let first = if part == "ffn_gate" { 0 } else { half };
            raw.take_row_range(first..first + half)?;
        }
        Ok(raw)
    }

    /// gpt-oss: of each expert its gate's biases, then those of up.
    fn both_biases(&self) -> Result<RawTensor, Error> {
        let both = "ffn_gate_up_exps.bias";
        if self.file.tensor(&self.name(both)).is_some() {
            return self.stored(both);
        }
        let (gate, up) = (self.stored("ffn_gate_exps.bias")?, self.stored("ffn_up_exps.bias")?);
        let [experts, width] = gate.shape[..] else {
            return Err(Self::shape_error(&gate, vec![self.size("expert_count"), 0]));
        };
        up.expect_shape(&gate.shape)?;
        let shape = vec![experts, 2 * width];
        self.of_rows(vec![gate, up], shape, |raws| {
            (0..experts).flat_map(|expert| (0..raws).map(move |raw| (raw, expert))).collect()
        })
    }

    /// Of several tensors one: `rows` says which row of which, in the order of the result.
    fn of_rows(
        &self,
        mut raws: Vec<RawTensor>,
        shape: Vec<usize>,
        rows: impl FnOnce(usize) -> Vec<(usize, usize)>,
    ) -> Result<RawTensor, Error> {
        let same = raws.iter().all(|raw| raw.kind == raws[0].kind);
        let kind = if same { raws[0].kind } else { GgmlType::F32 };
        let names = raws.iter().skip(1).map(|raw| raw.name.clone()).collect();
        let mut made = raws[0].clone();
        (made.kind, made.shape, made.beside) = (kind, shape, names);
        if !self.whole {
            return Ok(made);
        }
        if !same {
            for raw in &mut raws {
                raw.widen()?;
            }
        }
        let lens: Vec<usize> =
            raws.iter().map(|raw| raw.bytes.as_slice().len() / raw.shape[0].max(1)).collect();
        let order = rows(raws.len());
        let mut bytes = Vec::with_capacity(order.iter().map(|(raw, _)| lens[*raw]).sum());
        for (raw, row) in order {
            let len = lens[raw];
            bytes.extend_from_slice(&raws[raw].bytes.as_slice()[row * len..(row + 1) * len]);
        }
        made.bytes = Bytes::from(bytes);
        Ok(made)
    }

    /// Granite 4's MLP, or the expert that all tokens go through.
    fn gate_and_up(&self) -> Result<RawTensor, Error> {
        let gate = self.first_of(&["ffn_gate_shexp.weight", "ffn_gate.weight"])?;
        let up = self.first_of(&["ffn_up_shexp.weight", "ffn_up.weight"])?;
        let [width, inputs] = gate.shape[..] else {
            return Err(Self::shape_error(&gate, vec![0, self.size("embedding_length")]));
        };
        up.expect_shape(&gate.shape)?;
        self.of_rows(vec![gate, up], vec![2 * width, inputs], |raws| {
            (0..raws).flat_map(|raw| (0..width).map(move |row| (raw, row))).collect()
        })
    }

    /// All queries, all keys, all values -> of each key head its queries, its key, its value.
    fn by_key_head(&self, part: &str) -> Result<RawTensor, Error> {
        let mut raw = self.stored(part)?;
        let heads = self.size("attention.head_count").max(1);
        let kv_heads = match self.size("attention.head_count_kv") {
            0 => heads,
            some => some,
        };
        let all = heads + 2 * kv_heads;
        let rows = raw.shape[0];
        if !rows.is_multiple_of(all) || !heads.is_multiple_of(kv_heads) {
            let width = self.size("embedding_length");
            return Err(Self::shape_error(&raw, vec![width / heads * all, width]));
        }
        if self.whole {
            let (head_dim, group) = (rows / all, heads / kv_heads);
            raw.reorder_rows(|row| {
                let (head, at) = (row / head_dim, row % head_dim);
                let (kv_head, within) = (head / (group + 2), head % (group + 2));
                let from = match within.checked_sub(group) {
                    None => kv_head * group + within,
                    Some(0) => heads + kv_head,
                    Some(_) => heads + kv_heads + kv_head,
                };
                from * head_dim + at
            });
        }
        Ok(raw)
    }

    /// Of each head what stands still of its keys, then its values, from compressed ones.
    fn keys_and_values(&self) -> Result<RawTensor, Error> {
        if self.file.tensor(&self.name("attn_k_b.weight")).is_none() {
            return self.stored("attn_kv_b.weight");
        }
        let (keys, values) = (self.stored("attn_k_b.weight")?, self.stored("attn_v_b.weight")?);
        let rank = self.size("attention.kv_lora_rank");
        let heads = self.size("attention.head_count");
        let [key_heads, compressed, still] = keys.shape[..] else {
            return Err(Self::shape_error(&keys, vec![heads, rank, 0]));
        };
        if [key_heads, compressed] != [heads, rank] {
            return Err(Self::shape_error(&keys, vec![heads, rank, still]));
        }
        let of_values = values.shape.get(1).copied().unwrap_or(0);
        values.expect_shape(&[heads, of_values, rank])?;
        let mut made = keys.clone();
        made.shape = vec![heads * (still + of_values), rank];
        made.kind = GgmlType::F32; // the rows of the one are columns of the other
        made.beside = vec![values.name.clone()];
        if !self.whole {
            return Ok(made);
        }
        let (keys, values) = (keys.numbers()?, values.numbers()?);
        let mut numbers = Vec::with_capacity(made.shape[0] * rank);
        for head in 0..heads {
            let of_keys = &keys[head * rank * still..(head + 1) * rank * still];
            for row in 0..still {
                numbers.extend(of_keys.iter().skip(row).step_by(still));
            }
            numbers.extend(&values[head * of_values * rank..(head + 1) * of_values * rank]);
        }
        made.bytes = Bytes::from_floats(numbers);
        Ok(made)
    }

    /// One dimension, however many the file has.
    fn flat(&self, part: &str) -> Result<RawTensor, Error> {
        let mut raw = self.stored(part)?;
        raw.shape = vec![raw.shape.iter().product()];
        Ok(raw)
    }

    fn one_row(&self, part: &str) -> Result<RawTensor, Error> {
        self.stored(part).map(one_row)
    }

    /// (channels, kernel) -> (channels, 1, kernel)
    fn convolution(&self, part: &str) -> Result<RawTensor, Error> {
        let mut raw = self.stored(part)?;
        if let [channels, kernel] = raw.shape[..] {
            raw.shape = vec![channels, 1, kernel];
        }
        Ok(raw)
    }

    /// llama.cpp has -exp of what transformers has.
    fn log_of_decay(&self) -> Result<RawTensor, Error> {
        let mut raw = self.flat("ssm_a")?;
        if self.whole {
            let numbers = raw.numbers()?.into_iter().map(|decay| (-decay).ln()).collect();
            raw.bytes = Bytes::from_floats(numbers);
        }
        raw.kind = GgmlType::F32;
        Ok(raw)
    }

    /// Key heads, and value heads that share one, where the file has them in turn: of each key head the
    /// first, of each the second, and so on.
    fn in_turn(&self) -> Option<(usize, usize)> {
        let architecture = self.file.str("general.architecture");
        if !matches!(architecture, Some("qwen35" | "qwen35moe")) {
            return None;
        }
        let (keys, values) = (self.size("ssm.group_count"), self.size("ssm.time_step_rank"));
        (keys > 0 && values > keys && values.is_multiple_of(keys)).then(|| (keys, values / keys))
    }

    /// Value heads in transformers' order: those of a key head side by side.
    fn grouped(&self, mut raw: RawTensor, part: Part) -> Result<RawTensor, Error> {
        let Some((keys, each)) = self.in_turn().filter(|_| self.whole) else { return Ok(raw) };
        let rows = raw.shape[0];
        let of_values = match part {
            Part::Heads => rows,
            Part::LastValues => self.size("ssm.inner_size"),
        };
        let head = of_values / (keys * each);
        if head == 0 || of_values > rows || !of_values.is_multiple_of(keys * each) {
            return Err(Self::shape_error(&raw, vec![keys * each]));
        }
        let before = rows - of_values;
        raw.reorder_rows(|row| match row.checked_sub(before) {
            None => row,
            Some(row) => {
                let (at, within) = (row / head, row % head);
                before + (at % each * keys + at / each) * head + within
            }
        });
        Ok(raw)
    }

    /// The same of columns: exact, if need be by widening what is packed in blocks over two heads.
    fn grouped_columns(&self, part: &str) -> Result<RawTensor, Error> {
        let mut raw = self.stored(part)?;
        let Some((keys, each)) = self.in_turn() else { return Ok(raw) };
        let [rows, columns] = raw.shape[..] else {
            let width = self.size("embedding_length");
            return Err(Self::shape_error(&raw, vec![width, self.size("ssm.inner_size")]));
        };
        let head = columns / (keys * each);
        if head == 0 || !columns.is_multiple_of(keys * each) {
            return Err(Self::shape_error(&raw, vec![rows, self.size("ssm.inner_size")]));
        }
        if !head.is_multiple_of(raw.kind.block_len()) {
            if self.whole {
                raw.widen()?;
            }
            raw.kind = GgmlType::F32;
        }
        if self.whole {
            let shape = std::mem::replace(&mut raw.shape, vec![rows * keys * each]);
            raw.reorder_rows(|piece| {
                let (row, at) = (piece / (keys * each), piece % (keys * each));
                row * keys * each + at % each * keys + at / each
            });
            raw.shape = shape;
        }
        Ok(raw)
    }

    /// Qwen3-Next: of each key head its query, its key, its values and their gates.
    fn queries_to_gates(&self) -> Result<RawTensor, Error> {
        if self.file.tensor(&self.name("ssm_in.weight")).is_some() {
            return self.stored("ssm_in.weight"); // older files have it as transformers does
        }
        let (qkv, gates) = (self.stored("attn_qkv.weight")?, self.stored("attn_gate.weight")?);
        let (heads, key) = (self.size("ssm.group_count"), self.size("ssm.state_size"));
        let (values, width) = (self.size("ssm.inner_size"), self.size("embedding_length"));
        qkv.expect_shape(&[2 * heads * key + values, width])?;
        gates.expect_shape(&[values, width])?;
        if heads == 0 || !values.is_multiple_of(heads) {
            return Err(Self::shape_error(&gates, vec![heads, width]));
        }
        let value = values / heads;
        let shape = vec![2 * (heads * key + values), width];
        self.of_rows(vec![qkv, gates], shape, |_| {
            let mut rows = Vec::with_capacity(2 * (heads * key + values));
            for head in 0..heads {
                rows.extend((0..key).map(|row| (0, head * key + row)));
                rows.extend((0..key).map(|row| (0, (heads + head) * key + row)));
                rows.extend((0..value).map(|row| (0, 2 * heads * key + head * value + row)));
                rows.extend((0..value).map(|row| (1, head * value + row)));
            }
            rows
        })
    }

    /// Apertus: what the activation has learned is a list of the metadata.
    fn of_activation(&self, number: &str) -> Result<RawTensor, Error> {
        let key = format!("xielu.{number}");
        let layer = self.layer.parse::<usize>().ok();
        let value = self.file.f32s(&key).and_then(|list| list.get(layer?).copied());
        let value = value.or_else(|| self.file.f32(&key)); // one for all layers
        let value = value.ok_or_else(|| missing(self.file, &key))?;
        let (path, bytes) = (self.file.path().to_owned(), Bytes::from_floats(vec![value]));
        Ok(RawTensor::new(key, path, GgmlType::F32, vec![1], bytes))
    }
}

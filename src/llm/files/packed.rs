//! Weights that other libraries have packed, as transformers' folders hold them: FP8 with scales, and whole
//! numbers of 4 or 8 bits by GPTQ or AWQ.
//!
//! Where a run of 32 weights has one scale, whole numbers of 4 bits are kept as `Q5_0`, which holds the same
//! numbers exactly: what is left of a number when its zero point is taken away is within ±15. FP8 is kept
//! as bfloat16, as transformers' `dequantize` has it.

use half::{bf16, f16};
use rayon::prelude::*;
use serde_json::Value;
use tuning_fork_kernels::{Bytes, GgmlType};

/// How a folder's weights are packed, by `quantization_config` of its `config.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// A scale for each block of so many rows and columns; where that is not said, as the scales' shape
    /// divides the weight's.
    Fp8 {
        block: Option<[usize; 2]>,
    },

    /// `adds_one`: zero points are stored less one (`AutoGPTQ`'s first format).
    Gptq {
        bits: u32,
        group: Option<usize>,
        adds_one: bool,
    },
    Awq {
        group: Option<usize>,
    },
}

/// What a configuration says of how another library has packed the weights.
pub(crate) fn quantization(config: &Value) -> Option<&Value> {
    let inner = config.get("text_config").unwrap_or(&Value::Null);
    [config, inner].into_iter().find_map(|json| {
        let names = ["quantization_config", "compression_config"];
        names.iter().find_map(|name| json.get(*name)).filter(|value| value.is_object())
    })
}

/// The method, if it is one that is unpacked here. Else the reason why not, or `None` where nothing is known
/// of it.
pub(crate) fn method(settings: &Value) -> Result<Method, Option<String>> {
    let text = |key: &str| settings.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key: &str| settings.get(key).and_then(Value::as_i64);
    let bits = number("bits").or_else(|| number("w_bit"));
    let group = number("group_size").or_else(|| number("q_group_size"));
    // -1: one group for a whole row.
    let group = group.and_then(|group| usize::try_from(group).ok()).filter(|group| *group > 0);
    match text("quant_method") {
        "fp8" | "fbgemm_fp8" => {
            let side = |at: usize| settings.get("weight_block_size")?.get(at)?.as_u64();
            let block = side(0).zip(side(1)).map(|(rows, cols)| [rows as usize, cols as usize]);
            if block.is_some_and(|block| block.contains(&0)) {
                return Err(Some("weight_block_size has a 0".to_owned()));
            }
            Ok(Method::Fp8 { block })
        }
        "gptq" => {
            let format = text("checkpoint_format");
            match (bits, format) {
                (Some(4 | 8), "" | "gptq" | "gptq_v2") => Ok(Method::Gptq {
                    bits: bits.unwrap_or(4) as u32,
                    group,
                    adds_one: format != "gptq_v2",
                }),
                (Some(4 | 8), other) => Err(Some(format!("checkpoint_format is {other}"))),
                (Some(bits), _) => Err(Some(format!("{bits} bits are not unpacked, 4 and 8 are"))),
                (None, _) => Err(Some("bits are not said".to_owned())),
            }
        }
        "awq" => match (bits, text("version").to_lowercase().as_str()) {
            (Some(4) | None, "" | "gemm") => Ok(Method::Awq { group }),
            (Some(4) | None, other) => {
                Err(Some(format!("version is {other}, and gemm is unpacked")))
            }
            (Some(bits), _) => Err(Some(format!("{bits} bits are not unpacked, 4 are"))),
        },
        _ => Err(None),
    }
}

/// A tensor of floating-point numbers that is not a matrix of weights.
#[derive(Clone)]
pub(crate) struct Floats {
    pub bytes: Bytes,
    pub kind: Kind,
}

/// What [`Floats`] are stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    F32,
    F16,
    Bf16,

    /// A power of two: its exponent, 127 more.
    Exponent,
}

impl Floats {
    fn values(&self) -> Vec<f32> {
        let bytes = self.bytes.as_slice();
        let pairs = || bytes.as_chunks::<2>().0.iter();
        match self.kind {
            Kind::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Kind::F16 => pairs().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Kind::Bf16 => pairs().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
            Kind::Exponent => bytes.iter().map(|e| (f32::from(*e) - 127.0).exp2()).collect(),
        }
    }
}

/// What is beside the bytes of a packed matrix (outputs, inputs).
#[derive(Clone)]
pub(crate) enum Packed {
    Fp8 { scales: Floats, grid: [usize; 2], block: [usize; 2] },
    Whole(Whole),
}

/// Weights as whole numbers: scale · (number - zero point).
#[derive(Clone)]
pub(crate) struct Whole {
    pub order: Order,
    pub bits: u32,

    /// (groups, outputs), packed along the outputs.
    pub zeros: Bytes,
    pub adds_one: bool,

    /// (groups, outputs)
    pub scales: Floats,
    pub groups: Groups,
}

/// How numbers lie in words of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// (inputs · bits / 32, outputs): a word holds inputs that follow each other.
    Inputs,

    /// (inputs, outputs · bits / 32): a word holds outputs, the even ones first.
    OutputsInterleaved,
}

/// The group of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Groups {
    /// Inputs that follow each other, so many of them.
    Runs(usize),

    /// Of each input.
    Listed(Vec<u32>),
}

impl Groups {
    fn of(&self, input: usize) -> usize {
        match self {
            Self::Runs(len) => input / len,
            Self::Listed(groups) => groups[input] as usize,
        }
    }

    /// `g_idx`, as runs where it is no more than that.
    pub fn listed(groups: Vec<u32>, run: usize) -> Self {
        let is_plain = groups.iter().enumerate().all(|(at, group)| *group as usize == at / run);
        if is_plain { Self::Runs(run) } else { Self::Listed(groups) }
    }
}

impl Packed {
    /// The type in which the matrix is kept where nothing else is wanted.
    pub fn kind(&self, inputs: usize) -> GgmlType {
        match self {
            Self::Fp8 { .. } => GgmlType::BF16,
            Self::Whole(whole) => {
                let is_run = matches!(whole.groups, Groups::Runs(len) if len.is_multiple_of(32));
                let fits = whole.bits == 4 && whole.scales.kind == Kind::F16;
                if is_run && fits && inputs.is_multiple_of(32) {
                    GgmlType::Q5_0
                } else {
                    GgmlType::F16
                }
            }
        }
    }

    /// The matrix (outputs, inputs) as rows of `kind`, which is [`Self::kind`] or `F32`.
    pub fn unpacked(&self, bytes: &[u8], [outputs, inputs]: [usize; 2], kind: GgmlType) -> Bytes {
        match self {
            Self::Fp8 { scales, grid, block } => {
                let (scales, table) = (scales.values(), e4m3());
                let rows =
                    bytes.par_chunks(inputs.max(1)).enumerate().flat_map_iter(|(row, bytes)| {
                        let scales = &scales[row / block[0] * grid[1]..][..grid[1]];
                        let values = bytes
                            .iter()
                            .enumerate()
                            .map(|(at, byte)| table[usize::from(*byte)] * scales[at / block[1]]);
                        dense(values, kind)
                    });
                Bytes::from(rows.collect::<Vec<u8>>())
            }
            Self::Whole(whole) => whole.unpacked(bytes, [outputs, inputs], kind),
        }
    }
}

/// Numbers as bytes of a dense type.
fn dense(values: impl Iterator<Item = f32>, kind: GgmlType) -> Vec<u8> {
    match kind {
        GgmlType::F16 => values.flat_map(|value| f16::from_f32(value).to_le_bytes()).collect(),
        GgmlType::BF16 => values.flat_map(|value| bf16::from_f32(value).to_le_bytes()).collect(),
        _ => values.flat_map(f32::to_le_bytes).collect(),
    }
}

/// What the bytes of `float8_e4m3fn` stand for (OCP 8-bit Floating Point Specification 1.0, section 5).
fn e4m3() -> [f32; 256] {
    std::array::from_fn(|byte| {
        let (sign, exponent, mantissa) = (byte >> 7, byte >> 3 & 15, byte & 7);
        let value = match (exponent, mantissa) {
            (15, 7) => f32::NAN,
            (0, mantissa) => mantissa as f32 * (1.0 / 512.0),
            _ => (8 + mantissa) as f32 * f32::from_bits((exponent as u32 + 117) << 23),
        };
        if sign == 1 { -value } else { value }
    })
}

/// Outputs that are unpacked together: their words fill whole lines of the cache.
const TOGETHER: usize = 128;

/// The place in a word of AWQ of each of eight outputs that follow each other: the even ones come first.
const INTERLEAVED: [usize; 8] = [0, 4, 1, 5, 2, 6, 3, 7];

impl Whole {
    fn unpacked(&self, bytes: &[u8], [outputs, inputs]: [usize; 2], kind: GgmlType) -> Bytes {
        let scales = self.scales.values();
        let parts: Vec<Vec<u8>> = (0..outputs.div_ceil(TOGETHER))
            .into_par_iter()
            .map(|part| {
                let own = part * TOGETHER..outputs.min((part + 1) * TOGETHER);
                let numbers = self.numbers(bytes, [outputs, inputs], own.clone());
                let mut out = Vec::new();
                for (output, numbers) in own.zip(numbers.chunks_exact(inputs)) {
                    if kind == GgmlType::Q5_0 {
                        self.q5_0(numbers, |group| scales[group * outputs + output], &mut out);
                        continue;
                    }
                    let values = numbers.iter().enumerate().map(|(input, number)| {
                        f32::from(*number) * scales[self.groups.of(input) * outputs + output]
                    });
                    out.extend(dense(values, kind));
                }
                out
            })
            .collect();
        Bytes::from(parts.concat())
    }

    /// Number less zero point of some outputs: (outputs, inputs).
    fn numbers(
        &self,
        bytes: &[u8],
        [outputs, inputs]: [usize; 2],
        own: std::ops::Range<usize>,
    ) -> Vec<i16> {
        let per_word = (32 / self.bits) as usize;
        let mask = (1_u32 << self.bits) - 1;
        let word = |bytes: &[u8], at: usize| {
            let word = &bytes[4 * at..4 * at + 4];
            u32::from_le_bytes([word[0], word[1], word[2], word[3]])
        };
        // Zero points lie along the outputs in either order.
        let along_outputs = |bytes: &[u8], row: usize, output: usize| {
            let place = match self.order {
                Order::Inputs => output % per_word,
                Order::OutputsInterleaved => INTERLEAVED[output % per_word],
            };
            let word = word(bytes, row * (outputs / per_word) + output / per_word);
            word >> (place as u32 * self.bits) & mask
        };
        let zero = |group: usize, output: usize| {
            let stored = along_outputs(self.zeros.as_slice(), group, output);
            let zero = if self.adds_one { (stored + 1) & mask } else { stored };
            zero as i16
        };
        let count = own.len();
        let mut numbers = vec![0; count * inputs];
        let mut zeros: (usize, Vec<i16>) = (usize::MAX, Vec::new());
        for input in 0..inputs {
            let group = self.groups.of(input);
            if zeros.0 != group {
                zeros = (group, own.clone().map(|output| zero(group, output)).collect());
            }
            for (at, output) in own.clone().enumerate() {
                let number = match self.order {
                    Order::Inputs => {
                        let word = word(bytes, input / per_word * outputs + output);
                        word >> ((input % per_word) as u32 * self.bits) & mask
                    }
                    Order::OutputsInterleaved => along_outputs(bytes, input, output),
                };
                numbers[at * inputs + input] = number as i16 - zeros.1[at];
            }
        }
        numbers
    }

    /// Blocks of 32 numbers, each within ±15, with the scale of their group.
    fn q5_0(&self, numbers: &[i16], scale: impl Fn(usize) -> f32, out: &mut Vec<u8>) {
        for (block, numbers) in numbers.chunks_exact(32).enumerate() {
            let scale = f16::from_f32(scale(self.groups.of(32 * block)));
            let number = |at: usize| (numbers[at] + 16) as u32;
            let fifth = (0..32).map(|at| (number(at) >> 4) << at).sum::<u32>();
            out.extend(scale.to_le_bytes());
            out.extend(fifth.to_le_bytes());
            out.extend((0..16).map(|at| (number(at) & 15 | (number(at + 16) & 15) << 4) as u8));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use tuning_fork_kernels::QMatrix;

    // torch.tensor([0, 1, 7, 8, 0x38, 0x7e, 0xfe, 0x80, 0x45], dtype=torch.uint8).view(torch.float8_e4m3fn)
    #[test]
    fn eight_bit_floats_are_torchs() {
        let table = e4m3();
        for (byte, value) in [
            (0, 0.0),
            (1, 0.001_953_125),
            (7, 0.013_671_875),
            (8, 0.015_625),
            (0x38, 1.0),
            (0x7e, 448.0),
            (0xfe, -448.0),
            (0x80, -0.0),
            (0x45, 3.25),
        ] {
            assert_eq!(table[byte], value, "{byte}");
        }
        assert!(table[0x7f].is_nan() && table[0xff].is_nan());
    }

    #[test]
    fn a_scale_of_fp8_belongs_to_its_block() {
        let scales = [1.0_f32, 2.0, 3.0, 4.0];
        let bytes = scales.iter().flat_map(|scale| scale.to_le_bytes()).collect::<Vec<u8>>();
        let scales = Floats { bytes: Bytes::from(bytes), kind: Kind::F32 };
        // 3 rows of 5 in blocks of 2 by 3: the last ones are not whole.
        let packed = Packed::Fp8 { scales, grid: [2, 2], block: [2, 3] };
        let bytes = packed.unpacked(&[0x38; 15], [3, 5], GgmlType::F32);
        let matrix = QMatrix::new(GgmlType::F32, 3, 5, bytes).unwrap().dequantize();
        let upper = [1.0, 1.0, 1.0, 2.0, 2.0];
        assert_eq!(matrix, [upper, upper, [3.0, 3.0, 3.0, 4.0, 4.0]].concat());
    }

    #[test]
    fn a_method_that_is_not_unpacked_says_what_is_in_the_way() {
        let of = |settings: Value| method(&settings);
        assert_eq!(
            of(json!({"quant_method": "gptq", "bits": 4, "group_size": 128})),
            Ok(Method::Gptq { bits: 4, group: Some(128), adds_one: true })
        );
        assert_eq!(
            of(
                json!({"quant_method": "gptq", "bits": 4, "group_size": -1, "checkpoint_format": "gptq_v2"})
            ),
            Ok(Method::Gptq { bits: 4, group: None, adds_one: false })
        );
        assert_eq!(
            of(json!({"quant_method": "fp8", "weight_block_size": [128, 128]})),
            Ok(Method::Fp8 { block: Some([128, 128]) })
        );
        let why = |settings: Value| of(settings).unwrap_err().unwrap_or_default();
        assert!(why(json!({"quant_method": "gptq", "bits": 3})).contains("3 bits"));
        let marlin = json!({"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"});
        assert!(why(marlin).contains("marlin"));
        assert!(why(json!({"quant_method": "awq", "bits": 4, "version": "gemv"})).contains("gemv"));
        assert_eq!(of(json!({"quant_method": "bitsandbytes"})), Err(None));
    }
}

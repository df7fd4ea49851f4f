//! What a GGUF file's metadata are made of, and the types of its tensors.

/// One value of the metadata. Numbers keep their sign and lose their width.
#[derive(Clone, Debug, PartialEq)]
pub enum GgufValue {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    String(String),
    Array(GgufArray),
}

/// An array of the metadata; its elements are all of one type.
#[derive(Clone, Debug, PartialEq)]
pub enum GgufArray {
    Unsigned(Vec<u64>),
    Signed(Vec<i64>),
    Float(Vec<f64>),
    Bool(Vec<bool>),
    String(Vec<String>),
    Array(Vec<Self>),
}

/// As a person would write it down: `8`, `0.5`, `"llama"`.
impl std::fmt::Display for GgufValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unsigned(value) => write!(f, "{value}"),
            Self::Signed(value) => write!(f, "{value}"),
            // As the file has it, mostly in 32 bits: 0.1, not 0.10000000149011612.
            Self::Float(value) if f64::from(*value as f32) == *value => {
                write!(f, "{:?}", *value as f32)
            }
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::String(value) => {
                let short: String = value.chars().take(80).collect();
                let more = if short.len() < value.len() { "…" } else { "" };
                write!(f, "\"{short}{more}\"")
            }
            Self::Array(array) => write!(f, "a list of {}", array.len()),
        }
    }
}

impl GgufArray {
    pub fn len(&self) -> usize {
        match self {
            Self::Unsigned(values) => values.len(),
            Self::Signed(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Bool(values) => values.len(),
            Self::String(values) => values.len(),
            Self::Array(values) => values.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A ggml tensor type by its number in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TensorType(pub u32);

/// Number, name, weights in a block, bytes of a block (`ggml.c`, `type_traits`).
const TENSOR_TYPES: &[(u32, &str, u64, u64)] = &[
    (0, "F32", 1, 4),
    (1, "F16", 1, 2),
    (2, "Q4_0", 32, 18),
    (3, "Q4_1", 32, 20),
    (6, "Q5_0", 32, 22),
    (7, "Q5_1", 32, 24),
    (8, "Q8_0", 32, 34),
    (9, "Q8_1", 32, 36),
    (10, "Q2_K", 256, 84),
    (11, "Q3_K", 256, 110),
    (12, "Q4_K", 256, 144),
    (13, "Q5_K", 256, 176),
    (14, "Q6_K", 256, 210),
    (15, "Q8_K", 256, 292),
    (16, "IQ2_XXS", 256, 66),
    (17, "IQ2_XS", 256, 74),
    (18, "IQ3_XXS", 256, 98),
    (19, "IQ1_S", 256, 50),
    (20, "IQ4_NL", 32, 18),
    (21, "IQ3_S", 256, 110),
    (22, "IQ2_S", 256, 82),
    (23, "IQ4_XS", 256, 136),
    (24, "I8", 1, 1),
    (25, "I16", 1, 2),
    (26, "I32", 1, 4),
    (27, "I64", 1, 8),
    (28, "F64", 1, 8),
    (29, "IQ1_M", 256, 56),
    (30, "BF16", 1, 2),
    (34, "TQ1_0", 256, 54),
    (35, "TQ2_0", 256, 66),
    (39, "MXFP4", 32, 17),
    (40, "NVFP4", 64, 36),
    (41, "Q1_0", 128, 18),
];

impl TensorType {
    /// ggml's name, or `type 77` for one that we have never heard of.
    pub fn name(self) -> String {
        let unknown = || match self.0 {
            4 | 5 => format!("type {}, of 2023 and removed from llama.cpp since", self.0),
            31..=33 => {
                let name = ["Q4_0_4_4", "Q4_0_4_8", "Q4_0_8_8"][self.0 as usize - 31];
                format!("{name}, removed from llama.cpp since: take the Q4_0 file in its place")
            }
            36..=38 => format!(
                "type {}, removed from llama.cpp since (36 is also I2_S of BitNet's own program)",
                self.0
            ),
            other => format!("type {other}"),
        };
        self.entry().map_or_else(unknown, |entry| entry.1.to_owned())
    }

    /// How many bytes `elements` weights in rows of `row` take. `None`: unknown type, or the row
    /// is not a whole number of blocks, or the number does not fit.
    pub fn byte_len(self, elements: u64, row: u64) -> Option<u64> {
        let (_, _, block, bytes) = *self.entry()?;
        if !row.is_multiple_of(block) {
            return None;
        }
        (elements / block).checked_mul(bytes)
    }

    pub(super) fn entry(self) -> Option<&'static (u32, &'static str, u64, u64)> {
        TENSOR_TYPES.iter().find(|entry| entry.0 == self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They stand in messages: as a person writes them, not as Rust does.
    #[test]
    fn values_are_written_as_a_person_would() {
        let array = GgufArray::Unsigned(vec![1, 2, 3]);
        for (value, written) in [
            (GgufValue::Unsigned(8), "8"),
            (GgufValue::Signed(-2), "-2"),
            (GgufValue::Float(0.0), "0.0"),
            (GgufValue::Float(f64::from(0.1_f32)), "0.1"),
            (GgufValue::Bool(true), "true"),
            (GgufValue::String("llama".to_owned()), "\"llama\""),
            (GgufValue::Array(array), "a list of 3"),
        ] {
            assert_eq!(value.to_string(), written);
        }
    }
}

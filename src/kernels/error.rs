//! What can be wrong with a matrix's bytes.

use super::ggml_type::GgmlType;

/// Weights that do not fit the shape they claim to have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    #[error("a row of {cols} weights does not divide into {kind} blocks of {block}")]
    Width { kind: GgmlType, cols: usize, block: usize },

    #[error("{rows} x {cols} {kind} weights take {expected} bytes, found {found}")]
    Size { kind: GgmlType, rows: usize, cols: usize, expected: usize, found: usize },

    #[error("{rows} x {cols} {kind} weights are more than this machine can address")]
    TooLarge { kind: GgmlType, rows: usize, cols: usize },

    #[error("bytes {start} to {end} were asked for, found {len}")]
    Range { start: usize, end: usize, len: usize },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_was_found_and_what_was_expected() {
        let error =
            KernelError::Size { kind: GgmlType::Q4_1, rows: 2, cols: 64, expected: 80, found: 79 };
        assert_eq!(error.to_string(), "2 x 64 Q4_1 weights take 80 bytes, found 79");
    }
}

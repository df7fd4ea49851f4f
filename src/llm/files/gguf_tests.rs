//! Tests of `gguf.rs`.

use super::*;

fn text(out: &mut Vec<u8>, value: &str) {
    out.extend((value.len() as u64).to_le_bytes());
    out.extend(value.as_bytes());
}

/// A file with one value of each shape, a tensor that we know and one that we do not.
fn sample() -> Vec<u8> {
    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend(2u64.to_le_bytes());
    out.extend(5u64.to_le_bytes());
    text(&mut out, "general.architecture");
    out.extend(8u32.to_le_bytes());
    text(&mut out, "llama");
    text(&mut out, "llama.block_count");
    out.extend(4u32.to_le_bytes());
    out.extend(30u32.to_le_bytes());
    text(&mut out, "eps");
    out.extend(6u32.to_le_bytes());
    out.extend(1e-5f32.to_le_bytes());
    text(&mut out, "tokens");
    out.extend(9u32.to_le_bytes());
    out.extend(8u32.to_le_bytes());
    out.extend(2u64.to_le_bytes());
    text(&mut out, "a");
    text(&mut out, "é");
    text(&mut out, "types");
    out.extend(9u32.to_le_bytes());
    out.extend(5u32.to_le_bytes());
    out.extend(2u64.to_le_bytes());
    out.extend((-1i32).to_le_bytes());
    out.extend(3i32.to_le_bytes());
    for (name, dims, kind, offset) in
        [("known", vec![2u64, 3], 0u32, 0u64), ("odd", vec![4], 77, 32)]
    {
        text(&mut out, name);
        out.extend((dims.len() as u32).to_le_bytes());
        for dim in dims {
            out.extend(dim.to_le_bytes());
        }
        out.extend(kind.to_le_bytes());
        out.extend(offset.to_le_bytes());
    }
    out.resize(out.len().next_multiple_of(32), 0);
    for value in 0..6 {
        out.extend((value as f32).to_le_bytes());
    }
    out
}

fn open(bytes: &[u8]) -> Result<GgufFile, GgufError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    crate::files::write_atomic(&path, bytes).unwrap();
    GgufFile::open(&path)
}

#[test]
fn values_and_tensors_come_back_as_written() {
    let file = open(&sample()).unwrap();
    assert_eq!(file.str("general.architecture"), Some("llama"));
    assert_eq!(file.u32("llama.block_count"), Some(30));
    assert_eq!(file.f32("eps"), Some(1e-5));
    assert_eq!(file.strings("tokens").unwrap(), ["a", "é"]);
    assert_eq!(file.i32s("types").unwrap(), [-1, 3]);
    assert_eq!(file.tensor("known").unwrap().shape, [3, 2]);
    assert_eq!(file.tensor_bytes("known").unwrap()[4..8], 1f32.to_le_bytes());
}

#[test]
fn an_unknown_tensor_type_does_not_hide_the_file() {
    let file = open(&sample()).unwrap();
    let odd = file.tensor("odd").unwrap();
    assert_eq!(odd.kind.name(), "type 77");
    assert_eq!(odd.byte_len(), None);
    assert_eq!(file.tensor_bytes("odd"), None);
}

#[test]
fn a_file_cut_anywhere_is_an_error_and_not_a_panic() {
    let whole = sample();
    for len in 0..whole.len() {
        assert!(open(&whole[..len]).is_err(), "cut at {len}");
    }
}

#[test]
fn no_damaged_byte_panics_or_asks_for_more_than_the_file_has() {
    let whole = sample();
    for at in 4..whole.len() {
        for value in [0xff, 0x7f, 0x80, 0x09] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            drop(open(&bytes)); // either is right, as long as it returns
        }
    }
}

#[test]
fn what_is_not_gguf_is_called_so() {
    assert!(matches!(open(b"PK\x03\x04zip"), Err(GgufError::NotGguf { .. })));
    let mut old = sample();
    old[4] = 1;
    assert!(matches!(open(&old), Err(GgufError::Version { version: 1, .. })));
    let mut foreign = sample();
    foreign[4..8].copy_from_slice(&3u32.to_be_bytes());
    assert!(matches!(open(&foreign), Err(GgufError::BigEndian { .. })));
}

//! How SentencePiece writes a byte that is no piece of its own.

/// `<0x0A>`, as SentencePiece writes the byte 10.
pub(crate) fn byte_name(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

/// `<0x0A>` is the byte 10.
pub(super) fn byte_token(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() == 2 { u8::from_str_radix(digits, 16).ok() } else { None }
}

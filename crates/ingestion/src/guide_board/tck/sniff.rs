//! What a file may be, by its first bytes.

use std::io::{self, BufRead};

/// The format a TCK report is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Xml,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The format a text begins like, if any. A byte order mark is passed over; nothing else is.
pub(super) fn sniff(reader: &mut impl BufRead) -> io::Result<Option<Format>> {
    if reader.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        reader.consume(BYTE_ORDER_MARK.len());
    }
    let first = reader.fill_buf()?.iter().find(|byte| !byte.is_ascii_whitespace());
    Ok(match first {
        Some(b'{') => Some(Format::Json),
        Some(b'<') => Some(Format::Xml),
        _ => None,
    })
}

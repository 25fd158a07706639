//! Readers that keep a parser from holding too much of a file in memory.

use std::io::{self, BufRead, Read};

/// The most bytes one JSON string or one piece of XML may have.
pub(super) const MAX_PIECE: u64 = 64 * 1024 * 1024;

/// The error that ends a reading; other errors come from the file itself.
fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "a single piece of text has more than 64 MiB")
}

/// Whether an error was raised here and not by the file.
pub(super) fn is_too_long(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::FileTooLarge
}

/// JSON text, as long as none of its strings is too long.
pub(super) struct BoundedStrings<R> {
    inner: R,
    in_string: bool,
    escaped: bool,
    length: u64,
}

impl<R> BoundedStrings<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, in_string: false, escaped: false, length: 0 }
    }

    fn look_at(&mut self, byte: u8) {
        if !self.in_string {
            // Numbers count too: the parser holds their digits just like those of a string.
            if byte == b'"' {
                self.in_string = true;
                self.length = 0;
            } else if byte.is_ascii_digit() {
                self.length += 1;
            } else {
                self.length = 0;
            }
            return;
        }
        self.length += 1;
        if self.escaped {
            self.escaped = false;
        } else if byte == b'\\' {
            self.escaped = true;
        } else if byte == b'"' {
            self.in_string = false;
            self.length = 0;
        }
    }
}

impl<R: Read> Read for BoundedStrings<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        for &byte in buffer.get(..count).unwrap_or_default() {
            self.look_at(byte);
        }
        if self.length > MAX_PIECE { Err(too_long()) } else { Ok(count) }
    }
}

/// Text of which only so much may be read until [`BoundedPieces::next_piece`] is called.
pub(super) struct BoundedPieces<R> {
    inner: R,
    left: u64,
}

impl<R> BoundedPieces<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, left: MAX_PIECE }
    }

    /// Allows the next piece to be as long as any.
    pub(super) fn next_piece(&mut self) {
        self.left = MAX_PIECE;
    }
}

impl<R: BufRead> Read for BoundedPieces<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for BoundedPieces<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(too_long());
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count as u64);
        self.inner.consume(count);
    }
}

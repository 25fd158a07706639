//! Bytes of files: hashed while they are read.

use std::{
    io::{self, Read},
    path::Path,
};

use sha2::{Digest as _, Sha256};

use super::{error::GuideBoardError, reading::ReadFile};

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// A reader that remembers the digest and the size of everything that passed through it.
pub(super) struct HashingReader<R> {
    inner: R,
    sha256: Sha256,
    size: u64,
}

impl<R: Read> HashingReader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, sha256: Sha256::new(), size: 0 }
    }

    /// Reads whatever is left and gives the whole file's size and digest.
    pub(super) fn finish(mut self, path: &str) -> io::Result<ReadFile> {
        let mut chunk = vec![0; CHUNK];
        loop {
            match self.read(&mut chunk) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ReadFile {
            path: path.to_owned(),
            size: self.size,
            sha256: self.sha256.finalize().into(),
        })
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.sha256.update(buffer.get(..count).unwrap_or_default());
        self.size += count as u64;
        Ok(count)
    }
}

/// An I/O failure as the error of this adapter.
pub(super) fn io_error(action: &'static str, path: &Path, source: io::Error) -> GuideBoardError {
    GuideBoardError::Io { action, path: path.to_owned(), source }
}

//! Reading a file that must not change meanwhile.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;

use artifact_domain::Sha256Digest;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::walk::{FileState, WalkedFile};

/// Bytes that are read at a time; a file that is not larger is one chunk.
pub const CHUNK: usize = 512 * 1024;

/// Why the bytes of a file are not what was listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// It is not there any more.
    #[error("it vanished after the directory was listed")]
    Vanished,
    /// The system does not let us read it.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Its size, time or identity is not what it was.
    #[error("it changed while it was ingested: {0}")]
    Changed(String),
}

impl SourceError {
    fn io(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            return Self::Vanished;
        }
        Self::Unreadable(error.to_string())
    }
}

/// An open file and what it has to be at its end.
struct Source {
    file: File,
    listed: FileState,
    read: u64,
}

impl Source {
    fn open(file: &WalkedFile) -> Result<Self, SourceError> {
        // Not blocking: a pipe that took the file's place must not hold the ingest up.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(i32::from_ne_bytes(flags.to_ne_bytes()))
            .open(&file.source)
            .map_err(|error| SourceError::io(&error))?;
        let source = Self { file: opened, listed: file.state, read: 0 };
        source.check()?;
        Ok(source)
    }

    /// The next bytes; empty at the end, where the file is held against what was listed.
    fn next(&mut self) -> Result<Bytes, SourceError> {
        let left = self.listed.size.saturating_sub(self.read);
        // One byte more than is expected shows a file that has grown.
        let wanted = usize::try_from(left.saturating_add(1)).unwrap_or(CHUNK).min(CHUNK);
        let mut chunk = Vec::with_capacity(wanted);
        self.file
            .by_ref()
            .take(wanted as u64)
            .read_to_end(&mut chunk)
            .map_err(|error| SourceError::io(&error))?;
        self.read += chunk.len() as u64;
        if chunk.is_empty() || self.read >= self.listed.size {
            self.check()?;
            if self.read != self.listed.size {
                return Err(SourceError::Changed(format!(
                    "{} bytes were listed, {} read",
                    self.listed.size, self.read
                )));
            }
        }
        Ok(chunk.into())
    }

    fn check(&self) -> Result<(), SourceError> {
        let metadata = self.file.metadata().map_err(|error| SourceError::io(&error))?;
        let now = FileState::of(&metadata);
        if now == self.listed {
            return Ok(());
        }
        let what = if now.size == self.listed.size {
            "it was written or replaced".to_owned()
        } else {
            format!("it had {} bytes and has {}", self.listed.size, now.size)
        };
        Err(SourceError::Changed(what))
    }
}

/// The bytes of a listed file, as a stream of chunks. If the file is not at its end what it was
/// when it was listed, the last item is an error.
pub fn stream(file: &WalkedFile) -> BoxStream<'static, Result<Bytes, SourceError>> {
    let file = file.clone();
    if file.size() <= CHUNK as u64 {
        let whole = tokio::task::spawn_blocking(move || Source::open(&file)?.next());
        return futures::stream::once(async move {
            whole.await.unwrap_or_else(|error| Err(SourceError::Unreadable(error.to_string())))
        })
        .boxed();
    }
    // One chunk is read while the one before is hashed and written.
    let (chunks, waiting) = mpsc::channel(1);
    tokio::task::spawn_blocking(move || {
        let mut source = match Source::open(&file) {
            Ok(source) => source,
            Err(error) => return drop(chunks.blocking_send(Err(error))),
        };
        loop {
            let chunk = source.next();
            let last = !matches!(&chunk, Ok(bytes) if !bytes.is_empty());
            // Nobody waits any more when the upload was given up.
            if matches!(&chunk, Ok(bytes) if bytes.is_empty())
                || chunks.blocking_send(chunk).is_err()
                || last
            {
                return;
            }
        }
    });
    futures::stream::unfold(
        waiting,
        |mut waiting| async move { Some((waiting.recv().await?, waiting)) },
    )
    .boxed()
}

/// The bytes of several listed files of at most one chunk each, read by one thread.
pub async fn read_all(files: Vec<WalkedFile>) -> Vec<(WalkedFile, Result<Bytes, SourceError>)> {
    let lost = files.clone();
    let read = move || {
        files
            .into_iter()
            .map(|file| {
                let bytes = Source::open(&file).and_then(|mut source| source.next());
                (file, bytes)
            })
            .collect()
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| {
        let error = SourceError::Unreadable(error.to_string());
        lost.into_iter().map(|file| (file, Err(error.clone()))).collect()
    })
}

/// The SHA-256 of a listed file. `seen` is told of the bytes as they pass.
pub async fn sha256(file: &WalkedFile, seen: impl Fn(u64)) -> Result<Sha256Digest, SourceError> {
    let mut bytes = stream(file);
    let mut hash = Sha256::new();
    while let Some(chunk) = bytes.try_next().await? {
        seen(chunk.len() as u64);
        hash = tokio::task::spawn_blocking(move || {
            hash.update(&chunk);
            hash
        })
        .await
        .map_err(|error| SourceError::Unreadable(error.to_string()))?;
    }
    Ok(Sha256Digest::from_bytes(hash.finalize().into()))
}

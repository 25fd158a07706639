//! Both digests of a stream, computed while its bytes pass.

use std::num::NonZero;
use std::sync::LazyLock;

use artifact_domain::digest::{Blake3Digest, Sha256Digest};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::task::JoinHandle;

use crate::error::StoreError;

/// Beyond so many bytes a stream is hashed by two threads of its own, if they are free. Below, the
/// hand-overs cost more than they gain.
const SHORT_STREAM: u64 = 4 << 20;

/// Streams that are hashed by two threads of their own at a time. In a crowd every core has a
/// stream to hash anyway, and more threads than cores hash no faster. And those threads are taken
/// for as long as the stream lasts: a crowd of slow uploads must not take all that there are.
static PARALLEL: LazyLock<Semaphore> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(2, NonZero::get);
    Semaphore::new((cores / 2).max(1))
});

/// Chunks that wait for each hash; with chunks of at most 1 MiB this bounds the memory.
const WAITING_CHUNKS: usize = 2;

/// What the store found out about bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digests {
    pub(crate) size: u64,
    pub(crate) sha256: Sha256Digest,
    pub(crate) blake3: Blake3Digest,
}

impl Digests {
    /// The digests of bytes that are in memory. It takes time: about 1 ms a MiB.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self {
            size: bytes.len() as u64,
            sha256: Sha256Digest::of(bytes),
            blake3: Blake3Digest::from_bytes(*blake3::hash(bytes).as_bytes()),
        }
    }
}

/// Computes SHA-256 and BLAKE3 of one stream. A long stream is hashed by two threads of its own, so
/// that the slower digest alone bounds the speed: SHA-256 of one stream cannot be split. A short
/// one, and any in a crowd, is hashed where it arrives, a chunk at a time: about 1 ms a MiB.
pub(crate) struct Digester {
    size: u64,
    hashing: Hashing,
}

enum Hashing {
    Inline {
        sha256: Box<Sha256>,
        blake3: Box<blake3::Hasher>,
    },
    Parallel {
        sha256: Lane<Sha256Digest>,
        blake3: Lane<Blake3Digest>,
        turn: SemaphorePermit<'static>,
    },
}

/// One hash on a thread of its own.
struct Lane<D> {
    chunks: mpsc::Sender<Bytes>,
    digest: JoinHandle<D>,
}

impl<D: Send + 'static> Lane<D> {
    fn start<H: Send + 'static>(
        mut hash: H,
        update: fn(&mut H, &[u8]),
        finish: fn(H) -> D,
    ) -> Self {
        let (chunks, mut waiting) = mpsc::channel::<Bytes>(WAITING_CHUNKS);
        let digest = tokio::task::spawn_blocking(move || {
            while let Some(chunk) = waiting.blocking_recv() {
                update(&mut hash, &chunk);
            }
            finish(hash)
        });
        Self { chunks, digest }
    }

    async fn send(&self, chunk: Bytes) -> Result<(), StoreError> {
        self.chunks
            .send(chunk)
            .await
            .ok()
            .ok_or_else(|| StoreError::Stopped("a hash has stopped".to_owned()))
    }

    async fn finish(self) -> Result<D, StoreError> {
        drop(self.chunks);
        self.digest.await.map_err(|error| StoreError::Stopped(error.to_string()))
    }
}

fn sha256_of(hash: Sha256) -> Sha256Digest {
    Sha256Digest::from_bytes(hash.finalize().into())
}

#[expect(clippy::needless_pass_by_value, reason = "a lane gives its hash away")]
fn blake3_of(hash: blake3::Hasher) -> Blake3Digest {
    Blake3Digest::from_bytes(*hash.finalize().as_bytes())
}

impl Digester {
    pub(crate) fn new() -> Self {
        let hashing = Hashing::Inline { sha256: Box::default(), blake3: Box::default() };
        Self { size: 0, hashing }
    }

    /// The bytes seen so far.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Hashes the next bytes of the stream, or hands them to the threads that do.
    pub(crate) async fn update(&mut self, chunk: &Bytes) -> Result<(), StoreError> {
        self.size += chunk.len() as u64;
        if self.size > SHORT_STREAM {
            self.leave_this_thread();
        }
        match &mut self.hashing {
            Hashing::Inline { sha256, blake3 } => {
                sha256.update(chunk);
                blake3.update(chunk);
                // Others on this thread have their turn between two chunks.
                if self.size > chunk.len() as u64 {
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
            Hashing::Parallel { sha256, blake3, .. } => {
                sha256.send(chunk.clone()).await?;
                blake3.send(chunk.clone()).await
            }
        }
    }

    fn leave_this_thread(&mut self) {
        if let Hashing::Inline { sha256, blake3 } = &mut self.hashing {
            let Ok(turn) = PARALLEL.try_acquire() else { return };
            self.hashing = Hashing::Parallel {
                turn,
                sha256: Lane::start(
                    std::mem::take(&mut **sha256),
                    |hash, chunk| hash.update(chunk),
                    sha256_of,
                ),
                blake3: Lane::start(
                    std::mem::take(&mut **blake3),
                    |hash, chunk| {
                        hash.update(chunk);
                    },
                    blake3_of,
                ),
            };
        }
    }

    /// The digests of everything seen.
    pub(crate) async fn finish(self) -> Result<Digests, StoreError> {
        let (sha256, blake3) = match self.hashing {
            Hashing::Inline { sha256, blake3 } => (sha256_of(*sha256), blake3_of(*blake3)),
            Hashing::Parallel { sha256, blake3, turn } => {
                let digests = (sha256.finish().await?, blake3.finish().await?);
                drop(turn);
                digests
            }
        };
        Ok(Digests { size: self.size, sha256, blake3 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn digests_do_not_depend_on_how_the_stream_is_cut() {
        let bytes: Vec<u8> = (0..9_000_001_u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
        for chunk in [1000, 131_072, 131_073, 9_000_001] {
            let mut digester = Digester::new();
            for part in bytes.chunks(chunk) {
                digester.update(&Bytes::copy_from_slice(part)).await.unwrap();
            }
            let digests = digester.finish().await.unwrap();
            assert_eq!(digests.size, 9_000_001);
            assert_eq!(digests.sha256, Sha256Digest::of(&bytes));
            assert_eq!(digests.blake3.as_bytes(), blake3::hash(&bytes).as_bytes());
        }
    }

    #[tokio::test]
    async fn a_crowd_of_streams_is_hashed_like_one() {
        let bytes = vec![7; 6_000_000];
        let hashes = (0..40).map(|_| async {
            let mut digester = Digester::new();
            for part in bytes.chunks(100_000) {
                digester.update(&Bytes::copy_from_slice(part)).await.unwrap();
                tokio::task::yield_now().await;
            }
            digester.finish().await.unwrap()
        });
        for digests in futures::future::join_all(hashes).await {
            assert_eq!(digests, Digests::of(&bytes));
        }
    }
}

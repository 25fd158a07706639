//! Bytes on their way up: counted, hashed, watched.

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact_domain::digest::Blake3Digest;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use tokio::time::Instant;

/// Bytes that are handed over at a time: a slow line shows that it moves before this many have
/// gone.
const PIECE: usize = 64 * 1024;

/// What an upload's body does, seen from outside.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug)]
struct Seen {
    last_progress: Instant,
    /// Whether the last byte was handed over, and what they were.
    sent: Option<Sent>,
    is_sent: bool,
    /// Why the body could not be had.
    error: Option<Box<dyn Error + Send + Sync>>,
}

/// What was sent. The server says both digests of what it stored; here BLAKE3 is compared, because
/// it costs a sender a fraction of SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) size: u64,
    pub(crate) blake3: Blake3Digest,
}

impl Sent {
    /// What a file in memory is when it is sent.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let blake3 = Blake3Digest::from_bytes(*blake3::hash(bytes).as_bytes());
        Self { size: bytes.len() as u64, blake3 }
    }
}

impl Watch {
    /// A body that is still to be sent.
    pub(crate) fn new() -> Self {
        let seen = Seen { last_progress: Instant::now(), sent: None, is_sent: false, error: None };
        Self { seen: Arc::new(Mutex::new(seen)) }
    }

    /// There is no body, or one that goes in a moment.
    pub(crate) fn sent() -> Self {
        let watch = Self::new();
        watch.lock().is_sent = true;
        watch
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the body moved last, and whether it is out.
    pub(crate) fn last_progress(&self) -> (Instant, bool) {
        let seen = self.lock();
        (seen.last_progress, seen.is_sent)
    }

    /// What was sent, if all of it was.
    pub(crate) fn all_that_was_sent(&self) -> Option<Sent> {
        self.lock().sent
    }

    /// Why the body could not be had, if that is what happened.
    pub(crate) fn take_error(&self) -> Option<Box<dyn Error + Send + Sync>> {
        self.lock().error.take()
    }

    fn progressed(&self) {
        self.lock().last_progress = Instant::now();
    }

    fn finished(&self, sent: Sent) {
        let mut seen = self.lock();
        (seen.last_progress, seen.sent, seen.is_sent) = (Instant::now(), Some(sent), true);
    }

    fn failed(&self, error: Box<dyn Error + Send + Sync>) -> io::Error {
        let told = io::Error::other(error.to_string());
        self.lock().error = Some(error);
        told
    }
}

/// A source that says something else than was announced.
fn not_announced(announced: u64, found: &str) -> Box<dyn Error + Send + Sync> {
    format!("{announced} bytes were announced, and {found}").into()
}

struct Outgoing<S> {
    source: S,
    watch: Watch,
    announced: Option<u64>,
    hash: Box<blake3::Hasher>,
    size: u64,
    /// What was read and is not handed over yet.
    pending: Bytes,
    is_over: bool,
}

/// The bytes of `source` in small pieces. `watch` sees how far they are, and what they were once
/// the last one is handed over. If a size was announced, the last piece is held back until the
/// source has ended well: whatever is wrong with it, nothing of the announced size has gone.
pub(crate) fn outgoing<S, E>(
    source: S,
    announced: Option<u64>,
    watch: Watch,
) -> BoxStream<'static, io::Result<Bytes>>
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
{
    let source = source.boxed();
    let pending = Bytes::new();
    let start = Outgoing {
        source,
        watch,
        announced,
        hash: Box::default(),
        size: 0,
        pending,
        is_over: false,
    };
    futures::stream::try_unfold(start, |mut state| async move {
        loop {
            if state.is_over && state.pending.is_empty() {
                return Ok(None);
            }
            if state.pending.len() > PIECE || (state.is_over && !state.pending.is_empty()) {
                let piece = state.pending.split_to(state.pending.len().min(PIECE));
                state.watch.progressed();
                if state.is_over && state.pending.is_empty() {
                    state.watch.finished(Sent { size: state.size, blake3: state.digest() });
                }
                return Ok(Some((piece, state)));
            }
            // At most one piece is left. It may be the last one, so the next is looked at first.
            let next = state.next().await.map_err(|error| state.watch.failed(error))?;
            match next {
                Some(chunk) if state.pending.is_empty() => state.pending = chunk,
                Some(chunk) => {
                    let piece = std::mem::replace(&mut state.pending, chunk);
                    state.watch.progressed();
                    return Ok(Some((piece, state)));
                }
                None => {
                    state.is_over = true;
                    if state.pending.is_empty() {
                        state.watch.finished(Sent { size: state.size, blake3: state.digest() });
                    }
                }
            }
        }
    })
    .boxed()
}

impl<E> Outgoing<BoxStream<'static, Result<Bytes, E>>>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    /// The next bytes of the source that are not nothing, counted and hashed.
    async fn next(&mut self) -> Result<Option<Bytes>, Box<dyn Error + Send + Sync>> {
        loop {
            let Some(chunk) = self.source.next().await.transpose().map_err(Into::into)? else {
                return match self.announced {
                    Some(size) if size != self.size => {
                        Err(not_announced(size, &format!("{} came", self.size)))
                    }
                    _ => Ok(None),
                };
            };
            self.size += chunk.len() as u64;
            if let Some(size) = self.announced.filter(|size| *size < self.size) {
                return Err(not_announced(size, "more came"));
            }
            if !chunk.is_empty() {
                self.hash.update(&chunk);
                return Ok(Some(chunk));
            }
        }
    }

    fn digest(&self) -> Blake3Digest {
        Blake3Digest::from_bytes(*self.hash.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;

    use super::*;

    type Chunk = Result<Bytes, String>;

    async fn send(chunks: Vec<Chunk>, announced: Option<u64>) -> (io::Result<Vec<Bytes>>, Watch) {
        let watch = Watch::new();
        let body = outgoing(futures::stream::iter(chunks), announced, watch.clone());
        (body.try_collect().await, watch)
    }

    fn bytes(size: usize) -> Bytes {
        vec![b'x'; size].into()
    }

    #[tokio::test]
    async fn bytes_go_in_small_pieces_and_are_counted_and_hashed() {
        for sizes in [vec![], vec![0], vec![1], vec![PIECE], vec![200_000, 0, 3, PIECE + 1]] {
            let total: usize = sizes.iter().sum();
            let chunks: Vec<Chunk> = sizes.into_iter().map(|size| Ok(bytes(size))).collect();
            for announced in [None, Some(total as u64)] {
                let (pieces, watch) = send(chunks.clone(), announced).await;
                let pieces = pieces.unwrap();
                assert!(pieces.iter().all(|piece| (1..=PIECE).contains(&piece.len())));
                assert_eq!(pieces.iter().map(Bytes::len).sum::<usize>(), total);
                assert_eq!(watch.all_that_was_sent(), Some(Sent::of(&vec![b'x'; total])));
                assert!(watch.last_progress().1);
            }
        }
    }

    #[tokio::test]
    async fn the_last_piece_waits_for_the_end_of_the_source() {
        for (last, announced) in [
            (vec![Err("it changed".to_owned())], Some(10)),
            (vec![Ok(bytes(1))], Some(10)),
            (vec![], Some(11)),
            (vec![Err("it changed".to_owned())], None),
        ] {
            let mut chunks = vec![Ok(bytes(10))];
            chunks.extend(last);
            let watch = Watch::new();
            let mut body = outgoing(futures::stream::iter(chunks), announced, watch.clone());
            assert!(body.next().await.unwrap().is_err());
            assert_eq!(watch.all_that_was_sent(), None);
            assert!(watch.take_error().is_some());
        }
    }
}

//! Writing an object: streamed, create-only, invisible until it is published.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, PutPayload};
use tokio::task::JoinSet;

use crate::crowd::{Crowd, Member, Share};
use crate::{ObjectFacts, ObjectKey, StorageError};

/// Pieces shorter than this many bytes are joined: a client that sends single bytes must not make
/// a part cost thirty times its size in bookkeeping.
const SHORT_PIECE: usize = 16 * 1024;

/// How long whoever gives an object up waits until what was staged of it is gone.
const ABORT_PATIENCE: Duration = Duration::from_secs(2);

/// Writes one new object. Nothing is visible under its key before [`ObjectWriter::publish`].
///
/// An object that fits into one part (1 MiB on a local folder, 8 MiB in a bucket, less in a crowd
/// of writers) is collected and put at once; a longer one goes out in parts while it comes in, of
/// all writers at most four on their way. So the memory of a writer is bounded, and that of a
/// crowd: on a bucket, a write may wait until other writers have sent theirs. Dropping it gives it
/// up, as [`ObjectWriter::abort`] does, but without waiting.
pub struct ObjectWriter {
    store: Arc<dyn ObjectStore>,
    key: ObjectKey,
    path: Path,
    crowd: Member,
    size: u64,
    part: Part,
    /// What the part has of the budget, if it is large enough to need some.
    share: Option<Share>,
    sent: usize,
    upload: Option<Box<dyn MultipartUpload>>,
    in_flight: JoinSet<object_store::Result<()>>,
    /// A piece was lost: an error, or a caller that dropped the future of a write half-way. Such
    /// an object must never be published.
    broken: bool,
}

impl ObjectWriter {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, key: &ObjectKey, crowd: Arc<Crowd>) -> Self {
        Self {
            crowd: Member::join(crowd),
            store,
            key: key.clone(),
            path: key.path(),
            size: 0,
            part: Part::default(),
            share: None,
            sent: 0,
            upload: None,
            in_flight: JoinSet::new(),
            broken: false,
        }
    }

    /// The key that the object will have.
    pub fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// The bytes that were written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Writes the next bytes of the object. It returns when they are taken over, not when they are
    /// stored; an error of an earlier chunk may be reported by a later one or by `publish`.
    pub async fn write(&mut self, chunk: Bytes) -> Result<(), StorageError> {
        self.check_whole()?;
        self.broken = true;
        self.take(chunk).await?;
        self.broken = false;
        Ok(())
    }

    /// Gives the object its key, if the key is free, and says what is known of it. It is durable
    /// only after [`Storage::sync_package`](crate::Storage::sync_package).
    ///
    /// After an error nothing has changed under the key. After [`StorageError::AlreadyExists`] the
    /// bytes that were written are still there: the caller may make the key free and publish
    /// again. After any other error, and after success, the writer is spent.
    pub async fn publish(&mut self) -> Result<ObjectFacts, StorageError> {
        self.check_whole()?;
        // A caller that drops this future half-way must not publish what is left later.
        self.broken = true;
        let result = if self.upload.is_some() {
            self.complete().await
        } else {
            let payload = self.part.take();
            let mode = object_store::PutMode::Create;
            let put = self.store.put_opts(&self.path, payload.clone(), mode.into()).await;
            payload.into_iter().for_each(|piece| self.part.push(piece));
            put.map_err(|e| self.error(e))
        };
        match result {
            Ok(result) => {
                self.upload = None;
                self.part.take();
                self.share = None;
                let key = self.key.as_str().to_owned();
                Ok(ObjectFacts { key, size: self.size, etag: result.e_tag })
            }
            Err(error @ StorageError::AlreadyExists { .. }) => {
                self.broken = false;
                Err(error)
            }
            Err(error) => {
                self.give_up().await;
                Err(error)
            }
        }
    }

    /// Gives the object up and removes what was staged of it. Best effort: what cannot be removed
    /// within two seconds is removed later, or is cleared when this writer is dead.
    pub async fn abort(mut self) {
        self.give_up().await;
    }

    async fn give_up(&mut self) {
        self.in_flight.shutdown().await;
        self.part.take();
        self.share = None;
        if let Some(mut upload) = self.upload.take() {
            // A gateway that did not take the bytes may not take this either, and whoever waits
            // has waited for it once already. So it goes on without them.
            let aborting = tokio::spawn(async move { upload.abort().await });
            let _ = tokio::time::timeout(ABORT_PATIENCE, aborting).await;
        }
    }

    fn check_whole(&self) -> Result<(), StorageError> {
        if self.broken {
            return Err(StorageError::Interrupted { key: self.key.as_str().to_owned() });
        }
        Ok(())
    }

    async fn take(&mut self, mut chunk: Bytes) -> Result<(), StorageError> {
        self.size += chunk.len() as u64;
        while !chunk.is_empty() {
            // A part goes out only when more bytes follow it, so that an object of exactly one
            // part is one put.
            if self.part.len == self.crowd.part_bytes(self.sent) {
                self.send_part().await?;
            }
            let whole = self.crowd.part_bytes(self.sent);
            let free = self.crowd.crowd().limits().free;
            if self.share.is_none() && self.part.len >= free {
                self.share = self.crowd.crowd().share(whole).await;
            }
            let most = if self.share.is_some() { whole } else { free.min(whole) };
            let room = most - self.part.len;
            self.part.push(chunk.split_to(room.min(chunk.len())));
        }
        Ok(())
    }

    async fn send_part(&mut self) -> Result<(), StorageError> {
        while self.in_flight.len() >= self.crowd.crowd().limits().in_flight {
            self.finish_a_part().await?;
        }
        if self.upload.is_none() {
            let options = object_store::PutMultipartOptions::default();
            let upload = self.store.put_multipart_opts(&self.path, options).await;
            self.upload = Some(upload.map_err(|e| self.error(e))?);
        }
        if let Some(upload) = &mut self.upload {
            // Spawned, because a part of S3 makes no progress unless it is polled, and the caller
            // is hashing meanwhile.
            let turn = self.crowd.crowd().turn().await;
            let (part, share) = (upload.put_part(self.part.take()), self.share.take());
            self.sent += 1;
            self.in_flight.spawn(async move {
                let done = part.await;
                drop((turn, share));
                done
            });
        }
        Ok(())
    }

    async fn finish_a_part(&mut self) -> Result<(), StorageError> {
        match self.in_flight.join_next().await {
            Some(Ok(part)) => part.map_err(|e| self.error(e)),
            Some(Err(lost)) => Err(self.error(lost.into())),
            None => Ok(()),
        }
    }

    async fn complete(&mut self) -> Result<object_store::PutResult, StorageError> {
        if self.part.len > 0 {
            self.send_part().await?;
        }
        while !self.in_flight.is_empty() {
            self.finish_a_part().await?;
        }
        match &mut self.upload {
            Some(upload) => upload.complete().await.map_err(|e| self.error(e)),
            None => Err(StorageError::Interrupted { key: self.key.as_str().to_owned() }),
        }
    }

    fn error(&self, error: object_store::Error) -> StorageError {
        StorageError::from_object_store("write", self.key.as_str(), error)
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        // The local folder cleans up when the upload is dropped; S3 has to be told, which takes
        // a runtime. Without one, the upload is dropped here and that is all we can do.
        if let Some(mut upload) = self.upload.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let mut in_flight = std::mem::take(&mut self.in_flight);
            runtime.spawn(async move {
                in_flight.shutdown().await;
                let _ = upload.abort().await;
            });
        }
    }
}

impl fmt::Debug for ObjectWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectWriter")
            .field("key", &self.key)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// The part that is being collected. Long chunks are kept as they came, without a copy.
#[derive(Default)]
struct Part {
    pieces: Vec<Bytes>,
    tail: BytesMut,
    len: usize,
}

impl Part {
    fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        if piece.len() < SHORT_PIECE && !(self.pieces.is_empty() && self.tail.is_empty()) {
            self.tail.extend_from_slice(&piece);
            return;
        }
        self.end_tail();
        self.pieces.push(piece);
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(self.tail.split().freeze());
        }
    }

    fn take(&mut self) -> PutPayload {
        self.end_tail();
        self.len = 0;
        self.pieces.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_bytes_do_not_pile_up_as_pieces() {
        let mut part = Part::default();
        for byte in 0..100_000_u32 {
            part.push(Bytes::copy_from_slice(&byte.to_le_bytes()[..1]));
        }
        assert_eq!(part.len, 100_000);
        let payload = part.take();
        assert_eq!((payload.as_ref().len(), payload.content_length()), (2, 100_000));
    }

    #[test]
    fn long_and_short_pieces_keep_their_order() {
        let mut part = Part::default();
        let mut expected = Vec::new();
        for (n, len) in [(1_u8, 3), (2, SHORT_PIECE), (3, 5), (4, 7), (5, SHORT_PIECE)] {
            part.push(Bytes::from(vec![n; len]));
            expected.extend(vec![n; len]);
        }
        let joined: Vec<u8> = part.take().into_iter().flatten().collect();
        assert_eq!(joined, expected);
        assert_eq!(part.len, 0);
    }
}

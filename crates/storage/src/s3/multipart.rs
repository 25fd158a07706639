//! Objects in parts.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::path::Path;
use object_store::{
    Error, MultipartUpload, ObjectStoreExt as _, PutPayload, PutResult, Result, UploadPart,
};

use super::Bucket;

/// An object that is sent in parts. Unlike the upload of `object_store` it looks whether the key
/// is taken before it completes, and may be completed again when the key has become free.
#[derive(Debug)]
pub(super) struct BucketUpload {
    bucket: Arc<Bucket>,
    /// The object's key with the prefix.
    path: Path,
    id: String,
    begun: usize,
    done: Arc<Mutex<Vec<(usize, PartId)>>>,
}

impl BucketUpload {
    pub(super) async fn begin(bucket: Arc<Bucket>, path: Path) -> Result<Self> {
        let id = bucket.s3.create_multipart(&path).await?;
        Ok(Self { bucket, path, id, begun: 0, done: Arc::default() })
    }

    /// Completes it without a look at the key: what then happens to an object that is there, is
    /// for a probe to find out.
    pub(super) async fn complete_blindly(&mut self) -> Result<PutResult> {
        let mut parts = self.done.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if parts.len() != self.begun {
            let source = "a part of it was not sent".into();
            return Err(Error::Generic { store: "S3", source });
        }
        parts.sort_unstable_by_key(|(index, _)| *index);
        let parts = parts.into_iter().map(|(_, part)| part).collect();
        match self.bucket.s3.complete_multipart(&self.path, &self.id, parts).await {
            Err(Error::Precondition { path, source }) => Err(Error::AlreadyExists { path, source }),
            done => done,
        }
    }

    /// The object's `ETag` as a lookup tells it: Ceph 16 leaves it empty when it completes, and
    /// without its quotes when it completes again because the first answer was lost. The object
    /// is there, so a lookup that fails is no error.
    async fn etag(&self, completed: PutResult) -> PutResult {
        let told =
            completed.e_tag.as_ref().is_some_and(|etag| etag.len() > 2 && etag.starts_with('"'));
        if told {
            return completed;
        }
        let e_tag = self.bucket.s3.head(&self.path).await.ok().and_then(|meta| meta.e_tag);
        PutResult { e_tag, ..completed }
    }
}

#[async_trait]
impl MultipartUpload for BucketUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let index = self.begun;
        self.begun += 1;
        let (bucket, done) = (Arc::clone(&self.bucket), Arc::clone(&self.done));
        let (path, id) = (self.path.clone(), self.id.clone());
        Box::pin(async move {
            let part = bucket.s3.put_part(&path, &id, index, data).await?;
            done.lock().unwrap_or_else(PoisonError::into_inner).push((index, part));
            Ok(())
        })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        match self.bucket.s3.head(&self.path).await {
            Err(Error::NotFound { .. }) => {
                let completed = self.complete_blindly().await?;
                Ok(self.etag(completed).await)
            }
            Err(error) => Err(error),
            Ok(_) => {
                let source = "it was there before the upload was completed".into();
                Err(Error::AlreadyExists { path: self.path.to_string(), source })
            }
        }
    }

    async fn abort(&mut self) -> Result<()> {
        self.bucket.s3.abort_multipart(&self.path, &self.id).await
    }
}

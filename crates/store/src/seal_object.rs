//! Writing the tag files of a bag that is being sealed.

use artifact_domain::digest::Sha256Digest;
use artifact_storage::{ObjectKey, ObjectWriter, Storage, StorageError};
use bytes::Bytes;
use futures::TryStreamExt as _;
use sha2::{Digest as _, Sha256};

use crate::error::StoreError;

/// A tag file that is written and hashed in pieces.
pub(crate) struct TagObject {
    storage: Storage,
    key: ObjectKey,
    writer: ObjectWriter,
    sha256: Sha256,
}

/// What happened to a tag file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is in storage with these bytes.
    AsMeant,
    /// There is one with other bytes.
    Differs,
}

impl TagObject {
    pub(crate) async fn begin(storage: &Storage, key: ObjectKey) -> Result<Self, StoreError> {
        let writer = storage.write(&key).await?;
        Ok(Self { storage: storage.clone(), key, writer, sha256: Sha256::new() })
    }

    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.sha256.update(&bytes);
        Ok(self.writer.write(bytes).await?)
    }

    /// The SHA-256 of what was written so far.
    pub(crate) fn sha256(&self) -> Sha256Digest {
        Sha256Digest::from_bytes(self.sha256.clone().finalize().into())
    }

    /// Publishes the file. One that is there already is left alone if it has the same bytes: a
    /// finalize that was interrupted, or that runs beside this one, wrote it. Other bytes are of
    /// an attempt before the package changed, and go if `still_meant` says, at that very moment,
    /// that this attempt is not the outdated one.
    pub(crate) async fn publish(
        mut self,
        still_meant: impl AsyncFnOnce() -> Result<bool, StoreError>,
    ) -> Result<Written, StoreError> {
        match self.writer.publish().await {
            Ok(_) => return Ok(Written::AsMeant),
            Err(StorageError::AlreadyExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if stored_sha256(&self.storage, &self.key).await? == Some(self.sha256()) {
            return Ok(Written::AsMeant);
        }
        if !still_meant().await? {
            return Ok(Written::Differs);
        }
        self.storage.delete(&self.key).await?;
        match self.writer.publish().await {
            Ok(_) => Ok(Written::AsMeant),
            Err(StorageError::AlreadyExists { .. }) => Ok(Written::Differs),
            Err(error) => Err(error.into()),
        }
    }
}

/// The SHA-256 of a stored object; `None` if it is not there.
pub(crate) async fn stored_sha256(
    storage: &Storage,
    key: &ObjectKey,
) -> Result<Option<Sha256Digest>, StoreError> {
    let mut reader = match storage.read(key, None).await {
        Ok(reader) => reader,
        Err(StorageError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut sha256 = Sha256::new();
    while let Some(chunk) = reader.stream.try_next().await? {
        sha256.update(&chunk);
    }
    Ok(Some(Sha256Digest::from_bytes(sha256.finalize().into())))
}

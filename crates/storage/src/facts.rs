//! The values of the interface that are no more than values.

use std::time::Duration;

use artifact_domain::PackageId;

use crate::key;

/// What the storage itself knows of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Its key, `packages/<package id>/...`.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// A token that changes whenever the object's bytes are written again, if the backend has
    /// one. On a local folder it is `<inode>-<mtime in ns>-<size>` in hexadecimal; in a bucket it
    /// is the gateway's `ETag`, with its quotes.
    pub etag: Option<String>,
}

impl ObjectFacts {
    /// The logical path, if this is a payload file of `package`.
    pub fn payload_path(&self, package: PackageId) -> Option<&str> {
        key::payload_path(&self.key, package)
    }
}

/// What [`Storage::put`](crate::Storage::put) does when the key is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// Nothing: it is [`StorageError::AlreadyExists`](crate::StorageError::AlreadyExists).
    Create,
    /// Replaces the object. A reader sees the old bytes or the new ones, never a mixture.
    Overwrite,
}

/// Whether a writer may still be writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It is.
    Alive,
    /// It is gone, and what it staged will never be published.
    Dead,
    /// The backend cannot say; wait until it would have timed out.
    Unknown,
}

/// What a probe of the storage found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// The time that it took to write, read and delete one small object.
    pub latency: Duration,
}

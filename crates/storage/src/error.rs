//! The one error of this crate.

use std::error::Error;
use std::io;

use crate::s3;

/// What went wrong with an object, a folder or the storage as a whole. The text of each is a
/// fragment that says what was attempted, on what, and what to do about it.
///
/// `operation` is a verb (`read`, `write`, `list`); `path` is the full path of the file or folder
/// on a local storage, and a key elsewhere.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// There is no object of this key.
    #[error("{operation} {key}: the storage has no such object")]
    NotFound {
        /// What was attempted.
        operation: &'static str,
        /// The object's key.
        key: String,
    },
    /// An object was to be created whose key is taken. The object that is there is unchanged.
    #[error("create {key}: the storage has an object of this key, and objects are written once")]
    AlreadyExists {
        /// The object's key.
        key: String,
    },
    /// A range was asked for that does not lie in the object.
    #[error("read bytes {start} up to {end} of {key}: it has {size} bytes")]
    RangeNotSatisfiable {
        /// The object's key.
        key: String,
        /// The first byte that was asked for.
        start: u64,
        /// The byte after the last that was asked for.
        end: u64,
        /// The object's size in bytes.
        size: u64,
    },
    /// An object ended before its recorded end while it was read.
    #[error(
        "read {key}: it ended after {received} of {expected} bytes, so it was cut or replaced meanwhile; verify its package"
    )]
    Truncated {
        /// The object's key.
        key: String,
        /// The bytes that the read was to deliver.
        expected: u64,
        /// The bytes that it could deliver.
        received: u64,
    },
    /// The device is full or the user's quota is used up.
    #[error(
        "{operation} {path}: no space is left, or the quota is used up; free some and try again"
    )]
    OutOfSpace {
        /// What was attempted.
        operation: &'static str,
        /// What it was attempted on.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The folder may not be written, or not be entered or read.
    #[error(
        "{operation} {path}: permission denied or read-only file system; check the mount options and who owns the folder"
    )]
    ReadOnly {
        /// What was attempted.
        operation: &'static str,
        /// What it was attempted on.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The gateway of a bucket refused the credentials, or what was attempted with them.
    #[error(
        "{operation} {path}: access denied; check ARTIFACT_STORE_S3_ACCESS_KEY_ID, ARTIFACT_STORE_S3_SECRET_ACCESS_KEY, what they may do in the bucket, and this machine's clock"
    )]
    Denied {
        /// What was attempted.
        operation: &'static str,
        /// What it was attempted on.
        path: String,
        /// What the gateway said.
        #[source]
        source: io::Error,
    },
    /// The gateway of a bucket does not answer while the storage is opened.
    #[error(
        "open {path} as a storage: {endpoint} cannot be reached; check ARTIFACT_STORE_S3_ENDPOINT and the network"
    )]
    Unreachable {
        /// The storage's address.
        path: String,
        /// The gateway's.
        endpoint: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A symlink lies in the storage. We make none, so somebody planted it.
    #[error(
        "{operation} {path}: this is a symlink and was not followed; remove it, the storage makes none"
    )]
    Symlink {
        /// What was attempted.
        operation: &'static str,
        /// The symlink.
        path: String,
    },
    /// Something stands where an object or a folder has to be: a folder in an object's place, a
    /// file in a folder's, a device, a name that no key can have.
    #[error("{operation} {path}: there is {found}; remove it, or use another name")]
    Obstructed {
        /// What was attempted.
        operation: &'static str,
        /// Where it stands.
        path: String,
        /// What it is, with its article.
        found: &'static str,
    },
    /// The folder cannot be opened as a storage because it is not one.
    #[error("open {path} as a storage: {reason}")]
    NotAStorage {
        /// The folder.
        path: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// The folder's marker is not one of ours, or not of this version.
    #[error("read the marker {path}: {reason}")]
    WrongMarker {
        /// The marker.
        path: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// Something was to be written before [`Storage::enter`](crate::Storage::enter).
    #[error(
        "{operation} {key}: this process has not entered the storage as a writer; call enter first"
    )]
    NotEntered {
        /// What was attempted.
        operation: &'static str,
        /// The object's key.
        key: String,
    },
    /// Another live process is the writer of this number.
    #[error(
        "enter as writer {writer}: {path} is locked, so that writer is alive; enter with a number of your own"
    )]
    WriterTaken {
        /// The number.
        writer: i64,
        /// The lock file.
        path: String,
    },
    /// This storage was entered under another number before.
    #[error(
        "enter as writer {writer}: this storage was entered as writer {present} already; open it again for another"
    )]
    AlreadyEntered {
        /// The number that was asked for.
        writer: i64,
        /// The number that it has.
        present: i64,
    },
    /// An earlier piece of the same object could not be written, or its writing was given up.
    #[error(
        "write {key}: an earlier piece of it was not written, so it cannot be completed; write it again"
    )]
    Interrupted {
        /// The object's key.
        key: String,
    },
    /// Any other failure of the system or the backend. It may pass; nothing was promised.
    #[error("{operation} {path}: the storage failed; see the cause and try again")]
    Unavailable {
        /// What was attempted.
        operation: &'static str,
        /// What it was attempted on.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl StorageError {
    /// What an I/O error of the system means for what was attempted.
    pub(crate) fn io(
        operation: &'static str,
        path: impl Into<String>,
        source: impl Into<io::Error>,
    ) -> Self {
        use io::ErrorKind;

        let (path, source) = (path.into(), source.into());
        match source.kind() {
            ErrorKind::NotFound => Self::NotFound { operation, key: path },
            ErrorKind::AlreadyExists => Self::AlreadyExists { key: path },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                Self::OutOfSpace { operation, path, source }
            }
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
                Self::ReadOnly { operation, path, source }
            }
            _ => Self::Unavailable { operation, path, source },
        }
    }

    /// A failure of the backend that no other variant describes.
    pub(crate) fn unavailable(
        operation: &'static str,
        path: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::Unavailable { operation, path: path.into(), source: io::Error::other(source) }
    }

    /// Packs this error so that it travels through the trait `ObjectStore`, which cannot say as
    /// much; [`StorageError::from_object_store`] unpacks it.
    pub(crate) fn into_object_store(self) -> object_store::Error {
        match self {
            Self::NotFound { ref key, .. } => {
                object_store::Error::NotFound { path: key.clone(), source: Box::new(self) }
            }
            Self::AlreadyExists { ref key } => {
                object_store::Error::AlreadyExists { path: key.clone(), source: Box::new(self) }
            }
            other => object_store::Error::Generic { store: "local", source: Box::new(other) },
        }
    }

    /// What an error of a backend means for what was attempted on `key`.
    pub(crate) fn from_object_store(
        operation: &'static str,
        key: &str,
        error: object_store::Error,
    ) -> Self {
        use object_store::Error as E;

        // What is ours travels as it is; what is a gateway's has to be understood first.
        match error {
            E::NotFound { path, source } => unpack(source)
                .unwrap_or_else(|source| s3::meaning(operation, key, E::NotFound { path, source })),
            E::AlreadyExists { path, source } => unpack(source).unwrap_or_else(|source| {
                s3::meaning(operation, key, E::AlreadyExists { path, source })
            }),
            E::Generic { store, source } => unpack(source)
                .unwrap_or_else(|source| s3::meaning(operation, key, E::Generic { store, source })),
            other => s3::meaning(operation, key, other),
        }
    }
}

fn unpack(
    source: Box<dyn Error + Send + Sync>,
) -> Result<StorageError, Box<dyn Error + Send + Sync>> {
    source.downcast::<StorageError>().map(|error| *error)
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn what_the_system_says_becomes_what_it_means() {
        let of = |errno: Errno| StorageError::io("write", "/srv/x", errno);
        for full in [Errno::NOSPC, Errno::DQUOT] {
            assert!(matches!(of(full), StorageError::OutOfSpace { .. }));
        }
        for refused in [Errno::ROFS, Errno::ACCESS, Errno::PERM] {
            assert!(matches!(of(refused), StorageError::ReadOnly { .. }));
        }
        assert!(matches!(of(Errno::IO), StorageError::Unavailable { .. }));
        assert!(of(Errno::NOSPC).to_string().starts_with("write /srv/x: no space is left"));
    }

    #[test]
    fn an_error_travels_through_the_trait_unchanged() {
        for error in [
            StorageError::NotFound { operation: "read", key: "k".to_owned() },
            StorageError::AlreadyExists { key: "k".to_owned() },
            StorageError::Symlink { operation: "read", path: "k".to_owned() },
            StorageError::io("write", "k", Errno::NOSPC),
        ] {
            let (text, kind) = (error.to_string(), std::mem::discriminant(&error));
            let back = StorageError::from_object_store("other", "x", error.into_object_store());
            assert_eq!((back.to_string(), std::mem::discriminant(&back)), (text, kind));
        }
    }
}

//! The marker of a local storage: made once, whoever else makes it at the same time.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::time::SystemTime;

use artifact_domain::Timestamp;
use artifact_domain::id::StorageId;
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{AtFlags, OFlags, linkat, openat, unlinkat};
use rustix::io::Errno;

use super::dir::Root;
use super::staging::{FILE_MODE, MARKER_SUFFIX, STAGING};
use crate::{StorageError, marker};

/// The identity of the storage in `root`, if it has a marker.
pub(super) fn read(root: &Root) -> Result<Option<StorageId>, StorageError> {
    let file = match root.open_at(marker::NAME, OFlags::RDONLY | OFlags::NONBLOCK) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(root.explain("read", marker::NAME, error)),
    };
    let mut bytes = Vec::new();
    let read = file.take(marker::MAX_BYTES).read_to_end(&mut bytes);
    read.map_err(|error| StorageError::io("read", root.shown(marker::NAME), error))?;
    let path = || root.shown(marker::NAME);
    marker::decode(&bytes)
        .map(Some)
        .map_err(|reason| StorageError::WrongMarker { path: path(), reason })
}

/// Gives the storage in `root` an identity, or finds the one that somebody else just gave it.
pub(super) fn create(root: &Root) -> Result<StorageId, StorageError> {
    if root.folder("packages").is_ok()
        // Another process may have made the marker and a first package since we looked.
        && read(root)?.is_none()
    {
        // A new id would make these packages strangers to the registry that knows them.
        return Err(StorageError::NotAStorage {
            path: root.path().display().to_string(),
            reason: "it has packages but no storage.json; put that file back from a backup"
                .to_owned(),
        });
    }
    let failed = |error: io::Error| StorageError::io("create", root.shown(marker::NAME), error);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(now.as_micros()).unwrap_or(0);
    let now = Timestamp::from_unix_micros(micros).map_err(|e| failed(io::Error::other(e)))?;
    let id = StorageId::generate(now);

    let staging =
        root.folder_or_create(STAGING).map_err(|error| root.explain("create", STAGING, error))?;
    // The id is new, so nobody else stages under this name.
    let name = format!("{id}{MARKER_SUFFIX}");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let staged = openat(&staging, &name, flags, FILE_MODE).map_err(|e| failed(e.into()))?;
    let linked = write_and_link(root, &staging, staged, &name, id);
    // Best effort: a writer that enters clears it otherwise.
    let _ = unlinkat(&staging, &name, AtFlags::empty());
    match linked {
        // Missing is what a writer cleared away that entered meanwhile, so there is a marker too.
        Ok(()) => {}
        Err(error)
            if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {}
        Err(error) => return Err(failed(error)),
    }
    // Also when somebody else made it: we are about to rely on it.
    rustix::fs::fsync(root.fd()).map_err(|error| failed(error.into()))?;
    // What is there is right, whoever made it.
    read(root)?.ok_or_else(|| failed(io::Error::other("it vanished while it was made")))
}

/// The marker gets its name only when its bytes are on the disk, so nobody reads half of one.
fn write_and_link(
    root: &Root,
    staging: &OwnedFd,
    staged: OwnedFd,
    name: &str,
    id: StorageId,
) -> io::Result<()> {
    let mut file = File::from(staged);
    file.write_all(marker::encode(id).as_bytes())?;
    file.sync_all()?;
    Ok(linkat(staging.as_fd(), name, root.fd(), marker::NAME, AtFlags::empty())?)
}

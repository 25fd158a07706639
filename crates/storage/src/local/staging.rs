//! Writers, their locks and what they have staged and not published.
//!
//! A writer holds an exclusive lock on `staging/<writer>.lock` for as long as it lives; the
//! kernel lets go of it when the process dies, however it dies. So a lock that can be taken is
//! the proof that the writer is dead, without any clock or process id.

use std::fs::{File, TryLockError};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use object_store::path::Path;
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, fsync, openat, unlinkat};
use rustix::io::Errno;

use super::Folder;
use super::dir::Root;
use super::lock::{LOCK_SUFFIX, lock_name, take_lock, try_lock};
use crate::{Liveness, StorageError};

/// Where writers stage, below the root.
pub(super) const STAGING: &str = "staging";
/// Where a marker is staged, after its id.
pub(super) const MARKER_SUFFIX: &str = ".marker";
/// The mode of every file, before the process's umask.
pub(super) const FILE_MODE: Mode = Mode::from_raw_mode(0o644);

/// The writer that this process is, once it has entered.
#[derive(Debug, Default)]
pub(super) struct Writers {
    own: OnceLock<Arc<Writer>>,
    entering: Mutex<()>,
}

/// A writer that lives. Its folder and its lock go when the last staged file of it is gone.
#[derive(Debug)]
pub(super) struct Writer {
    number: i64,
    staging: OwnedFd,
    folder: OwnedFd,
    counter: AtomicU64,
    _lock: File,
}

/// A file below `staging/` that is removed unless it was published.
#[derive(Debug)]
pub(super) struct Staged {
    writer: Arc<Writer>,
    name: String,
    published: bool,
}

impl Folder {
    pub(crate) fn enter(&self, number: i64) -> Result<(), StorageError> {
        // A panic while it was held has left nothing half-done that this would see.
        let _entering = self.writers.entering.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = self.writers.own.get() {
            return if own.number == number {
                Ok(())
            } else {
                Err(StorageError::AlreadyEntered { writer: number, present: own.number })
            };
        }
        let explain = |path: &str, error| self.root.explain("enter", path, error);
        let staging = self.root.folder_or_create(STAGING).map_err(|e| explain(STAGING, e))?;
        let lock = take_lock(&self.root, &staging, number)?;
        let relative = format!("{STAGING}/{number}");
        // The number may have been a dead writer's.
        remove_flat(&staging, &number.to_string()).map_err(|e| explain(&relative, e))?;
        let folder = self.root.folder_or_create(&relative).map_err(|e| explain(&relative, e))?;
        let writer = Writer { number, staging, folder, counter: AtomicU64::new(0), _lock: lock };
        clear_dead(&self.root, &writer);
        let _ = self.writers.own.set(Arc::new(writer));
        Ok(())
    }

    pub(crate) fn liveness(&self, number: i64) -> Liveness {
        if self.writers.own.get().is_some_and(|own| own.number == number) {
            return Liveness::Alive;
        }
        match self.root.open_at(&format!("{STAGING}/{}", lock_name(number)), OFlags::RDONLY) {
            // Shared, so that two who ask at the same time do not take each other for the writer.
            Ok(lock) => match File::from(lock).try_lock_shared() {
                Ok(()) => Liveness::Dead,
                Err(TryLockError::WouldBlock) => Liveness::Alive,
                Err(TryLockError::Error(_)) => Liveness::Unknown,
            },
            Err(Errno::NOENT) => Liveness::Dead,
            Err(_) => Liveness::Unknown,
        }
    }

    pub(crate) fn check_entered(
        &self,
        operation: &'static str,
        key: &str,
    ) -> Result<(), StorageError> {
        self.writer(operation, key).map(|_| ())
    }

    pub(super) fn writer(
        &self,
        operation: &'static str,
        key: &str,
    ) -> Result<&Arc<Writer>, StorageError> {
        let missing = || StorageError::NotEntered { operation, key: key.to_owned() };
        self.writers.own.get().ok_or_else(missing)
    }

    /// A new name in the writer's own folder, for a probe.
    pub(crate) fn probe_path(&self) -> Result<Path, StorageError> {
        let own = self.writer("probe", STAGING)?;
        let (number, name) = (own.number.to_string(), own.next_name());
        Ok(Path::from_iter([STAGING, &number, &format!("probe-{name}")]))
    }
}

impl Writer {
    fn next_name(&self) -> String {
        self.counter.fetch_add(1, Ordering::Relaxed).to_string()
    }

    /// Makes a new file for an object that is to be published, open for writing.
    pub(super) fn stage(self: &Arc<Self>) -> Result<(Staged, OwnedFd), Errno> {
        let name = self.next_name();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(&self.folder, &name, flags, FILE_MODE)?;
        Ok((Staged { writer: Arc::clone(self), name, published: false }, file))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Best effort: what stays is cleared by the next writer that enters. The folder goes
        // first, while the lock still says that nobody else may touch it.
        let _ = remove_flat(&self.staging, &self.number.to_string());
        let _ = unlinkat(&self.staging, lock_name(self.number), AtFlags::empty());
    }
}

impl Staged {
    pub(super) fn folder(&self) -> &OwnedFd {
        &self.writer.folder
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Waits until its bytes are on the disk.
    pub(super) fn sync(&self) -> Result<(), Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        fsync(openat(&self.writer.folder, &self.name, flags, Mode::empty())?)
    }

    /// Says that it has its key now, and no name below `staging/` that would have to go.
    pub(super) fn forget(mut self) {
        self.published = true;
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published {
            let _ = unlinkat(&self.writer.folder, &self.name, AtFlags::empty());
        }
    }
}

/// Clears what dead writers left. Best effort: the next writer will try again, and nothing that
/// is left here is ever taken for an object.
fn clear_dead(root: &Root, own: &Writer) {
    let Ok(entries) = root.open_at(STAGING, OFlags::RDONLY | OFlags::DIRECTORY).and_then(Dir::new)
    else {
        return;
    };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().to_str() else { continue };
        if name.ends_with(MARKER_SUFFIX) {
            // The storage has its marker, so this one lost the race for it.
            let _ = unlinkat(&own.staging, name, AtFlags::empty());
            continue;
        }
        let Ok(number) = name.strip_suffix(LOCK_SUFFIX).unwrap_or(name).parse::<i64>() else {
            continue;
        };
        if number == own.number {
            continue;
        }
        // A folder without a lock file gets one first, so that there is one rule for all.
        if let Ok(Some(_lock)) = try_lock(&own.staging, &lock_name(number))
            && remove_flat(&own.staging, &number.to_string()).is_ok()
        {
            let _ = unlinkat(&own.staging, lock_name(number), AtFlags::empty());
        }
    }
}

/// Removes a folder that has no folders in it. A missing one is removed already; a symlink in its
/// place is an error, and one in it is removed, not followed.
fn remove_flat(parent: &OwnedFd, name: &str) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match openat(parent, name, flags, Mode::empty()) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in Dir::read_from(folder.as_fd())?.flatten() {
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            unlinkat(&folder, entry.file_name(), AtFlags::empty())?;
        }
    }
    unlinkat(parent, name, AtFlags::REMOVEDIR)
}

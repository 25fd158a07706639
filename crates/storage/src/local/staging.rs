//! Writers, their locks and what they have staged and not published.
//!
//! A writer holds an exclusive lock on `staging/<writer>.lock` for as long as it lives; the
//! kernel lets go of it when the process dies, however it dies. So a lock that can be taken is
//! the proof that the writer is dead, without any clock or process id.

use std::ffi::{CStr, CString};
use std::fs::{File, TryLockError};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use object_store::path::Path;
use rustix::fd::{AsFd as _, OwnedFd};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, fsync, mkdirat, openat, unlinkat};
use rustix::io::Errno;

use super::Folder;
use super::dir::Root;
use super::lock::{LOCK_SUFFIX, lock_name, take_lock, try_lock};
use crate::{Liveness, StorageError};

/// Where writers stage, below the root.
pub(super) const STAGING: &str = "staging";
/// Where a marker is staged, after its id.
pub(super) const MARKER_SUFFIX: &str = ".marker";
/// Files that are made at once without waiting for each other.
const LANES: usize = 8;
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
    lanes: [Lane; LANES],
    counter: AtomicU64,
    _lock: File,
}

/// A folder that files are staged in. The kernel makes the files of one folder one after the
/// other, and whoever waits for that spins: with 10,000 small files and two cores it costs a third
/// of the time. So there are several folders, and the next is made when the others are busy.
#[derive(Debug, Default)]
struct Lane {
    making: Mutex<()>,
    folder: OnceLock<OwnedFd>,
}

/// A file below `staging/` that is removed unless it was published.
#[derive(Debug)]
pub(super) struct Staged {
    writer: Arc<Writer>,
    lane: usize,
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
        remove_staged(&staging, number).map_err(|e| explain(&relative, e))?;
        let folder = self.root.folder_or_create(&relative).map_err(|e| explain(&relative, e))?;
        let lanes: [Lane; LANES] = std::array::from_fn(|_| Lane::default());
        let _ = lanes[0].folder.set(folder);
        let writer = Writer { number, staging, lanes, counter: AtomicU64::new(0), _lock: lock };
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
        let (lane, _making) = self.free_lane();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = openat(self.folder(lane)?, &name, flags, FILE_MODE)?;
        Ok((Staged { writer: Arc::clone(self), lane, name, published: false }, file))
    }

    /// The first lane in which nobody makes a file; the first of all when all are busy.
    fn free_lane(&self) -> (usize, MutexGuard<'_, ()>) {
        let free = self
            .lanes
            .iter()
            .enumerate()
            .find_map(|(lane, at)| Some((lane, at.making.try_lock().ok()?)));
        free.unwrap_or_else(|| {
            (0, self.lanes[0].making.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }

    /// The folder of a lane: the writer's own for the first, folders in it for the others. It is
    /// made by whoever holds the lane.
    fn folder(&self, lane: usize) -> Result<&OwnedFd, Errno> {
        if let Some(folder) = self.lanes[lane].folder.get() {
            return Ok(folder);
        }
        let (own, name) = (self.folder(0)?, format!("lane-{lane}"));
        mkdirat(own, &name, Mode::from_raw_mode(0o755))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(own, &name, flags, Mode::empty())?;
        Ok(self.lanes[lane].folder.get_or_init(|| made))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Best effort: what stays is cleared by the next writer that enters. The folder goes
        // first, while the lock still says that nobody else may touch it.
        let _ = remove_staged(&self.staging, self.number);
        let _ = unlinkat(&self.staging, lock_name(self.number), AtFlags::empty());
    }
}

impl Staged {
    pub(super) fn folder(&self) -> Result<&OwnedFd, Errno> {
        self.writer.folder(self.lane)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Waits until its bytes are on the disk.
    pub(super) fn sync(&self) -> Result<(), Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        fsync(openat(self.folder()?, &self.name, flags, Mode::empty())?)
    }

    /// Says that it has its key now, and no name below `staging/` that would have to go.
    pub(super) fn forget(mut self) {
        self.published = true;
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published
            && let Ok(folder) = self.folder()
        {
            let _ = unlinkat(folder, &self.name, AtFlags::empty());
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
            && remove_staged(&own.staging, number).is_ok()
        {
            let _ = unlinkat(&own.staging, lock_name(number), AtFlags::empty());
        }
    }
}

/// Removes a writer's folder and what is in it. A missing one is removed already; a symlink in its
/// place is an error, and one in it is removed, not followed.
fn remove_folder(parent: &OwnedFd, name: &CStr) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match openat(parent, name, flags, Mode::empty()) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in Dir::read_from(folder.as_fd())?.flatten() {
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        match unlinkat(&folder, entry.file_name(), AtFlags::empty()) {
            // Linux says that it is a folder, others that it is not allowed.
            Err(Errno::ISDIR | Errno::PERM) => remove_folder(&folder, entry.file_name())?,
            done => done?,
        }
    }
    unlinkat(parent, name, AtFlags::REMOVEDIR)
}

/// Removes what a writer of this number staged.
fn remove_staged(staging: &OwnedFd, number: i64) -> Result<(), Errno> {
    let name = CString::new(number.to_string()).map_err(|_| Errno::INVAL)?;
    remove_folder(staging, &name)
}

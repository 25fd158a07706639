//! The lock files of writers.

use std::fs::{File, TryLockError};
use std::thread::sleep;
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, OFlags, fstat, openat, statat};
use rustix::io::Errno;

use super::dir::Root;
use super::staging::{FILE_MODE, STAGING};
use crate::StorageError;

/// What a lock file's name ends in, after the writer's number.
pub(super) const LOCK_SUFFIX: &str = ".lock";
/// A lock of our own number may be held for a moment by somebody who asks whether we live.
const LOCK_ATTEMPTS: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

pub(super) fn lock_name(number: i64) -> String {
    format!("{number}{LOCK_SUFFIX}")
}

/// Takes the lock of `number` and makes sure that it is the file of that name: somebody who took
/// it for a dead writer's may have removed it between our opening and our locking.
pub(super) fn take_lock(root: &Root, staging: &OwnedFd, number: i64) -> Result<File, StorageError> {
    let name = lock_name(number);
    let relative = format!("{STAGING}/{name}");
    for attempt in 0..LOCK_ATTEMPTS {
        if attempt > 0 {
            sleep(LOCK_PAUSE);
        }
        match try_lock(staging, &name) {
            Ok(Some(lock)) => return Ok(lock),
            Ok(None) => {}
            Err(error) => return Err(root.explain("enter", &relative, error)),
        }
    }
    Err(StorageError::WriterTaken { writer: number, path: root.shown(&relative) })
}

/// The locked file of this name, which is made if it is missing; `None` if it is locked, or was
/// removed before it could be.
pub(super) fn try_lock(staging: &OwnedFd, name: &str) -> Result<Option<File>, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let lock = openat(staging, name, flags | OFlags::NONBLOCK, FILE_MODE)?;
    lock_if_named(staging, name, lock.into())
}

/// Locks an opened file, if it is free and still the one of this name once it is locked.
fn lock_if_named(staging: &OwnedFd, name: &str, lock: File) -> Result<Option<File>, Errno> {
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => {
            return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO));
        }
    }
    let held = fstat(&lock)?;
    match statat(staging, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) if (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino) => Ok(Some(lock)),
        Ok(_) | Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_that_was_removed_before_it_was_locked_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let staging = OwnedFd::from(File::open(folder.path()).unwrap());
        let path = folder.path().join("1.lock");
        for made_again in [false, true] {
            let opened = File::create(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            if made_again {
                File::create(&path).unwrap();
            }
            assert!(lock_if_named(&staging, "1.lock", opened).unwrap().is_none());
        }
        let held = try_lock(&staging, "1.lock").unwrap();
        assert!(held.is_some());
        assert!(try_lock(&staging, "1.lock").unwrap().is_none());
    }
}

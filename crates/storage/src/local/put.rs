//! Writing a whole object, and giving a staged one its name.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{PutMode, PutPayload, PutResult};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, fstat, linkat, renameat, statat, unlinkat};
use rustix::io::Errno;
use tokio::task::spawn_blocking;

use super::dir::split;
use super::staging::Staged;
use super::{Folder, facts};
use crate::{ObjectFacts, ObjectKey, StorageError};

/// A folder of the key can be removed as empty between our opening it and our using it; then it
/// is made again. Somebody who wins this race so many times in a row does it on purpose.
const ATTEMPTS: u32 = 100;

/// Puts new objects one after the other, on one thread.
pub(crate) async fn put_new(
    folder: Arc<Folder>,
    objects: Vec<(ObjectKey, Bytes)>,
) -> Vec<Result<ObjectFacts, StorageError>> {
    let count = objects.len();
    let put = move || {
        objects
            .into_iter()
            .map(|(key, bytes)| {
                let size = bytes.len() as u64;
                let put = folder.put(&key.path(), &bytes.into(), &PutMode::Create)?;
                Ok(ObjectFacts { key: key.as_str().to_owned(), size, etag: put.e_tag })
            })
            .collect()
    };
    spawn_blocking(put).await.unwrap_or_else(|lost| {
        let lost = lost.to_string();
        (0..count)
            .map(|_| Err(StorageError::unavailable("write", "packages", lost.clone())))
            .collect()
    })
}

impl Folder {
    /// Stages the bytes and gives them their key.
    pub(super) fn put(
        &self,
        key: &Path,
        payload: &PutPayload,
        mode: &PutMode,
    ) -> Result<PutResult, StorageError> {
        let key = key.as_ref();
        let writer = self.writer("write", key)?;
        let staging = |error| StorageError::io("write", self.root.shown(key), error);
        let (staged, file) = writer.stage().map_err(|e| self.lost_staging(e))?;
        let mut file = File::from(file);
        for piece in payload {
            file.write_all(piece).map_err(staging)?;
        }
        let stat = fstat(&file).map_err(|e| staging(e.into()))?;
        drop(file);
        self.publish(&staged, key, mode)?;
        staged.forget();
        Ok(result(facts::etag(&stat)))
    }

    /// Gives a staged file its key. After success it has no staged name any more, and the caller
    /// has to forget it; after an error it is staged as before.
    pub(super) fn publish(
        &self,
        staged: &Staged,
        key: &str,
        mode: &PutMode,
    ) -> Result<(), StorageError> {
        let (parent, name) = split(key);
        for _ in 0..ATTEMPTS {
            let folder = self.root.folder_or_create(parent);
            let folder = match folder {
                Ok(folder) => folder,
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(self.root.explain("write", key, error)),
            };
            let named = match mode {
                PutMode::Create => create(staged, &folder, name),
                PutMode::Overwrite => self.replace(staged, &folder, name, key)?,
                PutMode::Update(_) => Err(Errno::NOTSUP),
            };
            match named {
                Ok(()) => return Ok(()),
                Err(Errno::NOENT) => {}
                Err(error) => return Err(self.root.explain("write", key, error)),
            }
        }
        Err(self.lost_staging(Errno::NOENT))
    }

    /// Takes the place of the object, if there is one; of anything else not. The rename itself
    /// would not follow a symlink, but replace it: this is only to say that there was one.
    ///
    /// The new bytes are on the disk before they take the place of old ones. Otherwise a power
    /// loss could leave an empty file where a durable object was.
    fn replace(
        &self,
        staged: &Staged,
        folder: &OwnedFd,
        name: &str,
        key: &str,
    ) -> Result<Result<(), Errno>, StorageError> {
        if let Ok(stat) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                return Err(self.root.explain("write", key, Errno::LOOP));
            }
            staged.sync().map_err(|error| self.root.explain("sync", key, error))?;
        }
        Ok(staged.folder().and_then(|from| renameat(from, staged.name(), folder, name)))
    }

    /// What an error in the own folder below `staging/` means: nobody else has any business there.
    pub(super) fn lost_staging(&self, error: Errno) -> StorageError {
        let path = self.root.shown(super::staging::STAGING);
        if error == Errno::NOENT {
            let lost = "the staged object or its folder was removed; restart this process";
            return StorageError::unavailable("write below", path, lost);
        }
        StorageError::io("write below", path, error)
    }
}

/// Gives the file its final name if that is free.
fn create(staged: &Staged, folder: &OwnedFd, name: &str) -> Result<(), Errno> {
    // One call and one change of the folder less than a link and an unlink. A file system that
    // does not know it (NFS) says "invalid".
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{RenameFlags, renameat_with};
        let flags = RenameFlags::NOREPLACE;
        match renameat_with(staged.folder()?, staged.name(), folder, name, flags) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            result => return result,
        }
    }
    link(staged, folder, name)
}

/// The same without that call.
fn link(staged: &Staged, folder: &OwnedFd, name: &str) -> Result<(), Errno> {
    linkat(staged.folder()?, staged.name(), folder, name, AtFlags::empty())?;
    // The object has its name. A second one that stays in `staging/` is cleared when this writer
    // is gone.
    let _ = unlinkat(staged.folder()?, staged.name(), AtFlags::empty());
    Ok(())
}

pub(super) fn result(etag: String) -> PutResult {
    PutResult { e_tag: Some(etag), version: None, extensions: object_store::Extensions::new() }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn both_ways_to_give_a_name_never_take_one() {
        let root = tempfile::tempdir().unwrap();
        let (folder, _) = Folder::open(root.path(), true).unwrap();
        folder.enter(1).unwrap();
        let there = folder.root.folder_or_create("packages").unwrap();
        let writer = folder.writer("write", "x").unwrap();
        for (way, name) in [(create as fn(&_, &_, &_) -> _, "renamed"), (link, "linked")] {
            let (first, file) = writer.stage().unwrap();
            File::from(file).write_all(b"first").unwrap();
            way(&first, &there, name).unwrap();
            first.forget();
            let (second, _) = writer.stage().unwrap();
            assert_eq!(way(&second, &there, name), Err(Errno::EXIST));
            drop(second);
            assert_eq!(fs::read(root.path().join("packages").join(name)).unwrap(), b"first");
            assert_eq!(fs::read_dir(root.path().join("staging/1")).unwrap().count(), 0);
        }
    }
}

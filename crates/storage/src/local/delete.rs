//! Deleting an object and the folders that became empty with it.

use std::sync::Arc;

use artifact_domain::{PackageId, bag};
use object_store::path::Path;
use rustix::fs::{AtFlags, FileType, statat, unlinkat};
use rustix::io::Errno;

use super::Folder;
use super::dir::split;
use super::list::Walk;
use crate::StorageError;

/// Segments of the folder of a package: `packages/<id>`. It and what is above it stays.
const KEPT_SEGMENTS: usize = 2;

impl Folder {
    pub(super) fn delete(&self, key: &Path) -> Result<(), StorageError> {
        let key = key.as_ref();
        let (parent, name) = split(key);
        let explain = |error| self.root.explain("delete", key, error);
        let folder = match self.root.folder(parent) {
            Ok(folder) => folder,
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => {
                return match explain(error) {
                    // A file where a folder of the key would be: there is no such object.
                    StorageError::Obstructed { .. } => Ok(()),
                    error => Err(error),
                };
            }
        };
        match statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => return Ok(()),
                // Only what we made is removed; a planted link is reported, not tidied away.
                FileType::Symlink => return Err(explain(Errno::LOOP)),
                _ => {}
            },
            Err(Errno::NOENT) => {}
            Err(error) => return Err(explain(error)),
        }
        match unlinkat(&folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(explain(error)),
        }
        drop(folder);
        self.prune(parent);
        Ok(())
    }

    /// Removes the folder of a package that has no object any more, and the folders in it that a
    /// stopped process left empty.
    pub(crate) fn remove_package(self: &Arc<Self>, package: PackageId) -> Result<(), StorageError> {
        let mut walk = Walk::new(Arc::clone(self), bag::folder(package), true);
        if let Some(found) = walk.next() {
            let path = self.root.shown(&found?.key);
            return Err(StorageError::Obstructed { operation: "remove", path, found: "an object" });
        }
        for folder in walk.folders.iter().rev() {
            let (parent, name) = split(folder);
            let parent = self.root.folder(parent);
            match parent.and_then(|parent| unlinkat(parent, name, AtFlags::REMOVEDIR)) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(self.root.explain("remove", folder, error)),
            }
        }
        Ok(())
    }

    /// Removes the folder and its parents as far as they are empty. The kernel refuses to remove
    /// one that is not, so an object that is created meanwhile is safe; and one that is about to
    /// be created makes the folder again (`Folder::publish`).
    fn prune(&self, folder: &str) {
        let mut folder = folder;
        while folder.split('/').count() > KEPT_SEGMENTS && folder.starts_with("packages/") {
            let (parent, name) = split(folder);
            let removed = self
                .root
                .folder(parent)
                .and_then(|parent| unlinkat(parent, name, AtFlags::REMOVEDIR));
            if removed.is_err() {
                // Not empty, or gone, or not ours to remove: an empty folder harms nobody.
                return;
            }
            folder = parent;
        }
    }
}

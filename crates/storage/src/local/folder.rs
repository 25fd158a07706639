//! What the operations on a local folder share, and how it is opened.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use artifact_domain::id::StorageId;

use super::aligned::Pool;
use super::dir::Root;
use super::identity;
use super::staging::Writers;
use super::sync::Flusher;
use crate::StorageError;

/// A storage in a local folder. Its methods block; [`super::LocalFolder`] runs them elsewhere.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(super) root: Root,
    pub(super) writers: Writers,
    pub(super) buffers: Pool,
    pub(super) flusher: Mutex<Flusher>,
}

impl Folder {
    /// Opens the storage in `root`, made before with `create`, and says which one it is.
    pub(crate) fn open(root: &Path, create: bool) -> Result<(Self, StorageId), StorageError> {
        if create {
            create_durably(root).map_err(|error| not_a_storage(root, error))?;
        }
        // The only symlinks that are ever followed are those that lead to the root.
        let path = root.canonicalize().map_err(|error| not_a_storage(root, error))?;
        let opened = Root::open(path).map_err(|error| not_a_storage(root, error.into()))?;
        let id = match identity::read(&opened)? {
            Some(id) => id,
            None if create => identity::create(&opened)?,
            None => {
                return Err(StorageError::NotAStorage {
                    path: opened.path().display().to_string(),
                    reason: "it has no storage.json; check the path and that the device is mounted, or let the storage be created".to_owned(),
                });
            }
        };
        let folder = Self {
            root: opened,
            writers: Writers::default(),
            buffers: Pool::default(),
            flusher: Mutex::default(),
        };
        Ok((folder, id))
    }

    /// The root's canonical path.
    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }
}

fn not_a_storage(root: &Path, error: io::Error) -> StorageError {
    let path = root.display().to_string();
    let reason = match error.kind() {
        io::ErrorKind::NotFound => {
            "there is no such folder; check the path and that the device is mounted, or let the storage be created"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => "it is not a folder",
        _ => return StorageError::io("open", path, error),
    };
    StorageError::NotAStorage { path, reason: reason.to_owned() }
}

/// Makes a folder and its parents, and syncs those that got a new entry: a root that vanishes in
/// a power loss takes every promise with it.
fn create_durably(folder: &Path) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    let missing: Vec<PathBuf> =
        folder.ancestors().take_while(|f| !f.exists()).map(Path::to_owned).collect();
    fs::create_dir_all(&folder)?;
    for made in &missing {
        if let Some(parent) = made.parent() {
            fs::File::open(parent)?.sync_all()?;
        }
    }
    Ok(())
}

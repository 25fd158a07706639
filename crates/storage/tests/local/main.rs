//! The local folder: the contract of every backend, and what only a folder has.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../contract/mod.rs"]
mod contract;
mod layout;
mod marker;
mod names;
mod reading;
mod staging;
mod symlinks;

use std::fs;
use std::path::Path;

use artifact_storage::Storage;
use tempfile::TempDir;

/// A storage in a new folder, entered as writer 1.
pub(crate) async fn fresh() -> (Storage, TempDir) {
    let root = tempfile::tempdir().unwrap();
    let storage = Storage::open_local(root.path(), true).await.unwrap();
    storage.enter(1).await.unwrap();
    (storage, root)
}

/// Everything below a folder: its path and, for a file, its bytes. Sorted.
pub(crate) fn tree(folder: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            let is_dir = entry.file_type().unwrap().is_dir();
            let path = entry.path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            found.push((name, (!is_dir).then(|| fs::read(&path).unwrap_or_default())));
            if is_dir {
                pending.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The names below a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    tree(folder).into_iter().map(|(name, _)| name).collect()
}

mod contract_of_every_backend {
    crate::contract::contract!(crate::fresh);
}

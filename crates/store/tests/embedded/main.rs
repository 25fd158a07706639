//! The embedded store, SQLite and a folder: the contract of every store, and what only this one
//! has.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../contract/mod.rs"]
mod contract;
mod crashes;
mod damage;
mod deletion;
mod folder;
mod health;
mod leadership;
mod moving;
mod opening;
mod record;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};

use artifact_domain::PackageId;
use artifact_store::{ArtifactStore, StoreError, StoreOptions};
use tempfile::TempDir;

/// The options of a store in a new folder, and the folder.
pub(crate) async fn fresh() -> (StoreOptions, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::future::ready((StoreOptions::embedded(folder.path()), folder)).await
}

/// The folder of a package's bag.
pub(crate) fn bag(store: &TempDir, package: PackageId) -> PathBuf {
    store.path().join("packages").join(package.to_string())
}

/// Puts another file in the place of one, whatever its permissions are.
pub(crate) fn overwrite(file: &Path, content: &[u8]) {
    fs::remove_file(file).unwrap();
    fs::write(file, content).unwrap();
}

/// The names of all files below a folder, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                pending.push(entry.path());
            } else {
                let path = entry.path();
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The first that a sweep which was to finish something could not finish.
pub(crate) async fn sweep_failure(store: &ArtifactStore) -> Option<StoreError> {
    store.sweep(true).await.unwrap().failures.into_iter().map(|(_, error)| error).next()
}

mod contract_of_every_store {
    crate::contract::contract!(crate::fresh);
}

//! A directory against the files of a package.

use std::collections::BTreeMap;

use artifact_domain::{FileRecord, LogicalPath, PackageId};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::destination::{Destination, DestinationError};
use crate::progress::Progress;
use crate::source::{self, SourceError};
use crate::walk::{Walk, WalkedFile};

/// How a directory differs from a package, and what the package lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Files of the directory that the package has, byte for byte.
    pub same: Vec<LogicalPath>,
    /// Files of the directory that the package does not have.
    pub missing: Vec<LogicalPath>,
    /// Files that both have with different bytes.
    pub different: Vec<LogicalPath>,
    /// Files of the package that the directory does not have.
    pub extra: Vec<LogicalPath>,
}

impl Comparison {
    /// Whether the package has the directory's files and no others.
    pub fn is_equal(&self) -> bool {
        self.missing.is_empty() && self.agrees()
    }

    /// Whether the package could become the directory by adding files alone.
    pub fn agrees(&self) -> bool {
        self.different.is_empty() && self.extra.is_empty()
    }
}

/// A failure of either side.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The store's.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// A file's.
    #[error("{path}: {source}")]
    Source {
        /// The file.
        path: LogicalPath,
        /// What is wrong with it.
        source: SourceError,
    },
}

/// All files of a package, by path.
pub async fn stored_files<D: Destination>(
    destination: &D,
    package: PackageId,
) -> Result<BTreeMap<LogicalPath, FileRecord>, DestinationError> {
    let mut stored = BTreeMap::new();
    let mut cursor = None;
    loop {
        let page = destination.files(package, cursor).await?;
        stored.extend(page.items.into_iter().map(|file| (file.path.clone(), file)));
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(stored),
        }
    }
}

/// Holds a directory against a package. Files of one size are hashed, `lanes` at a time.
pub async fn compare<D: Destination>(
    destination: &D,
    package: PackageId,
    walk: &Walk,
    lanes: usize,
    progress: &dyn Progress,
) -> Result<Comparison, CompareError> {
    let mut stored = stored_files(destination, package).await?;
    let mut found = Comparison::default();
    let mut to_hash: Vec<(&WalkedFile, FileRecord)> = Vec::new();
    for file in &walk.files {
        match stored.remove(&file.path) {
            None => found.missing.push(file.path.clone()),
            Some(record) if record.size != file.size() => found.different.push(file.path.clone()),
            Some(record) => to_hash.push((file, record)),
        }
    }
    found.extra.extend(stored.into_keys());
    progress.begin(
        "comparing",
        to_hash.len() as u64,
        to_hash.iter().map(|(file, _)| file.size()).sum(),
    );
    let mut hashes = futures::stream::iter(to_hash)
        .map(|(file, record)| async move {
            let sha256 = source::sha256(file, |bytes| progress.bytes(bytes)).await;
            progress.file();
            match sha256 {
                Ok(sha256) => Ok((file.path.clone(), sha256 == record.sha256)),
                Err(source) => Err(CompareError::Source { path: file.path.clone(), source }),
            }
        })
        .buffered(lanes);
    while let Some((path, same)) = hashes.try_next().await? {
        if same { found.same.push(path) } else { found.different.push(path) }
    }
    progress.end();
    found.different.sort();
    Ok(found)
}

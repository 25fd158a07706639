//! A directory against the files of a package.

use std::collections::{BTreeMap, HashSet};

use artifact_domain::wire::CheckFile;
use artifact_domain::{FileRecord, LogicalPath, PackageId, Sha256Digest};
use futures::{Stream, StreamExt as _, TryStreamExt as _};

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
    /// SHA-256 of each of the files that are the same.
    pub digests: BTreeMap<LogicalPath, Sha256Digest>,
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

/// Files that are asked about at once: some hundred bytes each.
const CHECKED: usize = 500;

/// Holds a directory against a package. Files are hashed, `lanes` at a time, if the package has
/// any of the same size.
pub async fn compare<D: Destination>(
    destination: &D,
    package: PackageId,
    walk: &Walk,
    lanes: usize,
    progress: &dyn Progress,
) -> Result<Comparison, CompareError> {
    if destination.prefers_check() {
        // To ask about a file it has to be hashed. That is for nothing if the package lacks most.
        let stored = destination.summary(package).await?.file_count;
        if stored.saturating_mul(2) >= walk.files.len() as u64 {
            return by_check(destination, package, walk, lanes, stored, progress).await;
        }
    }
    by_list(destination, package, walk, lanes, progress).await
}

/// The digests of files, in their order, `lanes` of them hashed at a time.
fn hashes<'a>(
    files: impl Iterator<Item = &'a WalkedFile> + Send + 'a,
    lanes: usize,
    progress: &'a dyn Progress,
) -> impl Stream<Item = Result<(&'a WalkedFile, Sha256Digest), CompareError>> + Send + 'a {
    let hashed = move |file: &'a WalkedFile| async move {
        let sha256 = source::sha256(file, |bytes| progress.bytes(bytes)).await;
        progress.file();
        match sha256 {
            Ok(sha256) => Ok((file, sha256)),
            Err(source) => Err(CompareError::Source { path: file.path.clone(), source }),
        }
    };
    futures::stream::iter(files).map(hashed).buffered(lanes)
}

/// Asks the store about every file of the directory, and for a list only if it has others, too.
async fn by_check<D: Destination>(
    destination: &D,
    package: PackageId,
    walk: &Walk,
    lanes: usize,
    stored: u64,
    progress: &dyn Progress,
) -> Result<Comparison, CompareError> {
    let mut found = Comparison::default();
    progress.begin("comparing", walk.files.len() as u64, walk.total_bytes());
    let mut chunks = std::pin::pin!(hashes(walk.files.iter(), lanes, progress).try_chunks(CHECKED));
    while let Some(chunk) = chunks.try_next().await.map_err(|error| error.1)? {
        let mut digests: BTreeMap<_, _> =
            chunk.iter().map(|(file, sha256)| (file.path.clone(), *sha256)).collect();
        let asked = chunk.into_iter().map(|(file, sha256)| CheckFile {
            path: file.path.clone(),
            size: file.size(),
            sha256,
        });
        let answer = destination.check(package, asked.collect()).await?;
        let present: HashSet<&LogicalPath> = answer.present.iter().collect();
        digests.retain(|path, _| present.contains(path));
        found.digests.extend(digests);
        found.missing.extend(answer.missing);
        found.different.extend(answer.different);
    }
    progress.end();
    found.same.extend(found.digests.keys().cloned());
    found.missing.sort();
    found.different.sort();
    if stored != (found.same.len() + found.different.len()) as u64 {
        let mut others = stored_files(destination, package).await?;
        for file in &walk.files {
            others.remove(&file.path);
        }
        found.extra.extend(others.into_keys());
    }
    Ok(found)
}

/// Has the store list its files, and hashes those of the directory that have the same size.
async fn by_list<D: Destination>(
    destination: &D,
    package: PackageId,
    walk: &Walk,
    lanes: usize,
    progress: &dyn Progress,
) -> Result<Comparison, CompareError> {
    let mut stored = stored_files(destination, package).await?;
    let mut found = Comparison::default();
    let (mut to_hash, mut recorded): (Vec<&WalkedFile>, Vec<Sha256Digest>) = Default::default();
    for file in &walk.files {
        match stored.remove(&file.path) {
            None => found.missing.push(file.path.clone()),
            Some(record) if record.size != file.size() => found.different.push(file.path.clone()),
            Some(record) => {
                to_hash.push(file);
                recorded.push(record.sha256);
            }
        }
    }
    found.extra.extend(stored.into_keys());
    progress.begin("comparing", to_hash.len() as u64, to_hash.iter().map(|file| file.size()).sum());
    let mut recorded = recorded.into_iter();
    let mut hashes = std::pin::pin!(hashes(to_hash.into_iter(), lanes, progress));
    while let Some((file, sha256)) = hashes.try_next().await? {
        if recorded.next() == Some(sha256) {
            found.same.push(file.path.clone());
            found.digests.insert(file.path.clone(), sha256);
        } else {
            found.different.push(file.path.clone());
        }
    }
    progress.end();
    found.different.sort();
    Ok(found)
}

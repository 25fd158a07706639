//! A package back into a directory, verified as it arrives.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use artifact_domain::wire::ErrorCode;
use artifact_domain::{FileRecord, LogicalPath, PackageId, Sha256Digest};
use futures::{StreamExt as _, TryStreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use crate::compare::stored_files;
use crate::destination::{Destination, DestinationError};
use crate::progress::Progress;

/// What a file is called until all of it has arrived and was verified.
const PARTIAL: &str = ".partial";

/// Files that are on their way at once.
const LANES: usize = 4;

/// What a download brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Downloaded {
    /// Files that are in the folder now, those that were there before included.
    pub files: u64,
    /// The bytes that they have together.
    pub bytes: u64,
}

/// Why a package could not be downloaded whole.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The folder has a file with other bytes.
    #[error("{} is there already with other bytes: download into another folder, or remove it", path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
    },
    /// The bytes that arrived are not those that were recorded.
    #[error(
        "{path} is damaged: expected SHA-256 {expected} of {size} bytes, got {actual} of {received}; nothing was kept of it"
    )]
    Damaged {
        /// The file.
        path: LogicalPath,
        /// The digest on record.
        expected: Sha256Digest,
        /// The size on record.
        size: u64,
        /// The digest of what arrived.
        actual: Sha256Digest,
        /// The bytes that arrived.
        received: u64,
    },
    /// The folder cannot be written.
    #[error("failed to write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The store refused or failed.
    #[error(transparent)]
    Destination(#[from] DestinationError),
}

impl DownloadError {
    /// What went wrong, for programs; `None` if it is the folder.
    pub const fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Destination(error) => Some(error.code),
            Self::Damaged { .. } => Some(ErrorCode::DigestMismatch),
            Self::InTheWay { .. } => Some(ErrorCode::DuplicatePath),
            Self::Write { .. } => None,
        }
    }
}

/// Brings every file of a package into `folder`, which is made if it is missing. Each file is
/// hashed as it arrives and gets its name only when its digest is the recorded one. A file that
/// is there already with the right bytes is kept.
pub async fn download<D: Destination>(
    destination: &D,
    package: PackageId,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<Downloaded, DownloadError> {
    let files = stored_files(destination, package).await?;
    let bytes = files.values().map(|file| file.size).sum();
    progress.begin("downloading", files.len() as u64, bytes);
    make_folder(folder).await?;
    let downloaded = Downloaded { files: files.len() as u64, bytes };
    let mut fetched = futures::stream::iter(files.into_values())
        .map(|file| async move {
            fetch(destination, package, &file, folder, progress).await?;
            progress.file();
            Ok::<_, DownloadError>(())
        })
        .buffer_unordered(LANES);
    while fetched.try_next().await?.is_some() {}
    progress.end();
    Ok(downloaded)
}

async fn make_folder(folder: &Path) -> Result<(), DownloadError> {
    let failed = |source| DownloadError::Write { path: folder.to_owned(), source };
    tokio::fs::create_dir_all(folder).await.map_err(failed)
}

async fn fetch<D: Destination>(
    destination: &D,
    package: PackageId,
    file: &FileRecord,
    folder: &Path,
    progress: &dyn Progress,
) -> Result<(), DownloadError> {
    let target = folder.join(file.path.as_str());
    if tokio::fs::symlink_metadata(&target).await.is_ok() {
        if local_sha256(&target).await.is_some_and(|sha256| sha256 == file.sha256) {
            progress.bytes(file.size);
            return Ok(());
        }
        return Err(DownloadError::InTheWay { path: target });
    }
    if let Some(parent) = target.parent() {
        make_folder(parent).await?;
    }
    // Beside the folder's files rather than beside each file: a name that is 255 bytes long has
    // no room for a suffix.
    let partial = folder
        .join(format!("{package}-{}{PARTIAL}", Sha256Digest::of(file.path.as_str().as_bytes())));
    let failed = |source| DownloadError::Write { path: target.clone(), source };
    let received = receive(destination, package, file, &partial, progress).await;
    if let Err(error) = received {
        let _ = tokio::fs::remove_file(&partial).await;
        return Err(error);
    }
    tokio::fs::rename(&partial, &target).await.map_err(failed)
}

async fn receive<D: Destination>(
    destination: &D,
    package: PackageId,
    file: &FileRecord,
    partial: &Path,
    progress: &dyn Progress,
) -> Result<(), DownloadError> {
    let failed = |source| DownloadError::Write { path: partial.to_owned(), source };
    let mut bytes = destination.read(package, &file.path).await?;
    let mut writer = tokio::fs::File::create(partial).await.map_err(failed)?;
    let (mut hash, mut received) = (Sha256::new(), 0);
    loop {
        let chunk = match bytes.try_next().await {
            Ok(Some(chunk)) => chunk,
            // Whoever brought the bytes has hashed them, too. What they are is said below.
            Err(error) if error.code == ErrorCode::DigestMismatch => break,
            Ok(None) => break,
            Err(error) => return Err(error.into()),
        };
        hash.update(&chunk);
        received += chunk.len() as u64;
        writer.write_all(&chunk).await.map_err(failed)?;
        progress.bytes(chunk.len() as u64);
    }
    writer.flush().await.map_err(failed)?;
    let actual = Sha256Digest::from_bytes(hash.finalize().into());
    if actual == file.sha256 && received == file.size {
        return Ok(());
    }
    Err(DownloadError::Damaged {
        path: file.path.clone(),
        expected: file.sha256,
        size: file.size,
        actual,
        received,
    })
}

/// The SHA-256 of a regular file in the folder; `None` if it is something else or unreadable.
async fn local_sha256(path: &Path) -> Option<Sha256Digest> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || {
        if !std::fs::symlink_metadata(&path).ok()?.is_file() {
            return None;
        }
        let mut file = std::fs::File::open(&path).ok()?;
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; 256 * 1024]);
        loop {
            match file.read(&mut buffer).ok()? {
                0 => return Some(Sha256Digest::from_bytes(hash.finalize().into())),
                read => hash.update(&buffer[..read]),
            }
        }
    })
    .await
    .ok()
    .flatten()
}

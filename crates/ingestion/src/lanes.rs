//! Uploads in parallel: what is sent together, and how much at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use artifact_domain::wire::ErrorCode;
use artifact_domain::{FileRecord, LogicalPath, PackageId, Sha256Digest};
use artifact_store::{NewUpload, SmallFile};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::destination::{Destination, DestinationError, Portions};
use crate::ingest::{FailedFile, IngestError, IngestOptions};
use crate::progress::Progress;
use crate::source::{self, CHUNK, SourceError};
use crate::walk::WalkedFile;

/// What one lane does at a time.
enum Work {
    /// A file that is streamed.
    Stream(WalkedFile),
    /// Small files that go together.
    Batch(Vec<WalkedFile>),
}

/// Divides files: the longest first, so that none of them is left alone at the end, then the
/// small ones in batches, in the order of their folders.
fn divide(files: Vec<WalkedFile>, portions: &Portions) -> (Vec<Work>, Vec<Work>) {
    let (mut long, small): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| file.size() > portions.small_file);
    long.sort_by_key(|file| std::cmp::Reverse(file.size()));
    let mut batches = Vec::new();
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for file in small {
        if batch.len() >= portions.batch_files || bytes + file.size() > portions.batch_bytes {
            batches.push(Work::Batch(std::mem::take(&mut batch)));
            bytes = 0;
        }
        bytes += file.size();
        batch.push(file);
    }
    if !batch.is_empty() {
        batches.push(Work::Batch(batch));
    }
    (long.into_iter().map(Work::Stream).collect(), batches)
}

/// What the lanes of an upload share.
struct Shared<D> {
    destination: D,
    package: PackageId,
    work: Mutex<std::vec::IntoIter<Work>>,
    failed: Mutex<Vec<FailedFile>>,
    stored: Mutex<Vec<(LogicalPath, Sha256Digest)>>,
    large: Semaphore,
    expected: HashMap<LogicalPath, Sha256Digest>,
    progress: Arc<dyn Progress>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<D> Shared<D> {
    fn failed(&self, path: LogicalPath, error: SourceError) {
        lock(&self.failed).push(FailedFile { path, error });
    }

    fn announce(&self, file: &WalkedFile) -> NewUpload {
        NewUpload {
            size: Some(file.size()),
            sha256: self.expected.get(&file.path).copied(),
            ..NewUpload::new(file.path.clone())
        }
    }
}

/// Stores files, and answers the digest that each of them was stored with.
pub(crate) async fn upload_all<D: Destination>(
    destination: &D,
    package: PackageId,
    files: Vec<WalkedFile>,
    options: &IngestOptions,
    progress: &Arc<dyn Progress>,
) -> Result<Vec<(LogicalPath, Sha256Digest)>, IngestError> {
    progress.begin("storing", files.len() as u64, files.iter().map(WalkedFile::size).sum());
    let portions = destination.portions();
    let (mut work, batches) = divide(files, &portions);
    work.extend(batches);
    let lanes = options.concurrency.clamp(1, work.len().max(1));
    let shared = Arc::new(Shared {
        destination: destination.clone(),
        package,
        work: Mutex::new(work.into_iter()),
        failed: Mutex::default(),
        stored: Mutex::default(),
        large: Semaphore::new(portions.large_lanes),
        expected: options.expected.clone(),
        progress: Arc::clone(progress),
    });
    let mut running = JoinSet::new();
    for _ in 0..lanes {
        running.spawn(lane(Arc::clone(&shared)));
    }
    while let Some(ended) = running.join_next().await {
        let ended = ended.unwrap_or_else(|error| Err(DestinationError::defect(error)));
        // The store failed: no other file would fare better. Dropping the set ends the lanes.
        ended.map_err(|source| IngestError::Destination { package: Some(package), source })?;
    }
    progress.end();
    let mut failed = std::mem::take(&mut *lock(&shared.failed));
    if failed.is_empty() {
        return Ok(std::mem::take(&mut *lock(&shared.stored)));
    }
    failed.sort_by(|one, other| one.path.cmp(&other.path));
    Err(IngestError::Files { package, files: failed })
}

/// Takes one piece of work after the other until there is none. A file that cannot be read does
/// not keep the others from being stored.
async fn lane<D: Destination>(shared: Arc<Shared<D>>) -> Result<(), DestinationError> {
    loop {
        let next = lock(&shared.work).next();
        match next {
            None => return Ok(()),
            Some(Work::Stream(file)) => {
                let _turn = if file.size() > CHUNK as u64 {
                    shared.large.acquire().await.ok()
                } else {
                    None
                };
                send(&shared, &file).await?;
            }
            Some(Work::Batch(files)) => send_batch(&shared, files).await?,
        }
    }
}

async fn send<D: Destination>(
    shared: &Shared<D>,
    file: &WalkedFile,
) -> Result<(), DestinationError> {
    let problem: Arc<Mutex<Option<SourceError>>> = Arc::default();
    let told = Arc::new(AtomicU64::new(0));
    let body = || observed(file, &problem, &told, &shared.progress);
    let stored = shared.destination.upload(shared.package, shared.announce(file), body).await;
    // What is wrong with the file says more than what the store made of it.
    let problem = lock(&problem).take();
    match problem {
        Some(problem) => shared.failed(file.path.clone(), problem),
        None => settle(shared, &file.path, stored)?,
    }
    shared.progress.file();
    Ok(())
}

/// The bytes of a file as they are sent, perhaps not for the first time: `told` is how many of
/// them were reported so far, and each is reported once.
fn observed(
    file: &WalkedFile,
    problem: &Arc<Mutex<Option<SourceError>>>,
    told: &Arc<AtomicU64>,
    progress: &Arc<dyn Progress>,
) -> impl Stream<Item = Result<Bytes, SourceError>> + Send + use<> {
    let (problem, told, progress) = (Arc::clone(problem), Arc::clone(told), Arc::clone(progress));
    let mut read = 0;
    source::stream(file).inspect(move |chunk| match chunk {
        Ok(bytes) => {
            read += bytes.len() as u64;
            let before = told.fetch_max(read, Ordering::Relaxed);
            progress.bytes(read.saturating_sub(before));
        }
        Err(error) => *lock(&problem) = Some(error.clone()),
    })
}

async fn send_batch<D: Destination>(
    shared: &Shared<D>,
    files: Vec<WalkedFile>,
) -> Result<(), DestinationError> {
    let mut batch = Vec::with_capacity(files.len());
    for (file, bytes) in source::read_all(files).await {
        match bytes {
            Ok(bytes) => batch.push(SmallFile { upload: shared.announce(&file), bytes }),
            Err(error) => shared.failed(file.path, error),
        }
    }
    let sent: Vec<(LogicalPath, u64)> =
        batch.iter().map(|file| (file.upload.path.clone(), file.bytes.len() as u64)).collect();
    let answers = shared.destination.upload_batch(shared.package, batch).await?;
    for ((path, bytes), answer) in sent.into_iter().zip(answers) {
        settle(shared, &path, answer)?;
        shared.progress.bytes(bytes);
        shared.progress.file();
    }
    Ok(())
}

/// A file whose bytes are not those that were read before is a failure of the file; any other is
/// one of the store, or of the way there.
fn settle<D>(
    shared: &Shared<D>,
    path: &LogicalPath,
    stored: Result<FileRecord, DestinationError>,
) -> Result<(), DestinationError> {
    match stored {
        Ok(record) => {
            lock(&shared.stored).push((record.path, record.sha256));
            Ok(())
        }
        Err(error)
            if error.code == ErrorCode::DigestMismatch && shared.expected.contains_key(path) =>
        {
            let problem = "its bytes are not those that were read before".to_owned();
            shared.failed(path.clone(), SourceError::Changed(problem));
            Ok(())
        }
        Err(error) => Err(error),
    }
}

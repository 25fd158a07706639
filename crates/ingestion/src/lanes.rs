//! Uploads in parallel: what is sent together, and how much at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use artifact_domain::wire::ErrorCode;
use artifact_domain::{LogicalPath, PackageId, Sha256Digest};
use artifact_store::{NewUpload, SmallFile};
use futures::StreamExt as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::destination::{Destination, DestinationError};
use crate::ingest::{FailedFile, IngestError, IngestOptions};
use crate::progress::Progress;
use crate::source::{self, CHUNK, SourceError};
use crate::walk::WalkedFile;

/// Files of more than one chunk that are sent at once. Each holds several MiB and keeps two cores
/// busy by itself; more of them would only use memory.
const LARGE_LANES: usize = 2;

/// Files of at most so many bytes go in batches: opening, claiming and recording them costs more
/// than their bytes.
const SMALL_FILE: u64 = 256 * 1024;

/// The most files of one batch.
const BATCH_FILES: usize = 128;

/// The most bytes of one batch.
const BATCH_BYTES: u64 = 1 << 20;

/// What one lane does at a time.
enum Work {
    /// A file that is streamed.
    Stream(WalkedFile),
    /// Small files that go together.
    Batch(Vec<WalkedFile>),
}

/// Divides files: the longest first, so that none of them is left alone at the end, then the
/// small ones in batches, in the order of their folders.
fn divide(files: Vec<WalkedFile>) -> (Vec<Work>, Vec<Work>) {
    let (mut long, small): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| file.size() > SMALL_FILE);
    long.sort_by_key(|file| std::cmp::Reverse(file.size()));
    let mut batches = Vec::new();
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for file in small {
        if batch.len() == BATCH_FILES || bytes + file.size() > BATCH_BYTES {
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
    large: Semaphore,
    expected: HashMap<LogicalPath, Sha256Digest>,
    progress: Arc<dyn Progress>,
}

impl<D> Shared<D> {
    fn failed(&self, path: LogicalPath, error: SourceError) {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).push(FailedFile { path, error });
    }

    fn announce(&self, file: &WalkedFile) -> NewUpload {
        NewUpload {
            size: Some(file.size()),
            sha256: self.expected.get(&file.path).copied(),
            ..NewUpload::new(file.path.clone())
        }
    }
}

pub(crate) async fn upload_all<D: Destination>(
    destination: &D,
    package: PackageId,
    files: Vec<WalkedFile>,
    options: &IngestOptions,
    progress: &Arc<dyn Progress>,
) -> Result<(), IngestError> {
    progress.begin("storing", files.len() as u64, files.iter().map(WalkedFile::size).sum());
    let (mut work, batches) = divide(files);
    work.extend(batches);
    let lanes = options.concurrency.clamp(1, work.len().max(1));
    let shared = Arc::new(Shared {
        destination: destination.clone(),
        package,
        work: Mutex::new(work.into_iter()),
        failed: Mutex::default(),
        large: Semaphore::new(LARGE_LANES),
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
    let mut failed =
        std::mem::take(&mut *shared.failed.lock().unwrap_or_else(PoisonError::into_inner));
    if failed.is_empty() {
        return Ok(());
    }
    failed.sort_by(|one, other| one.path.cmp(&other.path));
    Err(IngestError::Files { package, files: failed })
}

/// Takes one piece of work after the other until there is none. A file that cannot be read does
/// not keep the others from being stored.
async fn lane<D: Destination>(shared: Arc<Shared<D>>) -> Result<(), DestinationError> {
    loop {
        let next = shared.work.lock().unwrap_or_else(PoisonError::into_inner).next();
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
    let noted = Arc::clone(&problem);
    let progress = Arc::clone(&shared.progress);
    let body = source::stream(file).inspect(move |chunk| match chunk {
        Ok(bytes) => progress.bytes(bytes.len() as u64),
        Err(error) => *noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone()),
    });
    let stored = shared.destination.upload(shared.package, shared.announce(file), body).await;
    // What is wrong with the file says more than what the store made of it.
    match problem.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(problem) => shared.failed(file.path.clone(), problem),
        None => settle(shared, &file.path, stored.map(|_| ()))?,
    }
    shared.progress.file();
    Ok(())
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
        settle(shared, &path, answer.map(|_| ()))?;
        shared.progress.bytes(bytes);
        shared.progress.file();
    }
    Ok(())
}

/// A file whose bytes are not those that were read before is a failure of the file; any other is
/// one of the store.
fn settle<D>(
    shared: &Shared<D>,
    path: &LogicalPath,
    stored: Result<(), DestinationError>,
) -> Result<(), DestinationError> {
    match stored {
        Err(error) if error.code == ErrorCode::DigestMismatch => {
            let problem = "its bytes are not those that were read before".to_owned();
            shared.failed(path.clone(), SourceError::Changed(problem));
            Ok(())
        }
        done => done,
    }
}

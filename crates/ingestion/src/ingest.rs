//! An ingest: create or resume, upload in parallel, finalize.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use artifact_domain::wire::{
    CreatePackage, ErrorCode, FinalizePackage, IngestReport, Outcome, Summary,
};
use artifact_domain::{LogicalPath, PackageId, PackageStatus, Sha256Digest};
use artifact_store::{NewUpload, SmallFile};
use futures::StreamExt as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::compare::{CompareError, Comparison, compare};
use crate::destination::{Destination, DestinationError};
use crate::progress::Progress;
use crate::source::{self, CHUNK, SourceError};
use crate::walk::{Walk, WalkedFile};

/// Files of more than one chunk that are sent at once. Each holds several MiB and keeps two cores
/// busy by itself; more of them would only use memory.
const LARGE_LANES: usize = 2;

/// Files of at most so many bytes go in batches: opening, claiming and recording them costs more
/// than their bytes.
const SMALL_FILE: u64 = 64 * 1024;

/// The most files of one batch.
const BATCH_FILES: usize = 128;

/// The most bytes of one batch.
const BATCH_BYTES: u64 = 1 << 20;

/// How an ingest is done.
#[derive(Debug, Clone)]
pub struct IngestOptions {
    /// Files that are on their way at once.
    pub concurrency: usize,
    /// Whether files of an unfinished package that are not as in the directory are replaced or
    /// removed. A finalized package is never changed.
    pub replace: bool,
    /// Digests that files must have, because something is already said of their bytes.
    pub expected: HashMap<LogicalPath, Sha256Digest>,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self { concurrency: 8, replace: false, expected: HashMap::new() }
    }
}

/// What went wrong with one file of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedFile {
    /// The file.
    pub path: LogicalPath,
    /// What is wrong with it.
    pub error: SourceError,
}

/// Why a directory did not become a finalized package.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The directory has no file that is taken.
    #[error("there is nothing to ingest in {directory}: {reason}")]
    Nothing {
        /// The directory.
        directory: String,
        /// What there is instead.
        reason: String,
    },
    /// The package of this run has other content.
    #[error("package {package} holds this run with other content, and nothing was changed:{}{}", differences(comparison), advice(*status))]
    Conflict {
        /// The package.
        package: PackageId,
        /// Its status.
        status: PackageStatus,
        /// How the directory differs from it.
        comparison: Box<Comparison>,
    },
    /// Files could not be read as they were listed.
    #[error("{} could not be ingested, and package {package} is not finalized:{}run again when they are settled: only what is missing is sent", count(files.len()), failures(files))]
    Files {
        /// The unfinished package.
        package: PackageId,
        /// Each file.
        files: Vec<FailedFile>,
    },
    /// A file could not be read while it was compared.
    #[error("{path}: {error}")]
    Compared {
        /// The file.
        path: LogicalPath,
        /// What is wrong with it.
        error: SourceError,
    },
    /// The store refused or failed.
    #[error("{source}{}", unfinished(*package))]
    Destination {
        /// The package, if one was made.
        package: Option<PackageId>,
        /// What the store said.
        #[source]
        source: DestinationError,
    },
}

impl IngestError {
    /// Says that no file of a directory is taken.
    pub fn nothing(walk: &Walk) -> Self {
        let reason = match walk.left_out.len() {
            0 => "it has no files".to_owned(),
            left_out => format!("{left_out} of its entries are left out, and no file is taken"),
        };
        Self::Nothing { directory: walk.directory.display().to_string(), reason }
    }
}

fn count(files: usize) -> String {
    if files == 1 { "one file".to_owned() } else { format!("{files} files") }
}

fn unfinished(package: Option<PackageId>) -> String {
    package.map_or_else(String::new, |id| {
        format!("; package {id} is not finalized, run again to resume it")
    })
}

fn advice(status: PackageStatus) -> &'static str {
    if status.is_open() {
        "the package is not finalized: run with --replace to make it like the directory"
    } else {
        "evidence is not overwritten: give the new content a run id of its own"
    }
}

/// The first few of a list and how many more there are, one on a line.
fn some_lines<T>(items: &[T], line: impl Fn(&T) -> String) -> String {
    let mut text = String::from("\n");
    for item in items.iter().take(10) {
        let _ = writeln!(text, "  {}", line(item));
    }
    if items.len() > 10 {
        let _ = writeln!(text, "  and {} more", items.len() - 10);
    }
    text
}

fn failures(files: &[FailedFile]) -> String {
    some_lines(files, |file| format!("{}: {}", file.path, file.error))
}

fn differences(comparison: &Comparison) -> String {
    let all: Vec<String> = [
        ("different bytes", &comparison.different),
        ("not in the package", &comparison.missing),
        ("not in the directory", &comparison.extra),
    ]
    .into_iter()
    .flat_map(|(what, paths)| paths.iter().map(move |path| format!("{path}: {what}")))
    .collect();
    some_lines(&all, Clone::clone)
}

/// Makes the files of `walk` one finalized package, or finds that they are one already.
///
/// Dropping the future gives the uploads under way up; what is stored stays, and the next ingest
/// of the same run goes on from there.
pub async fn ingest<D: Destination>(
    destination: &D,
    walk: &Walk,
    request: CreatePackage,
    options: &IngestOptions,
    progress: &Arc<dyn Progress>,
) -> Result<IngestReport, IngestError> {
    if walk.files.is_empty() {
        return Err(IngestError::nothing(walk));
    }
    let (package, outcome, wanted) = match destination.create(request).await {
        Ok(package) => (package, Outcome::Ingested, None),
        Err(DestinationError {
            code: ErrorCode::PackageExists, package: Some(package), ..
        }) => {
            let failed = |source| IngestError::Destination { package: None, source };
            let summary = destination.summary(package).await.map_err(failed)?;
            let comparison =
                compare(destination, package, walk, options.concurrency.min(4), &**progress)
                    .await
                    .map_err(|error| match error {
                        CompareError::Destination(source) => failed(source),
                        CompareError::Source { path, source } => {
                            IngestError::Compared { path, error: source }
                        }
                    })?;
            match resume(destination, summary, comparison, options).await? {
                Resumption::Done(report) => return Ok(*report),
                Resumption::Send(paths) => (package, Outcome::Resumed, Some(paths)),
            }
        }
        Err(source) => return Err(IngestError::Destination { package: None, source }),
    };
    let files = walk
        .files
        .iter()
        .filter(|file| wanted.as_ref().is_none_or(|paths| paths.contains(&file.path)));
    upload_all(destination, package, files.cloned().collect(), options, progress).await?;
    let failed = |source| IngestError::Destination { package: Some(package), source };
    let sent = FinalizePackage {
        file_count: Some(walk.files.len() as u64),
        total_bytes: Some(walk.total_bytes()),
        payload_manifest_sha256: None,
    };
    destination.finalize(package, sent).await.map_err(failed)?;
    let summary = destination.summary(package).await.map_err(failed)?;
    Ok(IngestReport { summary, outcome })
}

/// What there is to do for a run that has a package.
enum Resumption {
    /// Nothing: it is there.
    Done(Box<IngestReport>),
    /// These files have to be sent.
    Send(HashSet<LogicalPath>),
}

async fn resume<D: Destination>(
    destination: &D,
    summary: Summary,
    comparison: Comparison,
    options: &IngestOptions,
) -> Result<Resumption, IngestError> {
    let (package, status) = (summary.package_id, summary.status);
    if !status.is_open() && comparison.is_equal() {
        let report = IngestReport { summary, outcome: Outcome::AlreadyIngested };
        return Ok(Resumption::Done(Box::new(report)));
    }
    let may_change = status.is_open() && (comparison.agrees() || options.replace);
    if !may_change {
        return Err(IngestError::Conflict { package, status, comparison: Box::new(comparison) });
    }
    // Only with --replace is there anything to take out. What replaces it is sent like any other
    // missing file.
    for path in comparison.extra.iter().chain(&comparison.different) {
        let removed = destination.remove(package, path).await;
        removed.map_err(|source| IngestError::Destination { package: Some(package), source })?;
    }
    Ok(Resumption::Send(comparison.missing.into_iter().chain(comparison.different).collect()))
}

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

async fn upload_all<D: Destination>(
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
        let ended = ended.unwrap_or_else(|error| {
            Err(DestinationError {
                code: ErrorCode::Internal,
                package: None,
                source: Box::new(error),
            })
        });
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

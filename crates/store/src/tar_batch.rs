//! Many files in one request: a tar archive, each regular file of which is an upload.

use std::collections::HashSet;

use artifact_domain::wire::ErrorCode;
use artifact_domain::{FileRecord, LogicalPath, PackageId};
use bytes::Bytes;
use futures::Stream;
use tokio::task::JoinHandle;

use crate::error::StoreError;
use crate::open::ArtifactStore;
use crate::packages::open_package;
use crate::tar_reader::{Broken, Entry, Kind, TarReader};
use crate::upload::{NewUpload, SmallFile};

/// Files up to this many bytes are stored in batches; larger ones are streamed.
const SMALL_BYTES: u64 = 256 * 1024;

/// A batch is stored when it has this many files, or this many bytes. Two of them are in memory:
/// one that is being stored and one that is being read.
const BATCH_FILES: usize = 128;
const BATCH_BYTES: usize = 1024 * 1024;

/// The most entries of one archive, without its folders: what is said of them is in memory.
const MAX_ENTRIES: usize = 10_000;

/// The most bytes of a name that are given back in an answer. A path has fewer.
const SHOWN_BYTES: usize = 1024;

/// What became of the entries of an archive.
#[derive(Debug, Default)]
pub struct TarReport {
    /// The files that were stored, in the order of the archive.
    pub stored: Vec<FileRecord>,
    /// The entries that were not, in the order of the archive.
    pub failed: Vec<FailedEntry>,
}

/// An entry that was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedEntry {
    /// Its name as the archive has it, as far as it is text; `entry <n>` if it has none.
    pub path: String,
    /// What went wrong, for programs.
    pub code: ErrorCode,
    /// What went wrong, for people.
    pub detail: String,
}

impl ArtifactStore {
    /// Stores each regular file of a tar archive (POSIX, GNU or the old format) as one new upload.
    /// A leading `./` of a name is dropped; folders and global pax headers are ignored. Everything
    /// else, such as a link, a device or a name that leaves the package, is an error of its entry
    /// and is never followed. So is a path that the archive has twice, the second time.
    ///
    /// An archive that breaks off is stored up to its last complete file, and the broken entry is
    /// named. One archive has 10,000 entries at most; the rest is not read, and one entry says so.
    /// Memory is bounded by about 3 MiB and what is answered, whatever the archive says of itself.
    ///
    /// # Errors
    /// The package takes no files, now or from some entry on; nothing of the archive could be
    /// stored because it is none or broke off; the body failed or fell silent; registry or storage
    /// failed. Files that were complete before stay.
    pub async fn upload_tar<E>(
        &self,
        package: PackageId,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Result<TarReport, StoreError>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.ledger()?;
        self.run(move |parts| {
            parts.registry.read(|reader| open_package(reader, package).map(drop))
        })
        .await?;
        let body = std::pin::pin!(body);
        let mut reader = TarReader::new(body, self.parts.limits.upload_idle);
        let mut unpacking = Unpacking::new(self, package);
        let ended = unpacking.read(&mut reader).await;
        // Files that were complete stay, however the archive ended.
        let last = unpacking.store_the_rest().await;
        let broken = match ended {
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Broken { path, reason }) => Some((path, reason)),
            Ok(()) => None,
        };
        last?;
        match broken {
            Some((_, reason)) if unpacking.stored.is_empty() => {
                return Err(StoreError::NotATar { reason });
            }
            Some((path, reason)) => {
                let detail = format!("the archive is broken: {reason}");
                unpacking.fail(path, ErrorCode::InvalidRequest, detail);
            }
            None => {}
        }
        Ok(unpacking.report())
    }
}

/// Why an archive is not read on.
enum Stop {
    /// The request has failed.
    Failed(StoreError),
    /// The archive broke off.
    Broken { path: String, reason: String },
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl Stop {
    fn of(broken: Broken, path: impl FnOnce() -> String) -> Self {
        match broken {
            Broken::Sender(error) => Self::Failed(error),
            Broken::Archive(reason) => Self::Broken { path: path(), reason },
        }
    }
}

/// The places in the archive of the files of a batch, and the task that stores them.
struct InFlight {
    places: Vec<(usize, LogicalPath)>,
    task: JoinHandle<Result<Vec<Result<FileRecord, StoreError>>, StoreError>>,
}

/// An archive that is being stored.
struct Unpacking<'s> {
    store: &'s ArtifactStore,
    package: PackageId,
    /// The entries so far, without folders.
    entries: usize,
    /// The paths so far.
    seen: HashSet<LogicalPath>,
    /// Small files that wait to be stored, with their places.
    batch: Vec<(usize, SmallFile)>,
    batch_bytes: usize,
    in_flight: Option<InFlight>,
    stored: Vec<(usize, FileRecord)>,
    failed: Vec<(usize, FailedEntry)>,
}

impl<'s> Unpacking<'s> {
    fn new(store: &'s ArtifactStore, package: PackageId) -> Self {
        Self {
            store,
            package,
            entries: 0,
            seen: HashSet::new(),
            batch: Vec::new(),
            batch_bytes: 0,
            in_flight: None,
            stored: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// Reads the archive to its end.
    async fn read<S, E>(&mut self, reader: &mut TarReader<'_, S>) -> Result<(), Stop>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut last = String::new();
        loop {
            // What breaks may be the rest of the entry before, which was refused unread.
            let is_inside = reader.has_unread_data();
            let next = reader.next().await;
            let name =
                || if is_inside { last.clone() } else { format!("entry {}", self.entries + 1) };
            let Some(entry) = next.map_err(|broken| Stop::of(broken, name))? else {
                return Ok(());
            };
            if entry.kind == Kind::Folder {
                continue;
            }
            self.entries += 1;
            let shown = shown(&entry.name);
            if self.entries > MAX_ENTRIES {
                let detail = format!(
                    "an archive has {MAX_ENTRIES} entries at most: this one and what follows was not read"
                );
                self.fail(shown, ErrorCode::PayloadTooLarge, detail);
                return Ok(());
            }
            match self.path(&entry) {
                Ok(path) if entry.size <= SMALL_BYTES => {
                    self.collect(reader, path, entry.size).await?;
                }
                Ok(path) => self.stream(reader, path, entry.size).await?,
                Err((code, detail)) => self.fail(shown.clone(), code, detail),
            }
            last = shown;
        }
    }

    /// The path that an entry is to be stored under, or why it is not.
    fn path(&mut self, entry: &Entry) -> Result<LogicalPath, (ErrorCode, String)> {
        if let Kind::Other(what) = &entry.kind {
            let detail = format!("it is {what}, and only regular files are stored");
            return Err((ErrorCode::InvalidRequest, detail));
        }
        let name = entry.name.strip_prefix(b"./").unwrap_or(&entry.name);
        let name = str::from_utf8(name)
            .map_err(|error| (ErrorCode::InvalidPath, format!("the name is not UTF-8: {error}")))?;
        let path = LogicalPath::parse(name)
            .map_err(|error| (ErrorCode::InvalidPath, error.to_string()))?;
        if !self.seen.insert(path.clone()) {
            let detail = format!("the archive has {path} twice, and only the first one counts");
            return Err((ErrorCode::DuplicatePath, detail));
        }
        Ok(path)
    }

    /// Takes a small file into memory, and stores what is there when it is enough.
    async fn collect<S, E>(
        &mut self,
        reader: &mut TarReader<'_, S>,
        path: LogicalPath,
        size: u64,
    ) -> Result<(), Stop>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        // Copied: a piece of the body would keep all of its chunk in memory.
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        while let Some(more) =
            reader.data().await.map_err(|broken| Stop::of(broken, || path.to_string()))?
        {
            bytes.extend_from_slice(&more);
        }
        self.batch_bytes += bytes.len();
        let file = SmallFile { upload: NewUpload::new(path), bytes: bytes.into() };
        self.batch.push((self.entries, file));
        if self.batch.len() >= BATCH_FILES || self.batch_bytes >= BATCH_BYTES {
            self.store_batch().await?;
        }
        Ok(())
    }

    /// Streams a large file into storage.
    async fn stream<S, E>(
        &mut self,
        reader: &mut TarReader<'_, S>,
        path: LogicalPath,
        size: u64,
    ) -> Result<(), Stop>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        // So that complete files do not wait in memory for a sender who takes an hour.
        self.store_batch().await?;
        let upload = NewUpload { size: Some(size), ..NewUpload::new(path.clone()) };
        let stored = self.store.upload(self.package, upload, reader.data_stream()).await;
        if let Some(broken) = reader.take_broken() {
            return Err(Stop::of(broken, || path.to_string()));
        }
        self.settle(self.entries, &path, stored)?;
        Ok(())
    }

    /// Begins to store the batch, when the one before is stored.
    async fn store_batch(&mut self) -> Result<(), StoreError> {
        self.land().await?;
        if self.batch.is_empty() {
            return Ok(());
        }
        self.batch_bytes = 0;
        let mut places = Vec::new();
        let mut files = Vec::new();
        for (place, file) in self.batch.drain(..) {
            places.push((place, file.upload.path.clone()));
            files.push(file);
        }
        let (store, package) = (self.store.clone(), self.package);
        let task = tokio::spawn(async move { store.upload_batch(package, files).await });
        self.in_flight = Some(InFlight { places, task });
        Ok(())
    }

    async fn store_the_rest(&mut self) -> Result<(), StoreError> {
        self.store_batch().await?;
        self.land().await
    }

    /// Waits for the batch that is being stored.
    async fn land(&mut self) -> Result<(), StoreError> {
        let Some(InFlight { places, task }) = self.in_flight.take() else { return Ok(()) };
        let answers = task.await.map_err(|error| StoreError::Stopped(error.to_string()))??;
        let mut landed = Ok(());
        for ((place, path), answer) in places.into_iter().zip(answers) {
            landed = landed.and(self.settle(place, &path, answer));
        }
        landed
    }

    /// Records what became of an entry; an error is not the entry's alone.
    fn settle(
        &mut self,
        place: usize,
        path: &LogicalPath,
        answer: Result<FileRecord, StoreError>,
    ) -> Result<(), StoreError> {
        match answer {
            Ok(record) => self.stored.push((place, record)),
            Err(error) if concerns_one_file(&error) => {
                let (code, detail) = (error.code(), error.to_string());
                self.failed.push((place, FailedEntry { path: path.to_string(), code, detail }));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn fail(&mut self, path: String, code: ErrorCode, detail: String) {
        self.failed.push((self.entries, FailedEntry { path, code, detail }));
    }

    fn report(mut self) -> TarReport {
        // Batches and streamed files are answered in an order of their own.
        self.stored.sort_by_key(|(place, _)| *place);
        self.failed.sort_by_key(|(place, _)| *place);
        TarReport {
            stored: self.stored.into_iter().map(|(_, record)| record).collect(),
            failed: self.failed.into_iter().map(|(_, entry)| entry).collect(),
        }
    }
}

/// Whether another file of the same archive may fare better.
const fn concerns_one_file(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::DuplicatePath { .. }
            | StoreError::PathConflict { .. }
            | StoreError::UploadInProgress { .. }
            | StoreError::ClaimLost { .. }
            | StoreError::TooLarge { .. }
            | StoreError::Mismatch { .. }
    )
}

/// A name for an answer: text, and not longer than any path by much.
fn shown(name: &[u8]) -> String {
    match name.split_at_checked(SHOWN_BYTES) {
        Some((begin, rest)) if !rest.is_empty() => {
            format!("{}…", String::from_utf8_lossy(begin))
        }
        _ => String::from_utf8_lossy(name).into_owned(),
    }
}

//! What is needed of a store: to ingest into it, and to show what it has.

use std::error::Error;
use std::fmt;
use std::future::Future;

use artifact_domain::filter::{PackageFilter, PageLimit};
use artifact_domain::name::{Kind, RetentionClassName};
use artifact_domain::package::DEFAULT_KIND;
use artifact_domain::retention::{DEFAULT_CLASS, DeletionReceipt};
use artifact_domain::wire::{
    CheckFile, CheckFilesResponse, CreatePackage, ErrorCode, FinalizePackage, Page, RetentionView,
    Summary,
};
use artifact_domain::{FileRecord, LogicalPath, PackageId, PackageStatus};
use artifact_store::{NewUpload, SmallFile};
use bytes::Bytes;
use futures::Stream;
use futures::stream::BoxStream;

mod embedded;
mod remote;

/// The bytes of a file on their way out of a store.
pub type ByteStream = BoxStream<'static, Result<Bytes, DestinationError>>;

/// How much a store likes to be given at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Portions {
    /// Files of at most so many bytes go in batches: what one costs by itself is more than what
    /// its bytes cost.
    pub small_file: u64,
    /// The most files of one batch.
    pub batch_files: usize,
    /// The most bytes of one batch. As many batches as there are lanes are in memory.
    pub batch_bytes: u64,
    /// Files of more than one chunk that are sent at once.
    pub large_lanes: usize,
}

/// A store that packages are ingested into and read from, in this process or behind HTTP.
pub trait Destination: Clone + Send + Sync + 'static {
    /// How much it likes to be given at once.
    fn portions(&self) -> Portions;

    /// Whether it costs less to ask it about files than to have it list what it has.
    fn prefers_check(&self) -> bool;

    /// Announces a package and answers its id. If the producer has the external id already, the
    /// error has the code `package-exists` and names the package.
    fn create(
        &self,
        request: CreatePackage,
    ) -> impl Future<Output = Result<PackageId, DestinationError>> + Send;

    /// The newest finalized packages of this producer, kind and retention class that have no
    /// external id and as many files and bytes as these: packages that may have the same content.
    fn alike(
        &self,
        request: &CreatePackage,
        file_count: u64,
        total_bytes: u64,
    ) -> impl Future<Output = Result<Vec<PackageId>, DestinationError>> + Send;

    /// What is known of a package.
    fn summary(
        &self,
        package: PackageId,
    ) -> impl Future<Output = Result<Summary, DestinationError>> + Send;

    /// What a package is promised, and what every rule says to deleting it now.
    fn retention(
        &self,
        package: PackageId,
    ) -> impl Future<Output = Result<RetentionView, DestinationError>> + Send;

    /// The receipt of a package's deletion.
    fn deletion(
        &self,
        package: PackageId,
    ) -> impl Future<Output = Result<DeletionReceipt, DestinationError>> + Send;

    /// One page of a package's files, ordered by path.
    fn files(
        &self,
        package: PackageId,
        cursor: Option<String>,
    ) -> impl Future<Output = Result<Page<FileRecord>, DestinationError>> + Send;

    /// Which of these files the package has, with these sizes and digests.
    fn check(
        &self,
        package: PackageId,
        files: Vec<CheckFile>,
    ) -> impl Future<Output = Result<CheckFilesResponse, DestinationError>> + Send;

    /// Stores a file. `body` makes a fresh stream of its bytes each time that they are sent.
    fn upload<S, E>(
        &self,
        package: PackageId,
        upload: NewUpload,
        body: impl Fn() -> S + Send + Sync,
    ) -> impl Future<Output = Result<FileRecord, DestinationError>> + Send
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + Send + 'static;

    /// Stores several new small files, each with an answer of its own, in order.
    fn upload_batch(
        &self,
        package: PackageId,
        files: Vec<SmallFile>,
    ) -> impl Future<Output = Result<Vec<Result<FileRecord, DestinationError>>, DestinationError>> + Send;

    /// Takes a file out of an open package.
    fn remove(
        &self,
        package: PackageId,
        path: &LogicalPath,
    ) -> impl Future<Output = Result<(), DestinationError>> + Send;

    /// Seals a package.
    fn finalize(
        &self,
        package: PackageId,
        sent: FinalizePackage,
    ) -> impl Future<Output = Result<(), DestinationError>> + Send;

    /// The bytes of a file.
    fn read(
        &self,
        package: PackageId,
        path: &LogicalPath,
    ) -> impl Future<Output = Result<ByteStream, DestinationError>> + Send;
}

/// Why a store refused or failed something.
#[derive(Debug)]
pub struct DestinationError {
    /// What went wrong, for programs.
    pub code: ErrorCode,
    /// The package that is in the way, with `package-exists`.
    pub package: Option<PackageId>,
    /// The files that are in the way, with `incomplete-package`.
    pub files: Vec<LogicalPath>,
    /// What went wrong, for people.
    pub source: Box<dyn Error + Send + Sync>,
}

impl fmt::Display for DestinationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.source, f)
    }
}

impl Error for DestinationError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}

impl DestinationError {
    /// A defect of this program.
    pub(crate) fn defect(source: impl Error + Send + Sync + 'static) -> Self {
        Self {
            code: ErrorCode::Internal,
            package: None,
            files: Vec::new(),
            source: Box::new(source),
        }
    }
}

impl DestinationError {
    /// The note of an unfinished package cannot be written.
    pub(crate) fn bookmark(folder: &std::path::Path, error: &std::io::Error) -> Self {
        let folder = folder.display();
        let text = format!("failed to note the unfinished package in {folder}: {error}");
        let source = Box::new(std::io::Error::new(error.kind(), text));
        Self { code: ErrorCode::StorageUnavailable, package: None, files: Vec::new(), source }
    }
}

/// The packages that [`Destination::alike`] looks through: one page of the newest.
fn alike_filter(request: &CreatePackage) -> PackageFilter {
    PackageFilter {
        producer: Some(request.producer.clone()),
        kind: request.kind.clone().or_else(|| Kind::parse(DEFAULT_KIND).ok()),
        status: Some(PackageStatus::Finalized),
        retention_class: request
            .retention_class
            .clone()
            .or_else(|| RetentionClassName::parse(DEFAULT_CLASS).ok()),
        ..PackageFilter::default()
    }
}

fn longest_page() -> PageLimit {
    PageLimit::new(PageLimit::MAX.into()).unwrap_or_default()
}

//! What an ingest needs of a store.

use std::error::Error;
use std::fmt;
use std::future::Future;

use artifact_domain::filter::{PackageFilter, PageLimit};
use artifact_domain::name::{Kind, RetentionClassName};
use artifact_domain::package::DEFAULT_KIND;
use artifact_domain::retention::DEFAULT_CLASS;
use artifact_domain::wire::{CreatePackage, ErrorCode, FinalizePackage, Page, Summary};
use artifact_domain::{FileRecord, LogicalPath, PackageId, PackageStatus};
use artifact_store::{ArtifactStore, ByteStream, NewUpload, SmallFile, StoreError};
use bytes::Bytes;
use futures::Stream;

/// A store that packages are ingested into and read from, in this process or behind HTTP.
pub trait Destination: Clone + Send + Sync + 'static {
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

    /// One page of a package's files, ordered by path.
    fn files(
        &self,
        package: PackageId,
        cursor: Option<String>,
    ) -> impl Future<Output = Result<Page<FileRecord>, DestinationError>> + Send;

    /// Stores a file.
    fn upload<E>(
        &self,
        package: PackageId,
        upload: NewUpload,
        body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> impl Future<Output = Result<FileRecord, DestinationError>> + Send
    where
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
    /// The note of an unfinished package cannot be written beside the store.
    pub(crate) fn bookmark(error: &std::io::Error) -> Self {
        let text = format!("failed to note the unfinished package in the data folder: {error}");
        let source = Box::new(std::io::Error::new(error.kind(), text));
        Self { code: ErrorCode::StorageUnavailable, package: None, files: Vec::new(), source }
    }
}

impl From<StoreError> for DestinationError {
    fn from(error: StoreError) -> Self {
        let (mut package, mut files, mut code) = (None, Vec::new(), error.code());
        match &error {
            StoreError::PackageExists { package: existing, .. } => package = Some(*existing),
            StoreError::Incomplete { problems, .. } => {
                files = problems.iter().filter_map(|problem| problem.path.parse().ok()).collect();
            }
            // To a remote client damage is a failure of the server; here it is what it is.
            StoreError::Damaged { .. } => code = ErrorCode::DigestMismatch,
            _ => {}
        }
        Self { code, package, files, source: Box::new(error) }
    }
}

impl Destination for ArtifactStore {
    async fn create(&self, request: CreatePackage) -> Result<PackageId, DestinationError> {
        Ok(self.create_package(request).await?.id)
    }

    async fn alike(
        &self,
        request: &CreatePackage,
        file_count: u64,
        total_bytes: u64,
    ) -> Result<Vec<PackageId>, DestinationError> {
        let filter = PackageFilter {
            producer: Some(request.producer.clone()),
            kind: request.kind.clone().or_else(|| Kind::parse(DEFAULT_KIND).ok()),
            status: Some(PackageStatus::Finalized),
            retention_class: request
                .retention_class
                .clone()
                .or_else(|| RetentionClassName::parse(DEFAULT_CLASS).ok()),
            ..PackageFilter::default()
        };
        let limit = PageLimit::new(PageLimit::MAX.into()).unwrap_or_default();
        let page = self.packages(filter, None, limit).await?;
        let alike = page.items.into_iter().filter(|package| {
            package.description.external_id.is_none()
                && (package.file_count, package.total_bytes) == (file_count, total_bytes)
        });
        Ok(alike.map(|package| package.id).collect())
    }

    async fn summary(&self, package: PackageId) -> Result<Summary, DestinationError> {
        Ok(Self::summary(self, package).await?)
    }

    async fn files(
        &self,
        package: PackageId,
        cursor: Option<String>,
    ) -> Result<Page<FileRecord>, DestinationError> {
        let limit = PageLimit::new(PageLimit::MAX.into()).unwrap_or_default();
        Ok(Self::files(self, package, None, cursor, limit).await?)
    }

    async fn upload<E>(
        &self,
        package: PackageId,
        upload: NewUpload,
        body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> Result<FileRecord, DestinationError>
    where
        E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
    {
        Ok(Self::upload(self, package, upload, body).await?)
    }

    async fn upload_batch(
        &self,
        package: PackageId,
        files: Vec<SmallFile>,
    ) -> Result<Vec<Result<FileRecord, DestinationError>>, DestinationError> {
        let answers = Self::upload_batch(self, package, files).await?;
        Ok(answers.into_iter().map(|answer| answer.map_err(DestinationError::from)).collect())
    }

    async fn remove(&self, package: PackageId, path: &LogicalPath) -> Result<(), DestinationError> {
        Ok(self.remove_file(package, path).await?)
    }

    async fn finalize(
        &self,
        package: PackageId,
        sent: FinalizePackage,
    ) -> Result<(), DestinationError> {
        Self::finalize(self, package, sent).await?;
        Ok(())
    }

    async fn read(
        &self,
        package: PackageId,
        path: &LogicalPath,
    ) -> Result<ByteStream, DestinationError> {
        Ok(self.read_file(package, path, None).await?.1)
    }
}

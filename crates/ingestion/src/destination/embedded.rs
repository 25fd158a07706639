//! A store in this process.

use std::error::Error;

use artifact_domain::retention::DeletionReceipt;
use artifact_domain::wire::{
    CheckFile, CheckFilesRequest, CheckFilesResponse, CreatePackage, ErrorCode, FinalizePackage,
    Page, RetentionView, Summary,
};
use artifact_domain::{FileRecord, LogicalPath, PackageId};
use artifact_store::{ArtifactStore, NewUpload, SmallFile, StoreError};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};

use super::{ByteStream, Destination, DestinationError, Portions, alike_filter, longest_page};

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
    fn portions(&self) -> Portions {
        // A large file holds several MiB and keeps two cores busy by itself; more of them would
        // only use memory.
        Portions { small_file: 256 * 1024, batch_files: 128, batch_bytes: 1 << 20, large_lanes: 2 }
    }

    fn prefers_check(&self) -> bool {
        false
    }

    async fn create(&self, request: CreatePackage) -> Result<PackageId, DestinationError> {
        Ok(self.create_package(request).await?.id)
    }

    async fn alike(
        &self,
        request: &CreatePackage,
        file_count: u64,
        total_bytes: u64,
    ) -> Result<Vec<PackageId>, DestinationError> {
        let page = self.packages(alike_filter(request), None, longest_page()).await?;
        let alike = page.items.into_iter().filter(|package| {
            package.description.external_id.is_none()
                && (package.file_count, package.total_bytes) == (file_count, total_bytes)
        });
        Ok(alike.map(|package| package.id).collect())
    }

    async fn summary(&self, package: PackageId) -> Result<Summary, DestinationError> {
        Ok(Self::summary(self, package).await?)
    }

    async fn retention(&self, package: PackageId) -> Result<RetentionView, DestinationError> {
        Ok(Self::retention(self, package, None).await?)
    }

    async fn deletion(&self, package: PackageId) -> Result<DeletionReceipt, DestinationError> {
        Ok(Self::deletion(self, package).await?)
    }

    async fn files(
        &self,
        package: PackageId,
        cursor: Option<String>,
    ) -> Result<Page<FileRecord>, DestinationError> {
        Ok(Self::files(self, package, None, cursor, longest_page()).await?)
    }

    async fn check(
        &self,
        package: PackageId,
        files: Vec<CheckFile>,
    ) -> Result<CheckFilesResponse, DestinationError> {
        Ok(self.check_files(package, CheckFilesRequest { files }).await?)
    }

    async fn upload<S, E>(
        &self,
        package: PackageId,
        upload: NewUpload,
        body: impl Fn() -> S + Send + Sync,
    ) -> Result<FileRecord, DestinationError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
    {
        Ok(Self::upload(self, package, upload, body()).await?)
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
        let bytes = self.read_file(package, path, None).await?.1;
        Ok(bytes.map(|chunk| chunk.map_err(DestinationError::from)).boxed())
    }
}

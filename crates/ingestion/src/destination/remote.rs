//! A store behind HTTP.

use std::error::Error;

use artifact_client::{Client, ClientError, NewFile};
use artifact_domain::retention::DeletionReceipt;
use artifact_domain::wire::{
    CheckFile, CheckFilesRequest, CheckFilesResponse, CreatePackage, ErrorCode, FileView,
    FinalizePackage, Page, RetentionView, Summary,
};
use artifact_domain::{FileRecord, LogicalPath, PackageId, Sha256Digest};
use artifact_store::{NewUpload, SmallFile};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};

use super::{ByteStream, Destination, DestinationError, Portions, alike_filter, longest_page};

impl From<ClientError> for DestinationError {
    fn from(error: ClientError) -> Self {
        let code = error.code();
        let (mut package, mut files) = (None, Vec::new());
        if let Some(problem) = error.problem() {
            package = problem.package_id.filter(|_| code == ErrorCode::PackageExists);
            let named = problem.files.iter().flatten();
            files = named.filter_map(|file| file.path.parse().ok()).collect();
        }
        Self { code, package, files, source: Box::new(error) }
    }
}

/// What an answer says of a file, without where it is.
fn record(view: FileView) -> FileRecord {
    let FileView { path, size, sha256, blake3, media_type, uploaded_at, .. } = view;
    FileRecord { path, size, sha256, blake3, media_type, uploaded_at }
}

/// Bytes that are not what is already said of them. They are not sent at all.
fn contradiction(file: &SmallFile) -> Option<DestinationError> {
    let expected = file.upload.sha256?;
    let actual = Sha256Digest::of(&file.bytes);
    (expected != actual).then(|| {
        DestinationError::from(ClientError::Mismatch {
            what: format!("upload {}", file.upload.path),
            digest: "SHA-256",
            expected: expected.to_string(),
            actual: actual.to_string(),
            kept: "it was not sent",
        })
    })
}

impl Destination for Client {
    fn portions(&self) -> Portions {
        // A request costs more than a claim, and the server divides what it is sent by itself.
        Portions { small_file: 256 * 1024, batch_files: 512, batch_bytes: 2 << 20, large_lanes: 4 }
    }

    fn prefers_check(&self) -> bool {
        true
    }

    async fn create(&self, request: CreatePackage) -> Result<PackageId, DestinationError> {
        Ok(self.create_package(&request).await?.id)
    }

    async fn alike(
        &self,
        request: &CreatePackage,
        file_count: u64,
        total_bytes: u64,
    ) -> Result<Vec<PackageId>, DestinationError> {
        let page = self.packages(&alike_filter(request), None, longest_page()).await?;
        let alike = page.items.into_iter().filter(|package| {
            package.external_id.is_none()
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
        let page = Self::files(self, package, None, cursor.as_deref(), longest_page()).await?;
        Ok(page.map(record))
    }

    async fn check(
        &self,
        package: PackageId,
        files: Vec<CheckFile>,
    ) -> Result<CheckFilesResponse, DestinationError> {
        Ok(self.check_files(package, &CheckFilesRequest { files }).await?)
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
        let NewUpload { path, media_type, replace, size, sha256 } = upload;
        let file = NewFile { path, media_type, replace, size, sha256 };
        Ok(record(self.upload_file(package, &file, body).await?))
    }

    async fn upload_batch(
        &self,
        package: PackageId,
        files: Vec<SmallFile>,
    ) -> Result<Vec<Result<FileRecord, DestinationError>>, DestinationError> {
        let (mut refused, mut batch) = (Vec::with_capacity(files.len()), Vec::new());
        for file in files {
            let error = contradiction(&file);
            if error.is_none() {
                let (path, bytes) = (file.upload.path, file.bytes);
                batch.push(artifact_client::SmallFile { path, bytes });
            }
            refused.push(error);
        }
        let answers = if batch.is_empty() {
            Vec::new()
        } else {
            Self::upload_batch(self, package, &batch).await?
        };
        let mut answers =
            answers.into_iter().map(|answer| Ok(record(answer.map_err(DestinationError::from)?)));
        // Each file that was not refused here has its answer, in order.
        let merged = refused.into_iter().map_while(|error| match error {
            Some(error) => Some(Err(error)),
            None => answers.next(),
        });
        Ok(merged.collect())
    }

    async fn remove(&self, package: PackageId, path: &LogicalPath) -> Result<(), DestinationError> {
        Ok(self.remove_file(package, path).await?)
    }

    async fn finalize(
        &self,
        package: PackageId,
        sent: FinalizePackage,
    ) -> Result<(), DestinationError> {
        Self::finalize(self, package, &sent).await?;
        Ok(())
    }

    async fn read(
        &self,
        package: PackageId,
        path: &LogicalPath,
    ) -> Result<ByteStream, DestinationError> {
        let bytes = self.read_file(package, path, None).await?.into_stream();
        Ok(bytes.map(|chunk| chunk.map_err(DestinationError::from)).boxed())
    }
}

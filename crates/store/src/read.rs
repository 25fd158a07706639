//! Reading files and ranges of them.

use std::ops::Range;

use artifact_domain::cursor::FileCursor;
use artifact_domain::filter::PageLimit;
use artifact_domain::wire::Page;
use artifact_domain::{FileRecord, LogicalPath, PackageId};
use artifact_registry::files::StoredFile;
use artifact_storage::{ObjectKey, ObjectReader, StorageError};
use futures::StreamExt as _;

use crate::ByteStream;
use crate::error::{ProblemKind, StoreError};
use crate::open::ArtifactStore;
use crate::packages::present;

impl ArtifactStore {
    /// The record of one file; a deleted package's too.
    pub async fn file(
        &self,
        package: PackageId,
        path: &LogicalPath,
    ) -> Result<FileRecord, StoreError> {
        let path = path.clone();
        self.run(move |parts| {
            parts.registry.read(|reader| {
                if let Some(file) = reader.file(package, &path)? {
                    return Ok(file.record);
                }
                reader.package(package)?.ok_or(StoreError::NoPackage(package))?;
                Err(StoreError::NoFile { package, path })
            })
        })
        .await
    }

    /// One page of a package's files whose paths begin with `prefix`, ordered by the bytes of
    /// their paths.
    pub async fn files(
        &self,
        package: PackageId,
        prefix: Option<String>,
        cursor: Option<String>,
        limit: PageLimit,
    ) -> Result<Page<FileRecord>, StoreError> {
        let after =
            cursor.map(|text| FileCursor::decode(&text, package, prefix.as_deref())).transpose()?;
        self.run(move |parts| {
            parts.registry.read(|reader| {
                reader.package(package)?.ok_or(StoreError::NoPackage(package))?;
                let after = after.as_ref().map(|cursor| &cursor.path);
                let files = reader.files(package, prefix.as_deref(), after, limit.get())?;
                let items: Vec<FileRecord> = files.into_iter().map(|file| file.record).collect();
                let full = items.len() == limit.get() as usize;
                let next_cursor = items.last().filter(|_| full).map(|last| {
                    FileCursor { path: last.path.clone() }.encode(package, prefix.as_deref())
                });
                Ok::<_, StoreError>(Page { items, next_cursor })
            })
        })
        .await
    }

    /// The bytes of a file, or of a range of it, as they lie in storage. The stream ends early
    /// only with an error. Digests are the reader's to check: the record has them.
    ///
    /// Of a file that is replaced meanwhile, record and bytes are those of one version.
    pub async fn read_file(
        &self,
        package: PackageId,
        path: &LogicalPath,
        range: Option<Range<u64>>,
    ) -> Result<(FileRecord, ByteStream), StoreError> {
        let mut file = self.stored_file(package, path).await?;
        let reader = loop {
            let opened = self.open_file(package, &file.record, range.clone()).await;
            if opened.as_ref().is_ok_and(|reader| reader.facts.etag == file.etag) {
                break opened?;
            }
            // The object is not the one of this record. If the record is still the same, that is
            // how it lies in storage; if not, the file was replaced between our two looks.
            let now = self.stored_file(package, path).await?;
            if now == file {
                break opened?;
            }
            file = now;
        };
        let bytes = reader.stream.map(|chunk| chunk.map_err(StoreError::from)).boxed();
        Ok((file.record, bytes))
    }

    async fn stored_file(
        &self,
        package: PackageId,
        path: &LogicalPath,
    ) -> Result<StoredFile, StoreError> {
        let path = path.clone();
        self.run(move |parts| {
            parts.registry.read(|reader| {
                present(reader, package)?;
                reader.file(package, &path)?.ok_or(StoreError::NoFile { package, path })
            })
        })
        .await
    }

    /// Opens the object of a file, if it has the size that was recorded.
    async fn open_file(
        &self,
        package: PackageId,
        record: &FileRecord,
        range: Option<Range<u64>>,
    ) -> Result<ObjectReader, StoreError> {
        let path = &record.path;
        if let Some(range) = &range
            && (range.start > range.end || range.end > record.size)
        {
            return Err(StoreError::RangeNotSatisfiable { path: path.clone(), size: record.size });
        }
        let damaged = |problem| StoreError::Damaged { package, path: path.to_string(), problem };
        let size = |actual| damaged(ProblemKind::Size { expected: record.size, actual });
        match self.parts.storage.read(&ObjectKey::payload(package, path), range).await {
            Ok(reader) if reader.facts.size == record.size => Ok(reader),
            Ok(reader) => Err(size(reader.facts.size)),
            Err(StorageError::NotFound { .. }) => Err(damaged(ProblemKind::Missing)),
            Err(StorageError::RangeNotSatisfiable { size: actual, .. }) => Err(size(actual)),
            Err(error) => Err(error.into()),
        }
    }
}

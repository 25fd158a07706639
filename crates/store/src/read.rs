//! Reading files and ranges of them.

use std::ops::Range;
use std::sync::Arc;

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
use crate::page::{page, wanted};
use crate::verify;

/// A file that is being read.
pub struct OpenFile {
    /// What is recorded of it.
    pub record: FileRecord,
    /// Whether its package is sealed: then it never changes.
    pub sealed: bool,
    /// The bytes that were asked for. The stream ends early only with an error.
    pub bytes: ByteStream,
}

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
                let files = reader.files(package, prefix.as_deref(), after, wanted(limit))?;
                let items = files.into_iter().map(|file| file.record).collect();
                let cursor = |last: &FileRecord| {
                    FileCursor { path: last.path.clone() }.encode(package, prefix.as_deref())
                };
                Ok::<_, StoreError>(page(items, limit, cursor))
            })
        })
        .await
    }

    /// The record and the bytes of a file, or of a range of it: [`open_file`](Self::open_file) for
    /// those who need not know whether it may still change.
    pub async fn read_file(
        &self,
        package: PackageId,
        path: &LogicalPath,
        range: Option<Range<u64>>,
    ) -> Result<(FileRecord, ByteStream), StoreError> {
        let file = self.open_file(package, path, range).await?;
        Ok((file.record, file.bytes))
    }

    /// Opens a file, or a range of it, as it lies in storage. Digests are the reader's to check:
    /// the record has them.
    ///
    /// Of a file that is replaced meanwhile, record and bytes are those of one version.
    pub async fn open_file(
        &self,
        package: PackageId,
        path: &LogicalPath,
        range: Option<Range<u64>>,
    ) -> Result<OpenFile, StoreError> {
        let mut before: Option<StoredFile> = None;
        loop {
            let (file, sealed, opened) = self.look(package, path, range.clone()).await?;
            // A storage that does not answer will not the second time either.
            if let Err(error @ StorageError::Unavailable { .. }) = opened {
                return Err(error.into());
            }
            // A sealed file is never replaced.
            let is_of_the_record =
                opened.as_ref().is_ok_and(|reader| sealed || reader.facts.etag == file.etag);
            // An object that is not the one of its record may have been replaced between our two
            // looks. If the record is still the same, that is how it lies in storage.
            if is_of_the_record || before.as_ref() == Some(&file) {
                let record = file.record;
                let failed = failure(package, &record);
                let reader = opened.map_err(&failed)?;
                if reader.facts.size != record.size {
                    let problem =
                        ProblemKind::Size { expected: record.size, actual: reader.facts.size };
                    let path = record.path.to_string();
                    return Err(StoreError::Damaged { package, path, problem });
                }
                let bytes = reader.stream.map(move |chunk| chunk.map_err(&failed)).boxed();
                return Ok(OpenFile { record, sealed, bytes });
            }
            before = Some(file);
        }
    }

    /// A file's record and its object, opened. Where the storage can be read by the thread that
    /// asked the registry, that thread does it all: each change of threads costs a small file as
    /// much as reading it.
    async fn look(
        &self,
        package: PackageId,
        path: &LogicalPath,
        range: Option<Range<u64>>,
    ) -> Result<(StoredFile, bool, Result<ObjectReader, StorageError>), StoreError> {
        let key = ObjectKey::payload(package, path);
        let (path, asked, wanted) = (path.clone(), key.clone(), range.clone());
        let parts = Arc::clone(&self.parts);
        let looking = self.parts.readers.run(move || {
            let (file, sealed) = parts.registry.read(|reader| {
                if let Some(file) = reader.present_file(package, &path)? {
                    return Ok(file);
                }
                present(reader, package)?;
                Err(StoreError::NoFile { package, path })
            })?;
            let FileRecord { path, size, .. } = &file.record;
            if let Some(range) = &wanted
                && (range.start > range.end || range.end > *size)
            {
                return Err(StoreError::RangeNotSatisfiable { path: path.clone(), size: *size });
            }
            let opened = parts.storage.read_blocking(&asked, wanted.as_ref());
            Ok((file, sealed, opened))
        });
        let (file, sealed, opened) = self.parts.patience.wait(looking).await?;
        let opened = match opened {
            Some(opened) => opened,
            None => self.parts.storage.read(&key, range).await,
        };
        Ok((file, sealed, opened))
    }
}

/// What it means that the object of this record could not be read: mostly that it is not there as
/// it was stored, which no waiting mends.
fn failure(
    package: PackageId,
    record: &FileRecord,
) -> impl Fn(StorageError) -> StoreError + Send + 'static {
    let (path, expected) = (record.path.clone(), record.size);
    move |error| {
        let problem = match error {
            StorageError::RangeNotSatisfiable { size: actual, .. } => {
                ProblemKind::Size { expected, actual }
            }
            error => match verify::problem(error) {
                Ok(problem) => problem,
                Err(error) => return error,
            },
        };
        StoreError::Damaged { package, path: path.to_string(), problem }
    }
}

//! A sealed package as one stream: the whole bag but its changing record, as tar or zip.
//!
//! The same package always gives the same bytes: entries are sorted, every entry has the time of
//! finalize, owner 0 and mode 0644, and nothing is compressed. Each file is hashed while it
//! passes; bytes that are not what was sealed end the stream with an error, so a whole archive is
//! a proven one.

use artifact_domain::bag;
use artifact_domain::digest::Sha256Digest;
use artifact_domain::{Package, PackageId, PackageStatus, Timestamp};
use artifact_storage::{ObjectKey, TagFile};
use async_zip::base::write::ZipFileWriter;
use async_zip::{Compression, ZipDateTimeBuilder, ZipEntryBuilder};
use bytes::Bytes;
use futures::io::AsyncWriteExt as _;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio_tar::{Builder, EntryType, Header};
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt as _};
use tokio_util::io::{ReaderStream, StreamReader};

use crate::ByteStream;
use crate::error::{ProblemKind, StoreError};
use crate::open::ArtifactStore;
use crate::packages::present;

/// How many bytes wait between the storage and whoever reads the archive.
const BUFFER: usize = 512 * 1024;

/// The format of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// POSIX tar with GNU long names.
    Tar,
    /// Zip with stored entries and ZIP64 fields.
    Zip,
}

/// One entry of the archive that is to be written.
struct Entry {
    name: String,
    size: u64,
    /// What its bytes must have; `None` for the tag files that nothing outside the bag digests.
    sha256: Option<Sha256Digest>,
    key: ObjectKey,
}

impl ArtifactStore {
    /// The archive of a sealed package, under one folder named by the package's id.
    ///
    /// # Errors
    /// [`StoreError::WrongStatus`] before finalize. Damage that shows only while the archive is
    /// read is an error item of the stream, which then ends.
    pub async fn archive(
        &self,
        id: PackageId,
        format: ArchiveFormat,
    ) -> Result<ByteStream, StoreError> {
        let package =
            self.run(move |parts| parts.registry.read(|reader| present(reader, id))).await?;
        if package.status != PackageStatus::Finalized {
            let needed = "an archive is made of a finalized package";
            return Err(StoreError::WrongStatus { package: id, status: package.status, needed });
        }
        let (writer, reader) = tokio::io::duplex(BUFFER);
        let (store, ended) = (self.clone(), self.clone());
        let writing = tokio::spawn(async move {
            match format {
                ArchiveFormat::Tar => store.write_tar(package, writer).await,
                ArchiveFormat::Zip => store.write_zip(package, writer).await,
            }
        });
        let bytes = ReaderStream::with_capacity(reader, BUFFER / 2)
            .map_err(|error| StoreError::Stopped(error.to_string()));
        // The pipe ends when its writer is done, and also when it has failed: only then is it known
        // whether this was the end of the archive.
        let end = futures::stream::once(async move {
            match writing.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(Err(ended.unless_deleted(id, error).await)),
                Err(error) => Some(Err(StoreError::Stopped(error.to_string()))),
            }
        })
        .filter_map(|end| async move { end });
        Ok(bytes.chain(end).boxed())
    }

    /// The entries of a package's archive in the order of their names.
    fn entries<'a>(
        &'a self,
        package: &'a Package,
    ) -> impl Stream<Item = Result<Entry, StoreError>> + Send + 'a {
        let id = package.id;
        let tag = move |file: TagFile, sha256: Option<Sha256Digest>| async move {
            let key = ObjectKey::tag(id, file);
            let facts = self.parts.storage.head(&key).await?;
            Ok(Entry { name: format!("{id}/{}", file.name()), size: facts.size, sha256, key })
        };
        let before = futures::stream::iter([TagFile::BagInfo, TagFile::Declaration])
            .then(move |file| tag(file, None));
        let files = self
            .file_pages(id)
            .map_ok(|page| futures::stream::iter(page).map(Ok))
            .try_flatten()
            .map_ok(move |file| Entry {
                name: format!("{id}/{}/{}", bag::PAYLOAD, file.record.path),
                size: file.record.size,
                sha256: Some(file.record.sha256),
                key: ObjectKey::payload(id, &file.record.path),
            });
        let after = futures::stream::iter([
            (TagFile::PayloadManifest, package.payload_manifest_sha256),
            (TagFile::Manifest, package.manifest_sha256),
            (TagFile::TagManifest, None),
        ])
        .then(move |(file, sha256)| tag(file, sha256));
        before.chain(files).chain(after)
    }

    /// The bytes of an entry; the last item is an error if they are not what was sealed.
    async fn proven(
        &self,
        package: PackageId,
        entry: &Entry,
    ) -> Result<impl Stream<Item = Result<Bytes, StoreError>> + Send + use<>, StoreError> {
        let reader = self.parts.storage.read(&entry.key, None).await?;
        let path = entry.name.clone();
        let (expected_size, expected) = (entry.size, entry.sha256);
        if reader.facts.size != expected_size {
            let problem = ProblemKind::Size { expected: expected_size, actual: reader.facts.size };
            return Err(StoreError::Damaged { package, path, problem });
        }
        let start = (reader.stream, Sha256::new());
        Ok(futures::stream::try_unfold(start, move |(mut stream, mut sha256)| {
            let path = path.clone();
            async move {
                if let Some(chunk) = stream.try_next().await? {
                    sha256.update(&chunk);
                    return Ok(Some((chunk, (stream, sha256))));
                }
                let actual = Sha256Digest::from_bytes(sha256.finalize().into());
                match expected.filter(|expected| *expected != actual) {
                    None => Ok(None),
                    Some(expected) => Err(StoreError::Damaged {
                        package,
                        path,
                        problem: ProblemKind::Digest {
                            algorithm: "SHA-256",
                            expected: expected.to_string(),
                            actual: actual.to_string(),
                        },
                    }),
                }
            }
        }))
    }

    async fn write_tar(&self, package: Package, writer: DuplexStream) -> Result<(), StoreError> {
        let sealed_at = package.finalized_at.map_or(0, Timestamp::unix_seconds).unsigned_abs();
        let mut tar = Builder::new(writer);
        let mut entries = std::pin::pin!(self.entries(&package));
        while let Some(entry) = entries.try_next().await? {
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Regular);
            header.set_size(entry.size);
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(sealed_at);
            let bytes = self.proven(package.id, &entry).await?.map_err(std::io::Error::other);
            let reader = StreamReader::new(Box::pin(bytes));
            tar.append_data(&mut header, &entry.name, reader).await.map_err(cut_off)?;
        }
        let mut writer = tar.into_inner().await.map_err(cut_off)?;
        writer.shutdown().await.map_err(cut_off)
    }

    async fn write_zip(&self, package: Package, writer: DuplexStream) -> Result<(), StoreError> {
        let date = zip_date(package.finalized_at);
        let mut zip: ZipFileWriter<Compat<DuplexStream>> =
            ZipFileWriter::new(writer.compat_write());
        let mut entries = std::pin::pin!(self.entries(&package));
        while let Some(entry) = entries.try_next().await? {
            let head = ZipEntryBuilder::new(entry.name.clone().into(), Compression::Stored)
                .last_modification_date(date)
                .unix_permissions(0o644);
            let mut bytes = Box::pin(self.proven(package.id, &entry).await?);
            let mut body = zip.write_entry_stream(head).await.map_err(zip_failed)?;
            while let Some(chunk) = bytes.try_next().await? {
                body.write_all(&chunk).await.map_err(cut_off)?;
            }
            body.close().await.map_err(zip_failed)?;
        }
        let writer = zip.close().await.map_err(zip_failed)?;
        writer.into_inner().shutdown().await.map_err(cut_off)
    }
}

/// An error of the pipe carries the error of the store that caused it, or says that nobody reads.
fn cut_off(error: std::io::Error) -> StoreError {
    match error.downcast::<StoreError>() {
        Ok(error) => error,
        Err(error) => StoreError::Stopped(format!("the archive was not read to its end: {error}")),
    }
}

fn zip_failed(error: async_zip::error::ZipError) -> StoreError {
    match error {
        async_zip::error::ZipError::UpstreamReadError(error) => cut_off(error),
        error => StoreError::Stopped(format!("the archive could not be written: {error}")),
    }
}

/// The time of finalize as MS-DOS has it: UTC, two-second steps, from 1980 to 2107.
fn zip_date(sealed_at: Option<Timestamp>) -> async_zip::ZipDateTime {
    let seconds = sealed_at.map_or(0, Timestamp::unix_seconds);
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    ZipDateTimeBuilder::new()
        .year(time.year().clamp(1980, 2107))
        .month(u8::from(time.month()).into())
        .day(time.day().into())
        .hour(time.hour().into())
        .minute(time.minute().into())
        .second(time.second().into())
        .build()
}

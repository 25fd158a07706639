//! The manifest of a sealed package, written again from the registry.

use artifact_domain::digest::Sha256Digest;
use artifact_domain::manifest::ManifestHead;
use artifact_domain::{LogicalPath, PackageId};
use artifact_registry::files::StoredFile;
use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStreamExt as _};

use crate::ByteStream;
use crate::error::StoreError;
use crate::open::ArtifactStore;

/// How many files are read from the registry at a time.
const PAGE: u32 = 1000;

/// The bytes of a manifest and their digest.
pub struct ManifestStream {
    /// SHA-256 of the bytes, as it was sealed.
    pub sha256: Sha256Digest,
    /// RFC 8785 canonical JSON.
    pub bytes: ByteStream,
}

impl ArtifactStore {
    /// The files of a package as the registry has them, ordered by the bytes of their paths, some
    /// at a time.
    pub(crate) fn file_pages(
        &self,
        package: PackageId,
    ) -> impl Stream<Item = Result<Vec<StoredFile>, StoreError>> + Send + use<> {
        let start: (Self, Option<Option<LogicalPath>>) = (self.clone(), Some(None));
        futures::stream::try_unfold(start, move |(store, after)| async move {
            let Some(after) = after else { return Ok(None) };
            let page = store
                .run(move |parts| {
                    parts.registry.read(|reader| reader.files(package, None, after.as_ref(), PAGE))
                })
                .await?;
            let full = page.len() == PAGE as usize;
            let next = page.last().filter(|_| full).map(|last| Some(last.record.path.clone()));
            Ok((!page.is_empty()).then_some((page, (store, next))))
        })
    }

    /// The manifest of a sealed package; of a deleted one too. The registry keeps all that it
    /// says, so it can be shown when the stored copy is gone; [`verify`](crate::verify) holds the
    /// stored copy against it.
    ///
    /// # Errors
    /// [`StoreError::WrongStatus`] before finalize: there is no manifest yet.
    pub async fn manifest(&self, id: PackageId) -> Result<ManifestStream, StoreError> {
        let (package, head) = self
            .run(move |parts| {
                parts.registry.read(|reader| {
                    let package = reader.package(id)?.ok_or(StoreError::NoPackage(id))?;
                    Ok::<_, StoreError>((package, reader.manifest_head(id)?))
                })
            })
            .await?;
        let (Some(sha256), Some(head)) = (package.manifest_sha256, head) else {
            let needed = "its manifest is made when it is finalized";
            return Err(StoreError::WrongStatus { package: id, status: package.status, needed });
        };
        let opening = Bytes::from(ManifestHead::opening(package.file_count));
        let closing = Bytes::from(head.closing(package.total_bytes));
        let mut first = true;
        let files = self.file_pages(id).and_then(move |page| {
            let bytes = entries(&page, &mut first);
            async move { bytes }
        });
        let bytes = futures::stream::once(async move { Ok(opening) })
            .chain(files)
            .chain(futures::stream::once(async move { Ok(closing) }))
            .boxed();
        Ok(ManifestStream { sha256, bytes })
    }
}

/// The manifest's entries for some files; `first` is whether none came before.
pub(crate) fn entries(files: &[StoredFile], first: &mut bool) -> Result<Bytes, StoreError> {
    let mut bytes = Vec::with_capacity(files.len() * 300);
    for file in files {
        bytes.extend(ManifestHead::file(&file.record, *first)?);
        *first = false;
    }
    Ok(bytes.into())
}

//! Trying out what every backend has to do, with small objects that are deleted again.

use std::ops::Range;

use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutMode,
    PutMultipartOptions, PutOptions,
};

use crate::{Capabilities, Finding, StorageError};

const FIRST: Bytes = Bytes::from_static(b"artifact-store probes: the first bytes\n");
const SECOND: Bytes = Bytes::from_static(b"artifact-store probes: the second bytes\n");

/// Tries all that the trait `ObjectStore` has words for on new keys; `paths` are three of them, in
/// one folder. The objects are gone afterwards, as far as they can be deleted.
pub(crate) async fn probe(store: &dyn ObjectStore, paths: &[Path; 3]) -> Capabilities {
    let mut seen = Capabilities::unknown("an earlier step of the probe failed");
    let [whole, other, parted] = paths;
    if try_whole(store, whole, other, &mut seen).await {
        try_parts(store, parted, whole, &mut seen).await;
    }
    seen.delete = try_delete(store, paths).await;
    seen
}

/// Whole objects. `false` if nothing can be written at all.
async fn try_whole(
    store: &dyn ObjectStore,
    path: &Path,
    other: &Path,
    seen: &mut Capabilities,
) -> bool {
    match put(store, path, FIRST, PutMode::Create).await {
        // Nobody else has this name: it is our own put, whose first answer was lost.
        Ok(()) | Err(Error::AlreadyExists { .. }) => {}
        Err(error) => {
            seen.read_after_write = failed(path, error);
            return false;
        }
    }
    let same = |read: object_store::Result<Bytes>, expected: &[u8], path| match read {
        Ok(read) => Finding::of(read == expected, "other bytes came back than were written"),
        Err(error) => failed(path, error),
    };
    seen.read_after_write = same(read(store, path, None).await, &FIRST, path);
    seen.range_read = same(read(store, path, Some(3..9)).await, &FIRST[3..9], path);
    seen.list_after_put = match listed(store, path).await {
        Ok(listed) => Finding::of(listed, "an object that was put is not in the list"),
        Err(error) => failed(path, error),
    };
    seen.create_only = match put(store, path, SECOND, PutMode::Create).await {
        Ok(()) => Finding::Fails("a second create of the same key was accepted".to_owned()),
        Err(Error::AlreadyExists { .. }) => {
            let read = read(store, path, None).await;
            same(read, &FIRST, path)
        }
        Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => {
            Finding::Fails("the backend has no create-only put".to_owned())
        }
        Err(error) => failed(path, error),
    };
    seen.overwrite = async {
        put(store, other, FIRST, PutMode::Overwrite).await?;
        put(store, other, SECOND, PutMode::Overwrite).await?;
        read(store, other, None).await
    }
    .await
    .map_or_else(|error| failed(other, error), |read| same(Ok(read), &SECOND, other));
    true
}

/// An object in parts, on a key that is free and on one that is taken.
async fn try_parts(store: &dyn ObjectStore, free: &Path, taken: &Path, seen: &mut Capabilities) {
    seen.multipart = match write_parts(store, free).await {
        Ok(()) => match read(store, free, None).await {
            Ok(read) => Finding::of(read == SECOND, "other bytes came back than were written"),
            Err(error) => failed(free, error),
        },
        Err(error) => failed(free, error),
    };
    seen.multipart_create_only = match write_parts(store, taken).await {
        Ok(()) => Finding::Fails("it overwrote an object that was there".to_owned()),
        Err(Error::AlreadyExists { .. }) => Finding::Works,
        Err(error) => failed(taken, error),
    };
}

async fn write_parts(store: &dyn ObjectStore, path: &Path) -> object_store::Result<()> {
    let mut upload = store.put_multipart_opts(path, PutMultipartOptions::default()).await?;
    complete(&mut *upload).await
}

/// Sends one part and completes; what cannot be completed is aborted.
pub(crate) async fn complete(upload: &mut dyn MultipartUpload) -> object_store::Result<()> {
    let done = async {
        upload.put_part(SECOND.into()).await?;
        upload.complete().await
    };
    if let Err(error) = done.await {
        let _ = upload.abort().await;
        return Err(error);
    }
    Ok(())
}

async fn try_delete(store: &dyn ObjectStore, paths: &[Path]) -> Finding {
    for path in paths {
        if let Err(error) = store.delete(path).await {
            return failed(path, error);
        }
        match store.head(path).await {
            Err(Error::NotFound { .. }) => {}
            Err(error) => return failed(path, error),
            Ok(_) => return Finding::Fails("a deleted object is still there".to_owned()),
        }
    }
    Finding::Works
}

async fn put(
    store: &dyn ObjectStore,
    path: &Path,
    bytes: Bytes,
    mode: PutMode,
) -> object_store::Result<()> {
    store.put_opts(path, bytes.into(), PutOptions::from(mode)).await.map(|_| ())
}

async fn read(
    store: &dyn ObjectStore,
    path: &Path,
    range: Option<Range<u64>>,
) -> object_store::Result<Bytes> {
    let options = GetOptions::new().with_range(range.map(GetRange::Bounded));
    store.get_opts(path, options).await?.bytes().await
}

async fn listed(store: &dyn ObjectStore, path: &Path) -> object_store::Result<bool> {
    let (folder, _) = path.as_ref().rsplit_once('/').unwrap_or_default();
    let mut list = store.list(Some(&Path::parse(folder)?));
    while let Some(meta) = list.try_next().await? {
        if meta.location == *path {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A step of a probe that ended in an error, with its cause. An outage and a full disk pass: what
/// was asked is not known then.
pub(crate) fn failed(path: &Path, error: Error) -> Finding {
    let error = StorageError::from_object_store("probe", path.as_ref(), error);
    let source = std::error::Error::source(&error).map(ToString::to_string);
    let is_never_done = source.as_deref().is_some_and(|source| {
        ["NotImplemented", "MethodNotAllowed"].iter().any(|code| source.starts_with(code))
    });
    let passes = matches!(
        error,
        StorageError::Unavailable { .. }
            | StorageError::Unreachable { .. }
            | StorageError::OutOfSpace { .. }
    );
    let reason = source.map_or_else(|| error.to_string(), |source| format!("{error} ({source})"));
    if passes && !is_never_done { Finding::Unknown(reason) } else { Finding::Fails(reason) }
}

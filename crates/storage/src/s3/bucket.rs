//! The trait `ObjectStore` below a prefix of a bucket.

use std::fmt;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetRange, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};
use uuid::Uuid;

use super::answer::code;
use super::connection::Connector;
use super::multipart::BucketUpload;
use super::settings::SettingsAddress;
use crate::{Liveness, StorageError};

/// Deletions of one stream that are on their way at the same time.
const DELETES_IN_FLIGHT: usize = 8;

/// Where probes write, below the prefix.
pub(super) const STAGING: &str = "staging";

/// A bucket with a prefix that keys do not show.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(super) s3: AmazonS3,
    /// The same bucket, entered so that every body is damaged on its way.
    pub(super) damaging: AmazonS3,
    pub(super) connector: Connector,
    pub(super) settings: SettingsAddress,
    pub(super) prefix: String,
    pub(super) url: String,
    pub(super) entered: OnceLock<i64>,
}

/// [`Bucket`] as an object store: the trait has no `Arc<Self>`, and an upload needs one.
#[derive(Clone, Debug)]
pub(crate) struct BucketStore(pub(crate) Arc<Bucket>);

impl Bucket {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The object's place in the bucket.
    pub(super) fn path(&self, key: &str) -> Result<Path> {
        Ok(match self.prefix.as_str() {
            "" => Path::parse(key)?,
            prefix => Path::parse(format!("{prefix}/{key}"))?,
        })
    }

    /// The object's key, if it lies below the prefix; a listing gives no others.
    pub(super) fn key<'a>(&self, path: &'a Path) -> &'a str {
        let path = path.as_ref();
        path.strip_prefix(&self.prefix).map_or(path, |key| key.trim_start_matches('/'))
    }

    fn meta(&self, meta: ObjectMeta) -> Result<ObjectMeta> {
        Ok(ObjectMeta { location: Path::parse(self.key(&meta.location))?, ..meta })
    }

    pub(crate) fn enter(&self, writer: i64) -> std::result::Result<(), StorageError> {
        match *self.entered.get_or_init(|| writer) {
            present if present == writer => Ok(()),
            present => Err(StorageError::AlreadyEntered { writer, present }),
        }
    }

    pub(crate) fn check_entered(
        &self,
        operation: &'static str,
        key: &str,
    ) -> std::result::Result<(), StorageError> {
        match self.entered.get() {
            Some(_) => Ok(()),
            None => Err(StorageError::NotEntered { operation, key: key.to_owned() }),
        }
    }

    /// A bucket cannot tell who is alive, but this process can say so of itself.
    pub(crate) fn liveness(&self, writer: i64) -> Liveness {
        if self.entered.get() == Some(&writer) { Liveness::Alive } else { Liveness::Unknown }
    }

    /// A new name for a probe.
    pub(crate) fn probe_path(&self) -> std::result::Result<Path, StorageError> {
        self.check_entered("probe", STAGING)?;
        Ok(Path::from_iter([STAGING.to_owned(), format!("probe-{}", Uuid::now_v7())]))
    }
}

#[async_trait]
impl ObjectStore for BucketStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        self.0.s3.put_opts(&self.0.path(location.as_ref())?, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let path = self.0.path(location.as_ref())?;
        Ok(Box::new(BucketUpload::begin(Arc::clone(&self.0), path).await?))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let path = self.0.path(location.as_ref())?;
        let range = options.range.clone();
        match self.0.s3.get_opts(&path, options).await {
            Ok(mut got) => {
                got.meta = self.0.meta(got.meta)?;
                Ok(got)
            }
            // The range begins after the end, and the gateway does not tell the size.
            Err(error) if code(&error) == "InvalidRange" => match range {
                Some(GetRange::Bounded(range)) => match self.0.s3.head(&path).await {
                    Ok(meta) if range.end > meta.size => {
                        let key = location.to_string();
                        let (start, end, size) = (range.start, range.end, meta.size);
                        let outside = StorageError::RangeNotSatisfiable { key, start, end, size };
                        Err(outside.into_object_store())
                    }
                    Err(missing @ Error::NotFound { .. }) => Err(missing),
                    _ => Err(error),
                },
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// One request each: a request for many would need `Content-MD5` and is not everywhere.
    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let bucket = Arc::clone(&self.0);
        locations
            .map_ok(move |location| {
                let bucket = Arc::clone(&bucket);
                async move {
                    bucket.s3.delete(&bucket.path(location.as_ref())?).await?;
                    Ok(location)
                }
            })
            .try_buffered(DELETES_IN_FLIGHT)
            .boxed()
    }

    /// What lies in the folder `prefix`, page by page.
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let bucket = Arc::clone(&self.0);
        match self.0.path(prefix.map(AsRef::as_ref).unwrap_or_default()) {
            Ok(path) => self.0.s3.list(Some(&path)).map(move |meta| bucket.meta(meta?)).boxed(),
            Err(error) => async { Err(error) }.into_stream().boxed(),
        }
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        // It would hold a million names at once; `list::package_names` is a stream.
        Err(unsupported("list_with_delimiter"))
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        // Evidence is written once and never moved.
        Err(unsupported("copy"))
    }
}

fn unsupported(operation: &str) -> Error {
    Error::NotImplemented { operation: operation.to_owned(), implementer: "Bucket".to_owned() }
}

impl fmt::Display for BucketStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.url)
    }
}

//! The trait `ObjectStore`: each method is one task on a thread that may block.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::task::spawn_blocking;

use super::multipart::LocalUpload;
use super::{Folder, list};
use crate::StorageError;

/// Deletions of one stream that are on their way at the same time.
const DELETES_IN_FLIGHT: usize = 8;

/// A [`Folder`] as an object store.
#[derive(Debug)]
pub(crate) struct LocalFolder {
    folder: Arc<Folder>,
}

impl LocalFolder {
    pub(crate) fn new(folder: Arc<Folder>) -> Self {
        Self { folder }
    }
}

/// Runs `work` where it may block, and packs its error for the trait.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::result::Result<T, StorageError> + Send + 'static,
) -> Result<T> {
    spawn_blocking(work).await?.map_err(StorageError::into_object_store)
}

fn unsupported(operation: &str) -> Error {
    Error::NotImplemented { operation: operation.to_owned(), implementer: "LocalFolder".to_owned() }
}

#[async_trait]
impl ObjectStore for LocalFolder {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let (folder, key) = (Arc::clone(&self.folder), location.clone());
        blocking(move || folder.put(&key, &payload, &opts.mode)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let (folder, key) = (Arc::clone(&self.folder), location.clone());
        let upload = blocking(move || LocalUpload::begin(folder, key)).await?;
        Ok(Box::new(upload))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (folder, key) = (Arc::clone(&self.folder), location.clone());
        if options.head {
            let meta = blocking(move || folder.head(&key)).await?;
            options.check_preconditions(&meta)?;
            return Ok(GetResult {
                range: 0..meta.size,
                payload: GetResultPayload::Stream(stream::empty().boxed()),
                meta,
                attributes: object_store::Attributes::new(),
                extensions: object_store::Extensions::new(),
            });
        }
        let range = GetOptions::new().with_range(options.range.clone());
        let opened = blocking(move || folder.open_object(&key, &range)).await?;
        let result = opened.into_result();
        options.check_preconditions(&result.meta)?;
        Ok(result)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let folder = Arc::clone(&self.folder);
        locations
            .map_ok(move |location| {
                let folder = Arc::clone(&folder);
                blocking(move || folder.delete(&location).map(|()| location))
            })
            .try_buffered(DELETES_IN_FLIGHT)
            .boxed()
    }

    /// What lies in the folder `prefix`, in no particular order.
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.map_or_else(String::new, ToString::to_string);
        list::objects(Arc::clone(&self.folder), prefix)
            .map_err(StorageError::into_object_store)
            .boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        // It would hold a million names at once; `package_names` is a stream.
        Err(unsupported("list_with_delimiter"))
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
        // Evidence is written once and never moved.
        Err(unsupported("copy"))
    }
}

impl fmt::Display for LocalFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the folder {}", self.folder.path().display())
    }
}

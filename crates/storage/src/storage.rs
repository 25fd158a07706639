//! The facade that the other crates use.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use artifact_domain::id::StorageId;
use artifact_domain::{PackageId, bag};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use object_store::{GetOptions, GetRange, GetResult, ObjectStore, ObjectStoreExt as _, PutPayload};

use crate::crowd::Crowd;
use crate::local::{self, Folder, LocalFolder};
use crate::s3::{self, Bucket, BucketStore};
use crate::{
    Capabilities, Finding, Health, Liveness, ObjectFacts, ObjectKey, ObjectReader, ObjectWriter,
    PutMode, S3Options, Setting, StorageError, probe,
};

/// Small objects of one call that are on their way to a bucket at the same time.
const PUTS_IN_FLIGHT: usize = 8;

/// One storage, opened. A clone is another handle of the same and costs nothing.
#[derive(Clone)]
pub struct Storage {
    shared: Arc<Shared>,
}

struct Shared {
    store: Arc<dyn ObjectStore>,
    crowd: Arc<Crowd>,
    backend: Backend,
    id: StorageId,
    url: String,
}

/// What the trait `ObjectStore` has no words for: writers, durability, the folders of packages.
enum Backend {
    Local(Arc<Folder>),
    S3(Arc<Bucket>),
}

impl Storage {
    /// Opens the storage in the folder `root`. With `create`, the folder (with its parents) and
    /// its marker are made if they are missing; several processes that do so at once agree on one
    /// id. Without `create`, nothing is ever written and a missing folder or marker is
    /// [`StorageError::NotAStorage`].
    ///
    /// The root itself may be reached through a symlink; it is resolved once, here.
    pub async fn open_local(root: &Path, create: bool) -> Result<Self, StorageError> {
        let root = root.to_owned();
        let shown = root.display().to_string();
        let (folder, id) = blocking("open", shown, move || Folder::open(&root, create)).await?;
        let folder = Arc::new(folder);
        let url = local::url(folder.path());
        let store = Arc::new(LocalFolder::new(Arc::clone(&folder)));
        let crowd = Arc::new(Crowd::new(local::LIMITS));
        let shared = Shared { store, crowd, backend: Backend::Local(folder), id, url };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Opens the storage in a bucket, below a prefix. With `create`, its marker is made if it is
    /// missing; several processes that do so at once agree on one id. Without `create`, nothing
    /// is ever written and a missing marker is [`StorageError::NotAStorage`]. The bucket itself is
    /// never made.
    ///
    /// What is most likely a wrong setting is an error that names it: a bucket that is not there,
    /// an endpoint without TLS (`NotAStorage`), credentials that are refused
    /// ([`StorageError::Denied`]), a gateway that does not answer within some seconds
    /// ([`StorageError::Unreachable`]).
    pub async fn open_s3(options: &S3Options, create: bool) -> Result<Self, StorageError> {
        let (bucket, id) = s3::open(options, create).await?;
        let store = Arc::new(BucketStore(Arc::clone(&bucket)));
        let crowd = Arc::new(Crowd::new(s3::LIMITS));
        let url = bucket.url().to_owned();
        let shared = Shared { store, crowd, backend: Backend::S3(bucket), id, url };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The identity of this storage, wherever it is mounted.
    pub fn id(&self) -> StorageId {
        self.shared.id
    }

    /// Where it is: `file:///<path>`, percent-encoded, or `s3://<bucket>/<prefix>`.
    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// The folder that it is in, without links; `None` for a bucket.
    pub fn folder(&self) -> Option<&Path> {
        match &self.shared.backend {
            Backend::Local(folder) => Some(folder.path()),
            Backend::S3(_) => None,
        }
    }

    /// The kind of backend: `local` or `s3`.
    pub fn backend(&self) -> &'static str {
        match self.shared.backend {
            Backend::Local(_) => "local",
            Backend::S3(_) => "s3",
        }
    }

    /// Whether an object survives power loss as soon as it was written. If not, a write that was
    /// not synced may be lost with the boot of the kernel that it was made in.
    pub fn is_durable_when_written(&self) -> bool {
        match self.shared.backend {
            Backend::Local(_) => false,
            Backend::S3(_) => true,
        }
    }

    /// Says that this process will write, as the writer of this number, until the last clone of
    /// this `Storage` (and the last of its [`ObjectWriter`]s) is gone. It is for the registry to
    /// see that no two processes get the same number.
    ///
    /// On a local folder it takes `staging/<writer>.lock`, makes `staging/<writer>/`, and clears
    /// what writers left there that are dead. In a bucket there is nothing to lock and the number
    /// is only remembered. Entering again under the same number does nothing.
    pub async fn enter(&self, writer: i64) -> Result<(), StorageError> {
        match &self.shared.backend {
            Backend::Local(folder) => {
                let folder = Arc::clone(folder);
                blocking("enter", self.url().to_owned(), move || folder.enter(writer)).await
            }
            Backend::S3(bucket) => bucket.enter(writer),
        }
    }

    /// Whether the writer of this number may still be writing. On a local folder it is one
    /// attempt to lock a file: it may be called from anywhere. A bucket knows of no other process.
    pub fn writer_liveness(&self, writer: i64) -> Liveness {
        match &self.shared.backend {
            Backend::Local(folder) => folder.liveness(writer),
            Backend::S3(bucket) => bucket.liveness(writer),
        }
    }

    /// Begins a new object of any size. That its key is free is checked when it is published.
    #[expect(clippy::unused_async, reason = "a backend may have to ask first whether it may write")]
    pub async fn write(&self, key: &ObjectKey) -> Result<ObjectWriter, StorageError> {
        self.check_entered(key)?;
        let (store, crowd) = (Arc::clone(&self.shared.store), Arc::clone(&self.shared.crowd));
        Ok(ObjectWriter::new(store, key, crowd))
    }

    fn check_entered(&self, key: &ObjectKey) -> Result<(), StorageError> {
        match &self.shared.backend {
            Backend::Local(folder) => folder.check_entered("write", key.as_str()),
            Backend::S3(bucket) => bucket.check_entered("write", key.as_str()),
        }
    }

    /// Puts a whole small object, such as a tag file. On a local folder this is one task on a
    /// blocking thread.
    pub async fn put(
        &self,
        key: &ObjectKey,
        bytes: Bytes,
        mode: PutMode,
    ) -> Result<ObjectFacts, StorageError> {
        self.check_entered(key)?;
        let size = bytes.len() as u64;
        let mode = match mode {
            PutMode::Create => object_store::PutMode::Create,
            PutMode::Overwrite => object_store::PutMode::Overwrite,
        };
        let (path, payload) = (key.path(), PutPayload::from(bytes));
        let put = self.shared.store.put_opts(&path, payload, mode.into()).await;
        let result = put.map_err(|e| error("write", key.as_str(), e))?;
        Ok(ObjectFacts { key: key.as_str().to_owned(), size, etag: result.e_tag })
    }

    /// Puts several new small objects, each with an answer of its own, in order. On a local
    /// folder this is one task on a blocking thread: waking a thread costs more than a small file.
    /// In a bucket they are put eight at a time.
    pub async fn put_new(
        &self,
        objects: Vec<(ObjectKey, Bytes)>,
    ) -> Vec<Result<ObjectFacts, StorageError>> {
        match &self.shared.backend {
            Backend::Local(folder) => local::put_new(Arc::clone(folder), objects).await,
            Backend::S3(_) => {
                let puts = objects.into_iter().map(|(key, bytes)| {
                    let storage = self.clone();
                    async move { storage.put(&key, bytes, PutMode::Create).await }
                });
                stream::iter(puts).buffered(PUTS_IN_FLIGHT).collect().await
            }
        }
    }

    /// Opens an object for reading: all of it, or the bytes of `range`.
    ///
    /// An empty range is fine up to and including the end of the object. A range that does not
    /// lie in the object as a whole is [`StorageError::RangeNotSatisfiable`]; it is never cut.
    pub async fn read(
        &self,
        key: &ObjectKey,
        range: Option<Range<u64>>,
    ) -> Result<ObjectReader, StorageError> {
        // Backends have no empty ranges.
        if let Some(range) = &range
            && range.is_empty()
        {
            return nothing_of(self.head(key).await?, key, range);
        }
        let options = get_options(range.as_ref());
        let get = self.shared.store.get_opts(&key.path(), options).await;
        let got = get.map_err(|e| error("read", key.as_str(), e))?;
        reader(got, key, range.as_ref())
    }

    /// Opens an object as [`Storage::read`] does, and blocks for it; `None` if this backend can
    /// only be waited for. For callers that are on a thread that may block already: waking
    /// another one takes longer than opening and reading a small file. What is in the first half
    /// MiB has been read when this returns.
    ///
    /// # Panics
    /// Outside a tokio runtime, for an object of more than half a MiB.
    pub fn read_blocking(
        &self,
        key: &ObjectKey,
        range: Option<&Range<u64>>,
    ) -> Option<Result<ObjectReader, StorageError>> {
        match &self.shared.backend {
            Backend::S3(_) => None,
            Backend::Local(folder) => Some(
                if let Some(range) = range
                    && range.is_empty()
                {
                    let meta = folder.head(&key.path());
                    meta.and_then(|meta| nothing_of(facts(&meta), key, range))
                } else {
                    let opened = folder.open_object(&key.path(), &get_options(range));
                    opened.and_then(|opened| reader(opened.into_result(), key, range))
                },
            ),
        }
    }

    /// What is known of an object, without its bytes.
    pub async fn head(&self, key: &ObjectKey) -> Result<ObjectFacts, StorageError> {
        let meta = self.shared.store.head(&key.path()).await;
        meta.map(|meta| facts(&meta)).map_err(|e| error("look up", key.as_str(), e))
    }

    /// All objects of a package, tag files included, in no particular order. An empty list is no
    /// proof that the package never was.
    ///
    /// What no writer of ours can have made (a symlink, a device, a name that is no key) is an
    /// error item that names it; the list goes on after it. In a bucket, a key that is none of
    /// ours (with an empty segment, for example) ends it.
    pub fn list_package(
        &self,
        package: PackageId,
    ) -> BoxStream<'static, Result<ObjectFacts, StorageError>> {
        let prefix = object_store::path::Path::from_iter(["packages", &package.to_string()]);
        let list = self.shared.store.list(Some(&prefix));
        list.map(move |item| match item {
            Ok(meta) => Ok(facts(&meta)),
            Err(e) => Err(error("list", prefix.as_ref(), e)),
        })
        .boxed()
    }

    /// The names of all package folders, in no particular order, as they are: that a name is a
    /// package id is for the caller to check. For rebuilding a registry; lists come from there.
    pub fn list_packages(&self) -> BoxStream<'static, Result<String, StorageError>> {
        match &self.shared.backend {
            Backend::Local(folder) => local::package_names(Arc::clone(folder)),
            Backend::S3(bucket) => bucket.package_names(),
        }
    }

    /// Deletes an object; one that is not there is deleted already. Folders that became empty go
    /// with it, up to but without the package's own.
    pub async fn delete(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let deleted = self.shared.store.delete(&key.path()).await;
        deleted.map_err(|e| error("delete", key.as_str(), e))
    }

    /// Removes the folder of a package whose objects were all deleted, where a backend has folders.
    /// One that is not empty stays, and is an error.
    pub async fn remove_package(&self, package: PackageId) -> Result<(), StorageError> {
        match &self.shared.backend {
            Backend::Local(folder) => {
                let folder = Arc::clone(folder);
                blocking("remove", bag::folder(package), move || folder.remove_package(package))
                    .await
            }
            Backend::S3(bucket) => bucket.remove_package(package).await,
        }
    }

    /// Makes a package durable: when this returns, every object that was published in it before
    /// survives power loss, with every folder that leads to it.
    ///
    /// It is one call per package because that is up to twenty times cheaper than syncing each
    /// object as it is published. A bucket has made durable what it has confirmed.
    pub async fn sync_package(&self, package: PackageId) -> Result<(), StorageError> {
        match &self.shared.backend {
            Backend::Local(folder) => {
                let folder = Arc::clone(folder);
                blocking("sync", bag::folder(package), move || folder.sync_package(package)).await
            }
            Backend::S3(_) => Ok(()),
        }
    }

    /// Writes, reads back and deletes one small object below `staging/`, with the rights that
    /// writing a package takes.
    pub async fn health(&self) -> Result<Health, StorageError> {
        let probe = match &self.shared.backend {
            Backend::Local(folder) => folder.probe_path()?,
            Backend::S3(bucket) => bucket.probe_path()?,
        };
        let failed = |e| error("probe", probe.as_ref(), e);
        let bytes = Bytes::from_static(b"artifact-store probes its storage\n");
        let begin = Instant::now();
        let store = &self.shared.store;
        let mode = object_store::PutMode::Create;
        match store.put_opts(&probe, bytes.clone().into(), mode.into()).await {
            // Nobody else has this name: it is our own put, whose first answer was lost.
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
        let read = async { store.get_opts(&probe, GetOptions::new()).await?.bytes().await }.await;
        // Also when it could not be read.
        let deleted = store.delete(&probe).await;
        if read.map_err(failed)? != bytes {
            let wrong = "the probe came back with other bytes than were written";
            return Err(StorageError::unavailable("probe", probe.as_ref(), wrong));
        }
        deleted.map_err(failed)?;
        Ok(Health { latency: begin.elapsed() })
    }

    /// Tries out what the backend does and does not do, with small objects below `staging/` that
    /// are deleted again. It takes some seconds on a slow gateway; it is for a person who asks,
    /// not for every start. A local folder has to be entered before.
    pub async fn probe(&self) -> Capabilities {
        match &self.shared.backend {
            Backend::Local(folder) => {
                let path = || folder.probe_path();
                let paths = match (path(), path(), path()) {
                    (Ok(one), Ok(two), Ok(three)) => [one, two, three],
                    (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
                        return Capabilities::unknown(&error.to_string());
                    }
                };
                let mut seen = probe::probe(&*self.shared.store, &paths).await;
                let nothing_between = "nothing lies between this process and its folder";
                seen.damage_refused = Finding::Unknown(nothing_between.to_owned());
                // They are one.
                seen.clock = Finding::Works;
                seen.clock_skew_millis = Some(0);
                // A folder has nothing of the kind.
                seen.versioning = Setting::Off;
                seen.object_lock = Setting::Off;
                seen.expiry_rule = Setting::Off;
                seen.abort_rule = Setting::Off;
                seen.wide_rights = Setting::Off;
                seen
            }
            Backend::S3(bucket) => s3::probe(bucket).await,
        }
    }

    /// Tries out a bucket like [`probe`](Self::probe), whether it is a storage or not. Nothing of
    /// that stays: it tells what a storage there would be worth before there is one.
    ///
    /// # Errors
    /// Those of [`open_s3`](Self::open_s3) for wrong settings.
    pub async fn probe_s3(options: &S3Options) -> Result<Capabilities, StorageError> {
        Ok(s3::probe(&s3::open_any(options).await?).await)
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage")
            .field("id", &self.shared.id)
            .field("url", &self.shared.url)
            .finish_non_exhaustive()
    }
}

fn get_options(range: Option<&Range<u64>>) -> GetOptions {
    GetOptions::new().with_range(range.cloned().map(GetRange::Bounded))
}

/// What a backend opened, if it is what was asked for.
fn reader(
    got: GetResult,
    key: &ObjectKey,
    asked: Option<&Range<u64>>,
) -> Result<ObjectReader, StorageError> {
    // Backends cut a range that begins inside the object and ends outside.
    if let Some(asked) = asked
        && *asked != got.range
    {
        return Err(outside(key, asked, got.meta.size));
    }
    let range = got.range.clone();
    Ok(ObjectReader::checked(facts(&got.meta), &range, got.into_stream()))
}

/// An empty range of an object, if it lies in it.
fn nothing_of(
    facts: ObjectFacts,
    key: &ObjectKey,
    range: &Range<u64>,
) -> Result<ObjectReader, StorageError> {
    if range.start == range.end && range.end <= facts.size {
        Ok(ObjectReader::empty(facts))
    } else {
        Err(outside(key, range, facts.size))
    }
}

fn outside(key: &ObjectKey, range: &Range<u64>, size: u64) -> StorageError {
    let key = key.as_str().to_owned();
    StorageError::RangeNotSatisfiable { key, start: range.start, end: range.end, size }
}

fn facts(meta: &object_store::ObjectMeta) -> ObjectFacts {
    ObjectFacts {
        key: meta.location.as_ref().to_owned(),
        size: meta.size,
        etag: meta.e_tag.clone(),
    }
}

fn error(operation: &'static str, key: &str, error: object_store::Error) -> StorageError {
    StorageError::from_object_store(operation, key, error)
}

/// Runs file system work on a thread that may block.
async fn blocking<T: Send + 'static>(
    operation: &'static str,
    path: String,
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(lost) => Err(StorageError::unavailable(operation, path, lost)),
    }
}

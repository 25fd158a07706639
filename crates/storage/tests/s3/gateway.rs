//! An S3 gateway in this process: the protocol is that of the crate `s3s`, and the objects are in
//! memory.
//!
//! The objects of `s3s-fs` would be files, whose create-only put looks first and writes then, and
//! whose keys are paths; both would fail tests that are about us.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use bytes::Bytes;
use futures::TryStreamExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, BucketVersioningStatus, CommonPrefix,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput, ETag, ETagCondition,
    GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput,
    GetBucketVersioningInput, GetBucketVersioningOutput, GetObjectInput,
    GetObjectLockConfigurationInput, GetObjectLockConfigurationOutput, GetObjectOutput,
    HeadObjectInput, HeadObjectOutput, LifecycleRule, ListBucketsInput, ListBucketsOutput,
    ListObjectsV2Input, ListObjectsV2Output, Object, PutObjectInput, PutObjectOutput,
    StreamingBlob, Timestamp, UploadPartInput, UploadPartOutput,
};
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub(crate) const BUCKET: &str = "evidence";
pub(crate) const ACCESS_KEY: &str = "artifact";
pub(crate) const SECRET: &str = "open-sesame-3141";

/// The least size of a part that is not the last.
const LEAST_PART: usize = 5 << 20;

/// A gateway with one empty bucket, until it is dropped.
pub(crate) struct Gateway {
    pub(crate) endpoint: String,
    pub(crate) state: Arc<State>,
    serving: JoinHandle<()>,
}

/// What the gateway keeps, and how it may misbehave.
#[derive(Default)]
pub(crate) struct State {
    objects: Mutex<BTreeMap<String, Stored>>,
    uploads: Mutex<BTreeMap<String, BTreeMap<i32, Bytes>>>,
    counter: AtomicU64,
    /// Completing an upload overwrites what is there and tells no `ETag`, as Ceph 16 does.
    pub(crate) completes_blindly: AtomicBool,
    /// No condition is looked at at all.
    pub(crate) overwrites: AtomicBool,
    /// What the bucket is asked for is answered with these; without, there is no such setting.
    pub(crate) versioned: AtomicBool,
    pub(crate) rules: Mutex<Vec<LifecycleRule>>,
    /// The next requests that are refused as too many.
    pub(crate) slow_downs: AtomicU64,
}

#[derive(Clone)]
struct Stored {
    bytes: Bytes,
    etag: String,
    modified: Timestamp,
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        let state = Arc::new(State::default());
        let mut builder = S3ServiceBuilder::new(Shared(Arc::clone(&state)));
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).unwrap();
                let service = service.clone();
                tokio::spawn(async move {
                    let http = auto::Builder::new(TokioExecutor::new());
                    let _ = http.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { endpoint, state, serving }
    }

    /// The keys of all objects, as the bucket has them.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.state.objects().keys().cloned().collect()
    }

    /// The uploads that were begun and neither completed nor aborted.
    pub(crate) fn uploads(&self) -> usize {
        self.state.uploads.lock().unwrap().len()
    }

    /// Puts an object past the front door.
    pub(crate) fn plant(&self, key: &str, bytes: &'static [u8]) {
        self.state.store(key.to_owned(), Bytes::from_static(bytes), false).unwrap();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl State {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Stored>> {
        self.objects.lock().unwrap()
    }

    fn next(&self) -> String {
        format!("{:032x}", self.counter.fetch_add(1, Ordering::Relaxed))
    }

    /// Stores an object, in one step with the look whether there is one.
    fn store(&self, key: String, bytes: Bytes, create: bool) -> S3Result<String> {
        let mut objects = self.objects();
        if create && !self.overwrites.load(Ordering::Relaxed) && objects.contains_key(&key) {
            return Err(s3_error!(PreconditionFailed));
        }
        let (etag, modified) = (self.next(), Timestamp::from(SystemTime::now()));
        objects.insert(key, Stored { bytes, etag: etag.clone(), modified });
        Ok(etag)
    }

    fn find(&self, bucket: &str, key: &str) -> S3Result<Stored> {
        self.check(bucket)?;
        self.objects().get(key).cloned().ok_or_else(|| s3_error!(NoSuchKey))
    }

    fn check(&self, bucket: &str) -> S3Result<()> {
        let less = |left: u64| left.checked_sub(1);
        if self.slow_downs.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            return Err(s3_error!(SlowDown, "please reduce your request rate"));
        }
        if bucket == BUCKET { Ok(()) } else { Err(s3_error!(NoSuchBucket)) }
    }
}

async fn all(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(body) = body else { return Ok(Bytes::new()) };
    // What arrives here was compared with the digest that the request was signed with.
    let chunks: Vec<Bytes> = body.try_collect().await.map_err(|error| {
        S3Error::with_message(
            s3s::S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into()),
            error.to_string(),
        )
    })?;
    Ok(chunks.concat().into())
}

fn is_any(condition: Option<&ETagCondition>) -> bool {
    condition.is_some_and(ETagCondition::is_any)
}

#[expect(clippy::unnecessary_wraps, reason = "it ends functions that may fail")]
fn answer<T>(output: T) -> S3Result<S3Response<T>> {
    Ok(S3Response::new(output))
}

struct Shared(Arc<State>);

#[async_trait::async_trait]
impl S3 for Shared {
    async fn get_bucket_versioning(
        &self,
        request: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        self.0.check(&request.input.bucket)?;
        let versioned = self.0.versioned.load(Ordering::Relaxed);
        let status =
            versioned.then(|| BucketVersioningStatus::from_static(BucketVersioningStatus::ENABLED));
        answer(GetBucketVersioningOutput { status, ..Default::default() })
    }

    async fn get_bucket_lifecycle_configuration(
        &self,
        request: S3Request<GetBucketLifecycleConfigurationInput>,
    ) -> S3Result<S3Response<GetBucketLifecycleConfigurationOutput>> {
        self.0.check(&request.input.bucket)?;
        let rules = self.0.rules.lock().unwrap().clone();
        if rules.is_empty() {
            return Err(s3_error!(NoSuchLifecycleConfiguration));
        }
        answer(GetBucketLifecycleConfigurationOutput { rules: Some(rules), ..Default::default() })
    }

    async fn get_object_lock_configuration(
        &self,
        request: S3Request<GetObjectLockConfigurationInput>,
    ) -> S3Result<S3Response<GetObjectLockConfigurationOutput>> {
        self.0.check(&request.input.bucket)?;
        Err(s3_error!(ObjectLockConfigurationNotFoundError))
    }

    async fn list_buckets(
        &self,
        _: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let ours = s3s::dto::Bucket { name: Some(BUCKET.to_owned()), ..Default::default() };
        answer(ListBucketsOutput { buckets: Some(vec![ours]), ..Default::default() })
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        self.0.check(&input.bucket)?;
        let (bytes, create) = (all(input.body).await?, is_any(input.if_none_match.as_ref()));
        let etag = self.0.store(input.key, bytes, create)?;
        answer(PutObjectOutput { e_tag: Some(ETag::Strong(etag)), ..Default::default() })
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let found = self.0.find(&input.bucket, &input.key)?;
        let size = found.bytes.len() as u64;
        let mut bytes = found.bytes;
        let mut content_range = None;
        if let Some(range) = input.range {
            let range = range.check(size)?;
            content_range = Some(format!("bytes {}-{}/{size}", range.start, range.end - 1));
            bytes = bytes
                .slice(usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap());
        }
        answer(GetObjectOutput {
            content_length: Some(i64::try_from(bytes.len()).unwrap()),
            content_range,
            e_tag: Some(ETag::Strong(found.etag)),
            last_modified: Some(found.modified),
            body: Some(StreamingBlob::from(s3s::Body::from(bytes))),
            ..Default::default()
        })
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let found = self.0.find(&request.input.bucket, &request.input.key)?;
        answer(HeadObjectOutput {
            content_length: Some(i64::try_from(found.bytes.len()).unwrap()),
            e_tag: Some(ETag::Strong(found.etag)),
            last_modified: Some(found.modified),
            ..Default::default()
        })
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.0.check(&request.input.bucket)?;
        self.0.objects().remove(&request.input.key);
        answer(DeleteObjectOutput::default())
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        self.0.check(&input.bucket)?;
        let prefix = input.prefix.unwrap_or_default();
        let most = usize::try_from(input.max_keys.unwrap_or(1000)).unwrap();
        let from = input.continuation_token.or(input.start_after).unwrap_or_default();
        let mut output = ListObjectsV2Output::default();
        let (mut contents, mut folders) = (Vec::new(), Vec::<String>::new());
        let mut last = None;
        for (key, found) in
            self.0.objects().range::<str, _>((Bound::Excluded(from.as_str()), Bound::Unbounded))
        {
            let Some(rest) = key.strip_prefix(&prefix) else { continue };
            let folder = input.delimiter.as_ref().and_then(|delimiter| {
                Some(format!("{prefix}{}{delimiter}", rest.split_once(delimiter)?.0))
            });
            // The token of a folder is after all that lies in it.
            if folder.as_ref().is_some_and(|folder| {
                folders.contains(folder) || from.strip_suffix('\u{10ffff}') == Some(folder)
            }) {
                continue;
            }
            if contents.len() + folders.len() == most {
                output.is_truncated = Some(true);
                output.next_continuation_token = last;
                break;
            }
            if let Some(folder) = folder {
                last = Some(format!("{folder}\u{10ffff}"));
                folders.push(folder);
            } else {
                last = Some(key.clone());
                contents.push(Object {
                    key: Some(key.clone()),
                    size: Some(i64::try_from(found.bytes.len()).unwrap()),
                    e_tag: Some(ETag::Strong(found.etag.clone())),
                    last_modified: Some(found.modified.clone()),
                    ..Default::default()
                });
            }
        }
        let folder = |prefix| CommonPrefix { prefix: Some(prefix) };
        output.contents = Some(contents);
        output.common_prefixes = Some(folders.into_iter().map(folder).collect());
        answer(output)
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.0.check(&request.input.bucket)?;
        let id = self.0.next();
        self.0.uploads.lock().unwrap().insert(id.clone(), BTreeMap::new());
        answer(CreateMultipartUploadOutput { upload_id: Some(id), ..Default::default() })
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let input = request.input;
        self.0.check(&input.bucket)?;
        let bytes = all(input.body).await?;
        let mut uploads = self.0.uploads.lock().unwrap();
        let upload = uploads.get_mut(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        upload.insert(input.part_number, bytes);
        let e_tag = Some(ETag::Strong(input.part_number.to_string()));
        answer(UploadPartOutput { e_tag, ..Default::default() })
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        self.0.check(&input.bucket)?;
        let create = is_any(input.if_none_match.as_ref())
            && !self.0.completes_blindly.load(Ordering::Relaxed);
        let mut uploads = self.0.uploads.lock().unwrap();
        let upload = uploads.get(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let parts: Option<Vec<&Bytes>> =
            named.iter().map(|part| upload.get(&part.part_number?)).collect();
        let parts = parts.ok_or_else(|| s3_error!(InvalidPart))?;
        if parts.iter().rev().skip(1).any(|part| part.len() < LEAST_PART) {
            return Err(s3_error!(EntityTooSmall));
        }
        let bytes: Vec<u8> = parts.into_iter().flatten().copied().collect();
        let etag = self.0.store(input.key, bytes.into(), create)?;
        uploads.remove(&input.upload_id);
        let told = !self.0.completes_blindly.load(Ordering::Relaxed);
        let shown = ETag::Strong(if told { etag } else { String::new() });
        answer(CompleteMultipartUploadOutput { e_tag: Some(shown), ..Default::default() })
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.0.uploads.lock().unwrap().remove(&request.input.upload_id);
        answer(AbortMultipartUploadOutput::default())
    }
}

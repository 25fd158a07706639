//! What the gateway does and does not do.

use std::sync::Arc;

use object_store::path::Path;
use object_store::{Error, ObjectStore as _, ObjectStoreExt as _, PutMode, PutResult, Result};
use uuid::Uuid;

use super::Bucket;
use super::answer::code;
use super::bucket::{BucketStore, STAGING};
use super::multipart::BucketUpload;
use super::settings::Settings;
use crate::probe::{complete, failed};
use crate::{Capabilities, Finding, probe as every_backend};

/// The difference of clocks that is fine, in milliseconds. Gateways refuse a request that is a
/// quarter of an hour off.
const SKEW_TOLERATED: u64 = 60_000;

/// Tries out the gateway below `staging/probe-<uuid>/`.
pub(crate) async fn probe(bucket: &Arc<Bucket>) -> Capabilities {
    let folder = format!("probe-{}", Uuid::now_v7());
    let path = |name: &str| Path::from_iter([STAGING, &folder, name]);
    let paths = [path("whole"), path("overwritten"), path("parts")];
    let store = BucketStore(Arc::clone(bucket));
    let mut seen = every_backend::probe(&store, &paths).await;
    if seen.read_after_write == Finding::Works {
        seen.multipart_create_only = create_only_parts(bucket, &path("taken")).await;
        seen.damage_refused = damage_refused(bucket, &path("damaged")).await;
    }
    let Settings { versioning, object_lock, expiry_rule, abort_rule, wide_rights } =
        Settings::ask(bucket).await;
    seen.versioning = versioning;
    seen.object_lock = object_lock;
    seen.expiry_rule = expiry_rule;
    seen.abort_rule = abort_rule;
    seen.wide_rights = wide_rights;
    seen.clock_skew_millis = bucket.connector.skew();
    seen.clock = match seen.clock_skew_millis {
        Some(skew) if skew.unsigned_abs() <= SKEW_TOLERATED => Finding::Works,
        Some(skew) => Finding::Fails(format!("it is {} s ahead of ours", skew / 1000)),
        None => Finding::Unknown("the gateway shows no date".to_owned()),
    };
    seen
}

/// Whether the gateway itself refuses to complete an object in parts whose key is taken; we would
/// have looked before.
async fn create_only_parts(bucket: &Arc<Bucket>, key: &Path) -> Finding {
    let blindly = async {
        let path = bucket.path(key.as_ref())?;
        bucket.s3.put_opts(&path, "taken".into(), PutMode::Create.into()).await?;
        let mut upload = Blind(BucketUpload::begin(Arc::clone(bucket), path.clone()).await?);
        let completed = complete(&mut upload).await;
        bucket.s3.delete(&path).await?;
        completed
    };
    match blindly.await {
        Ok(()) => Finding::Fails("it overwrote an object that was there".to_owned()),
        Err(Error::AlreadyExists { .. }) => Finding::Works,
        Err(error) => failed(key, error),
    }
}

/// Whether the gateway refuses a body that is not the one that was signed.
async fn damage_refused(bucket: &Bucket, key: &Path) -> Finding {
    let Ok(path) = bucket.path(key.as_ref()) else {
        return Finding::Unknown("the prefix is none".to_owned());
    };
    let put = bucket.damaging.put(&path, "these bytes are changed on their way".into()).await;
    match put {
        Ok(_) => {
            let _ = bucket.s3.delete(&path).await;
            Finding::Fails("it stored a body that is not the one that was signed".to_owned())
        }
        Err(error) => match code(&error).as_str() {
            "XAmzContentSHA256Mismatch"
            | "BadDigest"
            | "SignatureDoesNotMatch"
            | "InvalidDigest"
            | "XAmzContentChecksumMismatch" => Finding::Works,
            _ => match failed(key, error) {
                Finding::Fails(reason) => Finding::Unknown(reason),
                other => other,
            },
        },
    }
}

/// An upload that does not look before it completes.
#[derive(Debug)]
struct Blind(BucketUpload);

#[async_trait::async_trait]
impl object_store::MultipartUpload for Blind {
    fn put_part(&mut self, data: object_store::PutPayload) -> object_store::UploadPart {
        self.0.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.0.complete_blindly().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.0.abort().await
    }
}

//! From options to a bucket with a marker.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use artifact_domain::Timestamp;
use artifact_domain::id::StorageId;
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectStore as _, ObjectStoreExt as _, PutMode,
    RetryConfig,
};

use super::answer::{Words, code, meaning};
use super::connection::{Connector, Fault};
use super::options::check;
use super::settings::SettingsAddress;
use super::{Bucket, S3Options};
use crate::{StorageError, marker};

/// What opening may take in all; a gateway that accepts connections and says nothing is as good
/// as none.
const OPEN_TIMEOUT: Duration = Duration::from_secs(20);

/// Opens the bucket, and finds the storage's identity in it or makes it.
pub(crate) async fn open(
    options: &S3Options,
    create: bool,
) -> Result<(Arc<Bucket>, StorageId), StorageError> {
    let opening = Opening::new(options)?;
    let id = opening.in_time(opening.identity(create)).await?;
    Ok((Arc::new(opening.bucket), id))
}

/// The bucket, whether it is a storage or not, after it was seen to answer. Nothing is written.
pub(crate) async fn open_any(options: &S3Options) -> Result<Arc<Bucket>, StorageError> {
    let opening = Opening::new(options)?;
    opening.in_time(opening.read()).await?;
    Ok(Arc::new(opening.bucket))
}

/// A bucket that is not known yet to be a storage.
struct Opening {
    bucket: Bucket,
    /// The same bucket with few tries, so that a wrong endpoint shows in seconds.
    impatient: AmazonS3,
    marker: Path,
    endpoint: String,
    name: String,
}

impl Opening {
    fn new(options: &S3Options) -> Result<Self, StorageError> {
        let url = options.url();
        let refuse = |reason: String| StorageError::NotAStorage { path: url.clone(), reason };
        let wrong = |error: &dyn std::fmt::Display| refuse(error.to_string());
        check(&options.bucket, &options.prefix)
            .map_err(|error| refuse(format!("{error}; correct ARTIFACT_STORE_STORAGE_URL")))?;
        let endpoint = options.endpoint.as_deref().map(str::trim).filter(|e| !e.is_empty());
        let connector = match endpoint {
            Some(endpoint) => connector(endpoint, options.allow_http).map_err(refuse)?,
            None => Connector::new(false, false).map_err(|error| wrong(&error))?,
        };
        for (value, setting) in [
            (options.access_key_id.as_str(), "ARTIFACT_STORE_S3_ACCESS_KEY_ID"),
            (options.secret_access_key.reveal(), "ARTIFACT_STORE_S3_SECRET_ACCESS_KEY"),
            (options.region.as_str(), "ARTIFACT_STORE_S3_REGION"),
        ] {
            // They become part of a header, and the builder would panic over it much later.
            if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(refuse(format!("{setting} is empty or has odd characters; set it")));
            }
        }
        let builder = |connector: Connector, retry: RetryConfig| {
            let mut builder = AmazonS3Builder::new()
                .with_bucket_name(&options.bucket)
                .with_region(&options.region)
                .with_access_key_id(&options.access_key_id)
                .with_secret_access_key(options.secret_access_key.reveal())
                .with_virtual_hosted_style_request(options.virtual_hosted_style)
                .with_client_options(ClientOptions::new())
                .with_conditional_put(S3ConditionalPut::ETagMatch)
                .with_disable_bulk_delete(true)
                .with_disable_tagging(true)
                .with_retry(retry)
                .with_http_connector(connector);
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
            }
            builder.build().map_err(|error| wrong(&error))
        };
        let bucket = Bucket {
            s3: builder(connector.clone(), retries(5, 60))?,
            damaging: builder(connector.with_fault(Fault::Body), retries(0, 10))?,
            connector: connector.clone(),
            settings: address(options, endpoint),
            prefix: options.prefix.clone(),
            url: url.clone(),
            entered: OnceLock::new(),
        };
        let marker = bucket.path(marker::NAME).map_err(|error| wrong(&error))?;
        let amazon = || format!("https://s3.{}.amazonaws.com", options.region);
        Ok(Self {
            impatient: builder(connector, retries(2, 10))?,
            bucket,
            marker,
            endpoint: endpoint.map_or_else(amazon, shown),
            name: options.bucket.clone(),
        })
    }

    async fn in_time<T>(
        &self,
        opened: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        tokio::time::timeout(OPEN_TIMEOUT, opened).await.unwrap_or_else(|_| {
            let silence = format!("no answer within {} seconds", OPEN_TIMEOUT.as_secs());
            Err(self.unreachable(io::Error::new(io::ErrorKind::TimedOut, silence)))
        })
    }

    async fn identity(&self, create: bool) -> Result<StorageId, StorageError> {
        if let Some(id) = self.read().await? {
            return Ok(id);
        }
        let packages = self.bucket_asked(self.bucket.any_object("packages").await)?;
        // A new id would make these packages strangers to the registry that knows them. Another
        // process may have made the marker and a first package since we looked.
        if packages.is_some() {
            return match self.read().await? {
                Some(id) => Ok(id),
                None => Err(self.refuse(
                    "it has packages but no storage.json; put that object back from a backup",
                )),
            };
        }
        if !create {
            return Err(self.refuse(
                "it has no storage.json; check ARTIFACT_STORE_STORAGE_URL, or have it created",
            ));
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(now.as_micros()).unwrap_or(0);
        let now = Timestamp::from_unix_micros(micros)
            .map_err(|error| StorageError::unavailable("create", self.shown(), error))?;
        let bytes = marker::encode(StorageId::generate(now));
        match self.impatient.put_opts(&self.marker, bytes.into(), PutMode::Create.into()).await {
            // Somebody else made it at the same time.
            Ok(_) | Err(Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(self.explain("create", error)),
        }
        // What is there is right, whoever made it.
        self.read().await?.ok_or_else(|| {
            StorageError::unavailable("create", self.shown(), "it vanished while it was made")
        })
    }

    async fn read(&self) -> Result<Option<StorageId>, StorageError> {
        let wrong = |reason| StorageError::WrongMarker { path: self.shown(), reason };
        let got = match self.impatient.get(&self.marker).await {
            Ok(got) => got,
            Err(error @ Error::NotFound { .. }) => {
                // A key that is missing says so; some gateways give no reason at all, and then
                // the listing that follows finds out whether there is a bucket.
                return match code(&error).as_str() {
                    "NoSuchKey" | "" => Ok(None),
                    _ => Err(self.explain("read", error)),
                };
            }
            Err(error) => return Err(self.explain("read", error)),
        };
        if got.meta.size > marker::MAX_BYTES {
            return Err(wrong(format!("it has {} bytes, so it is not a marker", got.meta.size)));
        }
        let bytes = got.bytes().await.map_err(|error| self.explain("read", error))?;
        marker::decode(&bytes).map(Some).map_err(wrong)
    }

    fn bucket_asked<T>(&self, answer: object_store::Result<T>) -> Result<T, StorageError> {
        answer.map_err(|error| self.explain("list", error))
    }

    /// What an error means before the storage was ever seen to work: most likely a setting.
    fn explain(&self, operation: &'static str, error: Error) -> StorageError {
        let name = &self.name;
        match code(&error).as_str() {
            "NoSuchBucket" => self.refuse(&format!(
                "{} has no bucket {name}; make it, or correct ARTIFACT_STORE_STORAGE_URL",
                self.endpoint
            )),
            "PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed" => self
                .refuse(&format!(
                    "the bucket {name} is in another region ({}); correct ARTIFACT_STORE_S3_REGION or ARTIFACT_STORE_S3_ENDPOINT",
                    Words::of(&error).into_io()
                )),
            "" if !matches!(
                error,
                Error::PermissionDenied { .. }
                    | Error::Unauthenticated { .. }
                    | Error::AlreadyExists { .. }
            ) =>
            {
                self.unreachable(Words::of(&error).into_io())
            }
            _ => meaning(operation, &self.shown(), error),
        }
    }

    fn unreachable(&self, source: io::Error) -> StorageError {
        let (path, endpoint) = (self.bucket.url.clone(), self.endpoint.clone());
        StorageError::Unreachable { path, endpoint, source }
    }

    fn refuse(&self, reason: &str) -> StorageError {
        StorageError::NotAStorage { path: self.bucket.url.clone(), reason: reason.to_owned() }
    }

    /// The marker's address.
    fn shown(&self) -> String {
        format!("{}/{}", self.bucket.url, marker::NAME)
    }
}

/// Where the bucket is asked for its settings.
fn address(options: &S3Options, endpoint: Option<&str>) -> SettingsAddress {
    let S3Options { bucket, region, .. } = options;
    let endpoint = endpoint.map(|endpoint| endpoint.trim_end_matches('/'));
    let (bucket, service) = match (endpoint, options.virtual_hosted_style) {
        (Some(endpoint), true) => (format!("{endpoint}/"), None),
        (Some(endpoint), false) => (format!("{endpoint}/{bucket}"), Some(format!("{endpoint}/"))),
        (None, _) => {
            let service = format!("https://s3.{region}.amazonaws.com/");
            (format!("{service}{bucket}"), Some(service))
        }
    };
    SettingsAddress { bucket, service, region: region.clone() }
}

/// Connections to the endpoint, if it may be used.
fn connector(endpoint: &str, allow_http: bool) -> Result<Connector, String> {
    let wrong = |why: &str| {
        let shown = shown(endpoint);
        format!(
            "the endpoint {shown:?} {why}; correct ARTIFACT_STORE_S3_ENDPOINT, such as https://ceph.example.org"
        )
    };
    let url =
        reqwest::Url::parse(endpoint).map_err(|error| wrong(&format!("is no URL ({error})")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has credentials in it, which have settings of their own"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has more than an address"));
    }
    let plain = match url.scheme() {
        "https" => false,
        "http" if allow_http => true,
        "http" => {
            return Err(wrong(
                "is not encrypted: use https, or set ARTIFACT_STORE_S3_ALLOW_HTTP to true where nobody else listens",
            ));
        }
        _ => return Err(wrong("is neither https nor http")),
    };
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    Connector::new(plain, loopback).map_err(|error| wrong(&format!("cannot be used ({error})")))
}

/// An endpoint without what somebody wrote before an `@` in it.
fn shown(endpoint: &str) -> String {
    match endpoint.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://{host}")
        }
        None => endpoint.to_owned(),
    }
}

/// Tries after the first, and the seconds after which there are no more.
fn retries(max_retries: usize, seconds: u64) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.,
        },
        max_retries,
        retry_timeout: Duration::from_secs(seconds),
    }
}

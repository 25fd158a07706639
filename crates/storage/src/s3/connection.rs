//! The connections to a bucket: how requests leave this process.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::header::{DATE, HeaderValue, IF_NONE_MATCH};
use http::{Method, Response};
use http_body_util::BodyExt as _;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use rustls::crypto::CryptoProvider;
use rustls_platform_verifier::BuilderVerifierExt as _;

/// The time that a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The time that may pass without a byte of an answer, the sending of a part included: 8 MiB at 140
/// KiB/s. While a long object is completed, Amazon sends white space.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// How long an idle connection is kept for the next request: less than after what gateways
/// commonly close one, so that a request does not meet the closing.
const KEPT_IDLE: Duration = Duration::from_secs(4);

/// What is not yet known of the gateway's clock.
const NO_SKEW: i64 = i64::MIN;

/// How requests leave this process, and what was seen of the gateway's clock.
///
/// It is our own because the one of `object_store` brings a second TLS provider and HTTP/2, and
/// because a header has to be added that it never sends; see [`Wire::send`].
#[derive(Clone, Debug)]
pub(super) struct Connector {
    wire: Arc<Wire>,
}

#[derive(Debug)]
struct Wire {
    client: reqwest::Client,
    fault: AtomicU8,
    /// The gateway's clock less ours, in milliseconds.
    skew: AtomicI64,
}

/// What a probe does to its own requests, to see whether the gateway notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Fault {
    /// Nothing.
    None = 0,
    /// The first byte of every body is changed after the request was signed.
    Body = 1,
}

impl Connector {
    /// Connections to `endpoint`, which may be without TLS only if that was allowed before.
    pub(super) fn new(plain: bool, loopback: bool) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("artifact-storage/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls(plain)?)
            .https_only(!plain)
            .http1_only()
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .pool_idle_timeout(KEPT_IDLE)
            // A signature is for one address only.
            .redirect(reqwest::redirect::Policy::none())
            // What may be repeated is decided by `object_store`.
            .retry(reqwest::retry::never());
        if loopback {
            builder = builder.no_proxy();
        }
        let client = builder.build()?;
        Ok(Self::of(client, Fault::None))
    }

    fn of(client: reqwest::Client, fault: Fault) -> Self {
        let (fault, skew) = (AtomicU8::new(fault as u8), AtomicI64::new(NO_SKEW));
        Self { wire: Arc::new(Wire { client, fault, skew }) }
    }

    /// The same connections, with a fault.
    pub(super) fn with_fault(&self, fault: Fault) -> Self {
        Self::of(self.wire.client.clone(), fault)
    }

    /// Sends a request that is signed already.
    pub(super) async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.wire.send(request).await
    }

    /// The gateway's clock less ours, in milliseconds, as of its last answer.
    pub(super) fn skew(&self) -> Option<i64> {
        Some(self.wire.skew.load(Ordering::Relaxed)).filter(|&skew| skew != NO_SKEW)
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service(Arc::clone(&self.wire))))
    }
}

#[derive(Debug)]
struct Service(Arc<Wire>);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.0.send(request).await
    }
}

impl Wire {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (mut head, body) = request.into_parts();
        // The one request of ours with this shape completes an object in parts. Amazon refuses it
        // when the key is taken; Ceph 16 does not look at it.
        if head.method == Method::POST && head.uri.query().is_some_and(completes) {
            head.headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        let is_document = answers_document(&head.method, head.uri.query().unwrap_or_default());
        let url = reqwest::Url::parse(&head.uri.to_string())
            .map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let mut request = reqwest::Request::new(head.method, url);
        *request.headers_mut() = head.headers;
        *request.body_mut() = Some(if self.fault.load(Ordering::Relaxed) == Fault::Body as u8 {
            damaged(body.collect().await?.to_bytes()).into()
        } else {
            reqwest::Body::wrap(body)
        });
        let answer: Response<reqwest::Body> =
            self.client.execute(request).await.map_err(lost)?.into();
        self.look_at_the_clock(answer.headers().get(DATE));
        let (head, body) = answer.into_parts();
        if is_document {
            let document = body.collect().await.map_err(lost)?.to_bytes();
            return Ok(HttpResponse::from_parts(head, document.into()));
        }
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body.map_err(lost))))
    }

    fn look_at_the_clock(&self, date: Option<&HeaderValue>) {
        let theirs = date
            .and_then(|date| date.to_str().ok())
            .and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok());
        let ours = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        if let (Some(theirs), Ok(ours)) = (theirs, ours) {
            let ours = i64::try_from(ours.as_millis()).unwrap_or(0);
            // The header has whole seconds, cut.
            let skew = theirs.timestamp_millis() + 500 - ours;
            self.skew.store(skew, Ordering::Relaxed);
        }
    }
}

/// Whether the answer is a document about objects and not the bytes of one. It is read to its end
/// before it is handed over: `object_store` asks again if a request fails, and does not if the
/// document breaks off afterwards. A page of a listing, the longest of them, has a thousand names.
fn answers_document(method: &Method, query: &str) -> bool {
    match *method {
        Method::POST => true,
        Method::GET => query.split('&').any(|pair| pair.starts_with("list-type=")),
        _ => false,
    }
}

fn completes(query: &str) -> bool {
    query.split('&').any(|pair| pair.starts_with("uploadId="))
}

fn damaged(body: Bytes) -> Bytes {
    let mut body = BytesMut::from(body);
    if let Some(first) = body.first_mut() {
        *first ^= 1;
    }
    body.freeze()
}

/// What a failure on the way means for trying again.
fn lost(error: reqwest::Error) -> HttpError {
    let kind = if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_connect() {
        HttpErrorKind::Connect
    } else if error.is_decode() || error.is_body() {
        HttpErrorKind::Interrupted
    } else if error.is_request() {
        // Most often a connection that the gateway was closing. A create that is repeated may
        // meet its own first try; that is `AlreadyExists`, which its caller can settle.
        HttpErrorKind::Request
    } else {
        HttpErrorKind::Unknown
    };
    HttpError::new(kind, error.without_url())
}

/// TLS with the certificates that the system trusts, if it is needed at all.
fn tls(plain: bool) -> Result<rustls::ClientConfig, rustls::Error> {
    let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?;
    let config = if plain {
        config.with_root_certificates(rustls::RootCertStore::empty())
    } else {
        config.with_platform_verifier()?
    };
    Ok(config.with_no_client_auth())
}

//! One file up.

use std::error::Error;

use artifact_domain::media_type::MediaType;
use artifact_domain::wire::{ErrorCode, FileView};
use artifact_domain::{LogicalPath, PackageId, Sha256Digest};
use bytes::Bytes;
use futures::{FutureExt as _, Stream, TryStreamExt as _};
use reqwest::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Body, Method, Request};

use crate::address::with_query;
use crate::call::{from_json, parse, read_whole};
use crate::client::Client;
use crate::error::ClientError;
use crate::outgoing::{Sent, Watch, outgoing};
use crate::repr_digest;
use crate::tries::{Reached, Setback, Tries};

/// The most bytes of the answer to an upload.
const ANSWER: usize = 1 << 20;

/// What is said of a file before its first byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Its name in the package.
    pub path: LogicalPath,
    /// What it is; the server guesses from the name if absent.
    pub media_type: Option<MediaType>,
    /// Whether a file of this path may be there, to be replaced. Such an upload is not repeated:
    /// it could replace what somebody else stored meanwhile.
    pub replace: bool,
    /// Its size in bytes. If it is known the server can refuse a file that is cut short or too
    /// large at once.
    pub size: Option<u64>,
    /// SHA-256 of its bytes: the server stores nothing else.
    pub sha256: Option<Sha256Digest>,
}

impl NewFile {
    /// A new file about which nothing but its path is said.
    pub const fn new(path: LogicalPath) -> Self {
        Self { path, media_type: None, replace: false, size: None, sha256: None }
    }
}

impl Client {
    /// Stores a file. `body` makes a fresh stream of its bytes for each attempt.
    ///
    /// The bytes are hashed as they go, and the answer must say the same: a file that was stored
    /// with other bytes is removed again. If the answer is lost, the file is sent again, and if
    /// it turns out that it was stored by then, with what was sent, all is well.
    pub async fn upload_file<B, S, E>(
        &self,
        package: PackageId,
        file: &NewFile,
        body: B,
    ) -> Result<FileView, ClientError>
    where
        B: Fn() -> S + Send + Sync,
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + Send + 'static,
    {
        let mut upload = Upload::new(self, package, file);
        let mut tries = Tries::new(&self.options().retries);
        loop {
            let watch = Watch::new();
            let bytes = outgoing(body(), file.size, watch.clone());
            let setback = match upload.attempt(bytes, &watch).await {
                Ok(stored) => return upload.compare(stored, &watch).await,
                Err(setback) => setback,
            };
            if let Some(source) = watch.take_error() {
                return Err(ClientError::Source { what: upload.what, source });
            }
            if let Some(stored) = upload.look_back(&setback, &watch).await? {
                return Ok(stored);
            }
            if upload.may_be_done && setback.error.code() == ErrorCode::UploadInProgress {
                // That is our own attempt before, whose connection the server has not missed yet.
                tries.wait(setback).await?;
            } else {
                tries.pause(setback, !file.replace).await?;
            }
        }
    }

    /// Stores a file that is in memory. Its size and digest go ahead.
    pub async fn upload_bytes(
        &self,
        package: PackageId,
        file: NewFile,
        bytes: impl Into<Bytes>,
    ) -> Result<FileView, ClientError> {
        let bytes = bytes.into();
        let sha256 = file.sha256.unwrap_or_else(|| Sha256Digest::of(&bytes));
        let file = NewFile { size: Some(bytes.len() as u64), sha256: Some(sha256), ..file };
        let body = || futures::stream::iter([Ok::<_, ClientError>(bytes.clone())]);
        self.upload_file(package, &file, body).await
    }

    /// Removes a file that was stored with other bytes than were sent, and says so.
    pub(crate) async fn take_back(
        &self,
        what: String,
        package: PackageId,
        stored: &FileView,
        sent: Sent,
    ) -> ClientError {
        let kept = match self.remove_file(package, &stored.path).await {
            Ok(()) => "the server stored other bytes than were sent, and they were removed again",
            Err(_) => "the server stored other bytes than were sent: remove the file",
        };
        if stored.size == sent.size {
            let (expected, actual) = (sent.blake3.to_string(), stored.blake3.to_string());
            ClientError::Mismatch { what, digest: "BLAKE3", expected, actual, kept }
        } else {
            let (expected, actual) = (sent.size.to_string(), stored.size.to_string());
            ClientError::Mismatch { what, digest: "size", expected, actual, kept }
        }
    }
}

/// Says how long a body is. One whose length nobody knows takes a connection of its own: an
/// answer may come before all of it was sent, and the rest would stand before the next request.
pub(crate) fn announce_length(headers: &mut HeaderMap, size: Option<u64>) {
    match size {
        Some(size) => headers.insert(CONTENT_LENGTH, size.into()),
        None => headers.insert(CONNECTION, HeaderValue::from_static("close")),
    };
}

/// An upload and what is known of its attempts.
struct Upload<'a> {
    client: &'a Client,
    package: PackageId,
    file: &'a NewFile,
    what: String,
    url: String,
    /// Whether an attempt may have stored the file without our hearing of it.
    may_be_done: bool,
    /// What the file is, as soon as an attempt has sent all of it.
    known: Option<Sent>,
}

impl<'a> Upload<'a> {
    fn new(client: &'a Client, package: PackageId, file: &'a NewFile) -> Self {
        let what = format!("upload {} to package {package}", file.path);
        let mut url = client.address().file(package, &file.path);
        if file.replace {
            url = with_query(&url, [("replace", "true".to_owned())]);
        }
        Self { client, package, file, what, url, may_be_done: false, known: None }
    }

    async fn attempt(
        &self,
        mut bytes: futures::stream::BoxStream<'static, std::io::Result<Bytes>>,
        watch: &Watch,
    ) -> Result<FileView, Setback> {
        let mut request = self.request().map_err(Setback::of_ours)?;
        // Of a body that is announced to be empty nobody would ever ask for the first byte.
        let body = if self.file.size == Some(0) {
            let _ = bytes.try_next().await;
            (watch.all_that_was_sent().is_some()).then(|| Body::from(Bytes::new()))
        } else {
            Some(Body::wrap_stream(bytes))
        };
        let Some(body) = body else {
            let what = self.what.clone();
            let source = "its source failed".into();
            return Err(Setback::of_ours(ClientError::Source { what, source }));
        };
        *request.body_mut() = Some(body);
        let options = self.client.options();
        let response =
            self.client.attempt(&self.what, request, watch, options.answer_timeout).boxed().await?;
        let answer = read_whole(&self.what, response, ANSWER, options.idle_timeout).await?;
        from_json(&answer, &self.what, &self.url).map_err(Setback::of_ours)
    }

    fn request(&self) -> Result<Request, ClientError> {
        let mut request = Request::new(Method::PUT, parse(&self.url)?);
        let headers = request.headers_mut();
        let unfit = |_| ClientError::Source {
            what: self.what.clone(),
            source: "its media type cannot be sent".into(),
        };
        if let Some(media_type) = &self.file.media_type {
            let value = HeaderValue::try_from(media_type.as_str()).map_err(unfit)?;
            headers.insert(CONTENT_TYPE, value);
        }
        announce_length(headers, self.file.size);
        if let Some(sha256) = &self.file.sha256 {
            let value = HeaderValue::try_from(repr_digest::field(sha256)).map_err(unfit)?;
            headers.insert(repr_digest::REPR_DIGEST, value);
        }
        Ok(request)
    }

    /// Holds the server's answer against what was sent.
    async fn compare(self, stored: FileView, watch: &Watch) -> Result<FileView, ClientError> {
        match watch.all_that_was_sent() {
            Some(sent) if sent.matches(&stored) => Ok(stored),
            Some(sent) => Err(self.client.take_back(self.what, self.package, &stored, sent).await),
            None => Err(ClientError::Unexpected {
                what: self.what,
                url: self.url,
                status: 201,
                detail: "before all of the file was sent".to_owned(),
                attempts: 1,
            }),
        }
    }

    /// Whether an attempt that seemed to fail has stored the file: then its path is taken, by
    /// what was sent.
    async fn look_back(
        &mut self,
        setback: &Setback,
        watch: &Watch,
    ) -> Result<Option<FileView>, ClientError> {
        self.known = self.known.or_else(|| watch.all_that_was_sent());
        let is_known = self.known.is_some() || self.file.sha256.is_some();
        if self.may_be_done
            && is_known
            && !self.file.replace
            && setback.error.code() == ErrorCode::DuplicatePath
        {
            let stored = self.client.file(self.package, &self.file.path).await?;
            return Ok(stored.filter(|stored| self.is_the_file(stored)));
        }
        self.may_be_done |= setback.reached == Reached::Unknown;
        Ok(None)
    }

    /// Whether what is stored is the file, by all that is known of it.
    fn is_the_file(&self, stored: &FileView) -> bool {
        self.known.is_none_or(|known| known.matches(stored))
            && self.file.sha256.is_none_or(|sha256| sha256 == stored.sha256)
            && self.file.size.is_none_or(|size| size == stored.size)
    }
}

impl Sent {
    pub(crate) fn matches(&self, stored: &FileView) -> bool {
        (self.size, self.blake3) == (stored.size, stored.blake3)
    }
}

//! Bytes on their way down: resumed when they break off, held against their digest at the end.

use std::fmt;
use std::ops::Range;

use artifact_domain::Sha256Digest;
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, IF_MATCH, RANGE};
use reqwest::{Response, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::call::{Call, silence};
use crate::client::Client;
use crate::error::{Cause, ClientError};
use crate::repr_digest;
use crate::tries::{Reached, Setback, Tries};

/// A stream of bytes. Its last item is an error if it did not bring all of them.
pub type ByteStream = BoxStream<'static, Result<Bytes, ClientError>>;

/// An answer whose bytes are on their way.
pub struct Download {
    /// How many bytes are coming, if that is known ahead.
    pub size: Option<u64>,
    /// SHA-256 of the whole of what was asked for (also if only a range of it is coming), if the
    /// server says it.
    pub sha256: Option<Sha256Digest>,
    /// What the bytes are said to be.
    pub media_type: Option<String>,
    /// The version of what was asked for.
    pub etag: Option<String>,
    stream: ByteStream,
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("size", &self.size)
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}

impl Download {
    /// The bytes as they come. If they break off, the rest is asked for, as long as it is of the
    /// same version.
    pub fn into_stream(self) -> ByteStream {
        self.stream
    }

    /// All of the bytes at once, in memory.
    pub async fn into_bytes(mut self) -> Result<Bytes, ClientError> {
        let mut bytes = BytesMut::new();
        while let Some(chunk) = self.stream.try_next().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }
}

/// A download under way.
struct Incoming {
    client: Client,
    what: String,
    url: String,
    etag: Option<String>,
    /// The place in the whole of the next byte, and of the byte after the last one.
    next: u64,
    end: Option<u64>,
    begun_at: u64,
    chunks: BoxStream<'static, Result<Bytes, reqwest::Error>>,
    /// What the whole must be, with the hash of what came so far.
    expected: Option<(Sha256Digest, Sha256)>,
    is_over: bool,
}

impl Client {
    pub(crate) async fn download(
        &self,
        url: String,
        what: String,
        range: Option<Range<u64>>,
    ) -> Result<Download, ClientError> {
        let mut call = Call::get(url.clone(), what.clone());
        if let Some(range) = &range {
            call = call.header(RANGE, &range_field(range.start, Some(range.end)))?;
        }
        let mut tries = Tries::new(&self.options().retries);
        let response = loop {
            match self.attempt_call(&call).await {
                Ok(response) => break response,
                Err(setback) => tries.pause(setback, true).await?,
            }
        };
        let headers = response.headers();
        let text = |value: &reqwest::header::HeaderValue| value.to_str().ok().map(str::to_owned);
        let etag = headers.get(ETAG).and_then(text);
        let media_type = headers.get(CONTENT_TYPE).and_then(text);
        let sha256 = repr_digest::announced(headers);
        let is_partial = response.status() == StatusCode::PARTIAL_CONTENT;
        let start = if is_partial { first_byte(headers).unwrap_or_default() } else { 0 };
        if range.is_some_and(|range| !is_partial || range.start != start) {
            return Err(wrong_range(what, url, response.status()));
        }
        let size = response.content_length();
        let incoming = Incoming {
            client: self.clone(),
            what,
            url,
            etag: etag.clone(),
            next: start,
            end: size.map(|size| start + size),
            begun_at: start,
            chunks: response.bytes_stream().boxed(),
            expected: sha256.filter(|_| !is_partial).map(|sha256| (sha256, Sha256::new())),
            is_over: false,
        };
        let stream = futures::stream::try_unfold(incoming, Incoming::step).boxed();
        Ok(Download { size, sha256, media_type, etag, stream })
    }
}

fn wrong_range(what: String, url: String, status: StatusCode) -> ClientError {
    let detail = "with another range than was asked for".to_owned();
    ClientError::Unexpected { what, url, status: status.as_u16(), detail, attempts: 1 }
}

fn range_field(start: u64, end: Option<u64>) -> String {
    match end {
        Some(end) => format!("bytes={start}-{}", end.saturating_sub(1)),
        None => format!("bytes={start}-"),
    }
}

/// Where a partial answer begins (RFC 9110, section 14.4).
fn first_byte(headers: &HeaderMap) -> Option<u64> {
    let field = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    field.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()
}

impl Incoming {
    /// The next chunk and the rest.
    async fn step(mut self) -> Result<Option<(Bytes, Self)>, ClientError> {
        if self.is_over {
            return Ok(None);
        }
        let retries = self.client.options().retries.clone();
        let mut tries = Tries::new(&retries);
        loop {
            let reason = match self.chunk().await {
                Ok(Some(chunk)) => {
                    self.take(&chunk)?;
                    return Ok(Some((chunk, self)));
                }
                Ok(None) if self.end.is_none_or(|end| end == self.next) => {
                    self.is_over = true;
                    return self.check().map(|()| None);
                }
                Ok(None) => "the connection was closed".to_owned(),
                Err(reason) => reason,
            };
            let mut setback = self.cut(reason);
            // The head of the rest may fail as often as the rest itself: both are attempts.
            loop {
                tries.pause(setback, true).await?;
                match self.resume().await {
                    Ok(()) => break,
                    Err(again) => setback = again,
                }
            }
        }
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, String> {
        let idle = self.client.options().idle_timeout;
        match tokio::time::timeout(idle, self.chunks.next()).await {
            Err(_) => Err(silence(idle)),
            Ok(None) => Ok(None),
            Ok(Some(Err(error))) => Err(Cause::new(error).to_string()),
            Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
        }
    }

    /// Counts and hashes what came.
    fn take(&mut self, chunk: &Bytes) -> Result<(), ClientError> {
        self.next += chunk.len() as u64;
        if let Some((_, hash)) = &mut self.expected {
            hash.update(chunk);
        }
        match self.end {
            Some(end) if self.next > end => Err(ClientError::Mismatch {
                what: self.what.clone(),
                digest: "size",
                expected: (end - self.begun_at).to_string(),
                actual: format!("at least {}", self.next - self.begun_at),
                kept: "the bytes that came are not to be used",
            }),
            _ => Ok(()),
        }
    }

    /// Holds all that came against what was announced.
    fn check(&mut self) -> Result<(), ClientError> {
        let Some((expected, hash)) = self.expected.take() else { return Ok(()) };
        let actual = Sha256Digest::from_bytes(hash.finalize().into());
        if actual == expected {
            return Ok(());
        }
        Err(ClientError::Mismatch {
            what: self.what.clone(),
            digest: "SHA-256",
            expected: expected.to_string(),
            actual: actual.to_string(),
            kept: "the bytes that came are not to be used",
        })
    }

    /// What it means that the stream broke off here. Without a version and a length nobody can
    /// ask for the rest of it.
    fn cut(&self, reason: String) -> Setback {
        let can_resume = self.etag.is_some() && self.end.is_some();
        let error = ClientError::CutShort {
            what: self.what.clone(),
            url: self.url.clone(),
            received: self.next - self.begun_at,
            expected: self.end.map(|end| end - self.begun_at),
            reason,
            attempts: 1,
        };
        let reached = if can_resume { Reached::Unknown } else { Reached::Answer };
        Setback { error, reached, wait: None }
    }

    /// Asks for the rest of the same version.
    async fn resume(&mut self) -> Result<(), Setback> {
        let mut call = Call::get(self.url.clone(), self.what.clone())
            .header(RANGE, &range_field(self.next, self.end))
            .map_err(Setback::of_ours)?;
        if let Some(etag) = &self.etag {
            call = call.header(IF_MATCH, etag).map_err(Setback::of_ours)?;
        }
        let response: Response = self.client.attempt_call(&call).await?;
        if first_byte(response.headers()) != Some(self.next) {
            let (what, url) = (self.what.clone(), self.url.clone());
            return Err(Setback::of_ours(wrong_range(what, url, response.status())));
        }
        self.chunks = response.bytes_stream().boxed();
        Ok(())
    }
}

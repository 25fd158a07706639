//! One request and its answer, repeated where it may be.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{FutureExt as _, StreamExt as _};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Request, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::client::Client;
use crate::error::{Cause, ClientError};
use crate::outgoing::Watch;
use crate::problem;
use crate::tries::{Reached, Setback, Tries};

/// The most bytes of an answer that is read as a whole: a page of a thousand packages, each with
/// all the metadata that it may have, is smaller.
const LONGEST: usize = 512 << 20;

/// A request without a body, or with one that is in memory.
pub(crate) struct Call {
    /// What it does on what, to follow "failed to".
    what: String,
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Option<Bytes>,
    /// Whether it may be done twice.
    is_safe: bool,
    answer_timeout: Option<Duration>,
}

/// An answer that was read as a whole.
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn new(method: Method, url: String, what: impl Into<String>) -> Self {
        // Methods that are the same when they are done twice (RFC 9110, section 9.2.2); PUT is
        // not among them here, because it may create.
        let is_safe = matches!(method, Method::GET | Method::HEAD | Method::DELETE);
        let (headers, what) = (HeaderMap::new(), what.into());
        Self { what, method, url, headers, body: None, is_safe, answer_timeout: None }
    }

    pub(crate) fn get(url: String, what: impl Into<String>) -> Self {
        Self::new(Method::GET, url, what)
    }

    /// Says that this request may be done twice.
    pub(crate) fn safe(mut self, is_safe: bool) -> Self {
        self.is_safe = is_safe;
        self
    }

    pub(crate) fn answered_within(mut self, timeout: Duration) -> Self {
        self.answer_timeout = Some(timeout);
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Result<Self, ClientError> {
        let value = HeaderValue::try_from(value).map_err(|_| ClientError::Source {
            what: self.what.clone(),
            source: format!("{value:?} cannot be the value of {name}").into(),
        })?;
        self.headers.insert(name, value);
        Ok(self)
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Self, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| ClientError::Source {
            what: self.what.clone(),
            source: error.into(),
        })?;
        self.body = Some(body.into());
        self.header(CONTENT_TYPE, "application/json")
    }

    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The request, once more.
    fn request(&self) -> Result<Request, ClientError> {
        let mut request = Request::new(self.method.clone(), parse(&self.url)?);
        *request.headers_mut() = self.headers.clone();
        if let Some(body) = &self.body {
            request.headers_mut().insert(CONTENT_LENGTH, body.len().into());
            *request.body_mut() = Some(body.clone().into());
        }
        Ok(request)
    }
}

pub(crate) fn parse(url: &str) -> Result<reqwest::Url, ClientError> {
    url.parse().map_err(|error| ClientError::InvalidUrl {
        url: url.to_owned(),
        reason: format!("{error}"),
    })
}

impl Client {
    /// Sends a request once and waits for the head of its answer. A `watch` tells how far the
    /// body of the request is.
    pub(crate) async fn attempt(
        &self,
        what: &str,
        request: Request,
        watch: &Watch,
        answer_timeout: Duration,
    ) -> Result<Response, Setback> {
        let url = request.url().to_string();
        let idle = self.options().idle_timeout;
        let mut execute = std::pin::pin!(self.http().execute(request));
        let response = loop {
            let (since, is_sent) = watch.last_progress();
            let silence = if is_sent { answer_timeout } else { idle };
            if let Ok(done) = tokio::time::timeout_at(since + silence, &mut execute).await {
                break done;
            }
            if watch.last_progress().0 + silence <= Instant::now() {
                let what = what.to_owned();
                let error = ClientError::Stalled { what, url, silence, attempts: 1 };
                return Err(Setback { error, reached: Reached::Unknown, wait: None });
            }
        };
        match response {
            Ok(response) if response.status().is_success() => Ok(response),
            Ok(response) => Err(problem::setback(what, response, idle).await),
            Err(error) => {
                let source = Cause::new(error);
                let reached = if source.is_unsent() { Reached::Nothing } else { Reached::Unknown };
                let error =
                    ClientError::Transport { what: what.to_owned(), url, attempts: 1, source };
                Err(Setback { error, reached, wait: None })
            }
        }
    }

    /// Sends a call once.
    pub(crate) async fn attempt_call(&self, call: &Call) -> Result<Response, Setback> {
        let request = call.request().map_err(Setback::of_ours)?;
        let timeout = call.answer_timeout.unwrap_or(self.options().answer_timeout);
        // The future is boxed here once, so that it is not part of every use case's future.
        self.attempt(&call.what, request, &Watch::sent(), timeout).boxed().await
    }

    /// Sends a call and reads the answer as a whole, again and again where it may be.
    pub(crate) async fn send(&self, call: &Call) -> Result<Answer, ClientError> {
        let mut tries = Tries::new(&self.options().retries);
        loop {
            match self.exchange(call).await {
                Ok(answer) => return Ok(answer),
                Err(setback) => tries.pause(setback, call.is_safe).await?,
            }
        }
    }

    /// Sends a call once and reads the answer as a whole.
    pub(crate) async fn exchange(&self, call: &Call) -> Result<Answer, Setback> {
        let response = self.attempt_call(call).await?;
        let headers = response.headers().clone();
        let idle = self.options().idle_timeout;
        let body = read_whole(&call.what, response, LONGEST, idle).await?;
        Ok(Answer { headers, body })
    }

    /// Sends a call and reads its answer as JSON.
    pub(crate) async fn send_json<T: DeserializeOwned>(
        &self,
        call: &Call,
    ) -> Result<T, ClientError> {
        self.send(call).await?.json(call.what(), call.url())
    }
}

impl Setback {
    /// A request that was never made.
    pub(crate) const fn of_ours(error: ClientError) -> Self {
        Self { error, reached: Reached::Answer, wait: None }
    }
}

impl Answer {
    pub(crate) fn json<T: DeserializeOwned>(
        &self,
        what: &str,
        url: &str,
    ) -> Result<T, ClientError> {
        from_json(&self.body, what, url)
    }
}

/// An answer's body as JSON.
pub(crate) fn from_json<T: DeserializeOwned>(
    body: &[u8],
    what: &str,
    url: &str,
) -> Result<T, ClientError> {
    serde_json::from_slice(body).map_err(|error| ClientError::Unexpected {
        what: what.to_owned(),
        url: url.to_owned(),
        status: 200,
        detail: format!("with something else than expected ({error}): is this its address?"),
        attempts: 1,
    })
}

/// All of an answer's body, of which at most so many bytes are kept in memory.
pub(crate) async fn read_whole(
    what: &str,
    response: Response,
    longest: usize,
    idle: Duration,
) -> Result<Bytes, Setback> {
    let (url, expected) = (response.url().to_string(), response.content_length());
    let (mut chunks, mut body) = (response.bytes_stream(), BytesMut::new());
    let cut = |received: usize, reason: String| Setback {
        error: ClientError::CutShort {
            what: what.to_owned(),
            url: url.clone(),
            received: received as u64,
            expected,
            reason,
            attempts: 1,
        },
        reached: Reached::Unknown,
        wait: None,
    };
    loop {
        match tokio::time::timeout(idle, chunks.next()).await {
            Err(_) => return Err(cut(body.len(), silence(idle))),
            Ok(None) => return Ok(body.freeze()),
            Ok(Some(Err(error))) => return Err(cut(body.len(), Cause::new(error).to_string())),
            Ok(Some(Ok(chunk))) => {
                if body.len() + chunk.len() > longest {
                    let reason = format!("it is longer than {longest} bytes");
                    return Err(Setback { reached: Reached::Answer, ..cut(body.len(), reason) });
                }
                body.extend_from_slice(&chunk);
            }
        }
    }
}

/// Why a transfer was cut that stood still.
pub(crate) fn silence(idle: Duration) -> String {
    format!("nothing came for {} s", idle.as_secs_f32())
}
